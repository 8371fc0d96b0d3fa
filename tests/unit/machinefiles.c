/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a machine: written, changed, taken away. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <stdlib.h>

/* "write PATH TEXT": a newline comes behind it, unless it ends in \c. */
static char *text_of(const char *raw, size_t *size)
{
	size_t length = strlen(raw);
	bool bare = length > 1 && !strcmp(raw + length - 2, "\\c");
	char *cut = strndup(raw, length - (bare ? 2 : 0)), *text = script_unescape(cut, size);

	free(cut);
	if (bare)
		return text;
	text = realloc(text, *size + 2);
	if (!text)
		ft_fail("text");
	text[(*size)++] = '\n';
	text[*size] = '\0';
	return text;
}

/* A file of sysfs may be behind links; what is written over keeps its mode. */
int machine_write(struct machine *m, const struct script_words *w)
{
	size_t size = 0;
	char *text = text_of(w->n > 2 ? w->raw[2] : "\\c", &size);

	m->modules_given |= !strcmp(w->word[1], "proc/modules");
	ft_put(m->t, w->word[1], text, size);
	free(text);
	return 0;
}

int machine_file(struct machine *m, const struct script_words *w)
{
	if (!m->line->block)
		return machine_fail(m, "%s needs a block: <<END", w->word[0]);
	m->modules_given |= !strcmp(w->word[1], "proc/modules");
	ft_put(m->t, w->word[1], m->line->block, m->line->block_size);
	return 0;
}

/* "program PATH <<END". */
int machine_program(struct machine *m, const struct script_words *w)
{
	int r = machine_file(m, w);

	return r < 0 || fchmodat(m->t->fd, w->word[1], 0755, 0) == 0 ? r : machine_fail(m, "%s: %s", w->word[1], strerror(errno));
}

/* "player qm": Proxmox VE's command, as tests/vm plays it. */
int machine_player(struct machine *m, const struct script_words *w)
{
	struct fk_path path = fk_path("usr/sbin/%s", w->word[1]);
	char from[PATH_MAX];
	FILE *in;
	size_t size;
	static char text[65536];

	snprintf(from, sizeof(from), "%s/../vm/%s", MACHINE_FOLDER, w->word[1]);
	in = fopen(from, "re");
	if (!in)
		return machine_fail(m, "%s: %s", from, strerror(errno));
	size = fread(text, 1, sizeof(text), in);
	fclose(in);
	ft_put(m->t, path.s, text, size);
	return fchmodat(m->t->fd, path.s, 0755, 0) == 0 ? 0 : machine_fail(m, "%s: %s", path.s, strerror(errno));
}

/* The whole file, malloced, with room for more bytes. */
static char *file_text(struct machine *m, const char *path, size_t more, size_t *size)
{
	int fd = openat(m->t->fd, path, O_RDONLY | O_CLOEXEC);
	struct stat st = { .st_size = 0 };
	char *text;

	if (fd >= 0)
		fstat(fd, &st);
	text = malloc((size_t)st.st_size + more + 1);
	if (!text || (fd >= 0 && read(fd, text, (size_t)st.st_size) != st.st_size))
		ft_fail(path);
	if (fd >= 0)
		close(fd);
	*size = (size_t)st.st_size;
	text[*size] = '\0';
	return text;
}

int machine_append(struct machine *m, const struct script_words *w)
{
	size_t size = m->line->block_size, have;
	char *text = m->line->block ? strndup(m->line->block, size) : text_of(w->n > 2 ? w->raw[2] : "", &size);
	char *all = file_text(m, w->word[1], size, &have);

	memcpy(all + have, text, size);
	ft_put(m->t, w->word[1], all, have + size);
	free(text);
	free(all);
	return 0;
}

/* "replace PATH OLD NEW": the first OLD, which must be in it. */
int machine_replace(struct machine *m, const struct script_words *w)
{
	const char *old = w->word[2], *new = w->n > 3 ? w->word[3] : "";
	size_t have, from, to = strlen(old);
	char *all = file_text(m, w->word[1], strlen(new), &have), *found = memmem(all, have, old, to);
	int r = 0;

	if (found) {
		from = (size_t)(found - all);
		memmove(found + strlen(new), found + to, have - from - to);
		memcpy(found, new, strlen(new));
		ft_put(m->t, w->word[1], all, have - to + strlen(new));
	} else {
		r = machine_fail(m, "%s does not have '%s' to replace", w->word[1], old);
	}
	free(all);
	return r;
}

int machine_link(struct machine *m, const struct script_words *w)
{
	ft_remove(m->t, w->word[1]);
	ft_link(m->t, w->word[1], w->word[2]);
	return 0;
}

int machine_move(struct machine *m, const struct script_words *w)
{
	if (renameat(m->t->fd, w->word[1], m->t->fd, w->word[2]) < 0)
		return machine_fail(m, "%s to %s: %s", w->word[1], w->word[2], strerror(errno));
	return 0;
}

int machine_mkdir(struct machine *m, const struct script_words *w)
{
	ft_mkdir(m->t, w->word[1]);
	return 0;
}

/* What is not there would be a case that changes nothing. */
int machine_remove(struct machine *m, const struct script_words *w)
{
	for (int i = 1; i < w->n; i++) {
		if (!ft_exists(m->t, w->word[i]))
			return machine_fail(m, "there is no %s to remove", w->word[i]);
		ft_remove(m->t, w->word[i]);
	}
	return 0;
}

int machine_mode(struct machine *m, const struct script_words *w)
{
	if (fchmodat(m->t->fd, w->word[1], (mode_t)strtoul(w->word[2], NULL, 8), 0) < 0)
		return machine_fail(m, "%s: %s", w->word[1], strerror(errno));
	return 0;
}

/* "age PATH SECONDS": changed so long ago, counted from the machine's moment. */
int machine_age(struct machine *m, const struct script_words *w)
{
	struct timespec times[2] = { { .tv_sec = MACHINE_MOMENT - atoll(w->word[2]) } };

	times[1] = times[0];
	if (utimensat(m->t->fd, w->word[1], times, AT_SYMLINK_NOFOLLOW) < 0)
		return machine_fail(m, "%s: %s", w->word[1], strerror(errno));
	return 0;
}

int machine_vm(struct machine *m, const struct script_words *w)
{
	struct fk_path path = fk_path("etc/pve/nodes/pve1/qemu-server/%s.conf", w->word[1]);

	if (!m->line->block)
		return machine_fail(m, "vm needs a block: <<END");
	ft_put(m->t, path.s, m->line->block, m->line->block_size);
	return 0;
}

/* "attr BDF NAME TEXT": an attribute of a function. */
int machine_attr(struct machine *m, const struct script_words *w)
{
	struct fk_path dir = fk_path("sys/bus/pci/devices/%s", w->word[1]);
	size_t size = 0;
	char *text;

	if (!ft_exists(m->t, dir.s))
		return machine_fail(m, "there is no function %s", w->word[1]);
	text = text_of(w->n > 3 ? w->raw[3] : "\\c", &size);
	ft_put(m->t, fk_path("%s/%s", dir.s, w->word[2]).s, text, size);
	free(text);
	return 0;
}
