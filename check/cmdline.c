/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 02: the kernel command line, and which file it comes from. What is on it is in options.c. */
#include <stdio.h>
#include <string.h>

#include "bootloader.h"
#include "groups.h"
#include "../conf/parameter.h"

#define CMDLINE "/proc/cmdline"
#define GRUB_CFG "boot/grub/grub.cfg"

/* Some words of a command line, for a sentence and for what to do: those that fit, with blanks between. */
struct words {
	char text[320];
	size_t n;
	const struct configured_word *first;
};

static void words_add(struct words *words, const char *word, const struct configured_word *at)
{
	size_t have = strlen(words->text);
	int n = snprintf(words->text + have, sizeof(words->text) - have, "%s%s", have ? " " : "", word);

	if (n < 0 || (size_t)n >= sizeof(words->text) - have)
		words->text[have] = '\0';
	if (!words->n++)
		words->first = at;
}

/* What says something about devices, VMs or the screen: in the wrong file, or given by hand, it is missed. */
static bool word_matters(const char *word)
{
	static const char *const begins[] = {
		"amd_iommu", "amdgpu.", "default_hugepagesz", "efifb", "hugepages", "i915.", "initcall_blacklist", "intel_iommu",
		"intremap", "iommu", "isolcpus", "kvm", "modprobe.blacklist", "module_blacklist", "nofb", "nomodeset", "nouveau.",
		"nvidia", "pci=", "pcie_", "pvebind", "radeon.", "rd.driver.", "snd_hda_intel.", "vfio", "video=", "xe.",
	};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (!strncmp(word, begins[i], strlen(begins[i])))
			return true;
	return false;
}

/* ---- boot-loader ---- */

static void boot_loader_check(struct check_run *run)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	if (loader.kind == BOOTLOADER_UNKNOWN) {
		check_unknown(run, CMDLINE, "one cannot see which boot loader booted this host, and so not which file its kernel command line comes from");
	} else if (loader.kind == BOOTLOADER_OTHER) {
		check_warn(run, loader.seen, "%s booted this host, of which pvebind does not know where its kernel command line comes from", loader.name);
		check_advise(run, "Neither " CONFIGURED_GRUB " nor " CONFIGURED_KERNEL " may count: change it where that boot loader has it.");
	} else if (loader.kind == BOOTLOADER_SYSTEMD && run->host.is_pve && !loader.proxmox) {
		check_warn(run, "/etc/kernel/proxmox-boot-uuids", "%s booted this host, but proxmox-boot-tool does not keep its EFI partition: new kernels and changes of the command line may not get there",
			   loader.name);
		check_advise(run, "Look which partition it boots from, and hand that to proxmox-boot-tool, which writes to it.");
		check_command(run, "lsblk -o NAME,PARTTYPENAME,FSTYPE,UUID,MOUNTPOINTS");
		check_command(run, "proxmox-boot-tool status");
	} else {
		check_ok(run, loader.seen, "%s booted this host%s, so %s counts", loader.name,
			 loader.proxmox ? ", kept by proxmox-boot-tool" : "", loader.file);
	}
	bootloader_clear(&loader);
}

/* ---- cmdline-applied ---- */

/* Whether the boot entries of GRUB have it all: then only the reboot is missing. */
static bool grub_has(const struct check_host *host, const struct words *words)
{
	_conf_free_ char *text = NULL;
	const char *at = words->text, *word;
	size_t size;

	if (pvb_read_file(host->ctx, GRUB_CFG, 4 << 20, &text, NULL) < 0)
		return false;
	while ((word = parameter_next(&at, &size)))
		if (!parameter_has(text, word, size))
			return false;
	return true;
}

static void unapplied_say(struct check_run *run, const struct bootloader *loader, const struct words *words)
{
	bool written = loader->kind == BOOTLOADER_GRUB && !loader->proxmox && grub_has(&run->host, words);

	check_warn(run, words->first->place, "%s %s in %s, but not on the command line of the kernel that runs", words->text,
		   words->n > 1 ? "are" : "is", loader->file);
	if (written) {
		check_advise(run, "The boot entry has it (/" GRUB_CFG "): only the reboot is missing.");
		check_command(run, "reboot");
		return;
	}
	check_advise(run, "Write it into the boot entries, and reboot.");
	bootloader_commands_apply(run, loader);
}

static void byhand_say(struct check_run *run, const struct bootloader *loader, const struct words *words)
{
	check_warn(run, CMDLINE, "the kernel that runs was given %s, which %s does not have: the next boot is without", words->text, loader->file);
	check_advise(run, "If it is to stay, put it there; if it was taken out on purpose, reboot.");
}

