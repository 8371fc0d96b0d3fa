/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of libbind share among themselves. Files call only downwards:
 *   err addr ctx → sysfs module names → line record stuck → device snapshot holders vfio critical (disk nic) console reset slot
 *   → refusal request shared → op journal lend → judge → plan home lending
 *   → power binding effect → worker apply → session homecoming → bind manual
 * All functions return 0 or -errno; those without a struct pvb_err leave the
 * sentence to their caller, who knows what it was for.
 */
#ifndef PVEBIND_INTERNAL_H
#define PVEBIND_INTERNAL_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "pvebind.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- memory and descriptors that go with their scope (never bindings) --- */
static inline void cleanup_free(void *p) { free(*(void **)p); }
static inline void cleanup_close(const int *fd) { if (*fd >= 0) close(*fd); }
static inline void cleanup_closedir(DIR **d) { if (*d) closedir(*d); }
static inline void cleanup_fclose(FILE **f) { if (*f) fclose(*f); }
#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedir)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclose)))

/* ---- ctx.c --------------------------------------------------------------- */
struct pvb_ctx {
	char *root;          /* as given */
	int root_fd;
	bool real_root;      /* root is "/": sockets and syscalls that know no root may be asked */
	pvb_log_fn *log;
	void *log_data;
	pvb_identify_fn *identify;
	void *identify_data;
	int cancel_fd;
	void *kmod;          /* module.c */
	void *pci;           /* names.c */
};

/* As pvb_open(), with a mode for O_CREAT. */
int pvb_openat(const struct pvb_ctx *ctx, const char *path, int flags, mode_t mode) PVB_MUST_CHECK;
int64_t pvb_now_ns(void); /* CLOCK_MONOTONIC */
/* In a child that may hang and so outlive us: put its stdio on /dev/null. Proxmox VE reads the hook's pipes to their end. */
void pvb_stdio_leave(void);
/* snprintf that says whether all of it fitted: 0 or -ENAMETOOLONG. */
int pvb_format(char *buf, size_t size, const char *fmt, ...) PVB_PRINTF(3, 4);

/* ---- sysfs.c: the only file that opens /sys ------------------------------- */
#define PVB_PATH_MAX 512

