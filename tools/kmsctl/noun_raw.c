/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl raw-encrypt and raw-decrypt: AES as it is, for programs that need its plain forms. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

#define IV_OPTION "initialization-vector-file"
#define IV_OUTPUT "initialization-vector-output-file"
#define AAD_OPTION "additional-authenticated-data-file"
#define IV_NAME_MAX 40 /* bytes */

static const char *const encrypt_inputs[] = { "plaintext-file", IV_OPTION, AAD_OPTION, NULL };
static const char *const decrypt_inputs[] = { "ciphertext-file", IV_OPTION, AAD_OPTION, NULL };

/* What one of them needs beside its text; ended by raw_done(). */
struct raw {
	struct clv_buf iv;
	struct clv_buf aad;
	struct clv_raw in;
	struct clv_used used;
};

static void raw_done(struct raw *raw)
{
	clv_buf_done(&raw->iv);
	clv_buf_done(&raw->aad);
}

static clv_rc read_beside(const struct kms_args *args, struct raw *raw, struct clv_err *err)
{
	CLV_TRY(kms_read_option(args, IV_OPTION, "initialization vector", CLV_RAW_IV_MAX, &raw->iv,
				err));
	CLV_TRY(kms_read_option(args, AAD_OPTION, "additional authenticated data", CLV_AAD_MAX,
				&raw->aad, err));
	raw->in.iv = kms_input(args, clv_buf_view(&raw->iv));
	raw->in.aad = kms_input(args, clv_buf_view(&raw->aad));
	return CLV_OK;
}

/* ---- raw-encrypt */

/* gcloud's name for the file of an IV that nobody named one for, with its spelling: scripts look
 * for it. */
static clv_rc invent_name(char name[IV_NAME_MAX], struct clv_err *err)
{
	uint32_t number;

	if (getrandom(&number, sizeof number, 0) != (ssize_t) sizeof number)
		return clv_fail(err, CLV_E_UNAVAILABLE, "the system gives no random bytes");
	snprintf(name, IV_NAME_MAX, "./inialization_vector_%08x", number);
	return CLV_OK;
}

/* Nothing can be decrypted without it, so that somebody has to know where it is: a name that the
 * user did not choose is told with --quiet too. */
static void tell_iv(struct kms_run *run, const char *path, bool invented)
{
	if (run->out->json)
		return; /* it is in the result */
	if (invented && run->out->quiet)
		kms_out_warn(run->out, "wrote the initialization vector to [%s]", path);
	else
		kms_out_note(run->out, "Wrote the initialization vector to [%s].", path);
}

/* The token made the IV: it is written first. `name` is where a name for it can be put; *ret_path
 * is the one that it has. */
static clv_rc write_iv(struct kms_run *run, const struct clv_raw_iv *iv, char name[IV_NAME_MAX],
		       const char **ret_path, struct clv_err *err)
{
	const struct clv_bytes bytes = { iv->bytes, iv->len };
	const char *path = kms_text(run->args, IV_OUTPUT);
	struct kms_sink sink = { .path = path,
				 .what = "initialization vector",
				 .mode = 0666 & ~run->umask,
				 .sync = true };

	CLV_TRY(kms_check_output(run->args, bytes, iv->crc32c, err));
	if (path == NULL) {
		CLV_TRY(invent_name(name, err));
		sink.path = name;
		sink.no_replace = true; /* nobody meant the one that has this name by chance */
	}
	CLV_TRY(kms_sink_write(&sink, bytes, err));
	tell_iv(run, sink.path, path == NULL);
	*ret_path = sink.path;
	return CLV_OK;
}

/* In JSON mode: which version did it, and where the vector is that was made. Where standard output
 * has the ciphertext, only a warning can say that. */
static clv_rc tell_encrypted(struct kms_run *run, const char *path, const struct clv_used *used,
			     const char *iv_path, struct clv_err *err)
{
	json_t *rec;

	if (kms_is_std(path)) {
		if (run->out->json && iv_path != NULL && !kms_given(run->args, IV_OUTPUT))
			kms_out_warn(run->out, "wrote the initialization vector to [%s]", iv_path);
		return CLV_OK;
	}
	rec = kms_record_used(used);
	if (iv_path != NULL)
		kms_put_text(&rec, "initializationVectorFile", iv_path);
	return kms_out_made(run->out, rec, err);
}

static clv_rc check_iv_output(const struct kms_args *args, const struct kms_sink *ciphertext,
			      struct clv_err *err)
{
	const char *path = kms_text(args, IV_OUTPUT);
	struct kms_sink sink = { .path = path, .what = "initialization vector" };

	if (path == NULL)
		return CLV_OK;
	if (kms_given(args, IV_OPTION))
		return kms_usage(args, err, "--%s is for one that is made, not for a given one",
				 IV_OUTPUT);
	if (kms_is_std(path) && kms_is_std(ciphertext->path))
		return kms_usage(args, err, "only one result can go to standard output");
	CLV_TRY(kms_sinks_check_apart(ciphertext, &sink, err));
	return kms_sink_check(&sink, err);
}

