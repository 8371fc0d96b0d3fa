/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of a lend: its plan, then intents, outcomes and states, a line each.
 *
 * It lies on a tmpfs that a boot empties, so a crash of the host needs no fsync: what counts is
 * that a kill at any instruction leaves whole lines before the place where it struck. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "internal.h"

#define JOURNAL_MAX (4u << 20) /* bytes; a lend of 64 functions writes some 100 KiB */

static const char *journal_path(const char *name, char path[PVB_PATH_MAX])
{
	snprintf(path, PVB_PATH_MAX, PVB_STATE_DIR "/%s.journal", name);
	return path;
}

const char *pvb_lend_lock_name(const char *name, char buf[PVB_NAME_MAX])
{
	snprintf(buf, PVB_NAME_MAX, "%s.lock", name);
	return buf;
}

/* ---- writing ---- */

static int line_write(int fd, struct pvb_line *line)
{
	int r = pvb_line_finish(line);
	ssize_t n;

	if (r < 0)
		return r;
	n = write(fd, line->text, line->size);
	if (n < 0)
		return -errno;
	return (size_t)n == line->size ? 0 : -ENOSPC;
}

int pvb_journal_intent(int fd, size_t op, bool undo)
{
	struct pvb_line line;

	pvb_line_start(&line, undo ? "undo" : "intent");
	pvb_line_number(&line, "op", (int64_t)op);
	return line_write(fd, &line);
}

int pvb_journal_outcome(int fd, size_t op, bool undo, int code, const char *text)
{
	struct pvb_line line;

	pvb_line_start(&line, undo ? "undone" : "outcome");
	pvb_line_number(&line, "op", (int64_t)op);
	pvb_line_number(&line, "code", code);
	pvb_line_text(&line, "text", text);
	return line_write(fd, &line);
}

int pvb_journal_state(int fd, enum pvb_state state, int borrower_pid)
{
	struct pvb_line line;

	pvb_line_start(&line, "state");
	pvb_line_text(&line, "is", pvb_state_name(state));
	pvb_line_number(&line, "pid", getpid());
	pvb_line_number(&line, "borrower", borrower_pid);
	return line_write(fd, &line);
}

int pvb_journal_override(int fd, size_t device, const char *override)
{
	struct pvb_line line;

	pvb_line_start(&line, "override");
	pvb_line_number(&line, "device", (int64_t)device);
	pvb_line_text(&line, "was", override);
	return line_write(fd, &line);
}

int pvb_journal_settings(int fd, const struct pvb_settings *s)
{
	struct pvb_line line;

	pvb_line_start(&line, "settings");
	pvb_line_text(&line, "reset", s->reset);
	pvb_line_text(&line, "host-driver", s->host_driver);
	pvb_line_number(&line, "keep-on-stop", s->keep_on_stop);
	pvb_line_number(&line, "keep-on-reboot", s->keep_on_reboot);
	pvb_line_number(&line, "keep-console", s->keep_console);
	pvb_line_number(&line, "device-timeout", s->device_timeout_ms);
	pvb_line_number(&line, "hook-timeout", s->hook_timeout_ms);
	pvb_line_text(&line, "tag", s->tag);
	return line_write(fd, &line);
}

static void boot_id_read(struct pvb_ctx *ctx, char *buf, size_t size)
{
	_cleanup_free_ char *text = NULL;

	*buf = '\0';
	if (pvb_read_file(ctx, "proc/sys/kernel/random/boot_id", 128, &text, NULL) == 0)
		snprintf(buf, size, "%.36s", text);
}

static int head_write(struct pvb_ctx *ctx, int fd, const struct pvb_lend *lend)
{
	struct pvb_line line;
	char boot_id[40];

	boot_id_read(ctx, boot_id, sizeof(boot_id));
	pvb_line_start(&line, "lend");
	pvb_line_number(&line, "format", PVB_JOURNAL_FORMAT);
	pvb_line_text(&line, "version", PVB_VERSION);
	pvb_line_text(&line, "name", lend->name);
	pvb_line_text(&line, "label", lend->label);
	pvb_line_number(&line, "generation", (int64_t)lend->generation);
	pvb_line_number(&line, "since", lend->since);
	pvb_line_text(&line, "boot", boot_id);
	return line_write(fd, &line);
}

