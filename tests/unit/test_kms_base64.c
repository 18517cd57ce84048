/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: the vectors of RFC 4648 section 10, every length, and all that is refused. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/auto.h"
#include "tools/common/base64.h"

static struct clv_bytes bytes_of(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

static void vectors_of_the_rfc_hold(void **state)
{
	static const char *const vectors[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	struct clv_buf text = { 0 }, back = { 0 };
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < KMS_ARRAY_LEN(vectors); i++) {
		text.len = back.len = 0;
		assert_int_equal(kms_base64_encode(bytes_of(vectors[i][0]), &text, &err), CLV_OK);
		assert_int_equal(text.len, strlen(vectors[i][1]));
		assert_memory_equal(text.data, vectors[i][1], text.len);
		assert_int_equal(kms_base64_decode(clv_buf_view(&text), &back, &err), CLV_OK);
		assert_int_equal(back.len, strlen(vectors[i][0]));
		assert_memory_equal(back.data, vectors[i][0], back.len);
	}
	clv_buf_done(&text);
	clv_buf_done(&back);
}

static void all_bytes_in_every_length_come_back(void **state)
{
	struct clv_buf text = { 0 }, back = { 0 };
	uint8_t bytes[512];
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t) (i * 37 + i / 256);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		text.len = back.len = 0;
		assert_int_equal(kms_base64_encode((struct clv_bytes){ bytes, len }, &text, &err),
				 CLV_OK);
		assert_int_equal(kms_base64_decode(clv_buf_view(&text), &back, &err), CLV_OK);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, bytes, len);
	}
	clv_buf_done(&text);
	clv_buf_done(&back);
}

static void what_is_not_the_one_text_is_refused(void **state)
{
	static const char *const texts[] = {
		"Z",      "Zg",    "Zg=",      "Zg===",    "====",    "Z===",  "=Zg=",
		"Zm=v",   "Zm9v=", "Zg==Zg==", "Zh==",     "Zm9=",    "Zm9v ", " Zm9",
		"Zm9v\n", "Zm-v",  "Zm_v",     "Zm9v*m9v", "Zm9\x80", "Zg=\n", "Zm8=Zm9v",
	};
	struct clv_buf out = { 0 };
	struct clv_err err;

	(void) state;
	assert_int_equal(clv_buf_add(&out, "head", 4, &err), CLV_OK);
	for (size_t i = 0; i < KMS_ARRAY_LEN(texts); i++) {
		if (kms_base64_decode(bytes_of(texts[i]), &out, &err) != CLV_E_INVALID_ARGUMENT)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_int_equal(out.len, 4);
		assert_memory_equal(out.data, "head", 4);
	}
	assert_int_equal(
		kms_base64_decode((struct clv_bytes){ (const uint8_t *) "Zm\0v", 4 }, &out, &err),
		CLV_E_INVALID_ARGUMENT);
	clv_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_rfc_hold),
		cmocka_unit_test(all_bytes_in_every_length_come_back),
		cmocka_unit_test(what_is_not_the_one_text_is_refused),
	};

	return cmocka_run_group_tests_name("kms_base64", tests, NULL, NULL);
}
