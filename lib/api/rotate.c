/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys whose rotation is due: by their schedule, or because their primary has done as much as it
 * should. Key material is made before the change lock is taken, so several processes may make some
 * for one key; the row as it is under the lock decides whose is stored, and what the others made
 * goes again.
 */
#include <stdio.h>

#include "lib/api/api.h"
#include "lib/model/rotation.h"

#define DUE_AT_ONCE 32

/* One key that was listed, and what made it due. */
struct turn {
	struct clv_name name;
	int64_t next;  /* its next_rotation_time when it was listed */
	uint64_t worn; /* its primary's number, which has done enough; 0: it is the time */
};

/* Is it still due? Another process may have been here, or the schedule may have been changed. */
static bool still_due(const struct api_upkeep *up, const struct turn *turn,
		      const struct store_key *key)
{
	if (turn->worn != 0)
		return key->pub.primary == turn->worn && key->pub.rotation_period != 0;
	return key->pub.next_rotation_time == turn->next && turn->next <= up->now;
}

/* For the new version's row and the audit log. */
static const char *reason_of(const struct turn *turn)
{
	return turn->worn != 0 ? "rotation after 2^31 operations" : "rotation by schedule";
}

/* CLV_E_ABORTED: somebody else did it meanwhile. */
static clv_rc commit_turn(struct api_upkeep *up, const struct turn *turn,
			  const struct store_version *version, const char *intent,
			  uint64_t *ret_number, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_key key;

	CLV_TRY(api_change_begin(up->worker->ctx, &change, err));
	CLV_TRY(store_key_get(up->worker->store, &turn->name, &key, err));
	if (!still_due(up, turn, &key))
		return clv_fail(err, CLV_E_ABORTED, "%s is not due any more", key.pub.name);
	if (turn->worn == 0) /* the others keep their time: it was not what made them due */
		key.pub.next_rotation_time =
			model_rotation_next(turn->next, key.pub.rotation_period, up->now);
	return store_key_rotate(up->worker->store, up->grant, &key, version, intent, ret_number,
				err);
}

/* A rotation makes a version: where and of what kind that may be is decided as for any other. */
static clv_rc check_policy(struct api_upkeep *up, const struct clv_key *key, struct clv_err *err)
{
	const struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.create",
						.resource = key->name,
						.protection = key->protection };

	return gate_check_made(up->worker, up->grant, &question, err);
}

static clv_rc make_and_commit(struct api_upkeep *up, const struct turn *turn,
			      struct api_intent *intent, uint64_t *ret_number, struct clv_err *err)
{
	struct store_version version;
	struct store_key key;

	CLV_TRY(store_key_get(up->worker->store, &turn->name, &key, err));
	if (!still_due(up, turn, &key)) /* before a key is made for nothing; the commit decides */
		return clv_fail(err, CLV_E_ABORTED, "%s is not due any more", key.pub.name);
	CLV_TRY(check_policy(up, &key.pub, err));
	CLV_TRY(api_version_make(up->worker, up->grant, &turn->name, &key.pub, &version, intent,
				 err));
	snprintf(version.pub.state_reason, sizeof version.pub.state_reason, "%s", reason_of(turn));
	return commit_turn(up, turn, &version, intent->noted ? intent->row.id : NULL, ret_number,
			   err);
}

static void do_turn(struct api_upkeep *up, const struct turn *turn)
{
	struct api_intent intent = { 0 };
	struct clv_name version = turn->name;
	char key_name[CLV_NAME_MAX], version_name[CLV_NAME_MAX];
	struct clv_err err;
	clv_rc rc = make_and_commit(up, turn, &intent, &version.version, &err);

	api_version_settle(up->worker, &intent, &turn->name, rc);
	if (rc == CLV_E_ABORTED)
		return;
	if (rc == CLV_OK) {
		version.kind = CLV_NAME_VERSION;
		clv_name_format(&turn->name, CLV_NAME_KEY, key_name);
		clv_name_format(&version, CLV_NAME_VERSION, version_name);
		rc = api_upkeep_note(up, key_name, reason_of(turn), version_name, rc, &err);
	}
	if (rc == CLV_OK)
		up->report.rotated++;
	else
		api_upkeep_left(up, 1, &err);
}

static void turn_due(struct api_upkeep *up, const struct store_key *key)
{
	struct turn turn = { .next = key->pub.next_rotation_time };
	struct clv_err err;

	if (clv_name_parse(key->pub.name, &turn.name, &err) == CLV_OK)
		do_turn(up, &turn);
	else
		api_upkeep_left(up, 1, &err);
}

static void turn_worn(struct api_upkeep *up, const struct store_version *version)
{
	struct turn turn = { .worn = version->pub.number };
	struct clv_err err;

	if (clv_name_parse(version->pub.name, &turn.name, &err) == CLV_OK) {
		turn.name.kind = CLV_NAME_KEY;
		do_turn(up, &turn);
	} else {
		api_upkeep_left(up, 1, &err);
	}
}

static clv_rc turn_all_due(struct api_upkeep *up, struct clv_err *err)
{
	CLV_AUTO(clv_page_free) void *page = NULL;
	const struct store_key *rows;
	int64_t after_time = INT64_MIN, after_row = 0;
	size_t n;

	CLV_TRY(api_page_new(DUE_AT_ONCE, sizeof *rows, &page, err));
	rows = page;
	do {
		CLV_TRY(store_key_list_due(up->worker->store, up->now, after_time, after_row,
					   DUE_AT_ONCE, page, &n, err));
		for (size_t i = 0; i < n; i++)
			turn_due(up, &rows[i]);
		if (n > 0) {
			after_time = rows[n - 1].pub.next_rotation_time;
			after_row = rows[n - 1].row;
		}
	} while (n == DUE_AT_ONCE);
	return CLV_OK;
}

static clv_rc turn_all_worn(struct api_upkeep *up, struct clv_err *err)
{
	CLV_AUTO(clv_page_free) void *page = NULL;
	const struct store_version *rows;
	int64_t after_row = 0;
	size_t n;

	CLV_TRY(api_page_new(DUE_AT_ONCE, sizeof *rows, &page, err));
	rows = page;
	do {
		CLV_TRY(store_version_list_worn(up->worker->store, after_row, DUE_AT_ONCE, page, &n,
						err));
		for (size_t i = 0; i < n; i++)
			turn_worn(up, &rows[i]);
		if (n > 0)
			after_row = rows[n - 1].row;
	} while (n == DUE_AT_ONCE);
	return CLV_OK;
}

clv_rc api_rotate_due(struct api_upkeep *up, struct clv_err *err)
{
	CLV_TRY(turn_all_due(up, err));
	return turn_all_worn(up, err);
}
