/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal: looking whether rows are what was sealed, and keeping the trees right when they change.
 * SQLite tells which rows a change writes, so that no statement can forget it. Who makes and
 * checks MACs is behind struct store_sealer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/deadline.h"
#include "lib/store/impl.h"
#include "lib/base/banned.h"

#define ROWS_AT_ONCE 256

static const char *const tables[STORE_KIND_END] = {
	[STORE_KIND_HOME] = "home",          [STORE_KIND_LOCATION] = "locations",
	[STORE_KIND_TOKEN] = "tokens",       [STORE_KIND_RING] = "key_rings",
	[STORE_KIND_KEY] = "crypto_keys",    [STORE_KIND_VERSION] = "versions",
	[STORE_KIND_JOB] = "import_jobs",    [STORE_KIND_DOCUMENT] = "documents",
	[STORE_KIND_EPOCH] = "policy_epoch",
};

/* ---- what a change writes ---- */

static void note_touch(struct store_seal *seal, enum store_kind kind, int64_t row)
{
	size_t n = seal->n_touched;

	if ((n & (n - 1)) == 0) { /* there is room up to the next power of two */
		struct store_touch *more =
			reallocarray(seal->touched, n > 0 ? 2 * n : 1, sizeof *more);

		if (more == NULL) {
			seal->lost = true;
			return;
		}
		seal->touched = more;
	}
	seal->touched[seal->n_touched++] = (struct store_touch){ kind, row };
}

static void on_update(void *arg, int op, const char *database, const char *table, sqlite3_int64 row)
{
	struct store *store = arg;

	(void) op;
	(void) database;
	for (enum store_kind kind = STORE_KIND_HOME; kind < STORE_KIND_END; kind++) {
		if (strcmp(table, tables[kind]) == 0)
			note_touch(&store->seal, kind, row);
	}
}

void store_seal_init(struct store *store)
{
	sqlite3_update_hook(store->db, on_update, store);
}

void store_seal_forget(struct store *store)
{
	struct store_seal *seal = &store->seal;

	for (size_t i = 0; i < seal->n_kept; i++)
		store_sealed_clear(&seal->kept[i]);
	free(seal->kept);
	free(seal->touched);
	seal->kept = NULL;
	seal->touched = NULL;
	seal->n_kept = seal->n_touched = seal->n_committing = 0;
	seal->lost = false;
}

void store_seal_done(struct store *store)
{
	store_seal_forget(store);
}

void store_seal_begin(struct store *store)
{
	store_seal_forget(store);
	store->seal.began = clv_mono_ns();
}

void store_seal_set(struct store *store, const struct store_sealer *sealer)
{
	store->seal.sealer = sealer;
}

void store_seal_unchecked(struct store *store, bool unchecked)
{
	store->seal.unchecked = unchecked;
}

/* ---- looking ---- */

static clv_rc run_plain(struct store *store, enum store_sql sql, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done) struct store_run run = store_run_begin(store, sql);

	return store_step_done(&run, err);
}

clv_rc store_look_begin(struct store_look *look, struct store *store, struct clv_err *err)
{
	if (!sqlite3_get_autocommit(store->db))
		return CLV_OK;
	store->seal.began = clv_mono_ns();
	CLV_TRY(run_plain(store, STORE_SQL_LOOK_BEGIN, err));
	look->store = store;
	return CLV_OK;
}

void store_look_end(struct store_look *look)
{
	struct clv_err ignored; /* it has only read */

	if (look->store == NULL || sqlite3_get_autocommit(look->store->db))
		return;
	if (run_plain(look->store, STORE_SQL_COMMIT, &ignored) != CLV_OK)
		sqlite3_exec(look->store->db, "ROLLBACK", NULL, NULL, NULL);
	look->store = NULL;
}

clv_rc store_head_get(struct store *store, int64_t tree, bool *ret_found,
		      struct store_head *ret_head, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_HEAD_GET);
	struct store_head head = { .tree = tree };

	store_bind_int(&run, ":tree", tree);
	CLV_TRY(store_step(&run, ret_found, err));
	if (!*ret_found)
		return CLV_OK;
	head.epoch = store_read_count(&run);
	store_read_blob(&run, head.root, sizeof head.root);
	store_read_blob(&run, head.previous, sizeof head.previous);
	store_read_blob(&run, head.mac, sizeof head.mac);
	CLV_TRY(store_row_check(&run, err));
	*ret_head = head;
	return CLV_OK;
}

