/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the operations do to the kernel, and what undoing them does. Every one looks first, so that
 * doing it twice is doing it once, and reads back afterwards: a write's return proves nothing. */
#include <string.h>

#include "internal.h"

static const struct pvb_home *step_home(const struct pvb_step *step)
{
	return &step->lend->devices[step->op->device];
}

/* The device went away (unplugged, fell off): there is nothing to bring home. */
static bool device_gone(struct pvb_step *step)
{
	char path[PVB_PATH_MAX];

	if (pvb_sysfs_exists(step->ctx, pvb_device_path(&step_home(step)->addr, "", path)))
		return false;
	step->warn = true;
	snprintf(step->text, sizeof(step->text), "the device is gone from the bus, so there is nothing to bring home");
	return true;
}

static int driver_now(const struct pvb_step *step, char *driver, size_t size, struct pvb_err *err)
{
	char path[PVB_PATH_MAX];
	int r = pvb_sysfs_link(step->ctx, pvb_device_path(&step_home(step)->addr, "driver", path), driver, size);

	return r < 0 ? pvb_err_set(err, r, "cannot read /%s: %s", path, strerror(-r)) : 0;
}

static bool on_vfio(const struct pvb_step *step, const char *driver)
{
	char path[PVB_PATH_MAX];

	return !strcmp(driver, "vfio-pci") ||
	       (*driver && pvb_sysfs_exists(step->ctx, pvb_device_path(&step_home(step)->addr, "vfio-dev", path)));
}

static bool driver_registered(struct pvb_ctx *ctx, const char *driver)
{
	char path[PVB_PATH_MAX];

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	return pvb_sysfs_exists(ctx, path);
}

/* The PCI driver that a module registers: sys/module/M/drivers/pci:NAME. "" when it has none. */
static void module_driver(struct pvb_ctx *ctx, const char *module, char *driver, size_t size)
{
	_cleanup_strv_ char **names = NULL;
	char path[PVB_PATH_MAX];

	*driver = '\0';
	snprintf(path, sizeof(path), "sys/module/%s/drivers", module);
	if (pvb_sysfs_list(ctx, path, &names) < 0)
		return;
	for (char **name = names; *name; name++)
		if (!strncmp(*name, "pci:", 4))
			snprintf(driver, size, "%s", *name + 4);
}

/* The plan names a variant driver by its module; its driver's name may be spelt otherwise. */
static void target_driver(struct pvb_ctx *ctx, const char *target, char *driver, size_t size)
{
	*driver = '\0';
	if (!driver_registered(ctx, target))
		module_driver(ctx, target, driver, size);
	if (!*driver)
		snprintf(driver, size, "%.*s", (int)size - 1, target);
}

/* ---- driver_override ---- */

static int override_write(struct pvb_step *step, const char *value, struct pvb_err *err)
{
	const struct pvb_addr *addr = &step_home(step)->addr;
	char path[PVB_PATH_MAX], line[PVB_NAME_MAX + 1], now[PVB_NAME_MAX];
	int r;

	/* Clearing takes one "\n": a write of nothing never reaches the kernel. */
	snprintf(line, sizeof(line), "%s\n", value);
	r = pvb_sysfs_write(step->ctx, pvb_device_path(addr, "driver_override", path), line);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write '%s' to /%s: %s", value, path, strerror(-r));
	r = pvb_override_read(step->ctx, addr, now);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read /%s: %s", path, strerror(-r));
	if (strcmp(now, value) != 0)
		return pvb_err_set(err, -EIO, "/%s says '%s' after '%s' was written", path, now, value);
	return 0;
}

static int override_do(struct pvb_step *step, struct pvb_err *err)
{
	char was[PVB_NAME_MAX], driver[PVB_NAME_MAX], path[PVB_PATH_MAX];
	int r = pvb_override_read(step->ctx, &step_home(step)->addr, was);

	step->quiet = true;
	if (r < 0)
		return pvb_err_set(err, r, "cannot read /%s: %s",
				   pvb_device_path(&step_home(step)->addr, "driver_override", path), strerror(-r));
	target_driver(step->ctx, step->op->arg, driver, sizeof(driver));
	if (!strcmp(was, driver))
		was[0] = '\0'; /* left over from a lend before: no home wants it */
	r = pvb_journal_override(step->journal_fd, (size_t)step->op->device, was);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", step->lend->name, strerror(-r));
	return override_write(step, driver, err);
}

