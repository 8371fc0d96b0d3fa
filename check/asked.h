/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lending to VMs would be: asked of each VM once, for all checks that tell of it. */
#ifndef PVEBIND_CHECK_ASKED_H
#define PVEBIND_CHECK_ASKED_H

#include "check.h"

enum asked_end {
	ASKED_PLANNED,       /* there is a plan, with its refusals */
	ASKED_NOTHING,       /* nothing would be lent: why */
	ASKED_MISCONFIGURED, /* err; the hook would end with a configuration error */
	ASKED_FAILED,        /* err; the hook would fail */
	ASKED_LATE,          /* there was no time left to ask */
};

struct asked_vm {
	unsigned vmid;
	enum asked_end end;
	struct pvb_plan *plan;       /* of ASKED_PLANNED */
	struct pvb_err err;
	char why[80];                /* "VM 100 runs (pid 4242)" */
	const struct conf_extra *extra; /* NULL: its config could not be read */
	/* Of a VM that is not the one the run is about. */
	struct pvb_request request;
	struct conf_extra own;
};

struct asked {
	struct asked_vm *vms;        /* malloced: the VM that the run is about, or all of this node in order */
	size_t n;
	bool all;                    /* all of this node */
	int listed;                  /* -errno: there is no list of them; 0 */
	struct pvb_refusals host;    /* what stands against lending to anyone; of one VM with a plan: empty, it has them */
};

/* Reads only, and takes no lock. asked_clear() after it in any case. */
void asked_look(struct check_run *run, struct asked *asked);
void asked_clear(struct asked *asked);

#endif
