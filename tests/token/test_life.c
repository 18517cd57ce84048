/* SPDX-License-Identifier: Apache-2.0 */
/* The life of versions on a real token: rotation, the order to destroy, and what is due. */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include <claviger/time.h>

#include "hsm/hsm.h"
#include "lib/api/inflight.h"
#include "lib/store/store.h"
#include "tests/support/home_world.h"

#define TEXT "Dear customer"
#define N_WRAPPED 40 /* due versions of each residency, where many are wanted */
#define N_TOKEN 10
#define KILLS 20 /* a TOKEN version has eight places to die at, a WRAPPED one has two */
#define N_KILLED                                                                                   \
	24 /* enough of both to die at the 1st, 2nd ... place, one time after the other            \
	    */

static const char *const keys[] = { WRAPPED, TOKEN };
static const char *const key_ids[] = { "wrapped", "token" };

/* The number-th version of a key. The text is good until the next call but three. */
static const char *version_of(const char *key, uint64_t number)
{
	static char names[4][CLV_NAME_MAX];
	static unsigned next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof names[0], "%.300s/cryptoKeyVersions/%ju", key, (uintmax_t) number);
	return name;
}

static uint64_t new_version(struct home_world *w, const char *key)
{
	struct clv_version version;

	assert_ok(w, clv_version_create(w->ctx, NULL, key, &version, &w->err));
	assert_int_equal(version.state, CLV_STATE_ENABLED);
	return version.number;
}

static clv_rc set_primary(struct home_world *w, const char *key, uint64_t number)
{
	struct clv_key ignored;

	return clv_key_set_primary(w->ctx, NULL, key, number, &ignored, &w->err);
}

static clv_rc destroy(struct home_world *w, const char *name, struct clv_switch_report *ret)
{
	return clv_version_destroy(w->ctx, NULL, name, "a reason", ret, &w->err);
}

static clv_rc restore(struct home_world *w, const char *name, struct clv_switch_report *ret)
{
	return clv_version_restore(w->ctx, NULL, name, "a reason", ret, &w->err);
}

static clv_rc enable(struct home_world *w, const char *name)
{
	struct clv_switch_report ignored;

	return clv_version_enable(w->ctx, NULL, name, NULL, &ignored, &w->err);
}

static clv_rc use(struct home_world *w, const char *key)
{
	struct clv_buf out = { 0 };
	clv_rc rc = world_encrypt(w, key, TEXT, &out);

	clv_buf_done(&out);
	return rc;
}

static enum clv_state state_of(struct home_world *w, const char *name)
{
	struct clv_version version;

	assert_ok(w, clv_version_get(w->ctx, NULL, name, &version, &w->err));
	return version.state;
}

static struct clv_maintain_report maintain(struct home_world *w)
{
	struct clv_maintain_report report = { .left = 99 };

	assert_ok(w, clv_maintain(w->ctx, NULL, &report, &w->err));
	return report;
}

/* Everything that is scheduled is due since 1970. */
static void time_passes(const struct home_world *w)
{
	world_sql(w, "UPDATE versions SET destroy_time = row WHERE state = 4");
}

static int64_t in_state(const struct home_world *w, enum clv_state state)
{
	char sql[80];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM versions WHERE state = %d", (int) state);
	return world_count(w, sql);
}

