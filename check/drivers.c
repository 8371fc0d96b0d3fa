/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 05: the drivers that the devices come home to, and what they need to be loaded. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "groups.h"
#include "kernels.h"

#define RELEASE_FILE "/proc/sys/kernel/osrelease"

/* ---- the home driver's module ---- */

static void home_missing(struct check_run *run, struct kernels *kernels, const struct kernel *kernel, const char *names)
{
	if (kernel == &kernels->running) {
		check_warn(run, kernel->folder, "the kernel that runs has no module %s, so that it has no driver to come home to", names);
		check_advise(run, "Boot the kernel that is installed, or install the driver for this one.");
		return;
	}
	check_fail(run, kernel->folder, "the kernel that boots next, %s (%s), has no module %s: after that boot it has no driver to come home to",
		   kernel->release, kernels->next_why, names);
	check_advise(run, "Build or install the driver for that kernel before you reboot.");
	check_command(run, "apt-get install %s-headers-%s", run->host.is_pve ? "proxmox" : "linux", kernel->release);
	check_command(run, "dkms autoinstall -k %s", kernel->release);
}

/* Whether the kernel has one of the drivers; unknown counts as not missing, and is told. */
static enum kernel_module drivers_in(struct kernel *kernel, const struct drivers *drivers)
{
	enum kernel_module best = KERNEL_MODULE_MISSING;

	for (unsigned i = 0; i < drivers->n; i++) {
		enum kernel_module one = kernel_module(kernel, drivers->names[i]);

		if (one == KERNEL_MODULE_FILE || one == KERNEL_MODULE_BUILTIN)
			return one;
		if (one == KERNEL_MODULE_UNKNOWN)
			best = one;
	}
	return best;
}

/* A driver that is bound and has no module is built into this kernel. */
static bool is_builtin(const struct pvb_function *fn, const struct drivers *drivers)
{
	return drivers->bound && !*fn->module;
}

/* Many devices are for VMs alone, and none is missed for them; without a graphics card's the host has no screen on it. */
static void undriven_say(struct check_run *run, const struct kernels *kernels, const struct pvb_function *fn)
{
	check_say(run, fn->class_code >> 16 == 0x03 ? CHECK_WARN : CHECK_OK, kernels->running.folder,
		  "no module of this kernel drives it: while no VM has it nothing does");
}

static void home_judge(struct check_run *run, struct kernels *kernels, const struct pvb_function *fn)
{
	struct drivers drivers;
	struct kernel *kernel;
	char names[256];
	bool ok = true;

	drivers_find(kernels, fn, &drivers);
	drivers_text(&drivers, names, sizeof(names));
	check_about(run, &fn->addr);
	if (drivers.unknown || !kernels_get(kernels, 0)) {
		check_unknown(run, "/lib/modules", "no kernel's modules can be read, so whether it has a driver to come home to is not known");
		return;
	}
	if (!drivers.n) {
		undriven_say(run, kernels, fn);
		return;
	}
	for (size_t i = 0; (kernel = kernels_get(kernels, i)); i++) {
		enum kernel_module state = is_builtin(fn, &drivers) && i == 0 ? KERNEL_MODULE_BUILTIN : drivers_in(kernel, &drivers);

		ok &= state == KERNEL_MODULE_FILE || state == KERNEL_MODULE_BUILTIN;
		if (state == KERNEL_MODULE_UNKNOWN)
			check_unknown(run, kernel->folder, "the modules of %s cannot be read, so whether it has %s is not known",
				      kernel->release, names);
		else if (state == KERNEL_MODULE_MISSING && is_builtin(fn, &drivers))
			check_unknown(run, kernel->folder, "its driver, %s, is built into the kernel that runs, and no module of %s", names,
				      kernel->release);
		else if (state == KERNEL_MODULE_MISSING)
			home_missing(run, kernels, kernel, names);
	}
	if (ok)
		check_ok(run, "/lib/modules", "%s can drive it at home", names);
}

static void home_check(struct check_run *run)
{
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	for (size_t i = 0; i < run->host.num_devices; i++)
		if (!run->host.devices[i]->bridge)
			home_judge(run, &kernels, run->host.devices[i]);
	kernels_clear(&kernels);
}

/* ---- DKMS ---- */

