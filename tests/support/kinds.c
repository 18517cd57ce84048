/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/model/algorithm.h"

#include "tests/support/kinds.h"

#define N_NAMES 4

static char *next_name(void)
{
	static char names[N_NAMES][CLV_NAME_MAX];
	static unsigned at;

	return names[at++ % N_NAMES];
}

const char *kind_key(enum clv_algorithm algorithm)
{
	char *name = next_name();

	snprintf(name, CLV_NAME_MAX, "%s/cryptoKeys/%s", RING, clv_algorithm_name(algorithm));
	return name;
}

const char *kind_version(enum clv_algorithm algorithm)
{
	char *name = next_name();

	snprintf(name, CLV_NAME_MAX, "%s/cryptoKeys/%s/cryptoKeyVersions/1", RING,
		 clv_algorithm_name(algorithm));
	return name;
}

clv_rc kind_make(struct home_world *w, enum clv_algorithm algorithm, enum clv_residency residency)
{
	struct clv_key_options options = { .purpose = model_algorithm_get(algorithm)->purpose,
					   .algorithm = algorithm,
					   .residency = residency };
	struct clv_key key;

	return clv_key_create(w->ctx, NULL, kind_key(algorithm), &options, &key, &w->err);
}

struct clv_bytes kind_bytes(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

struct clv_input kind_input(const char *text)
{
	return (struct clv_input){ .bytes = kind_bytes(text) };
}

struct clv_input kind_checked(struct clv_bytes bytes)
{
	return (struct clv_input){ .bytes = bytes,
				   .has_crc32c = true,
				   .crc32c = clv_crc32c(0, bytes.data, bytes.len) };
}

struct clv_input kind_spoilt(struct clv_input input)
{
	input.has_crc32c = true;
	input.crc32c = clv_crc32c(0, input.bytes.data, input.bytes.len) ^ 1;
	return input;
}

/* ---- OpenSSL */

static EVP_PKEY *read_public(struct clv_bytes der)
{
	const unsigned char *at = der.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long) der.len);

	assert_non_null(key);
	assert_ptr_equal(at, der.data + der.len);
	return key;
}

static const EVP_MD *md_of(enum clv_algorithm algorithm)
{
	enum clv_hash hash = model_algorithm_get(algorithm)->hash;

	return hash == CLV_HASH_NONE ? NULL : EVP_get_digestbyname(clv_hash_name(hash));
}

static bool is_pss(enum clv_algorithm algorithm)
{
	return strstr(clv_algorithm_name(algorithm), "_PSS_") != NULL;
}

/* PKCS #1 without a hash: EVP_DigestVerify() cannot, this can. */
static bool verifies_raw(EVP_PKEY *key, struct clv_bytes data, struct clv_bytes signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool good = EVP_PKEY_verify_init(ctx) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_verify(ctx, signature.data, signature.len, data.data, data.len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

bool kind_verifies(enum clv_algorithm algorithm, struct clv_bytes der, struct clv_bytes data,
		   struct clv_bytes signature)
{
	EVP_PKEY *key = read_public(der);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL;
	bool good;

	if (md_of(algorithm) == NULL && EVP_PKEY_id(key) == EVP_PKEY_RSA) {
		good = verifies_raw(key, data, signature);
	} else {
		good = EVP_DigestVerifyInit(md, &ctx, md_of(algorithm), NULL, key) == 1;
		if (good && is_pss(algorithm))
			good = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
		good = good && EVP_DigestVerify(md, signature.data, signature.len, data.data,
						data.len) == 1;
	}
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	return good;
}

void kind_encrypt(enum clv_algorithm algorithm, struct clv_bytes der, const char *text,
		  struct clv_buf *ret_ciphertext)
{
	EVP_PKEY *key = read_public(der);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t out[512];
	size_t len = sizeof out;
	struct clv_err err;

	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md_of(algorithm)), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md_of(algorithm)), 1);
	assert_int_equal(
		EVP_PKEY_encrypt(ctx, out, &len, (const unsigned char *) text, strlen(text)), 1);
	assert_int_equal(clv_buf_add(ret_ciphertext, out, len, &err), CLV_OK);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
}

/* ---- verbs */

static struct clv_buf prepared; /* what "decrypt", "asymmetricDecrypt" and "rawDecrypt" open */
static struct clv_raw_iv prepared_iv;

static const struct clv_input nothing;

static clv_rc encrypt(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_input plaintext = kind_input(KIND_TEXT);
	struct clv_buf out = { 0 };
	clv_rc rc =
		clv_encrypt_checked(w->ctx, who, name, &plaintext, &nothing, &out, NULL, &w->err);

	assert_true(rc == CLV_OK || out.len == 0);
	clv_buf_done(&out);
	return rc;
}

/* A secret that a call may have given; untouched when it failed. */
static clv_rc drop(clv_rc rc, struct clv_secret *secret, const struct clv_secret *untouched)
{
	if (rc == CLV_OK)
		clv_secret_free(secret);
	else
		assert_ptr_equal(secret, untouched);
	return rc;
}

