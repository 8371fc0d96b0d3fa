/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The installed kernels' modules, and which of them can drive a function: what chapters 04 to 08 of the guide ask. */
#ifndef PVEBIND_CONF_KERNELS_H
#define PVEBIND_CONF_KERNELS_H

#include "conf.h"

/* A kernel's lists, read when they are asked for (depmod(8); Linux, Documentation/kbuild/kbuild.rst). */
enum kernel_list { KERNEL_DEP, KERNEL_BUILTIN, KERNEL_ALIAS, KERNEL_MODINFO, KERNEL_LISTS };

/* "pci:v000010DEd*sv*sd*bc03sc*i*" is the module's. Points into a list. */
struct kernel_alias {
	const char *pattern, *module;
	size_t pattern_size, module_size;
};

struct kernel {
	char release[PVB_NAME_MAX]; /* "" when unknown */
	char folder[PVB_NAME_MAX + 16]; /* "/lib/modules/6.8.12-4-pve" */
	struct pvb_ctx *ctx;
	struct {
		bool read;
		char *text;         /* NULL where it cannot be read */
		size_t size;
	} lists[KERNEL_LISTS];
	struct kernel_alias *aliases; /* malloced, at the first question: of PCI, those of any vendor first, then by vendor */
	size_t num_aliases;
};

struct kernels {
	struct kernel running;
	struct kernel next;         /* what boots next; release "" when that is the running one, or none is known */
	const char *next_why;       /* "the newest that is installed" */
};
/* release: of the kernel that runs; "": not known. Free with kernels_clear(). */
void kernels_look(struct pvb_ctx *ctx, const char *release, struct kernels *kernels);
void kernels_clear(struct kernels *kernels);
/* The running kernel, then the next one where it is another; NULL behind them, and where its release is not known. */
struct kernel *kernels_get(struct kernels *kernels, size_t i);

enum kernel_module { KERNEL_MODULE_UNKNOWN, KERNEL_MODULE_MISSING, KERNEL_MODULE_FILE, KERNEL_MODULE_BUILTIN };
/* Whether the kernel has the module; '-' and '_' are the same. */
enum kernel_module kernel_module(struct kernel *kernel, const char *name);
/* Whether any kernel that is installed has the module built in: its release into release. Looks at all of them, as
 * update-initramfs -k all does. */
bool kernels_built(struct kernels *kernels, const char *name, char release[PVB_NAME_MAX]);
/* Whether it is in the kernel that runs: loaded, or built in. */
bool module_loaded(const struct pvb_ctx *ctx, const char *name);
bool module_equal(const char *a, const char *b);

#define DRIVERS_MAX 8

/* The modules that can drive a function at home. */
struct drivers {
	char names[DRIVERS_MAX][PVB_NAME_MAX];
	unsigned n;
	bool bound;   /* the one that drives it now, alone */
	bool unknown; /* none is bound, and the kernel's aliases cannot be read */
};
/* By the kernel's aliases alone, whatever drives it now. */
void drivers_able(struct kernels *kernels, const struct pvb_function *fn, struct drivers *drivers);
void drivers_find(struct kernels *kernels, const struct pvb_function *fn, struct drivers *drivers);
bool drivers_have(const struct drivers *drivers, const char *module);
/* "nouveau, nvidiafb" into buf, which is returned. */
const char *drivers_text(const struct drivers *drivers, char *buf, size_t size);

#endif
