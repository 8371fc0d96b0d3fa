/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Working on a lend: its lock, then its devices' locks in address order. */
#include <string.h>

#include "lend.h"

int pvb_session_open(struct pvb_ctx *ctx, const char *name, const char *label, int64_t wait_ns, struct pvb_session *s,
			struct pvb_err *err)
{
	char lock[PVB_NAME_MAX];
	int64_t until_ns;
	int r;

	*s = (struct pvb_session){ .ctx = ctx, .start_ns = pvb_now_ns(), PVB_SESSION_CLOSED };
	s->deadline_ns = s->limit_ns = s->start_ns + PVB_LOCK_WAIT_NS;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->label, sizeof(s->label), "%s", label);
	until_ns = wait_ns ? s->start_ns + wait_ns : 0;
	r = pvb_record_open(ctx, pvb_lend_lock_name(name, lock), until_ns, &s->lock);
	if (r == -ENOENT) {
		r = pvb_state_dir(ctx, err); /* the first of this boot */
		if (r < 0)
			return r;
		r = pvb_record_open(ctx, lock, until_ns, &s->lock);
	}
	if (r == -EWOULDBLOCK || r == -ETIMEDOUT)
		return pvb_err_set(err, -EBUSY, "another pvebind is working on %s: wait for it to end (see: pvebind status)", label);
	if (r < 0)
		return pvb_err_set(err, r, "cannot lock /" PVB_STATE_DIR "/%s: %s", lock, strerror(-r));
	pvb_journal_part_remove(ctx, name);
	return 0;
}

#define RESERVE_MAX_NS 5000000000 /* of the hook's time: for the way home */
#define GRACE_NS 1000000000       /* beyond it: the answer is there within two seconds */

static int64_t time_ns(const struct pvb_settings *settings)
{
	return (int64_t)settings->hook_timeout_ms * 1000000;
}

int64_t pvb_session_wait_ns(const struct pvb_settings *settings)
{
	int64_t quarter = time_ns(settings) / 4;

	return time_ns(settings) - (quarter < RESERVE_MAX_NS ? quarter : RESERVE_MAX_NS);
}

void pvb_session_budget(struct pvb_session *s, const struct pvb_settings *settings)
{
	s->deadline_ns = s->start_ns + pvb_session_wait_ns(settings);
	s->limit_ns = s->start_ns + time_ns(settings) + GRACE_NS;
}

int pvb_session_begin(struct pvb_ctx *ctx, const char *name, const char *label, const struct pvb_settings *settings,
		      struct pvb_session *s, struct pvb_err *err)
{
	int64_t spent_ns = ctx->start_ns ? pvb_now_ns() - ctx->start_ns : 0;
	int64_t wait_ns = settings ? pvb_session_wait_ns(settings) - spent_ns : 0;
	int r = pvb_session_open(ctx, name, label, wait_ns > 0 ? wait_ns : 0, s, err);

	s->start_ns -= spent_ns;
	if (settings)
		pvb_session_budget(s, settings);
	return r;
}

/* Where no lend is left, no record is either. */
static void host_unlock(struct pvb_session *s)
{
	char path[PVB_PATH_MAX];

	if (s->host.fd >= 0 && !pvb_sysfs_exists(s->ctx, pvb_journal_path(s->name, path)) &&
	    pvb_record_remove(s->ctx, &s->host) < 0)
		pvb_log(s->ctx, PVB_DEBUG, "an empty lock is left behind");
	pvb_record_close(&s->host);
}

int pvb_session_turn(struct pvb_session *s, int64_t seen, struct pvb_err *err)
{
	int r = s->turn.fd >= 0 ? 0 : pvb_turn_take(s->ctx, s->deadline_ns, seen, &s->turn);

	if (r == 0 || r == -ESTALE)
		return r;
	if (r == -ETIMEDOUT || r == -EWOULDBLOCK)
		return pvb_err_set(err, -EBUSY, "%s: another pvebind is moving the card that the console is on, and does not come to an end (see: pvebind status); try again",
				   s->label);
	return pvb_err_set(err, r, "%s: cannot wait for those that move the console: %s", s->label, strerror(-r));
}

void pvb_session_unlock_devices(struct pvb_session *s)
{
	pvb_turn_end(s->ctx, &s->turn);
	host_unlock(s);
	for (size_t i = 0; i < s->num_devices; i++)
		pvb_record_close(&s->devices[i]);
	free(s->devices);
	free(s->lock_fds);
	s->devices = NULL;
	s->lock_fds = NULL;
	s->num_devices = 0;
}

