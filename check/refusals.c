/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks against lending VMs their devices: the refusals of the hook itself, by their names. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bootloader.h"
#include "groups.h"
#include "refusals.h"

/* Without this nobody could know of the refusal, though the judge goes on without. */
static const struct {
	const char *name, *path;
} sources[] = {
	{ "no-iommu", "sys/kernel" },	     { "in-use-by-vm", "proc" },
	{ "held", "proc" },		     { "host-disk", "proc/self/mountinfo" },        { "host-network", "proc/net/route" },
	{ "last-console", "proc/fb" },	     { "driver-gate", "sys/module" },		    { "stuck", "proc" },
	{ "disabled", "proc/cmdline" },
};

/* ---- what could not be looked at ---- */

/* A function that shows no configuration space may be off the bus as well. */
static bool config_missing(const struct check_run *run, const struct asked *asked, char *path, size_t size)
{
	for (size_t i = 0; i < asked->n; i++)
		for (size_t k = 0; asked->vms[i].plan && k < pvb_plan_num_devices(asked->vms[i].plan); k++) {
			char addr[PVB_ADDR_MAX];

			snprintf(path, size, "sys/bus/pci/devices/%s/config",
				 pvb_addr_format(&pvb_plan_device(asked->vms[i].plan, k)->addr, addr));
			if (!pvb_sysfs_exists(run->host.ctx, path))
				return true;
		}
	return false;
}

/* Without a group one cannot know who would be in it. */
static bool group_missing(const struct check_run *run, const struct asked *asked, char *path, size_t size)
{
	for (size_t i = 0; i < asked->n; i++)
		for (size_t k = 0; asked->vms[i].plan && k < pvb_plan_num_devices(asked->vms[i].plan); k++) {
			const struct pvb_home *device = pvb_plan_device(asked->vms[i].plan, k);
			char addr[PVB_ADDR_MAX];

			snprintf(path, size, "sys/bus/pci/devices/%s/iommu_group", pvb_addr_format(&device->addr, addr));
			if (device->group < 0)
				return true;
		}
	snprintf(path, size, "sys/kernel/iommu_groups");
	return !pvb_sysfs_exists(run->host.ctx, path);
}

/* Absent is fine: nothing is reserved. */
static bool reservations_missing(const struct check_run *run, char *path, size_t size)
{
	_conf_free_ char *text = NULL;
	int r;

	snprintf(path, size, "run/qemu-server/pci-id-reservations");
	r = pvb_read_file(run->host.ctx, path, 1 << 20, &text, NULL);
	return r < 0 && r != -ENOENT;
}

static bool source_missing(const struct check_run *run, const struct asked *asked, const char *name, char *path, size_t size)
{
	if (!strcmp(name, "off-bus"))
		return config_missing(run, asked, path, size);
	if (!strcmp(name, "group-shared"))
		return group_missing(run, asked, path, size);
	if (!strcmp(name, "reserved-by-pve"))
		return reservations_missing(run, path, size);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		snprintf(path, size, "%s", sources[i].path);
		if (!strcmp(sources[i].name, name) && !pvb_sysfs_exists(run->host.ctx, path))
			return true;
	}
	return false;
}

/* ---- one refusal ---- */

/* The switch itself is taken away where it stands. */
static void switch_advise(struct check_run *run)
{
	struct bootloader loader;

	bootloader_look(&run->host, &loader);
	bootloader_advise_remove(run, &loader, "pvebind=off", "When the host is in order again");
	bootloader_clear(&loader);
}

static void refusal_say(struct check_run *run, const struct asked *asked, const struct asked_vm *vm,
			const struct pvb_refusal *refusal)
{
	char label[24] = "";

	if (asked->all && vm)
		snprintf(label, sizeof(label), "VM %u: ", vm->vmid);
	check_about(run, refusal->has_addr ? &refusal->addr : NULL);
	if (refusal->allowed)
		check_warn(run, vm ? vm->extra->config : "", "%slifted by allow = %s, on purpose: %s", label, refusal->name,
			   refusal->text);
	else
		check_fail(run, "", "%s%s", label, refusal->text);
	if (!strcmp(refusal->name, "disabled") && front_switched_off(run->host.front))
		switch_advise(run);
	refusals_of_vm(run, vm ? vm->vmid : 0);
	check_about(run, NULL);
}

