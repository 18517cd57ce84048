/* SPDX-License-Identifier: Apache-2.0 */
/* Changes: whole or not at all, in order, in time, and found again by an index. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/base/deadline.h"
#include "lib/base/room.h"
#include "tests/unit/store_world.h"

#define N_KEYS 2500

/* Adds the key "k" with the intent "i", which it takes away: every step a change can have. */
static clv_rc add_with_intent(struct store *store, struct clv_err *err)
{
	const struct clv_name name = name_of(KEY_NAME("k"));
	const struct store_key key = some_key(CLV_RESIDENCY_TOKEN);
	const struct store_version first = some_version(CLV_RESIDENCY_TOKEN, 1);

	return store_key_add(store, grant(), &name, &key, &first, "i", err);
}

static void add_intent(struct world *w)
{
	const struct store_intent intent = some_intent("dc-milan", "i");

	assert_ok(w, store_intent_add(w->store, grant(), &intent, &w->err));
}

static void assert_nothing_happened(struct world *w)
{
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys"), 0);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 0);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* ---- failures in the middle */

/* Each step fails in turn, in each way SQLite lets a statement fail; then all succeeds. */
static void change_that_fails_at_any_step_is_undone(void **state)
{
	static const char *const steps[] = { "INSERT ON crypto_keys", "INSERT ON versions",
					     "DELETE ON intents" };
	static const char *const ways[] = { "ABORT", "FAIL", "ROLLBACK" };
	struct world *w = *state;

	add_intent(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(steps) * CLV_ARRAY_LEN(ways); i++) {
		char sql[160];

		snprintf(sql, sizeof sql,
			 "CREATE TRIGGER boom AFTER %s BEGIN SELECT RAISE(%s, 'boom'); END",
			 steps[i / 3], ways[i % 3]);
		world_sql(w, sql);
		assert_refused(w, add_with_intent(w->store, &w->err), CLV_E_INTERNAL, "boom");
		assert_int_equal(w->err.domain, CLV_DOM_SQLITE);
		assert_int_equal(w->err.native, SQLITE_CONSTRAINT_TRIGGER);
		assert_true(sqlite3_get_autocommit(w->store->db));
		assert_nothing_happened(w);
		world_sql(w, "DROP TRIGGER boom");
	}
	assert_ok(w, add_with_intent(w->store, &w->err));
}

static int refuse_commit(void *arg)
{
	(void) arg;
	return 1;
}

static void commit_that_fails_is_undone(void **state)
{
	struct world *w = *state;

	add_intent(w);
	sqlite3_commit_hook(w->store->db, refuse_commit, NULL);
	assert_int_equal(add_with_intent(w->store, &w->err), CLV_E_INTERNAL);
	assert_int_equal(w->err.native, SQLITE_CONSTRAINT_COMMITHOOK);
	assert_true(sqlite3_get_autocommit(w->store->db));
	assert_nothing_happened(w);
	sqlite3_commit_hook(w->store->db, NULL, NULL);
	assert_ok(w, add_with_intent(w->store, &w->err));
}

static void key_without_its_primary_version_cannot_be_committed(void **state)
{
	struct world *w = *state;

	add_intent(w);
	world_sql(w, "CREATE TRIGGER lose AFTER INSERT ON versions BEGIN"
		     " UPDATE versions SET number = 2 WHERE row = new.row; END");
	assert_int_equal(add_with_intent(w->store, &w->err), CLV_E_INTERNAL);
	assert_int_equal(w->err.native, SQLITE_CONSTRAINT_FOREIGNKEY);
	assert_true(sqlite3_get_autocommit(w->store->db));
	assert_nothing_happened(w);
}

static void full_file_is_resource_exhausted_and_heals(void **state)
{
	struct world *w = *state;
	struct store_ring ring = some_ring("dc-milan", "", 5);
	clv_rc rc = CLV_OK;
	unsigned n = 0;

	ring.kek_blob_len = STORE_BLOB_MAX;
	assert_ok(w, store_exec(w->store, "PRAGMA max_page_count = 30", &w->err));
	for (; rc == CLV_OK && n < 100; n++) {
		snprintf(ring.id, sizeof ring.id, "r%u", n);
		rc = store_ring_add(w->store, grant(), &ring, &w->err);
	}
	assert_refused(w, rc, CLV_E_RESOURCE_EXHAUSTED, "make room");
	assert_int_equal(w->err.native, SQLITE_FULL);
	assert_int_equal(world_count(w, "SELECT count(*) FROM key_rings"), n);
	assert_ok(w, store_exec(w->store, "PRAGMA max_page_count = 1000", &w->err));
	assert_ok(w, store_ring_add(w->store, grant(), &ring, &w->err));
}

/* A file size limit stands for a disk that fails in the middle of a write. */
static void failing_write_is_unavailable_and_heals(void **state)
{
	struct world *w = *state;
	struct rlimit old, small;

	add_intent(w);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ .rlim_cur = 70000, .rlim_max = old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (clv_rc rc = CLV_OK; rc == CLV_OK;) {
		const struct store_intent intent = some_intent("dc-milan", "more");

		rc = store_intent_add(w->store, grant(), &intent, &w->err);
		if (rc == CLV_OK)
			rc = store_intent_remove(w->store, grant(), "more", &w->err);
		if (rc != CLV_OK)
			assert_int_equal(rc, CLV_E_UNAVAILABLE);
	}
	assert_int_equal(add_with_intent(w->store, &w->err), CLV_E_UNAVAILABLE);
	assert_int_equal(w->err.domain, CLV_DOM_SQLITE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	world_sql(w, "DELETE FROM intents WHERE id = 'more'");
	assert_nothing_happened(w);
	assert_ok(w, add_with_intent(w->store, &w->err));
}

/* The limit is lifted in steps, by each write that finds that there is no room. */
static unsigned lifted;

static bool lift_limit(struct clv_room *room)
{
	struct rlimit limit;

	(void) room;
	lifted++;
	if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
		return false;
	limit.rlim_cur += 1024;
	return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

static void write_that_asks_for_room_is_done_with_what_it_gets(void **state)
{
	struct clv_room room = { .make = lift_limit };
	struct world *w = *state;
	struct rlimit old, small;

	add_intent(w);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ .rlim_cur = 1000, .rlim_max = old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(add_with_intent(w->store, &w->err), CLV_E_UNAVAILABLE);
	clv_room_offer(&room);
	assert_ok(w, add_with_intent(w->store, &w->err));
	clv_room_take_back(&room);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_in_range(lifted, 10, 1000);
}

/* ---- death in the middle */

static unsigned changes_left;

static void die_at_change(void *arg, int op, char const *db, char const *table, sqlite3_int64 row)
{
	(void) arg, (void) op, (void) db, (void) table, (void) row;
	if (--changes_left == 0)
		raise(SIGKILL);
}

static int die_at_commit(void *arg)
{
	(void) arg;
	raise(SIGKILL);
	return 0;
}

/* In a child: dies at the nth changed row, or at the commit (0). */
static void add_and_die(struct world *w, unsigned nth)
{
	struct store *store = NULL;

	if (store_open(w->path, 1000, &store, &w->err) != CLV_OK)
		_exit(1);
	store_seal_set(store, &w->sealer);
	changes_left = nth;
	if (nth > 0)
		sqlite3_update_hook(store->db, die_at_change, NULL);
	else
		sqlite3_commit_hook(store->db, die_at_commit, NULL);
	_exit(add_with_intent(store, &w->err) == CLV_OK ? 2 : 3);
}

static void killed_writer_leaves_no_half_made_key(void **state)
{
	struct world *w = *state;

	add_intent(w);
	world_close(w); /* no connection may be carried over a fork */
	for (unsigned nth = 0; nth <= 3; nth++) {
		int status = 0;
		pid_t child = fork();

		if (child == 0)
			add_and_die(w, nth);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		assert_nothing_happened(w);
	}
	w->store = world_connect(w);
	assert_ok(w, add_with_intent(w->store, &w->err));
}

/* ---- several at once */

static void change_is_seen_by_other_connections_at_once(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version version;
	struct store *other = world_connect(w);

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_get(other, &name, &version, &w->err));
	version.pub.state = CLV_STATE_DISABLED;
	assert_ok(w, store_version_set_state(other, grant(), &version, &w->err));
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	assert_int_equal(version.pub.state, CLV_STATE_DISABLED);
	store_close(other);
}

static void of_two_changes_to_a_row_the_second_is_aborted(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version mine, theirs;
	struct store *other = world_connect(w);

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_get(w->store, &name, &mine, &w->err));
	assert_ok(w, store_version_get(other, &name, &theirs, &w->err));
	assert_ok(w, store_version_set_state(w->store, grant(), &mine, &w->err));
	assert_refused(w, store_version_set_state(other, grant(), &theirs, &w->err), CLV_E_ABORTED,
		       theirs.pub.name);
	store_close(other);
}

static void reads_go_on_beside_a_writer(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store *writer = world_connect(w);
	struct store_key key;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_exec(writer, "BEGIN IMMEDIATE; UPDATE versions SET state = 2", &w->err));
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.primary_version.state, CLV_STATE_ENABLED);
	assert_ok(w, store_exec(writer, "ROLLBACK", &w->err));
	store_close(writer);
}

