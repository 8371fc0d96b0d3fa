/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions whose answer may never come: a child asks, as a process that hangs in the kernel cannot be ended. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "internal.h"

#define ANSWER_MAX (1 << 20)
#define SILENCES_MAX 5         /* who goes on and on gets no answer either */
#define END_LOOK_NS 2500000000 /* who has said all ends; twice that it may sleep over it, */
#define END_LOOKS_MAX 10       /* and so often be found running: only that it is not hung is known of it */
#define KILL_WAIT_NS 100000000 /* a killed process that is not gone by then sleeps uninterruptibly */

/* Locks and Proxmox VE's pipes must go with the caller, also when the child outlives it. */
static void __attribute__((noreturn)) child_run(struct pvb_ctx *ctx, pvb_answer_fn *answer, void *data, int fd)
{
	int low = ctx->root_fd < fd ? ctx->root_fd : fd, high = ctx->root_fd < fd ? fd : ctx->root_fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pvb_stdio_leave(ctx);
	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1 > 3 ? (unsigned)low + 1 : 3, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0u, 0);
	ctx->log = NULL;
	ctx->event = NULL;
	ctx->cancel_fd = -1;
	answer(ctx, data, fd);
	_exit(0);
}

int pvb_ask_start(struct pvb_ctx *ctx, pvb_answer_fn *answer, void *data, struct pvb_ask *ask)
{
	int fds[2];

	*ask = (struct pvb_ask){ .pidfd = -1, .fd = -1 };
	if (pvb_ctx_late(ctx))
		return -ETIMEDOUT;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	ask->pid = fork();
	if (ask->pid == 0)
		child_run(ctx, answer, data, fds[1]);
	close(fds[1]);
	if (ask->pid < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	ask->fd = fds[0];
	ask->pidfd = (int)syscall(SYS_pidfd_open, ask->pid, 0);
	return 0;
}

/* One read: 1 something came, 0 the end. */
static int text_read(struct pvb_ask *ask)
{
	ssize_t n;

	if (ask->size + 1 >= ask->room) {
		size_t room = ask->room ? ask->room * 4 : 4096;
		char *more = ask->room > ANSWER_MAX ? NULL : realloc(ask->text, room);

		if (!more)
			return -ENOMEM;
		ask->text = more;
		ask->room = room;
	}
	n = read(ask->fd, ask->text + ask->size, ask->room - ask->size - 1);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	ask->size += (size_t)n;
	ask->text[ask->size] = '\0';
	return n > 0;
}

/* How far the child has come: a busy host may leave it without a processor for seconds, which is no hang. */
struct pace {
	char state;             /* "R": it would run */
	unsigned long switches; /* how often it has gone to sleep, or was put aside */
};

/* The child's own, so of this machine whatever the root is. */
static struct pace pace_read(pid_t pid)
{
	struct pace pace = { .state = '?' };
	unsigned long number;
	char path[64], line[256];
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "State: %c", &pace.state) == 1)
			continue;
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &number) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %lu", &number) == 1)
			pace.switches += number;
	}
	if (in)
		fclose(in);
	return pace;
}

/* Silent for a silence, and in the latter half of it neither running nor woken. */
static int answer_wait(const struct pvb_ctx *ctx, struct pvb_ask *ask, int64_t silence_ns)
{
	int64_t end_ns = pvb_now_ns() + SILENCES_MAX * silence_ns;
	struct pace before = { .state = 0 };
	int r = 1;

	if (ctx->deadline_ns && ctx->deadline_ns < end_ns)
		end_ns = ctx->deadline_ns;
	while (r > 0) {
		struct pollfd fds[2] = { { .fd = ask->fd, .events = POLLIN }, { .fd = ctx->cancel_fd, .events = POLLIN } };
		int64_t deadline_ns = pvb_now_ns() + silence_ns / 2;

		r = pvb_poll(fds, 2, deadline_ns < end_ns ? deadline_ns : end_ns);
		if (r == 0) {
			struct pace now = pace_read(ask->pid);
			bool moves = !before.state || now.state == 'R' || now.switches != before.switches;

			if (!moves || pvb_now_ns() >= end_ns)
				return -ETIMEDOUT;
			before = now;
			r = 1;
			continue;
		}
		before.state = 0;
		if (r > 0)
			r = fds[1].revents ? -ECANCELED : text_read(ask);
		if (r > 0 && ask->enough && ask->size >= ask->enough)
			return 0;
	}
	return r;
}

/* One that has said all only has to end. That takes what is short of a processor its time, too. */
static bool end_await(const struct pvb_ctx *ctx, const struct pvb_ask *ask)
{
	struct pollfd gone = { .fd = ask->pidfd, .events = POLLIN };
	struct pace before = { .state = 0 };

	for (unsigned i = 0; i < END_LOOKS_MAX; i++) {
		struct pace now;

		if (pvb_poll(&gone, 1, pvb_now_ns() + END_LOOK_NS) > 0)
			return true;
		now = pace_read(ask->pid);
		if (pvb_ctx_late(ctx) || (i > 0 && now.state != 'R' && now.switches == before.switches))
			return false;
		before = now;
	}
	return false;
}

/* Whether it ended well. One that does not end becomes init's child when we are gone. */
static bool child_end(struct pvb_ctx *ctx, struct pvb_ask *ask, bool ended)
{
	struct pollfd gone = { .fd = ask->pidfd, .events = POLLIN };
	int status = -1;
	bool is_gone;

	if (ended && ask->enough && ask->size >= ask->enough && ask->pidfd >= 0) {
		pvb_child_later(ctx, ask->pid, ask->pidfd);
		ask->pidfd = -1;
		return true;
	}
	if (!ended)
		kill(ask->pid, SIGKILL);
	is_gone = ended ? end_await(ctx, ask) : pvb_poll(&gone, 1, pvb_now_ns() + KILL_WAIT_NS) > 0;
	if (!is_gone)
		kill(ask->pid, SIGKILL);
	/* Of one that somebody traces its status is to be had only when the tracer has seen its end. */
	return waitpid(ask->pid, &status, is_gone ? 0 : WNOHANG) == ask->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int pvb_ask_end(struct pvb_ctx *ctx, struct pvb_ask *ask, int64_t silence_ns, char **text, size_t *size)
{
	int r = answer_wait(ctx, ask, silence_ns);

	*text = NULL;
	*size = 0;
	if (!child_end(ctx, ask, r == 0) && r == 0)
		r = -EIO;
	close(ask->fd);
	if (ask->pidfd >= 0)
		close(ask->pidfd);
	if (r < 0 && r != -ETIMEDOUT && r != -ECANCELED) {
		free(ask->text);
		return r;
	}
	*text = ask->text;
	*size = ask->size;
	return r;
}

int pvb_ask(struct pvb_ctx *ctx, pvb_answer_fn *answer, void *data, int64_t silence_ns, char **text, size_t *size)
{
	struct pvb_ask ask;
	int r = pvb_ask_start(ctx, answer, data, &ask);

	*text = NULL;
	*size = 0;
	return r < 0 ? r : pvb_ask_end(ctx, &ask, silence_ns, text, size);
}
