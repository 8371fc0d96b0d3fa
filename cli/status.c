/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind status: what is lent, and where it is now. */
#include <string.h>

#include "cli.h"

/* One lend, or why it cannot be told. */
struct entry {
	const char *name;
	struct pvb_lend lend;
	struct cli_device *devices; /* malloced, lend.num_devices */
	int guard_pid;              /* 0: none */
	struct pvb_err err;         /* code set: the journal cannot be read */
};

static bool lend_moving(const struct pvb_lend *lend)
{
	return (lend->state == PVB_LENDING || lend->state == PVB_RETURNING) && !lend->unfinished;
}

/* Its lock is held though nobody moves it: in the kernel somebody hangs over it. */
static bool device_stuck(const struct entry *entry, const struct cli_device *device)
{
	return device->present && device->now.override_unknown && !lend_moving(&entry->lend);
}

static bool entry_stuck(const struct entry *entry)
{
	for (size_t i = 0; entry->devices && i < entry->lend.num_devices; i++)
		if (device_stuck(entry, &entry->devices[i]))
			return true;
	return false;
}

static bool entry_attention(const struct entry *entry)
{
	return entry->err.code || cli_needs_recovery(&entry->lend) || entry_stuck(entry);
}

static int guard_find(const struct cli *cli, const char *name)
{
	struct vmguard_file file = { .pid = 0 };
	struct pvb_err ignored;
	unsigned vmid;

	if (conf_vmid_parse(name, &vmid, &ignored) < 0 || !vmguard_file_look(cli->front.ctx, vmid, &file))
		return 0;
	return file.pid;
}

/* *gone: returned while we looked. */
static int entry_fill(struct cli *cli, struct entry *entry, bool *gone, struct pvb_err *err)
{
	int r = pvb_lend_read(cli->front.ctx, entry->name, &entry->lend, &entry->err);

	*gone = r == -ENOENT;
	if (r < 0) {
		entry->lend = (struct pvb_lend){ .num_devices = 0 };
		return 0;
	}
	entry->err.code = 0;
	entry->guard_pid = guard_find(cli, entry->name);
	return cli_devices_look(cli->front.ctx, entry->lend.devices, entry->lend.num_devices, entry->name,
				PVB_SNAPSHOT_OVERRIDE, &entry->devices, err);
}

static int entries_fill(struct cli *cli, char **names, struct entry *entries, size_t *n, struct pvb_err *err)
{
	for (char **name = names; *name; name++) {
		bool gone;
		int r;

		entries[*n].name = *name;
		r = entry_fill(cli, &entries[*n], &gone, err);
		if (r < 0)
			return r;
		*n += !gone;
	}
	return 0;
}

static void entries_free(struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pvb_lend_clear(&entries[i].lend);
		free(entries[i].devices);
	}
	free(entries);
}

/* ---- for people ---- */

static void state_text(const struct entry *entry)
{
	const struct pvb_lend *lend = &entry->lend;
	char since[32];

	printf("%s: %s%s since %s", lend->label, lend->unfinished ? "unfinished " : "", pvb_state_name(lend->state),
	       cli_time(lend->since, since, sizeof(since)));
	if (lend_moving(lend))
		printf(", process %d is at it", lend->owner_pid);
	if (lend->state == PVB_RUNNING && lend->borrower_pid)
		printf(", its QEMU is process %d", lend->borrower_pid);
	if (entry->guard_pid)
		printf(", its guard is process %d", entry->guard_pid);
	putchar('\n');
}

static void advice_text(const struct entry *entry)
{
	const struct pvb_lend *lend = &entry->lend;

	if (lend->other_boot)
		printf("  left from before the host was booted: run \"pvebind recover %s\"\n", lend->name);
	else if (entry->guard_pid && (lend->unfinished || lend->state == PVB_FAILED))
		puts("  its guard brings home what is not there, as soon as that can be");
	else if (lend->unfinished)
		printf("  its pvebind is gone, the work is half done: run \"pvebind recover %s\"\n", lend->name);
	else if (lend->state == PVB_FAILED)
		printf("  not everything could be brought home: mend the cause (the task log has it), then run \"pvebind recover %s\"\n",
		       lend->name);
	else if (lend->state == PVB_RUNNING && lend->settings.guard && !entry->guard_pid)
		printf("  it has no guard: should the VM end without Proxmox VE's post-stop, run \"pvebind return %s\"\n", lend->name);
}

static void entry_text(const struct entry *entry)
{
	char addr[PVB_ADDR_MAX];

	if (entry->err.code) {
		printf("%s: unreadable\n  %s\n", entry->name, entry->err.text);
		return;
	}
	state_text(entry);
	cli_devices_text(entry->devices, entry->lend.num_devices, stdout);
	for (size_t i = 0; i < entry->lend.num_devices; i++)
		if (device_stuck(entry, &entry->devices[i]))
			printf("  %s is stuck: the kernel does not let go of it; it is left alone until the host is booted anew\n",
			       pvb_addr_format(&entry->lend.devices[i].addr, addr));
	advice_text(entry);
}

