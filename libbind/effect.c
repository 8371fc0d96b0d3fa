/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the operations do, as a table. Every one looks first, so that doing it twice is doing it once, and
 * reads back afterwards: a write's return proves nothing. */
#include <string.h>

#include "lend.h"

#define FRAMEBUFFER_NS 2000000000 /* for a driver that makes its frame buffer after its probe */

const struct pvb_home *pvb_step_home(const struct pvb_step *step)
{
	return &step->lend->devices[step->op->device];
}

/* The device went away (unplugged, fell off): there is nothing to bring home. */
bool pvb_step_gone(struct pvb_step *step)
{
	char path[PVB_PATH_MAX];

	if (pvb_sysfs_exists(step->ctx, pvb_device_path(&pvb_step_home(step)->addr, "", path)))
		return false;
	step->warn = true;
	snprintf(step->text, sizeof(step->text), "the device is gone from the bus, so there is nothing to bring home");
	return true;
}

int pvb_step_driver(const struct pvb_step *step, char *driver, size_t size, struct pvb_err *err)
{
	char path[PVB_PATH_MAX];
	int r = pvb_sysfs_link(step->ctx, pvb_device_path(&pvb_step_home(step)->addr, "driver", path), driver, size);

	return r < 0 ? pvb_err_set(err, r, "cannot read /%s: %s", path, strerror(-r)) : 0;
}

bool pvb_step_on_vfio(const struct pvb_step *step, const char *driver)
{
	char path[PVB_PATH_MAX];

	return !strcmp(driver, "vfio-pci") ||
	       (*driver && pvb_sysfs_exists(step->ctx, pvb_device_path(&pvb_step_home(step)->addr, "vfio-dev", path)));
}

bool pvb_step_away(const struct pvb_step *step)
{
	char path[PVB_PATH_MAX], driver[PVB_NAME_MAX];

	for (size_t i = 0; i < step->lend->num_devices; i++) {
		const struct pvb_home *home = &step->lend->devices[i];

		if (*home->driver && !home->stays && pvb_sysfs_exists(step->ctx, pvb_device_path(&home->addr, "", path)) &&
		    pvb_sysfs_link(step->ctx, pvb_device_path(&home->addr, "driver", path), driver, sizeof(driver)) == 0 &&
		    strcmp(driver, home->driver) != 0)
			return true;
	}
	return false;
}

/* ---- resets: a failing one is said, as by Proxmox VE, and stops nothing ---- */

static int reset_do(struct pvb_step *step, struct pvb_err *err)
{
	char how[PVB_NAME_MAX] = "", driver[PVB_NAME_MAX];
	int r;

	if (step->op->undo && pvb_step_gone(step))
		return 0;
	r = pvb_step_driver(step, driver, sizeof(driver), err);
	step->quiet = true;
	if (r < 0 || (*driver && !pvb_step_on_vfio(step, driver)))
		return r; /* on the host's driver: never under its feet */
	r = pvb_reset_function(step->ctx, &pvb_step_home(step)->addr, step->op->arg, how, sizeof(how), err);
	step->quiet = false;
	step->warn = r < 0;
	if (r < 0 && step->lend->by_hand)
		return r;
	if (r < 0)
		snprintf(step->text, sizeof(step->text), "not reset: %.350s", err->text);
	else
		snprintf(step->text, sizeof(step->text), "reset by %s", how);
	return 0;
}

static size_t slot_members(const struct pvb_step *step, const struct pvb_addr *slot, const struct pvb_home **members,
			   size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < step->lend->num_devices && n < max; i++)
		if (pvb_addr_matches(slot, &step->lend->devices[i].addr))
			members[n++] = &step->lend->devices[i];
	return n;
}

static bool slot_on_vfio(struct pvb_step *step, const struct pvb_home **members, size_t n, struct pvb_addr *bridge)
{
	for (size_t i = 0; i < n; i++) {
		struct pvb_function fn;

		if (pvb_function_read(step->ctx, &members[i]->addr, &fn) < 0 || !fn.vfio || !fn.num_bridges)
			return false;
		*bridge = fn.bridges[0];
	}
	return n > 0;
}

static int slot_reset_do(struct pvb_step *step, struct pvb_err *err)
{
	const struct pvb_home *members[8];
	struct pvb_addr slot, bridge;
	char how[PVB_NAME_MAX] = "";
	int r = pvb_addr_parse(step->op->arg, &slot, err);
	size_t n;

	if (r < 0)
		return r;
	n = slot_members(step, &slot, members, ARRAY_SIZE(members));
	step->quiet = true;
	if (!slot_on_vfio(step, members, n, &bridge) && step->lend->by_hand)
		return pvb_err_set(err, -ENOTTY, "%.40s cannot be reset function by function, and to be reset as a whole it must be on vfio-pci: lend it first",
				   step->op->arg);
	if (!slot_on_vfio(step, members, n, &bridge))
		return 0;
	r = pvb_reset_slot(step->ctx, members, n, &bridge, how, sizeof(how), err);
	step->quiet = false;
	step->warn = r < 0;
	if (r < 0 && step->lend->by_hand)
		return r;
	if (r == -ENOTTY)
		snprintf(step->text, sizeof(step->text), "%s has nothing to be reset with: the next user gets it as this one left it", step->op->arg);
	else if (r < 0)
		snprintf(step->text, sizeof(step->text), "%.30s was not reset: %.300s", step->op->arg, err->text);
	else
		snprintf(step->text, sizeof(step->text), "%s reset by %s", step->op->arg, how);
	return 0;
}

/* ---- modules and the console ---- */

static int module_do(struct pvb_step *step, struct pvb_err *err)
{
	bool loaded = false;
	int r = pvb_module_load(step->ctx, step->op->arg, &loaded, err);

	step->quiet = !loaded;
	snprintf(step->text, sizeof(step->text), "loaded the module %s", step->op->arg);
	return r;
}

