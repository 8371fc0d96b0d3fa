/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the guide's last resort may help: the host's console sits on a card that a VM is to get. */
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

/* What a lend of the function would do to the console. false: nothing, or it cannot be told. */
static bool console_sits(struct hostplan *h, const struct pvb_function *fn)
{
	struct pvb_wanted wanted = { .addr = fn->addr };
	struct pvb_request request = { .name = "setup", .label = "setup", .wanted = &wanted, .num_wanted = 1 };
	struct pvb_plan *plan = NULL;
	struct pvb_err ignored;
	bool sits = false;

	pvb_settings_default(&request.settings);
	if (pvb_plan_lend(h->ctx, &request, &plan, &ignored) < 0)
		return false;
	for (size_t i = 0; i < pvb_plan_count(plan); i++)
		sits |= pvb_plan_get(plan, i)->kind == PVB_OP_CONSOLE;
	pvb_plan_free(plan);
	return sits;
}

/* Those named; else those that VMs get. */
static bool meant(const struct hostplan *h, const struct pvb_function *fn)
{
	struct pvb_addr addr;
	struct conf_id id;

	if (fn->class_code >> 16 != 0x03)
		return false;
	if (!h->wish->num_devices)
		return hostplan_wanted(h, fn);
	for (size_t i = 0; i < h->wish->num_devices; i++) {
		if (pvb_addr_parse(h->wish->devices[i], &addr, NULL) == 0 ? pvb_addr_matches(&addr, &fn->addr) :
		    conf_id_parse(h->wish->devices[i], &id) && id.vendor == fn->vendor && id.device == fn->device)
			return true;
	}
	return false;
}

bool rescue_allowed(struct hostplan *h, struct setup_point *point)
{
	char addr[PVB_ADDR_MAX];
	size_t seen = 0;

	for (size_t i = 0; h->snapshot && i < pvb_snapshot_count(h->snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(h->snapshot, i);

		if (!meant(h, fn))
			continue;
		seen++;
		if (!console_sits(h, fn))
			continue;
		plan_hint(h->plan, SETUP_HINT_WARNING, "",
			  "the last resort: from the next boot on the host may show nothing at all on %s, neither its boot nor its login, and nomodeset keeps every graphics driver from starting, so that the host does not get the card back from a VM. Have ssh or the web interface at hand. It belongs on the host alone, never into the guest",
			  pvb_addr_format(&fn->addr, addr));
		return true;
	}
	if (!seen)
		plan_refuse(h->plan, point, "--rescue-framebuffer is for a graphics card that a VM gets, and no VM names one: name the card behind it, as an address");
	else
		plan_refuse(h->plan, point, "--rescue-framebuffer would not help: the host's console does not sit on %s", seen > 1 ? "any of these cards" : "that card");
	return false;
}
