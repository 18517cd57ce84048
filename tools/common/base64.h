/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648 section 4), for what is not secret: it takes its time by the bytes. */
#ifndef TOOLS_COMMON_BASE64_H
#define TOOLS_COMMON_BASE64_H

#include <claviger/buf.h>

/* Appends the text of `bytes`, padded, without a NUL. Errors: CLV_E_RESOURCE_EXHAUSTED. */
CLV_MUST_USE clv_rc kms_base64_encode(struct clv_bytes bytes, struct clv_buf *out,
				      struct clv_err *err);

/*
 * Appends the bytes that `text` means. There is one text for each: blanks, missing padding, the
 * URL alphabet and loose bits at the end are refused.
 * Errors: CLV_E_INVALID_ARGUMENT, and `out` is as before; CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc kms_base64_decode(struct clv_bytes text, struct clv_buf *out,
				      struct clv_err *err);

#endif
