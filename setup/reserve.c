/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that the host is never to have: reserved for VMs from boot on, by their ids. */
#include <stdio.h>
#include <string.h>

#include "../conf/modconf.h"
#include "../conf/parameter.h"
#include "hostplan.h"

#define IDS_MAX 1000 /* drivers/vfio/pci/vfio_pci.c: char ids[1024] */

static const struct pvb_function *function(const struct hostplan *h, size_t i)
{
	return pvb_snapshot_get(h->snapshot, i);
}

static size_t functions(const struct hostplan *h)
{
	return h->snapshot ? pvb_snapshot_count(h->snapshot) : 0;
}

/* ---- what speaks against one ---- */

static void uses_judge(struct hostplan *h, struct setup_point *point, const bool *chosen)
{
	_conf_free_ const struct pvb_function **fns = calloc(functions(h) + 1, sizeof(*fns));
	struct pvb_host_uses uses = { .n = 0 };
	char addr[PVB_ADDR_MAX];
	struct pvb_err err;
	size_t n = 0;

	if (!fns) {
		h->plan->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < functions(h); i++)
		if (chosen[i])
			fns[n++] = function(h, i);
	if (pvb_host_uses_find(h->ctx, fns, n, &uses, &err) < 0)
		plan_refuse(h->plan, point, "%s", err.text);
	for (size_t i = 0; i < uses.n; i++)
		plan_refuse(h->plan, point, "%s cannot be reserved, the host lives on it: %s%s%s", pvb_addr_format(&uses.list[i].addr, addr),
			    uses.list[i].disks, *uses.list[i].disks && *uses.list[i].nics ? ", " : "", uses.list[i].nics);
	pvb_host_uses_clear(&uses);
}

/* The host's only screen, and no other way in. */
static void screen_judge(struct hostplan *h, struct setup_point *point, const bool *chosen)
{
	const struct pvb_function *gone = NULL;
	char addr[PVB_ADDR_MAX];

	for (size_t i = 0; i < functions(h); i++) {
		if (function(h, i)->class_code >> 16 != 0x03)
			continue;
		if (!chosen[i])
			return;
		gone = function(h, i);
	}
	if (gone && !pvb_ways_in(h->ctx))
		plan_refuse(h->plan, point, "%s cannot be reserved: it is the host's only screen, and nothing listens for ssh or the web interface, nor is there a serial console: see to another way in first",
			    pvb_addr_format(&gone->addr, addr));
}

/* ---- ids ---- */

/* Another function with the same vendor and device, which stays with the host; sub: and the same subsystem. */
static const struct pvb_function *twin_find(const struct hostplan *h, size_t i, const bool *chosen, bool sub)
{
	const struct pvb_function *fn = function(h, i);

	for (size_t k = 0; k < functions(h); k++) {
		const struct pvb_function *other = function(h, k);

		if (!chosen[k] && !other->bridge && other->vendor == fn->vendor && other->device == fn->device &&
		    (!sub || (other->subvendor == fn->subvendor && other->subdevice == fn->subdevice)))
			return other;
	}
	return NULL;
}

static void id_choose(struct hostplan *h, struct setup_point *point, size_t i, const bool *chosen, struct reserve *want)
{
	const struct pvb_function *fn = function(h, i), *twin = twin_find(h, i, chosen, true);
	struct conf_id id = { fn->vendor, fn->device, fn->subvendor, fn->subdevice, false };
	char addr[PVB_ADDR_MAX], other[PVB_ADDR_MAX], text[CONF_ID_MAX];

	/* The maker's number of the board tells them apart, where there is one. */
	id.has_sub = twin_find(h, i, chosen, false) != NULL;
	if (twin)
		plan_refuse(h->plan, point, "%s cannot be reserved by its id %04x:%04x, as %s, which the host keeps, has the same: " RESERVE_RUNTIME,
			    pvb_addr_format(&fn->addr, addr), fn->vendor, fn->device, pvb_addr_format(&twin->addr, other));
	else if (!reserve_id_add(want, conf_id_format(&id, text)))
		plan_refuse(h->plan, point, "more than %d ids cannot be reserved", RESERVE_MAX);
}

