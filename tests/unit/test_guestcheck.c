/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind-guest-check, as somebody runs it in a guest without an agent. tests/machines/guest.cases has what it says through
 * one. */
#include "command.h"

/* Run it, the tree being the guest: its text in ran.out. */
static int guest_check(struct ft_tree *t, const char *args)
{
	char command[PATH_MAX * 6];
	FILE *out;
	size_t n;
	int status;

	/* Its /sys and programs are the tree's; of the machine's own it has those that any guest has. */
	snprintf(command, sizeof(command),
		 "cd '%s' && mkdir -p usual && for p in sh cat cut grep printf sed sort tr; do ln -sf \"$(command -v $p)\" usual/; done; cd - >/dev/null; "
		 "sed 's,/sys/,%s/sys/,g; s,:/usr/local/bin:.*,,' guest/pvebind-guest-check | PATH='%s/bin:%s/usual' /bin/sh -s -- %s 2>&1",
		 t->path, t->path, t->path, t->path, args);
	out = popen(command, "r");
	assert_non_null(out);
	n = fread(ran.out, 1, sizeof(ran.out) - 1, out);
	ran.out[n] = '\0';
	status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void program_write(struct ft_tree *t, const char *path, const char *text)
{
	ft_write(t, path, text);
	assert_int_equal(fchmodat(t->fd, path, 0755, 0), 0);
}

static void card_add(struct ft_tree *t, unsigned vendor, unsigned device, const char *driver)
{
	ft_driver(t, "nvidia", "nvidia", NULL, 0);
	ft_driver(t, "amdgpu", "amdgpu", NULL, 0);
	ft_function(t, &(struct ft_function){ .address = "0000:06:10.0", .vendor = vendor, .device = device, .class_code = 0x030000,
					      .driver = driver, .group = -1 });
	ft_function(t, &(struct ft_function){ .address = "0000:06:10.1", .vendor = vendor, .device = 0x1aeb, .class_code = 0x040300,
					      .group = -1 });
	ft_function(t, &(struct ft_function){ .address = "0000:00:01.0", .vendor = 0x1234, .device = 0x1111, .class_code = 0x030000,
					      .group = -1 });
}

static void it_finds_the_passed_card_itself(void **state)
{
	struct ft_tree *t = *state;

	card_add(t, 0x10de, 0x2484, "nvidia");
	program_write(t, "bin/nvidia-smi", "#!/bin/sh\necho 'RTX 3070, 550.1'\n");
	assert_int_equal(guest_check(t, ""), 0);
	assert_string_equal(ran.out,
		"ok       guest-device  0000:06:10.0: the guest sees 10de:2484 at 0000:06:10.0\n"
		"ok       guest-device  0000:06:10.1: the guest sees 10de:1aeb at 0000:06:10.1\n"
		"ok       guest-driver  0000:06:10.0: nvidia has 10de:2484\n"
		"warn     guest-driver  0000:06:10.1: no driver of the guest has 10de:1aeb\n"
		"         To do: Install the driver of the device in the guest, and restart the guest.\n"
		"             lspci -nnk\n"
		"ok       guest-nvidia  nvidia-smi reaches the card: RTX 3070, 550.1\n"
		"unknown  guest-opengl  glxinfo is not in the guest\n"
		"         To do: Install glxinfo in the guest (Debian, Ubuntu: mesa-utils), then run in its graphical session:\n"
		"             glxinfo -B\n"
		"unknown  guest-torch   python3 is not in the guest\n"
		"         To do: If PyTorch is to compute on the card: run in the environment that has it:\n"
		"             python3 -c \"import torch; print(torch.cuda.is_available())\"\n");
}

static void a_fail_is_status_1(void **state)
{
	struct ft_tree *t = *state;

	card_add(t, 0x1002, 0x73bf, NULL);
	assert_int_equal(guest_check(t, "guest-driver"), 1);
	has(ran.out, "fail     guest-driver  0000:06:10.0: no driver of the guest has 1002:73bf\n");
	has(ran.out, "firmware-amd-graphics");
	assert_int_equal(guest_check(t, "guest-device 8086:1521"), 1);
	has(ran.out, "fail     guest-device  8086:1521: the guest has no (further) device 8086:1521\n");
	assert_int_equal(guest_check(t, "guest-device 1002:73BF"), 0);
	assert_int_equal(guest_check(t, ""), 1);
	has(ran.out, "guest-rocm    rocm-smi is not in the guest");
	has_not(ran.out, "guest-nvidia");
}

static void without_a_card_it_says_so(void **state)
{
	struct ft_tree *t = *state;

	assert_int_equal(guest_check(t, ""), 0);
	has(ran.out, "unknown  guest-device  the guest shows no PCI device");
	has_not(ran.out, "ok       ");
	ft_function(t, &(struct ft_function){ .address = "0000:00:01.0", .vendor = 0x1234, .device = 0x1111, .class_code = 0x030000,
					      .group = -1 });
	assert_int_equal(guest_check(t, ""), 0);
	has(ran.out, "warn     guest-device  the guest sees no graphics card but those QEMU plays");
	has_not(ran.out, "ok       ");
}

static void what_it_does_not_know_it_refuses(void **state)
{
	static const char *const args[] = { "--help", "guest-nothing", "10de", "'10de:2484;id'", "'$(id)'", "0000:01:00.0-" };

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		if (guest_check(*state, args[i]) != 2)
			fail_msg("%s: %s", args[i], ran.out);
		has(ran.out, "usage: pvebind-guest-check");
	}
}

/* The host reads the table out of it. */
static void its_table_is_what_the_host_can_read(void **state)
{
	char line[1024];
	FILE *in = fopen("guest/pvebind-guest-check", "re");
	unsigned rows = 0;

	(void)state;
	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		char *text = strchr(line, '='), *end = strchr(line, '\n');

		if (strncmp(line, "todo_", 5) != 0 && strncmp(line, "run_", 4) != 0)
			continue;
		rows++;
		if (!text || !end || text[1] != '\'' || end[-1] != '\'' || strchr(text + 2, '\'') != end - 1)
			fail_msg("not NAME='TEXT': %s", line);
	}
	fclose(in);
	assert_true(rows > 30);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(it_finds_the_passed_card_itself),
		IN_TREE(a_fail_is_status_1),
		IN_TREE(without_a_card_it_says_so),
		IN_TREE(what_it_does_not_know_it_refuses),
		cmocka_unit_test(its_table_is_what_the_host_can_read),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("guestcheck", tests, NULL, NULL);
}
