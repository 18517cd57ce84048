/* SPDX-License-Identifier: Apache-2.0 */
/* Unwrapped keys: unwrapped once, bounded, gone when told to go, unwrapped again when lost. */
#include <string.h>
#include <unistd.h>

#include "tests/support/token_world.h"

enum { THREADS = 8 };

static struct hsm_counts counts_of(struct world *w)
{
	struct hsm_counts counts;

	hsm_counts_get(w->hsm, &counts);
	return counts;
}

static void a_key_is_looked_up_and_unwrapped_once(void **state)
{
	struct world *w = *state;
	struct hsm_counts before, after;
	struct hsm_keyref in_token;
	struct sealed sealed;

	world_close(w);
	world_open(w);
	world_token_key(w, &in_token);
	before = counts_of(w);
	for (int i = 0; i < 50; i++) {
		world_seal(w, &w->version, "text", &sealed);
		world_seal(w, &in_token, "text", &sealed);
	}
	after = counts_of(w);
	assert_int_equal(after.lookups - before.lookups, 2); /* the root, the key in the token */
	assert_int_equal(after.unwraps - before.unwraps, 2); /* the ring KEK, the version */
	assert_int_equal(after.keys_cached, 4);
	assert_int_equal(w->shim->session_objects(), 2);
}

struct worker {
	struct world *w;
	pthread_t thread;
	pthread_barrier_t *together;
	clv_rc rc;
	struct clv_err err;
};

static void *encrypt_together(void *arg)
{
	struct worker *worker = arg;
	struct world *w = worker->w;
	uint8_t iv[HSM_IV_MAX], out[64];
	size_t iv_len;

	pthread_barrier_wait(worker->together);
	worker->rc = hsm_encrypt(w->hsm, grant(), &w->version, bytes_of("a"), bytes_of("text"), iv,
				 &iv_len, out, &worker->err);
	return NULL;
}

static void run_together(struct world *w, struct worker workers[THREADS])
{
	pthread_barrier_t together;

	pthread_barrier_init(&together, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .w = w, .together = &together };
		pthread_create(&workers[i].thread, NULL, encrypt_together, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&together);
}

static void threads_that_miss_the_same_key_wait_for_one_of_them(void **state)
{
	struct world *w = *state;
	struct worker workers[THREADS];

	for (int round = 0; round < 20; round++) {
		struct hsm_counts before, after;

		hsm_key_evict(w->hsm, w->version.id);
		hsm_key_evict(w->hsm, w->ring.id);
		w->shim->delay(SHIM_C_UnwrapKey, 2000);
		before = counts_of(w);
		run_together(w, workers);
		after = counts_of(w);
		for (int i = 0; i < THREADS; i++)
			assert_rc(workers[i].rc, CLV_OK);
		assert_int_equal(after.unwraps - before.unwraps, 2);
		assert_int_equal(w->shim->session_objects(), 2);
	}
}

static void a_failed_unwrap_fails_no_one_for_good(void **state)
{
	struct world *w = *state;
	struct worker workers[THREADS];

	hsm_key_evict(w->hsm, w->version.id);
	w->shim->delay(SHIM_C_UnwrapKey, 2000);
	w->shim->fault(SHIM_C_UnwrapKey, 1, CKR_HOST_MEMORY, SHIM_ONCE);
	run_together(w, workers);
	for (int i = 0, failed = 0; i < THREADS; i++) {
		failed += workers[i].rc != CLV_OK;
		assert_in_range(failed, 0, 1);
	}
	run_together(w, workers);
	for (int i = 0; i < THREADS; i++)
		assert_rc(workers[i].rc, CLV_OK);
}

static void no_more_keys_are_kept_than_asked(void **state)
{
	enum { KEYS = 20, MOST = 4 };
	struct world *w = *state;
	struct hsm_blob blobs[KEYS];
	struct hsm_keyref keys[KEYS];
	struct sealed sealed[KEYS];

	for (int i = 0; i < KEYS; i++)
		world_generate(w, HSM_ROLE_VERSION, &w->ring, &blobs[i], &keys[i]);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < KEYS; i++) {
			if (round == 0)
				world_seal(w, &keys[i], "text", &sealed[i]);
			assert_ok(w, world_unseal(w, &keys[i], &sealed[i], "text", &w->err));
			assert_in_range(counts_of(w).keys_cached, 1, MOST);
			assert_in_range(w->shim->session_objects(), 1, MOST + 1);
		}
	}
}