/* /var/lib/dkms/MODULE/VERSION/KERNEL/ARCHITECTURE/module (dkms(8)) */
static bool dkms_built(struct pvb_ctx *ctx, const char *module, const char *release)
{
	_conf_strv_ char **versions = NULL;
	char path[512];

	snprintf(path, sizeof(path), "var/lib/dkms/%s", module);
	if (pvb_sysfs_list(ctx, path, &versions) < 0)
		return false;
	for (char **version = versions; *version; version++) {
		_conf_strv_ char **machines = NULL;

		snprintf(path, sizeof(path), "var/lib/dkms/%s/%s/%s", module, *version, release);
		if (pvb_sysfs_list(ctx, path, &machines) < 0)
			continue;
		for (char **machine = machines; *machine; machine++) {
			snprintf(path, sizeof(path), "var/lib/dkms/%s/%s/%s/%s/module", module, *version, release, *machine);
			if (pvb_sysfs_exists(ctx, path))
				return true;
		}
	}
	return false;
}

/* A version of it is registered: it has a link to its source. */
static bool dkms_known(struct pvb_ctx *ctx, const char *module)
{
	_conf_strv_ char **versions = NULL;
	char path[512];

	snprintf(path, sizeof(path), "var/lib/dkms/%s", module);
	if (pvb_sysfs_list(ctx, path, &versions) < 0)
		return false;
	for (char **version = versions; *version; version++) {
		_conf_strv_ char **parts = NULL;

		/* The link may lead nowhere: it is listed all the same. */
		snprintf(path, sizeof(path), "var/lib/dkms/%s/%s", module, *version);
		if (pvb_sysfs_list(ctx, path, &parts) < 0)
			continue;
		for (char **part = parts; *part; part++)
			if (!strcmp(*part, "source"))
				return true;
	}
	return false;
}

static void dkms_judge(struct check_run *run, struct kernels *kernels, const char *module)
{
	const struct kernel *kernel;
	char where[256];
	bool ok = true;

	snprintf(where, sizeof(where), "/var/lib/dkms/%s", module);
	for (size_t i = 0; (kernel = kernels_get(kernels, i)); i++) {
		if (dkms_built(run->host.ctx, module, kernel->release))
			continue;
		ok = false;
		check_warn(run, where, "DKMS has not built %s for %s, the kernel that %s", module, kernel->release,
			   kernel == &kernels->running ? "runs" : "boots next");
		check_advise(run, "Build it (with that kernel's headers), or remove the package where no VM or host needs it.");
		check_command(run, "apt-get install %s-headers-%s", run->host.is_pve ? "proxmox" : "linux", kernel->release);
		check_command(run, "dkms autoinstall -k %s", kernel->release);
	}
	if (ok)
		check_ok(run, where, "DKMS has built %s for %s", module, kernels_get(kernels, 1) ? "both kernels" : "the kernel");
}

/* Where DKMS has nothing, there is nothing to say. */
static void dkms_check(struct check_run *run)
{
	_conf_strv_ char **modules = NULL;
	struct kernels kernels;

	if (!pvb_sysfs_exists(run->host.ctx, "var/lib/dkms") || pvb_sysfs_list(run->host.ctx, "var/lib/dkms", &modules) < 0)
		return;
	kernels_find(&run->host, &kernels);
	for (char **module = modules; *module; module++) {
		if (!dkms_known(run->host.ctx, *module))
			continue;
		if (!kernels_get(&kernels, 0))
			check_unknown(run, RELEASE_FILE, "it is not known for which kernels DKMS had to build %s", *module);
		else
			dkms_judge(run, &kernels, *module);
	}
	kernels_clear(&kernels);
}

/* ---- Secure Boot ---- */

/* Whether the kernel takes only signed modules: 1, 0, -1 unknown (Linux, kernel/module/signing.c: sig_enforce, or a
 * lockdown of at least "integrity"). */
static int signatures_wanted(const struct pvb_ctx *ctx, const char **where)
{
	char text[128], enforce[8];
	int known = -1;

	if (pvb_sysfs_read(ctx, "sys/module/module/parameters/sig_enforce", enforce, sizeof(enforce)) == 0) {
		*where = "/sys/module/module/parameters/sig_enforce";
		if (*enforce == 'Y')
			return 1;
		known = 0;
	}
	if (pvb_sysfs_read(ctx, "sys/kernel/security/lockdown", text, sizeof(text)) == 0) {
		*where = "/sys/kernel/security/lockdown";
		return !strstr(text, "[none]");
	}
	return known;
}

