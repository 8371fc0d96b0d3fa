/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 01: what the firmware gives. What it gives the devices themselves is in room.c. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "../conf/parameter.h"
#include "platform.h"

#define GROUPS "/sys/kernel/iommu_groups"
#define TABLES "/sys/firmware/acpi/tables"

/* ---- the processor ---- */

static void virtualization_missing(struct check_run *run, const struct platform_cpu *cpu)
{
	bool intel = cpu->vendor == PLATFORM_INTEL;

	check_fail(run, "/proc/cpuinfo", "the processor shows neither vmx nor svm: no VM can run with KVM");
	if (cpu->hypervisor)
		check_advise(run, "This host is a VM itself: let the hypervisor below give it nested virtualization (on Proxmox VE: CPU type host).");
	else
		check_advise(run, "Switch %s on in the firmware setup, then power the host off and on.", intel ? "Intel VT-x (Virtualization Technology)" :
			     cpu->vendor == PLATFORM_AMD ? "SVM (AMD-V)" : "hardware virtualization");
}

/* The flag can be there all the same: before 6.9 the kernel shows svm even when the firmware has switched it off (VM_CR), and
 * then it is kvm_amd that does not load. */
static void virtualization_check(struct check_run *run)
{
	struct pvb_ctx *ctx = run->host.ctx;
	bool kvm = pvb_sysfs_exists(ctx, "sys/class/misc/kvm");
	struct platform_cpu cpu;

	if (platform_cpu(ctx, &cpu) < 0) {
		check_unknown(run, "/proc/cpuinfo", "the processor's flags cannot be read");
	} else if (!cpu.flagged) {
		/* No x86: there is no such flag, and KVM comes with the kernel. */
		if (kvm)
			check_ok(run, "/sys/class/misc/kvm", "KVM is there");
		else
			check_unknown(run, "/proc/cpuinfo", "it lists no flags of the processor");
	} else if (!cpu.vmx && !cpu.svm) {
		virtualization_missing(run, &cpu);
	} else if (!kvm && pvb_sysfs_exists(ctx, "sys/module/kvm") && !pvb_sysfs_exists(ctx, "sys/module/kvm_intel") &&
		   !pvb_sysfs_exists(ctx, "sys/module/kvm_amd")) {
		check_warn(run, "/sys/class/misc/kvm", "the processor has %s, but KVM did not start with it", cpu.vmx ? "vmx" : "svm");
		check_advise(run, "Load its module; if that says \"disabled by bios\", switch it on in the firmware setup.");
		check_command(run, "modprobe %s", cpu.vmx ? "kvm_intel" : "kvm_amd");
	} else {
		check_ok(run, "/proc/cpuinfo", "the processor has %s", cpu.vmx ? "Intel VT-x (vmx)" : "AMD-V (svm)");
	}
}

/* ---- the IOMMU ---- */

/* Why there is none: the command line, the firmware, or the kernel, told apart by the ACPI table with which the firmware hands
 * its IOMMU over (Intel: DMAR, AMD: IVRS). */
static void iommu_missing(struct check_run *run)
{
	static const char nothing[] = "no IOMMU group: the IOMMU is off, so no device can be passed to a VM";
	const char *cmdline = run->host.cmdline ? run->host.cmdline : "";
	int dmar = platform_acpi(run->host.ctx, "DMAR"), ivrs = platform_acpi(run->host.ctx, "IVRS");
	struct platform_cpu cpu;

	if (parameter_switch(cmdline, "intel_iommu") == 0 || parameter_switch(cmdline, "amd_iommu") == 0 ||
	    parameter_option(cmdline, "iommu", "off")) {
		check_fail(run, GROUPS, "%s; the kernel command line switches it off", nothing);
		check_advise(run, "Take that parameter away: see the check iommu-parameter.");
	} else if (dmar == 1 && parameter_switch(cmdline, "intel_iommu") != 1 &&
		   platform_kernel_option(&run->host, "CONFIG_INTEL_IOMMU_DEFAULT_ON") != 1) {
		check_fail(run, GROUPS, "%s; the firmware offers it (" TABLES "/DMAR), but the kernel does not use it", nothing);
		check_advise(run, "Put intel_iommu=on on the kernel command line: see the check iommu-parameter.");
	} else if (dmar == 1 || ivrs == 1) {
		check_fail(run, GROUPS, "%s; the firmware offers it (" TABLES "/%s), but the kernel could not start it", nothing,
			   dmar == 1 ? "DMAR" : "IVRS");
		check_advise(run, "Look what the kernel says of it; a newer firmware for the board often mends its table.");
		check_command(run, "dmesg | grep -i -e DMAR -e AMD-Vi -e IVRS");
	} else if (dmar == 0 && platform_cpu(run->host.ctx, &cpu) == 0 && cpu.hypervisor) {
		check_fail(run, GROUPS, "%s; this host is a VM itself, and the hypervisor below does not give it one", nothing);
		check_advise(run, "Have it give the VM an IOMMU (on Proxmox VE 8.1 and later, for the VM of this host: qm set VMID --machine q35,viommu=intel).");
	} else if (dmar == 0) {
		check_fail(run, GROUPS, "%s; the firmware does not offer it: " TABLES " has neither DMAR (Intel) nor IVRS (AMD)", nothing);
		check_advise(run, "Switch VT-d (Intel) or IOMMU/AMD-Vi (AMD) on in the firmware setup; \"Auto\" is often off. Where there is no such setting the board or the processor has none.");
	} else {
		check_fail(run, GROUPS, "%s; whether the firmware offers it cannot be seen, as there is no " TABLES, nothing);
		check_advise(run, "Switch VT-d (Intel) or IOMMU/AMD-Vi (AMD) on in the firmware setup.");
	}
}

