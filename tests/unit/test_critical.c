/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host lives on: disks and interfaces below a function, and the words for them. */
#include <sys/stat.h>

#include "host.h"

#define NVME "0000:04:00.0"
#define NIC "0000:03:00.0"
#define P1 "sys/class/block/nvme0n1p1"

/* The one refusal there is; "" when there is none. */
static const char *refusal(struct host *h, const char *device, const char *name)
{
	static char text[512];
	struct pvb_function fn = function_of(h, device);
	struct pvb_refusals found = { .n = 0 };

	*text = '\0';
	assert_int_equal(pvb_critical_find(h->ctx, &fn, &found), 0);
	assert_in_range(found.n, 0, 1);
	if (found.n) {
		assert_string_equal(found.list[0].name, name);
		assert_true(found.list[0].has_addr);
		assert_int_equal(pvb_addr_compare(&found.list[0].addr, &fn.addr), 0);
		snprintf(text, sizeof(text), "%s", found.list[0].text);
	}
	pvb_refusals_clear(&found);
	return text;
}

/* A link in sys/class to a directory made beside it. */
static void class_add(struct host *h, const char *class, const char *name, const char *dir)
{
	char path[256], target[256];

	ft_mkdir(h->t, dir);
	snprintf(path, sizeof(path), "sys/class/%s/%s", class, name);
	snprintf(target, sizeof(target), "../../../%s", dir);
	ft_link(h->t, path, target);
}

static void free_disk_is_free(void **state)
{
	ft_preset_nvme(((struct host *)*state)->t, NULL);
	assert_string_equal(refusal(*state, NVME, "host-disk"), "");
}

static void mounts_are_named(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, "/srv/my\\040data");
	ft_write(h->t, "proc/self/mountinfo",
		 "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
		 "23 1 259:2 /x /srv/my\\040data rw,relatime - ext4 /dev/nvme0n1p2 rw\n"
		 "24 1 0:44 /sub /home rw - btrfs /dev/nvme0n1p1 rw\n"
		 "25 1 8:2 / /elsewhere rw - ext4 /dev/sda2 rw\n");
	assert_string_equal(refusal(h, NVME, "host-disk"),
			    "0000:04:00.0 has a disk that the host uses: nvme0n1p1 is mounted on /home, "
			    "nvme0n1p2 is mounted on / and /srv/my data; free it first (unmount, swapoff, "
			    "vgchange -an, zpool export), or set allow = host-disk:0000:04:00.0 to lend it on purpose");
}

static void many_mounts_fit(void **state)
{
	struct host *h = *state;
	char lines[8192] = "", line[256];

	ft_preset_nvme(h->t, NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "%d 1 259:%d / /a/rather/long/mount/point/%d rw - ext4 x rw\n", i, i % 3, i);
		strcat(lines, line);
	}
	ft_write(h->t, "proc/self/mountinfo", lines);
	assert_has(refusal(h, NVME, "host-disk"), "nvme0n1 is mounted on /a/rather/long/mount/point/0 and ");
	assert_has(refusal(h, NVME, "host-disk"), "/9 and 10 more and 2 more; free it first");
	assert_has(refusal(h, NVME, "host-disk"), "to lend it on purpose");
}

static void swap_is_used(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, NULL);
	ft_write(h->t, "proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1\tpartition 4092 0 -2\n");
	assert_has(refusal(h, NVME, "host-disk"), "uses: nvme0n1p1 is swap; ");
}

static void holders_are_followed(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, NULL);
	ft_mkdir(h->t, P1 "/holders/dm-0");
	assert_has(refusal(h, NVME, "host-disk"), "uses: nvme0n1p1 is held by dm-0; ");
	class_add(h, "block", "dm-0", "sys/devices/virtual/block/dm-0");
	ft_write(h->t, "sys/devices/virtual/block/dm-0/dm/name", "pve-root\n");
	ft_write(h->t, "sys/devices/virtual/block/dm-0/dev", "253:0\n");
	assert_has(refusal(h, NVME, "host-disk"), "uses: nvme0n1p1 is held by dm-0 (pve-root); ");
	ft_write(h->t, "proc/self/mountinfo", "22 1 253:0 / / rw - ext4 /dev/mapper/pve-root rw\n");
	assert_has(refusal(h, NVME, "host-disk"), "uses: nvme0n1p1 is mounted on / through dm-0 (pve-root); ");
	ft_write(h->t, "proc/swaps", "Filename\n/dev/dm-0 partition 1 0 -2\n");
	assert_has(refusal(h, NVME, "host-disk"), "nvme0n1p1 is swap through dm-0 (pve-root); ");
}

