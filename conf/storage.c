/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxmox VE's storages, as far as they are about snippets: /etc/pve/storage.cfg. */
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define LOCAL_PATH "/var/lib/vz"  /* of "local", which there is without an entry too (PVE/Storage.pm) */
#define LOCAL_CONTENT "backup,iso,vztmpl,images,rootdir,snippets" /* likewise: PVE/Storage.pm's default entry */

struct storages {
	struct conf_storage *list; /* malloced */
	size_t n;
};

bool conf_list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ", \t"), p += strspn(p, ", \t"))
		if (!strncmp(p, word, n) && (!p[n] || strchr(", \t", p[n])))
			return true;
	return false;
}

/* Whether every word of a is in b. */
static bool list_within(const char *a, const char *b)
{
	char word[64];

	for (const char *p = a + strspn(a, ", \t"); *p; p += strcspn(p, ", \t"), p += strspn(p, ", \t")) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(p, ", \t"), p);
		if (!conf_list_has(b, word))
			return false;
	}
	return true;
}

bool conf_list_same(const char *a, const char *b)
{
	return list_within(a, b) && list_within(b, a);
}

/* "snippets=/hooks,iso=…" */
static void content_dirs_parse(struct conf_storage *storage, char *value)
{
	char *key, *dir;

	while (conf_part_next(&value, &key, &dir))
		if (key && !strcmp(key, "snippets"))
			conf_copy(storage->subdir, sizeof(storage->subdir), dir + strspn(dir, "/"));
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

static struct conf_storage *storage_new(struct storages *storages, const char *type, const char *id, unsigned line)
{
	struct conf_storage *more = realloc(storages->list, (storages->n + 1) * sizeof(*more)), *storage;

	if (!more)
		return NULL;
	storages->list = more;
	storage = &more[storages->n++];
	*storage = (struct conf_storage){ .subdir = "snippets", .line = line };
	conf_copy(storage->type, sizeof(storage->type), type);
	conf_copy(storage->id, sizeof(storage->id), id);
	storage->shared = mounted_type(type);
	return storage;
}

static int block_take(struct storages *storages, const struct conf_block *block)
{
	struct conf_storage *storage = storage_new(storages, block->type, block->id, block->line);

	if (!storage)
		return -ENOMEM;
	for (size_t i = 0; i < block->num_pairs; i++) {
		const char *key = block->pairs[i].key;
		char *value = block->pairs[i].value;

		/* One that is too long is none: the other storages are good all the same. */
		if (!strcmp(key, "path") && !conf_copy(storage->path, sizeof(storage->path), value))
			*storage->path = '\0';
		if (!strcmp(key, "content"))
			conf_copy(storage->content, sizeof(storage->content), value);
		if (!strcmp(key, "nodes"))
			conf_copy(storage->nodes, sizeof(storage->nodes), value);
		if (!strcmp(key, "shared"))
			conf_bool_parse(value, &storage->shared);
		if (!strcmp(key, "disable"))
			conf_bool_parse(value, &storage->disabled);
		if (!strcmp(key, "content-dirs"))
			content_dirs_parse(storage, value);
	}
	return 0;
}

/* What an entry leaves out. */
static int storages_complete(struct storages *storages)
{
	bool local = false;

	for (size_t i = 0; i < storages->n; i++) {
		struct conf_storage *storage = &storages->list[i];

		local = local || !strcmp(storage->id, "local");
		if (!*storage->path && mounted_type(storage->type))
			snprintf(storage->path, sizeof(storage->path), "/mnt/pve/%s", storage->id);
		if (!*storage->content && !strcmp(storage->type, "dir"))
			conf_copy(storage->content, sizeof(storage->content), "images,rootdir");
	}
	if (local)
		return 0;
	if (!storage_new(storages, "dir", "local", 0))
		return -ENOMEM;
	conf_copy(storages->list[storages->n - 1].path, sizeof(storages->list->path), LOCAL_PATH);
	conf_copy(storages->list[storages->n - 1].content, sizeof(storages->list->content), LOCAL_CONTENT);
	return 0;
}

int conf_storage_list(struct pvb_ctx *ctx, struct conf_storage **list, size_t *n, struct pvb_err *err)
{
	struct storages storages = { .n = 0 };
	struct conf_blocks blocks;
	int r = conf_blocks_load(ctx, CONF_STORAGE_FILE, &blocks, err);

	if (r == -ENOENT)
		r = 0;
	for (size_t i = 0; r == 0 && i < blocks.n; i++)
		r = block_take(&storages, &blocks.list[i]);
	if (r == 0)
		r = storages_complete(&storages);
	if (r == -ENOMEM)
		pvb_err_set(err, r, "out of memory");
	conf_blocks_clear(&blocks);
	if (r < 0) {
		free(storages.list);
		storages = (struct storages){ .n = 0 };
	}
	*list = storages.list;
	*n = storages.n;
	return r;
}

static int snippet_path(const struct conf_storage *storage, const char *name, char *path, size_t size, struct pvb_err *err)
{
	int n;

	if (!*storage->path)
		return pvb_err_set(err, -EINVAL, "storage '%s' (%s) has no folder for snippets: take one of type dir",
				   storage->id, storage->type);
	n = snprintf(path, size, "%s/%s/%s", storage->path, storage->subdir, name);
	if (n < 0 || (size_t)n >= size)
		return pvb_err_set(err, -ENAMETOOLONG, "the path of %s:snippets/%s is too long: %zu bytes is the most",
				   storage->id, name, size - 1);
	return 0;
}

int conf_storage_snippet(struct pvb_ctx *ctx, const char *volume, char *path, size_t size, struct pvb_err *err)
{
	const char *name = strrchr(volume, '/');
	_conf_free_ struct conf_storage *list = NULL;
	char id[PVB_NAME_MAX];
	size_t n = 0;
	int r = conf_storage_list(ctx, &list, &n, err);

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(volume, ":"), volume);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!strcmp(list[i].id, id))
			return snippet_path(&list[i], name ? name + 1 : volume, path, size, err);
	return r < 0 ? r : pvb_err_set(err, -ENOENT, "there is no storage '%s' in " CONF_STORAGE_FILE ": correct the name", id);
}
