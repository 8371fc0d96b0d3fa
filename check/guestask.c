/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking inside the VM. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "guest.h"

#define QM "usr/sbin/qm"
#define ASK_SECONDS 10   /* one question */
#define GRACE_SECONDS 3  /* qm's own, to start and to end */
#define LEAST_SECONDS 2  /* with less left there is no use in asking */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool member_get(struct json_object *value, const char *key, struct json_object **member)
{
	return json_object_object_get_ex(value, key, member) && *member;
}

/* qm prints what guest-exec-status of the agent gave: {"exited": 1, "exitcode": 0, "out-data": "…"}, or, when it has
 * waited long enough, {"pid": 1234} (PVE/CLI/qm.pm). The script's own exit status says nothing more than its lines. */
static int status_take(struct json_object *status, char **answer, struct pvb_err *err)
{
	struct json_object *member = NULL;

	if (!member_get(status, "exited", &member) || !json_object_get_boolean(member))
		return pvb_err_set(err, -EAGAIN, "the guest had not answered after %d seconds", ASK_SECONDS);
	if (member_get(status, "signal", &member))
		return pvb_err_set(err, -EAGAIN, "in the guest it was killed (signal %d)", json_object_get_int(member));
	*answer = strdup(member_get(status, "out-data", &member) ? json_object_get_string(member) : "");
	return *answer ? 0 : pvb_err_set(err, -EAGAIN, "out of memory");
}

/* What the agent refuses qm says in words. */
static int output_take(const struct pvb_output *output, char **answer, struct pvb_err *err)
{
	const char *begin = strchr(output->text, '{');
	struct json_object *status = begin && output->status == 0 ? json_tokener_parse(begin) : NULL;
	char last[300];
	int r;

	if (!json_object_is_type(status, json_type_object)) {
		json_object_put(status);
		return pvb_err_set(err, output->status ? -EIO : -EAGAIN, "qm guest exec: %s",
				   output->status ? pvb_output_last(output, last, sizeof(last)) : "its answer is cut off");
	}
	r = status_take(status, answer, err);
	json_object_put(status);
	return r;
}

int guest_ask(struct check_run *run, const char *text, char **answer, struct pvb_err *err)
{
	int64_t left = (run->guest->deadline_ms - now_ms()) / 1000 - GRACE_SECONDS;
	unsigned seconds = left < ASK_SECONDS ? (unsigned)(left < 0 ? 0 : left) : ASK_SECONDS;
	char vmid[16], timeout[16];
	const char *const args[] = { "guest", "exec", vmid, "--timeout", timeout, "--", "sh", "-c", text, NULL };
	struct pvb_output output;
	int r;

	*answer = NULL;
	if (seconds < LEAST_SECONDS)
		return pvb_err_set(err, -EAGAIN, "no time was left to ask: earlier answers had taken it");
	snprintf(vmid, sizeof(vmid), "%u", run->host.vmid);
	snprintf(timeout, sizeof(timeout), "%u", seconds);
	r = pvb_program(run->host.ctx, QM, args, (seconds + GRACE_SECONDS) * 1000, &output);
	if (r == -ENOENT)
		return pvb_err_set(err, -EIO, "there is no /" QM " to ask it through");
	if (r == -ETIMEDOUT)
		return pvb_err_set(err, -EAGAIN, "the guest had not answered after %u seconds", seconds + GRACE_SECONDS);
	if (r < 0)
		return pvb_err_set(err, -EIO, "cannot run /" QM ": %s", strerror(-r));
	return output_take(&output, answer, err);
}

int guest_ask_script(struct check_run *run, const char *words, char **answer, struct pvb_err *err)
{
	_conf_free_ char *text = NULL;

	*answer = NULL;
	if (asprintf(&text, "set -- --lines %s\n%s", words, guest_script) < 0) {
		text = NULL;
		return pvb_err_set(err, -EAGAIN, "out of memory");
	}
	return guest_ask(run, text, answer, err);
}