/* A holder above itself would be a fault of the kernel's, and no reason to hang. */
static void holders_end(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, NULL);
	ft_mkdir(h->t, P1 "/holders/md0");
	class_add(h, "block", "md0", "sys/devices/virtual/block/md0");
	ft_mkdir(h->t, "sys/devices/virtual/block/md0/holders/md0");
	assert_has(refusal(h, NVME, "host-disk"), "nvme0n1p1 is held by md0");
}

static void unreadable_counts_as_used(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, NULL);
	ft_remove(h->t, "proc/swaps");
	assert_string_equal(refusal(h, NVME, "host-disk"), ""); /* a kernel without swap */
	ft_remove(h->t, "proc/self/mountinfo");
	assert_has(refusal(h, NVME, "host-disk"),
		   "uses: /proc/self/mountinfo cannot be read to see whether they are used (No such file or directory); ");
	ft_write(h->t, "proc/self/mountinfo", "");
	ft_remove(h->t, "dev/nvme0n1p2");
	assert_has(refusal(h, NVME, "host-disk"),
		   "uses: /dev/nvme0n1p2 cannot be opened to see whether it is used (No such file or directory); ");
	assert_has_not(refusal(h, NVME, "host-disk"), "nvme0n1 ");
}

/* The device below another class's device has no "block/" above it, one below a SCSI host has it, deep down. */
static void disks_are_found_deep(void **state)
{
	struct host *h = *state;
	const char *disk = "sys/bus/pci/devices/" NIC "/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb";
	char path[256];

	ft_preset_nic(h->t, false);
	snprintf(path, sizeof(path), "%s/dev", disk);
	ft_write(h->t, path, "8:16\n");
	snprintf(path, sizeof(path), "%s/subsystem", disk);
	ft_link(h->t, path, "/sys/class/block");
	ft_write(h->t, "dev/sdb", "");
	assert_string_equal(refusal(h, NIC, "host-disk"), "");
	ft_write(h->t, "proc/self/mountinfo", "22 1 8:16 / /mnt rw - vfat /dev/sdb rw\n");
	assert_has(refusal(h, NIC, "host-disk"), "0000:03:00.0 has a disk that the host uses: sdb is mounted on /mnt; ");
}

/* A link out of the function's directory leads to what is not below it. */
static void links_are_left_alone(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, false);
	ft_preset_nvme(h->t, "/");
	ft_link(h->t, "sys/bus/pci/devices/" NIC "/consumer:nvme", "../../0000:00:05.0/" NVME);
	assert_string_equal(refusal(h, NIC, "host-disk"), "");
}

static void children_of_bridges_are_their_own(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, "/");
	assert_string_equal(refusal(h, "0000:00:05.0", "host-disk"), "");
}

