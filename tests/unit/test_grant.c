/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include "lib/base/grant_impl.h"

static const char *const reasons[] = {
	[CLV_SYSTEM_PROBE] = "probe",       [CLV_SYSTEM_CANARY] = "canary",
	[CLV_SYSTEM_RECOVERY] = "recovery", [CLV_SYSTEM_HOME] = "home",
	[CLV_SYSTEM_SEAL] = "seal",         [CLV_SYSTEM_CHECKPOINT] = "checkpoint",
};

static void grant_system_has_one_grant_for_each_reason(void **state)
{
	(void) state;
	assert_int_equal(CLV_ARRAY_LEN(reasons), CLV_SYSTEM_COUNT);
	for (unsigned i = 0; i < CLV_SYSTEM_COUNT; i++) {
		const struct clv_grant *grant = clv_grant_system(i);

		assert_non_null(grant);
		assert_string_equal(grant->reason, reasons[i]);
		assert_ptr_equal(grant, clv_grant_system(i));
	}
}

static void grant_system_names_nobody_as_the_one_who_asked(void **state)
{
	(void) state;
	for (unsigned i = 0; i < CLV_SYSTEM_COUNT; i++) {
		assert_string_equal(clv_grant_system(i)->principal, "system");
		assert_string_equal(clv_grant_system(i)->rule, "system");
		assert_null(clv_grant_system(i)->permission);
		assert_null(clv_grant_system(i)->resource);
	}
}

static void grant_assert_takes_a_grant(void **state)
{
	(void) state;
	clv_grant_assert(clv_grant_system(CLV_SYSTEM_PROBE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grant_system_has_one_grant_for_each_reason),
		cmocka_unit_test(grant_system_names_nobody_as_the_one_who_asked),
		cmocka_unit_test(grant_assert_takes_a_grant),
	};
	return cmocka_run_group_tests_name("grant", tests, NULL, NULL);
}
