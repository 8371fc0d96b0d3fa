/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modprobe.d(5): what the host's configuration says of kernel modules, and in which line of which file. libkmod says
 * what counts, but not where it stands; so the files are read in libkmod's order (kmod, libkmod/libkmod-config.c), and
 * each line is looked for in what it made of them.
 */
#include <string.h>

#include "internal.h"
#include "kmodload.h"

#define CONF_MAX (1024 * 1024)

/* In their order; in each a file hides those of its name in the folders behind it. */
static const char *const folders[] = {
	"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d",
};

static const char *const words[] = {
	[PVB_MODCONF_ALIAS] = "alias",   [PVB_MODCONF_BLACKLIST] = "blacklist", [PVB_MODCONF_INSTALL] = "install",
	[PVB_MODCONF_OPTIONS] = "options", [PVB_MODCONF_REMOVE] = "remove",     [PVB_MODCONF_SOFTDEP] = "softdep",
};

/* ---- what libkmod has ---- */

struct entry {
	enum pvb_modconf_kind kind;
	char *key, *value; /* value NULL: libkmod does not tell it (softdeps before kmod 32) */
};

struct entries {
	struct entry *list;
	size_t n;
};

static void entries_clear(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++) {
		free(entries->list[i].key);
		free(entries->list[i].value);
	}
	free(entries->list);
}

