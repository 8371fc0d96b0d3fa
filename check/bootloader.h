/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to do about the kernel command line, for the boot loader that booted this host (conf/bootloader.h). */
#ifndef PVEBIND_CHECK_BOOTLOADER_H
#define PVEBIND_CHECK_BOOTLOADER_H

#include "check.h"
#include "../conf/bootloader.h"

/* Free with bootloader_clear(). */
void bootloader_look(const struct check_host *host, struct bootloader *loader);

/* What to do, to the last finding: put words on the kernel command line (why: what stands before the colon of the sentence), take
 * some off it, or only write it into the boot entries. */
void bootloader_advise_add(struct check_run *run, const struct bootloader *loader, const char *words, const char *why);
void bootloader_advise_remove(struct check_run *run, const struct bootloader *loader, const char *words, const char *why);
void bootloader_commands_apply(struct check_run *run, const struct bootloader *loader);

#endif
