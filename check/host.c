/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What many checks ask: the kernel, its command line, the devices, the VM. */
#include <stdio.h>
#include <string.h>

#include "host.h"

#define CMDLINE_MAX (1 << 16)

bool check_kernel_since(const struct check_host *host, unsigned major, unsigned minor)
{
	return host->major > major || (host->major == major && host->minor >= minor);
}

const char *check_word(const char *cmdline, const char *name, size_t *size)
{
	size_t length = strlen(name);
	const char *found = NULL;

	for (const char *word = cmdline; *(word += strspn(word, " \t\n")); word += strcspn(word, " \t\n")) {
		size_t n = strcspn(word, " \t\n");

		if (n < length || strncmp(word, name, length) != 0 || (n > length && word[length] != '='))
			continue;
		found = n > length ? word + length + 1 : word + length;
		*size = (size_t)(word + n - found);
	}
	return found;
}

bool check_has_word(const char *cmdline, const char *name)
{
	size_t size;

	return check_word(cmdline, name, &size) != NULL;
}

bool check_is_device(const struct check_host *host, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < host->num_devices; i++)
		if (pvb_addr_compare(&host->devices[i]->addr, addr) == 0)
			return true;
	return false;
}

const char *check_describe(const struct check_host *host, const struct pvb_function *fn, char *buf, size_t size)
{
	char addr[PVB_ADDR_MAX], name[160];

	pvb_name(host->ctx, fn, name, sizeof(name));
	if (!*name)
		pvb_class_name(host->ctx, fn, name, sizeof(name));
	snprintf(buf, size, *name ? "%s (%s)" : "%s", pvb_addr_format(&fn->addr, addr), name);
	return buf;
}

/* ---- the kernel ---- */

static void kernel_look(struct check_host *host)
{
	_conf_free_ char *release = NULL;

	if (pvb_read_file(host->ctx, "proc/sys/kernel/osrelease", 4096, &release, NULL) == 0)
		conf_copy(host->release, sizeof(host->release), conf_trim(release));
	if (sscanf(host->release, "%u.%u", &host->major, &host->minor) != 2)
		host->major = host->minor = 0;
	if (pvb_read_file(host->ctx, "proc/cmdline", CMDLINE_MAX, &host->cmdline, NULL) < 0)
		host->cmdline = NULL;
}

/* ---- the devices ---- */

static bool addr_wanted(const struct pvb_wanted *wanted, size_t n, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (pvb_addr_matches(&wanted[i].addr, addr))
			return true;
	return false;
}

/* Of one VM; and of all, one after the other. */
static void request_devices_add(struct check_host *host, const struct pvb_request *request)
{
	size_t n = host->snapshot ? pvb_snapshot_count(host->snapshot) : 0;

	for (size_t i = 0; i < n; i++) {
		const struct pvb_function *fn = pvb_snapshot_get(host->snapshot, i);

		/* Room for every function of the machine was made before. */
		if (addr_wanted(request->wanted, request->num_wanted, &fn->addr) && !check_is_device(host, &fn->addr))
			host->devices[host->num_devices++] = fn;
	}
}

static void vm_devices_add(struct check_host *host, unsigned vmid)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct pvb_err ignored; /* another VM's faults are found by the check that looks at all VMs */

	if (conf_request_build(host->ctx, host->front->config, vmid, NULL, &request, &extra, &ignored) == 0)
		request_devices_add(host, &request);
	conf_extra_clear(&extra);
	pvb_request_clear(&request);
}

static int all_vms_devices_add(struct check_host *host)
{
	_conf_free_ unsigned *vmids = NULL;
	size_t n = 0;
	int r = conf_vm_list(host->ctx, &vmids, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		vm_devices_add(host, vmids[i]);
	return r == -ENOENT ? 0 : r;
}

static void displays_add(struct check_host *host)
{
	size_t n = host->snapshot ? pvb_snapshot_count(host->snapshot) : 0;

	for (size_t i = 0; i < n; i++)
		if (pvb_snapshot_get(host->snapshot, i)->class_code >> 16 == 0x03)
			host->devices[host->num_devices++] = pvb_snapshot_get(host->snapshot, i);
}

static int devices_look(struct check_host *host, struct pvb_err *err)
{
	size_t n;
	int r = 0;

	if (pvb_snapshot_take(host->ctx, NULL, 0, 0, &host->snapshot, err) < 0) {
		conf_copy(host->unseen, sizeof(host->unseen), err->text);
		host->snapshot = NULL;
	}
	n = host->snapshot ? pvb_snapshot_count(host->snapshot) : 0;
	if (!n && !*host->unseen)
		conf_copy(host->unseen, sizeof(host->unseen), "the kernel shows no PCI device in /sys/bus/pci/devices");
	host->devices = calloc(n + 1, sizeof(*host->devices));
	if (!host->devices)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	if (host->vmid)
		request_devices_add(host, &host->request);
	else
		r = all_vms_devices_add(host);
	host->devices_wanted = host->vmid || host->num_devices;
	if (r == 0 && !host->vmid && !host->num_devices)
		displays_add(host);
	return r < 0 ? pvb_err_set(err, r, "cannot list the VMs: %s", strerror(-r)) : 0;
}

/* ---- the VM ---- */

static void vm_look(struct check_host *host)
{
	if (!host->vmid)
		return;
	host->has_vm = conf_vm_load(host->ctx, host->vmid, host->front->migrated_from, &host->vm, &host->vm_err) == 0;
	host->has_request = host->has_vm && conf_request_build(host->ctx, host->front->config, host->vmid,
							       host->front->migrated_from, &host->request, &host->extra,
							       &host->request_err) == 0;
}

int check_host_look(struct check_host *host, struct pvb_err *err)
{
	conf_node_name(host->ctx, host->node, sizeof(host->node));
	host->is_pve = pvb_sysfs_exists(host->ctx, "etc/pve") || pvb_sysfs_exists(host->ctx, "usr/bin/pveversion");
	kernel_look(host);
	vm_look(host);
	return devices_look(host, err);
}

void check_host_clear(struct check_host *host)
{
	free(host->devices);
	pvb_snapshot_free(host->snapshot);
	free(host->cmdline);
	conf_vm_clear(&host->vm);
	conf_extra_clear(&host->extra);
	pvb_request_clear(&host->request);
}
