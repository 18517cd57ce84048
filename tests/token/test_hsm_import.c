/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importing keys that software wrapped, as a customer would: the token then does with them what
 * OpenSSL does. And everything else that may be sent instead.
 */
#include "config.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "tests/support/kind_world.h"

#define WRAPPED_MAX 4096

/* Sanitizers make all of it too slow: there, shorter keys and some of the failures have to do. */
#ifdef CLV_SANITIZED
#define EACH 3
#define LONG_METHOD 1
#define LONG_BITS 3072
#else
#define EACH 1
#define LONG_METHOD 2
#define LONG_BITS 4096
#endif

struct wrapped {
	uint8_t bytes[WRAPPED_MAX];
	size_t len;
};

/* An import job below the world's ring KEK; must not be copied. */
struct job {
	struct hsm_keyref key;
	struct hsm_blob blob;
	struct hsm_public public;
	EVP_PKEY *pkey;
};

/* What an import gave. */
struct imported {
	struct version version;
	uint8_t check[HSM_CHECK_LEN];
};

/* A job as the token makes it. */
static void make_job(struct world *w, int method, struct job *ret_job)
{
	const unsigned char *at = ret_job->public.der;

	assert_ok(w, hsm_import_key_generate(w->hsm, grant(), method, &w->ring, &ret_job->blob,
					     &ret_job->public, &w->err));
	ret_job->key = (struct hsm_keyref){ .role = HSM_ROLE_IMPORT,
					    .parent = &w->ring,
					    .blob = ret_job->blob.bytes,
					    .blob_len = ret_job->blob.len };
	world_new_id(ret_job->key.id);
	ret_job->pkey = d2i_PUBKEY(NULL, &at, (long) ret_job->public.len);
	assert_non_null(ret_job->pkey);
}

/* The big-endian bytes of a number of an RSA key, as an attribute. */
static CK_ATTRIBUTE number(EVP_PKEY *key, const char *name, CK_ATTRIBUTE_TYPE type, uint8_t *bytes)
{
	BIGNUM *value = NULL;
	CK_ATTRIBUTE a = { type, bytes, 0 };

	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &value), 1);
	a.ulValueLen = (CK_ULONG) BN_bn2bin(value, bytes);
	BN_free(value);
	return a;
}

/*
 * The same with a key pair of ours, put under the ring KEK by the raw module: it is made once, as
 * that takes long.
 */
static void new_job(struct world *w, struct job *ret_job)
{
	static EVP_PKEY *key;
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_KEY_TYPE type = CKK_RSA;
	CK_MECHANISM mech = { w->hsm->caps.wrap_mech, NULL, 0 };
	uint8_t bytes[8][512];
	CK_SESSION_HANDLE session = raw_open(w);
	struct hsm_pin ring = { 0 };
	CK_OBJECT_HANDLE object;
	CK_ULONG len = sizeof ret_job->blob.bytes;

	if (key == NULL)
		key = EVP_RSA_gen(3072);
	{
		CK_ATTRIBUTE tpl[] = {
			{ CKA_CLASS, &class, sizeof class },
			{ CKA_KEY_TYPE, &type, sizeof type },
			{ CKA_TOKEN, &no, 1 },
			{ CKA_SENSITIVE, &no, 1 },
			{ CKA_EXTRACTABLE, &yes, 1 },
			number(key, "n", CKA_MODULUS, bytes[0]),
			number(key, "e", CKA_PUBLIC_EXPONENT, bytes[1]),
			number(key, "d", CKA_PRIVATE_EXPONENT, bytes[2]),
			number(key, "rsa-factor1", CKA_PRIME_1, bytes[3]),
			number(key, "rsa-factor2", CKA_PRIME_2, bytes[4]),
			number(key, "rsa-exponent1", CKA_EXPONENT_1, bytes[5]),
			number(key, "rsa-exponent2", CKA_EXPONENT_2, bytes[6]),
			number(key, "rsa-coefficient1", CKA_COEFFICIENT, bytes[7]),
		};

		assert_int_equal(w->real->C_CreateObject(session, tpl, CLV_ARRAY_LEN(tpl), &object),
				 CKR_OK);
	}
	assert_ok(w, hsm_key_pin(w->hsm, &w->ring, &ring, &w->err));
	assert_int_equal(
		w->real->C_WrapKey(session, &mech, ring.handle, object, ret_job->blob.bytes, &len),
		CKR_OK);
	hsm_key_unpin(&ring);
	raw_close(w, session);
	ret_job->key = (struct hsm_keyref){ .role = HSM_ROLE_IMPORT,
					    .parent = &w->ring,
					    .blob = ret_job->blob.bytes,
					    .blob_len = len };
	world_new_id(ret_job->key.id);
	EVP_PKEY_up_ref(key);
	ret_job->pkey = key;
}

