/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapters 11 and 12: inside the VM. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "guest.h"
#include "vm.h"

#define ALL_SECONDS 30
#define ASK_DEVICES 8 /* at once, so that qm's answer is not cut off */
#define SCRIPT "/usr/share/pvebind/pvebind-guest-check"

void guest_clear(struct check_run *run)
{
	if (run->guest)
		free(run->guest->devices);
	free(run->guest);
	run->guest = NULL;
}

/* ---- whether it can be asked ---- */

static struct guest *guest_new(struct check_run *run)
{
	struct timespec now;

	run->guest = calloc(1, sizeof(*run->guest));
	if (!run->guest) {
		fputs("pvebind: error: out of memory\n", stderr);
		exit(FRONT_REFUSED);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	run->guest->deadline_ms = (int64_t)(now.tv_sec + ALL_SECONDS) * 1000 + now.tv_nsec / 1000000;
	return run->guest;
}

/* Proxmox VE's ostype: wxp, w2k, …, wvista, win7, …, win11; l24, l26, solaris, other. */
static bool is_windows(const struct check_run *run)
{
	const char *value = conf_vm_value(&run->host.vm, "ostype", NULL);

	return value && *value == 'w';
}

/* "1", "enabled=1,fstrim_cloned_disks=1" (PVE/QemuServer/Agent.pm: parse_guest_agent). */
static bool agent_enabled(const char *value)
{
	return value && (vm_option_flag(value, NULL, false) || vm_option_flag(value, "enabled", false));
}

/* Says why nothing can be asked; false: it can, but for the agent. */
static bool agent_impossible(struct check_run *run, struct guest *guest)
{
	char place[VM_PLACE_MAX];
	const char *value = vm_value(run, "agent", place);

	guest->windows = is_windows(run);
	if (guest->windows) {
		conf_copy(guest->why, sizeof(guest->why), "this is a Windows guest, whose devices pvebind cannot look at");
		check_unknown(run, run->host.vm.file, "%s", guest->why);
	} else if (conf_vmstate_pid(run->host.ctx, run->host.vmid) == 0) {
		conf_copy(guest->why, sizeof(guest->why), "the VM does not run");
		check_unknown(run, "", "%s: nothing can be seen inside it", guest->why);
		check_advise(run, "Start it, and check again when it is up.");
		check_command(run, "qm start %u", run->host.vmid);
		check_command(run, "pvebind check %u --guest", run->host.vmid);
	} else if (!agent_enabled(value)) {
		conf_copy(guest->why, sizeof(guest->why), "the guest agent is not enabled");
		check_unknown(run, place, "%s in the VM's configuration: nothing can be seen inside it", guest->why);
		check_advise(run, "Install qemu-guest-agent in the guest, enable it here, then shut the VM down and start it; or copy %s into the guest and run it there.",
			     SCRIPT);
		check_command(run, "qm set %u --agent enabled=1", run->host.vmid);
	} else {
		return false;
	}
	return true;
}

static void agent_failed(struct check_run *run, const struct pvb_err *err)
{
	snprintf(run->guest->why, sizeof(run->guest->why), "%.399s", err->text);
	if (err->code == -EIO && strstr(err->text, "is not running")) {
		check_warn(run, "", "the guest agent is enabled, but does not run in the guest: backups and shutdowns wait for it in vain (%s)",
			   err->text);
		check_advise(run, "In the guest: install and start qemu-guest-agent. If it was enabled while the VM ran: shut the VM down and start it.");
		check_command(run, "apt-get install qemu-guest-agent && systemctl start qemu-guest-agent");
		return;
	}
	check_unknown(run, "", "nothing can be seen inside the VM: %s", err->text);
	check_advise(run, "See that the guest's qemu-guest-agent runs and may run programs (guest-exec, which some distributions forbid); or copy %s into the guest and run it there.",
		     SCRIPT);
	check_command(run, "qm guest exec %u -- true", run->host.vmid);
}

static void agent_check(struct check_run *run)
{
	struct guest *guest = guest_new(run);
	_conf_free_ char *answer = NULL;
	struct pvb_err err;

	if (!run->host.has_vm) {
		snprintf(guest->why, sizeof(guest->why), "%.399s", run->host.vm_err.text);
		check_unknown(run, "", "%s", guest->why);
	} else if (run->host.vm.is_template) {
		conf_copy(guest->why, sizeof(guest->why), "a template never runs");
	} else if (!agent_impossible(run, guest)) {
		if (guest_ask(run, "echo here", &answer, &err) < 0)
			agent_failed(run, &err);
		else
			check_ok(run, "", "the guest agent answers, and runs programs");
	}
}

/* ---- what is said of it ---- */

/* What to do by hand, where a check could not look. */
static void unknown_say(struct check_run *run, const char *why)
{
	static const struct { const char *id, *windows; } words[] = {
		{ "guest-device", "In the guest: Device Manager shows the device, without a yellow mark." },
		{ "guest-driver", "In the guest: the device's properties in Device Manager have its vendor's driver, not Microsoft's basic one." },
		{ "guest-nvidia", "In the guest: nvidia-smi, in a command prompt, shows the card." },
		{ "guest-opengl", "In the guest: dxdiag, page Display, names the card." },
	};
	char command[200];

	if (run->guest->windows) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (!strcmp(run->check->id, words[i].id)) {
				check_unknown(run, "", "not looked at: %s", why);
				check_advise(run, "%s", words[i].windows);
			}
		return;
	}
	check_unknown(run, "", "not looked at: %s", why);
	check_advise(run, "In the guest, run:");
	check_command(run, "%s", guest_word("run", run->check->id, command, sizeof(command)));
}

