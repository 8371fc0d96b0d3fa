/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind report, among its files: maskform → mask · masksource (what of this host is masked) → report. */
#ifndef PVEBIND_REPORT_H
#define PVEBIND_REPORT_H

#include "../conf/conf.h"
#include "mask.h"

/* Learn the names and serial numbers of this host. */
void report_learn(struct mask *mask, struct pvb_ctx *ctx);

#endif
