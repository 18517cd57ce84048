/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key pairs: signing and decrypting with the private half in the token, and the public half for
 * everybody else. `name` is that of a version: these keys have no primary one.
 *
 * Errors of all of them: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION the version is not enabled, or
 * its key is for something else; CLV_E_INVALID_ARGUMENT a checksum or a length.
 */
#ifndef CLAVIGER_ASYMMETRIC_H
#define CLAVIGER_ASYMMETRIC_H

#include <claviger/use.h>

#define CLV_SIGN_DATA_MAX 65536 /* bytes */

/* A digest to be signed, and what made it. */
struct clv_digest {
	enum clv_hash hash;
	struct clv_input bytes;
};

/*
 * Signs either `data` or a `digest`; the other is NULL. Algorithms with a hash take both, a digest
 * only of their own hash; EC_SIGN_ED25519 and RSA_SIGN_RAW_PKCS1_* take data only. Elliptic curve
 * signatures are DER (RFC 3279 section 2.2.3), Ed25519 ones 64 bytes, RSA ones as long as the
 * modulus; PSS has salt and MGF1 of the algorithm's hash.
 *
 * The signature is appended to `ret_signature`, an initialised clv_buf. `ret_used` may be NULL.
 */
CLV_MUST_USE clv_rc clv_asymmetric_sign(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, const struct clv_input *data,
					const struct clv_digest *digest,
					struct clv_buf *ret_signature, struct clv_used *ret_used,
					struct clv_err *err);

/*
 * Decrypts what somebody encrypted to the public key by OAEP with the algorithm's hash and an empty
 * label. On CLV_OK the caller owns *ret_plaintext. `ret_used` may be NULL.
 * Errors: CLV_E_INVALID_ARGUMENT also for a ciphertext that is not one; nothing says in which way.
 */
CLV_MUST_USE clv_rc clv_asymmetric_decrypt(struct clv_ctx *ctx, const struct clv_caller *who,
					   const char *name, const struct clv_input *ciphertext,
					   struct clv_secret **ret_plaintext,
					   struct clv_used *ret_used, struct clv_err *err);

/* Numbers are Cloud KMS's. */
enum clv_public_key_format {
	CLV_PUBLIC_KEY_PEM = 1, /* text: "-----BEGIN PUBLIC KEY-----" ... */
	CLV_PUBLIC_KEY_DER = 2, /* the SubjectPublicKeyInfo (RFC 5280) itself */
};

/* Appends the public half to `ret_key`. It is in the catalogue: no token is needed. `ret_used` may
 * be NULL. */
CLV_MUST_USE clv_rc clv_public_key_get(struct clv_ctx *ctx, const struct clv_caller *who,
				       const char *name, enum clv_public_key_format format,
				       struct clv_buf *ret_key, struct clv_used *ret_used,
				       struct clv_err *err);

#endif
