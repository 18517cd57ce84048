/* SPDX-License-Identifier: Apache-2.0 */
/* The life of versions in the catalogue: the next one, the primary, what is due, and the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store_world.h"

#define KEY KEY_NAME("k")
#define HOUR (INT64_C(3600) * CLV_NS_PER_S)
#define N_MANY 300 /* versions: leaves of the tree split, merge and are filled anew */

static struct store_version version_n(struct world *w, uint64_t number)
{
	struct clv_name name = name_of(KEY "/cryptoKeyVersions/1");
	struct store_version version;

	name.version = number;
	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	return version;
}

/* Bytes that stand nowhere else. */
static void unlike_any_other(struct store_version *version, unsigned seed)
{
	version->blob_len = 64;
	for (size_t i = 0; i < version->blob_len; i++) {
		seed = seed * 1664525u + 1013904223u;
		version->blob[i] = (uint8_t) (seed >> 24);
	}
}

static uint64_t add_version(struct world *w, enum clv_residency residency, unsigned seed)
{
	const struct clv_name key = name_of(KEY);
	struct store_version version = some_version(residency, seed);
	uint64_t number = 0;

	if (residency == CLV_RESIDENCY_WRAPPED)
		unlike_any_other(&version, seed);
	assert_ok(w, store_version_add(w->store, grant(), &key, &version, NULL, &number, &w->err));
	return number;
}

static void set_state(struct world *w, uint64_t number, enum clv_state state, int64_t due)
{
	struct store_version version = version_n(w, number);

	version.pub.state = state;
	version.pub.destroy_time = due;
	assert_ok(w, store_version_set_state(w->store, grant(), &version, &w->err));
}

static clv_rc erase(struct world *w, const struct store_version *listed)
{
	struct store_version version = *listed;

	version.pub.state = CLV_STATE_DESTROYED;
	version.pub.destroy_time = 0;
	version.pub.destroy_event_time = T0 + HOUR;
	return store_version_erase(w->store, grant(), &version, &w->err);
}

/* ---- the next version */

static void next_version_has_the_next_number_and_is_not_the_primary(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY);
	struct store_version want = some_version(CLV_RESIDENCY_WRAPPED, 2);
	struct store_version got;
	struct store_key key;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_int_equal(add_version(w, CLV_RESIDENCY_WRAPPED, 2), 2);
	assert_int_equal(add_version(w, CLV_RESIDENCY_WRAPPED, 3), 3);
	got = version_n(w, 2);
	unlike_any_other(&want, 2);
	assert_int_equal(got.pub.state, CLV_STATE_ENABLED);
	assert_memory_equal(got.pub.uid, want.pub.uid, CLV_UID_LEN);
	assert_int_equal(got.blob_len, want.blob_len);
	assert_memory_equal(got.blob, want.blob, want.blob_len);
	assert_int_equal(got.pub.destroy_time, 0);
	assert_int_equal(got.pub.destroy_event_time, 0);
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.primary, 1);
}

static void number_of_a_destroyed_version_is_not_given_again(void **state)
{
	struct world *w = *state;
	struct store_version last;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_int_equal(add_version(w, CLV_RESIDENCY_WRAPPED, 2), 2);
	set_state(w, 2, CLV_STATE_DESTROY_SCHEDULED, T0);
	last = version_n(w, 2);
	assert_ok(w, erase(w, &last));
	assert_int_equal(add_version(w, CLV_RESIDENCY_WRAPPED, 3), 3);
}

static void next_version_needs_its_key_and_its_intent(void **state)
{
	struct world *w = *state;
	const struct clv_name missing = name_of(KEY_NAME("x"));
	const struct clv_name key = name_of(KEY);
	const struct store_version version = some_version(CLV_RESIDENCY_TOKEN, 2);
	const struct store_intent intent = some_intent("dc-milan", "a");
	uint64_t number = 77;

	add_key(w, "k", CLV_RESIDENCY_TOKEN, 1);
	assert_refused(
		w, store_version_add(w->store, grant(), &missing, &version, NULL, &number, &w->err),
		CLV_E_NOT_FOUND, "CryptoKey " KEY_NAME("x") " not found.");
	assert_refused(w,
		       store_version_add(w->store, grant(), &key, &version, "a", &number, &w->err),
		       CLV_E_ABORTED, "the intent a is gone");
	assert_int_equal(number, 77);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 1);
	assert_ok(w, store_intent_add(w->store, grant(), &intent, &w->err));
	assert_ok(w, store_version_add(w->store, grant(), &key, &version, "a", &number, &w->err));
	assert_int_equal(number, 2);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
}

