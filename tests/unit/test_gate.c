/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drivers that wait for their users: what is unloaded, in which order, what is refused, and the way back. */
#include <sys/wait.h>

#include "host.h"

#define CARD "0000:07:00.0"
#define OTHER "0000:08:00.0"

/* libkmod looks into the tree; from then on it may act, as its kernel is the fake one. */
static void ctx_renew(struct host *h)
{
	_cleanup_strv_ char **none = NULL;

	pvb_ctx_free(h->ctx);
	assert_int_equal(pvb_ctx_new(&h->ctx, h->t->path, &h->err), 0);
	pvb_ctx_set_log(h->ctx, host_say, h);
	assert_int_equal(pvb_module_lookup(h->ctx, "none", &none, &h->err), 0);
	h->ctx->real_root = true;
	*h->said = '\0';
}

static int gate_setup(void **state)
{
	struct host *h;

	host_setup(state);
	h = *state;
	ft_preset_nvidia(h->t);
	return 0;
}

static struct pvb_settings settings_with(const char *unload)
{
	struct pvb_settings settings;

	pvb_settings_default(&settings);
	snprintf(settings.unload, sizeof(settings.unload), "%s", unload);
	return settings;
}

static int lend_with(struct host *h, const struct pvb_settings *settings, const char *const *addrs, const char *allow)
{
	struct pvb_wanted wanted[4];
	struct pvb_allow allowed = { .name = "driver-gate" };
	struct pvb_request request = { .wanted = wanted, .name = "100", .label = "VM 100", .settings = *settings };

	memset(wanted, 0, sizeof(wanted));
	for (; addrs[request.num_wanted]; request.num_wanted++)
		wanted[request.num_wanted].addr = addr_of(addrs[request.num_wanted]);
	if (allow) {
		allowed.addr = addr_of(allow);
		request.allow = &allowed;
		request.num_allow = 1;
	}
	ctx_renew(h);
	return pvb_lend(h->ctx, &request, &h->err);
}

static int lend_unload(struct host *h, const char *unload)
{
	const struct pvb_settings settings = settings_with(unload);

	return lend_with(h, &settings, (const char *const[]){ CARD, NULL }, NULL);
}

static int lend(struct host *h)
{
	return lend_unload(h, "auto");
}

static int take_back(struct host *h)
{
	ctx_renew(h);
	return pvb_return(h->ctx, "100", PVB_RETURN_HOME, &h->err);
}

static int recover(struct host *h)
{
	ctx_renew(h);
	return pvb_recover(h->ctx, NULL, NULL, &h->err);
}

static void asserted(struct host *h, int got, int want)
{
	if (got != want)
		fail_msg("%d, not %d (%s); it said:\n%s\nand wrote:\n%s", got, want, h->err.text, h->said, ft_log(h->t));
}

static bool loaded(struct host *h, const char *module)
{
	char path[128];

	snprintf(path, sizeof(path), "sys/module/%s", module);
	return ft_exists(h->t, path);
}

/* As it was before: drivers, overrides, modules, no state. */
static void assert_home(struct host *h)
{
	static const char *const family[] = { "nvidia", "nvidia_modeset", "nvidia_drm", "nvidia_uvm" };
	static const char *const state[] = { "100.journal", CARD, CARD ".power", "module.nvidia", "module.nvidia_drm",
					     "module.nvidia_modeset", "module.nvidia_uvm" };
	char path[128];

	if (strcmp(ft_driver_of(h->t, CARD), "nvidia") != 0)
		fail_msg("%s\n%s", h->said, ft_log(h->t));
	assert_string_equal(ft_override(h->t, CARD), "(null)");
	for (size_t i = 0; i < ARRAY_SIZE(family); i++)
		if (!loaded(h, family[i]))
			fail_msg("%s is not loaded; %s\n%s", family[i], h->said, ft_log(h->t));
	assert_string_equal(ft_read(h->t, "sys/module/nvidia/refcnt"), "2");
	for (size_t i = 0; i < ARRAY_SIZE(state); i++) {
		snprintf(path, sizeof(path), "run/pvebind/%s", state[i]);
		if (ft_exists(h->t, path))
			fail_msg("/%s is left", path);
	}
}

