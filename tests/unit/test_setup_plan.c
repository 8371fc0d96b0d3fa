/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan that wants what no step of it does is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../setup/hostplan.h"

static void what_is_wanted_has_a_step(void **state)
{
	struct setup_point points[2] = { { .name = "one" }, { .name = "two" } };
	struct setup_plan plan = { .points = points, .n = 2 };
	char words[] = "add iommu=pt";
	struct pvb_err err;

	(void)state;
	assert_int_equal(plan_check(&plan, &err), 0);
	points[1].want = words;
	assert_int_equal(plan_check(&plan, &err), -EINVAL);
	assert_string_equal(err.text, "cannot make a plan: of two is wanted: add iommu=pt; but no step would do it, which is a mistake of pvebind's: do it by hand");
	points[1].acts = true;
	assert_int_equal(plan_check(&plan, &err), 0);
	points[1].acts = false;
	points[1].refused = words;
	assert_int_equal(plan_check(&plan, &err), 0);
}

/* A command belongs to who needs it. */
static void a_command_is_a_step(void **state)
{
	struct setup_point point = { .name = "initramfs" };
	struct setup_plan plan = { .n = 0 };

	(void)state;
	plan_command(&plan, &point, PLAN_INITRAMFS);
	assert_true(point.acts);
	assert_int_equal(plan.commands, PLAN_INITRAMFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_wanted_has_a_step), cmocka_unit_test(a_command_is_a_step) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
