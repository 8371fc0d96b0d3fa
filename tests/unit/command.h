/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command as a user has it: the real binary ($PVEBIND, else build/pvebind), its text, JSON and exit statuses. For
 * the tests of cli. */
#ifndef TESTS_COMMAND_H
#define TESTS_COMMAND_H

#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "faketree.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define VM_GPU "name: web\nhostpci0: 0000:01:00,pcie=1\n"
#define INI "etc/pve/pvebind.ini"

/* What a run of the command gave. */
static struct {
	int status;
	char out[65536], err[16384];
} ran;

/* ---- running ------------------------------------------------------------------- */

static inline const char *binary(void)
{
	const char *path = getenv("PVEBIND");

	return path ? path : "build/pvebind";
}

/* Arguments are parted by blanks; "''" is an empty one. */
static inline void __attribute__((noreturn)) child(struct ft_tree *t, char *args, int out, int err)
{
	char *argv[16] = { (char *)(uintptr_t)"pvebind" }, *save = NULL;
	int n = 1;

	if (t) {
		argv[n++] = (char *)(uintptr_t)"--root";
		argv[n++] = t->path;
	}
	for (char *arg = strtok_r(args, " ", &save); arg && n < 15; arg = strtok_r(NULL, " ", &save))
		argv[n++] = strcmp(arg, "''") ? arg : (char *)(uintptr_t)"";
	dup2(out, 1);
	dup2(err, 2);
	execv(binary(), argv);
	_exit(127);
}

static inline pid_t start(struct ft_tree *t, const char *args, int out, int err)
{
	char copy[512];
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	pid = fork();
	if (pid == 0)
		child(t, copy, out, err);
	return pid;
}

static inline void slurp(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0 && (size_t)n < size - 1);
	buf[n] = '\0';
	close(fd);
}

static inline void lines_check(const char *text)
{
	if (strstr(text, " \n") || strstr(text, "\t\n"))
		fail_msg("a line ends with a blank: %s", text);
}

/* Run it to its end; its exit status. Without a tree: without --root. */
static inline int run_bare(struct ft_tree *t, const char *args)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	pid_t pid = start(t, args, out, err);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	lines_check(ran.out);
	lines_check(ran.err);
	ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (ran.status == 127)
		fail_msg("cannot run %s (PVEBIND says which)", binary());
	return ran.status;
}

/* All there is below the tree: path, kind, size, time of last change. */
static char *seen;
static size_t seen_size;
static FILE *seen_out;

static inline int entry_see(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)ftw;
	fprintf(seen_out, "%s %d %o %lld %lld.%09ld\n", path, kind, st->st_mode, (long long)st->st_size,
		(long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	return 0;
}

static inline char *tree_see(struct ft_tree *t)
{
	seen_out = open_memstream(&seen, &seen_size);
	assert_non_null(seen_out);
	assert_int_equal(nftw(t->path, entry_see, 32, FTW_PHYS), 0);
	fclose(seen_out);
	return seen;
}

/* Run a command that only looks: not one file comes, goes or changes. */
static inline int looks(struct ft_tree *t, const char *args)
{
	char *before = tree_see(t), *after;
	int status = run_bare(t, args);

	after = tree_see(t);
	if (strcmp(before, after))
		fail_msg("'%s' wrote something", args);
	free(before);
	free(after);
	return status;
}

/* Run a command that is to succeed. */
static inline void done(struct ft_tree *t, const char *args)
{
	if (run_bare(t, args) != 0)
		fail_msg("'%s' ended with %d: %s", args, ran.status, ran.err);
}

static inline void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static inline void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in: %s", part, text);
}

static inline void one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	if (!end || end[1] || strncmp(text, "pvebind: ", 9))
		fail_msg("not one line of pvebind's: %s", text);
}

/* ---- JSON ---------------------------------------------------------------------------- */

static struct json_object *parsed;

/* stdout as one JSON value; freed with the test. */
static inline struct json_object *json(void)
{
	enum json_tokener_error error;

	json_object_put(parsed);
	parsed = json_tokener_parse_verbose(ran.out, &error);
	if (!parsed)
		fail_msg("%s: %s", json_tokener_error_desc(error), ran.out);
	return parsed;
}

/* "lends.0.state" */
static inline struct json_object *at(struct json_object *value, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		if (json_object_is_type(value, json_type_array))
			value = json_object_array_get_idx(value, (size_t)atoi(key));
		else if (!json_object_object_get_ex(value, key, &value))
			fail_msg("no key %s of %s in: %s", key, path, ran.out);
	}
	return value;
}

static inline const char *text_at(struct json_object *value, const char *path)
{
	value = at(value, path);
	return value ? json_object_get_string(value) : "null";
}

static inline int count_at(struct json_object *value, const char *path)
{
	return (int)json_object_array_length(at(value, path));
}

/* ---- worlds ---------------------------------------------------------------------------- */

static inline int setup(void **state)
{
	*state = ft_new();
	return 0;
}

static inline int teardown(void **state)
{
	json_object_put(parsed);
	parsed = NULL;
	ft_free(*state);
	return 0;
}

static inline void gpu_world(struct ft_tree *t)
{
	ft_preset_gpu(t);
	ft_vm(t, 100, VM_GPU);
}

static inline void vm_runs(struct ft_tree *t, unsigned vmid, int pid)
{
	char path[64], text[160];
	int fd;

	snprintf(path, sizeof(path), "run/qemu-server/%u.pid", vmid);
	snprintf(text, sizeof(text), "%d\n", pid);
	ft_write(t, path, text);
	snprintf(text, sizeof(text), "/usr/bin/kvm -id %u -pidfile /run/qemu-server/%u.pid", vmid, vmid);
	for (char *c = text; *c; c++)
		*c = *c == ' ' ? '\n' : *c;
	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	ft_write(t, path, text);
	fd = openat(t->fd, path, O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i <= strlen(text); i++)
		if (text[i] == '\n' || !text[i])
			assert_int_equal(pwrite(fd, "", 1, (off_t)i), 1);
	close(fd);
}

static inline void expect_home(struct ft_tree *t)
{
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
	assert_string_equal(ft_driver_of(t, AUDIO), "snd_hda_intel");
	assert_string_equal(ft_override(t, GPU), "(null)");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* A test in a machine of its own. */
#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
