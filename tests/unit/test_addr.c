/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, lines of state, refusals' names. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../libbind/internal.h"

static void address_good(void **state)
{
	static const struct {
		const char *text, *normal;
	} cases[] = {
		{ "0000:01:00.0", "0000:01:00.0" }, { "01:00.0", "0000:01:00.0" },	   { "01:00", "0000:01:00" },
		{ "0000:01:00", "0000:01:00" },	    { "10000:e1:1f.7", "10000:e1:1f.7" },  { "FFFFFFFF:ff:1F.7", "ffffffff:ff:1f.7" },
		{ "00000000:01:00.1", "0000:01:00.1" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pvb_addr addr;
		struct pvb_err err;
		char buf[PVB_ADDR_MAX];

		assert_int_equal(pvb_addr_parse(cases[i].text, &addr, &err), 0);
		assert_string_equal(pvb_addr_format(&addr, buf), cases[i].normal);
		assert_int_equal(pvb_addr_parse(cases[i].text, &addr, NULL), 0);
	}
}

static void address_bad(void **state)
{
	static const char *const cases[] = { "",	     "banana",	      "1:00.0",	       "01:0.0",     "01:20.0",
					     "01:00.8",	     "01:00.",	      "000:01:00.0",   "01:00.0 ",   "0000:01:00.0;01:00.1",
					     "123456789:01:00.0", "01:00.0x", "-1:00.0",     "0000:01",	      "0x00:01:00.0" };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pvb_addr addr;
		struct pvb_err err = { .code = 0 };

		assert_int_equal(pvb_addr_parse(cases[i], &addr, &err), -EINVAL);
		assert_non_null(strstr(err.text, "is no PCI address: write it like"));
		assert_int_equal(pvb_addr_parse(cases[i], &addr, NULL), -EINVAL);
	}
}

static void address_order(void **state)
{
	struct pvb_addr a = { 0, 1, 0, 0 }, b = { 0, 1, 0, 1 }, slot = { 0, 1, 0, PVB_FN_ALL }, far = { 1, 0, 0, 0 };

	(void)state;
	assert_true(pvb_addr_compare(&a, &b) < 0);
	assert_true(pvb_addr_compare(&b, &a) > 0);
	assert_true(pvb_addr_compare(&b, &far) < 0);
	assert_int_equal(pvb_addr_compare(&a, &a), 0);
	assert_true(pvb_addr_matches(&slot, &b));
	assert_false(pvb_addr_matches(&a, &b));
	assert_false(pvb_addr_matches(&slot, &far));
}

static void line_round(void **state)
{
	struct pvb_line line;
	char buf[PVB_LINE_MAX], value[64], *next;
	const char *body;

	(void)state;
	pvb_line_start(&line, buf, sizeof(buf), "device");
	pvb_line_text(&line, "label", "VM 100 = 50%\nnew");
	pvb_line_number(&line, "n", -7);
	pvb_line_text(&line, "empty", "");
	assert_int_equal(pvb_line_finish(&line), 0);
	assert_int_equal(line.text[line.size - 1], '\n');
	body = pvb_line_check(line.text, &next);
	assert_non_null(body);
	assert_int_equal(*next, '\0');
	assert_true(pvb_line_is(body, "device"));
	assert_false(pvb_line_is(body, "dev"));
	assert_int_equal(pvb_line_get(body, "label", value, sizeof(value)), 0);
	assert_string_equal(value, "VM 100 = 50%\nnew");
	assert_int_equal(pvb_line_get(body, "empty", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(pvb_line_get_number(body, "n", 0), -7);
	assert_int_equal(pvb_line_get_number(body, "nn", 3), 3);
	assert_int_equal(pvb_line_get(body, "abel", value, sizeof(value)), -ENOENT);
	assert_int_equal(pvb_line_get(body, "label", value, 4), -ENOBUFS);
}

/* Whatever single byte changes, and wherever it is cut, the line no longer counts. */
static void line_damage(void **state)
{
	struct pvb_line line;
	char buf[PVB_LINE_MAX], copy[PVB_LINE_MAX], *next;

	(void)state;
	pvb_line_start(&line, buf, sizeof(buf), "intent");
	pvb_line_number(&line, "op", 12);
	assert_int_equal(pvb_line_finish(&line), 0);
	for (size_t i = 0; i + 1 < line.size; i++) {
		memcpy(copy, line.text, line.size);
		copy[line.size] = '\0';
		copy[i] = (char)(copy[i] ^ 1);
		assert_null(pvb_line_check(copy, &next));
		memcpy(copy, line.text, line.size);
		copy[i] = '\0';
		assert_null(pvb_line_check(copy, &next));
	}
}

static void line_too_long(void **state)
{
	struct pvb_line line;
	char buf[PVB_LINE_MAX], big[PVB_LINE_MAX + 1];

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	pvb_line_start(&line, buf, sizeof(buf), "op");
	pvb_line_text(&line, "arg", big);
	assert_int_equal(pvb_line_finish(&line), -E2BIG);
	/* The room is what the caller says: to the last byte, of which the NUL is one. */
	pvb_line_start(&line, buf, 18, "op");
	pvb_line_text(&line, "a", "12");
	assert_int_equal(pvb_line_finish(&line), 0);
	pvb_line_start(&line, buf, 17, "op");
	pvb_line_text(&line, "a", "12");
	assert_int_equal(pvb_line_finish(&line), -E2BIG);
}

static void refusal_names(void **state)
{
	static const char *const names[] = { "no-iommu", "group-shared", "identity", "ambiguous", "in-use-by-vm", "held",
					     "host-disk", "host-network", "last-console", "sriov-parent", "driver-gate",
					     "stuck", "off-bus", "reserved-by-pve", "backup", "disabled" };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_true(pvb_refusal_known(names[i]));
	assert_false(pvb_refusal_known("host"));
	assert_true(pvb_refusal_liftable("host-disk"));
	assert_false(pvb_refusal_liftable("stuck"));
	assert_false(pvb_refusal_liftable("host"));
}

/* What would harm somebody else cannot be lifted; what is lifted is so for that device only. */
static void refusal_allow(void **state)
{
	struct pvb_addr nic = { 0, 3, 0, 0 }, other = { 0, 4, 0, 0 };
	struct pvb_allow allow[] = { { "host-network", { 0, 3, 0, PVB_FN_ALL } }, { "held", { 0, 3, 0, 0 } } };
	struct pvb_request request = { .allow = allow, .num_allow = 2 };
	struct pvb_refusals refusals = { .n = 0 };

	(void)state;
	assert_int_equal(pvb_refuse(&refusals, "host-network", &nic, "a"), 0);
	assert_int_equal(pvb_refuse(&refusals, "host-network", &other, "b"), 0);
	assert_int_equal(pvb_refuse(&refusals, "held", &nic, "c"), 0);
	pvb_refusals_allow(&refusals, &request);
	assert_true(refusals.list[0].allowed);
	assert_false(refusals.list[1].allowed);
	assert_false(refusals.list[2].allowed);
	pvb_refusals_clear(&refusals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_good),	 cmocka_unit_test(address_bad),	  cmocka_unit_test(address_order),
		cmocka_unit_test(line_round),	 cmocka_unit_test(line_damage),	  cmocka_unit_test(line_too_long),
		cmocka_unit_test(refusal_names), cmocka_unit_test(refusal_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
