/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup VMID: what is left to set in a VM's configuration, as commands to copy. Nothing is set: a guest that is
 * installed may not boot any more after some of it. What to set is what `pvebind check` finds. */
#include <string.h>

#include "cli.h"
#include "../check/check.h"

/* What a setting does to a guest that is installed already. */
struct effect {
	const char *check;
	bool safe;         /* it boots as before */
	const char *text;
};

static const struct effect effects[] = {
	{ "vm-config", true, "the guest finds a new device" },
	{ "vm-machine", false,
	  "an installed guest finds another mainboard: network interfaces get new names, Windows may not boot or wants to be activated again; then run this again, as hostpci lines want pcie=1 on q35" },
	{ "vm-machine-version", true, "Windows may want to be activated again" },
	{ "vm-pcie", true, "the guest finds the device in another place, and installs its driver anew" },
	{ "vm-legacy-igd", true, NULL },
	{ "vm-bios", false, "a guest that was installed under SeaBIOS does not boot under OVMF" },
	{ "vm-efidisk", true, "the firmware begins without boot entries of its own, and boots from the disk as a new one would" },
	{ "vm-cpu", true, "Windows may want to be activated again; the VM moves only to nodes with such a CPU" },
	{ "vm-memory", true, NULL },
	{ "vm-hugepages", true, NULL },
	{ "vm-hostpci", true, NULL },
	{ "slot-functions", true, "the guest finds the rest of the card" },
	{ "vm-driver-keep", true, "it changes nothing for the guest" },
	{ "vm-x-vga", false,
	  "without a virtual display the web interface shows nothing: only when the guest shows itself on the card, or can be reached by its network" },
	{ "vm-display", true, NULL },
	{ "vm-rombar", true, NULL },
};

static const struct effect *effect_find(const struct check *check)
{
	for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++)
		if (!strcmp(effects[i].check, check->id))
			return &effects[i];
	return NULL;
}

/* A command, and why: one setting may be wanted by several checks. */
struct setting {
	const struct effect *effect;
	const char *command; /* a finding's, and so is the rest */
	const struct check_finding *why[8];
	size_t num_why;
};

struct settings {
	struct setting *list; /* malloced */
	size_t n;
};

/* How long "qm set 100 --bios" of a command is: what it sets. 0: it sets nothing of the VM's. */
static size_t target_size(const char *command)
{
	const char *option = strncmp(command, "qm set ", 7) ? NULL : strstr(command, " --");

	return option ? (size_t)(option - command) + 3 + strcspn(option + 3, " ") : 0;
}

/* Later commands have in them what earlier ones set of the same line: the last one counts. */
static struct setting *setting_for(struct settings *settings, const char *command, const struct effect *effect)
{
	size_t size = target_size(command);
	struct setting *setting;

	for (setting = settings->list; setting < settings->list + settings->n; setting++)
		if (target_size(setting->command) == size && !strncmp(setting->command, command, size) &&
		    setting->effect->safe == effect->safe)
			return setting;
	setting = &settings->list[settings->n++];
	setting->effect = effect;
	return setting;
}

static void finding_add(struct settings *settings, const struct check_finding *finding)
{
	const struct effect *effect = effect_find(finding->check);

	for (size_t i = 0; effect && i < finding->num_commands; i++) {
		struct setting *setting;

		if (finding->verdict == CHECK_OK || !target_size(finding->commands[i]))
			continue;
		setting = setting_for(settings, finding->commands[i], effect);
		setting->command = finding->commands[i];
		if (setting->num_why < sizeof(setting->why) / sizeof(setting->why[0]))
			setting->why[setting->num_why++] = finding;
	}
}

static int settings_make(const struct check_findings *findings, struct settings *settings)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++)
		n += findings->list[i].num_commands;
	settings->list = calloc(n ? n : 1, sizeof(*settings->list));
	if (!settings->list)
		return -ENOMEM;
	for (size_t i = 0; i < findings->n; i++)
		finding_add(settings, &findings->list[i]);
	return 0;
}

