/* SPDX-License-Identifier: Apache-2.0 */
/* The seal of the catalogue: what others change in the file is refused, and named. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/store_world.h"

static struct clv_name version_of(const char *key, uint64_t number)
{
	struct clv_name name = name_of(KEY_NAME("x"));

	snprintf(name.key, sizeof name.key, "%s", key);
	name.kind = CLV_NAME_VERSION;
	name.version = number;
	return name;
}

static struct store_version read_version(struct world *w, const char *key, uint64_t number)
{
	const struct clv_name name = version_of(key, number);
	struct store_version version;

	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	return version;
}

static void set_state(struct world *w, const char *key, enum clv_state state)
{
	struct store_version version = read_version(w, key, 1);

	version.pub.state = state;
	version.pub.destroy_time = state == CLV_STATE_DESTROY_SCHEDULED ? T0 : 0;
	assert_ok(w, store_version_set_state(w->store, grant(), &version, &w->err));
}

static void put_document(struct world *w, const char *name, const char *text)
{
	struct store_document document = { .kind = 1, .update_time = T0 };
	int64_t row_version;

	snprintf(document.name, sizeof document.name, "%s", name);
	assert_ok(w, store_document_put(w->store, grant(), &document, text, STORE_WHATEVER,
					&row_version, &w->err));
}

/* Two keys, one of them disabled, a job and a document. */
static int set_up(void **state)
{
	struct store_import_job job = { .method = CLV_IMPORT_RSA_OAEP_3072_SHA256_AES_256,
					.protection = CLV_PROTECTION_HSM,
					.create_time = T0,
					.expire_time = T0 + 1,
					.uid = "job",
					.public_key_len = 8,
					.blob_len = 8 };
	struct clv_name name;
	struct world *w;

	if (world_set_up(state) != 0)
		return -1;
	w = *state;
	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	add_key(w, "other", CLV_RESIDENCY_WRAPPED, 2);
	set_state(w, "k", CLV_STATE_DISABLED);
	name = name_of("projects/demo/locations/dc-milan/keyRings/r/importJobs/j");
	assert_ok(w, store_import_job_add(w->store, grant(), &name, &job, &w->err));
	put_document(w, "projects/demo", "{\"bindings\":[\"some\"]}");
	return 0;
}

/* ---- what others change */

static clv_rc look_at_version(struct world *w)
{
	const struct clv_name name = version_of("k", 1);
	struct store_version version;

	return store_version_get(w->store, &name, &version, &w->err);
}

static clv_rc look_at_other(struct world *w)
{
	const struct clv_name name = version_of("other", 1);
	struct store_version version;

	return store_version_get(w->store, &name, &version, &w->err);
}

static clv_rc look_by_uid(struct world *w)
{
	const uint8_t uid[CLV_UID_LEN] = "uid 1";
	struct store_version version;

	return store_version_by_uid(w->store, uid, &version, &w->err);
}

static clv_rc list_versions(struct world *w)
{
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store_version rows[4];
	size_t n;

	return store_version_list(w->store, &name, 0, 4, rows, &n, &w->err);
}

static clv_rc look_at_key(struct world *w)
{
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store_key key;

	return store_key_get(w->store, &name, &key, &w->err);
}

static clv_rc look_at_ring(struct world *w)
{
	const struct clv_name name = name_of("projects/demo/locations/dc-milan/keyRings/r");
	struct store_ring ring;

	return store_ring_get(w->store, &name, &ring, &w->err);
}

static clv_rc look_at_job(struct world *w)
{
	const struct clv_name name =
		name_of("projects/demo/locations/dc-milan/keyRings/r/importJobs/j");
	struct store_import_job job;

	return store_import_job_get(w->store, &name, &job, &w->err);
}

static clv_rc look_at_token(struct world *w)
{
	struct store_token token;
	size_t n;

	return store_token_list(w->store, "dc-milan", 1, &token, &n, &w->err);
}

