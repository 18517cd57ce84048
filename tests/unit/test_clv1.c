/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <stdio.h>
#include <stdlib.h>

#include <claviger/crypt.h>

#include "lib/envelope/clv1.h"

#define DAMAGED "Decryption failed: the ciphertext is invalid."
#define HEADER (1 + CLV_UID_LEN + 1)
#define SHORTEST (HEADER + CLV1_IV_MIN + CLV1_TAG_LEN)

static const uint8_t uid_counting[CLV_UID_LEN] = { 0, 1, 2,  3,  4,  5,  6,  7,
						   8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t uid_ones[CLV_UID_LEN] = { 255, 255, 255, 255, 255, 255, 255, 255,
					       255, 255, 255, 255, 255, 255, 255, 255 };

/* Fills bytes with a CLV1 ciphertext of `len` bytes whose body bytes are their own places. */
static struct clv_bytes make(uint8_t *bytes, size_t len, uint8_t iv_len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t) i;
	bytes[0] = CLV1_MAGIC;
	bytes[HEADER - 1] = iv_len;
	return (struct clv_bytes){ .data = bytes, .len = len };
}

static void parse_takes_a_ciphertext_apart(void **state)
{
	uint8_t bytes[100];
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	for (uint8_t iv_len = CLV1_IV_MIN; iv_len <= CLV1_IV_MAX; iv_len++) {
		check_ok(clv1_parse(make(bytes, sizeof bytes, iv_len), &parts, &err));
		assert_memory_equal(parts.uid, bytes + 1, CLV_UID_LEN);
		assert_ptr_equal(parts.iv.data, bytes + HEADER);
		assert_int_equal(parts.iv.len, iv_len);
		assert_ptr_equal(parts.sealed.data, bytes + HEADER + iv_len);
		assert_int_equal(parts.sealed.len, sizeof bytes - HEADER - iv_len);
	}
}

static void parse_takes_an_empty_plaintext(void **state)
{
	uint8_t bytes[SHORTEST];
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	check_ok(clv1_parse(make(bytes, sizeof bytes, CLV1_IV_MIN), &parts, &err));
	assert_int_equal(parts.sealed.len, CLV1_TAG_LEN);
}

/* Each length in memory of just that size, so that a sanitizer sees one byte too many. */
static void parse_refuses_every_ciphertext_that_is_too_short(void **state)
{
	uint8_t whole[SHORTEST];

	(void) state;
	make(whole, sizeof whole, CLV1_IV_MIN);
	for (size_t len = 0; len < SHORTEST; len++) {
		uint8_t *bytes = malloc(len == 0 ? 1 : len);
		struct clv1 parts = { .iv = { .len = 77 } };
		struct clv_err err;
		clv_rc rc;

		memcpy(bytes, whole, len);
		rc = clv1_parse((struct clv_bytes){ .data = bytes, .len = len }, &parts, &err);
		free(bytes);
		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, DAMAGED);
		assert_int_equal(parts.iv.len, 77);
	}
}

static void parse_refuses_no_bytes(void **state)
{
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	check_refused(clv1_parse((struct clv_bytes){ .data = NULL, .len = 0 }, &parts, &err), &err,
		      CLV_E_INVALID_ARGUMENT, DAMAGED);
}

static void parse_refuses_every_other_first_byte(void **state)
{
	uint8_t bytes[SHORTEST];
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	for (unsigned first = 0; first < 256; first++) {
		struct clv_bytes view = make(bytes, sizeof bytes, CLV1_IV_MIN);

		bytes[0] = (uint8_t) first;
		if (first != CLV1_MAGIC)
			check_refused(clv1_parse(view, &parts, &err), &err, CLV_E_INVALID_ARGUMENT,
				      DAMAGED);
	}
}

static void parse_refuses_every_other_iv_length(void **state)
{
	uint8_t bytes[400]; /* room enough for all, so that only the length is wrong */
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	for (unsigned iv_len = 0; iv_len < 256; iv_len++) {
		struct clv_bytes view = make(bytes, sizeof bytes, (uint8_t) iv_len);

		if (iv_len < CLV1_IV_MIN || iv_len > CLV1_IV_MAX)
			check_refused(clv1_parse(view, &parts, &err), &err, CLV_E_INVALID_ARGUMENT,
				      DAMAGED);
	}
}

static void parse_refuses_an_iv_that_leaves_no_room_for_the_tag(void **state)
{
	uint8_t bytes[SHORTEST];
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	check_refused(clv1_parse(make(bytes, sizeof bytes, CLV1_IV_MIN + 1), &parts, &err), &err,
		      CLV_E_INVALID_ARGUMENT, DAMAGED);
}

static void parse_says_exactly_the_text_of_cloud_kms(void **state)
{
	struct clv1 parts;
	struct clv_err err;

	(void) state;
	assert_int_equal(clv1_parse((struct clv_bytes){ .len = 0 }, &parts, &err),
			 CLV_E_INVALID_ARGUMENT);
	assert_string_equal(err.text, DAMAGED);
}

static void add_header_appends_what_parse_reads(void **state)
{
	static const uint8_t iv[CLV1_IV_MAX] = "0123456789abcdef";
	static const uint8_t tag[CLV1_TAG_LEN] = { 0 };

	(void) state;
	for (size_t iv_len = CLV1_IV_MIN; iv_len <= CLV1_IV_MAX; iv_len++) {
		struct clv_buf buf = { 0 };
		struct clv1 parts;
		struct clv_err err;

		check_ok(clv1_add_header(&buf, uid_counting,
					 (struct clv_bytes){ .data = iv, .len = iv_len }, &err));
		assert_int_equal(buf.len, HEADER + iv_len);
		assert_int_equal(buf.data[0], 0xc1);
		check_ok(clv_buf_add(&buf, tag, sizeof tag, &err));
		check_ok(clv1_parse(clv_buf_view(&buf), &parts, &err));
		assert_memory_equal(parts.uid, uid_counting, CLV_UID_LEN);
		assert_int_equal(parts.iv.len, iv_len);
		assert_memory_equal(parts.iv.data, iv, iv_len);
		clv_buf_done(&buf);
	}
}

