/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guard does next. Decides only: it waits for nothing, reads nothing and changes nothing. */
#include <string.h>

#include "vmguard.h"

#define TRIES 3
#define AT_ONCE_MS 1000

static const struct {
	const char *name, *text;
} whys[VMGUARD_WHY_COUNT] = {
	[VMGUARD_UNFINISHED] = { "unfinished", "who moved its devices is gone, half-way" },
	[VMGUARD_AGAIN] = { "again", "its devices are not all home, trying again" },
	[VMGUARD_START_FAILED] = { "start-failed", "its start failed" },
	[VMGUARD_ENDED] = { "ended", "it ended, and no post-stop has brought its devices home" },
	[VMGUARD_NOT_RESTARTED] = { "not-restarted", "it was to start again at once, and did not" },
};

const char *vmguard_why_name(enum vmguard_why why)
{
	return whys[why].name;
}

const char *vmguard_why_text(enum vmguard_why why)
{
	return whys[why].text;
}

int vmguard_why_parse(const char *name, enum vmguard_why *why)
{
	for (unsigned i = 0; i < VMGUARD_WHY_COUNT; i++)
		if (!strcmp(whys[i].name, name)) {
			*why = (enum vmguard_why)i;
			return 0;
		}
	return -EINVAL;
}

/* ---- steps ---- */

static struct vmguard_step step_of(enum vmguard_what what)
{
	return (struct vmguard_step){ .what = what };
}

static struct vmguard_step await(enum vmguard_what what, int64_t until_ms)
{
	return (struct vmguard_step){ .what = what, .until_ms = until_ms };
}

static struct vmguard_step await_process(int pid)
{
	return (struct vmguard_step){ .what = VMGUARD_AWAIT_PROCESS, .pid = pid };
}

static struct vmguard_step act(const struct vmguard *guard, enum vmguard_why why)
{
	/* Once again is worth it where something failed; more would only repeat it. */
	if (guard->tries >= (why == VMGUARD_AGAIN ? 1 : TRIES))
		return step_of(VMGUARD_GIVE_UP);
	return (struct vmguard_step){ .what = VMGUARD_ACT, .why = why };
}

/* ---- states ---- */

static struct vmguard_step failed_decide(const struct vmguard *guard, const struct vmguard_view *view)
{
	if (view->stuck_pid)
		return await_process(view->stuck_pid);
	if (view->busy)
		return (struct vmguard_step){ .what = VMGUARD_AWAIT_DEVICE, .device = view->busy_device };
	return act(guard, VMGUARD_AGAIN);
}

/* No QEMU, and no word that the start succeeded: it is under way, or has failed. Only its lock tells, however long
 * it is held. A VM that lived for a moment has its post-stop to come. */
static struct vmguard_step lent_decide(const struct vmguard *guard, const struct vmguard_view *view)
{
	if (!guard->lock_free)
		return await(VMGUARD_AWAIT_LOCK, 0);
	if (view->cleanup && view->now_ms < guard->since_ms + VMGUARD_CLEANUP_MS)
		return await(VMGUARD_AWAIT_CLEANUP, guard->since_ms + VMGUARD_CLEANUP_MS);
	return act(guard, guard->qemu_seen ? VMGUARD_ENDED : VMGUARD_START_FAILED);
}

/* The VM that ran has ended. Where .cleanup went, post-stop is under way, or was, under the lock. No wait is for ever:
 * the lock may be somebody's who has nothing to do with it. */
static struct vmguard_step ended_decide(const struct vmguard *guard, const struct vmguard_view *view)
{
	int64_t last_ms = guard->since_ms + VMGUARD_CLEANUP_MS, soon_ms = guard->since_ms + VMGUARD_POST_STOP_MS;

	if (view->cleanup && view->now_ms < last_ms)
		return await(VMGUARD_AWAIT_CLEANUP, last_ms);
	if (!guard->cleanup_seen && view->now_ms < soon_ms)
		return await(VMGUARD_AWAIT_CHANGE, soon_ms);
	if (!guard->lock_free && view->now_ms < last_ms)
		return await(VMGUARD_AWAIT_LOCK, last_ms);
	return act(guard, VMGUARD_ENDED);
}

