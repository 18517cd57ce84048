/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs of every kind that signs: OpenSSL verifies it. */
#include "config.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "tests/support/kind_world.h"

/* Sanitizers make all of it too slow: there, short keys and some of the failures have to do. */
#ifdef CLV_SANITIZED
#define EACH 3
#else
#define EACH 1
#endif

/* How OpenSSL is told; independent of the tables of the room under test. */
struct sign_row {
	enum clv_algorithm algorithm;
	size_t in_len;
	const char *digest;
	int padding; /* 0: not RSA */
	int bits;
	bool only_in_token; /* SoftHSM does not wrap these */
};

static const struct sign_row elliptic[] = {
	{ CLV_ALG_EC_SIGN_P256_SHA256, 32, "SHA256", 0, 256, false },
	{ CLV_ALG_EC_SIGN_P384_SHA384, 48, "SHA384", 0, 384, false },
	{ CLV_ALG_EC_SIGN_ED25519, 100, NULL, 0, 256, true },
};

static const struct sign_row rsa_short[] = {
	{ CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256, 32, "SHA256", RSA_PKCS1_PADDING, 2048, false },
	{ CLV_ALG_RSA_SIGN_PSS_2048_SHA256, 32, "SHA256", RSA_PKCS1_PSS_PADDING, 2048, false },
	{ CLV_ALG_RSA_SIGN_RAW_PKCS1_2048, 77, NULL, RSA_PKCS1_PADDING, 2048, false },
};

/* Few: making one of 4096 bits takes seconds. */
static const struct sign_row rsa_long[] = {
	{ CLV_ALG_RSA_SIGN_PKCS1_3072_SHA256, 32, "SHA256", RSA_PKCS1_PADDING, 3072, false },
#ifndef CLV_SANITIZED
	{ CLV_ALG_RSA_SIGN_PSS_4096_SHA512, 64, "SHA512", RSA_PKCS1_PSS_PADDING, 4096, false },
#endif
};

static void check_signs(struct world *w, const struct sign_row *row, const struct version *version)
{
	uint8_t in[128], signature[HSM_SIGNATURE_MAX];
	struct clv_bytes input = { in, row->in_len };
	EVP_PKEY *key = version_pkey(version);
	size_t len = 0;

	assert_int_equal(EVP_PKEY_get_bits(key), row->bits);
	EVP_PKEY_free(key);
	fill(in, sizeof in, 11);
	assert_ok(w, hsm_sign(w->hsm, grant(), &version->key, input, signature, &len, &w->err));
	assert_true(evp_verifies(version, row->digest, row->padding, input,
				 (struct clv_bytes){ signature, len }));
	in[0] ^= 1;
	assert_false(evp_verifies(version, row->digest, row->padding, input,
				  (struct clv_bytes){ signature, len }));
}

static void check_rows(struct world *w, const struct sign_row *rows, size_t n, bool in_token)
{
	struct version version;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].only_in_token && !in_token)
			continue;
		if (in_token)
			version_create(w, rows[i].algorithm, &version);
		else
			version_generate(w, rows[i].algorithm, &version);
		check_signs(w, &rows[i], &version);
		hsm_key_evict(w->hsm, version.key.id);
		check_signs(w, &rows[i], &version);
		if (in_token)
			assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION,
						     version.key.id, &w->err));
	}
}

static void wrapped_elliptic_keys_sign_what_openssl_verifies(void **state)
{
	check_rows(*state, elliptic, CLV_ARRAY_LEN(elliptic), false);
}

static void elliptic_keys_in_the_token_sign_what_openssl_verifies(void **state)
{
	struct world *w = *state;
	unsigned before = raw_count_token_objects(w);

	check_rows(w, elliptic, CLV_ARRAY_LEN(elliptic), true);
	assert_int_equal(raw_count_token_objects(w), before); /* both halves are gone again */
}

static void wrapped_rsa_keys_sign_what_openssl_verifies(void **state)
{
	check_rows(*state, rsa_short, CLV_ARRAY_LEN(rsa_short), false);
}

static void rsa_keys_in_the_token_sign_what_openssl_verifies(void **state)
{
	check_rows(*state, rsa_short, CLV_ARRAY_LEN(rsa_short), true);
}

static void long_rsa_keys_sign_what_openssl_verifies(void **state)
{
	check_rows(*state, rsa_long, CLV_ARRAY_LEN(rsa_long), false);
}

