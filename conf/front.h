/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * front: what the hook and the command have in common: how they speak, how they end, and
 * what lending to a VM and taking back from it mean in either.
 */
#ifndef PVEBIND_FRONT_H
#define PVEBIND_FRONT_H

#include <stdio.h>

#include "vmguard.h"

/* Exit statuses of the contract. */
enum front_status {
	FRONT_DONE = 0,
	FRONT_REFUSED = 1,   /* refused or failed, the host as before */
	FRONT_USAGE = 2,
	FRONT_CONFIG = 3,
	FRONT_ATTENTION = 4, /* stuck, or not brought home */
};

/* One run of the hook or the command. */
struct front {
	struct pvb_ctx *ctx;
	const char *root;          /* --root, or "/" */
	const char *config;        /* --config, or NULL */
	const char *migrated_from; /* PVE_MIGRATED_FROM, or NULL */
	struct conf_settings *settings; /* pvebind.ini as it was read for the VM, its notes taken by front_request(); NULL: it is read */
	FILE *out;                 /* where lines go */
	FILE *errors;              /* where errors and warnings go; NULL: to out */
	bool looking;              /* nothing is done, so nothing is for the system's log */
	bool verbose;              /* debug lines too */
	unsigned vmid;             /* whose lend it is about; 0: no one VM's */
	bool container;            /* that is a container's number */
	int journald;              /* 0: not opened yet; -1: there is none */
	unsigned told;             /* kinds of events that were told, a bit each */
	/* Start a guard: the VM's lend has begun, and settings.guard says so. NULL: nobody watches (by hand). Must not block. */
	void (*begun)(struct front *front, unsigned vmid, uint64_t generation);
	char error[512];           /* the last that was said */
};

/* Open the context; lines go to front->out, each at once, and to the system's log too, with the fields of pvebind(8), LOG.
 * Pipes that nobody reads end nothing (SIGPIPE ignored). */
int front_open(struct front *front, struct pvb_err *err) PVB_MUST_CHECK;
void front_close(struct front *front);
/* Say the error, and give the exit status: FRONT_ATTENTION for PVB_EATTENTION, else fallback. */
enum front_status front_fail(struct front *front, const struct pvb_err *err, enum front_status fallback);
/* SIGTERM, SIGINT and SIGHUP become a wish to stop that libpvebind honours (pvb_ctx_set_cancel_fd()). */
int front_catch_signals(struct front *front, struct pvb_err *err) PVB_MUST_CHECK;

/* The request of a VM, its notes said. *status says how to end when there is nothing to lend (-ENOENT):
 * a template, no device. Refusals of Proxmox VE's side (kill switch, host shutting down) are in the request. */
int front_request(struct front *front, unsigned vmid, struct pvb_request *request, struct conf_extra *extra,
		  struct pvb_err *err) PVB_MUST_CHECK;

/* What that adds to a request of conf_request_build(): those refusals, and what a backup's lock means. -ENOMEM only. */
int front_request_complete(struct front *front, struct pvb_request *request, const struct conf_extra *extra,
			   struct pvb_err *err) PVB_MUST_CHECK;

/* The kill switch: pvebind=off on the kernel command line. */
bool front_switched_off(const struct front *front);
/* Lend to a VM what its config names; running already, a template, no device: nothing, said. */
enum front_status front_lend(struct front *front, unsigned vmid);
/* Take back. stop: called for a stop of the VM (post-stop), where a reboot or a backup may be pending, and where a
 * guard does what there was no time for; else by hand: a running VM is a refusal. */
enum front_status front_return(struct front *front, unsigned vmid, bool stop);
/* Take back for a guard, when under the lend's lock what it saw is still so. FRONT_REFUSED: not yet done, but on its
 * way; FRONT_ATTENTION: something is not home. */
enum front_status front_guard(struct front *front, unsigned vmid, uint64_t generation, enum vmguard_why why);

#endif
