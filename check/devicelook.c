/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that a run is about, looked at once. */
#include <stdio.h>
#include <string.h>

#include "device.h"

/* ---- looking ---- */

static void details_read(struct device_look *look)
{
	_conf_free_ struct pvb_addr *addrs = calloc(2 * look->n + 1, sizeof(*addrs));
	struct pvb_details *details = calloc(2 * look->n + 1, sizeof(*details));

	for (size_t i = 0; addrs && i < look->n; i++) {
		addrs[i] = look->devices[i]->addr;
		addrs[look->n + i] = look->devices[i]->num_bridges ? look->devices[i]->bridges[0] : addrs[i];
	}
	if (!addrs || !details)
		pvb_err_set(&look->details_err, -ENOMEM, "out of memory");
	else if (pvb_details_read_all(look->host->ctx, addrs, 2 * look->n, details, &look->details_err) == 0)
		look->details = details;
	if (!look->details) {
		free(details);
		return;
	}
	look->bridges = details + look->n;
	for (size_t i = 0; i < look->n; i++)
		look->bridges[i].present = look->bridges[i].present && look->devices[i]->num_bridges;
}

static void overrides_read(struct device_look *look)
{
	_conf_free_ struct pvb_addr *addrs = calloc(look->n + 1, sizeof(*addrs));

	for (size_t i = 0; addrs && i < look->n; i++)
		addrs[i] = look->devices[i]->addr;
	if (!addrs)
		pvb_err_set(&look->overrides_err, -ENOMEM, "out of memory");
	else if (pvb_snapshot_take(look->host->ctx, addrs, look->n, PVB_SNAPSHOT_OVERRIDE, &look->overrides,
				   &look->overrides_err) < 0)
		look->overrides = NULL;
}

int device_look(const struct check_host *host, struct device_look *look)
{
	struct pvb_err ignored;

	*look = (struct device_look){ .host = host };
	look->devices = calloc(host->num_devices + 1, sizeof(*look->devices));
	if (!look->devices)
		return -ENOMEM;
	for (size_t i = 0; i < host->num_devices; i++)
		if (!host->devices[i]->bridge)
			look->devices[look->n++] = host->devices[i];
	if (!look->n)
		return 0;
	details_read(look);
	overrides_read(look);
	look->modconf_code = pvb_modconf_read(host->ctx, &look->modconf, &ignored);
	look->users_code = pvb_users_find(host->ctx, look->devices, look->n,
					  host->has_request ? &host->request.settings : NULL, &look->users, &look->users_err);
	return 0;
}

void device_clear(struct device_look *look)
{
	free(look->devices);
	free(look->details);
	pvb_users_clear(&look->users);
	pvb_modconf_clear(&look->modconf);
	pvb_snapshot_free(look->overrides);
}

/* ---- asking ---- */

bool device_same_slot(const struct pvb_function *a, const struct pvb_function *b)
{
	return a->addr.domain == b->addr.domain && a->addr.bus == b->addr.bus && a->addr.dev == b->addr.dev;
}

bool device_goes_along(const struct device_look *look, const struct pvb_function *fn)
{
	if (check_is_device(look->host, &fn->addr))
		return true;
	for (size_t i = 0; !look->host->devices_wanted && i < look->n; i++)
		if (look->devices[i]->num_bridges && device_same_slot(look->devices[i], fn))
			return true;
	return false;
}

const char *device_holder(const struct device_look *look, const struct pvb_function *fn, char *buf, size_t size)
{
	if (pvb_device_holder(look->host->ctx, &fn->addr, buf, size) < 0)
		*buf = '\0';
	return buf;
}

/* One of ids=: VENDOR:DEVICE[:SUBVENDOR[:SUBDEVICE…]], as vfio_pci_fill_ids() reads it. */
static bool id_is(const char *id, const struct pvb_function *fn)
{
	unsigned vendor, device, subvendor, subdevice;
	int n = sscanf(id, "%x:%x:%x:%x", &vendor, &device, &subvendor, &subdevice);

	return n >= 2 && vendor == fn->vendor && device == fn->device && (n < 3 || subvendor == ~0U || subvendor == fn->subvendor) &&
	       (n < 4 || subdevice == ~0U || subdevice == fn->subdevice);
}

static bool ids_have(const char *ids, size_t size, const struct pvb_function *fn)
{
	char id[64];

	for (size_t i = 0, n; i < size; i += n + 1) {
		i += strspn(ids + i, "\"");
		n = strcspn(ids + i, ",\" \t\n");
		if (i + n > size || n >= sizeof(id))
			continue;
		memcpy(id, ids + i, n);
		id[n] = '\0';
		if (id_is(id, fn))
			return true;
	}
	return false;
}

static bool cmdline_has(const struct device_look *look, const struct pvb_function *fn)
{
	static const char *const names[] = { "vfio-pci.ids", "vfio_pci.ids" };

	for (size_t i = 0; look->host->cmdline && i < 2; i++) {
		size_t size;
		const char *value = check_word(look->host->cmdline, names[i], &size);

		if (value && ids_have(value, size, fn))
			return true;
	}
	return false;
}

bool device_in_ids(const struct device_look *look, const struct pvb_function *fn, char *where, size_t size)
{
	for (size_t i = 0; i < look->modconf.n; i++) {
		const struct pvb_modconf_line *line = &look->modconf.lines[i];
		const char *ids;

		if (line->kind != PVB_MODCONF_OPTIONS || !line->effective || strcmp(line->module, "vfio_pci") != 0)
			continue;
		ids = strstr(line->value, "ids=");
		if (!ids || !ids_have(ids + 4, strcspn(ids + 4, " \t"), fn))
			continue;
		check_place(where, size, line->file, line->line);
		return true;
	}
	snprintf(where, size, "/proc/cmdline");
	return cmdline_has(look, fn);
}
