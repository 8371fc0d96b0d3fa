/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking back from a VM: the design's table of what happens when. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "front.h"

#define CONFIG_WAIT_MS 1000

/* Whether VM vmid's config says that a backup is going on. */
static bool backup_locked(const char *root, unsigned vmid)
{
	struct conf_vm vm = { .vmid = 0 };
	struct pvb_ctx *ctx = NULL;
	struct pvb_err ignored;

	return pvb_ctx_new(&ctx, root, &ignored) == 0 && conf_vm_load(ctx, vmid, NULL, &vm, &ignored) == 0 &&
	       !strcmp(vm.lock, "backup");
}

/* The same in a child: /etc/pve is a FUSE file system, and one that hangs must not keep a card from coming home.
 * No answer in time means no backup. */
static bool backup_locked_bounded(const struct pvb_ctx *ctx, unsigned vmid)
{
	struct pollfd end = { .events = POLLIN };
	int status = 1;
	pid_t pid = fork();

	if (pid < 0)
		return false;
	if (pid == 0) {
		/* It may outlive us: Proxmox VE reads our stdout to its end, and a lock must go with us. */
		close_range(0, ~0U, 0);
		_exit(backup_locked(pvb_ctx_root(ctx), vmid) ? 0 : 1);
	}
	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0 || poll(&end, 1, CONFIG_WAIT_MS) != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
	} else {
		waitpid(pid, &status, 0);
	}
	if (end.fd >= 0)
		close(end.fd);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A backup in stop mode of a VM that ran: it was stopped for it and is started again at once. A lend that
 * the backup itself began (of a stopped VM) ends with it. The config may be gone: then there is no backup. */
static bool backup_pending(struct front *front, unsigned vmid, const struct pvb_lend *lend)
{
	return strcmp(lend->settings.tag, "backup") != 0 && backup_locked_bounded(front->ctx, vmid);
}

static unsigned stop_flags(struct front *front, unsigned vmid, const struct pvb_lend *lend)
{
	if (conf_vmstate_rebooting(front->ctx, vmid))
		return lend->settings.keep_on_reboot ? PVB_RETURN_KEEP : 0;
	return backup_pending(front, vmid, lend) ? PVB_RETURN_KEEP : 0;
}

/* ---- whether to: asked under the lend's lock, so that nothing changes between answer and effect ---- */

struct asker {
	struct front *front;
	unsigned vmid;
	bool stop;
	bool refused;             /* out */
	uint64_t generation;      /* a guard's */
	enum vmguard_why why;
};

static bool stop_confirm(void *data, const struct pvb_lend *lend, unsigned *flags)
{
	struct asker *a = data;

	if (conf_vmstate_pid(a->front->ctx, a->vmid)) {
		pvb_tell(a->front->ctx, a->stop ? PVB_NOTICE : PVB_ERROR,
			 &(struct pvb_event){ .kind = a->stop ? PVB_EVENT_NONE : PVB_EVENT_REFUSED },
			 "VM %u is running%s, nothing is taken back%s", a->vmid, a->stop ? " (again)" : "",
			 a->stop ? "" : ": stop it first");
		a->refused = !a->stop;
		return false;
	}
	*flags = a->stop ? stop_flags(a->front, a->vmid, lend) : PVB_RETURN_HOME;
	/* Units and containers that were stopped for it are not started on a host that goes down. */
	if (conf_vmstate_shutting_down(a->front->ctx))
		*flags |= PVB_RETURN_NO_START;
	return true;
}

static bool guard_confirm(void *data, const struct pvb_lend *lend, unsigned *flags)
{
	struct asker *a = data;
	struct pvb_event event = { .kind = PVB_EVENT_RECOVER, .generation = lend->generation };
	char list[400];

	if (!vmguard_confirm(lend, a->generation, a->why) || conf_vmstate_qemu(a->front->ctx, a->vmid, lend->borrower_pid) ||
	    conf_vmstate_shutting_down(a->front->ctx))
		return false;
	/* A VM that ran has ended as if by post-stop. A failed start is a stop, too: on-stop counts. What is half-way goes
	 * home whatever the flags. */
	*flags = (a->why == VMGUARD_ENDED ? stop_flags(a->front, a->vmid, lend) : 0) | PVB_RETURN_SAID;
	event.devices = pvb_lend_devices(a->front->ctx, lend, list, sizeof(list));
	pvb_tell(a->front->ctx, PVB_WARNING, &event, "VM %u: %s: taking back %s", a->vmid, vmguard_why_text(a->why), list);
	return true;
}

/* ---- taking back ---- */

/* Not done in time. With a guard that is nobody's business any more, else it is a person's. */
static enum front_status unfinished(struct front *front, unsigned vmid, bool stop, const struct pvb_err *err)
{
	bool late = err->code == -EBUSY || err->code == -EINPROGRESS || err->code == -ECANCELED;

	if (!stop || !late || !vmguard_file_look(front->ctx, vmid, NULL))
		return front_fail(front, err, FRONT_ATTENTION);
	pvb_tell(front->ctx, PVB_NOTICE, &(struct pvb_event){ .kind = PVB_EVENT_LATE }, "VM %u: %s; the guard will finish", vmid,
		 err->code == -EINPROGRESS ? "the time is over while its devices are on their way home"
					   : "its devices are not let go of yet");
	return FRONT_DONE;
}

/* Its journal is read under its lock. */
static bool lend_exists(const struct front *front, unsigned vmid)
{
	char path[64];

	snprintf(path, sizeof(path), "run/pvebind/%u.journal", vmid);
	return pvb_sysfs_exists(front->ctx, path);
}

enum front_status front_return(struct front *front, unsigned vmid, bool stop)
{
	struct asker asker = { .front = front, .vmid = vmid, .stop = stop };
	const struct pvb_lend none = { .num_devices = 0 };
	struct pvb_err err = { .code = 0 };
	unsigned ignored;
	char name[16];

	front->vmid = vmid;
	snprintf(name, sizeof(name), "%u", vmid);
	if (!lend_exists(front, vmid)) {
		if (conf_vmstate_pid(front->ctx, vmid))
			stop_confirm(&asker, &none, &ignored);
		else /* at a stop it may be a container's, too, which only /etc/pve could tell */
			pvb_log(front->ctx, stop ? PVB_DEBUG : PVB_NOTICE, "%s%u: nothing is lent, nothing to take back",
				stop ? "" : "VM ", vmid);
		return asker.refused ? FRONT_REFUSED : FRONT_DONE;
	}
	/* Lent still, or left half-way: either way it is not home. */
	if (pvb_return_confirmed(front->ctx, name, stop_confirm, &asker, &err) < 0)
		return unfinished(front, vmid, stop, &err);
	return asker.refused ? FRONT_REFUSED : FRONT_DONE;
}

enum front_status front_guard(struct front *front, unsigned vmid, uint64_t generation, enum vmguard_why why)
{
	struct asker asker = { .front = front, .vmid = vmid, .generation = generation, .why = why };
	struct pvb_err err = { .code = 0 };
	char name[16];
	int r;

	front->vmid = vmid;
	snprintf(name, sizeof(name), "%u", vmid);
	r = pvb_return_confirmed(front->ctx, name, guard_confirm, &asker, &err);
	if (r == 0)
		return FRONT_DONE;
	return front_fail(front, &err, r == -EBUSY || r == -EINPROGRESS || r == -ECANCELED ? FRONT_REFUSED : FRONT_ATTENTION);
}
