/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libpvebind: lend a host's PCI devices to somebody (a VM), and take them back.
 *
 * The library knows nothing of VMs, of Proxmox VE or of configuration files: a
 * request says what is wanted and for whom (a name and a label), and the
 * library looks (snapshot), decides (plan, pure data) and acts (journaled,
 * verified, undone on failure).
 *
 * Conventions
 * - Every fallible function returns 0, or a negative errno, and then has filled
 *   *err (never NULL) with the same code and one sentence: what, where, why, what to do.
 * - PVB_EATTENTION is the one code that means "the host is not as it was":
 *   something could not be brought home. All other failures left it as before.
 * - Strings in public structures are NUL-terminated and empty when unknown.
 * - Structures are filled in by the library and only ever grow at their end.
 * - Paths are below the root directory given to pvb_ctx_new().
 * - A context belongs to one thread. Functions that act fork short-lived
 *   children; the caller must not reap all children behind their back. The last
 *   of them are collected by pvb_ctx_free().
 */
#ifndef PVEBIND_H
#define PVEBIND_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PVB_VERSION "0.1.0"
#define PVB_MUST_CHECK __attribute__((warn_unused_result))
#define PVB_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* ---- errors ---------------------------------------------------------- */

#define PVB_EATTENTION ENOTRECOVERABLE /* the host needs attention: exit status 4 */

struct pvb_err {
	int code;       /* negative errno; 0 while nothing happened */
	char text[512]; /* one sentence, no newline; cut where longer */
};

/* Fill *err and return code, so that a failure is one line:
 * return pvb_err_set(err, -ENOENT, "no device %s here", name); */
int pvb_err_set(struct pvb_err *err, int code, const char *fmt, ...) PVB_PRINTF(3, 4);

/* ---- addresses ------------------------------------------------------- */

#define PVB_FN_ALL 0xff /* pvb_addr.fn: every function of the slot */
#define PVB_ADDR_MAX 24 /* bytes for a formatted address with its NUL */

/* A PCI function, or (fn = PVB_FN_ALL) a whole slot. */
struct pvb_addr {
	uint32_t domain;
	uint8_t bus, dev, fn;
};

/* Parse "[domain:]bus:dev[.fn]", hex, domain of 4 to 8 digits and 0 when absent
 * (the grammar of Proxmox VE's hostpci, whose domain may exceed 4 digits: VMD,
 * Hyper-V). The whole string must match. -EINVAL otherwise. err NULL: who only asks
 * whether it is one is made no sentence. */
int pvb_addr_parse(const char *text, struct pvb_addr *addr, struct pvb_err *err) PVB_MUST_CHECK;

/* Write "0000:01:00.0" (as sysfs names the function), or "0000:01:00" for a slot. Returns buf. */
const char *pvb_addr_format(const struct pvb_addr *addr, char buf[PVB_ADDR_MAX]);

/* <0, 0, >0 in domain, bus, device, function order: the order locks are taken in. */
int pvb_addr_compare(const struct pvb_addr *a, const struct pvb_addr *b);
/* Whether fn is the function pattern names, or one of the slot it names. */
bool pvb_addr_matches(const struct pvb_addr *pattern, const struct pvb_addr *fn);

/* ---- context --------------------------------------------------------- */

struct pvb_ctx;

enum pvb_level { PVB_ERROR, PVB_WARNING, PVB_NOTICE, PVB_INFO, PVB_DEBUG };

/* One line for a person, without newline. Called in the caller's process only. */
typedef void pvb_log_fn(void *data, enum pvb_level level, const char *line);

/* What a line says has happened. */
enum pvb_event_kind {
	PVB_EVENT_NONE,     /* a step, a note */
	PVB_EVENT_LEND,     /* a lend begins */
	PVB_EVENT_LENT,     /* … has come to be; or was there already */
	PVB_EVENT_RUNNING,  /* the borrower's start has succeeded */
	PVB_EVENT_UNDO,     /* a lend failed, or was given up: what was moved goes home */
	PVB_EVENT_KEPT,     /* the borrower has ended, its devices stay on vfio */
	PVB_EVENT_RETURN,   /* devices that were lent are taken back */
	PVB_EVENT_RECOVER,  /* what was left half-way, or failed, is brought home */
	PVB_EVENT_HOME,     /* the end of UNDO, RETURN, RECOVER: all of it is home */
	PVB_EVENT_REFUSED,  /* it would not be lent, and nothing was changed */
	PVB_EVENT_FAILED,   /* a step failed */
	PVB_EVENT_LATE,     /* the time was over; what is on its way goes on by itself */
	PVB_EVENT_STUCK,    /* a device hangs in the kernel */
	PVB_EVENT_NOT_HOME, /* something could not be brought home: the host needs attention */
	PVB_EVENT_COUNT
};
/* "lend", "not-home", …; "" of PVB_EVENT_NONE. */
const char *pvb_event_name(enum pvb_event_kind kind);

