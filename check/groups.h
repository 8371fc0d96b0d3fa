/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of checks, each ended by an empty row. */
#ifndef PVEBIND_CHECK_GROUPS_H
#define PVEBIND_CHECK_GROUPS_H

#include "check.h"

extern const struct check check_inventory[], check_firmware[], check_room[], check_cmdline[], check_options[], check_modules[], check_device[],
	check_vfioids[], check_modprobe[], check_drivers[], check_packages[], check_vendorreset[],
	check_refusals[], check_kernellog[], check_pve[], check_vmhook[], check_vmconfig[], check_vmfirmware[],
	check_vmdevice[], check_vmdisplay[], check_vmothers[], check_vmjobs[], check_vmha[], check_guest[];

#endif
