/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where Proxmox VE finds the hookscript: a link in a storage of the node's own. */
#include <stdio.h>
#include <string.h>

#include "setup.h"

/* A folder of this node alone: on a shared one, whoever can write it from elsewhere would be root here. */
static bool storage_fits(const struct conf_storage *storage, const char *node)
{
	return *storage->path && !storage->shared && !storage->disabled &&
	       (!*storage->nodes || conf_list_has(storage->nodes, node));
}

static bool has_snippets(const struct conf_storage *storage)
{
	return conf_list_has(storage->content, "snippets");
}

static void link_path(const struct conf_storage *storage, char *path, size_t size)
{
	snprintf(path, size, "%s/%s/" SETUP_SNIPPET, storage->path, storage->subdir);
}

/* How well it fits: our link is there already; snippets are; it is Proxmox VE's own. */
static int storage_rank(struct pvb_ctx *ctx, const struct conf_storage *storage)
{
	char path[PATH_MAX], target[PATH_MAX];

	link_path(storage, path, sizeof(path));
	if (has_snippets(storage) && setup_link_read(ctx, path, target, sizeof(target)) == 0 && !strcmp(target, SETUP_HOOK))
		return 4;
	return (has_snippets(storage) ? 2 : 0) + (!strcmp(storage->id, "local") ? 1 : 0);
}

static const struct conf_storage *storage_choose(struct pvb_ctx *ctx, const struct conf_storage *list, size_t n,
						 const char *node)
{
	const struct conf_storage *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (storage_fits(&list[i], node) && (!best || storage_rank(ctx, &list[i]) > storage_rank(ctx, best)))
			best = &list[i];
	return best;
}

/* Anything else under our name is somebody's. */
static int link_free(struct pvb_ctx *ctx, const char *path, struct pvb_err *err)
{
	char target[PATH_MAX];
	int r = setup_link_read(ctx, path, target, sizeof(target));

	if (r == -ENOENT || r == -ENOTDIR || (r == 0 && !strcmp(target, SETUP_HOOK)))
		return 0;
	return pvb_err_set(err, -EEXIST, "%s is there already, and %s%s: move it away, and try again", path,
			   r == 0 ? "leads to " : "is no link to " SETUP_HOOK, r == 0 ? target : "");
}

static int storage_plan(struct pvb_ctx *ctx, const struct conf_storage *storage, struct setup_steps *steps,
			struct pvb_err *err)
{
	char folder[PATH_MAX], path[PATH_MAX], content[300];
	struct setup_step step;
	int r;

	snprintf(folder, sizeof(folder), "%s/%s", storage->path, storage->subdir);
	link_path(storage, path, sizeof(path));
	r = link_free(ctx, path, err);
	step = (struct setup_step){ .kind = SETUP_DIR, .path = folder, .why = "the storage's folder for snippets" };
	if (r == 0 && !pvb_sysfs_exists(ctx, folder))
		r = setup_step_add(steps, &step, err);
	/* PVE::Storage::Plugin: "none" stands alone. */
	if (*storage->content && strcmp(storage->content, "none") != 0)
		snprintf(content, sizeof(content), "%s,snippets", storage->content);
	else
		snprintf(content, sizeof(content), "snippets");
	step = (struct setup_step){ .kind = SETUP_CONTENT, .path = storage->id, .before = storage->content, .after = content,
				    .why = "Proxmox VE takes a hookscript only from a storage that may have snippets" };
	if (r == 0 && !has_snippets(storage))
		r = setup_step_add(steps, &step, err);
	step = (struct setup_step){ .kind = SETUP_LINK, .path = path, .after = SETUP_HOOK,
				    .why = "so that Proxmox VE finds the hook, and an upgrade renews it" };
	if (r == 0 && !pvb_sysfs_exists(ctx, path))
		r = setup_step_add(steps, &step, err);
	return r;
}

int setup_snippet_plan(struct pvb_ctx *ctx, const char *node, char *volume, size_t size, struct setup_steps *steps,
		       struct pvb_err *err)
{
	_conf_free_ struct conf_storage *list = NULL;
	const struct conf_storage *storage;
	size_t n = 0;
	int r = conf_storage_list(ctx, &list, &n, err);

	if (r < 0)
		return r;
	if (!pvb_sysfs_exists(ctx, SETUP_HOOK))
		return pvb_err_set(err, -ENOENT, SETUP_HOOK " is not there: install pvebind first");
	storage = storage_choose(ctx, list, n, node);
	if (!storage)
		return pvb_err_set(err, -ENOENT,
				   "no storage of this node's own has a folder: add one, like pvesm add dir snippets --path /var/lib/snippets --content snippets");
	snprintf(volume, size, "%s:snippets/" SETUP_SNIPPET, storage->id);
	return storage_plan(ctx, storage, steps, err);
}

/* Containers may have it as their hookscript, too (hook/container.c), and do not start without it either. */
static bool container_uses(struct pvb_ctx *ctx, const char *volume)
{
	_conf_strv_ char **names = NULL;
	bool used = false;

	if (!pvb_sysfs_exists(ctx, "etc/pve/lxc"))
		return false;
	if (pvb_sysfs_list(ctx, "etc/pve/lxc", &names) < 0)
		return true;
	for (char **name = names; *name && !used; name++) {
		struct conf_container ct;
		struct pvb_err ignored;
		unsigned id;

		*strchrnul(*name, '.') = '\0';
		if (conf_vmid_parse(*name, &id, &ignored) < 0)
			continue;
		used = conf_container_load(ctx, id, &ct, &ignored) < 0 || !strcmp(ct.hookscript, volume);
		conf_container_clear(&ct);
	}
	return used;
}

bool setup_snippet_used(struct pvb_ctx *ctx, const char *volume, unsigned but)
{
	_conf_free_ unsigned *vmids = NULL;
	bool used = false;
	size_t n = 0;

	/* Where it cannot be looked, it is left. */
	if (conf_vm_list(ctx, &vmids, &n) < 0 || container_uses(ctx, volume))
		return true;
	for (size_t i = 0; i < n && !used; i++) {
		struct pvb_err ignored;
		struct conf_vm vm;

		if (vmids[i] == but)
			continue;
		used = conf_vm_load(ctx, vmids[i], NULL, &vm, &ignored) < 0 || !strcmp(vm.hookscript, volume);
		conf_vm_clear(&vm);
	}
	return used;
}