static void end_job(struct job *job)
{
	EVP_PKEY_free(job->pkey);
	job->pkey = NULL;
}

/* OAEP of a fresh AES key, then the material by RFC 5649 under it. */
static void wrap_by(EVP_PKEY *key, const char *digest, const char *cipher_name,
		    struct clv_bytes material, struct wrapped *ret_wrapped)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t ephemeral[32];
	size_t sealed;
	int len = 0;

	RAND_bytes(ephemeral, sizeof ephemeral);
	evp_oaep(key, digest,
		 (struct clv_bytes){ ephemeral, (size_t) EVP_CIPHER_get_key_length(cipher) },
		 ret_wrapped->bytes, &sealed);
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, ephemeral, NULL, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, ret_wrapped->bytes + sealed, &len, material.data,
					   (int) material.len),
			 1);
	ret_wrapped->len = sealed + (size_t) len;
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

static void wrap_for(EVP_PKEY *key, const char *digest, struct clv_bytes material,
		     struct wrapped *ret_wrapped)
{
	wrap_by(key, digest, "AES-256-WRAP-PAD", material, ret_wrapped);
}

static clv_rc import(struct world *w, const struct job *job, enum clv_algorithm algorithm,
		     const struct wrapped *wrapped, struct imported *ret)
{
	clv_rc rc =
		hsm_version_import(w->hsm, grant(), 1, &job->key, algorithm, &w->ring,
				   (struct clv_bytes){ wrapped->bytes, wrapped->len },
				   &ret->version.blob, &ret->version.public, ret->check, &w->err);

	ret->version.key = (struct hsm_keyref){ .role = HSM_ROLE_VERSION,
						.algorithm = algorithm,
						.parent = &w->ring,
						.blob = ret->version.blob.bytes,
						.blob_len = ret->version.blob.len };
	world_new_id(ret->version.key.id);
	return rc;
}

static clv_rc import_material(struct world *w, const struct job *job, enum clv_algorithm algorithm,
			      struct clv_bytes material, struct imported *ret)
{
	struct wrapped wrapped;

	wrap_for(job->pkey, "SHA1", material, &wrapped);
	return import(w, job, algorithm, &wrapped, ret);
}

/* A private key as PKCS#8. */
static struct clv_bytes pkcs8_of(EVP_PKEY *key, uint8_t bytes[WRAPPED_MAX])
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *at = bytes;
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);

	assert_in_range(len, 1, WRAPPED_MAX);
	assert_int_equal(i2d_PKCS8_PRIV_KEY_INFO(info, &at), len);
	PKCS8_PRIV_KEY_INFO_free(info);
	return (struct clv_bytes){ bytes, (size_t) len };
}

/* ---- methods ---- */

static void methods_that_the_token_cannot_do_are_refused_with_the_reason(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob = { .len = 7 };
	struct hsm_public public;

	for (int method = 1; method <= 2; method++)
		assert_ok(w, hsm_import_check(w->hsm, method, &w->err));
	for (int method = 3; method <= 6; method++) {
		assert_refused(w, hsm_import_check(w->hsm, method, &w->err), CLV_E_UNIMPLEMENTED,
			       "cannot import by RSA_OAEP_");
		assert_refused(w,
			       hsm_import_key_generate(w->hsm, grant(), method, &w->ring, &blob,
						       &public, &w->err),
			       CLV_E_UNIMPLEMENTED, "refused the arguments");
	}
	for (int method = 0; method <= 7; method += 7)
		assert_refused(w, hsm_import_check(w->hsm, method, &w->err), CLV_E_INVALID_ARGUMENT,
			       "not one that is offered");
	assert_int_equal(blob.len, 7);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
}

static void a_job_of_the_token_s_own_making_imports(void **state)
{
	static const uint8_t material[32] = { 1, 2, 3 };
	struct world *w = *state;
	struct hsm_public public;
	struct hsm_blob blob;
	struct wrapped wrapped;
	uint8_t check[HSM_CHECK_LEN];
	struct job job;

	make_job(w, LONG_METHOD, &job);
	assert_int_equal(EVP_PKEY_get_bits(job.pkey), LONG_BITS);
	wrap_for(job.pkey, "SHA1", (struct clv_bytes){ material, sizeof material }, &wrapped);
	assert_ok(w, hsm_version_import(w->hsm, grant(), LONG_METHOD, &job.key, CLV_ALG_AES_256_GCM,
					&w->ring, (struct clv_bytes){ wrapped.bytes, wrapped.len },
					&blob, &public, check, &w->err));
	assert_int_equal(blob.len, 40);
	assert_int_equal(public.len, 0);
	end_job(&job);
}