static void applied_compare(struct check_run *run, const struct bootloader *loader)
{
	const char *at = run->host.cmdline, *word;
	struct words missing = { .n = 0 }, extra = { .n = 0 };
	size_t size;

	for (size_t i = 0; i < loader->counts.n; i++)
		if (!parameter_has(run->host.cmdline, loader->counts.words[i].text, strlen(loader->counts.words[i].text)))
			words_add(&missing, loader->counts.words[i].text, &loader->counts.words[i]);
	while ((word = parameter_next(&at, &size))) {
		_conf_free_ char *copy = strndup(word, size);

		if (copy && word_matters(copy) && !configured_find(&loader->counts, word, size))
			words_add(&extra, copy, NULL);
	}
	if ((missing.n || extra.n) && *loader->counts.unsure) {
		check_unknown(run, loader->counts.unsure, "what it comes to is for the shell to tell: whether the kernel runs with it cannot be seen");
		return;
	}
	if (missing.n)
		unapplied_say(run, loader, &missing);
	if (extra.n)
		byhand_say(run, loader, &extra);
	if (!missing.n && !extra.n)
		check_ok(run, loader->file, "the kernel runs with what this file says");
}

static void cmdline_applied_check(struct check_run *run)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	if (!run->host.cmdline)
		check_unknown(run, CMDLINE, "it cannot be read");
	else if (!*loader.file)
		check_unknown(run, CMDLINE, "the file that it comes from is not known: see the check boot-loader");
	else if (loader.counts.error)
		check_unknown(run, loader.file, "it cannot be read: %s", strerror(-loader.counts.error));
	else
		applied_compare(run, &loader);
	bootloader_clear(&loader);
}

/* ---- cmdline-wrong-file ---- */

static void wrong_file_look(struct check_run *run, const struct bootloader *loader)
{
	struct words words = { .n = 0 };

	for (size_t i = 0; i < loader->other.n; i++) {
		const struct configured_word *word = &loader->other.words[i];
		size_t size = strlen(word->text);

		if (word_matters(word->text) && !configured_find(&loader->counts, word->text, size) &&
		    !parameter_has(run->host.cmdline, word->text, size))
			words_add(&words, word->text, word);
	}
	if (!words.n) {
		check_ok(run, loader->other_file, loader->other.error ? "there is no such file, and it would not count" :
			 "nothing stands there alone that a VM's devices need");
		return;
	}
	check_warn(run, words.first->place, "%s stands in a file that does not count: %s booted this host, which takes %s", words.text, loader->name,
		   loader->file);
	bootloader_advise_add(run, loader, words.text, "If you want it");
}

static void cmdline_wrong_file_check(struct check_run *run)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	if (!*loader.file || !run->host.cmdline)
		check_unknown(run, CMDLINE, "which file counts is not known: see the check boot-loader");
	else if (loader.other.error && loader.other.error != -ENOENT)
		check_unknown(run, loader.other_file, "it cannot be read: %s", strerror(-loader.other.error));
	else
		wrong_file_look(run, &loader);
	bootloader_clear(&loader);
}

/* ---- cmdline-one-line ---- */

/* proxmox-boot-tool takes the first line, and refuses to work when that has no root=. */
static void one_line_look(struct check_run *run, const struct configured *kernel)
{
	const struct configured_word *root = configured_named(kernel, "root");

	if (kernel->first_blank || !root) {
		check_fail(run, CONFIGURED_KERNEL ":1", "the first line has no root=, so that proxmox-boot-tool refuses to write boot entries: neither changes nor new kernels get there");
		check_advise(run, "Make it one line again, with the root= (and boot=) that /proc/cmdline has.");
		check_command(run, "cat /proc/cmdline");
		check_command(run, "nano " CONFIGURED_KERNEL);
		check_command(run, "proxmox-boot-tool refresh");
	} else if (kernel->lines > 1) {
		check_fail(run, CONFIGURED_KERNEL ":2", "the file has %u lines, and proxmox-boot-tool takes the first one alone: the rest never reaches the kernel",
			   kernel->lines);
		check_advise(run, "Join them to one line (leave out what was meant as a comment: there are none in that file).");
		check_command(run, "nano " CONFIGURED_KERNEL);
		check_command(run, "proxmox-boot-tool refresh");
		check_command(run, "reboot");
	} else {
		check_ok(run, CONFIGURED_KERNEL, "one line, with root=");
	}
}

static void cmdline_one_line_check(struct check_run *run)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	if (loader.kind == BOOTLOADER_SYSTEMD && loader.proxmox) {
		if (loader.counts.error)
			check_unknown(run, CONFIGURED_KERNEL, "it cannot be read: %s", strerror(-loader.counts.error));
		else
			one_line_look(run, &loader.counts);
	}
	bootloader_clear(&loader);
}

const struct check check_cmdline[] = {
	{ "boot-loader", "It is known which boot loader booted the host", CHECK_HOST, "02", boot_loader_check },
	{ "cmdline-applied", "The kernel runs with what its file says", CHECK_HOST, "02", cmdline_applied_check },
	{ "cmdline-wrong-file", "No parameter is in the file that does not count", CHECK_HOST, "02", cmdline_wrong_file_check },
	{ "cmdline-one-line", "/etc/kernel/cmdline is one line", CHECK_HOST, "02", cmdline_one_line_check },
	{ .id = NULL },
};
