/* SPDX-License-Identifier: GPL-2.0-or-later */
/* next-hookscript: the real hook (of $PVEBIND's folder, else build/) calls another script in each phase. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"

#define GPU "0000:01:00.0"
#define INI "etc/pve/pvebind.ini"
#define NEXT "usr/local/bin/next"
/* The script finds the tree it is in, and says where the card is. */
#define HEAD "#!/bin/sh\nroot=${0%/" NEXT "}\n"
#define SAY_DRIVER \
	"driver=$(readlink $root/sys/bus/pci/devices/" GPU "/driver)\necho \"$1 $2 ${driver##*/}\" >>$root/calls\n"

static struct {
	int status;
	char out[16384], err[4096];
} ran;

/* ---- running ------------------------------------------------------------------- */

/* Another copy of it, instead. */
static const char *hook_copy;
/* It begins with a signal that it has not seen; the caller blocks it. */
static bool stop_pending;

static const char *hook(char path[PATH_MAX])
{
	const char *command = getenv("PVEBIND");
	char name[PATH_MAX - 8], copy[PATH_MAX - 64];

	snprintf(copy, sizeof(copy), "%s", command ? command : "build/pvebind");
	snprintf(name, sizeof(name), "%s/tests/programs/pvebind-hook", dirname(copy));
	if (!realpath(name, path))
		fail_msg("there is no %s (PVEBIND says which)", name);
	return path;
}

static void __attribute__((noreturn)) child(struct ft_tree *t, const char *phase, int in, int out, int err)
{
	char path[PATH_MAX];

	setpgid(0, 0);
	if (stop_pending)
		raise(SIGTERM);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	execl(hook_copy ? hook_copy : hook(path), "pvebind-hook", "--root", t->path, "100", phase, NULL);
	_exit(127);
}

static pid_t start(struct ft_tree *t, const char *phase, int in, int out, int err)
{
	pid_t pid = fork();

	if (pid == 0)
		child(t, phase, in, out, err);
	return pid;
}

static void slurp(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0 && (size_t)n < size - 1);
	buf[n] = '\0';
	close(fd);
}

static int end(pid_t pid, int out, int err)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return ran.status;
}

static int run(struct ft_tree *t, const char *phase)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), status;
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

	status = end(start(t, phase, in, out, err), out, err);
	close(in);
	return status;
}

static void expect(struct ft_tree *t, const char *phase, int status)
{
	if (run(t, phase) != status)
		fail_msg("%s ended with %d, not %d: %s%s", phase, ran.status, status, ran.out, ran.err);
}

/* ---- worlds ---------------------------------------------------------------------------- */

static void script(struct ft_tree *t, const char *path, const char *text)
{
	ft_write(t, path, text);
	assert_int_equal(fchmodat(t->fd, path, 0755, 0), 0);
}

static void ini(struct ft_tree *t, const char *next)
{
	char text[512];

	snprintf(text, sizeof(text), "[vm 100]\nguard = no\n%s%s\n", next ? "next-hookscript = " : "", next ? next : "");
	ft_write(t, INI, text);
}

static int setup(void **state)
{
	struct ft_tree *t = ft_new();

	ft_preset_gpu(t);
	ft_vm(t, 100, "hostpci0: 0000:01:00\n");
	ini(t, "/" NEXT);
	script(t, NEXT, HEAD SAY_DRIVER);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	hook_copy = NULL;
	ft_free(*state);
	return 0;
}

static void calls_are(struct ft_tree *t, const char *calls)
{
	assert_string_equal(ft_read(t, "calls"), calls);
}

/* Nothing was lent, and nothing tried. */
static void untouched(struct ft_tree *t)
{
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
	assert_int_equal(ft_writes(t), 0);
	assert_false(ft_exists(t, "run/pvebind"));
}

/* ---- when --------------------------------------------------------------------------------- */

static void it_is_called_in_its_place(void **state)
{
	struct ft_tree *t = *state;

	expect(t, "pre-start", 0);
	assert_has(ran.out, "VM 100: next-hookscript /" NEXT " done at pre-start, ");
	assert_true(strstr(ran.out, "done at pre-start") < strstr(ran.out, GPU));
	expect(t, "post-start", 0);
	expect(t, "pre-stop", 0);
	expect(t, "post-stop", 0);
	assert_has(ran.out, "done at post-stop");
	calls_are(t, "100 pre-start bochs-drm\n100 post-start vfio-pci\n100 pre-stop vfio-pci\n100 post-stop bochs-drm");
}

