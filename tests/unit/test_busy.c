/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that use the devices: refused by name, or to be stopped. */
#include <sys/stat.h>

#include "host.h"

#define GPU "0000:01:00.0"

static struct pvb_request request_of(struct host *h, struct pvb_wanted *wanted, const char *addr)
{
	struct pvb_request request = { .name = "100", .label = "VM 100", .wanted = wanted, .num_wanted = 1 };

	(void)h;
	*wanted = (struct pvb_wanted){ .addr = addr_of(addr) };
	pvb_settings_default(&request.settings);
	return request;
}

/* All that stands against lending the card, a line each. */
static const char *refusals(struct host *h, const struct pvb_settings *settings)
{
	static char text[8192];
	struct pvb_wanted wanted;
	struct pvb_request request = request_of(h, &wanted, "01:00");
	struct pvb_plan *plan;
	size_t n = 0;

	if (settings)
		request.settings = *settings;
	*text = '\0';
	if (pvb_plan_lend(h->ctx, &request, &plan, &h->err) < 0)
		fail_msg("%s", h->err.text);
	for (size_t i = 0; i < pvb_plan_refusals(plan)->n; i++) {
		const struct pvb_refusal *refusal = &pvb_plan_refusals(plan)->list[i];

		assert_true(strlen(refusal->text) < sizeof(refusal->text) - 1); /* nothing was cut off */
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s: %s\n", refusal->name, refusal->text);
	}
	pvb_plan_free(plan);
	return text;
}

static struct pvb_settings stop(const char *units, const char *containers)
{
	struct pvb_settings settings;

	pvb_settings_default(&settings);
	settings.busy_stop = true;
	snprintf(settings.stop_units, sizeof(settings.stop_units), "%s", units);
	snprintf(settings.stop_containers, sizeof(settings.stop_containers), "%s", containers);
	return settings;
}

static int setup(void **state)
{
	struct host *h;

	if (host_setup(state) < 0)
		return -1;
	h = *state;
	ft_preset_gpu(h->t);
	ft_write(h->t, "sys/module/bochs/refcnt", "2\n");
	return 0;
}

static void nobody_refuses_nothing(void **state)
{
	struct host *h = *state;

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card7");
	assert_string_equal(refusals(h, NULL), "");
}

static void one_is_named_with_its_unit(void **state)
{
	struct host *h = *state;

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card0");
	ft_link(h->t, "proc/812/fd/4", "/dev/dri/card0");
	ft_link(h->t, "proc/812/fd/5", "/dev/fb0");
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/lightdm.service\n");
	assert_string_equal(refusals(h, NULL),
			    "held: 0000:01:00.0 is in use: Xorg (pid 812, lightdm.service) has /dev/dri/card0, /dev/fb0 open: "
			    "stop it, or let pvebind do it: busy = stop and stop-units = lightdm.service\n");
}

static void all_are_named(void **state)
{
	struct host *h = *state;
	const char *text;

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card0");
	ft_process(h->t, 813, "ffmpeg", "ffmpeg", "/dev/dri/card0");
	ft_write(h->t, "proc/813/cgroup", "0::/lxc/105/ns/system.slice/jellyfin.service\n");
	ft_process(h->t, 814, "mapper", "mapper", NULL);
	ft_write(h->t, "proc/814/maps", "7f1c00001000-7f1c00002000 rw-s 00000000 00:06 412 /dev/fb0\n");
	ft_write(h->t, "proc/814/cgroup", "0::/user.slice/user-0.slice/session-3.scope\n");
	text = refusals(h, NULL);
	assert_has(text, "Xorg (pid 812, Xorg.service) has /dev/dri/card0 open");
	assert_has(text, "ffmpeg (pid 813, container 105) has /dev/dri/card0 open");
	assert_has(text, "mapper (pid 814, session-3.scope) has /dev/fb0 mapped");
	assert_has(text, "stop them, or let pvebind do it: busy = stop and stop-units = Xorg.service, stop-containers = 105\n");
}

