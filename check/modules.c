/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 04: the modules of VFIO. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
	bool ok = true;
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	for (size_t i = 0; i < VFIO_MODULES; i++) {
		states[i] = vfio_state(run, &kernels, vfio_modules[i]);
		ok &= states[i] && strcmp(states[i], "missing") != 0;
		if (!states[i])
			check_unknown(run, *kernels.running.folder ? kernels.running.folder : "/lib/modules",
				      "%s is not loaded, and the list of this kernel's modules cannot be read", vfio_modules[i]);
		else if (!strcmp(states[i], "missing"))
			vfio_missing(run, &kernels, vfio_modules[i]);
	}
	if (ok)
		check_ok(run, "/sys/module", "%s %s, %s %s, %s %s", vfio_modules[0], states[0], vfio_modules[1], states[1],
			 vfio_modules[2], states[2]);
	kernels_clear(&kernels);
}

/* ---- vfio_virqfd ---- */

/* The files that name modules to load, one a line (modules-load.d(5), initramfs-tools(7)). */
static size_t virqfd_in(struct check_run *run, const char *path)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines = { .next = NULL };
	char where[256];
	size_t found = 0;

	if (pvb_read_file(run->host.ctx, path, 1 << 20, &text, &lines.left) < 0)
		return 0;
	for (lines.next = text; conf_line_next(&lines);) {
		char *word = conf_trim(lines.line);

		word[strcspn(word, " \t#;")] = '\0';
		if (!module_equal(word, "vfio_virqfd"))
			continue;
		check_warn(run, check_place(where, sizeof(where), path, lines.number),
			   "vfio_virqfd is to be loaded, which has been a part of vfio itself since Linux 6.2: there is no such module");
		check_advise(run, "Remove the line.");
		check_command(run, "sed -i -E '/^[[:space:]]*vfio[-_]virqfd/d' %s", path);
		initramfs_commands(run);
		found++;
	}
	return found;
}

static void virqfd_check(struct check_run *run)
{
	static const char *const files[] = { "/etc/modules", "/etc/initramfs-tools/modules" };
	struct pvb_ctx *ctx = run->host.ctx;
	_conf_strv_ char **names = NULL;
	size_t found = 0, there = pvb_sysfs_exists(ctx, "etc/modules-load.d");
	char path[256];

	if (!run->host.major) {
		check_unknown(run, "/proc/sys/kernel/osrelease", "the kernel's version is not known, so neither whether it has vfio_virqfd");
		return;
	}
	if (!check_kernel_since(&run->host, 6, 2))
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		there += pvb_sysfs_exists(ctx, files[i]);
		found += virqfd_in(run, files[i]);
	}
	if (pvb_sysfs_list(ctx, "etc/modules-load.d", &names) == 0)
		for (char **name = names; *name; name++) {
			snprintf(path, sizeof(path), "/etc/modules-load.d/%s", *name);
			/* Debian has a link to /etc/modules there. */
			if (strcmp(*name, "modules.conf") != 0)
				found += virqfd_in(run, path);
		}
	if (!there)
		check_unknown(run, "/etc/modules", "there is no list of modules to load at boot");
	else if (!found)
		check_ok(run, "/etc/modules", "vfio_virqfd, which Linux has no more, is in no list of modules to load");
}

/* ---- the initramfs ---- */

struct youngest {
	char path[256];
	int64_t time; /* nanoseconds since the epoch; 0: none */
};

static int64_t file_time(struct pvb_ctx *ctx, const char *path)
{
	_conf_close_ int fd = pvb_open(ctx, path, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void youngest_see(struct pvb_ctx *ctx, struct youngest *youngest, const char *path)
{
	int64_t time = file_time(ctx, path);

	if (time > youngest->time && conf_copy(youngest->path, sizeof(youngest->path), path))
		youngest->time = time;
}

/* What initramfs-tools copies into the initramfs of all this (its hooks/kmod, mkinitramfs): not /etc/modules, which is
 * read when the root file system is there. */
static void youngest_find(struct pvb_ctx *ctx, struct youngest *youngest)
{
	_conf_strv_ char **names = NULL;
	char path[256];

	*youngest = (struct youngest){ .time = 0 };
	youngest_see(ctx, youngest, "/etc/initramfs-tools/modules");
	if (pvb_sysfs_list(ctx, "etc/modprobe.d", &names) < 0)
		return;
	for (char **name = names; *name; name++) {
		snprintf(path, sizeof(path), "/etc/modprobe.d/%s", *name);
		if (strlen(path) > 5 && !strcmp(path + strlen(path) - 5, ".conf"))
			youngest_see(ctx, youngest, path);
	}
}

/* A file that is written while the initramfs is made is in it, or will be in the next. */
#define INITRAMFS_SLACK ((int64_t)5 * 1000000000)

static void initramfs_say(struct check_run *run, const struct kernel *kernel, const struct youngest *youngest)
{
	char path[PVB_NAME_MAX + 32];
	int64_t made;

	snprintf(path, sizeof(path), "/boot/initrd.img-%s", kernel->release);
	made = file_time(run->host.ctx, path);
	if (!made) {
		check_unknown(run, path, "there is no such initramfs to compare with");
	} else if (youngest->time > made + INITRAMFS_SLACK) {
		check_warn(run, youngest->path, "changed since %s was made: at boot the kernel's modules still go by what it said before", path);
		check_advise(run, "Make the initramfs anew, then reboot.");
		initramfs_commands(run);
	} else {
		check_ok(run, path, "the initramfs of %s is newer than the modules' configuration", kernel->release);
	}
}

static void initramfs_check(struct check_run *run)
{
	struct youngest youngest;
	struct kernels kernels;
	const struct kernel *kernel;

	kernels_find(&run->host, &kernels);
	youngest_find(run->host.ctx, &youngest);
	if (!youngest.time)
		check_unknown(run, "/etc/modprobe.d", "there is no configuration of modules to compare the initramfs with");
	else if (!kernels_get(&kernels, 0))
		check_unknown(run, "/proc/sys/kernel/osrelease", "it is not known which kernel runs, nor which one boots next");
	for (size_t i = 0; youngest.time && (kernel = kernels_get(&kernels, i)); i++)
		initramfs_say(run, kernel, &youngest);
	kernels_clear(&kernels);
}

const struct check check_modules[] = {
	{ "vfio-modules", "The kernel has the modules of VFIO", CHECK_HOST, "04", vfio_check },
	{ "vfio-virqfd", "No obsolete module is to be loaded", CHECK_HOST, "04", virqfd_check },
	{ "initramfs-stale", "The initramfs has the modules' configuration as it is", CHECK_HOST, "04", initramfs_check },
	{ .id = NULL },
};
