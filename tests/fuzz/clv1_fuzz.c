/* SPDX-License-Identifier: Apache-2.0 */
/* A ciphertext that parses is made of exactly the parts that parsing says. */
#include <string.h>

#include <claviger/crypt.h>

#include "lib/envelope/clv1.h"
#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "clv1";

static void check_rebuilds(const struct clv1 *parts, struct clv_bytes input)
{
	struct clv_buf buf = { 0 };
	struct clv_err err;

	FUZZ_CHECK(clv1_add_header(&buf, parts->uid, parts->iv, &err) == CLV_OK);
	FUZZ_CHECK(clv_buf_add(&buf, parts->sealed.data, parts->sealed.len, &err) == CLV_OK);
	FUZZ_CHECK(buf.len == input.len && memcmp(buf.data, input.data, input.len) == 0);
	clv_buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct clv_bytes input = { .data = data, .len = size };
	uint8_t aad[CLV1_AAD_LEN];
	struct clv1 parts;
	struct clv_err err;

	if (clv1_parse(input, &parts, &err) != CLV_OK)
		return 0;
	FUZZ_CHECK(parts.sealed.len >= CLV1_TAG_LEN);
	check_rebuilds(&parts, input);
	if (parts.sealed.len <= CLV_AAD_MAX)
		FUZZ_CHECK(clv1_aad(parts.uid, "projects/demo", parts.sealed, aad, &err) == CLV_OK);
	return 0;
}