/* ---- symmetric keys ---- */

static void check_cipher(struct world *w, const struct imported *imported, const char *name,
			 const uint8_t *key)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[16], text[48], want[48], got[48 + HSM_TAG_LEN], ret_iv[HSM_IV_MAX];
	size_t iv_len, got_len;
	int len = 0;

	fill(iv, sizeof iv, 60);
	fill(text, sizeof text, 70);
	assert_int_equal(EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL), 1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_EncryptUpdate(ctx, want, &len, text, sizeof text), 1);
	assert_ok(w, hsm_raw_encrypt(w->hsm, grant(), &imported->version.key,
				     (struct clv_bytes){ iv, sizeof iv }, bytes_of(""),
				     (struct clv_bytes){ text, sizeof text }, ret_iv, &iv_len, got,
				     &got_len, &w->err));
	assert_int_equal(got_len, len);
	assert_memory_equal(got, want, got_len);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

static void an_imported_aes_key_gives_the_bytes_of_openssl(void **state)
{
	static const struct {
		enum clv_algorithm algorithm;
		const char *name;
		size_t len;
	} rows[] = { { CLV_ALG_AES_128_CBC, "AES-128-CBC", 16 },
		     { CLV_ALG_AES_256_CBC, "AES-256-CBC", 32 },
		     { CLV_ALG_AES_128_CTR, "AES-128-CTR", 16 },
		     { CLV_ALG_AES_256_CTR, "AES-256-CTR", 32 } };
	struct world *w = *state;
	struct imported imported;
	unsigned objects;
	uint8_t key[32];
	struct job job;

	fill(key, sizeof key, 5);
	new_job(w, &job);
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		assert_ok(w, import_material(w, &job, rows[i].algorithm,
					     (struct clv_bytes){ key, rows[i].len }, &imported));
		check_cipher(w, &imported, rows[i].name, key);
		hsm_key_evict(w->hsm, imported.version.key.id);
	}
	objects = w->shim->session_objects();
	assert_ok(w, import_material(w, &job, CLV_ALG_AES_256_CTR, (struct clv_bytes){ key, 32 },
				     &imported));
	assert_int_equal(w->shim->session_objects(), objects);
	end_job(&job);
}

/* GCM has no byte to compare, as its IV is the token's: OpenSSL opens what the token sealed. */
static void openssl_opens_what_an_imported_gcm_key_sealed(void **state)
{
	static const enum clv_algorithm algorithms[] = { CLV_ALG_AES_128_GCM, CLV_ALG_AES_256_GCM,
							 CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION };
	struct world *w = *state;
	struct imported imported;
	uint8_t key[32], iv[HSM_IV_MAX], sealed[64], opened[64];
	size_t iv_len, len;
	struct job job;

	fill(key, sizeof key, 6);
	new_job(w, &job);
	for (size_t i = 0; i < CLV_ARRAY_LEN(algorithms); i++) {
		EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
		size_t key_len = i == 0 ? 16 : 32;
		int n = 0;

		assert_ok(w, import_material(w, &job, algorithms[i],
					     (struct clv_bytes){ key, key_len }, &imported));
		assert_ok(w, hsm_raw_encrypt(w->hsm, grant(), &imported.version.key, bytes_of(""),
					     bytes_of("aad"), bytes_of("text"), iv, &iv_len, sealed,
					     &len, &w->err));
		assert_int_equal(EVP_DecryptInit_ex2(ctx,
						     i == 0 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(),
						     key, iv, NULL),
				 1);
		assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *) "aad", 3), 1);
		assert_int_equal(EVP_DecryptUpdate(ctx, opened, &n, sealed, 4), 1);
		assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16, sealed + 4), 1);
		assert_int_equal(EVP_DecryptFinal_ex(ctx, opened + n, &n), 1);
		assert_memory_equal(opened, "text", 4);
		EVP_CIPHER_CTX_free(ctx);
	}
	end_job(&job);
}

static void an_imported_mac_key_gives_the_macs_of_openssl(void **state)
{
	static const struct {
		enum clv_algorithm algorithm;
		const char *digest;
		size_t len;
	} rows[] = { { CLV_ALG_HMAC_SHA1, "SHA1", 20 },
		     { CLV_ALG_HMAC_SHA224, "SHA224", 28 },
		     { CLV_ALG_HMAC_SHA256, "SHA256", 32 },
		     { CLV_ALG_HMAC_SHA512, "SHA512", 64 } };
	struct world *w = *state;
	uint8_t key[64], mac[HSM_SIGNATURE_MAX], want[EVP_MAX_MD_SIZE];
	struct imported imported;
	unsigned want_len;
	struct job job;
	size_t len;

	fill(key, sizeof key, 7);
	new_job(w, &job);
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		assert_ok(w, import_material(w, &job, rows[i].algorithm,
					     (struct clv_bytes){ key, rows[i].len }, &imported));
		assert_ok(w, hsm_mac(w->hsm, grant(), &imported.version.key, bytes_of("data"), mac,
				     &len, &w->err));
		assert_non_null(HMAC(EVP_get_digestbyname(rows[i].digest), key, (int) rows[i].len,
				     (const uint8_t *) "data", 4, want, &want_len));
		assert_int_equal(len, want_len);
		assert_memory_equal(mac, want, len);
	}
	end_job(&job);
}

