/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup VMID: the VM's side, as commands to copy. */
#include "command.h"

/* Where a text stands; it must. */
static const char *place(const char *part)
{
	const char *p = strstr(ran.out, part);

	if (!p)
		fail_msg("'%s' is not in: %s", part, ran.out);
	return p;
}

static int count(const char *part)
{
	int n = 0;

	for (const char *p = strstr(ran.out, part); p; p = strstr(p + 1, part))
		n++;
	return n;
}

/* What an installed guest may not survive stands apart. */
static void the_dangerous_stands_apart(void **state)
{
	struct ft_tree *t = *state;
	const char *safe, *unsafe;

	ft_preset_gpu(t);
	ft_vm(t, 100, "name: web\nmemory: 2048\nballoon: 512\nhostpci0: 0000:01:00\nscsi0: tank:vm-100-disk-0,size=32G\n");
	assert_int_equal(looks(t, "setup 100"), 0);
	has(ran.out, "VM 100 (web): nothing was changed.");
	safe = place("Safe for a guest that is installed");
	unsafe = place("Before the guest is installed");
	assert_true(safe < place("  qm set 100 --cpu host\n") && place("  qm set 100 --cpu host\n") < unsafe);
	assert_true(safe < place("  qm set 100 --balloon 0\n") && place("  qm set 100 --balloon 0\n") < unsafe);
	assert_true(unsafe < place("  qm set 100 --machine q35\n"));
	assert_true(unsafe < place("  qm set 100 --bios ovmf --efidisk0 tank:1,efitype=4m,pre-enrolled-keys=0\n"));
	place("why: the machine is i440fx");
	place("does not boot under OVMF");
	has_not(ran.out, "qm set 100 --hostpci0");
}

/* Two settings of one line are one command, with both in it. */
static void one_line_one_command(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_vm(t, 100, "name: web\nmachine: q35\nhostpci0: 0000:01:00.0\n");
	assert_int_equal(looks(t, "setup 100"), 0);
	assert_int_equal(count("qm set 100 --hostpci0"), 1);
	place("  qm set 100 --hostpci0 0000:01:00,pcie=1\n");
	place("why: hostpci0 has no pcie=1");
	place("why: left out is 0000:01:00.1");
	/* check has them one after the other: who copies both loses none */
	looks(t, "check 100");
	assert_true(place("qm set 100 --hostpci0 0000:01:00\n") < place("qm set 100 --hostpci0 0000:01:00,pcie=1\n"));
}

/* The virtual display beside a Primary GPU: who has no other way into the guest keeps it. */
static void the_display(void **state)
{
	struct ft_tree *t = *state;
	const char *unsafe;

	ft_preset_gpu(t);
	ft_vm(t, 100, "name: web\nmachine: q35\nbios: ovmf\nefidisk0: tank:vm-100-disk-1\ncpu: host\nvga: std\nhostpci0: 0000:01:00,pcie=1,x-vga=1\n");
	assert_int_equal(looks(t, "setup 100"), 0);
	unsafe = place("Before the guest is installed");
	assert_true(unsafe < place("  qm set 100 --vga none\n"));
	place("why: hostpci0 is the Primary GPU (x-vga=1), and there is a virtual display (std) beside it");
	place("without a virtual display the web interface shows nothing: only when the guest shows itself on the card");
	assert_int_equal(count("qm set 100 --"), 1);
	/* Without x-vga, or without a display, there is nothing to say of it. */
	ft_vm(t, 100, "name: web\nmachine: q35\nbios: ovmf\nefidisk0: tank:vm-100-disk-1\ncpu: host\nvga: std\nhostpci0: 0000:01:00,pcie=1\n");
	assert_int_equal(looks(t, "setup 100"), 0);
	has_not(ran.out, "--vga");
	ft_vm(t, 100, "name: web\nmachine: q35\nbios: ovmf\nefidisk0: tank:vm-100-disk-1\ncpu: host\nvga: none\nhostpci0: 0000:01:00,pcie=1,x-vga=1\n");
	assert_int_equal(looks(t, "setup 100"), 0);
	has_not(ran.out, "--vga");
}

static void nothing_left(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_vm(t, 100, "name: web\nmachine: q35\nbios: ovmf\nefidisk0: tank:vm-100-disk-1\ncpu: host\nhostpci0: 0000:01:00,pcie=1\n");
	assert_int_equal(looks(t, "setup 100"), 0);
	assert_string_equal(ran.out, "VM 100 (web): nothing is left to set; `pvebind check 100` has the rest\n");
	assert_int_equal(looks(t, "setup 100 --json"), 0);
	assert_int_equal(count_at(json(), "settings"), 0);
}

static void for_programs(void **state)
{
	struct ft_tree *t = *state;
	int n, unsafe = 0;

	ft_preset_gpu(t);
	ft_vm(t, 100, "hostpci0: 0000:01:00\n");
	assert_int_equal(looks(t, "setup 100 --json"), 0);
	assert_string_equal(text_at(json(), "vm"), "100");
	n = count_at(parsed, "settings");
	for (int i = 0; i < n; i++) {
		struct json_object *setting = json_object_array_get_idx(at(parsed, "settings"), (size_t)i);

		has(text_at(setting, "command"), "qm set 100 --");
		has(text_at(setting, "reasons.0.check"), "vm-");
		unsafe += !strcmp(text_at(setting, "safe_for_installed_guest"), "false");
	}
	assert_int_equal(unsafe, 2);
}

static void wrong_ones(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_int_equal(looks(t, "setup 999"), 1);
	one_line(ran.err);
	has(ran.err, "VM 999 has no configuration on this node");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(the_dangerous_stands_apart), IN_TREE(one_line_one_command), IN_TREE(the_display), IN_TREE(nothing_left), IN_TREE(for_programs),
		IN_TREE(wrong_ones),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
