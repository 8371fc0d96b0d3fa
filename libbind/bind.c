/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lend, take back, recover: who may, in which order of locks, and what is left behind. */
#include <fcntl.h>
#include <string.h>

#include "internal.h"

#define LOCK_WAIT_NS 45000000000 /* for another pvebind that works on the same lend */

/* A lend that is worked on: its lock, and its devices' locks in address order. */
struct session {
	struct pvb_ctx *ctx;
	char name[32], label[PVB_NAME_MAX];
	int64_t start_ns, deadline_ns;
	struct pvb_record lock;
	struct pvb_record *devices; /* malloced: parallel to a plan's devices */
	int *lock_fds;              /* malloced: likewise */
	size_t num_devices;
};

static int session_open(struct pvb_ctx *ctx, const char *name, const char *label, int64_t wait_ns, struct session *s,
			struct pvb_err *err)
{
	char lock[PVB_NAME_MAX];
	int r = pvb_state_dir(ctx, err);

	*s = (struct session){ .ctx = ctx, .start_ns = pvb_now_ns(), .lock.fd = -1 };
	s->deadline_ns = s->start_ns + LOCK_WAIT_NS;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->label, sizeof(s->label), "%s", label);
	if (r < 0)
		return r;
	r = pvb_record_open(ctx, pvb_lend_lock_name(name, lock), wait_ns ? s->start_ns + wait_ns : 0, &s->lock);
	if (r == -EWOULDBLOCK || r == -ETIMEDOUT)
		return pvb_err_set(err, -EBUSY, "another pvebind is working on %s: wait for it to end (see: pvebind status)", label);
	if (r < 0)
		return pvb_err_set(err, r, "cannot lock /" PVB_STATE_DIR "/%s: %s", lock, strerror(-r));
	return 0;
}

static void devices_unlock(struct session *s)
{
	for (size_t i = 0; i < s->num_devices; i++)
		pvb_record_close(&s->devices[i]);
	free(s->devices);
	free(s->lock_fds);
	s->devices = NULL;
	s->lock_fds = NULL;
	s->num_devices = 0;
}

static void session_close(struct session *s)
{
	devices_unlock(s);
	pvb_record_close(&s->lock);
}

/* The plan's devices come in address order: every lend takes its locks in that order. */
static int devices_lock(struct session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	size_t n = pvb_plan_num_devices(plan);
	char name[PVB_NAME_MAX];

	s->devices = calloc(n ? n : 1, sizeof(*s->devices));
	s->lock_fds = calloc(n ? n : 1, sizeof(*s->lock_fds));
	if (!s->devices || !s->lock_fds)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		int r;

		pvb_device_record_name(&pvb_plan_device(plan, i)->addr, name);
		r = pvb_record_open(s->ctx, name, s->deadline_ns, &s->devices[i]);
		if (r < 0)
			return pvb_err_set(err, r, "cannot lock %s, which another pvebind is moving: %s", name, strerror(-r));
		s->lock_fds[i] = s->devices[i].fd;
		s->num_devices++;
	}
	return 0;
}

/* Whether a locked device has come to belong to another lend since the plan was made. */
static bool devices_taken(const struct session *s, const struct pvb_plan *plan)
{
	char holder[32];

	for (size_t i = 0; i < s->num_devices; i++)
		if (pvb_device_holder(s->ctx, &pvb_plan_device(plan, i)->addr, holder, sizeof(holder)) == 0 &&
		    strcmp(holder, s->name) != 0)
			return true;
	return false;
}

static int devices_claim(struct session *s, struct pvb_err *err)
{
	for (size_t i = 0; i < s->num_devices; i++) {
		struct pvb_line line;
		int r;

		pvb_line_start(&line, "device");
		pvb_line_text(&line, "lend", s->name);
		r = pvb_record_write(&s->devices[i], &line);
		if (r < 0)
			return pvb_err_set(err, r, "cannot write /" PVB_STATE_DIR "/%s: %s", s->devices[i].name, strerror(-r));
	}
	return 0;
}

