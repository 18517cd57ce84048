/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on a real token: how they are made and changed, and their rotation when it is due. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/store/store.h"
#include "tests/support/home_world.h"

#define TEXT "Dear customer"
#define DAY (24 * 3600 * CLV_NS_PER_S)
#define N_WRAPPED 20 /* due keys of each residency, where many are wanted */
#define N_TOKEN 4

static const char *const keys[] = { WRAPPED, TOKEN };

static clv_rc create(struct home_world *w, const char *name, const struct clv_key_options *options)
{
	struct clv_key key;

	return clv_key_create(w->ctx, NULL, name, options, &key, &w->err);
}

static struct clv_key get(struct home_world *w, const char *name)
{
	struct clv_key key;

	assert_ok(w, clv_key_get(w->ctx, NULL, name, &key, &w->err));
	return key;
}

static clv_rc update(struct home_world *w, const char *name, const struct clv_key_changes *changes)
{
	struct clv_key key;
	clv_rc rc = clv_key_update(w->ctx, NULL, name, changes, &key, &w->err);

	if (rc == CLV_OK) { /* what it says is what is there */
		const struct clv_key now = get(w, name);

		assert_string_equal(key.labels, now.labels);
		assert_int_equal(key.rotation_period, now.rotation_period);
		assert_int_equal(key.next_rotation_time, now.next_rotation_time);
		assert_int_equal(key.algorithm, now.algorithm);
	}
	return rc;
}

static clv_rc set_primary(struct home_world *w, const char *name, uint64_t number)
{
	struct clv_key key;

	return clv_key_set_primary(w->ctx, NULL, name, number, &key, &w->err);
}

static clv_rc new_version(struct home_world *w, const char *key)
{
	struct clv_version version;

	return clv_version_create(w->ctx, NULL, key, &version, &w->err);
}

static clv_rc use(struct home_world *w, const char *key)
{
	struct clv_buf out = { 0 };
	clv_rc rc = world_encrypt(w, key, TEXT, &out);

	clv_buf_done(&out);
	return rc;
}

static struct clv_maintain_report maintain(struct home_world *w)
{
	struct clv_maintain_report report = { .left = 99 };

	assert_ok(w, clv_maintain(w->ctx, NULL, &report, &w->err));
	return report;
}

/* Gives keys whose id is LIKE this a schedule that no caller may ask for: it can be past. */
static void schedule(const struct home_world *w, const char *like, int64_t period, int64_t next)
{
	char sql[256];

	snprintf(sql, sizeof sql,
		 "UPDATE crypto_keys SET rotation_period = nullif(%jd, 0),"
		 " next_rotation_time = nullif(%jd, 0) WHERE id LIKE '%s'",
		 (intmax_t) period, (intmax_t) next, like);
	world_sql(w, sql);
}

static int64_t n_versions(const struct home_world *w)
{
	return world_count(w, "SELECT count(*) FROM versions");
}

/* ---- making keys */

static void key_is_made_as_it_was_asked_for(struct home_world *w)
{
	const struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
						 .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
						 .protection = CLV_PROTECTION_HSM,
						 .rotation_period = 90 * DAY,
						 .next_rotation_time = clv_time_now() + DAY,
						 .destroy_delay = 2 * DAY,
						 .labels = "team=kms,env=prod" };
	struct clv_key key;

	world_open(w);
	assert_ok(w, create(w, KEY("k"), &options));
	key = get(w, KEY("k"));
	assert_int_equal(key.protection, CLV_PROTECTION_HSM);
	assert_int_equal(key.rotation_period, 90 * DAY);
	assert_int_equal(key.next_rotation_time, options.next_rotation_time);
	assert_int_equal(key.destroy_delay, 2 * DAY);
	assert_string_equal(key.labels, "env=prod,team=kms");
	assert_false(key.import_only);
	assert_int_equal(key.primary, 1);
	assert_ok(w, use(w, KEY("k")));
}

