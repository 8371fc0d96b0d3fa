/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: words, options, output that fails. */
#include "command.h"

static void help_lists_the_commands(void **state)
{
	static const char *const names[] = { "status", "plan", "config", "lend", "return", "reset", "recover" };

	(void)state;
	assert_int_equal(run_bare(NULL, "--help"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[32];

		snprintf(line, sizeof(line), "\n  %s ", names[i]);
		has(ran.out, line);
	}
	has(ran.out, "Exit status: 0 done");
	for (const char *at_line = ran.out, *end; (end = strchr(at_line, '\n')); at_line = end + 1)
		assert_true(end - at_line < 80);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char args[32], usage[64];

		snprintf(args, sizeof(args), "%s --help", names[i]);
		snprintf(usage, sizeof(usage), "Usage: pvebind %s ", names[i]);
		assert_int_equal(run_bare(NULL, args), 0);
		has(ran.out, usage);
		assert_string_equal(ran.err, "");
	}
	assert_int_equal(run_bare(NULL, "-h"), 0);
	assert_int_equal(run_bare(NULL, "help"), 0);
	assert_int_equal(run_bare(NULL, "--version"), 0);
	has(ran.out, "pvebind 0.");
}

static void wrong_words_are_one_line(void **state)
{
	static const struct { const char *args, *words; } wrong[] = {
		{ "", "which command? pvebind --help" },
		{ "staus", "did you mean 'status'?" },
		{ "stat", "did you mean 'status'?" },
		{ "retrun 100", "did you mean 'return'?" },
		{ "xyzzy", "there is no command 'xyzzy': pvebind --help" },
		{ "''", "there is no command ''" },
		{ "--foo", "'--foo' is no option of pvebind itself" },
		{ "--json status", "'--json' is no option of pvebind itself" },
		{ "--config", "--config needs a value" },
		{ "plan --foo 100", "'--foo' is no option of pvebind plan: see pvebind plan --help" },
		{ "plan -xyz 100", "'-xyz' is no option of pvebind plan" },
		{ "status --dry-run", "'--dry-run' is no option of pvebind status" },
		{ "reset 01:00.0 --methods", "--methods needs a value" },
		{ "plan", "which VM? Write: pvebind plan VMID" },
		{ "lend", "which VM? Write: pvebind lend VMID" },
		{ "return", "which VM?" },
		{ "plan 100 101", "'101' is one argument too many: write pvebind plan VMID" },
		{ "status 100", "'100' is one argument too many: pvebind status takes none" },
		{ "plan ../../x", "'../../x' is no VM number" },
		{ "lend 0", "'0' is no VM number" },
		{ "return 99", "'99' is no VM number" },
		{ "recover 0100", "'0100' is no VM number" },
		{ "config 1e3", "'1e3' is no VM number" },
		{ "lend ''", "'' is no VM number" },
		{ "lend 111111111111111111111111111111", "is no VM number" },
		{ "plan -1", "'-1' is no option" },
		{ "reset", "which device? Write: pvebind reset ADDRESS" },
		{ "reset nonsense", "'nonsense' is no PCI address" },
		{ "reset 01:00.9", "'01:00.9' is no PCI address" },
		{ "reset 10de:24b0", "'10de:24b0' is no PCI address" },
		{ "reset 01:00.0 --methods foo", "--methods 'foo' is no way to reset: write auto, or a list" },
		{ "reset 01:00.0 --methods=flr,flr", "is no way to reset" },
		{ "reset 01:00.0 --methods=auto,flr", "is no way to reset" },
		{ "reset 01:00.0 --methods=", "is no way to reset" },
		{ "lend 100 --json", "goes with --dry-run" },
		{ "recover --json", "goes with --dry-run" },
	};

	gpu_world(*state);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int status = looks(*state, wrong[i].args);

		if (status != 2)
			fail_msg("'%s' ended with %d", wrong[i].args, status);
		assert_string_equal(ran.out, "");
		one_line(ran.err);
		has(ran.err, wrong[i].words);
	}
	assert_int_equal(run_bare(NULL, "--root /nowhere status"), 2);
	one_line(ran.err);
	has(ran.err, "cannot open the root directory /nowhere");
}

static void options_may_stand_behind_the_command(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, "etc/other.ini", "[defaults]\nreset = none\n");
	assert_int_equal(looks(t, "config --config /etc/other.ini"), 0);
	has(ran.out, "reset = none\n");
	assert_int_equal(looks(t, "--config /etc/other.ini config"), 0);
	has(ran.out, "reset = none\n");
	assert_int_equal(looks(t, "config -- 100"), 0);
	has(ran.out, "[vm 100]");
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), fds[2], status;
	pid_t pid = start(*state, "config", full, err);

	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 1);
	slurp(err, ran.err, sizeof(ran.err));
	has(ran.err, "cannot write the output: No space left on device");
	close(full);
	/* A reader that has seen enough is no failure. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	pid = start(*state, "config", fds[1], 2);
	close(fds[1]);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(help_lists_the_commands),
		IN_TREE(wrong_words_are_one_line),
		IN_TREE(options_may_stand_behind_the_command),
		IN_TREE(output_that_cannot_be_written_is_a_failure),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