/* Every kind of change gives up in time; the world's connections wait 200 ms. */
static clv_rc change_of_kind(struct world *w, unsigned kind)
{
	const struct store_location location = some_location("mars");
	const struct store_token token = some_token("mars", 2);
	const struct store_ring ring = some_ring("dc-milan", "s", 2);
	const struct store_intent intent = some_intent("dc-milan", "j");
	const struct store_version version = some_version(CLV_RESIDENCY_TOKEN, 2);
	const struct store_key key = some_key(CLV_RESIDENCY_TOKEN);
	const struct store_key named = { .pub.name = KEY_NAME("k") };
	const struct clv_name name = name_of(KEY_NAME("k"));
	uint64_t number;

	switch (kind) {
	case 0:
		return store_location_add(w->store, grant(), &location, &token, NULL, &w->err);
	case 1:
		return store_ring_add(w->store, grant(), &ring, &w->err);
	case 2:
		return add_with_intent(w->store, &w->err);
	case 3:
		return store_version_set_state(w->store, grant(), &version, &w->err);
	case 4:
		return store_version_set_token_enabled(w->store, grant(), 1, true, &w->err);
	case 5:
		return store_intent_add(w->store, grant(), &intent, &w->err);
	case 6:
		return store_version_add(w->store, grant(), &name, &version, NULL, &number,
					 &w->err);
	case 7:
		return store_key_set_primary(w->store, grant(), &key, 1, &w->err);
	case 8:
		return store_version_erase(w->store, grant(), &version, &w->err);
	case 9:
		return store_key_update(w->store, grant(), &key, &w->err);
	case 10:
		return store_key_rotate(w->store, grant(), &named, &version, NULL, &number,
					&w->err);
	case 11:
		return store_count_reserve(w->store, grant(), 1, (struct store_count_ask){ 1, 9 },
					   &number, &w->err);
	default:
		return store_intent_remove(w->store, grant(), "i", &w->err);
	}
}

