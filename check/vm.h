/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm: what the checks of a VM's configuration share. */
#ifndef PVEBIND_CHECK_VM_H
#define PVEBIND_CHECK_VM_H

#include "groups.h"

#define VM_PLACE_MAX 192 /* bytes for "/etc/pve/qemu-server/100.conf:7" */

/* The VM asked for, as far as one can check it: its configuration could be read, it is no template, it names a device (for
 * the other checks there is vm-config). */
bool vm_checkable(const struct check_run *run);
/* … or it borrows devices that only pvebind.ini names. */
bool vm_borrows(const struct check_run *run);
/* Whether the cluster's file system is there: else nothing can be said of other VMs, jobs and nodes. */
bool vm_cluster_there(const struct check_run *run);
/* The value of a key, and into place where it stands: the file with the line, or the file alone. NULL: it is not there. */
const char *vm_value(const struct check_run *run, const char *key, char place[VM_PLACE_MAX]);
/* A key's value as 0 or 1; what it is when it is not there: otherwise. */
bool vm_flag(const struct check_run *run, const char *key, bool otherwise);

/* An option of a property string ("host,flags=+aes"), into buf; name NULL: the part without one. false: it is not there. */
bool vm_option(const char *value, const char *name, char *buf, size_t size);
bool vm_option_flag(const char *value, const char *name, bool otherwise);

/* The i-th hostpci line that is the hook's business: there, and no mdev; NULL otherwise. */
const struct conf_hostpci *vm_hostpci(const struct check_run *run, unsigned i);
const char *vm_hostpci_place(const struct check_run *run, const struct conf_hostpci *hostpci, char place[VM_PLACE_MAX]);
/* The functions that it passes, as many as fit; of a mapping those that would be chosen now, or of its first alternative.
 * hostpci is one of the VM asked for. 0: they cannot be seen. */
#define VM_FUNCTIONS_MAX 64
size_t vm_functions(const struct check_run *run, const struct conf_hostpci *hostpci,
		    const struct pvb_function *list[VM_FUNCTIONS_MAX]);
/* Commands: "qm set 100 --hostpci0 '…'", the line with option key set to value (NULL: taken out); and with another host. */
void vm_advise_option(struct check_run *run, unsigned i, const char *key, const char *value);
void vm_advise_host(struct check_run *run, unsigned i, const char *host);
/* As one word of a shell: malloced; NULL without memory. */
char *vm_quote(const char *text);

enum vm_seen { VM_NO, VM_YES, VM_UNSEEN };
bool vm_is_display(const struct pvb_function *fn);
/* Whether a display controller is passed. VM_UNSEEN: what is passed cannot be seen. */
enum vm_seen vm_passes_display(const struct check_run *run);
bool vm_is_q35(const struct check_run *run);
bool vm_is_ovmf(const struct check_run *run);
/* The storage of its first disk ("local-lvm"), for commands. */
const char *vm_disk_storage(const struct check_run *run, char *buf, size_t size);

/* The text of Proxmox VE's own PVE/QemuServer/PCI.pm, which knows what a hostpci line may say: malloced; NULL when it
 * cannot be read. */
#define VM_PCI_PM "/usr/share/perl5/PVE/QemuServer/PCI.pm"
char *vm_pci_pm(const struct check_run *run);
/* Whether word stands in text, alone: not as a part of another. */
bool vm_text_has(const char *text, const char *word);

/* ---- hookfile.c: what a hookscript is ---- */

#define HOOK_FILE "/usr/libexec/pvebind/pvebind-hook"
#define HOOK_SNIPPET "pvebind" /* its snippet's name */

enum hook_kind {
	HOOK_NONE,    /* there is no such file, nor link */
	HOOK_OURS,    /* a link to pvebind-hook, or that itself; it may dangle */
	HOOK_OTHER,
};
enum hook_kind hook_kind(const struct check_run *run, const char *path);
/* What is wrong with a file that root is to run, or with the folder it is in (owner, mode): into why; false: nothing. A file
 * that is not there is no fault. */
bool hook_untrusted(const struct check_run *run, const char *path, char *why, size_t size);
/* Of the VM asked for: whether pvebind is its hookscript. */
bool hook_is_set(const struct check_run *run);

#endif
