/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLAVIGER_BUF_H
#define CLAVIGER_BUF_H

#include <stddef.h>
#include <stdint.h>

#include <claviger/err.h>

/* Borrowed bytes: somebody else owns them. `data` may be NULL only when `len` is 0. */
struct clv_bytes {
	const uint8_t *data;
	size_t len; /* bytes */
};

/*
 * Growable bytes that are not secret (ciphertext, JSON). Start with `struct clv_buf b = { 0 };`,
 * end with clv_buf_done(), which leaves it reusable. For secrets there is struct clv_secret.
 */
struct clv_buf {
	uint8_t *data; /* owned by the buffer */
	size_t len;    /* bytes in use */
	size_t cap;    /* bytes allocated */
};

/* Appends. On failure the buffer is as before. Errors: CLV_E_RESOURCE_EXHAUSTED. */
CLV_MUST_USE clv_rc clv_buf_add(struct clv_buf *buf, const void *bytes, size_t len,
				struct clv_err *err);

/* Makes room for `more` bytes after `len` without using it yet. Errors: CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc clv_buf_reserve(struct clv_buf *buf, size_t more, struct clv_err *err);

/* Frees the bytes and empties the buffer. */
void clv_buf_done(struct clv_buf *buf);

/* A borrowed view of what is in the buffer, valid until it next changes. */
struct clv_bytes clv_buf_view(const struct clv_buf *buf);

#endif
