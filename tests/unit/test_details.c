/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Details of functions: what is known, and what is not. */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "space.h"

static void attr(struct host *h, const char *bdf, const char *name, const char *text)
{
	ft_write(h->t, path_of(h, bdf, name), text);
}

/* ---- one function -------------------------------------------------------------------- */

static void missing_functions_are_said(void **state)
{
	struct host *h = *state;
	struct pvb_addr addrs[] = { addr_of("0000:77:00.0"), addr_of(GPU) };
	struct pvb_details d[2];

	assert_int_equal(pvb_details_read(h->ctx, &addrs[0], &d[0], &h->err), -ENODEV);
	assert_string_equal(h->err.text, "no PCI device 0000:77:00.0 on this host");
	assert_int_equal(pvb_details_read_all(h->ctx, addrs, 2, d, &h->err), 0);
	assert_false(d[0].present);
	assert_true(d[1].present);
	assert_int_equal(pvb_details_read_all(h->ctx, addrs, 0, d, &h->err), 0);
}

/* What an ordinary user sees: 64 bytes of configuration space. */
static void unknown_is_not_zero(void **state)
{
	struct pvb_details d = details_of(*state, GPU);

	assert_int_equal(d.known, PVB_KNOWN_BARS | PVB_KNOWN_HEADER);
	assert_int_equal(d.pcie_type, PVB_PCIE_UNKNOWN);
	assert_int_equal(d.isolates, -1);
	assert_int_equal(d.link_width_max, -1);
	assert_int_equal(d.aer_correctable, -1);
	assert_int_equal(d.boot_vga, -1);
	assert_int_equal(d.numa_node, -1);
	assert_int_equal(d.sriov_total, 0);
	assert_string_equal(d.power_state, "");
	ft_remove(((struct host *)*state)->t, path_of(*state, GPU, "config"));
	ft_remove(((struct host *)*state)->t, path_of(*state, GPU, "resource"));
	assert_int_equal(details_of(*state, GPU).known, 0);
}

static void only_parts_are_read(void **state)
{
	struct pvb_addr addr = addr_of(GPU);
	struct host *h = *state;
	struct pvb_details d;

	attr(h, GPU, "numa_node", "1\n");
	attr(h, GPU, "power_state", "D0\n");
	assert_int_equal(pvb_details_read_parts(h->ctx, &addr, 1, PVB_PART_POWER, &d, &h->err), 0);
	assert_int_equal(d.known, 0);
	assert_string_equal(d.power_state, "D0");
	assert_int_equal(d.numa_node, -1);
	assert_int_equal(d.sriov_total, -1);
}

/* The kernel wakes a device to read its configuration space: how it slept has to be seen before. */
static void power_is_seen_before_the_device_wakes(void **state)
{
	struct host *h = *state;
	char config[512];
	uint8_t header[64] = { 0x34, 0x12 };
	struct pvb_details d;
	int status;
	pid_t waker;

	attr(h, GPU, "power_state", "D3cold\n");
	snprintf(config, sizeof(config), "%s", path_of(h, GPU, "config"));
	ft_remove(h->t, config);
	assert_int_equal(mkfifoat(h->t->fd, config, 0600), 0);
	waker = fork();
	if (waker == 0) {
		int fd = openat(h->t->fd, config, O_WRONLY); /* until somebody reads */

		attr(h, GPU, "power_state", "D0\n");
		_exit(write(fd, header, sizeof(header)) != sizeof(header));
	}
	d = details_of(h, GPU);
	assert_int_equal(waitpid(waker, &status, 0), waker);
	assert_int_equal(status, 0);
	assert_string_equal(d.power_state, "D3cold");
}

