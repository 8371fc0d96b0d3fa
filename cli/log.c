/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind log: what was lent, taken back, refused and recovered, and when. */
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

/* "269 ms", "1.1 s", "2 min 5 s", "1 h 59 min", "3 d 4 h" */
static const char *duration_text(int64_t ms, char *buf, size_t size)
{
	static const struct {
		const char *big, *small;
		int64_t s, part;
	} forms[] = { { "d", "h", 86400, 3600 }, { "h", "min", 3600, 60 }, { "min", "s", 60, 1 } };
	int64_t s = ms / 1000, tenths = ms / 100;

	if (s < 60) {
		snprintf(buf, size, s ? "%.1f s" : "%.0f ms", s ? (double)tenths / 10 : (double)ms);
		return buf;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s < forms[i].s)
			continue;
		snprintf(buf, size, "%" PRId64 " %s %" PRId64 " %s", s / forms[i].s, forms[i].big, s % forms[i].s / forms[i].part,
			 forms[i].small);
		break;
	}
	return buf;
}

/* When what has come home now was lent; -1: not known. */
static int64_t lent_us(const struct log *log, size_t home)
{
	const struct log_entry *entry = &log->list[home];

	for (size_t i = home; i-- > 0 && entry->generation && !strcmp(entry->event, pvb_event_name(PVB_EVENT_HOME));)
		if (log->list[i].generation == entry->generation && !strcmp(log->list[i].event, pvb_event_name(PVB_EVENT_LENT)))
			return log->list[i].us;
	return -1;
}

/* ---- for people ---- */

struct columns {
	int who, event, took;
};

static const char *who_text(const struct log_entry *entry, char buf[40])
{
	unsigned vmid;
	struct pvb_err ignored;
	bool guest = conf_vmid_parse(entry->vm, &vmid, &ignored) == 0;

	snprintf(buf, 40, "%s%s", !guest ? "" : entry->container ? "CT " : "VM ", entry->vm);
	return buf;
}

static const char *took_text(const struct log_entry *entry, char *buf, size_t size)
{
	*buf = '\0';
	return entry->timed ? duration_text(entry->ms, buf, size) : buf;
}

static void column_fit(int *width, const char *text)
{
	if ((int)strlen(text) > *width)
		*width = (int)strlen(text);
}

static struct columns columns_fit(const struct log *log)
{
	struct columns columns = { 0, 0, 0 };
	char text[40];

	for (size_t i = 0; i < log->n; i++) {
		column_fit(&columns.who, who_text(&log->list[i], text));
		column_fit(&columns.event, log->list[i].event);
		column_fit(&columns.took, took_text(&log->list[i], text, sizeof(text)));
	}
	return columns;
}

static enum cli_ink entry_ink(const struct log_entry *entry)
{
	if (entry->priority <= LOG_ERR)
		return CLI_RED;
	if (entry->priority == LOG_WARNING)
		return CLI_YELLOW;
	return *entry->event ? CLI_PLAIN : CLI_DIM;
}

/* Without what stands in columns of its own: "VM 100: " and " (1149 ms)". */
static const char *sentence(const struct log_entry *entry, char *buf, size_t size)
{
	const char *text = entry->text;
	char who[40], end[40];
	size_t n = strlen(who_text(entry, who));

	if (n && !strncmp(text, who, n) && !strncmp(text + n, ": ", 2))
		text += n + 2;
	snprintf(buf, size, "%s", *text ? text : "-");
	snprintf(end, sizeof(end), " (%" PRId64 " ms)", entry->ms);
	n = strlen(buf) > strlen(end) ? strlen(buf) - strlen(end) : 0;
	if (entry->timed && n && !strcmp(buf + n, end))
		buf[n] = '\0';
	return buf;
}

static void entry_text(const struct log *log, size_t i, const struct columns *columns)
{
	const struct log_entry *entry = &log->list[i];
	char when[32], who[40], took[40], lent[64] = "", text[1100];
	int64_t since_us = lent_us(log, i);

	if (since_us >= 0) {
		memcpy(lent, ", lent for ", sizeof(", lent for "));
		duration_text((entry->us - since_us) / 1000, lent + strlen(lent), sizeof(lent) - strlen(lent));
	}
	cli_time(entry->us / 1000000, when, sizeof(when));
	printf("%s  %-*s  %s%-*s%s  %*s  ", when, columns->who, who_text(entry, who), cli_ink(entry_ink(entry)), columns->event,
	       entry->event, cli_ink(CLI_PLAIN), columns->took, took_text(entry, took, sizeof(took)));
	cli_wrap((unsigned)((int)strlen(when) + columns->who + columns->event + columns->took + 8), "%s%s",
		 sentence(entry, text, sizeof(text)), lent);
}

