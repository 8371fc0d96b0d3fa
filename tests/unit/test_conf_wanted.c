/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an id or a mapping to the one device that is meant. */
#include "conf/made.h"

/* ---- ids --------------------------------------------------------------------------------- */

static void two_cards_of_an_id_are_ambiguous(void **state)
{
	struct root *root = *state;
	struct made made;

	match_id(root, "10de:24b0");
	made = good(root);
	refused(&made, "ambiguous",
		"device a: 0000:01:00 and 0000:02:00 have the id 10de:24b0: name one by its address with match in /etc/pve/pvebind.ini:2");
	made_clear(&made);
	root_function(root, "0000:03:00.0", "0000:00:03.0", "10de:24b0:1043:8866", 17);
	made = good(root);
	refused(&made, "ambiguous", "0000:01:00 and 0000:02:00 (and 1 more) have the id");
	made_clear(&made);
}

static void a_card_is_its_slot(void **state)
{
	struct root *root = *state;
	struct made made;

	match_id(root, "10de:228b"); /* its sound */
	made = good(root);
	wants(&made, "0000:01:00");
	made_clear(&made);
	/* Two ports of one network card. */
	root_function(root, "0000:03:00.0", "0000:00:03.0", "8086:1572:8086:0001", 17);
	root_function(root, "0000:03:00.1", "0000:00:03.0", "8086:1572:8086:0001", 18);
	match_id(root, "8086:1572");
	made = good(root);
	wants(&made, "0000:03:00");
	made_clear(&made);
}

static void a_function_of_the_root_bus_is_alone(void **state)
{
	struct root *root = *state;
	struct made made;

	root_function(root, "0000:00:14.0", NULL, "8086:a0ed:0000:0000", 4);
	root_function(root, "0000:00:14.3", NULL, "8086:a0f0:0000:0000", 5);
	match_id(root, "8086:a0f0");
	made = good(root);
	wants(&made, "0000:00:14.3");
	made_clear(&made);
}

static void vfs_are_devices_of_their_own(void **state)
{
	struct root *root = *state;
	struct made made;

	root_function(root, "0000:05:00.0", "0000:00:05.0", "15b3:1017:0000:0000", 30);
	root_function(root, "0000:05:00.1", "0000:00:05.0", "15b3:1018:0000:0000", 31);
	root_link(root, "sys/devices/pci0000:00/0000:00:05.0/0000:05:00.1/physfn", "../0000:05:00.0");
	match_id(root, "15b3:1018");
	made = good(root);
	wants(&made, "0000:05:00.1");
	made_clear(&made);
	root_function(root, "0000:05:00.2", "0000:00:05.0", "15b3:1018:0000:0000", 32);
	root_link(root, "sys/devices/pci0000:00/0000:00:05.0/0000:05:00.2/physfn", "../0000:05:00.0");
	made = good(root);
	refused(&made, "ambiguous", "0000:05:00.1 and 0000:05:00.2 have the id 15b3:1018");
	made_clear(&made);
}

static void subsystems_tell_cards_apart(void **state)
{
	struct root *root = *state;
	struct made made;

	root_function(root, "0000:03:00.0", "0000:00:03.0", "10de:24b0:1458:4000", 17);
	match_id(root, "10de:24b0:1458:4000");
	made = good(root);
	wants(&made, "0000:03:00");
	made_clear(&made);
}

/* ---- mappings ------------------------------------------------------------------------------- */

#define TWO_CARDS \
	"gpu\n\tmap node=pve1,path=0000:01:00,id=10de:24b0,subsystem-id=1043:8866,iommugroup=15\n" \
	"\tmap node=pve1,path=0000:02:00.0,id=10de:24b0,subsystem-id=1043:8866,iommugroup=16\n"

static void a_mapping_is_expected(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: mapping=gpu\n");
	root_put(root, CFG,
		 "gpu\n\tmap node=pve1,path=0000:01:00.0;0000:01:00.1,id=10de:24b0,subsystem-id=1043:8866,iommugroup=15\n");
	made = good(root);
	wants(&made, "0000:01:00.0 0000:01:00.1");
	assert_int_equal(made.request.wanted[1].expect_device, 0x24b0);
	assert_int_equal(made.request.wanted[1].expect_subdevice, 0x8866);
	assert_int_equal(made.request.refusals.n, 0);
	made_clear(&made);
}