static void key_that_breaks_a_rule_is_not_made(struct home_world *w)
{
	const int64_t soon = clv_time_now() + DAY;
	const struct {
		struct clv_key_options options;
		const char *words;
	} table[] = {
		{ { .purpose = 0 }, "the purpose must be one of" },
		{ { .purpose = 1, .algorithm = CLV_ALG_HMAC_SHA256 }, "HMAC_SHA256 is for" },
		{ { .purpose = CLV_PURPOSE_MAC }, "needs an algorithm" },
		{ { .purpose = 1, .protection = 3 }, "SOFTWARE or HSM" },
		{ { .purpose = 1, .residency = 3 }, "WRAPPED or TOKEN" },
		{ { .purpose = 1, .destroy_delay = DAY - 1 }, "24 hours to 120 days" },
		{ { .purpose = 1, .rotation_period = DAY }, "needs a next rotation time" },
		{ { .purpose = 1, .rotation_period = DAY - 1, .next_rotation_time = soon },
		  "24 hours to 876,000 hours" },
		{ { .purpose = 1, .next_rotation_time = 1 }, "must be in the future" },
		{ { .purpose = CLV_PURPOSE_MAC,
		    .algorithm = CLV_ALG_HMAC_SHA256,
		    .next_rotation_time = soon },
		  "only keys of purpose ENCRYPT_DECRYPT" },
		{ { .purpose = 1, .import_only = true }, "skip the initial one" },
		{ { .purpose = 1,
		    .import_only = true,
		    .skip_initial_version = true,
		    .next_rotation_time = soon },
		  "an import-only key" },
		{ { .purpose = 1, .labels = "Team=kms" }, "the key of label \"Team\"" },
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++)
		assert_refused(w, create(w, KEY("k"), &table[i].options), CLV_E_INVALID_ARGUMENT,
			       table[i].words);
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys"), 2);
	assert_int_equal(n_versions(w), 2);
}

static void key_without_a_version_gets_a_primary_when_one_is_set(struct home_world *w)
{
	const struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
						 .residency = CLV_RESIDENCY_WRAPPED,
						 .skip_initial_version = true };

	world_open(w);
	assert_ok(w, create(w, KEY("k"), &options));
	assert_refused(w, create(w, KEY("k"), &options), CLV_E_ALREADY_EXISTS, KEY("k"));
	assert_refused(w, create(w, LOCATION "/keyRings/none/cryptoKeys/k", &options),
		       CLV_E_NOT_FOUND, "keyRings/none not found");
	assert_int_equal(get(w, KEY("k")).primary, 0);
	assert_refused(w, use(w, KEY("k")), CLV_E_FAILED_PRECONDITION, "no primary version");
	assert_ok(w, new_version(w, KEY("k")));
	assert_int_equal(get(w, KEY("k")).primary, 0);
	assert_refused(w, use(w, KEY("k")), CLV_E_FAILED_PRECONDITION, "no primary version");
	assert_ok(w, set_primary(w, KEY("k"), 1));
	assert_ok(w, use(w, KEY("k")));
}

static void import_only_key_generates_no_version(struct home_world *w)
{
	const struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
						 .import_only = true,
						 .skip_initial_version = true };

	world_open(w);
	assert_ok(w, create(w, KEY("k"), &options));
	assert_true(get(w, KEY("k")).import_only);
	assert_refused(w, new_version(w, KEY("k")), CLV_E_FAILED_PRECONDITION,
		       KEY("k") " is import-only");
	assert_int_equal(n_versions(w), 2);
}

static void key_of_another_purpose_has_no_primary_and_no_schedule(struct home_world *w)
{
	const struct clv_key_options options = { .purpose = CLV_PURPOSE_MAC,
						 .algorithm = CLV_ALG_HMAC_SHA256 };
	const struct {
		struct clv_key_changes changes;
		const char *words;
	} table[] = {
		{ { .fields = CLV_KEY_NEXT_ROTATION_TIME,
		    .next_rotation_time = clv_time_now() + DAY },
		  "MAC" },
		{ { .fields = CLV_KEY_ALGORITHM, .algorithm = CLV_ALG_AES_256_GCM },
		  "AES_256_GCM is for purpose RAW_ENCRYPT_DECRYPT, not for MAC" },
	};
	const struct clv_key_changes sha512 = { .fields = CLV_KEY_ALGORITHM,
						.algorithm = CLV_ALG_HMAC_SHA512 };
	struct clv_version version;

	world_open(w);
	assert_ok(w, create(w, KEY("k"), &options));
	assert_int_equal(get(w, KEY("k")).primary, 0);
	assert_int_equal(get(w, KEY("k")).algorithm, CLV_ALG_HMAC_SHA256);
	assert_refused(w, set_primary(w, KEY("k"), 1), CLV_E_FAILED_PRECONDITION,
		       "has purpose MAC: only keys of purpose ENCRYPT_DECRYPT");
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++)
		assert_refused(w, update(w, KEY("k"), &table[i].changes), CLV_E_INVALID_ARGUMENT,
			       table[i].words);
	assert_ok(w, update(w, KEY("k"), &sha512)); /* for versions from now on */
	assert_ok(w, clv_version_create(w->ctx, NULL, KEY("k"), &version, &w->err));
	assert_int_equal(version.algorithm, CLV_ALG_HMAC_SHA512);
	assert_ok(w, clv_version_get(w->ctx, NULL, VERSION(KEY("k")), &version, &w->err));
	assert_int_equal(version.algorithm, CLV_ALG_HMAC_SHA256);
}

