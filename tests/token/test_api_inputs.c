/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into a version and what must not: checksums, lengths, inputs that an algorithm does not
 * have, and damage. On a real token; which versions may be used is in test_api_kinds.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/kinds.h"

#define INVALID "Decryption failed: the ciphertext is invalid."

static const struct clv_input nothing;
static uint8_t zeros[CLV_CIPHERTEXT_MAX + 1];

static struct clv_input of_length(size_t len)
{
	return (struct clv_input){ .bytes = { zeros, len } };
}

static void make(struct home_world *w, enum clv_algorithm algorithm)
{
	assert_ok(w, kind_make(w, algorithm, 0));
}

/* ---- checksums */

static const char *mismatch(const char *field)
{
	static char text[160];

	snprintf(text, sizeof text,
		 "The checksum in field %s_crc32c did not match the data in field %s.", field,
		 field);
	return text;
}

/* The text is the whole of it: gcloud looks for it. */
#define assert_mismatch(w, call, field)                                                            \
	do {                                                                                       \
		assert_refused(w, call, CLV_E_INVALID_ARGUMENT, mismatch(field));                  \
		assert_string_equal((w)->err.text, mismatch(field));                               \
	} while (0)

static void wrong_checksums_of_encrypt_and_decrypt_are_refused(struct home_world *w)
{
	struct clv_input text = kind_input(KIND_TEXT), bad = kind_spoilt(text);
	struct clv_secret *plaintext = NULL;
	struct clv_buf out = { 0 };

	world_open(w);
	assert_mismatch(
		w, clv_encrypt_checked(w->ctx, NULL, WRAPPED, &bad, &nothing, &out, NULL, &w->err),
		"plaintext");
	assert_mismatch(
		w, clv_encrypt_checked(w->ctx, NULL, WRAPPED, &text, &bad, &out, NULL, &w->err),
		"additional_authenticated_data");
	assert_int_equal(out.len, 0);
	assert_ok(w, clv_encrypt_checked(w->ctx, NULL, WRAPPED, &text, &text, &out, NULL, &w->err));
	text.bytes = clv_buf_view(&out);
	bad = kind_spoilt(text);
	assert_mismatch(w,
			clv_decrypt_checked(w->ctx, NULL, WRAPPED, &bad, &nothing, &plaintext, NULL,
					    &w->err),
			"ciphertext");
	assert_mismatch(
		w,
		clv_decrypt_checked(w->ctx, NULL, WRAPPED, &text, &bad, &plaintext, NULL, &w->err),
		"additional_authenticated_data");
	assert_null(plaintext);
	clv_buf_done(&out);
}

static void checksum_of_nothing_is_0_and_anything_else_is_refused(struct home_world *w)
{
	struct clv_input text = kind_input(KIND_TEXT);
	struct clv_input none = { .has_crc32c = true, .crc32c = 0 };
	struct clv_input bad = { .has_crc32c = true, .crc32c = 1 };
	struct clv_buf out = { 0 };

	world_open(w);
	assert_ok(w, clv_encrypt_checked(w->ctx, NULL, WRAPPED, &text, &none, &out, NULL, &w->err));
	assert_ok(w, clv_encrypt_checked(w->ctx, NULL, WRAPPED, &none, &none, &out, NULL, &w->err));
	assert_mismatch(
		w, clv_encrypt_checked(w->ctx, NULL, WRAPPED, &text, &bad, &out, NULL, &w->err),
		"additional_authenticated_data");
	clv_buf_done(&out);
}

