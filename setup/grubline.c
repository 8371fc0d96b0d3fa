/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line of /etc/default/grub that sets GRUB_CMDLINE_LINUX_DEFAULT: only what stands between its quotes changes. */
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

#define NAME "GRUB_CMDLINE_LINUX_DEFAULT"

/* What stands where: text up to value, value, and the rest from behind on. */
struct assignment {
	const char *value, *behind;
	bool bare; /* without quotes */
};

static const char *line_find(const char *text, unsigned line)
{
	while (--line && *text) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return text;
}

/* Only what cannot be misread: NAME=, one quoted string or one plain word, and nothing more but a comment. */
static const char *assignment_parse(const char *line, struct assignment *a)
{
	const char *at = line + strspn(line, " \t"), *rest;
	size_t size;

	if (strncmp(at, NAME "=", sizeof(NAME)) != 0)
		return "it does not begin with " NAME "=";
	at += sizeof(NAME);
	a->bare = *at != '"' && *at != '\'';
	a->value = at + !a->bare;
	size = strcspn(a->value, a->bare ? " \t\r\n#;&|()<>\"'\\`$" : *at == '"' ? "\"\n" : "'\n");
	a->behind = a->value + size;
	if (!a->bare && *a->behind != *at)
		return "its value does not end in the same line";
	if (!a->bare && *at == '"' && (memchr(a->value, '\\', size) || memchr(a->value, '`', size)))
		return "its value has a backslash or a backquote";
	rest = a->behind + !a->bare;
	if (*rest == '\r' && (!rest[1] || rest[1] == '\n'))
		return NULL;
	rest += strspn(rest, " \t");
	if (*rest && *rest != '\n' && !(*rest == '#' && rest > a->behind + !a->bare))
		return "more than a comment follows its value";
	return NULL;
}

/* To the shell a Windows line end is a part of the value: a blank keeps it from the last word. */
static const char *blank_before(const char *value, const char *line_end)
{
	size_t size = strlen(value);

	return *line_end == '\r' && size && !strchr(" \t", value[size - 1]) ? " " : "";
}

static char *line_append(const char *text, const struct word_changes *changes)
{
	_conf_free_ char *value = words_change("", 0, changes);
	size_t size = strlen(text);
	const char *end = size >= 2 && !strcmp(text + size - 2, "\r\n") ? "\r\n" : "\n";
	char *all = NULL;

	if (!value || asprintf(&all, "%s%s" NAME "=\"%s%s\"%s", text, size && text[size - 1] != '\n' ? "\n" : "", value,
			       blank_before(value, end), end) < 0)
		return NULL;
	return all;
}

char *grubline_change(const char *text, unsigned line, const struct word_changes *changes, const char **why)
{
	_conf_free_ char *value = NULL;
	struct assignment a;
	char *all = NULL;

	*why = NULL;
	if (!line)
		return line_append(text, changes);
	*why = assignment_parse(line_find(text, line), &a);
	if (*why)
		return NULL;
	value = words_change(a.value, (size_t)(a.behind - a.value), changes);
	if (value && strlen(value) == (size_t)(a.behind - a.value) && !strncmp(value, a.value, strlen(value)))
		return strdup(text);
	if (value && strpbrk(value, "\"'`\\") && a.bare)
		*why = "its value has quotes";
	if (!value || *why)
		return NULL;
	if (asprintf(&all, "%.*s%s%s%s%s%s", (int)(a.value - text), text, a.bare ? "\"" : "", value, blank_before(value, a.behind + !a.bare),
		     a.bare ? "\"" : "", a.behind) < 0)
		return NULL;
	return all;
}
