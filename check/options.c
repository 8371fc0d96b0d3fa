/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 02 and 03: what is on the kernel command line: the IOMMU, frame buffers, ACS override, vfio. */
#include <stdio.h>
#include <string.h>

#include "bootloader.h"
#include "groups.h"
#include "../conf/parameter.h"
#include "platform.h"

#define CMDLINE "/proc/cmdline"

/* Words that were found, for a sentence, with blanks between; those that do not fit are left out. */
struct found {
	char text[400];
	size_t n;
};

static void found_add(struct found *found, const char *word, size_t size)
{
	size_t have = strlen(found->text);
	int n = snprintf(found->text + have, sizeof(found->text) - have, "%s%.*s", have ? " " : "", (int)size, word);

	if (n < 0 || (size_t)n >= sizeof(found->text) - have)
		found->text[have] = '\0';
	found->n++;
}

/* All words called so; with a begin, only those whose value begins like it. */
static void found_named(struct found *found, const char *cmdline, const char *name, const char *begin)
{
	const char *word, *value;
	size_t size, n;

	while ((word = parameter_next(&cmdline, &size)))
		if (parameter_is(word, size, name, &value, &n) && n >= strlen(begin) && !strncmp(value, begin, strlen(begin)))
			found_add(found, word, size);
}

/* What is left to say of words that should not be there. */
static void removal_advise(struct check_run *run, const char *words, const char *why)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	bootloader_advise_remove(run, &loader, words, why);
	bootloader_clear(&loader);
}

static void addition_advise(struct check_run *run, const char *word, const char *why)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	bootloader_advise_add(run, &loader, word, why);
	bootloader_clear(&loader);
}

/* False, said: there is no command line to look at. */
static bool cmdline_seen(struct check_run *run)
{
	if (!run->host.cmdline)
		check_unknown(run, CMDLINE, "it cannot be read");
	return run->host.cmdline != NULL;
}

/* ---- iommu-parameter ---- */

/* Intel's integrated graphics, always at this address. */
static const struct pvb_function *integrated_graphics(const struct check_host *host)
{
	for (size_t i = 0; i < host->num_devices; i++) {
		const struct pvb_function *fn = host->devices[i];

		if (fn->vendor == 0x8086 && fn->class_code >> 16 == 0x03 && fn->addr.bus == 0 && fn->addr.dev == 2)
			return fn;
	}
	return NULL;
}

static void off_say(struct check_run *run, const char *words)
{
	check_fail(run, CMDLINE, "%s switches the IOMMU off, so that no device can be passed to a VM", words);
	removal_advise(run, words, "To have it on");
}

/* "on" is by now the default of most kernels, which only their configuration tells: upstream's INTEL_IOMMU_DEFAULT_ON, Debian's
 * own …_INTGPU_OFF (all but integrated graphics). Proxmox VE: from 6.8 on (its admin guide, "PCI(e) Passthrough"). */
static void intel_default_judge(struct check_run *run)
{
	const struct check_host *host = &run->host;
	int on = platform_kernel_option(host, "CONFIG_INTEL_IOMMU_DEFAULT_ON"), groups = platform_groups(host->ctx);
	int partly = platform_kernel_option(host, "CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF");
	const struct pvb_function *graphics = integrated_graphics(host);

	if (partly == 1 && graphics) {
		check_about(run, &graphics->addr);
		check_fail(run, CMDLINE, "without intel_iommu=on this kernel has the IOMMU on for all but integrated graphics, which this is");
		addition_advise(run, "intel_iommu=on", "To pass it to a VM");
	} else if (on == 1 || partly == 1) {
		check_ok(run, CMDLINE, "intel_iommu=on is not there, and this kernel needs none: the IOMMU is on by default");
	} else if (groups > 0) {
		check_ok(run, CMDLINE, "intel_iommu=on is not there, but the IOMMU is on");
	} else if (on == 0 || (host->major && !check_kernel_since(host, 6, 8) && strstr(host->release, "pve"))) {
		check_fail(run, CMDLINE, "intel_iommu=on is not there, and without it this kernel (%s) leaves Intel's IOMMU off", host->release);
		addition_advise(run, "intel_iommu=on", "To switch it on");
	} else {
		check_unknown(run, "/boot", "intel_iommu=on is not there; whether this kernel needs it cannot be seen, as its configuration (/boot/config-%s) is not there",
			      host->release);
		addition_advise(run, "intel_iommu=on", "It does no harm");
	}
}