/* Is there a token object with this id? */
static bool has_object(const struct home_world *w, const uint8_t uid[CLV_UID_LEN])
{
	struct raw_object *objects = calloc(256, sizeof *objects);
	char hex[2 * CLV_UID_LEN + 1];
	bool found = false;
	size_t n;

	assert_non_null(objects);
	for (size_t i = 0; i < CLV_UID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", uid[i]);
	n = world_objects(w, objects, 256);
	for (size_t i = 0; i < n; i++)
		found = found || strcmp(objects[i].id, hex) == 0;
	free(objects);
	return found;
}

/* As many token objects of TOKEN versions as the catalogue has of them that are not destroyed. */
static void assert_objects_fit_the_rows(const struct home_world *w)
{
	struct raw_object *objects = calloc(256, sizeof *objects);
	int64_t n_versions = 0;
	size_t n;

	assert_non_null(objects);
	n = world_objects(w, objects, 256);
	for (size_t i = 0; i < n; i++) {
		char sql[400];
		int64_t state;

		if (strcmp(objects[i].label, TOKEN) != 0)
			continue;
		snprintf(sql, sizeof sql, "SELECT state FROM versions WHERE uid = x'%.64s'",
			 objects[i].id);
		state = world_count(w, sql);
		if (state < 1 || state == CLV_STATE_DESTROYED)
			fail_msg("the object %s is in the token; its state is %d", objects[i].id,
				 (int) state);
		n_versions++;
	}
	free(objects);
	assert_int_equal(n_versions, world_count(w, "SELECT count(*) FROM versions"
						    " WHERE residency = 2 AND state <> 3"));
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
}

/* In a child of its own, since it needs the token: `n` more versions of a key, scheduled. */
struct many {
	size_t k;
	unsigned n;
};

static void schedule_many(struct home_world *w, void *arg)
{
	const struct many *many = arg;
	struct clv_switch_report report;

	world_open(w);
	for (unsigned i = 0; i < many->n; i++)
		assert_ok(w, destroy(w, version_of(keys[many->k], new_version(w, keys[many->k])),
				     &report));
}

static void schedule(struct home_world *w, unsigned n_wrapped, unsigned n_token)
{
	world_in_child(w, schedule_many, &(struct many){ 0, n_wrapped });
	world_in_child(w, schedule_many, &(struct many){ 1, n_token });
}

/* ---- rotation */

static void next_version_is_primary_when_it_is_made_so(struct home_world *w)
{
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct clv_buf old = { 0 }, new = { 0 };
		char used[CLV_NAME_MAX];

		assert_ok(w, world_encrypt(w, keys[k], TEXT, &old));
		assert_int_equal(new_version(w, keys[k]), 2);
		assert_ok(w, set_primary(w, keys[k], 2));
		assert_ok(w, clv_encrypt(w->ctx, NULL, keys[k],
					 (struct clv_bytes){ (const uint8_t *) TEXT, strlen(TEXT) },
					 (struct clv_bytes){ 0 }, &new, used, &w->err));
		assert_string_equal(used, version_of(keys[k], 2));
		assert_ok(w, world_decrypt(w, keys[k], &old, TEXT));
		assert_ok(w, world_decrypt(w, keys[k], &new, TEXT));
		clv_buf_done(&old);
		clv_buf_done(&new);
	}
}

static void primary_must_be_there_and_enabled(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	new_version(w, WRAPPED);
	assert_refused(w, set_primary(w, WRAPPED, 3), CLV_E_NOT_FOUND,
		       WRAPPED "/cryptoKeyVersions/3 not found.");
	assert_refused(w, set_primary(w, WRAPPED, 0), CLV_E_INVALID_ARGUMENT, "at least 1");
	assert_ok(w, destroy(w, version_of(WRAPPED, 2), &report));
	assert_refused(w, set_primary(w, WRAPPED, 2), CLV_E_FAILED_PRECONDITION,
		       "/2 is not enabled, current state is: DESTROY_SCHEDULED.");
	assert_ok(w, use(w, WRAPPED));
}

static atomic_bool enough;

static void *encrypt_all_the_time(void *arg)
{
	struct home_world w = *(struct home_world *) arg;
	uintptr_t n = 0;

	for (; !atomic_load(&enough); n++)
		assert_ok(&w, use(&w, WRAPPED));
	return (void *) n;
}

static void rotation_under_load_fails_nobody(struct home_world *w)
{
	pthread_t threads[3];
	void *n = NULL;

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, encrypt_all_the_time, w), 0);
	for (unsigned i = 0; i < 30; i++)
		assert_ok(w, set_primary(w, WRAPPED, new_version(w, WRAPPED)));
	atomic_store(&enough, true);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], &n);
		assert_true((uintptr_t) n > 0);
	}
}

/* ---- the order to destroy */

static void order_is_dated_by_the_key_and_taken_back(struct home_world *w)
{
	struct clv_switch_report report;
	struct clv_version version;

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		const char *name = version_of(keys[k], 1);

		assert_ok(w, destroy(w, name, &report));
		assert_true(report.changed);
		assert_false(report.token_pending);
		assert_int_equal(report.version.state, CLV_STATE_DESTROY_SCHEDULED);
		assert_int_equal(report.version.destroy_time - report.version.state_time,
				 CLV_DESTROY_DELAY_DEFAULT);
		assert_string_equal(report.version.state_reason, "a reason");
		assert_refused(w, use(w, keys[k]), CLV_E_FAILED_PRECONDITION,
			       "is not enabled, current state is: DESTROY_SCHEDULED.");
		assert_ok(w, restore(w, name, &report));
		assert_ok(w, clv_version_get(w->ctx, NULL, name, &version, &w->err));
		assert_int_equal(version.state, CLV_STATE_DISABLED);
		assert_int_equal(version.destroy_time, 0);
		assert_refused(w, use(w, keys[k]), CLV_E_FAILED_PRECONDITION, "DISABLED");
		assert_ok(w, enable(w, name));
		assert_ok(w, use(w, keys[k]));
	}
}

