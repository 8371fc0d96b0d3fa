/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 04: the modules of VFIO. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../conf/initramfs.h"
#include "../conf/modulelist.h"
#include "groups.h"
#include "kernels.h"

/* ---- are there the modules? ---- */

static const char *const vfio_modules[] = { "vfio", "vfio_iommu_type1", "vfio_pci" };
#define VFIO_MODULES (sizeof(vfio_modules) / sizeof(vfio_modules[0]))

static void vfio_missing(struct check_run *run, struct kernels *kernels, const char *name)
{
	const struct kernel *kernel = &kernels->running;

	if (!pvb_sysfs_exists(run->host.ctx, kernel->folder)) {
		check_fail(run, kernel->folder, "the modules of the kernel that runs, %s, are not installed any more, and %s is not loaded",
			   kernel->release, name);
		check_advise(run, "An upgrade has removed them: reboot into the kernel that is installed.");
		check_command(run, "reboot");
		return;
	}
	check_fail(run, kernel->folder, "this kernel, %s, has no module %s: no device can be passed to a VM", kernel->release, name);
	check_advise(run, "Boot a kernel with VFIO: that of Proxmox VE, or Debian's linux-image-amd64 (not its cloud kernel).");
}

static const char *vfio_state(struct check_run *run, struct kernels *kernels, const char *name)
{
	char path[PVB_NAME_MAX + 32];

	if (module_live(&run->host, name)) {
		snprintf(path, sizeof(path), "sys/module/%s/initstate", name);
		return pvb_sysfs_exists(run->host.ctx, path) ? "is loaded" : "is built in";
	}
	switch (kernel_module(&kernels->running, name)) {
	case KERNEL_MODULE_BUILTIN:
		return "is built in";
	case KERNEL_MODULE_FILE:
		return "is loaded when it is needed";
	case KERNEL_MODULE_MISSING:
		return "missing";
	case KERNEL_MODULE_UNKNOWN:
	default:
		/* A folder that went is known; a whole tree without modules is a tree, and no host. */
		return *kernels->next.release && !pvb_sysfs_exists(run->host.ctx, kernels->running.folder) ? "missing" : NULL;
	}
}

static void vfio_check(struct check_run *run)
{
	const char *states[VFIO_MODULES];
	char unknown[64] = "";
	bool ok = true;
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	for (size_t i = 0; i < VFIO_MODULES; i++) {
		states[i] = vfio_state(run, &kernels, vfio_modules[i]);
		ok &= states[i] && strcmp(states[i], "missing") != 0;
		if (!states[i])
			snprintf(strchr(unknown, '\0'), sizeof(unknown) - strlen(unknown), "%s%s", *unknown ? ", " : "", vfio_modules[i]);
		else if (!strcmp(states[i], "missing"))
			vfio_missing(run, &kernels, vfio_modules[i]);
	}
	if (*unknown)
		check_unknown(run, *kernels.running.folder ? kernels.running.folder : "/lib/modules",
			      "not loaded, and the list of this kernel's modules cannot be read: %s", unknown);
	if (ok)
		check_ok(run, "/sys/module", "%s %s, %s %s, %s %s", vfio_modules[0], states[0], vfio_modules[1], states[1],
			 vfio_modules[2], states[2]);
	kernels_clear(&kernels);
}

/* ---- vfio_virqfd ---- */

static void virqfd_say(struct check_run *run, const struct modulelist_line *line)
{
	char where[320];

	check_warn(run, check_place(where, sizeof(where), line->file, line->line),
		   "vfio_virqfd is to be loaded, which has been a part of vfio itself since Linux 6.2: there is no such module");
	check_advise(run, "Remove the line.");
	check_command(run, "sed -i -E '/^[[:space:]]*vfio[-_]virqfd/d' %s", line->file);
	initramfs_commands(run);
}

static void virqfd_check(struct check_run *run)
{
	size_t before = run->findings.n;
	struct modulelist list;

	if (!run->host.major) {
		check_unknown(run, "/proc/sys/kernel/osrelease", "the kernel's version is not known, so neither whether it has vfio_virqfd");
		return;
	}
	if (!check_kernel_since(&run->host, 6, 2))
		return;
	if (modulelist_read(run->host.ctx, &list) < 0 || !list.files)
		check_unknown(run, "/etc/modules", "there is no list of modules to load at boot");
	for (size_t i = 0; i < list.n; i++)
		if (module_equal(list.lines[i].module, "vfio_virqfd"))
			virqfd_say(run, &list.lines[i]);
	if (run->findings.n == before)
		check_ok(run, "/etc/modules", "vfio_virqfd, which Linux has no more, is in no list of modules to load");
	modulelist_clear(&list);
}

/* ---- the initramfs ---- */

static void initramfs_say(struct check_run *run, const struct initramfs *initramfs, const char *release)
{
	if (!initramfs->there) {
		check_unknown(run, initramfs->path, "there is no such initramfs to compare with");
	} else if (initramfs->stale) {
		check_warn(run, initramfs->youngest, "changed since %s was made: at boot the kernel's modules still go by what it said before", initramfs->path);
		check_advise(run, "Make the initramfs anew, then reboot.");
		initramfs_commands(run);
	} else {
		check_ok(run, initramfs->path, "the initramfs of %s is newer than the modules' configuration", release);
	}
}

static void initramfs_check(struct check_run *run)
{
	struct initramfs initramfs = { .youngest = "" };
	struct kernels kernels;
	const struct kernel *kernel;

	kernels_find(&run->host, &kernels);
	if (!kernels_get(&kernels, 0))
		check_unknown(run, "/proc/sys/kernel/osrelease", "it is not known which kernel runs, nor which one boots next");
	for (size_t i = 0; (kernel = kernels_get(&kernels, i)); i++) {
		initramfs_look(run->host.ctx, kernel->release, &initramfs);
		if (*initramfs.youngest)
			initramfs_say(run, &initramfs, kernel->release);
		else if (!i)
			check_unknown(run, "/etc/modprobe.d", "there is no configuration of modules to compare the initramfs with");
	}
	kernels_clear(&kernels);
}

const struct check check_modules[] = {
	{ "vfio-modules", "The kernel has the modules of VFIO", CHECK_HOST, "04", vfio_check },
	{ "vfio-virqfd", "No obsolete module is to be loaded", CHECK_HOST, "04", virqfd_check },
	{ "initramfs-stale", "The initramfs has the modules' configuration as it is", CHECK_HOST, "04", initramfs_check },
	{ .id = NULL },
};
