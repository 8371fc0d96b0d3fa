/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time: what is late is given up, undone or left to who comes next; nobody waits longer than was said. */
#include "timed.h"

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

		if (pvb_record_open(ctx, name, pvb_now_ns() + 10000000000, &record) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
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

/* Another VM's lend of the first card, which takes so long to let go of it. Begun, when this returns. */
static pid_t first_card_moves(unsigned ms)
{
	pid_t pid;

	ft_fault(t, "*bochs-drm/unbind 0000:01:00.0 slow=%u", ms);
	pid = fork();
	if (pid == 0)
		_exit(lend_from(1, "100", 30000, 45000) < 0);
	for (int i = 0; i < 1000 && strcmp(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "0") != 0; i++)
		usleep(10000);
	return pid;
}

/* Two cards with one console, for two VMs at once: what the second lend was to do with the console depends on the first. */
static void cards_of_the_console_move_in_turn(void **state)
{
	int64_t clock;
	int status;
	pid_t first;
	(void)state;

	ft_preset_gpu2(t);
	first = first_card_moves(1500);
	clock = pvb_now_ns();
	gives(lend_from(2, "101", 30000, 45000), 0);
	assert_in_range(lap(&clock), 1000, 20000);
	waitpid(first, &status, 0);
	assert_int_equal(status, 0);
	on("vfio-pci", "vfio-pci");
	assert_string_equal(ft_driver_of(t, "0000:02:00.0"), "vfio-pci");
	says("VM 101: lent 0000:02:00.0");
	if (strstr(said, "the console moves to the other card"))
		fail_msg("there is none:\n%s", said);
	/* The way home waits as well. */
	ft_faults_clear(t);
	ft_fault(t, "*bochs-drm/bind 0000:01:00.0 slow=1500");
	first = fork();
	if (first == 0)
		_exit(pvb_return(ctx, "100", 0, &err) < 0);
	for (int i = 0; i < 1000 && pvb_turn_look(ctx) >= 0; i++)
		usleep(5000);
	clock = pvb_now_ns();
	gives(pvb_return(ctx, "101", 0, &err), 0);
	assert_in_range(lap(&clock), 700, 20000);
	waitpid(first, &status, 0);
	assert_int_equal(status, 0);
	assert_string_equal(ft_driver_of(t, "0000:02:00.0"), "bochs-drm");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
}

/* One that was killed keeps nobody, but what it was doing makes a look worthless. */
static void a_turn_ends_with_its_process(void **state)
{
	struct pvb_record turn;
	int64_t seen, clock;
	pid_t first;
	(void)state;

	ft_preset_gpu2(t);
	seen = pvb_turn_look(ctx);
	first = first_card_moves(20000);
	assert_true(pvb_turn_look(ctx) < 0);
	gives(pvb_turn_take(ctx, pvb_now_ns() + 50000000, seen, &turn), -ETIMEDOUT);
	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
	gives(pvb_turn_take(ctx, pvb_now_ns() + 50000000, seen, &turn), -ESTALE);
	assert_true(pvb_turn_look(ctx) > seen);
	clock = pvb_now_ns();
	gives(lend_from(2, "101", 30000, 45000), 0);
	assert_in_range(lap(&clock), 0, 10000);
}

/* Who does not come to an end is named, and nothing is begun. */
static void a_turn_that_does_not_come(void **state)
{
	pid_t first;
	(void)state;

	ft_preset_gpu2(t);
	first = first_card_moves(20000);
	ft_log_clear(t);
	gives(lend_from(2, "101", 30000, 4000), -EBUSY);
	says("another pvebind is moving the card that the console is on, and does not come to an end");
	assert_int_equal(ft_wrote(t, "*", "*0000:02:00.0*"), -1);
	assert_false(ft_exists(t, "run/pvebind/101.journal"));
	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
}

/* Then nothing is begun, but what is lent comes home. */
static void a_turn_that_cannot_be_had(void **state)
{
	static const char lock[] = "run/pvebind/console.turn.lock";
	(void)state;

	ft_mkdir(t, lock);
	gives(lend("100", 30000, 45000), -EISDIR);
	says("cannot wait for those that move the console: Is a directory");
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
	ft_remove(t, lock);
	gives(lend("100", 30000, 45000), 0);
	ft_remove(t, lock);
	ft_mkdir(t, lock);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	says("cannot wait for those that move the console: Is a directory; going home all the same");
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
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

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, host_up, host_down)
	const struct CMUnitTest tests[] = {
		CASE(device_time_is_over), CASE(hook_time_is_over), CASE(way_home_is_left),
		CASE(stopped_in_time),	   CASE(way_home_is_hurried),
		CASE(confirmed_under_the_lock), CASE(renewed), CASE(waits_for_who_works),
		CASE(return_waits_for_who_works),
		CASE(competitor_is_refused_at_once), CASE(too_late_to_begin),
		CASE(cards_of_the_console_move_in_turn), CASE(a_turn_ends_with_its_process), CASE(a_turn_that_does_not_come),
		CASE(a_turn_that_cannot_be_had),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
