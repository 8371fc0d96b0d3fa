/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bringing home what a journal names: wait until nobody has it open, undo, forget. */
#include <string.h>

#include "lend.h"

static int groups_wait(struct pvb_session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	/* What was never lent nobody has open: an undo is not to be stopped. */
	bool undo = !plan->journal.lend.was_lent;
	int cancel_fd = s->ctx->cancel_fd, r;

	s->ctx->cancel_fd = undo ? -1 : cancel_fd;
	r = pvb_lend_groups_wait(s->ctx, &plan->journal.lend, s->lock_fds, undo ? s->limit_ns : s->deadline_ns);
	s->ctx->cancel_fd = cancel_fd;

	if (r == -ETIMEDOUT)
		return pvb_err_set(err, -EBUSY, "%s: a process still has the devices open through /dev/vfio; they stay lent; end it, then: pvebind return %s",
				   s->label, s->name);
	if (r == -ECANCELED)
		return pvb_err_set(err, r, "%s: asked to stop while its devices were still open; they stay lent; later: pvebind return %s",
				   s->label, s->name);
	return r < 0 ? pvb_err_set(err, r, "cannot tell whether the devices are still open: %s", strerror(-r)) : 0;
}

/* Records first, the journal last: a kill in between leaves a journal that says "returning". */
static int records_remove(struct pvb_session *s, const bool *failed, struct pvb_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->num_devices; i++)
		if (s->devices[i].fd >= 0 && !(failed && failed[i]) && !pvb_session_device_taken(s, i))
			r = pvb_record_remove(s->ctx, &s->devices[i]);
	if (r == 0 && !failed)
		r = pvb_journal_remove(s->ctx, s->name);
	return r < 0 ? pvb_err_set(err, r, "cannot remove the records of %s in /" PVB_STATE_DIR ": %s", s->name, strerror(-r)) : 0;
}

static void list_add(char *list, size_t size, const struct pvb_addr *addr)
{
	size_t used = strlen(list);
	char text[PVB_ADDR_MAX];

	snprintf(list + used, size - used, "%s%s", used ? ", " : "", pvb_addr_format(addr, text));
}

static void not_home_say(struct pvb_session *s, const struct pvb_plan *plan, const bool *failed, const struct pvb_err *err)
{
	char list[400] = "";
	struct pvb_event event = {
		.kind = PVB_EVENT_NOT_HOME, .name = s->name, .generation = plan->journal.lend.generation, .devices = list,
		.timed = true, .ms = pvb_session_elapsed_ms(s),
	};

	for (size_t i = 0; i < s->num_devices; i++)
		if (failed[i])
			list_add(list, sizeof(list), &pvb_plan_device(plan, i)->addr);
	pvb_tell(s->ctx, PVB_ERROR, &event, "%s", err->text);
}

static int home_apply(struct pvb_session *s, const struct pvb_plan *plan, int journal_fd, struct pvb_err *err)
{
	_cleanup_free_ bool *failed = calloc(s->num_devices ? s->num_devices : 1, sizeof(*failed));
	struct pvb_err first = { .code = 0 };
	int r = pvb_journal_state(journal_fd, PVB_RETURNING, 0);

	if (!failed)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		pvb_log(s->ctx, PVB_WARNING, "cannot write the journal of %s: %s; going home all the same", s->name, strerror(-r));
	r = pvb_apply(s->ctx, plan, journal_fd, s->lock_fds, s->limit_ns, failed, &first);
	if (r == 0)
		return records_remove(s, NULL, err);
	/* Its state stays "returning": who comes next goes on from there. */
	if (r == -EINPROGRESS)
		return pvb_err_set(err, r, "%s: %.300s", s->label, first.text);
	if (pvb_journal_state(journal_fd, PVB_FAILED, 0) < 0 || records_remove(s, failed, err) < 0)
		pvb_log(s->ctx, PVB_ERROR, "the journal of %s could not be brought up to date", s->label);
	pvb_err_set(err, -PVB_EATTENTION, "%s: not everything is home: %.300s; when the cause is mended: pvebind recover %s",
		    s->label, first.text, s->name);
	not_home_say(s, plan, failed, err);
	return err->code;
}

/* What of it is moved now, and what was on vfio before the lend and stays where it is, which is not home. What came home
 * earlier was said then. */
