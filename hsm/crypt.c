/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM in the token. IVs are random bytes of the token's, 96 bits (SP 800-38D section 8.2.2),
 * or the token's own; callers have no say in them. The tag has 128 bits.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include <claviger/time.h>

#include "hsm/internal.h"

#define GCM_IV_LEN 12 /* bytes, of the IVs that we give */

static const uint8_t nothing[1]; /* tokens refuse NULL even for no bytes */

static CK_BYTE *input(struct clv_bytes bytes)
{
	return hsm_input(bytes.len > 0 ? bytes.data : nothing);
}

static void fill_params(CK_GCM_PARAMS *params, uint8_t *iv, size_t iv_len, struct clv_bytes aad)
{
	*params = (CK_GCM_PARAMS){
		.pIv = iv,
		.ulIvLen = iv_len,
		.ulIvBits = iv_len * 8, /* 0 is refused by some */
		.pAAD = input(aad),
		.ulAADLen = aad.len,
		.ulTagBits = HSM_TAG_LEN * 8,
	};
}

CK_RV hsm_draw(struct hsm_session *session, uint8_t *out, size_t len)
{
	assert(len <= HSM_IV_MAX);
	if (session->iv_left < len) {
		CK_RV rv = hsm_C_GenerateRandom(session->hsm->module, session->handle,
						session->iv_pool, sizeof session->iv_pool);

		if (rv != CKR_OK)
			return rv;
		session->iv_left = sizeof session->iv_pool;
	}
	session->iv_left -= len;
	memcpy(out, session->iv_pool + session->iv_left, len);
	return CKR_OK;
}

/* Output longer than text and tag is an IV behind it: HSM_GCM_APPENDED_IV. */
static CK_RV seal_appended(struct hsm_session *session, struct clv_bytes in, uint8_t *iv,
			   size_t *ret_iv_len, uint8_t *out)
{
	size_t sealed = in.len + HSM_TAG_LEN;
	CK_ULONG len = sealed + HSM_IV_MAX;
	uint8_t *scratch = malloc(len);
	CK_RV rv;

	if (scratch == NULL)
		return CKR_HOST_MEMORY;
	rv = hsm_C_Encrypt(session->hsm->module, session->handle, input(in), in.len, scratch, &len);
	if (rv == CKR_OK && (len < sealed + GCM_IV_LEN || len > sealed + HSM_IV_MAX))
		rv = CKR_GENERAL_ERROR;
	if (rv == CKR_OK) {
		memcpy(out, scratch, sealed);
		*ret_iv_len = len - sealed;
		memcpy(iv, scratch + sealed, *ret_iv_len);
	}
	free(scratch);
	return rv;
}

/* A token that makes the bytes itself must have written some: zeros are what we put there. */
static CK_RV check_written(const uint8_t *bytes, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= bytes[i];
	return any != 0 ? CKR_OK : CKR_GENERAL_ERROR;
}

/* The second half of sealing, by the form that the token has; no form, no ciphertext. */
static CK_RV seal_text(struct hsm_session *session, struct clv_bytes in, uint8_t *iv,
		       size_t *ret_iv_len, uint8_t *out)
{
	CK_ULONG len = in.len + HSM_TAG_LEN;
	CK_RV rv;

	if (session->hsm->caps.gcm == HSM_GCM_APPENDED_IV)
		return seal_appended(session, in, iv, ret_iv_len, out);
	rv = hsm_C_Encrypt(session->hsm->module, session->handle, input(in), in.len, out, &len);
	if (rv == CKR_OK && len != in.len + HSM_TAG_LEN)
		return CKR_GENERAL_ERROR;
	if (rv == CKR_OK && session->hsm->caps.gcm == HSM_GCM_WRITTEN_IV)
		return check_written(iv, *ret_iv_len);
	return rv;
}

CK_RV hsm_gcm_seal(struct hsm_session *session, CK_OBJECT_HANDLE key, struct clv_bytes aad,
		   struct clv_bytes in, uint8_t iv[HSM_IV_MAX], size_t *ret_iv_len, uint8_t *out,
		   const char **ret_op)
{
	struct hsm *hsm = session->hsm;
	CK_GCM_PARAMS params;
	CK_MECHANISM mech = { CKM_AES_GCM, &params, sizeof params };
	CK_RV rv;

	*ret_op = "AES-GCM";
	*ret_iv_len = GCM_IV_LEN;
	memset(iv, 0, HSM_IV_MAX);
	if (hsm->caps.gcm == HSM_GCM_NONE)
		return CKR_MECHANISM_INVALID;
	if (hsm->caps.gcm == HSM_GCM_CALLER_IV) {
		*ret_op = "C_GenerateRandom";
		rv = hsm_draw(session, iv, GCM_IV_LEN);
		if (rv != CKR_OK)
			return rv;
	}
	fill_params(&params, iv, *ret_iv_len, aad);
	*ret_op = "C_EncryptInit";
	rv = hsm_C_EncryptInit(hsm->module, session->handle, &mech, key);
	if (rv != CKR_OK)
		return rv;
	*ret_op = "C_Encrypt";
	return seal_text(session, in, iv, ret_iv_len, out);
}

