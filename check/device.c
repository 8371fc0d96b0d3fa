/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 07 and 09: the devices, what comes with them, and the table of all checks of them. */
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "groups.h"

#define DESCRIBE_MAX 256

/* ---- all functions of the slot ---- */

/* A card's functions; inside the root complex those of a slot are devices of their own, and VFs are so everywhere. */
static bool is_of_card(const struct pvb_function *fn)
{
	return fn->num_bridges && !fn->is_vf && !fn->bridge;
}

static bool slot_seen(const struct device_look *look, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (is_of_card(look->devices[k]) && device_same_slot(look->devices[k], look->devices[i]))
			return true;
	return false;
}

static const char *slot_name(const struct pvb_function *fn, char buf[PVB_ADDR_MAX])
{
	struct pvb_addr slot = fn->addr;

	slot.fn = PVB_FN_ALL;
	return pvb_addr_format(&slot, buf);
}

static void missing_say(struct check_run *run, const struct pvb_function *fn, const struct pvb_function *missing)
{
	char text[DESCRIBE_MAX], slot[PVB_ADDR_MAX];

	check_describe(&run->host, missing, text, sizeof(text));
	/* A processor's own graphics, with its USB and what else it has. */
	if (missing->vendor != fn->vendor) {
		check_warn(run, "", "%s is in the same slot and stays with the host, as in a processor with graphics: so it cannot be reset as a whole",
			   text);
		return;
	}
	if (missing->group >= 0 && missing->group == fn->group)
		check_warn(run, "",
			   "%s is of the same card and the same IOMMU group: it leaves the host as well, but the VM does not get it", text);
	else if (*fn->reset_methods && strcmp(fn->reset_methods, "pm") != 0)
		check_warn(run, "", "%s is of the same card, and stays with the host: drivers often need both", text);
	else
		check_fail(run, "",
			   "%s is of the same card, and stays with the host: so the card cannot be reset, and works once at most", text);
	check_advise(run, "Name the slot without a function, so that all of them go along: %s", slot_name(fn, slot));
}

static void slot_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	size_t n = 0, missing = 0;
	char slot[PVB_ADDR_MAX];

	for (size_t i = 0; i < pvb_snapshot_count(look->host->snapshot); i++) {
		const struct pvb_function *other = pvb_snapshot_get(look->host->snapshot, i);

		if (!is_of_card(other) || !device_same_slot(fn, other))
			continue;
		n++;
		if (device_goes_along(look, other))
			continue;
		missing++;
		missing_say(run, fn, other);
	}
	if (missing)
		return;
	if (n == 1)
		check_ok(run, "", "it is the only function of its slot");
	else if (look->host->devices_wanted)
		check_ok(run, "", "all %zu functions of the slot go along", n);
	else
		check_ok(run, "", "its slot has %zu functions; as %s a VM gets all of them", n, slot_name(fn, slot));
}

static void slots_say(struct check_run *run, const struct device_look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		if (!is_of_card(look->devices[i]) || slot_seen(look, i))
			continue;
		check_about(run, &look->devices[i]->addr);
		slot_say(run, look, look->devices[i]);
	}
}

/* ---- the IOMMU group ---- */

/* Why it is shared, into buf. */
static void reason_find(const struct device_look *look, int group, char *buf, size_t size)
{
	size_t all = pvb_snapshot_count(look->host->snapshot), n = 0;
	_conf_free_ const struct pvb_function **members = calloc(all + 1, sizeof(*members));
	_conf_free_ struct pvb_addr *addrs = calloc(all + 1, sizeof(*addrs));
	_conf_free_ struct pvb_details *details = NULL;
	struct pvb_group_reason reason = { .text = "" };
	struct pvb_err ignored;

	for (size_t i = 0; members && addrs && i < all; i++) {
		const struct pvb_function *fn = pvb_snapshot_get(look->host->snapshot, i);

		if (fn->group != group)
			continue;
		addrs[n] = fn->addr;
		members[n++] = fn;
	}
	details = calloc(n + 1, sizeof(*details));
	if (n && details && pvb_details_read_all(look->host->ctx, addrs, n, details, &ignored) == 0)
		pvb_group_explain(members, details, n, &reason);
	snprintf(buf, size, "%s", reason.text);
}

static void others_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn, const char *names,
		       size_t n)
{
	char why[256];

	reason_find(look, fn->group, why, sizeof(why));
	check_warn(run, "", "IOMMU group %d goes as a whole: with it the host loses %s", fn->group, names);
	check_advise(run, "%s%sPut the card into another slot%s; pvebind list shows the groups.", why, *why ? ". " : "",
		     n > 1 ? ", or name those devices for the VM, too" : ", or name that device for the VM, too");
}

