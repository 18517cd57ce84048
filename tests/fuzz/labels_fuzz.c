/* SPDX-License-Identifier: Apache-2.0 */
/* Labels that parse are written sorted, and are read again as they were written; each of them can
 * be taken away. A refusal says something printable. */
#include <string.h>

#include "lib/model/labels.h"
#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "labels";

static void check_text(const struct clv_err *err)
{
	FUZZ_CHECK(err->text[0] != '\0');
	for (const char *at = err->text; *at != '\0'; at++)
		FUZZ_CHECK(*at >= 0x20 && *at <= 0x7e);
}

/* The keys of `labels`, separated by commas; *ret_n is how many. */
static void keys_of(const char *labels, char keys[CLV_LABELS_MAX], size_t *ret_n)
{
	size_t n = 0, used = 0;
	bool in_key = true;

	for (; *labels != '\0'; labels++) {
		n += *labels == '=';
		in_key = in_key ? *labels != '=' : *labels == ',';
		if (in_key)
			keys[used++] = *labels;
	}
	keys[used] = '\0';
	*ret_n = n;
}

static void check_labels(const char *text)
{
	char labels[CLV_LABELS_MAX], again[CLV_LABELS_MAX], keys[CLV_LABELS_MAX];
	struct clv_err err;
	size_t n = strlen(text);

	if (model_labels_parse(text, labels, &err) != CLV_OK) {
		check_text(&err);
		return;
	}
	if (n > 0 && text[n - 1] == ',') /* one comma too many is forgiven */
		n--;
	FUZZ_CHECK(strlen(labels) == n);
	FUZZ_CHECK(model_labels_parse(labels, again, &err) == CLV_OK);
	FUZZ_CHECK(strcmp(labels, again) == 0);
	FUZZ_CHECK(model_labels_update(labels, text, again, &err) == CLV_OK);
	FUZZ_CHECK(strcmp(labels, again) == 0);
	keys_of(labels, keys, &n);
	FUZZ_CHECK(n <= MODEL_LABELS_COUNT_MAX);
	FUZZ_CHECK(model_labels_remove(labels, keys, again, &err) == CLV_OK);
	FUZZ_CHECK(again[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char labels[CLV_LABELS_MAX];
	struct clv_err err;

	FUZZ_CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_labels(text);
	if (model_labels_remove("a=1,b=2", text, labels, &err) != CLV_OK)
		check_text(&err);
	free(text);
	return 0;
}
