/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which functions are meant by the addresses and ids of --reserve. */
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

#define CLASS_DISPLAY 0x03
#define CLASS_SOUND 0x0403

static const struct pvb_function *function(const struct hostplan *h, size_t i)
{
	return pvb_snapshot_get(h->snapshot, i);
}

static bool same_slot(const struct pvb_function *a, const struct pvb_function *b)
{
	return a->addr.domain == b->addr.domain && a->addr.bus == b->addr.bus && a->addr.dev == b->addr.dev;
}

/* Of one slot, and neither a bridge nor a virtual function, which are devices of their own. */
static bool beside(const struct pvb_function *a, const struct pvb_function *b)
{
	return same_slot(a, b) && !a->bridge && !b->bridge && !a->is_vf && !b->is_vf;
}

/* A display and the sound of its outputs. */
static bool display_and_sound(const struct pvb_function *fn, const struct pvb_function *other)
{
	return fn->class_code >> 16 == CLASS_DISPLAY && other->class_code >> 8 == CLASS_SOUND && fn->vendor == other->vendor;
}

/* What a group keeps together, and a display with its sound whatever the groups say (pcie_acs_override parts them). More is
 * not taken: a slot may have a processor's graphics and the host's keyboard (04:00.0 and the USB of 04:00.3), or be a root
 * bus's (00:14.0 USB, 00:14.3 Wi-Fi). Where the IOMMU is yet to be switched on, a card behind a bridge is what one maker
 * has put there. */
static bool belongs_to(const struct pvb_function *fn, const struct pvb_function *other)
{
	if (!beside(fn, other))
		return false;
	if (display_and_sound(fn, other) || display_and_sound(other, fn))
		return true;
	return fn->group >= 0 ? fn->group == other->group : fn->num_bridges && fn->vendor == other->vendor;
}

static void slot_choose(const struct hostplan *h, size_t i, bool *chosen)
{
	for (size_t k = 0; k < pvb_snapshot_count(h->snapshot); k++)
		chosen[k] |= k == i || belongs_to(function(h, i), function(h, k));
}

/* -ENODEV: there is none; -EEXIST, unless all are meant: an id that is in several slots. */
static int device_choose(const struct hostplan *h, const char *text, bool all, bool *chosen)
{
	const struct pvb_function *first = NULL;
	struct pvb_addr addr;
	bool is_addr = pvb_addr_parse(text, &addr, NULL) == 0;

	for (size_t i = 0; i < pvb_snapshot_count(h->snapshot); i++) {
		const struct pvb_function *fn = function(h, i);

		if (fn->bridge || !(is_addr ? pvb_addr_matches(&addr, &fn->addr) : reserve_id_is(text, fn)))
			continue;
		if (first && !all && !same_slot(first, fn))
			return -EEXIST;
		first = first ? first : fn;
		slot_choose(h, i, chosen);
	}
	return first ? 0 : -ENODEV;
}

/* ---- what is told ---- */

struct names {
	char text[400];
	size_t n;
};

static void name_add(struct names *names, const struct pvb_function *fn)
{
	size_t have = strlen(names->text);
	char addr[PVB_ADDR_MAX];

	snprintf(names->text + have, sizeof(names->text) - have, "%s%s%s%s%s", names->n++ ? ", " : "", pvb_addr_format(&fn->addr, addr),
		 *fn->driver ? " (" : "", fn->driver, *fn->driver ? ")" : "");
}

/* The slot of a function that was chosen: what goes with it from other groups, and what does not go with it. */
static void slot_tell(struct hostplan *h, const struct pvb_function *fn, const bool *chosen)
{
	struct names along = { .n = 0 }, left = { .n = 0 };
	char addr[PVB_ADDR_MAX];

	for (size_t k = 0; k < pvb_snapshot_count(h->snapshot); k++) {
		const struct pvb_function *other = function(h, k);

		if (other == fn || !beside(fn, other))
			continue;
		if (!chosen[k])
			name_add(&left, other);
		else if (other->group != fn->group)
			name_add(&along, other);
	}
	pvb_addr_format(&fn->addr, addr);
	if (along.n)
		plan_hint(h->plan, SETUP_HINT_WARNING, "", "with %s the host also loses %s: of the same card, though in another IOMMU group",
			  addr, along.text);
	if (left.n)
		plan_hint(h->plan, SETUP_HINT_WARNING, "", "of the slot of %s is left out, and stays with the host: %s, as %s: name it too if it is to go along",
			  addr, left.text, fn->group < 0 ? "without IOMMU groups it cannot be seen whether it belongs to it" : "its IOMMU group is another");
}

static bool slot_told(const struct hostplan *h, size_t i, const bool *chosen)
{
	for (size_t k = 0; k < i; k++)
		if (chosen[k] && beside(function(h, i), function(h, k)))
			return true;
	return false;
}

void reserve_choose(struct hostplan *h, struct setup_point *point, bool *chosen)
{
	for (size_t i = 0; i < h->wish->num_devices; i++) {
		int r = device_choose(h, h->wish->devices[i], !h->wish->reserve, chosen);

		/* One that was reserved may have gone. */
		if (r == -ENODEV && h->wish->reserve)
			plan_refuse(h->plan, point, "there is no device %s here (pvebind list shows all)", h->wish->devices[i]);
		else if (r == -EEXIST)
			plan_refuse(h->plan, point, "%s is the id of several devices: name the addresses of all that are to be reserved; one alone cannot be by its id, but "
				    RESERVE_RUNTIME, h->wish->devices[i]);
	}
	for (size_t i = 0; h->wish->reserve && i < pvb_snapshot_count(h->snapshot); i++)
		if (chosen[i] && !slot_told(h, i, chosen))
			slot_tell(h, function(h, i), chosen);
}
