/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list: what there is, and whose it is. */
#include <string.h>

#include "list.h"

#define STATE_DIR "run/pvebind" /* of libpvebind: stuck marks */

static int out_of_memory(struct pvb_err *err)
{
	return pvb_err_set(err, -ENOMEM, "out of memory");
}

/* ---- rows ---- */

static int group_order(const struct pvb_function *a, const struct pvb_function *b)
{
	if (a->group != b->group)
		return (unsigned)a->group < (unsigned)b->group ? -1 : 1; /* -1 comes last */
	return pvb_addr_compare(&a->addr, &b->addr);
}

static int row_order(const void *a, const void *b)
{
	return group_order(((const struct list_row *)a)->fn, ((const struct list_row *)b)->fn);
}

static int rows_make(struct list *list, struct pvb_err *err)
{
	int r = pvb_snapshot_take(list->cli->front.ctx, NULL, 0, 0, &list->snapshot, err);

	if (r < 0)
		return r;
	list->n = pvb_snapshot_count(list->snapshot);
	list->rows = calloc(list->n + 1, sizeof(*list->rows));
	if (!list->rows)
		return out_of_memory(err);
	for (size_t i = 0; i < list->n; i++)
		list->rows[i].fn = pvb_snapshot_get(list->snapshot, i);
	qsort(list->rows, list->n, sizeof(*list->rows), row_order);
	return 0;
}

struct list_row *list_find(const struct list *list, const struct pvb_addr *addr)
{
	const struct list_row key = { .fn = pvb_snapshot_find(list->snapshot, addr) };

	return key.fn ? bsearch(&key, list->rows, list->n, sizeof(*list->rows), row_order) : NULL;
}

/* The functions that a pattern names, one after the other: begin with *fn = 0. */
static struct list_row *pattern_next(const struct list *list, const struct pvb_addr *pattern, unsigned *fn)
{
	for (; *fn < 8; ++*fn) {
		struct pvb_addr addr = *pattern;
		struct list_row *row;

		if (pattern->fn != PVB_FN_ALL && pattern->fn != *fn)
			continue;
		addr.fn = (uint8_t)*fn;
		row = list_find(list, &addr);
		if (row) {
			++*fn;
			return row;
		}
	}
	return NULL;
}

/* ---- groups ---- */

size_t list_group_size(const struct list *list, size_t i)
{
	size_t n = 1;

	while (list->rows[i].fn->group >= 0 && i + n < list->n && list->rows[i + n].fn->group == list->rows[i].fn->group)
		n++;
	return n;
}

bool list_group_mixed(const struct list *list, size_t i, size_t size)
{
	const struct pvb_addr *first = NULL;

	for (size_t k = i; k < i + size; k++) {
		struct pvb_addr slot = list->rows[k].fn->addr;

		if (list->rows[k].fn->bridge)
			continue;
		first = first ? first : &list->rows[k].fn->addr;
		slot.fn = PVB_FN_ALL;
		if (!pvb_addr_matches(&slot, first))
			return true;
	}
	return false;
}

int list_group_explain(const struct list *list, size_t i, size_t size, struct pvb_group_reason *reason, struct pvb_err *err)
{
	_conf_free_ const struct pvb_function **members = calloc(size, sizeof(*members));
	_conf_free_ struct pvb_details *details = calloc(size, sizeof(*details));

	if (!members || !details)
		return out_of_memory(err);
	for (size_t k = 0; k < size; k++) {
		members[k] = list->rows[i + k].fn;
		details[k] = *list->rows[i + k].details;
	}
	pvb_group_explain(members, details, size, reason);
	return 0;
}

/* ---- details ---- */

