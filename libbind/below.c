/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that is below a function in sysfs, at any depth. */
#include <fcntl.h>
#include <string.h>

#include "internal.h"

/* Deeper than a disk behind five USB hubs; sysfs has no loops once links are left alone. */
#define DEPTH_MAX 32

/* Many entries and never a device below: not worth the reads in a VM's start path. */
static bool name_is_barren(const struct pvb_below *w, const char *name)
{
	static const char *const barren[] = {
		"holders", "integrity", "link", "mq", "msi_irqs", "power", "queue", "queues", "slaves", "statistics", "wakeup",
	};

	for (size_t i = 0; i < ARRAY_SIZE(barren); i++)
		if (!strcmp(name, barren[i]))
			return true;
	for (const char *const *skip = w->skip; skip && *skip; skip++)
		if (!strcmp(name, *skip))
			return true;
	return false;
}

static int children_walk(const struct pvb_below *w, int dir, const char *path, unsigned depth);

/* What is below one NVMe subsystem, if the controller is one of its: namely the block devices. */
static int nvme_subsystem_walk(const struct pvb_below *w, const char *subsystem, const char *controller, unsigned depth)
{
	_cleanup_close_ int dir = -1;
	char path[PVB_PATH_MAX];
	int r = pvb_format(path, sizeof(path), "sys/class/nvme-subsystem/%s", subsystem);

	if (r == 0)
		dir = r = pvb_open(w->ctx, path, O_RDONLY | O_DIRECTORY);
	if (r < 0)
		return r == -ENOENT ? 0 : w->unread(w->data, path, r);
	return pvb_sysfs_exists_at(dir, controller) ? children_walk(w, dir, path, depth + 1) : 0;
}

/* With multipath on, an NVMe namespace's block device is not below its controller: it sits at the subsystem,
 * which has a link to each of its controllers (drivers/nvme/host/core.c). */
static int nvme_heads_walk(const struct pvb_below *w, const char *controller, unsigned depth)
{
	_cleanup_strv_ char **subsystems = NULL;
	int r = pvb_sysfs_list(w->ctx, "sys/class/nvme-subsystem", &subsystems);

	for (char **s = subsystems; r == 0 && *s; s++)
		r = nvme_subsystem_walk(w, *s, controller, depth);
	return r;
}

static int child_walk(const struct pvb_below *w, int dir, const char *path, const char *name, unsigned depth)
{
	_cleanup_close_ int fd = -1;
	char child[PVB_PATH_MAX];
	int r = pvb_format(child, sizeof(child), "%s/%s", path, name);

	if (r < 0)
		return w->unread(w->data, path, r);
	if (depth > DEPTH_MAX)
		return w->unread(w->data, child, -ELOOP);
	fd = pvb_sysfs_dir_open(dir, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : w->unread(w->data, child, fd); /* gone meanwhile */
	r = w->note(w->data, fd, child);
	if (r > 0)
		r = nvme_heads_walk(w, name, depth);
	return r < 0 ? r : children_walk(w, fd, child, depth);
}

/* An entry that is no directory is nothing; a link leads to what somebody else is the parent of. */
static int children_walk(const struct pvb_below *w, int dir, const char *path, unsigned depth)
{
	_cleanup_strv_ char **names = NULL;
	int r = pvb_sysfs_dirs_of(dir, &names);

	for (char **name = names; r == 0 && *name; name++)
		if (!name_is_barren(w, *name) && !pvb_name_is_apart(w->fn, *name))
			r = child_walk(w, dir, path, *name, depth + 1);
	return r;
}

int pvb_below_walk(const struct pvb_below *below, int dir, const char *path)
{
	return children_walk(below, dir, path, 0);
}
