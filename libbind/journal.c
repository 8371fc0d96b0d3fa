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

#include "lend.h"

/* Lines are made on the stack, of which a hook that forks has the fewer pages copied, the smaller they are. */
#define SHORT_MAX 256    /* of words and numbers alone */
#define OUTCOME_MAX 2048 /* with a sentence, of which each byte may take three */
_Static_assert(SHORT_MAX >= 3 * PVB_NAME_MAX + 60, "an override's name fits");
_Static_assert(OUTCOME_MAX >= 3 * sizeof(((struct pvb_outcome *)NULL)->text) + 80, "an outcome's sentence fits");

const char *pvb_journal_path(const char *name, char path[PVB_PATH_MAX])
{
	snprintf(path, PVB_PATH_MAX, PVB_STATE_DIR "/%s.journal", name);
	return path;
}

const char *pvb_lend_lock_name(const char *name, char buf[PVB_NAME_MAX])
{
	snprintf(buf, PVB_NAME_MAX, "%s.lock", name);
	return buf;
}

/* A line that was cut (a full /run, a death) must not become the beginning of ours. */
static int tail_end(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END); /* where O_APPEND writes all the same */
	char last = '\n';

	if (size <= 0 || pread(fd, &last, 1, size - 1) != 1 || last == '\n')
		return 0;
	return write(fd, "\n", 1) < 0 ? -errno : 0;
}

static int line_write(int fd, struct pvb_line *line)
{
	int r = pvb_line_finish(line);
	ssize_t n;

	if (r == 0)
		r = tail_end(fd);
	if (r < 0)
		return r;
	n = write(fd, line->text, line->size);
	if (n < 0)
		return -errno;
	return (size_t)n == line->size ? 0 : -ENOSPC;
}

/* The plan's lines are written in one go: nobody reads it before its rename. */
static int line_put(FILE *plan, struct pvb_line *line)
{
	int r = pvb_line_finish(line);

	return r == 0 && fwrite(line->text, line->size, 1, plan) != 1 ? -ENOMEM : r;
}

int pvb_journal_intent(int fd, size_t op, bool undo)
{
	char buf[SHORT_MAX];
	struct pvb_line line;

	pvb_line_start(&line, buf, sizeof(buf), undo ? "undo" : "intent");
	pvb_line_number(&line, "op", (int64_t)op);
	pvb_line_number(&line, "pid", getpid());
	pvb_line_number(&line, "at", pvb_boottime_ns());
	return line_write(fd, &line);
}

int pvb_journal_outcome(int fd, size_t op, bool undo, int code, const char *text)
{
	char buf[OUTCOME_MAX];
	struct pvb_line line;

	pvb_line_start(&line, buf, sizeof(buf), undo ? "undone" : "outcome");
	pvb_line_number(&line, "op", (int64_t)op);
	pvb_line_number(&line, "code", code);
	pvb_line_text(&line, "text", text);
	return line_write(fd, &line);
}

static struct pvb_line *state_line(struct pvb_line *line, char buf[SHORT_MAX], enum pvb_state state, int borrower_pid)
{
	pvb_line_start(line, buf, SHORT_MAX, "state");
	pvb_line_text(line, "is", pvb_state_name(state));
	pvb_line_number(line, "pid", getpid());
	pvb_line_number(line, "borrower", borrower_pid);
	return line;
}

int pvb_journal_state(int fd, enum pvb_state state, int borrower_pid)
{
	char buf[SHORT_MAX];
	struct pvb_line line;

	return line_write(fd, state_line(&line, buf, state, borrower_pid));
}

int pvb_journal_awaits(int fd)
{
	char buf[SHORT_MAX];
	struct pvb_line line;

	pvb_line_start(&line, buf, sizeof(buf), "state");
	pvb_line_text(&line, "is", pvb_state_name(PVB_LENT));
	pvb_line_number(&line, "pid", getpid());
	pvb_line_number(&line, "awaits-start", 1);
	return line_write(fd, &line);
}

int pvb_journal_renewal(int fd, uint64_t generation)
{
	char buf[SHORT_MAX];
	struct pvb_line line;

	pvb_line_start(&line, buf, sizeof(buf), "renewal");
	pvb_line_number(&line, "generation", (int64_t)generation);
	return line_write(fd, &line);
}

int pvb_journal_override(int fd, size_t device, const char *override)
{
	char buf[SHORT_MAX];
	struct pvb_line line;

	pvb_line_start(&line, buf, sizeof(buf), "override");
	pvb_line_number(&line, "device", (int64_t)device);
	pvb_line_text(&line, "was", override);
	return line_write(fd, &line);
}

static struct pvb_line *settings_line(struct pvb_line *line, char buf[PVB_LINE_MAX], const struct pvb_settings *s)
{
	pvb_line_start(line, buf, PVB_LINE_MAX, "settings");
	pvb_line_text(line, "reset", s->reset);
	pvb_line_text(line, "host-driver", s->host_driver);
	pvb_line_number(line, "keep-on-stop", s->keep_on_stop);
	pvb_line_number(line, "keep-on-reboot", s->keep_on_reboot);
	pvb_line_number(line, "keep-console", s->keep_console);
	pvb_line_number(line, "device-timeout", s->device_timeout_ms);
	pvb_line_number(line, "hook-timeout", s->hook_timeout_ms);
	pvb_line_number(line, "busy-stop", s->busy_stop);
	pvb_line_text(line, "stop-units", s->stop_units);
	pvb_line_text(line, "stop-containers", s->stop_containers);
	pvb_line_text(line, "unload", s->unload);
	pvb_line_text(line, "tag", s->tag);
	pvb_line_number(line, "guard", s->guard);
	pvb_line_text(line, "next", s->next);
	return line;
}

