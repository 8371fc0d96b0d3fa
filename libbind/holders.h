/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holders.c (the question) and search.c (the walk through /proc) share. */
#ifndef PVEBIND_HOLDERS_H
#define PVEBIND_HOLDERS_H

#include "internal.h"

/* One node looked for. In a container the same device may have another path, so its number counts where it has one. */
struct pvb_target {
	const struct pvb_node *node;
	const char *base;
	mode_t type;   /* S_IFCHR, S_IFBLK; 0: no device node here (a test's tree) */
	dev_t rdev;
	dev_t fs;      /* where the node itself is: what /proc/PID/maps shows */
	ino_t inode;
	int found;     /* the process it was found in last: once is enough */
};

struct pvb_search {
	struct pvb_ctx *ctx;
	struct pvb_target *targets;
	size_t n;
	bool maps; /* whether mappings tell anything */
	unsigned part, parts; /* which processes: others look into the other parts at the same time */
	int proc_fd;
	int fd;    /* where what is found goes: struct pvb_holder, one after the other */
	int64_t shown_ns;
	unsigned unreadable;
	char *buffer; /* SEARCH_BUFFER bytes, of the walk alone */
	volatile int *at; /* the process that is looked into */
};
/* Walk proc; in a child of pvb_ask(), data is a struct pvb_search. What ends the answer is a holder without a process,
 * whose "at" is the number of processes that could not be looked into; one of process -1 only says that it goes on. */
void pvb_search_run(struct pvb_ctx *ctx, void *data, int fd);

#endif