static void attributes_are_read(void **state)
{
	struct host *h = *state;
	struct pvb_details d;

	attr(h, GPU, "current_link_speed", "2.5 GT/s PCIe\n");
	attr(h, GPU, "current_link_width", "8\n");
	attr(h, GPU, "max_link_speed", "16.0 GT/s PCIe\n");
	attr(h, GPU, "max_link_width", "16\n");
	attr(h, GPU, "aer_dev_correctable", "RxErr 1\nBadTLP 2\nTOTAL_ERR_COR 3\n");
	attr(h, GPU, "aer_dev_nonfatal", "Undefined 0\nTOTAL_ERR_NONFATAL 4\n");
	attr(h, GPU, "aer_dev_fatal", "Undefined 0\n");
	attr(h, GPU, "power_state", "D3cold\n");
	attr(h, GPU, "power/control", "auto\n");
	attr(h, GPU, "power/runtime_status", "suspended\n");
	attr(h, GPU, "d3cold_allowed", "1\n");
	attr(h, GPU, "boot_vga", "1\n");
	attr(h, GPU, "numa_node", "-1\n");
	attr(h, GPU, "sriov_totalvfs", "7\n");
	d = details_of(h, GPU);
	assert_int_equal(d.link_speed, 2500);
	assert_int_equal(d.link_width, 8);
	assert_int_equal(d.link_speed_max, 16000);
	assert_int_equal(d.link_width_max, 16);
	assert_int_equal(d.aer_correctable, 3);
	assert_int_equal(d.aer_nonfatal, 4);
	assert_int_equal(d.aer_fatal, -1);
	assert_string_equal(d.power_state, "D3cold");
	assert_string_equal(d.power_control, "auto");
	assert_string_equal(d.runtime_status, "suspended");
	assert_int_equal(d.d3cold_allowed, 1);
	assert_int_equal(d.boot_vga, 1);
	assert_int_equal(d.numa_node, -1);
	assert_int_equal(d.sriov_total, 7);
	attr(h, GPU, "current_link_speed", "Unknown\n");
	attr(h, GPU, "current_link_width", "0\n");
	d = details_of(h, GPU);
	assert_int_equal(d.link_speed, -1);
	assert_int_equal(d.link_width, -1);
	assert_int_equal(d.link_width_max, 16);
	attr(h, GPU, "max_link_width", "255\n");
	assert_int_equal(details_of(h, GPU).link_width_max, -1);
}

/* ---- BARs ------------------------------------------------------------------------------ */

static void bars_are_read(void **state)
{
	struct host *h = *state;
	struct pvb_details d;

	attr(h, GPU, "resource",
	     "0x00000000a0000000 0x00000000a0ffffff 0x0000000000040200\n"
	     "0x0000006000000000 0x000000600fffffff 0x000000000014220c\n"
	     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	     "0x0000000000000000 0x0000000001ffffff 0x000000002014220c\n"
	     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	     "0x0000000000003000 0x000000000000307f 0x0000000000040101\n"
	     "0x00000000000c0000 0x00000000000dffff 0x0000000000000212\n");
	d = details_of(h, GPU);
	assert_true(d.bars[0].present && !d.bars[0].io && !d.bars[0].is_64bit && !d.bars[0].prefetchable);
	assert_int_equal(d.bars[0].start, 0xa0000000);
	assert_int_equal(d.bars[0].size, 16 << 20);
	assert_true(d.bars[1].present && d.bars[1].is_64bit && d.bars[1].prefetchable && !d.bars[1].unassigned);
	assert_int_equal(d.bars[1].start, 0x6000000000);
	assert_false(d.bars[2].present);
	assert_true(d.bars[3].present && d.bars[3].unassigned); /* IORESOURCE_UNSET */
	assert_int_equal(d.bars[3].start, 0);
	assert_int_equal(d.bars[3].size, 32 << 20);
	assert_true(d.bars[5].present && d.bars[5].io);
	assert_int_equal(d.bars[5].size, 128);
}