/* A phase that only a later Proxmox VE has may mean something to it. */
static void other_phases_are_passed_on(void **state)
{
	struct ft_tree *t = *state;

	expect(t, "mid-air", 0);
	assert_has(ran.out, "phase 'mid-air' is not known");
	calls_are(t, "100 mid-air bochs-drm");
}

static void it_is_called_where_nothing_is_lent(void **state)
{
	struct ft_tree *t = *state;

	ft_vm(t, 100, "template: 1\nhostpci0: 0000:01:00\n");
	expect(t, "pre-start", 0);
	ft_vm(t, 100, "name: plain\n");
	expect(t, "pre-start", 0);
	expect(t, "post-start", 0);
	expect(t, "pre-stop", 0);
	expect(t, "post-stop", 0);
	calls_are(t, "100 pre-start bochs-drm\n100 pre-start bochs-drm\n100 post-start bochs-drm\n100 pre-stop bochs-drm\n"
		     "100 post-stop bochs-drm");
	assert_int_equal(ft_writes(t), 0);
}

static void the_switch_keeps_it_too(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, "proc/cmdline", "quiet pvebind=off\n");
	expect(t, "pre-start", 1);
	assert_has(ran.out, "pvebind is switched off");
	calls_are(t, "");
}

/* Others' lines of pvebind.ini, a device that is not there: ours to say. */
static void ini_errors_are_said_once(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, INI, "[vm 100]\nnext-hookscript = /" NEXT "\nfoo = 1\n");
	expect(t, "pre-start", 3);
	assert_has(ran.out, INI ":3: unknown key 'foo'");
	assert_null(strstr(strstr(ran.out, "unknown key") + 1, "unknown key"));
	calls_are(t, "");
	untouched(t);
}

static void the_command_does_not_call_it(void **state)
{
	struct ft_tree *t = *state;
	const char *command = getenv("PVEBIND");

	setenv("COMMAND", command ? command : "build/pvebind", 1);
	setenv("ROOT", t->path, 1);
	assert_int_equal(system("exec >/dev/null; $COMMAND --root $ROOT lend 100 && $COMMAND --root $ROOT return 100"), 0);
	calls_are(t, "");
	assert_true(ft_writes(t) > 0);
}

/* ---- what it gets -------------------------------------------------------------------------------- */

static void it_has_our_pipes_and_environment(void **state)
{
	struct ft_tree *t = *state;
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	int in = memfd_create("in", MFD_CLOEXEC);

	assert_int_equal(pwrite(in, "a word\n", 7, 0), 7);
	script(t, NEXT, HEAD "read line; echo \"out of it: $line, $LC_ALL, $PVE_MIGRATED_FROM.\"; echo 'err of it' >&2\n");
	setenv("LC_ALL", "C", 1);
	setenv("PVE_MIGRATED_FROM", "pve1", 1);
	end(start(t, "pre-start", in, out, err), out, err);
	unsetenv("PVE_MIGRATED_FROM");
	close(in);
	assert_has(ran.out, "out of it: a word, C, pve1.\n");
	assert_string_equal(ran.err, "err of it\n");
}

static void it_has_nothing_else_of_ours(void **state)
{
	static const char *const phases[] = { "pre-start", "post-start", "post-stop" };
	struct ft_tree *t = *state;

	/* The one that ls reads the folder with is its own. */
	script(t, NEXT, HEAD "ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> /fd \\1 /p' | grep -v '/proc/[0-9]*/fd$'\n"
			     "exec grep -E 'Sig(Blk|Ign)' /proc/self/status\n");
	for (size_t i = 0; i < 3; i++) {
		unsigned long long ignored;

		expect(t, phases[i], 0);
		assert_has(ran.out, "fd 1 ");
		assert_has_not(ran.out, "fd 3 ");
		assert_has_not(ran.out, "signalfd");
		assert_has_not(ran.out, t->path);
		assert_has(ran.out, "SigBlk:\t0000000000000000\n");
		ignored = strtoull(strstr(ran.out, "SigIgn:") + 7, NULL, 16);
		assert_false(ignored & 1ull << (SIGPIPE - 1));
	}
}