static int console_do(struct pvb_step *step, struct pvb_err *err)
{
	struct pvb_shared shared;
	int r;

	step->quiet = !*step->op->arg;
	if (step->quiet)
		return 0; /* another card shows it; on the way home we look again */
	r = pvb_shared_enter(step->ctx, "console", true, &shared, err);
	if (r < 0)
		return r;
	r = pvb_shared_add(&shared, step->lend->name, step->op->arg, err);
	if (r == 0)
		r = pvb_console_release(step->ctx, step->op->arg, err);
	pvb_shared_leave(&shared);
	snprintf(step->text, sizeof(step->text), "console off the screen (%s)", step->op->arg);
	/* A card that comes home at this very moment gets it from the kernel (set_con2fb_map(), fbcon.c). */
	if (r == -EIO && pvb_console_elsewhere(step->ctx, step->lend->devices, step->lend->num_devices)) {
		snprintf(step->text, sizeof(step->text), "the console went to another card (%s)", step->op->arg);
		r = err->code = 0;
	}
	return r;
}

/* From now on, in this boot, the kernel can no longer be left to move the console (see lending.c). */
static int console_bound_mark(struct pvb_step *step, struct pvb_err *err)
{
	struct pvb_record record;
	int r = pvb_record_open(step->ctx, PVB_CONSOLE_BOUND, pvb_now_ns() + 1000000000, &record);

	if (r < 0)
		return pvb_err_set(err, r, "cannot write /" PVB_STATE_DIR "/" PVB_CONSOLE_BOUND ": %s", strerror(-r));
	pvb_record_close(&record);
	return 0;
}

static int console_move_do(struct pvb_step *step, struct pvb_err *err)
{
	int r = console_bound_mark(step, err);

	if (r == 0)
		r = pvb_console_restore(step->ctx, step->op->arg, err);
	snprintf(step->text, sizeof(step->text), "console on the card that stays (%.40s)", step->op->arg);
	if (r != -ENODEV)
		return r;
	step->warn = true;
	snprintf(step->text, sizeof(step->text), "the console stays dark: the other card has no frame buffer any more");
	return 0;
}

static int console_back(struct pvb_step *step, const struct pvb_shared *shared, struct pvb_err *err)
{
	int r = console_bound_mark(step, err);

	if (r == 0)
		r = pvb_console_restore(step->ctx, shared->home, err);
	if (r == -ENODEV && !pvb_step_away(step) && pvb_console_wait(step->ctx, pvb_now_ns() + FRAMEBUFFER_NS) == 0)
		r = pvb_console_restore(step->ctx, shared->home, err);
	step->quiet = false;
	snprintf(step->text, sizeof(step->text), "console on the screen again (%s)", shared->home);
	/* A card that is not home yet may bring the frame buffer: then this is to be done again by recover. */
	if (r != -ENODEV || pvb_step_away(step))
		return r;
	/* Another lend's card may bring a frame buffer yet. */
	step->quiet = !pvb_shared_last(shared, step->lend->name);
	step->warn = true;
	snprintf(step->text, sizeof(step->text), "the console stays dark: no driver of this host gave it a frame buffer");
	return 0;
}

/* Whichever lend brings a frame buffer back gives the console its screen, also when another lend took it. */
static int console_undo(struct pvb_step *step, struct pvb_err *err)
{
	struct pvb_shared shared;
	int r = pvb_shared_enter(step->ctx, "console", false, &shared, err);

	step->quiet = true;
	if (r == 0 && *shared.home)
		r = console_back(step, &shared, err);
	if (r == 0)
		r = pvb_shared_remove(step->ctx, &shared, step->lend->name, err);
	pvb_shared_leave(&shared);
	return r;
}

static const struct {
	int (*redo)(struct pvb_step *step, struct pvb_err *err);
	int (*undo)(struct pvb_step *step, struct pvb_err *err);
} effects[PVB_OP_COUNT] = {
	[PVB_OP_MODULE] = { module_do, NULL }, /* others may use it by now: never unloaded */
	[PVB_OP_CONSOLE] = { console_do, console_undo },
	[PVB_OP_CONSOLE_MOVE] = { console_move_do, NULL },
	[PVB_OP_POWER] = { pvb_effect_power, pvb_effect_power_undo },
	[PVB_OP_OVERRIDE] = { pvb_effect_override, pvb_effect_override_undo },
	[PVB_OP_UNBIND] = { pvb_effect_unbind, pvb_effect_unbind_undo },
	[PVB_OP_BIND] = { pvb_effect_bind, pvb_effect_bind_undo },
	[PVB_OP_RESET] = { reset_do, reset_do },
	[PVB_OP_SLOT_RESET] = { slot_reset_do, slot_reset_do },
	[PVB_OP_STOP] = { pvb_effect_stop, pvb_effect_stop_undo },
	[PVB_OP_UNLOAD] = { pvb_effect_unload, pvb_effect_unload_undo },
};

int pvb_effect(struct pvb_step *step, struct pvb_err *err)
{
	int (*effect)(struct pvb_step *, struct pvb_err *) =
		step->op->undo ? effects[step->op->kind].undo : effects[step->op->kind].redo;
	int r;

	step->warn = step->quiet = false;
	step->text[0] = '\0';
	r = effect ? effect(step, err) : 0;
	/* It may be pulled out at any moment, also between a look and a write. A module is the host's, though a device's worker
	 * loads it. */
	if (r < 0 && step->op->undo && step->op->device >= 0 && step->op->kind != PVB_OP_UNLOAD && pvb_step_gone(step))
		r = err->code = 0;
	return r;
}
