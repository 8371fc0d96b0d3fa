/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan: which functions move, where their homes are, and the operations in order. Pure data. */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "internal.h"

/* Stages of a lend: what is in one runs together, a worker per device. */
enum stage { STAGE_MODULES, STAGE_CONSOLE, STAGE_MOVE, STAGE_SLOTS, STAGE_COUNT };

/* What the builder knows while it makes a plan. */
struct builder {
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

static int PVB_PRINTF(2, 3) note_add(struct pvb_plan *plan, const char *fmt, ...)
{
	char **more = realloc(plan->notes, (plan->num_notes + 2) * sizeof(*more));
	char text[512];
	va_list ap;

	if (!more)
		return -ENOMEM;
	plan->notes = more;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	more[plan->num_notes] = strdup(text);
	if (!more[plan->num_notes])
		return -ENOMEM;
	more[++plan->num_notes] = NULL;
	return 0;
}

static struct pvb_op *op_add(struct pvb_plan *plan, enum pvb_op_kind kind, int device, unsigned stage)
{
	struct pvb_journal *j = &plan->journal;
	struct pvb_op *ops = realloc(j->ops, (j->num_ops + 1) * sizeof(*ops));
	size_t *origin = realloc(plan->origin, (j->num_ops + 1) * sizeof(*origin));

	if (ops)
		j->ops = ops;
	if (origin)
		plan->origin = origin;
	if (!ops || !origin)
		return NULL;
	origin[j->num_ops] = j->num_ops;
	ops += j->num_ops++;
	*ops = (struct pvb_op){ .kind = kind, .device = device, .stage = stage };
	return ops;
}

static int PVB_PRINTF(5, 6) op_plan(struct pvb_plan *plan, enum pvb_op_kind kind, int device, unsigned stage,
				    const char *fmt, ...)
{
	struct pvb_op *op = op_add(plan, kind, device, stage);
	va_list ap;

	if (!op)
		return -ENOMEM;
	va_start(ap, fmt);
	vsnprintf(op->arg, sizeof(op->arg), fmt, ap);
	va_end(ap);
	return 0;
}

/* ---- homes ---- */

/* Module names have '_' where a driver's name may have '-'. */
static bool name_equal(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
			return false;
	return *a == *b;
}

/* Whether modprobe would offer driver for this function: an override makes the PCI core hand the device
 * even to a driver that knows nothing of it (pci_match_device()). */
static int driver_fits(struct builder *b, const struct pvb_function *fn, const char *driver, bool *fits)
{
	_cleanup_strv_ char **modules = NULL;
	int r = pvb_module_lookup(b->ctx, fn->modalias, &modules, b->err);

	*fits = !strcmp(fn->driver, driver);
	if (r < 0)
		return r;
	for (char **module = modules; *module; module++)
		*fits = *fits || name_equal(*module, driver);
	return 0;
}

/* host-driver = NAME counts for the functions that NAME can drive: of a graphics card not its audio. */
static int home_by_name(struct builder *b, const struct pvb_function *fn, struct pvb_home *home)
{
	const char *driver = b->request->settings.host_driver;
	char addr[PVB_ADDR_MAX];
	bool fits;
	int r = driver_fits(b, fn, driver, &fits);

	if (r < 0)
		return r;
	if (!fits)
		return note_add(b->plan, "%s: host-driver = %s does not drive it; it goes home to %s",
				pvb_addr_format(&fn->addr, addr), driver, *home->driver ? home->driver : "no driver");
	if (strcmp(home->driver, driver) != 0)
		snprintf(home->module, sizeof(home->module), "%s", driver);
	snprintf(home->driver, sizeof(home->driver), "%s", driver);
	home->stays = false;
	return 0;
}

static const struct pvb_home *home_before(const struct builder *b, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < b->before.lend.num_devices; i++)
		if (pvb_addr_compare(&b->before.lend.devices[i].addr, addr) == 0)
			return &b->before.lend.devices[i];
	return NULL;
}

static void home_identify(struct pvb_home *home, const struct pvb_function *fn)
{
	home->addr = fn->addr;
	home->vendor = fn->vendor;
	home->device = fn->device;
	home->subvendor = fn->subvendor;
	home->subdevice = fn->subdevice;
	home->class_code = fn->class_code;
	home->group = fn->group;
	home->named = fn->named;
	snprintf(home->modalias, sizeof(home->modalias), "%s", fn->modalias);
	snprintf(home->reset_methods, sizeof(home->reset_methods), "%s", fn->reset_methods);
}

