/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of libbind share among themselves. Files call only downwards:
 *   err addr ctx → sysfs (kmodload) module (modconf) kmsg (ids) names → line record stuck ask program → device capability details snapshot group nodes owner holders (search) vfio critical (disk nic) hostuse usb terminal console reset slot
 *   → refusal request shared → op journal (replay) lend → busy users letgo gate turn judge → plan home gating service stopping lending
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
/* An attribute that is to be read as well as written, to be closed; -errno. */
int pvb_sysfs_open(const struct pvb_ctx *ctx, const char *path) PVB_MUST_CHECK;
/* What it says now, as often as asked; -ENOENT when it is there no more. */
int pvb_sysfs_show(int fd, char *buf, size_t size) PVB_MUST_CHECK;
/* As pvb_sysfs_write(). */
int pvb_sysfs_store(int fd, const char *value) PVB_MUST_CHECK;
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
	int devices;                     /* open PVB_DEVICES_DIR, or -errno */
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
/* What the attribute says, made into that. */
void pvb_override_trim(char *text);
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
/* Whether the terminals are on no frame buffer of these devices (any more). In a worker only: it may hang. */
bool pvb_console_elsewhere(struct pvb_ctx *ctx, const struct pvb_home *devices, size_t n);

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
	char *text; /* the caller's */
	size_t room, size;
	bool overflow;
};
/* Into buf: of PVB_LINE_MAX bytes for any line, of fewer where what comes is known to be short. */
void pvb_line_start(struct pvb_line *line, char *buf, size_t room, const char *verb);
void pvb_line_text(struct pvb_line *line, const char *key, const char *value);
void pvb_line_number(struct pvb_line *line, const char *key, int64_t value);
/* Checksum and newline. -E2BIG when it did not fit: then nothing may be written. */
int pvb_line_finish(struct pvb_line *line) PVB_MUST_CHECK;
/* The body ("verb key=value …") of the first line of text, cut off in place, *next behind it; NULL when
 * that line is torn or its checksum is wrong. */
const char *pvb_line_check(char *text, char **next);
/* body NULL, here and below: there is no line. */
bool pvb_line_is(const char *body, const char *verb);
/* -ENOENT: no such key; -ENOBUFS. buf is "" then. */
int pvb_line_get(const char *body, const char *key, char *buf, size_t size);
int64_t pvb_line_get_number(const char *body, const char *key, int64_t fallback);

/* ---- record.c: locks and locked records below run/pvebind ------------------------------- */
#define PVB_STATE_DIR "run/pvebind"

#define PVB_CONSOLE_BOUND "console.bound" /* a vtconsole was bound by hand in this boot */

struct pvb_record {
	int fd;     /* locked; -1 when closed */
	char name[PVB_NAME_MAX];
	char *body; /* malloced; NULL when there is no record */
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
int pvb_state_rename(struct pvb_ctx *ctx, const char *from, const char *to) PVB_MUST_CHECK;
/* Unlink it, the lock still held until it is closed. */
int pvb_record_remove(struct pvb_ctx *ctx, struct pvb_record *record) PVB_MUST_CHECK;
/* Read without the lock, for those who only look. *body: malloced, or NULL, as above; body NULL: whether the file is there
 * is all that is asked. -ENOENT. */
int pvb_record_peek(const struct pvb_ctx *ctx, const char *name, char **body) PVB_MUST_CHECK;
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

/* ---- refusal.c -------------------------------------------------------------------- */
/* Mark those that the request allows. */
void pvb_refusals_allow(struct pvb_refusals *refusals, const struct pvb_request *request);
/* Copy all of src behind dst. */
int pvb_refusals_copy(struct pvb_refusals *dst, const struct pvb_refusals *src) PVB_MUST_CHECK;

#endif
