/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list. */
#include "command.h"

#include <poll.h>
#include <sys/ioctl.h>

#include "../../libbind/internal.h"
#include "ft_internal.h"

#define NIC "0000:03:00.0"
#define NVME "0000:04:00.0"

static void host_make(struct ft_tree *t)
{
	ft_preset_gpu(t);
	ft_preset_nic(t, true);
	ft_preset_nvme(t, "/");
	ft_preset_shared(t);
	ft_preset_sriov(t, 2);
}

/* ---- for people ------------------------------------------------------------------ */

static void groups_and_slots_are_shown(void **state)
{
	struct ft_tree *t = *state;

	host_make(t);
	ft_vm(t, 100, VM_GPU);
	assert_int_equal(looks(t, "list"), 0);
	assert_string_equal(ran.err, "");
	has(ran.out, "\nIOMMU group 15\n"
		     "  0000:01:00, behind 0000:00:02.0\n"
		     "    0000:01:00.0  Display controller [1234:1111]\n"
		     "      on bochs-drm; no reset of its own\n"
		     "      VM 100 (web) names it: hostpci0\n"
		     "    0000:01:00.1  Intel Corporation 82801FB/FBM/FR/FW/FRW (ICH6 Family) High Definition Audio Controller [8086:2668]\n"
		     "      Audio device; on snd_hda_intel; no reset of its own\n"
		     "      VM 100 (web) names it: hostpci0\n\n");
	has(ran.out, "\n  0000:03:00.0  Intel Corporation 82574L Gigabit Network Connection [8086:10d3]\n"
		     "    Ethernet controller; on e1000e; reset: flr\n"
		     "    the host uses its network: eth0 carries the default route\n");
	has(ran.out, "\n    the host uses a disk of it: nvme0n1p2 is mounted on /\n");
	has(ran.out, "reset: flr; has 2 virtual functions, so it stays itself\n");
	has(ran.out, "reset: flr; virtual function of 0000:05:00.0\n");
	has(ran.out, "\nIOMMU group 22\n  shared, so all of it goes to one VM: all behind 0000:00:1e.0 is one group");
	has(ran.out, "  0000:06:01.0  Unclassified device [00ff] [1234:11e8]\n    no driver; no reset of its own\n");
	has_not(ran.out, "\033");
}

/* ft_preset_shared()'s bridge, as a real one: to conventional PCI. */
static void the_reason_names_the_bridge(void **state)
{
	struct ft_tree *t = *state;
	unsigned char config[256] = { 0x36, 0x1b, 0x0e, 0, 7, 0, 0x10 };

	ft_preset_shared(t);
	config[0x0e] = 1;
	config[0x34] = 0x40;
	config[0x40] = 0x10; /* PCI Express, of type 7 */
	config[0x42] = 0x72;
	ft_put(t, "sys/devices/pci0000:00/0000:00:1e.0/config", config, sizeof(config));
	assert_int_equal(looks(t, "list 06:01"), 0);
	has(ran.out, "IOMMU group 22 (1 of its 3 functions)\n"
		     "  shared, so all of it goes to one VM: 0000:00:1e.0 is a bridge to conventional PCI, and nothing behind it can be told apart\n"
		     "  0000:06:01.0  ");
	assert_int_equal(looks(t, "list 06:01 --json"), 0);
	assert_string_equal(text_at(json(), "0.group_shared.why"), "conventional-pci");
	assert_string_equal(text_at(json(), "0.group_shared.bridge"), "0000:00:1e.0");
}

static void without_iommu_it_says_so(void **state)
{
	struct ft_tree *t = *state;

	t->no_iommu = true;
	ft_preset_gpu(t);
	ft_preset_gpu2(t);
	assert_int_equal(looks(t, "list"), 0);
	has(ran.out, "In no IOMMU group: cannot be lent; pvebind check tells why\n");
	assert_null(strstr(strstr(ran.out, "In no") + 1, "In no"));
	assert_int_equal(looks(t, "list " GPU " --json"), 0);
	assert_null(at(json(), "0.group"));
}

