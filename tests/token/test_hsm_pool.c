/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: few or many, one owner each, waited for but not for ever. */
#include <string.h>
#include <unistd.h>

#include <claviger/time.h>

#include "tests/support/token_world.h"

/* Everything that a token is for, once. */
static void use_everything(struct world *w)
{
	struct hsm_blob ring_blob, blob;
	struct hsm_keyref ring, key, in_token;
	struct sealed sealed;

	world_generate(w, HSM_ROLE_RING_KEK, &w->root, &ring_blob, &ring);
	for (int i = 0; i < 8; i++) { /* keys of all keepers */
		world_generate(w, HSM_ROLE_VERSION, &ring, &blob, &key);
		key.id[0] = (uint8_t) i;
		world_seal(w, &key, "text", &sealed);
		hsm_key_evict(w->hsm, key.id);
		assert_ok(w, world_unseal(w, &key, &sealed, "text", &w->err));
	}
	world_token_key(w, &in_token);
	world_seal(w, &in_token, "text", &sealed);
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, in_token.id, false, &w->err));
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, in_token.id, true, &w->err));
	assert_ok(w, world_unseal(w, &in_token, &sealed, "text", &w->err));
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, in_token.id, &w->err));
}

static void everything_works(void **state)
{
	struct world *w = *state;
	struct hsm_counts counts;

	use_everything(w);
	hsm_counts_get(w->hsm, &counts);
	assert_in_range(counts.sessions_open, 1, w->options.max_sessions);
	assert_int_equal(counts.sessions_open, w->shim->sessions());
	assert_int_equal(counts.sessions_out, 0);
	assert_int_equal(counts.logins, 1);
}

static void everything_works_with_one_session(void **state)
{
	everything_works(state);
}

static void everything_works_with_two_sessions(void **state)
{
	everything_works(state);
}

static void everything_works_with_three_sessions(void **state)
{
	everything_works(state);
}

static void everything_works_with_sixteen_sessions(void **state)
{
	everything_works(state);
}

static void a_limit_that_the_token_tells_is_kept(void **state)
{
	struct world *w = *state;

	for (unsigned most = 1; most <= 5; most++) {
		world_close(w);
		w->shim->limit_sessions(most, true);
		world_open(w);
		use_everything(w);
		assert_in_range(w->shim->sessions(), 1, most);
	}
}

static void check_hidden_limit(struct world *w, unsigned most)
{
	world_close(w);
	w->shim->limit_sessions(most, false);
	world_open(w);
	use_everything(w);
	assert_in_range(w->shim->sessions(), 1, most);
}

static void a_limit_of_five_that_the_token_does_not_tell_is_lived_with(void **state)
{
	check_hidden_limit(*state, 5);
}

static void a_limit_of_three_that_the_token_does_not_tell_is_lived_with(void **state)
{
	check_hidden_limit(*state, 3);
}

static void a_limit_of_two_that_the_token_does_not_tell_is_lived_with(void **state)
{
	check_hidden_limit(*state, 2);
}

static void a_limit_of_one_that_the_token_does_not_tell_is_lived_with(void **state)
{
	check_hidden_limit(*state, 1);
}

/* ---- waiting ---- */

static void no_free_session_in_time_is_resource_exhausted(void **state)
{
	struct world *w = *state;
	struct hsm_session *held = NULL;
	int64_t begun;

	assert_ok(w, hsm_session_acquire(w->hsm, &held, &w->err));
	begun = clv_mono_ns();
	assert_refused(w, hsm_ping(w->hsm, &w->err), CLV_E_RESOURCE_EXHAUSTED, "within 150 ms");
	assert_true(clv_mono_ns() - begun >= 150 * CLV_NS_PER_MS);
	hsm_session_release(held);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
}

struct waiter {
	struct world *w;
	pthread_t thread;
	clv_rc rc;
	struct clv_err err;
};

