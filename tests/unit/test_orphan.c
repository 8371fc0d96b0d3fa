/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workers that outlived their pvebind: whoever comes next waits for them, ends them, or leaves alone what they have. */
#include <sys/resource.h>

#include "timed.h"

static void stat_fake(pid_t pid, char state)
{
	char path[64], text[128];

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	snprintf(text, sizeof(text), "%d (x) %c 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0\n", (int)pid, state);
	ft_write(t, path, text);
}

/* The operation of this kind on that device (-1: the host's). */
static size_t op_find(enum pvb_op_kind kind, int device, struct pvb_at *at)
{
	struct pvb_journal j;
	size_t i = 0;

	gives(pvb_journal_read(ctx, "100", &j, &err), 0);
	while (i < j.num_ops && (j.ops[i].kind != kind || j.ops[i].device != device))
		i++;
	assert_true(i < j.num_ops);
	*at = j.at[i];
	pvb_journal_clear(&j);
	return i;
}

/* A hook that lends that bus's card, and waits: for a worker of its own, in that write. The intent alone comes before it. */
static pid_t hook_hangs(unsigned char bus, unsigned device_ms, const char *fault, const char *write)
{
	pid_t hook;
	char line[128];

	ft_fault(t, "%s", fault);
	hook = fork();
	if (hook == 0)
		_exit(lend_from(bus, "100", device_ms, 60000) < 0);
	snprintf(line, sizeof(line), "%s hung", write);
	for (int i = 0; i < 1000 && !(ft_exists(t, ".writes") && strstr(ft_read(t, ".writes"), line)); i++)
		usleep(10000);
	return hook;
}

/* The hook is killed while a worker hangs: whoever comes next gives that worker the device's time, no more. */
static void orphan_is_ended(void **state)
{
	struct pvb_at at = { .pid = 0 };
	int64_t clock;
	pid_t hook;
	(void)state;

	hook = hook_hangs(1, 5000, "*snd_hda_intel/unbind * hang", "/unbind \"0000:01:00.1\"");
	op_find(PVB_OP_UNBIND, 1, &at);
	kill(hook, SIGKILL);
	waitpid(hook, NULL, 0);
	ft_faults_clear(t);
	assert_int_not_equal(at.pid, hook);
	assert_int_equal(kill(at.pid, 0), 0);
	assert_true(at.since_ns > pvb_boottime_ns() - 30000000000 && at.since_ns <= pvb_boottime_ns());
	stat_fake(at.pid, 'S');
	clock = pvb_now_ns();
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	assert_in_range(lap(&clock), 0, 25000);
	assert_true(pvb_boottime_ns() >= at.since_ns + 5000000000);
	says("0000:01:00.1: process ");
	says("whose pvebind is gone, took longer than device-timeout, given up");
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* One worker has the console's write and the one device that comes after it. A device that hangs keeps nothing of the host's. */
static void device_that_hangs_keeps_no_console(void **state)
{
	struct pvb_at at;
	pid_t hook;
	(void)state;

	ft_preset_gpu2(t);
	hook = hook_hangs(2, 3000, "*bochs-drm/unbind 0000:02:00.0 hang", "/unbind \"0000:02:00.0\"");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "0");
	op_find(PVB_OP_UNBIND, 0, &at);
	kill(hook, SIGKILL);
	waitpid(hook, NULL, 0);
	assert_true(pvb_record_locked(ctx, "0000:02:00.0"));
	/* The next stage's worker, which is the host's, too, ends by itself. */
	for (int i = 0; i < 500 && pvb_record_locked(ctx, "100.host.lock"); i++)
		usleep(10000);
	assert_false(pvb_record_locked(ctx, "100.host.lock"));
	assert_true(pvb_record_locked(ctx, "0000:02:00.0"));
	ft_faults_clear(t);
	stat_fake(at.pid, 'S');
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	says("0000:02:00.0: process ");
	says("whose pvebind is gone, took longer than device-timeout, given up");
	assert_string_equal(ft_driver_of(t, "0000:02:00.0"), "bochs-drm");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
}

