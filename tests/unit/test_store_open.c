/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and upgrading a catalogue, and what becomes of a file that is not right. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_world.h"

/* How many bytes from one flipped byte to the next, in the header and behind it. */
#ifdef CLV_SANITIZED /* each is an opening, which takes that much longer */
#define HEADER_STEP 4
#define STEP 389
#else
#define HEADER_STEP 1
#define STEP 97
#endif

static const struct store_home a_home = { .project = "demo", .owner = "user:ada" };

static void path_in(const struct world *w, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", w->dir, name);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static uint8_t *slurp(const char *path, size_t *ret_len)
{
	uint8_t *bytes = NULL;
	struct stat st;
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*ret_len = (size_t) st.st_size;
	bytes = malloc(*ret_len + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *ret_len, file), *ret_len);
	fclose(file);
	return bytes;
}

static void spill(const char *path, const uint8_t *bytes, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Opens `path` and reads one of each thing; the first outcome that is not CLV_OK. */
static clv_rc walk(const char *path, struct clv_err *err)
{
	static const uint8_t uid[CLV_UID_LEN] = "0000000000000000";
	const struct clv_name location = name_of("projects/demo/locations/dc-milan");
	const struct clv_name ring = name_of("projects/demo/locations/dc-milan/keyRings/orders");
	const struct clv_name key =
		name_of("projects/demo/locations/dc-milan/keyRings/orders/cryptoKeys/wrapped");
	CLV_AUTO(store_close) struct store *store = NULL;
	struct store_location locations[2];
	struct store_token tokens[2];
	struct store_ring rings[2];
	struct store_key keys[8];
	struct store_version versions[2];
	struct store_intent intents[2];
	struct store_counts counts;
	size_t n;

	CLV_TRY(store_open(path, 200, &store, err));
	CLV_TRY(store_location_list(store, NULL, 2, locations, &n, err));
	CLV_TRY(store_token_list(store, "dc-milan", 2, tokens, &n, err));
	CLV_TRY(store_ring_list(store, &location, NULL, 2, rings, &n, err));
	CLV_TRY(store_key_list(store, &ring, NULL, 8, keys, &n, err));
	CLV_TRY(store_version_list(store, &key, 0, 2, versions, &n, err));
	CLV_TRY(store_version_by_uid(store, uid, &versions[0], err));
	CLV_TRY(store_version_list_pending(store, "dc-milan", 2, versions, &n, err));
	CLV_TRY(store_intent_list(store, NULL, 2, intents, &n, err));
	return store_counts_get(store, "dc-milan", &counts, err);
}

static uint8_t *fixture_of(int schema, size_t *ret_len)
{
	char path[600];

	snprintf(path, sizeof path, CLV_TEST_SRCDIR "/tests/fixtures/store/v%d.db", schema);
	return slurp(path, ret_len);
}

/* Of the newest schema, so that nothing is upgraded. */
static uint8_t *fixture(size_t *ret_len)
{
	return fixture_of(store_schema(), ret_len);
}

/* A copy of a fixture, in the world's folder. */
static void copy_fixture(const struct world *w, int schema, char path[128])
{
	size_t len;
	uint8_t *bytes = fixture_of(schema, &len);

	path_in(w, "fixture.db", path);
	spill(path, bytes, len);
	free(bytes);
}

/* ---- making */

static void only_the_owner_can_read_what_is_made(void **state)
{
	struct world *w = *state;
	char path[128];

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_int_equal(mode_of(w->path), 0600);
	path_in(w, "catalogue.db-wal", path);
	assert_int_equal(mode_of(path), 0600);
	path_in(w, "catalogue.db-shm", path);
	assert_int_equal(mode_of(path), 0600);
}

static void nothing_else_stays_behind(void **state)
{
	struct world *w = *state;
	char temporary[128];

	path_in(w, "catalogue.db.*", temporary);
	world_close(w);
	assert_int_equal(world_count(w, "SELECT 1"), 1);
	assert_int_equal(access(temporary, F_OK), -1);
	assert_int_equal(rmdir(w->dir), -1); /* only the catalogue is in the way */
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(rmdir(w->dir), 0);
}

static void file_that_is_there_is_left_alone(void **state)
{
	struct world *w = *state;
	size_t len;
	uint8_t *bytes;
	char path[128];

	path_in(w, "other", path);
	spill(path, (const uint8_t *) "precious", 8);
	assert_refused(w, store_create(path, grant(), &a_home, &w->err), CLV_E_ALREADY_EXISTS,
		       path);
	bytes = slurp(path, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(bytes, "precious", 8);
	free(bytes);
}

static void folder_that_is_not_there_is_unavailable(void **state)
{
	struct world *w = *state;
	char path[128];

	path_in(w, "no/such/file", path);
	assert_refused(w, store_create(path, grant(), &a_home, &w->err), CLV_E_UNAVAILABLE, path);
	assert_int_equal(w->err.domain, CLV_DOM_ERRNO);
	assert_int_equal(w->err.native, ENOENT);
}

static void settings_hold_on_each_connection(void **state)
{
	static const struct {
		const char *sql;
		int64_t want;
	} table[] = {
		{ "PRAGMA synchronous", 2 },
		{ "PRAGMA foreign_keys", 1 },
		{ "PRAGMA busy_timeout", 200 },
		{ "PRAGMA trusted_schema", 0 },
		{ "PRAGMA secure_delete", 1 },
		{ "PRAGMA application_id", STORE_APPLICATION_ID },
		{ "PRAGMA user_version", 5 },
		{ "SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1 },
	};
	struct world *w = *state;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
			int64_t value = -1;

			assert_ok(w, store_pragma_get(w->store, table[i].sql, &value, &w->err));
			assert_int_equal(value, table[i].want);
		}
		world_reopen(w);
	}
	assert_int_equal(store_schema(), 5);
}

/* ---- opening */

static void catalogue_that_is_not_there_is_not_made(void **state)
{
	struct world *w = *state;
	struct store *store = NULL;
	char path[128];

	path_in(w, "nothing", path);
	assert_refused(w, store_open(path, 0, &store, &w->err), CLV_E_NOT_FOUND, path);
	assert_null(store);
	assert_int_equal(access(path, F_OK), -1);
}

static void newer_schema_is_refused_and_left_alone(void **state)
{
	struct world *w = *state;
	struct store *store = NULL;
	uint8_t *before, *after;
	size_t n_before, n_after;

	world_close(w);
	world_sql(w, "PRAGMA user_version = 999");
	before = slurp(w->path, &n_before);
	assert_refused(w, store_open(w->path, 0, &store, &w->err), CLV_E_FAILED_PRECONDITION,
		       "schema 999, this one knows 5");
	after = slurp(w->path, &n_after);
	assert_null(store);
	assert_int_equal(n_before, n_after);
	assert_memory_equal(before, after, n_before);
	free(before);
	free(after);
}

/* In a child that is nobody, since root may write anything. The folder is his, the file is not. */
static void open_as_nobody(struct world *w)
{
	const uid_t nobody = 65534;
	struct store *store = NULL;

	if (geteuid() == 0 && (chown(w->dir, nobody, nobody) != 0 || setgroups(0, NULL) != 0 ||
			       setgid(nobody) != 0 || setuid(nobody) != 0))
		_exit(99);
	_exit(store_open(w->path, 0, &store, &w->err) == CLV_E_UNAVAILABLE && store == NULL ? 0
											    : 1);
}

static void catalogue_that_may_not_be_written_is_unavailable(void **state)
{
	struct world *w = *state;
	int status = -1;
	pid_t child;

	world_close(w);
	assert_int_equal(chmod(w->path, 0444), 0);
	child = fork();
	if (child == 0)
		open_as_nobody(w);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- damage */

/* What must be DATA_LOSS before a row is handed out. -1: to the end. */
static void damaged_file_is_data_loss(void **state)
{
	static const struct {
		const char *what;
		long from, len;
		long cut; /* truncated to this, -1: not */
	} table[] = {
		{ "the magic", 0, 16, -1 },
		{ "the page size", 16, 2, -1 },
		{ "the application id", 68, 4, -1 },
		{ "the schema's page", 100, 300, -1 },
		{ "all pages but the first", 4096, -1, -1 },
		{ "an empty file", 0, 0, 0 },
		{ "a file cut within its header", 0, 0, 50 },
		{ "a file cut to one page", 0, 0, 4096 },
		{ "a file cut in half", 0, 0, 40960 },
	};
	struct world *w = *state;
	char path[128];

	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		size_t len;
		uint8_t *bytes = fixture(&len);
		size_t end = table[i].len < 0 ? len : (size_t) (table[i].from + table[i].len);

		for (size_t at = (size_t) table[i].from; at < end; at++)
			bytes[at] ^= 0x5a;
		snprintf(path, sizeof path, "%s/damaged-%zu", w->dir, i);
		spill(path, bytes, table[i].cut < 0 ? len : (size_t) table[i].cut);
		free(bytes);
		print_message("# %s\n", table[i].what);
		assert_refused(w, walk(path, &w->err), CLV_E_DATA_LOSS, path);
	}
}

static void what_is_no_catalogue_is_data_loss(void **state)
{
	struct world *w = *state;
	char path[128];
	sqlite3 *db;

	path_in(w, "text", path);
	spill(path,
	      (const uint8_t *) "Not a database, but longer than a header is: "
				"otherwise it would only be a file that was cut.........",
	      100);
	assert_refused(w, walk(path, &w->err), CLV_E_DATA_LOSS, path);
	path_in(w, "other.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "CREATE TABLE t (x); PRAGMA user_version = 1", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	assert_refused(w, walk(path, &w->err), CLV_E_DATA_LOSS, path);
	assert_refused(w, walk(w->dir, &w->err), CLV_E_DATA_LOSS, w->dir);
}

static void missing_table_is_data_loss(void **state)
{
	struct world *w = *state;
	struct store *store = NULL;

	world_close(w);
	world_sql(w, "DROP TABLE intents");
	assert_refused(w, store_open(w->path, 0, &store, &w->err), CLV_E_DATA_LOSS, "intents");
	assert_null(store);
}

/* Whatever byte is flipped: an answer, never a crash, and no kind of refusal but these. */
static void flipped_byte_never_does_worse_than_refuse(void **state)
{
	struct world *w = *state;
	unsigned n_refused = 0, n_tried = 0;
	char path[128];
	size_t len;
	uint8_t *bytes = fixture(&len);

	path_in(w, "flipped", path);
	for (size_t at = 0; at < len; at += at < 600 ? HEADER_STEP : STEP) {
		clv_rc rc;

		bytes[at] ^= 0xff;
		spill(path, bytes, len);
		bytes[at] ^= 0xff;
		rc = walk(path, &w->err);
		store_unlink(path);
		n_refused += rc != CLV_OK;
		n_tried++;
		switch (rc) {
		case CLV_OK:                    /* free space, or text that still is text */
		case CLV_E_DATA_LOSS:           /* what it mostly is */
		case CLV_E_NOT_FOUND:           /* an id became another */
		case CLV_E_FAILED_PRECONDITION: /* the schema number grew */
		case CLV_E_UNAVAILABLE:         /* the header now asks for a newer SQLite */
			break;
		default:
			fail_msg("byte %zu: %s: %s", at, clv_rc_name(rc), w->err.text);
		}
	}
	free(bytes);
	print_message("# %u of %u refused\n", n_refused, n_tried);
	assert_true(n_refused > n_tried / 20);
}

/* Damage that SQLite does not mind: rows that this code could not have written. */
static void row_that_cannot_be_ours_is_data_loss(void **state)
{
	static const char *const table[] = {
		"UPDATE versions SET state = 77",
		"UPDATE versions SET residency = 9",
		"UPDATE versions SET uid = x'00' WHERE row = 1",
		"UPDATE versions SET blob = NULL",
		"UPDATE versions SET state = 3, destroy_event_time = 1 WHERE row = 1",
		"UPDATE versions SET blob = zeroblob(3000)",
		"UPDATE versions SET state_reason = printf('%300s', 'x')",
		"UPDATE crypto_keys SET purpose = 0",
		"UPDATE crypto_keys SET algorithm = 18",
		"UPDATE crypto_keys SET labels = printf('%8300s', 'x') WHERE row = 1",
		"UPDATE versions SET algorithm = 255",
		"UPDATE versions SET public_key = zeroblob(900)",
		"UPDATE versions SET import_job = printf('%80s', 'x')",
		"UPDATE crypto_keys SET primary_number = 7",
		"UPDATE crypto_keys SET id = printf('%80s', 'k') WHERE row = 1",
		"UPDATE key_rings SET kek_id = x''",
		"UPDATE tokens SET serial = 'seventeen letters'",
		"UPDATE intents SET detail = printf('%600s', 'x')",
		"DELETE FROM home",
	};
	struct world *w = *state;

	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		char sql[256];
		char path[128];
		size_t len;
		uint8_t *bytes = fixture(&len);

		snprintf(path, sizeof path, "%s/row-%zu", w->dir, i);
		spill(path, bytes, len);
		free(bytes);
		snprintf(w->path, sizeof w->path, "%.90s", path);
		snprintf(sql, sizeof sql, "PRAGMA ignore_check_constraints = ON; %s", table[i]);
		world_sql(w, sql);
		print_message("# %s\n", table[i]);
		assert_refused(w, walk(path, &w->err), CLV_E_DATA_LOSS, path);
	}
}

/* ---- the fixture and upgrades */

static void fixture_of_schema_1_reads_as_it_was_written(void **state)
{
	struct world *w = *state;
	const struct clv_name name =
		name_of("projects/demo/locations/dc-milan/keyRings/orders/cryptoKeys/resident/"
			"cryptoKeyVersions/1");
	struct store_version version;
	struct store_intent intent;
	struct store_home home;
	char path[128];
	size_t n;

	copy_fixture(w, 1, path);
	assert_ok(w, walk(path, &w->err));
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_home_get(w->store, &home, &w->err));
	assert_memory_equal(home.uuid, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16);
	assert_int_equal(home.create_time, INT64_C(1763925505123456789));
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	assert_int_equal(version.row, 2);
	assert_int_equal(version.row_version, 3);
	assert_int_equal(version.pub.state, CLV_STATE_DISABLED);
	assert_string_equal(version.pub.state_reason, "drill");
	assert_true(version.token_enabled);
	assert_ok(w, store_intent_list(w->store, "dc-milan", 1, &intent, &n, &w->err));
	assert_string_equal(intent.detail, "{\"object\":\"key\"}");
}

