/* SPDX-License-Identifier: Apache-2.0 */
/* RSA-OAEP: what OpenSSL encrypts with the public half is decrypted, and nothing else. */
#include "config.h"

#include <string.h>

#include <openssl/evp.h>

#include "tests/support/kind_world.h"

/* Sanitizers make all of it too slow: there, some of the damages have to do. */
#ifdef CLV_SANITIZED
#define STEP 97
#else
#define STEP 31
#endif

static const struct {
	enum clv_algorithm algorithm;
	const char *digest;
	size_t most; /* bytes of plaintext */
} openers[] = {
	{ CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1, "SHA1", 256 - 42 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, "SHA256", 256 - 66 },
#ifndef CLV_SANITIZED /* making it takes seconds, and there a minute */
	{ CLV_ALG_RSA_DECRYPT_OAEP_4096_SHA512, "SHA512", 512 - 130 },
#endif
};

static clv_rc open_sealed(struct world *w, const struct version *version, const uint8_t *sealed,
			  size_t len, struct clv_secret **ret_secret)
{
	return hsm_asymmetric_decrypt(w->hsm, grant(), &version->key,
				      (struct clv_bytes){ sealed, len }, ret_secret, &w->err);
}

static void check_opens(struct world *w, const struct version *version, const char *digest,
			size_t most)
{
	EVP_PKEY *key = version_pkey(version);
	uint8_t text[512], sealed[512];
	struct clv_secret *secret = NULL;
	const size_t lens[] = { 0, 1, 32, most };
	size_t len;

	fill(text, sizeof text, 21);
	for (size_t i = 0; i < CLV_ARRAY_LEN(lens); i++) {
		evp_oaep(key, digest, (struct clv_bytes){ text, lens[i] }, sealed, &len);
		assert_ok(w, open_sealed(w, version, sealed, len, &secret));
		assert_int_equal(clv_secret_len(secret), lens[i]);
		assert_memory_equal(clv_secret_bytes(secret), text, lens[i]);
		secret = clv_secret_free(secret);
	}
	EVP_PKEY_free(key);
}

static void what_openssl_encrypts_is_decrypted(void **state)
{
	struct world *w = *state;
	struct version version;

	for (size_t i = 0; i < CLV_ARRAY_LEN(openers); i++) {
		version_generate(w, openers[i].algorithm, &version);
		check_opens(w, &version, openers[i].digest, openers[i].most);
	}
	version_create(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, &version);
	check_opens(w, &version, "SHA256", 256 - 66);
}

/* Whoever only decrypts finds out as well that the token lacks the hash. */
static void a_key_of_another_process_is_decrypted_with_at_once(void **state)
{
	struct world *w = *state;
	struct version wrapped, in_token;

	version_generate(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, &wrapped);
	version_create(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, &in_token);
	world_close(w);
	world_open(w);
	check_opens(w, &wrapped, "SHA256", 256 - 66);
	world_close(w);
	world_open(w);
	check_opens(w, &in_token, "SHA256", 256 - 66);
}

static void a_block_gets_its_leading_zeros_back(void **state)
{
	static const size_t wants[] = { 1, 5, 256, 384, 512 };
	uint8_t block[512], number[512];

	(void) state;
	fill(number, sizeof number, 1);
	for (size_t i = 0; i < CLV_ARRAY_LEN(wants); i++) {
		for (size_t len = 0; len <= wants[i]; len++) {
			size_t zeros = wants[i] - len;

			memset(block, 0xee,
			       sizeof block); /* what a token leaves behind its number */
			memcpy(block, number, len);
			hsm_oaep_align(block, len, wants[i]);
			for (size_t at = 0; at < zeros; at++)
				assert_int_equal(block[at], 0);
			assert_memory_equal(block + zeros, number, len);
			for (size_t at = wants[i]; at < sizeof block; at++)
				assert_int_equal(block[at], 0xee);
		}
	}
}