static void wrong_checksums_of_key_pairs_and_macs_are_refused(struct home_world *w)
{
	const char *signer = kind_version(CLV_ALG_EC_SIGN_P256_SHA256);
	const char *mac = kind_version(CLV_ALG_HMAC_SHA256);
	const char *opener = kind_version(CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256);
	struct clv_input text = kind_input(KIND_TEXT), bad = kind_spoilt(text);
	struct clv_digest digest = { CLV_HASH_SHA256, kind_spoilt(of_length(32)) };
	struct clv_secret *plaintext = NULL;
	struct clv_buf out = { 0 };
	bool valid = true;

	world_open(w);
	assert_mismatch(w,
			clv_asymmetric_sign(w->ctx, NULL, signer, &bad, NULL, &out, NULL, &w->err),
			"data");
	assert_mismatch(
		w, clv_asymmetric_sign(w->ctx, NULL, signer, NULL, &digest, &out, NULL, &w->err),
		"digest");
	assert_mismatch(
		w, clv_asymmetric_decrypt(w->ctx, NULL, opener, &bad, &plaintext, NULL, &w->err),
		"ciphertext");
	assert_mismatch(w, clv_mac_sign(w->ctx, NULL, mac, &bad, &out, NULL, &w->err), "data");
	assert_mismatch(w, clv_mac_verify(w->ctx, NULL, mac, &bad, &text, &valid, NULL, &w->err),
			"data");
	assert_mismatch(w, clv_mac_verify(w->ctx, NULL, mac, &text, &bad, &valid, NULL, &w->err),
			"mac");
	assert_int_equal(out.len, 0);
	assert_null(plaintext);
	assert_true(valid);
	clv_buf_done(&out);
}

static void wrong_checksums_of_raw_aes_are_refused(struct home_world *w)
{
	const char *name = kind_version(CLV_ALG_AES_256_CBC);
	const struct clv_input good = of_length(16), bad = kind_spoilt(good);
	const struct {
		struct clv_raw in;
		const char *encrypt, *decrypt;
	} cases[] = {
		{ { bad, good, nothing }, "plaintext", "ciphertext" },
		{ { good, bad, nothing }, "initialization_vector", "initialization_vector" },
		{ { good, good, bad },
		  "additional_authenticated_data",
		  "additional_authenticated_data" },
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_secret *plaintext = NULL;
		struct clv_buf out = { 0 };
		struct clv_raw_iv iv;

		assert_mismatch(
			w,
			clv_raw_encrypt(w->ctx, NULL, name, &cases[i].in, &out, &iv, NULL, &w->err),
			cases[i].encrypt);
		assert_mismatch(w,
				clv_raw_decrypt(w->ctx, NULL, name, &cases[i].in, &plaintext, NULL,
						&w->err),
				cases[i].decrypt);
		assert_int_equal(out.len, 0);
		assert_null(plaintext);
		clv_buf_done(&out);
	}
}

/* ---- lengths */

static void what_is_too_long_is_refused_with_limit_and_size(struct home_world *w)
{
	const struct clv_input long_data = of_length(65537), none = nothing;
	const struct clv_input long_mac = of_length(65), long_rsa = of_length(513);
	struct clv_secret *plaintext = NULL;
	struct clv_buf out = { 0 };
	bool valid;

	world_open(w);
	assert_refused(w,
		       clv_mac_sign(w->ctx, NULL, kind_version(CLV_ALG_HMAC_SHA1), &long_data, &out,
				    NULL, &w->err),
		       CLV_E_INVALID_ARGUMENT, "data is too long: 65537 bytes, at most 65536");
	assert_refused(w,
		       clv_mac_verify(w->ctx, NULL, kind_version(CLV_ALG_HMAC_SHA1), &none,
				      &long_mac, &valid, NULL, &w->err),
		       CLV_E_INVALID_ARGUMENT, "mac is too long: 65 bytes, at most 64");
	assert_refused(w,
		       clv_asymmetric_sign(w->ctx, NULL, kind_version(CLV_ALG_EC_SIGN_ED25519),
					   &long_data, NULL, &out, NULL, &w->err),
		       CLV_E_INVALID_ARGUMENT, "data is too long: 65537 bytes, at most 65536");
	assert_refused(w,
		       clv_asymmetric_decrypt(w->ctx, NULL,
					      kind_version(CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1),
					      &long_rsa, &plaintext, NULL, &w->err),
		       CLV_E_INVALID_ARGUMENT, "ciphertext is too long: 513 bytes, at most 512");
	assert_null(plaintext);
	assert_int_equal(out.len, 0);
	clv_buf_done(&out);
}

