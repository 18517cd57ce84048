/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points in time are int64_t nanoseconds since 1970-01-01T00:00:00Z (till the year 2262),
 * durations int64_t nanoseconds. Text forms are those of protobuf's JSON mapping: RFC 3339 in
 * UTC with 0, 3, 6 or 9 fractional digits, and decimal seconds with a final "s".
 */
#ifndef CLAVIGER_TIME_H
#define CLAVIGER_TIME_H

#include <stdint.h>

#include <claviger/err.h>

#define CLV_NS_PER_S INT64_C(1000000000)
#define CLV_NS_PER_MS INT64_C(1000000)
#define CLV_TIME_TEXT_MAX 32     /* bytes for clv_time_format(), with the final NUL */
#define CLV_DURATION_TEXT_MAX 32 /* bytes for clv_duration_format(), with the final NUL */

/* Now, by the wall clock. */
int64_t clv_time_now(void);

/* Writes e.g. "2026-11-23T19:18:25.123456Z" and returns `buf`. */
char *clv_time_format(int64_t ns, char buf[CLV_TIME_TEXT_MAX]);

/* Reads RFC 3339 with any offset; a leap second is taken as the second before it.
 * Errors: CLV_E_INVALID_ARGUMENT, naming `text` (cut when long). */
CLV_MUST_USE clv_rc clv_time_parse(const char *text, int64_t *ret_ns, struct clv_err *err);

/* Writes e.g. "172800s" or "1.500s" and returns `buf`. */
char *clv_duration_format(int64_t ns, char buf[CLV_DURATION_TEXT_MAX]);

/* Reads a decimal number and one of the units ns us ms s m h d w, e.g. "200ms", "24h", "1.5s",
 * or several in falling order ("1d12h"). Never negative. A bare number is refused.
 * Errors: CLV_E_INVALID_ARGUMENT, naming `text`. */
CLV_MUST_USE clv_rc clv_duration_parse(const char *text, int64_t *ret_ns, struct clv_err *err);

#endif