static void locked_catalogue_is_deadline_exceeded_within_the_wait(void **state)
{
	struct world *w = *state;
	struct store *other = world_connect(w);

	assert_ok(w, store_exec(other, "BEGIN IMMEDIATE", &w->err));
	for (unsigned kind = 0; kind <= 12; kind++) {
		int64_t started = clv_mono_ns();

		assert_refused(w, change_of_kind(w, kind), CLV_E_DEADLINE_EXCEEDED,
			       "another writer did not finish in time");
		assert_in_range((clv_mono_ns() - started) / CLV_NS_PER_MS, 150, 2000);
		assert_int_equal(w->err.domain, CLV_DOM_SQLITE);
		assert_int_equal(w->err.native, SQLITE_BUSY);
	}
	store_close(other);
	assert_ok(w, change_of_kind(w, 1));
}

struct adder {
	struct world *w;
	unsigned first;
	char text[CLV_ERR_TEXT_MAX];
};

static void *add_many(void *arg)
{
	struct adder *adder = arg;
	struct clv_name name = name_of(KEY_NAME("x"));
	struct store *store = NULL;
	struct clv_err err = { 0 };
	clv_rc rc = store_open(adder->w->path, 10000, &store, &err);

	if (rc == CLV_OK)
		store_seal_set(store, &adder->w->sealer);
	for (unsigned i = adder->first; rc == CLV_OK && i < adder->first + 50; i++) {
		const struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
		const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, i);

		snprintf(name.key, sizeof name.key, "k%u", i);
		rc = store_key_add(store, grant(), &name, &key, &first, NULL, &err);
	}
	store_close(store);
	snprintf(adder->text, sizeof adder->text, "%s", rc == CLV_OK ? "" : err.text);
	return NULL;
}

