/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one loop that carries a plan out, in either direction: stage by stage, a worker per device. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "internal.h"

#define CANCEL_NS 1500000000 /* for what is being done when somebody asks to stop */
#define KILL_WAIT_NS 200000000 /* a killed process that is not gone by then sleeps uninterruptibly */

struct apply {
	struct pvb_run run;
	struct pvb_worker *workers; /* malloced: those of the stage */
	size_t num_workers;
	bool home;                  /* the way home: goes on after failures */
	bool left;                  /* … but the time was over */
	bool hurried;               /* somebody asked to stop: there is little time left */
	bool *device_failed;
	struct pvb_err *err;        /* the first failure */
};

static void failure_keep(struct apply *a, int device, int code, const char *fmt, ...) PVB_PRINTF(4, 5);
static void failure_keep(struct apply *a, int device, int code, const char *fmt, ...)
{
	char text[sizeof(a->err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pvb_log(a->run.ctx, PVB_ERROR, "%s", text);
	if (device >= 0 && a->device_failed)
		a->device_failed[device] = true;
	if (!a->err->code)
		pvb_err_set(a->err, code, "%s", text);
}

/* "0000:01:00.0: " or nothing. */
static const char *worker_prefix(const struct apply *a, int device, char buf[PVB_ADDR_MAX + 2])
{
	*buf = '\0';
	if (device >= 0)
		strcat((char *)(uintptr_t)pvb_addr_format(&a->run.plan->journal.lend.devices[device].addr, buf), ": ");
	return buf;
}

/* ---- a stage's workers ---- */

static struct pvb_worker *worker_for(struct apply *a, int device)
{
	struct pvb_worker *more;

	for (size_t i = 0; i < a->num_workers; i++)
		if (a->workers[i].device == device)
			return &a->workers[i];
	more = realloc(a->workers, (a->num_workers + 1) * sizeof(*more));
	if (!more)
		return NULL;
	a->workers = more;
	more += a->num_workers++;
	*more = (struct pvb_worker){ .device = device, .pidfd = -1 };
	return more;
}

static int op_assign(struct apply *a, size_t number)
{
	struct pvb_worker *worker = worker_for(a, pvb_op_worker(a->run.plan, &a->run.plan->journal.ops[number]));
	size_t *ops = worker ? realloc(worker->ops, (worker->num_ops + 1) * sizeof(*ops)) : NULL;

	if (!ops)
		return -ENOMEM;
	worker->ops = ops;
	ops[worker->num_ops++] = number;
	return 0;
}

static void workers_clear(struct apply *a)
{
	for (size_t i = 0; i < a->num_workers; i++) {
		if (a->workers[i].pidfd >= 0)
			close(a->workers[i].pidfd);
		free(a->workers[i].ops);
	}
	free(a->workers);
	a->workers = NULL;
	a->num_workers = 0;
}

/* ---- outcomes ---- */

static void outcome_say(struct apply *a, const struct pvb_outcome *outcome)
{
	int device = a->run.plan->journal.ops[outcome->op].device;
	char prefix[PVB_ADDR_MAX + 2];
	long long ms = (long long)(outcome->ns + 500000) / 1000000;

	worker_prefix(a, device, prefix);
	if (outcome->code < 0)
		failure_keep(a, device, outcome->code, "%s%s (%lld ms)", prefix, outcome->text, ms);
	else if (outcome->warn && !outcome->quiet)
		pvb_log(a->run.ctx, PVB_WARNING, "%s%s (%lld ms)", prefix, outcome->text, ms);
	else if (*outcome->text && !outcome->quiet)
		pvb_log(a->run.ctx, PVB_INFO, "%s%s (%lld ms)", prefix, outcome->text, ms);
}

static void outcomes_read(struct apply *a)
{
	struct pvb_outcome outcome;

	while (read(a->run.out[0], &outcome, sizeof(outcome)) == (ssize_t)sizeof(outcome)) {
		for (size_t i = 0; i < a->num_workers; i++) {
			struct pvb_worker *worker = &a->workers[i];

			if (worker->device != pvb_op_worker(a->run.plan, &a->run.plan->journal.ops[outcome.op]))
				continue;
			worker->reported++;
			worker->failed = worker->failed || outcome.code < 0;
		}
		outcome_say(a, &outcome);
	}
}

static void worker_reap(struct apply *a, struct pvb_worker *worker)
{
	char prefix[PVB_ADDR_MAX + 2];
	int status = 0;

	if (waitpid(worker->pid, &status, WNOHANG) != worker->pid)
		return;
	worker->running = false;
	outcomes_read(a); /* what it said last */
	if (worker->reported == worker->num_ops || worker->failed || *a->run.cancel)
		return;
	worker->failed = true;
	failure_keep(a, worker->device, -EIO, "%sits worker ended too early (%s %d)",
		     worker_prefix(a, worker->device, prefix), WIFSIGNALED(status) ? "signal" : "status",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- what does not end in time ---- */

/* What it is at: the first operation that it has not reported. */
static const char *worker_words(const struct apply *a, const struct pvb_worker *worker, char *buf, size_t size)
{
	size_t at = worker->reported < worker->num_ops ? worker->reported : worker->num_ops - 1;

	return pvb_op_describe(a->run.plan, &a->run.plan->journal.ops[worker->ops[at]], buf, size);
}

/* Leave the devices that it is at alone, until it ends. */
static void worker_mark(struct apply *a, const struct pvb_worker *worker, const char *what)
{
	const struct pvb_lend *lend = &a->run.plan->journal.lend;

	for (size_t i = 0; i < lend->num_devices; i++) {
		if (!pvb_worker_touches(&a->run, worker, i))
			continue;
		if (a->device_failed)
			a->device_failed[i] = true;
		if (pvb_stuck_mark(a->run.ctx, &lend->devices[i].addr, worker->pid, what) < 0)
			pvb_log(a->run.ctx, PVB_WARNING, "the device could not be marked as stuck");
	}
}

/* The device's time is over. What can still be killed is; what cannot hangs in the kernel. */
static void worker_overdue(struct apply *a, struct pvb_worker *worker)
{
	struct pollfd gone = { .fd = worker->pidfd, .events = POLLIN };
	char words[256], what[256];

	pvb_stuck_describe(a->run.ctx, worker->pid, what, sizeof(what));
	worker_words(a, worker, words, sizeof(words));
	kill(worker->pid, SIGKILL);
	worker->failed = true;
	if (pvb_poll(&gone, 1, pvb_now_ns() + KILL_WAIT_NS) > 0) {
		failure_keep(a, worker->device, -ETIMEDOUT, "%s: took longer than %lld ms, given up", words,
			     (long long)(pvb_now_ns() - worker->start_ns) / 1000000);
		worker_reap(a, worker);
		return;
	}
	worker->running = false;
	worker_mark(a, worker, what);
	failure_keep(a, worker->device, -PVB_EATTENTION,
		     "%s: hangs in the kernel (%s, process %d) and cannot be ended; the device is left alone until that ends or the host reboots",
		     words, what, (int)worker->pid);
}

/* The hook's time is over, the device's is not: it goes on by itself, and who comes next goes on behind it. */
static void worker_leave(struct apply *a, struct pvb_worker *worker)
{
	char words[256], what[256];

	pvb_stuck_describe(a->run.ctx, worker->pid, what, sizeof(what));
	worker->running = false;
	worker->failed = true;
	a->left = true;
	worker_mark(a, worker, what);
	failure_keep(a, worker->device, -EINPROGRESS, "%s: still on its way (%s, process %d) when the hook's time was over",
		     worker_words(a, worker, words, sizeof(words)), what, (int)worker->pid);
}

static void worker_late(struct apply *a, struct pvb_worker *worker)
{
	int64_t own_ns = (int64_t)a->run.plan->journal.lend.settings.device_timeout_ms * 1000000;

	if (a->home && pvb_now_ns() < worker->start_ns + own_ns)
		worker_leave(a, worker);
	else
		worker_overdue(a, worker);
}

/* ---- waiting ---- */

static int64_t next_deadline(const struct apply *a)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < a->num_workers; i++)
		if (a->workers[i].running && a->workers[i].deadline_ns < next)
			next = a->workers[i].deadline_ns;
	return next;
}

static bool workers_running(const struct apply *a)
{
	for (size_t i = 0; i < a->num_workers; i++)
		if (a->workers[i].running)
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
	for (size_t i = 0; i < a->num_workers; i++)
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
	*a->run.cancel = 1;
	failure_keep(a, -1, -ECANCELED, "asked to stop: undoing what was done");
}

/* One round: outcomes, ends of workers, the caller's wish to stop, deadlines. */
static int round_wait(struct apply *a)
{
	size_t n = 2 + a->num_workers;
	_cleanup_free_ struct pollfd *fds = calloc(n, sizeof(*fds));
	int r;

	if (!fds)
		return -ENOMEM;
	fds[0] = (struct pollfd){ .fd = a->run.out[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = a->hurried ? -1 : a->run.ctx->cancel_fd, .events = POLLIN };
	for (size_t i = 0; i < a->num_workers; i++)
		fds[2 + i] = (struct pollfd){ .fd = a->workers[i].running ? a->workers[i].pidfd : -1, .events = POLLIN };
	r = pvb_poll(fds, n, next_deadline(a));
	if (r < 0)
		return r;
	outcomes_read(a);
	if (fds[1].revents)
		cancelled(a);
	for (size_t i = 0; i < a->num_workers; i++) {
		if (fds[2 + i].revents)
			worker_reap(a, &a->workers[i]);
		else if (a->workers[i].running && pvb_now_ns() >= a->workers[i].deadline_ns)
			worker_late(a, &a->workers[i]);
	}
	return 0;
}

static int64_t deadline_now(const struct apply *a)
{
	int64_t own = pvb_now_ns() + (int64_t)a->run.plan->journal.lend.settings.device_timeout_ms * 1000000;

	return a->run.deadline_ns < own ? a->run.deadline_ns : own;
}

/* Whether a device that it would touch hangs since an earlier try. */
static bool worker_blocked(struct apply *a, const struct pvb_worker *worker)
{
	const struct pvb_lend *lend = &a->run.plan->journal.lend;
	char text[PVB_ADDR_MAX], what[320];

	for (size_t i = 0; i < lend->num_devices; i++) {
		if (!pvb_worker_touches(&a->run, worker, i))
			continue;
		pvb_addr_format(&lend->devices[i].addr, text);
		if (pvb_stuck_check(a->run.ctx, &lend->devices[i].addr, what, sizeof(what)) < 0)
			failure_keep(a, (int)i, -PVB_EATTENTION, "%s: hangs in the kernel since an earlier try, in %s: left alone", text, what);
		else if (a->home && a->run.lock_fds && a->run.lock_fds[i] < 0)
			failure_keep(a, (int)i, -PVB_EATTENTION, "%s: another process works on it and does not end: left alone", text);
		else
			continue;
		return true;
	}
	return false;
}

static int worker_launch(struct apply *a, struct pvb_worker *worker)
{
	char prefix[PVB_ADDR_MAX + 2];
	int r;

	if (worker_blocked(a, worker))
		return -PVB_EATTENTION;
	worker->start_ns = pvb_now_ns();
	worker->deadline_ns = deadline_now(a);
	r = pvb_worker_start(&a->run, worker);
	if (r < 0)
		failure_keep(a, worker->device, r, "%scannot start its worker: %s", worker_prefix(a, worker->device, prefix),
			     strerror(-r));
	return r;
}

static void workers_give_up(struct apply *a, int code)
{
	for (size_t i = 0; i < a->num_workers; i++) {
		if (!a->workers[i].running)
			continue;
		a->workers[i].running = false;
		kill(a->workers[i].pid, SIGKILL);
		failure_keep(a, a->workers[i].device, code, "cannot wait for a worker: %s", strerror(-code));
	}
}

static int stage_run(struct apply *a)
{
	int r = 0;

	for (size_t i = 0; i < a->num_workers && (r == 0 || a->home); i++)
		r = worker_launch(a, &a->workers[i]);
	while (workers_running(a)) {
		r = round_wait(a);
		if (r < 0)
			workers_give_up(a, r);
	}
	return a->err->code;
}

static int time_over(struct apply *a)
{
	if (!a->left)
		failure_keep(a, -1, -EINPROGRESS, "the hook's time was over before all of it was home");
	a->left = true;
	return -EINPROGRESS;
}

static int stages_run(struct apply *a)
{
	const struct pvb_journal *j = &a->run.plan->journal;

	for (size_t i = 0; i < j->num_ops;) {
		unsigned stage = j->ops[i].stage;
		int r = 0;

		/* Not half of the order: what comes later waits for what is on its way. */
		if (a->home && (a->left || pvb_now_ns() >= a->run.deadline_ns))
			return time_over(a);

		for (; r == 0 && i < j->num_ops && j->ops[i].stage == stage; i++)
			r = op_assign(a, i);
		if (r == 0)
			r = stage_run(a);
		else
			failure_keep(a, -1, r, "out of memory");
		workers_clear(a);
		if (r < 0 && !a->home)
			return r;
	}
	return a->left ? time_over(a) : a->err->code;
}

int pvb_apply(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
	      int64_t deadline_ns, bool *device_failed, struct pvb_err *err)
{
	struct apply a = {
		.run = { .ctx = ctx, .plan = plan, .journal_fd = journal_fd, .lock_fds = lock_fds,
			 .deadline_ns = deadline_ns },
		.home = plan->journal.num_ops && plan->journal.ops[0].undo,
		.device_failed = device_failed,
		.err = err,
	};
	void *cancel = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	err->code = 0;
	if (cancel == MAP_FAILED)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	a.run.cancel = cancel;
	if (pipe2(a.run.out, O_CLOEXEC) < 0) {
		munmap(cancel, sizeof(int));
		return pvb_err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
	}
	fcntl(a.run.out[0], F_SETFL, O_NONBLOCK); /* our end only: a worker waits for room rather than lose a word */
	r = stages_run(&a);
	close(a.run.out[0]);
	close(a.run.out[1]);
	munmap(cancel, sizeof(int));
	return r;
}
