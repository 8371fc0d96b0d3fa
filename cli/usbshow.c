/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list --usb, for people and for programs. */
#include <string.h>

#include "list.h"

static const struct {
	unsigned kind;
	const char *word;
} kinds[] = {
	{ PVB_USB_INPUT, "input" }, { PVB_USB_STORAGE, "storage" }, { PVB_USB_AUDIO, "audio" }, { PVB_USB_VIDEO, "video" },
	{ PVB_USB_NETWORK, "network" }, { PVB_USB_WIRELESS, "wireless" }, { PVB_USB_PRINTER, "printer" },
	{ PVB_USB_SMARTCARD, "smart card" }, { PVB_USB_SERIAL, "serial" },
};
#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define LOW_SPEED 1 /* "1.5", of most mice and keyboards, in whole Mbit/s */

/* ---- for people ---- */

static void kinds_text(const struct pvb_usb *usb, char *buf, size_t size)
{
	*buf = '\0';
	for (size_t i = 0; i < NUM_KINDS; i++) {
		size_t used = strlen(buf);

		if (usb->kinds & kinds[i].kind)
			snprintf(buf + used, size - used, ", %s", kinds[i].word);
	}
}

static void device_text(const struct list_usb *device)
{
	const struct pvb_usb *usb = device->usb;
	char kinds_list[112], speed[32] = "", words[64];

	kinds_text(usb, kinds_list, sizeof(kinds_list));
	if (usb->speed >= 0)
		snprintf(speed, sizeof(speed), usb->speed == LOW_SPEED ? ", 1.5 Mbit/s" : ", %d Mbit/s", usb->speed);
	printf("  %s%-8s%s  ", cli_ink(CLI_BOLD), usb->name, cli_ink(CLI_PLAIN));
	cli_wrap(12, "%s [%04x:%04x]%s%s", *usb->text ? usb->text : "USB device", usb->vendor, usb->product, kinds_list, speed);
	if (*usb->host_use) {
		printf("            %s", cli_ink(CLI_YELLOW));
		cli_wrap(12, "the host uses it: %s", usb->host_use);
		fputs(cli_ink(CLI_PLAIN), stdout);
	}
	for (size_t i = 0; i < device->num_vms; i++)
		printf("            %s%s%s\n", cli_ink(CLI_CYAN), device->vms[i], cli_ink(CLI_PLAIN));
	printf("            qm set VMID -usbN %s%s\n", list_usb_words(device, words),
	       device->twin ? "  # by its port: another has its id" : "");
}

/* As a whole it is a PCI device as any other. */
static void whole_text(const struct list_bus *bus)
{
	char addr[PVB_ADDR_MAX];

	if (!bus->row)
		return;
	fputs("  ", stdout);
	if (*bus->against)
		cli_wrap(2, "Not as a whole: %s.", bus->against);
	else
		cli_wrap(2, "As a whole%s%s: qm set VMID -hostpciN %s", bus->advised ? ", which is better here as " : "", bus->why,
			 pvb_addr_format(&bus->row->fn->addr, addr));
}

static void bus_text(const struct list_bus *bus)
{
	char addr[PVB_ADDR_MAX], name[32], group[40] = "";

	if (bus->row && bus->row->fn->group >= 0)
		snprintf(group, sizeof(group), ", IOMMU group %d", bus->row->fn->group);
	if (bus->row) {
		pvb_addr_format(&bus->row->fn->addr, addr);
		printf("%s%s%s  ", cli_ink(CLI_BOLD), addr, cli_ink(CLI_PLAIN));
		cli_wrap((unsigned)strlen(addr) + 2, "%s [%04x:%04x]%s, %s%s", list_name(bus->row, name, sizeof(name)),
			 bus->row->fn->vendor, bus->row->fn->device, group, *bus->row->fn->driver ? "on " : "no driver",
			 bus->row->fn->driver);
	} else {
		puts("On no PCI controller");
	}
	for (size_t i = 0; i < bus->n; i++)
		device_text(&bus->devices[i]);
	if (!bus->n)
		puts("  no device");
	whole_text(bus);
}

