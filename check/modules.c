/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 04 to 06, and 08: kernel modules and their configuration. */
#include "groups.h"

const struct check check_modules[] = {
	{ .id = NULL },
};
