/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 14: what the kernel said of the devices. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "sentences.h"

#define PLACE "/dev/kmsg"

/* ---- lines ---- */

/* One line of the log, "6,1234,56789012,-;text": its text is up to the next newline. */
struct record {
	unsigned long priority;      /* facility * 8 + level; the kernel's own facility is 0 */
	unsigned long long number, time; /* from 0 at boot; microseconds since boot */
	char *text;                  /* ends with a NUL */
};

/* The next record at *at, cut off in place; what is none is left out. */
static bool record_next(char **at, struct record *record)
{
	while (**at) {
		char *line = *at, *end = line + strcspn(line, "\n"), *text;
		int n = 0;

		*at = *end ? end + 1 : end;
		*end = '\0';
		/* Lines that begin with a blank are the record's properties (SUBSYSTEM=pci). */
		if (*line == ' ' || sscanf(line, "%lu,%llu,%llu,%n", &record->priority, &record->number, &record->time, &n) != 3 || !n)
			continue;
		text = strchr(line + n, ';');
		if (!text)
			continue;
		record->text = text + 1;
		return true;
	}
	return false;
}

/* ---- whom a line is about ---- */

#define IN_ADDR "0123456789abcdefABCDEF:."

/* The next address in a text ("0000:01:00.0", "01:00.0", "PCI:0000:01:00"), from *at on, which moves past it. */
static bool addr_next(const char **at, struct pvb_addr *addr)
{
	char token[PVB_ADDR_MAX];

	while (*(*at += strcspn(*at, IN_ADDR))) {
		const char *from = *at + strspn(*at, ":.");
		size_t size = strspn(from, IN_ADDR);

		*at = from + size;
		while (size && strchr(":.", from[size - 1]))
			size--;
		/* Most are plain numbers. */
		if (size < 5 || size >= sizeof(token) || !memchr(from, ':', size))
			continue;
		memcpy(token, from, size);
		token[size] = '\0';
		if (pvb_addr_parse(token, addr, NULL) == 0)
			return true;
	}
	return false;
}

static bool is_above(const struct pvb_function *fn, const struct pvb_addr *addr)
{
	for (unsigned i = 0; i < fn->num_bridges; i++)
		if (pvb_addr_matches(addr, &fn->bridges[i]))
			return true;
	return false;
}

static const struct pvb_function *device_of(const struct check_host *host, const char *text, enum sentence_about about)
{
	struct pvb_addr addr;

	while (addr_next(&text, &addr))
		for (size_t i = 0; i < host->num_devices; i++)
			if (pvb_addr_matches(&addr, &host->devices[i]->addr) ||
			    (about == SENTENCE_LINK && is_above(host->devices[i], &addr)))
				return host->devices[i];
	return NULL;
}

bool check_log_concerns(const struct check_host *host, const char *text)
{
	return device_of(host, text, SENTENCE_DEVICE) != NULL;
}

static const struct pvb_function *group_of(const struct check_host *host, const char *text)
{
	const char *word = strstr(text, "group ");
	int group;

	if (!word || sscanf(word, "group %d", &group) != 1)
		return NULL;
	for (size_t i = 0; i < host->num_devices; i++)
		if (host->devices[i]->group == group)
			return host->devices[i];
	return NULL;
}

/* ---- what was said ---- */

/* A sentence about a device: how often, and the last one. */
struct hit {
	const struct sentence *sentence;
	const struct pvb_function *fn; /* NULL: about the host */
	unsigned times;
	unsigned long long time;
	const char *text;
};

struct log {
	char *text;
	struct hit *hits; /* malloced */
	size_t n;
	unsigned long long first; /* number of the oldest line */
	unsigned long long since; /* its time */
	bool any;
};

static void hit_add(struct log *log, const struct sentence *sentence, const struct pvb_function *fn, const struct record *record)
{
	struct hit *hit = NULL;

	for (size_t i = 0; i < log->n && !hit; i++)
		if (log->hits[i].sentence == sentence && log->hits[i].fn == fn)
			hit = &log->hits[i];
	if (!hit) {
		struct hit *more = realloc(log->hits, (log->n + 1) * sizeof(*more));

		if (!more) {
			fputs("pvebind: error: out of memory\n", stderr);
			exit(FRONT_REFUSED);
		}
		log->hits = more;
		hit = &more[log->n++];
		*hit = (struct hit){ .sentence = sentence, .fn = fn };
	}
	hit->times++;
	hit->time = record->time;
	hit->text = record->text;
}

static bool sentence_in(const struct sentence *sentence, const char *text)
{
	const char *found = strstr(text, sentence->part);

	return found && (!sentence->also || strstr(found + strlen(sentence->part), sentence->also));
}

