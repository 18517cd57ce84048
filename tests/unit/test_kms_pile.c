/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in the order of --sort-by, in memory and through the file. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tools/common/pile.h"

static struct kms_pile *new_pile(const char *order, size_t limit)
{
	struct kms_pile *pile = NULL;
	struct clv_err err;

	if (order != NULL)
		assert_int_equal(kms_sort_check(order, &err), CLV_OK);
	assert_int_equal(kms_pile_new(order, limit, &pile, &err), CLV_OK);
	return pile;
}

/* The next row as a text; "" at the end. */
static const char *next(struct kms_pile *pile, char *text, size_t size)
{
	const char *row;
	struct clv_err err;
	size_t len;

	assert_int_equal(kms_pile_next(pile, &row, &len, &err), CLV_OK);
	assert_true(len < size);
	memcpy(text, row != NULL ? row : "", len);
	text[len] = '\0';
	return text;
}

/* ---- order */

/* The items of a list, in this order, make that list; read twice, for it may be. */
static void sorts(const char *order, size_t limit, const char *json, const char *expected)
{
	json_t *list = json_loads(json, 0, NULL);
	struct kms_pile *pile = new_pile(order, limit);
	char row[256];
	struct clv_err err;

	assert_non_null(list);
	for (size_t i = 0; i < json_array_size(list); i++) {
		char *text = json_dumps(json_array_get(list, i), JSON_COMPACT);

		assert_int_equal(
			kms_pile_add(pile, json_array_get(list, i), text, strlen(text), &err),
			CLV_OK);
		free(text);
	}
	for (int round = 0; round < 2; round++) {
		char sorted[1024] = "[]";
		size_t used = 1;

		assert_int_equal(kms_pile_begin(pile, &err), CLV_OK);
		while (*next(pile, row, sizeof row) != '\0')
			used += (size_t) snprintf(sorted + used, sizeof sorted - used, "%s%s]",
						  used > 1 ? "," : "", row) -
				1;
		assert_string_equal(sorted, expected);
	}
	kms_pile_free(pile);
	json_decref(list);
}

static void order_is_by_the_first_field_first(void **state)
{
	(void) state;
	sorts("a", 9, "[{\"a\":10},{\"a\":9},{\"a\":10}]", "[{\"a\":9},{\"a\":10},{\"a\":10}]");
	sorts("~a", 9, "[{\"a\":9},{\"a\":10}]", "[{\"a\":10},{\"a\":9}]");
	sorts("a,~b", 9, "[{\"a\":1,\"b\":1},{\"a\":0,\"b\":1},{\"a\":1,\"b\":2}]",
	      "[{\"a\":0,\"b\":1},{\"a\":1,\"b\":2},{\"a\":1,\"b\":1}]");
	sorts("t", 9, "[{\"t\":\"2026-11-25T10:00:00.5Z\"},{\"t\":\"2026-11-25T10:00:00Z\"}]",
	      "[{\"t\":\"2026-11-25T10:00:00Z\"},{\"t\":\"2026-11-25T10:00:00.5Z\"}]");
	sorts("d", 9, "[{\"d\":\"2d\"},{\"d\":\"36h\"},{\"d\":\"5400s\"}]",
	      "[{\"d\":\"5400s\"},{\"d\":\"36h\"},{\"d\":\"2d\"}]");
	sorts("p.s", 9, "[{\"p\":{\"s\":\"b\"}},{\"p\":{\"s\":\"B\"}}]",
	      "[{\"p\":{\"s\":\"B\"}},{\"p\":{\"s\":\"b\"}}]");
}

static void equals_stay_and_items_without_the_field_come_first(void **state)
{
	(void) state;
	sorts("a", 9, "[{\"a\":1,\"n\":1},{\"n\":2},{\"a\":1,\"n\":3},{\"n\":4},{\"a\":\"\"}]",
	      "[{\"n\":2},{\"n\":4},{\"a\":\"\"},{\"a\":1,\"n\":1},{\"a\":1,\"n\":3}]");
	sorts("a", 9, "[]", "[]");
}

