/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake kernel and its trees, so that the tests that stand on them stand on something. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "faketree.h"

#define DEV "sys/bus/pci/devices/"
#define DRV "sys/bus/pci/drivers/"
#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define GPU2 "0000:02:00.0"

static int setup(void **state)
{
	*state = ft_new();
	return 0;
}

static int teardown(void **state)
{
	ft_free(*state);
	return 0;
}

/* As the product does it: one write(2). 0 or -errno. */
static int sysfs_write(struct ft_tree *t, const char *path, const char *value)
{
	int fd = openat(t->fd, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? (int)n : 0;
}

static int lend_to_vfio(struct ft_tree *t, const char *bdf)
{
	char path[256];
	int err;

	snprintf(path, sizeof(path), DEV "%s/driver_override", bdf);
	err = sysfs_write(t, path, "vfio-pci\n");
	snprintf(path, sizeof(path), DEV "%s/driver/unbind", bdf);
	if (!err)
		err = sysfs_write(t, path, bdf);
	return err ? err : sysfs_write(t, "sys/bus/pci/drivers_probe", bdf);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What a child that writes this ends with: exit status errno, or 128 + signal. */
static int in_child(struct ft_tree *t, const char *path, const char *value)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(-sysfs_write(t, path, value));
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- bind, unbind, probe ---------------------------------------------------- */

static void override_is_stored_and_cleared(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_string_equal(ft_override(t, GPU), "(null)");
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "vfio-pci\n"), 0);
	assert_string_equal(ft_override(t, GPU), "vfio-pci");
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", ""), 0);
	assert_string_equal(ft_override(t, GPU), "vfio-pci"); /* no store function sees an empty write */
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "x"), 0);
	assert_string_equal(ft_override(t, GPU), "x");
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "\n"), 0);
	assert_string_equal(ft_override(t, GPU), "(null)");
}

static void lend_and_return(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_int_equal(lend_to_vfio(t, GPU), 0);
	assert_string_equal(ft_driver_of(t, GPU), "vfio-pci");
	assert_true(ft_exists(t, DRV "vfio-pci/" GPU "/vendor"));
	assert_false(ft_exists(t, DRV "bochs-drm/" GPU));
	assert_true(ft_exists(t, "dev/vfio/15"));
	assert_true(ft_exists(t, DEV GPU "/vfio-dev/vfio0"));
	assert_int_equal(lend_to_vfio(t, AUDIO), 0);
	assert_true(ft_exists(t, DEV AUDIO "/vfio-dev/vfio1"));
	assert_false(ft_exists(t, DEV AUDIO "/sound"));

	assert_int_equal(sysfs_write(t, DEV GPU "/driver/unbind", GPU "\n"), 0);
	assert_string_equal(ft_driver_of(t, GPU), "");
	assert_false(ft_exists(t, DEV GPU "/vfio-dev"));
	assert_true(ft_exists(t, "dev/vfio/15")); /* the other function is in the group */
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "\n"), 0);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", GPU), 0);
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/unbind", AUDIO), 0);
	assert_false(ft_exists(t, "dev/vfio/15"));
}

static void bind_errors_are_the_kernels(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/unbind", GPU), -ENODEV);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/bind", GPU), -ENODEV); /* no id of it, no override */
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/bind", GPU), -EBUSY);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/bind", "0000:99:00.0"), -ENODEV);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", "0000:99:00.0"), -ENODEV);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", GPU), 0); /* bound: nothing to do */
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/unbind", GPU), 0);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/unbind", GPU), -ENODEV);
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "nobody"), 0);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", GPU), 0); /* and still nobody has it */
	assert_string_equal(ft_driver_of(t, GPU), "");
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/bind", GPU), -ENODEV);
}

