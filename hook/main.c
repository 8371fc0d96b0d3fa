/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hookscript: Proxmox VE calls it with a VM's number and a phase. */
#include <argp.h>
#include <string.h>
#include <time.h>

#include "container.h"
#include "handover.h"
#include "seed.h"

const char *argp_program_version = "pvebind-hook " PVB_VERSION;

enum { OPT_ROOT = 256, OPT_CONFIG, OPT_GUARD, OPT_BECAUSE, OPT_BEGAN };

struct arguments {
	struct front front;
	const char *vmid, *phase;
	/* A guard asks: not a phase of Proxmox VE's. */
	const char *guard, *because;
};

/* When our part of the phase began: CLOCK_MONOTONIC. Of a hook that was handed over to (handover.c) from the first, and then
 * what comes before our part has been done. */
static int64_t began_ns;
static bool handed_over;

static void part_begins(struct front *front)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!handed_over)
		began_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	pvb_ctx_set_start(front->ctx, began_ns);
}

/* Another hookscript, before ours lends; it may stop what uses the devices, or make them, or write pvebind.ini. Proxmox VE
 * calls no post-stop after a failed pre-start, of any hookscript: when it succeeds here and the lend then fails, it is not told. */
static enum front_status next_run(struct front *front, unsigned vmid, char next[CONF_NEXT_MAX])
{
	const struct conf_call call = { .ctx = front->ctx, .next = next, .vmid = vmid, .phase = "pre-start" };
	struct pvb_err err;

	/* A switched-off hook lends nothing, and refuses. */
	if (front_switched_off(front))
		return FRONT_DONE;
	if (conf_next_resolve(front->ctx, next, &err) < 0 || conf_next_check(&call, &err) < 0)
		return front_fail(front, &err, FRONT_CONFIG);
	return conf_next_run(&call, &err) < 0 ? front_fail(front, &err, FRONT_REFUSED) : FRONT_DONE;
}

/* With none of them the lend goes by what was read. A fault in pvebind.ini is said by who lends. */
static enum front_status next_before(struct front *front, unsigned vmid, struct conf_settings *settings)
{
	char next[CONF_NEXT_MAX];
	struct pvb_err err;

	if (conf_next_configured(front->ctx, front->config, vmid, settings, &err) < 0)
		return FRONT_DONE;
	conf_copy(next, sizeof(next), settings->options.settings.next);
	if (*next)
		return next_run(front, vmid, next);
	front->settings = settings;
	return FRONT_DONE;
}

/* What it is called must be asked before the journal goes. */
static void next_recall(struct front *front, unsigned vmid, const char *phase, char next[CONF_NEXT_MAX])
{
	struct pvb_err err;

	if (conf_next_recall(front->ctx, front->config, vmid, next, &err) < 0)
		pvb_log(front->ctx, PVB_WARNING, "VM %u: no next-hookscript is called at %s: %s", vmid, phase, err.text);
}

/* The same one, after ours. Proxmox VE only warns of what fails now; so do we. */
static void next_after(struct front *front, unsigned vmid, const char *phase, const char *next)
{
	const struct conf_call call = { .ctx = front->ctx, .next = next, .vmid = vmid, .phase = phase };
	struct pvb_err err;

	if (*next && (conf_next_check(&call, &err) < 0 || conf_next_run(&call, &err) < 0))
		pvb_log(front->ctx, PVB_WARNING, "%s", err.text);
}

static enum front_status pre_start(struct front *front, unsigned vmid)
{
	struct conf_settings settings = { .num_devices = 0 };
	enum front_status status = FRONT_DONE;
	struct pvb_err err;

