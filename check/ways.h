/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways into the host, and which of them go with the devices that this run is about. */
#ifndef PVEBIND_CHECK_WAYS_H
#define PVEBIND_CHECK_WAYS_H

#include "check.h"

struct ways {
	bool listens;          /* ssh or the web interface */
	bool listens_known;    /* … could be looked at */
	bool routes_known;
	char stays[96];        /* an interface with the default route (without one: any) that stays: "vmbr0 through eno1"; "" */
	char goes[96];         /* one that goes with the devices; "" */
	bool serial;
	bool bmc;              /* a management controller of the board (IPMI) */
	const struct pvb_function *display; /* one that stays, and is not a VM's; NULL */
	const struct pvb_function *taken;   /* the first display or NIC that goes; NULL */
};

void ways_look(const struct check_host *host, struct ways *ways);
/* Whether the function goes to a VM with this run's devices: one of them, or of the group of one. */
bool ways_function_goes(const struct check_host *host, const struct pvb_function *fn);

#endif
