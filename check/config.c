/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the hook could read what it is told: pvebind.ini, and the VMs' configs. */
#include <stdio.h>
#include <string.h>

#include "asked.h"
#include "refusals.h"

/* "/etc/pve/pvebind.ini:9: no such key": the place into buf (where has room for the text), the rest is returned. */
static const char *place_split(const char *text, char *where, size_t size)
{
	const char *colon = *text == '/' ? strstr(text, ": ") : NULL;

	snprintf(where, size, "%.*s", colon ? (int)(colon - text) : 0, text);
	return colon ? colon + 2 : text;
}

static void text_say(struct check_run *run, enum check_verdict verdict, const char *text)
{
	char where[sizeof(((struct pvb_err *)NULL)->text)];
	const char *rest = place_split(text, where, sizeof(where));

	check_say(run, verdict, where, "%s", rest);
}

/* Whether this run's check has said it already: what is wrong in pvebind.ini is found anew for each VM. */
static bool text_said(const struct check_run *run, const char *text)
{
	for (size_t i = 0; i < run->findings.n; i++) {
		const struct check_finding *finding = &run->findings.list[i];
		char where[sizeof(((struct pvb_err *)NULL)->text)];
		const char *rest = place_split(text, where, sizeof(where));

		if (finding->check == run->check && !strcmp(finding->seen, rest) && !strcmp(finding->where, where))
			return true;
	}
	return false;
}

static void notes_say(struct check_run *run, const struct conf_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		if (notes->list[i].level == PVB_WARNING && !text_said(run, notes->list[i].text))
			text_say(run, CHECK_WARN, notes->list[i].text);
}

/* With a VM asked for, its own request has read the file, as strictly as the hook does. */
static void ini_say(struct check_run *run, bool strict)
{
	struct check_host *host = &run->host;
	struct conf_settings settings;
	struct pvb_err err = { .code = 0 };
	int r = conf_settings_load(host->ctx, host->front->config, host->vmid, host->node, &settings, &err);

	if (r < 0 && strict)
		text_say(run, CHECK_FAIL, err.text);
	if (r == 0 && strict)
		notes_say(run, &settings.notes);
	if (r == 0 && settings.both && !host->front->config) {
		check_warn(run, CONF_INI_LOCAL, "there is " CONF_INI_CLUSTER ", too, so that this file is not read");
		check_advise(run, "Move what it says into the other one, and remove it.");
		check_command(run, "diff " CONF_INI_LOCAL " " CONF_INI_CLUSTER);
	}
	conf_settings_clear(&settings);
}

static void vms_say(struct check_run *run, const struct asked *asked)
{
	for (size_t i = 0; i < asked->n; i++) {
		const struct asked_vm *vm = &asked->vms[i];

		if (vm->end == ASKED_MISCONFIGURED && !text_said(run, vm->err.text)) {
			text_say(run, CHECK_FAIL, vm->err.text);
			refusals_of_vm(run, vm->vmid);
		}
		if (vm->extra)
			notes_say(run, &vm->extra->notes);
	}
}

static void unlisted_say(struct check_run *run, int code)
{
	if (code == -ENOENT && !run->host.is_pve)
		return; /* no VMs here, and nothing wrong with that */
	check_unknown(run, "/etc/pve/qemu-server", "the VMs of this node cannot be listed: %s",
		      code == -ENOENT ? "Proxmox VE's cluster file system is not there" : strerror(-code));
	check_advise(run, "Look whether pve-cluster runs.");
	check_command(run, "systemctl status pve-cluster");
}

static void readable_say(struct check_run *run, const struct asked *asked)
{
	const char *file = run->host.front->config;

	if (!file && pvb_sysfs_exists(run->host.ctx, CONF_INI_CLUSTER))
		file = CONF_INI_CLUSTER;
	else if (!file && pvb_sysfs_exists(run->host.ctx, CONF_INI_LOCAL))
		file = CONF_INI_LOCAL;
	if (asked->n == 1)
		check_ok(run, file ? file : "", "the config of VM %u%s can be read", asked->vms->vmid,
			 file ? " and pvebind.ini" : ", without a pvebind.ini,");
	else if (asked->n)
		check_ok(run, file ? file : "", "the configs of %zu VMs%s can be read", asked->n,
			 file ? " and pvebind.ini" : ", without a pvebind.ini,");
	else if (file)
		check_ok(run, file, "pvebind.ini can be read; there is no VM on this node");
}

void config_say(struct check_run *run, const struct asked *asked)
{
	size_t before = run->findings.n;

	ini_say(run, asked->all);
	vms_say(run, asked);
	if (asked->listed < 0)
		unlisted_say(run, asked->listed);
	if (run->findings.n == before)
		readable_say(run, asked);
}