static void input_of_a_wrong_length_is_not_signed(void **state)
{
	struct world *w = *state;
	struct version ec, raw;
	uint8_t in[256] = { 0 }, signature[HSM_SIGNATURE_MAX];
	size_t len = 0;

	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &ec);
	version_generate(w, CLV_ALG_RSA_SIGN_RAW_PKCS1_2048, &raw);
#define SIGN(version, n)                                                                           \
	hsm_sign(w->hsm, grant(), &(version).key, (struct clv_bytes){ in, n }, signature, &len,    \
		 &w->err)
	assert_refused(w, SIGN(ec, 31), CLV_E_INVALID_ARGUMENT, "digest of 32 bytes, not 31");
	assert_refused(w, SIGN(ec, 33), CLV_E_INVALID_ARGUMENT, "digest of 32 bytes, not 33");
	assert_refused(w, SIGN(ec, 0), CLV_E_INVALID_ARGUMENT, "digest of 32 bytes, not 0");
	assert_refused(w, SIGN(raw, 246), CLV_E_INVALID_ARGUMENT, "at most 245 bytes, not 246");
	assert_ok(w, SIGN(raw, 245));
	assert_ok(w, SIGN(raw, 0));
#undef SIGN
}

/* ---- protections ---- */

struct expected {
	CK_ATTRIBUTE_TYPE type;
	int wrapped, token;
};

static const struct expected signs[] = {
	{ CKA_TOKEN, 0, 1 },
	{ CKA_PRIVATE, 1, 1 },
	{ CKA_SENSITIVE, 1, 1 },
	{ CKA_EXTRACTABLE, 0, 0 },
	{ CKA_SIGN, 1, 1 },
	{ CKA_DECRYPT, 0, 0 },
	{ CKA_UNWRAP, 0, 0 },
	{ CKA_DERIVE, 0, 0 },
	{ CKA_COPYABLE, 0, 0 },
	{ CKA_MODIFIABLE, 0, 1 },
	{ CKA_LOCAL, 0, 1 },
	{ CKA_ALWAYS_SENSITIVE, 0, 1 },
	{ CKA_NEVER_EXTRACTABLE, 0, 1 },
};

static void check_protected(struct world *w, const struct version *version, bool in_token)
{
	CK_SESSION_HANDLE session = raw_open(w);
	struct hsm_pin pin = { 0 };
	uint8_t value[64];
	CK_ATTRIBUTE got = { CKA_VALUE, value, sizeof value };

	assert_ok(w, hsm_key_pin(w->hsm, &version->key, &pin, &w->err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(signs); i++) {
		int want = in_token ? signs[i].token : signs[i].wrapped;

		if (raw_bool(w, session, pin.handle, signs[i].type) != want)
			fail_msg("attribute 0x%lx is not %d", signs[i].type, want);
	}
	assert_int_equal(w->real->C_GetAttributeValue(session, pin.handle, &got, 1),
			 CKR_ATTRIBUTE_SENSITIVE);
	hsm_key_unpin(&pin);
	raw_close(w, session);
}

static void private_keys_have_the_attributes_asked(void **state)
{
	struct world *w = *state;
	struct version version;

	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &version);
	check_protected(w, &version, false);
	version_create(w, CLV_ALG_EC_SIGN_P256_SHA256, &version);
	check_protected(w, &version, true);
}

/* Neither as a value, nor wrapped, nor by another mechanism than its own. */
static void a_private_key_does_not_get_out(void **state)
{
	static const enum clv_algorithm algorithms[] = { CLV_ALG_EC_SIGN_P256_SHA256,
							 CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256 };
	struct world *w = *state;
	CK_MECHANISM wrap = { w->hsm->caps.wrap_mech, NULL, 0 };
	CK_MECHANISM raw = { CKM_RSA_X_509, NULL, 0 };
	struct version versions[CLV_ARRAY_LEN(algorithms)][2];

	for (size_t i = 0; i < 2 * CLV_ARRAY_LEN(algorithms); i++) {
		struct version *version = &versions[i / 2][i % 2];
		struct hsm_pin pin = { 0 }, ring = { 0 };
		CK_SESSION_HANDLE session = raw_open(w);
		uint8_t out[HSM_BLOB_MAX];
		CK_ATTRIBUTE got = { i < 2 ? CKA_VALUE : CKA_PRIVATE_EXPONENT, out, sizeof out };
		CK_ULONG len = sizeof out;

		if (i % 2 == 0)
			version_generate(w, algorithms[i / 2], version);
		else
			version_create(w, algorithms[i / 2], version);
		assert_ok(w, hsm_key_pin(w->hsm, &version->key, &pin, &w->err));
		assert_ok(w, hsm_key_pin(w->hsm, &w->ring, &ring, &w->err));
		assert_int_equal(w->real->C_GetAttributeValue(session, pin.handle, &got, 1),
				 CKR_ATTRIBUTE_SENSITIVE);
		assert_int_equal(
			w->real->C_WrapKey(session, &wrap, ring.handle, pin.handle, out, &len),
			CKR_KEY_UNEXTRACTABLE);
		assert_int_not_equal(w->real->C_SignInit(session, &raw, pin.handle), CKR_OK);
		hsm_key_unpin(&ring);
		hsm_key_unpin(&pin);
		raw_close(w, session);
	}
}

