/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what, and what the audit log says of it: over every public verb. */
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/verbs.h"

static const struct clv_caller eve = { .principal = "user:eve" };

/* ---- the last entry of the log */

static size_t count_entries(struct home_world *w)
{
	return world_log_count_n(w, NULL, 0);
}

static json_t *last_entry(struct home_world *w)
{
	char *log = world_log(w), *line = log;
	json_t *entry;

	assert_int_equal(log[strlen(log) - 1], '\n');
	log[strlen(log) - 1] = '\0';
	if (strrchr(log, '\n') != NULL)
		line = strrchr(log, '\n') + 1;
	entry = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	if (entry == NULL)
		fail_msg("no JSON: %s", line);
	free(log);
	return entry;
}

/* NULL: the member must not be there. */
static void assert_member(const json_t *entry, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(entry, name));
	const char *there = text != NULL ? text : "(none)",
		   *wanted = value != NULL ? value : "(none)";

	if (strcmp(there, wanted) != 0)
		fail_msg("%s is %s instead of %s", name, there, wanted);
}

/* ---- a stranger */

/* Nothing but the name may differ between what is there and what is not. */
static void assert_denied(struct home_world *w, const struct verb *verb, const char *resource)
{
	char text[CLV_ERR_TEXT_MAX];
	size_t before = count_entries(w);
	json_t *entry;

	snprintf(text, sizeof text,
		 "Permission '%s' denied on resource '%s' (or it may not exist).", verb->permission,
		 resource);
	memset(&w->err, 'x', sizeof w->err);
	if (verb->call(w, &eve, resource) != CLV_E_PERMISSION_DENIED)
		fail_msg("%s %s: %s", verb->name, resource, w->err.text);
	assert_string_equal(w->err.text, text);
	assert_null(w->err.op);
	assert_int_equal(w->err.domain, CLV_DOM_NONE);
	assert_int_equal(w->err.native, 0);
	assert_int_equal(count_entries(w), before + 1);
	entry = last_entry(w);
	assert_member(entry, "principal", "user:eve");
	assert_member(entry, "permission", verb->permission);
	assert_member(entry, "resource", resource);
	assert_member(entry, "outcome", "PERMISSION_DENIED");
	assert_member(entry, "rule", "default-deny");
	assert_member(entry, "error", text);
	assert_member(entry, "version", NULL);
	json_decref(entry);
}

static void stranger_is_denied_every_verb_and_learns_nothing(struct home_world *w)
{
	world_open(w);
	verb_prepare(w, WRAPPED);
	for (size_t i = 0; i < n_verbs; i++) {
		assert_denied(w, &verbs[i], verbs[i].existing);
		if (verbs[i].missing != NULL)
			assert_denied(w, &verbs[i], verbs[i].missing);
	}
	verb_done();
}

static void stranger_changes_nothing(struct home_world *w)
{
	int64_t before, after;
	const char *sum =
		"SELECT (SELECT count(*) FROM locations) * 1000000"
		" + (SELECT count(*) FROM key_rings) * 10000"
		" + (SELECT count(*) FROM crypto_keys) * 100 + (SELECT sum(state) FROM versions)"
		" + (SELECT count(*) FROM import_jobs) * 100000000"
		" + (SELECT epoch FROM policy_epoch) * 10000000000";

	world_open(w);
	before = world_count(w, sum);
	for (size_t i = 0; i < n_verbs; i++) {
		(void) !verbs[i].call(w, &eve, verbs[i].existing);
		if (verbs[i].missing != NULL)
			(void) !verbs[i].call(w, &eve, verbs[i].missing);
	}
	after = world_count(w, sum);
	assert_int_equal(before, after);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
}

