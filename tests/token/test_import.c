/* SPDX-License-Identifier: Apache-2.0 */
/* Import jobs and what is imported through them. The keys are OpenSSL's, and so is the proof that
 * the token has the same. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/envelope/clv1.h"
#include "tests/support/home_world.h"

#define V(key, n) key "/cryptoKeyVersions/" n
#define HSM_JOB JOB("for-hsm")

/* A key as its owner has it. */
struct material {
	uint8_t bytes[2500];
	size_t len;
};

static struct material some_key(size_t len, unsigned seed)
{
	struct material key = { .len = len };

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		key.bytes[i] = (uint8_t) (seed >> 24);
	}
	return key;
}

static struct material pkcs8_of(const EVP_PKEY *pkey)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	struct material key = { 0 };
	uint8_t *end = key.bytes;
	int len;

	assert_non_null(info);
	len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
	assert_in_range(len, 1, sizeof key.bytes);
	assert_int_equal(i2d_PKCS8_PRIV_KEY_INFO(info, &end), len);
	key.len = (size_t) len;
	PKCS8_PRIV_KEY_INFO_free(info);
	return key;
}

/* ---- the calls, in short */

static void new_job(struct home_world *w, const char *name, enum clv_protection protection)
{
	const struct clv_import_job_options options = {
		.method = CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256, .protection = protection
	};
	struct clv_import_job job;

	assert_ok(w, clv_import_job_create(w->ctx, NULL, name, &options, &job, &w->err));
}

static void import_key(struct home_world *w, const char *name, enum clv_purpose purpose,
		       enum clv_algorithm algorithm)
{
	const struct clv_key_options options = { .purpose = purpose,
						 .algorithm = algorithm,
						 .skip_initial_version = true,
						 .import_only = true };
	struct clv_key key;

	assert_ok(w, clv_key_create(w->ctx, NULL, name, &options, &key, &w->err));
}

static void wrap(struct home_world *w, const char *job_name, const struct material *key,
		 struct clv_buf *wrapped)
{
	struct clv_secret *secret = NULL;
	struct clv_import_job job;

	assert_ok(w, clv_import_job_get(w->ctx, NULL, job_name, &job, &w->err));
	assert_ok(w, clv_secret_new(key->len, &secret, &w->err));
	memcpy(clv_secret_mutable_bytes(secret), key->bytes, key->len);
	assert_ok(w, clv_import_wrap(job.public_key_pem, job.method, secret, wrapped, &w->err));
	clv_secret_free(secret);
}

/* How an import goes that is asked for by `import`, whose `wrapped` is made of `key`. */
static clv_rc try_import(struct home_world *w, const char *key_name, struct clv_import import,
			 const struct material *key, struct clv_version *ret_version)
{
	struct clv_buf wrapped = { 0 };
	clv_rc rc;

	wrap(w, import.job, key, &wrapped);
	import.wrapped = clv_buf_view(&wrapped);
	rc = clv_version_import(w->ctx, NULL, key_name, &import, ret_version, &w->err);
	clv_buf_done(&wrapped);
	return rc;
}

static struct clv_version do_import(struct home_world *w, const char *key_name,
				    enum clv_algorithm algorithm, const struct material *key)
{
	const struct clv_import import = { .job = JOB("j"), .algorithm = algorithm };
	struct clv_version version;

	assert_ok(w, try_import(w, key_name, import, key, &version));
	return version;
}

/* ---- import jobs */

static void import_job_shows_its_public_key_while_it_is_active(struct home_world *w)
{
	struct clv_import_job job, again;

	world_open(w);
	new_job(w, HSM_JOB, CLV_PROTECTION_HSM);
	assert_ok(w, clv_import_job_get(w->ctx, NULL, HSM_JOB, &job, &w->err));
	assert_string_equal(job.name, HSM_JOB);
	assert_int_equal(job.method, CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256);
	assert_int_equal(job.protection, CLV_PROTECTION_HSM);
	assert_int_equal(job.state, CLV_IMPORT_ACTIVE);
	assert_int_equal(job.generate_time, job.create_time);
	assert_int_equal(job.expire_time, job.create_time + CLV_IMPORT_JOB_LIFE);
	assert_int_equal(job.expire_event_time, 0);
	assert_non_null(strstr(job.public_key_pem, "-----BEGIN PUBLIC KEY-----\n"));
	world_sql(w,
		  "UPDATE import_jobs SET create_time = 1, expire_time = 2 WHERE id = 'for-hsm'");
	assert_ok(w, clv_import_job_get(w->ctx, NULL, HSM_JOB, &again, &w->err));
	assert_int_equal(again.state, CLV_IMPORT_EXPIRED);
	assert_string_equal(again.public_key_pem, "");
	assert_int_equal(again.expire_event_time, 0);
}