/* ---- private keys ---- */

static void check_public(const struct imported *imported, EVP_PKEY *key)
{
	uint8_t der[HSM_PUBLIC_MAX];
	unsigned char *at = der;
	int len = i2d_PUBKEY(key, &at);

	assert_int_equal(imported->version.public.len, len);
	assert_memory_equal(imported->version.public.der, der, (size_t) len);
}

static void an_imported_ec_key_gets_its_public_point_and_signs(void **state)
{
	static const struct {
		enum clv_algorithm algorithm;
		const char *curve, *digest;
		size_t len;
	} rows[] = { { CLV_ALG_EC_SIGN_P256_SHA256, "P-256", "SHA256", 32 },
		     { CLV_ALG_EC_SIGN_P384_SHA384, "P-384", "SHA384", 48 } };
	struct world *w = *state;
	uint8_t bytes[WRAPPED_MAX], in[48], signature[HSM_SIGNATURE_MAX];
	struct imported imported;
	struct job job;
	size_t len;

	fill(in, sizeof in, 8);
	new_job(w, &job);
	for (size_t i = 0; i < 8; i++) {
		size_t row = i % 2;
		EVP_PKEY *key = EVP_EC_gen(rows[row].curve);

		assert_ok(w, import_material(w, &job, rows[row].algorithm, pkcs8_of(key, bytes),
					     &imported));
		check_public(&imported, key);
		assert_ok(w, hsm_sign(w->hsm, grant(), &imported.version.key,
				      (struct clv_bytes){ in, rows[row].len }, signature, &len,
				      &w->err));
		assert_true(evp_verifies(&imported.version, rows[row].digest, 0,
					 (struct clv_bytes){ in, rows[row].len },
					 (struct clv_bytes){ signature, len }));
		EVP_PKEY_free(key);
	}
	end_job(&job);
}

static void imported_rsa_keys_sign_and_decrypt(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = EVP_RSA_gen(2048);
	uint8_t bytes[WRAPPED_MAX], in[32], signature[HSM_SIGNATURE_MAX], sealed[512];
	struct clv_bytes pkcs8 = pkcs8_of(key, bytes);
	struct clv_secret *opened = NULL;
	struct imported imported;
	struct job job;
	size_t len;

	fill(in, sizeof in, 8);
	new_job(w, &job);
	assert_ok(w, import_material(w, &job, CLV_ALG_RSA_SIGN_PSS_2048_SHA256, pkcs8, &imported));
	check_public(&imported, key);
	assert_ok(w, hsm_sign(w->hsm, grant(), &imported.version.key,
			      (struct clv_bytes){ in, sizeof in }, signature, &len, &w->err));
	assert_true(evp_verifies(&imported.version, "SHA256", RSA_PKCS1_PSS_PADDING,
				 (struct clv_bytes){ in, sizeof in },
				 (struct clv_bytes){ signature, len }));
	assert_ok(w,
		  import_material(w, &job, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, pkcs8, &imported));
	evp_oaep(key, "SHA256", bytes_of("text"), sealed, &len);
	assert_ok(w, hsm_asymmetric_decrypt(w->hsm, grant(), &imported.version.key,
					    (struct clv_bytes){ sealed, len }, &opened, &w->err));
	assert_int_equal(clv_secret_len(opened), 4);
	assert_memory_equal(clv_secret_bytes(opened), "text", 4);
	clv_secret_free(opened);
	assert_refused(w,
		       import_material(w, &job, CLV_ALG_RSA_SIGN_PSS_3072_SHA256, pkcs8, &imported),
		       CLV_E_INVALID_ARGUMENT, "length is another one");
	assert_refused(w, import_material(w, &job, CLV_ALG_EC_SIGN_P256_SHA256, pkcs8, &imported),
		       CLV_E_INVALID_ARGUMENT, "does not unwrap");
	EVP_PKEY_free(key);
	end_job(&job);
}

