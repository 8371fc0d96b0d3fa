/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a VM's configuration and pvebind.ini to what is asked of libpvebind. */
#include "conf/made.h"

/* ---- hostpci ------------------------------------------------------------------------ */

static void no_ini_is_hostpci_with_defaults(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100,
		"name: game\nlock: backup\nhookscript: local:snippets/pvebind\nhostpci0: 0000:01:00,pcie=1\nhostpci1: 02:00.0,driver=keep\n");
	made = good(root);
	wants(&made, "0000:01:00 0000:02:00.0");
	assert_string_equal(made.request.name, "100");
	assert_string_equal(made.request.label, "VM 100");
	assert_string_equal(made.request.wanted[0].origin, "hostpci0");
	assert_false(made.request.wanted[0].variant || made.request.wanted[0].has_expect);
	assert_true(made.request.wanted[1].variant);
	assert_int_equal(made.request.settings.device_timeout_ms, 30000);
	assert_string_equal(made.extra.node, "pve1");
	assert_string_equal(made.extra.vm_name, "game");
	assert_string_equal(made.extra.lock, "backup");
	assert_string_equal(made.extra.hookscript, "local:snippets/pvebind");
	assert_string_equal(made.extra.config, "");
	assert_true(made.extra.has_devices);
	made_clear(&made);
}

static void nothing_wanted_is_said(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "name: plain\n");
	made = good(root);
	assert_false(made.extra.has_devices);
	made_clear(&made);
}

static void templates_want_nothing(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "template: 1\nhostpci0: 09:00\n");
	root_put(root, INI, "[nonsense]\n");
	made = good(root);
	assert_true(made.extra.is_template);
	assert_false(made.extra.has_devices);
	made_clear(&made);
}

static void mediated_devices_are_left(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: 01:00.0,mdev=nvidia-63\nhostpci1: mapping=none,mdev=i915-GVTg\n");
	made = good(root);
	assert_false(made.extra.has_devices);
	assert_int_equal(made.extra.notes.n, 2);
	assert_int_equal(made.extra.notes.list[0].level, PVB_NOTICE);
	assert_has(made.extra.notes.list[0].text,
		   "VM 100: hostpci0 is a mediated device (mdev=nvidia-63): left to Proxmox VE");
	made_clear(&made);
}

static void missing_things_are_named(void **state)
{
	struct root *root = *state;

	bad(root, -ENOENT, "VM 100 has no configuration on this node");
	root_vm(root, 100, "hostpci2: 0000:99:00\n");
	bad(root, -ENODEV,
	    "VM 100: hostpci2 names 0000:99:00, which is not on this host, pve1 (moved, removed or switched off; "
	    "'lspci -D' shows what is there): correct hostpci2 in /etc/pve/qemu-server/100.conf:1");
	root_vm(root, 100, "hostpci0: 0000:01:00.7\n");
	bad(root, -ENODEV, "hostpci0 names 0000:01:00.7");
	root_vm(root, 100, "hostpci0: what\n");
	bad(root, -EINVAL, "/etc/pve/qemu-server/100.conf:1: hostpci0: 'what' is no PCI address");
}

static void reserved_devices_are_refused(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: 0000:01:00\n");
	reserve(root, "0000:01:00.0", 101);
	made = good(root);
	refused(&made, "reserved-by-pve",
		"0000:01:00 (hostpci0) is reserved for VM 101, says Proxmox VE: stop VM 101 first");
	assert_string_equal(wanted(&made), "0000:01:00");
	made_clear(&made);
	reserve(root, "0000:01:00.0", 100);
	made = good(root);
	assert_int_equal(made.request.refusals.n, 0);
	made_clear(&made);
}

static void a_migrating_vm_is_found(void **state)
{
	struct root *root = *state;
	struct made made;

	root_put(root, "etc/pve/nodes/pve2/qemu-server/100.conf", "hostpci0: 02:00\n");
	assert_int_equal(conf_request_build(root->ctx, NULL, 100, "pve2", &made.request, &made.extra, &root->err), 0);
	wants(&made, "0000:02:00");
	assert_string_equal(made.extra.node, "pve1");
	assert_string_equal(made.extra.vm_file, "/etc/pve/nodes/pve2/qemu-server/100.conf");
	made_clear(&made);
}

/* ---- pvebind.ini ------------------------------------------------------------------------ */

