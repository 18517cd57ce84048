/* SPDX-License-Identifier: Apache-2.0 */
/* Each noun of the catalogue: what is put in comes out, and what is refused, with which words. */
#include <string.h>

#include "tests/unit/store_world.h"

#define LOCATION "projects/demo/locations/dc-milan"
#define RING LOCATION "/keyRings/r"

/* ---- home, locations, tokens */

static void home_is_as_it_was_made(void **state)
{
	struct world *w = *state;
	struct store_home home;

	assert_ok(w, store_home_get(w->store, &home, &w->err));
	assert_memory_equal(home.uuid, "0123456789abcde", 16);
	assert_string_equal(home.project, "demo");
	assert_string_equal(home.owner, "user:ada");
	assert_int_equal(home.create_time, T0);
}

static void location_comes_with_its_token_count(void **state)
{
	struct world *w = *state;
	struct store_location location;

	assert_ok(w, store_location_get(w->store, "dc-milan", &location, &w->err));
	assert_string_equal(location.id, "dc-milan");
	assert_int_equal(location.create_time, T0);
	assert_int_equal(location.n_tokens, 1);
	assert_true(location.row > 0);
}

static void location_that_is_not_there_is_named(void **state)
{
	struct world *w = *state;
	struct store_location location = { .row = 77 };

	assert_refused(w, store_location_get(w->store, "mars", &location, &w->err), CLV_E_NOT_FOUND,
		       "Location projects/demo/locations/mars not found.");
	assert_int_equal(location.row, 77);
}

static void location_is_added_once(void **state)
{
	struct world *w = *state;
	const struct store_location location = some_location("dc-milan");
	const struct store_token token = some_token("dc-milan", 9);

	assert_refused(w, store_location_add(w->store, grant(), &location, &token, NULL, &w->err),
		       CLV_E_ALREADY_EXISTS,
		       "Location projects/demo/locations/dc-milan already exists.");
	assert_int_equal(world_count(w, "SELECT count(*) FROM tokens"), 1);
}

static void locations_are_listed_in_order_of_id(void **state)
{
	static const char *const ids[] = { "zurich", "berlin" };
	struct world *w = *state;
	struct store_location rows[3];
	size_t n;

	for (unsigned i = 0; i < CLV_ARRAY_LEN(ids); i++) {
		const struct store_location location = some_location(ids[i]);
		const struct store_token token = some_token(ids[i], i + 2);

		assert_ok(w,
			  store_location_add(w->store, grant(), &location, &token, NULL, &w->err));
	}
	assert_ok(w, store_location_list(w->store, NULL, 3, rows, &n, &w->err));
	assert_int_equal(n, 3);
	assert_string_equal(rows[0].id, "berlin");
	assert_string_equal(rows[1].id, "dc-milan");
	assert_string_equal(rows[2].id, "zurich");
	assert_ok(w, store_location_list(w->store, "berlin", 1, rows, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].id, "dc-milan");
	assert_ok(w, store_location_list(w->store, "zurich", 3, rows, &n, &w->err));
	assert_int_equal(n, 0);
}