static int entry_add(struct entries *entries, enum pvb_modconf_kind kind, const char *key, const char *value)
{
	struct entry *more = realloc(entries->list, (entries->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	entries->list = more;
	more[entries->n] = (struct entry){ kind, strdup(key), value ? strdup(value) : NULL };
	if (!more[entries->n++].key || (value && !more[entries->n - 1].value))
		return -ENOMEM;
	return 0;
}

static int entries_read(struct kmod_ctx *kmod, struct entries *entries)
{
	static struct kmod_config_iter *(*const getters[])(const struct kmod_ctx *) = {
		[PVB_MODCONF_ALIAS] = kmod_config_get_aliases,     [PVB_MODCONF_BLACKLIST] = kmod_config_get_blacklists,
		[PVB_MODCONF_INSTALL] = kmod_config_get_install_commands, [PVB_MODCONF_OPTIONS] = kmod_config_get_options,
		[PVB_MODCONF_REMOVE] = kmod_config_get_remove_commands,   [PVB_MODCONF_SOFTDEP] = kmod_config_get_softdeps,
	};
	int r = 0;

	for (unsigned kind = PVB_MODCONF_OTHER + 1; r == 0 && kind < ARRAY_SIZE(getters); kind++) {
		struct kmod_config_iter *iter = getters[kind](kmod);

		if (!iter)
			return -ENOMEM;
		while (r == 0 && kmod_config_iter_next(iter))
			r = entry_add(entries, kind, kmod_config_iter_get_key(iter), kmod_config_iter_get_value(iter));
		kmod_config_iter_free_iter(iter);
	}
	return r;
}

/* Blanks and tabs are one, as libkmod makes them. */
static bool blank_equal(const char *a, const char *b)
{
	while (*a && (*a == *b || ((*a == ' ' || *a == '\t') && (*b == ' ' || *b == '\t')))) {
		a++;
		b++;
	}
	return *a == *b;
}

static bool entries_have(const struct entries *entries, const struct pvb_modconf_line *line)
{
	for (size_t i = 0; i < entries->n; i++) {
		const struct entry *entry = &entries->list[i];

		if (entry->kind != line->kind || strcmp(entry->key, line->module) != 0)
			continue;
		if (line->kind == PVB_MODCONF_BLACKLIST || line->kind == PVB_MODCONF_SOFTDEP || !entry->value ||
		    blank_equal(entry->value, line->value))
			return true;
	}
	return false;
}

/* ---- the files ---- */

static bool name_is_conf(const char *name)
{
	size_t size = strlen(name);

	return *name != '.' && size > 5 && !strcmp(name + size - 5, ".conf");
}

struct file {
	char *name;
	const char *folder;
};

struct files {
	struct file *list;
	size_t n;
};

static void files_clear(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->list[i].name);
	free(files->list);
}

static int file_compare(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int file_add(struct files *files, const char *folder, const char *name)
{
	struct file *more;

	for (size_t i = 0; i < files->n; i++)
		if (!strcmp(files->list[i].name, name))
			return 0;
	more = realloc(files->list, (files->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	files->list = more;
	more[files->n] = (struct file){ strdup(name), folder };
	return more[files->n++].name ? 0 : -ENOMEM;
}

/* -ENOENT: there is no such folder at all. */
static int files_find(const struct pvb_ctx *ctx, struct files *files)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_strv_ char **names = NULL;
		int r = pvb_sysfs_list(ctx, folders[i], &names);

		if (r < 0)
			return r;
		any |= pvb_sysfs_exists(ctx, folders[i]);
		for (char **name = names; r == 0 && *name; name++)
			if (name_is_conf(*name))
				r = file_add(files, folders[i], *name);
		if (r < 0)
			return r;
	}
	if (files->n)
		qsort(files->list, files->n, sizeof(*files->list), file_compare);
	return any ? 0 : -ENOENT;
}

/* ---- a file's lines ---- */

/* The next line into *line, cut off in place, as libkmod's freadline_wrapped() reads it: a backslash goes, and takes a
 * newline behind it along. *lines: how many it took. false at the end. */
static bool line_next(char **text, char **line, unsigned *lines)
{
	char *from = *text, *to = *text;

	if (!*from)
		return false;
	*line = to;
	*lines = 1;
	for (; *from && *from != '\n'; from++) {
		if (*from == '\\' && from[1] == '\n') {
			from++;
			++*lines;
		} else {
			if (*from == '\\' && from[1])
				from++;
			*to++ = *from;
		}
	}
	*text = *from ? from + 1 : from;
	*to = '\0';
	return true;
}

/* The next word, cut off, and in *rest what follows it behind one blank: as strtok_r() leaves it to libkmod. */
static char *word_cut(char **rest)
{
	char *word = *rest + strspn(*rest, "\t "), *end = word + strcspn(word, "\t ");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static enum pvb_modconf_kind kind_of(const char *word)
{
	for (unsigned kind = PVB_MODCONF_OTHER + 1; kind < ARRAY_SIZE(words); kind++)
		if (!strcmp(words[kind], word))
			return kind;
	return PVB_MODCONF_OTHER;
}

/* '-' becomes '_', but not within "[…]", of aliases (libkmod's underscores()). */
static void name_normalize(char *name)
{
	for (; *name; name++) {
		if (*name == '[' && strchr(name, ']'))
			name = strchr(name, ']');
		else if (*name == '-')
			*name = '_';
	}
}

/* Memory that ran out shows as a NULL. */
static struct pvb_modconf_line line_parse(char *text)
{
	struct pvb_modconf_line line = { .kind = PVB_MODCONF_OTHER };
	char *rest = text, *all = strdup(text), *word = word_cut(&rest), *module;

	line.kind = kind_of(word);
	if (line.kind == PVB_MODCONF_OTHER) {
		line.module = strdup("");
		line.value = all;
		return line;
	}
	free(all);
	module = word_cut(&rest);
	name_normalize(module);
	line.module = strdup(module);
	if (line.kind == PVB_MODCONF_ALIAS) {
		rest = word_cut(&rest);
		name_normalize(rest);
	}
	line.value = strdup(line.kind == PVB_MODCONF_BLACKLIST ? "" : rest);
	return line;
}

static int line_add(struct pvb_modconf *conf, struct pvb_modconf_line line, const char *path, unsigned number,
		    const struct entries *entries)
{
	struct pvb_modconf_line *more = realloc(conf->lines, (conf->n + 1) * sizeof(*more));

	line.file = strdup(path);
	line.line = number;
	if (more)
		conf->lines = more;
	if (!more || !line.file || !line.module || !line.value) {
		free(line.file);
		free(line.module);
		free(line.value);
		return -ENOMEM;
	}
	line.effective = line.kind != PVB_MODCONF_OTHER && entries_have(entries, &line);
	more[conf->n++] = line;
	return 0;
}

static int file_read(const struct pvb_ctx *ctx, const char *path, const struct entries *entries, struct pvb_modconf *conf)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	unsigned number = 1, lines;
	int r = pvb_read_file(ctx, path + 1, CONF_MAX, &text, NULL);

	/* A name that leads nowhere (or to /dev/null) only hides those of its name; so does a folder. */
	if (r < 0)
		return r == -ENOENT || r == -EISDIR ? 0 : r;
	for (rest = text; r == 0 && line_next(&rest, &line, &lines); number += lines)
		if (*line != '#' && line[strspn(line, "\t ")])
			r = line_add(conf, line_parse(line), path, number, entries);
	return r;
}

int pvb_modconf_read(struct pvb_ctx *ctx, struct pvb_modconf *conf, struct pvb_err *err)
{
	struct kmod_ctx *kmod = pvb_kmod(ctx);
	struct entries entries = { .n = 0 };
	struct files files = { .n = 0 };
	char path[PVB_PATH_MAX] = "/etc/modprobe.d";
	int r;

	*conf = (struct pvb_modconf){ .n = 0 };
	r = kmod ? entries_read(kmod, &entries) : -ELIBACC;
	if (r == 0)
		r = files_find(ctx, &files);
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		r = pvb_format(path, sizeof(path), "/%s/%s", files.list[i].folder, files.list[i].name);
		if (r == 0)
			r = file_read(ctx, path, &entries, conf);
	}
	files_clear(&files);
	entries_clear(&entries);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	return 0;
}

void pvb_modconf_clear(struct pvb_modconf *conf)
{
	for (size_t i = 0; i < conf->n; i++) {
		free(conf->lines[i].module);
		free(conf->lines[i].value);
		free(conf->lines[i].file);
	}
	free(conf->lines);
	*conf = (struct pvb_modconf){ .n = 0 };
}
