/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process per device: what may hang in the kernel hangs there, not in the hook. It has its own device's
 * lock and nothing else of ours: no lend lock, no other device's lock, none of PVE's pipes. */
#include <linux/close_range.h>
#include <string.h>
#include <sys/syscall.h>

#include "internal.h"

static int fd_compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close every descriptor from 3 on but these. */
static void others_close(int *keep, size_t n)
{
	int from = 3;

	qsort(keep, n, sizeof(*keep), fd_compare);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > from)
			syscall(SYS_close_range, from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0);
}

static void descriptors_leave(const struct pvb_run *run, const struct pvb_worker *worker)
{
	int lock = worker->device >= 0 && run->lock_fds ? run->lock_fds[worker->device] : -1;
	int keep[] = { run->ctx->root_fd, run->journal_fd, run->out[1], lock };

	pvb_stdio_leave();
	others_close(keep, ARRAY_SIZE(keep));
	run->ctx->log = NULL;     /* the caller's, for the caller's process: outcomes go by the pipe */
	run->ctx->cancel_fd = -1; /* closed just now; its number may be another file's */
}

static int op_run(struct pvb_run *run, size_t number, struct pvb_outcome *outcome, struct pvb_err *err)
{
	const struct pvb_op *op = &run->plan->journal.ops[number];
	struct pvb_step step = {
		.ctx = run->ctx, .lend = &run->plan->journal.lend, .op = op, .journal_fd = run->journal_fd,
	};
	int r = pvb_journal_intent(run->journal_fd, run->plan->origin[number], op->undo);

	/* The way home is in the journal already, and doing it twice is doing it once: a full /run does not stop it. */
	if (r < 0 && !op->undo)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", step.lend->name, strerror(-r));
	r = pvb_effect(&step, err);
	outcome->warn = step.warn;
	outcome->quiet = step.quiet;
	snprintf(outcome->text, sizeof(outcome->text), "%s", step.text);
	return r;
}

/* One operation: intent, effect, read back, outcome. */
static int op_report(struct pvb_run *run, size_t number)
{
	struct pvb_outcome outcome = { .op = number };
	struct pvb_err err = { .code = 0 };
	int64_t start = pvb_now_ns();
	int r;

	outcome.code = op_run(run, number, &outcome, &err);
	if (outcome.code < 0)
		snprintf(outcome.text, sizeof(outcome.text), "%.511s", err.text);
	outcome.ns = pvb_now_ns() - start;
	r = pvb_journal_outcome(run->journal_fd, run->plan->origin[number], run->plan->journal.ops[number].undo,
				outcome.code, outcome.text);
	if (r < 0 && outcome.code == 0 && !run->plan->journal.ops[number].undo) {
		outcome.code = r;
		snprintf(outcome.text, sizeof(outcome.text), "cannot write the journal: %s", strerror(-r));
	}
	/* Below PIPE_BUF, so whole. A parent that is gone reads nothing; the journal has it. */
	if (write(run->out[1], &outcome, sizeof(outcome)) != (ssize_t)sizeof(outcome))
		return -EPIPE;
	return outcome.code;
}

static void worker_main(struct pvb_run *run, const struct pvb_worker *worker, pid_t parent)
{
	bool home = worker->num_ops && run->plan->journal.ops[worker->ops[0]].undo;

	descriptors_leave(run, worker);
	for (size_t i = 0; i < worker->num_ops; i++) {
		/* Nobody left to go on with the lend: whoever recovers it waits for our lock. */
		if (getppid() != parent || *run->cancel)
			_exit(1);
		/* A lend stops at its first failure; a way home does what it still can. */
		if (op_report(run, worker->ops[i]) < 0 && !home)
			_exit(1);
	}
	_exit(0);
}

int pvb_worker_start(struct pvb_run *run, struct pvb_worker *worker)
{
	pid_t parent = getpid();

	worker->pid = fork();
	if (worker->pid < 0)
		return -errno;
	if (worker->pid == 0)
		worker_main(run, worker, parent);
	worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	worker->running = true;
	return worker->pidfd < 0 ? -errno : 0;
}
