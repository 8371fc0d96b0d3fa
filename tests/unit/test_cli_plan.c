/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind plan: what lend would do, and what speaks against it. */
#include "command.h"

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

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(plan_shows_what_lend_does),
		IN_TREE(plan_as_json),
		IN_TREE(plan_lists_all_refusals),
		IN_TREE(plan_of_nothing),
		IN_TREE(json_is_utf8_whatever_the_config_holds),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("cli_plan", tests, NULL, NULL);
}
