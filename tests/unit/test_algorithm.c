/* SPDX-License-Identifier: Apache-2.0 */
/* lib/model/algorithm.c against a table of its own, after the list in the documentation of Cloud
 * KMS. */
#include "tests/unit/base_check.h"

#include <limits.h>

#include "lib/model/algorithm.h"

static const enum clv_purpose purposes[] = {
	CLV_PURPOSE_ENCRYPT_DECRYPT,
	CLV_PURPOSE_ASYMMETRIC_SIGN,
	CLV_PURPOSE_ASYMMETRIC_DECRYPT,
	CLV_PURPOSE_RAW_ENCRYPT_DECRYPT,
	CLV_PURPOSE_MAC,
};

/* Purpose, bits and hash are what the name says; the key's type is the name's beginning. */
static const struct {
	unsigned number;
	const char *name;
	const char *purpose;
	unsigned bits;
	size_t digest; /* bytes */
	bool asymmetric;
} table[] = {
	{ 1, "GOOGLE_SYMMETRIC_ENCRYPTION", "ENCRYPT_DECRYPT", 256, 0, false },
	{ 2, "RSA_SIGN_PSS_2048_SHA256", "ASYMMETRIC_SIGN", 2048, 32, true },
	{ 3, "RSA_SIGN_PSS_3072_SHA256", "ASYMMETRIC_SIGN", 3072, 32, true },
	{ 4, "RSA_SIGN_PSS_4096_SHA256", "ASYMMETRIC_SIGN", 4096, 32, true },
	{ 5, "RSA_SIGN_PKCS1_2048_SHA256", "ASYMMETRIC_SIGN", 2048, 32, true },
	{ 6, "RSA_SIGN_PKCS1_3072_SHA256", "ASYMMETRIC_SIGN", 3072, 32, true },
	{ 7, "RSA_SIGN_PKCS1_4096_SHA256", "ASYMMETRIC_SIGN", 4096, 32, true },
	{ 8, "RSA_DECRYPT_OAEP_2048_SHA256", "ASYMMETRIC_DECRYPT", 2048, 32, true },
	{ 9, "RSA_DECRYPT_OAEP_3072_SHA256", "ASYMMETRIC_DECRYPT", 3072, 32, true },
	{ 10, "RSA_DECRYPT_OAEP_4096_SHA256", "ASYMMETRIC_DECRYPT", 4096, 32, true },
	{ 12, "EC_SIGN_P256_SHA256", "ASYMMETRIC_SIGN", 256, 32, true },
	{ 13, "EC_SIGN_P384_SHA384", "ASYMMETRIC_SIGN", 384, 48, true },
	{ 15, "RSA_SIGN_PSS_4096_SHA512", "ASYMMETRIC_SIGN", 4096, 64, true },
	{ 16, "RSA_SIGN_PKCS1_4096_SHA512", "ASYMMETRIC_SIGN", 4096, 64, true },
	{ 17, "RSA_DECRYPT_OAEP_4096_SHA512", "ASYMMETRIC_DECRYPT", 4096, 64, true },
	{ 19, "AES_256_GCM", "RAW_ENCRYPT_DECRYPT", 256, 0, false },
	{ 28, "RSA_SIGN_RAW_PKCS1_2048", "ASYMMETRIC_SIGN", 2048, 0, true },
	{ 29, "RSA_SIGN_RAW_PKCS1_3072", "ASYMMETRIC_SIGN", 3072, 0, true },
	{ 30, "RSA_SIGN_RAW_PKCS1_4096", "ASYMMETRIC_SIGN", 4096, 0, true },
	{ 32, "HMAC_SHA256", "MAC", 256, 32, false },
	{ 33, "HMAC_SHA1", "MAC", 160, 20, false },
	{ 34, "HMAC_SHA384", "MAC", 384, 48, false },
	{ 35, "HMAC_SHA512", "MAC", 512, 64, false },
	{ 36, "HMAC_SHA224", "MAC", 224, 28, false },
	{ 37, "RSA_DECRYPT_OAEP_2048_SHA1", "ASYMMETRIC_DECRYPT", 2048, 20, true },
	{ 38, "RSA_DECRYPT_OAEP_3072_SHA1", "ASYMMETRIC_DECRYPT", 3072, 20, true },
	{ 39, "RSA_DECRYPT_OAEP_4096_SHA1", "ASYMMETRIC_DECRYPT", 4096, 20, true },
	{ 40, "EC_SIGN_ED25519", "ASYMMETRIC_SIGN", 255, 0, true },
	{ 41, "AES_128_GCM", "RAW_ENCRYPT_DECRYPT", 128, 0, false },
	{ 42, "AES_128_CBC", "RAW_ENCRYPT_DECRYPT", 128, 0, false },
	{ 43, "AES_256_CBC", "RAW_ENCRYPT_DECRYPT", 256, 0, false },
	{ 44, "AES_128_CTR", "RAW_ENCRYPT_DECRYPT", 128, 0, false },
	{ 45, "AES_256_CTR", "RAW_ENCRYPT_DECRYPT", 256, 0, false },
};

