/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices: where their home is, and where they are now. */
#include <string.h>

#include "cli.h"

/* pci.ids knows ids, so a device that is gone has a name too. */
static void device_name(struct pvb_ctx *ctx, struct cli_device *device)
{
	const struct pvb_function fn = {
		.vendor = device->home.vendor, .device = device->home.device,
		.subvendor = device->home.subvendor, .subdevice = device->home.subdevice,
		.class_code = device->home.class_code,
	};

	pvb_name(ctx, &fn, device->name, sizeof(device->name));
	pvb_class_name(ctx, &fn, device->class_name, sizeof(device->class_name));
}

static void devices_take(const struct pvb_snapshot *snapshot, struct cli_device *devices, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct pvb_function *fn = pvb_snapshot_find(snapshot, &devices[i].home.addr);

		if (!fn)
			continue;
		devices[i].now = *fn;
		devices[i].present = true;
	}
}

/* One snapshot of them all; one each when a device is gone, since that has no snapshot. */
static int devices_see(struct pvb_ctx *ctx, struct cli_device *devices, size_t n, unsigned flags, struct pvb_err *err)
{
	_conf_free_ struct pvb_addr *addrs = calloc(n, sizeof(*addrs));
	struct pvb_snapshot *snapshot;
	int r;

	if (!addrs)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		addrs[i] = devices[i].home.addr;
	r = pvb_snapshot_take(ctx, addrs, n, flags, &snapshot, err);
	if (r == 0) {
		devices_take(snapshot, devices, n);
		pvb_snapshot_free(snapshot);
	}
	if (r != -ENODEV || n == 1)
		return r == -ENODEV ? 0 : r;
	for (size_t i = 0; i < n; i++) {
		r = devices_see(ctx, &devices[i], 1, flags, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cli_devices_look(struct pvb_ctx *ctx, const struct pvb_home *homes, size_t n, const char *holder, unsigned flags,
		     struct cli_device **out, struct pvb_err *err)
{
	struct cli_device *devices = calloc(n ? n : 1, sizeof(*devices));
	char name[32];
	int r = 0;

	if (!devices)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		devices[i].home = homes[i];
		device_name(ctx, &devices[i]);
		devices[i].held = holder && pvb_device_holder(ctx, &homes[i].addr, name, sizeof(name)) == 0 &&
				  !strcmp(name, holder);
	}
	if (n)
		r = devices_see(ctx, devices, n, flags, err);
	if (r < 0)
		free(devices);
	else
		*out = devices;
	return r;
}

const char *cli_driver_now(const struct cli_device *device)
{
	if (!device->present)
		return "gone";
	return *device->now.driver ? device->now.driver : "none";
}

const char *cli_driver_home(const struct cli_device *device)
{
	if (device->home.stays)
		return "vfio (stays)";
	if (device->home.by_modalias)
		return "by modalias";
	return *device->home.driver ? device->home.driver : "none";
}

void cli_devices_text(const struct cli_device *devices, size_t n, FILE *out)
{
	static const char *const heads[] = { "ADDRESS", "ID", "GROUP", "NOW", "HOME", "NAME" };
	struct cli_table table = { .columns = sizeof(heads) / sizeof(heads[0]) };
	char addr[PVB_ADDR_MAX];

	for (unsigned i = 0; i < table.columns; i++)
		cli_table_add(&table, "%s", heads[i]);
	for (size_t i = 0; i < n; i++) {
		cli_table_add(&table, "%s", pvb_addr_format(&devices[i].home.addr, addr));
		cli_table_add(&table, "%04x:%04x", devices[i].home.vendor, devices[i].home.device);
		if (devices[i].home.group < 0)
			cli_table_add(&table, "-");
		else
			cli_table_add(&table, "%d", devices[i].home.group);
		cli_table_add(&table, "%s", cli_driver_now(&devices[i]));
		cli_table_add(&table, "%s", cli_driver_home(&devices[i]));
		cli_table_add(&table, "%s", *devices[i].name ? devices[i].name : devices[i].class_name);
	}
	cli_table_print(&table, 2, out);
}

static struct json_object *id_json(unsigned vendor, unsigned device)
{
	char text[CONF_ID_MAX];

	snprintf(text, sizeof(text), "%04x:%04x", vendor, device);
	return json_object_new_string(text);
}

struct json_object *cli_device_json(const struct cli_device *device)
{
	struct json_object *value = json_object_new_object();
	const struct pvb_home *home = &device->home;
	char class_code[8];

	snprintf(class_code, sizeof(class_code), "%06x", home->class_code & 0xffffff);
	json_object_object_add(value, "address", cli_json_addr(&home->addr));
	json_object_object_add(value, "id", id_json(home->vendor, home->device));
	json_object_object_add(value, "subsystem_id", id_json(home->subvendor, home->subdevice));
	json_object_object_add(value, "class", cli_json_text(class_code));
	json_object_object_add(value, "class_name", cli_json_text_or_null(device->class_name));
	json_object_object_add(value, "name", cli_json_text_or_null(device->name));
	json_object_object_add(value, "group", home->group < 0 ? NULL : json_object_new_int(home->group));
	json_object_object_add(value, "named", json_object_new_boolean(home->named));
	json_object_object_add(value, "present", json_object_new_boolean(device->present));
	json_object_object_add(value, "driver_now", cli_json_text_or_null(device->now.driver));
	json_object_object_add(value, "driver_home", cli_json_text_or_null(home->driver));
	json_object_object_add(value, "home_by_modalias", json_object_new_boolean(home->by_modalias));
	json_object_object_add(value, "stays", json_object_new_boolean(home->stays));
	json_object_object_add(value, "reset_methods", cli_json_text_or_null(home->reset_methods));
	return value;
}
