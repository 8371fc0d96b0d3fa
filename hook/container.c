/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container that shares a card with VMs: what Proxmox VE says when its device nodes are not there names no VM. */
#include <string.h>

#include "container.h"

/* On the way to the VM or back: the container itself may be started by who brings the card home. */
static bool lend_stands(const struct pvb_lend *lend)
{
	return !lend->other_boot && (lend->state == PVB_LENT || lend->state == PVB_RUNNING || lend->state == PVB_KEPT);
}

/* "0000:01:00.0, 0000:01:00.1: lent to VM 100 (running)" */
static const char *lend_text(struct front *front, const struct pvb_lend *lend, char *buf, size_t size)
{
	char devices[400];

	snprintf(buf, size, "%s: %s %s (%s)", pvb_lend_devices(front->ctx, lend, devices, sizeof(devices)),
		 lend->state == PVB_KEPT ? "kept on vfio for" : "lent to", lend->label, pvb_state_name(lend->state));
	return buf;
}

static const char *remedy_text(const struct pvb_lend *lend, char *buf, size_t size)
{
	if (lend->state == PVB_KEPT)
		snprintf(buf, size, "bring it home with: pvebind return %s", lend->name);
	else
		snprintf(buf, size, "stop %s first", lend->label);
	return buf;
}

/* It was stopped for the lend, as stop-containers says, and is started again after it. */
static bool stopped_for(const struct pvb_lend *lend, unsigned id)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", id);
	return lend->settings.busy_stop && conf_has_word(lend->settings.stop_containers, number);
}

/* The first of its nodes that is not there; NULL: they all are. */
static const struct conf_node *missing_find(const struct front *front, const struct conf_container *ct)
{
	for (size_t i = 0; i < ct->num_nodes; i++)
		if (!pvb_sysfs_exists(front->ctx, ct->nodes[i].path + 1))
			return &ct->nodes[i];
	return NULL;
}

static int lend_refuses(struct front *front, const struct conf_container *ct, const struct conf_node *missing,
			const struct pvb_lend *lend, struct pvb_err *err)
{
	char what[512], remedy[128], place[192];

	lend_text(front, lend, what, sizeof(what));
	remedy_text(lend, remedy, sizeof(remedy));
	if (stopped_for(lend, ct->id))
		return pvb_err_set(err, -EBUSY,
				   "container %u does without its card: %s; its stop-containers has this container: %s",
				   ct->id, what, remedy);
	if (missing)
		return pvb_err_set(err, -EBUSY, "container %u: %s is not there (%s); %s: if that is its card, %s", ct->id,
				   missing->path, conf_place(place, sizeof(place), ct->file, missing->line), what, remedy);
	return 0;
}

static int start_refuse(struct front *front, const struct conf_container *ct, struct pvb_err *err)
{
	const struct conf_node *missing = missing_find(front, ct);
	_conf_strv_ char **names = NULL;
	int r = pvb_lend_names(front->ctx, &names, err);

	for (char **name = names; r == 0 && *name; name++) {
		struct pvb_lend lend;
		struct pvb_err ignored; /* a journal that cannot be read keeps no container away */

		if (pvb_lend_read(front->ctx, *name, &lend, &ignored) < 0)
			continue;
		if (lend_stands(&lend))
			r = lend_refuses(front, ct, missing, &lend, err);
		pvb_lend_clear(&lend);
	}
	return r;
}

enum front_status container_start(struct front *front, unsigned id)
{
	struct conf_container ct;
	struct pvb_err err;
	int r;

	front->vmid = id;
	front->container = true;
	r = conf_container_load(front->ctx, id, &ct, &err);
	if (r == 0)
		r = start_refuse(front, &ct, &err);
	conf_container_clear(&ct);
	return r < 0 ? front_fail(front, &err, FRONT_REFUSED) : FRONT_DONE;
}
