/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of libbind share among themselves. Files call only downwards:
 *   err addr ctx → sysfs (kmodload) module (modconf) kmsg (ids) names → line record stuck ask program → device capability details snapshot group nodes owner holders (search) vfio critical (disk nic) hostuse usb terminal console reset slot
 *   → refusal request shared → op journal (replay) lend → busy users letgo gate judge → plan home gating service stopping lending
 *   → power unload binding effect → worker outcome overdue apply → orphan session homecoming → bind takeback watch manual
 * All functions return 0 or -errno; those without a struct pvb_err leave the
 * sentence to their caller, who knows what it was for.
 */
#ifndef PVEBIND_INTERNAL_H
#define PVEBIND_INTERNAL_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
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
	pvb_event_fn *event;
	void *event_data;
	pvb_identify_fn *identify;
	void *identify_data;
	int cancel_fd;
	int64_t start_ns;    /* pvb_ctx_set_start(); 0: as it is asked */
	int64_t deadline_ns; /* what the host does not answer until then is not waited for; 0: each question has its own time */
	pvb_begun_fn *begun;
	void *begun_data;
	pvb_without_kmod_fn *without_kmod;
	void *without_kmod_data;
	bool changing;       /* too late for without_kmod */
	struct pvb_child *children; /* child.c's own */
	size_t num_children;
	pid_t children_of;   /* whose they are */
	/* module.c's and names.c's own. By pointers, so that a program that only looks (the guard) links neither library. */
	void *kmod, *pci;
	void (*kmod_free)(struct pvb_ctx *ctx), (*pci_free)(struct pvb_ctx *ctx);
};

/* As pvb_open(), with a mode for O_CREAT. */
int pvb_openat(const struct pvb_ctx *ctx, const char *path, int flags, mode_t mode) PVB_MUST_CHECK;
int64_t pvb_now_ns(void); /* CLOCK_MONOTONIC */
int64_t pvb_boottime_ns(void); /* CLOCK_BOOTTIME: what /proc/PID/stat counts from, too */
/* Whether the time for questions to the host is over. */
bool pvb_ctx_late(const struct pvb_ctx *ctx);
/* Whether its cancel_fd says so. */
bool pvb_ctx_cancelled(const struct pvb_ctx *ctx);
/* The boot's id, "" when unknown. */
void pvb_boot_id_read(struct pvb_ctx *ctx, char *buf, size_t size);
/* In a child that may hang and so outlive us: put its stdio elsewhere. Proxmox VE reads the hook's pipes to their end. On
 * /dev/null, for who may run programs (ctx NULL); else on what can neither be read nor written (O_PATH), which is open already. */
void pvb_stdio_leave(const struct pvb_ctx *ctx);
/* snprintf that says whether all of it fitted: 0 or -ENAMETOOLONG. */
int pvb_format(char *buf, size_t size, const char *fmt, ...) PVB_PRINTF(3, 4);

/* ---- sysfs.c: the only file that opens /sys ------------------------------- */
#define PVB_PATH_MAX 512

/* A number, 0x or decimal. */
int pvb_sysfs_read_number(const struct pvb_ctx *ctx, const char *path, uint64_t *value) PVB_MUST_CHECK;
/* Exactly one write(2) of value, as the kernel's store functions want it; its error is
 * the driver's own. A short write is -EIO. */
int pvb_sysfs_write(const struct pvb_ctx *ctx, const char *path, const char *value) PVB_MUST_CHECK;
/* The whole target text of a link. */
int pvb_sysfs_link_target(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size) PVB_MUST_CHECK;
/* Up to size bytes of a binary attribute (config) from its start; returns how many, or -errno. */
ssize_t pvb_sysfs_read_bytes(const struct pvb_ctx *ctx, const char *path, void *buf, size_t size) PVB_MUST_CHECK;
/* The same of what is in the directory dir (O_PATH), which is cheaper; links are not followed. */
ssize_t pvb_sysfs_read_bytes_at(int dir, const char *attr, void *buf, size_t size) PVB_MUST_CHECK;
int pvb_sysfs_read_at(int dir, const char *attr, char *buf, size_t size) PVB_MUST_CHECK;
int pvb_sysfs_link_target_at(int dir, const char *name, char *buf, size_t size) PVB_MUST_CHECK;
int pvb_sysfs_link_at(int dir, const char *name, char *buf, size_t size) PVB_MUST_CHECK;
bool pvb_sysfs_exists_at(int dir, const char *name);
/* The same of an open directory (-1: there is none), and of its directories alone: not of links to such. */
int pvb_sysfs_dirs_of(int dir, char ***names) PVB_MUST_CHECK;
/* One of those, to be closed; -errno. */
int pvb_sysfs_dir_open(int dir, const char *name) PVB_MUST_CHECK;
static inline void cleanup_strv(char ***v) { pvb_strv_free(*v); }
#define _cleanup_strv_ __attribute__((cleanup(cleanup_strv)))

