/* SPDX-License-Identifier: Apache-2.0 */
/* Import jobs in the catalogue, and versions that came through them. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/store_world.h"

#define RING "projects/demo/locations/dc-milan/keyRings/r"
#define JOB(id) RING "/importJobs/" id
#define KEY KEY_NAME("k")
#define HOUR (INT64_C(3600) * CLV_NS_PER_S)

/* Every member depends on `seed`; the blob is as long as that of an RSA-4096 key. */
static struct store_import_job some_job(unsigned seed)
{
	struct store_import_job job = {
		.method = CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256 + seed % 2,
		.protection = CLV_PROTECTION_SOFTWARE + seed % 2,
		.create_time = T0 + seed,
		.expire_time = T0 + seed + HOUR,
		.public_key_len = 400 + seed % 8,
		.blob_len = 2300 + seed % 8,
	};
	unsigned random = seed;

	snprintf((char *) job.uid, sizeof job.uid, "uid %u", seed);
	memset(job.public_key, (int) seed, job.public_key_len);
	for (size_t i = 0; i < job.blob_len; i++) { /* bytes that stand nowhere else */
		random = random * 1664525u + 1013904223u;
		job.blob[i] = (uint8_t) (random >> 24);
	}
	return job;
}

static struct store_import_job add_job(struct world *w, const char *id, unsigned seed)
{
	const struct store_import_job job = some_job(seed);
	struct clv_name name = name_of(JOB("x"));
	struct store_import_job got;

	snprintf(name.import_job, sizeof name.import_job, "%s", id);
	assert_ok(w, store_import_job_add(w->store, grant(), &name, &job, &w->err));
	assert_ok(w, store_import_job_get(w->store, &name, &got, &w->err));
	return got;
}

static struct store_import_job job_again(struct world *w, const struct store_import_job *job)
{
	const struct clv_name name = name_of(job->name);
	struct store_import_job got;

	assert_ok(w, store_import_job_get(w->store, &name, &got, &w->err));
	return got;
}

static clv_rc erase(struct world *w, const struct store_import_job *listed)
{
	struct store_import_job job = *listed;

	job.expire_event_time = T0 + 2 * HOUR;
	return store_import_job_erase(w->store, grant(), &job, &w->err);
}

/* ---- rows */

static void import_job_comes_back_as_it_was_put_in(void **state)
{
	struct world *w = *state;
	const struct store_import_job want = some_job(5), got = add_job(w, "j", 5);

	assert_string_equal(got.name, JOB("j"));
	assert_int_equal(got.row_version, 1);
	assert_int_equal(got.method, want.method);
	assert_int_equal(got.protection, want.protection);
	assert_int_equal(got.state, CLV_IMPORT_ACTIVE);
	assert_int_equal(got.create_time, want.create_time);
	assert_int_equal(got.expire_time, want.expire_time);
	assert_int_equal(got.expire_event_time, 0);
	assert_memory_equal(got.uid, want.uid, sizeof want.uid);
	assert_int_equal(got.public_key_len, want.public_key_len);
	assert_memory_equal(got.public_key, want.public_key, want.public_key_len);
	assert_int_equal(got.blob_len, want.blob_len);
	assert_memory_equal(got.blob, want.blob, want.blob_len);
}

static void import_job_is_added_once_and_into_a_ring_that_is_there(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(JOB("j")),
			      no_ring = name_of("projects/demo/locations/dc-milan/keyRings/none"
						"/importJobs/j"),
			      no_location = name_of("projects/demo/locations/none/keyRings/r"
						    "/importJobs/j");
	const struct store_import_job job = some_job(1), next = some_job(2);

	assert_ok(w, store_import_job_add(w->store, grant(), &name, &job, &w->err));
	assert_refused(w, store_import_job_add(w->store, grant(), &name, &next, &w->err),
		       CLV_E_ALREADY_EXISTS, "ImportJob " JOB("j") " already exists.");
	assert_refused(w, store_import_job_add(w->store, grant(), &no_ring, &next, &w->err),
		       CLV_E_NOT_FOUND,
		       "KeyRing projects/demo/locations/dc-milan/keyRings/none "
		       "not found.");
	assert_refused(w, store_import_job_add(w->store, grant(), &no_location, &next, &w->err),
		       CLV_E_NOT_FOUND, "Location projects/demo/locations/none not found.");
	assert_int_equal(world_count(w, "SELECT count(*) FROM import_jobs"), 1);
}