static void it_has_all_the_time_it_takes(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, INI, "[vm 100]\nguard = no\nhook-timeout = 2s\ndevice-timeout = 2s\nnext-hookscript = /" NEXT "\n");
	script(t, NEXT, HEAD "[ $2 != pre-start ] || sleep 2.2\n" SAY_DRIVER);
	expect(t, "pre-start", 0);
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");
	expect(t, "post-stop", 0);
}

/* execvp() runs it, and so does Proxmox VE. */
static void a_bare_text_is_the_shells(void **state)
{
	struct ft_tree *t = *state;

	script(t, NEXT, "echo \"a bare $1 $2\"\n");
	expect(t, "pre-stop", 0);
	assert_has(ran.out, "a bare 100 pre-stop\n");
}

/* ---- its failures --------------------------------------------------------------------------------- */

static void its_failure_at_pre_start_ends_it(void **state)
{
	struct ft_tree *t = *state;

	script(t, NEXT, HEAD "echo 'no licence'; exit 3\n");
	expect(t, "pre-start", 1);
	assert_has(ran.out, "no licence\n");
	assert_has(ran.out, "error: VM 100: next-hookscript /" NEXT " failed at pre-start with exit status 3");
	untouched(t);
	script(t, NEXT, HEAD "kill -KILL $$\n");
	expect(t, "pre-start", 1);
	assert_has(ran.out, "error: VM 100: next-hookscript /" NEXT " was ended at pre-start by signal 9 (Killed)");
	untouched(t);
	script(t, NEXT, "#!/no/such/shell\n");
	expect(t, "pre-start", 1);
	assert_has(ran.out, "error: VM 100: cannot run next-hookscript /" NEXT ": No such file or directory");
	untouched(t);
}

static void its_failure_later_only_warns(void **state)
{
	static const char *const phases[] = { "post-start", "pre-stop", "post-stop" };
	struct ft_tree *t = *state;

	script(t, NEXT, HEAD SAY_DRIVER "[ $2 = pre-start ] || exit 9\n");
	expect(t, "pre-start", 0);
	for (size_t i = 0; i < 3; i++) {
		char want[128];

		expect(t, phases[i], 0);
		snprintf(want, sizeof(want), "warning: VM 100: next-hookscript /" NEXT " failed at %s with exit status 9", phases[i]);
		assert_has(ran.out, want);
	}
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
}

/* It is not undone: Proxmox VE calls no post-stop after a failed start either. */
static void ours_may_fail_after_it(void **state)
{
	struct ft_tree *t = *state;

	ft_vm(t, 100, "hostpci0: 0000:66:00\n");
	expect(t, "pre-start", 3);
	calls_are(t, "100 pre-start bochs-drm");
}

/* ---- which ------------------------------------------------------------------------------------------ */

static void strange_scripts_are_refused(void **state)
{
	struct ft_tree *t = *state;

	ft_remove(t, NEXT);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "error: next-hookscript /" NEXT ": No such file or directory: put it there, or correct next-hookscript");
	ft_mkdir(t, NEXT);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "next-hookscript /" NEXT " is no plain file");
	ft_remove(t, NEXT);
	ft_write(t, NEXT, HEAD);
	assert_int_equal(fchmodat(t->fd, NEXT, 0644, 0), 0);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "next-hookscript /" NEXT " is not executable: chmod +x /" NEXT);
	assert_int_equal(fchmodat(t->fd, NEXT, 0775, 0), 0);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "can be written by others than root (mode 0775), who would be root with it: chmod go-w /" NEXT);
	assert_int_equal(fchmodat(t->fd, NEXT, 0757, 0), 0);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "can be written by others than root (mode 0757)");
	assert_int_equal(fchmodat(t->fd, NEXT, 0755, 0), 0);
	assert_int_equal(fchmodat(t->fd, "usr/local/bin", 0777, 0), 0);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "others than root can put another file in its place (folder /usr/local/bin, user");
	assert_int_equal(fchmodat(t->fd, "usr/local/bin", 0755, 0), 0);
	ft_remove(t, NEXT);
	untouched(t);
	if (geteuid() != 0)
		return;
	script(t, NEXT, HEAD);
	assert_int_equal(fchownat(t->fd, NEXT, 65534, 65534, 0), 0);
	expect(t, "pre-start", 3);
	assert_has(ran.out, "next-hookscript /" NEXT " belongs to user 65534, who would be root with it: chown root /" NEXT);
	untouched(t);
}

