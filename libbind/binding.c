/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Overriding, unbinding and binding a function, in both directions. */
#include <string.h>

#include "lend.h"

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

static int override_open(struct pvb_step *step, char path[PVB_PATH_MAX])
{
	return pvb_sysfs_open(step->ctx, pvb_device_path(&pvb_step_home(step)->addr, "driver_override", path));
}

static int override_show(int fd, char buf[PVB_NAME_MAX])
{
	int r = fd < 0 ? fd : pvb_sysfs_show(fd, buf, PVB_NAME_MAX);

	if (r == 0)
		pvb_override_trim(buf);
	return r;
}

static int override_store(int fd, const char *path, const char *value, struct pvb_err *err)
{
	char line[PVB_NAME_MAX + 1], now[PVB_NAME_MAX];
	int r = fd;

	/* Clearing takes one "\n": a write of nothing never reaches the kernel. */
	snprintf(line, sizeof(line), "%s\n", value);
	if (r >= 0)
		r = pvb_sysfs_store(fd, line);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write '%s' to /%s: %s", value, path, strerror(-r));
	r = override_show(fd, now);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read /%s: %s", path, strerror(-r));
	if (strcmp(now, value) != 0)
		return pvb_err_set(err, -EIO, "/%s says '%s' after '%s' was written", path, now, value);
	return 0;
}

static int override_write(struct pvb_step *step, const char *value, struct pvb_err *err)
{
	char path[PVB_PATH_MAX];
	_cleanup_close_ int fd = override_open(step, path);

	return override_store(fd, path, value, err);
}

int pvb_effect_override(struct pvb_step *step, struct pvb_err *err)
{
	char was[PVB_NAME_MAX], driver[PVB_NAME_MAX], path[PVB_PATH_MAX];
	_cleanup_close_ int fd = override_open(step, path);
	int r = override_show(fd, was);

	step->quiet = true;
	if (r < 0)
		return pvb_err_set(err, r, "cannot read /%s: %s", path, strerror(-r));
	target_driver(step->ctx, step->op->arg, driver, sizeof(driver));
	if (!strcmp(was, driver))
		was[0] = '\0'; /* left over from a lend before: no home wants it */
	r = pvb_journal_override(step->journal_fd, (size_t)step->op->device, was);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", step->lend->name, strerror(-r));
	return override_store(fd, path, driver, err);
}

int pvb_effect_override_undo(struct pvb_step *step, struct pvb_err *err)
{
	const struct pvb_home *home = pvb_step_home(step);
	char now[PVB_NAME_MAX], target[PVB_NAME_MAX], path[PVB_PATH_MAX];
	_cleanup_close_ int fd = -1;

	step->quiet = true;
	if (pvb_step_gone(step))
		return 0;
	fd = override_open(step, path);
	target_driver(step->ctx, step->op->arg, target, sizeof(target));
	if (override_show(fd, now) == 0 &&
	    (!strcmp(now, home->override) ||
	     /* Death between the intent and its effect: what is there is not ours. */
	     (!*home->override && !home->by_modalias && strcmp(now, target) != 0 && strcmp(now, home->driver) != 0)))
		return 0;
	return override_store(fd, path, home->override, err);
}

/* ---- binding ---- */

/* By the driver's own bind attribute: unlike drivers_probe it tells the driver's error, and unlike it
 * no other driver can come first. The override makes the two match (drivers/pci/pci-driver.c). */
static int driver_bind(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], addr[PVB_ADDR_MAX], now[PVB_NAME_MAX];
	int r, written;

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/bind", driver);
	written = pvb_sysfs_write(step->ctx, path, pvb_addr_format(&pvb_step_home(step)->addr, addr));
	r = pvb_step_driver(step, now, sizeof(now), err);
	if (r < 0)
		return r;
	if (!strcmp(now, driver))
		return 0;
	/* Its probe may say ENOENT, too. */
	if (written == -ENOENT && !driver_registered(step->ctx, driver))
		return pvb_err_set(err, -ENOENT, "the driver %s is not there: its module is missing or could not be loaded", driver);
	return pvb_err_set(err, written < 0 ? written : -EIO, "%s did not take it (/%s): %s; dmesg may say why", driver, path,
			   written < 0 ? strerror(-written) : "the kernel shows no driver");
}

static int driver_unbind(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], addr[PVB_ADDR_MAX], now[PVB_NAME_MAX];
	int r, written;

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/unbind", driver);
	written = pvb_sysfs_write(step->ctx, path, pvb_addr_format(&pvb_step_home(step)->addr, addr));
	r = pvb_step_driver(step, now, sizeof(now), err);
	if (r < 0)
		return r;
	if (!*now)
		return 0;
	return pvb_err_set(err, written < 0 ? written : -EBUSY, "%s does not let it go (/%s): %s", now, path,
			   written < 0 ? strerror(-written) : "the kernel still shows it bound");
}

