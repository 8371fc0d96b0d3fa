/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind status and recover: what needs attention. */
#include "command.h"

/* A pvebind that is killed amid the work. */
static void lend_killed(struct ft_tree *t)
{
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	ft_fault(t, "slow vfio-pci * 2000");
	pid = start(t, "lend 100", nothing, nothing);
	while (ft_wrote(t, "*/unbind", GPU) < 0) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(nothing);
	ft_faults_clear(t);
}

static void interrupted_lend_is_undone(void **state)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), status;
	struct ft_tree *t = *state;
	pid_t pid;

	gpu_world(t);
	ft_fault(t, "slow vfio-pci * 500");
	pid = start(t, "lend 100", out, err);
	while (ft_wrote(t, "*/unbind", GPU) < 0) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	kill(pid, SIGINT);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	slurp(err, ran.err, sizeof(ran.err));
	has(ran.err, "asked to stop: undoing what was done");
	close(out);
	expect_home(t);
}

static void half_done_is_shown_and_recovered(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	lend_killed(t);
	/* A worker of it may still be at its device. */
	assert_int_equal(run_bare(t, "status"), 4);
	has(ran.out, "VM 100: unfinished lending since ");
	has(ran.out, "its pvebind is gone, the work is half done: run \"pvebind recover 100\"\n");
	assert_int_equal(run_bare(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "attention"), "true");
	assert_string_equal(text_at(parsed, "lends.0.unfinished"), "true");
	assert_int_equal(run_bare(t, "recover --dry-run"), 0);
	has(ran.out, "VM 100: the way home (lending since ");
	assert_int_equal(run_bare(t, "recover --dry-run --json 100"), 0);
	assert_int_equal(count_at(json(), "lends"), 1);
	done(t, "recover");
	has(ran.out, "1 lend recovered\n");
	expect_home(t);
	assert_int_equal(looks(t, "status"), 0);
}

static void not_brought_home_is_shown_until_mended(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_fault(t, "probe snd_hda_intel * fail");
	assert_int_equal(run_bare(t, "return 100"), 4);
	has(ran.err, "pvebind: error: ");
	assert_int_equal(looks(t, "status"), 4);
	has(ran.out, "VM 100: failed since ");
	has(ran.out, "then run \"pvebind recover 100\"\n");
	has(ran.out, "  0000:01:00.0  1234:1111  15     bochs-drm  bochs-drm");
	has(ran.out, "  0000:01:00.1  8086:2668  15     none       snd_hda_intel");
	assert_int_equal(looks(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "lends.0.devices.0.held"), "false");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.held"), "true");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.driver_now"), "null");
	assert_int_equal(run_bare(t, "recover 100"), 4);
	ft_faults_clear(t);
	done(t, "recover 100");
	expect_home(t);
}

static void unreadable_journal_hides_nothing(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_write(t, "run/pvebind/101.journal", "nonsense\n");
	assert_int_equal(looks(t, "status"), 4);
	has(ran.out, "101: unreadable\n  cannot read the journal /run/pvebind/101.journal: it is damaged");
	has(ran.out, "VM 100: lent since ");
	assert_int_equal(looks(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "lends.1.state"), "unreadable");
	has(text_at(parsed, "lends.1.error"), "it is damaged");
	assert_int_equal(looks(t, "recover --dry-run"), 4);
	has(ran.err, "it is damaged");
}

static void device_that_is_gone(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_remove(t, "sys/bus/pci/devices/" AUDIO);
	ft_remove(t, "sys/kernel/iommu_groups/15/devices/" AUDIO);
	assert_int_equal(looks(t, "status"), 0);
	has(ran.out, "\n  0000:01:00.0  1234:1111  15     vfio-pci  bochs-drm");
	has(ran.out, "\n  0000:01:00.1  8086:2668  15     gone      snd_hda_intel");
	assert_int_equal(looks(t, "status --json"), 0);
	assert_string_equal(text_at(json(), "lends.0.devices.1.present"), "false");
}

/* Reading the override takes the device's lock: what hangs over it keeps the reader waiting, as a FIFO does. */
static void stuck_device_needs_attention(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	done(t, "lend 100");
	ft_remove(t, "sys/bus/pci/devices/" AUDIO "/driver_override");
	assert_int_equal(mkfifoat(t->fd, "sys/bus/pci/devices/" AUDIO "/driver_override", 0600), 0);
	assert_int_equal(looks(t, "status"), 4);
	has(ran.out, "\n  0000:01:00.1 is stuck: the kernel does not let go of it");
	has_not(ran.out, "0000:01:00.0 is stuck");
	assert_int_equal(looks(t, "status --json"), 4);
	assert_string_equal(text_at(json(), "attention"), "true");
	assert_string_equal(text_at(parsed, "lends.0.devices.0.stuck"), "false");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.stuck"), "true");
	assert_string_equal(text_at(parsed, "lends.0.devices.1.override_now"), "null");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(interrupted_lend_is_undone),
		IN_TREE(half_done_is_shown_and_recovered),
		IN_TREE(not_brought_home_is_shown_until_mended),
		IN_TREE(unreadable_journal_hides_nothing),
		IN_TREE(device_that_is_gone),
		IN_TREE(stuck_device_needs_attention),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("cli_status", tests, NULL, NULL);
}
