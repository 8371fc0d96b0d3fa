/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Systemd units and containers: what they are doing, and telling them to stop or start. */
#include <string.h>

#include "service.h"

#define LOOK_NS 5000000000 /* to ask for a state */
#define PCT_S 3            /* what pct takes to begin and to end, beside the shutdown: Perl, a task of its own, lxc-stop */

struct pvb_service pvb_service_of(const char *arg)
{
	struct pvb_service service = { .container = !strncmp(arg, "container ", 10) };

	service.name = arg + (service.container ? 10 : 5);
	snprintf(service.words, sizeof(service.words), "%.*s", (int)sizeof(service.words) - 1, service.container ? arg : service.name);
	return service;
}

/* ---- asking and telling systemctl and pct ------------------------------------------------------ */

static int command_run(const struct pvb_ctx *ctx, const struct pvb_service *service, const char *const *args,
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

/* Why it did not do what it was told: its last line. Of a job that failed systemctl has two: why, and then where to look. */
static const char *refusal_read(struct pvb_output *output, char *buf, size_t size)
{
	char *hint = strstr(output->text, "\nSee \"systemctl status ");

	if (hint)
		*hint = '\0';
	return pvb_output_last(output, buf, size);
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

static int unit_look(const struct pvb_ctx *ctx, const struct pvb_service *service, int64_t deadline_ns,
		     enum pvb_condition *condition, char *triggers, size_t size, struct pvb_err *err)
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
		*condition = SERVICE_ENDING; /* a stop that was given up goes on: to start it is to have it started after that */
	else if (strcmp(active, "inactive") != 0 && strcmp(active, "failed") != 0)
		*condition = SERVICE_RUNS; /* activating and the like too: between two starts of Restart=always, for one */
	else if (!strcmp(load, "not-found") || !strcmp(load, "masked"))
		*condition = SERVICE_MISSING;
	else
		*condition = !strcmp(active, "failed") ? SERVICE_FAILED : SERVICE_STOPPED;
	return 0;
}

static int container_look(const struct pvb_ctx *ctx, const struct pvb_service *service, int64_t deadline_ns,
			  enum pvb_condition *condition, struct pvb_err *err)
{
	const char *args[] = { "status", service->name, NULL };
	struct pvb_output output;
	char status[32], why[200];
	int r = command_run(ctx, service, args, deadline_ns, &output, err);

	if (r < 0)
		return r;
	field_read(output.text, "status: ", status, sizeof(status));
	*condition = !strcmp(status, "running") ? SERVICE_RUNS : SERVICE_STOPPED;
	if (output.status == 0 && *status)
		return 0;
	*condition = SERVICE_MISSING;
	if (strstr(output.text, "does not exist"))
		return 0;
	return pvb_err_set(err, -EIO, "pct does not say whether %s runs: %s", service->words,
			   pvb_output_last(&output, why, sizeof(why)));
}

int pvb_service_look(const struct pvb_ctx *ctx, const struct pvb_service *service, enum pvb_condition *condition,
		     char *triggers, size_t size, struct pvb_err *err)
{
	int64_t deadline_ns = pvb_now_ns() + LOOK_NS;

	*triggers = '\0';
	if (service->container)
		return container_look(ctx, service, deadline_ns, condition, err);
	return unit_look(ctx, service, deadline_ns, condition, triggers, size, err);
}

bool pvb_service_runs(enum pvb_condition condition)
{
	return condition == SERVICE_RUNS || condition == SERVICE_ENDING;
}

int pvb_service_stop(const struct pvb_ctx *ctx, const struct pvb_service *service, int64_t deadline_ns, struct pvb_err *err)
{
	long long seconds = (long long)(deadline_ns - pvb_now_ns()) / 1000000000 - PCT_S;
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
	return pvb_err_set(err, -EBUSY, "cannot stop %s: %s", service->words, refusal_read(&output, why, sizeof(why)));
}

int pvb_service_start(const struct pvb_ctx *ctx, const struct pvb_service *service, int64_t deadline_ns, struct pvb_err *err)
{
	const char *start[] = { "start", "--", service->name, NULL }, *pct[] = { "start", service->name, NULL };
	struct pvb_output output;
	char why[200];
	int r = command_run(ctx, service, service->container ? pct : start, deadline_ns, &output, err);

	if (r < 0 || !output.status)
		return r;
	return pvb_err_set(err, -EIO, "%s", refusal_read(&output, why, sizeof(why)));
}
