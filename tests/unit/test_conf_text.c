/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, ids, words: the grammar below all of conf. */
#include "conf/root.h"

static void vmid_takes_proxmox_numbers(void **state)
{
	struct pvb_err err;
	unsigned vmid = 0;

	(void)state;
	assert_int_equal(conf_vmid_parse("100", &vmid, &err), 0);
	assert_int_equal(vmid, 100);
	assert_int_equal(conf_vmid_parse("999999999", &vmid, &err), 0);
	assert_int_equal(vmid, 999999999);
}

static void vmid_refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"",     "0",          "99",   "0100", "../../x", "1000000000", "123456789012345678901234567890",
		"-100", "+100",       " 100", "100 ", "100\n",   "1e3",        "0x64",
		"abc",  "100/../101",
	};
	struct pvb_err err;
	unsigned vmid = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(conf_vmid_parse(bad[i], &vmid, &err), -EINVAL);
		assert_has(err.text, "is no VM number: give one from 100 to 999999999");
	}
	assert_int_equal(conf_vmid_parse(NULL, &vmid, &err), -EINVAL);
	assert_has(err.text, "'' is no VM number");
	assert_int_equal(vmid, 7);
}

static void ids_have_two_or_four_parts(void **state)
{
	struct conf_id id;
	char text[CONF_ID_MAX];

	(void)state;
	assert_true(conf_id_parse("10DE:24b0", &id));
	assert_false(id.has_sub);
	assert_string_equal(conf_id_format(&id, text), "10de:24b0");
	assert_true(conf_id_parse("10de:24b0:1043:8866", &id));
	assert_string_equal(conf_id_format(&id, text), "10de:24b0:1043:8866");
}

static void ids_refuse_the_rest(void **state)
{
	static const char *const bad[] = { "",
					   "10de",
					   "10de:",
					   "10de:24b",
					   "10de:24b0:",
					   "10de:24b0:1043",
					   "10de:24b0:1043:",
					   "10de:24b0:1043:8866:1",
					   "0x10de:24b0",
					   "01:00.0",
					   "0000:01:00",
					   "10de-24b0",
					   "10dg:24b0" };
	struct conf_id id;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(conf_id_parse(bad[i], &id));
}

static void booleans_are_proxmox_words(void **state)
{
	bool value = false;

	(void)state;
	assert_true(conf_bool_parse("Yes", &value) && value);
	assert_true(conf_bool_parse("off", &value) && !value);
	assert_false(conf_bool_parse("2", &value));
	assert_false(conf_bool_parse("", &value));
}

static void lines_are_counted_and_cut(void **state)
{
	char text[] = "one\r\n\ntwo\0x\nthree";
	struct conf_lines lines = { .next = text, .left = sizeof(text) - 1 };

	(void)state;
	assert_true(conf_line_next(&lines));
	assert_string_equal(lines.line, "one");
	assert_true(conf_line_next(&lines));
	assert_string_equal(lines.line, "");
	assert_true(conf_line_next(&lines));
	assert_int_equal(lines.size, 5);
	assert_true(conf_line_next(&lines));
	assert_string_equal(lines.line, "three");
	assert_int_equal(lines.number, 4);
	assert_false(conf_line_next(&lines));
}

static void parts_are_parted_by_commas(void **state)
{
	char text[] = "01:00,, pcie=1,romfile=a=b", *rest = text, *key, *value;

	(void)state;
	assert_true(conf_part_next(&rest, &key, &value));
	assert_null(key);
	assert_string_equal(value, "01:00");
	assert_true(conf_part_next(&rest, &key, &value));
	assert_string_equal(key, "pcie");
	assert_true(conf_part_next(&rest, &key, &value));
	assert_string_equal(value, "a=b");
	assert_false(conf_part_next(&rest, &key, &value));
}

static void notes_are_bounded(void **state)
{
	struct conf_notes notes = { .n = 0 };

	(void)state;
	for (int i = 0; i < CONF_NOTES_MAX + 5; i++)
		assert_int_equal(conf_note_add(&notes, PVB_WARNING, "note %d", i), 0);
	assert_int_equal(notes.n, CONF_NOTES_MAX);
	assert_string_equal(notes.list[3].text, "note 3");
	conf_notes_clear(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmid_takes_proxmox_numbers), cmocka_unit_test(vmid_refuses_the_rest),
		cmocka_unit_test(ids_have_two_or_four_parts), cmocka_unit_test(ids_refuse_the_rest),
		cmocka_unit_test(booleans_are_proxmox_words), cmocka_unit_test(lines_are_counted_and_cut),
		cmocka_unit_test(parts_are_parted_by_commas), cmocka_unit_test(notes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