static void what_does_not_fit_the_state_is_refused(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		const char *name = version_of(keys[k], 1);

		assert_refused(w, restore(w, name, &report), CLV_E_FAILED_PRECONDITION,
			       "cannot be restored, current state is: ENABLED.");
		assert_ok(w, destroy(w, name, &report));
		for (unsigned i = 0; i < 2; i++) {
			const char *now = i == 0 ? "current state is: DESTROY_SCHEDULED."
						 : "current state is: DESTROYED.";

			assert_refused(w, destroy(w, name, &report), CLV_E_FAILED_PRECONDITION,
				       now);
			assert_refused(w, enable(w, name), CLV_E_FAILED_PRECONDITION, now);
			assert_refused(
				w, clv_version_disable(w->ctx, NULL, name, NULL, &report, &w->err),
				CLV_E_FAILED_PRECONDITION, now);
			assert_refused(w, use(w, keys[k]), CLV_E_FAILED_PRECONDITION, now);
			time_passes(w);
			maintain(w);
		}
		assert_refused(w, restore(w, name, &report), CLV_E_FAILED_PRECONDITION,
			       "cannot be restored, current state is: DESTROYED.");
	}
}

/* ---- it is as linearizable as a disable */

struct insider {
	struct inflight *gate;
	struct inflight_seat *seat;
	int64_t row;
};

static struct insider go_inside(struct home_world *w, const char *key_id)
{
	struct insider insider = { .gate = NULL };
	char sql[200];

	snprintf(
		sql, sizeof sql,
		"SELECT versions.row FROM versions JOIN crypto_keys ON crypto_key = crypto_keys.row"
		" WHERE id = '%s' AND number = 1",
		key_id);
	insider.row = world_count(w, sql);
	assert_ok(w, inflight_open(world_path(w, "gate"), &insider.gate, &w->err));
	assert_ok(w, inflight_seat_new(insider.gate, &insider.seat, &w->err));
	assert_ok(w, inflight_enter(insider.seat, insider.row, clv_deadline_in(1000), &w->err));
	return insider;
}

static void *leave_later(void *arg)
{
	struct insider *insider = arg;

	usleep(200000);
	inflight_leave(insider->seat, insider->row);
	inflight_seat_free(insider->seat);
	inflight_close(insider->gate);
	return NULL;
}

static void destroy_waits_for_those_inside(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct insider insider = go_inside(w, key_ids[k]);
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, leave_later, &insider), 0);
		assert_ok(w, destroy(w, version_of(keys[k], 1), &report));
		assert_in_range(report.waited_ns / CLV_NS_PER_MS, 100, 9000);
		assert_int_equal(report.holders, 1);
		pthread_join(thread, NULL);
	}
}

static void destroy_never_says_success_while_somebody_is_inside(struct home_world *w)
{
	struct clv_switch_report report = { .holders = 99 };
	struct insider insider;

	w->deadline_ms = 300;
	world_open(w);
	insider = go_inside(w, "wrapped");
	assert_refused(w, destroy(w, version_of(WRAPPED, 1), &report), CLV_E_DEADLINE_EXCEEDED,
		       "still inside");
	assert_non_null(strstr(w->err.text, "it is DESTROY_SCHEDULED all the same"));
	assert_int_equal(report.holders, 99);
	assert_int_equal(state_of(w, version_of(WRAPPED, 1)), CLV_STATE_DESTROY_SCHEDULED);
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	leave_later(&insider);
}

struct user {
	int ask[2], answer[2];
	pid_t pid;
};

/* Another process: decrypts with the key whose number it reads, and answers with the outcome. */
static void decrypt_when_asked(struct home_world *w, void *arg)
{
	struct clv_buf ciphertexts[2] = { { 0 }, { 0 } };
	const struct user *user = arg;
	uint8_t k, rc;

	close(user->ask[1]);
	world_open(w);
	for (size_t i = 0; i < 2; i++)
		assert_ok(w, world_encrypt(w, keys[i], TEXT, &ciphertexts[i]));
	while (read(user->ask[0], &k, 1) == 1) {
		rc = (uint8_t) world_decrypt(w, keys[k], &ciphertexts[k], TEXT);
		assert_int_equal(write(user->answer[1], &rc, 1), 1);
	}
	for (size_t i = 0; i < 2; i++)
		clv_buf_done(&ciphertexts[i]);
}

static struct user user_start(struct home_world *w)
{
	struct user user;

