/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl import-jobs: keys of the token, for whose public halves others wrap what they bring. What
 * is brought becomes a version: kmsctl keys versions import. */
#include <string.h>
#include <strings.h>

#include "tools/kmsctl/iam.h"

static const struct {
	const char *word; /* gcloud's */
	enum clv_import_method method;
} methods[] = {
	{ "rsa-oaep-3072-sha1-aes-256", CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256 },
	{ "rsa-oaep-4096-sha1-aes-256", CLV_IMPORT_RSA_OAEP_4096_SHA1_AES_256 },
	{ "rsa-oaep-3072-sha256-aes-256", CLV_IMPORT_RSA_OAEP_3072_SHA256_AES_256 },
	{ "rsa-oaep-4096-sha256-aes-256", CLV_IMPORT_RSA_OAEP_4096_SHA256_AES_256 },
	{ "rsa-oaep-3072-sha256", CLV_IMPORT_RSA_OAEP_3072_SHA256 },
	{ "rsa-oaep-4096-sha256", CLV_IMPORT_RSA_OAEP_4096_SHA256 },
};

static clv_rc read_method(const struct kms_args *args, enum clv_import_method *ret_method,
			  struct clv_err *err)
{
	const char *text = kms_text(args, "import-method");

	for (size_t i = 0; i < KMS_ARRAY_LEN(methods); i++) {
		if (strcmp(text, methods[i].word) == 0) {
			*ret_method = methods[i].method;
			return CLV_OK;
		}
	}
	return kms_usage(args, err,
			 "`%.40s` is no import method: they are "
			 "rsa-oaep-{3072,4096}-{sha1,sha256}-aes-256 and "
			 "rsa-oaep-{3072,4096}-sha256",
			 text);
}

static clv_rc import_job_create(struct kms_run *run, struct clv_err *err)
{
	const char *level = kms_text(run->args, "protection-level");
	struct clv_import_job_options options = {
		.protection = strcasecmp(level, "hsm") == 0 ? CLV_PROTECTION_HSM
							    : CLV_PROTECTION_SOFTWARE,
	};
	struct clv_import_job job;

	CLV_TRY(read_method(run->args, &options.method, err));
	CLV_TRY(clv_import_job_create(run->ctx, run->who, run->full, &options, &job, err));
	kms_out_note(run->out, "Created import job [%s].", run->name.import_job);
	return kms_out_made(run->out, kms_record_import_job(&job), err);
}

static clv_rc import_job_page(struct kms_run *run, const char *after, size_t limit,
			      void **ret_items, size_t *ret_n, struct clv_err *err)
{
	struct clv_import_job *items = NULL;

	CLV_TRY(clv_import_job_list(run->ctx, run->who, run->full, after, limit, &items, ret_n,
				    err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager import_job_pager = {
	sizeof(struct clv_import_job),
	import_job_page,
	kms_record_import_job,
};

static const struct kms_column import_job_columns[] = {
	{ "NAME", "name", false },
	{ "STATE", "state", false },
	{ "IMPORT_METHOD", "importMethod", false },
	{ "PROTECTION_LEVEL", "protectionLevel", false },
	{ "EXPIRE_TIME", "expireTime", false },
	{ 0 },
};

static clv_rc import_job_list(struct kms_run *run, struct clv_err *err)
{
	return kms_list(run, &import_job_pager, import_job_columns, err);
}

static clv_rc import_job_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_import_job job;

	CLV_TRY(clv_import_job_get(run->ctx, run->who, run->full, &job, err));
	return kms_out_record(run->out, kms_record_import_job(&job), err);
}

static const struct kms_opt place_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_END,
};

static const struct kms_opt create_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "import-method", 0, "METHOD", KMS_TEXT, KMS_OPT_REQUIRED,
	  "how keys are wrapped, as rsa-oaep-3072-sha1-aes-256" },
	{ "protection-level", 0, "software|hsm", KMS_CHOICE, KMS_OPT_REQUIRED,
	  "that of the keys which are imported by it" },
	OPT_END,
};

static const struct kms_opt list_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_LIST,
	OPT_END,
};

static const struct kms_opt add_binding_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_BINDING,
	OPT_END,
};

static const struct kms_opt remove_binding_opts[] = {
	OPT_LOCATION, OPT_KEYRING, OPT_BINDING, OPT_EVERY_CONDITION, OPT_END,
};

static const struct kms_verb import_job_verbs[] = {
	{ "create", import_job_create, create_opts, "IMPORT_JOB", CLV_NAME_IMPORT_JOB, KMS_CHANGES,
	  "make an import job, good for three days" },
	{ "list", import_job_list, list_opts, NULL, CLV_NAME_KEY_RING, KMS_READS,
	  "list the import jobs of a key ring" },
	{ "describe", import_job_describe, place_opts, "IMPORT_JOB", CLV_NAME_IMPORT_JOB, KMS_READS,
	  "print an import job and its public key" },
	KMS_IAM_VERBS("IMPORT_JOB", CLV_NAME_IMPORT_JOB, place_opts, add_binding_opts,
		      remove_binding_opts),
	{ 0 },
};

const struct kms_noun kms_noun_import_job = { "import-jobs", NULL,
					      "for bringing keys that others made",
					      import_job_verbs };
