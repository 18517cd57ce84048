/* SPDX-License-Identifier: Apache-2.0 */
/* Times here have only lower bounds, or bounds of many seconds: the machine may be busy. */
#include "tests/unit/base_check.h"

#include <claviger/time.h>

#include "lib/base/deadline.h"

#define FAR_MS 3600000u

/* A lock and a condition variable with a thread that signals it. */
struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung_cond;
	bool rung; /* under lock */
};

static struct clv_deadline past(void)
{
	return (struct clv_deadline){ .at_ns = clv_mono_ns() - 1 };
}

static void mono_does_not_run_backwards(void **state)
{
	int64_t last = clv_mono_ns();

	(void) state;
	for (int i = 0; i < 1000; i++) {
		int64_t now = clv_mono_ns();

		assert_true(now >= last);
		last = now;
	}
}

static void deadline_in_lies_ahead_by_what_was_asked(void **state)
{
	const int64_t before = clv_mono_ns();
	const struct clv_deadline deadline = clv_deadline_in(250);

	(void) state;
	assert_true(deadline.at_ns >= before + 250 * CLV_NS_PER_MS);
	assert_true(deadline.at_ns <= clv_mono_ns() + 250 * CLV_NS_PER_MS);
}

static void deadline_in_takes_the_longest_wait_there_is(void **state)
{
	const struct clv_deadline deadline = clv_deadline_in(UINT32_MAX);

	(void) state;
	assert_false(clv_deadline_past(deadline));
	assert_true(clv_deadline_left_ms(deadline) > UINT32_MAX - 100000);
}

static void deadline_of_no_time_is_past_at_once(void **state)
{
	(void) state;
	assert_true(clv_deadline_past(clv_deadline_in(0)));
	assert_int_equal(clv_deadline_left_ms(clv_deadline_in(0)), 0);
	assert_int_equal(clv_deadline_left_ms(past()), 0);
	assert_false(clv_deadline_past(clv_deadline_in(FAR_MS)));
}

static void left_is_rounded_up_so_that_a_wait_for_it_ends_past_the_deadline(void **state)
{
	const struct clv_deadline deadline = { .at_ns = clv_mono_ns() + 3600 * CLV_NS_PER_S + 1 };

	(void) state;
	/* 3600000.000001 ms less what the call took: 3600000 once rounded, unless 1 ms went by */
	assert_in_range(clv_deadline_left_ms(deadline), FAR_MS - 10000, FAR_MS + 1);
}

static void timespec_splits_seconds_and_nanoseconds(void **state)
{
	struct timespec at =
		clv_deadline_timespec((struct clv_deadline){ .at_ns = 12 * CLV_NS_PER_S + 345 });

	(void) state;
	assert_int_equal(at.tv_sec, 12);
	assert_int_equal(at.tv_nsec, 345);
}

static void cond_wait_gives_up_at_the_deadline(void **state)
{
	struct bell *bell = *state;
	const struct clv_deadline deadline = clv_deadline_in(20);

	pthread_mutex_lock(&bell->lock);
	while (clv_cond_wait(&bell->rung_cond, &bell->lock, deadline))
		;
	pthread_mutex_unlock(&bell->lock);
	assert_true(clv_deadline_past(deadline));
}

static void *ring(void *arg)
{
	struct bell *bell = arg;

	pthread_mutex_lock(&bell->lock);
	bell->rung = true;
	pthread_cond_signal(&bell->rung_cond);
	pthread_mutex_unlock(&bell->lock);
	return NULL;
}

static void cond_wait_wakes_up_when_signalled(void **state)
{
	struct bell *bell = *state;
	const struct clv_deadline deadline = clv_deadline_in(FAR_MS);
	pthread_t ringer;
	bool in_time = true;

	pthread_mutex_lock(&bell->lock);
	assert_int_equal(pthread_create(&ringer, NULL, ring, bell), 0);
	while (in_time && !bell->rung)
		in_time = clv_cond_wait(&bell->rung_cond, &bell->lock, deadline);
	pthread_mutex_unlock(&bell->lock);
	pthread_join(ringer, NULL);
	assert_true(in_time);
}

static void backoff_doubles_its_pause_up_to_the_limit(void **state)
{
	static const unsigned expected[] = { 50, 100, 200, 400, 500, 500 };
	const struct clv_deadline deadline = clv_deadline_in(FAR_MS);
	unsigned pause_us = 0;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(expected); i++) {
		assert_true(clv_backoff(deadline, &pause_us, 500));
		assert_int_equal(pause_us, expected[i]);
	}
}

static void backoff_sleeps_as_long_as_it_says(void **state)
{
	const int64_t before = clv_mono_ns();
	unsigned pause_us = 5000;

	(void) state;
	assert_true(clv_backoff(clv_deadline_in(FAR_MS), &pause_us, 10000));
	assert_true(clv_mono_ns() - before >= 10 * CLV_NS_PER_MS);
}

static void backoff_does_not_sleep_past_the_deadline(void **state)
{
	const int64_t before = clv_mono_ns();
	unsigned pause_us = 1800000000; /* half an hour */

	(void) state;
	assert_true(clv_backoff(clv_deadline_in(5), &pause_us, 1800000000));
	assert_true(clv_mono_ns() - before < 600 * CLV_NS_PER_S);
}

static void backoff_refuses_once_the_deadline_is_past(void **state)
{
	unsigned pause_us = 50;

	(void) state;
	assert_false(clv_backoff(past(), &pause_us, 500));
	assert_int_equal(pause_us, 50);
}

static int bell_set_up(void **state)
{
	static struct bell bell;

	bell.rung = false;
	pthread_mutex_init(&bell.lock, NULL);
	clv_cond_init(&bell.rung_cond);
	*state = &bell;
	return 0;
}

static int bell_tear_down(void **state)
{
	struct bell *bell = *state;

	pthread_cond_destroy(&bell->rung_cond);
	pthread_mutex_destroy(&bell->lock);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mono_does_not_run_backwards),
		cmocka_unit_test(deadline_in_lies_ahead_by_what_was_asked),
		cmocka_unit_test(deadline_in_takes_the_longest_wait_there_is),
		cmocka_unit_test(deadline_of_no_time_is_past_at_once),
		cmocka_unit_test(left_is_rounded_up_so_that_a_wait_for_it_ends_past_the_deadline),
		cmocka_unit_test(timespec_splits_seconds_and_nanoseconds),
		cmocka_unit_test_setup_teardown(cond_wait_gives_up_at_the_deadline, bell_set_up,
						bell_tear_down),
		cmocka_unit_test_setup_teardown(cond_wait_wakes_up_when_signalled, bell_set_up,
						bell_tear_down),
		cmocka_unit_test(backoff_doubles_its_pause_up_to_the_limit),
		cmocka_unit_test(backoff_sleeps_as_long_as_it_says),
		cmocka_unit_test(backoff_does_not_sleep_past_the_deadline),
		cmocka_unit_test(backoff_refuses_once_the_deadline_is_past),
	};
	return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
