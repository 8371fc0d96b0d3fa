/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list for programs. What is not known is null. */
#include <stdarg.h>
#include <string.h>

#include "list.h"

static struct json_object *number_or_null(int64_t value)
{
	return value < 0 ? NULL : json_object_new_int64(value);
}

static struct json_object *bool_or_null(int value)
{
	return value < 0 ? NULL : json_object_new_boolean(value);
}

static struct json_object *PVB_PRINTF(1, 2) text_new(const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cli_json_text(text);
}

static struct json_object *names_json(char **names)
{
	struct json_object *list = json_object_new_array();

	for (char **name = names; name && *name; name++)
		json_object_array_add(list, cli_json_text(*name));
	return list;
}

static struct json_object *addrs_json(const struct pvb_addr *addrs, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, cli_json_addr(&addrs[i]));
	return list;
}

/* ---- details ---- */

/* {"speed", "width", "speed_max", "width_max"}: MT/s and lanes; null: no link, or not known. */
static struct json_object *link_json(const struct pvb_details *d)
{
	struct json_object *value;

	if (d->link_width_max < 0)
		return NULL;
	value = json_object_new_object();
	json_object_object_add(value, "speed", number_or_null(d->link_speed));
	json_object_object_add(value, "width", number_or_null(d->link_width));
	json_object_object_add(value, "speed_max", number_or_null(d->link_speed_max));
	json_object_object_add(value, "width_max", number_or_null(d->link_width_max));
	return value;
}

static struct json_object *sizes_json(const struct pvb_bar *bar)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < 44; i++)
		if (bar->sizes & (uint64_t)1 << i)
			json_object_array_add(list, json_object_new_int64((int64_t)1 << (20 + i)));
	return list;
}

/* [{"index", "kind": "io" | "memory", "64bit", "prefetchable", "start", "size", "assigned", "resizable_to"}] */
static struct json_object *bars_json(const struct pvb_details *d)
{
	struct json_object *list;

	if (!(d->known & PVB_KNOWN_BARS))
		return NULL;
	list = json_object_new_array();
	for (int i = 0; i < PVB_BARS; i++) {
		const struct pvb_bar *bar = &d->bars[i];
		struct json_object *value;

		if (!bar->present)
			continue;
		value = json_object_new_object();
		json_object_object_add(value, "index", json_object_new_int(i));
		json_object_object_add(value, "kind", cli_json_text(bar->io ? "io" : "memory"));
		json_object_object_add(value, "64bit", json_object_new_boolean(bar->is_64bit));
		json_object_object_add(value, "prefetchable", json_object_new_boolean(bar->prefetchable));
		json_object_object_add(value, "start", bar->unassigned ? NULL : text_new("0x%llx", (unsigned long long)bar->start));
		json_object_object_add(value, "size", json_object_new_int64((int64_t)bar->size));
		json_object_object_add(value, "assigned", json_object_new_boolean(!bar->unassigned));
		json_object_object_add(value, "resizable_to", d->known & PVB_KNOWN_EXTENDED ? sizes_json(bar) : NULL);
		json_object_array_add(list, value);
	}
	return list;
}

static const char *pcie_word(enum pvb_pcie_type type)
{
	switch (type) {
	case PVB_PCIE_NONE:
		return "conventional";
	case PVB_PCIE_ENDPOINT:
		return "endpoint";
	case PVB_PCIE_LEGACY_ENDPOINT:
		return "legacy-endpoint";
	case PVB_PCIE_ROOT_PORT:
		return "root-port";
	case PVB_PCIE_UPSTREAM:
		return "upstream-port";
	case PVB_PCIE_DOWNSTREAM:
		return "downstream-port";
	case PVB_PCIE_TO_PCI:
		return "bridge-to-pci";
	case PVB_PCIE_FROM_PCI:
		return "bridge-from-pci";
	case PVB_PCIE_INTEGRATED:
		return "integrated";
	case PVB_PCIE_EVENT_COLLECTOR:
		return "event-collector";
	case PVB_PCIE_UNKNOWN:
	default:
		return "";
	}
}

/* {"present", "capability", "control", "isolates"} */
static struct json_object *acs_json(const struct pvb_details *d)
{
	struct json_object *value;

