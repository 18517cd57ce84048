/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs that use a version share: inputs from files, checksums, what is told afterwards.
 */
#include <ctype.h>
#include <string.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

bool kms_is_std(const char *path)
{
	return path != NULL && strcmp(path, "-") == 0;
}

struct clv_bytes kms_secret_view(const struct clv_secret *secret)
{
	return (struct clv_bytes){ clv_secret_bytes(secret), clv_secret_len(secret) };
}

clv_rc kms_check_stdin(const struct kms_args *args, const char *const *options, struct clv_err *err)
{
	unsigned n = 0;

	for (; *options != NULL; options++)
		n += kms_is_std(kms_text(args, *options));
	return n <= 1 ? CLV_OK : kms_usage(args, err, "only one input can be standard input");
}

clv_rc kms_read_option(const struct kms_args *args, const char *option, const char *what,
		       size_t max, struct clv_buf *ret_buf, struct clv_err *err)
{
	const char *path = kms_text(args, option);

	return path == NULL ? CLV_OK : kms_read_file(path, what, max, ret_buf, err);
}

static bool is_checked(const struct kms_args *args)
{
	return !kms_given(args, "skip-integrity-verification");
}

struct clv_input kms_input(const struct kms_args *args, struct clv_bytes bytes)
{
	struct clv_input input = { .bytes = bytes, .has_crc32c = is_checked(args) };

	if (input.has_crc32c)
		input.crc32c = clv_crc32c(0, bytes.data, bytes.len);
	return input;
}

clv_rc kms_check_output(const struct kms_args *args, struct clv_bytes bytes, uint32_t crc32c,
			struct clv_err *err)
{
	if (!is_checked(args) || clv_crc32c(0, bytes.data, bytes.len) == crc32c)
		return CLV_OK;
	return clv_fail(err, CLV_E_DATA_LOSS,
			"the result was damaged on its way here (its checksum does not fit); "
			"nothing was written");
}

clv_rc kms_tell_used(struct kms_run *run, const char *path, const struct clv_used *used,
		     struct clv_err *err)
{
	return kms_is_std(path) ? CLV_OK : kms_out_made(run->out, kms_record_used(used), err);
}

/* ---- algorithms */

#define ALGORITHM_ROW(name, number) { #name, (enum clv_algorithm) number },

static const struct {
	const char *name;
	enum clv_algorithm algorithm;
} algorithms[] = { CLV_ALGORITHM_LIST(ALGORITHM_ROW) };

/* "ec-sign-p256-sha256" is gcloud's spelling of EC_SIGN_P256_SHA256; that one will do, too. */
static bool same_word(const char *text, const char *name)
{
	for (; *text != '\0' && *name != '\0'; text++, name++) {
		if ((*text == '-' ? '_' : toupper((unsigned char) *text)) != *name)
			return false;
	}
	return *text == *name;
}

clv_rc kms_read_algorithm(const struct kms_args *args, const char *text,
			  enum clv_algorithm *ret_algorithm, struct clv_err *err)
{
	for (size_t i = 0; i < KMS_ARRAY_LEN(algorithms); i++) {
		if (same_word(text, algorithms[i].name)) {
			*ret_algorithm = algorithms[i].algorithm;
			return CLV_OK;
		}
	}
	return kms_usage(args, err, "no such algorithm: `%.60s`; the man page has a list", text);
}
