/* SPDX-License-Identifier: Apache-2.0 */
/* lib/model/labels.c: what labels may look like, and how they are changed. */
#include "tests/unit/base_check.h"

#include <stdio.h>
#include <string.h>

#include "lib/model/labels.h"

/* 63 characters that begin with `first`. */
#define LONGEST(first) first "23456789_123456789-123456789_123456789-123456789_123456789-123"

static void labels_are_kept_sorted_by_key(void **state)
{
	static const struct {
		const char *text, *kept;
	} table[] = {
		{ "a=1,", "a=1" },
		{ NULL, "" },
		{ "", "" },
		{ "k=v", "k=v" },
		{ "k=", "k=" },
		{ "b=2,a=1", "a=1,b=2" },
		{ "team=kms,env=prod,a=,zz=1", "a=,env=prod,team=kms,zz=1" },
		{ "ab=1,a=2,a-b=3,a_b=4,a1=5", "a=2,a-b=3,a1=5,a_b=4,ab=1" },
		{ LONGEST("k") "=" LONGEST("0"), LONGEST("k") "=" LONGEST("0") },
		{ "k=0-_", "k=0-_" },
	};
	char got[CLV_LABELS_MAX];
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		check_ok(model_labels_parse(table[i].text, got, &err));
		assert_string_equal(got, table[i].kept);
		check_ok(model_labels_parse(got, got, &err)); /* what is kept can be read again */
		assert_string_equal(got, table[i].kept);
	}
}

static void label_that_breaks_a_rule_is_named(void **state)
{
	static const struct {
		const char *text, *words;
	} table[] = {
		{ "k", "\"k\" has no value" },
		{ "a=1,,", "\"\" has no value" },
		{ ",", "\"\" has no value" },
		{ ",a=1", "\"\" has no value" },
		{ "a=1,,b=2", "\"\" has no value" },
		{ "=v", "the key of label \"\"" },
		{ "K=v", "the key of label \"K\"" },
		{ "1k=v", "the key of label \"1k\"" },
		{ "-k=v", "the key of label \"-k\"" },
		{ "k.x=v", "the key of label \"k.x\"" },
		{ " k=v", "the key of label \" k\"" },
		{ "k\xc3\xa9=v", "the key of label" },
		{ LONGEST("k") "x=v", "the key of label" },
		{ "k=V", "the value of label \"k\"" },
		{ "k=a b", "the value of label \"k\"" },
		{ "a\nERROR: forged=1", "the key of label \"a?ERROR: forged\"" },
		{ "\033[2J", "\"?[2J\" has no value" },
		{ LONGEST("K") "yes-longer=v", "\"... must be" },
		{ "k=a=b", "the value of label \"k\"" },
		{ "k=\n", "the value of label \"k\"" },
		{ "k=" LONGEST("0") "x", "the value of label \"k\"" },
		{ "a=1,b=2,a=3", "the label \"a\" is given twice" },
	};
	char got[CLV_LABELS_MAX] = "untouched";
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		check_refused(model_labels_parse(table[i].text, got, &err), &err,
			      CLV_E_INVALID_ARGUMENT, table[i].words);
		check_refused(model_labels_update("x=1", table[i].text, got, &err), &err,
			      CLV_E_INVALID_ARGUMENT, table[i].words);
	}
	assert_string_equal(got, "untouched");
}

/* `n` labels of the longest kind. */
static void many(char *text, size_t size, unsigned n)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		used += (size_t) snprintf(text + used, size - used, "%sk%02u%s=%s",
					  i > 0 ? "," : "", i, &LONGEST("x")[3], LONGEST("v"));
}

static void labels_are_at_most_64(void **state)
{
	char text[2 * CLV_LABELS_MAX], kept[CLV_LABELS_MAX];
	struct clv_err err;

	(void) state;
	many(text, sizeof text, 64);
	check_ok(model_labels_parse(text, kept, &err));
	assert_string_equal(kept, text);
	assert_int_equal(strlen(kept), 64 * 127 + 63);
	check_refused(model_labels_update(kept, "one-more=", kept, &err), &err,
		      CLV_E_INVALID_ARGUMENT, "at most 64 labels");
	assert_string_equal(kept, text);
	/* Another value for one that is there is not one more. */
	snprintf(text, sizeof text, "k63%s=", &LONGEST("x")[3]);
	check_ok(model_labels_update(kept, text, kept, &err));
	assert_int_equal(strlen(kept), 64 * 127);
	many(text, sizeof text, 65);
	check_refused(model_labels_parse(text, kept, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "at most 64 labels");
}

static void labels_are_added_replaced_and_taken_away(void **state)
{
	static const struct {
		const char *labels, *update, *remove, *kept;
	} table[] = {
		{ "", "a=1", NULL, "a=1" },
		{ "b=2", "a=1,c=3", NULL, "a=1,b=2,c=3" },
		{ "a=1,b=2", "b=,a=9", NULL, "a=9,b=" },
		{ "a=1,b=2", NULL, "a", "b=2" },
		{ "a=1,b=2,c=3", NULL, "c,a", "b=2" },
		{ "a=1", NULL, "a", "" },
		{ "a=1", NULL, "never-there", "a=1" },
		{ "a=1,ab=2", NULL, "a", "ab=2" },
		{ "a=1,ab=2", NULL, "ab", "a=1" },
		{ "a=1", "b=2", "a", "b=2" },
		{ "a=1", "", "", "a=1" },
	};
	char got[CLV_LABELS_MAX];
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		check_ok(model_labels_update(table[i].labels, table[i].update, got, &err));
		check_ok(model_labels_remove(got, table[i].remove, got, &err));
		assert_string_equal(got, table[i].kept);
	}
}

static void keys_to_take_away_must_be_keys(void **state)
{
	static const char *const table[] = { "a=1", "A", "a,,b", "a b", ",a" };
	char got[CLV_LABELS_MAX] = "untouched";
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++)
		check_refused(model_labels_remove("a=1", table[i], got, &err), &err,
			      CLV_E_INVALID_ARGUMENT, "the key of label");
	assert_string_equal(got, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_kept_sorted_by_key),
		cmocka_unit_test(label_that_breaks_a_rule_is_named),
		cmocka_unit_test(labels_are_at_most_64),
		cmocka_unit_test(labels_are_added_replaced_and_taken_away),
		cmocka_unit_test(keys_to_take_away_must_be_keys),
	};
	return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
