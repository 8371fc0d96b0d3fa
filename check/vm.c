/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of a VM's configuration share. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

#define PCI_PM_MAX (1024 * 1024)

bool vm_checkable(const struct check_run *run)
{
	if (!run->host.has_vm || run->host.vm.is_template)
		return false;
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		if (vm_hostpci(run, i))
			return true;
	return false;
}

bool vm_borrows(const struct check_run *run)
{
	return vm_checkable(run) || (run->host.has_request && run->host.request.num_wanted);
}

bool vm_cluster_there(const struct check_run *run)
{
	return pvb_sysfs_exists(run->host.ctx, "etc/pve/local");
}

/* ---- keys ---- */

const char *vm_value(const struct check_run *run, const char *key, char place[VM_PLACE_MAX])
{
	const struct conf_vm *vm = &run->host.vm;
	unsigned line = 0;
	const char *value = conf_vm_value(vm, key, &line);

	check_place(place, VM_PLACE_MAX, vm->file, value ? line : 0);
	return value;
}

bool vm_flag(const struct check_run *run, const char *key, bool otherwise)
{
	const char *value = conf_vm_value(&run->host.vm, key, NULL);

	if (value)
		conf_bool_parse(value, &otherwise);
	return otherwise;
}

bool vm_option(const char *value, const char *name, char *buf, size_t size)
{
	_conf_free_ char *copy = strdup(value);
	char *rest = copy, *key, *part;

	while (copy && conf_part_next(&rest, &key, &part)) {
		if (key ? !name || strcmp(key, name) != 0 : name != NULL)
			continue;
		conf_copy(buf, size, part);
		return true;
	}
	return false;
}

bool vm_option_flag(const char *value, const char *name, bool otherwise)
{
	char text[16];

	if (vm_option(value, name, text, sizeof(text)))
		conf_bool_parse(text, &otherwise);
	return otherwise;
}

bool vm_is_q35(const struct check_run *run)
{
	const char *value = conf_vm_value(&run->host.vm, "machine", NULL);
	char type[64];

	/* PVE/QemuServer/Machine.pm: machine_type_is_q35() */
	return value && (vm_option(value, NULL, type, sizeof(type)) || vm_option(value, "type", type, sizeof(type))) &&
	       strstr(type, "q35");
}

bool vm_is_ovmf(const struct check_run *run)
{
	const char *value = conf_vm_value(&run->host.vm, "bios", NULL);

	return value && !strcmp(value, "ovmf");
}

const char *vm_disk_storage(const struct check_run *run, char *buf, size_t size)
{
	static const char *const buses[] = { "scsi", "virtio", "sata", "ide" };
	const struct conf_vm *vm = &run->host.vm;

	for (size_t i = 0; i < vm->num_pairs; i++)
		for (size_t bus = 0; bus < sizeof(buses) / sizeof(buses[0]); bus++) {
			const char *key = vm->pairs[i].key, *value = vm->pairs[i].value;
			size_t n = strlen(buses[bus]), id = strcspn(value, ":,");

			if (strncmp(key, buses[bus], n) != 0 || !isdigit((unsigned char)key[n]) || value[id] != ':' ||
			    strstr(value, "media=cdrom"))
				continue;
			snprintf(buf, size, "%.*s", (int)id, value);
			if (conf_name_valid(buf, size))
				return buf;
		}
	conf_copy(buf, size, "local-lvm");
	return buf;
}

/* ---- hostpci lines ---- */

const struct conf_hostpci *vm_hostpci(const struct check_run *run, unsigned i)
{
	const struct conf_hostpci *hostpci = &run->host.vm.hostpci[i];

	return hostpci->present && !*hostpci->mdev ? hostpci : NULL;
}

const char *vm_hostpci_place(const struct check_run *run, const struct conf_hostpci *hostpci, char place[VM_PLACE_MAX])
{
	return check_place(place, VM_PLACE_MAX, run->host.vm.file, hostpci->line);
}

static size_t functions_add(const struct check_run *run, const struct pvb_addr *addr, const struct pvb_function **list,
			    size_t n)
{
	size_t count = run->host.snapshot ? pvb_snapshot_count(run->host.snapshot) : 0;

	for (size_t i = 0; i < count && n < VM_FUNCTIONS_MAX; i++)
		if (pvb_addr_matches(addr, &pvb_snapshot_get(run->host.snapshot, i)->addr))
			list[n++] = pvb_snapshot_get(run->host.snapshot, i);
	return n;
}

static size_t mapping_functions(const struct check_run *run, const char *name, const struct pvb_function **list)
{
	struct conf_mapping mapping = { .n = 0 };
	struct pvb_err ignored; /* what is wrong with it the refusals say */
	size_t n = 0;

	if (conf_mapping_load(run->host.ctx, name, run->host.node, &mapping, &ignored) == 0 && mapping.n)
		for (size_t i = 0; i < mapping.list[0].num_paths; i++)
			n = functions_add(run, &mapping.list[0].paths[i], list, n);
	conf_mapping_clear(&mapping);
	return n;
}

