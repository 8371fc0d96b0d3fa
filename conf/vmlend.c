/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lending to a VM and taking back from it: the design's table of what happens when. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "front.h"

static bool word_in(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if ((p == text || strchr(" \n", p[-1])) && strchr(" \n", p[n]))
			return true;
	return false;
}

/* pvebind=off on the kernel command line: the way into a host whose VMs take its console at every start. */
static int switched_off(struct front *front, struct pvb_request *request)
{
	_conf_free_ char *cmdline = NULL;

	if (pvb_read_file(front->ctx, "proc/cmdline", 1 << 16, &cmdline, NULL) < 0 || !word_in(cmdline, "pvebind=off"))
		return 0;
	return pvb_refuse(&request->refusals, "disabled", NULL,
			  "pvebind is switched off by pvebind=off on the kernel command line: boot without it to lend devices again");
}

static int going_down(struct front *front, struct pvb_request *request)
{
	if (!conf_vmstate_shutting_down(front->ctx))
		return 0;
	return pvb_refuse(&request->refusals, "disabled", NULL, "the host is shutting down: nothing is lent any more");
}

int front_request(struct front *front, unsigned vmid, struct pvb_request *request, struct conf_extra *extra,
		  struct pvb_err *err)
{
	int r = conf_request_build(front->ctx, front->config, vmid, front->migrated_from, request, extra, err);

	for (size_t i = 0; i < extra->notes.n; i++)
		pvb_log(front->ctx, extra->notes.list[i].level, "%s", extra->notes.list[i].text);
	if (r == 0)
		r = switched_off(front, request);
	if (r == 0)
		r = going_down(front, request);
	/* So that post-stop can tell a backup's own start from a backup of a VM that ran. */
	if (r == 0 && !strcmp(extra->lock, "backup"))
		snprintf(request->settings.tag, sizeof(request->settings.tag), "backup");
	if (r == -ENOMEM)
		pvb_err_set(err, r, "out of memory");
	return r;
}

/* Nothing is wanted (any more); what an earlier config had lent goes home. */
static enum front_status nothing_lend(struct front *front, unsigned vmid, const char *why)
{
	struct pvb_err err = { .code = 0 };
	char name[16];

	snprintf(name, sizeof(name), "%u", vmid);
	pvb_log(front->ctx, PVB_NOTICE, "VM %u: %s, nothing to lend", vmid, why);
	if (pvb_return(front->ctx, name, PVB_RETURN_HOME, &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	return FRONT_DONE;
}

static enum front_status request_lend(struct front *front, unsigned vmid, const struct pvb_request *request,
				      const struct conf_extra *extra)
{
	struct pvb_err err = { .code = 0 };

	if (extra->is_template)
		return nothing_lend(front, vmid, "it is a template");
	if (!extra->has_devices)
		return nothing_lend(front, vmid, "its config names no PCI device");
	if (pvb_lend(front->ctx, request, &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	return FRONT_DONE;
}

enum front_status front_lend(struct front *front, unsigned vmid)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct pvb_err err = { .code = 0 };
	enum front_status status;

	if (conf_vmstate_pid(front->ctx, vmid)) {
		pvb_log(front->ctx, PVB_NOTICE, "VM %u runs already, nothing to lend", vmid);
		return FRONT_DONE;
	}
	if (front_request(front, vmid, &request, &extra, &err) < 0)
		status = front_fail(front, &err, FRONT_CONFIG);
	else
		status = request_lend(front, vmid, &request, &extra);
	conf_extra_clear(&extra);
	pvb_request_clear(&request);
	return status;
}

#define CONFIG_WAIT_MS 1000

/* Whether VM vmid's config says that a backup is going on. */
static bool backup_locked(struct pvb_ctx *ctx, unsigned vmid)
{
	struct conf_vm vm = { .vmid = 0 };
	struct pvb_err ignored;
	bool locked = conf_vm_load(ctx, vmid, NULL, &vm, &ignored) == 0 && !strcmp(vm.lock, "backup");

	conf_vm_clear(&vm);
	return locked;
}

/* The same in a child: /etc/pve is a FUSE file system, and one that hangs must not keep a card from coming home.
 * No answer in time means no backup. */
static bool backup_locked_bounded(struct pvb_ctx *ctx, unsigned vmid)
{
	struct pollfd end = { .events = POLLIN };
	int status = 1, null;
	pid_t pid = fork();

	if (pid < 0)
		return false;
	if (pid == 0) {
		/* It may outlive us: Proxmox VE reads our stdout to its end. */
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; fd <= 2; fd++)
			if (null < 0 || dup2(null, fd) < 0)
				close(fd);
		_exit(backup_locked(ctx, vmid) ? 0 : 1);
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

enum front_status front_return(struct front *front, unsigned vmid, bool stop)
{
	struct pvb_lend lend = { .num_devices = 0 };
	struct pvb_err err = { .code = 0 };
	unsigned flags = PVB_RETURN_HOME;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", vmid);
	if (conf_vmstate_pid(front->ctx, vmid)) {
		pvb_log(front->ctx, stop ? PVB_NOTICE : PVB_ERROR, "VM %u is running%s, nothing is taken back%s", vmid,
			stop ? " (again)" : "", stop ? "" : ": stop it first");
		return stop ? FRONT_DONE : FRONT_REFUSED;
	}
	r = pvb_lend_read(front->ctx, name, &lend, &err);
	if (r == -ENOENT) {
		pvb_log(front->ctx, PVB_NOTICE, "VM %u: nothing is lent, nothing to take back", vmid);
		return FRONT_DONE;
	}
	if (r == 0 && stop)
		flags = stop_flags(front, vmid, &lend);
	if (r == 0)
		r = pvb_return(front->ctx, name, flags, &err);
	pvb_lend_clear(&lend);
	/* Lent still, or left half-way: either way it is not home. */
	return r < 0 ? front_fail(front, &err, FRONT_ATTENTION) : FRONT_DONE;
}
