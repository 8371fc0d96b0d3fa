/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log as journalctl gives it: a line of JSON an entry. */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"

#define JOURNALCTL "usr/bin/journalctl"
#define JOURNALCTL_MS 60000 /* journals of years are slow to search */

/* ---- an entry ---- */

/* A field that an entry has several times is an array; one that is no text is an array of numbers, and none of ours. */
static const char *text_get(struct json_object *value, const char *name)
{
	struct json_object *field = NULL;

	if (!json_object_object_get_ex(value, name, &field))
		return "";
	if (json_object_is_type(field, json_type_array))
		field = json_object_array_get_idx(field, 0);
	return json_object_is_type(field, json_type_string) ? json_object_get_string(field) : "";
}

static int words_compare(const void *a, const void *b)
{
	struct json_object *const *left = a, *const *right = b;

	return strcmp(json_object_get_string(*left) ?: "", json_object_get_string(*right) ?: "");
}

/* journald does not keep the order of a field's values. */
static void devices_get(struct json_object *value, char *buf, size_t size)
{
	struct json_object *field = NULL;
	size_t used = 0;

	snprintf(buf, size, "%s", text_get(value, "PVEBIND_DEVICE"));
	if (!json_object_object_get_ex(value, "PVEBIND_DEVICE", &field) || !json_object_is_type(field, json_type_array))
		return;
	json_object_array_sort(field, words_compare);
	for (size_t i = 0; i < json_object_array_length(field) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 json_object_get_string(json_object_array_get_idx(field, i)) ?: "");
}

static void entry_fill(struct log_entry *entry, struct json_object *value)
{
	const char *ms = text_get(value, "PVEBIND_DURATION_MS");

	*entry = (struct log_entry){ .us = strtoll(text_get(value, "__REALTIME_TIMESTAMP"), NULL, 10) };
	snprintf(entry->boot, sizeof(entry->boot), "%s", text_get(value, "_BOOT_ID"));
	snprintf(entry->vm, sizeof(entry->vm), "%s", text_get(value, "PVEBIND_VM"));
	entry->container = *text_get(value, "PVEBIND_CONTAINER");
	snprintf(entry->event, sizeof(entry->event), "%s", text_get(value, "PVEBIND_EVENT"));
	snprintf(entry->refusal, sizeof(entry->refusal), "%s", text_get(value, "PVEBIND_REFUSAL"));
	devices_get(value, entry->devices, sizeof(entry->devices));
	entry->priority = atoi(text_get(value, "PRIORITY"));
	entry->generation = strtoull(text_get(value, "PVEBIND_GENERATION"), NULL, 10);
	entry->timed = *ms;
	entry->ms = strtoll(ms, NULL, 10);
	entry->text = strdup(text_get(value, "MESSAGE"));
}

static int entry_add(struct log *log, struct json_object *value)
{
	struct log_entry *more = realloc(log->list, (log->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	log->list = more;
	entry_fill(&more[log->n], value);
	return more[log->n++].text ? 0 : -ENOMEM;
}

/* ---- journalctl ---- */

struct question {
	const char *args[30];
	char since[128], vm[32], events[PVB_EVENT_COUNT][40];
};

/* What others write under our name is not ours: only root's counts. Matches of one field are alternatives, all others
 * conditions. */
static void question_fill(struct question *question, unsigned vmid, const char *since, bool all)
{
	static const char *const always[] = {
		"--output=json", "--quiet", "--no-pager", ("--lines=" LOG_ENTRIES_MAX), "SYSLOG_IDENTIFIER=pvebind", "_UID=0",
		("--output-fields=MESSAGE,PRIORITY,PVEBIND_VM,PVEBIND_CONTAINER,PVEBIND_EVENT,PVEBIND_DEVICE,PVEBIND_DURATION_MS,PVEBIND_GENERATION,"
		 "PVEBIND_REFUSAL"),
	};
	size_t n = sizeof(always) / sizeof(always[0]);

	memcpy(question->args, always, sizeof(always));
	if (since && snprintf(question->since, sizeof(question->since), "--since=%s", since) > 0)
		question->args[n++] = question->since;
	if (vmid && snprintf(question->vm, sizeof(question->vm), "PVEBIND_VM=%u", vmid) > 0)
		question->args[n++] = question->vm;
	for (unsigned kind = PVB_EVENT_NONE + 1; !all && kind < PVB_EVENT_COUNT; kind++) {
		snprintf(question->events[kind], sizeof(question->events[kind]), "PVEBIND_EVENT=%s", pvb_event_name(kind));
		question->args[n++] = question->events[kind];
	}
	question->args[n] = NULL;
}

/* Its last line that is no entry: what it complains of. */
static int journalctl_failed(FILE *in, int status, struct pvb_err *err)
{
	char line[256], last[256] = "";

	fseek(in, 0, SEEK_SET);
	while (fgets(line, sizeof(line), in))
		if (*line != '{' && *line != '\n')
			snprintf(last, sizeof(last), "%.*s", (int)strcspn(line, "\n"), line);
	if (!*last)
		snprintf(last, sizeof(last), "exit status %d", status);
	return pvb_err_set(err, -EINVAL, "journalctl cannot read the system's log: %s", last);
}

static int answer_parse(FILE *in, struct log *log)
{
	_conf_free_ char *line = NULL;
	size_t room = 0;
	int r = 0;

	fseek(in, 0, SEEK_SET);
	while (r == 0 && getline(&line, &room, in) > 0) {
		struct json_object *value = *line == '{' ? json_tokener_parse(line) : NULL;

		if (value)
			r = entry_add(log, value);
		json_object_put(value);
	}
	return r;
}

int log_read(struct pvb_ctx *ctx, unsigned vmid, const char *since, bool all, struct log *log, struct pvb_err *err)
{
	FILE *in = fdopen(memfd_create("journal", MFD_CLOEXEC), "r+");
	struct question question;
	int status = 0, r;

	*log = (struct log){ .n = 0 };
	if (!in)
		return pvb_err_set(err, -errno, "cannot make room for the log: %s", strerror(errno));
	question_fill(&question, vmid, since, all);
	r = pvb_program_into(ctx, JOURNALCTL, question.args, JOURNALCTL_MS, fileno(in), &status);
	if (r == -ENOENT)
		pvb_err_set(err, r, "/" JOURNALCTL " is not here: only journald keeps a log that can be shown");
	else if (r < 0)
		pvb_err_set(err, r, "cannot ask journalctl for the system's log: %s", strerror(-r));
	else if (status != 0)
		r = journalctl_failed(in, status, err);
	else if ((r = answer_parse(in, log)) < 0)
		pvb_err_set(err, r, "out of memory");
	fclose(in);
	return r;
}

void log_clear(struct log *log)
{
	for (size_t i = 0; i < log->n; i++)
		free(log->list[i].text);
	free(log->list);
	*log = (struct log){ .n = 0 };
}
