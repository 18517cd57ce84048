/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl mac-sign and mac-verify: message authentication codes. */
#include <string.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

static const char *const verify_inputs[] = { "input-file", "signature-file", NULL };

static clv_rc mac_sign(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	const struct kms_sink sink = { .path = kms_text(args, "signature-file"),
				       .what = "signature",
				       .mode = 0666 & ~run->umask,
				       .sync = true };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf bytes = { 0 };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf mac = { 0 };
	struct clv_input data;
	struct clv_used used;

	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(kms_read_option(args, "input-file", "input", CLV_MAC_DATA_MAX, &bytes, err));
	data = kms_input(args, clv_buf_view(&bytes));
	CLV_TRY(clv_mac_sign(run->ctx, run->who, run->full, &data, &mac, &used, err));
	CLV_TRY(kms_check_output(args, clv_buf_view(&mac), used.crc32c, err));
	CLV_TRY(kms_sink_write(&sink, clv_buf_view(&mac), err));
	return kms_tell_used(run, sink.path, &used, err);
}

/* "True" or "False", as gcloud says it, and no failure in either case. */
static clv_rc print_valid(struct kms_run *run, bool valid, const struct clv_used *used,
			  struct clv_err *err)
{
	json_t *rec;

	if (run->out->format.form == KMS_FORM_TEXT)
		return kms_out_line(valid ? "True" : "False", err);
	rec = kms_record_used(used);
	kms_put(&rec, "success", json_boolean(valid));
	return kms_out_record(run->out, rec, err);
}

static clv_rc mac_verify(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf bytes = { 0 };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf mac_bytes = { 0 };
	struct clv_input data, mac;
	struct clv_used used;
	bool valid;

	CLV_TRY(kms_check_stdin(args, verify_inputs, err));
	CLV_TRY(kms_read_option(args, "input-file", "input", CLV_MAC_DATA_MAX, &bytes, err));
	CLV_TRY(kms_read_option(args, "signature-file", "signature", CLV_MAC_MAX, &mac_bytes, err));
	data = kms_input(args, clv_buf_view(&bytes));
	mac = kms_input(args, clv_buf_view(&mac_bytes));
	CLV_TRY(clv_mac_verify(run->ctx, run->who, run->full, &data, &mac, &valid, &used, err));
	return print_valid(run, valid, &used, err);
}

static const struct kms_opt sign_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_VERSION,
	{ "input-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "what to sign; - is standard input" },
	{ "signature-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put the signature; - is standard output" },
	OPT_SKIP_INTEGRITY,
	OPT_END,
};

static const struct kms_opt verify_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_VERSION,
	{ "input-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "what was signed; - is standard input" },
	{ "signature-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "its signature; - is standard input" },
	OPT_SKIP_INTEGRITY,
	OPT_END,
};

static const struct kms_verb sign_verbs[] = {
	{ NULL, mac_sign, sign_opts, NULL, CLV_NAME_VERSION, KMS_READS,
	  "make the authentication code of a file" },
	{ 0 },
};

static const struct kms_verb verify_verbs[] = {
	{ NULL, mac_verify, verify_opts, NULL, CLV_NAME_VERSION, KMS_READS,
	  "print whether a code is that of a file: True or False" },
	{ 0 },
};

const struct kms_noun kms_noun_mac_sign = { "mac-sign", NULL,
					    "make the authentication code of a file", sign_verbs };
const struct kms_noun kms_noun_mac_verify = { "mac-verify", NULL,
					      "see whether a code is that of a file",
					      verify_verbs };