static void intel_judge(struct check_run *run)
{
	const struct pvb_function *graphics = integrated_graphics(&run->host);
	const char *cmdline = run->host.cmdline;

	if (parameter_switch(cmdline, "intel_iommu") == 0) {
		off_say(run, "intel_iommu=off");
	} else if (graphics && (parameter_option(cmdline, "intel_iommu", "igfx_off") || parameter_option(cmdline, "intel_iommu", "intgpu_off"))) {
		check_about(run, &graphics->addr);
		check_fail(run, CMDLINE, "intel_iommu= has igfx_off or intgpu_off: the IOMMU is off for integrated graphics, which this is");
		check_advise(run, "Take that option away to pass it to a VM, and reboot.");
	} else if (parameter_switch(cmdline, "intel_iommu") == 1) {
		check_ok(run, CMDLINE, "intel_iommu=on");
	} else {
		intel_default_judge(run);
	}
}

/* AMD's driver knows "off" and some more, but no "on" (drivers/iommu/amd/init.c, parse_amd_iommu_options()). */
static void amd_judge(struct check_run *run)
{
	const char *cmdline = run->host.cmdline;

	if (parameter_option(cmdline, "amd_iommu", "off"))
		off_say(run, "amd_iommu=off");
	else if (parameter_option(cmdline, "amd_iommu", "on"))
		check_ok(run, CMDLINE, "amd_iommu=on is no option that the kernel knows, which does no harm: AMD's IOMMU is on by default");
	else
		check_ok(run, CMDLINE, "AMD's IOMMU needs no parameter: it is on by default");
}

static void iommu_parameter_check(struct check_run *run)
{
	struct platform_cpu cpu;

	if (!cmdline_seen(run))
		return;
	if (platform_cpu(run->host.ctx, &cpu) < 0)
		check_unknown(run, "/proc/cpuinfo", "the processor cannot be seen, on which it depends what the IOMMU needs");
	else if (parameter_option(run->host.cmdline, "iommu", "off"))
		off_say(run, "iommu=off");
	else if (cpu.vendor == PLATFORM_INTEL)
		intel_judge(run);
	else if (cpu.vendor == PLATFORM_AMD)
		amd_judge(run);
}

/* ---- iommu-passthrough ---- */

/* How the host's own devices are translated, by the first groups' types (Linux, Documentation/ABI/testing/
 * sysfs-kernel-iommu_groups). Some devices have a type of their own: one that is translated lazily tells of the default. */
enum translation { TRANSLATION_UNKNOWN, TRANSLATION_NONE, TRANSLATION_STRICT, TRANSLATION_LAZY };

static enum translation groups_translation(const struct check_host *host)
{
	_conf_strv_ char **groups = NULL;
	enum translation most = TRANSLATION_UNKNOWN;
	char path[64], type[32];

	if (pvb_sysfs_list(host->ctx, "sys/kernel/iommu_groups", &groups) < 0)
		return TRANSLATION_UNKNOWN;
	for (size_t i = 0; i < 16 && groups[i]; i++) {
		enum translation one = TRANSLATION_UNKNOWN;

		snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%.16s/type", groups[i]);
		if (pvb_sysfs_read(host->ctx, path, type, sizeof(type)) == 0)
			one = !strcmp(type, "identity") ? TRANSLATION_NONE : !strcmp(type, "DMA") ? TRANSLATION_STRICT :
			      !strcmp(type, "DMA-FQ") ? TRANSLATION_LAZY : TRANSLATION_UNKNOWN;
		most = one > most ? one : most;
	}
	return most;
}

