/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules to load at boot: those of VFIO, and one that Linux has no more; and what the initramfs knows of it all. */
#include <stdio.h>
#include <string.h>

#include "../conf/initramfs.h"
#include "../conf/modulelist.h"
#include "hostplan.h"

#define OURS "/etc/modules-load.d/pvebind.conf"
#define VIRQFD "vfio_virqfd"
#define MISSING_MAX 200

static const char *const vfio_modules[] = { "vfio", "vfio_iommu_type1", "vfio_pci" };
#define VFIO_MODULES (sizeof(vfio_modules) / sizeof(vfio_modules[0]))

/* That of the initramfs counts: what is loaded there stays loaded. */
static bool listed(const struct modulelist *list, const char *module)
{
	for (size_t i = 0; i < list->n; i++)
		if (module_equal(list->lines[i].module, module))
			return true;
	return false;
}

static enum kernel_module kernel_has(struct hostplan *h, const char *module)
{
	return *h->kernels.running.release ? kernel_module(&h->kernels.running, module) : KERNEL_MODULE_UNKNOWN;
}

/* A line each. */
static void missing_find(struct hostplan *h, struct setup_point *point, const struct modulelist *list, char missing[MISSING_MAX])
{
	size_t n = 0;

	*missing = '\0';
	for (size_t i = 0; i < VFIO_MODULES; i++) {
		enum kernel_module has = kernel_has(h, vfio_modules[i]);

		if (has == KERNEL_MODULE_MISSING && pvb_sysfs_exists(h->ctx, h->kernels.running.folder))
			plan_refuse(h->plan, point, "this kernel, %s, has no module %s: boot one with VFIO (that of Proxmox VE, or Debian's linux-image-amd64), then try again",
				    h->release, vfio_modules[i]);
		if (has != KERNEL_MODULE_BUILTIN && !listed(list, vfio_modules[i]))
			n += (size_t)snprintf(missing + n, MISSING_MAX - n, "%s\n", vfio_modules[i]);
	}
}

static void missing_add(struct hostplan *h, struct setup_point *point, const char *missing)
{
	_conf_free_ char *text = plan_text(h, point, OURS), *after = NULL;
	size_t size = text ? strlen(text) : 0;

	if (h->plan->error || point->refused)
		return;
	if (asprintf(&after, "%s%s%s%s", text ? text : "", size && text[size - 1] != '\n' ? "\n" : "",
		     size ? "" : "# Passing PCI devices to VMs. By 'pvebind setup'; 'pvebind setup --undo' takes it back.\n", missing) < 0) {
		after = NULL;
		h->plan->error = -ENOMEM;
		return;
	}
	plan_file(h, point, OURS, after, "what it names is loaded at boot");
}

static void vfio_plan(struct hostplan *h, const struct modulelist *list)
{
	struct setup_point *point = plan_point(h->plan, "vfio-modules", false);
	char missing[MISSING_MAX];

	missing_find(h, point, list, missing);
	if (!*missing) {
		plan_have(h->plan, point, "vfio, vfio_iommu_type1 and vfio_pci are loaded at boot, or built in");
		return;
	}
	plan_have(h->plan, point, "not all modules of VFIO are named in /etc/modules or /etc/modules-load.d");
	for (char *end = missing; (end = strchr(end, '\n'));)
		*end = end[1] ? ' ' : '\0';
	plan_want(h->plan, point, "%s, loaded at boot", missing);
	plan_why(h->plan, point, "they are there before the first VM starts; until the next boot they are loaded when they are needed");
	for (char *blank = missing; (blank = strchr(blank, ' '));)
		*blank = '\n';
	strcat(missing, "\n");
	missing_add(h, point, missing);
}

/* ---- what Linux has no more ---- */

/* The text without its line of that number: malloced. */
static char *line_drop(const char *text, unsigned number)
{
	const char *line = text;
	size_t size;
	char *all = NULL;

	while (--number && *line) {
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	size = strcspn(line, "\n");
	size += line[size] == '\n';
	return asprintf(&all, "%.*s%s", (int)(line - text), text, line + size) < 0 ? NULL : all;
}

static void virqfd_drop(struct hostplan *h, struct setup_point *point, const struct modulelist_line *line)
{
	_conf_free_ char *text = plan_text(h, point, line->file), *after = text ? line_drop(text, line->line) : NULL;

	if (text && !after)
		h->plan->error = -ENOMEM;
	if (!after || point->refused)
		return;
	plan_file(h, point, line->file, after, "a module that there is no more");
	if (!strcmp(line->file, MODULELIST_INITRAMFS))
		plan_command(h->plan, point, PLAN_INITRAMFS);
}

/* A part of vfio itself since Linux 6.2. */
static bool virqfd_obsolete(const struct hostplan *h)
{
	unsigned major = 0, minor = 0;

	return sscanf(h->release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 2));
}

static void virqfd_plan(struct hostplan *h, const struct modulelist *list)
{
	struct setup_point *point = NULL;
	char place[320];

	/* From the end, so that numbers stay right. */
	for (size_t i = list->n; virqfd_obsolete(h) && i-- > 0;) {
		const struct modulelist_line *line = &list->lines[i];

		if (!module_equal(line->module, VIRQFD))
			continue;
		if (!h->wish->clean) {
			plan_hint(h->plan, SETUP_HINT_OBSOLETE, conf_place(place, sizeof(place), line->file, line->line),
				  VIRQFD ": there is no such module since Linux 6.2, which has it in vfio itself");
			continue;
		}
		if (!point)
			point = plan_point(h->plan, "obsolete-modules", false);
		plan_have(h->plan, point, VIRQFD " is to be loaded, which has been a part of vfio itself since Linux 6.2");
		plan_want(h->plan, point, "the line taken out");
		plan_why(h->plan, point, "it fails at each boot");
		virqfd_drop(h, point, line);
	}
}

void modulelist_plan(struct hostplan *h)
{
	struct modulelist list;

	h->plan->error = h->plan->error ? h->plan->error : modulelist_read(h->ctx, &list);
	if (h->plan->error)
		return;
	vfio_plan(h, &list);
	virqfd_plan(h, &list);
	modulelist_clear(&list);
}

/* ---- the initramfs ---- */

void initramfs_plan(struct hostplan *h)
{
	struct setup_point *point = NULL;
	const struct kernel *kernel;

	for (size_t i = 0; (kernel = kernels_get(&h->kernels, i)); i++) {
		struct initramfs initramfs;

		initramfs_look(h->ctx, kernel->release, &initramfs);
		if (!initramfs.stale)
			continue;
		if (!point)
			point = plan_point(h->plan, "initramfs", true);
		plan_have(h->plan, point, "%s was changed since %s was made", initramfs.youngest, initramfs.path);
		plan_want(h->plan, point, "the initramfs of every kernel made anew");
		plan_why(h->plan, point, "at boot the kernel's modules go by the copy that is in there");
		plan_command(h->plan, point, PLAN_INITRAMFS);
	}
}
