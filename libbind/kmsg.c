/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's log. */
#include <fcntl.h>
#include <string.h>

#include "internal.h"

#define LOG_MAX (64u << 20)
#define RECORD_MAX 8192 /* a read(2) of less than a record fails (kernel/printk/internal.h: CONSOLE_EXT_LOG_MAX) */

/* Read all that is there: the device gives one record a read(2), EPIPE once where some were overwritten meanwhile, and
 * EAGAIN at the end; a file ends. */
static int all_read(int fd, char **text, size_t *size)
{
	_cleanup_free_ char *buf = NULL;
	size_t have = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (room - have < RECORD_MAX + 1) {
			char *more = realloc(buf, room = room ? room * 2 : 1 << 16);

			if (!more)
				return -ENOMEM;
			buf = more;
		}
		n = read(fd, buf + have, room - have - 1);
		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (have > LOG_MAX)
			return -EFBIG;
	}
	buf[have] = '\0';
	*text = buf;
	*size = have;
	buf = NULL;
	return 0;
}

int pvb_kmsg_read(struct pvb_ctx *ctx, char **text, size_t *size, struct pvb_err *err)
{
	_cleanup_close_ int fd = pvb_open(ctx, "dev/kmsg", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	int r = fd < 0 ? fd : all_read(fd, text, size);

	if (r == -EPERM || r == -EACCES)
		return pvb_err_set(err, -EPERM, "only root may read the kernel's log");
	if (r < 0)
		return pvb_err_set(err, r, "cannot read the kernel's log, /dev/kmsg: %s", strerror(-r));
	return 0;
}
