/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people see when passing a device goes wrong, and the checks that decide what it is. */
#include <stddef.h>

#include "symptoms.h"

static const struct symptom symptoms[] = {
	{ "No IOMMU detected", "It is off in the firmware, or on the kernel command line, or the file that was edited is not the one that counts.",
	  "iommu cpu-virtualization iommu-parameter cmdline-applied cmdline-wrong-file cmdline-one-line boot-loader no-iommu" },
	{ "The host still holds the GPU's driver",
	  "That is as it should be while no VM runs: pvebind takes the device when the VM starts. If it then cannot, something uses the device.",
	  "held holders driver-gate gpu-packages hookscript snippet override" },
	{ "vfio_virqfd is missing", "It is a part of vfio since Linux 6.2, and is only left over in a list of modules.", "vfio-virqfd vfio-modules" },
	{ "The VM shows a black screen",
	  "The VM's machine, firmware and display do not fit a passed card, or the card's BIOS cannot be read.",
	  "vm-bios vm-efidisk vm-machine vm-pcie vm-display vm-x-vga vm-rombar vm-romfile log-rom disable-vga resizable-bar uefi-boot" },
	{ "It works once, then fails when the VM starts again", "The card does not come back from its reset.",
	  "reset-quality vendor-reset log-reset log-power d3cold slot-functions off-bus" },
	{ "The wrong device was reserved for VFIO", "An id behind ids= is of more devices than were meant; pvebind goes by addresses, and needs none.",
	  "vfio-ids-other vfio-ids vfio-ids-spaces vfio-parameters twins initramfs-stale" },

	{ "The VM's start hangs", "The device is asleep, dead or stuck in a driver of the host, or the host looks for memory.",
	  "stuck driver-gate log-reset log-power d3cold off-bus vm-memory log-xid" },
	{ "The VM does not start, and says why in its task", "pvebind refuses what cannot work or would hurt the host; each refusal is a check, too.",
	  "plan config vm-hostpci group-shared host-disk host-network reserved-by-pve in-use-by-vm disabled" },
	{ "\"group N is not viable\"", "Another device of the IOMMU group is on a driver of the host.", "group group-shared log-group slot-functions acs-override" },
	{ "\"device is already in use\", \"PCI device … already in use by VMID\"", "Another VM has the device, or left its mark on it.",
	  "in-use-by-vm reserved-by-pve held lend-state home vm-onboot" },
	{ "\"BAR N: can't reserve\"", "The picture that the firmware put on the card is still there.", "log-bar framebuffer-parameters above-4g" },
	{ "\"failed to set iommu for container: Operation not permitted\"",
	  "The firmware keeps memory for the device (RMRR), or interrupts cannot be kept apart.", "rmrr log-rmrr interrupt-remapping log-irq" },
	{ "The host's console is gone", "The card that it was on is lent, or a parameter has switched the frame buffer off for good.",
	  "last-console framebuffer-parameters management-path blacklists lend-state" },
	{ "The host is not to be reached any more", "The network card went with the VM, or shares a group or slot with what went.",
	  "host-network management-path group slot-functions" },
	{ "Code 43 in Windows", "The driver does not like that it runs in a VM, or could not start the card.",
	  "vm-cpu vm-x-vga vm-machine vm-romfile log-rom log-reset guest-driver" },
	{ "The guest does not see or use the card", "It was not passed, has no driver in the guest, or the wrong one.",
	  "vm-hostpci vm-named sriov guest-agent guest-device guest-driver guest-nvidia guest-opengl guest-rocm guest-torch vm-efidisk vm-cpu" },
	{ "No sound from the card", "Its sound function was not passed along, or did not come back from a reset.",
	  "slot-functions log-driver reset-quality guest-device guest-driver" },
	{ "The card is slow", "The link to it is slower than it could be, makes errors, or the VM's memory is in pieces.",
	  "link log-aer aer resizable-bar vm-cpu vm-hugepages iommu-passthrough guest-driver guest-opengl" },
	{ "The card does not come home after the VM", "Its driver on the host is missing or barred, or the card did not survive its reset.",
	  "home home-module blacklists install-lines dkms secure-boot log-driver log-reset lend-state" },
	{ "It worked until the last update", "The new kernel lacks a module, or has not read the changed configuration.",
	  "home-module dkms secure-boot initramfs-stale vfio-modules kernel cmdline-applied pve-version" },
	{ "The VM runs, and then the host freezes or tells of faults", "The device wrote where it must not, or its link failed.",
	  "log-dma log-aer iommu acs-override group" },
};

const struct symptom *symptom_get(unsigned i)
{
	return i < sizeof(symptoms) / sizeof(symptoms[0]) ? &symptoms[i] : NULL;
}
