/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations that callers ask for: which key, is the input well formed, one use of it (use.c,
 * crypt.c), and what a failure means.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "hsm/internal.h"

struct operation {
	const struct hsm_keyref *key;
	const struct hsm_kind *kind;
	struct clv_bytes iv, aad, in;
	uint8_t *out;
	size_t len; /* of what is in `out` or `secret` */
	uint8_t *ret_iv;
	size_t *ret_iv_len;
	struct clv_secret *secret; /* OAEP: what is decrypted */
	bool opening;              /* the data can be to blame */
	bool doubted;              /* it failed once, though the token is healthy */
	bool dropped;              /* the key was unwrapped anew for another mechanism */
	CK_RV(*call)
	(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
	 const char **ret_name);
};

#define INVALID_CIPHERTEXT "Decryption failed: the ciphertext is invalid."

static bool opener_sings(struct hsm_session *session, const struct hsm_kind *kind,
			 CK_OBJECT_HANDLE key)
{
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *public = NULL;
	struct clv_err ignored;

	return hsm_public_read(session, kind, key, &public, &ignored) == CLV_OK &&
	       hsm_same_pair(session, kind, key, public, &ignored) == CLV_OK;
}

/* Does the key do what it is for, with data that are known to be good? */
static bool canary(struct hsm_session *session, const struct hsm_kind *kind, struct hsm_pin *pin)
{
	static const uint8_t song[HSM_SIGNATURE_MAX] = "claviger canary";
	size_t digest = hsm_hash_row(kind->hash)->len;
	uint8_t signature[HSM_SIGNATURE_MAX];
	CK_OBJECT_HANDLE key = pin->handle;
	struct clv_err ignored;
	const char *name;
	size_t len;

	if (kind->scheme == HSM_SCHEME_GCM)
		return hsm_canary(session, pin);
	if (kind->scheme == HSM_SCHEME_OAEP)
		return opener_sings(session, kind, key);
	if (!hsm_kind_is_pair(kind))
		return hsm_same_secret(session, kind, key, key, &ignored) == CLV_OK;
	return hsm_sign_with(session, kind, key,
			     (struct clv_bytes){ song, digest > 0 ? digest : 16 }, signature, &len,
			     &name) == CKR_OK;
}

/* Does this call see the data? */
static bool with_data(const char *name)
{
	return strcmp(name, "C_Encrypt") == 0 || strcmp(name, "C_Decrypt") == 0 ||
	       strcmp(name, "C_Sign") == 0;
}

/*
 * What a failed call means. A dead handle is forgotten; where the code leaves it open whether data
 * or token is bad, a canary with the same key decides, and the data get a second chance: a hiccup
 * must not be taken for a wrong tag.
 */
static clv_rc judge(struct hsm_session *session, struct hsm_pin *pin, struct hsm_work *work,
		    const char *name, CK_RV rv, struct clv_err *err)
{
	struct operation *op = work->arg;
	enum hsm_class class = hsm_rv_class(rv);

	if (class == HSM_CLASS_HANDLE)
		hsm_key_forget(pin);
	if (hsm_oaep_refused(op->kind, name, rv) &&
	    !op->dropped) { /* use.c has noted what will do */
		op->dropped = true;
		hsm_key_drop(pin);
		return hsm_fail(err, name, CKR_KEY_HANDLE_INVALID);
	}
	if (class == HSM_CLASS_AMBIGUOUS && with_data(name)) /* the others have not seen the data */
		work->judged = canary(session, op->kind, pin);
	if (op->opening && work->judged && !op->doubted) {
		op->doubted = true;
	} else if (op->opening && (class == HSM_CLASS_DATA || work->judged)) {
		/* The failed call may have left an operation open; the only session is left as it
		 * is. */
		if (work->judged)
			hsm_session_spoil(session);
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, INVALID_CIPHERTEXT);
	}
	return hsm_session_fail(session, err, name, rv);
}

