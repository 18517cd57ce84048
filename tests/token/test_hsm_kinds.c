/* SPDX-License-Identifier: Apache-2.0 */
/* Secret keys of every algorithm: making them, using them against OpenSSL, and what is refused. */
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/support/kind_world.h"

static const enum clv_algorithm aes_algorithms[] = {
	CLV_ALG_AES_128_GCM, CLV_ALG_AES_256_GCM, CLV_ALG_AES_128_CBC,
	CLV_ALG_AES_256_CBC, CLV_ALG_AES_128_CTR, CLV_ALG_AES_256_CTR,
};

static const struct mac_row {
	enum clv_algorithm algorithm;
	size_t len;
	size_t blob_len; /* RFC 5649 of the key */
} macs[] = {
	{ CLV_ALG_HMAC_SHA1, 20, 32 },   { CLV_ALG_HMAC_SHA224, 28, 40 },
	{ CLV_ALG_HMAC_SHA256, 32, 40 }, { CLV_ALG_HMAC_SHA384, 48, 56 },
	{ CLV_ALG_HMAC_SHA512, 64, 72 },
};

/* What a raw encryption gave. */
struct raw {
	uint8_t iv[HSM_IV_MAX], bytes[128 + HSM_TAG_LEN];
	size_t iv_len, len;
};

static const struct clv_bytes no_bytes = { (const uint8_t *) "", 0 };

static clv_rc raw_encrypt(struct world *w, const struct version *version, struct clv_bytes iv,
			  struct clv_bytes aad, struct clv_bytes text, struct raw *ret_raw)
{
	return hsm_raw_encrypt(w->hsm, grant(), &version->key, iv, aad, text, ret_raw->iv,
			       &ret_raw->iv_len, ret_raw->bytes, &ret_raw->len, &w->err);
}

static clv_rc raw_decrypt(struct world *w, const struct version *version, const struct raw *raw,
			  struct clv_bytes aad, uint8_t *out, size_t *ret_len)
{
	return hsm_raw_decrypt(w->hsm, grant(), &version->key,
			       (struct clv_bytes){ raw->iv, raw->iv_len }, aad,
			       (struct clv_bytes){ raw->bytes, raw->len }, out, ret_len, &w->err);
}

static bool is_gcm(enum clv_algorithm algorithm)
{
	return algorithm == CLV_ALG_AES_128_GCM || algorithm == CLV_ALG_AES_256_GCM;
}

static void check_round_trip(struct world *w, const struct version *version)
{
	bool gcm = is_gcm(version->key.algorithm);
	struct clv_bytes aad = gcm ? bytes_of("aad") : no_bytes;
	uint8_t text[96], opened[sizeof text + HSM_TAG_LEN];
	struct raw raw, again;
	size_t len = 0;

	fill(text, sizeof text, 3);
	assert_ok(w, raw_encrypt(w, version, no_bytes, aad, (struct clv_bytes){ text, sizeof text },
				 &raw));
	assert_int_equal(raw.iv_len, gcm ? 12 : 16);
	assert_int_equal(raw.len, sizeof text + (gcm ? HSM_TAG_LEN : 0));
	assert_ok(w, raw_decrypt(w, version, &raw, aad, opened, &len));
	assert_int_equal(len, sizeof text);
	assert_memory_equal(opened, text, sizeof text);
	assert_ok(w, raw_encrypt(w, version, no_bytes, aad, (struct clv_bytes){ text, sizeof text },
				 &again));
	assert_memory_not_equal(raw.iv, again.iv, raw.iv_len);
	assert_memory_not_equal(raw.bytes, again.bytes, sizeof text);
}

static void every_aes_key_decrypts_what_it_encrypted(void **state)
{
	struct world *w = *state;
	struct version version;

	for (size_t i = 0; i < CLV_ARRAY_LEN(aes_algorithms); i++) {
		version_generate(w, aes_algorithms[i], &version);
		assert_int_equal(version.public.len, 0);
		check_round_trip(w, &version);
		version_create(w, aes_algorithms[i], &version);
		check_round_trip(w, &version);
	}
}

