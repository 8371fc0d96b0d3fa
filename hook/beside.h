/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PVEBIND_BESIDE_H
#define PVEBIND_BESIDE_H

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The program of that name beside this one (build/, /usr/libexec/pvebind/), which a snippet only links to. What /proc says of a
 * file that an upgrade has replaced ends otherwise, so that only the folder counts. */
static inline bool program_beside(char path[PATH_MAX], const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - strlen(name) - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		strcpy(slash + 1, name);
	return slash;
}

#endif
