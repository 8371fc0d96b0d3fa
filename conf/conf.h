/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf: what is wanted, read from Proxmox VE's files and from pvebind.ini. Reads only.
 *
 * Files, each calling only those before it:
 *   text → values → keys → ini → settings   pvebind.ini into struct conf_settings
 *   text → node                        which node this is, and which there are
 *   text → blocks                      files of "TYPE: ID" sections
 *   text, node → hostpci → vmconf      the VM's own configuration into struct conf_vm
 *   text → mapping                     /etc/pve/mapping/pci.cfg into struct conf_mapping
 *   text → vmstate                     what runs, what is reserved
 *   text, blocks → storage             where a snippet's file is, by /etc/pve/storage.cfg
 *   all of them → wanted → request     struct pvb_request, what libpvebind takes
 *   settings, storage → nextscript     another hookscript, called after ours
 * With a header of their own, for check and setup:
 *   parameter → configured, shell → grub → bootloader   which file the kernel command line comes from, and what it says
 *   journald                           an entry of the system's log
 *   platform, kernels, modconf, modulelist, initramfs   processor and kernel options; installed kernels; modprobe.d; modules to load
 *
 * Conventions, as in libpvebind
 * - 0 or -errno; a function with a struct pvb_err fills it with one sentence: what,
 *   where (FILE:LINE), why, what to do. Every such failure is a configuration error: exit status 3.
 *   What is a refusal instead (exit status 1) is in pvb_request.refusals.
 * - Paths are below the context's root. Files are named in sentences as on a real host ("/etc/pve/…").
 * - Structures are the caller's; each has a …_clear(), which is harmless on a zeroed one
 *   and after a failure.
 */
#ifndef PVEBIND_CONF_H
#define PVEBIND_CONF_H

#include <stdlib.h>
#include <unistd.h>

#include "../libbind/pvebind.h"

/* ---- memory and descriptors that go with their scope ---------------------- */
static inline void conf_cleanup_free(void *p) { free(*(void **)p); }
static inline void conf_cleanup_close(const int *fd) { if (*fd >= 0) close(*fd); }
static inline void conf_cleanup_strv(char ***v) { pvb_strv_free(*v); }
#define _conf_strv_ __attribute__((cleanup(conf_cleanup_strv)))
#define _conf_free_ __attribute__((cleanup(conf_cleanup_free)))
#define _conf_close_ __attribute__((cleanup(conf_cleanup_close)))

/* ---- text.c: lines, words and places --------------------------------------- */

/* A place in a file, for sentences. */
struct conf_at {
	const char *file; /* as a person names it: "/etc/pve/pvebind.ini" */
	unsigned line;    /* from 1 */
};
/* "FILE:LINE: …" into *err; returns -EINVAL, so that a fault is one line. */
int conf_at_error(const struct conf_at *at, struct pvb_err *err, const char *fmt, ...) PVB_PRINTF(3, 4);

/* "/etc/default/grub:9" into buf, which is returned. line 0: none. */
const char *conf_place(char *buf, size_t size, const char *file, unsigned line);
/* Whether word stands in text, whose words blanks and newlines part. */
bool conf_has_word(const char *text, const char *word);

/* Walks a text line by line and cuts it up meanwhile: "\n" and "\r\n" become NULs. Start with
 * { .next = text, .left = size }; text[size] must be a NUL, as pvb_read_file() gives it. */
struct conf_lines {
	char *next;
	size_t left;
	char *line;      /* the line, without its end */
	size_t size;     /* its length; more than strlen(line) when it has a NUL */
	unsigned number; /* from 1 */
};
bool conf_line_next(struct conf_lines *lines);

/* Text without blanks at its ends (cut off in place). */
char *conf_trim(char *text);
/* 1|on|yes|true, 0|off|no|false in any case, as in Proxmox VE's property strings; false when it is neither. */
bool conf_bool_parse(const char *text, bool *value);
/* Copy; false when it does not fit. */
bool conf_copy(char *to, size_t size, const char *from);
/* A name of [A-Za-z0-9._-], not beginning with "." or "-", shorter than size. */
bool conf_name_valid(const char *text, size_t size);
/* All digits, no sign, no leading zero, max at most. */
bool conf_number_parse(const char *text, unsigned long max, unsigned long *value);

