/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names from pci.ids, and modules: what can be said of both without touching the machine. */
#include "host.h"

static struct pvb_function ids(uint16_t vendor, uint16_t device, uint32_t class_code)
{
	return (struct pvb_function){ .vendor = vendor, .device = device, .class_code = class_code };
}

static const char *name(struct host *h, uint16_t vendor, uint16_t device)
{
	static char buf[256];
	struct pvb_function fn = ids(vendor, device, 0);

	return pvb_name(h->ctx, &fn, buf, sizeof(buf));
}

static const char *class_name(struct host *h, uint32_t class_code)
{
	static char buf[256];
	struct pvb_function fn = ids(0, 0, class_code);

	pvb_class_name(h->ctx, &fn, buf, sizeof(buf));
	return buf;
}

static void devices_have_names(void **state)
{
	assert_string_equal(name(*state, 0x8086, 0x10d3), "Intel Corporation 82574L Gigabit Network Connection");
	assert_string_equal(name(*state, 0x8086, 0x10d3), "Intel Corporation 82574L Gigabit Network Connection");
}

static void new_devices_have_a_vendor(void **state)
{
	assert_string_equal(name(*state, 0x8086, 0xfffe), "Intel Corporation Device fffe");
}

static void unknown_is_empty(void **state)
{
	assert_string_equal(name(*state, 0xfff0, 0x0001), "");
	assert_string_equal(class_name(*state, 0xfe0000), "");
}

static void classes_have_names(void **state)
{
	assert_string_equal(class_name(*state, 0x030000), "VGA compatible controller");
	assert_string_equal(class_name(*state, 0x010802), "Non-Volatile memory controller");
}

/* A name that does not fit is none, never one without its end. */
static void small_buffers_are_safe(void **state)
{
	struct pvb_function fn = ids(0x8086, 0x10d3, 0x020000);
	struct host *h = *state;
	char buf[8];

	memset(buf, 'x', sizeof(buf));
	pvb_name(h->ctx, &fn, buf, sizeof(buf));
	assert_true(strnlen(buf, sizeof(buf)) < sizeof(buf));
	pvb_class_name(h->ctx, &fn, buf, sizeof(buf));
	assert_true(strnlen(buf, sizeof(buf)) < sizeof(buf));
}

static void done_twice_is_done(void **state)
{
	struct host *h = *state;

	(void)name(h, 0x8086, 0x10d3);
	h->ctx->pci_free(h->ctx);
	h->ctx->pci_free(h->ctx);
	assert_string_equal(name(h, 0x8086, 0xfffe), "Intel Corporation Device fffe");
}

/* ---- modules ------------------------------------------------------------------------ */

static void loaded_modules_are_seen(void **state)
{
	struct host *h = *state;
	bool loaded = true;

	ft_write(h->t, "sys/module/vfio_pci/initstate", "live\n");
	assert_int_equal(pvb_module_load(h->ctx, "vfio-pci", &loaded, &h->err), 0);
	assert_false(loaded);
	ft_mkdir(h->t, "sys/module/pcieport"); /* built in: no initstate */
	assert_int_equal(pvb_module_load(h->ctx, "pcieport", NULL, &h->err), 0);
	assert_null(h->ctx->kmod); /* libkmod was not asked for any of it */
}

static void missing_modules_are_told(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "sys/module/going/initstate", "going\n");
	assert_int_equal(pvb_module_load(h->ctx, "going", NULL, &h->err), -ENOENT);
	assert_int_equal(pvb_module_load(h->ctx, "vfio-pci", NULL, &h->err), -ENOENT);
	assert_string_equal(h->err.text,
			    "cannot load the kernel module vfio-pci: it, or one it needs, is not among this kernel's modules");
}

/* The tree's modules, not the machine's. */
static void lookup_without_modules_is_empty(void **state)
{
	struct host *h = *state;
	char **modules;

	assert_int_equal(pvb_module_lookup(h->ctx, "pci:v00008086d000010D3sv0sd0bc02sc00i00", &modules, &h->err), 0);
	assert_null(modules[0]);
	pvb_strv_free(modules);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(devices_have_names),
		TEST(new_devices_have_a_vendor),
		TEST(unknown_is_empty),
		TEST(classes_have_names),
		TEST(small_buffers_are_safe),
		TEST(done_twice_is_done),
		TEST(loaded_modules_are_seen),
		TEST(missing_modules_are_told),
		TEST(lookup_without_modules_is_empty),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
