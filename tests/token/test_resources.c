/* SPDX-License-Identifier: Apache-2.0 */
/* Locations, key rings, keys and versions: making, finding and listing them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/base/deadline.h"
#include "tests/support/verbs.h"

static clv_rc call(struct home_world *w, const char *verb, const char *resource)
{
	return verb_named(verb)->call(w, NULL, resource);
}

static clv_rc create_key(struct home_world *w, const char *name, struct clv_key_options options,
			 struct clv_key *ret)
{
	return clv_key_create(w->ctx, NULL, name, &options, ret, &w->err);
}

/* All that is stored or noted, as one number. */
static int64_t stored(const struct home_world *w)
{
	return world_count(w, "SELECT (SELECT count(*) FROM locations) * 1000000000"
			      " + (SELECT count(*) FROM key_rings) * 1000000"
			      " + (SELECT count(*) FROM crypto_keys) * 10000"
			      " + (SELECT count(*) FROM versions) * 100"
			      " + (SELECT count(*) FROM intents)");
}

/* ---- names */

/* Policies are of several kinds of things, and explanations of any. */
static bool takes_other_kinds(const struct verb *verb)
{
	return strncmp(verb->name, "iam_", 4) == 0 || strncmp(verb->name, "constraint_", 11) == 0 ||
	       strcmp(verb->name, "policy_explain") == 0;
}

static void names_of_the_wrong_kind_are_refused(struct home_world *w)
{
	static const char *const names[] = { PROJECT, LOCATION,         RING,
					     WRAPPED, VERSION(WRAPPED), JOB("j") };
	int64_t before = stored(w);

	world_open(w);
	for (size_t i = 0; i < n_verbs; i++) {
		if (verbs[i].missing == NULL || takes_other_kinds(&verbs[i]))
			continue;
		for (size_t j = 0; j < CLV_ARRAY_LEN(names); j++) {
			size_t wanted = 0;

			while (strcmp(names[wanted], verbs[i].existing) != 0)
				wanted++;
			if (wanted == j || (strcmp(verbs[i].name, "encrypt") == 0 && j == 4))
				continue;
			if (call(w, verbs[i].name, names[j]) != CLV_E_INVALID_ARGUMENT)
				fail_msg("%s %s: %s", verbs[i].name, names[j], w->err.text);
		}
	}
	assert_int_equal(stored(w), before);
}

/* Locations are those of the home; all below them is a project's own. */
static void other_projects_see_nothing_of_this_one(struct home_world *w)
{
	static const char ring[] = "projects/other/locations/europe-west2/keyRings/r";
	static const char key[] =
		"projects/other/locations/europe-west2/keyRings/r/cryptoKeys/wrapped";
	struct clv_key_ring *rings = NULL;
	size_t n = 99;

	world_open(w);
	assert_int_equal(call(w, "key_ring_get", ring), CLV_E_NOT_FOUND);
	assert_int_equal(call(w, "key_list", ring), CLV_E_NOT_FOUND);
	assert_int_equal(call(w, "key_get", key), CLV_E_NOT_FOUND);
	assert_int_equal(call(w, "encrypt", key), CLV_E_NOT_FOUND);
	assert_ok(w, clv_key_ring_list(w->ctx, NULL, "projects/other/locations/europe-west2", NULL,
				       10, &rings, &n, &w->err));
	assert_int_equal(n, 0);
}

/* ---- making */

