/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One use of a key of each scheme, and whether two keys are the same, found by using them. What a
 * token cannot do with a digest (hash, frame, encode) is done here; a key never leaves it. AES-GCM
 * is in crypt.c. Not for deciding who is to blame for a failure: see operate.c.
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>

#include "hsm/internal.h"

static const uint8_t nothing[1]; /* tokens refuse NULL even for no bytes */

static CK_BYTE *input(struct clv_bytes bytes)
{
	return hsm_input(bytes.len > 0 ? bytes.data : nothing);
}

/* ---- AES-CBC and AES-CTR ---- */

CK_RV hsm_cipher(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE key,
		 bool encrypt, const uint8_t iv[HSM_IV_MAX], struct clv_bytes in, uint8_t *out,
		 const char **ret_op)
{
	const struct hsm_module *module = session->hsm->module;
	CK_AES_CTR_PARAMS counter = { .ulCounterBits = 128 };
	CK_MECHANISM mech = { hsm_kind_mechanism(session->hsm, kind), hsm_input(iv), HSM_IV_MAX };
	CK_ULONG len = in.len;
	CK_RV rv;

	if (kind->scheme == HSM_SCHEME_CTR) {
		memcpy(counter.cb, iv, sizeof counter.cb);
		mech.pParameter = &counter;
		mech.ulParameterLen = sizeof counter;
	}
	*ret_op = encrypt ? "C_EncryptInit" : "C_DecryptInit";
	rv = encrypt ? hsm_C_EncryptInit(module, session->handle, &mech, key)
		     : hsm_C_DecryptInit(module, session->handle, &mech, key);
	if (rv != CKR_OK)
		return rv;
	*ret_op = encrypt ? "C_Encrypt" : "C_Decrypt";
	rv = encrypt ? hsm_C_Encrypt(module, session->handle, input(in), in.len, out, &len)
		     : hsm_C_Decrypt(module, session->handle, input(in), in.len, out, &len);
	return rv == CKR_OK && len != in.len ? CKR_GENERAL_ERROR : rv;
}

/* ---- MACs and signatures ---- */

/* r and s of equal length, as tokens give them, to DER (RFC 3279 section 2.2.3). */
static CK_RV ecdsa_to_der(const uint8_t *raw, size_t len, uint8_t out[HSM_SIGNATURE_MAX],
			  size_t *ret_len)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, (int) len / 2, NULL);
	BIGNUM *s = BN_bin2bn(raw + len / 2, (int) len / 2, NULL);
	unsigned char *at = out;
	int written = -1;

	if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* taken */
		written = i2d_ECDSA_SIG(sig, NULL);
		if (written > 0 && written <= HSM_SIGNATURE_MAX)
			written = i2d_ECDSA_SIG(sig, &at);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	if (written <= 0 || written > HSM_SIGNATURE_MAX)
		return CKR_HOST_MEMORY;
	*ret_len = (size_t) written;
	return CKR_OK;
}

/* What the token signs: the data, or the digest in a DigestInfo. */
static struct clv_bytes framed(const struct hsm_kind *kind, struct clv_bytes in, uint8_t frame[96])
{
	const struct hsm_hash_row *hash = hsm_hash_row(kind->hash);

	if (kind->scheme != HSM_SCHEME_PKCS1 || hash->digest_info == NULL)
		return in;
	assert(hash->digest_info_len + in.len <= 96);
	memcpy(frame, hash->digest_info, hash->digest_info_len);
	memcpy(frame + hash->digest_info_len, in.data, in.len);
	return (struct clv_bytes){ frame, hash->digest_info_len + in.len };
}

/* How long the token's answer must be. */
static size_t signature_len(const struct hsm_kind *kind)
{
	switch (kind->scheme) {
	case HSM_SCHEME_HMAC:
		return hsm_hash_row(kind->hash)->len;
	case HSM_SCHEME_ECDSA:
		return kind->bits / 8 * 2;
	case HSM_SCHEME_EDDSA:
		return 64;
	default:
		return kind->bits / 8;
	}
}

