/* SPDX-License-Identifier: Apache-2.0 */
/* encrypt and decrypt: CLV1 around AES-GCM in the token. */
#include <stdio.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/envelope/clv1.h"

clv_rc api_check_length(const char *what, size_t len, size_t most, struct clv_err *err)
{
	if (len <= most)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is too long: %zu bytes, at most %zu", what,
			len, most);
}

clv_rc api_check_key_name(const char *text, bool version_too, struct clv_name *ret_name,
			  struct clv_err *err)
{
	struct clv_name name;

	CLV_TRY(clv_name_parse(text, &name, err));
	if (name.kind != CLV_NAME_KEY && !(version_too && name.kind == CLV_NAME_VERSION))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is not the name of a CryptoKey%s",
				text, version_too ? " or CryptoKeyVersion" : "");
	*ret_name = name;
	return CLV_OK;
}

struct clv_bytes api_view_of(const struct clv_secret *secret)
{
	return (struct clv_bytes){ clv_secret_bytes(secret), clv_secret_len(secret) };
}

clv_rc api_check_together(const struct api_use *use, size_t plaintext_len, size_t aad_len,
			  struct clv_err *err)
{
	if (api_use_row(use)->pub.protection != CLV_PROTECTION_HSM ||
	    plaintext_len + aad_len <= CLV_HSM_INPUT_MAX)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"plaintext and additional authenticated data are too long for protection "
			"level HSM: %zu bytes together, at most %d",
			plaintext_len + aad_len, CLV_HSM_INPUT_MAX);
}

/* Puts ciphertext and tag behind the header that tells IV and version. How long the token's IV is
 * shows afterwards: the sealed bytes are made behind the longest header and moved up to theirs. */
clv_rc api_seal(struct api_use *use, const struct clv_grant *grant, struct clv_bytes plaintext,
		struct clv_bytes aad, struct clv_buf *out, struct clv_err *err)
{
	uint8_t bound[CLV1_AAD_LEN], iv[HSM_IV_MAX];
	size_t iv_len, sealed_len = plaintext.len + HSM_TAG_LEN;
	uint8_t *sealed;

	CLV_TRY(api_check_together(use, plaintext.len, aad.len, err));
	CLV_TRY(clv1_aad(api_use_uid(use), api_use_key(use), aad, bound, err));
	CLV_TRY(clv_buf_reserve(out, CLV1_HEADER_MAX + sealed_len, err));
	sealed = out->data + out->len + CLV1_HEADER_MAX;
	CLV_TRY(api_count_use(use, grant, err));
	CLV_TRY(hsm_encrypt(use->hsm, grant, &use->version,
			    (struct clv_bytes){ bound, sizeof bound }, plaintext, iv, &iv_len,
			    sealed, err));
	CLV_TRY(clv1_add_header(out, api_use_uid(use), (struct clv_bytes){ iv, iv_len }, err));
	memmove(out->data + out->len, sealed, sealed_len);
	out->len += sealed_len;
	return CLV_OK;
}

static clv_rc encrypt_granted(struct api_worker *worker, const struct clv_grant *grant,
			      const struct clv_name *name, struct clv_bytes plaintext,
			      struct clv_bytes aad, struct api_use *use, struct clv_buf *out,
			      struct clv_err *err)
{
	CLV_TRY(api_use_by_name(worker, grant, name, use, err));
	return api_seal(use, grant, plaintext, aad, out, err);
}

static clv_rc encrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		      struct clv_bytes plaintext, struct clv_bytes aad,
		      struct clv_buf *ret_ciphertext, struct clv_used *ret_used,
		      struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	/* Ends last but for what it stands on: a disable waits until the result is handed out. */
	CLV_AUTO_DONE(api_use_end) struct api_use use = { 0 };
	struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.useToEncrypt",
					  .resource = name };
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(api_check_key_name(name, true, &parsed, err));
	CLV_TRY(api_check_length("plaintext", plaintext.len, CLV_PLAINTEXT_MAX, err));
	CLV_TRY(api_check_length("additional authenticated data", aad.len, CLV_AAD_MAX, err));
	CLV_TRY(clv_buf_reserve(ret_ciphertext, plaintext.len + CLV1_OVERHEAD_MAX, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = api_worker_acquire(ctx, &worker, err);
	if (rc == CLV_OK)
		rc = encrypt_granted(worker, grant, &parsed, plaintext, aad, &use, &out, err);
	CLV_TRY(gate_answer(ctx, grant, rc, api_use_version_inside(&use), err));
	CLV_TRY(clv_buf_add(ret_ciphertext, out.data, out.len, err)); /* there is room */
	api_use_tell(&use, clv_buf_view(&out), ret_used);
	return CLV_OK;
}

clv_rc clv_encrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		   struct clv_bytes plaintext, struct clv_bytes aad, struct clv_buf *ret_ciphertext,
		   char ret_version[CLV_NAME_MAX], struct clv_err *err)
{
	struct clv_used used;

	CLV_TRY(encrypt(ctx, who, name, plaintext, aad, ret_ciphertext,
			ret_version != NULL ? &used : NULL, err));
	if (ret_version != NULL)
		memcpy(ret_version, used.version, CLV_NAME_MAX);
	return CLV_OK;
}

