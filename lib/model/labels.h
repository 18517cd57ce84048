/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of a key as one text, "key=value,key=value", sorted by key; empty when there are none. */
#ifndef MODEL_LABELS_H
#define MODEL_LABELS_H

#include <claviger/key.h>

#define MODEL_LABELS_COUNT_MAX 64 /* labels of one key */
#define MODEL_LABEL_PART_MAX 63   /* characters of a key, and of a value */

/*
 * Reads labels in any order (NULL: none). Keys are `[a-z][a-z0-9_-]*`, each once, values
 * `[a-z0-9_-]*`. Errors: CLV_E_INVALID_ARGUMENT, naming the label and the rule.
 */
CLV_MUST_USE clv_rc model_labels_parse(const char *text, char ret_labels[CLV_LABELS_MAX],
				       struct clv_err *err);

/* `labels`, which model_labels_parse() made, with `updates` added or in place of older values; and
 * without the keys "key,key", of which any may be missing. `ret_labels` may be `labels`. Errors: as
 * above. */
CLV_MUST_USE clv_rc model_labels_update(const char *labels, const char *updates,
					char ret_labels[CLV_LABELS_MAX], struct clv_err *err);
CLV_MUST_USE clv_rc model_labels_remove(const char *labels, const char *keys,
					char ret_labels[CLV_LABELS_MAX], struct clv_err *err);

#endif