int pvb_effect_unbind(struct pvb_step *step, struct pvb_err *err)
{
	char driver[PVB_NAME_MAX];
	int r = pvb_step_driver(step, driver, sizeof(driver), err);

	if (r < 0)
		return r;
	step->quiet = true;
	if (!*driver || pvb_step_on_vfio(step, driver))
		return 0;
	r = pvb_gate_check(step->ctx, step->lend, &pvb_step_home(step)->addr, driver, err);
	if (r == 0)
		r = driver_unbind(step, driver, err);
	step->quiet = false;
	snprintf(step->text, sizeof(step->text), "unbound from %s", driver);
	return r;
}

/* The driver that the modalias names: for a card whose screen was the firmware's. */
static int home_by_modalias(struct pvb_step *step, char *driver, size_t size, struct pvb_err *err)
{
	_cleanup_strv_ char **modules = NULL;
	int r = pvb_module_lookup(step->ctx, pvb_step_home(step)->modalias, &modules, err);

	*driver = '\0';
	for (char **module = modules; r == 0 && *module && !*driver; module++)
		if (pvb_module_load(step->ctx, *module, NULL, err) == 0)
			module_driver(step->ctx, *module, driver, size);
	return r;
}

static int home_find(struct pvb_step *step, char *driver, size_t size, struct pvb_err *err)
{
	const struct pvb_home *home = pvb_step_home(step);

	if (!*home->driver)
		return home_by_modalias(step, driver, size, err);
	snprintf(driver, size, "%s", home->driver);
	return 0;
}

/* Some drivers (nvidia) refuse to be loaded where they find no device that they may take: the override names them by now. */
static int home_load(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	const char *module = pvb_step_home(step)->module;

	if (driver_registered(step->ctx, driver) || !*module)
		return 0;
	return pvb_module_load(step->ctx, module, NULL, err);
}

/* The override names the home driver while it is bound, so that neither a new_id nor an ids= of
 * vfio-pci, nor whatever udev loads, can have the device instead; left over, it would pin it. */
static int home_bind(struct pvb_step *step, const char *driver, struct pvb_err *err)
{
	struct pvb_err ignored;
	int r = override_write(step, driver, err);

	if (r < 0)
		return r;
	r = home_load(step, driver, err);
	if (r == 0)
		r = driver_bind(step, driver, err);
	if (r < 0) {
		if (override_write(step, pvb_step_home(step)->override, &ignored) < 0)
			step->warn = true; /* the first error is the one to tell */
		return r;
	}
	return override_write(step, pvb_step_home(step)->override, err);
}

int pvb_effect_unbind_undo(struct pvb_step *step, struct pvb_err *err)
{
	char driver[PVB_NAME_MAX], now[PVB_NAME_MAX];
	int r;

	if (pvb_step_gone(step))
		return 0;
	step->quiet = !*pvb_step_home(step)->driver && !pvb_step_home(step)->by_modalias;
	if (step->quiet)
		return 0; /* host-driver = none */
	r = home_find(step, driver, sizeof(driver), err);
	if (r == 0)
		r = pvb_step_driver(step, now, sizeof(now), err);
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
	_cleanup_close_ int fd = pvb_sysfs_open(step->ctx, pvb_device_path(&pvb_step_home(step)->addr, "power/control", path));
	int r = fd < 0 ? fd : pvb_sysfs_show(fd, control, sizeof(control));

	if (r == -ENOENT || (r == 0 && !strcmp(control, "on")))
		return 0; /* no runtime power management, or awake */
	if (r == 0)
		r = pvb_sysfs_store(fd, "on");
	return r < 0 ? pvb_err_set(err, r, "cannot write 'on' to /%s: %s", path, strerror(-r)) : 0;
}

int pvb_effect_bind(struct pvb_step *step, struct pvb_err *err)
{
	char driver[PVB_NAME_MAX], now[PVB_NAME_MAX];
	int r = pvb_step_driver(step, now, sizeof(now), err);

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

int pvb_effect_bind_undo(struct pvb_step *step, struct pvb_err *err)
{
	char now[PVB_NAME_MAX];
	int r;

	if (pvb_step_gone(step))
		return 0;
	r = pvb_step_driver(step, now, sizeof(now), err);
	step->quiet = true;
	if (r < 0 || !pvb_step_on_vfio(step, now))
		return r;
	if (!*pvb_step_home(step)->driver && !pvb_step_home(step)->by_modalias) {
		step->quiet = false;
		snprintf(step->text, sizeof(step->text), "home without a driver, as it was");
	}
	return driver_unbind(step, now, err);
}
