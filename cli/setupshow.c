/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup: the plan, for people and for programs. */
#include <string.h>

#include "setup.h"

#define COLUMN 11

/* ---- for people ---- */

static void part_text(const char *title, const char *text)
{
	if (!text)
		return;
	printf("  %-*s", COLUMN - 2, title);
	cli_wrap(COLUMN, "%s", text);
}

static void point_text(const struct setup_point *point)
{
	printf("%s%s%s\n", cli_ink(CLI_BOLD), point->name, cli_ink(CLI_PLAIN));
	part_text("have", point->have);
	part_text("want", point->want ? point->want : point->refused ? NULL : "nothing more");
	part_text("why", point->why);
	if (point->want && !point->refused)
		part_text("reboot", point->reboot ? "needed" : "not needed");
	if (point->refused) {
		printf("  %s%-*s%s", cli_ink(CLI_RED), COLUMN - 2, "refused", cli_ink(CLI_PLAIN));
		cli_wrap(COLUMN, "%s", point->refused);
	}
}

static const char *file_before(const struct setup_step *step)
{
	return strcmp(step->name, SETUP_NEW) ? step->before : NULL;
}

static const char *file_after(const struct setup_step *step)
{
	return strcmp(step->name, SETUP_GONE) ? step->after : NULL;
}

static void diff_text(const char *path, const char *before, const char *after)
{
	if (setup_diff(stdout, path, before, after) < 0)
		puts("(out of memory)");
}

static const char *command_words(const struct setup_step *step, char buf[600])
{
	return setup_step_words(step, false, buf, 600) + strlen("run ");
}

static void steps_text(const struct setup_steps *steps)
{
	char buf[600];

	for (size_t i = 0; i < steps->n; i++)
		if (steps->list[i].kind == SETUP_FILE) {
			putchar('\n');
			diff_text(steps->list[i].path, file_before(&steps->list[i]), file_after(&steps->list[i]));
		}
	for (size_t i = 0, n = 0; i < steps->n; i++)
		if (steps->list[i].kind == SETUP_COMMAND)
			printf("%s  %s: %s\n", n++ ? "" : "\nThen these are run:\n", command_words(&steps->list[i], buf), steps->list[i].why);
}

static const char *const hint_kinds[] = {
	[SETUP_HINT_OBSOLETE] = "obsolete", [SETUP_HINT_FIGHTS] = "fights", [SETUP_HINT_WARNING] = "warning",
};
static const char *const hint_titles[] = {
	[SETUP_HINT_OBSOLETE] = "Left over (--clean takes it out):", [SETUP_HINT_FIGHTS] = "Against lending at run time (for you to decide):",
	[SETUP_HINT_WARNING] = "Beware:",
};

static void hints_text(const struct setup_plan *plan, enum setup_hint_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->num_hints; i++) {
		const struct setup_hint *hint = &plan->hints[i];

		if (hint->kind != kind)
			continue;
		if (!n++)
			printf("\n%s%s%s\n", cli_ink(CLI_BOLD), hint_titles[kind], cli_ink(CLI_PLAIN));
		fputs("  ", stdout);
		cli_wrap(2, "%s%s%s", hint->place, *hint->place ? ": " : "", hint->text);
	}
}

void setup_show_text(const struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (strcmp(plan->points[i].name, "commands") || plan->points[i].refused)
			point_text(&plan->points[i]);
	if (!setup_plan_refusal(plan))
		steps_text(&plan->steps);
	for (unsigned kind = 0; kind < sizeof(hint_titles) / sizeof(*hint_titles); kind++)
		hints_text(plan, kind);
}

/* ---- for programs ---- */

static struct json_object *text_or_null(const char *text)
{
	return text ? cli_json_text(text) : NULL;
}

static struct json_object *points_json(const struct setup_plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->n; i++) {
		struct json_object *value = json_object_new_object();

		json_object_object_add(value, "name", cli_json_text(plan->points[i].name));
		json_object_object_add(value, "have", text_or_null(plan->points[i].have));
		json_object_object_add(value, "want", text_or_null(plan->points[i].want));
		json_object_object_add(value, "why", text_or_null(plan->points[i].why));
		json_object_object_add(value, "reboot", json_object_new_boolean(plan->points[i].reboot && plan->points[i].want));
		json_object_object_add(value, "refused", text_or_null(plan->points[i].refused));
		json_object_array_add(list, value);
	}
	return list;
}

static struct json_object *file_json(const struct setup_step *step)
{
	struct json_object *value = json_object_new_object();
	char *diff = NULL;
	size_t size;
	FILE *out = open_memstream(&diff, &size);

	json_object_object_add(value, "path", cli_json_text(step->path));
	json_object_object_add(value, "why", cli_json_text_or_null(step->why));
	if (out && setup_diff(out, step->path, file_before(step), file_after(step)) == 0)
		fflush(out);
	if (out)
		fclose(out);
	json_object_object_add(value, "diff", text_or_null(diff));
	free(diff);
	return value;
}

static struct json_object *hints_json(const struct setup_plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->num_hints; i++) {
		struct json_object *value = json_object_new_object();

		json_object_object_add(value, "kind", cli_json_text(hint_kinds[plan->hints[i].kind]));
		json_object_object_add(value, "place", cli_json_text_or_null(plan->hints[i].place));
		json_object_object_add(value, "text", text_or_null(plan->hints[i].text));
		json_object_array_add(list, value);
	}
	return list;
}

void setup_show_json(const struct setup_plan *plan, bool unfinished)
{
	struct json_object *value = json_object_new_object(), *files = json_object_new_array(), *commands = json_object_new_array();
	char buf[600];

	for (size_t i = 0; i < plan->steps.n; i++)
		if (plan->steps.list[i].kind == SETUP_FILE)
			json_object_array_add(files, file_json(&plan->steps.list[i]));
		else if (plan->steps.list[i].kind == SETUP_COMMAND)
			json_object_array_add(commands, cli_json_text(command_words(&plan->steps.list[i], buf)));
	json_object_object_add(value, "points", points_json(plan));
	json_object_object_add(value, "files", files);
	json_object_object_add(value, "commands", commands);
	json_object_object_add(value, "hints", hints_json(plan));
	json_object_object_add(value, "nothing", json_object_new_boolean(plan->steps.n == 0));
	json_object_object_add(value, "reboot", json_object_new_boolean(setup_plan_reboot(plan)));
	json_object_object_add(value, "unfinished", json_object_new_boolean(unfinished));
	cli_json_print(value);
}

/* ---- undoing ---- */

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void setup_show_undo(const struct setup_undos *undos)
{
	for (size_t i = 0; i < undos->n; i++) {
		const struct setup_undo *undo = &undos->list[i];

		if (!undo->edited) {
			if (!same(undo->now, undo->before))
				diff_text(undo->path, undo->now, undo->before);
			continue;
		}
		printf("%s was edited since. What pvebind setup changed:\n", undo->path);
		diff_text(undo->path, undo->before, undo->after);
		puts("What was changed after that:");
		diff_text(undo->path, undo->after, undo->now);
	}
}
