/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks against lending the VM its devices: the refusals of the hook itself. */
#include "groups.h"

const struct check check_refusals[] = {
	{ .id = NULL },
};