static int override_undo(struct pvb_step *step, struct pvb_err *err)
{
	char now[PVB_NAME_MAX];

	step->quiet = true;
	if (device_gone(step))
		return 0;
	if (pvb_override_read(step->ctx, &step_home(step)->addr, now) == 0 && !strcmp(now, step_home(step)->override))
		return 0;
	return override_write(step, step_home(step)->override, err);
}

/* ---- binding ---- */

/* By the driver's own bind attribute: unlike drivers_probe it tells the driver's error, and unlike it
 * no other driver can come first. The override makes the two match (drivers/pci/pci-driver.c). */
static int driver_bind(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], addr[PVB_ADDR_MAX], now[PVB_NAME_MAX];
	int r, written;

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/bind", driver);
	written = pvb_sysfs_write(step->ctx, path, pvb_addr_format(&step_home(step)->addr, addr));
	r = driver_now(step, now, sizeof(now), err);
	if (r < 0)
		return r;
	if (!strcmp(now, driver))
		return 0;
	if (written == -ENOENT)
		return pvb_err_set(err, -ENOENT, "the driver %s is not there: its module is missing or could not be loaded", driver);
	return pvb_err_set(err, written < 0 ? written : -EIO, "%s did not take it: %s; dmesg may say why", driver,
			   written < 0 ? strerror(-written) : "the kernel shows no driver");
}

static int driver_unbind(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], addr[PVB_ADDR_MAX], now[PVB_NAME_MAX];
	int r, written;

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/unbind", driver);
	written = pvb_sysfs_write(step->ctx, path, pvb_addr_format(&step_home(step)->addr, addr));
	r = driver_now(step, now, sizeof(now), err);
	if (r < 0)
		return r;
	if (!*now)
		return 0;
	return pvb_err_set(err, written < 0 ? written : -EBUSY, "%s does not let it go: %s", now,
			   written < 0 ? strerror(-written) : "the kernel still shows it bound");
}

static int unbind_do(struct pvb_step *step, struct pvb_err *err)
{
	char driver[PVB_NAME_MAX];
	int r = driver_now(step, driver, sizeof(driver), err);

	if (r < 0)
		return r;
	step->quiet = true;
	if (!*driver || on_vfio(step, driver))
		return 0;
	r = driver_unbind(step, driver, err);
	step->quiet = false;
	snprintf(step->text, sizeof(step->text), "unbound from %s", driver);
	return r;
}

/* The driver that the modalias names: for a card whose screen was the firmware's. */
static int home_by_modalias(struct pvb_step *step, char *driver, size_t size, struct pvb_err *err)
{
	_cleanup_strv_ char **modules = NULL;
	int r = pvb_module_lookup(step->ctx, step_home(step)->modalias, &modules, err);

	*driver = '\0';
	for (char **module = modules; r == 0 && *module && !*driver; module++)
		if (pvb_module_load(step->ctx, *module, NULL, err) == 0)
			module_driver(step->ctx, *module, driver, size);
	return r;
}

static int home_find(struct pvb_step *step, char *driver, size_t size, struct pvb_err *err)
{
	const struct pvb_home *home = step_home(step);

	if (!*home->driver)
		return home_by_modalias(step, driver, size, err);
	snprintf(driver, size, "%s", home->driver);
	if (driver_registered(step->ctx, driver) || !*home->module)
		return 0;
	return pvb_module_load(step->ctx, home->module, NULL, err);
}

/* The override names the home driver while it is bound, so that neither a new_id nor an ids= of
 * vfio-pci, nor whatever udev loads, can have the device instead; left over, it would pin it. */
static int home_bind(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	struct pvb_err ignored;
	int r = override_write(step, driver, err);

	if (r < 0)
		return r;
	r = driver_bind(step, driver, err);
	if (r < 0) {
		if (override_write(step, step_home(step)->override, &ignored) < 0)
			step->warn = true; /* the first error is the one to tell */
		return r;
	}
	return override_write(step, step_home(step)->override, err);
}

static int unbind_undo(struct pvb_step *step, struct pvb_err *err)
{
	char driver[PVB_NAME_MAX], now[PVB_NAME_MAX];
	int r;

	if (device_gone(step))
		return 0;
	r = home_find(step, driver, sizeof(driver), err);
	if (r == 0)
		r = driver_now(step, now, sizeof(now), err);
	if (r < 0)
		return r;
	if (!*driver) {
		step->warn = true;
		snprintf(step->text, sizeof(step->text), "this host has no driver for it: a console that was on the firmware's frame buffer stays dark until a reboot");
		return 0;
	}
	step->quiet = !strcmp(now, driver);
	if (step->quiet)
		return 0;
	r = home_bind(step, driver, err);
	snprintf(step->text, sizeof(step->text), "home on %s", driver);
	return r;
}

