/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of records, by dotted names as gcloud has them: finding them, and putting two values in
 * order. Tables, --filter, --sort-by and --format all look here.
 */
#ifndef TOOLS_COMMON_FIELD_H
#define TOOLS_COMMON_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/err.h>
#include <jansson.h>

/* Bytes of a field name, with the final NUL; nothing has a longer one. */
#define KMS_FIELD_MAX 128

/* Bytes of the field name that `text` begins with ("primary.state"), 0: it begins with none. */
size_t kms_field_span(const char *text);

/* The field of `item`; NULL: it has none of that name. The name ends with its NUL. */
const json_t *kms_field_of(const json_t *item, const char *name);

/* Number, truth value or text as text; NULL for what has parts, and for null. */
const char *kms_field_text(const json_t *value, char buf[32]);

/*
 * < 0, 0, > 0 as `a` is before, the same as, or behind `b`. Two numbers, two points in time
 * (RFC 3339, or a date alone) or two durations are compared as such, other texts byte by byte, or
 * without regard to upper and lower case.
 */
int kms_field_compare(const char *a, const char *b, bool fold_case);

/* The same for what is compared often: what a text can be read as. Plain data; the text is
 * borrowed, and may be NULL where nothing is compared. */
struct kms_operand {
	const char *text;
	double number;
	int64_t ns; /* of a time, since 1970, or of a duration */
	bool is_number, is_time, is_duration;
};
void kms_operand_read(const char *text, struct kms_operand *ret_operand);
int kms_operand_compare(const struct kms_operand *a, const struct kms_operand *b, bool fold_case);

/* ---- --sort-by */

/* Whether `text` is a list FIELD[,~FIELD...]. Errors: CLV_E_INVALID_ARGUMENT. */
CLV_MUST_USE clv_rc kms_sort_check(const char *text, struct clv_err *err);

/* Bytes of the first field of a --sort-by, without the "~" that makes its order falling. 0: there
 * is none. */
size_t kms_sort_span(const char *text, bool *ret_falling);

#endif
