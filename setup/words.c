/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of one line: some added, some taken out, all else left as it is. */
#include <stdio.h>
#include <string.h>

#include "../conf/parameter.h"
#include "hostplan.h"

bool words_add(struct word_changes *changes, enum word_act act, const char *text, size_t size, const char *why)
{
	struct word_change *change = &changes->list[changes->n];

	for (size_t i = 0; i < changes->n; i++)
		if (changes->list[i].act == act && strlen(changes->list[i].text) == size && !strncmp(changes->list[i].text, text, size))
			return true;
	if (changes->n == sizeof(changes->list) / sizeof(*changes->list) || size >= sizeof(change->text))
		return false;
	*change = (struct word_change){ .act = act, .why = why };
	memcpy(change->text, text, size);
	changes->n++;
	return true;
}

bool words_add_change(struct word_changes *changes, const char *text, size_t size, const char *to, const char *why)
{
	size_t n = changes->n;

	if (!words_add(changes, WORD_CHANGE, text, size, why))
		return false;
	return changes->n == n || conf_copy(changes->list[n].to, sizeof(changes->list[n].to), to);
}

/* What becomes of the word where it stands; NULL: it stays. */
static const char *word_becomes(const struct word_changes *changes, const char *word, size_t size)
{
	for (size_t i = 0; i < changes->n; i++)
		if (changes->list[i].act == WORD_CHANGE && strlen(changes->list[i].text) == size && !strncmp(changes->list[i].text, word, size))
			return changes->list[i].to;
	return NULL;
}

/* Whether a change takes the word out; again: it stands once more further to the right. */
static bool word_goes(const struct word_changes *changes, const char *word, size_t size, bool again)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct word_change *change = &changes->list[i];

		if (strlen(change->text) == size && !strncmp(change->text, word, size) &&
		    (change->act == WORD_DROP || (change->act == WORD_ONCE && again)))
			return true;
	}
	return false;
}

/* Each word goes with the blanks before it, the first with those behind it. */
static void kept_print(FILE *out, const char *line, const struct word_changes *changes)
{
	const char *at = line, *from = line, *word;
	bool first = true;
	size_t size;

	while ((word = parameter_next(&at, &size))) {
		if (!word_goes(changes, word, size, parameter_has(at, word, size))) {
			const char *to = word_becomes(changes, word, size);

			fprintf(out, "%.*s%s", (int)((to ? word : at) - from), from, to ? to : "");
			first = false;
			from = at;
			continue;
		}
		if (first) {
			fprintf(out, "%.*s", (int)(word - from), from);
			at += strspn(at, " \t");
		}
		from = at;
	}
	fputs(from, out);
}

char *words_change(const char *line, size_t size, const struct word_changes *changes)
{
	_conf_free_ char *copy = strndup(line, size);
	char *text = NULL;
	size_t length;
	FILE *out = copy ? open_memstream(&text, &length) : NULL;

	if (!out)
		return NULL;
	kept_print(out, copy, changes);
	fflush(out);
	for (size_t i = 0; i < changes->n; i++) {
		const struct word_change *change = &changes->list[i];

		if (change->act != WORD_ADD || parameter_has(text, change->text, strlen(change->text)))
			continue;
		fprintf(out, "%s%s", length && !strchr(" \t", text[length - 1]) ? " " : "", change->text);
		fflush(out);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
