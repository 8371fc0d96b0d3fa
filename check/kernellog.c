/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 14: what the kernel said. */
#include "groups.h"

const struct check check_kernellog[] = {
	{ .id = NULL },
};