static void raw_inputs_that_are_too_long_are_refused(struct home_world *w)
{
	const char *name = kind_version(CLV_ALG_AES_128_GCM);
	static const struct {
		size_t text, iv, aad;
		const char *part;
	} cases[] = {
		{ 65537, 0, 0, "plaintext is too long: 65537 bytes, at most 65536" },
		{ 0, 17, 0, "initialization vector is too long: 17 bytes, at most 16" },
		{ 0, 0, 65537, "authenticated data is too long: 65537 bytes, at most 65536" },
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_raw in = { of_length(cases[i].text), of_length(cases[i].iv),
				      of_length(cases[i].aad) };
		struct clv_buf out = { 0 };
		struct clv_raw_iv iv;

		assert_refused(w,
			       clv_raw_encrypt(w->ctx, NULL, name, &in, &out, &iv, NULL, &w->err),
			       CLV_E_INVALID_ARGUMENT, cases[i].part);
		clv_buf_done(&out);
	}
}

static void make_hsm_key(struct home_world *w, const char *name, enum clv_purpose purpose,
			 enum clv_algorithm algorithm)
{
	struct clv_key_options options = { .purpose = purpose,
					   .algorithm = algorithm,
					   .protection = CLV_PROTECTION_HSM };
	struct clv_key key;

	assert_ok(w, clv_key_create(w->ctx, NULL, name, &options, &key, &w->err));
	assert_int_equal(key.protection, CLV_PROTECTION_HSM);
}

static void protection_level_hsm_takes_8_kib_of_both_together(struct home_world *w)
{
	static const struct {
		size_t plaintext, aad;
		clv_rc rc;
	} cases[] = {
		{ 8192, 0, CLV_OK },
		{ 0, 8192, CLV_OK },
		{ 4096, 4096, CLV_OK },
		{ 8193, 0, CLV_E_INVALID_ARGUMENT },
		{ 0, 8193, CLV_E_INVALID_ARGUMENT },
		{ 4096, 4097, CLV_E_INVALID_ARGUMENT },
		{ 65536, 65536, CLV_E_INVALID_ARGUMENT },
	};

	world_open(w);
	make_hsm_key(w, KEY("hsm"), CLV_PURPOSE_ENCRYPT_DECRYPT, 0);
	make_hsm_key(w, KEY("raw"), CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, CLV_ALG_AES_256_GCM);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_input text = of_length(cases[i].plaintext);
		struct clv_input aad = of_length(cases[i].aad);
		struct clv_raw in = { .text = text, .aad = aad };
		struct clv_buf out = { 0 };
		struct clv_raw_iv iv;
		char part[100] = "";

		if (cases[i].rc != CLV_OK)
			snprintf(part, sizeof part, "level HSM: %zu bytes together, at most 8192",
				 cases[i].plaintext + cases[i].aad);
		else
			w->err.text[0] = '\0';
		assert_refused(w,
			       clv_encrypt_checked(w->ctx, NULL, KEY("hsm"), &text, &aad, &out,
						   NULL, &w->err),
			       cases[i].rc, part);
		assert_refused(w,
			       clv_raw_encrypt(w->ctx, NULL, VERSION(KEY("raw")), &in, &out, &iv,
					       NULL, &w->err),
			       cases[i].rc, part);
		clv_buf_done(&out);
	}
}

/* ---- what is to be signed */

