/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Masks for what tells one person's machine from another's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "mask.h"

/* A value that has a mask: met already, or learned. */
struct mask_entry {
	const char *kind;
	char *text;       /* malloced; lower case, a MAC without what parts its digits */
	unsigned number;  /* of its kind; 0: learned, and not met yet */
	bool learned;
	enum mask_where where;
};

/* Characters of a host's name that is found beside digits ("zeus2"), and within any word ("tankhercules"). */
#define WITHIN_LEAST 4
#define WITHIN_LONG 6

static void *memory_check(void *p)
{
	if (p)
		return p;
	fputs("pvebind: error: out of memory\n", stderr);
	exit(1);
}

static bool is_hex(char c)
{
	return isxdigit((unsigned char)c);
}

static bool names_nobody(const char *text)
{
	static const char *const words[] = {
		"pve", "proxmox", "localhost", "localdomain", "local", "local-lvm", "local-zfs", "debian", "host", "server", "node",
		"home", "lan", "internal", "vm", "vms", "gpu", "pci", "usb", "kernel", "storage", "backup", "backups", "data", "disk",
		"disks", "iso", "images", "snippets", "nvme", "ssd", "hdd", "none", "unknown", "default", "default string",
		"to be filled by o.e.m.", "system serial number", "base board serial number", "chassis serial number",
		"not specified", "not applicable", "not available", "standard", "empty", "0123456789", "123456789", "invalid", "n/a",
		/* A host may be called so; but then everybody is, and the rest of the text is about these. */
		"intel", "amd", "nvidia", "radeon", "geforce", "quadro", "ryzen", "epyc", "xeon", "threadripper", "core", "arc",
		"iommu", "vfio", "virtio", "qemu", "kvm", "amdgpu", "nouveau", "xhci", "sata", "ahci", "ethernet", "audio", "display",
		"controller", "bridge", "device", "group", "root", "port", "reset", "linux", "bios", "uefi", "efi", "grub", "zfs", "lvm",
		"lvmthin", "btrfs", "ceph", "cephfs", "rbd", "nfs", "cifs", "smb", "pbs", "dir", "rpool", "raid", "boot", "swap", "memory",
		"network", "desktop", "gaming", "status", "config", "check", "list", "fail", "warn", "address", "name", "names",
	};

	if (strlen(text) < 3)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

static char *canonical(const char *kind, const char *text, size_t n)
{
	char *to = memory_check(malloc(n + 1));
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(kind, "MAC") != 0 || is_hex(text[i]))
			to[k++] = (char)tolower((unsigned char)text[i]);
	to[k] = '\0';
	return to;
}

static struct mask_entry *entry_add(struct mask *mask, const char *kind, char *text)
{
	mask->list = memory_check(realloc(mask->list, (mask->n + 1) * sizeof(*mask->list)));
	mask->list[mask->n] = (struct mask_entry){ .kind = kind, .text = text };
	return &mask->list[mask->n++];
}

static struct mask_entry *entry_find(const struct mask *mask, const char *kind, const char *text)
{
	for (size_t i = 0; i < mask->n; i++)
		if (!strcmp(mask->list[i].kind, kind) && !strcmp(mask->list[i].text, text))
			return &mask->list[i];
	return NULL;
}

void mask_learn(struct mask *mask, const char *kind, const char *text, enum mask_where where)
{
	char *value = canonical(kind, text, strlen(text));
	struct mask_entry *entry;

	if (!*value || (where == MASK_WORDS && names_nobody(value)) || entry_find(mask, kind, value)) {
		free(value);
		return;
	}
	entry = entry_add(mask, kind, value);
	entry->learned = true;
	entry->where = where;
}

static bool is_enclosed(const char *text, const char *at, size_t n)
{
	return at > text && strchr("(\"'", at[-1]) && at[n] && strchr(")\"'", at[n]);
}

/* Two digits beside each other are of one number, and other characters of one word. */
static bool is_joined(char a, char b)
{
	return mask_is_word(a) && mask_is_word(b) && !isdigit((unsigned char)a) == !isdigit((unsigned char)b);
}

/* Other names are made of a host's: "zeus2", "tankhercules". */
static bool stands_here(const struct mask_entry *entry, const char *text, const char *at, size_t n)
{
	char before = at > text ? at[-1] : ' ';

	if (entry->where == MASK_ENCLOSED)
		return !mask_is_word(before) && is_enclosed(text, at, n);
	if (!mask_is_word(before) && !mask_is_word(at[n]))
		return true;
	if (strcmp(entry->kind, "HOST") != 0 || n < WITHIN_LEAST || strspn(at, "0123456789abcdefABCDEF") >= n)
		return false; /* "cafe" is in too many numbers */
	return n >= WITHIN_LONG || (!is_joined(before, *at) && !is_joined(at[n - 1], at[n]));
}

/* The longest of the learned ones that stands here. */
static bool learned_match(const struct mask *mask, const char *text, const char *at, struct mask_found *found)
{
	char first = (char)tolower((unsigned char)*at);

	*found = (struct mask_found){ .n = 0 };
	for (size_t i = 0; i < mask->n; i++) {
		const struct mask_entry *entry = &mask->list[i];
		size_t n;

		if (!entry->learned || *entry->text != first)
			continue;
		n = strlen(entry->text);
		if (n <= found->n || strncasecmp(at, entry->text, n) != 0 || !stands_here(entry, text, at, n))
			continue;
		/* "zeus12" is another one than "zeus". */
		n += strspn(at + n, "0123456789");
		*found = (struct mask_found){ .n = n, .kind = entry->kind };
	}
	return found->n > 0;
}

/* ---- a text ---- */

static unsigned number_of(struct mask *mask, const char *kind, const char *text, size_t n)
{
	char *value = canonical(kind, text, n);
	struct mask_entry *entry = entry_find(mask, kind, value);
	unsigned last = 0;

	for (size_t i = 0; i < mask->n; i++)
		if (!strcmp(mask->list[i].kind, kind) && mask->list[i].number > last)
			last = mask->list[i].number;
	if (!entry)
		entry = entry_add(mask, kind, value);
	else
		free(value);
	if (!entry->number)
		entry->number = last + 1;
	return entry->number;
}

char *mask_text(struct mask *mask, const char *text)
{
	struct mask_found found;
	char *masked = NULL;
	size_t size = 0;
	FILE *out = memory_check(open_memstream(&masked, &size));

	for (const char *at = text; *at;) {
		size_t n;

		if (mask_form(text, at, &found) || learned_match(mask, text, at, &found)) {
			fprintf(out, "%.*s%s-%u", (int)found.keep, at, found.kind,
				number_of(mask, found.kind, at + found.keep, found.n));
			at += found.keep + found.n;
			continue;
		}
		n = *at == '\n' || *at == '\t' ? 0 : cli_control(at);
		fputc(n ? '?' : *at, out);
		at += n ? n : 1;
	}
	if (fclose(out) != 0)
		memory_check(NULL);
	return masked;
}

void mask_clear(struct mask *mask)
{
	for (size_t i = 0; i < mask->n; i++)
		free(mask->list[i].text);
	free(mask->list);
	*mask = (struct mask){ .n = 0 };
}