/* The token's key cannot be seen, so a known one is put under the ring KEK by the raw module. */
static void import_known(struct world *w, enum clv_algorithm algorithm, const uint8_t *bytes,
			 size_t len, CK_KEY_TYPE type, struct version *ret_version)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_MECHANISM mech = { w->hsm->caps.wrap_mech, NULL, 0 };
	CK_ATTRIBUTE tpl[] = { { CKA_CLASS, &class, sizeof class },
			       { CKA_KEY_TYPE, &type, sizeof type },
			       { CKA_TOKEN, &no, 1 },
			       { CKA_SENSITIVE, &no, 1 },
			       { CKA_EXTRACTABLE, &yes, 1 },
			       { CKA_VALUE, hsm_input(bytes), len } };
	CK_SESSION_HANDLE session = raw_open(w);
	struct hsm_pin ring = { 0 };
	CK_OBJECT_HANDLE object;
	CK_ULONG blob_len = sizeof ret_version->blob.bytes;

	assert_int_equal(w->real->C_CreateObject(session, tpl, CLV_ARRAY_LEN(tpl), &object),
			 CKR_OK);
	assert_ok(w, hsm_key_pin(w->hsm, &w->ring, &ring, &w->err));
	assert_int_equal(w->real->C_WrapKey(session, &mech, ring.handle, object,
					    ret_version->blob.bytes, &blob_len),
			 CKR_OK);
	hsm_key_unpin(&ring);
	raw_close(w, session);
	ret_version->key = (struct hsm_keyref){ .role = HSM_ROLE_VERSION,
						.algorithm = algorithm,
						.parent = &w->ring,
						.blob = ret_version->blob.bytes,
						.blob_len = blob_len };
	world_new_id(ret_version->key.id);
}

static void evp_cipher(const char *name, const uint8_t *key, const uint8_t *iv, struct clv_bytes in,
		       uint8_t *out)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;

	assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL), 1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &len, in.data, (int) in.len), 1);
	assert_int_equal(len, (int) in.len);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

static void cbc_and_ctr_give_the_bytes_of_openssl(void **state)
{
	static const struct {
		enum clv_algorithm algorithm;
		const char *name;
		size_t key_len;
	} rows[] = { { CLV_ALG_AES_128_CBC, "AES-128-CBC", 16 },
		     { CLV_ALG_AES_256_CBC, "AES-256-CBC", 32 },
		     { CLV_ALG_AES_128_CTR, "AES-128-CTR", 16 },
		     { CLV_ALG_AES_256_CTR, "AES-256-CTR", 32 } };
	struct world *w = *state;
	uint8_t key[32], iv[16], text[64], want[64];
	struct version version;
	struct raw raw;

	fill(key, sizeof key, 1);
	fill(iv, sizeof iv, 100);
	fill(text, sizeof text, 50);
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		import_known(w, rows[i].algorithm, key, rows[i].key_len, CKK_AES, &version);
		assert_ok(w, raw_encrypt(w, &version, (struct clv_bytes){ iv, sizeof iv }, no_bytes,
					 (struct clv_bytes){ text, sizeof text }, &raw));
		evp_cipher(rows[i].name, key, iv, (struct clv_bytes){ text, sizeof text }, want);
		assert_memory_equal(raw.bytes, want, sizeof want);
		assert_memory_equal(raw.iv, iv, sizeof iv);
	}
}

static void ctr_takes_data_of_any_length(void **state)
{
	struct world *w = *state;
	uint8_t text[33] = { 1 }, opened[64];
	struct version version;
	struct raw raw;
	size_t len;

	version_generate(w, CLV_ALG_AES_256_CTR, &version);
	for (size_t n = 1; n <= sizeof text; n++) {
		assert_ok(w, raw_encrypt(w, &version, no_bytes, no_bytes,
					 (struct clv_bytes){ text, n }, &raw));
		assert_ok(w, raw_decrypt(w, &version, &raw, no_bytes, opened, &len));
		assert_int_equal(len, n);
		assert_memory_equal(opened, text, n);
	}
}

