/* SPDX-License-Identifier: Apache-2.0 */
/* The parser, on the tables of kmsctl itself. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/help.h"
#include "tools/kmsctl/kmsctl.h"

#define WORDS_MAX 24

/* A line being parsed; words are separated by one blank. */
struct line {
	char text[512];
	char *argv[WORDS_MAX];
	int argc;
	struct kms_args args;
	struct clv_err err;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct line));
	return *state == NULL;
}

static int tear_down(void **state)
{
	struct line *line = *state;

	kms_args_done(&line->args);
	free(line);
	return 0;
}

static clv_rc parse(struct line *line, const char *text)
{
	char *at = line->text;

	kms_args_done(&line->args);
	snprintf(line->text, sizeof line->text, "%s", text);
	line->argc = 0;
	while (at != NULL)
		line->argv[line->argc++] = strsep(&at, " ");
	return kms_args_parse(&kmsctl_tables, line->argc, line->argv, &line->args, &line->err);
}

static void accepts(struct line *line, const char *text)
{
	clv_rc rc = parse(line, text);

	if (rc != CLV_OK)
		fail_msg("`%s`: %s", text, line->err.text);
}

static void refuses(struct line *line, const char *text, const char *says)
{
	if (parse(line, text) != CLV_E_INVALID_ARGUMENT)
		fail_msg("`%s` is not refused", text);
	if (strstr(line->err.text, says) == NULL)
		fail_msg("`%s`: %s", text, line->err.text);
}

static void options_may_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"kmsctl keys create k1 --location l1 --keyring r1 --format json",
		"kmsctl --format json --location l1 keys create k1 --keyring r1",
		"kmsctl keys --location=l1 create --keyring=r1 --format=json k1",
		"kmsctl --keyring r1 key --format=json create --location l1 -- k1",
	};

	for (size_t i = 0; i < KMS_ARRAY_LEN(lines); i++) {
		struct line *line = *state;

		accepts(line, lines[i]);
		assert_string_equal(line->args.noun->name, "keys");
		assert_string_equal(line->args.verb->name, "create");
		assert_int_equal(line->args.n_args, 1);
		assert_string_equal(line->args.arg[0], "k1");
		assert_string_equal(kms_text(&line->args, "location"), "l1");
		assert_string_equal(kms_text(&line->args, "keyring"), "r1");
		assert_string_equal(kms_text(&line->args, "format"), "json");
	}
}

static void nouns_have_the_spellings_of_gcloud_and_ours(void **state)
{
	static const struct {
		const char *line, *noun, *verb;
	} rows[] = {
		{ "kmsctl keys versions disable 1", "keys versions", "disable" },
		{ "kmsctl key versions disable 1", "keys versions", "disable" },
		{ "kmsctl keys version disable 1", "keys versions", "disable" },
		{ "kmsctl key version disable 1", "keys versions", "disable" },
		{ "kmsctl versions disable 1", "keys versions", "disable" },
		{ "kmsctl version disable 1", "keys versions", "disable" },
		{ "kmsctl keyring create r", "keyrings", "create" },
		{ "kmsctl location list", "locations", "list" },
		{ "kmsctl tokens list", "token", "list" },
	};

	for (size_t i = 0; i < KMS_ARRAY_LEN(rows); i++) {
		struct line *line = *state;

		accepts(line, rows[i].line);
		assert_string_equal(line->args.noun->name, rows[i].noun);
		assert_string_equal(line->args.verb->name, rows[i].verb);
	}
}

static void after_two_dashes_nothing_is_an_option(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl keys create -- --k");
	assert_string_equal(line->args.arg[0], "--k");
}

static void a_single_dash_is_a_value(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl encrypt --plaintext-file - --ciphertext-file=-");
	assert_string_equal(kms_text(&line->args, "plaintext-file"), "-");
	assert_string_equal(kms_text(&line->args, "ciphertext-file"), "-");
}