static clv_rc list_documents(struct world *w)
{
	struct store_documents documents;
	clv_rc rc = store_document_list(w->store, 0, &documents, &w->err);

	if (rc == CLV_OK)
		store_documents_clear(&documents);
	return rc;
}

static clv_rc get_document(struct world *w)
{
	struct store_document document;
	clv_rc rc = store_document_get(w->store, 1, "projects/demo", &document, &w->err);

	if (rc == CLV_OK)
		store_document_clear(&document);
	return rc;
}

static const struct tamper {
	const char *sql;
	clv_rc (*look)(struct world *w);
	const char *named;
} tampers[] = {
	{ "UPDATE versions SET state = 1 WHERE row = 1", look_at_version,
	  "keyRings/r/cryptoKeys/k/cryptoKeyVersions/1 is not what was sealed" },
	{ "UPDATE versions SET state = 1 WHERE row = 1", look_by_uid, "cryptoKeyVersions/1" },
	{ "UPDATE versions SET state = 1 WHERE row = 1", list_versions, "cryptoKeyVersions/1" },
	{ "UPDATE versions SET state = 1 WHERE row = 1", look_at_key, "cryptoKeyVersions/1" },
	{ "UPDATE versions SET state_reason = 'x' WHERE row = 1", look_at_version, "is not what" },
	{ "UPDATE versions SET blob = (SELECT blob FROM versions WHERE row = 2) WHERE row = 1",
	  look_at_version, "k/cryptoKeyVersions/1 is not what was sealed" },
	{ "PRAGMA foreign_keys = OFF; UPDATE versions SET crypto_key = 2, number = 2 WHERE row = 1",
	  look_at_version, "other/cryptoKeyVersions/2 has another name" },
	{ "UPDATE versions SET row_version = 1 WHERE row = 1", look_at_version, "is not what" },
	{ "DROP TRIGGER versions_stay; PRAGMA foreign_keys = OFF;"
	  " DELETE FROM versions WHERE row = 1",
	  look_at_version, "row 1 of versions is gone" },
	{ "DROP TRIGGER versions_stay; PRAGMA foreign_keys = OFF;"
	  " DELETE FROM versions WHERE row = 1",
	  list_versions, "row 1 of versions is gone" },
	{ "INSERT INTO versions SELECT 9, 1, crypto_key, location, 2, "
	  "x'00112233445566778899aabbccddeeff',"
	  " 1, algorithm, protection, residency, create_time, generate_time, state_time,"
	  " state_principal, state_reason, blob, token_enabled, NULL, NULL, NULL, NULL, NULL, NULL"
	  " FROM versions WHERE row = 1",
	  list_versions, "cryptoKeyVersions/2 was never sealed" },
	{ "UPDATE crypto_keys SET destroy_delay = 86400000000000 WHERE row = 1", look_at_key,
	  "cryptoKeys/k is not what was sealed" },
	{ "UPDATE crypto_keys SET id = 'gone' WHERE row = 1", look_at_key,
	  "cryptoKeys/gone has another name" },
	{ "UPDATE key_rings SET kek_blob = x'00' WHERE row = 1", look_at_ring, "keyRings/r" },
	{ "UPDATE import_jobs SET expire_time = expire_time + 1", look_at_job, "importJobs/j" },
	{ "UPDATE tokens SET uri = 'pkcs11:token=other'", look_at_token, "token 1" },
	{ "UPDATE tokens SET seal_id = log_id", look_at_token, "token 1" },
	{ "UPDATE documents SET text = '{}'", get_document, "document projects/demo" },
	{ "UPDATE documents SET text = '{}'", list_documents, "document projects/demo" },
	{ "DELETE FROM documents", list_documents, "row 1 of documents is gone" },
	{ "DELETE FROM documents", get_document, "row 1 of documents is gone" },
	{ "INSERT INTO documents SELECT 9, 1, 1, 'projects/more', text, 1, 'user:eve'"
	  " FROM documents",
	  list_documents, "document projects/more was never sealed" },
	/* with the tree made to fit, as far as that goes without the token */
	{ "UPDATE leaves SET hash = zeroblob(32) WHERE kind = 6 AND row = 1", look_at_version,
	  "k/cryptoKeyVersions/1" },
	{ "DELETE FROM leaves WHERE kind = 6 AND row = 1", look_at_version, "was never sealed" },
	{ "DELETE FROM nodes WHERE level = 1", look_at_version, "is not part of what was sealed" },
	{ "UPDATE nodes SET children = zeroblob(512) WHERE level = 0", look_at_version,
	  "is not part of what was sealed" },
	{ "UPDATE heads SET root = zeroblob(32)", look_at_version, "was not made by this token" },
	{ "UPDATE heads SET epoch = epoch + 1", look_at_version, "was not made by this token" },
	{ "DELETE FROM heads", look_at_version, "the head is gone" },
	{ "INSERT INTO unsealed SELECT 1, 6, 1, blob FROM versions WHERE row = 1;"
	  " UPDATE versions SET state = 1 WHERE row = 1",
	  look_at_version, "is not what was sealed" },
};

