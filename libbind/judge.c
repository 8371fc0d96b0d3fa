/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks against lending: every refusal there is, all at once, before anything is written. */
#include <string.h>
#include <time.h>

#include "lend.h"

struct judgement {
	struct pvb_ctx *ctx;
	const struct pvb_request *request;
	const struct pvb_snapshot *snapshot;
	struct pvb_refusals *refusals;
	struct pvb_busy busy;
};

static int iommu_judge(struct judgement *j, const struct pvb_function *fn)
{
	char addr[PVB_ADDR_MAX];

	if (fn->group >= 0)
		return 0;
	return pvb_refuse(j->refusals, "no-iommu", &fn->addr,
			  "%s is in no IOMMU group: switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on (Intel; AMD needs nothing more)",
			  pvb_addr_format(&fn->addr, addr));
}

static int bus_judge(struct judgement *j, const struct pvb_function *fn)
{
	char addr[PVB_ADDR_MAX], what[320];

	pvb_addr_format(&fn->addr, addr);
	if (pvb_stuck_check(j->ctx, &fn->addr, what, sizeof(what)) < 0)
		return pvb_refuse(j->refusals, "stuck", &fn->addr,
				  "%s hangs in the kernel since an earlier try, in %s: it can be used again after that ends or after a reboot of the host",
				  addr, what);
	if (!fn->off_bus)
		return 0;
	return pvb_refuse(j->refusals, "off-bus", &fn->addr,
			  "%s does not answer (its configuration space reads 0xffff): it has fallen off the bus; power the host off and on",
			  addr);
}

static int sriov_judge(struct judgement *j, const struct pvb_function *fn)
{
	char addr[PVB_ADDR_MAX];

	if (!fn->num_vfs)
		return 0;
	return pvb_refuse(j->refusals, "sriov-parent", &fn->addr,
			  "%s has %u virtual functions that would vanish with it: lend one of those instead, or first: echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs",
			  pvb_addr_format(&fn->addr, addr), fn->num_vfs, addr);
}

static const struct pvb_wanted *wanted_find(const struct pvb_request *request, const struct pvb_function *fn)
{
	for (size_t i = 0; i < request->num_wanted; i++)
		if (pvb_addr_matches(&request->wanted[i].addr, &fn->addr))
			return &request->wanted[i];
	return NULL;
}

static bool identity_differs(const struct pvb_wanted *w, const struct pvb_function *fn)
{
	if (fn->vendor != w->expect_vendor || fn->device != w->expect_device)
		return true;
	return w->has_expect_sub && (fn->subvendor != w->expect_subvendor || fn->subdevice != w->expect_subdevice);
}

static int identity_judge(struct judgement *j, const struct pvb_function *fn)
{
	const struct pvb_wanted *w = wanted_find(j->request, fn);
	char addr[PVB_ADDR_MAX], sub[16] = "";

	if (!w || !w->has_expect || !identity_differs(w, fn))
		return 0;
	if (w->addr.fn == PVB_FN_ALL && fn->addr.fn != 0)
		return 0; /* of a slot, function 0 is the one described */
	if (w->has_expect_sub)
		snprintf(sub, sizeof(sub), ":%04x:%04x", w->expect_subvendor, w->expect_subdevice);
	return pvb_refuse(j->refusals, "identity", &fn->addr,
			  "%s is %04x:%04x:%04x:%04x, not %04x:%04x%s as %s says: a card was moved or replaced; correct that, or find the card with lspci -nn",
			  pvb_addr_format(&fn->addr, addr), fn->vendor, fn->device, fn->subvendor, fn->subdevice,
			  w->expect_vendor, w->expect_device, sub, *w->origin ? w->origin : "the request");
}

static void since_format(int64_t since, char *buf, size_t size)
{
	time_t t = (time_t)since;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, size, "an unknown time");
}

