/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook is linked statically: to find its libraries anew at each call takes a quarter of its processor time. But libkmod is there
 * only as a shared library, and wanted only where a module is to be loaded, unloaded or looked up, as at the first lend after a
 * boot. So there is the same hook once more, pvebind-hook-kmod, linked as usual. This one becomes that one before anything is
 * changed; what it has locked is free again then, and looked at anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "handover.h"

#define ARGUMENTS_MAX 16

static struct {
	struct pvb_ctx *ctx;
	char *const *argv;
	const int64_t *began_ns;
	pid_t pid;
} self;

static void become_other(void *data)
{
	char program[PATH_MAX], began[40], *argv[ARGUMENTS_MAX + 3];
	int argc = 0;

	(void)data;
	/* Not of a child: its parent waits for what only the child can tell. */
	if (getpid() != self.pid || !program_beside(program, "pvebind-hook-kmod"))
		return;
	snprintf(began, sizeof(began), "--began=%" PRId64, *self.began_ns);
	argv[argc++] = self.argv[0];
	argv[argc++] = began;
	for (char *const *word = self.argv + 1; *word && argc <= ARGUMENTS_MAX; word++)
		argv[argc++] = *word;
	argv[argc] = NULL;
	execv(program, argv);
	pvb_log(self.ctx, PVB_WARNING, "%s cannot be run: %s; install pvebind again", program, strerror(errno));
}

void handover_prepare(struct pvb_ctx *ctx, char **argv, const int64_t *began_ns)
{
	self.ctx = ctx;
	self.argv = argv;
	self.began_ns = began_ns;
	self.pid = getpid();
	pvb_ctx_set_without_kmod(ctx, become_other, NULL);
}
