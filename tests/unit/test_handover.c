/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook that is linked statically becomes the one that has libkmod, where that is needed: both are beside $PVEBIND. The made-up kernel is preloaded, which only the latter notices: what is seen to move was moved by it.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "hookrun.h"

#define HOOK "../../pvebind-hook"
#define INI "etc/pve/pvebind.ini"
#define NEXT "usr/local/bin/next"
#define GPU "0000:01:00.0"

static int host_up(void **state)
{
	int r = host_setup(state);
	struct host *h = *state;

	*out = '\0';
	ft_preset_gpu(h->t);
	ft_vm(h->t, 100, "hostpci0: 01:00\n");
	ft_write(h->t, NEXT, "#!/bin/sh\necho \"$2\" >>${0%/" NEXT "}/calls\n");
	assert_int_equal(fchmodat(h->t->fd, NEXT, 0755, 0), 0);
	/* Whether a driver drives a device is looked up. */
	ft_write(h->t, INI, "[vm 100]\nguard = no\nhost-driver = bochs-drm\nnext-hookscript = /" NEXT "\n");
	return r;
}

static size_t times(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part))) {
		n++;
		text += strlen(part);
	}
	return n;
}

static void it_is_handed_over_before_anything_changes(void **state)
{
	struct host *h = *state;

	gives(run(h, HOOK, "100", "pre-start"), 0);
	assert_has(out, "VM 100: lent " GPU);
	assert_int_equal(times(out, "VM 100: lending "), 1);
	assert_int_equal(times(out, "next-hookscript /" NEXT " done at pre-start"), 1);
	assert_string_equal(ft_read(h->t, "calls"), "pre-start");
	assert_string_equal(ft_driver_of(h->t, GPU), "vfio-pci");
}

/* The driver of a device that is lent was unloaded; the way home must load it. (The made-up kernel has no modules.) */
static void on_the_way_home_too(void **state)
{
	struct host *h = *state;

	gives(run(h, HOOK, "100", "pre-start"), 0);
	ft_write(h->t, INI, "[vm 100]\nguard = no\n");
	assert_int_equal(renameat(h->t->fd, "sys/bus/pci/drivers/bochs-drm", h->t->fd, "sys/bus/pci/drivers/gone"), 0);
	gives(run(h, HOOK, "100", "post-stop"), 4);
	assert_int_equal(times(out, "VM 100: taking back "), 1);
	assert_string_equal(ft_driver_of(h->t, GPU), "");
	assert_int_equal(renameat(h->t->fd, "sys/bus/pci/drivers/gone", h->t->fd, "sys/bus/pci/drivers/bochs-drm"), 0);
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	assert_string_equal(ft_driver_of(h->t, GPU), "bochs-drm");
}

/* A copy of it, somewhere else. */
static void without_the_other_it_says_what_is_missing(void **state)
{
	struct host *h = *state;
	char command[2048];
	FILE *said;
	size_t n;

	assert_true(snprintf(command, sizeof(command), "cp %s %s/alone && exec %s/alone --root %s 100 pre-start 2>&1", beside(HOOK),
			     h->t->path, h->t->path, h->t->path) < (int)sizeof(command));
	said = popen(command, "re");
	n = fread(out, 1, sizeof(out) - 1, said);
	out[n] = '\0';
	assert_int_equal(WEXITSTATUS(pclose(said)), 1);
	assert_has(out, "warning: ");
	assert_has(out, "/pvebind-hook-kmod cannot be run: No such file or directory; install pvebind again");
	assert_has(out, "cannot look up the module for pci:");
	assert_has(out, ": the program that has libkmod cannot be run: install pvebind again");
	assert_int_equal(ft_writes(h->t), 0);
	assert_string_equal(ft_driver_of(h->t, GPU), "bochs-drm");
}

