/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup where proxmox-boot-tool keeps the EFI partitions: which commands run, and those that would reach none. */
#include "setuprun.h"

/* What an apply runs, in this order. */
static void calls(const char *args, const char *expected)
{
	char apply[128];

	snprintf(apply, sizeof(apply), "--apply --yes --programs %s", args);
	runs(m, apply, 0);
	assert_string_equal(ft_read(m->t, "run/called"), expected);
	ft_remove(m->t, "run/called");
}

#define UUIDS "etc/kernel/proxmox-boot-uuids"

static void systemd_boot(void)
{
	m = machine_begin("amd-desktop");
	ft_write(m->t, KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	ft_write(m->t, "dev/disk/by-uuid/AAAA-0001", "");
	initramfs_made(m);
	programs_put(m);
}

static void grub(void)
{
	systemd_boot();
	shell("rm %s/sys/firmware/efi/efivars/Loader*", m->t->path);
	ft_write(m->t, "proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.14.11-4-pve root=ZFS=/ROOT/pve-1 ro quiet\n");
	ft_write(m->t, GRUB, GRUB_LINE "\"quiet\"\n");
}

/* Both: an ordinary GRUB reads the one, those of proxmox-boot-tool the other. The initramfs first: refresh copies it. */
static void grub_runs_both(void **state)
{
	(void)state;
	grub();
	ft_write(m->t, UUIDS, "AAAA-0001\n");
	calls("", "update-grub \nproxmox-boot-tool refresh");
	calls("--reserve 0b:00", "update-initramfs -u -k all\nproxmox-boot-tool refresh");
	hasnt("proxmox-boot-uuids");
	runs(m, "--undo", 0);
	assert_string_equal(ft_read(m->t, "run/called"), "update-initramfs -u -k all\nupdate-grub \nproxmox-boot-tool refresh");
	ft_remove(m->t, "run/called");
	calls("--reserve 0b:00", "update-initramfs -u -k all\nupdate-grub \nproxmox-boot-tool refresh");
	runs(m, "--undo", 0);
	assert_string_equal(ft_read(m->t, "run/called"), "update-initramfs -u -k all\nupdate-grub \nproxmox-boot-tool refresh");
}

/* The change reaches an ordinary GRUB all the same; what is skipped is told beforehand. */
static void grub_with_partitions_that_are_gone(void **state)
{
	static const char *const lists[] = { "", "\n", "BBBB-0002\n" };

	(void)state;
	grub();
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		ft_write(m->t, GRUB, GRUB_LINE "\"quiet\"\n");
		ft_write(m->t, UUIDS, lists[i]);
		calls("", "update-grub \nproxmox-boot-tool refresh");
		has(i < 2 ? "Beware:\n  /etc/kernel/proxmox-boot-uuids: no EFI partition that is there (0 in the list)" :
		    "Beware:\n  /etc/kernel/proxmox-boot-uuids: no EFI partition that is there (1 in the list)");
	}
	ft_write(m->t, GRUB, GRUB_LINE "\"quiet\"\n");
	ft_write(m->t, UUIDS, "AAAA-0001\nBBBB-0002");
	calls("", "update-grub \nproxmox-boot-tool refresh");
	has("/etc/kernel/proxmox-boot-uuids: 1 of 2 EFI partitions are not there and do not get the change");
}

static void systemd_boot_with_partitions_that_are_gone(void **state)
{
	static const char *const lists[] = { "", "BBBB-0002\n" };

	(void)state;
	systemd_boot();
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		char *before;

		ft_write(m->t, UUIDS, lists[i]);
		before = world(m, NOTHING);
		runs(m, "--apply --yes --programs", 1);
		has("nothing was done: none of the EFI partitions that proxmox-boot-tool is to keep is there");
		same(m, before, NOTHING, "refused");
		assert_false(ft_exists(m->t, "run/called"));
		free(before);
	}
	ft_write(m->t, UUIDS, "BBBB-0002\nAAAA-0001\n");
	calls("", "proxmox-boot-tool refresh");
	has("1 of 2 EFI partitions are not there");
}

/* One that cannot be mounted is known only when it has been tried. */
static void what_a_command_skips_is_told(void **state)
{
	(void)state;
	systemd_boot();
	ft_write(m->t, UUIDS, "AAAA-0001\n");
	ft_write(m->t, "usr/sbin/proxmox-boot-tool", "#!/bin/sh\necho Copying and configuring kernels\n"
		 "echo 'WARN: mount: /var/tmp/espmounts/BBBB-0002: cannot mount'\necho 'W: Possible missing firmware'\nexit 0\n");
	runs(m, "--apply --yes --programs", 0);
	has("warning: proxmox-boot-tool: WARN: mount: /var/tmp/espmounts/BBBB-0002: cannot mount\n");
	hasnt("Copying and");
	hasnt("missing firmware");
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(grub_runs_both), TEST(grub_with_partitions_that_are_gone), TEST(systemd_boot_with_partitions_that_are_gone),
		TEST(what_a_command_skips_is_told),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
