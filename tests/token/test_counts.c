/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a version has encrypted: counted in blocks, refused at 2^32, rotated at half of it. The
 * numbers are put into the catalogue; nobody waits for four billion encryptions.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <claviger/time.h>

#include "tests/support/home_world.h"

#define TEXT "Dear customer"
#define MOST (INT64_C(1) << 32)
#define HALF (INT64_C(1) << 31)
#define DAY (24 * 3600 * CLV_NS_PER_S)

static clv_rc use(struct home_world *w, const char *key)
{
	struct clv_buf out = { 0 };
	clv_rc rc = world_encrypt(w, key, TEXT, &out);

	clv_buf_done(&out);
	return rc;
}

/* Of the only version of the key "wrapped" or "token". */
static int64_t reserved(const struct home_world *w, const char *key_id)
{
	char sql[200];

	snprintf(sql, sizeof sql,
		 "SELECT coalesce(sum(reserved), 0) FROM operation_counts o"
		 " JOIN versions v ON v.row = o.version JOIN crypto_keys k ON k.row = v.crypto_key"
		 " WHERE k.id = '%s'",
		 key_id);
	return world_count(w, sql);
}

static void set_reserved(const struct home_world *w, const char *key_id, int64_t n)
{
	char sql[300];

	snprintf(sql, sizeof sql,
		 "INSERT OR REPLACE INTO operation_counts SELECT v.row, %jd FROM versions v"
		 " JOIN crypto_keys k ON k.row = v.crypto_key WHERE k.id = '%s'"
		 " AND v.number = k.primary_number",
		 (intmax_t) n, key_id);
	world_sql(w, sql);
}

static void blocks_begin_small_and_grow(struct home_world *w)
{
	static const struct {
		unsigned uses;
		int64_t reserved;
	} table[] = { { 1, 64 }, { 64, 64 }, { 65, 320 }, { 320, 320 }, { 321, 1344 } };
	struct clv_buf ciphertext = { 0 };
	unsigned used = 0;

	world_open(w);
	assert_int_equal(reserved(w, "wrapped"), 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		for (; used < table[i].uses; used++)
			assert_ok(w, use(w, WRAPPED));
		assert_int_equal(reserved(w, "wrapped"), table[i].reserved);
	}
	assert_int_equal(reserved(w, "token"), 0);
	world_close(w);

	world_open(w); /* the rest is lost, and a new process begins small again */
	assert_ok(w, world_encrypt(w, WRAPPED, TEXT, &ciphertext));
	assert_int_equal(reserved(w, "wrapped"), 1344 + 64);
	for (unsigned i = 0; i < 100; i++) /* no IV is drawn */
		assert_ok(w, world_decrypt(w, WRAPPED, &ciphertext, TEXT));
	assert_int_equal(reserved(w, "wrapped"), 1344 + 64);
	clv_buf_done(&ciphertext);
}

/* What is remembered of the version is read anew then; what is reserved is not lost. */
static void switching_off_and_on_costs_no_block(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	for (unsigned i = 0; i < 10; i++) {
		assert_ok(w, use(w, WRAPPED));
		assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report,
						 &w->err));
		assert_ok(w, clv_version_enable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report,
						&w->err));
	}
	assert_int_equal(reserved(w, "wrapped"), 64);
}

static void version_that_has_done_all_is_refused_and_still_decrypts(struct home_world *w)
{
	static const char *const keys[] = { WRAPPED, TOKEN };
	static const char *const ids[] = { "wrapped", "token" };

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct clv_buf last = { 0 };
		struct clv_version version;
		struct clv_key key;

		set_reserved(w, ids[k], MOST - 3);
		for (unsigned i = 0; i < 3; i++) {
			clv_buf_done(&last);
			assert_ok(w, world_encrypt(w, keys[k], TEXT, &last));
		}
		assert_refused(w, use(w, keys[k]), CLV_E_FAILED_PRECONDITION,
			       "/cryptoKeyVersions/1 has done all 2^32 encryptions");
		assert_non_null(strstr(w->err.text, "rotate"));
		assert_int_equal(reserved(w, ids[k]), MOST);
		assert_ok(w, world_decrypt(w, keys[k], &last, TEXT));
		clv_buf_done(&last);

		assert_ok(w, clv_version_create(w->ctx, NULL, keys[k], &version, &w->err));
		assert_ok(w, clv_key_set_primary(w->ctx, NULL, keys[k], 2, &key, &w->err));
		assert_ok(w, use(w, keys[k]));
		assert_int_equal(use(w, k == 0 ? VERSION(WRAPPED) : VERSION(TOKEN)),
				 CLV_E_FAILED_PRECONDITION);
	}
	assert_int_equal(world_log_count(w, "useToEncrypt", "2^32"), 4);
}

#define N_THREADS 4
#define N_TRIES 200
#define N_LEFT 500
#define SHARE_MAX 32

static _Atomic unsigned done, refused;