static void names_near_the_owners_are_strangers_too(struct home_world *w)
{
	char owner[CLV_PRINCIPAL_MAX], near[4][CLV_PRINCIPAL_MAX + 8];
	struct clv_status status;

	world_open(w);
	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	memcpy(owner, status.owner, sizeof owner);
	clv_status_done(&status);
	snprintf(near[0], sizeof near[0], "%s ", owner);
	snprintf(near[1], sizeof near[1], "%.*s", (int) strlen(owner) - 1, owner);
	snprintf(near[2], sizeof near[2], "%s", strchr(owner, ':') + 1);
	near[3][0] = '\0';
	for (size_t i = 0; i < CLV_ARRAY_LEN(near); i++) {
		const struct clv_caller caller = { .principal = near[i] };

		assert_refused(w, verb_named("key_get")->call(w, &caller, WRAPPED),
			       CLV_E_PERMISSION_DENIED, "denied");
	}
	assert_ok(w, verb_named("key_get")->call(w, &(struct clv_caller){ .principal = owner },
						 WRAPPED));
}

static void caller_without_a_usable_name_is_refused(struct home_world *w)
{
	char too_long[CLV_PRINCIPAL_MAX + 1];
	const struct clv_caller nameless = { .principal = NULL },
				lengthy = { .principal = too_long };

	memset(too_long, 'a', sizeof too_long);
	too_long[CLV_PRINCIPAL_MAX] = '\0';
	world_open(w);
	assert_refused(w, verb_named("key_get")->call(w, &nameless, WRAPPED),
		       CLV_E_INVALID_ARGUMENT, "principal");
	assert_refused(w, verb_named("key_get")->call(w, &lengthy, WRAPPED), CLV_E_INVALID_ARGUMENT,
		       "principal");
}

/* ---- the owner */

#define V1(key) VERSION(key)

