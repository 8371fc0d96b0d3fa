/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: the VM's configuration: whether it can be used, and the machine it makes. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

static void config_check(struct check_run *run)
{
	const struct check_host *host = &run->host;
	unsigned lines = 0;

	if (!host->has_vm) /* 'config' says so */
		return;
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		lines += host->vm.hostpci[i].present;
	if (host->vm.is_template)
		check_ok(run, host->vm.file, "VM %u is a template: it never starts, so nothing is passed to it",
			 host->vmid);
	else if (lines)
		check_ok(run, host->vm.file, "VM %u names devices in %u hostpci line%s", host->vmid, lines,
			 lines == 1 ? "" : "s");
	else if (host->has_request && host->request.num_wanted)
		check_ok(run, host->vm.file, "VM %u has its devices from %s, none from its own configuration",
			 host->vmid, host->extra.config);
	else {
		check_warn(run, host->vm.file, "VM %u names no PCI device: nothing is passed to it", host->vmid);
		check_advise(run, "Name one; 'pvebind list' shows their addresses.");
		check_command(run, "qm set %u --hostpci0 01:00,pcie=1", host->vmid);
	}
}

/* ---- the lock ---- */

static void lock_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];
	const char *lock = vm_checkable(run) ? vm_value(run, "lock", place) : NULL;

	if (!vm_checkable(run))
		return;
	if (!lock) {
		check_ok(run, run->host.vm.file, "no operation has VM %u locked", run->host.vmid);
	} else if (!strcmp(lock, "suspended") || !strcmp(lock, "suspending")) {
		check_fail(run, place,
			   "VM %u is hibernated: a passed device cannot take up its old state, so it does not wake up",
			   run->host.vmid);
		check_advise(run,
			     "Throw the saved state away, and start it afresh: what was not saved in the guest is lost.");
		check_command(run, "qm unlock %u", run->host.vmid);
		check_command(run, "qm set %u --delete vmstate", run->host.vmid);
	} else {
		check_warn(run, place, "VM %u is locked (%s): it cannot be started until that is over", run->host.vmid,
			   lock);
		check_advise(run, "Wait for it to end; only when no task of it runs any more, unlock the VM.");
		check_command(run, "qm unlock %u", run->host.vmid);
	}
}

/* ---- hostpci lines: what Proxmox VE accepts ---- */

/* "[domain:]bus:dev[.fn]", lower case: Proxmox VE's $PCIRE. We take upper case too. */
static bool pve_takes_id(const char *id)
{
	for (; *id; id++)
		if (isupper((unsigned char)*id))
			return false;
	return true;
}

