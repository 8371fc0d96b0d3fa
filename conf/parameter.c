/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of a kernel command line, and their options. */
#include <string.h>

#include "parameter.h"

#define BLANKS " \t\r\n"

const char *parameter_next(const char **at, size_t *size)
{
	const char *word = *at + strspn(*at, BLANKS);

	*size = strcspn(word, BLANKS);
	*at = word + *size;
	return *size ? word : NULL;
}

static char dash(char c)
{
	return c == '-' ? '_' : c;
}

bool parameter_is(const char *word, size_t size, const char *name, const char **value, size_t *value_size)
{
	size_t i = 0;

	while (i < size && name[i] && dash(word[i]) == dash(name[i]))
		i++;
	if (name[i] || (i < size && word[i] != '='))
		return false;
	i += i < size;
	*value = word + i;
	*value_size = size - i;
	return true;
}

bool parameter_has(const char *cmdline, const char *word, size_t size)
{
	const char *other;
	size_t n;

	while ((other = parameter_next(&cmdline, &n)))
		if (n == size && !strncmp(other, word, size))
			return true;
	return false;
}

/* Walks the options of one value. */
static const char *option_next(const char **at, size_t *left, size_t *size)
{
	const char *option = *at, *comma;

	if (!*left)
		return NULL;
	comma = memchr(option, ',', *left);
	*size = comma ? (size_t)(comma - option) : *left;
	*at += *size + (comma != NULL);
	*left -= *size + (comma != NULL);
	return option;
}

static bool option_is(const char *option, size_t size, const char *name)
{
	return size == strlen(name) && !strncmp(option, name, size);
}

bool parameter_option(const char *cmdline, const char *name, const char *option)
{
	const char *word, *value, *one;
	size_t size, left, n;

	while ((word = parameter_next(&cmdline, &size))) {
		if (!parameter_is(word, size, name, &value, &left))
			continue;
		while ((one = option_next(&value, &left, &n)))
			if (option_is(one, n, option))
				return true;
	}
	return false;
}

int parameter_switch(const char *cmdline, const char *name)
{
	const char *word, *value, *one;
	size_t size, left, n;
	int state = -1;

	while ((word = parameter_next(&cmdline, &size))) {
		if (!parameter_is(word, size, name, &value, &left))
			continue;
		while ((one = option_next(&value, &left, &n)))
			state = option_is(one, n, "on") ? 1 : option_is(one, n, "off") ? 0 : state;
	}
	return state;
}