static int device_write(int fd, const struct pvb_home *home)
{
	struct pvb_line line;
	char text[64];

	pvb_line_start(&line, "device");
	pvb_line_text(&line, "addr", pvb_addr_format(&home->addr, text));
	snprintf(text, sizeof(text), "%04x:%04x:%04x:%04x", home->vendor, home->device, home->subvendor,
		 home->subdevice);
	pvb_line_text(&line, "id", text);
	pvb_line_number(&line, "class", home->class_code);
	pvb_line_number(&line, "group", home->group);
	pvb_line_number(&line, "named", home->named);
	pvb_line_number(&line, "stays", home->stays);
	pvb_line_number(&line, "by-modalias", home->by_modalias);
	pvb_line_text(&line, "driver", home->driver);
	pvb_line_text(&line, "module", home->module);
	pvb_line_text(&line, "modalias", home->modalias);
	pvb_line_text(&line, "reset-methods", home->reset_methods);
	return line_write(fd, &line);
}

static int op_write(int fd, const struct pvb_op *op)
{
	struct pvb_line line;

	pvb_line_start(&line, "op");
	pvb_line_text(&line, "kind", pvb_op_name(op->kind));
	pvb_line_number(&line, "device", op->device);
	pvb_line_number(&line, "stage", op->stage);
	pvb_line_text(&line, "arg", op->arg);
	return line_write(fd, &line);
}

static int plan_write(struct pvb_ctx *ctx, int fd, const struct pvb_journal *j)
{
	int r = head_write(ctx, fd, &j->lend);

	if (r == 0)
		r = pvb_journal_settings(fd, &j->lend.settings);
	for (size_t i = 0; r == 0 && i < j->lend.num_devices; i++)
		r = device_write(fd, &j->lend.devices[i]);
	for (size_t i = 0; r == 0 && i < j->num_ops; i++)
		r = op_write(fd, &j->ops[i]);
	return r == 0 ? pvb_journal_state(fd, PVB_LENDING, 0) : r;
}