static void fixture_of_schema_2_reads_as_it_was_written(void **state)
{
	struct world *w = *state;
	const struct clv_name name =
		name_of("projects/demo/locations/dc-milan/keyRings/orders/cryptoKeys/dying");
	struct store_version versions[2];
	struct store_key key;
	char path[128];
	size_t n;

	copy_fixture(w, 2, path);
	assert_ok(w, walk(path, &w->err));
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.destroy_delay, 48 * 3600 * CLV_NS_PER_S);
	assert_int_equal(key.pub.primary, 2);
	assert_int_equal(key.pub.primary_version.state, CLV_STATE_DESTROY_SCHEDULED);
	assert_ok(w, store_version_list(w->store, &name, 0, 2, versions, &n, &w->err));
	assert_int_equal(n, 2);
	assert_int_equal(versions[0].pub.state, CLV_STATE_DESTROYED);
	assert_int_equal(versions[0].pub.destroy_event_time, INT64_C(1764098305000000012));
	assert_int_equal(versions[0].blob_len, 0);
	assert_int_equal(versions[1].pub.destroy_time, INT64_C(1764098305000000015));
	assert_int_equal(versions[1].blob_len, 40);
}

static void fixture_of_schema_3_reads_as_it_was_written(void **state)
{
	struct world *w = *state;
	const struct clv_name turning =
		name_of("projects/demo/locations/dc-milan/keyRings/orders/cryptoKeys/turning");
	const struct clv_name brought =
		name_of("projects/demo/locations/dc-milan/keyRings/orders/cryptoKeys/brought");
	struct store_version version;
	struct store_key key;
	char path[128];
	size_t n;

	copy_fixture(w, 3, path);
	assert_ok(w, walk(path, &w->err));
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_key_get(w->store, &turning, &key, &w->err));
	assert_int_equal(key.pub.rotation_period, 90 * 24 * 3600 * CLV_NS_PER_S);
	assert_int_equal(key.pub.next_rotation_time, INT64_C(1771701505000000000));
	assert_string_equal(key.pub.labels, "env=prod,team=pay_ments");
	assert_false(key.pub.import_only);
	assert_ok(w, store_key_get(w->store, &brought, &key, &w->err));
	assert_true(key.pub.import_only);
	assert_int_equal(key.pub.purpose, CLV_PURPOSE_ASYMMETRIC_SIGN);
	assert_int_equal(key.pub.algorithm, CLV_ALG_EC_SIGN_P256_SHA256);
	assert_int_equal(key.pub.primary, 0);
	assert_int_equal(key.pub.next_rotation_time, 0);
	assert_ok(w, store_version_list(w->store, &brought, 0, 1, &version, &n, &w->err));
	assert_int_equal(version.pub.generate_time, 0);
	assert_int_equal(version.pub.import_time, INT64_C(1763925505000000034));
	assert_string_equal(version.pub.import_job, "carrier");
	assert_int_equal(version.public_key_len, 8);
	assert_memory_equal(version.check_value, "\xc0\xc1\xc2\xc3", 4);
}

