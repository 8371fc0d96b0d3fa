/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Details of functions, why groups are shared, and what the host uses. */
#include <sys/file.h>

#include "host.h"
#include "machineparts.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define PORT "0000:00:02.0"

static const char *path_of(struct host *h, const char *bdf, const char *attr)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", ft_device_path(h->t, bdf), attr);
	return path;
}

static void attr(struct host *h, const char *bdf, const char *name, const char *text)
{
	ft_write(h->t, path_of(h, bdf, name), text);
}

/* Its first size bytes; 0: all there are. */
static void config_put(struct host *h, const char *bdf, const struct machine_config *c, size_t size)
{
	unsigned char bytes[4096];
	size_t n = machine_config_make(c, bytes);

	ft_put(h->t, path_of(h, bdf, "config"), bytes, size ? size : n);
}

static struct pvb_details details_of(struct host *h, const char *bdf)
{
	struct pvb_addr addr = addr_of(bdf);
	struct pvb_details d;

	assert_int_equal(pvb_details_read(h->ctx, &addr, &d, &h->err), 0);
	return d;
}

static struct machine_config endpoint(void)
{
	return (struct machine_config){ .vendor = 0x10de, .device = 0x2484, .class_code = 0x030000, .pcie = true, .type = 0,
					.speed = 1, .width = 8, .max_speed = 4, .max_width = 16, .acs = -1 };
}

static struct machine_config port(int acs)
{
	return (struct machine_config){ .vendor = 0x8086, .device = 0x1901, .class_code = 0x060400, .pcie = true, .type = 4,
					.secondary = 1, .subordinate = 1, .acs = acs };
}

