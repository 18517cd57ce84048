/* SPDX-License-Identifier: Apache-2.0 */
/* lib/model/rotation.c: rules of schedules, and when the next rotation is. */
#include "tests/unit/base_check.h"

#include "lib/model/rotation.h"

#define HOUR (INT64_C(3600) * CLV_NS_PER_S)
#define DAY (24 * HOUR)
#define NOW (INT64_C(1763925505) * CLV_NS_PER_S)

static const struct clv_key symmetric = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT };

static void destroy_delay_is_a_day_to_120_days(void **state)
{
	static const int64_t wrong[] = { INT64_MIN, -1, 0, DAY - 1, 120 * DAY + 1, INT64_MAX };
	static const int64_t right[] = { DAY, 30 * DAY, 120 * DAY };
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(wrong); i++)
		check_refused(model_destroy_delay_check(wrong[i], &err), &err,
			      CLV_E_INVALID_ARGUMENT, "24 hours to 120 days");
	for (size_t i = 0; i < CLV_ARRAY_LEN(right); i++)
		check_ok(model_destroy_delay_check(right[i], &err));
}

static void schedule_that_keeps_the_rules_is_allowed(void **state)
{
	static const struct {
		int64_t period, next;
		bool new_time;
	} table[] = {
		{ 0, 0, true },
		{ 0, 0, false },
		{ 0, NOW + 1, true }, /* a single rotation */
		{ DAY, NOW + 1, true },
		{ CLV_ROTATION_PERIOD_MAX, INT64_MAX, true },
		{ DAY, NOW - 365 * DAY, false }, /* it is due; maintenance has not come by */
		{ 0, NOW, false },
	};
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		struct clv_key key = symmetric;

		key.rotation_period = table[i].period;
		key.next_rotation_time = table[i].next;
		check_ok(model_rotation_check(&key, table[i].new_time, NOW, &err));
	}
}

static void schedule_that_breaks_a_rule_is_refused_with_the_rule(void **state)
{
	static const struct {
		int64_t period, next;
		const char *words;
	} table[] = {
		{ DAY - 1, NOW + 1, "24 hours to 876,000 hours" },
		{ CLV_ROTATION_PERIOD_MAX + 1, NOW + 1, "24 hours to 876,000 hours" },
		{ -DAY, NOW + 1, "24 hours to 876,000 hours" },
		{ INT64_MIN, 0, "24 hours to 876,000 hours" },
		{ DAY, 0, "needs a next rotation time" },
		{ DAY, NOW, "must be in the future, and 2025-11-23T19:18:25Z is not" },
		{ 0, NOW - 1, "must be in the future" },
		{ 0, -1, "must be in the future" },
	};
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		struct clv_key key = symmetric;

		key.rotation_period = table[i].period;
		key.next_rotation_time = table[i].next;
		check_refused(model_rotation_check(&key, true, NOW, &err), &err,
			      CLV_E_INVALID_ARGUMENT, table[i].words);
	}
}

static void only_keys_that_encrypt_by_their_primary_have_a_schedule(void **state)
{
	static const enum clv_purpose others[] = { CLV_PURPOSE_ASYMMETRIC_SIGN,
						   CLV_PURPOSE_ASYMMETRIC_DECRYPT,
						   CLV_PURPOSE_RAW_ENCRYPT_DECRYPT,
						   CLV_PURPOSE_MAC };
	struct clv_key key = symmetric;
	struct clv_err err;

	(void) state;
	key.next_rotation_time = NOW + DAY;
	for (size_t i = 0; i < CLV_ARRAY_LEN(others); i++) {
		key.purpose = others[i];
		check_refused(model_rotation_check(&key, true, NOW, &err), &err,
			      CLV_E_INVALID_ARGUMENT, clv_purpose_name(others[i]));
	}
	key = symmetric;
	key.import_only = true;
	check_ok(model_rotation_check(&key, true, NOW, &err));
	key.next_rotation_time = NOW + DAY;
	check_refused(model_rotation_check(&key, true, NOW, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "an import-only key");
}

static void next_rotation_is_whole_periods_later_and_in_the_future(void **state)
{
	static const struct {
		int64_t due, period, now, next;
	} table[] = {
		{ NOW, DAY, NOW, NOW + DAY },
		{ NOW - 1, DAY, NOW, NOW - 1 + DAY },
		{ NOW - DAY, DAY, NOW, NOW + DAY },
		{ NOW - DAY + 1, DAY, NOW, NOW + 1 },
		{ NOW - 1000 * DAY - HOUR, DAY, NOW,
		  NOW - HOUR + DAY }, /* a long time switched off */
		{ NOW + HOUR, DAY, NOW, NOW + HOUR + DAY },
		{ 0, CLV_ROTATION_PERIOD_MAX, NOW, CLV_ROTATION_PERIOD_MAX },
		{ NOW, 0, NOW, 0 }, /* a single one */
		{ NOW, -1, NOW, 0 },
		{ INT64_MAX - HOUR, DAY, INT64_MAX - 1, 0 }, /* no such time */
		{ INT64_MAX - 2 * DAY, DAY, INT64_MAX - 2 * DAY, INT64_MAX - DAY },
	};

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const int64_t next =
			model_rotation_next(table[i].due, table[i].period, table[i].now);

		assert_int_equal(next, table[i].next);
		assert_true(next == 0 || next > table[i].now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destroy_delay_is_a_day_to_120_days),
		cmocka_unit_test(schedule_that_keeps_the_rules_is_allowed),
		cmocka_unit_test(schedule_that_breaks_a_rule_is_refused_with_the_rule),
		cmocka_unit_test(only_keys_that_encrypt_by_their_primary_have_a_schedule),
		cmocka_unit_test(next_rotation_is_whole_periods_later_and_in_the_future),
	};
	return cmocka_run_group_tests_name("rotation", tests, NULL, NULL);
}
