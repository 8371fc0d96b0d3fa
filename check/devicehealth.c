/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a device that is passed: resets, sleep, errors, its link. */
#include <stdio.h>
#include <string.h>

#include "device.h"

#define PLACE_MAX 96
#define MANY_ERRORS 100 /* corrected by themselves: some are normal in years of uptime */

static const char *place(const struct pvb_addr *addr, const char *attr, char buf[PLACE_MAX])
{
	char text[PVB_ADDR_MAX];

	snprintf(buf, PLACE_MAX, "/sys/bus/pci/devices/%s/%s", pvb_addr_format(addr, text), attr);
	return buf;
}

/* Without details nothing can be said of any device. */
static bool details_there(struct check_run *run, const struct device_look *look)
{
	if (!look->details)
		check_unknown(run, "", "the devices cannot be looked at: %s", look->details_err.text);
	return look->details != NULL;
}

/* ---- resets ---- */

/* A function of the same bus that stays behind: then neither bus nor slot can be reset. NULL: none. */
static const struct pvb_function *left_behind(const struct device_look *look, const struct pvb_function *fn)
{
	for (size_t i = 0; i < pvb_snapshot_count(look->host->snapshot); i++) {
		const struct pvb_function *other = pvb_snapshot_get(look->host->snapshot, i);

		if (other->addr.domain == fn->addr.domain && other->addr.bus == fn->addr.bus && !other->bridge &&
		    !device_goes_along(look, other) && (fn->group < 0 || other->group != fn->group))
			return other;
	}
	return NULL;
}

/* It has no reset of its own. */
static void no_reset_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	const struct pvb_function *other = left_behind(look, fn);
	char where[PLACE_MAX], text[PVB_ADDR_MAX];

	place(&fn->addr, "reset_method", where);
	if (!fn->num_bridges) {
		check_warn(run, where, "it cannot be reset: it goes from VM to VM, and back to the host, as it was left");
		check_advise(run, "If it works only once, restart the host between two starts of the VM.");
	} else if (other) {
		check_warn(run, where, "it can only be reset together with all functions behind its port, and %s stays on the host",
			   pvb_addr_format(&other->addr, text));
		check_advise(run, "Give the VM all functions of the card.");
	} else {
		check_ok(run, where, "it has no reset of its own; pvebind resets all functions behind its port together");
	}
}

static void reset_say(struct check_run *run, const struct device_look *look, const struct pvb_function *fn)
{
	char where[PLACE_MAX];
	bool listed;

	listed = pvb_sysfs_exists(look->host->ctx, place(&fn->addr, "reset_method", where));
	if (!listed && pvb_sysfs_exists(look->host->ctx, place(&fn->addr, "reset", where))) {
		check_unknown(run, where, "it can be reset, but this kernel does not say how (Linux 5.15 and later do)");
		return;
	}
	place(&fn->addr, "reset_method", where);
	if (!*fn->reset_methods) {
		no_reset_say(run, look, fn);
	} else if (!strcmp(fn->reset_methods, "pm")) {
		check_warn(run, where, "its only reset is a change of its power state (pm), which many cards come out of as they went in");
		if (left_behind(look, fn))
			check_advise(run, "If it works only once, restart the host between two starts of the VM; a reset of the slot is not to be had, as the host keeps a part of it.");
		else
			check_advise(run, "If it works only once, try reset = slot in pvebind.ini, with all functions of the card.");
	} else {
		check_ok(run, where, "it can be reset by: %s", fn->reset_methods);
	}
}

/* The functions of a card mostly have the same. */
static bool same_reset(const struct pvb_function *a, const struct pvb_function *b)
{
	return device_same_slot(a, b) && a->group == b->group && !strcmp(a->reset_methods, b->reset_methods);
}

void device_reset_say(struct check_run *run, const struct device_look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		check_about(run, &look->devices[i]->addr);
		if (!i || !same_reset(look->devices[i - 1], look->devices[i]))
			reset_say(run, look, look->devices[i]);
	}
}

/* ---- sleep ---- */

static bool is_sleepy(const struct pvb_details *details)
{
	return details->d3cold_allowed == 1 && strcmp(details->power_control, "on") != 0;
}

/* Whether there was something to say. */
static bool d3cold_say(struct check_run *run, const struct device_look *look, size_t i)
{
	const struct pvb_function *fn = look->devices[i];
	const struct pvb_details *details = &look->details[i];
	char where[PLACE_MAX], holder[32], text[PVB_ADDR_MAX];

	device_holder(look, fn, holder, sizeof(holder));
	pvb_addr_format(&fn->addr, text);
	place(&fn->addr, "power_state", where);
	if (!*details->power_state && details->d3cold_allowed < 0) {
		check_unknown(run, where, "the kernel does not show its power state");
	} else if (*holder && is_sleepy(details)) {
		check_warn(run, place(&fn->addr, "d3cold_allowed", where),
			   "it is lent, and may fall into D3cold all the same: something has changed what pvebind had set; a device in D3cold may not come back for the VM");
		check_advise(run, "Look for tools that save power (tlp, powertop), and leave this device out of them.");
		check_command(run, "echo 0 > /sys/bus/pci/devices/%s/d3cold_allowed", text);
		check_command(run, "echo on > /sys/bus/pci/devices/%s/power/control", text);
	} else if (fn->vfio && !*holder && !strcmp(details->power_state, "D3cold")) {
		check_warn(run, where, "it sleeps in D3cold on %s, and nothing keeps it awake: starts and resets may fail", fn->driver);
		check_advise(run, "Let pvebind lend it, which keeps it awake, or wake it:");
		check_command(run, "echo on > /sys/bus/pci/devices/%s/power/control", text);
	} else {
		return false;
	}
	return true;
}

