/* SPDX-License-Identifier: Apache-2.0 */
/* From the line's ids and full names to one resource name. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/kmsctl/kmsctl.h"

#define R "projects/p1/locations/l1/keyRings/r1"
#define K R "/cryptoKeys/k1"
#define J R "/importJobs/j1"
#define WORDS_MAX 24

/* What a line means: its name, or why it has none. */
struct meaning {
	clv_rc rc;
	struct clv_name name;
	char full[CLV_NAME_MAX];
	struct clv_err err;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct meaning));
	unsetenv("CLAVIGER_PROJECT");
	return *state == NULL;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static clv_rc names_of(struct kms_args *args, int argc, char **argv, struct meaning *meaning)
{
	CLV_TRY(kms_args_parse(&kmsctl_tables, argc, argv, args, &meaning->err));
	CLV_TRY(kms_names_collect(args, &meaning->name, &meaning->err));
	return kms_names_finish(args, "demo", &meaning->name, meaning->full, &meaning->err);
}

static void understand(struct meaning *meaning, const char *line)
{
	char text[1024];
	char *argv[WORDS_MAX];
	char *at = text;
	int argc = 0;
	struct kms_args args;

	snprintf(text, sizeof text, "kmsctl %s", line);
	while (at != NULL)
		argv[argc++] = strsep(&at, " ");
	*meaning = (struct meaning){ 0 };
	meaning->rc = names_of(&args, argc, argv, meaning);
	kms_args_done(&args);
}

static void means(struct meaning *meaning, const char *line, const char *full)
{
	understand(meaning, line);
	if (meaning->rc != CLV_OK)
		fail_msg("`%s`: %s", line, meaning->err.text);
	assert_string_equal(meaning->full, full);
}

static void ids_and_full_names_mean_the_same(void **state)
{
	means(*state, "keys describe k1 --keyring r1 --location l1 --project p1", K);
	means(*state, "keys describe " K, K);
	means(*state, "keys describe k1 --keyring " R, K);
	means(*state, "keys describe k1 --keyring " R " --location l1", K);
	means(*state, "keys describe k1 --keyring r1 --location projects/p1/locations/l1", K);
	means(*state, "keys describe " K " --keyring " R " --location l1 --project p1", K);
	means(*state, "keys describe //cloudkms.googleapis.com/" K, K);
	means(*state, "keys describe k1 --keyring https://cloudkms.googleapis.com/v1/" R, K);
	means(*state, "version disable 12 --key " K, K "/cryptoKeyVersions/12");
	means(*state, "version disable " K "/cryptoKeyVersions/12", K "/cryptoKeyVersions/12");
}

static void lists_are_named_by_their_parent(void **state)
{
	means(*state, "locations list --project p1", "projects/p1");
	means(*state, "keyrings list --location l1", "projects/demo/locations/l1");
	means(*state, "keys list --keyring " R, R);
	means(*state, "versions list --key " K, K);
	means(*state, "token list", "projects/demo");
	means(*state, "token list --location l1", "projects/demo/locations/l1");
}

static void encrypt_may_name_a_version(void **state)
{
	means(*state, "encrypt --plaintext-file - --ciphertext-file - --key " K, K);
	means(*state, "encrypt --plaintext-file - --ciphertext-file - --version 2 --key " K,
	      K "/cryptoKeyVersions/2");
}

static void import_jobs_are_beside_the_keys_of_a_ring(void **state)
{
	means(*state, "import-jobs describe j1 --keyring r1 --location l1 --project p1", J);
	means(*state, "import-jobs describe " J, J);
	means(*state, "import-jobs list --keyring " R, R);
	means(*state,
	      "keys versions import --import-job j1 --algorithm a --wrapped-key-file f --key " K,
	      K);
	means(*state,
	      "keys versions import --import-job j1 --algorithm a --wrapped-key-file f --version 3 "
	      "--key " K,
	      K "/cryptoKeyVersions/3");
}

static void import_job_of_an_import_is_an_id_or_a_full_name_of_the_same_ring(void **state)
{
	static const struct {
		const char *text, *says; /* NULL: it is J */
	} rows[] = {
		{ "j1", NULL },
		{ J, NULL },
		{ "//cloudkms.googleapis.com/" J, NULL },
		{ "projects/p1/locations/l1/keyRings/r2/importJobs/j1",
		  "two key rings: r1 and r2" },
		{ "projects/p1/locations/l2/keyRings/r1/importJobs/j1",
		  "two locations: l1 and l2" },
		{ "j.1", "\"j.1\" is not an import job id" },
		{ K, "names a key, not an import job" },
	};
	struct kms_args args = { .tables = &kmsctl_tables };
	struct clv_name key;
	struct clv_err err;

	(void) state;
	assert_int_equal(clv_name_parse(K, &key, &err), CLV_OK);
	for (size_t i = 0; i < KMS_ARRAY_LEN(rows); i++) {
		char full[CLV_NAME_MAX] = "untouched";
		clv_rc rc = kms_import_job_of(&args, &key, rows[i].text, full, &err);

		assert_int_equal(rc, rows[i].says == NULL ? CLV_OK : CLV_E_INVALID_ARGUMENT);
		assert_string_equal(full, rows[i].says == NULL ? J : "untouched");
		if (rows[i].says != NULL && strstr(err.text, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].text, err.text);
	}
}

