/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drivers whose remove() waits, uninterruptibly, until nobody uses the device; and who does. */
#include <string.h>

#include "lend.h"

/* Module names are the kernel's own: Debian's nvidia-current-drm.ko is nvidia_drm all the same. */
static const struct pvb_gate gates[] = {
	/* nv_pci_remove() of kernel-open/nvidia/nv-pci.c looks at the device's use count until it is 0. Persistence mode is
	 * either a process, nvidia-persistenced, or a flag that remove() takes no notice of. */
	{ "nvidia", "nvidia nvidia_uvm nvidia_drm nvidia_modeset nvidia_peermem nvidia_vgpu_vfio nvidia_fs", "nvidia_drm",
	  "modeset fbdev" },
	/* snd_card_free() waits until the last PCM or control file is closed. */
	{ "snd_hda_intel", NULL, NULL, NULL },
};

const struct pvb_gate *pvb_gate_of(const char *driver)
{
	for (size_t i = 0; i < ARRAY_SIZE(gates); i++)
		if (!strcmp(gates[i].driver, driver))
			return &gates[i];
	return NULL;
}

bool pvb_word_next(const char **list, char word[PVB_NAME_MAX])
{
	size_t n;

	*list += strspn(*list, " ");
	n = strcspn(*list, " ");
	snprintf(word, PVB_NAME_MAX, "%.*s", (int)(n < PVB_NAME_MAX ? n : PVB_NAME_MAX - 1), *list);
	*list += n;
	return n > 0;
}

/* ---- who else ---- */

/* Whether path, in /sys/devices, is one of the lent devices or below it (a disk of a lent USB controller). */
static bool path_lent(const struct pvb_lend *lend, const char *path)
{
	char part[PVB_ADDR_MAX + 1] = "/";

	for (size_t i = 0; i < lend->num_devices; i++) {
		const char *at;

		pvb_addr_format(&lend->devices[i].addr, part + 1);
		at = strstr(path, part);
		if (at && (at[strlen(part)] == '/' || !at[strlen(part)]))
			return true;
	}
	return false;
}

int pvb_gate_driver_other(struct pvb_ctx *ctx, const struct pvb_lend *lend, const char *dir, char which[PVB_NAME_MAX])
{
	_cleanup_strv_ char **entries = NULL;
	int r = pvb_sysfs_list(ctx, dir, &entries);

	*which = '\0';
	for (char **entry = entries; r == 0 && *entry && !*which; entry++) {
		char path[PVB_PATH_MAX], target[PVB_PATH_MAX];

		if (!strcmp(*entry, "module") || pvb_format(path, sizeof(path), "%s/%s", dir, *entry) < 0 ||
		    pvb_sysfs_link_target(ctx, path, target, sizeof(target)) < 0 || path_lent(lend, target))
			continue;
		snprintf(which, PVB_NAME_MAX, "%.*s", PVB_NAME_MAX - 1, *entry);
	}
	return r;
}

int pvb_gate_other(struct pvb_ctx *ctx, const struct pvb_lend *lend, const char *module, char which[PVB_NAME_MAX])
{
	_cleanup_strv_ char **drivers = NULL;
	char dir[PVB_PATH_MAX];
	int r;

	*which = '\0';
	snprintf(dir, sizeof(dir), "sys/module/%s/drivers", module);
	r = pvb_sysfs_list(ctx, dir, &drivers);
	for (char **driver = drivers; r == 0 && *driver && !*which; driver++)
		if (pvb_format(dir, sizeof(dir), "sys/module/%s/drivers/%s", module, *driver) == 0)
			r = pvb_gate_driver_other(ctx, lend, dir, which);
	return r;
}

static bool holder_stops(struct pvb_ctx *ctx, char *const *stops, const struct pvb_holder *holder)
{
	for (; stops && *stops; stops++)
		if (pvb_stop_covers(ctx, *stops, holder))
			return true;
	return false;
}