/* By its own links, or by theirs: between these the kernel is making them, or taking them away. */
static unsigned virtual_functions(const struct hostplan *h, const struct pvb_function *fn)
{
	unsigned n = 0;

	for (size_t i = 0; i < functions(h); i++)
		n += function(h, i)->is_vf && pvb_addr_compare(&function(h, i)->physfn, &fn->addr) == 0;
	return n > fn->num_vfs ? n : fn->num_vfs;
}

static void function_judge(struct hostplan *h, struct setup_point *point, const struct pvb_function *fn)
{
	unsigned vfs = virtual_functions(h, fn);
	char addr[PVB_ADDR_MAX];

	if (vfs)
		plan_refuse(h->plan, point, "%s cannot be reserved: it has %u virtual functions, which would be gone with it: let VMs have those (pvebind lends one when a VM starts), or first give them up for good: echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs, and whatever makes them at boot",
			    pvb_addr_format(&fn->addr, addr), vfs, addr);
	else if (fn->is_vf)
		plan_refuse(h->plan, point, "%s is a virtual function, which is there only after the boot: " RESERVE_RUNTIME, pvb_addr_format(&fn->addr, addr));
	else if (fn->bridge)
		plan_refuse(h->plan, point, "%s is a bridge, which stays with the host", pvb_addr_format(&fn->addr, addr));
}

/* Those that are to be reserved, together with those that are. */
static void want_add(struct hostplan *h, struct setup_point *point, bool *chosen, struct reserve *want)
{
	for (size_t i = 0; i < functions(h); i++)
		if (chosen[i])
			function_judge(h, point, function(h, i));
	uses_judge(h, point, chosen);
	for (size_t i = 0; i < functions(h); i++)
		chosen[i] |= reserve_has(want, function(h, i));
	screen_judge(h, point, chosen);
	for (size_t i = 0; i < functions(h); i++)
		if (chosen[i] && !reserve_has(want, function(h, i)))
			id_choose(h, point, i, chosen, want);
	want->disable_vga |= h->wish->disable_vga;
}

/* Those that are to be given back. */
static void want_drop(struct hostplan *h, struct setup_point *point, const bool *chosen, struct reserve *want)
{
	size_t kept = 0;

	for (size_t i = 0; i < want->num_ids; i++) {
		bool goes = !h->wish->num_devices;

		for (size_t k = 0; k < h->wish->num_devices; k++)
			goes |= !strcasecmp(h->wish->devices[k], want->ids[i]);
		for (size_t k = 0; k < functions(h); k++)
			goes |= chosen[k] && reserve_id_is(want->ids[i], function(h, k));
		if (!goes)
			memmove(want->ids[kept++], want->ids[i], sizeof(want->ids[i]));
	}
	if (kept == want->num_ids && kept)
		plan_refuse(h->plan, point, "%s is not reserved by pvebind (" RESERVE_FILE ")", h->wish->devices[0]);
	want->num_ids = kept;
}

/* ---- the file ---- */

struct ours {
	const char *text;
	bool is;
};

static void ours_see(const struct setup_step *step, void *data)
{
	struct ours *ours = data;

	ours->is = !strcmp(step->after, ours->text);
}

/* Whether it says what the last setup made it say. */
static bool file_is_ours(struct pvb_ctx *ctx, const char *text)
{
	struct ours ours = { .text = text };

	return recorded_each(ctx, RESERVE_FILE, ours_see, &ours) == 0 && ours.is;
}

/* The kernel keeps one list of ids alone, the last that it is given. */
static void others_judge(struct hostplan *h, struct setup_point *point)
{
	char place[MODCONF_PLACE_MAX];
	struct pvb_modconf conf;
	struct pvb_err err;
	int r = pvb_modconf_read(h->ctx, &conf, &err);

	if (r < 0 && r != -ENOENT)
		plan_refuse(h->plan, point, "%s", err.text);
	for (size_t i = 0; i < conf.n; i++)
		if (modconf_is(&conf.lines[i], PVB_MODCONF_OPTIONS, "vfio_pci") && strcmp(conf.lines[i].file, RESERVE_FILE) != 0 &&
		    strstr(conf.lines[i].value, "ids="))
			plan_refuse(h->plan, point, "%s has ids for vfio-pci already, and the kernel keeps only one list of them: take that line out first",
				    modconf_place(&conf.lines[i], place));
	pvb_modconf_clear(&conf);
	if (configured_named(&h->loader.counts, "vfio-pci.ids"))
		plan_refuse(h->plan, point, "%s has vfio-pci.ids=, and the kernel keeps only one list of them: take it out first",
			    configured_named(&h->loader.counts, "vfio-pci.ids")->place);
}

