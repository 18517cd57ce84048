/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public halves of key pairs, as OpenSSL keys: read from the token, written as DER, used to check
 * by software what the token did. Nothing here is secret.
 */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "hsm/internal.h"

#define RSA_MAX 512 /* bytes: RSA-4096 */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = build != NULL ? OSSL_PARAM_BLD_to_param(build) : NULL;
	EVP_PKEY *key = NULL;

	ERR_set_mark();
	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	ERR_pop_to_mark();
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *rsa_key(struct clv_bytes modulus, struct clv_bytes exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(modulus.data, (int) modulus.len, NULL);
	BIGNUM *e = BN_bin2bn(exponent.data, (int) exponent.len, NULL);
	EVP_PKEY *key = NULL;

	if (build != NULL && n != NULL && e != NULL &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = from_params("RSA", build);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(build);
	return key;
}

EVP_PKEY *hsm_public_ec(const struct hsm_curve *curve, struct clv_bytes point)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (build != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->name, 0) ==
		    1 &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data,
					     point.len) == 1)
		key = from_params("EC", build);
	OSSL_PARAM_BLD_free(build);
	return key;
}

/* ---- reading from the token ---- */

/* A private object need not show its exponent; we make and take no other than this. */
static CK_RV read_exponent(struct hsm_session *session, CK_OBJECT_HANDLE object, uint8_t *out,
			   CK_ULONG *len)
{
	static const uint8_t usual[] = { 1, 0, 1 };
	CK_ATTRIBUTE got = { CKA_PUBLIC_EXPONENT, out, *len };
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, &got, 1);

	*len = got.ulValueLen;
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
	    (rv == CKR_OK && got.ulValueLen == 0)) {
		memcpy(out, usual, sizeof usual);
		*len = sizeof usual;
		return CKR_OK;
	}
	return rv;
}

static clv_rc read_rsa(struct hsm_session *session, const struct hsm_kind *kind,
		       CK_OBJECT_HANDLE object, EVP_PKEY **ret_key, struct clv_err *err)
{
	uint8_t modulus[RSA_MAX + 1], exponent[RSA_MAX];
	CK_ATTRIBUTE got = { CKA_MODULUS, modulus, sizeof modulus };
	CK_ULONG exponent_len = sizeof exponent;
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, &got, 1);

	if (rv == CKR_OK)
		rv = read_exponent(session, object, exponent, &exponent_len);
	if (rv == CKR_BUFFER_TOO_SMALL)
		return clv_fail(err, CLV_E_UNIMPLEMENTED, "the RSA key has over 4096 bits");
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	*ret_key = rsa_key((struct clv_bytes){ modulus, got.ulValueLen },
			   (struct clv_bytes){ exponent, exponent_len });
	if (*ret_key == NULL)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"the token shows an RSA public key in an unknown form");
	if (EVP_PKEY_get_bits(*ret_key) != (int) kind->bits)
		return clv_fail(err, CLV_E_UNIMPLEMENTED, "the RSA key has %d bits, not %u",
				EVP_PKEY_get_bits(*ret_key), kind->bits);
	return CLV_OK;
}

/* CKA_EC_POINT: the point in an OCTET STRING or bare, as the token has it. */
static struct clv_bytes bare_point(const uint8_t *bytes, size_t len, size_t want)
{
	const struct clv_bytes none = { NULL, 0 };

	if (len == want)
		return (struct clv_bytes){ bytes, want };
	if (len == want + 2 && bytes[0] == 0x04 && bytes[1] == want)
		return (struct clv_bytes){ bytes + 2, want };
	return none;
}

static clv_rc read_point(struct hsm_session *session, const struct hsm_kind *kind,
			 CK_OBJECT_HANDLE object, EVP_PKEY **ret_key, struct clv_err *err)
{
	bool edwards = kind->type == CKK_EC_EDWARDS;
	size_t want = edwards ? 32 : 1 + 2 * (size_t) kind->bits / 8;
	uint8_t bytes[160];
	CK_ATTRIBUTE got = { CKA_EC_POINT, bytes, sizeof bytes };
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, &got, 1);
	struct clv_bytes point;

	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	point = bare_point(bytes, got.ulValueLen, want);
	if (point.data != NULL && edwards)
		*ret_key =
			EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.data, point.len);
	else if (point.data != NULL)
		*ret_key = hsm_public_ec(hsm_curve_get(kind, 0), point);
	if (*ret_key == NULL)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"the token shows %s public keys in an unknown form",
				hsm_curve_get(kind, 0)->name);
	return CLV_OK;
}

clv_rc hsm_public_read(struct hsm_session *session, const struct hsm_kind *kind,
		       CK_OBJECT_HANDLE object, EVP_PKEY **ret_key, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = NULL;

	CLV_TRY(kind->type == CKK_RSA ? read_rsa(session, kind, object, &key, err)
				      : read_point(session, kind, object, &key, err));
	*ret_key = CLV_TAKE(key);
	return CLV_OK;
}

clv_rc hsm_public_der(EVP_PKEY *key, struct hsm_public *ret_public, struct clv_err *err)
{
	unsigned char *at = ret_public->der;
	int len = i2d_PUBKEY(key, NULL);

	if (len <= 0 || len > HSM_PUBLIC_MAX || i2d_PUBKEY(key, &at) != len)
		return clv_fail(err, CLV_E_INTERNAL, "a public key cannot be written as DER");
	ret_public->len = (size_t) len;
	return CLV_OK;
}

/* ---- checking and sealing ---- */

static bool set_padding(EVP_PKEY_CTX *ctx, const struct hsm_kind *kind)
{
	const EVP_MD *md = NULL;

	if (kind->hash != CLV_HASH_NONE) {
		md = EVP_get_digestbyname(hsm_hash_row(kind->hash)->name);
		if (md == NULL || EVP_PKEY_CTX_set_signature_md(ctx, md) != 1)
			return false;
	}
	switch (kind->scheme) {
	case HSM_SCHEME_PKCS1:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	case HSM_SCHEME_PSS:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	default:
		return true;
	}
}

static bool verifies_digest(const struct hsm_kind *kind, EVP_PKEY *key, struct clv_bytes in,
			    struct clv_bytes signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 && set_padding(ctx, kind) &&
		    EVP_PKEY_verify(ctx, signature.data, signature.len, in.data, in.len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

static bool verifies_message(EVP_PKEY *key, struct clv_bytes in, struct clv_bytes signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(ctx, signature.data, signature.len, in.data, in.len) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

bool hsm_public_verifies(const struct hsm_kind *kind, EVP_PKEY *key, struct clv_bytes in,
			 struct clv_bytes signature)
{
	bool good;

	ERR_set_mark();
	good = kind->scheme == HSM_SCHEME_EDDSA ? verifies_message(key, in, signature)
						: verifies_digest(kind, key, in, signature);
	ERR_pop_to_mark();
	return good;
}

bool hsm_public_seal(EVP_PKEY *key, enum clv_hash hash, struct clv_bytes in, uint8_t *out,
		     size_t *ret_len)
{
	const EVP_MD *md = EVP_get_digestbyname(hsm_hash_row(hash)->name);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t len = (size_t) EVP_PKEY_get_size(key);
	bool good;

	ERR_set_mark();
	good = ctx != NULL && EVP_PKEY_encrypt_init(ctx) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
	       EVP_PKEY_encrypt(ctx, out, &len, in.data, in.len) == 1;
	ERR_pop_to_mark();
	EVP_PKEY_CTX_free(ctx);
	*ret_len = len;
	return good;
}