CK_RV hsm_sign_with(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE key,
		    struct clv_bytes in, uint8_t out[HSM_SIGNATURE_MAX], size_t *ret_len,
		    const char **ret_op)
{
	const struct hsm_module *module = session->hsm->module;
	const struct hsm_hash_row *hash = hsm_hash_row(kind->hash);
	CK_RSA_PKCS_PSS_PARAMS pss = { hash->mech, hash->mgf, hash->len };
	CK_MECHANISM mech = { hsm_kind_mechanism(session->hsm, kind), NULL, 0 };
	uint8_t frame[96], raw[HSM_SIGNATURE_MAX];
	CK_ULONG len = sizeof raw;
	CK_RV rv;

	if (kind->scheme == HSM_SCHEME_PSS) {
		mech.pParameter = &pss;
		mech.ulParameterLen = sizeof pss;
	}
	in = framed(kind, in, frame);
	*ret_op = "C_SignInit";
	rv = hsm_C_SignInit(module, session->handle, &mech, key);
	if (rv != CKR_OK)
		return rv;
	*ret_op = "C_Sign";
	rv = hsm_C_Sign(module, session->handle, input(in), in.len, raw, &len);
	if (rv == CKR_OK && len != signature_len(kind))
		rv = CKR_GENERAL_ERROR;
	if (rv == CKR_OK && kind->scheme == HSM_SCHEME_ECDSA) {
		rv = ecdsa_to_der(raw, len, out, ret_len);
	} else if (rv == CKR_OK) {
		memcpy(out, raw, len);
		*ret_len = len;
	}
	OPENSSL_cleanse(raw, sizeof raw); /* a right MAC is a secret while one is verified */
	return rv;
}

/* ---- RSA-OAEP ---- */

bool hsm_oaep_refused(const struct hsm_kind *kind, const char *op, CK_RV rv)
{
	return kind->scheme == HSM_SCHEME_OAEP && strcmp(op, "C_DecryptInit") == 0 &&
	       (rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
		rv == CKR_ARGUMENTS_BAD);
}

static CK_RV decrypt(struct hsm_session *session, CK_MECHANISM *mech, CK_OBJECT_HANDLE key,
		     struct clv_bytes in, uint8_t *out, CK_ULONG *len, const char **ret_op)
{
	CK_RV rv;

	*ret_op = "C_DecryptInit";
	rv = hsm_C_DecryptInit(session->hsm->module, session->handle, mech, key);
	if (rv != CKR_OK)
		return rv;
	*ret_op = "C_Decrypt";
	return hsm_C_Decrypt(session->hsm->module, session->handle, input(in), in.len, out, len);
}

static CK_RV open_raw(struct hsm_session *session, const struct hsm_kind *kind,
		      CK_OBJECT_HANDLE key, struct clv_bytes in, struct clv_secret *out,
		      size_t *ret_len, const char **ret_op)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *block = NULL;
	CK_MECHANISM mech = { CKM_RSA_X_509, NULL, 0 };
	CK_ULONG len = in.len;
	struct clv_err ignored;
	int opened;
	CK_RV rv;

	*ret_op = "clv_secret_new";
	if (clv_secret_new(in.len, &block, &ignored) != CLV_OK)
		return CKR_HOST_MEMORY;
	rv = decrypt(session, &mech, key, in, clv_secret_mutable_bytes(block), &len, ret_op);
	if (hsm_oaep_refused(kind, *ret_op, rv))
		atomic_store(&session->hsm->oaep_is_raw[kind->hash], false);
	if (rv != CKR_OK)
		return rv;
	if (len > in.len)
		return CKR_GENERAL_ERROR;
	hsm_oaep_align(clv_secret_mutable_bytes(block), len, in.len);
	opened = hsm_oaep_unpad(kind->hash, clv_secret_bytes(block), in.len,
				clv_secret_mutable_bytes(out));
	if (opened < 0)
		return CKR_ENCRYPTED_DATA_INVALID;
	*ret_len = (size_t) opened;
	return CKR_OK;
}

