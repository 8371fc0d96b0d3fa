/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an address, an id or a mapping to devices of this host that the request wants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

static int out_of_memory(struct pvb_err *err)
{
	return pvb_err_set(err, -ENOMEM, "out of memory");
}

/* ---- the list --------------------------------------------------------------- */

static bool expect_same(const struct pvb_wanted *a, const struct pvb_wanted *b)
{
	return a->has_expect == b->has_expect && a->expect_vendor == b->expect_vendor &&
	       a->expect_device == b->expect_device && a->has_expect_sub == b->has_expect_sub &&
	       a->expect_subvendor == b->expect_subvendor && a->expect_subdevice == b->expect_subdevice;
}

/* One address is wanted once, unless two different things are expected there: both are to be checked. */
static bool wanted_merge(struct pvb_request *request, const struct pvb_wanted *new)
{
	for (size_t i = 0; i < request->num_wanted; i++) {
		struct pvb_wanted *old = &request->wanted[i];
		bool variant = old->variant || new->variant;

		if (pvb_addr_compare(&old->addr, &new->addr))
			continue;
		if (new->has_expect && old->has_expect && !expect_same(old, new))
			continue;
		if (!old->has_expect) {
			char origin[sizeof(old->origin)];

			memcpy(origin, old->origin, sizeof(origin));
			*old = *new;
			memcpy(old->origin, origin, sizeof(origin));
		}
		old->variant = variant;
		return true;
	}
	return false;
}

static int wanted_add(const struct conf_ask *ask, const struct pvb_addr *addr, const struct conf_id *expect,
		      struct pvb_err *err)
{
	struct pvb_request *request = ask->request;
	struct pvb_wanted wanted = { .addr = *addr, .variant = ask->variant, .has_expect = expect != NULL }, *more;

	if (expect) {
		wanted.expect_vendor = expect->vendor;
		wanted.expect_device = expect->device;
		wanted.has_expect_sub = expect->has_sub;
		wanted.expect_subvendor = expect->subvendor;
		wanted.expect_subdevice = expect->subdevice;
	}
	conf_copy(wanted.origin, sizeof(wanted.origin), ask->origin);
	if (wanted_merge(request, &wanted))
		return 0;
	more = realloc(request->wanted, (request->num_wanted + 1) * sizeof(*more));
	if (!more)
		return out_of_memory(err);
	request->wanted = more;
	more[request->num_wanted++] = wanted;
	return 0;
}

/* ---- by address ----------------------------------------------------------------- */

/* An address is one node's; what it is called on all of them is a mapping. */
static const char *mapping_advice(const struct conf_ask *ask)
{
	_conf_strv_ char **nodes = NULL;
	bool several = conf_node_list(ask->ctx, &nodes) == 0 && nodes[0] && nodes[1];

	if (!several || !strcmp(ask->at.file, CONF_MAPPING_FILE))
		return "";
	return ", or name the device by a mapping with an entry for each node";
}

#define FUNCTION_PATH_MAX 64

/* The function's folder, or that of the slot's first; false: there is none. */
static bool function_find(const struct pvb_ctx *ctx, const struct pvb_addr *addr, char path[FUNCTION_PATH_MAX])
{
	bool slot = addr->fn == PVB_FN_ALL, found = false;
	struct pvb_addr fn = *addr;
	char text[PVB_ADDR_MAX];

	for (fn.fn = slot ? 0 : addr->fn; !found && fn.fn <= (slot ? 7 : addr->fn); fn.fn++) {
		snprintf(path, FUNCTION_PATH_MAX, "sys/bus/pci/devices/%s", pvb_addr_format(&fn, text));
		found = pvb_sysfs_exists(ctx, path);
	}
	return found;
}

/* What there is to know of it is read once, when the plan is made; here it must only be there. */
static int addr_look(const struct conf_ask *ask, const struct pvb_addr *addr, char path[FUNCTION_PATH_MAX],
		     struct pvb_err *err)
{
	char text[PVB_ADDR_MAX];

	if (function_find(ask->ctx, addr, path))
		return 0;
	return pvb_err_set(err, -ENODEV,
			   "VM %u: %s names %s, which is not on this host, %s (moved, removed or switched off; 'lspci -D' shows what is there): correct %s in %s:%u%s",
			   ask->vmid, ask->origin, pvb_addr_format(addr, text), ask->node, ask->key, ask->at.file,
			   ask->at.line, mapping_advice(ask));
}

static int addr_refuse_reserved(const struct conf_ask *ask, const struct pvb_addr *addr, struct pvb_err *err)
{
	unsigned owner = conf_vmstate_reserved(ask->ctx, addr, ask->vmid);
	char text[PVB_ADDR_MAX];

	if (!owner)
		return 0;
	if (pvb_refuse(&ask->request->refusals, "reserved-by-pve", addr,
		       "%s (%s) is reserved for VM %u, says Proxmox VE: stop VM %u first", pvb_addr_format(addr, text),
		       ask->origin, owner, owner) < 0)
		return out_of_memory(err);
	return 0;
}

