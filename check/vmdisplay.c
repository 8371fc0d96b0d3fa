/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: what the guest shows itself on: Primary GPU, virtual display, the card's ROM. */
#include <stdio.h>
#include <string.h>

#include "rom.h"
#include "vm.h"

#define ROM_FOLDER "/usr/share/kvm" /* qemu-server: romfile lies there */
#define ROM_MAX (32 * 1024 * 1024)

/* "virtio" of "virtio,memory=64"; "" when no vga line is there. */
static const char *vga_type(const struct check_run *run, char *buf, size_t size, char place[VM_PLACE_MAX])
{
	const char *vga = vm_value(run, "vga", place);

	*buf = '\0';
	if (vga && !vm_option(vga, NULL, buf, size) && !vm_option(vga, "type", buf, size))
		conf_copy(buf, size, "std");
	return buf;
}

static bool has_x_vga(const struct check_run *run)
{
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		if (vm_hostpci(run, i) && vm_hostpci(run, i)->x_vga)
			return true;
	return false;
}

/* No emulated screen: said so, or because Proxmox VE leaves it out beside x-vga (print_hostpci_devices). */
static bool no_virtual_display(const struct check_run *run)
{
	char type[32], place[VM_PLACE_MAX];

	vga_type(run, type, sizeof(type), place);
	return *type ? !strcmp(type, "none") || !strncmp(type, "serial", 6) : has_x_vga(run);
}

/* ---- Primary GPU ---- */

static void x_vga_line_check(struct check_run *run, unsigned i, bool first)
{
	const struct conf_hostpci *hostpci = vm_hostpci(run, i);
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	size_t n = vm_functions(run, hostpci, list), display = 0;
	char place[VM_PLACE_MAX], vga_place[VM_PLACE_MAX], type[32];

	vm_hostpci_place(run, hostpci, place);
	vga_type(run, type, sizeof(type), vga_place);
	while (display < n && !vm_is_display(list[display]))
		display++;
	if (!n) {
		check_unknown(run, place,
			      "hostpci%u is the Primary GPU (x-vga=1); whether it is a display controller cannot be seen",
			      i);
	} else if (display == n) {
		check_say(run, vm_is_ovmf(run) ? CHECK_WARN : CHECK_FAIL, place,
			  "hostpci%u is the Primary GPU (x-vga=1), and is no display controller%s", i,
			  vm_is_ovmf(run) ? "" : ": with SeaBIOS QEMU refuses to start");
		vm_advise_option(run, i, "x-vga", NULL);
	} else if (!first) {
		check_warn(run, place, "hostpci%u is a second Primary GPU (x-vga=1): only one can be", i);
		vm_advise_option(run, i, "x-vga", NULL);
	} else if (!no_virtual_display(run)) {
		check_warn(run, vga_place,
			   "hostpci%u is the Primary GPU (x-vga=1), and there is a virtual display (%s) beside it: firmware and guest may show themselves there, and the card's screen stays black",
			   i, type);
		check_advise(run,
			     "Take the virtual display away once the guest has its driver; or let the card be secondary.");
		check_command(run, "qm set %u --vga none", run->host.vmid);
	} else {
		check_ok(run, place, "hostpci%u is the Primary GPU, and the only display", i);
	}
}

static void x_vga_check(struct check_run *run)
{
	bool first = true;

	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++) {
		if (!vm_hostpci(run, i) || !vm_hostpci(run, i)->x_vga)
			continue;
		x_vga_line_check(run, i, first);
		first = false;
	}
}

/* ---- a way in ---- */

static bool has_serial(const struct check_run *run)
{
	for (unsigned i = 0; i < 4; i++) {
		char key[16];

		snprintf(key, sizeof(key), "serial%u", i);
		if (conf_vm_value(&run->host.vm, key, NULL))
			return true;
	}
	return false;
}

static bool has_agent(const struct check_run *run)
{
	const char *agent = conf_vm_value(&run->host.vm, "agent", NULL);
	char text[16];
	bool on = false;

	if (agent && (vm_option(agent, NULL, text, sizeof(text)) || vm_option(agent, "enabled", text, sizeof(text))))
		conf_bool_parse(text, &on);
	return on;
}

static void display_check(struct check_run *run)
{
	char place[VM_PLACE_MAX], type[32];

	if (!vm_checkable(run))
		return;
	vga_type(run, type, sizeof(type), place);
	if (!no_virtual_display(run)) {
		check_ok(run, place, "there is a virtual display (%s), shown by the console in the web interface",
			 *type ? type : "the default one");
	} else if (has_serial(run) || has_agent(run)) {
		check_ok(run, place, "there is no virtual display, but a %s",
			 has_serial(run) ? "serial port ('qm terminal')" : "guest agent");
	} else {
		check_warn(run, place,
			   "there is no virtual display, no serial port and no guest agent: when the passed card shows nothing there is no way to see why");
		check_advise(run,
			     "Add both; the guest needs qemu-guest-agent, and console=ttyS0 on its kernel command line.");
		check_command(run, "qm set %u --serial0 socket --agent 1", run->host.vmid);
	}
}

/* ---- the ROM ---- */