/* ---- the primary */

static void primary_moves_and_comes_with_its_state(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY);
	struct store_key key;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	add_version(w, CLV_RESIDENCY_WRAPPED, 2);
	set_state(w, 1, CLV_STATE_DISABLED, 0);
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_ok(w, store_key_set_primary(w->store, grant(), &key, 2, &w->err));
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.primary, 2);
	assert_int_equal(key.pub.primary_version.state, CLV_STATE_ENABLED);
	assert_int_equal(key.row_version, 2);
}

static void primary_decided_on_an_old_row_or_not_there_is_aborted(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(KEY);
	struct store_key key, old;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	add_key(w, "l", CLV_RESIDENCY_WRAPPED, 5);
	add_version(w, CLV_RESIDENCY_WRAPPED, 2);
	assert_ok(w, store_key_get(w->store, &name, &old, &w->err));
	assert_ok(w, store_key_set_primary(w->store, grant(), &old, 2, &w->err));
	assert_refused(w, store_key_set_primary(w->store, grant(), &old, 1, &w->err), CLV_E_ABORTED,
		       "CryptoKey " KEY " was changed meanwhile");
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_refused(w, store_key_set_primary(w->store, grant(), &key, 3, &w->err), CLV_E_ABORTED,
		       "has no version 3");
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.primary, 2);
}

/* ---- what is due */

static void order_to_destroy_is_kept_and_taken_back(void **state)
{
	struct world *w = *state;
	struct store_version got;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	set_state(w, 1, CLV_STATE_DESTROY_SCHEDULED, T0 + HOUR);
	got = version_n(w, 1);
	assert_int_equal(got.pub.state, CLV_STATE_DESTROY_SCHEDULED);
	assert_int_equal(got.pub.destroy_time, T0 + HOUR);
	assert_int_equal(got.blob_len, 40);
	set_state(w, 1, CLV_STATE_DISABLED, 0);
	got = version_n(w, 1);
	assert_int_equal(got.pub.destroy_time, 0);
	assert_int_equal(got.blob_len, 40);
}

static void key_keeps_its_delay(void **state)
{
	struct world *w = *state;
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, 1);
	struct store_key want = some_key(CLV_RESIDENCY_WRAPPED);
	const struct clv_name name = name_of(KEY);
	struct store_key key;

	want.pub.destroy_delay = CLV_DESTROY_DELAY_MIN - 1;
	assert_refused(w, store_key_add(w->store, grant(), &name, &want, &first, NULL, &w->err),
		       CLV_E_INTERNAL, "destroy_delay");
	want.pub.destroy_delay = CLV_DESTROY_DELAY_MAX + 1;
	assert_refused(w, store_key_add(w->store, grant(), &name, &want, &first, NULL, &w->err),
		       CLV_E_INTERNAL, "destroy_delay");
	want.pub.destroy_delay = CLV_DESTROY_DELAY_MAX;
	assert_ok(w, store_key_add(w->store, grant(), &name, &want, &first, NULL, &w->err));
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	assert_int_equal(key.pub.destroy_delay, CLV_DESTROY_DELAY_MAX);
}

/* Versions 1 to 6, due at T0 + 30, 10, 20, 10, never and 40. */
static void some_due(struct world *w)
{
	static const int64_t due[] = { 30, 10, 20, 10, 0, 40 };

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (unsigned i = 2; i <= CLV_ARRAY_LEN(due); i++)
		add_version(w, CLV_RESIDENCY_WRAPPED, i);
	for (unsigned i = 0; i < CLV_ARRAY_LEN(due); i++) {
		if (due[i] != 0)
			set_state(w, i + 1, CLV_STATE_DESTROY_SCHEDULED, T0 + due[i]);
	}
}