/* ---- for people ---- */

static void setting_text(const struct setting *setting)
{
	printf("  %s%s%s\n", cli_ink(CLI_BOLD), setting->command, cli_ink(CLI_PLAIN));
	for (size_t i = 0; i < setting->num_why; i++) {
		const struct check_finding *why = setting->why[i];

		printf("      ");
		cli_wrap(6, "why: %s%s%s%s", why->seen, *why->where ? " (" : "", why->where, *why->where ? ")" : "");
	}
	if (!setting->effect->text)
		return;
	printf("      ");
	cli_wrap(6, "then: %s", setting->effect->text);
}

static void group_text(const struct settings *settings, bool safe)
{
	bool first = true;

	for (size_t i = 0; i < settings->n; i++) {
		if (settings->list[i].effect->safe != safe)
			continue;
		if (first)
			printf("\n%s%s%s\n", cli_ink(CLI_BOLD),
			       safe ? "Safe for a guest that is installed" :
				      "Before the guest is installed; after that only with a backup at hand",
			       cli_ink(CLI_PLAIN));
		first = false;
		setting_text(&settings->list[i]);
	}
}

static void settings_text(const struct cli *cli, const struct check_run *run, const struct settings *settings)
{
	const char *name = run->host.vm.name;

	printf("VM %u%s%s%s: ", cli->vmid, *name ? " (" : "", name, *name ? ")" : "");
	if (!settings->n) {
		printf("nothing is left to set; `pvebind check %u` has the rest\n", cli->vmid);
		return;
	}
	puts("nothing was changed. Copy the lines that you want, in this order; they count from its next start.");
	group_text(settings, true);
	group_text(settings, false);
}

/* ---- for programs ---- */

static struct json_object *setting_json(const struct setting *setting)
{
	struct json_object *value = json_object_new_object(), *reasons = json_object_new_array();

	for (size_t i = 0; i < setting->num_why; i++) {
		struct json_object *reason = json_object_new_object();

		json_object_object_add(reason, "check", cli_json_text(setting->why[i]->check->id));
		json_object_object_add(reason, "seen", cli_json_text(setting->why[i]->seen));
		json_object_array_add(reasons, reason);
	}
	json_object_object_add(value, "command", cli_json_text(setting->command));
	json_object_object_add(value, "safe_for_installed_guest", json_object_new_boolean(setting->effect->safe));
	json_object_object_add(value, "then", setting->effect->text ? cli_json_text(setting->effect->text) : NULL);
	json_object_object_add(value, "reasons", reasons);
	return value;
}

/* {"vm", "settings": [{"command", "safe_for_installed_guest", "then", "reasons": [{"check", "seen"}]}]} */
static void settings_json(const struct cli *cli, const struct settings *settings)
{
	struct json_object *value = json_object_new_object(), *list = json_object_new_array();

	for (unsigned safe = 2; safe-- > 0;)
		for (size_t i = 0; i < settings->n; i++)
			if (settings->list[i].effect->safe == (safe != 0))
				json_object_array_add(list, setting_json(&settings->list[i]));
	json_object_object_add(value, "vm", json_object_new_int64(cli->vmid));
	json_object_object_add(value, "settings", list);
	cli_json_print(value);
}

enum front_status cli_setup_vm(struct cli *cli)
{
	enum front_status status = FRONT_DONE;
	struct settings settings = { .n = 0 };
	struct check_run run;
	struct pvb_err err;
	int r = check_run_all(&run, &cli->front, cli->vmid, false, &err);

	if (r == 0 && !run.host.has_vm) {
		err = run.host.vm_err;
		r = err.code ? err.code : -ENOENT;
	}
	if (r == 0 && settings_make(&run.findings, &settings) < 0)
		r = pvb_err_set(&err, -ENOMEM, "out of memory");
	if (r < 0)
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	else if (cli->json)
		settings_json(cli, &settings);
	else
		settings_text(cli, &run, &settings);
	free(settings.list);
	check_run_clear(&run);
	return status;
}