/* "key=value,key=value" as in Proxmox VE's property strings: the next part into *key and
 * *value (*key is NULL for a part without "="), empty parts skipped. Cuts *rest up. false at the end. */
bool conf_part_next(char **rest, char **key, char **value);

/* "10de:24b0" or "10de:24b0:1043:8866": vendor, device and perhaps the subsystem's. */
struct conf_id {
	uint16_t vendor, device, subvendor, subdevice;
	bool has_sub;
};
bool conf_id_parse(const char *text, struct conf_id *id);
#define CONF_ID_MAX 24 /* bytes for a formatted id with its NUL */
const char *conf_id_format(const struct conf_id *id, char buf[CONF_ID_MAX]);

/* A VM's number: decimal, 100 to 999999999, no leading zero, nothing else (so that it can be part
 * of a path). text may be NULL. -EINVAL. */
int conf_vmid_parse(const char *text, unsigned *vmid, struct pvb_err *err) PVB_MUST_CHECK;

/* Things worth saying that stop nothing: the caller passes each to pvb_log(). */
struct conf_note {
	enum pvb_level level; /* PVB_WARNING or PVB_NOTICE */
	char text[512];
};
struct conf_notes {
	struct conf_note *list; /* malloced; at most CONF_NOTES_MAX, then silence */
	size_t n;
};
#define CONF_NOTES_MAX 32
/* -ENOMEM only. */
int conf_note_add(struct conf_notes *notes, enum pvb_level level, const char *fmt, ...) PVB_PRINTF(3, 4) PVB_MUST_CHECK;
void conf_notes_clear(struct conf_notes *notes);

/* ---- values.c: the values of pvebind.ini --------------------------------------- */

#define CONF_LIST_MAX 32 /* entries of one list */

/* The value of "devices": "hostpci", names of [device] sections, addresses. */
struct conf_names {
	char list[CONF_LIST_MAX][PVB_NAME_MAX];
	unsigned n;
	unsigned line; /* where it (first) stands */
};

struct conf_allows {
	struct pvb_allow list[CONF_LIST_MAX];
	unsigned n;
};

enum conf_match_kind { CONF_MATCH_NONE, CONF_MATCH_ADDR, CONF_MATCH_ID, CONF_MATCH_MAPPING };
struct conf_match {
	enum conf_match_kind kind;
	struct pvb_addr addr;
	struct conf_id id;
	char mapping[PVB_NAME_MAX];
	unsigned line;
};

/* The id that must sit where match points. */
struct conf_expect {
	bool given;
	struct conf_id id;
};

/* Where a value stands, for sentences. */
struct conf_spot {
	const struct conf_at *at;
	const char *key;
	struct pvb_err *err;
};

/* A value, which is cut up, into its field; a list goes on where the field has entries already. -EINVAL. */
typedef int conf_value_fn(const struct conf_spot *spot, void *field, char *value);
conf_value_fn conf_value_stay, conf_value_console, conf_value_busy, conf_value_guard; /* bool: the second word is true */
conf_value_fn conf_value_devices; /* struct conf_names */
conf_value_fn conf_value_allow;   /* struct conf_allows */
conf_value_fn conf_value_match;   /* struct conf_match */
conf_value_fn conf_value_expect;  /* struct conf_expect */
conf_value_fn conf_value_time;    /* unsigned: milliseconds */
/* The texts of struct pvb_settings, as it has them. */
conf_value_fn conf_value_reset, conf_value_driver, conf_value_units, conf_value_containers, conf_value_unload,
	conf_value_script;

/* ---- keys.c: the keys of pvebind.ini ------------------------------------------- */

/* The keys of [defaults] and [vm]. */
struct conf_options {
	struct conf_names devices;
	struct conf_allows allow;
	struct pvb_settings settings;
};

