/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of .faults; see fakekernel.h. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <fnmatch.h>
#include <stdlib.h>

/* ---- rules ---------------------------------------------------------------- */

int fk_errno_of(const char *name)
{
	for (int e = 1; e < 134; e++)
		if (strerrorname_np(e) && !strcmp(strerrorname_np(e), name))
			return e;
	return 0;
}

/* Cut a rule into words, nth= apart. */
static int rule_split(char *line, char *word[5], unsigned *nth)
{
	char *save = NULL;
	int n = 0;

	*nth = 0;
	for (char *w = strtok_r(line, " \t", &save); w && n < 5; w = strtok_r(NULL, " \t", &save))
		if (sscanf(w, "nth=%u", nth) != 1 && strcmp(w, "always") != 0)
			word[n++] = w;
	return n;
}

/* Count this match of rule number i; a hit is a byte, so that the count is the file's size. */
static bool rule_due(int i, unsigned nth)
{
	int fd = openat(fk_root, fk_path(".kernel/hits.%d", i).s, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	struct stat st = { 0 };

	syscall(SYS_write, fd, "+", 1);
	fstat(fd, &st);
	close(fd);
	return !nth || st.st_size == (off_t)nth;
}

/* Call judge with each rule of .faults. */
struct verdict fk_rules(judge_fn *judge, const void *on)
{
	struct verdict v = { "", 0 };
	char text[16384], *save = NULL, *word[5];
	unsigned nth;
	int i = 0;

	fk_get(fk_root, ".faults", text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save), i++) {
		int n = l[0] == '#' ? 0 : rule_split(l, word, &nth);

		if (n)
			judge(i, word, n, nth, on, &v);
	}
	return v;
}

static void take_action(struct verdict *v, const char *action)
{
	if (!v->action[0])
		snprintf(v->action, sizeof(v->action), "%s", action);
}

void fk_judge_write(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v)
{
	const struct call *c = on;
	unsigned ms;

	if (n < 2 || n > 3 || !strcmp(word[0], "slow") || fnmatch(word[0], c->path, 0) != 0)
		return;
	if (n == 3 && fnmatch(strcmp(word[1], "\"\"") ? word[1] : "", c->word, 0) != 0)
		return;
	if (!rule_due(rule, nth))
		return;
	if (sscanf(word[n - 1], "slow=%u", &ms) == 1)
		v->slow_ms += ms;
	else
		take_action(v, word[n - 1]);
}

/* on: driver and BDF. */
void fk_judge_slow(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v)
{
	const char *const *who = on;

	(void)rule;
	(void)nth;
	if (n == 4 && !strcmp(word[0], "slow") && !fnmatch(word[1], who[0], 0) && !fnmatch(word[2], who[1], 0))
		v->slow_ms += (unsigned)atoi(word[3]);
}

void fk_judge_probe(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v)
{
	const char *const *who = on;

	if (n == 4 && !strcmp(word[0], "probe") && !fnmatch(word[1], who[0], 0) && !fnmatch(word[2], who[1], 0) &&
	    rule_due(rule, nth))
		take_action(v, strcmp(word[3], "fail") ? word[3] : "EIO");
}
