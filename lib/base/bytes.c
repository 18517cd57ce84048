/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, comparisons, hexadecimal digits. Not for keys: those are made in tokens. */
#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "lib/base/banned.h"
#include "lib/base/bytes.h"

static const char digits[] = "0123456789abcdef";

clv_rc clv_random(void *bytes, size_t len, struct clv_err *err)
{
	if (len > INT_MAX || RAND_bytes(bytes, (int) len) != 1)
		return clv_fail(err, CLV_E_INTERNAL, "OpenSSL has no random bytes");
	return CLV_OK;
}

bool clv_same(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void clv_hex(const void *bytes, size_t len, char *text)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[p[i] >> 4];
		text[2 * i + 1] = digits[p[i] & 15];
	}
	text[2 * len] = '\0';
}

static int value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool clv_unhex(const char *text, uint8_t *ret_bytes, size_t len)
{
	for (size_t i = 0; i < 2 * len; i++) {
		int value = value_of(text[i]); /* a NUL has none, so this stops at the end */

		if (value < 0)
			return false;
		ret_bytes[i / 2] = (uint8_t) (i % 2 == 0 ? value << 4 : ret_bytes[i / 2] | value);
	}
	return text[2 * len] == '\0';
}