static void signing_takes_data_or_a_digest_of_the_algorithms_own_hash(struct home_world *w)
{
	static const struct {
		enum clv_algorithm algorithm;
		bool data;
		int hash; /* -1: no digest */
		size_t len;
		const char *part;
	} cases[] = {
		{ CLV_ALG_EC_SIGN_P256_SHA256, false, -1, 0, "neither was given" },
		{ CLV_ALG_EC_SIGN_P256_SHA256, true, CLV_HASH_SHA256, 32, "both was given" },
		{ CLV_ALG_EC_SIGN_P256_SHA256, false, CLV_HASH_SHA384, 48,
		  "signs a digest made by sha256, not by sha384" },
		{ CLV_ALG_EC_SIGN_P256_SHA256, false, CLV_HASH_SHA256, 31,
		  "a sha256 digest of 31 bytes: it must have 32" },
		{ CLV_ALG_EC_SIGN_P256_SHA256, false, CLV_HASH_SHA256, 0,
		  "a sha256 digest of 0 bytes: it must have 32" },
		{ CLV_ALG_EC_SIGN_P256_SHA256, false, CLV_HASH_NONE, 32, "of no hash" },
		{ CLV_ALG_EC_SIGN_P256_SHA256, false, 99, 32, "of no hash" },
		{ CLV_ALG_EC_SIGN_ED25519, false, CLV_HASH_SHA512, 64,
		  "EC_SIGN_ED25519 signs the data themselves" },
		{ CLV_ALG_RSA_SIGN_RAW_PKCS1_2048, false, CLV_HASH_SHA256, 32,
		  "RSA_SIGN_RAW_PKCS1_2048 signs the data themselves" },
		{ CLV_ALG_RSA_SIGN_PSS_2048_SHA256, false, CLV_HASH_SHA512, 64,
		  "signs a digest made by sha256, not by sha512" },
	};

	world_open(w);
	make(w, CLV_ALG_EC_SIGN_P256_SHA256);
	make(w, CLV_ALG_EC_SIGN_ED25519);
	make(w, CLV_ALG_RSA_SIGN_RAW_PKCS1_2048);
	make(w, CLV_ALG_RSA_SIGN_PSS_2048_SHA256);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_input data = kind_input(KIND_TEXT);
		struct clv_digest digest = { (enum clv_hash) cases[i].hash,
					     of_length(cases[i].len) };
		struct clv_buf out = { 0 };

		assert_refused(w,
			       clv_asymmetric_sign(w->ctx, NULL, kind_version(cases[i].algorithm),
						   cases[i].data ? &data : NULL,
						   cases[i].hash >= 0 ? &digest : NULL, &out, NULL,
						   &w->err),
			       CLV_E_INVALID_ARGUMENT, cases[i].part);
		assert_int_equal(out.len, 0);
		clv_buf_done(&out);
	}
}

static void raw_pkcs1_signs_as_much_as_fits(struct home_world *w)
{
	const struct clv_input most = of_length(245), more = of_length(246);
	struct clv_buf out = { 0 };

	world_open(w);
	make(w, CLV_ALG_RSA_SIGN_RAW_PKCS1_2048);
	assert_ok(w,
		  clv_asymmetric_sign(w->ctx, NULL, kind_version(CLV_ALG_RSA_SIGN_RAW_PKCS1_2048),
				      &most, NULL, &out, NULL, &w->err));
	assert_int_equal(out.len, 256);
	assert_refused(w,
		       clv_asymmetric_sign(w->ctx, NULL,
					   kind_version(CLV_ALG_RSA_SIGN_RAW_PKCS1_2048), &more,
					   NULL, &out, NULL, &w->err),
		       CLV_E_INVALID_ARGUMENT, "245");
	assert_int_equal(out.len, 256);
	clv_buf_done(&out);
}

