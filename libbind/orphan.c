/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workers that outlived their pvebind. Whoever wants what one of them has locked finds it by the journal, waits as long as
 * a worker may take, and then ends it; or marks what it hangs in as stuck, as its pvebind would have done. */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "lend.h"

#define KILL_WAIT_NS 200000000 /* as in overdue.c */

struct orphan {
	int pid, pidfd;
	int64_t end_ns; /* when its time is over */
	char state;
	const char *words; /* for sentences: what it is at */
	const char *device; /* its address; NULL: the host's part */
};

const char *pvb_host_thing(const char *lend, char buf[PVB_NAME_MAX])
{
	snprintf(buf, PVB_NAME_MAX, "%.31s.host", lend);
	return buf;
}

/* Who wrote the intent, if it lives: a later process with its number was started after that. */
static bool writer_lives(struct pvb_ctx *ctx, const struct pvb_at *at, char *state)
{
	int64_t start = at->pid ? pvb_process_start(ctx, at->pid, state) : -1, ticks = sysconf(_SC_CLK_TCK);

	return start >= 0 && start / ticks * 1000000000 + start % ticks * (1000000000 / ticks) <= at->since_ns;
}

/* addr NULL: the host's part. */
static bool op_is_at(const struct pvb_journal *j, size_t k, const struct pvb_addr *addr)
{
	struct pvb_op op = j->ops[k];

	op.undo = j->at[k].undo;
	if (!addr)
		return pvb_op_worker(&j->lend, &op) < 0;
	for (size_t i = 0; i < j->lend.num_devices; i++)
		if (!pvb_addr_compare(&j->lend.devices[i].addr, addr))
			/* Who takes the console off may be the one device's worker, and have its lock (apply.c). */
			return pvb_op_touches(&j->lend, &op, i) || (op.kind == PVB_OP_CONSOLE && !op.undo);
	return false;
}

static bool journal_search(struct pvb_ctx *ctx, const struct pvb_journal *j, const struct pvb_addr *addr, struct orphan *orphan)
{
	for (size_t k = 0; k < j->num_ops; k++) {
		const struct pvb_at *at = &j->at[k];
		int64_t time_ns = (int64_t)j->lend.settings.device_timeout_ms * 1000000;

		if (!at->pid || !op_is_at(j, k, addr))
			continue;
		/* Opened before the look, so that it stays this process's. */
		orphan->pid = at->pid;
		orphan->pidfd = (int)syscall(SYS_pidfd_open, at->pid, 0);
		orphan->end_ns = pvb_now_ns() + at->since_ns + time_ns - pvb_boottime_ns();
		if (orphan->pidfd >= 0 && writer_lives(ctx, at, &orphan->state))
			return true;
		if (orphan->pidfd >= 0)
			close(orphan->pidfd);
	}
	return false;
}

/* It is one only when nobody works on its lend. Close its pidfd. */
static bool orphan_find(struct pvb_ctx *ctx, const char *lend, const struct pvb_addr *addr, const char *thing,
			struct orphan *orphan)
{
	char holder[32], lock[PVB_NAME_MAX];
	struct pvb_journal j;
	struct pvb_err ignored;
	bool found;

	orphan->words = addr ? thing : "console, services and modules";
	orphan->device = addr ? thing : NULL;
	if (!addr)
		snprintf(holder, sizeof(holder), "%s", lend);
	else if (pvb_device_holder(ctx, addr, holder, sizeof(holder)) < 0)
		return false;
	if (strcmp(holder, lend) != 0 && pvb_record_locked(ctx, pvb_lend_lock_name(holder, lock)))
		return false;
	if (pvb_journal_read(ctx, holder, &j, &ignored) < 0)
		return false;
	found = !j.lend.other_boot && journal_search(ctx, &j, addr, orphan);
	pvb_journal_clear(&j);
	return found;
}

static int orphan_mark(struct pvb_ctx *ctx, const char *thing, const struct orphan *orphan)
{
	char what[256];

	pvb_stuck_describe(ctx, orphan->pid, what, sizeof(what));
	pvb_tell(ctx, PVB_ERROR, &(struct pvb_event){ PVB_EVENT_STUCK, .devices = orphan->device },
		 "%s: hangs in the kernel (%s, process %d, whose pvebind is gone) and cannot be ended; it is left alone until that ends or the host reboots",
		 orphan->words, what, orphan->pid);
	if (pvb_stuck_mark_thing(ctx, thing, orphan->pid, what) < 0)
		pvb_log(ctx, PVB_WARNING, "%s: it could not be marked as stuck", orphan->words);
	return -EBUSY;
}

/* Its time is over. */
static int orphan_end(struct pvb_ctx *ctx, const char *name, const char *thing, const struct orphan *orphan,
		      struct pvb_record *record)
{
	char state;
	int r;

	syscall(SYS_pidfd_send_signal, orphan->pidfd, SIGKILL, NULL, 0);
	r = pvb_record_open(ctx, name, pvb_now_ns() + KILL_WAIT_NS, record);
	if (r == -ETIMEDOUT && pvb_process_start(ctx, orphan->pid, &state) >= 0)
		return orphan_mark(ctx, thing, orphan);
	pvb_log(ctx, PVB_WARNING, "%s: process %d, whose pvebind is gone, took longer than device-timeout, given up", orphan->words,
		orphan->pid);
	return r;
}

/* Somebody has the lock. */
static int contended_lock(struct pvb_ctx *ctx, const char *lend, const struct pvb_addr *addr, const char *name,
			  const char *thing, int64_t deadline_ns, struct pvb_record *record)
{
	for (;;) {
		struct orphan orphan;
		bool found = orphan_find(ctx, lend, addr, thing, &orphan), early = found && orphan.end_ns < deadline_ns;
		int r;

		if (found && pvb_now_ns() >= orphan.end_ns)
			r = orphan_end(ctx, name, thing, &orphan, record);
		else
			r = pvb_record_open(ctx, name, early ? orphan.end_ns : deadline_ns, record);
		if (found)
			close(orphan.pidfd);
		if (r != -ETIMEDOUT || !early)
			return r;
	}
}

int pvb_orphan_lock(struct pvb_ctx *ctx, const char *lend, const struct pvb_addr *addr, int64_t deadline_ns,
		    struct pvb_record *record)
{
	char thing[PVB_NAME_MAX], name[PVB_NAME_MAX];
	struct orphan orphan;
	int r;

	if (addr)
		snprintf(name, sizeof(name), "%s", pvb_device_record_name(addr, thing));
	else
		snprintf(name, sizeof(name), "%.50s.lock", pvb_host_thing(lend, thing));
	r = pvb_record_open(ctx, name, 0, record);
	if (r == -EWOULDBLOCK)
		r = contended_lock(ctx, lend, addr, name, thing, deadline_ns, record);
	/* In vain: the next one need not wait. */
	if (r != -ETIMEDOUT || !orphan_find(ctx, lend, addr, thing, &orphan))
		return r;
	if (orphan.state == 'D')
		r = orphan_mark(ctx, thing, &orphan);
	close(orphan.pidfd);
	return r;
}
