/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind lend, status, return and reset, where all goes well or is refused. */
#include "command.h"

static void lend_status_return(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	assert_int_equal(looks(t, "status"), 0);
	assert_string_equal(ran.out, "nothing is lent\n");
	done(t, "lend 100");
	has(ran.out, "pvebind: VM 100: lent 0000:01:00.0, 0000:01:00.1 (");
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");

	assert_int_equal(looks(t, "status"), 0);
	has(ran.out, "VM 100: lent since 20");
	has(ran.out, "\n  ADDRESS       ID         GROUP  NOW       HOME           NAME\n"
		     "  0000:01:00.0  1234:1111  15     vfio-pci  bochs-drm");
	has(ran.out, "\n  0000:01:00.1  8086:2668  15     vfio-pci  snd_hda_intel");
	assert_int_equal(looks(t, "status --json"), 0);
	assert_string_equal(text_at(json(), "attention"), "false");
	assert_string_equal(text_at(parsed, "lends.0.lend"), "100");
	assert_string_equal(text_at(parsed, "lends.0.state"), "lent");
	assert_string_equal(text_at(parsed, "lends.0.unfinished"), "false");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.driver_now"), "vfio-pci");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.driver_home"), "snd_hda_intel");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.override_now"), "vfio-pci");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.held"), "true");

	assert_int_equal(looks(t, "plan 100"), 0);
	has(ran.out, "VM 100 is lent devices already: as long as they are the same, a lend does nothing.\n");
	has(ran.out, "\nVM 100: the way home (lent since 20");
	assert_int_equal(looks(t, "recover --dry-run"), 0);
	assert_string_equal(ran.out, "nothing to recover\n");
	done(t, "recover");
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");

	/* From the journal alone. */
	ft_write(t, INI, "[vm 100\n");
	ft_remove(t, "etc/pve/nodes/pve1/qemu-server/100.conf");
	assert_int_equal(looks(t, "return 100 --dry-run"), 0);
	has(ran.out, "VM 100: the way home (lent since 20");
	has(ran.out, "0000:01:00.1: bind to snd_hda_intel\n");
	has(ran.out, "give the console its screen back");
	assert_int_equal(looks(t, "return 100 --dry-run --json"), 0);
	assert_string_equal(text_at(json(), "way_home.lend"), "100");
	assert_string_equal(text_at(parsed, "way_home.operations.0.undo"), "true");
	done(t, "return 100");
	assert_string_equal(ran.err, "");
	has(ran.out, "home again (");
	expect_home(t);
	assert_int_equal(looks(t, "return 100 --dry-run"), 0);
	assert_string_equal(ran.out, "VM 100: nothing is lent, nothing to take back\n");
	assert_int_equal(looks(t, "return 100"), 0);
}

static void running_is_not_returned(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	vm_runs(t, 100, 4242);
	assert_int_equal(looks(t, "return 100"), 1);
	one_line(ran.err);
	has(ran.err, "VM 100 is running, nothing is taken back: stop it first");
	assert_int_equal(looks(t, "return 100 --dry-run"), 1);
	has(ran.out, "the way home");
	has(ran.err, "stop it first");
	assert_int_equal(looks(t, "lend 100"), 0);
	has(ran.out, "VM 100 runs already, nothing to lend");
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");
}

static void refused_lend_says_why_on_stderr(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_nic(t, true);
	ft_vm(t, 100, "hostpci0: 03:00\n");
	assert_int_equal(run_bare(t, "lend 100"), 1);
	has(ran.err, "pvebind: error: refused (host-network): ");
	has(ran.err, "nothing was lent and nothing changed");
	assert_int_equal(ft_writes(t), 0);
	assert_int_equal(looks(t, "status"), 0);
}

/* ---- reset ------------------------------------------------------------------------------ */

static void reset_by_hand(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu2(t);
	ft_vm(t, 100, "hostpci0: 02:00\n");
	assert_int_equal(looks(t, "reset 02:00 --dry-run"), 1);
	one_line(ran.err);
	has(ran.err, "in use by the host's bochs-drm");
	done(t, "lend 100");
	ft_log_clear(t);
	assert_int_equal(looks(t, "reset 02:00.0 --dry-run --methods flr"), 0);
	has(ran.out, "would: 0000:02:00.0: reset (flr)\n");
	assert_int_equal(ft_writes(t), 0);
	assert_int_equal(run_bare(t, "reset 02:00.0"), 0);
	assert_true(ft_wrote(t, "*0000:02:00.0/reset", "1") >= 0);
	assert_int_equal(looks(t, "reset 09:00.0 --dry-run"), 1);
	has(ran.err, "no PCI device 0000:09:00.0 on this host");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(lend_status_return),
		IN_TREE(running_is_not_returned),
		IN_TREE(refused_lend_says_why_on_stderr),
		IN_TREE(reset_by_hand),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("cli_lend", tests, NULL, NULL);
}
