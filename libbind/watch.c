/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watching a lend without working on it: for a guard. */
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#include "lend.h"

int pvb_lend_wait(struct pvb_ctx *ctx, const char *name, unsigned timeout_ms, struct pvb_err *err)
{
	char lock[PVB_NAME_MAX];
	int r = pvb_record_wait(ctx, pvb_lend_lock_name(name, lock), pvb_now_ns() + (int64_t)timeout_ms * 1000000);

	if (r == 0 || r == -ENOENT)
		return 0; /* nobody has ever worked on it */
	if (r == -ETIMEDOUT)
		return pvb_err_set(err, r, "another pvebind is still working on %s", name);
	return pvb_err_set(err, r, "cannot wait for /" PVB_STATE_DIR "/%s: %s", lock, strerror(-r));
}

int pvb_lend_wait_closed(struct pvb_ctx *ctx, const char *name, unsigned timeout_ms, struct pvb_err *err)
{
	struct pvb_lend lend;
	int r = pvb_lend_read(ctx, name, &lend, err);

	if (r < 0)
		return r == -ENOENT ? (err->code = 0) : r;
	r = pvb_lend_groups_wait(ctx, &lend, NULL, pvb_now_ns() + (int64_t)timeout_ms * 1000000);
	pvb_lend_clear(&lend);
	if (r == -ETIMEDOUT)
		return pvb_err_set(err, r, "a process still has the devices lent to %s open", name);
	return r < 0 ? pvb_err_set(err, r, "cannot tell whether the devices lent to %s are open: %s", name, strerror(-r)) : 0;
}

int pvb_lend_watch(struct pvb_ctx *ctx, const char *name)
{
	char path[PVB_PATH_MAX];
	_cleanup_close_ int fd = pvb_open(ctx, pvb_journal_path(name, path), O_PATH | O_NOFOLLOW);
	int inotify_fd;

	if (fd < 0)
		return fd;
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify_fd < 0)
		return -errno;
	/* Through the descriptor, so that the path stays below the root. IN_ATTRIB: its last name went. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (inotify_add_watch(inotify_fd, path, IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF) < 0) {
		int code = -errno;

		close(inotify_fd);
		return code;
	}
	return inotify_fd;
}