/* An attribute's text without its last newline. -ENOBUFS when it does not fit. */
int pvb_sysfs_read(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;
/* A number, 0x or decimal. */
int pvb_sysfs_read_number(const struct pvb_ctx *ctx, const char *path, uint64_t *value) PVB_MUST_CHECK;
/* Exactly one write(2) of value, as the kernel's store functions want it; its error is
 * the driver's own. A short write is -EIO. */
int pvb_sysfs_write(const struct pvb_ctx *ctx, const char *path, const char *value) PVB_MUST_CHECK;
/* The last component of a link's target ("driver" → "bochs-drm"); "" and 0 when there is no link. */
int pvb_sysfs_link(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;
/* The whole target text of a link. */
int pvb_sysfs_link_target(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;
bool pvb_sysfs_exists(const struct pvb_ctx *ctx, const char *path);
/* Up to size bytes of a binary attribute (config) from its start; returns how many, or -errno. */
ssize_t pvb_sysfs_read_bytes(const struct pvb_ctx *ctx, const char *path, void *buf, size_t size) PVB_MUST_CHECK;
/* Entries of a directory but "." and "..", sorted by name; *names: malloced array of malloced
 * strings with NULL at its end, free with pvb_strv_free(). A missing directory is an empty list. */
int pvb_sysfs_list(const struct pvb_ctx *ctx, const char *path, char ***names) PVB_MUST_CHECK;
void pvb_strv_free(char **names);
static inline void cleanup_strv(char ***v) { pvb_strv_free(*v); }
#define _cleanup_strv_ __attribute__((cleanup(cleanup_strv)))

/* "sys/bus/pci/devices/0000:01:00.0/ATTR" into buf, which is returned; attr "" for the device itself. */
const char *pvb_device_path(const struct pvb_addr *addr, const char *attr, char buf[PVB_PATH_MAX]);

/* ---- device.c ----------------------------------------------------------------- */
/* Everything but the override. -ENOENT when the function is gone. */
int pvb_function_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_function *fn) PVB_MUST_CHECK;
/* Takes the device lock: in a worker only, or a child. "" for none. */
int pvb_override_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, char buf[PVB_NAME_MAX]) PVB_MUST_CHECK;
/* The overrides of n functions by a child; one that hangs for a second is override_unknown. */
int pvb_overrides_read(struct pvb_ctx *ctx, struct pvb_function *fns, size_t n) PVB_MUST_CHECK;

/* ---- module.c: the only file that includes libkmod ------------------------- */
/* Load a module with its dependencies and modprobe.d options, as modprobe would; loaded or
 * built in already is success. *loaded (may be NULL): whether this call did it. */
int pvb_module_load(struct pvb_ctx *ctx, const char *name, bool *loaded, struct pvb_err *err) PVB_MUST_CHECK;
/* The modules that modprobe would load for alias ("pci:v00001234d…", "vfio_pci:v…"), blacklist
 * respected; malloced array, empty when there is none. */
int pvb_module_lookup(struct pvb_ctx *ctx, const char *alias, char ***names, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_module_done(struct pvb_ctx *ctx);

/* ---- names.c: the only file that includes libpci ---------------------------- */
void pvb_names_done(struct pvb_ctx *ctx);

/* ---- holders.c --------------------------------------------------------------- */
struct pvb_holder {
	int pid;
	char command[PVB_NAME_MAX];   /* comm */
	char who[PVB_NAME_MAX];       /* pvb_identify_fn's word: "VM 101"; or "" */
	char unit[PVB_NAME_MAX];      /* systemd unit, from the cgroup; or "" */
	char container[PVB_NAME_MAX]; /* "105" of lxc/105; or "" */
	char node[PVB_NAME_MAX];      /* "/dev/vfio/15" */
	bool mapped;                  /* mapped, no descriptor */
};
struct pvb_holders {
	struct pvb_holder *list;      /* malloced; one per process and node */
	size_t n;
	unsigned unreadable;          /* live processes that could not be looked into: never "nobody" */
};
/* Who has one of the nodes ("/dev/vfio/15", …) open or mapped. Walks proc below the root. */
int pvb_holders_find(struct pvb_ctx *ctx, const char *const *nodes, size_t n, struct pvb_holders *holders) PVB_MUST_CHECK;
void pvb_holders_clear(struct pvb_holders *holders);
/* "VM 101 (kvm, pid 4242)" / "pipewire (pid 812, user@0.service)". Returns buf. */
const char *pvb_holder_describe(const struct pvb_holder *holder, char *buf, size_t size);
/* The device's own vfio nodes: "/dev/vfio/GROUP" and "/dev/vfio/devices/vfioN" where they exist; malloced array. */
int pvb_vfio_nodes(const struct pvb_ctx *ctx, const struct pvb_function *fn, char ***nodes) PVB_MUST_CHECK;
/* Whether /dev/vfio/GROUP is open by anybody: the group file opens once only, so that
 * opening it is the exact test (drivers/vfio/group.c); devices opened through it or as a cdev keep it
 * busy. 1 open, 0 free or absent, -errno. Not for commands that only look. */
int pvb_vfio_group_busy(const struct pvb_ctx *ctx, int group) PVB_MUST_CHECK;
/* Wait until all groups are free, by inotify's IN_CLOSE on /dev/vfio/N; -ETIMEDOUT, -ECANCELED. */
int pvb_vfio_wait_free(struct pvb_ctx *ctx, const int *groups, size_t n, int64_t deadline_ns) PVB_MUST_CHECK;

/* ---- critical.c: what the host lives on ----------------------------------------- */
/* Append a host-disk or host-network refusal for everything below fn that the host uses:
 * block devices mounted, swap, held by dm/md/LVM/ZFS or O_EXCL; interfaces with an
 * address or route, directly or through what is stacked on them (bridge, bond, VLAN, OVS). */
int pvb_critical_find(struct pvb_ctx *ctx, const struct pvb_function *fn, struct pvb_refusals *refusals) PVB_MUST_CHECK;

/* ---- console.c -------------------------------------------------------------------- */
struct pvb_console {
	bool involved;         /* a frame buffer of the console sits on one of the functions */
	bool all;              /* … and every one does: the console goes with them */
	char vtcons[64];       /* bound "frame buffer" vtconsoles, blank-separated: "vtcon1" */
	int firmware;          /* index of the function whose BAR holds the firmware's frame buffer; -1 */
	char framebuffers[128]; /* names, for sentences: "bochs-drmdrmfb" */
	struct pvb_addr owner;  /* the first function that has one */
	/* The virtual terminals are on one of them now. Then a vtconsole that was ever bound by hand must be unbound
	 * before the driver goes, also when another card stays: else fbcon keeps terminals on a frame buffer that is
	 * no more, and the kernel dies of the next character (fbcon_unbind(), tried on 6.1 and 7.x). Bound again at
	 * once after the driver went, the terminals are on the other card; they move back by themselves. */
	bool shown;
};
/* What the console has to do with the functions. Reads only. */
int pvb_console_look(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n,
		     struct pvb_console *console) PVB_MUST_CHECK;
/* Unbind / bind the vtconsoles named; done already is success; read back afterwards. Restore gives
 * -ENODEV when there is no frame buffer to show it on. Nothing is written then. */
int pvb_console_release(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_console_restore(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err) PVB_MUST_CHECK;

/* Whether a person could still reach a host whose screen is gone: a serial console
 * (proc/consoles), or something that listens for ssh (22) or for Proxmox VE's web interface (8006). */
bool pvb_console_other_way(struct pvb_ctx *ctx);

/* ---- reset.c ------------------------------------------------------------------------ */
/* Whether methods ("auto", "none", "flr bus", …) is well formed. */
bool pvb_reset_methods_valid(const char *methods);
/* Reset one function through its reset attribute, choosing by methods (reset_method is put back afterwards).
 * how: the method list that was in force. -ENOTTY: it has none (or none of those). */
int pvb_reset_function(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *methods,
		       char *how, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
/* Reset the slot or bus that the functions make up, all of them on vfio-pci and unopened: VFIO hot reset
 * (VFIO_DEVICE_PCI_HOT_RESET), else the bridge's reset_subordinate. bridge may be NULL.
 * -ENOTTY: no way. */
int pvb_reset_slot(struct pvb_ctx *ctx, const struct pvb_home *const *fns, size_t n, const struct pvb_addr *bridge,
		   char *how, size_t size, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- line.c: "CRC verb key=value …" ---------------------------------------------------- */
#define PVB_LINE_MAX 2048

struct pvb_line {
	char text[PVB_LINE_MAX];
	size_t size;
	bool overflow;
};
void pvb_line_start(struct pvb_line *line, const char *verb);
void pvb_line_text(struct pvb_line *line, const char *key, const char *value);
void pvb_line_number(struct pvb_line *line, const char *key, int64_t value);
/* Checksum and newline. -E2BIG when it did not fit: then nothing may be written. */
int pvb_line_finish(struct pvb_line *line) PVB_MUST_CHECK;
/* The body ("verb key=value …") of the first line of text, cut off in place, *next behind it; NULL when
 * that line is torn or its checksum is wrong. */
const char *pvb_line_check(char *text, char **next);
bool pvb_line_is(const char *body, const char *verb);
/* -ENOENT: no such key; -ENOBUFS. buf is "" then. */
int pvb_line_get(const char *body, const char *key, char *buf, size_t size);
int64_t pvb_line_get_number(const char *body, const char *key, int64_t fallback);

/* ---- record.c: locks and locked records below run/pvebind ------------------------------- */
#define PVB_STATE_DIR "run/pvebind"
#define PVB_RECORD_MAX PVB_LINE_MAX

#define PVB_CONSOLE_BOUND "console.bound" /* a vtconsole was bound by hand in this boot */

struct pvb_record {
	int fd;                    /* locked; -1 when closed */
	char name[PVB_NAME_MAX];
	char body[PVB_RECORD_MAX]; /* "" when there is no record */
};
/* Create run/pvebind (0700) where it is missing. */
int pvb_state_dir(struct pvb_ctx *ctx, struct pvb_err *err) PVB_MUST_CHECK;
/* Open or create, lock, read. deadline_ns (pvb_now_ns() + …): how long to wait for the lock; 0: not at all.
 * -EWOULDBLOCK, -ETIMEDOUT, -ECANCELED. Nothing is left open on failure. */
int pvb_record_open(struct pvb_ctx *ctx, const char *name, int64_t deadline_ns, struct pvb_record *record) PVB_MUST_CHECK;
void pvb_record_close(struct pvb_record *record);
int pvb_record_write(struct pvb_record *record, struct pvb_line *line) PVB_MUST_CHECK;
/* Unlink it, the lock still held until it is closed. */
int pvb_record_remove(struct pvb_ctx *ctx, struct pvb_record *record) PVB_MUST_CHECK;
/* Read without the lock, for those who only look. -ENOENT. */
int pvb_record_peek(const struct pvb_ctx *ctx, const char *name, char body[PVB_RECORD_MAX]) PVB_MUST_CHECK;
/* Whether somebody holds the lock now. */
bool pvb_record_locked(const struct pvb_ctx *ctx, const char *name);
struct pollfd;
/* ppoll() until deadline_ns, through signals: number of ready ones, 0 at the deadline, -errno. */
int pvb_poll(struct pollfd *fds, size_t n, int64_t deadline_ns) PVB_MUST_CHECK;

/* ---- op.c: operations as data ------------------------------------------------------------- */
int pvb_op_kind_parse(const char *name, enum pvb_op_kind *kind) PVB_MUST_CHECK;
int pvb_state_parse(const char *name, enum pvb_state *state) PVB_MUST_CHECK;
/* "0000:01:00.0: unbind from bochs-drm"; devices: the plan's. Returns buf. */
const char *pvb_op_words(const struct pvb_op *op, const struct pvb_home *devices, char *buf, size_t size);

/* ---- journal.c (writing), replay.c (reading) ------------------------------------------------------------------------------ */
#define PVB_JOURNAL_FORMAT 1

/* How far an operation is known to have come. */
enum pvb_progress {
	PVB_PROGRESS_NONE,    /* no effect yet, or undone */
	PVB_PROGRESS_INTENT,  /* may have had its effect */
	PVB_PROGRESS_DONE,
};

struct pvb_journal {
	struct pvb_lend lend;
	struct pvb_op *ops;              /* malloced: the lend's plan */
	enum pvb_progress *progress;     /* malloced: one per operation */
	size_t num_ops;
	bool torn;                       /* the last record was cut: its writer died in it */
};
/* -ENOENT: no such lend. -EBADMSG: damaged; -EPROTO: of another format. A line that its writer died in counts for
 * nothing. Takes no lock. */
int pvb_journal_read(struct pvb_ctx *ctx, const char *name, struct pvb_journal *journal, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_journal_clear(struct pvb_journal *journal);
/* Write the whole plan as a new journal, in state lending; it appears whole or not at all. Returns
 * a descriptor to append to, or -errno. The caller has the lend's lock. */
int pvb_journal_create(struct pvb_ctx *ctx, const struct pvb_journal *journal, struct pvb_err *err) PVB_MUST_CHECK;
/* Open to append. */
int pvb_journal_open(struct pvb_ctx *ctx, const char *name, struct pvb_err *err) PVB_MUST_CHECK;
/* Records of one write each; O_APPEND keeps those of several workers apart. */
int pvb_journal_intent(int fd, size_t op, bool undo) PVB_MUST_CHECK;
int pvb_journal_outcome(int fd, size_t op, bool undo, int code, const char *text) PVB_MUST_CHECK;
int pvb_journal_state(int fd, enum pvb_state state, int borrower_pid) PVB_MUST_CHECK;
int pvb_journal_override(int fd, size_t device, const char *override) PVB_MUST_CHECK;
int pvb_journal_settings(int fd, const struct pvb_settings *settings) PVB_MUST_CHECK;
int pvb_journal_remove(struct pvb_ctx *ctx, const char *name) PVB_MUST_CHECK;
/* "run/pvebind/100.journal" into path, which is returned. */
const char *pvb_journal_path(const char *name, char path[PVB_PATH_MAX]);
/* The boot's id, "" when unknown. */
void pvb_boot_id_read(struct pvb_ctx *ctx, char *buf, size_t size);
/* "100.lock": the lend's lock. */
const char *pvb_lend_lock_name(const char *name, char buf[PVB_NAME_MAX]);

/* ---- lend.c ---------------------------------------------------------------------------------------- */
/* The device's record and lock: its address. */
const char *pvb_device_record_name(const struct pvb_addr *addr, char buf[PVB_NAME_MAX]);

/* ---- shared.c: things that several lends share ------------------------------------------------- */
struct pvb_shared {
	struct pvb_record record;          /* locked; fd -1: nobody has it, and it was not to be created */
	char home[128];                    /* how the first owner found it */
	char owners[PVB_RECORD_MAX / 2];   /* names of lends, comma-separated */
};
/* Lock thing ("console", "0000:00:02.0.power") for the time of a change, the effect on the kernel included:
 * add before the effect, remove after it, so that a kill in between forgets nothing. */
int pvb_shared_enter(struct pvb_ctx *ctx, const char *thing, bool create, struct pvb_shared *shared,
		     struct pvb_err *err) PVB_MUST_CHECK;
int pvb_shared_add(struct pvb_shared *shared, const char *owner, const char *home, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_shared_remove(struct pvb_ctx *ctx, struct pvb_shared *shared, const char *owner, struct pvb_err *err) PVB_MUST_CHECK;
bool pvb_shared_has(const struct pvb_shared *shared, const char *owner);
/* Whether nobody but owner has it. */
bool pvb_shared_last(const struct pvb_shared *shared, const char *owner);
void pvb_shared_leave(struct pvb_shared *shared);

/* ---- judge.c: what speaks against lending ---------------------------------------------------- */
/* Append every refusal that stands against moving the snapshot's functions for the request. others:
 * devices that a lend of another name has count as held. */
int pvb_judge(struct pvb_ctx *ctx, const struct pvb_request *request, const struct pvb_snapshot *snapshot,
	      const struct pvb_console *console, struct pvb_refusals *refusals, struct pvb_err *err) PVB_MUST_CHECK;
/* Mark those that the request allows. */
void pvb_refusals_allow(struct pvb_refusals *refusals, const struct pvb_request *request);
/* Copy all of src behind dst. */
int pvb_refusals_copy(struct pvb_refusals *dst, const struct pvb_refusals *src) PVB_MUST_CHECK;

/* ---- stuck marks (stuck.c): a device that hangs in the kernel is not touched again in this boot -- */
/* -EBUSY when it is marked, the boot is the same and the worker is still there; buf then says in what. 0 otherwise. */
int pvb_stuck_check(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size) PVB_MUST_CHECK;
int pvb_stuck_mark(struct pvb_ctx *ctx, const struct pvb_addr *addr, int pid, const char *what) PVB_MUST_CHECK;

/* ---- plan.c ------------------------------------------------------------------------------------ */
struct pvb_plan {
	struct pvb_journal journal; /* lend, devices, operations in order */
	size_t *origin;             /* malloced: per operation its number in the journal */
	struct pvb_refusals refusals;
	char **notes;               /* malloced, NULL at its end */
	size_t num_notes;
};

/* Stages of a lend: what is in one runs together, a worker per device. */
enum pvb_stage { STAGE_MODULES, STAGE_CONSOLE, STAGE_MOVE, STAGE_CONSOLE_MOVE, STAGE_SLOTS, STAGE_COUNT };

int pvb_plan_add_note(struct pvb_plan *plan, const char *fmt, ...) PVB_PRINTF(2, 3) PVB_MUST_CHECK;
int pvb_plan_add_op(struct pvb_plan *plan, enum pvb_op_kind kind, int device, unsigned stage, const char *fmt, ...)
	PVB_PRINTF(5, 6) PVB_MUST_CHECK;

/* ---- home.c, lending.c: the plan of a lend --------------------------------------------------------- */
/* What the builder knows while it makes a plan. */
struct pvb_builder {
	struct pvb_ctx *ctx;
	const struct pvb_request *request;
	const struct pvb_snapshot *snapshot;
	const struct pvb_function **moving; /* malloced: non-bridge functions, parallel to the plan's devices */
	size_t num_moving;
	struct pvb_console console;
	struct pvb_journal before;          /* what is lent to the same name already */
	struct pvb_plan *plan;
	struct pvb_err *err;
};
/* Fill the plan's devices, one for each function that moves. */
int pvb_homes_decide(struct pvb_builder *b) PVB_MUST_CHECK;
/* Module names have '_' where a driver's name may have '-'. */
bool pvb_driver_name_equal(const char *a, const char *b);

/* ---- effect.c: what the operations do ------------------------------------------------------------ */
struct pvb_step {
	struct pvb_ctx *ctx;
	const struct pvb_lend *lend;
	const struct pvb_op *op;
	int journal_fd;
	bool warn;                  /* out: the text is a warning */
	bool quiet;                 /* out: not worth a line */
	char text[384];             /* out: what was done, or why not */
};
/* Do one operation (or its inverse) and read back that it is done; done already is success. */
int pvb_effect(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
const struct pvb_home *pvb_step_home(const struct pvb_step *step);
/* The device went away (unplugged, fell off): there is nothing to bring home, and step->text says so. */
bool pvb_step_gone(struct pvb_step *step);
/* The driver it is on now; "" for none. */
int pvb_step_driver(const struct pvb_step *step, char *driver, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
bool pvb_step_on_vfio(const struct pvb_step *step, const char *driver);

/* ---- binding.c, power.c: the effects on one function -------------------------------------------------- */
int pvb_effect_override(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_override_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_unbind(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_unbind_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_bind(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_bind_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_power(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_power_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- worker.c: a process per device ----------------------------------------------------------------- */
struct pvb_outcome {
	size_t op;     /* number in the plan */
	int code;
	bool warn, quiet;
	int64_t ns;
	char text[512];
};
struct pvb_worker {
	pid_t pid;
	int pidfd;
	int device;          /* -1: the host's operations */
	size_t *ops;         /* malloced: numbers in the plan, in order */
	size_t num_ops, reported;
	int64_t deadline_ns;
	bool running, failed;
};
struct pvb_run {
	struct pvb_ctx *ctx;
	const struct pvb_plan *plan;
	int journal_fd;
	const int *lock_fds;  /* per device of the plan: its lock, or -1 */
	int64_t deadline_ns;
	volatile int *cancel; /* shared with the workers: no further operation */
	int out[2];           /* outcomes */
};
int pvb_worker_start(struct pvb_run *run, struct pvb_worker *worker) PVB_MUST_CHECK;

/* ---- apply.c ------------------------------------------------------------------------------------------- */
/* Run a plan's operations stage by stage, a worker per device. A lend stops at the first stage with a
 * failure; a way home goes on. The error is the first one's. device_failed (may be NULL): per device. */
int pvb_apply(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
	      int64_t deadline_ns, bool *device_failed, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- session.c: working on a lend ------------------------------------------------------------------------ */
#define PVB_LOCK_WAIT_NS 45000000000 /* for another pvebind that works on the same lend */

/* A lend that is worked on: its lock, and its devices' locks in address order. */
struct pvb_session {
	struct pvb_ctx *ctx;
	char name[32], label[PVB_NAME_MAX];
	int64_t start_ns, deadline_ns;
	struct pvb_record lock;
	struct pvb_record *devices; /* malloced: parallel to a plan's devices */
	int *lock_fds;              /* malloced: likewise */
	size_t num_devices;
};

/* Take the lend's lock, waiting up to wait_ns. -EBUSY: somebody else works on it. Close it after a failure too. */
int pvb_session_open(struct pvb_ctx *ctx, const char *name, const char *label, int64_t wait_ns, struct pvb_session *s,
		     struct pvb_err *err) PVB_MUST_CHECK;
void pvb_session_close(struct pvb_session *s);
/* Lock the plan's devices, which come in address order, as every lend takes its locks. */
int pvb_session_lock_devices(struct pvb_session *s, const struct pvb_plan *plan, bool home, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_session_unlock_devices(struct pvb_session *s);
/* Whether a locked device has come to belong to another lend since the plan was made. */
bool pvb_session_devices_taken(const struct pvb_session *s, const struct pvb_plan *plan);
/* Write into the locked devices' records whose they are. */
int pvb_session_claim(struct pvb_session *s, struct pvb_err *err) PVB_MUST_CHECK;
long long pvb_session_elapsed_ms(const struct pvb_session *s);
/* "0000:01:00.0, 0000:01:00.1". Returns buf. */
const char *pvb_plan_devices_text(const struct pvb_plan *plan, char *buf, size_t size);

/* ---- homecoming.c ------------------------------------------------------------------------------------------ */
/* Everything lent to the session's name, home, from its journal alone; the lend's lock is held. */
int pvb_home_bring(struct pvb_session *s, struct pvb_err *err) PVB_MUST_CHECK;

#endif
