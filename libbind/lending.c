/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of a lend: which functions move, and the operations in order. Pure data. */
#include <string.h>
#include <time.h>

#include "lend.h"

static bool op_planned(const struct pvb_plan *plan, enum pvb_op_kind kind, const char *arg)
{
	for (size_t i = 0; i < plan->journal.num_ops; i++)
		if (plan->journal.ops[i].kind == kind && !strcmp(plan->journal.ops[i].arg, arg))
			return true;
	return false;
}

static int module_plan(struct pvb_builder *b, const char *module)
{
	char path[PVB_PATH_MAX];

	snprintf(path, sizeof(path), "sys/module/%s", module);
	if (op_planned(b->plan, PVB_OP_MODULE, module) || pvb_sysfs_exists(b->ctx, path))
		return 0;
	return pvb_plan_add_op(b->plan, PVB_OP_MODULE, -1, STAGE_MODULES, "%s", module);
}

static bool variant_wanted(const struct pvb_builder *b, const struct pvb_function *fn)
{
	for (size_t i = 0; i < b->request->num_wanted; i++)
		if (b->request->wanted[i].variant && pvb_addr_matches(&b->request->wanted[i].addr, &fn->addr))
			return true;
	return false;
}

/* vfio-pci, or the module whose "vfio_pci:v…" alias names this device (Documentation/driver-api/vfio.rst),
 * chosen only where Proxmox VE will not bind by itself (driver=keep): it knows vfio-pci alone. */
static int target_find(struct pvb_builder *b, const struct pvb_function *fn, char *target, size_t size)
{
	_cleanup_strv_ char **modules = NULL;
	char alias[160];
	int r;

	snprintf(target, size, "%s", fn->vfio ? fn->driver : "vfio-pci");
	if (fn->vfio || !variant_wanted(b, fn))
		return 0;
	snprintf(alias, sizeof(alias), "vfio_%s", fn->modalias);
	r = pvb_module_lookup(b->ctx, alias, &modules, b->err);
	/* vfio_pci's own alias has nothing but wildcards: any other that matches, matches better. */
	for (char **module = modules; r == 0 && *module; module++) {
		if (pvb_driver_name_equal(*module, "vfio-pci"))
			continue;
		snprintf(target, size, "%s", *module);
		break;
	}
	return r;
}

static int targets_plan(struct pvb_builder *b, char (*targets)[PVB_NAME_MAX])
{
	for (size_t i = 0; i < b->num_moving; i++) {
		int r = target_find(b, b->moving[i], targets[i], PVB_NAME_MAX);

		if (r == 0 && !b->plan->journal.lend.devices[i].stays)
			r = module_plan(b, strcmp(targets[i], "vfio-pci") ? targets[i] : "vfio_pci");
		if (r == 0)
			r = module_plan(b, "vfio_iommu_type1");
		if (r < 0)
			return r;
	}
	return 0;
}

/* What keeps a function or a bridge from falling asleep: D3cold breaks resets and opens. */
static bool awake_already(struct pvb_ctx *ctx, const struct pvb_addr *addr)
{
	char path[PVB_PATH_MAX], control[16] = "", d3cold[16] = "";

	if (pvb_sysfs_read(ctx, pvb_device_path(addr, "power/control", path), control, sizeof(control)) < 0)
		return true; /* no runtime power management here */
	if (strcmp(control, "on") != 0)
		return false;
	return pvb_sysfs_read(ctx, pvb_device_path(addr, "d3cold_allowed", path), d3cold, sizeof(d3cold)) < 0 ||
	       !strcmp(d3cold, "0");
}

/* The function and its bridges, as far as they could sleep or another lend keeps them awake; malloced. */
static char *sleepy_find(struct pvb_builder *b, const struct pvb_function *fn)
{
	char arg[sizeof(((struct pvb_op *)0)->arg)] = "", addr[PVB_ADDR_MAX], name[PVB_NAME_MAX];

	for (int k = -1; k < (int)fn->num_bridges; k++) {
		const struct pvb_addr *at = k < 0 ? &fn->addr : &fn->bridges[k];

		pvb_addr_format(at, addr);
		snprintf(name, sizeof(name), "%s.power", addr);
		if (awake_already(b->ctx, at) && pvb_record_peek(b->ctx, name, NULL) < 0)
			continue;
		if (strlen(arg) + strlen(addr) + 2 > sizeof(arg))
			break; /* more than five sleepy bridges above one another: the nearest count */
		if (*arg)
			strcat(arg, " ");
		strcat(arg, addr);
	}
	return strdup(arg);
}