/* SoftHSM refuses to let a counter begin anew: that is about these data, not about the token. */
static void a_counter_at_its_end_harms_nobody(void **state)
{
	struct world *w = *state;
	struct version version;
	struct raw raw;
	uint8_t iv[16];
	clv_rc rc;

	memset(iv, 0xff, sizeof iv);
	version_generate(w, CLV_ALG_AES_128_CTR, &version);
	for (int i = 0; i < 20; i++) {
		rc = raw_encrypt(w, &version, (struct clv_bytes){ iv, sizeof iv }, no_bytes,
				 bytes_of("seventeen bytes.."), &raw);
		assert_true(rc == CLV_OK || rc == CLV_E_INVALID_ARGUMENT);
	}
	check_round_trip(w, &version);
}

static void gcm_of_each_key_length_opens_only_what_is_whole(void **state)
{
	struct world *w = *state;
	uint8_t opened[64];
	struct version version, other;
	struct raw raw, bad;
	size_t len = 77;

	for (size_t i = 0; i < 2; i++) {
		version_generate(w, aes_algorithms[i], &version);
		version_generate(w, aes_algorithms[i], &other);
		assert_ok(w, raw_encrypt(w, &version, no_bytes, bytes_of("aad"), bytes_of("text"),
					 &raw));
		for (size_t at = 0; at < raw.len; at++) {
			bad = raw;
			bad.bytes[at] ^= 1;
			assert_refused(
				w, raw_decrypt(w, &version, &bad, bytes_of("aad"), opened, &len),
				CLV_E_INVALID_ARGUMENT, "ciphertext is invalid");
		}
		assert_refused(w, raw_decrypt(w, &version, &raw, bytes_of("aaD"), opened, &len),
			       CLV_E_INVALID_ARGUMENT, "ciphertext is invalid");
		assert_refused(w, raw_decrypt(w, &other, &raw, bytes_of("aad"), opened, &len),
			       CLV_E_INVALID_ARGUMENT, "ciphertext is invalid");
		assert_int_equal(len, 77);
		assert_ok(w, raw_decrypt(w, &version, &raw, bytes_of("aad"), opened, &len));
		len = 77;
	}
}

static void input_that_does_not_fit_the_mode_is_refused(void **state)
{
	struct world *w = *state;
	struct version cbc, ctr, gcm;
	uint8_t iv[17] = { 0 };
	struct raw raw;

	version_generate(w, CLV_ALG_AES_128_CBC, &cbc);
	version_generate(w, CLV_ALG_AES_128_CTR, &ctr);
	version_generate(w, CLV_ALG_AES_128_GCM, &gcm);
	assert_refused(w,
		       raw_encrypt(w, &cbc, no_bytes, no_bytes, bytes_of("fifteen bytes.."), &raw),
		       CLV_E_INVALID_ARGUMENT, "multiple of 16");
	assert_refused(w, raw_encrypt(w, &cbc, no_bytes, no_bytes, no_bytes, &raw),
		       CLV_E_INVALID_ARGUMENT, "at least one byte");
	assert_refused(
		w,
		raw_encrypt(w, &ctr, (struct clv_bytes){ iv, 17 }, no_bytes, bytes_of("t"), &raw),
		CLV_E_INVALID_ARGUMENT, "IV of 16 bytes, not 17");
	assert_refused(
		w,
		raw_encrypt(w, &ctr, (struct clv_bytes){ iv, 12 }, no_bytes, bytes_of("t"), &raw),
		CLV_E_INVALID_ARGUMENT, "IV of 16 bytes, not 12");
	assert_refused(w, raw_encrypt(w, &ctr, no_bytes, bytes_of("aad"), bytes_of("t"), &raw),
		       CLV_E_INVALID_ARGUMENT, "no additional authenticated data");
	assert_refused(
		w,
		raw_encrypt(w, &gcm, (struct clv_bytes){ iv, 12 }, no_bytes, bytes_of("t"), &raw),
		CLV_E_INVALID_ARGUMENT, "makes its own IV");
}

