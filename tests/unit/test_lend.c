/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lending and taking back on a fake kernel: whole ways, faults at every write, death at every write. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../libbind/lend.h"
#include "faketree.h"

static char said[65536];

static void hear(void *data, enum pvb_level level, const char *line)
{
	size_t n = strlen(said);

	(void)data;
	(void)level;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static struct pvb_ctx *ctx_of(struct ft_tree *t)
{
	struct pvb_ctx *ctx;
	struct pvb_err err;

	assert_int_equal(pvb_ctx_new(&ctx, t->path, &err), 0);
	pvb_ctx_set_log(ctx, hear, NULL);
	*said = '\0';
	return ctx;
}

static struct pvb_request request_of(const char *name, struct pvb_wanted *wanted, const char *addr)
{
	struct pvb_request request = { .wanted = wanted, .num_wanted = 1 };
	struct pvb_err err;

	memset(wanted, 0, sizeof(*wanted));
	assert_int_equal(pvb_addr_parse(addr, &wanted->addr, &err), 0);
	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.label, sizeof(request.label), "VM %s", name);
	pvb_settings_default(&request.settings);
	return request;
}

static void asserted(int got, int want, const char *what)
{
	if (got != want)
		fail_msg("%s gave %d, not %d; it said:\n%s", what, got, want, said);
}

static int lend(struct ft_tree *t, const char *name, const char *addr, struct pvb_err *err)
{
	struct pvb_ctx *ctx = ctx_of(t);
	struct pvb_wanted wanted;
	struct pvb_request request = request_of(name, &wanted, addr);
	int r = pvb_lend(ctx, &request, err);

	pvb_ctx_free(ctx);
	return r;
}

static int take_back(struct ft_tree *t, const char *name, unsigned flags, struct pvb_err *err)
{
	struct pvb_ctx *ctx = ctx_of(t);
	int r = pvb_return(ctx, name, flags, err);

	pvb_ctx_free(ctx);
	return r;
}

static int recover(struct ft_tree *t, struct pvb_err *err)
{
	struct pvb_ctx *ctx = ctx_of(t);
	int r = pvb_recover(ctx, NULL, NULL, err);

	pvb_ctx_free(ctx);
	return r;
}

static struct ft_tree *host_new(void)
{
	struct ft_tree *t = ft_new();

	ft_preset_gpu(t);
	ft_preset_gpu2(t);
	return t;
}

/* Nothing lent, nothing left over: drivers, overrides, console, power, state. */
static void assert_home(struct ft_tree *t)
{
	if (strcmp(ft_driver_of(t, "0000:01:00.0"), "bochs-drm") != 0 || strcmp(ft_driver_of(t, "0000:01:00.1"), "snd_hda_intel") != 0)
		print_error("%s\n%s", said, ft_log(t));
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), "bochs-drm");
	assert_string_equal(ft_driver_of(t, "0000:01:00.1"), "snd_hda_intel");
	assert_string_equal(ft_override(t, "0000:01:00.0"), "(null)");
	assert_string_equal(ft_override(t, "0000:01:00.1"), "(null)");
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
	assert_false(ft_exists(t, "run/pvebind/0000:01:00.0"));
	assert_false(ft_exists(t, "run/pvebind/0000:01:00.1"));
	assert_false(ft_exists(t, "run/pvebind/console"));
	assert_false(ft_exists(t, "run/pvebind/0000:01:00.0.power"));
}

static void lend_and_return(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_err err;

	(void)state;
	asserted(lend(t, "100", "01:00", &err), 0, "lend");
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), "vfio-pci");
	assert_string_equal(ft_driver_of(t, "0000:01:00.1"), "vfio-pci");
	assert_non_null(strstr(said, "VM 100: lent 0000:01:00.0, 0000:01:00.1"));
	/* The console leaves this card before its driver, and is on the other one afterwards. */
	assert_non_null(strstr(said, "the console moves to the other card"));
	assert_true(ft_wrote(t, "*vtcon1/bind", "0") < ft_wrote(t, "*bochs-drm/unbind", "*"));
	assert_true(ft_wrote(t, "*vtcon1/bind", "1") > ft_wrote(t, "*bochs-drm/unbind", "*"));
	assert_string_equal(ft_read(t, "sys/class/vtconsole/vtcon1/bind"), "1");
	/* override before unbind before bind */
	assert_true(ft_wrote(t, "*0000:01:00.0/driver_override", "vfio-pci") < ft_wrote(t, "*bochs-drm/unbind", "*"));
	assert_true(ft_wrote(t, "*bochs-drm/unbind", "*") < ft_wrote(t, "*vfio-pci/bind", "0000:01:00.0"));
	assert_int_equal(ft_wrote(t, "*new_id", "*"), -1);
	asserted(take_back(t, "100", 0, &err), 0, "take_back");
	assert_home(t);
	ft_free(t);
}