static int held_judge(struct judgement *j, const struct pvb_function *fn)
{
	char name[32], addr[PVB_ADDR_MAX], since[32];
	struct pvb_lend lend;
	struct pvb_err err;
	int r = pvb_device_holder(j->ctx, &fn->addr, name, sizeof(name));

	if (r < 0 || !strcmp(name, j->request->name))
		return 0;
	r = pvb_lend_read(j->ctx, name, &lend, &err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return pvb_refuse(j->refusals, "held", &fn->addr, "%s is lent to %s: %s",
				  pvb_addr_format(&fn->addr, addr), name, err.text);
	since_format(lend.since, since, sizeof(since));
	r = pvb_refuse(j->refusals, "held", &fn->addr,
		       "%s is lent to %s since %s (%s): stop %s first, or bring it home with: pvebind return %s",
		       pvb_addr_format(&fn->addr, addr), lend.label, since, pvb_state_name(lend.state), lend.label,
		       name);
	pvb_lend_clear(&lend);
	return r;
}

static int open_judge(struct judgement *j, const struct pvb_function *fn)
{
	_cleanup_strv_ char **paths = NULL;
	struct pvb_holders holders = { .n = 0 };
	struct pvb_nodes nodes = { .n = 0 };
	char addr[PVB_ADDR_MAX], who[160];
	int r;

	if (!fn->vfio)
		return 0;
	r = pvb_vfio_nodes(j->ctx, fn, &paths);
	for (char **path = paths; r == 0 && *path; path++)
		r = pvb_nodes_add(&nodes, &fn->addr, *path);
	if (r == 0)
		r = pvb_holders_find(j->ctx, &nodes, &holders);
	pvb_addr_format(&fn->addr, addr);
	if (r == 0 && holders.n)
		r = pvb_refuse(j->refusals, "in-use-by-vm", &fn->addr, "%s is in use by %s, which has %s open: stop that one first",
			       addr, pvb_holder_describe(&holders.list[0], who, sizeof(who)), holders.list[0].node);
	else if (r == 0 && pvb_holders_unknown(j->ctx, &holders, who, sizeof(who)))
		r = pvb_refuse(j->refusals, "in-use-by-vm", &fn->addr,
			       "%s is on %s and %s, so that may have it open: run pvebind as root", addr, fn->driver, who);
	pvb_holders_clear(&holders);
	pvb_nodes_clear(&nodes);
	return r;
}

static int busy_judge(struct judgement *j, const struct pvb_function *fn)
{
	return pvb_busy_judge(&j->busy, fn, j->refusals);
}

/* A member that nobody asked for moves along; one that the host or another VM lives on may not, and so neither the rest. */
static int group_judge(struct judgement *j, const struct pvb_function *fn, const struct pvb_refusal *refusal)
{
	char member[PVB_ADDR_MAX], addr[PVB_ADDR_MAX];
	const struct pvb_refusal because = *refusal; /* its list moves as it grows */

	for (size_t i = 0; i < pvb_snapshot_count(j->snapshot); i++) {
		const struct pvb_function *named = pvb_snapshot_get(j->snapshot, i);

		if (!named->named || named->group != fn->group)
			continue;
		return pvb_refuse(j->refusals, "group-shared", &named->addr,
				  "%s shares IOMMU group %d with %s, which stays in use (%s), and a group goes to one VM as a whole: put the card into another slot, or free that device",
				  pvb_addr_format(&named->addr, addr), fn->group, pvb_addr_format(&fn->addr, member),
				  because.name);
	}
	return 0;
}

static int function_judge(struct judgement *j, const struct pvb_function *fn)
{
	static int (*const judges[])(struct judgement *, const struct pvb_function *) = {
		iommu_judge, bus_judge, identity_judge, sriov_judge, held_judge, open_judge, busy_judge,
	};
	size_t before = j->refusals->n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(judges); i++)
		r = judges[i](j, fn);
	if (r == 0)
		r = pvb_critical_find(j->ctx, fn, j->refusals);
	if (r == 0 && !fn->named && j->refusals->n > before)
		r = group_judge(j, fn, &j->refusals->list[before]);
	return r;
}

int pvb_judge(struct pvb_ctx *ctx, const struct pvb_request *request, const struct pvb_snapshot *snapshot,
	      struct pvb_refusals *refusals, struct pvb_err *err)
{
	struct judgement j = { .ctx = ctx, .request = request, .snapshot = snapshot, .refusals = refusals };
	int r = pvb_refusals_copy(refusals, &request->refusals);

	if (r == 0)
		r = pvb_busy_look(ctx, &request->settings, snapshot, &j.busy);
	for (size_t i = 0; r == 0 && i < pvb_snapshot_count(snapshot); i++)
		if (!pvb_snapshot_get(snapshot, i)->bridge)
			r = function_judge(&j, pvb_snapshot_get(snapshot, i));
	pvb_busy_clear(&j.busy);
	if (r < 0)
		return pvb_err_set(err, r, "cannot find out what the host needs: %s", strerror(-r));
	pvb_refusals_allow(refusals, request);
	return 0;
}

int pvb_judge_console(struct pvb_ctx *ctx, const struct pvb_request *request, const struct pvb_console *console,
		      struct pvb_refusals *refusals)
{
	int r = 0;

	if (console->all && *console->vtcons && !pvb_console_other_way(ctx))
		r = pvb_refuse(refusals, "last-console", &console->owner,
			       "the host's only console is on this card, and no serial console, ssh or web interface listens: the host could not be reached any more; start ssh, or allow it on purpose");
	pvb_refusals_allow(refusals, request);
	return r;
}
