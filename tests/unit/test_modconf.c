/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe.d says, whose modules are looked up below another root, and the kernel's log. */
#include <sys/stat.h>

#include "host.h"

static struct pvb_modconf conf;

static const struct pvb_modconf *conf_read(struct host *h)
{
	pvb_modconf_clear(&conf);
	if (pvb_modconf_read(h->ctx, &conf, &h->err) < 0)
		fail_msg("%s", h->err.text);
	return &conf;
}

static int conf_teardown(void **state)
{
	pvb_modconf_clear(&conf);
	return host_teardown(state);
}

static void line_is(size_t i, enum pvb_modconf_kind kind, const char *module, const char *value, const char *file, unsigned line)
{
	assert_true(i < conf.n);
	assert_int_equal(conf.lines[i].kind, kind);
	assert_string_equal(conf.lines[i].module, module);
	assert_string_equal(conf.lines[i].value, value);
	assert_string_equal(conf.lines[i].file, file);
	assert_int_equal(conf.lines[i].line, line);
}

#define FILE_A "/etc/modprobe.d/a.conf"

/* All that libkmod takes is known to count, in the words of each kind. */
static void every_word_counts(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "etc/modprobe.d/a.conf",
		 "# comment\n\nblacklist snd-hda-intel\noptions vfio-pci ids=10de:24b0\tdisable_vga=1\n"
		 "softdep nouveau pre: vfio-pci post: x\ninstall i2c-dev /bin/false -x\nremove y /bin/true\n"
		 "alias pci:v000010DEd*sv*[a-f]-* other-mod\n");
	conf_read(h);
	assert_int_equal(conf.n, 6);
	line_is(0, PVB_MODCONF_BLACKLIST, "snd_hda_intel", "", FILE_A, 3);
	line_is(1, PVB_MODCONF_OPTIONS, "vfio_pci", "ids=10de:24b0\tdisable_vga=1", FILE_A, 4);
	line_is(2, PVB_MODCONF_SOFTDEP, "nouveau", "pre: vfio-pci post: x", FILE_A, 5);
	line_is(3, PVB_MODCONF_INSTALL, "i2c_dev", "/bin/false -x", FILE_A, 6);
	line_is(4, PVB_MODCONF_REMOVE, "y", "/bin/true", FILE_A, 7);
	line_is(5, PVB_MODCONF_ALIAS, "pci:v000010DEd*sv*[a-f]_*", "other_mod", FILE_A, 8);
	for (size_t i = 0; i < conf.n; i++)
		if (!conf.lines[i].effective)
			fail_msg("libkmod does not have line %u", conf.lines[i].line);
}

static void what_libkmod_leaves_out_does_not_count(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "etc/modprobe.d/a.conf", "blaclist nouveau\nblacklist\noptions vfio-pci\n  # not a comment\nblacklist good");
	conf_read(h);
	assert_int_equal(conf.n, 5);
	line_is(0, PVB_MODCONF_OTHER, "", "blaclist nouveau", FILE_A, 1);
	line_is(2, PVB_MODCONF_OPTIONS, "vfio_pci", "", FILE_A, 3);
	for (size_t i = 0; i < 4; i++)
		assert_false(conf.lines[i].effective);
	line_is(4, PVB_MODCONF_BLACKLIST, "good", "", FILE_A, 5);
	assert_true(conf.lines[4].effective);
}

static void lines_that_go_on_have_the_number_of_their_first(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "etc/modprobe.d/a.conf", "options vfio-pci \\\nids=10de:24b0 \\\ndisable_vga=1\nblacklist a\\b\nblacklist c");
	conf_read(h);
	line_is(0, PVB_MODCONF_OPTIONS, "vfio_pci", "ids=10de:24b0 disable_vga=1", FILE_A, 1);
	line_is(1, PVB_MODCONF_BLACKLIST, "ab", "", FILE_A, 4);
	line_is(2, PVB_MODCONF_BLACKLIST, "c", "", FILE_A, 5);
	for (size_t i = 0; i < 3; i++)
		assert_true(conf.lines[i].effective);
}

