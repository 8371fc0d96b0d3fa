/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of checks, each ended by an empty row. */
#ifndef PVEBIND_CHECK_GROUPS_H
#define PVEBIND_CHECK_GROUPS_H

#include "check.h"

extern const struct check check_inventory[], check_firmware[], check_cmdline[], check_modules[], check_device[],
	check_refusals[], check_kernellog[], check_pve[], check_vmconfig[], check_guest[];

#endif