static void empty_and_longest_data_are_signed(struct home_world *w)
{
	static const enum clv_algorithm some[] = { CLV_ALG_EC_SIGN_P256_SHA256,
						   CLV_ALG_EC_SIGN_ED25519 };
	static const size_t lens[] = { 0, CLV_SIGN_DATA_MAX };
	struct clv_buf der = { 0 }, out = { 0 };

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(some) * CLV_ARRAY_LEN(lens); i++) {
		enum clv_algorithm algorithm = some[i / 2];
		struct clv_input data = of_length(lens[i % 2]);

		if (i % 2 == 0)
			make(w, algorithm);
		assert_ok(w, clv_asymmetric_sign(w->ctx, NULL, kind_version(algorithm), &data, NULL,
						 &out, NULL, &w->err));
		assert_ok(w, clv_public_key_get(w->ctx, NULL, kind_version(algorithm),
						CLV_PUBLIC_KEY_DER, &der, NULL, &w->err));
		assert_true(kind_verifies(algorithm, clv_buf_view(&der), data.bytes,
					  clv_buf_view(&out)));
		clv_buf_done(&der);
		clv_buf_done(&out);
	}
}

/* ---- codes */

static void codes_that_are_not_right_are_no_error(struct home_world *w)
{
	const char *name = kind_version(CLV_ALG_HMAC_SHA256);
	struct clv_input data = kind_input(KIND_TEXT), mac = { 0 };
	static const size_t lens[] = { 0, 1, 31, 32, 33, 64 };
	struct clv_buf out = { 0 };
	uint8_t bytes[64] = { 0 };
	bool valid;

	world_open(w);
	make(w, CLV_ALG_HMAC_SHA256);
	assert_ok(w, clv_mac_sign(w->ctx, NULL, name, &data, &out, NULL, &w->err));
	memcpy(bytes, out.data, out.len);
	for (size_t i = 0; i < CLV_ARRAY_LEN(lens); i++) {
		valid = !(lens[i] == 32);
		mac.bytes = (struct clv_bytes){ bytes, lens[i] };
		assert_ok(w,
			  clv_mac_verify(w->ctx, NULL, name, &data, &mac, &valid, NULL, &w->err));
		assert_int_equal(valid, lens[i] == 32);
	}
	mac.bytes.len = 32;
	for (size_t i = 0; i < 32; i++) {
		bytes[i] ^= 0x10;
		valid = true;
		assert_ok(w,
			  clv_mac_verify(w->ctx, NULL, name, &data, &mac, &valid, NULL, &w->err));
		assert_false(valid);
		bytes[i] ^= 0x10;
	}
	clv_buf_done(&out);
}

/* ---- raw AES */

static void raw_inputs_that_an_algorithm_does_not_have_are_refused(struct home_world *w)
{
	static const struct {
		enum clv_algorithm algorithm;
		size_t text, iv, aad;
		const char *part;
	} cases[] = {
		{ CLV_ALG_AES_128_GCM, 16, 12, 0, "AES_128_GCM takes no initialization vector" },
		{ CLV_ALG_AES_128_CBC, 16, 16, 1, "AES_128_CBC takes no additional" },
		{ CLV_ALG_AES_128_CTR, 16, 0, 1, "AES_128_CTR takes no additional" },
		{ CLV_ALG_AES_128_CBC, 16, 15, 0, "vector of 15 bytes: AES_128_CBC needs 16" },
		{ CLV_ALG_AES_128_CTR, 16, 12, 0, "vector of 12 bytes: AES_128_CTR needs 16" },
		{ CLV_ALG_AES_128_CBC, 15, 16, 0, "plaintext of 15 bytes: AES_128_CBC does not" },
		{ CLV_ALG_AES_128_CBC, 17, 0, 0, "plaintext of 17 bytes: AES_128_CBC does not" },
		{ CLV_ALG_AES_128_CBC, 0, 16, 0, "AES_128_CBC takes at least one byte" },
		{ CLV_ALG_AES_128_CTR, 0, 16, 0, "AES_128_CTR takes at least one byte" },
	};

	world_open(w);
	make(w, CLV_ALG_AES_128_GCM);
	make(w, CLV_ALG_AES_128_CBC);
	make(w, CLV_ALG_AES_128_CTR);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_raw in = { of_length(cases[i].text), of_length(cases[i].iv),
				      of_length(cases[i].aad) };
		struct clv_buf out = { 0 };
		struct clv_raw_iv iv = { .len = 99 };

		assert_refused(w,
			       clv_raw_encrypt(w->ctx, NULL, kind_version(cases[i].algorithm), &in,
					       &out, &iv, NULL, &w->err),
			       CLV_E_INVALID_ARGUMENT, cases[i].part);
		assert_int_equal(out.len, 0);
		assert_int_equal(iv.len, 99);
		clv_buf_done(&out);
	}
}