static void import_job_takes_no_object_of_the_token(struct home_world *w)
{
	struct raw_object objects[40];
	size_t before = world_objects(w, objects, CLV_ARRAY_LEN(objects));
	const struct material key = some_key(32, 1);

	world_open(w);
	new_job(w, HSM_JOB, CLV_PROTECTION_HSM);
	do_import(w, WRAPPED, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION, &key);
	world_close(w);
	assert_int_equal(world_objects(w, objects, CLV_ARRAY_LEN(objects)), before);
}

static void
import_job_of_a_method_that_the_token_lacks_is_refused_with_the_reason(struct home_world *w)
{
	struct clv_import_job job;

	world_open(w);
	for (unsigned n = CLV_IMPORT_RSA_OAEP_3072_SHA256_AES_256;
	     n <= CLV_IMPORT_RSA_OAEP_4096_SHA256; n++) {
		const struct clv_import_job_options options = { .method = n,
								.protection =
									CLV_PROTECTION_SOFTWARE };

		assert_refused(
			w, clv_import_job_create(w->ctx, NULL, JOB("new"), &options, &job, &w->err),
			CLV_E_UNIMPLEMENTED, "OAEP");
		print_message("# %s\n", w->err.text);
	}
	assert_int_equal(world_count(w, "SELECT count(*) FROM import_jobs"), 1);
}

static void import_job_options_that_are_none_are_refused(struct home_world *w)
{
	static const struct clv_import_job_options table[] = {
		{ 0, CLV_PROTECTION_HSM },
		{ 7, CLV_PROTECTION_HSM },
		{ CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256, 0 },
		{ CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256, 3 },
	};
	struct clv_import_job job;

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++)
		assert_int_equal(
			clv_import_job_create(w->ctx, NULL, JOB("new"), &table[i], &job, &w->err),
			CLV_E_INVALID_ARGUMENT);
}

static void import_jobs_are_listed_page_by_page(struct home_world *w)
{
	struct clv_import_job *jobs = NULL;
	size_t n = 0;

	world_open(w);
	new_job(w, HSM_JOB, CLV_PROTECTION_HSM);
	assert_ok(w, clv_import_job_list(w->ctx, NULL, RING, NULL, 1, &jobs, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(jobs[0].name, HSM_JOB);
	clv_page_free(jobs);
	assert_ok(w, clv_import_job_list(w->ctx, NULL, RING, "for-hsm", 10, &jobs, &n, &w->err));
	assert_int_equal(n, 1);
	assert_string_equal(jobs[0].name, JOB("j"));
	assert_non_null(strstr(jobs[0].public_key_pem, "PUBLIC KEY"));
	clv_page_free(jobs);
	assert_ok(w, clv_import_job_list(w->ctx, NULL, RING, "j", 10, &jobs, &n, &w->err));
	assert_int_equal(n, 0);
	assert_null(jobs);
}

/* ---- AES */

static void openssl_encrypts(const EVP_CIPHER *cipher, const struct material *key,
			     const uint8_t iv[16], const uint8_t *text, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;

	assert_int_equal(EVP_CIPHER_get_key_length(cipher), key->len);
	assert_int_equal(EVP_EncryptInit_ex(ctx, cipher, NULL, key->bytes, iv), 1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &n, text, (int) len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &last), 1);
	assert_int_equal(n + last, len);
	EVP_CIPHER_CTX_free(ctx);
}

static void check_raw(struct home_world *w, const char *version, const EVP_CIPHER *cipher,
		      const struct material *key)
{
	static const uint8_t iv[16] = "sixteen bytes..";
	static const uint8_t text[64] = "what both of them encrypt, and get the same bytes for it";
	const struct clv_raw in = { .text = { .bytes = { text, sizeof text } },
				    .iv = { .bytes = { iv, sizeof iv } } };
	struct clv_buf ours = { 0 };
	uint8_t theirs[64];
	struct clv_raw_iv used;

	openssl_encrypts(cipher, key, iv, text, sizeof text, theirs);
	assert_ok(w, clv_raw_encrypt(w->ctx, NULL, version, &in, &ours, &used, NULL, &w->err));
	assert_int_equal(ours.len, sizeof theirs);
	assert_memory_equal(ours.data, theirs, sizeof theirs);
	clv_buf_done(&ours);
}

static void imported_aes_keys_give_the_bytes_that_openssl_gives(struct home_world *w)
{
	const struct {
		enum clv_algorithm algorithm;
		const EVP_CIPHER *cipher;
	} table[] = {
		{ CLV_ALG_AES_128_CBC, EVP_aes_128_cbc() },
		{ CLV_ALG_AES_256_CBC, EVP_aes_256_cbc() },
		{ CLV_ALG_AES_128_CTR, EVP_aes_128_ctr() },
		{ CLV_ALG_AES_256_CTR, EVP_aes_256_ctr() },
	};

	world_open(w);
	import_key(w, KEY("raw"), CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_CBC);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) { /* whatever the key's template says */
		const struct material key = some_key(
			(size_t) EVP_CIPHER_get_key_length(table[i].cipher), 100 + (unsigned) i);
		struct clv_version version = do_import(w, KEY("raw"), table[i].algorithm, &key);

		assert_int_equal(version.algorithm, table[i].algorithm);
		check_raw(w, version.name, table[i].cipher, &key);
	}
}

