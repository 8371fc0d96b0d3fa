/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guard decides, as a table. The process itself: test_guard.c. */
#include <inttypes.h>

#include "../../conf/front.h"
#include "host.h"

#define GEN 7
#define T0 1000000 /* ms: when the phase began */

struct row {
	const char *text;
	enum pvb_state state;
	bool awaits, busy, cleanup, lock_free, cleanup_seen, qemu_seen;
	int qemu, stuck;
	unsigned tries;
	int64_t after; /* ms since the phase began */
	enum vmguard_what what;
	enum vmguard_why why; /* to act */
	int64_t until;        /* ms after T0; 0: none */
};

static const struct row rows[] = {
	{ "a dead hook's lend", PVB_LENDING, .what = VMGUARD_ACT, .why = VMGUARD_UNFINISHED },
	{ "a dead hook's return", PVB_RETURNING, .what = VMGUARD_ACT, .why = VMGUARD_UNFINISHED },
	{ "a return that goes on in pieces", PVB_RETURNING, .tries = 2,
	  .what = VMGUARD_ACT, .why = VMGUARD_UNFINISHED },
	{ "a return that does not get on", PVB_RETURNING, .tries = 3, .what = VMGUARD_GIVE_UP },
	{ "failed", PVB_FAILED, .what = VMGUARD_ACT, .why = VMGUARD_AGAIN },
	{ "failed again", PVB_FAILED, .tries = 1, .what = VMGUARD_GIVE_UP },
	{ "a device hangs", PVB_FAILED, .stuck = 77, .tries = 1, .what = VMGUARD_AWAIT_PROCESS },
	{ "a dead hook's worker hangs", PVB_FAILED, .busy = true, .tries = 1, .what = VMGUARD_AWAIT_DEVICE },
	{ "kept", PVB_KEPT, .what = VMGUARD_END },

	{ "a start is under way", PVB_LENT, .what = VMGUARD_AWAIT_LOCK },
	{ "… for however long", PVB_LENT, .after = 86400000, .what = VMGUARD_AWAIT_LOCK },
	{ "… and an older run left its flag", PVB_LENT, .cleanup = true, .after = 86400000,
	  .what = VMGUARD_AWAIT_LOCK },
	{ "… with QEMU there already", PVB_LENT, .qemu = 42, .what = VMGUARD_AWAIT_PROCESS },
	{ "the start has failed", PVB_LENT, .lock_free = true, .what = VMGUARD_ACT, .why = VMGUARD_START_FAILED },
	{ "QEMU lived for a moment", PVB_LENT, .lock_free = true, .cleanup = true, .qemu_seen = true,
	  .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… and post-stop was lost", PVB_LENT, .lock_free = true, .cleanup = true, .qemu_seen = true,
	  .after = VMGUARD_CLEANUP_MS, .what = VMGUARD_ACT, .why = VMGUARD_ENDED },

	{ "the VM runs", PVB_RUNNING, .qemu = 42, .cleanup = true, .what = VMGUARD_AWAIT_PROCESS },
	{ "… for days", PVB_RUNNING, .qemu = 42, .cleanup = true, .after = 864000000, .what = VMGUARD_AWAIT_PROCESS },
	{ "it has ended", PVB_RUNNING, .cleanup = true, .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… a minute ago", PVB_RUNNING, .cleanup = true, .after = 60000,
	  .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… and the lock was free meanwhile", PVB_RUNNING, .cleanup = true, .lock_free = true, .after = 60000,
	  .what = VMGUARD_AWAIT_CLEANUP, .until = VMGUARD_CLEANUP_MS },
	{ "… and qm cleanup has given up", PVB_RUNNING, .cleanup = true, .after = VMGUARD_CLEANUP_MS,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "post-stop is under way", PVB_RUNNING, .cleanup_seen = true,
	  .what = VMGUARD_AWAIT_LOCK, .until = VMGUARD_CLEANUP_MS },
	{ "post-stop is over", PVB_RUNNING, .cleanup_seen = true, .lock_free = true,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "the lock is somebody's for hours", PVB_RUNNING, .cleanup_seen = true, .after = VMGUARD_CLEANUP_MS,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "no flag at all", PVB_RUNNING, .what = VMGUARD_AWAIT_CHANGE, .until = VMGUARD_POST_STOP_MS },
	{ "… and no post-stop", PVB_RUNNING, .after = VMGUARD_POST_STOP_MS,
	  .what = VMGUARD_AWAIT_LOCK, .until = VMGUARD_CLEANUP_MS },
	{ "… with the lock free", PVB_RUNNING, .after = VMGUARD_POST_STOP_MS, .lock_free = true,
	  .what = VMGUARD_ACT, .why = VMGUARD_ENDED },
	{ "it cannot be taken back", PVB_RUNNING, .cleanup_seen = true, .lock_free = true, .tries = 3,
	  .what = VMGUARD_GIVE_UP },

	{ "it starts again at once", PVB_LENT, .awaits = true,
	  .what = VMGUARD_AWAIT_CHANGE, .until = VMGUARD_RESTART_MS },
	{ "… though the lock was free", PVB_LENT, .awaits = true, .lock_free = true, .after = 60000,
	  .what = VMGUARD_AWAIT_CHANGE,
	  .until = VMGUARD_RESTART_MS },
	{ "… and does", PVB_LENT, .awaits = true, .qemu = 42, .what = VMGUARD_AWAIT_PROCESS },
	{ "… or is just about to", PVB_LENT, .awaits = true, .after = VMGUARD_RESTART_MS, .what = VMGUARD_AWAIT_LOCK,
	  .until = VMGUARD_RESTART_MS + VMGUARD_CLEANUP_MS },
	{ "… or does not", PVB_LENT, .awaits = true, .lock_free = true, .after = VMGUARD_RESTART_MS,
	  .what = VMGUARD_ACT,
	  .why = VMGUARD_NOT_RESTARTED },
};

