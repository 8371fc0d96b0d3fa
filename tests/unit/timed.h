/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lends with times of their own, for the tests of what is late (test_time.c) and of what was left behind (test_orphan.c). */
#ifndef TESTS_TIMED_H
#define TESTS_TIMED_H

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../libbind/lend.h"
#include "faketree.h"

static char said[65536];
static struct ft_tree *t;
static struct pvb_ctx *ctx;
static struct pvb_err err;
static uint64_t begun[4]; /* generations */
static unsigned num_begun;

static inline void hear(void *data, enum pvb_level level, const char *line)
{
	size_t n = strlen(said);

	(void)data;
	(void)level;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static inline void begin(void *data, const char *name, uint64_t generation)
{
	(void)data;
	if (strcmp(name, "100") != 0)
		return;
	assert_true(num_begun < ARRAY_SIZE(begun));
	begun[num_begun++] = generation;
}

static inline int host_up(void **state)
{
	(void)state;
	t = ft_new();
	ft_preset_gpu(t);
	if (pvb_ctx_new(&ctx, t->path, &err) < 0)
		return -1;
	pvb_ctx_set_log(ctx, hear, NULL);
	pvb_ctx_set_begun(ctx, begin, NULL);
	*said = '\0';
	num_begun = 0;
	return 0;
}

static inline int host_down(void **state)
{
	(void)state;
	pvb_ctx_free(ctx);
	ft_free(t);
	return 0;
}

static inline int lend_from(unsigned char bus, const char *name, unsigned device_ms, unsigned hook_ms)
{
	struct pvb_wanted wanted = { .addr = { 0, bus, 0, PVB_FN_ALL } };
	struct pvb_request request = { .wanted = &wanted, .num_wanted = 1 };

	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.label, sizeof(request.label), "VM %s", name);
	pvb_settings_default(&request.settings);
	request.settings.device_timeout_ms = device_ms;
	request.settings.hook_timeout_ms = hook_ms;
	return pvb_lend(ctx, &request, &err);
}

static inline int lend(const char *name, unsigned device_ms, unsigned hook_ms)
{
	return lend_from(1, name, device_ms, hook_ms);
}

static inline void gives(int got, int want)
{
	if (got != want)
		fail_msg("gave %d, not %d; it said:\n%s%s", got, want, said, err.text);
}

static inline void says(const char *what)
{
	if (!strstr(said, what) && !strstr(err.text, what))
		fail_msg("did not say '%s', but:\n%s%s", what, said, err.text);
}

static inline void on(const char *display, const char *sound)
{
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), display);
	assert_string_equal(ft_driver_of(t, "0000:01:00.1"), sound);
}

/* Milliseconds since from, which is set anew. */
static inline long long lap(int64_t *from)
{
	int64_t was = *from;

	*from = pvb_now_ns();
	return (long long)(*from - was) / 1000000;
}

#endif
