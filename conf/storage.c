/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxmox VE's storages, as far as it takes to find a snippet: /etc/pve/storage.cfg. */
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define STORAGE_MAX (1024 * 1024) /* bytes */
#define LOCAL_PATH "/var/lib/vz"  /* of "local", which there is without an entry too (PVE/Storage.pm) */

/* What one section says. */
struct storage {
	const char *id;
	bool found;
	char type[PVB_NAME_MAX], path[256];
	char subdir[128]; /* of snippets, below path */
};

/* "snippets=/hooks,iso=…" */
static void content_dirs_parse(struct storage *storage, char *value)
{
	char *key, *dir;

	while (conf_part_next(&value, &key, &dir))
		if (key && !strcmp(key, "snippets"))
			conf_copy(storage->subdir, sizeof(storage->subdir), dir + strspn(dir, "/"));
}

/* An indented "KEY VALUE". */
static int key_parse(struct storage *storage, char *line)
{
	size_t n = strcspn(line, " \t");
	char *value = conf_trim(line + n);

	line[n] = '\0';
	if (!strcmp(line, "path") && !conf_copy(storage->path, sizeof(storage->path), value))
		return -ENAMETOOLONG;
	if (!strcmp(line, "content-dirs"))
		content_dirs_parse(storage, value);
	return 0;
}

/* "TYPE: ID" at the left edge begins a section. Whether it is ours. */
static bool header_parse(struct storage *storage, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon || strcmp(conf_trim(colon + 1), storage->id) != 0)
		return false;
	*colon = '\0';
	storage->found = true;
	conf_copy(storage->type, sizeof(storage->type), line);
	return true;
}

static int storage_parse(struct storage *storage, char *text, size_t size)
{
	struct conf_lines lines = { .next = text, .left = size };
	bool ours = false;
	int r = 0;

	while (r == 0 && conf_line_next(&lines)) {
		bool indented = *lines.line == ' ' || *lines.line == '\t';
		char *line = conf_trim(lines.line);

		if (*line == '#')
			continue;
		if (!*line)
			ours = false;
		else if (!indented)
			ours = header_parse(storage, line);
		else if (ours)
			r = key_parse(storage, line);
	}
	return r;
}

static int storage_load(struct pvb_ctx *ctx, struct storage *storage, struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t size = 0;
	int r = pvb_read_file(ctx, CONF_STORAGE_FILE, STORAGE_MAX, &text, &size);

	if (r == 0)
		r = storage_parse(storage, text, size);
	return r < 0 && r != -ENOENT ? pvb_err_set(err, r, "cannot read " CONF_STORAGE_FILE ": %s", strerror(-r)) : 0;
}

/* Types that are mounted have their path written down when they are made; it may be missing after an edit. */
static bool mounted_type(const char *type)
{
	static const char *const types[] = { "nfs", "cifs", "cephfs", "glusterfs" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

static int path_default(struct storage *storage, struct pvb_err *err)
{
	if (*storage->path)
		return 0;
	if (!storage->found && strcmp(storage->id, "local") != 0)
		return pvb_err_set(err, -ENOENT, "there is no storage '%s' in " CONF_STORAGE_FILE ": correct the name",
				   storage->id);
	if (!storage->found)
		return conf_copy(storage->path, sizeof(storage->path), LOCAL_PATH) ? 0 : -EINVAL;
	if (!mounted_type(storage->type))
		return pvb_err_set(err, -EINVAL, "storage '%s' (%s) has no folder for snippets: take one of type dir",
				   storage->id, storage->type);
	snprintf(storage->path, sizeof(storage->path), "/mnt/pve/%s", storage->id);
	return 0;
}

int conf_storage_snippet(struct pvb_ctx *ctx, const char *volume, char *path, size_t size, struct pvb_err *err)
{
	struct storage storage = { .subdir = "snippets" };
	const char *name = strrchr(volume, '/');
	char id[PVB_NAME_MAX];
	int r, n;

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(volume, ":"), volume);
	storage.id = id;
	r = storage_load(ctx, &storage, err);
	if (r == 0)
		r = path_default(&storage, err);
	if (r < 0)
		return r;
	n = snprintf(path, size, "%s/%s/%s", storage.path, storage.subdir, name ? name + 1 : volume);
	if (n < 0 || (size_t)n >= size)
		return pvb_err_set(err, -ENAMETOOLONG, "the path of %s is too long: %zu bytes is the most", volume,
				   size - 1);
	return 0;
}
