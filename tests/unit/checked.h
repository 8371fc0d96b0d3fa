/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run of "pvebind check --json" ($PVEBIND, else build/pvebind), for the tests that judge it. */
#ifndef CHECKED_H
#define CHECKED_H

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "faketree.h"

#define CHECKED_IDS 256

/* The checks the program has, and what it said last. */
static struct json_object *checked_checks, *checked_result;
static int checked_exit;
static char checked_err[8192];

static inline void __attribute__((format(printf, 1, 2), noreturn)) checked_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* Run it with these blank-separated arguments; its output, malloced. */
static inline char *checked_output(const char *args, int *status)
{
	const char *binary = getenv("PVEBIND") ? getenv("PVEBIND") : "build/pvebind";
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	char copy[PATH_MAX + 512], *argv[24] = { (char *)(uintptr_t)"pvebind" }, *save = NULL, *text;
	pid_t pid = fork();
	off_t size;
	int n = 1;

	if (pid == 0) {
		snprintf(copy, sizeof(copy), "%s", args);
		for (char *arg = strtok_r(copy, " ", &save); arg && n < 23; arg = strtok_r(NULL, " ", &save))
			argv[n++] = arg;
		dup2(out, 1);
		dup2(err, 2);
		execv(binary, argv);
		_exit(127);
	}
	if (waitpid(pid, status, 0) != pid || (WIFEXITED(*status) && WEXITSTATUS(*status) == 127))
		checked_die("cannot run %s (PVEBIND says which)", binary);
	size = lseek(out, 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	if (!text || pread(out, text, (size_t)size, 0) != size)
		checked_die("cannot read what it said");
	memset(checked_err, 0, sizeof(checked_err));
	if (pread(err, checked_err, sizeof(checked_err) - 1, 0) < 0)
		checked_die("cannot read what it complained");
	close(out);
	close(err);
	return text;
}

/* Which checks there are; first of all. */
static inline void checked_list(void)
{
	int status;
	char *text = checked_output("check --list --json", &status);

	checked_checks = json_tokener_parse(text);
	if (status || !json_object_is_type(checked_checks, json_type_array))
		checked_die("pvebind check --list --json says: %s%s", text, checked_err);
	free(text);
}

static inline const char *checked_text(struct json_object *value, const char *key)
{
	struct json_object *member = NULL;

	return json_object_object_get_ex(value, key, &member) && member ? json_object_get_string(member) : "";
}

/* The i-th check's id and layer; NULL behind the last. */
static inline const char *checked_id(size_t i, const char **layer)
{
	struct json_object *check;

	if (i >= json_object_array_length(checked_checks))
		return NULL;
	check = json_object_array_get_idx(checked_checks, i);
	*layer = checked_text(check, "layer");
	return checked_text(check, "id");
}

static inline bool checked_known(const char *id)
{
	const char *known, *layer;

	for (size_t i = 0; (known = checked_id(i, &layer)); i++)
		if (!strcmp(known, id))
			return true;
	return false;
}

static inline void checked_forget(void)
{
	json_object_put(checked_result);
	checked_result = NULL;
}

static inline struct json_object *checked_findings(void)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(checked_result, "findings", &list);
	return list;
}

static inline int verdict_rank(const char *verdict)
{
	static const char *const ranks[] = { "none", "ok", "unknown", "warn", "fail" };

	for (int i = 0; i < 5; i++)
		if (!strcmp(ranks[i], verdict))
			return i;
	fail_msg("a verdict that there is not: '%s'", verdict);
	return 0;
}

static inline bool checked_matches(struct json_object *finding, const char *id, const char *about)
{
	return !strcmp(checked_text(finding, "id"), id) && (!*about || !strcmp(checked_text(finding, "device"), about));
}

/* The worst verdict of a check (about a device; "": all); "none": it said nothing. */
static inline const char *checked_verdict(const char *id, const char *about)
{
	struct json_object *list = checked_findings();
	const char *worst = "none";

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *finding = json_object_array_get_idx(list, i);
		const char *verdict = checked_text(finding, "verdict");

		if (checked_matches(finding, id, about) && verdict_rank(verdict) > verdict_rank(worst))
			worst = verdict;
	}
	return worst;
}