static struct store_head *accepted_place(struct store *store, int64_t tree)
{
	return &store->seal.accepted[(uint64_t) tree % CLV_ARRAY_LEN(store->seal.accepted)];
}

/* The head of a tree, as far as anybody can tell that it is the right one. */
static clv_rc get_head(struct store *store, int64_t tree, bool *ret_found,
		       struct store_head *ret_head, struct clv_err *err)
{
	const struct store_sealer *sealer = store->seal.sealer;
	struct store_head *accepted = accepted_place(store, tree);
	bool sure = false;

	CLV_TRY(store_head_get(store, tree, ret_found, ret_head, err));
	if (sealer == NULL ||
	    (*ret_found && accepted->tree == tree && accepted->epoch == ret_head->epoch &&
	     clv_same(accepted->root, ret_head->root, sizeof accepted->root) &&
	     clv_same(accepted->mac, ret_head->mac, sizeof accepted->mac)))
		return CLV_OK;
	CLV_TRY(sealer->accept(sealer->arg, tree, *ret_found ? ret_head : NULL, store->seal.began,
			       &sure, err));
	if (*ret_found && sure)
		*accepted = *ret_head;
	return CLV_OK;
}

static clv_rc differs(const struct store *store, const char *name, const char *how,
		      struct clv_err *err)
{
	return clv_fail(err, CLV_E_DATA_LOSS,
			"catalogue %.100s: %.250s %s: somebody changed the catalogue by other "
			"means; see kmsctl-catalogue(1)",
			store->path, name, how);
}

static clv_rc get_unsealed(struct store *store, const struct store_sealed *now,
			   const uint8_t leaf[STORE_HASH_LEN], bool *ret_fits, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_UNSEALED_GET);
	uint8_t hash[STORE_HASH_LEN];
	struct clv_bytes old;
	bool found;

	*ret_fits = false;
	store_bind_int(&run, ":tree", now->tree);
	store_bind_int(&run, ":kind", now->kind);
	store_bind_int(&run, ":row", now->row);
	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return CLV_OK;
	old.data = sqlite3_column_blob(run.stmt, 0); /* borrowed until the run is done */
	old.len = (size_t) sqlite3_column_bytes(run.stmt, 0);
	if (old.data == NULL)
		return CLV_OK;
	CLV_TRY(store_leaf_hash(now->row, old, hash, err));
	*ret_fits = clv_same(hash, leaf, sizeof hash) &&
		    store_sealed_lowers(store->seal.sealer, now->kind, old,
					(struct clv_bytes){ now->bytes, now->len });
	return CLV_OK;
}

/* The row against its leaf, or against what it was lowered from. */
static clv_rc check_leaf(struct store *store, const struct store_sealed *now, struct clv_err *err)
{
	uint8_t hash[STORE_HASH_LEN], leaf[STORE_HASH_LEN] = { 0 };
	bool found, fits;

	CLV_TRY(store_leaf_get(store, now, &found, leaf, err));
	if (!found)
		return differs(store, now->name, "was never sealed", err);
	CLV_TRY(store_leaf_hash(now->row, (struct clv_bytes){ now->bytes, now->len }, hash, err));
	if (clv_same(hash, leaf, sizeof hash))
		return CLV_OK;
	CLV_TRY(get_unsealed(store, now, leaf, &fits, err));
	return fits ? CLV_OK : differs(store, now->name, "is not what was sealed", err);
}

static clv_rc check_path(struct store *store, const struct store_sealed *now,
			 const struct store_head *head, struct clv_err *err)
{
	struct store_path path;
	bool fits;

	CLV_TRY(store_path_read(store, now->tree, now->bucket, head->root, &path, &fits, err));
	return fits ? CLV_OK : differs(store, now->name, "is not part of what was sealed", err);
}

/* A tree without a head was never sealed, and so has no leaf. */
static clv_rc check_never_sealed(struct store *store, int64_t tree, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LEAF_ANY);
	bool found;

	store_bind_int(&run, ":tree", tree);
	CLV_TRY(store_step(&run, &found, err));
	return found ? differs(store, "the seal's head", "is gone", err) : CLV_OK;
}

