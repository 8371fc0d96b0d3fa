/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * setup: what is changed on the host for good, and can be taken back: files, links, settings of Proxmox VE's.
 *
 * A change is a list of steps under a name ("enable-100"). It is recorded below /var/lib/pvebind before its first effect;
 * each step looks at what is before it acts, and reads back afterwards; a change that fails undoes itself; one whose process
 * died is undone by whoever comes next. Taking it back undoes just what it did, and leaves what was changed by hand since.
 * Files, each calling only those before it:
 *   place      files and links below the root, written whole or not at all
 *   step       the kinds of steps: look, do, undo
 *   record     what was done: /var/lib/pvebind/NAME.json
 *   change     do, take back, finish
 *   snippet    where Proxmox VE finds the hookscript
 *   enable     a VM's hookscript
 * The programs of Proxmox VE (qm, pvesm) do what is theirs; below another root they are that root's.
 */
#ifndef PVEBIND_SETUP_H
#define PVEBIND_SETUP_H

#include <limits.h>

#include "../conf/front.h"

/* ---- place.c ------------------------------------------------------------------ */

/* Replace (or make) a file: a new one beside it, flushed, renamed over it. Owner and mode stay; a new file is root's,
 * 0644. /etc/pve has its own idea of both. A symbolic link is followed. */
