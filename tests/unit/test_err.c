/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include <claviger/claviger.h>

/* Written out once more, because these numbers and names are API. */
static const struct {
	clv_rc rc;
	int number;
	int exit;
	int http;
	const char *name;
} outcomes[] = {
	{ CLV_OK, 0, 0, 200, "OK" },
	{ CLV_E_INTERNAL, 1, 1, 500, "INTERNAL" },
	{ CLV_E_INVALID_ARGUMENT, 2, 2, 400, "INVALID_ARGUMENT" },
	{ CLV_E_PERMISSION_DENIED, 3, 3, 403, "PERMISSION_DENIED" },
	{ CLV_E_NOT_FOUND, 4, 4, 404, "NOT_FOUND" },
	{ CLV_E_ALREADY_EXISTS, 5, 5, 409, "ALREADY_EXISTS" },
	{ CLV_E_UNAUTHENTICATED, 6, 6, 401, "UNAUTHENTICATED" },
	{ CLV_E_UNAVAILABLE, 7, 7, 503, "UNAVAILABLE" },
	{ CLV_E_RESOURCE_EXHAUSTED, 8, 8, 429, "RESOURCE_EXHAUSTED" },
	{ CLV_E_FAILED_PRECONDITION, 9, 9, 400, "FAILED_PRECONDITION" },
	{ CLV_E_ABORTED, 10, 10, 409, "ABORTED" },
	{ CLV_E_DEADLINE_EXCEEDED, 11, 11, 504, "DEADLINE_EXCEEDED" },
	{ CLV_E_DATA_LOSS, 12, 12, 400, "DATA_LOSS" },
	{ CLV_E_UNIMPLEMENTED, 13, 13, 400, "UNIMPLEMENTED" },
};

static void rc_numbers_exits_and_names_stay_as_they_are(void **state)
{
	(void) state;
	assert_int_equal(CLV_ARRAY_LEN(outcomes), CLV_RC_COUNT);
	for (size_t i = 0; i < CLV_ARRAY_LEN(outcomes); i++) {
		assert_int_equal(outcomes[i].rc, outcomes[i].number);
		assert_int_equal(clv_rc_exit(outcomes[i].rc), outcomes[i].exit);
		assert_int_equal(clv_rc_http(outcomes[i].rc), outcomes[i].http);
		assert_string_equal(clv_rc_name(outcomes[i].rc), outcomes[i].name);
	}
}

static void rc_hint_says_something_for_each_outcome(void **state)
{
	(void) state;
	for (int rc = 0; rc < CLV_RC_COUNT; rc++)
		assert_true(strlen(clv_rc_hint((clv_rc) rc)) > 5);
}

static void rc_out_of_the_list_reads_as_internal(void **state)
{
	static const int strange[] = { -1, CLV_RC_COUNT, 1000 };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(strange); i++) {
		assert_string_equal(clv_rc_name((clv_rc) strange[i]), "INTERNAL");
		assert_int_equal(clv_rc_exit((clv_rc) strange[i]), 1);
		assert_int_equal(clv_rc_http((clv_rc) strange[i]), 500);
		assert_non_null(clv_rc_hint((clv_rc) strange[i]));
	}
}

static void fail_hands_back_the_code_and_writes_the_text(void **state)
{
	struct clv_err err = { .op = "C_Login", .domain = CLV_DOM_PKCS11, .native = 160 };

	(void) state;
	check_refused(clv_fail(&err, CLV_E_NOT_FOUND, "no key %s", "\"k\""), &err, CLV_E_NOT_FOUND,
		      "no key \"k\"");
}

static void fail_forgets_the_story_of_an_earlier_failure(void **state)
{
	struct clv_err err = { .op = "C_Login", .domain = CLV_DOM_PKCS11, .native = 160 };

	(void) state;
	assert_int_equal(clv_fail(&err, CLV_E_INTERNAL, "x"), CLV_E_INTERNAL);
	assert_null(err.op);
	assert_int_equal(err.domain, CLV_DOM_NONE);
	assert_int_equal(err.native, 0);
}

static void fail_cuts_a_text_that_is_too_long(void **state)
{
	struct clv_err err;
	char text[2 * CLV_ERR_TEXT_MAX];

	(void) state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(clv_fail(&err, CLV_E_INTERNAL, "%s", text), CLV_E_INTERNAL);
	assert_int_equal(strlen(err.text), CLV_ERR_TEXT_MAX - 1);
}

static void fail_errno_keeps_the_number_and_appends_its_text(void **state)
{
	struct clv_err err;

	(void) state;
	check_refused(clv_fail_errno(&err, CLV_E_UNAVAILABLE, ENOENT, "opening %s", "gate"), &err,
		      CLV_E_UNAVAILABLE, "opening gate: No such file or directory");
	assert_int_equal(err.domain, CLV_DOM_ERRNO);
	assert_int_equal(err.native, ENOENT);
	assert_null(err.op);
}

static void fail_errno_cuts_a_text_that_is_too_long(void **state)
{
	struct clv_err err;
	char text[CLV_ERR_TEXT_MAX];

	(void) state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(clv_fail_errno(&err, CLV_E_UNAVAILABLE, EIO, "%s", text),
			 CLV_E_UNAVAILABLE);
	assert_string_equal(err.text, text);
}

static clv_rc tries(clv_rc rc, bool *went_on)
{
	*went_on = false;
	CLV_TRY(rc);
	*went_on = true;
	return CLV_OK;
}

static void try_goes_on_after_ok_and_returns_any_other_code(void **state)
{
	bool went_on;

	(void) state;
	assert_int_equal(tries(CLV_OK, &went_on), CLV_OK);
	assert_true(went_on);
	assert_int_equal(tries(CLV_E_ABORTED, &went_on), CLV_E_ABORTED);
	assert_false(went_on);
}

static void version_text_has_three_numbers(void **state)
{
	unsigned major, minor, patch;
	char rest;

	(void) state;
	assert_int_equal(sscanf(clv_version_text(), "%u.%u.%u%c", &major, &minor, &patch, &rest),
			 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rc_numbers_exits_and_names_stay_as_they_are),
		cmocka_unit_test(rc_hint_says_something_for_each_outcome),
		cmocka_unit_test(rc_out_of_the_list_reads_as_internal),
		cmocka_unit_test(fail_hands_back_the_code_and_writes_the_text),
		cmocka_unit_test(fail_forgets_the_story_of_an_earlier_failure),
		cmocka_unit_test(fail_cuts_a_text_that_is_too_long),
		cmocka_unit_test(fail_errno_keeps_the_number_and_appends_its_text),
		cmocka_unit_test(fail_errno_cuts_a_text_that_is_too_long),
		cmocka_unit_test(try_goes_on_after_ok_and_returns_any_other_code),
		cmocka_unit_test(version_text_has_three_numbers),
	};
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
