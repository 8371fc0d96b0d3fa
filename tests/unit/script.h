/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text files of tests/machines: lines of words, with quotes, escapes and blocks. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct script_line {
	unsigned number;
	char *text;        /* without its newline and the blanks around it; never empty, no comment */
	char *block;       /* the lines of a block ("<<END" … "END"), raw; NULL: none */
	size_t block_size;
};

struct script {
	char path[PATH_MAX];
	char *text;
	struct script_line *lines;
	size_t n;
	char error[PATH_MAX + 256]; /* "FILE:LINE: what is wrong" */
};

/* Read a file; 0, or -1 with its error filled in. Free with script_free(), after a failure too. */
int script_load(struct script *s, const char *path);
void script_free(struct script *s);

#define SCRIPT_WORDS 48

/* A line's words. Blanks part them; in "…" they do not, nor do the quotes stay. \n \t \r \\ \" \xHH are those bytes. */
struct script_words {
	char *memory;
	int n;
	char *word[SCRIPT_WORDS];     /* NUL-terminated */
	const char *raw[SCRIPT_WORDS]; /* where it begins in the line as written */
};

/* -1: a quote is not closed, or there are too many. Free with script_words_free(). */
int script_split(struct script_words *w, const char *text);
void script_words_free(struct script_words *w);
/* Undo escapes (and quotes around all of it); malloced, NUL-terminated, which its size does not count. */
char *script_unescape(const char *raw, size_t *size);

#endif
