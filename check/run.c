/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All checks, in order. */
#include "groups.h"
#include "guest.h"
#include "host.h"

static const struct check *const groups[] = {
	check_inventory, check_firmware, check_room, check_cmdline, check_options,
	check_modules, check_packages, check_modprobe, check_vfioids, check_drivers, check_vendorreset, check_device, check_kernellog, check_pve,
	check_refusals, check_vmhook, check_vmconfig, check_vmfirmware, check_vmdevice, check_vmdisplay, check_vmothers,
	check_vmjobs, check_vmha, check_guest,
};

const struct check *check_get(size_t i)
{
	for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++)
		for (const struct check *check = groups[group]; check->id; check++)
			if (i-- == 0)
				return check;
	return NULL;
}

static bool layer_wanted(const struct check_run *run, enum check_layer layer, bool guest)
{
	return layer == CHECK_HOST || (run->host.vmid && (layer == CHECK_VM || guest));
}

int check_run_all(struct check_run *run, struct front *front, unsigned vmid, bool guest, struct pvb_err *err)
{
	int r;

	*run = (struct check_run){ .host = { .front = front, .ctx = front->ctx, .vmid = vmid } };
	r = check_host_look(&run->host, err);
	for (size_t i = 0; r == 0 && check_get(i); i++) {
		run->check = check_get(i);
		check_about(run, NULL);
		if (layer_wanted(run, run->check->layer, guest))
			run->check->run(run);
	}
	return r;
}

void check_run_clear(struct check_run *run)
{
	check_findings_clear(&run->findings);
	guest_clear(run);
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		free(run->advised[i]);
	check_host_clear(&run->host);
}