static long long elapsed_ms(const struct session *s)
{
	return (long long)(pvb_now_ns() - s->start_ns) / 1000000;
}

/* "0000:01:00.0, 0000:01:00.1" */
static const char *devices_list(const struct pvb_plan *plan, char *buf, size_t size)
{
	size_t used = 0;
	char addr[PVB_ADDR_MAX];

	*buf = '\0';
	for (size_t i = 0; i < pvb_plan_num_devices(plan) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 pvb_addr_format(&pvb_plan_device(plan, i)->addr, addr));
	return buf;
}

/* ---- the way home ---- */

static int groups_wait(struct session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	size_t n = pvb_plan_num_devices(plan), num_groups = 0;
	_cleanup_free_ int *groups = calloc(n ? n : 1, sizeof(*groups));
	int r;

	if (!groups)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct pvb_home *home = pvb_plan_device(plan, i);
		bool known = home->stays || home->group < 0;

		for (size_t k = 0; k < num_groups; k++)
			known = known || groups[k] == home->group;
		if (!known)
			groups[num_groups++] = home->group;
	}
	r = pvb_vfio_wait_free(s->ctx, groups, num_groups, s->deadline_ns);
	if (r == -ETIMEDOUT)
		return pvb_err_set(err, -EBUSY, "%s: a process still has the devices open through /dev/vfio; they stay lent; end it, then: pvebind return %s",
				   s->label, s->name);
	return r < 0 ? pvb_err_set(err, r, "cannot tell whether the devices are still open: %s", strerror(-r)) : 0;
}

/* Records first, the journal last: a kill in between leaves a journal that says "returning". */
static int records_remove(struct session *s, const struct pvb_plan *plan, const bool *failed, struct pvb_err *err)
{
	char holder[32];
	bool all = true;
	int r = 0;

	for (size_t i = 0; i < s->num_devices; i++) {
		if (failed && failed[i]) {
			all = false;
			continue;
		}
		if (pvb_device_holder(s->ctx, &pvb_plan_device(plan, i)->addr, holder, sizeof(holder)) == 0 &&
		    strcmp(holder, s->name) != 0)
			continue;
		if (r == 0)
			r = pvb_record_remove(s->ctx, &s->devices[i]);
	}
	if (r == 0 && all)
		r = pvb_journal_remove(s->ctx, s->name);
	return r < 0 ? pvb_err_set(err, r, "cannot remove the records of %s in /" PVB_STATE_DIR ": %s", s->name, strerror(-r)) : 0;
}

static int home_apply(struct session *s, const struct pvb_plan *plan, int journal_fd, struct pvb_err *err)
{
	_cleanup_free_ bool *failed = calloc(s->num_devices ? s->num_devices : 1, sizeof(*failed));
	struct pvb_err first = { .code = 0 };
	int r = pvb_journal_state(journal_fd, PVB_RETURNING, 0);

	if (!failed || r < 0)
		return pvb_err_set(err, r < 0 ? r : -ENOMEM, "cannot write the journal of %s: %s", s->name, strerror(r < 0 ? -r : ENOMEM));
	r = pvb_apply(s->ctx, plan, journal_fd, s->lock_fds, s->deadline_ns, failed, &first);
	if (r == 0)
		return records_remove(s, plan, NULL, err);
	if (pvb_journal_state(journal_fd, PVB_FAILED, 0) < 0 || records_remove(s, plan, failed, err) < 0)
		pvb_log(s->ctx, PVB_ERROR, "the journal of %s could not be brought up to date", s->label);
	return pvb_err_set(err, -PVB_EATTENTION, "%s: not everything is home: %.300s; when the cause is mended: pvebind recover %s",
			   s->label, first.text, s->name);
}

