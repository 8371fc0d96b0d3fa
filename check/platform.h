/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine is (conf/platform.h), asked of the host that is checked. */
#ifndef PVEBIND_CHECK_PLATFORM_H
#define PVEBIND_CHECK_PLATFORM_H

#include "check.h"
#include "../conf/platform.h"

/* Whether an option is built in (=y), by the configuration of the kernel that runs: 1, 0; -1 not known. */
static inline int platform_kernel_option(const struct check_host *host, const char *option)
{
	return platform_kernel_built(host->ctx, host->release, option);
}

#endif