static void token_comes_back_whole(void **state)
{
	struct world *w = *state;
	struct store_token want = some_token("dc-milan", 1);
	struct store_token token;
	size_t n;

	assert_ok(w, store_token_list(w->store, "dc-milan", 1, &token, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(token.pub.location, want.pub.location);
	assert_string_equal(token.pub.uri, want.pub.uri);
	assert_string_equal(token.pub.serial, want.pub.serial);
	assert_string_equal(token.pub.label, want.pub.label);
	assert_string_equal(token.pub.manufacturer, want.pub.manufacturer);
	assert_string_equal(token.pub.model, want.pub.model);
	assert_string_equal(token.pub.log_key_pem, want.pub.log_key_pem);
	assert_int_equal(token.pub.attach_time, want.pub.attach_time);
	assert_memory_equal(token.root_id, want.root_id, STORE_ID_LEN);
	assert_memory_equal(token.seal_id, want.seal_id, STORE_ID_LEN);
	assert_memory_equal(token.log_id, want.log_id, STORE_ID_LEN);
	assert_memory_equal(token.anchor_id, want.anchor_id, sizeof want.anchor_id);
}

static void tokens_of_all_locations_come_in_order_of_location(void **state)
{
	struct world *w = *state;
	const struct store_location location = some_location("berlin");
	const struct store_token token = some_token("berlin", 5);
	struct store_token rows[4];
	size_t n;

	assert_ok(w, store_location_add(w->store, grant(), &location, &token, NULL, &w->err));
	assert_ok(w, store_token_list(w->store, NULL, 4, rows, &n, &w->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].pub.location, "berlin");
	assert_string_equal(rows[1].pub.location, "dc-milan");
}

/* ---- key rings */

static void ring_comes_back_whole(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(RING);
	const struct store_ring want = some_ring("dc-milan", "r", 1);
	struct store_ring ring;

	assert_ok(w, store_ring_get(w->store, &name, &ring, &w->err));
	assert_string_equal(ring.project, "demo");
	assert_string_equal(ring.location, "dc-milan");
	assert_string_equal(ring.id, "r");
	assert_int_equal(ring.create_time, want.create_time);
	assert_memory_equal(ring.kek_id, want.kek_id, STORE_ID_LEN);
	assert_memory_equal(ring.root_id, want.root_id, STORE_ID_LEN);
	assert_int_equal(ring.kek_blob_len, want.kek_blob_len);
	assert_memory_equal(ring.kek_blob, want.kek_blob, want.kek_blob_len);
}

static void ring_is_added_once(void **state)
{
	struct world *w = *state;
	const struct store_ring ring = some_ring("dc-milan", "r", 2);

	assert_refused(w, store_ring_add(w->store, grant(), &ring, &w->err), CLV_E_ALREADY_EXISTS,
		       "KeyRing " RING " already exists.");
}

static void ring_needs_its_location(void **state)
{
	struct world *w = *state;
	const struct store_ring ring = some_ring("mars", "r", 2);

	assert_refused(w, store_ring_add(w->store, grant(), &ring, &w->err), CLV_E_NOT_FOUND,
		       "Location projects/demo/locations/mars not found.");
}

static void rings_of_projects_do_not_meet(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of("projects/other/locations/dc-milan/keyRings/r");
	const struct clv_name location = name_of("projects/other/locations/dc-milan");
	struct store_ring ring = some_ring("dc-milan", "r", 3);
	size_t n = 99;

	assert_refused(w, store_ring_get(w->store, &name, &ring, &w->err), CLV_E_NOT_FOUND,
		       "KeyRing projects/other/locations/dc-milan/keyRings/r not found.");
	assert_ok(w, store_ring_list(w->store, &location, NULL, 1, &ring, &n, &w->err));
	assert_int_equal(n, 0);
}

static void largest_blob_fits_and_an_empty_one_is_refused(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(LOCATION "/keyRings/big");
	struct store_ring ring = some_ring("dc-milan", "big", 4);
	struct store_ring got;

	ring.kek_blob_len = 0;
	assert_refused(w, store_ring_add(w->store, grant(), &ring, &w->err), CLV_E_INTERNAL,
		       "kek_blob");
	memset(ring.kek_blob, 0xa5, sizeof ring.kek_blob);
	ring.kek_blob_len = sizeof ring.kek_blob;
	assert_ok(w, store_ring_add(w->store, grant(), &ring, &w->err));
	assert_ok(w, store_ring_get(w->store, &name, &got, &w->err));
	assert_int_equal(got.kek_blob_len, STORE_BLOB_MAX);
	assert_memory_equal(got.kek_blob, ring.kek_blob, STORE_BLOB_MAX);
}

/* ---- keys and versions */

static void new_key_has_version_1_as_its_primary(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store_key key;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_string_equal(key.pub.name, KEY_NAME("k"));
	assert_int_equal(key.row_version, 1);
	assert_int_equal(key.pub.purpose, CLV_PURPOSE_ENCRYPT_DECRYPT);
	assert_int_equal(key.pub.algorithm, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION);
	assert_int_equal(key.pub.protection, CLV_PROTECTION_HSM);
	assert_int_equal(key.pub.residency, CLV_RESIDENCY_WRAPPED);
	assert_int_equal(key.pub.create_time, T0);
	assert_int_equal(key.pub.primary, 1);
	assert_int_equal(key.pub.primary_version.state, CLV_STATE_ENABLED);
}

static void assert_primary_is(struct world *w, const struct clv_version *got)
{
	struct clv_name name = name_of(KEY_NAME("k"));
	struct store_version want;

	name.kind = CLV_NAME_VERSION;
	name.version = 1;
	assert_ok(w, store_version_get(w->store, &name, &want, &w->err));
	assert_string_equal(got->name, want.pub.name);
	assert_int_equal(got->number, 1);
	assert_int_equal(got->state, want.pub.state);
	assert_int_equal(got->algorithm, want.pub.algorithm);
	assert_int_equal(got->protection, want.pub.protection);
	assert_int_equal(got->residency, want.pub.residency);
	assert_memory_equal(got->uid, want.pub.uid, CLV_UID_LEN);
	assert_int_equal(got->create_time, want.pub.create_time);
	assert_int_equal(got->generate_time, want.pub.generate_time);
	assert_int_equal(got->import_time, want.pub.import_time);
	assert_string_equal(got->import_job, want.pub.import_job);
	assert_int_equal(got->state_time, want.pub.state_time);
	assert_string_equal(got->state_principal, want.pub.state_principal);
	assert_string_equal(got->state_reason, want.pub.state_reason);
	assert_int_equal(got->destroy_time, want.pub.destroy_time);
	assert_int_equal(got->destroy_event_time, want.pub.destroy_event_time);
}

/* Each column has a value that no other has, so that none is taken for its neighbour. */
static void key_comes_with_the_whole_of_its_primary_version(void **state)
{
	static const char *const changes[] = {
		"UPDATE versions SET create_time = 11, generate_time = 12, state_time = 13,"
		" state_principal = 'user:p', state_reason = 'r', protection = 1, residency = 1",
		"UPDATE versions SET state = 4, destroy_time = 14",
		"UPDATE versions SET state = 3, destroy_time = NULL, destroy_event_time = 15,"
		" blob = NULL",
		"UPDATE versions SET generate_time = 0, import_time = 16, import_job = 'j',"
		" check_value = zeroblob(32)",
	};
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k")), ring = name_of(RING);
	struct store_key key, keys[2];
	size_t n;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	store_seal_unchecked(w->store, true); /* it is the columns that count here */
	for (size_t i = 0; i < CLV_ARRAY_LEN(changes); i++) {
		world_sql(w, changes[i]);
		assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
		assert_primary_is(w, &key.pub.primary_version);
		assert_ok(w, store_key_list(w->store, &ring, NULL, 2, keys, &n, &w->err));
		assert_int_equal(n, 1);
		assert_primary_is(w, &keys[0].pub.primary_version);
	}
	store_seal_unchecked(w->store, false);
	assert_int_equal(key.pub.primary_version.import_time, 16);
	assert_int_equal(key.pub.primary_version.destroy_event_time, 15);
}

static void key_without_a_primary_says_so(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store_key key;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	world_unseal(w);
	world_sql(w, "UPDATE crypto_keys SET primary_number = NULL");
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.primary, 0);
}

static void assert_same_version(const struct store_version *got, const struct store_version *want)
{
	assert_int_equal(got->row_version, 1);
	assert_int_equal(got->pub.number, 1);
	assert_int_equal(got->pub.state, want->pub.state);
	assert_int_equal(got->pub.algorithm, want->pub.algorithm);
	assert_int_equal(got->pub.protection, want->pub.protection);
	assert_int_equal(got->pub.residency, want->pub.residency);
	assert_memory_equal(got->pub.uid, want->pub.uid, CLV_UID_LEN);
	assert_int_equal(got->pub.create_time, want->pub.create_time);
	assert_int_equal(got->pub.generate_time, want->pub.generate_time);
	assert_int_equal(got->pub.state_time, want->pub.state_time);
	assert_string_equal(got->pub.state_principal, want->pub.state_principal);
	assert_string_equal(got->pub.state_reason, want->pub.state_reason);
	assert_int_equal(got->token_enabled, want->token_enabled);
	assert_int_equal(got->blob_len, want->blob_len);
	assert_memory_equal(got->blob, want->blob, want->blob_len);
}

static void version_comes_back_whole_by_name_and_by_uid(void **state)
{
	static const enum clv_residency table[] = { CLV_RESIDENCY_WRAPPED, CLV_RESIDENCY_TOKEN };
	struct world *w = *state;

	for (unsigned i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct store_version want = some_version(table[i], i);
		struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
		struct store_version got;

		name.key[0] = (char) ('a' + i);
		add_key(w, name.key, table[i], i);
		assert_ok(w, store_version_get(w->store, &name, &got, &w->err));
		assert_same_version(&got, &want);
		memset(&got, 0, sizeof got);
		assert_ok(w, store_version_by_uid(w->store, want.pub.uid, &got, &w->err));
		assert_same_version(&got, &want);
		assert_string_equal(got.pub.name, i == 0 ? KEY_NAME("a") "/cryptoKeyVersions/1"
							 : KEY_NAME("b") "/cryptoKeyVersions/1");
	}
}

static void unknown_uid_is_not_found(void **state)
{
	struct world *w = *state;
	struct store_version version = { .row = 77 };

	assert_refused(w,
		       store_version_by_uid(w->store, (const uint8_t *) "nobody's uid 16", &version,
					    &w->err),
		       CLV_E_NOT_FOUND, "CryptoKeyVersion");
	assert_int_equal(version.row, 77);
}

static void key_is_added_once(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	const struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, 2);

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_refused(w, store_key_add(w->store, grant(), &name, &key, &first, NULL, &w->err),
		       CLV_E_ALREADY_EXISTS, "CryptoKey " KEY_NAME("k") " already exists.");
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 1);
}

