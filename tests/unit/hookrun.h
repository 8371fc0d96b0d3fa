/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hook's programs ($PVEBIND's, else build/'s), run on a made-up machine. */
#ifndef TESTS_HOOKRUN_H
#define TESTS_HOOKRUN_H

#include <libgen.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "host.h"

static char out[65536]; /* what the last hook or guard said */

/* "build/tests/programs/pvebind-guard" */
static inline const char *beside(const char *program)
{
	static char path[512];
	const char *command = getenv("PVEBIND");
	char copy[400];

	snprintf(copy, sizeof(copy), "%s", command ? command : "build/pvebind");
	snprintf(path, sizeof(path), "%s/tests/programs/%s", dirname(copy), program);
	return path;
}

static inline pid_t start(struct host *h, const char *program, const char *first, const char *second, int to)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(to, 1);
	dup2(to, 2);
	execl(beside(program), program, "--root", h->t->path, first, second, NULL);
	_exit(127);
}

static inline int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int run(struct host *h, const char *program, const char *first, const char *second)
{
	int to = memfd_create("out", MFD_CLOEXEC), status = ended(start(h, program, first, second, to));
	ssize_t n = pread(to, out, sizeof(out) - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	close(to);
	return status;
}

static inline void gives(int got, int want)
{
	if (got != want)
		fail_msg("ended with %d, not %d: %s", got, want, out);
}

#endif