	assert_int_equal(pipe2(user.ask, O_CLOEXEC), 0);
	assert_int_equal(pipe2(user.answer, O_CLOEXEC), 0);
	user.pid = world_fork(w, decrypt_when_asked, &user);
	close(user.ask[0]);
	close(user.answer[1]);
	return user;
}

static clv_rc user_tries(const struct user *user, uint8_t k)
{
	uint8_t rc = 0xff;

	assert_int_equal(write(user->ask[1], &k, 1), 1);
	assert_int_equal(read(user->answer[0], &rc, 1), 1);
	return (clv_rc) rc;
}

static void user_end(const struct user *user)
{
	close(user->ask[1]);
	close(user->answer[0]);
	world_wait(user->pid);
}

static void running_process_is_cut_off_at_once_and_for_good(struct home_world *w)
{
	struct user user = user_start(w);
	struct clv_switch_report report;

	world_open(w);
	for (uint8_t k = 0; k < 2; k++) {
		const char *name = version_of(keys[k], 1);

		for (unsigned i = 0; i < 5; i++) {
			assert_int_equal(user_tries(&user, k), CLV_OK);
			assert_ok(w, destroy(w, name, &report));
			assert_int_equal(user_tries(&user, k), CLV_E_FAILED_PRECONDITION);
			assert_ok(w, restore(w, name, &report));
			assert_int_equal(user_tries(&user, k), CLV_E_FAILED_PRECONDITION);
			assert_ok(w, enable(w, name));
		}
		assert_int_equal(user_tries(&user, k), CLV_OK);
		assert_ok(w, destroy(w, name, &report));
		time_passes(w);
		assert_int_equal(maintain(w).destroyed, 1);
		assert_int_equal(user_tries(&user, k), CLV_E_FAILED_PRECONDITION);
	}
	user_end(&user);
}

/* What ends use goes through; what could begin it again waits for who seals it. */
static void destroy_needs_no_token_and_restore_does(struct home_world *w)
{
	struct clv_switch_report report;

	world_tokens_away(w);
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		const char *name = version_of(keys[k], 1);

		assert_ok(w, destroy(w, name, &report));
		assert_true(report.changed);
		assert_int_equal(report.token_pending,
				 report.version.residency == CLV_RESIDENCY_TOKEN);
		assert_int_equal(use(w, keys[k]), CLV_E_FAILED_PRECONDITION);
		assert_int_equal(restore(w, name, &report), CLV_E_UNAVAILABLE);
		assert_int_equal(use(w, keys[k]), CLV_E_FAILED_PRECONDITION);
	}
	world_tokens_back(w);
	sleep(1); /* for as long as a failed opening is remembered, at least */
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		assert_ok(w, restore(w, version_of(keys[k], 1), &report));
		assert_ok(w, enable(w, version_of(keys[k], 1)));
		assert_ok(w, use(w, keys[k]));
	}
}

/* ---- the end */

static void nothing_is_due_before_its_time(struct home_world *w)
{
	struct clv_maintain_report report;
	struct clv_switch_report ignored;
	char sql[128];

	world_open(w);
	assert_int_equal(maintain(w).destroyed, 0);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++)
		assert_ok(w, destroy(w, version_of(keys[k], 1), &ignored));
	/* A clock that was turned back by an hour stands before what it said was due. */
	snprintf(sql, sizeof sql, "UPDATE versions SET destroy_time = %jd WHERE state = 4",
		 (intmax_t) (clv_time_now() + 3600 * CLV_NS_PER_S));
	world_sql(w, sql);
	report = maintain(w);
	assert_int_equal(report.destroyed, 0);
	assert_int_equal(report.left, 0);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		assert_ok(w, restore(w, version_of(keys[k], 1), &ignored));
		assert_ok(w, enable(w, version_of(keys[k], 1)));
		assert_ok(w, use(w, keys[k]));
	}
}

/* ---- what is going to end */

static uint64_t due_versions(struct home_world *w, size_t limit, struct clv_maintain_due *ret_due,
			     struct clv_version **ret_versions)
{
	size_t n = 99;

	*ret_versions = NULL;
	assert_ok(w, clv_maintain_due(w->ctx, NULL, limit, ret_due, ret_versions, &n, &w->err));
	return n;
}