/* What a line is about, for a log that has fields. What does not apply is NULL, 0 or false. */
struct pvb_event {
	enum pvb_event_kind kind;
	const char *name;       /* of the lend, as pvb_request.name */
	uint64_t generation;    /* of the lend */
	const char *devices;    /* "0000:01:00.0, 0000:01:00.1" */
	const char *refusal;    /* its name: "host-disk" */
	bool timed;
	int64_t ms;             /* how long it took, when timed */
};
/* Called for the same lines as pvb_log_fn, after it; what event points to lives as long as the call. */
typedef void pvb_event_fn(void *data, enum pvb_level level, const char *line, const struct pvb_event *event);
/* Name the owner of a process ("VM 101") into buf; false when it is nobody you know. */
typedef bool pvb_identify_fn(void *data, int pid, char *buf, size_t size);

/* Open a context on the tree below root ("/" for the real one; tests give another).
 * *ctx is the caller's, to be freed with pvb_ctx_free(). */
int pvb_ctx_new(struct pvb_ctx **ctx, const char *root, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_ctx_free(struct pvb_ctx *ctx);
/* Whom to tell (NULL: nobody), and whom to ask for a process's owner; data is handed on. */
void pvb_ctx_set_log(struct pvb_ctx *ctx, pvb_log_fn *fn, void *data);
void pvb_ctx_set_event(struct pvb_ctx *ctx, pvb_event_fn *fn, void *data);
void pvb_ctx_set_identify(struct pvb_ctx *ctx, pvb_identify_fn *fn, void *data);
/* A descriptor (a signalfd, a pipe) that becomes readable when the caller wants a lend
 * given up: what was done is then undone and the lend fails with -ECANCELED. -1: none. */
void pvb_ctx_set_cancel_fd(struct pvb_ctx *ctx, int fd);
/* The time of what is asked next (settings.hook_timeout_ms) began at start_ns of CLOCK_MONOTONIC: for who looks at other
 * things first. 0, as it is: it begins as it is asked. */
void pvb_ctx_set_start(struct pvb_ctx *ctx, int64_t start_ns);
/* Called when libkmod is needed and cannot be loaded, while nothing that is asked for has been changed yet; what was locked is
 * free when this process becomes another program (exec), which can then do all of it. When it returns it is done without:
 * modprobe loads, and what cannot be looked up fails with a sentence. NULL, as it is: nobody. */
typedef void pvb_without_kmod_fn(void *data);
void pvb_ctx_set_without_kmod(struct pvb_ctx *ctx, pvb_without_kmod_fn *fn, void *data);
/* Called when a lend's journal is written and nothing has changed yet, and again with a new generation when what is lent
 * already is lent anew: who wants to watch the lend begins here. Must not block. A process made here must leave our descriptors
 * (exec, close_range()): workers end when nobody has the other end of their pipes any more. */
typedef void pvb_begun_fn(void *data, const char *name, uint64_t generation);
void pvb_ctx_set_begun(struct pvb_ctx *ctx, pvb_begun_fn *fn, void *data);
/* Send one line through the context's log. */
void pvb_log(struct pvb_ctx *ctx, enum pvb_level level, const char *fmt, ...) PVB_PRINTF(3, 4);
/* The same, with what it is about. */
void pvb_tell(struct pvb_ctx *ctx, enum pvb_level level, const struct pvb_event *event, const char *fmt, ...) PVB_PRINTF(4, 5);
/* The root as given; "/" for the real machine. */
const char *pvb_ctx_root(const struct pvb_ctx *ctx);

/* Open path ("etc/pve/storage.cfg", no leading slash needed) below the root; symbolic
 * links, absolute ones too, stay below it (openat2 RESOLVE_IN_ROOT). Returns a
 * close-on-exec descriptor, the caller's, or -errno. */
int pvb_open(const struct pvb_ctx *ctx, const char *path, int flags) PVB_MUST_CHECK;
/* Read a whole small file. *text is malloced and NUL-terminated, *size (may be NULL) its
 * length without that NUL: a file with NUL bytes shows by strlen() < size.
 * -EFBIG past max bytes, -EISDIR, or the open's error. */
int pvb_read_file(const struct pvb_ctx *ctx, const char *path, size_t max, char **text, size_t *size) PVB_MUST_CHECK;

/* ---- programs: the host's own commands ------------------------------------- */

struct pvb_output {
	int status;       /* exit status; 128 + signal */
	char text[4096];  /* stdout and stderr; cut where longer */
};
/* Run a program ("usr/sbin/qm", below the root) with args (NULL at their end, 30 at most) to its end, no shell between,
 * its input empty. 0 whatever its status is; -ENOENT: it is not here; -ETIMEDOUT, -ECANCELED: it was killed. */
int pvb_program(struct pvb_ctx *ctx, const char *program, const char *const *args, unsigned timeout_ms,
		struct pvb_output *output) PVB_MUST_CHECK;
/* The same for one that must not be cut off half-way: a wish to stop is heeded when it has ended: -ECANCELED. */
int pvb_program_whole(struct pvb_ctx *ctx, const char *program, const char *const *args, unsigned timeout_ms,
		      struct pvb_output *output) PVB_MUST_CHECK;
/* The same as pvb_program() for one that says much: into fd, a file of the caller's; *status as above. */
int pvb_program_into(struct pvb_ctx *ctx, const char *program, const char *const *args, unsigned timeout_ms, int fd,
		     int *status) PVB_MUST_CHECK;
/* The last line of what it said, for a sentence. Returns buf. */
const char *pvb_output_last(const struct pvb_output *output, char *buf, size_t size);

/* ---- sysfs: what the structures below do not have ------------------------- */

/* An attribute's text without its last newline. -ENOBUFS when it does not fit. */
int pvb_sysfs_read(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;
/* The last component of a link's target ("driver" → "bochs-drm"); "" and 0 when there is no link. */
int pvb_sysfs_link(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;
/* Whether there is such a file, link or directory. */
bool pvb_sysfs_exists(const struct pvb_ctx *ctx, const char *path);
/* Entries of a directory but "." and "..", sorted by name; *names: malloced array of malloced
 * strings with NULL at its end, free with pvb_strv_free(). A missing directory is an empty list. */
int pvb_sysfs_list(const struct pvb_ctx *ctx, const char *path, char ***names) PVB_MUST_CHECK;
/* Free such an array; NULL: nothing. */
void pvb_strv_free(char **names);

/* ---- snapshot: what is ------------------------------------------------ */

#define PVB_NAME_MAX 64

/* One PCI function as sysfs shows it. Immutable. */
struct pvb_function {
	struct pvb_addr addr;
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code;           /* 24 bits: base class, subclass, interface */
	uint8_t revision;
	char driver[PVB_NAME_MAX];     /* bound driver's sysfs name; "" for none */
	char module[PVB_NAME_MAX];     /* that driver's module; "" when built in */
	char override[PVB_NAME_MAX];   /* driver_override; only with PVB_SNAPSHOT_OVERRIDE */
	char reset_methods[PVB_NAME_MAX]; /* the kernel's list, less "bus" where a
                                         sibling makes that impossible; "" for none */
	char modalias[128];
	int group;                     /* IOMMU group; -1 without an IOMMU */
	bool named;                    /* asked for; else taken along with its group */
	bool bridge;                   /* has a bus below it: stays where it is, as for Proxmox VE */
	bool vfio;                     /* on vfio-pci or a vfio variant driver */
	bool off_bus;                  /* configuration space reads 0xffff */
	bool is_vf;
	struct pvb_addr physfn;        /* of a VF */
	unsigned num_vfs;              /* of a PF: VFs that exist now */
	struct pvb_addr bridges[8];    /* upstream bridges, nearest first */
	unsigned num_bridges;
	bool override_unknown;         /* it could not be read in time: the device lock is held (stuck) */
};

struct pvb_snapshot;

#define PVB_SNAPSHOT_OVERRIDE 1u /* read driver_override too: takes the device lock, so it is
                                    done in a child with a deadline (1 s for all) */

/* Look at the named functions or slots, and at every member of their IOMMU groups; reads
 * nothing else, so its cost does not grow with the machine. n = 0: every function of the machine.
 * -ENODEV when a named one does not exist (the sentence names it).
 * Functions come in address order. *snapshot: free with pvb_snapshot_free(). */
int pvb_snapshot_take(struct pvb_ctx *ctx, const struct pvb_addr *named, size_t n, unsigned flags,
		      struct pvb_snapshot **snapshot, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_snapshot_free(struct pvb_snapshot *snapshot);
/* How many functions it has; the one at i < count; the one at an address, NULL when it is not in it. What they
 * point to lives as long as the snapshot. */
size_t pvb_snapshot_count(const struct pvb_snapshot *snapshot);
const struct pvb_function *pvb_snapshot_get(const struct pvb_snapshot *snapshot, size_t i);
const struct pvb_function *pvb_snapshot_find(const struct pvb_snapshot *snapshot, const struct pvb_addr *addr);

/* "Red Hat, Inc. QEMU Bochs Display" from pci.ids (libpci), or "" when not known. Loads
 * the ids at its first call (some milliseconds): for commands, not for the VM's start path. */
const char *pvb_name(struct pvb_ctx *ctx, const struct pvb_function *fn, char *buf, size_t size);
/* "VGA compatible controller", likewise. */
void pvb_class_name(struct pvb_ctx *ctx, const struct pvb_function *fn, char *buf, size_t size);

/* The modules whose alias names the function, blacklisted ones left out: with vfio those with a "vfio_pci:" alias (vfio-pci
 * itself, and variant drivers, which match better), else those of host drivers. *names: malloced array, free with
 * pvb_strv_free(); empty when there is none. */
int pvb_modules_find(struct pvb_ctx *ctx, const struct pvb_function *fn, bool vfio, char ***names,
		     struct pvb_err *err) PVB_MUST_CHECK;

/* ---- details: what it depends on whether a function can be passed on, and how well ---- */

#define PVB_BARS 6

/* A base address register. One that is_64bit takes the next one's place too, which is then not present. */
struct pvb_bar {
	bool present;
	bool io;               /* I/O ports; else memory */
	bool prefetchable, is_64bit;
	bool unassigned;       /* the kernel found no room for it: it has no address, and its size may read 0 */
	uint64_t start, size;  /* bytes; start 0 when unassigned */
	uint64_t sizes;        /* Resizable BAR: sizes it can have, bit i: 1 MiB << i; 0: not resizable, or (without
				  PVB_KNOWN_EXTENDED) not known */
	uint64_t resized;      /* the size it is set to by that capability; 0 likewise */
};

/* A port's or function's type, as in its PCI Express capability. */
enum pvb_pcie_type {
	PVB_PCIE_UNKNOWN = -2,    /* without PVB_KNOWN_CAPABILITIES */
	PVB_PCIE_NONE = -1,       /* conventional PCI */
	PVB_PCIE_ENDPOINT = 0,
	PVB_PCIE_LEGACY_ENDPOINT = 1,
	PVB_PCIE_ROOT_PORT = 4,
	PVB_PCIE_UPSTREAM = 5,    /* of a switch */
	PVB_PCIE_DOWNSTREAM = 6,
	PVB_PCIE_TO_PCI = 7,      /* bridge to conventional PCI */
	PVB_PCIE_FROM_PCI = 8,
	PVB_PCIE_INTEGRATED = 9,  /* endpoint of the root complex */
	PVB_PCIE_EVENT_COLLECTOR = 10,
};

/* The bits of Access Control Services in capability and control (PCI Express 7.7.11); the kernel wants
 * these four (drivers/iommu/iommu.c, REQ_ACS_FLAGS). */
#define PVB_ACS_SOURCE_VALIDATION 0x01u
#define PVB_ACS_REQUEST_REDIRECT 0x04u
#define PVB_ACS_COMPLETION_REDIRECT 0x08u
#define PVB_ACS_UPSTREAM_FORWARDING 0x10u
#define PVB_ACS_WANTED 0x1du

/* Which of the fields below are known: a field that is not must not be taken for 0. */
#define PVB_KNOWN_BARS 1u         /* bars: what the kernel made of them */
#define PVB_KNOWN_HEADER 2u       /* the configuration space's first 64 bytes */
#define PVB_KNOWN_CAPABILITIES 4u /* … 256: root only */
#define PVB_KNOWN_EXTENDED 8u     /* … all of it: root only, and not where the kernel cannot reach it. Conventional PCI has
				     none, which is known then */

struct pvb_details {
	struct pvb_addr addr;
	bool present;                 /* there is such a function */
	bool hung;                    /* the kernel did not answer: what had not come by then is unknown */
	bool busy;                    /* somebody works on it, or it is stuck: its configuration space was not read */
	unsigned known;               /* PVB_KNOWN_… */

	struct pvb_bar bars[PVB_BARS];

	/* Of the header. */
	bool multifunction;
	bool memory_on, master_on;    /* command register: answers to memory accesses, may do DMA */

	/* Of the capabilities. */
	enum pvb_pcie_type pcie_type;
	bool has_pm, no_soft_reset;   /* power management; then a change to D3hot and back resets nothing */
	bool has_flr;                 /* function level reset, as the function itself says */

	/* Of the extended capabilities. */
	bool has_acs;
	uint16_t acs_capability, acs_control; /* PVB_ACS_… and others */
	bool has_rebar;               /* Resizable BAR: bars[].sizes */
	bool has_sriov, has_ats;
	/* Whether the IOMMU can tell apart what is on both sides of it: the kernel's pci_acs_enabled() for all of
	 * PVB_ACS_WANTED, but for its quirks. 1, 0; -1: unknown. */
	int isolates;

	/* The link: MT/s (2500, 5000, 8000, 16000, …) and lanes, now and at most. -1: unknown, or no link. */
	int link_speed, link_speed_max, link_width, link_width_max;

	int64_t aer_correctable, aer_nonfatal, aer_fatal; /* errors counted since boot; -1: unknown, or not counted */

	char power_state[16];         /* "D0", "D3cold", … */
	char power_control[8];        /* "on", "auto" */
	char runtime_status[16];      /* "active", "suspended" */
	int d3cold_allowed;           /* -1: unknown */
	int boot_vga;                 /* 1: the firmware's first display; 0; -1: no display, or unknown */
	int numa_node;                /* -1: none, or unknown */
	int sriov_total;              /* VFs it can have; 0: it is no PF; -1: unknown. How many there are: pvb_function.num_vfs */
};

/* Look at n functions. -ENOMEM, -EAGAIN, -ECANCELED: then *details (n, the caller's) is of no use; all else is said in it.
 * Some of it takes locks in the kernel, or waits uninterruptibly while the function is reset (config); so a child reads,
 * one for many functions, and who has not answered in a second is left behind (hung). Not read at all, as it takes the device
 * lock: uevent, sriov_numvfs, driver_override. Of a function that another pvebind works on, or that is stuck, config
 * is left alone (busy). A function in D3cold is woken for a moment, as lspci does. Nothing is written. */
int pvb_details_read_all(struct pvb_ctx *ctx, const struct pvb_addr *addrs, size_t n, struct pvb_details *details,
			 struct pvb_err *err) PVB_MUST_CHECK;
/* Only parts of n functions, where the rest is not wanted and they are many: what is not asked for is unknown. */
#define PVB_PART_CONFIG 1u /* the configuration space, the link as it has it */
#define PVB_PART_BARS 2u
#define PVB_PART_POWER 4u
#define PVB_PART_REST 8u   /* the link as the kernel has it, AER, boot_vga, numa_node, sriov_total */
#define PVB_PART_ALL 15u
int pvb_details_read_parts(struct pvb_ctx *ctx, const struct pvb_addr *addrs, size_t n, unsigned parts,
			   struct pvb_details *details, struct pvb_err *err) PVB_MUST_CHECK;
/* All of one; -ENODEV when there is no such function. */
int pvb_details_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_details *details,
		     struct pvb_err *err) PVB_MUST_CHECK;

/* ---- modprobe.d: what the configuration says of kernel modules -------------------- */

enum pvb_modconf_kind {
	PVB_MODCONF_OTHER,     /* no word that modprobe knows */
	PVB_MODCONF_ALIAS, PVB_MODCONF_BLACKLIST, PVB_MODCONF_INSTALL, PVB_MODCONF_OPTIONS, PVB_MODCONF_REMOVE,
	PVB_MODCONF_SOFTDEP,
};

struct pvb_modconf_line {
	enum pvb_modconf_kind kind;
	char *module;          /* '-' as '_': "vfio_pci"; of an alias the alias; "" of PVB_MODCONF_OTHER */
	char *value;           /* what follows it, as written: "ids=10de:24b0"; of PVB_MODCONF_OTHER the whole line */
	char *file;            /* "/etc/modprobe.d/vfio.conf" */
	unsigned line;         /* from 1; the first, of a line that goes on */
	bool effective;        /* libkmod takes it as it was read here; else it counts for nothing */
};

struct pvb_modconf {
	struct pvb_modconf_line *lines; /* malloced; in the order that modprobe reads them */
	size_t n;
};

/* Read the modprobe.d folders, as modprobe.d(5) has them: a file hides those of its name in later folders; names end in
 * ".conf". What the kernel command line adds is not in it. -ENOENT: there is no such folder at all. Free with
 * pvb_modconf_clear(), after a failure too. */
int pvb_modconf_read(struct pvb_ctx *ctx, struct pvb_modconf *conf, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_modconf_clear(struct pvb_modconf *conf);

/* ---- the kernel's log ---------------------------------------------------------------- */

/* What there is now in dev/kmsg (below another root: a plain file of that format will do), of lines "PRIORITY,NUMBER,
 * MICROSECONDS,FLAGS;text" (Linux, Documentation/ABI/testing/dev-kmsg), oldest first, those that begin with a blank
 * belonging to the one before. Never waits. *text: malloced, NUL-terminated, of size bytes. -EPERM: not for this user
 * (dmesg_restrict); -ENOENT; -EFBIG past 64 MiB. */
int pvb_kmsg_read(struct pvb_ctx *ctx, char **text, size_t *size, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- why an IOMMU group is shared ------------------------------------------------ */

enum pvb_group_why {
	PVB_GROUP_ALONE,        /* it is not: one slot's functions at most, each able to be told apart or only one */
	PVB_GROUP_NO_ACS,       /* a bridge that cannot keep apart what is behind it */
	PVB_GROUP_ACS_OFF,      /* … that could, but is not told to */
	PVB_GROUP_CONVENTIONAL, /* a bridge to conventional PCI, behind which nobody can be told apart */
	PVB_GROUP_SLOT,         /* functions of one slot, without ACS */
	PVB_GROUP_UNKNOWN,
};

struct pvb_group_reason {
	enum pvb_group_why why;
	bool has_addr;
	struct pvb_addr addr;  /* the bridge; of PVB_GROUP_SLOT the slot */
	char text[256];        /* "everything behind 0000:00:01.0 is in one group, as that port has no ACS"; "" when ALONE */
};

/* From what was read of all the members of one group (parallel arrays of n; details as pvb_details_read_all() gave them). Reads
 * nothing. Follows pci_device_group() of drivers/iommu/iommu.c: a function shares the group of the nearest bridge above which
 * all keep apart, and that of the functions of its slot when it is no single one and has no ACS. */
void pvb_group_explain(const struct pvb_function *const *members, const struct pvb_details *details, size_t n,
		       struct pvb_group_reason *reason);

/* ---- ways in: how the host is reached without a screen ------------------ */

#define PVB_WAY_SERIAL 1u  /* the kernel has a serial console */
#define PVB_WAY_NETWORK 2u /* ssh or the web interface listens (ports 22 and 8006), and not for this host alone */
/* Those there are. What cannot be read is no way. */
unsigned pvb_ways_in(struct pvb_ctx *ctx);

/* ---- what of the host hangs on a function ------------------------------------- */

struct pvb_host_use {
	struct pvb_addr addr;
	char disks[360]; /* "nvme0n1p2 is mounted on /, nvme0n1p3 is swap"; "" when it uses none */
	char nics[360];  /* "eth0 carries the default route through vmbr0"; likewise */
};
struct pvb_host_uses {
	struct pvb_host_use *list; /* malloced */
	size_t n;
};

/* Those of n functions that have a disk or a network interface below them, at any depth, that the host uses, in the functions'
 * order: what a lend is refused for as host-disk and host-network. What cannot be found out counts as a use, and says so.
 * Bridges have none of their own. Clear it after a failure, too. */
int pvb_host_uses_find(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n, struct pvb_host_uses *uses,
		       struct pvb_err *err) PVB_MUST_CHECK;
/* Free the list and zero it. */
void pvb_host_uses_clear(struct pvb_host_uses *uses);

/* ---- USB devices ------------------------------------------------------------- */

/* What a device's interfaces are for; those of audio, video and wireless ones send at fixed times (isochronous). */
#define PVB_USB_AUDIO 1u
#define PVB_USB_INPUT 2u
#define PVB_USB_PRINTER 4u
#define PVB_USB_STORAGE 8u
#define PVB_USB_VIDEO 16u
#define PVB_USB_NETWORK 32u
#define PVB_USB_WIRELESS 64u
#define PVB_USB_SMARTCARD 128u
#define PVB_USB_SERIAL 256u

/* A device that is no hub. */
struct pvb_usb {
	char name[32];       /* as sysfs and Proxmox VE's host= have it: bus and port, "1-2.3" */
	uint16_t vendor, product;
	char text[160];      /* "Logitech USB Receiver": its own words, else those of usb.ids; "" when not known */
	unsigned kinds;      /* PVB_USB_… */
	int speed;           /* Mbit/s; -1: not known */
	bool has_controller;
	struct pvb_addr controller; /* the PCI function it hangs on */
	char host_use[640];  /* how the host uses its disks and interfaces: "sdb1 is mounted on /mnt"; "": it does not */
};
struct pvb_usbs {
	struct pvb_usb *list; /* malloced; in the order of their names */
	size_t n;
};

/* Every USB device there is. Its own words are read by a child (the kernel takes the device's lock to show them); of one that
 * does not answer within a second they are not known. Clear it after a failure, too. */
int pvb_usbs_find(struct pvb_ctx *ctx, struct pvb_usbs *usbs, struct pvb_err *err) PVB_MUST_CHECK;
/* Free the list and zero it. */
void pvb_usbs_clear(struct pvb_usbs *usbs);

/* ---- refusals -------------------------------------------------------- */

struct pvb_refusal {
	char name[24];         /* as in the contract: "host-disk", "held", … */
	struct pvb_addr addr;  /* the device it is about; all zero when about none */
	bool has_addr;
	bool allowed;          /* lifted by request.allow */
	char text[512];        /* one sentence with its remedy */
};

struct pvb_refusals {
	struct pvb_refusal *list; /* malloced */
	size_t n;
};

/* Append; addr may be NULL. -ENOMEM only. */
int pvb_refuse(struct pvb_refusals *refusals, const char *name, const struct pvb_addr *addr, const char *fmt, ...)
	PVB_PRINTF(4, 5) PVB_MUST_CHECK;
/* Free the list and zero it. */
void pvb_refusals_clear(struct pvb_refusals *refusals);
/* Whether name is a refusal of the contract. */
bool pvb_refusal_known(const char *name);
/* Whether a request's allow counts for it; false also for what is no refusal. */
bool pvb_refusal_liftable(const char *name);
/* The i-th of them, from 0; NULL behind the last. */
const char *pvb_refusal_name(size_t i);

/* ---- request: what is wanted ------------------------------------------ */

/* How a lend behaves; every value is kept in the journal, so that the way home needs no file. */
struct pvb_settings {
	char reset[PVB_NAME_MAX];       /* "auto", "none", or methods in order, blank-separated */
	char host_driver[PVB_NAME_MAX]; /* "auto" (the one it had), "none", or a driver's name */
	bool keep_on_stop;              /* on-stop = keep */
	bool keep_on_reboot;            /* on-reboot = keep */
	bool keep_console;              /* console = keep: touch no vtconsole, unless one was bound by hand in this boot:
                                           then the kernel would die of leaving it (lending.c) */
	unsigned device_timeout_ms;     /* one device's move */
	unsigned hook_timeout_ms;       /* all of it: a lend gives up and undoes itself, a return leaves the rest (-EINPROGRESS) */
	bool busy_stop;                 /* busy = stop: stop the units and containers named before the devices move */
	char stop_units[512];           /* systemd units, blank-separated */
	char stop_containers[128];      /* numbers of containers (pct), blank-separated */
	char unload[PVB_NAME_MAX * 4];  /* "auto" (where a driver needs it), "none", or modules in order, blank-separated */
	/* The caller's own words, only kept, so that the way home needs no file. */
	char tag[32];                   /* "backup" */
	bool guard;                     /* somebody is to watch this lend */
	char next[256];                 /* another hookscript */
};
/* The built-in values: reset, host driver and unload "auto", on-reboot keep, 30 s a device, 45 s in all, guard. */
void pvb_settings_default(struct pvb_settings *settings);

struct pvb_wanted {
	struct pvb_addr addr;   /* function or slot */
	bool has_expect;        /* refuse ("identity") unless this sits there; of a slot: function 0 */
	uint16_t expect_vendor, expect_device;
	bool has_expect_sub;
	uint16_t expect_subvendor, expect_subdevice;
	bool variant;           /* a vfio variant driver that matches better may be chosen */
	char origin[128];       /* where it was asked for: "hostpci0" */
};

struct pvb_allow {
	char name[24];
	struct pvb_addr addr;
};

struct pvb_request {
	char name[32];          /* key of the journal; [A-Za-z0-9._-]+, e.g. "100" */
	char label[PVB_NAME_MAX]; /* for sentences: "VM 100" */
	struct pvb_settings settings;
	struct pvb_wanted *wanted; /* malloced */
	size_t num_wanted;
	struct pvb_allow *allow;   /* malloced */
	size_t num_allow;
	struct pvb_refusals refusals; /* the caller's own findings (reservations, backup, …) */
};
/* Free what it points to and zero it. */
void pvb_request_clear(struct pvb_request *request);

/* ---- users: who has devices open now ------------------------------------- */

/* A process that has nodes of a function open or mapped (of one on a vfio driver: its vfio nodes). */
struct pvb_user {
	struct pvb_addr addr;    /* the function */
	int pid;
	bool stops;              /* ends with what the settings (busy = stop) say is to be stopped */
	char who[PVB_NAME_MAX];  /* pvb_identify_fn's word: "VM 101"; or "" */
	char text[256];          /* "Xorg (pid 812, lightdm.service) has /dev/dri/card0 open" */
};
struct pvb_users {
	struct pvb_user *list;   /* malloced; one a process and function */
	size_t n;
	char unknown[160];       /* why there may be others: "2 processes could not be looked into"; "" */
};
/* Walks /proc once for all of the n functions. settings: NULL for the built-in ones. Free with pvb_users_clear(), after a
 * failure too. */
int pvb_users_find(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n, const struct pvb_settings *settings,
		   struct pvb_users *users, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_users_clear(struct pvb_users *users);

/* ---- plan: what to do ------------------------------------------------- */

enum pvb_op_kind {
	PVB_OP_MODULE,      /* load a module */
	PVB_OP_CONSOLE,     /* take the virtual terminals off the frame buffer */
	PVB_OP_CONSOLE_MOVE, /* show them on the card that stays */
	PVB_OP_POWER,       /* keep a function or bridge awake */
	PVB_OP_OVERRIDE,    /* driver_override */
	PVB_OP_UNBIND,      /* from the home driver */
	PVB_OP_BIND,        /* to the vfio driver */
	PVB_OP_RESET,       /* function reset */
	PVB_OP_SLOT_RESET,  /* reset of a slot whose functions have none of their own */
	PVB_OP_STOP,        /* stop what uses the devices: a systemd unit or a container */
	PVB_OP_UNLOAD,      /* unload a module whose driver cannot be unbound while it is used */
	PVB_OP_COUNT
};

/* One operation. Operations of one stage on different devices run together;
 * the next stage starts when all are done. */
struct pvb_op {
	enum pvb_op_kind kind;
	int device;        /* index of pvb_plan_device(); -1: the host's */
	unsigned stage;
	bool undo;         /* the way home: the operation's inverse */
	char arg[128];     /* driver, module, vtconsoles, bridge, … */
};

/* A device's home: what the journal keeps of it. */
struct pvb_home {
	struct pvb_addr addr;
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code;
	int group;
	bool named;
	char driver[PVB_NAME_MAX];    /* to bring it home to; "" for none */
	char module[PVB_NAME_MAX];
	char was_driver[PVB_NAME_MAX]; /* the one it had: where a lend that fails puts it, whatever host-driver says */
	char was_module[PVB_NAME_MAX];
	char override[PVB_NAME_MAX];  /* the one it had before */
	bool stays;                   /* was on vfio before, with no home known: left there */
	bool by_modalias;             /* had no driver but the console: home is the driver its modalias names */
	char modalias[128];
	char reset_methods[PVB_NAME_MAX];
};

struct pvb_plan;

/* Decide how to lend. Writes nothing and takes no lock. The plan may carry refusals:
 * pvb_plan_refused() says whether one of them stands. */
int pvb_plan_lend(struct pvb_ctx *ctx, const struct pvb_request *request, struct pvb_plan **plan,
		  struct pvb_err *err) PVB_MUST_CHECK;
/* The way home of what the journal of name says. -ENOENT when nothing is lent to it. */
int pvb_plan_return(struct pvb_ctx *ctx, const char *name, struct pvb_plan **plan, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_plan_free(struct pvb_plan *plan);
/* Its operations in order, and its devices in address order (i < count). What they point to lives as long as the plan. */
size_t pvb_plan_count(const struct pvb_plan *plan);
const struct pvb_op *pvb_plan_get(const struct pvb_plan *plan, size_t i);
size_t pvb_plan_num_devices(const struct pvb_plan *plan);
const struct pvb_home *pvb_plan_device(const struct pvb_plan *plan, size_t i);
/* All that speaks against it, the allowed ones included; and whether one of them stands. */
const struct pvb_refusals *pvb_plan_refusals(const struct pvb_plan *plan);
bool pvb_plan_refused(const struct pvb_plan *plan);
/* Things worth saying that refuse nothing ("no reset method", "moves along"). i from 0; NULL past the last. */
const char *pvb_plan_note(const struct pvb_plan *plan, size_t i);
/* The operation's name in listings and the journal: "unbind", "bind", … */
const char *pvb_op_name(enum pvb_op_kind kind);
/* One line for a person: "0000:01:00.0: unbind from bochs-drm". Returns buf. */
const char *pvb_op_describe(const struct pvb_plan *plan, const struct pvb_op *op, char *buf, size_t size);

/* ---- lends ------------------------------------------------------------ */

enum pvb_state {
	PVB_HOME,       /* nothing is lent */
	PVB_LENDING,
	PVB_LENT,
	PVB_RUNNING,    /* lent, and the borrower's start is known to have succeeded */
	PVB_RETURNING,
	PVB_KEPT,       /* the borrower is gone, the devices stay on vfio on purpose (on-stop, on-reboot) */
	PVB_FAILED,     /* something could not be brought home */
};
/* "lent", "running", … */
const char *pvb_state_name(enum pvb_state state);

/* A lend, as its journal tells. */
struct pvb_lend {
	char name[32], label[PVB_NAME_MAX];
	enum pvb_state state;
	bool unfinished;          /* lending or returning, and the process that did it is gone */
	bool other_boot;
	uint64_t generation;
	int64_t since;            /* seconds since the epoch */
	int owner_pid;            /* who wrote it */
	int borrower_pid;         /* of the running borrower (QEMU); 0 when not known */
	bool was_lent;            /* it came to be: not only begun, and given up */
	bool awaits_start;        /* lent still, though the borrower ended: it starts again at once (PVB_RETURN_KEEP) */
	bool by_hand;             /* no lend but pvb_reset(): what fails is a failure, not a warning */
	struct pvb_settings settings;
	struct pvb_home *devices; /* malloced */
	size_t num_devices;
	bool no_start;            /* while it is taken back: PVB_RETURN_NO_START */
};

/* Read one lend. -ENOENT: nothing is lent to name. Free with pvb_lend_clear(). */
int pvb_lend_read(struct pvb_ctx *ctx, const char *name, struct pvb_lend *lend, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_lend_clear(struct pvb_lend *lend);
/* Whether device i is still this lend's. Where some came home and others did not, those that did may be another's by now. */
bool pvb_lend_has(struct pvb_ctx *ctx, const struct pvb_lend *lend, size_t i);
/* "0000:01:00.0, 0000:01:00.1" into buf, which is returned: the devices that are still this lend's. */
const char *pvb_lend_devices(struct pvb_ctx *ctx, const struct pvb_lend *lend, char *buf, size_t size);
/* Names of all lends, a malloced array of malloced strings, NULL at its end. */
int pvb_lend_names(struct pvb_ctx *ctx, char ***names, struct pvb_err *err) PVB_MUST_CHECK;
/* Whose the device is now: the name of a lend into buf, or -ENOENT. */
int pvb_device_holder(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size) PVB_MUST_CHECK;

/* Lend. 0: lent now, or before already. -EBUSY and the like: refused or failed, the host as
 * before. PVB_EATTENTION: failed, and something is not home. Says each step through the log. */
int pvb_lend(struct pvb_ctx *ctx, const struct pvb_request *request, struct pvb_err *err) PVB_MUST_CHECK;

/* The borrower's start has succeeded (pid: its process, 0 when not known). No lend: nothing. */
int pvb_lend_running(struct pvb_ctx *ctx, const char *name, int pid, struct pvb_err *err) PVB_MUST_CHECK;

#define PVB_RETURN_KEEP 1u   /* leave the devices on vfio, as on-stop = keep; homes are remembered */
#define PVB_RETURN_HOME 2u   /* home even where settings say keep */
#define PVB_RETURN_SAID 16u  /* a pvb_confirm_fn's: it has said itself that the devices are taken back */
#define PVB_RETURN_NO_START 8u /* do not start again the units and containers that were stopped: the host goes down */
/* Take back everything lent to name, from its journal alone. Waits (bounded by
 * settings.hook_timeout_ms) until no process has the devices open. -EBUSY: still open, or somebody else works on it.
 * -EINPROGRESS: the time was over while devices were on their way; call again for the rest. 0 too when nothing
 * was lent. PVB_EATTENTION: at least one device is not home; all others are. */
int pvb_return(struct pvb_ctx *ctx, const char *name, unsigned flags, struct pvb_err *err) PVB_MUST_CHECK;
/* Asked under the lend's lock, with what its journal says there and then: whether to take back (false: nothing is done,
 * and that is success), and *flags as of pvb_return(). It has said itself why not. */
typedef bool pvb_confirm_fn(void *data, const struct pvb_lend *lend, unsigned *flags);
/* The same, when confirm agrees: between its answer and the first effect nobody else can work on this lend. */
int pvb_return_confirmed(struct pvb_ctx *ctx, const char *name, pvb_confirm_fn *confirm, void *data,
			 struct pvb_err *err) PVB_MUST_CHECK;

/* ---- watching a lend: what a guard needs; writes nothing ------------------ */

/* Wait until nobody works on the lend (its lock is free). 0, -ETIMEDOUT, -ECANCELED. */
int pvb_lend_wait(struct pvb_ctx *ctx, const char *name, unsigned timeout_ms, struct pvb_err *err) PVB_MUST_CHECK;
/* Wait until no process has the lend's devices open through vfio. 0 (also when there is no such lend), -ETIMEDOUT, -ECANCELED. */
int pvb_lend_wait_closed(struct pvb_ctx *ctx, const char *name, unsigned timeout_ms, struct pvb_err *err) PVB_MUST_CHECK;
/* An inotify descriptor, the caller's, that becomes readable when the lend's journal is written to or goes. -ENOENT:
 * there is none. */
int pvb_lend_watch(struct pvb_ctx *ctx, const char *name) PVB_MUST_CHECK;
/* Whether the device hangs in the kernel since an earlier try (a stuck mark of this boot, whose worker is still there):
 * that worker's pid, and what it waits in into buf. 0: it does not. */
int pvb_device_stuck(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size);

/* Bring home what unfinished lends and returns have left; name NULL: all of them.
 * *recovered (may be NULL): how many journals were finished. */
int pvb_recover(struct pvb_ctx *ctx, const char *name, unsigned *recovered, struct pvb_err *err) PVB_MUST_CHECK;

/* Reset one function (or slot) that nobody uses, with methods as in settings.reset. dry_run: only say how. */
int pvb_reset(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *methods, bool dry_run,
	      struct pvb_err *err) PVB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