int list_details(struct list *list, bool (*wanted)(const struct list *list, size_t i), unsigned parts, struct pvb_err *err)
{
	_conf_free_ struct pvb_addr *addrs = calloc(list->n + 1, sizeof(*addrs));
	_conf_free_ struct list_row **rows = calloc(list->n + 1, sizeof(*rows));
	size_t n = 0;
	int r;

	list->details = calloc(list->n + 1, sizeof(*list->details));
	if (!list->details || !addrs || !rows)
		return out_of_memory(err);
	for (size_t i = 0; i < list->n; i++) {
		if (!wanted(list, i))
			continue;
		rows[n] = &list->rows[i];
		addrs[n++] = list->rows[i].fn->addr;
	}
	r = pvb_details_read_parts(list->cli->front.ctx, addrs, n, parts, list->details, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		rows[i]->details = &list->details[i];
	return r;
}

/* ---- names and modules: looked up once for all that are alike ---- */

static int kind_order(const void *a, const void *b)
{
	const struct pvb_function *x = (*(const struct list_row *const *)a)->fn, *y = (*(const struct list_row *const *)b)->fn;

	return strcmp(x->modalias, y->modalias); /* has all ids and the class in it */
}

static void variants_only(char **names)
{
	size_t kept = 0;

	for (size_t i = 0; names[i]; i++) {
		char *name = names[i];

		names[i] = NULL;
		if (strcmp(name, "vfio_pci") != 0 && strcmp(name, "vfio-pci") != 0)
			names[kept++] = name;
		else
			free(name);
	}
}

static int kind_fill(struct pvb_ctx *ctx, struct list_kind *kind, const struct pvb_function *fn, struct pvb_err *err)
{
	int r;

	pvb_name(ctx, fn, kind->name, sizeof(kind->name));
	pvb_class_name(ctx, fn, kind->class_name, sizeof(kind->class_name));
	r = pvb_modules_find(ctx, fn, false, &kind->modules, err);
	if (r == 0)
		r = pvb_modules_find(ctx, fn, true, &kind->variants, err);
	if (r == 0)
		variants_only(kind->variants);
	return r;
}

static int kinds_make(struct list *list, struct pvb_err *err)
{
	_conf_free_ struct list_row **sorted = calloc(list->n + 1, sizeof(*sorted));
	int r = 0;

	list->kinds = calloc(list->n + 1, sizeof(*list->kinds));
	if (!sorted || !list->kinds)
		return out_of_memory(err);
	for (size_t i = 0; i < list->n; i++)
		sorted[i] = &list->rows[i];
	qsort(sorted, list->n, sizeof(*sorted), kind_order);
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		if (i == 0 || kind_order(&sorted[i - 1], &sorted[i]) != 0)
			r = kind_fill(list->cli->front.ctx, &list->kinds[list->num_kinds++], sorted[i]->fn, err);
		sorted[i]->kind = &list->kinds[list->num_kinds - 1];
	}
	return r;
}

const char *list_name(const struct list_row *row, char *buf, size_t size)
{
	if (*row->kind->name)
		return row->kind->name;
	if (*row->kind->class_name)
		return row->kind->class_name;
	snprintf(buf, size, "Device %04x:%04x", row->fn->vendor, row->fn->device);
	return buf;
}

/* ---- what the host uses ---- */

static int uses_find(struct list *list, struct pvb_err *err)
{
	_conf_free_ const struct pvb_function **fns = calloc(list->n + 1, sizeof(*fns));
	int r;

	if (!fns)
		return out_of_memory(err);
	for (size_t i = 0; i < list->n; i++)
		fns[i] = list->rows[i].fn;
	r = pvb_host_uses_find(list->cli->front.ctx, fns, list->n, &list->uses, err);
	for (size_t i = 0; r == 0 && i < list->uses.n; i++)
		list_find(list, &list->uses.list[i].addr)->use = &list->uses.list[i];
	return r;
}

/* ---- VMs ---- */

