/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resets: of one function by chosen methods, of a slot by its bridge. VFIO's is for the test bed. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ft_internal.h"
#include "host.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define NIC "0000:03:00.0"
#define PORT "0000:00:02.0"
#define METHODS "sys/bus/pci/devices/" NIC "/reset_method"

/* A function on its own bus with three methods. */
static void nic_add(struct host *h)
{
	ft_preset_nic(h->t, false);
	ft_write(h->t, METHODS, "flr pm bus\n");
	ft_write(h->t, ".kernel/devices/" NIC "/reset_methods", "flr pm bus\n");
}

static int reset(struct host *h, const char *device, const char *methods, char *how)
{
	struct pvb_addr addr = addr_of(device);

	return pvb_reset_function(h->ctx, &addr, methods, how, PVB_NAME_MAX, &h->err);
}

static void methods_are_words(void **state)
{
	static const char *const good[] = { "auto", "none", "flr", "flr bus", "slot", "device_specific pm bus flr slot" };
	static const char *const bad[] = { "",	    "auto flr", "FLR",	 " flr",    "flr ",     "flr  bus",
					   "flr,bus", "flr flr",	"acpi", "flr none", "flr\nbus", "fl" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!pvb_reset_methods_valid(good[i]))
			fail_msg("refused: '%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (pvb_reset_methods_valid(bad[i]))
			fail_msg("taken: '%s'", bad[i]);
}

static void auto_leaves_the_choice_to_the_kernel(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	assert_int_equal(reset(h, NIC, "auto", how), 0);
	assert_string_equal(how, "flr pm bus");
	assert_int_equal(ft_writes(h->t), 1);
	assert_int_equal(ft_wrote(h->t, "*" NIC "/reset", "1"), 0);
}

static void none_does_nothing(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	assert_int_equal(reset(h, NIC, "none", how), 0);
	assert_string_equal(how, "");
	assert_int_equal(ft_writes(h->t), 0);
}

static void chosen_methods_are_put_back(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	assert_int_equal(reset(h, NIC, "device_specific bus slot flr", how), 0);
	assert_string_equal(how, "bus flr");
	assert_int_equal(ft_wrote(h->t, "*reset_method", "bus flr"), 0);
	assert_int_equal(ft_wrote(h->t, "*" NIC "/reset", "1"), 1);
	assert_int_equal(ft_wrote(h->t, "*reset_method", "flr pm bus"), 2);
	assert_string_equal(ft_read(h->t, METHODS), "flr pm bus");
}

static void failed_reset_puts_methods_back(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	ft_fault(h->t, "*" NIC "/reset 1 EIO");
	assert_int_equal(reset(h, NIC, "bus", how), -EIO);
	assert_string_equal(h->err.text, "cannot reset " NIC " (bus, by /sys/bus/pci/devices/" NIC "/reset): Input/output error");
	assert_string_equal(ft_read(h->t, METHODS), "flr pm bus");
	assert_string_equal(h->said, "");
}

static void methods_not_put_back_are_said(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	ft_fault(h->t, "*reset_method flr?pm?bus EBUSY");
	assert_int_equal(reset(h, NIC, "bus", how), 0);
	assert_string_equal(h->said, "cannot put the reset methods of " NIC " back to \"flr pm bus\": Device or resource "
				     "busy; write them to /" METHODS "\n");
}

static void refused_choice_resets_nothing(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	ft_fault(h->t, "*reset_method bus EINVAL");
	assert_int_equal(reset(h, NIC, "bus", how), -EINVAL);
	assert_string_equal(h->err.text, "cannot choose the reset methods \"bus\" of " NIC ": Invalid argument");
	assert_int_equal(ft_wrote(h->t, "*/reset", "*"), -1);
}

static void without_a_method_there_is_no_reset(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	ft_preset_gpu(h->t);
	assert_int_equal(reset(h, AUDIO, "auto", how), -ENOTTY);
	assert_string_equal(h->err.text, AUDIO " has no reset of its own");
	assert_int_equal(reset(h, AUDIO, "flr bus", how), -ENOTTY);
	assert_string_equal(h->err.text, AUDIO " has none of the reset methods \"flr bus\" (it has: none)");
	assert_int_equal(reset(h, GPU, "slot flr", how), -ENOTTY);
	assert_string_equal(h->err.text, GPU " has none of the reset methods \"slot flr\" (it has: bus)");
	/* Not alone on its bus: the one method it has cannot be. */
	assert_int_equal(reset(h, GPU, "auto", how), -ENOTTY);
	assert_string_equal(h->err.text, GPU " cannot be reset by itself: the kernel's way for it (bus) does not work here");
	assert_string_equal(how, "bus");
}

/* Who alone has its bus is told by function 0's header, as the kernel is; but its virtual functions are not in that. */
static void siblings_take_the_bus_reset_away(void **state)
{
	const char *const second = "0000:03:00.1", *const third = "0000:03:00.2";
	const unsigned char header[64] = { 0x86, 0x80, 0xd3, 0x10 }; /* type 0, and alone */
	struct host *h = *state;

	ft_preset_gpu(h->t);
	nic_add(h);
	assert_string_equal(function_of(h, GPU).reset_methods, "");
	assert_string_equal(function_of(h, NIC).reset_methods, "flr pm bus");
	ft_function(h->t, &(struct ft_function){ third, "0000:00:04.0", 0x8086, 0x10ed, 0, 0, 0x020000, NULL, "flr bus", 31, 0 });
	assert_string_equal(function_of(h, NIC).reset_methods, "flr pm");
	ft_put(h->t, fk_path("%s/config", ft_device_path(h->t, NIC)).s, header, sizeof(header));
	assert_string_equal(function_of(h, NIC).reset_methods, "flr pm bus"); /* no such kernel, but nobody asked for it */
	ft_virtual(h->t, NIC, third);
	assert_string_equal(function_of(h, NIC).reset_methods, "flr pm");
	ft_function(h->t, &(struct ft_function){ second, "0000:00:04.0", 0x8086, 0x10d3, 0, 0, 0x020000, NULL, "flr bus", 32, 0 });
	assert_string_equal(function_of(h, NIC).reset_methods, "flr pm");
	assert_string_equal(function_of(h, second).reset_methods, "flr");
	ft_put(h->t, fk_path("%s/config", ft_device_path(h->t, NIC)).s, header, sizeof(header));
	assert_string_equal(function_of(h, NIC).reset_methods, "flr pm"); /* as with ARI */
	assert_string_equal(function_of(h, second).reset_methods, "flr");
}

static void fallen_off_the_bus(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	nic_add(h);
	ft_write(h->t, "sys/bus/pci/devices/" NIC "/config", "\xff\xff\xff\xff");
	assert_int_equal(reset(h, NIC, "auto", how), -EIO);
	assert_string_equal(h->err.text, NIC " has fallen off the bus by its reset (its configuration space reads 0xffff): "
					     "only power off and on again helps");
	ft_remove(h->t, "sys/bus/pci/devices/" NIC "/config");
	assert_int_equal(reset(h, NIC, "auto", how), -EIO);
	assert_has(h->err.text, "off the bus by its reset (No such file or directory)");
}

/* ---- slots ------------------------------------------------------------------------- */

static int slot_reset(struct host *h, const char *a, const char *b, const char *bridge, char *how)
{
	struct pvb_home homes[2] = { { .addr = addr_of(a), .group = 15 }, { .group = 15 } };
	const struct pvb_home *list[] = { &homes[0], &homes[1] };
	struct pvb_addr addr = addr_of(bridge ? bridge : PORT);

	if (b)
		homes[1].addr = addr_of(b);
	return pvb_reset_slot(h->ctx, list, b ? 2 : 1, bridge ? &addr : NULL, how, PVB_NAME_MAX, &h->err);
}

static void bridge_resets_the_slot(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	ft_preset_gpu(h->t);
	assert_int_equal(slot_reset(h, GPU, AUDIO, PORT, how), 0);
	assert_string_equal(how, "the bridge " PORT);
	assert_int_equal(ft_writes(h->t), 1);
	assert_int_equal(ft_wrote(h->t, "*" PORT "/reset_subordinate", "1"), 0);
}

static void others_in_the_slot_forbid_it(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	ft_preset_gpu(h->t);
	assert_int_equal(slot_reset(h, GPU, NULL, PORT, how), -ENOTTY);
	assert_string_equal(h->err.text, GPU " cannot be reset: that would reset " AUDIO " as well, which is not lent with it");
	assert_int_equal(ft_writes(h->t), 0);
	assert_string_equal(how, "");
}

static void it_must_be_below_the_bridge(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	ft_preset_nic(h->t, false);
	ft_preset_gpu(h->t);
	assert_int_equal(slot_reset(h, NIC, GPU, "0000:00:04.0", how), -ENOTTY);
	assert_string_equal(h->err.text,
			    "0000:03:00 cannot be reset by the bridge 0000:00:04.0: not all of it is below that");
	assert_int_equal(ft_writes(h->t), 0);
}

static void without_a_bridge_there_is_no_way(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	ft_preset_gpu(h->t);
	assert_int_equal(slot_reset(h, GPU, AUDIO, NULL, how), -ENOTTY);
	assert_has(h->err.text, "0000:01:00 cannot be reset as a slot: by VFIO not (");
	assert_has(h->err.text, "), nor by its bridge, which has no reset_subordinate");
	ft_remove(h->t, "sys/bus/pci/devices/" PORT "/reset_subordinate");
	assert_int_equal(slot_reset(h, GPU, AUDIO, PORT, how), -ENOTTY);
	assert_has(h->err.text, "nor by its bridge, which has no reset_subordinate");
}

static void failed_bridge_is_told(void **state)
{
	struct host *h = *state;
	char how[PVB_NAME_MAX];

	ft_preset_gpu(h->t);
	ft_fault(h->t, "*reset_subordinate 1 EAGAIN");
	assert_int_equal(slot_reset(h, GPU, AUDIO, PORT, how), -EAGAIN);
	assert_string_equal(h->err.text,
			    "the reset of 0000:01:00 by its bridge " PORT " failed: Resource temporarily unavailable");
	ft_faults_clear(h->t);
	ft_write(h->t, "sys/bus/pci/devices/" AUDIO "/config", "\xff\xff\xff\xff");
	assert_int_equal(slot_reset(h, GPU, AUDIO, PORT, how), -EIO);
	assert_has(h->err.text, AUDIO " has fallen off the bus by its reset");
}

/* Whether it has a child that is in the write which the made-up kernel makes slow. */
static bool worker_waits(pid_t pid)
{
	char path[64], line[256] = "";
	long call = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		pid = (pid_t)strtol(line, NULL, 10);
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	f = *line ? fopen(path, "re") : NULL;
	if (f && fgets(line, sizeof(line), f))
		call = strtol(line, NULL, 10);
	if (f)
		fclose(f);
	return call == SYS_clock_nanosleep || call == SYS_nanosleep;
}

/* Killed during a reset: who resets, lends or returns next finds the device locked until the kernel is through. */
static void by_hand_keeps_the_lock(void **state)
{
	struct host *h = *state;
	struct pvb_addr addr = addr_of(NIC);
	pid_t pid;

	nic_add(h);
	ft_remove(h->t, "sys/bus/pci/devices/" NIC "/driver");
	ft_fault(h->t, "*" NIC "/reset * slow=3000");
	pid = fork();
	if (pid == 0)
		_exit(pvb_reset(h->ctx, &addr, "auto", false, &h->err) != 0);
	for (int i = 0; i < 1000 && !worker_waits(pid); i++)
		usleep(10000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(pvb_record_locked(h->ctx, NIC));
	ft_faults_clear(h->t);
	assert_int_equal(pvb_reset(h->ctx, &addr, "auto", false, &h->err), 0);
	assert_int_equal(ft_writes(h->t), 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_are_words),
		TEST(auto_leaves_the_choice_to_the_kernel),
		TEST(none_does_nothing),
		TEST(chosen_methods_are_put_back),
		TEST(failed_reset_puts_methods_back),
		TEST(methods_not_put_back_are_said),
		TEST(refused_choice_resets_nothing),
		TEST(without_a_method_there_is_no_reset),
		TEST(siblings_take_the_bus_reset_away), TEST(fallen_off_the_bus),
		TEST(bridge_resets_the_slot),
		TEST(others_in_the_slot_forbid_it),
		TEST(it_must_be_below_the_bridge),
		TEST(without_a_bridge_there_is_no_way),
		TEST(failed_bridge_is_told),
		TEST(by_hand_keeps_the_lock),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("reset", tests, NULL, NULL);
}
