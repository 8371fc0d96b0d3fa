/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to do about the kernel command line, for the boot loader that booted this host. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bootloader.h"
#include "../conf/parameter.h"

void bootloader_look(const struct check_host *host, struct bootloader *loader)
{
	bootloader_find(host->ctx, host->cmdline, loader);
}

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