static void every_tampering_is_refused_and_named(void **state)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(tampers); i++) {
		struct store_seal_report report;
		struct world *w;
		void *fresh = NULL;

		(void) state;
		assert_int_equal(set_up(&fresh), 0);
		w = fresh;
		assert_ok(w, tampers[i].look(w));
		world_sql(w, tampers[i].sql);
		print_message("%s\n", tampers[i].sql);
		assert_refused(w, tampers[i].look(w), CLV_E_DATA_LOSS, tampers[i].named);
		assert_refused(w, store_seal_verify(w->store, &report, &w->err), CLV_E_DATA_LOSS,
			       "");
		world_tear_down(&fresh);
	}
}

/* The row, its leaf, all nodes and the root as they were: only the MAC could tell, by its epoch. */
static void row_replayed_from_an_older_catalogue_is_refused(void **state)
{
	struct world *w = *state;

	world_sql(w, "CREATE TABLE old AS SELECT * FROM versions WHERE row = 2");
	set_state(w, "other", CLV_STATE_DISABLED);
	world_sql(w, "UPDATE versions SET state = 1, row_version = 1, state_time ="
		     " (SELECT state_time FROM old) WHERE row = 2; DROP TABLE old");
	assert_refused(w, look_at_other(w), CLV_E_DATA_LOSS,
		       "cryptoKeys/other/cryptoKeyVersions/1");
}

static void untouched_catalogue_verifies(void **state)
{
	struct world *w = *state;
	struct store_seal_report report;

	assert_ok(w, store_seal_verify(w->store, &report, &w->err));
	assert_int_equal(report.trees, 1);
	/* home, location, token, ring, two keys with a version each, job, document, epoch */
	assert_int_equal(report.rows, 11);
}

/* Also where there is no token that could say so. */
static void tree_whose_head_was_taken_away_is_not_taken_for_a_new_one(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("other") "/cryptoKeyVersions/1");
	struct store_version version;
	struct store_document document;

	store_seal_set(w->store, NULL);
	world_sql(w, "DELETE FROM heads");
	assert_refused(w, store_version_get(w->store, &name, &version, &w->err), CLV_E_DATA_LOSS,
		       "head is gone");
	assert_refused(w, store_document_get(w->store, 1, "projects/none", &document, &w->err),
		       CLV_E_DATA_LOSS, "head is gone");
}

static void change_of_a_tampered_row_is_refused_and_changes_nothing(void **state)
{
	struct world *w = *state;
	struct store_version version = read_version(w, "other", 1);

	world_sql(w, "UPDATE versions SET blob = x'0011' WHERE row = 2");
	version.pub.state = CLV_STATE_DISABLED;
	assert_refused(w, store_version_set_state(w->store, grant(), &version, &w->err),
		       CLV_E_DATA_LOSS, "cryptoKeys/other");
	assert_int_equal(world_count(w, "SELECT state FROM versions WHERE row = 2"), 1);
}

