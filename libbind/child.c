/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children that have said all they had to, and only have to end. That takes the kernel a while (their memory goes), for
 * which nobody has to wait who has something else to do: they are collected when the context goes, or as they become many. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "internal.h"

#define CHILDREN_MAX 16
#define END_WAIT_NS 5000000000 /* all of them together; on a busy host it may take them its time */
#define KILL_WAIT_NS 200000000 /* a killed process that is not gone by then sleeps uninterruptibly */

struct pvb_child {
	pid_t pid;
	int pidfd;
};

static void child_collect(const struct pvb_child *child, int64_t deadline_ns)
{
	struct pollfd end = { .fd = child->pidfd, .events = POLLIN };
	bool ended = pvb_poll(&end, 1, deadline_ns) > 0;

	if (!ended) {
		kill(child->pid, SIGKILL);
		ended = pvb_poll(&end, 1, pvb_now_ns() + KILL_WAIT_NS) > 0;
	}
	/* One that does not end even so becomes init's when we are gone. */
	if (ended)
		waitpid(child->pid, NULL, 0);
	close(child->pidfd);
}

void pvb_children_collect(struct pvb_ctx *ctx)
{
	int64_t deadline_ns = ctx->num_children ? pvb_now_ns() + END_WAIT_NS : 0;

	/* In a child that was forked since they are its parent's, and their descriptors may be others by now. */
	if (ctx->num_children && ctx->children_of != getpid())
		ctx->num_children = 0;
	for (size_t i = 0; i < ctx->num_children; i++)
		child_collect(&ctx->children[i], deadline_ns);
	free(ctx->children);
	ctx->children = NULL;
	ctx->num_children = 0;
}

void pvb_child_later(struct pvb_ctx *ctx, pid_t pid, int pidfd)
{
	const struct pvb_child child = { pid, pidfd };

	if (ctx->num_children && ctx->children_of != getpid())
		ctx->num_children = 0; /* the parent's, as above */
	if (ctx->num_children == CHILDREN_MAX)
		pvb_children_collect(ctx);
	if (!ctx->children)
		ctx->children = calloc(CHILDREN_MAX, sizeof(*ctx->children));
	ctx->children_of = getpid();
	if (ctx->children)
		ctx->children[ctx->num_children++] = child;
	else
		child_collect(&child, pvb_now_ns() + END_WAIT_NS);
}
