/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, and finding out how far down a name leads. */
#include <assert.h>
#include <stdio.h>

#include "lib/base/deadline.h"
#include "lib/store/impl.h"
#include "lib/base/banned.h"

#define SCRUB_WAIT_MS 1000

static clv_rc run_plain(struct store *store, enum store_sql sql, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done) struct store_run run = store_run_begin(store, sql);

	return store_step_done(&run, err);
}

clv_rc store_change_begin(struct store_change *change, struct store *store,
			  const struct clv_grant *grant, struct clv_err *err)
{
	clv_grant_assert(grant);
	CLV_TRY(run_plain(store, STORE_SQL_BEGIN, err));
	store_seal_begin(store);
	change->store = store;
	return CLV_OK;
}

clv_rc store_change_commit(struct store_change *change, struct clv_err *err)
{
	CLV_TRY(store_seal_commit(change->store, err));
	CLV_TRY(run_plain(change->store, STORE_SQL_COMMIT,
			  err)); /* or store_change_end() undoes it */
	store_seal_committed(change->store);
	change->store = NULL;
	return CLV_OK;
}

void store_change_end(struct store_change *change)
{
	struct clv_err ignored; /* what failed first has been told; this only cleans up */

	if (change->store != NULL)
		store_seal_forget(change->store);
	/* SQLite itself rolls back when the disk is full or the file damaged. */
	if (change->store == NULL || sqlite3_get_autocommit(change->store->db))
		return;
	if (run_plain(change->store, STORE_SQL_ROLLBACK, &ignored) != CLV_OK)
		assert(sqlite3_get_autocommit(change->store->db));
	change->store = NULL;
}

