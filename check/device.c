/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 07 and 09: the devices, what comes with them, and the table of all checks of them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "vm.h"

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

/* The command for the hostpci line that names it, if it is one alone that names one thing: several may be so on purpose. */
static void slot_advise(struct check_run *run, const struct pvb_function *fn)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	int line = -1, lines = 0;
	char slot[PVB_ADDR_MAX];

	check_advise(run, "Name the slot without a function, so that all of them go along: %s", slot_name(fn, slot));
	for (unsigned i = 0; run->host.has_vm && i < CONF_HOSTPCI_MAX; i++) {
		size_t n = vm_hostpci(run, i) ? vm_functions(run, vm_hostpci(run, i), list) : 0;

		if (!n || !device_same_slot(list[0], fn))
			continue;
		lines++;
		line = vm_hostpci(run, i)->num_ids == 1 ? (int)i : -1;
	}
	if (lines == 1 && line >= 0)
		vm_advise_host(run, (unsigned)line, slot);
}

/* The functions of a slot that do not go along, as names. */
struct left {
	char along[400];     /* of the device's IOMMU group: they leave the host all the same */
	char apart[400];     /* of other groups */
	char processor[256]; /* beside the graphics of a processor: its USB and what else it has */
	size_t n, all;
};

static void name_add(char *names, size_t size, const char *name)
{
	size_t have = strlen(names);

	snprintf(names + have, size - have, "%s%s", have ? ", " : "", name);
}

static void left_find(const struct device_look *look, const struct pvb_function *fn, struct left *left)
{
	char text[DESCRIBE_MAX];

	*left = (struct left){ .n = 0 };
	for (size_t i = 0; i < pvb_snapshot_count(look->host->snapshot); i++) {
		const struct pvb_function *other = pvb_snapshot_get(look->host->snapshot, i);

		if (!is_of_card(other) || !device_same_slot(fn, other))
			continue;
		left->all++;
		if (device_goes_along(look, other))
			continue;
		left->n++;
		check_describe(look->host, other, text, sizeof(text));
		if (other->group >= 0 && other->group == fn->group)
			name_add(left->along, sizeof(left->along), text);
		else if (other->vendor == fn->vendor)
			name_add(left->apart, sizeof(left->apart), text);
		else
			name_add(left->processor, sizeof(left->processor), pvb_addr_format(&other->addr, text));
	}
}

static void left_say(struct check_run *run, const struct pvb_function *fn, const struct left *left)
{
	bool reset = *fn->reset_methods && strcmp(fn->reset_methods, "pm") != 0;

	if (*left->along) {
		check_warn(run, "", "left out is %s, of the same card and IOMMU group: it leaves the host as well, and the VM does not get it",
			   left->along);
		slot_advise(run, fn);
	}
	if (*left->apart) {
		if (reset)
			check_warn(run, "", "left out is %s, of the same card: it stays with the host, and drivers often need all", left->apart);
		else
			check_fail(run, "", "left out is %s, of the same card: it stays with the host, so that the card cannot be reset, and works once at most",
				   left->apart);
		slot_advise(run, fn);
	}
	if (*left->processor && reset)
		check_ok(run, "", "graphics of a processor; of the same slot, and the host's, is %s", left->processor);
	else if (*left->processor)
		check_warn(run, "", "graphics of a processor, which cannot be reset as a whole, as the host keeps %s of the same slot", left->processor);
}

static void slot_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	char slot[PVB_ADDR_MAX];
	struct left left;

	left_find(look, fn, &left);
	if (left.n)
		left_say(run, fn, &left);
	else if (left.all == 1)
		check_ok(run, "", "it is the only function of its slot");
	else if (look->host->devices_wanted)
		check_ok(run, "", "all %zu functions of the slot go along", left.all);
	else
		check_ok(run, "", "its slot has %zu functions; as %s a VM gets all of them", left.all, slot_name(fn, slot));
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
	*why = (char)toupper((unsigned char)*why);
	check_advise(run, "%s%sPut the card into another slot%s; pvebind list shows the groups.", why, *why ? ". " : "",
		     n > 1 ? ", or name those devices for the VM, too" : ", or name that device for the VM, too");
}

/* "0000:02:00.0 (Samsung …), driver nvme: nvme0n1p2 is mounted on /" behind what is in names. */
static void other_add(const struct device_look *look, const struct pvb_function *other, const struct pvb_host_uses *uses,
		      char *names, size_t size)
{
	char text[DESCRIBE_MAX];
	size_t have = strlen(names);

	check_describe(look->host, other, text, sizeof(text));
	snprintf(names + have, size - have, "%s%s%s%s", have ? "; " : "", text, *other->driver ? ", driver " : "", other->driver);
	for (size_t i = 0; i < uses->n; i++) {
		const struct pvb_host_use *use = &uses->list[i];

		if (pvb_addr_compare(&use->addr, &other->addr) != 0)
			continue;
		have = strlen(names);
		snprintf(names + have, size - have, ": %s%s%s", use->disks, *use->disks && *use->nics ? ", " : "", use->nics);
	}
}

/* Of its own slot others may be left out, too: slot-functions. */
static bool is_other(const struct device_look *look, const struct pvb_function *fn, const struct pvb_function *other)
{
	return other->group == fn->group && !other->bridge && !device_goes_along(look, other) &&
	       !(is_of_card(fn) && device_same_slot(fn, other));
}

static void group_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	size_t all = pvb_snapshot_count(look->host->snapshot), n = 0, members = 0;
	_conf_free_ const struct pvb_function **others = calloc(all + 1, sizeof(*others));
	struct pvb_host_uses uses = { .n = 0 };
	struct pvb_err ignored; /* the refusals host-disk and host-network tell of it */
	char names[1024] = "";

	if (!others) {
		check_unknown(run, "", "out of memory");
		return;
	}
	for (size_t i = 0; i < all; i++) {
		const struct pvb_function *other = pvb_snapshot_get(look->host->snapshot, i);

		members += other->group == fn->group && !other->bridge;
		if (is_other(look, fn, other))
			others[n++] = other;
	}
	if (n && pvb_host_uses_find(look->host->ctx, others, n, &uses, &ignored) < 0)
		pvb_host_uses_clear(&uses);
	for (size_t i = 0; i < n; i++)
		other_add(look, others[i], &uses, names, sizeof(names));
	pvb_host_uses_clear(&uses);
	if (n)
		others_say(run, look, fn, names, n);
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
	{ "home", "What no VM has is the host's", CHECK_HOST, "07", said_check },
	{ "lend-state", "No lend was left half-done", CHECK_HOST, "07", said_check },
	{ .id = NULL },
};