void device_d3cold_say(struct check_run *run, const struct device_look *look)
{
	size_t said = 0, sleepy = 0;

	if (!details_there(run, look))
		return;
	for (size_t i = 0; i < look->n; i++) {
		check_about(run, &look->devices[i]->addr);
		said += d3cold_say(run, look, i);
		sleepy += is_sleepy(&look->details[i]);
	}
	check_about(run, NULL);
	if (!said && sleepy)
		check_ok(run, "", "%zu of %zu may fall asleep, but not while pvebind lends them", sleepy, look->n);
	else if (!said)
		check_ok(run, "", "none of them falls asleep");
}

/* ---- errors ---- */

static bool errors_counted(const struct pvb_details *details)
{
	return details->aer_correctable >= 0 || details->aer_nonfatal >= 0 || details->aer_fatal >= 0;
}

/* Whether there was something to say. of: "" or of whom. */
static bool errors_say(struct check_run *run, const struct pvb_details *details, const char *of)
{
	char where[PLACE_MAX];

	if (details->hung) {
		check_unknown(run, "", "its error counters%s cannot be read: the kernel does not answer", of);
	} else if (details->aer_fatal > 0 || details->aer_nonfatal > 0) {
		check_warn(run, place(&details->addr, details->aer_fatal > 0 ? "aer_dev_fatal" : "aer_dev_nonfatal", where),
			   "since the host booted%s: %lld fatal and %lld other uncorrected PCIe errors", of,
			   (long long)details->aer_fatal, (long long)details->aer_nonfatal);
		check_advise(run, "Look at the kernel's log for what came with them; seat the card anew, leave out risers, update the firmware.");
		check_command(run, "dmesg | grep -i aer");
	} else if (details->aer_correctable >= MANY_ERRORS) {
		check_warn(run, place(&details->addr, "aer_dev_correctable", where),
			   "since the host booted%s: %lld corrected PCIe errors, which cost time: a bad contact or riser, or power saving (ASPM)",
			   of, (long long)details->aer_correctable);
		check_advise(run, "Seat the card anew, or boot with pcie_aspm=off.");
	} else {
		return false;
	}
	return true;
}

/* The port above counts what it sees of the same link; it is looked at once for all functions of the slot. */
static bool port_errors_say(struct check_run *run, const struct device_look *look, size_t i)
{
	char of[PVB_ADDR_MAX + 32], addr[PVB_ADDR_MAX];
	const struct pvb_details *bridge = &look->bridges[i];

	if (!bridge->present || (i && pvb_addr_compare(&bridge->addr, &look->bridges[i - 1].addr) == 0))
		return false;
	snprintf(of, sizeof(of), " at the port above it, %s", pvb_addr_format(&bridge->addr, addr));
	return errors_say(run, bridge, of);
}

/* One that counts none, or whose firmware does and tells nobody, has nothing to say. */
void device_aer_say(struct check_run *run, const struct device_look *look)
{
	size_t said = 0, counted = 0;

	if (!details_there(run, look))
		return;
	for (size_t i = 0; i < look->n; i++) {
		check_about(run, &look->devices[i]->addr);
		said += errors_say(run, &look->details[i], "");
		said += port_errors_say(run, look, i);
		counted += errors_counted(&look->details[i]);
	}
	check_about(run, NULL);
	if (!said && counted)
		check_ok(run, "", "no uncorrected PCIe error since the host booted, and few corrected ones");
}

/* ---- the link ---- */

static int least(int a, int b)
{
	return b > 0 && b < a ? b : a;
}

static void no_width_say(struct check_run *run, const struct pvb_details *details, const char *where)
{
	if (details->hung || !pvb_sysfs_exists(run->host.ctx, where)) {
		check_unknown(run, where, "the kernel does not show how wide its link is now");
		return;
	}
	check_warn(run, where, "its link is down");
	check_advise(run, "If it does not answer either (off-bus), power the host off and on.");
}

static void link_say(struct check_run *run, const struct pvb_details *details, const struct pvb_details *bridge)
{
	int width = least(details->link_width_max, bridge->present ? bridge->link_width_max : -1);
	int speed = least(details->link_speed_max, bridge->present ? bridge->link_speed_max : -1);
	char where[PLACE_MAX];

	place(&details->addr, "current_link_width", where);
	if (details->link_width < 0) {
		no_width_say(run, details, where);
	} else if (details->link_width < width) {
		check_warn(run, where, "its link has %d lanes, though card and port can do %d: it is slower than it could be",
			   details->link_width, width);
		check_advise(run, "Seat the card anew, clean its contacts, leave out risers; look at the firmware's settings for the slot.");
	} else if (speed > 0 && details->link_speed >= 0 && details->link_speed < speed) {
		check_ok(run, place(&details->addr, "current_link_speed", where),
			 "%d lanes; now at %g of %g GT/s, as cards do that have nothing to do", details->link_width,
			 details->link_speed / 1000.0, speed / 1000.0);
	} else {
		check_ok(run, where, "%d lanes%s", details->link_width,
			 width < details->link_width_max ? ", which is all that its port has (the card could use more)" : "");
	}
}

void device_link_say(struct check_run *run, const struct device_look *look)
{
	if (!details_there(run, look))
		return;
	for (size_t i = 0; i < look->n; i++) {
		check_about(run, &look->devices[i]->addr);
		/* The functions of a card have one link; inside the root complex there is none. */
		if ((look->details[i].link_width_max <= 0 && !look->details[i].hung) || (i && device_same_slot(look->devices[i], look->devices[i - 1])) ||
		    look->devices[i]->is_vf)
			continue;
		link_say(run, &look->details[i], &look->bridges[i]);
	}
}
