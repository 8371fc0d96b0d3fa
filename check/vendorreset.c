/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 08: AMD's cards that do not come back from a reset. */
#include <string.h>

#include "groups.h"
#include "kernels.h"

/* Cards that vendor-reset knows how to reset (github.com/gnif/vendor-reset, src/device-db.h), less the processors'
 * own graphics among them. */
static const struct family {
	const char *name;
	uint16_t devices[16];
} families[] = {
	{ "Polaris 10", { 0x67c0, 0x67c1, 0x67c2, 0x67c4, 0x67c7, 0x67c8, 0x67c9, 0x67ca, 0x67cc, 0x67cf, 0x67d0, 0x67df, 0x6fdf } },
	{ "Polaris 11", { 0x67e0, 0x67e1, 0x67e3, 0x67e7, 0x67e8, 0x67e9, 0x67eb, 0x67ef, 0x67ff } },
	{ "Polaris 12", { 0x6980, 0x6981, 0x6985, 0x6986, 0x6987, 0x6995, 0x6997, 0x699f } },
	{ "Vega 10", { 0x6860, 0x6861, 0x6862, 0x6863, 0x6864, 0x6867, 0x6868, 0x6869, 0x686a, 0x686b, 0x686c, 0x686d, 0x686e,
		       0x686f, 0x687f } },
	{ "Vega 20", { 0x66a0, 0x66a1, 0x66a2, 0x66a3, 0x66a4, 0x66a7, 0x66af } },
	{ "Arcturus", { 0x738c } },
	{ "Navi 10", { 0x7310, 0x7312, 0x7318, 0x7319, 0x731a, 0x731b, 0x731e, 0x731f } },
	{ "Navi 12", { 0x7360, 0x7362 } },
	{ "Navi 14", { 0x7340, 0x7341, 0x7347, 0x734f } },
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

static const struct family *family_of(const struct pvb_function *fn)
{
	for (size_t i = 0; i < FAMILIES; i++)
		for (size_t j = 0; fn->vendor == 0x1002 && j < 16 && families[i].devices[j]; j++)
			if (families[i].devices[j] == fn->device)
				return &families[i];
	return NULL;
}

#define WHAT_HAPPENS "cards of this family (%s) often do not come back from a reset: they work once, and then not until the host is rebooted"

static void card_judge(struct check_run *run, struct kernels *kernels, const struct pvb_function *fn, const char *family)
{
	check_about(run, &fn->addr);
	if (module_live(&run->host, "vendor_reset")) {
		check_ok(run, "/sys/module/vendor_reset", "vendor-reset is loaded, which resets cards of its family (%s)", family);
		return;
	}
	switch (kernel_module(&kernels->running, "vendor_reset")) {
	case KERNEL_MODULE_FILE:
	case KERNEL_MODULE_BUILTIN:
		check_warn(run, kernels->running.folder, WHAT_HAPPENS "; vendor-reset is installed, but not loaded", family);
		check_advise(run, "Load it now and at boot, and let pvebind reset by it: reset = device_specific in pvebind.ini.");
		check_command(run, "echo vendor-reset >/etc/modules-load.d/vendor-reset.conf");
		check_command(run, "modprobe vendor-reset");
		break;
	case KERNEL_MODULE_MISSING:
		check_warn(run, kernels->running.folder, WHAT_HAPPENS "; vendor-reset, which can help, is not installed", family);
		check_advise(run, "If that happens, install vendor-reset (github.com/gnif/vendor-reset) with DKMS, load it at boot, and write "
				  "reset = device_specific in pvebind.ini.");
		break;
	case KERNEL_MODULE_UNKNOWN:
	default:
		check_unknown(run, "/lib/modules", WHAT_HAPPENS "; whether vendor-reset is installed cannot be read", family);
	}
}

/* Of other cards there is nothing to say. */
static void reset_check(struct check_run *run)
{
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	for (size_t i = 0; i < run->host.num_devices; i++) {
		const struct family *family = family_of(run->host.devices[i]);

		if (family)
			card_judge(run, &kernels, run->host.devices[i], family->name);
	}
	kernels_clear(&kernels);
}

const struct check check_vendorreset[] = {
	{ "vendor-reset", "AMD's cards that need it have vendor-reset", CHECK_HOST, "08", reset_check },
	{ .id = NULL },
};
