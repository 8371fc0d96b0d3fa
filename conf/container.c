/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's configuration, as far as it names device nodes of the host (PVE/LXC/Config.pm). */
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define CT_DIR "etc/pve/lxc"
#define CT_CONF_MAX (1024 * 1024) /* pmxcfs holds no more */

bool conf_container_is(const struct pvb_ctx *ctx, unsigned id)
{
	char path[64];

	snprintf(path, sizeof(path), CT_DIR "/%u.conf", id);
	return pvb_sysfs_exists(ctx, path);
}

static int node_add(struct conf_container *ct, const char *path, size_t size, unsigned line)
{
	struct conf_node *more = realloc(ct->nodes, (ct->num_nodes + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	ct->nodes = more;
	more += ct->num_nodes;
	*more = (struct conf_node){ .path = strndup(path, size), .line = line };
	if (!more->path)
		return -ENOMEM;
	ct->num_nodes++;
	return 0;
}

/* "dev0: /dev/dri/renderD128,gid=44", "dev0: path=/dev/nvidia0" */
static int dev_take(struct conf_container *ct, char *value, unsigned line)
{
	char *key, *part;

	while (conf_part_next(&value, &key, &part))
		if (!key || !strcmp(key, "path"))
			return *part == '/' ? node_add(ct, part, strlen(part), line) : 0;
	return 0;
}

/* "lxc.mount.entry: /dev/dri dev/dri none bind,optional,create=dir": without it the container starts all the same. */
static int mount_take(struct conf_container *ct, const char *value, unsigned line)
{
	size_t size = strcspn(value, " \t");

	if (strncmp(value, "/dev/", 5) != 0 || strstr(value + size, "optional"))
		return 0;
	return node_add(ct, value, size, line);
}

static int line_take(struct conf_container *ct, const struct conf_lines *lines)
{
	char *colon = strchr(lines->line, ':'), *value;
	unsigned long number;

	if (!colon)
		return 0;
	*colon = '\0';
	value = conf_trim(colon + 1);
	if (!strcmp(lines->line, "hookscript"))
		conf_copy(ct->hookscript, sizeof(ct->hookscript), value);
	if (!strcmp(lines->line, "lxc.mount.entry"))
		return mount_take(ct, value, lines->number);
	if (!strncmp(lines->line, "dev", 3) && conf_number_parse(lines->line + 3, 255, &number))
		return dev_take(ct, value, lines->number);
	return 0;
}

int conf_container_load(struct pvb_ctx *ctx, unsigned id, struct conf_container *ct, struct pvb_err *err)
{
	struct conf_lines lines = { .left = 0 };
	_conf_free_ char *text = NULL;
	int r;

	*ct = (struct conf_container){ .id = id };
	snprintf(ct->file, sizeof(ct->file), "/" CT_DIR "/%u.conf", id);
	r = pvb_read_file(ctx, ct->file, CT_CONF_MAX, &text, &lines.left);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read %s: %s", ct->file, strerror(-r));
	lines.next = text;
	/* Behind a "[…]" come what is pending, and snapshots. */
	while (r == 0 && conf_line_next(&lines) && *lines.line != '[')
		r = line_take(ct, &lines);
	return r < 0 ? pvb_err_set(err, r, "out of memory") : 0;
}

void conf_container_clear(struct conf_container *ct)
{
	for (size_t i = 0; i < ct->num_nodes; i++)
		free(ct->nodes[i].path);
	free(ct->nodes);
	*ct = (struct conf_container){ .num_nodes = 0 };
}
