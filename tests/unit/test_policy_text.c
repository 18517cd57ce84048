/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as text: etags in and out, and which changes only take grants away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/policy/text.h"

static struct clv_bytes bytes_of(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

/* ---- etags */

static void etag_of_nothing_is_cloud_kmss(void **state)
{
	char etag[POLICY_ETAG_MAX];

	(void) state;
	policy_etag_format(0, etag);
	assert_string_equal(etag, "ACAB");
	assert_int_equal(policy_etag_parse("ACAB"), 0);
}

static void etag_is_base64_of_the_row_version(void **state)
{
	static const struct {
		int64_t row_version;
		const char *etag;
	} table[] = {
		{ 1, "AAAAAAAAAAE=" },
		{ 63, "AAAAAAAAAD8=" },
		{ INT64_C(0x0123456789abcdef), "ASNFZ4mrze8=" },
		{ INT64_MAX, "f/////////8=" },
	};
	char etag[POLICY_ETAG_MAX];

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		policy_etag_format(table[i].row_version, etag);
		assert_string_equal(etag, table[i].etag);
		assert_int_equal(policy_etag_parse(etag), table[i].row_version);
	}
	assert_int_equal(policy_etag_parse("f_________8="), INT64_MAX); /* base64url */
}

static void etag_that_was_never_given_out_is_of_nothing(void **state)
{
	static const char *const wrong[] = {
		"A",
		"ACAC",
		"AAAAAAAAAAE",
		"AAAAAAAAAAE==",
		"AAAAAAAAAAA=",
		"AAAAAAAAAAF=",
		"AAAAAAAAA E=",
		"//////////8=",
		"gAAAAAAAAAA=",
		"AAAAAAAAAAEA",
	};

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(wrong); i++) {
		if (policy_etag_parse(wrong[i]) != POLICY_ETAG_WRONG)
			fail_msg("%s", wrong[i]);
	}
	assert_int_equal(policy_etag_parse(NULL), POLICY_ETAG_NONE);
	assert_int_equal(policy_etag_parse(""), POLICY_ETAG_NONE);
}

/* ---- in and out */

static void text_is_stored_without_its_etag(void **state)
{
	struct clv_err err;
	char *text = NULL;
	int64_t etag = 77;

	(void) state;
	assert_int_equal(policy_text_read(bytes_of(" {\"b\": [1],\n \"etag\": \"AAAAAAAAAAE=\", "
						   "\"a\": \"x\"} "),
					  &text, &etag, &err),
			 CLV_OK);
	assert_string_equal(text, "{\"b\":[1],\"a\":\"x\"}");
	assert_int_equal(etag, 1);
	free(text);
	assert_int_equal(policy_text_read(bytes_of("{}"), &text, &etag, &err), CLV_OK);
	assert_string_equal(text, "{}");
	assert_int_equal(etag, POLICY_ETAG_NONE);
	free(text);
}

static void text_is_handed_out_with_the_etag_of_its_row(void **state)
{
	struct clv_buf out = { 0 };
	struct clv_err err;

	(void) state;
	assert_int_equal(policy_text_write("{\"b\":[1]}", 1, &out, &err), CLV_OK);
	assert_int_equal(policy_text_write(NULL, 0, &out, &err), CLV_OK);
	assert_int_equal(clv_buf_add(&out, "", 1, &err), CLV_OK);
	assert_string_equal((const char *) out.data,
			    "{\"b\":[1],\"etag\":\"AAAAAAAAAAE=\"}{\"etag\":\"ACAB\"}");
	clv_buf_done(&out);
}

static void text_that_is_no_object_is_refused(void **state)
{
	static const struct {
		const char *text, *part;
	} table[] = {
		{ "", "no JSON" },
		{ "[]", "must begin with {" },
		{ "{", "line 1" },
		{ "{\"a\":1,\"a\":2}", "no JSON" },
		{ "{} {}", "no JSON" },
		{ "{\"a\":\"\\u0000\"}", "no JSON" },
		{ "{\"etag\":1}", "\"etag\" must be a string" },
		{ "\"\xff\"", "no JSON" },
	};
	struct clv_err err;
	char *text = NULL;
	int64_t etag = 77;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		clv_rc rc = policy_text_read(bytes_of(table[i].text), &text, &etag, &err);

		if (rc != CLV_E_INVALID_ARGUMENT || strstr(err.text, table[i].part) == NULL)
			fail_msg("%s: %s %s", table[i].text, clv_rc_name(rc), err.text);
	}
	assert_null(text);
	assert_int_equal(etag, 77);
}