/* All that a check said, a line a thing, each after "# "; good until the next call. */
static inline const char *checked_said(const char *id, const char *about)
{
	static char said[32768];
	struct json_object *list = checked_findings(), *commands;
	size_t n = 0;

	said[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(list) && n < sizeof(said) - 4096; i++) {
		struct json_object *finding = json_object_array_get_idx(list, i);

		if (!checked_matches(finding, id, about))
			continue;
		n += (size_t)snprintf(said + n, 3072, "#   %s: %s %s (%s)%s%s\n", checked_text(finding, "verdict"),
				      checked_text(finding, "device"), checked_text(finding, "seen"), checked_text(finding, "where"),
				      *checked_text(finding, "advice") ? " → " : "", checked_text(finding, "advice"));
		json_object_object_get_ex(finding, "commands", &commands);
		for (size_t c = 0; c < json_object_array_length(commands) && n < sizeof(said) - 2048; c++)
			n += (size_t)snprintf(said + n, 1024, "#       %s\n",
					      json_object_get_string(json_object_array_get_idx(commands, c)));
	}
	return said;
}

static inline int checked_status(void)
{
	return checked_exit;
}

/* What every answer must be: members, counts that are right, and an exit status that goes with the worst verdict. */
static inline void checked_judge(void)
{
	static const char *const verdicts[] = { "ok", "unknown", "warn", "fail" };
	struct json_object *list = checked_findings(), *counts = NULL, *count = NULL;
	int n[4] = { 0 };
	const char *worst = "ok";

	if (!json_object_is_type(list, json_type_array))
		fail_msg("no findings in: %s", json_object_to_json_string(checked_result));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *finding = json_object_array_get_idx(list, i);
		const char *verdict = checked_text(finding, "verdict");

		n[verdict_rank(verdict) - 1]++;
		if (verdict_rank(verdict) > verdict_rank(worst))
			worst = verdict;
		if (!checked_known(checked_text(finding, "id")) || !*checked_text(finding, "seen"))
			fail_msg("a finding of no check, or without a sentence: %s", json_object_to_json_string(finding));
	}
	for (int i = 0; i < 4; i++)
		if (!json_object_object_get_ex(checked_result, "counts", &counts) ||
		    !json_object_object_get_ex(counts, verdicts[i], &count) || json_object_get_int(count) != n[i])
			fail_msg("counts.%s is not the %d findings there are", verdicts[i], n[i]);
	assert_string_equal(checked_text(checked_result, "verdict"), worst);
	assert_int_equal(checked_exit, !strcmp(worst, "fail"));
}

/* Run it on a tree: one JSON object, well made, status 0 or 1. */
static inline void checked_run(struct ft_tree *t, const char *ask)
{
	char args[PATH_MAX + 300], *text;
	int status;

	checked_forget();
	snprintf(args, sizeof(args), "--root %s check --json %s", t->path, ask);
	text = checked_output(args, &status);
	checked_result = json_tokener_parse(text);
	checked_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!json_object_is_type(checked_result, json_type_object))
		fail_msg("check %s: exit status %d, and no JSON object: %.2000s%s", ask, checked_exit, text, checked_err);
	free(text);
	checked_judge();
}

/* Run the tests in as many processes as there are processors (run(k, of): the k-th part of them), and print what they
 * print one after the other; the worst of their statuses. All in this one when only some are asked for. */
static inline int checked_in_parts(int (*run)(unsigned k, unsigned of))
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned of = processors < 1 ? 1 : processors > 8 ? 8 : (unsigned)processors;
	int out[8], status, worst = 0;
	pid_t pid[8];

	if (getenv("PVEBIND_ONLY")) {
		cmocka_set_test_filter(getenv("PVEBIND_ONLY"));
		return run(0, 1);
	}
	fflush(NULL);
	for (unsigned k = 0; k < of; k++) {
		out[k] = memfd_create("part", MFD_CLOEXEC);
		pid[k] = fork();
		if (pid[k] == 0) {
			dup2(out[k], 1);
			dup2(out[k], 2);
			status = run(k, of);
			fflush(NULL);
			_exit(status != 0);
		}
	}
	for (unsigned k = 0; k < of; k++) {
		char buf[65536];
		ssize_t n;

		if (waitpid(pid[k], &status, 0) != pid[k] || status)
			worst = 1;
		for (off_t at = 0; (n = pread(out[k], buf, sizeof(buf), at)) > 0; at += n)
			fwrite(buf, 1, (size_t)n, stdout);
		close(out[k]);
	}
	return worst;
}

#endif
