/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The installed kernels of the host that is checked. */
#include "kernels.h"

void kernels_find(const struct check_host *host, struct kernels *kernels)
{
	kernels_look(host->ctx, host->release, kernels);
}

bool module_live(const struct check_host *host, const char *name)
{
	return module_loaded(host->ctx, name);
}

/* ---- the initramfs ---- */

void initramfs_commands(struct check_run *run)
{
	check_command(run, "update-initramfs -u -k all");
	/* On such hosts the firmware reads the initramfs from the EFI partitions. */
	if (pvb_sysfs_exists(run->host.ctx, "etc/kernel/proxmox-boot-uuids"))
		check_command(run, "proxmox-boot-tool refresh");
}