static bool passthrough_asked(const char *cmdline)
{
	const char *value;
	size_t size;
	bool on = false;

	value = check_word(cmdline, "iommu.passthrough", &size);
	if (value && size)
		on = *value == '1' || *value == 'y' || *value == 'Y' || (size > 1 && !strncmp(value, "on", 2));
	return on || parameter_option(cmdline, "iommu", "pt");
}

static void iommu_passthrough_check(struct check_run *run)
{
	enum translation translation;

	if (!cmdline_seen(run) || platform_groups(run->host.ctx) <= 0)
		return;
	translation = groups_translation(&run->host);
	if (passthrough_asked(run->host.cmdline)) {
		check_ok(run, CMDLINE, "iommu=pt: the host's own devices go past the IOMMU");
	} else if (translation == TRANSLATION_NONE || platform_kernel_option(&run->host, "CONFIG_IOMMU_DEFAULT_PASSTHROUGH") == 1) {
		check_ok(run, "/sys/kernel/iommu_groups", "the host's own devices go past the IOMMU, without iommu=pt");
	} else if (translation == TRANSLATION_LAZY) {
		check_ok(run, CMDLINE, "iommu=pt is not there: the host's own devices go through the IOMMU, lazily, which costs little");
	} else if (translation == TRANSLATION_STRICT) {
		check_warn(run, CMDLINE, "iommu=pt is not there, and the host's own devices (disks, network) go strictly through the IOMMU, which costs speed; VMs with devices work either way");
		addition_advise(run, "iommu=pt", "If speed matters");
	} else {
		check_unknown(run, "/sys/kernel/iommu_groups", "iommu=pt is not there; whether the kernel does so by default cannot be seen");
	}
}

/* ---- framebuffer-parameters ---- */

/* With nomodeset no native graphics driver starts (drivers/video/nomodeset.c): a card that comes home gets none, and no console.
 * video=…:off is read by the old drivers alone: where the kernel has simpledrm in their place (Proxmox VE's, with
 * SYSFB_SIMPLEFB and DRM_SIMPLEDRM) it does nothing. */
static void framebuffer_judge(struct check_run *run, const struct found *nomodeset, const struct found *off, const struct found *rest)
{
	bool simpledrm = platform_kernel_option(&run->host, "CONFIG_DRM_SIMPLEDRM") == 1;

	if (nomodeset->n) {
		check_warn(run, CMDLINE, "nomodeset: no graphics driver of the kernel starts, so that the host gets neither card nor console back from a VM");
		removal_advise(run, "nomodeset", "If the host is to have its screen again after the VM");
	}
	if (off->n) {
		check_warn(run, CMDLINE, "%s: %s", off->text, simpledrm ? "this kernel's firmware console (simpledrm) does not heed it" :
			   "left over: from Linux 6.0 on vfio-pci sends the firmware's console away itself");
		removal_advise(run, off->text, "It is not needed");
	}
	if (rest->n) {
		check_warn(run, CMDLINE, "%s: left over; it leaves the host without a console until a graphics driver starts, and from Linux 6.0 on vfio-pci sends the firmware's console away itself",
			   rest->text);
		removal_advise(run, rest->text, "Unless a card with the kernel's boot messages could not be lent without it");
	}
}

static void framebuffer_parameters_check(struct check_run *run)
{
	static const char *const drivers[] = { "efifb", "simplefb", "vesafb", "offb", "simpledrm" };
	struct found nomodeset = { .n = 0 }, off = { .n = 0 }, rest = { .n = 0 };
	char begin[32];

	if (!cmdline_seen(run))
		return;
	found_named(&nomodeset, run->host.cmdline, "nomodeset", "");
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		snprintf(begin, sizeof(begin), "%s:off", drivers[i]);
		found_named(&off, run->host.cmdline, "video", begin);
	}
	found_named(&rest, run->host.cmdline, "nofb", "");
	if (parameter_option(run->host.cmdline, "initcall_blacklist", "sysfb_init"))
		found_named(&rest, run->host.cmdline, "initcall_blacklist", "");
	if (nomodeset.n + off.n + rest.n)
		framebuffer_judge(run, &nomodeset, &off, &rest);
	else
		check_ok(run, CMDLINE, "no parameter keeps the host's console away");
}