static void *ping_in_thread(void *arg)
{
	struct waiter *waiter = arg;

	waiter->rc = hsm_ping(waiter->w->hsm, &waiter->err);
	return NULL;
}

static void who_waits_gets_the_session_that_is_given_back(void **state)
{
	struct world *w = *state;
	struct hsm_session *held = NULL;
	struct waiter waiters[4];

	assert_ok(w, hsm_session_acquire(w->hsm, &held, &w->err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(waiters); i++) {
		waiters[i].w = w;
		pthread_create(&waiters[i].thread, NULL, ping_in_thread, &waiters[i]);
	}
	usleep(30000);
	hsm_session_release(held);
	for (size_t i = 0; i < CLV_ARRAY_LEN(waiters); i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_rc(waiters[i].rc, CLV_OK);
	}
}

/* ---- owners ---- */

enum { THREADS = 8, ROUNDS = 400 };

struct worker {
	struct world *w;
	pthread_t thread;
	unsigned number, failed;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct world *w = worker->w;
	struct clv_err err;
	uint8_t iv[HSM_IV_MAX], out[64], opened[64];
	size_t iv_len;

	for (int i = 0; i < ROUNDS; i++) {
		clv_rc rc = hsm_encrypt(w->hsm, grant(), &w->version, bytes_of("a"),
					bytes_of("text"), iv, &iv_len, out, &err);

		if (rc == CLV_OK)
			rc = hsm_decrypt(w->hsm, grant(), &w->version, bytes_of("a"),
					 (struct clv_bytes){ iv, iv_len },
					 (struct clv_bytes){ out, 20 }, opened, &err);
		worker->failed += rc != CLV_OK || memcmp(opened, "text", 4) != 0;
		if (i % 16 == (int) worker->number)
			hsm_key_evict(w->hsm, i % 2 != 0 ? w->version.id : w->ring.id);
	}
	return NULL;
}

static void check_owners(struct world *w)
{
	struct worker workers[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .w = w, .number = i };
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].failed, 0);
	}
	assert_int_equal(w->shim->shared(), 0);
}

static void a_session_has_one_owner(void **state)
{
	check_owners(*state);
}

static void a_single_session_has_one_owner(void **state)
{
	check_owners(*state);
}

static void two_sessions_have_one_owner_each(void **state)
{
	check_owners(*state);
}

int main(void)
{
	static const struct world_options one = { .max_sessions = 1 }, two = { .max_sessions = 2 },
					  three = { .max_sessions = 3 },
					  sixteen = { .max_sessions = 16 },
					  waits = { .max_sessions = 2, .wait_ms = 150 },
					  short_wait = { .wait_ms = 300 };
	const struct CMUnitTest tests[] = {
		token_test_with(everything_works_with_one_session, &one),
		token_test_with(everything_works_with_two_sessions, &two),
		token_test_with(everything_works_with_three_sessions, &three),
		token_test_with(everything_works_with_sixteen_sessions, &sixteen),
		token_test(a_limit_that_the_token_tells_is_kept),
		token_test_with(a_limit_of_five_that_the_token_does_not_tell_is_lived_with,
				&short_wait),
		token_test_with(a_limit_of_three_that_the_token_does_not_tell_is_lived_with,
				&short_wait),
		token_test_with(a_limit_of_two_that_the_token_does_not_tell_is_lived_with,
				&short_wait),
		token_test_with(a_limit_of_one_that_the_token_does_not_tell_is_lived_with,
				&short_wait),
		token_test_with(no_free_session_in_time_is_resource_exhausted, &waits),
		token_test_with(who_waits_gets_the_session_that_is_given_back, &two),
		token_test(a_session_has_one_owner),
		token_test_with(a_single_session_has_one_owner, &one),
		token_test_with(two_sessions_have_one_owner_each, &two),
	};

	return TOKEN_MAIN("hsm: sessions", tests);
}