/* How many of the list are this check's, and were said. What is allowed is of interest only to who asks about that VM. */
static size_t list_say(struct check_run *run, const struct asked *asked, const struct asked_vm *vm,
		       const struct pvb_refusals *refusals)
{
	size_t said = 0;

	for (size_t i = 0; i < refusals->n; i++) {
		const struct pvb_refusal *refusal = &refusals->list[i];

		if (strcmp(refusal->name, run->check->id) != 0 || (refusal->allowed && asked->all))
			continue;
		refusal_say(run, asked, vm, refusal);
		said++;
	}
	return said;
}

static size_t count(const struct asked *asked, enum asked_end end)
{
	size_t n = 0;

	for (size_t i = 0; i < asked->n; i++)
		n += asked->vms[i].end == end;
	return n;
}

/* None of the plans has this refusal. */
static void absent_say(struct check_run *run, const struct asked *asked, size_t planned, size_t unasked)
{
	char path[96];

	if (unasked) {
		check_unknown(run, "", "%zu VM%s could not be asked about: see plan and config", unasked, unasked > 1 ? "s" : "");
		return;
	}
	if (source_missing(run, asked, run->check->id, path, sizeof(path))) {
		char where[sizeof(path) + 1];

		snprintf(where, sizeof(where), "/%s", path);
		check_unknown(run, where, "it cannot be found out: this is not there, or cannot be read");
	} else if (asked->all && planned) {
		check_ok(run, "", "%c%s (%zu VM%s)", tolower(*run->check->title), run->check->title + 1, planned, planned > 1 ? "s" : "");
	} else {
		check_ok(run, "", "%c%s", tolower(*run->check->title), run->check->title + 1);
	}
}

static void row_say(struct check_run *run, const struct asked *asked)
{
	size_t planned = count(asked, ASKED_PLANNED), said = list_say(run, asked, NULL, &asked->host);
	size_t unasked = count(asked, ASKED_MISCONFIGURED) + count(asked, ASKED_FAILED) + count(asked, ASKED_LATE);

	for (size_t i = 0; i < asked->n; i++)
		if (asked->vms[i].plan)
			said += list_say(run, asked, &asked->vms[i], pvb_plan_refusals(asked->vms[i].plan));
	/* The host's own stand without any VM that could be asked about. */
	if (!said && !strcmp(run->check->id, "disabled"))
		absent_say(run, asked, planned, 0);
	else if (!said && (planned || unasked))
		absent_say(run, asked, planned, unasked);
}

/* ---- whether there is a plan ---- */

static void devices_text(const struct pvb_plan *plan, char *buf, size_t size)
{
	size_t n = pvb_plan_num_devices(plan), have = 0;
	char addr[PVB_ADDR_MAX];

	*buf = '\0';
	for (size_t i = 0; i < n && have < size; i++)
		have += (size_t)snprintf(buf + have, size - have, "%s%s", i ? ", " : "",
					 pvb_addr_format(&pvb_plan_device(plan, i)->addr, addr));
}

/* The names of what stands against it, each once. */
static void standing_text(const struct pvb_plan *plan, char *buf, size_t size)
{
	const struct pvb_refusals *refusals = pvb_plan_refusals(plan);
	const char *name;
	size_t have = 0;

	*buf = '\0';
	for (size_t i = 0; (name = pvb_refusal_name(i)); i++) {
		bool stands = false;

		for (size_t k = 0; k < refusals->n; k++)
			stands = stands || (!refusals->list[k].allowed && !strcmp(refusals->list[k].name, name));
		if (stands && have < size)
			have += (size_t)snprintf(buf + have, size - have, "%s%s", have ? ", " : "", name);
	}
}

static void planned_say(struct check_run *run, const struct asked_vm *vm)
{
	const char *note;
	char devices[256];

	devices_text(vm->plan, devices, sizeof(devices));
	if (pvb_plan_refused(vm->plan)) {
		char names[256];

		standing_text(vm->plan, names, sizeof(names));
		check_fail(run, "", "VM %u would not start, as lending it %s is refused: %s", vm->vmid, devices, names);
		return;
	}
	check_ok(run, "", "VM %u would be lent %s, in %zu steps", vm->vmid, devices, pvb_plan_count(vm->plan));
	for (size_t i = 0; (note = pvb_plan_note(vm->plan, i)); i++)
		check_ok(run, "", "%s", note);
}

