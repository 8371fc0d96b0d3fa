/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways home that are not the usual one: after faults, with odd settings, with damaged state. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "../../libbind/internal.h"
#include "faketree.h"

static char said[65536];
static struct ft_tree *t;
static struct pvb_ctx *ctx;
static struct pvb_err err;

static void hear(void *data, enum pvb_level level, const char *line)
{
	size_t n = strlen(said);

	(void)data;
	(void)level;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static int host_up(void **state)
{
	(void)state;
	t = ft_new();
	ft_preset_gpu(t);
	if (pvb_ctx_new(&ctx, t->path, &err) < 0)
		return -1;
	pvb_ctx_set_log(ctx, hear, NULL);
	*said = '\0';
	return 0;
}

static int host_down(void **state)
{
	(void)state;
	pvb_ctx_free(ctx);
	ft_free(t);
	return 0;
}

static void setting_none(struct pvb_settings *s) { snprintf(s->host_driver, sizeof(s->host_driver), "none"); }
static void setting_keep(struct pvb_settings *s) { s->keep_on_stop = true; }
static void setting_console(struct pvb_settings *s) { s->keep_console = true; }
static void setting_usual(struct pvb_settings *s) { (void)s; }

static int lend(const char *name, void (*set)(struct pvb_settings *))
{
	struct pvb_wanted wanted = { .addr = { 0, 1, 0, PVB_FN_ALL } };
	struct pvb_request request = { .wanted = &wanted, .num_wanted = 1 };

	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.label, sizeof(request.label), "VM %s", name);
	pvb_settings_default(&request.settings);
	set(&request.settings);
	return pvb_lend(ctx, &request, &err);
}

