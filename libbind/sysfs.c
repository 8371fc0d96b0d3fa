/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysfs attributes below the root: bounded reads, and exactly one write(2) each. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

ssize_t pvb_sysfs_read_bytes(const struct pvb_ctx *ctx, const char *path, void *buf, size_t size)
{
	_cleanup_close_ int fd = pvb_open(ctx, path, O_RDONLY | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, size);
	return n < 0 ? -errno : n;
}

ssize_t pvb_sysfs_read_bytes_at(int dir, const char *attr, void *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir, attr, O_RDONLY | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size);
	return n < 0 ? -errno : n;
}

/* The n bytes that were read into buf, as text. */
static int text_end(char *buf, size_t size, ssize_t n)
{
	if (n < 0)
		return (int)n;
	if ((size_t)n >= size)
		return -ENOBUFS;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int pvb_sysfs_read(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size)
{
	return text_end(buf, size, pvb_sysfs_read_bytes(ctx, path, buf, size));
}

int pvb_sysfs_read_at(int dir, const char *attr, char *buf, size_t size)
{
	return text_end(buf, size, pvb_sysfs_read_bytes_at(dir, attr, buf, size));
}

int pvb_sysfs_read_number(const struct pvb_ctx *ctx, const char *path, uint64_t *value)
{
	char text[32], *end;
	int r = pvb_sysfs_read(ctx, path, text, sizeof(text));

	if (r < 0)
		return r;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno || end == text || *end ? -EINVAL : 0;
}

int pvb_sysfs_store(int fd, const char *value)
{
	size_t len = strlen(value);
	ssize_t n = write(fd, value, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int pvb_sysfs_write(const struct pvb_ctx *ctx, const char *path, const char *value)
{
	_cleanup_close_ int fd = pvb_open(ctx, path, O_WRONLY | O_NOCTTY);

	return fd < 0 ? fd : pvb_sysfs_store(fd, value);
}

/* Opening by its whole path costs the kernel more than a read or a write. */
int pvb_sysfs_open(const struct pvb_ctx *ctx, const char *path)
{
	return pvb_open(ctx, path, O_RDWR | O_NOCTTY);
}

/* kernfs calls the show function anew for each read at the beginning (seq_read_iter()), and where the attribute went away
 * meanwhile says ENODEV (kernfs_get_active()): to open it would be ENOENT. */
int pvb_sysfs_show(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size, 0);

	if (n < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	return text_end(buf, size, n);
}

int pvb_sysfs_link_target(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = -1;
	ssize_t n;

	/* Without a root to stay below, one call for three. */
	if (ctx->real_root)
		return pvb_sysfs_link_target_at(ctx->root_fd, path, buf, size);
	/* The link itself, not what it leads to: O_PATH | O_NOFOLLOW and readlinkat() with "". */
	fd = pvb_open(ctx, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", buf, size);
	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno; /* not a link */
	if ((size_t)n >= size)
		return -ENOBUFS;
	buf[n] = '\0';
	return 0;
}

/* r: what reading the link gave. */
static int link_last(int r, const char *target, char *buf, size_t size)
{
	const char *base;

	*buf = '\0';
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (strlen(base) >= size)
		return -ENOBUFS;
	memcpy(buf, base, strlen(base) + 1);
	return 0;
}

int pvb_sysfs_link(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size)
{
	char target[PVB_PATH_MAX];

	return link_last(pvb_sysfs_link_target(ctx, path, target, sizeof(target)), target, buf, size);
}

int pvb_sysfs_link_target_at(int dir, const char *name, char *buf, size_t size)
{
	ssize_t n = readlinkat(dir, name, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENOBUFS;
	buf[n] = '\0';
	return 0;
}

int pvb_sysfs_link_at(int dir, const char *name, char *buf, size_t size)
{
	char target[PVB_PATH_MAX];

	return link_last(pvb_sysfs_link_target_at(dir, name, target, sizeof(target)), target, buf, size);
}

bool pvb_sysfs_exists(const struct pvb_ctx *ctx, const char *path)
{
	_cleanup_close_ int fd = -1;

	if (ctx->real_root)
		return faccessat(ctx->root_fd, path, F_OK, 0) == 0;
	fd = pvb_open(ctx, path, O_PATH);
	return fd >= 0;
}

bool pvb_sysfs_exists_at(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void pvb_strv_free(char **names)
{
	if (!names)
		return;
	for (char **name = names; *name; name++)
		free(*name);
	free(names);
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Append a copy of name to the NULL-terminated list of n. */
static int strv_add(char ***list, size_t *n, const char *name)
{
	char **more = realloc(*list, (*n + 2) * sizeof(**list));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[*n] = strdup(name);
	if (!more[*n])
		return -ENOMEM;
	more[++*n] = NULL;
	return 0;
}

/* The entries of one getdents64(2). */
static int entries_add(char ***list, size_t *n, const char *entries, ssize_t size, bool dirs)
{
	for (ssize_t at = 0; at < size;) {
		const struct dirent64 *entry = (const void *)(entries + at);

		at += entry->d_reclen;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || (dirs && entry->d_type != DT_DIR))
			continue;
		if (strv_add(list, n, entry->d_name) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* By the system call itself: opendir() makes three more, and takes 32 KiB. fd -1: there is no such folder. */
static int names_read(int fd, bool dirs, char ***names)
{
	char entries[2048] __attribute__((aligned(__alignof__(struct dirent64))));
	_cleanup_strv_ char **list = calloc(1, sizeof(*list));
	ssize_t size = 0;
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	while (fd >= 0 && (size = getdents64(fd, entries, sizeof(entries))) > 0)
		if (entries_add(&list, &n, entries, size, dirs) < 0)
			return -ENOMEM;
	qsort(list, n, sizeof(*list), name_compare);
	*names = list;
	list = NULL;
	return 0;
}

int pvb_sysfs_list(const struct pvb_ctx *ctx, const char *path, char ***names)
{
	_cleanup_close_ int fd = pvb_open(ctx, path, O_RDONLY | O_DIRECTORY);

	return fd < 0 && fd != -ENOENT ? fd : names_read(fd, false, names);
}

int pvb_sysfs_dirs_of(int dir, char ***names)
{
	return names_read(dir, true, names);
}

int pvb_sysfs_dir_open(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

const char *pvb_device_path(const struct pvb_addr *addr, const char *attr, char buf[PVB_PATH_MAX])
{
	char text[PVB_ADDR_MAX];

	snprintf(buf, PVB_PATH_MAX, "sys/bus/pci/devices/%s%s%s", pvb_addr_format(addr, text), *attr ? "/" : "", attr);
	return buf;
}
