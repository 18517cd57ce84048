/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is due. Any process may look at any time; the row version decides who does it, so each thing
 * is done once. A clock that goes backwards finds nothing due, and undoes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/model/state.h"

#define DUE_AT_ONCE 32

#define PERMISSION "claviger.homes.maintain"

/* The row as it is now, under the change lock: it may have been restored since it was listed. */
static clv_rc commit_end(struct api_upkeep *up, const struct clv_name *name,
			 const struct store_version *listed, bool *ret_done, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_version row;
	struct model_transition transition;

	*ret_done = false;
	CLV_TRY(api_change_begin(up->worker->ctx, &change, err));
	CLV_TRY(store_version_get(up->worker->store, name, &row, err));
	transition = model_state_transition(row.pub.state, MODEL_VERB_EXPIRE);
	if (row.row_version != listed->row_version || transition.effect != MODEL_CHANGES)
		return CLV_OK; /* restored, or done by another */
	row.pub.state = transition.next;
	row.pub.state_time = clv_time_now();
	row.pub.destroy_event_time = row.pub.state_time;
	row.pub.destroy_time = 0;
	snprintf(row.pub.state_principal, sizeof row.pub.state_principal, "%s",
		 gate_principal(up->grant));
	CLV_TRY(store_version_erase(up->worker->store, up->grant, &row, err));
	*ret_done = true;
	return CLV_OK;
}

static clv_rc end_wrapped(struct api_upkeep *up, const struct clv_name *name,
			  const struct store_version *row, bool *ret_done, struct clv_err *err)
{
	struct hsm *hsm = api_token_peek(up->worker->ctx, name->location);

	CLV_TRY(commit_end(up, name, row, ret_done, err));
	if (hsm != NULL)
		hsm_key_evict(hsm, row->pub.uid);
	return CLV_OK;
}

/*
 * A token object goes after the row says DESTROYED, so that a version restored in the last moment
 * loses nothing. The intent makes sure that it goes even if this process does not live to do it.
 */
static clv_rc end_resident(struct api_upkeep *up, const struct clv_name *name,
			   const struct store_version *row, bool *ret_done, struct clv_err *err)
{
	struct api_intent intent = { 0 };
	struct clv_probe probe;
	struct hsm *hsm;
	clv_rc rc;

	CLV_TRY(api_token_get(up->worker, name->location, &hsm, err));
	CLV_TRY(hsm_ping(hsm, err));
	hsm_describe(hsm, &probe);
	CLV_TRY(api_intent_begin(up->worker, up->grant, API_INTENT_ERASE, name->location,
				 probe.serial, row->pub.uid, sizeof row->pub.uid, &intent, err));
	rc = commit_end(up, name, row, ret_done, err);
	if (rc == CLV_OK && *ret_done)
		rc = hsm_key_destroy(hsm, up->grant, HSM_ROLE_VERSION, row->pub.uid, err);
	if (rc == CLV_OK)
		rc = store_intent_remove(up->worker->store, up->grant, intent.row.id, err);
	api_intent_end(&intent);
	return rc;
}

clv_rc api_upkeep_note(struct api_upkeep *up, const char *resource, const char *reason,
		       const char *version, clv_rc rc, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = {
		.permission = PERMISSION, .resource = resource, .reason = reason, .change = true
	};
	struct clv_err denied;

	if (gate_ask(up->worker->ctx, up->who, &question, &grant, &denied) != CLV_OK) {
		*err = denied;
		return CLV_E_PERMISSION_DENIED;
	}
	return gate_answer(up->worker->ctx, grant, rc, version, err);
}

void api_upkeep_left(struct api_upkeep *up, uint64_t n, const struct clv_err *err)
{
	up->report.left += n;
	snprintf(up->report.why, sizeof up->report.why, "%.150s", err->text);
}

/* A token object that is still to follow counts as left, whatever its row says. */
static void end_one(struct api_upkeep *up, const struct store_version *row)
{
	struct clv_name name;
	struct clv_err err;
	bool done = false;
	clv_rc rc = clv_name_parse(row->pub.name, &name, &err);

	if (rc == CLV_OK && row->pub.residency == CLV_RESIDENCY_TOKEN)
		rc = end_resident(up, &name, row, &done, &err);
	else if (rc == CLV_OK)
		rc = end_wrapped(up, &name, row, &done, &err);
	if (done)
		rc = api_upkeep_note(up, row->pub.name, row->pub.state_reason, row->pub.name, rc,
				     &err);
	if (rc == CLV_OK)
		up->report.destroyed += done;
	else
		api_upkeep_left(up, 1, &err);
}

/* What earlier calls committed, but could not carry through to the token. */
static clv_rc end_begun(struct api_upkeep *up, struct clv_err *err)
{
	struct clv_err why;
	uint64_t left = 0;
	clv_rc rc = api_erasures_recover(up->worker, &left, &why);

	if (rc != CLV_OK)
		*err = why;
	else if (left > 0)
		api_upkeep_left(up, left, &why);
	return rc;
}