/* ---- acs-override ---- */

/* A patch that Linux itself never took; Proxmox VE's kernels have it. */
static void acs_override_check(struct check_run *run)
{
	struct found found = { .n = 0 };

	if (!cmdline_seen(run))
		return;
	found_named(&found, run->host.cmdline, "pcie_acs_override", "");
	if (!found.n) {
		check_ok(run, CMDLINE, "no pcie_acs_override: IOMMU groups are what the hardware keeps apart");
		return;
	}
	if (strstr(run->host.release, "pve"))
		check_warn(run, CMDLINE, "%s: devices are shown apart that the hardware does not keep apart; one in a VM can reach the memory of its neighbours, and with it the host",
			   found.text);
	else
		check_warn(run, CMDLINE, "%s: only kernels with that patch know it, as Proxmox VE's; %s hardly does", found.text,
			   *run->host.release ? run->host.release : "this one");
	removal_advise(run, found.text, "Better put the card into another slot; unless you trust what runs in the VM");
}

/* ---- vfio-parameters ---- */

/* Whether vfio-pci itself is on the list of what is not to be loaded. */
static bool vfio_blacklisted(const char *cmdline)
{
	static const char *const names[] = { "modprobe.blacklist", "module_blacklist" };
	static const char *const modules[] = { "vfio", "vfio_pci", "vfio-pci", "vfio_pci_core", "vfio_iommu_type1" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t j = 0; j < sizeof(modules) / sizeof(modules[0]); j++)
			if (parameter_option(cmdline, names[i], modules[j]))
				return true;
	return false;
}

static void vfio_parameters_check(struct check_run *run)
{
	static const char *const blacklists[] = { "modprobe.blacklist", "module_blacklist", "rd.driver.blacklist" };
	struct found ids = { .n = 0 }, blacklist = { .n = 0 };

	if (!cmdline_seen(run))
		return;
	found_named(&ids, run->host.cmdline, "vfio_pci.ids", "");
	found_named(&ids, run->host.cmdline, "rd.driver.pre", "vfio");
	for (size_t i = 0; i < sizeof(blacklists) / sizeof(blacklists[0]); i++)
		found_named(&blacklist, run->host.cmdline, blacklists[i], "");
	if (blacklist.n && vfio_blacklisted(run->host.cmdline)) {
		check_fail(run, CMDLINE, "%s keeps vfio from being loaded, without which no device can be passed to a VM", blacklist.text);
		removal_advise(run, blacklist.text, "To lend devices");
	} else if (blacklist.n) {
		check_warn(run, CMDLINE, "%s: a card whose driver that is comes home without one", blacklist.text);
		removal_advise(run, blacklist.text, "If the host is to use the card while no VM has it");
	}
	if (ids.n) {
		check_warn(run, CMDLINE, "%s: all devices with these ids belong to vfio-pci from boot on, and the host never has them", ids.text);
		removal_advise(run, ids.text, "pvebind binds them when a VM starts: if the host is to use them until then");
	}
	if (!ids.n && !blacklist.n)
		check_ok(run, CMDLINE, "nothing binds devices to vfio-pci at boot, or keeps a driver away");
}

const struct check check_options[] = {
	{ "iommu-parameter", "The kernel command line lets the IOMMU be on", CHECK_HOST, "02", iommu_parameter_check },
	{ "iommu-passthrough", "The host's own devices go past the IOMMU", CHECK_HOST, "02", iommu_passthrough_check },
	{ "framebuffer-parameters", "No parameter keeps the console away", CHECK_HOST, "03", framebuffer_parameters_check },
	{ "acs-override", "IOMMU groups are real", CHECK_HOST, "09", acs_override_check },
	{ "vfio-parameters", "No parameter fights binding at run time", CHECK_HOST, "08", vfio_parameters_check },
	{ .id = NULL },
};
