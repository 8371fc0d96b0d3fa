/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journald: the system's log, by systemd-journald's own protocol (systemd, docs/JOURNAL_NATIVE_PROTOCOL.md): an entry with
 * fields is one datagram. libsystemd would do the same, but loading it takes longer than all the rest of a hook's start.
 */
#ifndef PVEBIND_JOURNALD_H
#define PVEBIND_JOURNALD_H

#include "conf.h"

struct journald_entry {
	char text[4096];
	size_t size;
};

/* Whether anybody listens, so that an entry is worth making. *fd: 0 at first; opened here, closed by journald_close(). */
bool journald_listens(const struct pvb_ctx *ctx, int *fd);
/* Begin an entry of the identifier "pvebind". priority: as of syslog(3). */
void journald_begin(struct journald_entry *entry, int priority, const char *message);
/* One more field, which may be there several times. Control characters become blanks; what does not fit is left out. */
void journald_field(struct journald_entry *entry, const char *name, const char *fmt, ...) PVB_PRINTF(3, 4);
/* Send it to run/systemd/journal/socket below the root. Nothing depends on it: where nobody listens, nothing is sent; and who
 * does not read is waited for once, a tenth of a second. */
void journald_send(const struct pvb_ctx *ctx, int *fd, const struct journald_entry *entry);
void journald_close(int *fd);

#endif