static void vm_plan_say(struct check_run *run, const struct asked *asked, const struct asked_vm *vm)
{
	if (vm->end == ASKED_FAILED)
		check_fail(run, "", "VM %u cannot be lent its devices: %s", vm->vmid, vm->err.text);
	else if (vm->end == ASKED_LATE)
		check_unknown(run, "", "VM %u: there was no time left to ask; ask about it alone: pvebind check %u", vm->vmid,
			      vm->vmid);
	else if (vm->end == ASKED_MISCONFIGURED)
		check_unknown(run, "", "VM %u: its devices are not known, see config", vm->vmid);
	else if (asked->all && (!vm->plan || !pvb_plan_refused(vm->plan)))
		return;
	else if (vm->end == ASKED_NOTHING)
		check_ok(run, "", "%s", vm->why);
	else
		planned_say(run, vm);
	refusals_of_vm(run, vm->vmid);
}

static void plan_say(struct check_run *run, const struct asked *asked)
{
	size_t before = run->findings.n, planned = count(asked, ASKED_PLANNED);

	for (size_t i = 0; i < asked->n; i++)
		vm_plan_say(run, asked, &asked->vms[i]);
	if (asked->all && run->findings.n == before && asked->n)
		check_ok(run, "", "%zu of %zu VMs could be lent devices now; the others run, are templates or name none", planned,
			 asked->n);
}

/* ---- all of them ---- */

/* The row of a name. */
static const struct check *row_find(const char *name)
{
	for (const struct check *row = check_refusals; row->id; row++)
		if (!strcmp(row->id, name))
			return row;
	return NULL;
}

/* The first row speaks for all: the judge is asked only once. */
static void all_check(struct check_run *run)
{
	const char *name;
	struct asked asked;

	asked_look(run, &asked);
	config_say(run, &asked);
	run->check = row_find("plan");
	plan_say(run, &asked);
	for (size_t i = 0; (name = pvb_refusal_name(i)); i++) {
		run->check = row_find(name);
		if (run->check)
			row_say(run, &asked);
	}
	asked_clear(&asked);
}

static void said_check(struct check_run *run)
{
	(void)run;
}

const struct check check_refusals[] = {
	{ "config", "pvebind.ini and the VMs' configs can be read", CHECK_HOST, "pve", all_check },
	{ "plan", "The VMs' devices could be lent", CHECK_HOST, "pve", said_check },
	{ "no-iommu", "Each device is in an IOMMU group", CHECK_HOST, "09", said_check },
	{ "group-shared", "No device shares its group with one that stays in use", CHECK_HOST, "09", said_check },
	{ "identity", "Each device is the one that is expected there", CHECK_HOST, "07", said_check },
	{ "ambiguous", "Each id names one device", CHECK_HOST, "07", said_check },
	{ "in-use-by-vm", "No other VM uses a device", CHECK_HOST, "09", said_check },
	{ "held", "No process and no other lend holds a device", CHECK_HOST, "07", said_check },
	{ "host-disk", "The host uses no disk of a device", CHECK_HOST, "07", said_check },
	{ "host-network", "The host uses no network interface of a device", CHECK_HOST, "07", said_check },
	{ "last-console", "The host can still be reached without a device", CHECK_HOST, "07", said_check },
	{ "sriov-parent", "No device has virtual functions", CHECK_HOST, "07", said_check },
	{ "driver-gate", "Each driver would let its device go", CHECK_HOST, "07", said_check },
	{ "stuck", "No device hangs in the kernel", CHECK_HOST, "07", said_check },
	{ "off-bus", "Each device answers", CHECK_HOST, "07", said_check },
	{ "reserved-by-pve", "No device is reserved for another VM", CHECK_HOST, "pve", said_check },
	{ "backup", "A backup would disturb nobody", CHECK_HOST, "pve", said_check },
	{ "disabled", "pvebind is not switched off", CHECK_HOST, "pve", said_check },
	{ .id = NULL },
};
