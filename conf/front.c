/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the hook and the command speak and end. */
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <syslog.h>

#include "front.h"

static const int priorities[] = {
	[PVB_ERROR] = LOG_ERR, [PVB_WARNING] = LOG_WARNING, [PVB_NOTICE] = LOG_NOTICE,
	[PVB_INFO] = LOG_INFO, [PVB_DEBUG] = LOG_DEBUG,
};
static const char *const prefixes[] = {
	[PVB_ERROR] = "error: ", [PVB_WARNING] = "warning: ", [PVB_NOTICE] = "", [PVB_INFO] = "", [PVB_DEBUG] = "",
};

static void line_say(void *data, enum pvb_level level, const char *line)
{
	struct front *front = data;
	FILE *to = level <= PVB_WARNING && front->errors ? front->errors : front->out;

	if (level == PVB_DEBUG && !front->verbose)
		return;
	if (level == PVB_ERROR)
		snprintf(front->error, sizeof(front->error), "%s", line);
	fprintf(to, "pvebind: %s%s\n", prefixes[level], line);
	fflush(to);
	/* A test's tree has no place in the machine's log. */
	if (!front->looking && !strcmp(front->root, "/"))
		syslog(priorities[level], "%s%s", prefixes[level], line);
}

int front_open(struct front *front, struct pvb_err *err)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	openlog("pvebind", LOG_PID, LOG_DAEMON);
	r = pvb_ctx_new(&front->ctx, front->root, err);
	if (r < 0)
		return r;
	pvb_ctx_set_log(front->ctx, line_say, front);
	pvb_ctx_set_identify(front->ctx, conf_vmstate_identify, front->ctx);
	return 0;
}

void front_close(struct front *front)
{
	pvb_ctx_free(front->ctx);
	front->ctx = NULL;
}

enum front_status front_fail(struct front *front, const struct pvb_err *err, enum front_status fallback)
{
	/* What failed has often been said where it failed. */
	if (strcmp(front->error, err->text) != 0)
		line_say(front, PVB_ERROR, err->text);
	return err->code == -PVB_EATTENTION ? FRONT_ATTENTION : fallback;
}

int front_catch_signals(struct front *front, struct pvb_err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
	if (fd < 0)
		return pvb_err_set(err, -errno, "cannot watch for signals: %s", strerror(errno));
	pvb_ctx_set_cancel_fd(front->ctx, fd);
	return 0;
}