static void rombar_check(struct check_run *run)
{
	char place[VM_PLACE_MAX], file[256];

	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = vm_hostpci(run, i);
		bool romfile = hostpci && vm_option(hostpci->text, "romfile", file, sizeof(file));

		if (!hostpci)
			continue;
		vm_hostpci_place(run, hostpci, place);
		if (vm_option_flag(hostpci->text, "rombar", true)) {
			check_ok(run, place, "the guest sees the ROM of hostpci%u", i);
		} else if (romfile || hostpci->x_vga) {
			check_warn(run, place, "hostpci%u has rombar=0: the guest does not see the card's ROM, and %s", i,
				   romfile ? "so not what romfile gives it" : "its firmware shows nothing on the card");
			vm_advise_option(run, i, "rombar", NULL);
		} else {
			check_ok(run, place,
				 "hostpci%u has rombar=0, which a card that is not the guest's first display does without",
				 i);
		}
	}
}

static const char *fault_words(enum rom_fault fault)
{
	switch (fault) {
	case ROM_NO_HEADER:
		return "is no ROM: it does not begin with 55 AA";
	case ROM_NVIDIA_HEADER:
		return "begins with NVIDIA's own header (NVGI): the guest finds no ROM in it";
	case ROM_NO_PCIR:
		return "has no PCI data structure (PCIR): the guest's firmware passes over it";
	case ROM_CUT:
		return "is cut short: its last image does not end in it";
	case ROM_GOOD:
		break;
	}
	return "is good";
}

static void rom_fault_say(struct check_run *run, const char *where, const struct rom *rom, const char *path)
{
	_conf_free_ char *quoted = vm_quote(path);

	check_say(run, rom->fault == ROM_CUT ? CHECK_WARN : CHECK_FAIL, where, "%s %s", path, fault_words(rom->fault));
	if (rom->start && quoted) {
		check_advise(run, "Cut that header off, and name the new file.");
		check_command(run, "dd if=%s of=%s.cut bs=512 skip=%zu", quoted, quoted, rom->start / 512);
		return;
	}
	check_advise(run, "Read the card's ROM again, with the card idle and not the host's first display.");
}

/* Whose the ROM is, against the card it is for. */
static void rom_match(struct check_run *run, const char *where, const struct rom *rom, const char *path, bool listed,
		      const struct pvb_function *fn)
{
	const char *kinds = rom->legacy && rom->efi ? "legacy and EFI"
			    : rom->efi              ? "EFI"
			    : rom->legacy           ? "legacy"
						    : "other";

	if (!fn) {
		check_unknown(run, where, "%s is a ROM of %04x:%04x; the card it is for cannot be seen", path,
			      rom->vendor, rom->device);
	} else if (rom->vendor != fn->vendor) {
		check_fail(run, where, "%s is a ROM of %04x:%04x, and the card is %04x:%04x: another vendor's", path,
			   rom->vendor, rom->device, fn->vendor, fn->device);
	} else if (rom->device != fn->device && !listed) {
		check_warn(run, where, "%s is a ROM of %04x:%04x, and the card is %04x:%04x: a BIOS passes over it",
			   path, rom->vendor, rom->device, fn->vendor, fn->device);
		check_advise(run, "Take the ROM of this very model.");
	} else if (vm_is_ovmf(run) && vm_is_display(fn) && !rom->efi) {
		check_warn(run, where,
			   "%s has no image for UEFI (%s only), and the guest's firmware is OVMF: nothing is shown before the guest's driver",
			   path, kinds);
	} else if (!vm_is_ovmf(run) && vm_is_display(fn) && !rom->legacy) {
		check_warn(run, where,
			   "%s has no image for a BIOS (%s only), and the guest's firmware is SeaBIOS: nothing is shown before the guest's driver",
			   path, kinds);
	} else {
		check_ok(run, where, "%s is a ROM of %04x:%04x (%u images: %s)", path, rom->vendor, rom->device,
			 rom->images, kinds);
	}
}

static void romfile_line_check(struct check_run *run, const struct conf_hostpci *hostpci, const char *name)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	size_t size = 0, n = vm_functions(run, hostpci, list);
	char where[VM_PLACE_MAX], path[512];
	_conf_free_ char *data = NULL;
	struct rom rom;
	int r;

	vm_hostpci_place(run, hostpci, where);
	snprintf(path, sizeof(path), ROM_FOLDER "/%s", name);
	r = pvb_read_file(run->host.ctx, path, ROM_MAX, &data, &size);
	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR) {
		check_fail(run, where, "romfile %s: %s: QEMU refuses to start", path, strerror(-r));
		check_advise(run, "Put the card's ROM there, on each node the VM may run on; or go without romfile.");
		return;
	}
	if (r < 0) {
		check_unknown(run, where, "romfile %s cannot be read: %s", path, strerror(-r));
		return;
	}
	rom_read((const uint8_t *)data, size, &rom);
	if (rom.fault != ROM_GOOD)
		rom_fault_say(run, where, &rom, path);
	else
		rom_match(run, where, &rom, path, n && rom_lists((const uint8_t *)data, size, list[0]->device),
			  n ? list[0] : NULL);
}

static void romfile_check(struct check_run *run)
{
	char name[256];

	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++)
		if (vm_hostpci(run, i) && vm_option(vm_hostpci(run, i)->text, "romfile", name, sizeof(name)))
			romfile_line_check(run, vm_hostpci(run, i), name);
}

const struct check check_vmdisplay[] = {
	{ "vm-x-vga", "The Primary GPU is the only display", CHECK_VM, "10", x_vga_check },
	{ "vm-display", "There is a way in when the card shows nothing", CHECK_VM, "10", display_check },
	{ "vm-rombar", "The guest sees the card's ROM", CHECK_VM, "10", rombar_check },
	{ "vm-romfile", "The ROM file is this card's", CHECK_VM, "10", romfile_check },
	{ .id = NULL },
};