static void what_was_made_is_found_as_it_was_made(struct home_world *w)
{
	int64_t before = clv_time_now();
	struct clv_key_ring ring, found_ring;
	struct clv_key key, found_key;
	struct clv_version version;

	world_open(w);
	assert_ok(w, clv_key_ring_create(w->ctx, NULL, LOCATION "/keyRings/s", &ring, &w->err));
	assert_ok(w, clv_key_ring_get(w->ctx, NULL, LOCATION "/keyRings/s", &found_ring, &w->err));
	assert_string_equal(ring.name, LOCATION "/keyRings/s");
	assert_string_equal(found_ring.name, ring.name);
	assert_in_range(ring.create_time, before, clv_time_now());
	assert_int_equal(found_ring.create_time, ring.create_time);
	assert_ok(w, create_key(w, LOCATION "/keyRings/s/cryptoKeys/k",
				(struct clv_key_options){ .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
							  .protection = CLV_PROTECTION_HSM },
				&key));
	assert_ok(w, clv_key_get(w->ctx, NULL, key.name, &found_key, &w->err));
	assert_memory_equal(&key, &found_key, sizeof key);
	assert_string_equal(key.name, LOCATION "/keyRings/s/cryptoKeys/k");
	assert_int_equal(key.primary, 1);
	assert_int_equal(key.primary_version.state, CLV_STATE_ENABLED);
	assert_ok(w, clv_version_get(w->ctx, NULL,
				     LOCATION "/keyRings/s/cryptoKeys/k/cryptoKeyVersions/1",
				     &version, &w->err));
	assert_int_equal(version.number, 1);
	assert_int_equal(version.protection, CLV_PROTECTION_HSM);
	assert_int_equal(version.create_time, key.create_time);
	assert_true(strncmp(version.state_principal, "user:", 5) == 0);
}

static void options_left_out_have_their_defaults(struct home_world *w)
{
	struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT };
	struct clv_key key;

	world_open(w);
	assert_ok(w, create_key(w, KEY("k"), options, &key));
	assert_int_equal(key.protection, CLV_PROTECTION_SOFTWARE);
	assert_int_equal(key.residency, CLV_RESIDENCY_WRAPPED);
	assert_int_equal(key.algorithm, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION);
}

static void options_that_are_not_offered_are_refused(struct home_world *w)
{
	static const struct {
		int purpose, protection, residency;
		const char *text;
	} cases[] = {
		{ 0, 0, 0, "purpose" },     { 5, 0, 0, "purpose" },
		{ -1, 0, 0, "purpose" },    { 1, 3, 0, "protection level" },
		{ 1, 99, 0, "protection" }, { 1, -1, 0, "protection" },
		{ 1, 1, 3, "residency" },   { 1, 2, -1, "residency" },
	};
	int64_t before = stored(w);

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_key_options options = {
			.purpose = (enum clv_purpose) cases[i].purpose,
			.protection = (enum clv_protection) cases[i].protection,
			.residency = (enum clv_residency) cases[i].residency
		};
		struct clv_key key = { .primary = 99 };

		assert_refused(w, create_key(w, KEY("k"), options, &key), CLV_E_INVALID_ARGUMENT,
			       cases[i].text);
		assert_int_equal(key.primary, 99);
	}
	assert_int_equal(stored(w), before);
}

static void duplicates_and_orphans_are_refused_and_leave_nothing(struct home_world *w)
{
	static const struct {
		const char *verb, *resource;
		clv_rc rc;
		const char *text;
	} cases[] = {
		{ "key_ring_create", RING, CLV_E_ALREADY_EXISTS, RING " already exists" },
		{ "key_create", WRAPPED, CLV_E_ALREADY_EXISTS, WRAPPED " already exists" },
		{ "key_create", TOKEN, CLV_E_ALREADY_EXISTS, TOKEN " already exists" },
		{ "location_create_softhsm", LOCATION, CLV_E_ALREADY_EXISTS, "already exists" },
		{ "key_ring_create", PROJECT "/locations/none/keyRings/r", CLV_E_NOT_FOUND,
		  "none" },
		{ "key_create", LOCATION "/keyRings/none/cryptoKeys/k", CLV_E_NOT_FOUND, "none" },
	};
	struct raw_object objects[64];
	int64_t before = stored(w);
	size_t n = world_objects(w, objects, CLV_ARRAY_LEN(objects));

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++)
		assert_refused(w, call(w, cases[i].verb, cases[i].resource), cases[i].rc,
			       cases[i].text);
	assert_int_equal(stored(w), before);
	assert_int_equal(world_objects(w, objects, CLV_ARRAY_LEN(objects)), n);
}

