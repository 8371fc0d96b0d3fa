/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The example of libpvebind(3): doc/example/lend.c, built from what is installed, lends a device and takes it back. */
#include <libgen.h>

#include "command.h"

#define ON_VFIO "case $(readlink %s/sys/bus/pci/devices/" GPU "/driver) in */vfio-pci) ;; *) exit 1 ;; esac"

/* "build/tests/lend" or "build/tests/lend-shared" with a command; what it says in ran.out. */
static int example(struct ft_tree *t, const char *kind, const char *address, const char *command)
{
	char line[3 * PATH_MAX], copy[PATH_MAX];
	int status;
	size_t n;
	FILE *in;

	snprintf(copy, sizeof(copy), "%s", binary());
	snprintf(line, sizeof(line), "%s/tests/lend%s %s %s '%s' 2>&1", dirname(copy), kind, t->path, address, command);
	in = popen(line, "r");
	assert_non_null(in);
	n = fread(ran.out, 1, sizeof(ran.out) - 1, in);
	ran.out[n] = '\0';
	status = pclose(in);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void lends(struct ft_tree *t, const char *kind)
{
	char command[PATH_MAX + 200];

	gpu_world(t);
	snprintf(command, sizeof(command), ON_VFIO, t->path);
	if (example(t, kind, "01:00", command) != 0)
		fail_msg("it did not succeed: %s", ran.out);
	has(ran.out, "lend: the example: lent 0000:01:00.0, 0000:01:00.1 (");
	has(ran.out, "lend: the example: 0000:01:00.0, 0000:01:00.1 home again (");
	expect_home(t);
	assert_false(ft_exists(t, "run/pvebind/example.journal"));
	/* The command was run while it was lent, and its failure is one. */
	assert_int_equal(example(t, kind, "01:00", "false"), 1);
	expect_home(t);
}

static void with_the_static_library(void **state)
{
	lends(*state, "");
}

static void with_the_shared_library(void **state)
{
	lends(*state, "-shared");
}

static void a_refusal_is_told(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_nic(t, true);
	assert_int_equal(example(t, "", "03:00.0", "echo ran"), 1);
	has(ran.out, "lend: refused (host-network): 0000:03:00.0");
	has(ran.out, "lend: the example: nothing was lent and nothing changed (host-network)\n");
	has_not(ran.out, "ran");
	assert_string_equal(ft_driver_of(t, "0000:03:00.0"), "e1000e");
	assert_int_equal(example(t, "", "nonsense", "true"), 2);
	has(ran.out, "usage: lend ROOT ADDRESS COMMAND\n'nonsense'");
}

static void what_cannot_come_home_is_told(void **state)
{
	struct ft_tree *t = *state;

	gpu_world(t);
	ft_fault(t, "probe snd_hda_intel " AUDIO " fail");
	assert_int_equal(example(t, "", "01:00", "true"), 4);
	has(ran.out, "lend: the example: not everything is home: " AUDIO);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(with_the_static_library), IN_TREE(with_the_shared_library), IN_TREE(a_refusal_is_told),
		IN_TREE(what_cannot_come_home_is_told),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
