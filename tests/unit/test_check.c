/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvebind check on whole machines (tests/machines/NAME.machine: a verdict expected of every check) and on changes of
 * them (tests/machines/GROUP.cases), as the real command says it in JSON. tests/machines/README has the language.
 *
 * PVEBIND_BLESS=1 prints what was said in the words of the language, for who writes them; PVEBIND_ONLY=GLOB runs only
 * the tests whose names match; PVEBIND_KEEP=1 leaves the folders there, and says where.
 */
#include <glob.h>

#include "checked.h"
#include "machine.h"

#define LISTS 512

/* What there is: read once, before the tests. */
static struct script files[LISTS];
static size_t num_files;

/* A case, or (from 0 to the end) a machine. */
struct trial {
	char name[160];
	const struct script *script;
	size_t from, to;
	char on[64]; /* the machine */
	bool whole;
};
static struct trial *trials;
static size_t num_trials;

/* ---- one machine ------------------------------------------------------------------- */

static char complaints[131072];

static void __attribute__((format(printf, 1, 2))) complain(const char *fmt, ...)
{
	size_t have = strlen(complaints);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(complaints + have, sizeof(complaints) - have, fmt, ap);
	va_end(ap);
}

/* All of them: cmocka's own messages are cut at 1 KiB. As comments, for TAP. */
static void complaints_tell(void)
{
	char *save = NULL;

	if (!*complaints)
		return;
	for (char *line = strtok_r(complaints, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		printf("# %s\n", *line == '#' ? line + 1 : line);
	fflush(stdout);
	fail_msg("see above");
}

static void expect_judge(const struct trial *trial, const struct machine_expect *e)
{
	const char *got = checked_verdict(e->id, e->about), *at = *e->about ? "@" : "";
	const char *said = checked_said(e->id, e->about);

	if (!checked_known(e->id))
		complain("%s:%u: there is no check '%s'\n", e->file, e->line, e->id);
	else if (strcmp(got, e->verdict) != 0)
		complain("%s:%u: %s: %s%s%s: want %s, got %s\n%s", e->file, e->line, trial->name, e->id, at, e->about, e->verdict,
			 got, said);
	else if (!strstr(said, e->words))
		complain("%s:%u: %s: %s%s%s: does not say \"%s\"\n%s", e->file, e->line, trial->name, e->id, at, e->about,
			 e->words, said);
}

static bool is_expected(const struct machine *m, const char *id)
{
	for (size_t i = 0; i < m->num_expect; i++)
		if (!strcmp(m->expect[i].id, id) && !*m->expect[i].about)
			return true;
	return false;
}

/* Checks of a VM run where one is asked about, those of a guest with --guest. */
static bool layer_asked(const struct machine *m, const char *layer)
{
	if (!strcmp(layer, "guest"))
		return strstr(m->ask, "--guest") != NULL;
	return strcmp(layer, "vm") != 0 || strpbrk(m->ask, "123456789");
}

static void all_expected(const struct trial *trial, const struct machine *m)
{
	const char *id, *layer;

	for (size_t i = 0; (id = checked_id(i, &layer)); i++)
		if (layer_asked(m, layer) && !is_expected(m, id))
			complain("%s: nothing is expected of '%s', which says %s\n%s", trial->script->path, id,
				 checked_verdict(id, ""), checked_said(id, ""));
	if (!*m->source)
		complain("%s: no source: which public dump does it follow, or is it synthetic?\n", trial->script->path);
}

static void bless(const struct trial *trial, const struct machine *m)
{
	const char *id, *layer;

	printf("# %s: check %s: exit status %d\n", trial->name, m->ask, checked_status());
	for (size_t i = 0; (id = checked_id(i, &layer)); i++)
		if (layer_asked(m, layer))
			printf("%sexpect %s %s\n", checked_said(id, ""), id, checked_verdict(id, ""));
}

/* The machine of the trial that runs. */
static struct machine *machine;

/* Whole: the base machine is this one itself. */
static void machine_build(const struct trial *trial)
{
	machine = machine_new(trial->on);
	assert_non_null(machine);
	if (*machine->error)
		fail_msg("%s", machine->error);
	if (!trial->whole) {
		/* What is expected of the machine as it is says nothing of this one. */
		machine->num_expect = 0;
		if (machine_run(machine, trial->script, trial->from, trial->to) < 0)
			fail_msg("%s", machine->error);
	}
	machine_finish(machine);
}

static int trial_end(void **state)
{
	const struct trial *trial = *state;
	bool keep = getenv("PVEBIND_KEEP") != NULL;

	checked_forget();
	if (!machine)
		return 0;
	if (keep)
		printf("# %s: %s\n", trial->name, machine->t->path);
	machine_free(machine, keep);
	machine = NULL;
	return 0;
}

static void trial_run(void **state)
{
	const struct trial *trial = *state;

	*complaints = '\0';
	machine_build(trial);
	checked_run(machine->t, machine->ask);
	if (getenv("PVEBIND_BLESS"))
		bless(trial, machine);
	if (!machine->num_expect)
		complain("%s: nothing is expected\n", trial->name);
	/* All that it has to say is in the answer; libraries have nothing to say. */
	if (*checked_err)
		complain("%s: on stderr: %s\n", trial->name, checked_err);
	for (size_t i = 0; i < machine->num_expect; i++)
		expect_judge(trial, &machine->expect[i]);
	if (trial->whole)
		all_expected(trial, machine);
	complaints_tell();
}

/* ---- what there is ------------------------------------------------------------------- */

static struct trial *trial_add(const struct script *s, size_t from, const char *name)
{
	const char *file = strrchr(s->path, '/') + 1;
	struct trial *trial;

	trials = reallocarray(trials, num_trials + 1, sizeof(*trials));
	trial = &trials[num_trials++];
	*trial = (struct trial){ .script = s, .from = from, .to = s->n };
	snprintf(trial->name, sizeof(trial->name), "%s%s%s", file, *name ? ": " : "", name);
	return trial;
}

static void machine_take(const struct script *s)
{
	struct trial *trial = trial_add(s, 0, "");
	const char *file = strrchr(s->path, '/') + 1;

	trial->whole = true;
	snprintf(trial->on, sizeof(trial->on), "%.*s", (int)strcspn(file, "."), file);
}

/* "case NAME", "on MACHINE", and what follows. */
static void cases_take(const struct script *s)
{
	struct trial *trial = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const char *text = s->lines[i].text;

		if (!strncmp(text, "case ", 5)) {
			if (trial)
				trial->to = i;
			trial = trial_add(s, i + 1, text + 5 + strspn(text + 5, " \t"));
		} else if (trial && !strncmp(text, "on ", 3)) {
			snprintf(trial->on, sizeof(trial->on), "%s", text + 3 + strspn(text + 3, " \t"));
			trial->from = i + 1;
		} else if (!trial && strncmp(text, "may-only-warn ", 14) != 0) {
			checked_die("%s:%u: before the first 'case' there is only 'may-only-warn ID'", s->path, s->lines[i].number);
		}
	}
	for (size_t i = 0; i < num_trials; i++)
		if (trials[i].script == s && !*trials[i].on)
			checked_die("%s: %s: 'case NAME' is followed by 'on MACHINE'", s->path, trials[i].name);
}

static void all_read(const char *pattern, void (*take)(const struct script *s))
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc && num_files < LISTS; i++) {
		struct script *s = &files[num_files++];

		if (script_load(s, found.gl_pathv[i]) < 0)
			checked_die("%s", s->error);
		take(s);
	}
	globfree(&found);
}