static void add_header_keeps_what_was_there(void **state)
{
	static const uint8_t iv[CLV1_IV_MIN] = { 0 };
	struct clv_buf buf = { 0 };
	struct clv_err err;

	(void) state;
	check_ok(clv_buf_add(&buf, "before", 6, &err));
	check_ok(clv1_add_header(&buf, uid_ones, (struct clv_bytes){ .data = iv, .len = sizeof iv },
				 &err));
	assert_memory_equal(buf.data, "before", 6);
	assert_int_equal(buf.data[6], CLV1_MAGIC);
	clv_buf_done(&buf);
}

/*
 * Made with Python's hashlib, for uid, name and AAD as below:
 *
 *   n = name.encode()
 *   hashlib.sha256(b"claviger/1" + b"\xc1" + uid + struct.pack(">I", len(n)) + n +
 *                  struct.pack(">I", len(aad)) + aad).hexdigest()
 */
#define KEY(location) "projects/demo/locations/" location "/keyRings/payments/cryptoKeys/orders"
static const struct {
	const uint8_t *uid;
	const char *key_name, *aad, *hex;
} vectors[] = {
	{ uid_counting, KEY("europe-west2"), "",
	  "9a96c39391c65c214e3f1931974923e4045bf9d40abaa222318967beedadc1bf" },
	{ uid_counting, KEY("europe-west2"), "topic=orders",
	  "0736f21cf8c4eb97b89ee8436fd365e4882739c52ae347b786328e2795a8707e" },
	{ uid_ones, KEY("europe-west2"), "",
	  "bf42f575bf62457a3be20eae4e6e686eabc9ed4ef9a5ea675a9c495a6b231fa4" },
	{ uid_counting, KEY("global"), "",
	  "a92215d1f2ba0e345123e2f0624b4d50f600430a8439143c1aa3a42a835b46d8" },
};

static void check_hex(const uint8_t *bytes, const char *hex)
{
	char got[2 * CLV1_AAD_LEN + 1];

	for (size_t i = 0; i < CLV1_AAD_LEN; i++)
		snprintf(got + 2 * i, 3, "%02x", bytes[i]);
	assert_string_equal(got, hex);
}

static void aad_agrees_with_an_independent_tool(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(vectors); i++) {
		const struct clv_bytes aad = { .data = (const uint8_t *) vectors[i].aad,
					       .len = strlen(vectors[i].aad) };
		uint8_t got[CLV1_AAD_LEN];
		struct clv_err err;

		check_ok(clv1_aad(vectors[i].uid, vectors[i].key_name, aad, got, &err));
		check_hex(got, vectors[i].hex);
	}
}

/* The same tool, with 65,536 zero bytes. */
static void aad_takes_the_longest_there_may_be(void **state)
{
	static const uint8_t zeros[CLV_AAD_MAX];
	uint8_t got[CLV1_AAD_LEN];
	struct clv_err err;

	(void) state;
	check_ok(clv1_aad(uid_counting, KEY("europe-west2"),
			  (struct clv_bytes){ .data = zeros, .len = sizeof zeros }, got, &err));
	check_hex(got, "a49db92fee26c47b8ee47d9942ea82f6d0af9cf59cb69e7bb461885ab8d10ca4");
}

/* Without the lengths "ab" + "c" and "a" + "bc" would be one. */
static void aad_keeps_name_and_aad_apart(void **state)
{
	uint8_t one[CLV1_AAD_LEN], other[CLV1_AAD_LEN];
	struct clv_err err;

	(void) state;
	check_ok(clv1_aad(uid_ones, "ab",
			  (struct clv_bytes){ .data = (const uint8_t *) "c", .len = 1 }, one,
			  &err));
	check_ok(clv1_aad(uid_ones, "a",
			  (struct clv_bytes){ .data = (const uint8_t *) "bc", .len = 2 }, other,
			  &err));
	assert_memory_not_equal(one, other, CLV1_AAD_LEN);
}

static void aad_of_nothing_needs_no_bytes(void **state)
{
	uint8_t got[CLV1_AAD_LEN];
	struct clv_err err;

	(void) state;
	check_ok(clv1_aad(uid_counting, KEY("europe-west2"), (struct clv_bytes){ .len = 0 }, got,
			  &err));
	check_hex(got, vectors[0].hex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_takes_a_ciphertext_apart),
		cmocka_unit_test(parse_takes_an_empty_plaintext),
		cmocka_unit_test(parse_refuses_every_ciphertext_that_is_too_short),
		cmocka_unit_test(parse_refuses_no_bytes),
		cmocka_unit_test(parse_refuses_every_other_first_byte),
		cmocka_unit_test(parse_refuses_every_other_iv_length),
		cmocka_unit_test(parse_refuses_an_iv_that_leaves_no_room_for_the_tag),
		cmocka_unit_test(parse_says_exactly_the_text_of_cloud_kms),
		cmocka_unit_test(add_header_appends_what_parse_reads),
		cmocka_unit_test(add_header_keeps_what_was_there),
		cmocka_unit_test(aad_agrees_with_an_independent_tool),
		cmocka_unit_test(aad_takes_the_longest_there_may_be),
		cmocka_unit_test(aad_keeps_name_and_aad_apart),
		cmocka_unit_test(aad_of_nothing_needs_no_bytes),
	};
	return cmocka_run_group_tests_name("clv1", tests, NULL, NULL);
}
