/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command as a user has it: the real binary ($PVEBIND, else build/pvebind), its text, JSON and exit statuses. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "faketree.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define VM_GPU "name: web\nhostpci0: 0000:01:00,pcie=1\n"
#define INI "etc/pve/pvebind.ini"

/* What a run of the command gave. */
static struct {
	int status;
	char out[65536], err[16384];
} ran;

/* ---- running ------------------------------------------------------------------- */

static const char *binary(void)
{
	const char *path = getenv("PVEBIND");

	return path ? path : "build/pvebind";
}

/* Arguments are parted by blanks; "''" is an empty one. */
static void __attribute__((noreturn)) child(struct ft_tree *t, char *args, int out, int err)
{
	char *argv[16] = { (char *)(uintptr_t)"pvebind" }, *save = NULL;
	int n = 1;

	if (t) {
		argv[n++] = (char *)(uintptr_t)"--root";
		argv[n++] = t->path;
	}
	for (char *arg = strtok_r(args, " ", &save); arg && n < 15; arg = strtok_r(NULL, " ", &save))
		argv[n++] = strcmp(arg, "''") ? arg : (char *)(uintptr_t)"";
	dup2(out, 1);
	dup2(err, 2);
	execv(binary(), argv);
	_exit(127);
}

static pid_t start(struct ft_tree *t, const char *args, int out, int err)
{
	char copy[512];
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	pid = fork();
	if (pid == 0)
		child(t, copy, out, err);
	return pid;
}

static void slurp(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0 && (size_t)n < size - 1);
	buf[n] = '\0';
	close(fd);
}

static void lines_check(const char *text)
{
	if (strstr(text, " \n") || strstr(text, "\t\n"))
		fail_msg("a line ends with a blank: %s", text);
}

/* Run it to its end; its exit status. Without a tree: without --root. */
static int run_bare(struct ft_tree *t, const char *args)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	pid_t pid = start(t, args, out, err);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	lines_check(ran.out);
	lines_check(ran.err);
	ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (ran.status == 127)
		fail_msg("cannot run %s (PVEBIND says which)", binary());
	return ran.status;
}

/* All there is below the tree: path, kind, size, time of last change. */
static char *seen;
static size_t seen_size;
static FILE *seen_out;

static int entry_see(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)ftw;
	fprintf(seen_out, "%s %d %o %lld %lld.%09ld\n", path, kind, st->st_mode, (long long)st->st_size,
		(long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	return 0;
}

static char *tree_see(struct ft_tree *t)
{
	seen_out = open_memstream(&seen, &seen_size);
	assert_non_null(seen_out);
	assert_int_equal(nftw(t->path, entry_see, 32, FTW_PHYS), 0);
	fclose(seen_out);
	return seen;
}

/* Run a command that only looks: not one file comes, goes or changes. */
static int looks(struct ft_tree *t, const char *args)
{
	char *before = tree_see(t), *after;
	int status = run_bare(t, args);

	after = tree_see(t);
	if (strcmp(before, after))
		fail_msg("'%s' wrote something", args);
	free(before);
	free(after);
	return status;
}

/* Run a command that is to succeed. */
static void done(struct ft_tree *t, const char *args)
{
	if (run_bare(t, args) != 0)
		fail_msg("'%s' ended with %d: %s", args, ran.status, ran.err);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in: %s", part, text);
}

static void one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	if (!end || end[1] || strncmp(text, "pvebind: ", 9))
		fail_msg("not one line of pvebind's: %s", text);
}

/* ---- JSON ---------------------------------------------------------------------------- */

static struct json_object *parsed;

/* stdout as one JSON value; freed with the test. */
static struct json_object *json(void)
{
	enum json_tokener_error error;

	json_object_put(parsed);
	parsed = json_tokener_parse_verbose(ran.out, &error);
	if (!parsed)
		fail_msg("%s: %s", json_tokener_error_desc(error), ran.out);
	return parsed;
}

/* "lends.0.state" */
static struct json_object *at(struct json_object *value, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		if (json_object_is_type(value, json_type_array))
			value = json_object_array_get_idx(value, (size_t)atoi(key));
		else if (!json_object_object_get_ex(value, key, &value))
			fail_msg("no key %s of %s in: %s", key, path, ran.out);
	}
	return value;
}

static const char *text_at(struct json_object *value, const char *path)
{
	value = at(value, path);
	return value ? json_object_get_string(value) : "null";
}

static int count_at(struct json_object *value, const char *path)
{
	return (int)json_object_array_length(at(value, path));
}

