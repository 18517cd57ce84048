/* SPDX-License-Identifier: Apache-2.0 */
/* What can be changed of a key, its rotation as one transaction, and counts of operations. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/store_world.h"

#define KEY KEY_NAME("k")
#define HOUR (INT64_C(3600) * CLV_NS_PER_S)
#define DAY (24 * HOUR)

static struct store_key key_of(struct world *w, const char *id)
{
	struct clv_name name = name_of(KEY_NAME("x"));
	struct store_key key;

	snprintf(name.key, sizeof name.key, "%s", id);
	assert_ok(w, store_key_get(w->store, &name, &key, &w->err));
	return key;
}

static void add_due_key(struct world *w, const char *id, unsigned seed, int64_t next)
{
	struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, seed);
	struct clv_name name = name_of(KEY_NAME("x"));

	snprintf(name.key, sizeof name.key, "%s", id);
	key.pub.rotation_period = DAY;
	key.pub.next_rotation_time = next;
	assert_ok(w, store_key_add(w->store, grant(), &name, &key, &first, NULL, &w->err));
}

/* ---- changing a key */

static void key_is_stored_with_all_that_it_can_be(void **state)
{
	struct world *w = *state;
	struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct clv_name name = name_of(KEY);

	key.pub.rotation_period = 90 * DAY;
	key.pub.next_rotation_time = T0 + DAY;
	snprintf(key.pub.labels, sizeof key.pub.labels, "a=1,b=2");
	assert_ok(w, store_key_add(w->store, grant(), &name, &key, NULL, NULL, &w->err));
	key = key_of(w, "k");
	assert_int_equal(key.pub.rotation_period, 90 * DAY);
	assert_int_equal(key.pub.next_rotation_time, T0 + DAY);
	assert_string_equal(key.pub.labels, "a=1,b=2");
	assert_false(key.pub.import_only);
	assert_int_equal(key.pub.primary, 0); /* there is no version to be it */
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 0);
}

static void key_is_changed_as_one_and_its_row_moves_on(void **state)
{
	struct world *w = *state;
	struct store_key key, got;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	key = key_of(w, "k");
	key.pub.rotation_period = DAY;
	key.pub.next_rotation_time = T0;
	snprintf(key.pub.labels, sizeof key.pub.labels, "a=1");
	assert_ok(w, store_key_update(w->store, grant(), &key, &w->err));
	got = key_of(w, "k");
	assert_int_equal(got.row_version, key.row_version + 1);
	assert_int_equal(got.pub.rotation_period, DAY);
	assert_int_equal(got.pub.next_rotation_time, T0);
	assert_string_equal(got.pub.labels, "a=1");
	assert_int_equal(got.pub.primary, 1);

	got.pub.rotation_period = got.pub.next_rotation_time = 0;
	got.pub.labels[0] = '\0';
	assert_ok(w, store_key_update(w->store, grant(), &got, &w->err));
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys WHERE labels = ''"
					" AND rotation_period IS NULL"
					" AND next_rotation_time IS NULL"),
			 1);
}

static void change_that_was_decided_on_an_older_row_is_aborted(void **state)
{
	struct world *w = *state;
	struct store_key first, second;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	first = second = key_of(w, "k");
	snprintf(first.pub.labels, sizeof first.pub.labels, "who=first");
	snprintf(second.pub.labels, sizeof second.pub.labels, "who=second");
	assert_ok(w, store_key_update(w->store, grant(), &first, &w->err));
	assert_refused(w, store_key_update(w->store, grant(), &second, &w->err), CLV_E_ABORTED,
		       KEY " was changed meanwhile");
	assert_string_equal(key_of(w, "k").pub.labels, "who=first");
}

/* What this code would not write, the schema refuses as well. */
static void schedule_out_of_range_is_not_stored(void **state)
{
	static const struct {
		int64_t period, next;
	} table[] = { { DAY - 1, T0 }, { CLV_ROTATION_PERIOD_MAX + 1, T0 }, { DAY, -1 } };
	struct world *w = *state;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		struct store_key key = key_of(w, "k");

		key.pub.rotation_period = table[i].period;
		key.pub.next_rotation_time = table[i].next;
		assert_refused(w, store_key_update(w->store, grant(), &key, &w->err),
			       CLV_E_INTERNAL, "CHECK constraint failed");
	}
	assert_int_equal(key_of(w, "k").row_version, 1);
}

/* ---- rotation */

