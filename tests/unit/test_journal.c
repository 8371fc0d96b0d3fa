/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Journals as they are found: torn, damaged, of an older version and of a later one. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../libbind/lend.h"
#include "faketree.h"

#define DISPLAY "0000:01:00.0"
#define SOUND "0000:01:00.1"
#define JOURNAL "run/pvebind/100.journal"

static struct ft_tree *t;
static struct pvb_ctx *ctx;
static struct pvb_err err;

/* A journal of every kind of line: a lend, a start, a return in which one driver did not take its device back. */
static char whole[16384];

static int host_up(void **state)
{
	(void)state;
	t = ft_new();
	ft_console(t, true);
	ft_preset_gpu(t);
	return pvb_ctx_new(&ctx, t->path, &err);
}

static int host_down(void **state)
{
	(void)state;
	pvb_ctx_free(ctx);
	ft_free(t);
	return 0;
}

static void gives(int got, int want)
{
	if (got != want)
		fail_msg("gave %d, not %d: %s", got, want, err.text);
}

static void says(const char *what)
{
	if (!strstr(err.text, what))
		fail_msg("'%s' does not say '%s'", err.text, what);
}

static void lend(void)
{
	struct pvb_wanted wanted = { .addr = { 0, 1, 0, PVB_FN_ALL } };
	struct pvb_request request = { .name = "100", .label = "VM 100", .wanted = &wanted, .num_wanted = 1 };

	pvb_settings_default(&request.settings);
	gives(pvb_lend(ctx, &request, &err), 0);
	assert_string_equal(ft_driver_of(t, DISPLAY), "vfio-pci");
	assert_string_equal(ft_driver_of(t, SOUND), "vfio-pci");
}

/* Everything as it was before: drivers, overrides, console, power settings, and nothing in the state. */
static void all_home(void)
{
	assert_string_equal(ft_driver_of(t, DISPLAY), "bochs-drm");
	assert_string_equal(ft_driver_of(t, SOUND), "snd_hda_intel");
	assert_string_equal(ft_override(t, DISPLAY), "(null)");
	assert_string_equal(ft_override(t, SOUND), "(null)");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
	assert_string_equal(ft_read(t, "sys/bus/pci/devices/0000:00:02.0/power/control"), "auto");
	assert_false(ft_exists(t, JOURNAL));
	assert_false(ft_exists(t, "run/pvebind/console"));
	assert_false(ft_exists(t, "run/pvebind/0000:00:02.0.power"));
}

static int whole_record(void **state)
{
	gives(host_up(state), 0);
	ft_write(t, "sys/bus/pci/devices/" SOUND "/driver_override", "snd_hda_intel\n");
	lend();
	gives(pvb_lend_running(ctx, "100", 4242, &err), 0);
	ft_fault(t, "probe snd_hda_intel " SOUND " fail");
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	snprintf(whole, sizeof(whole), "%s\n", ft_read(t, JOURNAL));
	return host_down(state);
}

/* ---- what a journal should come to, told by a simpler reader than the one that is tested ---- */

#define OPS_MAX 64

struct told {
	bool plan;               /* the plan is whole */
	enum pvb_progress progress[OPS_MAX];
	char state[32], override[PVB_NAME_MAX]; /* … of the sound */
	int borrower;
};

static void line_tell(struct told *told, const char *body)
{
	size_t op, device;
	int code;
	char text[PVB_NAME_MAX] = "";

	if (sscanf(body, "intent op=%zu", &op) == 1 || sscanf(body, "undo op=%zu", &op) == 1)
		told->progress[op] = PVB_PROGRESS_INTENT;
	else if (sscanf(body, "outcome op=%zu code=%d", &op, &code) == 2)
		told->progress[op] = code ? PVB_PROGRESS_INTENT : PVB_PROGRESS_DONE;
	else if (sscanf(body, "undone op=%zu code=%d", &op, &code) == 2)
		told->progress[op] = code ? PVB_PROGRESS_INTENT : PVB_PROGRESS_NONE;
	else if (sscanf(body, "override device=%zu was=%63s", &device, text) >= 1 && device == 1)
		snprintf(told->override, sizeof(told->override), "%s", text);
	else if (sscanf(body, "state is=%31s pid=%*d borrower=%d", told->state, &told->borrower) == 2)
		told->plan = true;
}

