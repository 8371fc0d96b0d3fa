/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxmox VE's own part: hookscript, snippets, services. */
#include "groups.h"

const struct check check_pve[] = {
	{ .id = NULL },
};
