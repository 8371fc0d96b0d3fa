/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel command line, in the file that counts. */
#include <stdio.h>
#include <string.h>

#include "../conf/parameter.h"
#include "hostplan.h"

/* ---- what comes of a change ---- */

/* What a change wants to be there; NULL: nothing. */
static const char *change_new(const struct word_change *change)
{
	return change->act == WORD_ADD ? change->text : change->act == WORD_CHANGE ? change->to : NULL;
}

static bool word_changes_as(const struct word_changes *changes, const char *word, bool added)
{
	for (size_t i = 0; i < changes->n; i++) {
		const char *old = changes->list[i].act == WORD_ADD ? NULL : changes->list[i].text;
		const char *text = added ? change_new(&changes->list[i]) : old;

		if (text && !strcmp(text, word))
			return true;
	}
	return false;
}

/* A word that was there, and that nobody wanted to lose, but is not there still, in its order; NULL: none. */
static const char *word_lost(const struct configured *before, const struct configured *after, const struct word_changes *changes)
{
	size_t j = 0;

	for (size_t i = 0; i < before->n; i++) {
		const char *word = before->words[i].text;

		while (j < after->n && strcmp(after->words[j].text, word) && word_changes_as(changes, after->words[j].text, true))
			j++;
		if (j < after->n && !strcmp(after->words[j].text, word))
			j++;
		else if (!word_changes_as(changes, word, false))
			return word;
	}
	return NULL;
}

/* One that was to come and is not there; NULL: none. */
static const char *word_missing(const struct configured *after, const struct word_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		const char *text = change_new(&changes->list[i]);

		if (text && !configured_find(after, text, strlen(text)))
			return text;
	}
	return NULL;
}

/* The first of two; NULL: there are none. */
static const struct configured_word *word_doubled(const struct configured *words, const char *text)
{
	const struct configured_word *first = configured_find(words, text, strlen(text));

	if (!first)
		return NULL;
	for (const struct configured_word *word = first + 1; word < words->words + words->n; word++)
		if (!strcmp(word->text, text))
			return first;
	return NULL;
}

/* One that was to go and stays; NULL: none. */
static const struct configured_word *word_stays(const struct configured *after, const struct word_changes *changes)
{
	const struct configured_word *found = NULL;

	for (size_t i = 0; !found && i < changes->n; i++)
		if (changes->list[i].act == WORD_ONCE)
			found = word_doubled(after, changes->list[i].text);
		else if (changes->list[i].act != WORD_ADD)
			found = configured_find(after, changes->list[i].text, strlen(changes->list[i].text));
	return found;
}

static void result_judge(struct hostplan *h, struct setup_point *point, const struct configured *after, const struct word_changes *changes)
{
	const struct configured_word *stays = word_stays(after, changes);
	const char *lost = word_lost(&h->loader.counts, after, changes);

	lost = lost ? lost : word_missing(after, changes);
	if (after->error)
		h->plan->error = after->error;
	else if (*after->unsure)
		plan_refuse(h->plan, point, "%s: what it comes to is for a shell to tell: edit it by hand", after->unsure);
	else if (stays)
		plan_refuse(h->plan, point, "%s: %s stands where pvebind changes nothing: take it out by hand, then try again", stays->place,
			    stays->text);
	else if (lost)
		plan_refuse(h->plan, point, "%s: a change there would not come to what it should (%s): edit it by hand", h->loader.file, lost);
}

/* ---- GRUB ---- */

static void grub_plan(struct hostplan *h, struct setup_point *point, const struct word_changes *changes)
{
	const struct configured *counts = &h->loader.counts;
	const char *file = counts->set_line ? counts->set_file : CONFIGURED_GRUB, *why;
	_conf_free_ char *text = plan_text(h, point, file), *after = NULL;
	struct configured come = { .n = 0 };
	char place[120];

	if (h->plan->error || point->refused)
		return;
	after = grubline_change(text ? text : "", counts->set_line, changes, &why);
	if (!after && why)
		plan_refuse(h->plan, point, "%s: pvebind does not touch this line, as %s: write it GRUB_CMDLINE_LINUX_DEFAULT=\"...\" in one line, and try again",
			    conf_place(place, sizeof(place), file, counts->set_line), why);
	else if (!after)
		h->plan->error = -ENOMEM;
	if (!after)
		return;
	configured_grub_as(h->ctx, file, after, &come);
	result_judge(h, point, &come, changes);
	configured_clear(&come);
	if (!point->refused)
		plan_file(h, point, file, after, "GRUB's boot entries are made of it");
}

/* ---- /etc/kernel/cmdline ---- */

static void kernel_plan(struct hostplan *h, struct setup_point *point, const struct word_changes *changes)
{
	_conf_free_ char *text = plan_text(h, point, CONFIGURED_KERNEL), *line = NULL, *after = NULL;
	struct configured come = { .n = 0 };
	size_t size;

	if (h->plan->error || point->refused || !text)
		return;
	size = strcspn(text, "\r\n");
	line = words_change(text, size, changes);
	if (!line || asprintf(&after, "%s%s", line, text + size) < 0) {
		after = NULL;
		h->plan->error = -ENOMEM;
		return;
	}
	come.error = configured_add(&come, line, CONFIGURED_KERNEL, 1);
	result_judge(h, point, &come, changes);
	configured_clear(&come);
	if (!point->refused)
		plan_file(h, point, CONFIGURED_KERNEL, after, "proxmox-boot-tool makes the boot entries of it");
}

