/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup on the hosts that people have: planned, done, done again, undone to the byte. */
#include "setuprun.h"

#define VFIO "vfio\nvfio_iommu_type1\nvfio_pci"

/* Its bytes, to the last newline. */
static char *file_get(const char *path)
{
	shell("cat %s/%s 2>/dev/null", m->t->path, path);
	return strdup(ran.out);
}

/* The difference that was shown is diff's own. */
static void diff_judge(const char *path, const char *plan)
{
	const char *shown;

	shell("cd %s && diff -u --label a/%s --label b/%s run/before %s", m->t->path, path, path, path);
	shown = strstr(plan, ran.out);
	if (!shown || !*ran.out)
		fail_msg("%s is not shown as diff has it:\n%s\nbut:\n%s", path, ran.out, plan);
}

/* Planned: nothing changes. Done; done again: nothing changes. Undone: as before. The file counted has this then. */
static void round_trip(const char *args, const char *path, const char *expected)
{
	char *before = world(m, NOTHING), *done, text[128], *old = file_get(path), *now, *plan;
	bool nothing;

	snprintf(text, sizeof(text), "%s", args);
	runs(m, text, 0);
	plan = strdup(ran.out);
	same(m, before, NOTHING, "plan");
	shell("cp %s/%s %s/run/before 2>/dev/null", m->t->path, path, m->t->path);
	snprintf(text, sizeof(text), "--apply --yes %s", args);
	runs(m, text, 0);
	nothing = strstr(ran.out, "nothing to do");
	now = file_get(path);
	if (expected && strcmp(now, expected) != 0)
		fail_msg("%s is: %s", path, now);
	/* (One that a link leads to is shown by the link's name.) */
	if (expected && strcmp(expected, old) && *old && !strchr(old, '\r') && strstr(plan, path))
		diff_judge(path, plan);
	done = world(m, NOTHING);
	runs(m, text, 0);
	has("nothing to do");
	same(m, done, NOTHING, "again");
	runs(m, "--undo --dry-run", 0);
	same(m, done, NOTHING, "undo --dry-run");
	runs(m, "--undo", 0);
	has(nothing ? "nothing to undo" : "the host is as it was before");
	same(m, before, NOTHING, "undo");
	runs(m, "--undo", 0);
	has("nothing to undo");
	free(before);
	free(done);
	free(old);
	free(now);
	free(plan);
}

/* ---- boot loaders ---------------------------------------------------------------------- */

static void grub_trip(const char *args, const char *line, const char *expected)
{
	char text[1024];

	grub_set(m, line);
	snprintf(text, sizeof(text), GRUB_HEAD "%s\n" GRUB_TAIL "\n", expected);
	round_trip(args, GRUB, text);
}