int conf_want_addr(const struct conf_ask *ask, const struct pvb_addr *addr, struct pvb_err *err)
{
	char path[FUNCTION_PATH_MAX];
	int r = addr_look(ask, addr, path, err);

	if (r == 0)
		r = addr_refuse_reserved(ask, addr, err);
	return r < 0 ? r : wanted_add(ask, addr, ask->expect, err);
}

/* ---- by id ------------------------------------------------------------------------ */

/* What has an id: how many devices, and the first two of them. */
struct matches {
	struct pvb_addr first, second;
	unsigned n;         /* devices: slots, or VFs */
	unsigned functions; /* of the first */
};

static bool id_is(const struct pvb_function *fn, const struct conf_id *id)
{
	return fn->vendor == id->vendor && fn->device == id->device &&
	       (!id->has_sub || (fn->subvendor == id->subvendor && fn->subdevice == id->subdevice));
}

/* The functions of a slot are one card; the VFs there are a device each. Functions come in address order. */
static void match_add(struct matches *matches, const struct pvb_function *fn)
{
	struct pvb_addr device = fn->addr;

	if (!fn->is_vf)
		device.fn = PVB_FN_ALL;
	if (matches->n && !pvb_addr_compare(&matches->first, &device)) {
		matches->functions++;
		return;
	}
	if (matches->n == 0) {
		matches->first = device;
		matches->functions = 1;
	} else if (matches->n == 1) {
		matches->second = device;
	} else if (!pvb_addr_compare(&matches->second, &device)) {
		return;
	}
	matches->n++;
}

/* On a root bus a slot's functions are devices of their own (00:14.0 USB, 00:14.3 Wi-Fi): one
 * that alone has the id is meant alone. Behind a bridge it stands for its card. */
static void match_narrow(struct matches *matches, const struct pvb_function *fn)
{
	if (matches->n == 1 && matches->functions == 1 && fn->num_bridges == 0)
		matches->first = fn->addr;
}

