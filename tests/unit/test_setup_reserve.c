/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup --reserve and --unreserve, the last resort, and what it shows and leaves alone. */
#include "setuprun.h"

/* What the file says but for its comments. */
static void reserved(const char *expected)
{
	shell("grep -v '^#' %s/" RESERVED " 2>/dev/null", m->t->path);
	assert_string_equal(ran.out, expected);
}

#define CARD "options vfio-pci ids=10de:21c4,10de:1aeb,10de:1aec,10de:1aed"
#define CARD_SOFTDEPS "softdep nouveau pre: vfio-pci\nsoftdep nvidiafb pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n" \
	"softdep xhci_pci pre: vfio-pci\nsoftdep i2c_nvidia_gpu pre: vfio-pci\n"
#define NVIDIA "blacklist nouveau\nblacklist nvidiafb\nblacklist nvidia\nblacklist nvidia_drm\nblacklist nvidia_modeset\nblacklist nvidia_uvm\n"

/* However it is named, it is the whole card. */
static void a_card_and_back(void **state)
{
	static const char *const names[] = { "01:00", "0000:01:00.0", "01:00.1", "10de:21c4", "10DE:1AEB", "01:00.0 01:00.1" };
	char *before, args[128];

	(void)state;
	m = machine_begin("intel-desktop");
	initramfs_made(m);
	runs(m, "--apply --yes", 0);
	before = world(m, RECORDS);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(args, sizeof(args), "--apply --yes --reserve %s", names[i]);
		runs(m, args, 0);
		has("is not the running system: update-initramfs -u -k all");
		has("done: reboot");
		reserved(CARD "\n" CARD_SOFTDEPS NVIDIA);
		runs(m, args, 0);
		has("vfio-pci takes 10de:21c4,10de:1aeb,10de:1aec,10de:1aed at boot, by /etc/modprobe.d/pvebind.conf");
		has("nothing to do");
		snprintf(args, sizeof(args), "--apply --yes --unreserve %s", i % 2 ? names[i] : "");
		runs(m, args, 0);
		assert_false(ft_exists(m->t, RESERVED));
		runs(m, args, 0);
		has("nothing is reserved by pvebind");
		has("nothing to do");
		same(m, before, RECORDS, "unreserve");
	}
	free(before);
}

/* After the boot the card is on vfio-pci, and the plan is the same. */
static void it_stays_the_same_on_vfio(void **state)
{
	(void)state;
	m = machine_begin_with("intel-desktop", "pci 0000:01:00.0 driver=vfio-pci\npci 0000:01:00.1 driver=vfio-pci\npci 0000:01:00.2 driver=vfio-pci\npci 0000:01:00.3 driver=vfio-pci\n");
	runs(m, "--apply --yes --reserve 01:00 --disable-vga", 0);
	reserved(CARD " disable_vga=1\n" CARD_SOFTDEPS NVIDIA);
}

static void more_and_less(void **state)
{
	(void)state;
	m = machine_begin("amd-desktop");
	runs(m, "--apply --yes --reserve 0b:00", 0);
	/* The other NVIDIA card is the host's. */
	has("nouveau and its family are not blacklisted, as 0000:0a:00.0 needs them; they wait for vfio-pci instead");
	reserved("options vfio-pci ids=10de:2482,10de:228b\nsoftdep nouveau pre: vfio-pci\nsoftdep nvidiafb pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n");
	runs(m, "--apply --yes --reserve 0a:00", 0);
	reserved("options vfio-pci ids=10de:2482,10de:228b,10de:1b81,10de:10f0\nsoftdep nouveau pre: vfio-pci\nsoftdep nvidiafb pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n" NVIDIA);
	runs(m, "--apply --yes --unreserve 0b:00", 0);
	has("is not the running system: proxmox-boot-tool refresh");
	reserved("options vfio-pci ids=10de:1b81,10de:10f0\nsoftdep nouveau pre: vfio-pci\nsoftdep nvidiafb pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n");
	runs(m, "--undo", 0);
	assert_false(ft_exists(m->t, RESERVED));
}

#define AMD_CARD "pci 0000:05:00.0 1002:73bf class=030000 group=30 sub=1da2:e437 bar0=256M,64,pref driver=amdgpu\n" \
	"pci 0000:05:00.1 1002:ab28 class=040300 group=30 sub=1002:ab28 bar0=16K driver=snd_hda_intel\n"

/* The processor's graphics is AMD's too, and shows the host's console. */
static void an_amd_card_beside_an_amd_igpu(void **state)
{
	(void)state;
	m = machine_begin_with("apu", AMD_CARD);
	runs(m, "--apply --yes --reserve 05:00", 0);
	has("radeon and its family are not blacklisted, as 0000:04:00.0 needs them");
	reserved("options vfio-pci ids=1002:73bf,1002:ab28\nsoftdep amdgpu pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n");
}

static void an_amd_card_alone(void **state)
{
	(void)state;
	m = machine_begin_with("intel-desktop", AMD_CARD);
	runs(m, "--apply --yes --reserve 05:00", 0);
	hasnt("not blacklisted");
	reserved("options vfio-pci ids=1002:73bf,1002:ab28\nsoftdep amdgpu pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\nblacklist radeon\nblacklist amdgpu\n");
}

