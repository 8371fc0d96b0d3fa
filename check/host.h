/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What host.c has for run.c alone. */
#ifndef PVEBIND_CHECK_HOST_H
#define PVEBIND_CHECK_HOST_H

#include "check.h"

/* Look at what many checks ask. front, ctx and vmid are set. What cannot be read is left empty for the checks to tell;
 * only memory that runs out is a failure. */
int check_host_look(struct check_host *host, struct pvb_err *err) PVB_MUST_CHECK;
void check_host_clear(struct check_host *host);

#endif
