/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel command line as the files of the boot loaders have it: /etc/default/grub, /etc/kernel/cmdline. */
#ifndef PVEBIND_CONF_CONFIGURED_H
#define PVEBIND_CONF_CONFIGURED_H

#include "conf.h"

#define CONFIGURED_GRUB "/etc/default/grub"
#define CONFIGURED_KERNEL "/etc/kernel/cmdline"

struct configured_word {
	char *text;      /* malloced: "intel_iommu=on" */
	char place[96];  /* "/etc/default/grub:9" */
	char file[80];   /* "/etc/default/grub" */
	unsigned line;
};

struct configured {
	int error;       /* -errno: it could not be read, and is empty; 0 */
	struct configured_word *words; /* malloced */
	size_t n;
	char unsure[96]; /* a place where it depends on what only the shell can tell; "" */
	/* Of GRUB: where GRUB_CMDLINE_LINUX_DEFAULT was set last ("=", not "+="); "", 0: nowhere. */
	char set_file[80];
	unsigned set_line;
	/* Of /etc/kernel/cmdline: lines that are not blank, and whether the first one is. */
	unsigned lines;
	bool first_blank;
};

/* -ENOMEM ends the program no more than an unreadable file: both are in error. */
void configured_grub(const struct pvb_ctx *ctx, struct configured *configured);
/* The same as if the file path said text; it must be there. */
void configured_grub_as(const struct pvb_ctx *ctx, const char *path, const char *text, struct configured *configured);
/* first_only: the first line alone, as proxmox-boot-tool takes it (get_first_line of its zz-proxmox-boot); else all, joined,
 * as kernel-install does. */
void configured_kernel(const struct pvb_ctx *ctx, bool first_only, struct configured *configured);
void configured_clear(struct configured *configured);
/* Add the words of a text. -ENOMEM. */
int configured_add(struct configured *configured, const char *text, const char *file, unsigned line);
/* The word as a whole; the last with this name (any value); NULL. */
const struct configured_word *configured_find(const struct configured *configured, const char *word, size_t size);
const struct configured_word *configured_named(const struct configured *configured, const char *name);

#endif
