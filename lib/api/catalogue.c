/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue as a whole: whether it is what was sealed, and taking a restored one for good. */
#include <stdio.h>
#include <string.h>

#include <claviger/catalogue.h>

#include "lib/api/api.h"

#define LOCATIONS_AT_ONCE 16

static clv_rc open_tokens(struct api_worker *worker, struct clv_err *err)
{
	struct store_location rows[LOCATIONS_AT_ONCE];
	char after[CLV_ID_MAX] = "";
	struct hsm *hsm;
	size_t n;

	do {
		CLV_TRY(store_location_list(worker->store, after, LOCATIONS_AT_ONCE, rows, &n,
					    err));
		for (size_t i = 0; i < n; i++) {
			CLV_TRY(api_token_get(worker, rows[i].id, &hsm, err));
			memcpy(after, rows[i].id, sizeof after);
		}
	} while (n == LOCATIONS_AT_ONCE);
	return CLV_OK;
}

static clv_rc verify_granted(struct clv_ctx *ctx, struct clv_catalogue_report *report,
			     struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_seal_report found;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(open_tokens(worker, err));
	CLV_TRY(store_seal_verify(worker->store, &found, err));
	*report = (struct clv_catalogue_report){ .n_rows = found.rows, .n_locations = found.trees };
	return CLV_OK;
}

clv_rc clv_catalogue_verify(struct clv_ctx *ctx, const struct clv_caller *who,
			    struct clv_catalogue_report *ret_report, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "claviger.catalogue.verify",
					  .repair = true };
	struct clv_name name = { .kind = CLV_NAME_PROJECT };
	struct clv_catalogue_report report = { 0 };
	char project[CLV_NAME_MAX];

	memcpy(name.project, ctx->info.project, sizeof name.project);
	question.resource = clv_name_format(&name, CLV_NAME_PROJECT, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, verify_granted(ctx, &report, err), NULL, err));
	*ret_report = report;
	return CLV_OK;
}

/* ---- restoring ---- */

struct restoring {
	struct clv_ctx *ctx;
	const struct clv_grant *grant;
	const struct clv_name *name;
	const char *reason;
	bool accept;
};

/* A catalogue that is what was sealed has nothing to be accepted for. */
static clv_rc refuse_sound(struct api_worker *worker, const char *location, struct clv_err *err)
{
	struct store_seal_report report;
	struct clv_err why;
	struct hsm *hsm;

	if (api_token_get(worker, location, &hsm, &why) != CLV_OK ||
	    store_seal_verify(worker->store, &report, &why) != CLV_OK)
		return CLV_OK;
	return clv_fail(err, CLV_E_FAILED_PRECONDITION,
			"there is nothing to restore: the catalogue is what the token of %s has "
			"sealed last",
			location);
}

/* The token is opened apart from the others, whose opening insists on the seal. */
static clv_rc restore(const struct restoring *r, struct api_worker *worker,
		      struct clv_restoration *restoration, struct clv_err *err)
{
	CLV_AUTO(hsm_close) struct hsm *hsm = NULL;
	struct store_restoration how = { .time = clv_time_now(),
					 .principal = gate_principal(r->grant),
					 .reason = r->reason != NULL ? r->reason : "" };
	struct store_location location;
	struct store_token token;
	struct hsm_options options;
	size_t n = 0;
	clv_rc rc;

	store_seal_unchecked(worker->store, true);
	rc = store_location_get(worker->store, r->name->location, &location, err);
	if (rc == CLV_OK)
		rc = store_token_list(worker->store, r->name->location, 1, &token, &n, err);
	store_seal_unchecked(worker->store, false);
	CLV_TRY(rc);
	if (n == 0)
		return clv_fail(err, CLV_E_DATA_LOSS, "location %s has no token in the catalogue",
				r->name->location);
	api_hsm_options(r->ctx, token.pub.uri, &options);
	rc = hsm_open(&options, &hsm, err);
	if (rc == CLV_E_NOT_FOUND)
		return CLV_E_UNAVAILABLE;
	CLV_TRY(rc);
	rc = api_seal_restore(worker, &location, &token, hsm, r->grant, r->accept ? &how : NULL,
			      restoration, err);
	if (rc == CLV_OK && r->accept)
		rc = api_seal_settle(r->ctx, err);
	api_seal_close(r->ctx, &location, &token);
	return rc;
}

static clv_rc restore_granted(const struct restoring *r, struct clv_restoration *restoration,
			      struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;

	CLV_TRY(api_worker_acquire(r->ctx, &worker, err));
	if (api_token_peek(r->ctx, r->name->location) == NULL)
		CLV_TRY(refuse_sound(worker, r->name->location, err));
	if (api_token_peek(r->ctx, r->name->location) != NULL)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"the token of %s is in use here: restore from a process that has "
				"done nothing else",
				r->name->location);
	return restore(r, worker, restoration, err);
}

clv_rc clv_catalogue_restore(struct clv_ctx *ctx, const struct clv_caller *who,
			     const char *location_name, const char *reason, bool accept,
			     struct clv_restoration *ret_restoration, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "claviger.catalogue.restore",
					  .resource = location_name,
					  .reason = reason,
					  .change = accept,
					  .repair = true };
	struct restoring r = { .ctx = ctx, .reason = reason, .accept = accept };
	struct clv_restoration restoration = { 0 };
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	if (reason != NULL && strlen(reason) >= CLV_REASON_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the reason is too long: at most %d bytes", CLV_REASON_MAX - 1);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	r.grant = grant;
	r.name = &parsed;
	CLV_TRY(gate_answer(ctx, grant, restore_granted(&r, &restoration, err), NULL, err));
	*ret_restoration = restoration;
	return CLV_OK;
}