#define PVB_DEVICES_DIR "sys/bus/pci/devices"
/* "sys/bus/pci/devices/0000:01:00.0/ATTR" into buf, which is returned; attr "" for the device itself. */
const char *pvb_device_path(const struct pvb_addr *addr, const char *attr, char buf[PVB_PATH_MAX]);

/* ---- device.c ----------------------------------------------------------------- */
/* Everything but the override. -ENOENT when the function is gone. */
int pvb_function_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_function *fn) PVB_MUST_CHECK;
/* The same, for many. */
struct pvb_records;
struct pvb_among {
	int devices;                     /* open PVB_DEVICES_DIR, or -1 */
	struct pvb_records *records;     /* NULL: for a few functions it pays to ask for the record of each */
	const struct pvb_function *like; /* one that was just read, or NULL: saves reads where both have one driver */
};
int pvb_function_read_among(struct pvb_ctx *ctx, const struct pvb_among *among, const struct pvb_addr *addr,
			    struct pvb_function *fn) PVB_MUST_CHECK;
/* Whether an entry of the function's directory is a device of its own. A bridge stays on the host when what is behind it
 * goes, and the other way round; below anything else that has PCI functions (VMD) these lose their host together with it,
 * so that a walk goes into them. */
bool pvb_name_is_apart(const struct pvb_function *fn, const char *name);
/* Takes the device lock: in a worker only, or a child. "" for none. */
int pvb_override_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, char buf[PVB_NAME_MAX]) PVB_MUST_CHECK;
/* The overrides of n functions by a child; one that hangs for a second is override_unknown. */
int pvb_overrides_read(struct pvb_ctx *ctx, struct pvb_function *fns, size_t n) PVB_MUST_CHECK;

/* ---- capability.c ------------------------------------------------------------ */
/* Fill in what size bytes of a configuration space say; d->addr, d->bars and d->known are as sysfs had them. */
void pvb_capabilities_parse(const uint8_t *bytes, size_t size, struct pvb_details *d);

/* ---- module.c: with modconf.c (what modprobe.d says) all that includes libkmod ------------------------- */
struct kmod_ctx;
/* libkmod's context, made at the first call; the context's. NULL: no memory. */
struct kmod_ctx *pvb_kmod(struct pvb_ctx *ctx);
/* Load a module with its dependencies and modprobe.d options, as modprobe would; loaded or
 * built in already is success. *loaded (may be NULL): whether this call did it. */
int pvb_module_load(struct pvb_ctx *ctx, const char *name, bool *loaded, struct pvb_err *err) PVB_MUST_CHECK;
/* The modules that modprobe would load for alias ("pci:v00001234d…", "vfio_pci:v…"), blacklist
 * respected; malloced array, empty when there is none. */
int pvb_module_lookup(struct pvb_ctx *ctx, const char *alias, char ***names, struct pvb_err *err) PVB_MUST_CHECK;

/* Whether it is loaded, or just being loaded or unloaded; one that is built in is not. */
bool pvb_module_loaded(const struct pvb_ctx *ctx, const char *name);
/* The modules that use it; malloced array. */
int pvb_module_holders(const struct pvb_ctx *ctx, const char *name, char ***names) PVB_MUST_CHECK;
/* How often it is used by what is no module: its reference count less its holders. */
int pvb_module_uses(const struct pvb_ctx *ctx, const char *name, unsigned *uses) PVB_MUST_CHECK;
/* Unload this one, without waiting and without force: -EAGAIN or -EBUSY at once when it is in use. It may run the
 * remove() of a driver. Not loaded is success. */
