/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time: what is late is given up, undone or left to who comes next; nobody waits longer than was said. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../libbind/lend.h"
#include "faketree.h"

static char said[65536];
static struct ft_tree *t;
static struct pvb_ctx *ctx;
static struct pvb_err err;
static uint64_t begun[4]; /* generations */
static unsigned num_begun;

static void hear(void *data, enum pvb_level level, const char *line)
{
	size_t n = strlen(said);

	(void)data;
	(void)level;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static void begin(void *data, const char *name, uint64_t generation)
{
	(void)data;
	assert_string_equal(name, "100");
	assert_true(num_begun < ARRAY_SIZE(begun));
	begun[num_begun++] = generation;
}

static int host_up(void **state)
{
	(void)state;
	t = ft_new();
	ft_preset_gpu(t);
	if (pvb_ctx_new(&ctx, t->path, &err) < 0)
		return -1;
	pvb_ctx_set_log(ctx, hear, NULL);
	pvb_ctx_set_begun(ctx, begin, NULL);
	*said = '\0';
	num_begun = 0;
	return 0;
}

static int host_down(void **state)
{
	(void)state;
	pvb_ctx_free(ctx);
	ft_free(t);
	return 0;
}

static int lend_from(unsigned char bus, const char *name, unsigned device_ms, unsigned hook_ms)
{
	struct pvb_wanted wanted = { .addr = { 0, bus, 0, PVB_FN_ALL } };
	struct pvb_request request = { .wanted = &wanted, .num_wanted = 1 };

	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.label, sizeof(request.label), "VM %s", name);
	pvb_settings_default(&request.settings);
	request.settings.device_timeout_ms = device_ms;
	request.settings.hook_timeout_ms = hook_ms;
	return pvb_lend(ctx, &request, &err);
}

static int lend(const char *name, unsigned device_ms, unsigned hook_ms)
{
	return lend_from(1, name, device_ms, hook_ms);
}

static void gives(int got, int want)
{
	if (got != want)
		fail_msg("gave %d, not %d; it said:\n%s%s", got, want, said, err.text);
}

static void says(const char *what)
{
	if (!strstr(said, what) && !strstr(err.text, what))
		fail_msg("did not say '%s', but:\n%s%s", what, said, err.text);
}

static void on(const char *display, const char *sound)
{
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), display);
	assert_string_equal(ft_driver_of(t, "0000:01:00.1"), sound);
}

/* Milliseconds since from, which is set anew. */
static long long lap(int64_t *from)
{
	int64_t was = *from;

	*from = pvb_now_ns();
	return (long long)(*from - was) / 1000000;
}

/* The device's time: the worker is killed, what was moved goes home, and the sentence names the step. */
static void device_time_is_over(void **state)
{
	int64_t clock = pvb_now_ns();
	(void)state;

	ft_fault(t, "*snd_hda_intel/unbind * hang");
	gives(lend("100", 300, 20000), -ETIMEDOUT);
	assert_in_range(lap(&clock), 300, 5000);
	says("0000:01:00.1: unbind from snd_hda_intel: took longer than 3");
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* The hook's time is shorter than the device's: it counts, and leaves room for the way home. */
static void hook_time_is_over(void **state)
{
	int64_t clock = pvb_now_ns();
	(void)state;

	ft_fault(t, "*snd_hda_intel/unbind * hang");
	gives(lend("100", 60000, 1000), -ETIMEDOUT);
	assert_in_range(lap(&clock), 700, 3000);
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* A way home that takes longer than the hook may: the answer is there in time, the device goes on by itself, and who
 * comes next waits for it and does the rest. */
static void way_home_is_left(void **state)
{
	struct pvb_lend now;
	int64_t clock;
	(void)state;

	gives(lend("100", 30000, 1000), 0);
	ft_fault(t, "*snd_hda_intel/bind * slow=4000");
	clock = pvb_now_ns();
	gives(pvb_return(ctx, "100", 0, &err), -EINPROGRESS);
	assert_in_range(lap(&clock), 1000, 3000);
	says("0000:01:00.1: bind to snd_hda_intel: still on its way");
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), "bochs-drm");
	gives(pvb_lend_read(ctx, "100", &now, &err), 0);
	assert_int_equal(now.state, PVB_RETURNING);
	assert_true(now.unfinished);
	pvb_lend_clear(&now);
	ft_faults_clear(t);
	/* Its time is a second as well: it may be too early, and says so. */
	for (int tries = 0; pvb_recover(ctx, "100", NULL, &err) < 0; tries++)
		assert_true(tries < 8);
	on("bochs-drm", "snd_hda_intel");
	assert_string_equal(ft_override(t, "0000:01:00.1"), "(null)");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* Somebody asks to stop after 300 ms. */
static pid_t stop_ask(int *fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		usleep(300000);
		_exit(write(fds[1], "x", 1) != 1);
	}
	close(fds[1]);
	*fd = fds[0];
	return pid;
}