/* ---- MACs ---- */

static bool is_valid(struct world *w, const struct version *version, const char *data,
		     const uint8_t *mac, size_t len)
{
	bool valid = false;

	assert_ok(w, hsm_mac_verify(w->hsm, grant(), &version->key, bytes_of(data),
				    (struct clv_bytes){ mac, len }, &valid, &w->err));
	return valid;
}

static void check_mac(struct world *w, const struct version *version, size_t want_len)
{
	uint8_t mac[HSM_SIGNATURE_MAX], again[HSM_SIGNATURE_MAX];
	size_t len = 0, len_again = 0;

	assert_ok(w, hsm_mac(w->hsm, grant(), &version->key, bytes_of("some data"), mac, &len,
			     &w->err));
	assert_int_equal(len, want_len);
	assert_ok(w, hsm_mac(w->hsm, grant(), &version->key, bytes_of("some data"), again,
			     &len_again, &w->err));
	assert_memory_equal(mac, again, len);
	assert_true(is_valid(w, version, "some data", mac, len));
	assert_false(is_valid(w, version, "some datA", mac, len));
	assert_false(is_valid(w, version, "some data", mac, len - 1));
	assert_false(is_valid(w, version, "some data", mac, 0));
	mac[len - 1] ^= 0x80;
	assert_false(is_valid(w, version, "some data", mac, len));
}

static void every_mac_key_verifies_its_own_macs_only(void **state)
{
	struct world *w = *state;
	struct version version;

	for (size_t i = 0; i < CLV_ARRAY_LEN(macs); i++) {
		version_generate(w, macs[i].algorithm, &version);
		assert_int_equal(version.blob.len, macs[i].blob_len);
		check_mac(w, &version, macs[i].len);
		version_create(w, macs[i].algorithm, &version);
		check_mac(w, &version, macs[i].len);
	}
}

static void macs_are_those_of_openssl(void **state)
{
	static const char *const names[] = { "SHA1", "SHA224", "SHA256", "SHA384", "SHA512" };
	struct world *w = *state;
	uint8_t key[64], mac[HSM_SIGNATURE_MAX], want[EVP_MAX_MD_SIZE];
	struct version version;
	unsigned want_len;
	size_t len;

	fill(key, sizeof key, 9);
	for (size_t i = 0; i < CLV_ARRAY_LEN(macs); i++) {
		import_known(w, macs[i].algorithm, key, macs[i].len, CKK_GENERIC_SECRET, &version);
		assert_ok(w, hsm_mac(w->hsm, grant(), &version.key, bytes_of("data"), mac, &len,
				     &w->err));
		assert_non_null(HMAC(EVP_get_digestbyname(names[i]), key, (int) macs[i].len,
				     (const uint8_t *) "data", 4, want, &want_len));
		assert_int_equal(len, want_len);
		assert_memory_equal(mac, want, len);
	}
}

static void an_empty_message_has_a_mac(void **state)
{
	struct world *w = *state;
	uint8_t mac[HSM_SIGNATURE_MAX];
	struct version version;
	size_t len = 0;

	version_generate(w, CLV_ALG_HMAC_SHA256, &version);
	assert_ok(w, hsm_mac(w->hsm, grant(), &version.key, no_bytes, mac, &len, &w->err));
	assert_int_equal(len, 32);
}

/* ---- telling keys apart ---- */

