/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl encrypt and decrypt: files in, files out. Plaintext is in a clv_secret and nowhere else.
 */
#include <string.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

static const char *const encrypt_inputs[] = { "plaintext-file",
					      "additional-authenticated-data-file", NULL };
static const char *const decrypt_inputs[] = { "ciphertext-file",
					      "additional-authenticated-data-file", NULL };

/* What one encryption or decryption needs; ended by crypt_done(). */
struct crypt {
	struct kms_run *run;
	struct kms_sink sink;
	struct clv_buf aad;
	struct clv_buf ciphertext;
	struct clv_used used;
};

static void crypt_done(struct crypt *crypt)
{
	clv_buf_done(&crypt->aad);
	clv_buf_done(&crypt->ciphertext);
}

static clv_rc read_aad(struct crypt *crypt, struct clv_err *err)
{
	return kms_read_option(crypt->run->args, "additional-authenticated-data-file",
			       "additional authenticated data", CLV_AAD_MAX, &crypt->aad, err);
}

/* ---- encrypt */

static clv_rc encrypt(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	KMS_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	KMS_AUTO_DONE(crypt_done)
	struct crypt crypt = {
		.run = run,
		.sink = { .path = kms_text(args, "ciphertext-file"),
			  .what = "ciphertext",
			  .mode = 0666 & ~run->umask,
			  .sync = true },
	};
	struct clv_input plain, aad;

	CLV_TRY(kms_check_stdin(args, encrypt_inputs, err));
	CLV_TRY(kms_sink_check(&crypt.sink, err));
	CLV_TRY(read_aad(&crypt, err));
	CLV_TRY(kms_read_secret_file(kms_text(args, "plaintext-file"), "plaintext",
				     CLV_PLAINTEXT_MAX, &plaintext, err));
	plain = kms_input(args, kms_secret_view(plaintext));
	aad = kms_input(args, clv_buf_view(&crypt.aad));
	CLV_TRY(clv_encrypt_checked(run->ctx, run->who, run->full, &plain, &aad, &crypt.ciphertext,
				    &crypt.used, err));
	CLV_TRY(kms_check_output(args, clv_buf_view(&crypt.ciphertext), crypt.used.crc32c, err));
	CLV_TRY(kms_sink_write(&crypt.sink, clv_buf_view(&crypt.ciphertext), err));
	return kms_tell_used(run, crypt.sink.path, &crypt.used, err);
}

/* ---- decrypt */

static clv_rc decrypt_once(void *what, struct clv_err *err)
{
	struct crypt *crypt = what;
	KMS_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	const struct kms_run *run = crypt->run;
	struct clv_input ciphertext = kms_input(run->args, clv_buf_view(&crypt->ciphertext));
	struct clv_input aad = kms_input(run->args, clv_buf_view(&crypt->aad));

	CLV_TRY(clv_decrypt_checked(run->ctx, run->who, run->full, &ciphertext, &aad, &plaintext,
				    &crypt->used, err));
	CLV_TRY(kms_check_output(run->args, kms_secret_view(plaintext), crypt->used.crc32c, err));
	return kms_sink_write(&crypt->sink, kms_secret_view(plaintext), err);
}

static clv_rc check_every(const struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;

	if (!kms_given(args, "every"))
		return kms_given(args, "count") ? kms_usage(args, err, "--count needs --every")
						: CLV_OK;
	if (kms_is_std(kms_text(args, "plaintext-file")))
		return kms_usage(args, err,
				 "with --every standard output is for its lines: "
				 "--plaintext-file must be a file");
	if (run->out->format.form != KMS_FORM_TEXT)
		return kms_usage(args, err, "--every prints lines while it runs: no --format");
	return CLV_OK;
}

static clv_rc decrypt(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	KMS_AUTO_DONE(crypt_done)
	struct crypt crypt = {
		.run = run,
		.sink = { .path = kms_text(args, "plaintext-file"),
			  .what = "plaintext",
			  .mode = 0600,
			  .not_to_terminal = !kms_given(args, "force") },
	};

	CLV_TRY(check_every(run, err));
	CLV_TRY(kms_check_stdin(args, decrypt_inputs, err));
	CLV_TRY(kms_sink_check(&crypt.sink, err));
	CLV_TRY(read_aad(&crypt, err));
	CLV_TRY(kms_read_file(kms_text(args, "ciphertext-file"), "ciphertext", CLV_CIPHERTEXT_MAX,
			      &crypt.ciphertext, err));
	if (kms_given(args, "every"))
		return kms_every(kms_number(args, "every", 0),
				 (uint64_t) kms_number(args, "count", 0), decrypt_once, &crypt,
				 err);
	CLV_TRY(decrypt_once(&crypt, err));
	return kms_tell_used(run, crypt.sink.path, &crypt.used, err);
}

/* ---- tables */

#define OPT_PLAINTEXT(text)                                                                        \
	{                                                                                          \
		"plaintext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED, text                      \
	}
#define OPT_CIPHERTEXT(text)                                                                       \
	{                                                                                          \
		"ciphertext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED, text                     \
	}

static const struct kms_opt encrypt_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "version", 0, "N", KMS_TEXT, 0, "version to use; the primary when not given" },
	OPT_PLAINTEXT("what to encrypt; - is standard input"),
	OPT_CIPHERTEXT("where to put the result; - is standard output"),
	OPT_AAD,
	OPT_SKIP_INTEGRITY,
	OPT_END,
};

static const struct kms_opt decrypt_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_CIPHERTEXT("what to decrypt; - is standard input"),
	OPT_PLAINTEXT("where to put the result; - is standard output"),
	OPT_AAD,
	OPT_SKIP_INTEGRITY,
	OPT_FORCE,
	{ "every", 0, "DURATION", KMS_DURATION, 0,
	  "keep on decrypting; print when the outcome changes" },
	{ "count", 0, "N", KMS_COUNT, 0, "with --every: stop after N tries" },
	OPT_END,
};

static const struct kms_verb encrypt_verbs[] = {
	{ NULL, encrypt, encrypt_opts, NULL, CLV_NAME_KEY, KMS_READS,
	  "encrypt a small file (64 KiB) with a key" },
	{ 0 },
};

static const struct kms_verb decrypt_verbs[] = {
	{ NULL, decrypt, decrypt_opts, NULL, CLV_NAME_KEY, KMS_READS,
	  "decrypt what encrypt made with the same key" },
	{ 0 },
};

const struct kms_noun kms_noun_encrypt = { "encrypt", NULL, "encrypt a small file", encrypt_verbs };
const struct kms_noun kms_noun_decrypt = { "decrypt", NULL, "decrypt it again", decrypt_verbs };
