/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the host uses a block device: mounted, swap, under another device, or held exclusively. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "critical.h"

/* LVM on md on partitions and then some; "holders" has no loops, but a bound costs nothing. */
#define STACK_MAX 8

struct look {
	struct pvb_ctx *ctx;
	const struct pvb_tables *tables;
	struct pvb_uses *uses;
	const char *name; /* of the block device below the function: what sentences begin with */
	bool used;        /* something was found for it */
};

static const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void name_to_node(const char *name, char *node, size_t size)
{
	/* The kernel writes "cciss!c0d0" for /dev/cciss/c0d0. */
	snprintf(node, size, "/dev/%s", name);
	for (char *p = node; *p; p++)
		if (*p == '!')
			*p = '/';
}

/* "\040" for a blank and the like, in place; what would break a line of text stays as it is. */
static void point_unescape(char *point)
{
	char *to = point;
	unsigned code;

	for (const char *from = point; *from; to++) {
		bool escaped = sscanf(from, "\\%3o", &code) == 1 && code >= ' ';

		*to = escaped ? (char)code : *from;
		from += escaped ? 4 : 1;
	}
	*to = '\0';
}

/* Append one mount point to a list for a sentence. False, and not there, when it does not fit. */
static bool point_add(char *list, size_t size, char *point)
{
	size_t have = strlen(list);

	point_unescape(point);
	if (pvb_format(list + have, size - have, "%s%s", have ? " and " : "", point) == 0)
		return true;
	/* One is always named, if only by its beginning. */
	if (have)
		list[have] = '\0';
	return have == 0;
}

/* Whether one line of mountinfo ("36 35 8:1 / /mnt rw … - ext4 /dev/sda1 rw") is of the device. By its source
 * too, since btrfs shows a number of its own. *point: where it is mounted, as the kernel escapes it. */
static bool mount_matches(char *line, const char *dev, const char *node, char **point)
{
	char *number = NULL, *save = NULL, *source, *tail = strstr(line, " - ");

	if (!tail)
		return false;
	*tail = '\0';
	strtok_r(tail + 3, " ", &save);
	source = strtok_r(NULL, " ", &save);
	save = NULL;
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	number = strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	*point = strtok_r(NULL, " ", &save);
	if (!number || !*point)
		return false;
	return !strcmp(number, dev) || (source && !strcmp(source, node));
}

static int mounts_look(struct look *l, const char *dev, const char *node, const char *through)
{
	_cleanup_free_ char *copy = strdup(l->tables->mounts);
	char points[160] = "", more[32] = "", *save = NULL;
	unsigned left_off = 0;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *point;

		if (mount_matches(line, dev, node, &point))
			left_off += !point_add(points, sizeof(points), point);
	}
	if (!*points)
		return 0;
	if (left_off)
		snprintf(more, sizeof(more), " and %u more", left_off);
	pvb_uses_add(l->uses, "%s is mounted on %s%s%s", l->name, points, more, through);
	l->used = true;
	return 0;
}

/* A line of /proc/swaps names the node it was switched on by; that may be a link of another name. */
static bool swap_matches(const struct look *l, const char *file, const char *dev, const char *node)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	char number[32];

	if (!strcmp(file, node))
		return true;
	if (strncmp(file, "/dev/", 5) != 0)
		return false;
	fd = pvb_open(l->ctx, file, O_PATH);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return !strcmp(number, dev);
}

static int swaps_look(struct look *l, const char *dev, const char *node, const char *through)
{
	_cleanup_free_ char *copy = strdup(l->tables->swaps);
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, " \t")] = '\0';
		if (!swap_matches(l, line, dev, node))
			continue;
		pvb_uses_add(l->uses, "%s is swap%s", l->name, through);
		l->used = true;
		return 0;
	}
	return 0;
}

/* "dm-1 (pve-root)", "md0". */
static void holder_describe(const struct look *l, const char *name, char *buf, size_t size)
{
	char path[PVB_PATH_MAX], dm[128] = "";

	if (pvb_format(path, sizeof(path), "sys/class/block/%s/dm/name", name) < 0 ||
	    pvb_sysfs_read(l->ctx, path, dm, sizeof(dm)) < 0)
		*dm = '\0';
	snprintf(buf, size, *dm ? "%s (%s)" : "%s", name, dm);
}

static int stack_look(struct look *l, const char *path, const char *through, unsigned depth);