void list_buses_text(const struct list_buses *buses)
{
	for (size_t i = 0; i < buses->n; i++) {
		if (i)
			putchar('\n');
		bus_text(&buses->list[i]);
	}
	puts("\nVMID is the VM's number, N the first that is free of usb0 to usb13 (or hostpci0 to hostpci15) in its configuration.");
}

/* ---- for programs ---- */

static struct json_object *command_json(const char *option, const char *words)
{
	char text[96];

	snprintf(text, sizeof(text), "qm set VMID -%s %s", option, words);
	return cli_json_text(text);
}

static struct json_object *device_json(const struct list_usb *device)
{
	struct json_object *value = json_object_new_object(), *words = json_object_new_array();
	struct json_object *vms = json_object_new_array();
	const struct pvb_usb *usb = device->usb;
	char text[64];

	snprintf(text, sizeof(text), "%04x:%04x", usb->vendor, usb->product);
	for (size_t i = 0; i < NUM_KINDS; i++)
		if (usb->kinds & kinds[i].kind)
			json_object_array_add(words, cli_json_text(kinds[i].word));
	for (size_t i = 0; i < device->num_vms; i++)
		json_object_array_add(vms, cli_json_text(device->vms[i]));
	json_object_object_add(value, "port", cli_json_text(usb->name));
	json_object_object_add(value, "id", cli_json_text(text));
	json_object_object_add(value, "name", cli_json_text_or_null(usb->text));
	json_object_object_add(value, "kinds", words);
	json_object_object_add(value, "speed", usb->speed < 0 ? NULL : json_object_new_int(usb->speed));
	json_object_object_add(value, "same_id", json_object_new_boolean(device->twin));
	json_object_object_add(value, "host_use", cli_json_text_or_null(usb->host_use));
	json_object_object_add(value, "vms", vms);
	json_object_object_add(value, "command", command_json("usbN", list_usb_words(device, text)));
	return value;
}

static struct json_object *bus_json(const struct list_bus *bus)
{
	struct json_object *value = json_object_new_object(), *devices = json_object_new_array();
	const struct pvb_function *fn = bus->row ? bus->row->fn : NULL;
	char addr[PVB_ADDR_MAX] = "";

	if (fn)
		pvb_addr_format(&fn->addr, addr);
	for (size_t i = 0; i < bus->n; i++)
		json_object_array_add(devices, device_json(&bus->devices[i]));
	json_object_object_add(value, "address", cli_json_text_or_null(addr));
	json_object_object_add(value, "name", cli_json_text_or_null(bus->row ? bus->row->kind->name : ""));
	json_object_object_add(value, "group", fn && fn->group >= 0 ? json_object_new_int(fn->group) : NULL);
	json_object_object_add(value, "driver", cli_json_text_or_null(fn ? fn->driver : ""));
	json_object_object_add(value, "devices", devices);
	json_object_object_add(value, "whole_advised", json_object_new_boolean(bus->advised));
	json_object_object_add(value, "whole_why", cli_json_text_or_null(bus->why));
	json_object_object_add(value, "whole_against", cli_json_text_or_null(bus->against));
	json_object_object_add(value, "whole_command", fn ? command_json("hostpciN", addr) : NULL);
	return value;
}

/* [{"address", "name", "group", "driver", "devices": [{"port", "id", "name", "kinds", "speed" (Mbit/s), "same_id", "host_use",
 *   "vms", "command"}], "whole_advised", "whole_why", "whole_against", "whole_command"}]; address null: on no PCI function */
void list_buses_json(const struct list_buses *buses)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < buses->n; i++)
		json_object_array_add(all, bus_json(&buses->list[i]));
	cli_json_print(all);
}
