/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind report: all that somebody who is to help has to know, as one text, without what is nobody's business. */
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "cli.h"
#include "report.h"
#include "../check/check.h"
#include "../check/package.h"

#define LOG_LINES 60

static void heading(const char *text)
{
	printf("\n== %s ==\n", text);
}

/* ---- the host ---- */

/* "model name	: AMD Ryzen 9 …": the first line that begins so. */
static void line_print(struct pvb_ctx *ctx, const char *label, const char *path, const char *key)
{
	_conf_free_ char *text = NULL;
	const char *value = NULL;
	char *save = NULL;

	if (pvb_read_file(ctx, path, 4 << 20, &text, NULL) == 0)
		for (char *line = strtok_r(text, "\n", &save); line && !value; line = strtok_r(NULL, "\n", &save))
			if (!strncmp(line, key, strlen(key)))
				value = line + strlen(key) + strspn(line + strlen(key), " \t:");
	printf("%-14s%s\n", label, value ? value : "unknown");
}

static void board_print(struct pvb_ctx *ctx)
{
	static const char *const files[] = { "board_vendor", "board_name", "bios_version", "bios_date" };
	char path[64], text[256];

	printf("%-14s", "board, BIOS");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "sys/class/dmi/id/%s", files[i]);
		if (pvb_sysfs_read(ctx, path, text, sizeof(text)) < 0)
			snprintf(text, sizeof(text), "?");
		printf("%s%s", i ? ", " : "", conf_trim(text));
	}
	putchar('\n');
}

static void packages_print(struct pvb_ctx *ctx)
{
	static const char *const names[] = { "pve-manager", "qemu-server", "pve-qemu-kvm", "proxmox-kernel-helper", "pve-edk2-firmware",
					     "pve-edk2-firmware-ovmf" };
	struct packages packages;
	char version[128];

	if (packages_read(ctx, &packages) < 0) {
		printf("%-14sunknown: no " PACKAGE_STATUS "\n", "packages");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (package_version(&packages, names[i], version, sizeof(version)))
			printf("%-14s%s %s\n", "package", names[i], version);
	packages_clear(&packages);
}

static void host_print(struct pvb_ctx *ctx)
{
	printf("%-14s%s\n", "pvebind", PVB_VERSION);
	line_print(ctx, "kernel", "proc/sys/kernel/osrelease", "");
	packages_print(ctx);
	line_print(ctx, "processor", "proc/cpuinfo", "model name");
	line_print(ctx, "memory", "proc/meminfo", "MemTotal");
	board_print(ctx);
	line_print(ctx, "command line", "proc/cmdline", "");
}

/* ---- checks ---- */

static void finding_print(const struct check_finding *finding)
{
	char addr[PVB_ADDR_MAX] = "";

	if (finding->has_addr)
		pvb_addr_format(&finding->addr, addr);
	printf("%-8s%s: ", check_verdict_name(finding->verdict), finding->check->id);
	cli_wrap(0, "%s%s%s%s%s%s", addr, *addr ? ": " : "", finding->seen, *finding->where ? " (" : "", finding->where,
		 *finding->where ? ")" : "");
}

/* What is not ok in full; of the rest the names, each once. */
static void findings_print(const struct check_findings *findings, bool host)
{
	const struct check *last = NULL;

	for (size_t i = 0; i < findings->n; i++)
		if ((findings->list[i].check->layer == CHECK_HOST) == host && findings->list[i].verdict != CHECK_OK)
			finding_print(&findings->list[i]);
	printf("ok:");
	for (size_t i = 0; i < findings->n; i++) {
		const struct check_finding *finding = &findings->list[i];

		if ((finding->check->layer == CHECK_HOST) != host || finding->verdict != CHECK_OK || finding->check == last)
			continue;
		printf(" %s", finding->check->id);
		last = finding->check;
	}
	putchar('\n');
}

/* ---- the kernel's log ---- */

/* The text of a record ("6,1234,56789012,-;text") of the kernel's own, NULL for others. */
static char *record_text(char *line, unsigned long long *time)
{
	unsigned long priority;
	char *text = strchr(line, ';');

	if (*line == ' ' || !text || sscanf(line, "%lu,%*u,%llu", &priority, time) != 2 || priority >= 8)
		return NULL;
	return text + 1;
}

static void log_print(struct pvb_ctx *ctx, const struct check_host *host)
{
	_conf_free_ char *text = NULL;
	struct { unsigned long long time; const char *text; } lines[LOG_LINES];
	unsigned long long time;
	struct pvb_err err;
	size_t size, n = 0;
	char *save = NULL;

	if (pvb_kmsg_read(ctx, &text, &size, &err) < 0) {
		printf("unknown: %s\n", err.text);
		return;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *said = record_text(line, &time);

		if (!said || !check_log_concerns(host, said))
			continue;
		lines[n % LOG_LINES].time = time;
		lines[n++ % LOG_LINES].text = said;
	}
	if (n > LOG_LINES)
		printf("(%zu earlier lines left out)\n", n - LOG_LINES);
	for (size_t i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++)
		printf("[%5llu.%06llu] %s\n", lines[i % LOG_LINES].time / 1000000, lines[i % LOG_LINES].time % 1000000,
		       lines[i % LOG_LINES].text);
	if (!n)
		puts("nothing of these devices");
}

/* ---- VMs ---- */

/* What a VM is made of; of all other keys (names, notes, networks, cloud-init) only that they are there. */
static bool key_shown(const char *key)
{
	static const char *const keys[] = {
		"acpi", "affinity", "agent", "arch", "args", "audio", "balloon", "bios", "boot", "cores", "cpu", "cpulimit", "efidisk",
		"freeze", "hookscript", "hostpci", "hotplug", "hugepages", "ide", "keephugepages", "kvm", "localtime", "lock",
		"machine", "memory", "meta", "numa", "onboot", "ostype", "protection", "rng", "sata", "scsi", "scsihw", "serial",
		"sockets", "startup", "tablet", "template", "tpmstate", "usb", "vcpus", "vga", "virtio", "watchdog",
	};
	size_t n = strlen(key);

	while (n && key[n - 1] >= '0' && key[n - 1] <= '9')
		n--;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i]) == n && !strncmp(keys[i], key, n))
			return true;
	return false;
}

