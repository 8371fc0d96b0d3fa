/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: a process per lend that sleeps until something happens to it, and has the devices brought home when nobody
 * else will. It decides nothing by itself (conf/vmguard.c) and changes nothing by itself: the hook's program
 * does, since it is small only without it. What it waits for are events; it never polls.
 */
#include <argp.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../conf/front.h"
#include "beside.h"
#include "seed.h"

const char *argp_program_version = "pvebind-guard " PVB_VERSION;

#define WORK_MS 3600000 /* an hour: so long nobody works on a lend; then it waits again */

struct guard {
	struct front front;
	const char *generation; /* as given */
	unsigned vmid;
	char name[16];
	struct vmguard mind;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- looking ---- */

static int stuck_find(struct guard *g, const struct pvb_lend *lend)
{
	char what[256];
	int pid = 0;

	for (size_t i = 0; i < lend->num_devices && !pid; i++)
		if (pvb_lend_has(g->front.ctx, lend, i))
			pid = pvb_device_stuck(g->front.ctx, &lend->devices[i].addr, what, sizeof(what));
	return pid;
}

/* A device's lock is its record; who moves the device has it, also when its pvebind is gone. Behind the devices: who works on
 * the host's part, console and services. */
static int device_open(struct guard *g, const struct pvb_lend *lend, size_t i)
{
	char path[64], text[PVB_ADDR_MAX];

	if (i < lend->num_devices)
		snprintf(path, sizeof(path), "run/pvebind/%s", pvb_addr_format(&lend->devices[i].addr, text));
	else
		snprintf(path, sizeof(path), "run/pvebind/%s.host.lock", g->name);
	return pvb_open(g->front.ctx, path, O_RDONLY);
}

static void busy_find(struct guard *g, const struct pvb_lend *lend, struct vmguard_view *view)
{
	for (size_t i = 0; i <= lend->num_devices && !view->busy; i++) {
		bool ours = i == lend->num_devices || pvb_lend_has(g->front.ctx, lend, i);
		int fd = ours ? device_open(g, lend, i) : -1;

		view->busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
		view->busy_device = i;
		if (fd >= 0)
			close(fd);
	}
}

/* The view lives no longer than lend, which is the caller's to clear. */
static int look(struct guard *g, struct pvb_lend *lend, struct vmguard_view *view, struct pvb_err *err)
{
	int r = pvb_lend_read(g->front.ctx, g->name, lend, err);

	*view = (struct vmguard_view){ .now_ms = now_ms() };
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	view->lend = lend;
	view->qemu_pid = conf_vmstate_qemu(g->front.ctx, g->vmid, lend->borrower_pid);
	view->cleanup = conf_vmstate_cleanup(g->front.ctx, g->vmid);
	if (lend->state == PVB_FAILED) {
		view->stuck_pid = stuck_find(g, lend);
		busy_find(g, lend, view);
	}
	return 0;
}

static int decide(struct guard *g, struct vmguard_step *step, struct pvb_err *err)
{
	struct pvb_lend lend = { .num_devices = 0 };
	struct vmguard_view view;
	int r = look(g, &lend, &view, err);

	if (r == 0)
		*step = vmguard_decide(&g->mind, &view);
	pvb_lend_clear(&lend);
	return r;
}

/* ---- waiting ---- */

/* A pidfd, or -ESRCH when it has ended. The number may have become another process's since we looked. */
static int process_open(struct guard *g, int pid, struct pvb_err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), r;
	struct pvb_lend lend = { .num_devices = 0 };
	struct vmguard_view view;

	if (fd < 0)
		return -errno;
	r = look(g, &lend, &view, err);
	if (r == 0 && view.qemu_pid != pid && view.stuck_pid != pid)
		r = -ESRCH;
	pvb_lend_clear(&lend);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* A child waits for the lock, which it has only for an instant: that gives flock() a deadline, and other events. Closes
 * lock (or its error: -ENOENT, there is no such lock), and returns the child's pidfd. */
static int lock_await(int lock, pid_t *pid)
{
	pid_t parent = getpid();
	int fd;

	if (lock < 0)
		return lock;
	*pid = fork();
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent && flock(lock, LOCK_SH) == 0 ? 0 : 1);
	}
	close(lock);
	fd = *pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, *pid, 0);
	return fd < 0 ? -errno : fd;
}

/* A device of the lend as it is now. */
static int device_await(struct guard *g, size_t device, pid_t *pid, struct pvb_err *err)
{
	struct pvb_lend lend = { .num_devices = 0 };
	int r = pvb_lend_read(g->front.ctx, g->name, &lend, err);

	if (r == 0)
		r = device <= lend.num_devices ? lock_await(device_open(g, &lend, device), pid) : -ENOENT;
	pvb_lend_clear(&lend);
	return r;
}

