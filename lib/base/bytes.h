/* SPDX-License-Identifier: Apache-2.0 */
/* Small things about bytes that several rooms need. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/err.h>

/* Fills `bytes` with random ones from OpenSSL's generator, for ids. Errors: CLV_E_INTERNAL. */
CLV_MUST_USE clv_rc clv_random(void *bytes, size_t len, struct clv_err *err);

/* Are they the same? Takes the same time wherever they differ. */
bool clv_same(const void *a, const void *b, size_t len);

/* Writes 2 * len lower-case digits and a NUL into `text`. */
void clv_hex(const void *bytes, size_t len, char *text);

/* Reads exactly 2 * len hexadecimal digits, of either case. False: `text` is anything else, and
 * `ret_bytes` is of no use. */
bool clv_unhex(const char *text, uint8_t *ret_bytes, size_t len);

#endif
