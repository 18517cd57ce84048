/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: reading, sorting, writing. Cloud KMS has them as a map; the catalogue as one text. */
#include <stdio.h>
#include <string.h>

#include "lib/base/auto.h"
#include "lib/base/quote.h"
#include "lib/model/labels.h"

#include "lib/base/banned.h"

/* Points into the text it was read from. */
struct label {
	const char *key, *value;
	size_t key_len, value_len;
};

/* Sorted by key, each once. */
struct labels {
	struct label items[MODEL_LABELS_COUNT_MAX];
	size_t n;
};

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define OTHERS "0123456789_-"

static bool is_made_of(const char *text, size_t len, const char *allowed)
{
	return strspn(text, allowed) >= len;
}

/* For error texts: what is no label may be anything. */
static const char *quote_part(const char *text, size_t len, char buf[CLV_QUOTE_MAX])
{
	char part[CLV_QUOTE_MAX];

	snprintf(part, sizeof part, "%.*s", len < sizeof part ? (int) len : (int) sizeof part,
		 text);
	return clv_quote(part, buf);
}

static clv_rc check_key(const char *key, size_t len, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	if (len >= 1 && len <= MODEL_LABEL_PART_MAX && is_made_of(key, 1, LETTERS) &&
	    is_made_of(key, len, LETTERS OTHERS))
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the key of label %s must be 1 to 63 of a-z, 0-9, _ and -, a letter first",
			quote_part(key, len, quoted));
}

static clv_rc check_value(const struct label *label, struct clv_err *err)
{
	if (label->value_len <= MODEL_LABEL_PART_MAX &&
	    is_made_of(label->value, label->value_len, LETTERS OTHERS))
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the value of label \"%.*s\" must be at most 63 of a-z, 0-9, _ and -",
			(int) label->key_len, label->key);
}

/* The label that `text` begins with; *ret_len is how much of it that is. */
static clv_rc read_label(const char *text, struct label *ret_label, size_t *ret_len,
			 struct clv_err *err)
{
	size_t len = strcspn(text, ",");
	struct label label = { .key = text };
	const char *equals = memchr(text, '=', len);
	char quoted[CLV_QUOTE_MAX];

	if (equals == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"labels are written key=value,key=value: %s has no value",
				quote_part(text, len, quoted));
	label.key_len = (size_t) (equals - text);
	label.value = equals + 1;
	label.value_len = len - label.key_len - 1;
	CLV_TRY(check_key(label.key, label.key_len, err));
	CLV_TRY(check_value(&label, err));
	*ret_label = label;
	*ret_len = len;
	return CLV_OK;
}

/* Below, at or above 0 as the key comes before, is or comes behind that of the label. */
static int compare(const char *key, size_t len, const struct label *with)
{
	int order = strncmp(key, with->key, len < with->key_len ? len : with->key_len);

	if (order != 0 || len == with->key_len)
		return order;
	return len < with->key_len ? -1 : 1;
}

/* Where the key is, or belongs. */
static size_t find(const struct labels *set, const char *key, size_t len, bool *ret_found)
{
	size_t at = 0;

	while (at < set->n && compare(key, len, &set->items[at]) > 0)
		at++;
	*ret_found = at < set->n && compare(key, len, &set->items[at]) == 0;
	return at;
}

static clv_rc put(struct labels *set, const struct label *label, bool replace, struct clv_err *err)
{
	bool found;
	size_t at = find(set, label->key, label->key_len, &found);

	if (found && !replace)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the label \"%.*s\" is given twice",
				(int) label->key_len, label->key);
	if (!found && set->n == MODEL_LABELS_COUNT_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "a key can have at most %d labels",
				MODEL_LABELS_COUNT_MAX);
	if (!found) {
		memmove(&set->items[at + 1], &set->items[at], (set->n - at) * sizeof set->items[0]);
		set->n++;
	}
	set->items[at] = *label;
	return CLV_OK;
}

static void drop(struct labels *set, const char *key, size_t len)
{
	bool found;
	size_t at = find(set, key, len, &found);

	if (!found)
		return;
	set->n--;
	memmove(&set->items[at], &set->items[at + 1], (set->n - at) * sizeof set->items[0]);
}

static clv_rc read_all(const char *text, struct labels *set, struct clv_err *err)
{
	*set = (struct labels){ .n = 0 };
	if (text == NULL || text[0] == '\0')
		return CLV_OK;
	for (;;) {
		struct label label;
		size_t len = 0;

		CLV_TRY(read_label(text, &label, &len, err));
		CLV_TRY(put(set, &label, false, err));
		if (text[len] == '\0')
			return CLV_OK;
		text += len + 1;
		if (text[0] == '\0') /* a comma behind the last one, which gcloud takes too */
			return CLV_OK;
	}
}

/* All of them fit, whatever they are: CLV_LABELS_MAX was counted so. */
static void write_all(const struct labels *set, char ret_labels[CLV_LABELS_MAX])
{
	char text[CLV_LABELS_MAX] = "";
	size_t used = 0;

	_Static_assert(MODEL_LABELS_COUNT_MAX * (2 * MODEL_LABEL_PART_MAX + 2) <= CLV_LABELS_MAX,
		       "the longest labels fit");
	for (size_t i = 0; i < set->n; i++) {
		const struct label *label = &set->items[i];

		used += (size_t) snprintf(text + used, sizeof text - used, "%s%.*s=%.*s",
					  i > 0 ? "," : "", (int) label->key_len, label->key,
					  (int) label->value_len, label->value);
	}
	memcpy(ret_labels, text, used + 1);
}

clv_rc model_labels_parse(const char *text, char ret_labels[CLV_LABELS_MAX], struct clv_err *err)
{
	struct labels set;

	CLV_TRY(read_all(text, &set, err));
	write_all(&set, ret_labels);
	return CLV_OK;
}

clv_rc model_labels_update(const char *labels, const char *updates, char ret_labels[CLV_LABELS_MAX],
			   struct clv_err *err)
{
	struct labels set, more;

	CLV_TRY(read_all(labels, &set, err));
	CLV_TRY(read_all(updates, &more, err));
	for (size_t i = 0; i < more.n; i++)
		CLV_TRY(put(&set, &more.items[i], true, err));
	write_all(&set, ret_labels);
	return CLV_OK;
}

clv_rc model_labels_remove(const char *labels, const char *keys, char ret_labels[CLV_LABELS_MAX],
			   struct clv_err *err)
{
	struct labels set;

	CLV_TRY(read_all(labels, &set, err));
	while (keys != NULL && keys[0] != '\0') {
		size_t len = strcspn(keys, ",");

		CLV_TRY(check_key(keys, len, err));
		drop(&set, keys, len);
		keys += len + (keys[len] == ',');
	}
	write_all(&set, ret_labels);
	return CLV_OK;
}
