/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind plan: what lending to a VM would do, and what speaks against it. */
#include <string.h>

#include "cli.h"

/* All that is shown. */
struct view {
	struct cli *cli;
	struct pvb_request request;
	struct conf_extra extra;
	const char *nothing;        /* why nothing would be lent, or NULL */
	int pid;                    /* the VM's QEMU; 0: not running */
	struct pvb_plan *plan;      /* NULL with nothing */
	struct cli_device *devices; /* the plan's; malloced */
	struct cli_way way;         /* way.plan NULL: nothing is lent to it now */
};

/* ---- looking ---- */

static int plan_make(struct view *view, struct pvb_err *err)
{
	struct pvb_ctx *ctx = view->cli->front.ctx;
	_conf_free_ struct pvb_home *homes = NULL;
	size_t n;
	int r = pvb_plan_lend(ctx, &view->request, &view->plan, err);

	if (r < 0)
		return r;
	n = pvb_plan_num_devices(view->plan);
	homes = calloc(n ? n : 1, sizeof(*homes));
	if (!homes)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		homes[i] = *pvb_plan_device(view->plan, i);
	return cli_devices_look(ctx, homes, n, NULL, 0, &view->devices, err);
}

/* In front_lend()'s order. *fallback: the exit status of a failure. */
static int view_fill(struct view *view, enum front_status *fallback, struct pvb_err *err)
{
	struct cli *cli = view->cli;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", cli->vmid);
	*fallback = FRONT_REFUSED;
	r = cli_way_find(cli, name, &view->way, err);
	if (r < 0 && r != -ENOENT)
		return r;
	view->pid = conf_vmstate_pid(cli->front.ctx, cli->vmid);
	if (view->pid)
		view->nothing = "it is running, and a running VM is lent nothing";
	*fallback = FRONT_CONFIG;
	r = view->pid ? 0 : front_request(&cli->front, cli->vmid, &view->request, &view->extra, err);
	if (r < 0 || view->nothing)
		return r;
	if (view->extra.is_template)
		view->nothing = "it is a template";
	else if (!view->extra.has_devices)
		view->nothing = "its config names no PCI device";
	*fallback = FRONT_REFUSED;
	return view->nothing ? 0 : plan_make(view, err);
}

static void view_clear(struct view *view)
{
	free(view->devices);
	pvb_plan_free(view->plan);
	cli_way_clear(&view->way);
	conf_extra_clear(&view->extra);
	pvb_request_clear(&view->request);
}

/* ---- for people ---- */

static void verdict_text(const struct view *view)
{
	const struct pvb_refusals *refusals = pvb_plan_refusals(view->plan);

	if (refusals->n) {
		puts(pvb_plan_refused(view->plan) ? "Refused:" : "Allowed on purpose:");
		cli_refusals_text(refusals, stdout);
	}
	if (pvb_plan_refused(view->plan))
		printf("VM %u would not start, and nothing would change.\n", view->cli->vmid);
	else
		puts("Nothing speaks against it.");
}

static void plan_text(const struct view *view)
{
	size_t n = pvb_plan_num_devices(view->plan);
	const char *note;

	printf("VM %u%s%s%s would be lent:\n", view->cli->vmid, *view->extra.vm_name ? " (" : "", view->extra.vm_name,
	       *view->extra.vm_name ? ")" : "");
	cli_devices_text(view->devices, n, stdout);
	puts("Steps:");
	cli_ops_text(view->plan, stdout);
	if (pvb_plan_note(view->plan, 0))
		puts("Notes:");
	for (size_t i = 0; (note = pvb_plan_note(view->plan, i)); i++)
		printf("  %s\n", note);
	verdict_text(view);
}

static void view_text(const struct view *view)
{
	/* pvb_lend(): as long as the devices are the same, and on vfio. */
	if (view->plan && view->way.plan)
		printf("VM %u is lent devices already: as long as they are the same, a lend does nothing.\n"
		       "Else it brings them home first (see below), then:\n\n", view->cli->vmid);
	if (view->plan)
		plan_text(view);
	else
		printf("VM %u: %s, nothing to lend\n", view->cli->vmid, view->nothing);
	if (!view->way.plan)
		return;
	putchar('\n');
	cli_way_text(&view->way, stdout);
}

/* ---- for programs ---- */

static struct json_object *devices_json(const struct view *view)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; view->plan && i < pvb_plan_num_devices(view->plan); i++)
		json_object_array_add(list, cli_device_json(&view->devices[i]));
	return list;
}

static struct json_object *notes_json(const struct view *view)
{
	struct json_object *list = json_object_new_array();
	const char *note;

	for (size_t i = 0; view->plan && (note = pvb_plan_note(view->plan, i)); i++)
		json_object_array_add(list, cli_json_text(note));
	return list;
}

/* {"vmid", "vm_name", "config", "running_pid", "nothing_to_lend" (why), "refused", "devices": [cli_device_json()],
 *  "operations": cli_ops_json(), "notes", "warnings" (of the configuration), "refusals": cli_refusals_json(),
 *  "way_home": cli_way_json() or null} */
static void view_json(const struct view *view)
{
	struct json_object *value = json_object_new_object();
	bool refused = view->plan && pvb_plan_refused(view->plan);

	json_object_object_add(value, "vmid", json_object_new_int64(view->cli->vmid));
	json_object_object_add(value, "vm_name", cli_json_text_or_null(view->extra.vm_name));
	json_object_object_add(value, "config", cli_json_text_or_null(view->extra.config));
	json_object_object_add(value, "running_pid", view->pid ? json_object_new_int(view->pid) : NULL);
	json_object_object_add(value, "nothing_to_lend", view->nothing ? cli_json_text(view->nothing) : NULL);
	json_object_object_add(value, "refused", json_object_new_boolean(refused));
	json_object_object_add(value, "devices", devices_json(view));
	json_object_object_add(value, "operations",
			       view->plan ? cli_ops_json(view->plan) : json_object_new_array());
	json_object_object_add(value, "notes", notes_json(view));
	json_object_object_add(value, "warnings", cli_json_notes(&view->extra.notes));
	json_object_object_add(value, "refusals",
			       view->plan ? cli_refusals_json(pvb_plan_refusals(view->plan)) : json_object_new_array());
	json_object_object_add(value, "way_home", view->way.plan ? cli_way_json(&view->way) : NULL);
	cli_json_print(value);
}

/* ---- both ---- */

enum front_status cli_plan_show(struct cli *cli)
{
	struct view view = { .cli = cli };
	struct pvb_err err = { .code = 0 };
	enum front_status status = FRONT_DONE, fallback;

	if (view_fill(&view, &fallback, &err) < 0) {
		status = front_fail(&cli->front, &err, fallback);
	} else {
		if (view.plan && pvb_plan_refused(view.plan))
			status = FRONT_REFUSED;
		if (cli->json)
			view_json(&view);
		else
			view_text(&view);
	}
	view_clear(&view);
	return status;
}

static const struct argp_option options[] = { CLI_OPTION_JSON, CLI_OPTIONS_END };

const struct cli_command cli_plan = {
	.name = "plan",
	.summary = "show what a lend would do, and what speaks against it",
	.text = "Exit status 1 when it would be refused. What is lent to the VM already is shown with its way home.",
	.operand = CLI_VMID,
	.options = options,
	.run = cli_plan_show,
};