CK_RV hsm_oaep_open(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE key,
		    struct clv_bytes in, struct clv_secret *out, size_t *ret_len,
		    const char **ret_op)
{
	const struct hsm_hash_row *hash = hsm_hash_row(kind->hash);
	CK_RSA_PKCS_OAEP_PARAMS params = { hash->mech, hash->mgf, CKZ_DATA_SPECIFIED, NULL, 0 };
	CK_MECHANISM mech = { CKM_RSA_PKCS_OAEP, &params, sizeof params };
	CK_ULONG len = in.len;
	CK_RV rv;

	if (hsm_kind_mechanism(session->hsm, kind) == CKM_RSA_X_509)
		return open_raw(session, kind, key, in, out, ret_len, ret_op);
	rv = decrypt(session, &mech, key, in, clv_secret_mutable_bytes(out), &len, ret_op);
	if (rv == CKR_OK && len > in.len)
		rv = CKR_GENERAL_ERROR;
	if (hsm_oaep_refused(kind, *ret_op, rv))
		atomic_store(&session->hsm->oaep_is_raw[kind->hash], true);
	*ret_len = len;
	return rv;
}

/* ---- the same key? ---- */

static const uint8_t words[64] = "what one of these keys does, the other one has to do or undo";

static clv_rc differs(struct clv_err *err)
{
	return clv_fail(err, CLV_E_DATA_LOSS, "the token unwrapped another key than it wrapped");
}

/* What one seals, the other opens. */
static clv_rc same_gcm(struct hsm_session *session, CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b,
		       struct clv_err *err)
{
	struct clv_bytes text = { words, 32 };
	uint8_t iv[HSM_IV_MAX], sealed[32 + HSM_TAG_LEN], opened[sizeof sealed];
	size_t iv_len, len = 0;
	const char *op;
	CK_RV rv = hsm_gcm_seal(session, a, text, text, iv, &iv_len, sealed, &op);

	if (rv == CKR_OK)
		rv = hsm_gcm_open(session, b, text, (struct clv_bytes){ iv, iv_len },
				  (struct clv_bytes){ sealed, sizeof sealed }, opened, &len, &op);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	return len == 32 && CRYPTO_memcmp(opened, words, 32) == 0 ? CLV_OK : differs(err);
}

static clv_rc same_cipher(struct hsm_session *session, const struct hsm_kind *kind,
			  CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b, struct clv_err *err)
{
	static const uint8_t iv[HSM_IV_MAX] = "a known counter";
	uint8_t sealed[32], opened[32];
	const char *op;
	CK_RV rv = hsm_cipher(session, kind, a, true, iv, (struct clv_bytes){ words, 32 }, sealed,
			      &op);

	if (rv == CKR_OK)
		rv = hsm_cipher(session, kind, b, false, iv, (struct clv_bytes){ sealed, 32 },
				opened, &op);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	return CRYPTO_memcmp(opened, words, 32) == 0 ? CLV_OK : differs(err);
}

static clv_rc same_mac(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE a,
		       CK_OBJECT_HANDLE b, struct clv_err *err)
{
	uint8_t by_a[HSM_SIGNATURE_MAX], by_b[HSM_SIGNATURE_MAX];
	struct clv_bytes text = { words, sizeof words };
	size_t len_a = 0, len_b = 0;
	const char *op;
	CK_RV rv = hsm_sign_with(session, kind, a, text, by_a, &len_a, &op);

	if (rv == CKR_OK)
		rv = hsm_sign_with(session, kind, b, text, by_b, &len_b, &op);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	return len_a == len_b && CRYPTO_memcmp(by_a, by_b, len_a) == 0 ? CLV_OK : differs(err);
}

/* Both wrap the same third key to the same bytes: wrapping is deterministic. */
static clv_rc same_wrap(struct hsm_session *session, CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b,
			struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE dummy;
	struct hsm_blob by_a, by_b;

	CLV_TRY(hsm_generate(session, hsm_kind_get(HSM_ROLE_VERSION, 0), HSM_BORN_SESSION, NULL,
			     NULL, &dummy, err));
	hsm_scrap_add(&scrap, dummy);
	CLV_TRY(hsm_wrap(session, a, dummy, &by_a, err));
	CLV_TRY(hsm_wrap(session, b, dummy, &by_b, err));
	return by_a.len == by_b.len && CRYPTO_memcmp(by_a.bytes, by_b.bytes, by_a.len) == 0
		       ? CLV_OK
		       : differs(err);
}