static int home_decide(struct builder *b, size_t i, struct pvb_home *home)
{
	const struct pvb_function *fn = b->moving[i];
	const struct pvb_home *before = home_before(b, &fn->addr);
	const char *wish = b->request->settings.host_driver;

	if (before) {
		*home = *before;
		home->named = fn->named;
		return 0;
	}
	home_identify(home, fn);
	home->stays = fn->vfio;
	if (!fn->vfio) {
		snprintf(home->driver, sizeof(home->driver), "%s", fn->driver);
		snprintf(home->module, sizeof(home->module), "%s", fn->module);
		home->by_modalias = !*fn->driver && b->console.firmware == (int)i;
	}
	if (!fn->named || !strcmp(wish, "auto"))
		return 0;
	if (!strcmp(wish, "none")) {
		home->driver[0] = home->module[0] = '\0';
		home->stays = home->by_modalias = false;
		return 0;
	}
	return home_by_name(b, fn, home);
}

static int homes_decide(struct builder *b)
{
	struct pvb_lend *lend = &b->plan->journal.lend;

	lend->devices = calloc(b->num_moving ? b->num_moving : 1, sizeof(*lend->devices));
	if (!lend->devices)
		return -ENOMEM;
	for (size_t i = 0; i < b->num_moving; i++) {
		int r = home_decide(b, i, &lend->devices[i]);

		if (r < 0)
			return r;
		lend->num_devices++;
	}
	return 0;
}

/* ---- operations ---- */

static bool op_planned(const struct pvb_plan *plan, enum pvb_op_kind kind, const char *arg)
{
	for (size_t i = 0; i < plan->journal.num_ops; i++)
		if (plan->journal.ops[i].kind == kind && !strcmp(plan->journal.ops[i].arg, arg))
			return true;
	return false;
}

static int module_plan(struct builder *b, const char *module)
{
	char path[PVB_PATH_MAX];

	snprintf(path, sizeof(path), "sys/module/%s", module);
	if (op_planned(b->plan, PVB_OP_MODULE, module) || pvb_sysfs_exists(b->ctx, path))
		return 0;
	return op_plan(b->plan, PVB_OP_MODULE, -1, STAGE_MODULES, "%s", module);
}

static bool variant_wanted(const struct builder *b, const struct pvb_function *fn)
{
	for (size_t i = 0; i < b->request->num_wanted; i++)
		if (b->request->wanted[i].variant && pvb_addr_matches(&b->request->wanted[i].addr, &fn->addr))
			return true;
	return false;
}

/* vfio-pci, or the module whose "vfio_pci:v…" alias names this device (Documentation/driver-api/vfio.rst),
 * chosen only where Proxmox VE will not bind by itself (driver=keep): it knows vfio-pci alone. */
static int target_find(struct builder *b, const struct pvb_function *fn, char *target, size_t size)
{
	_cleanup_strv_ char **modules = NULL;
	char alias[160];
	int r;

	snprintf(target, size, "%s", fn->vfio ? fn->driver : "vfio-pci");
	if (fn->vfio || !variant_wanted(b, fn))
		return 0;
	snprintf(alias, sizeof(alias), "vfio_%s", fn->modalias);
	r = pvb_module_lookup(b->ctx, alias, &modules, b->err);
	if (r == 0 && modules[0] && !name_equal(modules[0], "vfio-pci"))
		snprintf(target, size, "%s", modules[0]);
	return r;
}

static int targets_plan(struct builder *b, char (*targets)[PVB_NAME_MAX])
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
	char path[PVB_PATH_MAX], control[16] = "", d3cold[16] = "0";

	if (pvb_sysfs_read(ctx, pvb_device_path(addr, "power/control", path), control, sizeof(control)) < 0)
		return true; /* no runtime power management here */
	if (pvb_sysfs_read(ctx, pvb_device_path(addr, "d3cold_allowed", path), d3cold, sizeof(d3cold)) < 0)
		snprintf(d3cold, sizeof(d3cold), "0");
	return !strcmp(control, "on") && !strcmp(d3cold, "0");
}