static clv_rc operate_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin pin = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct operation *op = work->arg;
	const char *name;
	CK_RV rv;

	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_key_pin(hsm, op->key, &pin, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	rv = op->call(session, pin.handle, op, &name);
	if (rv == CKR_OK && !hsm_key_fresh(&pin)) /* its number may have been another key's */
		rv = CKR_KEY_HANDLE_INVALID;
	return rv == CKR_OK ? CLV_OK : judge(session, &pin, work, name, hsm_pin_rv(&pin, rv), err);
}

static clv_rc operate(struct hsm *hsm, const struct clv_grant *grant, struct operation *op,
		      struct clv_err *err)
{
	struct hsm_work work = { .run = operate_run, .arg = op };

	clv_grant_assert(grant);
	return hsm_work_do(hsm, &work, err);
}

/* The kind of a key, which must be used by one of two schemes. `does` is static: "sign" ... */
static clv_rc kind_that(const struct hsm_keyref *key, const char *does, enum hsm_scheme first,
			enum hsm_scheme last, const struct hsm_kind **ret_kind, struct clv_err *err)
{
	const struct hsm_kind *kind;

	CLV_TRY(hsm_kind_of(key, &kind, err));
	if (kind->role != HSM_ROLE_VERSION || kind->scheme < first || kind->scheme > last)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "a %s of algorithm %s does not %s",
				kind->name, clv_algorithm_name(kind->algorithm), does);
	*ret_kind = kind;
	return CLV_OK;
}

/* ---- AES ---- */

static CK_RV call_seal(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
		       const char **ret_name)
{
	op->len = op->in.len + HSM_TAG_LEN;
	return hsm_gcm_seal(session, key, op->aad, op->in, op->ret_iv, op->ret_iv_len, op->out,
			    ret_name);
}

static CK_RV call_open(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
		       const char **ret_name)
{
	return hsm_gcm_open(session, key, op->aad, op->iv, op->in, op->out, &op->len, ret_name);
}

clv_rc hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
		   struct clv_bytes aad, struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
		   size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err)
{
	struct operation op = { .key = key,
				.aad = aad,
				.in = plaintext,
				.out = ret_ciphertext,
				.ret_iv = ret_iv,
				.ret_iv_len = ret_iv_len,
				.call = call_seal };

	CLV_TRY(kind_that(key, "encrypt", HSM_SCHEME_GCM, HSM_SCHEME_GCM, &op.kind, err));
	return operate(hsm, grant, &op, err);
}

clv_rc hsm_decrypt(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
		   struct clv_bytes aad, struct clv_bytes iv, struct clv_bytes ciphertext,
		   uint8_t *ret_plaintext, struct clv_err *err)
{
	struct operation op = { .key = key,
				.aad = aad,
				.in = ciphertext,
				.iv = iv,
				.out = ret_plaintext,
				.opening = true,
				.call = call_open };
	clv_rc rc;

	CLV_TRY(kind_that(key, "decrypt", HSM_SCHEME_GCM, HSM_SCHEME_GCM, &op.kind, err));
	if (iv.len == 0 || iv.len > HSM_IV_MAX || ciphertext.len < HSM_TAG_LEN)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, INVALID_CIPHERTEXT);
	rc = operate(hsm, grant, &op, err);
	if (rc != CLV_OK)
		OPENSSL_cleanse(ret_plaintext, ciphertext.len);
	return rc;
}

static CK_RV call_encipher(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
			   const char **ret_name)
{
	CK_RV rv;

	if (op->iv.len == 0) {
		*ret_name = "C_GenerateRandom";
		rv = hsm_draw(session, op->ret_iv, HSM_IV_MAX);
		if (rv != CKR_OK)
			return rv;
	} else {
		memcpy(op->ret_iv, op->iv.data, HSM_IV_MAX);
	}
	*op->ret_iv_len = HSM_IV_MAX;
	op->len = op->in.len;
	return hsm_cipher(session, op->kind, key, true, op->ret_iv, op->in, op->out, ret_name);
}

static CK_RV call_decipher(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
			   const char **ret_name)
{
	op->len = op->in.len;
	return hsm_cipher(session, op->kind, key, false, op->iv.data, op->in, op->out, ret_name);
}

