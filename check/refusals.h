/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that speak of lending to VMs share. */
#ifndef PVEBIND_CHECK_REFUSALS_H
#define PVEBIND_CHECK_REFUSALS_H

#include "asked.h"

/* config.c: whether what the hook is told can be read. */
void config_say(struct check_run *run, const struct asked *asked);
/* The last finding is about this VM, whatever the run is about. */
static inline void refusals_of_vm(struct check_run *run, unsigned vmid)
{
	run->findings.list[run->findings.n - 1].vmid = vmid;
}

#endif