static struct pvb_lend lend_of(enum pvb_state state, bool awaits)
{
	return (struct pvb_lend){ .state = state, .awaits_start = awaits, .generation = GEN };
}

static void row_check(const struct row *row)
{
	struct pvb_lend lend = lend_of(row->state, row->awaits);
	struct vmguard_view view = { .lend = &lend, .qemu_pid = row->qemu, .stuck_pid = row->stuck, .busy = row->busy,
				     .cleanup = row->cleanup, .now_ms = T0 };
	struct vmguard guard = { .generation = GEN };
	struct vmguard_step step;

	vmguard_decide(&guard, &view); /* the phase begins */
	guard.lock_free = row->lock_free;
	guard.tries = row->tries;
	guard.qemu_seen |= row->qemu_seen;
	guard.cleanup_seen |= row->cleanup_seen;
	view.now_ms += row->after;
	step = vmguard_decide(&guard, &view);
	if (step.what != row->what || step.until_ms != (row->until ? T0 + row->until : 0) ||
	    step.pid != (row->what == VMGUARD_AWAIT_PROCESS ? row->qemu + row->stuck : 0) ||
	    (step.what == VMGUARD_ACT && step.why != row->why))
		fail_msg("%s: %d %s, pid %d, until %" PRId64, row->text, (int)step.what, vmguard_why_name(step.why), step.pid,
			 step.until_ms ? step.until_ms - T0 : 0);
	/* What it wants done is confirmed under the lend's lock, as long as nothing has changed. */
	if (step.what == VMGUARD_ACT && !vmguard_confirm(&lend, GEN, step.why))
		fail_msg("%s: not confirmed", row->text);
}

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		row_check(&rows[i]);
}

static void others_lends_are_not_its_business(void **state)
{
	struct vmguard guard = { .generation = GEN };
	struct pvb_lend lend = lend_of(PVB_RETURNING, false);
	struct vmguard_view view = { .lend = NULL, .now_ms = T0 };

	(void)state;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_END);
	lend.generation = GEN + 1;
	view.lend = &lend;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_END);
	assert_false(vmguard_confirm(&lend, GEN, VMGUARD_UNFINISHED));
}