static clv_rc check_sealed(struct store *store, const struct store_sealed *now, bool with_path,
			   struct clv_err *err)
{
	struct store_head head;
	bool found;

	if (now->tree == 0) /* there is no location yet, and so nobody to seal */
		return CLV_OK;
	CLV_TRY(get_head(store, now->tree, &found, &head, err));
	if (!found)
		return check_never_sealed(store, now->tree, err);
	CLV_TRY(check_leaf(store, now, err));
	return with_path ? check_path(store, now, &head, err) : CLV_OK;
}

static clv_rc check_row(struct store *store, enum store_kind kind, int64_t row, bool with_path,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_sealed_clear) struct store_sealed now = { 0 };
	bool found;

	if (store->seal.unchecked)
		return CLV_OK;
	CLV_TRY(store_sealed_read(store, kind, row, &found, &now, err));
	if (!found) /* what it belongs to is gone */
		return differs(store, tables[kind], "has a row that belongs to nothing", err);
	return check_sealed(store, &now, with_path, err);
}

clv_rc store_seal_check(struct store *store, enum store_kind kind, int64_t row, struct clv_err *err)
{
	return check_row(store, kind, row, true, err);
}

clv_rc store_seal_check_leaf(struct store *store, enum store_kind kind, int64_t row,
			     struct clv_err *err)
{
	return check_row(store, kind, row, false, err);
}

/* ---- what is not there ---- */

struct leaf_ref {
	int64_t kind, row;
};

static clv_rc list_refs(struct store *store, int64_t tree, unsigned bucket,
			struct clv_buf *ret_refs, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LEAF_LIST);
	struct leaf_ref ref;
	bool found;

	store_bind_int(&run, ":tree", tree);
	store_bind_int(&run, ":bucket", bucket);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			return CLV_OK;
		ref.kind = store_read_int(&run);
		ref.row = store_read_int(&run);
		CLV_TRY(store_row_check(&run, err));
		CLV_TRY(clv_buf_add(ret_refs, &ref, sizeof ref, err));
	}
}

static clv_rc check_there(struct store *store, int64_t tree, unsigned bucket,
			  const struct leaf_ref *ref, struct clv_err *err)
{
	CLV_AUTO_DONE(store_sealed_clear) struct store_sealed now = { 0 };
	char name[64] = "a row";
	bool found = false;

	if (ref->kind >= STORE_KIND_HOME && ref->kind < STORE_KIND_END) {
		CLV_TRY(store_sealed_read(store, (enum store_kind) ref->kind, ref->row, &found,
					  &now, err));
		snprintf(name, sizeof name, "row %lld of %s", (long long) ref->row,
			 tables[ref->kind]);
	}
	if (!found)
		return differs(store, name, "is gone", err);
	if (now.tree != tree || now.bucket != bucket)
		return differs(store, now.name, "has another name than when it was sealed", err);
	return check_leaf(store, &now, err);
}

clv_rc store_seal_check_bucket(struct store *store, int64_t tree, unsigned bucket,
			       struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf refs = { 0 };
	struct store_sealed place = { .tree = tree,
				      .bucket = bucket,
				      .name = "what belongs there" };
	struct store_head head;
	bool found;

	if (store->seal.unchecked || tree == 0)
		return CLV_OK;
	CLV_TRY(get_head(store, tree, &found, &head, err));
	if (!found)
		return check_never_sealed(store, tree, err);
	CLV_TRY(list_refs(store, tree, bucket, &refs, err));
	for (size_t at = 0; at + sizeof(struct leaf_ref) <= refs.len;
	     at += sizeof(struct leaf_ref)) {
		struct leaf_ref ref;

		memcpy(&ref, refs.data + at, sizeof ref);
		CLV_TRY(check_there(store, tree, bucket, &ref, err));
	}
	return check_path(store, &place, &head, err);
}

/* ---- changing ---- */

static struct store_sealed *find_kept(struct store *store, const struct store_touch *touch)
{
	for (size_t i = 0; i < store->seal.n_kept; i++) {
		if (store->seal.kept[i].kind == touch->kind &&
		    store->seal.kept[i].row == touch->row)
			return &store->seal.kept[i];
	}
	return NULL;
}

