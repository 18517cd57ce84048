/* SPDX-License-Identifier: Apache-2.0 */
/* Intents, and the counts of a location. */
#include "lib/store/impl.h"
#include "lib/base/banned.h"

static clv_rc delete_intent(struct store *store, const char *id, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_INTENT_DELETE);

	store_bind_text(&run, ":id", id);
	return store_step_done(&run, err);
}

/*
 * Whoever recovers a crash takes the intent away with what it spoke of. An intent that is gone
 * means that somebody took us for dead, and what we are about to record may no longer exist.
 */
clv_rc store_intent_take(struct store *store, const char *id, struct clv_err *err)
{
	if (id == NULL)
		return CLV_OK;
	CLV_TRY(delete_intent(store, id, err));
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_ABORTED,
				"the intent %s is gone: another process undid this operation", id);
	return CLV_OK;
}

static clv_rc insert_intent(struct store *store, const struct store_intent *intent,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_INTENT_INSERT);

	store_bind_text(&run, ":id", intent->id);
	store_bind_text(&run, ":location", intent->location);
	store_bind_text(&run, ":detail", intent->detail);
	store_bind_int(&run, ":time", intent->time);
	CLV_TRY(store_step_done(&run, err));
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "the intent %s already exists",
				intent->id);
	return CLV_OK;
}

clv_rc store_intent_add(struct store *store, const struct clv_grant *grant,
			const struct store_intent *intent, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(insert_intent(store, intent, err));
	return store_change_commit(&change, err);
}

clv_rc store_intent_remove(struct store *store, const struct clv_grant *grant, const char *id,
			   struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(delete_intent(store, id, err));
	return store_change_commit(&change, err);
}

static clv_rc read_intent(struct store_run *run, struct store_intent *ret_intent,
			  struct clv_err *err)
{
	struct store_intent intent = { 0 };

	store_read_text(run, intent.id, sizeof intent.id);
	store_read_text(run, intent.location, sizeof intent.location);
	store_read_text(run, intent.detail, sizeof intent.detail);
	intent.time = store_read_int(run);
	CLV_TRY(store_row_check(run, err));
	*ret_intent = intent;
	return CLV_OK;
}

clv_rc store_intent_list(struct store *store, const char *location, size_t limit,
			 struct store_intent *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, location != NULL ? STORE_SQL_INTENT_LIST
								       : STORE_SQL_INTENT_LIST_ALL);
	size_t n = 0;
	bool found;

	if (location != NULL)
		store_bind_text(&run, ":location", location);
	store_bind_limit(&run, limit);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_intent(&run, &rows[n++], err));
	}
	*ret_n = n;
	return CLV_OK;
}

clv_rc store_counts_get(struct store *store, const char *location, struct store_counts *ret_counts,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_COUNTS);
	const struct clv_name name = store_location_name(store, location);
	struct store_counts counts;
	bool found;

	store_bind_text(&run, ":location", location);
	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return store_not_found(&name, CLV_NAME_LOCATION, err);
	counts.key_rings = store_read_count(&run);
	counts.keys = store_read_count(&run);
	counts.versions_enabled = store_read_count(&run);
	counts.versions_disabled = store_read_count(&run);
	counts.versions_scheduled = store_read_count(&run);
	counts.versions_destroyed = store_read_count(&run);
	counts.token_pending = store_read_count(&run);
	CLV_TRY(store_row_check(&run, err));
	*ret_counts = counts;
	return CLV_OK;
}
