/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup: what it is asked for, what it asks, and what was edited between that and the undo. */
#include "setuprun.h"

/* ---- asked for ------------------------------------------------------------------------------ */

static void options_that_go_together(void **state)
{
	static const char *const wrong[][2] = {
		{ "--undo --apply", "--undo undoes all that pvebind setup did" }, { "--undo --clean", "--undo undoes all" },
		{ "--keep-edited", "--keep-edited goes with --undo" }, { "--reserve --unreserve 01:00", "one at a time" },
		{ "--disable-vga", "--disable-vga goes with --reserve" }, { "01:00", "what is to be done with that device?" },
		{ "--unreserve --clean", "--unreserve stands alone" }, { "--apply --yes --json", "--json of pvebind setup goes with --dry-run" },
		{ "nonsense", "nonsense" }, { "--reserve 01:0x", "is neither a PCI address" }, { "--undo --dry-run --json", "--json shows the plan" },
	};

	(void)state;
	m = intel_old();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		runs(m, wrong[i][0], 2);
		has(wrong[i][1]);
	}
	grub_set(m, GRUB_LINE "\"quiet\"");
	runs(m, "--apply", 1);
	has("there is no terminal to ask on, so say --yes as well");
	file_has(GRUB, GRUB_LINE "\"quiet\"\n");
	runs(m, "--apply --dry-run", 0);
	has("Nothing is changed yet");
	file_has(GRUB, GRUB_LINE "\"quiet\"\n");
}

/* A terminal is asked once. */
static void a_terminal_is_asked(void **state)
{
	(void)state;
	m = intel_old();
	grub_set(m, GRUB_LINE "\"quiet\"");
	shell("command -v script >/dev/null || exit 0; echo n | script -qec '%s --root %s setup --apply' /dev/null", binary(), m->t->path);
	has("Do this? [y/N]");
	has("nothing was done");
	file_has(GRUB, GRUB_LINE "\"quiet\"\n");
	shell("echo y | script -qec '%s --root %s setup --apply' /dev/null", binary(), m->t->path);
	file_has(GRUB, "intel_iommu=on");
}

static void as_json(void **state)
{
	(void)state;
	m = intel_old();
	grub_set(m, GRUB_LINE "\"quiet amd_iommu=on\"");
	shell("%s --root %s setup --json | perl -MJSON::PP -0777 -ne '$p = decode_json($_); printf \"%%s|%%s|%%s|%%s|%%s|%%s|%%s\", $p->{points}[0]{name}, "
	      "$p->{points}[0]{want}, $p->{points}[0]{reboot}, $p->{files}[0]{path}, $p->{commands}[0], $p->{hints}[0]{kind}, $p->{reboot}'",
	      binary(), m->t->path);
	assert_string_equal(ran.out, "kernel-cmdline|add intel_iommu=on; add iommu=pt|1|/etc/default/grub|update-grub|obsolete|1");
}

/* ---- edited since ---------------------------------------------------------------------------- */

static void edited_since_is_not_overwritten(void **state)
{
	char *edited, *before;

	(void)state;
	m = intel_old();
	grub_set(m, GRUB_LINE "\"quiet\"");
	before = world(m, NOTHING);
	runs(m, "--apply --yes", 0);
	shell("ls %s/var/lib/pvebind", m->t->path);
	has("setup-0001.etc-default-grub.before\nsetup-0001.json");
	shell("cat %s/var/lib/pvebind/setup-0001.etc-default-grub.before; stat -c %%a %s/var/lib/pvebind/setup-0001*", m->t->path, m->t->path);
	has(GRUB_HEAD GRUB_LINE "\"quiet\"\n");
	has("600\n600\n");
	replace(m, GRUB, "GRUB_TIMEOUT=5", "GRUB_TIMEOUT=1");
	edited = world(m, NOTHING);
	runs(m, "--undo", 1);
	has("/etc/default/grub was edited since. What pvebind setup changed:");
	has("+" GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"");
	has("What was changed after that:");
	has("-GRUB_TIMEOUT=5\n+GRUB_TIMEOUT=1\n");
	has("'pvebind setup --undo --keep-edited' undoes the rest");
	same(m, edited, NOTHING, "refused");
	/* As it was before, by hand, is no matter; nor is the edit taken back. */
	replace(m, GRUB, "GRUB_TIMEOUT=1", "GRUB_TIMEOUT=5");
	runs(m, "--undo --dry-run", 0);
	has("-" GRUB_LINE "\"quiet intel_iommu=on iommu=pt\"\n+" GRUB_LINE "\"quiet\"\n");
	runs(m, "--undo", 0);
	same(m, before, NOTHING, "undo");
	runs(m, "--apply --yes", 0);
	grub_set(m, GRUB_LINE "\"quiet\"");
	runs(m, "--undo", 0);
	same(m, before, NOTHING, "undo of what was taken back by hand");
	runs(m, "--apply --yes", 0);
	grub_set(m, GRUB_LINE "\"quiet mine\"");
	runs(m, "--undo --keep-edited", 0);
	has("not done: put back /etc/default/grub, as it was changed since (it was edited)");
	has("what /etc/default/grub was before is in /var/lib/pvebind/setup-0001.etc-default-grub.before");
	has("but for what was edited since");
	file_has(GRUB, "quiet mine");
	assert_false(ft_exists(m->t, MODULES));
	assert_false(ft_exists(m->t, "var/lib/pvebind/setup-0001.json"));
	free(edited);
	free(before);
}

/* One after the other, with an edit between: each takes back its own. */
static void changes_one_after_the_other(void **state)
{
	char *before;

	(void)state;
	m = intel_old();
	grub_set(m, GRUB_LINE "\"quiet\"");
	before = world(m, NOTHING);
	runs(m, "--apply --yes", 0);
	runs(m, "--apply --yes --reserve 01:00", 0);
	assert_true(ft_exists(m->t, "var/lib/pvebind/setup-0002.json"));
	replace(m, GRUB, " intel_iommu=on", "");
	runs(m, "--apply --yes", 0);
	assert_true(ft_exists(m->t, "var/lib/pvebind/setup-0003.json"));
	file_has(GRUB, "quiet iommu=pt intel_iommu=on");
	runs(m, "--undo", 1);
	has("was edited since");
	grub_set(m, GRUB_LINE "\"quiet\"");
	runs(m, "--undo", 0);
	/* What it was between two edits by hand is kept. */
	shell("rm %s/var/lib/pvebind/setup-0003.etc-default-grub.before", m->t->path);
	assert_int_equal(ran.status, 0);
	same(m, before, NOTHING, "undo of three");
	free(before);
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(options_that_go_together), TEST(a_terminal_is_asked), TEST(as_json), TEST(edited_since_is_not_overwritten),
		TEST(changes_one_after_the_other),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