static char *ids_join(const struct reserve *reserve)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; out && i < reserve->num_ids; i++)
		fprintf(out, "%s%s", i ? "," : "", reserve->ids[i]);
	if (!out || fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void file_plan(struct hostplan *h, struct setup_point *point, struct reserve *want)
{
	_conf_free_ char *text = NULL, *ids = ids_join(want);
	size_t steps = h->plan->steps.n;

	want->num_fns = 0;
	for (size_t i = 0; i < functions(h) && want->num_fns < RESERVE_MAX; i++)
		if (reserve_has(want, function(h, i)))
			want->fns[want->num_fns++] = *function(h, i);
	if (!reserve_drivers(h, point, want))
		return;
	if (ids && strlen(ids) > IDS_MAX)
		plan_refuse(h->plan, point, "so many ids are more than the kernel takes (%d bytes)", IDS_MAX);
	text = want->num_ids ? reserve_text(h->ctx, want) : NULL;
	if (!ids || (want->num_ids && !text))
		h->plan->error = -ENOMEM;
	plan_want(h->plan, point, want->num_ids ? "vfio-pci takes %s at boot" : "vfio-pci takes none at boot", ids);
	plan_why(h->plan, point, want->num_ids ? "a static reservation: from the next boot on the host never has them, whether a VM runs or not" :
		 "the host has its devices again, from the next boot on; pvebind lends them when a VM starts");
	plan_file(h, point, RESERVE_FILE, text, "modprobe reads it, at boot from the initramfs");
	if (h->plan->steps.n > steps)
		plan_command(h->plan, point, PLAN_INITRAMFS);
}

static bool same_ids(const struct reserve *a, const struct reserve *b)
{
	if (a->num_ids != b->num_ids || a->disable_vga != b->disable_vga)
		return false;
	return !memcmp(a->ids, b->ids, a->num_ids * sizeof(*a->ids));
}

static void reserve_change(struct hostplan *h, struct setup_point *point, bool *chosen, const char *text)
{
	_conf_free_ struct reserve *now = calloc(1, sizeof(*now)), *want = calloc(1, sizeof(*want));
	_conf_free_ char *ids = NULL;

	if (!now || !want) {
		h->plan->error = -ENOMEM;
		return;
	}
	reserve_parse(text ? text : "", now);
	ids = ids_join(now);
	plan_have(h->plan, point, now->num_ids ? "vfio-pci takes %s at boot, by " RESERVE_FILE : "nothing is reserved by pvebind", ids ? ids : "");
	*want = *now;
	if (h->wish->reserve)
		want_add(h, point, chosen, want);
	else
		want_drop(h, point, chosen, want);
	if (!point->refused && !same_ids(now, want))
		file_plan(h, point, want);
}

void reserve_plan(struct hostplan *h)
{
	struct setup_point *point = plan_point(h->plan, "reserve", true);
	_conf_free_ bool *chosen = calloc(functions(h) + 1, sizeof(*chosen));
	_conf_free_ char *text = plan_text(h, point, RESERVE_FILE);

	if (!chosen)
		h->plan->error = -ENOMEM;
	if (h->plan->error || point->refused)
		return;
	if (!h->snapshot)
		plan_refuse(h->plan, point, "the devices cannot be seen: %s", h->unseen);
	else if (h->wish->reserve && !h->wish->num_devices)
		plan_refuse(h->plan, point, "which device? Write its address or id behind --reserve (pvebind list shows both)");
	else if (text && !file_is_ours(h->ctx, text))
		plan_refuse(h->plan, point, RESERVE_FILE " is there, and pvebind did not write it so: move it away, and try again");
	else if (h->wish->reserve)
		others_judge(h, point);
	if (point->refused)
		return;
	reserve_choose(h, point, chosen);
	if (!point->refused)
		reserve_change(h, point, chosen, text);
}