static void devices_list(const struct pvb_session *s, const struct pvb_plan *plan, char home[400], char stays[400])
{
	*home = *stays = '\0';
	for (size_t i = 0; i < pvb_plan_num_devices(plan); i++) {
		const struct pvb_home *device = pvb_plan_device(plan, i);

		if (s->devices[i].fd >= 0)
			list_add(device->stays ? stays : home, 400, &device->addr);
	}
}

static void way_say(const struct pvb_session *s, const struct pvb_plan *plan)
{
	char home[400], stays[400];
	struct pvb_event event = {
		.kind = s->way, .name = s->name, .generation = plan->journal.lend.generation, .devices = home,
	};

	devices_list(s, plan, home, stays);
	if (s->way != PVB_EVENT_NONE)
		pvb_tell(s->ctx, PVB_NOTICE, &event, "%s: taking back %s", s->label, *home ? home : *stays ? stays : "the rest");
}

static void home_say(const struct pvb_session *s, const struct pvb_plan *plan)
{
	long long ms = pvb_session_elapsed_ms(s);
	char home[400], stays[400];
	struct pvb_event event = {
		.kind = PVB_EVENT_HOME, .name = s->name, .generation = plan->journal.lend.generation, .timed = true, .ms = ms,
	};

	devices_list(s, plan, home, stays);
	event.devices = *home ? home : stays;
	if (*stays && !*home)
		pvb_tell(s->ctx, PVB_NOTICE, &event, "%s: %s stays on vfio, where it was before", s->label, stays);
	else if (*stays)
		pvb_log(s->ctx, PVB_NOTICE, "%s: %s stays on vfio, where it was before", s->label, stays);
	if (*home)
		pvb_tell(s->ctx, PVB_NOTICE, &event, "%s: %s home again (%lld ms)", s->label, home, ms);
	else if (!*stays)
		pvb_tell(s->ctx, PVB_NOTICE, &event, "%s: the rest is home as well (%lld ms)", s->label, ms);
}

/* The lend had a card with a frame buffer. */
static bool console_planned(const struct pvb_plan *plan)
{
	for (size_t i = 0; i < plan->journal.num_ops; i++)
		if (plan->journal.ops[i].kind == PVB_OP_CONSOLE)
			return true;
	return false;
}

/* Who does not let us have it in time has the console still; nothing else keeps devices from going home. */
static int turn_await(struct pvb_session *s, const struct pvb_plan *plan, struct pvb_err *err)
{
	int r = console_planned(plan) ? pvb_session_turn(s, PVB_TURN_ANY, err) : 0;

	if (r == 0 || r == -EBUSY || r == -ECANCELED)
		return r;
	pvb_log(s->ctx, PVB_WARNING, "%s; going home all the same", err->text);
	return err->code = 0;
}

/* The plan that counts is made when the devices are locked: until then a worker that outlived its hook may do one more
 * step, and write so. */
static int home_plan(struct pvb_session *s, const struct pvb_lend *lend, struct pvb_plan **plan, struct pvb_err *err)
{
	int r = s->num_devices ? 0 : pvb_session_lock_devices(s, lend, true, err);

	return r < 0 ? r : pvb_plan_return(s->ctx, s->name, plan, err);
}

int pvb_home_bring(struct pvb_session *s, const struct pvb_lend *lend, struct pvb_err *err)
{
	_cleanup_close_ int journal_fd = -1;
	struct pvb_plan *plan = NULL;
	int r = home_plan(s, lend, &plan, err);

	if (r < 0)
		return r;
	plan->journal.lend.no_start = s->no_start;
	if (!plan->journal.lend.other_boot)
		pvb_plan_kmod(s->ctx, plan);
	way_say(s, plan);
	journal_fd = pvb_journal_open(s->ctx, s->name, err);
	r = journal_fd < 0 ? journal_fd : 0;
	if (r == 0 && plan->journal.lend.other_boot) {
		r = records_remove(s, NULL, err); /* the boot has put everything home already */
	} else if (r == 0) {
		r = groups_wait(s, plan, err);
		/* Not while a big guest goes: others wait for the turn. */
		if (r == 0)
			r = turn_await(s, plan, err);
		if (r == 0)
			r = home_apply(s, plan, journal_fd, err);
	}
	if (r == 0)
		home_say(s, plan);
	pvb_plan_free(plan);
	return r;
}
