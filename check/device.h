/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices that this run is about, looked at once for all checks of them. Files, each calling only those before it:
 *   devicelook   the looking
 *   devicehealth what becomes of a device that is passed: resets, sleep, errors, its link
 *   devicehome   who has it now, and what was left over
 *   device       what it is, and the table
 */
#ifndef PVEBIND_CHECK_DEVICE_H
#define PVEBIND_CHECK_DEVICE_H

#include "check.h"

struct device_look {
	const struct check_host *host;
	const struct pvb_function **devices; /* the host's, without bridges; malloced */
	size_t n;
	/* malloced: of device i, and of the nearest bridge above it (present: there is one). NULL: err tells why. */
	struct pvb_details *details, *bridges;
	struct pvb_err details_err;
	struct pvb_users users;              /* with the settings of the VM asked for */
	int users_code;                      /* 0; else users_err tells */
	struct pvb_err users_err;
	struct pvb_modconf modconf;
	int modconf_code;
	struct pvb_snapshot *overrides;      /* with driver_override; NULL: overrides_err tells */
	struct pvb_err overrides_err;
};

/* device_clear() after it in any case. -ENOMEM only. */
int device_look(const struct check_host *host, struct device_look *look) PVB_MUST_CHECK;
void device_clear(struct device_look *look);

/* Whether both are functions of one slot. */
bool device_same_slot(const struct pvb_function *a, const struct pvb_function *b);
/* Whether it would be passed on with the devices: one of them, or of a card when nobody has named any. */
bool device_goes_along(const struct device_look *look, const struct pvb_function *fn);
/* Whose it is now: the name of a lend; "" for none. Returns buf. */
const char *device_holder(const struct device_look *look, const struct pvb_function *fn, char *buf, size_t size);
/* Where "ids=" of vfio-pci names its id: "/etc/modprobe.d/vfio.conf:1"; false: nowhere. */
bool device_in_ids(const struct device_look *look, const struct pvb_function *fn, char *where, size_t size);

/* What the files have for the table: of all devices. */
typedef void device_say_fn(struct check_run *run, const struct device_look *look);
device_say_fn device_reset_say, device_d3cold_say, device_aer_say, device_link_say;
device_say_fn device_holders_say, device_override_say, device_home_say, device_lends_say;

#endif
