/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drivers of devices that are reserved: those that wait for vfio-pci, and those that are kept away altogether. */
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

/* Drivers of one maker's displays. */
static const struct family {
	uint16_t vendor;
	const char *names[8];
} families[] = {
	{ 0x10de, { "nouveau", "nvidiafb", "nvidia", "nvidia_drm", "nvidia_modeset", "nvidia_uvm" } },
	{ 0x1002, { "radeon", "amdgpu" } },
	{ 0x8086, { "i915", "xe" } },
};

static bool family_has(const struct family *family, const char *name)
{
	for (size_t i = 0; i < sizeof(family->names) / sizeof(*family->names) && family->names[i]; i++)
		if (module_equal(family->names[i], name))
			return true;
	return false;
}

static bool is_display(const struct pvb_function *fn)
{
	return fn->class_code >> 16 == 0x03;
}

/* Another device of the host that has, or could have, a driver of the family: then the host needs it. */
static const struct pvb_function *family_needed(struct hostplan *h, const struct family *family, const struct reserve *reserve)
{
	for (size_t i = 0; i < pvb_snapshot_count(h->snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(h->snapshot, i);
		struct drivers drivers;
		bool needs;

		if (reserve_has(reserve, fn) || fn->bridge)
			continue;
		drivers_find(&h->kernels, fn, &drivers);
		needs = is_display(fn) && fn->vendor == family->vendor;
		for (unsigned k = 0; k < drivers.n; k++)
			needs |= family_has(family, drivers.names[k]);
		if (needs)
			return fn;
	}
	return NULL;
}

static void family_judge(struct hostplan *h, const struct family *family, struct reserve *reserve)
{
	const struct pvb_function *needs = family_needed(h, family, reserve);
	char addr[PVB_ADDR_MAX];
	bool fits = true;

	if (needs) {
		plan_hint(h->plan, SETUP_HINT_WARNING, "",
			  "%s and its family are not blacklisted, as %s needs them; they wait for vfio-pci instead", family->names[0],
			  pvb_addr_format(&needs->addr, addr));
		return;
	}
	for (size_t i = 0; i < sizeof(family->names) / sizeof(*family->names) && family->names[i]; i++)
		fits &= reserve_name_add(reserve->blacklist, &reserve->num_blacklist, family->names[i]);
	if (!fits)
		h->plan->error = -E2BIG;
}

static bool families_judge(struct hostplan *h, struct reserve *reserve)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		for (size_t k = 0; k < reserve->num_fns; k++)
			if (is_display(&reserve->fns[k]) && reserve->fns[k].vendor == families[i].vendor) {
				family_judge(h, &families[i], reserve);
				break;
			}
	return true;
}

/* One that is built in binds before any module can be loaded: of a card's lesser functions that is no matter, as they are
 * moved when a VM starts. */
static void builtin_judge(struct hostplan *h, struct setup_point *point, const struct pvb_function *fn, const char *driver,
			  const char *release)
{
	char addr[PVB_ADDR_MAX];

	pvb_addr_format(&fn->addr, addr);
	/* One that stays reserved while others are given back was judged when it was. */
	if (fn->addr.fn || !h->wish->reserve)
		plan_hint(h->plan, SETUP_HINT_WARNING, "", "%s stays with its driver, %s, which is built into the kernel %s, until a VM starts", addr, driver,
			  release);
	else
		plan_refuse(h->plan, point, "%s cannot be reserved: its driver, %s, is built into the kernel %s, and takes it before vfio-pci can; pvebind takes it from there when a VM starts, without any of this",
			    addr, driver, release);
}

/* What modprobe.d says is for modules; a built-in driver's parameters are the kernel command line's (Linux, kernel/params.c). */
static void vfio_judge(struct hostplan *h, struct setup_point *point)
{
	char release[PVB_NAME_MAX];

	if (h->wish->reserve && kernels_built(&h->kernels, "vfio_pci", release))
		plan_refuse(h->plan, point, "vfio-pci is built into the kernel %s, and takes ids from the kernel command line alone: put vfio-pci.ids= there by hand, or let pvebind take the devices when a VM starts, without any of this",
			    release);
}

static void driver_add(struct hostplan *h, struct setup_point *point, struct reserve *reserve, const struct pvb_function *fn,
		       const char *driver)
{
	char release[PVB_NAME_MAX], ignored[PVB_NAME_MAX];

	if (kernels_built(&h->kernels, driver, release) && !kernels_built(&h->kernels, "vfio_pci", ignored))
		builtin_judge(h, point, fn, driver, release);
	else if (!reserve_name_add(reserve->softdeps, &reserve->num_softdeps, driver))
		h->plan->error = -E2BIG;
}

bool reserve_drivers(struct hostplan *h, struct setup_point *point, struct reserve *reserve)
{
	reserve->num_softdeps = reserve->num_blacklist = 0;
	vfio_judge(h, point);
	for (size_t i = 0; i < reserve->num_fns; i++) {
		const struct pvb_function *fn = &reserve->fns[i];
		struct drivers drivers;
		char addr[PVB_ADDR_MAX];

		drivers_able(&h->kernels, fn, &drivers);
		for (unsigned k = 0; k < drivers.n; k++)
			driver_add(h, point, reserve, fn, drivers.names[k]);
		if (*fn->driver && !fn->vfio && !drivers_have(&drivers, *fn->module ? fn->module : fn->driver))
			driver_add(h, point, reserve, fn, *fn->module ? fn->module : fn->driver);
		if (drivers.unknown && !*fn->driver)
			plan_hint(h->plan, SETUP_HINT_WARNING, "/lib/modules",
				  "no kernel's modules.alias can be read: which driver could take %s before vfio-pci is not known", pvb_addr_format(&fn->addr, addr));
	}
	return families_judge(h, reserve) && !point->refused && !h->plan->error;
}