static size_t openssl_opens_gcm(const struct material *key, struct clv_bytes iv,
				struct clv_bytes aad, struct clv_bytes sealed, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t len = sealed.len - 16;
	uint8_t tag[16];
	int n = 0;

	memcpy(tag, sealed.data + len, 16);
	assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int) iv.len, NULL), 1);
	assert_int_equal(EVP_DecryptInit_ex(ctx, NULL, NULL, key->bytes, iv.data), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n, aad.data, (int) aad.len), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, sealed.data, (int) len), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag), 1);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, out + n, &(int){ 0 }), 1);
	EVP_CIPHER_CTX_free(ctx);
	return len;
}

static void imported_key_encrypts_what_openssl_opens_with_it(struct home_world *w)
{
	const struct material key = some_key(32, 2);
	struct clv_version version;
	struct clv_buf sealed = { 0 };
	uint8_t aad[CLV1_AAD_LEN], out[64];
	struct clv1 parts;

	world_open(w);
	version = do_import(w, WRAPPED, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION, &key);
	assert_string_equal(version.name, V(WRAPPED, "2"));
	assert_ok(w, world_encrypt(w, version.name, "a letter", &sealed));
	assert_ok(w, clv1_parse(clv_buf_view(&sealed), &parts, &w->err));
	assert_memory_equal(parts.uid, version.uid, CLV_UID_LEN);
	assert_ok(w, clv1_aad(version.uid, WRAPPED, (struct clv_bytes){ 0 }, aad, &w->err));
	assert_int_equal(openssl_opens_gcm(&key, parts.iv, (struct clv_bytes){ aad, sizeof aad },
					   parts.sealed, out),
			 8);
	assert_memory_equal(out, "a letter", 8);
	clv_buf_done(&sealed);
}

static void imported_version_says_where_it_came_from_and_is_not_the_primary(struct home_world *w)
{
	const struct material key = some_key(32, 3);
	struct clv_version version, got;
	struct clv_key row;

	world_open(w);
	version = do_import(w, WRAPPED, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION, &key);
	assert_ok(w, clv_version_get(w->ctx, NULL, V(WRAPPED, "2"), &got, &w->err));
	assert_memory_equal(&got, &version, sizeof got);
	assert_int_equal(got.state, CLV_STATE_ENABLED);
	assert_int_equal(got.generate_time, 0);
	assert_true(got.import_time > 0);
	assert_int_equal(got.create_time, got.import_time);
	assert_string_equal(got.import_job, "j");
	assert_int_equal(got.residency, CLV_RESIDENCY_WRAPPED);
	assert_int_equal(got.protection, CLV_PROTECTION_SOFTWARE);
	assert_ok(w, clv_key_get(w->ctx, NULL, WRAPPED, &row, &w->err));
	assert_int_equal(row.primary, 1);
	/* A key that has no version yet has no primary afterwards either. */
	import_key(w, KEY("empty"), CLV_PURPOSE_ENCRYPT_DECRYPT, 0);
	do_import(w, KEY("empty"), 0, &key);
	assert_ok(w, clv_key_get(w->ctx, NULL, KEY("empty"), &row, &w->err));
	assert_int_equal(row.primary, 0);
}

/* ---- MAC keys */

static void imported_mac_keys_authenticate_as_openssl_does(struct home_world *w)
{
	static const uint8_t text[] = "what is authenticated";
	const struct clv_input data = { .bytes = { text, sizeof text } };
	const struct {
		enum clv_algorithm algorithm;
		const EVP_MD *md;
	} table[] = {
		{ CLV_ALG_HMAC_SHA1, EVP_sha1() },     { CLV_ALG_HMAC_SHA224, EVP_sha224() },
		{ CLV_ALG_HMAC_SHA256, EVP_sha256() }, { CLV_ALG_HMAC_SHA384, EVP_sha384() },
		{ CLV_ALG_HMAC_SHA512, EVP_sha512() },
	};

	world_open(w);
	import_key(w, KEY("mac"), CLV_PURPOSE_MAC, CLV_ALG_HMAC_SHA256);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		size_t len = (size_t) EVP_MD_get_size(table[i].md);
		const struct material key = some_key(len, 200 + (unsigned) i);
		struct clv_version version = do_import(w, KEY("mac"), table[i].algorithm, &key);
		uint8_t theirs[EVP_MAX_MD_SIZE];
		struct clv_buf ours = { 0 };

		HMAC(table[i].md, key.bytes, (int) len, text, sizeof text, theirs, NULL);
		assert_ok(w, clv_mac_sign(w->ctx, NULL, version.name, &data, &ours, NULL, &w->err));
		assert_int_equal(ours.len, len);
		assert_memory_equal(ours.data, theirs, len);
		clv_buf_done(&ours);
	}
}

