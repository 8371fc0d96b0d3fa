/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's configuration, its current part, read as PVE/QemuServer.pm's parse_vm_config does: what is
 * not ours (notes, unknown keys, lines that are none) is passed over, as it is there.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define VM_DIR "etc/pve/qemu-server"
#define VM_CONF_MAX (4 * 1024 * 1024) /* pmxcfs itself holds 1 MiB a file at most */

/* "[PENDING]", "[special:cloudinit]", "[snapshot]": the current part is over. Proxmox VE takes any
 * bracketed line for a section, from one it does not know too. */
static bool line_is_section(const struct conf_lines *lines)
{
	const char *end = *lines->line == '[' ? strchr(lines->line, ']') : NULL;

	return end && strspn(end + 1, " \t") == strlen(end + 1);
}

/* "key: value", the key at the left edge; false for any other line. */
static bool pair_split(char *line, char **key, char **value)
{
	char *colon = strchr(line, ':');

	if (!islower((unsigned char)*line) || !colon)
		return false;
	for (const char *c = line; c < colon; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && !strchr("_-", *c))
			return false;
	*colon = '\0';
	*key = line;
	*value = conf_trim(colon + 1);
	return **value != '\0';
}

static void hostpci_clear(struct conf_hostpci *hostpci)
{
	free(hostpci->text);
	free(hostpci->ids);
	*hostpci = (struct conf_hostpci){ .present = false };
}

/* N of "hostpciN", or -1. */
static int hostpci_index(const char *key)
{
	static const char prefix[] = "hostpci";
	unsigned long index;

	if (strncmp(key, prefix, sizeof(prefix) - 1) ||
	    !conf_number_parse(key + sizeof(prefix) - 1, CONF_HOSTPCI_MAX - 1, &index))
		return -1;
	return (int)index;
}

/* Of a doubled key the last counts: parse_vm_config assigns each as it comes. */
static int pair_take(struct conf_vm *vm, const struct conf_at *at, const char *key, const char *value, struct pvb_err *err)
{
	int index = hostpci_index(key);

	if (index >= 0) {
		hostpci_clear(&vm->hostpci[index]);
		return conf_hostpci_parse(&vm->hostpci[index], at, key, value, err);
	}
	/* As there, a value that is none leaves its key as it was. */
	if (!strcmp(key, "template"))
		conf_bool_parse(value, &vm->is_template);
	if (!strcmp(key, "name"))
		conf_copy(vm->name, sizeof(vm->name), value);
	if (!strcmp(key, "lock"))
		conf_copy(vm->lock, sizeof(vm->lock), value);
	if (!strcmp(key, "hookscript"))
		conf_copy(vm->hookscript, sizeof(vm->hookscript), value);
	return 0;
}

static int pair_keep(struct conf_pair **pairs, size_t *n, unsigned line, const char *key, const char *value,
		     struct pvb_err *err)
{
	struct conf_pair *more = realloc(*pairs, (*n + 1) * sizeof(*more)), *pair;

	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	*pairs = more;
	pair = &more[(*n)++];
	*pair = (struct conf_pair){ .key = strdup(key), .value = strdup(value), .line = line };
	return pair->key && pair->value ? 0 : pvb_err_set(err, -ENOMEM, "out of memory");
}

static const char *pairs_value(const struct conf_pair *pairs, size_t n, const char *key, unsigned *line)
{
	while (n-- > 0) {
		if (strcmp(pairs[n].key, key) != 0)
			continue;
		if (line)
			*line = pairs[n].line;
		return pairs[n].value;
	}
	return NULL;
}

const char *conf_vm_value(const struct conf_vm *vm, const char *key, unsigned *line)
{
	return pairs_value(vm->pairs, vm->num_pairs, key, line);
}

/* A NUL hides the rest of its line, which may be a device. */
static int line_take(struct conf_vm *vm, const struct conf_lines *lines, struct pvb_err *err)
{
	struct conf_at at = { .file = vm->file, .line = lines->number };
	bool cut = strlen(lines->line) != lines->size;
	char *key, *value;
	int r;

	if (!pair_split(lines->line, &key, &value))
		return 0;
	if (cut && hostpci_index(key) >= 0)
		return conf_at_error(&at, err, "%s: a NUL byte in the line: remove it", key);
	r = pair_keep(&vm->pairs, &vm->num_pairs, at.line, key, value, err);
	return r < 0 ? r : pair_take(vm, &at, key, value, err);
}

int conf_vm_parse(struct conf_vm *vm, char *text, size_t size, struct pvb_err *err)
{
	struct conf_lines lines = { .next = text, .left = size };
	int r = 0;

	while (r == 0 && conf_line_next(&lines) && !line_is_section(&lines))
		r = line_take(vm, &lines, err);
	return r;
}

