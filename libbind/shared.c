/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Things that several lends share (the console, a bridge's power settings): who has them now,
 * and how they were before the first took them. */
#include <string.h>

#include "lend.h"

#define SHARED_WAIT_NS 10000000000 /* holders of these locks do a few writes and go */

bool pvb_shared_has(const struct pvb_shared *shared, const char *owner)
{
	size_t n = strlen(owner);

	for (const char *p = shared->owners; (p = strstr(p, owner)); p++)
		if ((p == shared->owners || p[-1] == ',') && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

bool pvb_shared_last(const struct pvb_shared *shared, const char *owner)
{
	return !*shared->owners || !strcmp(shared->owners, owner);
}

static int shared_write(struct pvb_shared *shared)
{
	char text[PVB_LINE_MAX];
	struct pvb_line line;

	pvb_line_start(&line, text, sizeof(text), "shared");
	pvb_line_text(&line, "home", shared->home);
	pvb_line_text(&line, "owners", shared->owners);
	return pvb_record_write(&shared->record, &line);
}

static int shared_fail(const struct pvb_shared *shared, int code, struct pvb_err *err)
{
	if (code == 0)
		return 0;
	return pvb_err_set(err, code, "cannot write /" PVB_STATE_DIR "/%s: %s", shared->record.name, strerror(-code));
}

int pvb_shared_enter(struct pvb_ctx *ctx, const char *thing, bool create, struct pvb_shared *shared,
		     struct pvb_err *err)
{
	int r;

	*shared = (struct pvb_shared){ .record.fd = -1 };
	if (!create && pvb_record_peek(ctx, thing, NULL) == -ENOENT)
		return 0; /* nobody took it: leave no file behind */
	r = pvb_record_open(ctx, thing, pvb_now_ns() + SHARED_WAIT_NS, &shared->record);
	if (r < 0)
		return pvb_err_set(err, r, "cannot lock /" PVB_STATE_DIR "/%s: %s", thing, strerror(-r));
	if (pvb_line_get(shared->record.body, "home", shared->home, sizeof(shared->home)) < 0 ||
	    pvb_line_get(shared->record.body, "owners", shared->owners, sizeof(shared->owners)) < 0)
		shared->home[0] = shared->owners[0] = '\0';
	return 0;
}

int pvb_shared_add(struct pvb_shared *shared, const char *owner, const char *home, struct pvb_err *err)
{
	/* Taken already: home is how the first found it, not how it is now. */
	if (!*shared->owners)
		snprintf(shared->home, sizeof(shared->home), "%s", home);
	if (pvb_shared_has(shared, owner))
		return 0;
	if (strlen(shared->owners) + strlen(owner) + 2 > sizeof(shared->owners))
		return shared_fail(shared, -E2BIG, err);
	strcat(strcat(shared->owners, *shared->owners ? "," : ""), owner);
	return shared_fail(shared, shared_write(shared), err);
}

/* owners without owner; never longer than it was. */
static void owner_remove(char *owners, const char *owner)
{
	char *to = owners, *part, *save = NULL;

	for (part = strtok_r(owners, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		size_t n = strlen(part);

		if (!strcmp(part, owner))
			continue;
		if (to != owners)
			*to++ = ',';
		memmove(to, part, n);
		to += n;
	}
	*to = '\0';
}

int pvb_shared_remove(struct pvb_ctx *ctx, struct pvb_shared *shared, const char *owner, struct pvb_err *err)
{
	if (shared->record.fd < 0)
		return 0;
	owner_remove(shared->owners, owner);
	if (*shared->owners)
		return shared_fail(shared, shared_write(shared), err);
	return shared_fail(shared, pvb_record_remove(ctx, &shared->record), err);
}

void pvb_shared_leave(struct pvb_shared *shared)
{
	pvb_record_close(&shared->record);
}
