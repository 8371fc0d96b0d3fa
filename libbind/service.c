/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Systemd units and containers that use the devices: stopped before they move, started again after. */
#include <string.h>

#include "internal.h"

#define LOOK_NS 5000000000  /* to ask for a state */
#define MARGIN_NS 500000000 /* to say ourselves what took too long, before the worker is ended for it */

/* "unit lightdm.service", "container 105". */
struct service {
	bool container;
	const char *name;
	char words[PVB_NAME_MAX + 16]; /* for sentences */
};

enum condition { STOPPED, FAILED, RUNS, ENDING, MISSING };

static bool still_there(enum condition condition)
{
	return condition == RUNS || condition == ENDING;
}

static struct service service_of(const char *arg)
{
	struct service service = { .container = !strncmp(arg, "container ", 10) };

	service.name = arg + (service.container ? 10 : 5);
	snprintf(service.words, sizeof(service.words), "%.*s", (int)sizeof(service.words) - 1, service.container ? arg : service.name);
	return service;
}

static int64_t deadline_of(const struct pvb_step *step)
{
	int64_t own = pvb_now_ns() + (int64_t)step->lend->settings.device_timeout_ms * 1000000;

	return (step->deadline_ns ? step->deadline_ns : own) - MARGIN_NS;
}

/* ---- asking and telling systemctl and pct ------------------------------------------------------ */

static int command_run(const struct pvb_ctx *ctx, const struct service *service, const char *const *args,
		       int64_t deadline_ns, struct pvb_output *output, struct pvb_err *err)
{
	const char *name = service->container ? "pct" : "systemctl";
	int r = pvb_program_run(ctx, service->container ? "usr/sbin/pct" : "usr/bin/systemctl", args, deadline_ns, output);

	if (r == -ENOENT && service->container)
		r = pvb_program_run(ctx, "usr/bin/pct", args, deadline_ns, output);
	if (r == -ETIMEDOUT)
		return pvb_err_set(err, r, "%s %s %s took too long, given up", name, args[0], service->name);
	return r < 0 ? pvb_err_set(err, r, "cannot run %s for %s: %s", name, service->words, strerror(-r)) : 0;
}

/* The rest of the line that begins with key. */
static void field_read(const char *text, const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);

	*buf = '\0';
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, key, n))
			snprintf(buf, size, "%.*s", (int)strcspn(line + n, "\n"), line + n);
}

/* triggers: what would start the unit again: its sockets, timers and paths. */
static int unit_look(const struct pvb_ctx *ctx, const struct service *service, int64_t deadline_ns,
		     enum condition *condition, char *triggers, size_t size, struct pvb_err *err)
{
	const char *args[] = { "show", "--property=LoadState,ActiveState,TriggeredBy", "--", service->name, NULL };
	char load[32], active[32], why[200];
	struct pvb_output output;
	int r = command_run(ctx, service, args, deadline_ns, &output, err);

	if (r < 0)
		return r;
	field_read(output.text, "LoadState=", load, sizeof(load));
	field_read(output.text, "ActiveState=", active, sizeof(active));
	field_read(output.text, "TriggeredBy=", triggers, size);
	if (output.status || !*active)
		return pvb_err_set(err, -EIO, "systemctl does not say whether %s runs: %s", service->words,
				   pvb_output_last(&output, why, sizeof(why)));
	if (!strcmp(active, "deactivating"))
		*condition = ENDING; /* a stop that was given up goes on: to start it is to have it started after that */
	else if (strcmp(active, "inactive") != 0 && strcmp(active, "failed") != 0)
		*condition = RUNS; /* activating and the like too: between two starts of Restart=always, for one */
	else if (!strcmp(load, "not-found") || !strcmp(load, "masked"))
		*condition = MISSING;
	else
		*condition = !strcmp(active, "failed") ? FAILED : STOPPED;
	return 0;
}

