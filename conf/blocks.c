/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proxmox VE's files of sections, as PVE::SectionConfig reads them: "TYPE: ID" at the left edge, indented "KEY VALUE"
 * lines, an empty line at the end: /etc/pve/jobs.cfg, /etc/pve/ha/resources.cfg and their like.
 */
#include <string.h>

#include "conf.h"

#define BLOCKS_MAX (4 * 1024 * 1024) /* pmxcfs itself holds 1 MiB a file at most */

static int out_of_memory(struct pvb_err *err)
{
	return pvb_err_set(err, -ENOMEM, "out of memory");
}

static int block_new(struct conf_blocks *blocks, const char *type, const char *id, unsigned line, struct pvb_err *err)
{
	struct conf_block *more = realloc(blocks->list, (blocks->n + 1) * sizeof(*more)), *block;

	if (!more)
		return out_of_memory(err);
	blocks->list = more;
	block = &more[blocks->n++];
	*block = (struct conf_block){ .type = strdup(type), .id = strdup(id), .line = line };
	return block->type && block->id ? 0 : out_of_memory(err);
}

/* A key alone is a flag, which is on. */
static int key_add(struct conf_block *block, char *line, unsigned number, struct pvb_err *err)
{
	struct conf_pair *more = realloc(block->pairs, (block->num_pairs + 1) * sizeof(*more)), *pair;
	size_t n = strcspn(line, " \t");
	char *value = conf_trim(line + n);

	if (!more)
		return out_of_memory(err);
	block->pairs = more;
	pair = &more[block->num_pairs++];
	line[n] = '\0';
	*pair = (struct conf_pair){ .key = strdup(line), .value = strdup(*value ? value : "1"), .line = number };
	return pair->key && pair->value ? 0 : out_of_memory(err);
}

/* "TYPE: ID"; another line at the left edge ends the section before. */
static int header_parse(struct conf_blocks *blocks, char *line, unsigned number, bool *open, struct pvb_err *err)
{
	char *colon = strchr(line, ':');

	*open = colon != NULL;
	if (!colon)
		return 0;
	*colon = '\0';
	return block_new(blocks, line, conf_trim(colon + 1), number, err);
}

int conf_blocks_parse(struct conf_blocks *blocks, char *text, size_t size, struct pvb_err *err)
{
	struct conf_lines lines = { .next = text, .left = size };
	bool open = false;
	int r = 0;

	while (r == 0 && conf_line_next(&lines)) {
		bool indented = *lines.line == ' ' || *lines.line == '\t';
		char *line = conf_trim(lines.line);

		if (*line == '#')
			continue;
		if (!*line)
			open = false;
		else if (!indented)
			r = header_parse(blocks, line, lines.number, &open, err);
		else if (open)
			r = key_add(&blocks->list[blocks->n - 1], line, lines.number, err);
	}
	return r;
}

int conf_blocks_load(struct pvb_ctx *ctx, const char *path, struct conf_blocks *blocks, struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t size = 0;
	int r = pvb_read_file(ctx, path, BLOCKS_MAX, &text, &size);

	*blocks = (struct conf_blocks){ .n = 0 };
	if (r < 0)
		return pvb_err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	return conf_blocks_parse(blocks, text, size, err);
}

const char *conf_block_value(const struct conf_block *block, const char *key)
{
	for (size_t i = block->num_pairs; i-- > 0;)
		if (!strcmp(block->pairs[i].key, key))
			return block->pairs[i].value;
	return NULL;
}

bool conf_block_on(const struct conf_block *block, const char *key)
{
	const char *value = conf_block_value(block, key);
	bool on = false;

	return value && conf_bool_parse(value, &on) && on;
}

void conf_pairs_free(struct conf_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

void conf_blocks_clear(struct conf_blocks *blocks)
{
	for (size_t i = 0; i < blocks->n; i++) {
		free(blocks->list[i].type);
		free(blocks->list[i].id);
		conf_pairs_free(blocks->list[i].pairs, blocks->list[i].num_pairs);
	}
	free(blocks->list);
	*blocks = (struct conf_blocks){ .n = 0 };
}
