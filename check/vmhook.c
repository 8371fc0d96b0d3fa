/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxmox VE's own part, of one VM: its hookscript, and who binds its devices. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "vm.h"

/* ---- hookscript ---- */

/* What Proxmox VE itself asks of it (PVE::GuestHelpers::check_hookscript); NULL: nothing is wrong. */
static const char *script_fault(const struct check_run *run, const char *path)
{
	_conf_close_ int fd = pvb_open(run->host.ctx, path, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hook_kind(run, path) == HOOK_NONE ? "is not there" : "leads to a file that is not there";
	if (!S_ISREG(st.st_mode))
		return "is no plain file";
	return st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH) ? NULL : "is not executable";
}

static void hookscript_set_check(struct check_run *run, const char *place)
{
	const char *volume = run->host.vm.hookscript, *fault;
	char path[PATH_MAX];
	struct pvb_err err;
	int r = conf_storage_snippet(run->host.ctx, volume, path, sizeof(path), &err);

	if (r == -ENOENT || r == -EINVAL || r == -ENAMETOOLONG) {
		check_fail(run, place, "the hookscript is %s, and %s", volume, err.text);
		check_command(run, "pvebind enable %u", run->host.vmid);
		return;
	}
	if (r < 0) {
		check_unknown(run, place, "the hookscript is %s; %s", volume, err.text);
		return;
	}
	fault = script_fault(run, path);
	if (fault) {
		check_fail(run, place, "the hookscript is %s, and %s %s: Proxmox VE does not start the VM", volume,
			   path, fault);
		check_advise(run, "Put it there again, or let pvebind be the hookscript.");
		check_command(run, "pvebind enable %u", run->host.vmid);
	} else if (hook_kind(run, path) == HOOK_OURS) {
		check_ok(run, place, "pvebind is the hookscript (%s)", volume);
	} else {
		check_fail(run, place, "the hookscript is %s, not pvebind: nothing is lent, and nothing taken back",
			   volume);
		check_advise(run, "Enable pvebind for the VM: it calls the other hookscript in turn (next-hookscript).");
		check_command(run, "pvebind enable %u", run->host.vmid);
	}
}

static void hookscript_check(struct check_run *run)
{
	char place[VM_PLACE_MAX];

	if (!vm_borrows(run))
		return;
	if (vm_value(run, "hookscript", place)) {
		hookscript_set_check(run, place);
		return;
	}
	check_fail(run, place,
		   "VM %u has no hookscript, so pvebind is not called: Proxmox VE binds its devices by itself, and does not give them back",
		   run->host.vmid);
	check_command(run, "pvebind enable %u", run->host.vmid);
}

static void next_check(struct check_run *run)
{
	struct conf_call call = { .ctx = run->host.ctx, .vmid = run->host.vmid, .phase = "check" };
	struct pvb_err err;

	if (!run->host.has_request || !*run->host.request.settings.next)
		return;
	call.next = run->host.request.settings.next;
	if (*call.next != '/') {
		check_fail(run, run->host.extra.config,
			   "next-hookscript %s names no file: there is no such storage, or it has no folder", call.next);
		return;
	}
	if (conf_next_check(&call, &err) < 0)
		check_fail(run, run->host.extra.config, "%s", err.text);
	else
		check_ok(run, run->host.extra.config, "the next hookscript, %s, can be called", call.next);
}

/* ---- driver=keep ---- */

static bool on_vfio(const struct check_run *run, const struct conf_hostpci *hostpci)
{
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	size_t n = vm_functions(run, hostpci, list), vfio = 0;

	while (vfio < n && list[vfio]->vfio)
		vfio++;
	return n && vfio == n;
}

/* pm: what Proxmox VE knows, as text. */
static void keep_line_check(struct check_run *run, unsigned i, const char *pm)
{
	const struct conf_hostpci *hostpci = vm_hostpci(run, i);
	bool known = pm && vm_text_has(pm, "driver") && vm_text_has(pm, "keep"), ours = hook_is_set(run);
	char place[VM_PLACE_MAX];

	vm_hostpci_place(run, hostpci, place);
	if (hostpci->driver_keep && !ours && !on_vfio(run, hostpci)) {
		check_fail(run, place,
			   "hostpci%u has driver=keep, and pvebind is not the hookscript: nobody gives the device to vfio-pci, so the VM does not start",
			   i);
		check_command(run, "pvebind enable %u", run->host.vmid);
	} else if (hostpci->driver_keep) {
		check_ok(run, place, "hostpci%u has driver=keep: Proxmox VE neither binds nor resets what is lent", i);
	} else if (!pm) {
		check_unknown(run, place,
			      "hostpci%u: whether this Proxmox VE knows driver=keep cannot be told: %s is not there", i,
			      VM_PCI_PM);
	} else if (!known) {
		check_ok(run, place, "hostpci%u: this Proxmox VE does not know driver=keep, and does well without", i);
	} else if (!ours) {
		check_ok(run, place,
			 "hostpci%u: Proxmox VE binds and resets the device itself, as pvebind is not the hookscript", i);
	} else {
		check_warn(run, place,
			   "hostpci%u has no driver=keep: Proxmox VE resets the device a second time, after pvebind", i);
		check_advise(run, "Let Proxmox VE keep the driver that it finds.");
		vm_advise_option(run, i, "driver", "keep");
	}
}

static void keep_check(struct check_run *run)
{
	_conf_free_ char *pm = vm_checkable(run) ? vm_pci_pm(run) : NULL;

	for (unsigned i = 0; vm_checkable(run) && i < CONF_HOSTPCI_MAX; i++)
		if (vm_hostpci(run, i))
			keep_line_check(run, i, pm);
}

const struct check check_vmhook[] = {
	{ "hookscript", "pvebind is the VM's hookscript", CHECK_VM, "pve", hookscript_check },
	{ "next-hookscript", "The next hookscript can be called", CHECK_VM, "pve", next_check },
	{ "vm-driver-keep", "Proxmox VE leaves binding to pvebind", CHECK_VM, "pve", keep_check },
	{ .id = NULL },
};