static void what_is_not_there_is_not_found(struct home_world *w)
{
	static const char *const looks[] = { "key_ring_get",    "key_ring_list",  "key_get",
					     "key_list",        "version_get",    "version_list",
					     "version_disable", "version_enable", "location_get",
					     "token_list",      "token_status" };

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(looks); i++)
		assert_int_equal(call(w, looks[i], verb_named(looks[i])->missing), CLV_E_NOT_FOUND);
	assert_int_equal(call(w, "version_get", WRAPPED "/cryptoKeyVersions/2"), CLV_E_NOT_FOUND);
	assert_int_equal(call(w, "version_get", WRAPPED "/cryptoKeyVersions/9223372036854775807"),
			 CLV_E_NOT_FOUND);
}

static void token_serves_one_location_only(struct home_world *w)
{
	struct clv_location location;
	struct clv_token *tokens = NULL;
	int64_t before = stored(w);
	size_t n;

	world_open(w);
	assert_ok(w, clv_token_list(w->ctx, NULL, LOCATION, &tokens, &n, &w->err));
	assert_int_equal(n, 1);
	assert_refused(w,
		       clv_location_create(w->ctx, NULL, PROJECT "/locations/mars", tokens[0].uri,
					   &location, &w->err),
		       CLV_E_FAILED_PRECONDITION, "serves location europe-west2");
	clv_page_free(tokens);
	assert_int_equal(stored(w), before);
}

static void no_uri_and_bad_uris_are_invalid_arguments(struct home_world *w)
{
	static const char *const uris[] = { NULL, "", "http://x", "pkcs11:", "pkcs11:token=%zz" };
	struct clv_location location;
	char uri[CLV_URI_MAX + 1];

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(uris); i++)
		assert_int_equal(clv_location_create(w->ctx, NULL, PROJECT "/locations/mars",
						     uris[i], &location, &w->err),
				 CLV_E_INVALID_ARGUMENT);
	memset(uri, 'u', sizeof uri);
	uri[CLV_URI_MAX] = '\0';
	assert_int_equal(clv_location_create(w->ctx, NULL, PROJECT "/locations/mars", uri,
					     &location, &w->err),
			 CLV_E_INVALID_ARGUMENT);
}

/* ---- pages */

#define N_RINGS 25 /* and "r" */

static void make_rings(struct home_world *w)
{
	for (unsigned i = 0; i < N_RINGS; i++) {
		char name[CLV_NAME_MAX];

		/* 7 has no factor in common with 25: every number once, in a mixed order. */
		snprintf(name, sizeof name, LOCATION "/keyRings/a%02u", i * 7 % N_RINGS);
		assert_ok(w, call(w, "key_ring_create", name));
	}
}

static void pages_give_each_ring_once_and_in_order(struct home_world *w)
{
	static const size_t limits[] = { 1, 7, 13, N_RINGS + 1, CLV_PAGE_MAX };

	world_open(w);
	make_rings(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(limits); i++) {
		struct clv_key_ring *rings = NULL;
		char after[CLV_ID_MAX] = "", last[CLV_NAME_MAX] = "";
		size_t n, seen = 0;

		do {
			assert_ok(w, clv_key_ring_list(w->ctx, NULL, LOCATION,
						       after[0] != '\0' ? after : NULL, limits[i],
						       &rings, &n, &w->err));
			assert_true(n <= limits[i] && (n == 0) == (rings == NULL));
			for (size_t j = 0; j < n; j++, seen++) {
				assert_true(strcmp(last, rings[j].name) < 0);
				memcpy(last, rings[j].name, sizeof last);
			}
			snprintf(after, sizeof after, "%.60s", strrchr(last, '/') + 1);
			rings = clv_page_free(rings);
		} while (n == limits[i]);
		assert_int_equal(seen, N_RINGS + 1);
	}
}

static void page_begins_behind_an_id_that_need_not_be_there(struct home_world *w)
{
	static const struct {
		const char *after;
		size_t n;
	} cases[] = { { "", 2 },  { "a", 2 },       { "token", 1 },
		      { "u", 1 }, { "wrapped", 0 }, { "z", 0 } };
	struct clv_key *keys = NULL;
	size_t n = 0;

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		assert_ok(w,
			  clv_key_list(w->ctx, NULL, RING, cases[i].after, 10, &keys, &n, &w->err));
		assert_int_equal(n, cases[i].n);
		assert_int_equal(keys == NULL, n == 0);
		keys = clv_page_free(keys);
	}
}

