/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of kmsctl that use a version share: checksums, algorithm names, standard input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tools/kmsctl/kmsctl.h"

static const struct clv_bytes text = { (const uint8_t *) "123456789", 9 };
#define TEXT_CRC 0xe3069283u

static void read_line(struct kms_args *args, const char *const *words, size_t n)
{
	struct clv_err err;

	assert_int_equal(kms_args_parse(&kmsctl_tables, (int) n, (char *const *) (uintptr_t) words,
					args, &err),
			 CLV_OK);
}

/* The line that a verb sees. The words are borrowed until kms_args_done(). */
#define LINE(args, ...)                                                                            \
	const char *const words[] = { "kmsctl", __VA_ARGS__ };                                     \
	read_line(args, words, KMS_ARRAY_LEN(words))
#define SIGN_LINE "mac-sign", "--input-file", "a", "--signature-file", "b"

static void checksums_go_along(void **state)
{
	struct kms_args args;
	struct clv_input input;
	struct clv_err err;

	(void) state;
	LINE(&args, SIGN_LINE);
	input = kms_input(&args, text);
	assert_true(input.has_crc32c);
	assert_int_equal(input.crc32c, TEXT_CRC);
	assert_ptr_equal(input.bytes.data, text.data);
	assert_int_equal(kms_check_output(&args, text, TEXT_CRC, &err), CLV_OK);
	kms_args_done(&args);
}

static void result_with_another_checksum_is_data_loss(void **state)
{
	struct kms_args args;
	struct clv_err err;

	(void) state;
	LINE(&args, SIGN_LINE);
	assert_int_equal(kms_check_output(&args, text, TEXT_CRC ^ 1, &err), CLV_E_DATA_LOSS);
	assert_non_null(strstr(err.text, "nothing was written"));
	kms_args_done(&args);
}

static void checksums_can_be_skipped(void **state)
{
	struct kms_args args;
	struct clv_err err;

	(void) state;
	LINE(&args, SIGN_LINE, "--skip-integrity-verification");
	assert_false(kms_input(&args, text).has_crc32c);
	assert_int_equal(kms_check_output(&args, text, TEXT_CRC ^ 1, &err), CLV_OK);
	kms_args_done(&args);
}

/* gcloud's spelling of a name: small letters and hyphens. */
static void spell(const char *name, char to[64])
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++)
		to[i] = (char) (name[i] == '_' ? '-' : name[i] | 0x20);
	to[i] = '\0';
}

static void every_algorithm_has_gclouds_spelling_and_its_own(void **state)
{
	struct kms_args args;
	struct clv_err err;

	(void) state;
	LINE(&args, SIGN_LINE);
	for (int i = 1; i <= CLV_ALG_AES_256_CTR; i++) {
		const char *name = clv_algorithm_name((enum clv_algorithm) i);
		enum clv_algorithm algorithm = 0;
		char spelt[64];

		if (strcmp(name, "UNKNOWN") == 0)
			continue;
		spell(name, spelt);
		assert_int_equal(kms_read_algorithm(&args, spelt, &algorithm, &err), CLV_OK);
		assert_int_equal(algorithm, i);
		algorithm = 0;
		assert_int_equal(kms_read_algorithm(&args, name, &algorithm, &err), CLV_OK);
		assert_int_equal(algorithm, i);
	}
	kms_args_done(&args);
}

static void what_is_no_algorithm_is_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "hmac",
					     "hmac-sha2566",
					     "hmac-sha-256",
					     "unknown",
					     "ec-sign-secp256k1-sha256",
					     "hmac-sha256 ",
					     "aes-256-gcm\n",
					     "AES_256" };
	struct kms_args args;
	struct clv_err err;

	(void) state;
	LINE(&args, SIGN_LINE);
	for (size_t i = 0; i < KMS_ARRAY_LEN(wrong); i++) {
		enum clv_algorithm algorithm = CLV_ALG_HMAC_SHA1;

		assert_int_equal(kms_read_algorithm(&args, wrong[i], &algorithm, &err),
				 CLV_E_INVALID_ARGUMENT);
		assert_int_equal(algorithm, CLV_ALG_HMAC_SHA1);
	}
	kms_args_done(&args);
}

static void at_most_one_input_is_standard_input(void **state)
{
	static const char *const options[] = { "input-file", "signature-file", NULL };
	static const struct {
		const char *input, *signature;
		clv_rc rc;
	} rows[] = {
		{ "a", "b", CLV_OK },
		{ "-", "b", CLV_OK },
		{ "a", "-", CLV_OK },
		{ "-", "-", CLV_E_INVALID_ARGUMENT },
	};

	(void) state;
	for (size_t i = 0; i < KMS_ARRAY_LEN(rows); i++) {
		struct kms_args args;
		struct clv_err err;

		LINE(&args, "mac-verify", "--input-file", rows[i].input, "--signature-file",
		     rows[i].signature);
		assert_int_equal(kms_check_stdin(&args, options, &err), rows[i].rc);
		kms_args_done(&args);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_go_along),
		cmocka_unit_test(checksums_can_be_skipped),
		cmocka_unit_test(result_with_another_checksum_is_data_loss),
		cmocka_unit_test(every_algorithm_has_gclouds_spelling_and_its_own),
		cmocka_unit_test(what_is_no_algorithm_is_refused),
		cmocka_unit_test(at_most_one_input_is_standard_input),
	};
	return cmocka_run_group_tests_name("kms_data", tests, NULL, NULL);
}