/* The lines of whole that end within size bytes, without the one that begins at skip. */
static struct told told_by(const char *text, size_t size, const char *skip)
{
	struct told told = { .plan = false };
	const char *end;

	for (const char *line = text; (end = strchr(line, '\n')) && end < text + size; line = end + 1)
		if (line != skip)
			line_tell(&told, line + 9);
	return told;
}

static void is_as_told(const char *text, const struct told *told, bool torn)
{
	struct pvb_journal j;
	int r;

	ft_write(t, JOURNAL, text);
	r = pvb_journal_read(ctx, "100", &j, &err);
	if (!told->plan) {
		gives(r, -EBADMSG);
		says("cannot read the journal /" JOURNAL ": it is damaged; bring its devices home by hand");
		return;
	}
	gives(r, 0);
	assert_int_equal(j.torn, torn);
	assert_int_equal(j.lend.num_devices, 2);
	assert_true(j.num_ops > 8 && j.num_ops < OPS_MAX);
	for (size_t i = 0; i < j.num_ops; i++)
		if (j.progress[i] != told->progress[i])
			fail_msg("operation %zu has come to %d, not %d, by:\n%s", i, j.progress[i], told->progress[i], text);
	assert_string_equal(pvb_state_name(j.lend.state), told->state);
	assert_string_equal(j.lend.devices[1].override, told->override);
	assert_int_equal(j.lend.borrower_pid, told->borrower);
	pvb_journal_clear(&j);
}

/* ---- torn and damaged ---- */

/* Cut at every byte: damaged before the plan is whole, after it what the whole lines say and nothing else. */
static void torn_anywhere(void **state)
{
	char text[sizeof(whole)];
	size_t size = strlen(whole), plans = 0;

	(void)state;
	for (size_t n = 0; n <= size; n++) {
		struct told told = told_by(whole, n, NULL);

		snprintf(text, n + 1, "%s", whole);
		is_as_told(text, &told, n > 0 && whole[n - 1] != '\n');
		plans += told.plan;
	}
	assert_true(plans > 1000 && plans < size); /* both kinds were seen */
}

/* Whatever single bit of the last line flips, wherever the journal ends: the line counts for nothing. */
static void last_line_flipped(void **state)
{
	char text[sizeof(whole)];
	size_t lines = 0;
	const char *next;

	(void)state;
	for (const char *line = whole; *line; line = next) {
		struct told told = told_by(whole, (size_t)(line - whole), NULL);

		next = strchr(line, '\n') + 1;
		snprintf(text, (size_t)(next - whole) + 1, "%s", whole);
		for (size_t i = (size_t)(line - whole); told.plan && text[i]; i++)
			for (int bit = 0; bit < 8; bit++) {
				char good = text[i];

				text[i] = (char)(good ^ 1 << bit);
				if (text[i]) /* a NUL ends what can be written here */
					is_as_told(text, &told, true);
				text[i] = good;
			}
		lines += told.plan;
	}
	assert_true(lines > 30);
}

/* A damaged line costs itself alone, but for the plan's: without one of these the others' numbers would be wrong, and
 * one device's driver would be put on another. */
static void any_line_flipped(void **state)
{
	char text[sizeof(whole)];
	size_t plan = 0, more = 0;
	const char *next;

	(void)state;
	for (const char *line = whole; *line; line = next) {
		struct told told = told_by(whole, strlen(whole), line);
		bool of_plan = !told_by(whole, (size_t)(line - whole), NULL).plan;

		next = strchr(line, '\n') + 1;
		told.plan = !of_plan;
		for (const char *c = line; c + 1 < next; c++) {
			memcpy(text, whole, sizeof(text));
			text[c - whole] ^= 1;
			is_as_told(text, &told, true);
		}
		plan += of_plan;
		more += !of_plan;
	}
	assert_true(plan > 10 && more > 30);
}