clv_rc clv_encrypt_checked(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   const struct clv_input *plaintext, const struct clv_input *aad,
			   struct clv_buf *ret_ciphertext, struct clv_used *ret_used,
			   struct clv_err *err)
{
	CLV_TRY(api_check_crc32c("plaintext", plaintext, err));
	CLV_TRY(api_check_crc32c("additional_authenticated_data", aad, err));
	return encrypt(ctx, who, name, plaintext->bytes, aad->bytes, ret_ciphertext, ret_used, err);
}

clv_rc api_open(struct api_worker *worker, const struct clv_grant *grant,
		const struct clv_name *name, struct clv_bytes ciphertext, struct clv_bytes aad,
		struct api_use *use, struct clv_secret **ret_plaintext, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	uint8_t bound[CLV1_AAD_LEN];
	struct clv1 parts;

	if (clv1_parse(ciphertext, &parts, err) != CLV_OK)
		return api_use_none(worker, name, err);
	CLV_TRY(api_use_by_uid(worker, grant, name, parts.uid, use, err));
	CLV_TRY(clv1_aad(parts.uid, api_use_key(use), aad, bound, err));
	CLV_TRY(clv_secret_new(parts.sealed.len, &plaintext, err));
	CLV_TRY(hsm_decrypt(use->hsm, grant, &use->version,
			    (struct clv_bytes){ bound, sizeof bound }, parts.iv, parts.sealed,
			    clv_secret_mutable_bytes(plaintext), err));
	clv_secret_shrink(plaintext, parts.sealed.len - HSM_TAG_LEN);
	*ret_plaintext = CLV_TAKE(plaintext);
	return CLV_OK;
}

static clv_rc decrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		      struct clv_bytes ciphertext, struct clv_bytes aad,
		      struct clv_secret **ret_plaintext, struct clv_used *ret_used,
		      struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	CLV_AUTO_DONE(api_use_end) struct api_use use = { 0 }; /* see clv_encrypt() */
	struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.useToDecrypt",
					  .resource = name };
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(api_check_key_name(name, false, &parsed, err));
	CLV_TRY(api_check_length("ciphertext", ciphertext.len, CLV_CIPHERTEXT_MAX, err));
	CLV_TRY(api_check_length("additional authenticated data", aad.len, CLV_AAD_MAX, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = api_worker_acquire(ctx, &worker, err);
	if (rc == CLV_OK)
		rc = api_open(worker, grant, &parsed, ciphertext, aad, &use, &plaintext, err);
	CLV_TRY(gate_answer(ctx, grant, rc, api_use_version_inside(&use), err));
	api_use_tell(&use, api_view_of(plaintext), ret_used);
	*ret_plaintext = CLV_TAKE(plaintext);
	return CLV_OK;
}

clv_rc clv_decrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		   struct clv_bytes ciphertext, struct clv_bytes aad,
		   struct clv_secret **ret_plaintext, char ret_version[CLV_NAME_MAX],
		   struct clv_err *err)
{
	struct clv_used used;

	CLV_TRY(decrypt(ctx, who, name, ciphertext, aad, ret_plaintext,
			ret_version != NULL ? &used : NULL, err));
	if (ret_version != NULL)
		memcpy(ret_version, used.version, CLV_NAME_MAX);
	return CLV_OK;
}

clv_rc clv_decrypt_checked(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   const struct clv_input *ciphertext, const struct clv_input *aad,
			   struct clv_secret **ret_plaintext, struct clv_used *ret_used,
			   struct clv_err *err)
{
	CLV_TRY(api_check_crc32c("ciphertext", ciphertext, err));
	CLV_TRY(api_check_crc32c("additional_authenticated_data", aad, err));
	return decrypt(ctx, who, name, ciphertext->bytes, aad->bytes, ret_plaintext, ret_used, err);
}
