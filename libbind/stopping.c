/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Systemd units and containers that use the devices: stopped before they move, started again after. */
#include <string.h>

#include "lend.h"
#include "service.h"

#define MARGIN_NS 500000000 /* to say ourselves what took too long, before the worker is ended for it */

/* ---- planning ------------------------------------------------------------------------------------- */

static bool trigger_stopped(char *const *stops, const char *trigger)
{
	for (; *stops; stops++)
		if (!strncmp(*stops, "unit ", 5) && !strcmp(*stops + 5, trigger))
			return true;
	return false;
}

/* What starts it again as soon as somebody asks for it, and is not to be stopped too. */
static int triggers_note(struct pvb_builder *b, char *const *stops, const struct pvb_service *service, char *triggers)
{
	char *save = NULL;

	for (char *trigger = strtok_r(triggers, " ", &save); trigger; trigger = strtok_r(NULL, " ", &save))
		if (!trigger_stopped(stops, trigger) &&
		    pvb_plan_add_note(b->plan, "%s may start %s again while it is to be stopped: name it in stop-units too, before it",
				      trigger, service->words) < 0)
			return -ENOMEM;
	return 0;
}

static int state_note(struct pvb_builder *b, char *const *stops, const struct pvb_service *service)
{
	struct pvb_err err = { .code = 0 };
	enum pvb_condition condition;
	char triggers[128];
	int r = pvb_service_look(b->ctx, service, &condition, triggers, sizeof(triggers), &err);

	if (r < 0 && pvb_ctx_late(b->ctx)) {
		pvb_log(b->ctx, PVB_WARNING, "%s is to be stopped, but: %s", service->words, err.text);
		return r; /* there is no time left to ask for another */
	}
	if (r < 0)
		return pvb_plan_add_note(b->plan, "%s is to be stopped, but: %s", service->words, err.text);
	if (condition == SERVICE_MISSING)
		return pvb_plan_add_note(b->plan, "%s is to be stopped, but this host has none of that name", service->words);
	r = pvb_plan_add_note(b->plan, pvb_service_runs(condition) ? "%s runs now: it is stopped, and started again afterwards" :
							   "%s does not run now, so it is not started afterwards", service->words);
	return r == 0 ? triggers_note(b, stops, service, triggers) : r;
}

/* The hook runs in pvedaemon's or qmeventd's own unit. */
static int self_refuse(struct pvb_builder *b, const char *arg, const struct pvb_holder *self)
{
	struct pvb_service service = pvb_service_of(arg);

	if (!pvb_stop_covers(b->ctx, arg, self))
		return 0;
	return pvb_refuse(&b->plan->refusals, "held", &b->moving[0]->addr,
			  "%s is to be stopped, but pvebind itself runs in it now, and would be stopped with it: take it out of %s",
			  service.words, service.container ? "stop-containers" : "stop-units");
}

int pvb_services_plan(struct pvb_builder *b)
{
	_cleanup_strv_ char **stops = NULL;
	struct pvb_holder self;
	int r = 0;

	/* Nor for a backup (the refusal of that name). */
	if (!b->request->settings.busy_stop || !strcmp(b->request->settings.tag, "backup") || !b->num_moving)
		return 0;
	pvb_holder_self(b->ctx, &self);
	r = pvb_stops_list(&b->request->settings, &stops);
	for (char **arg = stops; r == 0 && *arg; arg++) {
		struct pvb_service service = pvb_service_of(*arg);

		r = self_refuse(b, *arg, &self);
		if (r == 0)
			r = state_note(b, stops, &service);
		if (r == 0)
			r = pvb_plan_add_op(b->plan, PVB_OP_STOP, -1, STAGE_SERVICES, "%s", *arg);
	}
	return r;
}

/* ---- stopping ---------------------------------------------------------------------------------------- */