static void off_the_bus_is_shown(void **state)
{
	struct ft_tree *t = *state;
	unsigned char gone[64];

	ft_preset_gpu(t);
	memset(gone, 0xff, sizeof(gone));
	ft_put(t, "sys/devices/pci0000:00/0000:00:02.0/" GPU "/config", gone, sizeof(gone));
	assert_int_equal(looks(t, "list " GPU), 0);
	has(ran.out, "    does not answer: it has fallen off the bus\n");
	assert_int_equal(looks(t, "list --json 01:00"), 0);
	assert_true(json_object_get_boolean(at(json(), "0.off_bus")));
	assert_false(json_object_get_boolean(at(json(), "1.off_bus")));
}

static void modules_are_candidates(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_write(t, "etc/modprobe.d/more.conf", "alias pci:v00001234d00001111sv*sd*bc*sc*i* bochs\n"
						"alias pci:v00001234d00001111sv*sd*bc*sc*i* simpledrm\n"
						"alias vfio_pci:v00001234d00001111sv*sd*bc*sc*i* fast_vfio\n"
						"alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n");
	assert_int_equal(looks(t, "list " GPU), 0);
	has(ran.out, "\n    on bochs-drm, else simpledrm, for VMs also fast_vfio; no reset of its own\n");
	assert_int_equal(looks(t, "list --json " GPU), 0);
	assert_int_equal(json_object_array_length(at(json(), "0.vfio_variants")), 1);
	assert_string_equal(text_at(json(), "0.vfio_variants.0"), "fast_vfio");
	ft_write(t, "etc/modprobe.d/no.conf", "blacklist simpledrm\n");
	assert_int_equal(looks(t, "list " GPU), 0);
	has_not(ran.out, "simpledrm");
}

static void stuck_mark(struct ft_tree *t, const char *bdf, int pid, const char *what)
{
	struct pvb_addr addr;
	struct pvb_ctx *ctx;
	struct pvb_err err;

	assert_int_equal(pvb_ctx_new(&ctx, t->path, &err), 0);
	assert_int_equal(pvb_addr_parse(bdf, &addr, &err), 0);
	assert_int_equal(pvb_stuck_mark(ctx, &addr, pid, what), 0);
	pvb_ctx_free(ctx);
}

static void lent_and_stuck_are_shown(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_vm(t, 100, VM_GPU);
	done(t, "lend 100");
	assert_int_equal(looks(t, "list --gpu"), 0);
	has(ran.out, "      lent to VM 100: lent\n");
	has(ran.out, "on vfio-pci");
	assert_int_equal(looks(t, "list --gpu --json"), 0);
	assert_string_equal(text_at(json(), "1.lent.label"), "VM 100");
	assert_string_equal(text_at(json(), "1.vms.0.origin"), "hostpci0");
	ft_process(t, 4711, "pvebind", "pvebind", NULL);
	stuck_mark(t, AUDIO, 4711, "msleep < nv_remove");
	assert_int_equal(looks(t, "list --gpu"), 0);
	has(ran.out, "      hangs in the kernel: msleep < nv_remove (process 4711)\n");
	assert_int_equal(looks(t, "list --gpu --json"), 0);
	assert_null(at(json(), "0.stuck"));
	assert_string_equal(text_at(json(), "1.stuck"), "msleep < nv_remove (process 4711)");
}

/* One VM's faults hide nothing. */
static void vms_that_cannot_be_read_are_said(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_vm(t, 100, VM_GPU);
	ft_vm(t, 101, "hostpci0: 0000:99:00\n");
	ft_vm(t, 102, "hostpci0: banana\n");
	ft_write(t, INI, "[device card]\nmatch = 8086:2668\n[vm 103]\ndevices = card\n");
	ft_vm(t, 103, "name: other\n");
	assert_int_equal(looks(t, "list --gpu"), 0);
	has(ran.err, "pvebind: warning: VM 101: hostpci0 names 0000:99:00, which is not on this host");
	has(ran.err, "102.conf:1: hostpci0: ");
	has(ran.out, "VM 100 (web) names it: hostpci0\n");
	has(ran.out, "VM 103 (other) names it: device card\n");
}

/* ---- which ------------------------------------------------------------------------ */

static unsigned functions(void)
{
	return (unsigned)json_object_array_length(json());
}