static void vfio_refuses_bridges_pfs_and_no_iommu(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_sriov(t, 2);
	assert_int_equal(sysfs_write(t, DEV "0000:05:00.0/driver/unbind", "0000:05:00.0"), 0);
	assert_int_equal(sysfs_write(t, DEV "0000:05:00.0/driver_override", "vfio-pci"), 0);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/bind", "0000:05:00.0"), -EBUSY);
	assert_int_equal(lend_to_vfio(t, "0000:05:00.2"), 0);
	assert_string_equal(ft_driver_of(t, "0000:05:00.2"), "vfio-pci");
	assert_int_equal(lend_to_vfio(t, "0000:00:06.0"), 0);
	assert_string_equal(ft_driver_of(t, "0000:00:06.0"), "");
	t->no_iommu = true;
	ft_preset_nic(t, false);
	assert_int_equal(lend_to_vfio(t, "0000:03:00.0"), 0);
	assert_string_equal(ft_driver_of(t, "0000:03:00.0"), "");
	assert_false(ft_exists(t, "dev/vfio/17"));
}

static void new_id_takes_what_is_free(void **state)
{
	struct ft_tree *t = *state;

	ft_vfio(t); /* registered before the home driver */
	ft_preset_gpu2(t);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/remove_id", "1234 1111"), -ENODEV);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/new_id", "1234"), -EINVAL);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/new_id", "1234 1111"), -EEXIST);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/unbind", GPU2), 0);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/new_id", "1234 1111\n"), 0);
	assert_string_equal(ft_driver_of(t, GPU2), "vfio-pci"); /* at once */
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/new_id", "1234 1111"), -EEXIST);

	assert_int_equal(sysfs_write(t, DRV "vfio-pci/unbind", GPU2), 0);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", GPU2), 0);
	assert_string_equal(ft_driver_of(t, GPU2), "vfio-pci"); /* the trap of give-back without an override */
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/unbind", GPU2), 0);
	assert_int_equal(sysfs_write(t, DEV GPU2 "/driver_override", "bochs-drm"), 0);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", GPU2), 0);
	assert_string_equal(ft_driver_of(t, GPU2), "bochs-drm");
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/remove_id", "1234 1111"), 0);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/remove_id", "1234 1111"), -ENODEV);
}

/* ---- console --------------------------------------------------------------------- */

static void vtconsole_moves_by_hand(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_int_equal(sysfs_write(t, "sys/class/vtconsole/vtcon0/bind", "0"), 0); /* the dummy cannot be unbound */
	assert_int_equal(sysfs_write(t, "sys/class/vtconsole/vtcon1/bind", "0\n"), 0);
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "0");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon0/bind"), "1");
	assert_int_equal(sysfs_write(t, "sys/class/vtconsole/vtcon1/bind", "1\n"), 0);
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon0/bind"), "0");
	assert_int_equal(ft_wrote(t, "sys/class/vtconsole/vtcon1/bind", "1"), 2);
}

static void console_follows_the_last_framebuffer(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_preset_gpu2(t);
	assert_string_equal(ft_read(t, "proc/fb"), "0 bochs-drmdrmfb\n1 bochs-drmdrmfb");
	assert_int_equal(lend_to_vfio(t, GPU), 0);
	assert_string_equal(ft_read(t, "proc/fb"), "1 bochs-drmdrmfb");
	assert_false(ft_exists(t, "sys/class/graphics/fb0"));
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
	assert_int_equal(lend_to_vfio(t, GPU2), 0);
	assert_string_equal(ft_read(t, "proc/fb"), "");
	assert_false(ft_exists(t, "sys/class/vtconsole/vtcon1"));
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon0/bind"), "1");
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/unbind", GPU), 0);
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "\n"), 0);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/bind", GPU), 0);
	assert_string_equal(ft_read(t, "sys/class/graphics/fb0/name"), "bochs-drmdrmfb");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
}

static void sticky_console_comes_back_unbound(void **state)
{
	struct ft_tree *t = *state;

	ft_console(t, true);
	ft_preset_gpu(t);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/unbind", GPU), 0);
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "0");
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/bind", GPU), 0);
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "0");
}

