/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting until the processes that use the devices have let them go. */
#include <poll.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "lend.h"

#define WATCH_MAX 64

/* Be told when a node is closed: the host's own. Who has a container's is known by its process. */
static void node_watch(const struct pvb_ctx *ctx, int inotify_fd, const char *node)
{
	_cleanup_close_ int fd = pvb_open(ctx, node, O_PATH);
	char path[64];

	if (fd < 0)
		return;
	/* The descriptor keeps us below the root, which a path given to inotify would not. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	inotify_add_watch(inotify_fd, path, IN_CLOSE | IN_ATTRIB | IN_DELETE_SELF);
}

static size_t processes_watch(const struct pvb_busy *busy, struct pollfd *fds)
{
	size_t n = 0;
	int last = 0;

	/* A test's processes are none. */
	for (size_t i = 0; busy->ctx->real_root && i < busy->holders.n && n < WATCH_MAX; i++) {
		int pid = busy->holders.list[i].pid;

		if (pid == last)
			continue;
		last = pid;
		fds[n].fd = (int)syscall(SYS_pidfd_open, pid, 0);
		fds[n].events = POLLIN;
		if (fds[n].fd >= 0)
			n++;
		else if (errno == ESRCH)
			return fds[n].revents = 1, n + 1; /* gone meanwhile: look again */
	}
	return n;
}

/* Until a node is closed or a process ends. 0 at the deadline. */
static int change_wait(const struct pvb_busy *busy, int inotify_fd, int64_t deadline_ns)
{
	struct pollfd fds[WATCH_MAX + 2] = { { .fd = inotify_fd, .events = POLLIN },
					     { .fd = busy->ctx->cancel_fd, .events = POLLIN } };
	size_t n = processes_watch(busy, fds + 2);
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool gone = n && fds[2 + n - 1].revents;
	int r = gone ? 1 : pvb_poll(fds, n + 2, deadline_ns);

	for (size_t i = 0; i < n; i++)
		if (fds[2 + i].fd >= 0)
			close(fds[2 + i].fd);
	if (r > 0 && fds[1].revents)
		return -ECANCELED;
	if (r > 0 && fds[0].revents && read(inotify_fd, events, sizeof(events)) < 0 && errno != EAGAIN)
		return -errno;
	return r;
}

int pvb_letgo_wait(struct pvb_ctx *ctx, const struct pvb_settings *settings, const struct pvb_snapshot *snapshot,
		   int64_t deadline_ns, char *who, size_t size)
{
	_cleanup_close_ int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	bool watched = false, late = false;
	int r = inotify_fd < 0 ? -errno : 1;

	while (r > 0) {
		struct pvb_busy busy;
		bool held;

		r = pvb_busy_look(ctx, settings, snapshot, &busy);
		held = r == 0 && pvb_busy_who(&busy, snapshot, who, size);
		if (held && !watched) {
			/* Watched from now on; what was closed before is seen by looking once more. */
			for (size_t i = 0; i < busy.nodes.n; i++)
				node_watch(ctx, inotify_fd, busy.nodes.list[i].path);
			watched = true;
			r = 1;
		} else if (held && late) {
			r = -ETIMEDOUT;
		} else if (held) {
			r = change_wait(&busy, inotify_fd, deadline_ns);
			late = r == 0; /* a container's own node may have been closed unseen */
			r = r == 0 ? 1 : r;
		}
		pvb_busy_clear(&busy);
	}
	return r;
}
