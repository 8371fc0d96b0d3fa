/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a journal back: the plan, and how far each operation is known to have come. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "lend.h"

#define JOURNAL_MAX (4u << 20) /* bytes; a lend of 64 functions writes some 100 KiB */

static int head_parse(struct pvb_ctx *ctx, struct pvb_lend *lend, const char *body)
{
	char here[40], there[40];

	if (pvb_line_get_number(body, "format", 0) != PVB_JOURNAL_FORMAT)
		return -EPROTO;
	if (pvb_line_get(body, "name", lend->name, sizeof(lend->name)) < 0 ||
	    pvb_line_get(body, "label", lend->label, sizeof(lend->label)) < 0 ||
	    pvb_line_get(body, "boot", there, sizeof(there)) < 0)
		return -EBADMSG;
	lend->generation = (uint64_t)pvb_line_get_number(body, "generation", 0);
	lend->since = pvb_line_get_number(body, "since", 0);
	pvb_boot_id_read(ctx, here, sizeof(here));
	lend->other_boot = *here && *there && strcmp(here, there) != 0;
	return 0;
}

/* What an older version did not write has the value it had then. */
static void text_parse_or(const char *body, const char *key, const char *fallback, char *buf, size_t size)
{
	if (pvb_line_get(body, key, buf, size) < 0)
		snprintf(buf, size, "%s", fallback);
}

static int settings_parse(struct pvb_settings *s, const char *body)
{
	if (pvb_line_get(body, "reset", s->reset, sizeof(s->reset)) < 0 ||
	    pvb_line_get(body, "host-driver", s->host_driver, sizeof(s->host_driver)) < 0)
		return -EBADMSG;
	text_parse_or(body, "tag", "", s->tag, sizeof(s->tag));
	text_parse_or(body, "stop-units", "", s->stop_units, sizeof(s->stop_units));
	text_parse_or(body, "stop-containers", "", s->stop_containers, sizeof(s->stop_containers));
	text_parse_or(body, "unload", "auto", s->unload, sizeof(s->unload));
	text_parse_or(body, "next", "", s->next, sizeof(s->next));
	s->busy_stop = pvb_line_get_number(body, "busy-stop", 0);
	s->guard = pvb_line_get_number(body, "guard", 0);
	s->keep_on_stop = pvb_line_get_number(body, "keep-on-stop", 0);
	s->keep_on_reboot = pvb_line_get_number(body, "keep-on-reboot", 1);
	s->keep_console = pvb_line_get_number(body, "keep-console", 0);
	s->device_timeout_ms = (unsigned)pvb_line_get_number(body, "device-timeout", s->device_timeout_ms);
	s->hook_timeout_ms = (unsigned)pvb_line_get_number(body, "hook-timeout", s->hook_timeout_ms);
	return 0;
}

static int device_parse(struct pvb_lend *lend, const char *body)
{
	struct pvb_home *more = realloc(lend->devices, (lend->num_devices + 1) * sizeof(*more)), *home;
	char text[64];

	if (!more)
		return -ENOMEM;
	lend->devices = more;
	home = &more[lend->num_devices];
	memset(home, 0, sizeof(*home));
	if (pvb_line_get(body, "addr", text, sizeof(text)) < 0 || pvb_addr_parse(text, &home->addr, NULL) < 0)
		return -EBADMSG;
	if (pvb_line_get(body, "id", text, sizeof(text)) < 0 ||
	    sscanf(text, "%4" SCNx16 ":%4" SCNx16 ":%4" SCNx16 ":%4" SCNx16, &home->vendor, &home->device,
		   &home->subvendor, &home->subdevice) != 4)
		return -EBADMSG;
	if (pvb_line_get(body, "driver", home->driver, sizeof(home->driver)) < 0 ||
	    pvb_line_get(body, "module", home->module, sizeof(home->module)) < 0 ||
	    pvb_line_get(body, "was-driver", home->was_driver, sizeof(home->was_driver)) < 0 ||
	    pvb_line_get(body, "was-module", home->was_module, sizeof(home->was_module)) < 0 ||
	    pvb_line_get(body, "modalias", home->modalias, sizeof(home->modalias)) < 0 ||
	    pvb_line_get(body, "reset-methods", home->reset_methods, sizeof(home->reset_methods)) < 0)
		return -EBADMSG;
	home->class_code = (uint32_t)pvb_line_get_number(body, "class", 0);
	home->group = (int)pvb_line_get_number(body, "group", -1);
	home->named = pvb_line_get_number(body, "named", 0);
	home->stays = pvb_line_get_number(body, "stays", 0);
	home->by_modalias = pvb_line_get_number(body, "by-modalias", 0);
	lend->num_devices++;
	return 0;
}

