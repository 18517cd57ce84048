/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line in which the member is found and replaced has the new value in it and all other members
 * as they were. What is base64 is the one text for its bytes.
 */
#include <string.h>

#include "tests/support/fuzz.h"
#include "tools/common/base64.h"
#include "tools/kmsctl/json_line.h"

const char *const fuzz_seeds = "json_line";

static const struct clv_bytes new_value = { (const uint8_t *) "bmV3", 4 };

static void try_base64(const char *text)
{
	const struct clv_bytes view = { (const uint8_t *) text, strlen(text) };
	struct clv_buf bytes = { 0 }, again = { 0 };
	struct clv_err err;

	if (kms_base64_decode(view, &bytes, &err) == CLV_OK) {
		FUZZ_CHECK(kms_base64_encode(clv_buf_view(&bytes), &again, &err) == CLV_OK);
		FUZZ_CHECK(again.len == view.len);
		FUZZ_CHECK(view.len == 0 || memcmp(again.data, view.data, view.len) == 0);
	}
	clv_buf_done(&bytes);
	clv_buf_done(&again);
}

static void try_replace(const struct json_line *line)
{
	struct clv_buf out = { 0 };
	struct json_line after;
	struct clv_err err;

	FUZZ_CHECK(json_line_replace(line, new_value, &out, &err) == CLV_OK);
	FUZZ_CHECK(json_line_parse(clv_buf_view(&out), "w", &after, &err) == CLV_OK);
	FUZZ_CHECK(strcmp(after.value, "bmV3") == 0);
	FUZZ_CHECK(after.before.len == line->before.len && after.after.len == line->after.len);
	FUZZ_CHECK(json_object_del(after.object, "w") == 0);
	FUZZ_CHECK(json_object_del(line->object, "w") == 0);
	FUZZ_CHECK(json_equal(after.object, line->object));
	json_line_done(&after);
	clv_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_line line;
	struct clv_err err;

	if (json_line_parse((struct clv_bytes){ data, size }, "w", &line, &err) == CLV_OK) {
		try_base64(line.value);
		try_replace(&line);
		json_line_done(&line);
	}
	return 0;
}
