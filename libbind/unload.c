/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unloading a driver's modules, and loading again what was unloaded. */
#include <string.h>

#include "lend.h"

/* "module.nvidia_drm": the lends that have unloaded it, and only it is loaded again. */
static const char *record_name(const struct pvb_step *step, char buf[PVB_NAME_MAX + 8])
{
	snprintf(buf, PVB_NAME_MAX + 8, "module.%.*s", PVB_NAME_MAX - 1, step->op->arg);
	return buf;
}

/* Who holds it, into buf: the modules that do, else a process, else how often it is used. */
static void holders_describe(const struct pvb_step *step, char *buf, size_t size)
{
	_cleanup_strv_ char **modules = NULL;
	_cleanup_free_ struct pvb_addr *addrs = calloc(step->lend->num_devices + 1, sizeof(*addrs));
	unsigned uses = 0;

	*buf = '\0';
	if (pvb_module_holders(step->ctx, step->op->arg, &modules) == 0 && modules[0]) {
		snprintf(buf, size, "the module %s uses it", modules[0]);
		return;
	}
	for (size_t i = 0; addrs && i < step->lend->num_devices; i++)
		addrs[i] = step->lend->devices[i].addr;
	if (addrs && pvb_gate_holder(step->ctx, addrs, step->lend->num_devices, NULL, buf, size) == 1)
		return;
	if (pvb_module_uses(step->ctx, step->op->arg, &uses) < 0)
		uses = 0;
	snprintf(buf, size, "it is used %u times, by no process that can be found", uses);
}

/* Others may have come since the plan was made. */
static int others_check(const struct pvb_step *step, struct pvb_err *err)
{
	char other[PVB_NAME_MAX];
	int r = pvb_gate_other(step->ctx, step->lend, step->op->arg, other);

	if (r < 0)
		return pvb_err_set(err, r, "cannot read who uses the module %s: %s", step->op->arg, strerror(-r));
	if (*other)
		return pvb_err_set(err, -EBUSY, "the module %s is not unloaded: %s uses it now, too", step->op->arg, other);
	return 0;
}

static int module_unload(struct pvb_step *step, struct pvb_err *err)
{
	char who[256], text[200];
	int r = others_check(step, err);

	if (r < 0)
		return r;
	r = pvb_module_unload(step->ctx, step->op->arg, err);
	if (r != -EAGAIN && r != -EBUSY)
		return r;
	holders_describe(step, who, sizeof(who));
	snprintf(text, sizeof(text), "%.190s", err->text);
	return pvb_err_set(err, r, "%s: %s; stop that and try again", text, who);
}

int pvb_effect_unload(struct pvb_step *step, struct pvb_err *err)
{
	char name[PVB_NAME_MAX + 8];
	struct pvb_shared shared;
	int r;

	step->quiet = !pvb_module_loaded(step->ctx, step->op->arg);
	if (step->quiet)
		return 0; /* somebody else did: it is not ours to load again */
	r = pvb_shared_enter(step->ctx, record_name(step, name), true, &shared, err);
	if (r < 0)
		return r;
	r = pvb_shared_add(&shared, step->lend->name, "loaded", err);
	if (r == 0)
		r = module_unload(step, err);
	pvb_shared_leave(&shared);
	snprintf(step->text, sizeof(step->text), "unloaded the module %s", step->op->arg);
	return r;
}

/* nvidia and its like refuse to load where they find no device: then the lent one was their only one, and its home is
 * elsewhere now, or it is gone. */
static int module_load(struct pvb_step *step, struct pvb_err *err)
{
	char text[300];
	bool loaded;
	int r = pvb_module_load(step->ctx, step->op->arg, &loaded, err);

	step->quiet = !loaded;
	snprintf(step->text, sizeof(step->text), "loaded the module %s again", step->op->arg);
	if (r == -ENODEV && !pvb_step_away(step)) {
		step->quiet = false;
		step->warn = true;
		snprintf(step->text, sizeof(step->text), "the module %s stays unloaded: it found nothing to drive", step->op->arg);
		return err->code = 0;
	}
	if (r == 0)
		return 0;
	snprintf(text, sizeof(text), "%.290s", err->text);
	return pvb_err_set(err, r, "%s; it was loaded before the lend: load it by hand (modprobe %s), dmesg may say why", text,
			   step->op->arg);
}

int pvb_effect_unload_undo(struct pvb_step *step, struct pvb_err *err)
{
	char name[PVB_NAME_MAX + 8];
	struct pvb_shared shared;
	int r = pvb_shared_enter(step->ctx, record_name(step, name), false, &shared, err);

	step->quiet = true;
	if (r < 0)
		return r;
	if (pvb_shared_has(&shared, step->lend->name)) {
		r = module_load(step, err);
		if (r == 0)
			r = pvb_shared_remove(step->ctx, &shared, step->lend->name, err);
	}
	pvb_shared_leave(&shared);
	return r;
}