clv_rc store_seal_keep(struct store *store, enum store_kind kind, int64_t row, struct clv_err *err)
{
	struct store_seal *seal = &store->seal;
	struct store_sealed *more;
	struct store_sealed now;
	bool found;

	if (seal->unchecked || find_kept(store, &(struct store_touch){ kind, row }) != NULL)
		return CLV_OK;
	CLV_TRY(store_sealed_read(store, kind, row, &found, &now, err));
	if (!found) /* what follows finds nothing to write */
		return CLV_OK;
	more = reallocarray(seal->kept, seal->n_kept + 1, sizeof *more);
	if (more == NULL) {
		store_sealed_clear(&now);
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a row");
	}
	seal->kept = more;
	seal->kept[seal->n_kept++] = now;
	return check_sealed(store, &now, true, err);
}

/* A tree that a change writes to. */
struct work {
	int64_t tree;
	bool sealed; /* it has a head */
	bool dirty;
	struct store_head before;
	uint8_t root[STORE_HASH_LEN];
};

struct works {
	struct work at[CLV_ARRAY_LEN(((struct store_seal *) 0)->committing)];
	size_t n;
};

static clv_rc work_on(struct store *store, struct works *works, int64_t tree,
		      struct work **ret_work, struct clv_err *err)
{
	struct work *work;

	for (size_t i = 0; i < works->n; i++) {
		if (works->at[i].tree == tree) {
			*ret_work = &works->at[i];
			return CLV_OK;
		}
	}
	if (works->n == CLV_ARRAY_LEN(works->at))
		return clv_fail(err, CLV_E_INTERNAL, "a change of too many locations at once");
	work = &works->at[works->n];
	*work = (struct work){ .tree = tree };
	CLV_TRY(get_head(store, tree, &work->sealed, &work->before, err));
	memcpy(work->root, work->before.root, sizeof work->root);
	works->n++;
	*ret_work = work;
	return CLV_OK;
}

/* One row of a tree, as it is now or (`now` NULL) as it is no more. */
static clv_rc write_leaf(struct store *store, struct work *work, const struct store_sealed *was,
			 const struct store_sealed *now, struct clv_err *err)
{
	const struct store_sealed *row = now != NULL ? now : was;
	struct store_path path;
	bool fits;

	CLV_TRY(store_path_read(store, row->tree, row->bucket, work->root, &path, &fits, err));
	if (!fits)
		return differs(store, row->name, "is not part of what was sealed", err);
	CLV_TRY(now != NULL ? store_leaf_put(store, now, err) : store_leaf_delete(store, was, err));
	CLV_TRY(store_path_write(store, row->tree, row->bucket, &path, work->root, err));
	work->dirty = true;
	return CLV_OK;
}

static clv_rc put_unsealed(struct store *store, const struct store_sealed *was, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_UNSEALED_PUT);

	store_bind_int(&run, ":tree", was->tree);
	store_bind_int(&run, ":kind", was->kind);
	store_bind_int(&run, ":row", was->row);
	store_bind_blob(&run, ":old", was->bytes, was->len);
	return store_step_done(&run, err);
}

/* The row keeps its old leaf, which whoever looks compares it with. */
static clv_rc leave_unsealed(struct store *store, const struct store_sealed *was,
			     const struct store_sealed *now, const struct clv_err *why,
			     struct clv_err *err)
{
	if (was == NULL || now == NULL ||
	    !store_sealed_lowers(store->seal.sealer, now->kind,
				 (struct clv_bytes){ was->bytes, was->len },
				 (struct clv_bytes){ now->bytes, now->len }))
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"nothing was changed: the catalogue cannot be sealed now: %.300s",
				why->text);
	return put_unsealed(store, was, err);
}

/* Was it written without having been kept first? */
static clv_rc check_new(struct store *store, const struct store_sealed *now, bool *ret_same,
			struct clv_err *err)
{
	uint8_t hash[STORE_HASH_LEN], leaf[STORE_HASH_LEN] = { 0 };
	bool found;

	*ret_same = false;
	CLV_TRY(store_leaf_get(store, now, &found, leaf, err));
	if (!found)
		return CLV_OK;
	CLV_TRY(store_leaf_hash(now->row, (struct clv_bytes){ now->bytes, now->len }, hash, err));
	*ret_same = clv_same(hash, leaf, sizeof hash);
	if (*ret_same)
		return CLV_OK;
	return clv_fail(err, CLV_E_INTERNAL, "%s was written without a look at what it was",
			now->name);
}