/* Played from top to bottom on one home. */
static const struct {
	const char *verb, *resource;
	clv_rc outcome;
	const char *version; /* in the audit entry */
} story[] = {
	{ "key_ring_create", LOCATION "/keyRings/new", CLV_OK, NULL },
	{ "key_ring_create", LOCATION "/keyRings/new", CLV_E_ALREADY_EXISTS, NULL },
	{ "key_ring_create", PROJECT "/locations/none/keyRings/r", CLV_E_NOT_FOUND, NULL },
	{ "key_ring_get", RING, CLV_OK, NULL },
	{ "key_ring_get", LOCATION "/keyRings/none", CLV_E_NOT_FOUND, NULL },
	{ "key_ring_list", LOCATION, CLV_OK, NULL },
	{ "key_ring_list", PROJECT "/locations/none", CLV_E_NOT_FOUND, NULL },
	{ "key_create", KEY("new"), CLV_OK, NULL },
	{ "key_create", KEY("new"), CLV_E_ALREADY_EXISTS, NULL },
	{ "key_create", LOCATION "/keyRings/none/cryptoKeys/k", CLV_E_NOT_FOUND, NULL },
	{ "key_get", WRAPPED, CLV_OK, NULL },
	{ "key_get", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "key_list", RING, CLV_OK, NULL },
	{ "key_list", LOCATION "/keyRings/none", CLV_E_NOT_FOUND, NULL },
	{ "version_get", V1(WRAPPED), CLV_OK, NULL },
	{ "version_get", WRAPPED "/cryptoKeyVersions/2", CLV_E_NOT_FOUND, NULL },
	{ "version_list", WRAPPED, CLV_OK, NULL },
	{ "version_list", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "encrypt", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "encrypt", V1(TOKEN), CLV_OK, V1(TOKEN) },
	{ "encrypt", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "decrypt", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "decrypt", TOKEN, CLV_E_INVALID_ARGUMENT, NULL },
	{ "decrypt", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "dek_generate", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "dek_generate", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "dek_unwrap", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "dek_unwrap", TOKEN, CLV_E_INVALID_ARGUMENT, NULL },
	{ "dek_rewrap", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "dek_rewrap", TOKEN, CLV_E_INVALID_ARGUMENT, NULL },
	{ "asymmetric_sign", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "asymmetric_sign", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "asymmetric_decrypt", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "asymmetric_decrypt", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "public_key_get", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "public_key_get", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "mac_sign", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "mac_sign", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "mac_verify", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "mac_verify", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "raw_encrypt", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "raw_encrypt", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "raw_decrypt", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, NULL },
	{ "raw_decrypt", V1(KEY("none")), CLV_E_NOT_FOUND, NULL },
	{ "random_bytes", LOCATION, CLV_OK, NULL },
	{ "random_bytes", PROJECT "/locations/none", CLV_E_NOT_FOUND, NULL },
	{ "version_disable", V1(WRAPPED), CLV_OK, V1(WRAPPED) },
	{ "version_disable", V1(WRAPPED), CLV_OK, V1(WRAPPED) },
	{ "version_disable", V1(KEY("none")), CLV_E_NOT_FOUND, V1(KEY("none")) },
	{ "encrypt", WRAPPED, CLV_E_FAILED_PRECONDITION, NULL },
	{ "decrypt", WRAPPED, CLV_E_FAILED_PRECONDITION, NULL },
	{ "version_enable", V1(WRAPPED), CLV_OK, V1(WRAPPED) },
	{ "version_enable", V1(KEY("none")), CLV_E_NOT_FOUND, V1(KEY("none")) },
	{ "encrypt", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "version_disable", V1(TOKEN), CLV_OK, V1(TOKEN) },
	{ "encrypt", TOKEN, CLV_E_FAILED_PRECONDITION, NULL },
	{ "version_enable", V1(TOKEN), CLV_OK, V1(TOKEN) },
	{ "version_destroy", V1(WRAPPED), CLV_OK, V1(WRAPPED) },
	{ "version_destroy", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, V1(WRAPPED) },
	{ "encrypt", WRAPPED, CLV_E_FAILED_PRECONDITION, NULL },
	{ "maintain_due", PROJECT, CLV_OK, NULL },
	{ "maintain", PROJECT, CLV_OK, NULL },
	{ "catalogue_verify", PROJECT, CLV_OK, NULL },
	{ "version_restore", V1(WRAPPED), CLV_OK, V1(WRAPPED) },
	{ "version_restore", V1(WRAPPED), CLV_E_FAILED_PRECONDITION, V1(WRAPPED) },
	{ "version_enable", V1(WRAPPED), CLV_OK, V1(WRAPPED) },
	{ "version_create", WRAPPED, CLV_OK, WRAPPED "/cryptoKeyVersions/2" },
	{ "version_create", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "key_set_primary", WRAPPED, CLV_OK, V1(WRAPPED) },
	{ "key_set_primary", KEY("none"), CLV_E_NOT_FOUND, V1(KEY("none")) },
	{ "import_job_create", JOB("new"), CLV_OK, NULL },
	{ "import_job_create", JOB("new"), CLV_E_ALREADY_EXISTS, NULL },
	{ "import_job_create", LOCATION "/keyRings/none/importJobs/j", CLV_E_NOT_FOUND, NULL },
	{ "import_job_get", JOB("new"), CLV_OK, NULL },
	{ "import_job_get", JOB("none"), CLV_E_NOT_FOUND, NULL },
	{ "import_job_list", RING, CLV_OK, NULL },
	{ "import_job_list", LOCATION "/keyRings/none", CLV_E_NOT_FOUND, NULL },
	{ "version_import", WRAPPED, CLV_OK, WRAPPED "/cryptoKeyVersions/3" },
	{ "version_import", TOKEN, CLV_E_UNIMPLEMENTED, NULL },
	{ "version_import", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "key_update", WRAPPED, CLV_OK, NULL },
	{ "key_update", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "location_create", LOCATION, CLV_E_ALREADY_EXISTS, NULL },
	{ "location_create", PROJECT "/locations/none", CLV_E_NOT_FOUND, NULL },
	{ "location_create_softhsm", LOCATION, CLV_E_ALREADY_EXISTS, NULL },
	{ "location_create_softhsm", PROJECT "/locations/global", CLV_OK, NULL },
	{ "location_get", LOCATION, CLV_OK, NULL },
	{ "location_get", PROJECT "/locations/none", CLV_E_NOT_FOUND, NULL },
	{ "location_list", PROJECT, CLV_OK, NULL },
	{ "token_list", LOCATION, CLV_OK, NULL },
	{ "token_list", PROJECT "/locations/none", CLV_E_NOT_FOUND, NULL },
	{ "token_list_all", PROJECT, CLV_OK, NULL },
	{ "token_status", LOCATION, CLV_OK, NULL },
	{ "token_status", PROJECT "/locations/none", CLV_E_NOT_FOUND, NULL },
	{ "status_get", PROJECT, CLV_OK, NULL },
	{ "iam_get_project", PROJECT, CLV_OK, NULL },
	{ "iam_set_project", PROJECT, CLV_OK, NULL },
	{ "iam_get_ring", RING, CLV_OK, NULL },
	{ "iam_get_ring", LOCATION "/keyRings/none", CLV_E_NOT_FOUND, NULL },
	{ "iam_set_ring", RING, CLV_OK, NULL },
	{ "iam_set_ring", LOCATION "/keyRings/none", CLV_E_NOT_FOUND, NULL },
	{ "iam_get_key", WRAPPED, CLV_OK, NULL },
	{ "iam_get_key", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "iam_set_key", WRAPPED, CLV_OK, NULL },
	{ "iam_set_key", KEY("none"), CLV_E_NOT_FOUND, NULL },
	{ "iam_get_job", JOB("j"), CLV_OK, NULL },
	{ "iam_get_job", JOB("none"), CLV_E_NOT_FOUND, NULL },
	{ "iam_set_job", JOB("j"), CLV_OK, NULL },
	{ "iam_set_job", JOB("none"), CLV_E_NOT_FOUND, NULL },
	{ "document_get", PROJECT, CLV_OK, NULL },
	{ "document_remove", PROJECT, CLV_E_NOT_FOUND, NULL },
	{ "document_set", PROJECT, CLV_OK, NULL },
	{ "document_get", PROJECT, CLV_OK, NULL },
	{ "document_remove", PROJECT, CLV_OK, NULL },
	{ "constraint_get", WRAPPED, CLV_E_NOT_FOUND, NULL },
	{ "constraint_remove", WRAPPED, CLV_E_NOT_FOUND, NULL },
	{ "constraint_set", WRAPPED, CLV_OK, NULL },
	{ "constraint_get", WRAPPED, CLV_OK, NULL },
	{ "constraint_list", PROJECT, CLV_OK, NULL },
	{ "constraint_remove", WRAPPED, CLV_OK, NULL },
	{ "role_get", PROJECT, CLV_E_NOT_FOUND, NULL },
	{ "role_update", PROJECT, CLV_E_NOT_FOUND, NULL },
	{ "role_create", PROJECT, CLV_OK, NULL },
	{ "role_create", PROJECT, CLV_E_ALREADY_EXISTS, NULL },
	{ "role_get", PROJECT, CLV_OK, NULL },
	{ "role_update", PROJECT, CLV_OK, NULL },
	{ "role_list", PROJECT, CLV_OK, NULL },
	{ "role_remove", PROJECT, CLV_OK, NULL },
	{ "role_remove", PROJECT, CLV_E_NOT_FOUND, NULL },
	{ "policy_explain", WRAPPED, CLV_OK, NULL },
	{ "policy_explain", KEY("none"), CLV_OK, NULL },
	{ "policy_lint", PROJECT, CLV_OK, NULL },
	{ "policy_test", PROJECT, CLV_OK, NULL },
};

