/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host lives on: the disks and network interfaces below a function, at any depth. */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "critical.h"

struct walk {
	struct pvb_ctx *ctx;
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

static int unread_note(void *data, const char *path, int code)
{
	struct walk *w = data;

	if (code == -ENOMEM)
		return code;
	if (code == -ENAMETOOLONG)
		pvb_uses_add(&w->unread, "/%s is too deep to be looked into", path);
	else
		pvb_uses_add(&w->unread, "/%s cannot be looked into (%s)", path, strerror(-code));
	return 0;
}

/* Note what the directory is, by its subsystem: glue directories ("block/", "net/") do not always exist
 * (an NVMe namespace sits directly below its controller). */
static int dir_note(void *data, int dir, const char *path)
{
	struct walk *w = data;
	char subsystem[PVB_NAME_MAX];

	if (pvb_sysfs_link_at(dir, "subsystem", subsystem, sizeof(subsystem)) < 0)
		return 0;
	if (!strcmp(subsystem, "block"))
		return pvb_paths_add(&w->disks, path);
	if (!strcmp(subsystem, "net"))
		return pvb_paths_add(&w->nics, path);
	return !strcmp(subsystem, "nvme");
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
	static const char *const skip[] = { "drm", "graphics", "sound", NULL };
	_cleanup_close_ int dir = pvb_open(ctx, path, O_RDONLY | O_DIRECTORY);
	struct walk w = { .ctx = ctx };
	const struct pvb_below below = { ctx, fn, skip, &w, dir_note, unread_note };
	int r = dir >= 0 ? dir_note(&w, dir, path) : 0;

	if (dir >= 0 && r >= 0)
		r = pvb_below_walk(&below, dir, path);
	if (dir < 0 && dir != -ENOENT && dir != -ENOTDIR)
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
