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
static void info_read(const struct check_host *host, char *name, size_t size)
{
	char raw[512];
	ssize_t n = platform_head(host->ctx, LOADER_INFO, raw, sizeof(raw));
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
static void kind_look(const struct check_host *host, struct bootloader *loader)
{
	const char *cmdline = host->cmdline ? host->cmdline : "";
	bool firmware = pvb_sysfs_exists(host->ctx, "sys/firmware"), efi = pvb_sysfs_exists(host->ctx, "sys/firmware/efi");

	info_read(host, loader->name, sizeof(loader->name));
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
	else if (firmware && !efi && pvb_sysfs_exists(host->ctx, "boot/grub/grub.cfg"))
		kind_set(loader, BOOTLOADER_GRUB, "GRUB", "/boot/grub/grub.cfg");
}

void bootloader_look(const struct check_host *host, struct bootloader *loader)
{
	*loader = (struct bootloader){ .seen = "", .file = "", .other_file = "" };
	loader->proxmox = pvb_sysfs_exists(host->ctx, "etc/kernel/proxmox-boot-uuids");
	kind_look(host, loader);
	loader->counts.error = loader->other.error = -ENODATA;
	if (loader->kind == BOOTLOADER_GRUB) {
		loader->file = CONFIGURED_GRUB;
		loader->other_file = CONFIGURED_KERNEL;
		configured_grub(host->ctx, &loader->counts);
		configured_kernel(host->ctx, false, &loader->other);
	} else if (loader->kind == BOOTLOADER_SYSTEMD) {
		loader->file = CONFIGURED_KERNEL;
		loader->other_file = CONFIGURED_GRUB;
		configured_kernel(host->ctx, loader->proxmox, &loader->counts);
		configured_grub(host->ctx, &loader->other);
	}
}

void bootloader_clear(struct bootloader *loader)
{
	configured_clear(&loader->counts);
	configured_clear(&loader->other);
}

/* ---- what to do ---- */

/* As proxmox-boot-tool and Debian's kernel-install do it. */
void bootloader_commands_apply(struct check_run *run, const struct bootloader *loader)
{
	if (loader->kind == BOOTLOADER_SYSTEMD && !loader->proxmox)
		check_command(run, "kernel-install add \"$(uname -r)\" \"/boot/vmlinuz-$(uname -r)\"");
	else if (loader->proxmox)
		check_command(run, "proxmox-boot-tool refresh");
	else if (loader->kind == BOOTLOADER_GRUB)
		check_command(run, "update-grub");
	check_command(run, "reboot");
}

/* Whether sed can take it as it is. */
static bool word_plain(const char *word, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)word[i]) && !strchr("_=:,.- ", word[i]))
			return false;
	return true;
}

/* A line that begins so. */
static bool file_has(const struct check_host *host, const char *path, const char *begin)
{
	_conf_free_ char *text = NULL;
	char line[80];

	snprintf(line, sizeof(line), "\n%s", begin);
	return pvb_read_file(host->ctx, path, 1 << 18, &text, NULL) == 0 &&
	       (!strncmp(text, begin, strlen(begin)) || strstr(text, line));
}

void bootloader_advise_add(struct check_run *run, const struct bootloader *loader, const char *words, const char *why)
{
	bool plain = word_plain(words, strlen(words));

	if (!*loader->file) {
		check_advise(run, "%s: put %s on the kernel command line, in the file that your boot loader takes it from.", why, words);
		return;
	}
	if (loader->kind == BOOTLOADER_GRUB)
		check_advise(run, "%s: put %s into GRUB_CMDLINE_LINUX_DEFAULT of " CONFIGURED_GRUB ".", why, words);
	else
		check_advise(run, "%s: put %s behind what is in " CONFIGURED_KERNEL ", in the same line.", why, words);
	if (plain && loader->kind == BOOTLOADER_GRUB && file_has(&run->host, CONFIGURED_GRUB, "GRUB_CMDLINE_LINUX_DEFAULT=\""))
		check_command(run, "sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=\"/&%s /' " CONFIGURED_GRUB, words);
	else if (plain && loader->kind == BOOTLOADER_SYSTEMD)
		check_command(run, "sed -i '1s/$/ %s/' " CONFIGURED_KERNEL, words);
	else
		check_command(run, "nano %s", loader->file);
	bootloader_commands_apply(run, loader);
}

void bootloader_advise_remove(struct check_run *run, const struct bootloader *loader, const char *words, const char *why)
{
	bool named = false;
	const char *word;
	size_t size;

	check_advise(run, "%s: take %s off the kernel command line.", why, words);
	while ((word = parameter_next(&words, &size))) {
		const struct configured_word *at = configured_find(&loader->counts, word, size);

		if (at && word_plain(word, size))
			check_command(run, "sed -i 's/ *\\b%.*s\\b//' %s", (int)size, word, at->file);
		else if (at)
			check_command(run, "nano %s", at->file);
		named |= at != NULL;
	}
	if (named)
		bootloader_commands_apply(run, loader);
}