bool api_upkeep_remove_copies(struct api_upkeep *up, size_t n_due)
{
	struct clv_err err;

	if (up->copies_gone || n_due == 0)
		return true;
	up->copies_gone = store_copies_remove(up->worker->store, up->grant, &err) == CLV_OK;
	if (!up->copies_gone)
		api_upkeep_left(up, n_due, &err);
	return up->copies_gone;
}

/* What was erased while others read may still stand in the log of the catalogue. */
static void scrub(struct api_upkeep *up)
{
	struct clv_err why, err;
	clv_rc rc = store_scrub(up->worker->store, up->grant, &why);

	if (rc == CLV_OK)
		return;
	rc = clv_fail(&err, rc, "what was destroyed may stand in its log still: %.100s", why.text);
	(void) rc; /* it is in the report */
	api_upkeep_left(up, 1, &err);
}

static clv_rc end_due(struct api_upkeep *up, struct clv_err *err)
{
	CLV_AUTO(clv_page_free) void *page = NULL;
	const struct store_version *rows;
	int64_t after_time = INT64_MIN, after_row = 0;
	size_t n;

	CLV_TRY(api_page_new(DUE_AT_ONCE, sizeof *rows, &page, err));
	rows = page;
	do {
		CLV_TRY(store_version_list_due(up->worker->store, up->now, after_time, after_row,
					       DUE_AT_ONCE, page, &n, err));
		if (!api_upkeep_remove_copies(up, n))
			break;
		for (size_t i = 0; i < n; i++)
			end_one(up, &rows[i]);
		if (n > 0) {
			after_time = rows[n - 1].pub.destroy_time;
			after_row = rows[n - 1].row;
		}
	} while (n == DUE_AT_ONCE);
	return CLV_OK;
}

static clv_rc maintain_granted(struct clv_ctx *ctx, struct api_upkeep *up, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	up->worker = worker;
	CLV_TRY(end_begun(up, err));
	CLV_TRY(end_due(up, err));
	CLV_TRY(api_import_jobs_expire(up, err));
	scrub(up);
	return api_rotate_due(up, err);
}

/* It is the whole home that is maintained. */
static const char *project_of(const struct clv_ctx *ctx, char project[CLV_NAME_MAX])
{
	struct clv_name name = { .kind = CLV_NAME_PROJECT };

	memcpy(name.project, ctx->info.project, sizeof name.project);
	return clv_name_format(&name, CLV_NAME_PROJECT, project);
}

clv_rc clv_maintain_as_of(struct clv_ctx *ctx, const struct clv_caller *who, int64_t as_of,
			  struct clv_maintain_report *ret_report, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = PERMISSION, .change = true };
	const int64_t now = clv_time_now();
	struct api_upkeep up = { .who = who, .now = as_of < now ? as_of : now };
	char project[CLV_NAME_MAX];

	question.resource = project_of(ctx, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	up.grant = grant;
	CLV_TRY(gate_answer(ctx, grant, maintain_granted(ctx, &up, err), NULL, err));
	*ret_report = up.report;
	return CLV_OK;
}

clv_rc clv_maintain(struct clv_ctx *ctx, const struct clv_caller *who,
		    struct clv_maintain_report *ret_report, struct clv_err *err)
{
	return clv_maintain_as_of(ctx, who, INT64_MAX, ret_report, err);
}

/* ---- what is going to be done */

static clv_rc due_granted(struct clv_ctx *ctx, size_t limit, struct clv_maintain_due *due,
			  void **ret_versions, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *versions = NULL;
	size_t n;

	CLV_TRY(api_page_new(limit, sizeof(struct store_version), &rows, err));
	CLV_TRY(api_page_new(limit, sizeof(struct clv_version), &versions, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_version_list_due(worker->store, due->as_of, INT64_MIN, 0, limit, rows, &n,
				       err));
	CLV_TRY(store_version_count_due(worker->store, due->as_of, &due->versions, err));
	if (due->versions < n) /* another process destroyed some in between */
		due->versions = n;
	for (size_t i = 0; i < n; i++)
		((struct clv_version *) versions)[i] = ((const struct store_version *) rows)[i].pub;
	*ret_n = n;
	*ret_versions = n > 0 ? CLV_TAKE(versions) : NULL;
	return CLV_OK;
}

clv_rc clv_maintain_due(struct clv_ctx *ctx, const struct clv_caller *who, size_t limit,
			struct clv_maintain_due *ret_due, struct clv_version **ret_versions,
			size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *versions = NULL;
	struct gate_question question = { .permission = PERMISSION,
					  .reason = "to see what is due" };
	struct clv_maintain_due due = { .as_of = clv_time_now() };
	char project[CLV_NAME_MAX];
	size_t n = 0;
	clv_rc rc;

	question.resource = project_of(ctx, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = due_granted(ctx, limit, &due, &versions, &n, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_due = due;
	*ret_versions = CLV_TAKE(versions);
	*ret_n = n;
	return CLV_OK;
}
