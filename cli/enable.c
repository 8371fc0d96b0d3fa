/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind enable, disable: a VM's hookscript, set and put back. */
#include <string.h>

#include "cli.h"
#include "../setup/setup.h"

static const char *words(const struct setup_step *step, bool undo, char buf[600])
{
	return setup_step_words(step, undo, buf, 600);
}

/* ---- what would be done ---- */

static void step_text(const struct setup_step *step, unsigned number)
{
	char buf[600];

	printf("  %u. %s: %s\n", number, words(step, false, buf), step->why);
	if (step->kind != SETUP_BLOCK)
		return;
	for (const char *line = step->after + strspn(step->after, "\n"); *line; line += strspn(line, "\n")) {
		printf("       + %.*s\n", (int)strcspn(line, "\n"), line);
		line += strcspn(line, "\n");
	}
}

static void steps_text(const struct setup_steps *steps, unsigned *number)
{
	for (size_t i = 0; i < steps->n; i++)
		step_text(&steps->list[i], ++*number);
}

static void step_json_add(struct json_object *list, const struct setup_step *step, bool undo)
{
	struct json_object *value = json_object_new_object();
	char buf[600];

	json_object_object_add(value, "kind", cli_json_text(setup_kind_name(step->kind)));
	json_object_object_add(value, "path", cli_json_text_or_null(step->path));
	json_object_object_add(value, "before", cli_json_text_or_null(undo ? step->after : step->before));
	json_object_object_add(value, "after", cli_json_text_or_null(undo ? step->before : step->after));
	json_object_object_add(value, "text", cli_json_text(words(step, undo, buf)));
	if (!undo)
		json_object_object_add(value, "why", cli_json_text_or_null(step->why));
	json_object_array_add(list, value);
}

static void steps_json_add(struct json_object *list, const struct setup_steps *steps)
{
	for (size_t i = 0; i < steps->n; i++)
		step_json_add(list, &steps->list[i], false);
}

/* {"vm", "volume", "steps": [{"kind", "path", "before", "after", "text", "why"}]} */
static void plan_json(const struct cli *cli, const struct setup_enable *plan)
{
	struct json_object *value = json_object_new_object(), *list = json_object_new_array();

	steps_json_add(list, &plan->snippet);
	steps_json_add(list, &plan->vm);
	json_object_object_add(value, "vm", json_object_new_int64(cli->vmid));
	json_object_object_add(value, "volume", cli_json_text(plan->volume));
	json_object_object_add(value, "steps", list);
	cli_json_print(value);
}

static enum front_status plan_show(const struct cli *cli, const struct setup_enable *plan)
{
	unsigned number = 0;

	if (cli->json) {
		plan_json(cli, plan);
		return FRONT_DONE;
	}
	printf("VM %u, %s:\n", cli->vmid, plan->volume);
	steps_text(&plan->snippet, &number);
	steps_text(&plan->vm, &number);
	if (!number)
		puts("  nothing: it is enabled already");
	return FRONT_DONE;
}

/* ---- enable ---- */

static enum front_status plan_apply(struct cli *cli, struct setup_enable *plan, struct pvb_err *err)
{
	bool nothing = plan->snippet.n + plan->vm.n == 0;

	if (!nothing && setup_enable_apply(&cli->front, plan, err) < 0)
		return front_fail(&cli->front, err, FRONT_REFUSED);
	pvb_log(cli->front.ctx, PVB_NOTICE,
		nothing ? "VM %u is enabled already: nothing to do" : "VM %u gets its devices at its next start: 'pvebind check %u' looks for what is in the way",
		cli->vmid, cli->vmid);
	return FRONT_DONE;
}

/* Before anything else: what an earlier one has left half done. A look changes nothing. */
static int changing_begin(struct cli *cli, int *lock, struct pvb_err *err)
{
	*lock = -1;
	if (cli->dry_run)
		return 0;
	*lock = setup_lock(cli->front.ctx, err);
	return *lock < 0 ? *lock : setup_enable_recover(&cli->front, err);
}

static enum front_status enable_run(struct cli *cli)
{
	struct setup_enable plan = { .snippet = { .n = 0 } };
	enum front_status status;
	_conf_close_ int lock = -1;
	struct pvb_err err;

