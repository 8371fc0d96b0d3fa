/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names from pci.ids, and modules: what can be said of both without touching the machine. */
#include <dlfcn.h>
#include <pci/pci.h>

#include "../../libbind/ids.h"
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

/* ---- pci.ids, searched in place ------------------------------------------------------- */

static const char ids_text[] =
	"# a comment\n\n"
	"0001  First\n"
	"0010  Alone\n"
	"# 0011  commented out\n"
	"8086  Intel Corporation\n"
	"\t0001  One\n"
	"\t\t1028 0001  A subsystem\n"
	"# between\n"
	"\t10d30  too long\n"
	"\t10d3  82574L\r\n"
	"fffe  Last\n"
	"\tffff  No vendor's\n"
	"C 02  Network controller\n"
	"\t00  Ethernet controller\n"
	"\t\t00  An interface\n"
	"C 03  Display controller\n"
	"\t00  VGA compatible controller";

static const char *ids_device(const struct pvb_ids *ids, uint16_t vendor, uint16_t device)
{
	static char buf[64];

	return pvb_ids_device(ids, vendor, device, buf, sizeof(buf)) ? buf : "";
}

static void ids_are_found_in_place(void **state)
{
	char path[PATH_MAX + 32], buf[64];
	struct host *h = *state;
	struct pvb_ids ids;

	ft_write(h->t, "pci.ids", ids_text);
	snprintf(path, sizeof(path), "%s/pci.ids.gz", h->t->path);
	assert_int_equal(pvb_ids_open(&ids, path), 0); /* as libpci: there is no packed one */
	assert_string_equal(ids_device(&ids, 0x8086, 0x0001), "Intel Corporation One");
	assert_string_equal(ids_device(&ids, 0x8086, 0x10d3), "Intel Corporation 82574L");
	assert_string_equal(ids_device(&ids, 0x8086, 0x1028), ""); /* of a subsystem */
	assert_string_equal(ids_device(&ids, 0x8086, 0xffff), ""); /* of the next vendor */
	assert_string_equal(ids_device(&ids, 0xfffe, 0xffff), "Last No vendor's");
	assert_string_equal(ids_device(&ids, 0x0001, 0x0001), "");
	assert_string_equal(ids_device(&ids, 0x0010, 0x0001), "");
	assert_string_equal(ids_device(&ids, 0x0011, 0x0001), "");
	assert_string_equal(ids_device(&ids, 0x0000, 0x0001), "");
	assert_string_equal(ids_device(&ids, 0xffff, 0x0001), "");
	assert_true(pvb_ids_class(&ids, 0x020000, buf, sizeof(buf)));
	assert_string_equal(buf, "Ethernet controller");
	assert_true(pvb_ids_class(&ids, 0x030000, buf, sizeof(buf)));
	assert_string_equal(buf, "VGA compatible controller");
	assert_false(pvb_ids_class(&ids, 0x028000, buf, sizeof(buf)));
	assert_false(pvb_ids_class(&ids, 0x040000, buf, sizeof(buf)));
	assert_false(pvb_ids_class(&ids, 0x030000, buf, 5));
	assert_false(pvb_ids_device(&ids, 0x8086, 0x10d3, buf, 20));
	pvb_ids_close(&ids);
	assert_string_equal(ids_device(&ids, 0x8086, 0x10d3), "");
	ft_write(h->t, "pci.ids.gz", "packed"); /* libpci's */
	assert_true(pvb_ids_open(&ids, path) < 0);
	ft_remove(h->t, "pci.ids.gz");
	ft_write(h->t, "pci.ids", "");
	assert_true(pvb_ids_open(&ids, path) < 0);
}

static void __attribute__((format(printf, 1, 2))) pci_quiet(char *msg, ...)
{
	(void)msg;
}

/* Both say the same. */
static void ids_agree_with_libpci(void **state)
{
	static const uint32_t some[] = { 0x80860d57, 0x1af41041, 0x12341111, 0x10de2484, 0x10022204, 0x1b36000c, 0x15b31017, 0x00010001 };
	struct pci_access *pci = pci_alloc();
	struct host *h = *state;
	char theirs[256], ours[256];

	pci->warning = pci->debug = pci_quiet;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		struct pvb_function fn = ids((uint16_t)(some[i] >> 16), (uint16_t)some[i], 0);
		const char *found = pci_lookup_name(pci, theirs, sizeof(theirs), PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS,
						    fn.vendor, fn.device);

		pvb_name(h->ctx, &fn, ours, sizeof(ours));
		if (found)
			assert_string_equal(ours, theirs);
	}
	for (unsigned code = 0; code < 0x1400; code++) {
		const char *found = pci_lookup_name(pci, theirs, sizeof(theirs), PCI_LOOKUP_CLASS | PCI_LOOKUP_NO_NUMBERS, code);

		assert_string_equal(class_name(h, code << 8), found ? theirs : "");
	}
	pci_cleanup(pci);
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
	/* libkmod was not asked for any of it, nor is it linked */
	assert_null(h->ctx->kmod);
	assert_null(dlopen("libkmod.so.2", RTLD_LAZY | RTLD_NOLOAD));
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
		TEST(ids_are_found_in_place),
		TEST(ids_agree_with_libpci),
		TEST(small_buffers_are_safe),
		TEST(done_twice_is_done),
		TEST(loaded_modules_are_seen),
		TEST(missing_modules_are_told),
		TEST(lookup_without_modules_is_empty),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