static void gives(int got, int want)
{
	if (got != want)
		fail_msg("gave %d, not %d; it said:\n%s", got, want, said);
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

static void host_driver_none(void **state)
{
	(void)state;
	gives(lend("100", setting_none), 0);
	on("vfio-pci", "vfio-pci");
	gives(pvb_return(ctx, "100", 0, &err), 0);
	on("", "");
	says("home without a driver");
}

/* A lend that fails goes back to what was, also where its end would have been another. */
static void host_driver_none_fails(void **state)
{
	(void)state;
	ft_fault(t, "probe vfio-pci 0000:01:00.1 fail");
	gives(lend("100", setting_none), -EIO);
	on("bochs-drm", "snd_hda_intel");
}

/* on-stop = keep does not keep half a lend. */
static void keep_only_whole(void **state)
{
	(void)state;
	gives(lend("100", setting_keep), 0);
	ft_fault(t, "probe snd_hda_intel 0000:01:00.1 fail");
	gives(pvb_return(ctx, "100", PVB_RETURN_HOME, &err), -PVB_EATTENTION);
	ft_faults_clear(t);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* The card's driver refuses it: the console waits for it, and comes with recover. */
static void console_waits(void **state)
{
	(void)state;
	ft_free(t);
	t = ft_new();
	ft_console(t, true);
	ft_preset_gpu(t);
	pvb_ctx_free(ctx);
	gives(pvb_ctx_new(&ctx, t->path, &err), 0);
	pvb_ctx_set_log(ctx, hear, NULL);
	gives(lend("100", setting_usual), 0);
	ft_fault(t, "probe bochs-drm 0000:01:00.0 fail");
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	ft_faults_clear(t);
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
}

/* That the boot's id cannot be read does not mean that there was another boot. */
static void boot_id_unknown(void **state)
{
	(void)state;
	gives(lend("100", setting_usual), 0);
	ft_remove(t, "proc/sys/kernel/random/boot_id");
	gives(pvb_return(ctx, "100", 0, &err), 0);
	on("bochs-drm", "snd_hda_intel");
}

static void other_boot(void **state)
{
	(void)state;
	gives(lend("100", setting_usual), 0);
	ft_write(t, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
	ft_log_clear(t);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	assert_int_equal(ft_writes(t), 0);
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* Another lend's journal that cannot be read still holds its devices. */
static void damaged_journal_holds(void **state)
{
	(void)state;
	gives(lend("100", setting_usual), 0);
	ft_write(t, "run/pvebind/100.journal", "00000000 nonsense\n");
	ft_log_clear(t);
	gives(lend("101", setting_usual), -EBUSY);
	says("refused (held): 0000:01:00.0 is lent to 100: cannot read the journal /run/pvebind/100.journal");
	assert_int_equal(ft_writes(t), 0);
	gives(pvb_return(ctx, "100", 0, &err), -EBADMSG);
	says("it is damaged; bring its devices home by hand (lspci -nnk shows them), then remove that file");
	ft_write(t, "run/pvebind/100.journal", "");
	gives(pvb_return(ctx, "100", 0, &err), -EBADMSG);
}

static void other_format(void **state)
{
	char buf[PVB_LINE_MAX];
	struct pvb_line line;

	(void)state;
	gives(lend("100", setting_usual), 0);
	pvb_line_start(&line, buf, sizeof(buf), "lend");
	pvb_line_number(&line, "format", 99);
	gives(pvb_line_finish(&line), 0);
	line.text[line.size] = '\0';
	ft_write(t, "run/pvebind/100.journal", line.text);
	gives(pvb_return(ctx, "100", 0, &err), -EPROTO);
	says("was written by another version of pvebind");
}

/* A torn last record, as of a writer killed in it: what came before it counts. */
static void torn_record(void **state)
{
	char text[32768];

	(void)state;
	gives(lend("100", setting_usual), 0);
	snprintf(text, sizeof(text), "%s\n01234567 outco", ft_read(t, "run/pvebind/100.journal"));
	ft_write(t, "run/pvebind/100.journal", text);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	on("bochs-drm", "snd_hda_intel");
}

/* A lend that is refused for another reason brings nobody else's kept card home. */
static void refused_moves_nobody(void **state)
{
	struct pvb_wanted wanted = { .addr = { 0, 1, 0, PVB_FN_ALL } };
	struct pvb_request request = { .name = "101", .label = "VM 101", .wanted = &wanted, .num_wanted = 1 };

	(void)state;
	gives(lend("100", setting_keep), 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	on("vfio-pci", "vfio-pci");
	ft_log_clear(t);
	pvb_settings_default(&request.settings);
	gives(pvb_refuse(&request.refusals, "disabled", NULL, "switched off"), 0);
	gives(pvb_lend(ctx, &request, &err), -EBUSY);
	pvb_refusals_clear(&request.refusals);
	assert_int_equal(ft_writes(t), 0);
	assert_true(ft_exists(t, "run/pvebind/100.journal"));
}

static void console_keep_is_no_permission(void **state)
{
	(void)state;
	ft_write(t, "proc/net/tcp", "");
	gives(lend("100", setting_console), -EBUSY);
	says("refused (last-console)");
	assert_int_equal(ft_writes(t), 0);
}

/* console = keep writes to no vtconsole, until one has been bound by hand: then the kernel would die of not being told. */
static void console_keep_while_safe(void **state)
{
	(void)state;
	gives(lend("100", setting_console), 0);
	assert_int_equal(ft_wrote(t, "*vtconsole*", "*"), -1);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	assert_int_equal(ft_wrote(t, "*vtconsole*", "*"), -1);
	gives(lend("100", setting_usual), 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	ft_log_clear(t);
	gives(lend("100", setting_console), 0);
	assert_true(ft_wrote(t, "*vtcon1/bind", "0") >= 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
}

/* vfio-pci changes the power settings as it goes: they are put back after that, not before. */
static void stays_as_it_is_on_vfio(void **state)
{
	(void)state;
	ft_write(t, "sys/bus/pci/devices/0000:01:00.0/power/control", "auto");
	gives(lend("100", setting_usual), 0);
	ft_fault(t, "*vfio-pci/unbind 0000:01:00.0 EPERM");
	ft_log_clear(t);
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	says("vfio-pci does not let it go");
	on("vfio-pci", "snd_hda_intel");
	assert_int_equal(ft_wrote(t, "*0000:01:00.0/power/control", "*"), -1);
	ft_faults_clear(t);
	gives(pvb_recover(ctx, "100", NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_true(ft_wrote(t, "*0000:01:00.0/power/control", "auto") > ft_wrote(t, "*vfio-pci/unbind", "0000:01:00.0"));
	assert_string_equal(ft_override(t, "0000:01:00.0"), "(null)");
}

/* What came home before the rest is no part of the lend any more: another may have it by now. */
static void home_is_anothers(void **state)
{
	struct pvb_wanted both[] = { { .addr = { 0, 1, 0, PVB_FN_ALL } }, { .addr = { 0, 3, 0, 0 } } };
	struct pvb_request request = { .name = "100", .label = "VM 100", .wanted = both, .num_wanted = 2 };
	struct pvb_request other = { .name = "101", .label = "VM 101", .wanted = both + 1, .num_wanted = 1 };

	(void)state;
	ft_preset_nic(t, false);
	pvb_settings_default(&request.settings);
	pvb_settings_default(&other.settings);
	gives(pvb_lend(ctx, &request, &err), 0);
	ft_fault(t, "probe snd_hda_intel 0000:01:00.1 fail");
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	assert_string_equal(ft_driver_of(t, "0000:03:00.0"), "e1000e");
	gives(pvb_lend(ctx, &other, &err), 0);
	ft_process(t, 4242, "kvm", "/usr/bin/kvm -id 101", "/dev/vfio/17");
	ft_faults_clear(t);
	ft_log_clear(t);
	gives(pvb_recover(ctx, "100", NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_string_equal(ft_driver_of(t, "0000:03:00.0"), "vfio-pci");
	assert_int_equal(ft_wrote(t, "*0000:03:00.0*", "*"), -1);
	assert_int_equal(ft_wrote(t, "*", "0000:03:00.0"), -1);
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
	gives(pvb_return(ctx, "101", 0, &err), 0);
	assert_string_equal(ft_driver_of(t, "0000:03:00.0"), "e1000e");
}

/* A lend that never came to be goes back to what was, also when its undo took two tries. */
static void undo_in_two_tries(void **state)
{
	(void)state;
	ft_fault(t, "*vfio-pci/bind 0000:01:00.1 EIO");
	ft_fault(t, "probe bochs-drm 0000:01:00.0 fail");
	gives(lend("100", setting_none), -PVB_EATTENTION);
	on("", "snd_hda_intel");
	/* The one sentence tells both, what to look after first. */
	says("0000:01:00.0: bochs-drm did not take it");
	assert_non_null(strstr(err.text, "0000:01:00.0"));
	assert_non_null(strstr(err.text, "; it began with: 0000:01:00.1: vfio-pci did not take it (/sys/bus/pci/drivers/vfio-pci/bind): Input/output error"));
	ft_faults_clear(t);
	gives(pvb_recover(ctx, "100", NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

/* What the kernel says after a write counts, not that it took the write. */
static void override_that_is_lost(void **state)
{
	(void)state;
	ft_fault(t, "*0000:01:00.0/driver_override vfio-pci lost");
	gives(lend("100", setting_none), -EIO);
	says("0000:01:00.0: /sys/bus/pci/devices/0000:01:00.0/driver_override says '' after 'vfio-pci' was written");
	on("bochs-drm", "snd_hda_intel");
	ft_faults_clear(t);
	ft_remove(t, "sys/bus/pci/devices/0000:01:00.0/driver_override");
	/* An override that cannot be written cannot be cleared either, which somebody has to know. */
	gives(lend("100", setting_none), -PVB_EATTENTION);
	says("0000:01:00.0: cannot read /sys/bus/pci/devices/0000:01:00.0/driver_override: No such file or directory");
	on("bochs-drm", "snd_hda_intel");
}

/* However few descriptors a way home had: what it could not do is known, and done by who comes next. */
static void too_few_descriptors(void **state)
{
	struct rlimit usual, few;
	unsigned failures = 0;
	int r = -1;
	(void)state;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	for (rlim_t n = 4; r < 0 && n < 64; n++) {
		gives(lend("100", setting_usual), 0);
		few = (struct rlimit){ n, usual.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = pvb_return(ctx, "100", 0, &err);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
		failures += r < 0;
		gives(pvb_recover(ctx, NULL, NULL, &err), 0);
		if (ft_exists(t, "run/pvebind/100.journal")) /* it had not even begun, so that there is nothing to recover */
			gives(pvb_return(ctx, "100", 0, &err), 0);
		on("bochs-drm", "snd_hda_intel");
		*said = '\0';
	}
	assert_int_equal(r, 0);
	assert_true(failures > 4);
}

static void recover_nothing(void **state)
{
	unsigned n = 7;

	(void)state;
	gives(pvb_recover(ctx, "100", &n, &err), 0);
	assert_int_equal(n, 0);
	gives(pvb_recover(ctx, NULL, &n, &err), 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	says("nothing is lent");
}

/* A reset by hand that does nothing is a failure. */
static void reset_fails(void **state)
{
	struct pvb_addr slot = { 0, 1, 0, PVB_FN_ALL };

	(void)state;
	gives(pvb_reset(ctx, &slot, "auto", false, &err), -EBUSY);
	says("is in use by the host's bochs-drm: lend it first");
	gives(lend("100", setting_none), 0);
	gives(pvb_return(ctx, "100", 0, &err), 0);
	gives(pvb_reset(ctx, &slot, "auto", false, &err), -ENOTTY);
	says("to be reset as a whole it must be on vfio-pci");
	gives(pvb_reset(ctx, &slot, "hammer", false, &err), -EINVAL);
	says("'hammer' is no way to reset");
}

/* A stuck device is touched by nobody: neither lent, nor brought home, nor does it keep the other away. */
static void stuck_left_alone(void **state)
{
	struct pvb_addr display = { 0, 1, 0, 0 };
	char path[64];

	(void)state;
	gives(lend("100", setting_usual), 0);
	snprintf(path, sizeof(path), "proc/%d/stat", (int)getpid());
	ft_write(t, path, "1 (x) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0\n");
	gives(pvb_stuck_mark(ctx, &display, (int)getpid(), "wait_for_ever"), 0);
	ft_log_clear(t);
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	says("0000:01:00.0: hangs in the kernel since an earlier try, in wait_for_ever");
	assert_int_equal(ft_wrote(t, "*0000:01:00.0*", "*"), -1);
	on("vfio-pci", "snd_hda_intel");
	gives(lend("101", setting_usual), -EBUSY);
	says("refused (stuck): 0000:01:00.0 hangs in the kernel");
	ft_log_clear(t);
	gives(pvb_reset(ctx, &display, "auto", false, &err), -EBUSY);
	says("0000:01:00.0 hangs in the kernel since an earlier try, in wait_for_ever");
	assert_int_equal(ft_writes(t), 0);
	/* its worker has come back */
	ft_remove(t, path);
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
}

/* A module is the host's: that it does not load again is told, also when the device that it was unloaded for is gone. */
/* Neither is taken for none: what may hang is not touched, what may be lent is not forgotten. */
static void unreadable_mark_and_record(void **state)
{
	char record[256];

	(void)state;
	ft_link(t, "run/pvebind/0000:01:00.0.stuck", "nowhere");
	gives(lend("100", setting_usual), -EBUSY);
	says("refused (stuck): 0000:01:00.0 hangs in the kernel since an earlier try, in an unknown call (cannot read "
	     "/run/pvebind/0000:01:00.0.stuck: Too many levels of symbolic links)");
	assert_int_equal(ft_writes(t), 0);
	ft_remove(t, "run/pvebind/0000:01:00.0.stuck");
	gives(lend("100", setting_usual), 0);
	ft_fault(t, "probe snd_hda_intel 0000:01:00.1 fail");
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	ft_faults_clear(t);
	snprintf(record, sizeof(record), "%s\n", ft_read(t, "run/pvebind/0000:01:00.1"));
	ft_remove(t, "run/pvebind/0000:01:00.1");
	ft_link(t, "run/pvebind/0000:01:00.1", "nowhere");
	assert_true(pvb_recover(ctx, NULL, NULL, &err) < 0);
	assert_true(ft_exists(t, "run/pvebind/100.journal"));
	ft_remove(t, "run/pvebind/0000:01:00.1");
	ft_write(t, "run/pvebind/0000:01:00.1", record);
	gives(pvb_recover(ctx, NULL, NULL, &err), 0);
	on("bochs-drm", "snd_hda_intel");
}

static void gone_device_hides_no_module(void **state)
{
	struct pvb_wanted wanted = { .addr = { 0, 7, 0, 0 } };
	struct pvb_request request = { .name = "100", .label = "VM 100", .wanted = &wanted, .num_wanted = 1 };
	char **none;

	(void)state;
	ft_preset_nvidia(t);
	/* libkmod looks into the tree; from then on it may act, as its kernel is the fake one. */
	gives(pvb_module_lookup(ctx, "none", &none, &err), 0);
	pvb_strv_free(none);
	ctx->real_root = true;
	pvb_settings_default(&request.settings);
	gives(pvb_lend(ctx, &request, &err), 0);
	assert_true(ft_wrote(t, "delete_module", "nvidia") >= 0);
	ft_remove(t, "sys/bus/pci/devices/0000:07:00.0");
	ft_fault(t, "insert_module nvidia EIO");
	gives(pvb_return(ctx, "100", 0, &err), -PVB_EATTENTION);
	says("it was loaded before the lend: load it by hand (modprobe nvidia)");
	ft_faults_clear(t);
	gives(pvb_recover(ctx, "100", NULL, &err), 0);
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, host_up, host_down)
	const struct CMUnitTest tests[] = {
		CASE(host_driver_none),	  CASE(host_driver_none_fails), CASE(keep_only_whole),
		CASE(console_waits),	  CASE(boot_id_unknown),	CASE(other_boot),
		CASE(damaged_journal_holds), CASE(other_format),	CASE(torn_record),
		CASE(refused_moves_nobody), CASE(console_keep_is_no_permission), CASE(console_keep_while_safe), CASE(too_few_descriptors), CASE(recover_nothing),
		CASE(stays_as_it_is_on_vfio), CASE(home_is_anothers), CASE(undo_in_two_tries), CASE(override_that_is_lost), CASE(reset_fails),	  CASE(stuck_left_alone),
		CASE(unreadable_mark_and_record), CASE(gone_device_hides_no_module),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
