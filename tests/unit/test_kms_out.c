/* SPDX-License-Identifier: Apache-2.0 */
/* Records and tables as people see them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/kmsctl/kmsctl.h"

/* A text being printed to, and what is printed. */
struct paper {
	char *text;
	size_t len;
	FILE *to;
	json_t *json;
};

static int set_up(void **state)
{
	struct paper *paper = calloc(1, sizeof *paper);

	if (paper != NULL)
		paper->to = open_memstream(&paper->text, &paper->len);
	*state = paper;
	return paper == NULL || paper->to == NULL;
}

static int tear_down(void **state)
{
	struct paper *paper = *state;

	fclose(paper->to);
	free(paper->text);
	json_decref(paper->json);
	free(paper);
	return 0;
}

static void shows(struct paper *paper, const char *expected)
{
	fflush(paper->to);
	assert_string_equal(paper->text, expected);
}

static const struct kms_column columns[] = {
	{ "NAME", "name", false },
	{ "ID", "primary.name", true },
	{ "N", "n", false },
	{ 0 },
};

static struct kms_screen screen(unsigned width)
{
	return (struct kms_screen){ .width = width };
}

static void print_table(struct paper *paper, const struct kms_column *of, struct kms_screen on)
{
	struct clv_err err;

	assert_int_equal(kms_print_table(paper->to, paper->json, of, on, &err), CLV_OK);
}

static void load(struct paper *paper, const char *json)
{
	paper->json = json_loads(json, 0, NULL);
	assert_non_null(paper->json);
}

static void a_record_is_field_and_value(void **state)
{
	struct paper *paper = *state;

	load(paper, "{\"name\":\"a/b\",\"n\":3,\"ok\":true,\"in\":{\"x\":\"1\"},\"none\":[],"
		    "\"list\":[{\"a\":\"1\",\"b\":\"2\"},\"s\"],\"pem\":\"one\\ntwo\\n\"}");
	kms_print_record(paper->to, paper->json, NULL);
	shows(paper, "name: a/b\nn: 3\nok: true\nin:\n  x: 1\nnone: []\nlist:\n- a: 1\n  b: 2\n"
		     "- s\npem: |\n  one\n  two\n");
}

static void a_member_can_be_left_out(void **state)
{
	struct paper *paper = *state;

	load(paper, "{\"a\":\"1\",\"b\":\"2\"}");
	kms_print_record(paper->to, paper->json, "a");
	shows(paper, "b: 2\n");
}

/* Labels and reasons were written by others; a terminal must not obey them. */
static void control_characters_are_not_passed_on(void **state)
{
	struct paper *paper = *state;

	load(paper, "{\"a\":\"x\\u001b[2Jy\\u007f\\u009b\\u00e9\\t\"}");
	kms_print_record(paper->to, paper->json, NULL);
	shows(paper, "a: x?[2Jy??\xc3\xa9?\n");
}

static void a_text_that_is_not_utf8_is_shown_as_far_as_it_is_ascii(void **state)
{
	struct paper *paper = *state;

	paper->json = json_object();
	kms_put_text(&paper->json, "label", "tok\xe9n");
	kms_print_record(paper->to, paper->json, NULL);
	shows(paper, "label: tok?n\n");
}

static void columns_are_aligned_and_no_line_ends_in_blanks(void **state)
{
	struct paper *paper = *state;

	load(paper, "[{\"name\":\"long name\",\"primary\":{\"name\":\"x/y/12\"},\"n\":5},"
		    "{\"name\":\"b\"},{\"n\":77}]");
	print_table(paper, columns, screen(0));
	shows(paper, "NAME       ID  N\nlong name  12  5\nb\n               77\n");
}

static void a_map_is_shown_as_its_pairs(void **state)
{
	struct paper *paper = *state;

	load(paper, "[{\"name\":{\"env\":\"prod\",\"team\":\"\"},\"n\":1},{\"name\":{}}]");
	print_table(paper, columns, screen(0));
	shows(paper, "NAME            ID  N\nenv=prod,team=      1\n\n");
}

static void width_is_counted_in_characters(void **state)
{
	struct paper *paper = *state;

	load(paper, "[{\"name\":\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\",\"n\":1}]");
	print_table(paper, columns, screen(0));
	shows(paper, "NAME   ID  N\n\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9      1\n");
}

static void a_table_fits_the_terminal_and_keeps_the_ends_of_names(void **state)
{
	struct paper *paper = *state;

	load(paper, "[{\"name\":\"projects/demo/keyRings/ring-7\",\"n\":1}]");
	print_table(paper, columns, screen(18));
	shows(paper, "NAME         ID  N\n..gs/ring-7      1\n");
}

static void a_table_too_wide_for_any_cut_is_still_printed(void **state)
{
	struct paper *paper = *state;

	load(paper, "[{\"name\":\"abcdefgh\",\"n\":1}]");
	print_table(paper, columns, screen(3));
	shows(paper, "NAME   ID  N\n..fgh      1\n");
}