static void group_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	char names[512] = "", text[DESCRIBE_MAX];
	size_t others = 0, members = 0;

	for (size_t i = 0; i < pvb_snapshot_count(look->host->snapshot); i++) {
		const struct pvb_function *other = pvb_snapshot_get(look->host->snapshot, i);
		size_t have = strlen(names);

		if (other->group != fn->group || other->bridge)
			continue;
		members++;
		/* Those of its own slot: slot-functions. */
		if (device_goes_along(look, other) || (is_of_card(fn) && device_same_slot(fn, other)))
			continue;
		check_describe(look->host, other, text, sizeof(text));
		snprintf(names + have, sizeof(names) - have, "%s%s%s%s", others++ ? ", " : "", text, *other->driver ? ", driver " : "",
			 other->driver);
	}
	if (others)
		others_say(run, look, fn, names, others);
	else if (members > 1)
		check_ok(run, "", "the %zu functions of IOMMU group %d go together", members, fn->group);
	else
		check_ok(run, "", "it is alone in its IOMMU group (%d)", fn->group);
}

static bool group_seen(const struct device_look *look, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (look->devices[k]->group == look->devices[i]->group)
			return true;
	return false;
}

static void groups_say(struct check_run *run, const struct device_look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		const struct pvb_function *fn = look->devices[i];

		check_about(run, &fn->addr);
		if (fn->group < 0)
			check_unknown(run, "", "it is in no IOMMU group; see iommu");
		else if (!group_seen(look, i))
			group_say(run, look, fn);
	}
}

/* ---- the same id twice ---- */

static const struct pvb_function *twin_find(const struct device_look *look, const struct pvb_function *fn)
{
	for (size_t i = 0; i < pvb_snapshot_count(look->host->snapshot); i++) {
		const struct pvb_function *other = pvb_snapshot_get(look->host->snapshot, i);

		if (other->vendor != fn->vendor || other->device != fn->device || other->is_vf || other == fn)
			continue;
		if (!device_same_slot(fn, other) || !device_goes_along(look, other))
			return other;
	}
	return NULL;
}

static void twin_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn,
		     const struct pvb_function *twin)
{
	char where[320], text[PVB_ADDR_MAX];

	pvb_addr_format(&twin->addr, text);
	if (look->modconf_code < 0) {
		check_unknown(run, "/etc/modprobe.d", "%s has the same id (%04x:%04x), and whether ids= names it cannot be read", text,
			      fn->vendor, fn->device);
	} else if (device_in_ids(look, fn, where, sizeof(where))) {
		check_warn(run, where, "ids= takes %s as well, which has the same id (%04x:%04x)", text, fn->vendor, fn->device);
		check_advise(run, "Take the id out of ids= and update the initramfs: pvebind goes by address.");
		check_command(run, "update-initramfs -u -k all");
	} else {
		check_ok(run, "", "%s has the same id (%04x:%04x): only the address tells them apart", text, fn->vendor, fn->device);
	}
}

static void twins_say(struct check_run *run, const struct device_look *look)
{
	size_t twins = 0;

	for (size_t i = 0; i < look->n; i++) {
		const struct pvb_function *twin = look->devices[i]->is_vf ? NULL : twin_find(look, look->devices[i]);

		check_about(run, &look->devices[i]->addr);
		if (twin)
			twin_say(run, look, look->devices[i], twin);
		twins += twin != NULL;
	}
	check_about(run, NULL);
	if (!twins)
		check_ok(run, "", "each has an id that nothing else here has");
}

/* ---- all of them ---- */

static void said_check(struct check_run *run)
{
	(void)run;
}

/* The first row speaks for all: the devices are looked at only once. */
static void all_check(struct check_run *run)
{
	static device_say_fn *const says[] = {
		slots_say, groups_say, twins_say, device_reset_say, device_d3cold_say, device_aer_say, device_link_say,
		device_holders_say, device_override_say, device_home_say, device_lends_say,
	};
	struct device_look look;
	bool looked = device_look(&run->host, &look) == 0;

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		run->check = &check_device[i];
		check_about(run, NULL);
		/* What is lent is known without a device to look at. */
		if (looked && (look.n || says[i] == device_lends_say))
			says[i](run, &look);
		else if (!looked || *run->host.unseen)
			check_unknown(run, "/sys/bus/pci/devices", "%s", looked ? run->host.unseen : "out of memory");
	}
	device_clear(&look);
}

/* In the order of says[]. */
const struct check check_device[] = {
	{ "slot-functions", "All functions of a card go together", CHECK_HOST, "07", all_check },
	{ "group", "No device takes others of its IOMMU group from the host", CHECK_HOST, "09", said_check },
	{ "twins", "No id means two devices", CHECK_HOST, "07", said_check },
	{ "reset-quality", "Each device can be reset", CHECK_HOST, "07", said_check },
	{ "d3cold", "No device falls asleep for good", CHECK_HOST, "07", said_check },
	{ "aer", "No PCIe errors", CHECK_HOST, "07", said_check },
	{ "link", "Each link is as wide as it can be", CHECK_HOST, "07", said_check },
	{ "holders", "No process is in the way", CHECK_HOST, "07", said_check },
	{ "override", "No driver override is left over", CHECK_HOST, "07", said_check },
	{ "home", "What is not lent is the host's", CHECK_HOST, "07", said_check },
	{ "lend-state", "No lend was left half-done", CHECK_HOST, "07", said_check },
	{ .id = NULL },
};