/* ---- worlds ---------------------------------------------------------------------------- */

static int setup(void **state)
{
	*state = ft_new();
	return 0;
}

static int teardown(void **state)
{
	json_object_put(parsed);
	parsed = NULL;
	ft_free(*state);
	return 0;
}

static void gpu_world(struct ft_tree *t)
{
	ft_preset_gpu(t);
	ft_vm(t, 100, VM_GPU);
}

static void vm_runs(struct ft_tree *t, unsigned vmid, int pid)
{
	char path[64], text[160];
	int fd;

	snprintf(path, sizeof(path), "run/qemu-server/%u.pid", vmid);
	snprintf(text, sizeof(text), "%d\n", pid);
	ft_write(t, path, text);
	snprintf(text, sizeof(text), "/usr/bin/kvm -id %u -pidfile /run/qemu-server/%u.pid", vmid, vmid);
	for (char *c = text; *c; c++)
		*c = *c == ' ' ? '\n' : *c;
	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	ft_write(t, path, text);
	fd = openat(t->fd, path, O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i <= strlen(text); i++)
		if (text[i] == '\n' || !text[i])
			assert_int_equal(pwrite(fd, "", 1, (off_t)i), 1);
	close(fd);
}

static void expect_home(struct ft_tree *t)
{
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
	assert_string_equal(ft_driver_of(t, AUDIO), "snd_hda_intel");
	assert_string_equal(ft_override(t, GPU), "(null)");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* ---- the command line -------------------------------------------------------------------- */

static void help_lists_the_commands(void **state)
{
	static const char *const names[] = { "status", "plan", "config", "lend", "return", "reset", "recover" };

	(void)state;
	assert_int_equal(run_bare(NULL, "--help"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[32];

		snprintf(line, sizeof(line), "\n  %s ", names[i]);
		has(ran.out, line);
	}
	has(ran.out, "Exit status: 0 done");
	for (const char *at_line = ran.out, *end; (end = strchr(at_line, '\n')); at_line = end + 1)
		assert_true(end - at_line < 80);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char args[32], usage[64];

		snprintf(args, sizeof(args), "%s --help", names[i]);
		snprintf(usage, sizeof(usage), "Usage: pvebind %s ", names[i]);
		assert_int_equal(run_bare(NULL, args), 0);
		has(ran.out, usage);
		assert_string_equal(ran.err, "");
	}
	assert_int_equal(run_bare(NULL, "-h"), 0);
	assert_int_equal(run_bare(NULL, "help"), 0);
	assert_int_equal(run_bare(NULL, "--version"), 0);
	has(ran.out, "pvebind 0.");
}

static void wrong_words_are_one_line(void **state)
{
	static const struct { const char *args, *words; } wrong[] = {
		{ "", "which command? pvebind --help" },
		{ "staus", "did you mean 'status'?" },
		{ "stat", "did you mean 'status'?" },
		{ "retrun 100", "did you mean 'return'?" },
		{ "xyzzy", "there is no command 'xyzzy': pvebind --help" },
		{ "''", "there is no command ''" },
		{ "--foo", "'--foo' is no option of pvebind itself" },
		{ "--json status", "'--json' is no option of pvebind itself" },
		{ "--config", "--config needs a value" },
		{ "plan --foo 100", "'--foo' is no option of pvebind plan: see pvebind plan --help" },
		{ "plan -xyz 100", "'-xyz' is no option of pvebind plan" },
		{ "status --dry-run", "'--dry-run' is no option of pvebind status" },
		{ "reset 01:00.0 --methods", "--methods needs a value" },
		{ "plan", "which VM? Write: pvebind plan VMID" },
		{ "lend", "which VM? Write: pvebind lend VMID" },
		{ "return", "which VM?" },
		{ "plan 100 101", "'101' is one argument too many: write pvebind plan VMID" },
		{ "status 100", "'100' is one argument too many: pvebind status takes none" },
		{ "plan ../../x", "'../../x' is no VM number" },
		{ "lend 0", "'0' is no VM number" },
		{ "return 99", "'99' is no VM number" },
		{ "recover 0100", "'0100' is no VM number" },
		{ "config 1e3", "'1e3' is no VM number" },
		{ "lend ''", "'' is no VM number" },
		{ "lend 111111111111111111111111111111", "is no VM number" },
		{ "plan -1", "'-1' is no option" },
		{ "reset", "which device? Write: pvebind reset ADDRESS" },
		{ "reset nonsense", "'nonsense' is no PCI address" },
		{ "reset 01:00.9", "'01:00.9' is no PCI address" },
		{ "reset 10de:24b0", "'10de:24b0' is no PCI address" },
		{ "reset 01:00.0 --methods foo", "--methods 'foo' is no way to reset: write auto, or a list" },
		{ "reset 01:00.0 --methods=flr,flr", "is no way to reset" },
		{ "reset 01:00.0 --methods=auto,flr", "is no way to reset" },
		{ "reset 01:00.0 --methods=", "is no way to reset" },
		{ "lend 100 --json", "goes with --dry-run" },
		{ "recover --json", "goes with --dry-run" },
	};

	gpu_world(*state);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int status = looks(*state, wrong[i].args);

		if (status != 2)
			fail_msg("'%s' ended with %d", wrong[i].args, status);
		assert_string_equal(ran.out, "");
		one_line(ran.err);
		has(ran.err, wrong[i].words);
	}
	assert_int_equal(run_bare(NULL, "--root /nowhere status"), 2);
	one_line(ran.err);
	has(ran.err, "cannot open the root directory /nowhere");
}