static void config_print(const struct conf_vm *vm)
{
	for (size_t i = 0; i < vm->num_pairs; i++)
		if (key_shown(vm->pairs[i].key))
			printf("%s: %s\n", vm->pairs[i].key, vm->pairs[i].value);
	printf("(left out:");
	for (size_t i = 0; i < vm->num_pairs; i++)
		if (!key_shown(vm->pairs[i].key))
			printf(" %s", vm->pairs[i].key);
	puts(")");
}

/* Whether there is anything of a VM that is about us; one whose configuration has a fault is shown for that. */
static bool vm_concerns(struct front *front, unsigned vmid)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct conf_vm vm = { .vmid = 0 };
	struct pvb_err ignored;
	bool concerns = conf_vm_load(front->ctx, vmid, NULL, &vm, &ignored) < 0;

	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++)
		concerns |= vm.hostpci[i].present;
	if (!concerns)
		concerns = conf_request_build(front->ctx, front->config, vmid, NULL, &request, &extra, &ignored) == 0 && request.num_wanted;
	conf_extra_clear(&extra);
	pvb_request_clear(&request);
	conf_vm_clear(&vm);
	return concerns;
}

static void vm_print(struct front *front, unsigned vmid)
{
	struct check_run run;
	struct pvb_err err;
	char title[32];

	snprintf(title, sizeof(title), "VM %u", vmid);
	heading(title);
	if (check_run_all(&run, front, vmid, false, &err) < 0) {
		printf("unknown: %s\n", err.text);
	} else {
		config_print(&run.host.vm);
		puts("--");
		findings_print(&run.findings, false);
	}
	check_run_clear(&run);
}