static void uid_of_another_version_is_refused(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("l"));
	const struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, 1);

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_refused(w, store_key_add(w->store, grant(), &name, &key, &first, NULL, &w->err),
		       CLV_E_INTERNAL, "versions.uid");
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys"), 1);
}

/* What is named is the first part that is not there, whatever was asked. */
static void missing_part_is_named(void **state)
{
	static const struct {
		const char *name;
		const char *text;
	} table[] = {
		{ "projects/demo/locations/mars/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
		  "Location projects/demo/locations/mars not found." },
		{ LOCATION "/keyRings/x/cryptoKeys/k/cryptoKeyVersions/1",
		  "KeyRing " LOCATION "/keyRings/x not found." },
		{ RING "/cryptoKeys/x/cryptoKeyVersions/1",
		  "CryptoKey " RING "/cryptoKeys/x not found." },
		{ RING "/cryptoKeys/k/cryptoKeyVersions/2",
		  "CryptoKeyVersion " RING "/cryptoKeys/k/cryptoKeyVersions/2 not found." },
	};
	struct world *w = *state;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct clv_name name = name_of(table[i].name);
		struct store_version version = { .row = 77 };
		struct store_key key = { .row = 77 };
		struct store_ring ring = { .row = 77 };

		assert_refused(w, store_version_get(w->store, &name, &version, &w->err),
			       CLV_E_NOT_FOUND, table[i].text);
		assert_int_equal(version.row, 77);
		if (i < 3)
			assert_refused(w, store_key_get(w->store, &name, &key, &w->err),
				       CLV_E_NOT_FOUND, table[i].text);
		assert_int_equal(key.row, 77);
		if (i < 2)
			assert_refused(w, store_ring_get(w->store, &name, &ring, &w->err),
				       CLV_E_NOT_FOUND, table[i].text);
		assert_int_equal(ring.row, 77);
	}
}

