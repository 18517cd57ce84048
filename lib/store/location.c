/* SPDX-License-Identifier: Apache-2.0 */
/* Locations and the tokens that serve them. */
#include <stdio.h>

#include "lib/store/impl.h"
#include "lib/base/banned.h"

static clv_rc read_location(struct store_run *run, struct store_location *ret_location,
			    struct clv_err *err)
{
	struct store_location location = { 0 };

	location.row = store_read_int(run);
	store_read_text(run, location.id, sizeof location.id);
	location.create_time = store_read_int(run);
	location.n_tokens = (unsigned) store_read_count(run);
	CLV_TRY(store_row_check(run, err));
	CLV_TRY(store_seal_check(run->store, STORE_KIND_LOCATION, location.row, err));
	*ret_location = location;
	return CLV_OK;
}

clv_rc store_location_get(struct store *store, const char *id, struct store_location *ret_location,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LOCATION_GET);
	const struct clv_name name = store_location_name(store, id);
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_text(&run, ":id", id);
	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return store_not_found(&name, CLV_NAME_LOCATION, err);
	return read_location(&run, ret_location, err);
}

clv_rc store_location_first(struct store *store, bool *ret_found,
			    struct store_location *ret_location, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_COMMON_TREE);
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(store_step(&run, &found, err));
	if (found)
		CLV_TRY(read_location(&run, ret_location, err));
	*ret_found = found;
	return CLV_OK;
}

clv_rc store_location_list(struct store *store, const char *after, size_t limit,
			   struct store_location *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LOCATION_LIST);
	size_t n = 0;
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_text(&run, ":after", after != NULL ? after : "");
	store_bind_limit(&run, limit);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_location(&run, &rows[n++], err));
	}
	*ret_n = n;
	return CLV_OK;
}

static clv_rc insert_location(struct store *store, const struct store_location *location,
			      int64_t *ret_row, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LOCATION_INSERT);
	bool found;

	store_bind_text(&run, ":id", location->id);
	store_bind_int(&run, ":create_time", location->create_time);
	CLV_TRY(store_step(&run, &found, err));
	*ret_row = store_read_int(&run);
	return store_step_done(&run, err);
}

static clv_rc insert_token(struct store *store, int64_t location_row,
			   const struct store_token *token, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_TOKEN_INSERT);

	store_bind_int(&run, ":location", location_row);
	store_bind_text(&run, ":uri", token->pub.uri);
	store_bind_text(&run, ":serial", token->pub.serial);
	store_bind_text(&run, ":label", token->pub.label);
	store_bind_text(&run, ":manufacturer", token->pub.manufacturer);
	store_bind_text(&run, ":model", token->pub.model);
	store_bind_text(&run, ":log_key_pem", token->pub.log_key_pem);
	store_bind_int(&run, ":attach_time", token->pub.attach_time);
	store_bind_blob(&run, ":root_id", token->root_id, sizeof token->root_id);
	store_bind_blob(&run, ":seal_id", token->seal_id, sizeof token->seal_id);
	store_bind_blob(&run, ":log_id", token->log_id, sizeof token->log_id);
	store_bind_blob(&run, ":anchor_0_id", token->anchor_id[0], sizeof token->anchor_id[0]);
	store_bind_blob(&run, ":anchor_1_id", token->anchor_id[1], sizeof token->anchor_id[1]);
	return store_step_done(&run, err);
}

clv_rc store_location_add(struct store *store, const struct clv_grant *grant,
			  const struct store_location *location, const struct store_token *token,
			  const char *intent, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	const struct clv_name name = store_location_name(store, location->id);
	struct store_place place;
	int64_t row;
	clv_rc rc;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_require_new(store, &name, CLV_NAME_LOCATION, &place, err));
	CLV_TRY(insert_location(store, location, &row, err));
	rc = insert_token(store, row, token, err);
	if (rc != CLV_OK && err->domain == CLV_DOM_SQLITE &&
	    err->native == SQLITE_CONSTRAINT_UNIQUE)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"token '%s' (serial %s) serves another location already; "
				"a token serves one location",
				token->pub.label, token->pub.serial);
	CLV_TRY(rc);
	CLV_TRY(store_intent_take(store, intent, err));
	return store_change_commit(&change, err);
}

static clv_rc read_token(struct store_run *run, struct store_token *ret_token, struct clv_err *err)
{
	struct store_token token = { 0 };

	token.row = store_read_int(run);
	store_read_text(run, token.pub.location, sizeof token.pub.location);
	store_read_text(run, token.pub.uri, sizeof token.pub.uri);
	store_read_text(run, token.pub.serial, sizeof token.pub.serial);
	store_read_text(run, token.pub.label, sizeof token.pub.label);
	store_read_text(run, token.pub.manufacturer, sizeof token.pub.manufacturer);
	store_read_text(run, token.pub.model, sizeof token.pub.model);
	store_read_text(run, token.pub.log_key_pem, sizeof token.pub.log_key_pem);
	token.pub.attach_time = store_read_int(run);
	store_read_blob(run, token.root_id, sizeof token.root_id);
	store_read_blob(run, token.seal_id, sizeof token.seal_id);
	store_read_blob(run, token.log_id, sizeof token.log_id);
	store_read_blob(run, token.anchor_id[0], sizeof token.anchor_id[0]);
	store_read_blob(run, token.anchor_id[1], sizeof token.anchor_id[1]);
	CLV_TRY(store_row_check(run, err));
	CLV_TRY(store_seal_check(run->store, STORE_KIND_TOKEN, token.row, err));
	*ret_token = token;
	return CLV_OK;
}

static clv_rc list_tokens(struct store *store, const char *location, size_t limit,
			  struct store_token *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, location != NULL ? STORE_SQL_TOKEN_LIST
								       : STORE_SQL_TOKEN_LIST_ALL);
	size_t n = 0;
	bool found;

	if (location != NULL)
		store_bind_text(&run, ":location", location);
	store_bind_limit(&run, limit);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_token(&run, &rows[n++], err));
	}
	*ret_n = n;
	return CLV_OK;
}

clv_rc store_token_list(struct store *store, const char *location, size_t limit,
			struct store_token *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_place place;
	struct clv_name name;
	size_t n = 0;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(list_tokens(store, location, limit, rows, &n, err));
	if (n == 0 && location != NULL) {
		name = store_location_name(store, location);
		CLV_TRY(store_require(store, &name, CLV_NAME_LOCATION, &place, err));
	}
	*ret_n = n;
	return CLV_OK;
}
