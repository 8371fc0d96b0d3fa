/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command of the host's that makes files count: update-grub, update-initramfs, proxmox-boot-tool. */
#include <stdio.h>
#include <string.h>

#include "kinds.h"

#define COMMAND_MS (45u * 60 * 1000) /* an initramfs for each of many kernels, on a slow disk */
#define WORDS_MAX 10

/* It is to be run when it is reached; that it was is in the record. */
int setup_command_look(struct pvb_ctx *ctx, const struct setup_step *step, enum setup_state *state, char *seen, size_t size,
		       struct pvb_err *err)
{
	(void)ctx;
	(void)step;
	(void)err;
	snprintf(seen, size, "it has run");
	*state = SETUP_BEFORE;
	return 0;
}

/* proxmox-boot-tool leaves out an EFI partition that it cannot mount, and succeeds. Others' warnings ("W: Possible missing
 * firmware", "No /etc/kernel/proxmox-boot-uuids found, skipping ESP sync.") are of every run. */
static bool line_warns(const char *line)
{
	return !strncmp(line, "WARN:", strlen("WARN:"));
}

static void output_say(struct pvb_ctx *ctx, const char *name, const struct pvb_output *output)
{
	for (const char *line = output->text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = strcspn(line, "\n");

		if (output->status)
			pvb_log(ctx, PVB_NOTICE, "%s: %.*s", name, (int)n, line);
		else if (line_warns(line))
			pvb_log(ctx, PVB_WARNING, "%s: %.*s", name, (int)n, line);
	}
}

/* said: what it said, malloced; NULL when it was not run. */
static int command_run(struct pvb_ctx *ctx, const struct setup_step *step, char **said, struct pvb_err *err)
{
	const char *slash = strrchr(step->path, '/'), *name = slash ? slash + 1 : step->path;
	char words[256], last[256], *save = NULL;
	const char *args[WORDS_MAX + 1];
	struct pvb_output output;
	size_t n = 0;
	int r;

	*said = NULL;
	if (!step->runs) {
		pvb_log(ctx, PVB_NOTICE, "not run, as %s is not the running system: %s%s%s", pvb_ctx_root(ctx), name, *step->name ? " " : "", step->name);
		return 0;
	}
	conf_copy(words, sizeof(words), step->name);
	for (char *word = strtok_r(words, " ", &save); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &save))
		args[n++] = word;
	args[n] = NULL;
	pvb_log(ctx, PVB_INFO, "running %s%s%s", name, *step->name ? " " : "", step->name);
	r = pvb_program_whole(ctx, step->path, args, COMMAND_MS, &output);
	if (r == -ENOENT)
		return pvb_err_set(err, r, "there is no %s here", step->path);
	if (r == -ECANCELED)
		return pvb_err_set(err, r, "a signal came while %s%s%s ran, which was not cut off for it", name, *step->name ? " " : "", step->name);
	if (r < 0)
		return pvb_err_set(err, r, "cannot run %s: %s", step->path, strerror(-r));
	*said = strdup(output.text);
	output_say(ctx, name, &output);
	if (!output.status)
		return *said ? 0 : pvb_err_set(err, -ENOMEM, "out of memory");
	return pvb_err_set(err, -EIO, "%s%s%s failed: %s", name, *step->name ? " " : "", step->name, pvb_output_last(&output, last, sizeof(last)));
}

int setup_command_do(struct pvb_ctx *ctx, struct setup_step *step, struct pvb_err *err)
{
	char *said;
	int r = command_run(ctx, step, &said, err);

	if (said) {
		free((char *)(uintptr_t)step->said);
		step->said = said;
	}
	return r;
}

/* Anew, now that the files are as before. */
int setup_command_undo(struct pvb_ctx *ctx, const struct setup_step *step, struct pvb_err *err)
{
	char *said;
	int r = command_run(ctx, step, &said, err);

	free(said);
	return r;
}