/* vfio-pci lets what nobody has open fall asleep (pm_runtime_allow() in vfio_pci_core_register_device()), and
 * forbids it again as it goes: that the device was awake before does not keep it so. */
static int awake_keep(struct pvb_step *step, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], control[16];
	int r = pvb_sysfs_read(step->ctx, pvb_device_path(&step_home(step)->addr, "power/control", path), control,
			       sizeof(control));

	if (r == -ENOENT || (r == 0 && !strcmp(control, "on")))
		return 0; /* no runtime power management, or awake */
	if (r == 0)
		r = pvb_sysfs_write(step->ctx, path, "on");
	return r < 0 ? pvb_err_set(err, r, "cannot write 'on' to /%s: %s", path, strerror(-r)) : 0;
}

static int bind_do(struct pvb_step *step, struct pvb_err *err)
{
	char driver[PVB_NAME_MAX], now[PVB_NAME_MAX];
	int r = driver_now(step, now, sizeof(now), err);

	if (r < 0)
		return r;
	target_driver(step->ctx, step->op->arg, driver, sizeof(driver));
	if (!strcmp(now, driver)) {
		snprintf(step->text, sizeof(step->text), "on %s already", driver);
		return awake_keep(step, err);
	}
	snprintf(step->text, sizeof(step->text), "bound to %s", driver);
	r = driver_bind(step, driver, err);
	return r < 0 ? r : awake_keep(step, err);
}

static int bind_undo(struct pvb_step *step, struct pvb_err *err)
{
	char now[PVB_NAME_MAX];
	int r;

	if (device_gone(step))
		return 0;
	r = driver_now(step, now, sizeof(now), err);
	step->quiet = true;
	if (r < 0 || !on_vfio(step, now))
		return r;
	if (!*step_home(step)->driver && !step_home(step)->by_modalias) {
		step->quiet = false;
		snprintf(step->text, sizeof(step->text), "home without a driver, as it was");
	}
	return driver_unbind(step, now, err);
}

/* ---- resets: a failing one is said, as by Proxmox VE, and stops nothing ---- */

static int reset_do(struct pvb_step *step, struct pvb_err *err)
{
	char how[PVB_NAME_MAX] = "", driver[PVB_NAME_MAX];
	int r;

	if (step->op->undo && device_gone(step))
		return 0;
	r = driver_now(step, driver, sizeof(driver), err);
	step->quiet = true;
	if (r < 0 || (*driver && !on_vfio(step, driver)))
		return r; /* on the host's driver: never under its feet */
	r = pvb_reset_function(step->ctx, &step_home(step)->addr, step->op->arg, how, sizeof(how), err);
	step->quiet = false;
	step->warn = r < 0;
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
	if (!slot_on_vfio(step, members, n, &bridge))
		return 0;
	r = pvb_reset_slot(step->ctx, members, n, &bridge, how, sizeof(how), err);
	step->quiet = false;
	step->warn = r < 0;
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
	return r;
}