static void threads_with_a_connection_each_lose_nothing(void **state)
{
	struct world *w = *state;
	struct adder adders[4];
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++) {
		adders[i] = (struct adder){ .w = w, .first = 100 * i };
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, &adders[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_string_equal(adders[i].text, "");
	}
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 200);
	assert_int_equal(world_count(w, "SELECT count(DISTINCT row) FROM versions"), 200);
}

/*
 * Four threads with a connection each read something, add one to it, and write it back; who was too
 * late reads it again. A lost update shows as a sum that is too small.
 */
#define N_COUNTERS 4
#define N_COUNTED 50

struct counter {
	struct world *w;
	clv_rc (*count)(struct store *store, struct clv_err *err);
	unsigned aborted;
	char text[CLV_ERR_TEXT_MAX];
};

/* The count is in the reason. */
static clv_rc count_in_version(struct store *store, struct clv_err *err)
{
	const struct clv_name name = name_of(KEY_NAME("k") "/cryptoKeyVersions/1");
	struct store_version version;
	unsigned n;

	CLV_TRY(store_version_get(store, &name, &version, err));
	n = (unsigned) strtoul(version.pub.state_reason, NULL, 10);
	version.pub.state = n % 2 == 0 ? CLV_STATE_DISABLED : CLV_STATE_ENABLED;
	snprintf(version.pub.state_reason, sizeof version.pub.state_reason, "%u", n + 1);
	return store_version_set_state(store, grant(), &version, err);
}

/* The count is the primary's number. */
static clv_rc count_in_primary(struct store *store, struct clv_err *err)
{
	const struct clv_name name = name_of(KEY_NAME("k"));
	struct store_key key;

	CLV_TRY(store_key_get(store, &name, &key, err));
	return store_key_set_primary(store, grant(), &key, key.pub.primary + 1, err);
}

static clv_rc count_in_numbers(struct store *store, struct clv_err *err)
{
	static _Atomic unsigned seed = 1000; /* uids are unique */
	const struct clv_name name = name_of(KEY_NAME("k"));
	const struct store_version version = some_version(CLV_RESIDENCY_WRAPPED, seed++);
	uint64_t number;

	return store_version_add(store, grant(), &name, &version, NULL, &number, err);
}

