/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has the devices now, and what was left over. */
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "kernels.h"

#define WHERE_MAX 320

/* ---- holders ---- */

static void user_say(struct check_run *run, const struct device_look *look, const struct pvb_user *user)
{
	check_about(run, &user->addr);
	if (*user->who) {
		check_ok(run, "", "%s", user->text);
	} else if (user->stops) {
		check_ok(run, "", "%s; it is stopped before a lend, and started again afterwards", user->text);
	} else if (!look->host->devices_wanted) {
		check_ok(run, "", "%s: to be lent, that has to end first", user->text);
	} else {
		check_warn(run, "", "%s: as long as it does, the device cannot be lent", user->text);
		check_advise(run, "Stop it, or name its unit in pvebind.ini: busy = stop, and stop-units or stop-containers.");
	}
}

void device_holders_say(struct check_run *run, const struct device_look *look)
{
	if (look->users_code < 0 || !pvb_sysfs_exists(look->host->ctx, "proc/self")) {
		check_unknown(run, "/proc", "%s", look->users_code < 0 ? look->users_err.text : "there are no processes to look at");
		return;
	}
	for (size_t i = 0; i < look->users.n; i++)
		user_say(run, look, &look->users.list[i]);
	check_about(run, NULL);
	if (*look->users.unknown)
		check_unknown(run, "/proc", "others may have them open: %s", look->users.unknown);
	else if (!look->users.n)
		check_ok(run, "/proc", "nobody has a node of %s open", look->n > 1 ? "these devices" : "this device");
}

/* ---- driver_override ---- */

/* Whether there was something to say. */
static bool override_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	char where[96], holder[32], addr[PVB_ADDR_MAX], driverctl[64];

	snprintf(where, sizeof(where), "/sys/bus/pci/devices/%s/driver_override", pvb_addr_format(&fn->addr, addr));
	snprintf(driverctl, sizeof(driverctl), "/etc/driverctl.d/%s", addr);
	if (fn->override_unknown) {
		check_unknown(run, where, "it cannot be read: somebody has the device's lock, as when a driver hangs");
	} else if (!pvb_sysfs_exists(look->host->ctx, where)) {
		check_unknown(run, where, "the kernel does not show it");
	} else if (!*fn->override || *device_holder(look, fn, holder, sizeof(holder))) {
		return false;
	} else if (pvb_sysfs_exists(look->host->ctx, driverctl)) {
		check_warn(run, driverctl, "driverctl gives it to %s for good: it is never the host's", fn->override);
		check_advise(run, "Leave it to pvebind:");
		check_command(run, "driverctl unset-override %s", addr);
	} else {
		check_warn(run, where, "left over: no driver but %s can have it, and it is not lent", fn->override);
		check_advise(run, "Unless you want that, take it away:");
		check_command(run, "echo > %s", where);
	}
	return true;
}

void device_override_say(struct check_run *run, const struct device_look *look)
{
	size_t said = 0;

	if (!look->overrides) {
		check_unknown(run, "", "driver overrides cannot be read: %s", look->overrides_err.text);
		return;
	}
	for (size_t i = 0; i < look->n; i++) {
		const struct pvb_function *fn = pvb_snapshot_find(look->overrides, &look->devices[i]->addr);

		check_about(run, &look->devices[i]->addr);
		said += fn && override_say(run, look, fn);
	}
	check_about(run, NULL);
	if (!said)
		check_ok(run, "", "none has an override but what is lent");
}

/* ---- whose it is while no VM has it ---- */

static const struct pvb_user *user_of(const struct device_look *look, const struct pvb_function *fn)
{
	for (size_t i = 0; i < look->users.n; i++)
		if (pvb_addr_compare(&look->users.list[i].addr, &fn->addr) == 0)
			return &look->users.list[i];
	return NULL;
}

/* "; the host's driver for it is nouveau", into buf: nothing where that is not known. */
static void drivers_name(struct check_run *run, const struct pvb_function *fn, char *buf, size_t size)
{
	struct drivers drivers;
	struct kernels kernels;
	char names[256];

	kernels_find(&run->host, &kernels);
	drivers_find(&kernels, fn, &drivers);
	drivers_text(&drivers, names, sizeof(names));
	*buf = '\0';
	if (*names)
		snprintf(buf, size, "; the host's own driver for it would be %s", names);
	else if (!drivers.unknown)
		snprintf(buf, size, "; the host has no driver of its own for it");
	kernels_clear(&kernels);
}