/* What is stacked on the device, and what that is used for; held for nothing that can be named is held too. */
static int holders_look(struct look *l, const char *path, unsigned depth)
{
	_cleanup_strv_ char **names = NULL;
	char dir[PVB_PATH_MAX], what[200], through[224];
	int r = pvb_format(dir, sizeof(dir), "%s/holders", path);

	if (r == 0)
		r = pvb_sysfs_list(l->ctx, dir, &names);
	if (r < 0 && r != -ENOMEM) {
		pvb_uses_add(l->uses, "what is on %s cannot be read (%s)", l->name, strerror(-r));
		l->used = true;
	}
	for (char **name = names; r == 0 && *name; name++) {
		holder_describe(l, *name, what, sizeof(what));
		snprintf(through, sizeof(through), " through %s", what);
		l->used = false;
		if (depth < STACK_MAX && pvb_format(dir, sizeof(dir), "sys/class/block/%s", *name) == 0)
			r = stack_look(l, dir, through, depth + 1);
		if (!l->used)
			pvb_uses_add(l->uses, "%s is held by %s", l->name, what);
		l->used = true;
	}
	return r == -ENOMEM ? r : 0;
}

static int stack_look(struct look *l, const char *path, const char *through, unsigned depth)
{
	char attr[PVB_PATH_MAX], dev[32], node[PVB_PATH_MAX];
	int r = 0;

	/* The hidden paths of a multipath head have neither number nor node. */
	if (pvb_format(attr, sizeof(attr), "%s/dev", path) < 0 || pvb_sysfs_read(l->ctx, attr, dev, sizeof(dev)) < 0)
		*dev = '\0';
	name_to_node(path_base(path), node, sizeof(node));
	if (*dev)
		r = mounts_look(l, dev, node, through);
	if (r == 0 && *dev)
		r = swaps_look(l, dev, node, through);
	return r < 0 ? r : holders_look(l, path, depth);
}

/* Nobody else may open a block device exclusively that a file system, ZFS, LVM, md or bcache has: the one
 * test that knows them all. Nothing is read through the descriptor. */
static void exclusive_look(struct look *l, const char *path)
{
	char node[PVB_PATH_MAX], attr[PVB_PATH_MAX];
	_cleanup_close_ int fd = -1, probe = -1;
	struct stat st;

	if (pvb_format(attr, sizeof(attr), "%s/dev", path) < 0 || !pvb_sysfs_exists(l->ctx, attr))
		return;
	name_to_node(l->name, node, sizeof(node));
	fd = pvb_open(l->ctx, node, O_PATH);
	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISBLK(st.st_mode) && !l->ctx->real_root)
		return;
	probe = fd < 0 ? fd : pvb_open(l->ctx, node, O_RDONLY | O_EXCL | O_NONBLOCK | O_NOCTTY);
	if (probe >= 0 || probe == -ENOMEDIUM)
		return;
	l->used = true;
	if (probe == -EBUSY)
		pvb_uses_add(l->uses, "%s is held exclusively (ZFS, LVM, md or the like)", l->name);
	else
		pvb_uses_add(l->uses, "%s cannot be opened to see whether it is used (%s)", node, strerror(-probe));
}

/* Once for all functions. */
static int table_read(struct pvb_ctx *ctx, const char *path, struct pvb_uses *unread, char **text)
{
	int r = *text ? 0 : pvb_read_file(ctx, path, 16 << 20, text, NULL);

	if (r == 0 || r == -ENOMEM)
		return r;
	/* A kernel without swap has no /proc/swaps, but every one has mounts. */
	if (r != -ENOENT || strcmp(path, "proc/swaps") != 0)
		pvb_uses_add(unread, "/%s cannot be read to see whether they are used (%s)", path, strerror(-r));
	*text = strdup("");
	return *text ? 0 : -ENOMEM;
}

/* A partition's use makes its disk busy as well, which is no news. */
static void parents_mark(const struct pvb_paths *disks, bool *used, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		size_t len = strlen(disks->list[k]);

		if (!strncmp(disks->list[i], disks->list[k], len) && disks->list[i][len] == '/')
			used[k] = true;
	}
}

static int disks_look(struct look *l, const struct pvb_paths *disks, bool *used)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < disks->n; i++) {
		l->name = path_base(disks->list[i]);
		l->used = false;
		r = stack_look(l, disks->list[i], "", 0);
		used[i] = l->used;
	}
	for (size_t i = disks->n; r == 0 && i-- > 0;) {
		l->name = path_base(disks->list[i]);
		l->used = used[i];
		if (!l->used)
			exclusive_look(l, disks->list[i]);
		if (l->used)
			parents_mark(disks, used, i);
	}
	return r;
}

int pvb_disk_uses(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_paths *disks, struct pvb_uses *uses)
{
	struct look l = { .ctx = ctx, .tables = tables, .uses = uses, .name = path_base(disks->list[0]) };
	_cleanup_free_ bool *used = calloc(disks->n, sizeof(*used));
	int r = used ? table_read(ctx, "proc/self/mountinfo", &tables->disks_unread, &tables->mounts) : -ENOMEM;

	if (r == 0)
		r = table_read(ctx, "proc/swaps", &tables->disks_unread, &tables->swaps);
	if (r == 0 && *tables->disks_unread.text)
		pvb_uses_add(uses, "%s", tables->disks_unread.text);
	return r < 0 ? r : disks_look(&l, disks, used);
}