static void iommu_check(struct check_run *run)
{
	int groups = platform_groups(run->host.ctx);
	char unsafe[8];

	if (groups < 0) {
		check_unknown(run, GROUPS, "the IOMMU groups cannot be listed");
	} else if (groups == 0) {
		iommu_missing(run);
	} else if (pvb_sysfs_read(run->host.ctx, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", unsafe, sizeof(unsafe)) == 0 &&
		   *unsafe == 'Y') {
		/* Groups are then made for devices without any IOMMU, too (drivers/vfio/group.c). */
		check_warn(run, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
			   "vfio may work without an IOMMU: a device's DMA is then not held back from the host's memory, and QEMU does not take such a device");
		check_advise(run, "Take enable_unsafe_noiommu_mode out of /etc/modprobe.d and the kernel command line, and reboot.");
	} else {
		check_ok(run, GROUPS, "%d IOMMU groups", groups);
	}
}

/* ---- interrupts ---- */

#define INTERRUPTS_HEAD (256 << 10) /* the I/O APIC's lines come first; each is 11 bytes a processor */
#define UNSAFE "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"

static bool unsafe_allowed(const struct check_host *host)
{
	char value[8];

	return pvb_sysfs_read(host->ctx, UNSAFE, value, sizeof(value)) == 0 && *value == 'Y';
}

/* Why not: what the command line says; DMAR's flags, whose bit 0 is INTR_REMAP (VT-d specification, 8.1). */
static const char *remapping_reason(const struct check_host *host)
{
	const char *cmdline = host->cmdline ? host->cmdline : "";
	char table[64];
	ssize_t n = platform_head(host->ctx, "sys/firmware/acpi/tables/DMAR", table, sizeof(table));

	if (parameter_switch(cmdline, "intremap") == 0 || check_has_word(cmdline, "nointremap"))
		return "the kernel command line switches it off (intremap=off)";
	if (n > 37 && !(table[37] & 1))
		return "the firmware's DMAR table does not offer it";
	return "neither the kernel command line nor the firmware's table tells why";
}

static void remapping_missing(struct check_run *run)
{
	const char *reason = remapping_reason(&run->host);

	if (unsafe_allowed(&run->host)) {
		check_warn(run, "/" UNSAFE, "interrupts are not remapped, and vfio is told to do without: a VM with a device can send the host any interrupt; %s",
			   reason);
		check_advise(run, "Let no VM that you do not trust have a device. Look for interrupt remapping or x2APIC in the firmware setup, and take intremap=off away.");
		return;
	}
	check_fail(run, "/proc/interrupts", "interrupts are not remapped, so that vfio gives no device to a VM (\"No interrupt remapping support\"); %s", reason);
	check_advise(run, "Look for interrupt remapping or x2APIC in the firmware setup, and take intremap=off and nointremap off the kernel command line. Only where the board cannot do it, and you trust the VM, allow it without:");
	check_command(run, "echo 'options vfio_iommu_type1 allow_unsafe_interrupts=1' > /etc/modprobe.d/vfio-unsafe-interrupts.conf");
	check_command(run, "update-initramfs -u -k all");
}

/* With remapping, the interrupts' chips are called IR-IO-APIC, IR-PCI-MSI … on both Intel and AMD (kernel: intel/irq_remapping.c,
 * amd/iommu.c). Without an IOMMU there is nothing to say. */
static void interrupt_remapping_check(struct check_run *run)
{
	_conf_free_ char *text = malloc(INTERRUPTS_HEAD);
	struct platform_cpu cpu;

	if (platform_groups(run->host.ctx) <= 0)
		return;
	if (!text || platform_head(run->host.ctx, "proc/interrupts", text, INTERRUPTS_HEAD) <= 0) {
		check_unknown(run, "/proc/interrupts", "it cannot be read, so that one cannot see whether interrupts are remapped");
		return;
	}
	if (strstr(text, " IR-")) {
		check_ok(run, "/proc/interrupts", "interrupts are remapped");
		if (!unsafe_allowed(&run->host))
			return;
		check_warn(run, "/" UNSAFE, "allow_unsafe_interrupts is set, and not needed: interrupts are remapped");
		check_advise(run, "Take it out of /etc/modprobe.d, so that it does not hide a fault later.");
		check_command(run, "grep -r allow_unsafe_interrupts /etc/modprobe.d /etc/default/grub /etc/kernel/cmdline");
		return;
	}
	if (platform_cpu(run->host.ctx, &cpu) < 0 || !cpu.flagged)
		check_unknown(run, "/proc/cpuinfo", "this is no x86 machine, or its processor cannot be seen: whether interrupts are isolated is not known");
	else if (!strstr(text, "IO-APIC") && !strstr(text, "PCI-MSI"))
		check_unknown(run, "/proc/interrupts", "it shows no I/O APIC and no MSI, so that one cannot see whether interrupts are remapped");
	else
		remapping_missing(run);
}

/* ---- reserved memory ---- */

/* "0x00000000cb800000 0x00000000cfffffff direct": 1 such a region ties the group, 0 none does, -1 not known. What is
 * "direct-relaxable" (graphics, USB) does not. */
static int group_tied(const struct check_host *host, int group)
{
	_conf_free_ char *text = NULL;
	char path[64], type[32];

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/reserved_regions", group);
	if (pvb_read_file(host->ctx, path, 1 << 16, &text, NULL) < 0)
		return -1;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (sscanf(line, "%*x %*x %31s", type) == 1 && !strcmp(type, "direct"))
			return 1;
	return 0;
}

/* Intel's driver has always refused these devices to VMs ("ineligible for IOMMU domain attach due to platform RMRR requirement");
 * since 6.6 the kernel does so for every IOMMU ("Firmware has requested this device have a 1:1 IOMMU mapping"). */
static void tied_say(struct check_run *run, const struct pvb_function *fn, bool refused)
{
	char where[64];

	snprintf(where, sizeof(where), GROUPS "/%d/reserved_regions", fn->group);
	if (refused)
		check_fail(run, where, "the firmware keeps memory of the host for it (RMRR), and the kernel gives no such device to a VM");
	else
		check_warn(run, where, "the firmware keeps memory of the host for it, and kernels from 6.6 on give no such device to a VM");
	check_advise(run, "Look in the firmware setup for what ties it (shared memory features, USB legacy support, the management controller's access to NIC and storage), or for the vendor's advisory on RMRR (HPE: conrep); else take another device.");
}

static void rmrr_check(struct check_run *run)
{
	const struct check_host *host = &run->host;
	struct platform_cpu cpu;
	bool refused = check_kernel_since(host, 6, 6) || (platform_cpu(host->ctx, &cpu) == 0 && cpu.vendor == PLATFORM_INTEL);
	unsigned free = 0;

	for (size_t i = 0; i < host->num_devices; i++) {
		const struct pvb_function *fn = host->devices[i];
		int tied = fn->group < 0 || fn->bridge ? 0 : group_tied(host, fn->group);

		check_about(run, &fn->addr);
		if (tied > 0)
			tied_say(run, fn, refused);
		else if (tied < 0)
			check_unknown(run, GROUPS, "the reserved regions of its IOMMU group %d cannot be read", fn->group);
		else
			free += fn->group >= 0;
	}
	check_about(run, NULL);
	if (free)
		check_ok(run, GROUPS, "the firmware keeps no memory of the host for %s", free == host->num_devices ? "the devices" : "the others");
}

/* ---- how it booted ---- */

static bool any_display(const struct check_host *host)
{
	for (size_t i = 0; i < host->num_devices; i++)
		if (host->devices[i]->class_code >> 16 == 0x03)
			return true;
	return false;
}

static void uefi_boot_check(struct check_run *run)
{
	if (pvb_sysfs_exists(run->host.ctx, "sys/firmware/efi")) {
		check_ok(run, "/sys/firmware/efi", "the host booted by UEFI");
	} else if (!pvb_sysfs_exists(run->host.ctx, "sys/firmware")) {
		check_unknown(run, "/sys/firmware", "there is no such folder, so that one cannot see how the host booted");
	} else if (!any_display(&run->host)) {
		check_ok(run, "/sys/firmware/efi", "the host booted by legacy BIOS, which matters to graphics cards only");
	} else {
		check_warn(run, "/sys/firmware/efi", "the host booted by legacy BIOS: its graphics card was started by its VGA BIOS, which some cards do not get over for a VM with OVMF");
		check_advise(run, "It works for most. If the VM's screen stays black, switch CSM off in the firmware setup (an installation made for BIOS boot must be made to boot by UEFI first), or give the VM a romfile.");
	}
}

const struct check check_firmware[] = {
	{ "cpu-virtualization", "The processor's virtualization is on", CHECK_HOST, "01", virtualization_check },
	{ "iommu", "The IOMMU is on", CHECK_HOST, "01", iommu_check },
	{ "interrupt-remapping", "Interrupts are remapped", CHECK_HOST, "01", interrupt_remapping_check },
	{ "rmrr", "The firmware keeps no memory for the devices", CHECK_HOST, "01", rmrr_check },
	{ "uefi-boot", "Graphics cards were started by UEFI", CHECK_HOST, "01", uefi_boot_check },
	{ .id = NULL },
};
