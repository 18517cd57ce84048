/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <stdbool.h>

#include <claviger/name.h>

#define P "projects/demo"
#define L P "/locations/europe-west2"
#define R L "/keyRings/payments"
#define K R "/cryptoKeys/Orders_2026-11"
#define V K "/cryptoKeyVersions/12"
#define J R "/importJobs/From_HSM-1"
#define A9 "abcdefghi"
#define A63 A9 A9 A9 A9 A9 A9 A9
#define MAX_VERSION "9223372036854775807"

static const char *const whole[] = {
	[CLV_NAME_PROJECT] = P, [CLV_NAME_LOCATION] = L, [CLV_NAME_KEY_RING] = R,
	[CLV_NAME_KEY] = K,     [CLV_NAME_VERSION] = V,  [CLV_NAME_IMPORT_JOB] = J,
};

/* Has a name of this kind the part? An import job is beside the keys of its ring. */
static bool has_part(unsigned kind, unsigned part)
{
	if (kind == CLV_NAME_IMPORT_JOB)
		return part <= CLV_NAME_KEY_RING || part == CLV_NAME_IMPORT_JOB;
	return part <= kind;
}

static void name_parse_takes_each_kind_apart(void **state)
{
	struct clv_err err;

	(void) state;
	for (unsigned kind = 0; kind < CLV_ARRAY_LEN(whole); kind++) {
		struct clv_name name;

		check_ok(clv_name_parse(whole[kind], &name, &err));
		assert_int_equal(name.kind, kind);
		assert_string_equal(name.project, "demo");
		assert_string_equal(name.location, kind >= CLV_NAME_LOCATION ? "europe-west2" : "");
		assert_string_equal(name.key_ring, kind >= CLV_NAME_KEY_RING ? "payments" : "");
		assert_string_equal(name.key, has_part(kind, CLV_NAME_KEY) ? "Orders_2026-11" : "");
		assert_int_equal(name.version, kind == CLV_NAME_VERSION ? 12 : 0);
		assert_string_equal(name.import_job,
				    kind == CLV_NAME_IMPORT_JOB ? "From_HSM-1" : "");
	}
}

static void name_format_gives_back_what_was_parsed(void **state)
{
	struct clv_name name;
	struct clv_err err;
	char buf[CLV_NAME_MAX];

	(void) state;
	for (unsigned is = 0; is < CLV_ARRAY_LEN(whole); is++) {
		check_ok(clv_name_parse(whole[is], &name, &err));
		for (unsigned kind = 0; kind < CLV_ARRAY_LEN(whole); kind++) {
			if (!has_part(is, kind))
				continue;
			assert_ptr_equal(clv_name_format(&name, kind, buf), buf);
			assert_string_equal(buf, whole[kind]);
		}
	}
}

static void name_format_has_room_for_the_longest_name(void **state)
{
	static const char longest[] = "projects/" A63 "/locations/" A63 "/keyRings/" A63
				      "/cryptoKeys/" A63 "/cryptoKeyVersions/" MAX_VERSION;
	struct clv_name name;
	struct clv_err err;
	char buf[CLV_NAME_MAX];

	(void) state;
	check_ok(clv_name_parse(longest, &name, &err));
	assert_int_equal(name.version, INT64_MAX);
	assert_string_equal(clv_name_format(&name, CLV_NAME_VERSION, buf), longest);
}