static void filters_choose(void **state)
{
	static const struct { const char *args; unsigned n; const char *first; } cases[] = {
		{ "01:00.1", 1, AUDIO }, { "01:00", 2, GPU }, { "0000:01:00.0 0000:01:00.1", 2, GPU },
		{ "1234:1111", 1, GPU }, { "1234:1111:1af4:1100", 1, GPU }, { "15b3:1018", 2, "0000:05:00.1" },
		{ "8086:10d3 01:00", 3, GPU }, { "--gpu", 2, GPU }, { "--group 15", 2, GPU }, { "--group 17", 1, NIC },
		{ "--group 15 01:00.1", 1, AUDIO }, { "--gpu 8086:2668", 1, AUDIO }, { "--gpu --group 15", 2, GPU },
	};
	struct ft_tree *t = *state;

	host_make(t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char args[96];

		snprintf(args, sizeof(args), "list --json %s", cases[i].args);
		assert_int_equal(looks(t, args), 0);
		if (functions() != cases[i].n)
			fail_msg("%s: %u", args, functions());
		assert_string_equal(text_at(json(), "0.address"), cases[i].first);
	}
}

/* AMD's Instinct, Intel's Gaudi: no display controllers. */
static void accelerators_are_cards(void **state)
{
	struct ft_tree *t = *state;

	ft_function(t, &(struct ft_function){ "0000:21:00.0", NULL, 0x1002, 0x740f, 0, 0, 0x120000, NULL, NULL, 21, 0 });
	ft_function(t, &(struct ft_function){ "0000:22:00.0", NULL, 0x8086, 0x0d58, 0, 0, 0x020000, NULL, NULL, 22, 0 });
	assert_int_equal(looks(t, "list --gpu --json"), 0);
	assert_int_equal(functions(), 1);
	assert_string_equal(text_at(json(), "0.id"), "1002:740f");
}

static void what_matches_nothing_fails(void **state)
{
	static const struct { const char *args; int status; const char *words; } cases[] = {
		{ "99:00", 1, "no PCI device 99:00 on this host: pvebind list shows what there is" },
		{ "01:00 dead:beef", 1, "no PCI device dead:beef on this host" },
		{ "1234:1111:1af4:1101", 1, "no PCI device 1234:1111:1af4:1101" },
		{ "--group 99", 1, "no device of this host is in an IOMMU group 99" },
		{ "--gpu --group 17", 1, "no device is all of what was asked for" },
		{ "--gpu " NIC, 1, "no device is all of what was asked for" },
		{ "banana", 2, "'banana' is neither a PCI address" },
		{ "--group x", 2, "an IOMMU group is a number" },
		{ "--group -1", 2, "an IOMMU group is a number" },
		{ "--group", 2, "--group needs a value" },
		{ "--gpu --usb", 2, "--gpu and --usb ask for different things" },
		{ "--usb 1234:1111", 1, "no USB controller or device of this host is what was asked for" },
	};
	struct ft_tree *t = *state;

	host_make(t);
	ft_function(t, &(struct ft_function){ "0000:00:14.0", NULL, 0x8086, 0xa36d, 0, 0, 0x0c0330, NULL, NULL, 4, 0 });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char args[96];

		snprintf(args, sizeof(args), "list %s", cases[i].args);
		assert_int_equal(looks(t, args), cases[i].status);
		assert_string_equal(ran.out, "");
		one_line(ran.err);
		has(ran.err, cases[i].words);
	}
	assert_int_equal(run_bare(t, "list --gpu --group 15"), 0);
}

static void nothing_at_all_fails(void **state)
{
	assert_int_equal(looks(*state, "list"), 1);
	has(ran.err, "the kernel shows no PCI device");
	assert_int_equal(looks(*state, "list --gpu"), 1);
	assert_int_equal(looks(*state, "list --usb"), 1);
	has(ran.err, "this host has neither a USB controller nor a USB device");
}

static void no_graphics_card_is_said(void **state)
{
	ft_preset_nic(*state, false);
	assert_int_equal(looks(*state, "list --gpu"), 1);
	has(ran.err, "this host has no graphics card");
}

/* ---- for programs ------------------------------------------------------------------- */