static clv_rc same_of(struct world *w, const struct hsm_kind *kind, const struct version *private,
		      const struct version *public)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin pin = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = version_pkey(public);

	CLV_TRY(hsm_key_pin(w->hsm, &private->key, &pin, &w->err));
	CLV_TRY(hsm_session_acquire(w->hsm, &session, &w->err));
	return hsm_same_pair(session, kind, pin.handle, key, &w->err);
}

static clv_rc same(struct world *w, const struct version *private, const struct version *public)
{
	return same_of(w, hsm_kind_get(HSM_ROLE_VERSION, private->key.algorithm), private, public);
}

/* What a pair is checked with before its blob is handed out. */
static void two_pairs_are_never_taken_for_one(void **state)
{
	static const enum clv_algorithm algorithms[] = {
		CLV_ALG_EC_SIGN_P256_SHA256, CLV_ALG_RSA_SIGN_PSS_2048_SHA256,
		CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1,   /* the token removes the padding */
		CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, /* we do */
	};
	struct world *w = *state;
	struct version a, b;

	for (size_t i = 0; i < CLV_ARRAY_LEN(algorithms); i++) {
		version_generate(w, algorithms[i], &a);
		version_generate(w, algorithms[i], &b);
		assert_ok(w, same(w, &a, &a));
		/* Each time with another number, which may be above the modulus of one of them. */
		for (unsigned k = 0; k < 8; k++) {
			assert_refused(w, same(w, &a, &b), CLV_E_DATA_LOSS, "another key");
			assert_refused(w, same(w, &b, &a), CLV_E_DATA_LOSS, "another key");
		}
	}
	version_create(w, CLV_ALG_EC_SIGN_ED25519, &a);
	version_create(w, CLV_ALG_EC_SIGN_ED25519, &b);
	assert_ok(w, same(w, &a, &a));
	assert_refused(w, same(w, &a, &b), CLV_E_DATA_LOSS, "another key");
}

/* It is the keys that decide, not what the token says: one sick for a moment makes no two of one.
 */
static void a_failure_makes_neither_two_pairs_of_one_nor_one_of_two(void **state)
{
	static const struct hsm_kind import_kinds[] = {
		{ HSM_ROLE_IMPORT, 0, "import key", CKO_PRIVATE_KEY, CKK_RSA, 2048,
		  HSM_SCHEME_IMPORT, CLV_HASH_SHA1 },
		{ HSM_ROLE_IMPORT, 0, "import key", CKO_PRIVATE_KEY, CKK_RSA, 2048,
		  HSM_SCHEME_IMPORT_DIRECT, CLV_HASH_SHA1 },
	};
	static const CK_RV codes_of[] = { CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED,
					  CKR_DEVICE_ERROR };
	struct world *w = *state;
	struct version a, b;

	version_generate(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, &a);
	version_generate(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, &b);
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes_of); i++) {
		assert_ok(w, same(w, &a, &a)); /* and is at hand */
		w->shim->fault(SHIM_C_Decrypt, 1, codes_of[i], SHIM_ALWAYS);
		w->shim->fault(SHIM_C_UnwrapKey, 1, codes_of[i], SHIM_ALWAYS);
		assert_refused(w, same(w, &a, &b), CLV_E_DATA_LOSS, "another key");
		assert_refused(w, same(w, &a, &a), CLV_E_UNAVAILABLE, "C_Decrypt");
		for (size_t k = 0; k < CLV_ARRAY_LEN(import_kinds); k++) {
			assert_refused(w, same_of(w, &import_kinds[k], &a, &b), CLV_E_DATA_LOSS,
				       "another key");
			assert_refused(w, same_of(w, &import_kinds[k], &a, &a), CLV_E_UNAVAILABLE,
				       "C_UnwrapKey");
		}
		w->shim->heal();
		world_wait_healthy(w);
	}
	assert_ok(w, same(w, &a, &a));
}

