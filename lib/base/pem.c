/* SPDX-License-Identifier: Apache-2.0 */
/* PEM (RFC 7468) of public keys. Not for private ones: there are none outside a token. */
#include <string.h>

#include <openssl/evp.h>

#include "lib/base/pem.h"

#include "lib/base/banned.h"

#define LINE 48 /* bytes that make a line of 64 characters */

static clv_rc add_text(struct clv_buf *buf, const char *text, struct clv_err *err)
{
	return clv_buf_add(buf, text, strlen(text), err);
}

clv_rc clv_pem_public(struct clv_bytes der, struct clv_buf *buf, struct clv_err *err)
{
	unsigned char line[4 * LINE / 3 + 2];

	CLV_TRY(add_text(buf, "-----BEGIN PUBLIC KEY-----\n", err));
	for (size_t at = 0; at < der.len; at += LINE) {
		size_t n = der.len - at < LINE ? der.len - at : LINE;
		int len = EVP_EncodeBlock(line, der.data + at, (int) n);

		line[len] = '\n';
		CLV_TRY(clv_buf_add(buf, line, (size_t) len + 1, err));
	}
	return add_text(buf, "-----END PUBLIC KEY-----\n", err);
}
