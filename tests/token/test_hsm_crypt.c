/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypting and decrypting in the token: what goes in comes out, and nothing else does. */
#include <stdlib.h>
#include <string.h>

#include <claviger/time.h>

#include "tests/support/token_world.h"

#define LARGEST 65536

/* Bytes that depend on their place. */
static struct clv_bytes pattern(size_t len)
{
	static uint8_t bytes[LARGEST];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t) (i * 31 + i / 251);
	return (struct clv_bytes){ bytes, len };
}

struct message {
	struct clv_bytes aad, text;
	uint8_t iv[HSM_IV_MAX];
	size_t iv_len;
	uint8_t sealed[LARGEST + HSM_TAG_LEN];
	uint8_t opened[LARGEST + HSM_TAG_LEN];
};
static struct message message; /* large; each test is alone */

static clv_rc seal(struct world *w, struct message *m)
{
	return hsm_encrypt(w->hsm, grant(), &w->version, m->aad, m->text, m->iv, &m->iv_len,
			   m->sealed, &w->err);
}

static clv_rc open_message(struct world *w, struct message *m)
{
	memset(m->opened, 0xee, sizeof m->opened);
	return hsm_decrypt(
		w->hsm, grant(), &w->version, m->aad, (struct clv_bytes){ m->iv, m->iv_len },
		(struct clv_bytes){ m->sealed, m->text.len + HSM_TAG_LEN }, m->opened, &w->err);
}

static void check_round_trip(struct world *w, size_t aad_len, size_t text_len)
{
	message.aad = pattern(aad_len);
	message.text = pattern(text_len);
	assert_ok(w, seal(w, &message));
	assert_ok(w, open_message(w, &message));
	assert_memory_equal(message.opened, message.text.data, text_len);
	if (text_len >= 15)
		assert_memory_not_equal(message.sealed, message.text.data, text_len);
}

static void all_sizes_come_back_as_they_were(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 1000, LARGEST };

	for (size_t i = 0; i < CLV_ARRAY_LEN(sizes); i++) {
		for (size_t j = 0; j < CLV_ARRAY_LEN(sizes); j++)
			check_round_trip(*state, sizes[i], sizes[j]);
	}
}

/* ---- IVs ---- */

struct iv {
	uint8_t bytes[HSM_IV_MAX];
};

static int compare_iv(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct iv));
}

static void ivs_never_repeat(void **state)
{
	enum { N = 20000 };
	static struct iv ivs[N];
	struct world *w = *state;
	uint8_t out[32];
	size_t len = 0;

	for (size_t i = 0; i < N; i++) {
		assert_ok(w, hsm_encrypt(w->hsm, grant(), &w->version, bytes_of("aad"),
					 bytes_of("x"), ivs[i].bytes, &len, out, &w->err));
		assert_int_equal(len, 12);
	}
	qsort(ivs, N, sizeof *ivs, compare_iv);
	for (size_t i = 1; i < N; i++) {
		if (compare_iv(&ivs[i - 1], &ivs[i]) == 0)
			fail_msg("an IV came twice");
	}
}

/* ---- altered data ---- */

static void check_refused_and_wiped(struct world *w, struct message *m)
{
	size_t room = m->text.len + HSM_TAG_LEN;

	assert_refused(w, open_message(w, m), CLV_E_INVALID_ARGUMENT, "ciphertext is invalid");
	for (size_t i = 0; i < room; i++)
		assert_int_equal(m->opened[i], 0);
	assert_int_equal(m->opened[room], 0xee);
}

static void check_every_flip(struct world *w)
{
	uint8_t aad[20];

	message.text = pattern(33);
	message.aad = pattern(20);
	assert_ok(w, seal(w, &message));
	for (size_t i = 0; i < message.text.len + HSM_TAG_LEN; i++) {
		message.sealed[i] ^= (uint8_t) (1u << i % 8);
		check_refused_and_wiped(w, &message);
		message.sealed[i] ^= (uint8_t) (1u << i % 8);
	}
	for (size_t i = 0; i < message.iv_len; i++) {
		message.iv[i] ^= (uint8_t) (1u << i % 8);
		check_refused_and_wiped(w, &message);
		message.iv[i] ^= (uint8_t) (1u << i % 8);
	}
	memcpy(aad, message.aad.data, sizeof aad);
	message.aad.data = aad;
	for (size_t i = 0; i < sizeof aad; i++) {
		aad[i] ^= (uint8_t) (1u << i % 8);
		check_refused_and_wiped(w, &message);
		aad[i] ^= (uint8_t) (1u << i % 8);
	}
	assert_ok(w, open_message(w, &message));
}

