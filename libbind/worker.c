/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process per device: what may hang in the kernel hangs there, not in the hook. It has its own device's
 * (or the host's part's; for the console's write both) lock and nothing else of ours: no lend lock, no other device's lock, none of PVE's pipes. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lend.h"

bool pvb_op_touches(const struct pvb_lend *lend, const struct pvb_op *op, size_t i)
{
	struct pvb_addr slot;

	if (op->kind == PVB_OP_UNLOAD && !op->undo)
		return true; /* it takes the driver off all of its devices */
	if (op->kind == PVB_OP_SLOT_RESET)
		return pvb_addr_parse(op->arg, &slot, NULL) == 0 &&
		       pvb_addr_matches(&slot, &lend->devices[i].addr);
	return op->device == (int)i;
}

int pvb_op_worker(const struct pvb_lend *lend, const struct pvb_op *op)
{
	if (op->kind == PVB_OP_SLOT_RESET)
		for (size_t i = 0; i < lend->num_devices; i++)
			if (pvb_op_touches(lend, op, i))
				return (int)i;
	return op->device;
}

bool pvb_worker_touches(const struct pvb_run *run, const struct pvb_worker *worker, size_t i)
{
	for (size_t k = 0; k < worker->num_ops; k++)
		if (pvb_op_touches(&run->plan->journal.lend, &run->plan->journal.ops[worker->ops[k]], i))
			return true;
	return false;
}

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

/* Of the locks it keeps those of the devices that it touches (the last: the host's part's): whoever wants one of them waits
 * for this process. */
static bool lock_kept(const struct pvb_run *run, const struct pvb_worker *worker, size_t i)
{
	const struct pvb_journal *journal = &run->plan->journal;

	if (i < journal->lend.num_devices)
		return pvb_worker_touches(run, worker, i);
	/* The host's come first, where one worker has both (apply.c). */
	return worker->num_ops && pvb_op_worker(&journal->lend, &journal->ops[worker->ops[0]]) < 0;
}

static void descriptors_leave(const struct pvb_run *run, const struct pvb_worker *worker)
{
	size_t num_devices = run->plan->journal.lend.num_devices, n = 0;
	_cleanup_free_ int *keep = calloc(num_devices + 5, sizeof(*keep));

	if (!keep)
		_exit(1);
	keep[n++] = run->ctx->root_fd;
	keep[n++] = run->journal_fd;
	keep[n++] = run->out[1];
	keep[n++] = worker->gate[0];
	for (size_t i = 0; run->lock_fds && i <= num_devices; i++)
		if (run->lock_fds[i] >= 0 && lock_kept(run, worker, i))
			keep[n++] = run->lock_fds[i];
	pvb_stdio_leave(NULL); /* libkmod runs the commands of modprobe.d in us */
	others_close(keep, n);
	run->ctx->log = NULL;     /* the caller's, for the caller's process: outcomes go by the pipe */
	run->ctx->event = NULL;
	run->ctx->cancel_fd = -1; /* closed just now; its number may be another file's */
	run->ctx->deadline_ns = 0; /* its own is what counts */
}

static int op_run(struct pvb_run *run, size_t number, struct pvb_outcome *outcome, struct pvb_err *err)
{
	const struct pvb_op *op = &run->plan->journal.ops[number];
	struct pvb_step step = {
		.ctx = run->ctx, .lend = &run->plan->journal.lend, .op = op, .journal_fd = run->journal_fd,
		.deadline_ns = run->deadline_ns,
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

/* The end of the gate: its turn never came, or the caller is dead. */
static void turn_await(struct pvb_run *run, const struct pvb_worker *worker)
{
	int64_t deadline_ns;
	ssize_t n;

	do
		n = read(worker->gate[0], &deadline_ns, sizeof(deadline_ns));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(deadline_ns))
		_exit(0);
	run->deadline_ns = deadline_ns; /* in this process it is all there is */
}

/* The gate's end: somebody asked to stop, or nobody is left to go on with the lend, and who recovers it waits for our lock. */
static bool stop_wanted(const struct pvb_worker *worker)
{
	struct pollfd gate = { .fd = worker->gate[0] };

	return poll(&gate, 1, 0) > 0;
}

static void lock_close(const struct pvb_run *run, const struct pvb_worker *worker, size_t i)
{
	if (run->lock_fds && run->lock_fds[i] >= 0 && lock_kept(run, worker, i))
		close(run->lock_fds[i]);
}

/* At once: the end of a process takes the kernel a while, and its descriptors go late in it. */
static void device_locks_close(const struct pvb_run *run, const struct pvb_worker *worker)
{
	for (size_t i = 0; i < run->plan->journal.lend.num_devices; i++)
		lock_close(run, worker, i);
}

static void __attribute__((noreturn)) worker_main(struct pvb_run *run, const struct pvb_worker *worker)
{
	const struct pvb_journal *journal = &run->plan->journal;
	bool home = worker->num_ops && journal->ops[worker->ops[0]].undo, hosts = true;

	descriptors_leave(run, worker);
	turn_await(run, worker);
	for (size_t i = 0; i < worker->num_ops; i++) {
		if (stop_wanted(worker))
			_exit(1);
		/* A device that hangs must not keep the host's part. */
		if (hosts && pvb_op_worker(&journal->lend, &journal->ops[worker->ops[i]]) >= 0) {
			lock_close(run, worker, journal->lend.num_devices);
			hosts = false;
		}
		/* A lend stops at its first failure; a way home does what it still can. But a device that vfio-pci does not
		 * let go of stays as it is, for recover: as vfio-pci goes it changes the power settings once more. */
		if (op_report(run, worker->ops[i]) < 0 && (!home || journal->ops[worker->ops[i]].kind == PVB_OP_BIND))
			_exit(1);
	}
	if (hosts)
		lock_close(run, worker, journal->lend.num_devices);
	device_locks_close(run, worker);
	_exit(0);
}

static void gate_close(struct pvb_worker *worker, size_t end)
{
	if (worker->gate[end] >= 0)
		close(worker->gate[end]);
	worker->gate[end] = -1;
}

int pvb_worker_start(struct pvb_run *run, struct pvb_worker *worker)
{
	int r;

	if (pipe2(worker->gate, O_CLOEXEC) < 0)
		return -errno;
	worker->pid = fork();
	if (worker->pid == 0)
		worker_main(run, worker);
	r = worker->pid < 0 ? -errno : 0;
	if (r == 0)
		worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	if (r == 0 && worker->pidfd >= 0) {
		worker->running = true;
		return 0;
	}
	/* Without a pidfd nothing would tell of its end, so that it could not be waited for with a deadline. */
	if (r == 0) {
		r = -errno;
		kill(worker->pid, SIGKILL);
		waitpid(worker->pid, NULL, 0);
	}
	gate_close(worker, 0);
	gate_close(worker, 1);
	return r;
}

/* Both ends are ours until now, so that there is no SIGPIPE where it died meanwhile. */
int pvb_worker_go(struct pvb_worker *worker)
{
	ssize_t n = write(worker->gate[1], &worker->deadline_ns, sizeof(worker->deadline_ns));

	gate_close(worker, 0);
	worker->begun = n == (ssize_t)sizeof(worker->deadline_ns);
	return worker->begun ? 0 : n < 0 ? -errno : -EIO;
}

void pvb_worker_stop(struct pvb_worker *worker)
{
	gate_close(worker, 1);
}

void pvb_workers_end(struct pvb_ctx *ctx, struct pvb_worker *workers, size_t n)
{
	bool early = false;

	for (size_t i = 0; i < n; i++) {
		gate_close(&workers[i], 0);
		gate_close(&workers[i], 1);
		early = early || (workers[i].running && !workers[i].begun);
		if (workers[i].running)
			pvb_child_later(ctx, workers[i].pid, workers[i].pidfd);
		else if (workers[i].pidfd >= 0)
			close(workers[i].pidfd);
		workers[i].running = false;
	}
	/* One that never had its turn may not even have come to leave the lend's lock. */
	if (early)
		pvb_children_collect(ctx);
}
