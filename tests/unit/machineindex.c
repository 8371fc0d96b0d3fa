/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "modules VERSION <<END": lib/modules/VERSION as depmod leaves it, with the indexes that libkmod reads (kmod,
 * tools/depmod.c: index_write()). Lines of the block:
 *   kernel/drivers/gpu/drm/nouveau/nouveau.ko [NAME-IT-NEEDS…]
 *   builtin kernel/drivers/vfio/vfio.ko
 *   alias PATTERN MODULE
 *   softdep MODULE pre: OTHER
 */
#define _GNU_SOURCE
#include "machineparts.h"

#include <stdlib.h>

struct entry {
	char *key, *value;
};

struct table {
	struct entry *list;
	size_t n;
};

static void table_add(struct table *table, const char *key, const char *value)
{
	table->list = reallocarray(table->list, table->n + 1, sizeof(*table->list));
	if (!table->list)
		ft_fail(key);
	table->list[table->n++] = (struct entry){ strdup(key), strdup(value) };
}

static void table_free(struct table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		free(table->list[i].key);
		free(table->list[i].value);
	}
	free(table->list);
}

static int entry_compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* ---- the index: a trie, a character a level, its children before a node --------------- */

#define NODE_CHILDS 0x20000000u
#define NODE_VALUES 0x40000000u

static void be32_put(FILE *out, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		fputc((int)(value >> shift & 0xff), out);
}

/* The node of entries [from, to), whose first depth characters are the same: its offset with what it has. */
static uint32_t node_put(FILE *out, const struct table *table, size_t from, size_t to, size_t depth)
{
	size_t values = from;
	uint32_t children[128] = { 0 }, at;
	unsigned first = 127, last = 0;

	while (values < to && !table->list[values].key[depth])
		values++;
	for (size_t i = values, end; i < to; i = end) {
		unsigned char c = (unsigned char)table->list[i].key[depth] & 0x7f;

		for (end = i; end < to && table->list[end].key[depth] == (char)c;)
			end++;
		children[c] = node_put(out, table, i, end, depth + 1);
		first = c < first ? c : first;
		last = c > last ? c : last;
	}
	at = (uint32_t)ftell(out);
	if (first <= last) {
		at |= NODE_CHILDS;
		fputc((int)first, out);
		fputc((int)last, out);
		for (unsigned c = first; c <= last; c++)
			be32_put(out, children[c]);
	}
	if (values == from)
		return at;
	be32_put(out, (uint32_t)(values - from));
	for (size_t i = from; i < values; i++) {
		be32_put(out, 0);
		fwrite(table->list[i].value, 1, strlen(table->list[i].value) + 1, out);
	}
	return at | NODE_VALUES;
}

static void index_put(struct machine *m, const char *path, struct table *table)
{
	char *bytes = NULL;
	size_t size;
	FILE *out = open_memstream(&bytes, &size);
	uint32_t root;

	if (!out)
		ft_fail(path);
	if (table->n)
		qsort(table->list, table->n, sizeof(*table->list), entry_compare);
	be32_put(out, 0xb007f457);
	be32_put(out, 0x00020001);
	be32_put(out, 0);
	root = node_put(out, table, 0, table->n, 0);
	fclose(out);
	for (int i = 0; i < 4; i++)
		bytes[8 + i] = (char)(root >> (24 - 8 * i) & 0xff);
	ft_put(m->t, path, bytes, size);
	free(bytes);
}

/* ---- the folder ------------------------------------------------------------------------ */