/* The kernel has dropped it, but the register's hard-wired bits are there. */
static void dropped_bars_are_found(void **state)
{
	struct machine_config c = endpoint();
	struct host *h = *state;
	struct pvb_details d;

	c.bar[1] = (struct machine_bar){ .size = 1 << 28, .wide = true, .prefetchable = true, .unassigned = true };
	config_put(h, GPU, &c, 0);
	attr(h, GPU, "resource",
	     "0x00000000a0000000 0x00000000a0ffffff 0x0000000000040200\n"
	     "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	d = details_of(h, GPU);
	assert_true(d.bars[1].present && d.bars[1].unassigned && d.bars[1].is_64bit && d.bars[1].prefetchable);
	assert_int_equal(d.bars[1].size, 0);
	assert_false(d.bars[2].present);
	assert_false(d.bars[4].present);
}

static void resizable_bars_are_known(void **state)
{
	struct machine_config c = endpoint();
	struct host *h = *state;
	struct pvb_details d;

	c.bar[1] = (struct machine_bar){ .start = 0x6000000000, .size = 1 << 28, .wide = true, .prefetchable = true };
	c.resizable[1] = 0x3fu << 12; /* 256 MiB to 8 GiB */
	config_put(h, GPU, &c, 0);
	d = details_of(h, GPU);
	assert_true(d.has_rebar);
	assert_int_equal(d.bars[1].sizes, 0x3f << 8);
	assert_int_equal(d.bars[1].resized, 1 << 28);
	assert_int_equal(d.bars[0].sizes, 0);
	config_put(h, GPU, &c, 256);
	d = details_of(h, GPU);
	assert_false(d.known & PVB_KNOWN_EXTENDED);
	assert_false(d.has_rebar);
}

/* ---- capabilities ----------------------------------------------------------------------- */

static void capabilities_are_known(void **state)
{
	struct machine_config c = endpoint();
	struct pvb_addr addr = addr_of(GPU);
	struct host *h = *state;
	struct pvb_details d;

	config_put(h, GPU, &c, 0);
	assert_int_equal(pvb_details_read_parts(h->ctx, &addr, 1, PVB_PART_CONFIG, &d, &h->err), 0);
	assert_int_equal(d.known, PVB_KNOWN_HEADER | PVB_KNOWN_CAPABILITIES | PVB_KNOWN_EXTENDED);
	assert_int_equal(d.pcie_type, PVB_PCIE_ENDPOINT);
	assert_true(d.has_flr);
	assert_true(d.has_pm);
	assert_false(d.no_soft_reset);
	assert_int_equal(d.link_speed, 2500);
	assert_int_equal(d.link_width, 8);
	assert_int_equal(d.link_speed_max, 16000);
	assert_int_equal(d.link_width_max, 16);
	c.no_flr = c.no_soft_reset = true;
	config_put(h, GPU, &c, 0);
	d = details_of(h, GPU);
	assert_false(d.has_flr);
	assert_true(d.no_soft_reset);
}

/* The kernel's own word for the link counts, where it is asked for. */
static void link_of_sysfs_counts(void **state)
{
	struct machine_config c = endpoint();
	struct host *h = *state;

	config_put(h, GPU, &c, 0);
	attr(h, GPU, "max_link_width", "4\n");
	attr(h, GPU, "current_link_width", "1\n");
	assert_int_equal(details_of(h, GPU).link_width_max, 4);
	assert_int_equal(details_of(h, GPU).link_width, 1);
}

static void conventional_pci_has_no_more(void **state)
{
	struct machine_config c = endpoint();
	struct host *h = *state;
	struct pvb_details d;

	c.pcie = false;
	config_put(h, GPU, &c, 256);
	d = details_of(h, GPU);
	assert_int_equal(d.pcie_type, PVB_PCIE_NONE);
	assert_true(d.known & PVB_KNOWN_EXTENDED);
	assert_int_equal(d.isolates, 0);
}

static void off_the_bus_nothing_is_known(void **state)
{
	struct host *h = *state;
	unsigned char gone[4096];

	memset(gone, 0xff, sizeof(gone));
	ft_put(h->t, path_of(h, GPU, "config"), gone, sizeof(gone));
	assert_int_equal(details_of(h, GPU).known, PVB_KNOWN_BARS);
}

/* A list that bites its tail ends all the same. */
static void loops_end(void **state)
{
	struct machine_config c = endpoint();
	struct host *h = *state;
	unsigned char bytes[4096];

	c.acs = 0x1d;
	machine_config_make(&c, bytes);
	bytes[bytes[0x34] + 1] = bytes[0x34];
	bytes[0x102] = (unsigned char)((bytes[0x102] & 0x0f) | 0x00);
	bytes[0x103] = 0x10;
	ft_put(h->t, path_of(h, GPU, "config"), bytes, sizeof(bytes));
	assert_true(details_of(h, GPU).present);
	memset(bytes + 0x40, 0x5a, sizeof(bytes) - 0x40);
	ft_put(h->t, path_of(h, GPU, "config"), bytes, sizeof(bytes));
	assert_true(details_of(h, GPU).present);
	assert_false(details_of(h, GPU).hung);
}

static void isolation_is_the_kernels(void **state)
{
	static const struct { unsigned type; bool multifunction; int acs, cleared; int isolates; } cases[] = {
		{ 4, false, 0x1f, 0, 1 },    /* a root port that does all it can */
		{ 4, false, -1, 0, 0 },
		{ 4, false, 0x1f, 0x04, 0 }, /* one that is not told to */
		{ 4, false, 0x0d, 0, 1 },    /* what it lacks may be hard-wired */
		{ 6, false, -1, 0, 0 },
		{ 5, false, -1, 0, 1 },      /* an upstream port alone needs none */
		{ 5, true, -1, 0, 0 },
		{ 0, false, -1, 0, 1 },
		{ 0, true, -1, 0, 0 },
		{ 0, true, 0x1f, 0, 1 },
		{ 9, true, -1, 0, 0 },
		{ 7, false, -1, 0, 0 },      /* a bridge to conventional PCI never does */
		{ 10, false, 0x1f, 0, 0 },
	};
	struct host *h = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct machine_config c = port(cases[i].acs);
		unsigned char bytes[4096];
		struct pvb_details d;

		c.type = cases[i].type;
		c.multifunction = cases[i].multifunction;
		machine_config_make(&c, bytes);
		for (size_t at = 0x100; cases[i].cleared && at; at = (bytes[at + 2] >> 4 | (size_t)bytes[at + 3] << 4))
			if (bytes[at] == 0x0d)
				bytes[at + 6] &= (unsigned char)~cases[i].cleared;
		ft_put(h->t, path_of(h, PORT, "config"), bytes, sizeof(bytes));
		d = details_of(h, PORT);
		if (d.isolates != cases[i].isolates)
			fail_msg("case %zu: %d", i, d.isolates);
	}
}