#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* The firmware's own word: four bytes of attributes, then 1 or 0 (UEFI 3.3). 1, 0, -1 unknown. */
static int secure_boot(const struct pvb_ctx *ctx)
{
	_conf_free_ char *text = NULL;
	size_t size = 0;

	if (!pvb_sysfs_exists(ctx, "sys/firmware"))
		return -1;
	if (!pvb_sysfs_exists(ctx, "sys/firmware/efi"))
		return 0;
	if (pvb_read_file(ctx, SECURE_BOOT, 64, &text, &size) < 0 || size < 5)
		return -1;
	return text[4] == 1;
}

enum signature { SIGNED, UNSIGNED, UNREADABLE };

/* By what is at the end of a module that is signed (Linux, include/linux/module_signature.h). A compressed one is not
 * looked into. */
static enum signature module_signature(struct pvb_ctx *ctx, const char *path)
{
	static const char mark[] = "~Module signature appended~\n";
	_conf_close_ int fd = pvb_open(ctx, path, O_RDONLY | O_NONBLOCK);
	char end[sizeof(mark) - 1];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || strcmp(path + strlen(path) - 3, ".ko") != 0)
		return UNREADABLE;
	if (st.st_size < (off_t)sizeof(end) || pread(fd, end, sizeof(end), st.st_size - (off_t)sizeof(end)) != (ssize_t)sizeof(end))
		return UNSIGNED;
	return memcmp(end, mark, sizeof(end)) ? UNSIGNED : SIGNED;
}

static void signature_say(struct check_run *run, const char *path)
{
	switch (module_signature(run->host.ctx, path)) {
	case UNSIGNED:
		check_fail(run, path, "this module is not signed, and the kernel loads only signed ones");
		check_advise(run, "Sign it with the key that DKMS has made (it signs what it builds from then on), and enroll that: the boot asks for the password that mokutil wants. Or switch Secure Boot off in the firmware.");
		check_command(run, "/lib/modules/%s/build/scripts/sign-file sha256 /var/lib/dkms/mok.key /var/lib/dkms/mok.pub %s",
			      run->host.release, path);
		check_command(run, "mokutil --import /var/lib/dkms/mok.pub");
		check_command(run, "reboot");
		break;
	case UNREADABLE:
		check_unknown(run, path, "this module is compressed, so whether it is signed, as the kernel demands, is not known");
		break;
	case SIGNED:
	default:
		break;
	}
}

static void signatures_judge(struct check_run *run, const char *where)
{
	size_t before = run->findings.n;
	char folder[PVB_NAME_MAX + 64], path[512];
	_conf_strv_ char **names = NULL;

	snprintf(folder, sizeof(folder), "/lib/modules/%s/updates/dkms", run->host.release);
	if (!*run->host.release || pvb_sysfs_list(run->host.ctx, folder, &names) < 0) {
		check_unknown(run, folder, "the kernel loads only signed modules, and those that DKMS has built cannot be listed");
		return;
	}
	for (char **name = names; *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		signature_say(run, path);
	}
	if (run->findings.n == before)
		check_ok(run, where, *names ? "the kernel loads only signed modules, and those of DKMS are" :
			 "the kernel loads only signed modules, and all are its own");
}

static void secure_check(struct check_run *run)
{
	const char *where = SECURE_BOOT;
	int wanted = signatures_wanted(run->host.ctx, &where), secure = secure_boot(run->host.ctx);

	if (wanted < 0)
		wanted = secure;
	if (wanted < 0)
		check_unknown(run, where, "whether the kernel loads modules that are not signed cannot be read");
	else if (wanted)
		signatures_judge(run, where);
	else if (secure > 0)
		check_ok(run, where, "Secure Boot is on, and the kernel loads unsigned modules all the same");
	else
		check_ok(run, wanted == 0 ? where : "/sys/firmware", "Secure Boot is off: the kernel loads modules that are not signed");
}

const struct check check_drivers[] = {
	{ "home-module", "The devices have drivers to come home to", CHECK_HOST, "05", home_check },
	{ "dkms", "DKMS has built its modules for the kernels", CHECK_HOST, "05", dkms_check },
	{ "secure-boot", "The kernel loads the modules that are needed", CHECK_HOST, "05", secure_check },
	{ .id = NULL },
};