static void due_versions_come_oldest_first_and_up_to_now(void **state)
{
	static const uint64_t order[] = { 2, 4, 3, 1 };
	struct world *w = *state;
	struct store_version rows[8];
	uint64_t counted;
	size_t n;

	some_due(w);
	for (int64_t now = T0 - 1; now <= T0 + 31; now++) {
		assert_ok(w, store_version_list_due(w->store, now, INT64_MIN, 0, 8, rows, &n,
						    &w->err));
		assert_ok(w, store_version_count_due(w->store, now, &counted, &w->err));
		assert_int_equal(counted, n);
	}
	assert_ok(w, store_version_list_due(w->store, T0 + 30, INT64_MIN, 0, 8, rows, &n, &w->err));
	assert_int_equal(n, CLV_ARRAY_LEN(order));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].pub.number, order[i]);
	assert_string_equal(rows[0].pub.name, KEY "/cryptoKeyVersions/2");
	assert_ok(w, store_version_list_due(w->store, T0 + 29, INT64_MIN, 0, 8, rows, &n, &w->err));
	assert_int_equal(n, 3);
	assert_ok(w, store_version_list_due(w->store, T0 + 9, INT64_MIN, 0, 8, rows, &n, &w->err));
	assert_int_equal(n, 0);
	assert_ok(w,
		  store_version_list_due(w->store, INT64_MAX, INT64_MIN, 0, 8, rows, &n, &w->err));
	assert_int_equal(n, 5);
	assert_ok(w, store_version_list_due(w->store, 0, INT64_MIN, 0, 8, rows, &n, &w->err));
	assert_int_equal(n, 0);
}

static void due_versions_come_in_pages_that_lose_and_repeat_none(void **state)
{
	static const uint64_t order[] = { 2, 4, 3, 1, 6 };
	struct world *w = *state;

	some_due(w);
	for (size_t limit = 1; limit <= 6; limit++) {
		int64_t after_time = INT64_MIN, after_row = 0;
		struct store_version rows[8];
		size_t n, seen = 0;

		do {
			assert_ok(w, store_version_list_due(w->store, T0 + HOUR, after_time,
							    after_row, limit, rows, &n, &w->err));
			for (size_t i = 0; i < n; i++)
				assert_int_equal(rows[i].pub.number, order[seen++]);
			after_time = n > 0 ? rows[n - 1].pub.destroy_time : 0;
			after_row = n > 0 ? rows[n - 1].row : 0;
		} while (n == limit);
		assert_int_equal(seen, CLV_ARRAY_LEN(order));
	}
}

/* What the columns of schema 2 do not let in, whoever writes. */
static void times_fit_the_state_or_are_refused(void **state)
{
	static const char *const table[] = {
		"UPDATE versions SET destroy_time = 1",
		"UPDATE versions SET destroy_event_time = 1",
		"UPDATE versions SET state = 4",
		"UPDATE versions SET state = 4, destroy_time = -1",
		"UPDATE versions SET state = 3, blob = NULL",
		"UPDATE versions SET state = 3, blob = NULL, destroy_event_time = -1",
		"UPDATE versions SET state = 3, destroy_event_time = 1",
		"UPDATE versions SET state=3, blob=NULL, destroy_event_time=1, token_enabled=0",
		"UPDATE versions SET blob = NULL",
		"UPDATE crypto_keys SET destroy_delay = 86399999999999",
		"UPDATE crypto_keys SET destroy_delay = 10368000000000001",
		"UPDATE crypto_keys SET destroy_delay = NULL",
	};
	struct world *w = *state;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	world_unseal(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		print_message("# %s\n", table[i]);
		assert_refused(w, store_exec(w->store, table[i], &w->err), CLV_E_INTERNAL,
			       "constraint failed");
	}
	assert_ok(w,
		  store_exec(w->store, "UPDATE versions SET state = 4, destroy_time = 0", &w->err));
	assert_ok(w, store_exec(w->store,
				"UPDATE versions SET state = 3, destroy_time = NULL, blob = NULL,"
				" destroy_event_time = 0",
				&w->err));
}

/* ---- the end */

static void erased_version_has_its_row_and_no_material(void **state)
{
	static const enum clv_residency table[] = { CLV_RESIDENCY_WRAPPED, CLV_RESIDENCY_TOKEN };
	struct world *w = *state;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (unsigned i = 0; i < CLV_ARRAY_LEN(table); i++) {
		uint64_t number = add_version(w, table[i], 10 + i);
		struct store_version version, got;

		set_state(w, number, CLV_STATE_DESTROY_SCHEDULED, T0);
		version = version_n(w, number);
		assert_ok(w, erase(w, &version));
		got = version_n(w, number);
		assert_int_equal(got.pub.state, CLV_STATE_DESTROYED);
		assert_int_equal(got.pub.destroy_time, 0);
		assert_int_equal(got.pub.destroy_event_time, T0 + HOUR);
		assert_int_equal(got.blob_len, 0);
		assert_false(got.token_enabled);
		assert_int_equal(got.row_version, version.row_version + 1);
		assert_refused(w, erase(w, &version), CLV_E_ABORTED, "was changed meanwhile");
		assert_ok(w, store_version_by_uid(w->store, version.pub.uid, &got, &w->err));
		assert_refused(w,
			       store_version_set_token_enabled(w->store, grant(), version.row, true,
							       &w->err),
			       CLV_E_NOT_FOUND, "token-resident");
	}
}

