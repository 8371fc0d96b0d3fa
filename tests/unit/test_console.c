/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console: whose the frame buffers are, the virtual terminals on them, and another way into the host. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define GPU2 "0000:02:00.0"

static int console_look(struct host *h, const struct pvb_function *const *fns, size_t n, struct pvb_console *console)
{
	struct pvb_ask ask;
	int r = pvb_console_ask(h->ctx, fns, n, &ask);

	return r < 0 ? r : pvb_console_answer(h->ctx, &ask, console);
}

static struct pvb_console look(struct host *h, const char *a, const char *b)
{
	struct pvb_function fns[] = { function_of(h, a), function_of(h, b) };
	const struct pvb_function *list[] = { &fns[0], &fns[1] };
	struct pvb_console console;

	assert_int_equal(console_look(h, list, 2, &console), 0);
	return console;
}

static void one_card_is_the_console(void **state)
{
	struct host *h = *state;
	struct pvb_addr gpu = addr_of(GPU);
	struct pvb_console c;

	ft_preset_gpu(h->t);
	ft_preset_nic(h->t, false);
	c = look(h, GPU, AUDIO);
	assert_true(c.involved);
	assert_true(c.all);
	assert_true(c.shown);
	assert_string_equal(c.vtcons, "vtcon1");
	assert_string_equal(c.framebuffers, "bochs-drmdrmfb");
	assert_int_equal(c.firmware, -1);
	assert_int_equal(pvb_addr_compare(&c.owner, &gpu), 0);
	c = look(h, AUDIO, "0000:03:00.0");
	assert_false(c.involved);
	assert_false(c.all);
	assert_string_equal(c.vtcons, "");
}

static void two_cards_share_it(void **state)
{
	struct host *h = *state;
	struct pvb_console c;

	ft_preset_gpu(h->t);
	ft_preset_gpu2(h->t);
	c = look(h, GPU, AUDIO);
	assert_true(c.involved);
	assert_false(c.all);
	c = look(h, GPU, GPU2);
	assert_true(c.all);
	assert_string_equal(c.framebuffers, "bochs-drmdrmfb, bochs-drmdrmfb");
}

/* Who has it open holds the card's driver. An open of these would wait for ever. */
static void none_of_the_card_s_is_opened(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	ft_mkdir(h->t, "dev");
	ft_remove(h->t, "dev/fb0");
	assert_int_equal(mkfifoat(h->t->fd, "dev/fb0", 0600), 0);
	assert_true(look(h, GPU, AUDIO).shown);
	ft_preset_gpu2(h->t);
	ft_write(h->t, "dev/fb1", "");
	assert_true(look(h, GPU, AUDIO).involved);
	ft_remove(h->t, "dev/fb1");
	assert_int_equal(mkfifoat(h->t->fd, "dev/fb1", 0600), 0);
	assert_true(look(h, GPU, GPU2).all);
}

static void it_may_be_elsewhere(void **state)
{
	struct host *h = *state;
	const struct pvb_home devices[] = { { .addr = addr_of(GPU) }, { .addr = addr_of(AUDIO) } };

	ft_preset_gpu(h->t);
	assert_false(pvb_console_elsewhere(h->ctx, devices, 2));
	ft_preset_gpu2(h->t);
	assert_false(pvb_console_elsewhere(h->ctx, devices, 2)); /* which of them is not known */
	ft_remove(h->t, "sys/class/graphics/fb0");
	assert_true(pvb_console_elsewhere(h->ctx, devices, 2));
	ft_write(h->t, "proc/fb", "");
	assert_true(pvb_console_elsewhere(h->ctx, devices, 2));
}

static void no_frame_buffer_is_no_console(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	ft_write(h->t, "proc/fb", "");
	assert_false(look(h, GPU, AUDIO).involved);
	ft_remove(h->t, "proc/fb");
	assert_false(look(h, GPU, AUDIO).involved);
}

static void unbound_is_not_ours(void **state)
{
	struct host *h = *state;
	struct pvb_console c;

	ft_preset_gpu(h->t);
	ft_write(h->t, "sys/class/vtconsole/vtcon1/bind", "0\n");
	c = look(h, GPU, AUDIO);
	assert_true(c.all);
	assert_false(c.shown);
	assert_string_equal(c.vtcons, "");
}