/* ---- in doubt ---- */

static void kernel_doubt(struct hostplan *h, struct setup_point *point)
{
	const struct configured *counts = &h->loader.counts;

	if (!h->loader.proxmox)
		plan_refuse(h->plan, point, "%s booted this host, and proxmox-boot-tool does not keep its EFI partitions: put the parameters into " CONFIGURED_KERNEL " by hand, and run kernel-install",
			    h->loader.name);
	else if (counts->first_blank || !configured_named(counts, "root"))
		plan_refuse(h->plan, point, CONFIGURED_KERNEL ":1: the first line has no root=, which proxmox-boot-tool wants there: make it one line again, with what /proc/cmdline has");
	else if (counts->lines > 1)
		plan_refuse(h->plan, point, CONFIGURED_KERNEL ":2: the file has %u lines, of which only the first counts: join them to one line, and try again",
			    counts->lines);
}

/* Where the file that counts cannot be told, what the running kernel was given can: when it lacks nothing, nothing is to be
 * done to whatever file it is from. */
static bool running_suffices(struct hostplan *h, struct setup_point *point)
{
	struct configured known = h->loader.counts;
	struct word_changes changes = { .n = 0 };
	bool suffices;

	h->loader.counts = (struct configured){ .n = 0 };
	suffices = h->cmdline && configured_add(&h->loader.counts, h->cmdline, "/proc/cmdline", 1) == 0 &&
		   parameters_find(h, point, &changes) && !changes.n;
	configured_clear(&h->loader.counts);
	h->loader.counts = known;
	return suffices;
}

static bool loader_known(const struct bootloader *loader)
{
	return (loader->kind == BOOTLOADER_GRUB || loader->kind == BOOTLOADER_SYSTEMD) && !*loader->counts.unsure;
}

/* Whether the file that counts is known, and can be told. */
static void loader_doubt(struct hostplan *h, struct setup_point *point)
{
	const struct bootloader *loader = &h->loader;

	if (loader->kind == BOOTLOADER_UNKNOWN)
		plan_refuse(h->plan, point, "one cannot see which boot loader booted this host, and so not which file counts: 'proxmox-boot-tool status' and 'efibootmgr -v' may tell; then edit /etc/default/grub or " CONFIGURED_KERNEL " by hand, boot, and try again");
	else if (loader->kind == BOOTLOADER_OTHER)
		plan_refuse(h->plan, point, "%s booted this host, of which pvebind does not know where its kernel command line comes from: change it there by hand, boot, and try again",
			    loader->name);
	else if (loader->counts.error)
		plan_refuse(h->plan, point, "%s cannot be read: %s", loader->file, strerror(-loader->counts.error));
	else if (*loader->counts.unsure)
		plan_refuse(h->plan, point, "%s: what it comes to is for a shell to tell: edit it by hand, boot, and try again, or make it plain assignments", loader->counts.unsure);
	else if (loader->kind == BOOTLOADER_SYSTEMD)
		kernel_doubt(h, point);
}

/* ---- what is told ---- */

static char *changes_text(const struct word_changes *changes, bool why)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; out && i < changes->n; i++) {
		const struct word_change *change = &changes->list[i];

		fputs(i ? "; " : "", out);
		if (why)
			fprintf(out, "%s: %s", change->text, change->why);
		else if (change->act == WORD_CHANGE)
			fprintf(out, "make %s %s", change->text, change->to);
		else
			fprintf(out, "%s %s", change->act == WORD_ADD ? "add" : change->act == WORD_DROP ? "take out" : "keep one of each", change->text);
	}
	if (!out || fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void have_tell(struct hostplan *h, struct setup_point *point)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!*h->loader.file || h->loader.counts.error) {
		plan_have(h->plan, point, "%s", *h->loader.name ? h->loader.name : "an unknown boot loader");
		return;
	}
	out = open_memstream(&text, &size);
	for (size_t i = 0; out && i < h->loader.counts.n; i++)
		fprintf(out, " %s", h->loader.counts.words[i].text);
	if (out && fclose(out) == 0)
		plan_have(h->plan, point, "%s booted this host, so %s counts:%s", h->loader.name, h->loader.file, size ? text : " nothing");
	free(text);
}

void bootline_plan(struct hostplan *h)
{
	struct setup_point *point = plan_point(h->plan, "kernel-cmdline", true);
	_conf_free_ char *want = NULL, *why = NULL;
	struct word_changes changes = { .n = 0 };
	size_t steps = h->plan->steps.n;

	have_tell(h, point);
	if (!loader_known(&h->loader) && running_suffices(h, point))
		return;
	loader_doubt(h, point);
	if (point->refused || !parameters_find(h, point, &changes) || !changes.n)
		return;
	want = changes_text(&changes, false);
	why = changes_text(&changes, true);
	plan_want(h->plan, point, "%s", want ? want : "");
	plan_why(h->plan, point, "%s", why ? why : "");
	if (h->loader.kind == BOOTLOADER_GRUB)
		grub_plan(h, point, &changes);
	else
		kernel_plan(h, point, &changes);
	if (h->plan->steps.n > steps)
		plan_command(h->plan, point, PLAN_BOOT);
}