static void pages_of_no_or_too_many_items_are_refused(struct home_world *w)
{
	static const size_t limits[] = { 0, CLV_PAGE_MAX + 1, SIZE_MAX };
	struct clv_version *versions = (void *) w;
	struct clv_key_ring *rings = (void *) w;
	struct clv_location *locations = (void *) w;
	struct clv_key *keys = (void *) w;
	size_t n = 99;

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(limits); i++) {
		assert_refused(w,
			       clv_key_ring_list(w->ctx, NULL, LOCATION, NULL, limits[i], &rings,
						 &n, &w->err),
			       CLV_E_INVALID_ARGUMENT, "1 to 1000");
		assert_int_equal(
			clv_key_list(w->ctx, NULL, RING, NULL, limits[i], &keys, &n, &w->err),
			CLV_E_INVALID_ARGUMENT);
		assert_int_equal(clv_version_list(w->ctx, NULL, WRAPPED, 0, limits[i], &versions,
						  &n, &w->err),
				 CLV_E_INVALID_ARGUMENT);
		assert_int_equal(clv_location_list(w->ctx, NULL, PROJECT, NULL, limits[i],
						   &locations, &n, &w->err),
				 CLV_E_INVALID_ARGUMENT);
	}
	assert_int_equal(n, 99); /* outputs are untouched */
	assert_true((void *) rings == (void *) w && (void *) keys == (void *) w);
	assert_true((void *) versions == (void *) w && (void *) locations == (void *) w);
}

static void versions_are_listed_by_number(struct home_world *w)
{
	struct clv_version *versions = NULL;
	size_t n;

	world_open(w);
	assert_ok(w, clv_version_list(w->ctx, NULL, TOKEN, 0, 10, &versions, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(versions[0].name, VERSION(TOKEN));
	assert_int_equal(versions[0].residency, CLV_RESIDENCY_TOKEN);
	versions = clv_page_free(versions);
	assert_ok(w, clv_version_list(w->ctx, NULL, TOKEN, 1, 10, &versions, &n, &w->err));
	assert_int_equal(n, 0);
	assert_null(versions);
}

/* ---- the token is away */

static const struct {
	const char *verb, *resource;
} makers[] = { { "key_ring_create", LOCATION "/keyRings/new" }, { "key_create", KEY("new") } };

static void without_its_token_nothing_is_made_or_half_made(struct home_world *w)
{
	struct clv_key_options resident = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
					    .residency = CLV_RESIDENCY_TOKEN };
	int64_t before = stored(w);
	struct clv_key key;

	world_tokens_away(w);
	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(makers); i++)
		assert_int_equal(call(w, makers[i].verb, makers[i].resource), CLV_E_UNAVAILABLE);
	assert_int_equal(create_key(w, KEY("new"), resident, &key), CLV_E_UNAVAILABLE);
	assert_int_equal(call(w, "encrypt", WRAPPED), CLV_E_UNAVAILABLE);
	assert_int_equal(stored(w), before);
	assert_ok(w, call(w, "key_get", WRAPPED));
	assert_ok(w, call(w, "status_get", PROJECT));
}

/* Tries until it works; at most two seconds. */
static void assert_soon(struct home_world *w, const char *verb, const char *resource)
{
	struct clv_deadline deadline = clv_deadline_in(2000);
	clv_rc rc;

	while ((rc = call(w, verb, resource)) == CLV_E_UNAVAILABLE && !clv_deadline_past(deadline))
		usleep(20000);
	assert_ok(w, rc);
}

static void token_that_is_back_is_used_without_reopening(struct home_world *w)
{
	world_tokens_away(w);
	world_open(w);
	assert_int_equal(call(w, "encrypt", WRAPPED), CLV_E_UNAVAILABLE);
	world_tokens_back(w);
	assert_soon(w, "encrypt", WRAPPED);
	for (size_t i = 0; i < CLV_ARRAY_LEN(makers); i++)
		assert_ok(w, call(w, makers[i].verb, makers[i].resource));
	assert_ok(w, call(w, "encrypt", TOKEN));
}