int setup_file_write(struct pvb_ctx *ctx, const char *path, const char *text, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
/* Remove what a writer of path has left that died. */
void setup_part_remove(struct pvb_ctx *ctx, const char *path);
/* Gone already is success. */
int setup_remove(struct pvb_ctx *ctx, const char *path, struct pvb_err *err) PVB_MUST_CHECK;
/* Where a link leads, as written. -ENOENT; -EINVAL: it is no link. */
int setup_link_read(struct pvb_ctx *ctx, const char *path, char *target, size_t size) PVB_MUST_CHECK;
/* Make a symbolic link; anything in its place is a failure. */
int setup_link_make(struct pvb_ctx *ctx, const char *path, const char *target, struct pvb_err *err) PVB_MUST_CHECK;
/* Make a folder, 0755. */
int setup_dir_make(struct pvb_ctx *ctx, const char *path, struct pvb_err *err) PVB_MUST_CHECK;
/* The folder path, with all above it. */
int setup_dirs_make(struct pvb_ctx *ctx, const char *path, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- step.c --------------------------------------------------------------------- */

enum setup_kind {
	SETUP_DIR,      /* make the folder path; taken back when it is empty */
	SETUP_LINK,     /* make the link path to after */
	SETUP_BLOCK,    /* put the lines of after into the file path, behind the line of before ("": at the end) */
	SETUP_CONTENT,  /* the content list of storage path, from before to after */
	SETUP_VM_KEY,   /* a key (name) of VM vmid's configuration, from before ("": none) to after */
	SETUP_KINDS
};

struct setup_step {
	enum setup_kind kind;
	const char *path;   /* "" for none, and so below; in a list malloced */
	const char *name;
	const char *before, *after;
	const char *why;    /* a sentence for people */
	unsigned vmid;
	bool done;          /* as recorded: it may have had its effect */
};

struct setup_steps {
	struct setup_step *list; /* malloced */
	size_t n;
};
/* Append; texts are copied, NULL is "". -ENOMEM. */
int setup_step_add(struct setup_steps *steps, const struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
void setup_steps_clear(struct setup_steps *steps);

enum setup_state { SETUP_BEFORE, SETUP_AFTER, SETUP_OTHER };
/* How it is now. OTHER: neither as before nor as after; seen (may be NULL) then says what was found instead. */
int setup_step_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		    struct pvb_err *err) PVB_MUST_CHECK;
/* Do or undo, and look whether it is so. */
int setup_step_do(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int setup_step_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
/* "set hookscript of VM 100 to local:snippets/pvebind" into buf, which is returned; undo: the other way. */
const char *setup_step_words(const struct setup_step *step, bool undo, char *buf, size_t size);
const char *setup_kind_name(enum setup_kind kind);
int setup_kind_parse(const char *name, enum setup_kind *kind) PVB_MUST_CHECK;

/* ---- record.c -------------------------------------------------------------------- */

#define SETUP_DIR_STATE "var/lib/pvebind"

/* What was done under a name. */
struct setup_record {
	char name[PVB_NAME_MAX];
	bool whole;               /* it came to its end; else it is to be undone */
	int64_t since;            /* seconds since the epoch */
	struct setup_steps steps; /* those with done set may have had their effect */
};
/* -ENOENT: there is none. -EBADMSG: it is damaged. */
int setup_record_read(struct pvb_ctx *ctx, const char *name, struct setup_record *record, struct pvb_err *err) PVB_MUST_CHECK;
/* Whole or not at all, and flushed. */
int setup_record_write(struct pvb_ctx *ctx, const struct setup_record *record, struct pvb_err *err) PVB_MUST_CHECK;
int setup_record_remove(struct pvb_ctx *ctx, const char *name, struct pvb_err *err) PVB_MUST_CHECK;
void setup_record_clear(struct setup_record *record);
/* Names of all records: malloced, as pvb_sysfs_list(). */
int setup_record_names(struct pvb_ctx *ctx, char ***names) PVB_MUST_CHECK;
/* One process at a time: the lock's descriptor, the caller's; -EWOULDBLOCK. */
int setup_lock(struct pvb_ctx *ctx, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- change.c ----------------------------------------------------------------------- */

/* Do the steps under a name, those that are so already left out, and say each through the log. On a failure all is as
 * before; -PVB_EATTENTION: it is not, and the sentence says what is left. No step at all: nothing, no record.
 * The caller has the lock. */
int setup_change_apply(struct pvb_ctx *ctx, const char *name, const struct setup_steps *steps, struct pvb_err *err) PVB_MUST_CHECK;
/* Take back what was done under the name. What is neither as before nor as after is left as it is, with a warning that
 * says what was found. -ENOENT: nothing was done under it. */
int setup_change_undo(struct pvb_ctx *ctx, const char *name, struct pvb_err *err) PVB_MUST_CHECK;
/* Undo every change whose process died. */
int setup_change_recover(struct pvb_ctx *ctx, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- snippet.c ------------------------------------------------------------------------- */

#define SETUP_HOOK "/usr/libexec/pvebind/pvebind-hook"
#define SETUP_SNIPPET "pvebind"       /* the link's name */
#define SETUP_SNIPPET_CHANGE "snippet" /* the name of the change: one for all VMs of the node */

/* The steps that are missing for the snippet to be there, and its volume ("local:snippets/pvebind"). */
int setup_snippet_plan(struct pvb_ctx *ctx, const char *node, char *volume, size_t size, struct setup_steps *steps,
		       struct pvb_err *err) PVB_MUST_CHECK;
/* Whether a VM of this node has it as its hookscript; but: no matter about that one. */
bool setup_snippet_used(struct pvb_ctx *ctx, const char *volume, unsigned but);

/* ---- enable.c ----------------------------------------------------------------------------- */

/* What `pvebind enable VMID` would do. */
struct setup_enable {
	struct setup_steps snippet; /* for all VMs of the node */
	struct setup_steps vm;
	char name[PVB_NAME_MAX];    /* of the VM's change: "enable-100" */
	char volume[256];
};
/* keys: "KEY=VALUE" lines for the VM's section of pvebind.ini, n of them. */
int setup_enable_plan(struct front *front, unsigned vmid, const char *const *keys, size_t n, struct setup_enable *plan,
		      struct pvb_err *err) PVB_MUST_CHECK;
void setup_enable_clear(struct setup_enable *plan);
/* Do it. */
int setup_enable_apply(struct front *front, struct setup_enable *plan, struct pvb_err *err) PVB_MUST_CHECK;
/* Take it back, and the snippet with the last VM. -ENOENT: it is not enabled. */
int setup_disable(struct front *front, unsigned vmid, struct pvb_err *err) PVB_MUST_CHECK;

#endif
