/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM's configuration: hostpciN in all its forms, and everything else passed over. */
#include "conf/root.h"

#define FILE_100 "/etc/pve/qemu-server/100.conf"

static int parse_bytes(struct conf_vm *vm, const char *data, size_t size, struct pvb_err *err)
{
	char *text = malloc(size + 1);
	int r;

	assert_non_null(text);
	memcpy(text, data, size);
	text[size] = '\0';
	*vm = (struct conf_vm){ .vmid = 100, .file = FILE_100 };
	r = conf_vm_parse(vm, text, size, err);
	free(text);
	return r;
}

static struct conf_vm good(const char *text)
{
	struct conf_vm vm;
	struct pvb_err err;

	if (parse_bytes(&vm, text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
	return vm;
}

static void bad(const char *text, const char *sentence)
{
	struct conf_vm vm;
	struct pvb_err err;

	if (parse_bytes(&vm, text, strlen(text), &err) == 0)
		fail_msg("accepted: %s", text);
	assert_has(err.text, sentence);
	conf_vm_clear(&vm);
}

static void addr_is(const struct pvb_addr *addr, const char *text)
{
	char buf[PVB_ADDR_MAX];

	assert_string_equal(pvb_addr_format(addr, buf), text);
}

static void devices_have_many_forms(void **state)
{
	struct conf_vm vm = good("hostpci0: 01:00,pcie=1,x-vga=on\nhostpci1: host=0000:02:00.0;02:00.1;10000:e1:00.0\n"
				 "hostpci2: 00000001:03:00.1\nhostpci3: mapping=my-gpu,rombar=0\n"
				 "hostpci4: 0000:04:00.0,mdev=nvidia-63\nhostpci5: 00:02.0,legacy-igd=1,romfile=a.bin\n"
				 "hostpci15: 05:00.0,driver=keep,vendor-id=0x10de\nhostpci16: nonsense\n");

	(void)state;
	addr_is(&vm.hostpci[0].ids[0], "0000:01:00");
	assert_true(vm.hostpci[0].pcie && vm.hostpci[0].x_vga && !vm.hostpci[0].driver_keep);
	assert_string_equal(vm.hostpci[0].text, "01:00,pcie=1,x-vga=on");
	assert_int_equal(vm.hostpci[1].num_ids, 3);
	addr_is(&vm.hostpci[1].ids[1], "0000:02:00.1");
	addr_is(&vm.hostpci[1].ids[2], "10000:e1:00.0");
	assert_int_equal(vm.hostpci[1].line, 2);
	addr_is(&vm.hostpci[2].ids[0], "0001:03:00.1");
	assert_string_equal(vm.hostpci[3].mapping, "my-gpu");
	assert_int_equal(vm.hostpci[3].num_ids, 0);
	assert_string_equal(vm.hostpci[4].mdev, "nvidia-63");
	assert_true(vm.hostpci[5].legacy_igd);
	assert_true(vm.hostpci[15].driver_keep);
	assert_false(vm.hostpci[6].present);
	conf_vm_clear(&vm);
}

static void malformed_devices_are_named(void **state)
{
	(void)state;
	bad("name: a\nhostpci0: 01:00.9\n",
	    FILE_100 ":2: hostpci0: '01:00.9' is no PCI address: correct it, under Hardware or with 'qm set'");
	bad("hostpci3: 01:00;\n", FILE_100 ":1: hostpci3: '' is no PCI address");
	bad("hostpci0: 1:0\n", "hostpci0: '1:0' is no PCI address");
	bad("hostpci0: pcie=1\n", "hostpci0: 'pcie=1' names neither a device nor a mapping");
	bad("hostpci0: ,\n", "hostpci0: ',' names neither a device nor a mapping");
	bad("hostpci0: 01:00,mapping=gpu\n", "hostpci0: '01:00,mapping=gpu' has both a device and a mapping");
	bad("hostpci0: mapping=../gpu\n", "hostpci0: '../gpu' is no mapping's name");
	bad("hostpci0: 01:00,02:00\n", "hostpci0: host is there twice");
	bad("hostpci0: 01:00,pcie=1,pcie=0\n", "hostpci0: pcie is there twice");
	bad("hostpci0: 01:00,pcie=maybe\n", "hostpci0: pcie=maybe is neither 0 nor 1");
	bad("hostpci0: 01:00,x-vga=\n", "hostpci0: 'x-vga=' is no option");
	bad("hostpci0: 01:00,=1\n", "hostpci0: '=1' is no option");
	bad("hostpci0: 01:00,driver=nouveau\n", "hostpci0: driver=nouveau is neither vfio nor keep");
	bad("hostpci0: 01:00,mdev=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	    "hostpci0: mdev=aaaa");
}

static void nul_in_a_device_is_refused(void **state)
{
	static const char text[] = "name: a\0b\nhostpci0: 01:00\0;02:00\n";
	struct conf_vm vm;
	struct pvb_err err;

	(void)state;
	assert_int_equal(parse_bytes(&vm, text, sizeof(text) - 1, &err), -EINVAL);
	assert_has(err.text, FILE_100 ":2: hostpci0: a NUL byte in the line: remove it");
	conf_vm_clear(&vm);
}

static void the_current_part_ends_at_a_section(void **state)
{
	static const char *const sections[] = { "[PENDING]",           "[snap-1]",
						"[special:cloudinit]", "[special:fleecing]  ",
						"[some thing new]",    "[PENDING]\r" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		struct conf_vm vm;

		snprintf(text, sizeof(text),
			 "hostpci0: 01:00\n\n%s\nhostpci0: 02:00\nhostpci1: nonsense\nlock: backup\n", sections[i]);
		vm = good(text);
		addr_is(&vm.hostpci[0].ids[0], "0000:01:00");
		assert_string_equal(vm.lock, "");
		conf_vm_clear(&vm);
	}
}

static void what_is_not_ours_is_passed_over(void **state)
{
	struct conf_vm vm = good(
		"#hostpci0: 09:00\r\n#notes %3A\r\n\r\n  hostpci1: 09:00\r\nargs: -device x,y=[z]\r\n[broken\r\nunknown-key: 1\r\n"
		"no line at all\r\nhostpcix: 09:00\r\nhostpci01: 09:00\r\nhostpci: 09:00\r\nHOSTPCI2: 09:00\r\n"
		"name: game\r\nhookscript: local:snippets/pvebind\r\nlock: backup\r\ntemplate: 1\r\nhostpci0:01:00 \r\n");

	(void)state;
	addr_is(&vm.hostpci[0].ids[0], "0000:01:00");
	assert_false(vm.hostpci[1].present || vm.hostpci[2].present);
	assert_string_equal(vm.name, "game");
	assert_string_equal(vm.hookscript, "local:snippets/pvebind");
	assert_string_equal(vm.lock, "backup");
	assert_true(vm.is_template);
	conf_vm_clear(&vm);
}

static void the_last_of_a_doubled_key_counts(void **state)
{
	struct conf_vm vm = good(
		"onboot: 1\nhostpci0: 01:00;01:01,pcie=1\nhostpci0: 02:00.0\ntemplate: 1\ntemplate: 0\ntemplate: maybe\nvmgenid: 1\n");

	(void)state;
	assert_int_equal(vm.hostpci[0].num_ids, 1);
	addr_is(&vm.hostpci[0].ids[0], "0000:02:00.0");
	assert_false(vm.hostpci[0].pcie);
	assert_false(vm.is_template);
	conf_vm_clear(&vm);
}

/* Notes may fill a megabyte, in one line. */
static void long_notes_are_read(void **state)
{
	struct root *root = *state;
	size_t size = 1024 * 1024;
	char *text = malloc(size + 64);
	struct conf_vm vm;

	root_node(root);
	assert_non_null(text);
	memset(text, 'n', size);
	text[0] = '#';
	strcpy(text + size, "\nhostpci0: 01:00\n");
	root_vm(root, 100, text);
	free(text);
	assert_int_equal(conf_vm_load(root->ctx, 100, NULL, &vm, &root->err), 0);
	assert_true(vm.hostpci[0].present);
	assert_int_equal(vm.hostpci[0].line, 2);
	assert_string_equal(vm.file, FILE_100);
	conf_vm_clear(&vm);
}

static void a_migrated_vm_is_read_from_its_node(void **state)
{
	struct root *root = *state;
	struct conf_vm vm;

	root_node(root);
	root_put(root, "etc/pve/nodes/pve2/qemu-server/100.conf", "hostpci0: 03:00\n");
	assert_int_equal(conf_vm_load(root->ctx, 100, "pve2", &vm, &root->err), 0);
	addr_is(&vm.hostpci[0].ids[0], "0000:03:00");
	conf_vm_clear(&vm);
	assert_int_equal(conf_vm_load(root->ctx, 100, "../../x", &vm, &root->err), -EINVAL);
	assert_has(root->err.text, "PVE_MIGRATED_FROM: '../../x' is no node's name");
	conf_vm_clear(&vm);
}

static void a_missing_config_is_named(void **state)
{
	struct root *root = *state;
	struct conf_vm vm;

	assert_int_equal(conf_vm_load(root->ctx, 100, NULL, &vm, &root->err), -ENOENT);
	assert_has(root->err.text, "VM 100 has no configuration on this node (" FILE_100
				   " is not there): check the number with 'qm list'");
	conf_vm_clear(&vm);
	root_mkdir(root, "etc/pve/qemu-server/100.conf");
	assert_int_equal(conf_vm_load(root->ctx, 100, NULL, &vm, &root->err), -EISDIR);
	assert_has(root->err.text, "cannot read " FILE_100 ": Is a directory");
	conf_vm_clear(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_have_many_forms),
		cmocka_unit_test(malformed_devices_are_named),
		cmocka_unit_test(nul_in_a_device_is_refused),
		cmocka_unit_test(the_current_part_ends_at_a_section),
		cmocka_unit_test(what_is_not_ours_is_passed_over),
		cmocka_unit_test(the_last_of_a_doubled_key_counts),
		cmocka_unit_test_setup_teardown(long_notes_are_read, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(a_migrated_vm_is_read_from_its_node, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(a_missing_config_is_named, root_setup, root_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