static void others_are_not_ours(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	ft_write(h->t, "proc/fb", "0 bochs-drmdrmfb\n1 udldrmfb\n");
	ft_link(h->t, "sys/class/graphics/fb1", "../../devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/graphics/fb1");
	assert_false(look(h, GPU, AUDIO).all);
	ft_remove(h->t, "sys/class/graphics/fb1"); /* nothing known: not ours */
	assert_false(look(h, GPU, AUDIO).all);
}

/* A frame buffer of the firmware's, as this kernel has it: where the platform device is, what claims the memory. */
static void firmware_is(struct host *h, const char *target, const char *claim)
{
	ft_write(h->t, "proc/fb", "0 EFI VGA\n");
	ft_remove(h->t, "sys/class/graphics/fb0");
	ft_link(h->t, "sys/class/graphics/fb0", target);
	ft_write(h->t, "proc/iomem", claim);
}

static void firmware_is_found_by_its_memory(void **state)
{
	static const char *const names[] = { "BOOTFB", "efifb", "vesafb", "simplefb", "simpledrm", "simple-framebuffer.0" };
	struct host *h = *state;
	char claim[128];

	ft_preset_gpu(h->t);
	ft_write(h->t, "sys/bus/pci/devices/" GPU "/resource",
		 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		 "0x00000000d2000000 0x00000000d2ffffff 0x0000000000042208\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct pvb_console c;

		snprintf(claim, sizeof(claim), "00000000-ffffffff : PCI Bus\n    d2000000-d23e7fff : %s\n", names[i]);
		firmware_is(h, "../../devices/platform/efi-framebuffer.0/graphics/fb0", claim);
		c = look(h, AUDIO, GPU);
		assert_true(c.all);
		assert_int_equal(c.firmware, 1);
		assert_string_equal(c.framebuffers, "EFI VGA");
	}
	ft_write(h->t, "proc/iomem", "d3000000-d33e7fff : efifb\n");
	assert_false(look(h, AUDIO, GPU).involved);
}

/* Linux 7 puts the platform device below the function. */
static void firmware_is_found_by_its_path(void **state)
{
	struct host *h = *state;
	struct pvb_console c;

	ft_preset_gpu(h->t);
	firmware_is(h, "../../devices/pci0000:00/0000:00:02.0/" GPU "/efi-framebuffer.0/graphics/fb0", "");
	c = look(h, AUDIO, GPU);
	assert_true(c.all);
	assert_int_equal(c.firmware, 1);
	assert_string_equal(h->said, "");
}

static void hidden_addresses_are_said(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	firmware_is(h, "../../devices/platform/simple-framebuffer.0/graphics/fb0", "00000000-00000000 : simplefb\n");
	assert_false(look(h, GPU, AUDIO).involved);
	assert_string_equal(h->said, "cannot tell which device holds the firmware's frame buffer fb0: /proc/iomem does not "
				     "show its addresses (only root sees them); it is taken for another's\n");
}

/* ---- off and on ------------------------------------------------------------------- */

static void off_and_on(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	assert_int_equal(pvb_console_release(h->ctx, "vtcon1", &h->err), 0);
	assert_string_equal(ft_read(h->t, "sys/class/vtconsole/vtcon1/bind"), "0");
	assert_int_equal(pvb_console_release(h->ctx, "vtcon1", &h->err), 0);
	assert_int_equal(ft_writes(h->t), 1); /* done already: not again */
	assert_int_equal(pvb_console_restore(h->ctx, "vtcon1", &h->err), 0);
	assert_string_equal(ft_read(h->t, "sys/class/vtconsole/vtcon1/bind"), "1");
	assert_int_equal(pvb_console_restore(h->ctx, "vtcon1", &h->err), 0);
	assert_int_equal(ft_writes(h->t), 2);
	assert_int_equal(pvb_console_release(h->ctx, "", &h->err), 0);
	assert_int_equal(pvb_console_restore(h->ctx, "", &h->err), 0);
	assert_int_equal(pvb_console_release(h->ctx, "vtcon7", &h->err), 0); /* gone is off */
	assert_int_equal(ft_writes(h->t), 2);
}