static void vms_print(struct front *front)
{
	_conf_free_ unsigned *vmids = NULL;
	size_t n = 0;

	if (conf_vm_list(front->ctx, &vmids, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (vm_concerns(front, vmids[i]))
			vm_print(front, vmids[i]);
}

/* ---- all of it ---- */

/* Another command's text. Its errors are a part of it. */
static void command_print(const struct cli *cli, const struct cli_command *command, bool usb)
{
	struct cli other = { .front = cli->front, .command = command, .group = -1, .usb = usb };

	heading(usb ? "list --usb" : command->name);
	command->run(&other);
}

static void report_print(struct cli *cli)
{
	struct check_run run;
	struct pvb_err err;
	int r;

	puts("Made by pvebind report. Names, serial numbers and addresses are masked, the same by the same: look through it all the same.");
	heading("host");
	host_print(cli->front.ctx);
	command_print(cli, &cli_list, false);
	command_print(cli, &cli_list, true);
	heading("check");
	r = check_run_all(&run, &cli->front, 0, false, &err);
	if (r < 0)
		printf("unknown: %s\n", err.text);
	else
		findings_print(&run.findings, true);
	vms_print(&cli->front);
	command_print(cli, &cli_config, false);
	command_print(cli, &cli_status, false);
	heading("kernel log of the devices");
	if (r == 0)
		log_print(cli->front.ctx, &run.host);
	check_run_clear(&run);
}

/* What is printed goes into a file without a name instead of to stdout: nothing gets by the masks. */
static int capture(struct cli *cli, int file, struct pvb_err *err)
{
	FILE *errors = cli->front.errors, *out = cli->front.out;
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (saved < 0 || fflush(stdout) != 0 || dup2(file, STDOUT_FILENO) < 0)
		return pvb_err_set(err, -errno, "cannot write the report: %s", strerror(errno));
	cli->front.out = cli->front.errors = stdout;
	report_print(cli);
	fflush(stdout);
	cli->front.out = out;
	cli->front.errors = errors;
	dup2(saved, STDOUT_FILENO);
	close(saved);
	return 0;
}

static char *file_text(int file, struct pvb_err *err)
{
	off_t size = lseek(file, 0, SEEK_END);
	char *text = size < 0 ? NULL : malloc((size_t)size + 1);

	if (!text || pread(file, text, (size_t)size, 0) != size) {
		pvb_err_set(err, -EIO, "cannot read the report again: %s", strerror(errno));
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

/* No line ends with a blank, whatever it was made of. */
static void blanks_trim(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		while (*from == '\n' && to > text && (to[-1] == ' ' || to[-1] == '\t'))
			to--;
		*to++ = *from;
	}
	*to = '\0';
}

static enum front_status report_run(struct cli *cli)
{
	_conf_close_ int file = memfd_create("report", MFD_CLOEXEC);
	_conf_free_ char *text = NULL, *masked = NULL;
	struct mask mask = { .n = 0 };
	struct pvb_err err;

	if (file < 0)
		pvb_err_set(&err, -errno, "cannot make the report: %s", strerror(errno));
	else if (capture(cli, file, &err) == 0)
		text = file_text(file, &err);
	if (!text)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	report_learn(&mask, cli->front.ctx);
	masked = mask_text(&mask, text);
	blanks_trim(masked);
	fputs(masked, stdout);
	mask_clear(&mask);
	return FRONT_DONE;
}

const struct cli_command cli_report = {
	.name = "report",
	.summary = "print all of it, masked, for a forum or a bug report",
	.text = "For a forum or a bug report. Host names, serial numbers, MAC and IP addresses, UUIDs and the like are masked, the same by the "
		"same; what VMs are called, their notes, networks and passwords are left out.",
	.operand = CLI_NOTHING,
	.run = report_run,
};
