/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host lives on: the disks and network interfaces below a function, at any depth. */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "critical.h"

/* Deeper than a disk behind five USB hubs; sysfs has no loops once links are left alone. */
#define DEPTH_MAX 32

struct walk {
	struct pvb_ctx *ctx;
	const struct pvb_function *fn;
	struct pvb_paths disks, nics;
	struct pvb_uses unread;
};

void pvb_uses_add(struct pvb_uses *uses, const char *fmt, ...)
{
	size_t have = strlen(uses->text), room = sizeof(uses->text) - have;
	char item[sizeof(uses->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(item, sizeof(item), fmt, ap);
	va_end(ap);
	if (strstr(uses->text, item))
		return;
	if (pvb_format(uses->text + have, room, "%s%s", have ? ", " : "", item) == 0)
		return;
	/* The first is kept even when cut, so that a use is never an empty text. */
	if (have)
		uses->text[have] = '\0';
	uses->left_off += have > 0;
}

int pvb_paths_add(struct pvb_paths *paths, const char *path)
{
	char **more = realloc(paths->list, (paths->n + 2) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	paths->list = more;
	more[paths->n] = strdup(path);
	if (!more[paths->n])
		return -ENOMEM;
	more[++paths->n] = NULL;
	return 0;
}

/* Many entries and never a disk or interface below: not worth the reads in a VM's start path. */
static bool name_is_barren(const char *name)
{
	static const char *const barren[] = {
		"drm",	 "graphics",  "holders", "integrity", "link",	    "mq",	  "msi_irqs",
		"power", "queue",     "queues",	 "slaves",    "sound",	    "statistics", "wakeup",
	};

	for (size_t i = 0; i < ARRAY_SIZE(barren); i++)
		if (!strcmp(name, barren[i]))
			return true;
	return false;
}

static int children_walk(struct walk *w, int dir, const char *path, unsigned depth);

static int unread_note(struct walk *w, const char *path, int r)
{
	if (r == -ENOMEM)
		return r;
	pvb_uses_add(&w->unread, "/%s cannot be looked into (%s)", path, strerror(-r));
	return 0;
}

/* What is below one NVMe subsystem, if the controller is one of its: namely the block devices. */
static int nvme_subsystem_walk(struct walk *w, const char *subsystem, const char *controller, unsigned depth)
{
	_cleanup_close_ int dir = -1;
	char path[PVB_PATH_MAX];

	if (pvb_format(path, sizeof(path), "sys/class/nvme-subsystem/%s", subsystem) < 0)
		return 0;
	dir = pvb_open(w->ctx, path, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return dir == -ENOENT ? 0 : unread_note(w, path, dir);
	return pvb_sysfs_exists_at(dir, controller) ? children_walk(w, dir, path, depth) : 0;
}

/* With multipath on, an NVMe namespace's block device is not below its controller: it sits at the subsystem,
 * which has a link to each of its controllers (drivers/nvme/host/core.c). */
static int nvme_heads_walk(struct walk *w, const char *controller, unsigned depth)
{
	_cleanup_strv_ char **subsystems = NULL;
	int r = pvb_sysfs_list(w->ctx, "sys/class/nvme-subsystem", &subsystems);

	for (char **s = subsystems; r == 0 && *s; s++)
		r = nvme_subsystem_walk(w, *s, controller, depth);
	return r;
}

/* Note what the directory is, by its subsystem: glue directories ("block/", "net/") do not always exist
 * (an NVMe namespace sits directly below its controller). */
static int dir_note(struct walk *w, int dir, const char *path, unsigned depth)
{
	char subsystem[PVB_NAME_MAX];

	if (pvb_sysfs_link_at(dir, "subsystem", subsystem, sizeof(subsystem)) < 0)
		return 0;
	if (!strcmp(subsystem, "block"))
		return pvb_paths_add(&w->disks, path);
	if (!strcmp(subsystem, "net"))
		return pvb_paths_add(&w->nics, path);
	if (!strcmp(subsystem, "nvme"))
		return nvme_heads_walk(w, strrchr(path, '/') + 1, depth);
	return 0;
}

/* An entry that is no directory is nothing; a link leads to what somebody else is the parent of. */
static int dir_walk(struct walk *w, int dir, const char *path, unsigned depth)
{
	int r = dir_note(w, dir, path, depth);

	return r < 0 ? r : children_walk(w, dir, path, depth);
}

static int child_walk(struct walk *w, int dir, const char *path, const char *name, unsigned depth)
{
	_cleanup_close_ int fd = -1;
	char child[PVB_PATH_MAX];

	if (pvb_format(child, sizeof(child), "%s/%s", path, name) < 0) {
		pvb_uses_add(&w->unread, "/%s is too deep to be looked into", path);
		return 0;
	}
	if (depth > DEPTH_MAX)
		return unread_note(w, child, -ELOOP);
	fd = pvb_sysfs_dir_open(dir, name);
	if (fd == -ENOENT) /* gone meanwhile */
		return 0;
	return fd < 0 ? unread_note(w, child, fd) : dir_walk(w, fd, child, depth);
}

static int children_walk(struct walk *w, int dir, const char *path, unsigned depth)
{
	_cleanup_strv_ char **names = NULL;
	int r = pvb_sysfs_dirs_of(dir, &names);

	for (char **name = names; r == 0 && *name; name++)
		if (!name_is_barren(*name) && !pvb_name_is_apart(w->fn, *name))
			r = child_walk(w, dir, path, *name, depth + 1);
	return r;
}

static int walk_uses(struct walk *w, struct pvb_tables *tables, struct pvb_uses *disks, struct pvb_uses *nics)
{
	int r = 0;

	if (w->disks.n)
		r = pvb_disk_uses(w->ctx, tables, &w->disks, disks);
	if (r == 0 && w->nics.n)
		r = pvb_nic_uses(w->ctx, tables, &w->nics, nics);
	if (r == 0 && *w->unread.text)
		pvb_uses_add(disks, "%s", w->unread.text);
	return r;
}

int pvb_critical_below(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_function *fn, const char *path,
		       struct pvb_uses *disks, struct pvb_uses *nics)
{
	_cleanup_close_ int dir = pvb_open(ctx, path, O_RDONLY | O_DIRECTORY);
	struct walk w = { .ctx = ctx, .fn = fn };
	int r = 0;

	if (dir >= 0)
		r = dir_walk(&w, dir, path, 0);
	else if (dir != -ENOENT && dir != -ENOTDIR)
		r = unread_note(&w, path, dir);
	if (r == 0)
		r = walk_uses(&w, tables, disks, nics);
	pvb_strv_free(w.disks.list);
	pvb_strv_free(w.nics.list);
	return r;
}

int pvb_critical_uses(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_function *fn,
		      struct pvb_uses *disks, struct pvb_uses *nics)
{
	char path[PVB_PATH_MAX];

	return pvb_critical_below(ctx, tables, fn, pvb_device_path(&fn->addr, "", path), disks, nics);
}

static int uses_refuse(const struct pvb_function *fn, const struct pvb_uses *uses, const char *name, const char *what,
		       const char *remedy, struct pvb_refusals *refusals)
{
	char addr[PVB_ADDR_MAX], more[32] = "";

	if (!*uses->text)
		return 0;
	if (uses->left_off)
		snprintf(more, sizeof(more), " and %u more", uses->left_off);
	pvb_addr_format(&fn->addr, addr);
	return pvb_refuse(refusals, name, &fn->addr, "%s %s: %s%s; %s, or set allow = %s:%s to lend it on purpose",
			  addr, what, uses->text, more, remedy, name, addr);
}

int pvb_critical_find(struct pvb_ctx *ctx, const struct pvb_function *fn, struct pvb_refusals *refusals)
{
	struct pvb_uses disks = { .left_off = 0 }, nics = { .left_off = 0 };
	struct pvb_tables tables = { .mounts = NULL };
	int r = pvb_critical_uses(ctx, &tables, fn, &disks, &nics);

	if (r == 0)
		r = uses_refuse(fn, &disks, "host-disk", "has a disk that the host uses",
				"free it first (unmount, swapoff, vgchange -an, zpool export)", refusals);
	if (r == 0)
		r = uses_refuse(fn, &nics, "host-network", "has a network interface that the host uses",
				"give the host another way first", refusals);
	pvb_tables_clear(&tables);
	return r;
}
