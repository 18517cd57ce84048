/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/policy_world.h"

#define Y27 "timestamp(\"2027-01-01T00:00:00Z\")"
#define KEY_TYPE "cloudkms.googleapis.com/CryptoKey"

static const struct condition_facts at_key = { .time = NEW_YEAR_2027 - 1,
					       .name = KEY,
					       .type = KEY_TYPE,
					       .service = "cloudkms.googleapis.com" };

static const struct {
	const char *text;
	enum policy_truth truth;
} cases[] = {
	{ "request.time < " Y27, POLICY_TRUE },
	{ "request.time<" Y27, POLICY_TRUE },
	{ "request.time <= " Y27, POLICY_TRUE },
	{ "request.time > " Y27, POLICY_FALSE },
	{ "request.time >= " Y27, POLICY_FALSE },
	{ "request.time == " Y27, POLICY_FALSE },
	{ "request.time != " Y27, POLICY_TRUE },
	{ "request.time < timestamp('2027-01-01T00:00:00+01:00')", POLICY_FALSE },
	{ "request.time < timestamp('2026-12-31T23:59:59.999999999Z')", POLICY_FALSE },
	{ "request.time <= timestamp('2026-12-31T23:59:59.999999999Z')", POLICY_TRUE },
	{ "resource.name == \"" KEY "\"", POLICY_TRUE },
	{ "resource.name != \"" KEY "\"", POLICY_FALSE },
	{ "resource.name == \"" KEY "2\"", POLICY_FALSE },
	{ "resource.name == \"" RING "\"", POLICY_FALSE },
	{ "resource.name.startsWith(\"" RING "/\")", POLICY_TRUE },
	{ "resource.name.startsWith(\"" KEY "2\")", POLICY_FALSE },
	{ "resource.name.startsWith('')", POLICY_TRUE },
	{ "resource.name.endsWith(\"/orders\")", POLICY_TRUE },
	{ "resource.name.endsWith(\"/order\")", POLICY_FALSE },
	{ "resource.name.endsWith(\"x" KEY "\")", POLICY_FALSE },
	{ "resource.type == \"" KEY_TYPE "\"", POLICY_TRUE },
	{ "resource.type == \"" KEY_TYPE "Version\"", POLICY_FALSE },
	{ "resource.type != \"" KEY_TYPE "Version\"", POLICY_TRUE },
	{ "resource.service == 'cloudkms.googleapis.com'", POLICY_TRUE },
	{ "!(request.time < " Y27 ")", POLICY_FALSE },
	{ "!!(request.time < " Y27 ")", POLICY_TRUE },
	{ "!resource.name.endsWith('x')", POLICY_TRUE },
	/* && before ||, from the left */
	{ "resource.type=='a' && resource.type=='b' || resource.service!='x'", POLICY_TRUE },
	{ "resource.service!='x' || resource.type=='a' && resource.type=='b'", POLICY_TRUE },
	{ "(resource.service!='x' || resource.type=='a') && resource.type=='b'", POLICY_FALSE },
	{ "((resource.type != '\\'\\\"\\\\'))", POLICY_TRUE },
	{ "\n\tresource.type\r\n==  'a'  ", POLICY_FALSE },
};

