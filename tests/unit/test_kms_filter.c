/* SPDX-License-Identifier: Apache-2.0 */
/* Filter expressions: which records they hold for, and which expressions are refused. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/filter.h"

#define NAME "projects/p/locations/l/keyRings/r/cryptoKeys/Key01"

static int set_up(void **state)
{
	*state = json_loads("{\"name\":\"" NAME "\",\"state\":\"ENABLED\",\"n\":5,\"f\":true,"
			    "\"primary\":{\"state\":\"ENABLED\",\"name\":\"x/12\"},"
			    "\"createTime\":\"2026-11-25T01:00:00.123456Z\",\"none\":null,"
			    "\"delay\":\"172800s\",\"labels\":{\"team\":\"Alpha Beta\"},"
			    "\"tags\":[\"red\",\"Blue\"]}",
			    0, NULL);
	return *state == NULL;
}

static int tear_down(void **state)
{
	json_decref(*state);
	return 0;
}

/* An expression, and whether it holds for the record. */
struct row {
	const char *text;
	bool holds;
};

static void try_rows(json_t *record, const struct row *rows)
{
	for (; rows->text != NULL; rows++) {
		struct kms_filter *filter = NULL;
		struct clv_err err = { 0 };

		if (kms_filter_parse(rows->text, &filter, &err) != CLV_OK)
			fail_msg("%s: %s", rows->text, err.text);
		if (kms_filter_holds(filter, record) != rows->holds)
			fail_msg("%s: %s", rows->text, rows->holds ? "does not hold" : "holds");
		kms_filter_free(filter);
	}
}

/* All of these were held against gcloud 528, but for the durations. */
static void equality_is_of_the_whole_and_not_of_case(void **state)
{
	static const struct row rows[] = {
		{ "state=ENABLED", true },
		{ "state = enabled", true },
		{ "state=Enabl", false },
		{ "state!=ENABLED", false },
		{ "state!=DISABLED", true },
		{ "name=key01", false },
		{ "n=5.0", true },
		{ "n!=6", true },
		{ "f=true", true },
		{ "f=yes", false },
		{ "labels.team=\"alpha beta\"", true },
		{ "labels.team='Alpha'", false },
		{ "labels.team=Alpha\\*", false },
		{ "tags=blue", true },
		{ "tags=green", false },
		{ "primary.state=ENABLED", true },
		{ "primary=ENABLED", false },
		{ "state=(DISABLED ENABLED)", true },
		{ "state=(DISABLED,DESTROYED)", false },
		{ "state=(DISABLED OR ENABLED)", true },
		{ "state!=(DISABLED ENABLED)", false },
		{ "createTime=2026-11-25T02:00:00.123456+01:00", true },
		{ "delay=2d", true },
		{ 0 },
	};

	try_rows(*state, rows);
}

static void a_colon_looks_inside(void **state)
{
	static const struct row rows[] = {
		{ "state:enab", true },         { "state:bled", true },
		{ "state:enab*", true },        { "state:*led", true },
		{ "state:E*D", true },          { "state:ENABLED*ENABLED", false },
		{ "state:e*x", false },         { "name:cryptokeys/key01", true },
		{ "name:(key02 key01)", true }, { "labels:team", true },
		{ "labels:Alpha", true },       { "labels:gamma", false },
		{ "tags:blu", true },           { "labels.team:*", true },
		{ "labels.none:*", false },     { "none:*", false },
		{ "-labels.none:*", true },     { 0 },
	};

	try_rows(*state, rows);
}

static void order_is_that_of_numbers_times_durations_and_texts(void **state)
{
	static const struct row rows[] = {
		{ "n>4", true },
		{ "n<10", true },
		{ "n<\"10\"", true },
		{ "n>=5 AND n<=5", true },
		{ "n>5", false },
		{ "createTime>2026-11-24", true },
		{ "createTime<2026-11-24", false },
		{ "createTime>=2026-11-25T01:00:00.123456Z", true },
		{ "createTime<\"2026-11-25T01:00:00.2Z\"", true },
		{ "delay<86400s", false },
		{ "delay>1d", true },
		{ "state>A", true },
		{ "state<F", true },
		{ "missing<F", false },
		{ 0 },
	};

	try_rows(*state, rows);
}

static void a_tilde_is_a_regular_expression(void **state)
{
	static const struct row rows[] = {
		{ "name~Key0[0-9]$", true }, { "name~KEY", false },
		{ "name !~ Key", false },    { "state~\"^(EN|DIS)ABLED$\"", true },
		{ "missing!~x", true },      { 0 },
	};

	try_rows(*state, rows);
}

