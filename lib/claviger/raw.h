/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES as it is, for programs that need its plain forms: no header tells the version and nothing
 * binds the ciphertext to the key's name. Whoever can choose has clv_encrypt(). `name` is that of a
 * version of a key of purpose RAW_ENCRYPT_DECRYPT.
 *
 * Errors of both: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION the version is not enabled, or its key
 * is for something else; CLV_E_INVALID_ARGUMENT a checksum, a length, or an input that the
 * algorithm does not have.
 */
#ifndef CLAVIGER_RAW_H
#define CLAVIGER_RAW_H

#include <claviger/crypt.h>

#define CLV_RAW_IV_MAX 16 /* bytes; of CBC and CTR always that many */

/* What goes in. */
struct clv_raw {
	struct clv_input text; /* plaintext, or ciphertext with its tag */
	struct clv_input iv;
	struct clv_input aad; /* GCM only */
};

/* The initialization vector that was used. Plain data. */
struct clv_raw_iv {
	uint8_t bytes[CLV_RAW_IV_MAX];
	size_t len; /* bytes */
	uint32_t crc32c;
};

/*
 * GCM: the token makes the IV, a caller's own is refused; a tag of 16 bytes stands at the end. CBC
 * and CTR: the IV has 16 bytes, made where none is given; no AAD; at least one byte of plaintext.
 * CBC does not pad: the plaintext is a multiple of 16 bytes. Limits are those of clv_encrypt().
 *
 * The ciphertext is appended to `ret_ciphertext`, an initialised clv_buf. `ret_used` may be NULL.
 */
CLV_MUST_USE clv_rc clv_raw_encrypt(struct clv_ctx *ctx, const struct clv_caller *who,
				    const char *name, const struct clv_raw *in,
				    struct clv_buf *ret_ciphertext, struct clv_raw_iv *ret_iv,
				    struct clv_used *ret_used, struct clv_err *err);

/*
 * The reverse; the IV must be given. On CLV_OK the caller owns *ret_plaintext. GCM refuses what is
 * damaged, without saying whether ciphertext, IV or AAD are; CBC and CTR cannot notice.
 */
CLV_MUST_USE clv_rc clv_raw_decrypt(struct clv_ctx *ctx, const struct clv_caller *who,
				    const char *name, const struct clv_raw *in,
				    struct clv_secret **ret_plaintext, struct clv_used *ret_used,
				    struct clv_err *err);

#endif
