/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl keys versions: the versions of a key, and the switch that each of them has. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

static clv_rc version_page(struct kms_run *run, const char *after, size_t limit, void **ret_items,
			   size_t *ret_n, struct clv_err *err)
{
	struct clv_version *items = NULL;
	uint64_t behind = after != NULL ? strtoull(after, NULL, 10) : 0;

	CLV_TRY(clv_version_list(run->ctx, run->who, run->full, behind, limit, &items, ret_n, err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager version_pager = {
	sizeof(struct clv_version),
	version_page,
	kms_record_version,
};

static const struct kms_pager nist_pager = {
	sizeof(struct clv_version),
	version_page,
	kms_record_version_nist,
};

static const struct kms_column version_columns[] = {
	{ "NAME", "name", false },
	{ "STATE", "state", false },
	{ "ALGORITHM", "algorithm", false },
	{ "SINCE", "stateTime", false },
	{ "DESTROY_TIME", "destroyTime", false },
	{ 0 },
};

static const struct kms_column nist_columns[] = {
	{ "NAME", "name", false },
	{ "STATE", "state", false },
	{ "NIST_STATE", "nistState", false },
	{ "ALGORITHM", "algorithm", false },
	{ "SINCE", "stateTime", false },
	{ "DESTROY_TIME", "destroyTime", false },
	{ 0 },
};

static clv_rc version_list(struct kms_run *run, struct clv_err *err)
{
	if (kms_given(run->args, "nist"))
		return kms_list(run, &nist_pager, nist_columns, err);
	return kms_list(run, &version_pager, version_columns, err);
}

static clv_rc version_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_version version;

	CLV_TRY(clv_version_get(run->ctx, run->who, run->full, &version, err));
	return kms_out_record(run->out,
			      kms_given(run->args, "nist") ? kms_record_version_nist(&version)
							   : kms_record_version(&version),
			      err);
}

/* ---- the next one */

/* Before anything is made, which would stay. */
static clv_rc check_has_primary(struct kms_run *run, struct clv_err *err)
{
	struct clv_key key;

	CLV_TRY(clv_key_get(run->ctx, run->who, run->full, &key, err));
	if (key.purpose == CLV_PURPOSE_ENCRYPT_DECRYPT)
		return CLV_OK;
	return clv_fail(err, CLV_E_FAILED_PRECONDITION,
			"%s has purpose %s: only keys of purpose ENCRYPT_DECRYPT have a primary "
			"version; no version was created",
			key.name, clv_purpose_name(key.purpose));
}

/* The version is there even if this fails, and the caller has to know. */
static clv_rc make_primary(struct kms_run *run, uint64_t number, struct clv_err *err)
{
	struct clv_key key;
	struct clv_err why;
	clv_rc rc = clv_key_set_primary(run->ctx, run->who, run->full, number, &key, &why);

	if (rc != CLV_OK)
		return clv_fail(err, rc,
				"version %" PRIu64 " was created, but is not primary: %.300s",
				number, why.text);
	return CLV_OK;
}

static clv_rc version_create(struct kms_run *run, struct clv_err *err)
{
	struct clv_version version;

	if (kms_given(run->args, "primary"))
		CLV_TRY(check_has_primary(run, err));
	CLV_TRY(clv_version_create(run->ctx, run->who, run->full, &version, err));
	kms_out_note(run->out, "Created version [%" PRIu64 "] of key [%s].", version.number,
		     run->name.key);
	if (kms_given(run->args, "primary"))
		CLV_TRY(make_primary(run, version.number, err));
	return kms_out_made(run->out, kms_record_version(&version), err);
}

/* ---- the switch */

static clv_rc switched(struct kms_run *run, const struct clv_switch_report *report,
		       const char *done, struct clv_err *err)
{
	char waited[CLV_DURATION_TEXT_MAX];

	if (report->changed)
		kms_out_note(run->out, "%s version [%" PRIu64 "] of key [%s]: waited %s for %u %s.",
			     done, report->version.number, run->name.key,
			     clv_duration_format(report->waited_ns, waited), report->holders,
			     report->holders == 1 ? "process" : "processes");
	else
		kms_out_note(run->out, "Version [%" PRIu64 "] of key [%s] was %s already.",
			     report->version.number, run->name.key,
			     clv_state_name(report->version.state));
	if (report->token_pending)
		kms_out_warn(run->out, "the flags in the token follow later: %s",
			     report->token_pending_why);
	return kms_out_record(run->out, kms_record_switch(report), err);
}

static clv_rc version_disable(struct kms_run *run, struct clv_err *err)
{
	struct clv_switch_report report;

	CLV_TRY(clv_version_disable(run->ctx, run->who, run->full, kms_text(run->args, "reason"),
				    &report, err));
	return switched(run, &report, "Disabled", err);
}

static clv_rc version_enable(struct kms_run *run, struct clv_err *err)
{
	struct clv_switch_report report;

	CLV_TRY(clv_version_enable(run->ctx, run->who, run->full, kms_text(run->args, "reason"),
				   &report, err));
	return switched(run, &report, "Enabled", err);
}

/* Another of gcloud's spellings for the two. */
static clv_rc version_update(struct kms_run *run, struct clv_err *err)
{
	if (strcasecmp(kms_text(run->args, "state"), "enabled") == 0)
		return version_enable(run, err);
	return version_disable(run, err);
}

/* ---- the end, which is ordered first and comes later */

static clv_rc version_destroy(struct kms_run *run, struct clv_err *err)
{
	struct clv_switch_report report;
	char due[CLV_TIME_TEXT_MAX];

	CLV_TRY(clv_version_destroy(run->ctx, run->who, run->full, kms_text(run->args, "reason"),
				    &report, err));
	kms_out_note(run->out,
		     "Version [%" PRIu64 "] of key [%s] will be destroyed at %s, unless restored.",
		     report.version.number, run->name.key,
		     clv_time_format(report.version.destroy_time, due));
	return switched(run, &report, "Disabled", err);
}

static clv_rc version_restore(struct kms_run *run, struct clv_err *err)
{
	struct clv_switch_report report;

	CLV_TRY(clv_version_restore(run->ctx, run->who, run->full, kms_text(run->args, "reason"),
				    &report, err));
	kms_out_note(run->out, "Restored version [%" PRIu64 "] of key [%s]; it is %s.",
		     report.version.number, run->name.key, clv_state_name(report.version.state));
	return kms_out_record(run->out, kms_record_version(&report.version), err);
}

/* ---- the public half */

static clv_rc get_public_key(struct kms_run *run, struct clv_err *err)
{
	const char *word = kms_text(run->args, "public-key-format");
	bool der = word != NULL && strcasecmp(word, "der") == 0;
	const char *path = kms_text(run->args, "output-file");
	struct kms_sink sink = { .path = path != NULL ? path : "-",
				 .what = "public key",
				 .mode = 0666 & ~run->umask,
				 .not_to_terminal = der };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf key = { 0 };
	struct clv_used used;

	if (run->out->format.form != KMS_FORM_TEXT && kms_is_std(sink.path))
		return kms_usage(run->args, err,
				 "with --format the public key needs an --output-file");
	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(clv_public_key_get(run->ctx, run->who, run->full,
				   der ? CLV_PUBLIC_KEY_DER : CLV_PUBLIC_KEY_PEM, &key, &used,
				   err));
	CLV_TRY(kms_check_output(run->args, clv_buf_view(&key), used.crc32c, err));
	CLV_TRY(kms_sink_write(&sink, clv_buf_view(&key), err));
	return kms_tell_used(run, sink.path, &used, err);
}

#define OPT_NIST                                                                                   \
	{                                                                                          \
		"nist", 0, NULL, KMS_TEXT, 0, "also NIST's word for its state (SP 800-57)"         \
	}

static const struct kms_opt list_opts[] = {
	OPT_LOCATION, OPT_KEYRING, OPT_KEY, OPT_LIST, OPT_NIST, OPT_END,
};

static const struct kms_opt describe_opts[] = {
	OPT_LOCATION, OPT_KEYRING, OPT_KEY, OPT_NIST, OPT_END,
};

static const struct kms_opt create_opts[] = {
	OPT_LOCATION, OPT_KEYRING,
	OPT_KEY,      { "primary", 0, NULL, KMS_TEXT, 0, "make it the primary version" },
	OPT_END,
};

#define OPT_REASON                                                                                 \
	{                                                                                          \
		"reason", 0, "TEXT", KMS_TEXT, 0,                                                  \
			"why; kept with the version and in the audit log"                          \
	}

static const struct kms_opt switch_opts[] = {
	OPT_LOCATION, OPT_KEYRING, OPT_KEY, OPT_REASON, OPT_END,
};

static const struct kms_opt update_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "state", 0, "enabled|disabled", KMS_CHOICE, KMS_OPT_REQUIRED, "what it is to be" },
	OPT_REASON,
	OPT_END,
};

