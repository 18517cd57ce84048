/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An expression that parses holds for a record or does not, and its negation the other way round.
 * Regular expressions are left out: what they cost is up to the C library.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/fuzz.h"
#include "tools/common/field.h"
#include "tools/common/filter.h"
#include "tools/common/format.h"
#include "tools/common/pile.h"

const char *const fuzz_seeds = "filter";

static const char record_text[] =
	"{\"name\":\"projects/p/keyRings/r\",\"state\":\"ENABLED\",\"n\":5,\"f\":true,"
	"\"primary\":{\"state\":\"ENABLED\"},\"createTime\":\"2026-11-25T01:00:00Z\","
	"\"labels\":{\"team\":\"a b\"},\"tags\":[\"red\",{\"x\":[1]}],\"none\":null}";

static void try_filter(const char *text, const json_t *record)
{
	size_t len = strlen(text) + sizeof "NOT ()";
	struct kms_filter *filter, *negated;
	char *negation = malloc(len);
	struct clv_err err;
	size_t at = 0;

	FUZZ_CHECK(negation != NULL);
	snprintf(negation, len, "NOT (%s)", text);
	if (kms_filter_parse(text, &filter, &err) == CLV_OK) {
		bool holds = kms_filter_holds(filter, record);

		/* Two more levels may be one too many. */
		if (kms_filter_parse(negation, &negated, &err) == CLV_OK) {
			FUZZ_CHECK(kms_filter_holds(negated, record) != holds);
			kms_filter_free(negated);
		}
		while (kms_filter_unseen(filter, &at) != NULL)
			;
		kms_filter_free(filter);
	}
	free(negation);
}

static void try_sort(const char *text, const json_t *record)
{
	struct kms_pile *pile;
	struct clv_err err;
	const char *row;
	size_t len;

	if (kms_sort_check(text, &err) != CLV_OK)
		return;
	FUZZ_CHECK(kms_pile_new(text, 4, &pile, &err) == CLV_OK);
	for (int i = 0; i < 3; i++)
		FUZZ_CHECK(kms_pile_add(pile, record, &"abc"[i], 1, &err) == CLV_OK);
	FUZZ_CHECK(kms_pile_begin(pile, &err) == CLV_OK);
	for (int i = 0; i < 4; i++) {
		FUZZ_CHECK(kms_pile_next(pile, &row, &len, &err) == CLV_OK);
		FUZZ_CHECK(i < 3 ? len == 1 && *row == "abc"[i] : row == NULL);
	}
	kms_pile_free(pile);
}

static void try_format(const char *text, const json_t *record)
{
	struct kms_format format;
	struct clv_err err;
	char *printed = NULL;
	size_t len;
	FILE *to;

	if (kms_format_parse(text, &format, &err) != CLV_OK || format.form != KMS_FORM_VALUE)
		return;
	to = open_memstream(&printed, &len);
	FUZZ_CHECK(to != NULL);
	kms_print_values(to, record, &format, true);
	fclose(to);
	FUZZ_CHECK(len > 0 && printed[len - 1] == '\n');
	free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *record = json_loads(record_text, 0, NULL);
	char *text = malloc(size + 1);

	FUZZ_CHECK(text != NULL && record != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (strchr(text, '~') == NULL)
		try_filter(text, record);
	try_sort(text, record);
	try_format(text, record);
	free(text);
	json_decref(record);
	return 0;
}
