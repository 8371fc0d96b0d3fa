/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vfio nodes of a device, whether a group is in use, and waiting until it is not. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "internal.h"

static int node_add(const struct pvb_ctx *ctx, char **nodes, size_t *n, const char *node)
{
	if (!pvb_sysfs_exists(ctx, node))
		return 0;
	nodes[*n] = strdup(node);
	return nodes[(*n)++] ? 0 : -ENOMEM;
}

int pvb_vfio_nodes(const struct pvb_ctx *ctx, const struct pvb_function *fn, char ***nodes)
{
	_cleanup_strv_ char **names = NULL, **list = NULL;
	char path[PVB_PATH_MAX], node[PVB_NAME_MAX];
	size_t n = 0, room = 3;
	int r = pvb_sysfs_list(ctx, pvb_device_path(&fn->addr, "vfio-dev", path), &names);

	if (r < 0)
		return r;
	for (char **name = names; *name; name++)
		room++;
	list = calloc(room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (fn->group >= 0) {
		snprintf(node, sizeof(node), "/dev/vfio/%d", fn->group);
		r = node_add(ctx, list, &n, node);
	}
	for (char **name = names; r == 0 && *name; name++)
		if (pvb_format(node, sizeof(node), "/dev/vfio/devices/%s", *name) == 0)
			r = node_add(ctx, list, &n, node);
	if (r < 0)
		return r;
	*nodes = list;
	list = NULL;
	return 0;
}

/* ---- is a group open? --------------------------------------------------------- */

/* In the child. Nothing of the caller's may stay open here: if the open hangs, the child outlives the
 * caller, and Proxmox VE reads the caller's stdout to its end; and the locks must go with the caller. */
static void __attribute__((noreturn)) probe_run(const struct pvb_ctx *ctx, int group, int answer_fd)
{
	char path[32];
	int fd, r;

	int low = ctx->root_fd < answer_fd ? ctx->root_fd : answer_fd;
	int high = ctx->root_fd < answer_fd ? answer_fd : ctx->root_fd;

	if (low > 0)
		close_range(0, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0u, 0);
	snprintf(path, sizeof(path), "dev/vfio/%d", group);
	fd = pvb_open(ctx, path, O_RDWR);
	if (fd >= 0)
		close(fd);
	r = fd >= 0 ? 0 : fd;
	/* Answered only now: the group must be free again when the caller goes on. */
	_exit(write(answer_fd, &r, sizeof(r)) != (ssize_t)sizeof(r));
}

/* Ask a child to open the group, and wait for its answer. The kernel takes the group's lock for the open, and
 * holds it while a closing device is reset or its memory unpinned (vfio_device_group_close(), drivers/vfio/group.c):
 * seconds, or two minutes on a dead card, in which no signal helps. */
static int probe_start(const struct pvb_ctx *ctx, int group, pid_t *pid, int *answer_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*pid = fork();
	if (*pid == 0)
		probe_run(ctx, group, fds[1]);
	close(fds[1]);
	if (*pid > 0) {
		*answer_fd = fds[0];
		return 0;
	}
	close(fds[0]);
	return -EAGAIN;
}

static int remaining_ms(int64_t deadline_ns)
{
	int64_t ms = (deadline_ns - pvb_now_ns() + 999999) / 1000000;

	if (ms <= 0)
		return 0;
	return ms > 1000000 ? 1000000 : (int)ms;
}

/* Wait for fd (-1: for the time only) or the caller's word to give up. 1 readable, 0 the time is over, -ECANCELED. */
static int event_wait(const struct pvb_ctx *ctx, int fd, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = ctx->cancel_fd, .events = POLLIN } };
	int n = poll(fds, 2, timeout_ms);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (n > 0 && fds[1].revents)
		return -ECANCELED;
	return n > 0;
}

