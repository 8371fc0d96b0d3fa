/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup: the host prepared as the passthrough guide says: shown, done, undone. */
#include <string.h>

#include "setup.h"

static enum front_status usage(struct cli *cli, const char *text)
{
	struct pvb_err err;

	pvb_err_set(&err, -EINVAL, "%s", text);
	return front_fail(&cli->front, &err, FRONT_USAGE);
}

/* What makes no sense together; NULL: nothing. */
static const char *options_fault(const struct cli *cli)
{
	bool reserve = CLI_SETUP(cli, CLI_KEY_RESERVE), unreserve = CLI_SETUP(cli, CLI_KEY_UNRESERVE);
	bool undo = CLI_SETUP(cli, CLI_KEY_UNDO), rescue = CLI_SETUP(cli, CLI_KEY_RESCUE);

	if (cli->vmid && cli->setup)
		return "of a VM nothing is changed, only shown: pvebind setup VMID stands alone";
	if (undo && (CLI_SETUP(cli, CLI_KEY_APPLY) || reserve || unreserve || rescue || CLI_SETUP(cli, CLI_KEY_CLEAN)))
		return "--undo undoes all that pvebind setup did, and goes with --keep-edited alone";
	if (undo && cli->json)
		return "--json shows the plan, and does not go with --undo";
	if (CLI_SETUP(cli, CLI_KEY_KEEP_EDITED) && !undo)
		return "--keep-edited goes with --undo";
	if (reserve && unreserve)
		return "--reserve and --unreserve: one at a time";
	if (CLI_SETUP(cli, CLI_KEY_DISABLE_VGA) && !reserve)
		return "--disable-vga goes with --reserve";
	if (unreserve && (rescue || CLI_SETUP(cli, CLI_KEY_CLEAN)))
		return "--unreserve stands alone: do the rest with another pvebind setup";
	if (cli->num_operands && !reserve && !unreserve && !rescue)
		return "what is to be done with that device? --reserve, --unreserve or --rescue-framebuffer tells";
	return NULL;
}

/* ---- plan and do ---- */

/* On a terminal; elsewhere --yes must have said so. */
static bool confirmed(const struct cli *cli)
{
	char answer[16];

	if (CLI_SETUP(cli, CLI_KEY_YES))
		return true;
	if (!isatty(STDIN_FILENO)) {
		pvb_log(cli->front.ctx, PVB_ERROR, "nothing was done: there is no terminal to ask on, so say --yes as well");
		return false;
	}
	fputs("\nDo this? [y/N] ", stdout);
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y'))
		return true;
	pvb_log(cli->front.ctx, PVB_NOTICE, "nothing was done");
	return false;
}

static enum front_status refuse(struct cli *cli, const char *text)
{
	struct pvb_err err;

	pvb_err_set(&err, -EINVAL, "nothing was done: %s", text);
	return front_fail(&cli->front, &err, FRONT_REFUSED);
}

static enum front_status plan_apply(struct cli *cli, const struct setup_plan *plan)
{
	struct pvb_err err;