/* ---- other versions ---- */

static void line_append(char *text, size_t size, const char *body)
{
	char buf[PVB_LINE_MAX];
	struct pvb_line line;

	pvb_line_start(&line, buf, sizeof(buf), body);
	gives(pvb_line_finish(&line), 0);
	assert_true(strlen(text) + line.size < size);
	strncat(text, line.text, line.size);
}

static void journals_equal(const struct pvb_journal *a, const struct pvb_journal *b)
{
	assert_string_equal(a->lend.name, b->lend.name);
	assert_string_equal(a->lend.label, b->lend.label);
	assert_int_equal(a->lend.state, b->lend.state);
	assert_true(a->lend.generation == b->lend.generation && a->lend.since == b->lend.since);
	assert_memory_equal(&a->lend.settings, &b->lend.settings, sizeof(a->lend.settings));
	assert_int_equal(a->lend.num_devices, b->lend.num_devices);
	assert_memory_equal(a->lend.devices, b->lend.devices, a->lend.num_devices * sizeof(*a->lend.devices));
	assert_int_equal(a->num_ops, b->num_ops);
	assert_memory_equal(a->ops, b->ops, a->num_ops * sizeof(*a->ops));
	assert_memory_equal(a->progress, b->progress, a->num_ops * sizeof(*a->progress));
}

/* What a later version of the same format says more, in lines or behind the words of known ones, changes nothing. */
static void later_words(void **state)
{
	char text[2 * sizeof(whole)] = "", body[PVB_LINE_MAX];
	struct pvb_journal plain, more;
	const char *end;

	(void)state;
	for (const char *line = whole; (end = strchr(line, '\n')); line = end + 1) {
		snprintf(body, sizeof(body), "%.*s later=1 x-op=7 x-device=1", (int)(end - line - 9), line + 9);
		line_append(text, sizeof(text), body);
		line_append(text, sizeof(text), "later op=0 device=1 code=0 is=home");
		line_append(text, sizeof(text), "intents op=0");
		line_append(text, sizeof(text), "later");
	}
	ft_write(t, JOURNAL, whole);
	gives(pvb_journal_read(ctx, "100", &plain, &err), 0);
	ft_write(t, JOURNAL, text);
	gives(pvb_journal_read(ctx, "100", &more, &err), 0);
	assert_false(more.torn);
	journals_equal(&plain, &more);
	pvb_journal_clear(&plain);
	pvb_journal_clear(&more);
}

/* Another format is not guessed at: nothing is written, the journal stays for the version that knows it. */
static void other_format(void **state)
{
	char text[512] = "";

	(void)state;
	lend();
	line_append(text, sizeof(text), "lend format=2 name=100 label=VM%20100 boot=11111111-2222-4333-8444-555555555555");
	line_append(text, sizeof(text), "device is=another thing=now");
	line_append(text, sizeof(text), "state is=lent pid=1 borrower=0");
	ft_write(t, JOURNAL, text);
	ft_log_clear(t);
	gives(pvb_return(ctx, "100", 0, &err), -EPROTO);
	says("the journal /" JOURNAL " is of another format: it was written by another version of pvebind; use that one to return");
	gives(pvb_recover(ctx, "100", NULL, &err), -EPROTO);
	assert_int_equal(ft_writes(t), 0);
	assert_true(ft_exists(t, JOURNAL));
}

/* An operation on a device needs one, of those that there are. */
static void op_without_device(void **state)
{
	static const char *const bad[] = { "-1", "2", "-2", "4294967296", "4294967297", "99999999999999999999", "x" };
	char text[sizeof(whole)], body[PVB_LINE_MAX];
	const char *states = strstr(whole, "state is=lending") - 9;
	struct pvb_journal j;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, (size_t)(states - whole) + 1, "%s", whole);
		snprintf(body, sizeof(body), "op kind=unbind device=%s stage=2 arg=edu", bad[i]);
		line_append(text, sizeof(text), body);
		strcat(text, states);
		ft_write(t, JOURNAL, text);
		gives(pvb_journal_read(ctx, "100", &j, &err), -EBADMSG);
	}
}

