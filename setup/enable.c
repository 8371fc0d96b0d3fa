/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's hookscript: set, and put back. */
#include <stdio.h>
#include <string.h>

#include "setup.h"

#define ENABLE_CHANGE "enable-"

struct build {
	struct front *front;
	struct pvb_ctx *ctx;
	unsigned vmid;
	char node[PVB_NAME_MAX];
	struct setup_enable *plan;
	struct pvb_err *err;
};

static const char *change_name(unsigned vmid, char name[PVB_NAME_MAX])
{
	snprintf(name, PVB_NAME_MAX, ENABLE_CHANGE "%u", vmid);
	return name;
}

/* ---- pvebind.ini ---- */

static const char *ini_path(const struct build *b)
{
	if (b->front->config)
		return b->front->config;
	if (pvb_sysfs_exists(b->ctx, CONF_INI_CLUSTER))
		return CONF_INI_CLUSTER;
	if (pvb_sysfs_exists(b->ctx, CONF_INI_LOCAL) || !pvb_sysfs_exists(b->ctx, "etc/pve"))
		return CONF_INI_LOCAL;
	return CONF_INI_CLUSTER;
}

/* The header line of the VM's section, as it stands in the file; "" when there is none. */
static int header_find(const struct build *b, const char *file, const char *text, char *header, size_t size)
{
	_conf_free_ char *copy = strdup(text);
	struct conf_sections sections = { .n = 0 };
	unsigned line = 0;
	int r;

	*header = '\0';
	if (!copy)
		return pvb_err_set(b->err, -ENOMEM, "out of memory");
	r = conf_ini_parse(&sections, file, copy, strlen(copy), b->vmid, b->node, b->err);
	for (size_t i = 0; r == 0 && i < sections.n; i++)
		if (sections.list[i]->kind == CONF_VM && sections.list[i]->vmid == b->vmid && !sections.list[i]->for_node)
			line = sections.list[i]->line;
	conf_sections_clear(&sections);
	for (const char *p = text; r == 0 && line; p += strcspn(p, "\n") + 1)
		if (--line == 0)
			snprintf(header, size, "%.*s", (int)strcspn(p, "\r\n"), p);
	return r;
}

/* "\n; …\n[vm 100]\nbusy = stop\n": malloced. */
static char *block_make(const struct build *b, const char *text, bool has_section, const char *const *keys, size_t n)
{
	size_t length = strlen(text), size;
	char *block = NULL;
	FILE *out = open_memstream(&block, &size);

	if (!out)
		return NULL;
	if (!has_section)
		fprintf(out, "%s%s", length && text[length - 1] != '\n' ? "\n" : "", length ? "\n" : "");
	fprintf(out, "; by 'pvebind enable %u'; 'pvebind disable %u' takes it back\n", b->vmid, b->vmid);
	if (!has_section)
		fprintf(out, "[vm %u]\n", b->vmid);
	for (size_t i = 0; i < n; i++) {
		size_t name = strcspn(keys[i], "=");

		fprintf(out, "%.*s = %s\n", (int)name, keys[i], keys[i] + name + (keys[i][name] == '='));
	}
	if (fclose(out) != 0) {
		free(block);
		return NULL;
	}
	return block;
}

/* What would come of it must be a good file. */
static int block_try(const struct build *b, const char *file, const char *text, const char *header, const char *block)
{
	const char *at = setup_block_place(text, header);
	_conf_free_ char *whole = NULL;
	struct conf_settings settings = { .both = false };
	int r;

	if (!at)
		return pvb_err_set(b->err, -ESTALE, "%s has no line '%s' any more: try again", file, header);
	if (asprintf(&whole, "%.*s%s%s", (int)(at - text), text, block, at) < 0) {
		whole = NULL;
		return pvb_err_set(b->err, -ENOMEM, "out of memory");
	}
	r = conf_settings_parse(&settings, file, whole, strlen(whole), b->vmid, b->node, b->err);
	conf_settings_clear(&settings);
	return r;
}

static int ini_plan(const struct build *b, const char *const *keys, size_t n)
{
	const char *file = ini_path(b);
	_conf_free_ char *text = NULL, *block = NULL, *path = strdup(file);
	char header[256];
	int r = pvb_read_file(b->ctx, file, CONF_INI_MAX, &text, NULL);
	struct setup_step step = { .kind = SETUP_BLOCK, .vmid = b->vmid, .why = "what the VM's lend is to do besides" };

	if (r == -ENOENT)
		step.name = "new";
	else if (r < 0)
		return pvb_err_set(b->err, r, "cannot read %s: %s", file, strerror(-r));
	r = header_find(b, file, text ? text : "", header, sizeof(header));
	if (r < 0)
		return r;
	block = block_make(b, text ? text : "", *header, keys, n);
	if (!block || !path)
		return pvb_err_set(b->err, -ENOMEM, "out of memory");
	step.path = path;
	step.before = header;
	step.after = block;
	r = block_try(b, file, text ? text : "", header, block);
	return r < 0 ? r : setup_step_add(&b->plan->vm, &step, b->err);
}