static int vm_add(struct list *list, unsigned vmid, const char *name, const struct pvb_wanted *wanted)
{
	struct list_vm *more = realloc(list->vms, (list->num_vms + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	list->vms = more;
	more[list->num_vms] = (struct list_vm){ .vmid = vmid, .addr = wanted->addr };
	conf_copy(more[list->num_vms].name, sizeof(more->name), name);
	conf_copy(more[list->num_vms].origin, sizeof(more->origin), wanted->origin);
	list->num_vms++;
	return 0;
}

/* What its hostpci lines and pvebind.ini come to. A fault of one VM is said, and no reason to show nothing. */
static int vm_look(struct list *list, unsigned vmid)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct pvb_err why;
	int r = 0;

	if (conf_request_build(list->cli->front.ctx, list->cli->front.config, vmid, NULL, &request, &extra, &why) < 0)
		pvb_log(list->cli->front.ctx, PVB_WARNING, "%s", why.text);
	for (size_t i = 0; r == 0 && i < request.num_wanted; i++)
		r = vm_add(list, vmid, extra.vm_name, &request.wanted[i]);
	conf_extra_clear(&extra);
	pvb_request_clear(&request);
	return r;
}

static int row_vm_add(struct list_row *row, const struct list_vm *vm)
{
	const struct list_vm **more = realloc(row->vms, (row->num_vms + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	row->vms = more;
	more[row->num_vms++] = vm;
	return 0;
}

static int vms_find(struct list *list, struct pvb_err *err)
{
	_conf_free_ unsigned *vmids = NULL;
	size_t n = 0;
	int r = conf_vm_list(list->cli->front.ctx, &vmids, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = vm_look(list, vmids[i]);
	for (size_t i = 0; r == 0 && i < list->num_vms; i++) {
		struct list_row *row;
		unsigned fn = 0;

		while (r == 0 && (row = pattern_next(list, &list->vms[i].addr, &fn)))
			r = row_vm_add(row, &list->vms[i]);
	}
	return r < 0 && r != -ENOENT ? pvb_err_set(err, r, "cannot list the VMs: %s", strerror(-r)) : 0;
}

/* ---- lends and stuck marks ---- */

static void lend_place(struct list *list, const struct pvb_lend *lend)
{
	for (size_t i = 0; i < lend->num_devices; i++) {
		struct list_row *row = list_find(list, &lend->devices[i].addr);

		if (row && pvb_lend_has(list->cli->front.ctx, lend, i))
			row->lend = lend;
	}
}

static int lends_find(struct list *list, struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err why;
	size_t n = 0;
	int r = pvb_lend_names(list->cli->front.ctx, &names, err);

	if (r < 0)
		return r;
	while (names[n])
		n++;
	list->lends = calloc(n + 1, sizeof(*list->lends));
	if (!list->lends)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++) {
		r = pvb_lend_read(list->cli->front.ctx, names[i], &list->lends[list->num_lends], &why);
		if (r == 0)
			lend_place(list, &list->lends[list->num_lends++]);
		else if (r != -ENOENT)
			pvb_log(list->cli->front.ctx, PVB_WARNING, "%s", why.text);
	}
	return 0;
}

static int stuck_note(struct list *list, const struct pvb_addr *addr)
{
	struct list_row *row = list_find(list, addr);
	char what[256];
	int pid = row ? pvb_device_stuck(list->cli->front.ctx, addr, what, sizeof(what)) : 0;

	if (pid && asprintf(&row->stuck, "%s (process %d)", what, pid) < 0) {
		row->stuck = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* "0000:01:00.0.stuck" */
static int stuck_find(struct list *list, struct pvb_err *err)
{
	_conf_strv_ char **names = NULL;
	int r = pvb_sysfs_list(list->cli->front.ctx, STATE_DIR, &names);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /" STATE_DIR ": %s", strerror(-r));
	for (char **name = names; r == 0 && *name; name++) {
		char *end = strstr(*name, ".stuck");
		struct pvb_addr addr;

		if (!end)
			continue;
		*end = '\0';
		if (pvb_addr_parse(*name, &addr, NULL) == 0)
			r = stuck_note(list, &addr);
	}
	return r < 0 ? out_of_memory(err) : 0;
}

/* ---- all of it ---- */

int list_look(struct list *list, struct cli *cli, struct pvb_err *err)
{
	int r;

	memset(list, 0, sizeof(*list));
	list->cli = cli;
	r = rows_make(list, err);
	if (r == 0)
		r = kinds_make(list, err);
	if (r == 0)
		r = uses_find(list, err);
	if (r == 0)
		r = vms_find(list, err);
	if (r == 0)
		r = lends_find(list, err);
	if (r == 0)
		r = stuck_find(list, err);
	return r;
}

void list_clear(struct list *list)
{
	for (size_t i = 0; i < list->n && list->rows; i++) {
		free(list->rows[i].vms);
		free(list->rows[i].stuck);
	}
	for (size_t i = 0; i < list->num_kinds; i++) {
		pvb_strv_free(list->kinds[i].modules);
		pvb_strv_free(list->kinds[i].variants);
	}
	for (size_t i = 0; i < list->num_lends; i++)
		pvb_lend_clear(&list->lends[i]);
	free(list->rows);
	free(list->kinds);
	free(list->details);
	pvb_host_uses_clear(&list->uses);
	free(list->vms);
	free(list->lends);
	pvb_snapshot_free(list->snapshot);
}