static int64_t deadline_of(const struct pvb_step *step)
{
	int64_t own = pvb_now_ns() + (int64_t)step->lend->settings.device_timeout_ms * 1000000;

	return (step->deadline_ns ? step->deadline_ns : own) - MARGIN_NS;
}

static int service_look(const struct pvb_step *step, const struct pvb_service *service, enum pvb_condition *condition,
			struct pvb_err *err)
{
	char triggers[128];

	return pvb_service_look(step->ctx, service, condition, triggers, sizeof(triggers), err);
}

/* The record is locked while systemctl or pct works, which takes longer than most of these locks. */
static int service_enter(struct pvb_step *step, const struct pvb_service *service, bool create, struct pvb_shared *shared,
			 struct pvb_err *err)
{
	int64_t deadline_ns = deadline_of(step);
	char thing[PVB_NAME_MAX];
	int r;

	if (pvb_format(thing, sizeof(thing), "%s.%s", service->container ? "container" : "unit", service->name) < 0)
		return pvb_err_set(err, -ENAMETOOLONG, "%s has too long a name", service->words);
	do
		r = pvb_shared_enter(step->ctx, thing, create, shared, err);
	while (r == -ETIMEDOUT && pvb_now_ns() < deadline_ns);
	return r;
}

static int service_take(struct pvb_step *step, const struct pvb_service *service, struct pvb_shared *shared, struct pvb_err *err)
{
	enum pvb_condition condition;
	int r = service_look(step, service, &condition, err);

	if (r < 0)
		return r;
	step->quiet = !pvb_service_runs(condition);
	/* Another lend had it stopped, but it runs: somebody has started it since, and wants it. */
	if (pvb_service_runs(condition))
		snprintf(shared->home, sizeof(shared->home), "active");
	r = pvb_shared_add(shared, step->lend->name, pvb_service_runs(condition) ? "active" : "inactive", err);
	if (r < 0 || !pvb_service_runs(condition))
		return r;
	r = pvb_service_stop(step->ctx, service, deadline_of(step), err);
	if (r == 0)
		r = service_look(step, service, &condition, err);
	if (r == 0 && pvb_service_runs(condition))
		return pvb_err_set(err, -EBUSY, "%s was stopped, but runs again: something starts it; name that in stop-units, before it",
				   service->words);
	snprintf(step->text, sizeof(step->text), "stopped %s", service->words);
	return r;
}

/* All that was to be stopped has been: whoever has the devices open still, or anew, speaks against moving them. */
static int devices_wait(struct pvb_step *step, struct pvb_err *err)
{
	size_t n = step->lend->num_devices;
	_cleanup_free_ struct pvb_addr *addrs = calloc(n ? n : 1, sizeof(*addrs));
	struct pvb_snapshot *snapshot = NULL;
	char who[400];
	int r;

	if (!addrs)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		addrs[i] = step->lend->devices[i].addr;
	r = pvb_snapshot_take(step->ctx, addrs, n, 0, &snapshot, err);
	if (r < 0)
		return r;
	r = pvb_letgo_wait(step->ctx, &step->lend->settings, snapshot, deadline_of(step), who, sizeof(who));
	pvb_snapshot_free(snapshot);
	if (r == -ETIMEDOUT)
		return pvb_err_set(err, -EBUSY, "what was to be stopped is stopped, but the devices are in use still: %s", who);
	return r < 0 ? pvb_err_set(err, r, "cannot tell whether the devices are in use still: %s", strerror(-r)) : 0;
}

static int is_last(const struct pvb_step *step, bool *last)
{
	_cleanup_strv_ char **stops = NULL;
	int r = pvb_stops_list(&step->lend->settings, &stops);
	size_t n = 0;

	if (r < 0)
		return r;
	while (stops[n])
		n++;
	*last = n && !strcmp(stops[n - 1], step->op->arg);
	return 0;
}

