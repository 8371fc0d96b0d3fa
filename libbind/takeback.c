/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Take back, and recover what others left. */
#include <string.h>

#include "lend.h"

/* LENT: the borrower starts again at once; KEPT: until it is wanted elsewhere. */
static int lend_keep(struct pvb_session *s, enum pvb_state state, uint64_t generation, const char *why, struct pvb_err *err)
{
	_cleanup_close_ int fd = pvb_journal_open(s->ctx, s->name, err);
	int r = fd < 0 ? fd : state == PVB_LENT ? pvb_journal_awaits(fd) : pvb_journal_state(fd, state, 0);

	if (r < 0)
		return pvb_err_set(err, r, "cannot write the journal of %s: %s", s->label, strerror(-r));
	pvb_tell(s->ctx, PVB_NOTICE, &(struct pvb_event){ PVB_EVENT_KEPT, .name = s->name, .generation = generation },
		 "%s: its devices stay on vfio (%s)", s->label, why);
	return 0;
}

static int lend_take_back(struct pvb_session *s, const struct pvb_lend *lend, unsigned flags, struct pvb_err *err)
{
	/* lend->unfinished says nothing here: the lock is held, by us. */
	bool whole = lend->state == PVB_LENT || lend->state == PVB_RUNNING || lend->state == PVB_KEPT;

	if (flags & PVB_RETURN_KEEP && whole)
		return lend_keep(s, PVB_LENT, lend->generation, "it starts again at once", err);
	if (lend->settings.keep_on_stop && !(flags & PVB_RETURN_HOME) && whole)
		return lend_keep(s, PVB_KEPT, lend->generation, "on-stop = keep", err);
	s->no_start = flags & PVB_RETURN_NO_START;
	s->way = flags & PVB_RETURN_SAID ? PVB_EVENT_NONE : pvb_lend_way(lend);
	return pvb_home_bring(s, lend, err);
}

static int return_locked(struct pvb_session *s, pvb_confirm_fn *confirm, void *data, struct pvb_err *err)
{
	struct pvb_lend lend;
	unsigned flags = 0;
	int r = pvb_lend_read(s->ctx, s->name, &lend, err);

	if (r == -ENOENT) {
		pvb_log(s->ctx, PVB_INFO, "%s: nothing is lent, nothing to do", s->label);
		return err->code = 0;
	}
	if (r < 0)
		return r;
	snprintf(s->label, sizeof(s->label), "%s", lend.label);
	pvb_session_budget(s, &lend.settings);
	if (confirm(data, &lend, &flags))
		r = lend_take_back(s, &lend, flags, err);
	pvb_lend_clear(&lend);
	return r;
}

/* Somebody works on it: wait as long as its settings say; what else counts is read under the lock. */
static int session_await(struct pvb_ctx *ctx, const char *name, struct pvb_session *s, struct pvb_err *err)
{
	struct pvb_lend lend = { .num_devices = 0 };
	struct pvb_settings settings;

	pvb_settings_default(&settings);
	if (pvb_lend_read(ctx, name, &lend, err) == 0)
		settings = lend.settings;
	pvb_lend_clear(&lend);
	err->code = 0;
	return pvb_session_begin(ctx, name, name, &settings, s, err);
}

int pvb_return_confirmed(struct pvb_ctx *ctx, const char *name, pvb_confirm_fn *confirm, void *data, struct pvb_err *err)
{
	struct pvb_session s;
	int r;

	err->code = 0;
	r = pvb_session_begin(ctx, name, name, NULL, &s, err);
	if (r == -EBUSY)
		r = session_await(ctx, name, &s, err);
	if (r == 0)
		r = return_locked(&s, confirm, data, err);
	pvb_session_close(&s);
	return r;
}

static bool flags_confirm(void *data, const struct pvb_lend *lend, unsigned *flags)
{
	(void)lend;
	*flags = *(unsigned *)data;
	return true;
}

int pvb_return(struct pvb_ctx *ctx, const char *name, unsigned flags, struct pvb_err *err)
{
	return pvb_return_confirmed(ctx, name, flags_confirm, &flags, err);
}

/* Under its lock, "lending" and "returning" mean that whoever did it is gone. */
static int recover_one(struct pvb_ctx *ctx, const char *name, unsigned *recovered, struct pvb_err *err)
{
	struct pvb_lend lend;
	struct pvb_session s;
	/* Those who only look hold the lock for an instant, too: not to be taken for work. */
	int r = pvb_session_open(ctx, name, name, PVB_LOOK_WAIT_NS, &s, err);

	if (r == -EBUSY)
		pvb_log(ctx, PVB_NOTICE, "%s", err->text);
	if (r == 0)
		r = pvb_lend_read(ctx, name, &lend, err);
	if (r < 0) {
		pvb_session_close(&s);
		return r == -ENOENT || r == -EBUSY ? (err->code = 0) : r; /* done meanwhile, or being worked on */
	}
	snprintf(s.label, sizeof(s.label), "%s", lend.label);
	pvb_session_budget(&s, &lend.settings);
	if (lend.state == PVB_LENDING || lend.state == PVB_RETURNING || lend.state == PVB_FAILED || lend.other_boot) {
		s.way = PVB_EVENT_RECOVER;
		r = pvb_home_bring(&s, &lend, err);
		*recovered += r == 0;
	} else {
		pvb_log(ctx, PVB_INFO, "%s: %s, nothing to recover", s.label, pvb_state_name(lend.state));
	}
	pvb_lend_clear(&lend);
	pvb_session_close(&s);
	return r;
}

/* Journals that never came to be. */
static void parts_remove(struct pvb_ctx *ctx)
{
	static const char suffix[] = ".journal.part";
	_cleanup_strv_ char **files = NULL;
	struct pvb_err ignored;
	struct pvb_session s;

	if (pvb_sysfs_list(ctx, PVB_STATE_DIR, &files) < 0)
		return;
	for (char **file = files; *file; file++) {
		size_t n = strlen(*file);

		if (n < sizeof(suffix) || strcmp(*file + n - (sizeof(suffix) - 1), suffix) != 0)
			continue;
		(*file)[n - (sizeof(suffix) - 1)] = '\0';
		if (pvb_session_open(ctx, *file, *file, PVB_LOOK_WAIT_NS, &s, &ignored) == 0)
			pvb_session_close(&s); /* its opening did it */
	}
}

int pvb_recover(struct pvb_ctx *ctx, const char *name, unsigned *recovered, struct pvb_err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct pvb_err one = { .code = 0 };
	unsigned count = 0;
	int r;

	err->code = 0;
	if (name)
		r = recover_one(ctx, name, &count, err);
	else
		r = pvb_lend_names(ctx, &names, err);
	for (char **each = names; each && *each; each++)
		if (recover_one(ctx, *each, &count, &one) < 0 && !err->code)
			*err = one;
	parts_remove(ctx);
	if (recovered)
		*recovered = count;
	return r < 0 ? r : err->code;
}