/* ---- key pairs */

static void check_public(struct home_world *w, const char *version, EVP_PKEY *pkey)
{
	struct clv_buf der = { 0 };
	uint8_t *theirs = NULL;
	int len = i2d_PUBKEY(pkey, &theirs);

	assert_ok(w, clv_public_key_get(w->ctx, NULL, version, CLV_PUBLIC_KEY_DER, &der, NULL,
					&w->err));
	assert_int_equal(der.len, len);
	assert_memory_equal(der.data, theirs, der.len);
	OPENSSL_free(theirs);
	clv_buf_done(&der);
}

static void check_signs(struct home_world *w, const char *version, EVP_PKEY *pkey, const EVP_MD *md)
{
	static const uint8_t text[] = "what is signed";
	const struct clv_input data = { .bytes = { text, sizeof text } };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct clv_buf signature = { 0 };

	assert_ok(w, clv_asymmetric_sign(w->ctx, NULL, version, &data, NULL, &signature, NULL,
					 &w->err));
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey), 1);
	assert_int_equal(EVP_DigestVerify(ctx, signature.data, signature.len, text, sizeof text),
			 1);
	EVP_MD_CTX_free(ctx);
	clv_buf_done(&signature);
}

static void imported_ec_keys_sign_what_openssl_verifies(struct home_world *w)
{
	const struct {
		enum clv_algorithm algorithm;
		const char *curve;
		const EVP_MD *md;
	} table[] = {
		{ CLV_ALG_EC_SIGN_P256_SHA256, "P-256", EVP_sha256() },
		{ CLV_ALG_EC_SIGN_P384_SHA384, "P-384", EVP_sha384() },
	};

	world_open(w);
	import_key(w, KEY("ec"), CLV_PURPOSE_ASYMMETRIC_SIGN, CLV_ALG_EC_SIGN_P256_SHA256);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		EVP_PKEY *pkey = EVP_EC_gen(table[i].curve);

		for (int with_point = 1; with_point >= 0; with_point--) {
			struct material key;
			struct clv_version version;

			assert_int_equal(EVP_PKEY_set_int_param(pkey,
								OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC,
								with_point),
					 1);
			key = pkcs8_of(pkey);
			version = do_import(w, KEY("ec"), table[i].algorithm, &key);
			check_public(w, version.name, pkey);
			check_signs(w, version.name, pkey, table[i].md);
		}
		EVP_PKEY_free(pkey);
	}
}

static void imported_rsa_keys_sign_what_openssl_verifies(struct home_world *w)
{
	static const struct {
		enum clv_algorithm algorithm;
		unsigned bits;
	} table[] = {
		{ CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256, 2048 },
		{ CLV_ALG_RSA_SIGN_PKCS1_4096_SHA256, 4096 },
	};

	world_open(w);
	import_key(w, KEY("rsa"), CLV_PURPOSE_ASYMMETRIC_SIGN, table[0].algorithm);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		EVP_PKEY *pkey = EVP_RSA_gen(table[i].bits);
		const struct material key = pkcs8_of(pkey);
		struct clv_version version = do_import(w, KEY("rsa"), table[i].algorithm, &key);

		check_public(w, version.name, pkey);
		check_signs(w, version.name, pkey, EVP_sha256());
		EVP_PKEY_free(pkey);
	}
}

static void imported_rsa_key_decrypts_what_openssl_encrypts(struct home_world *w)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	const struct material key = pkcs8_of(pkey);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	struct clv_secret *plaintext = NULL;
	struct clv_input input = { 0 };
	struct clv_version version;
	uint8_t sealed[256];
	size_t len = sizeof sealed;

	world_open(w);
	import_key(w, KEY("rsa"), CLV_PURPOSE_ASYMMETRIC_DECRYPT,
		   CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1);
	version = do_import(w, KEY("rsa"), CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1, &key);
	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
	assert_int_equal(EVP_PKEY_encrypt(ctx, sealed, &len, (const uint8_t *) "a letter", 8), 1);
	input.bytes = (struct clv_bytes){ sealed, len };
	assert_ok(w, clv_asymmetric_decrypt(w->ctx, NULL, version.name, &input, &plaintext, NULL,
					    &w->err));
	assert_int_equal(clv_secret_len(plaintext), 8);
	assert_memory_equal(clv_secret_bytes(plaintext), "a letter", 8);
	clv_secret_free(plaintext);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
}

/* ---- what is refused */

static int64_t n_versions(const struct home_world *w)
{
	return world_count(w, "SELECT count(*) FROM versions");
}

