/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A snapshot: the functions asked for and their IOMMU groups, looked at once, then immutable. */
#include <fcntl.h>
#include <string.h>

#include "internal.h"

struct pvb_snapshot {
	struct pvb_function *fns;
	size_t n, room;
	int devices;                 /* while it is taken: the folder of all functions, */
	struct pvb_records *records; /* and what pvebind has of them; NULL for a few, each of which is asked for */
};

static struct pvb_function *function_find(const struct pvb_snapshot *s, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < s->n; i++)
		if (pvb_addr_compare(&s->fns[i].addr, addr) == 0)
			return &s->fns[i];
	return NULL;
}

/* One that is not in it. */
static int function_append(struct pvb_ctx *ctx, struct pvb_snapshot *s, const struct pvb_addr *addr, bool named,
			   struct pvb_err *err)
{
	struct pvb_among among = { s->devices, s->records, NULL };
	struct pvb_function *more;
	char text[PVB_ADDR_MAX];
	size_t room;
	int r;

	if (s->n == s->room) {
		room = s->room ? s->room * 2 : 8;
		more = realloc(s->fns, room * sizeof(*more));
		if (!more)
			return pvb_err_set(err, -ENOMEM, "out of memory");
		s->fns = more;
		s->room = room;
	}
	among.like = s->n ? &s->fns[s->n - 1] : NULL;
	r = pvb_function_read_among(ctx, &among, addr, &s->fns[s->n]);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read %s in sysfs: %s", pvb_addr_format(addr, text), strerror(-r));
	s->fns[s->n++].named = named;
	return 0;
}

static int function_add(struct pvb_ctx *ctx, struct pvb_snapshot *s, const struct pvb_addr *addr, bool named,
			struct pvb_err *err)
{
	struct pvb_function *fn = function_find(s, addr);

	if (!fn)
		return function_append(ctx, s, addr, named, err);
	fn->named = fn->named || named;
	return 0;
}

/* A function, or every function of a slot. */
static int named_add(struct pvb_ctx *ctx, struct pvb_snapshot *s, const struct pvb_addr *named, struct pvb_err *err)
{
	bool slot = named->fn == PVB_FN_ALL, found = false;
	char text[PVB_ADDR_MAX];
	struct pvb_addr addr = *named;

	for (addr.fn = slot ? 0 : named->fn; addr.fn <= (slot ? 7 : named->fn); addr.fn++) {
		int r;

		if (!pvb_sysfs_exists_at(s->devices, pvb_addr_format(&addr, text)))
			continue;
		found = true;
		r = function_add(ctx, s, &addr, true, err);
		if (r < 0)
			return r;
	}
	if (!found)
		return pvb_err_set(err, -ENODEV, "no PCI device %s on this host: it was moved, removed or is off; lspci -D shows what there is",
				   pvb_addr_format(named, text));
	return 0;
}

/* Every member of fn's IOMMU group. */
static int group_add(struct pvb_ctx *ctx, struct pvb_snapshot *s, const struct pvb_addr *of, struct pvb_err *err)
{
	_cleanup_strv_ char **members = NULL;
	char path[PVB_PATH_MAX];
	int r = pvb_sysfs_list(ctx, pvb_device_path(of, "iommu_group/devices", path), &members);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /%s: %s", path, strerror(-r));
	for (char **name = members; *name; name++) {
		struct pvb_addr addr;

		if (pvb_addr_parse(*name, &addr, err) < 0)
			continue; /* a group may hold what is no PCI device */
		r = function_add(ctx, s, &addr, false, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int all_add(struct pvb_ctx *ctx, struct pvb_snapshot *s, struct pvb_err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = pvb_sysfs_list(ctx, PVB_DEVICES_DIR, &names);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /sys/bus/pci/devices: %s", strerror(-r));
	for (char **name = names; *name; name++) {
		struct pvb_addr addr;

		if (pvb_addr_parse(*name, &addr, err) < 0)
			continue;
		r = function_append(ctx, s, &addr, false, err);
		if (r < 0 && r != -ENOENT) /* gone meanwhile: hot unplug */
			return r;
	}
	return 0;
}

static int named_and_groups_add(struct pvb_ctx *ctx, struct pvb_snapshot *s, const struct pvb_addr *named, size_t n,
				struct pvb_err *err)
{
	size_t num_named;
	int r;

	for (size_t i = 0; i < n; i++) {
		r = named_add(ctx, s, &named[i], err);
		if (r < 0)
			return r;
	}
	num_named = s->n;
	for (size_t i = 0; i < num_named; i++) {
		struct pvb_addr addr = s->fns[i].addr; /* the array may move */

		if (s->fns[i].group < 0)
			continue;
		r = group_add(ctx, s, &addr, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int function_compare(const void *a, const void *b)
{
	return pvb_addr_compare(&((const struct pvb_function *)a)->addr, &((const struct pvb_function *)b)->addr);
}

int pvb_snapshot_take(struct pvb_ctx *ctx, const struct pvb_addr *named, size_t n, unsigned flags,
		      struct pvb_snapshot **snapshot, struct pvb_err *err)
{
	struct pvb_records records = { .dir = -1 };
	struct pvb_snapshot *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	if (!n) {
		pvb_records_open(ctx, &records);
		s->records = &records;
	}
	s->devices = pvb_open(ctx, PVB_DEVICES_DIR, O_PATH | O_DIRECTORY);
	r = n ? named_and_groups_add(ctx, s, named, n, err) : all_add(ctx, s, err);
	pvb_records_close(&records);
	if (s->devices >= 0)
		close(s->devices);
	if (r == 0 && s->n)
		qsort(s->fns, s->n, sizeof(*s->fns), function_compare);
	if (r == 0 && flags & PVB_SNAPSHOT_OVERRIDE)
		r = pvb_overrides_read(ctx, s->fns, s->n);
	if (r < 0) {
		pvb_snapshot_free(s);
		return err->code = r;
	}
	*snapshot = s;
	return 0;
}

void pvb_snapshot_free(struct pvb_snapshot *s)
{
	if (!s)
		return;
	free(s->fns);
	free(s);
}

size_t pvb_snapshot_count(const struct pvb_snapshot *s)
{
	return s->n;
}

const struct pvb_function *pvb_snapshot_get(const struct pvb_snapshot *s, size_t i)
{
	return &s->fns[i];
}

const struct pvb_function *pvb_snapshot_find(const struct pvb_snapshot *s, const struct pvb_addr *addr)
{
	struct pvb_function key = { .addr = *addr };

	return s->n ? bsearch(&key, s->fns, s->n, sizeof(*s->fns), function_compare) : NULL;
}