/* $hostpci_fmt of every version that is about; driver is of 2025. */
static bool option_known(const char *key)
{
	static const char *const keys[] = { "host",      "mapping",   "mdev",          "rombar",
					    "romfile",   "pcie",      "x-vga",         "legacy-igd",
					    "vendor-id", "device-id", "sub-vendor-id", "sub-device-id" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

enum taken { TAKEN, REJECTED, NOT_KNOWN };

/* Whether Proxmox VE takes the part; pm: its own module's text, or NULL. */
static enum taken part_taken(const char *pm, const char *key, const char *value)
{
	bool flag;

	if (!key || !strcmp(key, "host"))
		return pve_takes_id(value) ? TAKEN : REJECTED;
	if (!strcmp(key, "rombar"))
		return conf_bool_parse(value, &flag) ? TAKEN : REJECTED;
	if (!strcmp(key, "romfile"))
		return strchr(value, ';') ? REJECTED : TAKEN;
	if (option_known(key))
		return TAKEN;
	if (!pm)
		return NOT_KNOWN;
	return vm_text_has(pm, key) && (strcmp(key, "driver") != 0 || vm_text_has(pm, value)) ? TAKEN : REJECTED;
}

/* The first part of the line that Proxmox VE does not take: into part. */
static enum taken line_taken(const struct conf_hostpci *hostpci, const char *pm, char *part, size_t size)
{
	_conf_free_ char *copy = strdup(hostpci->text);
	char *rest = copy, *key, *value;

	while (copy && conf_part_next(&rest, &key, &value)) {
		enum taken taken = part_taken(pm, key, value);

		if (taken == TAKEN)
			continue;
		snprintf(part, size, "%s%s%s", key ? key : "", key ? "=" : "", value);
		return taken;
	}
	return TAKEN;
}

static void hostpci_line_check(struct check_run *run, unsigned i, const char *pm)
{
	const struct conf_hostpci *hostpci = &run->host.vm.hostpci[i];
	char place[VM_PLACE_MAX], part[128] = "";
	enum taken taken = line_taken(hostpci, pm, part, sizeof(part));

	vm_hostpci_place(run, hostpci, place);
	if (taken == TAKEN) {
		check_ok(run, place, "hostpci%u is as Proxmox VE wants it", i);
	} else if (taken == NOT_KNOWN) {
		check_unknown(run, place, "hostpci%u: whether this Proxmox VE knows '%s' cannot be told: %s is not there",
			      i, part, VM_PCI_PM);
	} else {
		check_fail(run, place,
			   "hostpci%u: Proxmox VE does not take '%s', passes over the whole line, and starts the VM without the device",
			   i, part);
		check_advise(run,
			     "Correct the line: addresses in lower case, only options that this version knows (qm.conf(5)).");
	}
}

static void hostpci_check(struct check_run *run)
{
	_conf_free_ char *pm = vm_checkable(run) ? vm_pci_pm(run) : NULL;
	const struct conf_vm *vm = &run->host.vm;
	char place[VM_PLACE_MAX];

	if (!vm_checkable(run))
		return;
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		if (vm->hostpci[i].present)
			hostpci_line_check(run, i, pm);
	for (size_t i = 0; i < vm->num_pairs; i++) {
		const char *digits = vm->pairs[i].key + strlen("hostpci");
		unsigned long index;

		if (strncmp(vm->pairs[i].key, "hostpci", strlen("hostpci")) != 0 ||
		    conf_number_parse(digits, CONF_HOSTPCI_MAX - 1, &index))
			continue;
		check_warn(run, check_place(place, sizeof(place), vm->file, vm->pairs[i].line),
			   "%.40s: there are hostpci0 to hostpci%d only, so Proxmox VE passes over it",
			   vm->pairs[i].key, CONF_HOSTPCI_MAX - 1);
	}
}

/* ---- mdev ---- */

static void mdev_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];

	if (!run->host.has_vm || run->host.vm.is_template)
		return;
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = &run->host.vm.hostpci[i];

		if (!hostpci->present || !*hostpci->mdev)
			continue;
		if (hostpci->num_ids > 1)
			check_fail(run, vm_hostpci_place(run, hostpci, place),
				   "hostpci%u: a mediated device (mdev=%s) of several functions: Proxmox VE refuses to start it",
				   i, hostpci->mdev);
		else
			check_ok(run, vm_hostpci_place(run, hostpci, place),
				 "hostpci%u is a mediated device (mdev=%s): made by Proxmox VE, and left to it", i,
				 hostpci->mdev);
	}
}

/* ---- the machine ---- */

static bool legacy_igd(const struct check_run *run)
{
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		if (run->host.vm.hostpci[i].present && run->host.vm.hostpci[i].legacy_igd)
			return true;
	return false;
}

static void machine_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];
	const char *machine = vm_checkable(run) ? vm_value(run, "machine", place) : NULL;

	if (!vm_checkable(run))
		return;
	if (vm_is_q35(run)) {
		check_ok(run, place, "the machine is q35, which has PCI Express");
		return;
	}
	if (legacy_igd(run)) {
		check_ok(run, place, "the machine is i440fx, as legacy-igd needs it");
		return;
	}
	check_warn(run, place, "the machine is %s: it has no PCI Express, and many drivers of GPUs want that",
		   machine ? machine : "i440fx, as none is said");
	check_advise(run,
		     "Take q35. A guest that is installed sees new hardware then: Windows may ask for its drivers again.");
	check_command(run, "qm set %u --machine q35", run->host.vmid);
}

/* "pc-q35-3.1" and older: root ports of 2.5 GT/s x1 (qemu-server: pve-q35.cfg against pve-q35-4.0.cfg). */
static void machine_version_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];
	const char *machine = vm_checkable(run) ? vm_value(run, "machine", place) : NULL;
	const char *version = machine ? strstr(machine, "pc-q35-") : NULL;
	unsigned major = 0;

	if (!vm_checkable(run) || !vm_is_q35(run))
		return;
	if (!version || sscanf(version, "pc-q35-%u", &major) != 1) {
		check_ok(run, place, "the machine's version is this QEMU's own");
	} else if (major >= 4) {
		check_ok(run, place, "the machine is of version %u", major);
	} else {
		check_warn(run, place,
			   "the machine is pinned to a version before 4.0: its PCI Express ports show one lane of 2.5 GT/s, and new versions of QEMU do not know it");
		check_advise(run, "Take the version that QEMU has now.");
		check_command(run, "qm set %u --machine q35", run->host.vmid);
	}
}