/* ---- changing keys */

static void only_what_is_named_is_changed_and_empty_clears(struct home_world *w)
{
	const int64_t soon = clv_time_now() + DAY;
	const struct {
		struct clv_key_changes changes;
		int64_t period, next;
		const char *labels;
	} table[] = {
		{ { .fields = CLV_KEY_LABELS, .labels = "b=2,a=1", .rotation_period = 7 },
		  0,
		  0,
		  "a=1,b=2" },
		{ { .fields = CLV_KEY_NEXT_ROTATION_TIME, .next_rotation_time = soon },
		  0,
		  soon,
		  "a=1,b=2" },
		{ { .fields = CLV_KEY_ROTATION_PERIOD, .rotation_period = DAY, .labels = "x=y" },
		  DAY,
		  soon,
		  "a=1,b=2" },
		{ { .update_labels = "c=3,a=9" }, DAY, soon, "a=9,b=2,c=3" },
		{ { .remove_labels = "b,never" }, DAY, soon, "a=9,c=3" },
		{ { .update_labels = "d=4,e=5", .remove_labels = "d,a" }, DAY, soon, "c=3,e=5" },
		{ { .fields = CLV_KEY_LABELS, .update_labels = "z=1" }, DAY, soon, "z=1" },
		{ { .fields = CLV_KEY_ROTATION_PERIOD }, 0, soon, "z=1" },
		{ { .fields = CLV_KEY_ALGORITHM, .algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION },
		  0,
		  soon,
		  "z=1" },
		{ { .fields = CLV_KEY_NEXT_ROTATION_TIME | CLV_KEY_LABELS }, 0, 0, "" },
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		struct clv_key key;

		assert_ok(w, update(w, WRAPPED, &table[i].changes));
		key = get(w, WRAPPED);
		assert_int_equal(key.rotation_period, table[i].period);
		assert_int_equal(key.next_rotation_time, table[i].next);
		assert_string_equal(key.labels, table[i].labels);
		assert_int_equal(key.primary, 1);
	}
}

static void change_that_breaks_a_rule_changes_nothing(struct home_world *w)
{
	const struct {
		struct clv_key_changes changes;
		const char *words;
	} table[] = {
		{ { .fields = 0 }, "nothing is to be changed" },
		{ { .fields = 16 }, "can be changed" },
		{ { .fields = CLV_KEY_ALGORITHM }, "cannot be cleared" },
		{ { .fields = CLV_KEY_ALGORITHM, .algorithm = CLV_ALG_AES_256_GCM },
		  "AES_256_GCM is for purpose RAW_ENCRYPT_DECRYPT" },
		{ { .fields = CLV_KEY_ROTATION_PERIOD, .rotation_period = 1 }, "876,000 hours" },
		{ { .fields = CLV_KEY_NEXT_ROTATION_TIME }, "needs a next rotation time" },
		{ { .fields = CLV_KEY_NEXT_ROTATION_TIME, .next_rotation_time = 1 }, "future" },
		{ { .fields = CLV_KEY_LABELS, .labels = "a" }, "has no value" },
		{ { .update_labels = "good=1", .remove_labels = "BAD" }, "the key of label" },
		{ { .fields = CLV_KEY_ROTATION_PERIOD,
		    .rotation_period = 2 * DAY,
		    .update_labels = "BAD=1" },
		  "the key of label" },
	};
	const int64_t soon = clv_time_now() + DAY;
	struct clv_key key;

	world_open(w);
	schedule(w, "wrapped", DAY, soon);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		assert_refused(w, update(w, WRAPPED, &table[i].changes), CLV_E_INVALID_ARGUMENT,
			       table[i].words);
		key = get(w, WRAPPED);
		assert_int_equal(key.rotation_period, DAY);
		assert_int_equal(key.next_rotation_time, soon);
		assert_string_equal(key.labels, "");
	}
	assert_refused(w, update(w, KEY("none"), &table[4].changes), CLV_E_NOT_FOUND, "not found");
}