/* Refused as driver-gate, with these words, and not a write. */
static void assert_refused(struct host *h, int r, const char *words)
{
	asserted(h, r, -EBUSY);
	assert_has(h->said, "refused (driver-gate): ");
	assert_has(h->said, words);
	assert_int_equal(ft_writes(h->t), 0);
	assert_string_equal(ft_driver_of(h->t, CARD), "nvidia");
}

static void unloaded_and_loaded(void **state)
{
	struct host *h = *state;

	asserted(h, lend(h), 0);
	assert_string_equal(ft_driver_of(h->t, CARD), "vfio-pci");
	assert_false(loaded(h, "nvidia"));
	assert_has(h->said, CARD ": unloaded the module nvidia_drm");
	/* what builds on a module goes before it, and the override before all */
	assert_true(ft_wrote(h->t, "delete_module", "nvidia_drm") < ft_wrote(h->t, "delete_module", "nvidia_modeset"));
	assert_true(ft_wrote(h->t, "delete_module", "nvidia_modeset") < ft_wrote(h->t, "delete_module", "nvidia"));
	assert_true(ft_wrote(h->t, "delete_module", "nvidia_uvm") < ft_wrote(h->t, "delete_module", "nvidia"));
	assert_int_equal(ft_wrote(h->t, "*" CARD "/driver_override", "vfio-pci"), 0);
	assert_int_equal(ft_wrote(h->t, "*drivers/nvidia/unbind", "*"), -1);
	ft_log_clear(h->t);
	asserted(h, take_back(h), 0);
	assert_home(h);
	/* the driver refuses to be loaded while no device may be its own */
	assert_true(ft_wrote(h->t, "*" CARD "/driver_override", "nvidia") < ft_wrote(h->t, "insert_module", "nvidia"));
	assert_true(ft_wrote(h->t, "insert_module", "nvidia") < ft_wrote(h->t, "insert_module", "nvidia_modeset"));
	assert_true(ft_wrote(h->t, "insert_module", "nvidia_modeset") < ft_wrote(h->t, "insert_module", "nvidia_drm"));
	assert_has(h->said, "loaded the module nvidia_uvm again");
}

static void only_what_was_loaded(void **state)
{
	struct host *h = *state;

	ft_remove(h->t, "sys/module/nvidia/holders/nvidia_uvm");
	ft_module_use(h->t, "nvidia", -1);
	assert_int_equal(renameat(h->t->fd, "sys/module/nvidia_uvm", h->t->fd, ".kernel/parked/sys!module!nvidia_uvm"), 0);
	asserted(h, lend(h), 0);
	asserted(h, take_back(h), 0);
	assert_string_equal(ft_driver_of(h->t, CARD), "nvidia");
	assert_true(loaded(h, "nvidia_drm"));
	assert_false(loaded(h, "nvidia_uvm"));
}

/* Unloaded by somebody else since the plan was made: then it is not ours to load again. */
static void not_ours(void **state)
{
	struct host *h = *state;
	struct pvb_home home = { .addr = addr_of(CARD), .driver = "nvidia" };
	const struct pvb_lend lend_of = { .name = "100", .devices = &home, .num_devices = 1 };
	const struct pvb_op op = { .kind = PVB_OP_UNLOAD, .arg = "nvidia_uvm" };
	struct pvb_step step = { .ctx = h->ctx, .lend = &lend_of, .op = &op };

	ctx_renew(h);
	step.ctx = h->ctx;
	assert_int_equal(pvb_state_dir(h->ctx, &h->err), 0);
	assert_int_equal(pvb_module_unload(h->ctx, "nvidia_uvm", &h->err), 0);
	assert_int_equal(pvb_effect_unload(&step, &h->err), 0);
	assert_int_equal(pvb_effect_unload_undo(&step, &h->err), 0);
	assert_false(loaded(h, "nvidia_uvm"));
	/* and what is, is: once */
	assert_int_equal(pvb_module_load(h->ctx, "nvidia_uvm", NULL, &h->err), 0);
	assert_int_equal(pvb_effect_unload(&step, &h->err), 0);
	assert_false(loaded(h, "nvidia_uvm"));
	assert_int_equal(pvb_effect_unload_undo(&step, &h->err), 0);
	assert_true(loaded(h, "nvidia_uvm"));
	assert_false(ft_exists(h->t, "run/pvebind/module.nvidia_uvm"));
}

