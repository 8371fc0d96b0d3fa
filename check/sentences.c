/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentences, each with where Linux says it. Their beginnings ("vfio-pci 0000:01:00.0: ") are dev_printk()'s; where
 * several kernels word one differently, each wording has a row.
 */
#include "sentences.h"

#define RESERVED "another part of the host holds its memory, mostly the picture that the firmware had put there"
#define RESERVED_ADVICE "See who holds it. If it is BOOTFB, efifb or simplefb, boot with initcall_blacklist=sysfb_init."
#define NO_SPACE "the kernel found no room for its memory then; whether it has found some since above-4g tells"
#define NO_SPACE_ADVICE "If above-4g fails: switch on \"Above 4G Decoding\" in the firmware; if it is on, try Resizable BAR off, or pci=realloc on the kernel command line."
#define NO_MATTER "no driver needs that: it is no memory of the device itself, but its BIOS, its I/O ports, or virtual functions that it does not have"
#define UNNEEDED(part, also) { "log-bar", part, also, SENTENCE_DEVICE, CHECK_OK, NO_MATTER, "", NULL, 0 }
#define DEAD_ADVICE "Shut the host down and take its power away for some seconds: a reboot may not be enough. Then see that it is reset another " \
	"way (reset in pvebind.ini)."
#define D3COLD_ADVICE "Shut the host down and take its power away. If it comes again, keep the device from D3cold: disable_idle_d3=1."
#define D3COLD_COMMAND "echo 'options vfio-pci disable_idle_d3=1' >/etc/modprobe.d/vfio-pci-d3.conf"
#define RMRR "the firmware keeps memory for itself that this device uses (RMRR), and the kernel refuses to pass such a device"
#define RMRR_ADVICE "Look in the firmware's settings for what uses it (HP: \"Shared memory\" of the slot, iLO's or the RAID controller's monitoring), " \
	"or ask the vendor."
#define FAULT "it reads or writes memory that it is not given: mostly what a driver of the host, or the firmware, left running in it"
#define FAULT_ADVICE "A few at a VM's start or end do no harm. If they go on, see that the device is reset between its users, and update the firmware."
#define AER_ADVICE "Seat the card anew, go without a riser, or set a slower link in the firmware; if the slot saves power, try pcie_aspm=off."