static void the_key_between_must_have_the_length_that_the_method_says(void **state)
{
	static const char *const shorter[] = { "AES-128-WRAP-PAD", "AES-192-WRAP-PAD" };
	static const uint8_t key[32] = { 9, 8, 7 };
	const struct clv_bytes material = { key, sizeof key };
	struct world *w = *state;
	struct imported imported;
	struct wrapped wrapped;
	unsigned objects;
	struct job job;

	new_job(w, &job);
	wrap_for(job.pkey, "SHA1", material, &wrapped);
	assert_ok(w, import(w, &job, CLV_ALG_AES_256_GCM, &wrapped, &imported));
	objects = w->shim->session_objects();
	for (size_t i = 0; i < CLV_ARRAY_LEN(shorter); i++) {
		wrap_by(job.pkey, "SHA1", shorter[i], material, &wrapped);
		assert_refused(w, import(w, &job, CLV_ALG_AES_256_GCM, &wrapped, &imported),
			       CLV_E_INVALID_ARGUMENT, "must have 256 bits");
	}
	assert_int_equal(w->shim->session_objects(), objects);
	end_job(&job);
}

/* ---- which key it was ---- */

static void the_check_value_tells_keys_apart_and_nothing_else(void **state)
{
	static const enum clv_algorithm of_32[] = { CLV_ALG_AES_256_GCM, CLV_ALG_HMAC_SHA256 };
	struct world *w = *state;
	struct imported one, again, other;
	uint8_t key[32], bytes[WRAPPED_MAX];
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	struct clv_bytes pkcs8 = pkcs8_of(ec, bytes);
	struct job job;

	new_job(w, &job);
	for (size_t i = 0; i < CLV_ARRAY_LEN(of_32); i++) {
		fill(key, sizeof key, 5);
		assert_ok(w, import_material(w, &job, of_32[i],
					     (struct clv_bytes){ key, sizeof key }, &one));
		assert_ok(w, import_material(w, &job, of_32[i],
					     (struct clv_bytes){ key, sizeof key }, &again));
		key[31] ^= 1;
		assert_ok(w, import_material(w, &job, of_32[i],
					     (struct clv_bytes){ key, sizeof key }, &other));
		assert_memory_equal(one.check, again.check, HSM_CHECK_LEN);
		assert_memory_not_equal(one.check, other.check, HSM_CHECK_LEN);
	}
	assert_ok(w, import_material(w, &job, CLV_ALG_EC_SIGN_P256_SHA256, pkcs8, &one));
	assert_ok(w, import_material(w, &job, CLV_ALG_EC_SIGN_P256_SHA256, pkcs8, &again));
	assert_memory_equal(one.check, again.check, HSM_CHECK_LEN);
	EVP_PKEY_free(ec);
	end_job(&job);
}

/* What whoever has the catalogue and a guess can compute. */
static void hash_of_a_mac(const uint8_t key[32], uint8_t ret[HSM_CHECK_LEN])
{
	static const uint8_t text[32] = "claviger: which key is this? [1]";
	uint8_t in[19 + 32] = "claviger key check";
	unsigned len = 32;

	assert_non_null(HMAC(EVP_sha256(), key, 32, text, sizeof text, in + 19, &len));
	assert_int_equal(EVP_Digest(in, sizeof in, ret, &len, EVP_sha256(), NULL), 1);
}

static void the_check_value_of_a_secret_key_needs_its_ring_kek(void **state)
{
	static const enum clv_algorithm of_32[] = { CLV_ALG_AES_256_CBC, CLV_ALG_HMAC_SHA256 };
	struct world *w = *state;
	struct imported here;
	struct hsm_blob other_blob, blob;
	struct hsm_keyref other;
	struct hsm_public public;
	struct wrapped wrapped;
	uint8_t key[32], there[HSM_CHECK_LEN], guessed[HSM_CHECK_LEN];
	struct job job;

	new_job(w, &job);
	world_generate(w, HSM_ROLE_RING_KEK, &w->root, &other_blob, &other);
	fill(key, sizeof key, 7);
	wrap_for(job.pkey, "SHA1", (struct clv_bytes){ key, sizeof key }, &wrapped);
	for (size_t i = 0; i < CLV_ARRAY_LEN(of_32); i++) {
		assert_ok(w, import(w, &job, of_32[i], &wrapped, &here));
		assert_ok(w, hsm_version_import(w->hsm, grant(), 1, &job.key, of_32[i], &other,
						(struct clv_bytes){ wrapped.bytes, wrapped.len },
						&blob, &public, there, &w->err));
		assert_memory_not_equal(here.check, there, HSM_CHECK_LEN);
	}
	hash_of_a_mac(key, guessed);
	assert_memory_not_equal(here.check, guessed, HSM_CHECK_LEN);
	end_job(&job);
}

/* ---- what else may come ---- */