static void fixture_of_schema_4_reads_as_it_was_written(void **state)
{
	struct world *w = *state;
	struct store_documents documents = { 0 };
	char path[128];
	int64_t epoch;

	copy_fixture(w, 4, path);
	assert_ok(w, walk(path, &w->err));
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_policy_epoch_get(w->store, &epoch, &w->err));
	assert_int_equal(epoch, 7);
	assert_ok(w, store_document_list(w->store, 0, &documents, &w->err));
	assert_int_equal(documents.n, 1);
	assert_int_equal(documents.rows[0].row, 3);
	assert_int_equal(documents.rows[0].row_version, 7);
	assert_int_equal(documents.rows[0].kind, 1);
	assert_string_equal(documents.rows[0].name, "projects/demo");
	assert_string_equal(documents.rows[0].text, "{\"bindings\":[]}");
	assert_int_equal(documents.rows[0].len, 15);
	assert_int_equal(documents.rows[0].update_time, INT64_C(1763925505000000040));
	assert_string_equal(documents.rows[0].update_principal, "user:ada");
	store_documents_clear(&documents);
}

/* Homes from before have no documents: nobody but the owner may do anything, as it was. */
static void upgrade_from_3_gives_no_documents(void **state)
{
	struct world *w = *state;
	struct store_documents documents = { 0 };
	char path[128];
	int64_t epoch;

	copy_fixture(w, 3, path);
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_document_list(w->store, 0, &documents, &w->err));
	assert_int_equal(documents.n, 0);
	assert_ok(w, store_policy_epoch_get(w->store, &epoch, &w->err));
	assert_int_equal(epoch, 1);
}

