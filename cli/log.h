/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind log, of two files: logread.c asks journald, log.c shows. */
#ifndef PVEBIND_CLI_LOG_H
#define PVEBIND_CLI_LOG_H

#include "cli.h"

/* One line of pvebind's in the system's log. Strings are "" when it has no such field. */
struct log_entry {
	int64_t us;          /* since the epoch */
	char boot[40];       /* id of the host's boot */
	char vm[32];
	bool container;      /* vm is a container's number */
	char event[16];      /* pvb_event_name() */
	char refusal[24];
	char devices[400];   /* "0000:01:00.0, 0000:01:00.1" */
	int priority;        /* as of syslog(3) */
	uint64_t generation; /* 0: none */
	bool timed;
	int64_t ms;
	char *text;          /* malloced */
};

struct log {
	struct log_entry *list; /* malloced; oldest first */
	size_t n;
};

#define LOG_ENTRIES_MAX "10000" /* the newest */

/* Read the log of one VM (vmid 0: of all), since a time as journalctl(1) takes it (NULL: all there is); events alone, or all
 * lines. Free with log_clear(), after a failure too. */
int log_read(struct pvb_ctx *ctx, unsigned vmid, const char *since, bool all, struct log *log, struct pvb_err *err) PVB_MUST_CHECK;
void log_clear(struct log *log);

#endif
