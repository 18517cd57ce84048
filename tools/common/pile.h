/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that are put into order, of any number in little memory: what does not fit is sorted in
 * parts, which wait in a file without a name and are merged as they are handed out. Like the spool
 * never for plaintexts; unlike it for what cannot be printed before the last row has come.
 */
#ifndef TOOLS_COMMON_PILE_H
#define TOOLS_COMMON_PILE_H

#include <stddef.h>

#include <claviger/err.h>
#include <jansson.h>

#include "tools/common/field.h"

#define KMS_PILE_MEMORY                                                                            \
	8388608 /* bytes that are kept in memory, and again while they are merged                  \
		 */

struct kms_pile;

/*
 * An empty one. `order` is a --sort-by that kms_sort_check() found good: first field first, "~" is
 * falling order, items without the field come first, and equals stay as they came; NULL: all stay
 * as they came. No more than the first `limit` are handed out. Owned: end with kms_pile_free().
 */
CLV_MUST_USE clv_rc kms_pile_new(const char *order, size_t limit, struct kms_pile **ret_pile,
				 struct clv_err *err);
struct kms_pile *kms_pile_free(struct kms_pile *pile);

/*
 * Adds a row of any bytes; its place is where the fields of `item` put it.
 * Errors: CLV_E_RESOURCE_EXHAUSTED no memory, or no room for the file;
 *         CLV_E_UNAVAILABLE        it cannot be made or read.
 */
CLV_MUST_USE clv_rc kms_pile_add(struct kms_pile *pile, const json_t *item, const char *text,
				 size_t len, struct clv_err *err);

/* Whether there is a field to sort by that no item had; the first of them is written to `field`. */
bool kms_pile_unseen(const struct kms_pile *pile, char field[KMS_FIELD_MAX]);

/* All rows are there: the first one is what comes next. Once more: from the first again. */
CLV_MUST_USE clv_rc kms_pile_begin(struct kms_pile *pile, struct clv_err *err);

/* The next row; NULL: there are no more. Borrowed until the next call. */
CLV_MUST_USE clv_rc kms_pile_next(struct kms_pile *pile, const char **ret_text, size_t *ret_len,
				  struct clv_err *err);

#endif
