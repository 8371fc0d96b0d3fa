/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind recover: bring home what unfinished and failed lends have left. */
#include <string.h>

#include "cli.h"

/* The lend's way home to what is shown, if it needs one. -ENOENT: it is gone meanwhile. */
static int lend_show(struct cli *cli, const char *name, struct json_object *list, unsigned *shown, struct pvb_err *err)
{
	struct cli_way way;
	int r = cli_way_find(cli, name, &way, err);

	if (r == 0 && cli_needs_recovery(&way.lend)) {
		++*shown;
		if (list)
			json_object_array_add(list, cli_way_json(&way));
		else
			cli_way_text(&way, stdout);
	}
	cli_way_clear(&way);
	return r;
}

/* names: of the lends to look at. One that cannot be read does not hide the others. */
static enum front_status names_show(struct cli *cli, char *const *names)
{
	struct json_object *value = cli->json ? json_object_new_object() : NULL;
	struct json_object *list = cli->json ? json_object_new_array() : NULL;
	enum front_status status = FRONT_DONE;
	struct pvb_err err = { .code = 0 };
	unsigned shown = 0;

	for (char *const *name = names; *name; name++) {
		int r = lend_show(cli, *name, list, &shown, &err);

		if (r < 0 && r != -ENOENT)
			status = front_fail(&cli->front, &err, FRONT_ATTENTION);
	}
	/* {"lends": [cli_way_json()]} */
	if (value) {
		json_object_object_add(value, "lends", list);
		cli_json_print(value);
	} else if (!shown && status == FRONT_DONE) {
		puts("nothing to recover");
	}
	return status;
}

static enum front_status dry_run(struct cli *cli, char *name)
{
	char *one[] = { name, NULL }, **names = NULL;
	struct pvb_err err = { .code = 0 };
	enum front_status status;

	if (name)
		return names_show(cli, one);
	if (pvb_lend_names(cli->front.ctx, &names, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	status = names_show(cli, names);
	for (char **each = names; *each; each++)
		free(*each);
	free(names);
	return status;
}

static enum front_status recover_run(struct cli *cli)
{
	struct pvb_err err = { .code = 0 };
	unsigned recovered = 0;
	char name[16];

	snprintf(name, sizeof(name), "%u", cli->vmid);
	if (cli->dry_run)
		return dry_run(cli, cli->vmid ? name : NULL);
	if (front_catch_signals(&cli->front, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	cli->front.vmid = cli->vmid;
	/* What could not be recovered is not home. */
	if (pvb_recover(cli->front.ctx, cli->vmid ? name : NULL, &recovered, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_ATTENTION);
	if (recovered)
		pvb_log(cli->front.ctx, PVB_NOTICE, "%u lend%s recovered", recovered, recovered == 1 ? "" : "s");
	else
		pvb_log(cli->front.ctx, PVB_NOTICE, "nothing to recover");
	return FRONT_DONE;
}

static const struct argp_option options[] = { CLI_OPTION_DRY_RUN, CLI_OPTION_DRY_JSON, CLI_OPTIONS_END };

const struct cli_command cli_recover = {
	.name = "recover",
	.summary = "bring home what a dead or failed pvebind has left",
	.text = "Without a VMID: for all VMs. What is properly lent is left alone.",
	.operand = CLI_VMID_OPTIONAL,
	.changes = true,
	.options = options,
	.run = recover_run,
};
