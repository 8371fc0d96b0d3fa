/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See script.h. */
#define _GNU_SOURCE
#include "ft_internal.h"
#include "script.h"

#include <ctype.h>
#include <stdlib.h>

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(file);
	return text;
}

/* "… <<END": END, and its own end is cut off the line. */
static const char *block_end(char *text)
{
	char *mark = strstr(text, "<<");

	if (!mark || (mark > text && !isblank(mark[-1])) || !isalpha(mark[2]) || strpbrk(mark, " \t\""))
		return NULL;
	*mark = '\0';
	return mark + 2;
}

/* The lines up to the one that is end; *next is behind that. NULL: it does not come. */
static char *block_take(char **next, const char *end, unsigned *number, size_t *size)
{
	char *from = *next;

	for (char *line = from, *newline; *line; line = newline + 1) {
		newline = strchrnul(line, '\n');
		++*number;
		if ((size_t)(newline - line) == strlen(end) && !strncmp(line, end, strlen(end))) {
			*size = (size_t)(line - from);
			*next = *newline ? newline + 1 : newline;
			return from;
		}
		if (!*newline)
			break;
	}
	return NULL;
}

static char *trimmed(char *text)
{
	char *end = strchr(text, '\0');

	while (end > text && isspace(end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

static struct script_line *line_add(struct script *s, unsigned number, char *text)
{
	s->lines = reallocarray(s->lines, s->n + 1, sizeof(*s->lines));
	if (!s->lines)
		ft_fail(s->path);
	s->lines[s->n] = (struct script_line){ .number = number, .text = text };
	return &s->lines[s->n++];
}

int script_load(struct script *s, const char *path)
{
	unsigned number = 0;

	*s = (struct script){ .n = 0 };
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->text = file_read(path);
	if (!s->text) {
		snprintf(s->error, sizeof(s->error), "%s: %s", path, strerror(errno));
		return -1;
	}
	for (char *next = s->text, *text = next; *next; text = next) {
		char *newline = strchrnul(next, '\n');
		struct script_line *line;
		const char *end;

		next = *newline ? newline + 1 : newline;
		*newline = '\0';
		number++;
		text = trimmed(text);
		if (!*text || *text == '#')
			continue;
		line = line_add(s, number, text);
		end = block_end(text);
		if (!end)
			continue;
		line->block = block_take(&next, end, &number, &line->block_size);
		line->text = trimmed(text);
		if (!line->block) {
			snprintf(s->error, sizeof(s->error), "%s:%u: the block's end, a line '%s', does not come", path,
				 line->number, end);
			return -1;
		}
	}
	return 0;
}

void script_free(struct script *s)
{
	free(s->lines);
	free(s->text);
	*s = (struct script){ .n = 0 };
}

/* ---- words -------------------------------------------------------------------- */

/* The byte that an escape at p (a backslash) stands for; *p goes behind it. */
static char escape_take(const char **p)
{
	static const char from[] = "ntr", to[] = "\n\t\r";
	const char *s = *p + 1, *known = *s ? strchr(from, *s) : NULL;
	unsigned value;

	if (*s == 'x' && isxdigit(s[1]) && isxdigit(s[2]) && sscanf(s + 1, "%2x", &value) == 1) {
		*p = s + 3;
		return (char)value;
	}
	*p = *s ? s + 1 : s;
	return known ? to[known - from] : *s;
}

/* One word from p on into out, which ends up behind it; returns what follows in the text, or NULL: a quote is open. */
static const char *word_take(const char *p, char **out)
{
	bool quoted = false;

	while (*p && (quoted || !isblank(*p))) {
		if (*p == '\\') {
			*(*out)++ = escape_take(&p);
			continue;
		}
		if (*p == '"')
			quoted = !quoted;
		else
			*(*out)++ = *p;
		p++;
	}
	*(*out)++ = '\0';
	return quoted ? NULL : p;
}

int script_split(struct script_words *w, const char *text)
{
	char *out;

	*w = (struct script_words){ .n = 0 };
	w->memory = out = malloc(2 * strlen(text) + 2);
	if (!out)
		ft_fail("script");
	while (*(text += strspn(text, " \t"))) {
		if (w->n == SCRIPT_WORDS)
			return -1;
		w->raw[w->n] = text;
		w->word[w->n++] = out;
		text = word_take(text, &out);
		if (!text)
			return -1;
	}
	return 0;
}

void script_words_free(struct script_words *w)
{
	free(w->memory);
	w->memory = NULL;
}

char *script_unescape(const char *raw, size_t *size)
{
	size_t length = strlen(raw);
	bool quoted = length > 1 && raw[0] == '"' && raw[length - 1] == '"';
	const char *end = raw + length - (quoted ? 1 : 0);
	char *text = malloc(length + 1), *out = text;

	if (!text)
		ft_fail("script");
	for (const char *p = raw + (quoted ? 1 : 0); p < end;) {
		if (*p == '\\')
			*out++ = escape_take(&p);
		else
			*out++ = *p++;
	}
	*out = '\0';
	*size = (size_t)(out - text);
	return text;
}