static void options_may_stand_behind_the_command(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, "etc/other.ini", "[defaults]\nreset = none\n");
	assert_int_equal(looks(t, "config --config /etc/other.ini"), 0);
	has(ran.out, "reset = none\n");
	assert_int_equal(looks(t, "--config /etc/other.ini config"), 0);
	has(ran.out, "reset = none\n");
	assert_int_equal(looks(t, "config -- 100"), 0);
	has(ran.out, "[vm 100]");
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), fds[2], status;
	pid_t pid = start(*state, "config", full, err);

	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 1);
	slurp(err, ran.err, sizeof(ran.err));
	has(ran.err, "cannot write the output: No space left on device");
	close(full);
	/* A reader that has seen enough is no failure. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	pid = start(*state, "config", fds[1], 2);
	close(fds[1]);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- config ---------------------------------------------------------------------------------- */

static void config_errors_name_file_and_line(void **state)
{
	static const char *const commands[] = { "config", "config 100", "plan 100", "lend 100", "lend 100 --dry-run" };
	struct ft_tree *t = *state;

	gpu_world(t);
	ft_write(t, INI, "[vm 100]\nrset = auto\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		assert_int_equal(looks(t, commands[i]), 3);
		assert_string_equal(ran.out, "");
		one_line(ran.err);
		has(ran.err, "/etc/pve/pvebind.ini:2: unknown key 'rset'");
	}
	assert_int_equal(looks(t, "config --json"), 3);
	assert_string_equal(ran.out, "");
	assert_int_equal(looks(t, "plan 101"), 3);
	has(ran.err, "VM 101 has no configuration on this node");
	assert_int_equal(looks(t, "config --config /etc/none.ini"), 3);
	has(ran.err, "cannot open /etc/none.ini");
	assert_int_equal(looks(t, "config --config mine.ini"), 3);
	has(ran.err, "give an absolute path");
	/* Another VM's fault only warns. */
	assert_int_equal(looks(t, "config 101"), 0);
	has(ran.err, "warning: /etc/pve/pvebind.ini:2:");
	assert_int_equal(looks(t, "config 101 --json"), 0);
	assert_int_equal(count_at(json(), "warnings"), 1);
	ft_remove(t, INI);
	ft_mkdir(t, INI);
	assert_int_equal(looks(t, "config"), 3);
	has(ran.err, "is a directory");
}

static void config_without_a_file_is_built_in(void **state)
{
	assert_int_equal(looks(*state, "config"), 0);
	has(ran.out, "; built in: there is neither /etc/pve/pvebind.ini nor");
	has(ran.out, "[defaults]\ndevices = hostpci\nreset = auto\nhost-driver = auto\n");
	assert_int_equal(looks(*state, "config --json"), 0);
	assert_string_equal(text_at(json(), "file"), "null");
	assert_string_equal(text_at(parsed, "defaults.device_timeout_ms"), "30000");
}

static void config_warns_of_two_files(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, "etc/pvebind/pvebind.ini", "[defaults]\nreset = none\n");
	assert_int_equal(looks(t, "config"), 0);
	has(ran.out, "; /etc/pvebind/pvebind.ini, as it counts on node pve1");
	assert_string_equal(ran.err, "");
	ft_write(t, INI, "[defaults]\nreset = flr bus\n");
	assert_int_equal(looks(t, "config"), 0);
	has(ran.out, "; /etc/pve/pvebind.ini, ");
	has(ran.out, "reset = flr bus\n");
	has(ran.err, "warning: both /etc/pve/pvebind.ini and /etc/pvebind/pvebind.ini exist");
}

