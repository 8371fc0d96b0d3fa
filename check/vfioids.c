/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 08: devices that vfio-pci takes at boot, by "options vfio-pci ids=…". */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "modconf.h"

/* One id of the list, as drivers/vfio/pci/vfio_pci.c reads it in vfio_pci_fill_ids(). */
struct id {
	char text[64];
	bool valid;
	unsigned vendor, device, subvendor, subdevice, class_code, mask;
};

#define ANY 0xffffffffu

static void id_parse(struct id *id, const char *text, size_t size)
{
	*id = (struct id){ .subvendor = ANY, .subdevice = ANY };
	snprintf(id->text, sizeof(id->text), "%.*s", (int)size, text);
	id->valid = sscanf(id->text, "%x:%x:%x:%x:%x:%x", &id->vendor, &id->device, &id->subvendor, &id->subdevice,
			   &id->class_code, &id->mask) >= 2;
}

static bool id_is(const struct id *id, const struct pvb_function *fn)
{
	return id->valid && !fn->bridge && (id->vendor == ANY || id->vendor == fn->vendor) &&
	       (id->device == ANY || id->device == fn->device) && (id->subvendor == ANY || id->subvendor == fn->subvendor) &&
	       (id->subdevice == ANY || id->subdevice == fn->subdevice) && !((fn->class_code ^ id->class_code) & id->mask);
}

/* The next id of the list at *at (size bytes left), which moves behind its comma; empty ones do not count. */
static bool id_next(const char **at, size_t *left, struct id *id)
{
	while (*left) {
		const char *comma = memchr(*at, ',', *left);
		size_t size = comma ? (size_t)(comma - *at) : *left, step = comma ? size + 1 : size;

		if (size)
			id_parse(id, *at, size);
		*at += step;
		*left -= step;
		if (size)
			return true;
	}
	return false;
}

/* A list of ids: where it stands, and what. */
struct list {
	const struct pvb_modconf_line *line;
	const char *text; /* behind "ids=" */
	size_t size;
};

/* The list that a line gives; the last, as for the kernel. false: none. */
static bool line_list(const struct pvb_modconf_line *line, struct list *list)
{
	const char *at = line->value, *word;
	size_t size;

	*list = (struct list){ .line = line };
	if (!modconf_is(line, PVB_MODCONF_OPTIONS, "vfio_pci"))
		return false;
	while ((word = modconf_word(&at, &size)))
		if (!strncmp(word, "ids=", 4))
			list->text = word + 4, list->size = size - 4;
	return list->text != NULL;
}

/* The list that counts: modprobe gives the kernel all lines' words in order, and it keeps the last. */
static bool list_find(const struct pvb_modconf *conf, struct list *list)
{
	bool found = false;
	struct list one;

	*list = (struct list){ .line = NULL };
	for (size_t i = 0; i < conf->n; i++)
		if (line_list(&conf->lines[i], &one)) {
			*list = one;
			found = true;
		}
	return found;
}

/* ---- this run's devices ---- */

static unsigned ids_catch(struct check_run *run, const struct list *list, const struct pvb_function *fn)
{
	char where[MODCONF_PLACE_MAX];
	const char *at = list->text;
	size_t left = list->size;
	struct id id;

	while (id_next(&at, &left, &id)) {
		if (!id_is(&id, fn))
			continue;
		check_about(run, &fn->addr);
		check_warn(run, modconf_place(list->line, where),
			   "ids=%s gives it to vfio-pci at boot, so that the host never has it, and a VM that stops leaves it on vfio-pci",
			   id.text);
		modconf_advise(run, list->line,
			       "Remove the id, and the host has the device while no VM does: pvebind takes it when the VM starts. Leave it "
			       "if only VMs are to have it.");
		return 1;
	}
	return 0;
}

static void ids_check(struct check_run *run)
{
	char where[MODCONF_PLACE_MAX];
	struct pvb_modconf conf;
	unsigned caught = 0;
	struct list list;

	if (modconf_read(run, &conf)) {
		bool has = list_find(&conf, &list);

		for (size_t i = 0; has && i < run->host.num_devices; i++)
			caught += ids_catch(run, &list, run->host.devices[i]);
		check_about(run, NULL);
		if (!has)
			check_ok(run, "/etc/modprobe.d", "vfio-pci is given no ids at boot");
		else if (*run->host.unseen)
			check_unknown(run, modconf_place(list.line, where), "vfio-pci is given ids, and no device can be seen to compare: %s",
				      run->host.unseen);
		else if (!caught)
			check_ok(run, modconf_place(list.line, where), "the ids that vfio-pci is given are not those of these devices");
	}
	pvb_modconf_clear(&conf);
}

