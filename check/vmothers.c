/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: what else there is of the VM (snapshots, pending changes), and other VMs that name its devices. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

/* ---- two VMs, one device ---- */

/* What a VM always has when it runs. */
struct named {
	struct pvb_addr list[VM_FUNCTIONS_MAX];
	size_t n;
};

static void named_add(struct named *named, const struct pvb_addr *addrs, size_t n)
{
	for (size_t i = 0; i < n && named->n < VM_FUNCTIONS_MAX; i++)
		named->list[named->n++] = addrs[i];
}

/* Of a mapping with several alternatives Proxmox VE takes one that is free: no conflict. */
static void mapping_add(const struct check_run *run, const char *name, struct named *named)
{
	struct conf_mapping mapping = { .n = 0 };
	struct pvb_err ignored;

	if (conf_mapping_load(run->host.ctx, name, run->host.node, &mapping, &ignored) == 0 && mapping.n == 1)
		named_add(named, mapping.list[0].paths, mapping.list[0].num_paths);
	conf_mapping_clear(&mapping);
}

static void named_look(const struct check_run *run, const struct conf_vm *vm, struct named *named)
{
	named->n = 0;
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = &vm->hostpci[i];

		if (!hostpci->present || *hostpci->mdev)
			continue;
		named_add(named, hostpci->ids, hostpci->num_ids);
		if (*hostpci->mapping)
			mapping_add(run, hostpci->mapping, named);
	}
}

static bool overlap(const struct pvb_addr *a, const struct pvb_addr *b)
{
	return pvb_addr_matches(a, b) || pvb_addr_matches(b, a);
}

/* What both name, the narrower of the two; NULL: nothing. */
static const struct pvb_addr *named_both(const struct named *a, const struct named *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < b->n; j++)
			if (overlap(&a->list[i], &b->list[j]))
				return a->list[i].fn == PVB_FN_ALL ? &b->list[j] : &a->list[i];
	return NULL;
}

static bool starts_at_boot(const struct conf_vm *vm)
{
	const char *onboot = conf_vm_value(vm, "onboot", NULL);
	bool on = false;

	if (onboot)
		conf_bool_parse(onboot, &on);
	return on && !vm->is_template;
}

static void shared_say(struct check_run *run, const struct conf_vm *other, const struct pvb_addr *addr)
{
	char text[PVB_ADDR_MAX];

	if (starts_at_boot(&run->host.vm) && starts_at_boot(other)) {
		check_fail(run, other->file,
			   "VM %u names %s, too, and both start at boot: the second one's start is refused",
			   other->vmid, pvb_addr_format(addr, text));
		check_advise(run, "Let one of them be started by hand.");
		check_command(run, "qm set %u --onboot 0", other->vmid);
	} else {
		check_ok(run, other->file, "VM %u names %s, too: they can take turns, but not run together",
			 other->vmid, pvb_addr_format(addr, text));
	}
}

/* Each other VM of this node that names one of its devices; how many there are. */
static unsigned others_look(struct check_run *run, const unsigned *vmids, size_t n)
{
	struct named own, others;
	unsigned found = 0;

	named_look(run, &run->host.vm, &own);
	for (size_t i = 0; i < n; i++) {
		const struct pvb_addr *both = NULL;
		struct conf_vm other;
		struct pvb_err ignored; /* another VM's faults are its own */

		if (vmids[i] == run->host.vmid)
			continue;
		if (conf_vm_load(run->host.ctx, vmids[i], NULL, &other, &ignored) == 0 && !other.is_template) {
			named_look(run, &other, &others);
			both = named_both(&own, &others);
		}
		if (both)
			shared_say(run, &other, both);
		found += both != NULL;
		conf_vm_clear(&other);
	}
	return found;
}

static void onboot_check(struct check_run *run)
{
	_conf_free_ unsigned *vmids = NULL;
	char place[VM_PLACE_MAX];
	size_t n = 0;

	if (!vm_checkable(run))
		return;
	if (conf_vm_list(run->host.ctx, &vmids, &n) < 0) {
		check_unknown(run, "/etc/pve/qemu-server", "the VMs of this node cannot be listed");
		return;
	}
	vm_value(run, "onboot", place);
	if (!others_look(run, vmids, n))
		check_ok(run, place, "no other VM of this node names its devices");
}

