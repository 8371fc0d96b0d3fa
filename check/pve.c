/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxmox VE's own part: its configuration, the snippet, the daemon that tells of VMs that ended. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "vm.h"

#define FILE_MAX (1024 * 1024)

static bool cluster_there(const struct check_run *run)
{
	return pvb_sysfs_exists(run->host.ctx, "etc/pve/local");
}

/* ---- the cluster's file system ---- */

static void cluster_check(struct check_run *run)
{
	_conf_free_ char *members = NULL;

	if (!run->host.is_pve)
		return;
	if (!cluster_there(run)) {
		check_fail(run, "/etc/pve",
			   "Proxmox VE's configuration is not there: pve-cluster.service does not run, so no VM's configuration can be read, and none starts");
		check_advise(run, "See why it does not run.");
		check_command(run, "systemctl status pve-cluster");
		return;
	}
	if (pvb_read_file(run->host.ctx, "etc/pve/.members", FILE_MAX, &members, NULL) == 0 &&
	    strstr(members, "\"quorate\": 0")) {
		check_fail(run, "/etc/pve/.members",
			   "the cluster has no quorum: configurations cannot be changed, and no VM is started");
		check_command(run, "pvecm status");
		return;
	}
	check_ok(run, "/etc/pve", "Proxmox VE's configuration is there, of node %s", run->host.node);
}

/* ---- storages ---- */

/* The storages of this node that may have snippets. */
struct storages {
	struct conf_storage *list;
	size_t n;
	struct pvb_err err;
	bool unread;
};

static bool storage_serves(const struct check_run *run, const struct conf_storage *storage)
{
	return !storage->disabled && *storage->path && (!*storage->nodes || conf_list_has(storage->nodes, run->host.node));
}

static void storages_read(struct check_run *run, struct storages *storages)
{
	*storages = (struct storages){ .n = 0 };
	if (!cluster_there(run)) {
		pvb_err_set(&storages->err, -ENOENT,
			    "the storages cannot be seen: Proxmox VE's configuration is not there");
		storages->unread = true;
	} else {
		storages->unread = conf_storage_list(run->host.ctx, &storages->list, &storages->n, &storages->err) < 0;
	}
	if (storages->unread)
		check_unknown(run, CONF_STORAGE_FILE, "%s", storages->err.text);
}

/* A storage of ours for a command: "local", where it is. */
static const struct conf_storage *storage_usual(const struct check_run *run, const struct storages *storages)
{
	const struct conf_storage *usual = NULL;

	for (size_t i = 0; i < storages->n; i++)
		if (storage_serves(run, &storages->list[i]) && !storages->list[i].shared &&
		    (!usual || !strcmp(storages->list[i].id, "local")))
			usual = &storages->list[i];
	return usual;
}

static void content_check(struct check_run *run)
{
	const struct conf_storage *usual;
	struct storages storages;
	char names[256] = "";
	unsigned line = 0;

	if (!run->host.is_pve)
		return;
	storages_read(run, &storages);
	for (size_t i = 0; i < storages.n; i++) {
		size_t used = strlen(names);

		if (!storage_serves(run, &storages.list[i]) || !conf_list_has(storages.list[i].content, "snippets"))
			continue;
		snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", storages.list[i].id);
		line = line ? line : storages.list[i].line;
	}
	if (!storages.unread && *names) {
		char place[64];

		check_ok(run, check_place(place, sizeof(place), CONF_STORAGE_FILE, line), "snippets can be on: %s", names);
	} else if (!storages.unread) {
		check_warn(run, CONF_STORAGE_FILE,
			   "no storage of this node takes snippets: there is no place for the hookscript");
		check_advise(run, "Add snippets to what a storage of this node takes; 'pvebind enable VMID' does so.");
		usual = storage_usual(run, &storages);
		if (usual)
			check_command(run, "pvesm set %s --content %s,snippets", usual->id, usual->content);
	}
	free(storages.list);
}