static clv_rc same(struct world *w, const struct hsm_kind *kind, const struct hsm_keyref *a,
		   const struct hsm_keyref *b)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin pin_a = { 0 };
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin pin_b = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;

	CLV_TRY(hsm_key_pin(w->hsm, a, &pin_a, &w->err));
	CLV_TRY(hsm_key_pin(w->hsm, b, &pin_b, &w->err));
	CLV_TRY(hsm_session_acquire(w->hsm, &session, &w->err));
	return hsm_same_secret(session, kind, pin_a.handle, pin_b.handle, &w->err);
}

/* What a key is checked with before its blob is handed out. GCM says so by a tag that does not fit.
 */
static void two_keys_are_never_taken_for_one(void **state)
{
	static const enum clv_algorithm algorithms[] = { CLV_ALG_AES_128_CBC, CLV_ALG_AES_256_CTR,
							 CLV_ALG_HMAC_SHA1, CLV_ALG_HMAC_SHA512 };
	struct world *w = *state;
	struct version a, b;

	for (size_t i = 0; i < CLV_ARRAY_LEN(algorithms); i++) {
		const struct hsm_kind *kind = hsm_kind_get(HSM_ROLE_VERSION, algorithms[i]);

		version_generate(w, algorithms[i], &a);
		version_generate(w, algorithms[i], &b);
		assert_ok(w, same(w, kind, &a.key, &a.key));
		assert_refused(w, same(w, kind, &a.key, &b.key), CLV_E_DATA_LOSS, "another key");
	}
	version_generate(w, CLV_ALG_AES_256_GCM, &a);
	version_generate(w, CLV_ALG_AES_256_GCM, &b);
	assert_ok(w, same(w, hsm_kind_get(HSM_ROLE_VERSION, CLV_ALG_AES_256_GCM), &a.key, &a.key));
	assert_int_not_equal(
		same(w, hsm_kind_get(HSM_ROLE_VERSION, CLV_ALG_AES_256_GCM), &a.key, &b.key),
		CLV_OK);
}

/* ---- what is refused ---- */

static void a_key_does_only_what_its_algorithm_is_for(void **state)
{
	struct world *w = *state;
	struct version aes, mac;
	struct clv_secret *secret = NULL;
	uint8_t out[HSM_SIGNATURE_MAX];
	struct raw raw;
	size_t len;

	version_generate(w, CLV_ALG_AES_256_CBC, &aes);
	version_generate(w, CLV_ALG_HMAC_SHA256, &mac);
	assert_refused(w, hsm_mac(w->hsm, grant(), &aes.key, bytes_of("a"), out, &len, &w->err),
		       CLV_E_INVALID_ARGUMENT, "AES_256_CBC does not make MACs");
	assert_refused(w, hsm_sign(w->hsm, grant(), &mac.key, bytes_of("a"), out, &len, &w->err),
		       CLV_E_INVALID_ARGUMENT, "HMAC_SHA256 does not sign");
	assert_refused(w, raw_encrypt(w, &mac, no_bytes, no_bytes, bytes_of("a"), &raw),
		       CLV_E_INVALID_ARGUMENT, "HMAC_SHA256 does not encrypt");
	assert_refused(w,
		       hsm_encrypt(w->hsm, grant(), &aes.key, no_bytes, bytes_of("a"), raw.iv,
				   &raw.iv_len, raw.bytes, &w->err),
		       CLV_E_INVALID_ARGUMENT, "AES_256_CBC does not encrypt");
	assert_refused(
		w,
		hsm_asymmetric_decrypt(w->hsm, grant(), &aes.key, bytes_of("a"), &secret, &w->err),
		CLV_E_INVALID_ARGUMENT, "AES_256_CBC does not decrypt");
	assert_refused(w,
		       hsm_algorithm_check(w->hsm, (enum clv_algorithm) 11, CLV_RESIDENCY_WRAPPED,
					   &w->err),
		       CLV_E_INVALID_ARGUMENT, "number 11");
}

