/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's configuration and pvebind.ini make a request. */
#include <stdio.h>
#include <string.h>

#include "conf.h"

struct build {
	struct pvb_ctx *ctx;
	const struct conf_vm *vm;
	struct conf_settings *settings;
	struct pvb_request *request;
	struct conf_extra *extra;
	struct pvb_err *err;
};

static int out_of_memory(struct pvb_err *err)
{
	return pvb_err_set(err, -ENOMEM, "out of memory");
}

static struct conf_ask ask_new(const struct build *b, const char *origin, const char *key, const char *file, unsigned line)
{
	return (struct conf_ask){
		.ctx = b->ctx,
		.node = b->extra->node,
		.vmid = b->vm->vmid,
		.origin = origin,
		.key = key,
		.at = { .file = file, .line = line },
		.request = b->request,
	};
}

/* ---- what "devices" lists -------------------------------------------------------- */

static int hostpci_want(const struct build *b, unsigned index)
{
	const struct conf_hostpci *hostpci = &b->vm->hostpci[index];
	char origin[16];
	struct conf_ask ask = ask_new(b, origin, origin, b->vm->file, hostpci->line);
	int r = 0;

	snprintf(origin, sizeof(origin), "hostpci%u", index);
	ask.variant = hostpci->driver_keep;
	/* Of a mediated device Proxmox VE makes an instance and cleans it up; the card stays with its driver. */
	if (*hostpci->mdev)
		return conf_note_add(&b->extra->notes, PVB_NOTICE,
				     "VM %u: %s is a mediated device (mdev=%s): left to Proxmox VE", b->vm->vmid,
				     origin, hostpci->mdev) < 0
			       ? out_of_memory(b->err)
			       : 0;
	if (*hostpci->mapping)
		return conf_want_mapping(&ask, hostpci->mapping, b->err);
	for (size_t i = 0; r == 0 && i < hostpci->num_ids; i++)
		r = conf_want_addr(&ask, &hostpci->ids[i], b->err);
	return r;
}

static int hostpcis_want(const struct build *b)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < CONF_HOSTPCI_MAX; i++)
		if (b->vm->hostpci[i].present)
			r = hostpci_want(b, i);
	return r;
}

static int device_want(const struct build *b, const struct conf_device *device)
{
	const struct conf_match *match = &device->match;
	struct conf_at at = { .file = b->settings->file, .line = device->line };
	char origin[96];
	struct conf_ask ask = ask_new(b, origin, "match", b->settings->file, match->line);

	snprintf(origin, sizeof(origin), "device %s", device->name);
	ask.expect = device->expect.given ? &device->expect.id : NULL;
	switch (match->kind) {
	case CONF_MATCH_ADDR:
		return conf_want_addr(&ask, &match->addr, b->err);
	case CONF_MATCH_ID:
		return conf_want_id(&ask, &match->id, b->err);
	case CONF_MATCH_MAPPING:
		return conf_want_mapping(&ask, match->mapping, b->err);
	case CONF_MATCH_NONE:
		break;
	}
	return conf_at_error(&at, b->err, "[device %s] has no match for node %s: add one, like match = 01:00",
			     device->name, b->extra->node);
}

static int address_want(const struct build *b, const char *text, unsigned line)
{
	struct conf_ask ask = ask_new(b, "devices", "devices", b->settings->file, line);
	struct pvb_addr addr;
	int r = pvb_addr_parse(text, &addr, b->err);

	return r < 0 ? r : conf_want_addr(&ask, &addr, b->err);
}

static int names_want(const struct build *b)
{
	const struct conf_names *names = &b->settings->options.devices;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < names->n; i++) {
		const struct conf_device *device = conf_settings_device(b->settings, names->list[i]);

		if (!strcmp(names->list[i], "hostpci"))
			r = hostpcis_want(b);
		else if (device)
			r = device_want(b, device);
		else
			r = address_want(b, names->list[i], names->line);
	}
	return r;
}

/* ---- the rest ------------------------------------------------------------------------ */

