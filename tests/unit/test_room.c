/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <pthread.h>

#include "lib/base/room.h"

/* Gives so often. */
struct giver {
	struct clv_room room;
	unsigned left;
};

static bool give(struct clv_room *room)
{
	struct giver *giver = (struct giver *) room;

	if (giver->left == 0)
		return false;
	giver->left--;
	return true;
}

static void nothing_is_made_when_nothing_is_on_offer(void **state)
{
	struct giver giver = { { give, NULL }, 2 };

	(void) state;
	assert_false(clv_room_make());
	clv_room_offer(&giver.room);
	assert_true(clv_room_make());
	assert_true(clv_room_make());
	assert_false(clv_room_make());
	giver.left = 1;
	clv_room_take_back(&giver.room);
	assert_false(clv_room_make());
	assert_int_equal(giver.left, 1);
}

static void the_last_offer_counts_until_it_is_taken_back(void **state)
{
	struct giver outer = { { give, NULL }, 9 }, inner = { { give, NULL }, 1 };

	(void) state;
	clv_room_offer(&outer.room);
	clv_room_offer(&inner.room);
	assert_true(clv_room_make());
	assert_false(clv_room_make());
	clv_room_take_back(&inner.room);
	assert_true(clv_room_make());
	assert_int_equal(outer.left, 8);
	clv_room_take_back(&outer.room);
	assert_false(clv_room_make());
}

static void *ask(void *arg)
{
	*(bool *) arg = clv_room_make();
	return NULL;
}

static void what_is_offered_to_one_thread_is_not_for_another(void **state)
{
	struct giver giver = { { give, NULL }, 9 };
	pthread_t thread;
	bool made = true;

	(void) state;
	clv_room_offer(&giver.room);
	assert_int_equal(pthread_create(&thread, NULL, ask, &made), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	clv_room_take_back(&giver.room);
	assert_false(made);
	assert_int_equal(giver.left, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_made_when_nothing_is_on_offer),
		cmocka_unit_test(the_last_offer_counts_until_it_is_taken_back),
		cmocka_unit_test(what_is_offered_to_one_thread_is_not_for_another),
	};
	return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
