/* SPDX-License-Identifier: Apache-2.0 */
/* AES in its plain forms: GCM, CBC and CTR. Which inputs there may be depends on the algorithm, and
 * so is looked at when the version is found. */
#include <string.h>

#include "lib/api/api.h"

#define BLOCK 16 /* bytes */

static const struct api_operation encrypt_operation = { "rawEncrypt",
							{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, 0 },
							false };
static const struct api_operation decrypt_operation = { "rawDecrypt",
							{ CLV_PURPOSE_RAW_ENCRYPT_DECRYPT, 0 },
							false };

static const struct api_field plaintext_field = { "plaintext", "plaintext", CLV_PLAINTEXT_MAX };
static const struct api_field ciphertext_field = { "ciphertext", "ciphertext", CLV_CIPHERTEXT_MAX };
static const struct api_field iv_field = { "initialization_vector", "initialization vector",
					   CLV_RAW_IV_MAX };
static const struct api_field aad_field = { "additional_authenticated_data",
					    "additional authenticated data", CLV_AAD_MAX };

static bool is_gcm(enum clv_algorithm algorithm)
{
	return algorithm == CLV_ALG_AES_128_GCM || algorithm == CLV_ALG_AES_256_GCM;
}

static bool is_cbc(enum clv_algorithm algorithm)
{
	return algorithm == CLV_ALG_AES_128_CBC || algorithm == CLV_ALG_AES_256_CBC;
}

static clv_rc check_inputs(const struct clv_raw *in, const struct api_field *text_field,
			   struct clv_err *err)
{
	CLV_TRY(api_check_input(text_field, &in->text, err));
	CLV_TRY(api_check_input(&iv_field, &in->iv, err));
	return api_check_input(&aad_field, &in->aad, err);
}

/* CBC and CTR, both ways. */
static clv_rc check_plain(enum clv_algorithm algorithm, const struct clv_raw *in, const char *what,
			  struct clv_err *err)
{
	if (in->aad.bytes.len > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s takes no additional authenticated data: it authenticates "
				"nothing",
				clv_algorithm_name(algorithm));
	if (in->iv.bytes.len != 0 && in->iv.bytes.len != BLOCK)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"an initialization vector of %zu bytes: %s needs %d",
				in->iv.bytes.len, clv_algorithm_name(algorithm), BLOCK);
	if (is_cbc(algorithm) && in->text.bytes.len % BLOCK != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a %s of %zu bytes: %s does not pad and needs a multiple of %d",
				what, in->text.bytes.len, clv_algorithm_name(algorithm), BLOCK);
	return CLV_OK;
}

static clv_rc check_encrypt(const struct api_use *use, const struct clv_raw *in,
			    struct clv_err *err)
{
	enum clv_algorithm algorithm = api_use_row(use)->pub.algorithm;

	CLV_TRY(api_check_together(use, in->text.bytes.len, in->aad.bytes.len, err));
	if (!is_gcm(algorithm))
		return check_plain(algorithm, in, "plaintext", err);
	if (in->iv.bytes.len > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s takes no initialization vector of the caller's: the token "
				"makes one",
				clv_algorithm_name(algorithm));
	return CLV_OK;
}

static clv_rc check_decrypt(const struct api_use *use, const struct clv_raw *in,
			    struct clv_err *err)
{
	enum clv_algorithm algorithm = api_use_row(use)->pub.algorithm;

	if (in->iv.bytes.len == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the initialization vector is missing: give the one that "
				"rawEncrypt gave back");
	return is_gcm(algorithm) ? CLV_OK : check_plain(algorithm, in, "ciphertext", err);
}

/* ---- encrypt */

static clv_rc encrypt_granted(struct api_call *call, const struct clv_raw *in, struct clv_buf *out,
			      struct clv_raw_iv *iv, struct clv_err *err)
{
	struct api_use *use = &call->use;

	CLV_TRY(api_call_enter(call, &encrypt_operation, err));
	CLV_TRY(check_encrypt(use, in, err));
	CLV_TRY(clv_buf_reserve(out, in->text.bytes.len + HSM_TAG_LEN, err));
	if (is_gcm(api_use_row(use)->pub.algorithm))
		CLV_TRY(api_count_use(use, call->grant, err));
	return hsm_raw_encrypt(use->hsm, call->grant, &use->version, in->iv.bytes, in->aad.bytes,
			       in->text.bytes, iv->bytes, &iv->len, out->data, &out->len, err);
}

clv_rc clv_raw_encrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		       const struct clv_raw *in, struct clv_buf *ret_ciphertext,
		       struct clv_raw_iv *ret_iv, struct clv_used *ret_used, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	struct clv_raw_iv iv = { 0 };
	clv_rc rc;

	CLV_TRY(check_inputs(in, &plaintext_field, err));
	CLV_TRY(clv_buf_reserve(ret_ciphertext, in->text.bytes.len + HSM_TAG_LEN, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.useToEncrypt", name,
			     err));
	rc = encrypt_granted(&call, in, &out, &iv, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	CLV_TRY(clv_buf_add(ret_ciphertext, out.data, out.len, err)); /* there is room */
	iv.crc32c = clv_crc32c(0, iv.bytes, iv.len);
	*ret_iv = iv;
	api_use_tell(&call.use, clv_buf_view(&out), ret_used);
	return CLV_OK;
}

/* ---- decrypt */

static clv_rc decrypt_granted(struct api_call *call, const struct clv_raw *in,
			      struct clv_secret **ret_plaintext, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	struct api_use *use = &call->use;
	size_t len = 0;

	CLV_TRY(api_call_enter(call, &decrypt_operation, err));
	CLV_TRY(check_decrypt(use, in, err));
	CLV_TRY(clv_secret_new(in->text.bytes.len, &plaintext, err));
	CLV_TRY(hsm_raw_decrypt(use->hsm, call->grant, &use->version, in->iv.bytes, in->aad.bytes,
				in->text.bytes, clv_secret_mutable_bytes(plaintext), &len, err));
	clv_secret_shrink(plaintext, len);
	*ret_plaintext = CLV_TAKE(plaintext);
	return CLV_OK;
}

clv_rc clv_raw_decrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		       const struct clv_raw *in, struct clv_secret **ret_plaintext,
		       struct clv_used *ret_used, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	clv_rc rc;

	CLV_TRY(check_inputs(in, &ciphertext_field, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.useToDecrypt", name,
			     err));
	rc = decrypt_granted(&call, in, &plaintext, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	api_use_tell(&call.use, api_view_of(plaintext), ret_used);
	*ret_plaintext = CLV_TAKE(plaintext);
	return CLV_OK;
}
