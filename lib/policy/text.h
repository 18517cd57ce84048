/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents as text: what is stored is what was written without its etag, and what is handed out
 * has the etag of the row version that it was read at. Not for what documents say.
 */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stdbool.h>

#include <claviger/buf.h>

#include "lib/policy/policy.h"

#define POLICY_TEXT_MAX (1 << 20) /* bytes of a document */

/* The row version that an etag stands for; of a document that is not there it is 0. An etag that
 * was never given out, or none: */
#define POLICY_ETAG_NONE INT64_C(-1)  /* there was none */
#define POLICY_ETAG_WRONG INT64_C(-2) /* of no row version at all */

#define POLICY_ETAG_MAX 16 /* bytes, with the final NUL */

/* Base64 of eight bytes, big endian; "ACAB" for 0, as Cloud KMS has it. */
void policy_etag_format(int64_t row_version, char etag[POLICY_ETAG_MAX]);
int64_t policy_etag_parse(const char *etag); /* NULL or empty: POLICY_ETAG_NONE */

/*
 * Takes a document as it was written apart: the text to store (owned, to be freed) and its etag.
 * Errors: CLV_E_INVALID_ARGUMENT it is too long, or no JSON object, naming the place.
 */
CLV_MUST_USE clv_rc policy_text_read(struct clv_bytes written, char **ret_text, int64_t *ret_etag,
				     struct clv_err *err);

/* Appends a stored text with the etag of its row version. `text` NULL: what an empty one is. */
CLV_MUST_USE clv_rc policy_text_write(const char *text, int64_t row_version, struct clv_buf *out,
				      struct clv_err *err);

/* Is every member of every binding in `now` there in `before` already, with the same role and
 * condition? Then a change from one to the other ends use and begins none. Texts of IAM policies;
 * NULL: an empty one. False where a text cannot be read. */
bool policy_text_only_removes(const char *before, const char *now);

#endif
