/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions whose answer may never come: who sleeps on is given up, who has only no processor is waited for. */
#include "host.h"

#define SILENCE_NS 400000000

static int64_t asked_ns; /* how long it took */

static int ask(struct host *h, pvb_answer_fn *answer, char **text)
{
	int64_t start_ns = pvb_now_ns();
	size_t size;
	int r = pvb_ask(h->ctx, answer, NULL, SILENCE_NS, text, &size);

	asked_ns = pvb_now_ns() - start_ns;
	return r;
}

static void word_write(int fd, const char *word)
{
	if (write(fd, word, strlen(word)) < 0)
		_exit(1);
}

/* As a host does that is too busy to run it. */
static void spin(int64_t ns)
{
	int64_t end_ns = pvb_now_ns() + ns;

	while (pvb_now_ns() < end_ns)
		;
}

static void answer_busy(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	spin(3 * SILENCE_NS);
	word_write(fd, "late");
}

static void answer_slow(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	for (int i = 0; i < 4; i++) {
		usleep(SILENCE_NS / 2000);
		word_write(fd, ".");
	}
}

static void answer_hangs(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	word_write(fd, "begun");
	pause();
}

static void answer_for_ever(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	(void)fd;
	spin(100 * (int64_t)SILENCE_NS);
}

/* Its end takes as long as all else. */
static void answer_ends_late(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	word_write(fd, "all");
	close(fd);
	spin(7 * (int64_t)1000000000);
}

static void answer_never_ends(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	word_write(fd, "all");
	close(fd);
	pause();
}

static void who_has_said_all_may_end_late(void **state)
{
	char *text;

	assert_int_equal(ask(*state, answer_ends_late, &text), 0);
	assert_string_equal(text, "all");
	free(text);
	assert_true(asked_ns >= 7 * (int64_t)1000000000);
	assert_int_equal(ask(*state, answer_never_ends, &text), -EIO);
	assert_true(asked_ns < 20 * (int64_t)1000000000);
}

static void who_runs_is_waited_for(void **state)
{
	char *text;

	assert_int_equal(ask(*state, answer_busy, &text), 0);
	assert_string_equal(text, "late");
	free(text);
	assert_int_equal(ask(*state, answer_slow, &text), 0);
	assert_string_equal(text, "....");
	free(text);
}

static void who_sleeps_on_is_given_up(void **state)
{
	char *text;

	assert_int_equal(ask(*state, answer_hangs, &text), -ETIMEDOUT);
	assert_string_equal(text, "begun"); /* what had come is not lost */
	assert_true(asked_ns >= SILENCE_NS && asked_ns < 4 * (int64_t)SILENCE_NS);
	free(text);
}

static void nobody_is_waited_for_for_ever(void **state)
{
	char *text;

	assert_int_equal(ask(*state, answer_for_ever, &text), -ETIMEDOUT);
	assert_true(asked_ns >= 5 * (int64_t)SILENCE_NS);
	free(text);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, host_setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(who_runs_is_waited_for), TEST(who_sleeps_on_is_given_up), TEST(nobody_is_waited_for_for_ever),
		TEST(who_has_said_all_may_end_late),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
