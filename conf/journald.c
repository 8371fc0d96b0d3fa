/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system's log, with fields. */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#include "journald.h"

#define SOCKET "run/systemd/journal/socket"
#define WAIT_MS 100

void journald_begin(struct journald_entry *entry, int priority, const char *message)
{
	entry->size = 0;
	journald_field(entry, "SYSLOG_IDENTIFIER", "pvebind");
	journald_field(entry, "SYSLOG_FACILITY", "%d", LOG_FAC(LOG_DAEMON));
	journald_field(entry, "PRIORITY", "%d", priority);
	journald_field(entry, "MESSAGE", "%s", message);
}

void journald_field(struct journald_entry *entry, const char *name, const char *fmt, ...)
{
	char value[1100], *to = entry->text + entry->size;
	size_t room = sizeof(entry->text) - entry->size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	/* A line break would end the field, and begin another. */
	for (char *c = value; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	n = snprintf(to, room, "%s=%s\n", name, value);
	if (n > 0 && (size_t)n < room)
		entry->size += (size_t)n;
}

/* By /proc, so that links in the way stay below the root, and its path may be longer than an address can. */
static int socket_open(const struct pvb_ctx *ctx)
{
	_conf_close_ int at = pvb_open(ctx, SOCKET, O_PATH);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (at < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", at);
	if (fd > 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool entry_send(int fd, const struct journald_entry *entry)
{
	return send(fd, entry->text, entry->size, MSG_NOSIGNAL) >= 0; /* a datagram goes whole, or not at all */
}

/* Whether to try once more what could not be sent. */
static bool send_again(const struct pvb_ctx *ctx, int *fd)
{
	struct pollfd room = { .fd = *fd, .events = POLLOUT };
	static bool waited;

	if (errno == EAGAIN && !waited) {
		waited = true;
		return poll(&room, 1, WAIT_MS) == 1;
	}
	if (errno != ECONNREFUSED && errno != ENOTCONN)
		return false;
	journald_close(fd); /* there may be a new one */
	*fd = socket_open(ctx);
	return *fd >= 0;
}

bool journald_listens(const struct pvb_ctx *ctx, int *fd)
{
	if (!*fd)
		*fd = socket_open(ctx);
	return *fd > 0;
}

void journald_send(const struct pvb_ctx *ctx, int *fd, const struct journald_entry *entry)
{
	if (journald_listens(ctx, fd) && !entry_send(*fd, entry) && send_again(ctx, fd))
		entry_send(*fd, entry);
}

void journald_close(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = 0;
}