/* The first sentence that the line has, were it of another check: then it is that one's. */
static void record_judge(struct check_run *run, struct log *log, const struct record *record)
{
	const struct pvb_function *fn = NULL;
	const struct sentence *sentence = sentences;

	while (sentence->id && !sentence_in(sentence, record->text))
		sentence++;
	if (!sentence->id || strcmp(sentence->id, run->check->id) != 0)
		return;
	/* What a program has put into the kernel's log is no word of the kernel's. */
	if (record->priority >= 8 && sentence->about != SENTENCE_GROUP)
		return;
	if (sentence->about == SENTENCE_GROUP)
		fn = group_of(&run->host, record->text);
	else if (sentence->about != SENTENCE_HOST)
		fn = device_of(&run->host, record->text, sentence->about);
	if (fn || sentence->about == SENTENCE_HOST)
		hit_add(log, sentence, fn, record);
}

static void log_read(struct check_run *run, struct log *log)
{
	struct record record;

	for (char *at = log->text; record_next(&at, &record);) {
		if (!log->any) {
			log->first = record.number;
			log->since = record.time;
		}
		log->any = true;
		record_judge(run, log, &record);
	}
}

static void hit_say(struct check_run *run, const struct hit *hit)
{
	const struct sentence *sentence = hit->sentence;
	bool few = hit->times <= sentence->few;
	char where[64], times[32] = "";

	snprintf(where, sizeof(where), "dmesg [%llu.%06llu]", hit->time / 1000000, hit->time % 1000000);
	if (hit->times > 1)
		snprintf(times, sizeof(times), " (%u times)", hit->times);
	check_about(run, hit->fn ? &hit->fn->addr : NULL);
	check_say(run, few ? CHECK_OK : sentence->verdict, where, "the kernel said \"%.300s\"%s: %s", hit->text, times, sentence->meaning);
	if (!few)
		check_advise(run, "%s", sentence->advice);
	if (sentence->command && !few)
		check_command(run, "%s", sentence->command);
	check_about(run, NULL);
}

/* What many lines have pushed out of the kernel's memory cannot be looked at. */
static void nothing_say(struct check_run *run, const struct log *log)
{
	if (!log->any)
		check_unknown(run, PLACE, "the kernel's log is empty");
	else if (*run->host.unseen)
		check_unknown(run, PLACE, "no device can be seen, so which lines are about one is not known: %s", run->host.unseen);
	else if (log->first)
		check_ok(run, PLACE, "no such line in what the kernel still has of its log, from %llu s after boot on", log->since / 1000000);
	else
		check_ok(run, PLACE, "no such line since boot");
}

/* Whether there is somebody for the family to be about. */
static bool is_asked(const struct check_run *run)
{
	for (const struct sentence *sentence = sentences; sentence->id; sentence++)
		if (!strcmp(sentence->id, run->check->id) && sentence->about == SENTENCE_HOST)
			return true;
	return run->host.num_devices || *run->host.unseen;
}

/* A check is a family of sentences, which have its id. */
static void log_check(struct check_run *run)
{
	struct log log = { .text = NULL };
	struct pvb_err err;
	size_t size;

	if (!is_asked(run))
		return;
	if (pvb_kmsg_read(run->host.ctx, &log.text, &size, &err) < 0) {
		check_unknown(run, PLACE, "%s", err.text);
		return;
	}
	log_read(run, &log);
	for (size_t i = 0; i < log.n; i++)
		hit_say(run, &log.hits[i]);
	if (!log.n)
		nothing_say(run, &log);
	free(log.hits);
	free(log.text);
}

const struct check check_kernellog[] = {
	{ "log-bar", "The kernel had no trouble with the devices' memory", CHECK_HOST, "14", log_check },
	{ "log-reset", "The devices came back from each reset", CHECK_HOST, "14", log_check },
	{ "log-power", "The devices woke when they were told to", CHECK_HOST, "14", log_check },
	{ "log-dma", "The devices kept to the memory that is theirs", CHECK_HOST, "14", log_check },
	{ "log-rmrr", "The firmware lets the devices be passed", CHECK_HOST, "14", log_check },
	{ "log-irq", "The kernel can keep the devices' interrupts apart", CHECK_HOST, "14", log_check },
	{ "log-group", "QEMU found the devices' groups viable", CHECK_HOST, "14", log_check },
	{ "log-rom", "The devices' BIOS can be read", CHECK_HOST, "14", log_check },
	{ "log-aer", "The devices' links make no errors", CHECK_HOST, "14", log_check },
	{ "log-xid", "NVIDIA's driver tells of no fault", CHECK_HOST, "14", log_check },
	{ "log-driver", "The host's drivers could use the devices", CHECK_HOST, "14", log_check },
	{ .id = NULL },
};
