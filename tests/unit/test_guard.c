/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard: what it decides, as a table; and the process itself (beside $PVEBIND, else in build/) on a fake kernel. */
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../conf/front.h"
#include "host.h"

#define GEN 7
#define T0 1000000 /* ms: when the phase began */
#define LOCK "run/lock/qemu-server/lock-100.conf"
#define JOURNAL "run/pvebind/100.journal"

/* ---- decisions ---- */

struct row {
	const char *text;
	enum pvb_state state;
	bool awaits, busy, cleanup, lock_free, cleanup_seen, qemu_seen;
	int qemu, stuck;
	unsigned tries;
	int64_t after; /* ms since the phase began */
	enum vmguard_what what;
	enum vmguard_why why; /* to act */
	int64_t until;        /* ms after T0; 0: none */
};

static const struct row rows[] = {
	{ "a dead hook's lend", PVB_LENDING, .what = VMGUARD_ACT, .why = VMGUARD_UNFINISHED },
	{ "a dead hook's return", PVB_RETURNING, .what = VMGUARD_ACT, .why = VMGUARD_UNFINISHED },
	{ "a return that goes on in pieces", PVB_RETURNING, .tries = 2,
	  .what = VMGUARD_ACT, .why = VMGUARD_UNFINISHED },
	{ "a return that does not get on", PVB_RETURNING, .tries = 3, .what = VMGUARD_GIVE_UP },
	{ "failed", PVB_FAILED, .what = VMGUARD_ACT, .why = VMGUARD_AGAIN },
	{ "failed again", PVB_FAILED, .tries = 1, .what = VMGUARD_GIVE_UP },
	{ "a device hangs", PVB_FAILED, .stuck = 77, .tries = 1, .what = VMGUARD_AWAIT_PROCESS },
	{ "a dead hook's worker hangs", PVB_FAILED, .busy = true, .tries = 1, .what = VMGUARD_AWAIT_DEVICE },
	{ "kept", PVB_KEPT, .what = VMGUARD_END },

	{ "a start is under way", PVB_LENT, .what = VMGUARD_AWAIT_LOCK },
	{ "… for however long", PVB_LENT, .after = 86400000, .what = VMGUARD_AWAIT_LOCK },
	{ "… and an older run left its flag", PVB_LENT, .cleanup = true, .after = 86400000,
	  .what = VMGUARD_AWAIT_LOCK },
	{ "… with QEMU there already", PVB_LENT, .qemu = 42, .what = VMGUARD_AWAIT_PROCESS },
	{ "the start has failed", PVB_LENT, .lock_free = true, .what = VMGUARD_ACT, .why = VMGUARD_START_FAILED },
	{ "QEMU lived for a moment", PVB_LENT, .lock_free = true, .cleanup = true, .qemu_seen = true,
	  .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… and post-stop was lost", PVB_LENT, .lock_free = true, .cleanup = true, .qemu_seen = true,
	  .after = VMGUARD_CLEANUP_MS, .what = VMGUARD_ACT, .why = VMGUARD_ENDED },

	{ "the VM runs", PVB_RUNNING, .qemu = 42, .cleanup = true, .what = VMGUARD_AWAIT_PROCESS },
	{ "… for days", PVB_RUNNING, .qemu = 42, .cleanup = true, .after = 864000000, .what = VMGUARD_AWAIT_PROCESS },
	{ "it has ended", PVB_RUNNING, .cleanup = true, .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… a minute ago", PVB_RUNNING, .cleanup = true, .after = 60000,
	  .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… and the lock was free meanwhile", PVB_RUNNING, .cleanup = true, .lock_free = true, .after = 60000,
	  .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… and qm cleanup has given up", PVB_RUNNING, .cleanup = true, .after = VMGUARD_CLEANUP_MS,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "post-stop is under way", PVB_RUNNING, .cleanup_seen = true,
	  .what = VMGUARD_AWAIT_LOCK, .until = VMGUARD_CLEANUP_MS },
	{ "post-stop is over", PVB_RUNNING, .cleanup_seen = true, .lock_free = true,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "the lock is somebody's for hours", PVB_RUNNING, .cleanup_seen = true, .after = VMGUARD_CLEANUP_MS,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "no flag at all", PVB_RUNNING, .what = VMGUARD_AWAIT_CHANGE, .until = VMGUARD_POST_STOP_MS },
	{ "… and no post-stop", PVB_RUNNING, .after = VMGUARD_POST_STOP_MS,
	  .what = VMGUARD_AWAIT_LOCK, .until = VMGUARD_CLEANUP_MS },
	{ "… with the lock free", PVB_RUNNING, .after = VMGUARD_POST_STOP_MS, .lock_free = true,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "it cannot be taken back", PVB_RUNNING, .cleanup_seen = true, .lock_free = true, .tries = 3,
	  .what = VMGUARD_GIVE_UP },

	{ "it starts again at once", PVB_LENT, .awaits = true,
	  .what = VMGUARD_AWAIT_CHANGE, .until = VMGUARD_RESTART_MS },
	{ "… though the lock was free", PVB_LENT, .awaits = true, .lock_free = true, .after = 60000,
	  .what = VMGUARD_AWAIT_CHANGE,
	  .until = VMGUARD_RESTART_MS },
	{ "… and does", PVB_LENT, .awaits = true, .qemu = 42, .what = VMGUARD_AWAIT_PROCESS },
	{ "… or is just about to", PVB_LENT, .awaits = true, .after = VMGUARD_RESTART_MS, .what = VMGUARD_AWAIT_LOCK,
	  .until = VMGUARD_RESTART_MS + VMGUARD_CLEANUP_MS },
	{ "… or does not", PVB_LENT, .awaits = true, .lock_free = true, .after = VMGUARD_RESTART_MS,
	  .what = VMGUARD_ACT,
	  .why = VMGUARD_NOT_RESTARTED },
};

