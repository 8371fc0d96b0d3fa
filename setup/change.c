/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes: done, taken back, finished after a crash. */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "setup.h"

static void step_say(struct pvb_ctx *ctx, const struct setup_step *step, bool undo)
{
	char words[600];

	/* A command tells of itself, before it runs. */
	if (step->kind != SETUP_COMMAND)
		pvb_log(ctx, PVB_INFO, "%s", setup_step_words(step, undo, words, sizeof(words)));
}

/* ---- taking back ---- */

/* Of a file that stays as it was found: then it is all that is left of what was there. */
static void backup_tell(struct pvb_ctx *ctx, const struct setup_record *record, const struct setup_step *step)
{
	char path[PATH_MAX];

	if (step->kind == SETUP_FILE && pvb_sysfs_exists(ctx, setup_backup_path(record, step, path)))
		pvb_log(ctx, PVB_NOTICE, "what %s was before is in %s", step->path, path);
}

static int backup_remove(struct pvb_ctx *ctx, const struct setup_record *record, const struct setup_step *step,
			 struct pvb_err *err)
{
	char path[PATH_MAX];

	return step->kind == SETUP_FILE ? setup_remove(ctx, setup_backup_path(record, step, path), err) : 0;
}

/* What somebody edited since is not ours to overwrite. Who takes back later has looked at the files first, and knows; who
 * fails in the middle has not, and keeps the record. Settings of Proxmox VE's (other kinds) are changed by many. */
static int edited_leave(struct pvb_ctx *ctx, const struct setup_record *record, const struct setup_step *step, bool keep_edited,
			const char *seen, struct pvb_err *err)
{
	char words[600];

	setup_step_words(step, true, words, sizeof(words));
	if (step->kind == SETUP_FILE && !keep_edited)
		return pvb_err_set(err, -ESTALE, "cannot %s, as it was changed since (%s)", words, seen);
	pvb_log(ctx, PVB_WARNING, "not done: %s, as it was changed since (%s)", words, seen);
	backup_tell(ctx, record, step);
	return 0;
}

static int step_take_back(struct pvb_ctx *ctx, const struct setup_record *record, const struct setup_step *step, bool keep_edited,
			  struct pvb_err *err)
{
	char seen[512] = "";
	enum setup_state state;
	int r = setup_step_look(ctx, step, &state, seen, sizeof(seen), err);

	if (step->kind == SETUP_BLOCK || step->kind == SETUP_FILE)
		setup_part_remove(ctx, step->path);
	if (r < 0)
		return r;
	if (state == SETUP_OTHER)
		return edited_leave(ctx, record, step, keep_edited, seen, err);
	if (state == SETUP_AFTER) {
		r = setup_step_undo(ctx, step, err);
		if (r == 0)
			step_say(ctx, step, true);
	}
	return r < 0 ? r : backup_remove(ctx, record, step, err);
}

static bool same_command(const struct setup_step *a, const struct setup_step *b)
{
	return a->kind == SETUP_COMMAND && b->kind == SETUP_COMMAND && !strcmp(a->path, b->path) && !strcmp(a->name, b->name);
}

static bool files_done(const struct setup_record *record)
{
	for (size_t i = 0; i < record->steps.n; i++)
		if (record->steps.list[i].done && record->steps.list[i].kind == SETUP_FILE)
			return true;
	return false;
}

/* An earlier change is going to be taken back too, and runs it then, if it has files: it need not run for both. */
static bool runs_later(struct pvb_ctx *ctx, const struct setup_record *record, const struct setup_step *step)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err ignored;
	bool later = false;

	if (setup_record_names(ctx, "", &names, &ignored) < 0)
		return false;
	for (char **name = names; !later && *name && strcmp(*name, record->name) < 0; name++) {
		struct setup_record other;

		if (setup_record_read(ctx, *name, &other, &ignored) == 0 && !other.whole && files_done(&other))
			for (size_t i = 0; i < other.steps.n; i++)
				later |= other.steps.list[i].done && same_command(&other.steps.list[i], step);
		setup_record_clear(&other);
	}
	return later;
}

/* What failed first is what is told. */
static void first_keep(struct pvb_err *first, const struct pvb_err *one)
{
	if (!first->code)
		*first = *one;
}

/* The commands come behind the files, in their own order, each whatever became of the others; without files, there is
 * nothing else to make of them. -ENOENT: some were not there any more, and the rest is done. */
static int commands_take_back(struct pvb_ctx *ctx, const struct setup_record *record, struct pvb_err *err)
{
	struct pvb_err failed = { .code = 0 }, gone = { .code = 0 }, one;

	for (size_t i = 0; files_done(record) && i < record->steps.n; i++) {
		const struct setup_step *step = &record->steps.list[i];

		if (step->kind == SETUP_COMMAND && step->done && !runs_later(ctx, record, step) && setup_step_undo(ctx, step, &one) < 0)
			first_keep(one.code == -ENOENT ? &gone : &failed, &one);
	}
	if (failed.code || gone.code)
		*err = failed.code ? failed : gone;
	return failed.code ? failed.code : gone.code;
}