static void refused_writes_nothing(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_err err;

	(void)state;
	ft_preset_nvme(t, "/mnt/data");
	asserted(lend(t, "100", "04:00.0", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (host-disk): 0000:04:00.0"));
	assert_non_null(strstr(err.text, "nothing was lent and nothing changed"));
	assert_int_equal(ft_writes(t), 0);
	asserted(lend(t, "101", "01:00", &err), 0, "lend");
	ft_log_clear(t);
	asserted(lend(t, "100", "01:00", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (held): 0000:01:00.0 is lent to VM 101 since"));
	assert_int_equal(ft_writes(t), 0);
	ft_free(t);
}

/* A refusal each, seen by its name and its words. */
static void refusals_named(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_err err;

	(void)state;
	ft_preset_sriov(t, 2);
	asserted(lend(t, "100", "05:00.0", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (sriov-parent): 0000:05:00.0 has 2 virtual functions"));
	ft_free(t);
}

static void no_iommu(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_err err;

	(void)state;
	t->no_iommu = true;
	ft_preset_gpu(t);
	asserted(lend(t, "100", "01:00", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (no-iommu): 0000:01:00.0 is in no IOMMU group: switch VT-d"));
	assert_int_equal(ft_writes(t), 0);
	ft_free(t);
}

static void no_device(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_err err;

	(void)state;
	asserted(lend(t, "100", "66:00", &err), -ENODEV, "lend");
	assert_non_null(strstr(err.text, "no PCI device 0000:66:00 on this host"));
	asserted(lend(t, "100", "00:02.0", &err), -EINVAL, "lend");
	assert_non_null(strstr(err.text, "is a bridge, which cannot be lent"));
	ft_free(t);
}

static void identity(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_ctx *ctx = ctx_of(t);
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00");
	struct pvb_err err;

	(void)state;
	wanted.has_expect = true;
	wanted.expect_vendor = 0x10de;
	wanted.expect_device = 0x24b0;
	snprintf(wanted.origin, sizeof(wanted.origin), "hostpci0");
	asserted(pvb_lend(ctx, &request, &err), -EBUSY, "pvb_lend");
	assert_non_null(strstr(said, "refused (identity): 0000:01:00.0 is 1234:1111:"));
	assert_non_null(strstr(said, "not 10de:24b0 as hostpci0 says"));
	assert_int_equal(ft_writes(t), 0);
	pvb_ctx_free(ctx);
	ft_free(t);
}

static void off_bus(void **state)
{
	struct ft_tree *t = host_new();
	char path[256], ff[65] = "";
	struct pvb_err err;

	(void)state;
	memset(ff, 0xff, sizeof(ff) - 1);
	snprintf(path, sizeof(path), "%.200s/config", ft_device_path(t, "0000:01:00.0"));
	ft_write(t, path, ff);
	asserted(lend(t, "100", "01:00", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (off-bus): 0000:01:00.0 does not answer"));
	assert_int_equal(ft_writes(t), 0);
	ft_free(t);
}

static void group_shared(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_err err;

	(void)state;
	ft_preset_shared(t);
	/* idle: it moves along, and goes home to its own driver */
	asserted(lend(t, "100", "06:01.0", &err), 0, "lend");
	assert_non_null(strstr(said, "0000:06:02.0 moves along: it is in the same IOMMU group"));
	assert_string_equal(ft_driver_of(t, "0000:06:02.0"), "vfio-pci");
	asserted(take_back(t, "100", 0, &err), 0, "take_back");
	assert_string_equal(ft_driver_of(t, "0000:06:02.0"), "e1000");
	assert_string_equal(ft_driver_of(t, "0000:06:01.0"), "");
	/* used by the host: neither goes */
	ft_write(t, "proc/net/route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
				      "eth1\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	ft_log_clear(t);
	asserted(lend(t, "100", "06:01.0", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (host-network): 0000:06:02.0"));
	assert_non_null(strstr(said, "refused (group-shared): 0000:06:01.0 shares IOMMU group 22 with 0000:06:02.0"));
	assert_int_equal(ft_writes(t), 0);
	ft_free(t);
}

static void only_console(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_err err;

	(void)state;
	ft_preset_gpu(t);
	asserted(lend(t, "100", "01:00", &err), 0, "lend");
	assert_non_null(strstr(said, "console off the screen (vtcon1)"));
	assert_true(ft_wrote(t, "*vtcon1/bind", "0") < ft_wrote(t, "*bochs-drm/unbind", "*"));
	asserted(take_back(t, "100", 0, &err), 0, "take_back");
	assert_home(t);
	/* no serial console, and nothing listens */
	ft_write(t, "proc/net/tcp", "");
	ft_log_clear(t);
	asserted(lend(t, "100", "01:00", &err), -EBUSY, "lend");
	assert_non_null(strstr(said, "refused (last-console): the host's only console is on this card"));
	assert_int_equal(ft_writes(t), 0);
	ft_free(t);
}

/* Its driver hangs: to move any card now would hang, too. */
static void silent_console(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_err err;

	(void)state;
	ft_preset_gpu(t);
	ft_hang_read(t, "proc/fb");
	asserted(lend(t, "100", "01:00", &err), -ETIMEDOUT, "lend");
	assert_string_equal(err.text, "the kernel's console does not answer, as a graphics driver of this host hangs in the "
				      "kernel: only a reboot helps");
	assert_int_equal(ft_writes(t), 0);
	assert_false(ft_exists(t, "run/pvebind/100.journal"));
	ft_hang_read(t, NULL);
	asserted(lend(t, "100", "01:00", &err), 0, "lend");
	ft_free(t);
}

static void keep_and_hand_on(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_ctx *ctx = ctx_of(t);
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00");
	struct pvb_err err;

	(void)state;
	request.settings.keep_on_stop = true;
	asserted(pvb_lend(ctx, &request, &err), 0, "pvb_lend");
	asserted(pvb_return(ctx, "100", 0, &err), 0, "pvb_return");
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), "vfio-pci");
	pvb_ctx_free(ctx);
	/* by VM 101: not held, and its home is not forgotten */
	asserted(lend(t, "101", "01:00", &err), 0, "lend");
	assert_non_null(strstr(said, "bringing home first what VM 100 has (kept)"));
	asserted(take_back(t, "101", 0, &err), 0, "take_back");
	assert_home(t);
	ft_free(t);
}

static void fails_home(void **state)
{
	struct ft_tree *t = host_new();
	struct pvb_err err;

	(void)state;
	asserted(lend(t, "100", "01:00", &err), 0, "lend");
	ft_fault(t, "probe snd_hda_intel 0000:01:00.1 fail");
	asserted(take_back(t, "100", 0, &err), -PVB_EATTENTION, "take_back");
	assert_non_null(strstr(said, "0000:01:00.1: snd_hda_intel did not take it (/sys/bus/pci/drivers/snd_hda_intel/bind): Input/output error"));
	assert_non_null(strstr(err.text, "VM 100: not everything is home"));
	assert_non_null(strstr(err.text, "pvebind recover 100"));
	assert_string_equal(ft_driver_of(t, "0000:01:00.0"), "bochs-drm");
	assert_string_equal(ft_override(t, "0000:01:00.1"), "(null)");
	/* the cause is mended */
	ft_faults_clear(t);
	asserted(recover(t, &err), 0, "recover");
	assert_home(t);
	ft_free(t);
}

static void second_function_fails(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_err err;

	(void)state;
	ft_preset_gpu(t);
	ft_fault(t, "probe vfio-pci 0000:01:00.1 fail");
	asserted(lend(t, "100", "01:00", &err), -EIO, "lend");
	assert_non_null(strstr(err.text, "0000:01:00.1: vfio-pci did not take it"));
	assert_home(t);
	ft_free(t);
}

/* Run what with one fault, in a child where it may die. Returns its status, or -1 when it was killed. */
static int in_child(struct ft_tree *t, int (*what)(struct ft_tree *, struct pvb_err *))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct pvb_err err;

		_exit(what(t, &err) == 0 ? 0 : err.code == -PVB_EATTENTION ? 4 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int lend_100(struct ft_tree *t, struct pvb_err *err)
{
	return lend(t, "100", "01:00", err);
}

static int return_100(struct ft_tree *t, struct pvb_err *err)
{
	return take_back(t, "100", 0, err);
}

/* How many writes to sysfs the whole of what makes. */
static int writes_of(int (*before)(struct ft_tree *, struct pvb_err *), int (*what)(struct ft_tree *, struct pvb_err *))
{
	struct ft_tree *t = ft_new();
	struct pvb_err err;
	int n;

	ft_preset_gpu(t);
	if (before)
		assert_int_equal(before(t, &err), 0);
	ft_log_clear(t);
	assert_int_equal(what(t, &err), 0);
	n = ft_writes(t);
	ft_free(t);
	assert_true(n > 6);
	return n;
}

/* Every sysfs write of a lend fails once, with each errno: undone, exit 1, a line that names the errno. */
static void lend_faults(void **state)
{
	static const struct {
		const char *name;
		int code;
	} faults[] = { { "EBUSY", EBUSY }, { "ENODEV", ENODEV }, { "EINVAL", EINVAL },
		       { "EIO", EIO },	   { "EPERM", EPERM },	 { "ENOSPC", ENOSPC } };
	int n = writes_of(NULL, lend_100), failed = 0;

	(void)state;
	for (int i = 1; i <= n; i++) {
		for (size_t f = 0; f < ARRAY_SIZE(faults); f++) {
			struct ft_tree *t = ft_new();
			struct pvb_err err = { .code = 0 };
			int r;

			ft_preset_gpu(t);
			ft_fault(t, "* %s nth=%d", faults[f].name, i);
			r = lend_100(t, &err);
			/* Nor is one of a stage left whose turn never came. */
			assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
			if (r < 0) {
				failed++;
				assert_int_not_equal(r, -PVB_EATTENTION);
				assert_non_null(strstr(err.text, strerror(faults[f].code)));
				assert_home(t);
			} else {
				/* a reset may fail: it is said */
				assert_non_null(strstr(said, "reset"));
				asserted(return_100(t, &err), 0, "return_100");
				assert_home(t);
			}
			ft_free(t);
		}
	}
	assert_true(failed > 6 * 6);
}

/* Death at every write of a lend, before and after its effect: recover brings all home. */
static void lend_deaths(void **state)
{
	int n = writes_of(NULL, lend_100);

	(void)state;
	for (int i = 1; i <= n; i++) {
		for (int after = 0; after < 2; after++) {
			struct ft_tree *t = ft_new();
			struct pvb_err err;

			ft_preset_gpu(t);
			ft_fault(t, "* %s nth=%d", after ? "die-after" : "die", i);
			/* The worker dies and the hook undoes; or it was the hook. Either way: */
			assert_int_not_equal(in_child(t, lend_100), 0);
			ft_faults_clear(t);
			asserted(recover(t, &err), 0, "recover");
			assert_home(t);
			ft_free(t);
		}
	}
}

static void return_deaths(void **state)
{
	int n = writes_of(lend_100, return_100);

	(void)state;
	for (int i = 1; i <= n; i++) {
		for (int after = 0; after < 2; after++) {
			struct ft_tree *t = ft_new();
			struct pvb_err err;

			ft_preset_gpu(t);
			asserted(lend_100(t, &err), 0, "lend_100");
			ft_fault(t, "* %s nth=%d", after ? "die-after" : "die", i);
			assert_int_not_equal(in_child(t, return_100), 0);
			ft_faults_clear(t);
			asserted(recover(t, &err), 0, "recover");
			assert_home(t);
			ft_free(t);
		}
	}
}

/* The plan of a lend is what runs: same operations, same order, and the inverse undoes them backwards. */
static void plan_and_inverse(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_ctx *ctx;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00.0");
	struct pvb_plan *plan;
	struct pvb_err err;
	char words[256];

	(void)state;
	ft_preset_gpu(t);
	ctx = ctx_of(t);
	assert_int_equal(pvb_plan_lend(ctx, &request, &plan, &err), 0);
	assert_int_equal(pvb_plan_num_devices(plan), 2); /* its sound moves along */
	assert_non_null(strstr(pvb_plan_note(plan, 0), "0000:01:00.1 moves along"));
	assert_string_equal(pvb_op_describe(plan, pvb_plan_get(plan, 0), words, sizeof(words)),
			    "take the console off the screen (vtcon1)");
	assert_int_equal(ft_writes(t), 0);
	assert_false(ft_exists(t, "run/pvebind"));
	for (size_t i = 0; i < pvb_plan_count(plan); i++)
		assert_false(pvb_plan_get(plan, i)->undo);
	pvb_plan_free(plan);
	asserted(pvb_lend(ctx, &request, &err), 0, "pvb_lend");
	ft_log_clear(t);
	assert_int_equal(pvb_plan_return(ctx, "100", &plan, &err), 0);
	assert_string_equal(pvb_op_describe(plan, pvb_plan_get(plan, pvb_plan_count(plan) - 1), words, sizeof(words)),
			    "give the console its screen back");
	assert_true(pvb_plan_get(plan, 0)->undo);
	pvb_plan_free(plan);
	assert_int_equal(ft_writes(t), 0);
	pvb_ctx_free(ctx);
	ft_free(t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lend_and_return), cmocka_unit_test(refused_writes_nothing),
		cmocka_unit_test(refusals_named),  cmocka_unit_test(no_iommu),
		cmocka_unit_test(no_device),	   cmocka_unit_test(identity),
		cmocka_unit_test(off_bus),	   cmocka_unit_test(group_shared),
		cmocka_unit_test(silent_console),
		cmocka_unit_test(only_console),	   cmocka_unit_test(keep_and_hand_on),
		cmocka_unit_test(fails_home),	   cmocka_unit_test(second_function_fails),
		cmocka_unit_test(lend_faults),	   cmocka_unit_test(lend_deaths),
		cmocka_unit_test(return_deaths),   cmocka_unit_test(plan_and_inverse),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