/* What the hook would take for the line now. */
static size_t wanted_functions(const struct check_run *run, const struct conf_hostpci *hostpci,
			       const struct pvb_function **list)
{
	const struct pvb_request *request = &run->host.request;
	char origin[16];
	size_t n = 0;

	snprintf(origin, sizeof(origin), "hostpci%u", (unsigned)(hostpci - run->host.vm.hostpci));
	for (size_t i = 0; i < request->num_wanted; i++)
		if (!strcmp(request->wanted[i].origin, origin))
			n = functions_add(run, &request->wanted[i].addr, list, n);
	return n;
}

size_t vm_functions(const struct check_run *run, const struct conf_hostpci *hostpci,
		    const struct pvb_function *list[VM_FUNCTIONS_MAX])
{
	size_t n = *hostpci->mapping ? wanted_functions(run, hostpci, list) : 0;

	if (*hostpci->mapping)
		return n ? n : mapping_functions(run, hostpci->mapping, list);
	for (size_t i = 0; i < hostpci->num_ids; i++)
		n = functions_add(run, &hostpci->ids[i], list, n);
	return n;
}

bool vm_is_display(const struct pvb_function *fn)
{
	return fn->class_code >> 16 == 0x03;
}

enum vm_seen vm_passes_display(const struct check_run *run)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	enum vm_seen seen = VM_NO;

	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = vm_hostpci(run, i);
		size_t n = hostpci ? vm_functions(run, hostpci, list) : 0;

		if (hostpci && !n)
			seen = VM_UNSEEN;
		while (n-- > 0)
			if (vm_is_display(list[n]))
				return VM_YES;
	}
	return seen;
}

/* ---- commands ---- */

char *vm_quote(const char *text)
{
	char *buf = malloc(4 * strlen(text) + 3), *to = buf;

	if (!buf)
		return NULL;
	if (*text && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=@%+-")] == '\0')
		return strcpy(buf, text);
	*to++ = '\'';
	for (; *text; text++)
		if (*text == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *text;
	strcpy(to, "'");
	return buf;
}

/* Each command sets the whole line, so that each has in it what was advised before: who copies all of them in order
 * loses none. value is malloced. */
static void hostpci_command(struct check_run *run, unsigned i, char *value)
{
	_conf_free_ char *quoted = value ? vm_quote(value) : NULL;

	if (!quoted) {
		free(value);
		return;
	}
	free(run->advised[i]);
	run->advised[i] = value;
	check_command(run, "qm set %u --hostpci%u %s", run->host.vmid, i, quoted);
}

/* A part of the value after what is in buf already. */
static void part_add(char *buf, const char *key, const char *value)
{
	char *to = strchr(buf, '\0');

	to = *buf ? stpcpy(to, ",") : to;
	to = key ? stpcpy(stpcpy(to, key), "=") : to;
	strcpy(to, value);
}

static bool is_host(const char *key)
{
	return !key || !strcmp(key, "host") || !strcmp(key, "mapping");
}

/* The line's value with one option, or (key NULL) its host, replaced: malloced; NULL without memory. */
static char *hostpci_rewrite(const struct check_run *run, unsigned i, const char *key, const char *value)
{
	const char *now = run->advised[i] ? run->advised[i] : run->host.vm.hostpci[i].text;
	size_t size = strlen(now) * 2 + (key ? strlen(key) : 0) + (value ? strlen(value) : 0) + 8;
	char *text = calloc(1, size), *name, *part;
	_conf_free_ char *copy = strdup(now);
	char *rest = copy;

	if (!text || !copy) {
		free(text);
		return NULL;
	}
	if (!key)
		part_add(text, NULL, value);
	while (conf_part_next(&rest, &name, &part))
		if (key ? !name || strcmp(name, key) != 0 : !is_host(name))
			part_add(text, name, part);
	if (key && value)
		part_add(text, key, value);
	return text;
}

void vm_advise_option(struct check_run *run, unsigned i, const char *key, const char *value)
{
	hostpci_command(run, i, hostpci_rewrite(run, i, key, value));
}

void vm_advise_host(struct check_run *run, unsigned i, const char *host)
{
	hostpci_command(run, i, hostpci_rewrite(run, i, NULL, host));
}

/* ---- what Proxmox VE knows ---- */

char *vm_pci_pm(const struct check_run *run)
{
	char *text = NULL;

	return pvb_read_file(run->host.ctx, VM_PCI_PM, PCI_PM_MAX, &text, NULL) < 0 ? NULL : text;
}

bool vm_text_has(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word)) {
		char before = p > text ? p[-1] : ' ', after = p[n];

		if (!isalnum((unsigned char)before) && !strchr("_-", before) &&
		    (!after || (!isalnum((unsigned char)after) && !strchr("_-", after))))
			return true;
	}
	return false;
}