	if (setup_plan_refusal(plan))
		return refuse(cli, setup_plan_refusal(plan));
	if (!setup_plan_changes(plan)) {
		pvb_log(cli->front.ctx, PVB_NOTICE, plan->steps.n ? "nothing to do here: the commands are for the running system alone" :
			"nothing to do: the host is as it should be");
		return FRONT_DONE;
	}
	if (!confirmed(cli))
		return FRONT_REFUSED;
	if (front_catch_signals(&cli->front, &err) < 0 || setup_host_apply(&cli->front, plan, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	pvb_log(cli->front.ctx, PVB_NOTICE, setup_plan_reboot(plan) ? "done: reboot, then 'pvebind check' tells whether all is well" :
		"done; 'pvebind setup --undo' takes it back");
	return FRONT_DONE;
}

static void unfinished_tell(struct cli *cli)
{
	struct setup_undos undos;
	struct pvb_err err;
	bool edited = setup_host_look_back(&cli->front, true, &undos, &err) == 0 && undos.edited;

	setup_undos_clear(&undos);
	puts(edited ? "\nAn earlier pvebind setup did not come to its end, and files of it were edited since: the next --apply shows them, and refuses." :
	     "\nAn earlier pvebind setup did not come to its end: the next --apply takes it back first.");
}

static enum front_status plan_show(struct cli *cli, const struct setup_plan *plan)
{
	bool unfinished = setup_host_unfinished(&cli->front);

	if (cli->json) {
		setup_show_json(plan, unfinished);
		return setup_plan_refusal(plan) ? FRONT_REFUSED : FRONT_DONE;
	}
	setup_show_text(plan);
	if (unfinished)
		unfinished_tell(cli);
	if (setup_plan_refusal(plan))
		return FRONT_REFUSED;
	puts(plan->steps.n ? "\nNothing is changed yet: --apply does this, --undo takes it back." : "\nNothing to do.");
	return FRONT_DONE;
}

static enum front_status plan_run(struct cli *cli)
{
	struct setup_wish wish = {
		.clean = CLI_SETUP(cli, CLI_KEY_CLEAN), .rescue = CLI_SETUP(cli, CLI_KEY_RESCUE),
		.reserve = CLI_SETUP(cli, CLI_KEY_RESERVE), .unreserve = CLI_SETUP(cli, CLI_KEY_UNRESERVE),
		.disable_vga = CLI_SETUP(cli, CLI_KEY_DISABLE_VGA), .programs = CLI_SETUP(cli, CLI_KEY_PROGRAMS),
		.devices = cli->operands, .num_devices = cli->num_operands,
	};
	struct setup_plan plan;
	enum front_status status;
	struct pvb_err err;

	if (setup_host_plan(&cli->front, &wish, &plan, &err) < 0) {
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	} else if (cli->dry_run) {
		status = plan_show(cli, &plan);
	} else {
		setup_show_text(&plan);
		fflush(stdout);
		status = plan_apply(cli, &plan);
	}
	setup_plan_clear(&plan);
	return status;
}

/* ---- undo ---- */

static enum front_status undo_run(struct cli *cli)
{
	struct setup_undos undos;
	struct pvb_err err;
	int r = setup_host_look_back(&cli->front, false, &undos, &err);
	bool keep = CLI_SETUP(cli, CLI_KEY_KEEP_EDITED);

	if (r == 0 && (cli->dry_run || (undos.edited && !keep)))
		setup_show_undo(&undos);
	fflush(stdout);
	if (r == 0 && undos.any && !cli->dry_run) {
		r = setup_host_undo(&cli->front, keep, &err);
		if (r == 0)
			pvb_log(cli->front.ctx, PVB_NOTICE, "the host is as it was before 'pvebind setup%s", keep && undos.edited ? "', but for what was edited since" : "'; what counts at boot does so from the next one on");
	}
	if (r == 0 && !undos.any)
		pvb_log(cli->front.ctx, PVB_NOTICE, "nothing to undo: pvebind setup has changed nothing here");
	setup_undos_clear(&undos);
	return r < 0 ? front_fail(&cli->front, &err, FRONT_REFUSED) : FRONT_DONE;
}

/* Before anything else: what an earlier one has left half done. */
static int unfinished_end(struct cli *cli, struct pvb_err *err)
{
	struct setup_undos undos;
	struct pvb_err ignored;
	int r = setup_host_recover(&cli->front, err);

	if (r != -ESTALE)
		return r;
	if (setup_host_look_back(&cli->front, true, &undos, &ignored) == 0)
		setup_show_undo(&undos);
	fflush(stdout);
	setup_undos_clear(&undos);
	return r;
}

/* A look changes nothing; an undo takes back whatever was begun, too. */
static int changing_begin(struct cli *cli, int *lock, struct pvb_err *err)
{
	*lock = -1;
	if (cli->dry_run)
		return 0;
	*lock = setup_lock(cli->front.ctx, err);
	if (*lock < 0 || CLI_SETUP(cli, CLI_KEY_UNDO))
		return *lock < 0 ? *lock : 0;
	return unfinished_end(cli, err);
}

static enum front_status setup_run(struct cli *cli)
{
	_conf_close_ int lock = -1;
	struct pvb_err err;

	if (options_fault(cli))
		return usage(cli, options_fault(cli));
	if (cli->vmid)
		return cli_setup_vm(cli);
	if (changing_begin(cli, &lock, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	return CLI_SETUP(cli, CLI_KEY_UNDO) ? undo_run(cli) : plan_run(cli);
}

static const struct argp_option setup_options[] = {
	{ "apply", CLI_KEY_APPLY, NULL, 0, "Do it; without, nothing is changed", 0 },
	{ "yes", CLI_KEY_YES, NULL, 0, "With --apply: do not ask", 0 },
	{ "undo", CLI_KEY_UNDO, NULL, 0, "Put back all that it changed", 0 },
	{ "keep-edited", CLI_KEY_KEEP_EDITED, NULL, 0, "With --undo: leave files that were edited since as they are", 0 },
	{ "clean", CLI_KEY_CLEAN, NULL, 0, "Take out what is obsolete, too", 0 },
	{ "reserve", CLI_KEY_RESERVE, NULL, 0, "Have vfio-pci take the devices named at boot, for good", 0 },
	{ "unreserve", CLI_KEY_UNRESERVE, NULL, 0, "Give back the devices named, or all", 0 },
	{ "disable-vga", CLI_KEY_DISABLE_VGA, NULL, 0, "With --reserve: disable_vga=1", 0 },
	{ "rescue-framebuffer", CLI_KEY_RESCUE, NULL, 0, "Last resort: keep the host's console off the card", 0 },
	{ "programs", CLI_KEY_PROGRAMS, NULL, OPTION_HIDDEN, NULL, 0 }, /* with --root, for tests: run DIR's own programs */
	CLI_OPTION_DRY_RUN,
	{ "json", CLI_KEY_JSON, NULL, 0, "Print the plan as one JSON value", 0 },
	CLI_OPTIONS_END,
};

const struct cli_command cli_setup = {
	.name = "setup",
	.summary = "prepare boot and modules; undo it exactly",
	.text = "Shows what this host lacks of the passthrough guide's steps, with the difference of every file, and changes nothing. "
		"--apply does it, --undo puts it back to the byte. Pvebind lends devices at run time: --reserve is for those that the "
		"host must never have.",
	.operand = CLI_VMID_OR_ANY,
	.changes = true,
	.asks = true,
	.options = setup_options,
	.run = setup_run,
};