static void failed_writes_are_told(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	ft_fault(h->t, "*vtcon1/bind 0 EBUSY");
	assert_int_equal(pvb_console_release(h->ctx, "vtcon1", &h->err), -EBUSY);
	assert_string_equal(h->err.text, "cannot unbind the console's vtcon1 (/sys/class/vtconsole/vtcon1/bind): Device or resource busy");
	ft_faults_clear(h->t);
	ft_fault(h->t, "*vtcon1/bind 0 lost");
	assert_int_equal(pvb_console_release(h->ctx, "vtcon1", &h->err), -EIO);
	assert_string_equal(h->err.text, "the kernel did not unbind the console's vtcon1, though it took the write to "
					 "/sys/class/vtconsole/vtcon1/bind");
	ft_faults_clear(h->t);
	assert_int_equal(pvb_console_release(h->ctx, "vtcon1", &h->err), 0);
	ft_fault(h->t, "*vtcon1/bind 1 EIO");
	assert_int_equal(pvb_console_restore(h->ctx, "vtcon1", &h->err), -EIO);
	assert_string_equal(h->err.text, "cannot bind the console's vtcon1 (/sys/class/vtconsole/vtcon1/bind): Input/output error");
}

/* What is read and written by one open is what it is now, and where it went away meanwhile that is no vtconsole. */
static void open_bind_is_asked_anew(void **state)
{
	struct host *h = *state;
	char text[8];
	int fd;

	ft_preset_gpu(h->t);
	fd = pvb_sysfs_open(h->ctx, "sys/class/vtconsole/vtcon1/bind");
	assert_true(fd >= 0);
	assert_int_equal(pvb_sysfs_show(fd, text, sizeof(text)), 0);
	assert_string_equal(text, "1");
	assert_int_equal(pvb_sysfs_store(fd, "0"), 0);
	assert_int_equal(pvb_sysfs_show(fd, text, sizeof(text)), 0);
	assert_string_equal(text, "0");
	assert_int_equal(pvb_sysfs_show(fd, text, 1), -ENOBUFS);
	ft_remove(h->t, "sys/class/vtconsole/vtcon1/bind");
	assert_int_equal(pvb_sysfs_show(fd, text, sizeof(text)), -ENOENT);
	close(fd);
	assert_int_equal(pvb_sysfs_open(h->ctx, "sys/class/vtconsole/vtcon1/bind"), -ENOENT);
	/* What is no answer moves nothing. */
	ft_write(h->t, "sys/class/vtconsole/vtcon1/bind", "?\n");
	ft_log_clear(h->t);
	assert_int_equal(pvb_console_release(h->ctx, "vtcon1", &h->err), -EINVAL);
	assert_string_equal(h->err.text, "cannot unbind the console's vtcon1 (/sys/class/vtconsole/vtcon1/bind): Invalid argument");
	assert_int_equal(ft_writes(h->t), 0);
}

static void nothing_to_show_it_on(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	ft_write(h->t, "proc/fb", "");
	assert_int_equal(pvb_console_restore(h->ctx, "vtcon1", &h->err), -ENODEV);
	assert_string_equal(h->err.text,
			    "there is no frame buffer to show the console on: no graphics driver has one now");
	ft_write(h->t, "proc/fb", "0 bochs-drmdrmfb\n");
	ft_remove(h->t, "sys/class/vtconsole/vtcon1");
	assert_int_equal(pvb_console_restore(h->ctx, "vtcon1", &h->err), -ENODEV);
	assert_string_equal(h->err.text, "the kernel has a frame buffer but no console on it (is fbcon loaded?)");
	assert_int_equal(ft_writes(h->t), 0);
}

/* fbcon came back under another number. */
static void another_number_will_do(void **state)
{
	struct host *h = *state;

	ft_preset_gpu(h->t);
	ft_write(h->t, "sys/class/vtconsole/vtcon1/bind", "0\n");
	assert_int_equal(pvb_console_restore(h->ctx, "vtcon4", &h->err), 0);
	assert_string_equal(ft_read(h->t, "sys/class/vtconsole/vtcon1/bind"), "1");
}

/* ---- another way in ------------------------------------------------------------------ */

#define HEAD "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define TAIL " 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0\n"

