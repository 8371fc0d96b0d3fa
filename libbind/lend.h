/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of libbind share that lend devices and take them back: journal, plan, workers, sessions. Those that
 * only know and touch the host (internal.h says which are above which) do not include it.
 */
#ifndef PVEBIND_LEND_H
#define PVEBIND_LEND_H

#include "internal.h"

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
/* What is to become the journal: a descriptor to append to, which is the caller's. Then the whole plan as the journal, in state
 * lending: it appears whole or not at all. Neither leaves anything behind when it fails. The caller has the lend's lock. */
int pvb_journal_begin(struct pvb_ctx *ctx, const char *name, struct pvb_err *err) PVB_MUST_CHECK;
int pvb_journal_commit(struct pvb_ctx *ctx, int fd, const struct pvb_journal *journal, struct pvb_err *err) PVB_MUST_CHECK;
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
	char owners[PVB_LINE_MAX / 2];     /* names of lends, comma-separated */
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

/* ---- turn.c: who moves cards with a frame buffer -------------------------------------------- */
#define PVB_TURN_ANY (-2)
/* To be asked for before the console is looked at, and given to pvb_turn_take(). */
int64_t pvb_turn_look(const struct pvb_ctx *ctx);
/* Wait for the lock. -ESTALE: others have moved cards since seen, look anew; PVB_TURN_ANY: that does not matter.
 * Lock order: a lend, its devices, this. */
int pvb_turn_take(struct pvb_ctx *ctx, int64_t deadline_ns, int64_t seen, struct pvb_record *turn) PVB_MUST_CHECK;
/* turn->fd < 0: there is none to end. */
void pvb_turn_end(struct pvb_ctx *ctx, struct pvb_record *turn);

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

/* ---- plan.c ------------------------------------------------------------------------------------ */
struct pvb_plan {
	struct pvb_journal journal; /* lend, devices, operations in order */
	size_t *origin;             /* malloced: per operation its number in the journal */
	struct pvb_refusals refusals;
	char **notes;               /* malloced, NULL at its end */
	size_t num_notes;
	bool framebuffer;           /* of a lend: a device has one */
	int64_t turn_seen;          /* then: pvb_turn_look() before the console was looked at */
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
	char **sleepy;                      /* malloced, likewise: what must be kept awake for it ("" for nothing) */
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
	int device;          /* the device it is for (the console's write may come before it, apply.c); -1: the host's operations */
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
/* The same in parts, for who has something to do while the first stage's workers come up: they do nothing until it is run. What
 * was prepared is to be ended, also without being run. NULL: failed. */
struct apply;
struct apply *pvb_apply_prepare(struct pvb_ctx *ctx, const struct pvb_plan *plan, int journal_fd, const int *lock_fds,
				struct pvb_err *err) PVB_MUST_CHECK;
int pvb_apply_run(struct apply *apply, int64_t deadline_ns, bool *device_failed, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_apply_end(struct apply *apply); /* NULL: nothing to do */

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
	struct pvb_record turn;     /* to move cards with a frame buffer */
	struct pvb_record *devices; /* malloced: parallel to a plan's devices */
	int *lock_fds;              /* malloced: likewise, and the host's part's behind them */
	size_t num_devices;
};

/* Of one that has locked nothing. */
#define PVB_SESSION_CLOSED .lock.fd = -1, .host.fd = -1, .turn.fd = -1

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
/* Before cards with a frame buffer are moved: wait for those that others move. -ESTALE as pvb_turn_take(). */
int pvb_session_turn(struct pvb_session *s, int64_t seen, struct pvb_err *err) PVB_MUST_CHECK;
void pvb_session_unlock_devices(struct pvb_session *s); /* the turn ends, too */
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