static void every_flipped_byte_is_refused_and_the_output_wiped(void **state)
{
	check_every_flip(*state);
}

static void flips_are_refused_with_one_session_as_well(void **state)
{
	check_every_flip(*state);
}

static void cut_and_longer_data_is_refused(void **state)
{
	struct world *w = *state;
	uint8_t out[64];

	message.text = pattern(20);
	message.aad = pattern(3);
	assert_ok(w, seal(w, &message));
	for (size_t len = 0; len <= 40; len++) {
		if (len == 36)
			continue;
		assert_rc(hsm_decrypt(w->hsm, grant(), &w->version, message.aad,
				      (struct clv_bytes){ message.iv, message.iv_len },
				      (struct clv_bytes){ message.sealed, len }, out, &w->err),
			  CLV_E_INVALID_ARGUMENT);
	}
}

static void another_iv_length_is_refused(void **state)
{
	struct world *w = *state;
	uint8_t out[64];
	uint8_t iv[32] = { 0 };

	message.text = pattern(20);
	message.aad = pattern(3);
	assert_ok(w, seal(w, &message));
	memcpy(iv, message.iv, message.iv_len);
	for (size_t len = 0; len <= 20; len++) {
		if (len == message.iv_len)
			continue;
		assert_rc(hsm_decrypt(w->hsm, grant(), &w->version, message.aad,
				      (struct clv_bytes){ iv, len },
				      (struct clv_bytes){ message.sealed, 36 }, out, &w->err),
			  CLV_E_INVALID_ARGUMENT);
	}
}

/* ---- bad data or a sick token? ---- */

static void bad_data_opens_no_breaker(void **state)
{
	struct world *w = *state;
	struct hsm_counts counts;

	message.text = pattern(20);
	message.aad = pattern(3);
	assert_ok(w, seal(w, &message));
	message.sealed[0] ^= 1;
	for (int i = 0; i < 50; i++) {
		assert_rc(open_message(w, &message), CLV_E_INVALID_ARGUMENT);
		message.sealed[0] ^= 1;
		assert_ok(w, open_message(w, &message));
		message.sealed[0] ^= 1;
	}
	hsm_counts_get(w->hsm, &counts);
	assert_int_equal(counts.logins, 1);
	assert_int_equal(counts.rebuilds, 0);
}

/* Who may only decrypt must not use up the IVs of a version: they are counted when it encrypts. */
static void bad_data_makes_the_key_encrypt_once_at_most(void **state)
{
	struct hsm_keyref keys[2];
	struct world *w = *state;

	keys[0] = w->version;
	world_token_key(w, &keys[1]);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct sealed sealed;
		unsigned before;

		world_seal(w, &keys[k], "text", &sealed);
		sealed.bytes[0] ^= 1;
		before = w->shim->calls(SHIM_C_EncryptInit);
		for (int i = 0; i < 20; i++)
			assert_rc(world_unseal(w, &keys[k], &sealed, "text", &w->err),
				  CLV_E_INVALID_ARGUMENT);
		assert_int_equal(w->shim->calls(SHIM_C_EncryptInit) - before, 1);
		sealed.bytes[0] ^= 1;
		assert_ok(w, world_unseal(w, &keys[k], &sealed, "text", &w->err));
	}
}

