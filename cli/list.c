/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list: the host's devices, and what each hangs on. */
#include <string.h>

#include "list.h"

/* ---- which ---- */

static bool word_matches(const char *word, const struct pvb_function *fn)
{
	struct pvb_addr addr;
	struct conf_id id;

	if (pvb_addr_parse(word, &addr, NULL) == 0)
		return pvb_addr_matches(&addr, &fn->addr);
	return conf_id_parse(word, &id) && id.vendor == fn->vendor && id.device == fn->device &&
	       (!id.has_sub || (id.subvendor == fn->subvendor && id.subdevice == fn->subdevice));
}

/* Display controllers, and processing accelerators, which graphics chips without a screen's part say they are (Instinct). */
static bool is_display(const struct pvb_function *fn)
{
	return fn->class_code >> 16 == 0x03 || fn->class_code >> 16 == 0x12;
}

/* A graphics card is all functions of its slot: its sound goes with it. */
static bool slot_displays(const struct list *list, const struct pvb_function *fn)
{
	struct pvb_addr addr = fn->addr;

	for (addr.fn = 0; addr.fn < 8; addr.fn++) {
		const struct pvb_function *other = pvb_snapshot_find(list->snapshot, &addr);

		if (other && is_display(other))
			return true;
	}
	return false;
}

static bool row_wanted(const struct list *list, const struct list_row *row)
{
	const struct cli *cli = list->cli;
	bool named = cli->num_operands == 0;

	if (cli->group >= 0 && row->fn->group != cli->group)
		return false;
	if (cli->gpu && !slot_displays(list, row->fn))
		return false;
	for (unsigned i = 0; !named && i < cli->num_operands; i++)
		named = word_matches(cli->operands[i], row->fn);
	return named;
}

/* A word that names nothing is a mistake, whatever the others name. */
static int words_check(const struct list *list, struct pvb_err *err)
{
	const struct cli *cli = list->cli;

	for (unsigned i = 0; i < cli->num_operands; i++) {
		bool found = false;

		for (size_t k = 0; !found && k < list->n; k++)
			found = word_matches(cli->operands[i], list->rows[k].fn);
		if (!found)
			return pvb_err_set(err, -ENODEV, "no PCI device %s on this host: pvebind list shows what there is",
					   cli->operands[i]);
	}
	return 0;
}

static int nothing_say(const struct list *list, struct pvb_err *err)
{
	const struct cli *cli = list->cli;

	if (list->n == 0)
		return pvb_err_set(err, -ENODEV, "the kernel shows no PCI device in /sys/bus/pci/devices");
	if (cli->group >= 0 && !cli->gpu && !cli->num_operands)
		return pvb_err_set(err, -ENODEV,
				   "no device of this host is in an IOMMU group %d: pvebind list shows the groups there are",
				   cli->group);
	if (cli->gpu && cli->group < 0 && !cli->num_operands)
		return pvb_err_set(err, -ENODEV, "this host has no graphics card: no PCI device is a display controller or an accelerator");
	return pvb_err_set(err, -ENODEV, "no device is all of what was asked for: leave out one of the conditions");
}

static int rows_choose(struct list *list, struct pvb_err *err)
{
	bool any = false;
	int r = words_check(list, err);

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		list->rows[i].chosen = row_wanted(list, &list->rows[i]);
		any = any || list->rows[i].chosen;
	}
	return r == 0 && !any ? nothing_say(list, err) : r;
}

/* ---- details: no more than is shown, as they take most of the time ---- */

/* All of the chosen ones, and of all that are in a group with one. */
static bool json_wanted(const struct list *list, size_t i)
{
	(void)list;
	(void)i;
	return true;
}

/* A slot has one link; and what tells why a group is shared. */
static bool text_wanted(const struct list *list, size_t i)
{
	const struct pvb_function *fn = list->rows[i].fn;

	return list->rows[i].mixed || (list->rows[i].chosen && fn->addr.fn == 0 && !fn->bridge);
}

static void groups_mark(struct list *list)
{
	for (size_t i = 0, n; i < list->n; i += n) {
		n = list_group_size(list, i);
		for (size_t k = i; k < i + n; k++)
			list->rows[k].mixed = n > 1 && (k > i ? list->rows[i].mixed : list_group_mixed(list, i, n));
	}
}

