/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: the guest's firmware, its processor and its memory. */
#include <stdio.h>
#include <string.h>

#include "vm.h"

#define VENDOR_NVIDIA 0x10de
#define MIB 1048576ull

/* ---- BIOS and EFI disk ---- */

static void ovmf_advise(struct check_run *run)
{
	char storage[64];

	check_advise(run,
		     "Take OVMF before the guest is installed: one that was installed under SeaBIOS does not boot under OVMF.");
	check_command(run, "qm set %u --bios ovmf --efidisk0 %s:1,efitype=4m,pre-enrolled-keys=0", run->host.vmid,
		      vm_disk_storage(run, storage, sizeof(storage)));
}

static void bios_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];

	if (!vm_checkable(run))
		return;
	vm_value(run, "bios", place);
	if (vm_is_ovmf(run)) {
		check_ok(run, place, "the firmware is OVMF (UEFI)");
		return;
	}
	switch (vm_passes_display(run)) {
	case VM_NO:
		check_ok(run, place, "the firmware is SeaBIOS: for what is passed, which is no display, either will do");
		return;
	case VM_UNSEEN:
		check_unknown(run, place, "the firmware is SeaBIOS; whether a display controller is passed cannot be seen");
		return;
	case VM_YES:
		break;
	}
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		if (vm_hostpci(run, i) && vm_hostpci(run, i)->legacy_igd) {
			check_ok(run, place, "the firmware is SeaBIOS, as legacy-igd needs it");
			return;
		}
	check_warn(run, place,
		   "the firmware is SeaBIOS: a GPU's screen then needs a legacy ROM, which new cards do not have, and the host's VGA arbiter");
	ovmf_advise(run);
}

/* Drivers that the guest builds itself are not signed with a key that is enrolled. */
static bool passes_vendor(const struct check_run *run, uint16_t vendor)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];

	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		size_t n = vm_hostpci(run, i) ? vm_functions(run, vm_hostpci(run, i), list) : 0;

		while (n-- > 0)
			if (vm_is_display(list[n]) && list[n]->vendor == vendor)
				return true;
	}
	return false;
}

static bool ostype_is_linux(const struct check_run *run)
{
	const char *ostype = conf_vm_value(&run->host.vm, "ostype", NULL);

	return ostype && (!strcmp(ostype, "l26") || !strcmp(ostype, "l24"));
}

static void efidisk_check(struct check_run *run)
{
	char place[VM_PLACE_MAX], storage[64];
	const char *disk = vm_checkable(run) ? vm_value(run, "efidisk0", place) : NULL;

	if (!vm_checkable(run) || !vm_is_ovmf(run))
		return;
	if (!disk) {
		check_warn(run, place,
			   "OVMF has no EFI disk: what the guest's firmware is told (boot order, Secure Boot keys) is forgotten at each stop");
		check_command(run, "qm set %u --efidisk0 %s:1,efitype=4m,pre-enrolled-keys=0", run->host.vmid,
			      vm_disk_storage(run, storage, sizeof(storage)));
	} else if (vm_option_flag(disk, "pre-enrolled-keys", false) && ostype_is_linux(run) &&
		   passes_vendor(run, VENDOR_NVIDIA)) {
		check_warn(run, place,
			   "OVMF has an EFI disk with pre-enrolled keys: Secure Boot is on in the guest, and its kernel refuses an NVIDIA driver that is not signed");
		check_advise(run,
			     "Enroll the driver's key in the guest (mokutil), or switch Secure Boot off in the guest's firmware menu (Esc at its start).");
	} else {
		check_ok(run, place, "OVMF has an EFI disk");
	}
}

/* ---- CPU ---- */

/* Models without AVX, which what runs on GPUs is mostly built for. */
static bool model_is_old(const char *model)
{
	static const char *const models[] = { "kvm64",   "kvm32",    "qemu64",   "qemu32", "x86-64-v2", "x86-64-v2-AES",
					      "pentium", "pentium2", "pentium3", "486",    "coreduo",   "core2duo",
					      "athlon",  "phenom",   "Conroe",   "Penryn", "Nehalem",   "Westmere" };

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (!strcmp(models[i], model))
			return true;
	return false;
}