static void tests_are_joined_as_gcloud_joins_them(void **state)
{
	static const struct row rows[] = {
		{ "state=ENABLED AND n=5", true },
		{ "state=ENABLED n=6", false },
		{ "state=DISABLED OR n=5", true },
		{ "n=5 state=DISABLED OR state=ENABLED", true },
		{ "n=6 state=DISABLED OR state=ENABLED", false },
		{ "state=ENABLED OR n=5 n=6", false },
		{ "NOT state=ENABLED", false },
		{ "-state=ENABLED", false },
		{ "NOT NOT state=ENABLED", true },
		{ "NOT (state=DISABLED OR n=6)", true },
		{ "NOT(n=6)", true },
		{ "state=ENABLED AND (n=5 OR n=6)", true },
		{ "(state=ENABLED AND n=6) OR n=5", true },
		{ "  ( n = 5 )  ", true },
		{ "missing=x", false },
		{ "missing!=x", true },
		{ "NOT missing=x", true },
		{ 0 },
	};

	try_rows(*state, rows);
}

static void what_means_nothing_is_refused_with_its_place(void **state)
{
	static const char *const rows[][2] = {
		{ "", "the name of a field is missing at the end" },
		{ "state", "one of = != < <= > >= : ~ !~ is missing at the end" },
		{ "state=", "a value is missing at the end" },
		{ "=ENABLED", "the name of a field is missing at `=ENABLED`" },
		{ "1n=2", "the name of a field is missing at `1n=2`" },
		{ "a..b=1", "the name of a field is missing at `a..b=1`" },
		{ "state==ENABLED", "not an operator at `=ENABLED`" },
		{ "state<>ENABLED", "not an operator at `>ENABLED`" },
		{ "state=ENABLED and n=5", "is missing at `n=5`" },
		{ "AND n=5", "the name of a field is missing at `AND n=5`" },
		{ "n=5 AND", "the name of a field is missing at the end" },
		{ "n=5 OR OR n=6", "the name of a field is missing at `OR n=6`" },
		{ "n=5 AND n=6 OR n=7", "AND beside OR needs parentheses at `OR n=7`" },
		{ "n=5 OR n=6 AND n=7", "AND beside OR needs parentheses at `AND n=7`" },
		{ "(n=5", "a ) is missing at the end" },
		{ "n=5)", "a ) without its ( at `)`" },
		{ "state=()", "a value is missing at `)`" },
		{ "state=(A", "a value is missing at the end" },
		{ "n<(1 2)", "a value is missing at `(1 2)`" },
		{ "state=\"ENABLED", "a quote without its end at `\"ENABLED`" },
		{ "state='ENABLED\\", "a quote without its end" },
		{ "name:*a*", "more than one * in `*a*`" },
		{ "name~[", "the regular expression `[`" },
		{ "createTime>-P1D", "`-P1D` is counted from now" },
		{ "createTime<PT5M", "`PT5M` is counted from now" },
	};

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kms_filter *filter = NULL;
		struct clv_err err = { 0 };

		assert_int_equal(kms_filter_parse(rows[i][0], &filter, &err),
				 CLV_E_INVALID_ARGUMENT);
		assert_null(filter);
		if (strstr(err.text, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], err.text);
	}
}

/* One expression with `n` times the same in it. */
static void refuses_many(const char *begin, const char *piece, size_t n, const char *end,
			 const char *why)
{
	struct kms_filter *filter = NULL;
	struct clv_err err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	fputs(begin, to);
	for (size_t i = 0; i < n; i++)
		fputs(piece, to);
	fputs(end, to);
	fclose(to);
	assert_int_equal(kms_filter_parse(text, &filter, &err), CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(err.text, why));
	free(text);
}

static void there_are_bounds_to_an_expression(void **state)
{
	(void) state;
	refuses_many("", "(", 33, "n=5", "too many parentheses");
	refuses_many("", "-", 1000, "n=5", "too many parentheses");
	refuses_many("", "n=5 ", 200, "", "too many tests");
	refuses_many("n=(", "5 ", 200, ")", "too many tests");
	refuses_many("n~", "a", 257, "", "too long");
}

static void a_field_that_no_record_had_is_told_once(void **state)
{
	struct kms_filter *filter = NULL;
	struct clv_err err = { 0 };
	size_t at = 0;

	assert_int_equal(kms_filter_parse("stat=ENABLED OR stat=DISABLED OR n=9 OR lables.a:*",
					  &filter, &err),
			 CLV_OK);
	kms_filter_holds(filter, *state);
	assert_string_equal(kms_filter_unseen(filter, &at), "stat");
	assert_string_equal(kms_filter_unseen(filter, &at), "lables.a");
	assert_null(kms_filter_unseen(filter, &at));
	kms_filter_free(filter);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equality_is_of_the_whole_and_not_of_case),
		TEST(a_colon_looks_inside),
		TEST(order_is_that_of_numbers_times_durations_and_texts),
		TEST(a_tilde_is_a_regular_expression),
		TEST(tests_are_joined_as_gcloud_joins_them),
		TEST(what_means_nothing_is_refused_with_its_place),
		TEST(there_are_bounds_to_an_expression),
		TEST(a_field_that_no_record_had_is_told_once),
	};
	return cmocka_run_group_tests_name("kms_filter", tests, NULL, NULL);
}