/* The folder is there, but the token is not in it. */
static void missing_token_is_unavailable_too(struct home_world *w)
{
	struct clv_probe probe;

	world_tokens_away(w);
	assert_int_equal(mkdir(world_path(w, "softhsm/tokens"), 0700), 0);
	world_open(w);
	assert_int_equal(call(w, "encrypt", WRAPPED), CLV_E_UNAVAILABLE);
	assert_int_equal(call(w, "key_create", KEY("new")), CLV_E_UNAVAILABLE);
	assert_int_equal(clv_token_status(w->ctx, NULL, LOCATION, &probe, &w->err),
			 CLV_E_UNAVAILABLE);
	world_tokens_back(w);
	assert_soon(w, "encrypt", WRAPPED);
}

static void missing_pin_is_unavailable(struct home_world *w)
{
	assert_int_equal(rename(world_path(w, "pins"), world_path(w, "pins.away")), 0);
	world_open(w);
	assert_int_equal(call(w, "encrypt", WRAPPED), CLV_E_UNAVAILABLE);
	assert_int_equal(rename(world_path(w, "pins.away"), world_path(w, "pins")), 0);
	assert_soon(w, "encrypt", WRAPPED);
}

/* ---- several at once */

static void create_the_same(struct home_world *w, void *arg)
{
	static const char *const ids[] = { "k0", "k1", "k2", "k3", "k4", "k5" };
	unsigned mine = 0;

	world_open(w);
	assert_ok(w, call(w, "encrypt", WRAPPED));
	for (size_t i = 0; i < CLV_ARRAY_LEN(ids); i++) {
		char name[CLV_NAME_MAX];
		clv_rc rc;

		snprintf(name, sizeof name, RING "/cryptoKeys/%s", ids[i]);
		rc = world_new_key(w, name,
				   i % 2 == 0 ? CLV_RESIDENCY_TOKEN : CLV_RESIDENCY_WRAPPED);
		if (rc != CLV_E_ALREADY_EXISTS)
			assert_ok(w, rc);
		mine += rc == CLV_OK;
		assert_ok(w, call(w, "encrypt", name));
	}
	assert_int_equal(write(*(int *) arg, &mine, sizeof mine), sizeof mine);
}

static void of_two_who_make_the_same_key_one_does_and_nothing_is_left_over(struct home_world *w)
{
	struct raw_object objects[64];
	size_t before = world_objects(w, objects, CLV_ARRAY_LEN(objects));
	unsigned mine[2];
	pid_t children[2];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	for (size_t i = 0; i < 2; i++)
		children[i] = world_fork(w, create_the_same, &ends[1]);
	for (size_t i = 0; i < 2; i++) {
		world_wait(children[i]);
		assert_int_equal(read(ends[0], &mine[i], sizeof mine[i]), sizeof mine[i]);
	}
	assert_int_equal(mine[0] + mine[1], 6);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
	assert_int_equal(world_objects(w, objects, CLV_ARRAY_LEN(objects)), before + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(names_of_the_wrong_kind_are_refused),
		home_test(other_projects_see_nothing_of_this_one),
		home_test(what_was_made_is_found_as_it_was_made),
		home_test(options_left_out_have_their_defaults),
		home_test(options_that_are_not_offered_are_refused),
		home_test(duplicates_and_orphans_are_refused_and_leave_nothing),
		home_test(what_is_not_there_is_not_found),
		home_test(token_serves_one_location_only),
		home_test(no_uri_and_bad_uris_are_invalid_arguments),
		home_test(pages_give_each_ring_once_and_in_order),
		home_test(page_begins_behind_an_id_that_need_not_be_there),
		home_test(pages_of_no_or_too_many_items_are_refused),
		home_test(versions_are_listed_by_number),
		home_test(without_its_token_nothing_is_made_or_half_made),
		home_test(token_that_is_back_is_used_without_reopening),
		home_test(missing_token_is_unavailable_too),
		home_test(missing_pin_is_unavailable),
		home_test(of_two_who_make_the_same_key_one_does_and_nothing_is_left_over),
	};
	return cmocka_run_group_tests_name("resources", tests, home_group_set_up,
					   home_group_tear_down);
}