/* What is done to a function; all else may be the host's (device -1). */
static bool op_needs_device(enum pvb_op_kind kind)
{
	return kind == PVB_OP_POWER || kind == PVB_OP_OVERRIDE || kind == PVB_OP_UNBIND || kind == PVB_OP_BIND ||
	       kind == PVB_OP_RESET;
}

static int op_parse(struct pvb_journal *j, const char *body)
{
	struct pvb_op *ops = realloc(j->ops, (j->num_ops + 1) * sizeof(*ops));
	enum pvb_progress *progress = realloc(j->progress, (j->num_ops + 1) * sizeof(*progress));
	struct pvb_at *at = realloc(j->at, (j->num_ops + 1) * sizeof(*at));
	int64_t device;
	char kind[32];

	if (ops)
		j->ops = ops;
	if (progress)
		j->progress = progress;
	if (at)
		j->at = at;
	if (!ops || !progress || !at)
		return -ENOMEM;
	progress[j->num_ops] = PVB_PROGRESS_NONE;
	at[j->num_ops] = (struct pvb_at){ .pid = 0 };
	ops += j->num_ops;
	memset(ops, 0, sizeof(*ops));
	if (pvb_line_get(body, "kind", kind, sizeof(kind)) < 0 || pvb_op_kind_parse(kind, &ops->kind) < 0 ||
	    pvb_line_get(body, "arg", ops->arg, sizeof(ops->arg)) < 0)
		return -EBADMSG;
	device = pvb_line_get_number(body, "device", -1);
	if (device < (op_needs_device(ops->kind) ? 0 : -1) || device >= (int64_t)j->lend.num_devices)
		return -EBADMSG;
	ops->device = (int)device;
	ops->stage = (unsigned)pvb_line_get_number(body, "stage", 0);
	j->num_ops++;
	return 0;
}

static int state_parse(struct pvb_lend *lend, const char *body)
{
	char name[32];

	if (pvb_line_get(body, "is", name, sizeof(name)) < 0 || pvb_state_parse(name, &lend->state) < 0)
		return -EBADMSG;
	lend->owner_pid = (int)pvb_line_get_number(body, "pid", 0);
	lend->borrower_pid = (int)pvb_line_get_number(body, "borrower", 0);
	lend->was_lent = lend->was_lent || lend->state == PVB_LENT;
	lend->awaits_start = pvb_line_get_number(body, "awaits-start", 0);
	return 0;
}

static int override_parse(struct pvb_lend *lend, const char *body)
{
	int64_t device = pvb_line_get_number(body, "device", -1);

	if (device < 0 || (size_t)device >= lend->num_devices)
		return -EBADMSG;
	return pvb_line_get(body, "was", lend->devices[device].override, PVB_NAME_MAX) < 0 ? -EBADMSG : 0;
}

/* An outcome that failed stays an intent: the effect may be there in part. */
static int progress_parse(struct pvb_journal *j, const char *body, bool outcome, bool undo)
{
	int64_t op = pvb_line_get_number(body, "op", -1);
	bool good = outcome && pvb_line_get_number(body, "code", -1) == 0;

	if (op < 0 || (size_t)op >= j->num_ops)
		return -EBADMSG;
	j->at[op] = (struct pvb_at){ .undo = undo };
	if (!outcome) {
		int64_t pid = pvb_line_get_number(body, "pid", 0);

		j->at[op].pid = pid > 0 && pid <= INT_MAX ? (int)pid : 0;
		j->at[op].since_ns = pvb_line_get_number(body, "at", 0);
	}
	if (undo)
		j->progress[op] = good ? PVB_PROGRESS_NONE : PVB_PROGRESS_INTENT;
	else
		j->progress[op] = good ? PVB_PROGRESS_DONE : PVB_PROGRESS_INTENT;
	return 0;
}