static const struct kms_opt import_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "import-job", 0, "IMPORT_JOB", KMS_TEXT, KMS_OPT_REQUIRED,
	  "an active import job of the key ring" },
	{ "algorithm", 0, "ALGORITHM", KMS_TEXT, KMS_OPT_REQUIRED,
	  "of the key, as google-symmetric-encryption" },
	{ "target-key-file", 0, "FILE", KMS_FILE, 0, "the key itself; it is wrapped here" },
	{ "wrapped-key-file", 0, "FILE", KMS_FILE, 0,
	  "or the key as it was wrapped for the import job" },
	{ "public-key-file", 0, "FILE", KMS_FILE, 0,
	  "with --target-key-file: the job's public key, as PEM" },
	{ "version", 0, "N", KMS_TEXT, 0, "a destroyed version, to import the same key again" },
	OPT_END,
};

static const struct kms_opt public_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "output-file", 0, "FILE", KMS_FILE, 0, "where to put it; standard output" },
	{ "public-key-format", 0, "pem|der", KMS_CHOICE, 0, "in which form; pem" },
	OPT_END,
};

static const struct kms_verb version_verbs[] = {
	{ "create", version_create, create_opts, NULL, CLV_NAME_KEY, KMS_CHANGES,
	  "make the next version of a key" },
	{ "list", version_list, list_opts, NULL, CLV_NAME_KEY, KMS_READS,
	  "list the versions of a key" },
	{ "describe", version_describe, describe_opts, "VERSION", CLV_NAME_VERSION, KMS_READS,
	  "print a version" },
	{ "get-public-key", get_public_key, public_opts, "VERSION", CLV_NAME_VERSION, KMS_READS,
	  "print the public half of a key pair" },
	{ "enable", version_enable, switch_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "let a version be used again" },
	{ "disable", version_disable, switch_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "stop every use of a version; returns when none is left" },
	{ "update", version_update, update_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "the same as enable or disable" },
	{ "destroy", version_destroy, switch_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "disable a version, and destroy it when its time has come" },
	{ "restore", version_restore, switch_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "take the order to destroy back; it is then disabled" },
	{ "import", kms_version_import, import_opts, NULL, CLV_NAME_KEY, KMS_CHANGES,
	  "make a version of a key that comes from elsewhere" },
	{ 0 },
};

static const char *const version_aliases[] = { "keys version", "key versions", "key version",
					       "versions",     "version",      NULL };

const struct kms_noun kms_noun_version = { "keys versions", version_aliases,
					   "versions of a key, and their switch", version_verbs };