/* … which here only says how it was called. */
static void with_the_same_arguments_and_the_time(void **state)
{
	struct host *h = *state;
	char command[2048], want[PATH_MAX + 64], *end;
	int64_t before = pvb_now_ns(), began;
	FILE *said;

	ft_write(h->t, "here/pvebind-hook-kmod", "#!/bin/sh\necho \"$@\"\nexit 7\n");
	assert_int_equal(fchmodat(h->t->fd, "here/pvebind-hook-kmod", 0755, 0), 0);
	/* As a snippet is: a link. */
	assert_true(snprintf(command, sizeof(command), "root=%s; cp %s $root/here/ && ln -s pvebind-hook $root/here/snippet && exec $root/here/snippet --root $root 100 pre-start",
			     h->t->path, beside(HOOK)) < (int)sizeof(command));
	said = popen(command, "re");
	out[fread(out, 1, sizeof(out) - 1, said)] = '\0';
	assert_int_equal(WEXITSTATUS(pclose(said)), 7);
	assert_has(out, "--began=");
	began = strtoll(strstr(out, "--began=") + strlen("--began="), &end, 10);
	assert_in_range(began, before, pvb_now_ns());
	snprintf(want, sizeof(want), " --root %s 100 pre-start\n", h->t->path);
	assert_string_equal(end, want);
}

/* "Stop" that came before it. */
static void a_wish_to_stop_goes_along(void **state)
{
	struct host *h = *state;
	pid_t pid = fork();
	sigset_t stop;

	if (pid == 0) {
		sigemptyset(&stop);
		sigaddset(&stop, SIGTERM);
		sigprocmask(SIG_BLOCK, &stop, NULL);
		raise(SIGTERM);
		ft_write(h->t, INI, "[vm 100]\nguard = no\nhost-driver = bochs-drm\n");
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
		execl(beside(HOOK), "pvebind-hook", "--root", h->t->path, "100", "pre-start", NULL);
		_exit(127);
	}
	assert_int_equal(ended(pid), 1);
	assert_string_equal(ft_driver_of(h->t, GPU), "bochs-drm");
	assert_false(ft_exists(h->t, "run/pvebind/100.journal"));
}

/* hook-timeout counts from the first of the two. */
static void the_time_goes_on(void **state)
{
	struct host *h = *state;
	char began[48];

	snprintf(began, sizeof(began), "--began=%" PRId64, pvb_now_ns() - INT64_C(3600) * 1000000000);
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, 1);
		execl(beside("pvebind-hook"), "pvebind-hook", began, "--root", h->t->path, "100", "pre-start", NULL);
		_exit(127);
	}
	assert_int_equal(ended(pid), 1);
	assert_int_equal(ft_writes(h->t), 0);
	assert_false(ft_exists(h->t, "calls"));
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
}

/* /etc/pve may be slow. */
static void the_ini_is_read_once(void **state)
{
	struct host *h = *state;
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), opened = 0;
	struct inotify_event events[64]; /* of a file they have no name */
	char path[PATH_MAX + 32];

	ft_write(h->t, INI, "[vm 100]\nguard = no\n");
	snprintf(path, sizeof(path), "%s/" INI, h->t->path);
	/* With its closes, as the kernel makes one of two opens in a row. */
	assert_true(inotify_add_watch(fd, path, IN_OPEN | IN_CLOSE) >= 0);
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	for (ssize_t n; (n = read(fd, events, sizeof(events))) > 0;)
		for (size_t i = 0; i < (size_t)n / sizeof(*events); i++)
			opened += (events[i].mask & IN_OPEN) != 0;
	assert_int_equal(opened, 1);
	close(fd);
}

#define IN_HOST(f) cmocka_unit_test_setup_teardown(f, host_up, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_HOST(it_is_handed_over_before_anything_changes),
		IN_HOST(on_the_way_home_too),
		IN_HOST(without_the_other_it_says_what_is_missing),
		IN_HOST(with_the_same_arguments_and_the_time),
		IN_HOST(a_wish_to_stop_goes_along),
		IN_HOST(the_time_goes_on),
		IN_HOST(the_ini_is_read_once),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
