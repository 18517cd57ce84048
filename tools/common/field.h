/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of records, by dotted names as gcloud has them: finding them, and putting two values in
 * order. Tables, --filter, --sort-by and --format all look here.
 */
#ifndef TOOLS_COMMON_FIELD_H
#define TOOLS_COMMON_FIELD_H

#include <stdbool.h>
#include <stddef.h>

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

/* ---- --sort-by */

/* Whether `text` is a list FIELD[,~FIELD...]. Errors: CLV_E_INVALID_ARGUMENT. */
CLV_MUST_USE clv_rc kms_sort_check(const char *text, struct clv_err *err);

/* Whether one of the fields of a --sort-by is `key` or a part of it. */
bool kms_sort_has(const char *text, const char *key);

/* The first field of a --sort-by that no item of `list` has, written to `field`. false: none. */
bool kms_sort_unseen(const json_t *list, const char *text, char field[KMS_FIELD_MAX]);

/*
 * A new list of the items of `list` in the order that `text` asks for: first field first, "~" is
 * falling order, items without the field come first, and equals stay as they were. NULL: no memory.
 */
json_t *kms_sort(const json_t *list, const char *text);

#endif