/* Whatever fails, it was nothing. */
static void failures_undone(void **state)
{
	static const char *const faults[] = {
		"delete_module nvidia_modeset EAGAIN", "delete_module nvidia EBUSY", "delete_module nvidia lost",
		"probe vfio-pci " CARD " fail", "*" CARD "/d3cold_allowed EIO nth=1", "*vfio-pci/bind EIO",
	};
	struct host *h = *state;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		int r;

		ft_fault(h->t, "%s", faults[i]);
		r = lend(h);
		if (r >= 0 || r == -PVB_EATTENTION)
			fail_msg("%s gave %d: %s", faults[i], r, h->said);
		ft_faults_clear(h->t);
		assert_home(h);
	}
}

static void busy_says_who(void **state)
{
	struct host *h = *state;

	/* who comes between the look and the deed */
	ft_fault(h->t, "delete_module nvidia_modeset EAGAIN");
	asserted(h, lend(h), -EAGAIN);
	assert_has(h->err.text, "cannot unload the kernel module nvidia_modeset: it is in use: it is used 0 times");
	assert_home(h);
}

/* Death at every change of a lend and of a return, before and after it: recover brings all home. */
static void deaths(void **state)
{
	struct host *h = *state;
	int n, status;

	for (int way = 0; way < 2; way++) {
		for (int i = 1, died = 1; died; i++) {
			for (n = died = 0; n < 2; n++) {
				pid_t pid;

				if (way)
					asserted(h, lend(h), 0);
				ft_fault(h->t, "* %s nth=%d", n ? "die-after" : "die", i);
				pid = fork();
				assert_true(pid >= 0);
				if (pid == 0)
					_exit((way ? take_back(h) : lend(h)) < 0);
				assert_int_equal(waitpid(pid, &status, 0), pid);
				died += status != 0;
				ft_faults_clear(h->t);
				asserted(h, recover(h), 0);
				if (!died && !way)
					asserted(h, take_back(h), 0);
				assert_home(h);
				ft_log_clear(h->t);
			}
			assert_true(died || i > 8);
		}
	}
}

static void kernel_use(void **state)
{
	struct host *h = *state;

	ft_module_use(h->t, "nvidia_drm", 1);
	assert_refused(h, lend(h), "the module nvidia_drm cannot be unloaded: it is used 1 times, not by another module");
}

/* The console uses nvidia_drm, too, but leaves before it is unloaded. */
static void console_leaves(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted = { .addr = addr_of(CARD) };
	struct pvb_request request = { .wanted = &wanted, .num_wanted = 1, .name = "100", .label = "VM 100" };
	struct pvb_plan *plan;
	bool console = false, unload = false;

	ft_framebuffer(h->t, CARD, "nvidia", "nvidia-drmdrmfb");
	ft_console(h->t, false);
	ft_module_use(h->t, "nvidia_drm", 1);
	request.settings = settings_with("auto");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	assert_false(pvb_plan_refused(plan));
	for (size_t i = 0; i < pvb_plan_count(plan); i++) {
		const struct pvb_op *op = pvb_plan_get(plan, i);

		console = console || op->kind == PVB_OP_CONSOLE;
		unload = unload || op->kind == PVB_OP_UNLOAD;
		assert_true(op->kind != PVB_OP_UNLOAD || console);
	}
	assert_true(unload);
	pvb_plan_free(plan);
}

