/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fresh secrets from a token's generator: random bytes, and data-encryption keys (DEKs) that are
 * wrapped under a key and stored with the data that they protect.
 *
 * A wrapped DEK is what clv_encrypt() makes of it, CLV1 (claviger(7)): clv_decrypt() opens it too.
 */
#ifndef CLAVIGER_DEK_H
#define CLAVIGER_DEK_H

#include <claviger/crypt.h>

#define CLV_RANDOM_MIN 8    /* bytes */
#define CLV_RANDOM_MAX 1024 /* bytes */

#define CLV_DEK_MIN 16     /* bytes of a DEK made here */
#define CLV_DEK_MAX 64     /* bytes of a DEK made here */
#define CLV_DEK_DEFAULT 32 /* bytes */

/*
 * Draws CLV_RANDOM_MIN to CLV_RANDOM_MAX bytes from the generator of a location's token.
 * On CLV_OK the caller owns *ret_bytes.
 * Errors: CLV_E_INVALID_ARGUMENT another length; CLV_E_NOT_FOUND no such location.
 */
CLV_MUST_USE clv_rc clv_random_bytes(struct clv_ctx *ctx, const struct clv_caller *who,
				     const char *location_name, size_t len,
				     struct clv_secret **ret_bytes, struct clv_err *err);

/* The DEK that is wanted. Borrowed for the length of the call. */
struct clv_dek_options {
	size_t len;           /* bytes, CLV_DEK_MIN to CLV_DEK_MAX; 0: CLV_DEK_DEFAULT */
	struct clv_bytes aad; /* what it is bound to besides the key's name */
};

/*
 * Draws a DEK from the token's generator and wraps it under a key's primary version. `options` may
 * be NULL. `ret_wrapped` is as in clv_encrypt(). With `ret_dek` not NULL the caller owns *ret_dek,
 * the DEK itself; otherwise nobody sees it before clv_dek_unwrap(). `ret_version` may be NULL.
 *
 * Asks for the permission to encrypt.
 * Errors: as clv_encrypt(); CLV_E_INVALID_ARGUMENT another length.
 */
CLV_MUST_USE clv_rc clv_dek_generate(struct clv_ctx *ctx, const struct clv_caller *who,
				     const char *key_name, const struct clv_dek_options *options,
				     struct clv_buf *ret_wrapped, struct clv_secret **ret_dek,
				     char ret_version[CLV_NAME_MAX], struct clv_err *err);

/*
 * Unwraps a DEK, also one that was made elsewhere and wrapped by clv_encrypt(), whatever its
 * length. The same as clv_decrypt() in all else.
 */
CLV_MUST_USE clv_rc clv_dek_unwrap(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *key_name, struct clv_bytes wrapped,
				   struct clv_bytes aad, struct clv_secret **ret_dek,
				   char ret_version[CLV_NAME_MAX], struct clv_err *err);

/* What came of a rewrap. Plain data. */
struct clv_dek_rewrapped {
	bool unchanged;          /* it was under the primary version already */
	char from[CLV_NAME_MAX]; /* the version that it was under */
	char to[CLV_NAME_MAX];   /* the key's primary version */
};

/*
 * Wraps a wrapped DEK anew, under the primary version of the same key. The DEK is the same and
 * never leaves the library. One that is under the primary version already is opened as well, to see
 * that it is good, and then appended to `ret_wrapped` as it is. That is a buffer as in
 * clv_encrypt().
 *
 * Asks for the permission to decrypt, then for the one to encrypt; each has its audit entry. The
 * primary version is looked at before the wrapped DEK. Both versions stay in use until the result
 * is handed out: a disable of either waits for it.
 *
 * Errors: as clv_decrypt() for the version that it was under, as clv_encrypt() for the primary.
 */
CLV_MUST_USE clv_rc clv_dek_rewrap(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *key_name, struct clv_bytes wrapped,
				   struct clv_bytes aad, struct clv_buf *ret_wrapped,
				   struct clv_dek_rewrapped *ret_report, struct clv_err *err);

#endif
