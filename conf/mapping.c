/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/pve/mapping/pci.cfg, as PVE::SectionConfig and PVE::Mapping::PCI read it: a name at the left
 * edge opens a section, an empty line ends it, "#" begins a comment, and each "map" line is
 * one alternative, for one node.
 */
#include <ctype.h>
#include <string.h>

#include "conf.h"

#define MAPPING_MAX (4 * 1024 * 1024)
#define REMEDY "edit the mapping under Datacenter, Resource Mappings"

/* A map line as it is taken apart; its strings lie in the line. */
struct entry {
	struct conf_at at;
	const char *name; /* the mapping's */
	char *node, *path, *id, *subsystem, *group;
};

static int entry_split(struct entry *entry, char *text, struct pvb_err *err)
{
	const struct {
		const char *key;
		char **field;
	} fields[] = {
		{ "node", &entry->node },
		{ "path", &entry->path },
		{ "id", &entry->id },
		{ "subsystem-id", &entry->subsystem },
		{ "iommugroup", &entry->group },
	};
	char *key, *value;

	while (conf_part_next(&text, &key, &value))
		for (size_t i = 0; key && i < sizeof(fields) / sizeof(fields[0]); i++)
			if (!strcmp(fields[i].key, key))
				*fields[i].field = value;
	if (!entry->node)
		return conf_at_error(&entry->at, err, "mapping '%s': a map line without node=: " REMEDY, entry->name);
	return 0;
}

static int path_add(const struct entry *entry, struct conf_alternative *alt, const char *text, struct pvb_err *err)
{
	struct pvb_addr *more = realloc(alt->paths, (alt->num_paths + 1) * sizeof(*more));
	struct pvb_err why;

	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	alt->paths = more;
	if (pvb_addr_parse(text, &more[alt->num_paths], &why) < 0)
		return conf_at_error(&entry->at, err, "mapping '%s': path '%.40s' is no PCI address: " REMEDY,
				     entry->name, text);
	alt->num_paths++;
	return 0;
}

/* "id" and "subsystem-id" are two ids of one pair each; together they are one of ours. */
static int ids_parse(const struct entry *entry, struct conf_alternative *alt, struct pvb_err *err)
{
	struct conf_id sub = { .has_sub = false };

	alt->has_id = entry->id != NULL;
	if (entry->id && (!conf_id_parse(entry->id, &alt->id) || alt->id.has_sub))
		return conf_at_error(&entry->at, err, "mapping '%s': id '%.40s' is not like 10de:24b0: " REMEDY,
				     entry->name, entry->id);
	if (!entry->id || !entry->subsystem)
		return 0;
	if (!conf_id_parse(entry->subsystem, &sub) || sub.has_sub)
		return conf_at_error(&entry->at, err, "mapping '%s': subsystem-id '%.40s' is not like 10de:24b0: " REMEDY,
				     entry->name, entry->subsystem);
	alt->id.has_sub = true;
	alt->id.subvendor = sub.vendor;
	alt->id.subdevice = sub.device;
	return 0;
}

/* "-1" is what Proxmox VE writes where there was no IOMMU: nothing to compare with then. */
static int group_parse(const struct entry *entry, struct conf_alternative *alt, struct pvb_err *err)
{
	unsigned long number;

	alt->group = -1;
	if (!entry->group || !strcmp(entry->group, "-1"))
		return 0;
	if (!conf_number_parse(entry->group, 1000000, &number))
		return conf_at_error(&entry->at, err, "mapping '%s': iommugroup '%.40s' is no number: " REMEDY,
				     entry->name, entry->group);
	alt->group = (int)number;
	return 0;
}

static int alternative_parse(struct entry *entry, struct conf_alternative *alt, struct pvb_err *err)
{
	int r;

	alt->line = entry->at.line;
	if (!entry->path || !*entry->path)
		return conf_at_error(&entry->at, err, "mapping '%s': a map line without path=: " REMEDY, entry->name);
	for (char *path = strsep(&entry->path, ";"); path; path = strsep(&entry->path, ";")) {
		r = path_add(entry, alt, path, err);
		if (r < 0)
			return r;
	}
	r = ids_parse(entry, alt, err);
	return r < 0 ? r : group_parse(entry, alt, err);
}

