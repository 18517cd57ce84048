/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl keys versions import: a key from a file, wrapped here or by whoever had it. */
#include <string.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

#define PUBLIC_KEY_FILE_MAX 8192 /* bytes */

/* ---- the public key, which comes with the job or from a file */

static clv_rc read_public_key(const char *path, char ret_pem[PUBLIC_KEY_FILE_MAX + 1],
			      struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf buf = { 0 };

	CLV_TRY(kms_read_file(path, "public key", PUBLIC_KEY_FILE_MAX, &buf, err));
	if (buf.len > 0)
		memcpy(ret_pem, buf.data, buf.len);
	ret_pem[buf.len] = '\0';
	return CLV_OK;
}

static clv_rc public_key_of(struct kms_run *run, const struct clv_import_job *job,
			    char ret_pem[PUBLIC_KEY_FILE_MAX + 1], struct clv_err *err)
{
	const char *path = kms_text(run->args, "public-key-file");

	if (job->state != CLV_IMPORT_ACTIVE)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"ImportJob %s is not active, current state is: %s.", job->name,
				clv_import_state_name(job->state));
	if (path != NULL)
		return read_public_key(path, ret_pem, err);
	memcpy(ret_pem, job->public_key_pem, sizeof job->public_key_pem);
	return CLV_OK;
}

/* ---- what is sent */

static clv_rc wrap_here(struct kms_run *run, const char *job_name, struct clv_buf *wrapped,
			struct clv_err *err)
{
	KMS_AUTO(clv_secret_free) struct clv_secret *key = NULL;
	char pem[PUBLIC_KEY_FILE_MAX + 1];
	struct clv_import_job job;

	CLV_TRY(clv_import_job_get(run->ctx, run->who, job_name, &job, err));
	CLV_TRY(public_key_of(run, &job, pem, err));
	CLV_TRY(kms_read_secret_file(kms_text(run->args, "target-key-file"), "key",
				     CLV_IMPORT_KEY_MAX, &key, err));
	return clv_import_wrap(pem, job.method, key, wrapped, err);
}

static clv_rc get_wrapped(struct kms_run *run, const char *job_name, struct clv_buf *wrapped,
			  struct clv_err *err)
{
	if (kms_given(run->args, "target-key-file"))
		return wrap_here(run, job_name, wrapped, err);
	return kms_read_file(kms_text(run->args, "wrapped-key-file"), "wrapped key",
			     CLV_IMPORT_WRAPPED_MAX, wrapped, err);
}

static clv_rc check_files(const struct kms_args *args, struct clv_err *err)
{
	static const char *const inputs[] = { "target-key-file", "public-key-file", NULL };

	if (kms_given(args, "target-key-file") == kms_given(args, "wrapped-key-file"))
		return kms_usage(args, err,
				 "either --target-key-file or --wrapped-key-file is needed");
	if (kms_given(args, "public-key-file") && !kms_given(args, "target-key-file"))
		return kms_usage(args, err, "--public-key-file goes with --target-key-file");
	return kms_check_stdin(args, inputs, err);
}

clv_rc kms_version_import(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf wrapped = { 0 };
	char job[CLV_NAME_MAX], key[CLV_NAME_MAX];
	struct clv_import import = { .job = job, .version = run->name.version };
	struct clv_version version;

	CLV_TRY(check_files(run->args, err));
	CLV_TRY(kms_read_algorithm(run->args, kms_text(run->args, "algorithm"), &import.algorithm,
				   err));
	CLV_TRY(kms_import_job_of(run->args, &run->name, kms_text(run->args, "import-job"), job,
				  err));
	CLV_TRY(get_wrapped(run, job, &wrapped, err));
	import.wrapped = clv_buf_view(&wrapped);
	clv_name_format(&run->name, CLV_NAME_KEY, key);
	CLV_TRY(clv_version_import(run->ctx, run->who, key, &import, &version, err));
	kms_out_note(run->out, "Imported version [%ju] of key [%s].", (uintmax_t) version.number,
		     run->name.key);
	return kms_out_record(run->out, kms_record_version(&version), err);
}