static void rotation_adds_a_version_makes_it_primary_and_moves_the_time(void **state)
{
	struct world *w = *state;
	const struct store_version version = some_version(CLV_RESIDENCY_WRAPPED, 2);
	struct store_key key;
	uint64_t number = 0;

	add_due_key(w, "k", 1, T0);
	key = key_of(w, "k");
	key.pub.next_rotation_time = T0 + DAY;
	assert_ok(w, store_key_rotate(w->store, grant(), &key, &version, NULL, &number, &w->err));
	assert_int_equal(number, 2);
	key = key_of(w, "k");
	assert_int_equal(key.row_version, 2);
	assert_int_equal(key.pub.primary, 2);
	assert_int_equal(key.pub.primary_version.state, CLV_STATE_ENABLED);
	assert_int_equal(key.pub.next_rotation_time, T0 + DAY);
	assert_int_equal(key.pub.rotation_period, DAY);
}

static void key_without_a_version_gets_its_first_by_rotation(void **state)
{
	struct world *w = *state;
	struct store_key key = some_key(CLV_RESIDENCY_WRAPPED);
	const struct store_version version = some_version(CLV_RESIDENCY_WRAPPED, 2);
	const struct clv_name name = name_of(KEY);
	uint64_t number = 0;

	key.pub.next_rotation_time = T0;
	assert_ok(w, store_key_add(w->store, grant(), &name, &key, NULL, NULL, &w->err));
	key = key_of(w, "k");
	key.pub.next_rotation_time = 0;
	assert_ok(w, store_key_rotate(w->store, grant(), &key, &version, NULL, &number, &w->err));
	assert_int_equal(number, 1);
	assert_int_equal(key_of(w, "k").pub.primary, 1);
	assert_int_equal(key_of(w, "k").pub.next_rotation_time, 0);
}

static void rotation_of_a_row_that_moved_on_leaves_nothing(void **state)
{
	struct world *w = *state;
	const struct store_version version = some_version(CLV_RESIDENCY_WRAPPED, 2);
	const struct store_intent intent = some_intent("dc-milan", "a");
	struct store_key key;
	uint64_t number = 77;

	add_due_key(w, "k", 1, T0);
	key = key_of(w, "k");
	assert_ok(w, store_intent_add(w->store, grant(), &intent, &w->err));
	assert_ok(w, store_key_update(w->store, grant(), &key, &w->err));
	assert_refused(w,
		       store_key_rotate(w->store, grant(), &key, &version, "a", &number, &w->err),
		       CLV_E_ABORTED, KEY " was changed meanwhile");
	assert_int_equal(number, 77);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 1);

	key = key_of(w, "k"); /* and one whose intent somebody took */
	assert_refused(w,
		       store_key_rotate(w->store, grant(), &key, &version, "b", &number, &w->err),
		       CLV_E_ABORTED, "the intent b is gone");
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 1);
	assert_int_equal(key_of(w, "k").pub.primary, 1);
}

static void due_keys_come_oldest_first_and_in_pages(void **state)
{
	static const char *const order[] = { "b", "a", "d" };
	struct world *w = *state;
	int64_t after_time = INT64_MIN, after_row = 0;
	struct store_key row;
	size_t n;

	add_due_key(w, "a", 1, T0 - 1);
	add_due_key(w, "b", 2, T0 - 9);
	add_due_key(w, "c", 3, T0 + 1);
	add_due_key(w, "d", 4, T0 - 1); /* at the same time as "a", made later */
	add_key(w, "e", CLV_RESIDENCY_WRAPPED, 5);
	for (size_t i = 0; i < CLV_ARRAY_LEN(order); i++) {
		assert_ok(w, store_key_list_due(w->store, T0, after_time, after_row, 1, &row, &n,
						&w->err));
		assert_int_equal(n, 1);
		assert_string_equal(strrchr(row.pub.name, '/') + 1, order[i]);
		assert_int_equal(row.pub.primary, 1);
		after_time = row.pub.next_rotation_time;
		after_row = row.row;
	}
	assert_ok(w, store_key_list_due(w->store, T0, after_time, after_row, 1, &row, &n, &w->err));
	assert_int_equal(n, 0);
	assert_ok(w, store_key_list_due(w->store, T0 - 10, INT64_MIN, 0, 1, &row, &n, &w->err));
	assert_int_equal(n, 0); /* a clock that was turned back */
}

/* ---- counts */

static uint64_t reserve(struct world *w, int64_t row, uint64_t n, uint64_t most)
{
	uint64_t got = 77;

	assert_ok(w, store_count_reserve(w->store, grant(), row,
					 (struct store_count_ask){ n, most }, &got, &w->err));
	return got;
}