static void module_above(void **state)
{
	struct host *h = *state;

	ft_module(h->t, "gdrdrv", NULL, "nvidia");
	ft_module_use(h->t, "nvidia_uvm", 1);
	assert_refused(h, lend(h), "which stays loaded as a module that is not of its family uses it");
	ft_module_use(h->t, "nvidia_uvm", -1);
	/* named, it goes */
	asserted(h, lend_unload(h, "gdrdrv nvidia_uvm nvidia_drm nvidia_modeset nvidia"), 0);
	assert_false(loaded(h, "gdrdrv"));
	asserted(h, take_back(h), 0);
	assert_true(loaded(h, "gdrdrv"));
}

/* With a second card on the driver it stays loaded. */
static void other_idle(void **state)
{
	struct host *h = *state;

	ft_preset_nvidia2(h->t);
	asserted(h, lend(h), 0);
	assert_int_equal(ft_wrote(h->t, "delete_module", "*"), -1);
	assert_true(ft_wrote(h->t, "*drivers/nvidia/unbind", CARD) > 0);
	assert_string_equal(ft_driver_of(h->t, OTHER), "nvidia");
	asserted(h, take_back(h), 0);
	assert_home(h);
}

static void other_in_use(void **state)
{
	struct host *h = *state;
	const struct pvb_settings settings = settings_with("auto");

	ft_preset_nvidia2(h->t);
	ft_module_use(h->t, "nvidia", 1);
	ft_process(h->t, 812, "ollama", "/usr/bin/ollama serve", "/dev/nvidia1");
	assert_refused(h, lend(h), CARD " cannot be unbound from nvidia, which stays loaded as " OTHER
				   " uses it, too, while anything uses that: ollama (pid 812, ollama.service) has /dev/nvidia1 open");
	/* and it may be allowed on purpose */
	asserted(h, lend_with(h, &settings, (const char *const[]){ CARD, NULL }, CARD), 0);
	assert_has(h->said, "allowed on purpose (driver-gate)");
	ft_module_use(h->t, "nvidia", -1);
	asserted(h, take_back(h), 0);
	assert_home(h);
}

/* What is stopped before the devices move speaks against nothing. */
static void other_stopped(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted = { .addr = addr_of(CARD) };
	struct pvb_request request = { .wanted = &wanted, .num_wanted = 1, .name = "100", .label = "VM 100" };
	struct pvb_plan *plan;

	ft_preset_nvidia2(h->t);
	ft_module_use(h->t, "nvidia", 1);
	ft_process(h->t, 812, "ollama", "/usr/bin/ollama serve", "/dev/nvidia1");
	request.settings = settings_with("auto");
	request.settings.busy_stop = true;
	snprintf(request.settings.stop_units, sizeof(request.settings.stop_units), "ollama.service");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	assert_false(pvb_plan_refused(plan));
	pvb_plan_free(plan);
	snprintf(request.settings.stop_units, sizeof(request.settings.stop_units), "other.service");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	assert_true(pvb_plan_refused(plan));
	pvb_plan_free(plan);
}

static void other_use_unknown(void **state)
{
	struct host *h = *state;

	ft_preset_nvidia2(h->t);
	ft_module_use(h->t, "nvidia", 1);
	assert_refused(h, lend(h), "it is in use, but no process can be found that does");
}