/* That the lock was free, and since when QEMU is gone, counts only for as long as all else stays. */
static void a_change_begins_anew(void **state)
{
	struct vmguard guard = { .generation = GEN };
	struct pvb_lend lend = lend_of(PVB_LENT, false);
	struct vmguard_view view = { .lend = &lend, .now_ms = T0 };

	(void)state;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_LOCK);
	vmguard_lock_was_free(&guard);
	lend.state = PVB_RUNNING; /* post-start came before the lock went */
	view.cleanup = true;
	view.qemu_pid = 42;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_PROCESS);
	view.qemu_pid = 0;
	view.now_ms += 3 * VMGUARD_CLEANUP_MS;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_CLEANUP);
	view.cleanup = false; /* post-stop begins: however late, it is waited for */
	view.now_ms += VMGUARD_CLEANUP_MS;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_LOCK);
	vmguard_lock_was_free(&guard);
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
	vmguard_has_tried(&guard, true, 5000);
	lend.state = PVB_FAILED; /* a first try of its own that failed is worth another */
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
	vmguard_has_tried(&guard, true, 5000);
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_GIVE_UP);
	view.stuck_pid = 77; /* it hung, and then came back */
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_AWAIT_PROCESS);
	view.stuck_pid = 0;
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
}

static void what_ends_at_once_is_not_repeated_for_ever(void **state)
{
	struct vmguard guard = { .generation = GEN };
	struct pvb_lend lend = lend_of(PVB_RETURNING, false);
	struct vmguard_view view = { .lend = &lend, .now_ms = T0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
		vmguard_has_tried(&guard, false, 30000); /* somebody has it open: each try waits */
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_ACT);
		vmguard_has_tried(&guard, false, 5);
	}
	assert_int_equal(vmguard_decide(&guard, &view).what, VMGUARD_GIVE_UP);
}

static void only_what_it_saw_is_confirmed(void **state)
{
	static const struct {
		enum pvb_state state;
		bool awaits;
		unsigned whys; /* bit per enum vmguard_why */
	} good[] = {
		{ PVB_HOME, false, 0 },
		{ PVB_LENDING, false, 1u << VMGUARD_UNFINISHED },
		{ PVB_RETURNING, false, 1u << VMGUARD_UNFINISHED },
		{ PVB_FAILED, false, 1u << VMGUARD_AGAIN },
		{ PVB_KEPT, false, 0 },
		{ PVB_LENT, false, 1u << VMGUARD_START_FAILED | 1u << VMGUARD_ENDED },
		{ PVB_LENT, true, 1u << VMGUARD_NOT_RESTARTED },
		{ PVB_RUNNING, false, 1u << VMGUARD_ENDED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		for (unsigned why = 0; why < VMGUARD_WHY_COUNT; why++) {
			struct pvb_lend lend = lend_of(good[i].state, good[i].awaits);

			if (vmguard_confirm(&lend, GEN, (enum vmguard_why)why) != !!(good[i].whys & 1u << why))
				fail_msg("%s, %s", pvb_state_name(good[i].state), vmguard_why_name((enum vmguard_why)why));
		}
}

static void reasons_have_names(void **state)
{
	enum vmguard_why why;

	(void)state;
	for (unsigned i = 0; i < VMGUARD_WHY_COUNT; i++) {
		assert_int_equal(vmguard_why_parse(vmguard_why_name((enum vmguard_why)i), &why), 0);
		assert_int_equal(why, i);
	}
	assert_int_equal(vmguard_why_parse("", &why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(others_lends_are_not_its_business),
		cmocka_unit_test(a_change_begins_anew),
		cmocka_unit_test(what_ends_at_once_is_not_repeated_for_ever),
		cmocka_unit_test(only_what_it_saw_is_confirmed),
		cmocka_unit_test(reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
