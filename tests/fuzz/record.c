/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small records below /run/pvebind, and the line they are made of: what is written reads back the same, and a
 * reader never takes more than fits. */
#include "lines.h"

static const char *const keys[] = { "lend", "home", "owners", "pid", "start", "what", "op", "code" };

/* Any text (up to its first NUL) survives being written and read; a line with another byte does not. */
static void round_trip(const char *text)
{
	struct pvb_line line;
	char *value = malloc(PVB_LINE_MAX), *buf = malloc(PVB_LINE_MAX), *next;
	const char *body;

	pvb_line_start(&line, buf, PVB_LINE_MAX, "record");
	pvb_line_text(&line, "what", text);
	pvb_line_number(&line, "n", -7);
	if (pvb_line_finish(&line) == 0) {
		char *copy = text_new((const uint8_t *)line.text, line.size);

		body = pvb_line_check(copy, &next);
		promise(body && !*next && pvb_line_is(body, "record"), "what was written is whole");
		promise(pvb_line_get(body, "what", value, PVB_LINE_MAX) == 0 && !strcmp(value, text), "… and the same");
		promise(pvb_line_get_number(body, "n", 0) == -7, "… to its end");
		free(copy);
	}
	free(buf);
	free(value);
}

/* Each key that is there: read whole, and into less room than it may need. */
static void body_try(const char *body)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char *value = malloc(PVB_LINE_MAX), *little = malloc(4);

		*value = 'x';
		if (pvb_line_get(body, keys[i], value, PVB_LINE_MAX) == 0)
			round_trip(value);
		else
			promise(!*value, "a value that is not there is empty");
		pvb_line_get(body, keys[i], little, 4);
		promise(strlen(little) < 4, "no more than fits");
		pvb_line_get_number(body, keys[i], 0);
		free(value);
		free(little);
	}
}

static void lines_try(char *text)
{
	char *next = text;
	const char *body;

	while ((body = pvb_line_check(next, &next)))
		body_try(body);
}

/* The readers of whole records. */
static void records_try(struct pvb_ctx *ctx, const uint8_t *data, size_t size)
{
	static const struct pvb_addr addr = { 0, 1, 0, 0 };
	struct pvb_shared shared;
	struct pvb_err err;
	char *buf = malloc(32);

	machine_put(ctx, "0000:01:00.0", data, size);
	machine_put(ctx, "0000:01:00.0.stuck", data, size);
	machine_put(ctx, "console", data, size);
	promise(pvb_device_holder(ctx, &addr, buf, 32) == -ENOENT, "nobody's journal, nobody's device");
	promise(pvb_stuck_check(ctx, &addr, buf, 32) == 0, "a worker that is not there holds nothing");
	if (pvb_shared_enter(ctx, "console", true, &shared, &err) == 0) {
		pvb_shared_last(&shared, "100");
		if (pvb_shared_add(&shared, "100", "vtcon1", &err) == 0)
			promise(pvb_shared_has(&shared, "100"), "who was added is in it");
		if (pvb_shared_remove(ctx, &shared, "100", &err) == 0)
			promise(!pvb_shared_has(&shared, "100"), "who was removed is not");
		pvb_shared_leave(&shared);
	}
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_new(data, size);

	records_try(machine(), data, size);
	round_trip(text);
	lines_try(text);
	free(text);
	return 0;
}
