/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapping keys for import jobs: what clv_import_wrap() makes, OpenSSL takes apart. */
#include "tests/unit/base_check.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <claviger/import.h>

#include "lib/model/import.h"

static EVP_PKEY *rsa[2]; /* 3072 and 4096 bits */
static EVP_PKEY *other;  /* an EC key */

static int make_keys(void **state)
{
	(void) state;
	if (clv_secret_setup(0, true, &(struct clv_err){ 0 }) != CLV_OK)
		return 1;
	rsa[0] = EVP_RSA_gen(3072);
	rsa[1] = EVP_RSA_gen(4096);
	other = EVP_EC_gen("P-256");
	return rsa[0] == NULL || rsa[1] == NULL || other == NULL;
}

static int end_keys(void **state)
{
	(void) state;
	EVP_PKEY_free(rsa[0]);
	EVP_PKEY_free(rsa[1]);
	EVP_PKEY_free(other);
	return 0;
}

static void to_pem(EVP_PKEY *key, char pem[CLV_PEM_MAX])
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	len = BIO_get_mem_data(bio, &text);
	assert_true(len > 0 && len < CLV_PEM_MAX);
	memcpy(pem, text, (size_t) len);
	pem[len] = '\0';
	BIO_free(bio);
}

static EVP_PKEY *key_of(const struct model_import_method *row)
{
	return rsa[row->bits == 4096];
}

static struct clv_secret *some_secret(size_t len)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	check_ok(clv_secret_new(len, &secret, &err));
	for (size_t i = 0; i < len; i++)
		clv_secret_mutable_bytes(secret)[i] = (uint8_t) (i * 7 + len);
	return secret;
}

/* The first modulus' worth of bytes, by the private half. */
static size_t open_oaep(const struct model_import_method *row, const uint8_t *bytes,
			uint8_t out[512])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key_of(row), NULL);
	const EVP_MD *md = row->hash == CLV_HASH_SHA1 ? EVP_sha1() : EVP_sha256();
	size_t len = 512;

	assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md), 1);
	assert_int_equal(EVP_PKEY_decrypt(ctx, out, &len, bytes, row->bits / 8), 1);
	EVP_PKEY_CTX_free(ctx);
	return len;
}

static size_t open_kwp(const uint8_t aes[32], const uint8_t *bytes, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int out_len = 0;

	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_wrap_pad(), NULL, aes, NULL), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, out, &out_len, bytes, (int) len), 1);
	EVP_CIPHER_CTX_free(ctx);
	return (size_t) out_len;
}

static void check_opens(const struct model_import_method *row, const struct clv_buf *wrapped,
			const struct clv_secret *secret)
{
	size_t front = row->bits / 8, len;
	uint8_t *out = malloc(wrapped->len + 512);
	uint8_t aes[512];

	assert_non_null(out);
	if (row->aes) {
		assert_int_equal(open_oaep(row, wrapped->data, aes), 32);
		len = open_kwp(aes, wrapped->data + front, wrapped->len - front, out);
	} else {
		assert_int_equal(wrapped->len, front);
		len = open_oaep(row, wrapped->data, out);
	}
	assert_int_equal(len, clv_secret_len(secret));
	assert_memory_equal(out, clv_secret_bytes(secret), len);
	free(out);
}

static void check_method(const struct model_import_method *row, size_t len)
{
	struct clv_secret *secret = some_secret(len);
	struct clv_buf wrapped = { 0 };
	char pem[CLV_PEM_MAX];
	struct clv_err err;

	to_pem(key_of(row), pem);
	check_ok(clv_import_wrap(pem, row->method, secret, &wrapped, &err));
	check_opens(row, &wrapped, secret);
	clv_buf_done(&wrapped);
	clv_secret_free(secret);
}

