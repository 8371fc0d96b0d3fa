/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole machines written down as text, tests/machines/NAME.machine, and changes to them, tests/machines/GROUP.cases;
 * tests/machines/README tells the language. Files, each calling only those before it:
 *   script         lines, words and blocks
 *   machineconfig  a function's configuration space
 *   machineattr    what a function's keys say, and its attributes
 *   machinepci     functions
 *   machinefiles   files: written, changed, taken away
 *   machinehost    disks, mounts, bridges
 *   machineindex   lib/modules with libkmod's indexes
 *   machineparts   what hangs on them, firmware, modules, packages
 *   machine        the words of the language, what is asked, what is expected
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "faketree.h"
#include "script.h"

#define MACHINE_FOLDER "tests/machines"

/* "expect ID[@BDF] VERDICT ["words"]" */
struct machine_expect {
	char id[64];
	char about[24];       /* only findings about this device; "": all of the id */
	char verdict[12];     /* "ok", "unknown", "warn", "fail", "none" */
	char words[256];      /* a part of what it says; "": anything */
	const char *file;     /* where that is written */
	unsigned line;
};

struct machine_function;

struct machine {
	struct ft_tree *t;
	char source[256];     /* the public dump it follows, or "synthetic" */
	char ask[256];        /* the command's arguments behind "check", blank-separated */
	struct machine_expect *expect;
	size_t num_expect;
	char error[PATH_MAX + 512]; /* "FILE:LINE: what is wrong" */
	/* its own */
	struct machine_function *functions;
	size_t num_functions;
	bool amd, no_iommu, modules_given;
	const struct script *script;     /* that is read now, */
	const struct script_line *line;  /* and where */
	struct script *scripts[32];       /* whose names expectations point to */
	size_t num_scripts;
};

/* Build tests/machines/NAME.machine in a tree of its own (one at a time: faketree.h). NULL only for want of memory; else
 * its error tells whether it went well ("": it did). Free with machine_free(). */
struct machine *machine_new(const char *name);
/* Go on with lines [from, to) of a script, which must outlive the machine. 0, or -1 with its error filled in. */
int machine_run(struct machine *m, const struct script *s, size_t from, size_t to);
/* What is known only when all is said; after this the machine can be looked at. */
void machine_finish(struct machine *m);
/* keep: its folder stays, for who wants to look. */
void machine_free(struct machine *m, bool keep);
/* One expect line, read without a machine. -1: it is none, or wrong. */
int machine_expect_parse(const struct script *s, const struct script_line *line, struct machine_expect *expect);

#endif