/* Everything lent to the session's name, home; the lend's lock is held. wait: whether a holder may still let go. */
static int home_bring(struct session *s, struct pvb_err *err)
{
	_cleanup_close_ int journal_fd = -1;
	struct pvb_plan *plan = NULL;
	char list[400];
	int r = pvb_plan_return(s->ctx, s->name, &plan, err);

	if (r < 0)
		return r;
	journal_fd = pvb_journal_open(s->ctx, s->name, err);
	r = journal_fd < 0 ? journal_fd : 0;
	if (r == 0 && !s->num_devices)
		r = devices_lock(s, plan, err);
	if (r == 0 && plan->journal.lend.other_boot) {
		r = records_remove(s, plan, NULL, err); /* the boot has put everything home already */
	} else if (r == 0) {
		r = groups_wait(s, plan, err);
		if (r == 0)
			r = home_apply(s, plan, journal_fd, err);
	}
	if (r == 0)
		pvb_log(s->ctx, PVB_NOTICE, "%s: %s home again (%lld ms)", s->label, devices_list(plan, list, sizeof(list)),
			elapsed_ms(s));
	pvb_plan_free(plan);
	return r;
}

/* ---- lending ---- */

static int refusals_say(struct session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	const struct pvb_refusals *refusals = &plan->refusals;
	const struct pvb_refusal *last = NULL;
	unsigned standing = 0;

	for (size_t i = 0; i < refusals->n; i++) {
		const struct pvb_refusal *refusal = &refusals->list[i];

		pvb_log(s->ctx, refusal->allowed ? PVB_WARNING : PVB_ERROR, "%s (%s): %s",
			refusal->allowed ? "allowed on purpose" : "refused", refusal->name, refusal->text);
		if (!refusal->allowed) {
			last = refusal;
			standing++;
		}
	}
	if (!standing)
		return 0;
	if (standing == 1)
		return pvb_err_set(err, -EBUSY, "%s: nothing was lent and nothing changed (%s)", s->label, last->name);
	return pvb_err_set(err, -EBUSY, "%s: nothing was lent and nothing changed (%u reasons, see above)", s->label, standing);
}

/* A failed lend undoes itself; the first error is the one to tell, unless something is not home. */
static int lend_undo(struct session *s, struct pvb_err *err)
{
	struct pvb_err second = { .code = 0 };

	pvb_log(s->ctx, PVB_WARNING, "%s: bringing home what was moved", s->label);
	s->deadline_ns = pvb_now_ns() + LOCK_WAIT_NS;
	if (home_bring(s, &second) < 0)
		*err = second;
	return err->code;
}

static int lend_apply(struct session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	_cleanup_close_ int journal_fd = pvb_journal_create(s->ctx, &plan->journal, err);
	char list[400];
	int r = journal_fd < 0 ? journal_fd : 0;

	if (r < 0)
		return r;
	r = devices_claim(s, err);
	if (r == 0)
		r = pvb_apply(s->ctx, plan, journal_fd, s->lock_fds, s->deadline_ns, NULL, err);
	if (r == 0) {
		r = pvb_journal_state(journal_fd, PVB_LENT, 0);
		if (r < 0)
			pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	}
	if (r < 0)
		return lend_undo(s, err);
	pvb_log(s->ctx, PVB_NOTICE, "%s: lent %s (%lld ms)", s->label, devices_list(plan, list, sizeof(list)),
		elapsed_ms(s));
	return 0;
}

/* Another lend has a device. One that is returning is waited for; one that was left unfinished,
 * or only keeps its devices on vfio, is brought home. *settled: the plan must be made anew. */
static int other_settle(struct session *s, const char *name, bool *settled, struct pvb_err *err)
{
	struct pvb_lend lend;
	struct session other;
	int r = session_open(s->ctx, name, name, s->deadline_ns - pvb_now_ns(), &other, err);

	if (r < 0)
		return r;
	r = pvb_lend_read(s->ctx, name, &lend, err);
	if (r == -ENOENT) {
		*settled = true;
		r = 0;
	} else if (r == 0 && lend.state != PVB_LENT && lend.state != PVB_RUNNING) {
		snprintf(other.label, sizeof(other.label), "%s", lend.label);
		pvb_log(s->ctx, PVB_NOTICE, "%s: bringing home first what %s has (%s)", s->label, lend.label,
			pvb_state_name(lend.state));
		r = home_bring(&other, err);
		*settled = r == 0;
	}
	if (r == 0 || r != -ENOENT)
		pvb_lend_clear(&lend);
	session_close(&other);
	return r;
}

