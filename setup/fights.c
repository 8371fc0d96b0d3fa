/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks against lending at run time: devices that vfio-pci takes at boot, drivers that are kept away. Only shown. */
#include <stdio.h>
#include <string.h>

#include "../conf/modconf.h"
#include "../conf/parameter.h"
#include "hostplan.h"

static bool begins(const char *text, size_t size, const char *begin)
{
	return size >= strlen(begin) && !strncmp(text, begin, strlen(begin));
}

/* ---- modprobe.d ---- */

static void ids_see(struct hostplan *h, const struct pvb_modconf_line *line)
{
	char place[MODCONF_PLACE_MAX];
	const char *at = line->value, *word;
	size_t size;

	if (!modconf_is(line, PVB_MODCONF_OPTIONS, "vfio_pci"))
		return;
	while ((word = modconf_word(&at, &size)))
		if (begins(word, size, "ids="))
			plan_hint(h->plan, SETUP_HINT_FIGHTS, modconf_place(line, place),
				  "%.*s: vfio-pci takes these devices at boot, so that the host never has them: take it out, and pvebind lends them when a VM starts",
				  (int)size, word);
}

static void softdep_see(struct hostplan *h, const struct pvb_modconf_line *line)
{
	char place[MODCONF_PLACE_MAX];
	const char *at = line->value, *word;
	bool waits = false;
	size_t size;

	while (line->kind == PVB_MODCONF_SOFTDEP && line->effective && (word = modconf_word(&at, &size)))
		waits |= begins(word, size, "vfio-pci") || begins(word, size, "vfio_pci");
	if (waits)
		plan_hint(h->plan, SETUP_HINT_FIGHTS, modconf_place(line, place),
			  "softdep %s %s: vfio-pci is loaded before this driver, which only a device reserved at boot needs", line->module, line->value);
}

static bool driver_barred(const struct pvb_modconf *conf, const char *driver)
{
	for (size_t i = 0; i < conf->n; i++)
		if (modconf_is(&conf->lines[i], PVB_MODCONF_BLACKLIST, driver))
			return true;
	return false;
}

static bool hint_there(const struct setup_plan *plan, const char *place)
{
	for (size_t i = 0; i < plan->num_hints; i++)
		if (!strcmp(plan->hints[i].place, place))
			return true;
	return false;
}

static void barred_tell(struct hostplan *h, const struct pvb_modconf *conf, const struct drivers *drivers,
			const struct pvb_function *fn)
{
	char place[MODCONF_PLACE_MAX], addr[PVB_ADDR_MAX];

	for (size_t i = 0; i < conf->n; i++) {
		const struct pvb_modconf_line *line = &conf->lines[i];

		if (line->kind != PVB_MODCONF_BLACKLIST || !line->effective || !drivers_have(drivers, line->module) ||
		    hint_there(h->plan, modconf_place(line, place)))
			continue;
		plan_hint(h->plan, SETUP_HINT_FIGHTS, place,
			  "blacklist %s: %s has no driver left to come home to: take it out, and the host has the device while no VM does", line->module,
			  pvb_addr_format(&fn->addr, addr));
	}
}

/* Of a device that VMs get, or a display: all of its drivers are kept away. */
static void blacklists_see(struct hostplan *h, const struct pvb_modconf *conf)
{
	for (size_t i = 0; h->snapshot && i < pvb_snapshot_count(h->snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(h->snapshot, i);
		struct drivers drivers;
		bool all = true;

		if (fn->bridge || !(hostplan_wanted(h, fn) || fn->class_code >> 16 == 0x03))
			continue;
		drivers_able(&h->kernels, fn, &drivers);
		for (unsigned k = 0; k < drivers.n; k++)
			all &= driver_barred(conf, drivers.names[k]);
		if (all)
			barred_tell(h, conf, &drivers, fn);
	}
}

/* ---- the kernel command line ---- */

static void words_see(struct hostplan *h)
{
	static const char *const names[] = { "vfio-pci.ids", "modprobe.blacklist", "module_blacklist" };

	for (size_t i = 0; i < h->loader.counts.n; i++) {
		const struct configured_word *word = &h->loader.counts.words[i];
		const char *value;
		size_t size;

		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
			if (parameter_is(word->text, strlen(word->text), names[k], &value, &size))
				plan_hint(h->plan, SETUP_HINT_FIGHTS, word->place,
					  "%s: it keeps devices or drivers from the host from boot on: take it out, unless it is meant so", word->text);
	}
}

void fights_plan(struct hostplan *h)
{
	struct pvb_modconf conf;
	struct pvb_err err;
	int r = pvb_modconf_read(h->ctx, &conf, &err);

	if (r < 0 && r != -ENOENT)
		plan_hint(h->plan, SETUP_HINT_WARNING, "/etc/modprobe.d", "%s", err.text);
	for (size_t i = 0; i < conf.n; i++) {
		if (!strcmp(conf.lines[i].file, RESERVE_FILE))
			continue;
		ids_see(h, &conf.lines[i]);
		softdep_see(h, &conf.lines[i]);
	}
	/* What is reserved is to have none. */
	if (!h->wish->reserve && !pvb_sysfs_exists(h->ctx, RESERVE_FILE))
		blacklists_see(h, &conf);
	words_see(h);
	pvb_modconf_clear(&conf);
}