/* ---- the snippet ---- */

static bool snippet_path(const struct conf_storage *storage, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/%s/" HOOK_SNIPPET, storage->path, storage->subdir);

	return n > 0 && (size_t)n < size;
}

/* What is wrong with the file itself; NULL: nothing. */
static const char *binary_fault(const struct check_run *run, const char *path)
{
	_conf_close_ int fd = pvb_open(run->host.ctx, path, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return "leads to a file that is not there: pvebind was removed, or is installed elsewhere";
	if (!S_ISREG(st.st_mode))
		return "leads to what is no plain file";
	return st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH) ? NULL : "leads to a file that is not executable";
}

static void snippet_say(struct check_run *run, const struct conf_storage *storage, const char *path)
{
	const char *fault = binary_fault(run, path);

	if (hook_kind(run, path) == HOOK_OTHER) {
		check_fail(run, path, "%s:snippets/" HOOK_SNIPPET " is not pvebind: it should be a link to %s",
			   storage->id, HOOK_FILE);
		check_advise(run, "Move it out of the way, then make the link.");
	} else if (fault) {
		check_fail(run, path, "%s:snippets/" HOOK_SNIPPET " %s: VMs that have it as their hookscript do not start",
			   storage->id, fault);
		check_advise(run, "Install pvebind again, or make the link anew.");
	} else {
		check_ok(run, path, "%s:snippets/" HOOK_SNIPPET " leads to pvebind", storage->id);
		return;
	}
	check_command(run, "ln -sfn %s %s", HOOK_FILE, path);
}

static void snippet_check(struct check_run *run)
{
	struct storages storages;
	char path[PATH_MAX];
	bool found = false;

	if (!run->host.is_pve)
		return;
	storages_read(run, &storages);
	for (size_t i = 0; i < storages.n; i++) {
		if (!storage_serves(run, &storages.list[i]) || !snippet_path(&storages.list[i], path, sizeof(path)) ||
		    hook_kind(run, path) == HOOK_NONE)
			continue;
		found = true;
		snippet_say(run, &storages.list[i], path);
	}
	if (!found && !storages.unread) {
		check_warn(run, "", "pvebind is not among the snippets: no VM can have it as its hookscript yet");
		check_advise(run, "Enable it for a VM.");
		check_command(run, run->host.vmid ? "pvebind enable %u" : "pvebind enable VMID", run->host.vmid);
	}
	free(storages.list);
}

/* For the file and its folder: whichever it is. */
static void trust_commands(struct check_run *run, const char *path)
{
	int folder = (int)(strrchr(path, '/') - path);

	check_command(run, "chown root: %.*s %s", folder, path, path);
	check_command(run, "chmod go-w %.*s %s", folder, path, path);
}

/* Who can write it is root on this host: what Proxmox VE runs as root, the folder it is in, what it leads to. */
static void trust_say(struct check_run *run, const struct conf_storage *storage, const char *path)
{
	char why[600];

	if (hook_untrusted(run, path, why, sizeof(why))) {
		check_fail(run, path, "%s, and Proxmox VE runs that as root: who can write it is root here", why);
		trust_commands(run, path);
	} else if (hook_untrusted(run, HOOK_FILE, why, sizeof(why))) {
		check_fail(run, HOOK_FILE, "%s, and Proxmox VE runs that as root: who can write it is root here", why);
		trust_commands(run, HOOK_FILE);
	} else if (storage->shared) {
		check_warn(run, path,
			   "the snippet is on a shared storage (%s, %s): who can write there, from any host, is root on this one",
			   storage->id, storage->type);
		check_advise(run, "Have it on a storage of the node's own; 'pvebind enable VMID' chooses one.");
	} else {
		check_ok(run, path, "only root can write the snippet");
	}
}