/* ---- the VM's key ---- */

/* Whether a volume is a link to us, under whatever name; or would be one, by our own name: a VM that came from another node
 * has our hookscript before this node has the link. */
static bool volume_is_ours(const struct build *b, const char *volume)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name = strrchr(volume, '/');
	struct pvb_err ignored;
	int r = conf_storage_snippet(b->ctx, volume, path, sizeof(path), &ignored);

	if (r == 0)
		r = setup_link_read(b->ctx, path, target, sizeof(target));
	return r == 0 ? !strcmp(target, SETUP_HOOK) : r == -ENOENT && name && !strcmp(name + 1, SETUP_SNIPPET);
}

static int key_plan(const struct build *b, const char *now)
{
	char before[256], name[] = "hookscript";
	struct setup_step step = { .kind = SETUP_VM_KEY, .vmid = b->vmid, .name = name, .before = before,
				   .after = b->plan->volume, .why = "Proxmox VE calls it before each start and after each stop" };

	if (!conf_copy(before, sizeof(before), now))
		return pvb_err_set(b->err, -ENAMETOOLONG, "VM %u has a hookscript of more than 255 bytes", b->vmid);
	return setup_step_add(&b->plan->vm, &step, b->err);
}

static int vm_plan(const struct build *b, const struct conf_vm *vm, const char *const *keys, size_t n)
{
	const char *now = conf_vm_value(vm, "hookscript", NULL);
	bool ours = now && volume_is_ours(b, now);
	const char *all[CONF_LIST_MAX + 1];
	char next[300];
	int r = 0;

	if (n > CONF_LIST_MAX)
		return pvb_err_set(b->err, -E2BIG, "--set can be given %d times at most", CONF_LIST_MAX);
	if (n)
		memcpy(all, keys, n * sizeof(*all));
	/* Proxmox VE knows but one hookscript a VM: what was there is called by us, and itself we never call. */
	if (now && !ours) {
		snprintf(next, sizeof(next), "next-hookscript=%s", now);
		all[n++] = next;
	}
	if (n)
		r = ini_plan(b, all, n);
	if (r == 0 && !(now && !strcmp(now, b->plan->volume)))
		r = key_plan(b, now ? now : "");
	return r;
}

/* Made before, and what it set stands still: then there is nothing to do. */
static int enabled_before(const struct build *b, size_t num_keys)
{
	struct setup_record record;
	char name[PVB_NAME_MAX];
	int r = setup_record_read(b->ctx, change_name(b->vmid, name), &record, b->err);
	bool stands = r == 0;

	for (size_t i = 0; r == 0 && i < record.steps.n; i++) {
		enum setup_state state = SETUP_OTHER;

		r = setup_step_look(b->ctx, &record.steps.list[i], &state, NULL, 0, b->err);
		stands = stands && state == SETUP_AFTER;
	}
	setup_record_clear(&record);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (stands && !num_keys)
		return 1;
	return pvb_err_set(b->err, -EEXIST, "VM %u was enabled before%s: 'pvebind disable %u' first, then enable it anew", b->vmid,
			   stands ? "" : ", and was changed since", b->vmid);
}

int setup_enable_plan(struct front *front, unsigned vmid, const char *const *keys, size_t n, struct setup_enable *plan,
		      struct pvb_err *err)
{
	struct build b = { .front = front, .ctx = front->ctx, .vmid = vmid, .plan = plan, .err = err };
	struct conf_vm vm;
	int r;

	*plan = (struct setup_enable){ .snippet = { .n = 0 } };
	change_name(vmid, plan->name);
	conf_node_name(b.ctx, b.node, sizeof(b.node));
	r = conf_vm_load(b.ctx, vmid, NULL, &vm, err);
	if (r == 0 && vm.is_template)
		r = pvb_err_set(err, -EINVAL, "VM %u is a template, which never starts: enable the VMs that are made of it", vmid);
	if (r == 0)
		r = setup_snippet_plan(b.ctx, b.node, plan->volume, sizeof(plan->volume), &plan->snippet, err);
	if (r == 0)
		r = enabled_before(&b, n);
	if (r == 0)
		r = vm_plan(&b, &vm, keys, n);
	conf_vm_clear(&vm);
	return r < 0 ? r : 0;
}

