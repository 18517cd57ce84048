/* SPDX-License-Identifier: Apache-2.0 */
/* --format and --sort-by: what they read and refuse, and what --format makes of records. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/field.h"
#include "tools/common/format.h"

/* What is printed of `json` with --format `format`. */
static void prints(const char *format_text, const char *json, const char *expected)
{
	json_t *doc = json_loads(json, 0, NULL);
	struct kms_format format;
	struct clv_err err;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(doc);
	assert_non_null(to);
	assert_int_equal(kms_format_parse(format_text, &format, &err), CLV_OK);
	assert_int_equal(format.form, KMS_FORM_VALUE);
	kms_print_values(to, doc, &format, true);
	fclose(to);
	assert_string_equal(text, expected);
	free(text);
	json_decref(doc);
}

static void a_record_is_a_line(void **state)
{
	static const char key[] = "{\"name\":\"a/b/k\",\"primary\":{\"state\":\"ENABLED\"},"
				  "\"n\":7,\"on\":true,\"labels\":{\"a\":\"1\",\"b\":\"2\"},"
				  "\"tags\":[\"x\",\"y\"]}";

	(void) state;
	prints("value(name)", key, "a/b/k\n");
	prints("value(name.basename())", key, "k\n");
	prints("value(primary.state,n, name.basename())", key, "ENABLED\t7\tk\n");
	prints("value( n , none , on )", key, "7\t\tTrue\n");
	prints("value(labels,tags)", key, "a=1;b=2\tx;y\n");
	prints("value(none)", key, "\n");
}

static void a_list_is_a_line_for_each_item(void **state)
{
	(void) state;
	prints("value(a,b)", "[{\"a\":\"1\",\"b\":\"2\"},{\"b\":\"4\"}]", "1\t2\n\t4\n");
	prints("value(a)", "[]", "");
}

/* A PEM goes out as it is; but no reason may look like another item. */
static void ends_of_lines_are_kept_where_nothing_else_is(void **state)
{
	(void) state;
	prints("value(pem)", "{\"pem\":\"one\\ntwo\\n\"}", "one\ntwo\n\n");
	prints("value(pem,n)", "{\"pem\":\"one\\ntwo\",\"n\":1}", "one?two\t1\n");
	prints("value(pem)", "[{\"pem\":\"one\\ntwo\"}]", "one?two\n");
	prints("value(pem)", "{\"pem\":\"\\u001b[2J\\t\"}", "?[2J?\n");
}

static void formats_are_text_json_and_those_with_fields(void **state)
{
	struct kms_format_field fields[KMS_FORMAT_FIELDS_MAX];
	struct kms_format format;
	struct clv_err err;

	(void) state;
	assert_int_equal(kms_format_parse("text", &format, &err), CLV_OK);
	assert_int_equal(format.form, KMS_FORM_TEXT);
	assert_int_equal(kms_format_parse("json", &format, &err), CLV_OK);
	assert_int_equal(format.form, KMS_FORM_JSON);
	assert_int_equal(kms_format_parse("table(a,b.c.basename())", &format, &err), CLV_OK);
	assert_int_equal(format.form, KMS_FORM_TABLE);
	assert_int_equal(kms_format_fields(&format, fields), 2);
	assert_string_equal(fields[1].name, "b.c");
	assert_true(fields[1].last_part && !fields[0].last_part);
}

static void other_formats_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"yaml",
		"JSON",
		"json(name)",
		"value",
		"value()",
		"value(name",
		"value(name,)",
		"value(,name)",
		"value(name name)",
		"value(na me)",
		"value(name)x",
		"value(name.size())",
		"value(basename())",
		"value(.basename())",
		"value(name.basename(1))",
		"value(name.basename().basename())",
		"value(name:label=X)",
		"table",
		"table()",
		"table(name",
		"text ",
		"value(a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a)",
	};
	struct kms_format format = { KMS_FORM_JSON, NULL };
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (kms_format_parse(rows[i], &format, &err) != CLV_E_INVALID_ARGUMENT)
			fail_msg("`%s` is not refused", rows[i]);
		assert_int_equal(format.form, KMS_FORM_JSON);
	}
}

/* ---- order */

static void other_orders_are_refused(void **state)
{
	static const char *const rows[] = {
		"", ",", "a,", ",a", "~", "~~a", "a b", "a,,b", "a.", "a~", "-a", "1",
	};
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (kms_sort_check(rows[i], &err) != CLV_E_INVALID_ARGUMENT)
			fail_msg("`%s` is not refused", rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_a_line),
		cmocka_unit_test(a_list_is_a_line_for_each_item),
		cmocka_unit_test(ends_of_lines_are_kept_where_nothing_else_is),
		cmocka_unit_test(formats_are_text_json_and_those_with_fields),
		cmocka_unit_test(other_formats_are_refused),
		cmocka_unit_test(other_orders_are_refused),
	};
	return cmocka_run_group_tests_name("kms_format", tests, NULL, NULL);
}