/* The console's write hangs in that worker: it has both, and both are free when it has been ended. */
static void orphan_at_the_console_is_ended(void **state)
{
	struct pvb_at at;
	pid_t hook;
	(void)state;

	ft_preset_gpu2(t);
	hook = hook_hangs(2, 3000, "*vtcon1/bind 0 hang", "vtcon1/bind \"0\"");
	op_find(PVB_OP_CONSOLE, -1, &at);
	kill(hook, SIGKILL);
	waitpid(hook, NULL, 0);
	assert_true(pvb_record_locked(ctx, "0000:02:00.0"));
	assert_true(pvb_record_locked(ctx, "100.host.lock"));
	ft_faults_clear(t);
	stat_fake(at.pid, 'S');
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	says("whose pvebind is gone, took longer than device-timeout, given up");
	assert_false(pvb_record_locked(ctx, "0000:02:00.0"));
	assert_string_equal(ft_driver_of(t, "0000:02:00.0"), "bochs-drm");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* A worker that began to bind, and has the device's lock: *worker wrote the intent. The lock stays with another process,
 * as nothing that can be killed hangs for ever. */
static pid_t hung_worker(pid_t *worker)
{
	struct pvb_at at;
	size_t op = op_find(PVB_OP_BIND, 1, &at);
	int ready[2], journal = pvb_journal_open(ctx, "100", &err);
	pid_t pids[2];

	assert_true(journal >= 0);
	gives(pvb_journal_state(journal, PVB_RETURNING, 0), 0);
	assert_int_equal(pipe(ready), 0);
	*worker = fork();
	if (*worker == 0) {
		struct pvb_record record;

		/* Its worker of just now has said all, and may have the lock for an instant still. */
		if (pvb_record_open(ctx, "0000:01:00.1", pvb_now_ns() + 10000000000, &record) < 0 || pvb_journal_intent(journal, op, true) < 0)
			_exit(1);
		pids[0] = getpid();
		pids[1] = fork();
		if (pids[1] > 0 && write(ready[1], pids, sizeof(pids)) != (ssize_t)sizeof(pids))
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], pids, sizeof(pids)), sizeof(pids));
	close(ready[0]);
	close(journal);
	return pids[1];
}

/* It cannot be ended: from then on the device is left alone at once. */
static void orphan_is_marked(void **state)
{
	pid_t holder, worker;
	int64_t clock;
	(void)state;

	gives(lend("100", 3000, 60000), 0);
	holder = hung_worker(&worker);
	stat_fake(worker, 'D');
	ft_log_clear(t);
	clock = pvb_now_ns();
	gives(pvb_recover(ctx, NULL, NULL, &err), -PVB_EATTENTION);
	assert_in_range(lap(&clock), 2000, 20000);
	says("0000:01:00.1: hangs in the kernel (the kernel, process");
	on("bochs-drm", "vfio-pci");
	assert_true(ft_exists(t, "run/pvebind/0000:01:00.1.stuck"));
	assert_int_equal(ft_wrote(t, "*0000:01:00.1*", "*"), -1);
	clock = pvb_now_ns();
	gives(pvb_recover(ctx, NULL, NULL, &err), -PVB_EATTENTION);
	gives(lend("101", 3000, 60000), -EBUSY);
	assert_in_range(lap(&clock), 0, 2000);
	says("refused (stuck): 0000:01:00.1 hangs in the kernel since an earlier try");
	/* It has come back. */
	kill(holder, SIGKILL);
	waitpid(worker, NULL, 0);
	ft_remove(t, "proc");
	ft_mkdir(t, "proc");
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* The hook's time is over before the device's: who hangs is marked then, too. Another process with the worker's number is
 * none. */
static void orphan_hangs_longer_than_a_hook(void **state)
{
	struct pvb_record later;
	pid_t holder, worker;
	int64_t clock;
	(void)state;

	gives(lend("100", 60000, 2000), 0);
	holder = hung_worker(&worker);
	gives(pvb_recover(ctx, NULL, NULL, &err), -PVB_EATTENTION);
	says("another process works on it and does not end: left alone");
	assert_false(ft_exists(t, "run/pvebind/0000:01:00.1.stuck"));
	stat_fake(worker, 'D');
	gives(pvb_recover(ctx, NULL, NULL, &err), -PVB_EATTENTION);
	assert_int_equal(kill(worker, 0), 0); /* its own time is not over */
	assert_true(ft_exists(t, "run/pvebind/0000:01:00.1.stuck"));
	clock = pvb_now_ns();
	gives(pvb_recover(ctx, NULL, NULL, &err), -PVB_EATTENTION);
	assert_in_range(lap(&clock), 0, 1400);
	kill(holder, SIGKILL);
	kill(worker, SIGKILL);
	waitpid(worker, NULL, 0);
	gives(pvb_record_open(ctx, "0000:01:00.1", pvb_now_ns() + 5000000000, &later), 0);
	pvb_record_close(&later);
}

/* ---- workers whose turn never comes: they are there before the journal is ---- */

static void no_child_left(void)
{
	pvb_children_collect(ctx);
	assert_int_equal(waitpid(-1, NULL, 0), -1);
	assert_int_equal(errno, ECHILD);
}

static void journal_that_cannot_be_written(void **state)
{
	const struct rlimit none = { 0, RLIM_INFINITY }, any = { RLIM_INFINITY, RLIM_INFINITY };
	int r;
	(void)state;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	r = lend_from(1, "100", 5000, 60000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &any), 0);
	gives(r, -EFBIG);
	assert_string_equal(err.text, "cannot write the journal /run/pvebind/100.journal: File too large; nothing was changed");
	assert_int_equal(ft_writes(t), 0);
	assert_int_equal(num_begun, 0);
	assert_false(ft_exists(t, "run/pvebind/100.journal.part") || ft_exists(t, "run/pvebind/100.journal"));
	no_child_left();
	gives(lend_from(1, "100", 5000, 60000), 0);
}

