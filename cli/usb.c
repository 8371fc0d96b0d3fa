/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list --usb: what hangs on which controller, and how it goes to a VM best. */
#include <string.h>

#include "list.h"

#define USB_MAX 14      /* usb0 to usb13 (PVE/QemuServer/USB.pm, $MAX_USB_DEVICES) */
#define SEVERAL 3       /* devices of one controller that are as well passed with it */
#define SPEED_USB3 5000 /* MBit/s: from here on QEMU needs its USB 3 controller */

static int out_of_memory(struct pvb_err *err)
{
	return pvb_err_set(err, -ENOMEM, "out of memory");
}

const char *list_usb_words(const struct list_usb *device, char buf[64])
{
	const struct pvb_usb *usb = device->usb;
	const char *usb3 = usb->speed >= SPEED_USB3 ? ",usb3=1" : "";

	if (device->twin)
		snprintf(buf, 64, "host=%s%s", usb->name, usb3);
	else
		snprintf(buf, 64, "host=%04x:%04x%s", usb->vendor, usb->product, usb3);
	return buf;
}

/* ---- controllers and their devices ---- */

static bool is_controller(const struct pvb_function *fn)
{
	return fn->class_code >> 8 == 0x0c03;
}

static int bus_add(struct list_buses *buses, const struct list_row *row)
{
	struct list_bus *more = realloc(buses->list, (buses->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	buses->list = more;
	more[buses->n++] = (struct list_bus){ .row = row };
	return 0;
}

static struct list_bus *bus_find(struct list_buses *buses, const struct list_row *row)
{
	for (size_t i = 0; i < buses->n; i++)
		if (buses->list[i].row == row)
			return &buses->list[i];
	return NULL;
}

static bool usb_twin(const struct pvb_usbs *usbs, const struct pvb_usb *usb)
{
	unsigned same = 0;

	for (size_t i = 0; i < usbs->n; i++)
		same += usbs->list[i].vendor == usb->vendor && usbs->list[i].product == usb->product;
	return same > 1;
}

static int device_add(const struct list *list, struct list_buses *buses, const struct pvb_usb *usb)
{
	const struct list_row *row = usb->has_controller ? list_find(list, &usb->controller) : NULL;
	struct list_usb *more;
	struct list_bus *bus = bus_find(buses, row);

	if (!bus && bus_add(buses, row) < 0)
		return -ENOMEM;
	bus = bus ? bus : &buses->list[buses->n - 1];
	more = realloc(bus->devices, (bus->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	bus->devices = more;
	more[bus->n++] = (struct list_usb){ .usb = usb, .twin = usb_twin(&buses->usbs, usb) };
	return 0;
}

static int buses_make(const struct list *list, struct list_buses *buses)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		if (is_controller(list->rows[i].fn))
			r = bus_add(buses, &list->rows[i]);
	for (size_t i = 0; r == 0 && i < buses->usbs.n; i++)
		r = device_add(list, buses, &buses->usbs.list[i]);
	return r;
}

/* ---- which VM names a device ---- */

/* "host=046d:c52b,usb3=1", or "046d:c52b": host is the default key. A mapping's devices are not looked up. */
static bool value_matches(const char *value, const struct pvb_usb *usb)
{
	_conf_free_ char *copy = strdup(value);
	char *rest = copy, *key, *word, id[16];

	snprintf(id, sizeof(id), "%04x:%04x", usb->vendor, usb->product);
	while (copy && conf_part_next(&rest, &key, &word))
		if ((!key || !strcmp(key, "host")) && (!strcmp(word, usb->name) || !strcasecmp(word, id)))
			return true;
	return false;
}

static int device_vm_add(struct list_usb *device, unsigned vmid, unsigned index)
{
	const char **more = realloc(device->vms, (device->num_vms + 1) * sizeof(*more));
	char *text;

	if (!more)
		return -ENOMEM;
	device->vms = more;
	if (asprintf(&text, "VM %u: usb%u", vmid, index) < 0)
		return -ENOMEM;
	more[device->num_vms++] = text;
	return 0;
}

static int value_place(struct list_buses *buses, unsigned vmid, unsigned index, const char *value)
{
	int r = 0;

	for (size_t i = 0; i < buses->n; i++)
		for (size_t k = 0; r == 0 && k < buses->list[i].n; k++)
			if (value_matches(value, buses->list[i].devices[k].usb))
				r = device_vm_add(&buses->list[i].devices[k], vmid, index);
	return r;
}

static int vm_look(struct pvb_ctx *ctx, struct list_buses *buses, unsigned vmid)
{
	struct conf_vm vm = { .vmid = 0 };
	struct pvb_err ignored; /* list_look() has said it */
	int r = 0;

	if (conf_vm_load(ctx, vmid, NULL, &vm, &ignored) == 0) {
		for (unsigned i = 0; r == 0 && i < USB_MAX; i++) {
			const char *value;
			char key[8];

			snprintf(key, sizeof(key), "usb%u", i);
			value = conf_vm_value(&vm, key, NULL);
			r = value ? value_place(buses, vmid, i, value) : 0;
		}
	}
	conf_vm_clear(&vm);
	return r;
}

static int vms_look(const struct list *list, struct list_buses *buses)
{
	_conf_free_ unsigned *vmids = NULL;
	size_t n = 0;
	int r = conf_vm_list(list->cli->front.ctx, &vmids, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = vm_look(list->cli->front.ctx, buses, vmids[i]);
	return r == -ENOENT ? 0 : r;
}

/* ---- as a whole? ---- */

static bool group_shared(const struct list *list, const struct list_row *row)
{
	size_t i = (size_t)(row - list->rows), n = 0;

	while (i > 0 && list->rows[i - 1].fn->group == row->fn->group)
		i--;
	for (; i < list->n && list->rows[i].fn->group == row->fn->group; i++)
		n += !list->rows[i].fn->bridge;
	return n > 1;
}

static void whole_judge(const struct list *list, struct list_bus *bus)
{
	const struct list_row *row = bus->row;
	unsigned timed = 0;

	for (size_t i = 0; i < bus->n; i++) {
		const struct pvb_usb *usb = bus->devices[i].usb;

		timed += (usb->kinds & (PVB_USB_AUDIO | PVB_USB_VIDEO | PVB_USB_WIRELESS)) != 0;
		if (*usb->host_use && !*bus->against)
			snprintf(bus->against, sizeof(bus->against), "the host uses %s on it: %s", usb->name, usb->host_use);
	}
	if (row && row->fn->group < 0)
		snprintf(bus->against, sizeof(bus->against), "it is in no IOMMU group");
	else if (row && group_shared(list, row) && !*bus->against)
		snprintf(bus->against, sizeof(bus->against),
			 "IOMMU group %d has other devices, which would go with it (pvebind list --group %d)", row->fn->group,
			 row->fn->group);
	bus->advised = row && !*bus->against && (timed || bus->n >= SEVERAL);
	if (bus->advised)
		snprintf(bus->why, sizeof(bus->why), timed ? "sound, video and wireless devices need their data in time" :
			 "it has %zu devices, which then need no line each", bus->n);
}

int list_buses_look(const struct list *list, struct list_buses *buses, struct pvb_err *err)
{
	int r;

	memset(buses, 0, sizeof(*buses));
	r = pvb_usbs_find(list->cli->front.ctx, &buses->usbs, err);
	if (r < 0)
		return r;
	if (buses_make(list, buses) < 0 || vms_look(list, buses) < 0)
		return out_of_memory(err);
	for (size_t i = 0; i < buses->n; i++)
		whole_judge(list, &buses->list[i]);
	return 0;
}

void list_buses_clear(struct list_buses *buses)
{
	for (size_t i = 0; i < buses->n; i++) {
		for (size_t k = 0; k < buses->list[i].n; k++) {
			for (size_t v = 0; v < buses->list[i].devices[k].num_vms; v++)
				free((char *)(uintptr_t)buses->list[i].devices[k].vms[v]);
			free(buses->list[i].devices[k].vms);
		}
		free(buses->list[i].devices);
	}
	free(buses->list);
	pvb_usbs_clear(&buses->usbs);
}
