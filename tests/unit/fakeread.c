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

static bool hangs(int fd)
{
	const char *env = getenv(FK_ENV), *path;
	char text[1024] = "", top[PATH_MAX], target[PATH_MAX], *save = NULL;
	int list = env ? openat(AT_FDCWD, fk_path("%s/.hangs", env).s, O_RDONLY | O_CLOEXEC) : -1;
	bool found = false;

	if (list < 0)
		return false;
	if (syscall(SYS_read, list, text, sizeof(text) - 1) < 0)
		abort();
	close(list);
	path = realpath(env, top) ? path_of(fd, top, target) : NULL;
	for (char *l = strtok_r(text, "\n", &save); l && path && !found; l = strtok_r(NULL, "\n", &save))
		found = !fnmatch(l, path, 0);
	return found;
}

ssize_t read(int fd, void *data, size_t size)
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
	return syscall(SYS_read, fd, data, size);
}
