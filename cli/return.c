/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind return: bring home what is lent to a VM. */
#include "cli.h"

/* {"vmid", "running_pid", "way_home": cli_way_json() or null} */
static void way_json(const struct cli *cli, const struct cli_way *way, int pid)
{
	struct json_object *value = json_object_new_object();

	json_object_object_add(value, "vmid", json_object_new_int64(cli->vmid));
	json_object_object_add(value, "running_pid", pid ? json_object_new_int(pid) : NULL);
	json_object_object_add(value, "way_home", way->plan ? cli_way_json(way) : NULL);
	cli_json_print(value);
}

static enum front_status way_show(struct cli *cli, const struct cli_way *way)
{
	int pid = conf_vmstate_pid(cli->front.ctx, cli->vmid);

	if (cli->json)
		way_json(cli, way, pid);
	else if (way->plan)
		cli_way_text(way, stdout);
	else
		printf("VM %u: nothing is lent, nothing to take back\n", cli->vmid);
	if (!pid)
		return FRONT_DONE;
	pvb_log(cli->front.ctx, PVB_ERROR, "VM %u is running, nothing would be taken back: stop it first", cli->vmid);
	return FRONT_REFUSED;
}

static enum front_status dry_run(struct cli *cli)
{
	struct pvb_err err = { .code = 0 };
	enum front_status status;
	struct cli_way way;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", cli->vmid);
	r = cli_way_find(cli, name, &way, &err);
	if (r < 0 && r != -ENOENT)
		status = front_fail(&cli->front, &err, FRONT_ATTENTION);
	else
		status = way_show(cli, &way);
	cli_way_clear(&way);
	return status;
}

static enum front_status return_run(struct cli *cli)
{
	struct pvb_err err;

	if (cli->dry_run)
		return dry_run(cli);
	if (front_catch_signals(&cli->front, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	return front_return(&cli->front, cli->vmid, false);
}

static const struct argp_option options[] = { CLI_OPTION_DRY_RUN, CLI_OPTION_DRY_JSON, CLI_OPTIONS_END };

const struct cli_command cli_return = {
	.name = "return",
	.summary = "bring home what is lent to a VM, as its stop does",
	.text = "Needs neither the VM's config nor pvebind.ini. Brings home what on-stop = keep left on vfio too. Refuses while the VM runs.",
	.operand = CLI_VMID,
	.changes = true,
	.options = options,
	.run = return_run,
};
