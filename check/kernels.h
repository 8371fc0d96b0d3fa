/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The installed kernels (conf/kernels.h) of the host that is checked. */
#ifndef PVEBIND_CHECK_KERNELS_H
#define PVEBIND_CHECK_KERNELS_H

#include "check.h"
#include "../conf/kernels.h"

/* Free with kernels_clear(). */
void kernels_find(const struct check_host *host, struct kernels *kernels);
bool module_live(const struct check_host *host, const char *name);

/* Commands behind an advice: a changed configuration gets into the initramfs by making that anew. */
void initramfs_commands(struct check_run *run);

#endif