/* What [device NAME] says. */
struct conf_device {
	char name[PVB_NAME_MAX];
	struct conf_match match; /* CONF_MATCH_NONE: only said for other nodes */
	struct conf_expect expect;
	unsigned line;           /* of the section's header */
};

enum conf_kind { CONF_DEFAULTS, CONF_DEVICE, CONF_VM };

/* A section as parsed: which keys it sets, and to what. */
struct conf_section {
	enum conf_kind kind;
	char title[64];        /* "[vm 100@pve2]", for sentences */
	char name[PVB_NAME_MAX]; /* device */
	unsigned vmid;
	bool for_node;         /* has @NODE */
	bool foreign;          /* of another VM or node: faults only warn */
	bool bad;              /* foreign and faulty: not used */
	unsigned line;
	uint32_t set;          /* bit i: key i of its kind's table */
	union {
		struct conf_options options;
		struct conf_device device;
	};
};

/* One "key = value" into the section. value is cut up. -EINVAL: unknown key, double
 * single-valued key, bad value. */
int conf_key_parse(struct conf_section *section, const struct conf_at *at, const char *key, char *value,
		   struct pvb_err *err) PVB_MUST_CHECK;
/* Copy what from sets into to, key by key. Both of one kind. */
void conf_keys_overlay(struct conf_section *to, const struct conf_section *from);

/* ---- ini.c: pvebind.ini into sections; the only file that includes inih -------- */

struct conf_sections {
	struct conf_section **list; /* malloced, each malloced; in file order */
	size_t n;
	struct conf_notes notes;    /* faults in sections of other VMs and nodes */
};

/* text is cut up, text[size] must be a NUL; file names it in sentences; vmid, node: what is not
 * foreign, vmid 0: every VM. */
int conf_ini_parse(struct conf_sections *sections, const char *file, char *text, size_t size, unsigned vmid,
		   const char *node, struct pvb_err *err) PVB_MUST_CHECK;
void conf_sections_clear(struct conf_sections *sections);

/* ---- settings.c: what the sections come to for one VM ----------------------------- */

#define CONF_INI_CLUSTER "/etc/pve/pvebind.ini"
#define CONF_INI_LOCAL "/etc/pvebind/pvebind.ini"
#define CONF_INI_MAX (1024 * 1024) /* bytes */

/* What pvebind.ini says for one VM on one node. */
struct conf_settings {
	char file[256];              /* the file that was read; "" when there is none */
	char node[PVB_NAME_MAX];     /* for which */
	bool both;                   /* both CONF_INI_CLUSTER and CONF_INI_LOCAL exist: the second is not read */
	struct conf_options options; /* effective: [vm ID@NODE] before [vm ID] before [defaults] before built in */
	struct conf_device *devices; /* malloced; those of this node */
	size_t num_devices;
	struct conf_notes notes;     /* faults in sections of other VMs and nodes; keys without effect */
};

/* Read file (absolute; it must exist), or with NULL the first of CONF_INI_CLUSTER and
 * CONF_INI_LOCAL that exists; none of them is fine: built-in defaults. It must be a plain file, root's
 * (below a root other than "/": or the caller's) and writable by its owner only.
 * vmid 0: for no VM in particular; every VM's section is then checked as strictly as its own. */
int conf_settings_load(struct pvb_ctx *ctx, const char *file, unsigned vmid, const char *node,
		       struct conf_settings *settings, struct pvb_err *err) PVB_MUST_CHECK;
/* The same from memory, as conf_ini_parse(). */
int conf_settings_parse(struct conf_settings *settings, const char *file, char *text, size_t size, unsigned vmid,
			const char *node, struct pvb_err *err) PVB_MUST_CHECK;
/* The device called name, or NULL. */
const struct conf_device *conf_settings_device(const struct conf_settings *settings, const char *name);
void conf_settings_clear(struct conf_settings *settings);

/* ---- blocks.c: Proxmox VE's files of "TYPE: ID" sections ------------------------------ */

/* "key: value" or "key value", as written. */
struct conf_pair {
	char *key, *value; /* malloced */
	unsigned line;
};
void conf_pairs_free(struct conf_pair *pairs, size_t n);