static int body_parse(struct pvb_ctx *ctx, struct pvb_journal *j, const char *body)
{
	if (pvb_line_is(body, "lend"))
		return head_parse(ctx, &j->lend, body);
	if (pvb_line_is(body, "settings"))
		return settings_parse(&j->lend.settings, body);
	if (pvb_line_is(body, "device"))
		return device_parse(&j->lend, body);
	if (pvb_line_is(body, "op"))
		return op_parse(j, body);
	if (pvb_line_is(body, "state"))
		return state_parse(&j->lend, body);
	if (pvb_line_is(body, "renewal"))
		j->lend.generation = (uint64_t)pvb_line_get_number(body, "generation", (int64_t)j->lend.generation);
	if (pvb_line_is(body, "override"))
		return override_parse(&j->lend, body);
	if (pvb_line_is(body, "intent") || pvb_line_is(body, "undo"))
		return progress_parse(j, body, false, pvb_line_is(body, "undo"));
	if (pvb_line_is(body, "outcome") || pvb_line_is(body, "undone"))
		return progress_parse(j, body, true, pvb_line_is(body, "undone"));
	return 0; /* of a later version: says more, changes nothing of the above */
}

static int text_parse(struct pvb_ctx *ctx, struct pvb_journal *j, char *text)
{
	const char *body;
	char *next = text;
	int r = 0;

	while (r == 0 && *next) {
		char *rest = strchr(next, '\n');

		/* Two writers may each have ended the same cut line. */
		if (rest == next) {
			next++;
			continue;
		}
		/* A line that its writer died in: an intent that was never whole never had an effect. But the plan, up
		 * to the first state, is written in one go: where a line of it is lost, the others' numbers are wrong. */
		body = pvb_line_check(next, &next);
		if (body)
			r = body_parse(ctx, j, body);
		else if (j->lend.state == PVB_HOME)
			return -EBADMSG;
		else if (rest)
			next = rest + 1;
		j->torn = j->torn || !body;
		if (!body && !rest)
			break;
	}
	/* The plan came into being whole, by a rename: without its end this is no journal of ours. */
	if (r == 0 && (!*j->lend.name || j->lend.state == PVB_HOME))
		r = -EBADMSG;
	return r;
}

int pvb_journal_read(struct pvb_ctx *ctx, const char *name, struct pvb_journal *j, struct pvb_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PVB_PATH_MAX], lock[PVB_NAME_MAX];
	size_t size = 0;
	int r;

	memset(j, 0, sizeof(*j));
	pvb_settings_default(&j->lend.settings);
	r = pvb_read_file(ctx, pvb_journal_path(name, path), JOURNAL_MAX, &text, &size);
	if (r == -ENOENT)
		return pvb_err_set(err, r, "nothing is lent to %s", name);
	if (r == 0 && strlen(text) != size)
		r = -EBADMSG;
	if (r == 0)
		r = text_parse(ctx, j, text);
	if (r == -EPROTO)
		pvb_err_set(err, r, "the journal /%s is of another format: it was written by another version of pvebind; use that one to return", path);
	else if (r < 0)
		pvb_err_set(err, r, "cannot read the journal /%s: %s; bring its devices home by hand (lspci -nnk shows them), then remove that file", path,
			    r == -EBADMSG ? "it is damaged" : strerror(-r));
	if (r < 0) {
		pvb_journal_clear(j);
		return r;
	}
	j->lend.unfinished = (j->lend.state == PVB_LENDING || j->lend.state == PVB_RETURNING) &&
			     !pvb_record_locked(ctx, pvb_lend_lock_name(name, lock));
	return 0;
}

void pvb_journal_clear(struct pvb_journal *j)
{
	pvb_lend_clear(&j->lend);
	free(j->ops);
	free(j->progress);
	free(j->at);
	memset(j, 0, sizeof(*j));
}
