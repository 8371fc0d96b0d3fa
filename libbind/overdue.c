/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workers that do not end in time: killed where they can be, marked and left where not. */
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "apply.h"

#define KILL_WAIT_NS 200000000 /* a killed process that is not gone by then sleeps uninterruptibly */

/* What it is at: the first operation that it has not reported. */
static const struct pvb_op *worker_at(const struct apply *a, const struct pvb_worker *worker)
{
	size_t at = worker->reported < worker->num_ops ? worker->reported : worker->num_ops - 1;

	return &a->run.plan->journal.ops[worker->ops[at]];
}

static const char *worker_words(const struct apply *a, const struct pvb_worker *worker, char *buf, size_t size)
{
	return pvb_op_describe(a->run.plan, worker_at(a, worker), buf, size);
}

/* Leave the devices that it is at alone, until it ends. */
static void worker_mark(struct apply *a, const struct pvb_worker *worker, const char *what)
{
	const struct pvb_lend *lend = &a->run.plan->journal.lend;
	char thing[PVB_NAME_MAX];

	if (pvb_op_worker(lend, worker_at(a, worker)) < 0 && pvb_stuck_mark_thing(a->run.ctx, pvb_host_thing(lend->name, thing), worker->pid, what) < 0)
		pvb_log(a->run.ctx, PVB_WARNING, "what hangs could not be marked as stuck");
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
		pvb_apply_fail(a, worker->device, -ETIMEDOUT, "%s: took longer than %lld ms, given up", words,
			     (long long)(pvb_now_ns() - worker->start_ns) / 1000000);
		pvb_worker_reap(a, worker);
		return;
	}
	worker->running = false;
	worker_mark(a, worker, what);
	pvb_apply_fail(a, worker->device, -PVB_EATTENTION,
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
	if (worker->device >= 0) /* the host's part is waited for: slow services are no hang */
		worker_mark(a, worker, what);
	pvb_apply_fail(a, worker->device, -EINPROGRESS, "%s: still on its way (%s, process %d) when the hook's time was over",
		     worker_words(a, worker, words, sizeof(words)), what, (int)worker->pid);
}

void pvb_worker_late(struct apply *a, struct pvb_worker *worker)
{
	int64_t own_ns = (int64_t)a->run.plan->journal.lend.settings.device_timeout_ms * 1000000;

	if (a->home && pvb_now_ns() < worker->start_ns + own_ns)
		worker_leave(a, worker);
	else
		worker_overdue(a, worker);
}
