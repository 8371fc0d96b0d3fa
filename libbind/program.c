/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's own commands (systemctl, pct): no shell, a deadline, and nothing of ours open in them. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "internal.h"

#define KILL_WAIT_NS 500000000
#define ARGS_MAX 30

/* Dies with us, who alone waits for it; not of a signal to the caller's group (Proxmox VE's task "Stop"), as what
 * is half done is then undone by the same command. */
static void __attribute__((noreturn)) program_exec(const char *path, char **argv, int out, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	pvb_stdio_leave(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close_range(3, ~0u, 0);
	setenv("LC_ALL", "C", 1);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1); /* root's program finds its helpers whatever the caller's is */
	execv(path, argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static void out_drain(int fd, struct pvb_output *output)
{
	char rest[512];

	for (;;) {
		size_t have = strlen(output->text), room = sizeof(output->text) - 1 - have;
		ssize_t n = read(fd, room ? output->text + have : rest, room ? room : sizeof(rest));

		if (n <= 0)
			return;
		if (room)
			output->text[have + (size_t)n] = '\0';
	}
}

/* Until the program has ended; who inherits its output and lives on is not waited for. */
static int program_wait(const struct pvb_ctx *ctx, int pidfd, int fd, int64_t deadline_ns, struct pvb_output *output)
{
	for (;;) {
		struct pollfd fds[3] = { { .fd = pidfd, .events = POLLIN }, { .fd = fd, .events = POLLIN },
					 { .fd = ctx->cancel_fd, .events = POLLIN } };
		int r = pvb_poll(fds, 3, deadline_ns);

		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		out_drain(fd, output);
		if (fds[0].revents)
			return 0;
		if (fds[2].revents)
			return -ECANCELED;
		if (fds[1].revents & POLLHUP && !(fds[1].revents & POLLIN))
			fd = -1; /* its end: only the program's own is left to wait for */
	}
}

static int program_end(pid_t pid, int pidfd, int r, struct pvb_output *output)
{
	struct pollfd gone = { .fd = pidfd, .events = POLLIN };
	int status = 0;

	if (r < 0) {
		kill(pid, SIGKILL); /* it may not have come to have a group yet */
		kill(-pid, SIGKILL);
		if (pvb_poll(&gone, 1, pvb_now_ns() + KILL_WAIT_NS) <= 0)
			return r;
	}
	waitpid(pid, &status, 0);
	output->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return r;
}

/* into: a file for what it says; -1: by a pipe into *output. */
static int program_run(const struct pvb_ctx *ctx, const char *program, const char *const *args, int64_t deadline_ns, int into,
		       struct pvb_output *output)
{
	_cleanup_close_ int pidfd = -1;
	char path[4096], *argv[ARGS_MAX + 2] = { path };
	pid_t parent = getpid(), pid;
	int fds[2] = { -1, into }, r;

	*output = (struct pvb_output){ .status = -1 };
	if (pvb_ctx_late(ctx))
		return -ETIMEDOUT;
	if (ctx->deadline_ns && ctx->deadline_ns < deadline_ns)
		deadline_ns = ctx->deadline_ns;
	if (pvb_format(path, sizeof(path), "%s/%s", ctx->real_root ? "" : ctx->root, program) < 0)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	if (access(path, X_OK) < 0)
		return -errno;
	if (into < 0 && pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		program_exec(path, argv, fds[1], parent);
	if (into < 0)
		close(fds[1]);
	r = pid < 0 ? -EAGAIN : 0;
	if (r == 0) {
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
		r = program_wait(ctx, pidfd, fds[0], deadline_ns, output);
		r = program_end(pid, pidfd, r, output);
		out_drain(fds[0], output);
	}
	if (fds[0] >= 0)
		close(fds[0]);
	return r;
}

int pvb_program_run(const struct pvb_ctx *ctx, const char *program, const char *const *args, int64_t deadline_ns,
		    struct pvb_output *output)
{
	return program_run(ctx, program, args, deadline_ns, -1, output);
}

int pvb_program(struct pvb_ctx *ctx, const char *program, const char *const *args, unsigned timeout_ms,
		struct pvb_output *output)
{
	return pvb_program_run(ctx, program, args, pvb_now_ns() + (int64_t)timeout_ms * 1000000, output);
}

int pvb_program_whole(struct pvb_ctx *ctx, const char *program, const char *const *args, unsigned timeout_ms,
		      struct pvb_output *output)
{
	struct pvb_ctx calm = *ctx;
	int r;

	calm.cancel_fd = -1;
	r = pvb_program(&calm, program, args, timeout_ms, output);
	return r == 0 && pvb_ctx_cancelled(ctx) ? -ECANCELED : r;
}

int pvb_program_into(struct pvb_ctx *ctx, const char *program, const char *const *args, unsigned timeout_ms, int fd, int *status)
{
	struct pvb_output output;
	int r = program_run(ctx, program, args, pvb_now_ns() + (int64_t)timeout_ms * 1000000, fd, &output);

	*status = output.status;
	return r;
}

const char *pvb_output_last(const struct pvb_output *output, char *buf, size_t size)
{
	const char *line = output->text, *last = "";
	size_t n = 0;

	for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\n");

		if (len) {
			last = line;
			n = len;
		}
	}
	snprintf(buf, size, "%.*s", (int)n, last);
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	if (!*buf)
		snprintf(buf, size, "exit status %d", output->status);
	return buf;
}
