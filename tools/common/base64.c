/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "tools/common/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

clv_rc kms_base64_encode(struct clv_bytes bytes, struct clv_buf *out, struct clv_err *err)
{
	CLV_TRY(clv_buf_reserve(out, (bytes.len + 2) / 3 * 4, err));
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t three = (uint32_t) bytes.data[i] << 16;
		uint8_t *to = out->data + out->len;

		three |= n > 1 ? (uint32_t) bytes.data[i + 1] << 8 : 0;
		three |= n > 2 ? (uint32_t) bytes.data[i + 2] : 0;
		to[0] = (uint8_t) alphabet[three >> 18];
		to[1] = (uint8_t) alphabet[three >> 12 & 63];
		to[2] = n > 1 ? (uint8_t) alphabet[three >> 6 & 63] : '=';
		to[3] = n > 2 ? (uint8_t) alphabet[three & 63] : '=';
		out->len += 4;
	}
	return CLV_OK;
}

/* 64: it is none. */
static uint32_t value_of(uint8_t letter)
{
	const char *at = letter != '\0' ? strchr(alphabet, letter) : NULL;

	return at != NULL ? (uint32_t) (at - alphabet) : 64;
}

/* Four letters, the last up to two of them padding; false: they are not. */
static bool decode_four(const uint8_t *four, size_t n, uint8_t *to)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t value = i <= n ? value_of(four[i]) : 0;

		if (value == 64)
			return false;
		bits = bits << 6 | value;
	}
	for (size_t i = 0; i < 3; i++) {
		if (i < n)
			to[i] = (uint8_t) (bits >> (16 - 8 * i));
		else if ((bits >> (16 - 8 * i) & 0xff) != 0)
			return false;
	}
	return true;
}

clv_rc kms_base64_decode(struct clv_bytes text, struct clv_buf *out, struct clv_err *err)
{
	size_t len = out->len;
	bool good = text.len % 4 == 0;

	CLV_TRY(clv_buf_reserve(out, text.len / 4 * 3, err));
	for (size_t i = 0; good && i < text.len; i += 4) {
		bool last = i + 4 == text.len;
		size_t n = 3; /* bytes in these four letters */

		if (last && text.data[i + 3] == '=')
			n = text.data[i + 2] == '=' ? 1 : 2;
		good = decode_four(text.data + i, n, out->data + len);
		len += n;
	}
	if (!good)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "it is not base64");
	out->len = len;
	return CLV_OK;
}