/* What a schema before could not know: keys do not rotate, versions were generated. */
static void upgrade_from_2_gives_keys_no_rotation_and_no_labels(void **state)
{
	struct world *w = *state;
	const struct clv_name ring = name_of("projects/demo/locations/dc-milan/keyRings/orders");
	struct store_version version;
	struct store_key keys[4];
	char path[128];
	size_t n;

	copy_fixture(w, 2, path);
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_key_list(w->store, &ring, NULL, 4, keys, &n, &w->err));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		const struct clv_name key = name_of(keys[i].pub.name);
		size_t n_versions;

		assert_int_equal(keys[i].pub.rotation_period, 0);
		assert_int_equal(keys[i].pub.next_rotation_time, 0);
		assert_string_equal(keys[i].pub.labels, "");
		assert_false(keys[i].pub.import_only);
		assert_ok(w,
			  store_version_list(w->store, &key, 0, 1, &version, &n_versions, &w->err));
		assert_int_equal(version.pub.import_time, 0);
		assert_string_equal(version.pub.import_job, "");
		assert_int_equal(version.public_key_len, 0);
	}
}

/* A released step is never edited: the fixture would no longer be what it makes. */
static void fixtures_have_the_schema_that_the_steps_make(void **state)
{
	static const char sql[] =
		"ATTACH '%s' AS fixture;"
		"CREATE TEMP TABLE differing AS"
		" SELECT * FROM (SELECT name, sql FROM main.sqlite_schema"
		"  EXCEPT SELECT name, sql FROM fixture.sqlite_schema)"
		" UNION ALL SELECT * FROM (SELECT name, sql FROM fixture.sqlite_schema"
		"  EXCEPT SELECT name, sql FROM main.sqlite_schema);"
		"CREATE TEMP TABLE n (x CHECK (x = 0));"
		"INSERT INTO n SELECT count(*) FROM differing";
	struct world *w = *state;

	for (int schema = 1; schema <= store_schema(); schema++) {
		char path[128], text[800];

		copy_fixture(w, schema, path);
		snprintf(w->path, sizeof w->path, "%s/steps-%d.db", w->dir, schema);
		for (int i = 0; i < schema; i++)
			world_sql(w, store_steps[i].sql);
		snprintf(text, sizeof text, sql, path);
		world_sql(w, text);
	}
}

