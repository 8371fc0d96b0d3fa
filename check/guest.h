/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest: asking inside the VM, through `qm guest exec` and its guest agent. The words of the answer are the guest's, which
 * the host does not trust: they are shown as what was seen, never as a command.
 */
#ifndef PVEBIND_CHECK_GUEST_H
#define PVEBIND_CHECK_GUEST_H

#include "groups.h"

/* ---- guestscript.c: the script that is sent ---- */

/* The text of guest/pvebind-guest-check, without its comments. */
extern const char guest_script[];
/* What its table has behind KIND_NAME ("todo", "nouveau"; blanks and hyphens of name count as "_"), into buf; "" when it has
 * no such line. */
const char *guest_word(const char *kind, const char *name, char *buf, size_t size);

/* ---- guestask.c ---- */

struct guest {
	char why[400];       /* nothing can be asked: why; "": it can */
	bool windows;
	int64_t deadline_ms; /* of all that is asked, monotonic */
	char *devices;       /* malloced: what was said to guest-device and guest-driver; NULL: not asked */
	char devices_why[400]; /* … then why not */
};

/* Run the text with sh in the VM; what it printed is malloced. -EAGAIN: the guest did not answer in time, others may;
 * -EIO: the agent does not run it. *err says. */
int guest_ask(struct check_run *run, const char *text, char **answer, struct pvb_err *err) PVB_MUST_CHECK;
/* The script with these words behind its name. */
int guest_ask_script(struct check_run *run, const char *words, char **answer, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- guest.c ---- */

void guest_clear(struct check_run *run);

#endif
