/* SPDX-License-Identifier: Apache-2.0 */
/* Disabling and enabling versions: at once, in every process, with and without the token. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <claviger/time.h>

#include "hsm/hsm.h"
#include "lib/api/inflight.h"
#include "lib/audit/audit.h"
#include "tests/support/home_world.h"

#define TEXT "Dear customer"
#define ROUNDS 200

static const char *const keys[] = { WRAPPED, TOKEN };
static const char *const versions[] = { VERSION(WRAPPED), VERSION(TOKEN) };

static clv_rc disable(struct home_world *w, const char *name, struct clv_switch_report *ret)
{
	return clv_version_disable(w->ctx, NULL, name, "a reason", ret, &w->err);
}

static clv_rc enable(struct home_world *w, const char *name, struct clv_switch_report *ret)
{
	return clv_version_enable(w->ctx, NULL, name, "a reason", ret, &w->err);
}

static clv_rc use(struct home_world *w, const char *key)
{
	struct clv_buf out = { 0 };
	clv_rc rc = world_encrypt(w, key, TEXT, &out);

	clv_buf_done(&out);
	return rc;
}

/* ---- what the token itself says */

/* Of the TOKEN-resident version: 0 neither flag, 1 both; anything else ends the test. */
static int raw_flags(const struct home_world *w)
{
	struct raw_object objects[32];
	size_t n = world_objects(w, objects, CLV_ARRAY_LEN(objects));

	for (size_t i = 0; i < n; i++) {
		if (strcmp(objects[i].label, TOKEN) != 0)
			continue;
		assert_int_equal(objects[i].encrypt, objects[i].decrypt);
		return objects[i].encrypt;
	}
	fail_msg("there is no token object with the label %s", TOKEN);
	return -1;
}

/* ---- states */

static const struct {
	bool enable;
	bool changed;
	enum clv_state state; /* afterwards */
} steps[] = {
	{ true, false, CLV_STATE_ENABLED },   { false, true, CLV_STATE_DISABLED },
	{ false, false, CLV_STATE_DISABLED }, { true, true, CLV_STATE_ENABLED },
	{ true, false, CLV_STATE_ENABLED },   { false, true, CLV_STATE_DISABLED },
};

static void assert_step(struct home_world *w, size_t k, size_t i)
{
	struct clv_switch_report report = { .holders = 99 };
	struct clv_version version;

	assert_ok(w, steps[i].enable ? enable(w, versions[k], &report)
				     : disable(w, versions[k], &report));
	assert_int_equal(report.changed, steps[i].changed);
	assert_int_equal(report.version.state, steps[i].state);
	assert_int_equal(report.holders, 0);
	assert_false(report.token_pending);
	assert_ok(w, clv_version_get(w->ctx, NULL, versions[k], &version, &w->err));
	assert_int_equal(version.state, steps[i].state);
	assert_int_equal(version.state_time, report.version.state_time);
	assert_string_equal(version.state_reason, i == 0 ? "" : "a reason");
	assert_int_equal(use(w, keys[k]),
			 version.state == CLV_STATE_ENABLED ? CLV_OK : CLV_E_FAILED_PRECONDITION);
}

static void disable_and_enable_walk_through_the_states(struct home_world *w)
{
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		for (size_t i = 0; i < CLV_ARRAY_LEN(steps); i++)
			assert_step(w, k, i);
	}
}

static void refusal_is_word_for_word_that_of_cloud_kms(struct home_world *w)
{
	struct clv_switch_report report;
	struct clv_buf out = { 0 };

	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, TEXT, &out));
	assert_ok(w, disable(w, VERSION(WRAPPED), &report));
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	assert_string_equal(w->err.text,
			    VERSION(WRAPPED) " is not enabled, current state is: DISABLED.");
	assert_int_equal(world_decrypt(w, WRAPPED, &out, TEXT), CLV_E_FAILED_PRECONDITION);
	assert_string_equal(w->err.text,
			    VERSION(WRAPPED) " is not enabled, current state is: DISABLED.");
	clv_buf_done(&out);
}

static void other_keys_do_not_notice(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	assert_ok(w, disable(w, VERSION(TOKEN), &report));
	assert_ok(w, use(w, WRAPPED));
	assert_ok(w, enable(w, VERSION(TOKEN), &report));
	assert_ok(w, disable(w, VERSION(WRAPPED), &report));
	assert_ok(w, use(w, TOKEN));
}

