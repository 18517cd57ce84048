/* SPDX-License-Identifier: Apache-2.0 */
/* Text that is held back, and lists that are. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/out.h"
#include "tools/common/spool.h"

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct kms_spool));
	return *state == NULL;
}

static int tear_down(void **state)
{
	kms_spool_done(*state);
	free(*state);
	return 0;
}

/* Numbered lines from `from` on, until there are `len` bytes or a little more. */
static void add_lines(struct kms_spool *spool, unsigned *from, size_t len)
{
	struct clv_err err;
	char line[16];
	size_t n = 0;

	while (n < len) {
		snprintf(line, sizeof line, "%u\n", (*from)++);
		assert_int_equal(kms_spool_add(spool, line, strlen(line), &err), CLV_OK);
		n += strlen(line);
	}
}

/* What comes out are the numbered lines from 0 to `n`, twice when it is asked for twice. */
static void has_lines(struct kms_spool *spool, unsigned n)
{
	char *text = NULL;
	char *at;
	size_t len;
	struct clv_err err;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	assert_int_equal(kms_spool_copy(spool, to, &err), CLV_OK);
	fclose(to);
	at = text;
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(strtoul(at, &at, 10), i);
		assert_int_equal(*at++, '\n');
	}
	assert_int_equal(*at, '\0');
	free(text);
}

static void little_stays_in_memory(void **state)
{
	struct kms_spool *spool = *state;
	unsigned n = 0;

	has_lines(spool, 0);
	add_lines(spool, &n, 1000);
	assert_null(spool->file);
	has_lines(spool, n);
}

static void much_goes_into_a_file_and_keeps_its_order(void **state)
{
	struct kms_spool *spool = *state;
	unsigned n = 0;

	add_lines(spool, &n, 3 * KMS_SPOOL_MEMORY);
	assert_non_null(spool->file);
	has_lines(spool, n);
	has_lines(spool, n);
}

static void one_text_may_be_larger_than_the_memory(void **state)
{
	struct kms_spool *spool = *state;
	size_t len = KMS_SPOOL_MEMORY + 1;
	char *large = calloc(1, len + 1);
	char *text = NULL;
	struct clv_err err;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(large);
	memset(large, 'x', KMS_SPOOL_MEMORY + 1);
	assert_int_equal(kms_spool_add(spool, large, KMS_SPOOL_MEMORY + 1, &err), CLV_OK);
	assert_int_equal(kms_spool_copy(spool, to, &err), CLV_OK);
	fclose(to);
	assert_string_equal(text, large);
	free(text);
	free(large);
}

/* ---- lists */

/* What `format` makes of the items of a list, up to its end. */
static void streams(const char *format_text, const char *json, const char *expected)
{
	const struct kms_stream stream = { .limit = SIZE_MAX };
	json_t *list = json_loads(json, 0, NULL);
	struct kms_format format;
	struct kms_out out;
	struct clv_err err;

	assert_non_null(list);
	assert_int_equal(kms_format_parse(format_text, &format, &err), CLV_OK);
	kms_out_init(&out, format, false);
	assert_int_equal(kms_out_stream(&out, &stream, &err), CLV_OK);
	for (size_t i = 0; i < json_array_size(list); i++)
		assert_int_equal(kms_out_item(&out, json_array_get(list, i), &err), CLV_OK);
	assert_int_equal(out.n_items, json_array_size(list));
	assert_int_equal(out.spool.len, strlen(expected));
	assert_memory_equal(out.spool.text, expected, out.spool.len);
	kms_out_done(&out);
	json_decref(list);
}

static void items_are_printed_one_by_one(void **state)
{
	(void) state;
	streams("text", "[\"a/1\",\"a/2\\u001b\"]", "a/1\na/2?\n");
	streams("value(n,name.basename())", "[{\"n\":1,\"name\":\"a/1\"},{\"n\":\"x\\ny\"}]",
		"1\t1\nx?y\t\n");
}

/* But for the end, which kms_out_finish() adds, JSON is what it is when a list is printed whole. */
static void json_items_are_those_of_a_whole_list(void **state)
{
	static const char *const lists[] = {
		"[{\"a\":\"x\\ny\",\"b\":{\"c\":[1,{\"d\":true}],\"e\":{}}},{\"a\":\"\\u00e9\"}]",
		"[\"one\",\"two\"]",
		"[{}]",
	};

	(void) state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		json_t *list = json_loads(lists[i], 0, NULL);
		char *whole = json_dumps(list, JSON_INDENT(2) | JSON_ENSURE_ASCII);

		assert_non_null(whole);
		assert_string_equal(whole + strlen(whole) - 2, "\n]");
		whole[strlen(whole) - 2] = '\0';
		streams("json", lists[i], whole);
		free(whole);
		json_decref(list);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(little_stays_in_memory),
		TEST(much_goes_into_a_file_and_keeps_its_order),
		TEST(one_text_may_be_larger_than_the_memory),
		cmocka_unit_test(items_are_printed_one_by_one),
		cmocka_unit_test(json_items_are_those_of_a_whole_list),
	};
	return cmocka_run_group_tests_name("kms_spool", tests, NULL, NULL);
}