	/* The web interface's "Stop" of the task: what was done is undone, then the hook ends. */
	if (front_catch_signals(front, &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	front->begun = seed_sow;
	if (!handed_over)
		status = next_before(front, vmid, &settings);
	part_begins(front); /* it had all the time it took */
	if (status == FRONT_DONE)
		status = front_lend(front, vmid);
	front->settings = NULL;
	conf_settings_clear(&settings);
	return status;
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

static enum front_status phase_ours(struct front *front, unsigned vmid, const char *phase)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (!strcmp(phases[i].name, phase))
			return phases[i].run(front, vmid);
	/* A later Proxmox VE may have more of them; none of those can be ours to fail. */
	pvb_log(front->ctx, PVB_NOTICE, "VM %u: phase '%.40s' is not known to this version of pvebind, nothing done", vmid,
		phase);
	return FRONT_DONE;
}

static enum front_status phase_run(struct front *front, unsigned vmid, const char *phase)
{
	bool first = !strcmp(phase, "pre-start");
	char next[CONF_NEXT_MAX] = "";
	enum front_status status;

	front->vmid = vmid;
	part_begins(front);
	if (!first)
		next_recall(front, vmid, phase, next);
	status = phase_ours(front, vmid, phase);
	if (!first)
		next_after(front, vmid, phase, next);
	return status;
}

/* The guard's (hook/guard.c), which is small because it leaves this to us. */
static enum front_status guard_ask(struct front *front, unsigned vmid, const struct arguments *args)
{
	enum vmguard_why why;
	struct pvb_err err;
	char *end;
	uint64_t generation = strtoull(args->guard, &end, 10);

	if (*end || vmguard_why_parse(args->because, &why) < 0) {
		pvb_err_set(&err, -EINVAL, "--guard and --because are for pvebind-guard alone");
		return front_fail(front, &err, FRONT_USAGE);
	}
	if (front_catch_signals(front, &err) < 0)
		return front_fail(front, &err, FRONT_ATTENTION);
	return front_guard(front, vmid, generation, why);
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
	case OPT_GUARD:
		args->guard = arg;
		return 0;
	case OPT_BECAUSE:
		args->because = arg;
		return 0;
	case OPT_BEGAN:
		began_ns = strtoll(arg, NULL, 10);
		handed_over = true;
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
		if (args->guard ? !args->vmid || args->phase || !args->because : !args->phase)
			argp_error(state, "VMID and PHASE are missing: Proxmox VE gives both, see: qm set VMID --hookscript local:snippets/pvebind");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "root", OPT_ROOT, "DIR", 0, "Put DIR under everything read or written (for tests)", 0 },
	{ "config", OPT_CONFIG, "FILE", 0, "Read FILE instead of /etc/pve/pvebind.ini or /etc/pvebind/pvebind.ini", 0 },
	{ "guard", OPT_GUARD, "GENERATION", OPTION_HIDDEN, NULL, 0 },
	{ "because", OPT_BECAUSE, "WHY", OPTION_HIDDEN, NULL, 0 },
	{ "began", OPT_BEGAN, "NS", OPTION_HIDDEN, NULL, 0 },
	{ .name = NULL },
};

static const struct argp parser = {
	options, option_parse, "VMID PHASE",
	"Proxmox VE hookscript: lends a VM its PCI devices at pre-start and takes them back at post-stop."
	"\vExit status: 0 done or nothing to do, 1 refused or failed with the host as before, 2 usage, "
	"3 configuration error, 4 the host needs attention.",
	NULL, NULL, NULL,
};

static enum front_status asked_run(struct front *front, unsigned vmid, const struct arguments *args)
{
	if (args->guard)
		return guard_ask(front, vmid, args);
	/* Nothing else is done for a container, so /etc/pve, which may hang while a VM stops, is asked at a start alone. */
	if (!strcmp(args->phase, "pre-start") && conf_container_is(front->ctx, vmid))
		return container_start(front, vmid);
	return phase_run(front, vmid, args->phase);
}

int main(int argc, char **argv)
{
	struct arguments args = { .front = { .root = "/", .out = stdout } };
	struct pvb_err err = { .code = 0 };
	enum front_status status;
	unsigned vmid;

	argp_err_exit_status = FRONT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, &args);
	args.front.migrated_from = getenv("PVE_MIGRATED_FROM");
	if (front_open(&args.front, &err) < 0 || conf_vmid_parse(args.vmid, &vmid, &err) < 0) {
		status = front_fail(&args.front, &err, FRONT_USAGE);
	} else {
		if (!handed_over)
			handover_prepare(args.front.ctx, argv, &began_ns);
		status = asked_run(&args.front, vmid, &args);
	}
	front_close(&args.front);
	return (int)status;
}