static void firmware_framebuffer_is_evicted_for_good(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/unbind", GPU), 0);
	ft_firmware(t, GPU, "EFI VGA");
	assert_string_equal(ft_read(t, "proc/fb"), "1 EFI VGA");
	assert_non_null(strstr(ft_read(t, "proc/iomem"), "c1000000-c13fffff : BOOTFB"));
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "vfio-pci"), 0);
	assert_int_equal(sysfs_write(t, "sys/bus/pci/drivers_probe", GPU), 0);
	assert_string_equal(ft_read(t, "proc/fb"), "");
	assert_false(ft_exists(t, "sys/devices/platform/efi-framebuffer.0"));
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/unbind", GPU), 0);
	assert_string_equal(ft_read(t, "proc/fb"), "");
}

/* ---- plain stores ------------------------------------------------------------------ */

static void power_and_d3cold(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	assert_int_equal(sysfs_write(t, DEV "0000:00:02.0/power/control", "on"), 0);
	assert_string_equal(ft_read(t, DEV "0000:00:02.0/power/control"), "on");
	assert_int_equal(sysfs_write(t, DEV "0000:00:02.0/power/control", "off"), -EINVAL);
	assert_int_equal(sysfs_write(t, DEV GPU "/d3cold_allowed", "0\n"), 0);
	assert_string_equal(ft_read(t, DEV GPU "/d3cold_allowed"), "0");
	assert_int_equal(sysfs_write(t, DEV GPU "/d3cold_allowed", "x"), -EINVAL);
}

static void reset_and_its_methods(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_preset_gpu2(t);
	assert_int_equal(sysfs_write(t, DEV GPU "/reset", "1"), -ENOTTY); /* "bus", but not alone on it */
	assert_false(ft_exists(t, DEV AUDIO "/reset"));
	assert_int_equal(sysfs_write(t, DEV GPU2 "/reset", "0"), -EINVAL);
	assert_int_equal(sysfs_write(t, DEV GPU2 "/reset", "1\n"), 0);
	assert_int_equal(sysfs_write(t, DEV GPU2 "/reset_method", "pm"), -EINVAL);
	assert_int_equal(sysfs_write(t, DEV GPU2 "/reset_method", "\n"), 0);
	assert_string_equal(ft_read(t, DEV GPU2 "/reset_method"), "");
	assert_int_equal(sysfs_write(t, DEV GPU2 "/reset", "1"), -ENOTTY);
	assert_int_equal(sysfs_write(t, DEV GPU2 "/reset_method", "default"), 0);
	assert_string_equal(ft_read(t, DEV GPU2 "/reset_method"), "flr");
}

/* ---- failing on demand ---------------------------------------------------------------- */

static void rule_fails_the_nth_write(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_fault(t, "*/" AUDIO "/driver_override vfio-* EIO nth=2");
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "vfio-pci"), 0);
	assert_int_equal(sysfs_write(t, DEV AUDIO "/driver_override", "vfio-pci"), 0);
	assert_int_equal(sysfs_write(t, DEV AUDIO "/driver_override", "\n"), 0);
	assert_int_equal(in_child(t, DEV AUDIO "/driver_override", "vfio-pci\n"), EIO);
	assert_string_equal(ft_override(t, AUDIO), "(null)");
	assert_int_equal(sysfs_write(t, DEV AUDIO "/driver_override", "vfio-pci"), 0);
	ft_faults_clear(t);
	ft_fault(t, "*/driver_override \"\" EPERM");
	assert_int_equal(sysfs_write(t, DEV AUDIO "/driver_override", "\n"), -EPERM);
	assert_int_equal(sysfs_write(t, DEV AUDIO "/driver_override", "y"), 0);
}

static void failing_probe(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_fault(t, "probe vfio-pci " GPU " fail");
	assert_int_equal(lend_to_vfio(t, GPU), 0); /* drivers_probe does not tell */
	assert_string_equal(ft_driver_of(t, GPU), "");
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/bind", GPU), -EIO);
	ft_faults_clear(t);
	ft_fault(t, "probe * * ENOMEM nth=1");
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/bind", GPU), -ENOMEM);
	assert_int_equal(sysfs_write(t, DRV "vfio-pci/bind", GPU), 0);
}

