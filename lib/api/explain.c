/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about the policy: why, what is risky in it, and does it say what was expected? */
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/policy/action.h"
#include "lib/policy/explain.h"

#define KEYS_AT_ONCE 256

/* ---- explain */

/* What the catalogue knows of the key, where there is one: its protection level, and the state of
 * the version that would be used. */
static clv_rc gather(struct api_worker *worker, const char *resource, struct policy_facts *facts,
		     struct clv_err *err)
{
	struct store_version version;
	struct store_key key;
	struct clv_name name;
	clv_rc rc;

	if (clv_name_parse(resource, &name, err) != CLV_OK)
		return CLV_OK;
	if (name.kind == CLV_NAME_VERSION) {
		rc = store_version_get(worker->store, &name, &version, err);
		if (rc == CLV_OK)
			*facts = (struct policy_facts){ version.pub.protection, version.pub.state };
		return rc == CLV_E_NOT_FOUND ? CLV_OK : rc;
	}
	if (name.kind != CLV_NAME_KEY)
		return CLV_OK;
	rc = store_key_get(worker->store, &name, &key, err);
	if (rc == CLV_OK)
		*facts = (struct policy_facts){ key.pub.protection, key.pub.primary_version.state };
	return rc == CLV_E_NOT_FOUND ? CLV_OK : rc;
}

static clv_rc explain_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			      const struct policy_ask *ask, struct clv_buf *out,
			      struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct policy_facts facts = { 0 };
	const struct policy *policy;
	bool readable;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(gather(worker, ask->resource, &facts, err));
	CLV_TRY(gate_policy(worker, grant, &policy, &readable, err));
	return policy_explain(policy, ask, &facts, out, err);
}

static clv_rc read_question(const struct clv_policy_question *question, struct clv_name *name,
			    struct policy_ask *ask, struct clv_err *err)
{
	*ask = (struct policy_ask){ .principal = question->principal,
				    .place = question->place,
				    .resource = question->resource,
				    .name = name,
				    .time = question->time != 0 ? question->time : clv_time_now() };
	if (ask->principal == NULL || ask->principal[0] == '\0' ||
	    strlen(ask->principal) >= CLV_PRINCIPAL_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the principal to explain for is missing or too long");
	if (ask->place != NULL)
		CLV_TRY(clv_id_check(CLV_NAME_LOCATION, ask->place, err));
	CLV_TRY(clv_name_parse(ask->resource, name, err));
	return policy_action_permission(question->action, name->kind, &ask->permission, err);
}

clv_rc clv_policy_explain(struct clv_ctx *ctx, const struct clv_caller *who,
			  const struct clv_policy_question *question, struct clv_buf *ret_json,
			  struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf json = { 0 };
	const struct gate_question asked = { .permission = "claviger.policies.get",
					     .resource = question->resource };
	struct policy_ask ask;
	struct clv_name name;

	CLV_TRY(read_question(question, &name, &ask, err));
	CLV_TRY(gate_ask(ctx, who, &asked, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, explain_granted(ctx, grant, &ask, &json, err), NULL, err));
	return clv_buf_add(ret_json, json.data, json.len, err);
}

/* ---- lint */

/* Names of all keys; owned, in one block behind the pointers. */
struct names {
	char (*text)[CLV_NAME_MAX];
	const char **at;
	size_t n;
};

static void names_done(struct names *names)
{
	free(names->text);
	free(names->at);
}

static clv_rc add_names(struct names *names, const struct store_key *rows, size_t n,
			struct clv_err *err)
{
	char(*text)[CLV_NAME_MAX] = reallocarray(names->text, names->n + n, sizeof *text);

	if (text == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for names of keys");
	names->text = text;
	for (size_t i = 0; i < n; i++)
		memcpy(text[names->n + i], rows[i].pub.name, CLV_NAME_MAX);
	names->n += n;
	return CLV_OK;
}

static clv_rc all_keys(struct api_worker *worker, struct names *names, struct clv_err *err)
{
	CLV_AUTO(clv_page_free) void *page = NULL;
	const struct store_key *rows;
	int64_t after = 0;
	size_t n;

	CLV_TRY(api_page_new(KEYS_AT_ONCE, sizeof *rows, &page, err));
	rows = page;
	do {
		CLV_TRY(store_key_list_all(worker->store, after, KEYS_AT_ONCE, page, &n, err));
		if (n > 0) {
			CLV_TRY(add_names(names, rows, n, err));
			after = rows[n - 1].row;
		}
	} while (n == KEYS_AT_ONCE);
	names->at = calloc(names->n + 1, sizeof *names->at);
	if (names->at == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for names of keys");
	for (size_t i = 0; i < names->n; i++)
		names->at[i] = names->text[i];
	return CLV_OK;
}

static clv_rc lint_granted(struct clv_ctx *ctx, const struct clv_grant *grant, struct clv_buf *out,
			   struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO_DONE(names_done) struct names keys = { 0 };
	const struct policy *policy;
	bool readable;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(all_keys(worker, &keys, err));
	CLV_TRY(gate_policy(worker, grant, &policy, &readable, err));
	return policy_lint(policy, keys.at, keys.n, out, err);
}

clv_rc clv_policy_lint(struct clv_ctx *ctx, const struct clv_caller *who, struct clv_buf *ret_json,
		       struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf json = { 0 };
	struct gate_question question = { .permission = "claviger.policies.get" };
	char project[CLV_NAME_MAX];

	question.resource = api_own_project(ctx, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, lint_granted(ctx, grant, &json, err), NULL, err));
	return clv_buf_add(ret_json, json.data, json.len, err);
}

/* ---- test */

static clv_rc test_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			   struct clv_bytes cases, struct clv_buf *out, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	const struct policy *policy;
	bool readable;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(gate_policy(worker, grant, &policy, &readable, err));
	return policy_test(policy, cases, clv_time_now(), out, err);
}

clv_rc clv_policy_test(struct clv_ctx *ctx, const struct clv_caller *who, struct clv_bytes cases,
		       struct clv_buf *ret_json, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf json = { 0 };
	struct gate_question question = { .permission = "claviger.policies.get" };
	char project[CLV_NAME_MAX];

	question.resource = api_own_project(ctx, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, test_granted(ctx, grant, cases, &json, err), NULL, err));
	return clv_buf_add(ret_json, json.data, json.len, err);
}
