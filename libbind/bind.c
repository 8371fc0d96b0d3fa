/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lend. */
#include <string.h>

#include "lend.h"

static void refusal_say(struct pvb_session *s, const struct pvb_refusal *refusal)
{
	char addr[PVB_ADDR_MAX];
	struct pvb_event event = {
		.kind = refusal->allowed ? PVB_EVENT_NONE : PVB_EVENT_REFUSED,
		.name = s->name,
		.devices = refusal->has_addr ? pvb_addr_format(&refusal->addr, addr) : NULL,
		.refusal = refusal->name,
	};

	pvb_tell(s->ctx, refusal->allowed ? PVB_WARNING : PVB_ERROR, &event, "%s (%s): %s",
		 refusal->allowed ? "allowed on purpose" : "refused", refusal->name, refusal->text);
}

static int refusals_say(struct pvb_session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	const struct pvb_refusals *refusals = &plan->refusals;
	const struct pvb_refusal *last = NULL;
	unsigned standing = 0;

	for (size_t i = 0; i < refusals->n; i++) {
		const struct pvb_refusal *refusal = &refusals->list[i];

		refusal_say(s, refusal);
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

/* A failed lend undoes itself. A wish to stop must not end that half-way; it only leaves it less time. The first error is
 * the one to tell; where something is not home, that comes first. */
static int lend_undo(struct pvb_session *s, const struct pvb_lend *lend, struct pvb_err *err)
{
	struct pvb_event event = { .kind = PVB_EVENT_UNDO, .name = s->name, .generation = lend->generation };
	struct pvb_err second = { .code = 0 };
	int64_t soon_ns = pvb_now_ns() + PVB_CANCEL_HOME_NS;

	pvb_tell(s->ctx, PVB_WARNING, &event, "%s: bringing home what was moved", s->label);
	if (pvb_ctx_cancelled(s->ctx) && soon_ns < s->limit_ns)
		s->limit_ns = soon_ns;
	if (pvb_home_bring(s, lend, &second) < 0) {
		const struct pvb_err first = *err;

		pvb_err_set(err, -PVB_EATTENTION, "%s; it began with: %s", second.text, first.text);
	}
	return err->code;
}

static void lent_say(struct pvb_session *s, const struct pvb_plan *plan)
{
	long long ms = pvb_session_elapsed_ms(s);
	char list[400];
	struct pvb_event event = {
		.kind = PVB_EVENT_LENT, .name = s->name, .generation = plan->journal.lend.generation,
		.devices = pvb_plan_devices_text(plan, list, sizeof(list)), .timed = true, .ms = ms,
	};

	pvb_tell(s->ctx, PVB_NOTICE, &event, "%s: lent %s (%lld ms)", s->label, list, ms);
}

/* *begun: from now on there is something to undo. */
static int lend_move(struct pvb_session *s, const struct pvb_plan *plan, int journal_fd, struct apply *apply, bool *begun,
		     struct pvb_err *err)
{
	int r = pvb_journal_commit(s->ctx, journal_fd, &plan->journal, err);

	if (r < 0)
		return r;
	*begun = true;
	if (s->ctx->begun)
		s->ctx->begun(s->ctx->begun_data, s->name, plan->journal.lend.generation);
	r = pvb_session_claim(s, err);
	if (r == 0)
		r = pvb_apply_run(apply, s->deadline_ns, NULL, err);
	/* Asked to stop after the last wait: who asked is gone, and nobody else would end the lend. */
	if (r == 0 && pvb_ctx_cancelled(s->ctx))
		r = pvb_err_set(err, -ECANCELED, "%s: asked to stop", s->label);
	if (r == 0) {
		r = pvb_journal_state(journal_fd, PVB_LENT, 0);
		if (r < 0)
			pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	}
	return r;
}

static void fd_close(int *fd)
{
	close(*fd);
	*fd = -1;
}

/* The first workers are made before the journal counts: they come up while it is written, and do nothing until it is. */
static int lend_apply(struct pvb_session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	_cleanup_close_ int journal_fd = pvb_journal_begin(s->ctx, s->name, err);
	struct apply *apply = journal_fd < 0 ? NULL : pvb_apply_prepare(s->ctx, plan, journal_fd, s->lock_fds, err);
	bool begun = false;
	int r = apply ? lend_move(s, plan, journal_fd, apply, &begun, err) : err->code;

	if (journal_fd >= 0 && !apply) {
		const struct pvb_err why = *err;

		fd_close(&journal_fd); /* where there are too few of them, what follows wants one */
		pvb_journal_part_remove(s->ctx, s->name);
		r = pvb_err_set(err, r, "%s: %.300s; nothing was changed", s->label, why.text);
	}
	pvb_apply_end(apply);
	if (r < 0)
		return begun ? lend_undo(s, &plan->journal.lend, err) : r;
	lent_say(s, plan);
	return 0;
}

/* Another lend has a device. One that is returning is waited for; one that was left unfinished,
 * or only keeps its devices on vfio, is brought home. Nobody waits for one who may in turn wait for us: that a return never
 * does. *settled: the plan must be made anew. */
static int other_settle(struct pvb_session *s, const char *name, bool *settled, struct pvb_err *err)
{
	struct pvb_lend lend = { .num_devices = 0 };
	struct pvb_session other;
	int64_t left_ns = s->deadline_ns - pvb_now_ns(), wait_ns = left_ns < PVB_LOOK_WAIT_NS ? left_ns : PVB_LOOK_WAIT_NS;
	int r;

	if (pvb_lend_read(s->ctx, name, &lend, err) == 0 && lend.state == PVB_RETURNING)
		wait_ns = left_ns;
	pvb_lend_clear(&lend);
	r = pvb_session_open(s->ctx, name, name, wait_ns > 0 ? wait_ns : 0, &other, err);
	if (r == -EBUSY)
		return err->code = 0; /* it stays refused, by its name */
	if (r < 0)
		return r;
	other.deadline_ns = s->deadline_ns;
	other.limit_ns = s->limit_ns;
	if (pvb_lend_read(s->ctx, name, &lend, err) < 0) {
		*settled = err->code == -ENOENT; /* one that cannot be read stays refused */
	} else if (lend.state != PVB_LENT && lend.state != PVB_RUNNING) {
		snprintf(other.label, sizeof(other.label), "%s", lend.label);
		pvb_kmod(s->ctx); /* as in before_settle() */
		pvb_tell(s->ctx, PVB_NOTICE, &(struct pvb_event){ pvb_lend_way(&lend), .name = name, .generation = lend.generation },
			 "%s: bringing home first what %s has (%s)", s->label, lend.label, pvb_state_name(lend.state));
		r = pvb_home_bring(&other, &lend, err);
		*settled = r == 0;
	}
	pvb_lend_clear(&lend);
	pvb_session_close(&other);
	return r;
}

/* Whether it is another lend that has the device, not a process: that is held as well. */
static bool held_by_lend(const struct pvb_session *s, const struct pvb_refusal *refusal, char *holder, size_t size)
{
	return !strcmp(refusal->name, "held") && pvb_device_holder(s->ctx, &refusal->addr, holder, size) == 0 &&
	       strcmp(holder, s->name) != 0;
}

static int others_settle(struct pvb_session *s, const struct pvb_plan *plan, bool *settled, struct pvb_err *err)
{
	char holder[32];

	*settled = false;
	for (size_t i = 0; i < plan->refusals.n; i++) {
		int r;

		if (!held_by_lend(s, &plan->refusals.list[i], holder, sizeof(holder)))
			continue;
		r = other_settle(s, holder, settled, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Another's lend is settled only when nothing else speaks against this one (group-shared: because of a held member). */
static bool only_held(const struct pvb_session *s, const struct pvb_plan *plan)
{
	char holder[32];

	for (size_t i = 0; i < plan->refusals.n; i++)
		if (!plan->refusals.list[i].allowed && strcmp(plan->refusals.list[i].name, "group-shared") != 0 &&
		    !held_by_lend(s, &plan->refusals.list[i], holder, sizeof(holder)))
			return false;
	return true;
}

static void plan_say(struct pvb_session *s, const struct pvb_plan *plan)
{
	char list[400];
	struct pvb_event event = {
		.kind = PVB_EVENT_LEND, .name = s->name, .generation = plan->journal.lend.generation,
		.devices = pvb_plan_devices_text(plan, list, sizeof(list)),
	};

	pvb_tell(s->ctx, PVB_NOTICE, &event, "%s: lending %s", s->label, list);
	for (size_t i = 0; i < plan->num_notes; i++)
		pvb_log(s->ctx, PVB_NOTICE, "%s", plan->notes[i]);
}

/* A lend that begins later than this would be killed half-way. */
static int64_t begin_until_ns(const struct pvb_session *s, const struct pvb_request *request)
{
	return s->deadline_ns - pvb_session_wait_ns(&request->settings) / 4;
}

/* Waiting may have taken the time there was. */
static int time_check(const struct pvb_session *s, const struct pvb_request *request, struct pvb_err *err)
{
	if (pvb_now_ns() <= begin_until_ns(s, request))
		return 0;
	return pvb_err_set(err, -EBUSY, "%s: waiting for others has taken most of hook-timeout; nothing was lent and nothing changed: try again", s->label);
}

/* What the host (systemctl, pct, a driver, /proc) does not answer in time is given up, and the lend with it: of what is
 * unknown nothing follows. */
static int plan_make(struct pvb_session *s, const struct pvb_request *request, struct pvb_plan **plan, struct pvb_err *err)
{
	bool late;
	int r = time_check(s, request, err);

	if (r < 0)
		return r;
	s->ctx->deadline_ns = begin_until_ns(s, request);
	r = pvb_plan_lend(s->ctx, request, plan, err);
	late = pvb_ctx_late(s->ctx);
	s->ctx->deadline_ns = 0;
	if (!late)
		return r;
	if (r == 0)
		pvb_plan_free(*plan);
	*plan = NULL;
	return pvb_err_set(err, -ETIMEDOUT, "%s: looking at the host took longer than its hook-timeout (%u ms) leaves for that; nothing was lent and nothing changed; pvebind plan %s shows what does not answer",
			   s->label, request->settings.hook_timeout_ms, s->name);
}

/* A plan that nothing speaks against, with its devices locked. */
static int lend_prepare(struct pvb_session *s, const struct pvb_request *request, struct pvb_plan **out, struct pvb_err *err)
{
	for (;;) {
		struct pvb_plan *plan = NULL;
		bool settled = false;
		int r = plan_make(s, request, &plan, err);

		if (r < 0)
			return r;
		if (pvb_plan_refused(plan) && only_held(s, plan))
			r = others_settle(s, plan, &settled, err);
		if (r == 0 && !settled && !pvb_plan_refused(plan))
			pvb_plan_kmod(s->ctx, plan);
		if (r == 0 && !settled)
			r = refusals_say(s, plan, err);
		if (r == 0 && !settled)
			r = pvb_session_lock_devices(s, &plan->journal.lend, false, err);
		if (r == 0 && !settled && plan->framebuffer)
			r = pvb_session_turn(s, plan->turn_seen, err);
		if (r == -ESTALE) {
			settled = true;
			r = 0;
		}
		if (r == 0 && !settled)
			r = time_check(s, request, err);
		if (r == 0 && !settled && !pvb_session_devices_taken(s)) {
			*out = plan;
			return 0;
		}
		pvb_session_unlock_devices(s);
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
static int lend_renew(struct pvb_session *s, const struct pvb_request *request, const struct pvb_lend *lend,
		      struct pvb_err *err)
{
	_cleanup_close_ int fd = pvb_journal_open(s->ctx, s->name, err);
	struct pvb_settings settings = request->settings;
	uint64_t generation = pvb_generation_new();
	int r = fd < 0 ? fd : 0;

	/* What began it stays what began it; a lend that was only kept begins anew. */
	if (lend->state != PVB_KEPT)
		memcpy(settings.tag, lend->settings.tag, sizeof(settings.tag));
	if (r == 0)
		r = pvb_journal_settings(fd, &settings);
	/* Lent again by hand, it keeps who watches it. */
	if (r == 0 && (s->ctx->begun || lend->state == PVB_KEPT))
		r = pvb_journal_renewal(fd, generation);
	if (r == 0)
		r = pvb_journal_state(fd, PVB_LENT, 0);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	if (s->ctx->begun)
		s->ctx->begun(s->ctx->begun_data, s->name, generation);
	pvb_tell(s->ctx, PVB_NOTICE, &(struct pvb_event){ PVB_EVENT_LENT, .name = s->name, .generation = generation },
		 "%s: lent already, nothing to do", s->label);
	return 0;
}

/* What is lent to this name from before: good as it is (*done), or to be brought home first. */
static int before_settle(struct pvb_session *s, const struct pvb_request *request, bool *done, struct pvb_err *err)
{
	struct pvb_lend lend;
	struct pvb_plan *plan = NULL;
	int r = pvb_lend_read(s->ctx, s->name, &lend, err);

	*done = false;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (lend.state == PVB_LENT || lend.state == PVB_RUNNING || lend.state == PVB_KEPT) {
		r = plan_make(s, request, &plan, err);
		*done = r == 0 && lend_same(&lend, plan) && lend_on_vfio(s->ctx, &lend);
		if (*done)
			r = refusals_say(s, plan, err);
	}
	if (r == 0 && *done)
		r = lend_renew(s, request, &lend, err);
	else if (r == 0) {
		pvb_kmod(s->ctx); /* before it is said: who cannot have it may become another program */
		pvb_tell(s->ctx, PVB_NOTICE, &(struct pvb_event){ pvb_lend_way(&lend), .name = s->name, .generation = lend.generation },
			 "%s: bringing home first what was left from before (%s)", s->label, pvb_state_name(lend.state));
		r = pvb_home_bring(s, &lend, err);
		pvb_session_unlock_devices(s);
	}
	pvb_plan_free(plan);
	pvb_lend_clear(&lend);
	return r;
}

int pvb_lend(struct pvb_ctx *ctx, const struct pvb_request *request, struct pvb_err *err)
{
	struct pvb_plan *plan = NULL;
	struct pvb_session s;
	bool done = false;
	int r;

	err->code = 0;
	r = pvb_session_begin(ctx, request->name, request->label, &request->settings, &s, err);
	if (r == 0)
		r = before_settle(&s, request, &done, err);
	if (r == 0 && !done)
		r = lend_prepare(&s, request, &plan, err);
	if (r == 0 && plan) {
		plan_say(&s, plan);
		ctx->changing = true;
		r = lend_apply(&s, plan, err);
		ctx->changing = false;
	}
	pvb_plan_free(plan);
	pvb_session_close(&s);
	/* Something from before is on its way home still: the host is not as before. */
	if (r == -EINPROGRESS)
		r = err->code = -PVB_EATTENTION;
	return r;
}

/* Written only where it is so: a lend that is half-way home says that, until it is home. */
static int running_write(struct pvb_session *s, int pid, struct pvb_err *err)
{
	_cleanup_close_ int fd = -1;
	struct pvb_event event = { .kind = PVB_EVENT_RUNNING, .name = s->name };
	struct pvb_lend lend;
	enum pvb_state state;
	int r = pvb_lend_read(s->ctx, s->name, &lend, err);

	if (r < 0)
		return r == -ENOENT ? (err->code = 0) : r;
	state = lend.state;
	event.generation = lend.generation;
	pvb_lend_clear(&lend);
	if (state != PVB_LENT && state != PVB_RUNNING)
		return 0;
	fd = pvb_journal_open(s->ctx, s->name, err);
	if (fd < 0)
		return fd;
	r = pvb_journal_state(fd, PVB_RUNNING, pid);
	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	pvb_tell(s->ctx, PVB_DEBUG, &event, "%s: it runs, with what is lent to it", s->label);
	return 0;
}

int pvb_lend_running(struct pvb_ctx *ctx, const char *name, int pid, struct pvb_err *err)
{
	struct pvb_lend lend;
	struct pvb_session s;
	int r = pvb_lend_read(ctx, name, &lend, err);

	if (r < 0)
		return r == -ENOENT ? (err->code = 0) : r;
	r = pvb_session_open(ctx, name, lend.label, pvb_session_wait_ns(&lend.settings), &s, err);
	pvb_lend_clear(&lend);
	if (r == 0)
		r = running_write(&s, pid, err);
	pvb_session_close(&s);
	return r;
}