/* Below our own checks the token itself insists on the mechanism. */
static void the_token_refuses_another_mechanism(void **state)
{
	static uint8_t iv[16];
	CK_MECHANISM ctr = { CKM_AES_CTR, &(CK_AES_CTR_PARAMS){ 128, { 0 } },
			     sizeof(CK_AES_CTR_PARAMS) },
		     cbc = { CKM_AES_CBC, iv, sizeof iv };
	struct world *w = *state;
	struct hsm_pin pin = { 0 };
	CK_SESSION_HANDLE session;
	struct version version;

	version_generate(w, CLV_ALG_AES_256_CBC, &version);
	assert_ok(w, hsm_key_pin(w->hsm, &version.key, &pin, &w->err));
	session = raw_open(w);
	assert_int_not_equal(w->real->C_EncryptInit(session, &ctr, pin.handle), CKR_OK);
	assert_int_equal(w->real->C_EncryptInit(session, &cbc, pin.handle), CKR_OK);
	raw_close(w, session);
	hsm_key_unpin(&pin);
}

static void a_damaged_blob_is_data_loss(void **state)
{
	struct world *w = *state;
	struct version version;
	uint8_t mac[HSM_SIGNATURE_MAX];
	size_t len;

	version_generate(w, CLV_ALG_HMAC_SHA512, &version);
	for (size_t i = 0; i < version.blob.len; i += 5) {
		version.blob.bytes[i] ^= 4;
		assert_refused(
			w,
			hsm_mac(w->hsm, grant(), &version.key, bytes_of("a"), mac, &len, &w->err),
			CLV_E_DATA_LOSS, "does not unwrap");
		version.blob.bytes[i] ^= 4;
	}
	assert_ok(w, hsm_mac(w->hsm, grant(), &version.key, bytes_of("a"), mac, &len, &w->err));
}

/* Both are whole and under the same ring KEK, but one is weaker than the catalogue says. */
static void a_shorter_key_is_not_taken_for_a_longer_one(void **state)
{
	struct world *w = *state;
	struct version version;
	struct raw raw;

	version_generate(w, CLV_ALG_AES_128_CBC, &version);
	version.key.algorithm = CLV_ALG_AES_256_CBC;
	assert_refused(
		w, raw_encrypt(w, &version, no_bytes, no_bytes, bytes_of("sixteen bytes ok"), &raw),
		CLV_E_DATA_LOSS, "catalogue was altered");
	version_create(w, CLV_ALG_AES_128_CBC, &version);
	version.key.algorithm = CLV_ALG_AES_256_CBC;
	assert_refused(
		w, raw_encrypt(w, &version, no_bytes, no_bytes, bytes_of("sixteen bytes ok"), &raw),
		CLV_E_DATA_LOSS, "length is another one");
}

static void a_weakened_mac_key_is_not_handed_out(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob = { .len = 7 };
	struct hsm_public public = { .len = 8 };

	w->shim->weaken(SHIM_C_UnwrapKey, CKA_EXTRACTABLE);
	assert_refused(w,
		       hsm_version_generate(w->hsm, grant(), CLV_ALG_HMAC_SHA256, &w->ring, &blob,
					    &public, &w->err),
		       CLV_E_UNIMPLEMENTED, "EXTRACTABLE");
	assert_int_equal(blob.len, 7);
	assert_int_equal(public.len, 8);
}

static void what_a_token_lacks_is_said_with_the_reason(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob;
	struct hsm_public public;

	w->shim->hide(CKM_AES_CTR);
	for (int i = 0; i < 2; i++) { /* tried, then remembered */
		assert_refused(w,
			       hsm_algorithm_check(w->hsm, CLV_ALG_AES_256_CTR,
						   CLV_RESIDENCY_WRAPPED, &w->err),
			       CLV_E_UNIMPLEMENTED, "lacks the mechanism");
		assert_refused(w,
			       hsm_version_generate(w->hsm, grant(), CLV_ALG_AES_256_CTR, &w->ring,
						    &blob, &public, &w->err),
			       CLV_E_UNIMPLEMENTED, "cannot hold keys of AES_256_CTR");
	}
	assert_ok(w,
		  hsm_algorithm_check(w->hsm, CLV_ALG_AES_256_CBC, CLV_RESIDENCY_WRAPPED, &w->err));
}