static int files_take_back(struct pvb_ctx *ctx, const struct setup_record *record, bool keep_edited, struct pvb_err *err)
{
	struct pvb_err first = { .code = 0 }, one;

	for (size_t i = record->steps.n; i-- > 0;) {
		const struct setup_step *step = &record->steps.list[i];

		if (step->done && step->kind != SETUP_COMMAND && step_take_back(ctx, record, step, keep_edited, &one) < 0)
			first_keep(&first, &one);
	}
	if (first.code)
		*err = first;
	return first.code;
}

/* Whoever comes next is to end what is begun here. A full disk must not keep anything from being taken back, which may be
 * what makes room; a record that still says "whole" then only wants the user's own second try. */
static int record_begin_end(struct pvb_ctx *ctx, struct setup_record *record, struct pvb_err *err)
{
	int r;

	if (!record->whole)
		return 0;
	record->whole = false;
	r = setup_record_write(ctx, record, err);
	return r == -ENOSPC || r == -EDQUOT ? 0 : r;
}

/* In reverse order. What fails does not keep the rest from being taken back. A record that is not all taken back stays;
 * but what a program did that is not there any more never will be, and is only told. */
static int record_undo(struct pvb_ctx *ctx, struct setup_record *record, bool keep_edited, struct pvb_err *err)
{
	struct pvb_err one;
	int r = record_begin_end(ctx, record, err), gone;

	if (r < 0)
		return r;
	if (files_take_back(ctx, record, keep_edited, &one) < 0)
		return pvb_err_set(err, -PVB_EATTENTION, "%s; mend that, and run the same command again", one.text);
	gone = commands_take_back(ctx, record, &one);
	if (gone < 0 && gone != -ENOENT)
		return pvb_err_set(err, -PVB_EATTENTION, "%s; the files are as before, but not what it makes of them: mend that, and run the same command again",
				   one.text);
	r = setup_record_remove(ctx, record->name, err);
	if (r < 0 || !gone)
		return r;
	return pvb_err_set(err, -PVB_EATTENTION, "%s any more: the files are as before, but what it made of them stays as it was, unless you see to it",
			   one.text);
}

/* Who has given up is not to give up giving up; and a signal must not cut off a program that works on the boot loader. What
 * came meanwhile is heeded afterwards, as it would have been before. */
static int record_take_back(struct pvb_ctx *ctx, struct setup_record *record, bool keep_edited, struct pvb_err *err)
{
	sigset_t stop, before;
	int r;

	pvb_ctx_set_cancel_fd(ctx, -1);
	sigemptyset(&stop);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, &before);
	r = record_undo(ctx, record, keep_edited, err);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* ---- doing ---- */

static int backup_write(struct pvb_ctx *ctx, const struct setup_record *record, const struct setup_step *step,
			struct pvb_err *err)
{
	char path[PATH_MAX];

	if (step->kind != SETUP_FILE || !strcmp(step->name, SETUP_NEW))
		return 0;
	return setup_private_write(ctx, setup_backup_path(record, step, path), step->before, strlen(step->before), err);
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
		r = backup_write(ctx, record, step, err);
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

	if (record_take_back(ctx, record, false, &left) == 0)
		return err->code;
	pvb_log(ctx, PVB_ERROR, "%s", err->text);
	return pvb_err_set(err, -PVB_EATTENTION, "it could not be undone: %s", left.text);
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

/* ---- what was done before ---- */

int setup_change_undo(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	struct setup_record record;
	int r = setup_record_read(ctx, name, &record, err);

	if (r == 0)
		r = record_take_back(ctx, &record, true, err);
	setup_record_clear(&record);
	return r;
}

static int record_doom(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	struct setup_record record;
	int r = setup_record_read(ctx, name, &record, err);

	if (r == 0)
		r = record_begin_end(ctx, &record, err);
	setup_record_clear(&record);
	return r;
}

int setup_changes_undo(struct pvb_ctx *ctx, const char *prefix, struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err first = { .code = 0 }, one;
	size_t n = 0;
	int r = setup_record_names(ctx, prefix, &names, err);

	if (r < 0)
		return r;
	for (; names[n]; n++) {
		r = record_doom(ctx, names[n], err);
		if (r < 0)
			return r;
	}
	if (!n)
		return pvb_err_set(err, -ENOENT, "nothing was done that could be undone");
	while (n-- > 0)
		if (setup_change_undo(ctx, names[n], &one) < 0)
			first_keep(&first, &one);
	if (first.code)
		*err = first;
	return first.code;
}

/* The last first: an earlier one's files are then as it left them. */
int setup_changes_recover(struct pvb_ctx *ctx, const char *prefix, struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	size_t n = 0;
	int r = setup_record_names(ctx, prefix, &names, err);

	while (r == 0 && names[n])
		n++;
	while (r == 0 && n-- > 0) {
		struct setup_record record;

		r = setup_record_read(ctx, names[n], &record, err);
		if (r == 0 && !record.whole) {
			pvb_log(ctx, PVB_NOTICE, "taking back '%s', which did not come to its end", names[n]);
			r = record_take_back(ctx, &record, true, err);
		}
		setup_record_clear(&record);
	}
	return r;
}
