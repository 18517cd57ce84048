/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is about to be made in a token is noted in the catalogue before, under ids chosen by us. A
 * process that dies leaves the note; the next one that opens the token destroys what it speaks of.
 * A lock in the gate file tells the living from the dead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"

#define INTENTS_AT_ONCE 64

static const char *const kind_names[] = {
	[API_INTENT_LOCATION] = "location",
	[API_INTENT_VERSION] = "version",
	[API_INTENT_ERASE] = "erase",
};

/* The number of an intent's lock: the first digits of its random id. */
static int64_t lock_number(const struct store_intent *row)
{
	char head[11];

	snprintf(head, sizeof head, "%.10s", row->id);
	return (int64_t) strtoull(head, NULL, 16);
}

clv_rc api_intent_begin(struct api_worker *worker, const struct clv_grant *grant,
			enum api_intent_kind kind, const char *location, const char *serial,
			const void *ids, size_t ids_len, struct api_intent *intent,
			struct clv_err *err)
{
	struct store_intent row = { .time = clv_time_now() };
	uint8_t id[16];
	char hex[2 * sizeof(struct hsm_location_ids) + 1];
	clv_rc rc;

	CLV_TRY(clv_random(id, sizeof id, err));
	clv_hex(id, sizeof id, row.id);
	clv_hex(ids, ids_len, hex);
	snprintf(row.location, sizeof row.location, "%s", location);
	snprintf(row.detail, sizeof row.detail, "%s %s %s", kind_names[kind], hex, serial);
	CLV_TRY(inflight_lock(worker->seat, INFLIGHT_INTENT, lock_number(&row), NULL, err));
	rc = store_intent_add(worker->store, grant, &row, err);
	if (rc != CLV_OK) {
		inflight_unlock(worker->seat, INFLIGHT_INTENT, lock_number(&row));
		return rc;
	}
	*intent = (struct api_intent){ worker, row, true };
	return CLV_OK;
}

void api_intent_end(struct api_intent *intent)
{
	if (intent->noted)
		inflight_unlock(intent->worker->seat, INFLIGHT_INTENT, lock_number(&intent->row));
	intent->noted = false;
}

/* Only what the catalogue calls destroyed goes: before that commit nothing was decided. */
static clv_rc finish_erasing(struct api_worker *worker, struct hsm *hsm,
			     const uint8_t id[HSM_ID_LEN], struct clv_err *err)
{
	struct store_version version;

	CLV_TRY(store_version_by_uid(worker->store, id, &version, err));
	if (version.pub.state != CLV_STATE_DESTROYED)
		return CLV_OK;
	return hsm_key_destroy(hsm, clv_grant_system(CLV_SYSTEM_RECOVERY), HSM_ROLE_VERSION, id,
			       err);
}

static clv_rc undo(struct api_worker *worker, const struct store_intent *row, const char *serial,
		   struct hsm *hsm, bool *ret_done, struct clv_err *err)
{
	const struct clv_grant *grant = clv_grant_system(CLV_SYSTEM_RECOVERY);
	char kind[16], hex[2 * sizeof(struct hsm_location_ids) + 1], its_serial[32] = "";
	struct hsm_location_ids ids;
	uint8_t id[HSM_ID_LEN];

	*ret_done = false;
	if (sscanf(row->detail, "%15s %160s %31[^\n]", kind, hex, its_serial) < 2)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the intent %s in the catalogue cannot be read", row->id);
	if (strcmp(its_serial, serial) != 0)
		return CLV_OK; /* about another token: its own opening sees to it */
	if (strcmp(kind, "location") == 0 && clv_unhex(hex, (uint8_t *) &ids, sizeof ids))
		CLV_TRY(hsm_location_discard(hsm, grant, &ids, err));
	else if (strcmp(kind, "version") == 0 && clv_unhex(hex, id, sizeof id))
		CLV_TRY(hsm_key_destroy(hsm, grant, HSM_ROLE_VERSION, id, err));
	else if (strcmp(kind, "erase") == 0 && clv_unhex(hex, id, sizeof id))
		CLV_TRY(finish_erasing(worker, hsm, id, err));
	else
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the intent %s in the catalogue cannot be read", row->id);
	*ret_done = true;
	return CLV_OK;
}