static const char ini_rich[] =
	"[defaults]\nhost-driver = none\ndevice-timeout = 1500ms\nhook-timeout = 120s\n"
	"[device gpu]\nmatch = 01:00\nexpect = 1234:1111:1af4:1100\n"
	"[device other@pve2]\nmatch = 09:00\n"
	"[device nic]\nmatch = 8086:10d3\n[device mapped]\nmatch = mapping:pool\n"
	"[vm 100]\ndevices = gpu nic mapped 0000:0a:00.0 0000:0a:00.1 0000:0a:00.2 0000:0a:00.3 0000:0a:00.4\n"
	"devices = 0000:0a:00.5 0000:0a:00.6 0000:0a:00.7\nreset = flr bus\non-stop = keep\n"
	"allow = host-network:0000:03:00.0 host-disk:04:00\n"
	"[vm 100@pve1]\nconsole = keep\n[vm 101@pve2]\nreset = none\n"
	"[vm 102]\non-reboot = return\nbusy = stop\nstop-units = a.service b@1.service\nstop-containers = 105 106\n"
	"unload = nvidia_uvm nvidia\nguard = no\nnext-hookscript = local:snippets/mine\n";

static void config_is_an_ini_that_comes_to_the_same(void **state)
{
	static char first[sizeof(ran.out)];
	struct ft_tree *t = *state;

	ft_write(t, INI, ini_rich);
	assert_int_equal(looks(t, "config"), 0);
	has(ran.out, "[device gpu]\nmatch = 0000:01:00\nexpect = 1234:1111:1af4:1100\n");
	has(ran.out, "[device nic]\nmatch = 8086:10d3\n");
	has(ran.out, "[device mapped]\nmatch = mapping:pool\n");
	has(ran.out, "[vm 100]\ndevices = gpu nic mapped ");
	has(ran.out, "\ndevices = 0000:0a:00.");
	has(ran.out, "device-timeout = 1500ms\nhook-timeout = 2m\n");
	has(ran.out, "allow = host-network:0000:03:00.0 host-disk:0000:04:00\n");
	has(ran.out, "on-stop = keep\non-reboot = keep\nbusy = refuse\nunload = auto\nconsole = keep\n");
	has(ran.out, "\nguard = yes\nallow = ");
	has(ran.out, "on-reboot = return\nbusy = stop\nstop-units = a.service b@1.service\nstop-containers = 105 106\n"
		     "unload = nvidia_uvm nvidia\nconsole = auto\n");
	has(ran.out, "guard = no\nnext-hookscript = local:snippets/mine\n");
	has(ran.out, "[vm 102]\n");
	has_not(ran.out, "[vm 101]");
	has_not(ran.out, "other");
	strcpy(first, ran.out);
	ft_write(t, INI, first);
	assert_int_equal(looks(t, "config"), 0);
	assert_string_equal(ran.out, first);
	assert_string_equal(ran.err, "");
	assert_int_equal(looks(t, "config 102"), 0);
	has(ran.out, "[vm 102]\ndevices = hostpci\n");
	has_not(ran.out, "[vm 100]");
	has_not(ran.out, "[defaults]");
}

/* Whatever VM it is about, and once. */
static void config_warns_of_what_has_no_effect(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, INI, "[vm 100]\nbusy = stop\n[vm 101]\nstop-units = a.service\n[vm 102@pve2]\nfoo = 1\n");
	assert_int_equal(looks(t, "config"), 0);
	has(ran.err, "warning: /etc/pve/pvebind.ini: VM 100: busy = stop, but neither");
	has(ran.err, "warning: /etc/pve/pvebind.ini: VM 101: stop-units and stop-containers have no effect");
	assert_int_equal(looks(t, "config --json"), 0);
	assert_int_equal(count_at(json(), "warnings"), 3);
	assert_int_equal(looks(t, "config 101"), 0);
	has(ran.err, "VM 101: stop-units");
	has_not(ran.err, "VM 100");
}