void store_truncate_log(struct store *store)
{
	/* secure_delete has overwritten the page; the log still has the old one. While others read
	 * it stays; store_scrub(), the next erasure or the last to close sees to it. */
	(void) sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

void store_tidy(struct store *store)
{
	/* Whatever it gives: the log is then as it was, and what follows tells. */
	(void) sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/*
 * For readers SQLite waits by itself, as long as it waits for anything. For another who is at it
 * just now it does not wait at all, and that is soon over.
 */
clv_rc store_scrub(struct store *store, const struct clv_grant *grant, struct clv_err *err)
{
	struct clv_deadline deadline = clv_deadline_in(SCRUB_WAIT_MS);
	unsigned pause_us = 0;
	int code;

	clv_grant_assert(grant);
	do
		code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
						 NULL);
	while (code == SQLITE_BUSY && clv_backoff(deadline, &pause_us, 20000));
	return code == SQLITE_OK
		       ? CLV_OK
		       : store_fail(store->path, store->db, code, "sqlite3_wal_checkpoint_v2", err);
}

static const char *kind_name(enum clv_name_kind kind)
{
	static const char *const names[] = {
		[CLV_NAME_PROJECT] = "Project",          [CLV_NAME_LOCATION] = "Location",
		[CLV_NAME_KEY_RING] = "KeyRing",         [CLV_NAME_KEY] = "CryptoKey",
		[CLV_NAME_VERSION] = "CryptoKeyVersion", [CLV_NAME_IMPORT_JOB] = "ImportJob",
	};

	return names[kind];
}

clv_rc store_not_found(const struct clv_name *name, enum clv_name_kind kind, struct clv_err *err)
{
	char text[CLV_NAME_MAX];

	return clv_fail(err, CLV_E_NOT_FOUND, "%s %s not found.", kind_name(kind),
			clv_name_format(name, kind, text));
}

static void bind_part(struct store_run *run, const struct clv_name *name, enum clv_name_kind kind,
		      const struct store_place *place)
{
	if (kind == CLV_NAME_LOCATION) {
		store_bind_text(run, ":id", name->location);
		return;
	}
	store_bind_int(run, ":parent", place->rows[kind - 1]);
	store_bind_text(run, ":id", kind == CLV_NAME_KEY_RING ? name->key_ring : name->key);
	if (kind == CLV_NAME_KEY_RING)
		store_bind_text(run, ":project", name->project);
}

/* One step down, to `kind`; place->depth stays when there is nothing. */
static clv_rc find_part(struct store *store, const struct clv_name *name, enum clv_name_kind kind,
			struct store_place *place, struct clv_err *err)
{
	static const enum store_sql sql[] = {
		[CLV_NAME_LOCATION] = STORE_SQL_FIND_LOCATION,
		[CLV_NAME_KEY_RING] = STORE_SQL_FIND_RING,
		[CLV_NAME_KEY] = STORE_SQL_FIND_KEY,
	};
	CLV_AUTO_DONE(store_run_done) struct store_run run = store_run_begin(store, sql[kind]);
	bool found;

	bind_part(&run, name, kind, place);
	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return CLV_OK;
	place->rows[kind] = store_read_int(&run);
	place->depth = kind;
	return store_row_check(&run, err);
}

clv_rc store_find(struct store *store, const struct clv_name *name, enum clv_name_kind kind,
		  struct store_place *ret_place, struct clv_err *err)
{
	struct store_place place = { .depth = CLV_NAME_PROJECT };

	assert(kind <= CLV_NAME_KEY && kind <= name->kind);
	while (place.depth < kind) {
		enum clv_name_kind next = place.depth + 1;

		CLV_TRY(find_part(store, name, next, &place, err));
		if (place.depth < next)
			break;
	}
	*ret_place = place;
	return CLV_OK;
}

/* It is not there; was it never? */
static clv_rc check_absent(struct store *store, const struct clv_name *name,
			   enum clv_name_kind kind, const struct store_place *place,
			   struct clv_err *err)
{
	static const struct {
		enum store_kind kind;
		enum clv_name_kind parent;
	} rows[] = {
		[CLV_NAME_KEY_RING] = { STORE_KIND_RING, CLV_NAME_LOCATION },
		[CLV_NAME_KEY] = { STORE_KIND_KEY, CLV_NAME_KEY_RING },
		[CLV_NAME_VERSION] = { STORE_KIND_VERSION, CLV_NAME_KEY },
		[CLV_NAME_IMPORT_JOB] = { STORE_KIND_JOB, CLV_NAME_KEY_RING },
	};
	const char *id = kind == CLV_NAME_KEY_RING     ? name->key_ring
			 : kind == CLV_NAME_KEY        ? name->key
			 : kind == CLV_NAME_IMPORT_JOB ? name->import_job
						       : NULL;
	unsigned bucket;

	if ((size_t) kind >= CLV_ARRAY_LEN(rows) || rows[kind].kind == 0)
		return CLV_OK;
	CLV_TRY(store_bucket_of(rows[kind].kind, place->rows[rows[kind].parent],
				(int64_t) name->version, id, &bucket, err));
	return store_seal_check_bucket(store, place->rows[CLV_NAME_LOCATION], bucket, err);
}

clv_rc store_require(struct store *store, const struct clv_name *name, enum clv_name_kind kind,
		     struct store_place *ret_place, struct clv_err *err)
{
	struct store_place place;

	CLV_TRY(store_find(store, name, kind, &place, err));
	if (place.depth < kind) {
		CLV_TRY(check_absent(store, name, place.depth + 1, &place, err));
		return store_not_found(name, place.depth + 1, err);
	}
	*ret_place = place;
	return CLV_OK;
}

clv_rc store_require_new(struct store *store, const struct clv_name *name, enum clv_name_kind kind,
			 struct store_place *ret_place, struct clv_err *err)
{
	char text[CLV_NAME_MAX];
	struct store_place place;

	CLV_TRY(store_find(store, name, kind, &place, err));
	if (place.depth == kind)
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "%s %s already exists.", kind_name(kind),
				clv_name_format(name, kind, text));
	if (place.depth < kind - 1)
		return store_not_found(name, place.depth + 1, err);
	*ret_place = place;
	return CLV_OK;
}

clv_rc store_absent(struct store *store, const struct clv_name *name, enum clv_name_kind kind,
		    struct clv_err *err)
{
	enum clv_name_kind above = kind == CLV_NAME_IMPORT_JOB ? CLV_NAME_KEY_RING : kind - 1;
	struct store_place place;

	CLV_TRY(store_require(store, name, above, &place, err));
	CLV_TRY(check_absent(store, name, kind, &place, err));
	return store_not_found(name, kind, err);
}

struct clv_name store_location_name(const struct store *store, const char *id)
{
	struct clv_name name = { .kind = CLV_NAME_LOCATION };

	snprintf(name.project, sizeof name.project, "%s", store->home.project);
	snprintf(name.location, sizeof name.location, "%s", id);
	return name;
}