static void cpu_check(struct check_run *run)
{
	char place[VM_PLACE_MAX], model[64] = "kvm64";
	const char *cpu = vm_checkable(run) ? vm_value(run, "cpu", place) : NULL;

	if (!vm_checkable(run))
		return;
	if (cpu && !vm_option(cpu, NULL, model, sizeof(model)))
		vm_option(cpu, "cputype", model, sizeof(model));
	if (!strcmp(model, "host") || !strcmp(model, "max")) {
		check_ok(run, place, "the CPU is the host's own (%s)%s", model,
			 cpu && vm_option_flag(cpu, "hidden", false) ? ", and KVM is hidden from the guest" : "");
	} else if (!model_is_old(model)) {
		check_ok(run, place, "the CPU is %s", model);
	} else if (vm_passes_display(run) == VM_YES) {
		check_warn(run, place, "the CPU is %s%s, which has no AVX: CUDA, ROCm and many games need it", model,
			   cpu ? "" : ", as none is said");
		check_advise(run, "Take the host's own.");
		check_command(run, "qm set %u --cpu host", run->host.vmid);
	} else if (vm_passes_display(run) == VM_UNSEEN) {
		check_unknown(run, place,
			      "the CPU is %s; whether a GPU is passed, for which that is too old, cannot be seen", model);
	} else {
		check_ok(run, place, "the CPU is %s: for what is passed, which is no GPU, it will do", model);
	}
}

/* ---- memory ---- */

/* "MemAvailable:   12345 kB" of a text, in bytes. */
static bool kb_find(const char *text, const char *name, unsigned long long *bytes)
{
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, n) && line[n] == ':' && sscanf(line + n + 1, "%llu", bytes) == 1) {
			*bytes *= 1024;
			return true;
		}
	return false;
}

/* "size   4   12345" of /proc/spl/kstat/zfs/arcstats. */
static unsigned long long arcstat(const char *text, const char *name)
{
	unsigned long long value = 0;
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, n) && line[n] == ' ' && sscanf(line + n, "%*u %llu", &value) == 1)
			return value;
	return 0;
}

/* What ZFS gives back when it is pressed: not in MemAvailable. */
static unsigned long long arc_spare(const struct check_run *run)
{
	_conf_free_ char *text = NULL;
	unsigned long long size, least;

	if (pvb_read_file(run->host.ctx, "proc/spl/kstat/zfs/arcstats", 1 << 20, &text, NULL) < 0)
		return 0;
	size = arcstat(text, "size");
	least = arcstat(text, "c_min");
	return size > least ? size - least : 0;
}

/* In MiB; 512 when none is said (PVE/QemuServer/Memory.pm). */
static unsigned long long vm_memory(const struct check_run *run, char place[VM_PLACE_MAX])
{
	const char *value = vm_value(run, "memory", place);
	char text[32];
	unsigned long number;

	if (!value || (!vm_option(value, NULL, text, sizeof(text)) && !vm_option(value, "current", text, sizeof(text))) ||
	    !conf_number_parse(text, 1ul << 40, &number))
		return 512;
	return number;
}

