/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping a lent function and its bridges awake: D3cold breaks resets and opens. */
#include <string.h>

#include "lend.h"

/* The owner is the device, not the lend: two functions of one lend share their bridge as well. */
static const char *power_owner(const struct pvb_step *step, char buf[PVB_ADDR_MAX])
{
	return pvb_addr_format(&pvb_step_home(step)->addr, buf);
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

int pvb_effect_power(struct pvb_step *step, struct pvb_err *err)
{
	return power_each(step, power_take, err);
}

int pvb_effect_power_undo(struct pvb_step *step, struct pvb_err *err)
{
	return power_each(step, power_drop, err);
}