static void what_is_due_can_be_seen_and_nothing_is_done(struct home_world *w)
{
	struct clv_maintain_due due;
	struct clv_version *versions;

	schedule(w, 3, 2);
	world_open(w);
	assert_int_equal(due_versions(w, 10, &due, &versions), 0);
	assert_int_equal(due.versions, 0);
	assert_null(versions);
	time_passes(w);
	assert_int_equal(due_versions(w, 2, &due, &versions), 2);
	assert_int_equal(due.versions, 5);
	assert_true(due.as_of <= clv_time_now());
	assert_int_equal(versions[0].state, CLV_STATE_DESTROY_SCHEDULED);
	assert_true(versions[0].destroy_time < versions[1].destroy_time);
	clv_page_free(versions);
	assert_int_equal(due_versions(w, 10, &due, &versions), 5);
	clv_page_free(versions);
	assert_int_equal(in_state(w, CLV_STATE_DESTROY_SCHEDULED), 5);
	assert_int_equal(in_state(w, CLV_STATE_DESTROYED), 0);
	assert_int_equal(
		clv_maintain_due(w->ctx, NULL, 0, &due, &versions, &(size_t){ 0 }, &w->err),
		CLV_E_INVALID_ARGUMENT);
	assert_int_equal(maintain(w).destroyed, 5);
}

/* What came due after somebody was asked about the rest is not his yes. */
static void what_was_due_at_a_time_is_all_that_ends(struct home_world *w)
{
	struct clv_maintain_report report;
	char sql[128];

	schedule(w, 4, 0);
	world_open(w);
	snprintf(sql, sizeof sql, "UPDATE versions SET destroy_time = %jd + row WHERE state = 4",
		 (intmax_t) (clv_time_now() - CLV_NS_PER_S));
	world_sql(w, sql);
	assert_ok(w, clv_maintain_as_of(w->ctx, NULL, clv_time_now() - 2 * CLV_NS_PER_S, &report,
					&w->err));
	assert_int_equal(report.destroyed, 0);
	assert_ok(w, clv_maintain_as_of(w->ctx, NULL, clv_time_now(), &report, &w->err));
	assert_int_equal(report.destroyed, 4);
}

/* A time that is yet to come brings nothing to its end sooner. */
static void a_time_to_come_counts_as_now(struct home_world *w)
{
	struct clv_maintain_report report;

	schedule(w, 1, 1);
	world_open(w);
	assert_ok(w, clv_maintain_as_of(w->ctx, NULL, INT64_MAX, &report, &w->err));
	assert_int_equal(report.destroyed, 0);
	assert_ok(w, clv_maintain_as_of(w->ctx, NULL, clv_time_now() + CLV_DESTROY_DELAY_MAX,
					&report, &w->err));
	assert_int_equal(report.destroyed, 0);
	assert_int_equal(in_state(w, CLV_STATE_DESTROY_SCHEDULED), 2);
}

static void what_a_destroyed_version_encrypted_is_lost(struct home_world *w)
{
	struct clv_switch_report report;
	struct clv_version version;

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		const char *name = version_of(keys[k], 1);
		struct clv_buf old = { 0 };

		assert_ok(w, world_encrypt(w, keys[k], TEXT, &old));
		assert_ok(w, set_primary(w, keys[k], new_version(w, keys[k])));
		assert_ok(w, destroy(w, name, &report));
		time_passes(w);
		assert_int_equal(maintain(w).destroyed, 1);
		assert_ok(w, clv_version_get(w->ctx, NULL, name, &version, &w->err));
		assert_int_equal(version.state, CLV_STATE_DESTROYED);
		assert_true(version.destroy_event_time >= version.generate_time);
		assert_int_equal(version.destroy_time, 0);
		assert_refused(w, world_decrypt(w, keys[k], &old, TEXT), CLV_E_FAILED_PRECONDITION,
			       "is not enabled, current state is: DESTROYED.");
		assert_false(has_object(w, version.uid));
		assert_ok(w, use(w, keys[k])); /* the new primary */
		clv_buf_done(&old);
	}
	world_close(w);
	assert_objects_fit_the_rows(w);
	/* Nor can the row be made to say that there still is something. */
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE state = 3 AND"
					" (blob IS NOT NULL OR token_enabled IS NOT NULL)"),
			 0);
}

static void destroyed_version_is_named_in_the_audit_log(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	assert_ok(w, destroy(w, version_of(WRAPPED, 1), &report));
	time_passes(w);
	maintain(w);
	maintain(w);
	assert_int_equal(world_log_count(w, "claviger.homes.maintain", "\"" VERSION(WRAPPED) "\""),
			 1);
}

/* ---- the blob is in no file of the home */

static struct {
	uint8_t blob[STORE_BLOB_MAX];
	size_t len;
	unsigned found;
} wanted;

