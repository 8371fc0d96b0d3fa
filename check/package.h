/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packages that are installed, as dpkg keeps them. */
#ifndef PVEBIND_CHECK_PACKAGE_H
#define PVEBIND_CHECK_PACKAGE_H

#include "check.h"

#define PACKAGE_STATUS "/var/lib/dpkg/status"

struct packages {
	char *text; /* malloced */
};
/* -errno when there is no such list. */
int packages_read(const struct pvb_ctx *ctx, struct packages *packages) PVB_MUST_CHECK;
void packages_clear(struct packages *packages);
/* The version of a package that is installed (not only known, or removed but for its configuration). */
bool package_version(const struct packages *packages, const char *name, char *buf, size_t size);

#endif
