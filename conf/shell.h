/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What GRUB's variables come to in files that a shell reads one after the other, as far as assignments go: quotes, "+=", lines
 * that go on, variables set here. What only a shell can tell (a condition, a command's output, a file that is read in) makes the
 * answer unsure. A carriage return is no blank to the shell, but part of the word.
 */
#ifndef PVEBIND_CONF_SHELL_H
#define PVEBIND_CONF_SHELL_H

#include "configured.h"

#define SHELL_VARIABLES_MAX 64
#define SHELL_STEPS_MAX 64

/* Those that are looked for: an entry's command line is both, in this order (/etc/grub.d/10_linux). */
#define SHELL_WANTED 2
#define SHELL_DEFAULT 1
extern const char *const shell_wanted[SHELL_WANTED];

struct shell_variable {
	char name[64];
	char *value; /* malloced */
	bool cut;    /* it depends on what is not known here */
};

/* What one of the two was set to, and where: each word stands where it first came to be in it. */
struct shell_step {
	size_t which;
	char *value; /* malloced */
	char file[80];
	unsigned line;
};

struct shell {
	const char *at;
	char file[80];     /* that is read, for places */
	unsigned line;
	unsigned depth;    /* of if, case, for, while, {} */
	unsigned parens;   /* of (), which are a shell of their own */
	bool conditional;  /* behind && or || */
	bool command;      /* the next word can be a command's name */
	bool word;         /* there was a word since the last operator or line */
	bool assigned;     /* one of the two was set before it */
	bool cut;          /* the value that is read depends on what is not known here */
	struct shell_variable variables[SHELL_VARIABLES_MAX];
	size_t num_variables;
	struct shell_step steps[SHELL_STEPS_MAX];
	size_t num_steps;
	struct configured *result; /* its error, unsure, set_file, set_line */
};

/* Read a file's text; file and result are set, and what earlier files set is there. */
void shell_read(struct shell *s, const char *text);
/* NULL: it was not set. */
const struct shell_variable *shell_variable(const struct shell *s, const char *name);
void shell_clear(struct shell *s);

#endif