static const char *key_type_prefix(enum model_key_type type, unsigned number)
{
	switch (type) {
	case MODEL_KEY_AES:
		return number == CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION ? "GOOGLE_" : "AES_";
	case MODEL_KEY_HMAC:
		return "HMAC_";
	case MODEL_KEY_EC:
		return "EC_SIGN_P";
	case MODEL_KEY_ED25519:
		return "EC_SIGN_ED25519";
	case MODEL_KEY_RSA:
		return "RSA_";
	}
	return "?";
}

static void algorithm_is_what_its_name_says(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct model_algorithm *row = model_algorithm_get(table[i].number);
		const char *prefix;

		assert_non_null(row);
		assert_string_equal(clv_algorithm_name(table[i].number), table[i].name);
		assert_string_equal(clv_purpose_name(row->purpose), table[i].purpose);
		assert_int_equal(row->bits, table[i].bits);
		assert_int_equal(model_hash_len(row->hash), table[i].digest);
		assert_int_equal(model_algorithm_is_asymmetric(table[i].number),
				 table[i].asymmetric);
		prefix = key_type_prefix(row->key_type, table[i].number);
		assert_int_equal(strncmp(table[i].name, prefix, strlen(prefix)), 0);
	}
}

/* Neither more nor less than the table: what has a name has a row, and the other way round. */
static void algorithm_list_names_those_with_a_row_and_no_other(void **state)
{
	size_t n = 0;

	(void) state;
	for (unsigned number = 0; number < 300; number++) {
		const bool named = strcmp(clv_algorithm_name(number), "UNKNOWN") != 0;

		assert_int_equal(model_algorithm_get(number) != NULL, named);
		n += named;
	}
	assert_int_equal(n, CLV_ARRAY_LEN(table));
	assert_false(model_algorithm_is_asymmetric(0));
	assert_false(model_algorithm_is_asymmetric(11));
}

static void algorithm_fits_its_own_purpose_and_no_other(void **state)
{
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		for (size_t p = 0; p < CLV_ARRAY_LEN(purposes); p++) {
			const char *purpose = clv_purpose_name(purposes[p]);
			enum clv_algorithm got = 0;
			clv_rc rc = model_algorithm_for(purposes[p], table[i].number, &got, &err);

			if (strcmp(purpose, table[i].purpose) == 0) {
				assert_int_equal(rc, CLV_OK);
				assert_int_equal(got, table[i].number);
				continue;
			}
			check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, table[i].name);
			assert_non_null(strstr(err.text, purpose));
			assert_int_equal(got, 0);
		}
	}
}

static void algorithm_is_implied_for_encrypt_decrypt_alone(void **state)
{
	struct clv_err err;

	(void) state;
	for (size_t p = 0; p < CLV_ARRAY_LEN(purposes); p++) {
		enum clv_algorithm got = 0;
		clv_rc rc = model_algorithm_for(purposes[p], 0, &got, &err);

		if (purposes[p] == CLV_PURPOSE_ENCRYPT_DECRYPT) {
			assert_int_equal(rc, CLV_OK);
			assert_int_equal(got, CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION);
			continue;
		}
		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, clv_purpose_name(purposes[p]));
		assert_int_equal(got, 0);
	}
}

static void algorithm_or_purpose_that_is_not_offered_is_refused(void **state)
{
	static const unsigned strange[] = { UINT_MAX, 11, 14, 18, 31, 46, 68, 1000 };
	static const unsigned no_purposes[] = { UINT_MAX, 0, 2, 8, 10, 11, 100 };
	enum clv_algorithm got = 0;
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(strange); i++) {
		check_refused(model_algorithm_for(CLV_PURPOSE_MAC, strange[i], &got, &err), &err,
			      CLV_E_INVALID_ARGUMENT, "is not one that is offered");
	}
	for (size_t i = 0; i < CLV_ARRAY_LEN(no_purposes); i++) {
		check_refused(model_algorithm_for(no_purposes[i], CLV_ALG_HMAC_SHA256, &got, &err),
			      &err, CLV_E_INVALID_ARGUMENT, "the purpose must be one of");
	}
	assert_int_equal(got, 0);
	assert_int_equal(model_hash_len(UINT_MAX), 0);
	assert_int_equal(model_hash_len(CLV_HASH_SHA512 + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(algorithm_is_what_its_name_says),
		cmocka_unit_test(algorithm_list_names_those_with_a_row_and_no_other),
		cmocka_unit_test(algorithm_fits_its_own_purpose_and_no_other),
		cmocka_unit_test(algorithm_is_implied_for_encrypt_decrypt_alone),
		cmocka_unit_test(algorithm_or_purpose_that_is_not_offered_is_refused),
	};
	return cmocka_run_group_tests_name("algorithm", tests, NULL, NULL);
}
