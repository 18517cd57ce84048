/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside, made fit for an error text, a log line or a terminal. */
#ifndef BASE_QUOTE_H
#define BASE_QUOTE_H

#define CLV_QUOTE_MAX 72 /* bytes, with the final NUL: 64 characters, quotes, dots */

/*
 * Writes `text` in double quotes and returns `buf`: at most 64 characters, then "..."; whatever
 * is not printable ASCII becomes '?'. NULL is written as (null), without quotes.
 */
const char *clv_quote(const char *text, char buf[CLV_QUOTE_MAX]);

#endif