static void reason_that_is_too_long_changes_nothing(struct home_world *w)
{
	struct clv_switch_report report;
	char reason[CLV_REASON_MAX + 1];

	memset(reason, 'r', sizeof reason);
	reason[CLV_REASON_MAX] = '\0';
	world_open(w);
	assert_int_equal(
		clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), reason, &report, &w->err),
		CLV_E_INVALID_ARGUMENT);
	assert_ok(w, use(w, WRAPPED));
	reason[CLV_REASON_MAX - 1] = '\0'; /* the longest there may be */
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), reason, &report, &w->err));
	assert_string_equal(report.version.state_reason, reason);
}

/* ---- another process that has the key in use */

struct user {
	int ask[2], answer[2];
	pid_t pid;
};

/* Uses the key of the number it reads, answers with the outcome; ends at the end of file. */
static void use_when_asked(struct home_world *w, void *arg)
{
	const struct user *user = arg;
	struct clv_buf ciphertexts[2] = { { 0 }, { 0 } };
	uint8_t k, rc;

	close(user->ask[1]);
	world_open(w);
	for (size_t i = 0; i < 2; i++)
		assert_ok(w, world_encrypt(w, keys[i], TEXT, &ciphertexts[i]));
	while (read(user->ask[0], &k, 1) == 1) {
		rc = (uint8_t) world_decrypt(w, keys[k], &ciphertexts[k], TEXT);
		if (rc == CLV_OK)
			rc = (uint8_t) use(w, keys[k]);
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
	user.pid = world_fork(w, use_when_asked, &user);
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

static void running_process_is_cut_off_and_let_in_again_at_once(struct home_world *w)
{
	struct user user = user_start(w);
	struct clv_switch_report report;

	world_open(w);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t k = i % 2;

		assert_int_equal(user_tries(&user, k), CLV_OK);
		assert_ok(w, disable(w, versions[k], &report));
		assert_int_equal(user_tries(&user, k), CLV_E_FAILED_PRECONDITION);
		assert_int_equal(user_tries(&user, !k), CLV_OK);
		assert_ok(w, enable(w, versions[k], &report));
	}
	assert_int_equal(user_tries(&user, 0), CLV_OK);
	user_end(&user);
}

/* ---- without the token */

static void wrapped_version_is_disabled_without_its_token(struct home_world *w)
{
	struct clv_switch_report report;
	struct user user = user_start(w);

	assert_int_equal(user_tries(&user, 0), CLV_OK);
	world_tokens_away(w);
	world_open(w);
	assert_ok(w, disable(w, VERSION(WRAPPED), &report));
	assert_true(report.changed);
	assert_false(report.token_pending);
	assert_int_equal(user_tries(&user, 0),
			 CLV_E_FAILED_PRECONDITION); /* it has the key still */
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	assert_int_equal(enable(w, VERSION(WRAPPED), &report), CLV_E_UNAVAILABLE);
	world_tokens_back(w);
	user_end(&user);
}

static void token_version_is_disabled_without_its_token_and_its_flags_follow(struct home_world *w)
{
	static const char pending[] = "SELECT count(*) FROM versions WHERE token_enabled = 1"
				      " AND residency = 2 AND state = 2";
	struct clv_switch_report report;
	struct clv_status status;

	world_tokens_away(w);
	world_open(w);
	assert_ok(w, disable(w, VERSION(TOKEN), &report));
	assert_true(report.changed && report.token_pending);
	assert_true(report.token_pending_why[0] != '\0');
	assert_int_equal(use(w, TOKEN), CLV_E_FAILED_PRECONDITION);
	assert_int_equal(world_count(w, pending), 1);
	world_tokens_back(w);
	assert_int_equal(raw_flags(w), 1);
	sleep(1); /* for as long as a failed opening is remembered, at least */
	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	assert_int_equal(status.locations[0].token_rc, CLV_OK);
	assert_int_equal(status.locations[0].n_token_pending, 0);
	clv_status_done(&status);
	assert_int_equal(raw_flags(w), 0);
	assert_int_equal(world_count(w, pending), 0);
}

static void token_version_is_not_enabled_without_its_token(struct home_world *w)
{
	struct clv_switch_report report = { .holders = 99 };

	world_tokens_away(w);
	world_open(w);
	assert_ok(w, disable(w, VERSION(TOKEN), &report));
	report.holders = 99;
	assert_int_equal(enable(w, VERSION(TOKEN), &report), CLV_E_UNAVAILABLE);
	assert_int_equal(report.holders, 99);
	assert_int_equal(use(w, TOKEN), CLV_E_FAILED_PRECONDITION);
	world_tokens_back(w);
	sleep(1);
	assert_ok(w, enable(w, VERSION(TOKEN), &report));
	assert_ok(w, use(w, TOKEN));
	assert_int_equal(raw_flags(w), 1);
}

/* ---- the token itself */

/* With PKCS#11 alone, as somebody would who has the PIN but not our state. */
static clv_rc encrypt_behind_our_back(struct home_world *w)
{
	struct hsm_options options = { .uri = NULL, .base_dir = w->home };
	struct hsm_keyref key = { .role = HSM_ROLE_VERSION };
	struct clv_token *tokens = NULL;
	struct clv_version version;
	uint8_t iv[HSM_IV_MAX], out[64];
	struct hsm *hsm = NULL;
	size_t n, iv_len;
	clv_rc rc;

	assert_ok(w, clv_token_list(w->ctx, NULL, LOCATION, &tokens, &n, &w->err));
	options.uri = tokens[0].uri;
	assert_ok(w, clv_version_get(w->ctx, NULL, VERSION(TOKEN), &version, &w->err));
	memcpy(key.id, version.uid, sizeof key.id);
	assert_ok(w, hsm_open(&options, &hsm, &w->err));
	rc = hsm_encrypt(hsm, clv_grant_system(CLV_SYSTEM_PROBE), &key, (struct clv_bytes){ 0 },
			 (struct clv_bytes){ (const uint8_t *) TEXT, strlen(TEXT) }, iv, &iv_len,
			 out, &w->err);
	hsm_close(hsm);
	clv_page_free(tokens);
	return rc;
}

static void token_itself_refuses_a_disabled_token_version(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	assert_int_equal(raw_flags(w), 1);
	assert_ok(w, encrypt_behind_our_back(w));
	assert_ok(w, disable(w, VERSION(TOKEN), &report));
	assert_int_equal(raw_flags(w), 0);
	assert_true(encrypt_behind_our_back(w) != CLV_OK);
	assert_ok(w, enable(w, VERSION(TOKEN), &report));
	assert_int_equal(raw_flags(w), 1);
	assert_ok(w, encrypt_behind_our_back(w));
}

/* ---- somebody is inside */

struct insider {
	const struct home_world *w;
	struct inflight *gate;
	struct inflight_seat *seat;
	int64_t row;
	unsigned ms;
};

/* Inside as a use would be, by the room's own means. */
static struct insider go_inside(struct home_world *w, const char *key_id)
{
	struct insider insider = { .w = w };
	char sql[200];

	snprintf(
		sql, sizeof sql,
		"SELECT versions.row FROM versions JOIN crypto_keys ON crypto_key = crypto_keys.row"
		" WHERE id = '%s'",
		key_id);
	insider.row = world_count(w, sql);
	assert_ok(w, inflight_open(world_path(w, "gate"), &insider.gate, &w->err));
	assert_ok(w, inflight_seat_new(insider.gate, &insider.seat, &w->err));
	assert_ok(w, inflight_enter(insider.seat, insider.row, clv_deadline_in(1000), &w->err));
	return insider;
}

/* Once the version is disabled and the disable waits. */
static void *leave_later(void *arg)
{
	struct insider *insider = arg;
	char sql[80];

	snprintf(sql, sizeof sql, "SELECT state FROM versions WHERE row = %lld",
		 (long long) insider->row);
	while (world_count(insider->w, sql) != CLV_STATE_DISABLED)
		usleep(5000);
	usleep(insider->ms * 1000);
	inflight_leave(insider->seat, insider->row);
	inflight_seat_free(insider->seat);
	inflight_close(insider->gate);
	return NULL;
}

static void disable_waits_for_those_inside_and_tells(struct home_world *w)
{
	static const char *const ids[] = { "wrapped", "token" };
	struct clv_switch_report report;

	world_open(w);
	for (size_t k = 0; k < 2; k++) {
		struct insider insider = go_inside(w, ids[k]);
		pthread_t thread;

		insider.ms = 200;
		assert_int_equal(pthread_create(&thread, NULL, leave_later, &insider), 0);
		assert_ok(w, disable(w, versions[k], &report));
		assert_in_range(report.waited_ns / CLV_NS_PER_MS, 100, 9000);
		assert_int_equal(report.holders, 1);
		pthread_join(thread, NULL);
	}
}

static void disable_never_says_success_while_somebody_is_inside(struct home_world *w)
{
	struct clv_switch_report report = { .holders = 99 };
	struct insider insider;
	char text[64];

	w->deadline_ms = 300;
	world_open(w);
	insider = go_inside(w, "wrapped");
	snprintf(text, sizeof text, "process %d is still inside", (int) getpid());
	for (unsigned i = 0; i < 2; i++) { /* the second time it is disabled already */
		assert_refused(w, disable(w, VERSION(WRAPPED), &report), CLV_E_DEADLINE_EXCEEDED,
			       text);
		assert_non_null(strstr(w->err.text, VERSION(WRAPPED) " is disabled for new uses"));
		assert_int_equal(report.holders, 99);
		assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	}
	leave_later(&insider);
	assert_ok(w, disable(w, VERSION(WRAPPED), &report));
	assert_false(report.changed);
}

/* ---- a use that is under way: its token call, or its audit entry, takes its time */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool park, parked; /* the next use stops at its token call */
	bool park_at_door; /* ... or before it goes inside */
	unsigned audit_ms; /* how long the next entry of a use takes */
} slow = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

