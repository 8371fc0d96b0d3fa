/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 01: what the firmware gives. */
#include "groups.h"

/* Groups are what passing a device needs; how they came to be is the other checks' business. */
static void iommu_check(struct check_run *run)
{
	char **groups = NULL;
	size_t n = 0;

	if (pvb_sysfs_list(run->host.ctx, "sys/kernel/iommu_groups", &groups) < 0) {
		check_unknown(run, "/sys/kernel/iommu_groups", "the IOMMU groups cannot be listed");
		return;
	}
	while (groups[n])
		n++;
	pvb_strv_free(groups);
	if (n)
		check_ok(run, "/sys/kernel/iommu_groups", "%zu IOMMU groups", n);
	else if (!pvb_sysfs_exists(run->host.ctx, "sys/kernel"))
		check_unknown(run, "/sys/kernel", "there is no /sys to look into");
	else
		check_fail(run, "/sys/kernel/iommu_groups", "no IOMMU group: the IOMMU is off, so no device can be passed to a VM");
}

const struct check check_firmware[] = {
	{ "iommu", "The IOMMU is on", CHECK_HOST, "01", iommu_check },
	{ .id = NULL },
};