static void config_as_json(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, INI, ini_rich);
	assert_int_equal(looks(t, "config --json"), 0);
	assert_string_equal(ran.err, "");
	assert_string_equal(text_at(json(), "file"), "/etc/pve/pvebind.ini");
	assert_string_equal(text_at(parsed, "node"), "pve1");
	assert_string_equal(text_at(parsed, "defaults.host_driver"), "none");
	assert_string_equal(text_at(parsed, "devices.0.expect"), "1234:1111:1af4:1100");
	assert_int_equal(count_at(parsed, "vms"), 2);
	assert_string_equal(text_at(parsed, "vms.0.vmid"), "100");
	assert_string_equal(text_at(parsed, "vms.0.on_stop"), "keep");
	assert_string_equal(text_at(parsed, "vms.0.console"), "keep");
	assert_string_equal(text_at(parsed, "vms.0.hook_timeout_ms"), "120000");
	assert_int_equal(count_at(parsed, "vms.0.devices"), 11);
	assert_string_equal(text_at(parsed, "vms.0.allow.1.name"), "host-disk");
	assert_string_equal(text_at(parsed, "vms.0.allow.1.device"), "0000:04:00");
	assert_string_equal(text_at(parsed, "vms.0.busy"), "refuse");
	assert_int_equal(count_at(parsed, "vms.0.stop_units"), 0);
	assert_string_equal(text_at(parsed, "vms.0.guard"), "true");
	assert_string_equal(text_at(parsed, "vms.0.next_hookscript"), "null");
	assert_string_equal(text_at(parsed, "defaults.unload"), "auto");
	assert_string_equal(text_at(parsed, "vms.1.on_reboot"), "return");
	assert_string_equal(text_at(parsed, "vms.1.busy"), "stop");
	assert_string_equal(text_at(parsed, "vms.1.stop_units.1"), "b@1.service");
	assert_string_equal(text_at(parsed, "vms.1.stop_containers.0"), "105");
	assert_string_equal(text_at(parsed, "vms.1.unload"), "nvidia_uvm nvidia");
	assert_string_equal(text_at(parsed, "vms.1.guard"), "false");
	assert_string_equal(text_at(parsed, "vms.1.next_hookscript"), "local:snippets/mine");
	assert_int_equal(looks(t, "config 102 --json"), 0);
	assert_string_equal(text_at(json(), "defaults"), "null");
	assert_int_equal(count_at(parsed, "vms"), 1);
}

/* ---- plan ------------------------------------------------------------------------------------------ */

static void plan_shows_what_lend_does(void **state)
{
	static char plan[sizeof(ran.out)];
	struct ft_tree *t = *state;

	gpu_world(t);
	assert_int_equal(looks(t, "plan 100"), 0);
	assert_string_equal(ran.err, "");
	has(ran.out, "VM 100 (web) would be lent:\n  ADDRESS       ID         GROUP  NOW            HOME           NAME\n"
		     "  0000:01:00.0  1234:1111  15     bochs-drm      bochs-drm");
	has(ran.out, "take the console off the screen");
	has(ran.out, "2 devices together:\n");
	has(ran.out, "     0000:01:00.0: set the driver override to vfio-pci\n     0000:01:00.0: unbind from bochs-drm\n"
		     "     0000:01:00.0: bind to vfio-pci\n");
	has(ran.out, "0000:01:00.1: unbind from snd_hda_intel\n");
	has(ran.out, "Nothing speaks against it.\n");
	has_not(ran.out, "way home");
	strcpy(plan, ran.out);
	assert_int_equal(looks(t, "lend 100 --dry-run"), 0);
	assert_string_equal(ran.out, plan);
	assert_int_equal(ft_writes(t), 0);
}

static void plan_as_json(void **state)
{
	struct ft_tree *t = *state;
	int n, binds = 0;

	gpu_world(t);
	ft_write(t, INI, "[vm 100]\nreset = auto\n");
	assert_int_equal(looks(t, "plan --json 100"), 0);
	assert_string_equal(ran.err, "");
	assert_string_equal(text_at(json(), "vmid"), "100");
	assert_string_equal(text_at(parsed, "vm_name"), "web");
	assert_string_equal(text_at(parsed, "config"), "/etc/pve/pvebind.ini");
	assert_string_equal(text_at(parsed, "refused"), "false");
	assert_string_equal(text_at(parsed, "nothing_to_lend"), "null");
	assert_string_equal(text_at(parsed, "way_home"), "null");
	assert_int_equal(count_at(parsed, "devices"), 2);
	assert_string_equal(text_at(parsed, "devices.0.address"), GPU);
	assert_string_equal(text_at(parsed, "devices.0.id"), "1234:1111");
	assert_string_equal(text_at(parsed, "devices.0.driver_now"), "bochs-drm");
	assert_string_equal(text_at(parsed, "devices.0.named"), "true");
	n = count_at(parsed, "operations");
	for (int i = 0; i < n; i++) {
		struct json_object *op = json_object_array_get_idx(at(parsed, "operations"), (size_t)i);

		if (strcmp(text_at(op, "kind"), "bind"))
			continue;
		binds++;
		assert_string_equal(text_at(op, "argument"), "vfio-pci");
		assert_string_equal(text_at(op, "together"), "true");
		assert_string_equal(text_at(op, "undo"), "false");
		has(text_at(op, "text"), text_at(op, "device"));
	}
	assert_int_equal(binds, 2);
}