static struct pvb_lend lend_of(enum pvb_state state, bool awaits)
{
	return (struct pvb_lend){ .state = state, .awaits_start = awaits, .generation = GEN };
}

static void row_check(const struct row *row)
{
	struct pvb_lend lend = lend_of(row->state, row->awaits);
	struct vmguard_view view = { .lend = &lend, .qemu_pid = row->qemu, .stuck_pid = row->stuck, .busy = row->busy,
				     .cleanup = row->cleanup, .now_ms = T0 };
	struct vmguard guard = { .generation = GEN };
	struct vmguard_step step;

	vmguard_decide(&guard, &view); /* the phase begins */
	guard.lock_free = row->lock_free;
	guard.tries = row->tries;
	guard.qemu_seen |= row->qemu_seen;
	guard.cleanup_seen |= row->cleanup_seen;
	view.now_ms += row->after;
	step = vmguard_decide(&guard, &view);
	if (step.what != row->what || step.until_ms != (row->until ? T0 + row->until : 0) ||
	    step.pid != (row->what == VMGUARD_AWAIT_PROCESS ? row->qemu + row->stuck : 0) ||
	    (step.what == VMGUARD_ACT && step.why != row->why))
		fail_msg("%s: %d %s, pid %d, until %" PRId64, row->text, (int)step.what, vmguard_why_name(step.why), step.pid,
			 step.until_ms ? step.until_ms - T0 : 0);
	/* What it wants done is confirmed under the lend's lock, as long as nothing has changed. */
	if (step.what == VMGUARD_ACT && !vmguard_confirm(&lend, GEN, step.why))
		fail_msg("%s: not confirmed", row->text);
}

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		row_check(&rows[i]);
}

static void others_lends_are_not_its_business(void **state)
{
	struct vmguard guard = { .generation = GEN };
	struct pvb_lend lend = lend_of(PVB_RETURNING, false);
	struct vmguard_view view = { .lend = NULL, .now_ms = T0 };

	(void)state;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_END);
	lend.generation = GEN + 1;
	view.lend = &lend;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_END);
	assert_false(vmguard_confirm(&lend, GEN, VMGUARD_UNFINISHED));
}