static void entries_text(const struct entry *entries, size_t n)
{
	if (n == 0)
		puts("nothing is lent");
	for (size_t i = 0; i < n; i++) {
		if (i)
			putchar('\n');
		entry_text(&entries[i]);
	}
}

/* ---- for programs ---- */

/* cli_device_json() and {"held", "stuck", "override_now"} */
static struct json_object *devices_json(const struct entry *entry)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < entry->lend.num_devices; i++) {
		const struct cli_device *device = &entry->devices[i];
		struct json_object *value = cli_device_json(device);

		json_object_object_add(value, "held", json_object_new_boolean(device->held));
		json_object_object_add(value, "stuck", json_object_new_boolean(device_stuck(entry, device)));
		json_object_object_add(value, "override_now", cli_json_text_or_null(device->now.override));
		json_object_array_add(list, value);
	}
	return list;
}

/* {"lend", "label", "state" (or "unreadable"), "attention", "error", "unfinished", "other_boot", "since", "generation",
 *  "owner_pid", "borrower_pid", "guard_pid", "devices"} */
static struct json_object *entry_json(const struct entry *entry)
{
	struct json_object *value = json_object_new_object();
	const struct pvb_lend *lend = &entry->lend;
	bool bad = entry->err.code != 0;

	json_object_object_add(value, "lend", cli_json_text(entry->name));
	json_object_object_add(value, "label", cli_json_text_or_null(lend->label));
	json_object_object_add(value, "state", cli_json_text(bad ? "unreadable" : pvb_state_name(lend->state)));
	json_object_object_add(value, "attention", json_object_new_boolean(entry_attention(entry)));
	json_object_object_add(value, "error", bad ? cli_json_text(entry->err.text) : NULL);
	json_object_object_add(value, "unfinished", json_object_new_boolean(lend->unfinished));
	json_object_object_add(value, "other_boot", json_object_new_boolean(lend->other_boot));
	json_object_object_add(value, "since", bad ? NULL : json_object_new_int64(lend->since));
	json_object_object_add(value, "generation", bad ? NULL : json_object_new_int64((int64_t)lend->generation));
	json_object_object_add(value, "owner_pid", bad ? NULL : json_object_new_int(lend->owner_pid));
	json_object_object_add(value, "borrower_pid",
			       lend->borrower_pid ? json_object_new_int(lend->borrower_pid) : NULL);
	json_object_object_add(value, "guard_pid", entry->guard_pid ? json_object_new_int(entry->guard_pid) : NULL);
	json_object_object_add(value, "devices", devices_json(entry));
	return value;
}

/* {"attention", "lends": [entry_json()]} */
static void entries_json(const struct entry *entries, size_t n, bool attention)
{
	struct json_object *value = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, entry_json(&entries[i]));
	json_object_object_add(value, "attention", json_object_new_boolean(attention));
	json_object_object_add(value, "lends", list);
	cli_json_print(value);
}

/* ---- both ---- */

static enum front_status entries_show(const struct cli *cli, const struct entry *entries, size_t n)
{
	bool attention = false;

	for (size_t i = 0; i < n; i++)
		attention = attention || entry_attention(&entries[i]);
	if (cli->json)
		entries_json(entries, n, attention);
	else
		entries_text(entries, n);
	return attention ? FRONT_ATTENTION : FRONT_DONE;
}

static enum front_status status_run(struct cli *cli)
{
	struct pvb_err err = { .code = 0 };
	struct entry *entries;
	enum front_status status;
	char **names = NULL;
	size_t n = 0;

	if (pvb_lend_names(cli->front.ctx, &names, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	while (names[n])
		n++;
	entries = calloc(n + 1, sizeof(*entries));
	n = 0;
	if (!entries)
		pvb_err_set(&err, -ENOMEM, "out of memory");
	if (!entries || entries_fill(cli, names, entries, &n, &err) < 0)
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	else
		status = entries_show(cli, entries, n);
	entries_free(entries, n);
	for (char **name = names; *name; name++)
		free(*name);
	free(names);
	return status;
}

static const struct argp_option options[] = { CLI_OPTION_JSON, CLI_OPTIONS_END };

const struct cli_command cli_status = {
	.name = "status",
	.summary = "show what is lent, to whom, and where it is now",
	.text = "Exit status 4 when something needs attention: a lend that failed or was left half done, a device that is stuck.",
	.operand = CLI_NOTHING,
	.options = options,
	.run = status_run,
};