/* ---- other devices ---- */

/* A device of this run that has the same id. */
static const struct pvb_function *twin_find(const struct check_host *host, const struct id *id)
{
	for (size_t i = 0; i < host->num_devices; i++)
		if (id_is(id, host->devices[i]))
			return host->devices[i];
	return NULL;
}

static void other_say(struct check_run *run, const struct list *list, const struct id *id, const struct pvb_function *fn)
{
	const struct pvb_function *twin = twin_find(&run->host, id);
	char where[MODCONF_PLACE_MAX], name[256], addr[PVB_ADDR_MAX];

	/* Asked about one VM, the ids of the others' devices are no news. */
	if (check_is_device(&run->host, &fn->addr) || (!twin && run->host.vmid))
		return;
	modconf_place(list->line, where);
	check_describe(&run->host, fn, name, sizeof(name));
	check_about(run, &fn->addr);
	if (twin) {
		check_fail(run, where, "ids=%s, which %s has, takes %s from the host as well, as both have that id", id->text,
			   pvb_addr_format(&twin->addr, addr), name);
		modconf_advise(run, list->line,
			       "Remove the id: pvebind takes a device by its address, and leaves its twin alone.");
	} else {
		check_warn(run, where, "ids=%s takes %s from the host at boot, which no VM's configuration names", id->text, name);
		modconf_advise(run, list->line, "Remove the id, if it was the wrong device.");
	}
}

