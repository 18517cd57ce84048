/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms as rows. Not for doing any of them. */
#include "lib/base/auto.h"
#include "lib/model/algorithm.h"

#include "lib/base/banned.h"

#define SIGN CLV_PURPOSE_ASYMMETRIC_SIGN
#define DECRYPT CLV_PURPOSE_ASYMMETRIC_DECRYPT
#define RAW CLV_PURPOSE_RAW_ENCRYPT_DECRYPT
#define RSA MODEL_KEY_RSA
#define AES MODEL_KEY_AES
#define HMAC MODEL_KEY_HMAC

/* Lengths of MAC keys are those of their hashes. */
static const struct model_algorithm table[] = {
	{ CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION, CLV_PURPOSE_ENCRYPT_DECRYPT, AES, 256,
	  CLV_HASH_NONE },
	{ CLV_ALG_AES_128_GCM, RAW, AES, 128, CLV_HASH_NONE },
	{ CLV_ALG_AES_256_GCM, RAW, AES, 256, CLV_HASH_NONE },
	{ CLV_ALG_AES_128_CBC, RAW, AES, 128, CLV_HASH_NONE },
	{ CLV_ALG_AES_256_CBC, RAW, AES, 256, CLV_HASH_NONE },
	{ CLV_ALG_AES_128_CTR, RAW, AES, 128, CLV_HASH_NONE },
	{ CLV_ALG_AES_256_CTR, RAW, AES, 256, CLV_HASH_NONE },
	{ CLV_ALG_RSA_SIGN_PSS_2048_SHA256, SIGN, RSA, 2048, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_SIGN_PSS_3072_SHA256, SIGN, RSA, 3072, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_SIGN_PSS_4096_SHA256, SIGN, RSA, 4096, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_SIGN_PSS_4096_SHA512, SIGN, RSA, 4096, CLV_HASH_SHA512 },
	{ CLV_ALG_RSA_SIGN_PKCS1_2048_SHA256, SIGN, RSA, 2048, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_SIGN_PKCS1_3072_SHA256, SIGN, RSA, 3072, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_SIGN_PKCS1_4096_SHA256, SIGN, RSA, 4096, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_SIGN_PKCS1_4096_SHA512, SIGN, RSA, 4096, CLV_HASH_SHA512 },
	{ CLV_ALG_RSA_SIGN_RAW_PKCS1_2048, SIGN, RSA, 2048, CLV_HASH_NONE },
	{ CLV_ALG_RSA_SIGN_RAW_PKCS1_3072, SIGN, RSA, 3072, CLV_HASH_NONE },
	{ CLV_ALG_RSA_SIGN_RAW_PKCS1_4096, SIGN, RSA, 4096, CLV_HASH_NONE },
	{ CLV_ALG_EC_SIGN_P256_SHA256, SIGN, MODEL_KEY_EC, 256, CLV_HASH_SHA256 },
	{ CLV_ALG_EC_SIGN_P384_SHA384, SIGN, MODEL_KEY_EC, 384, CLV_HASH_SHA384 },
	{ CLV_ALG_EC_SIGN_ED25519, SIGN, MODEL_KEY_ED25519, 255, CLV_HASH_NONE },
	{ CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256, DECRYPT, RSA, 2048, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_3072_SHA256, DECRYPT, RSA, 3072, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_4096_SHA256, DECRYPT, RSA, 4096, CLV_HASH_SHA256 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_4096_SHA512, DECRYPT, RSA, 4096, CLV_HASH_SHA512 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1, DECRYPT, RSA, 2048, CLV_HASH_SHA1 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_3072_SHA1, DECRYPT, RSA, 3072, CLV_HASH_SHA1 },
	{ CLV_ALG_RSA_DECRYPT_OAEP_4096_SHA1, DECRYPT, RSA, 4096, CLV_HASH_SHA1 },
	{ CLV_ALG_HMAC_SHA1, CLV_PURPOSE_MAC, HMAC, 160, CLV_HASH_SHA1 },
	{ CLV_ALG_HMAC_SHA224, CLV_PURPOSE_MAC, HMAC, 224, CLV_HASH_SHA224 },
	{ CLV_ALG_HMAC_SHA256, CLV_PURPOSE_MAC, HMAC, 256, CLV_HASH_SHA256 },
	{ CLV_ALG_HMAC_SHA384, CLV_PURPOSE_MAC, HMAC, 384, CLV_HASH_SHA384 },
	{ CLV_ALG_HMAC_SHA512, CLV_PURPOSE_MAC, HMAC, 512, CLV_HASH_SHA512 },
};

const struct model_algorithm *model_algorithm_get(enum clv_algorithm algorithm)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (table[i].algorithm == algorithm)
			return &table[i];
	}
	return NULL;
}

bool model_purpose_has_primary(enum clv_purpose purpose)
{
	return purpose == CLV_PURPOSE_ENCRYPT_DECRYPT;
}

bool model_algorithm_is_asymmetric(enum clv_algorithm algorithm)
{
	const struct model_algorithm *row = model_algorithm_get(algorithm);

	return row != NULL && (row->key_type == MODEL_KEY_RSA || row->key_type == MODEL_KEY_EC ||
			       row->key_type == MODEL_KEY_ED25519);
}

static bool purpose_is_offered(enum clv_purpose purpose)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (table[i].purpose == purpose)
			return true;
	}
	return false;
}

clv_rc model_algorithm_for(enum clv_purpose purpose, enum clv_algorithm asked,
			   enum clv_algorithm *ret_algorithm, struct clv_err *err)
{
	const struct model_algorithm *row;

	if (!purpose_is_offered(purpose))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the purpose must be one of ENCRYPT_DECRYPT, RAW_ENCRYPT_DECRYPT, "
				"ASYMMETRIC_SIGN, ASYMMETRIC_DECRYPT and MAC");
	if (asked == 0 && purpose == CLV_PURPOSE_ENCRYPT_DECRYPT)
		asked = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION;
	if (asked == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a key of purpose %s needs an algorithm: say which",
				clv_purpose_name(purpose));
	row = model_algorithm_get(asked);
	if (row == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"algorithm number %d is not one that is offered here", (int) asked);
	if (row->purpose != purpose)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"algorithm %s is for purpose %s, not for %s",
				clv_algorithm_name(asked), clv_purpose_name(row->purpose),
				clv_purpose_name(purpose));
	*ret_algorithm = asked;
	return CLV_OK;
}

size_t model_hash_len(enum clv_hash hash)
{
	static const size_t lens[] = {
		[CLV_HASH_SHA1] = 20,   [CLV_HASH_SHA224] = 28, [CLV_HASH_SHA256] = 32,
		[CLV_HASH_SHA384] = 48, [CLV_HASH_SHA512] = 64,
	};

	return (unsigned) hash < CLV_ARRAY_LEN(lens) ? lens[hash] : 0;
}