/* Whether it had the lock. */
static bool lock_awaited(pid_t pid)
{
	int status = -1;

	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* What the step waits for besides the journal; -1: nothing. -ESRCH, -ENOENT: it has happened already. */
static int event_open(struct guard *g, const struct vmguard_step *step, pid_t *locker, struct pvb_err *err)
{
	switch (step->what) {
	case VMGUARD_AWAIT_PROCESS:
		return process_open(g, step->pid, err);
	case VMGUARD_AWAIT_CLEANUP:
		return conf_vmstate_cleanup_watch(g->front.ctx, g->vmid);
	case VMGUARD_AWAIT_LOCK:
		return lock_await(conf_vmstate_lock_open(g->front.ctx, g->vmid), locker);
	case VMGUARD_AWAIT_DEVICE:
		return device_await(g, step->device, locker, err);
	case VMGUARD_AWAIT_CHANGE:
	case VMGUARD_END:
	case VMGUARD_GIVE_UP:
	case VMGUARD_ACT:
	default:
		return -1;
	}
}

static int wait_for(struct pollfd *fds, size_t n, int64_t until_ms)
{
	for (;;) {
		int64_t left = until_ms - now_ms();
		int r = poll(fds, n, !until_ms ? -1 : left > INT_MAX ? INT_MAX : left > 0 ? (int)left : 0);

		if (r >= 0 || errno != EINTR)
			return r < 0 ? -errno : r;
	}
}

static int step_wait(struct guard *g, const struct vmguard_step *step, int watch, struct pvb_err *err)
{
	struct pollfd fds[2] = { { .fd = watch, .events = POLLIN }, { .events = POLLIN } };
	pid_t locker = 0;
	int r;

	fds[1].fd = event_open(g, step, &locker, err);
	r = fds[1].fd;
	if (r == -ENOENT && step->what == VMGUARD_AWAIT_LOCK)
		vmguard_lock_was_free(&g->mind);
	if (r == -ENOENT || r == -ESRCH)
		return 0;
	if (r >= 0 || step->what == VMGUARD_AWAIT_CHANGE)
		r = wait_for(fds, 2, step->until_ms);
	if (locker > 0 && lock_awaited(locker) && step->what == VMGUARD_AWAIT_LOCK)
		vmguard_lock_was_free(&g->mind);
	if (fds[1].fd >= 0)
		close(fds[1].fd);
	return r < 0 ? pvb_err_set(err, r, "VM %u: its guard cannot wait: %s", g->vmid, strerror(-r)) : 0;
}

/* ---- acting ---- */

/* The hook's program, beside this one: the one with libkmod, as nobody waits here, and the other would first say what it
 * does and then become it (hook/handover.c). */
static bool hook_find(char path[PATH_MAX])
{
	return (program_beside(path, "pvebind-hook-kmod") && access(path, X_OK) == 0) || program_beside(path, "pvebind-hook");
}

/* Its exit status; -1: it could not be run, or was killed. */
static int hook_run(struct guard *g, enum vmguard_why why)
{
	char path[PATH_MAX], root[PATH_MAX + 8], guard[64], because[64];
	char *argv[] = { path, root, guard, because, g->name, NULL };
	int status, r = hook_find(path) ? 0 : ENOENT;
	pid_t pid;

	snprintf(root, sizeof(root), "--root=%s", g->front.root);
	snprintf(guard, sizeof(guard), "--guard=%s", g->generation);
	snprintf(because, sizeof(because), "--because=%s", vmguard_why_name(why));
	if (r == 0)
		r = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (r != 0) {
		pvb_tell(g->front.ctx, PVB_ERROR, &(struct pvb_event){ .kind = PVB_EVENT_NOT_HOME },
			 "VM %u: %s, but its guard cannot run %s: %s", g->vmid, vmguard_why_text(why), path, strerror(r));
		return -1;
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A QEMU that ends with a big guest lets go of its devices only after a while: who acts would wait with the lend locked. */
static void closed_await(struct guard *g)
{
	struct pvb_err err;

	if (pvb_lend_wait_closed(g->front.ctx, g->name, WORK_MS, &err) < 0)
		pvb_log(g->front.ctx, PVB_NOTICE, "VM %u: %s", g->vmid, err.text);
}

static void step_act(struct guard *g, enum vmguard_why why)
{
	int64_t began;
	int status;

	closed_await(g);
	began = now_ms();
	status = hook_run(g, why);

	vmguard_has_tried(&g->mind, status != FRONT_DONE && status != FRONT_REFUSED, now_ms() - began);
}

/* ---- the guard's life ---- */

/* FRONT_REFUSED: go on. */
static enum front_status step_do(struct guard *g, const struct vmguard_step *step, int watch)
{
	struct pvb_err err;

	switch (step->what) {
	case VMGUARD_END:
		return FRONT_DONE;
	case VMGUARD_GIVE_UP:
		pvb_err_set(&err, -PVB_EATTENTION,
			    "VM %u: its guard has tried in vain to bring its devices home (pvebind status); when the cause is mended: pvebind recover %u",
			    g->vmid, g->vmid);
		return front_fail(&g->front, &err, FRONT_ATTENTION);
	case VMGUARD_ACT:
		if (conf_vmstate_shutting_down(g->front.ctx))
			return FRONT_DONE;
		step_act(g, step->why);
		return FRONT_REFUSED;
	case VMGUARD_AWAIT_PROCESS:
	case VMGUARD_AWAIT_DEVICE:
	case VMGUARD_AWAIT_CLEANUP:
	case VMGUARD_AWAIT_LOCK:
	case VMGUARD_AWAIT_CHANGE:
	default:
		return step_wait(g, step, watch, &err) < 0 ? front_fail(&g->front, &err, FRONT_ATTENTION) : FRONT_REFUSED;
	}
}

/* One round: what is the matter now, and what is to be done. FRONT_REFUSED: go on. */
static enum front_status round_do(struct guard *g)
{
	struct vmguard_step step = { .what = VMGUARD_END };
	enum front_status status;
	struct pvb_err err;
	int r = pvb_lend_wait(g->front.ctx, g->name, WORK_MS, &err), watch;

	if (r == -ETIMEDOUT)
		return FRONT_REFUSED;
	/* The watch comes first: what happens after the look must end the wait. */
	watch = pvb_lend_watch(g->front.ctx, g->name);
	if (r == 0)
		r = decide(g, &step, &err);
	status = r < 0 ? front_fail(&g->front, &err, FRONT_ATTENTION) : step_do(g, &step, watch);
	if (watch >= 0)
		close(watch);
	return status;
}

/* Until here it stood behind all others, so that the VM's start does not wait for it. What it does from now on is short, and
 * others wait for its locks. */
static void last_no_more(void)
{
	if (getpriority(PRIO_PROCESS, 0) == SEED_NICE)
		setpriority(PRIO_PROCESS, 0, 0);
}

static enum front_status guard_run(struct guard *g)
{
	enum front_status status = FRONT_REFUSED;
	struct pvb_err err;
	int lock;

	last_no_more();
	/* Locked as long as we live; closed by our end. */
	lock = vmguard_file_take(g->front.ctx, g->vmid, g->mind.generation, &err);
	if (lock == -EEXIST)
		return FRONT_DONE;
	if (lock < 0)
		return front_fail(&g->front, &err, FRONT_ATTENTION);
	while (status == FRONT_REFUSED)
		status = round_do(g);
	vmguard_file_remove(g->front.ctx, g->vmid);
	return status;
}

/* ---- the command line ---- */

struct arguments {
	const char *root, *vmid, *generation;
};

enum { OPT_ROOT = 256 };

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case OPT_ROOT:
		args->root = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			args->vmid = arg;
		else if (state->arg_num == 1)
			args->generation = arg;
		else
			argp_error(state, "too many arguments: VMID and GENERATION are all");
		return 0;
	case ARGP_KEY_END:
		if (!args->generation)
			argp_error(state, "VMID and GENERATION are missing: the hook gives both, when a VM starts");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "root", OPT_ROOT, "DIR", 0, "Put DIR under everything read or written (for tests)", 0 },
	{ .name = NULL },
};

static const struct argp parser = {
	options, option_parse, "VMID GENERATION",
	"Watches over what is lent to a VM, and brings it home when nobody else will. pvebind-hook starts it.",
	NULL, NULL, NULL,
};

int main(int argc, char **argv)
{
	struct arguments args = { .root = "/" };
	struct guard guard = { .front = { .out = stdout } };
	enum front_status status = FRONT_USAGE;
	struct pvb_err err;
	char *end;

	argp_err_exit_status = FRONT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, &args);
	guard.front.root = args.root;
	guard.generation = args.generation;
	guard.mind.generation = strtoull(args.generation, &end, 10);
	if (front_open(&guard.front, &err) < 0 || conf_vmid_parse(args.vmid, &guard.vmid, &err) < 0) {
		status = front_fail(&guard.front, &err, FRONT_USAGE);
	} else if (*end || end == args.generation) {
		pvb_err_set(&err, -EINVAL, "'%.40s' is no generation of a lend", args.generation);
		status = front_fail(&guard.front, &err, FRONT_USAGE);
	} else {
		guard.front.vmid = guard.vmid;
		snprintf(guard.name, sizeof(guard.name), "%u", guard.vmid);
		status = guard_run(&guard);
	}
	front_close(&guard.front);
	return (int)status;
}