const struct sentence sentences[] = {
	/* drivers/pci/pci.c: __pci_request_region() */
	{ "log-bar", ": can't reserve [", NULL, SENTENCE_DEVICE, CHECK_WARN, RESERVED, RESERVED_ADVICE, "cat /proc/iomem", 0 },
	/* drivers/pci/setup-res.c: pci_assign_resource(); a resource that has no place yet shows as its size. BARs from the 6th on
	 * are the ROM and those of VFs, said by their names since 6.9. */
	UNNEEDED(": BAR ", "[io  size"), UNNEEDED(": BAR 6: ", "[mem size"), UNNEEDED(": BAR 7: ", "[mem size"),
	UNNEEDED(": BAR 8: ", "[mem size"), UNNEEDED(": BAR 9: ", "[mem size"), UNNEEDED(": BAR 10: ", "[mem size"),
	UNNEEDED(": BAR 11: ", "[mem size"), UNNEEDED(": BAR 12: ", "[mem size"), UNNEEDED(": ROM [mem size", NULL),
	UNNEEDED(": VF BAR ", "[mem size"),
	{ "log-bar", ": no space for [", NULL, SENTENCE_DEVICE, CHECK_WARN, NO_SPACE, NO_SPACE_ADVICE, NULL, 0 },
	{ "log-bar", ": failed to assign", NULL, SENTENCE_DEVICE, CHECK_WARN, NO_SPACE, NO_SPACE_ADVICE, NULL, 0 },
	{ "log-bar", ": can't assign; no space", NULL, SENTENCE_DEVICE, CHECK_WARN, NO_SPACE, NO_SPACE_ADVICE, NULL, 0 },

	/* drivers/pci/pci.c: pci_dev_wait(), pci_wait_for_pending_transaction(); drivers/pci/pcie: pcie_wait_for_link_delay() */
	{ "log-reset", ": not ready ", "; giving up", SENTENCE_DEVICE, CHECK_FAIL, "it did not come back from a reset", DEAD_ADVICE, NULL, 0 },
	{ "log-reset", ": not ready ", "; waiting", SENTENCE_DEVICE, CHECK_WARN, "it takes long to come back from a reset",
	  "If it never does, reset it another way: reset = bus, or none, in pvebind.ini.", NULL, 0 },
	{ "log-reset", "timed out waiting for pending transaction", NULL, SENTENCE_DEVICE, CHECK_WARN,
	  "it had not ended its transfers when it was to be reset", "Shut the VM down from inside, so that its driver stops the device.", NULL, 0 },
	{ "log-reset", "Data Link Layer Link Active not set in", NULL, SENTENCE_LINK, CHECK_WARN, "the link to it did not come up again after a reset",
	  DEAD_ADVICE, NULL, 0 },
	/* drivers/vfio/pci/vfio_pci_config.c: vfio_bar_restore() */
	{ "log-reset", "reset recovery - restoring BARs", NULL, SENTENCE_DEVICE, CHECK_WARN,
	  "it was reset behind the VM's back, and has lost what the VM had set: such cards often work once, until the host is rebooted",
	  "See what the check vendor-reset says; else try another way to reset it (reset in pvebind.ini).", NULL, 0 },

	/* drivers/pci/pci.c: pci_power_up(), pci_raw_set_power_state() */
	{ "log-power", "Unable to change power state from ", "device inaccessible", SENTENCE_LINK, CHECK_FAIL, "it sleeps, and cannot be woken",
	  D3COLD_ADVICE, D3COLD_COMMAND, 0 },
	{ "log-power", "can't change power state from ", "config space inaccessible", SENTENCE_LINK, CHECK_FAIL,
	  "it sleeps, and cannot be woken", D3COLD_ADVICE, D3COLD_COMMAND, 0 },
	{ "log-power", "efused to change power state", NULL, SENTENCE_LINK, CHECK_WARN, "it did not wake when it was told to", D3COLD_ADVICE,
	  D3COLD_COMMAND, 0 },

	/* drivers/iommu/intel/dmar.c: dmar_fault_do_one(); drivers/iommu/amd/iommu.c: amd_iommu_report_page_fault() */
	{ "log-dma", "DMAR: [", "fault addr", SENTENCE_DEVICE, CHECK_WARN, FAULT, FAULT_ADVICE, NULL, 0 },
	{ "log-dma", "AMD-Vi: Event logged [IO_PAGE_FAULT", NULL, SENTENCE_DEVICE, CHECK_WARN, FAULT, FAULT_ADVICE, NULL, 0 },

	/* drivers/iommu/intel/iommu.c until 6.6, then drivers/iommu/iommu.c */
	{ "log-rmrr", "Device is ineligible for IOMMU domain attach due to platform RMRR requirement", NULL, SENTENCE_DEVICE, CHECK_FAIL,
	  RMRR, RMRR_ADVICE, NULL, 0 },
	{ "log-rmrr", "Firmware has requested this device have a 1:1 IOMMU mapping", NULL, SENTENCE_DEVICE, CHECK_FAIL, RMRR, RMRR_ADVICE,
	  NULL, 0 },

	/* drivers/vfio/vfio_iommu_type1.c: vfio_iommu_type1_attach_group() */
	{ "log-irq", "No interrupt remapping support", NULL, SENTENCE_HOST, CHECK_FAIL,
	  "the IOMMU cannot keep a VM from sending interrupts as it likes, so the kernel passes no device",
	  "Switch on interrupt remapping (x2APIC) in the firmware and update it. Only where all VMs are trusted: allow_unsafe_interrupts.",
	  "echo 'options vfio_iommu_type1 allow_unsafe_interrupts=1' >/etc/modprobe.d/vfio-unsafe-interrupts.conf", 0 },

	/* QEMU's hw/vfio/container.c, where what it says is sent to the kernel's log */
	{ "log-group", "is not viable", NULL, SENTENCE_GROUP, CHECK_FAIL, "a device of its IOMMU group was on a driver of the host when QEMU started",
	  "Give the VM all of the group, or another slot to the card; the refusal group-shared names who is in it.", "pvebind check", 0 },

	/* drivers/pci/rom.c: pci_get_rom_size() */
	{ "log-rom", "Invalid PCI ROM header signature: expecting ", NULL, SENTENCE_DEVICE, CHECK_WARN,
	  "its video BIOS cannot be read: the VM has no picture until its own driver runs",
	  "If the screen stays black, give the VM a copy of the card's BIOS (romfile=…), or rombar=0 where it needs none.", NULL, 0 },
	{ "log-rom", "Invalid PCI ROM data signature: expecting ", NULL, SENTENCE_DEVICE, CHECK_WARN, "its video BIOS is damaged as it is read",
	  "Give the VM a copy of the card's BIOS (romfile=…).", NULL, 0 },

	/* drivers/pci/pcie/aer.c: aer_print_error(), aer_print_port_info() */
	{ "log-aer", "severity=Uncorrect", "(Fatal)", SENTENCE_LINK, CHECK_FAIL, "its link failed", AER_ADVICE, NULL, 0 },
	{ "log-aer", "severity=Uncorrect", NULL, SENTENCE_LINK, CHECK_WARN, "transfers over its link were lost", AER_ADVICE, NULL, 0 },
	{ "log-aer", "severity=Correct", NULL, SENTENCE_LINK, CHECK_WARN, "its link makes errors, which are corrected, and cost time", AER_ADVICE, NULL, 20 },
	{ "log-aer", "AER: ", "(Fatal)", SENTENCE_LINK, CHECK_FAIL, "its link failed", AER_ADVICE, NULL, 0 },
	{ "log-aer", "AER: ", "Uncorrect", SENTENCE_LINK, CHECK_WARN, "transfers over its link were lost", AER_ADVICE, NULL, 0 },
	{ "log-aer", "AER: ", "rror", SENTENCE_LINK, CHECK_WARN, "its link makes errors", AER_ADVICE, NULL, 20 },

	/* NVIDIA's kernel modules: src/nvidia/…/xid, nvidia_remove(); docs.nvidia.com/deploy/xid-errors */
	{ "log-xid", "NVRM: Xid ", ": 79,", SENTENCE_DEVICE, CHECK_FAIL, "the host's NVIDIA driver lost it: it has fallen off the bus", DEAD_ADVICE, NULL, 0 },
	{ "log-xid", "NVRM: Xid ", NULL, SENTENCE_DEVICE, CHECK_WARN, "the host's NVIDIA driver tells of a fault in it",
	  "Look the number up in NVIDIA's list of Xid errors (docs.nvidia.com/deploy/xid-errors).", NULL, 0 },
	{ "log-xid", "NVRM: Attempting to remove", "non-zero usage count", SENTENCE_DEVICE, CHECK_FAIL,
	  "it was taken from NVIDIA's driver while in use, which waits for ever: the device is stuck until the host is rebooted",
	  "Reboot the host, and lend the card by pvebind alone, which looks for its users first.", NULL, 0 },

	/* drivers/gpu/drm/amd/amdgpu: amdgpu_job.c, amdgpu_psp.c, atom.c, amdgpu_kms.c; pm/powerplay/smumgr */
	{ "log-driver", "amdgpu", "atombios stuck", SENTENCE_DEVICE, CHECK_FAIL, "it did not come back in a state that the host's driver can start it from",
	  DEAD_ADVICE, NULL, 0 },
	{ "log-driver", "amdgpu", "PSP load ", SENTENCE_DEVICE, CHECK_FAIL, "its firmware could not be loaded again after a VM had it", DEAD_ADVICE, NULL, 0 },
	{ "log-driver", "amdgpu", "PSP create ring failed", SENTENCE_DEVICE, CHECK_FAIL, "its firmware could not be loaded again after a VM had it",
	  DEAD_ADVICE, NULL, 0 },
	{ "log-driver", "amdgpu", "Fatal error during GPU init", SENTENCE_DEVICE, CHECK_FAIL, "the host's driver could not start it", DEAD_ADVICE, NULL, 0 },
	{ "log-driver", "amdgpu", "ring gfx", SENTENCE_DEVICE, CHECK_WARN, "the host's driver waited in vain for it",
	  "See that it is reset between its users: the check vendor-reset.", NULL, 0 },
	/* drivers/gpu/drm/nouveau/nvkm/engine/device/base.c; sound/hda: snd_hdac_bus_init_cmd_io(); drivers/usb/host/xhci.c */
	{ "log-driver", "nouveau", "unknown chipset (ffffffff)", SENTENCE_DEVICE, CHECK_FAIL, "it did not answer the host's driver", DEAD_ADVICE, NULL, 0 },
	{ "log-driver", "CORB reset timeout", NULL, SENTENCE_DEVICE, CHECK_WARN, "its sound part did not come back from a VM",
	  "Lend all functions of the slot together, so that they are reset together.", NULL, 0 },
	{ "log-driver", "HC died; cleaning up", NULL, SENTENCE_DEVICE, CHECK_WARN, "the USB controller did not come back from a VM", DEAD_ADVICE, NULL, 0 },
	/* drivers/nvme/host/pci.c: nvme_timeout() */
	{ "log-driver", "controller is down; will reset", NULL, SENTENCE_DEVICE, CHECK_WARN, "the disk's controller did not answer the host's driver",
	  DEAD_ADVICE, NULL, 0 },
	{ .id = NULL, 0 },
};