static void key_of_another_kind_or_length_than_said_is_refused(struct home_world *w)
{
	static const struct {
		enum clv_purpose purpose;
		enum clv_algorithm algorithm;
		size_t len; /* bytes of a secret key; 0: the EC key */
	} table[] = {
		{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_CBC, 16 },
		{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_128_CBC, 32 },
		{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_CBC, 31 },
		{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_CBC, 25 },
		{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_128_CBC, 15 },
		{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_CBC, 0 },
		{ CLV_PURPOSE_MAC, CLV_ALG_HMAC_SHA256, 24 },
		{ CLV_PURPOSE_MAC, CLV_ALG_HMAC_SHA256, 33 },
		{ CLV_PURPOSE_ASYMMETRIC_SIGN, CLV_ALG_EC_SIGN_P256_SHA256, 32 },
		{ CLV_PURPOSE_ASYMMETRIC_SIGN, CLV_ALG_EC_SIGN_P384_SHA384, 0 },
		{ CLV_PURPOSE_ASYMMETRIC_SIGN, CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256, 0 },
	};
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	int64_t before = n_versions(w);

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct clv_import import = { .job = JOB("j"),
						   .algorithm = table[i].algorithm };
		const struct material key =
			table[i].len > 0 ? some_key(table[i].len, 7) : pkcs8_of(ec);
		struct clv_version version;
		char name[CLV_NAME_MAX];

		snprintf(name, sizeof name, "%s%zu", KEY("k"), i);
		import_key(w, name, table[i].purpose, table[i].algorithm);
		if (try_import(w, name, import, &key, &version) != CLV_E_INVALID_ARGUMENT)
			fail_msg("row %zu: %s", i, w->err.text);
		print_message("# %s\n", w->err.text);
	}
	assert_int_equal(n_versions(w), before);
	EVP_PKEY_free(ec);
}

static void damaged_bytes_are_refused_and_leave_nothing(struct home_world *w)
{
	static const size_t lens[] = { 1, 383, 384, 385, 408, 423 };
	const struct material key = some_key(32, 8);
	struct clv_import import = { .job = JOB("j") };
	struct clv_buf wrapped = { 0 };
	struct clv_version version;
	int64_t before = n_versions(w);

	world_open(w);
	wrap(w, JOB("j"), &key, &wrapped);
	assert_int_equal(wrapped.len, 424);
	for (size_t at = 0; at < wrapped.len; at += 53) { /* in the AES key, and behind it */
		wrapped.data[at] ^= 0x10;
		import.wrapped = clv_buf_view(&wrapped);
		assert_int_equal(
			clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err),
			CLV_E_INVALID_ARGUMENT);
		wrapped.data[at] ^= 0x10;
	}
	for (size_t i = 0; i < CLV_ARRAY_LEN(lens); i++) {
		import.wrapped = (struct clv_bytes){ wrapped.data, lens[i] };
		assert_int_equal(
			clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err),
			CLV_E_INVALID_ARGUMENT);
	}
	assert_int_equal(n_versions(w), before);
	import.wrapped = clv_buf_view(&wrapped); /* and whole it goes in */
	assert_ok(w, clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err));
	clv_buf_done(&wrapped);
}

static void key_wrapped_for_another_job_is_refused(struct home_world *w)
{
	const struct material key = some_key(32, 9);
	struct clv_import import = { .job = JOB("j") };
	struct clv_buf wrapped = { 0 };
	struct clv_version version;

	world_open(w);
	new_job(w, JOB("other"), CLV_PROTECTION_SOFTWARE);
	wrap(w, JOB("other"), &key, &wrapped);
	import.wrapped = clv_buf_view(&wrapped);
	assert_int_equal(clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err),
			 CLV_E_INVALID_ARGUMENT);
	import.job = JOB("other");
	assert_ok(w, clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err));
	assert_string_equal(version.import_job, "other");
	clv_buf_done(&wrapped);
}

static void expired_job_is_refused_whatever_was_done_about_it(struct home_world *w)
{
	const struct material key = some_key(32, 10);
	struct clv_import import = { .job = JOB("j") };
	struct clv_maintain_report report;
	struct clv_buf wrapped = { 0 };
	struct clv_version version;

	world_open(w);
	wrap(w, JOB("j"), &key, &wrapped);
	import.wrapped = clv_buf_view(&wrapped);
	world_sql(w, "UPDATE import_jobs SET create_time = 1, expire_time = 2");
	assert_refused(w, clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err),
		       CLV_E_FAILED_PRECONDITION,
		       "ImportJob " JOB("j") " is not active, current state is: EXPIRED.");
	assert_ok(w, clv_maintain(w->ctx, NULL, &report, &w->err));
	assert_refused(w, clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err),
		       CLV_E_FAILED_PRECONDITION, "current state is: EXPIRED.");
	clv_buf_done(&wrapped);
}