/* A device of the root complex is no PCI Express card, and is fine as it is. */
static bool behind_port(const struct check_run *run, const struct conf_hostpci *hostpci)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	size_t n = vm_functions(run, hostpci, list);

	return n && list[0]->num_bridges;
}

static void pcie_check(struct check_run *run)
{
	bool q35 = run->host.has_vm && vm_is_q35(run);
	char place[VM_PLACE_MAX];

	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = vm_hostpci(run, i);

		if (!hostpci)
			continue;
		vm_hostpci_place(run, hostpci, place);
		if (hostpci->pcie && !q35) {
			check_fail(run, place,
				   "hostpci%u has pcie=1, and the machine is not q35: Proxmox VE refuses to start the VM",
				   i);
			check_advise(run, "Take q35; or go without pcie=1.");
			check_command(run, "qm set %u --machine q35", run->host.vmid);
		} else if (hostpci->pcie) {
			check_ok(run, place, "hostpci%u is a PCI Express device for the guest", i);
		} else if (q35 && behind_port(run, hostpci)) {
			check_warn(run, place,
				   "hostpci%u has no pcie=1: the guest sees a card without PCI Express, and its driver may fail or be slow",
				   i);
			vm_advise_option(run, i, "pcie", "1");
		} else {
			check_ok(run, place, "hostpci%u is a conventional PCI device for the guest", i);
		}
	}
}

/* ---- legacy-igd: all that Proxmox VE asks of it (PVE/QemuServer/PCI.pm: parse_hostpci_devices) ---- */

static const char *legacy_igd_fault(const struct check_run *run, const struct conf_hostpci *hostpci)
{
	const char *vga = conf_vm_value(&run->host.vm, "vga", NULL);
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	size_t n = vm_functions(run, hostpci, list);

	if (!vga || strcmp(vga, "none") != 0)
		return "'vga: none'";
	if (vm_is_q35(run))
		return "the machine i440fx, not q35";
	if (hostpci->x_vga)
		return "no x-vga";
	if (!vm_option_flag(hostpci->text, "rombar", true))
		return "rombar=1";
	if (n > 1)
		return "a single function";
	if (n && (list[0]->addr.dev != 2 || list[0]->addr.fn != 0))
		return "the host's 00:02.0";
	return NULL;
}

static void legacy_igd_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];
	unsigned count = 0;

	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = vm_hostpci(run, i);
		const char *fault = hostpci && hostpci->legacy_igd ? legacy_igd_fault(run, hostpci) : NULL;

		if (!hostpci || !hostpci->legacy_igd)
			continue;
		if (count++)
			fault = "that it is the only one";
		vm_hostpci_place(run, hostpci, place);
		if (fault) {
			check_fail(run, place,
				   "hostpci%u has legacy-igd=1, and that needs %s: Proxmox VE refuses to start the VM",
				   i, fault);
			check_advise(run, "See to that; or go without legacy-igd, with OVMF and x-vga=1.");
		} else {
			check_ok(run, place, "hostpci%u is passed in legacy IGD mode, and all it needs is so", i);
		}
	}
}

/* ---- args ---- */

static void args_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];
	const char *args = run->host.has_vm ? vm_value(run, "args", place) : NULL;

	if (!args)
		return;
	if (!strstr(args, "vfio-pci")) {
		check_ok(run, place, "args passes no PCI device by hand");
		return;
	}
	check_warn(run, place,
		   "args passes a PCI device by hand (-device vfio-pci): neither Proxmox VE nor pvebind knows of it, reserves it, or moves it");
	check_advise(run,
		     "Name the device in a hostpci line, or in [vm %u] of pvebind.ini, so that it is lent and taken back.",
		     run->host.vmid);
}

const struct check check_vmconfig[] = {
	{ "vm-config", "The VM's configuration names a device", CHECK_VM, "10", config_check },
	{ "vm-lock", "Nothing has the VM locked", CHECK_VM, "10", lock_check },
	{ "vm-hostpci", "The hostpci lines are as Proxmox VE wants them", CHECK_VM, "10", hostpci_check },
	{ "vm-mdev", "A mediated device is Proxmox VE's", CHECK_VM, "10", mdev_check },
	{ "vm-machine", "The machine is q35", CHECK_VM, "10", machine_check },
	{ "vm-machine-version", "The machine's version is recent", CHECK_VM, "10", machine_version_check },
	{ "vm-pcie", "Devices are PCI Express ones for the guest", CHECK_VM, "10", pcie_check },
	{ "vm-legacy-igd", "Legacy IGD mode has what it needs", CHECK_VM, "10", legacy_igd_check },
	{ "vm-args", "No device is passed by hand", CHECK_VM, "10", args_check },
	{ .id = NULL },
};