static int vm_read_error(const struct pvb_ctx *ctx, const struct conf_vm *vm, int r, struct pvb_err *err)
{
	char node[PVB_NAME_MAX];

	if ((r == -ENOENT || r == -ENOTDIR) && conf_node_of_vm(ctx, vm->vmid, node, sizeof(node)))
		return pvb_err_set(err, -ENOENT,
				   "VM %u has no configuration on this node (%s is not there): it is on node %s, do it there",
				   vm->vmid, vm->file, node);
	if (r == -ENOENT || r == -ENOTDIR)
		return pvb_err_set(err, -ENOENT,
				   "VM %u has no configuration on this node (%s is not there): check the number with 'qm list', and that pve-cluster.service runs",
				   vm->vmid, vm->file);
	return pvb_err_set(err, r, "cannot read %s: %s", vm->file, strerror(-r));
}

int conf_vm_load(struct pvb_ctx *ctx, unsigned vmid, const char *node, struct conf_vm *vm, struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	size_t size = 0;
	int r;

	*vm = (struct conf_vm){ .vmid = vmid };
	/* The node's name comes from the environment and becomes part of a path. */
	if (node && !conf_name_valid(node, PVB_NAME_MAX))
		return pvb_err_set(err, -EINVAL,
				   "PVE_MIGRATED_FROM: '%.60s' is no node's name: unset it, or call through Proxmox VE",
				   node);
	if (node)
		snprintf(vm->file, sizeof(vm->file), "/etc/pve/nodes/%s/qemu-server/%u.conf", node, vmid);
	else
		snprintf(vm->file, sizeof(vm->file), "/" VM_DIR "/%u.conf", vmid);
	r = pvb_read_file(ctx, vm->file, VM_CONF_MAX, &text, &size);
	return r < 0 ? vm_read_error(ctx, vm, r, err) : conf_vm_parse(vm, text, size, err);
}

/* ---- behind the current part ---- */

static int section_new(struct conf_vm_section **list, size_t *n, const struct conf_lines *lines, struct pvb_err *err)
{
	struct conf_vm_section *more = realloc(*list, (*n + 1) * sizeof(*more));

	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	*list = more;
	more += (*n)++;
	*more = (struct conf_vm_section){ .name = strndup(lines->line + 1, strcspn(lines->line + 1, "]")),
					  .line = lines->number };
	return more->name ? 0 : pvb_err_set(err, -ENOMEM, "out of memory");
}

static int section_line_take(struct conf_vm_section *section, const struct conf_lines *lines, struct pvb_err *err)
{
	char *key, *value;

	if (!pair_split(lines->line, &key, &value))
		return 0;
	return pair_keep(&section->pairs, &section->num_pairs, lines->number, key, value, err);
}

int conf_vm_sections(struct pvb_ctx *ctx, const struct conf_vm *vm, struct conf_vm_section **list, size_t *n,
		     struct pvb_err *err)
{
	struct conf_lines lines = { .left = 0 };
	_conf_free_ char *text = NULL;
	int r = pvb_read_file(ctx, vm->file, VM_CONF_MAX, &text, &lines.left);

	*list = NULL;
	*n = 0;
	if (r < 0)
		return vm_read_error(ctx, vm, r, err);
	lines.next = text;
	while (r == 0 && conf_line_next(&lines)) {
		if (line_is_section(&lines))
			r = section_new(list, n, &lines, err);
		else if (*n)
			r = section_line_take(&(*list)[*n - 1], &lines, err);
	}
	return r;
}

const char *conf_vm_section_value(const struct conf_vm_section *section, const char *key, unsigned *line)
{
	return pairs_value(section->pairs, section->num_pairs, key, line);
}

void conf_vm_sections_free(struct conf_vm_section *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].name);
		conf_pairs_free(list[i].pairs, list[i].num_pairs);
	}
	free(list);
}

/* ---- the VMs of this node ---- */

static int number_compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

int conf_vm_list(struct pvb_ctx *ctx, unsigned **vmids, size_t *n)
{
	_conf_strv_ char **names = NULL;
	int r = pvb_sysfs_exists(ctx, VM_DIR) ? pvb_sysfs_list(ctx, VM_DIR, &names) : -ENOENT;
	struct pvb_err ignored;
	size_t count = 0;

	*vmids = NULL;
	*n = 0;
	if (r < 0)
		return r;
	while (names[count])
		count++;
	*vmids = calloc(count + 1, sizeof(**vmids));
	if (!*vmids)
		return -ENOMEM;
	for (char **name = names; *name; name++) {
		char *suffix = strrchr(*name, '.');

		if (!suffix || strcmp(suffix, ".conf") != 0)
			continue;
		*suffix = '\0';
		if (conf_vmid_parse(*name, &(*vmids)[*n], &ignored) == 0)
			(*n)++;
	}
	qsort(*vmids, *n, sizeof(**vmids), number_compare);
	return 0;
}

void conf_vm_clear(struct conf_vm *vm)
{
	conf_pairs_free(vm->pairs, vm->num_pairs);
	for (int i = 0; i < CONF_HOSTPCI_MAX; i++)
		hostpci_clear(&vm->hostpci[i]);
	*vm = (struct conf_vm){ .vmid = 0 };
}
