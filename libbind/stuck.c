/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stuck marks: a device that hangs in the kernel is left alone until the boot changes or its worker comes back. */
#include <string.h>

#include "internal.h"

static const char *mark_name(const struct pvb_addr *addr, char buf[PVB_NAME_MAX])
{
	char text[PVB_ADDR_MAX];

	snprintf(buf, PVB_NAME_MAX, "%s.stuck", pvb_addr_format(addr, text));
	return buf;
}

/* Field 22 of proc/PID/stat tells a process from a later one with the same number. */
static int64_t start_time_read(struct pvb_ctx *ctx, int pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *p;
	long long start = -1;

	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	if (pvb_read_file(ctx, path, 4096, &text, NULL) < 0)
		return -1;
	p = strrchr(text, ')'); /* the command's name may hold anything */
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
			 &start) != 1)
		return -1;
	return start;
}

int pvb_stuck_mark(struct pvb_ctx *ctx, const struct pvb_addr *addr, int pid, const char *what)
{
	char name[PVB_NAME_MAX];
	struct pvb_record record;
	struct pvb_line line;
	int r = pvb_record_open(ctx, mark_name(addr, name), 0, &record);

	if (r < 0)
		return r;
	pvb_line_start(&line, "stuck");
	pvb_line_number(&line, "pid", pid);
	pvb_line_number(&line, "start", start_time_read(ctx, pid));
	pvb_line_text(&line, "what", what);
	r = pvb_record_write(&record, &line);
	pvb_record_close(&record);
	return r;
}

int pvb_stuck_check(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size)
{
	char name[PVB_NAME_MAX], body[PVB_RECORD_MAX], what[256];
	int pid;

	/* The marks lie on a tmpfs, so they end with the boot by themselves. */
	if (pvb_record_peek(ctx, mark_name(addr, name), body) < 0 || !pvb_line_is(body, "stuck"))
		return 0;
	pid = (int)pvb_line_get_number(body, "pid", 0);
	if (pid <= 0 || start_time_read(ctx, pid) != pvb_line_get_number(body, "start", -2))
		return 0;
	if (pvb_line_get(body, "what", what, sizeof(what)) < 0)
		*what = '\0';
	snprintf(buf, size, "%s (pid %d)", what, pid);
	return -EBUSY;
}
