/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * setup: what is changed on the host for good, and can be taken back: files, links, settings of Proxmox VE's.
 *
 * A change is a list of steps under a name ("enable-100"). It is recorded below /var/lib/pvebind before its first effect;
 * each step looks at what is before it acts, and reads back afterwards; a change that fails undoes itself; one whose process
 * died is undone by whoever comes next. Taking it back undoes just what it did, and leaves what was changed by hand since.
 * Files, each calling only those before it:
 *   place      files and links below the root, written whole or not at all
 *   steplist   lists of steps
 *   wholefile, command → step   the kinds of steps: look, do, undo
 *   record     what was done: /var/lib/pvebind/NAME.json
 *   change     do, take back, finish
 *   snippet    where Proxmox VE finds the hookscript
 *   enable     a VM's hookscript
 *   diff       unified differences
 *   recorded   what setup did to a file before
 *   words, grubline → parameters → bootline   the kernel command line, a plan of whole-file steps and commands (hostplan.h);
 *   modulelist, fights                        likewise, a noun each
 *   reservefile, reserveslot, reservedriver → reserve   likewise: devices that the host never has
 *   host       pvebind setup: all of these, done and undone
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
/* The same; a new file is for root alone. */
int setup_private_write(struct pvb_ctx *ctx, const char *path, const char *text, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
/* Whether a file may be written: a plain one that is really in this host's /etc, by whatever links, and that somebody may
 * write. One that is not there may be made. */
int setup_file_check(struct pvb_ctx *ctx, const char *path, struct pvb_err *err) PVB_MUST_CHECK;
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

/* ---- wholefile.c, command.c, step.c ------------------------------------------------ */

/* A small text file: *text is malloced, NULL when there is none. -EINVAL: it has a NUL byte. */
int setup_text_read(struct pvb_ctx *ctx, const char *path, char **text, size_t *size, struct pvb_err *err) PVB_MUST_CHECK;

enum setup_kind {
	SETUP_DIR,      /* make the folder path; taken back when it is empty */
	SETUP_LINK,     /* make the link path to after */
	SETUP_BLOCK,    /* put the lines of after into the file path, behind the line of before ("": at the end) */
	SETUP_CONTENT,  /* the content list of storage path, from before to after */
	SETUP_VM_KEY,   /* a key (name) of VM vmid's configuration, from before ("": none) to after */
	SETUP_FILE,     /* all of the file path, from before to after; name: SETUP_NEW, SETUP_GONE, or "" */
	SETUP_COMMAND,  /* run the program path ("usr/sbin/update-grub") with the words of name; taken back by running it
			   again when the files are as before */
	SETUP_KINDS
};

#define SETUP_NEW "new"   /* there is no such file before; of SETUP_BLOCK likewise */
#define SETUP_GONE "gone" /* … afterwards */

struct setup_step {
	enum setup_kind kind;
	const char *path;   /* "" for none, and so below; in a list malloced */
	const char *name;
	const char *before, *after;
	const char *why;    /* a sentence for people */
	const char *said;   /* by a command, as recorded */
	unsigned vmid;
	bool done;          /* as recorded: it may have had its effect */
	bool runs;          /* of a command: else it is only told, as the root is no running system's */
};

struct setup_steps {
	struct setup_step *list; /* malloced */
	size_t n;
};

/* ---- steplist.c ---- */

/* Append; texts are copied, NULL is "". -ENOMEM. */
int setup_step_add(struct setup_steps *steps, const struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
void setup_steps_clear(struct setup_steps *steps);

enum setup_state { SETUP_BEFORE, SETUP_AFTER, SETUP_OTHER };
/* Where a SETUP_BLOCK goes in text: behind the line that is just this; "": at the end. NULL: there is none. */
const char *setup_block_place(const char *text, const char *line);
/* How it is now. OTHER: neither as before nor as after; seen (may be NULL) then says what was found instead. */
int setup_step_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		    struct pvb_err *err) PVB_MUST_CHECK;
/* Do or undo, and look whether it is so. */
int setup_step_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err) PVB_MUST_CHECK;
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
/* Names of the records that begin so, in their order: malloced, as pvb_sysfs_list(). */
int setup_record_names(struct pvb_ctx *ctx, const char *prefix, char ***names, struct pvb_err *err) PVB_MUST_CHECK;
/* A plain copy of what a SETUP_FILE step of the record changes, for people who have but a rescue disk: the record has it,
 * too. "/var/lib/pvebind/NAME.etc-default-grub.before" */
