/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup whose commands fail, or that is killed: the next run ends it or takes it back. */
#include "setuprun.h"

#define ALL "--programs --clean --reserve 01:00"

static int setup(void **state)
{
	(void)state;
	m = machine_begin("intel-desktop");
	replace(m, GRUB, "quiet intel_iommu=on iommu=pt", "quiet amd_iommu=on");
	ft_write(m->t, "etc/modules", "vfio_virqfd\nvfio\n");
	programs_put(m);
	return 0;
}

static void flag(const char *name, bool set)
{
	char path[64];

	snprintf(path, sizeof(path), "run/%s", name);
	if (set)
		ft_write(m->t, path, "");
	else
		ft_remove(m->t, path);
}

/* ---- commands ------------------------------------------------------------------------------ */

static void commands_run_and_are_recorded(void **state)
{
	char *before = world(m, NOTHING);

	(void)state;
	runs(m, "--apply --yes " ALL, 0);
	has("running update-initramfs -u -k all");
	has("running update-grub");
	has("done: reboot, then 'pvebind check'");
	assert_string_equal(ft_read(m->t, "run/called"), "update-initramfs -u -k all\nupdate-grub ");
	file_has("boot/grub/grub.cfg", "quiet iommu=pt");
	file_has("boot/initrd.img-all", "ids=10de:21c4");
	file_has("var/lib/pvebind/setup-0001.json", "\"said\":\"Generating for update-grub\\n\"");
	ft_remove(m->t, "run/called");
	runs(m, "--undo --programs", 0);
	assert_string_equal(ft_read(m->t, "run/called"), "update-initramfs -u -k all\nupdate-grub ");
	same(m, before, NOTHING, "undo");
	free(before);
}

static void a_command_that_fails_undoes_all(void **state)
{
	char *before = world(m, NOTHING);

	(void)state;
	/* Once: what is undone is made anew. */
	flag("fail-update-grub", true);
	ft_write(m->t, "usr/sbin/update-initramfs", "#!/bin/sh\nroot=${0%/usr/sbin/*}\necho $0 >>$root/run/called\nexec cat $root/etc/modprobe.d/*.conf >$root/boot/initrd.img-all\n");
	runs(m, "--apply --yes " ALL, 4);
	has("update-grub: Generating for update-grub");
	has("update-grub: no space left");
	has("error: update-grub failed: no space left");
	has("it could not be undone: update-grub failed: no space left; the files are as before, but not what it makes of them: mend that, and run the same command again");
	/* The files are as before, all the same; and it goes on as soon as it can. */
	file_has(GRUB, "\"quiet amd_iommu=on\"");
	file_hasnt("boot/initrd.img-all", "ids=");
	runs(m, "--programs", 0);
	has("An earlier pvebind setup did not come to its end: the next --apply takes it back first.");
	flag("fail-update-grub", false);
	runs(m, "--undo", 0);
	has("the host is as it was before");
	same(m, before, NOTHING, "taken back");
	runs(m, "--undo", 0);
	has("nothing to undo");
	/* Only while it is done. */
	ft_write(m->t, "usr/sbin/update-initramfs",
		 "#!/bin/sh\nroot=${0%/usr/sbin/*}\ngrep -q ids= $root/etc/modprobe.d/pvebind.conf 2>/dev/null && { echo no ids please; exit 3; }\nexec cat $root/etc/modprobe.d/*.conf >$root/boot/initrd.img-all\n");
	runs(m, "--apply --yes " ALL, 1);
	has("update-initramfs -u -k all failed: no ids please");
	same(m, before, NOTHING, "failed and undone");
	free(before);
}

/* Root's programs find their helpers, whatever the caller's PATH is (plain su's has no sbin). */
static void a_path_of_our_own(void **state)
{
	(void)state;
	shell("PATH=/nowhere; %s --root %s setup --apply --yes " ALL " 2>&1 </dev/null", binary(), m->t->path);
	assert_int_equal(ran.status, 0);
	file_has("boot/grub/grub.cfg", "quiet iommu=pt");
}

/* Edited while it was being changed, and then a command fails: neither overwritten nor forgotten. */
static void edited_before_it_is_undone(void **state)
{
	(void)state;
	ft_write(m->t, "usr/sbin/update-grub", "#!/bin/sh\necho mine=1 >>${0%/usr/sbin/*}/" GRUB "\necho no space left\nexit 1\n");
	runs(m, "--apply --yes " ALL, 4);
	has("error: update-grub failed: no space left");
	has("it could not be undone: cannot put back /etc/default/grub, as it was changed since (it was edited); mend that, and run the same command again");
	file_has(GRUB, "mine=1");
	assert_true(ft_exists(m->t, RECORDS "/setup-0001.json"));
	assert_false(ft_exists(m->t, RESERVED));
}