static clv_rc decrypt(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_secret *const untouched = (struct clv_secret *) w;
	struct clv_input ciphertext = { .bytes = clv_buf_view(&prepared) };
	struct clv_secret *plaintext = untouched;
	clv_rc rc = clv_decrypt_checked(w->ctx, who, name, &ciphertext, &nothing, &plaintext, NULL,
					&w->err);

	return drop(rc, plaintext, untouched);
}

static clv_rc asymmetric_sign(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_input data = kind_input(KIND_TEXT);
	struct clv_buf out = { 0 };
	clv_rc rc = clv_asymmetric_sign(w->ctx, who, name, &data, NULL, &out, NULL, &w->err);

	assert_true(rc == CLV_OK || out.len == 0);
	clv_buf_done(&out);
	return rc;
}

static clv_rc asymmetric_decrypt(struct home_world *w, const struct clv_caller *who,
				 const char *name)
{
	struct clv_secret *const untouched = (struct clv_secret *) w;
	struct clv_input ciphertext = { .bytes = clv_buf_view(&prepared) };
	struct clv_secret *plaintext = untouched;
	clv_rc rc =
		clv_asymmetric_decrypt(w->ctx, who, name, &ciphertext, &plaintext, NULL, &w->err);

	return drop(rc, plaintext, untouched);
}

static clv_rc public_key_get(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_buf out = { 0 };
	clv_rc rc = clv_public_key_get(w->ctx, who, name, CLV_PUBLIC_KEY_PEM, &out, NULL, &w->err);

	assert_true(rc == CLV_OK || out.len == 0);
	clv_buf_done(&out);
	return rc;
}

static clv_rc mac_sign(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_input data = kind_input(KIND_TEXT);
	struct clv_buf out = { 0 };
	clv_rc rc = clv_mac_sign(w->ctx, who, name, &data, &out, NULL, &w->err);

	assert_true(rc == CLV_OK || out.len == 0);
	clv_buf_done(&out);
	return rc;
}

static clv_rc mac_verify(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_input data = kind_input(KIND_TEXT);
	bool valid;

	return clv_mac_verify(w->ctx, who, name, &data, &nothing, &valid, NULL, &w->err);
}

static clv_rc raw_encrypt(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_raw in = { .text = kind_input(KIND_TEXT) };
	struct clv_raw_iv iv;
	struct clv_buf out = { 0 };
	clv_rc rc = clv_raw_encrypt(w->ctx, who, name, &in, &out, &iv, NULL, &w->err);

	assert_true(rc == CLV_OK || out.len == 0);
	clv_buf_done(&out);
	return rc;
}

static clv_rc raw_decrypt(struct home_world *w, const struct clv_caller *who, const char *name)
{
	struct clv_secret *const untouched = (struct clv_secret *) w;
	struct clv_raw in = { .text.bytes = clv_buf_view(&prepared),
			      .iv.bytes = { prepared_iv.bytes, prepared_iv.len } };
	struct clv_secret *plaintext = untouched;
	clv_rc rc = clv_raw_decrypt(w->ctx, who, name, &in, &plaintext, NULL, &w->err);

	return drop(rc, plaintext, untouched);
}

const struct kind_verb kind_verbs[] = {
	{ "encrypt", true, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION, encrypt },
	{ "decrypt", true, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION, decrypt },
	{ "asymmetricSign", false, CLV_ALG_EC_SIGN_P256_SHA256, asymmetric_sign },
	{ "asymmetricDecrypt", false, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1, asymmetric_decrypt },
	{ "getPublicKey", false, CLV_ALG_EC_SIGN_P256_SHA256, public_key_get },
	{ "macSign", false, CLV_ALG_HMAC_SHA256, mac_sign },
	{ "macVerify", false, CLV_ALG_HMAC_SHA256, mac_verify },
	{ "rawEncrypt", false, CLV_ALG_AES_256_GCM, raw_encrypt },
	{ "rawDecrypt", false, CLV_ALG_AES_256_GCM, raw_decrypt },
};
const size_t n_kind_verbs = CLV_ARRAY_LEN(kind_verbs);

const char *kind_name_for(const struct kind_verb *verb, enum clv_algorithm algorithm)
{
	return verb->by_key ? kind_key(algorithm) : kind_version(algorithm);
}

void kind_prepare(struct home_world *w, const struct kind_verb *verb)
{
	struct clv_input text = kind_input(KIND_TEXT);
	struct clv_raw in = { .text = text };
	struct clv_buf der = { 0 };

	kind_done();
	if (verb->call == decrypt)
		assert_ok(w, clv_encrypt_checked(w->ctx, NULL, kind_key(verb->algorithm), &text,
						 &nothing, &prepared, NULL, &w->err));
	if (verb->call == raw_decrypt)
		assert_ok(w, clv_raw_encrypt(w->ctx, NULL, kind_version(verb->algorithm), &in,
					     &prepared, &prepared_iv, NULL, &w->err));
	if (verb->call == asymmetric_decrypt) {
		assert_ok(w, clv_public_key_get(w->ctx, NULL, kind_version(verb->algorithm),
						CLV_PUBLIC_KEY_DER, &der, NULL, &w->err));
		kind_encrypt(verb->algorithm, clv_buf_view(&der), KIND_TEXT, &prepared);
		clv_buf_done(&der);
	}
}

void kind_done(void)
{
	clv_buf_done(&prepared);
}