static void one_of_two_identical_cards(void **state)
{
	(void)state;
	m = machine_begin_with("intel-desktop", "pci 0000:05:00.0 10de:21c4 class=030000 group=30 sub=1043:877f bar0=16M driver=nouveau\n");
	apply_refuses("--reserve 01:00", "0000:01:00.0 cannot be reserved by its id 10de:21c4, as 0000:05:00.0, which the host keeps, has the same: pvebind lends it by its address when a VM starts");
	apply_refuses("--reserve 10de:21c4", "10de:21c4 is the id of several devices");
	runs(m, "--reserve 01:00 05:00", 0);
	has("+options vfio-pci ids=10de:21c4,10de:1aeb,10de:1aec,10de:1aed\n");
}

/* The makers' numbers of the boards tell them apart. */
static void two_cards_of_two_makers(void **state)
{
	(void)state;
	m = machine_begin_with("intel-desktop", "pci 0000:05:00.0 10de:21c4 class=030000 group=30 sub=1462:1234 bar0=16M driver=nouveau\n");
	runs(m, "--apply --yes --reserve 01:00", 0);
	shell("grep ^options %s/" RESERVED, m->t->path);
	assert_string_equal(ran.out, "options vfio-pci ids=10de:21c4:1043:877f,10de:1aeb,10de:1aec,10de:1aed\n");
	runs(m, "--apply --yes --unreserve 01:00.0", 0);
	assert_false(ft_exists(m->t, RESERVED));
}

static void what_the_host_lives_on(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	apply_refuses("--reserve 00:17.0", "0000:00:17.0 cannot be reserved, the host lives on it: ");
	apply_refuses("--reserve 03:00", "0000:03:00.0 cannot be reserved, the host lives on it: ");
	apply_refuses("--reserve 01:00 00:17", "the host lives on it");
	apply_refuses("--reserve 1f:00", "there is no device 1f:00 here (pvebind list shows all)");
	apply_refuses("--reserve 1234:5678", "there is no device 1234:5678 here");
	apply_refuses("--reserve", "which device? Write its address or id behind --reserve");
}

static void the_last_screen(void **state)
{
	(void)state;
	m = machine_begin("single-gpu");
	ft_remove(m->t, "proc/net/tcp");
	ft_remove(m->t, "proc/net/tcp6");
	ft_remove(m->t, "proc/consoles");
	apply_refuses("--reserve 01:00", "0000:01:00.0 cannot be reserved: it is the host's only screen, and nothing listens for ssh or the web interface");
}

static void a_driver_that_is_built_in(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	shell("cd %s/lib/modules/6.8.12-4-pve && echo kernel/drivers/gpu/drm/nouveau/nouveau.ko >>modules.builtin", m->t->path);
	apply_refuses("--reserve 01:00", "0000:01:00.0 cannot be reserved: its driver, nouveau, is built into the kernel 6.8.12-4-pve, and takes it before vfio-pci can");
	ft_remove(m->t, "lib/modules/6.8.12-4-pve/modules.builtin");
	shell("cd %s/lib/modules/6.8.12-4-pve && echo kernel/drivers/usb/host/xhci-pci.ko >>modules.builtin", m->t->path);
	runs(m, "--reserve 01:00", 0);
	has("0000:01:00.2 stays with its driver, xhci_pci, which is built into the kernel 6.8.12-4-pve, until a VM starts");
	hasnt("softdep xhci_pci");
}

/* It reads no modprobe.d then. */
static void vfio_that_is_built_in(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	runs(m, "--apply --yes --reserve 01:00 00:16.0", 0);
	shell("cd %s/lib/modules/6.8.12-4-pve && echo kernel/drivers/vfio/pci/vfio-pci.ko >>modules.builtin", m->t->path);
	apply_refuses("--reserve 00:14.0", "vfio-pci is built into the kernel 6.8.12-4-pve, and takes ids from the kernel command line alone: put vfio-pci.ids= there by hand");
	/* To give back goes all the same. */
	runs(m, "--apply --yes --unreserve 00:16.0", 0);
	reserved(CARD "\n" CARD_SOFTDEPS NVIDIA);
	runs(m, "--apply --yes --unreserve", 0);
	assert_false(ft_exists(m->t, RESERVED));
}

static void a_virtual_function(void **state)
{
	(void)state;
	m = machine_begin("sriov-nic");
	apply_refuses("--reserve 86:00.1", "is a virtual function, which is there only after the boot");
}

static void other_lists_of_ids(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	ft_write(m->t, "etc/modprobe.d/vfio.conf", "# mine\noptions vfio-pci disable_idle_d3=1 ids=8086:1572\n");
	apply_refuses("--reserve 01:00", "/etc/modprobe.d/vfio.conf:2 has ids for vfio-pci already, and the kernel keeps only one list of them");
	ft_remove(m->t, "etc/modprobe.d/vfio.conf");
	replace(m, GRUB, "quiet", "quiet vfio-pci.ids=8086:1572");
	apply_refuses("--reserve 01:00", "/etc/default/grub:7 has vfio-pci.ids=");
}