static void *count_many(void *arg)
{
	struct counter *counter = arg;
	struct store *store = NULL;
	struct clv_err err = { 0 };
	clv_rc rc = store_open(counter->w->path, 10000, &store, &err);

	if (rc == CLV_OK)
		store_seal_set(store, &counter->w->sealer);
	for (unsigned i = 0; rc == CLV_OK && i < N_COUNTED;) {
		rc = counter->count(store, &err);
		if (rc == CLV_OK) {
			i++;
		} else if (rc == CLV_E_ABORTED) {
			counter->aborted++;
			rc = CLV_OK;
		}
	}
	store_close(store);
	snprintf(counter->text, sizeof counter->text, "%s", rc == CLV_OK ? "" : err.text);
	return NULL;
}

static unsigned count_at_once(struct world *w, clv_rc (*count)(struct store *, struct clv_err *))
{
	struct counter counters[N_COUNTERS];
	pthread_t threads[N_COUNTERS];
	unsigned aborted = 0;

	for (unsigned i = 0; i < N_COUNTERS; i++) {
		counters[i] = (struct counter){ .w = w, .count = count };
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, &counters[i]), 0);
	}
	for (unsigned i = 0; i < N_COUNTERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_string_equal(counters[i].text, "");
		aborted += counters[i].aborted;
	}
	return aborted;
}

static void writers_of_one_row_lose_no_update(void **state)
{
	static const char *const sums[] = {
		"SELECT max(number) FROM versions", "SELECT primary_number FROM crypto_keys",
		"SELECT CAST(state_reason AS INTEGER) FROM versions WHERE number = 1",
		"SELECT row_version - 1 FROM versions WHERE number = 1"
	};
	struct world *w = *state;
	unsigned aborted;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_int_equal(count_at_once(w, count_in_numbers), 0); /* read in the transaction */
	assert_int_equal(world_count(w, sums[0]), 1 + N_COUNTERS * N_COUNTED);
	aborted = count_at_once(w, count_in_primary);
	assert_int_equal(world_count(w, sums[1]), 1 + N_COUNTERS * N_COUNTED);
	aborted += count_at_once(w, count_in_version);
	assert_int_equal(world_count(w, sums[2]), N_COUNTERS * N_COUNTED);
	assert_int_equal(world_count(w, sums[3]), N_COUNTERS * N_COUNTED);
	assert_true(aborted > 0); /* otherwise nobody met anybody */
}

/* ---- never again */

static void what_bears_a_name_or_number_cannot_be_deleted(void **state)
{
	static const char *const tables[] = { "versions", "crypto_keys", "key_rings" };
	struct world *w = *state;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (size_t i = 0; i < CLV_ARRAY_LEN(tables); i++) {
		char sql[64];

		snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i]);
		assert_refused(w, store_exec(w->store, sql, &w->err), CLV_E_INTERNAL,
			       "are never deleted");
	}
}

/* Even were it deleted, by somebody who takes the trigger away first. */
static void row_number_of_a_version_is_never_given_again(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY_NAME("l") "/cryptoKeyVersions/1");
	struct store_version version;
	int64_t gone;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	gone = world_count(w, "SELECT max(row) FROM versions");
	world_sql(w, "DROP TRIGGER versions_stay; DELETE FROM versions;"
		     "UPDATE crypto_keys SET primary_number = NULL");
	add_key(w, "l", CLV_RESIDENCY_WRAPPED, 2);
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	assert_true(version.row > gone);
}

/* ---- many */