/* ---- snapshots ---- */

static void sections_unread(struct check_run *run, const struct pvb_err *err)
{
	check_unknown(run, run->host.vm.file, "%s", err->text);
}

static void snapshot_check(struct check_run *run)
{
	struct conf_vm_section *list = NULL;
	char place[VM_PLACE_MAX];
	unsigned saved = 0, line;
	struct pvb_err err;
	size_t n = 0;
	int r;

	if (!vm_checkable(run))
		return;
	r = conf_vm_sections(run->host.ctx, &run->host.vm, &list, &n, &err);
	for (size_t i = 0; i < n; i++) {
		if (!conf_vm_section_value(&list[i], "vmstate", &line))
			continue;
		saved++;
		check_warn(run, check_place(place, sizeof(place), run->host.vm.file, line),
			   "snapshot %s has the memory of the running VM: with a passed device it cannot be woken up from that",
			   list[i].name);
		check_advise(run,
			     "Take snapshots without RAM, best of the stopped VM; roll back to this one only with the hostpci lines taken out.");
	}
	if (r < 0)
		sections_unread(run, &err);
	else if (!saved)
		check_ok(run, run->host.vm.file, "no snapshot has the memory of the running VM");
	conf_vm_sections_free(list, n);
}

/* ---- pending changes ---- */

static bool key_counts(const char *key)
{
	static const char *const keys[] = { "hookscript", "machine", "bios", "args", "vga", "template" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i], key))
			return true;
	return !strncmp(key, "hostpci", strlen("hostpci"));
}

/* "delete: hostpci0,args": those of it that count; a "!" before one is for force. */
static void deleted_say(struct check_run *run, const struct conf_pair *pair, const char *place, unsigned *found)
{
	_conf_free_ char *copy = strdup(pair->value);
	char *rest = copy, *key;

	while ((key = strsep(&rest, ", ;")) != NULL) {
		key += *key == '!';
		if (!key_counts(key))
			continue;
		(*found)++;
		check_warn(run, place,
			   "%s goes at the VM's next start; what is said here is of the configuration as it is", key);
	}
}

static void pending_say(struct check_run *run, const struct conf_vm_section *pending, unsigned *found)
{
	char place[VM_PLACE_MAX];

	for (size_t i = 0; i < pending->num_pairs; i++) {
		const struct conf_pair *pair = &pending->pairs[i];

		check_place(place, sizeof(place), run->host.vm.file, pair->line);
		if (!strcmp(pair->key, "delete"))
			deleted_say(run, pair, place, found);
		if (!key_counts(pair->key))
			continue;
		(*found)++;
		check_warn(run, place,
			   "%s is going to be '%s' at the VM's next start; what is said here is of the configuration as it is",
			   pair->key, pair->value);
	}
}

static void pending_check(struct check_run *run)
{
	struct conf_vm_section *list = NULL;
	unsigned found = 0;
	struct pvb_err err;
	size_t n = 0;

	if (!run->host.has_vm || run->host.vm.is_template)
		return;
	if (conf_vm_sections(run->host.ctx, &run->host.vm, &list, &n, &err) < 0) {
		sections_unread(run, &err);
	} else {
		for (size_t i = 0; i < n; i++)
			if (!strcasecmp(list[i].name, "PENDING"))
				pending_say(run, &list[i], &found);
		if (!found)
			check_ok(run, run->host.vm.file, "no change to its devices waits for the VM's next start");
	}
	if (found) {
		check_advise(run,
			     "Stop the VM and start it (a restart inside the guest does not count): Proxmox VE puts the changes in before it calls pvebind. Then check again.");
		check_command(run, "qm reboot %u", run->host.vmid);
	}
	conf_vm_sections_free(list, n);
}

const struct check check_vmothers[] = {
	{ "vm-onboot", "No other VM takes its devices at boot", CHECK_VM, "10", onboot_check },
	{ "vm-snapshot", "No snapshot has the running VM's memory", CHECK_VM, "10", snapshot_check },
	{ "vm-pending", "No change waits for the next start", CHECK_VM, "10", pending_check },
	{ .id = NULL },
};
