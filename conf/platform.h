/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine is: its processor, its firmware's tables, its kernel's configuration, its IOMMU. */
#ifndef PVEBIND_CONF_PLATFORM_H
#define PVEBIND_CONF_PLATFORM_H

#include "conf.h"

/* The beginning of a file, at most size - 1 bytes and a NUL: for long ones of which that is enough. How many, or -errno. */
ssize_t platform_head(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;

enum platform_vendor { PLATFORM_OTHER, PLATFORM_INTEL, PLATFORM_AMD };
struct platform_cpu {
	enum platform_vendor vendor;
	bool flagged;          /* its flags are known; not so where it is no x86 */
	bool vmx, svm;         /* the kernel does not show them when the firmware has switched them off */
	bool hypervisor;       /* this is a VM itself */
};
/* By /proc/cpuinfo. -errno when that cannot be read. */
int platform_cpu(const struct pvb_ctx *ctx, struct platform_cpu *cpu) PVB_MUST_CHECK;

/* 1 there, 0 not, -1 not known. */
int platform_acpi(const struct pvb_ctx *ctx, const char *table);
/* Whether an option is built in (=y), by the configuration of the installed kernel of this release: likewise. */
int platform_kernel_built(const struct pvb_ctx *ctx, const char *release, const char *option);
/* How many IOMMU groups; -1 when that cannot be seen. */
int platform_groups(const struct pvb_ctx *ctx);

#endif
