/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs, and what is reserved: Proxmox VE's run state below /run/qemu-server, and /proc. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "conf.h"

#define RUN_FILE_MAX (1024 * 1024)
#define SYSTEMCTL_MS 1000
#define END_MS 100

/* ---- processes --------------------------------------------------------------- */

/* A process's arguments: NUL-terminated strings one after the other. */
struct cmdline {
	char *text; /* malloced */
	size_t size;
};

/* A zombie's is empty: it is dead. */
static bool cmdline_read(const struct pvb_ctx *ctx, int pid, struct cmdline *cmdline)
{
	char path[32];

	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	cmdline->text = NULL;
	return pvb_read_file(ctx, path, RUN_FILE_MAX, &cmdline->text, &cmdline->size) == 0 && cmdline->size > 0;
}

/* PVE/QemuServer/Helpers.pm: parse_cmdline() knows a QEMU by the end of its argv[0]. */
static bool cmdline_is_qemu(const struct cmdline *cmdline)
{
	size_t size = strlen(cmdline->text);
	const char *slash = strrchr(cmdline->text, '/'), *base = slash ? slash + 1 : cmdline->text;

	return (size >= 3 && !strcmp(cmdline->text + size - 3, "kvm")) || !strncmp(base, "qemu-", 5);
}

/* The argument after "-NAME" or "--NAME"; NULL when there is none. */
static const char *cmdline_option(const struct cmdline *cmdline, const char *name)
{
	const char *end = cmdline->text + cmdline->size, *arg = cmdline->text;
	bool next = false;

	for (; arg < end; arg += strlen(arg) + 1) {
		const char *dashes = arg;

		if (next)
			return arg;
		for (int i = 0; i < 2 && *dashes == '-'; i++)
			dashes++;
		next = dashes > arg && !strcmp(dashes, name);
	}
	return NULL;
}

/* The VM a process is the QEMU of, or 0: by -id, which Proxmox VE always gives, else by the pid file's name. */
static unsigned process_vmid(const struct pvb_ctx *ctx, int pid)
{
	struct cmdline cmdline;
	unsigned vmid = 0;
	struct pvb_err ignored;

	if (cmdline_read(ctx, pid, &cmdline) && cmdline_is_qemu(&cmdline)) {
		const char *id = cmdline_option(&cmdline, "id"), *pidfile = cmdline_option(&cmdline, "pidfile");
		const char *slash = pidfile ? strrchr(pidfile, '/') : NULL;
		char name[16] = "";

		if (!id && slash && strlen(slash) > 5 && strlen(slash) < sizeof(name) &&
		    !strcmp(strchr(slash, '\0') - 4, ".pid"))
			id = memcpy(name, slash + 1, strlen(slash) - 5);
		if (conf_vmid_parse(id, &vmid, &ignored) < 0)
			vmid = 0;
	}
	free(cmdline.text);
	return vmid;
}

bool conf_vmstate_identify(void *data, int pid, char *buf, size_t size)
{
	unsigned vmid = process_vmid(data, pid);

	if (vmid)
		snprintf(buf, size, "VM %u", vmid);
	return vmid != 0;
}

/* ---- a VM ------------------------------------------------------------------------ */