/* Data must not decide how all keys of a hash are used from then on. */
static void what_a_token_says_of_the_data_changes_no_mechanism(void **state)
{
	static const CK_RV codes[] = { CKR_ARGUMENTS_BAD, CKR_MECHANISM_PARAM_INVALID,
				       CKR_MECHANISM_INVALID };
	struct world *w = *state;
	struct clv_secret *secret = NULL;
	struct version native, raw;
	uint8_t sealed[512] = { 0 };

	version_generate(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1, &native);
	version_generate(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, &raw);
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes); i++) {
		w->shim->fault(SHIM_C_Decrypt, 1, codes[i], SHIM_ALWAYS);
		assert_rc(open_sealed(w, &native, sealed, 256, &secret), CLV_E_UNIMPLEMENTED);
		assert_rc(open_sealed(w, &raw, sealed, 256, &secret), CLV_E_UNIMPLEMENTED);
		w->shim->heal();
		assert_false(w->hsm->oaep_is_raw[CLV_HASH_SHA1]);
		assert_true(w->hsm->oaep_is_raw[CLV_HASH_SHA256]);
		check_opens(w, &native, "SHA1", 256 - 42);
		check_opens(w, &raw, "SHA256", 256 - 66);
	}
}

static void a_wrong_ciphertext_is_refused_in_one_way(void **state)
{
	static const char text[] = "Decryption failed: the ciphertext is invalid.";
	struct world *w = *state;
	struct version version, other;
	struct clv_secret *secret = NULL;
	uint8_t sealed[513] = { 0 };
	size_t len;
	EVP_PKEY *key;

	for (size_t i = 0; i < 2; i++) {
		version_generate(w, openers[i].algorithm, &version);
		version_generate(w, openers[i].algorithm, &other);
		key = version_pkey(&version);
		evp_oaep(key, openers[i].digest, bytes_of("text"), sealed, &len);
		assert_refused(w, open_sealed(w, &other, sealed, len, &secret),
			       CLV_E_INVALID_ARGUMENT, text);
		assert_refused(w, open_sealed(w, &version, sealed, len - 1, &secret),
			       CLV_E_INVALID_ARGUMENT, text);
		assert_refused(w, open_sealed(w, &version, sealed, len + 1, &secret),
			       CLV_E_INVALID_ARGUMENT, text);
		for (size_t at = 0; at < len; at += STEP) {
			sealed[at] ^= 8;
			assert_refused(w, open_sealed(w, &version, sealed, len, &secret),
				       CLV_E_INVALID_ARGUMENT, text);
			sealed[at] ^= 8;
		}
		evp_oaep(key, "SHA384", bytes_of("text"), sealed, &len);
		assert_refused(w, open_sealed(w, &version, sealed, len, &secret),
			       CLV_E_INVALID_ARGUMENT, text);
		memset(sealed, 0xff, sizeof sealed); /* above the modulus */
		assert_refused(w, open_sealed(w, &version, sealed, len, &secret),
			       CLV_E_INVALID_ARGUMENT, text);
		memset(sealed, 0, sizeof sealed);
		assert_refused(w, open_sealed(w, &version, sealed, len, &secret),
			       CLV_E_INVALID_ARGUMENT, text);
		EVP_PKEY_free(key);
		assert_null(secret);
		assert_ok(w, hsm_ping(w->hsm, &w->err));
	}
}

int main(void)
{
	static const struct world_options one_session = { .max_sessions = 1 };
	const struct CMUnitTest tests[] = {
		token_test(what_openssl_encrypts_is_decrypted),
		token_test(a_key_of_another_process_is_decrypted_with_at_once),
		token_test_with(a_key_of_another_process_is_decrypted_with_at_once, &one_session),
		cmocka_unit_test(a_block_gets_its_leading_zeros_back),
		token_test(what_a_token_says_of_the_data_changes_no_mechanism),
		token_test(a_wrong_ciphertext_is_refused_in_one_way),
	};

	return TOKEN_MAIN("hsm: asymmetric decryption", tests);
}