static struct vmguard_step restart_decide(const struct vmguard *guard, const struct vmguard_view *view)
{
	int64_t until_ms = guard->since_ms + VMGUARD_RESTART_MS;

	if (view->now_ms < until_ms)
		return await(VMGUARD_AWAIT_CHANGE, until_ms);
	/* It may have begun just now, and not have come to pre-start yet. */
	if (!guard->lock_free && view->now_ms < until_ms + VMGUARD_CLEANUP_MS)
		return await(VMGUARD_AWAIT_LOCK, until_ms + VMGUARD_CLEANUP_MS);
	return act(guard, VMGUARD_NOT_RESTARTED);
}

static struct vmguard_step whole_decide(const struct vmguard *guard, const struct vmguard_view *view)
{
	if (view->qemu_pid)
		return await_process(view->qemu_pid);
	if (view->lend->state == PVB_RUNNING)
		return ended_decide(guard, view);
	return view->lend->awaits_start ? restart_decide(guard, view) : lent_decide(guard, view);
}

/* ---- all ---- */

static bool phase_equal(const struct vmguard_phase *a, const struct vmguard_phase *b)
{
	return a->state == b->state && a->awaits_start == b->awaits_start && a->qemu == b->qemu && a->stuck == b->stuck &&
	       a->cleanup == b->cleanup;
}

/* Whatever was waited for, tried or seen free belongs to what was then. */
static void phase_update(struct vmguard *guard, const struct vmguard_view *view)
{
	struct vmguard_phase phase = {
		.state = view->lend->state,
		.awaits_start = view->lend->awaits_start,
		.qemu = view->qemu_pid,
		.stuck = view->stuck_pid || view->busy,
		.cleanup = view->cleanup,
	};

	guard->qemu_seen = guard->qemu_seen || phase.qemu;
	guard->cleanup_seen = guard->cleanup_seen || phase.cleanup;
	if (guard->since_ms && phase_equal(&phase, &guard->phase))
		return;
	guard->phase = phase;
	guard->since_ms = view->now_ms;
	guard->lock_free = false;
	guard->tries = 0;
}

struct vmguard_step vmguard_decide(struct vmguard *guard, const struct vmguard_view *view)
{
	if (!view->lend || view->lend->generation != guard->generation)
		return step_of(VMGUARD_END);
	phase_update(guard, view);
	switch (view->lend->state) {
	case PVB_LENDING:
	case PVB_RETURNING:
		return act(guard, VMGUARD_UNFINISHED);
	case PVB_FAILED:
		return failed_decide(guard, view);
	case PVB_LENT:
	case PVB_RUNNING:
		return whole_decide(guard, view);
	case PVB_KEPT:
	case PVB_HOME:
	default:
		return step_of(VMGUARD_END);
	}
}

void vmguard_lock_was_free(struct vmguard *guard)
{
	guard->lock_free = true;
}

void vmguard_has_tried(struct vmguard *guard, bool vain, int64_t ms)
{
	if (vain || ms < AT_ONCE_MS)
		guard->tries++;
}

bool vmguard_confirm(const struct pvb_lend *lend, uint64_t generation, enum vmguard_why why)
{
	enum pvb_state state = lend->state;

	if (lend->generation != generation)
		return false;
	switch (why) {
	case VMGUARD_UNFINISHED:
		return state == PVB_LENDING || state == PVB_RETURNING;
	case VMGUARD_AGAIN:
		return state == PVB_FAILED;
	case VMGUARD_START_FAILED:
		return state == PVB_LENT && !lend->awaits_start;
	case VMGUARD_ENDED:
		return state == PVB_RUNNING || (state == PVB_LENT && !lend->awaits_start);
	case VMGUARD_NOT_RESTARTED:
		return state == PVB_LENT && lend->awaits_start;
	case VMGUARD_WHY_COUNT:
	default:
		return false;
	}
}
