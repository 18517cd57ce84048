/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads do at random what a token is for, while calls fail at random. Whatever is refused,
 * no plaintext is wrong, nothing hangs, and at the end nothing is left.
 * CLAVIGER_STRESS_SECONDS: how long (15). CLAVIGER_STRESS_SEED: repeats the faults, not the timing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include <claviger/time.h>

#include "tests/support/token_world.h"

enum { THREADS = 8, KEYS = 12, LONGEST = 200 };

static struct {
	struct world *w;
	struct hsm_blob blobs[KEYS];
	struct hsm_keyref keys[KEYS];
	struct sealed known[KEYS]; /* made before the faults */
	_Atomic bool stop;
	_Atomic unsigned wrong, zero_ivs, odd, good;
	char odd_text[CLV_ERR_TEXT_MAX];
	struct worker {
		pthread_t thread;
		_Atomic int64_t busy_since; /* ns; 0: between two calls */
		uint64_t random;
	} workers[THREADS];
	unsigned n_workers;
} gl;

static unsigned pick(struct worker *worker, unsigned below)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return (unsigned) (worker->random % below);
}

/* Good data must never be called bad, whatever fails. */
static void note(clv_rc rc, const struct clv_err *err)
{
	switch (rc) {
	case CLV_OK:
		atomic_fetch_add(&gl.good, 1);
		break;
	case CLV_E_UNAVAILABLE:
	case CLV_E_RESOURCE_EXHAUSTED:
		break;
	default:
		if (atomic_fetch_add(&gl.odd, 1) == 0)
			snprintf(gl.odd_text, sizeof gl.odd_text, "%s: %.400s", clv_rc_name(rc),
				 err->text);
	}
}

static void encrypt_and_decrypt(struct worker *worker, const struct hsm_keyref *key)
{
	static const uint8_t zeros[HSM_IV_MAX];
	uint8_t text[LONGEST], out[LONGEST + HSM_TAG_LEN], opened[sizeof out], iv[HSM_IV_MAX];
	size_t len = pick(worker, LONGEST + 1), iv_len = 0;
	struct clv_err err;
	clv_rc rc;

	memset(text, (int) pick(worker, 256), sizeof text);
	rc = hsm_encrypt(gl.w->hsm, grant(), key, bytes_of("aad"), (struct clv_bytes){ text, len },
			 iv, &iv_len, out, &err);
	note(rc, &err);
	if (rc != CLV_OK)
		return;
	if (memcmp(iv, zeros, 12) == 0)
		atomic_fetch_add(&gl.zero_ivs, 1);
	rc = hsm_decrypt(gl.w->hsm, grant(), key, bytes_of("aad"), (struct clv_bytes){ iv, iv_len },
			 (struct clv_bytes){ out, len + HSM_TAG_LEN }, opened, &err);
	note(rc, &err);
	if (rc == CLV_OK && memcmp(opened, text, len) != 0)
		atomic_fetch_add(&gl.wrong, 1);
}

static void decrypt_known(unsigned i)
{
	const struct sealed *known = &gl.known[i];
	uint8_t opened[sizeof known->bytes];
	struct clv_err err;
	clv_rc rc = hsm_decrypt(gl.w->hsm, grant(), &gl.keys[i], bytes_of("aad"),
				(struct clv_bytes){ known->iv, known->iv_len },
				(struct clv_bytes){ known->bytes, known->len }, opened, &err);

	note(rc, &err);
	if (rc == CLV_OK && memcmp(opened, "known", 5) != 0)
		atomic_fetch_add(&gl.wrong, 1);
}