/* What schema 1 had, as one text, in whatever schema it is now. */
static char *rows_of_schema_1(const char *path)
{
	static const char *const tables[] = {
		"SELECT * FROM home",
		"SELECT * FROM locations",
		"SELECT * FROM tokens",
		"SELECT * FROM key_rings",
		"SELECT * FROM intents",
		"SELECT row, row_version, key_ring, id, purpose, algorithm, protection, residency,"
		" create_time, primary_number FROM crypto_keys",
		"SELECT row, row_version, crypto_key, location, number, hex(uid), state, algorithm,"
		" protection, residency, create_time, generate_time, state_time, state_principal,"
		" state_reason, hex(blob), token_enabled FROM versions",
	};
	sqlite3_str *text = sqlite3_str_new(NULL);
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t i = 0; i < CLV_ARRAY_LEN(tables); i++) {
		sqlite3_stmt *stmt = NULL;

		assert_int_equal(sqlite3_prepare_v2(db, tables[i], -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(stmt); c++)
				sqlite3_str_appendf(text, "%Q|", sqlite3_column_text(stmt, c));
		}
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
	return sqlite3_str_finish(text);
}

static void upgrade_from_1_keeps_every_row_and_gives_keys_the_default_delay(void **state)
{
	struct world *w = *state;
	struct store_key keys[3];
	const struct clv_name ring = name_of("projects/demo/locations/dc-milan/keyRings/orders");
	char path[128], *before, *after;
	size_t n;

	copy_fixture(w, 1, path);
	before = rows_of_schema_1(path);
	world_close(w);
	assert_ok(w, store_open(path, 200, &w->store, &w->err));
	assert_ok(w, store_key_list(w->store, &ring, NULL, 3, keys, &n, &w->err));
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(keys[i].pub.destroy_delay, CLV_DESTROY_DELAY_DEFAULT);
	world_close(w);
	after = rows_of_schema_1(path);
	assert_true(strlen(before) > 500);
	assert_string_equal(before, after);
	sqlite3_free(before);
	sqlite3_free(after);
	snprintf(w->path, sizeof w->path, "%.90s", path);
	assert_int_equal(world_count(w,
				     "SELECT count(*) FROM versions WHERE destroy_time IS NOT NULL"
				     " OR destroy_event_time IS NOT NULL"),
			 0);
	assert_int_equal(world_count(w, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	assert_int_equal(
		world_count(w, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static const char step_more[] = "ALTER TABLE home ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'";
static const char step_bad[] = "CREATE TABLE colours (name TEXT) STRICT; CREATE TABLE home (x)";

/* The real steps, and `sql` as one more. */
static size_t one_step_more(const char *sql, struct store_step steps[8])
{
	assert_true(store_n_steps < 8);
	for (size_t i = 0; i < store_n_steps; i++)
		steps[i] = store_steps[i];
	steps[store_n_steps] = (struct store_step){ store_schema() + 1, "test", sql };
	return store_n_steps + 1;
}

static void older_schema_is_upgraded_after_a_copy(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store_step steps[8];
	size_t n;
	struct store *copy = NULL;
	struct store_key key;
	char path[128];

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	world_close(w);
	n = one_step_more(step_more, steps);
	assert_ok(w, store_open_steps(w->path, 200, steps, n, &w->store, &w->err));
	assert_int_equal(world_count(w, "PRAGMA user_version"), store_schema() + 1);
	assert_int_equal(world_count(w, "SELECT colour = 'blue' FROM home"), 1);
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));

	path_in(w, "catalogue.db.schema-5", path);
	assert_int_equal(mode_of(path), 0600);
	assert_ok(w, store_open(path, 0, &copy, &w->err));
	assert_ok(w, store_key_get(copy, &name, &key, &w->err));
	store_close(copy);
}

static void upgraded_catalogue_is_refused_by_the_older_code(void **state)
{
	struct world *w = *state;
	struct store *older = NULL;
	struct store_step steps[8];
	size_t n;

	world_close(w);
	n = one_step_more(step_more, steps);
	assert_ok(w, store_open_steps(w->path, 200, steps, n, &w->store, &w->err));
	assert_refused(w, store_open(w->path, 0, &older, &w->err), CLV_E_FAILED_PRECONDITION,
		       "newer Claviger");
}

static void step_that_fails_leaves_the_older_schema(void **state)
{
	struct world *w = *state;
	struct store *store = NULL;
	struct store_step steps[8];
	size_t n;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	world_close(w);
	n = one_step_more(step_bad, steps);
	assert_refused(w, store_open_steps(w->path, 200, steps, n, &store, &w->err), CLV_E_INTERNAL,
		       "home");
	assert_null(store);
	assert_int_equal(world_count(w, "PRAGMA user_version"), store_schema());
	assert_int_equal(
		world_count(w, "SELECT count(*) FROM sqlite_schema WHERE name = 'colours'"), 0);
	w->store = world_connect(w);

	n = one_step_more(step_more,
			  steps); /* and the next try succeeds, over the copy of the first */
	world_close(w);
	assert_ok(w, store_open_steps(w->path, 200, steps, n, &w->store, &w->err));
}

static void upgrade_waits_for_a_writer_only_so_long(void **state)
{
	struct world *w = *state;
	struct store *store = NULL;
	struct store_step steps[8];
	size_t n;

	n = one_step_more(step_more, steps);
	assert_ok(w, store_exec(w->store, "BEGIN IMMEDIATE", &w->err));
	assert_refused(w, store_open_steps(w->path, 100, steps, n, &store, &w->err),
		       CLV_E_DEADLINE_EXCEEDED, w->path);
	assert_ok(w, store_exec(w->store, "ROLLBACK", &w->err));
}

static void *open_upgrading(void *arg)
{
	struct world *w = arg;
	struct store_step steps[8];
	size_t n;
	struct store *store = NULL;
	struct clv_err err;

	n = one_step_more(step_more, steps);
	if (store_open_steps(w->path, 5000, steps, n, &store, &err) != CLV_OK)
		return strdup(err.text);
	store_close(store);
	return NULL;
}

static void upgrade_is_done_once_by_whoever_comes_first(void **state)
{
	struct world *w = *state;
	pthread_t threads[4];

	world_close(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_upgrading, w), 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++) {
		void *text = NULL;

		assert_int_equal(pthread_join(threads[i], &text), 0);
		if (text != NULL)
			print_error("%s\n", (char *) text);
		assert_null(text);
	}
	assert_int_equal(world_count(w, "PRAGMA user_version"), store_schema() + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_owner_can_read_what_is_made),
		TEST(nothing_else_stays_behind),
		TEST(file_that_is_there_is_left_alone),
		TEST(folder_that_is_not_there_is_unavailable),
		TEST(settings_hold_on_each_connection),
		TEST(catalogue_that_is_not_there_is_not_made),
		TEST(newer_schema_is_refused_and_left_alone),
		TEST(catalogue_that_may_not_be_written_is_unavailable),
		TEST(damaged_file_is_data_loss),
		TEST(what_is_no_catalogue_is_data_loss),
		TEST(missing_table_is_data_loss),
		TEST(flipped_byte_never_does_worse_than_refuse),
		TEST(row_that_cannot_be_ours_is_data_loss),
		TEST(fixture_of_schema_1_reads_as_it_was_written),
		TEST(fixture_of_schema_2_reads_as_it_was_written),
		TEST(fixture_of_schema_3_reads_as_it_was_written),
		TEST(fixture_of_schema_4_reads_as_it_was_written),
		TEST(upgrade_from_3_gives_no_documents),
		TEST(upgrade_from_2_gives_keys_no_rotation_and_no_labels),
		TEST(fixtures_have_the_schema_that_the_steps_make),
		TEST(upgrade_from_1_keeps_every_row_and_gives_keys_the_default_delay),
		TEST(older_schema_is_upgraded_after_a_copy),
		TEST(upgraded_catalogue_is_refused_by_the_older_code),
		TEST(step_that_fails_leaves_the_older_schema),
		TEST(upgrade_waits_for_a_writer_only_so_long),
		TEST(upgrade_is_done_once_by_whoever_comes_first),
	};

	return cmocka_run_group_tests_name("store open", tests, NULL, NULL);
}
