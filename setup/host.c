/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup: the whole plan; done, and undone. */
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

#define POINTS_MAX 8 /* as many as there are nouns, and the commands */

/* ---- the plan ---- */

static void host_plan(struct hostplan *h)
{
	/* To give devices back needs nothing else. */
	if (!h->wish->unreserve) {
		bootline_plan(h);
		modulelist_plan(h);
		initramfs_plan(h);
	}
	if (h->wish->reserve || h->wish->unreserve)
		reserve_plan(h);
	fights_plan(h);
	plan_commands_add(h);
}

int setup_host_plan(struct front *front, const struct setup_wish *wish, struct setup_plan *plan, struct pvb_err *err)
{
	struct hostplan h = { .front = front, .ctx = front->ctx, .wish = wish, .plan = plan, .err = err };
	int r;

	*plan = (struct setup_plan){ .points = calloc(POINTS_MAX, sizeof(*plan->points)) };
	if (!plan->points)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	r = hostplan_look(&h);
	if (r == 0) {
		host_plan(&h);
		r = plan->error;
		if (r < 0)
			pvb_err_set(err, r, "cannot make a plan: %s", strerror(-r));
		else
			r = plan_check(plan, err);
	}
	hostplan_clear(&h);
	return r;
}

void setup_plan_clear(struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->points[i].have);
		free(plan->points[i].want);
		free(plan->points[i].why);
		free(plan->points[i].refused);
	}
	for (size_t i = 0; i < plan->num_hints; i++)
		free(plan->hints[i].text);
	free(plan->points);
	free(plan->hints);
	setup_steps_clear(&plan->steps);
	*plan = (struct setup_plan){ .n = 0 };
}

const char *setup_plan_refusal(const struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->points[i].refused)
			return plan->points[i].refused;
	return NULL;
}

bool setup_plan_reboot(const struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->points[i].reboot && plan->points[i].want)
			return true;
	return false;
}

/* ---- what was done ---- */

/* The next name: numbers of four digits keep the order of names that of time. That of a backup which an undo has left, as its
 * file was edited, is not used again: it is all that is left of what was there. */
static int name_next(struct pvb_ctx *ctx, char name[PVB_NAME_MAX], struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	unsigned number = 0, one;
	int r = pvb_sysfs_list(ctx, SETUP_DIR_STATE, &names);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /" SETUP_DIR_STATE ": %s", strerror(-r));
	for (size_t i = 0; names[i]; i++)
		if (sscanf(names[i], SETUP_HOST_CHANGE "%u", &one) == 1 && one > number)
			number = one;
	if (number >= 9999)
		return pvb_err_set(err, -E2BIG, "setup has changed this host 9999 times: 'pvebind setup --undo' first");
	snprintf(name, PVB_NAME_MAX, SETUP_HOST_CHANGE "%04u", number + 1);
	return 0;
}

bool setup_plan_changes(const struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->steps.n; i++)
		if (plan->steps.list[i].kind != SETUP_COMMAND || plan->steps.list[i].runs)
			return true;
	return false;
}

int setup_host_apply(struct front *front, const struct setup_plan *plan, struct pvb_err *err)
{
	char name[PVB_NAME_MAX];
	int r;

	if (setup_plan_refusal(plan))
		return pvb_err_set(err, -EINVAL, "%s", setup_plan_refusal(plan));
	if (!setup_plan_changes(plan))
		return 0;
	r = name_next(front->ctx, name, err);
	return r < 0 ? r : setup_change_apply(front->ctx, name, &plan->steps, err);
}

bool setup_host_unfinished(struct front *front)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err ignored;
	bool unfinished = false;

	if (setup_record_names(front->ctx, SETUP_HOST_CHANGE, &names, &ignored) < 0)
		return false;
	for (size_t i = 0; names[i]; i++) {
		struct setup_record record;

		unfinished |= setup_record_read(front->ctx, names[i], &record, &ignored) == 0 && !record.whole;
		setup_record_clear(&record);
	}
	return unfinished;
}

/* ---- looking back ---- */

static const char *step_text(const struct setup_step *step, bool after)
{
	return !strcmp(step->name, after ? SETUP_GONE : SETUP_NEW) ? NULL : after ? step->after : step->before;
}

static bool texts_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static int text_keep(char **to, const char *text)
{
	free(*to);
	*to = text ? strdup(text) : NULL;
	return text && !*to ? -ENOMEM : 0;
}

static struct setup_undo *undo_find(struct setup_undos *undos, const char *path)
{
	for (size_t i = 0; i < undos->n; i++)
		if (!strcmp(undos->list[i].path, path))
			return &undos->list[i];
	return NULL;
}