static void multipath_heads_count(void **state)
{
	struct host *h = *state;

	ft_preset_nvme(h->t, NULL);
	class_add(h, "nvme-subsystem", "nvme-subsys0", "sys/devices/virtual/nvme-subsystem/nvme-subsys0");
	ft_mkdir(h->t, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
	ft_write(h->t, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme7n1/dev", "259:70\n");
	ft_link(h->t, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme7n1/subsystem", "/sys/class/block");
	ft_write(h->t, "dev/nvme7n1", "");
	assert_string_equal(refusal(h, NVME, "host-disk"), "");
	ft_write(h->t, "proc/self/mountinfo", "22 1 259:70 / /srv rw - xfs /dev/nvme7n1 rw\n");
	assert_has(refusal(h, NVME, "host-disk"), "uses: nvme7n1 is mounted on /srv; ");
	ft_remove(h->t, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
	assert_string_equal(refusal(h, NVME, "host-disk"), ""); /* another controller's */
}

static void quiet_interface_is_free(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, false);
	assert_string_equal(refusal(h, NIC, "host-network"), "");
	/* What every interface has that is up. */
	ft_write(h->t, "proc/net/ipv6_route",
		 "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
		 "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
		 "ff000000000000000000000000000000 08 00000000000000000000000000000000 00 "
		 "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
		 "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		 "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");
	assert_string_equal(refusal(h, NIC, "host-network"), "");
}

static void routes_count(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, true);
	assert_string_equal(refusal(h, NIC, "host-network"),
			    "0000:03:00.0 has a network interface that the host uses: eth0 carries the default route; "
			    "give the host another way first, or set allow = host-network:0000:03:00.0 to lend it on purpose");
	ft_write(h->t, "proc/net/route", "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
	assert_has(refusal(h, NIC, "host-network"), "uses: eth0 carries a route; ");
	ft_write(h->t, "proc/net/route", "eth00\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	assert_string_equal(refusal(h, NIC, "host-network"), "");
	ft_write(h->t, "proc/net/ipv6_route",
		 "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		 "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n");
	assert_has(refusal(h, NIC, "host-network"), "uses: eth0 carries the default route; ");
}

static void stacks_are_climbed(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, false);
	ft_mkdir(h->t, "sys/class/net/eth0/upper_bond0");
	class_add(h, "net", "bond0", "sys/devices/virtual/net/bond0");
	ft_link(h->t, "sys/devices/virtual/net/bond0/master", "../vmbr0");
	class_add(h, "net", "vmbr0", "sys/devices/virtual/net/vmbr0");
	ft_mkdir(h->t, "sys/devices/virtual/net/vmbr0/upper_bond0"); /* no loop, even so */
	assert_string_equal(refusal(h, NIC, "host-network"), "");
	ft_write(h->t, "proc/net/route", "vmbr0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	assert_has(refusal(h, NIC, "host-network"), "uses: eth0 carries the default route through vmbr0; ");
}

static void switch_ports_count(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, false);
	ft_mkdir(h->t, "sys/class/net/eth0/upper_ovs-system");
	assert_has(refusal(h, NIC, "host-network"), "uses: eth0 is a port of Open vSwitch; ");
}

static void unread_routes_count(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, false);
	ft_remove(h->t, "proc/net/ipv6_route"); /* a kernel without IPv6 */
	assert_string_equal(refusal(h, NIC, "host-network"), "");
	ft_remove(h->t, "proc/net/route");
	assert_has(refusal(h, NIC, "host-network"),
		   "uses: /proc/net/route cannot be read to see whether they are used (No such file or directory); ");
}

static void too_deep_counts_as_used(void **state)
{
	struct host *h = *state;
	char path[PVB_PATH_MAX] = "sys/bus/pci/devices/" NIC;

	ft_preset_nic(h->t, false);
	for (int i = 0; i < 40; i++)
		strcat(path, "/a");
	ft_mkdir(h->t, path);
	assert_has(refusal(h, NIC, "host-disk"), "cannot be looked into (Too many levels of symbolic links)");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(free_disk_is_free),
		TEST(mounts_are_named),
		TEST(many_mounts_fit),
		TEST(swap_is_used),
		TEST(holders_are_followed),
		TEST(holders_end),
		TEST(unreadable_counts_as_used),
		TEST(disks_are_found_deep),
		TEST(links_are_left_alone),
		TEST(children_of_bridges_are_their_own),
		TEST(multipath_heads_count),
		TEST(quiet_interface_is_free),
		TEST(routes_count),
		TEST(stacks_are_climbed),
		TEST(switch_ports_count),
		TEST(unread_routes_count),
		TEST(too_deep_counts_as_used),
	};

	return cmocka_run_group_tests_name("critical", tests, NULL, NULL);
}