static void raw_decryption_needs_what_the_encryption_had(struct home_world *w)
{
	static const struct {
		enum clv_algorithm algorithm;
		size_t text, iv, aad;
		const char *part;
	} cases[] = {
		{ CLV_ALG_AES_256_GCM, 32, 0, 0, "the initialization vector is missing" },
		{ CLV_ALG_AES_256_CBC, 32, 0, 0, "the initialization vector is missing" },
		{ CLV_ALG_AES_256_CTR, 32, 0, 0, "the initialization vector is missing" },
		{ CLV_ALG_AES_256_CBC, 32, 12, 0, "vector of 12 bytes: AES_256_CBC needs 16" },
		{ CLV_ALG_AES_256_CBC, 31, 16, 0, "ciphertext of 31 bytes: AES_256_CBC does not" },
		{ CLV_ALG_AES_256_CBC, 32, 16, 1, "AES_256_CBC takes no additional" },
		{ CLV_ALG_AES_256_GCM, 15, 12, 0, INVALID },
		{ CLV_ALG_AES_256_GCM, 0, 12, 0, INVALID },
		{ CLV_ALG_AES_256_GCM, 32, 12, 0, INVALID },
	};

	world_open(w);
	make(w, CLV_ALG_AES_256_GCM);
	make(w, CLV_ALG_AES_256_CBC);
	make(w, CLV_ALG_AES_256_CTR);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_raw in = { of_length(cases[i].text), of_length(cases[i].iv),
				      of_length(cases[i].aad) };
		struct clv_secret *plaintext = NULL;

		assert_refused(w,
			       clv_raw_decrypt(w->ctx, NULL, kind_version(cases[i].algorithm), &in,
					       &plaintext, NULL, &w->err),
			       CLV_E_INVALID_ARGUMENT, cases[i].part);
		assert_null(plaintext);
	}
}

/* Every byte of ciphertext, tag, IV and AAD in turn: the same words. */
static void damaged_gcm_and_wrong_aad_read_the_same(struct home_world *w)
{
	const char *name = kind_version(CLV_ALG_AES_256_GCM);
	struct clv_raw in = { .text = kind_input(KIND_TEXT) };
	struct clv_buf out = { 0 };
	struct clv_raw_iv iv;
	uint8_t aad[4] = "aad";

	world_open(w);
	make(w, CLV_ALG_AES_256_GCM);
	in.aad.bytes = (struct clv_bytes){ aad, sizeof aad };
	assert_ok(w, clv_raw_encrypt(w->ctx, NULL, name, &in, &out, &iv, NULL, &w->err));
	in.text.bytes = clv_buf_view(&out);
	in.iv.bytes = (struct clv_bytes){ iv.bytes, iv.len };
	for (size_t i = 0; i < out.len + iv.len + sizeof aad; i++) {
		uint8_t *at = i < out.len            ? &out.data[i]
			      : i < out.len + iv.len ? &iv.bytes[i - out.len]
						     : &aad[i - out.len - iv.len];
		struct clv_secret *plaintext = NULL;

		*at ^= 0x40;
		assert_refused(w,
			       clv_raw_decrypt(w->ctx, NULL, name, &in, &plaintext, NULL, &w->err),
			       CLV_E_INVALID_ARGUMENT, INVALID);
		assert_string_equal(w->err.text, INVALID);
		assert_null(plaintext);
		*at ^= 0x40;
	}
	clv_buf_done(&out);
}