	if (changing_begin(cli, &lock, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	if (setup_enable_plan(&cli->front, cli->vmid, cli->sets, cli->num_sets, &plan, &err) < 0)
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	else
		status = cli->dry_run ? plan_show(cli, &plan) : plan_apply(cli, &plan, &err);
	setup_enable_clear(&plan);
	return status;
}

static const struct argp_option enable_options[] = {
	{ "set", CLI_KEY_SET, "KEY=VALUE", 0, "Also put this into the VM's section of pvebind.ini; may be repeated", 0 },
	CLI_OPTION_DRY_RUN,
	CLI_OPTION_DRY_JSON,
	CLI_OPTIONS_END,
};

const struct cli_command cli_enable = {
	.name = "enable",
	.summary = "make Proxmox VE call pvebind when a VM starts and stops",
	.text = "Links the hook into a storage of this node's own, lets that have snippets, and sets the VM's hookscript; one that is "
		"set already is called by pvebind from then on (next-hookscript). pvebind disable takes exactly that back.",
	.operand = CLI_VMID,
	.changes = true,
	.options = enable_options,
	.run = enable_run,
};

/* ---- disable ---- */

/* What of a change would be taken back, the last first. list: into it, else for people. *key: the VM's hookscript is of it. */
static int undo_show(const struct cli *cli, const char *change, struct json_object *list, unsigned *number, bool *key,
		     struct pvb_err *err)
{
	struct setup_record record;
	char buf[600];
	int r = setup_record_read(cli->front.ctx, change, &record, err);

	for (size_t i = r == 0 ? record.steps.n : 0; i-- > 0;) {
		const struct setup_step *step = &record.steps.list[i];

		if (!step->done)
			continue;
		++*number;
		*key = *key || step->kind == SETUP_VM_KEY;
		if (list)
			step_json_add(list, step, true);
		else
			printf("  %u. %s\n", *number, words(step, true, buf));
	}
	setup_record_clear(&record);
	return r == -ENOENT ? 0 : r;
}

/* {"vm", "steps": [{"kind", "path", "before", "after", "text"}]} */
static enum front_status disable_show(struct cli *cli)
{
	struct json_object *list = cli->json ? json_object_new_array() : NULL, *value;
	char name[PVB_NAME_MAX];
	struct pvb_err err;
	unsigned number = 0;
	bool key = false;
	int r;

	snprintf(name, sizeof(name), "enable-%u", cli->vmid);
	if (!list)
		printf("VM %u:\n", cli->vmid);
	r = undo_show(cli, name, list, &number, &key, &err);
	if (r == 0 && number && setup_snippet_goes(&cli->front, cli->vmid, key))
		r = undo_show(cli, SETUP_SNIPPET_CHANGE, list, &number, &key, &err);
	if (r < 0) {
		json_object_put(list);
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	}
	if (!list) {
		if (!number)
			puts("  nothing: it was not enabled by pvebind enable");
		return FRONT_DONE;
	}
	value = json_object_new_object();
	json_object_object_add(value, "vm", json_object_new_int64(cli->vmid));
	json_object_object_add(value, "steps", list);
	cli_json_print(value);
	return FRONT_DONE;
}

static enum front_status disable_run(struct cli *cli)
{
	_conf_close_ int lock = -1;
	struct pvb_err err;

	if (cli->dry_run)
		return disable_show(cli);
	if (changing_begin(cli, &lock, &err) < 0 || setup_disable(&cli->front, cli->vmid, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	pvb_log(cli->front.ctx, PVB_NOTICE, "VM %u is as it was before 'pvebind enable %u'", cli->vmid, cli->vmid);
	return FRONT_DONE;
}

static const struct argp_option disable_options[] = { CLI_OPTION_DRY_RUN, CLI_OPTION_DRY_JSON, CLI_OPTIONS_END };

const struct cli_command cli_disable = {
	.name = "disable",
	.summary = "take back what pvebind enable did for a VM",
	.text = "What was changed by hand since is left as it is, and named.",
	.operand = CLI_VMID,
	.changes = true,
	.options = disable_options,
	.run = disable_run,
};