/* ---- what pvebind 0.1.0 has left ---- */

static void recorded_read(const char *name, char *buf, size_t size)
{
	static const char here[] = __FILE__;
	char path[PVB_PATH_MAX];
	_cleanup_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "%.*sjournals/%s", (int)(strrchr(here, '/') + 1 - here), here, name);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	buf[fread(buf, 1, size - 1, file)] = '\0';
}

/* The journal in the place of ours; with last: as it was after that line. */
static void journal_of_0_1_0(const char *name, const char *last)
{
	char text[16384], *end;

	recorded_read(name, text, sizeof(text));
	end = last ? strstr(text, last) : NULL;
	if (last)
		assert_non_null(end);
	if (end)
		strchr(end, '\n')[1] = '\0';
	ft_write(t, JOURNAL, text);
}

/* All of run/pvebind: besides the journal the records, in whose file each line begins with the name of one. */
static void state_of_0_1_0(const char *last)
{
	char text[4096], path[PVB_PATH_MAX], record[PVB_LINE_MAX], *save = NULL;

	ft_remove(t, "run/pvebind");
	ft_mkdir(t, "run/pvebind");
	journal_of_0_1_0("0.1.0.journal", last);
	recorded_read("0.1.0.records", text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *blank = strchr(line, ' ');

		snprintf(path, sizeof(path), "run/pvebind/%.*s", (int)(blank - line), line);
		snprintf(record, sizeof(record), "%s\n", blank + 1);
		ft_write(t, path, record);
	}
}

static void from_0_1_0(void **state)
{
	struct pvb_lend lent;

	(void)state;
	lend();
	state_of_0_1_0(NULL);
	gives(pvb_lend_read(ctx, "100", &lent, &err), 0);
	assert_int_equal(lent.state, PVB_LENT);
	assert_false(lent.unfinished || lent.other_boot);
	assert_string_equal(lent.label, "VM 100");
	assert_int_equal(lent.generation, 11968152252);
	assert_int_equal(lent.settings.device_timeout_ms, 30000);
	pvb_lend_clear(&lent);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	all_home();
}

/* Killed while it was lending: all of it had been done, and not yet said. */
static void from_0_1_0_lending(void **state)
{
	struct pvb_lend lent;
	unsigned n = 0;

	(void)state;
	lend();
	state_of_0_1_0("intent op=9");
	gives(pvb_lend_read(ctx, "100", &lent, &err), 0);
	assert_int_equal(lent.state, PVB_LENDING);
	assert_true(lent.unfinished);
	pvb_lend_clear(&lent);
	gives(pvb_recover(ctx, NULL, &n, &err), 0);
	assert_int_equal(n, 1);
	all_home();
}

/* Its return had failed for one device: the rest of the way is gone now. */
static void from_0_1_0_failed(void **state)
{
	(void)state;
	lend();
	ft_fault(t, "probe snd_hda_intel " SOUND " fail");
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	assert_string_equal(ft_driver_of(t, SOUND), "");
	journal_of_0_1_0("0.1.0-failed.journal", NULL);
	ft_faults_clear(t);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	all_home();
}

/* ---- who is at an operation ---- */

static void at_is(size_t op, int pid, bool undo)
{
	struct pvb_journal j;

	gives(pvb_journal_read(ctx, "100", &j, &err), 0);
	assert_true(op < j.num_ops);
	assert_int_equal(j.at[op].pid, pid);
	assert_int_equal(j.at[op].undo, undo);
	if (pid)
		assert_true(j.at[op].since_ns > 0 && j.at[op].since_ns <= pvb_boottime_ns());
	pvb_journal_clear(&j);
}