/* The linker sends the library's calls here (-Wl,--wrap). */
clv_rc __real_hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
			  const struct hsm_keyref *key, struct clv_bytes aad,
			  struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
			  size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err);
clv_rc __wrap_hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
			  const struct hsm_keyref *key, struct clv_bytes aad,
			  struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
			  size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err);
clv_rc __real_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);
clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);

clv_rc __real_inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			     struct clv_err *err);
clv_rc __wrap_inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			     struct clv_err *err);

static void stop_here_if(bool wanted)
{
	pthread_mutex_lock(&slow.lock);
	if (wanted) {
		slow.parked = slow.park;
		pthread_cond_broadcast(&slow.cond);
		while (slow.park)
			pthread_cond_wait(&slow.cond, &slow.lock);
	}
	pthread_mutex_unlock(&slow.lock);
}

clv_rc __wrap_inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			     struct clv_err *err)
{
	stop_here_if(slow.park_at_door);
	return __real_inflight_enter(seat, row, deadline, err);
}

clv_rc __wrap_hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
			  const struct hsm_keyref *key, struct clv_bytes aad,
			  struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
			  size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err)
{
	stop_here_if(!slow.park_at_door);
	return __real_hsm_encrypt(hsm, grant, key, aad, plaintext, ret_iv, ret_iv_len,
				  ret_ciphertext, err);
}

clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err)
{
	if (!durable) /* of a use, not of a change */
		usleep(slow.audit_ms * 1000);
	return __real_audit_append(audit, entry, durable, err);
}

/* One call in a thread, and when it returned. */
struct call {
	struct home_world w; /* a copy: its own error */
	clv_rc rc;
	_Atomic int64_t returned; /* CLOCK_MONOTONIC ns; 0: not yet */
	pthread_t thread;
};

static void *call_use(void *arg)
{
	struct call *call = arg;

	call->rc = use(&call->w, WRAPPED);
	atomic_store(&call->returned, clv_mono_ns());
	return NULL;
}

static void *call_disable(void *arg)
{
	struct clv_switch_report report;
	struct call *call = arg;

	call->rc = disable(&call->w, VERSION(WRAPPED), &report);
	atomic_store(&call->returned, clv_mono_ns());
	return NULL;
}

static void start(struct home_world *w, struct call *call, void *(*fn)(void *arg))
{
	*call = (struct call){ .w = *w };
	assert_int_equal(pthread_create(&call->thread, NULL, fn, call), 0);
}

static void park_a_use(struct home_world *w, struct call *user)
{
	pthread_mutex_lock(&slow.lock);
	slow.park = true;
	slow.parked = false;
	pthread_mutex_unlock(&slow.lock);
	start(w, user, call_use);
	pthread_mutex_lock(&slow.lock);
	while (!slow.parked)
		pthread_cond_wait(&slow.cond, &slow.lock);
	pthread_mutex_unlock(&slow.lock);
}

static void let_it_go(void)
{
	pthread_mutex_lock(&slow.lock);
	slow.park = false;
	pthread_cond_broadcast(&slow.cond);
	pthread_mutex_unlock(&slow.lock);
}

