/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a device's home is: the driver it goes back to. */
#include <string.h>

#include "lend.h"

/* Module names have '_' where a driver's name may have '-'. */
bool pvb_driver_name_equal(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
			return false;
	return *a == *b;
}

/* Whether modprobe would offer driver for this function: an override makes the PCI core hand the device
 * even to a driver that knows nothing of it (pci_match_device()). */
static int driver_fits(struct pvb_builder *b, const struct pvb_function *fn, const char *driver, bool *fits)
{
	_cleanup_strv_ char **modules = NULL;
	int r = pvb_module_lookup(b->ctx, fn->modalias, &modules, b->err);

	*fits = !strcmp(fn->driver, driver);
	if (r < 0)
		return r;
	for (char **module = modules; *module; module++)
		*fits = *fits || pvb_driver_name_equal(*module, driver);
	return 0;
}

/* host-driver = NAME counts for the functions that NAME can drive: of a graphics card not its audio. */
static int home_by_name(struct pvb_builder *b, const struct pvb_function *fn, struct pvb_home *home)
{
	const char *driver = b->request->settings.host_driver;
	char addr[PVB_ADDR_MAX];
	bool fits;
	int r = driver_fits(b, fn, driver, &fits);

	if (r < 0)
		return r;
	if (!fits)
		return pvb_plan_add_note(b->plan, "%s: host-driver = %s does not drive it; it goes home to %s",
				pvb_addr_format(&fn->addr, addr), driver, *home->driver ? home->driver : "no driver");
	if (strcmp(home->driver, driver) != 0)
		snprintf(home->module, sizeof(home->module), "%s", driver);
	snprintf(home->driver, sizeof(home->driver), "%s", driver);
	home->stays = false;
	return 0;
}

static const struct pvb_home *home_before(const struct pvb_builder *b, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < b->before.lend.num_devices; i++)
		if (pvb_addr_compare(&b->before.lend.devices[i].addr, addr) == 0)
			return &b->before.lend.devices[i];
	return NULL;
}

static void home_identify(struct pvb_home *home, const struct pvb_function *fn)
{
	home->addr = fn->addr;
	home->vendor = fn->vendor;
	home->device = fn->device;
	home->subvendor = fn->subvendor;
	home->subdevice = fn->subdevice;
	home->class_code = fn->class_code;
	home->group = fn->group;
	home->named = fn->named;
	snprintf(home->modalias, sizeof(home->modalias), "%s", fn->modalias);
	snprintf(home->reset_methods, sizeof(home->reset_methods), "%s", fn->reset_methods);
}

static int home_decide(struct pvb_builder *b, size_t i, struct pvb_home *home)
{
	const struct pvb_function *fn = b->moving[i];
	const struct pvb_home *before = home_before(b, &fn->addr);
	const char *wish = b->request->settings.host_driver;

	if (before) {
		*home = *before;
		home->named = fn->named;
		return 0;
	}
	home_identify(home, fn);
	snprintf(home->was_driver, sizeof(home->was_driver), "%s", fn->driver);
	snprintf(home->was_module, sizeof(home->was_module), "%s", fn->module);
	home->stays = fn->vfio;
	if (!fn->vfio) {
		snprintf(home->driver, sizeof(home->driver), "%s", fn->driver);
		snprintf(home->module, sizeof(home->module), "%s", fn->module);
		home->by_modalias = !*fn->driver && b->console.firmware == (int)i;
	}
	if (!fn->named || !strcmp(wish, "auto"))
		return 0;
	if (!strcmp(wish, "none")) {
		home->driver[0] = home->module[0] = '\0';
		home->stays = home->by_modalias = false;
		return 0;
	}
	return home_by_name(b, fn, home);
}

int pvb_homes_decide(struct pvb_builder *b)
{
	struct pvb_lend *lend = &b->plan->journal.lend;

	lend->devices = calloc(b->num_moving ? b->num_moving : 1, sizeof(*lend->devices));
	if (!lend->devices)
		return -ENOMEM;
	for (size_t i = 0; i < b->num_moving; i++) {
		int r = home_decide(b, i, &lend->devices[i]);

		if (r < 0)
			return r;
		lend->num_devices++;
	}
	return 0;
}
