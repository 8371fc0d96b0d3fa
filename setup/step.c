/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of steps: how to look, do and undo. */
#include <stdio.h>
#include <string.h>

#include "setup.h"
#include "kinds.h"

#define COMMAND_MS 90000 /* qm and pvesm wait for a lock of Proxmox VE's for 10 s, and are Perl on what may be a slow disk */

/* ---- the host's programs ---- */

static int program(struct pvb_ctx *ctx, const char *path, const char *const *args, struct pvb_err *err)
{
	const char *name = strrchr(path, '/') + 1;
	struct pvb_output output;
	char last[256];
	int r = pvb_program(ctx, path, args, COMMAND_MS, &output);

	if (r == -ENOENT)
		return pvb_err_set(err, r, "there is no %s here: is this a node of Proxmox VE?", name);
	if (r < 0)
		return pvb_err_set(err, r, "cannot run %s: %s", name, strerror(-r));
	if (output.status)
		return pvb_err_set(err, -EIO, "%s %s %s failed: %s", name, args[0], args[1],
				   pvb_output_last(&output, last, sizeof(last)));
	return 0;
}

/* ---- folders and links ---- */

static int dir_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		    struct pvb_err *err)
{
	(void)err;
	(void)seen;
	(void)size;
	*state = pvb_sysfs_exists(ctx, step->path) ? SETUP_AFTER : SETUP_BEFORE;
	return 0;
}

static int dir_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	return setup_dir_make(ctx, step->path, err);
}

/* Others may have put something in: then it is theirs now. */
static int dir_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	int r = setup_remove(ctx, step->path, err);

	return r == -ENOTEMPTY || r == -EEXIST ? 0 : r;
}

static int link_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		     struct pvb_err *err)
{
	char target[PATH_MAX];
	int r = setup_link_read(ctx, step->path, target, sizeof(target));

	if (r < 0 && r != -ENOENT && r != -EINVAL)
		return pvb_err_set(err, r, "cannot read %s: %s", step->path, strerror(-r));
	*state = r == -ENOENT ? SETUP_BEFORE : SETUP_OTHER;
	if (r == 0 && !strcmp(target, step->after))
		*state = SETUP_AFTER;
	snprintf(seen, size, r == 0 ? "it leads to %s" : "it is no link", target);
	return 0;
}

static int link_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	return setup_link_make(ctx, step->path, step->after, err);
}

static int path_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	return setup_remove(ctx, step->path, err);
}

/* ---- lines of a file ---- */

static int block_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		      struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t length = 0;
	const char *at;
	int r = setup_text_read(ctx, step->path, &text, &length, err);

	if (r < 0)
		return r;
	at = text ? strstr(text, step->after) : NULL;
	*state = at ? SETUP_AFTER : SETUP_BEFORE;
	if (at && strstr(at + 1, step->after)) {
		*state = SETUP_OTHER;
		snprintf(seen, size, "it has the lines twice");
	}
	return 0;
}

/* Behind the line that before is, or at the end. */
const char *setup_block_place(const char *text, const char *line)
{
	size_t n = strlen(line);

	if (!n)
		return text + strlen(text);
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, line, n) != 0 || (p[n] != '\n' && p[n] != '\0' && p[n] != '\r'))
			continue;
		p += strcspn(p, "\n");
		return p + (*p == '\n');
	}
	return NULL;
}

static int block_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	_conf_free_ char *text = NULL, *whole = NULL;
	size_t size = 0;
	const char *at;
	int r = setup_text_read(ctx, step->path, &text, &size, err);

	if (r < 0)
		return r;
	at = setup_block_place(text ? text : "", step->before);
	if (!at)
		return pvb_err_set(err, -ESTALE, "%s has no line '%s' any more: try again", step->path, step->before);
	if (asprintf(&whole, "%.*s%s%s", (int)(text ? at - text : 0), text ? text : "", step->after, at) < 0) {
		whole = NULL;
		return pvb_err_set(err, -ENOMEM, "out of memory");
	}
	return setup_file_write(ctx, step->path, whole, strlen(whole), err);
}

/* What is left empty was made for the lines. */
static int block_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t size = 0, n = strlen(step->after);
	char *at;
	int r = setup_text_read(ctx, step->path, &text, &size, err);

	at = r == 0 && text ? strstr(text, step->after) : NULL;
	if (!at)
		return r;
	memmove(at, at + n, strlen(at + n) + 1);
	if (!*text && !strcmp(step->name, "new"))
		return setup_remove(ctx, step->path, err);
	return setup_file_write(ctx, step->path, text, strlen(text), err);
}

/* ---- a storage's content ---- */

static int content_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen,
			size_t size, struct pvb_err *err)
{
	_conf_free_ struct conf_storage *list = NULL;
	const char *now = NULL;
	size_t n = 0;
	int r = conf_storage_list(ctx, &list, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (!strcmp(list[i].id, step->path))
			now = list[i].content;
	if (r < 0)
		return r;
	*state = SETUP_OTHER;
	if (now && conf_list_same(now, step->after))
		*state = SETUP_AFTER;
	else if (now && conf_list_same(now, step->before))
		*state = SETUP_BEFORE;
	snprintf(seen, size, now ? "its content is %s" : "there is no such storage", now);
	return 0;
}

static int content_set(struct pvb_ctx *ctx, const struct setup_step *step, const char *content, struct pvb_err *err)
{
	const char *const args[] = { "set", step->path, "--content", content, NULL };

	return program(ctx, "usr/sbin/pvesm", args, err);
}

static int content_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	return content_set(ctx, step, step->after, err);
}

static int content_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	return content_set(ctx, step, step->before, err);
}