/* ---- who does not answer ----------------------------------------------------------------------- */

static void one_that_hangs_is_left_behind(void **state)
{
	struct host *h = *state;
	struct pvb_addr addrs[] = { addr_of(PORT), addr_of(GPU), addr_of(AUDIO) };
	struct pvb_details d[3];
	int64_t began;

	ft_hang_read(h->t, path_of(h, GPU, "config"));
	began = pvb_now_ns();
	assert_int_equal(pvb_details_read_all(h->ctx, addrs, 3, d, &h->err), 0);
	assert_true(pvb_now_ns() - began < 8000000000);
	assert_true(d[0].known & PVB_KNOWN_HEADER);
	assert_true(d[1].hung);
	assert_int_equal(d[1].known, 0);
	assert_false(d[0].hung || d[2].hung);
	assert_true(d[2].known & PVB_KNOWN_HEADER);
}

/* Nobody asks the card that another pvebind is resetting. */
static void one_that_is_worked_on_is_let_be(void **state)
{
	struct host *h = *state;
	struct pvb_details d;
	int fd;

	ft_write(h->t, "run/pvebind/" GPU, "");
	fd = openat(h->t->fd, "run/pvebind/" GPU, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	d = details_of(h, GPU);
	assert_true(d.busy && d.present);
	assert_int_equal(d.known, PVB_KNOWN_BARS);
	close(fd);
	d = details_of(h, GPU);
	assert_false(d.busy);
	assert_true(d.known & PVB_KNOWN_HEADER);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_functions_are_said),
		TEST(unknown_is_not_zero),
		TEST(only_parts_are_read),
		TEST(power_is_seen_before_the_device_wakes),
		TEST(attributes_are_read),
		TEST(bars_are_read),
		TEST(dropped_bars_are_found),
		TEST(resizable_bars_are_known),
		TEST(capabilities_are_known),
		TEST(link_of_sysfs_counts),
		TEST(conventional_pci_has_no_more),
		TEST(off_the_bus_nothing_is_known),
		TEST(loops_end),
		TEST(isolation_is_the_kernels),
		TEST(one_that_hangs_is_left_behind),
		TEST(one_that_is_worked_on_is_let_be),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("details", tests, NULL, NULL);
}
