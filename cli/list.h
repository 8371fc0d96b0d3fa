/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list, among its files: inventory (what there is) · tree (for people) · listjson (for programs) · usb, usbshow. */
#ifndef PVEBIND_LIST_H
#define PVEBIND_LIST_H

#include "cli.h"

/* A VM whose configuration names a function. */
struct list_vm {
	unsigned vmid;
	char name[PVB_NAME_MAX];
	char origin[128];  /* "hostpci0", "device gpu" */
	struct pvb_addr addr; /* function or slot */
};

/* What is known of an id, and of a driver's alias: the same for all functions that have it. */
struct list_kind {
	char name[160], class_name[64]; /* of pci.ids; "" when not known */
	char **modules, **variants;     /* malloced: host drivers' modules; those of vfio variant drivers */
};

struct list_row {
	const struct pvb_function *fn;
	const struct list_kind *kind;
	const struct pvb_details *details; /* NULL: not asked for */
	const struct pvb_host_use *use;    /* NULL: the host uses nothing of it */
	const struct list_vm **vms;     /* malloced */
	size_t num_vms;
	const struct pvb_lend *lend;    /* that has it; NULL: none */
	char *stuck;                    /* malloced: in what it hangs; NULL: it does not */
	bool chosen;                    /* by the filters */
	bool mixed;                     /* its group has several slots */
};

/* Everything, rows in the order of their groups, then of their addresses; those without a group come last. */
struct list {
	struct cli *cli;
	struct pvb_snapshot *snapshot;
	struct list_row *rows;   /* malloced */
	size_t n;
	struct list_kind *kinds; /* malloced, as are the rest */
	size_t num_kinds;
	struct pvb_details *details;
	struct pvb_host_uses uses;
	struct list_vm *vms;
	size_t num_vms;
	struct pvb_lend *lends;
	size_t num_lends;
};

/* ---- inventory.c ---- */

/* All but the details. list_clear() after a failure, too. */
int list_look(struct list *list, struct cli *cli, struct pvb_err *err) PVB_MUST_CHECK;
void list_clear(struct list *list);
/* Read these parts of the details of the rows that wanted() names; once. */
int list_details(struct list *list, bool (*wanted)(const struct list *list, size_t i), unsigned parts,
		 struct pvb_err *err) PVB_MUST_CHECK;
/* The row of a function, NULL when it is not in the list. */
struct list_row *list_find(const struct list *list, const struct pvb_addr *addr);
/* How many rows from i on have its group (without one: each stands alone). */
size_t list_group_size(const struct list *list, size_t i);
/* Whether the group has functions of more than one slot, bridges not counted. */
bool list_group_mixed(const struct list *list, size_t i, size_t size);
/* Why the group from row i on is shared; PVB_GROUP_ALONE when it is not. Its details are there. -ENOMEM only. */
int list_group_explain(const struct list *list, size_t i, size_t size, struct pvb_group_reason *reason,
		       struct pvb_err *err) PVB_MUST_CHECK;
/* "NVIDIA Corporation GA104", or the class's name, or the id alone. Returns it or buf. */
const char *list_name(const struct list_row *row, char *buf, size_t size);

/* ---- tree.c, listjson.c: all chosen rows ---- */

int list_text(const struct list *list, struct pvb_err *err) PVB_MUST_CHECK;
int list_json(const struct list *list, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- usb.c, usbshow.c: list --usb ---- */

/* A USB device of a controller. */
struct list_usb {
	const struct pvb_usb *usb;
	bool twin;                /* another has its id: to be named by its port */
	const char **vms;         /* malloced: "VM 100: usb0", each malloced */
	size_t num_vms;
};
/* A USB controller. */
struct list_bus {
	const struct list_row *row; /* NULL: what hangs on no PCI function */
	struct list_usb *devices;   /* malloced */
	size_t n;
	bool advised;               /* to pass it as a whole is better than device by device */
	char why[160];              /* … as; "" otherwise */
	char against[720];          /* why it cannot be passed as a whole; "": it can */
};
struct list_buses {
	struct pvb_usbs usbs;
	struct list_bus *list;      /* malloced */
	size_t n;
};
int list_buses_look(const struct list *list, struct list_buses *buses, struct pvb_err *err) PVB_MUST_CHECK;
void list_buses_clear(struct list_buses *buses);
/* "host=046d:c52b,usb3=1": what follows `qm set VMID -usbN `. */
const char *list_usb_words(const struct list_usb *device, char buf[64]);
void list_buses_text(const struct list_buses *buses);
void list_buses_json(const struct list_buses *buses);

#endif
