/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a kernel's initramfs has the modules' configuration as it is now. */
#ifndef PVEBIND_CONF_INITRAMFS_H
#define PVEBIND_CONF_INITRAMFS_H

#include "conf.h"

struct initramfs {
	char path[PVB_NAME_MAX + 32]; /* "/boot/initrd.img-6.8.12-4-pve" */
	bool there;
	char youngest[256];           /* the file of that configuration that was changed last; "": there is none */
	bool stale;                   /* … since it was made */
};
void initramfs_look(struct pvb_ctx *ctx, const char *release, struct initramfs *initramfs);

#endif