static void key_needs_its_ring(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(LOCATION "/keyRings/x/cryptoKeys/k");
	const struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, 1);

	assert_refused(w, store_key_add(w->store, grant(), &name, &key, &first, NULL, &w->err),
		       CLV_E_NOT_FOUND, "KeyRing " LOCATION "/keyRings/x not found.");
}

/* A page of something that is not there is not an empty page. */
static void list_of_a_missing_parent_is_not_found(void **state)
{
	struct world *w = *state;
	const struct clv_name location = name_of("projects/demo/locations/mars");
	const struct clv_name ring = name_of(LOCATION "/keyRings/x");
	const struct clv_name key = name_of(RING "/cryptoKeys/x");
	struct store_version version;
	struct store_token token;
	struct store_ring rings;
	struct store_key keys;
	size_t n = 77;

	assert_refused(w, store_token_list(w->store, "mars", 1, &token, &n, &w->err),
		       CLV_E_NOT_FOUND, "Location projects/demo/locations/mars not found.");
	assert_refused(w, store_ring_list(w->store, &location, NULL, 1, &rings, &n, &w->err),
		       CLV_E_NOT_FOUND, "Location projects/demo/locations/mars not found.");
	assert_refused(w, store_key_list(w->store, &ring, NULL, 1, &keys, &n, &w->err),
		       CLV_E_NOT_FOUND, "KeyRing " LOCATION "/keyRings/x not found.");
	assert_refused(w, store_version_list(w->store, &key, 0, 1, &version, &n, &w->err),
		       CLV_E_NOT_FOUND, "CryptoKey " RING "/cryptoKeys/x not found.");
	assert_refused(w, store_version_list_pending(w->store, "mars", 1, &version, &n, &w->err),
		       CLV_E_NOT_FOUND, "Location projects/demo/locations/mars not found.");
	assert_int_equal(n, 77);
}

