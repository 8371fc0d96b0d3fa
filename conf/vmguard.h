/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmguard: a guard is a process per lend that brings the devices home when nobody else will. Here is what it
 * makes of what it sees (vmguard.c, which waits for nothing and changes nothing), and how it is known that
 * there is one (guardfile.c). Waiting is in hook/guard.c, acting in vmreturn.c.
 *
 * What Proxmox VE does, and when, is of PVE/QemuServer.pm (vm_start_nolock, vm_stop_cleanup) and PVE/CLI/qm.pm
 * (cleanup): "lock" is its config lock, which a start holds to its end; VMID.cleanup is there from
 * QEMU's start until just before post-stop, and is removed under that lock.
 */
#ifndef PVEBIND_VMGUARD_H
#define PVEBIND_VMGUARD_H

#include "conf.h"

/* How long something may yet come that would make acting needless. */
#define VMGUARD_CLEANUP_MS 100000   /* `qm cleanup` waits 60 s for the lock, and 30 s for QEMU's end */
#define VMGUARD_POST_STOP_MS 10000  /* post-stop, where there is no .cleanup (an older Proxmox VE) */
#define VMGUARD_RESTART_MS 120000   /* the start that follows the stop of a `qm reboot` or a backup */

/* Why it is to bring the devices home. */
enum vmguard_why {
	VMGUARD_UNFINISHED,    /* who lent or took back is gone, half-way */
	VMGUARD_AGAIN,         /* something could not be brought home */
	VMGUARD_START_FAILED,
	VMGUARD_ENDED,         /* the VM ended, and no post-stop came or finished */
	VMGUARD_NOT_RESTARTED, /* the VM was to start again at once, and did not */
	VMGUARD_WHY_COUNT
};
/* "start-failed"; and back: -EINVAL. */
const char *vmguard_why_name(enum vmguard_why why);
int vmguard_why_parse(const char *name, enum vmguard_why *why) PVB_MUST_CHECK;
/* "its start failed" */
const char *vmguard_why_text(enum vmguard_why why);

enum vmguard_what {
	VMGUARD_END,           /* nothing is left to guard */
	VMGUARD_GIVE_UP,       /* tried in vain */
	VMGUARD_ACT,           /* bring home */
	VMGUARD_AWAIT_PROCESS, /* the end of process pid */
	VMGUARD_AWAIT_DEVICE,  /* that whoever works on the device lets go of it */
	VMGUARD_AWAIT_CLEANUP, /* that VMID.cleanup goes */
	VMGUARD_AWAIT_LOCK,    /* that Proxmox VE's lock is free */
	VMGUARD_AWAIT_CHANGE,  /* nothing but a change of the journal, which ends every other wait, too */
};

struct vmguard_step {
	enum vmguard_what what;
	enum vmguard_why why; /* to act */
	int pid;
	size_t device;        /* of the lend's */
	int64_t until_ms;     /* then look again, whatever came; 0: no deadline */
};

/* What is, now, with nobody working on the lend. Times are of one clock that only goes on. */
struct vmguard_view {
	const struct pvb_lend *lend; /* NULL: nothing is lent */
	int qemu_pid;                /* the VM's QEMU; 0: there is none */
	int stuck_pid;               /* the worker that hangs over one of the devices; 0: none */
	bool busy;                   /* a worker that outlived its pvebind, which alone knew its pid, works on a device … */
	size_t busy_device;          /* … this one */
	bool cleanup;                /* VMID.cleanup is there */
	int64_t now_ms;
};

/* What a guard remembers. Start with { .generation = … }. */
struct vmguard {
	uint64_t generation;
	struct vmguard_phase {
		enum pvb_state state;
		bool awaits_start, qemu, stuck, cleanup;
	} phase;
	int64_t since_ms;  /* the phase is as it is */
	bool qemu_seen, cleanup_seen;
	bool lock_free;    /* in this phase Proxmox VE's lock was free once */
	unsigned tries;    /* in this phase, in vain */
};

struct vmguard_step vmguard_decide(struct vmguard *guard, const struct vmguard_view *view);
/* A wait for Proxmox VE's lock is over: it was free. */
void vmguard_lock_was_free(struct vmguard *guard);
/* It has acted, which took ms. vain: something could not be brought home. What gave up at once would only do so again. */
void vmguard_has_tried(struct vmguard *guard, bool vain, int64_t ms);
/* Whether a lend, read under its lock, is still what was to be brought home. */
bool vmguard_confirm(const struct pvb_lend *lend, uint64_t generation, enum vmguard_why why);

/* ---- guardfile.c: run/pvebind/VMID.guard, locked by the lend's guard as long as it lives ---- */

struct vmguard_file {
	int pid;
	uint64_t generation;
};
/* Become the guard of a generation; that of an older one is waited for, since it is about to end. Returns a
 * descriptor to keep; -EEXIST: there is one. */
int vmguard_file_take(const struct pvb_ctx *ctx, unsigned vmid, uint64_t generation, struct pvb_err *err) PVB_MUST_CHECK;
/* Remove it, the descriptor being still open. */
void vmguard_file_remove(const struct pvb_ctx *ctx, unsigned vmid);
/* Whether there is a guard, and which (file may be NULL). Takes no lock, not for an instant. */
bool vmguard_file_look(const struct pvb_ctx *ctx, unsigned vmid, struct vmguard_file *file);

#endif