static int others_settle(struct session *s, const struct pvb_plan *plan, bool *settled, struct pvb_err *err)
{
	char holder[32];

	*settled = false;
	for (size_t i = 0; i < plan->refusals.n; i++) {
		const struct pvb_refusal *refusal = &plan->refusals.list[i];
		int r;

		if (strcmp(refusal->name, "held") != 0 ||
		    pvb_device_holder(s->ctx, &refusal->addr, holder, sizeof(holder)) < 0)
			continue;
		r = other_settle(s, holder, settled, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void plan_say(struct session *s, const struct pvb_plan *plan)
{
	char list[400];

	pvb_log(s->ctx, PVB_NOTICE, "%s: lending %s", s->label, devices_list(plan, list, sizeof(list)));
	for (size_t i = 0; i < plan->num_notes; i++)
		pvb_log(s->ctx, PVB_NOTICE, "%s", plan->notes[i]);
}

/* A plan that nothing speaks against, with its devices locked. */
static int lend_prepare(struct session *s, const struct pvb_request *request, struct pvb_plan **out, struct pvb_err *err)
{
	for (;;) {
		struct pvb_plan *plan = NULL;
		bool settled = false;
		int r = pvb_plan_lend(s->ctx, request, &plan, err);

		if (r < 0)
			return r;
		if (pvb_plan_refused(plan))
			r = others_settle(s, plan, &settled, err);
		if (r == 0 && !settled)
			r = refusals_say(s, plan, err);
		if (r == 0 && !settled)
			r = devices_lock(s, plan, err);
		if (r == 0 && !settled && !devices_taken(s, plan)) {
			*out = plan;
			return 0;
		}
		devices_unlock(s);
		pvb_plan_free(plan);
		if (r < 0)
			return r;
		if (pvb_now_ns() > s->deadline_ns)
			return pvb_err_set(err, -EBUSY, "%s: its devices keep changing hands; try again", s->label);
	}
}

static bool lend_same(const struct pvb_lend *lend, const struct pvb_plan *plan)
{
	if (lend->num_devices != pvb_plan_num_devices(plan) || lend->other_boot)
		return false;
	for (size_t i = 0; i < lend->num_devices; i++)
		if (pvb_addr_compare(&lend->devices[i].addr, &pvb_plan_device(plan, i)->addr) != 0)
			return false;
	return true;
}

static bool lend_on_vfio(struct pvb_ctx *ctx, const struct pvb_lend *lend)
{
	for (size_t i = 0; i < lend->num_devices; i++) {
		struct pvb_function fn;

		if (pvb_function_read(ctx, &lend->devices[i].addr, &fn) < 0 || !fn.vfio)
			return false;
	}
	return true;
}

/* The settings may have changed since, the devices not. */
static int lend_renew(struct session *s, const struct pvb_request *request, struct pvb_err *err)
{
	_cleanup_close_ int fd = pvb_journal_open(s->ctx, s->name, err);
	int r = fd < 0 ? fd : pvb_journal_settings(fd, &request->settings);

	if (r == 0)
		r = pvb_journal_state(fd, PVB_LENT, 0);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	pvb_log(s->ctx, PVB_NOTICE, "%s: lent already, nothing to do", s->label);
	return 0;
}

/* What is lent to this name from before: good as it is (*done), or to be brought home first. */
static int before_settle(struct session *s, const struct pvb_request *request, bool *done, struct pvb_err *err)
{
	struct pvb_lend lend;
	struct pvb_plan *plan = NULL;
	int r = pvb_lend_read(s->ctx, s->name, &lend, err);

	*done = false;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (lend.state == PVB_LENT || lend.state == PVB_RUNNING || lend.state == PVB_KEPT) {
		r = pvb_plan_lend(s->ctx, request, &plan, err);
		*done = r == 0 && lend_same(&lend, plan) && lend_on_vfio(s->ctx, &lend);
		if (*done)
			r = refusals_say(s, plan, err);
	}
	if (r == 0 && *done)
		r = lend_renew(s, request, err);
	else if (r == 0) {
		pvb_log(s->ctx, PVB_NOTICE, "%s: bringing home first what was left from before (%s)", s->label,
			pvb_state_name(lend.state));
		r = home_bring(s, err);
		devices_unlock(s);
	}
	pvb_plan_free(plan);
	pvb_lend_clear(&lend);
	return r;
}

int pvb_lend(struct pvb_ctx *ctx, const struct pvb_request *request, struct pvb_err *err)
{
	int64_t budget_ns = (int64_t)request->settings.hook_timeout_ms * 1000000;
	struct pvb_plan *plan = NULL;
	struct session s;
	bool done = false;
	int r;

	err->code = 0;
	r = session_open(ctx, request->name, request->label, budget_ns, &s, err);
	s.deadline_ns = s.start_ns + budget_ns;
	if (r == 0)
		r = before_settle(&s, request, &done, err);
	if (r == 0 && !done)
		r = lend_prepare(&s, request, &plan, err);
	if (r == 0 && plan) {
		plan_say(&s, plan);
		r = lend_apply(&s, plan, err);
	}
	pvb_plan_free(plan);
	session_close(&s);
	return r;
}

int pvb_lend_running(struct pvb_ctx *ctx, const char *name, int pid, struct pvb_err *err)
{
	_cleanup_close_ int fd = -1;
	struct pvb_lend lend;
	struct session s;
	int r = pvb_lend_read(ctx, name, &lend, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = session_open(ctx, name, lend.label, LOCK_WAIT_NS, &s, err);
	if (r == 0)
		fd = pvb_journal_open(ctx, name, err);
	if (r == 0 && fd >= 0) {
		r = pvb_journal_state(fd, PVB_RUNNING, pid);
		if (r < 0)
			pvb_err_set(err, r, "cannot write the journal of %s: %s", lend.label, strerror(-r));
	}
	session_close(&s);
	pvb_lend_clear(&lend);
	return r == 0 && fd < 0 ? fd : r;
}

/* ---- taking back ---- */

static int lend_keep(struct session *s, enum pvb_state state, const char *why, struct pvb_err *err)
{
	_cleanup_close_ int fd = pvb_journal_open(s->ctx, s->name, err);
	int r = fd < 0 ? fd : pvb_journal_state(fd, state, 0);

	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	pvb_log(s->ctx, PVB_NOTICE, "%s: its devices stay on vfio (%s)", s->label, why);
	return 0;
}

static int return_locked(struct session *s, unsigned flags, struct pvb_err *err)
{
	struct pvb_lend lend;
	int r = pvb_lend_read(s->ctx, s->name, &lend, err);

	if (r == -ENOENT) {
		pvb_log(s->ctx, PVB_INFO, "%s: nothing is lent, nothing to do", s->label);
		return err->code = 0;
	}
	if (r < 0)
		return r;
	snprintf(s->label, sizeof(s->label), "%s", lend.label);
	s->deadline_ns = s->start_ns + (int64_t)lend.settings.hook_timeout_ms * 1000000;
	if (flags & PVB_RETURN_KEEP)
		r = lend_keep(s, PVB_LENT, "it starts again at once", err);
	else if (lend.settings.keep_on_stop && !(flags & PVB_RETURN_HOME) && !lend.unfinished)
		r = lend_keep(s, PVB_KEPT, "on-stop = keep", err);
	else
		r = home_bring(s, err);
	pvb_lend_clear(&lend);
	return r;
}

int pvb_return(struct pvb_ctx *ctx, const char *name, unsigned flags, struct pvb_err *err)
{
	struct session s;
	int r;

	err->code = 0;
	r = session_open(ctx, name, name, LOCK_WAIT_NS, &s, err);
	if (r == 0)
		r = return_locked(&s, flags, err);
	session_close(&s);
	return r;
}

/* Under its lock, "lending" and "returning" mean that whoever did it is gone. */
static int recover_one(struct pvb_ctx *ctx, const char *name, unsigned *recovered, struct pvb_err *err)
{
	struct pvb_lend lend;
	struct session s;
	int r = session_open(ctx, name, name, 0, &s, err);

	if (r == 0)
		r = pvb_lend_read(ctx, name, &lend, err);
	if (r < 0) {
		session_close(&s);
		return r == -ENOENT || r == -EBUSY ? 0 : r; /* done meanwhile, or being worked on */
	}
	snprintf(s.label, sizeof(s.label), "%s", lend.label);
	if (lend.state == PVB_LENDING || lend.state == PVB_RETURNING || lend.state == PVB_FAILED || lend.other_boot) {
		r = home_bring(&s, err);
		*recovered += r == 0;
	} else {
		pvb_log(ctx, PVB_INFO, "%s: %s, nothing to recover", s.label, pvb_state_name(lend.state));
	}
	pvb_lend_clear(&lend);
	session_close(&s);
	return r;
}

int pvb_recover(struct pvb_ctx *ctx, const char *name, unsigned *recovered, struct pvb_err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct pvb_err one = { .code = 0 };
	unsigned count = 0;
	int r;

	err->code = 0;
	if (name)
		r = recover_one(ctx, name, &count, err);
	else
		r = pvb_lend_names(ctx, &names, err);
	for (char **each = names; each && *each; each++)
		if (recover_one(ctx, *each, &count, &one) < 0 && !err->code)
			*err = one;
	if (recovered)
		*recovered = count;
	return r < 0 ? r : err->code;
}

/* ---- reset by hand ---- */

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

static int reset_apply(struct pvb_ctx *ctx, const struct pvb_plan *plan, bool dry_run, struct pvb_err *err)
{
	_cleanup_close_ int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC); /* a reset has no way home to journal */
	char words[256];

	for (size_t i = 0; dry_run && i < pvb_plan_count(plan); i++)
		pvb_log(ctx, PVB_NOTICE, "would: %s", pvb_op_describe(plan, pvb_plan_get(plan, i), words, sizeof(words)));
	if (dry_run)
		return 0;
	return pvb_apply(ctx, plan, nothing, NULL, pvb_now_ns() + LOCK_WAIT_NS, NULL, err);
}

int pvb_reset(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *methods, bool dry_run, struct pvb_err *err)
{
	struct pvb_snapshot *snapshot = NULL;
	struct pvb_plan plan = { .journal.lend.name = "reset" };
	struct session s = { .ctx = ctx, .lock.fd = -1, .deadline_ns = pvb_now_ns() + LOCK_WAIT_NS };
	int r;

	err->code = 0;
	if (!pvb_reset_methods_valid(methods) || !strcmp(methods, "none"))
		return pvb_err_set(err, -EINVAL, "'%.60s' is no way to reset: use auto, or a list out of flr bus pm device_specific slot", methods);
	pvb_settings_default(&plan.journal.lend.settings);
	r = pvb_snapshot_take(ctx, addr, 1, 0, &snapshot, err);
	if (r < 0)
		return r;
	r = reset_ops(&plan, snapshot, addr, methods);
	if (r == 0 && !dry_run)
		r = pvb_state_dir(ctx, err);
	if (r == 0 && !dry_run)
		r = devices_lock(&s, &plan, err);
	if (r == 0)
		r = reset_refuse(ctx, snapshot, err);
	if (r == 0)
		r = reset_apply(ctx, &plan, dry_run, err);
	session_close(&s);
	free(plan.journal.lend.devices);
	free(plan.journal.ops);
	free(plan.origin);
	pvb_snapshot_free(snapshot);
	return r;
}