static void a_file_of_ours_that_is_not(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	ft_write(m->t, RESERVED, "options vfio-pci ids=10de:21c4\n");
	apply_refuses("--reserve 01:00", "/etc/modprobe.d/pvebind.conf is there, and pvebind did not write it so: move it away, and try again");
	ft_remove(m->t, RESERVED);
	runs(m, "--apply --yes --reserve 01:00", 0);
	replace(m, RESERVED, "blacklist nouveau\n", "");
	apply_refuses("--unreserve", "pvebind did not write it so");
	runs(m, "--undo", 1);
	has("/etc/modprobe.d/pvebind.conf was edited since");
}

/* ---- the last resort --------------------------------------------------------------------------- */

#define RESCUE " nofb nomodeset video=efifb:off video=simplefb:off initcall_blacklist=sysfb_init"

static void the_last_resort(void **state)
{
	char *before;

	(void)state;
	m = machine_begin("single-gpu");
	before = world(m, NOTHING);
	runs(m, "--apply --yes --rescue-framebuffer", 0);
	has("the last resort: from the next boot on the host may show nothing at all on 0000:01:00.0");
	has("It belongs on the host alone, never into the guest");
	file_has(GRUB, RESCUE "\"");
	runs(m, "--apply --yes --rescue-framebuffer", 0);
	has("nothing to do");
	/* Later it is what is left over. */
	runs(m, "", 0);
	has("nomodeset: a last resort of old kernels");
	runs(m, "--apply --yes --clean", 0);
	file_hasnt(GRUB, "nofb");
	runs(m, "--undo", 0);
	same(m, before, NOTHING, "undo");
	free(before);
}

static void the_last_resort_only_where_it_may_help(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	apply_refuses("--rescue-framebuffer", "--rescue-framebuffer would not help: the host's console does not sit on that card");
	apply_refuses("--rescue-framebuffer 03:00", "no VM names one: name the card behind it");
	ft_remove(m->t, "etc/pve/nodes/pve1/qemu-server/100.conf");
	apply_refuses("--rescue-framebuffer", "is for a graphics card that a VM gets, and no VM names one");
	runs(m, "--rescue-framebuffer 00:02.0", 0);
	has("+" GRUB_LINE);
}

/* ---- what is shown, and left alone ---------------------------------------------------------------- */

static void what_fights_is_shown(void **state)
{
	char *before;

	(void)state;
	m = machine_begin("intel-desktop");
	initramfs_made(m);
	runs(m, "--apply --yes", 0);
	ft_write(m->t, "etc/modprobe.d/vfio.conf", "# by a guide\noptions vfio-pci ids=10de:21c4,10de:1aeb disable_vga=1\nsoftdep nouveau pre: vfio-pci\n");
	ft_write(m->t, "etc/modprobe.d/blacklist.conf", "blacklist nouveau\nblacklist radeon\nblacklist snd_hda_intel\n");
	replace(m, GRUB, "quiet", "quiet modprobe.blacklist=i915");
	before = world(m, NOTHING);
	runs(m, "--clean", 0);
	has("/etc/modprobe.d/vfio.conf:2: ids=10de:21c4,10de:1aeb: vfio-pci takes these devices at boot");
	has("/etc/modprobe.d/vfio.conf:3: softdep nouveau pre: vfio-pci: vfio-pci is loaded before this driver");
	has("/etc/modprobe.d/blacklist.conf:1: blacklist nouveau: 0000:01:00.0 has no driver left to come home to");
	has("/etc/modprobe.d/blacklist.conf:3: blacklist snd_hda_intel: 0000:01:00.1 has no driver left");
	hasnt("radeon");
	has("/etc/default/grub:7: modprobe.blacklist=i915: it keeps devices or drivers from the host");
	runs(m, "--apply --yes --clean", 0);
	has("nothing to do");
	same(m, before, NOTHING, "shown");
	free(before);
}

/* Proxmox VE's own blacklist is no news. */
static void nothing_fights(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	runs(m, "", 0);
	hasnt("Against lending");
	hasnt("Left over");
	runs(m, "--apply --yes --reserve 01:00", 0);
	runs(m, "", 0);
	hasnt("Against lending");
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_card_and_back), TEST(it_stays_the_same_on_vfio), TEST(more_and_less), TEST(an_amd_card_beside_an_amd_igpu),
		TEST(an_amd_card_alone), TEST(one_of_two_identical_cards), TEST(two_cards_of_two_makers), TEST(what_the_host_lives_on),
		TEST(the_last_screen), TEST(a_driver_that_is_built_in), TEST(vfio_that_is_built_in), TEST(a_virtual_function), TEST(other_lists_of_ids),
		TEST(a_file_of_ours_that_is_not), TEST(the_last_resort), TEST(the_last_resort_only_where_it_may_help),
		TEST(what_fights_is_shown), TEST(nothing_fights),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