/* modprobe.d(5): sorted by name over all folders, the first folder's file hides the others'. */
static void files_hide_and_sort(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "usr/lib/modprobe.d/b.conf", "blacklist hidden\n");
	ft_write(h->t, "usr/lib/modprobe.d/c.conf", "blacklist vendor\n");
	ft_write(h->t, "usr/local/lib/modprobe.d/a.conf", "blacklist local\n");
	ft_write(h->t, "run/modprobe.d/b.conf", "blacklist run\n");
	ft_write(h->t, "etc/modprobe.d/z.conf", "blacklist last\n");
	ft_write(h->t, "etc/modprobe.d/b.conf.bak", "blacklist no\n");
	ft_write(h->t, "etc/modprobe.d/.conf", "blacklist no\n");
	ft_link(h->t, "etc/modprobe.d/c.conf", "/dev/null");
	ft_mkdir(h->t, "etc/modprobe.d/d.conf");
	ft_link(h->t, "lib/modprobe.d", "../usr/lib/modprobe.d");
	conf_read(h);
	assert_int_equal(conf.n, 3);
	line_is(0, PVB_MODCONF_BLACKLIST, "local", "", "/usr/local/lib/modprobe.d/a.conf", 1);
	line_is(1, PVB_MODCONF_BLACKLIST, "run", "", "/run/modprobe.d/b.conf", 1);
	line_is(2, PVB_MODCONF_BLACKLIST, "last", "", "/etc/modprobe.d/z.conf", 1);
	for (size_t i = 0; i < conf.n; i++)
		assert_true(conf.lines[i].effective);
}

static void no_folder_is_told(void **state)
{
	struct host *h = *state;

	assert_int_equal(pvb_modconf_read(h->ctx, &conf, &h->err), -ENOENT);
	assert_non_null(strstr(h->err.text, "/etc/modprobe.d"));
	ft_mkdir(h->t, "etc/modprobe.d");
	assert_int_equal(conf_read(h)->n, 0);
}

/* ---- whose modules ---- */

/* An index as depmod makes it (kmod, libkmod/libkmod-index.c) of one alias. */
static void alias_index(struct host *h, const char *release)
{
	static const char index[] = "\xb0\x07\xf4\x57\x00\x02\x00\x01\xc0\x00\x00\x0cmade:up\0\x00\x00\x00\x01\x00\x00\x00\x00made_up";
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "lib/modules/%s/modules.alias.bin", release);
	ft_write(h->t, path, "");
	fd = openat(h->t->fd, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, index, sizeof(index)), sizeof(index));
	close(fd);
}

/* Below another root, of the kernel that runs there: not of the one that this test runs on. */
static void modules_are_of_the_roots_kernel(void **state)
{
	struct host *h = *state;
	char **modules;

	ft_write(h->t, "proc/sys/kernel/osrelease", "9.9.9-made-up\n");
	alias_index(h, "9.9.9-made-up");
	assert_int_equal(pvb_module_lookup(h->ctx, "made:up", &modules, &h->err), 0);
	assert_non_null(modules[0]);
	assert_string_equal(modules[0], "made_up");
	pvb_strv_free(modules);
}

/* Its blacklists, from all its folders. */
static void blacklists_are_of_the_root(void **state)
{
	struct host *h = *state;
	char **modules;

	ft_write(h->t, "proc/sys/kernel/osrelease", "9.9.9-made-up\n");
	ft_write(h->t, "usr/lib/modprobe.d/a.conf", "blacklist made_up\n");
	alias_index(h, "9.9.9-made-up");
	assert_int_equal(pvb_module_lookup(h->ctx, "made:up", &modules, &h->err), 0);
	assert_null(modules[0]);
	pvb_strv_free(modules);
}

/* ---- the kernel's log ---- */

static void the_log_is_read_whole(void **state)
{
	static char lines[300000];
	struct host *h = *state;
	size_t size = 0, n = 0;
	char *text;

	while (n < sizeof(lines) - 64)
		n += (size_t)sprintf(lines + n, "6,%zu,1,-;line\n", n);
	ft_write(h->t, "dev/kmsg", lines);
	assert_int_equal(pvb_kmsg_read(h->ctx, &text, &size, &h->err), 0);
	assert_int_equal(size, n);
	assert_string_equal(text, lines);
	free(text);
}

static void a_log_that_is_not_there_is_told(void **state)
{
	struct host *h = *state;
	size_t size;
	char *text;

	assert_int_equal(pvb_kmsg_read(h->ctx, &text, &size, &h->err), -ENOENT);
	assert_string_equal(h->err.text, "cannot read the kernel's log, /dev/kmsg: No such file or directory");
	/* Nobody writes to it: it is not waited for. */
	assert_int_equal(mkfifoat(h->t->fd, "dev/kmsg", 0600), 0);
	assert_int_equal(pvb_kmsg_read(h->ctx, &text, &size, &h->err), 0);
	assert_int_equal(size, 0);
	free(text);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, conf_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_word_counts),
		TEST(what_libkmod_leaves_out_does_not_count),
		TEST(lines_that_go_on_have_the_number_of_their_first),
		TEST(files_hide_and_sort),
		TEST(no_folder_is_told),
		TEST(modules_are_of_the_roots_kernel),
		TEST(blacklists_are_of_the_root),
		TEST(the_log_is_read_whole),
		TEST(a_log_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests_name("modconf", tests, NULL, NULL);
}
