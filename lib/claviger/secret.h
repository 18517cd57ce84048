/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLAVIGER_SECRET_H
#define CLAVIGER_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/err.h>

/*
 * Bytes that must not leak: a PIN, a plaintext, a DEK.
 *
 * They live in locked memory that is left out of core dumps, between guard pages (OpenSSL's
 * secure heap), and the whole of them is overwritten before the memory is given back. There is
 * no function that prints a secret or turns it into a string, on purpose.
 *
 * Not safe to use from two threads at once; hand it over instead.
 */
struct clv_secret;

#define CLV_SECRET_MAX 131072               /* bytes: the largest plaintext and its tag */
#define CLV_SECRET_ARENA_DEFAULT (4u << 20) /* bytes of locked memory for the process */

/*
 * Sets up the locked arena, once for the process; later calls are fine and change nothing.
 * `arena` is in bytes, a power of two from 4 KiB to 1 GiB, 0 for the default. With `allow_unlocked`
 * a system that refuses to lock memory is accepted, otherwise that is an error (raise `ulimit -l`),
 * also when an earlier call accepted it. A secure heap of the host program is used as it is.
 *
 * Locks on memory do not outlive fork(): a child locks the arena again with its first call here or
 * its first secret. Where that fails it is refused, as the last call said about it.
 *
 * Call it before other threads start. clv_ctx_open() and clv_home_create() call it themselves.
 *
 * Errors: CLV_E_INVALID_ARGUMENT    not such a size
 *         CLV_E_RESOURCE_EXHAUSTED  no arena, or it could not be locked
 */
CLV_MUST_USE clv_rc clv_secret_setup(size_t arena, bool allow_unlocked, struct clv_err *err);

/*
 * Makes a secret of `len` zero bytes, 0 <= len <= CLV_SECRET_MAX.
 *
 * On CLV_OK the caller owns *ret_secret and ends it with clv_secret_free().
 * On failure *ret_secret is untouched.
 *
 * Errors: CLV_E_INVALID_ARGUMENT    len out of range
 *         CLV_E_RESOURCE_EXHAUSTED  the locked arena is full, or a child could not lock it
 *         CLV_E_FAILED_PRECONDITION clv_secret_setup() was not called
 */
CLV_MUST_USE clv_rc clv_secret_new(size_t len, struct clv_secret **ret_secret, struct clv_err *err);

/* Overwrites and frees. NULL is fine. Returns NULL, so `s = clv_secret_free(s);` reads well. */
struct clv_secret *clv_secret_free(struct clv_secret *secret);

/* Borrowed: valid until the secret is freed. The pointer must not be stored. */
const uint8_t *clv_secret_bytes(const struct clv_secret *secret);
uint8_t *clv_secret_mutable_bytes(struct clv_secret *secret);
size_t clv_secret_len(const struct clv_secret *secret); /* bytes */

/* Makes a secret shorter; what is cut off is overwritten. `len` <= its present length. */
void clv_secret_shrink(struct clv_secret *secret, size_t len);

/* Takes the same time wherever the bytes differ. Lengths are not secret. */
bool clv_secret_equal(const struct clv_secret *a, const struct clv_secret *b);

#endif