static void json_has_null_for_unknown(void **state)
{
	static const char *const unknown[] = { "link", "acs", "pcie_type", "aer", "boot_vga", "numa_node", "stuck", "lent",
					       "physfn", "host_disks", "name", "reset_methods" };
	struct ft_tree *t = *state;

	host_make(t);
	assert_int_equal(looks(t, "list --json " GPU), 0);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct json_object *first = json_object_array_get_idx(json(), 0), *value;

		assert_true(json_object_object_get_ex(first, unknown[i], &value));
		if (value)
			fail_msg("%s: %s", unknown[i], json_object_to_json_string(value));
	}
	assert_string_equal(text_at(json(), "0.driver"), "bochs-drm");
	assert_string_equal(text_at(json(), "0.module"), "bochs");
	assert_string_equal(text_at(json(), "0.class"), "038000");
	assert_int_equal(json_object_get_int(at(json(), "0.group")), 15);
	assert_int_equal(json_object_get_int64(at(json(), "0.bars.0.size")), 16 << 20);
	assert_string_equal(text_at(json(), "0.bridges.0"), "0000:00:02.0");
	assert_int_equal(looks(t, "list --json " NVME), 0);
	assert_string_equal(text_at(json(), "0.host_disks"), "nvme0n1p2 is mounted on /");
	ft_remove(t, "sys/bus/pci/devices/" GPU "/resource");
	assert_int_equal(looks(t, "list --json " GPU), 0);
	assert_null(at(json(), "0.bars"));
}

/* ---- on a terminal --------------------------------------------------------------------- */

/* Run it on a terminal of that width; what it printed. */
static const char *on_terminal(struct ft_tree *t, const char *args, unsigned short width)
{
	static char text[65536];
	struct winsize size = { .ws_row = 24, .ws_col = width };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct pollfd ready = { .fd = master, .events = POLLIN };
	size_t used = 0;
	int status;
	pid_t pid;

	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	pid = start(t, args, slave, slave);
	close(slave);
	while (poll(&ready, 1, 10000) == 1) {
		ssize_t n = read(master, text + used, sizeof(text) - used - 1);

		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	close(master);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return text;
}

static void colours_are_for_terminals(void **state)
{
	struct ft_tree *t = *state;

	host_make(t);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	has(on_terminal(t, "list", 100), "\033[1mIOMMU group 15\033[0m");
	setenv("NO_COLOR", "1", 1);
	has_not(on_terminal(t, "list", 100), "\033");
	setenv("NO_COLOR", "", 1);
	has(on_terminal(t, "list", 100), "\033[33mthe host uses a disk of it");
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	has_not(on_terminal(t, "list", 100), "\033");
}

static void lines_fit_the_terminal(void **state)
{
	struct ft_tree *t = *state;
	const char *text, *end;
	size_t longest = 0;

	host_make(t);
	setenv("NO_COLOR", "1", 1);
	text = on_terminal(t, "list", 70);
	has(text, "ICH6");
	for (; (end = strchr(text, '\n')); text = end + 1)
		longest = (size_t)(end - text) > longest ? (size_t)(end - text) : longest;
	assert_in_range(longest, 50, 71); /* with its carriage return */
	unsetenv("NO_COLOR");
}

/* Two bytes are one column. */
static void widths_are_those_of_characters(void **state)
{
	struct ft_tree *t = *state;

	host_make(t);
	setenv("NO_COLOR", "1", 1);
	ft_vm(t, 100, "name: \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9\n"
		      "hostpci0: " GPU "\n");
	has(on_terminal(t, "list " GPU, 62), "\xc3\xa9 \xc3\xa9) names it: hostpci0\r\n");
	unsetenv("NO_COLOR");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(groups_and_slots_are_shown),
		IN_TREE(the_reason_names_the_bridge),
		IN_TREE(without_iommu_it_says_so),
		IN_TREE(off_the_bus_is_shown),
		IN_TREE(modules_are_candidates),
		IN_TREE(lent_and_stuck_are_shown),
		IN_TREE(vms_that_cannot_be_read_are_said),
		IN_TREE(filters_choose),
		IN_TREE(accelerators_are_cards),
		IN_TREE(what_matches_nothing_fails),
		IN_TREE(nothing_at_all_fails),
		IN_TREE(no_graphics_card_is_said),
		IN_TREE(json_has_null_for_unknown),
		IN_TREE(colours_are_for_terminals),
		IN_TREE(lines_fit_the_terminal),
		IN_TREE(widths_are_those_of_characters),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