static int look_into(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	uint8_t *bytes;
	FILE *file;

	(void) ftw;
	if (flag != FTW_F || st->st_size == 0)
		return 0;
	file = fopen(path, "rbe");
	bytes = malloc((size_t) st->st_size);
	assert_true(file != NULL && bytes != NULL);
	assert_int_equal(fread(bytes, 1, (size_t) st->st_size, file), st->st_size);
	/* Its middle, since a page may cut it. */
	wanted.found += memmem(bytes, (size_t) st->st_size, wanted.blob + wanted.len / 4,
			       wanted.len / 2) != NULL;
	free(bytes);
	fclose(file);
	return 0;
}

static unsigned files_with_the_blob(const struct home_world *w)
{
	wanted.found = 0;
	assert_int_equal(nftw(w->home, look_into, 16, FTW_PHYS), 0);
	return wanted.found;
}

static void read_blob(struct home_world *w, const char *name)
{
	struct store_version version;
	struct store *store = NULL;
	struct clv_name parsed;

	assert_ok(w, clv_name_parse(name, &parsed, &w->err));
	assert_ok(w, store_open(world_path(w, "catalogue.db"), 5000, &store, &w->err));
	assert_ok(w, store_version_get(store, &parsed, &version, &w->err));
	assert_true(version.blob_len >= 40);
	memcpy(wanted.blob, version.blob, version.blob_len);
	wanted.len = version.blob_len;
	store_close(store);
}

static void blob_of_a_destroyed_version_is_in_no_file(struct home_world *w)
{
	struct clv_switch_report report;

	read_blob(w, VERSION(WRAPPED));
	world_open(w);
	new_version(w, WRAPPED);
	assert_ok(w, use(w, WRAPPED));
	assert_ok(w, destroy(w, VERSION(WRAPPED), &report));
	time_passes(w);
	assert_true(files_with_the_blob(w) > 0);
	assert_int_equal(maintain(w).destroyed, 1);
	assert_int_equal(files_with_the_blob(w), 0);
	world_close(w);
	assert_int_equal(files_with_the_blob(w), 0);
}

/* While somebody reads what was there before, the catalogue's log keeps it. */
static void maintenance_says_what_a_reader_keeps_and_ends_it_afterwards(struct home_world *w)
{
	struct clv_maintain_report report;
	struct clv_switch_report ordered;
	sqlite3 *reader = NULL;

	read_blob(w, VERSION(WRAPPED));
	w->deadline_ms = 200;
	world_open(w);
	assert_ok(w, destroy(w, VERSION(WRAPPED), &ordered));
	time_passes(w);
	assert_int_equal(sqlite3_open(world_path(w, "catalogue.db"), &reader), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM versions", NULL, NULL, NULL),
		SQLITE_OK);
	report = maintain(w);
	assert_int_equal(report.destroyed, 1);
	assert_int_equal(report.left, 1);
	assert_non_null(strstr(report.why, "what was destroyed may stand in its log still"));
	assert_true(files_with_the_blob(w) > 0);
	assert_int_equal(maintain(w).left, 1);
	assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	report = maintain(w);
	assert_int_equal(report.destroyed + report.left, 0);
	assert_int_equal(files_with_the_blob(w), 0);
	sqlite3_close(reader);
}