static void a_weakened_pair_is_destroyed_and_refused(void **state)
{
	static const CK_ATTRIBUTE_TYPE weak[] = { CKA_EXTRACTABLE, CKA_SENSITIVE, CKA_DECRYPT,
						  CKA_PRIVATE };
	struct world *w = *state;
	unsigned before, session_before;
	struct hsm_public public = { .len = 5 };
	struct hsm_blob blob = { .len = 7 };
	struct version version;

	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &version);
	before = raw_count_token_objects(w);
	session_before = w->shim->session_objects();
	for (size_t i = 0; i < CLV_ARRAY_LEN(weak); i++) {
		uint8_t id[HSM_ID_LEN];

		world_new_id(id);
		w->shim->weaken(SHIM_C_GenerateKeyPair, weak[i]);
		assert_refused(w,
			       hsm_version_create(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256, id,
						  "weak", &public, &w->err),
			       CLV_E_UNIMPLEMENTED, "weaker than asked");
		assert_refused(w,
			       hsm_version_generate(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256,
						    &w->ring, &blob, &public, &w->err),
			       CLV_E_UNIMPLEMENTED, "weaker than asked");
		w->shim->weaken(SHIM_C_UnwrapKey, weak[i]);
		assert_refused(w,
			       hsm_version_generate(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256,
						    &w->ring, &blob, &public, &w->err),
			       CLV_E_UNIMPLEMENTED, "weaker than asked");
	}
	w->shim->weaken(SHIM_C_UnwrapKey, 0);
	assert_int_equal(blob.len, 7);
	assert_int_equal(public.len, 5);
	assert_int_equal(raw_count_token_objects(w), before);
	assert_int_equal(w->shim->session_objects(), session_before);
}

static void a_damaged_blob_of_a_pair_is_data_loss(void **state)
{
	struct world *w = *state;
	struct version version, other;
	uint8_t in[32] = { 0 }, signature[HSM_SIGNATURE_MAX];
	size_t len;

	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &version);
	version_generate(w, CLV_ALG_HMAC_SHA256, &other);
	for (size_t i = 0; i < version.blob.len; i += 17) {
		version.blob.bytes[i] ^= 1;
		assert_refused(w,
			       hsm_sign(w->hsm, grant(), &version.key, (struct clv_bytes){ in, 32 },
					signature, &len, &w->err),
			       CLV_E_DATA_LOSS, "does not unwrap");
		version.blob.bytes[i] ^= 1;
	}
	/* A blob of another kind of key is whole, but it is no private key. */
	other.key.algorithm = CLV_ALG_EC_SIGN_P256_SHA256;
	assert_refused(w,
		       hsm_sign(w->hsm, grant(), &other.key, (struct clv_bytes){ in, 32 },
				signature, &len, &w->err),
		       CLV_E_DATA_LOSS, "does not unwrap");
}

static void ed25519_is_refused_below_a_ring_with_the_reason(void **state)
{
	struct world *w = *state;
	struct hsm_public public;
	struct hsm_blob blob = { .len = 7 };

	for (int i = 0; i < 2; i++)
		assert_refused(w,
			       hsm_version_generate(w->hsm, grant(), CLV_ALG_EC_SIGN_ED25519,
						    &w->ring, &blob, &public, &w->err),
			       CLV_E_UNIMPLEMENTED, "needs residency TOKEN");
	assert_refused(w,
		       hsm_algorithm_check(w->hsm, CLV_ALG_EC_SIGN_ED25519, CLV_RESIDENCY_WRAPPED,
					   &w->err),
		       CLV_E_UNIMPLEMENTED, "needs residency TOKEN");
	assert_int_equal(blob.len, 7);
	assert_ok(w, hsm_algorithm_check(w->hsm, CLV_ALG_EC_SIGN_ED25519, CLV_RESIDENCY_TOKEN,
					 &w->err));
	assert_ok(w, hsm_ping(w->hsm, &w->err));
}