static void a_command_that_is_not_there(void **state)
{
	char *before;

	(void)state;
	ft_remove(m->t, "usr/sbin/update-grub");
	before = world(m, NOTHING);
	runs(m, "--apply --yes " ALL, 1);
	has("there is no /usr/sbin/update-grub here, without which the change would not reach the next boot");
	same(m, before, NOTHING, "not there");
	assert_false(ft_exists(m->t, "run/called"));
	free(before);
}

/* Ctrl-C: what runs then comes to its end, what was done is undone, and that is not given up. */
static void given_up(void **state)
{
	char *before = world(m, NOTHING);

	(void)state;
	flag("signal-update-grub", true);
	runs(m, "--apply --yes " ALL, 1);
	has("a signal came while update-grub ran, which was not cut off for it");
	assert_false(ft_exists(m->t, "run/signal-update-grub"));
	assert_string_equal(ft_read(m->t, "run/ended"), "update-initramfs\nupdate-grub\nupdate-initramfs\nupdate-grub");
	same(m, before, NOTHING, "given up");
	free(before);
}

/* An undo, and the taking back of what died, are not to be given up half-way either. */
static void an_undo_is_not_given_up(void **state)
{
	static const char *const ways[] = { "--undo", "--apply --yes --programs --reserve 01:00" };
	char *before = world(m, NOTHING);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		flag("kill-update-grub", i == 1);
		runs(m, "--apply --yes " ALL, i ? 128 + SIGKILL : 0);
		flag("signal-update-grub", true);
		ft_remove(m->t, "run/ended");
		runs(m, ways[i], 128 + SIGINT);
		assert_string_equal(ft_read(m->t, "run/ended"), "update-initramfs\nupdate-grub");
		same(m, before, NOTHING, ways[i]);
	}
	free(before);
}

/* What an undo has left, as the file was edited, is the only copy of what was there. */
static void a_backup_that_is_left_stays(void **state)
{
	(void)state;
	runs(m, "--apply --yes --programs", 0);
	replace(m, GRUB, "quiet ", "quiet mine=1 ");
	runs(m, "--undo --keep-edited", 0);
	has("what /etc/default/grub was before is in /var/lib/pvebind/setup-0001.etc-default-grub.before");
	replace(m, GRUB, "iommu=pt", "x=1");
	runs(m, "--apply --yes --programs", 0);
	assert_true(ft_exists(m->t, RECORDS "/setup-0002.json"));
	runs(m, "--undo", 0);
	file_has(RECORDS "/setup-0001.etc-default-grub.before", "quiet amd_iommu=on\"");
}

/* An undo whose program fails puts the files back, runs the others, and is to be tried again. */
static void an_undo_whose_command_fails(void **state)
{
	char *before = world(m, NOTHING);

	(void)state;
	runs(m, "--apply --yes " ALL, 0);
	flag("fail-update-initramfs", true);
	runs(m, "--undo", 4);
	has("update-initramfs -u -k all failed: no space left; the files are as before");
	file_hasnt("boot/grub/grub.cfg", "iommu=pt");
	file_hasnt(GRUB, "iommu=pt");
	flag("fail-update-initramfs", false);
	runs(m, "--undo", 0);
	same(m, before, NOTHING, "tried again");
	free(before);
}

/* Where one is gone for good, its part can never be done: it is told once, and keeps nothing else from being done. */
static void an_undo_whose_command_is_gone(void **state)
{
	(void)state;
	runs(m, "--apply --yes " ALL, 0);
	ft_remove(m->t, "usr/sbin/update-initramfs");
	runs(m, "--undo", 4);
	has("there is no usr/sbin/update-initramfs here any more: the files are as before, but what it made of them stays as it was");
	file_hasnt("boot/grub/grub.cfg", "iommu=pt");
	file_hasnt(GRUB, "iommu=pt");
	assert_false(ft_exists(m->t, RECORDS "/setup-0001.json"));
	runs(m, "--undo", 0);
	has("nothing to undo");
}

