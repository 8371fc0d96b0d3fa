/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hookscript: Proxmox VE calls it with a VM's number and a phase. */
#include <argp.h>
#include <string.h>

#include "../conf/front.h"

const char *argp_program_version = "pvebind-hook " PVB_VERSION;

enum { OPT_ROOT = 256, OPT_CONFIG };

struct arguments {
	struct front front;
	const char *vmid, *phase;
};

static enum front_status pre_start(struct front *front, unsigned vmid)
{
	struct pvb_err err;

	/* The web interface's "Stop" of the task: what was done is undone, then the hook ends. */
	if (front_catch_signals(front, &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	return front_lend(front, vmid);
}

static enum front_status post_start(struct front *front, unsigned vmid)
{
	struct pvb_err err;
	char name[16];

	snprintf(name, sizeof(name), "%u", vmid);
	if (pvb_lend_running(front->ctx, name, conf_vmstate_pid(front->ctx, vmid), &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	return FRONT_DONE;
}

/* The guest still has the devices, and the shutdown may yet fail. */
static enum front_status pre_stop(struct front *front, unsigned vmid)
{
	(void)front;
	(void)vmid;
	return FRONT_DONE;
}

static enum front_status post_stop(struct front *front, unsigned vmid)
{
	struct pvb_err err;

	if (front_catch_signals(front, &err) < 0)
		return front_fail(front, &err, FRONT_ATTENTION);
	return front_return(front, vmid, true);
}

static const struct {
	const char *name;
	enum front_status (*run)(struct front *front, unsigned vmid);
} phases[] = {
	{ "pre-start", pre_start },
	{ "post-start", post_start },
	{ "pre-stop", pre_stop },
	{ "post-stop", post_stop },
};

static enum front_status phase_run(struct front *front, unsigned vmid, const char *phase)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (!strcmp(phases[i].name, phase))
			return phases[i].run(front, vmid);
	/* A later Proxmox VE may have more of them; none of those can be ours to fail. */
	pvb_log(front->ctx, PVB_NOTICE, "VM %u: phase '%.40s' is not known to this version of pvebind, nothing done", vmid,
		phase);
	return FRONT_DONE;
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case OPT_ROOT:
		args->front.root = arg;
		return 0;
	case OPT_CONFIG:
		args->front.config = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			args->vmid = arg;
		else if (state->arg_num == 1)
			args->phase = arg;
		else
			argp_error(state, "too many arguments: VMID and PHASE are all");
		return 0;
	case ARGP_KEY_END:
		if (!args->phase)
			argp_error(state, "VMID and PHASE are missing: Proxmox VE gives both, see: qm set VMID --hookscript local:snippets/pvebind");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "root", OPT_ROOT, "DIR", 0, "Put DIR under everything read or written (for tests)", 0 },
	{ "config", OPT_CONFIG, "FILE", 0, "Read FILE instead of /etc/pve/pvebind.ini or /etc/pvebind/pvebind.ini", 0 },
	{ .name = NULL },
};

static const struct argp parser = {
	options, option_parse, "VMID PHASE",
	"Proxmox VE hookscript: lends a VM its PCI devices at pre-start and takes them back at post-stop."
	"\vExit status: 0 done or nothing to do, 1 refused or failed with the host as before, 2 usage, "
	"3 configuration error, 4 the host needs attention.",
	NULL, NULL, NULL,
};

int main(int argc, char **argv)
{
	struct arguments args = { .front = { .root = "/", .out = stdout } };
	struct pvb_err err = { .code = 0 };
	enum front_status status;
	unsigned vmid;

	argp_err_exit_status = FRONT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, &args);
	args.front.migrated_from = getenv("PVE_MIGRATED_FROM");
	if (front_open(&args.front, &err) < 0 || conf_vmid_parse(args.vmid, &vmid, &err) < 0)
		status = front_fail(&args.front, &err, FRONT_USAGE);
	else
		status = phase_run(&args.front, vmid, args.phase);
	front_close(&args.front);
	return (int)status;
}