static void a_disabled_pair_in_the_token_refuses_use(void **state)
{
	struct world *w = *state;
	struct version version;
	uint8_t in[32] = { 0 }, signature[HSM_SIGNATURE_MAX];
	size_t len;

	version_create(w, CLV_ALG_EC_SIGN_ED25519, &version);
#define SIGN()                                                                                     \
	hsm_sign(w->hsm, grant(), &version.key, (struct clv_bytes){ in, 32 }, signature, &len,     \
		 &w->err)
	assert_ok(w, SIGN());
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), version.key.algorithm, version.key.id,
					 false, &w->err));
	assert_refused(w, SIGN(), CLV_E_FAILED_PRECONDITION, "may not be used");
	world_close(w);
	world_open(w);
	assert_refused(w, SIGN(), CLV_E_FAILED_PRECONDITION, "may not be used");
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), version.key.algorithm, version.key.id,
					 true, &w->err));
	assert_ok(w, SIGN());
#undef SIGN
}

/* ---- an altered catalogue ---- */

/* A blob of the same type under the same ring KEK, but of another length or curve. */
static void a_key_of_another_length_is_data_loss(void **state)
{
	static const enum clv_algorithm swaps[][2] = {
		{ CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256, CLV_ALG_RSA_SIGN_PKCS1_3072_SHA256 },
		{ CLV_ALG_EC_SIGN_P256_SHA256, CLV_ALG_EC_SIGN_P384_SHA384 },
		{ CLV_ALG_EC_SIGN_P384_SHA384, CLV_ALG_EC_SIGN_P256_SHA256 },
	};
	struct world *w = *state;
	uint8_t in[48] = { 0 }, signature[HSM_SIGNATURE_MAX];
	struct version version;
	size_t len;

	for (size_t i = 0; i < CLV_ARRAY_LEN(swaps); i++) {
		version_generate(w, swaps[i][0], &version);
		version.key.algorithm = swaps[i][1];
		len = swaps[i][1] == CLV_ALG_EC_SIGN_P384_SHA384 ? 48 : 32;
		assert_refused(w,
			       hsm_sign(w->hsm, grant(), &version.key,
					(struct clv_bytes){ in, len }, signature, &len, &w->err),
			       CLV_E_DATA_LOSS, "catalogue was altered");
	}
	version_create(w, CLV_ALG_EC_SIGN_P256_SHA256, &version);
	version.key.algorithm = CLV_ALG_EC_SIGN_P384_SHA384;
	assert_refused(w,
		       hsm_sign(w->hsm, grant(), &version.key, (struct clv_bytes){ in, 48 },
				signature, &len, &w->err),
		       CLV_E_DATA_LOSS, "catalogue was altered");
	assert_ok(w, hsm_ping(w->hsm, &w->err));
}

/* ---- threads ---- */

struct signer {
	struct world *w;
	const struct version *version;
	unsigned bad;
};

static void *sign_many(void *arg)
{
	struct signer *signer = arg;
	uint8_t in[32] = { 0 }, signature[HSM_SIGNATURE_MAX];
	struct clv_err err;
	size_t len;

	for (int i = 0; i < 40; i++) {
		in[0] = (uint8_t) i;
		if (i % 10 == 9)
			hsm_key_evict(signer->w->hsm, signer->version->key.id);
		if (hsm_sign(signer->w->hsm, grant(), &signer->version->key,
			     (struct clv_bytes){ in, sizeof in }, signature, &len,
			     &err) != CLV_OK ||
		    !evp_verifies(signer->version, "SHA256", 0, (struct clv_bytes){ in, sizeof in },
				  (struct clv_bytes){ signature, len }))
			signer->bad++;
	}
	return NULL;
}

static void threads_sign_with_one_key_while_it_is_evicted(void **state)
{
	struct world *w = *state;
	struct signer signers[4];
	pthread_t threads[4];
	struct version version;

	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &version);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++) {
		signers[i] = (struct signer){ w, &version, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, sign_many, &signers[i]), 0);
	}
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(signers[i].bad, 0);
	}
}

/* ---- faults ---- */

static const CK_RV codes[] = { CKR_GENERAL_ERROR,          CKR_DEVICE_ERROR,
			       CKR_SESSION_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID,
			       CKR_DEVICE_REMOVED,         CKR_USER_NOT_LOGGED_IN };