/* "kernel/a/snd-hda-intel.ko.zst": "snd_hda_intel" */
static struct fk_path name_of(const char *path)
{
	struct fk_path name = fk_path("%s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);

	name.s[strcspn(name.s, ".")] = '\0';
	for (char *s = name.s; *s; s++)
		*s = *s == '-' ? '_' : *s;
	return name;
}

struct folder {
	struct machine *m;
	struct fk_path dir;
	char *block;
	struct table deps, aliases, builtin;
};

/* The line of a module in the block: its file, and what it needs. "": none. */
static struct fk_path line_of(const struct folder *f, const char *name)
{
	for (const char *line = f->block; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		struct fk_path file = fk_path("%.*s", (int)strcspn(line, " \t\n"), line);

		if (!strncmp(file.s, "kernel/", 7) && !strcmp(name_of(file.s).s, name))
			return fk_path("%.*s", (int)strcspn(line, "\n"), line);
	}
	return fk_path("%s", "");
}

/* Put what a line's module needs behind "its file:", with all that those need, as depmod does. */
static int needs_add(const struct folder *f, const char *line, struct fk_path *all)
{
	struct script_words w;
	int r = script_split(&w, line);

	for (int i = 1; r == 0 && i < w.n; i++) {
		struct fk_path of = line_of(f, w.word[i]), file = fk_path("%.*s", (int)strcspn(of.s, " \t"), of.s);

		if (!*of.s)
			r = machine_fail(f->m, "%s needs %s, which is not there", w.word[0], w.word[i]);
		else if (!strstr(all->s, file.s)) {
			*all = fk_path("%.250s %.250s", all->s, file.s);
			r = needs_add(f, of.s, all);
		}
	}
	script_words_free(&w);
	return r;
}

static int module_add(struct folder *f, const char *line, const char *file)
{
	struct fk_path all = fk_path("%s:", file);

	if (needs_add(f, line, &all) < 0)
		return -1;
	table_add(&f->deps, name_of(file).s, all.s);
	ft_append(f->m->t, fk_path("%s/modules.dep", f->dir.s).s, fk_path("%s\n", all.s).s);
	ft_write(f->m->t, fk_path("%s/%s", f->dir.s, file).s, "");
	return 0;
}

static int line_take(struct folder *f, const char *line, const struct script_words *w)
{
	if (!strncmp(w->word[0], "kernel/", 7) || !strncmp(w->word[0], "updates/", 8))
		return module_add(f, line, w->word[0]);
	if (!strcmp(w->word[0], "builtin") && w->n == 2) {
		table_add(&f->builtin, name_of(w->word[1]).s, w->word[1]);
		ft_append(f->m->t, fk_path("%s/modules.builtin", f->dir.s).s, fk_path("%s\n", w->word[1]).s);
		return 0;
	}
	if (!strcmp(w->word[0], "alias") && w->n == 3) {
		table_add(&f->aliases, w->word[1], w->word[2]);
		ft_append(f->m->t, fk_path("%s/modules.alias", f->dir.s).s, fk_path("alias %s %s\n", w->word[1], w->word[2]).s);
		return 0;
	}
	if (strcmp(w->word[0], "softdep") != 0)
		return machine_fail(f->m, "modules: a line is a file, 'builtin FILE', 'alias PATTERN MODULE' or 'softdep …'");
	ft_append(f->m->t, fk_path("%s/modules.softdep", f->dir.s).s, fk_path("%s\n", line).s);
	return 0;
}

static int lines_take(struct folder *f)
{
	char *copy = strdup(f->block), *save = NULL;
	int r = 0;

	for (char *line = strtok_r(copy, "\n", &save); r == 0 && line; line = strtok_r(NULL, "\n", &save)) {
		struct script_words w;

		r = script_split(&w, line);
		if (r == 0 && w.n && w.word[0][0] != '#')
			r = line_take(f, line, &w);
		script_words_free(&w);
	}
	free(copy);
	return r;
}

int machine_modules(struct machine *m, const struct script_words *w)
{
	struct folder f = { .m = m, .dir = fk_path("lib/modules/%s", w->word[1]) };
	struct table none = { .n = 0 };
	int r;

	if (!m->line->block)
		return machine_fail(m, "modules needs a block: <<END");
	f.block = strndup(m->line->block, m->line->block_size);
	ft_remove(m->t, f.dir.s);
	ft_write(m->t, fk_path("%s/modules.dep", f.dir.s).s, "");
	r = lines_take(&f);
	index_put(m, fk_path("%s/modules.dep.bin", f.dir.s).s, &f.deps);
	index_put(m, fk_path("%s/modules.alias.bin", f.dir.s).s, &f.aliases);
	index_put(m, fk_path("%s/modules.builtin.bin", f.dir.s).s, &f.builtin);
	index_put(m, fk_path("%s/modules.builtin.alias.bin", f.dir.s).s, &none);
	index_put(m, fk_path("%s/modules.symbols.bin", f.dir.s).s, &none);
	table_free(&f.deps);
	table_free(&f.aliases);
	table_free(&f.builtin);
	free(f.block);
	return r;
}