static void restored_version_is_not_erased(void **state)
{
	struct world *w = *state;
	struct store_version listed;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	set_state(w, 1, CLV_STATE_DESTROY_SCHEDULED, T0);
	listed = version_n(w, 1);
	set_state(w, 1, CLV_STATE_DISABLED, 0);
	assert_refused(w, erase(w, &listed), CLV_E_ABORTED, "was changed meanwhile");
	assert_int_equal(version_n(w, 1).blob_len, 40);
}

static void counts_tell_scheduled_from_destroyed(void **state)
{
	struct world *w = *state;
	struct store_counts counts;
	struct store_version version;

	some_due(w);
	version = version_n(w, 2);
	assert_ok(w, erase(w, &version));
	assert_ok(w, store_counts_get(w->store, "dc-milan", &counts, &w->err));
	assert_int_equal(counts.versions_enabled, 1);
	assert_int_equal(counts.versions_disabled, 0);
	assert_int_equal(counts.versions_scheduled, 4);
	assert_int_equal(counts.versions_destroyed, 1);
}

/* Part of the blob, since pages may have been cut in pieces. */
static unsigned times_in_files(struct world *w, const struct store_version *version)
{
	return world_times(w, version->blob + 16, 24);
}

static void bytes_of_an_erased_version_are_out_of_the_file_and_its_log(void **state)
{
	struct world *w = *state;
	struct store_version first, second;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	add_version(w, CLV_RESIDENCY_WRAPPED, 2);
	add_version(w, CLV_RESIDENCY_WRAPPED, 3);
	set_state(w, 2, CLV_STATE_DESTROY_SCHEDULED, T0);
	first = version_n(w, 2);
	second = version_n(w, 3);
	assert_true(times_in_files(w, &first) > 0);
	assert_ok(w, erase(w, &first));
	assert_int_equal(times_in_files(w, &first), 0);
	assert_true(times_in_files(w, &second) > 0);
	world_close(w);
	assert_int_equal(world_times(w, first.blob, first.blob_len), 0);
	assert_int_equal(world_times(w, second.blob, second.blob_len), 1);
}

/* Rows that grow and shrink make SQLite move them between pages. No copy may stay on the way. */
static void shake(struct world *w, unsigned round)
{
	for (unsigned i = 1; i <= N_MANY; i++) {
		uint64_t number = 2 + (uint64_t) i * 7 * (round + 1) % N_MANY;
		struct store_version version = version_n(w, number);

		version.pub.state = CLV_STATE_DISABLED;
		memset(version.pub.state_reason, 'r', CLV_REASON_MAX - 1);
		version.pub.state_reason[(i * 37 + round * 101) % (CLV_REASON_MAX - 1)] = '\0';
		assert_ok(w, store_version_set_state(w->store, grant(), &version, &w->err));
	}
}

static void no_copy_stays_behind_when_pages_split_and_merge(void **state)
{
	struct store_version *versions = calloc(N_MANY, sizeof *versions);
	struct world *w = *state;
	unsigned copies = 0;

	assert_non_null(versions);
	assert_ok(w, store_exec(w->store, "PRAGMA synchronous = OFF", &w->err)); /* for speed */
	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (unsigned i = 0; i < N_MANY; i++)
		add_version(w, CLV_RESIDENCY_WRAPPED, 1000 + i);
	for (unsigned round = 0; round < 4; round++)
		shake(w, round);
	for (unsigned i = 0; i < N_MANY; i += 2)
		set_state(w, 2 + i, CLV_STATE_DESTROY_SCHEDULED, T0);
	for (unsigned i = 0; i < N_MANY; i++)
		versions[i] = version_n(w, 2 + i);
	for (unsigned i = 0; i < N_MANY; i += 2)
		assert_ok(w, erase(w, &versions[i]));
	for (unsigned i = 0; i < N_MANY; i += 2)
		copies += times_in_files(w, &versions[i]);
	for (unsigned i = 1; i < N_MANY; i += 2)
		assert_true(times_in_files(w, &versions[i]) > 0);
	free(versions);
	assert_int_equal(copies, 0);
}

