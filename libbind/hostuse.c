/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the host uses many functions: those that have neither disk nor interface below them need no walk. */
#include <string.h>

#include "critical.h"

struct addrs {
	struct pvb_addr *list; /* malloced */
	size_t n, room;
};

static int addr_order(const void *a, const void *b)
{
	return pvb_addr_compare(a, b);
}

static int addrs_add(struct addrs *addrs, const struct pvb_addr *addr)
{
	struct pvb_addr *more;

	if (addrs->n == addrs->room) {
		addrs->room = addrs->room ? addrs->room * 2 : 64;
		more = realloc(addrs->list, addrs->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		addrs->list = more;
	}
	addrs->list[addrs->n++] = *addr;
	return 0;
}

/* "../../devices/pci0000:00/0000:00:1d.0/0000:04:00.0/nvme/nvme0/nvme0n1": all functions that it is below. */
static int target_add(struct addrs *addrs, char *target)
{
	char *save = NULL;
	int r = 0;

	for (char *part = strtok_r(target, "/", &save); r == 0 && part; part = strtok_r(NULL, "/", &save)) {
		struct pvb_addr addr;

		if (strchr(part, '.') && pvb_addr_parse(part, &addr, NULL) == 0)
			r = addrs_add(addrs, &addr);
	}
	return r;
}

/* The functions that have a device of the class below them. */
static int class_add(struct pvb_ctx *ctx, const char *class, struct addrs *addrs)
{
	_cleanup_strv_ char **names = NULL;
	int r = pvb_sysfs_list(ctx, class, &names);

	for (char **name = names; r == 0 && *name; name++) {
		char path[PVB_PATH_MAX], target[PVB_PATH_MAX];

		if (pvb_format(path, sizeof(path), "%s/%s", class, *name) == 0 &&
		    pvb_sysfs_link_target(ctx, path, target, sizeof(target)) == 0)
			r = target_add(addrs, target);
	}
	return r;
}

/* A multipath NVMe's disks are not below it (critical.c): its class tells instead. */
static bool function_counts(const struct addrs *addrs, const struct pvb_function *fn)
{
	if (fn->bridge)
		return false;
	return fn->class_code >> 8 == 0x0108 ||
	       (addrs->n && bsearch(&fn->addr, addrs->list, addrs->n, sizeof(*addrs->list), addr_order));
}

static void uses_copy(const struct pvb_uses *uses, char *buf, size_t size)
{
	snprintf(buf, size, uses->left_off ? "%s and %u more" : "%s", uses->text, uses->left_off);
}

static int use_add(struct pvb_host_uses *uses, const struct pvb_function *fn, const struct pvb_uses *disks,
		   const struct pvb_uses *nics)
{
	struct pvb_host_use *more;

	if (!*disks->text && !*nics->text)
		return 0;
	more = realloc(uses->list, (uses->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	uses->list = more;
	more[uses->n].addr = fn->addr;
	uses_copy(disks, more[uses->n].disks, sizeof(more->disks));
	uses_copy(nics, more[uses->n].nics, sizeof(more->nics));
	uses->n++;
	return 0;
}

static int uses_find(struct pvb_ctx *ctx, const struct addrs *addrs, const struct pvb_function *const *fns, size_t n,
		     struct pvb_host_uses *uses)
{
	struct pvb_tables tables = { .mounts = NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct pvb_uses disks = { .left_off = 0 }, nics = { .left_off = 0 };

		if (!function_counts(addrs, fns[i]))
			continue;
		r = pvb_critical_uses(ctx, &tables, fns[i], &disks, &nics);
		if (r == 0)
			r = use_add(uses, fns[i], &disks, &nics);
	}
	pvb_tables_clear(&tables);
	return r;
}

int pvb_host_uses_find(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n, struct pvb_host_uses *uses,
		       struct pvb_err *err)
{
	struct addrs addrs = { .n = 0 };
	int r = class_add(ctx, "sys/class/block", &addrs);

	memset(uses, 0, sizeof(*uses));
	if (r == 0)
		r = class_add(ctx, "sys/class/net", &addrs);
	if (r == 0 && addrs.n)
		qsort(addrs.list, addrs.n, sizeof(*addrs.list), addr_order);
	if (r == 0)
		r = uses_find(ctx, &addrs, fns, n, uses);
	free(addrs.list);
	return r < 0 ? pvb_err_set(err, r, "cannot find out what the host uses: %s", strerror(-r)) : 0;
}

void pvb_host_uses_clear(struct pvb_host_uses *uses)
{
	free(uses->list);
	memset(uses, 0, sizeof(*uses));
}