static int console_back(struct pvb_step *step, const struct pvb_shared *shared, struct pvb_err *err)
{
	int r = pvb_console_restore(step->ctx, shared->home, err);

	step->quiet = false;
	snprintf(step->text, sizeof(step->text), "console on the screen again (%s)", shared->home);
	if (r != -ENODEV)
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

/* ---- power: a function and its bridges, shared with other lends below the same bridge ---- */

/* The owner is the device, not the lend: two functions of one lend share their bridge as well. */
static const char *power_owner(const struct pvb_step *step, char buf[PVB_ADDR_MAX])
{
	return pvb_addr_format(&step_home(step)->addr, buf);
}

static void power_name(const char *addr, char name[PVB_NAME_MAX])
{
	snprintf(name, PVB_NAME_MAX, "%.40s.power", addr);
}

static int power_set(struct pvb_step *step, const char *addr, const char *control, const char *d3cold,
		     struct pvb_err *err)
{
	char path[PVB_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/d3cold_allowed", addr);
	r = *d3cold ? pvb_sysfs_write(step->ctx, path, d3cold) : 0;
	if (r == 0) {
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/power/control", addr);
		r = pvb_sysfs_write(step->ctx, path, control);
	}
	if (r == -ENOENT)
		return 0; /* gone from the bus, or no power management */
	return r < 0 ? pvb_err_set(err, r, "cannot write /%s: %s", path, strerror(-r)) : 0;
}

static void power_read(struct pvb_step *step, const char *addr, char *control, char *d3cold, size_t size)
{
	char path[PVB_PATH_MAX];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/power/control", addr);
	if (pvb_sysfs_read(step->ctx, path, control, size) < 0)
		snprintf(control, size, "on");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/d3cold_allowed", addr);
	if (pvb_sysfs_read(step->ctx, path, d3cold, size) < 0)
		*d3cold = '\0';
}

static int power_take(struct pvb_step *step, const char *addr, struct pvb_err *err)
{
	char name[PVB_NAME_MAX], control[16], d3cold[16], home[40];
	char owner[PVB_ADDR_MAX];
	struct pvb_shared shared;
	int r;

	power_name(addr, name);
	r = pvb_shared_enter(step->ctx, name, true, &shared, err);
	if (r < 0)
		return r;
	power_read(step, addr, control, d3cold, sizeof(control));
	snprintf(home, sizeof(home), "%s/%s", control, d3cold);
	r = pvb_shared_add(&shared, power_owner(step, owner), home, err);
	if (r == 0)
		r = power_set(step, addr, "on", *d3cold ? "0" : "", err);
	pvb_shared_leave(&shared);
	return r;
}

static int power_drop(struct pvb_step *step, const char *addr, struct pvb_err *err)
{
	char name[PVB_NAME_MAX], control[40], *d3cold;
	char owner[PVB_ADDR_MAX];
	struct pvb_shared shared;
	int r;

	power_name(addr, name);
	r = pvb_shared_enter(step->ctx, name, false, &shared, err);
	if (r < 0)
		return r;
	memcpy(control, shared.home, sizeof(control) - 1);
	control[sizeof(control) - 1] = '\0';
	d3cold = strchr(control, '/');
	if (d3cold)
		*d3cold++ = '\0';
	if (*control && pvb_shared_last(&shared, power_owner(step, owner)))
		r = power_set(step, addr, control, d3cold ? d3cold : "", err);
	if (r == 0)
		r = pvb_shared_remove(step->ctx, &shared, power_owner(step, owner), err);
	pvb_shared_leave(&shared);
	return r;
}

static int power_each(struct pvb_step *step, int (*each)(struct pvb_step *, const char *, struct pvb_err *),
		      struct pvb_err *err)
{
	char list[sizeof(step->op->arg)], *addr, *save = NULL;
	int r = 0;

	memcpy(list, step->op->arg, sizeof(list));
	step->quiet = true;
	for (addr = strtok_r(list, " ", &save); addr && r == 0; addr = strtok_r(NULL, " ", &save))
		r = each(step, addr, err);
	return r;
}

static int power_do(struct pvb_step *step, struct pvb_err *err)
{
	return power_each(step, power_take, err);
}

static int power_undo(struct pvb_step *step, struct pvb_err *err)
{
	return power_each(step, power_drop, err);
}

static const struct {
	int (*redo)(struct pvb_step *step, struct pvb_err *err);
	int (*undo)(struct pvb_step *step, struct pvb_err *err);
} effects[PVB_OP_COUNT] = {
	[PVB_OP_MODULE] = { module_do, NULL }, /* others may use it by now: never unloaded */
	[PVB_OP_CONSOLE] = { console_do, console_undo },
	[PVB_OP_POWER] = { power_do, power_undo },
	[PVB_OP_OVERRIDE] = { override_do, override_undo },
	[PVB_OP_UNBIND] = { unbind_do, unbind_undo },
	[PVB_OP_BIND] = { bind_do, bind_undo },
	[PVB_OP_RESET] = { reset_do, reset_do },
	[PVB_OP_SLOT_RESET] = { slot_reset_do, slot_reset_do },
};

int pvb_effect(struct pvb_step *step, struct pvb_err *err)
{
	int (*effect)(struct pvb_step *, struct pvb_err *) =
		step->op->undo ? effects[step->op->kind].undo : effects[step->op->kind].redo;

	step->warn = step->quiet = false;
	step->text[0] = '\0';
	return effect ? effect(step, err) : 0;
}
