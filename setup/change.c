/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes: done, taken back, finished after a crash. */
#include <string.h>
#include <time.h>

#include "setup.h"

static void step_say(struct pvb_ctx *ctx, const struct setup_step *step, bool undo)
{
	char words[600];

	pvb_log(ctx, PVB_INFO, "%s", setup_step_words(step, undo, words, sizeof(words)));
}

/* Whether one is left that may have had its effect. */
static int step_take_back(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	char seen[512] = "", words[600];
	enum setup_state state;
	int r = setup_step_look(ctx, step, &state, seen, sizeof(seen), err);

	if (step->kind == SETUP_BLOCK)
		setup_part_remove(ctx, step->path);
	if (r < 0 || state == SETUP_BEFORE)
		return r;
	setup_step_words(step, true, words, sizeof(words));
	if (state == SETUP_OTHER) {
		pvb_log(ctx, PVB_WARNING, "not done: %s, as it was changed since (%s)", words, seen);
		return 0;
	}
	r = setup_step_undo(ctx, step, err);
	if (r == 0)
		step_say(ctx, step, true);
	return r;
}

/* In reverse order. What fails does not keep the rest from being taken back. */
static int record_take_back(struct pvb_ctx *ctx, struct setup_record *record, struct pvb_err *err)
{
	struct pvb_err first = { .code = 0 };
	int r;

	record->whole = false;
	r = setup_record_write(ctx, record, err);
	if (r < 0)
		return r;
	for (size_t i = record->steps.n; i-- > 0;) {
		struct pvb_err one;

		if (!record->steps.list[i].done)
			continue;
		if (step_take_back(ctx, &record->steps.list[i], &one) < 0 && !first.code)
			first = one;
	}
	if (first.code) {
		*err = first;
		return first.code;
	}
	return setup_record_remove(ctx, record->name, err);
}

static int step_apply(struct pvb_ctx *ctx, struct setup_record *record, size_t i, struct pvb_err *err)
{
	struct setup_step *step = &record->steps.list[i];
	char seen[512] = "", words[600];
	enum setup_state state;
	int r = setup_step_look(ctx, step, &state, seen, sizeof(seen), err);

	if (r < 0 || state == SETUP_AFTER)
		return r;
	if (state == SETUP_OTHER)
		return pvb_err_set(err, -ESTALE, "cannot %s: it was changed meanwhile (%s)",
				   setup_step_words(step, false, words, sizeof(words)), seen);
	step->done = true;
	r = setup_record_write(ctx, record, err);
	if (r == 0)
		r = setup_step_do(ctx, step, err);
	if (r == 0)
		step_say(ctx, step, false);
	return r;
}

/* The failure is what is told; that something is left is told beside it. */
static int apply_fail(struct pvb_ctx *ctx, struct setup_record *record, struct pvb_err *err)
{
	struct pvb_err left;

	if (record_take_back(ctx, record, &left) == 0)
		return err->code;
	pvb_log(ctx, PVB_ERROR, "%s", err->text);
	return pvb_err_set(err, -PVB_EATTENTION,
			   "it could not be undone: %s; mend that, and run the same command again", left.text);
}

int setup_change_apply(struct pvb_ctx *ctx, const char *name, const struct setup_steps *steps, struct pvb_err *err)
{
	struct setup_record record = { .since = time(NULL) };
	int r = 0;

	conf_copy(record.name, sizeof(record.name), name);
	for (size_t i = 0; r == 0 && i < steps->n; i++)
		r = setup_step_add(&record.steps, &steps->list[i], err);
	if (r == 0 && steps->n) {
		for (size_t i = 0; r == 0 && i < record.steps.n; i++)
			r = step_apply(ctx, &record, i, err);
		record.whole = r == 0;
		if (r == 0)
			r = setup_record_write(ctx, &record, err);
		if (r < 0)
			r = apply_fail(ctx, &record, err);
	}
	setup_record_clear(&record);
	return r;
}

int setup_change_undo(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	struct setup_record record;
	int r = setup_record_read(ctx, name, &record, err);

	if (r == 0)
		r = record_take_back(ctx, &record, err);
	setup_record_clear(&record);
	return r;
}

int setup_change_recover(struct pvb_ctx *ctx, struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	int r = setup_record_names(ctx, &names);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /" SETUP_DIR_STATE ": %s", strerror(-r));
	for (char **name = names; r == 0 && *name; name++) {
		struct setup_record record;

		r = setup_record_read(ctx, *name, &record, err);
		if (r == 0 && !record.whole) {
			pvb_log(ctx, PVB_NOTICE, "taking back '%s', which did not come to its end", *name);
			r = record_take_back(ctx, &record, err);
		}
		setup_record_clear(&record);
	}
	return r;
}