int pvb_journal_create(struct pvb_ctx *ctx, const struct pvb_journal *j, struct pvb_err *err)
{
	_cleanup_close_ int dir = pvb_open(ctx, PVB_STATE_DIR, O_RDONLY | O_DIRECTORY);
	char path[PVB_PATH_MAX], part[PVB_PATH_MAX];
	int fd, r;

	journal_path(j->lend.name, path);
	snprintf(part, sizeof(part), "%.400s.part", path);
	fd = pvb_openat(ctx, part, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : plan_write(ctx, fd, j);
	if (r == 0 && dir < 0)
		r = dir;
	if (r == 0 && renameat(dir, strrchr(part, '/') + 1, dir, strrchr(path, '/') + 1) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	if (fd >= 0) {
		close(fd);
		if (dir >= 0)
			unlinkat(dir, strrchr(part, '/') + 1, 0);
	}
	return pvb_err_set(err, r, "cannot write the journal /%s: %s; nothing was changed", path, strerror(-r));
}

int pvb_journal_open(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	char path[PVB_PATH_MAX];
	int fd = pvb_openat(ctx, journal_path(name, path), O_RDWR | O_APPEND | O_NOFOLLOW, 0);
	struct stat st;
	char last = '\n';

	if (fd < 0)
		return pvb_err_set(err, fd, "cannot open the journal /%s: %s", path, strerror(-fd));
	/* End a torn line, so that ours does not become its end. */
	if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
	    write(fd, "\n", 1) != 1) {
		close(fd);
		return pvb_err_set(err, -EIO, "cannot write the journal /%s: %s", path, strerror(errno));
	}
	return fd;
}

int pvb_journal_remove(struct pvb_ctx *ctx, const char *name)
{
	_cleanup_close_ int dir = pvb_open(ctx, PVB_STATE_DIR, O_RDONLY | O_DIRECTORY);
	char path[PVB_PATH_MAX];

	if (dir < 0)
		return dir;
	if (unlinkat(dir, strrchr(journal_path(name, path), '/') + 1, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* ---- reading ---- */

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
	boot_id_read(ctx, here, sizeof(here));
	lend->other_boot = strcmp(here, there) != 0;
	return 0;
}

static int settings_parse(struct pvb_settings *s, const char *body)
{
	if (pvb_line_get(body, "reset", s->reset, sizeof(s->reset)) < 0 ||
	    pvb_line_get(body, "host-driver", s->host_driver, sizeof(s->host_driver)) < 0)
		return -EBADMSG;
	if (pvb_line_get(body, "tag", s->tag, sizeof(s->tag)) < 0)
		s->tag[0] = '\0';
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
	struct pvb_err ignored;

	if (!more)
		return -ENOMEM;
	lend->devices = more;
	home = &more[lend->num_devices];
	memset(home, 0, sizeof(*home));
	if (pvb_line_get(body, "addr", text, sizeof(text)) < 0 || pvb_addr_parse(text, &home->addr, &ignored) < 0)
		return -EBADMSG;
	if (pvb_line_get(body, "id", text, sizeof(text)) < 0 ||
	    sscanf(text, "%4" SCNx16 ":%4" SCNx16 ":%4" SCNx16 ":%4" SCNx16, &home->vendor, &home->device,
		   &home->subvendor, &home->subdevice) != 4)
		return -EBADMSG;
	if (pvb_line_get(body, "driver", home->driver, sizeof(home->driver)) < 0 ||
	    pvb_line_get(body, "module", home->module, sizeof(home->module)) < 0 ||
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

static int op_parse(struct pvb_journal *j, const char *body)
{
	struct pvb_op *ops = realloc(j->ops, (j->num_ops + 1) * sizeof(*ops));
	enum pvb_progress *progress = realloc(j->progress, (j->num_ops + 1) * sizeof(*progress));
	char kind[32];

	if (ops)
		j->ops = ops;
	if (progress)
		j->progress = progress;
	if (!ops || !progress)
		return -ENOMEM;
	progress[j->num_ops] = PVB_PROGRESS_NONE;
	ops += j->num_ops;
	memset(ops, 0, sizeof(*ops));
	if (pvb_line_get(body, "kind", kind, sizeof(kind)) < 0 || pvb_op_kind_parse(kind, &ops->kind) < 0 ||
	    pvb_line_get(body, "arg", ops->arg, sizeof(ops->arg)) < 0)
		return -EBADMSG;
	ops->device = (int)pvb_line_get_number(body, "device", -1);
	ops->stage = (unsigned)pvb_line_get_number(body, "stage", 0);
	if (ops->device < -1 || ops->device >= (int)j->lend.num_devices)
		return -EBADMSG;
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

		/* A line that its writer died in: an intent that was never whole never had an effect. */
		body = pvb_line_check(next, &next);
		if (body)
			r = body_parse(ctx, j, body);
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
	int r;

	memset(j, 0, sizeof(*j));
	pvb_settings_default(&j->lend.settings);
	r = pvb_read_file(ctx, journal_path(name, path), JOURNAL_MAX, &text, NULL);
	if (r == -ENOENT)
		return pvb_err_set(err, r, "nothing is lent to %s", name);
	if (r == 0)
		r = text_parse(ctx, j, text);
	if (r == -EPROTO)
		pvb_err_set(err, r, "the journal /%s is of another format: it was written by another version of pvebind; use that one to return", path);
	else if (r < 0)
		pvb_err_set(err, r, "cannot read the journal /%s: %s; its devices must be brought home by hand", path,
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
	memset(j, 0, sizeof(*j));
}