static void disable_waits_for_a_token_call_under_way(struct home_world *w)
{
	struct call user, switcher;

	world_open(w);
	park_a_use(w, &user);
	start(w, &switcher, call_disable);
	usleep(150000);
	assert_int_equal(atomic_load(&switcher.returned), 0);
	let_it_go();
	pthread_join(user.thread, NULL);
	pthread_join(switcher.thread, NULL);
	assert_ok(&user.w, user.rc);
	assert_ok(&switcher.w, switcher.rc);
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
}

/* It has looked at the state and is about to go inside; by then the version is disabled. */
static void use_that_goes_inside_too_late_is_refused(struct home_world *w)
{
	struct clv_switch_report report;
	struct call user;

	world_open(w);
	assert_ok(w, use(w, WRAPPED));
	slow.park_at_door = true;
	park_a_use(w, &user);
	assert_ok(w, disable(w, VERSION(WRAPPED), &report));
	let_it_go();
	pthread_join(user.thread, NULL);
	assert_refused(&user.w, user.rc, CLV_E_FAILED_PRECONDITION, "is not enabled");
}

/* "... can start or hand out a result": also not what only waited for its audit entry. */
static void nothing_is_handed_out_after_disable_returned(struct home_world *w)
{
	struct call user, switcher;

	world_open(w);
	park_a_use(w, &user);
	start(w, &switcher, call_disable);
	usleep(100000);
	slow.audit_ms = 300;
	let_it_go();
	pthread_join(user.thread, NULL);
	pthread_join(switcher.thread, NULL);
	assert_ok(&user.w, user.rc);
	assert_ok(&switcher.w, switcher.rc);
	/* Not by the clocks of two threads, but by the order in the log. */
	{
		char *log = world_log(w);
		const char *used = strstr(log, "useToEncrypt");
		const char *disabled = strstr(log, "cryptoKeyVersions.update");

		assert_true(used != NULL && disabled != NULL);
		assert_true(used < disabled);
		free(log);
	}
}

/* ---- crosswise */

static void switch_at_random(struct home_world *w, void *arg)
{
	unsigned seed = *(unsigned *) arg + (unsigned) getpid();
	struct clv_switch_report report;

	world_open(w);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (rand_r(&seed) / 64 % 2 == 0)
			assert_ok(w, enable(w, VERSION(TOKEN), &report));
		else
			assert_ok(w, disable(w, VERSION(TOKEN), &report));
	}
}

static void switching_crosswise_ends_with_flags_that_fit_the_state(struct home_world *w)
{
	unsigned seed = world_env("CLAVIGER_SEED", (unsigned) clv_time_now());
	pid_t children[2];
	int64_t enabled;

	print_message("# seed %u\n", seed);
	for (size_t i = 0; i < 2; i++)
		children[i] = world_fork(w, switch_at_random, &seed);
	for (size_t i = 0; i < 2; i++)
		world_wait(children[i]);
	enabled = world_count(w, "SELECT state = 1 FROM versions WHERE residency = 2");
	assert_int_equal(world_count(w, "SELECT token_enabled FROM versions WHERE residency = 2"),
			 enabled);
	assert_int_equal(raw_flags(w), enabled);
	world_open(w);
	assert_int_equal(use(w, TOKEN), enabled ? CLV_OK : CLV_E_FAILED_PRECONDITION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(disable_and_enable_walk_through_the_states),
		home_test(refusal_is_word_for_word_that_of_cloud_kms),
		home_test(other_keys_do_not_notice),
		home_test(reason_that_is_too_long_changes_nothing),
		home_test(running_process_is_cut_off_and_let_in_again_at_once),
		home_test(wrapped_version_is_disabled_without_its_token),
		home_test(token_version_is_disabled_without_its_token_and_its_flags_follow),
		home_test(token_version_is_not_enabled_without_its_token),
		home_test(token_itself_refuses_a_disabled_token_version),
		home_test(disable_waits_for_those_inside_and_tells),
		home_test(disable_never_says_success_while_somebody_is_inside),
		home_test(disable_waits_for_a_token_call_under_way),
		home_test(use_that_goes_inside_too_late_is_refused),
		home_test(nothing_is_handed_out_after_disable_returned),
		home_test(switching_crosswise_ends_with_flags_that_fit_the_state),
	};
	return cmocka_run_group_tests_name("switch", tests, home_group_set_up,
					   home_group_tear_down);
}