static int gpu_setup(void **state)
{
	host_setup(state);
	ft_preset_gpu(((struct host *)*state)->t);
	return 0;
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

/* ---- groups --------------------------------------------------------------------------------- */

static struct pvb_group_reason explain(struct host *h, const char *const *names, size_t n)
{
	const struct pvb_function *members[8];
	static struct pvb_function fns[8];
	struct pvb_group_reason reason;
	struct pvb_details details[8];

	for (size_t i = 0; i < n; i++) {
		fns[i] = function_of(h, names[i]);
		members[i] = &fns[i];
		details[i] = details_of(h, names[i]);
	}
	pvb_group_explain(members, details, n, &reason);
	return reason;
}

static void add(struct host *h, const char *bdf, const char *parent, unsigned secondary)
{
	ft_function(h->t, &(struct ft_function){ bdf, parent, 0x8086, 0x10d3, 0, 0, secondary ? 0x060400 : 0x020000, NULL, NULL, 40,
						 secondary });
}

static void alone_needs_no_reason(void **state)
{
	struct host *h = *state;

	assert_int_equal(explain(h, (const char *const[]){ PORT, GPU }, 2).why, PVB_GROUP_ALONE);
	assert_int_equal(explain(h, (const char *const[]){ GPU }, 1).why, PVB_GROUP_ALONE);
	assert_string_equal(explain(h, (const char *const[]){ PORT }, 1).text, "");
}

static void a_slot_is_one(void **state)
{
	struct machine_config c = endpoint();
	struct pvb_group_reason reason;
	struct host *h = *state;

	c.multifunction = true;
	config_put(h, GPU, &c, 0);
	config_put(h, AUDIO, &c, 0);
	reason = explain(h, (const char *const[]){ GPU, AUDIO }, 2);
	assert_int_equal(reason.why, PVB_GROUP_SLOT);
	assert_string_equal(reason.text, "the functions of slot 0000:01:00 have no ACS between them");
	/* Functions that could be told apart are together for their port's sake. */
	c.acs = 0x1d;
	config_put(h, GPU, &c, 0);
	config_put(h, AUDIO, &c, 0);
	c = port(-1);
	config_put(h, PORT, &c, 0);
	reason = explain(h, (const char *const[]){ PORT, GPU, AUDIO }, 3);
	assert_int_equal(reason.why, PVB_GROUP_NO_ACS);
}

/* The highest bridge in the group decides, not the nearest. */
static void a_bridge_without_acs_is_named(void **state)
{
	static const char *const all[] = { "0000:00:03.0", "0000:02:00.0", "0000:03:01.0", "0000:04:00.0", "0000:03:02.0" };
	struct pvb_group_reason reason;
	struct machine_config c;
	struct host *h = *state;
	unsigned char bytes[4096];

	add(h, "0000:00:03.0", NULL, 2);
	add(h, "0000:02:00.0", "0000:00:03.0", 3);
	add(h, "0000:03:01.0", "0000:02:00.0", 4);
	add(h, "0000:04:00.0", "0000:03:01.0", 0);
	add(h, "0000:03:02.0", "0000:02:00.0", 0);
	c = port(-1);
	config_put(h, "0000:00:03.0", &c, 0);
	c.type = 5;
	config_put(h, "0000:02:00.0", &c, 0);
	c.type = 6;
	config_put(h, "0000:03:01.0", &c, 0);
	c = endpoint();
	config_put(h, "0000:04:00.0", &c, 0);
	config_put(h, "0000:03:02.0", &c, 0);
	reason = explain(h, all, 5);
	assert_int_equal(reason.why, PVB_GROUP_NO_ACS);
	assert_string_equal(reason.text, "the root port 0000:00:03.0 cannot keep apart what is behind it: it has no ACS");
	/* With ACS there, but not enabled. */
	c = port(0x1d);
	machine_config_make(&c, bytes);
	for (size_t at = 0x100; at; at = (bytes[at + 2] >> 4 | (size_t)bytes[at + 3] << 4))
		if (bytes[at] == 0x0d)
			bytes[at + 6] = 0;
	ft_put(h->t, path_of(h, "0000:00:03.0", "config"), bytes, sizeof(bytes));
	reason = explain(h, all, 5);
	assert_int_equal(reason.why, PVB_GROUP_ACS_OFF);
	assert_has(reason.text, "it has ACS, but that is not enabled");
	/* Not readable: not guessed. */
	config_put(h, "0000:00:03.0", &c, 64);
	reason = explain(h, all, 5);
	assert_int_equal(reason.why, PVB_GROUP_UNKNOWN);
	assert_has(reason.text, "cannot be read");
	/* Enabled by now, and yet one group. */
	config_put(h, "0000:00:03.0", &c, 0);
	reason = explain(h, all, 5);
	assert_int_equal(reason.why, PVB_GROUP_UNKNOWN);
	assert_has(reason.text, "although that root port has ACS enabled now");
}

static void conventional_bridges_are_named(void **state)
{
	static const char *const all[] = { "0000:00:1e.0", "0000:06:01.0", "0000:06:02.0" };
	struct pvb_group_reason reason;
	struct machine_config c = port(-1);
	struct host *h = *state;

	ft_preset_shared(h->t);
	c.type = 7;
	config_put(h, "0000:00:1e.0", &c, 0);
	reason = explain(h, all, 3);
	assert_int_equal(reason.why, PVB_GROUP_CONVENTIONAL);
	assert_string_equal(reason.text, "0000:00:1e.0 is a bridge to conventional PCI, and nothing behind it can be told apart");
	c.pcie = false;
	config_put(h, "0000:00:1e.0", &c, 256);
	assert_int_equal(explain(h, all, 3).why, PVB_GROUP_CONVENTIONAL);
	/* Without any bridge in the group, somebody else has put them together. */
	assert_int_equal(explain(h, all + 1, 2).why, PVB_GROUP_UNKNOWN);
	assert_has(explain(h, all + 1, 2).text, "no bridge of the group is above them all");
}

/* ---- what the host uses --------------------------------------------------------------------------- */

static void uses_are_found_among_many(void **state)
{
	struct pvb_snapshot *snapshot;
	struct pvb_host_uses uses;
	const struct pvb_function *fns[16];
	struct host *h = *state;
	size_t n;

	ft_preset_nvme(h->t, "/srv");
	ft_preset_nic(h->t, true);
	assert_int_equal(pvb_snapshot_take(h->ctx, NULL, 0, 0, &snapshot, &h->err), 0);
	n = pvb_snapshot_count(snapshot);
	assert_in_range(n, 5, 16);
	for (size_t i = 0; i < n; i++)
		fns[i] = pvb_snapshot_get(snapshot, i);
	assert_int_equal(pvb_host_uses_find(h->ctx, fns, n, &uses, &h->err), 0);
	assert_int_equal(uses.n, 2);
	assert_string_equal(uses.list[0].nics, "eth0 carries the default route");
	assert_string_equal(uses.list[0].disks, "");
	assert_string_equal(uses.list[1].disks, "nvme0n1p2 is mounted on /srv");
	pvb_host_uses_clear(&uses);
	/* What cannot be told counts as used. */
	ft_remove(h->t, "proc/self/mountinfo");
	assert_int_equal(pvb_host_uses_find(h->ctx, fns, n, &uses, &h->err), 0);
	assert_int_equal(uses.n, 2);
	assert_has(uses.list[1].disks, "/proc/self/mountinfo cannot be read");
	pvb_host_uses_clear(&uses);
	pvb_snapshot_free(snapshot);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, gpu_setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_functions_are_said),
		TEST(unknown_is_not_zero),
		TEST(only_parts_are_read),
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
		TEST(alone_needs_no_reason),
		TEST(a_slot_is_one),
		TEST(a_bridge_without_acs_is_named),
		TEST(conventional_bridges_are_named),
		TEST(uses_are_found_among_many),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("details", tests, NULL, NULL);
}