static void job_and_key_must_go_together(struct home_world *w)
{
	static const struct {
		const char *key;
		struct clv_import import;
		clv_rc rc;
		const char *text;
	} table[] = {
		{ WRAPPED,
		  { .job = HSM_JOB },
		  CLV_E_INVALID_ARGUMENT,
		  "is of protection level HSM, and the key of SOFTWARE" },
		{ WRAPPED, { .job = JOB("none") }, CLV_E_NOT_FOUND, "ImportJob " JOB("none") },
		{ KEY("none"), { .job = JOB("j") }, CLV_E_NOT_FOUND, "CryptoKey " KEY("none") },
		{ WRAPPED,
		  { .job = LOCATION "/keyRings/other/importJobs/j" },
		  CLV_E_INVALID_ARGUMENT,
		  "is no import job of the key's own key ring" },
		{ WRAPPED, { .job = WRAPPED }, CLV_E_INVALID_ARGUMENT, "not an import job" },
		{ WRAPPED, { .job = NULL }, CLV_E_INVALID_ARGUMENT, "no resource name" },
		{ WRAPPED,
		  { .job = JOB("j"), .algorithm = CLV_ALG_AES_256_CBC },
		  CLV_E_INVALID_ARGUMENT,
		  "is for purpose RAW_ENCRYPT_DECRYPT" },
		{ TOKEN,
		  { .job = JOB("j") },
		  CLV_E_UNIMPLEMENTED,
		  "keys of residency TOKEN cannot be imported" },
		{ WRAPPED, { .job = JOB("j"), .version = 7 }, CLV_E_NOT_FOUND, V(WRAPPED, "7") },
		{ WRAPPED,
		  { .job = JOB("j"), .version = UINT64_MAX },
		  CLV_E_INVALID_ARGUMENT,
		  "a version number is at most" },
		{ WRAPPED,
		  { .job = JOB("j"), .version = 1 },
		  CLV_E_FAILED_PRECONDITION,
		  "was generated: only versions that were imported" },
	};
	int64_t before = n_versions(w);

	world_open(w);
	new_job(w, HSM_JOB, CLV_PROTECTION_HSM);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		struct clv_import import = table[i].import;
		struct clv_version version;

		import.wrapped = (struct clv_bytes){ (const uint8_t *) "not looked at", 13 };
		assert_refused(
			w,
			clv_version_import(w->ctx, NULL, table[i].key, &import, &version, &w->err),
			table[i].rc, table[i].text);
	}
	assert_int_equal(n_versions(w), before);
}

static void wrapped_bytes_have_a_limit(struct home_world *w)
{
	static const uint8_t bytes[CLV_IMPORT_WRAPPED_MAX + 1];
	static const struct {
		size_t len;
		const char *text; /* NULL: the token is asked */
	} table[] = {
		{ 0, "has 1 to 65536 bytes, not 0" },
		{ CLV_IMPORT_WRAPPED_MAX + 1, "has 1 to 65536 bytes, not 65537" },
		{ CLV_IMPORT_WRAPPED_MAX, NULL },
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct clv_import import = { .job = JOB("j"),
						   .wrapped = { bytes, table[i].len } };
		struct clv_version version;
		clv_rc rc = clv_version_import(w->ctx, NULL, WRAPPED, &import, &version, &w->err);

		assert_int_equal(rc, CLV_E_INVALID_ARGUMENT);
		if (table[i].text != NULL)
			assert_non_null(strstr(w->err.text, table[i].text));
	}
}

/* ---- importing again */

/* Ordered, due, done. */
static void destroy(struct home_world *w, const char *version)
{
	struct clv_switch_report ordered;
	struct clv_maintain_report report;

	assert_ok(w, clv_version_destroy(w->ctx, NULL, version, NULL, &ordered, &w->err));
	world_sql(w, "UPDATE versions SET destroy_time = 1 WHERE state = 4");
	assert_ok(w, clv_maintain(w->ctx, NULL, &report, &w->err));
	assert_int_equal(report.destroyed, 1);
}

static void same_key_brings_a_destroyed_version_back(struct home_world *w)
{
	const struct material key = some_key(32, 11);
	struct clv_import import = { .job = JOB("other"), .version = 2 };
	struct clv_version first, again;
	struct clv_buf sealed = { 0 };

	world_open(w);
	new_job(w, JOB("other"), CLV_PROTECTION_SOFTWARE);
	first = do_import(w, WRAPPED, 0, &key);
	assert_ok(w, world_encrypt(w, V(WRAPPED, "2"), "a letter", &sealed));
	destroy(w, V(WRAPPED, "2"));
	assert_refused(w, world_decrypt(w, WRAPPED, &sealed, "a letter"), CLV_E_FAILED_PRECONDITION,
		       "current state is: DESTROYED.");
	assert_ok(w, try_import(w, WRAPPED, import, &key, &again));
	assert_string_equal(again.name, V(WRAPPED, "2"));
	assert_int_equal(again.state, CLV_STATE_ENABLED);
	assert_int_equal(again.create_time, first.create_time);
	assert_true(again.import_time > first.import_time);
	assert_string_equal(again.import_job, "other");
	assert_int_equal(again.destroy_event_time, 0);
	assert_memory_equal(again.uid, first.uid, CLV_UID_LEN);
	assert_ok(w, world_decrypt(w, WRAPPED, &sealed, "a letter"));
	clv_buf_done(&sealed);
}