static void plan_lists_all_refusals(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_nic(t, true);
	ft_preset_nvme(t, "/mnt/data");
	ft_vm(t, 100, "hostpci0: 03:00\nhostpci1: 04:00.0\n");
	assert_int_equal(looks(t, "plan 100"), 1);
	has(ran.out, "Refused:\n");
	has(ran.out, "\n  host-network  ");
	has(ran.out, "\n  host-disk     ");
	has(ran.out, "/mnt/data");
	has(ran.out, "VM 100 would not start, and nothing would change.\n");
	ft_write(t, INI, "[vm 100]\nallow = host-network:03:00.0\n");
	assert_int_equal(looks(t, "plan 100 --json"), 1);
	assert_string_equal(text_at(json(), "refused"), "true");
	assert_int_equal(count_at(parsed, "refusals"), 2);
	for (size_t i = 0; i < 2; i++) {
		struct json_object *refusal = json_object_array_get_idx(at(parsed, "refusals"), i);
		bool nic = !strcmp(text_at(refusal, "name"), "host-network");

		assert_string_equal(text_at(refusal, "device"), nic ? "0000:03:00.0" : "0000:04:00.0");
		assert_string_equal(text_at(refusal, "allowed"), nic ? "true" : "false");
	}
	ft_write(t, INI, "[vm 100]\nallow = host-network:03:00.0 host-disk:04:00.0\n");
	assert_int_equal(looks(t, "plan 100"), 0);
	has(ran.out, "Allowed on purpose:\n");
	has(ran.out, "(allowed on purpose) ");
}

static void plan_of_nothing(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	ft_vm(t, 101, "cores: 2\n");
	ft_vm(t, 102, "template: 1\nhostpci0: 01:00\n");
	assert_int_equal(looks(t, "plan 101"), 0);
	has(ran.out, "VM 101: its config names no PCI device, nothing to lend\n");
	assert_int_equal(looks(t, "plan 102 --json"), 0);
	assert_string_equal(text_at(json(), "nothing_to_lend"), "it is a template");
	vm_runs(t, 100, 4242);
	assert_int_equal(looks(t, "plan 100"), 0);
	has(ran.out, "VM 100: it is running, and a running VM is lent nothing");
	assert_int_equal(looks(t, "plan 100 --json"), 0);
	assert_string_equal(text_at(json(), "running_pid"), "4242");
}

static void json_is_utf8_whatever_the_config_holds(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_vm(t, 100, "name: a\xff\xc3(\xe2\x82\xac\x1b[31m\nhostpci0: 01:00\n");
	assert_int_equal(looks(t, "plan 100 --json"), 0);
	assert_string_equal(text_at(json(), "vm_name"), "a?" "?(\xe2\x82\xac\x1b[31m");
	has(ran.out, "\\u001b[31m");
}

/* ---- lend, status, return ----------------------------------------------------------------------------- */