static void import_job_that_is_not_there_is_named_in_the_refusal(void **state)
{
	struct world *w = *state;
	const struct clv_name name = name_of(JOB("none")),
			      no_ring = name_of("projects/demo/locations/dc-milan/keyRings/none"
						"/importJobs/j");
	struct store_import_job job = { .row = 77 };

	assert_refused(w, store_import_job_get(w->store, &name, &job, &w->err), CLV_E_NOT_FOUND,
		       "ImportJob " JOB("none") " not found.");
	assert_refused(w, store_import_job_get(w->store, &no_ring, &job, &w->err), CLV_E_NOT_FOUND,
		       "KeyRing projects/demo/locations/dc-milan/keyRings/none not found.");
	assert_int_equal(job.row, 77);
}

static void import_jobs_are_listed_in_order_of_their_ids_page_by_page(void **state)
{
	static const char *const ids[] = { "a", "b", "c", "d", "e" };
	struct world *w = *state;
	const struct clv_name ring = name_of(RING);
	struct store_import_job rows[2];
	char after[CLV_ID_MAX] = "";
	size_t n, seen = 0;

	for (unsigned i = CLV_ARRAY_LEN(ids); i-- > 0;)
		add_job(w, ids[i], i);
	do {
		assert_ok(w, store_import_job_list(w->store, &ring, after, 2, rows, &n, &w->err));
		for (size_t i = 0; i < n; i++, seen++) {
			snprintf(after, sizeof after, "%s", name_of(rows[i].name).import_job);
			assert_string_equal(after, ids[seen]);
		}
	} while (n == 2);
	assert_int_equal(seen, CLV_ARRAY_LEN(ids));
}

static void import_job_list_of_an_empty_ring_is_empty_and_of_none_is_refused(void **state)
{
	struct world *w = *state;
	const struct clv_name ring = name_of(RING),
			      none = name_of("projects/demo/locations/dc-milan/keyRings/none");
	struct store_import_job row;
	size_t n = 77;

	assert_refused(w, store_import_job_list(w->store, &none, NULL, 1, &row, &n, &w->err),
		       CLV_E_NOT_FOUND, "KeyRing ");
	assert_int_equal(n, 77);
	assert_ok(w, store_import_job_list(w->store, &ring, NULL, 1, &row, &n, &w->err));
	assert_int_equal(n, 0);
}

static void import_job_row_that_cannot_be_ours_is_data_loss(void **state)
{
	static const char *const table[] = {
		"PRAGMA ignore_check_constraints = 1; UPDATE import_jobs SET method = 7",
		"PRAGMA ignore_check_constraints = 1; UPDATE import_jobs SET blob = NULL",
		"PRAGMA ignore_check_constraints = 1; UPDATE import_jobs SET uid = x'00'",
		"PRAGMA ignore_check_constraints = 1; UPDATE import_jobs SET state = 1",
	};
	struct world *w = *state;
	const struct store_import_job job = add_job(w, "j", 1);
	const struct clv_name name = name_of(job.name);
	struct store_import_job got;

	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		world_sql(w, "UPDATE import_jobs SET method = 1, uid = x'00112233445566778899aabbcc"
			     "ddeeff', state = 2, blob = x'00', expire_event_time = NULL");
		world_sql(w, table[i]);
		assert_refused(w, store_import_job_get(w->store, &name, &got, &w->err),
			       CLV_E_DATA_LOSS, "damaged");
	}
}

/* What the columns of schema 3 do not let in, whoever writes. */
static void import_job_fits_its_state_or_is_refused(void **state)
{
	static const char *const table[] = {
		"UPDATE import_jobs SET state = 3",
		"UPDATE import_jobs SET state = 3, expire_event_time = 1",
		"UPDATE import_jobs SET state = 3, blob = NULL",
		"UPDATE import_jobs SET blob = NULL",
		"UPDATE import_jobs SET expire_event_time = 1",
		"UPDATE import_jobs SET expire_time = create_time - 1",
		"DELETE FROM import_jobs",
	};
	struct world *w = *state;

	add_job(w, "j", 1);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		print_message("# %s\n", table[i]);
		assert_int_equal(store_exec(w->store, table[i], &w->err), CLV_E_INTERNAL);
	}
}

/* ---- the end of a job */