static bool is_same(const struct store_sealed *was, const struct store_sealed *now)
{
	return was != NULL && now != NULL && was->len == now->len &&
	       clv_same(was->bytes, now->bytes, was->len);
}

/* `why` NULL: seal it. Else: why it cannot be. */
static clv_rc settle_row(struct store *store, struct works *works, const struct store_touch *touch,
			 const struct clv_err *why, struct clv_err *err)
{
	CLV_AUTO_DONE(store_sealed_clear) struct store_sealed now = { 0 };
	const struct store_sealed *was = find_kept(store, touch);
	struct work *work;
	bool found, same = false;

	CLV_TRY(store_sealed_read(store, touch->kind, touch->row, &found, &now, err));
	if ((!found && was == NULL) || is_same(was, found ? &now : NULL) ||
	    (found ? now.tree : was->tree) == 0)
		return CLV_OK;
	CLV_TRY(work_on(store, works, found ? now.tree : was->tree, &work, err));
	if (!work->sealed)
		return CLV_OK;
	if (was == NULL)
		CLV_TRY(check_new(store, &now, &same, err));
	if (same)
		return CLV_OK;
	if (why != NULL)
		return leave_unsealed(store, was, found ? &now : NULL, why, err);
	return write_leaf(store, work, was, found ? &now : NULL, err);
}

/* ---- what was lowered without a token ---- */

static clv_rc list_unsealed(struct store *store, int64_t tree, struct clv_buf *ret_refs,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_UNSEALED_LIST);
	struct leaf_ref ref;
	bool found;

	store_bind_int(&run, ":tree", tree);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			return CLV_OK;
		ref.kind = store_read_int(&run);
		ref.row = store_read_int(&run);
		CLV_TRY(store_row_check(&run, err));
		CLV_TRY(clv_buf_add(ret_refs, &ref, sizeof ref, err));
	}
}

static clv_rc run_on_tree(struct store *store, enum store_sql sql, int64_t tree,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done) struct store_run run = store_run_begin(store, sql);

	store_bind_int(&run, ":tree", tree);
	return store_step_done(&run, err);
}

/* One that this change has written is in its tree by now, or was kept after a look at it. */
static clv_rc fold_row(struct store *store, struct work *work, const struct leaf_ref *ref,
		       struct clv_err *err)
{
	CLV_AUTO_DONE(store_sealed_clear) struct store_sealed now = { 0 };
	struct store_touch touch = { (enum store_kind) ref->kind, ref->row };
	bool found = false;

	if (find_kept(store, &touch) != NULL)
		return CLV_OK;
	if (ref->kind >= STORE_KIND_HOME && ref->kind < STORE_KIND_END)
		CLV_TRY(store_sealed_read(store, touch.kind, ref->row, &found, &now, err));
	if (!found || now.tree != work->tree)
		return differs(store, "a row that was lowered", "is gone", err);
	CLV_TRY(check_leaf(store, &now, err));
	return write_leaf(store, work, NULL, &now, err);
}

static clv_rc fold(struct store *store, struct work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf refs = { 0 };

	CLV_TRY(list_unsealed(store, work->tree, &refs, err));
	for (size_t at = 0; at + sizeof(struct leaf_ref) <= refs.len;
	     at += sizeof(struct leaf_ref)) {
		struct leaf_ref ref;

		memcpy(&ref, refs.data + at, sizeof ref);
		CLV_TRY(fold_row(store, work, &ref, err));
	}
	return refs.len > 0 ? run_on_tree(store, STORE_SQL_UNSEALED_CLEAR, work->tree, err)
			    : CLV_OK;
}

/* ---- heads ---- */

static clv_rc no_sealer(struct clv_err *err)
{
	return clv_fail(err, CLV_E_UNAVAILABLE, "no token is there to seal the catalogue");
}

static clv_rc write_head(struct store *store, const struct store_head *head, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_HEAD_PUT);

	store_bind_int(&run, ":tree", head->tree);
	store_bind_int(&run, ":epoch", (int64_t) head->epoch);
	store_bind_blob(&run, ":root", head->root, sizeof head->root);
	store_bind_blob(&run, ":previous", head->previous, sizeof head->previous);
	store_bind_blob(&run, ":mac", head->mac, sizeof head->mac);
	return store_step_done(&run, err);
}