static void without_an_order_all_stay_as_they_came(void **state)
{
	(void) state;
	sorts(NULL, 9, "[{\"a\":3},{\"a\":1},{\"a\":2}]", "[{\"a\":3},{\"a\":1},{\"a\":2}]");
}

static void no_more_than_the_limit_are_handed_out(void **state)
{
	(void) state;
	sorts("a", 2, "[{\"a\":3},{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":2}]");
	sorts(NULL, 1, "[{\"a\":3},{\"a\":1}]", "[{\"a\":3}]");
}

static void a_field_that_nothing_has_is_known(void **state)
{
	struct kms_pile *pile = new_pile("a,b.c,~d", 9);
	json_t *item = json_loads("{\"a\":1,\"b\":{\"c\":{}}}", 0, NULL);
	char field[KMS_FIELD_MAX] = "";
	struct clv_err err;

	(void) state;
	assert_true(kms_pile_unseen(pile, field));
	assert_string_equal(field, "a");
	assert_int_equal(kms_pile_add(pile, item, "x", 1, &err), CLV_OK);
	assert_true(kms_pile_unseen(pile, field));
	assert_string_equal(field, "d");
	json_object_set_new(item, "d", json_null());
	assert_int_equal(kms_pile_add(pile, item, "x", 1, &err), CLV_OK);
	assert_false(kms_pile_unseen(pile, field));
	json_decref(item);
	kms_pile_free(pile);
}

/* ---- through the file */

#define PRIME 100003
#define FILLED 100 /* bytes of a row, so that those of all are more than KMS_PILE_MEMORY */

/* Rows 0 to n - 1 by a field that each value of has twice, so that equals are in several parts. */
static void add_many(struct kms_pile *pile, unsigned n)
{
	json_t *item = json_object();
	char row[FILLED + 16];
	struct clv_err err;

	for (unsigned i = 0; i < n; i++) {
		unsigned key = (unsigned) ((uint64_t) i * 7919 % PRIME / 2);

		json_object_set_new(item, "k", json_integer(key));
		snprintf(row, sizeof row, "%06u %06u%*s", key, i, FILLED - 13, "");
		assert_int_equal(kms_pile_add(pile, item, row, FILLED, &err), CLV_OK);
	}
	json_decref(item);
}

/* Reads `n` rows, and no more; `way` is 1 where keys rise and -1 where they fall. */
static void has_many(struct kms_pile *pile, unsigned n, int way)
{
	unsigned key, number, last_key = 0, last_number = 0;
	char row[FILLED + 1];
	struct clv_err err;

	assert_int_equal(kms_pile_begin(pile, &err), CLV_OK);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(sscanf(next(pile, row, sizeof row), "%u %u", &key, &number), 2);
		assert_int_equal(key, (unsigned) ((uint64_t) number * 7919 % PRIME / 2));
		if (i > 0 && key == last_key)
			assert_true(number > last_number);
		else if (i > 0)
			assert_true(way > 0 ? key > last_key : key < last_key);
		last_key = key;
		last_number = number;
	}
	assert_string_equal(next(pile, row, sizeof row), "");
	assert_string_equal(next(pile, row, sizeof row), "");
}

static void many_rows_come_back_in_order_and_equals_as_they_came(void **state)
{
	(void) state;
	for (int way = -1; way <= 1; way += 2) {
		struct kms_pile *pile = new_pile(way > 0 ? "k" : "~k", SIZE_MAX);

		add_many(pile, PRIME);
		has_many(pile, PRIME, way);
		has_many(pile, PRIME, way);
		kms_pile_free(pile);
	}
}

