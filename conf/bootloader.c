/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which boot loader booted this host, and which file its kernel command line comes from. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bootloader.h"
#include "parameter.h"
#include "platform.h"

/* Boot loaders write their name there as they boot (systemd's Boot Loader Interface; GRUB with its bli module, from 2.12). */
#define LOADER_INFO "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define CMDLINE "/proc/cmdline"

/* Four bytes of attributes, then UTF-16 of which the ASCII part is kept. "" when there is none. */
static void info_read(const struct pvb_ctx *ctx, char *name, size_t size)
{
	char raw[512];
	ssize_t n = platform_head(ctx, LOADER_INFO, raw, sizeof(raw));
	size_t have = 0;

	for (ssize_t i = 4; i + 1 < n && (raw[i] || raw[i + 1]) && have < size - 1; i += 2)
		name[have++] = raw[i + 1] || !isprint((unsigned char)raw[i]) ? '?' : raw[i];
	name[have] = '\0';
}

static void kind_set(struct bootloader *loader, enum bootloader_kind kind, const char *name, const char *seen)
{
	loader->kind = kind;
	loader->seen = seen;
	if (name)
		conf_copy(loader->name, sizeof(loader->name), name);
}

/* A word that begins so; -1: none, else whether it is the first. */
static int word_place(const char *cmdline, const char *begin)
{
	const char *word;
	size_t size;

	for (int first = 1; (word = parameter_next(&cmdline, &size)); first = 0)
		if (size >= strlen(begin) && !strncmp(word, begin, strlen(begin)))
			return first;
	return -1;
}

/* GRUB puts BOOT_IMAGE=FILE first (further behind it is a copy: somebody made /etc/kernel/cmdline of /proc/cmdline); who begins
 * the kernel by its EFI stub may have to name the initrd there. */
static void kind_look(const struct pvb_ctx *ctx, const char *cmdline, struct bootloader *loader)
{
	bool firmware = pvb_sysfs_exists(ctx, "sys/firmware"), efi = pvb_sysfs_exists(ctx, "sys/firmware/efi");

	info_read(ctx, loader->name, sizeof(loader->name));
	if (word_place(cmdline, "BOOT_IMAGE=") == 1)
		kind_set(loader, BOOTLOADER_GRUB, strncmp(loader->name, "GRUB", 4) ? "GRUB" : NULL, CMDLINE);
	else if (!strncmp(loader->name, "systemd-boot", 12))
		kind_set(loader, BOOTLOADER_SYSTEMD, NULL, LOADER_INFO);
	else if (!strncmp(loader->name, "GRUB", 4))
		kind_set(loader, BOOTLOADER_GRUB, NULL, LOADER_INFO);
	else if (*loader->name)
		kind_set(loader, BOOTLOADER_OTHER, NULL, LOADER_INFO);
	else if (word_place(cmdline, "initrd=\\") >= 0 && loader->proxmox)
		kind_set(loader, BOOTLOADER_SYSTEMD, "systemd-boot", CMDLINE);
	else if (word_place(cmdline, "initrd=\\") >= 0)
		kind_set(loader, BOOTLOADER_OTHER, "the kernel's EFI stub", CMDLINE);
	else if (firmware && !efi && pvb_sysfs_exists(ctx, "boot/grub/grub.cfg"))
		kind_set(loader, BOOTLOADER_GRUB, "GRUB", "/boot/grub/grub.cfg");
}

/* Those that are not there it skips, with a warning and success (proxmox-kernel-helper, zz-proxmox-boot). */
static void esps_look(const struct pvb_ctx *ctx, struct bootloader *loader)
{
	_conf_free_ char *text = NULL;
	const char *at, *uuid;
	char path[320];
	size_t size;

	loader->esps_missing = pvb_sysfs_exists(ctx, "dev/disk/by-uuid") ? 0 : -1;
	if (pvb_read_file(ctx, BOOTLOADER_ESPS, 4096, &text, NULL) < 0) {
		loader->esps_missing = -1;
		return;
	}
	for (at = text; (uuid = parameter_next(&at, &size)); loader->esps++) {
		snprintf(path, sizeof(path), "dev/disk/by-uuid/%.*s", (int)size, uuid);
		loader->esps_missing += loader->esps_missing >= 0 && !pvb_sysfs_exists(ctx, path);
	}
}

void bootloader_find(const struct pvb_ctx *ctx, const char *cmdline, struct bootloader *loader)
{
	*loader = (struct bootloader){ .seen = "", .file = "", .other_file = "" };
	loader->proxmox = pvb_sysfs_exists(ctx, BOOTLOADER_ESPS);
	if (loader->proxmox)
		esps_look(ctx, loader);
	kind_look(ctx, cmdline ? cmdline : "", loader);
	loader->counts.error = loader->other.error = -ENODATA;
	if (loader->kind == BOOTLOADER_GRUB) {
		loader->file = CONFIGURED_GRUB;
		loader->other_file = CONFIGURED_KERNEL;
		configured_grub(ctx, &loader->counts);
		configured_kernel(ctx, false, &loader->other);
	} else if (loader->kind == BOOTLOADER_SYSTEMD) {
		loader->file = CONFIGURED_KERNEL;
		loader->other_file = CONFIGURED_GRUB;
		configured_kernel(ctx, loader->proxmox, &loader->counts);
		configured_grub(ctx, &loader->other);
	}
}

void bootloader_clear(struct bootloader *loader)
{
	configured_clear(&loader->counts);
	configured_clear(&loader->other);
}
