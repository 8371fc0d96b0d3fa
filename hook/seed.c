/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a guard comes to be. The hook makes a process, the seed, that outlives it and has nothing of it: no pipe that
 * Proxmox VE reads, no lock, no process group that "Stop" ends. The seed becomes the guard, or where systemd
 * runs has it start the guard as a unit. Neither delays the VM's start, nor misses anything: a guard
 * decides by the journal and by locks, not by what it has seen happen.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "beside.h"
#include "seed.h"

#define SYSTEMD_RUN "/usr/bin/systemd-run"
#define UNIT_MS 10000

struct seed {
	char program[PATH_MAX], root[PATH_MAX];
	char vmid[16], generation[24];
	char unit[80], description[80];
	bool systemd;
};

static void seed_fill(struct seed *seed, const struct front *front, unsigned vmid, uint64_t generation)
{
	if (!realpath(front->root, seed->root))
		snprintf(seed->root, sizeof(seed->root), "%s", front->root);
	snprintf(seed->vmid, sizeof(seed->vmid), "%u", vmid);
	snprintf(seed->generation, sizeof(seed->generation), "%" PRIu64, generation);
	snprintf(seed->unit, sizeof(seed->unit), "--unit=pvebind-guard-%u-%" PRIu64, vmid, generation);
	snprintf(seed->description, sizeof(seed->description), "--description=pvebind: guard of the devices of VM %u", vmid);
	/* sd_booted(3) */
	seed->systemd = !strcmp(front->root, "/") && access("/run/systemd/system", F_OK) == 0;
}

/* ---- in the process that outlives the hook ---- */

/* A wish to stop was for the hook, and may be pending still. */
static void signals_reset(void)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t none;

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		signal(caught[i], SIG_IGN);
		signal(caught[i], SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void leave_all(void)
{
	int null;

	setsid();
	close_range(0, ~0U, 0);
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup(null) < 0 || dup(null) < 0 || chdir("/") < 0)
		_exit(1);
	signals_reset();
}

/* Whether the unit has started. systemd that does not answer must not leave the lend without a guard. */
static bool unit_start(struct seed *seed)
{
	char run[] = SYSTEMD_RUN, quiet[] = "--quiet", exec[] = "--property=Type=exec", kill_mode[] = "--property=KillMode=process",
	     out[] = "--property=StandardOutput=null", error[] = "--property=StandardError=null", end[] = "--";
	char *argv[] = { run, quiet, seed->unit, seed->description, exec, kill_mode, out, error, end, seed->program,
			 seed->vmid, seed->generation, NULL };
	struct pollfd ended = { .events = POLLIN };
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, SYSTEMD_RUN, NULL, NULL, argv, environ) != 0)
		return false;
	ended.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ended.fd >= 0 && poll(&ended, 1, UNIT_MS) != 1)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ended.fd);
	return status == 0;
}

/* Nothing is open any more but /dev/null: for the system's log alone. */
static void unit_missed(const struct seed *seed)
{
	struct front front = { .root = seed->root, .out = stdout, .vmid = (unsigned)strtoul(seed->vmid, NULL, 10) };
	struct pvb_err ignored;

	if (front_open(&front, &ignored) < 0)
		return;
	pvb_log(front.ctx, PVB_WARNING, "VM %s: systemd did not start its guard's unit; the guard is a process of its own", seed->vmid);
	front_close(&front);
}

static void __attribute__((noreturn)) grow(struct seed *seed)
{
	char root[] = "--root", *argv[] = { seed->program, root, seed->root, seed->vmid, seed->generation, NULL };

	leave_all();
	/* Nothing waits for it, and the VM's start does for its processors. The guard ends this when it is up; one that is
	 * systemd's unit never has it. */
	setpriority(PRIO_PROCESS, 0, SEED_NICE);
	if (seed->systemd) {
		if (unit_start(seed))
			_exit(0);
		unit_missed(seed);
	}
	execv(seed->program, argv);
	_exit(1);
}

/* ---- in the hook ---- */

void seed_sow(struct front *front, unsigned vmid, uint64_t generation)
{
	struct seed seed;
	pid_t pid;

	if (!conf_vmstate_locked(front->ctx, vmid)) {
		/* A guard would see the lock free, and no VM, and take the devices back at once. */
		pvb_log(front->ctx, PVB_NOTICE,
			"VM %u: this is no start of Proxmox VE's, which would hold the VM's lock: no guard watches what is lent", vmid);
		return;
	}
	seed_fill(&seed, front, vmid, generation);
	pid = program_beside(seed.program, "pvebind-guard") && access(seed.program, X_OK) == 0 ? fork() : -1;
	if (pid == 0)
		grow(&seed);
	if (pid < 0)
		pvb_log(front->ctx, PVB_WARNING, "VM %u: no guard: cannot run %s", vmid, seed.program);
}