static void import_jobs_that_are_due_come_oldest_first_and_up_to_now(void **state)
{
	struct world *w = *state;
	struct store_import_job rows[4];
	size_t n;

	add_job(w, "b", 20);
	add_job(w, "a", 30);
	add_job(w, "c", 10);
	assert_ok(w, store_import_job_list_due(w->store, T0 + HOUR + 29, INT64_MIN, 0, 4, rows, &n,
					       &w->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].name, JOB("c"));
	assert_string_equal(rows[1].name, JOB("b"));
	assert_ok(w, store_import_job_list_due(w->store, T0 + 2 * HOUR, rows[1].expire_time,
					       rows[1].row, 4, rows, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].name, JOB("a"));
	assert_ok(w, store_import_job_list_due(w->store, T0, INT64_MIN, 0, 4, rows, &n, &w->err));
	assert_int_equal(n, 0);
}

static void import_job_is_erased_once_and_is_due_no_more(void **state)
{
	struct world *w = *state;
	const struct store_import_job job = add_job(w, "j", 1);
	struct store_import_job got, rows[2];
	size_t n;

	assert_ok(w, erase(w, &job));
	got = job_again(w, &job);
	assert_int_equal(got.state, CLV_IMPORT_EXPIRED);
	assert_int_equal(got.expire_event_time, T0 + 2 * HOUR);
	assert_int_equal(got.blob_len, 0);
	assert_int_equal(got.public_key_len, job.public_key_len);
	assert_int_equal(got.row_version, job.row_version + 1);
	assert_refused(w, erase(w, &job), CLV_E_ABORTED,
		       "ImportJob " JOB("j") " was changed meanwhile");
	assert_refused(w, erase(w, &got), CLV_E_ABORTED, "was changed meanwhile");
	assert_ok(w, store_import_job_list_due(w->store, INT64_MAX, INT64_MIN, 0, 2, rows, &n,
					       &w->err));
	assert_int_equal(n, 0);
}

static void bytes_of_an_erased_import_job_are_out_of_the_file_and_its_log(void **state)
{
	struct world *w = *state;
	const struct store_import_job first = add_job(w, "a", 1), second = add_job(w, "b", 2);

	/* A row this long goes on in pages of its own: look for pieces from both. */
	for (size_t at = 0; at + 24 < first.blob_len; at += 500)
		assert_true(world_times(w, first.blob + at, 24) > 0);
	assert_ok(w, erase(w, &first));
	for (size_t at = 0; at + 24 < first.blob_len; at += 20)
		assert_int_equal(world_times(w, first.blob + at, 24), 0);
	assert_true(world_times(w, second.blob, 24) > 0);
	world_close(w);
	assert_int_equal(world_times(w, first.blob + 1000, 24), 0);
	assert_int_equal(world_times(w, second.blob + 1000, 24), 1);
}

/* ---- versions that were imported */

static struct store_version imported(unsigned seed)
{
	struct store_version version = some_version(CLV_RESIDENCY_WRAPPED, seed);

	version.pub.generate_time = 0;
	version.pub.import_time = T0 + seed;
	snprintf(version.pub.import_job, sizeof version.pub.import_job, "j");
	memset(version.check_value, (int) seed, sizeof version.check_value);
	return version;
}

static struct store_version version_2(struct world *w)
{
	const struct clv_name name = name_of(KEY "/cryptoKeyVersions/2");
	struct store_version version;

	assert_ok(w, store_version_get(w->store, &name, &version, &w->err));
	return version;
}

/* Version 2 of the key, imported and destroyed. */
static struct store_version destroyed(struct world *w, const struct store_version *version)
{
	const struct clv_name key = name_of(KEY);
	struct store_version row;
	uint64_t number;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_add(w->store, grant(), &key, version, NULL, &number, &w->err));
	assert_int_equal(number, 2);
	row = version_2(w);
	row.pub.state = CLV_STATE_DESTROYED;
	row.pub.destroy_event_time = T0 + HOUR;
	assert_ok(w, store_version_erase(w->store, grant(), &row, &w->err));
	return version_2(w);
}

static void imported_version_comes_back_as_it_was_put_in(void **state)
{
	struct world *w = *state;
	const struct clv_name key = name_of(KEY);
	const struct store_version want = imported(7);
	struct store_version got;
	struct store_key row;
	uint64_t number;

	add_key(w, "k", CLV_RESIDENCY_WRAPPED, 1);
	assert_ok(w, store_version_add(w->store, grant(), &key, &want, NULL, &number, &w->err));
	got = version_2(w);
	assert_int_equal(got.pub.generate_time, 0);
	assert_int_equal(got.pub.import_time, T0 + 7);
	assert_string_equal(got.pub.import_job, "j");
	assert_memory_equal(got.check_value, want.check_value, sizeof want.check_value);
	assert_ok(w, store_key_get(w->store, &key, &row, &w->err));
	assert_int_equal(row.pub.primary, 1);
}

