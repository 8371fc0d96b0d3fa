/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes of the cluster, as the cluster's file system names them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define NODES_DIR "etc/pve/nodes"
#define COROSYNC_FILE "etc/pve/corosync.conf"
#define COROSYNC_MAX (1024 * 1024) /* pmxcfs holds no more */
#define NODES_MAX 256

/* Where etc/pve/local leads: "nodes/pve1". */
static bool local_read(const struct pvb_ctx *ctx, char *buf, size_t size)
{
	_conf_close_ int fd = pvb_open(ctx, "etc/pve/local", O_PATH | O_NOFOLLOW);
	char target[256], *slash;
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	slash = slash ? slash + 1 : target;
	return conf_name_valid(slash, size) && conf_copy(buf, size, slash);
}

const char *conf_node_name(const struct pvb_ctx *ctx, char *buf, size_t size)
{
	if (local_read(ctx, buf, size))
		return buf;
	/* As PVE::INotify::nodename() does. */
	if (gethostname(buf, size) < 0)
		*buf = '\0';
	buf[size - 1] = '\0';
	*strchrnul(buf, '.') = '\0';
	return buf;
}

/* The name in a line of a node's block, "name: pve1"; NULL. A cluster_name is another key. */
static char *line_name(char *line)
{
	line = conf_trim(line);
	return strncmp(line, "name:", 5) ? NULL : conf_trim(line + 5);
}

/* Those that have joined: a folder below nodes/ may be of one that has left, or of this one by an older name. */
static void joined_read(char *text, size_t size, char **names)
{
	struct conf_lines lines = { .next = text, .left = size };

	for (size_t n = 0; n < NODES_MAX && conf_line_next(&lines);) {
		char *name = line_name(lines.line);

		if (name && conf_name_valid(name, PVB_NAME_MAX) && (names[n] = strdup(name)))
			n++;
	}
}

int conf_node_list(const struct pvb_ctx *ctx, char ***names)
{
	_conf_free_ char *text = NULL;
	size_t size = 0;

	if (pvb_read_file(ctx, COROSYNC_FILE, COROSYNC_MAX, &text, &size) < 0)
		return pvb_sysfs_list(ctx, NODES_DIR, names);
	*names = calloc(NODES_MAX + 1, sizeof(**names));
	if (!*names)
		return -ENOMEM;
	joined_read(text, size, *names);
	return 0;
}

bool conf_node_of_vm(const struct pvb_ctx *ctx, unsigned vmid, char *buf, size_t size)
{
	_conf_strv_ char **names = NULL;
	bool found = false;

	if (pvb_sysfs_list(ctx, NODES_DIR, &names) < 0)
		return false;
	for (char **name = names; *name && !found; name++) {
		char path[512];

		snprintf(path, sizeof(path), NODES_DIR "/%.255s/qemu-server/%u.conf", *name, vmid);
		found = pvb_sysfs_exists(ctx, path) && conf_copy(buf, size, *name);
	}
	return found;
}