static const struct {
	const char *text, *words;
} malformed[] = {
	{ "", "expected \"projects\" in a resource name where it says \"\"" },
	{ "/", "expected \"projects\"" },
	{ "/" P, "expected \"projects\"" },
	{ "//cloudkms.googleapis.com/" P, "expected \"projects\"" },
	{ "demo", "expected \"projects\" in a resource name where it says \"demo\"" },
	{ "project/demo", "expected \"projects\"" },
	{ "Projects/demo", "expected \"projects\"" },
	{ " " P, "expected \"projects\"" },
	{ "projects", "\"\" is not a project id" },
	{ "projects/", "\"\" is not a project id" },
	{ "projects//locations/l", "\"\" is not a project id" },
	{ P "/", "must look like projects/P/locations/L" },
	{ P "//locations/l", "expected \"locations\"" },
	{ P "/location/l",
	  "expected \"locations\" in a resource name where it says \"location/l\"" },
	{ P "/keyRings/r", "expected \"locations\"" },
	{ P "/locations", "\"\" is not a location id" },
	{ P "/locations/-", "\"-\" is not a location id: it must be [a-z][a-z0-9-]{0,62}" },
	{ L "/keyrings/r", "must look like projects/P/locations/L/keyRings/R" },
	{ L "/keyRings/", "\"\" is not a key ring id" },
	{ R "/cryptoKeys/a.b", "\"a.b\" is not a key id: it must be [a-zA-Z0-9_-]{1,63}" },
	{ R "/cryptoKeys/a b", "\"a b\" is not a key id" },
	{ R "/cryptoKeys/a\n", "\"a?\" is not a key id" },
	{ R "/cryptoKeys/..", "\"..\" is not a key id" },
	{ R "/cryptoKeys/" A63 "x", "is not a key id" },
	{ R "/cryptoKeys/" A63 A63, "is not a key id" },
	{ K "/", "expected \"cryptoKeyVersions\"" },
	{ K ":encrypt", "is not a key id" },
	{ K "/cryptoKeyVersions/", "\"\" is not a key version id" },
	{ K "/cryptoKeyVersions/0", "a whole number from 1 to " MAX_VERSION },
	{ K "/cryptoKeyVersions/01", "\"01\" is not a key version id" },
	{ K "/cryptoKeyVersions/-1", "\"-1\" is not a key version id" },
	{ K "/cryptoKeyVersions/+1", "\"+1\" is not a key version id" },
	{ K "/cryptoKeyVersions/1x", "\"1x\" is not a key version id" },
	{ K "/cryptoKeyVersions/9223372036854775808", "is not a key version id" },
	{ K "/cryptoKeyVersions/18446744073709551617", "is not a key version id" },
	{ V "/", "goes on behind the key version" },
	{ V "/more/1", "goes on behind the key version" },
	{ R "/importJob/j", "expected \"cryptoKeys\" in a resource name where it says" },
	{ R "/importJobsx/j", "expected \"cryptoKeys\"" },
	{ R "/importJobs", "\"\" is not an import job id" },
	{ R "/importJobs/", "\"\" is not an import job id" },
	{ R "/importJobs/a.b", "\"a.b\" is not an import job id: it must be [a-zA-Z0-9_-]{1,63}" },
	{ R "/importJobs/" A63 "x", "is not an import job id" },
	{ J "/", "goes on behind the import job: it must look like "
		 "projects/P/locations/L/keyRings/R/importJobs/J" },
	{ J "/cryptoKeyVersions/1", "goes on behind the import job" },
	{ J "/cryptoKeys/k", "goes on behind the import job" },
	{ K "/importJobs/j", "expected \"cryptoKeyVersions\"" },
	{ L "/importJobs/j", "expected \"keyRings\"" },
};

static void name_parse_refuses_a_malformed_name_and_says_which_part(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(malformed); i++) {
		struct clv_name name, before;
		struct clv_err err;

		memset(&name, 0x5a, sizeof name);
		before = name;
		check_refused(clv_name_parse(malformed[i].text, &name, &err), &err,
			      CLV_E_INVALID_ARGUMENT, malformed[i].words);
		assert_memory_equal(&name, &before, sizeof name);
	}
}

