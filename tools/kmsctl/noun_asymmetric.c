/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl asymmetric-sign and asymmetric-decrypt: what the private half of a key pair does. */
#include <string.h>
#include <strings.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

KMS_DEFINE_AUTO(struct clv_hashing, clv_hash_free);

/* ---- asymmetric-sign */

static enum clv_hash hash_of(const char *word)
{
	static const enum clv_hash hashes[] = { CLV_HASH_SHA256, CLV_HASH_SHA384, CLV_HASH_SHA512 };

	for (size_t i = 0; i < KMS_ARRAY_LEN(hashes); i++) {
		if (strcasecmp(word, clv_hash_name(hashes[i])) == 0)
			return hashes[i];
	}
	return CLV_HASH_NONE;
}

/* Here the file may have any size: only its digest is sent. */
static clv_rc sign_digest(struct kms_run *run, struct clv_buf *signature, struct clv_used *used,
			  struct clv_err *err)
{
	const struct kms_args *args = run->args;
	struct clv_digest digest = { .hash = hash_of(kms_text(args, "digest-algorithm")) };
	KMS_AUTO(clv_hash_free) struct clv_hashing *hashing = NULL;
	uint8_t bytes[CLV_HASH_MAX];
	size_t len;

	CLV_TRY(clv_hash_new(digest.hash, &hashing, err));
	CLV_TRY(kms_hash_file(kms_text(args, "input-file"), "input", hashing, err));
	CLV_TRY(clv_hash_end(hashing, bytes, &len, err));
	digest.bytes = kms_input(args, (struct clv_bytes){ bytes, len });
	return clv_asymmetric_sign(run->ctx, run->who, run->full, NULL, &digest, signature, used,
				   err);
}

static clv_rc sign_data(struct kms_run *run, struct clv_buf *signature, struct clv_used *used,
			struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf bytes = { 0 };
	struct clv_input data;

	CLV_TRY(kms_read_file(kms_text(run->args, "input-file"), "input", CLV_SIGN_DATA_MAX, &bytes,
			      err));
	data = kms_input(run->args, clv_buf_view(&bytes));
	return clv_asymmetric_sign(run->ctx, run->who, run->full, &data, NULL, signature, used,
				   err);
}

static clv_rc asymmetric_sign(struct kms_run *run, struct clv_err *err)
{
	const struct kms_sink sink = { .path = kms_text(run->args, "signature-file"),
				       .what = "signature",
				       .mode = 0666 & ~run->umask,
				       .sync = true };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf signature = { 0 };
	struct clv_used used;

	CLV_TRY(kms_sink_check(&sink, err));
	if (kms_given(run->args, "digest-algorithm"))
		CLV_TRY(sign_digest(run, &signature, &used, err));
	else
		CLV_TRY(sign_data(run, &signature, &used, err));
	CLV_TRY(kms_check_output(run->args, clv_buf_view(&signature), used.crc32c, err));
	CLV_TRY(kms_sink_write(&sink, clv_buf_view(&signature), err));
	return kms_tell_used(run, sink.path, &used, err);
}

/* ---- asymmetric-decrypt */

static clv_rc asymmetric_decrypt(struct kms_run *run, struct clv_err *err)
{
	const struct kms_sink sink = { .path = kms_text(run->args, "plaintext-file"),
				       .what = "plaintext",
				       .mode = 0600,
				       .not_to_terminal = !kms_given(run->args, "force") };
	KMS_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf bytes = { 0 };
	struct clv_input ciphertext;
	struct clv_used used;

	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(kms_read_file(kms_text(run->args, "ciphertext-file"), "ciphertext",
			      CLV_CIPHERTEXT_MAX, &bytes, err));
	ciphertext = kms_input(run->args, clv_buf_view(&bytes));
	CLV_TRY(clv_asymmetric_decrypt(run->ctx, run->who, run->full, &ciphertext, &plaintext,
				       &used, err));
	CLV_TRY(kms_check_output(run->args, kms_secret_view(plaintext), used.crc32c, err));
	CLV_TRY(kms_sink_write(&sink, kms_secret_view(plaintext), err));
	return kms_tell_used(run, sink.path, &used, err);
}

/* ---- tables */

static const struct kms_opt sign_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_VERSION,
	{ "digest-algorithm", 0, "sha256|sha384|sha512", KMS_CHOICE, 0,
	  "sign a digest, made here; otherwise the data" },
	{ "input-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "what to sign; - is standard input" },
	{ "signature-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put the signature; - is standard output" },
	OPT_SKIP_INTEGRITY,
	OPT_END,
};

static const struct kms_opt decrypt_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_VERSION,
	{ "ciphertext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "what to decrypt; - is standard input" },
	{ "plaintext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put the result; - is standard output" },
	OPT_SKIP_INTEGRITY,
	OPT_FORCE,
	OPT_END,
};

static const struct kms_verb sign_verbs[] = {
	{ NULL, asymmetric_sign, sign_opts, NULL, CLV_NAME_VERSION, KMS_READS,
	  "sign a file with a key pair" },
	{ 0 },
};

static const struct kms_verb decrypt_verbs[] = {
	{ NULL, asymmetric_decrypt, decrypt_opts, NULL, CLV_NAME_VERSION, KMS_READS,
	  "decrypt what was encrypted to a public key" },
	{ 0 },
};

const struct kms_noun kms_noun_asymmetric_sign = { "asymmetric-sign", NULL,
						   "sign a file with a key pair", sign_verbs };
const struct kms_noun kms_noun_asymmetric_decrypt = { "asymmetric-decrypt", NULL,
						      "decrypt with a key pair", decrypt_verbs };