static void the_project_is_asked_for_on_the_line_first(void **state)
{
	setenv("CLAVIGER_PROJECT", "from-env", 1);
	means(*state, "locations list", "projects/from-env");
	means(*state, "locations list --project p1", "projects/p1");
	means(*state, "keys describe " K, K);
	unsetenv("CLAVIGER_PROJECT");
	means(*state, "locations list", "projects/demo");
}

static void contradictions_and_gaps_are_usage_errors(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "keys describe " K " --location l2", "two locations: l1 and l2" },
		{ "keys describe " K " --keyring r2", "two key rings: r1 and r2" },
		{ "keys describe " K " --project p2", "two projects: p2 and p1" },
		{ "version disable " K "/cryptoKeyVersions/1 --key k2", "two keys: k1 and k2" },
		{ "keys describe k1 --keyring " R " --location projects/p1/locations/l9",
		  "two locations" },
		{ "keys describe k1", "missing: --location, --keyring" },
		{ "keys describe k1 --location l1", "missing: --keyring" },
		{ "version disable 1", "missing: --location, --keyring, --key" },
		{ "import-jobs describe j1", "missing: --location, --keyring" },
		{ "import-jobs describe j1 --location l1", "missing: --keyring" },
		{ "import-jobs describe " J " --keyring r2", "two key rings: r1 and r2" },
		{ "version disable 0 --key " K, "a version is a number from 1, not `0`" },
		{ "version disable 01 --key " K, "a version is a number" },
		{ "version disable x --key " K, "a version is a number" },
	};
	struct meaning *meaning = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(rows); i++) {
		understand(meaning, rows[i].line);
		assert_int_equal(meaning->rc, CLV_E_INVALID_ARGUMENT);
		if (strstr(meaning->err.text, rows[i].says) == NULL)
			fail_msg("`%s`: %s", rows[i].line, meaning->err.text);
	}
}

static void malformed_ids_and_names_are_refused(void **state)
{
	static const char *const lines[] = {
		"keys describe bad.id --keyring " R,
		"keys describe " R,
		"keys describe " K "/",
		"keys describe " K " --location projects/p1/locations",
		"keyrings list --location UPPER",
		"keyrings list --location=",
		"locations list --project Bad_",
	};
	struct meaning *meaning = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(lines); i++) {
		understand(meaning, lines[i]);
		if (meaning->rc != CLV_E_INVALID_ARGUMENT)
			fail_msg("`%s` was taken", lines[i]);
	}
}

static void the_home_is_looked_for_in_four_places(void **state)
{
	struct meaning *meaning = *state;
	char home[KMS_PATH_MAX];
	bool by_default;

	setenv("CLAVIGER_HOME", "/c", 1);
	setenv("XDG_DATA_HOME", "/x", 1);
	setenv("HOME", "/h", 1);
	assert_int_equal(kms_home_dir("/o", home, &by_default, &meaning->err), CLV_OK);
	assert_string_equal(home, "/o");
	assert_int_equal(kms_home_dir(NULL, home, &by_default, &meaning->err), CLV_OK);
	assert_string_equal(home, "/c");
	assert_false(by_default);
	setenv("CLAVIGER_HOME", "", 1);
	assert_int_equal(kms_home_dir(NULL, home, &by_default, &meaning->err), CLV_OK);
	assert_string_equal(home, "/x/claviger");
	assert_true(by_default);
	setenv("XDG_DATA_HOME", "relative", 1);
	assert_int_equal(kms_home_dir(NULL, home, &by_default, &meaning->err), CLV_OK);
	assert_string_equal(home, "/h/.local/share/claviger");
	unsetenv("HOME");
	assert_int_equal(kms_home_dir(NULL, home, &by_default, &meaning->err),
			 CLV_E_INVALID_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_and_full_names_mean_the_same),
		TEST(lists_are_named_by_their_parent),
		TEST(encrypt_may_name_a_version),
		TEST(import_jobs_are_beside_the_keys_of_a_ring),
		TEST(import_job_of_an_import_is_an_id_or_a_full_name_of_the_same_ring),
		TEST(the_project_is_asked_for_on_the_line_first),
		TEST(contradictions_and_gaps_are_usage_errors),
		TEST(malformed_ids_and_names_are_refused),
		TEST(the_home_is_looked_for_in_four_places),
	};
	return cmocka_run_group_tests_name("kms_names", tests, NULL, NULL);
}