/* The file as this change found and left it. */
static int undo_follow(struct setup_undo *undo, const struct setup_step *step, struct pvb_err *err)
{
	undo->known |= texts_same(undo->now, step_text(step, false)) || texts_same(undo->now, step_text(step, true));
	return text_keep(&undo->after, step_text(step, true)) < 0 ? pvb_err_set(err, -ENOMEM, "out of memory") : 0;
}

static int undo_add(struct pvb_ctx *ctx, struct setup_undos *undos, const struct setup_step *step, struct pvb_err *err)
{
	struct setup_undo *more = reallocarray(undos->list, undos->n + 1, sizeof(*more));
	size_t size;
	int r;

	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	undos->list = more;
	more += undos->n;
	*more = (struct setup_undo){ .path = strdup(step->path) };
	undos->n += more->path != NULL;
	if (!more->path || text_keep(&more->before, step_text(step, false)) < 0)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	r = setup_text_read(ctx, step->path, &more->now, &size, err);
	return r < 0 ? r : undo_follow(more, step, err);
}

/* Each change begins where the one before ended, or somebody was there in between. One that did not come to its end, or was
 * taken back half, leaves the file as any of them found or left it. */
static int undo_see(struct pvb_ctx *ctx, struct setup_undos *undos, const struct setup_step *step, struct pvb_err *err)
{
	struct setup_undo *undo = undo_find(undos, step->path);

	if (!undo)
		return undo_add(ctx, undos, step, err);
	undo->edited |= !texts_same(undo->after, step_text(step, false));
	return undo_follow(undo, step, err);
}

static int record_see(struct front *front, const char *name, bool unfinished, struct setup_undos *undos, struct pvb_err *err)
{
	struct setup_record record;
	int r = setup_record_read(front->ctx, name, &record, err);

	for (size_t i = 0; r == 0 && !(unfinished && record.whole) && i < record.steps.n; i++) {
		undos->any |= record.steps.list[i].done;
		if (record.steps.list[i].done && record.steps.list[i].kind == SETUP_FILE)
			r = undo_see(front->ctx, undos, &record.steps.list[i], err);
	}
	setup_record_clear(&record);
	return r;
}

int setup_host_look_back(struct front *front, bool unfinished, struct setup_undos *undos, struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	int r;

	*undos = (struct setup_undos){ .n = 0 };
	r = setup_record_names(front->ctx, SETUP_HOST_CHANGE, &names, err);
	for (size_t i = 0; r == 0 && names[i]; i++)
		r = record_see(front, names[i], unfinished, undos, err);
	for (size_t i = 0; r == 0 && i < undos->n; i++) {
		struct setup_undo *undo = &undos->list[i];

		/* As before: somebody has taken it back by hand, which is well. */
		undo->edited = !texts_same(undo->now, undo->before) && (undo->edited || !undo->known);
		undos->edited |= undo->edited;
	}
	return r;
}

void setup_undos_clear(struct setup_undos *undos)
{
	for (size_t i = 0; i < undos->n; i++) {
		free(undos->list[i].path);
		free(undos->list[i].before);
		free(undos->list[i].after);
		free(undos->list[i].now);
	}
	free(undos->list);
	*undos = (struct setup_undos){ .n = 0 };
}

int setup_host_undo(struct front *front, bool keep_edited, struct pvb_err *err)
{
	struct setup_undos undos;
	int r = setup_host_look_back(front, false, &undos, err);

	if (r == 0 && undos.edited && !keep_edited)
		r = pvb_err_set(err, -ESTALE,
				"files were edited since: make them by hand as they are to be, then 'pvebind setup --undo --keep-edited' undoes the rest and leaves those as they are");
	setup_undos_clear(&undos);
	return r < 0 ? r : setup_changes_undo(front->ctx, SETUP_HOST_CHANGE, err);
}

int setup_host_recover(struct front *front, struct pvb_err *err)
{
	struct setup_undos undos;
	int r = setup_host_look_back(front, true, &undos, err);

	if (r == 0 && undos.edited)
		r = pvb_err_set(err, -ESTALE,
				"an earlier 'pvebind setup' did not come to its end, and files of it were edited since: make them by hand as they were before or after it (shown above) and try again, or undo all that pvebind setup ever did here but for those files: 'pvebind setup --undo --keep-edited'");
	setup_undos_clear(&undos);
	return r < 0 ? r : setup_changes_recover(front->ctx, SETUP_HOST_CHANGE, err);
}
