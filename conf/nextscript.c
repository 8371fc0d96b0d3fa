/* SPDX-License-Identifier: GPL-2.0-or-later */
/* next-hookscript: another hookscript, called from ours, since Proxmox VE knows but one for a VM. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "conf.h"

#define ANSWER_MS 1000 /* for /etc/pve, on the way home */
#define GRACE_MS 1000  /* for a script to end of a signal that it got itself */
#define LOOP_VARIABLE "PVEBIND_NEXT"

/* ---- which ------------------------------------------------------------------------- */

int conf_next_configured(struct pvb_ctx *ctx, const char *config, unsigned vmid, struct conf_settings *settings,
			 struct pvb_err *err)
{
	char node[PVB_NAME_MAX];

	return conf_settings_load(ctx, config, vmid, conf_node_name(ctx, node, sizeof(node)), settings, err);
}

int conf_next_resolve(struct pvb_ctx *ctx, char next[CONF_NEXT_MAX], struct pvb_err *err)
{
	char volume[CONF_NEXT_MAX];
	struct pvb_err why;
	int r;

	if (!*next || *next == '/')
		return 0;
	conf_copy(volume, sizeof(volume), next);
	r = conf_storage_snippet(ctx, volume, next, CONF_NEXT_MAX, &why);
	if (r < 0)
		conf_copy(next, CONF_NEXT_MAX, volume);
	return r < 0 ? pvb_err_set(err, r, "next-hookscript %s: %s", volume, why.text) : 0;
}

struct answer {
	int code;
	char next[CONF_NEXT_MAX];
	struct pvb_err err;
};

