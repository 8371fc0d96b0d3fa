/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 11 and 12: inside the VM. */
#include "groups.h"

const struct check check_guest[] = {
	{ .id = NULL },
};