/* A change must not take over what others did to the tree beside it. */
static void change_beside_a_tampered_node_is_refused(void **state)
{
	struct world *w = *state;
	const struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, 7);
	const struct clv_name name = name_of(KEY_NAME("next"));

	world_sql(w, "UPDATE nodes SET children = zeroblob(512) WHERE level = 0");
	assert_refused(w, store_key_add(w->store, grant(), &name, &key, &first, NULL, &w->err),
		       CLV_E_DATA_LOSS, "sealed");
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys"), 2);
}

/* ---- while the token is away */

static void lowering_goes_through_without_a_token_and_is_sealed_later(void **state)
{
	struct world *w = *state;
	uint64_t n;

	w->token_away = true;
	set_state(w, "other", CLV_STATE_DISABLED);
	set_state(w, "other", CLV_STATE_DESTROY_SCHEDULED);
	put_document(w, "projects/demo", "{\"bindings\":[]}");
	assert_ok(w, store_unsealed_count(w->store, WORLD_TREE, &n, &w->err));
	assert_int_equal(n, 3); /* the version, the document, the number of policy changes */
	assert_int_equal(read_version(w, "other", 1).pub.state, CLV_STATE_DESTROY_SCHEDULED);
	assert_ok(w, get_document(w));
	w->token_away = false;
	assert_ok(w, store_seal_fold(w->store, grant(), WORLD_TREE, &w->err));
	assert_ok(w, store_unsealed_count(w->store, WORLD_TREE, &n, &w->err));
	assert_int_equal(n, 0);
	assert_int_equal(read_version(w, "other", 1).pub.state, CLV_STATE_DESTROY_SCHEDULED);
	assert_ok(w, list_documents(w));
}

static void what_was_lowered_is_sealed_with_the_next_change(void **state)
{
	struct world *w = *state;
	uint64_t n;

	w->token_away = true;
	set_state(w, "other", CLV_STATE_DISABLED);
	w->token_away = false;
	add_key(w, "next", CLV_RESIDENCY_WRAPPED, 3);
	assert_ok(w, store_unsealed_count(w->store, WORLD_TREE, &n, &w->err));
	assert_int_equal(n, 0);
}

static void erasure_goes_through_without_a_token(void **state)
{
	struct world *w = *state;
	struct store_version version;

	set_state(w, "other", CLV_STATE_DESTROY_SCHEDULED);
	version = read_version(w, "other", 1);
	w->token_away = true;
	version.pub.state = CLV_STATE_DESTROYED;
	version.pub.destroy_event_time = T0;
	assert_ok(w, store_version_erase(w->store, grant(), &version, &w->err));
	assert_int_equal(read_version(w, "other", 1).pub.state, CLV_STATE_DESTROYED);
	w->token_away = false;
	assert_ok(w, store_seal_fold(w->store, grant(), WORLD_TREE, &w->err));
}

static void anything_else_is_refused_without_a_token(void **state)
{
	struct world *w = *state;
	struct store_version version = read_version(w, "k", 1);
	struct store_document document = { .kind = 1, .name = "projects/demo" };
	int64_t row_version;

	w->token_away = true;
	version.pub.state = CLV_STATE_ENABLED;
	assert_refused(w, store_version_set_state(w->store, grant(), &version, &w->err),
		       CLV_E_UNAVAILABLE, "the token is away");
	assert_refused(w,
		       store_document_put(w->store, grant(), &document,
					  "{\"bindings\":[\"some\",\"more\"]}", STORE_WHATEVER,
					  &row_version, &w->err),
		       CLV_E_UNAVAILABLE, "nothing was changed");
	assert_refused(w,
		       store_document_remove(w->store, grant(), 1, "projects/demo", STORE_WHATEVER,
					     &w->err),
		       CLV_E_UNAVAILABLE, "nothing was changed");
	assert_int_equal(read_version(w, "k", 1).pub.state, CLV_STATE_DISABLED);
}

