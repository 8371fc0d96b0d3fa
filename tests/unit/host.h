/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made-up machine with a context on it, for the tests of libbind's lower files. */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../libbind/lend.h"
#include "faketree.h"

struct host {
	struct ft_tree *t;
	struct pvb_ctx *ctx;
	struct pvb_err err;
	char said[4096]; /* what was logged, a line each */
};

static inline void host_say(void *data, enum pvb_level level, const char *line)
{
	struct host *h = data;
	size_t have = strlen(h->said);

	(void)level;
	snprintf(h->said + have, sizeof(h->said) - have, "%s\n", line);
}

static inline int host_setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->t = ft_new();
	if (pvb_ctx_new(&h->ctx, h->t->path, &h->err) < 0)
		fail_msg("%s", h->err.text);
	pvb_ctx_set_log(h->ctx, host_say, h);
	*state = h;
	return 0;
}

static inline int host_teardown(void **state)
{
	struct host *h = *state;

	pvb_ctx_free(h->ctx);
	ft_free(h->t);
	free(h);
	return 0;
}

static inline struct pvb_addr addr_of(const char *text)
{
	struct pvb_addr addr;
	struct pvb_err err;

	if (pvb_addr_parse(text, &addr, &err) < 0)
		fail_msg("%s", err.text);
	return addr;
}

static inline struct pvb_function function_of(struct host *h, const char *text)
{
	struct pvb_addr addr = addr_of(text);
	struct pvb_function fn;

	assert_int_equal(pvb_function_read(h->ctx, &addr, &fn), 0);
	return fn;
}

#define assert_has(text, part)                                                          \
	do {                                                                            \
		if (!strstr(text, part))                                                \
			fail_msg("\"%s\" does not say \"%s\"", text, part);             \
	} while (0)
#define assert_has_not(text, part)                                                      \
	do {                                                                            \
		if (strstr(text, part))                                                 \
			fail_msg("\"%s\" says \"%s\"", text, part);                     \
	} while (0)

#endif
