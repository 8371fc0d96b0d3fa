/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup --reserve: which functions belong together, and what else cannot be reserved. */
#include "setuprun.h"

/* Which ids it would write. */
static void reserves(const char *args, const char *ids)
{
	char text[256];

	runs(m, args, 0);
	snprintf(text, sizeof(text), "+options vfio-pci ids=%s\n", ids);
	has(text);
}

/* ---- slots --------------------------------------------------------------------------------- */

/* A processor's graphics, each function in a group of its own: the host keeps its USB and its sound. */
static void behind_a_bridge(void **state)
{
	(void)state;
	m = machine_begin("apu");
	for (size_t i = 0; i < 2; i++) {
		reserves(i ? "--reserve 04:00.1" : "--reserve 04:00.0", "1002:15e7,1002:1637");
		has("with 0000:04:00.0 the host also loses 0000:04:00.1 (snd_hda_intel): of the same card, though in another IOMMU group");
		has("of the slot of 0000:04:00.0 is left out, and stays with the host: 0000:04:00.2 (ccp), 0000:04:00.3 (xhci_hcd), 0000:04:00.4 (xhci_hcd), "
		    "0000:04:00.6 (snd_hda_intel), as its IOMMU group is another: name it too if it is to go along");
	}
	/* In one group there is nothing to tell. */
	machine_free(m, false);
	m = machine_begin("intel-desktop");
	reserves("--reserve 01:00.3", "10de:21c4,10de:1aeb,10de:1aec,10de:1aed");
	hasnt("the host also loses");
	hasnt("is left out");
}

#define ON_ROOT(groups) "pci 0000:00:05.0 1002:9874 class=030000 " groups " type=pci driver=amdgpu\n" \
	"pci 0000:00:05.1 1002:9840 class=040300 type=pci driver=snd_hda_intel "

#define TWO_OF_ROOT "pci 0000:00:05.0 8086:a0ed class=0c0330 group=40 type=pci driver=xhci_hcd module=xhci_pci\n" \
	"pci 0000:00:05.3 8086:a0f0 class=028000 group=41 type=pci driver=iwlwifi\n"

static void on_a_root_bus(void **state)
{
	(void)state;
	m = machine_begin_with("intel-desktop", ON_ROOT("group=40") "group=40\n");
	reserves("--reserve 00:05.0", "1002:9874,1002:9840");
	hasnt("is left out");
	machine_free(m, false);
	m = machine_begin_with("intel-desktop", ON_ROOT("group=40") "group=41\n");
	reserves("--reserve 00:05.0", "1002:9874,1002:9840");
	has("with 0000:00:05.0 the host also loses 0000:00:05.1 (snd_hda_intel): of the same card, though in another IOMMU group");
	hasnt("is left out");
	machine_free(m, false);
	m = machine_begin_with("intel-desktop", TWO_OF_ROOT);
	reserves("--reserve 00:05.0", "8086:a0ed");
	has("of the slot of 0000:00:05.0 is left out, and stays with the host: 0000:00:05.3 (iwlwifi), as its IOMMU group is another: name it too if it is to go along");
	/* Both named, or the slot. */
	reserves("--reserve 00:05.0 00:05.3", "8086:a0ed,8086:a0f0");
	hasnt("is left out");
	reserves("--reserve 00:05", "8086:a0ed,8086:a0f0");
	hasnt("is left out");
	reserves("--reserve 8086:a0f0", "8086:a0f0");
	has("of the slot of 0000:00:05.3 is left out, and stays with the host: 0000:00:05.0 (xhci_hcd)");
}

/* The IOMMU is yet to be switched on: the maker tells, but not on a root bus. */
#define NO_GROUPS ON_ROOT("") "\npci 0000:00:05.2 1002:7316 class=0c0330 type=pci driver=xhci_hcd module=xhci_pci\n" \
	"pci 0000:00:06.0 1022:1634 class=060400 type=root-port secondary=09 driver=pcieport\n" \
	"pci 0000:09:00.0 1002:7550 class=038000 parent=0000:00:06.0 driver=amdgpu\n" \
	"pci 0000:09:00.2 1002:7444 class=0c0330 parent=0000:00:06.0 driver=xhci_hcd module=xhci_pci\n" \
	"pci 0000:09:00.3 1022:1639 class=0c0330 parent=0000:00:06.0 driver=xhci_hcd module=xhci_pci\n"

