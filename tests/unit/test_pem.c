/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "lib/base/pem.h"

#define LONGEST 800 /* bytes */

/* OpenSSL reads the same bytes back, and would have written the same text. */
static void check(const uint8_t *der, size_t len)
{
	struct clv_buf ours = { 0 };
	struct clv_err err;
	BIO *theirs = BIO_new(BIO_s_mem());
	char *text;
	long text_len;

	assert_int_equal(clv_pem_public((struct clv_bytes){ der, len }, &ours, &err), CLV_OK);
	assert_true(PEM_write_bio(theirs, "PUBLIC KEY", "", der, (long) len) > 0);
	text_len = BIO_get_mem_data(theirs, &text);
	assert_int_equal(ours.len, text_len);
	assert_memory_equal(ours.data, text, ours.len);
	BIO_free(theirs);
	clv_buf_done(&ours);
}

static void pem_is_what_openssl_writes_at_every_length(void **state)
{
	uint8_t der[LONGEST];

	(void) state;
	for (size_t i = 0; i < LONGEST; i++)
		der[i] = (uint8_t) (i * 7 + i / 251);
	for (size_t len = 1; len <= LONGEST; len++)
		check(der, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pem_is_what_openssl_writes_at_every_length),
	};
	return cmocka_run_group_tests_name("pem", tests, NULL, NULL);
}