	if (!(d->known & PVB_KNOWN_EXTENDED))
		return NULL;
	value = json_object_new_object();
	json_object_object_add(value, "present", json_object_new_boolean(d->has_acs));
	json_object_object_add(value, "capability", d->has_acs ? text_new("0x%02x", d->acs_capability) : NULL);
	json_object_object_add(value, "control", d->has_acs ? text_new("0x%02x", d->acs_control) : NULL);
	json_object_object_add(value, "isolates", bool_or_null(d->isolates));
	return value;
}

/* {"state", "control", "runtime_status", "d3cold_allowed"} */
static struct json_object *power_json(const struct pvb_details *d)
{
	struct json_object *value = json_object_new_object();

	json_object_object_add(value, "state", cli_json_text_or_null(d->power_state));
	json_object_object_add(value, "control", cli_json_text_or_null(d->power_control));
	json_object_object_add(value, "runtime_status", cli_json_text_or_null(d->runtime_status));
	json_object_object_add(value, "d3cold_allowed", bool_or_null(d->d3cold_allowed));
	return value;
}

/* {"correctable", "nonfatal", "fatal"} */
static struct json_object *aer_json(const struct pvb_details *d)
{
	struct json_object *value;

	if (d->aer_correctable < 0 && d->aer_nonfatal < 0 && d->aer_fatal < 0)
		return NULL;
	value = json_object_new_object();
	json_object_object_add(value, "correctable", number_or_null(d->aer_correctable));
	json_object_object_add(value, "nonfatal", number_or_null(d->aer_nonfatal));
	json_object_object_add(value, "fatal", number_or_null(d->aer_fatal));
	return value;
}

static void details_add(struct json_object *value, const struct pvb_details *d)
{
	json_object_object_add(value, "pcie_type", cli_json_text_or_null(pcie_word(d->pcie_type)));
	json_object_object_add(value, "link", link_json(d));
	json_object_object_add(value, "bars", bars_json(d));
	json_object_object_add(value, "acs", acs_json(d));
	json_object_object_add(value, "power", power_json(d));
	json_object_object_add(value, "aer", aer_json(d));
	json_object_object_add(value, "boot_vga", bool_or_null(d->boot_vga));
	json_object_object_add(value, "numa_node", number_or_null(d->numa_node));
	json_object_object_add(value, "max_vfs", number_or_null(d->sriov_total));
	json_object_object_add(value, "hung", json_object_new_boolean(d->hung));
}

/* ---- whose it is ---- */

/* [{"vmid", "name", "origin"}] */
static struct json_object *vms_json(const struct list_row *row)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < row->num_vms; i++) {
		struct json_object *value = json_object_new_object();

		json_object_object_add(value, "vmid", json_object_new_int64(row->vms[i]->vmid));
		json_object_object_add(value, "name", cli_json_text_or_null(row->vms[i]->name));
		json_object_object_add(value, "origin", cli_json_text(row->vms[i]->origin));
		json_object_array_add(list, value);
	}
	return list;
}

/* {"lend", "label", "state", "unfinished"} */
static struct json_object *lend_json(const struct pvb_lend *lend)
{
	struct json_object *value;

	if (!lend)
		return NULL;
	value = json_object_new_object();
	json_object_object_add(value, "lend", cli_json_text(lend->name));
	json_object_object_add(value, "label", cli_json_text(lend->label));
	json_object_object_add(value, "state", cli_json_text(pvb_state_name(lend->state)));
	json_object_object_add(value, "unfinished", json_object_new_boolean(lend->unfinished));
	return value;
}

/* {"why": "no-acs" …, "bridge": address of a bridge or slot, "text"} */
static struct json_object *reason_json(const struct pvb_group_reason *reason)
{
	static const char *const words[] = {
		[PVB_GROUP_NO_ACS] = "no-acs", [PVB_GROUP_ACS_OFF] = "acs-off", [PVB_GROUP_CONVENTIONAL] = "conventional-pci",
		[PVB_GROUP_SLOT] = "slot", [PVB_GROUP_UNKNOWN] = "unknown",
	};
	struct json_object *value;

