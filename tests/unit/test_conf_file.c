/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind.ini as a file: where it is found, whose it must be; and the example that comes with pvebind. */
#include "conf/root.h"

static int load(struct root *root, const char *file, struct conf_settings *settings)
{
	return conf_settings_load(root->ctx, file, 100, "pve1", settings, &root->err);
}

static void load_fails(struct root *root, const char *file, const char *sentence)
{
	struct conf_settings settings;

	assert_true(load(root, file, &settings) < 0);
	assert_has(root->err.text, sentence);
	conf_settings_clear(&settings);
}

static void no_file_is_fine(void **state)
{
	struct conf_settings settings;

	assert_int_equal(load(*state, NULL, &settings), 0);
	assert_string_equal(settings.file, "");
	assert_false(settings.both);
	conf_settings_clear(&settings);
}

static void cluster_file_counts_before_local(void **state)
{
	struct root *root = *state;
	struct conf_settings settings;

	root_put(root, "etc/pvebind/pvebind.ini", "[vm 100]\nreset = bus\n");
	assert_int_equal(load(root, NULL, &settings), 0);
	assert_string_equal(settings.file, CONF_INI_LOCAL);
	assert_string_equal(settings.options.settings.reset, "bus");
	conf_settings_clear(&settings);
	root_put(root, "etc/pve/pvebind.ini", "[vm 100]\nreset = flr\n");
	assert_int_equal(load(root, NULL, &settings), 0);
	assert_string_equal(settings.file, CONF_INI_CLUSTER);
	assert_string_equal(settings.options.settings.reset, "flr");
	assert_true(settings.both);
	conf_settings_clear(&settings);
}

static void given_file_counts_alone(void **state)
{
	struct root *root = *state;
	struct conf_settings settings;

	root_put(root, "etc/pve/pvebind.ini", "[nonsense]\n");
	root_put(root, "my.ini", "[vm 100]\nreset = pm\n");
	assert_int_equal(load(root, "/my.ini", &settings), 0);
	assert_string_equal(settings.options.settings.reset, "pm");
	conf_settings_clear(&settings);
	load_fails(root, "/none.ini", "cannot open /none.ini: No such file or directory");
	load_fails(root, "my.ini", "--config my.ini: give an absolute path");
}

static void strange_files_are_refused(void **state)
{
	struct root *root = *state;

	root_mkdir(root, "etc/pve/pvebind.ini");
	load_fails(root, NULL, "/etc/pve/pvebind.ini is a directory");
	root_put(root, "fifo/x", "");
	WORLD(mkfifoat(root->fd, "fifo/pipe", 0600) == 0);
	load_fails(root, "/fifo/pipe", "/fifo/pipe is no plain file");
}

static void writable_files_are_refused(void **state)
{
	struct root *root = *state;

	root_put(root, "my.ini", "");
	WORLD(fchmodat(root->fd, "my.ini", 0660, 0) == 0);
	load_fails(root, "/my.ini", "/my.ini can be written by others than root (mode 0660)");
	WORLD(fchmodat(root->fd, "my.ini", 0602, 0) == 0);
	load_fails(root, "/my.ini", "(mode 0602), who could take the host's devices with it: chmod go-w /my.ini");
	/* Only root can give a file away; that a tester's own file passes is seen above. */
	if (geteuid() != 0)
		return;
	WORLD(fchmodat(root->fd, "my.ini", 0600, 0) == 0);
	WORLD(fchownat(root->fd, "my.ini", 1234, 0, 0) == 0);
	load_fails(root, "/my.ini", "/my.ini belongs to user 1234");
}

static void large_files_are_refused(void **state)
{
	struct root *root = *state;
	int fd;

	root_put(root, "my.ini", "");
	fd = openat(root->fd, "my.ini", O_WRONLY);
	WORLD(fd >= 0 && ftruncate(fd, CONF_INI_MAX + 1) == 0);
	close(fd);
	load_fails(root, "/my.ini", "/my.ini is larger than 1 MiB");
}

/* ---- the example ------------------------------------------------------------------------------ */

static struct conf_settings parsed(const char *text)
{
	char *copy = strdup(text);
	struct conf_settings settings;
	struct pvb_err err;

	assert_non_null(copy);
	if (conf_settings_parse(&settings, CONF_INI_CLUSTER, copy, strlen(copy), 100, "pve1", &err) < 0)
		fail_msg("%s", err.text);
	free(copy);
	return settings;
}

static void assert_same(const struct pvb_settings *a, const struct pvb_settings *b)
{
	assert_string_equal(a->reset, b->reset);
	assert_string_equal(a->host_driver, b->host_driver);
	assert_int_equal(a->keep_on_stop, b->keep_on_stop);
	assert_int_equal(a->keep_on_reboot, b->keep_on_reboot);
	assert_int_equal(a->keep_console, b->keep_console);
	assert_int_equal(a->device_timeout_ms, b->device_timeout_ms);
	assert_int_equal(a->hook_timeout_ms, b->hook_timeout_ms);
	assert_int_equal(a->busy_stop, b->busy_stop);
	assert_string_equal(a->unload, b->unload);
	assert_int_equal(a->guard, b->guard);
}

/* The text of the example, found beside this source. */
static char *example_read(void)
{
	char path[] = __FILE__, *name = strrchr(path, '/'), file[256], *text = calloc(1, 16384);
	FILE *f;

	snprintf(file, sizeof(file), "%.*s/../../conf/pvebind.ini", name ? (int)(name - path) : 1, name ? path : ".");
	f = fopen(file, "r");
	if (!f || !text)
		fail_msg("cannot read %s", file);
	assert_true(fread(text, 1, 16383, f) > 0);
	fclose(f);
	return text;
}

static void example_is_parsed(void **state)
{
	char *text = example_read();
	struct conf_settings settings = parsed(text), defaults = parsed("");

	(void)state;
	assert_same(&settings.options.settings, &defaults.options.settings);
	assert_int_equal(settings.num_devices, 0);
	free(text);
	conf_settings_clear(&settings);
	conf_settings_clear(&defaults);
}

/* Its commented lines are right too, and show the defaults: but for those that show a form or need a value. */
static void example_lines_are_right(void **state)
{
	char *text = example_read(), active[16384] = "", *save = NULL;
	struct conf_settings settings, defaults = parsed("");

	(void)state;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool form = strstr(line, ";match = 10de") || strstr(line, ";match = mapping") || strstr(line, "=   ");
		bool section = !strncmp(line, ";[", 2), key = *line == ';' && line[1] >= 'a' && line[1] <= 'z';

		if ((section || key) && !form)
			sprintf(strchr(active, '\0'), "%s\n", line + 1);
	}
	settings = parsed(active);
	assert_int_equal(settings.options.allow.n, 1);
	assert_int_equal(settings.num_devices, 1);
	assert_string_equal(settings.options.settings.stop_containers, "105");
	assert_string_equal(settings.options.settings.next, "local:snippets/mine");
	assert_same(&settings.options.settings, &defaults.options.settings);
	free(text);
	conf_settings_clear(&settings);
	conf_settings_clear(&defaults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_is_fine, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(cluster_file_counts_before_local, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(given_file_counts_alone, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(strange_files_are_refused, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(writable_files_are_refused, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(large_files_are_refused, root_setup, root_teardown),
		cmocka_unit_test(example_is_parsed),
		cmocka_unit_test(example_lines_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