/* More than one sentence holds. */
static void many_are_named(void **state)
{
	struct host *h = *state;
	char name[32], who[128];
	const char *text;

	for (int pid = 900; pid < 930; pid++) {
		snprintf(name, sizeof(name), "worker%d", pid);
		ft_process(h->t, pid, name, name, "/dev/dri/card0");
	}
	text = refusals(h, NULL);
	for (int pid = 900; pid < 930; pid++) {
		snprintf(who, sizeof(who), "worker%d (pid %d, worker%d.service) has /dev/dri/card0 open", pid, pid, pid);
		assert_has(text, who);
		snprintf(who, sizeof(who), "worker%d.service", pid);
		assert_has(text, who);
	}
}

static void sessions_are_to_be_ended(void **state)
{
	struct host *h = *state;

	ft_process(h->t, 812, "glxgears", "glxgears", "/dev/dri/card0");
	ft_write(h->t, "proc/812/cgroup", "0::/user.slice/user-0.slice/user@0.service/app.slice/x.service\n");
	assert_string_equal(refusals(h, NULL), "held: 0000:01:00.0 is in use: glxgears (pid 812, user@0.service) has "
			    "/dev/dri/card0 open: end it first\n");
}

/* A member of the group that nobody asked for is in use as well: then so is the group. */
static void members_count(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of(h, &wanted, GPU);
	struct pvb_plan *plan;
	char path[512];

	snprintf(path, sizeof(path), "%s/sound/card0/pcmC0D3p/dev", ft_device_path(h->t, "0000:01:00.1"));
	ft_write(h->t, path, "116:4\n");
	*strrchr(path, '/') = '\0';
	strcat(path, "/subsystem");
	ft_link(h->t, path, "/sys/class/sound");
	ft_process(h->t, 812, "pipewire", "pipewire", "/dev/snd/pcmC0D3p");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	assert_int_equal(pvb_plan_refusals(plan)->n, 2);
	assert_string_equal(pvb_plan_refusals(plan)->list[0].name, "held");
	assert_has(pvb_plan_refusals(plan)->list[0].text, "0000:01:00.1 is in use: pipewire (pid 812");
	assert_string_equal(pvb_plan_refusals(plan)->list[1].name, "group-shared");
	pvb_plan_free(plan);
}

static void unknown_is_not_nobody(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "proc/812/fd", "");
	assert_string_equal(refusals(h, NULL), "held: 0000:01:00.0 may be in use: 1 process could not be looked into; "
			    "run pvebind as root, or end what hangs\n");
	/* Known by the module's count that nobody is. */
	ft_write(h->t, "sys/module/bochs/refcnt", "0\n");
	assert_string_equal(refusals(h, NULL), "");
}

static void what_is_to_be_stopped_is_not_refused(void **state)
{
	struct host *h = *state;
	struct pvb_settings settings = stop("lightdm.service", "105");

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card0");
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/lightdm.service\n");
	ft_process(h->t, 813, "ffmpeg", "ffmpeg", "/dev/dri/card0");
	ft_write(h->t, "proc/813/cgroup", "0::/lxc/105/ns/system.slice/jellyfin.service\n");
	assert_string_equal(refusals(h, &settings), "");
	settings = stop("sddm lightdm", "104 105"); /* as systemctl understands it */
	assert_string_equal(refusals(h, &settings), "");
	settings.busy_stop = false;
	assert_has(refusals(h, &settings), "lightdm.service");
	/* Not covered: by its own name, and only that one. */
	settings = stop("lightdm.service", "10");
	assert_string_equal(refusals(h, &settings), "held: 0000:01:00.0 is in use: ffmpeg (pid 813, container 105) has "
			    "/dev/dri/card0 open: stop it, or let pvebind do it: add stop-containers = 105\n");
	settings = stop("light.service", "105");
	assert_string_equal(refusals(h, &settings), "held: 0000:01:00.0 is in use: Xorg (pid 812, lightdm.service) has "
			    "/dev/dri/card0 open: stop it, or let pvebind do it: add stop-units = lightdm.service\n");
}