static void lost_write_and_death(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_fault(t, "*/bochs-drm/unbind lost nth=1");
	ft_fault(t, "*/snd_hda_intel/unbind die nth=1");
	ft_fault(t, "*/snd_hda_intel/unbind die-after nth=2");
	assert_int_equal(sysfs_write(t, DRV "bochs-drm/unbind", GPU), 0);
	assert_string_equal(ft_driver_of(t, GPU), "bochs-drm");
	assert_int_equal(in_child(t, DEV AUDIO "/driver/unbind", AUDIO), 128 + SIGKILL);
	assert_string_equal(ft_driver_of(t, AUDIO), "snd_hda_intel");
	assert_int_equal(in_child(t, DEV AUDIO "/driver/unbind", AUDIO), 128 + SIGKILL);
	assert_string_equal(ft_driver_of(t, AUDIO), "");
	assert_int_equal(ft_wrote(t, "*/bochs-drm/unbind", GPU), 0);
	assert_non_null(strstr(ft_log(t), " sys/bus/pci/drivers/bochs-drm/unbind \"" GPU "\" lost\n"));
}

static void hang_ends_by_sigkill_only(void **state)
{
	struct ft_tree *t = *state;
	pid_t pid;
	int status;

	ft_preset_gpu(t);
	ft_fault(t, "*/bochs-drm/unbind hang");
	pid = fork();
	if (pid == 0)
		_exit(sysfs_write(t, DRV "bochs-drm/unbind", GPU));
	while (!strstr(ft_log(t), "hung"))
		usleep(1000);
	kill(pid, SIGTERM);
	assert_int_equal(sysfs_write(t, DRV "snd_hda_intel/unbind", AUDIO), 0); /* others go on */
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(sysfs_write(t, DEV GPU "/driver_override", "x"), 0);
}

static void slow_rules_add_up(void **state)
{
	static const char *const bdf[] = { GPU, AUDIO, GPU2 };
	struct ft_tree *t = *state;
	int64_t start, took;
	int status;

	ft_preset_gpu(t);
	ft_preset_gpu2(t);
	ft_fault(t, "slow * * 150");
	ft_fault(t, "*/driver_override slow=100");
	start = now_ms();
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			_exit(-lend_to_vfio(t, bdf[i]));
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	took = now_ms() - start;
	assert_true(took >= 400); /* 100 + 150 + 150 each; no upper bound, on a machine that may be busy */
	for (int i = 0; i < 3; i++)
		assert_string_equal(ft_driver_of(t, bdf[i]), "vfio-pci");
	assert_int_equal(ft_writes(t), 9);
}

