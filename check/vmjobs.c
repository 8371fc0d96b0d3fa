/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: who else starts and stops the VM: backup jobs. */
#include <stdio.h>
#include <string.h>

#include "vm.h"

#define JOBS_FILE "/etc/pve/jobs.cfg"
#define CRON_FILE "/etc/pve/vzdump.cron" /* up to Proxmox VE 7.0 */
#define DEFAULTS_FILE "/etc/vzdump.conf"
#define POOLS_FILE "/etc/pve/user.cfg"
#define FILE_MAX (1024 * 1024)

/* ---- which backups ---- */

/* One job: of a [vzdump] section, or of a line of the old crontab. */
struct job {
	const char *all, *vmids, *exclude, *pool, *node, *mode;
};

/* Whether the VM is in a pool of this name: "pool:NAME:COMMENT:100,101:STORAGES:". */
static bool pool_has(const struct check_run *run, const char *pool, const char *vmid)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines = { .left = 0 };

	if (pvb_read_file(run->host.ctx, POOLS_FILE, FILE_MAX, &text, &lines.left) < 0)
		return false;
	lines.next = text;
	while (conf_line_next(&lines)) {
		char *rest = lines.line, *kind = strsep(&rest, ":"), *name = strsep(&rest, ":");
		char *members = strsep(&rest, ":") ? strsep(&rest, ":") : NULL;

		if (!strcmp(kind, "pool") && members && !strcmp(name, pool) && conf_list_has(members, vmid))
			return true;
	}
	return false;
}

static bool on(const char *flag)
{
	bool value = false;

	if (flag)
		conf_bool_parse(flag, &value);
	return value;
}

static bool job_takes_vm(const struct check_run *run, const struct job *job)
{
	char vmid[16];

	snprintf(vmid, sizeof(vmid), "%u", run->host.vmid);
	if (job->node && strcmp(job->node, run->host.node) != 0)
		return false;
	if (job->exclude && conf_list_has(job->exclude, vmid))
		return false;
	if (on(job->all))
		return true;
	return (job->vmids && conf_list_has(job->vmids, vmid)) || (job->pool && pool_has(run, job->pool, vmid));
}

/* ---- what they do to it ---- */

static void default_mode(const struct check_run *run, char *mode, size_t size)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines = { .left = 0 };

	conf_copy(mode, size, "snapshot");
	if (pvb_read_file(run->host.ctx, DEFAULTS_FILE, FILE_MAX, &text, &lines.left) < 0)
		return;
	lines.next = text;
	while (conf_line_next(&lines))
		if (!strncmp(lines.line, "mode:", 5))
			conf_copy(mode, size, conf_trim(lines.line + 5));
}

static void job_say(struct check_run *run, const struct job *job, const char *name, const char *place)
{
	char mode[32];

	default_mode(run, mode, sizeof(mode));
	if (job->mode)
		conf_copy(mode, sizeof(mode), job->mode);
	if (!strcmp(mode, "stop")) {
		check_warn(run, place,
			   "the backup %s shuts VM %u down and starts it again (mode stop): that fails where the guest does not react",
			   name, run->host.vmid);
		check_advise(run, "Take mode snapshot, or see that the guest shuts down by itself (its agent, or ACPI).");
	} else if (!strcmp(mode, "suspend")) {
		check_warn(run, place,
			   "the backup %s pauses VM %u (mode suspend) while its device goes on: the guest's driver may give up on it",
			   name, run->host.vmid);
		check_advise(run, "Take mode snapshot.");
	} else {
		check_ok(run, place,
			 "the backup %s leaves VM %u running (mode %s); a stopped one is lent its devices meanwhile, if they are free",
			 name, run->host.vmid, mode);
	}
}

static void block_look(struct check_run *run, const struct conf_block *block, unsigned *found)
{
	const struct job job = {
		.all = conf_block_value(block, "all"),
		.vmids = conf_block_value(block, "vmid"),
		.exclude = conf_block_value(block, "exclude"),
		.pool = conf_block_value(block, "pool"),
		.node = conf_block_value(block, "node"),
		.mode = conf_block_value(block, "mode"),
	};
	const char *enabled = conf_block_value(block, "enabled");
	char place[VM_PLACE_MAX];

	if (strcmp(block->type, "vzdump") != 0 || (enabled && !on(enabled)) || !job_takes_vm(run, &job))
		return;
	(*found)++;
	job_say(run, &job, block->id, check_place(place, sizeof(place), JOBS_FILE, block->line));
}

/* "0 2 * * 6  root vzdump 100 101 --mode stop --quiet 1": vmids into list, as with commas. */
static void cron_look(struct check_run *run, char *line, unsigned number, unsigned *found)
{
	char *words = strstr(line, " vzdump "), *save = NULL, place[VM_PLACE_MAX], vmids[1024] = "";
	struct job job = { .vmids = vmids };
	const struct {
		const char *name;
		const char **field;
	} options[] = {
		{ "--all", &job.all },   { "--exclude", &job.exclude }, { "--pool", &job.pool },
		{ "--node", &job.node }, { "--mode", &job.mode },
	};

	if (*line == '#' || !words)
		return;
	words += strlen(" vzdump ");
	for (char *word = strtok_r(words, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		size_t used = strlen(vmids);
		char *value;

		if (*word != '-') {
			snprintf(vmids + used, sizeof(vmids) - used, "%s,", word);
			continue;
		}
		value = strtok_r(NULL, " \t", &save);
		for (size_t i = 0; value && i < sizeof(options) / sizeof(options[0]); i++)
			if (!strcmp(options[i].name, word))
				*options[i].field = value;
	}
	if (!job_takes_vm(run, &job))
		return;
	(*found)++;
	check_place(place, sizeof(place), CRON_FILE, number);
	job_say(run, &job, "in the old crontab", place);
}

/* 0, or why the file cannot be read; one that is not there has no jobs. */
static int cron_read(struct check_run *run, unsigned *found)
{
	_conf_free_ char *text = NULL;
	struct conf_lines lines = { .left = 0 };
	int r = pvb_read_file(run->host.ctx, CRON_FILE, FILE_MAX, &text, &lines.left);

	lines.next = text;
	while (r == 0 && conf_line_next(&lines))
		cron_look(run, lines.line, lines.number, found);
	return r == -ENOENT ? 0 : r;
}

static void backup_check(struct check_run *run)
{
	struct conf_blocks jobs = { .n = 0 };
	struct pvb_err err;
	unsigned found = 0;
	int r, cron;

	if (!vm_borrows(run))
		return;
	r = conf_blocks_load(run->host.ctx, JOBS_FILE, &jobs, &err);
	for (size_t i = 0; r == 0 && i < jobs.n; i++)
		block_look(run, &jobs.list[i], &found);
	conf_blocks_clear(&jobs);
	cron = cron_read(run, &found);
	if (r < 0 && r != -ENOENT)
		check_unknown(run, JOBS_FILE, "the backup jobs cannot be read: %s", strerror(-r));
	else if (cron < 0)
		check_unknown(run, CRON_FILE, "the backup jobs cannot be read: %s", strerror(-cron));
	else if (!vm_cluster_there(run))
		check_unknown(run, "/etc/pve",
			      "the backup jobs cannot be seen: Proxmox VE's cluster file system is not there");
	else if (!found)
		check_ok(run, JOBS_FILE, "no backup job takes VM %u", run->host.vmid);
}

const struct check check_vmjobs[] = {
	{ "vm-backup", "Backups leave the VM running", CHECK_VM, "10", backup_check },
	{ .id = NULL },
};