struct conf_block {
	char *type, *id;         /* malloced */
	unsigned line;
	struct conf_pair *pairs; /* malloced */
	size_t num_pairs;
};
struct conf_blocks {
	struct conf_block *list; /* malloced, in file order */
	size_t n;
};
/* Read path ("/etc/pve/jobs.cfg"). -ENOENT: there is none. Free with conf_blocks_clear(), after a failure too. */
int conf_blocks_load(struct pvb_ctx *ctx, const char *path, struct conf_blocks *blocks, struct pvb_err *err) PVB_MUST_CHECK;
/* The same from memory: text is cut up, text[size] must be a NUL. */
int conf_blocks_parse(struct conf_blocks *blocks, char *text, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
/* The value of a key, "1" of one without; the last where it is doubled; NULL. */
const char *conf_block_value(const struct conf_block *block, const char *key);
/* Whether the key is there, and 1. */
bool conf_block_on(const struct conf_block *block, const char *key);
void conf_blocks_clear(struct conf_blocks *blocks);

/* ---- node.c: the cluster's nodes --------------------------------------------------- */

/* This node's name into buf: where etc/pve/local leads, else the host's name up to its first dot. */
const char *conf_node_name(const struct pvb_ctx *ctx, char *buf, size_t size);
/* The nodes that have joined the cluster (corosync.conf); without a cluster those that have a folder below etc/pve/nodes,
 * this one among them. *names as pvb_sysfs_list() gives it; empty when nothing tells. */
int conf_node_list(const struct pvb_ctx *ctx, char ***names) PVB_MUST_CHECK;
/* The node whose VM it is into buf; false: no node's. */
bool conf_node_of_vm(const struct pvb_ctx *ctx, unsigned vmid, char *buf, size_t size);

/* ---- hostpci.c, vmconf.c: the VM's configuration -------------------------------- */

#define CONF_HOSTPCI_MAX 16 /* PVE/QemuServer/PCI.pm: $MAX_HOSTPCI_DEVICES */

/* One hostpciN line. Either ids or mapping. */
struct conf_hostpci {
	bool present;
	unsigned line;
	char *text;           /* malloced: the value as written */
	struct pvb_addr *ids; /* malloced; without ".fn": PVB_FN_ALL */
	size_t num_ids;
	char mapping[PVB_NAME_MAX];
	char mdev[PVB_NAME_MAX]; /* a mediated device of that type: Proxmox VE's business, not ours */
	bool driver_keep;        /* driver=keep: Proxmox VE neither binds nor resets */
	bool pcie, x_vga, legacy_igd;
};

/* Parse one value. Strict: a malformed one is an error that names key. Unknown options are
 * let be, since Proxmox VE learns new ones and checks them itself. */
int conf_hostpci_parse(struct conf_hostpci *hostpci, const struct conf_at *at, const char *key, const char *value,
		       struct pvb_err *err) PVB_MUST_CHECK;

/* The current part of a VM's configuration, as far as it is about us. */
struct conf_vm {
	unsigned vmid;
	char file[128];      /* "/etc/pve/qemu-server/100.conf" */
	char name[PVB_NAME_MAX];
	char lock[32];       /* "backup", "migrate", …; "" for none */
	char hookscript[256];
	bool is_template;
	struct conf_hostpci hostpci[CONF_HOSTPCI_MAX];
	/* Every "key: value" of the current part, as written, in its order. */
	struct conf_pair *pairs; /* malloced */
	size_t num_pairs;
};
/* The value of a key, the last where it is doubled, as in Proxmox VE; NULL. line (may be NULL): where it stands. */
const char *conf_vm_value(const struct conf_vm *vm, const char *key, unsigned *line);
/* What stands behind the current part: "PENDING", a snapshot's name, "special:cloudinit". */
struct conf_vm_section {
	char *name;              /* malloced */
	unsigned line;
	struct conf_pair *pairs; /* malloced */
	size_t num_pairs;
};
/* The sections of vm's file, in their order: malloced; free with conf_vm_sections_free(). */
int conf_vm_sections(struct pvb_ctx *ctx, const struct conf_vm *vm, struct conf_vm_section **list, size_t *n,
		     struct pvb_err *err) PVB_MUST_CHECK;
void conf_vm_sections_free(struct conf_vm_section *list, size_t n);
/* A key's value there, as conf_vm_value(). */
const char *conf_vm_section_value(const struct conf_vm_section *section, const char *key, unsigned *line);
/* The numbers of this node's VMs, ascending: malloced. -ENOENT: no /etc/pve/qemu-server. */
int conf_vm_list(struct pvb_ctx *ctx, unsigned **vmids, size_t *n) PVB_MUST_CHECK;

/* Read etc/pve/qemu-server/VMID.conf, or with a node etc/pve/nodes/NODE/qemu-server/VMID.conf
 * (PVE_MIGRATED_FROM: an incoming live migration, whose config is still there).
 * -ENOENT when there is none. */
int conf_vm_load(struct pvb_ctx *ctx, unsigned vmid, const char *node, struct conf_vm *vm,
		 struct pvb_err *err) PVB_MUST_CHECK;
/* The same from memory: text is cut up, text[size] must be a NUL; vm->file must be set. */
int conf_vm_parse(struct conf_vm *vm, char *text, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
void conf_vm_clear(struct conf_vm *vm);

/* ---- container.c: /etc/pve/lxc/ID.conf ------------------------------------------------ */

struct conf_node {
	char *path; /* "/dev/dri/renderD128"; malloced */
	unsigned line;
};
struct conf_container {
	unsigned id;
	char file[64];           /* "/etc/pve/lxc/105.conf" */
	char hookscript[256];    /* a volume; "": none */
	struct conf_node *nodes; /* without which it does not start (devN, lxc.mount.entry); malloced */
	size_t num_nodes;
};
/* Whether the number is a container's of this node. */
bool conf_container_is(const struct pvb_ctx *ctx, unsigned id);
/* Its current part; what is malformed is Proxmox VE's to refuse. Free with conf_container_clear(), after a failure too. */
int conf_container_load(struct pvb_ctx *ctx, unsigned id, struct conf_container *ct, struct pvb_err *err) PVB_MUST_CHECK;
void conf_container_clear(struct conf_container *ct);

/* ---- mapping.c: /etc/pve/mapping/pci.cfg ------------------------------------------ */

#define CONF_MAPPING_FILE "/etc/pve/mapping/pci.cfg"

/* One map line: a device, or several that are passed together. */
struct conf_alternative {
	struct pvb_addr *paths; /* malloced */
	size_t num_paths;
	bool has_id;
	struct conf_id id;      /* with the subsystem when the line has one */
	int group;              /* iommugroup; -1 when not said */
	unsigned line;
};

/* A mapping's alternatives on one node, in file order. */
struct conf_mapping {
	struct conf_alternative *list; /* malloced */
	size_t n;
};

/* -ENOENT: no such mapping, or none for this node; -EINVAL: a bad line of it. */
int conf_mapping_load(struct pvb_ctx *ctx, const char *name, const char *node, struct conf_mapping *mapping,
		      struct pvb_err *err) PVB_MUST_CHECK;
/* The same from memory: text is cut up, text[size] must be a NUL. */
int conf_mapping_parse(struct conf_mapping *mapping, char *text, size_t size, const char *name, const char *node,
		       struct pvb_err *err) PVB_MUST_CHECK;
void conf_mapping_clear(struct conf_mapping *mapping);

/* ---- vmstate.c: what runs ------------------------------------------------------------ */

/* Proxmox VE's test of a running VM: its QEMU's pid, or 0. After a forced stop the pid file is
 * gone while QEMU is still letting go of its devices: 0 does not prove that they are free. */
int conf_vmstate_pid(const struct pvb_ctx *ctx, unsigned vmid);
/* The same, or known, where that process (0: none) is the VM's QEMU still, whatever became of the pid file. */
int conf_vmstate_qemu(const struct pvb_ctx *ctx, unsigned vmid, int known);
/* A `qm reboot` is pending: post-stop is followed by a pre-start at once. */
bool conf_vmstate_rebooting(const struct pvb_ctx *ctx, unsigned vmid);
/* `qm cleanup` is still to come: from QEMU's start until just before post-stop. */
bool conf_vmstate_cleanup(const struct pvb_ctx *ctx, unsigned vmid);
/* An inotify descriptor, the caller's, that becomes readable when that flag goes. -ENOENT: it is not there. */
int conf_vmstate_cleanup_watch(const struct pvb_ctx *ctx, unsigned vmid) PVB_MUST_CHECK;
/* Proxmox VE's config lock of the VM: open it for flock(2) (-ENOENT: never locked), and whether somebody has it now. */
int conf_vmstate_lock_open(const struct pvb_ctx *ctx, unsigned vmid) PVB_MUST_CHECK;
bool conf_vmstate_locked(const struct pvb_ctx *ctx, unsigned vmid);
/* Who but vmid has reserved addr (or a function of that slot) with Proxmox VE: its VM number, or 0. */
unsigned conf_vmstate_reserved(const struct pvb_ctx *ctx, const struct pvb_addr *addr, unsigned vmid);
/* Whether the host is going down. Only the real machine ("/") with systemd can be; asks `systemctl
 * is-system-running` for "stopping" (a second at most), since systemd leaves no file that says so:
 * /run/systemd/shutdown/scheduled is about later, and /run/nologin, there during boot too, decides only when it is silent. */
bool conf_vmstate_shutting_down(const struct pvb_ctx *ctx);
/* A pvb_identify_fn, data being the struct pvb_ctx *: "VM 101" for a QEMU of Proxmox VE's. */
bool conf_vmstate_identify(void *data, int pid, char *buf, size_t size);

/* ---- storage.c: Proxmox VE's storages ---------------------------------------------------- */

#define CONF_STORAGE_FILE "/etc/pve/storage.cfg"

/* One storage, as far as it is about snippets. */
struct conf_storage {
	char id[PVB_NAME_MAX], type[PVB_NAME_MAX];
	char path[256];    /* of its folder; "" when it has none */
	char subdir[128];  /* of snippets, below path: "snippets" */
	char content[256]; /* as written: "iso,vztmpl,backup"; with no entry Proxmox VE's own of its type */
	char nodes[256];   /* the only nodes that have it, comma-separated; "": all */
	bool shared;       /* the same files on all nodes */
	bool disabled;
	unsigned line;     /* of its header; 0: "local", which there is without an entry too */
};
/* All storages in file order, "local" among them: malloced. */
int conf_storage_list(struct pvb_ctx *ctx, struct conf_storage **list, size_t *n, struct pvb_err *err) PVB_MUST_CHECK;
/* Whether the comma-separated list (content, nodes) has word. */
bool conf_list_has(const char *list, const char *word);
/* Whether both have the same words, in any order. */
bool conf_list_same(const char *a, const char *b);
/* The file of a snippet: "local:snippets/mine" to "/var/lib/vz/snippets/mine". It need not exist.
 * -ENOENT: there is no such storage; -EINVAL: it has no folder. */
int conf_storage_snippet(struct pvb_ctx *ctx, const char *volume, char *path, size_t size,
			 struct pvb_err *err) PVB_MUST_CHECK;

/* ---- wanted.c: from a name to devices ------------------------------------------------- */

/* Somebody asks for a device. */
struct conf_ask {
	struct pvb_ctx *ctx;
	const char *node;
	unsigned vmid;
	const char *origin;          /* "hostpci0", "device gpu": pvb_wanted.origin */
	const char *key;             /* what to correct, for sentences: "match" … */
	struct conf_at at;           /* … and where */
	const struct conf_id *expect; /* may be NULL */
	bool variant;                /* driver=keep */
	struct pvb_request *request; /* wanted devices and refusals go here */
};

/* Want the function or slot; it must exist (-ENODEV). Reserved for another VM: a reserved-by-pve
 * refusal. What is wanted already is not wanted twice. A refused device is in the list all the same. */
int conf_want_addr(const struct conf_ask *ask, const struct pvb_addr *addr, struct pvb_err *err) PVB_MUST_CHECK;
/* Want what has this id (-ENODEV when nothing has). One device is meant: several functions of
 * one slot are the slot; so is one function of a card behind a bridge. Anything in two slots, or
 * two VFs, is an ambiguous refusal. */
int conf_want_id(const struct conf_ask *ask, const struct conf_id *id, struct pvb_err *err) PVB_MUST_CHECK;
/* Want the mapping's first alternative that is free, by Proxmox VE's own rule. */
int conf_want_mapping(const struct conf_ask *ask, const char *mapping, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- request.c: the request ------------------------------------------------------------- */

/* What the hook and the commands need besides the request. */
struct conf_extra {
	char node[PVB_NAME_MAX];
	char config[256];   /* the pvebind.ini that was read; "" for none */
	char vm_file[128];
	char vm_name[PVB_NAME_MAX];
	char lock[32];      /* the VM config's lock: "backup", … */
	char hookscript[256];
	bool is_template;   /* nothing is to be done: the request is then empty */
	bool has_devices;   /* something is wanted, or refused; else there is nothing to lend:
	                       do not hand the empty request on */
	struct conf_notes notes;
};

/* What VM vmid wants, from its config (migrated_from: the node it is on still; or NULL) and from
 * pvebind.ini (config as conf_settings_load()'s file). request: pvb_request_clear(), extra:
 * conf_extra_clear(), both after a failure too. Looks at sysfs through pvb_snapshot_take(). */
int conf_request_build(struct pvb_ctx *ctx, const char *config, unsigned vmid, const char *migrated_from,
		       struct pvb_request *request, struct conf_extra *extra, struct pvb_err *err) PVB_MUST_CHECK;
/* The same with pvebind.ini as it was read already for this VM and this node, and whose notes are taken; NULL: it is read. */
int conf_request_build_with(struct pvb_ctx *ctx, const char *config, struct conf_settings *settings, unsigned vmid,
			    const char *migrated_from, struct pvb_request *request, struct conf_extra *extra, struct pvb_err *err)
	PVB_MUST_CHECK;
void conf_extra_clear(struct conf_extra *extra);

/* ---- nextscript.c: another hookscript -------------------------------------------------------- */

#define CONF_NEXT_MAX sizeof(((struct pvb_settings *)NULL)->next)

/* Read pvebind.ini for VM vmid on this node: settings.options.settings.next is a volume or a path, as written; "" for none. */
int conf_next_configured(struct pvb_ctx *ctx, const char *config, unsigned vmid, struct conf_settings *settings,
			 struct pvb_err *err) PVB_MUST_CHECK;
/* A volume becomes the path of its file; a path is let be. */
int conf_next_resolve(struct pvb_ctx *ctx, char next[CONF_NEXT_MAX], struct pvb_err *err) PVB_MUST_CHECK;
/* For the phases after pre-start: the path that VM vmid's lend has in its journal; when nothing is lent, what
 * pvebind.ini says, if /etc/pve answers within a second. "" for none. */
int conf_next_recall(struct pvb_ctx *ctx, const char *config, unsigned vmid, char next[CONF_NEXT_MAX],
		     struct pvb_err *err) PVB_MUST_CHECK;

struct conf_call {
	struct pvb_ctx *ctx;
	const char *next;  /* a path */
	unsigned vmid;
	const char *phase;
};
/* Whether it can be called: Proxmox VE's own rules (a plain file, executable), and more: it runs as root, so it
 * must be root's and nobody else may write it, on whatever storage it is; it must not lead back to pvebind. */
int conf_next_check(const struct conf_call *call, struct pvb_err *err) PVB_MUST_CHECK;
/* Call it with VMID and PHASE, its input, output and environment ours, and wait for its end, however long it takes.
 * A status other than 0 is -ECHILD. SIGTERM, SIGINT and SIGHUP for us alone are passed on to it, and stay pending
 * for us where we block them. */
int conf_next_run(const struct conf_call *call, struct pvb_err *err) PVB_MUST_CHECK;

#endif
