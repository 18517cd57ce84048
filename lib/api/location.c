/* SPDX-License-Identifier: Apache-2.0 */
/* Locations and the tokens that serve them; what a token can do; the state of a home. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"

#define LOCATIONS_MAX 256 /* of one home; each has at least one token */

/* ---- making ---- */

struct making {
	struct clv_ctx *ctx;
	const struct clv_grant *grant;
	const struct clv_name *name;
	const char *uri;
	struct store_location row;
	struct store_token token;
};

/* Keys of a location can only be unwrapped there: so a token serves one location. */
static clv_rc refuse_shared_token(struct api_worker *worker, const char *serial, const char *label,
				  struct clv_err *err)
{
	struct store_token *rows = calloc(LOCATIONS_MAX, sizeof *rows);
	clv_rc rc;
	size_t n;

	if (rows == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list of tokens");
	rc = store_token_list(worker->store, NULL, LOCATIONS_MAX, rows, &n, err);
	for (size_t i = 0; rc == CLV_OK && i < n; i++) {
		if (strcmp(rows[i].pub.serial, serial) == 0 &&
		    strcmp(rows[i].pub.label, label) == 0)
			rc = clv_fail(err, CLV_E_FAILED_PRECONDITION,
				      "token '%s' (serial %s) serves location %s; a token serves "
				      "one location",
				      label, serial, rows[i].pub.location);
	}
	free(rows);
	return rc;
}

static void describe_token(struct hsm *hsm, struct making *making)
{
	struct clv_token *pub = &making->token.pub;
	struct clv_probe probe;

	hsm_describe(hsm, &probe);
	snprintf(pub->location, sizeof pub->location, "%s", making->name->location);
	snprintf(pub->uri, sizeof pub->uri, "%s", making->uri);
	memcpy(pub->serial, probe.serial, sizeof pub->serial);
	memcpy(pub->label, probe.label, sizeof pub->label);
	memcpy(pub->manufacturer, probe.manufacturer, sizeof pub->manufacturer);
	memcpy(pub->model, probe.model, sizeof pub->model);
	pub->attach_time = clv_time_now();
}

static void keep_ids(const struct hsm_location_ids *ids, struct store_token *token)
{
	memcpy(token->root_id, ids->root, sizeof token->root_id);
	memcpy(token->seal_id, ids->seal, sizeof token->seal_id);
	memcpy(token->log_id, ids->log, sizeof token->log_id);
	memcpy(token->anchor_id, ids->anchor, sizeof token->anchor_id);
}

/* The objects in the token, then the rows. */
static clv_rc make_objects(struct making *making, struct api_worker *worker, struct hsm *hsm,
			   struct api_intent *intent, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct hsm_location_ids ids;

	CLV_TRY(clv_random(&ids, sizeof ids, err));
	keep_ids(&ids, &making->token);
	CLV_TRY(api_intents_recover(worker, making->name->location, making->token.pub.serial, hsm,
				    err));
	CLV_TRY(api_intent_begin(worker, making->grant, API_INTENT_LOCATION, making->name->location,
				 making->token.pub.serial, &ids, sizeof ids, intent, err));
	CLV_TRY(hsm_location_create(hsm, making->grant, making->name->location, &ids, err));
	CLV_TRY(hsm_log_public_key(hsm, ids.log, making->token.pub.log_key_pem, err));
	CLV_TRY(api_change_begin_sealed(worker, NULL, &change, err));
	CLV_TRY(gate_check_again(worker, making->grant, err));
	return store_location_add(worker->store, making->grant, &making->row, &making->token,
				  intent->row.id, err);
}

static clv_rc attach(struct making *making, struct api_worker *worker, struct clv_err *err)
{
	CLV_AUTO(hsm_close) struct hsm *hsm = NULL;
	struct api_intent intent = { 0 };
	struct store_location row;
	struct hsm_options options;
	struct clv_err ignored;
	clv_rc rc, undo_rc;

	api_hsm_options(making->ctx, making->uri, &options);
	CLV_TRY(hsm_open(&options, &hsm, err));
	describe_token(hsm, making);
	CLV_TRY(refuse_shared_token(worker, making->token.pub.serial, making->token.pub.label,
				    err));
	rc = make_objects(making, worker, hsm, &intent, err);
	api_intent_end(&intent);
	if (rc != CLV_OK) {
		/* Undone now if it can be; else the intent waits for the next try. */
		undo_rc = api_intents_recover(worker, making->name->location,
					      making->token.pub.serial, hsm, &ignored);
		(void) undo_rc;
		return rc;
	}
	CLV_TRY(store_location_get(worker->store, making->name->location, &row, err));
	CLV_TRY(api_seal_open(worker, &row, &making->token, hsm, err));
	return api_token_put(making->ctx, making->name->location, CLV_TAKE(hsm), err);
}

static void to_public(const struct clv_name *name, const struct store_location *row,
		      struct clv_location *ret_location)
{
	struct clv_name full = { .kind = CLV_NAME_LOCATION };