/* In a child that may hang and so outlive us: Proxmox VE reads our stdout to its end. */
static void __attribute__((noreturn))
answer_give(struct pvb_ctx *ctx, const char *config, unsigned vmid, struct answer *answer, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct conf_settings settings;

	for (int fd = 0; fd <= 2; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	if (!*answer->next) {
		answer->code = conf_next_configured(ctx, config, vmid, &settings, &answer->err);
		if (answer->code == 0)
			conf_copy(answer->next, sizeof(answer->next), settings.options.settings.next);
		conf_settings_clear(&settings);
	}
	if (answer->code == 0)
		answer->code = conf_next_resolve(ctx, answer->next, &answer->err);
	/* Less than PIPE_BUF: whole or not at all. */
	_exit(write(out, answer, sizeof(*answer)) == (ssize_t)sizeof(*answer) ? 0 : 1);
}

static bool answer_take(int in, struct answer *answer)
{
	struct pollfd ready = { .fd = in, .events = POLLIN };

	return poll(&ready, 1, ANSWER_MS) == 1 && read(in, answer, sizeof(*answer)) == (ssize_t)sizeof(*answer);
}

/* /etc/pve is a FUSE file system, and one that hangs must not keep what follows from being done. */
static int answer_ask(struct pvb_ctx *ctx, const char *config, unsigned vmid, struct answer *answer, struct pvb_err *err)
{
	int fds[2];
	bool answered;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return pvb_err_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		answer_give(ctx, config, vmid, answer, fds[1]);
	close(fds[1]);
	answered = pid > 0 && answer_take(fds[0], answer);
	close(fds[0]);
	if (pid > 0 && !answered)
		kill(pid, SIGKILL);
	if (pid > 0)
		waitpid(pid, NULL, answered ? 0 : WNOHANG);
	if (!answered)
		return pvb_err_set(err, -ETIMEDOUT, "its name could not be read within %d ms: does /etc/pve answer?",
				   ANSWER_MS);
	*err = answer->err;
	return answer->code;
}

int conf_next_recall(struct pvb_ctx *ctx, const char *config, unsigned vmid, char next[CONF_NEXT_MAX], struct pvb_err *err)
{
	struct pvb_lend lend = { .num_devices = 0 };
	struct answer answer = { .code = 0 };
	struct pvb_err ignored;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", vmid);
	r = pvb_lend_read(ctx, name, &lend, &ignored);
	if (r == 0)
		conf_copy(answer.next, sizeof(answer.next), lend.settings.next);
	pvb_lend_clear(&lend);
	conf_copy(next, CONF_NEXT_MAX, answer.next);
	if (r == 0 && (!*next || *next == '/'))
		return 0;
	r = answer_ask(ctx, config, vmid, &answer, err);
	conf_copy(next, CONF_NEXT_MAX, r == 0 ? answer.next : "");
	return r;
}

/* ---- whether ------------------------------------------------------------------------- */

/* Who may write it is root on this host. Below a test root the files are whose the tester is. */
static int file_trust(const struct conf_call *call, const struct stat *st, struct pvb_err *err)
{
	bool test = strcmp(pvb_ctx_root(call->ctx), "/") != 0;

	if (st->st_uid != 0 && !(test && st->st_uid == geteuid()))
		return pvb_err_set(err, -EPERM,
				   "next-hookscript %s belongs to user %u, who would be root with it: chown root %s",
				   call->next, st->st_uid, call->next);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return pvb_err_set(err, -EPERM,
				   "next-hookscript %s can be written by others than root (mode %04o), who would be root with it: chmod go-w %s",
				   call->next, st->st_mode & 07777u, call->next);
	return 0;
}

/* Who may rename files in its folder may put another in the script's place after it was looked at. */
static int folder_trust(const struct conf_call *call, struct pvb_err *err)
{
	bool test = strcmp(pvb_ctx_root(call->ctx), "/") != 0;
	char folder[CONF_NEXT_MAX];
	_conf_close_ int fd = -1;
	struct stat st;

	snprintf(folder, sizeof(folder), "%s", call->next);
	*(strrchr(folder, '/') > folder ? strrchr(folder, '/') : folder + 1) = '\0';
	fd = pvb_open(call->ctx, folder, O_PATH | O_DIRECTORY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return pvb_err_set(err, fd < 0 ? fd : -errno, "next-hookscript %s: cannot look at its folder: %s", call->next,
				   strerror(fd < 0 ? -fd : errno));
	if ((st.st_uid == 0 || (test && st.st_uid == geteuid())) && (!(st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_mode & S_ISVTX))
		return 0;
	return pvb_err_set(err, -EPERM,
			   "next-hookscript %s: others than root can put another file in its place (folder %s, user %u, mode %04o), and would be root with it: chown root %s; chmod go-w %s",
			   call->next, folder, st.st_uid, st.st_mode & 07777u, folder, folder);
}

static void loop_mark(const struct conf_call *call, char mark[64])
{
	snprintf(mark, 64, "%u %s", call->vmid, call->phase);
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* It is this very program, or it called us. */
static bool loops(const struct conf_call *call, const struct stat *st)
{
	const char *caller = getenv(LOOP_VARIABLE);
	char mark[64], own[PATH_MAX], *end;
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	loop_mark(call, mark);
	if (caller && !strcmp(caller, mark))
		return true;
	if (same_file("/proc/self/exe", st))
		return true;
	/* The hook that has libkmod is not the one that Proxmox VE calls. */
	own[n > 0 ? n : 0] = '\0';
	end = strrchr(own, '-');
	if (!end || strcmp(end, "-kmod") != 0)
		return false;
	*end = '\0';
	return same_file(own, st);
}

int conf_next_check(const struct conf_call *call, struct pvb_err *err)
{
	_conf_close_ int fd = pvb_open(call->ctx, call->next, O_PATH);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return pvb_err_set(err, fd < 0 ? fd : -errno,
				   "next-hookscript %s: %s: put it there, or correct next-hookscript in pvebind.ini",
				   call->next, strerror(fd < 0 ? -fd : errno));
	if (!S_ISREG(st.st_mode))
		return pvb_err_set(err, -EINVAL, "next-hookscript %s is no plain file: a script belongs there", call->next);
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return pvb_err_set(err, -EACCES, "next-hookscript %s is not executable: chmod +x %s", call->next,
				   call->next);
	if (loops(call, &st))
		return pvb_err_set(err, -ELOOP,
				   "next-hookscript %s leads back to pvebind, without end: name a script that does not call it",
				   call->next);
	r = file_trust(call, &st, err);
	return r < 0 ? r : folder_trust(call, err);
}

/* ---- calling it ------------------------------------------------------------------------ */

static int argv_spawn(pid_t *pid, const char *const *argv)
{
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	int r = posix_spawnattr_init(&attr);

	if (r != 0)
		return -r;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn(pid, argv[0], NULL, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* A text without "#!" is the shell's, as for the execvp() that Proxmox VE uses. */
static int script_spawn(const struct conf_call *call, pid_t *pid)
{
	const char *root = pvb_ctx_root(call->ctx);
	char file[4096], vmid[16], mark[64];
	const char *argv[] = { "/bin/sh", file, vmid, call->phase, NULL };
	int r;

	snprintf(file, sizeof(file), "%s%s", strcmp(root, "/") ? root : "", call->next);
	snprintf(vmid, sizeof(vmid), "%u", call->vmid);
	loop_mark(call, mark);
	if (setenv(LOOP_VARIABLE, mark, 1) < 0)
		return -errno;
	r = argv_spawn(pid, argv + 1);
	return r == -ENOEXEC ? argv_spawn(pid, argv) : r;
}

static void signals_block(sigset_t *watched, sigset_t *before)
{
	sigemptyset(watched);
	sigaddset(watched, SIGTERM);
	sigaddset(watched, SIGINT);
	sigaddset(watched, SIGHUP);
	sigprocmask(SIG_BLOCK, watched, before);
}

/* Who was asked to stop before it lends need not begin. After a return the script is wanted all the same, and signals that
 * came before were not meant for it: they are taken off, so that one to come is seen. */
static bool stopped_before(const struct conf_call *call, const sigset_t *watched)
{
	const struct timespec none = { .tv_sec = 0 };
	sigset_t pending;

	if (!strcmp(call->phase, "pre-start")) {
		sigemptyset(&pending);
		sigpending(&pending);
		return sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) || sigismember(&pending, SIGHUP);
	}
	while (sigtimedwait(watched, NULL, &none) > 0)
		;
	return false;
}

static void signal_pass(pid_t pid, const sigset_t *watched)
{
	sigset_t pending;

	sigemptyset(&pending);
	sigpending(&pending);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(watched, number) && sigismember(&pending, number))
			kill(pid, number);
}

/* The web interface's Stop signals our whole process group, the script in it, which needs no second signal from us; a
 * kill of us alone does not. It is not taken from the pending ones: whoever blocks it wants it too. */
static void end_await(pid_t pid, const sigset_t *watched)
{
	_conf_close_ int end = (int)syscall(SYS_pidfd_open, pid, 0);
	_conf_close_ int signals = signalfd(-1, watched, SFD_CLOEXEC);
	struct pollfd fds[] = { { .fd = end, .events = POLLIN }, { .fd = signals, .events = POLLIN } };

	if (end < 0)
		return;
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (!fds[0].revents && poll(fds, 1, GRACE_MS) == 0)
		signal_pass(pid, watched);
}

static int status_judge(const struct conf_call *call, int status, struct pvb_err *err)
{
	if (WIFSIGNALED(status))
		return pvb_err_set(err, -ECHILD, "VM %u: next-hookscript %s was ended at %s by signal %d (%s)",
				   call->vmid, call->next, call->phase, WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return pvb_err_set(err, -ECHILD, "VM %u: next-hookscript %s failed at %s with exit status %d",
				   call->vmid, call->next, call->phase, WEXITSTATUS(status));
	return 0;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int conf_next_run(const struct conf_call *call, struct pvb_err *err)
{
	long long start_ms = now_ms();
	sigset_t watched, before;
	int r, status = 0;
	pid_t pid;

	signals_block(&watched, &before);
	r = stopped_before(call, &watched) ? -ECANCELED : script_spawn(call, &pid);
	if (r == 0) {
		end_await(pid, &watched);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	unsetenv(LOOP_VARIABLE);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r == -ECANCELED)
		return pvb_err_set(err, r, "VM %u: asked to stop: next-hookscript %s was not called, and nothing is lent", call->vmid,
				   call->next);
	if (r < 0)
		return pvb_err_set(err, r, "VM %u: cannot run next-hookscript %s: %s", call->vmid, call->next,
				   strerror(-r));
	r = status_judge(call, status, err);
	if (r == 0)
		pvb_log(call->ctx, PVB_NOTICE, "VM %u: next-hookscript %s done at %s, %lld ms", call->vmid, call->next,
			call->phase, now_ms() - start_ms);
	return r;
}