/* By a name of its own in the tree. */
static void it_is_not_itself(void **state)
{
	struct ft_tree *t = *state;
	char self[PATH_MAX], copy[PATH_MAX + 32];

	snprintf(copy, sizeof(copy), "%s/" NEXT, t->path);
	setenv("HOOK", hook(self), 1);
	setenv("COPY", copy, 1);
	assert_int_equal(system("cp $HOOK $COPY && chmod 755 $COPY"), 0);
	ft_mkdir(t, "srv");
	ft_link(t, "srv/other", "/" NEXT);
	ini(t, "/srv/other");
	hook_copy = copy;
	expect(t, "pre-start", 3);
	assert_has(ran.out, "next-hookscript /srv/other leads back to pvebind, without end: name a script that does not");
	expect(t, "post-stop", 0);
	assert_has(ran.out, "warning: next-hookscript /srv/other leads back to pvebind");
	untouched(t);
}

/* What runs is the twin with libkmod of the hook that is named. */
static void nor_its_twin(void **state)
{
	struct ft_tree *t = *state;
	char self[PATH_MAX], twin[PATH_MAX + 32];

	snprintf(twin, sizeof(twin), "%s/" NEXT "-kmod", t->path);
	setenv("HOOK", hook(self), 1);
	setenv("TWIN", twin, 1);
	assert_int_equal(system("cp $HOOK $TWIN && cp $HOOK ${TWIN%-kmod} && chmod 755 $TWIN ${TWIN%-kmod}"), 0);
	ini(t, "/" NEXT);
	hook_copy = twin;
	expect(t, "pre-start", 3);
	assert_has(ran.out, "next-hookscript /" NEXT " leads back to pvebind, without end");
	untouched(t);
}

/* A wrapper that calls pvebind, made its next one: found out at the second turn. */
static void a_loop_ends(void **state)
{
	struct ft_tree *t = *state;
	char self[PATH_MAX], text[PATH_MAX + 512];

	snprintf(text, sizeof(text), "%s[ $(wc -l <$root/calls) -lt 5 ] && %s --root $root $1 $2\n", HEAD SAY_DRIVER, hook(self));
	script(t, NEXT, text);
	expect(t, "pre-start", 1);
	assert_has(ran.out, "leads back to pvebind, without end");
	assert_has(ran.out, "failed at pre-start with exit status 3");
	calls_are(t, "100 pre-start bochs-drm");
	untouched(t);
	expect(t, "post-stop", 0);
	assert_has(ran.out, "warning: next-hookscript /" NEXT " leads back to pvebind");
	calls_are(t, "100 pre-start bochs-drm\n100 post-stop bochs-drm");
}

static void strange_ones_later_only_warn(void **state)
{
	struct ft_tree *t = *state;

	expect(t, "pre-start", 0);
	ft_remove(t, NEXT);
	expect(t, "post-start", 0);
	assert_has(ran.out, "warning: next-hookscript /" NEXT ": No such file or directory");
	expect(t, "post-stop", 0);
	assert_has(ran.out, "warning: next-hookscript /" NEXT ": No such file or directory");
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
}

