/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds of steps that have a file of their own; step.c has the table. */
#ifndef PVEBIND_SETUP_KINDS_H
#define PVEBIND_SETUP_KINDS_H

#include "setup.h"

/* ---- wholefile.c ---- */

int setup_whole_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		     struct pvb_err *err) PVB_MUST_CHECK;
int setup_whole_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int setup_whole_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- command.c ---- */

int setup_command_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		       struct pvb_err *err) PVB_MUST_CHECK;
int setup_command_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int setup_command_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;

#endif