static void the_key_used_last_is_kept_longest(void **state)
{
	struct world *w = *state;
	struct hsm_blob blobs[6];
	struct hsm_keyref keys[6];
	struct sealed sealed;
	uint64_t before;

	for (int i = 0; i < 6; i++)
		world_generate(w, HSM_ROLE_VERSION, &w->ring, &blobs[i], &keys[i]);
	world_seal(w, &keys[0], "text", &sealed);
	before = counts_of(w).unwraps;
	for (int i = 1; i < 6; i++) {
		world_seal(w, &keys[i], "text", &sealed);
		world_seal(w, &keys[0], "text", &sealed);
	}
	/* The five others, and no more: keys[0] stayed. The ring KEK is used by each of them. */
	assert_int_equal(counts_of(w).unwraps - before, 5);
}

/* ---- evicting ---- */

static void evicting_destroys_the_session_object_at_once(void **state)
{
	struct world *w = *state;
	struct sealed sealed;
	unsigned before;

	world_seal(w, &w->version, "text", &sealed);
	before = w->shim->session_objects();
	hsm_key_evict(w->hsm, w->version.id);
	assert_int_equal(w->shim->session_objects(), before - 1);
	hsm_key_evict(w->hsm, w->version.id); /* again: nothing to do */
	hsm_key_evict(w->hsm, w->ring.id);
	assert_int_equal(w->shim->session_objects(), 0);
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
}

static void evicting_a_key_in_use_destroys_it_at_the_end(void **state)
{
	struct world *w = *state;
	struct hsm_pin pin = { 0 };
	unsigned before;

	assert_ok(w, hsm_key_pin(w->hsm, &w->version, &pin, &w->err));
	before = w->shim->session_objects();
	hsm_key_evict(w->hsm, w->version.id);
	assert_int_equal(w->shim->session_objects(), before);
	hsm_key_unpin(&pin);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
	hsm_key_evict(w->hsm, w->version.id); /* any work buries the dead */
	assert_int_equal(w->shim->session_objects(), before - 1);
}

struct evictor {
	struct world *w;
	bool done;
};

static void evict_now(void *arg)
{
	struct evictor *evictor = arg;

	if (!evictor->done)
		hsm_key_evict(evictor->w->hsm, evictor->w->version.id);
	evictor->done = true;
}

static void a_key_evicted_while_it_is_unwrapped_does_not_stay(void **state)
{
	struct world *w = *state;
	struct evictor evictor = { .w = w };
	struct sealed sealed;
	unsigned before;

	hsm_key_evict(w->hsm, w->version.id);
	before = counts_of(w).keys_cached;
	w->shim->hook(SHIM_C_UnwrapKey, evict_now, &evictor);
	world_seal(w, &w->version, "text", &sealed);
	w->shim->hook(SHIM_C_UnwrapKey, NULL, NULL);
	assert_true(evictor.done);
	assert_int_equal(counts_of(w).keys_cached, before);
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
}

/* ---- losing keys ---- */

static void keys_of_a_dead_keeper_are_unwrapped_again(void **state)
{
	struct world *w = *state;
	struct sealed sealed;

	world_seal(w, &w->version, "text", &sealed);
	for (int i = 0; i < 16; i++) { /* the two keys in the same keeper, and in different ones */
		hsm_key_evict(w->hsm, w->version.id);
		hsm_key_evict(w->hsm, w->ring.id);
		w->version.id[0] = (uint8_t) (i % 4);
		w->ring.id[0] = (uint8_t) (i / 4);
		assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
		world_calm(w);
		assert_in_range(w->shim->kill_sessions(true), 1, 2);
		assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
		assert_int_equal(counts_of(w).rebuilds, 0);
	}
}

