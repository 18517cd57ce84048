/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/bytes.h"
#include "tests/unit/store_world.h"

const struct clv_grant *grant(void)
{
	return clv_grant_system(CLV_SYSTEM_HOME);
}

struct clv_name name_of(const char *text)
{
	struct clv_name name;
	struct clv_err err;

	if (clv_name_parse(text, &name, &err) != CLV_OK)
		fail_msg("%s", err.text);
	return name;
}

struct store_location some_location(const char *id)
{
	struct store_location location = { .create_time = T0 };

	snprintf(location.id, sizeof location.id, "%s", id);
	return location;
}

struct store_token some_token(const char *location, unsigned seed)
{
	struct store_token token = { .pub.attach_time = T0 + seed };
	uint8_t *const ids[] = { token.root_id, token.seal_id, token.log_id, token.anchor_id[0],
				 token.anchor_id[1] };

	snprintf(token.pub.location, sizeof token.pub.location, "%s", location);
	snprintf(token.pub.uri, sizeof token.pub.uri, "pkcs11:serial=%u?pin-source=pin", seed);
	snprintf(token.pub.serial, sizeof token.pub.serial, "%016x", seed);
	snprintf(token.pub.label, sizeof token.pub.label, "token %u", seed);
	snprintf(token.pub.manufacturer, sizeof token.pub.manufacturer, "maker %u", seed);
	snprintf(token.pub.model, sizeof token.pub.model, "model %u", seed);
	snprintf(token.pub.log_key_pem, sizeof token.pub.log_key_pem, "PEM %u\n", seed);
	for (size_t i = 0; i < CLV_ARRAY_LEN(ids); i++)
		memset(ids[i], (int) (seed + i + 1), STORE_ID_LEN);
	return token;
}

struct store_ring some_ring(const char *location, const char *id, unsigned seed)
{
	struct store_ring ring = { .create_time = T0 + seed, .kek_blob_len = 40 + seed % 8 };

	snprintf(ring.project, sizeof ring.project, "demo");
	snprintf(ring.location, sizeof ring.location, "%s", location);
	snprintf(ring.id, sizeof ring.id, "%s", id);
	memset(ring.kek_id, (int) seed + 1, sizeof ring.kek_id);
	memset(ring.root_id, (int) seed + 2, sizeof ring.root_id);
	memset(ring.kek_blob, (int) seed + 3, ring.kek_blob_len);
	return ring;
}

struct store_key some_key(enum clv_residency residency)
{
	return (struct store_key){ .pub = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
					    .primary = 1,
					    .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
					    .protection = CLV_PROTECTION_HSM,
					    .residency = residency,
					    .create_time = T0,
					    .destroy_delay = CLV_DESTROY_DELAY_DEFAULT } };
}

struct store_version some_version(enum clv_residency residency, unsigned seed)
{
	struct store_version version = {
		.token_enabled = residency == CLV_RESIDENCY_TOKEN,
		.blob_len = residency == CLV_RESIDENCY_WRAPPED ? 40 : 0,
		.pub = { .state = CLV_STATE_ENABLED,
			 .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
			 .protection = CLV_PROTECTION_HSM,
			 .residency = residency,
			 .create_time = T0 + seed,
			 .generate_time = T0 + seed + 1,
			 .state_time = T0 + seed + 2,
			 .state_principal = "user:ada",
			 .state_reason = "made" },
	};

	snprintf((char *) version.pub.uid, sizeof version.pub.uid, "uid %u", seed);
	memset(version.blob, (int) seed + 4, version.blob_len);
	return version;
}

struct store_intent some_intent(const char *location, const char *id)
{
	struct store_intent intent = { .detail = "{\"object\":\"root\"}", .time = T0 };

	snprintf(intent.id, sizeof intent.id, "%s", id);
	snprintf(intent.location, sizeof intent.location, "%s", location);
	return intent;
}

void add_key(struct world *w, const char *id, enum clv_residency residency, unsigned seed)
{
	const struct store_key key = some_key(residency);
	const struct store_version first = some_version(residency, seed);
	struct clv_name name = name_of(KEY_NAME("x"));

	snprintf(name.key, sizeof name.key, "%s", id);
	assert_ok(w, store_key_add(w->store, grant(), &name, &key, &first, NULL, &w->err));
}

/* ---- a token that is none: its MAC is a hash */

static clv_rc mac_of(const struct store_head *head, uint8_t mac[32], struct clv_err *err)
{
	struct store_head copy = *head;

	memset(copy.mac, 0, sizeof copy.mac);
	return store_hash(0xff, &copy, sizeof copy, mac, err);
}

static clv_rc accept_head(void *arg, int64_t tree, const struct store_head *head, int64_t began,
			  bool *ret_sure, struct clv_err *err)
{
	struct world *w = arg;
	uint8_t mac[32];

	(void) began;
	*ret_sure = false;
	if (head == NULL)
		return w->highest == 0 || tree != WORLD_TREE
			       ? CLV_OK
			       : clv_fail(err, CLV_E_DATA_LOSS, "the head is gone");
	CLV_TRY(mac_of(head, mac, err));
	if (!clv_same(mac, head->mac, sizeof mac))
		return clv_fail(err, CLV_E_DATA_LOSS, "the head was not made by this token");
	return CLV_OK;
}