static void volumes_have_files(void **state)
{
	static const struct {
		const char *cfg, *volume, *file;
	} cases[] = {
		{ NULL, "local:snippets/mine", "var/lib/vz/snippets/mine" },
		{ "dir: other\n\tpath /a\n", "local:snippets/mine", "var/lib/vz/snippets/mine" },
		{ "# a comment\ndir: local\n\tpath /srv/pve\n\tcontent iso,snippets\n\ndir: other\n\tpath /a\n", "local:snippets/mine",
		  "srv/pve/snippets/mine" },
		{ "dir: x\n\tpath /a\n\nnfs: shared\n\texport /e\n\tpath /mnt/pve/there\n\tserver s\n\ndir: y\n\tpath /b\n",
		  "shared:snippets/a b.pl", "mnt/pve/there/snippets/a b.pl" },
		{ "cephfs: shared\n\tcontent snippets\n", "shared:snippets/mine", "mnt/pve/shared/snippets/mine" },
		{ "dir: d\n        path /p  \r\n        content-dirs iso=/i,snippets=/hooks/vm\r\n", "d:snippets/mine", "p/hooks/vm/mine" },
	};
	struct ft_tree *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[PATH_MAX + 128];

		if (cases[i].cfg)
			ft_write(t, "etc/pve/storage.cfg", cases[i].cfg);
		ini(t, cases[i].volume);
		expect(t, "pre-start", 3);
		snprintf(want, sizeof(want), "next-hookscript /%s: No such file or directory", cases[i].file);
		assert_has(ran.out, want);
		script(t, cases[i].file, "#!/bin/sh\necho \"called $0 $*\"\n");
		expect(t, "pre-stop", 0);
		snprintf(want, sizeof(want), "called %s/%s 100 pre-stop\n", t->path, cases[i].file);
		assert_has(ran.out, want);
		ft_remove(t, cases[i].file);
	}
}

static void volumes_must_have_a_file(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, "etc/pve/storage.cfg", "lvmthin: fast\n\tvgname pve\n\tthinpool data\n\nlocal: x\n\tpath /a\n");
	ini(t, "none:snippets/mine");
	expect(t, "pre-start", 3);
	assert_has(ran.out, "next-hookscript none:snippets/mine: there is no storage 'none' in /etc/pve/storage.cfg: correct the name");
	expect(t, "pre-stop", 0);
	assert_has(ran.out, "warning: VM 100: no next-hookscript is called at pre-stop: next-hookscript none:snippets/mine: there is");
	ini(t, "fast:snippets/mine");
	expect(t, "pre-start", 3);
	assert_has(ran.out, "storage 'fast' (lvmthin) has no folder for snippets: take one of type dir");
	untouched(t);
	ft_remove(t, "etc/pve/storage.cfg");
	ft_mkdir(t, "etc/pve/storage.cfg");
	expect(t, "pre-start", 3);
	assert_has(ran.out, "cannot read /etc/pve/storage.cfg: Is a directory");
	untouched(t);
}

/* ---- the way home ------------------------------------------------------------------------------------ */

static void the_journal_knows_it(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, "etc/pve/storage.cfg", "dir: d\n\tpath /usr/local\n\tcontent-dirs snippets=bin\n");
	ini(t, "d:snippets/next");
	expect(t, "pre-start", 0);
	/* All of it broken: the script has its place all the same. */
	ft_write(t, INI, "[nonsense\n");
	ft_remove(t, "etc/pve/storage.cfg");
	ft_mkdir(t, "etc/pve/storage.cfg");
	expect(t, "post-start", 0);
	expect(t, "pre-stop", 0);
	ini(t, NULL);
	expect(t, "post-stop", 0);
	assert_has_not(ran.out, "warning");
	calls_are(t, "100 pre-start bochs-drm\n100 post-start vfio-pci\n100 pre-stop vfio-pci\n100 post-stop bochs-drm");
}

/* What begins with the lend ends with it. */
static void one_set_meanwhile_waits(void **state)
{
	struct ft_tree *t = *state;

	ini(t, NULL);
	expect(t, "pre-start", 0);
	ini(t, "/" NEXT);
	expect(t, "post-stop", 0);
	calls_are(t, "");
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
}

static void a_broken_ini_only_warns_later(void **state)
{
	struct ft_tree *t = *state;

	ft_write(t, INI, "[vm 100]\nfoo = 1\n");
	expect(t, "post-stop", 0);
	assert_has(ran.out, "warning: VM 100: no next-hookscript is called at post-stop: /etc/pve/pvebind.ini:2: unknown key 'foo'");
	ft_remove(t, INI);
	expect(t, "post-stop", 0);
	assert_string_equal(ran.out, "");
}

/* ---- signals -------------------------------------------------------------------------------------------- */

static void appears(struct ft_tree *t, const char *path)
{
	for (int i = 0; i < 500 && !ft_exists(t, path); i++)
		usleep(10000);
	assert_true(ft_exists(t, path));
}