static void id_others(struct check_run *run, const struct list *list, const struct id *id)
{
	char where[MODCONF_PLACE_MAX];
	bool any = false;

	for (size_t i = 0; i < pvb_snapshot_count(run->host.snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(run->host.snapshot, i);

		if (!id_is(id, fn))
			continue;
		any = true;
		other_say(run, list, id, fn);
	}
	check_about(run, NULL);
	if (any || !id->valid)
		return;
	check_warn(run, modconf_place(list->line, where), "ids=%s is of no device here", id->text);
	modconf_advise(run, list->line, "Remove the id.");
}

static void others_check(struct check_run *run)
{
	size_t before = run->findings.n, left;
	char where[MODCONF_PLACE_MAX];
	struct pvb_modconf conf;
	struct list list;
	const char *at;
	struct id id;

	if (!modconf_read(run, &conf)) {
		pvb_modconf_clear(&conf);
		return;
	}
	if (!list_find(&conf, &list)) {
		check_ok(run, "/etc/modprobe.d", "vfio-pci is given no ids at boot");
	} else if (*run->host.unseen) {
		check_unknown(run, modconf_place(list.line, where), "vfio-pci is given ids, and no device can be seen to compare: %s",
			      run->host.unseen);
	} else {
		at = list.text;
		left = list.size;
		while (id_next(&at, &left, &id))
			id_others(run, &list, &id);
		if (run->findings.n == before)
			check_ok(run, modconf_place(list.line, where), "the ids that vfio-pci is given take no other device");
	}
	pvb_modconf_clear(&conf);
}

/* ---- lists that the kernel does not get as they are meant ---- */

/* Whether a word of the line looks like ids that a blank has cut off. */
static bool word_is_ids(const char *word, size_t size)
{
	struct id id;

	if (memchr(word, '=', size))
		return false;
	id_parse(&id, word, size);
	return id.valid;
}

static void cut_say(struct check_run *run, const struct list *list, const char *word, size_t size)
{
	char where[MODCONF_PLACE_MAX];

	check_fail(run, modconf_place(list->line, where),
		   "a blank stands within ids=%.*s %.*s: the kernel takes what follows it for a parameter of its own, and drops it",
		   (int)list->size, list->text, (int)size, word);
	modconf_advise(run, list->line, "Write the ids without blanks: ids=10de:24b0,10de:228b");
}

/* false: it is well. */
static void list_judge(struct check_run *run, const struct list *list, const struct list *counts)
{
	const char *at = list->line->value, *word;
	char where[MODCONF_PLACE_MAX], last[MODCONF_PLACE_MAX];
	size_t size, left = list->size;
	struct id id;

	modconf_place(list->line, where);
	if (list->line != counts->line) {
		check_fail(run, where, "another list of ids follows in %s, and the kernel keeps the last alone",
			   modconf_place(counts->line, last));
		modconf_advise(run, list->line, "Write all ids into one line.");
	}
	for (bool behind = false; (word = modconf_word(&at, &size)); behind |= word + 4 == list->text)
		if (behind && word_is_ids(word, size))
			cut_say(run, list, word, size);
	for (at = list->text; id_next(&at, &left, &id);) {
		if (id.valid)
			continue;
		check_fail(run, where, "\"%s\" is no id: the kernel drops it", id.text);
		modconf_advise(run, list->line, "Write an id as lspci -nn shows it in brackets: 10de:24b0");
	}
}

static void spaces_check(struct check_run *run)
{
	size_t before = run->findings.n;
	struct list one, counts;
	struct pvb_modconf conf;

	if (modconf_read(run, &conf)) {
		bool has = list_find(&conf, &counts);

		for (size_t i = 0; has && i < conf.n; i++)
			if (line_list(&conf.lines[i], &one))
				list_judge(run, &one, &counts);
		if (run->findings.n == before)
			check_ok(run, "/etc/modprobe.d", has ? "the ids that vfio-pci is given are one whole list" :
				 "vfio-pci is given no ids at boot");
	}
	pvb_modconf_clear(&conf);
}

/* ---- disable_vga ---- */

/* Proxmox VE gives QEMU x-vga=on only without OVMF (PVE::QemuServer::PCI); then QEMU asks for the VGA region, which
 * vfio-pci does not have with disable_vga (hw/vfio/pci.c: "device does not support requested feature x-vga"). */
static const struct conf_hostpci *legacy_vga(const struct check_host *host)
{
	const char *bios = host->has_vm ? conf_vm_value(&host->vm, "bios", NULL) : NULL;

	for (unsigned i = 0; host->has_vm && i < CONF_HOSTPCI_MAX; i++)
		if (host->vm.hostpci[i].present && host->vm.hostpci[i].x_vga && (!bios || strcmp(bios, "ovmf") != 0))
			return &host->vm.hostpci[i];
	return NULL;
}

static bool line_disables_vga(const struct pvb_modconf_line *line)
{
	const char *at = line->value, *word;
	size_t size;

	if (!modconf_is(line, PVB_MODCONF_OPTIONS, "vfio_pci"))
		return false;
	while ((word = modconf_word(&at, &size)))
		if ((size == 11 || (size >= 13 && word[11] == '=' && strchr("1yY", word[12]))) && !strncmp(word, "disable_vga", 11))
			return true;
	return false;
}

static void vga_say(struct check_run *run, const struct pvb_modconf_line *line)
{
	const struct conf_hostpci *hostpci = legacy_vga(&run->host);
	char where[MODCONF_PLACE_MAX];

	modconf_place(line, where);
	if (hostpci) {
		check_fail(run, where, "disable_vga=1 takes away the VGA access that x-vga=1 of VM %u asks for without OVMF: QEMU will not start",
			   run->host.vmid);
		modconf_advise(run, line, "Remove disable_vga=1; better still, give the VM OVMF (bios: ovmf), which needs neither.");
		return;
	}
	check_warn(run, where, "disable_vga=1 is a rescue option: VMs without OVMF cannot use a card as their first display");
	modconf_advise(run, line, "Remove it, unless the host needs it: pvebind takes the card off its console without it.");
}

static void vga_check(struct check_run *run)
{
	size_t before = run->findings.n;
	struct pvb_modconf conf;

	if (modconf_read(run, &conf)) {
		for (size_t i = 0; i < conf.n; i++)
			if (line_disables_vga(&conf.lines[i]))
				vga_say(run, &conf.lines[i]);
		if (run->findings.n == before)
			check_ok(run, "/etc/modprobe.d", "disable_vga is not set");
	}
	pvb_modconf_clear(&conf);
}

const struct check check_vfioids[] = {
	{ "vfio-ids", "vfio-pci does not take the devices at boot", CHECK_HOST, "08", ids_check },
	{ "vfio-ids-other", "vfio-pci takes no other device at boot", CHECK_HOST, "08", others_check },
	{ "vfio-ids-spaces", "The kernel gets the list of ids whole", CHECK_HOST, "08", spaces_check },
	{ "disable-vga", "The rescue option disable_vga is not set", CHECK_HOST, "08", vga_check },
	{ .id = NULL },
};
