/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of configured command lines; /etc/kernel/cmdline. What the shell makes of GRUB's files is in grub.c. */
#include <stdio.h>
#include <string.h>

#include "configured.h"
#include "parameter.h"

static int word_add(struct configured *configured, const char *text, size_t size, const char *file, unsigned line)
{
	struct configured_word *more = reallocarray(configured->words, configured->n + 1, sizeof(*more)), *word;

	if (!more)
		return -ENOMEM;
	configured->words = more;
	word = &more[configured->n];
	word->text = strndup(text, size);
	if (!word->text)
		return -ENOMEM;
	word->line = line;
	conf_copy(word->file, sizeof(word->file), file);
	conf_place(word->place, sizeof(word->place), word->file, line);
	configured->n++;
	return 0;
}

int configured_add(struct configured *configured, const char *text, const char *file, unsigned line)
{
	const char *word;
	size_t size;
	int r = 0;

	while (r == 0 && (word = parameter_next(&text, &size)))
		r = word_add(configured, word, size, file, line);
	return r;
}

const struct configured_word *configured_find(const struct configured *configured, const char *word, size_t size)
{
	for (size_t i = 0; i < configured->n; i++)
		if (strlen(configured->words[i].text) == size && !strncmp(configured->words[i].text, word, size))
			return &configured->words[i];
	return NULL;
}

const struct configured_word *configured_named(const struct configured *configured, const char *name)
{
	const char *value;
	size_t size;

	for (size_t i = configured->n; i-- > 0;)
		if (parameter_is(configured->words[i].text, strlen(configured->words[i].text), name, &value, &size))
			return &configured->words[i];
	return NULL;
}

void configured_clear(struct configured *configured)
{
	for (size_t i = 0; i < configured->n; i++)
		free(configured->words[i].text);
	free(configured->words);
	*configured = (struct configured){ .n = 0 };
}

/* ---- /etc/kernel/cmdline ---- */

#define FILE_MAX (1 << 16)

void configured_kernel(const struct pvb_ctx *ctx, bool first_only, struct configured *configured)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines;
	size_t size = 0;

	*configured = (struct configured){ .n = 0 };
	configured->error = pvb_read_file(ctx, CONFIGURED_KERNEL, FILE_MAX, &text, &size);
	lines = (struct conf_lines){ .next = text, .left = configured->error ? 0 : size };
	while (configured->error == 0 && conf_line_next(&lines)) {
		bool blank = !lines.line[strspn(lines.line, " \t")];

		configured->lines += !blank;
		configured->first_blank |= blank && lines.number == 1;
		/* kernel-install leaves comments out; proxmox-boot-tool does not know any. */
		if (first_only ? lines.number == 1 : lines.line[0] != '#')
			configured->error = configured_add(configured, lines.line, CONFIGURED_KERNEL, lines.number);
	}
}
