/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, comparisons, hexadecimal digits. */
#include "tests/unit/base_check.h"

#include "lib/base/bytes.h"

static void random_bytes_differ_from_call_to_call(void **state)
{
	uint8_t a[16], b[16];
	struct clv_err err;

	(void) state;
	assert_int_equal(clv_random(a, sizeof a, &err), CLV_OK);
	assert_int_equal(clv_random(b, sizeof b, &err), CLV_OK);
	assert_false(clv_same(a, b, sizeof a));
}

static void random_refuses_more_than_openssl_takes(void **state)
{
	struct clv_err err;
	uint8_t byte;

	(void) state;
	assert_int_equal(clv_random(&byte, (size_t) INT32_MAX + 1, &err), CLV_E_INTERNAL);
}

static void same_sees_a_difference_in_any_byte(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void) state;
	assert_true(clv_same(a, b, sizeof a));
	for (size_t i = 0; i < sizeof b; i++) {
		b[i] = 1;
		assert_false(clv_same(a, b, sizeof a));
		b[i] = 0;
	}
}

static void hex_and_back_is_the_same(void **state)
{
	uint8_t bytes[256], back[256];
	char text[2 * sizeof bytes + 1];

	(void) state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t) i;
	clv_hex(bytes, sizeof bytes, text);
	assert_int_equal(strlen(text), 2 * sizeof bytes);
	assert_true(clv_unhex(text, back, sizeof back));
	assert_true(clv_same(bytes, back, sizeof bytes));
}

static void unhex_takes_both_cases(void **state)
{
	uint8_t got[2];

	(void) state;
	assert_true(clv_unhex("aBCd", got, sizeof got));
	assert_int_equal(got[0], 0xab);
	assert_int_equal(got[1], 0xcd);
}

static void unhex_refuses_what_is_not_that_many_digits(void **state)
{
	static const char *const wrong[] = { "",     "a",    "abc",   "abcde", "abc ",
					     "0xab", "abcg", " abcd", "-1ab" };
	uint8_t got[2];

	(void) state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(clv_unhex(wrong[i], got, sizeof got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_differ_from_call_to_call),
		cmocka_unit_test(random_refuses_more_than_openssl_takes),
		cmocka_unit_test(same_sees_a_difference_in_any_byte),
		cmocka_unit_test(hex_and_back_is_the_same),
		cmocka_unit_test(unhex_takes_both_cases),
		cmocka_unit_test(unhex_refuses_what_is_not_that_many_digits),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
