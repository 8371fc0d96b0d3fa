/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that plan `pvebind setup` share. */
#ifndef PVEBIND_SETUP_HOSTPLAN_H
#define PVEBIND_SETUP_HOSTPLAN_H

#include "../conf/bootloader.h"
#include "../conf/kernels.h"
#include "../conf/platform.h"
#include "setup.h"

/* The host, and what its plan is made of. */
struct hostplan {
	struct front *front;
	struct pvb_ctx *ctx;
	const struct setup_wish *wish;
	struct setup_plan *plan;
	struct pvb_err *err;
	char release[PVB_NAME_MAX];     /* of the kernel that runs; "" when unknown */
	char *cmdline;                  /* … and its command line; NULL */
	struct bootloader loader;
	struct kernels kernels;
	struct platform_cpu cpu;        /* vendor PLATFORM_OTHER where it cannot be read */
	struct pvb_snapshot *snapshot;  /* every function; NULL: none can be seen, */
	char unseen[256];               /* … and why */
	struct pvb_wanted *wanted;      /* what the VMs of this node name; malloced */
	size_t num_wanted;
};

/* ---- hostplan.c ---- */

/* All of it but plan's contents. Free with hostplan_clear(), after a failure too. */
int hostplan_look(struct hostplan *h) PVB_MUST_CHECK;
void hostplan_clear(struct hostplan *h);
/* Whether a VM names the function. */
bool hostplan_wanted(const struct hostplan *h, const struct pvb_function *fn);

/* Parts of the plan. Memory that runs out makes the whole plan fail: plan->error. */
struct setup_point *plan_point(struct setup_plan *plan, const char *name, bool reboot);
void plan_have(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...) PVB_PRINTF(3, 4);
void plan_want(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...) PVB_PRINTF(3, 4);
void plan_why(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...) PVB_PRINTF(3, 4);
/* It cannot be done, or only by hand: why, and how. */
void plan_refuse(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...) PVB_PRINTF(3, 4);
void plan_hint(struct setup_plan *plan, enum setup_hint_kind kind, const char *place, const char *fmt, ...) PVB_PRINTF(4, 5);
/* The file path is to become after (NULL: go away); it is checked first, and refused where in doubt. Planned twice: the second
 * begins where the first ended. */
void plan_file(struct hostplan *h, struct setup_point *point, const char *path, const char *after, const char *why);
/* A file as it is going to be by the plan so far: malloced; NULL: not there, or (plan->error, a refusal) not to be read. */
char *plan_text(struct hostplan *h, struct setup_point *point, const char *path);
/* The commands that make the point's files count are needed, in the order of these. */
#define PLAN_INITRAMFS 1u
#define PLAN_BOOT 2u /* boot entries */
void plan_command(struct setup_plan *plan, struct setup_point *point, unsigned commands);
/* Put the commands into the steps, behind the files. */
void plan_commands_add(struct hostplan *h);
/* Whether each want that is not refused has a step: else it would be called done, and was not. */
int plan_check(const struct setup_plan *plan, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- words.c: words of one line ---- */

struct word_change {
	/* at the end; every one; all but the last, which counts; each becomes another */
	enum word_act { WORD_ADD, WORD_DROP, WORD_ONCE, WORD_CHANGE } act;
	char text[80];
	char to[80]; /* of WORD_CHANGE */
	const char *why;
};
struct word_changes {
	struct word_change list[32];
	size_t n;
};
/* One more; too many, or too long a word: false. */
bool words_add(struct word_changes *changes, enum word_act act, const char *text, size_t size, const char *why) PVB_MUST_CHECK;
/* One more WORD_CHANGE, likewise. */
bool words_add_change(struct word_changes *changes, const char *text, size_t size, const char *to, const char *why) PVB_MUST_CHECK;
/* The line (size bytes) with the changes made and all else as it was: malloced. What is to be added and is there, stays. */
char *words_change(const char *line, size_t size, const struct word_changes *changes);

/* ---- grubline.c ---- */

/* text with the changes made in its assignment of GRUB_CMDLINE_LINUX_DEFAULT at line (0: there is none, make one at its
 * end): malloced. NULL: *why tells; NULL: no memory. */
char *grubline_change(const char *text, unsigned line, const struct word_changes *changes, const char **why);

/* ---- recorded.c ---- */

/* Show every step of setup's own changes with the file, the first one first. */
typedef void (*recorded_see)(const struct setup_step *step, void *data);
int recorded_each(struct pvb_ctx *ctx, const char *path, recorded_see see, void *data) PVB_MUST_CHECK;
/* Whether it was setup that put the word there. */
bool recorded_added(struct pvb_ctx *ctx, const struct configured_word *word);

/* ---- rescue.c ---- */

/* Whether the frame buffer parameters may be given, with a warning. false: refused, said. */
bool rescue_allowed(struct hostplan *h, struct setup_point *point);

/* ---- parameters.c ---- */

/* What the kernel command line lacks, or has too much. false: refused, said. */
bool parameters_find(struct hostplan *h, struct setup_point *point, struct word_changes *changes);

/* ---- reservefile.c: /etc/modprobe.d/pvebind.conf ---- */

#define RESERVE_FILE "/etc/modprobe.d/pvebind.conf"
#define RESERVE_MAX 64
#define RESERVE_RUNTIME "pvebind lends it by its address when a VM starts, without any of this (pvebind enable)"

/* What vfio-pci is to take at boot. */
struct reserve {
	char ids[RESERVE_MAX][32];   /* "10de:24b0", "10de:24b0:1043:8866" */
	size_t num_ids;
	bool disable_vga;
	struct pvb_function fns[RESERVE_MAX]; /* those that have these ids, for the comments */
	size_t num_fns;
	char softdeps[RESERVE_MAX][PVB_NAME_MAX];   /* drivers that wait for vfio-pci */
	size_t num_softdeps;
	char blacklist[RESERVE_MAX][PVB_NAME_MAX];
	size_t num_blacklist;
};
/* The ids and options of a file that reserve_text() made. */
void reserve_parse(const char *text, struct reserve *reserve);
/* Malloced; NULL: no memory. */
char *reserve_text(struct pvb_ctx *ctx, const struct reserve *reserve);
/* Append to a list of names, once; false: it is full. */
bool reserve_name_add(char list[][PVB_NAME_MAX], size_t *n, const char *name) PVB_MUST_CHECK;
bool reserve_id_add(struct reserve *reserve, const char *id) PVB_MUST_CHECK;
/* Whether the id is the function's. */
bool reserve_id_is(const char *id, const struct pvb_function *fn);
bool reserve_has(const struct reserve *reserve, const struct pvb_function *fn);

/* ---- reserveslot.c ---- */

/* Set chosen (one for each function of the snapshot) for those that the wish names, and for all that belong to them. Of one
 * slot that goes apart it is told. */
void reserve_choose(struct hostplan *h, struct setup_point *point, bool *chosen);

/* ---- reservedriver.c ---- */

/* Which drivers are to wait for vfio-pci, and which to be kept away altogether. false: refused, said. */
bool reserve_drivers(struct hostplan *h, struct setup_point *point, struct reserve *reserve);

/* ---- a noun each ---- */

void bootline_plan(struct hostplan *h);    /* the kernel command line */
void modulelist_plan(struct hostplan *h);  /* modules to load at boot */
void initramfs_plan(struct hostplan *h);   /* one that is older than what it has a copy of */
void fights_plan(struct hostplan *h);      /* what speaks against run-time binding */
void reserve_plan(struct hostplan *h);     /* devices that the host never has */

#endif
