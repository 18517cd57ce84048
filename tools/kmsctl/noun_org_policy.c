/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl org-policies: constraints of a project, or of one of its keys. */
#include <string.h>

#include "tools/kmsctl/iam.h"

#define POLICY_NAME_MAX 512

static clv_rc put_set(struct kms_run *run, const json_t *policy, const char *name,
		      json_t **ret_stored, struct clv_err *err)
{
	const struct clv_document_id id = { CLV_DOCUMENT_CONSTRAINT, name };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf stored = { 0 };
	KMS_AUTO(kms_free) void *owned = NULL;
	char *text = NULL;

	CLV_TRY(kms_dump_json(policy, &text, err));
	owned = text;
	CLV_TRY(clv_document_set(run->ctx, run->who, &id, CLV_DOCUMENT_PUT,
				 (struct clv_bytes){ (const uint8_t *) text, strlen(text) },
				 &stored, err));
	return kms_load_json(&stored, ret_stored, err);
}

/* The file says which constraint, and of what. */
static clv_rc policy_set(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *policy = NULL;
	const char *name;
	json_t *stored;

	CLV_TRY(kms_read_json(run->args->arg[0], "policy", &policy, err));
	name = json_string_value(json_object_get(policy, "name"));
	if (name == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the policy has no \"name\", as projects/%s/policies/"
				"gcp.resourceLocations",
				clv_ctx_project(run->ctx));
	CLV_TRY(put_set(run, policy, name, &stored, err));
	kms_out_note(run->out, "Updated policy [%s].", name);
	return kms_out_record(run->out, stored, err);
}

/* PARENT/policies/CONSTRAINT; a "constraints/" in front is gcloud's older way. */
static clv_rc name_of(struct kms_run *run, char ret_name[POLICY_NAME_MAX], struct clv_err *err)
{
	const char *constraint = run->args->arg[0];
	char parent[CLV_NAME_MAX];
	struct clv_name name;

	if (strncmp(constraint, "constraints/", strlen("constraints/")) == 0)
		constraint += strlen("constraints/");
	if (strncmp(constraint, "projects/", strlen("projects/")) == 0) {
		if (snprintf(ret_name, POLICY_NAME_MAX, "%s", constraint) >= POLICY_NAME_MAX)
			return kms_usage(run->args, err, "the name is too long");
		return CLV_OK;
	}
	CLV_TRY(kms_name_of_options(run->args, clv_ctx_project(run->ctx), NULL, &name, err));
	clv_name_format(&name, name.kind, parent);
	if (snprintf(ret_name, POLICY_NAME_MAX, "%s/policies/%s", parent, constraint) >=
	    POLICY_NAME_MAX)
		return kms_usage(run->args, err, "the name is too long");
	return CLV_OK;
}

static clv_rc policy_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_document_id id = { CLV_DOCUMENT_CONSTRAINT, NULL };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	char name[POLICY_NAME_MAX];
	json_t *policy;

	CLV_TRY(name_of(run, name, err));
	id.name = name;
	CLV_TRY(clv_document_get(run->ctx, run->who, &id, &text, err));
	CLV_TRY(kms_load_json(&text, &policy, err));
	return kms_out_record(run->out, policy, err);
}

static clv_rc policy_delete(struct kms_run *run, struct clv_err *err)
{
	struct clv_document_id id = { CLV_DOCUMENT_CONSTRAINT, NULL };
	char name[POLICY_NAME_MAX];

	CLV_TRY(name_of(run, name, err));
	id.name = name;
	CLV_TRY(clv_document_remove(run->ctx, run->who, &id, NULL, err));
	kms_out_note(run->out, "Deleted policy [%s].", name);
	return kms_out_made(run->out, json_object(), err);
}

static const struct kms_column policy_columns[] = {
	{ "NAME", "name", false },
	{ "ETAG", "etag", false },
	{ 0 },
};

static clv_rc policy_list(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	json_t *list;

	CLV_TRY(clv_document_list(run->ctx, run->who, CLV_DOCUMENT_CONSTRAINT, run->full, &text,
				  err));
	CLV_TRY(kms_load_json(&text, &list, err));
	return kms_out_list(run->out, list, policy_columns, err);
}

static const struct kms_opt place_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_END,
};

static const struct kms_verb policy_verbs[] = {
	{ "set-policy", policy_set, NULL, "POLICY_FILE", KMS_NO_NAME, KMS_CHANGES,
	  "set the constraint that a file holds" },
	{ "list", policy_list, NULL, NULL, CLV_NAME_PROJECT, KMS_READS,
	  "list the constraints of a project and of its keys" },
	{ "describe", policy_describe, place_opts, "CONSTRAINT", KMS_NO_NAME, KMS_READS,
	  "print a constraint" },
	{ "delete", policy_delete, place_opts, "CONSTRAINT", KMS_NO_NAME, KMS_CHANGES,
	  "take a constraint away" },
	{ 0 },
};

const struct kms_noun kms_noun_org_policy = { "org-policies", NULL,
					      "where keys may be, and be used from", policy_verbs };
