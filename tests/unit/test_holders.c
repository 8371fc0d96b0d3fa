/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a node open, whose process it is, and waiting for a vfio group to be let go. */
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"

#define NODE "/dev/vfio/15"

static int forks_left = -1; /* until no process is to be had, for once; -1: there always is */

/* libc's, for all of this program. */
pid_t fork(void)
{
	pid_t (*real)(void);

	if (forks_left >= 0 && forks_left-- == 0) {
		errno = EAGAIN;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

static bool ends_when_opened; /* each process that is looked into is gone right after its descriptors' folder was opened */

DIR *fdopendir(int fd)
{
	DIR *(*real)(int);
	char path[64], link[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	if (ends_when_opened && n > 3 && !strncmp(link + n - 3, "/fd", 3)) {
		errno = ENOENT;
		return NULL;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "fdopendir");
	return real(fd);
}

static int find_each(struct host *h, const char *const *paths, size_t n, struct pvb_holders *found)
{
	struct pvb_addr addr = { .fn = 0 };
	struct pvb_nodes nodes = { .n = 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = pvb_nodes_add(&nodes, &addr, paths[i]);
	if (r == 0)
		r = pvb_holders_find(h->ctx, &nodes, found);
	pvb_nodes_clear(&nodes);
	return r;
}

static struct pvb_holders find(struct host *h, const char *node)
{
	struct pvb_holders found;

	assert_int_equal(find_each(h, &node, 1, &found), 0);
	return found;
}

static void cgroup_is(struct host *h, const char *cgroup, const char *unit, const char *container, const char *words)
{
	struct pvb_holders found;
	char text[160];

	ft_write(h->t, "proc/812/cgroup", cgroup);
	found = find(h, NODE);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.list[0].unit, unit);
	assert_string_equal(found.list[0].container, container);
	assert_string_equal(pvb_holder_describe(&found.list[0], text, sizeof(text)), words);
	pvb_holders_clear(&found);
}

static void nobody_is_nobody(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;

	ft_process(h->t, 811, "bash", "bash", "/dev/vfio/16");
	ft_process(h->t, 812, "init", "init", NULL);
	ft_write(h->t, "proc/stat", "not a process");
	found = find(h, NODE);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.unreadable, 0);
	pvb_holders_clear(&found);
}

static void owners_are_known_by_cgroup(void **state)
{
	struct host *h = *state;

	ft_process(h->t, 812, "pipewire", "/usr/bin/pipewire", NODE);
	cgroup_is(h, "0::/system.slice/pipewire.service\n", "pipewire.service", "", "pipewire (pid 812, pipewire.service)");
	cgroup_is(h, "0::/user.slice/user-0.slice/user@0.service/session.slice/pipewire.service\n", "user@0.service", "",
		  "pipewire (pid 812, user@0.service)");
	cgroup_is(h, "0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope", "",
		  "pipewire (pid 812, session-3.scope)");
	cgroup_is(h, "0::/qemu.slice/101.scope\n", "101.scope", "", "pipewire (pid 812, 101.scope)");
	cgroup_is(h, "0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service", "",
		  "pipewire (pid 812, getty@tty1.service)");
	cgroup_is(h, "0::/lxc/105/ns/system.slice/pipewire.service\n", "", "105", "pipewire (pid 812, container 105)");
	cgroup_is(h, "0::/lxc.payload.106/init.scope\n", "", "106", "pipewire (pid 812, container 106)");
	cgroup_is(h, "12:devices:/lxc/107\n1:name=systemd:/lxc/107\n0::/\n", "", "107", "pipewire (pid 812, container 107)");
	cgroup_is(h, "0::/\n", "", "", "pipewire (pid 812)");
	cgroup_is(h, "0::/lxc\n", "", "", "pipewire (pid 812)");
	cgroup_is(h, "", "", "", "pipewire (pid 812)");
}

static bool know_vm(void *data, int pid, char *buf, size_t size)
{
	snprintf(buf, size, "%s", (const char *)data);
	return pid == 4242;
}

static void vms_are_known_by_name(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;
	char text[160], vm[] = "VM 101";

	pvb_ctx_set_identify(h->ctx, know_vm, vm);
	ft_process(h->t, 4242, "kvm", "/usr/bin/kvm -id 101", NODE);
	ft_process(h->t, 4243, "kvm", "/usr/bin/kvm -id 102", NODE);
	found = find(h, NODE);
	assert_int_equal(found.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(pvb_holder_describe(&found.list[i], text, sizeof(text)),
				    found.list[i].pid == 4242 ? "VM 101 (kvm, pid 4242)" : "kvm (pid 4243, kvm.service)");
	assert_string_equal(found.list[0].node, NODE);
	assert_false(found.list[0].mapped);
	pvb_holders_clear(&found);
}

static void each_process_counts_once(void **state)
{
	struct host *h = *state;
	const char *nodes[] = { NODE, "/dev/vfio/16" };
	struct pvb_holders found;

	ft_process(h->t, 812, "kvm", "kvm", NODE);
	ft_link(h->t, "proc/812/fd/4", NODE);
	ft_link(h->t, "proc/812/fd/5", "/dev/vfio/16");
	assert_int_equal(find_each(h, nodes, 2, &found), 0);
	assert_int_equal(found.n, 2); /* one per node */
	assert_string_equal(nodes[found.list[0].at], found.list[0].node);
	assert_string_equal(nodes[found.list[1].at], found.list[1].node);
	pvb_holders_clear(&found);
}

/* Another hook that asks the kernel about its console has a frame buffer open for an instant. */
static void who_asks_about_the_console_is_none(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;

	ft_process(h->t, 813, "pvebind-ask", "pvebind-hook", "/dev/fb0");
	found = find(h, "/dev/fb0");
	assert_int_equal(found.n, 0);
	assert_false(found.incomplete);
	pvb_holders_clear(&found);
	ft_process(h->t, 814, "pvebind-ask", "pretends", NODE);
	found = find(h, NODE);
	assert_int_equal(found.n, 1); /* no frame buffer */
	pvb_holders_clear(&found);
	ft_process(h->t, 812, "pvebind-asks", "pvebind-asks", "/dev/fb0");
	found = find(h, "/dev/fb0");
	assert_int_equal(found.n, 1);
	assert_int_equal(found.list[0].pid, 812);
	pvb_holders_clear(&found);
}

static void mappings_count(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;

	ft_process(h->t, 812, "Xorg", "Xorg", NULL);
	ft_write(h->t, "proc/812/maps",
		 "55d0c8a00000-55d0c8a01000 r--p 00000000 08:01 1234       /usr/bin/Xorg\n"
		 "7f1c00000000-7f1c00001000 rw-p 00000000 00:00 0 \n"
		 "7f1c00001000-7f1c00002000 rw-s 00000000 00:06 412        /dev/nvidiactl\n");
	found = find(h, "/dev/nvidiactl");
	assert_int_equal(found.n, 1);
	assert_true(found.list[0].mapped);
	pvb_holders_clear(&found);
	found = find(h, "/dev/nvidia0");
	assert_int_equal(found.n, 0);
	pvb_holders_clear(&found);
}

/* Its main thread has ended; another lives on with the descriptors. */
static void threads_count(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;

	ft_process(h->t, 812, "kvm", "kvm", NULL);
	ft_remove(h->t, "proc/812/fd/0");
	ft_mkdir(h->t, "proc/812/task/812/fd");
	ft_mkdir(h->t, "proc/812/task/813/fd");
	ft_link(h->t, "proc/812/task/813/fd/9", NODE);
	found = find(h, NODE);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.list[0].pid, 812);
	pvb_holders_clear(&found);
}

/* Any error but "it is gone". As root nothing is forbidden, so a file stands where a directory should be. */
static void unreadable_is_counted(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;

	ft_write(h->t, "proc/812/fd", "");
	ft_mkdir(h->t, "proc/813"); /* gone between the two looks */
	found = find(h, NODE);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.unreadable, 1);
	pvb_holders_clear(&found);
}

/* A failure to look at one of them would keep the VM from starting: 'cannot find out what the host needs'. */
static void who_ends_meanwhile_holds_nothing(void **state)
{
	struct host *h = *state;
	struct pvb_holders found;

	ft_process(h->t, 811, "bash", "bash", "/dev/vfio/16");
	ft_process(h->t, 812, "kvm", "kvm", NODE);
	ends_when_opened = true;
	found = find(h, NODE);
	ends_when_opened = false;
	assert_int_equal(found.n, 0);
	assert_int_equal(found.unreadable, 0);
	assert_false(found.incomplete);
	pvb_holders_clear(&found);
}

/* A process whose maps cannot be read for long: what is left is unknown, and what was found before is kept. */
static void slow_is_unknown(void **state)
{
	struct host *h = *state;
	int64_t start = pvb_now_ns();
	struct pvb_holders found;
	char why[160];

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/fb0");
	ft_process(h->t, 813, "stuck", "stuck", "/dev/fb0");
	ft_remove(h->t, "proc/813/maps");
	assert_int_equal(mkfifoat(h->t->fd, "proc/813/maps", 0600), 0); /* its open waits for a writer */
	found = find(h, "/dev/fb0");
	assert_in_range((pvb_now_ns() - start) / 1000000, 1900, 15000);
	assert_true(found.incomplete);
	assert_int_equal(found.hung_at, 813);
	assert_true(found.n > 0);
	assert_true(pvb_holders_unknown(h->ctx, &found, why, sizeof(why)));
	assert_string_equal(why, "stuck (pid 813) could not be looked into within 2 s");
	pvb_holders_clear(&found);
}

static void many(struct host *h)
{
	for (int pid = 1000; pid < 1800; pid++)
		ft_process(h->t, pid, "many", "many", pid % 10 ? NULL : NODE);
}

static void all_are_found(struct host *h, unsigned unreadable)
{
	struct pvb_holders found = find(h, NODE);

	assert_int_equal(found.n, 80);
	for (size_t i = 0; i < found.n; i++)
		assert_int_equal(found.list[i].pid, 1000 + 10 * (int)i);
	assert_false(found.incomplete);
	assert_int_equal(found.unreadable, unreadable);
	pvb_holders_clear(&found);
}

/* More of them than one child looks into, where there are processors for more. */
static void many_are_all_looked_into(void **state)
{
	struct host *h = *state;
	char path[64];

	many(h);
	snprintf(path, sizeof(path), "proc/%d/fd", 1003);
	assert_int_equal(fchmodat(h->t->fd, path, 0, 0), 0);
	all_are_found(h, geteuid() ? 1 : 0);
	assert_int_equal(fchmodat(h->t->fd, path, 0755, 0), 0);
}

static void who_cannot_look_at_once_looks_later(void **state)
{
	struct host *h = *state;

	many(h);
	for (int n = 0; n < 2; n++) {
		forks_left = n;
		all_are_found(h, 0);
		assert_true(forks_left < 0 || n >= sysconf(_SC_NPROCESSORS_ONLN));
		forks_left = -1;
	}
}

/* Nobody can have what its module's count says nobody has: not even looked. */
static void idle_modules_are_not_looked_for(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes = { .n = 0 };
	struct pvb_addr addr = { .fn = 0 };
	struct pvb_holders found;

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/fb0");
	assert_int_equal(pvb_nodes_add(&nodes, &addr, "/dev/fb0"), 0);
	snprintf(nodes.list[0].counted_by, PVB_NAME_MAX, "bochs");
	ft_write(h->t, "sys/module/bochs/refcnt", "0\n");
	assert_int_equal(pvb_holders_find(h->ctx, &nodes, &found), 0);
	assert_int_equal(found.n, 0);
	pvb_holders_clear(&found);
	ft_write(h->t, "sys/module/bochs/refcnt", "1\n");
	assert_int_equal(pvb_holders_find(h->ctx, &nodes, &found), 0);
	assert_int_equal(found.n, 1);
	pvb_holders_clear(&found);
	/* One of the nodes does not count: then all are looked for. */
	ft_write(h->t, "sys/module/bochs/refcnt", "0\n");
	assert_int_equal(pvb_nodes_add(&nodes, &addr, "/dev/i2c-3"), 0);
	assert_int_equal(pvb_holders_find(h->ctx, &nodes, &found), 0);
	assert_int_equal(found.n, 1);
	pvb_holders_clear(&found);
	pvb_nodes_clear(&nodes);
}

static void no_proc_is_an_error(void **state)
{
	struct host *h = *state;
	const char *node = NODE;
	struct pvb_holders found;

	ft_remove(h->t, "proc");
	assert_int_equal(find_each(h, &node, 1, &found), -EIO);
	assert_int_equal(found.n, 0);
}

static void nodes_of_a_function(void **state)
{
	struct host *h = *state;
	struct pvb_function fn;
	char **nodes;

	ft_preset_gpu(h->t);
	fn = function_of(h, "0000:01:00.0");
	ft_remove(h->t, "dev/vfio/15");
	assert_int_equal(pvb_vfio_nodes(h->ctx, &fn, &nodes), 0);
	assert_null(nodes[0]);
	pvb_strv_free(nodes);
	ft_write(h->t, "dev/vfio/15", "");
	ft_write(h->t, "dev/vfio/devices/vfio3", "");
	ft_mkdir(h->t, "sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3");
	assert_int_equal(pvb_vfio_nodes(h->ctx, &fn, &nodes), 0);
	assert_string_equal(nodes[0], "/dev/vfio/15");
	assert_string_equal(nodes[1], "/dev/vfio/devices/vfio3");
	assert_null(nodes[2]);
	pvb_strv_free(nodes);
}

/* ---- waiting -------------------------------------------------------------------- */

/* Let another's open of the file block, as the kernel's group lock does while a device is being closed: by a
 * lease, which the open has to wait for. Returns the pid; the lease goes with the process, after ms. */
static pid_t hold(struct host *h, unsigned ms)
{
	int fds[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		int fd = openat(h->t->fd, "dev/vfio/15", O_RDWR);

		signal(SIGIO, SIG_IGN);
		if (fd < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0 || write(fds[1], &c, 1) != 1)
			_exit(1);
		usleep(ms * 1000);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
	return pid;
}

static void let_go(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int wait_ms(struct host *h, int64_t ms, int64_t *took_ms)
{
	int groups[] = { 999, 15 };
	int64_t start = pvb_now_ns();
	int r = pvb_vfio_wait_free(h->ctx, groups, 2, start + ms * 1000000);

	*took_ms = (pvb_now_ns() - start) / 1000000;
	return r;
}

static void free_groups_are_not_waited_for(void **state)
{
	struct host *h = *state;
	int64_t took;

	assert_int_equal(wait_ms(h, 10000, &took), 0); /* no such nodes */
	ft_write(h->t, "dev/vfio/15", "");
	assert_int_equal(wait_ms(h, 10000, &took), 0);
	assert_in_range(took, 0, 2000);
	assert_int_equal(wait_ms(h, -5, &took), 0); /* late, but told all the same */
	assert_int_equal(pvb_vfio_group_busy(h->ctx, 15), 0);
	assert_int_equal(pvb_vfio_group_busy(h->ctx, 999), 0);
}

static void deadline_ends_an_open_that_hangs(void **state)
{
	struct host *h = *state;
	int64_t took;
	pid_t pid;

	ft_write(h->t, "dev/vfio/15", "");
	pid = hold(h, 20000);
	assert_int_equal(wait_ms(h, 300, &took), -ETIMEDOUT);
	assert_in_range(took, 290, 3000);
	assert_int_equal(pvb_vfio_group_busy(h->ctx, 15), 1);
	let_go(pid);
	assert_int_equal(pvb_vfio_group_busy(h->ctx, 15), 0);
}

static void caller_ends_the_wait(void **state)
{
	struct host *h = *state;
	int64_t took;
	int fds[2];
	pid_t pid;

	ft_write(h->t, "dev/vfio/15", "");
	pid = hold(h, 20000);
	assert_int_equal(pipe(fds), 0);
	pvb_ctx_set_cancel_fd(h->ctx, fds[0]);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(wait_ms(h, 15000, &took), -ECANCELED);
	assert_in_range(took, 0, 3000);
	close(fds[0]);
	close(fds[1]);
	let_go(pid);
}

static void wait_ends_with_the_holder(void **state)
{
	struct host *h = *state;
	int64_t took;
	pid_t pid;

	ft_write(h->t, "dev/vfio/15", "");
	pid = hold(h, 400);
	assert_int_equal(wait_ms(h, 20000, &took), 0);
	assert_in_range(took, 100, 10000);
	let_go(pid);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_nobody),
		TEST(owners_are_known_by_cgroup),
		TEST(vms_are_known_by_name),
		TEST(each_process_counts_once),
		TEST(who_asks_about_the_console_is_none),
		TEST(mappings_count),
		TEST(threads_count),
		TEST(unreadable_is_counted),
		TEST(who_ends_meanwhile_holds_nothing),
		TEST(slow_is_unknown),
		TEST(many_are_all_looked_into),
		TEST(who_cannot_look_at_once_looks_later),
		TEST(idle_modules_are_not_looked_for),
		TEST(no_proc_is_an_error),
		TEST(nodes_of_a_function),
		TEST(free_groups_are_not_waited_for),
		TEST(deadline_ends_an_open_that_hangs),
		TEST(caller_ends_the_wait),
		TEST(wait_ends_with_the_holder),
	};

	return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
