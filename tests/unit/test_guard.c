/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's process, and the hook's beside it ($PVEBIND's, else build/'s), on a fake kernel. What it decides: test_vmguard.c. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../../conf/front.h"
#include "hookrun.h"

#define LOCK "run/lock/qemu-server/lock-100.conf"
#define JOURNAL "run/pvebind/100.journal"

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

/* Without Proxmox VE's lock: no guard. */
static void lent_by_hand(struct host *h, const char *vmid)
{
	gives(run(h, "pvebind-hook", vmid, "pre-start"), 0);
	assert_has(out, "no guard watches what is lent");
	*out = '\0';
}

/* A guard that has nothing to wait for: its status. */
static int guard_run(struct host *h)
{
	int to = memfd_create("out", MFD_CLOEXEC), status = 0;
	pid_t pid = start(h, "pvebind-guard", "100", generation_of(h), to);

	wait_until(waitpid(pid, &status, WNOHANG) == pid);
	out[pread(to, out, sizeof(out) - 1, 0)] = '\0';
	close(to);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A failed start is a stop, too. */
static void on_stop_keep_counts_for_a_failed_start(void **state)
{
	struct host *h = *state;
	struct pvb_lend lend;
	int pid, lock;

	ft_write(h->t, "etc/pvebind/pvebind.ini", "[vm 100]\non-stop = keep\n");
	lock = lent(h, &pid);
	ft_log_clear(h->t);
	close(lock);
	gone(pid);
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "vfio-pci");
	assert_int_equal(ft_writes(h->t), 0);
	assert_int_equal(pvb_lend_read(h->ctx, "100", &lend, &h->err), 0);
	assert_int_equal(lend.state, PVB_KEPT);
	pvb_lend_clear(&lend);
}

/* VM 100's card came home and is VM 101's by now, its network card did not come home. */
static void partly_home(struct host *h)
{
	ft_preset_nic(h->t, false);
	ft_vm(h->t, 100, "hostpci0: 01:00\nhostpci1: 03:00.0\n");
	ft_vm(h->t, 101, "hostpci0: 01:00\n");
	lent_by_hand(h, "100");
	ft_fault(h->t, "probe e1000e 0000:03:00.0 fail");
	gives(run(h, "pvebind-hook", "100", "post-stop"), 4);
	lent_by_hand(h, "101");
}

/* All that the guard of VM 100 has to see to is what is still VM 100's. */
static void another_s_device_that_hangs_is_not_waited_for(void **state)
{
	struct host *h = *state;
	struct pvb_addr display = { 0, 1, 0, 0 };
	char path[64];

	partly_home(h);
	snprintf(path, sizeof(path), "proc/%d/stat", (int)getpid());
	ft_write(h->t, path, "1 (x) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0\n");
	assert_int_equal(pvb_stuck_mark(h->ctx, &display, (int)getpid(), "wait_for_ever"), 0);
	gives(guard_run(h), 4);
	assert_has(out, "VM 100: its devices are not all home, trying again");
	assert_has(out, "its guard has tried in vain");
}

/* The same where its hook is gone, which would have marked it. Nor is it said to be taken back. */
static void nor_one_that_is_being_moved(void **state)
{
	struct host *h = *state;
	int64_t began = pvb_now_ns();
	int device;

	partly_home(h);
	device = pvb_open(h->ctx, "run/pvebind/0000:01:00.0", O_RDONLY);
	assert_int_equal(flock(device, LOCK_EX), 0);
	gives(guard_run(h), 4);
	assert_has(out, "VM 100: its devices are not all home, trying again");
	assert_has(out, "taking back 0000:03:00.0\n");
	assert_in_range((pvb_now_ns() - began) / 1000000, 0, 20000);
	close(device);
}

/* Whether a backup goes on is in the config, on a file system that may hang: then a card comes home all the same. */
static void a_config_that_cannot_be_read_keeps_nothing(void **state)
{
	struct host *h = *state;
	int64_t began;

	lent_by_hand(h, "100");
	ft_vm(h->t, 100, "lock: backup\nhostpci0: 01:00\n");
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	assert_has(out, "stay on vfio");
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "vfio-pci");
	ft_hang_read(h->t, "etc/pve/nodes/pve1/qemu-server/100.conf");
	began = pvb_now_ns();
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	assert_in_range((pvb_now_ns() - began) / 1000000, 1000, 8000);
	assert_has(out, "home again");
	assert_home(h);
}

/* A hook beside the guard that says which it is, and does as the hook. */
static void hook_beside(struct host *h, const char *name)
{
	char path[64], text[2 * PATH_MAX], real[PATH_MAX];

	snprintf(path, sizeof(path), "here/%s", name);
	snprintf(text, sizeof(text), "#!/bin/sh\necho %s >>%s/which\nexec %s \"$@\"\n", name, h->t->path,
		 realpath(beside("pvebind-hook"), real));
	ft_write(h->t, path, text);
	assert_int_equal(fchmodat(h->t->fd, path, 0755, 0), 0);
}

/* Lent without a guard, in a start that failed; then one from the folder here/. */
static void guarded_from_there(struct host *h)
{
	char command[2048];

	ft_write(h->t, "etc/pve/pvebind.ini", "[vm 100]\nguard = no\n");
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	assert_true(snprintf(command, sizeof(command), "exec >/dev/null 2>&1; root=%s; cp %s $root/here/ && exec $root/here/pvebind-guard --root $root 100 %s",
			     h->t->path, beside("pvebind-guard"), generation_of(h)) < (int)sizeof(command));
	assert_int_equal(WEXITSTATUS(system(command)), 0);
	assert_home(h);
}

static void it_runs_the_hook_that_has_libkmod(void **state)
{
	struct host *h = *state;

	hook_beside(h, "pvebind-hook");
	hook_beside(h, "pvebind-hook-kmod");
	guarded_from_there(h);
	assert_string_equal(ft_read(h->t, "which"), "pvebind-hook-kmod");
}

static void or_the_other_where_that_is_not(void **state)
{
	struct host *h = *state;

	hook_beside(h, "pvebind-hook");
	guarded_from_there(h);
	assert_string_equal(ft_read(h->t, "which"), "pvebind-hook");
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
		CASE(a_failed_start_comes_home),
		CASE(a_start_that_succeeds_is_left_alone),
		CASE(a_dead_hook_s_work_is_finished),
		CASE(a_dead_hook_s_worker_that_hangs_is_waited_for),
		CASE(sigterm_leaves_all_as_it_is),
		CASE(there_is_one_guard),
		CASE(without_a_start_there_is_none),
		CASE(on_stop_keep_counts_for_a_failed_start),
		CASE(another_s_device_that_hangs_is_not_waited_for),
		CASE(nor_one_that_is_being_moved),
		CASE(a_config_that_cannot_be_read_keeps_nothing),
		CASE(it_runs_the_hook_that_has_libkmod),
		CASE(or_the_other_where_that_is_not),
#ifndef __SANITIZE_ADDRESS__
		CASE(it_is_small),
#endif
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
