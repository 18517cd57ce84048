/* SPDX-License-Identifier: Apache-2.0 */
/* What parses as a time or a duration means the same after it was written and read again. */
#include <string.h>

#include <claviger/time.h>

#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "time";

static void try_time(const char *text)
{
	char buf[CLV_TIME_TEXT_MAX];
	int64_t ns, again;
	struct clv_err err;

	if (clv_time_parse(text, &ns, &err) != CLV_OK)
		return;
	FUZZ_CHECK(clv_time_parse(clv_time_format(ns, buf), &again, &err) == CLV_OK);
	FUZZ_CHECK(again == ns);
}

static void try_duration(const char *text)
{
	char buf[CLV_DURATION_TEXT_MAX];
	int64_t ns, again;
	struct clv_err err;

	if (clv_duration_parse(text, &ns, &err) != CLV_OK)
		return;
	FUZZ_CHECK(ns >= 0);
	FUZZ_CHECK(clv_duration_parse(clv_duration_format(ns, buf), &again, &err) == CLV_OK);
	FUZZ_CHECK(again == ns);
}

/* The bytes as a number, to have them written: every point in time has a text that reads back. */
static void try_number(const uint8_t *data, size_t size)
{
	char buf[CLV_TIME_TEXT_MAX];
	int64_t ns = 0, again;
	struct clv_err err;

	if (size > 0)
		memcpy(&ns, data, size < sizeof ns ? size : sizeof ns);
	FUZZ_CHECK(clv_time_parse(clv_time_format(ns, buf), &again, &err) == CLV_OK);
	FUZZ_CHECK(again == ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	try_time(text);
	try_duration(text);
	try_number(data, size);
	free(text);
	return 0;
}