/* What died half-way, and a file that somebody has edited since: nothing is overwritten, nothing forgotten. */
static void edited_after_a_crash(void **state)
{
	char *edited, *before = world(m, NOTHING);

	(void)state;
	flag("kill-update-grub", true);
	runs(m, "--apply --yes " ALL, 128 + SIGKILL);
	replace(m, GRUB, "quiet iommu=pt", "quiet iommu=pt mine=1");
	edited = world(m, NOTHING);
	runs(m, "--programs", 0);
	has("and files of it were edited since: the next --apply shows them, and refuses");
	runs(m, "--apply --yes " ALL, 1);
	has("an earlier 'pvebind setup' did not come to its end, and files of it were edited since: make them by hand as they were before or after it (shown above) and try again, or undo all that pvebind setup ever did here but for those files: 'pvebind setup --undo --keep-edited'");
	has("-GRUB_CMDLINE_LINUX_DEFAULT=\"quiet amd_iommu=on\"\n+GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\"");
	has("-GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\"\n+GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt mine=1\"");
	same(m, edited, NOTHING, "apply");
	runs(m, "--undo", 1);
	has("files were edited since");
	same(m, edited, NOTHING, "undo");
	runs(m, "--undo --keep-edited", 0);
	has("not done: put back /etc/default/grub, as it was changed since (it was edited)");
	file_has("boot/grub/grub.cfg", "mine=1");
	file_hasnt("boot/initrd.img-all", "ids=");
	replace(m, GRUB, "quiet iommu=pt mine=1", "quiet amd_iommu=on");
	shell("%s/usr/sbin/update-grub; rm %s/" RECORDS "/*.before", m->t->path, m->t->path);
	same(m, before, NOTHING, "all but that");
	free(before);
	free(edited);
}

/* Whoever takes back several changes runs each command once. */
static void commands_run_once_for_all(void **state)
{
	char *before = world(m, NOTHING);

	(void)state;
	runs(m, "--apply --yes --programs", 0);
	runs(m, "--apply --yes --programs --reserve 01:00", 0);
	runs(m, "--apply --yes --programs --reserve 01:00 --disable-vga", 0);
	file_has(RESERVED, "disable_vga=1\n");
	ft_remove(m->t, "run/called");
	runs(m, "--undo", 0);
	assert_string_equal(ft_read(m->t, "run/called"), "update-initramfs -u -k all\nupdate-grub ");
	same(m, before, NOTHING, "undo");
	free(before);
}

/* A change of commands alone has nothing to take back, and so runs none for the one after it. */
static void a_change_of_commands_alone(void **state)
{
	char *before;

	(void)state;
	runs(m, "--apply --yes --programs", 0);
	shell("rm %s/" RECORDS "/*", m->t->path);
	ft_write(m->t, "etc/modprobe.d/mine.conf", "options kvm ignore_msrs=1\n");
	runs(m, "--apply --yes --programs", 0);
	before = strdup(ft_read(m->t, "boot/initrd.img-all"));
	assert_non_null(before);
	runs(m, "--apply --yes --programs --reserve 01:00", 0);
	ft_remove(m->t, "run/called");
	runs(m, "--undo", 0);
	assert_string_equal(ft_read(m->t, "run/called"), "update-initramfs -u -k all");
	assert_string_equal(ft_read(m->t, "boot/initrd.img-all"), before);
	free(before);
}

/* ---- killed at each of its state-changing calls ----------------------------------------------- */

struct calls {
	char *list[600];
	size_t n;
};

static void calls_find(const char *args, struct calls *calls)
{
	shell("build=%s; \"${build%%/*}\"/tests/tracer -o 3 %s --root %s setup %s 3>&1 >/dev/null 2>&1 | sed -n 's/^call hook //p'", binary(), binary(),
	      m->t->path, args);
	calls->n = 0;
	for (char *line = strtok(ran.out, "\n"); line && calls->n < sizeof(calls->list) / sizeof(*calls->list); line = strtok(NULL, "\n"))
		calls->list[calls->n++] = strdup(line);
}

static void calls_free(struct calls *calls)
{
	for (size_t i = 0; i < calls->n; i++)
		free(calls->list[i]);
}

static void struck_at(const char *args, const struct calls *calls, size_t i, const char *how)
{
	int count = 1;

	for (size_t j = 0; j < i; j++)
		count += !strcmp(calls->list[j], calls->list[i]);
	setenv("CALL", calls->list[i], 1);
	shell("build=%s; \"${build%%/*}\"/tests/tracer -p hook -c \"$CALL\" -n %d -a %s -o 3 %s --root %s setup %s 3>&1 >/dev/null 2>&1 </dev/null",
	      binary(), count, how, binary(), m->t->path, args);
	if (!strstr(ran.out, "hit "))
		fail_msg("%s %zu was not hit: %s", args, i, calls->list[i]);
}

