/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the machine's interpreter share: the words that act, each 0 or -1 with the machine's error. */
#ifndef MACHINEPARTS_H
#define MACHINEPARTS_H

#include <stdint.h>

#include "ft_internal.h"
#include "machine.h"

/* Fill in the machine's error with the place and the sentence, and return -1. */
int machine_fail(struct machine *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define MACHINE_MOMENT 1750000000 /* "now", for the ages of files; before any day on which this can run */

/* ---- machineconfig.c ---- */

#define MACHINE_BARS 7 /* six, and the ROM */

struct machine_bar {
	uint64_t start, size; /* size 0: none */
	bool io, wide, prefetchable, unassigned;
};

struct machine_config {
	unsigned vendor, device, subvendor, subdevice, class_code, revision;
	unsigned secondary, subordinate, bus; /* secondary not 0: a bridge */
	bool pcie, no_flr, no_soft_reset, off, vf, multifunction;
	unsigned type;                        /* of the PCI Express capability */
	unsigned speed, width, max_speed, max_width; /* speed: 1 is 2.5 GT/s … 6 is 64; width 0: no link */
	unsigned power;                       /* D0 to D3hot */
	int acs;                              /* its capability's bits; -1: none */
	bool aer, ari;
	unsigned vfs, total_vfs;              /* total 0: no SR-IOV */
	uint32_t resizable[6];                /* sizes of a resizable BAR, bit 4 is 1 MiB; 0: not resizable */
	struct machine_bar bar[MACHINE_BARS];
};

/* Make the bytes; returns how many. */
size_t machine_config_make(const struct machine_config *c, unsigned char bytes[4096]);

/* ---- machineattr.c ---- */

#define MACHINE_KEYS 48

/* A function as written; a later "pci" with its address changes what it names. */
struct machine_function {
	char bdf[16];
	char *keys[MACHINE_KEYS]; /* "name=value" */
	int num_keys;
	struct machine_config config;
};

/* The value of a key; NULL: it is not given. A number, or what it is without the key. */
const char *machine_key(const struct machine_function *f, const char *name);
unsigned machine_key_number(const struct machine_function *f, const char *name, int base, unsigned without);
/* Keys to config; and what is in the device's folder, which is there. */
void machine_config_parse(struct ft_tree *t, struct machine_function *f);
void machine_config_put(struct ft_tree *t, const struct machine_function *f);
void machine_attributes_put(struct ft_tree *t, const struct machine_function *f);

/* ---- machinepci.c ---- */

int machine_pci(struct machine *m, const struct script_words *w);
int machine_unplug(struct machine *m, const struct script_words *w);
void machine_pci_finish(struct machine *m);
void machine_pci_free(struct machine *m);

/* ---- machinefiles.c ---- */

int machine_write(struct machine *m, const struct script_words *w);
int machine_file(struct machine *m, const struct script_words *w);
int machine_append(struct machine *m, const struct script_words *w);
int machine_replace(struct machine *m, const struct script_words *w);
int machine_link(struct machine *m, const struct script_words *w);
int machine_move(struct machine *m, const struct script_words *w);
int machine_mkdir(struct machine *m, const struct script_words *w);
int machine_remove(struct machine *m, const struct script_words *w);
int machine_mode(struct machine *m, const struct script_words *w);
int machine_program(struct machine *m, const struct script_words *w);
int machine_player(struct machine *m, const struct script_words *w);
int machine_age(struct machine *m, const struct script_words *w);
int machine_vm(struct machine *m, const struct script_words *w);
int machine_attr(struct machine *m, const struct script_words *w);

/* ---- machinehost.c, machineindex.c ---- */

int machine_disk(struct machine *m, const struct script_words *w);
int machine_mapped(struct machine *m, const struct script_words *w);
int machine_mount(struct machine *m, const struct script_words *w);
int machine_bridge(struct machine *m, const struct script_words *w);
int machine_modules(struct machine *m, const struct script_words *w);

/* ---- machineparts.c ---- */

int machine_net(struct machine *m, const struct script_words *w);
int machine_nvme(struct machine *m, const struct script_words *w);
int machine_framebuffer(struct machine *m, const struct script_words *w);
int machine_firmware(struct machine *m, const struct script_words *w);
int machine_console(struct machine *m, const struct script_words *w);
int machine_process(struct machine *m, const struct script_words *w);
int machine_vfio(struct machine *m, const struct script_words *w);
int machine_module(struct machine *m, const struct script_words *w);
int machine_builtin(struct machine *m, const struct script_words *w);
int machine_package(struct machine *m, const struct script_words *w);
int machine_efi(struct machine *m, const struct script_words *w);
int machine_rom(struct machine *m, const struct script_words *w);
int machine_hex(struct machine *m, const struct script_words *w);
int machine_dmar(struct machine *m, const struct script_words *w);
int machine_ivrs(struct machine *m, const struct script_words *w);
void machine_modules_finish(struct machine *m);

#endif