static void imported_version_comes_back_from_destroyed_with_its_number_and_uid(void **state)
{
	struct world *w = *state;
	const struct store_version first = imported(7);
	const struct store_version gone = destroyed(w, &first);
	struct store_version again = gone, got;

	assert_int_equal(gone.blob_len, 0);
	again.pub.state = CLV_STATE_ENABLED;
	again.pub.import_time = T0 + 2 * HOUR;
	snprintf(again.pub.import_job, sizeof again.pub.import_job, "next");
	again.blob_len = 48;
	memset(again.blob, 0x5a, again.blob_len);
	assert_ok(w, store_version_reimport(w->store, grant(), &again, &w->err));
	got = version_2(w);
	assert_int_equal(got.pub.state, CLV_STATE_ENABLED);
	assert_int_equal(got.pub.destroy_event_time, 0);
	assert_int_equal(got.pub.import_time, T0 + 2 * HOUR);
	assert_string_equal(got.pub.import_job, "next");
	assert_memory_equal(got.pub.uid, first.pub.uid, CLV_UID_LEN);
	assert_int_equal(got.blob_len, 48);
	assert_memory_equal(got.blob, again.blob, 48);
	assert_int_equal(got.row_version, gone.row_version + 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 2);
}

static void imported_version_does_not_come_back_as_another_key_or_from_an_old_row(void **state)
{
	struct world *w = *state;
	const struct store_version first = imported(7);
	const struct store_version gone = destroyed(w, &first);
	struct store_version again = gone;

	again.pub.state = CLV_STATE_ENABLED;
	again.blob_len = 48;
	again.check_value[31] ^= 1;
	assert_refused(w, store_version_reimport(w->store, grant(), &again, &w->err), CLV_E_ABORTED,
		       KEY "/cryptoKeyVersions/2 was changed meanwhile");
	again.check_value[31] ^= 1;
	again.row_version--;
	assert_refused(w, store_version_reimport(w->store, grant(), &again, &w->err), CLV_E_ABORTED,
		       "was changed meanwhile");
	assert_int_equal(version_2(w).pub.state, CLV_STATE_DESTROYED);
	assert_int_equal(version_2(w).row_version, gone.row_version);
}

static void generated_version_has_no_check_value_to_come_back_by(void **state)
{
	struct world *w = *state;
	const struct store_version first = some_version(CLV_RESIDENCY_WRAPPED, 7);
	struct store_version again = destroyed(w, &first);

	again.pub.state = CLV_STATE_ENABLED;
	again.pub.import_time = T0;
	snprintf(again.pub.import_job, sizeof again.pub.import_job, "j");
	again.blob_len = 48;
	assert_refused(w, store_version_reimport(w->store, grant(), &again, &w->err), CLV_E_ABORTED,
		       "was changed meanwhile");
	assert_int_equal(version_2(w).pub.state, CLV_STATE_DESTROYED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(import_job_comes_back_as_it_was_put_in),
		TEST(import_job_is_added_once_and_into_a_ring_that_is_there),
		TEST(import_job_that_is_not_there_is_named_in_the_refusal),
		TEST(import_jobs_are_listed_in_order_of_their_ids_page_by_page),
		TEST(import_job_list_of_an_empty_ring_is_empty_and_of_none_is_refused),
		TEST(import_job_row_that_cannot_be_ours_is_data_loss),
		TEST(import_job_fits_its_state_or_is_refused),
		TEST(import_jobs_that_are_due_come_oldest_first_and_up_to_now),
		TEST(import_job_is_erased_once_and_is_due_no_more),
		TEST(bytes_of_an_erased_import_job_are_out_of_the_file_and_its_log),
		TEST(imported_version_comes_back_as_it_was_put_in),
		TEST(imported_version_comes_back_from_destroyed_with_its_number_and_uid),
		TEST(imported_version_does_not_come_back_as_another_key_or_from_an_old_row),
		TEST(generated_version_has_no_check_value_to_come_back_by),
	};

	return cmocka_run_group_tests_name("store import", tests, NULL, NULL);
}