/* `before` NULL: the tree is sealed for the first time, or anew. */
static clv_rc new_head(struct store *store, int64_t tree, const uint8_t root[STORE_HASH_LEN],
		       const struct store_head *before, struct clv_err *err)
{
	struct store_seal *seal = &store->seal;
	struct store_head head = { .tree = tree };

	if (seal->sealer == NULL)
		return no_sealer(err);
	memcpy(head.root, root, sizeof head.root);
	CLV_TRY(seal->sealer->seal(seal->sealer->arg, before, &head, err));
	CLV_TRY(write_head(store, &head, err));
	if (seal->n_committing == CLV_ARRAY_LEN(seal->committing))
		return clv_fail(err, CLV_E_INTERNAL, "a change of too many locations at once");
	seal->committing[seal->n_committing++] = head;
	return CLV_OK;
}

static int compare_touches(const void *a, const void *b)
{
	const struct store_touch *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static clv_rc settle(struct store *store, const struct clv_err *why, struct clv_err *err)
{
	struct store_seal *seal = &store->seal;
	struct works works = { .n = 0 };

	for (size_t i = 0; i < seal->n_touched; i++) {
		if (i == 0 || compare_touches(&seal->touched[i - 1], &seal->touched[i]) != 0)
			CLV_TRY(settle_row(store, &works, &seal->touched[i], why, err));
	}
	for (size_t i = 0; i < works.n && why == NULL; i++) {
		if (!works.at[i].dirty)
			continue;
		CLV_TRY(fold(store, &works.at[i], err));
		CLV_TRY(new_head(store, works.at[i].tree, works.at[i].root, &works.at[i].before,
				 err));
	}
	return CLV_OK;
}

/* What only ends use goes through without a seal when there can be none now. */
clv_rc store_seal_commit(struct store *store, struct clv_err *err)
{
	struct store_seal *seal = &store->seal;
	struct clv_err why;
	clv_rc rc;

	if (seal->lost)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a change");
	if (seal->n_touched == 0 || seal->n_committing > 0 || seal->unchecked)
		return CLV_OK;
	qsort(seal->touched, seal->n_touched, sizeof *seal->touched, compare_touches);
	CLV_TRY(store_exec(store, "SAVEPOINT seal", err));
	rc = settle(store, NULL, err);
	if (rc == CLV_E_UNAVAILABLE && err->domain != CLV_DOM_SQLITE) {
		why = *err;
		seal->n_committing = 0;
		CLV_TRY(store_exec(store, "ROLLBACK TO seal", err));
		rc = settle(store, &why, err);
	}
	CLV_TRY(rc);
	return store_exec(store, "RELEASE seal", err);
}

void store_seal_committed(struct store *store)
{
	struct store_seal *seal = &store->seal;

	for (size_t i = 0; i < seal->n_committing; i++) {
		*accepted_place(store, seal->committing[i].tree) = seal->committing[i];
		if (seal->sealer != NULL)
			seal->sealer->sealed(seal->sealer->arg, &seal->committing[i]);
	}
	store_seal_forget(store);
}

/* ---- all of a tree ---- */

static clv_rc list_rows(struct store *store, enum store_kind kind, int64_t after,
			int64_t rows[ROWS_AT_ONCE], size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(
		store, (enum store_sql)(STORE_SQL_ROWS_HOME + (int) kind - STORE_KIND_HOME));
	size_t n = 0;
	bool found;

	store_bind_int(&run, ":after", after);
	store_bind_limit(&run, ROWS_AT_ONCE);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			break;
		rows[n++] = store_read_int(&run);
		CLV_TRY(store_row_check(&run, err));
	}
	*ret_n = n;
	return CLV_OK;
}

/* Calls `each` for every sealed row there is. */
static clv_rc for_each_row(struct store *store,
			   clv_rc (*each)(struct store *store, const struct store_sealed *now,
					  void *arg, struct clv_err *err),
			   void *arg, struct clv_err *err)
{
	int64_t rows[ROWS_AT_ONCE], after;
	size_t n;

	for (enum store_kind kind = STORE_KIND_HOME; kind < STORE_KIND_END; kind++) {
		after = INT64_MIN;
		do {
			CLV_TRY(list_rows(store, kind, after, rows, &n, err));
			for (size_t i = 0; i < n; i++) {
				CLV_AUTO_DONE(store_sealed_clear) struct store_sealed now = { 0 };
				bool found;

				CLV_TRY(store_sealed_read(store, kind, rows[i], &found, &now, err));
				if (!found)
					return differs(store, tables[kind],
						       "has a row that belongs to nothing", err);
				CLV_TRY(each(store, &now, arg, err));
			}
			if (n > 0)
				after = rows[n - 1];
		} while (n == ROWS_AT_ONCE);
	}
	return CLV_OK;
}