/* Tokens that append the IV want it there again. */
static CK_RV open_appended(struct hsm_session *session, struct clv_bytes iv, struct clv_bytes in,
			   uint8_t *out, CK_ULONG *len)
{
	uint8_t *scratch = malloc(in.len + iv.len);
	CK_RV rv;

	if (scratch == NULL)
		return CKR_HOST_MEMORY;
	memcpy(scratch, in.data, in.len);
	memcpy(scratch + in.len, iv.data, iv.len);
	rv = hsm_C_Decrypt(session->hsm->module, session->handle, scratch, in.len + iv.len, out,
			   len);
	free(scratch);
	return rv;
}

CK_RV hsm_gcm_open(struct hsm_session *session, CK_OBJECT_HANDLE key, struct clv_bytes aad,
		   struct clv_bytes iv, struct clv_bytes in, uint8_t *out, size_t *ret_len,
		   const char **ret_op)
{
	struct hsm *hsm = session->hsm;
	CK_GCM_PARAMS params;
	CK_MECHANISM mech = { CKM_AES_GCM, &params, sizeof params };
	CK_ULONG len = in.len;
	uint8_t iv_copy[HSM_IV_MAX];
	CK_RV rv;

	*ret_op = "AES-GCM";
	if (hsm->caps.gcm == HSM_GCM_NONE)
		return CKR_MECHANISM_INVALID;
	memcpy(iv_copy, iv.data, iv.len);
	fill_params(&params, iv_copy, iv.len, aad);
	*ret_op = "C_DecryptInit";
	rv = hsm_C_DecryptInit(hsm->module, session->handle, &mech, key);
	if (rv != CKR_OK)
		return rv;
	*ret_op = "C_Decrypt";
	if (hsm->caps.gcm == HSM_GCM_APPENDED_IV)
		rv = open_appended(session, iv, in, out, &len);
	else
		rv = hsm_C_Decrypt(hsm->module, session->handle, input(in), in.len, out, &len);
	if (rv == CKR_OK && len != in.len - HSM_TAG_LEN)
		return CKR_GENERAL_ERROR;
	*ret_len = len;
	return rv;
}

static const uint8_t words[16] = "claviger canary";

static bool sings(struct hsm_session *session, CK_OBJECT_HANDLE key, const struct hsm_song *song)
{
	struct clv_bytes aad = { words, sizeof words }, iv = { song->iv, song->iv_len };
	struct clv_bytes sealed = { song->sealed, sizeof song->sealed };
	uint8_t opened[sizeof song->sealed];
	size_t len = 0;
	const char *op;

	return hsm_gcm_open(session, key, aad, iv, sealed, opened, &len, &op) == CKR_OK &&
	       len == sizeof words && CRYPTO_memcmp(opened, words, sizeof words) == 0;
}

bool hsm_canary(struct hsm_session *session, struct hsm_pin *pin)
{
	struct clv_bytes text = { words, sizeof words };
	struct hsm_song song = hsm_key_song(pin);
	const char *op;

	if (song.iv_len > 0)
		return sings(session, pin->handle, &song);
	_Static_assert(sizeof song.sealed == sizeof words + HSM_TAG_LEN, "room for the words");
	if (hsm_gcm_seal(session, pin->handle, text, text, song.iv, &song.iv_len, song.sealed,
			 &op) != CKR_OK ||
	    !sings(session, pin->handle, &song))
		return false;
	hsm_key_song_keep(pin, &song);
	return true;
}

struct random_args {
	uint8_t *out;
	size_t len;
};

static clv_rc random_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	const struct random_args *args = work->arg;
	CK_RV rv;

	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	memset(args->out, 0, args->len);
	rv = hsm_C_GenerateRandom(hsm->module, session->handle, args->out, args->len);
	if (rv == CKR_OK)
		rv = check_written(args->out, args->len);
	return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, "C_GenerateRandom", rv);
}

clv_rc hsm_random(struct hsm *hsm, const struct clv_grant *grant, uint8_t *ret_bytes, size_t len,
		  struct clv_err *err)
{
	struct random_args args = { .out = ret_bytes, .len = len };
	struct hsm_work work = { .run = random_run, .arg = &args };
	clv_rc rc;

	clv_grant_assert(grant);
	assert(len >= HSM_RANDOM_MIN && len <= CLV_SECRET_MAX);
	rc = hsm_work_do(hsm, &work, err);
	if (rc != CLV_OK)
		OPENSSL_cleanse(ret_bytes, len);
	return rc;
}

static clv_rc ping_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	uint8_t byte;
	CK_RV rv;

	(void) work;
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	rv = hsm_C_GenerateRandom(hsm->module, session->handle, &byte, sizeof byte);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GenerateRandom", rv);
	rv = hsm_logged_in(session); /* random numbers can be had without */
	return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, "C_GetSessionInfo", rv);
}

clv_rc hsm_ping(struct hsm *hsm, struct clv_err *err)
{
	struct hsm_work work = { .run = ping_run };

	return hsm_work_do(hsm, &work, err);
}
