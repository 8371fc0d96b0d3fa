/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which boot loader booted this host, and which file its kernel command line comes from. */
#ifndef PVEBIND_CHECK_BOOTLOADER_H
#define PVEBIND_CHECK_BOOTLOADER_H

#include "configured.h"

enum bootloader_kind { BOOTLOADER_UNKNOWN, BOOTLOADER_GRUB, BOOTLOADER_SYSTEMD, BOOTLOADER_OTHER };

struct bootloader {
	enum bootloader_kind kind;
	char name[64];            /* "systemd-boot 252.31-1~deb12u1" */
	const char *seen;         /* where one sees it: a path */
	bool proxmox;             /* proxmox-boot-tool keeps the EFI partitions */
	const char *file;         /* that counts, and the other; "" when not known */
	const char *other_file;
	struct configured counts; /* what it says; empty with an error when not known */
	struct configured other;
};

/* Free with bootloader_clear(). */
void bootloader_look(const struct check_host *host, struct bootloader *loader);
void bootloader_clear(struct bootloader *loader);

/* What to do, to the last finding: put words on the kernel command line (why: what stands before the colon of the sentence), take
 * some off it, or only write it into the boot entries. */
void bootloader_advise_add(struct check_run *run, const struct bootloader *loader, const char *words, const char *why);
void bootloader_advise_remove(struct check_run *run, const struct bootloader *loader, const char *words, const char *why);
void bootloader_commands_apply(struct check_run *run, const struct bootloader *loader);

#endif