/* What CBC and CTR can be given. They authenticate nothing, so an AAD would only seem to count. */
static clv_rc check_unauthenticated(const struct operation *op, bool iv_given, struct clv_err *err)
{
	const char *name = clv_algorithm_name(op->kind->algorithm);

	if (iv_given && op->iv.len != HSM_IV_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s takes an IV of %d bytes, not %zu",
				name, HSM_IV_MAX, op->iv.len);
	if (op->aad.len > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s takes no additional authenticated data", name);
	if (op->in.len == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s takes at least one byte of data",
				name);
	if (op->kind->scheme == HSM_SCHEME_CBC && op->in.len % 16 != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s adds no padding: the data must be a multiple of 16 bytes, not "
				"%zu",
				name, op->in.len);
	return CLV_OK;
}

clv_rc hsm_raw_encrypt(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
		       struct clv_bytes iv, struct clv_bytes aad, struct clv_bytes plaintext,
		       uint8_t ret_iv[HSM_IV_MAX], size_t *ret_iv_len, uint8_t *ret_out,
		       size_t *ret_len, struct clv_err *err)
{
	struct operation op = { .key = key,
				.iv = iv,
				.aad = aad,
				.in = plaintext,
				.out = ret_out,
				.ret_iv = ret_iv,
				.ret_iv_len = ret_iv_len,
				.call = call_encipher };

	CLV_TRY(kind_that(key, "encrypt", HSM_SCHEME_GCM, HSM_SCHEME_CTR, &op.kind, err));
	if (op.kind->scheme == HSM_SCHEME_GCM) {
		op.call = call_seal;
		if (iv.len > 0)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"%s makes its own IV: none can be given",
					clv_algorithm_name(op.kind->algorithm));
	} else {
		CLV_TRY(check_unauthenticated(&op, iv.len > 0, err));
	}
	CLV_TRY(operate(hsm, grant, &op, err));
	*ret_len = op.len;
	return CLV_OK;
}

clv_rc hsm_raw_decrypt(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
		       struct clv_bytes iv, struct clv_bytes aad, struct clv_bytes ciphertext,
		       uint8_t *ret_out, size_t *ret_len, struct clv_err *err)
{
	struct operation op = { .key = key,
				.iv = iv,
				.aad = aad,
				.in = ciphertext,
				.out = ret_out,
				.opening = true,
				.call = call_decipher };
	clv_rc rc;

	CLV_TRY(kind_that(key, "decrypt", HSM_SCHEME_GCM, HSM_SCHEME_CTR, &op.kind, err));
	if (op.kind->scheme == HSM_SCHEME_GCM) {
		op.call = call_open;
		if (iv.len == 0 || iv.len > HSM_IV_MAX || ciphertext.len < HSM_TAG_LEN)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT, INVALID_CIPHERTEXT);
	} else {
		CLV_TRY(check_unauthenticated(&op, true, err));
	}
	rc = operate(hsm, grant, &op, err);
	if (rc != CLV_OK)
		OPENSSL_cleanse(ret_out, ciphertext.len);
	else
		*ret_len = op.len;
	return rc;
}

/* ---- signatures and MACs ---- */

static CK_RV call_sign(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
		       const char **ret_name)
{
	return hsm_sign_with(session, op->kind, key, op->in, op->out, &op->len, ret_name);
}

static clv_rc check_signed(const struct hsm_kind *kind, size_t len, struct clv_err *err)
{
	const struct hsm_hash_row *hash = hsm_hash_row(kind->hash);
	size_t most = kind->bits / 8 - 11; /* PKCS#1 type 1: RFC 8017 section 9.2 */

	if (hash->len > 0 && len != hash->len)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s signs a %s digest of %zu bytes, not %zu",
				clv_algorithm_name(kind->algorithm), hash->name, hash->len, len);
	if (kind->scheme == HSM_SCHEME_PKCS1 && len > most)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s signs at most %zu bytes, not %zu",
				clv_algorithm_name(kind->algorithm), most, len);
	return CLV_OK;
}