static void pages_give_each_key_once_and_in_order(void **state)
{
	struct world *w = *state;
	const struct clv_name ring = name_of("projects/demo/locations/dc-milan/keyRings/r");
	struct store_key *rows = calloc(101, sizeof *rows);
	char after[CLV_ID_MAX] = "";
	unsigned seen = 0;
	size_t n = 100;

	assert_non_null(rows);
	assert_ok(w,
		  store_exec(w->store, "PRAGMA synchronous = OFF", &w->err)); /* only for speed */
	for (unsigned i = 0; i < N_KEYS; i++) {
		char id[CLV_ID_MAX];

		/* 7 has no factor in common with N_KEYS: every number once, in a mixed order. */
		snprintf(id, sizeof id, "key-%06u", i * 7 % N_KEYS);
		add_key(w, id, CLV_RESIDENCY_WRAPPED, i);
	}
	while (n == 100) {
		assert_ok(w, store_key_list(w->store, &ring, after, 100, rows, &n, &w->err));
		for (size_t i = 0; i < n; i++, seen++) {
			snprintf(after, sizeof after, "key-%06u", seen);
			assert_string_equal(strrchr(rows[i].pub.name, '/') + 1, after);
		}
	}
	assert_int_equal(seen, N_KEYS);
	free(rows);
}

/* A list that starts, one key added before the mark and one behind it: only the latter comes. */
static void keys_added_between_pages_neither_repeat_nor_hide_others(void **state)
{
	struct world *w = *state;
	const struct clv_name ring = name_of("projects/demo/locations/dc-milan/keyRings/r");
	struct store_key rows[4];
	size_t n;

	add_key(w, "b", CLV_RESIDENCY_WRAPPED, 1);
	add_key(w, "d", CLV_RESIDENCY_WRAPPED, 2);
	assert_ok(w, store_key_list(w->store, &ring, NULL, 1, rows, &n, &w->err));
	assert_string_equal(rows[0].pub.name, KEY_NAME("b"));
	add_key(w, "a", CLV_RESIDENCY_WRAPPED, 3);
	add_key(w, "c", CLV_RESIDENCY_WRAPPED, 4);
	assert_ok(w, store_key_list(w->store, &ring, "b", 4, rows, &n, &w->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].pub.name, KEY_NAME("c"));
	assert_string_equal(rows[1].pub.name, KEY_NAME("d"));
}

static void no_statement_scans_or_sorts(void **state)
{
	struct world *w = *state;

	for (enum store_sql sql = STORE_SQL_HOME_GET; sql < STORE_SQL_COUNT; sql++) {
		char text[2048];
		sqlite3_stmt *stmt = NULL;

		snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", store_sql_text(sql));
		assert_int_equal(sqlite3_prepare_v2(w->store->db, text, -1, &stmt, NULL),
				 SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *plan = (const char *) sqlite3_column_text(stmt, 3);

			if (strncmp(plan, "SCAN", 4) == 0 || strstr(plan, "TEMP B-TREE") != NULL ||
			    strstr(plan, "AUTOMATIC") != NULL)
				fail_msg("%s: %s", store_sql_text(sql), plan);
		}
		sqlite3_finalize(stmt);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(change_that_fails_at_any_step_is_undone),
		TEST(commit_that_fails_is_undone),
		TEST(key_without_its_primary_version_cannot_be_committed),
		TEST(full_file_is_resource_exhausted_and_heals),
		TEST(failing_write_is_unavailable_and_heals),
		TEST(write_that_asks_for_room_is_done_with_what_it_gets),
		TEST(killed_writer_leaves_no_half_made_key),
		TEST(change_is_seen_by_other_connections_at_once),
		TEST(of_two_changes_to_a_row_the_second_is_aborted),
		TEST(reads_go_on_beside_a_writer),
		TEST(locked_catalogue_is_deadline_exceeded_within_the_wait),
		TEST(threads_with_a_connection_each_lose_nothing),
		TEST(writers_of_one_row_lose_no_update),
		TEST(what_bears_a_name_or_number_cannot_be_deleted),
		TEST(row_number_of_a_version_is_never_given_again),
		TEST(pages_give_each_key_once_and_in_order),
		TEST(keys_added_between_pages_neither_repeat_nor_hide_others),
		TEST(no_statement_scans_or_sorts),
	};

	return cmocka_run_group_tests_name("store change", tests, NULL, NULL);
}