static void a_key_of_another_length_or_kind_is_refused(void **state)
{
	static const enum clv_algorithm of_32[] = { CLV_ALG_AES_256_GCM, CLV_ALG_AES_256_CBC,
						    CLV_ALG_HMAC_SHA256 };
	static const size_t lens[] = { 1, 8, 15, 16, 17, 24, 33, 40, 64, 200 };
	struct world *w = *state;
	struct imported imported;
	uint8_t key[200], bytes[WRAPPED_MAX];
	EVP_PKEY *p384 = EVP_EC_gen("P-384"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct job job;

	fill(key, sizeof key, 5);
	new_job(w, &job);
	for (size_t i = 0; i < CLV_ARRAY_LEN(of_32) * CLV_ARRAY_LEN(lens); i += EACH) {
		struct clv_bytes material = { key, lens[i % CLV_ARRAY_LEN(lens)] };

		assert_refused(w,
			       import_material(w, &job, of_32[i / CLV_ARRAY_LEN(lens)], material,
					       &imported),
			       CLV_E_INVALID_ARGUMENT, "");
	}
	assert_refused(w,
		       import_material(w, &job, CLV_ALG_AES_128_GCM, (struct clv_bytes){ key, 32 },
				       &imported),
		       CLV_E_INVALID_ARGUMENT, "must have 16 bytes");
	assert_refused(w,
		       import_material(w, &job, CLV_ALG_EC_SIGN_P256_SHA256, pkcs8_of(p384, bytes),
				       &imported),
		       CLV_E_INVALID_ARGUMENT, "curve is another one");
	assert_refused(w,
		       import_material(w, &job, CLV_ALG_EC_SIGN_P256_SHA256, pkcs8_of(ed, bytes),
				       &imported),
		       CLV_E_INVALID_ARGUMENT, "does not unwrap");
	assert_refused(w,
		       import_material(w, &job, CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256,
				       (struct clv_bytes){ key, 200 }, &imported),
		       CLV_E_INVALID_ARGUMENT, "does not unwrap");
	assert_refused(
		w,
		import_material(w, &job, CLV_ALG_EC_SIGN_ED25519, pkcs8_of(ed, bytes), &imported),
		CLV_E_UNIMPLEMENTED, "needs residency TOKEN");
	EVP_PKEY_free(p384);
	EVP_PKEY_free(ed);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
	end_job(&job);
}

/* An RSA key whose private exponent does not belong to its modulus, or with an unusual exponent. */
static void an_rsa_key_that_does_not_work_is_refused(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = EVP_RSA_gen(2048);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	uint8_t bytes[WRAPPED_MAX];
	struct clv_bytes pkcs8 = pkcs8_of(key, bytes);
	struct imported imported;
	BIGNUM *three = BN_new();
	struct job job;

	new_job(w, &job);
	bytes[40] ^= 4; /* in the modulus: the header of this form has 38 bytes */
	assert_refused(
		w, import_material(w, &job, CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256, pkcs8, &imported),
		CLV_E_INVALID_ARGUMENT, "");
	EVP_PKEY_free(key);
	key = NULL;
	BN_set_word(three, 3);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, three), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	assert_refused(w,
		       import_material(w, &job, CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256,
				       pkcs8_of(key, bytes), &imported),
		       CLV_E_INVALID_ARGUMENT, "exponent must be 65537");
	BN_free(three);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
	end_job(&job);
}

static void damaged_material_is_refused(void **state)
{
	struct world *w = *state;
	struct imported imported = { .version.blob.len = 7 };
	struct wrapped wrapped, bad;
	uint8_t key[32];
	struct job job, other;

	fill(key, sizeof key, 5);
	new_job(w, &job);
	make_job(w, 1, &other);
	wrap_for(job.pkey, "SHA1", (struct clv_bytes){ key, sizeof key }, &wrapped);
	assert_int_equal(wrapped.len, 384 + 40);
	for (size_t at = 0; at < wrapped.len; at += 23 * EACH) {
		bad = wrapped;
		bad.bytes[at] ^= 0x10;
		assert_refused(w, import(w, &job, CLV_ALG_AES_256_GCM, &bad, &imported),
			       CLV_E_INVALID_ARGUMENT, "does not unwrap");
	}
	for (size_t len = 0; len < wrapped.len; len += 8 * EACH) {
		bad = wrapped;
		bad.len = len;
		assert_refused(w, import(w, &job, CLV_ALG_AES_256_GCM, &bad, &imported),
			       CLV_E_INVALID_ARGUMENT, "");
	}
	assert_refused(w, import(w, &other, CLV_ALG_AES_256_GCM, &wrapped, &imported),
		       CLV_E_INVALID_ARGUMENT, "does not unwrap");
	wrap_for(job.pkey, "SHA256", (struct clv_bytes){ key, sizeof key }, &bad);
	assert_refused(w, import(w, &job, CLV_ALG_AES_256_GCM, &bad, &imported),
		       CLV_E_INVALID_ARGUMENT, "does not unwrap");
	assert_ok(w, hsm_ping(w->hsm, &w->err));
	assert_ok(w, import(w, &job, CLV_ALG_AES_256_GCM, &wrapped, &imported));
	end_job(&other);
	end_job(&job);
}