/* Whether there is room, and how it would be made. */
static void memory_room(struct check_run *run, const char *meminfo, unsigned long long wanted, const char *place)
{
	unsigned long long total = 0, available = 0, spare = arc_spare(run), huge = 0, page = 0;

	if (!meminfo || !kb_find(meminfo, "MemTotal", &total) || !kb_find(meminfo, "MemAvailable", &available)) {
		check_unknown(run, "/proc/meminfo", "how much memory the host has cannot be read");
		return;
	}
	if (conf_vm_value(&run->host.vm, "hugepages", NULL) && kb_find(meminfo, "HugePages_Free", &huge) &&
	    kb_find(meminfo, "Hugepagesize", &page))
		available += huge / 1024 * page;
	if (wanted > total) {
		check_fail(run, place,
			   "the VM has %llu MiB of memory, the host %llu: with a passed device all of it must be there",
			   wanted / MIB, total / MIB);
		check_command(run, "qm set %u --memory %llu", run->host.vmid, total / MIB / 2);
	} else if (conf_vmstate_pid(run->host.ctx, run->host.vmid)) {
		check_ok(run, place, "the VM has %llu MiB of memory, and runs with it", wanted / MIB);
	} else if (wanted > available + spare) {
		check_warn(run, place,
			   "the VM has %llu MiB of memory, and the host %llu free: with a passed device all of it is taken at the start, which may fail or cost others theirs",
			   wanted / MIB, (available + spare) / MIB);
		check_advise(run, "Give it less, or stop something else before.");
	} else if (wanted > available) {
		check_ok(run, place,
			 "the VM's %llu MiB of memory are free when ZFS gives back some of its cache (%llu MiB)",
			 wanted / MIB, spare / MIB);
		check_advise(run,
			     "ZFS is slow to do so: where the VM's start fails for memory, bound its cache (zfs_arc_max).");
	} else {
		check_ok(run, place, "the VM's %llu MiB of memory are free (%llu are)", wanted / MIB, available / MIB);
	}
}

static void memory_check(struct check_run *run)
{
	_conf_free_ char *meminfo = NULL;
	char place[VM_PLACE_MAX], balloon_place[VM_PLACE_MAX];
	const char *balloon;
	unsigned long long memory;
	unsigned long least;

	if (!vm_checkable(run))
		return;
	if (pvb_read_file(run->host.ctx, "proc/meminfo", 1 << 16, &meminfo, NULL) < 0)
		meminfo = NULL;
	memory = vm_memory(run, place);
	memory_room(run, meminfo, memory * MIB, place);
	balloon = vm_value(run, "balloon", balloon_place);
	if (!balloon || !conf_number_parse(balloon, 1ul << 40, &least) || !least || least >= memory)
		return;
	check_warn(run, balloon_place,
		   "balloon lets the VM shrink to %lu MiB, and with a passed device it cannot: all its memory stays in use, as the device may write anywhere in it",
		   least);
	check_advise(run, "Switch ballooning off, and count with all of its memory.");
	check_command(run, "qm set %u --balloon 0", run->host.vmid);
}

/* PVE/QemuServer/Memory.pm dies of these. */
static void hugepages_check(struct check_run *run)
{
	char place[VM_PLACE_MAX], memory_place[VM_PLACE_MAX];
	const char *hugepages = vm_checkable(run) ? vm_value(run, "hugepages", place) : NULL;
	unsigned long size;

	if (!hugepages)
		return;
	if (!vm_flag(run, "numa", false)) {
		check_fail(run, place, "hugepages needs numa: Proxmox VE refuses to start the VM");
		check_command(run, "qm set %u --numa 1", run->host.vmid);
	} else if (conf_number_parse(hugepages, 1024, &size) && size && vm_memory(run, memory_place) % size) {
		check_fail(run, place,
			   "the VM's memory (%llu MiB) is no multiple of its huge pages (%lu MiB): Proxmox VE refuses to start it",
			   vm_memory(run, memory_place), size);
	} else {
		check_ok(run, place, "the VM has huge pages (%s)", hugepages);
	}
}

const struct check check_vmfirmware[] = {
	{ "vm-bios", "The firmware is OVMF", CHECK_VM, "10", bios_check },
	{ "vm-efidisk", "OVMF has an EFI disk", CHECK_VM, "10", efidisk_check },
	{ "vm-cpu", "The CPU is the host's", CHECK_VM, "10", cpu_check },
	{ "vm-memory", "There is memory for all of the VM", CHECK_VM, "10", memory_check },
	{ "vm-hugepages", "Huge pages have what they need", CHECK_VM, "10", hugepages_check },
	{ .id = NULL },
};