static int id_find(const struct conf_ask *ask, const struct conf_id *id, struct matches *matches, struct pvb_err *err)
{
	const struct pvb_function *last = NULL;
	struct pvb_snapshot *snapshot;
	int r = pvb_snapshot_take(ask->ctx, NULL, 0, 0, &snapshot, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pvb_snapshot_count(snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(snapshot, i);

		if (!id_is(fn, id))
			continue;
		match_add(matches, fn);
		last = fn;
	}
	if (last)
		match_narrow(matches, last);
	pvb_snapshot_free(snapshot);
	return 0;
}

static int id_refuse_ambiguous(const struct conf_ask *ask, const struct conf_id *id, const struct matches *matches,
			       struct pvb_err *err)
{
	char text[CONF_ID_MAX], first[PVB_ADDR_MAX], second[PVB_ADDR_MAX], more[32] = "";

	if (matches->n > 2)
		snprintf(more, sizeof(more), " (and %u more)", matches->n - 2);
	/* The first stands in for the device, so that there is a request that can be refused. */
	if (pvb_refuse(&ask->request->refusals, "ambiguous", &matches->first,
		       "%s: %s and %s%s have the id %s: name one by its address with %s in %s:%u", ask->origin,
		       pvb_addr_format(&matches->first, first), pvb_addr_format(&matches->second, second), more,
		       conf_id_format(id, text), ask->key, ask->at.file, ask->at.line) < 0)
		return out_of_memory(err);
	return wanted_add(ask, &matches->first, NULL, err);
}

int conf_want_id(const struct conf_ask *ask, const struct conf_id *id, struct pvb_err *err)
{
	struct matches matches = { .n = 0 };
	char text[CONF_ID_MAX];
	int r = id_find(ask, id, &matches, err);

	if (r < 0)
		return r;
	if (matches.n == 0)
		return pvb_err_set(err, -ENODEV,
				   "VM %u: %s: no device of this host, %s, has the id %s ('lspci -nn' shows them): correct %s in %s:%u",
				   ask->vmid, ask->origin, ask->node, conf_id_format(id, text), ask->key, ask->at.file,
				   ask->at.line);
	if (matches.n > 1)
		return id_refuse_ambiguous(ask, id, &matches, err);
	return conf_want_addr(ask, &matches.first, err);
}

/* ---- by mapping ---------------------------------------------------------------------- */

static bool addr_overlaps(const struct pvb_addr *a, const struct pvb_addr *b)
{
	return pvb_addr_matches(a, b) || pvb_addr_matches(b, a);
}

/* Another hostpciN of this VM that has the device; PVE/QemuServer/PCI.pm's choose_hostpci_devices()
 * knows of those only. */
static const char *path_user(const struct conf_ask *ask, const struct pvb_addr *path)
{
	const struct pvb_request *request = ask->request;

	for (size_t i = 0; i < request->num_wanted; i++)
		if (!strncmp(request->wanted[i].origin, "hostpci", 7) &&
		    strcmp(request->wanted[i].origin, ask->origin) && addr_overlaps(&request->wanted[i].addr, path))
			return request->wanted[i].origin;
	return NULL;
}

/* Whether one of the alternative's devices is taken; "0000:01:00 by VM 101" is added to who. */
static bool alternative_taken(const struct conf_ask *ask, const struct conf_alternative *alt, char *who, size_t size)
{
	for (size_t i = 0; i < alt->num_paths; i++) {
		unsigned owner = conf_vmstate_reserved(ask->ctx, &alt->paths[i], ask->vmid);
		const char *user = path_user(ask, &alt->paths[i]);
		size_t used = strlen(who);
		char text[PVB_ADDR_MAX], vm[16] = "";

		if (owner)
			snprintf(vm, sizeof(vm), "VM %u", owner);
		if (!owner && !user)
			continue;
		snprintf(who + used, size - used, "%s%s by %s", used ? ", " : "", pvb_addr_format(&alt->paths[i], text),
			 owner ? vm : user);
		return true;
	}
	return false;
}

/* Proxmox VE will compare the group after us, and then fail the start: say so before. */
static int group_check(const struct conf_ask *ask, const char *mapping, const struct conf_alternative *alt,
		       struct pvb_err *err)
{
	char path[FUNCTION_PATH_MAX], link[FUNCTION_PATH_MAX + 16], group[16], text[PVB_ADDR_MAX];
	int r = addr_look(ask, &alt->paths[0], path, err);

	if (r < 0 || alt->group < 0)
		return r;
	snprintf(link, sizeof(link), "%s/iommu_group", path);
	if (pvb_sysfs_link(ask->ctx, link, group, sizeof(group)) < 0 || !*group || atoi(group) == alt->group)
		return 0;
	if (pvb_refuse(&ask->request->refusals, "identity", &alt->paths[0],
		       "%s is in IOMMU group %s, mapping '%s' (" CONF_MAPPING_FILE
		       ":%u) expects %d: see whether it is the right device, then edit the mapping",
		       pvb_addr_format(&alt->paths[0], text), group, mapping, alt->line, alt->group) < 0)
		return out_of_memory(err);
	return 0;
}

/* Both what the mapping and what [device] expects are to hold. An address that is wrong is the mapping's. */
static int alternative_want(const struct conf_ask *asked, const char *mapping, const struct conf_alternative *alt,
			    struct pvb_err *err)
{
	struct conf_ask ask = *asked;
	int r;

	ask.key = "the mapping";
	ask.at = (struct conf_at){ .file = CONF_MAPPING_FILE, .line = alt->line };
	r = group_check(&ask, mapping, alt, err);
	for (size_t i = 0; r == 0 && i < alt->num_paths; i++) {
		r = conf_want_addr(&ask, &alt->paths[i], err);
		if (r == 0 && alt->has_id)
			r = wanted_add(&ask, &alt->paths[i], &alt->id, err);
	}
	return r;
}

static int mapping_choose(const struct conf_ask *ask, const char *name, const struct conf_mapping *mapping,
			  struct pvb_err *err)
{
	char who[256] = "";

	/* A single one is not chosen: what is wrong with it is said of it. */
	if (mapping->n == 1)
		return alternative_want(ask, name, &mapping->list[0], err);
	for (size_t i = 0; i < mapping->n; i++)
		if (!alternative_taken(ask, &mapping->list[i], who, sizeof(who)))
			return alternative_want(ask, name, &mapping->list[i], err);
	/* The first stands in for the device, so that there is a request that can be refused. */
	if (pvb_refuse(&ask->request->refusals, "reserved-by-pve", &mapping->list[0].paths[0],
		       "%s: every device of mapping '%s' on node %s is taken (%s): stop one of those VMs, or map another device",
		       ask->origin, name, ask->node, who) < 0)
		return out_of_memory(err);
	return wanted_add(ask, &mapping->list[0].paths[0], NULL, err);
}

int conf_want_mapping(const struct conf_ask *ask, const char *name, struct pvb_err *err)
{
	struct conf_mapping mapping;
	struct pvb_err why;
	int r = conf_mapping_load(ask->ctx, name, ask->node, &mapping, &why);

	if (r == 0)
		r = mapping_choose(ask, name, &mapping, err);
	else
		pvb_err_set(err, r, "VM %u: %s: %s", ask->vmid, ask->origin, why.text);
	conf_mapping_clear(&mapping);
	return r;
}
