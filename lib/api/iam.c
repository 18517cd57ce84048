/* SPDX-License-Identifier: Apache-2.0 */
/* IAM policies of projects, key rings, keys and import jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/policy/text.h"

static char *text_free(char *text)
{
	free(text);
	return NULL;
}
CLV_DEFINE_AUTO(char, text_free);

/* What has a policy, and who may read and write it. */
static const struct {
	const char *get, *set;
} permissions[] = {
	[CLV_NAME_PROJECT] = { "resourcemanager.projects.getIamPolicy",
			       "resourcemanager.projects.setIamPolicy" },
	[CLV_NAME_KEY_RING] = { "cloudkms.keyRings.getIamPolicy",
				"cloudkms.keyRings.setIamPolicy" },
	[CLV_NAME_KEY] = { "cloudkms.cryptoKeys.getIamPolicy", "cloudkms.cryptoKeys.setIamPolicy" },
	[CLV_NAME_IMPORT_JOB] = { "cloudkms.importJobs.getIamPolicy",
				  "cloudkms.importJobs.setIamPolicy" },
};

static clv_rc check_resource(const char *resource, struct clv_name *ret_name, struct clv_err *err)
{
	struct clv_name name;

	CLV_TRY(clv_name_parse(resource, &name, err));
	if (name.kind == CLV_NAME_VERSION)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a version has no IAM policy: the policy of its key holds for it");
	if (name.kind == CLV_NAME_LOCATION)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a location has no IAM policy: projects, key rings, keys and "
				"import jobs have");
	*ret_name = name;
	return CLV_OK;
}

/* Policies of projects are there whether anything is in the project or not. */
static clv_rc check_existence(struct api_worker *worker, const struct clv_name *name,
			      struct clv_err *err)
{
	struct store_import_job job;
	struct store_ring ring;
	struct store_key key;

	switch (name->kind) {
	case CLV_NAME_KEY_RING:
		return store_ring_get(worker->store, name, &ring, err);
	case CLV_NAME_KEY:
		return store_key_get(worker->store, name, &key, err);
	case CLV_NAME_IMPORT_JOB:
		return store_import_job_get(worker->store, name, &job, err);
	default:
		return CLV_OK;
	}
}

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_name *name, const char *resource,
			  struct clv_buf *out, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(check_existence(worker, name, err));
	return api_document_text(worker, POLICY_IAM, resource, out, err);
}

clv_rc clv_iam_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *resource,
		   struct clv_buf *ret_policy, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	struct gate_question question = { .resource = resource, .repair = true };
	struct clv_name name;

	CLV_TRY(check_resource(resource, &name, err));
	question.permission = permissions[name.kind].get;
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, &name, resource, &text, err), NULL, err));
	return clv_buf_add(ret_policy, text.data, text.len, err);
}

static clv_rc set_granted(struct clv_ctx *ctx, const struct clv_name *name,
			  const struct api_document_change *change, struct clv_buf *out,
			  struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	int64_t row_version;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(check_existence(worker, name, err));
	CLV_TRY(api_document_change(worker, change, &row_version, err));
	return policy_text_write(change->text, row_version, out, err);
}

/* Whether it takes away only is known once the old one was read: until then it may. */
clv_rc clv_iam_set(struct clv_ctx *ctx, const struct clv_caller *who, const char *resource,
		   struct clv_bytes policy, struct clv_buf *ret_policy, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(text_free) char *stored = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	struct api_document_change change = { .kind = POLICY_IAM, .name = resource };
	struct gate_question question = {
		.resource = resource, .change = true, .lowering = true, .repair = true
	};
	struct clv_name name;

	CLV_TRY(check_resource(resource, &name, err));
	CLV_TRY(policy_text_read(policy, &stored, &change.etag, err));
	question.permission = permissions[name.kind].set;
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	change.grant = grant;
	change.text = stored;
	CLV_TRY(gate_answer(ctx, grant, set_granted(ctx, &name, &change, &text, err), NULL, err));
	return clv_buf_add(ret_policy, text.data, text.len, err);
}

clv_rc clv_iam_test(struct clv_ctx *ctx, const struct clv_caller *who, const char *resource,
		    const char *const *permissions_asked, size_t n, bool *ret_held,
		    struct clv_err *err)
{
	struct clv_name name;

	if (n > CLV_IAM_TEST_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%zu permissions: at most %d can be tested at once", n,
				CLV_IAM_TEST_MAX);
	CLV_TRY(check_resource(resource, &name, err));
	return gate_test(ctx, who, resource, permissions_asked, n, ret_held, err);
}