static void grub_on_lvm(void **state)
{
	(void)state;
	m = intel_old();
	grub_trip("", GRUB_LINE "\"quiet\"", GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
	grub_set(m, GRUB_LINE "\"quiet\"");
	runs(m, "", 0);
	has("GRUB booted this host, so /etc/default/grub counts: quiet");
	has("add intel_iommu=on; add iommu=pt");
	has("intel_iommu=on: without it this kernel leaves Intel's IOMMU off");
	has("reboot   needed");
	has("update-grub: boot entries are made of /etc/default/grub");
	has("-" GRUB_LINE "\"quiet\"\n+" GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"\n");
	has("+++ b/etc/modules-load.d/pvebind.conf");
	has("--apply does this, --undo takes it back");
	runs(m, "--apply --yes", 0);
	has("is not the running system: update-grub");
	file_has(MODULES, VFIO);
}

static void quotes_and_comments_stay(void **state)
{
	(void)state;
	m = intel_old();
	grub_trip("", GRUB_LINE "'quiet splash'   # mine", GRUB_LINE "'quiet splash intel_iommu=on iommu=pt'   # mine");
	grub_trip("", GRUB_LINE, GRUB_LINE "\"intel_iommu=on iommu=pt\"");
	grub_trip("", GRUB_LINE "quiet", GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
	grub_trip("", GRUB_LINE "\"\"", GRUB_LINE "\"intel_iommu=on iommu=pt\"");
	grub_trip("", "  " GRUB_LINE "\" quiet  x=1 \"", "  " GRUB_LINE "\" quiet  x=1 intel_iommu=on iommu=pt\"");
	ft_write(m->t, GRUB, "#" GRUB_LINE "\"no\"\n" GRUB_TAIL "\n");
	round_trip("", GRUB, "#" GRUB_LINE "\"no\"\n" GRUB_TAIL "\n" GRUB_LINE "\"intel_iommu=on iommu=pt\"\n");
}

static void only_what_lacks(void **state)
{
	(void)state;
	m = intel_old();
	grub_trip("", GRUB_LINE "\"quiet iommu=pt\"", GRUB_LINE "\"quiet iommu=pt intel_iommu=on\"");
	grub_trip("", GRUB_LINE "\"quiet intel_iommu=off\"", GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
	grub_trip("", GRUB_LINE "\"intel_iommu=off,sm_on iommu=pt\"", GRUB_LINE "\"intel_iommu=sm_on iommu=pt intel_iommu=on\"");
	grub_trip("", GRUB_LINE "\"iommu=off quiet intel_iommu=sm_on,on\"", GRUB_LINE "\"quiet intel_iommu=sm_on,on iommu=pt\"");
	grub_trip("", GRUB_LINE "\"intel_iommu=on iommu.passthrough=1\"", GRUB_LINE "\"intel_iommu=on iommu.passthrough=1\"");
}

/* A kernel that has it on needs nothing. */
static void a_kernel_with_the_default(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	shell("echo CONFIG_INTEL_IOMMU_DEFAULT_ON=y >>%s/boot/config-6.8.12-4-pve", m->t->path);
	grub_trip("", GRUB_LINE "\"quiet\"", GRUB_LINE "\"quiet iommu=pt\"");
	shell("echo CONFIG_IOMMU_DEFAULT_PASSTHROUGH=y >>%s/boot/config-6.8.12-4-pve", m->t->path);
	grub_trip("", GRUB_LINE "\"quiet\"", GRUB_LINE "\"quiet\"");
	/* The one that boots next may be another. */
	shell("cd %s && mkdir lib/modules/6.9.1 && touch lib/modules/6.9.1/modules.dep && echo CONFIG_X=y >boot/config-6.9.1", m->t->path);
	grub_trip("", GRUB_LINE "\"quiet\"", GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
}

/* What is set there last is where it counts. */
static void grub_with_drop_ins(void **state)
{
	(void)state;
	m = intel_old();
	grub_set(m, GRUB_LINE "\"quiet\"");
	ft_write(m->t, "etc/default/grub.d/a.cfg", "GRUB_TIMEOUT=1\n");
	ft_write(m->t, "etc/default/grub.d/b.cfg", "# ours\n" GRUB_LINE "\"splash\"\n");
	ft_write(m->t, "etc/default/grub.d/c.cfg", "GRUB_CMDLINE_LINUX_DEFAULT+=\" iommu=pt\"\n");
	round_trip("", "etc/default/grub.d/b.cfg", "# ours\n" GRUB_LINE "\"splash intel_iommu=on\"\n");
	ft_write(m->t, "etc/default/grub.d/b.cfg", GRUB_LINE "\"$GRUB_CMDLINE_LINUX_DEFAULT splash\"\n");
	round_trip("", "etc/default/grub.d/b.cfg", GRUB_LINE "\"$GRUB_CMDLINE_LINUX_DEFAULT splash intel_iommu=on\"\n");
	ft_remove(m->t, "etc/default/grub.d/b.cfg");
	round_trip("", "etc/default/grub.d/c.cfg", "GRUB_CMDLINE_LINUX_DEFAULT+=\" iommu=pt\"\n");
	round_trip("", GRUB, GRUB_HEAD GRUB_LINE "\"quiet intel_iommu=on\"\n" GRUB_TAIL "\n");
	runs(m, "", 0);
	has("--- a/etc/default/grub\n");
}

static void systemd_boot_on_zfs(void **state)
{
	(void)state;
	m = machine_begin("amd-desktop");
	round_trip("", KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs amd_iommu=on iommu=pt\n");
	has("nothing to undo");
	ft_write(m->t, KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	round_trip("", KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=pt\n");
	runs(m, "", 0);
	has("/etc/kernel/cmdline counts: root=ZFS=rpool/ROOT/pve-1 boot=zfs");
	has("proxmox-boot-tool refresh: kernels, initramfs and boot entries are read from the EFI partitions");
	hasnt("update-grub");
	/* Without an end, with one of Windows, with blanks. */
	ft_write(m->t, KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs");
	round_trip("", KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=pt");
	ft_write(m->t, KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs\r\n");
	round_trip("", KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=pt\r\n");
	ft_write(m->t, KERNEL, " root=ZFS=rpool/ROOT/pve-1  boot=zfs amd_iommu=off \n\n");
	round_trip("", KERNEL, " root=ZFS=rpool/ROOT/pve-1  boot=zfs iommu=pt\n\n");
}

/* Both loaders' files are there: the one that booted counts, the other stays. */
static void both_present(void **state)
{
	(void)state;
	m = machine_begin("amd-desktop");
	ft_write(m->t, KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	ft_write(m->t, GRUB, GRUB_LINE "\"quiet\"\n");
	round_trip("", GRUB, GRUB_LINE "\"quiet\"\n");
	round_trip("", KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=pt\n");
	/* GRUB booted, kept by proxmox-boot-tool. */
	shell("rm %s/sys/firmware/efi/efivars/Loader*", m->t->path);
	ft_write(m->t, "proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.14.11-4-pve root=ZFS=/ROOT/pve-1 ro root=ZFS=rpool/ROOT/pve-1 boot=zfs quiet\n");
	round_trip("", KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	round_trip("", GRUB, GRUB_LINE "\"quiet iommu=pt\"\n");
	programs_put(m);
	runs(m, "--apply --yes --programs", 0);
	assert_string_equal(ft_read(m->t, "run/called"), "update-grub \nproxmox-boot-tool refresh");
}

static void refuses(const char *args, const char *text)
{
	char *before = world(m, NOTHING), apply[128];

	runs(m, args, 1);
	has(text);
	snprintf(apply, sizeof(apply), "--apply --yes %s", args);
	runs(m, apply, 1);
	has("nothing was done: ");
	has(text);
	same(m, before, NOTHING, "refused");
	free(before);
}

static void in_doubt_nothing_is_done(void **state)
{
	(void)state;
	m = machine_begin("amd-desktop");
	ft_write(m->t, GRUB, GRUB_LINE "\"quiet\"\n");
	shell("rm %s/sys/firmware/efi/efivars/Loader*", m->t->path);
	ft_write(m->t, "proc/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	refuses("", "one cannot see which boot loader booted this host");
	ft_write(m->t, "proc/cmdline", "initrd=\\EFI\\proxmox\\x root=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	ft_write(m->t, KERNEL, "root=ZFS=rpool/ROOT/pve-1 boot=zfs\niommu=pt\n");
	refuses("", "/etc/kernel/cmdline:2: the file has 2 lines, of which only the first counts");
	ft_write(m->t, KERNEL, "\nroot=ZFS=rpool/ROOT/pve-1 boot=zfs\n");
	refuses("", "/etc/kernel/cmdline:1: the first line has no root=");
	ft_write(m->t, KERNEL, "quiet\n");
	refuses("", "/etc/kernel/cmdline:1: the first line has no root=");
	ft_remove(m->t, KERNEL);
	refuses("", "/etc/kernel/cmdline cannot be read: No such file or directory");
	ft_remove(m->t, "etc/kernel/proxmox-boot-uuids");
	refuses("", "the kernel's EFI stub booted this host, of which pvebind does not know");
}

/* Where the file cannot be told, the running kernel's own command line can, and does not keep the rest from being done. */
static void what_the_running_kernel_has_is_enough(void **state)
{
	(void)state;
	m = machine_begin("amd-desktop");
	shell("rm %s/sys/firmware/efi/efivars/Loader*", m->t->path);
	ft_remove(m->t, "etc/kernel/proxmox-boot-uuids");
	for (size_t i = 0; i < 2; i++) {
		ft_write(m->t, "proc/cmdline", i ? "root=/dev/sda2 quiet iommu=pt\n" : "initrd=\\EFI\\x root=/dev/sda2 quiet iommu=pt\n");
		runs(m, "--apply --yes", 0);
		assert_true(ft_exists(m->t, MODULES));
		runs(m, "--undo", 0);
		ft_write(m->t, "proc/cmdline", i ? "root=/dev/sda2 quiet\n" : "initrd=\\EFI\\x root=/dev/sda2 quiet\n");
		refuses("", "by hand, boot, and try again");
	}
	ft_write(m->t, "proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.14.11-4-pve root=/dev/sda2 quiet\n");
	ft_write(m->t, GRUB, ". /etc/mine\n" GRUB_LINE "\"quiet\"\n");
	refuses("", "/etc/default/grub:1: what it comes to is for a shell to tell: edit it by hand, boot, and try again");
	ft_write(m->t, "proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.14.11-4-pve root=/dev/sda2 quiet iommu=pt\n");
	runs(m, "--apply --yes", 0);
	assert_string_equal(ft_read(m->t, GRUB), ". /etc/mine\n" GRUB_LINE "\"quiet\"");
}

static void lines_that_cannot_be_parsed(void **state)
{
	static const char *const lines[][2] = {
		{ GRUB_LINE "\"quiet \\\nsplash\"", "its value does not end in the same line" },
		{ GRUB_LINE "\"quiet\nsplash\"", "its value does not end in the same line" },
		{ GRUB_LINE "\"quiet\"\" splash\"", "more than a comment follows its value" },
		{ GRUB_LINE "quiet\" splash\"", "more than a comment follows its value" },
		{ GRUB_LINE "\"quiet x=\\\"a\\\"\"", "its value has a backslash" },
		{ "GRUB_TIMEOUT=3 " GRUB_LINE "\"quiet\"", "it does not begin with" },
		{ "export " GRUB_LINE "\"quiet\"", "it does not begin with" },
		{ GRUB_LINE "\"quiet\"; true", "more than a comment follows its value" },
		{ GRUB_LINE "\"quiet\" \r", "what it comes to is for a shell to tell" },
		{ "if [ -e /x ]; then " GRUB_LINE "\"quiet\"; fi", "what it comes to is for a shell to tell" },
		{ GRUB_LINE "\"$(cat /x)\"", "what it comes to is for a shell to tell" },
		{ GRUB_LINE "\"`cat /x`\"", "what it comes to is for a shell to tell" },
		{ "[ -e /x ] && " GRUB_LINE "\"quiet\"", "what it comes to is for a shell to tell" },
		{ ". /etc/default/mine\n" GRUB_LINE "\"quiet\"", "what it comes to is for a shell to tell" },
	};

	(void)state;
	m = intel_old();
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		grub_set(m, lines[i][0]);
		refuses("", lines[i][1]);
		refuses("", "/etc/default/grub:7");
	}
	grub_set(m, GRUB_LINE "\"quiet\"");
	replace(m, GRUB, "GRUB_CMDLINE_LINUX=\"\"", "GRUB_CMDLINE_LINUX=\"iommu=off\"");
	refuses("", "/etc/default/grub:8: iommu=off stands where pvebind changes nothing: take it out by hand");
}

/* ---- a mess ------------------------------------------------------------------------------- */

static void a_mess_is_kept_as_it_is(void **state)
{
	(void)state;
	m = intel_old();
	/* Windows line ends, which the shell takes into the value. */
	ft_write(m->t, GRUB, "# mine\r\n" GRUB_LINE "\"quiet\"\r\nGRUB_TIMEOUT=5\r\n");
	round_trip("", GRUB, "# mine\r\n" GRUB_LINE "\"quiet intel_iommu=on iommu=pt \"\r\nGRUB_TIMEOUT=5\r\n");
	ft_write(m->t, GRUB, GRUB_LINE "quiet\r\n");
	round_trip("", GRUB, GRUB_LINE "\"quiet intel_iommu=on iommu=pt \"\r\n");
	ft_write(m->t, GRUB, "GRUB_TIMEOUT=5\r\n");
	round_trip("", GRUB, "GRUB_TIMEOUT=5\r\n" GRUB_LINE "\"intel_iommu=on iommu=pt \"\r\n");
	/* No newline at the end; bytes that are no UTF-8. */
	ft_write(m->t, GRUB, "# Gr\xfc\xdf" "e\n" GRUB_LINE "\"quiet\"");
	round_trip("", GRUB, "# Gr\xfc\xdf" "e\n" GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
	ft_write(m->t, GRUB, "GRUB_TIMEOUT=5");
	round_trip("", GRUB, "GRUB_TIMEOUT=5\n" GRUB_LINE "\"intel_iommu=on iommu=pt\"\n");
	ft_write(m->t, GRUB, "");
	round_trip("", GRUB, GRUB_LINE "\"intel_iommu=on iommu=pt\"\n");
	/* Set twice: the last counts. */
	ft_write(m->t, GRUB, GRUB_LINE "\"one\"\n\n" GRUB_LINE "\"two\"\n");
	round_trip("", GRUB, GRUB_LINE "\"one\"\n\n" GRUB_LINE "\"two intel_iommu=on iommu=pt\"\n");
}

static void doubled_and_left_over(void **state)
{
	(void)state;
	m = intel_old();
	initramfs_made(m);
	ft_write(m->t, "etc/modules", "# mine\nvfio\nvfio_iommu_type1\nvfio_pci\nvfio_virqfd\nloop\n");
	ft_mkdir(m->t, "etc/initramfs-tools");
	ft_write(m->t, "etc/initramfs-tools/modules", "vfio_virqfd\nvfio-pci");
	grub_trip("", GRUB_LINE "\"quiet quiet iommu=pt amd_iommu=on intel_iommu=on iommu=pt video=efifb:off\"",
		  GRUB_LINE "\"quiet quiet iommu=pt amd_iommu=on intel_iommu=on iommu=pt video=efifb:off\"");
	runs(m, "", 0);
	has("Nothing to do");
	has("/etc/default/grub:7: iommu=pt: it stands there twice");
	has("amd_iommu=on: it is no option that the kernel knows");
	has("video=efifb:off: a last resort of old kernels");
	has("/etc/modules:5: vfio_virqfd: there is no such module since Linux 6.2");
	has("/etc/initramfs-tools/modules:1: vfio_virqfd");
	grub_trip("--clean", GRUB_LINE "\"quiet quiet iommu=pt amd_iommu=on intel_iommu=on iommu=pt video=efifb:off\"",
		  GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
	round_trip("--clean", "etc/modules", "# mine\nvfio\nvfio_iommu_type1\nvfio_pci\nloop\n");
	round_trip("--clean", "etc/initramfs-tools/modules", "vfio-pci");
	runs(m, "--clean", 0);
	has("update-initramfs -u -k all");
	has("update-grub");
}

static void order_of_options_stays(void **state)
{
	(void)state;
	m = intel_old();
	/* The last counts: of what is doubled, that one stays. */
	grub_trip("--clean", GRUB_LINE "\"intel_iommu=on intel_iommu=sm_off intel_iommu=on iommu=pt\"",
		  GRUB_LINE "\"intel_iommu=sm_off intel_iommu=on iommu=pt\"");
	grub_trip("--clean", GRUB_LINE "\"console=tty0 console=ttyS0 console=tty0 intel_iommu=on iommu=pt\"",
		  GRUB_LINE "\"console=tty0 console=ttyS0 console=tty0 intel_iommu=on iommu=pt\"");
}

static void modules_as_people_have_them(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	ft_write(m->t, "etc/modules", "vfio\n  vfio_pci # mine");
	round_trip("", MODULES, "# Passing PCI devices to VMs. By 'pvebind setup'; 'pvebind setup --undo' takes it back.\nvfio_iommu_type1\n");
	ft_write(m->t, "etc/modules-load.d/other.conf", "vfio-iommu-type1\n");
	round_trip("", MODULES, NULL);
	runs(m, "", 0);
	has("Nothing to do");
	/* Ours, with something of somebody's. */
	ft_remove(m->t, "etc/modules-load.d/other.conf");
	ft_write(m->t, MODULES, "loop");
	round_trip("", MODULES, "loop\nvfio_iommu_type1\n");
}

/* Told, as it is not the running system's; and told again, as nothing has come of it. */
static void an_initramfs_that_is_older(void **state)
{
	char *before;

	(void)state;
	m = machine_begin("intel-desktop");
	runs(m, "--apply --yes", 0);
	ft_write(m->t, "etc/modprobe.d/mine.conf", "options kvm ignore_msrs=1\n");
	before = world(m, NOTHING);
	runs(m, "", 0);
	has("/etc/modprobe.d/mine.conf was changed since /boot/initrd.img-6.8.12-4-pve was made");
	has("update-initramfs -u -k all");
	for (int i = 0; i < 2; i++) {
		runs(m, "--apply --yes", 0);
		has("nothing to do here: the commands are for the running system alone");
		same(m, before, NOTHING, "told");
	}
	initramfs_made(m);
	runs(m, "", 0);
	has("Nothing to do.");
	free(before);
}

static void what_may_not_be_written(void **state)
{
	(void)state;
	m = intel_old();
	grub_set(m, GRUB_LINE "\"quiet\"");
	shell("chmod 444 %s/" GRUB, m->t->path);
	refuses("", "/etc/default/grub is read-only, so somebody wants it to stay as it is: chmod u+w /etc/default/grub");
	shell("chmod 640 %s/" GRUB, m->t->path);
	round_trip("", GRUB, NULL);
	/* A link within /etc is followed, and stays one. */
	shell("cd %s/etc && mkdir mine && mv default/grub mine/grub && ln -s ../mine/grub default/grub", m->t->path);
	grub_set(m, GRUB_LINE "\"quiet\"");
	round_trip("", "etc/mine/grub", GRUB_HEAD GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"\n" GRUB_TAIL "\n");
	shell("cd %s && mkdir -p root && mv etc/mine/grub root/grub && ln -sf /root/grub etc/default/grub", m->t->path);
	refuses("", "/etc/default/grub is a link to /root/grub, which may belong to more than this host");
	shell("cd %s && mv root/grub etc/pve/grub && ln -sf ../pve/grub etc/default/grub", m->t->path);
	refuses("", "/etc/default/grub is a link to /etc/pve/grub");
	shell("cd %s && mv etc/pve/grub etc/mine/grub && ln -sf ../../../../../../etc/mine/grub etc/default/grub", m->t->path);
	round_trip("", "etc/mine/grub", GRUB_HEAD GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"\n" GRUB_TAIL "\n");
	shell("cd %s && rm etc/default/grub && cp etc/mine/grub etc/default/grub && printf 'x\\0y\\n' >>etc/default/grub", m->t->path);
	refuses("", "/etc/default/grub has a NUL byte");
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(grub_on_lvm), TEST(quotes_and_comments_stay), TEST(only_what_lacks), TEST(a_kernel_with_the_default),
		TEST(grub_with_drop_ins), TEST(systemd_boot_on_zfs), TEST(both_present), TEST(in_doubt_nothing_is_done), TEST(what_the_running_kernel_has_is_enough),
		TEST(lines_that_cannot_be_parsed), TEST(a_mess_is_kept_as_it_is), TEST(doubled_and_left_over),
		TEST(order_of_options_stays), TEST(modules_as_people_have_them), TEST(an_initramfs_that_is_older), TEST(what_may_not_be_written),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
