/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What critical.c (the walk and the refusals), disk.c and nic.c (the questions), hostuse.c and usb.c share. */
#ifndef PVEBIND_CRITICAL_H
#define PVEBIND_CRITICAL_H

#include "internal.h"

/* How the host uses what is below a function, for one sentence: "sda1 is mounted on /, sda2 is swap".
 * Empty text: not at all. What does not fit is counted and said as "and 3 more". */
struct pvb_uses {
	char text[300];
	unsigned left_off;
};
void pvb_uses_add(struct pvb_uses *uses, const char *fmt, ...) PVB_PRINTF(2, 3);

/* A growing array of malloced strings with NULL at its end. */
struct pvb_paths {
	char **list;
	size_t n;
};
int pvb_paths_add(struct pvb_paths *paths, const char *path) PVB_MUST_CHECK;

struct ifaddrs;
/* What is the same for all functions, read once: begin with { 0 }. */
struct pvb_tables {
	char *mounts, *swaps, *routes4, *routes6; /* malloced */
	struct ifaddrs *addresses;
	struct pvb_uses disks_unread, nics_unread; /* what could not be read */
};
void pvb_tables_clear(struct pvb_tables *tables);

/* How the host uses what is below fn, by disks and by interfaces. -ENOMEM only. */
int pvb_critical_uses(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_function *fn,
		      struct pvb_uses *disks, struct pvb_uses *nics) PVB_MUST_CHECK;

/* The same of a directory of sysfs, which may be a link to one. */
int pvb_critical_below(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_function *fn, const char *path,
		       struct pvb_uses *disks, struct pvb_uses *nics) PVB_MUST_CHECK;

/* Uses of block devices, given as their sysfs directories, a disk before its partitions. What cannot
 * be found out counts as a use. -ENOMEM only. */
int pvb_disk_uses(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_paths *disks,
		  struct pvb_uses *uses) PVB_MUST_CHECK;
/* The same for network interfaces. */
int pvb_nic_uses(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_paths *nics,
		 struct pvb_uses *uses) PVB_MUST_CHECK;

#endif