/* Whatever there is too little of for the workers' pipe: nothing was changed, and that is said. */
static void too_few_descriptors(void **state)
{
	struct rlimit usual, few;
	bool pipe_failed = false;
	int r = -1;
	(void)state;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	for (rlim_t n = 4; r < 0 && n < 64; n++) {
		few = (struct rlimit){ n, usual.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = lend_from(1, "100", 5000, 60000);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
		if (!strcmp(err.text, "VM 100: cannot make a pipe: Too many open files; nothing was changed")) {
			pipe_failed = true;
			assert_int_equal(num_begun, 0);
			assert_false(ft_exists(t, "run/pvebind/100.journal.part") || ft_exists(t, "run/pvebind/100.journal"));
		}
		num_begun = 0;
		if (r == 0)
			continue;
		gives(pvb_recover(ctx, NULL, NULL, &err), 0);
		on("bochs-drm", "snd_hda_intel");
		no_child_left();
	}
	gives(r, 0);
	assert_true(pipe_failed);
}

static void die(void *data, const char *name, uint64_t generation)
{
	(void)data;
	(void)name;
	(void)generation;
	raise(SIGKILL);
}

static void hook_that_dies_before_their_turn(void **state)
{
	struct pvb_record device;
	int status;
	pid_t hook = fork();
	(void)state;

	if (hook == 0) {
		pvb_ctx_set_begun(ctx, die, NULL);
		_exit(lend_from(1, "100", 5000, 60000) < 0);
	}
	assert_int_equal(waitpid(hook, &status, 0), hook);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* They have its locks until they see that it is gone. */
	gives(pvb_record_open(ctx, "0000:01:00.0", pvb_now_ns() + 5000000000, &device), 0);
	pvb_record_close(&device);
	assert_int_equal(ft_writes(t), 0);
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	assert_int_equal(ft_wrote(t, "*unbind", "*"), -1);
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, host_up, host_down)
	const struct CMUnitTest tests[] = {
		CASE(orphan_is_ended), CASE(device_that_hangs_keeps_no_console), CASE(orphan_at_the_console_is_ended),
		CASE(orphan_is_marked), CASE(orphan_hangs_longer_than_a_hook),
		CASE(journal_that_cannot_be_written), CASE(too_few_descriptors),
		CASE(hook_that_dies_before_their_turn),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
