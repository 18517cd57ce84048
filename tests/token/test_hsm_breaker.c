/* SPDX-License-Identifier: Apache-2.0 */
/* A token that goes away and comes back: fast answers meanwhile, service again without a restart.
 */
#include <string.h>
#include <unistd.h>

#include <claviger/time.h>

#include "tests/support/token_world.h"

enum { THREADS = 4 };

struct load {
	struct hsm *hsm;
	const struct hsm_keyref *key;
	pthread_t thread;
	_Atomic unsigned good, away, wrong;
	_Atomic int64_t slowest_ns; /* of the calls that gave CLV_E_UNAVAILABLE */
	char wrong_text[CLV_ERR_TEXT_MAX];
};

/* Threads outlive a failed assertion, so they are the fixture's to end. */
static struct {
	struct load load[2 * THREADS];
	size_t n;
	_Atomic bool stop;
	struct world other; /* a second token, when `other.hsm` is set */
} gl;

static void *load_run(void *arg)
{
	struct load *load = arg;
	uint8_t iv[HSM_IV_MAX], out[64], opened[64];
	struct clv_err err;
	size_t iv_len;

	while (!atomic_load(&gl.stop)) {
		int64_t begun = clv_mono_ns(), took;
		clv_rc rc = hsm_encrypt(load->hsm, grant(), load->key, bytes_of("a"),
					bytes_of("text"), iv, &iv_len, out, &err);

		if (rc == CLV_OK)
			rc = hsm_decrypt(load->hsm, grant(), load->key, bytes_of("a"),
					 (struct clv_bytes){ iv, iv_len },
					 (struct clv_bytes){ out, 20 }, opened, &err);
		took = clv_mono_ns() - begun;
		if (rc == CLV_OK && memcmp(opened, "text", 4) == 0) {
			atomic_fetch_add(&load->good, 1);
		} else if (rc == CLV_E_UNAVAILABLE) {
			atomic_fetch_add(&load->away, 1);
			if (took > atomic_load(&load->slowest_ns))
				atomic_store(&load->slowest_ns, took);
			usleep(200);
		} else {
			snprintf(load->wrong_text, sizeof load->wrong_text, "%s: %.400s",
				 clv_rc_name(rc), rc == CLV_OK ? "another text" : err.text);
			atomic_fetch_add(&load->wrong, 1);
		}
	}
	return NULL;
}

static struct load *start_load(struct hsm *hsm, const struct hsm_keyref *key)
{
	struct load *load = &gl.load[gl.n];

	atomic_store(&gl.stop, false);
	for (int i = 0; i < THREADS; i++) {
		memset(&load[i], 0, sizeof load[i]);
		load[i].hsm = hsm;
		load[i].key = key;
		pthread_create(&load[i].thread, NULL, load_run, &load[i]);
		gl.n++;
	}
	return load;
}

static void stop_load(void)
{
	atomic_store(&gl.stop, true);
	while (gl.n > 0)
		pthread_join(gl.load[--gl.n].thread, NULL);
}

static int tear_down(void **state)
{
	stop_load();
	gl.other.hsm = hsm_close(gl.other.hsm);
	return world_tear_down(state);
}

static void check_loss(struct world *w, struct load *load, CK_RV rv, bool until_init)
{
	struct hsm_counts before, after;
	unsigned away = 0, served = 0;

	world_wait_healthy(w);
	hsm_counts_get(w->hsm, &before);
	w->shim->gone(rv, until_init);
	usleep(150000);
	for (int i = 0; i < THREADS; i++)
		away += atomic_exchange(&load[i].away, 0);
	assert_true(away > THREADS);
	w->shim->back();
	world_wait_healthy(w);
	hsm_counts_get(w->hsm, &after);
	assert_in_range(after.logins - before.logins, 0, 1);
	for (int i = 0; i < THREADS; i++)
		atomic_store(&load[i].good, 0);
	for (int i = 0; i < 1000 && served < THREADS; i++) {
		served = 0;
		for (int t = 0; t < THREADS; t++)
			served += atomic_load(&load[t].good) > 0;
		usleep(2000);
	}
	assert_int_equal(served, THREADS);
}

static void losses_under_load_are_survived(void **state)
{
	static const struct {
		CK_RV rv;
		bool until_init;
	} losses[] = { { CKR_DEVICE_REMOVED, false },       { CKR_DEVICE_REMOVED, true },
		       { CKR_DEVICE_ERROR, false },         { CKR_DEVICE_ERROR, true },
		       { CKR_TOKEN_NOT_PRESENT, false },    { CKR_CRYPTOKI_NOT_INITIALIZED, true },
		       { CKR_SESSION_HANDLE_INVALID, true } };
	struct world *w = *state;
	struct load *load = start_load(w->hsm, &w->version);

	for (size_t i = 0; i < CLV_ARRAY_LEN(losses); i++)
		check_loss(w, load, losses[i].rv, losses[i].until_init);
	stop_load();
	for (int i = 0; i < THREADS; i++) {
		if (load[i].wrong != 0)
			fail_msg("%u wrong answers: %s", load[i].wrong, load[i].wrong_text);
		assert_true(load[i].slowest_ns < CLV_NS_PER_S);
	}
}