static void *encrypt_many(void *arg)
{
	struct home_world w = *(struct home_world *) arg;

	for (unsigned i = 0; i < N_TRIES; i++) {
		clv_rc rc = use(&w, WRAPPED);

		assert_true(rc == CLV_OK || rc == CLV_E_FAILED_PRECONDITION);
		atomic_fetch_add(rc == CLV_OK ? &done : &refused, 1);
	}
	return NULL;
}

static void threads_together_do_not_one_too_many(struct home_world *w)
{
	pthread_t threads[N_THREADS];

	world_open(w);
	set_reserved(w, "wrapped", MOST - N_LEFT);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, encrypt_many, w), 0);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	/* A worker may still hold a share when its thread has tried often enough. */
	assert_in_range(atomic_load(&done), N_LEFT - N_THREADS * SHARE_MAX, N_LEFT);
	assert_int_equal(atomic_load(&done) + atomic_load(&refused), N_THREADS * N_TRIES);
	assert_int_equal(reserved(w, "wrapped"), MOST);
}

static void encrypt_50(struct home_world *w, void *arg)
{
	(void) arg;
	world_open(w);
	for (unsigned i = 0; i < 50; i++)
		assert_ok(w, use(w, WRAPPED));
}

static void each_process_has_blocks_of_its_own(struct home_world *w)
{
	pid_t children[4];

	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		children[i] = world_fork(w, encrypt_50, NULL);
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		world_wait(children[i]);
	assert_int_equal(reserved(w, "wrapped"), 4 * 64);
}

/* More versions than the first table and a worker's shares have places for, so that they take
 * turns: what one gives back is there when it comes again. */
static void many_versions_are_counted_each_for_itself(struct home_world *w)
{
	char name[CLV_NAME_MAX];

	world_open(w);
	for (unsigned i = 0; i < 99; i++) {
		struct clv_version version;

		assert_ok(w, clv_version_create(w->ctx, NULL, WRAPPED, &version, &w->err));
	}
	for (unsigned i = 0; i < 64 * 100; i++) {
		snprintf(name, sizeof name, "%s/cryptoKeyVersions/%u", WRAPPED, 1 + i % 100);
		assert_ok(w, use(w, name));
	}
	assert_int_equal(world_count(w, "SELECT count(*) FROM operation_counts"
					" WHERE reserved = 64"),
			 100);
}

static uint64_t rotated(struct home_world *w)
{
	struct clv_maintain_report report;

	assert_ok(w, clv_maintain(w->ctx, NULL, &report, &w->err));
	assert_int_equal(report.left, 0);
	return report.rotated;
}

static void key_with_a_period_is_rotated_at_half(struct home_world *w)
{
	const int64_t later = clv_time_now() + DAY;
	const struct clv_key_changes changes = { .fields = CLV_KEY_ROTATION_PERIOD |
							   CLV_KEY_NEXT_ROTATION_TIME,
						 .rotation_period = DAY,
						 .next_rotation_time = later };
	struct clv_key key;

	world_open(w);
	set_reserved(w, "wrapped", HALF);
	assert_int_equal(rotated(w), 0); /* it has no schedule */
	assert_ok(w, clv_key_update(w->ctx, NULL, WRAPPED, &changes, &key, &w->err));
	set_reserved(w, "wrapped", HALF - 1);
	assert_int_equal(rotated(w), 0);
	set_reserved(w, "wrapped", HALF);
	assert_int_equal(rotated(w), 1);
	assert_int_equal(rotated(w), 0);
	assert_ok(w, clv_key_get(w->ctx, NULL, WRAPPED, &key, &w->err));
	assert_int_equal(key.primary, 2);
	assert_int_equal(key.next_rotation_time, later);
	assert_ok(w, use(w, WRAPPED));
	assert_int_equal(world_log_count(w, "claviger.homes.maintain",
					 "rotation after 2^31 operations", "cryptoKeyVersions/2"),
			 1);
}

/* Due by its time and worn as well: one rotation is enough. */
static void key_that_is_due_twice_is_rotated_once(struct home_world *w)
{
	world_open(w);
	set_reserved(w, "wrapped", HALF);
	world_sql(w, "UPDATE crypto_keys SET rotation_period = 86400000000000,"
		     " next_rotation_time = 1 WHERE id = 'wrapped'");
	assert_int_equal(rotated(w), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(blocks_begin_small_and_grow),
		home_test(switching_off_and_on_costs_no_block),
		home_test(version_that_has_done_all_is_refused_and_still_decrypts),
		home_test(threads_together_do_not_one_too_many),
		home_test(each_process_has_blocks_of_its_own),
		home_test(many_versions_are_counted_each_for_itself),
		home_test(key_with_a_period_is_rotated_at_half),
		home_test(key_that_is_due_twice_is_rotated_once),
	};
	return cmocka_run_group_tests_name("counts", tests, home_group_set_up,
					   home_group_tear_down);
}
