/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan as data: operations in order, notes, and the inverse that leads home. */
#include <stdarg.h>
#include <string.h>

#include "lend.h"

int pvb_plan_add_note(struct pvb_plan *plan, const char *fmt, ...)
{
	char **more = realloc(plan->notes, (plan->num_notes + 2) * sizeof(*more));
	char text[512];
	va_list ap;

	if (!more)
		return -ENOMEM;
	plan->notes = more;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	more[plan->num_notes] = strdup(text);
	if (!more[plan->num_notes])
		return -ENOMEM;
	more[++plan->num_notes] = NULL;
	return 0;
}

static struct pvb_op *op_add(struct pvb_plan *plan, enum pvb_op_kind kind, int device, unsigned stage)
{
	struct pvb_journal *j = &plan->journal;
	struct pvb_op *ops = realloc(j->ops, (j->num_ops + 1) * sizeof(*ops));
	size_t *origin = realloc(plan->origin, (j->num_ops + 1) * sizeof(*origin));

	if (ops)
		j->ops = ops;
	if (origin)
		plan->origin = origin;
	if (!ops || !origin)
		return NULL;
	origin[j->num_ops] = j->num_ops;
	ops += j->num_ops++;
	*ops = (struct pvb_op){ .kind = kind, .device = device, .stage = stage };
	return ops;
}

int pvb_plan_add_op(struct pvb_plan *plan, enum pvb_op_kind kind, int device, unsigned stage, const char *fmt, ...)
{
	struct pvb_op *op = op_add(plan, kind, device, stage);
	va_list ap;

	if (!op)
		return -ENOMEM;
	va_start(ap, fmt);
	vsnprintf(op->arg, sizeof(op->arg), fmt, ap);
	va_end(ap);
	return 0;
}

/* What a module's loading did stays, as others may use it by now; the console goes where its card goes. */
static bool op_has_undo(const struct pvb_op *op)
{
	return op->kind != PVB_OP_MODULE && op->kind != PVB_OP_CONSOLE_MOVE;
}

/* Unloading a driver unbinds its devices, so that they are brought home even when their own unbinding never began. */
static bool op_began(const struct pvb_journal *j, size_t i)
{
	if (j->progress[i] != PVB_PROGRESS_NONE || j->ops[i].kind != PVB_OP_UNBIND)
		return j->progress[i] != PVB_PROGRESS_NONE;
	for (size_t k = 0; k < j->num_ops; k++)
		if (j->ops[k].kind == PVB_OP_UNLOAD && j->progress[k] != PVB_PROGRESS_NONE)
			return true;
	return false;
}

/* What came home before the rest may be another lend's by now. */
static bool op_is_ours(struct pvb_ctx *ctx, const struct pvb_journal *j, const struct pvb_op *op)
{
	struct pvb_addr slot;

	if (op->device >= 0)
		return pvb_lend_has(ctx, &j->lend, (size_t)op->device);
	if (op->kind != PVB_OP_SLOT_RESET || pvb_addr_parse(op->arg, &slot, NULL) < 0)
		return true;
	for (size_t i = 0; i < j->lend.num_devices; i++)
		if (pvb_addr_matches(&slot, &j->lend.devices[i].addr) && !pvb_lend_has(ctx, &j->lend, i))
			return false;
	return true;
}

/* The inverse: operations that began, last first. */
static int plan_invert(struct pvb_ctx *ctx, const struct pvb_journal *j, struct pvb_plan *plan)
{
	for (size_t i = j->num_ops; i-- > 0;) {
		struct pvb_op *op;

		if (!op_began(j, i) || !op_has_undo(&j->ops[i]) || (j->ops[i].kind != PVB_OP_UNLOAD && !op_is_ours(ctx, j, &j->ops[i])))
			continue;
		op = op_add(plan, j->ops[i].kind, j->ops[i].device, STAGE_COUNT - j->ops[i].stage);
		if (!op)
			return -ENOMEM;
		op->undo = true;
		memcpy(op->arg, j->ops[i].arg, sizeof(op->arg));
		plan->origin[plan->journal.num_ops - 1] = i;
	}
	return 0;
}