#define CHECK_NAME(name, number)                                                                   \
	assert_int_equal(CLV_IMPORT_##name, number);                                               \
	assert_string_equal(clv_import_method_name(number), #name);

static void import_method_names_and_numbers_are_those_of_cloud_kms(void **state)
{
	(void) state;
	CHECK_NAME(RSA_OAEP_3072_SHA1_AES_256, 1)
	CHECK_NAME(RSA_OAEP_4096_SHA1_AES_256, 2)
	CHECK_NAME(RSA_OAEP_3072_SHA256_AES_256, 3)
	CHECK_NAME(RSA_OAEP_4096_SHA256_AES_256, 4)
	CHECK_NAME(RSA_OAEP_3072_SHA256, 5)
	CHECK_NAME(RSA_OAEP_4096_SHA256, 6)
	assert_string_equal(clv_import_method_name(0), "UNKNOWN");
	assert_string_equal(clv_import_method_name(7), "UNKNOWN");
	assert_string_equal(clv_import_method_name(UINT32_MAX), "UNKNOWN");
	assert_string_equal(clv_import_state_name(1), "PENDING_GENERATION");
	assert_string_equal(clv_import_state_name(2), "ACTIVE");
	assert_string_equal(clv_import_state_name(3), "EXPIRED");
	assert_string_equal(clv_import_state_name(0), "UNKNOWN");
	assert_string_equal(clv_import_state_name(4), "UNKNOWN");
}

static void import_method_row_says_what_its_name_says(void **state)
{
	char name[64];

	(void) state;
	for (unsigned n = 1; n <= 6; n++) {
		const struct model_import_method *row = model_import_method_get(n);

		assert_non_null(row);
		snprintf(name, sizeof name, "RSA_OAEP_%u_%s%s", row->bits,
			 row->hash == CLV_HASH_SHA1 ? "SHA1" : "SHA256",
			 row->aes ? "_AES_256" : "");
		assert_string_equal(clv_import_method_name(n), name);
	}
	assert_null(model_import_method_get(0));
	assert_null(model_import_method_get(8));
}

static void import_job_is_expired_from_its_time_on_whatever_was_done(void **state)
{
	(void) state;
	assert_int_equal(model_import_state(CLV_IMPORT_ACTIVE, 100, 99), CLV_IMPORT_ACTIVE);
	assert_int_equal(model_import_state(CLV_IMPORT_ACTIVE, 100, 100), CLV_IMPORT_EXPIRED);
	assert_int_equal(model_import_state(CLV_IMPORT_ACTIVE, 100, 101), CLV_IMPORT_EXPIRED);
	/* The clock went back after the key was erased. */
	assert_int_equal(model_import_state(CLV_IMPORT_EXPIRED, 100, 50), CLV_IMPORT_EXPIRED);
}

static void wrap_by_each_method_is_opened_by_openssl(void **state)
{
	static const size_t lens[] = { 1, 16, 20, 28, 32, 64 };

	(void) state;
	for (unsigned n = 1; n <= 6; n++) {
		for (size_t i = 0; i < CLV_ARRAY_LEN(lens); i++)
			check_method(model_import_method_get(n), lens[i]);
	}
}

static void wrap_with_an_aes_key_carries_long_keys(void **state)
{
	(void) state;
	for (unsigned n = 1; n <= 4; n++) {
		check_method(model_import_method_get(n), 2374); /* RSA-4096 as PKCS#8 */
		check_method(model_import_method_get(n), CLV_IMPORT_KEY_MAX);
	}
}

static void wrap_without_an_aes_key_carries_what_fits_into_oaep(void **state)
{
	static const struct {
		enum clv_import_method method;
		size_t most;
	} table[] = {
		{ CLV_IMPORT_RSA_OAEP_3072_SHA256, 318 },
		{ CLV_IMPORT_RSA_OAEP_4096_SHA256, 446 },
	};

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct model_import_method *row = model_import_method_get(table[i].method);
		struct clv_secret *secret = some_secret(table[i].most + 1);
		struct clv_buf wrapped = { 0 };
		char pem[CLV_PEM_MAX];
		struct clv_err err;

		check_method(row, table[i].most);
		to_pem(key_of(row), pem);
		check_refused(clv_import_wrap(pem, row->method, secret, &wrapped, &err), &err,
			      CLV_E_INVALID_ARGUMENT,
			      "use an import job whose method ends in AES_256");
		assert_int_equal(wrapped.len, 0);
		clv_buf_done(&wrapped);
		clv_secret_free(secret);
	}
}

static void wrap_twice_gives_other_bytes_and_appends(void **state)
{
	const struct model_import_method *row = model_import_method_get(1);
	struct clv_secret *secret = some_secret(32);
	struct clv_buf both = { 0 };
	struct clv_err err;
	char pem[CLV_PEM_MAX];
	size_t half;

	(void) state;
	to_pem(key_of(row), pem);
	check_ok(clv_import_wrap(pem, row->method, secret, &both, &err));
	half = both.len;
	assert_int_equal(half, 384 + 40);
	check_ok(clv_import_wrap(pem, row->method, secret, &both, &err));
	assert_int_equal(both.len, 2 * half);
	assert_memory_not_equal(both.data, both.data + half, 384);
	assert_memory_not_equal(both.data + 384, both.data + half + 384, 40);
	clv_buf_done(&both);
	clv_secret_free(secret);
}

static void check_wrap_refused(const char *pem, unsigned method, size_t len, const char *words)
{
	struct clv_secret *secret = some_secret(len);
	struct clv_buf wrapped = { 0 };
	struct clv_err err;

	ERR_clear_error();
	check_ok(clv_buf_add(&wrapped, "before", 6, &err));
	check_refused(clv_import_wrap(pem, method, secret, &wrapped, &err), &err,
		      CLV_E_INVALID_ARGUMENT, words);
	assert_int_equal(wrapped.len, 6);
	assert_int_equal(ERR_peek_error(), 0);
	clv_buf_done(&wrapped);
	clv_secret_free(secret);
}

static void wrap_refuses_lengths_and_methods_that_are_none(void **state)
{
	char pem[CLV_PEM_MAX];

	(void) state;
	to_pem(rsa[0], pem);
	check_wrap_refused(pem, 1, 0, "has 1 to 8192 bytes, not 0");
	check_wrap_refused(pem, 1, 8193, "has 1 to 8192 bytes, not 8193");
	check_wrap_refused(pem, 0, 32, "import method number 0 is not one that is known");
	check_wrap_refused(pem, 8, 32, "import method number 8 is not one that is known");
}

static void wrap_refuses_what_is_no_rsa_public_key_of_the_size(void **state)
{
	static const char encrypted[] = "-----BEGIN PUBLIC KEY-----\n"
					"Proc-Type: 4,ENCRYPTED\n"
					"DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n"
					"\n"
					"AAAAAAAAAAAAAAAAAAAAAA==\n"
					"-----END PUBLIC KEY-----\n";
	char small[CLV_PEM_MAX], large[CLV_PEM_MAX], ec[CLV_PEM_MAX];

	(void) state;
	to_pem(rsa[0], small);
	to_pem(rsa[1], large);
	to_pem(other, ec);
	check_wrap_refused(NULL, 1, 32, "is not a PEM SubjectPublicKeyInfo");
	check_wrap_refused("", 1, 32, "is not a PEM SubjectPublicKeyInfo");
	check_wrap_refused("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 1, 32,
			   "is not a PEM SubjectPublicKeyInfo");
	check_wrap_refused(encrypted, 1, 32, "is not a PEM SubjectPublicKeyInfo");
	check_wrap_refused(large, 1, 32,
			   "needs an RSA public key of 3072 bits: this one is RSA of "
			   "4096");
	check_wrap_refused(small, 4, 32,
			   "RSA_OAEP_4096_SHA256_AES_256 needs an RSA public key of "
			   "4096 bits");
	check_wrap_refused(ec, 1, 32, "this one is EC of 256");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(import_method_names_and_numbers_are_those_of_cloud_kms),
		cmocka_unit_test(import_method_row_says_what_its_name_says),
		cmocka_unit_test(import_job_is_expired_from_its_time_on_whatever_was_done),
		cmocka_unit_test(wrap_by_each_method_is_opened_by_openssl),
		cmocka_unit_test(wrap_with_an_aes_key_carries_long_keys),
		cmocka_unit_test(wrap_without_an_aes_key_carries_what_fits_into_oaep),
		cmocka_unit_test(wrap_twice_gives_other_bytes_and_appends),
		cmocka_unit_test(wrap_refuses_lengths_and_methods_that_are_none),
		cmocka_unit_test(wrap_refuses_what_is_no_rsa_public_key_of_the_size),
	};
	return cmocka_run_group_tests_name("import", tests, make_keys, end_keys);
}
