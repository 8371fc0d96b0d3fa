/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which boot loader booted this host, and which file its kernel command line comes from. */
#ifndef PVEBIND_CONF_BOOTLOADER_H
#define PVEBIND_CONF_BOOTLOADER_H

#include "configured.h"

#define BOOTLOADER_ESPS "/etc/kernel/proxmox-boot-uuids"

enum bootloader_kind { BOOTLOADER_UNKNOWN, BOOTLOADER_GRUB, BOOTLOADER_SYSTEMD, BOOTLOADER_OTHER };

struct bootloader {
	enum bootloader_kind kind;
	char name[64];            /* "systemd-boot 252.31-1~deb12u1" */
	const char *seen;         /* where one sees it: a path */
	bool proxmox;             /* proxmox-boot-tool keeps the EFI partitions */
	unsigned esps;            /* … of which so many are in its list, */
	int esps_missing;         /* … and so many not there; -1: that cannot be seen */
	const char *file;         /* that counts, and the other; "" when not known */
	const char *other_file;
	struct configured counts; /* what it says; empty with an error when not known */
	struct configured other;
};

/* cmdline: of the kernel that runs; NULL: it cannot be read. Free with bootloader_clear(). */
void bootloader_find(const struct pvb_ctx *ctx, const char *cmdline, struct bootloader *loader);
void bootloader_clear(struct bootloader *loader);

#endif