/* Once: the next try must find them alive. */
static void lose_all_keepers(void *arg)
{
	struct world *w = arg;

	w->shim->hook(SHIM_C_EncryptInit, NULL, NULL);
	w->shim->hook(SHIM_C_UnwrapKey, NULL, NULL);
	for (unsigned i = 0; i < w->hsm->pool.n_keepers; i++)
		atomic_store(&w->hsm->pool.keeper[i]->suspect, true);
}

/* SoftHSM calls a use forbidden when the key vanishes in the middle of it. */
static void a_key_that_is_lost_in_use_is_not_said_to_be_forbidden(void **state)
{
	static const enum shim_function functions[] = { SHIM_C_EncryptInit, SHIM_C_UnwrapKey };
	struct world *w = *state;
	struct sealed sealed;

	for (size_t i = 0; i < CLV_ARRAY_LEN(functions); i++) {
		world_seal(w, &w->version, "text", &sealed);
		if (functions[i] == SHIM_C_UnwrapKey)
			hsm_key_evict(w->hsm, w->version.id);
		w->shim->hook(functions[i], lose_all_keepers, w);
		w->shim->fault(functions[i], 1, CKR_KEY_FUNCTION_NOT_PERMITTED, SHIM_ONCE);
		world_seal(w, &w->version, "text", &sealed);
	}
}

static void all_sessions_dead_is_lived_through(void **state)
{
	struct world *w = *state;
	struct sealed sealed;
	clv_rc rc;

	world_seal(w, &w->version, "text", &sealed);
	for (int i = 0; i < 5; i++) {
		world_calm(w);
		w->shim->kill_sessions(false);
		rc = world_unseal(w, &w->version, &sealed, "text", &w->err);
		if (rc != CLV_OK)
			world_wait_healthy(w);
		assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
	}
}

/* Who is logged out finds no private object: that must not be taken for a key that is gone. */
static void a_key_is_not_said_to_be_gone_by_who_is_logged_out(void **state)
{
	struct world *w = *state;
	unsigned before;
	struct hsm_keyref key;

	world_token_key(w, &key);
	before = raw_count_token_objects(w);
	for (int i = 0; i < 3; i++) {
		world_calm(w);
		w->shim->kill_sessions(false);
		assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, i == 1, &w->err));
	}
	world_calm(w);
	w->shim->kill_sessions(false);
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, key.id, &w->err));
	assert_int_equal(raw_count_token_objects(w), before - 1);
}

static void a_ping_finds_out_that_we_are_logged_out(void **state)
{
	struct world *w = *state;
	struct hsm_counts counts;

	world_calm(w);
	w->shim->kill_sessions(false);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
	hsm_counts_get(w->hsm, &counts);
	assert_int_equal(counts.logins, 2);
}

static void a_generation_under_a_lost_parent_unwraps_it_again(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob;
	struct hsm_keyref key;

	world_generate(w, HSM_ROLE_VERSION, &w->ring, &blob, &key);
	w->shim->kill_sessions(true);
	world_generate(w, HSM_ROLE_VERSION, &w->ring, &blob, &key);
}

int main(void)
{
	static const struct world_options four_keys = { .max_keys = 4 };
	const struct CMUnitTest tests[] = {
		token_test(a_key_is_looked_up_and_unwrapped_once),
		token_test(threads_that_miss_the_same_key_wait_for_one_of_them),
		token_test(a_failed_unwrap_fails_no_one_for_good),
		token_test_with(no_more_keys_are_kept_than_asked, &four_keys),
		token_test_with(the_key_used_last_is_kept_longest, &four_keys),
		token_test(evicting_destroys_the_session_object_at_once),
		token_test(evicting_a_key_in_use_destroys_it_at_the_end),
		token_test(a_key_evicted_while_it_is_unwrapped_does_not_stay),
		token_test(keys_of_a_dead_keeper_are_unwrapped_again),
		token_test(a_key_that_is_lost_in_use_is_not_said_to_be_forbidden),
		token_test(all_sessions_dead_is_lived_through),
		token_test(a_key_is_not_said_to_be_gone_by_who_is_logged_out),
		token_test(a_ping_finds_out_that_we_are_logged_out),
		token_test(a_generation_under_a_lost_parent_unwraps_it_again),
	};

	return TOKEN_MAIN("hsm: cached keys", tests);
}