static void another_key_or_algorithm_does_not_bring_a_version_back(struct home_world *w)
{
	struct material key = some_key(32, 12);
	const struct clv_import as_it_was = { .job = JOB("j"),
					      .algorithm = CLV_ALG_AES_256_CBC,
					      .version = 1 };
	const struct clv_import otherwise = { .job = JOB("j"),
					      .algorithm = CLV_ALG_AES_256_CTR,
					      .version = 1 };
	struct clv_version version;

	world_open(w);
	import_key(w, KEY("raw"), CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_CBC);
	do_import(w, KEY("raw"), CLV_ALG_AES_256_CBC, &key);
	destroy(w, V(KEY("raw"), "1"));
	assert_refused(w, try_import(w, KEY("raw"), otherwise, &key, &version),
		       CLV_E_INVALID_ARGUMENT,
		       "is of algorithm AES_256_CBC: it cannot be imported "
		       "again as AES_256_CTR");
	key.bytes[31] ^= 1;
	assert_refused(w, try_import(w, KEY("raw"), as_it_was, &key, &version),
		       CLV_E_INVALID_ARGUMENT, "had another key");
	assert_ok(w, clv_version_get(w->ctx, NULL, V(KEY("raw"), "1"), &version, &w->err));
	assert_int_equal(version.state, CLV_STATE_DESTROYED);
	key.bytes[31] ^= 1;
	assert_ok(w, try_import(w, KEY("raw"), as_it_was, &key, &version));
}

static void private_keys_are_known_again_as_well(struct home_world *w)
{
	const struct clv_import import = { .job = JOB("j"),
					   .algorithm = CLV_ALG_EC_SIGN_P256_SHA256,
					   .version = 1 };
	EVP_PKEY *pkey = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	const struct material key = pkcs8_of(pkey), wrong = pkcs8_of(other);
	struct clv_version version;

	world_open(w);
	import_key(w, KEY("ec"), CLV_PURPOSE_ASYMMETRIC_SIGN, import.algorithm);
	do_import(w, KEY("ec"), import.algorithm, &key);
	destroy(w, V(KEY("ec"), "1"));
	assert_refused(w, try_import(w, KEY("ec"), import, &wrong, &version),
		       CLV_E_INVALID_ARGUMENT, "had another key");
	assert_ok(w, try_import(w, KEY("ec"), import, &key, &version));
	check_signs(w, version.name, pkey, EVP_sha256());
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(other);
}

static void version_that_has_its_key_still_is_not_imported_again(struct home_world *w)
{
	const struct material key = some_key(32, 13);
	const struct clv_import import = { .job = JOB("j"), .version = 2 };
	struct clv_switch_report report;
	struct clv_version version;

	world_open(w);
	do_import(w, WRAPPED, 0, &key);
	assert_refused(w, try_import(w, WRAPPED, import, &key, &version), CLV_E_FAILED_PRECONDITION,
		       "cannot be imported again, current state is: ENABLED.");
	assert_ok(w, clv_version_disable(w->ctx, NULL, V(WRAPPED, "2"), NULL, &report, &w->err));
	assert_refused(w, try_import(w, WRAPPED, import, &key, &version), CLV_E_FAILED_PRECONDITION,
		       "current state is: DISABLED.");
	assert_ok(w, clv_version_destroy(w->ctx, NULL, V(WRAPPED, "2"), NULL, &report, &w->err));
	assert_refused(w, try_import(w, WRAPPED, import, &key, &version), CLV_E_FAILED_PRECONDITION,
		       "current state is: DESTROY_SCHEDULED.");
}

/* ---- the end of jobs, the log, and what must not lie about */

static void maintain_in_a_process(struct home_world *w, void *arg)
{
	struct clv_maintain_report report;

	(void) arg;
	world_open(w);
	assert_ok(w, clv_maintain(w->ctx, NULL, &report, &w->err));
	/* The log may be in use by the others at this moment; jobs are not left. */
	if (report.left > 0 && strstr(report.why, "may stand in its log still") == NULL)
		fail_msg("%s", report.why);
	world_sql(w, report.import_jobs_expired == 1
			     ? "UPDATE counted SET n = n + 1"
			     : "UPDATE counted SET n = n"); /* other numbers fail below */
	assert_in_range(report.import_jobs_expired, 0, 1);
}

