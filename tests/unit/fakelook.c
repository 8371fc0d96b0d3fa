/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at a tree, and at what was written to it; see faketree.h. */
#define _GNU_SOURCE
#include "ft_internal.h"

#include <fnmatch.h>
#include <stdlib.h>

/* ---- looking and doing ----------------------------------------------------------- */

const char *ft_driver_of(struct ft_tree *t, const char *bdf)
{
	static char target[512];
	ssize_t n = readlinkat(t->fd, fk_path("sys/bus/pci/devices/%s/driver", bdf).s, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	return strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
}

const char *ft_override(struct ft_tree *t, const char *bdf)
{
	return ft_read(t, fk_path("sys/bus/pci/devices/%s/driver_override", bdf).s);
}

void ft_fault(struct ft_tree *t, const char *fmt, ...)
{
	char rule[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rule, sizeof(rule) - 1, fmt, ap);
	va_end(ap);
	ft_append(t, ".faults", strcat(rule, "\n"));
}

void ft_hang_read(struct ft_tree *t, const char *glob)
{
	if (!glob)
		ft_remove(t, ".hangs");
	else
		ft_append(t, ".hangs", fk_path("%s\n", glob).s);
}

void ft_faults_clear(struct ft_tree *t)
{
	ft_write(t, ".faults", "");
	for (int i = 0; i < 256; i++)
		unlinkat(t->fd, fk_path(".kernel/hits.%d", i).s, 0);
}

const char *ft_log(struct ft_tree *t)
{
	return ft_read(t, ".writes");
}

void ft_log_clear(struct ft_tree *t)
{
	unlinkat(t->fd, ".writes", 0);
}

int ft_writes(struct ft_tree *t)
{
	const char *log = ft_log(t);
	int n = *log != '\0';

	for (; (log = strchr(log, '\n')); log++)
		n++;
	return n;
}

/* One line of .writes: PID PATH "VALUE" RESULT */
static bool line_matches(char *line, const char *path_glob, const char *value_glob)
{
	char *path = strchr(line, ' '), *value = path ? strstr(path, " \"") : NULL, *end = strrchr(line, '"');

	if (!value || end <= value + 1)
		return false;
	path++;
	*value = *end = '\0';
	value += 2;
	if (end - value >= 2 && !strcmp(end - 2, "\\n"))
		end[-2] = '\0';
	return end[2] >= 'a' && !fnmatch(path_glob, path, FNM_NOESCAPE) && !fnmatch(value_glob, value, FNM_NOESCAPE);
}

int ft_wrote(struct ft_tree *t, const char *path_glob, const char *value_glob)
{
	char *text = strdup(ft_log(t)), *save = NULL;
	int i = 0, found = -1;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l && found < 0; l = strtok_r(NULL, "\n", &save), i++)
		if (line_matches(l, path_glob, value_glob))
			found = i;
	free(text);
	return found;
}
