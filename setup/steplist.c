/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of steps. */
#include <string.h>

#include "setup.h"

static char *text_copy(const char *text)
{
	return strdup(text ? text : "");
}

static void text_free(const char *text)
{
	free((char *)(uintptr_t)text);
}

int setup_step_add(struct setup_steps *steps, const struct setup_step *step, struct pvb_err *err)
{
	struct setup_step *more = realloc(steps->list, (steps->n + 1) * sizeof(*more)), *to;

	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	steps->list = more;
	to = &more[steps->n++];
	*to = (struct setup_step){
		.kind = step->kind, .vmid = step->vmid, .done = step->done, .runs = step->runs,
		.path = text_copy(step->path), .name = text_copy(step->name), .before = text_copy(step->before),
		.after = text_copy(step->after), .why = text_copy(step->why), .said = text_copy(step->said),
	};
	if (to->path && to->name && to->before && to->after && to->why && to->said)
		return 0;
	return pvb_err_set(err, -ENOMEM, "out of memory");
}

void setup_steps_clear(struct setup_steps *steps)
{
	for (size_t i = 0; i < steps->n; i++) {
		text_free(steps->list[i].path);
		text_free(steps->list[i].name);
		text_free(steps->list[i].before);
		text_free(steps->list[i].after);
		text_free(steps->list[i].why);
		text_free(steps->list[i].said);
	}
	free(steps->list);
	*steps = (struct setup_steps){ .n = 0 };
}