/* Whoever forges a lowering can only deny. */
static void forged_lowering_can_only_deny(void **state)
{
	struct world *w = *state;

	w->token_away = true;
	set_state(w, "other", CLV_STATE_DISABLED); /* leaves the old row in the file */
	world_sql(w, "UPDATE versions SET state = 1 WHERE row = 2");
	assert_refused(w, look_at_other(w), CLV_E_DATA_LOSS, "cryptoKeys/other");
	world_sql(w, "UPDATE versions SET state = 2, blob = x'00' WHERE row = 2");
	assert_refused(w, look_at_other(w), CLV_E_DATA_LOSS, "cryptoKeys/other");
	w->token_away = false;
	assert_refused(w, store_seal_fold(w->store, grant(), WORLD_TREE, &w->err), CLV_E_DATA_LOSS,
		       "cryptoKeys/other");
}

/* ---- nothing is forgotten */

static bool is_covered(const char *column, const char *sql)
{
	char part[80];

	if (strcmp(column, "row") == 0 || strcmp(column, "token_enabled") == 0)
		return true;
	snprintf(part, sizeof part, ".%s", column);
	for (const char *at = strstr(sql, part); at != NULL; at = strstr(at + 1, part)) {
		char end = at[strlen(part)];

		if (end == ',' || end == ' ')
			return true;
	}
	return false;
}

/* A column that a later step adds must be sealed, or be named above. */
static void every_column_of_sealed_tables_is_covered(void **state)
{
	static const char *const tables[] = { "home",        "locations",   "tokens",
					      "key_rings",   "crypto_keys", "versions",
					      "import_jobs", "documents" };
	struct world *w = *state;
	sqlite3_stmt *stmt = NULL;

	for (size_t i = 0; i < CLV_ARRAY_LEN(tables); i++) {
		const char *sql = store_sql_text((enum store_sql)(STORE_SQL_SEAL_HOME + i));
		unsigned n = 0;

		assert_int_equal(sqlite3_prepare_v2(w->store->db,
						    "SELECT name FROM pragma_table_info(:table)",
						    -1, &stmt, NULL),
				 SQLITE_OK);
		sqlite3_bind_text(stmt, 1, tables[i], -1, SQLITE_STATIC);
		for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
			const char *column = (const char *) sqlite3_column_text(stmt, 0);

			if (!is_covered(column, sql))
				fail_msg("%s.%s is not sealed", tables[i], column);
		}
		sqlite3_finalize(stmt);
		assert_true(n > 3);
	}
}

/* ---- all of it */

static void restoration_disables_what_was_enabled_and_seals_anew(void **state)
{
	struct world *w = *state;
	struct store_restoration how = { T0, "user:ada", "restored" };
	struct store_seal_report report;
	uint64_t disabled;

	world_sql(w, "UPDATE versions SET state = 1 WHERE row = 1");
	store_seal_unchecked(w->store, true);
	assert_ok(w, store_seal_restore(w->store, grant(), WORLD_TREE, &how, &disabled, &w->err));
	store_seal_unchecked(w->store, false);
	assert_int_equal(disabled, 2);
	assert_ok(w, store_seal_verify(w->store, &report, &w->err));
	assert_int_equal(read_version(w, "k", 1).pub.state, CLV_STATE_DISABLED);
	assert_string_equal(read_version(w, "other", 1).pub.state_reason, "restored");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tampering_is_refused_and_named),
		TEST(row_replayed_from_an_older_catalogue_is_refused),
		TEST(untouched_catalogue_verifies),
		TEST(tree_whose_head_was_taken_away_is_not_taken_for_a_new_one),
		TEST(change_of_a_tampered_row_is_refused_and_changes_nothing),
		TEST(change_beside_a_tampered_node_is_refused),
		TEST(lowering_goes_through_without_a_token_and_is_sealed_later),
		TEST(what_was_lowered_is_sealed_with_the_next_change),
		TEST(erasure_goes_through_without_a_token),
		TEST(anything_else_is_refused_without_a_token),
		TEST(forged_lowering_can_only_deny),
		TEST(every_column_of_sealed_tables_is_covered),
		TEST(restoration_disables_what_was_enabled_and_seals_anew),
	};

	return cmocka_run_group_tests_name("store seal", tests, NULL, NULL);
}
