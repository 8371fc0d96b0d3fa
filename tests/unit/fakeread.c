/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads that never return, of the files that DIR/.hangs names; see fakekernel.h. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>

/* The path that fd leads to, below the tree; NULL: none. */
static const char *path_of(int fd, const char *top, char target[PATH_MAX])
{
	ssize_t n = readlink(fk_path("/proc/self/fd/%d", fd).s, target, PATH_MAX - 1);
	size_t len = strlen(top);

	target[n > 0 ? n : 0] = '\0';
	return !strncmp(target, top, len) && target[len] == '/' ? target + len + 1 : NULL;
}

bool fk_deleted_trim(char *target)
{
	size_t n = strlen(target);
	bool is = n > 10 && !strcmp(target + n - 10, " (deleted)");

	if (is)
		target[n - 10] = '\0';
	return is;
}

static bool hangs(int fd)
{
	const char *env = getenv(FK_ENV), *path;
	char text[1024] = "", top[PATH_MAX], target[PATH_MAX] = "", *save = NULL;
	int list = env ? openat(AT_FDCWD, fk_path("%s/.hangs", env).s, O_RDONLY | O_CLOEXEC) : -1;
	bool found = false;

	if (list < 0)
		return false;
	if (syscall(SYS_read, list, text, sizeof(text) - 1) < 0)
		abort();
	close(list);
	path = realpath(env, top) ? path_of(fd, top, target) : NULL;
	fk_deleted_trim(target);
	for (char *l = strtok_r(text, "\n", &save); l && path && !found; l = strtok_r(NULL, "\n", &save))
		found = !fnmatch(l, path, 0);
	return found;
}

static void hang_where_asked(int fd)
{
	int before = errno;
	sigset_t all;

	if (hangs(fd)) {
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
		for (;;)
			pause();
	}
	errno = before;
}

ssize_t read(int fd, void *data, size_t size)
{
	hang_where_asked(fd);
	return syscall(SYS_read, fd, data, size);
}

/* An attribute that was written since it was opened, anew: its show function is called for each read. Here a new text is a
 * new file (fk_replace()). -1: nothing of that kind; -ENODEV: the attribute is there no more (kernfs_get_active()). */
static int attribute_anew(int fd)
{
	const char *env = getenv(FK_ENV), *path;
	char top[PATH_MAX], target[PATH_MAX];
	int anew;

	path = env && realpath(env, top) ? path_of(fd, top, target) : NULL;
	if (!path || strncmp(path, "sys/", 4) != 0 || !fk_deleted_trim(target))
		return -1;
	anew = openat(AT_FDCWD, target, O_RDONLY | O_CLOEXEC);
	return anew < 0 ? -ENODEV : anew;
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
	int before = errno, anew;
	ssize_t n;

	hang_where_asked(fd);
	anew = attribute_anew(fd);
	errno = anew == -ENODEV ? ENODEV : before;
	if (anew == -ENODEV)
		return -1;
	n = syscall(SYS_pread64, anew < 0 ? fd : anew, data, size, at);
	if (anew >= 0)
		close(anew);
	return n;
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) __attribute__((alias("pread")));