static int power_look(struct pvb_builder *b)
{
	b->sleepy = calloc(b->num_moving + 1, sizeof(*b->sleepy));
	for (size_t i = 0; b->sleepy && i < b->num_moving; i++) {
		b->sleepy[i] = sleepy_find(b, b->moving[i]);
		if (!b->sleepy[i])
			return -ENOMEM;
	}
	return b->sleepy ? 0 : -ENOMEM;
}

static bool reset_has(const char *methods, const char *method)
{
	size_t n = strlen(method);

	for (const char *p = strstr(methods, method); p; p = strstr(p + 1, method))
		if ((p == methods || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool slot_has_method(const struct pvb_builder *b, const struct pvb_function *fn)
{
	for (size_t i = 0; i < b->num_moving; i++)
		if (b->moving[i]->addr.domain == fn->addr.domain && b->moving[i]->addr.bus == fn->addr.bus &&
		    b->moving[i]->addr.dev == fn->addr.dev && *b->moving[i]->reset_methods)
			return true;
	return false;
}

static int reset_plan(struct pvb_builder *b, size_t i)
{
	const struct pvb_function *fn = b->moving[i];
	const char *methods = b->request->settings.reset;

	if (!strcmp(methods, "none") || !strcmp(methods, "slot") || !*fn->reset_methods)
		return 0;
	return pvb_plan_add_op(b->plan, PVB_OP_RESET, (int)i, STAGE_MOVE, "%s", methods);
}

/* One reset a slot, and only where no function of it can be reset by itself, or when asked for. */
static int slots_plan(struct pvb_builder *b)
{
	const char *methods = b->request->settings.reset;

	for (size_t i = 0; i < b->num_moving; i++) {
		struct pvb_addr slot = b->moving[i]->addr;
		char text[PVB_ADDR_MAX];
		bool wanted = reset_has(methods, "slot") ||
			      (!strcmp(methods, "auto") && !slot_has_method(b, b->moving[i]));

		slot.fn = PVB_FN_ALL;
		pvb_addr_format(&slot, text);
		if (!wanted || b->plan->journal.lend.devices[i].stays || !b->moving[i]->num_bridges ||
		    op_planned(b->plan, PVB_OP_SLOT_RESET, text))
			continue;
		if (pvb_plan_add_op(b->plan, PVB_OP_SLOT_RESET, -1, STAGE_SLOTS, "%s", text) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool override_planned(const struct pvb_plan *plan, int device)
{
	for (size_t i = 0; i < plan->journal.num_ops; i++)
		if (plan->journal.ops[i].kind == PVB_OP_OVERRIDE && plan->journal.ops[i].device == device)
			return true;
	return false;
}

static int device_plan(struct pvb_builder *b, size_t i, const char *target)
{
	const struct pvb_home *home = &b->plan->journal.lend.devices[i];
	int device = (int)i, r;
	char addr[PVB_ADDR_MAX];

	pvb_addr_format(&home->addr, addr);
	if (!home->named && pvb_plan_add_note(b->plan, "%s moves along: it is in the same IOMMU group (%d)", addr, home->group) < 0)
		return -ENOMEM;
	if (home->stays)
		return pvb_plan_add_note(b->plan, "%s is on %s already and stays there, also afterwards (host-driver = NAME would give it to the host)",
				addr, b->moving[i]->driver);
	r = *b->sleepy[i] ? pvb_plan_add_op(b->plan, PVB_OP_POWER, device, STAGE_MOVE, "%s", b->sleepy[i]) : 0;
	if (r == 0 && !override_planned(b->plan, device))
		r = pvb_plan_add_op(b->plan, PVB_OP_OVERRIDE, device, STAGE_MOVE, "%s", target);
	if (r == 0 && (*b->moving[i]->driver || *home->driver || home->by_modalias))
		r = pvb_plan_add_op(b->plan, PVB_OP_UNBIND, device, STAGE_MOVE, "%s",
				    *b->moving[i]->driver && !b->moving[i]->vfio ? b->moving[i]->driver : home->driver);
	if (r == 0)
		r = pvb_plan_add_op(b->plan, PVB_OP_BIND, device, STAGE_MOVE, "%s", target);
	return r == 0 ? reset_plan(b, i) : r;
}

static int firmware_note(struct pvb_builder *b)
{
	_cleanup_strv_ char **modules = NULL;
	const struct pvb_function *fn = b->moving[b->console.firmware];
	char addr[PVB_ADDR_MAX];
	int r;

	if (*fn->driver)
		return 0;
	r = pvb_module_lookup(b->ctx, fn->modalias, &modules, b->err);
	if (r < 0)
		return r;
	pvb_addr_format(&fn->addr, addr);
	if (modules[0])
		return pvb_plan_add_note(b->plan, "%s: the firmware's frame buffer cannot come back; after the return the console is shown by %s",
				addr, modules[0]);
	return pvb_plan_add_note(b->plan, "%s: the console is on the firmware's frame buffer, which cannot come back, and this host has no driver for the card: its screen stays dark until a reboot",
			addr);
}

/* The card that shows the console: its vtconsole is unbound before the driver goes. Where another card stays, the
 * kernel leaves the terminals on the dummy console all the same (tried on 6.1, 6.12, 7.x), and once a vtconsole has
 * been bound by hand, as every return of ours does, it even keeps them on a frame buffer that is no more and
 * dies of the next character (fbcon_unbind(); 6.1, 7.x). So it is unbound there as well, and bound again, to the
 * other card, when the driver has gone. A card that does not show the console needs none of this. */
static int console_plan(struct pvb_builder *b)
{
	bool ours = b->console.shown;
	int r;

	b->plan->framebuffer = b->console.involved;
	if (!b->console.involved)
		return 0;
	if (b->request->settings.keep_console && !(ours && pvb_sysfs_exists(b->ctx, PVB_STATE_DIR "/" PVB_CONSOLE_BOUND)))
		return 0;
	if (b->console.firmware >= 0 && firmware_note(b) < 0)
		return -ENOMEM;
	r = pvb_plan_add_op(b->plan, PVB_OP_CONSOLE, -1, STAGE_CONSOLE, "%s", ours ? b->console.vtcons : "");
	if (r == 0 && ours && !b->console.all)
		r = pvb_plan_add_note(b->plan, "the console moves to the other card");
	return r;
}

static int console_move_plan(struct pvb_builder *b)
{
	if (!op_planned(b->plan, PVB_OP_CONSOLE, b->console.vtcons) || !b->console.shown || b->console.all)
		return 0;
	return pvb_plan_add_op(b->plan, PVB_OP_CONSOLE_MOVE, -1, STAGE_CONSOLE_MOVE, "%s", b->console.vtcons);
}

static int ops_plan(struct pvb_builder *b)
{
	_cleanup_free_ char(*targets)[PVB_NAME_MAX] = calloc(b->num_moving + 1, sizeof(*targets));
	int r;

	if (!targets)
		return -ENOMEM;
	r = targets_plan(b, targets);
	if (r == 0)
		r = pvb_services_plan(b);
	if (r == 0)
		r = console_plan(b);
	if (r == 0)
		r = pvb_gate_plan(b, targets);
	for (size_t i = 0; r == 0 && i < b->num_moving; i++)
		r = device_plan(b, i, targets[i]);
	if (r == 0)
		r = console_move_plan(b);
	return r == 0 ? slots_plan(b) : r;
}

/* ---- building ---- */

static int moving_find(struct pvb_builder *b)
{
	size_t n = pvb_snapshot_count(b->snapshot);
	char addr[PVB_ADDR_MAX];

	b->moving = calloc(n ? n : 1, sizeof(*b->moving));
	if (!b->moving)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct pvb_function *fn = pvb_snapshot_get(b->snapshot, i);

		if (fn->bridge && fn->named)
			return pvb_err_set(b->err, -EINVAL, "%s is a bridge, which cannot be lent: name the device behind it",
					   pvb_addr_format(&fn->addr, addr));
		if (!fn->bridge)
			b->moving[b->num_moving++] = fn;
	}
	return 0;
}

uint64_t pvb_generation_new(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void lend_start(struct pvb_builder *b)
{
	struct pvb_lend *lend = &b->plan->journal.lend;

	snprintf(lend->name, sizeof(lend->name), "%s", b->request->name);
	snprintf(lend->label, sizeof(lend->label), "%s", *b->request->label ? b->request->label : b->request->name);
	lend->settings = b->request->settings;
	lend->state = PVB_LENDING;
	lend->since = time(NULL);
	lend->generation = pvb_generation_new();
	lend->owner_pid = getpid();
}

static int console_failed(struct pvb_builder *b, int code)
{
	return pvb_err_set(b->err, code, "cannot find out about the console: %s", strerror(-code));
}

/* The kernel is asked about its console while all else is looked at. */
static int host_look(struct pvb_builder *b)
{
	struct pvb_refusals *refusals = &b->plan->refusals;
	struct pvb_ask ask;
	int r, judged;

	b->plan->turn_seen = pvb_turn_look(b->ctx);
	r = pvb_console_ask(b->ctx, b->moving, b->num_moving, &ask);
	if (r < 0)
		return console_failed(b, r);
	judged = pvb_judge(b->ctx, b->request, b->snapshot, refusals, b->err);
	if (judged == 0)
		judged = power_look(b);
	r = pvb_console_answer(b->ctx, &ask, &b->console);
	if (judged < 0)
		return judged;
	if (r == -ETIMEDOUT)
		return pvb_err_set(b->err, r, "the kernel's console does not answer, as a graphics driver of this host hangs in the kernel: only a reboot helps");
	if (r == 0)
		r = pvb_judge_console(b->ctx, b->request, &b->console, refusals);
	return r < 0 ? console_failed(b, r) : 0;
}

static int plan_build(struct pvb_builder *b)
{
	int r = moving_find(b);

	if (r == 0)
		r = host_look(b);
	lend_start(b);
	if (r == 0)
		r = pvb_homes_decide(b);
	if (r == 0)
		r = ops_plan(b);
	if (r < 0 && !b->err->code)
		pvb_err_set(b->err, r, "cannot make a plan: %s", strerror(-r));
	return r;
}

static int snapshot_for(struct pvb_ctx *ctx, const struct pvb_request *request, struct pvb_snapshot **snapshot,
			struct pvb_err *err)
{
	_cleanup_free_ struct pvb_addr *addrs = calloc(request->num_wanted ? request->num_wanted : 1, sizeof(*addrs));

	if (!addrs)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	if (!request->num_wanted)
		return pvb_err_set(err, -EINVAL, "%s asks for no device", request->label);
	for (size_t i = 0; i < request->num_wanted; i++)
		addrs[i] = request->wanted[i].addr;
	return pvb_snapshot_take(ctx, addrs, request->num_wanted, 0, snapshot, err);
}

int pvb_plan_lend(struct pvb_ctx *ctx, const struct pvb_request *request, struct pvb_plan **out, struct pvb_err *err)
{
	struct pvb_snapshot *snapshot = NULL;
	struct pvb_builder b = { .ctx = ctx, .request = request, .err = err };
	int r;

	err->code = 0;
	b.plan = calloc(1, sizeof(*b.plan));
	if (!b.plan)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	r = snapshot_for(ctx, request, &snapshot, err);
	b.snapshot = snapshot;
	if (r == 0)
		r = pvb_journal_read(ctx, request->name, &b.before, err);
	if (r == -ENOENT)
		r = err->code = 0;
	if (r == 0)
		r = plan_build(&b);
	pvb_journal_clear(&b.before);
	free(b.moving);
	pvb_strv_free(b.sleepy);
	pvb_snapshot_free(snapshot);
	if (r < 0) {
		pvb_plan_free(b.plan);
		return r;
	}
	*out = b.plan;
	return 0;
}