	if (reason->why == PVB_GROUP_ALONE)
		return NULL;
	value = json_object_new_object();
	json_object_object_add(value, "why", cli_json_text(words[reason->why]));
	json_object_object_add(value, "bridge", reason->has_addr ? cli_json_addr(&reason->addr) : NULL);
	json_object_object_add(value, "text", cli_json_text(reason->text));
	return value;
}

/* ---- a function ---- */

static void identity_add(struct json_object *value, const struct list_row *row)
{
	const struct pvb_function *fn = row->fn;

	json_object_object_add(value, "address", cli_json_addr(&fn->addr));
	json_object_object_add(value, "id", text_new("%04x:%04x", fn->vendor, fn->device));
	json_object_object_add(value, "subsystem_id", text_new("%04x:%04x", fn->subvendor, fn->subdevice));
	json_object_object_add(value, "revision", text_new("%02x", fn->revision));
	json_object_object_add(value, "class", text_new("%06x", fn->class_code & 0xffffff));
	json_object_object_add(value, "class_name", cli_json_text_or_null(row->kind->class_name));
	json_object_object_add(value, "name", cli_json_text_or_null(row->kind->name));
}

static struct json_object *row_json(const struct list_row *row, const struct pvb_group_reason *reason)
{
	struct json_object *value = json_object_new_object();
	const struct pvb_function *fn = row->fn;

	identity_add(value, row);
	json_object_object_add(value, "group", number_or_null(fn->group));
	json_object_object_add(value, "group_shared", reason_json(reason));
	json_object_object_add(value, "bridge", json_object_new_boolean(fn->bridge));
	json_object_object_add(value, "bridges", addrs_json(fn->bridges, fn->num_bridges));
	json_object_object_add(value, "driver", cli_json_text_or_null(fn->driver));
	json_object_object_add(value, "module", cli_json_text_or_null(fn->module));
	json_object_object_add(value, "modules", names_json(row->kind->modules));
	json_object_object_add(value, "vfio_variants", names_json(row->kind->variants));
	json_object_object_add(value, "reset_methods", cli_json_text_or_null(fn->reset_methods));
	json_object_object_add(value, "physfn", fn->is_vf ? cli_json_addr(&fn->physfn) : NULL);
	json_object_object_add(value, "vfs", json_object_new_int((int)fn->num_vfs));
	json_object_object_add(value, "off_bus", json_object_new_boolean(fn->off_bus));
	json_object_object_add(value, "stuck", row->stuck ? cli_json_text(row->stuck) : NULL);
	json_object_object_add(value, "host_disks", cli_json_text_or_null(row->use ? row->use->disks : ""));
	json_object_object_add(value, "host_network", cli_json_text_or_null(row->use ? row->use->nics : ""));
	json_object_object_add(value, "vms", vms_json(row));
	json_object_object_add(value, "lent", lend_json(row->lend));
	details_add(value, row->details);
	return value;
}

/* [{"address", "id", "subsystem_id", "revision", "class", "class_name", "name", "group", "group_shared": reason_json(),
 *   "bridge", "bridges" (upstream, nearest first), "driver", "module", "modules", "vfio_variants", "reset_methods",
 *   "physfn", "vfs", "off_bus", "stuck", "host_disks", "host_network", "vms": vms_json(), "lent": lend_json(),
 *   "pcie_type", "link": link_json(), "bars": bars_json(), "acs": acs_json(), "power": power_json(), "aer": aer_json(),
 *   "boot_vga", "numa_node", "max_vfs", "hung"}] */
int list_json(const struct list *list, struct pvb_err *err)
{
	struct json_object *all = json_object_new_array();
	int r = 0;

	for (size_t i = 0, n; r == 0 && i < list->n; i += n) {
		struct pvb_group_reason reason;

		n = list_group_size(list, i);
		r = list_group_explain(list, i, n, &reason, err);
		for (size_t k = i; r == 0 && k < i + n; k++)
			if (list->rows[k].chosen)
				json_object_array_add(all, row_json(&list->rows[k], &reason));
	}
	if (r == 0)
		cli_json_print(all);
	else
		json_object_put(all);
	return r;
}