int pvb_journal_settings(int fd, const struct pvb_settings *s)
{
	char buf[PVB_LINE_MAX];
	struct pvb_line line;

	return line_write(fd, settings_line(&line, buf, s));
}

static int head_put(struct pvb_ctx *ctx, FILE *plan, char buf[PVB_LINE_MAX], const struct pvb_lend *lend)
{
	struct pvb_line line;
	char boot_id[40];

	pvb_boot_id_read(ctx, boot_id, sizeof(boot_id));
	pvb_line_start(&line, buf, PVB_LINE_MAX, "lend");
	pvb_line_number(&line, "format", PVB_JOURNAL_FORMAT);
	pvb_line_text(&line, "version", PVB_VERSION);
	pvb_line_text(&line, "name", lend->name);
	pvb_line_text(&line, "label", lend->label);
	pvb_line_number(&line, "generation", (int64_t)lend->generation);
	pvb_line_number(&line, "since", lend->since);
	pvb_line_text(&line, "boot", boot_id);
	return line_put(plan, &line);
}

static int device_put(FILE *plan, char buf[PVB_LINE_MAX], const struct pvb_home *home)
{
	struct pvb_line line;
	char text[64];

	pvb_line_start(&line, buf, PVB_LINE_MAX, "device");
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
	pvb_line_text(&line, "was-driver", home->was_driver);
	pvb_line_text(&line, "was-module", home->was_module);
	pvb_line_text(&line, "modalias", home->modalias);
	pvb_line_text(&line, "reset-methods", home->reset_methods);
	return line_put(plan, &line);
}

static int op_put(FILE *plan, char buf[PVB_LINE_MAX], const struct pvb_op *op)
{
	struct pvb_line line;

	pvb_line_start(&line, buf, PVB_LINE_MAX, "op");
	pvb_line_text(&line, "kind", pvb_op_name(op->kind));
	pvb_line_number(&line, "device", op->device);
	pvb_line_number(&line, "stage", op->stage);
	pvb_line_text(&line, "arg", op->arg);
	return line_put(plan, &line);
}

static int plan_put(struct pvb_ctx *ctx, FILE *plan, const struct pvb_journal *j)
{
	char buf[PVB_LINE_MAX];
	struct pvb_line line;
	int r = head_put(ctx, plan, buf, &j->lend);

	if (r == 0)
		r = line_put(plan, settings_line(&line, buf, &j->lend.settings));
	for (size_t i = 0; r == 0 && i < j->lend.num_devices; i++)
		r = device_put(plan, buf, &j->lend.devices[i]);
	for (size_t i = 0; r == 0 && i < j->num_ops; i++)
		r = op_put(plan, buf, &j->ops[i]);
	return r == 0 ? line_put(plan, state_line(&line, buf, PVB_LENDING, 0)) : r;
}

static int plan_write(struct pvb_ctx *ctx, int fd, const struct pvb_journal *j)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *plan = open_memstream(&text, &size);
	int r = plan ? plan_put(ctx, plan, j) : -ENOMEM;
	ssize_t n;

	if (plan && fclose(plan) != 0)
		r = -ENOMEM;
	if (r < 0)
		return r;
	n = write(fd, text, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -ENOSPC;
}

/* "100.journal.part": what its writer died over has never counted, as it becomes the journal by its rename. */
static const char *part_name(const char *name, char file[PVB_NAME_MAX])
{
	snprintf(file, PVB_NAME_MAX, "%.40s.journal.part", name);
	return file;
}

void pvb_journal_part_remove(struct pvb_ctx *ctx, const char *name)
{
	char part[PVB_NAME_MAX];

	if (pvb_state_remove(ctx, part_name(name, part)) < 0)
		pvb_log(ctx, PVB_DEBUG, "%s: a journal that never came to be is left behind", name);
}

static int create_failed(struct pvb_ctx *ctx, const char *name, int code, struct pvb_err *err)
{
	pvb_journal_part_remove(ctx, name);
	return pvb_err_set(err, code, "cannot write the journal /" PVB_STATE_DIR "/%s.journal: %s; nothing was changed", name,
			   strerror(-code));
}

int pvb_journal_begin(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], part[PVB_NAME_MAX];
	int fd;

	snprintf(path, sizeof(path), PVB_STATE_DIR "/%s", part_name(name, part));
	fd = pvb_openat(ctx, path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
	return fd < 0 ? create_failed(ctx, name, fd, err) : fd;
}

int pvb_journal_commit(struct pvb_ctx *ctx, int fd, const struct pvb_journal *j, struct pvb_err *err)
{
	char part[PVB_NAME_MAX], path[PVB_PATH_MAX];
	int r = plan_write(ctx, fd, j);

	if (r == 0)
		r = pvb_state_rename(ctx, part_name(j->lend.name, part), strrchr(pvb_journal_path(j->lend.name, path), '/') + 1);
	return r < 0 ? create_failed(ctx, j->lend.name, r, err) : 0;
}

int pvb_journal_open(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	char path[PVB_PATH_MAX];
	int fd = pvb_openat(ctx, pvb_journal_path(name, path), O_RDWR | O_APPEND | O_NOFOLLOW, 0);

	return fd < 0 ? pvb_err_set(err, fd, "cannot open the journal /%s: %s", path, strerror(-fd)) : fd;
}

int pvb_journal_remove(struct pvb_ctx *ctx, const char *name)
{
	char path[PVB_PATH_MAX];

	return pvb_state_remove(ctx, strrchr(pvb_journal_path(name, path), '/') + 1);
}