static void conditions_mean_what_they_mean_elsewhere(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct policy_window window = { INT64_MIN, INT64_MAX };
		struct condition *condition = NULL;
		struct clv_err err = { 0 };
		enum policy_truth truth;

		if (condition_parse(cases[i].text, &condition, &err) != CLV_OK)
			fail_msg("%s: %s", cases[i].text, err.text);
		truth = condition_evaluate(condition, &at_key, &window);
		condition_free(condition);
		if (truth != cases[i].truth)
			fail_msg("%s is %d", cases[i].text, (int) truth);
	}
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "", "request.time" },
	{ "true", "request.time" },
	{ "request.time", "one of < <=" },
	{ "request.time < 5", "timestamp" },
	{ "request.time < timestamp(5)", "a string" },
	{ "request.time < timestamp('yesterday')", "yesterday" },
	{ "request.time < timestamp('2027-01-01')", "2027-01-01" },
	{ "request.time.getHours() < 5", "one of < <=" },
	{ "timestamp('2027-01-01T00:00:00Z') > request.time", "request.time" },
	{ "resource.name", "== or !=" },
	{ "resource.name < 'a'", "== or !=" },
	{ "resource.name = 'a'", "== or !=" },
	{ "resource.name.contains('a')", "startsWith or endsWith" },
	{ "resource.name.matches('a.*')", "startsWith or endsWith" },
	{ "resource.name.startsWith 'a'", "\"(\"" },
	{ "resource.name.startsWith('a'", "\")\"" },
	{ "resource.type.startsWith('a')", "== or !=" },
	{ "resource.names == 'a'", "request.time" },
	{ "resource.labels == 'a'", "request.time" },
	{ "destination.ip == 'a'", "request.time" },
	{ "resource.type == 'a' and resource.type == 'b'", "the end" },
	{ "resource.type == 'a' & resource.type == 'b'", "the end" },
	{ "resource.type == 'a' resource.type == 'b'", "the end" },
	{ "resource.type == 'a')", "the end" },
	{ "(resource.type == 'a'", "\")\"" },
	{ "()", "request.time" },
	{ "!", "request.time" },
	{ "resource.type == 'a' &&", "request.time" },
	{ "resource.type == 'a", "the end of a string" },
	{ "resource.type == 'a\\n'", "the end of a string" },
	{ "resource.type == 'a\n'", "the end of a string" },
	{ "resource.type == \"a'", "the end of a string" },
	{ "resource.type in ['a']", "== or !=" },
};

static void what_is_not_evaluated_is_refused_with_its_place(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(refused); i++) {
		struct condition *condition = NULL;
		struct clv_err err = { 0 };

		if (condition_parse(refused[i].text, &condition, &err) != CLV_E_INVALID_ARGUMENT)
			fail_msg("%s is accepted", refused[i].text);
		assert_null(condition);
		if (strstr(err.text, refused[i].says) == NULL)
			fail_msg("%s: %s", refused[i].text, err.text);
	}
}

static clv_rc parse_repeated(const char *begin, const char *part, unsigned n, const char *middle,
			     const char *end, unsigned n_end)
{
	static char text[3 * CONDITION_TEXT_MAX];
	struct condition *condition = NULL;
	struct clv_err err;
	size_t used = (size_t) snprintf(text, sizeof text, "%s", begin);
	clv_rc rc;

	for (unsigned i = 0; i < n; i++)
		used += (size_t) snprintf(text + used, sizeof text - used, "%s", part);
	used += (size_t) snprintf(text + used, sizeof text - used, "%s", middle);
	for (unsigned i = 0; i < n_end; i++)
		used += (size_t) snprintf(text + used, sizeof text - used, "%s", end);
	rc = condition_parse(text, &condition, &err);
	condition_free(condition);
	return rc;
}