static int container_look(const struct pvb_ctx *ctx, const struct service *service, int64_t deadline_ns,
			  enum condition *condition, struct pvb_err *err)
{
	const char *args[] = { "status", service->name, NULL };
	struct pvb_output output;
	char status[32], why[200];
	int r = command_run(ctx, service, args, deadline_ns, &output, err);

	if (r < 0)
		return r;
	field_read(output.text, "status: ", status, sizeof(status));
	*condition = !strcmp(status, "running") ? RUNS : STOPPED;
	if (output.status == 0 && *status)
		return 0;
	*condition = MISSING;
	if (strstr(output.text, "does not exist"))
		return 0;
	return pvb_err_set(err, -EIO, "pct does not say whether %s runs: %s", service->words,
			   pvb_output_last(&output, why, sizeof(why)));
}

static int service_look(const struct pvb_ctx *ctx, const struct service *service, enum condition *condition,
			struct pvb_err *err)
{
	int64_t deadline_ns = pvb_now_ns() + LOOK_NS;
	char triggers[128];

	if (service->container)
		return container_look(ctx, service, deadline_ns, condition, err);
	return unit_look(ctx, service, deadline_ns, condition, triggers, sizeof(triggers), err);
}

/* Both commands wait until it is done. */
static int service_stop(const struct pvb_ctx *ctx, const struct service *service, int64_t deadline_ns, struct pvb_err *err)
{
	long long seconds = (long long)(deadline_ns - pvb_now_ns()) / 1000000000 - 1;
	char timeout[24], why[200];
	/* Past its time a container is not killed, but left running. */
	const char *shutdown[] = { "shutdown", service->name, "--timeout", timeout, "--forceStop", "0", NULL };
	const char *stop[] = { "stop", "--", service->name, NULL };
	struct pvb_output output;
	int r;

	snprintf(timeout, sizeof(timeout), "%lld", seconds > 1 ? seconds : 1);
	r = command_run(ctx, service, service->container ? shutdown : stop, deadline_ns, &output, err);
	if (r < 0 || !output.status)
		return r;
	return pvb_err_set(err, -EBUSY, "cannot stop %s: %s", service->words, pvb_output_last(&output, why, sizeof(why)));
}

static int service_start(const struct pvb_ctx *ctx, const struct service *service, int64_t deadline_ns, struct pvb_err *err)
{
	const char *start[] = { "start", "--", service->name, NULL }, *pct[] = { "start", service->name, NULL };
	struct pvb_output output;
	char why[200];
	int r = command_run(ctx, service, service->container ? pct : start, deadline_ns, &output, err);

	if (r < 0 || !output.status)
		return r;
	return pvb_err_set(err, -EIO, "%s", pvb_output_last(&output, why, sizeof(why)));
}

/* ---- planning ------------------------------------------------------------------------------------- */

static bool trigger_stopped(char *const *stops, const char *trigger)
{
	for (; *stops; stops++)
		if (!strncmp(*stops, "unit ", 5) && !strcmp(*stops + 5, trigger))
			return true;
	return false;
}

/* What starts it again as soon as somebody asks for it, and is not to be stopped too. */
static int triggers_note(struct pvb_builder *b, char *const *stops, const struct service *service, char *triggers)
{
	char *save = NULL;

	for (char *trigger = strtok_r(triggers, " ", &save); trigger; trigger = strtok_r(NULL, " ", &save))
		if (!trigger_stopped(stops, trigger) &&
		    pvb_plan_add_note(b->plan, "%s may start %s again while it is to be stopped: name it in stop-units too, before it",
				      trigger, service->words) < 0)
			return -ENOMEM;
	return 0;
}