/* That the lock was free, and since when QEMU is gone, counts only for as long as all else stays. */
static void a_change_begins_anew(void **state)
{
	struct vmguard guard = { .generation = GEN };
	struct pvb_lend lend = lend_of(PVB_LENT, false);
	struct vmguard_view view = { .lend = &lend, .now_ms = T0 };

	(void)state;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_LOCK);
	vmguard_lock_was_free(&guard);
	lend.state = PVB_RUNNING; /* post-start came before the lock went */
	view.cleanup = true;
	view.qemu_pid = 42;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_PROCESS);
	view.qemu_pid = 0;
	view.now_ms += 3 * VMGUARD_CLEANUP_MS;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_CLEANUP);
	view.cleanup = false; /* post-stop begins: however late, it is waited for */
	view.now_ms += VMGUARD_CLEANUP_MS;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_LOCK);
	vmguard_lock_was_free(&guard);
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
	vmguard_has_tried(&guard, true, 5000);
	lend.state = PVB_FAILED; /* a first try of its own that failed is worth another */
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
	vmguard_has_tried(&guard, true, 5000);
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_GIVE_UP);
	view.stuck_pid = 77; /* it hung, and then came back */
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_PROCESS);
	view.stuck_pid = 0;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
}

static void what_ends_at_once_is_not_repeated_for_ever(void **state)
{
	struct vmguard guard = { .generation = GEN };
	struct pvb_lend lend = lend_of(PVB_RETURNING, false);
	struct vmguard_view view = { .lend = &lend, .now_ms = T0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
		vmguard_has_tried(&guard, false, 30000); /* somebody has it open: each try waits */
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
		vmguard_has_tried(&guard, false, 5);
	}
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_GIVE_UP);
}