/* Start pre-start with a script that notes each SIGTERM and ends 0.4 s after the first, or after 5 s; signal it. */
static void signalled(struct ft_tree *t, bool group, int *ends)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	pid_t pid;

	/* A shell would take two for one. */
	script(t, NEXT, "#!/usr/bin/perl\n"
			"($root = $0) =~ s!/" NEXT "$!!;\n"
			"sub note { open(F, '>>', \"$root/$_[0]\"); print F \"got\\n\"; close F }\n"
			"$SIG{TERM} = sub { note('calls'); $late = 1 };\n"
			"note('ready');\n"
			"for ($i = 0; $i < 100 && !$late; $i++) { select(undef, undef, undef, 0.05) }\n"
			"select(undef, undef, undef, 0.05) for 1 .. 8;\n"
			"exit 7;\n");
	pid = start(t, "pre-start", 0, out, err);
	appears(t, "ready");
	if (group) {
		/* The hook comes to see it when the script has had it, so that a second one could not melt into it. */
		assert_int_equal(kill(pid, SIGSTOP), 0);
		assert_int_equal(kill(-pid, SIGTERM), 0);
		appears(t, "calls");
		assert_int_equal(kill(pid, SIGCONT), 0);
	} else {
		assert_int_equal(kill(pid, SIGTERM), 0);
	}
	*ends = end(pid, out, err);
}

static void a_signal_for_us_alone_is_passed_on(void **state)
{
	struct ft_tree *t = *state;
	int status;

	signalled(t, false, &status);
	assert_int_equal(status, 1);
	calls_are(t, "got");
	assert_has(ran.out, "failed at pre-start with exit status 7");
	untouched(t);
}

static void a_signal_for_all_comes_once(void **state)
{
	struct ft_tree *t = *state;
	int status;

	signalled(t, true, &status);
	assert_int_equal(status, 1);
	calls_are(t, "got");
	assert_has(ran.out, "failed at pre-start with exit status 7");
	untouched(t);
}

/* Whatever the script makes of it, we were asked to stop. */
static void a_signal_is_ours_as_well(void **state)
{
	struct ft_tree *t = *state;

	script(t, NEXT, HEAD "kill -TERM $PPID\nexit 0\n");
	expect(t, "pre-start", 1);
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* It came before the script was begun: the script is not begun. */
static void a_signal_before_it_is_in_time(void **state)
{
	struct ft_tree *t = *state;
	sigset_t term, old;

	script(t, NEXT, HEAD "echo called >>$root/calls\n");
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	stop_pending = true;
	expect(t, "pre-start", 1);
	assert_false(ft_exists(t, "calls"));
	assert_has(ran.out, "asked to stop: next-hookscript /" NEXT " was not called, and nothing is lent");
	untouched(t);
	/* After a return it is called all the same. */
	stop_pending = false;
	expect(t, "pre-start", 0);
	ft_remove(t, "calls");
	stop_pending = true;
	run(t, "post-stop");
	stop_pending = false;
	calls_are(t, "called");
	sigprocmask(SIG_SETMASK, &old, NULL);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(it_is_called_in_its_place), T(other_phases_are_passed_on), T(it_is_called_where_nothing_is_lent),
		T(the_switch_keeps_it_too), T(ini_errors_are_said_once), T(the_command_does_not_call_it),
		T(it_has_our_pipes_and_environment), T(it_has_nothing_else_of_ours), T(it_has_all_the_time_it_takes),
		T(a_bare_text_is_the_shells), T(its_failure_at_pre_start_ends_it), T(its_failure_later_only_warns),
		T(ours_may_fail_after_it), T(strange_scripts_are_refused), T(it_is_not_itself), T(nor_its_twin), T(a_loop_ends), T(strange_ones_later_only_warn),
		T(volumes_have_files), T(volumes_must_have_a_file), T(the_journal_knows_it), T(one_set_meanwhile_waits),
		T(a_broken_ini_only_warns_later), T(a_signal_for_us_alone_is_passed_on), T(a_signal_for_all_comes_once),
		T(a_signal_is_ours_as_well), T(a_signal_before_it_is_in_time),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
