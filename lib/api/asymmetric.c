/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs: sign, decrypt, and the public half. Digests are made here, in software; what is signed
 * by the token is what a caller could have digested himself. */
#include <string.h>

#include <claviger/hash.h>

#include "lib/api/api.h"
#include "lib/base/pem.h"
#include "lib/model/algorithm.h"

#define CIPHERTEXT_MAX 512 /* bytes: RSA-4096 */

static const struct api_operation sign_operation = { "asymmetricSign",
						     { CLV_PURPOSE_ASYMMETRIC_SIGN, 0 },
						     false };
static const struct api_operation decrypt_operation = { "asymmetricDecrypt",
							{ CLV_PURPOSE_ASYMMETRIC_DECRYPT, 0 },
							false };
static const struct api_operation public_operation = {
	"getPublicKey", { CLV_PURPOSE_ASYMMETRIC_SIGN, CLV_PURPOSE_ASYMMETRIC_DECRYPT }, true
};

static const struct api_field data_field = { "data", "data", CLV_SIGN_DATA_MAX };
static const struct api_field digest_field = { "digest", "digest", CLV_HASH_MAX };
static const struct api_field ciphertext_field = { "ciphertext", "ciphertext", CIPHERTEXT_MAX };

/* ---- sign */

static clv_rc check_sign(const struct clv_input *data, const struct clv_digest *digest,
			 struct clv_err *err)
{
	if ((data == NULL) == (digest == NULL))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"either data or a digest is to be signed: %s was given",
				data == NULL ? "neither" : "both");
	if (data != NULL)
		return api_check_input(&data_field, data, err);
	CLV_TRY(api_check_input(&digest_field, &digest->bytes, err));
	if (model_hash_len(digest->hash) == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the digest is of no hash");
	if (digest->bytes.bytes.len != model_hash_len(digest->hash))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a %s digest of %zu bytes: it must have %zu",
				clv_hash_name(digest->hash), digest->bytes.bytes.len,
				model_hash_len(digest->hash));
	return CLV_OK;
}

static clv_rc digest_of(enum clv_hash hash, struct clv_bytes data, uint8_t ret_digest[CLV_HASH_MAX],
			size_t *ret_len, struct clv_err *err)
{
	struct clv_hashing *hashing = NULL;
	clv_rc rc;

	CLV_TRY(clv_hash_new(hash, &hashing, err));
	rc = clv_hash_add(hashing, data.data, data.len, err);
	if (rc == CLV_OK)
		rc = clv_hash_end(hashing, ret_digest, ret_len, err);
	clv_hash_free(hashing);
	return rc;
}

/* What the token is to sign: the data themselves, or a digest of the algorithm's own hash. */
static clv_rc choose_input(enum clv_algorithm algorithm, const struct clv_input *data,
			   const struct clv_digest *digest, uint8_t room[CLV_HASH_MAX],
			   struct clv_bytes *ret_input, struct clv_err *err)
{
	enum clv_hash hash = model_algorithm_get(algorithm)->hash;
	size_t len;

	if (hash == CLV_HASH_NONE && digest != NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s signs the data themselves and no digest of them",
				clv_algorithm_name(algorithm));
	if (digest != NULL && digest->hash != hash)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s signs a digest made by %s, not by %s",
				clv_algorithm_name(algorithm), clv_hash_name(hash),
				clv_hash_name(digest->hash));
	if (digest != NULL || hash == CLV_HASH_NONE) {
		*ret_input = digest != NULL ? digest->bytes.bytes : data->bytes;
		return CLV_OK;
	}
	CLV_TRY(digest_of(hash, data->bytes, room, &len, err));
	*ret_input = (struct clv_bytes){ room, len };
	return CLV_OK;
}

static clv_rc sign_granted(struct api_call *call, const struct clv_input *data,
			   const struct clv_digest *digest, uint8_t signature[HSM_SIGNATURE_MAX],
			   size_t *ret_len, struct clv_err *err)
{
	struct api_use *use = &call->use;
	uint8_t room[CLV_HASH_MAX];
	struct clv_bytes input;

	CLV_TRY(api_call_enter(call, &sign_operation, err));
	CLV_TRY(choose_input(api_use_row(use)->pub.algorithm, data, digest, room, &input, err));
	return hsm_sign(use->hsm, call->grant, &use->version, input, signature, ret_len, err);
}

clv_rc clv_asymmetric_sign(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   const struct clv_input *data, const struct clv_digest *digest,
			   struct clv_buf *ret_signature, struct clv_used *ret_used,
			   struct clv_err *err)
{
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	uint8_t signature[HSM_SIGNATURE_MAX];
	size_t len = 0;
	clv_rc rc;

	CLV_TRY(check_sign(data, digest, err));
	CLV_TRY(clv_buf_reserve(ret_signature, sizeof signature, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.useToSign", name, err));
	rc = sign_granted(&call, data, digest, signature, &len, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	CLV_TRY(clv_buf_add(ret_signature, signature, len, err)); /* there is room */
	api_use_tell(&call.use, (struct clv_bytes){ signature, len }, ret_used);
	return CLV_OK;
}

/* ---- decrypt */

static clv_rc decrypt_granted(struct api_call *call, struct clv_bytes ciphertext,
			      struct clv_secret **ret_plaintext, struct clv_err *err)
{
	CLV_TRY(api_call_enter(call, &decrypt_operation, err));
	return hsm_asymmetric_decrypt(call->use.hsm, call->grant, &call->use.version, ciphertext,
				      ret_plaintext, err);
}

clv_rc clv_asymmetric_decrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			      const struct clv_input *ciphertext, struct clv_secret **ret_plaintext,
			      struct clv_used *ret_used, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	clv_rc rc;

	CLV_TRY(api_check_input(&ciphertext_field, ciphertext, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.useToDecrypt", name,
			     err));
	rc = decrypt_granted(&call, ciphertext->bytes, &plaintext, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	api_use_tell(&call.use, api_view_of(plaintext), ret_used);
	*ret_plaintext = CLV_TAKE(plaintext);
	return CLV_OK;
}

/* ---- the public half */

static clv_rc public_granted(struct api_call *call, enum clv_public_key_format format,
			     struct clv_buf *out, struct clv_err *err)
{
	const struct store_version *row;
	struct clv_bytes der;

	CLV_TRY(api_call_enter(call, &public_operation, err));
	row = api_use_row(&call->use);
	der = (struct clv_bytes){ row->public_key, row->public_key_len };
	return format == CLV_PUBLIC_KEY_DER ? clv_buf_add(out, der.data, der.len, err)
					    : clv_pem_public(der, out, err);
}

clv_rc clv_public_key_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			  enum clv_public_key_format format, struct clv_buf *ret_key,
			  struct clv_used *ret_used, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	clv_rc rc;

	if (format != CLV_PUBLIC_KEY_PEM && format != CLV_PUBLIC_KEY_DER)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the format of a public key must be PEM or DER");
	CLV_TRY(clv_buf_reserve(ret_key, 2 * STORE_PUBLIC_MAX, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.viewPublicKey", name,
			     err));
	rc = public_granted(&call, format, &out, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	CLV_TRY(clv_buf_add(ret_key, out.data, out.len, err)); /* there is room */
	api_use_tell(&call.use, clv_buf_view(&out), ret_used);
	return CLV_OK;
}
