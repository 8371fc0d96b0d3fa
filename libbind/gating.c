/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan for drivers that cannot be unbound while they are used. Where nobody else needs such a driver its modules are
 * unloaded, which fails at once when they are in use; else it is unbound only when nothing at all holds it. */
#include <string.h>

#include "lend.h"

#define MODULES_MAX 16

struct gating {
	struct pvb_builder *b;
	const struct pvb_lend *lend;
	char names[MODULES_MAX][PVB_NAME_MAX]; /* modules to unload, in this order */
	size_t n;
	bool looked, held; /* whether a process has one of the lent devices open */
};

/* ---- what is to be unloaded ---- */

static bool unloading(const struct gating *g, const char *module)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->names[i], module))
			return true;
	return false;
}

/* A module that uses this one and does not go before it, into which; "" for none. */
static int module_above(const struct gating *g, const char *module, char which[PVB_NAME_MAX])
{
	_cleanup_strv_ char **holders = NULL;
	int r = pvb_module_holders(g->b->ctx, module, &holders);

	*which = '\0';
	for (char **holder = holders; r == 0 && *holder; holder++)
		if (!unloading(g, *holder))
			snprintf(which, PVB_NAME_MAX, "%s", *holder);
	return r;
}

static int name_add(struct gating *g, const char *module)
{
	if (g->n == MODULES_MAX)
		return pvb_err_set(g->b->err, -E2BIG, "more than %d modules to unload", MODULES_MAX);
	snprintf(g->names[g->n++], PVB_NAME_MAX, "%s", module);
	return 0;
}

/* Add all of the family that is loaded, each when those above it are added; none if something else stands on one. */
static int family_add(struct gating *g, const char *family)
{
	size_t before = g->n, last;
	char module[PVB_NAME_MAX], above[PVB_NAME_MAX];
	bool blocked;

	do {
		const char *list = family;

		last = g->n;
		blocked = false;
		while (pvb_word_next(&list, module)) {
			int r;

			if (unloading(g, module) || !pvb_module_loaded(g->b->ctx, module))
				continue;
			r = module_above(g, module, above);
			if (r == 0 && !*above)
				r = name_add(g, module);
			if (r < 0)
				return r;
			blocked = blocked || *above;
		}
	} while (blocked && g->n > last);
	if (blocked)
		g->n = before;
	return 0;
}