/* ENABLED and DISABLED end in the same letters: a line too long is better. */
static void only_names_are_cut_to_fit(void **state)
{
	static const struct kms_column of_versions[] = {
		{ "NAME", "name", false },
		{ "PRIMARY_STATE", "primary.state", false },
		{ "SINCE", "stateTime", false },
		{ 0 },
	};
	struct paper *paper = *state;

	load(paper, "[{\"name\":\"projects/demo/1\",\"primary\":{\"state\":\"ENABLED\"},"
		    "\"stateTime\":\"2031-01-02T03:04:05Z\"},"
		    "{\"name\":\"projects/demo/2\",\"primary\":{\"state\":\"DISABLED\"}}]");
	print_table(paper, of_versions, screen(20));
	shows(paper, "NAME   PRIMARY_STATE  SINCE\n"
		     "..o/1  ENABLED        2031-01-02T03:04:05Z\n"
		     "..o/2  DISABLED\n");
}

/* Only where the cell is a state, and not counted in its width. */
static void states_have_colours_where_there_are_any(void **state)
{
	static const struct kms_column with_state[] = {
		{ "STATE", "primary.state", false },
		{ "NAME", "name", false },
		{ 0 },
	};
	const struct kms_screen screen = { .colours = true };
	struct paper *paper = *state;

	load(paper, "[{\"name\":\"ENABLED\",\"primary\":{\"state\":\"ENABLED\"}},"
		    "{\"name\":\"b\",\"primary\":{\"state\":\"DISABLED\"}},"
		    "{\"name\":\"c\",\"primary\":{\"state\":\"OTHER\"}}]");
	print_table(paper, with_state, screen);
	shows(paper, "STATE     NAME\n\33[32mENABLED\33[0m   ENABLED\n"
		     "\33[33mDISABLED\33[0m  b\nOTHER     c\n");
}

static void an_empty_table_has_no_titles(void **state)
{
	struct paper *paper = *state;

	load(paper, "[]");
	print_table(paper, columns, screen(0));
	shows(paper, "");
}

static void a_key_shows_its_primary_version_as_that_version_is_shown(void **state)
{
	struct paper *paper = *state;
	const struct clv_key key = {
		.name = "projects/demo/locations/l/keyRings/r/cryptoKeys/k",
		.purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
		.algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
		.primary = 3,
		.primary_version = { .name = "projects/demo/locations/l/keyRings/r/cryptoKeys/k/"
					     "cryptoKeyVersions/3",
				     .number = 3,
				     .state = CLV_STATE_DESTROY_SCHEDULED,
				     .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
				     .protection = CLV_PROTECTION_HSM,
				     .residency = CLV_RESIDENCY_WRAPPED,
				     .import_time = CLV_NS_PER_S,
				     .import_job = "j",
				     .destroy_time = 2 * CLV_NS_PER_S,
				     .state_reason = "drill" },
	};
	json_t *version = kms_record_version(&key.primary_version);

	paper->json = kms_record_key(&key);
	assert_int_equal(json_object_size(version), 13);
	assert_true(json_equal(json_object_get(paper->json, "primary"), version));
	json_decref(version);
}

static void a_key_has_the_field_names_of_cloud_kms(void **state)
{
	struct paper *paper = *state;
	const struct clv_key key = {
		.name = "projects/p/locations/l/keyRings/r/cryptoKeys/k",
		.purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
		.algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
		.protection = CLV_PROTECTION_HSM,
		.residency = CLV_RESIDENCY_WRAPPED,
		.destroy_delay = CLV_DESTROY_DELAY_DEFAULT,
	};

	paper->json = kms_record_key(&key);
	json_dumpf(paper->json, paper->to, JSON_COMPACT);
	shows(paper, "{\"name\":\"projects/p/locations/l/keyRings/r/cryptoKeys/k\","
		     "\"purpose\":\"ENCRYPT_DECRYPT\",\"createTime\":\"1970-01-01T00:00:00Z\","
		     "\"versionTemplate\":{\"algorithm\":\"GOOGLE_SYMMETRIC_ENCRYPTION\","
		     "\"protectionLevel\":\"HSM\"},"
		     "\"destroyScheduledDuration\":\"2592000s\",\"residency\":\"WRAPPED\"}");
}

static void a_record_that_could_not_be_made_is_an_error(void **state)
{
	struct kms_out out;
	struct clv_err err;
	json_t *rec = NULL;

	(void) state;
	kms_out_init(&out, (struct kms_format){ KMS_FORM_TEXT, NULL }, false);
	kms_put(&rec, "key", json_string("value"));
	assert_null(rec);
	assert_int_equal(kms_out_record(&out, rec, &err), CLV_E_RESOURCE_EXHAUSTED);
	kms_out_done(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_is_field_and_value),
		TEST(a_member_can_be_left_out),
		TEST(control_characters_are_not_passed_on),
		TEST(a_text_that_is_not_utf8_is_shown_as_far_as_it_is_ascii),
		TEST(columns_are_aligned_and_no_line_ends_in_blanks),
		TEST(a_map_is_shown_as_its_pairs),
		TEST(width_is_counted_in_characters),
		TEST(a_table_fits_the_terminal_and_keeps_the_ends_of_names),
		TEST(a_table_too_wide_for_any_cut_is_still_printed),
		TEST(only_names_are_cut_to_fit),
		TEST(states_have_colours_where_there_are_any),
		TEST(an_empty_table_has_no_titles),
		TEST(a_key_has_the_field_names_of_cloud_kms),
		TEST(a_key_shows_its_primary_version_as_that_version_is_shown),
		TEST(a_record_that_could_not_be_made_is_an_error),
	};
	return cmocka_run_group_tests_name("kms_out", tests, NULL, NULL);
}