/* No bytes would mean to the library that none is given: it would make one, and nobody would have
 * it. */
static clv_rc check_given_iv(const struct kms_args *args, const struct raw *raw,
			     struct clv_err *err)
{
	if (!kms_given(args, IV_OPTION) || raw->iv.len > 0)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the initialization vector in %.200s has 0 bytes: it must have %d, and "
			"GCM takes none",
			kms_text(args, IV_OPTION), CLV_RAW_IV_MAX);
}

static clv_rc raw_encrypt(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	const struct kms_sink sink = { .path = kms_text(args, "ciphertext-file"),
				       .what = "ciphertext",
				       .mode = 0666 & ~run->umask,
				       .sync = true };
	KMS_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	KMS_AUTO_DONE(raw_done) struct raw raw = { 0 };
	char iv_name[IV_NAME_MAX];
	const char *iv_path = NULL;
	struct clv_raw_iv iv;

	CLV_TRY(kms_check_stdin(args, encrypt_inputs, err));
	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(check_iv_output(args, &sink, err));
	CLV_TRY(read_beside(args, &raw, err));
	CLV_TRY(check_given_iv(args, &raw, err));
	CLV_TRY(kms_read_secret_file(kms_text(args, "plaintext-file"), "plaintext",
				     CLV_PLAINTEXT_MAX, &plaintext, err));
	raw.in.text = kms_input(args, kms_secret_view(plaintext));
	CLV_TRY(clv_raw_encrypt(run->ctx, run->who, run->full, &raw.in, &out, &iv, &raw.used, err));
	CLV_TRY(kms_check_output(args, clv_buf_view(&out), raw.used.crc32c, err));
	if (!kms_given(args, IV_OPTION))
		CLV_TRY(write_iv(run, &iv, iv_name, &iv_path, err));
	CLV_TRY(kms_sink_write(&sink, clv_buf_view(&out), err));
	return tell_encrypted(run, sink.path, &raw.used, iv_path, err);
}

/* ---- raw-decrypt */

static clv_rc raw_decrypt(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	const struct kms_sink sink = { .path = kms_text(args, "plaintext-file"),
				       .what = "plaintext",
				       .mode = 0600,
				       .not_to_terminal = !kms_given(args, "force") };
	KMS_AUTO(clv_secret_free) struct clv_secret *plaintext = NULL;
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf ciphertext = { 0 };
	KMS_AUTO_DONE(raw_done) struct raw raw = { 0 };

	CLV_TRY(kms_check_stdin(args, decrypt_inputs, err));
	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(read_beside(args, &raw, err));
	CLV_TRY(kms_read_option(args, "ciphertext-file", "ciphertext", CLV_CIPHERTEXT_MAX,
				&ciphertext, err));
	raw.in.text = kms_input(args, clv_buf_view(&ciphertext));
	CLV_TRY(clv_raw_decrypt(run->ctx, run->who, run->full, &raw.in, &plaintext, &raw.used,
				err));
	CLV_TRY(kms_check_output(args, kms_secret_view(plaintext), raw.used.crc32c, err));
	CLV_TRY(kms_sink_write(&sink, kms_secret_view(plaintext), err));
	return kms_tell_used(run, sink.path, &raw.used, err);
}

/* ---- tables */

static const struct kms_opt encrypt_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_VERSION,
	{ "plaintext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "what to encrypt; - is standard input" },
	{ "ciphertext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put the result; - is standard output" },
	{ IV_OPTION, 0, "FILE", KMS_FILE, 0, "16 bytes, for CBC and CTR; made when not given" },
	{ IV_OUTPUT, 0, "FILE", KMS_FILE, 0, "where to put the one that is made" },
	OPT_AAD,
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
	{ IV_OPTION, 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED, "the one of the encryption" },
	OPT_AAD,
	OPT_SKIP_INTEGRITY,
	OPT_FORCE,
	OPT_END,
};

static const struct kms_verb encrypt_verbs[] = {
	{ NULL, raw_encrypt, encrypt_opts, NULL, CLV_NAME_VERSION, KMS_READS,
	  "encrypt with plain AES: GCM, CBC or CTR" },
	{ 0 },
};

static const struct kms_verb decrypt_verbs[] = {
	{ NULL, raw_decrypt, decrypt_opts, NULL, CLV_NAME_VERSION, KMS_READS,
	  "decrypt with plain AES" },
	{ 0 },
};

const struct kms_noun kms_noun_raw_encrypt = { "raw-encrypt", NULL, "encrypt with plain AES",
					       encrypt_verbs };
const struct kms_noun kms_noun_raw_decrypt = { "raw-decrypt", NULL, "decrypt it again",
					       decrypt_verbs };
