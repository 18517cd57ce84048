/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <string.h>

#include <claviger/hash.h>

#include "lib/base/bytes.h"
#include "lib/model/algorithm.h"

/* Digests of "abc": RFC 3174 section 7.3, RFC 4634 section 8.4. */
static const struct {
	enum clv_hash hash;
	const char *name, *digest;
} rows[] = {
	{ CLV_HASH_SHA1, "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ CLV_HASH_SHA224, "sha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
	{ CLV_HASH_SHA256, "sha256",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ CLV_HASH_SHA384, "sha384",
	  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca1"
	  "34c825a7" },
	{ CLV_HASH_SHA512, "sha512",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
	  "a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};

static void digests_are_those_of_the_rfcs_in_one_part_or_three(void **state)
{
	(void) state;
	for (size_t i = 0; i < 2 * CLV_ARRAY_LEN(rows); i++) {
		struct clv_hashing *hashing = NULL;
		uint8_t digest[CLV_HASH_MAX];
		char text[2 * CLV_HASH_MAX + 1];
		struct clv_err err;
		size_t len, parts = i % 2 == 0 ? 1 : 3;

		assert_int_equal(clv_hash_new(rows[i / 2].hash, &hashing, &err), CLV_OK);
		for (size_t at = 0; at < 3; at += 3 / parts)
			assert_int_equal(clv_hash_add(hashing, &"abc"[at], 3 / parts, &err),
					 CLV_OK);
		assert_int_equal(clv_hash_end(hashing, digest, &len, &err), CLV_OK);
		assert_int_equal(len, model_hash_len(rows[i / 2].hash));
		clv_hex(digest, len, text);
		assert_string_equal(text, rows[i / 2].digest);
		assert_string_equal(clv_hash_name(rows[i / 2].hash), rows[i / 2].name);
		assert_null(clv_hash_free(hashing));
	}
}

static void what_is_no_hash_is_refused(void **state)
{
	static const int numbers[] = { CLV_HASH_NONE, CLV_HASH_SHA512 + 1, -1 };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(numbers); i++) {
		struct clv_hashing *hashing = NULL;
		struct clv_err err;

		assert_int_equal(clv_hash_new((enum clv_hash) numbers[i], &hashing, &err),
				 CLV_E_INVALID_ARGUMENT);
		assert_null(hashing);
		assert_string_equal(clv_hash_name((enum clv_hash) numbers[i]), "none");
	}
	assert_null(clv_hash_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_rfcs_in_one_part_or_three),
		cmocka_unit_test(what_is_no_hash_is_refused),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