static void left_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	const struct pvb_user *user = user_of(look, fn);
	char where[WHERE_MAX], own[320], addr[PVB_ADDR_MAX];

	if (user) {
		check_warn(run, "", "it is in use, but not lent by pvebind: %s; when that ends it stays on %s", user->text, fn->driver);
		check_advise(run, "Give that VM pvebind's hookscript (pvebind enable VMID); it counts from its next start.");
		return;
	}
	/* What that costs vfio-ids and vfio-parameters tell. */
	if (device_in_ids(look, fn, where, sizeof(where))) {
		check_ok(run, where, "%s has it from the host's start on, by ids=: pvebind leaves it there", fn->driver);
		return;
	}
	drivers_name(run, fn, own, sizeof(own));
	check_warn(run, "", "it is on %s and not lent: left by a start without pvebind (Proxmox VE does not give back), or bound by hand%s",
		   fn->driver, own);
	check_advise(run, "If the host shall have it while no VM does, give it back:");
	pvb_addr_format(&fn->addr, addr);
	check_command(run, "echo > /sys/bus/pci/devices/%s/driver_override && echo %s > /sys/bus/pci/drivers/%s/unbind && echo %s > /sys/bus/pci/drivers_probe",
		      addr, addr, fn->driver, addr);
}

/* What its lend has in the journal. */
static void lent_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn, const char *holder)
{
	struct pvb_lend lend;
	struct pvb_err err;

	if (pvb_lend_read(look->host->ctx, holder, &lend, &err) < 0) {
		check_unknown(run, "/run/pvebind", "it is lent to %s, and where it comes home to cannot be read: %s", holder, err.text);
		return;
	}
	for (size_t i = 0; i < lend.num_devices; i++) {
		const struct pvb_home *home = &lend.devices[i];

		if (pvb_addr_compare(&home->addr, &fn->addr) != 0)
			continue;
		check_ok(run, "", "%s has it; %s%s", lend.label, home->stays ? "it stays there afterwards, where it was before" :
			 *home->driver ? "it comes home to " : home->by_modalias ? "it comes home to the driver that its id names" :
			 "it comes home to no driver", home->stays ? "" : home->driver);
	}
	pvb_lend_clear(&lend);
}

static void home_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	char holder[32];

	check_about(run, &fn->addr);
	device_holder(look, fn, holder, sizeof(holder));
	if (*holder)
		lent_say(run, look, fn, holder);
	else if (fn->vfio)
		left_say(run, look, fn);
	else if (*fn->driver)
		check_ok(run, "", "%s has it while no VM does", fn->driver);
	else
		check_ok(run, "", "it is the host's, and no driver has it");
}

void device_home_say(struct check_run *run, const struct device_look *look)
{
	for (size_t i = 0; i < look->n; i++)
		home_say(run, look, look->devices[i]);
	check_about(run, NULL);
}

/* ---- lends ---- */

static void unfinished_say(struct check_run *run, const struct pvb_lend *lend)
{
	check_warn(run, "", "%s: %s was left half-done by a process that is gone (%s)", lend->label,
		   lend->state == PVB_RETURNING ? "taking its devices back" : "lending its devices", pvb_state_name(lend->state));
	check_advise(run, "Finish it:");
	check_command(run, "pvebind recover %s", lend->name);
}

static void lend_say(struct check_run *run, const struct pvb_lend *lend)
{
	if (lend->state == PVB_FAILED) {
		check_fail(run, "", "%s: something it was lent could not be brought home", lend->label);
		check_advise(run, "See what hangs, and try again:");
		check_command(run, "pvebind status");
		check_command(run, "pvebind recover %s", lend->name);
	} else if (lend->unfinished) {
		unfinished_say(run, lend);
	} else if (lend->other_boot) {
		check_warn(run, "", "%s: the host was restarted while its devices were lent; the record of it is out of date", lend->label);
		check_advise(run, "Have it cleared up:");
		check_command(run, "pvebind recover %s", lend->name);
	} else {
		check_ok(run, "", "%s: %s", lend->label, pvb_state_name(lend->state));
	}
}

static void lend_read_say(struct check_run *run, const char *name)
{
	struct pvb_lend lend;
	struct pvb_err err;
	char where[64];
	int r = pvb_lend_read(run->host.ctx, name, &lend, &err);

	if (r == -ENOENT)
		return;
	if (r == 0) {
		lend_say(run, &lend);
		pvb_lend_clear(&lend);
		return;
	}
	snprintf(where, sizeof(where), "/run/pvebind/%.32s.journal", name);
	check_fail(run, where, "what is lent to %s cannot be read: %s", name, err.text);
}

void device_lends_say(struct check_run *run, const struct device_look *look)
{
	_conf_strv_ char **names = NULL;
	size_t before = run->findings.n;
	struct pvb_err err;

	if (pvb_lend_names(look->host->ctx, &names, &err) < 0) {
		check_unknown(run, "/run/pvebind", "%s", err.text);
		return;
	}
	for (char **name = names; *name; name++)
		lend_read_say(run, *name);
	if (run->findings.n == before)
		check_ok(run, "/run/pvebind", "nothing is lent, and nothing was left half-done");
}