static void versions_are_listed_in_numeric_order(void **state)
{
	struct world *w = *state;
	const struct clv_name key = name_of(KEY_NAME("k"));
	struct store_version rows[12];
	size_t n;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	world_unseal(w);
	world_sql(w, "WITH RECURSIVE n (i) AS (SELECT 12 UNION ALL SELECT i - 1 FROM n WHERE i > 2)"
		     " INSERT INTO versions (crypto_key, location, number, uid, state, algorithm,"
		     " protection, residency, create_time, generate_time, state_time,"
		     " state_principal, state_reason, blob) SELECT crypto_key, location, i,"
		     " randomblob(16), state, algorithm, protection, residency, create_time,"
		     " generate_time, state_time, state_principal, state_reason, blob"
		     " FROM n, versions WHERE number = 1");
	assert_ok(w, store_version_list(w->store, &key, 0, 12, rows, &n, &w->err));
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].pub.number, i + 1);
	assert_ok(w, store_version_list(w->store, &key, 9, 2, rows, &n, &w->err));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].pub.number, 10);
	assert_int_equal(rows[1].pub.number, 11);
	assert_ok(w, store_version_list(w->store, &key, UINT64_MAX, 2, rows, &n, &w->err));
	assert_int_equal(n, 0);
}

static void state_change_is_kept_with_who_and_why(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version version;
	struct store_version got;
	struct store_key key;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	version.pub.state = CLV_STATE_DISABLED;
	version.pub.state_time = T0 + 500;
	strncpy(version.pub.state_principal, "user:bob", CLV_PRINCIPAL_MAX);
	strncpy(version.pub.state_reason, "drill", CLV_REASON_MAX);
	assert_ok(w, store_version_set_state(w->store, grant(), &version, &w->err));
	assert_ok(w, store_version_get(w->store, &name, &got, &w->err));
	assert_int_equal(got.pub.state, CLV_STATE_DISABLED);
	assert_int_equal(got.pub.state_time, T0 + 500);
	assert_string_equal(got.pub.state_principal, "user:bob");
	assert_string_equal(got.pub.state_reason, "drill");
	assert_int_equal(got.row_version, version.row_version + 1);
	assert_int_equal(got.row, version.row);
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.primary_version.state, CLV_STATE_DISABLED);
}