static void settings_reach_the_request(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: 01:00\n");
	root_put(root, INI,
		 "[vm 101]\nfoo = 1\n[defaults]\nreset = none\n[vm 100]\non-stop = keep\nallow = host-disk:01:00 driver-gate:02:00.0\n");
	made = good(root);
	assert_string_equal(made.request.settings.reset, "none");
	assert_true(made.request.settings.keep_on_stop);
	assert_int_equal(made.request.num_allow, 2);
	assert_string_equal(made.request.allow[1].name, "driver-gate");
	assert_string_equal(made.extra.config, CONF_INI_CLUSTER);
	assert_int_equal(made.extra.notes.n, 1);
	assert_has(made.extra.notes.list[0].text, "unknown key 'foo' in [vm 101]");
	made_clear(&made);
}

static void bad_settings_stop_it(void **state)
{
	struct root *root = *state;

	root_vm(root, 100, "hostpci0: 01:00\n");
	root_put(root, INI, "[vm 100]\nfoo = 1\n");
	bad(root, -EINVAL, "/etc/pve/pvebind.ini:2: unknown key 'foo' in [vm 100]");
}

static void devices_are_taken_by_name(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: 01:00\n");
	root_put(root, INI, "[device a]\nmatch = 02:00.0\nexpect = 10de:24b0:1043:8866\n[vm 100]\ndevices = a 01:00.1\n");
	made = good(root);
	wants(&made, "0000:02:00.0 0000:01:00.1");
	assert_string_equal(made.request.wanted[0].origin, "device a");
	assert_true(made.request.wanted[0].has_expect && made.request.wanted[0].has_expect_sub);
	assert_int_equal(made.request.wanted[0].expect_device, 0x24b0);
	assert_int_equal(made.request.wanted[0].expect_subvendor, 0x1043);
	assert_string_equal(made.request.wanted[1].origin, "devices");
	made_clear(&made);
}

static void one_device_is_wanted_once(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: 01:00,driver=keep\n");
	root_put(root, INI,
		 "[device a]\nmatch = 01:00\nexpect = 10de:24b0\n[device b]\nmatch = 01:00\nexpect = 10de:24b1\n"
		 "[vm 100]\ndevices = hostpci a\n");
	made = good(root);
	wants(&made, "0000:01:00");
	assert_string_equal(made.request.wanted[0].origin, "hostpci0");
	assert_true(made.request.wanted[0].variant && made.request.wanted[0].has_expect);
	made_clear(&made);
	root_put(root, INI, "[device a]\nmatch = 01:00\nexpect = 10de:24b0\n[vm 100]\ndevices = a hostpci\n");
	made = good(root);
	wants(&made, "0000:01:00");
	assert_string_equal(made.request.wanted[0].origin, "device a");
	assert_true(made.request.wanted[0].variant && made.request.wanted[0].has_expect);
	made_clear(&made);
	/* Two expectations are both to be checked. */
	root_put(root, INI,
		 "[device a]\nmatch = 01:00\nexpect = 10de:24b0\n[device b]\nmatch = 01:00\nexpect = 10de:24b1\n"
		 "[vm 100]\ndevices = a b\n");
	made = good(root);
	wants(&made, "0000:01:00 0000:01:00");
	made_clear(&made);
}

static void wrong_devices_are_named(void **state)
{
	struct root *root = *state;

	root_vm(root, 100, "");
	root_put(root, INI, "[device a]\nmatch = 09:00\n[vm 100]\ndevices = a\n");
	bad(root, -ENODEV, "VM 100: device a names 0000:09:00, which is not on this host");
	assert_has(root->err.text, "correct match in /etc/pve/pvebind.ini:2");
	root_put(root, INI, "[vm 100]\ndevices = 09:00\n");
	bad(root, -ENODEV, "correct devices in /etc/pve/pvebind.ini:2");
	root_put(root, INI, "[device a]\nmatch = 1234:5678\n[vm 100]\ndevices = a\n");
	bad(root, -ENODEV,
	    "VM 100: device a: no device of this host, pve1, has the id 1234:5678 ('lspci -nn' shows them): correct match in /etc/pve/pvebind.ini:2");
	root_put(root, INI, "[device a]\nexpect = 1234:5678\n[vm 100]\ndevices = a\n");
	bad(root, -EINVAL, "/etc/pve/pvebind.ini:1: [device a] has no match for node pve1: add one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_HOST(no_ini_is_hostpci_with_defaults),
		ON_HOST(nothing_wanted_is_said),
		ON_HOST(templates_want_nothing),
		ON_HOST(mediated_devices_are_left),
		ON_HOST(missing_things_are_named),
		ON_HOST(reserved_devices_are_refused),
		ON_HOST(a_migrating_vm_is_found),
		ON_HOST(settings_reach_the_request),
		ON_HOST(bad_settings_stop_it),
		ON_HOST(devices_are_taken_by_name),
		ON_HOST(one_device_is_wanted_once),
		ON_HOST(wrong_devices_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