/* Another process reads on: the log cannot be cut now, but the next erasure or closing does it. */
static void reader_delays_the_end_of_the_log_and_no_more(void **state)
{
	struct world *w = *state;
	struct store *reader = world_connect(w);
	struct store_version first, second;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (unsigned i = 2; i <= 3; i++) {
		add_version(w, CLV_RESIDENCY_WRAPPED, i);
		set_state(w, i, CLV_STATE_DESTROY_SCHEDULED, T0);
	}
	first = version_n(w, 2);
	second = version_n(w, 3);
	assert_ok(w, store_exec(reader, "BEGIN; SELECT count(*) FROM versions", &w->err));
	assert_ok(w, erase(w, &first));
	assert_ok(w, store_exec(reader, "COMMIT", &w->err));
	assert_ok(w, erase(w, &second));
	assert_int_equal(times_in_files(w, &first), 0);
	assert_int_equal(times_in_files(w, &second), 0);
	store_close(reader);
}

static void scrubbing_cuts_the_log_once_the_reader_has_gone(void **state)
{
	struct world *w = *state;
	struct store *reader = world_connect(w);
	struct store_version version;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	add_version(w, CLV_RESIDENCY_WRAPPED, 2);
	set_state(w, 2, CLV_STATE_DESTROY_SCHEDULED, T0);
	version = version_n(w, 2);
	assert_ok(w, store_exec(reader, "BEGIN; SELECT count(*) FROM versions", &w->err));
	assert_ok(w, erase(w, &version));
	assert_true(times_in_files(w, &version) > 0);
	assert_refused(w, store_scrub(w->store, grant(), &w->err), CLV_E_DEADLINE_EXCEEDED,
		       "did not finish in time");
	assert_true(times_in_files(w, &version) > 0);
	assert_ok(w, store_exec(reader, "COMMIT", &w->err));
	assert_ok(w, store_scrub(w->store, grant(), &w->err));
	assert_int_equal(times_in_files(w, &version), 0);
	store_close(reader);
}

static void touch(const char *path)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static void copies_of_before_an_upgrade_are_removed_and_nothing_else(void **state)
{
	static const char *const tails[] = { ".schema-1", ".schema-12", ".schema-2.a1B2c3" };
	struct world *w = *state;
	char path[160];

	for (size_t i = 0; i < CLV_ARRAY_LEN(tails); i++) {
		snprintf(path, sizeof path, "%s%s", w->path, tails[i]);
		touch(path);
	}
	snprintf(path, sizeof path, "%s.mine", w->path);
	touch(path);
	assert_ok(w, store_copies_remove(w->store, grant(), &w->err));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(w->path, F_OK), 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(tails); i++) {
		snprintf(path, sizeof path, "%s%s", w->path, tails[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_ok(w, store_copies_remove(w->store, grant(), &w->err)); /* none is fine */
	snprintf(path, sizeof path, "%s.schema-3", w->path);
	assert_int_equal(mkdir(path, 0700), 0); /* root could remove any file */
	assert_refused(w, store_copies_remove(w->store, grant(), &w->err), CLV_E_UNAVAILABLE,
		       "schema-3, an old copy of the catalogue");
	assert_int_equal(rmdir(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(next_version_has_the_next_number_and_is_not_the_primary),
		TEST(number_of_a_destroyed_version_is_not_given_again),
		TEST(next_version_needs_its_key_and_its_intent),
		TEST(primary_moves_and_comes_with_its_state),
		TEST(primary_decided_on_an_old_row_or_not_there_is_aborted),
		TEST(order_to_destroy_is_kept_and_taken_back),
		TEST(key_keeps_its_delay),
		TEST(due_versions_come_oldest_first_and_up_to_now),
		TEST(due_versions_come_in_pages_that_lose_and_repeat_none),
		TEST(times_fit_the_state_or_are_refused),
		TEST(erased_version_has_its_row_and_no_material),
		TEST(restored_version_is_not_erased),
		TEST(counts_tell_scheduled_from_destroyed),
		TEST(bytes_of_an_erased_version_are_out_of_the_file_and_its_log),
		TEST(no_copy_stays_behind_when_pages_split_and_merge),
		TEST(reader_delays_the_end_of_the_log_and_no_more),
		TEST(scrubbing_cuts_the_log_once_the_reader_has_gone),
		TEST(copies_of_before_an_upgrade_are_removed_and_nothing_else),
	};

	return cmocka_run_group_tests_name("store life", tests, NULL, NULL);
}