/* Had the canary's song a moment ago still counted, good data would be called bad. */
static void good_data_right_after_bad_data_is_not_called_bad_when_the_token_goes_sick(void **state)
{
	struct world *w = *state;

	message.text = pattern(20);
	message.aad = pattern(3);
	assert_ok(w, seal(w, &message));
	message.sealed[0] ^= 1;
	assert_rc(open_message(w, &message), CLV_E_INVALID_ARGUMENT);
	message.sealed[0] ^= 1;
	w->shim->fault(SHIM_C_Decrypt, 1, CKR_DEVICE_ERROR, SHIM_ALWAYS);
	assert_rc(open_message(w, &message), CLV_E_UNAVAILABLE);
	w->shim->heal();
	world_wait_healthy(w);
	assert_ok(w, open_message(w, &message));
}

static void good_data_on_a_sick_token_is_unavailable(void **state)
{
	static const CK_RV codes[] = { CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, CKR_FUNCTION_FAILED };
	struct world *w = *state;

	message.text = pattern(20);
	message.aad = pattern(3);
	assert_ok(w, seal(w, &message));
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes); i++) {
		world_calm(w);
		w->shim->fault(SHIM_C_Decrypt, 1, codes[i], SHIM_ALWAYS);
		assert_rc(open_message(w, &message), CLV_E_UNAVAILABLE);
		w->shim->heal();
		world_wait_healthy(w);
		assert_ok(w, open_message(w, &message));
	}
}

/* ---- tokens that choose the IV ---- */

static void check_form(struct world *w, enum shim_gcm form, unsigned iv_len, enum hsm_gcm_form want)
{
	w->shim->gcm(form, iv_len);
	world_close(w);
	world_open(w);
	assert_int_equal(w->hsm->caps.gcm, want);
	check_round_trip(w, 0, 0);
	check_round_trip(w, 20, 1000);
	assert_int_equal(message.iv_len, iv_len);
	check_every_flip(w);
	assert_int_equal(w->shim->operations(), 0);
}

static void a_token_that_writes_its_iv_back_works(void **state)
{
	check_form(*state, SHIM_GCM_WRITTEN, 12, HSM_GCM_WRITTEN_IV);
}

static void a_token_that_appends_its_iv_works(void **state)
{
	check_form(*state, SHIM_GCM_APPENDED, 12, HSM_GCM_APPENDED_IV);
}

static void a_token_that_appends_an_iv_of_another_length_works(void **state)
{
	check_form(*state, SHIM_GCM_APPENDED, 16, HSM_GCM_APPENDED_IV);
}

/* ---- IVs while the token is being connected again ---- */

struct racer {
	struct world *w;
	struct hsm_keyref key;
	pthread_t thread;
	_Atomic bool opening, trying, done;
	clv_rc rc;
	size_t iv_len;
	uint8_t iv[HSM_IV_MAX], out[64];
	struct clv_err err;
};

static void wait_until(_Atomic bool *flag)
{
	struct clv_deadline deadline = clv_deadline_in(300);
	unsigned pause_us = 0;

	while (!atomic_load(flag) && clv_backoff(deadline, &pause_us, 500))
		;
}

/* In the racer's C_OpenSession: until the other thread tries the token anew. */
static void hold_racer(void *arg)
{
	struct racer *racer = arg;

	if (!pthread_equal(pthread_self(), racer->thread))
		return;
	atomic_store(&racer->opening, true);
	wait_until(&racer->trying);
}

/* In the other thread's first trial: until the racer is done. */
static void hold_trial(void *arg)
{
	struct racer *racer = arg;

	atomic_store(&racer->trying, true);
	wait_until(&racer->done);
}

static void *encrypt_in_thread(void *arg)
{
	struct racer *racer = arg;

	racer->rc =
		hsm_encrypt(racer->w->hsm, grant(), &racer->key, bytes_of("aad"), bytes_of("text"),
			    racer->iv, &racer->iv_len, racer->out, &racer->err);
	atomic_store(&racer->done, true);
	return NULL;
}

/*
 * One thread is about to encrypt. Meanwhile the token is lost for another, which connects again and
 * tries anew how the token does AES-GCM. The first must not find a half-known token: it would
 * encrypt with an IV of zeros.
 */
