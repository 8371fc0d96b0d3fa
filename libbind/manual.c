/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reset asked for by hand, of a device that nobody uses. */
#include <fcntl.h>
#include <string.h>

#include "lend.h"

static int reset_ops(struct pvb_plan *plan, const struct pvb_snapshot *snapshot, const struct pvb_addr *addr,
		     const char *methods)
{
	struct pvb_journal *j = &plan->journal;
	size_t n = pvb_snapshot_count(snapshot);

	j->lend.devices = calloc(n ? n : 1, sizeof(*j->lend.devices));
	j->ops = calloc(n + 1, sizeof(*j->ops));
	plan->origin = calloc(n + 1, sizeof(*plan->origin));
	if (!j->lend.devices || !j->ops || !plan->origin)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct pvb_function *fn = pvb_snapshot_get(snapshot, i);
		struct pvb_op *op = &j->ops[j->num_ops];

		if (!fn->named || fn->bridge)
			continue;
		j->lend.devices[j->lend.num_devices].addr = fn->addr;
		j->lend.devices[j->lend.num_devices++].group = fn->group;
		if (!*fn->reset_methods || !strcmp(methods, "slot"))
			continue;
		*op = (struct pvb_op){ .kind = PVB_OP_RESET, .device = (int)j->lend.num_devices - 1 };
		snprintf(op->arg, sizeof(op->arg), "%s", methods);
		j->num_ops++;
	}
	if (j->num_ops)
		return 0;
	j->ops[j->num_ops] = (struct pvb_op){ .kind = PVB_OP_SLOT_RESET, .device = -1 };
	pvb_addr_format(&(struct pvb_addr){ addr->domain, addr->bus, addr->dev, PVB_FN_ALL }, j->ops[j->num_ops++].arg);
	return 0;
}

static int reset_refuse(struct pvb_ctx *ctx, const struct pvb_snapshot *snapshot, struct pvb_err *err)
{
	char addr[PVB_ADDR_MAX];

	for (size_t i = 0; i < pvb_snapshot_count(snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(snapshot, i);

		if (!fn->named)
			continue;
		pvb_addr_format(&fn->addr, addr);
		if (fn->bridge)
			return pvb_err_set(err, -EINVAL, "%s is a bridge: resetting it would reset all that is behind it", addr);
		if (*fn->driver && !fn->vfio)
			return pvb_err_set(err, -EBUSY, "%s is in use by the host's %s: lend it first (pvebind lend VMID)", addr, fn->driver);
		if (fn->vfio && pvb_vfio_group_busy(ctx, fn->group) != 0)
			return pvb_err_set(err, -EBUSY, "%s is open through /dev/vfio/%d: stop the VM that uses it first", addr, fn->group);
	}
	return 0;
}

/* lock_fds: a worker that hangs in its reset keeps its device's lock when we are killed. */
static int reset_apply(struct pvb_ctx *ctx, const struct pvb_plan *plan, const int *lock_fds, bool dry_run, struct pvb_err *err)
{
	_cleanup_close_ int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC); /* a reset has no way home to journal */
	char words[256];

	for (size_t i = 0; dry_run && i < pvb_plan_count(plan); i++)
		pvb_log(ctx, PVB_NOTICE, "would: %s", pvb_op_describe(plan, pvb_plan_get(plan, i), words, sizeof(words)));
	if (dry_run)
		return 0;
	return pvb_apply(ctx, plan, nothing, lock_fds, pvb_now_ns() + PVB_LOCK_WAIT_NS, NULL, err);
}

int pvb_reset(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *methods, bool dry_run, struct pvb_err *err)
{
	struct pvb_snapshot *snapshot = NULL;
	struct pvb_plan plan = { .journal.lend.name = "reset" };
	struct pvb_session s = { .ctx = ctx, PVB_SESSION_CLOSED, .deadline_ns = pvb_now_ns() + PVB_LOCK_WAIT_NS };
	int r;

	err->code = 0;
	if (!pvb_reset_methods_valid(methods) || !strcmp(methods, "none"))
		return pvb_err_set(err, -EINVAL, "'%.60s' is no way to reset: use auto, or a list out of flr bus pm device_specific slot", methods);
	pvb_settings_default(&plan.journal.lend.settings);
	plan.journal.lend.by_hand = true;
	r = pvb_snapshot_take(ctx, addr, 1, 0, &snapshot, err);
	if (r < 0)
		return r;
	r = reset_ops(&plan, snapshot, addr, methods);
	if (r == 0 && !dry_run)
		r = pvb_state_dir(ctx, err);
	if (r == 0 && !dry_run)
		r = pvb_session_lock_devices(&s, &plan.journal.lend, false, err);
	if (r == 0 && !dry_run) { /* who had the locks until now may have changed what is looked at next */
		pvb_snapshot_free(snapshot);
		snapshot = NULL;
		r = pvb_snapshot_take(ctx, addr, 1, 0, &snapshot, err);
	}
	if (r == 0)
		r = reset_refuse(ctx, snapshot, err);
	if (r == 0)
		r = reset_apply(ctx, &plan, s.lock_fds, dry_run, err);
	pvb_session_close(&s);
	free(plan.journal.lend.devices);
	free(plan.journal.ops);
	free(plan.origin);
	pvb_snapshot_free(snapshot);
	return r;
}