clv_rc hsm_same_secret(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE a,
		       CK_OBJECT_HANDLE b, struct clv_err *err)
{
	switch (kind->scheme) {
	case HSM_SCHEME_WRAP:
		return same_wrap(session, a, b, err);
	case HSM_SCHEME_GCM:
		return same_gcm(session, a, b, err);
	case HSM_SCHEME_CBC:
	case HSM_SCHEME_CTR:
		return same_cipher(session, kind, a, b, err);
	default:
		return same_mac(session, kind, a, b, err);
	}
}

static clv_rc same_signer(struct hsm_session *session, const struct hsm_kind *kind,
			  CK_OBJECT_HANDLE private, EVP_PKEY *public, struct clv_err *err)
{
	size_t digest = hsm_hash_row(kind->hash)->len;
	struct clv_bytes in = { words, digest > 0 ? digest : sizeof words };
	uint8_t signature[HSM_SIGNATURE_MAX];
	const char *op;
	size_t len;
	CK_RV rv = hsm_sign_with(session, kind, private, in, signature, &len, &op);

	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	return hsm_public_verifies(kind, public, in, (struct clv_bytes){ signature, len })
		       ? CLV_OK
		       : differs(err);
}

static clv_rc same_opener(struct hsm_session *session, const struct hsm_kind *kind,
			  CK_OBJECT_HANDLE private, EVP_PKEY *public, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *opened = NULL;
	uint8_t sealed[HSM_SIGNATURE_MAX];
	size_t sealed_len = 0, len = 0;
	const char *op;
	CK_RV rv;

	if (!hsm_public_seal(public, kind->hash, (struct clv_bytes){ words, 32 }, sealed,
			     &sealed_len))
		return clv_fail(err, CLV_E_INTERNAL, "OpenSSL cannot use the public half of a key");
	CLV_TRY(clv_secret_new(sealed_len, &opened, err));
	rv = hsm_oaep_open(session, kind, private, (struct clv_bytes){ sealed, sealed_len }, opened,
			   &len, &op);
	if (rv == CKR_ENCRYPTED_DATA_INVALID)
		return differs(err);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	return len == 32 && CRYPTO_memcmp(clv_secret_bytes(opened), words, 32) == 0 ? CLV_OK
										    : differs(err);
}

/*
 * To what was sealed for another key a token may answer as if it were sick: SoftHSM does when the
 * number is not below the key's modulus, which is so now and then. Not when the private half says
 * itself that it is another one.
 */
static clv_rc not_opened(struct hsm_session *session, const struct hsm_kind *kind,
			 CK_OBJECT_HANDLE private, EVP_PKEY *public, clv_rc rc, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *own = NULL;
	struct clv_err ignored;

	if (err->domain != CLV_DOM_PKCS11 || hsm_rv_class(err->native) != HSM_CLASS_AMBIGUOUS)
		return rc;
	if (hsm_public_read(session, kind, private, &own, &ignored) == CLV_OK &&
	    EVP_PKEY_eq(own, public) != 1)
		return differs(err);
	return rc;
}

clv_rc hsm_same_pair(struct hsm_session *session, const struct hsm_kind *kind,
		     CK_OBJECT_HANDLE private, EVP_PKEY *public, struct clv_err *err)
{
	clv_rc rc;

	switch (kind->scheme) {
	case HSM_SCHEME_OAEP:
		rc = same_opener(session, kind, private, public, err);
		break;
	case HSM_SCHEME_IMPORT:
	case HSM_SCHEME_IMPORT_DIRECT:
		rc = hsm_import_try(session, kind, private, public, err);
		break;
	default:
		return same_signer(session, kind, private, public, err);
	}
	return rc == CLV_OK ? rc : not_opened(session, kind, private, public, rc, err);
}