/* The time has passed, and maintenance has not come by: that is no fault of the label's. */
static void key_that_is_overdue_can_be_changed(struct home_world *w)
{
	const struct clv_key_changes label = { .update_labels = "a=1" };
	const struct clv_key_changes period = { .fields = CLV_KEY_ROTATION_PERIOD,
						.rotation_period = 2 * DAY };

	world_open(w);
	schedule(w, "wrapped", DAY, 1);
	assert_ok(w, update(w, WRAPPED, &label));
	assert_ok(w, update(w, WRAPPED, &period));
	assert_int_equal(get(w, WRAPPED).next_rotation_time, 1);
}

#define N_LABELS 20

static void add_labels(struct home_world *w, void *arg)
{
	world_open(w);
	for (unsigned i = 0; i < N_LABELS; i++) {
		struct clv_key_changes changes = { 0 };
		struct clv_key key;
		char label[32];

		snprintf(label, sizeof label, "%s-%u=1", (const char *) arg, i);
		changes.update_labels = label;
		assert_ok(w, clv_key_update(w->ctx, NULL, WRAPPED, &changes, &key, &w->err));
		assert_non_null(strstr(key.labels, label));
	}
}

static void labels_of_several_writers_are_all_there(struct home_world *w)
{
	pid_t children[3];
	char *names[] = { (char[]){ "a" }, (char[]){ "b" }, (char[]){ "c" } };
	unsigned n = 0;
	struct clv_key key;

	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		children[i] = world_fork(w, add_labels, names[i]);
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		world_wait(children[i]);
	world_open(w);
	key = get(w, WRAPPED);
	for (const char *at = key.labels; (at = strchr(at, '=')) != NULL; at++)
		n++;
	assert_int_equal(n, 3 * N_LABELS);
}

/* ---- rotation */

static void due_key_gets_a_new_primary_and_its_next_time(struct home_world *w)
{
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		const int64_t due = clv_time_now() - 5;
		struct clv_buf old = { 0 }, new = { 0 };
		char version[CLV_NAME_MAX], name[CLV_NAME_MAX + 32];
		struct clv_version made;
		struct clv_key key;

		assert_ok(w, world_encrypt(w, keys[k], TEXT, &old));
		schedule(w, strrchr(keys[k], '/') + 1, DAY, due);
		assert_int_equal(maintain(w).rotated, 1);
		key = get(w, keys[k]);
		assert_int_equal(key.primary, 2);
		assert_int_equal(key.primary_version.state, CLV_STATE_ENABLED);
		assert_int_equal(key.rotation_period, DAY);
		assert_int_equal(key.next_rotation_time, due + DAY);
		assert_ok(w, clv_encrypt(w->ctx, NULL, keys[k],
					 (struct clv_bytes){ (const uint8_t *) TEXT, strlen(TEXT) },
					 (struct clv_bytes){ 0 }, &new, version, &w->err));
		snprintf(name, sizeof name, "%s/cryptoKeyVersions/2", keys[k]);
		assert_string_equal(version, name);
		assert_ok(w, world_decrypt(w, keys[k], &old, TEXT));
		assert_ok(w, world_decrypt(w, keys[k], &new, TEXT));
		assert_ok(w, clv_version_get(w->ctx, NULL, name, &made, &w->err));
		assert_string_equal(made.state_reason, "rotation by schedule");
		assert_int_equal(maintain(w).rotated, 0);
		assert_int_equal(world_log_count(w, "claviger.homes.maintain", keys[k],
						 "rotation by schedule", name),
				 1);
		clv_buf_done(&old);
		clv_buf_done(&new);
	}
}