/* What a change leaves beside what it changed: the caller's reason, or which document it was. */
static const char *reason_of(const struct verb *verb, const char *resource, char buf[512])
{
	if (strcmp(verb->permission, "cloudkms.cryptoKeyVersions.update") == 0 ||
	    strcmp(verb->permission, "cloudkms.cryptoKeyVersions.destroy") == 0 ||
	    strcmp(verb->permission, "cloudkms.cryptoKeyVersions.restore") == 0)
		return "a reason";
	if (strcmp(verb->name, "maintain_due") == 0)
		return "to see what is due";
	if (strcmp(verb->name, "document_set") == 0 || strcmp(verb->name, "document_remove") == 0)
		return "groups";
	if (strcmp(verb->permission, "claviger.policies.set") == 0)
		snprintf(buf, 512, "%s/policies/claviger.callerLocations", resource);
	else if (strncmp(verb->name, "role_", 5) == 0 && strcmp(verb->name, "role_get") != 0 &&
		 strcmp(verb->name, "role_list") != 0)
		snprintf(buf, 512, "%s/roles/reader", resource);
	else
		return NULL;
	return buf;
}

static void play(struct home_world *w, size_t i, const char *owner)
{
	const struct verb *verb = verb_named(story[i].verb);
	char document[512];
	bool two =
		strcmp(verb->name, "dek_rewrap") == 0 || strcmp(verb->name, "version_import") == 0;
	size_t questions = two ? 2 : 1;
	size_t before = count_entries(w);
	clv_rc rc = verb->call(w, NULL, story[i].resource);
	json_t *entry;

	if (rc != story[i].outcome)
		fail_msg("%s %s: %s %s", verb->name, story[i].resource, clv_rc_name(rc),
			 w->err.text);
	if (count_entries(w) != before + questions)
		fail_msg("%s %s left %zu entries", verb->name, story[i].resource,
			 count_entries(w) - before);
	entry = last_entry(w);
	assert_member(entry, "permission", verb->permission);
	assert_member(entry, "outcome", clv_rc_name(rc));
	assert_member(entry, "resource", story[i].resource);
	assert_member(entry, "version", story[i].version);
	assert_member(entry, "principal", owner);
	assert_member(entry, "rule", "home-owner");
	assert_member(entry, "reason", reason_of(verb, story[i].resource, document));
	assert_member(entry, "error", rc == CLV_OK ? NULL : w->err.text);
	json_decref(entry);
}

