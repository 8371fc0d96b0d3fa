/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has devices open now, for those who only look. */
#include <string.h>

#include "lend.h"

static int nodes_look(struct pvb_busy *busy, const struct pvb_function *fn)
{
	_cleanup_strv_ char **paths = NULL;
	int r;

	if (fn->bridge)
		return 0;
	if (!fn->vfio)
		return pvb_device_nodes(busy->ctx, fn, &busy->nodes);
	r = pvb_vfio_nodes(busy->ctx, fn, &paths);
	for (char **path = paths; r == 0 && *path; path++)
		r = pvb_nodes_add(&busy->nodes, &fn->addr, *path);
	return r;
}

static int user_add(struct pvb_users *users, const struct pvb_function *fn, const struct pvb_user *found)
{
	struct pvb_user *more = realloc(users->list, (users->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	users->list = more;
	more += users->n++;
	*more = *found;
	more->addr = fn->addr;
	return 0;
}

static int users_collect(const struct pvb_busy *busy, const struct pvb_function *fn, struct pvb_users *users)
{
	struct pvb_user user;
	size_t at = 0;
	int r = 0;

	while (r == 0 && pvb_busy_next(busy, fn, &at, &user))
		r = user_add(users, fn, &user);
	return r;
}

int pvb_users_find(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n, const struct pvb_settings *settings,
		   struct pvb_users *users, struct pvb_err *err)
{
	struct pvb_settings built_in;
	struct pvb_busy busy = { .ctx = ctx, .settings = settings ? settings : &built_in };
	int r;

	*users = (struct pvb_users){ .n = 0 };
	pvb_settings_default(&built_in);
	r = pvb_stops_list(busy.settings, &busy.stops);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = nodes_look(&busy, fns[i]);
	if (r == 0 && busy.nodes.n)
		r = pvb_holders_find(ctx, &busy.nodes, &busy.holders);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = users_collect(&busy, fns[i], users);
	if (r == 0)
		pvb_holders_unknown(ctx, &busy.holders, users->unknown, sizeof(users->unknown));
	pvb_busy_clear(&busy);
	return r < 0 ? pvb_err_set(err, r, "cannot find out who has the devices open: %s", strerror(-r)) : 0;
}

void pvb_users_clear(struct pvb_users *users)
{
	free(users->list);
	*users = (struct pvb_users){ .n = 0 };
}