static int list_show(struct list *list, struct pvb_err *err)
{
	int r = rows_choose(list, err);

	if (r == 0 && list->cli->json)
		r = list_details(list, json_wanted, PVB_PART_ALL, err);
	else if (r == 0)
		r = list_details(list, text_wanted, PVB_PART_CONFIG, err);
	if (r < 0)
		return r;
	return list->cli->json ? list_json(list, err) : list_text(list, err);
}

/* ---- USB ---- */

static bool usb_word_matches(const char *word, const struct list_bus *bus)
{
	struct conf_id id;

	if (bus->row && word_matches(word, bus->row->fn))
		return true;
	if (!conf_id_parse(word, &id) || id.has_sub)
		return false;
	for (size_t i = 0; i < bus->n; i++)
		if (bus->devices[i].usb->vendor == id.vendor && bus->devices[i].usb->product == id.device)
			return true;
	return false;
}

static bool bus_wanted(const struct cli *cli, const struct list_bus *bus)
{
	bool named = cli->num_operands == 0;

	if (cli->group >= 0 && (!bus->row || bus->row->fn->group != cli->group))
		return false;
	for (unsigned i = 0; !named && i < cli->num_operands; i++)
		named = usb_word_matches(cli->operands[i], bus);
	return named;
}

/* Those that were asked for to the front. */
static int buses_choose(const struct cli *cli, struct list_buses *buses, size_t *n, struct pvb_err *err)
{
	*n = 0;
	for (size_t i = 0; i < buses->n; i++) {
		struct list_bus bus = buses->list[i];

		if (!bus_wanted(cli, &bus))
			continue;
		buses->list[i] = buses->list[*n];
		buses->list[(*n)++] = bus;
	}
	if (*n)
		return 0;
	if (cli->group < 0 && !cli->num_operands)
		return pvb_err_set(err, -ENODEV, "this host has neither a USB controller nor a USB device");
	return pvb_err_set(err, -ENODEV,
			   "no USB controller or device of this host is what was asked for: pvebind list --usb shows all");
}

static int usb_show(const struct list *list, struct pvb_err *err)
{
	struct list_buses buses;
	size_t n, all;
	int r = list_buses_look(list, &buses, err);

	all = buses.n;
	if (r == 0)
		r = buses_choose(list->cli, &buses, &n, err);
	if (r == 0) {
		buses.n = n;
		if (list->cli->json)
			list_buses_json(&buses);
		else
			list_buses_text(&buses);
		buses.n = all;
	}
	list_buses_clear(&buses);
	return r;
}

static enum front_status list_run(struct cli *cli)
{
	enum front_status status = FRONT_DONE;
	struct pvb_err err = { .code = 0 };
	struct list list;
	int r;

	if (cli->gpu && cli->usb) {
		pvb_err_set(&err, -EINVAL, "--gpu and --usb ask for different things: give one of them");
		return front_fail(&cli->front, &err, FRONT_USAGE);
	}
	r = list_look(&list, cli, &err);
	if (r == 0) {
		groups_mark(&list);
		r = cli->usb ? usb_show(&list, &err) : list_show(&list, &err);
	}
	if (r < 0)
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	list_clear(&list);
	return status;
}

static const struct argp_option options[] = {
	CLI_OPTION_JSON,
	{ "gpu", CLI_KEY_GPU, NULL, 0, "Only graphics cards and accelerators, with all of their functions", 0 },
	{ "usb", CLI_KEY_USB, NULL, 0, "USB devices by controller, and the line that passes each to a VM", 0 },
	{ "group", CLI_KEY_GROUP, "N", 0, "Only IOMMU group N", 0 },
	CLI_OPTIONS_END,
};

const struct cli_command cli_list = {
	.name = "list",
	.summary = "show the host's devices by IOMMU group, and whose they are",
	.text = "DEVICE is an address (0000:01:00.0, or 01:00 for a slot) or an id (10de:24b0); of several, all are shown.",
	.operand = CLI_ANY,
	.options = options,
	.run = list_run,
};