static int state_note(struct pvb_builder *b, char *const *stops, const struct service *service)
{
	int64_t deadline_ns = pvb_now_ns() + LOOK_NS;
	struct pvb_err err = { .code = 0 };
	enum condition condition;
	char triggers[128] = "";
	int r;

	if (service->container)
		r = container_look(b->ctx, service, deadline_ns, &condition, &err);
	else
		r = unit_look(b->ctx, service, deadline_ns, &condition, triggers, sizeof(triggers), &err);
	if (r < 0)
		return pvb_plan_add_note(b->plan, "%s is to be stopped, but: %s", service->words, err.text);
	if (condition == MISSING)
		return pvb_plan_add_note(b->plan, "%s is to be stopped, but this host has none of that name", service->words);
	r = pvb_plan_add_note(b->plan, still_there(condition) ? "%s runs now: it is stopped, and started again afterwards" :
							   "%s does not run now, so it is not started afterwards", service->words);
	return r == 0 ? triggers_note(b, stops, service, triggers) : r;
}

/* The hook runs in pvedaemon's or qmeventd's own unit. */
static int self_refuse(struct pvb_builder *b, const char *arg, const struct pvb_holder *self)
{
	struct service service = service_of(arg);

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
		struct service service = service_of(*arg);

		r = self_refuse(b, *arg, &self);
		if (r == 0)
			r = state_note(b, stops, &service);
		if (r == 0)
			r = pvb_plan_add_op(b->plan, PVB_OP_STOP, -1, STAGE_SERVICES, "%s", *arg);
	}
	return r;
}

/* ---- stopping ---------------------------------------------------------------------------------------- */

/* The record is locked while systemctl or pct works, which takes longer than most of these locks. */
static int service_enter(struct pvb_step *step, const struct service *service, bool create, struct pvb_shared *shared,
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

static int service_take(struct pvb_step *step, const struct service *service, struct pvb_shared *shared, struct pvb_err *err)
{
	enum condition condition;
	int r = service_look(step->ctx, service, &condition, err);

	if (r < 0)
		return r;
	step->quiet = !still_there(condition);
	/* Another lend had it stopped, but it runs: somebody has started it since, and wants it. */
	if (still_there(condition))
		snprintf(shared->home, sizeof(shared->home), "active");
	r = pvb_shared_add(shared, step->lend->name, still_there(condition) ? "active" : "inactive", err);
	if (r < 0 || !still_there(condition))
		return r;
	r = service_stop(step->ctx, service, deadline_of(step), err);
	if (r == 0)
		r = service_look(step->ctx, service, &condition, err);
	if (r == 0 && still_there(condition))
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
	struct service service = service_of(step->op->arg);
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

static int start_fail(const struct service *service, int code, struct pvb_err *err)
{
	char why[sizeof(err->text)];

	memcpy(why, err->text, sizeof(why));
	if (service->container)
		return pvb_err_set(err, code, "cannot start %s again: %.200s; see: journalctl -u pve-container@%s", service->words, why,
				   service->name);
	return pvb_err_set(err, code, "cannot start %s again: %.200s; see: journalctl -u %s", service->words, why, service->name);
}

/* As it was: running. What is no more on this host cannot be. */
static int service_restore(struct pvb_step *step, const struct service *service, struct pvb_err *err)
{
	enum condition condition;
	int r = service_look(step->ctx, service, &condition, err);

	if (r < 0)
		return r;
	step->quiet = condition == RUNS;
	if (condition == RUNS)
		return 0;
	if (condition == MISSING) {
		step->warn = true;
		snprintf(step->text, sizeof(step->text), "%s ran before, but is masked or removed now: not started", service->words);
		return 0;
	}
	r = service_start(step->ctx, service, deadline_of(step), err);
	if (r == 0)
		r = service_look(step->ctx, service, &condition, err);
	if (r == 0 && condition == FAILED)
		r = pvb_err_set(err, -EIO, "it has failed");
	if (r < 0)
		return start_fail(service, r, err);
	step->warn = condition != RUNS;
	snprintf(step->text, sizeof(step->text), condition == RUNS ? "started %s again" : "%s was started again, and has ended",
		 service->words);
	return 0;
}

static int service_drop(struct pvb_step *step, const struct service *service, struct pvb_shared *shared, struct pvb_err *err)
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
	struct service service = service_of(step->op->arg);
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
