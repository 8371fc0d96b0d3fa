/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The context: a root directory that every path stays below, and whom to tell. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "internal.h"

int pvb_ctx_new(struct pvb_ctx **out, const char *root, struct pvb_err *err)
{
	struct pvb_ctx *ctx = calloc(1, sizeof(*ctx));

	if (ctx)
		ctx->root = strdup(root);
	if (!ctx || !ctx->root) {
		free(ctx);
		return pvb_err_set(err, -ENOMEM, "out of memory");
	}
	ctx->real_root = !strcmp(root, "/");
	ctx->cancel_fd = -1;
	ctx->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0) {
		int code = pvb_err_set(err, -errno, "cannot open the root directory %s: %s", root, strerror(errno));

		pvb_ctx_free(ctx);
		return code;
	}
	*out = ctx;
	return 0;
}

void pvb_ctx_free(struct pvb_ctx *ctx)
{
	if (!ctx)
		return;
	pvb_children_collect(ctx);
	if (ctx->kmod_free)
		ctx->kmod_free(ctx);
	if (ctx->pci_free)
		ctx->pci_free(ctx);
	if (ctx->root_fd >= 0)
		close(ctx->root_fd);
	free(ctx->root);
	free(ctx);
}

void pvb_ctx_set_log(struct pvb_ctx *ctx, pvb_log_fn *fn, void *data)
{
	ctx->log = fn;
	ctx->log_data = data;
}

void pvb_ctx_set_event(struct pvb_ctx *ctx, pvb_event_fn *fn, void *data)
{
	ctx->event = fn;
	ctx->event_data = data;
}

void pvb_ctx_set_identify(struct pvb_ctx *ctx, pvb_identify_fn *fn, void *data)
{
	ctx->identify = fn;
	ctx->identify_data = data;
}

void pvb_ctx_set_cancel_fd(struct pvb_ctx *ctx, int fd)
{
	ctx->cancel_fd = fd;
}

bool pvb_ctx_cancelled(const struct pvb_ctx *ctx)
{
	struct pollfd cancel = { .fd = ctx->cancel_fd, .events = POLLIN };

	return poll(&cancel, 1, 0) == 1;
}

void pvb_ctx_set_start(struct pvb_ctx *ctx, int64_t start_ns)
{
	ctx->start_ns = start_ns;
}

void pvb_ctx_set_without_kmod(struct pvb_ctx *ctx, pvb_without_kmod_fn *fn, void *data)
{
	ctx->without_kmod = fn;
	ctx->without_kmod_data = data;
}

bool pvb_ctx_late(const struct pvb_ctx *ctx)
{
	return ctx->deadline_ns && pvb_now_ns() >= ctx->deadline_ns;
}

void pvb_ctx_set_begun(struct pvb_ctx *ctx, pvb_begun_fn *fn, void *data)
{
	ctx->begun = fn;
	ctx->begun_data = data;
}

const char *pvb_ctx_root(const struct pvb_ctx *ctx)
{
	return ctx->root;
}

static void PVB_PRINTF(4, 0)
line_send(struct pvb_ctx *ctx, enum pvb_level level, const struct pvb_event *event, const char *fmt, va_list ap)
{
	char line[1024];

	if (!ctx->log && !ctx->event)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	if (ctx->log)
		ctx->log(ctx->log_data, level, line);
	if (ctx->event)
		ctx->event(ctx->event_data, level, line, event);
}

void pvb_log(struct pvb_ctx *ctx, enum pvb_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_send(ctx, level, &(struct pvb_event){ .kind = PVB_EVENT_NONE }, fmt, ap);
	va_end(ap);
}

void pvb_tell(struct pvb_ctx *ctx, enum pvb_level level, const struct pvb_event *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_send(ctx, level, event, fmt, ap);
	va_end(ap);
}

static const char *const event_names[PVB_EVENT_COUNT] = {
	[PVB_EVENT_NONE] = "",		 [PVB_EVENT_LEND] = "lend",	  [PVB_EVENT_LENT] = "lent",
	[PVB_EVENT_RUNNING] = "running", [PVB_EVENT_UNDO] = "undo",	  [PVB_EVENT_KEPT] = "kept",
	[PVB_EVENT_RETURN] = "return",	 [PVB_EVENT_RECOVER] = "recover", [PVB_EVENT_HOME] = "home",
	[PVB_EVENT_REFUSED] = "refused", [PVB_EVENT_FAILED] = "failed",	  [PVB_EVENT_LATE] = "late",
	[PVB_EVENT_STUCK] = "stuck",	 [PVB_EVENT_NOT_HOME] = "not-home",
};

const char *pvb_event_name(enum pvb_event_kind kind)
{
	return kind < PVB_EVENT_COUNT ? event_names[kind] : "";
}

/* Under a test root an absolute link must lead into that root, not to the real machine. */
static int open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT,
	};
	int fd;

	/* EAGAIN: something was renamed on the machine while a ".." was walked (openat2(2)): walk again. */
	do
		fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return fd;
}

int pvb_openat(const struct pvb_ctx *ctx, const char *path, int flags, mode_t mode)
{
	int fd;

	while (*path == '/')
		path++;
	if (!*path)
		path = ".";
	flags |= O_CLOEXEC;
	if (ctx->real_root)
		fd = openat(ctx->root_fd, path, flags, mode);
	else
		fd = open_in_root(ctx->root_fd, path, flags, mode);
	return fd < 0 ? -errno : fd;
}

int pvb_open(const struct pvb_ctx *ctx, const char *path, int flags)
{
	return pvb_openat(ctx, path, flags & ~O_CREAT, 0);
}

/* All of fd into *text, growing; the bound keeps a wrong file from eating the host's memory. */
static int fd_read_all(int fd, size_t max, char **text, size_t *size)
{
	_cleanup_free_ char *buf = NULL;
	size_t have = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (have + 1 >= room) {
			char *more = realloc(buf, room = room ? room * 2 : 4096);

			if (!more)
				return -ENOMEM;
			buf = more;
		}
		n = read(fd, buf + have, room - have - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
		if (have > max)
			return -EFBIG;
	}
	buf[have] = '\0';
	*text = buf;
	buf = NULL;
	if (size)
		*size = have;
	return 0;
}

int pvb_read_file(const struct pvb_ctx *ctx, const char *path, size_t max, char **text, size_t *size)
{
	/* A FIFO in a file's place must not block the hook. */
	_cleanup_close_ int fd = pvb_open(ctx, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fd;
	return fd_read_all(fd, max, text, size);
}

void pvb_stdio_leave(const struct pvb_ctx *ctx)
{
	int nothing = ctx ? ctx->root_fd : open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2; fd++)
		if (nothing < 0 || dup2(nothing, fd) < 0)
			close(fd);
}

int64_t pvb_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t pvb_boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int pvb_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

void pvb_boot_id_read(struct pvb_ctx *ctx, char *buf, size_t size)
{
	char id[40];

	*buf = '\0';
	if (pvb_sysfs_read(ctx, "proc/sys/kernel/random/boot_id", id, sizeof(id)) == 0)
		snprintf(buf, size, "%.36s", id);
}
