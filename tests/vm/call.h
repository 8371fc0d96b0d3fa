/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tracer.c and call.c. */
#include <stdbool.h>
#include <sys/types.h>

#define CALL_MAX 512

struct user_regs_struct;

/* At a system call's entry: whether it changes the state of the host (opens for writing, writes, renames, unlinks, makes
 * a directory, forks, loads a module, or is an ioctl); if so, what it is, without what differs from run to run. */
bool call_describe(pid_t pid, const struct user_regs_struct *r, char call[CALL_MAX]);

/* From here on, in this process and all it starts, a tracer is told (PTRACE_EVENT_SECCOMP) of the calls that may be of those
 * and of no others. Wants root. 0, or -1 with errno. */
int call_filter(void);