static void every_verb_of_the_owner_leaves_an_entry_that_says_what_happened(struct home_world *w)
{
	struct clv_status status;

	world_open(w);
	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	verb_prepare(w, WRAPPED);
	for (size_t i = 0; i < CLV_ARRAY_LEN(story); i++)
		play(w, i, status.owner);
	clv_status_done(&status);
	verb_done();
}

static void story_has_every_verb(struct home_world *w)
{
	(void) w;
	for (size_t i = 0; i < n_verbs; i++) {
		bool there = false;

		for (size_t j = 0; j < CLV_ARRAY_LEN(story); j++)
			there = there || strcmp(story[j].verb, verbs[i].name) == 0;
		if (!there)
			fail_msg("%s is not in the story", verbs[i].name);
	}
}

/* A name that is none cannot be decided on: it is refused before the policy is asked. */
static void malformed_names_are_refused_and_leave_no_entry(struct home_world *w)
{
	static const char *const names[] = { "", "x", "projects/", "projects/demo/locations/",
					     RING "/" };
	size_t before;

	world_open(w);
	before = count_entries(w);
	for (size_t i = 0; i < n_verbs; i++) {
		if (verbs[i].missing == NULL)
			continue;
		for (size_t j = 0; j < CLV_ARRAY_LEN(names); j++)
			assert_int_equal(verbs[i].call(w, NULL, names[j]), CLV_E_INVALID_ARGUMENT);
	}
	assert_int_equal(count_entries(w), before);
}

/* ---- what must not be written down */

static const char *needles[8];
static size_t n_needles, n_files;

