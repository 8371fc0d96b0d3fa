/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files below run/pvebind: locks, and small records that a lock guards.
 *
 * A lock is flock(2) on the file itself: it belongs to the open file, is inherited by a
 * worker, and goes when the last process that has it ends, however it ends. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "internal.h"

static const char *record_path(const char *name, char path[PVB_PATH_MAX])
{
	snprintf(path, PVB_PATH_MAX, PVB_STATE_DIR "/%s", name);
	return path;
}

int pvb_state_dir(struct pvb_ctx *ctx, struct pvb_err *err)
{
	_cleanup_close_ int run = pvb_open(ctx, "run", O_RDONLY | O_DIRECTORY);

	if (run < 0)
		return pvb_err_set(err, run, "cannot open %s/run: %s", ctx->root, strerror(-run));
	if (mkdirat(run, "pvebind", 0700) < 0 && errno != EEXIST)
		return pvb_err_set(err, -errno, "cannot create /run/pvebind: %s", strerror(errno));
	return 0;
}

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* A child waits for the lock in our place (the open file is shared, so the lock is ours when it
 * has it): that gives flock() a deadline and a way to be cancelled, without polling or signals. */
static int lock_wait(const struct pvb_ctx *ctx, int fd, int how, int64_t deadline_ns)
{
	struct pollfd wait[2] = { { .events = POLLIN }, { .fd = ctx->cancel_fd, .events = POLLIN } };
	pid_t parent = getpid(), pid = fork();
	int status, r;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* Killed with its parent: it has the parent's stdout open, which PVE reads to its end. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent && flock(fd, how) == 0 ? 0 : 1);
	}
	wait[0].fd = pidfd_of(pid);
	r = pvb_poll(wait, 2, deadline_ns);
	if (wait[0].fd >= 0)
		close(wait[0].fd);
	if (r == 0 || !wait[0].revents)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0 ? 0 : -EIO;
	return r == 0 ? -ETIMEDOUT : -ECANCELED;
}