static void text_that_is_too_long_is_refused(void **state)
{
	char *long_text = malloc(POLICY_TEXT_MAX + 1), *text = NULL;
	struct clv_err err;
	int64_t etag;

	(void) state;
	assert_non_null(long_text);
	memset(long_text, ' ', POLICY_TEXT_MAX + 1);
	long_text[0] = '{';
	long_text[1] = '}';
	assert_int_equal(
		policy_text_read((struct clv_bytes){ (uint8_t *) long_text, POLICY_TEXT_MAX + 1 },
				 &text, &etag, &err),
		CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(err.text, "too long"));
	assert_int_equal(
		policy_text_read((struct clv_bytes){ (uint8_t *) long_text, POLICY_TEXT_MAX },
				 &text, &etag, &err),
		CLV_OK);
	free(text);
	free(long_text);
}

/* ---- what a change does */

#define BINDING(role, members) "{\"role\":\"" role "\",\"members\":[" members "]}"
#define POLICY(bindings) "{\"bindings\":[" bindings "]}"
#define SINCE(members)                                                                             \
	"{\"role\":\"r\",\"members\":[" members                                                    \
	"],\"condition\":{\"title\":\"t\",\"expression\":\"e\"}}"

static void only_what_takes_away_is_known_as_such(void **state)
{
	static const struct {
		const char *before, *now;
		bool only_removes;
	} table[] = {
		{ POLICY(BINDING("r", "\"a\",\"b\"")), POLICY(BINDING("r", "\"a\"")), true },
		{ POLICY(BINDING("r", "\"a\",\"b\"")), POLICY(BINDING("r", "\"b\",\"a\"")), true },
		{ POLICY(BINDING("r", "\"a\"")), POLICY(""), true },
		{ POLICY(BINDING("r", "\"a\"")), "{}", true },
		{ POLICY(BINDING("r", "\"a\",\"b\"")),
		  POLICY(BINDING("r", "\"a\"") "," BINDING("r", "\"b\"")), true },
		{ NULL, "{}", true },
		{ NULL, POLICY(BINDING("r", "\"a\"")), false },
		{ POLICY(BINDING("r", "\"a\"")), POLICY(BINDING("r", "\"a\",\"b\"")), false },
		{ POLICY(BINDING("r", "\"a\"")), POLICY(BINDING("s", "\"a\"")), false },
		{ POLICY(BINDING("r", "\"a\"") "," BINDING("s", "\"b\"")),
		  POLICY(BINDING("r", "\"b\"")), false },
		{ POLICY(SINCE("\"a\"")), POLICY(BINDING("r", "\"a\"")), false },
		{ POLICY(BINDING("r", "\"a\"")), POLICY(SINCE("\"a\"")), false },
		{ POLICY(SINCE("\"a\",\"b\"")), POLICY(SINCE("\"a\"")), true },
		{ "[", "{}", false },
		{ "{}", "{", false },
	};

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (policy_text_only_removes(table[i].before, table[i].now) !=
		    table[i].only_removes)
			fail_msg("%s -> %s", table[i].before, table[i].now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(etag_of_nothing_is_cloud_kmss),
		cmocka_unit_test(etag_is_base64_of_the_row_version),
		cmocka_unit_test(etag_that_was_never_given_out_is_of_nothing),
		cmocka_unit_test(text_is_stored_without_its_etag),
		cmocka_unit_test(text_is_handed_out_with_the_etag_of_its_row),
		cmocka_unit_test(text_that_is_no_object_is_refused),
		cmocka_unit_test(text_that_is_too_long_is_refused),
		cmocka_unit_test(only_what_takes_away_is_known_as_such),
	};

	return cmocka_run_group_tests_name("policy_text", tests, NULL, NULL);
}