static void other_and_modeset(void **state)
{
	struct host *h = *state;

	ft_preset_nvidia2(h->t);
	ft_write(h->t, "sys/module/nvidia_drm/parameters/modeset", "Y\n");
	assert_refused(h, lend(h), "which stays loaded as " OTHER " uses it, too: nvidia_drm was loaded with modeset=1");
	ft_write(h->t, "sys/module/nvidia_drm/parameters/modeset", "N\n");
	ft_write(h->t, "sys/module/nvidia_drm/parameters/fbdev", "Y\n");
	assert_refused(h, lend(h), "nvidia_drm was loaded with fbdev=1, holds every card");
	/* nvidia_drm gone, it is no more in the way */
	asserted(h, lend_unload(h, "nvidia_drm"), 0);
	assert_true(loaded(h, "nvidia"));
	assert_false(loaded(h, "nvidia_drm"));
	asserted(h, take_back(h), 0);
	assert_home(h);
}

static void both_lent(void **state)
{
	struct host *h = *state;
	const struct pvb_settings settings = settings_with("auto");

	ft_preset_nvidia2(h->t);
	ft_write(h->t, "sys/module/nvidia_drm/parameters/modeset", "Y\n");
	asserted(h, lend_with(h, &settings, (const char *const[]){ CARD, OTHER, NULL }, NULL), 0);
	assert_false(loaded(h, "nvidia"));
	assert_string_equal(ft_driver_of(h->t, OTHER), "vfio-pci");
	assert_true(ft_wrote(h->t, "*" OTHER "/driver_override", "vfio-pci") < ft_wrote(h->t, "delete_module", "*"));
	asserted(h, take_back(h), 0);
	assert_home(h);
	assert_string_equal(ft_driver_of(h->t, OTHER), "nvidia");
	assert_string_equal(ft_override(h->t, OTHER), "(null)");
	/* and when the last step fails for one of them */
	ft_fault(h->t, "probe vfio-pci " OTHER " fail");
	asserted(h, lend_with(h, &settings, (const char *const[]){ CARD, OTHER, NULL }, NULL), -EIO);
	assert_home(h);
	assert_string_equal(ft_driver_of(h->t, OTHER), "nvidia");
}

static void unload_none(void **state)
{
	struct host *h = *state;

	asserted(h, lend_unload(h, "none"), 0);
	assert_int_equal(ft_wrote(h->t, "delete_module", "*"), -1);
	asserted(h, take_back(h), 0);
	assert_home(h);
	ft_log_clear(h->t);
	ft_write(h->t, "sys/module/nvidia_drm/parameters/modeset", "Y\n");
	assert_refused(h, lend_unload(h, "none"), "which stays loaded with unload = none: nvidia_drm was loaded with modeset=1");
}

static void unload_names(void **state)
{
	struct host *h = *state;

	assert_refused(h, lend_unload(h, "nvidia_modeset"), "the module nvidia_modeset cannot be unloaded: the module nvidia_drm uses it");
	asserted(h, lend_unload(h, "i2c_nvidia_gpu nvidia_drm nvidia_modeset"), 0);
	assert_true(loaded(h, "nvidia_uvm"));
	assert_false(loaded(h, "nvidia_modeset"));
	asserted(h, take_back(h), 0);
	assert_home(h);
	ft_log_clear(h->t);
	ft_preset_nvidia2(h->t);
	assert_refused(h, lend_unload(h, "nvidia_uvm nvidia_drm nvidia_modeset nvidia"),
		       "the module nvidia is not unloaded: " OTHER ", which is not lent, uses it");
}

/* It goes home to no driver: then nvidia has no device, and does not load. */
static void home_none(void **state)
{
	struct host *h = *state;
	struct pvb_settings settings = settings_with("auto");

	snprintf(settings.host_driver, sizeof(settings.host_driver), "none");
	asserted(h, lend_with(h, &settings, (const char *const[]){ CARD, NULL }, NULL), 0);
	asserted(h, take_back(h), 0);
	assert_string_equal(ft_driver_of(h->t, CARD), "");
	assert_string_equal(ft_override(h->t, CARD), "(null)");
	assert_false(loaded(h, "nvidia"));
	assert_has(h->said, "the module nvidia stays unloaded: it found nothing to drive");
	assert_false(ft_exists(h->t, "run/pvebind/100.journal"));
}