static void a_repeatable_option_keeps_its_order(void **state)
{
	struct line *line = *state;
	size_t at = 0;

	accepts(line, "kmsctl --location a init --softhsm --location=b --location c");
	assert_string_equal(kms_each(&line->args, "location", &at), "a");
	assert_string_equal(kms_each(&line->args, "location", &at), "b");
	assert_string_equal(kms_each(&line->args, "location", &at), "c");
	assert_null(kms_each(&line->args, "location", &at));
}

static void numbers_and_durations_are_read(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl decrypt --plaintext-file p --ciphertext-file c --every 200ms "
		      "--count 3");
	assert_int_equal(kms_number(&line->args, "every", 0), 200 * CLV_NS_PER_MS);
	assert_int_equal(kms_number(&line->args, "count", 0), 3);
	assert_int_equal(kms_number(&line->args, "limit", 7), 7);
}

static void times_are_read(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl keys set-rotation-schedule k --next-rotation-time "
		      "2031-01-02T03:04:05.678Z --rotation-period=30d");
	assert_int_equal(kms_number(&line->args, "next-rotation-time", 0),
			 INT64_C(1925089445678) * CLV_NS_PER_MS);
	assert_int_equal(kms_number(&line->args, "rotation-period", 0),
			 INT64_C(30) * 24 * 3600 * CLV_NS_PER_S);
}

static void durations_have_the_forms_of_gcloud_too(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: refused */
	} rows[] = {
		{ "2592000", 2592000 },
		{ "P30D", 2592000 },
		{ "p30d", 2592000 },
		{ "P1DT12H", 129600 },
		{ "PT90M", 5400 },
		{ "P1W", 604800 },
		{ "36h", 129600 },
		{ "P", 0 },
		{ "P1M", 0 },
		{ "P1Y", 0 },
		{ "PT1H1D", 0 },
		{ "PT1HT1M", 0 },
		{ "1y", 0 },
		{ "-1", 0 },
		{ "0", 0 },
		{ "PT", 0 },
		{ "99999999999", 0 },
	};

	for (size_t i = 0; i < KMS_ARRAY_LEN(rows); i++) {
		struct line *line = *state;
		char text[128];

		snprintf(text, sizeof text, "kmsctl keys update k --rotation-period %s",
			 rows[i].text);
		if (rows[i].seconds == 0) {
			refuses(line, text, "--rotation-period takes a time like");
			continue;
		}
		accepts(line, text);
		assert_int_equal(kms_number(&line->args, "rotation-period", 0),
				 rows[i].seconds * CLV_NS_PER_S);
	}
}

static void times_have_the_forms_of_gcloud_too(void **state)
{
	struct line *line = *state;
	int64_t before = clv_time_now(), got;

	accepts(line, "kmsctl keys update k --next-rotation-time 2031-01-02");
	assert_int_equal(kms_number(&line->args, "next-rotation-time", 0),
			 INT64_C(1925078400) * CLV_NS_PER_S);
	accepts(line, "kmsctl keys update k --next-rotation-time +p1d");
	got = kms_number(&line->args, "next-rotation-time", 0) - 86400 * CLV_NS_PER_S;
	assert_true(got >= before && got <= clv_time_now());
	refuses(line, "kmsctl keys update k --next-rotation-time 2031-13-02", "takes a time like");
	refuses(line, "kmsctl keys update k --next-rotation-time +", "takes a time like");
	refuses(line, "kmsctl keys update k --next-rotation-time P1D", "takes a time like");
}

static void of_an_option_given_twice_the_last_counts(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl keys list --location a --keyring r --limit 3 --location=b --limit 4");
	assert_string_equal(kms_text(&line->args, "location"), "b");
	assert_int_equal(kms_number(&line->args, "limit", 0), 4);
	refuses(line, "kmsctl keys list --limit 0 --limit 4", "takes a number from 1");
}

static void lists_need_no_limit_and_no_filter(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl keys list --limit unlimited --filter=");
	assert_int_equal(kms_number(&line->args, "limit", 0), INT64_MAX);
	refuses(line, "kmsctl keys list --page-size unlimited", "takes a number from 1");
}