static void name_parse_refuses_no_name_at_all(void **state)
{
	struct clv_name name;
	struct clv_err err;

	(void) state;
	check_refused(clv_name_parse(NULL, &name, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "no resource name");
}

static void name_parse_cuts_a_long_name_in_its_text(void **state)
{
	struct clv_name name;
	struct clv_err err;
	char text[5000];

	(void) state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	check_refused(clv_name_parse(text, &name, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "...: it must look like projects/P");
}

static void name_parse_kind_takes_its_own_kind_only(void **state)
{
	(void) state;
	for (unsigned is = 0; is < CLV_ARRAY_LEN(whole); is++) {
		for (unsigned asked = 0; asked < CLV_ARRAY_LEN(whole); asked++) {
			struct clv_name name = { .version = 77 };
			struct clv_err err;
			clv_rc rc = clv_name_parse_kind(whole[is], asked, &name, &err);

			assert_int_equal(rc, is == asked ? CLV_OK : CLV_E_INVALID_ARGUMENT);
			if (is != asked)
				assert_int_equal(name.version, 77);
			else
				assert_int_equal(name.kind, asked);
		}
	}
}

static void name_parse_kind_says_what_it_got_and_what_it_wants(void **state)
{
	struct clv_name name;
	struct clv_err err;

	(void) state;
	check_refused(clv_name_parse_kind(P, CLV_NAME_KEY_RING, &name, &err), &err,
		      CLV_E_INVALID_ARGUMENT,
		      "\"" P "\" names a project, not a key ring: it must look like "
		      "projects/P/locations/L/keyRings/R");
	check_refused(clv_name_parse_kind(K, CLV_NAME_IMPORT_JOB, &name, &err), &err,
		      CLV_E_INVALID_ARGUMENT, "names a key, not an import job: it must look like ");
	check_refused(clv_name_parse_kind("x", CLV_NAME_KEY, &name, &err), &err,
		      CLV_E_INVALID_ARGUMENT, "expected \"projects\"");
}

static const struct {
	enum clv_name_kind kind;
	const char *id;
	bool good;
} ids[] = {
	{ CLV_NAME_PROJECT, "demo", true },
	{ CLV_NAME_PROJECT, "p2", true },
	{ CLV_NAME_PROJECT, "a-1", true },
	{ CLV_NAME_PROJECT, A63, true },
	{ CLV_NAME_PROJECT, "p", false }, /* two characters at least */
	{ CLV_NAME_PROJECT, "demo-", false },
	{ CLV_NAME_PROJECT, "-demo", false },
	{ CLV_NAME_PROJECT, "1demo", false },
	{ CLV_NAME_PROJECT, "Demo", false },
	{ CLV_NAME_PROJECT, "de_mo", false },
	{ CLV_NAME_PROJECT, A63 "x", false },
	{ CLV_NAME_PROJECT, "", false },
	{ CLV_NAME_LOCATION, "global", true },
	{ CLV_NAME_LOCATION, "l", true },
	{ CLV_NAME_LOCATION, "dc-milan-", true },
	{ CLV_NAME_LOCATION, A63, true },
	{ CLV_NAME_LOCATION, A63 "x", false },
	{ CLV_NAME_LOCATION, "Global", false },
	{ CLV_NAME_LOCATION, "2global", false },
	{ CLV_NAME_LOCATION, "dc_milan", false },
	{ CLV_NAME_LOCATION, "", false },
	{ CLV_NAME_KEY_RING, "-", true },
	{ CLV_NAME_KEY_RING, "_", true },
	{ CLV_NAME_KEY_RING, "9", true },
	{ CLV_NAME_KEY_RING, A63, true },
	{ CLV_NAME_KEY_RING, A63 "x", false },
	{ CLV_NAME_KEY_RING, "a/b", false },
	{ CLV_NAME_KEY_RING, "caf\xc3\xa9", false },
	{ CLV_NAME_KEY, "Orders_2026-11", true },
	{ CLV_NAME_KEY, "a:b", false },
	{ CLV_NAME_KEY, "", false },
	{ CLV_NAME_VERSION, "1", true },
	{ CLV_NAME_VERSION, MAX_VERSION, true },
	{ CLV_NAME_VERSION, "9223372036854775808", false },
	{ CLV_NAME_VERSION, "99999999999999999999", false },
	{ CLV_NAME_VERSION, "0", false },
	{ CLV_NAME_VERSION, "latest", false },
	{ CLV_NAME_IMPORT_JOB, "From_HSM-1", true },
	{ CLV_NAME_IMPORT_JOB, A63, true },
	{ CLV_NAME_IMPORT_JOB, A63 "x", false },
	{ CLV_NAME_IMPORT_JOB, "a/b", false },
	{ CLV_NAME_IMPORT_JOB, "", false },
};

static void id_check_follows_the_rule_of_its_kind(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(ids); i++) {
		struct clv_err err = { .text = "" };
		clv_rc rc = clv_id_check(ids[i].kind, ids[i].id, &err);

		if (ids[i].good)
			check_ok(rc);
		else
			check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, " id: it must be ");
	}
}

/* Each byte but NUL, alone: nothing slips through beside the sets of the header. */
static void id_check_takes_only_the_characters_listed(void **state)
{
	(void) state;
	for (int c = 1; c < 256; c++) {
		const bool lower = c >= 'a' && c <= 'z';
		const bool word = lower || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				  c == '_' || c == '-';
		const char id[] = { (char) c, '\0' };
		struct clv_err err;

		assert_int_equal(clv_id_check(CLV_NAME_LOCATION, id, &err) == CLV_OK, lower);
		assert_int_equal(clv_id_check(CLV_NAME_KEY_RING, id, &err) == CLV_OK, word);
		assert_int_equal(clv_id_check(CLV_NAME_KEY, id, &err) == CLV_OK, word);
		assert_int_equal(clv_id_check(CLV_NAME_IMPORT_JOB, id, &err) == CLV_OK, word);
	}
}

static void id_check_refuses_nothing_and_a_kind_that_is_not_one(void **state)
{
	struct clv_err err;

	(void) state;
	check_refused(clv_id_check(CLV_NAME_KEY, NULL, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "(null) is not a key id");
	check_refused(clv_id_check(CLV_NAME_IMPORT_JOB + 1, "1", &err), &err,
		      CLV_E_INVALID_ARGUMENT, "no name of kind 6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_parse_takes_each_kind_apart),
		cmocka_unit_test(name_format_gives_back_what_was_parsed),
		cmocka_unit_test(name_format_has_room_for_the_longest_name),
		cmocka_unit_test(name_parse_refuses_a_malformed_name_and_says_which_part),
		cmocka_unit_test(name_parse_refuses_no_name_at_all),
		cmocka_unit_test(name_parse_cuts_a_long_name_in_its_text),
		cmocka_unit_test(name_parse_kind_takes_its_own_kind_only),
		cmocka_unit_test(name_parse_kind_says_what_it_got_and_what_it_wants),
		cmocka_unit_test(id_check_follows_the_rule_of_its_kind),
		cmocka_unit_test(id_check_takes_only_the_characters_listed),
		cmocka_unit_test(id_check_refuses_nothing_and_a_kind_that_is_not_one),
	};
	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