static clv_rc note_undone(struct api_worker *worker, const struct store_intent *row,
			  struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_LOCATION };
	char text[CLV_NAME_MAX], what[CLV_REASON_MAX];

	memcpy(name.project, worker->ctx->info.project, sizeof name.project);
	memcpy(name.location, row->location, sizeof name.location);
	snprintf(what, sizeof what, "took away what was begun and not finished: %.160s",
		 row->detail);
	return gate_note(worker->ctx, clv_grant_system(CLV_SYSTEM_RECOVERY),
			 clv_name_format(&name, CLV_NAME_LOCATION, text), what, err);
}

/*
 * Whoever noted it may have come to a good end between our reading and our lock: then the commit
 * took the note away, and what it speaks of is in use.
 */
static clv_rc still_noted(struct api_worker *worker, const struct store_intent *row,
			  bool *ret_noted, struct clv_err *err)
{
	struct store_intent rows[INTENTS_AT_ONCE];
	bool noted = false;
	size_t n;

	CLV_TRY(store_intent_list(worker->store, row->location, INTENTS_AT_ONCE, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		noted = noted || strcmp(rows[i].id, row->id) == 0;
	*ret_noted = noted;
	return CLV_OK;
}

static clv_rc recover_one(struct api_worker *worker, const struct store_intent *row,
			  const char *serial, struct hsm *hsm, struct clv_err *err)
{
	struct clv_err alive;
	bool noted = false, done = false;
	clv_rc rc;

	if (inflight_lock(worker->seat, INFLIGHT_INTENT, lock_number(row), NULL, &alive) != CLV_OK)
		return CLV_OK; /* somebody is still at it */
	rc = still_noted(worker, row, &noted, err);
	if (rc == CLV_OK && noted)
		rc = undo(worker, row, serial, hsm, &done, err);
	if (rc == CLV_OK && done)
		rc = note_undone(worker, row, err);
	if (rc == CLV_OK && done)
		rc = store_intent_remove(worker->store, clv_grant_system(CLV_SYSTEM_RECOVERY),
					 row->id, err);
	inflight_unlock(worker->seat, INFLIGHT_INTENT, lock_number(row));
	return rc;
}

clv_rc api_intents_recover(struct api_worker *worker, const char *location, const char *serial,
			   struct hsm *hsm, struct clv_err *err)
{
	struct store_intent rows[INTENTS_AT_ONCE];
	size_t n;

	CLV_TRY(store_intent_list(worker->store, location, INTENTS_AT_ONCE, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		CLV_TRY(recover_one(worker, &rows[i], serial, hsm, err));
	return CLV_OK;
}

static clv_rc recover_erasure(struct api_worker *worker, const struct store_intent *row,
			      struct clv_err *err)
{
	struct clv_probe probe;
	struct hsm *hsm;

	CLV_TRY(api_token_get(worker, row->location, &hsm, err));
	hsm_describe(hsm, &probe);
	return recover_one(worker, row, probe.serial, hsm, err);
}

clv_rc api_erasures_recover(struct api_worker *worker, uint64_t *ret_left, struct clv_err *err)
{
	struct store_intent rows[INTENTS_AT_ONCE];
	const char *kind = kind_names[API_INTENT_ERASE];
	uint64_t left = 0;
	size_t n;

	CLV_TRY(store_intent_list(worker->store, NULL, INTENTS_AT_ONCE, rows, &n, err));
	for (size_t i = 0; i < n; i++) {
		if (strncmp(rows[i].detail, kind, strlen(kind)) == 0)
			left += recover_erasure(worker, &rows[i], err) != CLV_OK;
	}
	*ret_left = left;
	return CLV_OK;
}