static void old_copy_of_the_catalogue_goes_before_what_it_holds(struct home_world *w)
{
	const char *path = world_path(w, "catalogue.db.schema-1");
	struct clv_maintain_report report;
	struct clv_switch_report ordered;
	char command[1300];

	snprintf(command, sizeof command, "cp '%s' '%s'", world_path(w, "catalogue.db"), path);
	assert_int_equal(system(command), 0);
	read_blob(w, VERSION(WRAPPED));
	world_open(w);
	assert_ok(w, destroy(w, VERSION(WRAPPED), &ordered));
	assert_int_equal(maintain(w).destroyed, 0);
	assert_int_equal(access(path, F_OK), 0); /* nothing is due: there is a way back */
	time_passes(w);
	assert_int_equal(mkdir(world_path(w, "catalogue.db.schema-0"), 0700), 0);
	report = maintain(w); /* one that cannot be removed, even by root */
	assert_int_equal(report.destroyed, 0);
	assert_int_equal(report.left, 1);
	assert_non_null(strstr(report.why, "schema-0"));
	assert_int_equal(in_state(w, CLV_STATE_DESTROY_SCHEDULED), 1);
	assert_int_equal(rmdir(world_path(w, "catalogue.db.schema-0")), 0);
	assert_int_equal(maintain(w).destroyed, 1);
	assert_int_equal(files_with_the_blob(w), 0);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- the token is away */

static void token_version_is_left_until_its_token_is_back(struct home_world *w)
{
	struct clv_maintain_report report;
	struct clv_version version;

	schedule(w, 2, 2);
	time_passes(w);
	world_tokens_away(w);
	world_open(w);
	report = maintain(w);
	assert_int_equal(report.destroyed, 2); /* those need no token */
	assert_int_equal(report.left, 2);
	assert_true(report.why[0] != '\0');
	assert_int_equal(in_state(w, CLV_STATE_DESTROY_SCHEDULED), 2);
	world_tokens_back(w);
	sleep(1);
	assert_ok(w, clv_version_get(w->ctx, NULL, version_of(TOKEN, 2), &version, &w->err));
	assert_true(has_object(w, version.uid));
	report = maintain(w);
	assert_int_equal(report.destroyed, 2);
	assert_int_equal(report.left, 0);
	assert_false(has_object(w, version.uid));
	assert_objects_fit_the_rows(w);
}

/* ---- several at once */

static void maintain_and_tell(struct home_world *w, void *arg)
{
	const int *ends = arg;
	struct clv_maintain_report report;
	char go;

	world_open(w);
	assert_int_equal(read(ends[0], &go, 1), 1);
	report = maintain(w);
	assert_int_equal(report.left, 0);
	assert_int_equal(write(ends[3], &report.destroyed, sizeof report.destroyed),
			 sizeof report.destroyed);
}

static void four_processes_destroy_each_version_once(struct home_world *w)
{
	uint64_t sum = 0, n;
	pid_t children[4];
	int ends[4];

	schedule(w, N_WRAPPED, N_TOKEN);
	time_passes(w);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ends + 2, O_CLOEXEC), 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		children[i] = world_fork(w, maintain_and_tell, ends);
	usleep(200000);
	assert_int_equal(write(ends[1], "gogo", 4), 4);
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++) {
		world_wait(children[i]);
		assert_int_equal(read(ends[2], &n, sizeof n), sizeof n);
		print_message("# %ju\n", (uintmax_t) n);
		sum += n;
	}
	assert_int_equal(sum, N_WRAPPED + N_TOKEN);
	assert_int_equal(in_state(w, CLV_STATE_DESTROYED), N_WRAPPED + N_TOKEN);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE state = 3"
					" AND row_version <> 3"), /* made, scheduled, destroyed */
			 0);
	assert_int_equal(world_log_count(w, "claviger.homes.maintain", "cryptoKeyVersions/"),
			 N_WRAPPED + N_TOKEN);
	assert_objects_fit_the_rows(w);
}

static void restore_all_token_versions(struct home_world *w, void *arg)
{
	struct clv_switch_report report;

	(void) arg;
	world_open(w);
	for (uint64_t i = 1 + N_TOKEN; i > 1; i--) {
		clv_rc rc = restore(w, version_of(TOKEN, i), &report);

		assert_true(rc == CLV_OK || rc == CLV_E_FAILED_PRECONDITION);
		if (rc == CLV_OK) {
			assert_ok(w, enable(w, version_of(TOKEN, i)));
			assert_ok(w, use(w, version_of(TOKEN, i)));
		}
	}
}

static void maintain_in_a_child(struct home_world *w, void *arg)
{
	struct clv_maintain_report report;

	(void) arg;
	world_open(w);
	report = maintain(w);
	if (report.left != 0)
		fail_msg("%ju left: %s", (uintmax_t) report.left, report.why);
}

/* One from the front, one from the back: where they meet a version is restored or destroyed. */
static void restored_version_is_never_destroyed(struct home_world *w)
{
	pid_t children[2];

	schedule(w, 0, N_TOKEN);
	time_passes(w);
	children[0] = world_fork(w, restore_all_token_versions, NULL);
	children[1] = world_fork(w, maintain_in_a_child, NULL);
	for (size_t i = 0; i < 2; i++)
		world_wait(children[i]);
	print_message("# %jd destroyed\n", (intmax_t) in_state(w, CLV_STATE_DESTROYED));
	assert_int_equal(in_state(w, CLV_STATE_DESTROY_SCHEDULED), 0);
	assert_int_equal(in_state(w, CLV_STATE_DESTROYED) + in_state(w, CLV_STATE_ENABLED),
			 N_TOKEN + 2);
	assert_objects_fit_the_rows(w);
}

/* ---- death on the way. The linker sends the library's calls here (-Wl,--wrap). */

static unsigned die_at; /* which of the places below; 0: none */

static void may_die(void)
{
	if (die_at > 0 && --die_at == 0)
		raise(SIGKILL);
}

#define DIES(name, params, args)                                                                   \
	clv_rc __real_##name params;                                                               \
	clv_rc __wrap_##name params;                                                               \
	clv_rc __wrap_##name params                                                                \
	{                                                                                          \
		clv_rc rc;                                                                         \
                                                                                                   \
		may_die();                                                                         \
		rc = __real_##name args;                                                           \
		may_die();                                                                         \
		return rc;                                                                         \
	}