static void a_version_cannot_be_used_to_import(void **state)
{
	struct world *w = *state;
	struct wrapped wrapped;
	struct imported imported;
	struct hsm_pin pin = { 0 };
	struct version rsa;
	struct job job = { 0 };
	uint8_t key[32] = { 1 };

	/* Its blob is whole and under the same ring KEK, but as an import key it is another one. */
	version_generate(w, CLV_ALG_EC_SIGN_P256_SHA256, &rsa);
	job.key = rsa.key;
	job.key.role = HSM_ROLE_IMPORT;
	memset(&wrapped, 1, sizeof wrapped);
	wrapped.len = 384 + 40;
	assert_refused(w, import(w, &job, CLV_ALG_AES_256_GCM, &wrapped, &imported),
		       CLV_E_DATA_LOSS, "does not unwrap");
	/* And an import key signs and decrypts nothing. */
	make_job(w, 1, &job);
	assert_ok(w, hsm_key_pin(w->hsm, &job.key, &pin, &w->err));
	{
		CK_SESSION_HANDLE session = raw_open(w);
		CK_MECHANISM mech = { CKM_RSA_PKCS, NULL, 0 };

		assert_int_not_equal(w->real->C_SignInit(session, &mech, pin.handle), CKR_OK);
		assert_int_not_equal(w->real->C_DecryptInit(session, &mech, pin.handle), CKR_OK);
		assert_int_equal(raw_bool(w, session, pin.handle, CKA_EXTRACTABLE), 0);
		assert_int_equal(raw_bool(w, session, pin.handle, CKA_SIGN), 0);
		assert_int_equal(raw_bool(w, session, pin.handle, CKA_UNWRAP), 1);
		raw_close(w, session);
	}
	hsm_key_unpin(&pin);
	wrap_for(job.pkey, "SHA1", (struct clv_bytes){ key, 32 }, &wrapped);
	assert_ok(w, import(w, &job, CLV_ALG_AES_256_GCM, &wrapped, &imported));
	end_job(&job);
}

static void weakened_material_is_destroyed_and_refused(void **state)
{
	static const CK_ATTRIBUTE_TYPE weak[] = { CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_PRIVATE };
	struct world *w = *state;
	struct hsm_pin pin = { 0 };
	struct imported imported;
	uint8_t key[32] = { 1 };
	unsigned objects;
	struct job job;

	new_job(w, &job);
	assert_ok(w, hsm_key_pin(w->hsm, &job.key, &pin, &w->err));
	objects = w->shim->session_objects();
	for (size_t i = 0; i < CLV_ARRAY_LEN(weak); i++) {
		w->shim->weaken(SHIM_C_UnwrapKey, weak[i]);
		assert_refused(w,
			       import_material(w, &job, CLV_ALG_AES_256_GCM,
					       (struct clv_bytes){ key, 32 }, &imported),
			       CLV_E_UNIMPLEMENTED, "weaker than asked");
	}
	w->shim->weaken(SHIM_C_UnwrapKey, 0);
	assert_int_equal(w->shim->session_objects(), objects);
	hsm_key_unpin(&pin);
	end_job(&job);
}

/* Each call fails in turn: never "your material is bad", and the next try works. */
static void any_failure_while_importing_is_lived_through(void **state)
{
	static const CK_RV codes[] = { CKR_GENERAL_ERROR, CKR_SESSION_HANDLE_INVALID,
				       CKR_KEY_HANDLE_INVALID, CKR_DEVICE_REMOVED };
	struct world *w = *state;
	struct imported imported;
	struct wrapped wrapped;
	uint8_t key[32] = { 1 };
	struct job job;

	new_job(w, &job);
	wrap_for(job.pkey, "SHA1", (struct clv_bytes){ key, 32 }, &wrapped);
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes); i += EACH) {
		for (unsigned nth = 1;; nth++) {
			clv_rc rc;

			assert_in_range(nth, 1, 200);
			world_calm(w);
			hsm_key_evict(w->hsm, job.key.id);
			w->shim->reset();
			w->shim->fault(SHIM_ANY, nth, codes[i], SHIM_ONCE);
			rc = import(w, &job, CLV_ALG_AES_256_GCM, &wrapped, &imported);
			w->shim->heal();
			if (rc != CLV_OK && rc != CLV_E_UNAVAILABLE)
				fail_msg("call %u failing with 0x%lx: %s: %s", nth, codes[i],
					 clv_rc_name(rc), w->err.text);
			if (rc != CLV_OK)
				world_wait_healthy(w);
			if (w->shim->faults_given() == 0)
				break;
		}
	}
	assert_in_range(w->shim->session_objects(), 0, 2); /* the ring KEK, the job's key */
	end_job(&job);
}