/* Whether path, as a process knows it, is the file st: Proxmox VE gives /var/run/…, a link's spelling. */
static bool file_is(const struct pvb_ctx *ctx, const char *path, const struct stat *st)
{
	_conf_close_ int fd = pvb_open(ctx, path, O_PATH);
	struct stat other;

	return fd >= 0 && fstat(fd, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* The pid in the VM's pid file, and which file that is; 0 for none. */
static int pidfile_read(const struct pvb_ctx *ctx, unsigned vmid, struct stat *st)
{
	char path[64], text[32] = "";
	unsigned long pid;
	_conf_close_ int fd = -1;

	snprintf(path, sizeof(path), "run/qemu-server/%u.pid", vmid);
	fd = pvb_open(ctx, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, st) < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return conf_number_parse(conf_trim(text), INT_MAX, &pid) ? (int)pid : 0;
}

int conf_vmstate_pid(const struct pvb_ctx *ctx, unsigned vmid)
{
	struct cmdline cmdline;
	struct stat st;
	int pid = pidfile_read(ctx, vmid, &st);
	bool running = false;

	if (!pid)
		return 0;
	if (cmdline_read(ctx, pid, &cmdline) && cmdline_is_qemu(&cmdline)) {
		const char *pidfile = cmdline_option(&cmdline, "pidfile");

		running = pidfile && file_is(ctx, pidfile, &st);
	}
	free(cmdline.text);
	return running ? pid : 0;
}

int conf_vmstate_qemu(const struct pvb_ctx *ctx, unsigned vmid, int known)
{
	int pid = conf_vmstate_pid(ctx, vmid);

	if (pid || known <= 0)
		return pid;
	return process_vmid(ctx, known) == vmid ? known : 0;
}

static bool flag_exists(const struct pvb_ctx *ctx, unsigned vmid, const char *suffix)
{
	char path[64];
	_conf_close_ int fd = -1;

	snprintf(path, sizeof(path), "run/qemu-server/%u.%s", vmid, suffix);
	fd = pvb_open(ctx, path, O_PATH);
	return fd >= 0;
}

bool conf_vmstate_rebooting(const struct pvb_ctx *ctx, unsigned vmid)
{
	return flag_exists(ctx, vmid, "reboot");
}

bool conf_vmstate_cleanup(const struct pvb_ctx *ctx, unsigned vmid)
{
	return flag_exists(ctx, vmid, "cleanup");
}

int conf_vmstate_cleanup_watch(const struct pvb_ctx *ctx, unsigned vmid)
{
	char path[64];
	_conf_close_ int fd = -1;
	int watch;

	snprintf(path, sizeof(path), "run/qemu-server/%u.cleanup", vmid);
	fd = pvb_open(ctx, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0)
		return -errno;
	/* Through the descriptor, so that the path stays below the root. IN_ATTRIB: its last name went. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (inotify_add_watch(watch, path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
		int code = -errno;

		close(watch);
		return code;
	}
	return watch;
}

int conf_vmstate_lock_open(const struct pvb_ctx *ctx, unsigned vmid)
{
	char path[64];

	snprintf(path, sizeof(path), "run/lock/qemu-server/lock-%u.conf", vmid);
	return pvb_open(ctx, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

bool conf_vmstate_locked(const struct pvb_ctx *ctx, unsigned vmid)
{
	_conf_close_ int fd = conf_vmstate_lock_open(ctx, vmid);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* ---- reservations ------------------------------------------------------------------ */

/* Whether "pid:1234" or "time:1700000000" still counts. A time is when the reservation ends. A pid
 * counts while it is that VM's QEMU; Proxmox VE asks for its pid file too, but that goes in a forced
 * stop before the devices are let go. */
static bool claim_holds(const struct pvb_ctx *ctx, const char *claim, unsigned vmid)
{
	unsigned long number;

	if (!strncmp(claim, "time:", 5) && conf_number_parse(claim + 5, LONG_MAX, &number))
		return (time_t)number > time(NULL);
	if (!strncmp(claim, "pid:", 4) && conf_number_parse(claim + 4, INT_MAX, &number))
		return process_vmid(ctx, (int)number) == vmid;
	return false;
}

/* "0000:01:00.0 100 pid:1234": whose the line says addr is; 0 when it says nothing of that. */
static unsigned line_owner(const struct pvb_ctx *ctx, char *line, const struct pvb_addr *addr)
{
	char *save = NULL, *who = strtok_r(line, " \t", &save);
	char *vm = strtok_r(NULL, " \t", &save), *claim = strtok_r(NULL, " \t", &save);
	struct pvb_err ignored;
	struct pvb_addr reserved;
	unsigned vmid;

	if (!claim || pvb_addr_parse(who, &reserved, NULL) < 0 || conf_vmid_parse(vm, &vmid, &ignored) < 0)
		return 0;
	if (!pvb_addr_matches(addr, &reserved) && !pvb_addr_matches(&reserved, addr))
		return 0;
	return claim_holds(ctx, claim, vmid) ? vmid : 0;
}

unsigned conf_vmstate_reserved(const struct pvb_ctx *ctx, const struct pvb_addr *addr, unsigned vmid)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines = { .left = 0 };
	unsigned owner = 0;

	/* Unreadable is like absent: the devices' own state (/dev/vfio) is looked at besides. */
	if (pvb_read_file(ctx, "run/qemu-server/pci-id-reservations", RUN_FILE_MAX, &text, &lines.left) < 0)
		return 0;
	lines.next = text;
	while (!owner && conf_line_next(&lines)) {
		owner = line_owner(ctx, lines.line, addr);
		if (owner == vmid)
			owner = 0;
	}
	return owner;
}

/* ---- the host ------------------------------------------------------------------------ */

/* Start `systemctl is-system-running`, its output into a pipe; -1 when it cannot be. */
static int systemctl_start(const char *root, pid_t *pid)
{
	char path[PATH_MAX], verb[] = "is-system-running", *argv[] = { path, verb, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], r;

	snprintf(path, sizeof(path), "%s/usr/bin/systemctl", strcmp(root, "/") ? root : "");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (r == 0)
		return fds[0];
	close(fds[0]);
	return -1;
}

/* One that has said its word, or is killed, ends at once; if not, it hangs in the kernel, and is not waited for. */
static void systemctl_end(pid_t pid)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };

	if (end.fd < 0 || poll(&end, 1, END_MS) != 1)
		kill(pid, SIGKILL);
	if (end.fd >= 0)
		poll(&end, 1, END_MS);
	waitpid(pid, NULL, WNOHANG);
	if (end.fd >= 0)
		close(end.fd);
}

bool conf_vmstate_shutting_down(const struct pvb_ctx *ctx)
{
	_conf_close_ int booted = pvb_open(ctx, "run/systemd/system", O_PATH | O_DIRECTORY); /* sd_booted(3) */
	struct pollfd wait = { .events = POLLIN };
	char word[32] = "";
	bool silent;
	pid_t pid;

	if (booted < 0)
		return false;
	wait.fd = systemctl_start(pvb_ctx_root(ctx), &pid);
	if (wait.fd < 0)
		return false;
	silent = poll(&wait, 1, SYSTEMCTL_MS) != 1 || read(wait.fd, word, sizeof(word) - 1) < 0;
	if (silent)
		kill(pid, SIGKILL);
	close(wait.fd);
	systemctl_end(pid);
	/* A host under load: what forbids logins, from the beginning of a shutdown on, stands for its answer. While it boots
	 * that is there as well, but is gone before Proxmox VE starts VMs (both are systemd-user-sessions.service's doing). */
	return silent ? pvb_sysfs_exists(ctx, "run/nologin") : !strncmp(word, "stopping", 8);
}