/* The guest's words are not trusted: on a terminal they are letters and nothing else. */
static void text_clean(char *text)
{
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static bool verdict_take(const char *name, enum check_verdict *verdict)
{
	for (unsigned i = 0; i < CHECK_VERDICTS; i++)
		if (!strcmp(name, check_verdict_name(i))) {
			*verdict = i;
			return true;
		}
	return false;
}

/* What the script's table has for it; its commands are for the guest. */
static void todo_say(struct check_run *run, const char *name)
{
	char todo[400], command[200];

	guest_word("todo", name, todo, sizeof(todo));
	guest_word("run", name, command, sizeof(command));
	if (!*todo)
		return;
	check_advise(run, "%s%s", todo, todo[strlen(todo) - 1] == '.' ? " In the guest:" : "");
	check_command(run, "%s", command);
}

/* "VERDICT\tCHECK\tDEVICE\tTODO\tSEEN" of this check; whether it was one. */
static bool line_say(struct check_run *run, char *line)
{
	enum check_verdict verdict = CHECK_UNKNOWN;
	char *save = NULL, *fields[5], where[32];
	struct pvb_addr addr;

	for (int i = 0; i < 5; i++) {
		fields[i] = strtok_r(i ? NULL : line, i < 4 ? "\t" : "", &save);
		if (!fields[i])
			return false;
	}
	if (!verdict_take(fields[0], &verdict) || strcmp(fields[1], run->check->id) != 0)
		return false;
	text_clean(fields[4]);
	if (pvb_addr_parse(fields[2], &addr, NULL) == 0 && check_is_device(&run->host, &addr))
		check_about(run, &addr);
	snprintf(where, sizeof(where), "in VM %u", run->host.vmid);
	check_say(run, verdict, where, "%.300s", fields[4]);
	check_about(run, NULL);
	todo_say(run, fields[3]);
	return true;
}

static void answer_say(struct check_run *run, const char *answer)
{
	_conf_free_ char *copy = strdup(answer);
	char *save = NULL;
	bool any = false;

	for (char *line = strtok_r(copy ? copy : (char[]){ "" }, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		any |= line_say(run, line);
	if (!any)
		unknown_say(run, "the guest gave no answer that can be read");
}

/* ---- devices ---- */

/* The id that the guest sees: hostpciN can change the one of its first function. */
static void guest_id(const struct check_run *run, const struct pvb_function *fn, char buf[CONF_ID_MAX])
{
	unsigned vendor = fn->vendor, device = fn->device;
	const struct pvb_function *list[VM_FUNCTIONS_MAX];
	char text[16];

	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = vm_hostpci(run, i);

		if (!hostpci || !vm_functions(run, hostpci, list) || list[0] != fn)
			continue;
		if (vm_option(hostpci->text, "vendor-id", text, sizeof(text)))
			vendor = (unsigned)strtoul(text, NULL, 16) & 0xffff;
		if (vm_option(hostpci->text, "device-id", text, sizeof(text)))
			device = (unsigned)strtoul(text, NULL, 16) & 0xffff;
	}
	snprintf(buf, CONF_ID_MAX, "%04x:%04x", vendor, device);
}

/* Some devices' worth of the question; the answer goes behind what is there. */
static int devices_part_ask(struct check_run *run, size_t from, struct pvb_err *err)
{
	struct guest *guest = run->guest;
	char words[1024] = "guest-device guest-driver", addr[PVB_ADDR_MAX], id[CONF_ID_MAX];
	_conf_free_ char *answer = NULL;
	char *all = NULL;
	int r;

	for (size_t i = from; i < run->host.num_devices && i < from + ASK_DEVICES; i++) {
		size_t used = strlen(words);

		guest_id(run, run->host.devices[i], id);
		snprintf(words + used, sizeof(words) - used, " %s=%s", id, pvb_addr_format(&run->host.devices[i]->addr, addr));
	}
	r = guest_ask_script(run, words, &answer, err);
	if (r == 0 && asprintf(&all, "%s%s", guest->devices ? guest->devices : "", answer) < 0)
		r = pvb_err_set(err, -EAGAIN, "out of memory");
	if (r == 0) {
		free(guest->devices);
		guest->devices = all;
	}
	return r;
}

static void devices_ask(struct check_run *run)
{
	struct guest *guest = run->guest;
	struct pvb_err err;
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->host.num_devices; i += ASK_DEVICES)
		r = devices_part_ask(run, i, &err);
	if (r == 0)
		return;
	snprintf(guest->devices_why, sizeof(guest->devices_why), "%.399s", err.text);
	free(guest->devices);
	guest->devices = NULL;
}

/* Of which the guest's answer has no line. */
static void silent_say(struct check_run *run, size_t from)
{
	for (size_t i = 0; i < run->host.num_devices; i++) {
		const struct pvb_addr *addr = &run->host.devices[i]->addr;
		bool said = false;

		for (size_t k = from; k < run->findings.n && !said; k++)
			said = !run->findings.list[k].has_addr || pvb_addr_compare(&run->findings.list[k].addr, addr) == 0;
		if (said)
			continue;
		check_about(run, addr);
		unknown_say(run, "the guest's answer has nothing of it");
		check_about(run, NULL);
	}
}

/* guest-device and guest-driver: one question, two checks. */
static void device_check(struct check_run *run)
{
	struct guest *guest = run->guest;
	size_t before = run->findings.n;

	if (!run->host.has_vm || run->host.vm.is_template)
		return;
	if (!run->host.num_devices) {
		if (*run->host.unseen)
			check_unknown(run, "", "which devices the guest should see is not known: %s", run->host.unseen);
		return;
	}
	if (!*guest->why && !guest->devices && !*guest->devices_why)
		devices_ask(run);
	if (!guest->devices)
		unknown_say(run, *guest->why ? guest->why : guest->devices_why);
	else
		answer_say(run, guest->devices);
	silent_say(run, before);
}

/* ---- tools ---- */

static bool has_card(const struct check_run *run, unsigned vendor)
{
	for (size_t i = 0; i < run->host.num_devices; i++)
		if (vm_is_display(run->host.devices[i]) && run->host.devices[i]->vendor == vendor)
			return true;
	return false;
}

static bool tool_applies(const struct check_run *run)
{
	if (!run->host.has_vm || run->host.vm.is_template)
		return false;
	if (!strcmp(run->check->id, "guest-nvidia"))
		return has_card(run, 0x10de);
	if (!strcmp(run->check->id, "guest-rocm"))
		return has_card(run, 0x1002);
	return has_card(run, 0x10de) || has_card(run, 0x1002);
}

/* The script knows the check by its id. */
static void tool_check(struct check_run *run)
{
	_conf_free_ char *answer = NULL;
	struct pvb_err err;

	if (!tool_applies(run))
		return;
	if (*run->guest->why)
		unknown_say(run, run->guest->why);
	else if (guest_ask_script(run, run->check->id, &answer, &err) < 0)
		unknown_say(run, err.text);
	else
		answer_say(run, answer);
}

const struct check check_guest[] = {
	{ "guest-agent", "The guest can be asked", CHECK_GUEST, "11", agent_check },
	{ "guest-device", "The guest sees the devices", CHECK_GUEST, "11", device_check },
	{ "guest-driver", "The guest's own drivers have them", CHECK_GUEST, "11", device_check },
	{ "guest-nvidia", "nvidia-smi reaches the card in the guest", CHECK_GUEST, "11", tool_check },
	{ "guest-opengl", "The passed card draws", CHECK_GUEST, "11", tool_check },
	{ "guest-rocm", "rocm-smi reaches the card in the guest", CHECK_GUEST, "12", tool_check },
	{ "guest-torch", "PyTorch can compute on the card in the guest", CHECK_GUEST, "12", tool_check },
	{ .id = NULL },
};