/* Not one rotation for each time that was missed. */
static void key_that_was_due_many_times_is_rotated_once(struct home_world *w)
{
	const int64_t now = clv_time_now(), due = now - 1000 * DAY + DAY / 2;

	world_open(w);
	schedule(w, "wrapped", DAY, due);
	assert_int_equal(maintain(w).rotated, 1);
	assert_int_equal(get(w, WRAPPED).primary, 2);
	assert_int_equal(get(w, WRAPPED).next_rotation_time, now + DAY / 2);
	assert_int_equal(n_versions(w), 3);
}

static void single_rotation_is_done_and_forgotten(struct home_world *w)
{
	world_open(w);
	schedule(w, "wrapped", 0, clv_time_now());
	assert_int_equal(maintain(w).rotated, 1);
	assert_int_equal(get(w, WRAPPED).next_rotation_time, 0);
	assert_int_equal(maintain(w).rotated, 0);
	assert_int_equal(get(w, WRAPPED).primary, 2);
}

static void key_is_not_rotated_before_its_time(struct home_world *w)
{
	const int64_t later = clv_time_now() + DAY; /* or a clock that was turned back by a day */

	world_open(w);
	schedule(w, "%", DAY, later);
	assert_int_equal(maintain(w).rotated, 0);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		assert_int_equal(get(w, keys[k]).primary, 1);
		assert_int_equal(get(w, keys[k]).next_rotation_time, later);
	}
	assert_int_equal(n_versions(w), 2);
}

static void rotation_by_hand_does_not_move_the_time(struct home_world *w)
{
	const int64_t later = clv_time_now() + DAY;

	world_open(w);
	schedule(w, "wrapped", DAY, later);
	assert_ok(w, new_version(w, WRAPPED));
	assert_ok(w, set_primary(w, WRAPPED, 2));
	assert_int_equal(get(w, WRAPPED).next_rotation_time, later);
	assert_int_equal(get(w, WRAPPED).rotation_period, DAY);
	/* Nor does it do what is due already. */
	schedule(w, "wrapped", DAY, 1);
	assert_ok(w, set_primary(w, WRAPPED, 1));
	assert_int_equal(maintain(w).rotated, 1);
	assert_int_equal(get(w, WRAPPED).primary, 3);
}

static void key_without_a_version_gets_its_first_when_it_is_due(struct home_world *w)
{
	const struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
						 .next_rotation_time = clv_time_now() + DAY,
						 .skip_initial_version = true };

	world_open(w);
	assert_ok(w, create(w, KEY("k"), &options));
	schedule(w, "k", 0, 1);
	assert_int_equal(maintain(w).rotated, 1);
	assert_int_equal(get(w, KEY("k")).primary, 1);
	assert_ok(w, use(w, KEY("k")));
}

static void primary_that_is_off_is_replaced_all_the_same(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err));
	schedule(w, "wrapped", 0, 1);
	assert_int_equal(maintain(w).rotated, 1);
	assert_ok(w, use(w, WRAPPED));
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE state = 2"), 1);
}

static void rotation_is_left_until_the_token_is_back(struct home_world *w)
{
	struct clv_maintain_report report;

	schedule(w, "%", DAY, 1);
	world_tokens_away(w);
	world_open(w);
	report = maintain(w);
	assert_int_equal(report.rotated, 0);
	assert_int_equal(report.left, 2);
	assert_true(report.why[0] != '\0');
	assert_int_equal(n_versions(w), 2);
	assert_int_equal(get(w, WRAPPED).next_rotation_time, 1); /* still due */
	world_tokens_back(w);
	sleep(1); /* for as long as a failed opening is remembered, at least */
	report = maintain(w);
	assert_int_equal(report.rotated, 2);
	assert_int_equal(report.left, 0);
}

/* ---- several at once, and some that die */

static void make_keys(struct home_world *w, void *arg)
{
	(void) arg;
	world_open(w);
	for (unsigned i = 0; i < N_WRAPPED + N_TOKEN; i++) {
		char name[128];

		snprintf(name, sizeof name, "%sdue-%02u", KEY(""), i);
		assert_ok(w, world_new_key(w, name,
					   i % 5 == 0 && i / 5 < N_TOKEN ? CLV_RESIDENCY_TOKEN
									 : CLV_RESIDENCY_WRAPPED));
	}
}