static struct version fault_version;

static clv_rc run_sign(struct world *w)
{
	uint8_t in[32] = { 1 }, signature[HSM_SIGNATURE_MAX];
	size_t len;

	return hsm_sign(w->hsm, grant(), &fault_version.key, (struct clv_bytes){ in, 32 },
			signature, &len, &w->err);
}

static clv_rc run_generate(struct world *w)
{
	struct hsm_public public = { .len = 0 };
	struct hsm_blob blob = { .len = 0 };
	clv_rc rc = hsm_version_generate(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256, &w->ring,
					 &blob, &public, &w->err);

	assert_int_equal(rc == CLV_OK, blob.len != 0 && public.len != 0);
	return rc;
}

static clv_rc run_create(struct world *w)
{
	struct hsm_public public;
	struct clv_err err;
	uint8_t id[HSM_ID_LEN];
	clv_rc rc, undone;

	world_new_id(id);
	rc = hsm_version_create(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256, id, "fault", &public,
				&w->err);
	w->shim->heal();
	if (rc != CLV_OK)
		world_wait_healthy(w);
	undone = hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, id, &err);
	if (undone != CLV_OK)
		fail_msg("what a failed creation left is not destroyed: %s", err.text);
	return rc;
}

static void check_code(struct world *w, clv_rc (*run)(struct world *w), CK_RV code)
{
	for (unsigned nth = 1;; nth++) {
		clv_rc rc;

		assert_in_range(nth, 1, 200);
		world_calm(w);
		hsm_key_evict(w->hsm, fault_version.key.id);
		hsm_key_evict(w->hsm, w->ring.id);
		w->shim->reset();
		w->shim->fault(SHIM_ANY, nth, code, SHIM_ONCE);
		rc = run(w);
		w->shim->heal();
		if (rc != CLV_OK && rc != CLV_E_UNAVAILABLE)
			fail_msg("call %u failing with 0x%lx: %s: %s", nth, code, clv_rc_name(rc),
				 w->err.text);
		if (rc != CLV_OK) {
			world_wait_healthy(w);
			assert_ok(w, run(w));
		}
		if (w->shim->faults_given() == 0)
			return;
	}
}

static void any_failure_is_lived_through(void **state)
{
	static clv_rc (*const runs[])(struct world * w) = { run_sign, run_generate, run_create };
	struct world *w = *state;
	unsigned before = raw_count_token_objects(w);

	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &fault_version);
	for (size_t i = 0; i < CLV_ARRAY_LEN(runs); i++) {
		size_t each = runs[i] == run_create ? 2 * EACH : EACH; /* token objects are slow */

		for (size_t j = 0; j < CLV_ARRAY_LEN(codes); j += each)
			check_code(w, runs[i], codes[j]);
	}
	assert_int_equal(raw_count_token_objects(w), before);
	assert_in_range(w->shim->session_objects(), 0, 2); /* the ring KEK, the version */
}

int main(void)
{
	static const struct world_options one_session = { .max_sessions = 1 };
	const struct CMUnitTest tests[] = {
		token_test(wrapped_elliptic_keys_sign_what_openssl_verifies),
		token_test(elliptic_keys_in_the_token_sign_what_openssl_verifies),
		token_test(wrapped_rsa_keys_sign_what_openssl_verifies),
		token_test(rsa_keys_in_the_token_sign_what_openssl_verifies),
		token_test(long_rsa_keys_sign_what_openssl_verifies),
		token_test(input_of_a_wrong_length_is_not_signed),
		token_test(private_keys_have_the_attributes_asked),
		token_test(a_private_key_does_not_get_out),
		token_test(two_pairs_are_never_taken_for_one),
		token_test(a_failure_makes_neither_two_pairs_of_one_nor_one_of_two),
		token_test(a_weakened_pair_is_destroyed_and_refused),
		token_test(a_damaged_blob_of_a_pair_is_data_loss),
		token_test(ed25519_is_refused_below_a_ring_with_the_reason),
		token_test(a_disabled_pair_in_the_token_refuses_use),
		token_test(a_key_of_another_length_is_data_loss),
		token_test(threads_sign_with_one_key_while_it_is_evicted),
		token_test_with(wrapped_elliptic_keys_sign_what_openssl_verifies, &one_session),
		token_test(any_failure_is_lived_through),
	};

	return TOKEN_MAIN("hsm: signatures of every kind", tests);
}