static void loading_fails(void **state)
{
	struct host *h = *state;

	asserted(h, lend(h), 0);
	ft_fault(h->t, "insert_module nvidia_uvm ENOEXEC");
	asserted(h, take_back(h), -PVB_EATTENTION);
	assert_has(h->said, "cannot load the kernel module nvidia_uvm: it was built for another kernel; it was loaded before the lend: load it by hand (modprobe nvidia_uvm)");
	assert_string_equal(ft_driver_of(h->t, CARD), "nvidia");
	assert_true(loaded(h, "nvidia_drm"));
	ft_faults_clear(h->t);
	asserted(h, recover(h), 0);
	assert_home(h);
}

/* The last look before the driver's remove(), which would not come back. */
static void checked_before_unbind(void **state)
{
	struct host *h = *state;
	const struct pvb_addr addr = addr_of(CARD);
	struct pvb_home home = { .addr = addr };
	const struct pvb_lend lend_of = { .devices = &home, .num_devices = 1 };

	ctx_renew(h);
	ft_process(h->t, 812, "ollama", "/usr/bin/ollama serve", "/dev/nvidia0");
	/* nobody is counted, so nobody is looked for */
	assert_int_equal(pvb_gate_check(h->ctx, &lend_of, &addr, "nvidia", &h->err), 0);
	ft_module_use(h->t, "nvidia", 1);
	assert_int_equal(pvb_gate_check(h->ctx, &lend_of, &addr, "nvidia", &h->err), -EBUSY);
	assert_string_equal(h->err.text, "not unbound from nvidia, which would hang until it is closed: ollama (pid 812, ollama.service) has /dev/nvidia0 open; stop that first");
	/* by what all cards share, it is another that is used, if there is one */
	ft_remove(h->t, "proc/812");
	ft_process(h->t, 813, "ollama", "/usr/bin/ollama serve", "/dev/nvidiactl");
	assert_int_equal(pvb_gate_check(h->ctx, &lend_of, &addr, "nvidia", &h->err), -EBUSY);
	ft_preset_nvidia2(h->t);
	assert_int_equal(pvb_gate_check(h->ctx, &lend_of, &addr, "nvidia", &h->err), 0);
	/* other drivers let go */
	assert_int_equal(pvb_gate_check(h->ctx, &lend_of, &addr, "bochs-drm", &h->err), 0);
}

/* A process with the lent card open is the judge's to name; the gate says nothing more. */
static void held_is_held(void **state)
{
	struct host *h = *state;

	ft_module_use(h->t, "nvidia", 1);
	ft_process(h->t, 812, "ollama", "/usr/bin/ollama serve", "/dev/nvidia0");
	asserted(h, lend(h), -EBUSY);
	assert_has(h->said, "refused (held): " CARD);
	assert_has_not(h->said, "driver-gate");
	assert_int_equal(ft_writes(h->t), 0);
}

int main(int argc, char **argv)
{
#define GATE_TEST(f) cmocka_unit_test_setup_teardown(f, gate_setup, host_teardown)
	const struct CMUnitTest tests[] = {
		GATE_TEST(unloaded_and_loaded), GATE_TEST(only_what_was_loaded), GATE_TEST(failures_undone),
		GATE_TEST(busy_says_who),	GATE_TEST(deaths),		 GATE_TEST(kernel_use),
		GATE_TEST(module_above),	GATE_TEST(other_idle),		 GATE_TEST(other_in_use),
		GATE_TEST(other_use_unknown),	GATE_TEST(other_and_modeset),	 GATE_TEST(both_lent),
		GATE_TEST(unload_none),		GATE_TEST(unload_names),	 GATE_TEST(home_none),
		GATE_TEST(loading_fails),	GATE_TEST(checked_before_unbind), GATE_TEST(held_is_held),
		GATE_TEST(console_leaves),	GATE_TEST(not_ours),
		GATE_TEST(other_stopped),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
