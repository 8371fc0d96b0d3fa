/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that name modules to load at boot. */
#include <stdio.h>
#include <string.h>

#include "modulelist.h"

#define FILE_MAX (1 << 20)

static int line_add(struct modulelist *list, const char *module, const char *file, unsigned number)
{
	struct modulelist_line *more = reallocarray(list->lines, list->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	list->lines = more;
	more += list->n++;
	conf_copy(more->module, sizeof(more->module), module);
	conf_copy(more->file, sizeof(more->file), file);
	more->line = number;
	return 0;
}

static int file_read(struct pvb_ctx *ctx, struct modulelist *list, const char *path)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines = { .next = NULL };
	int r = 0;

	if (pvb_read_file(ctx, path, FILE_MAX, &text, &lines.left) < 0)
		return 0;
	for (lines.next = text; r == 0 && conf_line_next(&lines);) {
		char *word = conf_trim(lines.line);

		word[strcspn(word, " \t#;")] = '\0';
		if (*word)
			r = line_add(list, word, path, lines.number);
	}
	return r;
}

static bool name_is_conf(const char *name)
{
	size_t size = strlen(name);

	/* Debian has a link to /etc/modules there. */
	return *name != '.' && size > 5 && !strcmp(name + size - 5, ".conf") && strcmp(name, "modules.conf") != 0;
}

int modulelist_read(struct pvb_ctx *ctx, struct modulelist *list)
{
	static const char *const files[] = { "/etc/modules", MODULELIST_INITRAMFS };
	_conf_strv_ char **names = NULL;
	char path[300];
	int r = 0;

	*list = (struct modulelist){ .files = pvb_sysfs_exists(ctx, "etc/modules-load.d") };
	for (size_t i = 0; r == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
		list->files += pvb_sysfs_exists(ctx, files[i]);
		r = file_read(ctx, list, files[i]);
	}
	if (r < 0 || pvb_sysfs_list(ctx, "etc/modules-load.d", &names) < 0)
		return r;
	for (char **name = names; r == 0 && *name; name++) {
		snprintf(path, sizeof(path), "/etc/modules-load.d/%s", *name);
		if (name_is_conf(*name))
			r = file_read(ctx, list, path);
	}
	return r;
}

void modulelist_clear(struct modulelist *list)
{
	free(list->lines);
	*list = (struct modulelist){ .n = 0 };
}