static void only_what_it_saw_is_confirmed(void **state)
{
	static const struct {
		enum pvb_state state;
		bool awaits;
		unsigned whys; /* bit per enum vmguard_why */
	} good[] = {
		{ PVB_HOME, false, 0 },
		{ PVB_LENDING, false, 1u << VMGUARD_UNFINISHED },
		{ PVB_RETURNING, false, 1u << VMGUARD_UNFINISHED },
		{ PVB_FAILED, false, 1u << VMGUARD_AGAIN },
		{ PVB_KEPT, false, 0 },
		{ PVB_LENT, false, 1u << VMGUARD_START_FAILED | 1u << VMGUARD_ENDED },
		{ PVB_LENT, true, 1u << VMGUARD_NOT_RESTARTED },
		{ PVB_RUNNING, false, 1u << VMGUARD_ENDED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		for (unsigned why = 0; why < VMGUARD_WHY_COUNT; why++) {
			struct pvb_lend lend = lend_of(good[i].state, good[i].awaits);

			if (vmguard_confirm(&lend, GEN, (enum vmguard_why)why) != !!(good[i].whys & 1u << why))
				fail_msg("%s, %s", pvb_state_name(good[i].state), vmguard_why_name((enum vmguard_why)why));
		}
}

static void reasons_have_names(void **state)
{
	enum vmguard_why why;

	(void)state;
	for (unsigned i = 0; i < VMGUARD_WHY_COUNT; i++) {
		assert_int_equal(vmguard_why_parse(vmguard_why_name((enum vmguard_why)i), &why), 0);
		assert_int_equal(why, i);
	}
	assert_int_equal(vmguard_why_parse("", &why), -EINVAL);
}

/* ---- the process ---- */

static char out[65536]; /* what the last hook or guard said */

/* "build/pvebind-guard" */
static const char *beside(const char *program)
{
	static char path[512];
	const char *command = getenv("PVEBIND");
	char copy[400];

	snprintf(copy, sizeof(copy), "%s", command ? command : "build/pvebind");
	snprintf(path, sizeof(path), "%s/%s", dirname(copy), program);
	return path;
}

static pid_t start(struct host *h, const char *program, const char *first, const char *second, int to)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(to, 1);
	dup2(to, 2);
	execl(beside(program), program, "--root", h->t->path, first, second, NULL);
	_exit(127);
}

static int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(struct host *h, const char *program, const char *first, const char *second)
{
	int to = memfd_create("out", MFD_CLOEXEC), status = ended(start(h, program, first, second, to));
	ssize_t n = pread(to, out, sizeof(out) - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	close(to);
	return status;
}

static void gives(int got, int want)
{
	if (got != want)
		fail_msg("ended with %d, not %d: %s", got, want, out);
}

/* Until it is so: a test may poll. */
#define wait_until(what)                                                   \
	do {                                                               \
		for (int tries_ = 0; !(what); tries_++) {                  \
			if (tries_ > 1000)                                 \
				fail_msg("in vain: %s; %s", #what, out);   \
			usleep(10000);                                     \
		}                                                          \
	} while (0)

static char *generation_of(struct host *h)
{
	static char text[24];
	struct pvb_lend lend;

	assert_int_equal(pvb_lend_read(h->ctx, "100", &lend, &h->err), 0);
	snprintf(text, sizeof(text), "%" PRIu64, lend.generation);
	pvb_lend_clear(&lend);
	return text;
}

static int guard_pid(struct host *h)
{
	struct vmguard_file file = { .pid = 0 };

	return vmguard_file_look(h->ctx, 100, &file) ? file.pid : 0;
}

static int host_up(void **state)
{
	int r = host_setup(state);
	struct host *h = *state;

	*out = '\0';
	ft_preset_gpu(h->t);
	ft_vm(h->t, 100, "hostpci0: 01:00\n");
	ft_write(h->t, LOCK, "");
	ft_mkdir(h->t, "run/qemu-server");
	return r;
}

/* As Proxmox VE has it while a VM starts. */
static int lock_take(struct host *h)
{
	int fd = pvb_open(h->ctx, LOCK, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void assert_home(struct host *h)
{
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "bochs-drm");
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.1"), "snd_hda_intel");
	assert_false(ft_exists(h->t, JOURNAL));
}

/* Lent by the hook in a start that is under way; its guard waits. *pid: the guard. Returns the lock. */
static int lent(struct host *h, int *pid)
{
	int lock = lock_take(h);

	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	assert_has(out, "VM 100: lent ");
	wait_until(guard_pid(h));
	*pid = guard_pid(h);
	return lock;
}

static void gone(int pid)
{
	wait_until(kill(pid, 0) < 0 && errno == ESRCH);
}

static void a_failed_start_comes_home(void **state)
{
	struct host *h = *state;
	int pid, lock = lent(h, &pid);

	usleep(200000);
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "vfio-pci");
	close(lock);
	wait_until(!guard_pid(h));
	assert_home(h);
	gone(pid);
	assert_false(ft_exists(h->t, "run/pvebind/100.guard"));
}

static void a_start_that_succeeds_is_left_alone(void **state)
{
	struct host *h = *state;
	int pid, lock = lent(h, &pid), qemu = (int)getpid(); /* lives, and is no QEMU but in the tree */
	char text[16];

	snprintf(text, sizeof(text), "%d\n", qemu);
	ft_write(h->t, "run/qemu-server/100.pid", text);
	ft_write(h->t, "run/qemu-server/100.cleanup", "");
	ft_process(h->t, qemu, "kvm", "/usr/bin/kvm -id 100 -pidfile /run/qemu-server/100.pid", "/dev/null");
	gives(run(h, "pvebind-hook", "100", "post-start"), 0);
	close(lock);
	usleep(300000);
	assert_int_equal(guard_pid(h), pid);
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "vfio-pci");
	/* post-stop takes back, and the guard goes */
	snprintf(text, sizeof(text), "proc/%d", qemu);
	ft_remove(h->t, text);
	ft_remove(h->t, "run/qemu-server/100.pid");
	ft_remove(h->t, "run/qemu-server/100.cleanup");
	lock = lock_take(h);
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	assert_has(out, "home again");
	close(lock);
	gone(pid);
	assert_home(h);
}

static void a_dead_hook_s_work_is_finished(void **state)
{
	struct host *h = *state;
	int lock = lock_take(h), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t hook;

	ft_fault(h->t, "*0000:01:00.0/driver_override vfio-pci slow=1500 nth=1");
	hook = start(h, "pvebind-hook", "100", "pre-start", null);
	wait_until(guard_pid(h));
	kill(hook, SIGKILL);
	assert_int_equal(ended(hook), 128 + SIGKILL);
	wait_until(!guard_pid(h));
	assert_home(h);
	close(null);
	close(lock);
}

/* The pid of the fake kernel's hung write: ".writes" has "PID PATH "VALUE" hung". */
static int hung_pid(struct host *h)
{
	const char *hung = strstr(ft_log(h->t), " hung"), *line = hung;

	while (line && line > ft_log(h->t) && line[-1] != '\n')
		line--;
	return line ? atoi(line) : 0;
}

/* Nobody marked it: its hook is gone, which would have. The guard waits for it all the same. */
static void a_dead_hook_s_worker_that_hangs_is_waited_for(void **state)
{
	struct host *h = *state;
	int lock = lock_take(h), null = open("/dev/null", O_RDWR | O_CLOEXEC), pid;
	pid_t hook;

	ft_write(h->t, "etc/pvebind/pvebind.ini", "[defaults]\nhook-timeout = 4s\n");
	ft_fault(h->t, "*0000:01:00.0/driver_override vfio-pci hang nth=1");
	hook = start(h, "pvebind-hook", "100", "pre-start", null);
	wait_until(hung_pid(h));
	wait_until(guard_pid(h));
	kill(hook, SIGKILL);
	assert_int_equal(ended(hook), 128 + SIGKILL);
	wait_until(strstr(ft_read(h->t, JOURNAL), "is=failed"));
	usleep(300000);
	pid = guard_pid(h);
	assert_int_not_equal(pid, 0);
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "bochs-drm");
	kill(hung_pid(h), SIGKILL);
	wait_until(!guard_pid(h));
	assert_home(h);
	assert_string_equal(ft_override(h->t, "0000:01:00.0"), "(null)");
	close(null);
	close(lock);
}

static void sigterm_leaves_all_as_it_is(void **state)
{
	struct host *h = *state;
	int pid, lock = lent(h, &pid);
	char text[64];

	gives(run(h, "pvebind", "status", NULL), 0);
	snprintf(text, sizeof(text), ", its guard is process %d\n", pid);
	assert_has(out, text);
	ft_log_clear(h->t);
	kill(pid, SIGTERM);
	gone(pid);
	close(lock);
	usleep(200000);
	assert_int_equal(ft_writes(h->t), 0);
	assert_true(ft_exists(h->t, JOURNAL));
	assert_int_equal(guard_pid(h), 0);
	gives(run(h, "pvebind", "status", NULL), 0);
	assert_has_not(out, "its guard is");
	/* The next one takes the file that it left. */
	gives(run(h, "pvebind-guard", "100", generation_of(h)), 0);
	assert_has(out, "VM 100: its start failed: taking back 0000:01:00.0, 0000:01:00.1");
	assert_home(h);
}

static void there_is_one_guard(void **state)
{
	struct host *h = *state;
	int pid, lock = lent(h, &pid);

	gives(run(h, "pvebind-guard", "100", generation_of(h)), 0);
	assert_int_equal(guard_pid(h), pid);
	/* One of an older lend goes, having done nothing. */
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	assert_has(out, "lent already");
	gone(pid);
	wait_until(guard_pid(h));
	assert_int_not_equal(guard_pid(h), pid);
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "vfio-pci");
	close(lock);
	wait_until(!guard_pid(h));
	assert_home(h);
}

