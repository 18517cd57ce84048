/* SPDX-License-Identifier: Apache-2.0 */
/* Key rings. */
#include <stdio.h>

#include "lib/store/impl.h"
#include "lib/base/banned.h"

static clv_rc read_ring(struct store_run *run, struct store_ring *ret_ring, struct clv_err *err)
{
	struct store_ring ring = { 0 };

	ring.row = store_read_int(run);
	store_read_text(run, ring.project, sizeof ring.project);
	store_read_text(run, ring.location, sizeof ring.location);
	store_read_text(run, ring.id, sizeof ring.id);
	ring.create_time = store_read_int(run);
	store_read_blob(run, ring.kek_id, sizeof ring.kek_id);
	store_read_blob(run, ring.root_id, sizeof ring.root_id);
	ring.kek_blob_len = store_read_blob_upto(run, ring.kek_blob, sizeof ring.kek_blob);
	CLV_TRY(store_row_check(run, err));
	CLV_TRY(store_seal_check(run->store, STORE_KIND_RING, ring.row, err));
	*ret_ring = ring;
	return CLV_OK;
}

static clv_rc get_ring(struct store *store, const struct clv_name *name, bool *ret_found,
		       struct store_ring *ret_ring, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_RING_GET);

	store_bind_text(&run, ":location", name->location);
	store_bind_text(&run, ":project", name->project);
	store_bind_text(&run, ":ring", name->key_ring);
	CLV_TRY(store_step(&run, ret_found, err));
	return *ret_found ? read_ring(&run, ret_ring, err) : CLV_OK;
}

clv_rc store_ring_get(struct store *store, const struct clv_name *name, struct store_ring *ret_ring,
		      struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(get_ring(store, name, &found, ret_ring, err));
	return found ? CLV_OK : store_absent(store, name, CLV_NAME_KEY_RING, err);
}

static clv_rc list_rings(struct store *store, const struct clv_name *location, const char *after,
			 size_t limit, struct store_ring *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_RING_LIST);
	size_t n = 0;
	bool found;

	store_bind_text(&run, ":location", location->location);
	store_bind_text(&run, ":project", location->project);
	store_bind_text(&run, ":after", after != NULL ? after : "");
	store_bind_limit(&run, limit);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_ring(&run, &rows[n++], err));
	}
	*ret_n = n;
	return CLV_OK;
}

clv_rc store_ring_list(struct store *store, const struct clv_name *location, const char *after,
		       size_t limit, struct store_ring *rows, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_place place;
	size_t n;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(list_rings(store, location, after, limit, rows, &n, err));
	if (n == 0)
		CLV_TRY(store_require(store, location, CLV_NAME_LOCATION, &place, err));
	*ret_n = n;
	return CLV_OK;
}

static clv_rc insert_ring(struct store *store, int64_t location_row, const struct store_ring *ring,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_RING_INSERT);

	store_bind_int(&run, ":location", location_row);
	store_bind_text(&run, ":project", ring->project);
	store_bind_text(&run, ":id", ring->id);
	store_bind_int(&run, ":create_time", ring->create_time);
	store_bind_blob(&run, ":kek_id", ring->kek_id, sizeof ring->kek_id);
	store_bind_blob(&run, ":root_id", ring->root_id, sizeof ring->root_id);
	store_bind_blob(&run, ":kek_blob", ring->kek_blob, ring->kek_blob_len);
	return store_step_done(&run, err);
}

clv_rc store_ring_add(struct store *store, const struct clv_grant *grant,
		      const struct store_ring *ring, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	struct clv_name name = { .kind = CLV_NAME_KEY_RING };
	struct store_place place;

	snprintf(name.project, sizeof name.project, "%s", ring->project);
	snprintf(name.location, sizeof name.location, "%s", ring->location);
	snprintf(name.key_ring, sizeof name.key_ring, "%s", ring->id);

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_require_new(store, &name, CLV_NAME_KEY_RING, &place, err));
	CLV_TRY(insert_ring(store, place.rows[CLV_NAME_LOCATION], ring, err));
	return store_change_commit(&change, err);
}
