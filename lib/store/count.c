/* SPDX-License-Identifier: Apache-2.0 */
/* How many operations versions may have done. What they are, and what is too many, is for others.
 */
#include "lib/store/impl.h"
#include "lib/base/banned.h"

static clv_rc get_count(struct store *store, int64_t version_row, uint64_t *ret_reserved,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_COUNT_GET);
	bool found;

	store_bind_int(&run, ":version", version_row);
	CLV_TRY(store_step(&run, &found, err));
	*ret_reserved = found ? store_read_count(&run) : 0;
	return store_row_check(&run, err);
}

clv_rc store_count_get(struct store *store, int64_t version_row, uint64_t *ret_reserved,
		       struct clv_err *err)
{
	uint64_t reserved;

	CLV_TRY(get_count(store, version_row, &reserved, err));
	*ret_reserved = reserved;
	return CLV_OK;
}

static clv_rc set_count(struct store *store, int64_t version_row, uint64_t reserved,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_COUNT_SET);

	store_bind_int(&run, ":version", version_row);
	store_bind_int(&run, ":reserved", (int64_t) reserved);
	return store_step_done(&run, err);
}

clv_rc store_count_reserve(struct store *store, const struct clv_grant *grant, int64_t version_row,
			   struct store_count_ask ask, uint64_t *ret_got, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	uint64_t reserved, got;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(get_count(store, version_row, &reserved, err));
	got = reserved < ask.most ? ask.most - reserved : 0;
	got = got < ask.n ? got : ask.n;
	if (got > 0) {
		CLV_TRY(set_count(store, version_row, reserved + got, err));
		CLV_TRY(store_change_commit(&change, err));
	}
	*ret_got = got;
	return CLV_OK;
}
