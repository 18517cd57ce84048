/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl policy: questions about the policy, and its documents of which a home has one each. */
#include <string.h>

#include "tools/kmsctl/iam.h"

/* ---- explain */

/* --as and --from are about whom it is asked, and not who asks. */
static clv_rc policy_explain(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	const struct clv_caller who = { .principal = clv_ctx_principal(run->ctx),
					.job_id = kms_text(args, "job-id"),
					.component = kms_text(args, "component") };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	char full[CLV_NAME_MAX];
	struct clv_policy_question question = { .principal = kms_text(args, "as"),
						.place = kms_text(args, "from"),
						.action = kms_text(args, "action"),
						.resource = full,
						.time = kms_number(args, "at", 0) };
	struct clv_name name;
	json_t *answer;

	if (question.principal == NULL)
		question.principal = who.principal;
	CLV_TRY(kms_name_of_options(args, clv_ctx_project(run->ctx), args->arg[0], &name, err));
	clv_name_format(&name, name.kind, full);
	CLV_TRY(clv_policy_explain(run->ctx, &who, &question, &text, err));
	CLV_TRY(kms_load_json(&text, &answer, err));
	return kms_out_record(run->out, answer, err);
}

/* ---- lint and test */

static const struct kms_column finding_columns[] = {
	{ "SEVERITY", "severity", false },
	{ "ID", "id", false },
	{ "WHERE", "where", false },
	{ "TEXT", "text", false },
	{ 0 },
};

static clv_rc policy_lint(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	json_t *findings;

	CLV_TRY(clv_policy_lint(run->ctx, run->who, &text, err));
	CLV_TRY(kms_load_json(&text, &findings, err));
	return kms_out_list(run->out, findings, finding_columns, err);
}

/* What was found is printed also when it is not what was expected. */
static clv_rc policy_test(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *cases = NULL;
	KMS_AUTO(kms_free) void *owned = NULL;
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	char *dumped = NULL;
	json_t *result;
	json_int_t failed;

	CLV_TRY(kms_read_json(run->args->arg[0], "document of cases", &cases, err));
	CLV_TRY(kms_dump_json(cases, &dumped, err));
	owned = dumped;
	CLV_TRY(clv_policy_test(run->ctx, run->who,
				(struct clv_bytes){ (const uint8_t *) dumped, strlen(dumped) },
				&text, err));
	CLV_TRY(kms_load_json(&text, &result, err));
	failed = json_integer_value(json_object_get(result, "failed"));
	CLV_TRY(kms_out_record(run->out, result, err));
	if (failed == 0)
		return CLV_OK;
	run->out->with_failure = true;
	return clv_fail(err, CLV_E_FAILED_PRECONDITION,
			"%ld of the expected decisions %s not what the policy decides",
			(long) failed, failed == 1 ? "is" : "are");
}

/* ---- documents */

static const struct {
	const char *word;
	enum clv_document kind;
} documents[] = {
	{ "groups", CLV_DOCUMENT_GROUPS },
	{ "locations", CLV_DOCUMENT_LOCATIONS },
	{ "components", CLV_DOCUMENT_COMPONENTS },
};

static clv_rc kind_of(const struct kms_args *args, struct clv_document_id *ret_id,
		      struct clv_err *err)
{
	for (size_t i = 0; i < KMS_ARRAY_LEN(documents); i++) {
		if (strcmp(args->arg[0], documents[i].word) == 0) {
			*ret_id = (struct clv_document_id){ documents[i].kind, NULL };
			return CLV_OK;
		}
	}
	return kms_usage(args, err,
			 "`%.40s` is no document: they are groups, locations, components",
			 args->arg[0]);
}

static clv_rc policy_get(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	struct clv_document_id id;
	json_t *document;

	CLV_TRY(kind_of(run->args, &id, err));
	CLV_TRY(clv_document_get(run->ctx, run->who, &id, &text, err));
	CLV_TRY(kms_load_json(&text, &document, err));
	return kms_out_record(run->out, document, err);
}

static clv_rc policy_set(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *document = NULL;
	KMS_AUTO(kms_free) void *owned = NULL;
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf stored = { 0 };
	struct clv_document_id id;
	char *text = NULL;
	json_t *now;

	CLV_TRY(kind_of(run->args, &id, err));
	CLV_TRY(kms_read_json(run->args->arg[1], "document", &document, err));
	CLV_TRY(kms_dump_json(document, &text, err));
	owned = text;
	CLV_TRY(clv_document_set(run->ctx, run->who, &id, CLV_DOCUMENT_PUT,
				 (struct clv_bytes){ (const uint8_t *) text, strlen(text) },
				 &stored, err));
	CLV_TRY(kms_load_json(&stored, &now, err));
	kms_out_note(run->out, "Updated document [%s].", run->args->arg[0]);
	return kms_out_made(run->out, now, err);
}

static clv_rc policy_remove(struct kms_run *run, struct clv_err *err)
{
	struct clv_document_id id;

	CLV_TRY(kind_of(run->args, &id, err));
	CLV_TRY(clv_document_remove(run->ctx, run->who, &id, NULL, err));
	kms_out_note(run->out, "Removed document [%s].", run->args->arg[0]);
	return kms_out_made(run->out, json_object(), err);
}

static const struct kms_opt explain_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "action", 0, "ACTION", KMS_TEXT, KMS_OPT_REQUIRED,
	  "decrypt, sign, create ..., or a permission" },
	{ "at", 0, "TIME", KMS_TIME, 0, "at another time than now" },
	OPT_END,
};

static const struct kms_verb policy_verbs[] = {
	{ "explain", policy_explain, explain_opts, "KEY", KMS_NO_NAME, KMS_READS,
	  "say why an action is allowed or not, and what would change that" },
	{ "lint", policy_lint, NULL, NULL, KMS_NO_NAME, KMS_READS,
	  "list what is risky in the policies as they are" },
	{ "test", policy_test, NULL, "FILE", KMS_NO_NAME, KMS_READS,
	  "compare decisions with those that a file expects" },
	{ "get", policy_get, NULL, "groups|locations|components", KMS_NO_NAME, KMS_READS,
	  "print a document of the home" },
	{ "set", policy_set, NULL, "groups|locations|components FILE", KMS_NO_NAME, KMS_CHANGES,
	  "set a document of the home" },
	{ "remove", policy_remove, NULL, "groups|locations|components", KMS_NO_NAME, KMS_CHANGES,
	  "take a document of the home away" },
	{ 0 },
};

const struct kms_noun kms_noun_policy = { "policy", NULL,
					  "why something is allowed, and what is risky",
					  policy_verbs };