/* ---- OAEP */

static void damaged_oaep_reads_the_same_wherever_it_is(struct home_world *w)
{
	static const enum clv_algorithm some[] = { CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1,
						   CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256 };

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(some); i++) {
		struct clv_buf der = { 0 }, out = { 0 };
		struct clv_secret *plaintext = NULL;

		make(w, some[i]);
		assert_ok(w, clv_public_key_get(w->ctx, NULL, kind_version(some[i]),
						CLV_PUBLIC_KEY_DER, &der, NULL, &w->err));
		kind_encrypt(some[i], clv_buf_view(&der), KIND_TEXT, &out);
		for (size_t at = 0; at < out.len + 3; at++) {
			struct clv_input in = { .bytes = clv_buf_view(&out) };

			if (at < out.len)
				out.data[at] ^= 1;
			else
				in.bytes.len = at == out.len ? 0 : at == out.len + 1 ? 1 : 255;
			assert_refused(w,
				       clv_asymmetric_decrypt(w->ctx, NULL, kind_version(some[i]),
							      &in, &plaintext, NULL, &w->err),
				       CLV_E_INVALID_ARGUMENT, INVALID);
			assert_string_equal(w->err.text, INVALID);
			assert_null(plaintext);
			if (at < out.len)
				out.data[at] ^= 1;
		}
		clv_buf_done(&out);
		clv_buf_done(&der);
	}
}

static void oaep_of_nothing_and_of_the_most_come_back(struct home_world *w)
{
	const char *name = kind_version(CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256);
	char text[191]; /* 256 - 2 * 32 - 2, and a NUL */
	struct clv_buf der = { 0 };

	world_open(w);
	make(w, CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256);
	assert_ok(w,
		  clv_public_key_get(w->ctx, NULL, name, CLV_PUBLIC_KEY_DER, &der, NULL, &w->err));
	memset(text, 'x', sizeof text);
	for (size_t len = 0; len < sizeof text; len += sizeof text - 1) {
		struct clv_secret *plaintext = NULL;
		struct clv_buf out = { 0 };
		struct clv_input in;

		text[len] = '\0';
		kind_encrypt(CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, clv_buf_view(&der), text, &out);
		text[len] = 'x';
		in = kind_checked(clv_buf_view(&out));
		assert_ok(w, clv_asymmetric_decrypt(w->ctx, NULL, name, &in, &plaintext, NULL,
						    &w->err));
		assert_int_equal(clv_secret_len(plaintext), len);
		if (len > 0)
			assert_memory_equal(clv_secret_bytes(plaintext), text, len);
		clv_secret_free(plaintext);
		clv_buf_done(&out);
	}
	clv_buf_done(&der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(wrong_checksums_of_encrypt_and_decrypt_are_refused),
		home_test(checksum_of_nothing_is_0_and_anything_else_is_refused),
		home_test(wrong_checksums_of_key_pairs_and_macs_are_refused),
		home_test(wrong_checksums_of_raw_aes_are_refused),
		home_test(what_is_too_long_is_refused_with_limit_and_size),
		home_test(raw_inputs_that_are_too_long_are_refused),
		home_test(protection_level_hsm_takes_8_kib_of_both_together),
		home_test(signing_takes_data_or_a_digest_of_the_algorithms_own_hash),
		home_test(raw_pkcs1_signs_as_much_as_fits),
		home_test(empty_and_longest_data_are_signed),
		home_test(codes_that_are_not_right_are_no_error),
		home_test(raw_inputs_that_an_algorithm_does_not_have_are_refused),
		home_test(raw_decryption_needs_what_the_encryption_had),
		home_test(damaged_gcm_and_wrong_aad_read_the_same),
		home_test(damaged_oaep_reads_the_same_wherever_it_is),
		home_test(oaep_of_nothing_and_of_the_most_come_back),
	};
	return cmocka_run_group_tests_name("inputs", tests, home_group_set_up,
					   home_group_tear_down);
}