static void without_a_start_there_is_none(void **state)
{
	struct host *h = *state;

	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	assert_has(out, "no guard watches what is lent");
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	usleep(200000);
	assert_int_equal(guard_pid(h), 0);
}

#ifndef __SANITIZE_ADDRESS__ /* which takes memory of its own */
static long private_kb(int pid)
{
	char path[64], line[256];
	long sum = 0, kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Clean: %ld", &kb) == 1 || sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum;
}

static void it_is_small(void **state)
{
	struct host *h = *state;
	int pid, lock = lent(h, &pid);
	long kb;

	usleep(200000);
	kb = private_kb(pid);
	if (kb <= 0 || kb > 1024)
		fail_msg("%ld KiB of private memory", kb);
	close(lock);
	gone(pid);
}
#endif

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, host_up, host_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(others_lends_are_not_its_business),
		cmocka_unit_test(a_change_begins_anew),
		cmocka_unit_test(what_ends_at_once_is_not_repeated_for_ever),
		cmocka_unit_test(only_what_it_saw_is_confirmed),
		cmocka_unit_test(reasons_have_names),
		CASE(a_failed_start_comes_home),
		CASE(a_start_that_succeeds_is_left_alone),
		CASE(a_dead_hook_s_work_is_finished),
		CASE(a_dead_hook_s_worker_that_hangs_is_waited_for),
		CASE(sigterm_leaves_all_as_it_is),
		CASE(there_is_one_guard),
		CASE(without_a_start_there_is_none),
#ifndef __SANITIZE_ADDRESS__
		CASE(it_is_small),
#endif
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
