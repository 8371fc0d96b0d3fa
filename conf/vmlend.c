/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lending to a VM: the design's table of what happens when. Taking back is in vmreturn.c. */
#include <string.h>

#include "front.h"

/* pvebind=off on the kernel command line: the way into a host whose VMs take its console at every start. */
bool front_switched_off(const struct front *front)
{
	_conf_free_ char *cmdline = NULL;

	return pvb_read_file(front->ctx, "proc/cmdline", 1 << 16, &cmdline, NULL) == 0 && conf_has_word(cmdline, "pvebind=off");
}

static int switched_off(const struct front *front, struct pvb_request *request)
{
	if (!front_switched_off(front))
		return 0;
	return pvb_refuse(&request->refusals, "disabled", NULL,
			  "pvebind is switched off by pvebind=off on the kernel command line: boot without it to lend devices again");
}

static int going_down(struct front *front, struct pvb_request *request)
{
	if (!conf_vmstate_shutting_down(front->ctx))
		return 0;
	return pvb_refuse(&request->refusals, "disabled", NULL, "the host is shutting down: nothing is lent any more");
}

int front_request_complete(struct front *front, struct pvb_request *request, const struct conf_extra *extra, struct pvb_err *err)
{
	int r = switched_off(front, request);

	if (r == 0)
		r = going_down(front, request);
	/* So that post-stop can tell a backup's own start from a backup of a VM that ran. */
	if (r == 0 && !strcmp(extra->lock, "backup"))
		snprintf(request->settings.tag, sizeof(request->settings.tag), "backup");
	return r < 0 ? pvb_err_set(err, r, "out of memory") : 0;
}

int front_request(struct front *front, unsigned vmid, struct pvb_request *request, struct conf_extra *extra,
		  struct pvb_err *err)
{
	int r = conf_request_build_with(front->ctx, front->config, front->settings, vmid, front->migrated_from, request, extra, err);

	for (size_t i = 0; i < extra->notes.n; i++)
		pvb_log(front->ctx, extra->notes.list[i].level, "%s", extra->notes.list[i].text);
	return r < 0 ? r : front_request_complete(front, request, extra, err);
}

/* Nothing is wanted (any more); what an earlier config had lent goes home. */
static enum front_status nothing_lend(struct front *front, unsigned vmid, const char *why)
{
	struct pvb_err err = { .code = 0 };
	char name[16];

	snprintf(name, sizeof(name), "%u", vmid);
	pvb_log(front->ctx, PVB_NOTICE, "VM %u: %s, nothing to lend", vmid, why);
	if (pvb_return(front->ctx, name, PVB_RETURN_HOME, &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	return FRONT_DONE;
}

/* A pvb_begun_fn */
static void begun(void *data, const char *name, uint64_t generation)
{
	struct front *front = data;
	struct pvb_err ignored;
	unsigned vmid;

	if (conf_vmid_parse(name, &vmid, &ignored) == 0)
		front->begun(front, vmid, generation);
}

static enum front_status request_lend(struct front *front, unsigned vmid, const struct pvb_request *request,
				      const struct conf_extra *extra)
{
	struct pvb_err err = { .code = 0 };

	if (extra->is_template)
		return nothing_lend(front, vmid, "it is a template");
	if (!extra->has_devices)
		return nothing_lend(front, vmid, "its config names no PCI device");
	if (front->begun && request->settings.guard)
		pvb_ctx_set_begun(front->ctx, begun, front);
	if (pvb_lend(front->ctx, request, &err) < 0)
		return front_fail(front, &err, FRONT_REFUSED);
	return FRONT_DONE;
}

enum front_status front_lend(struct front *front, unsigned vmid)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct pvb_err err = { .code = 0 };
	enum front_status status;

	front->vmid = vmid;
	if (conf_vmstate_pid(front->ctx, vmid)) {
		pvb_log(front->ctx, PVB_NOTICE, "VM %u runs already, nothing to lend", vmid);
		return FRONT_DONE;
	}
	if (front_request(front, vmid, &request, &extra, &err) < 0)
		status = front_fail(front, &err, FRONT_CONFIG);
	else
		status = request_lend(front, vmid, &request, &extra);
	conf_extra_clear(&extra);
	pvb_request_clear(&request);
	return status;
}