static void choices_are_read_in_either_case(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl keys versions update 1 --state ENABLED");
	refuses(line, "kmsctl keys versions update 1 --state DESTROYED", "is one of enabled|");
}

static void help_needs_no_more_than_a_command(void **state)
{
	struct line *line = *state;

	accepts(line, "kmsctl --help");
	assert_null(line->args.noun);
	accepts(line, "kmsctl encrypt -h");
	assert_string_equal(line->args.noun->name, "encrypt");
}

static void usage_errors_say_what_is_wrong_and_where_help_is(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "kmsctl", "no command given (see: kmsctl help)" },
		{ "kmsctl keyz list", "did you mean `keys`?" },
		{ "kmsctl zzz", "unknown command `zzz`" },
		{ "kmsctl keys", "needs a verb: create, list, describe" },
		{ "kmsctl keys creat k", "did you mean `create`?" },
		{ "kmsctl keys zzz k", "`keys` has no `zzz`, but: create, list, describe" },
		{ "kmsctl keys create", "KEY is missing (see: kmsctl help keys create)" },
		{ "kmsctl keys create a b", "unexpected `b`" },
		{ "kmsctl status x", "unexpected `x`" },
		{ "kmsctl keys list --locatoin l", "unknown option --locatoin; did you mean "
						   "--location?" },
		{ "kmsctl keys list --fromat=json", "did you mean --format?" },
		{ "kmsctl keys list --zzzzzz=secret", "unknown option --zzzzzz (see" },
		{ "kmsctl keys list -x", "unknown option -x" },
		{ "kmsctl keys list -qq", "unknown option -qq" },
		{ "kmsctl keys list --location", "--location needs a value: LOCATION" },
		{ "kmsctl keys list --location --keyring r", "--location needs a value" },
		{ "kmsctl keys list --quiet=yes", "--quiet takes no value" },
		{ "kmsctl keys list --every 1s", "--every is not an option of this command" },
		{ "kmsctl keys list --limit 0", "--limit takes a number from 1, not `0`" },
		{ "kmsctl keys list --limit -3", "--limit takes a number from 1" },
		{ "kmsctl keys list --limit 99999999999999999999", "--limit takes a number" },
		{ "kmsctl keys list --limit 3x", "--limit takes a number" },
		{ "kmsctl status --format xml", "--format: text, json, value(FIELD,...) or "
						"table(FIELD,...) is wanted, not `xml`" },
		{ "kmsctl status --format json|", "--format: text, json, value" },
		{ "kmsctl status --format value(name", "--format: fields like name" },
		{ "kmsctl keys list --filter state=", "--filter: a value is missing at the end" },
		{ "kmsctl keys list --sort-by ~", "--sort-by: fields like name" },
		{ "kmsctl keys list --page-size 0", "--page-size takes a number from 1" },
		{ "kmsctl keys describe k --filter a=b", "--filter is not an option of this" },
		{ "kmsctl status --verbosity loud", "--verbosity is one of debug|info|" },
		{ "kmsctl keys create k --purpose macs", "--purpose is one of encryption" },
		{ "kmsctl encrypt --plaintext-file p", "--ciphertext-file FILE is missing" },
		{ "kmsctl encrypt --plaintext-file= --ciphertext-file c", "--plaintext-file is "
									  "empty" },
		{ "kmsctl keys update k --next-rotation-time tomorrow",
		  "--next-rotation-time takes "
		  "a time like 2031-01" },
		{ "kmsctl keys update k --next-rotation-time 1970-01-01T00:00:00Z",
		  "takes a time" },
		{ "kmsctl decrypt --plaintext-file p --ciphertext-file c --every 5x", "takes a "
										      "time" },
		{ "kmsctl decrypt --plaintext-file p --ciphertext-file c --every 0s", "takes a "
										      "time" },
	};
	struct line *line = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(line, rows[i].line), CLV_E_INVALID_ARGUMENT);
		if (strstr(line->err.text, rows[i].says) == NULL)
			fail_msg("`%s`: %s", rows[i].line, line->err.text);
		assert_non_null(strstr(line->err.text, "(see: kmsctl help"));
	}
}