static int look_into(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	char *bytes;
	FILE *file;

	(void) ftw;
	if (flag != FTW_F || strstr(path, "/pins/") != NULL)
		return 0;
	bytes = calloc(1, (size_t) st->st_size + 1);
	file = fopen(path, "re");
	assert_true(bytes != NULL && file != NULL);
	assert_int_equal(fread(bytes, 1, (size_t) st->st_size, file), st->st_size);
	for (size_t i = 0; i < n_needles; i++) {
		if (memmem(bytes, (size_t) st->st_size, needles[i], strlen(needles[i])) != NULL)
			fail_msg("secret %zu is in %s", i, path);
	}
	fclose(file);
	free(bytes);
	n_files++;
	return 0;
}

static void assert_silent(const char *text)
{
	for (size_t i = 0; i < n_needles; i++) {
		if (strstr(text, needles[i]) != NULL)
			fail_msg("secret %zu is in an error text", i);
	}
}

static char *read_pin(const struct home_world *w, const char *name)
{
	FILE *file = fopen(world_path(w, name), "re");
	char *pin = calloc(1, 64);

	assert_non_null(file);
	assert_int_equal(fread(pin, 1, 63, file), 32);
	fclose(file);
	return pin;
}

static void call_everything(struct home_world *w)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(story); i++) {
		w->err.text[0] = '\0';
		(void) !verb_named(story[i].verb)->call(w, NULL, story[i].resource);
		assert_silent(w->err.text);
		(void) !verb_named(story[i].verb)->call(w, &eve, story[i].resource);
		assert_silent(w->err.text);
	}
}

static void no_file_and_no_error_text_holds_a_pin_or_a_plaintext(struct home_world *w)
{
	char *pin = read_pin(w, "pins/europe-west2.pin"),
	     *so = read_pin(w, "pins/europe-west2.so-pin");

	needles[n_needles++] = pin;
	needles[n_needles++] = so;
	needles[n_needles++] = VERB_MARKER;
	world_open(w);
	verb_prepare(w, WRAPPED);
	call_everything(w);
	nftw(w->home, look_into, 16, FTW_PHYS);
	world_close(w);
	nftw(w->home, look_into, 16, FTW_PHYS);
	assert_true(n_files > 20);
	verb_done();
	free(pin);
	free(so);
}

static void search_for_what_is_there(struct home_world *w, void *arg)
{
	(void) arg;
	assert_non_null(freopen("/dev/null", "w", stderr)); /* it is meant to fail */
	needles[n_needles++] = "\"principal\":";
	nftw(w->home, look_into, 16, FTW_PHYS);
}

static void search_for_secrets_fails_when_there_is_one(struct home_world *w)
{
	int status = 0;
	pid_t child = world_fork(w, search_for_what_is_there, NULL);

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* A PIN that the token refuses is not told either, and not written down. */
static void refused_pin_is_not_told(struct home_world *w)
{
	static const char wrong[] = "00112233445566778899aabbccddeeff";
	FILE *file = fopen(world_path(w, "pins/europe-west2.pin"), "we");

	needles[n_needles++] = wrong;
	assert_non_null(file);
	fputs(wrong, file);
	fclose(file);
	world_open(w);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(verb_named("encrypt")->call(w, NULL, WRAPPED), CLV_E_UNAVAILABLE);
		assert_silent(w->err.text);
		assert_int_equal(verb_named("status_get")->call(w, NULL, PROJECT), CLV_OK);
	}
	world_close(w);
	nftw(w->home, look_into, 16, FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(stranger_is_denied_every_verb_and_learns_nothing),
		home_test(stranger_changes_nothing),
		home_test(names_near_the_owners_are_strangers_too),
		home_test(caller_without_a_usable_name_is_refused),
		home_test(every_verb_of_the_owner_leaves_an_entry_that_says_what_happened),
		home_test(story_has_every_verb),
		home_test(malformed_names_are_refused_and_leave_no_entry),
		home_test(no_file_and_no_error_text_holds_a_pin_or_a_plaintext),
		home_test(search_for_secrets_fails_when_there_is_one),
		home_test(refused_pin_is_not_told),
	};
	return cmocka_run_group_tests_name("gate", tests, home_group_set_up, home_group_tear_down);
}