static clv_rc seal_head(void *arg, const struct store_head *before, struct store_head *head,
			struct clv_err *err)
{
	struct world *w = arg;

	if (w->token_away)
		return clv_fail(err, CLV_E_UNAVAILABLE, "the token is away");
	head->epoch = before != NULL ? before->epoch + 1 : w->highest + 1;
	memcpy(head->previous, before != NULL ? before->mac : w->newest, sizeof head->previous);
	return mac_of(head, head->mac, err);
}

static void note_head(void *arg, const struct store_head *head)
{
	struct world *w = arg;

	if (head->tree != WORLD_TREE)
		return;
	w->highest = head->epoch;
	memcpy(w->newest, head->mac, sizeof w->newest);
}

static bool only_removes(int kind, const char *before, const char *now)
{
	return kind == 1 && strlen(now) < strlen(before);
}

void world_unseal(struct world *w)
{
	w->highest = 0;
	world_sql(w, "DELETE FROM heads; DELETE FROM leaves; DELETE FROM nodes");
}

void world_check_seal(struct world *w)
{
	struct store *store = world_connect(w);
	struct store_head before, after;
	uint64_t unsealed;
	bool found;

	assert_ok(w, store_unsealed_count(store, WORLD_TREE, &unsealed, &w->err));
	assert_ok(w, store_head_get(store, WORLD_TREE, &found, &before, &w->err));
	if (found && unsealed == 0 && !w->token_away) {
		assert_ok(w, store_seal_tree(store, grant(), WORLD_TREE, &w->err));
		assert_ok(w, store_head_get(store, WORLD_TREE, &found, &after, &w->err));
		assert_memory_equal(before.root, after.root, sizeof before.root);
	}
	store_close(store);
}

static sqlite3 *raw_open(struct world *w)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 1000);
	return db;
}

int64_t world_count(struct world *w, const char *sql)
{
	sqlite3 *db = raw_open(w);
	sqlite3_stmt *stmt = NULL;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

void world_sql(struct world *w, const char *sql)
{
	sqlite3 *db = raw_open(w);
	char *text = NULL;

	w->tampered = true;
	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
	sqlite3_close(db);
}

/* How often the bytes stand in the file as it is on the disk; 0 when there is no such file. */
static unsigned times_in(const char *path, const uint8_t *bytes, size_t len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *all = NULL;
	unsigned times = 0;
	struct stat st;

	if (file == NULL)
		return 0;
	assert_int_equal(fstat(fileno(file), &st), 0);
	all = malloc((size_t) st.st_size + 1);
	assert_non_null(all);
	assert_int_equal(fread(all, 1, (size_t) st.st_size, file), st.st_size);
	for (const uint8_t *at = all, *end = all + st.st_size;
	     (at = memmem(at, (size_t) (end - at), bytes, len)) != NULL; at++)
		times++;
	free(all);
	fclose(file);
	return times;
}

unsigned world_times(const struct world *w, const uint8_t *bytes, size_t len)
{
	char wal[128];

	snprintf(wal, sizeof wal, "%s-wal", w->path);
	return times_in(w->path, bytes, len) + times_in(wal, bytes, len);
}

struct store *world_connect(struct world *w)
{
	struct store *store = NULL;

	assert_ok(w, store_open(w->path, 200, &store, &w->err));
	store_seal_set(store, &w->sealer);
	return store;
}

void world_close(struct world *w)
{
	w->store = store_close(w->store);
}

void world_reopen(struct world *w)
{
	world_close(w);
	w->store = world_connect(w);
}

int world_set_up(void **state)
{
	const struct store_home home = {
		.uuid = "0123456789abcde", .project = "demo", .owner = "user:ada", .create_time = T0
	};
	const struct store_location location = some_location("dc-milan");
	const struct store_token token = some_token("dc-milan", 1);
	const struct store_ring ring = some_ring("dc-milan", "r", 1);
	struct world *w = calloc(1, sizeof *w);

	if (w == NULL)
		return -1;
	*state = w;
	w->sealer = (struct store_sealer){ w, accept_head, seal_head, note_head, only_removes };
	snprintf(w->dir, sizeof w->dir, "/tmp/claviger-store-XXXXXX");
	if (mkdtemp(w->dir) == NULL)
		return -1;
	snprintf(w->path, sizeof w->path, "%s/catalogue.db", w->dir);
	if (store_create(w->path, grant(), &home, &w->err) != CLV_OK ||
	    store_open(w->path, 200, &w->store, &w->err) != CLV_OK ||
	    store_location_add(w->store, grant(), &location, &token, NULL, &w->err) != CLV_OK ||
	    (store_seal_set(w->store, &w->sealer),
	     store_seal_tree(w->store, grant(), WORLD_TREE, &w->err)) != CLV_OK ||
	    store_ring_add(w->store, grant(), &ring, &w->err) != CLV_OK) {
		print_error("%s\n", w->err.text);
		return -1;
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

int world_tear_down(void **state)
{
	struct world *w = *state;

	if (w->store != NULL && !w->tampered && /* whatever the test has done */
	    world_count(w, "PRAGMA user_version") == store_schema())
		world_check_seal(w);
	store_close(w->store);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}
