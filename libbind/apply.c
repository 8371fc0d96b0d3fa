/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one loop that carries a plan out, in either direction: stage by stage, a worker per device (and one for what is the host's). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "apply.h"

#define CANCEL_NS 1500000000 /* for what is being done when somebody asks to stop */

/* ---- the workers ---- */

static struct pvb_worker *worker_for(struct apply *a, unsigned stage, int device)
{
	struct pvb_worker *more;

	for (size_t i = a->num_workers; i-- > 0 && a->workers[i].stage == stage;)
		if (a->workers[i].device == device)
			return &a->workers[i];
	more = realloc(a->workers, (a->num_workers + 1) * sizeof(*more));
	if (!more)
		return NULL;
	a->workers = more;
	more += a->num_workers++;
	*more = (struct pvb_worker){ .stage = stage, .device = device, .pidfd = -1, .gate = { -1, -1 } };
	return more;
}

static int op_add(struct pvb_worker *worker, size_t op)
{
	size_t *more = realloc(worker->ops, (worker->num_ops + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	worker->ops = more;
	more[worker->num_ops++] = op;
	return 0;
}

/* Where the stage ends that begins there. */
static size_t stage_end(const struct apply *a, size_t first)
{
	size_t end = first;

	while (end < a->num_workers && a->workers[end].stage == a->workers[first].stage)
		end++;
	return end;
}

/* ---- the console and the one device ---- */

static bool console_alone(const struct apply *a, size_t i)
{
	const struct pvb_worker *worker = &a->workers[i];
	bool alone = (i == 0 || a->workers[i - 1].stage != worker->stage) && stage_end(a, i) == i + 1;

	for (size_t k = 0; k < worker->num_ops; k++)
		alone = alone && a->run.plan->journal.ops[worker->ops[k]].kind == PVB_OP_CONSOLE;
	return alone;
}

/* To take the console off a card is one write, and where one device alone follows, nothing is done meanwhile: one process
 * does both, in one device's time. If the write hangs, then in the card's own driver. Not on the way home, where the one goes on
 * without the other. */
static int console_join(struct apply *a)
{
	struct pvb_worker *console, *next;
	size_t i = 0;

	while (i < a->num_workers && !console_alone(a, i))
		i = stage_end(a, i);
	if (a->home || i + 1 >= a->num_workers || stage_end(a, i + 1) != i + 2 || a->workers[i + 1].device < 0)
		return 0;
	console = &a->workers[i];
	next = console + 1;
	for (size_t k = 0; k < next->num_ops; k++)
		if (op_add(console, next->ops[k]) < 0)
			return -ENOMEM;
	console->stage = next->stage;
	console->device = next->device;
	free(next->ops);
	a->num_workers--;
	memmove(next, next + 1, (a->num_workers - i - 1) * sizeof(*next));
	return 0;
}

static int ops_assign(struct apply *a)
{
	const struct pvb_journal *j = &a->run.plan->journal;

	for (size_t i = 0; i < j->num_ops; i++) {
		struct pvb_worker *worker = worker_for(a, j->ops[i].stage, pvb_op_worker(&j->lend, &j->ops[i]));

		if (!worker || op_add(worker, i) < 0)
			return -ENOMEM;
	}
	return console_join(a);
}

static void workers_end(struct apply *a)
{
	pvb_workers_end(a->run.ctx, a->workers, a->num_workers);
	for (size_t i = 0; i < a->num_workers; i++)
		free(a->workers[i].ops);
	free(a->workers);
}

/* ---- waiting ---- */

/* It was let go; one that has reported the last of its operations only has to end. */
static bool worker_busy(const struct pvb_worker *worker)
{
	return worker->running && worker->begun && (worker->failed || worker->reported < worker->num_ops);
}

static int64_t next_deadline(const struct apply *a)
{
	int64_t next = INT64_MAX;

	for (size_t i = a->first; i < a->end; i++)
		if (worker_busy(&a->workers[i]) && a->workers[i].deadline_ns < next)
			next = a->workers[i].deadline_ns;
	return next;
}

static bool workers_busy(const struct apply *a)
{
	for (size_t i = a->first; i < a->end; i++)
		if (worker_busy(&a->workers[i]))
			return true;
	return false;
}

/* Who is asked to stop answers within five seconds: two for what it is at, the rest for the way home. */
static void hurry(struct apply *a, int64_t ns)
{
	int64_t until = pvb_now_ns() + ns;

	a->hurried = true;
	if (until < a->run.deadline_ns)
		a->run.deadline_ns = until;
	for (size_t i = a->first; i < a->end; i++)
		if (until < a->workers[i].deadline_ns)
			a->workers[i].deadline_ns = until;
}

static void cancelled(struct apply *a)
{
	if (a->hurried)
		return;
	hurry(a, a->home ? PVB_CANCEL_HOME_NS : CANCEL_NS);
	if (a->home)
		return;
	a->stopped = true;
	for (size_t i = a->first; i < a->end; i++)
		pvb_worker_stop(&a->workers[i]);
	pvb_apply_fail(a, -1, -ECANCELED, "asked to stop: undoing what was done");
}

/* One round: outcomes, ends of workers, the caller's wish to stop, deadlines. */
static int round_wait(struct apply *a)
{
	size_t n = 2 + a->end - a->first;
	_cleanup_free_ struct pollfd *fds = calloc(n, sizeof(*fds));
	int r;

	if (!fds)
		return -ENOMEM;
	pvb_outcome_say(a);
	fds[0] = (struct pollfd){ .fd = a->run.out[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = a->hurried ? -1 : a->run.ctx->cancel_fd, .events = POLLIN };
	for (size_t i = a->first; i < a->end; i++)
		fds[2 + i - a->first] = (struct pollfd){ .fd = worker_busy(&a->workers[i]) ? a->workers[i].pidfd : -1, .events = POLLIN };
	r = pvb_poll(fds, n, next_deadline(a));
	if (r < 0)
		return r;
	pvb_outcomes_read(a);
	if (fds[1].revents)
		cancelled(a);
	for (size_t i = a->first; i < a->end; i++) {
		if (fds[2 + i - a->first].revents)
			pvb_worker_reap(a, &a->workers[i]);
		else if (worker_busy(&a->workers[i]) && pvb_now_ns() >= a->workers[i].deadline_ns)
			pvb_worker_late(a, &a->workers[i]);
	}
	return 0;
}

static int64_t deadline_now(const struct apply *a)
{
	int64_t own = pvb_now_ns() + (int64_t)a->run.plan->journal.lend.settings.device_timeout_ms * 1000000;

	return a->run.deadline_ns < own ? a->run.deadline_ns : own;
}

/* Whether what it would touch hangs since an earlier try. */
static bool worker_blocked(struct apply *a, const struct pvb_worker *worker)
{
	const struct pvb_lend *lend = &a->run.plan->journal.lend;
	char text[PVB_ADDR_MAX], what[320];

	for (size_t i = 0; i < lend->num_devices; i++) {
		if (!pvb_worker_touches(&a->run, worker, i))
			continue;
		pvb_addr_format(&lend->devices[i].addr, text);
		if (pvb_stuck_check(a->run.ctx, &lend->devices[i].addr, what, sizeof(what)) < 0)
			pvb_apply_fail(a, (int)i, -PVB_EATTENTION, "%s: hangs in the kernel since an earlier try, in %s: left alone", text, what);
		else if (a->home && a->run.lock_fds && a->run.lock_fds[i] < 0)
			pvb_apply_fail(a, (int)i, -PVB_EATTENTION, "%s: another process works on it and does not end: left alone", text);
		else
			continue;
		return true;
	}
	if (worker->device >= 0 || !a->home || !a->run.lock_fds || a->run.lock_fds[lend->num_devices] >= 0)
		return false;
	pvb_apply_fail(a, -1, -PVB_EATTENTION, "console, services and modules: another process works on them and does not end: left alone");
	return true;
}

static int worker_launch(struct apply *a, struct pvb_worker *worker)
{
	char prefix[PVB_ADDR_MAX + 2];
	int r = 0;

	if (worker_blocked(a, worker))
		return -PVB_EATTENTION;
	worker->start_ns = pvb_now_ns();
	worker->deadline_ns = deadline_now(a);
	if (!worker->running)
		r = pvb_worker_start(&a->run, worker);
	if (r == 0)
		r = pvb_worker_go(worker);
	if (r < 0)
		pvb_apply_fail(a, worker->device, r, "%scannot start its worker: %s", pvb_worker_prefix(a, worker->device, prefix),
			     strerror(-r));
	return r;
}

static void workers_give_up(struct apply *a, int code)
{
	for (size_t i = a->first; i < a->end; i++) {
		if (!worker_busy(&a->workers[i]))
			continue;
		a->workers[i].running = false;
		kill(a->workers[i].pid, SIGKILL);
		pvb_apply_fail(a, a->workers[i].device, code, "cannot wait for a worker: %s", strerror(-code));
	}
}

/* The next stage's processes are made while this one's work, and the first one's while the journal is written. One that cannot
 * be is tried for again when its turn comes. */
static void next_prepare(struct apply *a)
{
	size_t end = stage_end(a, a->end);

	for (size_t i = a->end; i < end; i++)
		if (pvb_worker_start(&a->run, &a->workers[i]) < 0)
			break;
}

static int stage_run(struct apply *a)
{
	int r = 0;

	for (size_t i = a->first; i < a->end && (r == 0 || a->home); i++)
		r = worker_launch(a, &a->workers[i]);
	if (r == 0)
		next_prepare(a);
	while (workers_busy(a)) {
		r = round_wait(a);
		if (r < 0)
			workers_give_up(a, r);
	}
	return a->err->code;
}

static int time_over(struct apply *a)
{
	if (!a->left)
		pvb_apply_fail(a, -1, -EINPROGRESS, "the hook's time was over before all of it was home");
	a->left = true;
	return -EINPROGRESS;
}

static int stages_run(struct apply *a)
{
	int r;

	for (; a->first < a->num_workers; a->first = a->end) {
		/* Not half of the order: what comes later waits for what is on its way. */
		if (a->home && (a->left || pvb_now_ns() >= a->run.deadline_ns))
			return time_over(a);
		a->end = stage_end(a, a->first);
		r = stage_run(a);
		if (r < 0 && !a->home)
			return r;
	}
	return a->left && (!a->err->code || a->err->code == -EINPROGRESS) ? time_over(a) : a->err->code;
}

/* ---- all of it ---- */

void pvb_apply_end(struct apply *a)
{
	if (!a)
		return;
	workers_end(a);
	close(a->run.out[0]);
	close(a->run.out[1]);
	free(a);
}

static struct apply *apply_new(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
			       struct pvb_err *err)
{
	struct apply *a = calloc(1, sizeof(*a));

	pvb_err_set(err, -ENOMEM, "out of memory");
	if (!a)
		return NULL;
	a->run = (struct pvb_run){ .ctx = ctx, .plan = plan, .journal_fd = journal_fd, .lock_fds = lock_fds };
	a->home = plan->journal.num_ops && plan->journal.ops[0].undo;
	if (pipe2(a->run.out, O_CLOEXEC) < 0) {
		pvb_err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
		free(a);
		return NULL;
	}
	fcntl(a->run.out[0], F_SETFL, O_NONBLOCK); /* our end only: a worker waits for room rather than lose a word */
	if (ops_assign(a) < 0) {
		pvb_apply_end(a);
		return NULL;
	}
	err->code = 0;
	return a;
}

struct apply *pvb_apply_prepare(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
				struct pvb_err *err)
{
	struct apply *a = apply_new(ctx, plan, journal_fd, lock_fds, err);

	if (a)
		next_prepare(a);
	return a;
}

int pvb_apply_run(struct apply *a, int64_t deadline_ns, bool *device_failed, struct pvb_err *err)
{
	int r;

	a->run.deadline_ns = deadline_ns;
	a->device_failed = device_failed;
	a->err = err;
	err->code = 0;
	r = stages_run(a);
	pvb_outcome_say(a);
	return r;
}

int pvb_apply(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
	      int64_t deadline_ns, bool *device_failed, struct pvb_err *err)
{
	struct apply *a = apply_new(ctx, plan, journal_fd, lock_fds, err);
	int r = a ? pvb_apply_run(a, deadline_ns, device_failed, err) : err->code;

	/* Of a device that is not said to have failed the record goes, and with it what brings it home later. */
	for (size_t i = 0; !a && device_failed && i < plan->journal.lend.num_devices; i++)
		device_failed[i] = true;
	pvb_apply_end(a);
	return r;
}
