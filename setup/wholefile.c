/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole file, from one text to another. */
#include <stdio.h>
#include <string.h>

#include "kinds.h"

#define FILE_MAX (1024 * 1024)

int setup_text_read(struct pvb_ctx *ctx, const char *path, char **text, size_t *size, struct pvb_err *err)
{
	int r = pvb_read_file(ctx, path, FILE_MAX, text, size);

	if (r < 0 && r != -ENOENT)
		return pvb_err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	if (r == 0 && strlen(*text) != *size) {
		free(*text);
		*text = NULL;
		return pvb_err_set(err, -EINVAL, "%s has a NUL byte: correct it first", path);
	}
	if (r == -ENOENT)
		*text = NULL;
	return 0;
}

/* text NULL: there is no file. */
static bool text_is(const struct setup_step *step, const char *text, bool after)
{
	bool absent = !strcmp(step->name, after ? SETUP_GONE : SETUP_NEW);

	if (absent || !text)
		return absent && !text;
	return !strcmp(text, after ? step->after : step->before);
}

int setup_whole_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		     struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t length = 0;
	int r = setup_text_read(ctx, step->path, &text, &length, err);

	if (r < 0)
		return r;
	*state = text_is(step, text, true) ? SETUP_AFTER : text_is(step, text, false) ? SETUP_BEFORE : SETUP_OTHER;
	if (*state == SETUP_OTHER)
		snprintf(seen, size, text ? "it was edited" : "it is gone");
	return 0;
}

/* Nobody's edit between the look and now is to be lost: what is there must be what was looked at. */
static int whole_set(struct pvb_ctx *ctx, const struct setup_step *step, bool after, struct pvb_err *err)
{
	const char *text = after ? step->after : step->before;
	enum setup_state state;
	char seen[64];
	int r = setup_whole_look(ctx, step, &state, seen, sizeof(seen), err);

	if (r < 0 || state == (after ? SETUP_AFTER : SETUP_BEFORE))
		return r;
	if (state == SETUP_OTHER)
		return pvb_err_set(err, -ESTALE, "%s was changed meanwhile: try again", step->path);
	if (!strcmp(step->name, after ? SETUP_GONE : SETUP_NEW))
		return setup_remove(ctx, step->path, err);
	return setup_file_write(ctx, step->path, text, strlen(text), err);
}

int setup_whole_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	return whole_set(ctx, step, true, err);
}

int setup_whole_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	return whole_set(ctx, step, false, err);
}
