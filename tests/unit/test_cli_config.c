/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind config: what pvebind.ini comes to, and what is wrong in it. */
#include "command.h"

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

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(config_errors_name_file_and_line),
		IN_TREE(config_without_a_file_is_built_in),
		IN_TREE(config_warns_of_two_files),
		IN_TREE(config_is_an_ini_that_comes_to_the_same),
		IN_TREE(config_warns_of_what_has_no_effect),
		IN_TREE(config_as_json),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("cli_config", tests, NULL, NULL);
}