static clv_rc add_leaf(struct store *store, const struct store_sealed *now, void *arg,
		       struct clv_err *err)
{
	const int64_t *tree = arg;

	return now->tree == *tree ? store_leaf_put(store, now, err) : CLV_OK;
}

static clv_rc rebuild(struct store *store, int64_t tree, struct clv_err *err)
{
	uint8_t root[STORE_HASH_LEN];

	CLV_TRY(run_on_tree(store, STORE_SQL_LEAF_CLEAR, tree, err));
	CLV_TRY(run_on_tree(store, STORE_SQL_UNSEALED_CLEAR, tree, err));
	CLV_TRY(for_each_row(store, add_leaf, &tree, err));
	CLV_TRY(store_nodes_rebuild(store, tree, root, err));
	return new_head(store, tree, root, NULL, err);
}

clv_rc store_seal_tree(struct store *store, const struct clv_grant *grant, int64_t tree,
		       struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(rebuild(store, tree, err));
	return store_change_commit(&change, err);
}

static clv_rc disable_all(struct store *store, int64_t tree, const struct store_restoration *how,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_DISABLE_ALL);

	store_bind_int(&run, ":tree", tree);
	store_bind_int(&run, ":state_time", how->time);
	store_bind_text(&run, ":state_principal", how->principal);
	store_bind_text(&run, ":state_reason", how->reason);
	return store_step_done(&run, err);
}

clv_rc store_seal_restore(struct store *store, const struct clv_grant *grant, int64_t tree,
			  const struct store_restoration *how, uint64_t *ret_disabled,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	uint64_t disabled;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(disable_all(store, tree, how, err));
	disabled = (uint64_t) sqlite3_changes(store->db);
	CLV_TRY(rebuild(store, tree, err));
	CLV_TRY(store_change_commit(&change, err));
	*ret_disabled = disabled;
	return CLV_OK;
}

clv_rc store_unsealed_count(struct store *store, int64_t tree, uint64_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_UNSEALED_COUNT);
	uint64_t n;
	bool found;

	store_bind_int(&run, ":tree", tree);
	CLV_TRY(store_step(&run, &found, err));
	n = found ? store_read_count(&run) : 0;
	CLV_TRY(store_row_check(&run, err));
	*ret_n = n;
	return CLV_OK;
}

clv_rc store_seal_fold(struct store *store, const struct clv_grant *grant, int64_t tree,
		       struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	struct works works = { .n = 0 };
	struct work *work;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(work_on(store, &works, tree, &work, err));
	if (!work->sealed)
		return CLV_OK;
	CLV_TRY(fold(store, work, err));
	if (!work->dirty)
		return CLV_OK;
	CLV_TRY(new_head(store, tree, work->root, &work->before, err));
	return store_change_commit(&change, err);
}

/* ---- is all of it right? ---- */

static clv_rc verify_row(struct store *store, const struct store_sealed *now, void *arg,
			 struct clv_err *err)
{
	struct store_seal_report *report = arg;

	report->rows++;
	return check_sealed(store, now, true, err);
}

clv_rc store_seal_verify(struct store *store, struct store_seal_report *ret_report,
			 struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_seal_report report = { 0 };
	int64_t rows[ROWS_AT_ONCE];
	struct store_head head;
	size_t n;
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(for_each_row(store, verify_row, &report, err));
	CLV_TRY(list_rows(store, STORE_KIND_LOCATION, INT64_MIN, rows, &n, err));
	for (size_t i = 0; i < n; i++) {
		CLV_TRY(get_head(store, rows[i], &found, &head, err));
		if (!found)
			continue;
		report.trees++;
		for (unsigned bucket = 0; bucket < STORE_BUCKETS; bucket++)
			CLV_TRY(store_seal_check_bucket(store, rows[i], bucket, err));
	}
	*ret_report = report;
	return CLV_OK;
}
