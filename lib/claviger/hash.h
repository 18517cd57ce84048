/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of what is to be signed, for callers who sign a digest and not the data themselves. */
#ifndef CLAVIGER_HASH_H
#define CLAVIGER_HASH_H

#include <claviger/buf.h>
#include <claviger/key.h>

#define CLV_HASH_MAX 64 /* bytes of the longest digest */

/* "sha256" ..., as gcloud spells them; static; "none" for CLV_HASH_NONE and what is not one. */
const char *clv_hash_name(enum clv_hash hash);

/* A digest being made of data that come in parts. One thread at a time. */
struct clv_hashing;

/* On CLV_OK the caller owns *ret_hashing and ends it with clv_hash_free().
 * Errors: CLV_E_INVALID_ARGUMENT no such hash; CLV_E_INTERNAL OpenSSL failed. */
CLV_MUST_USE clv_rc clv_hash_new(enum clv_hash hash, struct clv_hashing **ret_hashing,
				 struct clv_err *err);

/* Takes the next part in. Errors: CLV_E_INTERNAL OpenSSL failed. */
CLV_MUST_USE clv_rc clv_hash_add(struct clv_hashing *hashing, const void *bytes, size_t len,
				 struct clv_err *err);

/* The digest of all the parts. Nothing can be added after it. Errors: as clv_hash_add(). */
CLV_MUST_USE clv_rc clv_hash_end(struct clv_hashing *hashing, uint8_t ret_digest[CLV_HASH_MAX],
				 size_t *ret_len, struct clv_err *err);

/* NULL is fine. Returns NULL. */
struct clv_hashing *clv_hash_free(struct clv_hashing *hashing);

#endif
