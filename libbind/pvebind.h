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
 *   children; the caller must not reap all children behind their back.
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
 * Hyper-V). The whole string must match. -EINVAL otherwise. */
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
/* Name the owner of a process ("VM 101") into buf; false when it is nobody you know. */
typedef bool pvb_identify_fn(void *data, int pid, char *buf, size_t size);

/* Open a context on the tree below root ("/" for the real one; tests give another).
 * *ctx is the caller's, to be freed with pvb_ctx_free(). */
int pvb_ctx_new(struct pvb_ctx **ctx, const char *root, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_ctx_free(struct pvb_ctx *ctx);
/* Whom to tell (NULL: nobody), and whom to ask for a process's owner; data is handed on. */
void pvb_ctx_set_log(struct pvb_ctx *ctx, pvb_log_fn *fn, void *data);
void pvb_ctx_set_identify(struct pvb_ctx *ctx, pvb_identify_fn *fn, void *data);
/* A descriptor (a signalfd, a pipe) that becomes readable when the caller wants a lend
 * given up: what was done is then undone and the lend fails with -ECANCELED. -1: none. */
void pvb_ctx_set_cancel_fd(struct pvb_ctx *ctx, int fd);
/* The time of what is asked next (settings.hook_timeout_ms) begins now: for who looks at other things first. Otherwise
 * it begins as it is asked. */
void pvb_ctx_set_start(struct pvb_ctx *ctx);
/* Called when a lend's journal is written and nothing has changed yet, and again with a new generation when what is lent
 * already is lent anew: who wants to watch the lend begins here. Must not block. */
typedef void pvb_begun_fn(void *data, const char *name, uint64_t generation);
void pvb_ctx_set_begun(struct pvb_ctx *ctx, pvb_begun_fn *fn, void *data);
/* Send one line through the context's log. */
void pvb_log(struct pvb_ctx *ctx, enum pvb_level level, const char *fmt, ...) PVB_PRINTF(3, 4);
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
