/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What outcome.c, overdue.c and apply.c share: a plan that is being carried out. */
#ifndef PVEBIND_APPLY_H
#define PVEBIND_APPLY_H

#include "lend.h"

struct apply {
	struct pvb_run run;
	struct pvb_worker *workers; /* malloced: of all stages, in their order */
	size_t num_workers;
	size_t first, end;          /* those of the stage that is under way */
	bool home;                  /* the way home: goes on after failures */
	bool left;                  /* … but the time was over */
	bool hurried;               /* somebody asked to stop: there is little time left */
	bool stopped;               /* … and workers of a lend were told: some have not done all they had to */
	bool *device_failed;
	struct pvb_err *err;        /* the first failure */
	bool unsaid;                /* what was done last, and is said while the next is being done */
	struct pvb_outcome last;
};

/* Say a failure, note it for the device (-1: none), and keep it if it is the first. */
void pvb_apply_fail(struct apply *a, int device, int code, const char *fmt, ...) PVB_PRINTF(4, 5);
/* "0000:01:00.0: ", or "" for -1. Returns buf. */
const char *pvb_worker_prefix(const struct apply *a, int device, char buf[PVB_ADDR_MAX + 2]);
/* Say what was done last, if that has not been said. */
void pvb_outcome_say(struct apply *a);
/* Take in what the workers have reported. */
void pvb_outcomes_read(struct apply *a);
/* Collect a worker that has ended, and what it said last. */
void pvb_worker_reap(struct apply *a, struct pvb_worker *worker);
/* Its time is over, or the hook's. */
void pvb_worker_late(struct apply *a, struct pvb_worker *worker);

#endif
