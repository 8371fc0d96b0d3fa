/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 05: what is installed on the host and would be better off in the VM. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "kernels.h"
#include "package.h"

#define ALL 0 /* of whatever vendor */

/* Packages that bring a driver for graphics cards of a vendor, or programs that open every card they find. */
static const struct {
	unsigned vendor;
	const char *pattern;
} known[] = {
	{ 0x10de, "nvidia-driver*" }, { 0x10de, "nvidia-kernel*-dkms" }, { 0x10de, "nvidia-dkms-*" }, { 0x10de, "nvidia-open*" },
	{ 0x10de, "nvidia-tesla*-driver" }, { 0x10de, "nvidia-legacy-*-driver" }, { 0x10de, "nvidia-persistenced" },
	{ 0x10de, "cuda-drivers*" }, { 0x10de, "xserver-xorg-video-nvidia*" }, { 0x10de, "xserver-xorg-video-nouveau" },
	{ 0x1002, "amdgpu-dkms" }, { 0x1002, "amdgpu-pro*" }, { 0x1002, "amdgpu-core" }, { 0x1002, "rocm-dkms" },
	{ 0x1002, "xserver-xorg-video-amdgpu" }, { 0x1002, "xserver-xorg-video-ati" }, { 0x1002, "xserver-xorg-video-radeon" },
	{ 0x8086, "xserver-xorg-video-intel" },
	{ ALL, "xserver-xorg-core" }, { ALL, "lightdm" }, { ALL, "gdm3" }, { ALL, "sddm" }, { ALL, "nodm" },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

struct found {
	char names[400]; /* comma-separated, as far as they go */
	unsigned n;
};

static bool name_fits(const char *name, unsigned vendor)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (known[i].vendor == vendor && fnmatch(known[i].pattern, name, 0) == 0)
			return true;
	return false;
}

static void found_add(struct found *found, const char *name)
{
	size_t n = strlen(found->names);

	found->n++;
	snprintf(found->names + n, sizeof(found->names) - n, "%s%s", n ? " " : "", name);
}

/* The installed ones of a vendor. */
static void vendor_find(const struct packages *packages, unsigned vendor, struct found *found)
{
	char name[128], version[128];

	*found = (struct found){ .n = 0 };
	for (const char *line = packages->text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t size;

		if (strncmp(line, "Package: ", 9) != 0 || (size = strcspn(line + 9, "\n")) >= sizeof(name))
			continue;
		memcpy(name, line + 9, size);
		name[size] = '\0';
		if (name_fits(name, vendor) && package_version(packages, name, version, sizeof(version)))
			found_add(found, name);
	}
}

/* A graphics card of this run of that vendor; of ALL: any. */
static const struct pvb_function *card_of(const struct check_host *host, unsigned vendor)
{
	for (size_t i = 0; i < host->num_devices; i++) {
		const struct pvb_function *fn = host->devices[i];

		if (fn->class_code >> 16 == 0x03 && (vendor == ALL || fn->vendor == vendor))
			return fn;
	}
	return NULL;
}

/* A card, were it one that stays, whose driver is of such a package: no kernel has one of its own by that name. NULL: none. */
static const struct pvb_function *driven(const struct check_host *host, unsigned vendor)
{
	for (size_t i = 0; vendor == 0x10de && i < pvb_snapshot_count(host->snapshot); i++)
		if (!strcmp(pvb_snapshot_get(host->snapshot, i)->driver, "nvidia"))
			return pvb_snapshot_get(host->snapshot, i);
	return NULL;
}

static void vendor_say(struct check_run *run, const struct pvb_function *fn, const struct found *found)
{
	const struct pvb_function *own = driven(&run->host, fn->vendor);
	char name[256];

	check_describe(&run->host, own ? own : fn, name, sizeof(name));
	if (own) {
		check_ok(run, PACKAGE_STATUS, "%s: it drives %s%s", found->names, name,
			 check_is_device(&run->host, &own->addr) ? " while no VM has it" : ", which is the host's");
		return;
	}
	check_warn(run, PACKAGE_STATUS, "for %s, which is passed to VMs, the host has %s, which it does not need for that", name, found->names);
	check_advise(run, "Install the driver inside the VM. Remove it here, unless the host or a container is to use the card while no VM has it.");
	check_command(run, "apt-get purge %s", found->names);
}

static void server_say(struct check_run *run, const struct found *found)
{
	check_warn(run, PACKAGE_STATUS, "a graphical desktop is installed (%s): its server opens every card it finds, and a VM cannot have one that is open",
		   found->names);
	check_advise(run, "Remove it, or see that it is off or keeps to a card that stays (pvebind.ini: busy = stop, stop-units).");
	check_command(run, "systemctl disable --now display-manager.service");
}

static void packages_judge(struct check_run *run, const struct packages *packages)
{
	static const unsigned vendors[] = { 0x10de, 0x1002, 0x8086, ALL };
	size_t before = run->findings.n;
	struct found found;

	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		const struct pvb_function *fn = card_of(&run->host, vendors[i]);

		if (!fn)
			continue;
		vendor_find(packages, vendors[i], &found);
		if (found.n && vendors[i] == ALL)
			server_say(run, &found);
		else if (found.n)
			vendor_say(run, fn, &found);
	}
	if (run->findings.n == before)
		check_ok(run, PACKAGE_STATUS, "the host has no graphics driver or desktop beside the kernel's own drivers");
}

/* What it means where no graphics card is passed: nothing. */
static void packages_check(struct check_run *run)
{
	struct packages packages = { .text = NULL };

	if (!card_of(&run->host, ALL))
		return;
	if (packages_read(run->host.ctx, &packages) < 0)
		check_unknown(run, PACKAGE_STATUS, "the list of installed packages cannot be read");
	else
		packages_judge(run, &packages);
	packages_clear(&packages);
}

const struct check check_packages[] = {
	{ "gpu-packages", "The host has no graphics driver that belongs into the VM", CHECK_HOST, "05", packages_check },
	{ .id = NULL },
};
