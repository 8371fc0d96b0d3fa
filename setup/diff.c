/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unified differences (POSIX, diff -u) of two texts in memory. Not by diff(1): it would want both as files, would be another
 * root's below --root, and pvb_program() keeps 4 KiB of what a program says. These files have some hundred lines.
 */
#include <stdlib.h>
#include <string.h>

#include "setup.h"

#define CONTEXT 3
#define TABLE_MAX (4u << 20) /* cells; beyond that all of the middle is shown as changed */

struct line {
	const char *at;
	size_t size;  /* with its newline */
};

struct text {
	struct line *lines; /* malloced */
	size_t n;
};

/* A line of the result: of both, or of one. */
struct edit {
	char sign; /* ' ' '-' '+' */
	const struct line *line;
	size_t old, new; /* its number there, or the next one's, from 0 */
};

struct edits {
	struct edit *list; /* malloced, with room for all */
	size_t n;
	size_t old, new;
};

static int text_cut(struct text *text, const char *at)
{
	size_t n = 1;

	for (const char *c = at; *c; c++)
		n += *c == '\n';
	*text = (struct text){ .lines = calloc(n, sizeof(*text->lines)) };
	if (!text->lines)
		return -ENOMEM;
	while (*at) {
		size_t size = strcspn(at, "\n");

		size += at[size] == '\n';
		text->lines[text->n++] = (struct line){ at, size };
		at += size;
	}
	return 0;
}

static bool line_same(const struct line *a, const struct line *b)
{
	return a->size == b->size && !memcmp(a->at, b->at, a->size);
}

static void edit_add(struct edits *edits, char sign, const struct line *line)
{
	edits->list[edits->n++] = (struct edit){ sign, line, edits->old, edits->new };
	edits->old += sign != '+';
	edits->new += sign != '-';
}

/* Lengths of the longest common subsequences of what is behind i and j: table[i * (m + 1) + j]. */
static uint32_t *table_make(const struct line *a, size_t n, const struct line *b, size_t m)
{
	uint32_t *table = (n + 1) * (m + 1) > TABLE_MAX ? NULL : calloc((n + 1) * (m + 1), sizeof(*table));

	for (size_t i = table ? n : 0; i-- > 0;)
		for (size_t j = m; j-- > 0;) {
			uint32_t down = table[(i + 1) * (m + 1) + j], right = table[i * (m + 1) + j + 1];

			table[i * (m + 1) + j] = line_same(&a[i], &b[j]) ? table[(i + 1) * (m + 1) + j + 1] + 1
									 : down > right ? down : right;
		}
	return table;
}

static void middle_edit(struct edits *edits, const struct line *a, size_t n, const struct line *b, size_t m)
{
	_conf_free_ uint32_t *table = table_make(a, n, b, m);
	size_t i = 0, j = 0;

	while (i < n || j < m) {
		if (table && i < n && j < m && line_same(&a[i], &b[j])) {
			edit_add(edits, ' ', &a[i]);
			i++, j++;
		} else if (i < n && (!table || j == m || table[(i + 1) * (m + 1) + j] >= table[i * (m + 1) + j + 1])) {
			edit_add(edits, '-', &a[i++]);
		} else {
			edit_add(edits, '+', &b[j++]);
		}
	}
}

static void edits_make(struct edits *edits, const struct text *old, const struct text *new)
{
	size_t head = 0, tail = 0, least = old->n < new->n ? old->n : new->n;

	while (head < least && line_same(&old->lines[head], &new->lines[head]))
		head++;
	while (tail < least - head && line_same(&old->lines[old->n - 1 - tail], &new->lines[new->n - 1 - tail]))
		tail++;
	for (size_t i = 0; i < head; i++)
		edit_add(edits, ' ', &old->lines[i]);
	middle_edit(edits, old->lines + head, old->n - head - tail, new->lines + head, new->n - head - tail);
	for (size_t i = old->n - tail; i < old->n; i++)
		edit_add(edits, ' ', &old->lines[i]);
}

/* A terminal is not to obey what stands in a file. */
static void line_print(FILE *out, char sign, const struct line *line)
{
	bool ends = line->size && line->at[line->size - 1] == '\n';

	putc(sign, out);
	for (size_t i = 0; i < line->size - ends; i++) {
		unsigned char c = (unsigned char)line->at[i];

		if (c == '\r')
			fputs("^M", out);
		else
			putc((c < ' ' && c != '\t') || c == 0x7f ? '?' : c, out);
	}
	fputs(ends ? "\n" : "\n\\ No newline at end of file\n", out);
}

/* "12,7", "12"; an empty range is named by the line before it. */
static void range_print(FILE *out, char sign, size_t first, size_t count)
{
	fprintf(out, count == 1 ? "%c%zu" : "%c%zu,%zu", sign, first + (count > 0), count);
}

static void hunk_print(FILE *out, const struct edit *list, size_t n)
{
	size_t old = 0, new = 0;

	for (size_t i = 0; i < n; i++) {
		old += list[i].sign != '+';
		new += list[i].sign != '-';
	}
	fputs("@@ ", out);
	range_print(out, '-', list->old, old);
	putc(' ', out);
	range_print(out, '+', list->new, new);
	fputs(" @@\n", out);
	for (size_t i = 0; i < n; i++)
		line_print(out, list[i].sign, list[i].line);
}

/* The first edit at or behind i that changes something; n: none. */
static size_t change_next(const struct edits *edits, size_t i)
{
	while (i < edits->n && edits->list[i].sign == ' ')
		i++;
	return i;
}

static void hunks_print(FILE *out, const struct edits *edits)
{
	size_t end = 0;

	for (size_t i = change_next(edits, 0); i < edits->n; i = change_next(edits, end)) {
		size_t begin = i - end > CONTEXT ? i - CONTEXT : end;

		/* Changes with no more between them than both have as context are of one hunk. */
		for (size_t next = i; next < edits->n && next - i <= 2 * CONTEXT + 1; next = change_next(edits, i + 1))
			i = next;
		end = i + 1 + CONTEXT < edits->n ? i + 1 + CONTEXT : edits->n;
		hunk_print(out, edits->list + begin, end - begin);
	}
}

static void name_print(FILE *out, const char *mark, const char *prefix, const char *path, bool there)
{
	fprintf(out, there ? "%s %s%s\n" : "%s /dev/null\n", mark, prefix, path);
}

int setup_diff(FILE *out, const char *path, const char *before, const char *after)
{
	struct text old = { .n = 0 }, new = { .n = 0 };
	struct edits edits = { .n = 0 };
	int r = text_cut(&old, before ? before : "");

	if (r == 0)
		r = text_cut(&new, after ? after : "");
	if (r == 0) {
		edits.list = calloc(old.n + new.n + 1, sizeof(*edits.list));
		r = edits.list ? 0 : -ENOMEM;
	}
	if (r == 0) {
		edits_make(&edits, &old, &new);
		name_print(out, "---", "a", path, before);
		name_print(out, "+++", "b", path, after);
		hunks_print(out, &edits);
	}
	free(edits.list);
	free(old.lines);
	free(new.lines);
	return r;
}