/* Another node's lines are not looked at further: its version may write them otherwise. */
static int map_take(struct conf_mapping *mapping, struct entry *entry, char *text, const char *node, struct pvb_err *err)
{
	struct conf_alternative *more;
	int r = entry_split(entry, text, err);

	if (r < 0 || strcmp(entry->node, node))
		return r;
	more = realloc(mapping->list, (mapping->n + 1) * sizeof(*more));
	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	mapping->list = more;
	more += mapping->n++;
	*more = (struct conf_alternative){ .group = -1 };
	return alternative_parse(entry, more, err);
}

/* The value of an indented "map …" line, or NULL. */
static char *map_value(char *line)
{
	line = conf_trim(line);
	if (strncmp(line, "map", 3) || !isspace((unsigned char)line[3]))
		return NULL;
	return conf_trim(line + 3);
}

/* Our section's lines into mapping; *found counts its headers. */
static int sections_walk(struct conf_mapping *mapping, struct conf_lines *lines, const char *name, const char *node,
			 unsigned *found, struct pvb_err *err)
{
	bool ours = false;
	int r = 0;

	while (r == 0 && conf_line_next(lines)) {
		struct entry entry = { .at = { CONF_MAPPING_FILE, lines->number }, .name = name };
		bool indented = isspace((unsigned char)*lines->line);
		char *map;

		if (lines->line[strspn(lines->line, " \t")] == '#')
			continue;
		if (!indented) {
			ours = !strcmp(conf_trim(lines->line), name);
			*found += ours;
		}
		map = indented && ours ? map_value(lines->line) : NULL;
		if (map)
			r = map_take(mapping, &entry, map, node, err);
	}
	return r;
}

int conf_mapping_parse(struct conf_mapping *mapping, char *text, size_t size, const char *name, const char *node,
		       struct pvb_err *err)
{
	struct conf_lines lines = { .next = text, .left = size };
	unsigned found = 0;
	int r;

	*mapping = (struct conf_mapping){ .n = 0 };
	r = sections_walk(mapping, &lines, name, node, &found, err);
	if (r < 0)
		return r;
	if (found == 0)
		return pvb_err_set(err, -ENOENT,
				   "there is no PCI mapping '%s' in " CONF_MAPPING_FILE
				   ": create it under Datacenter, Resource Mappings, or correct the name",
				   name);
	if (found > 1)
		return pvb_err_set(err, -EINVAL, "mapping '%s' is there twice in " CONF_MAPPING_FILE ": " REMEDY, name);
	if (mapping->n == 0)
		return pvb_err_set(err, -ENOENT,
				   "mapping '%s' has no device on node %s, says " CONF_MAPPING_FILE
				   ": add one under Datacenter, Resource Mappings, or start the VM on a node that has one",
				   name, node);
	return 0;
}

int conf_mapping_load(struct pvb_ctx *ctx, const char *name, const char *node, struct conf_mapping *mapping,
		      struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t size = 0;
	int r = pvb_read_file(ctx, CONF_MAPPING_FILE, MAPPING_MAX, &text, &size);

	*mapping = (struct conf_mapping){ .n = 0 };
	if (r == -ENOENT || r == -ENOTDIR)
		return pvb_err_set(err, -ENOENT,
				   "there is no PCI mapping '%s' (" CONF_MAPPING_FILE
				   " does not exist): create it under Datacenter, Resource Mappings, or correct the name",
				   name);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read " CONF_MAPPING_FILE ": %s", strerror(-r));
	return conf_mapping_parse(mapping, text, size, name, node, err);
}

void conf_mapping_clear(struct conf_mapping *mapping)
{
	for (size_t i = 0; i < mapping->n; i++)
		free(mapping->list[i].paths);
	free(mapping->list);
	*mapping = (struct conf_mapping){ .n = 0 };
}
