/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: the VM's configuration. */
#include "groups.h"

const struct check check_vmconfig[] = {
	{ .id = NULL },
};