/* Killed while it does it: the next run does it, or takes it back. */
static void killed_while_doing(void **state)
{
	char *before = world(m, NOTHING), *after;
	struct calls calls;

	(void)state;
	calls_find("--apply --yes " ALL, &calls);
	assert_true(calls.n >= 40);
	after = world(m, RECORDS);
	runs(m, "--undo", 0);
	for (size_t i = 0; i < calls.n; i++) {
		char when[512];

		snprintf(when, sizeof(when), "killed at %zu, %s", i, calls.list[i]);
		struck_at("--apply --yes " ALL, &calls, i, "kill");
		if (i % 2) {
			runs(m, "--apply --yes " ALL, 0);
			same(m, after, RECORDS, when);
		}
		runs(m, "--undo", 0);
		same(m, before, NOTHING, when);
	}
	calls_free(&calls);
	free(before);
	free(after);
}

/* From each call on that wants room on the disk there is none: it fails, what it did is taken back without any, and nothing is
 * left. */
static void no_room(void **state)
{
	char *before = world(m, RECORDS);
	struct calls calls;
	size_t struck = 0;

	(void)state;
	calls_find("--apply --yes " ALL, &calls);
	runs(m, "--undo", 0);
	for (size_t i = 0; i < calls.n; i++) {
		char when[512];

		if (!strstr(calls.list[i], "var/lib/pvebind") || strncmp(calls.list[i], "write ", 6) != 0)
			continue;
		snprintf(when, sizeof(when), "no room from %zu on, %s", i, calls.list[i]);
		struck_at("--apply --yes " ALL, &calls, i, "full");
		same(m, before, RECORDS, when);
		shell("ls -A %s/" RECORDS, m->t->path);
		if (*ran.out)
			fail_msg("%s: left: %s", when, ran.out);
		struck++;
	}
	assert_true(struck >= 5);
	calls_free(&calls);
	free(before);
}

/* Nor must a full disk keep what was done from being undone. */
static void no_room_for_an_undo(void **state)
{
	char *before = world(m, NOTHING);
	struct calls calls;
	size_t at;

	(void)state;
	runs(m, "--apply --yes --programs", 0);
	runs(m, "--apply --yes --programs --reserve 01:00.0", 0);
	calls_find("--undo", &calls);
	runs(m, "--apply --yes --programs", 0);
	runs(m, "--apply --yes --programs --reserve 01:00.0", 0);
	for (at = 0; at < calls.n && !strstr(calls.list[at], "var/lib/pvebind"); at++)
		;
	assert_true(at < calls.n);
	struck_at("--undo", &calls, at, "full");
	same(m, before, NOTHING, "undone without room for records");
	calls_free(&calls);
	free(before);
}

/* Killed while it undoes two changes: the next run ends it, whatever else it does. */
static void killed_while_undoing(void **state)
{
	char *before = world(m, NOTHING);
	struct calls calls;

	(void)state;
	runs(m, "--apply --yes --programs", 0);
	runs(m, "--apply --yes --programs --reserve 01:00.0", 0);
	calls_find("--undo", &calls);
	assert_true(calls.n >= 20);
	same(m, before, NOTHING, "undone");
	for (size_t i = 0; i < calls.n; i++) {
		char when[512];

		snprintf(when, sizeof(when), "killed at %zu, %s", i, calls.list[i]);
		runs(m, "--apply --yes --programs", 0);
		runs(m, "--apply --yes --programs --reserve 01:00.0", 0);
		struck_at("--undo", &calls, i, "kill");
		if (i % 2)
			runs(m, "--apply --yes --programs", 0);
		runs(m, "--undo", 0);
		same(m, before, NOTHING, when);
	}
	calls_free(&calls);
	free(before);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_run_and_are_recorded), TEST(a_command_that_fails_undoes_all), TEST(a_path_of_our_own), TEST(edited_before_it_is_undone),
		TEST(a_command_that_is_not_there),
		TEST(given_up), TEST(an_undo_is_not_given_up), TEST(a_backup_that_is_left_stays), TEST(an_undo_whose_command_fails), TEST(an_undo_whose_command_is_gone), TEST(edited_after_a_crash),
		TEST(no_room), TEST(no_room_for_an_undo),
		TEST(commands_run_once_for_all), TEST(a_change_of_commands_alone),
		TEST(killed_while_doing), TEST(killed_while_undoing),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
