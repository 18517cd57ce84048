/* SPDX-License-Identifier: Apache-2.0 */
/* One member of a JSON line is replaced, and no other byte of the line moves. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/kmsctl/json_line.h"

static struct clv_bytes bytes_of(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

static void member_is_found_and_replaced_and_the_rest_stays(void **state)
{
	static const struct {
		const char *line, *value, *after;
	} cases[] = {
		{ "{\"w\":\"abc\"}", "abc", "{\"w\":\"NEW\"}" },
		{ "{\"w\":\"abc\"}\n", "abc", "{\"w\":\"NEW\"}\n" },
		{ "{\"w\":\"\"}\r\n", "", "{\"w\":\"NEW\"}\r\n" },
		{ " { \"w\" : \"a\" , \"x\" : 1 } \n", "a", " { \"w\" : \"NEW\" , \"x\" : 1 } \n" },
		{ "{\"n\":1.50e+3,\"w\":\"a\\/b\",\"z\":-0}", "a/b",
		  "{\"n\":1.50e+3,\"w\":\"NEW\",\"z\":-0}" },
		{ "{\"n\":12345678901234567890123,\"w\":\"a\"}", "a",
		  "{\"n\":12345678901234567890123,\"w\":\"NEW\"}" },
		{ "{\"a\":{\"w\":\"no\",\"b\":[{\"w\":1},\"}\"]},\"w\":\"yes\"}", "yes",
		  "{\"a\":{\"w\":\"no\",\"b\":[{\"w\":1},\"}\"]},\"w\":\"NEW\"}" },
		{ "{\"a\":\"\\\"w\\\":\\\"x\\\\\",\"w\":\"y\"}", "y",
		  "{\"a\":\"\\\"w\\\":\\\"x\\\\\",\"w\":\"NEW\"}" },
		{ "{\"ww\":\"1\",\"\":\"2\",\"w\":\"3\",\"W\":\"4\"}", "3",
		  "{\"ww\":\"1\",\"\":\"2\",\"w\":\"NEW\",\"W\":\"4\"}" },
		{ "{\"u\":\"\\u00e9\\ud83d\\ude00 \xc3\xa9\",\"t\":true,\"f\":false,\"o\":null,"
		  "\"w\":\"\\u0041\"}",
		  "A",
		  "{\"u\":\"\\u00e9\\ud83d\\ude00 \xc3\xa9\",\"t\":true,\"f\":false,\"o\":null,"
		  "\"w\":\"NEW\"}" },
		{ "{\"z\":\"a\\u0000b\",\"w\":\"v\",\"e\":[],\"g\":{}}", "v",
		  "{\"z\":\"a\\u0000b\",\"w\":\"NEW\",\"e\":[],\"g\":{}}" },
	};

	(void) state;
	for (size_t i = 0; i < KMS_ARRAY_LEN(cases); i++) {
		struct json_line line;
		struct clv_buf out = { 0 };
		struct clv_err err;

		if (json_line_parse(bytes_of(cases[i].line), "w", &line, &err) != CLV_OK)
			fail_msg("%s: %s", cases[i].line, err.text);
		assert_string_equal(line.value, cases[i].value);
		assert_int_equal(json_line_replace(&line, bytes_of("NEW"), &out, &err), CLV_OK);
		assert_int_equal(clv_buf_add(&out, "", 1, &err), CLV_OK);
		assert_string_equal((const char *) out.data, cases[i].after);
		json_line_done(&line);
		clv_buf_done(&out);
	}
}

static void lines_that_are_something_else_are_refused_and_say_what(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "not JSON" },
		{ "\n", "not JSON" },
		{ "{\"w\":\"a\"", "not JSON" },
		{ "{\"w\":\"a\"} x", "not JSON" },
		{ "{\"w\":\"a\"}{\"w\":\"b\"}", "not JSON" },
		{ "{\"w\":\"a\",\"w\":\"b\"}", "not JSON: duplicate" },
		{ "{\"w\":\"\xff\"}", "not JSON" },
		{ "{'w':'a'}", "not JSON" },
		{ "[\"w\"]", "not a JSON object" },
		{ "{}", "no member \"w\"" },
		{ "{\"W\":\"a\"}", "no member \"w\"" },
		{ "{\"a\":{\"w\":\"a\"}}", "no member \"w\"" },
		{ "{\"w\":1}", "not a string" },
		{ "{\"w\":null}", "not a string" },
		{ "{\"w\":[\"a\"]}", "not a string" },
		{ "{\"\\u0077\":\"a\"}", "written with escapes" },
		{ "{\"w\":\"a\\u0000b\"}", "not base64" },
	};

	(void) state;
	for (size_t i = 0; i < KMS_ARRAY_LEN(cases); i++) {
		struct json_line line = { 0 };
		struct clv_err err;

		if (json_line_parse(bytes_of(cases[i].line), "w", &line, &err) !=
			    CLV_E_INVALID_ARGUMENT ||
		    strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].line, err.text);
		assert_null(line.object);
	}
}

static void refusal_quotes_no_part_of_the_line(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "{\"w\":\"a\",\"p\":\"SECRET\"", "it ends too early, at byte " },
		{ "{\"w\":\"a\",\"p\":\"SECRET", "it ends too early, at byte " },
		{ "{\"w\":\"a\",\"p\" \"SECRET\"}", "syntax error, at byte 21" },
		{ "{\"w\":\"a\",\"p\":SECRET}", "syntax error, at byte 19" },
		{ "{\"w\":\"a\"} \"SECRET\"", "more behind the object, at byte " },
		{ "{\"SECRET\":1,\"SECRET\":2}", "duplicate name, at byte " },
		{ "{\"w\":\"a\",\"p\":\"SECRET\xff\"}", "no UTF-8, at byte " },
		{ "{\"SECRET\\u0000\":1}", "NUL in a name, at byte " },
	};

	(void) state;
	for (size_t i = 0; i < KMS_ARRAY_LEN(cases); i++) {
		struct json_line line = { 0 };
		struct clv_err err;

		assert_int_equal(json_line_parse(bytes_of(cases[i].line), "w", &line, &err),
				 CLV_E_INVALID_ARGUMENT);
		if (strstr(err.text, cases[i].says) == NULL || strstr(err.text, "SECRET") != NULL)
			fail_msg("%s: %s", cases[i].line, err.text);
	}
}

static void line_of_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
	char *text = calloc(1, JSON_LINE_MAX + 2);
	struct json_line line;
	struct clv_err err;

	(void) state;
	assert_non_null(text);
	memset(text, ' ', JSON_LINE_MAX + 1);
	memcpy(text, "{\"w\":\"a\"}", 9);
	assert_int_equal(json_line_parse((struct clv_bytes){ (uint8_t *) text, JSON_LINE_MAX }, "w",
					 &line, &err),
			 CLV_OK);
	json_line_done(&line);
	assert_int_equal(json_line_parse((struct clv_bytes){ (uint8_t *) text, JSON_LINE_MAX + 1 },
					 "w", &line, &err),
			 CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(err.text, "longer than 1048576 bytes"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member_is_found_and_replaced_and_the_rest_stays),
		cmocka_unit_test(lines_that_are_something_else_are_refused_and_say_what),
		cmocka_unit_test(refusal_quotes_no_part_of_the_line),
		cmocka_unit_test(line_of_the_limit_is_taken_and_one_byte_more_is_not),
	};

	return cmocka_run_group_tests_name("json_line", tests, NULL, NULL);
}