	memcpy(full.project, name->project, sizeof full.project);
	memcpy(full.location, row->id, sizeof full.location);
	clv_name_format(&full, CLV_NAME_LOCATION, ret_location->name);
	memcpy(ret_location->id, row->id, sizeof ret_location->id);
	ret_location->create_time = row->create_time;
	ret_location->n_tokens = row->n_tokens;
}

/* `uri` NULL: make a SoftHSM token with `module` first. */
static clv_rc create_granted(struct making *making, const char *module,
			     struct clv_location *ret_location, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	char label[33], uri[CLV_URI_MAX];
	struct store_location row;
	clv_rc rc;

	CLV_TRY(api_worker_acquire(making->ctx, &worker, err));
	rc = store_location_get(worker->store, making->name->location, &row, err);
	if (rc == CLV_OK)
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "Location %s already exists.",
				making->name->location);
	if (rc != CLV_E_NOT_FOUND)
		return rc;
	if (making->uri == NULL) {
		snprintf(label, sizeof label, "claviger %.23s", making->name->location);
		CLV_TRY(hsm_softhsm_create(making->grant, module, making->ctx->home,
					   making->ctx->run_dir, label, making->name->location, uri,
					   err));
		making->uri = uri;
	}
	snprintf(making->row.id, sizeof making->row.id, "%s", making->name->location);
	making->row.create_time = clv_time_now();
	CLV_TRY(attach(making, worker, err));
	CLV_TRY(store_location_get(worker->store, making->name->location, &row, err));
	to_public(making->name, &row, ret_location);
	return CLV_OK;
}

static clv_rc create(struct clv_ctx *ctx, const struct clv_caller *who, const char *location_name,
		     const char *uri, const char *module, struct clv_location *ret_location,
		     struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "claviger.locations.create",
					  .resource = location_name,
					  .change = true };
	struct making making = { .ctx = ctx, .uri = uri };
	struct clv_location location;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	if (uri != NULL && strlen(uri) >= CLV_URI_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the PKCS#11 URI is too long");
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	making.grant = grant;
	making.name = &parsed;
	CLV_TRY(gate_answer(ctx, grant, create_granted(&making, module, &location, err), NULL,
			    err));
	*ret_location = location;
	return CLV_OK;
}

clv_rc clv_location_create(struct clv_ctx *ctx, const struct clv_caller *who,
			   const char *location_name, const char *uri,
			   struct clv_location *ret_location, struct clv_err *err)
{
	if (uri == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the PKCS#11 URI of a token is missing");
	return create(ctx, who, location_name, uri, NULL, ret_location, err);
}

clv_rc clv_location_create_softhsm(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *location_name, const char *module,
				   struct clv_location *ret_location, struct clv_err *err)
{
	return create(ctx, who, location_name, NULL, module != NULL ? module : CLV_SOFTHSM_MODULE,
		      ret_location, err);
}

/* ---- looking ---- */

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_name *name,
			  struct clv_location *ret_location, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_location row;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_location_get(worker->store, name->location, &row, err));
	to_public(name, &row, ret_location);
	return CLV_OK;
}

clv_rc clv_location_get(struct clv_ctx *ctx, const struct clv_caller *who,
			const char *location_name, struct clv_location *ret_location,
			struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.locations.get",
					  .resource = location_name };
	struct clv_location location;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, &parsed, &location, err), NULL, err));
	*ret_location = location;
	return CLV_OK;
}