static void generate_and_use(struct worker *worker)
{
	struct hsm_keyref key = { .role = HSM_ROLE_VERSION, .parent = &gl.w->ring };
	struct hsm_blob blob;
	struct clv_err err;
	clv_rc rc;

	rc = hsm_key_generate(gl.w->hsm, grant(), HSM_ROLE_VERSION, key.parent, &blob, &err);
	note(rc, &err);
	if (rc != CLV_OK)
		return;
	world_new_id(key.id);
	key.blob = blob.bytes;
	key.blob_len = blob.len;
	encrypt_and_decrypt(worker, &key);
	hsm_key_evict(gl.w->hsm, key.id);
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	while (!atomic_load(&gl.stop)) {
		unsigned what = pick(worker, 100), key = pick(worker, KEYS);
		struct clv_probe probe;

		atomic_store(&worker->busy_since, clv_mono_ns());
		if (what < 50)
			encrypt_and_decrypt(worker, &gl.keys[key]);
		else if (what < 75)
			decrypt_known(key);
		else if (what < 85)
			generate_and_use(worker);
		else if (what < 95)
			hsm_key_evict(gl.w->hsm, gl.keys[key].id);
		else if (what < 98)
			hsm_key_evict(gl.w->hsm, gl.w->ring.id);
		else
			hsm_describe(gl.w->hsm, &probe);
		atomic_store(&worker->busy_since, 0);
	}
	return NULL;
}

static void end_workers(void)
{
	atomic_store(&gl.stop, true);
	while (gl.n_workers > 0)
		pthread_join(gl.workers[--gl.n_workers].thread, NULL);
}

static int tear_down(void **state)
{
	end_workers();
	return world_tear_down(state);
}

/* A call that takes as long as this hangs: the longest wait is ten seconds. */
static void watch(void)
{
	for (int i = 0; i < THREADS; i++) {
		int64_t since = atomic_load(&gl.workers[i].busy_since);

		if (since != 0 && clv_mono_ns() - since > 40 * CLV_NS_PER_S) {
			fprintf(stderr, "thread %d hangs\n", i);
			abort();
		}
	}
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void start_workers(struct world *w, uint64_t seed)
{
	gl.w = w;
	atomic_store(&gl.stop, false);
	for (unsigned i = 0; i < THREADS; i++) {
		gl.workers[i].random = (seed + i) * 0x9e3779b97f4a7c15u | 1;
		pthread_create(&gl.workers[i].thread, NULL, run, &gl.workers[i]);
		gl.n_workers++;
	}
}

static void random_work_under_random_faults(void **state)
{
	struct world *w = *state;
	unsigned seconds = (unsigned) number_from("CLAVIGER_STRESS_SECONDS", 15);
	uint64_t seed = 0;

	RAND_bytes((unsigned char *) &seed, sizeof seed);
	seed = number_from("CLAVIGER_STRESS_SEED", seed);
	print_message("# CLAVIGER_STRESS_SEED=0x%llx\n", (unsigned long long) seed);
	for (unsigned i = 0; i < KEYS; i++) {
		world_generate(w, HSM_ROLE_VERSION, &w->ring, &gl.blobs[i], &gl.keys[i]);
		if (i % 4 == 0)
			world_token_key(w, &gl.keys[i]);
		world_seal(w, &gl.keys[i], "known", &gl.known[i]);
	}
	start_workers(w, seed);
	for (unsigned i = 0; i < seconds * 10; i++) { /* a second of faults, a second without */
		if (i % 20 == 0)
			w->shim->chaos(seed + i, i % 40 == 0 ? 300 : 3000);
		else if (i % 20 == 10)
			w->shim->heal();
		usleep(100000);
		watch();
	}
	w->shim->heal();
	end_workers();
	world_wait_healthy(w);
	print_message("# %u good, %u faults\n", gl.good, w->shim->faults_given());
	assert_int_equal(gl.wrong, 0);
	assert_int_equal(gl.zero_ivs, 0);
	if (gl.odd != 0)
		fail_msg("%u times: %s", gl.odd, gl.odd_text);
	assert_true(gl.good > 100);
}

int main(void)
{
	static const struct world_options few = { .max_keys = 6 };
	const struct CMUnitTest tests[] = { cmocka_unit_test_prestate_setup_teardown(
		random_work_under_random_faults, world_set_up, tear_down,
		(void *) (uintptr_t) &few) };

	return TOKEN_MAIN("hsm: stress", tests);
}
