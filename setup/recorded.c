/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What setup itself has done to a file before, by its records. */
#include <string.h>

#include "hostplan.h"

int recorded_each(struct pvb_ctx *ctx, const char *path, recorded_see see, void *data)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err ignored;
	int r = setup_record_names(ctx, SETUP_HOST_CHANGE, &names, &ignored);

	for (char **name = names; r == 0 && *name; name++) {
		struct setup_record record;

		if (setup_record_read(ctx, *name, &record, &ignored) == 0)
			for (size_t i = 0; i < record.steps.n; i++)
				if (record.steps.list[i].kind == SETUP_FILE && !strcmp(record.steps.list[i].path, path))
					see(&record.steps.list[i], data);
		setup_record_clear(&record);
	}
	return r;
}

/* ---- a word of the kernel command line ---- */

struct added {
	struct pvb_ctx *ctx;
	const char *path, *word;
	bool ours;
};

static bool text_has(const struct added *added, const char *text)
{
	struct configured as = { .n = 0 };
	bool has;

	if (!strcmp(added->path, CONFIGURED_KERNEL))
		as.error = configured_add(&as, text, added->path, 1);
	else
		configured_grub_as(added->ctx, added->path, text, &as);
	has = configured_find(&as, added->word, strlen(added->word)) != NULL;
	configured_clear(&as);
	return has;
}

static void added_see(const struct setup_step *step, void *data)
{
	struct added *added = data;
	bool before = text_has(added, step->before), after = text_has(added, step->after);

	if (before != after)
		added->ours = after;
}

bool recorded_added(struct pvb_ctx *ctx, const struct configured_word *word)
{
	struct added added = { .ctx = ctx, .path = word->file, .word = word->text };

	return recorded_each(ctx, word->file, added_see, &added) == 0 && added.ours;
}