static clv_rc list_granted(struct clv_ctx *ctx, const struct clv_name *project, const char *after,
			   size_t limit, void **ret_locations, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *locations = NULL;
	size_t n;

	CLV_TRY(api_page_new(limit, sizeof(struct store_location), &rows, err));
	CLV_TRY(api_page_new(limit, sizeof(struct clv_location), &locations, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_location_list(worker->store, after, limit, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		to_public(project, (const struct store_location *) rows + i,
			  (struct clv_location *) locations + i);
	*ret_n = n;
	*ret_locations = n > 0 ? CLV_TAKE(locations) : NULL;
	return CLV_OK;
}

clv_rc clv_location_list(struct clv_ctx *ctx, const struct clv_caller *who,
			 const char *project_name, const char *after, size_t limit,
			 struct clv_location **ret_locations, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *locations = NULL;
	struct gate_question question = { .permission = "cloudkms.locations.list",
					  .resource = project_name };
	struct clv_name parsed;
	size_t n = 0;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(project_name, CLV_NAME_PROJECT, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = list_granted(ctx, &parsed, after, limit, &locations, &n, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_locations = CLV_TAKE(locations);
	*ret_n = n;
	return CLV_OK;
}

/* ---- tokens ---- */

static clv_rc tokens_granted(struct clv_ctx *ctx, const char *location, void **ret_tokens,
			     size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *tokens = NULL;
	size_t n;

	CLV_TRY(api_page_new(LOCATIONS_MAX, sizeof(struct store_token), &rows, err));
	CLV_TRY(api_page_new(LOCATIONS_MAX, sizeof(struct clv_token), &tokens, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_token_list(worker->store, location, LOCATIONS_MAX, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		((struct clv_token *) tokens)[i] = ((const struct store_token *) rows)[i].pub;
	*ret_n = n;
	*ret_tokens = n > 0 ? CLV_TAKE(tokens) : NULL;
	return CLV_OK;
}

clv_rc clv_token_list(struct clv_ctx *ctx, const struct clv_caller *who, const char *location_name,
		      struct clv_token **ret_tokens, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *tokens = NULL;
	struct clv_name parsed = { .kind = CLV_NAME_PROJECT };
	char project[CLV_NAME_MAX];
	struct gate_question question = { .permission = "claviger.tokens.list" };
	size_t n = 0;
	clv_rc rc;

	if (location_name != NULL)
		CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	else
		memcpy(parsed.project, ctx->info.project, sizeof parsed.project);
	question.resource = clv_name_format(&parsed, parsed.kind, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = tokens_granted(ctx, location_name != NULL ? parsed.location : NULL, &tokens, &n, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_tokens = CLV_TAKE(tokens);
	*ret_n = n;
	return CLV_OK;
}

clv_rc clv_token_probe(const char *uri, bool allow_unlocked_memory, struct clv_probe *ret_probe,
		       struct clv_err *err)
{
	CLV_AUTO(hsm_close) struct hsm *hsm = NULL;
	struct hsm_options options = { .uri = uri };

	if (uri == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the PKCS#11 URI of a token is missing");
	CLV_TRY(clv_secret_setup(0, allow_unlocked_memory, err));
	CLV_TRY(hsm_open(&options, &hsm, err));
	return hsm_probe(hsm, true, ret_probe, err);
}

static clv_rc status_granted(struct clv_ctx *ctx, const struct clv_name *name,
			     struct clv_probe *ret_probe, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct hsm_location_ids ids;
	struct store_token token;
	struct hsm *hsm;
	size_t n;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(api_token_get(worker, name->location, &hsm, err));
	CLV_TRY(store_token_list(worker->store, name->location, 1, &token, &n, err));
	if (n == 0)
		return clv_fail(err, CLV_E_DATA_LOSS, "location %s has no token in the catalogue",
				name->location);
	memcpy(ids.root, token.root_id, sizeof ids.root);
	memcpy(ids.seal, token.seal_id, sizeof ids.seal);
	memcpy(ids.log, token.log_id, sizeof ids.log);
	memcpy(ids.anchor, token.anchor_id, sizeof ids.anchor);
	CLV_TRY(hsm_probe(hsm, false, ret_probe, err));
	return hsm_location_check(hsm, &ids, ret_probe, err);
}

clv_rc clv_token_status(struct clv_ctx *ctx, const struct clv_caller *who,
			const char *location_name, struct clv_probe *ret_probe, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *page = NULL;
	struct gate_question question = { .permission = "claviger.tokens.get",
					  .resource = location_name };
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	CLV_TRY(api_page_new(1, sizeof *ret_probe, &page, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = status_granted(ctx, &parsed, page, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	memcpy(ret_probe, page, sizeof *ret_probe);
	return CLV_OK;
}

/* ---- the state of a home ---- */

static clv_rc fill_location(struct api_worker *worker, const struct store_location *row,
			    struct clv_status_location *location, struct clv_err *err)
{
	struct store_counts counts;
	struct store_head head;
	bool sealed;
	struct store_token token;
	struct clv_err why;
	struct hsm *hsm;
	size_t n;
	clv_rc rc;

	/* The token first: to open it may settle flags that are pending. And counting is not cheap.
	 */
	rc = api_token_get(worker, row->id, &hsm, &why);
	if (rc == CLV_OK)
		rc = hsm_ping(hsm, &why);
	CLV_TRY(store_counts_get(worker->store, row->id, &counts, err));
	CLV_TRY(store_token_list(worker->store, row->id, 1, &token, &n, err));
	*location = (struct clv_status_location){ .n_tokens = row->n_tokens,
						  .n_key_rings = counts.key_rings,
						  .n_keys = counts.keys,
						  .n_versions_enabled = counts.versions_enabled,
						  .n_versions_disabled = counts.versions_disabled,
						  .n_versions_scheduled = counts.versions_scheduled,
						  .n_versions_destroyed = counts.versions_destroyed,
						  .n_token_pending = counts.token_pending,
						  .token_rc = rc };
	CLV_TRY(store_unsealed_count(worker->store, row->row, &location->n_seal_pending, err));
	CLV_TRY(store_head_get(worker->store, row->row, &sealed, &head, err));
	location->seal_epoch = sealed ? head.epoch : 0;
	memcpy(location->id, row->id, sizeof location->id);
	if (n > 0) {
		memcpy(location->token_label, token.pub.label, sizeof location->token_label);
		memcpy(location->token_serial, token.pub.serial, sizeof location->token_serial);
	}
	if (rc != CLV_OK)
		snprintf(location->token_text, sizeof location->token_text, "%.150s", why.text);
	return CLV_OK;
}

static clv_rc status_of_home(struct clv_ctx *ctx, struct clv_status *status, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	size_t n;

	CLV_TRY(api_page_new(LOCATIONS_MAX, sizeof(struct store_location), &rows, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_location_list(worker->store, NULL, LOCATIONS_MAX, rows, &n, err));
	status->locations = calloc(n > 0 ? n : 1, sizeof *status->locations);
	if (status->locations == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
				"no memory for the list of locations");
	for (size_t i = 0; i < n; i++)
		CLV_TRY(fill_location(worker, (const struct store_location *) rows + i,
				      &status->locations[i], err));
	status->n_locations = n;
	status->schema = store_schema();
	status->generation = inflight_generation(ctx->inflight);
	status->audit_bytes = audit_size(ctx->audit);
	status->reserve_bytes = api_reserve_held(ctx->home);
	status->reserve_full = status->reserve_bytes >= API_RESERVE_BYTES;
	snprintf(status->home, sizeof status->home, "%.255s", ctx->home);
	memcpy(status->project, ctx->info.project, sizeof status->project);
	memcpy(status->owner, ctx->info.owner, sizeof status->owner);
	return CLV_OK;
}

clv_rc clv_status_get(struct clv_ctx *ctx, const struct clv_caller *who,
		      struct clv_status *ret_status, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_status_done) struct clv_status status = { 0 };
	char project[CLV_NAME_MAX];
	struct clv_name name = { .kind = CLV_NAME_PROJECT };
	struct gate_question question = { .permission = "claviger.homes.get" };

	memcpy(name.project, ctx->info.project, sizeof name.project);
	question.resource = clv_name_format(&name, CLV_NAME_PROJECT, project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, status_of_home(ctx, &status, err), NULL, err));
	*ret_status = status;
	status.locations = NULL;
	return CLV_OK;
}

void clv_status_done(struct clv_status *status)
{
	free(status->locations);
	status->locations = NULL;
}
