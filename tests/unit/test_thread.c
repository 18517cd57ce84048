/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <pthread.h>
#include <stdbool.h>

#include "lib/base/thread.h"

static void *ask_twice(void *arg)
{
	unsigned *place = arg;

	*place = clv_thread_place();
	if (clv_thread_place() != *place)
		*place = CLV_THREAD_PLACES;
	return NULL;
}

static void thread_place_stays_the_same(void **state)
{
	unsigned place = clv_thread_place();

	(void) state;
	assert_true(place < CLV_THREAD_PLACES);
	assert_int_equal(clv_thread_place(), place);
}

/* As many threads as there are places, one after the other: places are given in turns. */
static void threads_are_spread_over_all_places(void **state)
{
	bool seen[CLV_THREAD_PLACES] = { false };

	(void) state;
	for (unsigned i = 0; i < CLV_THREAD_PLACES; i++) {
		unsigned place = CLV_THREAD_PLACES;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, ask_twice, &place), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(place < CLV_THREAD_PLACES);
		assert_false(seen[place]);
		seen[place] = true;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thread_place_stays_the_same),
		cmocka_unit_test(threads_are_spread_over_all_places),
	};
	return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