int pvb_poll(struct pollfd *fds, size_t n, int64_t deadline_ns)
{
	for (;;) {
		int64_t left = deadline_ns - pvb_now_ns();
		struct timespec timeout = { .tv_sec = 0 };
		int r;

		if (left > 0)
			timeout = (struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
		r = ppoll(fds, n, &timeout, NULL);
		if (r >= 0 || errno != EINTR)
			return r < 0 ? -errno : r;
	}
}

static int fd_lock(const struct pvb_ctx *ctx, int fd, int how, int64_t deadline_ns)
{
	if (flock(fd, how | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;
	return deadline_ns ? lock_wait(ctx, fd, how, deadline_ns) : -EWOULDBLOCK;
}

/* The first line is the record: a new one is written over the old in one pwrite. */
static int record_load(int fd, const struct stat *st, char **body)
{
	_cleanup_free_ char *text = NULL;
	const char *line;
	char *next;
	ssize_t n;

	*body = NULL;
	if (st->st_size == 0)
		return 0; /* only a lock */
	text = malloc(PVB_LINE_MAX + 1);
	if (!text)
		return -ENOMEM;
	n = pread(fd, text, PVB_LINE_MAX, 0);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	line = pvb_line_check(text, &next);
	if (!line)
		return 0;
	*body = strdup(line);
	return *body ? 0 : -ENOMEM;
}

int pvb_record_open(struct pvb_ctx *ctx, const char *name, int64_t deadline_ns, struct pvb_record *record)
{
	char path[PVB_PATH_MAX];
	struct stat st;
	int r;

	*record = (struct pvb_record){ .fd = -1 };
	if (pvb_format(record->name, sizeof(record->name), "%s", name) < 0)
		return -ENAMETOOLONG;
	for (;;) {
		record->fd = pvb_openat(ctx, record_path(name, path), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
		if (record->fd < 0)
			return record->fd;
		r = fd_lock(ctx, record->fd, LOCK_EX, deadline_ns);
		if (r == 0 && fstat(record->fd, &st) < 0)
			r = -errno;
		/* Who had it may have removed it while we waited: then ours is a lock on nothing. */
		if (r < 0 || st.st_nlink > 0)
			break;
		close(record->fd);
	}
	if (r == 0)
		r = record_load(record->fd, &st, &record->body);
	if (r < 0)
		pvb_record_close(record);
	return r;
}

void pvb_record_close(struct pvb_record *record)
{
	if (record->fd >= 0)
		close(record->fd);
	free(record->body);
	record->fd = -1;
	record->body = NULL;
}

int pvb_record_write(struct pvb_record *record, struct pvb_line *line)
{
	int r = pvb_line_finish(line);

	if (r < 0)
		return r;
	if (pwrite(record->fd, line->text, line->size, 0) != (ssize_t)line->size)
		return errno ? -errno : -EIO;
	return 0;
}

/* The directory that names of files of run/pvebind are to be given from, and how (at_name()). Without a root to stay below
 * that is the root, so that there is nothing to open. -errno. */
static int state_at(struct pvb_ctx *ctx)
{
	return ctx->real_root ? ctx->root_fd : pvb_open(ctx, PVB_STATE_DIR, O_RDONLY | O_DIRECTORY);
}

static const char *at_name(const struct pvb_ctx *ctx, const char *name, char path[PVB_PATH_MAX])
{
	return ctx->real_root ? record_path(name, path) : name;
}

static void at_close(const struct pvb_ctx *ctx, int at)
{
	if (!ctx->real_root)
		close(at);
}

int pvb_state_remove(struct pvb_ctx *ctx, const char *name)
{
	int at = state_at(ctx), r = 0;
	char path[PVB_PATH_MAX];

	if (at < 0)
		return at;
	if (unlinkat(at, at_name(ctx, name, path), 0) < 0 && errno != ENOENT)
		r = -errno;
	at_close(ctx, at);
	return r;
}

int pvb_state_rename(struct pvb_ctx *ctx, const char *from, const char *to)
{
	int at = state_at(ctx), r = 0;
	char old[PVB_PATH_MAX], new[PVB_PATH_MAX];

	if (at < 0)
		return at;
	if (renameat(at, at_name(ctx, from, old), at, at_name(ctx, to, new)) < 0)
		r = -errno;
	at_close(ctx, at);
	return r;
}

int pvb_record_remove(struct pvb_ctx *ctx, struct pvb_record *record)
{
	return pvb_state_remove(ctx, record->name);
}

int pvb_record_peek(const struct pvb_ctx *ctx, const char *name, char **body)
{
	char path[PVB_PATH_MAX];
	_cleanup_close_ int fd = pvb_open(ctx, record_path(name, path), O_RDONLY | O_NOFOLLOW);
	struct stat st;

	if (body)
		*body = NULL;
	if (fd < 0 || !body)
		return fd < 0 ? fd : 0;
	return fstat(fd, &st) < 0 ? -errno : record_load(fd, &st, body);
}

bool pvb_record_locked(const struct pvb_ctx *ctx, const char *name)
{
	char path[PVB_PATH_MAX];
	_cleanup_close_ int fd = pvb_open(ctx, record_path(name, path), O_RDONLY | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

int pvb_record_wait(const struct pvb_ctx *ctx, const char *name, int64_t deadline_ns)
{
	char path[PVB_PATH_MAX];
	_cleanup_close_ int fd = pvb_open(ctx, record_path(name, path), O_RDONLY | O_NOFOLLOW);

	return fd < 0 ? fd : fd_lock(ctx, fd, LOCK_SH, deadline_ns);
}

/* ---- which there are: for who asks for many ---- */

void pvb_records_open(const struct pvb_ctx *ctx, struct pvb_records *records)
{
	*records = (struct pvb_records){ .names = NULL };
	records->dir = pvb_open(ctx, PVB_STATE_DIR, O_PATH | O_DIRECTORY);
}

void pvb_records_close(struct pvb_records *records)
{
	if (records->dir >= 0)
		close(records->dir);
	pvb_strv_free(records->names);
	*records = (struct pvb_records){ .dir = -1 };
}

/* Whether the list may be out of date; a directory's time moves with each file that comes or goes. */
static bool records_changed(struct pvb_records *records)
{
	struct stat st;

	if (records->dir < 0 || fstat(records->dir, &st) < 0)
		return false;
	if (records->names && records->changed.tv_sec == st.st_mtim.tv_sec && records->changed.tv_nsec == st.st_mtim.tv_nsec)
		return false;
	records->changed = st.st_mtim;
	return true;
}

bool pvb_records_have(const struct pvb_ctx *ctx, struct pvb_records *records, const char *prefix)
{
	size_t length = strlen(prefix);

	if (records_changed(records)) {
		pvb_strv_free(records->names);
		records->names = NULL;
		if (pvb_sysfs_list(ctx, PVB_STATE_DIR, &records->names) < 0)
			return true;
	}
	for (char **name = records->names; name && *name; name++)
		if (!strncmp(*name, prefix, length))
			return true;
	return false;
}
