/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --filter: the part of gcloud's filter language that speaks of fields.
 *
 *   test      FIELD OP VALUE, where OP is = != < <= > >= : ~ !~; behind = : ~ also (VALUE ...)
 *   together  -TEST, NOT TEST, TEST AND TEST, TEST OR TEST, (...); two tests side by side are
 *             both wanted, and that binds less than OR; AND beside OR needs parentheses
 *   =         the same but for upper and lower case; numbers, times and durations by their value
 *   :         contains, but for upper and lower case; with one *, the whole is as it says; of a
 *             field with parts, the name or the value of one of them; FIELD:* the field is there
 *   ~         matches the POSIX extended regular expression
 *
 * A test of a field that is not there does not hold, and so its negation does.
 */
#ifndef TOOLS_COMMON_FILTER_H
#define TOOLS_COMMON_FILTER_H

#include <stdbool.h>

#include <claviger/err.h>
#include <jansson.h>

struct kms_filter;

/*
 * On CLV_OK the caller owns *ret_filter and ends it with kms_filter_free().
 * Errors: CLV_E_INVALID_ARGUMENT      what is wrong, and where
 *         CLV_E_RESOURCE_EXHAUSTED  no memory
 */
CLV_MUST_USE clv_rc kms_filter_parse(const char *text, struct kms_filter **ret_filter,
				     struct clv_err *err);
/* NULL is fine. Returns NULL. */
struct kms_filter *kms_filter_free(struct kms_filter *filter);

bool kms_filter_holds(struct kms_filter *filter, const json_t *item);

/* The fields that none of the items had which were looked at so far, one a call; start with
 * *at == 0. Most likely they are misspelt. NULL: no more. Borrowed from the filter. */
const char *kms_filter_unseen(const struct kms_filter *filter, size_t *at);

#endif
