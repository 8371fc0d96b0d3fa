/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PVEBIND_HANDOVER_H
#define PVEBIND_HANDOVER_H

#include <stdint.h>

#include "../libbind/pvebind.h"

/* From now on, where libkmod is needed and cannot be had, this process becomes pvebind-hook-kmod, with the same arguments and
 * --began=*began_ns. All of it must live as long as ctx. */
void handover_prepare(struct pvb_ctx *ctx, char **argv, const int64_t *began_ns);
#endif