DIES(store_intent_add,
     (struct store * store, const struct clv_grant *grant, const struct store_intent *intent,
      struct clv_err *err),
     (store, grant, intent, err))
DIES(store_version_erase,
     (struct store * store, const struct clv_grant *grant, const struct store_version *version,
      struct clv_err *err),
     (store, grant, version, err))
DIES(hsm_key_destroy,
     (struct hsm * hsm, const struct clv_grant *grant, enum hsm_role role,
      const uint8_t id[HSM_ID_LEN], struct clv_err *err),
     (hsm, grant, role, id, err))
DIES(store_intent_remove,
     (struct store * store, const struct clv_grant *grant, const char *id, struct clv_err *err),
     (store, grant, id, err))

static void maintain_and_die(struct home_world *w, void *arg)
{
	world_open(w);
	die_at = *(const unsigned *) arg;
	maintain(w);
}

static void restore_last_token_version(struct home_world *w, void *arg)
{
	struct clv_switch_report report;

	world_open(w);
	assert_ok(w, restore(w, version_of(TOKEN, *(const unsigned *) arg), &report));
	assert_ok(w, enable(w, version_of(TOKEN, *(const unsigned *) arg)));
	assert_ok(w, use(w, version_of(TOKEN, *(const unsigned *) arg)));
}

static void killed_maintenance_is_carried_through_by_the_next(struct home_world *w)
{
	unsigned last = 1 + N_KILLED;
	int status = 0;

	schedule(w, N_KILLED, N_KILLED);
	world_sql(w, "UPDATE versions SET destroy_time = 2 * number + residency WHERE state = 4");
	for (unsigned at = 1; at <= KILLS; at++) {
		pid_t child = world_fork(w, maintain_and_die, &at);

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	print_message("# %jd destroyed by then\n", (intmax_t) in_state(w, CLV_STATE_DESTROYED));
	world_in_child(w, restore_last_token_version, &last);
	world_in_child(w, maintain_in_a_child, NULL);
	assert_int_equal(in_state(w, CLV_STATE_DESTROY_SCHEDULED), 0);
	assert_int_equal(in_state(w, CLV_STATE_DESTROYED), 2 * N_KILLED - 1);
	assert_objects_fit_the_rows(w);
}

/* The row says DESTROYED and the process died: nothing is due any more, and yet there is work. */
static void object_of_a_destroyed_version_goes_with_the_next_maintenance(struct home_world *w)
{
	unsigned at = 5; /* behind the commit, before the token's object goes */
	int status = 0;
	pid_t child;

	schedule(w, 0, 1);
	time_passes(w);
	child = world_fork(w, maintain_and_die, &at);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(in_state(w, CLV_STATE_DESTROYED), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 1);
	world_tokens_away(w);
	world_open(w);
	assert_int_equal(maintain(w).left, 1);
	world_tokens_back(w);
	sleep(1);
	assert_int_equal(maintain(w).left, 0);
	assert_objects_fit_the_rows(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(next_version_is_primary_when_it_is_made_so),
		home_test(primary_must_be_there_and_enabled),
		home_test(rotation_under_load_fails_nobody),
		home_test(order_is_dated_by_the_key_and_taken_back),
		home_test(what_does_not_fit_the_state_is_refused),
		home_test(destroy_waits_for_those_inside),
		home_test(destroy_never_says_success_while_somebody_is_inside),
		home_test(running_process_is_cut_off_at_once_and_for_good),
		home_test(destroy_needs_no_token_and_restore_does),
		home_test(nothing_is_due_before_its_time),
		home_test(what_is_due_can_be_seen_and_nothing_is_done),
		home_test(what_was_due_at_a_time_is_all_that_ends),
		home_test(a_time_to_come_counts_as_now),
		home_test(what_a_destroyed_version_encrypted_is_lost),
		home_test(destroyed_version_is_named_in_the_audit_log),
		home_test(blob_of_a_destroyed_version_is_in_no_file),
		home_test(maintenance_says_what_a_reader_keeps_and_ends_it_afterwards),
		home_test(old_copy_of_the_catalogue_goes_before_what_it_holds),
		home_test(token_version_is_left_until_its_token_is_back),
		home_test(four_processes_destroy_each_version_once),
		home_test(restored_version_is_never_destroyed),
		home_test(killed_maintenance_is_carried_through_by_the_next),
		home_test(object_of_a_destroyed_version_goes_with_the_next_maintenance),
	};
	return cmocka_run_group_tests_name("life", tests, home_group_set_up, home_group_tear_down);
}