static void change_decided_on_an_old_row_is_aborted(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version version;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	version.pub.state = CLV_STATE_DISABLED;
	assert_ok(w, store_version_set_state(w->store, grant(), &version, &w->err));
	version.pub.state = CLV_STATE_ENABLED;
	assert_refused(w, store_version_set_state(w->store, grant(), &version, &w->err),
		       CLV_E_ABORTED, KEY_NAME("k") "/cryptoKeyVersions/1 was changed meanwhile");
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	assert_int_equal(version.pub.state, CLV_STATE_DISABLED);
}

static void version_is_pending_until_its_flags_follow(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version version;
	struct store_version pending[2];
	size_t n;

	add_key(w, "k", CLV_RESIDENCY_TOKEN, 1);
	add_key(w, "l", CLV_RESIDENCY_TOKEN, 2);
	assert_ok(w, store_version_list_pending(w->store, "dc-milan", 2, pending, &n, &w->err));
	assert_int_equal(n, 0);
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	version.pub.state = CLV_STATE_DISABLED;
	assert_ok(w, store_version_set_state(w->store, grant(), &version, &w->err));
	assert_ok(w, store_version_list_pending(w->store, "dc-milan", 2, pending, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(pending[0].pub.name, version.pub.name);
	assert_true(pending[0].token_enabled);
	assert_ok(w,
		  store_version_set_token_enabled(w->store, grant(), version.row, false, &w->err));
	assert_ok(w, store_version_list_pending(w->store, "dc-milan", 2, pending, &n, &w->err));
	assert_int_equal(n, 0);
}

static void flags_belong_to_token_residency_only(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version version;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	assert_refused(
		w, store_version_set_token_enabled(w->store, grant(), version.row, true, &w->err),
		CLV_E_NOT_FOUND, "token-resident");
	assert_refused(w, store_version_set_token_enabled(w->store, grant(), 4711, true, &w->err),
		       CLV_E_NOT_FOUND, "4711");
}

/* ---- intents and counts */

static void intents_are_listed_as_they_were_added(void **state)
{
	struct world *w = *state;
	const struct store_intent first = some_intent("mars", "b");
	const struct store_intent second = some_intent("dc-milan", "a");
	struct store_intent rows[2];
	size_t n;

	assert_ok(w, store_intent_add(w->store, grant(), &first, &w->err));
	assert_ok(w, store_intent_add(w->store, grant(), &second, &w->err));
	assert_ok(w, store_intent_list(w->store, NULL, 2, rows, &n, &w->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].id, "b");
	assert_string_equal(rows[1].id, "a");
	assert_ok(w, store_intent_list(w->store, "mars", 2, rows, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].id, first.id);
	assert_string_equal(rows[0].location, "mars");
	assert_string_equal(rows[0].detail, first.detail);
	assert_int_equal(rows[0].time, T0);
}

static void intent_is_added_once_and_removed_at_will(void **state)
{
	struct world *w = *state;
	const struct store_intent intent = some_intent("dc-milan", "a");
	struct store_intent row;
	size_t n;

	assert_ok(w, store_intent_add(w->store, grant(), &intent, &w->err));
	assert_refused(w, store_intent_add(w->store, grant(), &intent, &w->err),
		       CLV_E_ALREADY_EXISTS, "the intent a already exists");
	for (int i = 0; i < 2; i++)
		assert_ok(w, store_intent_remove(w->store, grant(), "a", &w->err));
	assert_ok(w, store_intent_list(w->store, "dc-milan", 1, &row, &n, &w->err));
	assert_int_equal(n, 0);
}

static void key_takes_its_intent_away(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	const struct store_key key = some_key(CLV_RESIDENCY_TOKEN);
	const struct store_version first = some_version(CLV_RESIDENCY_TOKEN, 1);
	const struct store_intent intent = some_intent("dc-milan", "a");

	assert_ok(w, store_intent_add(w->store, grant(), &intent, &w->err));
	assert_ok(w, store_key_add(w->store, grant(), &name, &key, &first, "a", &w->err));
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
}

/* Somebody who took us for dead has destroyed what the rows would speak of. */
static void nothing_is_added_once_the_intent_is_gone(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	const struct store_key key = some_key(CLV_RESIDENCY_TOKEN);
	const struct store_version first = some_version(CLV_RESIDENCY_TOKEN, 1);
	const struct store_location location = some_location("mars");
	const struct store_token token = some_token("mars", 3);

	assert_refused(w, store_key_add(w->store, grant(), &name, &key, &first, "a", &w->err),
		       CLV_E_ABORTED, "the intent a is gone");
	assert_refused(w, store_location_add(w->store, grant(), &location, &token, "b", &w->err),
		       CLV_E_ABORTED, "the intent b is gone");
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys"), 0);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 0);
	assert_int_equal(world_count(w, "SELECT count(*) FROM locations"), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM tokens"), 1);
}

static void counts_are_those_of_the_location(void **state)
{
	struct world *w = *state;
	const struct store_location location = some_location("berlin");
	const struct store_token token = some_token("berlin", 3);
	struct store_counts counts;

	add_key(w, "a", CLV_RESIDENCY_WRAPPED, 1);
	add_key(w, "b", CLV_RESIDENCY_WRAPPED, 2);
	add_key(w, "c", CLV_RESIDENCY_TOKEN, 3);
	world_sql(w, "UPDATE versions SET state = 2 WHERE residency = 2");
	assert_ok(w, store_location_add(w->store, grant(), &location, &token, NULL, &w->err));
	assert_ok(w, store_counts_get(w->store, "dc-milan", &counts, &w->err));
	assert_int_equal(counts.key_rings, 1);
	assert_int_equal(counts.keys, 3);
	assert_int_equal(counts.versions_enabled, 2);
	assert_int_equal(counts.versions_disabled, 1);
	assert_int_equal(counts.token_pending, 1);
	assert_ok(w, store_counts_get(w->store, "berlin", &counts, &w->err));
	assert_int_equal(counts.key_rings + counts.keys + counts.versions_enabled +
				 counts.versions_disabled + counts.token_pending,
			 0);
	counts.keys = 77;
	assert_refused(w, store_counts_get(w->store, "mars", &counts, &w->err), CLV_E_NOT_FOUND,
		       "Location projects/demo/locations/mars not found.");
	assert_int_equal(counts.keys, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(home_is_as_it_was_made),
		TEST(location_comes_with_its_token_count),
		TEST(location_that_is_not_there_is_named),
		TEST(location_is_added_once),
		TEST(locations_are_listed_in_order_of_id),
		TEST(token_comes_back_whole),
		TEST(tokens_of_all_locations_come_in_order_of_location),
		TEST(ring_comes_back_whole),
		TEST(ring_is_added_once),
		TEST(ring_needs_its_location),
		TEST(rings_of_projects_do_not_meet),
		TEST(largest_blob_fits_and_an_empty_one_is_refused),
		TEST(new_key_has_version_1_as_its_primary),
		TEST(key_without_a_primary_says_so),
		TEST(key_comes_with_the_whole_of_its_primary_version),
		TEST(version_comes_back_whole_by_name_and_by_uid),
		TEST(unknown_uid_is_not_found),
		TEST(key_is_added_once),
		TEST(uid_of_another_version_is_refused),
		TEST(missing_part_is_named),
		TEST(key_needs_its_ring),
		TEST(list_of_a_missing_parent_is_not_found),
		TEST(versions_are_listed_in_numeric_order),
		TEST(state_change_is_kept_with_who_and_why),
		TEST(change_decided_on_an_old_row_is_aborted),
		TEST(version_is_pending_until_its_flags_follow),
		TEST(flags_belong_to_token_residency_only),
		TEST(intents_are_listed_as_they_were_added),
		TEST(intent_is_added_once_and_removed_at_will),
		TEST(key_takes_its_intent_away),
		TEST(nothing_is_added_once_the_intent_is_gone),
		TEST(counts_are_those_of_the_location),
	};

	return cmocka_run_group_tests_name("store rows", tests, NULL, NULL);
}