static void a_hiccup_is_not_remembered_as_a_lack(void **state)
{
	struct world *w = *state;
	clv_rc rc;

	world_calm(w);
	w->shim->fault(SHIM_C_GenerateKey, 1, CKR_DEVICE_ERROR, SHIM_ALWAYS);
	rc = hsm_algorithm_check(w->hsm, CLV_ALG_HMAC_SHA1, CLV_RESIDENCY_TOKEN, &w->err);
	assert_rc(rc, CLV_E_UNAVAILABLE);
	w->shim->heal();
	world_wait_healthy(w);
	assert_ok(w, hsm_algorithm_check(w->hsm, CLV_ALG_HMAC_SHA1, CLV_RESIDENCY_TOKEN, &w->err));
}

/* ---- in the token ---- */

static void a_disabled_mac_key_in_the_token_refuses_use(void **state)
{
	struct world *w = *state;
	unsigned before = raw_count_token_objects(w);
	uint8_t mac[HSM_SIGNATURE_MAX];
	struct version version;
	size_t len;

	version_create(w, CLV_ALG_HMAC_SHA256, &version);
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), CLV_ALG_HMAC_SHA256, version.key.id,
					 false, &w->err));
	assert_refused(w, hsm_mac(w->hsm, grant(), &version.key, bytes_of("a"), mac, &len, &w->err),
		       CLV_E_FAILED_PRECONDITION, "may not be used");
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), CLV_ALG_HMAC_SHA256, version.key.id, true,
					 &w->err));
	assert_ok(w, hsm_mac(w->hsm, grant(), &version.key, bytes_of("a"), mac, &len, &w->err));
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, version.key.id, &w->err));
	assert_int_equal(raw_count_token_objects(w), before);
}

static void an_evicted_key_is_unwrapped_again(void **state)
{
	struct world *w = *state;
	uint8_t mac[HSM_SIGNATURE_MAX], again[HSM_SIGNATURE_MAX];
	struct version version;
	size_t len;

	version_generate(w, CLV_ALG_HMAC_SHA1, &version);
	assert_ok(w, hsm_mac(w->hsm, grant(), &version.key, bytes_of("a"), mac, &len, &w->err));
	hsm_key_evict(w->hsm, version.key.id);
	assert_ok(w, hsm_mac(w->hsm, grant(), &version.key, bytes_of("a"), again, &len, &w->err));
	assert_memory_equal(mac, again, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		token_test(every_aes_key_decrypts_what_it_encrypted),
		token_test(cbc_and_ctr_give_the_bytes_of_openssl),
		token_test(ctr_takes_data_of_any_length),
		token_test(gcm_of_each_key_length_opens_only_what_is_whole),
		token_test(input_that_does_not_fit_the_mode_is_refused),
		token_test(every_mac_key_verifies_its_own_macs_only),
		token_test(macs_are_those_of_openssl),
		token_test(an_empty_message_has_a_mac),
		token_test(two_keys_are_never_taken_for_one),
		token_test(a_counter_at_its_end_harms_nobody),
		token_test(a_key_does_only_what_its_algorithm_is_for),
		token_test(the_token_refuses_another_mechanism),
		token_test(a_damaged_blob_is_data_loss),
		token_test(a_shorter_key_is_not_taken_for_a_longer_one),
		token_test(a_weakened_mac_key_is_not_handed_out),
		token_test(what_a_token_lacks_is_said_with_the_reason),
		token_test(a_hiccup_is_not_remembered_as_a_lack),
		token_test(a_disabled_mac_key_in_the_token_refuses_use),
		token_test(an_evicted_key_is_unwrapped_again),
	};

	return TOKEN_MAIN("hsm: secret keys of every kind", tests);
}