/* ---- a key of a VM's configuration ---- */

static int key_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		    struct pvb_err *err)
{
	struct conf_vm vm;
	const char *now;
	int r = conf_vm_load(ctx, step->vmid, NULL, &vm, err);

	if (r == 0) {
		now = conf_vm_value(&vm, step->name, NULL);
		now = now ? now : "";
		*state = !strcmp(now, step->after) ? SETUP_AFTER : !strcmp(now, step->before) ? SETUP_BEFORE : SETUP_OTHER;
		snprintf(seen, size, *now ? "it is %s" : "it is not set", now);
	}
	conf_vm_clear(&vm);
	/* The VM was removed, or moved to another node: nothing of ours is left here. */
	if (r == -ENOENT)
		*state = SETUP_BEFORE;
	return r == -ENOENT ? 0 : r;
}

static int key_set(struct pvb_ctx *ctx, const struct setup_step *step, const char *value, struct pvb_err *err)
{
	char vmid[16], option[PVB_NAME_MAX + 2];
	const char *const set[] = { "set", vmid, option, value, NULL };
	const char *const unset[] = { "set", vmid, "--delete", step->name, NULL };

	snprintf(vmid, sizeof(vmid), "%u", step->vmid);
	snprintf(option, sizeof(option), "--%s", step->name);
	return program(ctx, "usr/sbin/qm", *value ? set : unset, err);
}

static int key_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	return key_set(ctx, step, step->after, err);
}

static int key_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	return key_set(ctx, step, step->before, err);
}

/* ---- all kinds ---- */

static const struct kind {
	const char *name;
	int (*look)(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		    struct pvb_err *err);
	int (*act)(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err);
	int (*undo)(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err);
} kinds[SETUP_KINDS] = {
	[SETUP_DIR] = { "folder", dir_look, dir_do, dir_undo },
	[SETUP_LINK] = { "link", link_look, link_do, path_undo },
	[SETUP_BLOCK] = { "lines", block_look, block_do, block_undo },
	[SETUP_CONTENT] = { "content", content_look, content_do, content_undo },
	[SETUP_VM_KEY] = { "key", key_look, key_do, key_undo },
	[SETUP_FILE] = { "file", setup_whole_look, setup_whole_do, setup_whole_undo },
	[SETUP_COMMAND] = { "command", setup_command_look, setup_command_do, setup_command_undo },
};

const char *setup_kind_name(enum setup_kind kind)
{
	return kinds[kind].name;
}

int setup_kind_parse(const char *name, enum setup_kind *kind)
{
	for (unsigned i = 0; i < SETUP_KINDS; i++)
		if (!strcmp(kinds[i].name, name)) {
			*kind = i;
			return 0;
		}
	return -EINVAL;
}

int setup_step_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		    struct pvb_err *err)
{
	char ignored[8];

	return kinds[step->kind].look(ctx, step, state, seen ? seen : ignored, seen ? size : sizeof(ignored), err);
}

static int step_verify(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state wanted, struct pvb_err *err)
{
	char seen[512] = "", words[600];
	enum setup_state state;
	int r = setup_step_look(ctx, step, &state, seen, sizeof(seen), err);

	if (r < 0 || state == wanted)
		return r;
	/* Whether a command did what it should, its exit status alone tells. */
	if (step->kind == SETUP_COMMAND)
		return 0;
	/* A folder that others use by now stays. */
	if (step->kind == SETUP_DIR && wanted == SETUP_BEFORE)
		return 0;
	return pvb_err_set(err, -EIO, "cannot %s: it had no effect%s%s",
			   setup_step_words(step, wanted == SETUP_BEFORE, words, sizeof(words)), *seen ? ", " : "", seen);
}

int setup_step_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	int r = kinds[step->kind].act(ctx, step, err);

	return r < 0 ? r : step_verify(ctx, step, SETUP_AFTER, err);
}

int setup_step_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	int r = kinds[step->kind].undo(ctx, step, err);

	return r < 0 ? r : step_verify(ctx, step, SETUP_BEFORE, err);
}

const char *setup_step_words(const struct setup_step *step, bool undo, char *buf, size_t size)
{
	const char *value = undo ? step->before : step->after;

	switch (step->kind) {
	case SETUP_DIR:
		snprintf(buf, size, "%s the folder %s", undo ? "remove" : "make", step->path);
		break;
	case SETUP_LINK:
		snprintf(buf, size, undo ? "remove the link %s" : "make the link %s to %s", step->path, step->after);
		break;
	case SETUP_BLOCK:
		snprintf(buf, size, undo ? "take the lines for VM %u out of %s" : "put lines for VM %u into %s", step->vmid,
			 step->path);
		break;
	case SETUP_CONTENT:
		snprintf(buf, size, "set the content of storage %s to %s", step->path, value);
		break;
	case SETUP_VM_KEY:
		if (*value)
			snprintf(buf, size, "set %s of VM %u to %s", step->name, step->vmid, value);
		else
			snprintf(buf, size, "delete %s of VM %u", step->name, step->vmid);
		break;
	case SETUP_FILE:
		snprintf(buf, size, "%s %s", !strcmp(step->name, SETUP_NEW) ? (undo ? "remove" : "write") :
			 !strcmp(step->name, SETUP_GONE) ? (undo ? "write" : "remove") : undo ? "put back" : "change", step->path);
		break;
	case SETUP_COMMAND:
		snprintf(buf, size, "run %s%s%s", strrchr(step->path, '/') ? strrchr(step->path, '/') + 1 : step->path,
			 *step->name ? " " : "", step->name);
		break;
	case SETUP_KINDS:
		break;
	}
	return buf;
}