/* unload = auto: the families of the lent devices' drivers, unless another device needs them. */
static int families_collect(struct gating *g)
{
	char other[PVB_NAME_MAX];

	for (size_t i = 0; i < g->b->num_moving; i++) {
		const struct pvb_function *fn = g->b->moving[i];
		const struct pvb_gate *gate = pvb_gate_of(fn->driver);
		int r;

		if (!gate || !gate->family || !*fn->module || unloading(g, fn->module))
			continue;
		r = pvb_gate_other(g->b->ctx, g->lend, fn->module, other);
		if (r == 0 && !*other)
			r = family_add(g, gate->family);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where the refusal and the operations go: the first lent device that is on one of the modules. */
static int gate_device(const struct gating *g)
{
	for (size_t i = 0; i < g->b->num_moving; i++)
		if (*g->b->moving[i]->module && unloading(g, g->b->moving[i]->module))
			return (int)i;
	return 0;
}

static int named_judge(struct gating *g, const char *module)
{
	const struct pvb_addr *addr = &g->b->moving[gate_device(g)]->addr;
	char other[PVB_NAME_MAX], above[PVB_NAME_MAX];
	int r = pvb_gate_other(g->b->ctx, g->lend, module, other);

	if (r == 0)
		r = module_above(g, module, above);
	if (r == 0 && *other)
		r = pvb_refuse(&g->b->plan->refusals, "driver-gate", addr,
			       "the module %s is not unloaded: %s, which is not lent, uses it: take it out of unload, or give that device another driver",
			       module, other);
	if (r == 0 && *above)
		r = pvb_refuse(&g->b->plan->refusals, "driver-gate", addr,
			       "the module %s cannot be unloaded: the module %s uses it: name that one before it in unload", module, above);
	return r;
}

/* unload = NAMES: what is loaded of them, in this order. */
static int names_collect(struct gating *g)
{
	const char *list = g->lend->settings.unload;
	char module[PVB_NAME_MAX];
	int r = 0;

	while (r == 0 && pvb_word_next(&list, module)) {
		if (unloading(g, module) || !pvb_module_loaded(g->b->ctx, module))
			continue;
		r = named_judge(g, module);
		if (r == 0)
			r = name_add(g, module);
	}
	return r;
}

/* ---- what speaks against it ---- */

/* Whether a process has a lent device open: the judge has named it, or it will be stopped. */
static bool lent_held(struct gating *g)
{
	struct pvb_nodes nodes = { .n = 0 };
	char who[256];

	for (size_t i = 0; !g->looked && i < g->b->num_moving; i++)
		if (!g->b->moving[i]->vfio && pvb_device_nodes(g->b->ctx, g->b->moving[i], &nodes) < 0)
			break;
	if (!g->looked)
		g->held = pvb_gate_nodes_holder(g->b->ctx, &nodes, NULL, who, sizeof(who)) == 1;
	g->looked = true;
	pvb_nodes_clear(&nodes);
	return g->held;
}

/* The console holds the module of its frame buffer, and leaves before. */
static bool console_leaves(const struct pvb_builder *b)
{
	for (size_t i = 0; i < b->plan->journal.num_ops; i++)
		if (b->plan->journal.ops[i].kind == PVB_OP_CONSOLE && *b->plan->journal.ops[i].arg)
			return true;
	return false;
}

static int unload_judge(struct gating *g)
{
	for (size_t i = 0; i < g->n; i++) {
		unsigned uses;
		int r = pvb_module_uses(g->b->ctx, g->names[i], &uses);

		if (r == 0 && uses && !console_leaves(g->b) && !lent_held(g))
			r = pvb_refuse(&g->b->plan->refusals, "driver-gate", &g->b->moving[gate_device(g)]->addr,
				       "the module %s cannot be unloaded: it is used %u times, not by another module nor by a process that has the device open: by the console, by something else in the kernel, or by a process that uses another of its nodes (lsof /dev/*): end that first",
				       g->names[i], uses);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Why a gated driver is unbound with its modules in place. */
static int stays_why(struct gating *g, const struct pvb_function *fn, char other[PVB_NAME_MAX], char *why, size_t size)
{
	const char *unload = g->lend->settings.unload;
	char dir[PVB_PATH_MAX];
	int r;

	snprintf(dir, sizeof(dir), "sys/bus/pci/drivers/%s", fn->driver);
	r = pvb_gate_driver_other(g->b->ctx, g->lend, dir, other);
	if (!strcmp(unload, "none"))
		snprintf(why, size, "with unload = none");
	else if (strcmp(unload, "auto") != 0)
		snprintf(why, size, "as unload does not name it");
	else if (*other)
		snprintf(why, size, "as %s uses it, too", other);
	else
		snprintf(why, size, "as a module that is not of its family uses it");
	return r;
}

static bool param_set(const struct gating *g, const char *module, const char *param)
{
	char path[PVB_PATH_MAX], value[8];

	snprintf(path, sizeof(path), "sys/module/%s/parameters/%s", module, param);
	return pvb_sysfs_read(g->b->ctx, path, value, sizeof(value)) == 0 && (*value == 'Y' || *value == '1');
}

/* nvidia_drm with modeset=1 */
static int params_judge(struct gating *g, const struct pvb_function *fn, const struct pvb_gate *gate, const char *why)
{
	const char *list = gate->params;
	char addr[PVB_ADDR_MAX], param[PVB_NAME_MAX];

	if (unloading(g, gate->user) || !pvb_module_loaded(g->b->ctx, gate->user))
		return 0;
	while (pvb_word_next(&list, param))
		if (param_set(g, gate->user, param))
			return pvb_refuse(&g->b->plan->refusals, "driver-gate", &fn->addr,
					  "%s cannot be unbound from %s, which stays loaded %s: %s was loaded with %s=1, holds every card, and the unbinding would hang until a reboot: boot with %s.%s=0, or see to it that the modules can be unloaded (only lent devices on %s, unload = auto)",
					  pvb_addr_format(&fn->addr, addr), fn->driver, why, gate->user, param, gate->user, param,
					  fn->driver);
	return 0;
}

/* Who has another device of the driver open and is not stopped (settings NULL: any), as pvb_gate_holder(). */
static int other_holder(const struct gating *g, const char *other, const struct pvb_settings *settings, char *who, size_t size)
{
	struct pvb_addr at;

	if (!*other || pvb_addr_parse(other, &at, NULL) < 0)
		return 0;
	return pvb_gate_holder(g->b->ctx, &at, 1, settings, who, size);
}

/* Who uses the family: one with another device of the driver open, or nobody to be found. Those who have a lent device
 * open are the judge's to name. */
static int uses_judge(struct gating *g, const struct pvb_function *fn, const char *other, const char *why)
{
	char addr[PVB_ADDR_MAX], who[256];
	int r = other_holder(g, other, &g->lend->settings, who, sizeof(who));

	if (r < 0)
		return r;
	/* Named by the judge, or all of them to be stopped. */
	if (r == 0 && (lent_held(g) || other_holder(g, other, NULL, who, sizeof(who)) > 0))
		return 0;
	if (r == 0)
		snprintf(who, sizeof(who), "it is in use, but no process can be found that does");
	return pvb_refuse(&g->b->plan->refusals, "driver-gate", &fn->addr,
			  "%s cannot be unbound from %s, which stays loaded %s, while anything uses that: %s; the unbinding would hang until a reboot: stop that first",
			  pvb_addr_format(&fn->addr, addr), fn->driver, why, who);
}

/* A driver that stays: nothing at all may hold it. */
static int unbind_judge(struct gating *g, const struct pvb_function *fn, const struct pvb_gate *gate)
{
	const char *family = gate->family;
	char module[PVB_NAME_MAX], other[PVB_NAME_MAX], why[128];
	unsigned uses = 0;
	int r = stays_why(g, fn, other, why, sizeof(why));

	if (r == 0)
		r = params_judge(g, fn, gate, why);
	while (r == 0 && !uses && pvb_word_next(&family, module))
		if (!unloading(g, module) && pvb_module_loaded(g->b->ctx, module))
			r = pvb_module_uses(g->b->ctx, module, &uses);
	return r == 0 && uses ? uses_judge(g, fn, other, why) : r;
}

/* ---- the plan ---- */

/* The override of a device comes before the unloading of its driver: udev or nvidia-modprobe may load it again at once,
 * and it must not take the device again. */
static int ops_add(struct gating *g, char (*targets)[PVB_NAME_MAX])
{
	struct pvb_builder *b = g->b;
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->num_moving; i++)
		if (*b->moving[i]->module && unloading(g, b->moving[i]->module) && !g->lend->devices[i].stays)
			r = pvb_plan_add_op(b->plan, PVB_OP_OVERRIDE, (int)i, STAGE_PIN, "%s", targets[i]);
	for (size_t i = 0; r == 0 && i < g->n; i++)
		r = pvb_plan_add_op(b->plan, PVB_OP_UNLOAD, gate_device(g), STAGE_UNLOAD, "%s", g->names[i]);
	return r;
}

int pvb_gate_plan(struct pvb_builder *b, char (*targets)[PVB_NAME_MAX])
{
	struct gating g = { .b = b, .lend = &b->plan->journal.lend };
	const char *unload = b->request->settings.unload;
	int r = 0;

	if (!strcmp(unload, "auto"))
		r = families_collect(&g);
	else if (strcmp(unload, "none") != 0)
		r = names_collect(&g);
	if (r == 0)
		r = unload_judge(&g);
	for (size_t i = 0; r == 0 && i < b->num_moving; i++) {
		const struct pvb_gate *gate = pvb_gate_of(b->moving[i]->driver);

		if (gate && gate->family && !unloading(&g, b->moving[i]->module))
			r = unbind_judge(&g, b->moving[i], gate);
	}
	pvb_refusals_allow(&b->plan->refusals, b->request);
	return r == 0 ? ops_add(&g, targets) : r;
}