/* The function and its bridges, as far as they could sleep or another lend keeps them awake. */
static int power_plan(struct builder *b, size_t i)
{
	const struct pvb_function *fn = b->moving[i];
	char arg[sizeof(((struct pvb_op *)0)->arg)] = "", addr[PVB_ADDR_MAX], name[PVB_NAME_MAX], body[PVB_RECORD_MAX];

	for (int k = -1; k < (int)fn->num_bridges; k++) {
		const struct pvb_addr *at = k < 0 ? &fn->addr : &fn->bridges[k];

		pvb_addr_format(at, addr);
		snprintf(name, sizeof(name), "%s.power", addr);
		if (awake_already(b->ctx, at) && pvb_record_peek(b->ctx, name, body) < 0)
			continue;
		if (strlen(arg) + strlen(addr) + 2 > sizeof(arg))
			break; /* more than five sleepy bridges above one another: the nearest count */
		if (*arg)
			strcat(arg, " ");
		strcat(arg, addr);
	}
	return *arg ? op_plan(b->plan, PVB_OP_POWER, (int)i, STAGE_MOVE, "%s", arg) : 0;
}

static bool reset_has(const char *methods, const char *method)
{
	size_t n = strlen(method);

	for (const char *p = strstr(methods, method); p; p = strstr(p + 1, method))
		if ((p == methods || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool slot_has_method(const struct builder *b, const struct pvb_function *fn)
{
	for (size_t i = 0; i < b->num_moving; i++)
		if (b->moving[i]->addr.domain == fn->addr.domain && b->moving[i]->addr.bus == fn->addr.bus &&
		    b->moving[i]->addr.dev == fn->addr.dev && *b->moving[i]->reset_methods)
			return true;
	return false;
}

static int reset_plan(struct builder *b, size_t i)
{
	const struct pvb_function *fn = b->moving[i];
	const char *methods = b->request->settings.reset;

	if (!strcmp(methods, "none") || !strcmp(methods, "slot") || !*fn->reset_methods)
		return 0;
	return op_plan(b->plan, PVB_OP_RESET, (int)i, STAGE_MOVE, "%s", methods);
}

/* One reset a slot, and only where no function of it can be reset by itself, or when asked for. */
static int slots_plan(struct builder *b)
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
		if (op_plan(b->plan, PVB_OP_SLOT_RESET, -1, STAGE_SLOTS, "%s", text) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int device_plan(struct builder *b, size_t i, const char *target)
{
	const struct pvb_home *home = &b->plan->journal.lend.devices[i];
	int device = (int)i, r;
	char addr[PVB_ADDR_MAX];

	pvb_addr_format(&home->addr, addr);
	if (!home->named && note_add(b->plan, "%s moves along: it is in the same IOMMU group (%d)", addr, home->group) < 0)
		return -ENOMEM;
	if (home->stays)
		return note_add(b->plan, "%s is on %s already and stays there, also afterwards (host-driver = NAME would give it to the host)",
				addr, b->moving[i]->driver);
	r = power_plan(b, i);
	if (r == 0)
		r = op_plan(b->plan, PVB_OP_OVERRIDE, device, STAGE_MOVE, "%s", target);
	if (r == 0 && (*home->driver || home->by_modalias))
		r = op_plan(b->plan, PVB_OP_UNBIND, device, STAGE_MOVE, "%s", home->driver);
	if (r == 0)
		r = op_plan(b->plan, PVB_OP_BIND, device, STAGE_MOVE, "%s", target);
	return r == 0 ? reset_plan(b, i) : r;
}

static int firmware_note(struct builder *b)
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
		return note_add(b->plan, "%s: the firmware's frame buffer cannot come back; after the return the console is shown by %s",
				addr, modules[0]);
	return note_add(b->plan, "%s: the console is on the firmware's frame buffer, which cannot come back, and this host has no driver for the card: its screen stays dark until a reboot",
			addr);
}

static int console_plan(struct builder *b)
{
	if (!b->console.involved || b->request->settings.keep_console)
		return 0;
	if (b->console.firmware >= 0 && firmware_note(b) < 0)
		return -ENOMEM;
	return op_plan(b->plan, PVB_OP_CONSOLE, -1, STAGE_CONSOLE, "%s", b->console.all ? b->console.vtcons : "");
}

static int ops_plan(struct builder *b)
{
	_cleanup_free_ char(*targets)[PVB_NAME_MAX] = calloc(b->num_moving + 1, sizeof(*targets));
	int r;

	if (!targets)
		return -ENOMEM;
	r = targets_plan(b, targets);
	if (r == 0)
		r = console_plan(b);
	for (size_t i = 0; r == 0 && i < b->num_moving; i++)
		r = device_plan(b, i, targets[i]);
	return r == 0 ? slots_plan(b) : r;
}

/* ---- building ---- */

static int moving_find(struct builder *b)
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

static uint64_t generation_new(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void lend_start(struct builder *b)
{
	struct pvb_lend *lend = &b->plan->journal.lend;

	snprintf(lend->name, sizeof(lend->name), "%s", b->request->name);
	snprintf(lend->label, sizeof(lend->label), "%s", *b->request->label ? b->request->label : b->request->name);
	lend->settings = b->request->settings;
	lend->state = PVB_LENDING;
	lend->since = time(NULL);
	lend->generation = generation_new();
	lend->owner_pid = getpid();
}

static int plan_build(struct builder *b)
{
	int r = moving_find(b);

	if (r == 0)
		r = pvb_console_look(b->ctx, b->moving, b->num_moving, &b->console);
	if (r == 0)
		r = pvb_judge(b->ctx, b->request, b->snapshot, &b->console, &b->plan->refusals, b->err);
	lend_start(b);
	if (r == 0)
		r = homes_decide(b);
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
	struct builder b = { .ctx = ctx, .request = request, .err = err };
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
	pvb_snapshot_free(snapshot);
	if (r < 0) {
		pvb_plan_free(b.plan);
		return r;
	}
	*out = b.plan;
	return 0;
}

/* The inverse: operations that began, last first; what a module's loading did stays. */
static int plan_invert(const struct pvb_journal *j, struct pvb_plan *plan)
{
	for (size_t i = j->num_ops; i-- > 0;) {
		struct pvb_op *op;

		if (j->progress[i] == PVB_PROGRESS_NONE || j->ops[i].kind == PVB_OP_MODULE)
			continue;
		op = op_add(plan, j->ops[i].kind, j->ops[i].device, STAGE_COUNT - j->ops[i].stage);
		if (!op)
			return -ENOMEM;
		op->undo = true;
		memcpy(op->arg, j->ops[i].arg, sizeof(op->arg));
		plan->origin[plan->journal.num_ops - 1] = i;
	}
	return 0;
}

int pvb_plan_return(struct pvb_ctx *ctx, const char *name, struct pvb_plan **out, struct pvb_err *err)
{
	struct pvb_journal j;
	struct pvb_plan *plan;
	int r = pvb_journal_read(ctx, name, &j, err);

	if (r < 0)
		return r;
	plan = calloc(1, sizeof(*plan));
	r = plan ? plan_invert(&j, plan) : -ENOMEM;
	if (r == 0) {
		plan->journal.lend = j.lend; /* and with it its devices */
		memset(&j.lend, 0, sizeof(j.lend));
		*out = plan;
	} else {
		pvb_plan_free(plan);
		pvb_err_set(err, r, "out of memory");
	}
	pvb_journal_clear(&j);
	return r;
}

void pvb_plan_free(struct pvb_plan *plan)
{
	if (!plan)
		return;
	pvb_journal_clear(&plan->journal);
	pvb_refusals_clear(&plan->refusals);
	pvb_strv_free(plan->notes);
	free(plan->origin);
	free(plan);
}

size_t pvb_plan_count(const struct pvb_plan *plan)
{
	return plan->journal.num_ops;
}

const struct pvb_op *pvb_plan_get(const struct pvb_plan *plan, size_t i)
{
	return &plan->journal.ops[i];
}

size_t pvb_plan_num_devices(const struct pvb_plan *plan)
{
	return plan->journal.lend.num_devices;
}

const struct pvb_home *pvb_plan_device(const struct pvb_plan *plan, size_t i)
{
	return &plan->journal.lend.devices[i];
}

const struct pvb_refusals *pvb_plan_refusals(const struct pvb_plan *plan)
{
	return &plan->refusals;
}

bool pvb_plan_refused(const struct pvb_plan *plan)
{
	for (size_t i = 0; i < plan->refusals.n; i++)
		if (!plan->refusals.list[i].allowed)
			return true;
	return false;
}

const char *pvb_plan_note(const struct pvb_plan *plan, size_t i)
{
	return i < plan->num_notes ? plan->notes[i] : NULL;
}

const char *pvb_op_describe(const struct pvb_plan *plan, const struct pvb_op *op, char *buf, size_t size)
{
	return pvb_op_words(op, plan->journal.lend.devices, buf, size);
}