static void an_open_breaker_makes_no_call(void **state)
{
	struct world *w = *state;
	unsigned before;

	w->shim->gone(CKR_DEVICE_REMOVED, false);
	for (int i = 0; i < 5; i++)
		assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
	before = w->shim->calls(SHIM_ANY);
	for (int i = 0; i < 1000; i++)
		assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
	assert_in_range(w->shim->calls(SHIM_ANY) - before, 0, 100);
	assert_non_null(strstr(w->err.text, "the token is away"));
	w->shim->back();
	world_wait_healthy(w);
}

static void a_module_whose_initialisation_failed_comes_back(void **state)
{
	struct world *w = *state;
	struct sealed sealed;

	world_seal(w, &w->version, "text", &sealed);
	world_calm(w);
	w->shim->gone(CKR_DEVICE_REMOVED, true);
	w->shim->fault(SHIM_C_Initialize, 1, CKR_DEVICE_ERROR, SHIM_ALWAYS);
	for (int i = 0; i < 4; i++) {
		assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
		usleep(50000);
	}
	w->shim->heal();
	w->shim->back();
	world_wait_healthy(w);
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
}

/* ---- two tokens of one module ---- */

/* A second token in the same folder, with a key of its own in it. */
static struct world *open_second(struct world *w, struct hsm_keyref *key)
{
	struct world *other = &gl.other;

	*other = *w;
	other->hsm = NULL;
	assert_ok(w, hsm_softhsm_create(grant(), CLV_TEST_SHIM, w->dir, w->state, "second",
					"second", other->uri, &w->err));
	world_open(other);
	world_token_key(other, key);
	return other;
}

static void the_other_token_of_a_rebuilt_module_works_on(void **state)
{
	struct world *w = *state;
	struct world *other;
	struct hsm_keyref key;
	struct sealed here, there;

	other = open_second(w, &key);
	world_seal(w, &w->version, "here", &here);
	world_seal(other, &key, "there", &there);
	for (int i = 0; i < 4; i++) {
		struct world *first = i % 2 == 0 ? w : other, *second = i % 2 == 0 ? other : w;

		world_calm(first);
		world_calm(second);
		w->shim->gone(CKR_DEVICE_REMOVED, true);
		assert_rc(hsm_ping(first->hsm, &first->err), CLV_E_UNAVAILABLE);
		w->shim->back();
		world_wait_healthy(first);
		world_wait_healthy(second);
		assert_ok(w, world_unseal(w, &w->version, &here, "here", &w->err));
		assert_ok(other, world_unseal(other, &key, &there, "there", &other->err));
	}
}

static void a_token_that_did_not_rebuild_first_can_rebuild_later(void **state)
{
	struct world *w = *state;
	struct world *other;
	struct hsm_keyref key;

	other = open_second(w, &key);
	world_calm(w);
	w->shim->gone(CKR_DEVICE_REMOVED, true);
	assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
	w->shim->back();
	world_wait_healthy(w);
	w->shim->gone(CKR_DEVICE_REMOVED, true); /* and now only the other one is used */
	assert_rc(hsm_ping(other->hsm, &other->err), CLV_E_UNAVAILABLE);
	w->shim->back();
	world_wait_healthy(other);
}

static void two_tokens_under_load_survive_losses(void **state)
{
	struct world *w = *state;
	struct hsm_keyref key;
	struct load *here, *there;

	open_second(w, &key);
	here = start_load(w->hsm, &w->version);
	there = start_load(gl.other.hsm, &key);
	for (int i = 0; i < 4; i++) {
		w->shim->gone(CKR_DEVICE_REMOVED, true);
		usleep(60000);
		w->shim->back();
		world_wait_healthy(w);
		world_wait_healthy(&gl.other);
	}
	stop_load();
	for (int i = 0; i < THREADS; i++) {
		if (here[i].wrong + there[i].wrong != 0)
			fail_msg("wrong: %s %s", here[i].wrong_text, there[i].wrong_text);
	}
}

#define loss_test(f) cmocka_unit_test_setup_teardown(f, world_set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loss_test(losses_under_load_are_survived),
		loss_test(an_open_breaker_makes_no_call),
		loss_test(a_module_whose_initialisation_failed_comes_back),
		loss_test(the_other_token_of_a_rebuilt_module_works_on),
		loss_test(a_token_that_did_not_rebuild_first_can_rebuild_later),
		loss_test(two_tokens_under_load_survive_losses),
	};

	return TOKEN_MAIN("hsm: losing the token", tests);
}