static void trust_check(struct check_run *run)
{
	struct storages storages;
	char path[PATH_MAX];

	if (!run->host.is_pve)
		return;
	storages_read(run, &storages);
	for (size_t i = 0; i < storages.n; i++)
		if (storage_serves(run, &storages.list[i]) && snippet_path(&storages.list[i], path, sizeof(path)) &&
		    hook_kind(run, path) != HOOK_NONE)
			trust_say(run, &storages.list[i], path);
	free(storages.list);
}

/* ---- qmeventd ---- */

static bool unit_wanted(const struct check_run *run)
{
	static const char *const folders[] = { "etc/systemd/system/multi-user.target.wants",
					       "etc/systemd/system/pve-guests.service.wants",
					       "lib/systemd/system/multi-user.target.wants",
					       "usr/lib/systemd/system/multi-user.target.wants" };
	char path[128];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/qmeventd.service", folders[i]);
		if (pvb_sysfs_exists(run->host.ctx, path))
			return true;
	}
	return false;
}

/* A process of this name; VM_UNSEEN: no process can be seen at all. */
static enum vm_seen process_runs(const struct check_run *run, const char *name)
{
	_conf_strv_ char **pids = NULL;
	char path[64], comm[32];
	enum vm_seen seen = VM_UNSEEN;

	if (pvb_sysfs_list(run->host.ctx, "proc", &pids) < 0)
		return VM_UNSEEN;
	for (char **pid = pids; *pid; pid++) {
		if (**pid < '1' || **pid > '9')
			continue;
		snprintf(path, sizeof(path), "proc/%.20s/comm", *pid);
		if (pvb_sysfs_read(run->host.ctx, path, comm, sizeof(comm)) < 0)
			continue;
		seen = VM_NO;
		if (!strcmp(comm, name))
			return VM_YES;
	}
	return seen;
}

/* A unit that runs has a control group: of v2, or systemd's own of v1. Without either, its process tells. */
static enum vm_seen qmeventd_runs(const struct check_run *run)
{
	static const char *const slices[] = { "sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice" };
	char path[128];

	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		if (!pvb_sysfs_exists(run->host.ctx, slices[i]))
			continue;
		snprintf(path, sizeof(path), "%s/qmeventd.service", slices[i]);
		return pvb_sysfs_exists(run->host.ctx, path) ? VM_YES : VM_NO;
	}
	return process_runs(run, "qmeventd");
}

static void qmeventd_check(struct check_run *run)
{
	enum vm_seen runs = run->host.is_pve ? qmeventd_runs(run) : VM_UNSEEN;

	if (!run->host.is_pve)
		return;
	if (runs == VM_UNSEEN) {
		check_unknown(run, "/sys/fs/cgroup/system.slice", "whether qmeventd.service runs cannot be seen");
	} else if (runs == VM_NO) {
		check_fail(run, "",
			   "qmeventd.service does not run: of a guest that shuts itself down nobody tells, so its devices come home late, or not at all");
		check_command(run, "systemctl enable --now qmeventd");
	} else if (!unit_wanted(run)) {
		check_warn(run, "/etc/systemd/system/multi-user.target.wants",
			   "qmeventd.service runs, but is not enabled: after the next boot it does not");
		check_command(run, "systemctl enable qmeventd");
	} else {
		check_ok(run, "", "qmeventd.service runs, and tells of guests that shut themselves down");
	}
}

const struct check check_pve[] = {
	{ "pve-cluster", "Proxmox VE's configuration is there", CHECK_HOST, "pve", cluster_check },
	{ "snippets-content", "A storage takes snippets", CHECK_HOST, "pve", content_check },
	{ "snippet", "The snippet leads to pvebind", CHECK_HOST, "pve", snippet_check },
	{ "snippets-shared", "Only root can write the snippet", CHECK_HOST, "pve", trust_check },
	{ "qmeventd", "qmeventd runs", CHECK_HOST, "pve", qmeventd_check },
	{ .id = NULL },
};