static void vfio_unbind_waits_for_close(void **state)
{
	struct ft_tree *t = *state;
	int node, status;
	pid_t pid;

	ft_preset_gpu2(t);
	assert_int_equal(lend_to_vfio(t, GPU2), 0);
	node = openat(t->fd, "dev/vfio/16", O_RDWR | O_CLOEXEC);
	assert_true(node >= 0);
	pid = fork();
	if (pid == 0) {
		close(node);
		_exit(-sysfs_write(t, DRV "vfio-pci/unbind", GPU2));
	}
	usleep(100000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_string_equal(ft_driver_of(t, GPU2), "vfio-pci");
	close(node);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(ft_driver_of(t, GPU2), "");
}

/* ---- the tree ---------------------------------------------------------------------------- */

static void only_sys_is_noted(void **state)
{
	struct ft_tree *t = *state;
	int fd = openat(t->fd, "run/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_string_equal(ft_read(t, "run/x"), "hello");
	assert_int_equal(ft_writes(t), 0);
	assert_string_equal(ft_log(t), "");
	ft_preset_gpu(t);
	assert_int_equal(ft_writes(t), 0);
	assert_int_equal(sysfs_write(t, "sys/devices/pci0000:00/0000:00:02.0/" GPU "/driver_override", "vfio-pci\n"), 0);
	assert_int_equal(sysfs_write(t, DEV GPU "/driver/unbind", GPU), 0);
	assert_int_equal(ft_wrote(t, DEV GPU "/driver_override", "vfio-pci"), 0);
	assert_int_equal(ft_wrote(t, DRV "bochs-drm/unbind", GPU), 1);
	assert_int_equal(ft_wrote(t, DRV "bochs-drm/unbind", AUDIO), -1);
	assert_int_equal(ft_writes(t), 2);
	ft_log_clear(t);
	assert_int_equal(ft_writes(t), 0);
}

static void presets_are_whole(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_gpu(t);
	ft_preset_gpu2(t);
	ft_preset_nic(t, true);
	ft_preset_nvme(t, "/mnt/data");
	ft_preset_sriov(t, 7);
	ft_preset_shared(t);
	ft_vm(t, 100, "hostpci0: 0000:01:00,pcie=1\n");
	ft_process(t, 4242, "kvm", "/usr/bin/kvm -id 101", "/dev/vfio/16");
	assert_true(ft_exists(t, "sys/class/net/eth0/device/iommu_group/devices/0000:03:00.0/vendor"));
	assert_string_equal(ft_read(t, "sys/dev/block/259:2/partition"), "2");
	assert_non_null(strstr(ft_read(t, "proc/self/mountinfo"), "259:2 / /mnt/data rw"));
	assert_int_equal(sysfs_write(t, DRV "nvme/unbind", "0000:04:00.0"), 0);
	assert_false(ft_exists(t, "sys/class/block/nvme0n1p2"));
	assert_int_equal(sysfs_write(t, DRV "nvme/bind", "0000:04:00.0"), 0);
	assert_string_equal(ft_read(t, "sys/class/block/nvme0n1p2/dev"), "259:2");
	assert_non_null(strstr(ft_read(t, "proc/net/route"), "eth0\t00000000\t0101A8C0"));
	assert_string_equal(ft_read(t, DEV "0000:05:00.0/sriov_numvfs"), "7");
	assert_string_equal(ft_read(t, DEV "0000:05:00.0/virtfn6/physfn/device"), "0x1017");
	assert_string_equal(ft_read(t, DEV GPU "/modalias"), "pci:v00001234d00001111sv00001AF4sd00001100bc03sc80i00");
	assert_true(ft_exists(t, DEV "0000:00:02.0/pci_bus/0000:01"));
	assert_true(ft_exists(t, DRV "bochs-drm/module/refcnt"));
	assert_true(ft_exists(t, "sys/kernel/iommu_groups/22/devices/0000:00:1e.0"));
	assert_string_equal(ft_read(t, "etc/pve/local/qemu-server/100.conf"), "hostpci0: 0000:01:00,pcie=1");
	assert_string_equal(ft_read(t, "etc/pve/qemu-server/100.conf"), "hostpci0: 0000:01:00,pcie=1");
	assert_string_equal(ft_read(t, "proc/4242/cmdline"), "/usr/bin/kvm");
}

static void big_host(void **state)
{
	struct ft_tree *t = *state;

	ft_preset_host(t, 1024);
	assert_string_equal(ft_driver_of(t, "0000:bf:00.6"), "e1000e");
	assert_int_equal(lend_to_vfio(t, "0000:bf:00.6"), 0);
	assert_true(ft_exists(t, "dev/vfio/1127"));
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(override_is_stored_and_cleared), T(lend_and_return), T(bind_errors_are_the_kernels),
		T(vfio_refuses_bridges_pfs_and_no_iommu), T(new_id_takes_what_is_free), T(vtconsole_moves_by_hand),
		T(console_follows_the_last_framebuffer), T(sticky_console_comes_back_unbound),
		T(firmware_framebuffer_is_evicted_for_good), T(power_and_d3cold), T(reset_and_its_methods),
		T(rule_fails_the_nth_write), T(failing_probe), T(lost_write_and_death), T(hang_ends_by_sigkill_only),
		T(slow_rules_add_up), T(vfio_unbind_waits_for_close), T(only_sys_is_noted),
		T(presets_are_whole), T(big_host),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("fakekernel", tests, NULL, NULL);
}