static void without_groups(void **state)
{
	(void)state;
	m = machine_begin_with("no-iommu", NO_GROUPS);
	shell("ls -d %s/sys/bus/pci/devices/*/iommu_group 2>/dev/null", m->t->path);
	assert_int_not_equal(ran.status, 0);
	reserves("--reserve 00:05.0", "1002:9874,1002:9840");
	has("of the slot of 0000:00:05.0 is left out, and stays with the host: 0000:00:05.2 (xhci_hcd), as without IOMMU groups it cannot be seen whether it belongs to it");
	reserves("--reserve 09:00.0", "1002:7550,1002:7444");
	has("of the slot of 0000:09:00.0 is left out, and stays with the host: 0000:09:00.3 (xhci_hcd)");
}

/* ---- virtual functions ------------------------------------------------------------------------ */

static void one_that_has_virtual_functions(void **state)
{
	(void)state;
	m = machine_begin("sriov-nic");
	apply_refuses("--reserve 86:00.0", "0000:86:00.0 cannot be reserved: it has 4 virtual functions, which would be gone with it: let VMs have those (pvebind lends one when a VM starts), or first give them up for good: echo 0 > /sys/bus/pci/devices/0000:86:00.0/sriov_numvfs, and whatever makes them at boot");
	apply_refuses("--reserve 15b3:1017", "0000:86:00.0 cannot be reserved: it has 4 virtual functions");
	apply_refuses("--reserve 86:00", "0000:86:00.0 cannot be reserved: it has 4 virtual functions");
	apply_refuses("--reserve 86:00.1", "0000:86:00.1 is a virtual function");
	/* While the kernel makes them. */
	shell("rm %s/sys/bus/pci/devices/0000:86:00.0/virtfn*", m->t->path);
	apply_refuses("--reserve 86:00.0", "0000:86:00.0 cannot be reserved: it has 4 virtual functions");
}

/* ---- what is built in ---------------------------------------------------------------------------- */

/* Whichever kernel boots next: each has an initramfs that is made anew. */
static void built_into_another_kernel(void **state)
{
	static const char *const releases[] = { "6.5.13-6-pve", "6.9.1-1-pve" };

	(void)state;
	m = machine_begin("intel-desktop");
	for (size_t i = 0; i < sizeof(releases) / sizeof(*releases); i++) {
		char text[256];

		shell("cd %s/lib/modules && mkdir %s && touch %s/modules.dep && echo kernel/drivers/gpu/drm/nouveau/nouveau.ko >%s/modules.builtin",
		      m->t->path, releases[i], releases[i], releases[i]);
		snprintf(text, sizeof(text), "0000:01:00.0 cannot be reserved: its driver, nouveau, is built into the kernel %s, and takes it before vfio-pci can",
			 releases[i]);
		apply_refuses("--reserve 01:00", text);
		shell("echo kernel/drivers/vfio/pci/vfio-pci.ko >%s/lib/modules/%s/modules.builtin", m->t->path, releases[i]);
		snprintf(text, sizeof(text), "vfio-pci is built into the kernel %s, and takes ids from the kernel command line alone", releases[i]);
		apply_refuses("--reserve 01:00", text);
		/* What a removed kernel has left behind. */
		shell("rm %s/lib/modules/%s/modules.dep", m->t->path, releases[i]);
		reserves("--reserve 01:00", "10de:21c4,10de:1aeb,10de:1aec,10de:1aed");
	}
}

/* One is given back, whatever came to be built in beside another that stays. */
static void given_back_beside_one_that_stays(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	runs(m, "--apply --yes --reserve 01:00", 0);
	runs(m, "--apply --yes --reserve 00:1f.3", 0);
	shell("cd %s/lib/modules && mkdir 6.9.1-1-pve && touch 6.9.1-1-pve/modules.dep && echo kernel/drivers/gpu/drm/nouveau/nouveau.ko >6.9.1-1-pve/modules.builtin",
	      m->t->path);
	runs(m, "--apply --yes --unreserve 00:1f.3", 0);
	has("0000:01:00.0 stays with its driver, nouveau, which is built into the kernel 6.9.1-1-pve, until a VM starts");
	file_has(RESERVED, "options vfio-pci ids=10de:21c4,10de:1aeb,10de:1aec,10de:1aed\n");
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(behind_a_bridge), TEST(on_a_root_bus), TEST(without_groups), TEST(one_that_has_virtual_functions),
		TEST(built_into_another_kernel), TEST(given_back_beside_one_that_stays),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