static void aliases_are_followed(void **state)
{
	struct host *h = *state;
	struct pvb_settings settings = stop("display-manager", "");

	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card0");
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/lightdm.service\n");
	assert_has(refusals(h, &settings), "held: ");
	ft_link(h->t, "etc/systemd/system/display-manager.service", "/lib/systemd/system/lightdm.service");
	assert_string_equal(refusals(h, &settings), "");
	/* Masked, and a circle. */
	ft_remove(h->t, "etc/systemd/system/display-manager.service");
	ft_link(h->t, "etc/systemd/system/display-manager.service", "/dev/null");
	assert_has(refusals(h, &settings), "held: ");
	ft_remove(h->t, "etc/systemd/system/display-manager.service");
	ft_link(h->t, "etc/systemd/system/display-manager.service", "other.service");
	ft_link(h->t, "etc/systemd/system/other.service", "display-manager.service");
	assert_has(refusals(h, &settings), "held: ");
}

static void nothing_is_stopped_for_a_backup(void **state)
{
	struct host *h = *state;
	struct pvb_settings settings = stop("lightdm.service", "");

	snprintf(settings.tag, sizeof(settings.tag), "backup");
	assert_string_equal(refusals(h, &settings), "");
	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card0");
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/lightdm.service\n");
	ft_process(h->t, 813, "other", "other", "/dev/dri/card0");
	assert_string_equal(refusals(h, &settings),
			    "held: 0000:01:00.0 is in use: other (pid 813, other.service) has /dev/dri/card0 open: "
			    "stop it, or let pvebind do it: add stop-units = other.service\n"
			    "backup: 0000:01:00.0 is in use: Xorg (pid 812, lightdm.service) has /dev/dri/card0 open; "
			    "nothing is stopped for a backup: stop it first, or back up while the VM runs\n");
}

/* Who has only what all NVIDIA GPUs share uses another one, if there is another one. */
static void shared_nodes_count_for_the_only_card(void **state)
{
	struct host *h = *state;
	char path[512];

	ft_driver(h->t, "nvidia", "nvidia", NULL, 0);
	snprintf(path, sizeof(path), "%s/driver", ft_device_path(h->t, GPU));
	ft_remove(h->t, path);
	ft_link(h->t, path, "/sys/bus/pci/drivers/nvidia");
	ft_mkdir(h->t, "sys/bus/pci/drivers/nvidia/" GPU);
	ft_write(h->t, "proc/driver/nvidia/gpus/" GPU "/information", "Device Minor: \t 0\n");
	ft_write(h->t, "dev/nvidia0", "");
	ft_write(h->t, "dev/nvidiactl", "");
	ft_process(h->t, 812, "cuda", "cuda", "/dev/nvidiactl");
	assert_has(refusals(h, NULL), "cuda (pid 812, cuda.service) has /dev/nvidiactl (shared) open");
	ft_mkdir(h->t, "sys/bus/pci/drivers/nvidia/0000:02:00.0");
	assert_string_equal(refusals(h, NULL), "");
	ft_link(h->t, "proc/812/fd/4", "/dev/nvidia0");
	assert_has(refusals(h, NULL), "cuda (pid 812, cuda.service) has /dev/nvidia0 open");
}

static void udev_does_not_hold_disks(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of(h, &wanted, "04:00");
	struct pvb_plan *plan;

	ft_preset_nvme(h->t, NULL);
	ft_process(h->t, 812, "udev-worker", "udev-worker", "/dev/nvme0n1");
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/systemd-udevd.service/udev\n");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	assert_false(pvb_plan_refused(plan));
	pvb_plan_free(plan);
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/other.service\n");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	assert_true(pvb_plan_refused(plan));
	pvb_plan_free(plan);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_refuses_nothing),
		TEST(one_is_named_with_its_unit),
		TEST(all_are_named),
		TEST(many_are_named),
		TEST(sessions_are_to_be_ended),
		TEST(members_count),
		TEST(unknown_is_not_nobody),
		TEST(what_is_to_be_stopped_is_not_refused),
		TEST(aliases_are_followed),
		TEST(nothing_is_stopped_for_a_backup),
		TEST(shared_nodes_count_for_the_only_card),
		TEST(udev_does_not_hold_disks),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("busy", tests, NULL, NULL);
}