/* A lend that never came to be goes back to what was, whatever host-driver says of its end. */
static void homes_as_they_were(struct pvb_lend *lend)
{
	for (size_t i = 0; i < lend->num_devices; i++) {
		struct pvb_home *home = &lend->devices[i];

		memcpy(home->driver, home->was_driver, sizeof(home->driver));
		memcpy(home->module, home->was_module, sizeof(home->module));
	}
}

int pvb_plan_return(struct pvb_ctx *ctx, const char *name, struct pvb_plan **out, struct pvb_err *err)
{
	struct pvb_journal j;
	struct pvb_plan *plan;
	int r = pvb_journal_read(ctx, name, &j, err);

	if (r < 0)
		return r;
	plan = calloc(1, sizeof(*plan));
	r = plan ? plan_invert(ctx, &j, plan) : -ENOMEM;
	if (r == 0) {
		plan->journal.lend = j.lend; /* and with it its devices */
		memset(&j.lend, 0, sizeof(j.lend));
		if (!plan->journal.lend.was_lent)
			homes_as_they_were(&plan->journal.lend);
		*out = plan;
	} else {
		pvb_plan_free(plan);
		pvb_err_set(err, r, "out of memory");
	}
	pvb_journal_clear(&j);
	return r;
}

static bool op_wants_kmod(const struct pvb_ctx *ctx, const struct pvb_lend *lend, const struct pvb_op *op)
{
	const struct pvb_home *home = op->device >= 0 ? &lend->devices[op->device] : NULL;
	char path[PVB_PATH_MAX];

	if (op->kind == PVB_OP_MODULE || op->kind == PVB_OP_UNLOAD)
		return op->kind == PVB_OP_UNLOAD || !op->undo;
	if (op->kind == PVB_OP_SLOT_RESET && op->undo)
		return !pvb_sysfs_exists(ctx, "sys/module/vfio_iommu_type1");
	if (!home || home->by_modalias)
		return home;
	/* Its driver may have been unloaded meanwhile. */
	return op->kind == PVB_OP_UNBIND && op->undo && *home->driver &&
	       pvb_format(path, sizeof(path), "sys/bus/pci/drivers/%s", home->driver) == 0 && !pvb_sysfs_exists(ctx, path);
}

void pvb_plan_kmod(struct pvb_ctx *ctx, const struct pvb_plan *plan)
{
	const struct pvb_journal *j = &plan->journal;

	for (size_t i = 0; i < j->num_ops; i++)
		if (op_wants_kmod(ctx, &j->lend, &j->ops[i])) {
			pvb_kmod(ctx);
			return;
		}
}

void pvb_plan_free(struct pvb_plan *plan)
{
	if (!plan)
		return;
	pvb_journal_clear(&plan->journal);
	pvb_refusals_clear(&plan->refusals);
	pvb_strv_free(plan->notes);
	free(plan->origin);
	free(plan);
}

size_t pvb_plan_count(const struct pvb_plan *plan)
{
	return plan->journal.num_ops;
}

const struct pvb_op *pvb_plan_get(const struct pvb_plan *plan, size_t i)
{
	return &plan->journal.ops[i];
}

size_t pvb_plan_num_devices(const struct pvb_plan *plan)
{
	return plan->journal.lend.num_devices;
}

const struct pvb_home *pvb_plan_device(const struct pvb_plan *plan, size_t i)
{
	return &plan->journal.lend.devices[i];
}

const struct pvb_refusals *pvb_plan_refusals(const struct pvb_plan *plan)
{
	return &plan->refusals;
}

bool pvb_plan_refused(const struct pvb_plan *plan)
{
	for (size_t i = 0; i < plan->refusals.n; i++)
		if (!plan->refusals.list[i].allowed)
			return true;
	return false;
}

const char *pvb_plan_note(const struct pvb_plan *plan, size_t i)
{
	return i < plan->num_notes ? plan->notes[i] : NULL;
}

const char *pvb_op_describe(const struct pvb_plan *plan, const struct pvb_op *op, char *buf, size_t size)
{
	return pvb_op_words(op, plan->journal.lend.devices, buf, size);
}