static void size_and_depth_have_limits(void **state)
{
	const char *test = "resource.type=='a'", *more = "||resource.type=='a'";

	(void) state;
	assert_int_equal(parse_repeated("", "(", 16, test, ")", 16), CLV_OK);
	assert_int_equal(parse_repeated("", "(", 17, test, ")", 17), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(parse_repeated("", "!", 16, test, "", 0), CLV_OK);
	assert_int_equal(parse_repeated("", "!", 17, test, "", 0), CLV_E_INVALID_ARGUMENT);
	/* 32 tests and 31 operators; then one more of each */
	assert_int_equal(parse_repeated(test, more, 31, "", "", 0), CLV_OK);
	assert_int_equal(parse_repeated(test, more, 32, "", "", 0), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(parse_repeated("resource.type=='", "a", 4000, "'", "", 0), CLV_OK);
	assert_int_equal(parse_repeated("resource.type=='", "a", 4096, "'", "", 0),
			 CLV_E_INVALID_ARGUMENT);
}

static enum policy_truth truth_of(const char *text, const struct condition_facts *facts,
				  struct policy_window *window)
{
	struct condition *condition = NULL;
	struct clv_err err;
	enum policy_truth truth;

	assert_int_equal(condition_parse(text, &condition, &err), CLV_OK);
	truth = condition_evaluate(condition, facts, window);
	condition_free(condition);
	return truth;
}

static void what_is_not_known_stays_unknown_unless_it_does_not_count(void **state)
{
	static const struct {
		const char *text;
		enum policy_truth truth;
	} unknowns[] = {
		{ "resource.type == 'a'", POLICY_UNKNOWN },
		{ "resource.type != 'a'", POLICY_UNKNOWN },
		{ "!(resource.type == 'a')", POLICY_UNKNOWN },
		{ "resource.type == 'a' || resource.name == 'n'", POLICY_TRUE },
		{ "resource.name == 'n' || resource.type == 'a'", POLICY_TRUE },
		{ "resource.type == 'a' || resource.name == 'm'", POLICY_UNKNOWN },
		{ "resource.name == 'm' || resource.type == 'a'", POLICY_UNKNOWN },
		{ "resource.type == 'a' && resource.name == 'm'", POLICY_FALSE },
		{ "resource.name == 'm' && resource.type == 'a'", POLICY_FALSE },
		{ "resource.name == 'n' && resource.type == 'a'", POLICY_UNKNOWN },
		{ "resource.type == 'a' && resource.name == 'n'", POLICY_UNKNOWN },
	};
	const struct condition_facts facts = { .name = "n" };
	struct policy_window window = { INT64_MIN, INT64_MAX };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(unknowns); i++) {
		if (truth_of(unknowns[i].text, &facts, &window) != unknowns[i].truth)
			fail_msg("%s", unknowns[i].text);
	}
}

#define T(seconds) "timestamp('1970-01-01T00:00:" seconds "Z')"

static const struct {
	const char *text;
	int64_t now, from, until;
} windows[] = {
	{ "request.time < " T("10"), TIME(5), INT64_MIN, TIME(10) },
	{ "request.time < " T("10"), TIME(10), TIME(10), INT64_MAX },
	{ "request.time >= " T("10"), TIME(10), TIME(10), INT64_MAX },
	{ "request.time <= " T("10"), TIME(10), INT64_MIN, TIME(10) + 1 },
	{ "request.time > " T("10"), TIME(10) + 1, TIME(10) + 1, INT64_MAX },
	{ "request.time == " T("10"), TIME(10), TIME(10), TIME(10) + 1 },
	{ "request.time != " T("10"), TIME(9), INT64_MIN, TIME(10) },
	{ "request.time > " T("10") " && request.time < " T("20"), TIME(15), TIME(10) + 1,
	  TIME(20) },
	{ "request.time < " T("20") " || request.time < " T("10"), TIME(5), INT64_MIN, TIME(10) },
	{ "resource.name == 'n'", TIME(5), INT64_MIN, INT64_MAX },
};

static void the_answer_is_the_same_in_its_window(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(windows); i++) {
		struct policy_window window = { INT64_MIN, INT64_MAX }, rest = window;
		struct condition_facts facts = { .time = windows[i].now, .name = "n" };
		enum policy_truth truth = truth_of(windows[i].text, &facts, &window);

		if (window.from != windows[i].from || window.until != windows[i].until)
			fail_msg("%s: [%lld, %lld)", windows[i].text, (long long) window.from,
				 (long long) window.until);
		facts.time = window.from;
		assert_int_equal(truth_of(windows[i].text, &facts, &rest), truth);
		facts.time = window.until - 1;
		assert_int_equal(truth_of(windows[i].text, &facts, &rest), truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_mean_what_they_mean_elsewhere),
		cmocka_unit_test(what_is_not_evaluated_is_refused_with_its_place),
		cmocka_unit_test(size_and_depth_have_limits),
		cmocka_unit_test(what_is_not_known_stays_unknown_unless_it_does_not_count),
		cmocka_unit_test(the_answer_is_the_same_in_its_window),
	};
	return cmocka_run_group_tests_name("policy_condition", tests, NULL, NULL);
}