int pvb_effect_stop(struct pvb_step *step, struct pvb_err *err)
{
	struct pvb_service service = pvb_service_of(step->op->arg);
	struct pvb_shared shared;
	bool last = false;
	int r = service_enter(step, &service, true, &shared, err);

	if (r < 0)
		return r;
	r = service_take(step, &service, &shared, err);
	if (r < 0 && !*shared.owners && pvb_record_remove(step->ctx, &shared.record) < 0)
		pvb_log(step->ctx, PVB_DEBUG, "an empty record is left behind");
	pvb_shared_leave(&shared);
	if (r == 0 && is_last(step, &last) < 0)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	return r == 0 && last ? devices_wait(step, err) : r;
}

/* ---- starting again ------------------------------------------------------------------------------------ */

static int start_fail(const struct pvb_service *service, int code, struct pvb_err *err)
{
	char why[sizeof(err->text)];

	memcpy(why, err->text, sizeof(why));
	if (service->container)
		return pvb_err_set(err, code, "cannot start %s again: %.200s; see: journalctl -u pve-container@%s", service->words, why,
				   service->name);
	return pvb_err_set(err, code, "cannot start %s again: %.200s; see: journalctl -u %s", service->words, why, service->name);
}

/* A container that did not shut down in time was left running, by us as by pct, but has been told to. */
static void asked_warn(struct pvb_step *step, const struct pvb_service *service)
{
	if (!service->container || step->lend->was_lent)
		return;
	step->quiet = false;
	step->warn = true;
	snprintf(step->text, sizeof(step->text), "%s runs still, but was asked to shut down, and may yet do so: if it stops, start it again: pct start %s",
		 service->words, service->name);
}

/* As it was: running. What is no more on this host cannot be. */
static int service_restore(struct pvb_step *step, const struct pvb_service *service, struct pvb_err *err)
{
	enum pvb_condition condition;
	int r = service_look(step, service, &condition, err);

	if (r < 0)
		return r;
	step->quiet = condition == SERVICE_RUNS;
	if (condition == SERVICE_RUNS) {
		asked_warn(step, service);
		return 0;
	}
	if (condition == SERVICE_MISSING) {
		step->warn = true;
		snprintf(step->text, sizeof(step->text), "%s ran before, but is masked or removed now: not started", service->words);
		return 0;
	}
	r = pvb_service_start(step->ctx, service, deadline_of(step), err);
	if (r == 0)
		r = service_look(step, service, &condition, err);
	if (r == 0 && condition == SERVICE_FAILED)
		r = pvb_err_set(err, -EIO, "it has failed");
	if (r < 0)
		return start_fail(service, r, err);
	step->warn = condition != SERVICE_RUNS;
	snprintf(step->text, sizeof(step->text), condition == SERVICE_RUNS ? "started %s again" : "%s was started again, and has ended",
		 service->words);
	return 0;
}

static int service_drop(struct pvb_step *step, const struct pvb_service *service, struct pvb_shared *shared, struct pvb_err *err)
{
	if (strcmp(shared->home, "active") != 0)
		return 0;
	step->quiet = false;
	if (!pvb_shared_last(shared, step->lend->name)) {
		snprintf(step->text, sizeof(step->text), "%s stays stopped for another lend", service->words);
		return 0;
	}
	if (step->lend->no_start) {
		snprintf(step->text, sizeof(step->text), "%s is not started again: the host is shutting down", service->words);
		return 0;
	}
	return service_restore(step, service, err);
}

int pvb_effect_stop_undo(struct pvb_step *step, struct pvb_err *err)
{
	struct pvb_service service = pvb_service_of(step->op->arg);
	struct pvb_shared shared;
	int r = service_enter(step, &service, false, &shared, err);

	step->quiet = true;
	if (r == 0 && pvb_shared_has(&shared, step->lend->name)) {
		r = service_drop(step, &service, &shared, err);
		if (r == 0)
			r = pvb_shared_remove(step->ctx, &shared, step->lend->name, err);
	}
	pvb_shared_leave(&shared);
	return r;
}
