/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLV1, the form of `encrypt` output and of wrapped DEKs (design section 4):
 *
 *   0xC1 | version uid 16 | IV length 1 | IV | ciphertext | tag 16
 *
 * Bytes in, bytes out: nothing here encrypts.
 */
#ifndef ENVELOPE_CLV1_H
#define ENVELOPE_CLV1_H

#include <claviger/buf.h>
#include <claviger/key.h>

#define CLV1_MAGIC 0xC1
#define CLV1_IV_MIN 12                                     /* bytes */
#define CLV1_IV_MAX 16                                     /* bytes */
#define CLV1_TAG_LEN 16                                    /* bytes */
#define CLV1_HEADER_MAX (2 + CLV_UID_LEN + CLV1_IV_MAX)    /* bytes before the ciphertext */
#define CLV1_OVERHEAD_MAX (CLV1_HEADER_MAX + CLV1_TAG_LEN) /* bytes over the plaintext */
#define CLV1_AAD_LEN 32                                    /* bytes of what the token gets as AAD */

/* A CLV1 ciphertext taken apart; views into the bytes given. */
struct clv1 {
	uint8_t uid[CLV_UID_LEN];
	struct clv_bytes iv;
	struct clv_bytes sealed; /* ciphertext and tag, at least CLV1_TAG_LEN bytes */
};

/* Errors: CLV_E_INVALID_ARGUMENT with the text for damaged ciphertext. */
CLV_MUST_USE clv_rc clv1_parse(struct clv_bytes bytes, struct clv1 *ret_parts, struct clv_err *err);

/* Appends the header (all before the ciphertext) to `buf`. Errors: CLV_E_RESOURCE_EXHAUSTED. */
CLV_MUST_USE clv_rc clv1_add_header(struct clv_buf *buf, const uint8_t uid[CLV_UID_LEN],
				    struct clv_bytes iv, struct clv_err *err);

/*
 * What the token gets as AAD:
 *   SHA-256("claviger/1" | 0xC1 | uid | u32 length | key name | u32 length | caller's AAD)
 * with big-endian lengths, so that a ciphertext cannot be moved to another key or location.
 * Errors: CLV_E_INTERNAL OpenSSL failed.
 */
CLV_MUST_USE clv_rc clv1_aad(const uint8_t uid[CLV_UID_LEN], const char *key_name,
			     struct clv_bytes caller_aad, uint8_t ret_aad[CLV1_AAD_LEN],
			     struct clv_err *err);

#endif
