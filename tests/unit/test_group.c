/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why groups are shared, and what the host uses of many functions. */
#include "space.h"

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

/* ---- where a function is ---------------------------------------------------------------------------- */

/* It is opened by what its link says; by the link itself where that says something else than the kernel's do. */
static void links_of_any_kind_lead_to_it(void **state)
{
	static const char path[] = "sys/bus/pci/devices/0000:01:00.0";
	const struct pvb_addr addr = { 0, 1, 0, 0 };
	struct pvb_function fn;
	struct host *h = *state;
	char target[PVB_PATH_MAX], roundabout[2 * PVB_PATH_MAX];

	assert_int_equal(pvb_function_read(h->ctx, &addr, &fn), 0);
	assert_string_equal(fn.driver, "bochs-drm");
	assert_int_equal(fn.num_bridges, 1);
	assert_int_equal(pvb_sysfs_link_target(h->ctx, path, target, sizeof(target)), 0);
	assert_int_equal(strncmp(target, "../../../devices/", 17), 0);
	ft_remove(h->t, path);
	assert_int_equal(pvb_function_read(h->ctx, &addr, &fn), -ENOENT);
	memcpy(target + 4, "/sys", 4);
	ft_link(h->t, path, target + 4);
	assert_int_equal(pvb_function_read(h->ctx, &addr, &fn), 0);
	assert_string_equal(fn.driver, "bochs-drm");
	assert_int_equal(fn.num_bridges, 1);
	/* By one that is too long to be read it is found as well; nothing tells what is above it then. */
	ft_remove(h->t, path);
	memset(roundabout, '/', sizeof(roundabout));
	memmove(roundabout + sizeof(roundabout) - sizeof(target), target + 4, strlen(target + 4) + 1);
	ft_link(h->t, path, roundabout);
	assert_int_equal(pvb_function_read(h->ctx, &addr, &fn), 0);
	assert_string_equal(fn.driver, "bochs-drm");
	assert_int_equal(fn.num_bridges, 0);
	/* The folder itself. */
	ft_remove(h->t, path);
	ft_mkdir(h->t, path);
	ft_write(h->t, "sys/bus/pci/devices/0000:01:00.0/modalias", "pci:v00001234d00001111sv00001AF4sd00001100bc03sc80i00\n");
	assert_int_equal(pvb_function_read(h->ctx, &addr, &fn), 0);
	assert_int_equal(fn.vendor, 0x1234);
	assert_int_equal(fn.num_bridges, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(alone_needs_no_reason),
		TEST(a_slot_is_one),
		TEST(a_bridge_without_acs_is_named),
		TEST(conventional_bridges_are_named),
		TEST(uses_are_found_among_many),
		TEST(links_of_any_kind_lead_to_it),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