/* 1 open, 0 free, -ETIMEDOUT the kernel has not said until the deadline. */
static int group_probe(const struct pvb_ctx *ctx, int group, int64_t deadline_ns)
{
	_cleanup_close_ int answer_fd = -1;
	int64_t soonest_ns = pvb_now_ns() + 100000000;
	int answer = -EIO, r;
	pid_t pid = -1;
	char path[32];

	/* A node that is not there nobody can open, and nobody has to ask. */
	snprintf(path, sizeof(path), "dev/vfio/%d", group);
	if (!pvb_sysfs_exists(ctx, path))
		return 0;
	/* The answer usually takes less than a millisecond: even a caller who is late gets it. */
	if (deadline_ns < soonest_ns)
		deadline_ns = soonest_ns;
	r = probe_start(ctx, group, &pid, &answer_fd);
	if (r < 0)
		return r;
	do
		r = event_wait(ctx, answer_fd, remaining_ms(deadline_ns));
	while (r == 0 && remaining_ms(deadline_ns) > 0);
	if (r <= 0) {
		/* It ends once the kernel lets it; an uncollected child of a process about to end harms nobody. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
		return r < 0 ? r : -ETIMEDOUT;
	}
	if (read(answer_fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		answer = -EIO;
	waitpid(pid, NULL, 0);
	/* -ENODEV: the last device has just left the group. */
	if (answer == -ENOENT || answer == -ENODEV || answer == -ENXIO)
		return 0;
	return answer == -EBUSY ? 1 : answer;
}

int pvb_vfio_group_busy(const struct pvb_ctx *ctx, int group)
{
	/* A group that is being closed for longer than a second is in use. */
	int r = group_probe(ctx, group, pvb_now_ns() + 1000000000);

	return r == -ETIMEDOUT ? 1 : r;
}

/* ---- wait until it is not ------------------------------------------------------- */

/* Be told of closes. A node that is not there has nobody to wait for. */
static int group_watch(const struct pvb_ctx *ctx, int inotify_fd, int group)
{
	char path[64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "dev/vfio/%d", group);
	fd = pvb_open(ctx, path, O_PATH);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* The descriptor keeps us below the root, which a path given to inotify would not.
	 * IN_ATTRIB: the node was removed while somebody has it open. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return inotify_add_watch(inotify_fd, path, IN_CLOSE | IN_ATTRIB | IN_DELETE_SELF) < 0 ? -errno : 0;
}

/* Wait until one group is free. The close event comes *before* the driver's release (__fput() in fs/file_table.c
 * notifies first), so that an open right after it can still find the group taken for a moment, without another
 * event to come: hence the tries at growing distance after each event (and at the start, where the
 * event may have come just before we watched). Together they last a second; then only an event counts. */
static int group_wait(const struct pvb_ctx *ctx, int inotify_fd, int group, int64_t deadline_ns)
{
	int pause_ms = 1;

	for (;;) {
		char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
		int left, r = group_probe(ctx, group, deadline_ns);

		if (r <= 0)
			return r;
		left = remaining_ms(deadline_ns);
		if (left == 0)
			return -ETIMEDOUT;
		r = event_wait(ctx, inotify_fd, pause_ms < 1000 && pause_ms < left ? pause_ms : left);
		if (r < 0)
			return r;
		if (r == 0) {
			pause_ms *= 2;
			continue;
		}
		if (read(inotify_fd, events, sizeof(events)) < 0 && errno != EAGAIN)
			return -errno;
		pause_ms = 1;
	}
}

/* Whether one is in use at the moment: 1, 0, or what group_probe() says. */
static int any_busy(const struct pvb_ctx *ctx, const int *groups, size_t n, int64_t deadline_ns)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = group_probe(ctx, groups[i], deadline_ns);
	return r;
}

/* Usually QEMU is gone and all are free: a watch is set up only where they are not, as its end takes the kernel
 * 6 ms and more (fsnotify_put_group() waits for SRCU's readers, fs/notify/group.c). */
int pvb_vfio_wait_free(struct pvb_ctx *ctx, const int *groups, size_t n, int64_t deadline_ns)
{
	_cleanup_close_ int inotify_fd = -1;
	int r = any_busy(ctx, groups, n, deadline_ns);

	if (r <= 0)
		return r;
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify_fd < 0)
		return -errno;
	r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = group_watch(ctx, inotify_fd, groups[i]);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = group_wait(ctx, inotify_fd, groups[i], deadline_ns);
	return r;
}