/* ---- every check has its cases ---------------------------------------------------------- */

/* Which verdicts the trials expect of a check; and whether one has it without its source. */
struct cover {
	bool ok, warn, fail, no_source;
};

static bool ends_with(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && !strcmp(strchr(text, '\0') - strlen(end), end);
}

static void cover_add(struct cover *cover, const struct trial *trial, const struct machine_expect *e)
{
	cover->ok |= !strcmp(e->verdict, "ok");
	cover->warn |= !strcmp(e->verdict, "warn");
	cover->fail |= !strcmp(e->verdict, "fail");
	cover->no_source |= ends_with(trial->name, "-no-source") && strcmp(e->verdict, "ok") != 0;
}

static struct cover cover_of(const char *id)
{
	struct cover cover = { .ok = false };
	struct machine_expect e;

	for (size_t i = 0; i < num_trials; i++)
		for (size_t line = trials[i].from; line < trials[i].to; line++)
			if (machine_expect_parse(trials[i].script, &trials[i].script->lines[line], &e) == 0 && !strcmp(e.id, id))
				cover_add(&cover, &trials[i], &e);
	return cover;
}

static bool may_only_warn(const char *id)
{
	for (size_t i = 0; i < num_files; i++)
		for (size_t line = 0; line < files[i].n; line++) {
			const char *text = files[i].lines[line].text;

			if (!strncmp(text, "may-only-warn ", 14) && !strcmp(text + 14, id))
				return true;
		}
	return false;
}

