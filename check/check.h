/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check: what stands for and against passing a device to a VM, on this host, in this VM's config, in the guest.
 *
 * A check looks at one thing and says what it found: a verdict, what was seen and where, and what to do about it. It
 * never says ok when it could not look. Reads only. Files, each calling only those before it:
 *   finding                what a check says
 *   host                   what many checks ask: the kernel, its command line, the devices, the VM
 *   inventory, firmware …  a chapter of the passthrough guide each: a table of checks
 *   run                    all checks in order
 *
 * A new check is a row in its file's table, a paragraph in doc/pvebind-checks.7, and at least three cases in
 * tests/machines: one that it passes, one that it does not, and one without what it looks at.
 */
#ifndef PVEBIND_CHECK_H
#define PVEBIND_CHECK_H

#include "../conf/front.h"

enum check_verdict { CHECK_OK, CHECK_UNKNOWN, CHECK_WARN, CHECK_FAIL, CHECK_VERDICTS };
enum check_layer { CHECK_HOST, CHECK_VM, CHECK_GUEST };

struct check_run;

struct check {
	const char *id;      /* "iommu": lower case with hyphens; stays for ever */
	const char *title;   /* what is so when it passes: "The IOMMU is on" */
	enum check_layer layer;
	const char *chapter; /* of the guide: "01"; "pve": Proxmox VE's own part */
	void (*run)(struct check_run *run);
};

/* ---- finding.c: what a check says -------------------------------------------- */

struct check_finding {
	const struct check *check;
	enum check_verdict verdict;
	bool has_addr;
	struct pvb_addr addr;   /* the device it is about */
	unsigned vmid;          /* the VM it is about; 0: none */
	char *seen;             /* one sentence */
	char *where;            /* "/etc/default/grub:9"; "" */
	char *advice;           /* one sentence: what to do; "" */
	char **commands;        /* to copy, in order; malloced */
	size_t num_commands;
};

struct check_findings {
	struct check_finding *list; /* malloced */
	size_t n;
};

/* One more finding of the check that runs. where: "" or a place as a person names it. Memory that runs out ends the program. */
void check_say(struct check_run *run, enum check_verdict verdict, const char *where, const char *fmt, ...) PVB_PRINTF(4, 5);
#define check_ok(run, where, ...) check_say(run, CHECK_OK, where, __VA_ARGS__)
#define check_warn(run, where, ...) check_say(run, CHECK_WARN, where, __VA_ARGS__)
#define check_fail(run, where, ...) check_say(run, CHECK_FAIL, where, __VA_ARGS__)
#define check_unknown(run, where, ...) check_say(run, CHECK_UNKNOWN, where, __VA_ARGS__)
/* What to do about the last finding: a sentence, and commands, each a line to copy. */
void check_advise(struct check_run *run, const char *fmt, ...) PVB_PRINTF(2, 3);
void check_command(struct check_run *run, const char *fmt, ...) PVB_PRINTF(2, 3);
/* The findings that follow are about this device; NULL: about none. The next check begins with none. */
void check_about(struct check_run *run, const struct pvb_addr *addr);
/* "/etc/default/grub:9" into buf, which is returned. line 0: none. */
const char *check_place(char *buf, size_t size, const char *file, unsigned line);
void check_findings_clear(struct check_findings *findings);
const char *check_verdict_name(enum check_verdict verdict); /* "ok" */
const char *check_layer_name(enum check_layer layer);       /* "host" */

/* ---- host.c: what many checks ask ---------------------------------------------- */

struct check_host {
	struct front *front;
	struct pvb_ctx *ctx;            /* front's */
	char node[PVB_NAME_MAX];
	char release[PVB_NAME_MAX];     /* of the kernel that runs: "6.8.12-4-pve"; "" when unknown */
	unsigned major, minor;          /* 6, 8; 0 when unknown */
	char *cmdline;                  /* of the kernel that runs; NULL when it cannot be read */
	bool is_pve;                    /* Proxmox VE is installed here */
	struct pvb_snapshot *snapshot;  /* every function, with overrides unread; NULL when there is no PCI bus to see */
	char unseen[256];               /* … then why */
	/* What this run is about: the devices of the VM asked for; without one, of all VMs here; where none
	 * names a device, all display controllers. Each a function in snapshot. */
	const struct pvb_function **devices;
	size_t num_devices;
	bool devices_wanted;            /* VMs name them; else they are those display controllers */
	/* The VM asked for. */
	unsigned vmid;                  /* 0: none */
	struct conf_vm vm;
	bool has_vm;                    /* its config could be read; else vm_err tells */
	struct pvb_err vm_err;
	struct pvb_request request;     /* what the VM wants, with the refusals of Proxmox VE's side */
	struct conf_extra extra;
	bool has_request;               /* else request_err tells (of no VM: nothing) */
	struct pvb_err request_err;
};

/* Whether the running kernel is this version or newer; false when it is not known. */
bool check_kernel_since(const struct check_host *host, unsigned major, unsigned minor);
/* The value of NAME=VALUE among the words of a command line, the last such one; "" for a bare NAME; NULL: it is not in
 * it. Points into cmdline, up to the next blank: *size. */
const char *check_word(const char *cmdline, const char *name, size_t *size);
/* Whether "NAME" or "NAME=…" stands in it. */
bool check_has_word(const char *cmdline, const char *name);
/* Whether one of this run's devices. */
bool check_is_device(const struct check_host *host, const struct pvb_addr *addr);
/* "0000:01:00.0 (NVIDIA Corporation GA104 [GeForce RTX 3070])"; loads pci.ids at its first call. Returns buf. */
const char *check_describe(const struct check_host *host, const struct pvb_function *fn, char *buf, size_t size);

/* ---- kernellog.c ------------------------------------------------------------------ */

/* Whether a line of the kernel's log names one of this run's devices, however it does ("01:00.0", "PCI:0000:01:00"). */
bool check_log_concerns(const struct check_host *host, const char *text);

/* ---- run.c ------------------------------------------------------------------------ */

struct check_run {
	struct check_host host;
	struct check_findings findings;
	const struct check *check;    /* that runs now */
	bool has_addr;
	struct pvb_addr addr;         /* its device */
	char *advised[CONF_HOSTPCI_MAX]; /* vm.c's: hostpci lines with all that was advised so far; malloced; NULL: nothing */
	struct guest *guest;          /* guest.c's: what was asked inside the VM; malloced; NULL: nothing yet */
};

/* Run all checks of the host, with a VM those of its config, with guest those inside it. front is open. vmid 0: no VM.
 * Free with check_run_clear(), after a failure too. */
int check_run_all(struct check_run *run, struct front *front, unsigned vmid, bool guest, struct pvb_err *err) PVB_MUST_CHECK;
void check_run_clear(struct check_run *run);
/* The i-th of all checks there are, in their order; NULL behind the last. */
const struct check *check_get(size_t i);

#endif
