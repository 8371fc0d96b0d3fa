/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Working on a lend: its lock, then its devices' locks in address order. */
#include <string.h>

#include "internal.h"

int pvb_session_open(struct pvb_ctx *ctx, const char *name, const char *label, int64_t wait_ns, struct pvb_session *s,
			struct pvb_err *err)
{
	char lock[PVB_NAME_MAX];
	int r = pvb_state_dir(ctx, err);

	*s = (struct pvb_session){ .ctx = ctx, .start_ns = pvb_now_ns(), .lock.fd = -1 };
	s->deadline_ns = s->limit_ns = s->start_ns + PVB_LOCK_WAIT_NS;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->label, sizeof(s->label), "%s", label);
	if (r < 0)
		return r;
	r = pvb_record_open(ctx, pvb_lend_lock_name(name, lock), wait_ns ? s->start_ns + wait_ns : 0, &s->lock);
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

void pvb_session_unlock_devices(struct pvb_session *s)
{
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

/* The plan's devices come in address order: every lend takes its locks in that order. */
int pvb_session_lock_devices(struct pvb_session *s, const struct pvb_plan *plan, bool home, struct pvb_err *err)
{
	size_t n = pvb_plan_num_devices(plan);
	char name[PVB_NAME_MAX], what[320];

	s->devices = calloc(n ? n : 1, sizeof(*s->devices));
	s->lock_fds = calloc(n ? n : 1, sizeof(*s->lock_fds));
	if (!s->devices || !s->lock_fds)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		int r;

		*what = '\0';
		pvb_device_record_name(&pvb_plan_device(plan, i)->addr, name);
		/* A worker that hangs in a device keeps its lock: the others go home without it, at once. */
		if (pvb_stuck_check(s->ctx, &pvb_plan_device(plan, i)->addr, what, sizeof(what)) < 0)
			r = -ETIMEDOUT;
		else
			r = pvb_record_open(s->ctx, name, s->deadline_ns, &s->devices[i]);
		if (r == -ETIMEDOUT && home) {
			s->devices[i].fd = -1;
			r = 0;
		}
		if (r < 0 && *what)
			return pvb_err_set(err, -EBUSY, "%s hangs in the kernel since an earlier try, in %s: left alone", name, what);
		if (r < 0)
			return pvb_err_set(err, r, "cannot lock %s, which another pvebind is moving: %s", name, strerror(-r));
		s->lock_fds[i] = s->devices[i].fd;
		s->num_devices++;
	}
	return 0;
}

/* Whether a locked device has come to belong to another lend since the plan was made. */
bool pvb_session_devices_taken(const struct pvb_session *s, const struct pvb_plan *plan)
{
	char holder[32];

	for (size_t i = 0; i < s->num_devices; i++)
		if (pvb_device_holder(s->ctx, &pvb_plan_device(plan, i)->addr, holder, sizeof(holder)) == 0 &&
		    strcmp(holder, s->name) != 0)
			return true;
	return false;
}

int pvb_session_claim(struct pvb_session *s, struct pvb_err *err)
{
	for (size_t i = 0; i < s->num_devices; i++) {
		struct pvb_line line;
		int r;

		pvb_line_start(&line, "device");
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
