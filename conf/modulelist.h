/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that name modules to load at boot, one a line (modules-load.d(5), initramfs-tools(7)). */
#ifndef PVEBIND_CONF_MODULELIST_H
#define PVEBIND_CONF_MODULELIST_H

#include "conf.h"

#define MODULELIST_INITRAMFS "/etc/initramfs-tools/modules" /* read by who makes the initramfs; the others at boot */

struct modulelist_line {
	char module[PVB_NAME_MAX];
	char file[300];
	unsigned line;
};

struct modulelist {
	struct modulelist_line *lines; /* malloced; in the order of the files and their lines */
	size_t n;
	size_t files;                  /* that there are, /etc/modules-load.d as one */
};
/* -ENOMEM. A file that cannot be read names none. Free with modulelist_clear(), after a failure too. */
int modulelist_read(struct pvb_ctx *ctx, struct modulelist *list) PVB_MUST_CHECK;
void modulelist_clear(struct modulelist *list);

#endif