clv_rc hsm_sign(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
		struct clv_bytes input, uint8_t ret_signature[HSM_SIGNATURE_MAX], size_t *ret_len,
		struct clv_err *err)
{
	struct operation op = { .key = key, .in = input, .out = ret_signature, .call = call_sign };

	CLV_TRY(kind_that(key, "sign", HSM_SCHEME_ECDSA, HSM_SCHEME_PSS, &op.kind, err));
	CLV_TRY(check_signed(op.kind, input.len, err));
	CLV_TRY(operate(hsm, grant, &op, err));
	*ret_len = op.len;
	return CLV_OK;
}

clv_rc hsm_mac(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
	       struct clv_bytes data, uint8_t ret_mac[HSM_SIGNATURE_MAX], size_t *ret_len,
	       struct clv_err *err)
{
	struct operation op = { .key = key, .in = data, .out = ret_mac, .call = call_sign };

	CLV_TRY(kind_that(key, "make MACs", HSM_SCHEME_HMAC, HSM_SCHEME_HMAC, &op.kind, err));
	CLV_TRY(operate(hsm, grant, &op, err));
	*ret_len = op.len;
	return CLV_OK;
}

clv_rc hsm_seal_mac(struct hsm *hsm, const struct clv_grant *grant, const uint8_t id[HSM_ID_LEN],
		    struct clv_bytes data, uint8_t ret_mac[HSM_HEAD_LEN], struct clv_err *err)
{
	struct hsm_keyref key = { .role = HSM_ROLE_SEAL };
	uint8_t mac[HSM_SIGNATURE_MAX];
	struct operation op = { .key = &key, .in = data, .out = mac, .call = call_sign };

	memcpy(key.id, id, sizeof key.id);
	CLV_TRY(hsm_kind_of(&key, &op.kind, err));
	CLV_TRY(operate(hsm, grant, &op, err));
	memcpy(ret_mac, mac, HSM_HEAD_LEN); /* as long as SHA-256, or the call had failed */
	return CLV_OK;
}

/* The token makes the MAC and we compare: what tokens answer to a wrong one cannot be told from a
 * failure of theirs. */
clv_rc hsm_mac_verify(struct hsm *hsm, const struct clv_grant *grant, const struct hsm_keyref *key,
		      struct clv_bytes data, struct clv_bytes mac, bool *ret_valid,
		      struct clv_err *err)
{
	uint8_t right[HSM_SIGNATURE_MAX];
	size_t len;
	clv_rc rc = hsm_mac(hsm, grant, key, data, right, &len, err);

	if (rc == CLV_OK)
		*ret_valid = mac.len == len && CRYPTO_memcmp(mac.data, right, len) == 0;
	OPENSSL_cleanse(right, sizeof right);
	return rc;
}

/* ---- RSA-OAEP ---- */

static CK_RV call_oaep(struct hsm_session *session, CK_OBJECT_HANDLE key, struct operation *op,
		       const char **ret_name)
{
	return hsm_oaep_open(session, op->kind, key, op->in, op->secret, &op->len, ret_name);
}

clv_rc hsm_asymmetric_decrypt(struct hsm *hsm, const struct clv_grant *grant,
			      const struct hsm_keyref *key, struct clv_bytes ciphertext,
			      struct clv_secret **ret_plaintext, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *secret = NULL;
	struct operation op = { .key = key, .in = ciphertext, .opening = true, .call = call_oaep };

	CLV_TRY(kind_that(key, "decrypt", HSM_SCHEME_OAEP, HSM_SCHEME_OAEP, &op.kind, err));
	if (ciphertext.len != op.kind->bits / 8)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, INVALID_CIPHERTEXT);
	CLV_TRY(clv_secret_new(ciphertext.len, &secret, err));
	op.secret = secret;
	CLV_TRY(operate(hsm, grant, &op, err));
	clv_secret_shrink(secret, op.len);
	*ret_plaintext = CLV_TAKE(secret);
	return CLV_OK;
}