static void lend_status_return(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	assert_int_equal(looks(t, "status"), 0);
	assert_string_equal(ran.out, "nothing is lent\n");
	done(t, "lend 100");
	has(ran.out, "pvebind: VM 100: lent 0000:01:00.0, 0000:01:00.1 (");
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");

	assert_int_equal(looks(t, "status"), 0);
	has(ran.out, "VM 100: lent since 20");
	has(ran.out, "\n  ADDRESS       ID         GROUP  NOW       HOME           NAME\n"
		     "  0000:01:00.0  1234:1111  15     vfio-pci  bochs-drm");
	has(ran.out, "\n  0000:01:00.1  8086:2668  15     vfio-pci  snd_hda_intel");
	assert_int_equal(looks(t, "status --json"), 0);
	assert_string_equal(text_at(json(), "attention"), "false");
	assert_string_equal(text_at(parsed, "lends.0.lend"), "100");
	assert_string_equal(text_at(parsed, "lends.0.state"), "lent");
	assert_string_equal(text_at(parsed, "lends.0.unfinished"), "false");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.driver_now"), "vfio-pci");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.driver_home"), "snd_hda_intel");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.override_now"), "vfio-pci");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.held"), "true");

	assert_int_equal(looks(t, "plan 100"), 0);
	has(ran.out, "VM 100 is lent devices already: as long as they are the same, a lend does nothing.\n");
	has(ran.out, "\nVM 100: the way home (lent since 20");
	assert_int_equal(looks(t, "recover --dry-run"), 0);
	assert_string_equal(ran.out, "nothing to recover\n");
	done(t, "recover");
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");

	/* From the journal alone. */
	ft_write(t, INI, "[vm 100\n");
	ft_remove(t, "etc/pve/nodes/pve1/qemu-server/100.conf");
	assert_int_equal(looks(t, "return 100 --dry-run"), 0);
	has(ran.out, "VM 100: the way home (lent since 20");
	has(ran.out, "0000:01:00.1: bind to snd_hda_intel\n");
	has(ran.out, "give the console its screen back");
	assert_int_equal(looks(t, "return 100 --dry-run --json"), 0);
	assert_string_equal(text_at(json(), "way_home.lend"), "100");
	assert_string_equal(text_at(parsed, "way_home.operations.0.undo"), "true");
	done(t, "return 100");
	assert_string_equal(ran.err, "");
	has(ran.out, "home again (");
	expect_home(t);
	assert_int_equal(looks(t, "return 100 --dry-run"), 0);
	assert_string_equal(ran.out, "VM 100: nothing is lent, nothing to take back\n");
	assert_int_equal(looks(t, "return 100"), 0);
}

static void running_is_not_returned(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	vm_runs(t, 100, 4242);
	assert_int_equal(looks(t, "return 100"), 1);
	one_line(ran.err);
	has(ran.err, "VM 100 is running, nothing is taken back: stop it first");
	assert_int_equal(looks(t, "return 100 --dry-run"), 1);
	has(ran.out, "the way home");
	has(ran.err, "stop it first");
	assert_int_equal(looks(t, "lend 100"), 0);
	has(ran.out, "VM 100 runs already, nothing to lend");
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");
}

static void refused_lend_says_why_on_stderr(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_nic(t, true);
	ft_vm(t, 100, "hostpci0: 03:00\n");
	assert_int_equal(run_bare(t, "lend 100"), 1);
	has(ran.err, "pvebind: error: refused (host-network): ");
	has(ran.err, "nothing was lent and nothing changed");
	assert_int_equal(ft_writes(t), 0);
	assert_int_equal(looks(t, "status"), 0);
}

/* ---- what needs attention ---------------------------------------------------------------------------------- */

/* A pvebind that is killed amid the work. */
static void lend_killed(struct ft_tree *t)
{
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	ft_fault(t, "slow vfio-pci * 2000");
	pid = start(t, "lend 100", nothing, nothing);
	while (ft_wrote(t, "*/unbind", GPU) < 0) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(nothing);
	ft_faults_clear(t);
}

static void interrupted_lend_is_undone(void **state)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), status;
	struct ft_tree *t = *state;
	pid_t pid;

	gpu_world(t);
	ft_fault(t, "slow vfio-pci * 500");
	pid = start(t, "lend 100", out, err);
	while (ft_wrote(t, "*/unbind", GPU) < 0) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	kill(pid, SIGINT);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	slurp(err, ran.err, sizeof(ran.err));
	has(ran.err, "asked to stop: undoing what was done");
	close(out);
	expect_home(t);
}

static void half_done_is_shown_and_recovered(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	lend_killed(t);
	/* A worker of it may still be at its device. */
	assert_int_equal(run_bare(t, "status"), 4);
	has(ran.out, "VM 100: unfinished lending since ");
	has(ran.out, "its pvebind is gone, the work is half done: run \"pvebind recover 100\"\n");
	assert_int_equal(run_bare(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "attention"), "true");
	assert_string_equal(text_at(parsed, "lends.0.unfinished"), "true");
	assert_int_equal(run_bare(t, "recover --dry-run"), 0);
	has(ran.out, "VM 100: the way home (lending since ");
	assert_int_equal(run_bare(t, "recover --dry-run --json 100"), 0);
	assert_int_equal(count_at(json(), "lends"), 1);
	done(t, "recover");
	has(ran.out, "1 lend recovered\n");
	expect_home(t);
	assert_int_equal(looks(t, "status"), 0);
}