/* ---- what a token made and says that it did not ---- */

static clv_rc make_secret(struct world *w, const struct job *job, const struct wrapped *wrapped)
{
	struct hsm_blob blob;

	(void) job;
	(void) wrapped;
	return hsm_key_generate(w->hsm, grant(), HSM_ROLE_VERSION, &w->ring, &blob, &w->err);
}

static clv_rc make_pair(struct world *w, const struct job *job, const struct wrapped *wrapped)
{
	struct hsm_public public;
	struct hsm_blob blob;

	(void) job;
	(void) wrapped;
	return hsm_version_generate(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256, &w->ring, &blob,
				    &public, &w->err);
}

static clv_rc import_one(struct world *w, const struct job *job, const struct wrapped *wrapped)
{
	struct imported imported;

	return import(w, job, CLV_ALG_AES_256_GCM, wrapped, &imported);
}

static void no_extractable_key_stays_when_its_making_is_said_to_have_failed(void **state)
{
	static const uint8_t key[32] = { 3, 2, 1 };
	static const CK_RV codes[] = { CKR_MECHANISM_INVALID, CKR_HOST_MEMORY,
				       CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_HANDLE_INVALID,
				       CKR_FUNCTION_FAILED };
	static const struct {
		enum shim_function function;
		unsigned nth;
		clv_rc (*make)(struct world *w, const struct job *job,
			       const struct wrapped *wrapped);
	} rows[] = { { SHIM_C_GenerateKey, 1, make_secret },
		     { SHIM_C_GenerateKeyPair, 1, make_pair },
		     { SHIM_C_UnwrapKey, 2, import_one },
		     { SHIM_C_CreateObject, 1, import_one } };
	struct world *w = *state;
	struct wrapped wrapped;
	struct job job;
	unsigned before;
	clv_rc rc;

	new_job(w, &job);
	wrap_for(job.pkey, "SHA1", (struct clv_bytes){ key, sizeof key }, &wrapped);
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		assert_ok(w, rows[i].make(w, &job, &wrapped)); /* tries what it wants to know */
		before = w->shim->session_objects();
		for (size_t j = 0; j < CLV_ARRAY_LEN(codes); j++) {
			w->shim->fault(rows[i].function, rows[i].nth, codes[j], SHIM_AFTER);
			rc = rows[i].make(w, &job, &wrapped); /* some are tried once more */
			w->shim->heal();
			if (w->shim->session_objects() > before)
				fail_msg("row %zu, code %zu (%s): %u objects, then %u", i, j,
					 clv_rc_name(rc), before, w->shim->session_objects());
			world_wait_healthy(w);
			assert_ok(w, rows[i].make(w, &job, &wrapped));
		}
	}
	end_job(&job);
}

int main(void)
{
	static const struct world_options one_session = { .max_sessions = 1 };
	const struct CMUnitTest tests[] = {
		token_test(methods_that_the_token_cannot_do_are_refused_with_the_reason),
		token_test(a_job_of_the_token_s_own_making_imports),
		token_test(an_imported_aes_key_gives_the_bytes_of_openssl),
		token_test(openssl_opens_what_an_imported_gcm_key_sealed),
		token_test(an_imported_mac_key_gives_the_macs_of_openssl),
		token_test(an_imported_ec_key_gets_its_public_point_and_signs),
		token_test(imported_rsa_keys_sign_and_decrypt),
		token_test(the_key_between_must_have_the_length_that_the_method_says),
		token_test(the_check_value_tells_keys_apart_and_nothing_else),
		token_test(the_check_value_of_a_secret_key_needs_its_ring_kek),
		token_test(a_key_of_another_length_or_kind_is_refused),
		token_test(an_rsa_key_that_does_not_work_is_refused),
		token_test(damaged_material_is_refused),
		token_test(a_version_cannot_be_used_to_import),
		token_test(weakened_material_is_destroyed_and_refused),
		token_test_with(an_imported_ec_key_gets_its_public_point_and_signs, &one_session),
		token_test_with(damaged_material_is_refused, &one_session),
		token_test(no_extractable_key_stays_when_its_making_is_said_to_have_failed),
		token_test(any_failure_while_importing_is_lived_through),
	};

	return TOKEN_MAIN("hsm: importing keys", tests);
}