static void no_iv_is_made_of_zeros_while_the_token_is_connected_again(void **state)
{
	static const uint8_t zeros[12];
	struct world *w = *state;
	struct racer racer = { .w = w };
	struct hsm_session *idle = NULL;
	struct clv_err why;
	clv_rc rc = clv_fail(&why, CLV_E_UNAVAILABLE, "a test lost it");

	world_token_key(w, &racer.key);
	world_seal(w, &racer.key, "warm", &(struct sealed){ .len = 0 });
	assert_ok(w, hsm_session_acquire(w->hsm, &idle, &w->err)); /* the racer has to open one */
	world_calm(w);
	w->shim->hook(SHIM_C_OpenSession, hold_racer, &racer);
	w->shim->hook(SHIM_C_CreateObject, hold_trial, &racer);
	pthread_create(&racer.thread, NULL, encrypt_in_thread, &racer);
	wait_until(&racer.opening);
	hsm_breaker_trip(w->hsm, atomic_load(&w->hsm->epoch), &why);
	rc = hsm_ping(w->hsm, &w->err);
	pthread_join(racer.thread, NULL);
	hsm_session_release(idle);
	assert_ok(w, rc);
	if (racer.rc == CLV_OK && memcmp(racer.iv, zeros, sizeof zeros) == 0)
		fail_msg("encrypted with an IV of zeros");
}

/* ---- random bytes ---- */

static void random_bytes_fill_the_room_and_differ(void **state)
{
	static const size_t lengths[] = { HSM_RANDOM_MIN, 32, 1024, CLV_SECRET_MAX };
	static uint8_t a[CLV_SECRET_MAX + 1], b[CLV_SECRET_MAX + 1];
	struct world *w = *state;

	for (size_t i = 0; i < CLV_ARRAY_LEN(lengths); i++) {
		size_t len = lengths[i];

		memset(a, 0xee, sizeof a);
		memset(b, 0xee, sizeof b);
		assert_ok(w, hsm_random(w->hsm, grant(), a, len, &w->err));
		assert_ok(w, hsm_random(w->hsm, grant(), b, len, &w->err));
		assert_memory_not_equal(a, b, len);
		assert_memory_not_equal(a + len - HSM_RANDOM_MIN, b + len - HSM_RANDOM_MIN,
					HSM_RANDOM_MIN);
		assert_int_equal(a[len], 0xee);
	}
}

static void a_generator_that_writes_nothing_is_not_believed(void **state)
{
	static const uint8_t zeros[32];
	struct world *w = *state;
	uint8_t bytes[32];

	memset(bytes, 0xee, sizeof bytes);
	world_calm(w);
	w->shim->mute_random(true);
	assert_refused(w, hsm_random(w->hsm, grant(), bytes, sizeof bytes, &w->err),
		       CLV_E_UNAVAILABLE, "C_GenerateRandom");
	assert_memory_equal(bytes, zeros, sizeof bytes);
	w->shim->mute_random(false);
	world_wait_healthy(w);
	assert_ok(w, hsm_random(w->hsm, grant(), bytes, sizeof bytes, &w->err));
}

int main(void)
{
	static const struct world_options one_session = { .max_sessions = 1 };
	const struct CMUnitTest tests[] = {
		token_test(all_sizes_come_back_as_they_were),
		token_test(ivs_never_repeat),
		token_test(every_flipped_byte_is_refused_and_the_output_wiped),
		token_test_with(flips_are_refused_with_one_session_as_well, &one_session),
		token_test(cut_and_longer_data_is_refused),
		token_test(another_iv_length_is_refused),
		token_test(bad_data_opens_no_breaker),
		token_test(bad_data_makes_the_key_encrypt_once_at_most),
		token_test(
			good_data_right_after_bad_data_is_not_called_bad_when_the_token_goes_sick),
		token_test(good_data_on_a_sick_token_is_unavailable),
		token_test(a_token_that_writes_its_iv_back_works),
		token_test(a_token_that_appends_its_iv_works),
		token_test(a_token_that_appends_an_iv_of_another_length_works),
		token_test(no_iv_is_made_of_zeros_while_the_token_is_connected_again),
		token_test(random_bytes_fill_the_room_and_differ),
		token_test(a_generator_that_writes_nothing_is_not_believed),
	};

	return TOKEN_MAIN("hsm: encryption", tests);
}