static int allow_copy(const struct build *b)
{
	const struct conf_allows *allows = &b->settings->options.allow;

	if (allows->n == 0)
		return 0;
	b->request->allow = malloc(allows->n * sizeof(*b->request->allow));
	if (!b->request->allow)
		return out_of_memory(b->err);
	memcpy(b->request->allow, allows->list, allows->n * sizeof(*b->request->allow));
	b->request->num_allow = allows->n;
	return 0;
}

static int request_fill(const struct build *b)
{
	struct pvb_request *request = b->request;
	struct pvb_err ignored;
	int r;

	request->settings = b->settings->options.settings;
	/* So that the journal has its path, and the way home needs no storage.cfg. The hook has said what is wrong with it. */
	r = conf_next_resolve(b->ctx, request->settings.next, &ignored); /* NOLINT(clang-analyzer-deadcode.DeadStores) */
	conf_copy(b->extra->config, sizeof(b->extra->config), b->settings->file);
	r = names_want(b);
	if (r == 0)
		r = allow_copy(b);
	b->extra->has_devices = request->num_wanted || request->refusals.n;
	return r;
}

/* What pvebind.ini says, if it could be read, then all that depends on both. */
static int settings_use(struct build *b, int loaded)
{
	b->extra->notes = b->settings->notes;
	b->settings->notes = (struct conf_notes){ .n = 0 };
	return loaded < 0 ? loaded : request_fill(b);
}

static int settings_read(struct build *b, const char *config)
{
	struct conf_settings settings;
	int r = conf_settings_load(b->ctx, config, b->vm->vmid, b->extra->node, &settings, b->err);

	b->settings = &settings;
	r = settings_use(b, r);
	b->settings = NULL;
	conf_settings_clear(&settings);
	return r;
}

static void extra_fill(struct conf_extra *extra, const struct conf_vm *vm)
{
	memcpy(extra->vm_file, vm->file, sizeof(extra->vm_file));
	memcpy(extra->vm_name, vm->name, sizeof(extra->vm_name));
	memcpy(extra->lock, vm->lock, sizeof(extra->lock));
	memcpy(extra->hookscript, vm->hookscript, sizeof(extra->hookscript));
	extra->is_template = vm->is_template;
}

int conf_request_build(struct pvb_ctx *ctx, const char *config, unsigned vmid, const char *migrated_from,
		       struct pvb_request *request, struct conf_extra *extra, struct pvb_err *err)
{
	return conf_request_build_with(ctx, config, NULL, vmid, migrated_from, request, extra, err);
}

int conf_request_build_with(struct pvb_ctx *ctx, const char *config, struct conf_settings *settings, unsigned vmid,
			    const char *migrated_from, struct pvb_request *request, struct conf_extra *extra, struct pvb_err *err)
{
	struct conf_vm vm;
	struct build b = { .ctx = ctx, .vm = &vm, .settings = settings, .request = request, .extra = extra, .err = err };
	int r;

	*request = (struct pvb_request){ .num_wanted = 0 };
	*extra = (struct conf_extra){ .is_template = false };
	pvb_settings_default(&request->settings);
	snprintf(request->name, sizeof(request->name), "%u", vmid);
	snprintf(request->label, sizeof(request->label), "VM %u", vmid);
	if (settings)
		conf_copy(extra->node, sizeof(extra->node), settings->node);
	else
		conf_node_name(ctx, extra->node, sizeof(extra->node));
	r = conf_vm_load(ctx, vmid, migrated_from, &vm, err);
	if (r == 0)
		extra_fill(extra, &vm);
	/* A template never starts; its backup passes no device, so nothing about devices can be wrong. */
	if (r == 0 && !vm.is_template)
		r = settings ? settings_use(&b, 0) : settings_read(&b, config);
	conf_vm_clear(&vm);
	return r;
}

void conf_extra_clear(struct conf_extra *extra)
{
	conf_notes_clear(&extra->notes);
	*extra = (struct conf_extra){ .is_template = false };
}