int pvb_module_unload(struct pvb_ctx *ctx, const char *name, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- ask.c: questions whose answer may never come ----------------------------- */
typedef void pvb_answer_fn(struct pvb_ctx *ctx, void *data, int fd);
/* Run answer in a child that has nothing of ours open but the root and fd, to which it writes. *text (malloced, also
 * with -ETIMEDOUT and -ECANCELED: what had come by then; NULL otherwise) is what it wrote. -ETIMEDOUT: it wrote nothing, nor ran,
 * for silence_ns, or went on for five times that, or until the context's time was over. -EIO: it did not end well.
 * A child that hangs in the kernel is left behind, harming nobody. */
int pvb_ask(struct pvb_ctx *ctx, pvb_answer_fn *answer, void *data, int64_t silence_ns, char **text, size_t *size) PVB_MUST_CHECK;
/* The same in two halves, for who has something else to do meanwhile. What was started must be ended; its silence
 * is counted from then on. */
struct pvb_ask {
	pid_t pid;
	int pidfd, fd;
	char *text; /* malloced: what has come */
	size_t size, room;
	size_t enough; /* so much is the whole answer; 0: it goes on until the child ends */
};
int pvb_ask_start(struct pvb_ctx *ctx, pvb_answer_fn *answer, void *data, struct pvb_ask *ask) PVB_MUST_CHECK;
int pvb_ask_end(struct pvb_ctx *ctx, struct pvb_ask *ask, int64_t silence_ns, char **text, size_t *size) PVB_MUST_CHECK;

/* ---- child.c: children that only have to end ---------------------------------------- */
/* Collect it when the context goes, or as there are many; pidfd is closed then. */
void pvb_child_later(struct pvb_ctx *ctx, pid_t pid, int pidfd);
void pvb_children_collect(struct pvb_ctx *ctx);

/* ---- program.c: the host's own commands ----------------------------------------- */
/* Run a program ("usr/bin/systemctl", below the root) with args (NULL at their end) to its end. 0 whatever its status
 * is; -ENOENT: it is not here; -ETIMEDOUT (at the context's time, too), -ECANCELED: it was killed. */
int pvb_program_run(const struct pvb_ctx *ctx, const char *program, const char *const *args, int64_t deadline_ns,
		    struct pvb_output *output) PVB_MUST_CHECK;

/* ---- below.c: what is below a function in sysfs --------------------------------------- */
struct pvb_below {
	const struct pvb_ctx *ctx;
	const struct pvb_function *fn; /* what is below its buses is others' */
	const char *const *skip;       /* folders below which nothing is wanted; NULL at its end; or NULL */
	void *data;
	/* A directory below: 0; 1: it is an NVMe controller, whose disks may be elsewhere; -errno ends the walk. */
	int (*note)(void *data, int dir, const char *path);
	/* One that cannot be looked into (-ENAMETOOLONG: what is below it): 0 to go on, or what ends the walk. */
	int (*unread)(void *data, const char *path, int code);
};
/* All below the directory path, which dir has open; links are not followed. */
int pvb_below_walk(const struct pvb_below *below, int dir, const char *path) PVB_MUST_CHECK;

/* ---- nodes.c: the device nodes of a function --------------------------------------- */
struct pvb_node {
	char path[PVB_NAME_MAX];  /* "/dev/dri/card0": its usual name; in a container it may have another */
	struct pvb_addr addr;     /* the function it belongs to */
	unsigned major, minor;    /* what it is known by; 0:0: by its path alone */
	bool block;
	bool shared;              /* one for all devices of the driver: /dev/nvidiactl, /dev/kfd */
	bool mappable;            /* can stay in use by a mapping, without a descriptor */
	char counted_by[PVB_NAME_MAX]; /* a module in whose reference count each open and each mapping of it counts; or "" */
};
struct pvb_nodes {
	struct pvb_node *list; /* malloced */
	size_t n;
};
/* Append every node that belongs to the function as it is bound now: all that sysfs shows below it but input devices
 * (to listen to a keyboard is not to use its controller), and NVIDIA's and KFD's, which it does not show. Its vfio
 * nodes: pvb_vfio_nodes(). */
int pvb_device_nodes(struct pvb_ctx *ctx, const struct pvb_function *fn, struct pvb_nodes *nodes) PVB_MUST_CHECK;
/* Append one that is known by its path. */
int pvb_nodes_add(struct pvb_nodes *nodes, const struct pvb_addr *addr, const char *path) PVB_MUST_CHECK;
void pvb_nodes_clear(struct pvb_nodes *nodes);

/* ---- holders.c --------------------------------------------------------------- */
struct pvb_holder {
	int pid;
	char command[PVB_NAME_MAX];   /* comm */
	char who[PVB_NAME_MAX];       /* pvb_identify_fn's word: "VM 101"; or "" */
	char unit[PVB_NAME_MAX];      /* systemd unit, from the cgroup; or "" */
	char container[PVB_NAME_MAX]; /* "105" of lxc/105; or "" */
	size_t at;                    /* which of the nodes asked for */
	char node[PVB_NAME_MAX];      /* its path: "/dev/vfio/15" */
	bool mapped;                  /* mapped, no descriptor */
};
struct pvb_holders {
	struct pvb_holder *list;      /* malloced; one per process and node */
	size_t n;
	unsigned unreadable;          /* live processes that could not be looked into: never "nobody" */
	bool incomplete;              /* nor could those that are left: the look took too long … */
	int hung_at;                  /* … and was then at this process */
};
/* Who has one of the nodes open or mapped. Walks proc below the root, in a child that may spend 2 s on a process,
 * 10 s in all. A node of one number is the same under any name. Ask for all nodes at once: the walk costs some 60 us a
 * process on a slow machine, and 100 where one of the nodes can be mapped. */
int pvb_holders_find(struct pvb_ctx *ctx, const struct pvb_nodes *nodes, struct pvb_holders *holders) PVB_MUST_CHECK;
void pvb_holders_clear(struct pvb_holders *holders);
/* Whether there may be more of them than were found: "2 processes could not be looked into" into buf; else false. */
bool pvb_holders_unknown(struct pvb_ctx *ctx, const struct pvb_holders *holders, char *buf, size_t size);

/* ---- owner.c -------------------------------------------------------------------- */
/* Unit and container, from the text of /proc/PID/cgroup, which is cut up. */
void pvb_owner_parse(char *cgroup, struct pvb_holder *holder);
/* "VM 101 (kvm, pid 4242)" / "pipewire (pid 812, user@0.service)". Returns buf. */
const char *pvb_holder_describe(const struct pvb_holder *holder, char *buf, size_t size);
/* Whose the calling process is: its systemd unit or container, "" for none. */
void pvb_holder_self(struct pvb_ctx *ctx, struct pvb_holder *self);

/* ---- vfio.c --------------------------------------------------------------------- */
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

/* ---- terminal.c ------------------------------------------------------------------- */
/* Frame-buffer vtconsoles, bound ones only or all, blank-separated. */
int pvb_vtcons_list(const struct pvb_ctx *ctx, bool bound_only, char *list, size_t size) PVB_MUST_CHECK;
/* Whether a virtual terminal is mapped to one of the frame buffers (bit N: fbN), where there are others besides. True
 * also where none of the others can be asked. */
bool pvb_terminals_shown(const struct pvb_ctx *ctx, uint32_t framebuffers);
/* Wait until there is a frame buffer. -ETIMEDOUT. */
int pvb_console_wait(const struct pvb_ctx *ctx, int64_t deadline_ns) PVB_MUST_CHECK;
/* Unbind / bind the vtconsoles named; done already is success; read back afterwards. Restore gives
 * -ENODEV when there is no frame buffer to show it on. Nothing is written then. */
int pvb_console_release(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_console_restore(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err) PVB_MUST_CHECK;

/* Whether a person could still reach a host whose screen is gone: a serial console
 * (proc/consoles), or something that listens for ssh (22) or for Proxmox VE's web interface (8006). */
bool pvb_console_other_way(struct pvb_ctx *ctx);

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
	char unsure[256];       /* a sentence on what could not be found out; "" */
};
/* What the console has to do with the functions. Reads only, in a child, whose answer comes while the caller goes on;
 * one that was asked for must be taken. It is called PVB_ASKER, and may for an instant have another card's frame buffer
 * open, which is no use of that card. -ETIMEDOUT: the kernel does not answer, as a graphics driver hangs. */
#define PVB_ASKER "pvebind-ask"
int pvb_console_ask(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n, struct pvb_ask *ask) PVB_MUST_CHECK;
int pvb_console_answer(struct pvb_ctx *ctx, struct pvb_ask *ask, struct pvb_console *console) PVB_MUST_CHECK;

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
#define PVB_LINE_MAX 4096

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
/* Unlink a file of run/pvebind; that there is none is fine. */
int pvb_state_remove(struct pvb_ctx *ctx, const char *name) PVB_MUST_CHECK;
/* Unlink it, the lock still held until it is closed. */
int pvb_record_remove(struct pvb_ctx *ctx, struct pvb_record *record) PVB_MUST_CHECK;
/* Read without the lock, for those who only look. -ENOENT. */
int pvb_record_peek(const struct pvb_ctx *ctx, const char *name, char body[PVB_RECORD_MAX]) PVB_MUST_CHECK;
/* Whether somebody holds the lock now. */
bool pvb_record_locked(const struct pvb_ctx *ctx, const char *name);
/* The names of records and locks, for who asks of many functions: read anew only when they change. Whether there may be one that
 * begins so. */
struct pvb_records {
	int dir;
	struct timespec changed;
	char **names;
};
void pvb_records_open(const struct pvb_ctx *ctx, struct pvb_records *records);
void pvb_records_close(struct pvb_records *records);
bool pvb_records_have(const struct pvb_ctx *ctx, struct pvb_records *records, const char *prefix);
/* Wait until nobody holds the lock; nothing is created or held afterwards. -ENOENT, -ETIMEDOUT, -ECANCELED. */
int pvb_record_wait(const struct pvb_ctx *ctx, const char *name, int64_t deadline_ns) PVB_MUST_CHECK;
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

/* Who has begun an operation, or its undo, and not ended it. */
struct pvb_at {
	int pid;          /* 0: nobody; or an older version, which did not say */
	int64_t since_ns; /* pvb_boottime_ns() */
	bool undo;
};

struct pvb_journal {
	struct pvb_lend lend;
	struct pvb_op *ops;              /* malloced: the lend's plan */
	enum pvb_progress *progress;     /* malloced: one per operation */
	struct pvb_at *at;               /* malloced, likewise; of a journal that was read */
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
/* Lent still, for the start that must follow. */
int pvb_journal_awaits(int fd) PVB_MUST_CHECK;
/* What is lent is lent anew, under a new generation. */
int pvb_journal_renewal(int fd, uint64_t generation) PVB_MUST_CHECK;
int pvb_journal_override(int fd, size_t device, const char *override) PVB_MUST_CHECK;
int pvb_journal_settings(int fd, const struct pvb_settings *settings) PVB_MUST_CHECK;
int pvb_journal_remove(struct pvb_ctx *ctx, const char *name) PVB_MUST_CHECK;
/* Remove what a writer of a journal has left that died before it was one; the lend's lock is held. */
void pvb_journal_part_remove(struct pvb_ctx *ctx, const char *name);
/* "run/pvebind/100.journal" into path, which is returned. */
const char *pvb_journal_path(const char *name, char path[PVB_PATH_MAX]);
/* "100.lock": the lend's lock. */
const char *pvb_lend_lock_name(const char *name, char buf[PVB_NAME_MAX]);

/* ---- lend.c ---------------------------------------------------------------------------------------- */
/* The device's record and lock: its address. */
const char *pvb_device_record_name(const struct pvb_addr *addr, char buf[PVB_NAME_MAX]);
/* pvb_device_holder() by a device's record that the caller has opened. */
int pvb_record_holder(struct pvb_ctx *ctx, const struct pvb_record *record, char *buf, size_t size) PVB_MUST_CHECK;

/* Wait until nobody has the lend's devices open. lock_fds: their locks, as far as they are the caller's (-1: not); NULL: it
 * has none. -ETIMEDOUT, -ECANCELED. */
int pvb_lend_groups_wait(struct pvb_ctx *ctx, const struct pvb_lend *lend, const int *lock_fds, int64_t deadline_ns) PVB_MUST_CHECK;

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

/* ---- gate.c: drivers whose remove() waits until nobody uses the device ---------------------------- */
struct pvb_gate {
	const char *driver;
	const char *family; /* its module and those that build on it, in no order; NULL: others need them, never unloaded */
	const char *user;   /* a module of the family that uses every device from inside the kernel … */
	const char *params; /* … when it has one of these parameters set; blank-separated */
};
/* NULL: the driver lets a device go at once. */
const struct pvb_gate *pvb_gate_of(const char *driver);
/* -EBUSY when a process has the device open: the last look before it is unbound from driver. */
int pvb_gate_check(struct pvb_ctx *ctx, const struct pvb_lend *lend, const struct pvb_addr *addr, const char *driver,
		   struct pvb_err *err) PVB_MUST_CHECK;
/* A device that is on one of the module's drivers (on the driver in dir, "sys/bus/pci/drivers/NAME") and is not lent, nor
 * below one that is, into which; "" for none. */
int pvb_gate_other(struct pvb_ctx *ctx, const struct pvb_lend *lend, const char *module, char which[PVB_NAME_MAX]) PVB_MUST_CHECK;
int pvb_gate_driver_other(struct pvb_ctx *ctx, const struct pvb_lend *lend, const char *dir, char which[PVB_NAME_MAX]) PVB_MUST_CHECK;
/* "X (pid 812) has /dev/nvidia0 open", of the first that has one of the devices (the nodes) open and is not stopped by
 * settings (NULL: any). 1 when there is one, or may be; 0; -errno. */
int pvb_gate_holder(struct pvb_ctx *ctx, const struct pvb_addr *addrs, size_t n, const struct pvb_settings *settings,
		    char *buf, size_t size) PVB_MUST_CHECK;
int pvb_gate_nodes_holder(struct pvb_ctx *ctx, const struct pvb_nodes *nodes, const struct pvb_settings *settings, char *buf,
			  size_t size) PVB_MUST_CHECK;
/* The next of the blank-separated words at *list into word; false at the end. */
bool pvb_word_next(const char **list, char word[PVB_NAME_MAX]);

/* ---- busy.c: processes that use the devices ---------------------------------------------------- */
struct pvb_busy {
	struct pvb_ctx *ctx;
	const struct pvb_settings *settings;
	struct pvb_nodes nodes;     /* of all functions that are on a host driver */
	struct pvb_holders holders;
	char **stops;               /* malloced: what is to be stopped */
};
/* What the settings (busy = stop) name, in order, each once, as the argument of a PVB_OP_STOP: "unit NAME.service",
 * "container 105"; malloced. */
int pvb_stops_list(const struct pvb_settings *settings, char ***args) PVB_MUST_CHECK;
/* Whether to stop arg ends the holder; a unit's aliases count. */
bool pvb_stop_covers(struct pvb_ctx *ctx, const char *arg, const struct pvb_holder *holder);
/* Look once for all functions. Clear it also after a failure. */
int pvb_busy_look(struct pvb_ctx *ctx, const struct pvb_settings *settings, const struct pvb_snapshot *snapshot,
		  struct pvb_busy *busy) PVB_MUST_CHECK;
void pvb_busy_clear(struct pvb_busy *busy);
/* Append a refusal (held, backup) for each process that is in the way and is not to be stopped. */
int pvb_busy_judge(const struct pvb_busy *busy, const struct pvb_function *fn, struct pvb_refusals *refusals) PVB_MUST_CHECK;

/* One that has one of the devices of the snapshot in use, or may have it: "Xorg (pid 812, x.service) has /dev/fb0
 * open". False: nobody. */
bool pvb_busy_who(const struct pvb_busy *busy, const struct pvb_snapshot *snapshot, char *buf, size_t size);
/* The next process, from entry *at of the holders (0 at first), that has the function in use; all but its address. */
bool pvb_busy_next(const struct pvb_busy *busy, const struct pvb_function *fn, size_t *at, struct pvb_user *user);

/* ---- letgo.c -------------------------------------------------------------------------------------- */
/* Wait until nobody uses the devices any more. -ETIMEDOUT (who: one that does), -ECANCELED. */
int pvb_letgo_wait(struct pvb_ctx *ctx, const struct pvb_settings *settings, const struct pvb_snapshot *snapshot,
		   int64_t deadline_ns, char *who, size_t size) PVB_MUST_CHECK;

/* ---- judge.c: what speaks against lending ---------------------------------------------------- */
/* Append every refusal that stands against moving the snapshot's functions for the request. others:
 * devices that a lend of another name has count as held. */
int pvb_judge(struct pvb_ctx *ctx, const struct pvb_request *request, const struct pvb_snapshot *snapshot,
	      struct pvb_refusals *refusals, struct pvb_err *err) PVB_MUST_CHECK;
/* The same for the console, of which is known later. */
int pvb_judge_console(struct pvb_ctx *ctx, const struct pvb_request *request, const struct pvb_console *console,
		      struct pvb_refusals *refusals) PVB_MUST_CHECK;
/* Mark those that the request allows. */
void pvb_refusals_allow(struct pvb_refusals *refusals, const struct pvb_request *request);
/* Copy all of src behind dst. */
int pvb_refusals_copy(struct pvb_refusals *dst, const struct pvb_refusals *src) PVB_MUST_CHECK;

/* ---- stuck marks (stuck.c): a device that hangs in the kernel is not touched again in this boot -- */
/* -EBUSY when it is marked, the boot is the same and the worker is still there; buf then says in what. 0 otherwise. */
int pvb_stuck_check(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size) PVB_MUST_CHECK;
/* What process pid waits in, for a person: the innermost functions of its stack in the kernel ("msleep < nv_remove < …"). */
void pvb_stuck_describe(struct pvb_ctx *ctx, int pid, char *buf, size_t size);
int pvb_stuck_mark(struct pvb_ctx *ctx, const struct pvb_addr *addr, int pid, const char *what) PVB_MUST_CHECK;
/* The same of what is no device: pvb_host_thing(). */
int pvb_stuck_check_thing(struct pvb_ctx *ctx, const char *thing, char *buf, size_t size) PVB_MUST_CHECK;
int pvb_stuck_mark_thing(struct pvb_ctx *ctx, const char *thing, int pid, const char *what) PVB_MUST_CHECK;
/* When process pid was started (clock ticks since boot), and its state ('D'). -1: it is gone, or dead. */
int64_t pvb_process_start(struct pvb_ctx *ctx, int pid, char *state);

/* ---- plan.c ------------------------------------------------------------------------------------ */
struct pvb_plan {
	struct pvb_journal journal; /* lend, devices, operations in order */
	size_t *origin;             /* malloced: per operation its number in the journal */
	struct pvb_refusals refusals;
	char **notes;               /* malloced, NULL at its end */
	size_t num_notes;
};

/* Stages of a lend: what is in one runs together, a worker per device. */
enum pvb_stage {
	STAGE_MODULES,
	STAGE_SERVICES,
	STAGE_CONSOLE,
	STAGE_PIN, /* overrides of devices whose driver is unloaded next */
	STAGE_UNLOAD,
	STAGE_MOVE,
	STAGE_CONSOLE_MOVE,
	STAGE_SLOTS,
	STAGE_COUNT
};

/* Ask for libkmod (pvb_kmod()) if carrying the plan out takes it, as far as can be known: while nothing is changed yet. */
void pvb_plan_kmod(struct pvb_ctx *ctx, const struct pvb_plan *plan);
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
/* A number that no earlier lend of this boot has. */
uint64_t pvb_generation_new(void);
/* Module names have '_' where a driver's name may have '-'. */
bool pvb_driver_name_equal(const char *a, const char *b);

/* ---- effect.c: what the operations do ------------------------------------------------------------ */
struct pvb_step {
	struct pvb_ctx *ctx;
	const struct pvb_lend *lend;
	const struct pvb_op *op;
	int journal_fd;
	int64_t deadline_ns;        /* the worker's; 0: none known */
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
/* Whether a lent device that is still there is not on its home driver. */
bool pvb_step_away(const struct pvb_step *step);

/* ---- binding.c, power.c: the effects on one function -------------------------------------------------- */
int pvb_effect_override(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_override_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_unbind(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_unbind_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_bind(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_bind_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_power(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_power_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- stopping.c (service.c, service.h): systemd units and containers that use the devices ---------------- */
/* Plan to stop what the settings name (busy = stop). */
int pvb_services_plan(struct pvb_builder *b) PVB_MUST_CHECK;
int pvb_effect_stop(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_stop_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- gating.c: the plan for gated drivers; unload.c: its effects --------------------------------------------- */
/* Refuse (driver-gate) where unbinding would wait for ever, or plan to unload the driver's modules, with the overrides
 * (targets, parallel to the moving functions) that have to come before. */
int pvb_gate_plan(struct pvb_builder *b, char (*targets)[PVB_NAME_MAX]) PVB_MUST_CHECK;
int pvb_effect_unload(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_effect_unload_undo(struct pvb_step *step, struct pvb_err *err) PVB_MUST_CHECK;

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
	int gate[2];         /* it waits there for its turn, and its end says that no further operation is wanted */
	unsigned stage;
	int device;          /* the device it is for; -1: the host's operations */
	size_t *ops;         /* malloced: numbers in the plan, in order */
	size_t num_ops, reported;
	int64_t start_ns, deadline_ns;
	bool running, failed;
	bool begun;          /* it was let go */
};
struct pvb_run {
	struct pvb_ctx *ctx;
	const struct pvb_plan *plan;
	int journal_fd;
	const int *lock_fds;  /* per device of the plan: its lock, or -1; then the host's part's */
	int64_t deadline_ns;  /* of it all: a lend gives up then, a way home leaves the rest to who comes next */
	int out[2];           /* outcomes */
};
/* Start its process, which does nothing until it is let go: so that it is there, and has its memory, when its turn
 * comes. If its turn never comes, or the caller dies, it ends. */
int pvb_worker_start(struct pvb_run *run, struct pvb_worker *worker) PVB_MUST_CHECK;
int pvb_worker_go(struct pvb_worker *worker) PVB_MUST_CHECK; /* until its deadline_ns */
/* It begins no further operation. */
void pvb_worker_stop(struct pvb_worker *worker);
/* Those that have reported all they had to do, or were never let go, are collected some time. */
void pvb_workers_end(struct pvb_ctx *ctx, struct pvb_worker *workers, size_t n);
/* Whose worker does the operation: a device's index; -1: the host's. A slot's reset is its first function's. */
int pvb_op_worker(const struct pvb_lend *lend, const struct pvb_op *op);
/* Whether the operation has to do with device i's own state in the kernel. */
bool pvb_op_touches(const struct pvb_lend *lend, const struct pvb_op *op, size_t i);
/* Whether what the worker does can hang in device i: then it keeps that device's lock, and marks it stuck. */
bool pvb_worker_touches(const struct pvb_run *run, const struct pvb_worker *worker, size_t i);

#define PVB_CANCEL_HOME_NS 2500000000 /* for the way home of who was asked to stop */

/* ---- outcome.c, overdue.c, apply.c (apply.h) ------------------------------------------------------------------------------------------- */
/* Run a plan's operations stage by stage, a worker per device. A lend stops at the first stage with a
 * failure; a way home goes on. The error is the first one's, but -EINPROGRESS when a way home had to be left at
 * deadline_ns. lock_fds: as in struct pvb_run, or NULL; what is to go home is left alone where its lock is -1.
 * device_failed (may be NULL): per device. */
int pvb_apply(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
	      int64_t deadline_ns, bool *device_failed, struct pvb_err *err) PVB_MUST_CHECK;

/* ---- orphan.c: workers that outlived their pvebind ---------------------------------------------------- */
/* What is locked, and marked as stuck, for the operations that are the host's (device -1): "100.host". Returns buf. */
const char *pvb_host_thing(const char *lend, char buf[PVB_NAME_MAX]);
/* Lock the device's record, or (addr NULL) the host's part of a lend: "100.host.lock". A worker whose pvebind is gone
 * has it for a device's time at most: then it is ended, or (-EBUSY) marked as stuck. lend: the one whose lock is the
 * caller's; "" for none. Else as pvb_record_open(). */
int pvb_orphan_lock(struct pvb_ctx *ctx, const char *lend, const struct pvb_addr *addr, int64_t deadline_ns,
		    struct pvb_record *record) PVB_MUST_CHECK;

/* ---- session.c: working on a lend ------------------------------------------------------------------------ */
#define PVB_LOCK_WAIT_NS 45000000000 /* where no lend's settings say how long: for another pvebind that works on it */
#define PVB_LOOK_WAIT_NS 500000000   /* those who only look hold a lock for an instant, too: not to be taken for work */

/* A lend that is worked on: its lock, and its devices' locks in address order. */
struct pvb_session {
	struct pvb_ctx *ctx;
	char name[32], label[PVB_NAME_MAX];
	int64_t start_ns;
	int64_t deadline_ns;        /* lending, and waiting, is given up: what is left of the time is for the way home */
	int64_t limit_ns;           /* what is still on its way home is left to who comes next */
	bool no_start;              /* PVB_RETURN_NO_START */
	enum pvb_event_kind way;    /* to say as devices go home; PVB_EVENT_NONE: it has been said */
	struct pvb_record lock;
	struct pvb_record host;     /* of what is no device's: console, services, modules */
	struct pvb_record *devices; /* malloced: parallel to a plan's devices */
	int *lock_fds;              /* malloced: likewise, and the host's part's behind them */
	size_t num_devices;
};

/* Take the lend's lock, waiting up to wait_ns. -EBUSY: somebody else works on it. Close it after a failure too. */
int pvb_session_open(struct pvb_ctx *ctx, const char *name, const char *label, int64_t wait_ns, struct pvb_session *s,
		     struct pvb_err *err) PVB_MUST_CHECK;
void pvb_session_close(struct pvb_session *s);
/* The same for what the caller asks now, with the settings' budget, counted from the context's start. settings NULL: they
 * are in what the lock is for; until then nobody is waited for. */
int pvb_session_begin(struct pvb_ctx *ctx, const char *name, const char *label, const struct pvb_settings *settings,
		      struct pvb_session *s, struct pvb_err *err) PVB_MUST_CHECK;
/* How long to wait for a lend's lock, and until when to work on it, counted from its start. */
int64_t pvb_session_wait_ns(const struct pvb_settings *settings);
void pvb_session_budget(struct pvb_session *s, const struct pvb_settings *settings);
/* Lock the lend's devices, which come in address order, as every lend takes its locks. */
int pvb_session_lock_devices(struct pvb_session *s, const struct pvb_lend *lend, bool home, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_session_unlock_devices(struct pvb_session *s);
/* Whether locked device i, or any, has come to belong to another lend since the plan was made. */
bool pvb_session_device_taken(const struct pvb_session *s, size_t i);
bool pvb_session_devices_taken(const struct pvb_session *s);
/* Write into the locked devices' records whose they are. */
int pvb_session_claim(struct pvb_session *s, struct pvb_err *err) PVB_MUST_CHECK;
long long pvb_session_elapsed_ms(const struct pvb_session *s);
/* "0000:01:00.0, 0000:01:00.1". Returns buf. */
const char *pvb_plan_devices_text(const struct pvb_plan *plan, char *buf, size_t size);

/* What it is to bring home a lend: PVB_EVENT_RETURN of a whole one, else PVB_EVENT_RECOVER. */
enum pvb_event_kind pvb_lend_way(const struct pvb_lend *lend);

/* ---- homecoming.c ------------------------------------------------------------------------------------------ */
/* Everything lent to the session's name, home, from its journal alone; the lend's lock is held. lend: as it was read since. */
int pvb_home_bring(struct pvb_session *s, const struct pvb_lend *lend, struct pvb_err *err) PVB_MUST_CHECK;

#endif