static void serial_console_is_a_way_in(void **state)
{
	struct host *h = *state;

	ft_remove(h->t, "proc/net");
	ft_write(h->t, "proc/consoles", "tty0                 -WU (EC p  )    4:1\n");
	assert_false(pvb_console_other_way(h->ctx));
	ft_write(h->t, "proc/consoles", "tty0                 -WU (EC p  )    4:1\nttyS0                -W- (EC a  )    4:64\n");
	assert_true(pvb_console_other_way(h->ctx));
}

static void listeners_are_a_way_in(void **state)
{
	struct host *h = *state;

	ft_remove(h->t, "proc/net");
	ft_write(h->t, "proc/consoles", "");
	assert_false(pvb_console_other_way(h->ctx));
	ft_write(h->t, "proc/net/tcp", HEAD "   0: 00000000:0019 00000000:0000 0A" TAIL   /* another port */
		 "   1: 0100007F:0016 00000000:0000 0A" TAIL                               /* for this host alone */
		 "   2: 0A00020F:0016 0A000202:C350 01" TAIL);                             /* a connection */
	assert_false(pvb_console_other_way(h->ctx));
	ft_write(h->t, "proc/net/tcp", HEAD "   0: 00000000:0016 00000000:0000 0A" TAIL);
	assert_true(pvb_console_other_way(h->ctx));
	ft_remove(h->t, "proc/net/tcp");
	ft_write(h->t, "proc/net/tcp6", HEAD "   0: 00000000000000000000000001000000:0016 "
					     "00000000000000000000000000000000:0000 0A" TAIL);
	assert_false(pvb_console_other_way(h->ctx));
	ft_write(h->t, "proc/net/tcp6", HEAD "   0: 00000000000000000000000000000000:1F46 "
					     "00000000000000000000000000000000:0000 0A" TAIL);
	assert_true(pvb_console_other_way(h->ctx));
}

/* A graphics driver that hangs has the locks that these take. Who asked is not kept. */
static void one_that_does_not_answer(void **state)
{
	static const char *const files[] = { "proc/fb", "*/vtcon1/name", "*/vtcon1/bind" };
	struct host *h = *state;

	ft_preset_gpu(h->t);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct pvb_function gpu = function_of(h, GPU);
		const struct pvb_function *list[] = { &gpu };
		int64_t began = pvb_now_ns();
		struct pvb_console console;

		ft_hang_read(h->t, files[i]);
		assert_int_equal(console_look(h, list, 1, &console), -ETIMEDOUT);
		assert_in_range((pvb_now_ns() - began) / 1000000, 1000, 15000);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nor is a child left */
		ft_hang_read(h->t, NULL);
	}
	assert_true(look(h, GPU, AUDIO).all);
}

/* i915 makes its frame buffer after its probe has returned. */
static void waits_for_a_late_frame_buffer(void **state)
{
	struct host *h = *state;
	int64_t began = pvb_now_ns();
	pid_t pid;

	ft_write(h->t, "proc/fb", "");
	ft_mkdir(h->t, "dev");
	assert_int_equal(pvb_console_wait(h->ctx, pvb_now_ns() + 100000000), -ETIMEDOUT);
	pid = fork();
	if (pid == 0) {
		usleep(300000);
		ft_write(h->t, "proc/fb", "0 i915drmfb\n");
		ft_write(h->t, "dev/fb0", "");
		_exit(0);
	}
	assert_int_equal(pvb_console_wait(h->ctx, pvb_now_ns() + 20000000000), 0);
	assert_true(pvb_now_ns() - began < 10000000000);
	waitpid(pid, NULL, 0);
	assert_int_equal(pvb_console_wait(h->ctx, pvb_now_ns()), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(one_card_is_the_console),
		TEST(two_cards_share_it),
		TEST(none_of_the_card_s_is_opened),
		TEST(it_may_be_elsewhere),
		TEST(no_frame_buffer_is_no_console),
		TEST(unbound_is_not_ours),
		TEST(others_are_not_ours),
		TEST(firmware_is_found_by_its_memory),
		TEST(firmware_is_found_by_its_path),
		TEST(hidden_addresses_are_said),
		TEST(off_and_on),
		TEST(failed_writes_are_told), TEST(open_bind_is_asked_anew),
		TEST(nothing_to_show_it_on),
		TEST(another_number_will_do),
		TEST(one_that_does_not_answer),
		TEST(waits_for_a_late_frame_buffer),
		TEST(serial_console_is_a_way_in),
		TEST(listeners_are_a_way_in),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
