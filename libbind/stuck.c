/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stuck marks: a device that hangs in the kernel is left alone until the boot changes or its worker comes back. */
#include <string.h>

#include "internal.h"

#define STACK_DEPTH 3 /* functions: more than that nobody reads in a task log */

static const char *mark_name(const char *thing, char buf[PVB_NAME_MAX])
{
	snprintf(buf, PVB_NAME_MAX, "%.*s.stuck", PVB_NAME_MAX - 7, thing);
	return buf;
}

/* Field 22 of proc/PID/stat tells a process from a later one with the same number. */
int64_t pvb_process_start(struct pvb_ctx *ctx, int pid, char *state)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *p;
	long long start = -1;

	*state = 'X';
	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	if (pvb_read_file(ctx, path, 4096, &text, NULL) < 0)
		return -1;
	p = strrchr(text, ')'); /* the command's name may hold anything */
	if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
			 state, &start) != 2)
		return -1;
	/* Dead, and only not collected yet. */
	if (*state == 'Z' || *state == 'X')
		return -1;
	return start;
}

void pvb_stuck_describe(struct pvb_ctx *ctx, int pid, char *buf, size_t size)
{
	_cleanup_free_ char *stack = NULL, *wchan = NULL;
	char path[64], *save = NULL;
	size_t used = 0;

	snprintf(path, sizeof(path), "proc/%d/stack", pid);
	if (pvb_read_file(ctx, path, 1 << 14, &stack, NULL) < 0)
		stack = NULL;
	*buf = '\0';
	/* "[<0>] vfio_unregister_group_dev+0x9f/0x130 [vfio]" */
	for (char *line = stack ? strtok_r(stack, "\n", &save) : NULL, n = 0; line && n < STACK_DEPTH;
	     line = strtok_r(NULL, "\n", &save), n++) {
		const char *name = strchr(line, ' ');

		if (name && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%.*s", used ? " < " : "",
						 (int)strcspn(name + 1, "+"), name + 1);
	}
	if (*buf)
		return;
	snprintf(path, sizeof(path), "proc/%d/wchan", pid);
	if (pvb_read_file(ctx, path, 256, &wchan, NULL) == 0 && *wchan && strcmp(wchan, "0") != 0)
		snprintf(buf, size, "%s", wchan);
	else
		snprintf(buf, size, "the kernel");
}

int pvb_stuck_mark_thing(struct pvb_ctx *ctx, const char *thing, int pid, const char *what)
{
	char name[PVB_NAME_MAX], boot[40], state, text[PVB_LINE_MAX];
	struct pvb_record record;
	struct pvb_line line;
	int r = pvb_record_open(ctx, mark_name(thing, name), 0, &record);

	if (r < 0)
		return r;
	pvb_boot_id_read(ctx, boot, sizeof(boot));
	pvb_line_start(&line, text, sizeof(text), "stuck");
	pvb_line_text(&line, "boot", boot);
	pvb_line_number(&line, "pid", pid);
	pvb_line_number(&line, "start", pvb_process_start(ctx, pid, &state));
	pvb_line_text(&line, "what", what);
	r = pvb_record_write(&record, &line);
	pvb_record_close(&record);
	return r;
}

int pvb_stuck_mark(struct pvb_ctx *ctx, const struct pvb_addr *addr, int pid, const char *what)
{
	char text[PVB_ADDR_MAX];

	return pvb_stuck_mark_thing(ctx, pvb_addr_format(addr, text), pid, what);
}

/* The process that hangs in it; 0; -errno. */
static int thing_stuck(struct pvb_ctx *ctx, const char *thing, char *buf, size_t size)
{
	_cleanup_free_ char *body = NULL;
	char name[PVB_NAME_MAX], here[40], there[40], state;
	int64_t start;
	int pid, r = pvb_record_peek(ctx, mark_name(thing, name), &body);

	if (r < 0 || !pvb_line_is(body, "stuck"))
		return r == -ENOENT ? 0 : r;
	/* The marks lie on a tmpfs that a boot empties; the boot's id is for a /run that is not. */
	pvb_boot_id_read(ctx, here, sizeof(here));
	if (pvb_line_get(body, "boot", there, sizeof(there)) == 0 && strcmp(here, there) != 0)
		return 0;
	pid = (int)pvb_line_get_number(body, "pid", 0);
	start = pid > 0 ? pvb_process_start(ctx, pid, &state) : -1;
	if (start < 0 || start != pvb_line_get_number(body, "start", -1))
		return 0;
	if (pvb_line_get(body, "what", buf, size) < 0)
		*buf = '\0';
	return pid;
}

int pvb_device_stuck(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size)
{
	char text[PVB_ADDR_MAX];

	int pid = thing_stuck(ctx, pvb_addr_format(addr, text), buf, size);

	return pid > 0 ? pid : 0;
}

int pvb_stuck_check_thing(struct pvb_ctx *ctx, const char *thing, char *buf, size_t size)
{
	char name[PVB_NAME_MAX], what[256] = "";
	int pid = thing_stuck(ctx, thing, what, sizeof(what));

	if (!pid)
		return 0;
	if (pid < 0)
		snprintf(buf, size, "an unknown call (cannot read /" PVB_STATE_DIR "/%s: %s)", mark_name(thing, name), strerror(-pid));
	else
		snprintf(buf, size, "%s (pid %d)", what, pid);
	return -EBUSY;
}

int pvb_stuck_check(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size)
{
	char text[PVB_ADDR_MAX];

	return pvb_stuck_check_thing(ctx, pvb_addr_format(addr, text), buf, size);
}
