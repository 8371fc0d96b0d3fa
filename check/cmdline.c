/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 02 and 03: the kernel command line, and which file it comes from. */
#include "groups.h"

const struct check check_cmdline[] = {
	{ .id = NULL },
};
