/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and links below the root, written whole or not at all. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "setup.h"

#define FILE_MODE 0644
#define PRIVATE_MODE 0600
#define DIR_MODE 0755

/* The folder of path, open; *name is what is left of path. */
static int parent_open(struct pvb_ctx *ctx, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];

	if (!slash || !slash[1])
		return -EINVAL;
	*name = slash + 1;
	if ((size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return pvb_open(ctx, *dir ? dir : ".", O_RDONLY | O_DIRECTORY);
}

static int fail(struct pvb_err *err, int r, const char *what, const char *path)
{
	const char *remedy = "";

	if (r == -EROFS || r == -EACCES || r == -EPERM)
		remedy = strncmp(path, "/etc/pve/", 9) ? " (it is read-only: 'lsattr' and 'findmnt' tell why)" :
			 " (it is read-only: on a node without quorum /etc/pve is, see 'pvecm status')";
	return pvb_err_set(err, r, "cannot %s %s: %s%s", what, path, strerror(-r), remedy);
}

static int text_write(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Proxmox VE's cluster file system sets owner and mode by the path, and refuses to be told. */
static int owner_keep(int fd, const struct stat *old, const char *path)
{
	bool cluster = !strncmp(path, "/etc/pve/", strlen("/etc/pve/"));

	if (fchown(fd, old->st_uid, old->st_gid) == 0 && fchmod(fd, old->st_mode & 07777) == 0)
		return 0;
	return cluster && errno == EPERM ? 0 : -errno;
}

static const char *part_name(const char *name, char part[NAME_MAX + 1])
{
	snprintf(part, NAME_MAX + 1, ".%.200s.pvebind", name);
	return part;
}

static int replace(int dir, const char *name, const char *path, const char *text, size_t size, mode_t mode)
{
	struct stat old = { .st_mode = mode, .st_uid = geteuid(), .st_gid = getegid() };
	char part[NAME_MAX + 1];
	int fd, r;

	if (fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return -errno;
	/* Under the setup's lock there is but one writer: what is there is of one that died. */
	unlinkat(dir, part_name(name, part), 0);
	fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = text_write(fd, text, size);
	if (r == 0)
		r = owner_keep(fd, &old, path);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir, part, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, part, 0);
	else if (fsync(dir) < 0 && errno != EINVAL && errno != EROFS)
		r = -errno;
	return r;
}

int setup_link_read(struct pvb_ctx *ctx, const char *path, char *target, size_t size)
{
	const char *name;
	int dir = parent_open(ctx, path, &name), r = 0;
	ssize_t n;

	if (dir < 0)
		return dir;
	n = readlinkat(dir, name, target, size - 1);
	if (n < 0)
		r = -errno;
	close(dir);
	target[n < 0 ? 0 : n] = '\0';
	return r;
}

/* Where a link leads: its file is what is to be replaced, not the link. */
static int link_follow(struct pvb_ctx *ctx, const char *path, char *to, size_t size)
{
	snprintf(to, size, "%s", path);
	for (unsigned depth = 0; depth < 8; depth++) {
		char target[PATH_MAX], *slash = strrchr(to, '/');
		int r = setup_link_read(ctx, to, target, sizeof(target));

		if (r < 0)
			return r == -EINVAL || r == -ENOENT ? 0 : r;
		slash = *target == '/' || !slash ? to : slash + 1;
		if ((size_t)snprintf(slash, size - (size_t)(slash - to), "%s", target) >= size - (size_t)(slash - to))
			return -ENAMETOOLONG;
	}
	return -ELOOP;
}

static int file_write(struct pvb_ctx *ctx, const char *path, const char *text, size_t size, mode_t mode, struct pvb_err *err)
{
	char to[PATH_MAX];
	const char *name;
	int r = link_follow(ctx, path, to, sizeof(to)), dir;

	if (r < 0)
		return fail(err, r, "write", path);
	dir = parent_open(ctx, to, &name);
	r = dir < 0 ? dir : replace(dir, name, to, text, size, mode);
	if (dir >= 0)
		close(dir);
	return r < 0 ? fail(err, r, "write", path) : 0;
}

int setup_file_write(struct pvb_ctx *ctx, const char *path, const char *text, size_t size, struct pvb_err *err)
{
	return file_write(ctx, path, text, size, FILE_MODE, err);
}

int setup_private_write(struct pvb_ctx *ctx, const char *path, const char *text, size_t size, struct pvb_err *err)
{
	return file_write(ctx, path, text, size, PRIVATE_MODE, err);
}

/* Where a descriptor's file really is, below the root. */
static int real_path(struct pvb_ctx *ctx, int fd, char path[PATH_MAX])
{
	_conf_close_ int root = pvb_open(ctx, ".", O_PATH | O_DIRECTORY);
	char link[32], top[PATH_MAX];
	ssize_t n, m;

	if (root < 0)
		return root;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	m = readlink(link, top, sizeof(top) - 1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0 || m < 0)
		return -errno;
	path[n] = top[m] = '\0';
	m = m > 1 ? m : 0;
	if (n <= m || strncmp(path, top, (size_t)m) != 0)
		return -EXDEV;
	memmove(path, path + m, (size_t)(n - m) + 1);
	return 0;
}

static int file_judge(struct pvb_ctx *ctx, const char *path, int fd, struct pvb_err *err)
{
	char real[PATH_MAX];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return pvb_err_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return pvb_err_set(err, -EINVAL, "%s is no plain file: put one in its place", path);
	r = real_path(ctx, fd, real);
	if (r < 0)
		return pvb_err_set(err, r, "cannot tell where %s really is: %s", path, strerror(-r));
	if (strncmp(real, "/etc/", 5) != 0 || !strncmp(real, "/etc/pve/", 9))
		return pvb_err_set(err, -EXDEV,
				   "%s is a link to %s, which may belong to more than this host: put a plain file in its place (cp --remove-destination %s %s)",
				   path, real, real, path);
	if (!(st.st_mode & 0222))
		return pvb_err_set(err, -EACCES, "%s is read-only, so somebody wants it to stay as it is: chmod u+w %s, if it may be changed", path,
				   path);
	return 0;
}

int setup_file_check(struct pvb_ctx *ctx, const char *path, struct pvb_err *err)
{
	char target[PATH_MAX];
	_conf_close_ int fd = pvb_open(ctx, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return file_judge(ctx, path, fd, err);
	if (fd == -ENOENT && setup_link_read(ctx, path, target, sizeof(target)) == 0)
		return pvb_err_set(err, -ENOENT, "%s is a link to %s, which is not there: put a plain file in its place", path, target);
	return fd == -ENOENT ? 0 : pvb_err_set(err, fd, "cannot open %s: %s", path, strerror(-fd));
}

void setup_part_remove(struct pvb_ctx *ctx, const char *path)
{
	char to[PATH_MAX], part[NAME_MAX + 1];
	const char *name;
	int dir = link_follow(ctx, path, to, sizeof(to)) < 0 ? -1 : parent_open(ctx, to, &name);

	if (dir < 0)
		return;
	unlinkat(dir, part_name(name, part), 0);
	close(dir);
}

int setup_remove(struct pvb_ctx *ctx, const char *path, struct pvb_err *err)
{
	const char *name;
	struct stat st;
	int dir = parent_open(ctx, path, &name), r = 0;

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return fail(err, dir, "remove", path);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = errno == ENOENT ? 0 : -errno;
	else if (unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0 || (fsync(dir) < 0 && errno != EINVAL && errno != EROFS))
		r = -errno;
	close(dir);
	return r < 0 ? fail(err, r, "remove", path) : 0;
}

int setup_link_make(struct pvb_ctx *ctx, const char *path, const char *target, struct pvb_err *err)
{
	const char *name;
	int dir = parent_open(ctx, path, &name), r = 0;

	if (dir < 0)
		return fail(err, dir, "make the link", path);
	if (symlinkat(target, dir, name) < 0)
		r = -errno;
	close(dir);
	return r < 0 ? fail(err, r, "make the link", path) : 0;
}

int setup_dir_make(struct pvb_ctx *ctx, const char *path, struct pvb_err *err)
{
	const char *name;
	int dir = parent_open(ctx, path, &name), r = 0;

	if (dir < 0)
		return fail(err, dir, "make the folder", path);
	if (mkdirat(dir, name, DIR_MODE) < 0)
		r = -errno;
	close(dir);
	return r < 0 ? fail(err, r, "make the folder", path) : 0;
}

int setup_dirs_make(struct pvb_ctx *ctx, const char *path, struct pvb_err *err)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		int fd;

		snprintf(part, sizeof(part), "%.*s", slash ? (int)(slash - path) : (int)strlen(path), path);
		fd = pvb_open(ctx, part, O_PATH | O_DIRECTORY);
		if (fd >= 0)
			close(fd);
		else if (fd != -ENOENT)
			return fail(err, fd, "open", part);
		else if (setup_dir_make(ctx, part, err) < 0)
			return err->code;
		if (!slash)
			return 0;
	}
}