static void not_brought_home_is_shown_until_mended(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_fault(t, "probe snd_hda_intel * fail");
	assert_int_equal(run_bare(t, "return 100"), 4);
	has(ran.err, "pvebind: error: ");
	assert_int_equal(looks(t, "status"), 4);
	has(ran.out, "VM 100: failed since ");
	has(ran.out, "then run \"pvebind recover 100\"\n");
	has(ran.out, "  0000:01:00.0  1234:1111  15     bochs-drm  bochs-drm");
	has(ran.out, "  0000:01:00.1  8086:2668  15     none       snd_hda_intel");
	assert_int_equal(looks(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "lends.0.devices.0.held"), "false");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.held"), "true");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.driver_now"), "null");
	assert_int_equal(run_bare(t, "recover 100"), 4);
	ft_faults_clear(t);
	done(t, "recover 100");
	expect_home(t);
}

static void unreadable_journal_hides_nothing(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_write(t, "run/pvebind/101.journal", "nonsense\n");
	assert_int_equal(looks(t, "status"), 4);
	has(ran.out, "101: unreadable\n  cannot read the journal /run/pvebind/101.journal: it is damaged");
	has(ran.out, "VM 100: lent since ");
	assert_int_equal(looks(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "lends.1.state"), "unreadable");
	has(text_at(parsed, "lends.1.error"), "it is damaged");
	assert_int_equal(looks(t, "recover --dry-run"), 4);
	has(ran.err, "it is damaged");
}

static void device_that_is_gone(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_remove(t, "sys/bus/pci/devices/" AUDIO);
	ft_remove(t, "sys/kernel/iommu_groups/15/devices/" AUDIO);
	assert_int_equal(looks(t, "status"), 0);
	has(ran.out, "\n  0000:01:00.0  1234:1111  15     vfio-pci  bochs-drm");
	has(ran.out, "\n  0000:01:00.1  8086:2668  15     gone      snd_hda_intel");
	assert_int_equal(looks(t, "status --json"), 0);
	assert_string_equal(text_at(json(), "lends.0.devices.1.present"), "false");
}

/* Reading the override takes the device's lock: what hangs over it keeps the reader waiting, as a FIFO does. */
static void stuck_device_needs_attention(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_remove(t, "sys/bus/pci/devices/" AUDIO "/driver_override");
	assert_int_equal(mkfifoat(t->fd, "sys/bus/pci/devices/" AUDIO "/driver_override", 0600), 0);
	assert_int_equal(looks(t, "status"), 4);
	has(ran.out, "\n  0000:01:00.1 is stuck: the kernel does not let go of it");
	has_not(ran.out, "0000:01:00.0 is stuck");
	assert_int_equal(looks(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "attention"), "true");
	assert_string_equal(text_at(parsed, "lends.0.devices.0.stuck"), "false");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.stuck"), "true");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.override_now"), "null");
}

/* ---- reset ------------------------------------------------------------------------------------------------------ */

static void reset_by_hand(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu2(t);
	ft_vm(t, 100, "hostpci0: 02:00\n");
	assert_int_equal(looks(t, "reset 02:00 --dry-run"), 1);
	one_line(ran.err);
	has(ran.err, "in use by the host's bochs-drm");
	done(t, "lend 100");
	ft_log_clear(t);
	assert_int_equal(looks(t, "reset 02:00.0 --dry-run --methods flr"), 0);
	has(ran.out, "would: 0000:02:00.0: reset (flr)\n");
	assert_int_equal(ft_writes(t), 0);
	assert_int_equal(run_bare(t, "reset 02:00.0"), 0);
	assert_true(ft_wrote(t, "*0000:02:00.0/reset", "1") >= 0);
	assert_int_equal(looks(t, "reset 09:00.0 --dry-run"), 1);
	has(ran.err, "no PCI device 0000:09:00.0 on this host");
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(help_lists_the_commands), T(wrong_words_are_one_line), T(options_may_stand_behind_the_command),
		T(output_that_cannot_be_written_is_a_failure), T(config_errors_name_file_and_line),
		T(config_without_a_file_is_built_in), T(config_warns_of_two_files),
		T(config_is_an_ini_that_comes_to_the_same), T(config_warns_of_what_has_no_effect),
		T(config_as_json), T(plan_shows_what_lend_does),
		T(plan_as_json), T(plan_lists_all_refusals), T(plan_of_nothing),
		T(json_is_utf8_whatever_the_config_holds), T(lend_status_return), T(running_is_not_returned),
		T(refused_lend_says_why_on_stderr), T(interrupted_lend_is_undone), T(half_done_is_shown_and_recovered),
		T(not_brought_home_is_shown_until_mended), T(unreadable_journal_hides_nothing), T(device_that_is_gone), T(stuck_device_needs_attention),
		T(reset_by_hand),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