static void a_pin_on_the_line_is_refused_and_not_repeated(void **state)
{
	static const char *const lines[] = {
		"kmsctl token probe pkcs11:token=t?pin-value=4711",
		"kmsctl pkcs11:token=t?PIN-VALUE=4711",
		"kmsctl locations create l --token=pkcs11:token=t?pin-value=4711",
		"kmsctl --zzz=pkcs11:token=t?pin-value=4711",
	};
	struct line *line = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(lines); i++) {
		assert_int_equal(parse(line, lines[i]), CLV_E_INVALID_ARGUMENT);
		assert_non_null(strstr(line->err.text, "pin-source"));
		assert_null(strstr(line->err.text, "4711"));
	}
}

/* Whatever is wrong with a line, its --format says how to print that. */
static void a_wrong_line_still_says_its_format(void **state)
{
	struct line *line = *state;

	assert_int_equal(parse(line, "kmsctl keyz --nonsense --format=json"),
			 CLV_E_INVALID_ARGUMENT);
	assert_string_equal(kms_text(&line->args, "format"), "json");
}

/* The parser cuts the line before it knows the command, so a name must mean one kind of thing. */
static void an_option_name_takes_a_value_everywhere_or_nowhere(void **state)
{
	const struct kms_noun *const *nouns = kmsctl_tables.nouns;
	struct line *line = *state;
	char text[200];

	for (size_t i = 0; nouns[i] != NULL; i++) {
		for (const struct kms_verb *verb = nouns[i]->verbs; verb->run != NULL; verb++) {
			const struct kms_opt *opt = verb->opts;

			for (; opt != NULL && opt->name != NULL; opt++) {
				snprintf(text, sizeof text, "kmsctl --%s", opt->name);
				assert_int_equal(parse(line, text), CLV_E_INVALID_ARGUMENT);
				assert_int_equal(line->args.problem.no_value != NULL,
						 opt->value != NULL);
			}
		}
	}
}

static void distance_counts_slips_of_the_fingers(void **state)
{
	(void) state;
	assert_int_equal(kms_distance("key", "key"), 0);
	assert_int_equal(kms_distance("key", "kye"), 1);
	assert_int_equal(kms_distance("location", "locaton"), 1);
	assert_int_equal(kms_distance("", "abc"), 3);
}

static void help_is_made_of_the_tables(void **state)
{
	static const char *const words[] = { "version", "disable" };
	struct line *line = *state;
	char *text = NULL;

	assert_int_equal(kms_help(&kmsctl_tables, words, 2, &text, &line->err), CLV_OK);
	assert_non_null(strstr(text, "kmsctl keys versions disable VERSION\n"));
	assert_non_null(strstr(text, "\n  --reason TEXT "));
	free(text);
	assert_int_equal(kms_help(&kmsctl_tables, words + 1, 1, &text, &line->err),
			 CLV_E_INVALID_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_may_stand_anywhere),
		TEST(nouns_have_the_spellings_of_gcloud_and_ours),
		TEST(after_two_dashes_nothing_is_an_option),
		TEST(a_single_dash_is_a_value),
		TEST(a_repeatable_option_keeps_its_order),
		TEST(numbers_and_durations_are_read),
		TEST(times_are_read),
		TEST(durations_have_the_forms_of_gcloud_too),
		TEST(times_have_the_forms_of_gcloud_too),
		TEST(of_an_option_given_twice_the_last_counts),
		TEST(lists_need_no_limit_and_no_filter),
		TEST(choices_are_read_in_either_case),
		TEST(help_needs_no_more_than_a_command),
		TEST(usage_errors_say_what_is_wrong_and_where_help_is),
		TEST(a_pin_on_the_line_is_refused_and_not_repeated),
		TEST(a_wrong_line_still_says_its_format),
		TEST(an_option_name_takes_a_value_everywhere_or_nowhere),
		TEST(distance_counts_slips_of_the_fingers),
		TEST(help_is_made_of_the_tables),
	};
	return cmocka_run_group_tests_name("kms_opt", tests, NULL, NULL);
}