/* Each key that was due has exactly two versions, the second is the primary, and each one that is
 * said to be in the token is there. */
static void assert_rotated_once(const struct home_world *w)
{
	struct raw_object *objects = calloc(256, sizeof *objects);
	int64_t n_resident = 0;
	size_t n;

	assert_non_null(objects);
	assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys k WHERE id LIKE 'due-%'"
					" AND (primary_number <> 2 OR next_rotation_time < 9"
					" OR (SELECT count(*) FROM versions"
					" WHERE crypto_key = k.row) <> 2)"),
			 0);
	n = world_objects(w, objects, 256);
	for (size_t i = 0; i < n; i++)
		n_resident += strncmp(objects[i].label, KEY("due"), strlen(KEY("due"))) == 0;
	free(objects);
	assert_int_equal(n_resident, 2 * N_TOKEN);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
}

static void maintain_and_tell(struct home_world *w, void *arg)
{
	const int *ends = arg;
	struct clv_maintain_report report;
	char go;

	world_open(w);
	assert_int_equal(read(ends[0], &go, 1), 1);
	report = maintain(w);
	if (report.left != 0)
		fail_msg("%ju left: %s", (uintmax_t) report.left, report.why);
	assert_int_equal(write(ends[3], &report.rotated, sizeof report.rotated),
			 sizeof report.rotated);
}

static void four_processes_rotate_each_key_once(struct home_world *w)
{
	uint64_t sum = 0, n;
	pid_t children[4];
	int ends[4];

	world_in_child(w, make_keys, NULL);
	schedule(w, "due-%", 365 * DAY, 1);
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
	assert_int_equal(world_log_count(w, "rotation by schedule", "cryptoKeyVersions/2"),
			 N_WRAPPED + N_TOKEN);
	assert_rotated_once(w);
}

/* The linker sends the library's calls here (-Wl,--wrap). */
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
DIES(store_key_rotate,
     (struct store * store, const struct clv_grant *grant, const struct store_key *key,
      const struct store_version *version, const char *intent, uint64_t *ret_number,
      struct clv_err *err),
     (store, grant, key, version, intent, ret_number, err))

static void maintain_and_die(struct home_world *w, void *arg)
{
	world_open(w);
	die_at = *(const unsigned *) arg;
	maintain(w);
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

/* A TOKEN key has four places to die at, a WRAPPED one has two. */
static void killed_rotation_is_done_by_the_next_and_only_once(struct home_world *w)
{
	int status = 0;

	world_in_child(w, make_keys, NULL);
	schedule(w, "due-%", 365 * DAY, 1);
	for (unsigned at = 1; at <= 9; at++) {
		pid_t child = world_fork(w, maintain_and_die, &at);

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	print_message("# %jd rotated by then\n",
		      (intmax_t) world_count(w, "SELECT count(*) FROM crypto_keys"
						" WHERE primary_number = 2"));
	world_in_child(w, maintain_in_a_child, NULL);
	assert_rotated_once(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(key_is_made_as_it_was_asked_for),
		home_test(key_that_breaks_a_rule_is_not_made),
		home_test(key_without_a_version_gets_a_primary_when_one_is_set),
		home_test(import_only_key_generates_no_version),
		home_test(key_of_another_purpose_has_no_primary_and_no_schedule),
		home_test(only_what_is_named_is_changed_and_empty_clears),
		home_test(change_that_breaks_a_rule_changes_nothing),
		home_test(key_that_is_overdue_can_be_changed),
		home_test(labels_of_several_writers_are_all_there),
		home_test(due_key_gets_a_new_primary_and_its_next_time),
		home_test(key_that_was_due_many_times_is_rotated_once),
		home_test(single_rotation_is_done_and_forgotten),
		home_test(key_is_not_rotated_before_its_time),
		home_test(rotation_by_hand_does_not_move_the_time),
		home_test(key_without_a_version_gets_its_first_when_it_is_due),
		home_test(primary_that_is_off_is_replaced_all_the_same),
		home_test(rotation_is_left_until_the_token_is_back),
		home_test(four_processes_rotate_each_key_once),
		home_test(killed_rotation_is_done_by_the_next_and_only_once),
	};
	return cmocka_run_group_tests_name("rotation", tests, home_group_set_up,
					   home_group_tear_down);
}