static void the_first_of_many_are_the_first_of_all_parts(void **state)
{
	static const unsigned limits[] = { 1, 3, 5000, PRIME - 1 };

	(void) state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct kms_pile *pile = new_pile("k", limits[i]);
		char row[FILLED + 1];
		struct clv_err err;

		add_many(pile, PRIME);
		has_many(pile, limits[i], 1);
		assert_int_equal(kms_pile_begin(pile, &err), CLV_OK);
		assert_memory_equal(next(pile, row, sizeof row), "000000 000000", 13);
		kms_pile_free(pile);
	}
}

static void many_rows_without_an_order_stay_as_they_came(void **state)
{
	struct kms_pile *pile = new_pile(NULL, SIZE_MAX);
	unsigned key, number;
	char row[FILLED + 1];
	struct clv_err err;

	(void) state;
	add_many(pile, PRIME);
	assert_int_equal(kms_pile_begin(pile, &err), CLV_OK);
	for (unsigned i = 0; i < PRIME; i++) {
		assert_int_equal(sscanf(next(pile, row, sizeof row), "%u %u", &key, &number), 2);
		assert_int_equal(number, i);
	}
	kms_pile_free(pile);
}

/* Larger than what is read at once, and than what is kept in memory. */
static void a_row_may_have_any_length(void **state)
{
	static const size_t lens[] = { KMS_PILE_MEMORY + 1, 0, 300000, KMS_PILE_MEMORY / 2, 1 };
	const size_t n = sizeof lens / sizeof lens[0];
	struct kms_pile *pile = new_pile("~k", SIZE_MAX);
	char *large = malloc(KMS_PILE_MEMORY + 1);
	json_t *item = json_object();
	struct clv_err err;
	const char *row;
	size_t len;

	(void) state;
	assert_non_null(large);
	memset(large, 'x', KMS_PILE_MEMORY + 1);
	for (size_t i = 0; i < n; i++) {
		json_object_set_new(item, "k", json_integer((json_int_t) i));
		assert_int_equal(kms_pile_add(pile, item, large, lens[i], &err), CLV_OK);
	}
	assert_int_equal(kms_pile_begin(pile, &err), CLV_OK);
	for (size_t i = n; i-- > 0;) {
		assert_int_equal(kms_pile_next(pile, &row, &len, &err), CLV_OK);
		assert_non_null(row);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(row, large, len);
	}
	assert_int_equal(kms_pile_next(pile, &row, &len, &err), CLV_OK);
	assert_null(row);
	json_decref(item);
	free(large);
	kms_pile_free(pile);
}

static void a_file_that_cannot_grow_is_an_error(void **state)
{
	struct kms_pile *pile = new_pile("k", SIZE_MAX);
	json_t *item = json_loads("{\"k\":1}", 0, NULL);
	struct rlimit old, small = { 4096, RLIM_INFINITY };
	clv_rc rc = CLV_OK;
	struct clv_err err;
	char row[1000] = "";

	(void) state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (size_t i = 0; rc == CLV_OK && i < KMS_PILE_MEMORY / sizeof row + 1; i++)
		rc = kms_pile_add(pile, item, row, sizeof row, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(rc, CLV_E_UNAVAILABLE);
	assert_non_null(strstr(err.text, "cannot keep a long list in a temporary file: "));
	json_decref(item);
	kms_pile_free(pile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_by_the_first_field_first),
		cmocka_unit_test(equals_stay_and_items_without_the_field_come_first),
		cmocka_unit_test(without_an_order_all_stay_as_they_came),
		cmocka_unit_test(no_more_than_the_limit_are_handed_out),
		cmocka_unit_test(a_field_that_nothing_has_is_known),
		cmocka_unit_test(many_rows_come_back_in_order_and_equals_as_they_came),
		cmocka_unit_test(the_first_of_many_are_the_first_of_all_parts),
		cmocka_unit_test(many_rows_without_an_order_stay_as_they_came),
		cmocka_unit_test(a_row_may_have_any_length),
		cmocka_unit_test(a_file_that_cannot_grow_is_an_error),
	};
	return cmocka_run_group_tests_name("kms_pile", tests, NULL, NULL);
}