int pvb_gate_nodes_holder(struct pvb_ctx *ctx, const struct pvb_nodes *nodes, const struct pvb_settings *settings, char *buf,
			size_t size)
{
	_cleanup_strv_ char **stops = NULL;
	struct pvb_holders holders = { .n = 0 };
	char who[160];
	int r = settings ? pvb_stops_list(settings, &stops) : 0, found = 0;

	if (r == 0 && nodes->n)
		r = pvb_holders_find(ctx, nodes, &holders);
	for (size_t i = 0; r == 0 && i < holders.n && !found; i++) {
		found = !holder_stops(ctx, stops, &holders.list[i]);
		snprintf(buf, size, "%s has %s %s", pvb_holder_describe(&holders.list[i], who, sizeof(who)),
			 holders.list[i].node, holders.list[i].mapped ? "mapped" : "open");
	}
	if (r == 0 && !found && pvb_holders_unknown(ctx, &holders, who, sizeof(who))) {
		snprintf(buf, size, "%s, so one may have it open", who);
		found = 1;
	}
	pvb_holders_clear(&holders);
	return r < 0 ? r : found;
}

int pvb_gate_holder(struct pvb_ctx *ctx, const struct pvb_addr *addrs, size_t n, const struct pvb_settings *settings,
		    char *buf, size_t size)
{
	struct pvb_nodes nodes = { .n = 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct pvb_function fn;

		r = pvb_function_read(ctx, &addrs[i], &fn);
		if (r == 0 && !fn.vfio)
			r = pvb_device_nodes(ctx, &fn, &nodes);
		if (r == -ENOENT)
			r = 0; /* gone */
	}
	if (r == 0)
		r = pvb_gate_nodes_holder(ctx, &nodes, settings, buf, size);
	pvb_nodes_clear(&nodes);
	return r;
}

/* The nodes that tell of this device: not those it shares with others of its driver (/dev/nvidiactl), where there are any. */
static int own_nodes(struct pvb_ctx *ctx, const struct pvb_lend *lend, const struct pvb_addr *addr, struct pvb_nodes *nodes)
{
	char dir[PVB_PATH_MAX], other[PVB_NAME_MAX];
	struct pvb_function fn;
	size_t n = 0;
	int r = pvb_function_read(ctx, addr, &fn);

	if (r == 0)
		r = pvb_device_nodes(ctx, &fn, nodes);
	snprintf(dir, sizeof(dir), "sys/bus/pci/drivers/%s", fn.driver);
	if (r == 0)
		r = pvb_gate_driver_other(ctx, lend, dir, other);
	if (r || !*other)
		return r;
	for (size_t i = 0; i < nodes->n; i++)
		if (!nodes->list[i].shared)
			nodes->list[n++] = nodes->list[i];
	nodes->n = n;
	return 0;
}

/* Whether anybody may use what the gate stands before. Whoever has a node of it open is counted in one of its modules. */
static bool gate_used(const struct pvb_ctx *ctx, const struct pvb_gate *gate)
{
	const char *family = gate->family ? gate->family : gate->driver;
	char module[PVB_NAME_MAX];
	unsigned uses = 0;

	while (!uses && pvb_word_next(&family, module))
		if (pvb_module_uses(ctx, module, &uses) < 0)
			uses = pvb_module_loaded(ctx, module) || !gate->family; /* built in, it counts nothing */
	return uses > 0;
}

int pvb_gate_check(struct pvb_ctx *ctx, const struct pvb_lend *lend, const struct pvb_addr *addr, const char *driver,
		   struct pvb_err *err)
{
	const struct pvb_gate *gate = pvb_gate_of(driver);
	struct pvb_nodes nodes = { .n = 0 };
	char who[256];
	int r;

	if (!gate || !gate_used(ctx, gate))
		return 0;
	r = own_nodes(ctx, lend, addr, &nodes);
	if (r == 0)
		r = pvb_gate_nodes_holder(ctx, &nodes, NULL, who, sizeof(who));
	pvb_nodes_clear(&nodes);
	if (r < 0)
		return pvb_err_set(err, r, "cannot find out who uses it: %s", strerror(-r));
	if (r > 0)
		return pvb_err_set(err, -EBUSY, "not unbound from %s, which would hang until it is closed: %s; stop that first",
				   driver, who);
	return 0;
}
