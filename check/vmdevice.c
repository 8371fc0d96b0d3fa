/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 10 and 13: which devices the VM's configuration names. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

#define CLASS_USB 0x0c03

/* ---- what the lines name; what they leave out is slot-functions ---- */

/* A function of the line that is in it, or in one before it, already: Proxmox VE's add_used_device() dies of it. Of a mapping
 * it may choose another device. */
static const struct pvb_function *named_twice(const struct check_run *run, unsigned i, unsigned *before)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX], *earlier[VM_FUNCTIONS_MAX];
	size_t n = vm_functions(run, vm_hostpci(run, i), list);

	for (*before = 0; !*vm_hostpci(run, i)->mapping && *before <= i; (*before)++) {
		const struct conf_hostpci *other = vm_hostpci(run, *before);
		size_t m = other && !*other->mapping ? vm_functions(run, other, earlier) : 0;

		for (size_t a = 0; a < n; a++)
			for (size_t b = 0; b < (*before == i ? a : m); b++)
				if (list[a] == earlier[b])
					return list[a];
	}
	return NULL;
}

static void named_line_check(struct check_run *run, unsigned i)
{
	const struct conf_hostpci *hostpci = vm_hostpci(run, i);
	const struct pvb_function *list[VM_FUNCTIONS_MAX], *twice;
	size_t n = vm_functions(run, hostpci, list);
	char place[VM_PLACE_MAX], text[PVB_ADDR_MAX];
	unsigned before;

	vm_hostpci_place(run, hostpci, place);
	if (!n) {
		check_unknown(run, place, "hostpci%u: what it names cannot be seen here: %s", i,
			      run->host.snapshot ? run->host.request_err.text : run->host.unseen);
		return;
	}
	twice = named_twice(run, i, &before);
	check_about(run, twice ? &twice->addr : &list[0]->addr);
	if (!twice) {
		check_ok(run, place, "hostpci%u names %zu function%s that no other line has", i, n, n > 1 ? "s" : "");
		return;
	}
	check_fail(run, place, "hostpci%u names %s, and hostpci%u has it already: Proxmox VE refuses to start the VM", i,
		   pvb_addr_format(&twice->addr, text), before);
	if (before != i)
		check_command(run, "qm set %u --delete hostpci%u", run->host.vmid, i);
}

static void named_check(struct check_run *run)
{
	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++) {
		if (vm_hostpci(run, i))
			named_line_check(run, i);
		check_about(run, NULL);
	}
}

/* ---- USB devices behind a controller that is passed ---- */

#define BUSES_MAX 256

struct buses {
	bool passed[BUSES_MAX]; /* by number: its controller is passed */
	bool controller;        /* one is passed at all */
	bool unseen;            /* … one whose buses do not show: it is lent already */
};

static void buses_add(const struct check_run *run, const struct pvb_function *fn, struct buses *buses)
{
	char path[64], addr[PVB_ADDR_MAX];
	_conf_strv_ char **names = NULL;
	bool seen = false;
	unsigned long bus;

	buses->controller = true;
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", pvb_addr_format(&fn->addr, addr));
	if (pvb_sysfs_list(run->host.ctx, path, &names) == 0)
		for (char **name = names; *name; name++)
			if (!strncmp(*name, "usb", 3) && conf_number_parse(*name + 3, BUSES_MAX - 1, &bus))
				seen = buses->passed[bus] = true;
	buses->unseen = buses->unseen || (!seen && (fn->vfio || !*fn->driver));
}

static void buses_look(const struct check_run *run, struct buses *buses)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];

	*buses = (struct buses){ .unseen = false };
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		size_t n = vm_hostpci(run, i) ? vm_functions(run, vm_hostpci(run, i), list) : 0;

		while (n-- > 0)
			if (list[n]->class_code >> 8 == CLASS_USB)
				buses_add(run, list[n], buses);
	}
}

static bool usb_id_is(const struct check_run *run, const char *name, const struct conf_id *id)
{
	char path[300], vendor[16], product[16];

	snprintf(path, sizeof(path), "sys/bus/usb/devices/%s/idVendor", name);
	if (pvb_sysfs_read(run->host.ctx, path, vendor, sizeof(vendor)) < 0)
		return false;
	snprintf(path, sizeof(path), "sys/bus/usb/devices/%s/idProduct", name);
	return pvb_sysfs_read(run->host.ctx, path, product, sizeof(product)) == 0 &&
	       strtoul(vendor, NULL, 16) == id->vendor && strtoul(product, NULL, 16) == id->device;
}

/* The number of the bus that a device with this id is on ("3-1.4": 3); 0: there is none. */
static unsigned usb_bus_of(const struct check_run *run, const struct conf_id *id)
{
	_conf_strv_ char **names = NULL;

	if (pvb_sysfs_list(run->host.ctx, "sys/bus/usb/devices", &names) < 0)
		return 0;
	for (char **name = names; *name; name++)
		if (isdigit((unsigned char)**name) && !strchr(*name, ':') && usb_id_is(run, *name, id))
			return (unsigned)strtoul(*name, NULL, 10);
	return 0;
}

static void usb_line_check(struct check_run *run, const struct conf_pair *pair, const struct buses *buses)
{
	char host[64], place[VM_PLACE_MAX];
	struct conf_id id;
	unsigned bus;

	if (!vm_option(pair->value, NULL, host, sizeof(host)) && !vm_option(pair->value, "host", host, sizeof(host)))
		return;
	if (!conf_id_parse(host, &id) && !strchr(host, '-'))
		return; /* spice */
	bus = conf_id_parse(host, &id) ? usb_bus_of(run, &id) : (unsigned)strtoul(host, NULL, 10);
	check_place(place, sizeof(place), run->host.vm.file, pair->line);
	if (bus && bus < BUSES_MAX && buses->passed[bus]) {
		check_warn(run, place,
			   "%s passes the USB device %s, and the controller that it hangs on (bus %u) is passed as well: the guest has it already, and QEMU never finds it",
			   pair->key, host, bus);
		check_command(run, "qm set %u --delete %s", run->host.vmid, pair->key);
	} else if (buses->unseen || !bus) {
		check_unknown(run, place, "%s passes the USB device %s; which controller it hangs on cannot be seen now",
			      pair->key, host);
	} else {
		check_ok(run, place, "%s passes the USB device %s, which hangs on a controller of the host's",
			 pair->key, host);
	}
}

static void usb_check(struct check_run *run)
{
	const struct conf_vm *vm = &run->host.vm;
	struct buses buses;

	if (!vm_checkable(run))
		return;
	buses_look(run, &buses);
	for (size_t i = 0; buses.controller && i < vm->num_pairs; i++)
		if (!strncmp(vm->pairs[i].key, "usb", 3) && isdigit((unsigned char)vm->pairs[i].key[3]))
			usb_line_check(run, &vm->pairs[i], &buses);
}

const struct check check_vmdevice[] = {
	{ "vm-named", "The devices that are named are there, each named once", CHECK_VM, "10", named_check },
	{ "vm-usb", "USB devices are passed once", CHECK_VM, "13", usb_check },
	{ .id = NULL },
};