static void log_text(const struct log *log, unsigned vmid)
{
	struct columns columns = columns_fit(log);

	if (log->n == 0 && vmid)
		printf("the log has nothing of VM %u\n", vmid);
	else if (log->n == 0)
		puts("the log has nothing of pvebind");
	for (size_t i = 0; i < log->n; i++) {
		if (i && strcmp(log->list[i].boot, log->list[i - 1].boot) != 0)
			puts("-- the host was booted --");
		entry_text(log, i, &columns);
	}
}

/* ---- for programs ---- */

static struct json_object *devices_json(const struct log_entry *entry)
{
	struct json_object *list = json_object_new_array();
	char copy[sizeof(entry->devices)], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", entry->devices);
	for (char *word = strtok_r(copy, ", ", &save); word; word = strtok_r(NULL, ", ", &save))
		json_object_array_add(list, cli_json_text(word));
	return list;
}

/* {"time" (with microseconds), "boot", "vm", "container", "event", "priority", "devices", "duration_ms", "lent_ms", "generation",
 *  "refusal", "text"} */
static struct json_object *entry_json(const struct log *log, size_t i)
{
	const struct log_entry *entry = &log->list[i];
	struct json_object *value = json_object_new_object();
	int64_t since_us = lent_us(log, i);
	char time[40];

	snprintf(time, sizeof(time), "%" PRId64 ".%06d", entry->us / 1000000, (int)(entry->us % 1000000));
	json_object_object_add(value, "time", json_object_new_double_s((double)entry->us / 1e6, time));
	json_object_object_add(value, "boot", cli_json_text_or_null(entry->boot));
	json_object_object_add(value, "vm", cli_json_text_or_null(entry->vm));
	json_object_object_add(value, "container", json_object_new_boolean(entry->container));
	json_object_object_add(value, "event", cli_json_text_or_null(entry->event));
	json_object_object_add(value, "priority", json_object_new_int(entry->priority));
	json_object_object_add(value, "devices", devices_json(entry));
	json_object_object_add(value, "duration_ms", entry->timed ? json_object_new_int64(entry->ms) : NULL);
	json_object_object_add(value, "lent_ms", since_us >= 0 ? json_object_new_int64((entry->us - since_us) / 1000) : NULL);
	json_object_object_add(value, "generation", entry->generation ? json_object_new_int64((int64_t)entry->generation) : NULL);
	json_object_object_add(value, "refusal", cli_json_text_or_null(entry->refusal));
	json_object_object_add(value, "text", cli_json_text(entry->text));
	return value;
}

/* {"entries": [entry_json()]} */
static void log_json(const struct log *log)
{
	struct json_object *value = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < log->n; i++)
		json_object_array_add(list, entry_json(log, i));
	json_object_object_add(value, "entries", list);
	cli_json_print(value);
}

/* ---- both ---- */

static enum front_status log_run(struct cli *cli)
{
	enum front_status status = FRONT_DONE;
	struct pvb_err err = { .code = 0 };
	struct log log;

	if (log_read(cli->front.ctx, cli->vmid, cli->since, cli->all, &log, &err) < 0)
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	else if (cli->json)
		log_json(&log);
	else
		log_text(&log, cli->vmid);
	log_clear(&log);
	return status;
}

static const struct argp_option options[] = {
	CLI_OPTION_JSON,
	{ "since", CLI_KEY_SINCE, "TIME", 0, "No earlier than that: 2026-01-31, yesterday, -2h, as journalctl takes it", 0 },
	{ "all", CLI_KEY_ALL, NULL, 0, "Every step and note as well", 0 },
	CLI_OPTIONS_END,
};

const struct cli_command cli_log = {
	.name = "log",
	.summary = "show when what was lent, taken back, refused, recovered",
	.text = "From the system's log (journald), of one VM or all, oldest first; the last " LOG_ENTRIES_MAX " at most.",
	.operand = CLI_VMID_OPTIONAL,
	.options = options,
	.run = log_run,
};