void setup_enable_clear(struct setup_enable *plan)
{
	setup_steps_clear(&plan->snippet);
	setup_steps_clear(&plan->vm);
}

/* Where somebody took a part of it away, the record of the whole is out of date: back, and made anew. */
static int snippet_apply(struct front *front, struct setup_enable *plan, struct pvb_err *err)
{
	char node[PVB_NAME_MAX];
	int r = plan->snippet.n ? setup_change_undo(front->ctx, SETUP_SNIPPET_CHANGE, err) : -ENOENT;

	if (r == 0) {
		setup_steps_clear(&plan->snippet);
		conf_node_name(front->ctx, node, sizeof(node));
		r = setup_snippet_plan(front->ctx, node, plan->volume, sizeof(plan->volume), &plan->snippet, err);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	return setup_change_apply(front->ctx, SETUP_SNIPPET_CHANGE, &plan->snippet, err);
}

/* What is left of setup's is setup's: it must not keep a VM from being enabled. */
int setup_enable_recover(struct front *front, struct pvb_err *err)
{
	int r = setup_changes_recover(front->ctx, SETUP_SNIPPET_CHANGE, err);

	return r < 0 ? r : setup_changes_recover(front->ctx, ENABLE_CHANGE, err);
}

int setup_enable_apply(struct front *front, struct setup_enable *plan, struct pvb_err *err)
{
	bool had_snippet = plan->snippet.n == 0;
	struct pvb_err ignored;
	int r = snippet_apply(front, plan, err);

	if (r < 0)
		return r;
	r = setup_change_apply(front->ctx, plan->name, &plan->vm, err);
	if (r < 0 && !had_snippet && setup_change_undo(front->ctx, SETUP_SNIPPET_CHANGE, &ignored) < 0 && r != -PVB_EATTENTION)
		pvb_log(front->ctx, PVB_WARNING, "the hook's link stays: %s", ignored.text);
	return r;
}

/* ---- taking back ---- */

/* While something is lent, the hookscript is how it comes home. */
static int lent_refuse(struct front *front, unsigned vmid, struct pvb_err *err)
{
	struct pvb_lend lend = { .num_devices = 0 };
	struct pvb_err ignored;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", vmid);
	r = pvb_lend_read(front->ctx, name, &lend, &ignored);
	pvb_lend_clear(&lend);
	if (r == -ENOENT)
		return 0;
	return pvb_err_set(err, -EBUSY,
			   "VM %u has devices of this host now, and its hookscript is how they come home: stop it first (pvebind status)", vmid);
}

static bool others_enabled(struct pvb_ctx *ctx, unsigned vmid)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err ignored;
	char own[PVB_NAME_MAX];
	bool any = setup_record_names(ctx, ENABLE_CHANGE, &names, &ignored) < 0;

	change_name(vmid, own);
	for (char **name = names; name && *name; name++)
		any = any || strcmp(*name, own) != 0;
	return any;
}

bool setup_snippet_goes(struct front *front, unsigned vmid, bool with_key)
{
	char volume[256], node[PVB_NAME_MAX];
	struct setup_steps missing = { .n = 0 };
	struct pvb_err ignored;
	bool there;

	if (others_enabled(front->ctx, vmid))
		return false;
	conf_node_name(front->ctx, node, sizeof(node));
	there = setup_snippet_plan(front->ctx, node, volume, sizeof(volume), &missing, &ignored) == 0 && missing.n == 0;
	setup_steps_clear(&missing);
	return !there || !setup_snippet_used(front->ctx, volume, with_key ? vmid : 0);
}

static int snippet_take_back(struct front *front, unsigned vmid, struct pvb_err *err)
{
	/* What of its key was ours has gone by now: where the VM still has it, it needs the link. */
	int r = setup_snippet_goes(front, vmid, false) ? setup_change_undo(front->ctx, SETUP_SNIPPET_CHANGE, err) : 0;

	return r == -ENOENT ? 0 : r;
}

int setup_disable(struct front *front, unsigned vmid, struct pvb_err *err)
{
	char name[PVB_NAME_MAX];
	int r = lent_refuse(front, vmid, err);

	if (r == 0)
		r = setup_change_undo(front->ctx, change_name(vmid, name), err);
	if (r == -ENOENT)
		return pvb_err_set(err, r,
				   "VM %u was not enabled by 'pvebind enable' on this node; a hookscript set by hand goes with 'qm set %u --delete hookscript'",
				   vmid, vmid);
	return r < 0 ? r : snippet_take_back(front, vmid, err);
}