static void expired_job_is_erased_once_however_many_look(struct home_world *w)
{
	pid_t children[4];

	world_sql(w, "CREATE TABLE counted (n INTEGER); INSERT INTO counted VALUES (0);"
		     "UPDATE import_jobs SET create_time = 1, expire_time = 2");
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		children[i] = world_fork(w, maintain_in_a_process, NULL);
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++)
		world_wait(children[i]);
	assert_int_equal(world_count(w, "SELECT n FROM counted"), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM import_jobs WHERE state = 3"
					" AND blob IS NULL AND expire_event_time > 2"),
			 1);
	assert_int_equal(world_log_count(w, "claviger.homes.maintain", JOB("j"), "\"OK\""), 1);
}

static void import_is_recorded_for_the_key_and_for_the_job(struct home_world *w)
{
	const struct material key = some_key(32, 14);
	const struct clv_import wrong = { .job = JOB("none"),
					  .wrapped = { (const uint8_t *) "x", 1 } };
	struct clv_version version;

	world_open(w);
	do_import(w, WRAPPED, 0, &key);
	assert_int_equal(world_log_count(w, "cloudkms.cryptoKeyVersions.create", "\"" WRAPPED "\"",
					 V(WRAPPED, "2"), "\"OK\""),
			 1);
	assert_int_equal(world_log_count(w, "cloudkms.importJobs.useToImport", "\"" JOB("j") "\"",
					 V(WRAPPED, "2"), "\"OK\""),
			 1);
	assert_int_equal(clv_version_import(w->ctx, NULL, WRAPPED, &wrong, &version, &w->err),
			 CLV_E_NOT_FOUND);
	assert_int_equal(
		world_log_count(w, "cloudkms.importJobs.useToImport", JOB("none"), "NOT_FOUND"), 1);
	assert_int_equal(
		world_log_count(w, "cloudkms.cryptoKeyVersions.create", WRAPPED, "NOT_FOUND"), 1);
}

static struct material needle;
static unsigned times_found, files_seen;

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	FILE *file = type == FTW_F ? fopen(path, "rb") : NULL;
	uint8_t *bytes;

	(void) ftw;
	if (file == NULL)
		return 0;
	bytes = malloc((size_t) st->st_size + 1);
	if (bytes != NULL && fread(bytes, 1, (size_t) st->st_size, file) == (size_t) st->st_size)
		times_found += memmem(bytes, (size_t) st->st_size, needle.bytes, 16) != NULL;
	files_seen++;
	free(bytes);
	fclose(file);
	return 0;
}

static void imported_key_is_in_no_file_of_the_home(struct home_world *w)
{
	world_open(w);
	needle = some_key(32, 15);
	do_import(w, WRAPPED, 0, &needle);
	assert_int_equal(nftw(w->home, look_into, 16, FTW_PHYS), 0);
	assert_true(files_seen > 5);
	assert_int_equal(times_found, 0);
	world_close(w);
	assert_int_equal(nftw(w->home, look_into, 16, FTW_PHYS), 0);
	assert_int_equal(times_found, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(import_job_shows_its_public_key_while_it_is_active),
		home_test(import_job_takes_no_object_of_the_token),
		home_test(import_job_of_a_method_that_the_token_lacks_is_refused_with_the_reason),
		home_test(import_job_options_that_are_none_are_refused),
		home_test(import_jobs_are_listed_page_by_page),
		home_test(imported_aes_keys_give_the_bytes_that_openssl_gives),
		home_test(imported_key_encrypts_what_openssl_opens_with_it),
		home_test(imported_version_says_where_it_came_from_and_is_not_the_primary),
		home_test(imported_mac_keys_authenticate_as_openssl_does),
		home_test(imported_ec_keys_sign_what_openssl_verifies),
		home_test(imported_rsa_keys_sign_what_openssl_verifies),
		home_test(imported_rsa_key_decrypts_what_openssl_encrypts),
		home_test(key_of_another_kind_or_length_than_said_is_refused),
		home_test(damaged_bytes_are_refused_and_leave_nothing),
		home_test(key_wrapped_for_another_job_is_refused),
		home_test(expired_job_is_refused_whatever_was_done_about_it),
		home_test(job_and_key_must_go_together),
		home_test(wrapped_bytes_have_a_limit),
		home_test(same_key_brings_a_destroyed_version_back),
		home_test(another_key_or_algorithm_does_not_bring_a_version_back),
		home_test(private_keys_are_known_again_as_well),
		home_test(version_that_has_its_key_still_is_not_imported_again),
		home_test(expired_job_is_erased_once_however_many_look),
		home_test(import_is_recorded_for_the_key_and_for_the_job),
		home_test(imported_key_is_in_no_file_of_the_home),
	};

	return cmocka_run_group_tests_name("import", tests, home_group_set_up,
					   home_group_tear_down);
}
