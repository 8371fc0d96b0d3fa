/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What workers say of their operations, and how they ended. */
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "apply.h"

/* A reset by hand is of no lend. */
static struct pvb_event event_about(const struct apply *a, int device, char addr[PVB_ADDR_MAX])
{
	const struct pvb_lend *lend = &a->run.plan->journal.lend;

	return (struct pvb_event){
		.name = lend->by_hand ? NULL : lend->name,
		.generation = lend->generation,
		.devices = device >= 0 ? pvb_addr_format(&lend->devices[device].addr, addr) : NULL,
	};
}

void pvb_apply_fail(struct apply *a, int device, int code, const char *fmt, ...)
{
	char text[sizeof(a->err->text)], addr[PVB_ADDR_MAX];
	struct pvb_event event = event_about(a, device, addr);
	va_list ap;

	pvb_outcome_say(a); /* in their order */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	event.kind = code == -PVB_EATTENTION ? PVB_EVENT_STUCK : code == -EINPROGRESS ? PVB_EVENT_LATE : PVB_EVENT_FAILED;
	pvb_tell(a->run.ctx, PVB_ERROR, &event, "%s", text);
	if (device >= 0 && a->device_failed)
		a->device_failed[device] = true;
	if (!a->err->code)
		pvb_err_set(a->err, code, "%s", text);
}

/* "0000:01:00.0: " or nothing. */
const char *pvb_worker_prefix(const struct apply *a, int device, char buf[PVB_ADDR_MAX + 2])
{
	*buf = '\0';
	if (device >= 0)
		strcat((char *)(uintptr_t)pvb_addr_format(&a->run.plan->journal.lend.devices[device].addr, buf), ": ");
	return buf;
}

static void outcome_say(struct apply *a, const struct pvb_outcome *outcome)
{
	int device = a->run.plan->journal.ops[outcome->op].device;
	char prefix[PVB_ADDR_MAX + 2], addr[PVB_ADDR_MAX];
	long long ms = (long long)(outcome->ns + 500000) / 1000000;
	struct pvb_event event = event_about(a, device, addr);

	event.timed = true;
	event.ms = ms;
	pvb_worker_prefix(a, device, prefix);
	if (outcome->code < 0)
		pvb_apply_fail(a, device, outcome->code, "%s%s (%lld ms)", prefix, outcome->text, ms);
	else if (outcome->warn && !outcome->quiet)
		pvb_tell(a->run.ctx, PVB_WARNING, &event, "%s%s (%lld ms)", prefix, outcome->text, ms);
	else if (*outcome->text && !outcome->quiet)
		pvb_tell(a->run.ctx, PVB_INFO, &event, "%s%s (%lld ms)", prefix, outcome->text, ms);
}

static bool worker_has(const struct pvb_worker *worker, size_t op)
{
	for (size_t i = 0; i < worker->num_ops; i++)
		if (worker->ops[i] == op)
			return true;
	return false;
}

void pvb_outcome_say(struct apply *a)
{
	if (!a->unsaid)
		return;
	a->unsaid = false;
	outcome_say(a, &a->last);
}

/* A failure is said at once, as what comes next depends on it. */
static void outcome_take(struct apply *a, const struct pvb_outcome *outcome)
{
	pvb_outcome_say(a);
	if (outcome->code < 0) {
		outcome_say(a, outcome);
		return;
	}
	a->last = *outcome;
	a->unsaid = true;
}

void pvb_outcomes_read(struct apply *a)
{
	struct pvb_outcome outcome;

	while (read(a->run.out[0], &outcome, sizeof(outcome)) == (ssize_t)sizeof(outcome)) {
		for (size_t i = a->first; i < a->end; i++) {
			struct pvb_worker *worker = &a->workers[i];

			if (!worker_has(worker, outcome.op))
				continue;
			worker->reported++;
			worker->failed = worker->failed || outcome.code < 0;
		}
		outcome_take(a, &outcome);
	}
}

void pvb_worker_reap(struct apply *a, struct pvb_worker *worker)
{
	char prefix[PVB_ADDR_MAX + 2];
	int status = 0;

	if (waitpid(worker->pid, &status, WNOHANG) != worker->pid)
		return;
	worker->running = false;
	pvb_outcomes_read(a); /* what it said last */
	if (worker->reported == worker->num_ops || worker->failed || a->stopped)
		return;
	worker->failed = true;
	pvb_apply_fail(a, worker->device, -EIO, "%sits worker ended too early (%s %d)",
		     pvb_worker_prefix(a, worker->device, prefix), WIFSIGNALED(status) ? "signal" : "status",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}
