/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lending to VMs would be, as the hook itself would find it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "asked.h"

/* For a host with very many VMs: each is a walk through /proc. */
#define LOOK_S 10

/* In front_lend()'s order. */
static void vm_plan(struct check_run *run, struct asked_vm *vm, const struct pvb_request *request)
{
	if (vm->extra->is_template)
		snprintf(vm->why, sizeof(vm->why), "VM %u is a template, which never starts", vm->vmid);
	else if (!vm->extra->has_devices)
		snprintf(vm->why, sizeof(vm->why), "VM %u names no PCI device to lend", vm->vmid);
	vm->end = ASKED_NOTHING;
	if (*vm->why)
		return;
	vm->end = ASKED_PLANNED;
	if (pvb_plan_lend(run->host.ctx, request, &vm->plan, &vm->err) < 0)
		vm->end = ASKED_FAILED;
}

/* A running VM's devices are lent, and used: all would speak against lending them. */
static bool vm_runs(struct check_run *run, struct asked_vm *vm)
{
	int pid = conf_vmstate_pid(run->host.ctx, vm->vmid);

	if (!pid)
		return false;
	snprintf(vm->why, sizeof(vm->why), "VM %u runs (pid %d), and a running VM is lent nothing", vm->vmid, pid);
	vm->end = ASKED_NOTHING;
	return true;
}

static void one_look(struct check_run *run, struct asked_vm *vm)
{
	struct check_host *host = &run->host;

	vm->vmid = host->vmid;
	vm->end = ASKED_MISCONFIGURED;
	vm->err = host->has_vm ? host->request_err : host->vm_err;
	vm->extra = host->has_request ? &host->extra : NULL;
	if (!vm->extra)
		return;
	if (vm_runs(run, vm))
		return;
	vm->end = ASKED_FAILED;
	if (front_request_complete(host->front, &host->request, vm->extra, &vm->err) == 0)
		vm_plan(run, vm, &host->request);
}

static void each_look(struct check_run *run, struct asked_vm *vm)
{
	struct check_host *host = &run->host;

	vm->end = ASKED_MISCONFIGURED;
	if (conf_request_build(host->ctx, host->front->config, vm->vmid, NULL, &vm->request, &vm->own, &vm->err) < 0)
		return;
	vm->extra = &vm->own;
	/* As front_request_complete() has it; the rest of that is about the host, and asked once. */
	if (!strcmp(vm->own.lock, "backup"))
		snprintf(vm->request.settings.tag, sizeof(vm->request.settings.tag), "backup");
	if (!vm_runs(run, vm))
		vm_plan(run, vm, &vm->request);
}

/* The kill switch, and the host's going down. */
static int host_look(struct check_run *run, struct asked *asked)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct pvb_err err;
	int r = front_request_complete(run->host.front, &request, &extra, &err);

	asked->host = request.refusals;
	return r;
}

static int vms_list(struct check_run *run, struct asked *asked)
{
	_conf_free_ unsigned *vmids = NULL;
	int r = conf_vm_list(run->host.ctx, &vmids, &asked->n);

	if (r < 0)
		return r;
	asked->vms = calloc(asked->n + 1, sizeof(*asked->vms));
	if (!asked->vms)
		return -ENOMEM;
	for (size_t i = 0; i < asked->n; i++)
		asked->vms[i].vmid = vmids[i];
	return 0;
}

static void all_look(struct check_run *run, struct asked *asked)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	asked->listed = vms_list(run, asked);
	if (asked->listed < 0)
		asked->n = 0;
	for (size_t i = 0; i < asked->n; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec < LOOK_S)
			each_look(run, &asked->vms[i]);
		else
			asked->vms[i].end = ASKED_LATE;
	}
}

void asked_look(struct check_run *run, struct asked *asked)
{
	*asked = (struct asked){ .all = !run->host.vmid };
	if (asked->all) {
		int r = host_look(run, asked);

		all_look(run, asked);
		asked->listed = r < 0 ? r : asked->listed;
		return;
	}
	asked->vms = calloc(1, sizeof(*asked->vms));
	asked->listed = asked->vms ? 0 : -ENOMEM;
	asked->n = asked->vms ? 1 : 0;
	if (asked->n)
		one_look(run, asked->vms);
	/* A plan has what stands against lending to anyone among its own refusals. */
	if (asked->n && !asked->vms->plan) {
		int r = host_look(run, asked);

		asked->listed = r < 0 ? r : asked->listed;
	}
}

void asked_clear(struct asked *asked)
{
	for (size_t i = 0; i < asked->n; i++) {
		pvb_plan_free(asked->vms[i].plan);
		pvb_request_clear(&asked->vms[i].request);
		conf_extra_clear(&asked->vms[i].own);
	}
	free(asked->vms);
	pvb_refusals_clear(&asked->host);
	*asked = (struct asked){ .n = 0 };
}