static void stopped_in_time(void **state)
{
	int64_t clock = pvb_now_ns();
	pid_t pid;
	int fd;
	(void)state;

	ft_fault(t, "*snd_hda_intel/unbind * hang");
	pid = stop_ask(&fd);
	pvb_ctx_set_cancel_fd(ctx, fd);
	gives(lend("100", 60000, 60000), -ECANCELED);
	assert_in_range(lap(&clock), 300, 5000);
	says("asked to stop: undoing what was done");
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
	waitpid(pid, NULL, 0);
	close(fd);
}

/* On its way home, what takes longer than that is left to who comes next. */
static void way_home_is_hurried(void **state)
{
	int64_t clock;
	pid_t pid;
	int fd;
	(void)state;

	gives(lend("100", 60000, 60000), 0);
	ft_fault(t, "*snd_hda_intel/bind * slow=6000");
	pid = stop_ask(&fd);
	pvb_ctx_set_cancel_fd(ctx, fd);
	clock = pvb_now_ns();
	gives(pvb_return(ctx, "100", 0, &err), -EINPROGRESS);
	assert_in_range(lap(&clock), 300, 5000);
	pvb_ctx_set_cancel_fd(ctx, -1);
	waitpid(pid, NULL, 0);
	close(fd);
	ft_faults_clear(t);
	gives(pvb_recover(ctx, "100", NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
}

static bool refuse(void *data, const struct pvb_lend *lend, unsigned *flags)
{
	char lock[PVB_NAME_MAX];

	(void)flags;
	assert_true(pvb_record_locked(ctx, pvb_lend_lock_name(lend->name, lock)));
	*(enum pvb_state *)data = lend->state;
	return false;
}

static void confirmed_under_the_lock(void **state)
{
	enum pvb_state seen = PVB_HOME;
	(void)state;

	gives(lend("100", 30000, 45000), 0);
	ft_log_clear(t);
	gives(pvb_return_confirmed(ctx, "100", refuse, &seen, &err), 0);
	assert_int_equal(seen, PVB_LENT);
	assert_int_equal(ft_writes(t), 0);
	on("vfio-pci", "vfio-pci");
}

/* A lend anew is told apart from the one before, so that a watcher of that one ends. */
static void renewed(void **state)
{
	struct pvb_lend now;
	(void)state;

	gives(lend("100", 30000, 45000), 0);
	gives(pvb_return(ctx, "100", PVB_RETURN_KEEP, &err), 0);
	gives(pvb_lend_read(ctx, "100", &now, &err), 0);
	assert_int_equal(now.state, PVB_LENT);
	assert_true(now.awaits_start);
	assert_true(now.generation == begun[0]);
	pvb_lend_clear(&now);
	gives(lend("100", 30000, 45000), 0);
	gives(pvb_lend_read(ctx, "100", &now, &err), 0);
	assert_false(now.awaits_start);
	assert_int_equal(num_begun, 2);
	assert_true(now.generation == begun[1] && begun[1] != begun[0]);
	pvb_lend_clear(&now);
}

/* A child has a lock until it ends. */
static pid_t lock_hold(const char *name)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct pvb_record record;

		if (pvb_record_open(ctx, name, 0, &record) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void waits_for_who_works(void **state)
{
	pid_t pid;
	int fd;
	(void)state;

	gives(pvb_lend_wait(ctx, "100", 1000, &err), 0);
	assert_int_equal(pvb_lend_watch(ctx, "100"), -ENOENT);
	gives(lend("100", 30000, 45000), 0);
	fd = pvb_lend_watch(ctx, "100");
	assert_true(fd >= 0);
	pid = lock_hold("100.lock");
	gives(pvb_lend_wait(ctx, "100", 50, &err), -ETIMEDOUT);
	says("another pvebind is still working on 100");
	kill(pid, SIGKILL);
	gives(pvb_lend_wait(ctx, "100", 5000, &err), 0);
	waitpid(pid, NULL, 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	{
		struct pollfd gone = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&gone, 1, 0), 1);
	}
	close(fd);
}

/* Three of its lend's four seconds; one that is left undone has changed nothing. */
static void return_waits_for_who_works(void **state)
{
	pid_t holder, killer;
	int64_t clock;
	(void)state;

	gives(lend("100", 30000, 4000), 0);
	holder = lock_hold("100.lock");
	clock = pvb_now_ns();
	gives(pvb_return(ctx, "100", 0, &err), -EBUSY);
	assert_in_range(lap(&clock), 2900, 25000);
	says("another pvebind is working on 100");
	on("vfio-pci", "vfio-pci");
	killer = fork();
	if (killer == 0) {
		usleep(500000);
		_exit(kill(holder, SIGKILL) < 0);
	}
	gives(pvb_return(ctx, "100", 0, &err), 0);
	assert_int_equal(err.code, 0);
	waitpid(killer, NULL, 0);
	waitpid(holder, NULL, 0);
	on("bochs-drm", "snd_hda_intel");
}

/* Who is being lent a device, or has it, is not waited for: two who wait for one another would both wait to the end. */
static void competitor_is_refused_at_once(void **state)
{
	int64_t clock;
	pid_t pid;
	(void)state;

	gives(lend("100", 30000, 45000), 0);
	pid = lock_hold("100.lock");
	clock = pvb_now_ns();
	gives(lend("101", 30000, 45000), -EBUSY);
	assert_in_range(lap(&clock), 0, 3000);
	says("is lent to VM 100 since");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Waiting took most of the time there was: what began now would be killed half-way. */
static void too_late_to_begin(void **state)
{
	pid_t holder, killer;
	(void)state;

	gives(lend("100", 30000, 4000), 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	ft_log_clear(t);
	holder = lock_hold("100.lock");
	killer = fork();
	if (killer == 0) {
		usleep(2600000); /* of the 3 s that a lend has of these 4 */
		_exit(kill(holder, SIGKILL) < 0);
	}
	gives(lend("100", 30000, 4000), -EBUSY);
	says("waiting for others has taken most of hook-timeout; nothing was lent and nothing changed");
	assert_int_equal(ft_writes(t), 0);
	waitpid(killer, NULL, 0);
	waitpid(holder, NULL, 0);
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* ---- a worker that outlived its pvebind ---- */

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

/* Wait until that write hangs: the intent alone comes before that. */
static void hung(const char *write)
{
	char line[128];

	snprintf(line, sizeof(line), "%s hung", write);
	for (int i = 0; i < 1000 && !(ft_exists(t, ".writes") && strstr(ft_read(t, ".writes"), line)); i++)
		usleep(10000);
}

/* The hook is killed while a worker hangs: whoever comes next gives that worker the device's time, no more. */
static void orphan_is_ended(void **state)
{
	struct pvb_at at = { .pid = 0 };
	int64_t clock;
	pid_t hook;
	(void)state;

	ft_fault(t, "*snd_hda_intel/unbind * hang");
	hook = fork();
	if (hook == 0)
		_exit(lend("100", 5000, 60000) < 0);
	hung("/unbind \"0000:01:00.1\"");
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
	ft_fault(t, "*bochs-drm/unbind 0000:02:00.0 hang");
	hook = fork();
	if (hook == 0)
		_exit(lend_from(2, "100", 3000, 60000) < 0);
	hung("/unbind \"0000:02:00.0\"");
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
	ft_fault(t, "*vtcon1/bind 0 hang");
	hook = fork();
	if (hook == 0)
		_exit(lend_from(2, "100", 3000, 60000) < 0);
	hung("vtcon1/bind \"0\"");
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

		if (pvb_record_open(ctx, "0000:01:00.1", 0, &record) < 0 || pvb_journal_intent(journal, op, true) < 0)
			_exit(1);
		pids[0] = getpid();
		pids[1] = fork();
		if (pids[1] > 0 && write(ready[1], pids, sizeof(pids)) != (ssize_t)sizeof(pids))
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], pids, sizeof(pids)), sizeof(pids));
	close(ready[0]);
	close(ready[1]);
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

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, host_up, host_down)
	const struct CMUnitTest tests[] = {
		CASE(device_time_is_over), CASE(hook_time_is_over), CASE(way_home_is_left),
		CASE(stopped_in_time),	   CASE(way_home_is_hurried),
		CASE(confirmed_under_the_lock), CASE(renewed), CASE(waits_for_who_works),
		CASE(return_waits_for_who_works),
		CASE(competitor_is_refused_at_once), CASE(too_late_to_begin),
		CASE(orphan_is_ended), CASE(device_that_hangs_keeps_no_console), CASE(orphan_at_the_console_is_ended),
		CASE(orphan_is_marked), CASE(orphan_hangs_longer_than_a_hook),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
