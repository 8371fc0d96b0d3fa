/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind check --symptom: what it names must be there. And pvebind check as a person reads it. */
#include "command.h"

static const char *text_of(struct json_object *value, const char *key)
{
	struct json_object *member;

	if (!json_object_object_get_ex(value, key, &member))
		fail_msg("there is no \"%s\"", key);
	return json_object_get_string(member);
}

static struct json_object *said(struct ft_tree *t, const char *args)
{
	struct json_object *list;

	assert_int_equal(looks(t, args), 0);
	assert_string_equal(ran.err, "");
	list = json_tokener_parse(ran.out);
	assert_true(json_object_is_type(list, json_type_array));
	return list;
}

static bool is_check(struct json_object *checks, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(checks); i++)
		if (!strcmp(text_of(json_object_array_get_idx(checks, i), "id"), id))
			return true;
	return false;
}

static void every_check_named_is_one(void **state)
{
	struct json_object *checks = said(*state, "check --list --json"), *symptoms = said(*state, "check --symptom --json");

	assert_true(json_object_array_length(symptoms) >= 12);
	for (size_t i = 0; i < json_object_array_length(symptoms); i++) {
		struct json_object *symptom = json_object_array_get_idx(symptoms, i), *ids;

		assert_true(*text_of(symptom, "symptom") && *text_of(symptom, "text"));
		assert_true(json_object_object_get_ex(symptom, "checks", &ids));
		assert_true(json_object_array_length(ids) > 0);
		for (size_t j = 0; j < json_object_array_length(ids); j++) {
			const char *id = json_object_get_string(json_object_array_get_idx(ids, j));

			if (!is_check(checks, id))
				fail_msg("\"%s\" names '%s', which is no check", text_of(symptom, "symptom"), id);
		}
	}
	json_object_put(symptoms);
	json_object_put(checks);
}

/* The six of the guide's chapter 14. */
static void the_guides_symptoms_are_there(void **state)
{
	static const char *const titles[] = {
		"No IOMMU detected\n", "The host still holds the GPU's driver\n", "vfio_virqfd is missing\n",
		"The VM shows a black screen\n", "It works once, then fails when the VM starts again\n",
		"The wrong device was reserved for VFIO\n",
	};

	assert_int_equal(looks(*state, "check --symptom"), 0);
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		has(ran.out, titles[i]);
	has(ran.out, "    checks: vfio-virqfd vfio-modules\n");
}

/* Where many checks or devices lack the same thing it is said once, and no line of it is lost. */
static void what_is_alike_is_said_once(void **state)
{
	struct ft_tree *t = *state;

	ft_function(t, &(struct ft_function){ .address = "0000:01:00.0", .vendor = 0x10de, .device = 0x2484, .class_code = 0x030000, .group = -1 });
	ft_function(t, &(struct ft_function){ .address = "0000:02:00.0", .vendor = 0x10de, .device = 0x2484, .class_code = 0x030000, .group = -1 });
	looks(t, "check");
	has(ran.out, "  0000:01:00.0: it is in no IOMMU group; see iommu\n           Likewise: 0000:02:00.0\n");
	has_not(ran.out, "0000:02:00.0: it is in no IOMMU group");
	looks(t, "check 777");
	has(ran.out, "1 VM could not be asked about: see plan and config\n           Likewise: group-shared identity ambiguous ");
	has(ran.out, " reserved-by-pve backup\n");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(every_check_named_is_one),
		IN_TREE(the_guides_symptoms_are_there),
		IN_TREE(what_is_alike_is_said_once),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("symptoms", tests, NULL, NULL);
}