static void mappings_are_taken_by_name_too(void **state)
{
	struct root *root = *state;
	struct made made;

	match_id(root, "mapping:gpu");
	root_put(root, CFG, "gpu\n\tmap node=pve1,path=0000:01:00\n");
	made = good(root);
	wants(&made, "0000:01:00");
	assert_string_equal(made.request.wanted[0].origin, "device a");
	assert_false(made.request.wanted[0].has_expect);
	made_clear(&made);
}

static void the_first_free_alternative_is_chosen(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: mapping=gpu\n");
	root_put(root, CFG, TWO_CARDS);
	made = good(root);
	wants(&made, "0000:01:00");
	made_clear(&made);
	reserve(root, "0000:01:00.1", 101);
	made = good(root);
	wants(&made, "0000:02:00.0");
	assert_int_equal(made.request.refusals.n, 0);
	made_clear(&made);
	/* The VM's own reservation is none. */
	reserve(root, "0000:01:00.0", 100);
	made = good(root);
	wants(&made, "0000:01:00");
	made_clear(&made);
}

static void two_lines_take_two_alternatives(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: mapping=gpu\nhostpci1: mapping=gpu\n");
	root_put(root, CFG, TWO_CARDS);
	made = good(root);
	wants(&made, "0000:01:00 0000:02:00.0");
	made_clear(&made);
}

static void no_free_alternative_is_refused(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: 02:00\nhostpci1: mapping=gpu\n");
	root_put(root, CFG, TWO_CARDS);
	reserve(root, "0000:01:00.0", 101);
	made = good(root);
	refused(&made, "reserved-by-pve",
		"hostpci1: every device of mapping 'gpu' on node pve1 is taken (0000:01:00 by VM 101, 0000:02:00.0 by hostpci0): stop one of those VMs");
	made_clear(&made);
}

static void a_single_reserved_one_is_refused(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: mapping=gpu\n");
	root_put(root, CFG, "gpu\n\tmap node=pve1,path=0000:01:00,id=10de:24b0\n");
	reserve(root, "0000:01:00.0", 101);
	made = good(root);
	refused(&made, "reserved-by-pve", "0000:01:00 (hostpci0) is reserved for VM 101");
	made_clear(&made);
}

static void another_group_is_another_device(void **state)
{
	struct root *root = *state;
	struct made made;

	root_vm(root, 100, "hostpci0: mapping=gpu\n");
	root_put(root, CFG, "gpu\n\tmap node=pve1,path=0000:01:00,id=10de:24b0,iommugroup=14\n");
	made = good(root);
	refused(&made, "identity",
		"0000:01:00 is in IOMMU group 15, mapping 'gpu' (/etc/pve/mapping/pci.cfg:2) expects 14");
	made_clear(&made);
}

static void wrong_mappings_are_named(void **state)
{
	struct root *root = *state;

	root_vm(root, 100, "hostpci0: mapping=gpu\n");
	bad(root, -ENOENT, "VM 100: hostpci0: there is no PCI mapping 'gpu' (/etc/pve/mapping/pci.cfg does not exist)");
	root_put(root, CFG, "gpu\n\tmap node=pve2,path=0000:01:00,id=10de:24b0\n");
	bad(root, -ENOENT, "VM 100: hostpci0: mapping 'gpu' has no device on node pve1");
	root_put(root, CFG, "gpu\n\tmap node=pve1,path=0000:09:00,id=10de:24b0\n");
	bad(root, -ENODEV, "VM 100: hostpci0 names 0000:09:00, which is not on this host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_HOST(two_cards_of_an_id_are_ambiguous),
		ON_HOST(a_card_is_its_slot),
		ON_HOST(a_function_of_the_root_bus_is_alone),
		ON_HOST(vfs_are_devices_of_their_own),
		ON_HOST(subsystems_tell_cards_apart),
		ON_HOST(a_mapping_is_expected),
		ON_HOST(mappings_are_taken_by_name_too),
		ON_HOST(the_first_free_alternative_is_chosen),
		ON_HOST(two_lines_take_two_alternatives),
		ON_HOST(no_free_alternative_is_refused),
		ON_HOST(a_single_reserved_one_is_refused),
		ON_HOST(another_group_is_another_device),
		ON_HOST(wrong_mappings_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