static void every_check_has_its_cases(void **state)
{
	const char *id, *layer;

	(void)state;
	*complaints = '\0';
	for (size_t i = 0; (id = checked_id(i, &layer)); i++) {
		struct cover cover = cover_of(id);
		bool warns = may_only_warn(id);

		if (!cover.ok)
			complain("check '%s': no case in which it is ok\n", id);
		if (warns ? !cover.warn : !cover.fail)
			complain("check '%s': no case in which it %ss\n", id, warns ? "warn" : "fail");
		if (warns && cover.fail)
			complain("check '%s': may-only-warn, and there is a case in which it fails\n", id);
		if (!cover.no_source)
			complain("check '%s': no case …-no-source in which it says other than ok\n", id);
	}
	complaints_tell();
}

/* ---- every check has its paragraph --------------------------------------------------------- */

static bool manual_has(const char *manual, const char *id)
{
	char line[128];

	snprintf(line, sizeof(line), "\n.Ss %s\n", id);
	return strstr(manual, line) != NULL;
}

static void every_check_is_in_the_manual(void **state)
{
	char *manual = calloc(1, 1 << 18), *save = NULL;
	FILE *in = fopen("doc/pvebind-checks.7", "re");
	const char *id, *layer;

	(void)state;
	*complaints = '\0';
	assert_true(in && manual && fread(manual, 1, (1 << 18) - 1, in) > 0);
	fclose(in);
	for (size_t i = 0; (id = checked_id(i, &layer)); i++)
		if (!manual_has(manual, id))
			complain("doc/pvebind-checks.7 has no .Ss %s\n", id);
	for (char *line = strtok_r(manual, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, ".Ss ", 4) && !checked_known(line + 4))
			complain("doc/pvebind-checks.7: '%s' is no check\n", line);
	free(manual);
	complaints_tell();
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* Every of-th trial, from the k-th on. */
static int part_run(unsigned k, unsigned of)
{
	struct CMUnitTest *tests = calloc(num_trials + 2, sizeof(*tests));
	size_t n = 0;

	if (k == 0) {
		tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_check_has_its_cases);
		tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_check_is_in_the_manual);
	}
	for (size_t i = k; i < num_trials; i += of)
		tests[n++] = (struct CMUnitTest){ .name = trials[i].name, .test_func = trial_run, .teardown_func = trial_end,
						  .initial_state = &trials[i] };
	return _cmocka_run_group_tests("check", tests, n, NULL, NULL);
}

int main(void)
{
	checked_list();
	all_read(MACHINE_FOLDER "/*.machine", machine_take);
	all_read(MACHINE_FOLDER "/*.cases", cases_take);
	return checked_in_parts(part_run);
}