const char *setup_backup_path(const struct setup_record *record, const struct setup_step *step, char path[PATH_MAX]);
/* One process at a time: the lock's descriptor, the caller's; -EWOULDBLOCK. */
int setup_lock(struct pvb_ctx *ctx, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- change.c ----------------------------------------------------------------------- */

/* Do the steps under a name, those that are so already left out, and say each through the log. On a failure all is as
 * before; -PVB_EATTENTION: it is not, and the sentence says what is left. No step at all: nothing, no record.
 * The caller has the lock. */
int setup_change_apply(struct pvb_ctx *ctx, const char *name, const struct setup_steps *steps, struct pvb_err *err) PVB_MUST_CHECK;
/* Take back what was done under the name. What is neither as before nor as after is left as it is, with a warning that
 * says what was found. -ENOENT: nothing was done under it. -PVB_EATTENTION: some of it could not be taken back, and the
 * sentence says what. */
int setup_change_undo(struct pvb_ctx *ctx, const char *name, struct pvb_err *err) PVB_MUST_CHECK;
/* The same for all changes whose names begin so, the last first; once it has begun, whoever comes next ends it. */
int setup_changes_undo(struct pvb_ctx *ctx, const char *prefix, struct pvb_err *err) PVB_MUST_CHECK;
/* Undo every change whose name begins so and whose process died. */
int setup_changes_recover(struct pvb_ctx *ctx, const char *prefix, struct pvb_err *err) PVB_MUST_CHECK;

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
/* Take back what an enable or disable that died has left. The caller has the lock, here and below. */
int setup_enable_recover(struct front *front, struct pvb_err *err) PVB_MUST_CHECK;
/* Do it. */
int setup_enable_apply(struct front *front, struct setup_enable *plan, struct pvb_err *err) PVB_MUST_CHECK;
/* Take it back, and the snippet with the last VM. -ENOENT: it is not enabled. */
int setup_disable(struct front *front, unsigned vmid, struct pvb_err *err) PVB_MUST_CHECK;
/* Whether the snippet would go with this VM: no other VM of the node was enabled, nor has it, nor a container. with_key: the
 * VM's own hookscript is to go, too. */
bool setup_snippet_goes(struct front *front, unsigned vmid, bool with_key);

/* ---- diff.c ----------------------------------------------------------------------------------- */

/* The unified difference of two texts of a file, NULL: there is none. Control characters do not reach out. -ENOMEM. */
int setup_diff(FILE *out, const char *path, const char *before, const char *after) PVB_MUST_CHECK;

/* ---- host.c: `pvebind setup` ------------------------------------------------------------------- */

#define SETUP_HOST_CHANGE "setup-" /* the names of its changes: setup-0001, …: each begins where the one before ended */

/* What is asked for. */
struct setup_wish {
	bool clean;           /* take out what is obsolete */
	bool rescue;          /* the guide's last-resort frame buffer parameters */
	bool reserve, unreserve;
	bool disable_vga;     /* with reserve */
	bool programs;        /* run the root's programs, whatever root it is */
	const char *const *devices; /* to reserve, to release, or that the console sits on: addresses and ids as typed */
	size_t num_devices;
};

/* A part of the plan, for people. */
struct setup_point {
	const char *name;     /* "kernel-cmdline" */
	char *have, *want, *why; /* sentences or words; malloced; NULL: nothing to say. No want: nothing is lacking. */
	char *refused;        /* why it cannot be done, and what to do; malloced; NULL: it can */
	bool reboot;          /* it counts from the next boot on */
	bool acts;            /* it has a step, or needs a command */
};

enum setup_hint_kind {
	SETUP_HINT_OBSOLETE,  /* left over; --clean takes it out */
	SETUP_HINT_FIGHTS,    /* works against lending at run time; only shown */
	SETUP_HINT_WARNING,   /* to be known before it is done */
};
struct setup_hint {
	enum setup_hint_kind kind;
	char place[300];      /* "/etc/modprobe.d/vfio.conf:1"; "" */
	char *text;           /* malloced */
};

struct setup_plan {
	struct setup_point *points; /* malloced, as the hints */
	size_t n;
	struct setup_hint *hints;
	size_t num_hints;
	struct setup_steps steps;   /* files first, then commands */
	unsigned commands;
	int error;                  /* -errno: it could not be made */
};

/* Look, and decide. Writes nothing. Refusals are in the points. Free with setup_plan_clear(), after a failure too. */
int setup_host_plan(struct front *front, const struct setup_wish *wish, struct setup_plan *plan, struct pvb_err *err) PVB_MUST_CHECK;
void setup_plan_clear(struct setup_plan *plan);
/* The first refusal's sentence; NULL: none. */
const char *setup_plan_refusal(const struct setup_plan *plan);
/* Whether it changes anything; commands that are only told, as of another root, do not. */
bool setup_plan_changes(const struct setup_plan *plan);
/* Whether any of it counts from the next boot on. */
bool setup_plan_reboot(const struct setup_plan *plan);
/* Do it; a plan with refusals is not done. The caller has the lock. */
int setup_host_apply(struct front *front, const struct setup_plan *plan, struct pvb_err *err) PVB_MUST_CHECK;

/* A file that setup changed. */
struct setup_undo {
	char *path;                  /* malloced, as the texts; NULL: no such file */
	char *before, *after, *now;  /* before setup, after it, now */
	bool known;                  /* now is as one of the changes found or left it */
	bool edited;                 /* it is not, or somebody edited between two changes of setup's */
};
struct setup_undos {
	struct setup_undo *list;     /* malloced */
	size_t n;
	bool any;                    /* something was done that can be undone */
	bool edited;                 /* one of them was */
};
/* What undoing would meet: all files that are changed now; unfinished: by changes that did not come to their end. Free with
 * setup_undos_clear(), after a failure too. */
int setup_host_look_back(struct front *front, bool unfinished, struct setup_undos *undos, struct pvb_err *err) PVB_MUST_CHECK;
void setup_undos_clear(struct setup_undos *undos);
/* Undo everything that setup did; keep_edited: leave what was edited since as it is, else that is a refusal. */
int setup_host_undo(struct front *front, bool keep_edited, struct pvb_err *err) PVB_MUST_CHECK;
/* Undo what did not come to its end; -ESTALE: a file of it was edited since, and nothing is done. */
int setup_host_recover(struct front *front, struct pvb_err *err) PVB_MUST_CHECK;
/* Whether an earlier one did not come to its end, so that the next that changes something first takes it back. */
bool setup_host_unfinished(struct front *front);

#endif
