/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal: of what is accepted, a way home can be made, and all of it is about devices that the journal names. */
#include "lines.h"

#define NAME "100"

/* Without a device there is nothing to do it to. */
static bool needs_device(enum pvb_op_kind kind)
{
	return kind == PVB_OP_POWER || kind == PVB_OP_OVERRIDE || kind == PVB_OP_UNBIND || kind == PVB_OP_BIND ||
	       kind == PVB_OP_RESET;
}

static void op_check(const struct pvb_op *op, size_t num_devices)
{
	promise(op->kind < PVB_OP_COUNT, "the operation is one that there is");
	promise(op->device >= -1 && (op->device < 0 || (size_t)op->device < num_devices), "its device is in the journal");
	promise(op->device >= 0 || !needs_device(op->kind), "what is done to a device names one");
}

static void journal_check(const struct pvb_journal *j)
{
	promise(*j->lend.name && j->lend.state != PVB_HOME, "it is somebody's, and not over");
	for (size_t i = 0; i < j->num_ops; i++) {
		op_check(&j->ops[i], j->lend.num_devices);
		promise(j->progress[i] <= PVB_PROGRESS_DONE, "it has come as far as can be");
	}
	for (size_t i = 0; i < j->lend.num_devices; i++)
		promise(j->lend.devices[i].addr.dev <= 0x1f, "the device is in range");
}

/* An unload that began has unbound what its driver had, so that all is bound again. */
static bool may_be_undone(const struct pvb_journal *j, size_t op)
{
	bool unloaded = false;

	for (size_t i = 0; i < j->num_ops; i++)
		unloaded = unloaded || (j->ops[i].kind == PVB_OP_UNLOAD && j->progress[i] != PVB_PROGRESS_NONE);
	return j->progress[op] != PVB_PROGRESS_NONE || (unloaded && j->ops[op].kind == PVB_OP_UNBIND);
}

/* The inverse: nothing that did not begin, each thing once, last first. */
static void way_home_check(struct pvb_ctx *ctx, const struct pvb_journal *j)
{
	struct pvb_plan *plan = NULL;
	struct pvb_err err;
	char *buf = malloc(64); /* shorter than most sentences */

	promise(pvb_plan_return(ctx, NAME, &plan, &err) == 0, "a way home can be made of it");
	for (size_t i = 0; i < pvb_plan_count(plan); i++) {
		const struct pvb_op *op = pvb_plan_get(plan, i);

		op_check(op, pvb_plan_num_devices(plan));
		promise(op->undo && may_be_undone(j, plan->origin[i]), "it undoes only what has begun");
		promise(i == 0 || plan->origin[i] < plan->origin[i - 1], "last first");
		pvb_op_describe(plan, op, buf, 64);
	}
	pvb_plan_free(plan);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pvb_ctx *ctx = machine();
	struct pvb_journal j;
	struct pvb_err err;
	int r;

	machine_put(ctx, NAME ".journal", data, size);
	r = pvb_journal_read(ctx, NAME, &j, &err);
	promise_sentence(r, &err);
	if (r == 0) {
		journal_check(&j);
		way_home_check(ctx, &j);
		pvb_journal_clear(&j);
	}
	return 0;
}