/* From its intent to its outcome; 0.1.0 did not say, and what is no number of a process is nobody. */
static void who_is_at_it(void **state)
{
	static const char *const bodies[] = { "intent op=2 pid=0 at=1", "undo op=2 pid=-1 at=1", "intent op=2 pid=4294967297 at=1",
					      "intent op=2", "undo op=2 at=1" };
	char text[16384];
	int fd;

	(void)state;
	lend();
	at_is(2, 0, false);
	fd = pvb_journal_open(ctx, "100", &err);
	assert_true(fd >= 0);
	gives(pvb_journal_intent(fd, 2, true), 0);
	at_is(2, (int)getpid(), true);
	gives(pvb_journal_outcome(fd, 2, true, -EIO, "in vain"), 0);
	at_is(2, 0, true);
	gives(pvb_journal_intent(fd, 2, false), 0);
	at_is(2, (int)getpid(), false);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		snprintf(text, sizeof(text), "%s\n", ft_read(t, JOURNAL));
		line_append(text, sizeof(text), bodies[i]);
		ft_write(t, JOURNAL, text);
		at_is(2, 0, bodies[i][0] == 'u');
	}
	gives(pvb_return(ctx, "100", 0, &err), 0);
	all_home();
}

/* ---- lines and sentences ---- */

/* A checksum has one spelling: strtoul() would take more. */
static void checksum_spelling(void **state)
{
	static const char other[] = " +-";
	char text[64] = "", copy[64], *next;

	(void)state;
	/* a line whose sum begins with 0 and has a letter in it, so that each spelling could be one of it */
	for (unsigned i = 0; *text != '0' || !strpbrk(text, "abcdef") || strpbrk(text, "abcdef") > text + 7; i++) {
		snprintf(copy, sizeof(copy), "intent op=%u", i);
		*text = '\0';
		line_append(text, sizeof(text), copy);
	}
	for (const char *c = other; *c; c++) {
		strcpy(copy, text);
		*copy = *c;
		assert_null(pvb_line_check(copy, &next));
	}
	strcpy(copy, text);
	*strpbrk(copy, "abcdef") ^= 0x20;
	assert_null(pvb_line_check(copy, &next));
	strcpy(copy, text);
	assert_non_null(pvb_line_check(copy, &next));
}

static void value_too_long(void **state)
{
	char buf[4];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(pvb_line_get("device lend=1000", "lend", buf, sizeof(buf)), -ENOBUFS);
	assert_string_equal(buf, "");
	assert_int_equal(pvb_line_get("device lend=100", "lend", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "100");
}

/* What an error quotes cannot make two lines of its one, nor colour a terminal. */
static void sentence_is_one_line(void **state)
{
	struct pvb_addr addr;

	(void)state;
	gives(pvb_addr_parse("01:00\n.0\033[31m", &addr, &err), -EINVAL);
	says("'01:00?.0?[31m' is no PCI address");
}

/* A record that found /run full is there in part; the next one, of whoever has the journal open, is no part of it. */
static void short_write_spoils_no_other(void **state)
{
	struct pvb_lend now;
	int fd;

	(void)state;
	lend();
	fd = pvb_journal_open(ctx, "100", &err);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0badc0de state is=ru", 20), 20);
	gives(pvb_journal_state(fd, PVB_RUNNING, 4242), 0);
	gives(pvb_lend_read(ctx, "100", &now, &err), 0);
	assert_int_equal(now.state, PVB_RUNNING);
	assert_int_equal(now.borrower_pid, 4242);
	pvb_lend_clear(&now);
	/* Two who both ended it. */
	assert_int_equal(write(fd, "\n\n", 2), 2);
	gives(pvb_journal_state(fd, PVB_LENT, 0), 0);
	gives(pvb_lend_read(ctx, "100", &now, &err), 0);
	assert_int_equal(now.state, PVB_LENT);
	pvb_lend_clear(&now);
	close(fd);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	all_home();
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, host_up, host_down)
	const struct CMUnitTest tests[] = {
		CASE(torn_anywhere),	 CASE(last_line_flipped),  CASE(any_line_flipped),  CASE(later_words),
		CASE(short_write_spoils_no_other), CASE(other_format),	 CASE(op_without_device),  CASE(from_0_1_0),	    CASE(from_0_1_0_lending),
		CASE(from_0_1_0_failed), CASE(who_is_at_it), cmocka_unit_test(checksum_spelling), cmocka_unit_test(value_too_long),
		cmocka_unit_test(sentence_is_one_line),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, whole_record, NULL);
}
