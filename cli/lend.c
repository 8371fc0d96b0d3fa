/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind lend: as the hook does before a VM's start. */
#include "cli.h"

static enum front_status lend_run(struct cli *cli)
{
	struct pvb_err err;

	if (cli->dry_run)
		return cli_plan_show(cli);
	if (front_catch_signals(&cli->front, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	return front_lend(&cli->front, cli->vmid);
}

static const struct argp_option options[] = { CLI_OPTION_DRY_RUN, CLI_OPTION_DRY_JSON, CLI_OPTIONS_END };

const struct cli_command cli_lend = {
	.name = "lend",
	.summary = "lend a VM its devices, as its start does",
	.text = "With --dry-run the same as pvebind plan. Ctrl-C undoes what was done.",
	.operand = CLI_VMID,
	.changes = true,
	.options = options,
	.run = lend_run,
};