void pvb_session_close(struct pvb_session *s)
{
	pvb_session_unlock_devices(s);
	pvb_record_close(&s->lock);
}

/* A worker that hangs in it keeps its lock: home the others go without it, at once. addr NULL: the host's part. */
static int thing_lock(struct pvb_session *s, const struct pvb_addr *addr, bool home, struct pvb_record *record,
		      struct pvb_err *err)
{
	char name[PVB_NAME_MAX], what[320] = "";
	const char *words = addr ? name : "the host's console, services and modules";
	int r;

	if (addr)
		pvb_device_record_name(addr, name);
	else
		pvb_host_thing(s->name, name);
	r = pvb_stuck_check_thing(s->ctx, name, what, sizeof(what));
	if (r == 0)
		r = pvb_orphan_lock(s->ctx, s->name, addr, s->deadline_ns, record);
	if (r == 0)
		return 0;
	record->fd = -1;
	if (home && (r == -ETIMEDOUT || r == -EBUSY))
		return 0;
	if (r == -EBUSY && (*what || pvb_stuck_check_thing(s->ctx, name, what, sizeof(what)) < 0))
		return pvb_err_set(err, r, "%s hangs in the kernel since an earlier try, in %s: left alone", words, what);
	return pvb_err_set(err, r, "cannot lock %s, which another pvebind is moving: %s", words, strerror(-r));
}

/* The devices come in address order: every lend takes its locks in that order. The host's part is only this lend's;
 * a reset by hand has none. What came home before the rest may be another lend's by now: nothing is to be done to it, and
 * nobody who works on it is waited for. */
int pvb_session_lock_devices(struct pvb_session *s, const struct pvb_lend *lend, bool home, struct pvb_err *err)
{
	size_t n = lend->num_devices;
	int r;

	s->devices = calloc(n ? n : 1, sizeof(*s->devices));
	s->lock_fds = calloc(n + 1, sizeof(*s->lock_fds));
	if (!s->devices || !s->lock_fds)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	r = *s->name ? thing_lock(s, NULL, home, &s->host, err) : 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (home && !pvb_lend_has(s->ctx, lend, i))
			s->devices[i].fd = -1;
		else
			r = thing_lock(s, &lend->devices[i].addr, home, &s->devices[i], err);
		s->lock_fds[i] = s->devices[i].fd;
		s->num_devices += r == 0;
	}
	s->lock_fds[n] = s->host.fd;
	return r;
}

bool pvb_session_device_taken(const struct pvb_session *s, size_t i)
{
	char holder[32];

	return pvb_record_holder(s->ctx, &s->devices[i], holder, sizeof(holder)) == 0 && strcmp(holder, s->name) != 0;
}

/* Whether a locked device has come to belong to another lend since the plan was made. */
bool pvb_session_devices_taken(const struct pvb_session *s)
{
	for (size_t i = 0; i < s->num_devices; i++)
		if (pvb_session_device_taken(s, i))
			return true;
	return false;
}

int pvb_session_claim(struct pvb_session *s, struct pvb_err *err)
{
	for (size_t i = 0; i < s->num_devices; i++) {
		char text[128];
		struct pvb_line line;
		int r;

		pvb_line_start(&line, text, sizeof(text), "device");
		pvb_line_text(&line, "lend", s->name);
		r = pvb_record_write(&s->devices[i], &line);
		if (r < 0)
			return pvb_err_set(err, r, "cannot write /" PVB_STATE_DIR "/%s: %s", s->devices[i].name, strerror(-r));
	}
	return 0;
}

long long pvb_session_elapsed_ms(const struct pvb_session *s)
{
	return (long long)(pvb_now_ns() - s->start_ns) / 1000000;
}

enum pvb_event_kind pvb_lend_way(const struct pvb_lend *lend)
{
	bool whole = lend->state == PVB_LENT || lend->state == PVB_RUNNING || lend->state == PVB_KEPT;

	return whole && !lend->other_boot ? PVB_EVENT_RETURN : PVB_EVENT_RECOVER;
}

/* "0000:01:00.0, 0000:01:00.1" */
const char *pvb_plan_devices_text(const struct pvb_plan *plan, char *buf, size_t size)
{
	size_t used = 0;
	char addr[PVB_ADDR_MAX];

	*buf = '\0';
	for (size_t i = 0; i < pvb_plan_num_devices(plan) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 pvb_addr_format(&pvb_plan_device(plan, i)->addr, addr));
	return buf;
}
