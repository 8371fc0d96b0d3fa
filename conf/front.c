/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the hook and the command speak and end. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <syslog.h>

#include "front.h"
#include "journald.h"

static const int priorities[] = {
	[PVB_ERROR] = LOG_ERR, [PVB_WARNING] = LOG_WARNING, [PVB_NOTICE] = LOG_NOTICE,
	[PVB_INFO] = LOG_INFO, [PVB_DEBUG] = LOG_DEBUG,
};
static const char *const prefixes[] = {
	[PVB_ERROR] = "error: ", [PVB_WARNING] = "warning: ", [PVB_NOTICE] = "", [PVB_INFO] = "", [PVB_DEBUG] = "",
};

/* A pvb_log_fn: for the task log, or the terminal. */
static void line_say(void *data, enum pvb_level level, const char *line)
{
	struct front *front = data;
	FILE *to = level <= PVB_WARNING && front->errors ? front->errors : front->out;

	if (level == PVB_DEBUG && !front->verbose)
		return;
	if (level == PVB_ERROR)
		snprintf(front->error, sizeof(front->error), "%s", line);
	fprintf(to, "pvebind: %s%s\n", prefixes[level], line);
	fflush(to);
}

static void lend_fields(struct journald_entry *entry, const struct front *front, const struct pvb_event *event)
{
	if (event->name)
		journald_field(entry, "PVEBIND_VM", "%s", event->name);
	else if (front->vmid)
		journald_field(entry, "PVEBIND_VM", "%u", front->vmid);
	if (front->container)
		journald_field(entry, "PVEBIND_CONTAINER", "%u", front->vmid);
	if (event->kind != PVB_EVENT_NONE)
		journald_field(entry, "PVEBIND_EVENT", "%s", pvb_event_name(event->kind));
	if (event->generation)
		journald_field(entry, "PVEBIND_GENERATION", "%" PRIu64, event->generation);
	if (event->refusal)
		journald_field(entry, "PVEBIND_REFUSAL", "%s", event->refusal);
	if (event->timed)
		journald_field(entry, "PVEBIND_DURATION_MS", "%" PRId64, event->ms);
	/* A field for each: journalctl PVEBIND_DEVICE=0000:01:00.1 finds it among others. */
	for (const char *word = event->devices ?: ""; *word; word += strcspn(word, ", "), word += strspn(word, ", "))
		journald_field(entry, "PVEBIND_DEVICE", "%.*s", (int)strcspn(word, ", "), word);
}

/* Apart, so that its stack is touched only where somebody listens. */
static void __attribute__((noinline)) entry_send(struct front *front, enum pvb_level level, const char *line,
						 const struct pvb_event *event)
{
	struct journald_entry entry;

	journald_begin(&entry, level == PVB_DEBUG ? LOG_INFO : priorities[level], line);
	lend_fields(&entry, front, event);
	journald_send(front->ctx, &front->journald, &entry);
}

/* A pvb_event_fn: for the system's log. */
static void line_record(void *data, enum pvb_level level, const char *line, const struct pvb_event *event)
{
	struct front *front = data;

	front->told |= 1u << event->kind;
	if (!front->looking && (level != PVB_DEBUG || event->kind != PVB_EVENT_NONE) &&
	    journald_listens(front->ctx, &front->journald))
		entry_send(front, level, line, event);
}

int front_open(struct front *front, struct pvb_err *err)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = pvb_ctx_new(&front->ctx, front->root, err);
	if (r < 0)
		return r;
	pvb_ctx_set_log(front->ctx, line_say, front);
	pvb_ctx_set_event(front->ctx, line_record, front);
	pvb_ctx_set_identify(front->ctx, conf_vmstate_identify, front->ctx);
	return 0;
}

void front_close(struct front *front)
{
	journald_close(&front->journald);
	pvb_ctx_free(front->ctx);
	front->ctx = NULL;
}

/* Of what was told where it was found only the sum is left to say. */
static enum pvb_event_kind failure_kind(const struct front *front, enum front_status status)
{
	enum pvb_event_kind kind = status == FRONT_ATTENTION ? PVB_EVENT_NOT_HOME : PVB_EVENT_REFUSED;
	unsigned same = 1u << PVB_EVENT_NOT_HOME;

	if (kind == PVB_EVENT_REFUSED)
		same = 1u << PVB_EVENT_REFUSED | 1u << PVB_EVENT_FAILED;
	return front->vmid && !(front->told & same) ? kind : PVB_EVENT_NONE;
}

enum front_status front_fail(struct front *front, const struct pvb_err *err, enum front_status fallback)
{
	enum front_status status = err->code == -PVB_EATTENTION ? FRONT_ATTENTION : fallback;
	const struct pvb_event event = { .kind = failure_kind(front, status) };

	/* What failed has often been said where it failed. */
	if (!strcmp(front->error, err->text))
		return status;
	if (front->ctx)
		pvb_tell(front->ctx, PVB_ERROR, &event, "%s", err->text);
	else
		line_say(front, PVB_ERROR, err->text);
	return status;
}

int front_catch_signals(struct front *front, struct pvb_err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
	if (fd < 0)
		return pvb_err_set(err, -errno, "cannot watch for signals: %s", strerror(errno));
	pvb_ctx_set_cancel_fd(front->ctx, fd);
	return 0;
}
