/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /etc/default/grub and /etc/default/grub.d/ come to: shell that grub-mkconfig sources, in this order. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "shell.h"

#define FILE_MAX (1 << 18)

/* A file is taken to say another text. */
struct as {
	const char *path, *text; /* NULL: none is */
};

static int file_read(const struct pvb_ctx *ctx, struct shell *s, const char *path, const struct as *as)
{
	bool is = as->path && !strcmp(path, as->path);
	_conf_free_ char *text = NULL;
	int r = is ? 0 : pvb_read_file(ctx, path, FILE_MAX, &text, NULL);

	if (r < 0)
		return r;
	conf_copy(s->file, sizeof(s->file), path);
	shell_read(s, is ? as->text : text);
	return s->result->error;
}

/* ---- the result ---- */

static bool value_has(const char *value, const char *word, size_t size)
{
	for (const char *at = value; (at = strstr(at, word)); at += size)
		if ((at == value || isspace((unsigned char)at[-1])) && (!at[size] || isspace((unsigned char)at[size])))
			return true;
	return false;
}

/* The step by which the word came into the variable, to be in it ever since. */
static const struct shell_step *step_find(const struct shell *s, size_t which, const char *word)
{
	const struct shell_step *found = NULL;
	bool had = false;

	for (size_t i = 0; i < s->num_steps; i++) {
		bool has = s->steps[i].which == which && value_has(s->steps[i].value, word, strlen(word));

		if (s->steps[i].which != which)
			continue;
		if (has && !had)
			found = &s->steps[i];
		had = has;
	}
	return found;
}

static void words_place(const struct shell *s, size_t which, struct configured *configured, size_t from)
{
	for (size_t i = from; i < configured->n; i++) {
		struct configured_word *word = &configured->words[i];
		const struct shell_step *step = step_find(s, which, word->text);

		if (!step)
			continue;
		conf_copy(word->file, sizeof(word->file), step->file);
		word->line = step->line;
		conf_place(word->place, sizeof(word->place), word->file, word->line);
	}
}

static void shell_result(struct shell *s)
{
	for (size_t i = 0; i < SHELL_WANTED && s->result->error == 0; i++) {
		const struct shell_variable *variable = shell_variable(s, shell_wanted[i]);
		size_t from = s->result->n;

		if (variable)
			s->result->error = configured_add(s->result, variable->value, CONFIGURED_GRUB, 0);
		words_place(s, i, s->result, from);
	}
}

void configured_grub_as(const struct pvb_ctx *ctx, const char *as_path, const char *as_text, struct configured *configured)
{
	const struct as as = { as_path, as_text };
	struct shell *s = calloc(1, sizeof(*s));
	_conf_strv_ char **names = NULL;
	char path[80];

	*configured = (struct configured){ .error = s ? 0 : -ENOMEM };
	if (!s)
		return;
	s->result = configured;
	configured->error = file_read(ctx, s, CONFIGURED_GRUB, &as);
	if (configured->error == 0)
		configured->error = pvb_sysfs_list(ctx, "etc/default/grub.d", &names);
	for (char **name = names; configured->error == 0 && *name; name++) {
		size_t n = strlen(*name);

		if (n <= 4 || **name == '.' || strcmp(*name + n - 4, ".cfg") != 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), CONFIGURED_GRUB ".d/%s", *name) < sizeof(path))
			configured->error = file_read(ctx, s, path, &as);
		else if (!*configured->unsure)
			conf_copy(configured->unsure, sizeof(configured->unsure), CONFIGURED_GRUB ".d");
	}
	shell_result(s);
	shell_clear(s);
	free(s);
}

void configured_grub(const struct pvb_ctx *ctx, struct configured *configured)
{
	configured_grub_as(ctx, NULL, NULL, configured);
}
