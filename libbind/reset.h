/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reset.c (one function) and slot.c (all of a slot) share. */
#ifndef PVEBIND_RESET_H
#define PVEBIND_RESET_H

#include "internal.h"

/* After a reset: -EIO when configuration space does not answer any more. Not for VFs, whose ids never do. */
int pvb_reset_survived(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_err *err) PVB_MUST_CHECK;

#endif