static uint64_t reserved(struct world *w, int64_t row)
{
	uint64_t n = 77;

	assert_ok(w, store_count_get(w->store, row, &n, &w->err));
	return n;
}

static void count_grows_by_what_was_given_out_and_ends_at_the_most(void **state)
{
	struct world *w = *state;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	add_key(w, "other", CLV_RESIDENCY_WRAPPED, 2);
	assert_int_equal(reserved(w, 1), 0);
	assert_int_equal(reserve(w, 1, 64, 1000), 64);
	assert_int_equal(reserve(w, 1, 900, 1000), 900);
	assert_int_equal(reserved(w, 1), 964);
	assert_int_equal(reserve(w, 1, 64, 1000), 36); /* the rest */
	assert_int_equal(reserve(w, 1, 64, 1000), 0);
	assert_int_equal(reserve(w, 1, 64, 500), 0); /* nor does it shrink */
	assert_int_equal(reserved(w, 1), 1000);
	assert_int_equal(reserved(w, 2), 0);
	assert_int_equal(reserve(w, 2, UINT64_C(1) << 33, UINT64_C(1) << 32), INT64_C(1) << 32);
	assert_int_equal(world_count(w, "SELECT sum(row_version) FROM versions"), 2);
}

static void *reserve_many(void *arg)
{
	struct world *w = arg;
	CLV_AUTO(store_close) struct store *store = NULL;
	struct clv_err err;
	uintptr_t sum = 0;

	if (store_open(w->path, 5000, &store, &err) != CLV_OK)
		return NULL;
	for (unsigned i = 0; i < 50; i++) {
		uint64_t got = 0;

		if (store_count_reserve(store, grant(), 1, (struct store_count_ask){ 7, 1000 },
					&got, &err) != CLV_OK)
			return NULL;
		sum += got;
	}
	return (void *) sum;
}

static void what_is_given_out_at_the_same_time_is_never_too_much(void **state)
{
	struct world *w = *state;
	pthread_t threads[4];
	uint64_t sum = 0;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reserve_many, w), 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++) {
		void *n = NULL;

		assert_int_equal(pthread_join(threads[i], &n), 0);
		sum += (uintptr_t) n;
	}
	assert_int_equal(sum, 1000);
	assert_int_equal(reserved(w, 1), 1000);
}

static void worn_versions_are_primaries_of_keys_with_a_period(void **state)
{
	struct world *w = *state;
	struct store_version rows[4];
	uint64_t number = 0;
	struct store_key key;
	size_t n;

	add_due_key(w, "a", 1, T0);
	add_due_key(w, "b", 2, T0);
	add_due_key(w, "c", 3, T0);
	add_key(w, "no-period", CLV_RESIDENCY_WRAPPED, 4);
	reserve(w, 1, STORE_COUNT_HIGH, UINT64_MAX);
	reserve(w, 2, STORE_COUNT_HIGH - 1, UINT64_MAX);
	reserve(w, 3, STORE_COUNT_HIGH + 5, UINT64_MAX);
	reserve(w, 4, STORE_COUNT_HIGH, UINT64_MAX);
	assert_ok(w, store_version_list_worn(w->store, 0, 4, rows, &n, &w->err));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].row, 1);
	assert_int_equal(rows[1].row, 3);
	assert_ok(w, store_version_list_worn(w->store, 1, 4, rows, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].pub.name, KEY_NAME("c") "/cryptoKeyVersions/1");

	key = key_of(w, "c");
	rows[0] = some_version(CLV_RESIDENCY_WRAPPED, 9);
	assert_ok(w, store_key_rotate(w->store, grant(), &key, &rows[0], NULL, &number, &w->err));
	assert_ok(w, store_version_list_worn(w->store, 1, 4, rows, &n, &w->err));
	assert_int_equal(n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(key_is_stored_with_all_that_it_can_be),
		TEST(key_is_changed_as_one_and_its_row_moves_on),
		TEST(change_that_was_decided_on_an_older_row_is_aborted),
		TEST(schedule_out_of_range_is_not_stored),
		TEST(rotation_adds_a_version_makes_it_primary_and_moves_the_time),
		TEST(key_without_a_version_gets_its_first_by_rotation),
		TEST(rotation_of_a_row_that_moved_on_leaves_nothing),
		TEST(due_keys_come_oldest_first_and_in_pages),
		TEST(count_grows_by_what_was_given_out_and_ends_at_the_most),
		TEST(what_is_given_out_at_the_same_time_is_never_too_much),
		TEST(worn_versions_are_primaries_of_keys_with_a_period),
	};

	return cmocka_run_group_tests_name("store rotate", tests, NULL, NULL);
}
