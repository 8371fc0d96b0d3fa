/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would be done: operations, refusals, the way home. */
#include <string.h>
#include <time.h>

#include "cli.h"

const char *cli_time(int64_t seconds, char *buf, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, size, "an unknown time");
	return buf;
}

bool cli_needs_recovery(const struct pvb_lend *lend)
{
	return lend->unfinished || lend->other_boot || lend->state == PVB_FAILED;
}

/* ---- operations ---- */

/* Operations of one stage on different devices run at the same time. */
static bool op_together(const struct pvb_plan *plan, const struct pvb_op *op)
{
	for (size_t i = 0; i < pvb_plan_count(plan); i++)
		if (pvb_plan_get(plan, i)->stage == op->stage && pvb_plan_get(plan, i)->device != op->device)
			return true;
	return false;
}

static size_t stage_devices(const struct pvb_plan *plan, unsigned stage)
{
	size_t n = 0;

	for (size_t device = 0; device < pvb_plan_num_devices(plan); device++)
		for (size_t i = 0; i < pvb_plan_count(plan); i++)
			if (pvb_plan_get(plan, i)->stage == stage && pvb_plan_get(plan, i)->device == (int)device) {
				n++;
				break;
			}
	return n;
}

void cli_ops_text(const struct pvb_plan *plan, FILE *out)
{
	const struct pvb_op *before = NULL;
	char words[256];
	unsigned step = 0;

	for (size_t i = 0; i < pvb_plan_count(plan); i++) {
		const struct pvb_op *op = pvb_plan_get(plan, i);
		bool together = op_together(plan, op);

		if (together && (!before || before->stage != op->stage))
			fprintf(out, "  %u. %zu devices together:\n", ++step, stage_devices(plan, op->stage));
		pvb_op_describe(plan, op, words, sizeof(words));
		if (together)
			fprintf(out, "     %s\n", words);
		else
			fprintf(out, "  %u. %s\n", ++step, words);
		before = op;
	}
	if (!before)
		fputs("  nothing\n", out);
}

static struct json_object *op_json(const struct pvb_plan *plan, const struct pvb_op *op)
{
	struct json_object *value = json_object_new_object();
	const struct pvb_home *home = op->device < 0 ? NULL : pvb_plan_device(plan, (size_t)op->device);
	char words[256];

	json_object_object_add(value, "stage", json_object_new_int((int)op->stage));
	json_object_object_add(value, "kind", cli_json_text(pvb_op_name(op->kind)));
	json_object_object_add(value, "undo", json_object_new_boolean(op->undo));
	json_object_object_add(value, "device", home ? cli_json_addr(&home->addr) : NULL);
	json_object_object_add(value, "argument", cli_json_text_or_null(op->arg));
	json_object_object_add(value, "together", json_object_new_boolean(op_together(plan, op)));
	json_object_object_add(value, "text", cli_json_text(pvb_op_describe(plan, op, words, sizeof(words))));
	return value;
}

struct json_object *cli_ops_json(const struct pvb_plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < pvb_plan_count(plan); i++)
		json_object_array_add(list, op_json(plan, pvb_plan_get(plan, i)));
	return list;
}

/* ---- refusals ---- */

void cli_refusals_text(const struct pvb_refusals *refusals, FILE *out)
{
	struct cli_table table = { .columns = 2 };

	for (size_t i = 0; i < refusals->n; i++) {
		const struct pvb_refusal *refusal = &refusals->list[i];

		cli_table_add(&table, "%s", refusal->name);
		cli_table_add(&table, "%s%s", refusal->allowed ? "(allowed on purpose) " : "", refusal->text);
	}
	cli_table_print(&table, 2, out);
}

struct json_object *cli_refusals_json(const struct pvb_refusals *refusals)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < refusals->n; i++) {
		const struct pvb_refusal *refusal = &refusals->list[i];
		struct json_object *value = json_object_new_object();

		json_object_object_add(value, "name", cli_json_text(refusal->name));
		json_object_object_add(value, "device", refusal->has_addr ? cli_json_addr(&refusal->addr) : NULL);
		json_object_object_add(value, "allowed", json_object_new_boolean(refusal->allowed));
		json_object_object_add(value, "text", cli_json_text(refusal->text));
		json_object_array_add(list, value);
	}
	return list;
}

/* ---- the way home ---- */

int cli_way_find(struct cli *cli, const char *name, struct cli_way *way, struct pvb_err *err)
{
	int r;

	*way = (struct cli_way){ .plan = NULL };
	r = pvb_lend_read(cli->front.ctx, name, &way->lend, err);
	if (r < 0) {
		way->lend = (struct pvb_lend){ .num_devices = 0 };
		return r;
	}
	return pvb_plan_return(cli->front.ctx, name, &way->plan, err);
}

void cli_way_clear(struct cli_way *way)
{
	pvb_lend_clear(&way->lend);
	pvb_plan_free(way->plan);
	way->plan = NULL;
}

void cli_way_text(const struct cli_way *way, FILE *out)
{
	char since[32];

	fprintf(out, "%s: the way home (%s since %s):\n", way->lend.label, pvb_state_name(way->lend.state),
		cli_time(way->lend.since, since, sizeof(since)));
	if (way->lend.other_boot)
		fputs("  nothing: the host was booted since, so everything is home\n", out);
	else
		cli_ops_text(way->plan, out);
}

struct json_object *cli_way_json(const struct cli_way *way)
{
	struct json_object *value = json_object_new_object();

	json_object_object_add(value, "lend", cli_json_text(way->lend.name));
	json_object_object_add(value, "label", cli_json_text(way->lend.label));
	json_object_object_add(value, "state", cli_json_text(pvb_state_name(way->lend.state)));
	json_object_object_add(value, "unfinished", json_object_new_boolean(way->lend.unfinished));
	json_object_object_add(value, "other_boot", json_object_new_boolean(way->lend.other_boot));
	json_object_object_add(value, "since", json_object_new_int64(way->lend.since));
	json_object_object_add(value, "operations",
			       way->lend.other_boot ? json_object_new_array() : cli_ops_json(way->plan));
	return value;
}
