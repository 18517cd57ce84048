/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of hashes. A bucket's hash covers the kind, row number and hash of each of its leaves, so
 * that a leaf that is gone shows. What is empty, a bucket or all below a node, has the hash zero.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/store/impl.h"
#include "lib/base/banned.h"

#define HASH_BUCKET 0x01
#define HASH_NODE 0x02 /* and the level */
#define LEAF_LEN 48    /* bytes of a leaf in what a bucket's hash covers */

static const uint8_t zeros[STORE_FANOUT * STORE_HASH_LEN];

static unsigned node_of(unsigned bucket, unsigned level)
{
	return bucket >> 4 * (STORE_LEVELS - level);
}

static unsigned child_of(unsigned bucket, unsigned level)
{
	return bucket >> 4 * (STORE_LEVELS - 1 - level) & (STORE_FANOUT - 1);
}

static void put_leaf(uint8_t at[LEAF_LEN], int64_t kind, int64_t row,
		     const uint8_t hash[STORE_HASH_LEN])
{
	for (int i = 0; i < 8; i++) {
		at[i] = (uint8_t) ((uint64_t) kind >> 8 * (7 - i));
		at[8 + i] = (uint8_t) ((uint64_t) row >> 8 * (7 - i));
	}
	memcpy(at + 16, hash, STORE_HASH_LEN);
}

static clv_rc hash_leaves(const struct clv_buf *leaves, uint8_t ret_hash[STORE_HASH_LEN],
			  struct clv_err *err)
{
	if (leaves->len > 0)
		return store_hash(HASH_BUCKET, leaves->data, leaves->len, ret_hash, err);
	memset(ret_hash, 0, STORE_HASH_LEN);
	return CLV_OK;
}

static clv_rc hash_node(unsigned level, const uint8_t children[STORE_FANOUT][STORE_HASH_LEN],
			uint8_t ret_hash[STORE_HASH_LEN], struct clv_err *err)
{
	if (!clv_same(children, zeros, sizeof zeros))
		return store_hash((uint8_t) (HASH_NODE + level), children, sizeof zeros, ret_hash,
				  err);
	memset(ret_hash, 0, STORE_HASH_LEN);
	return CLV_OK;
}

static clv_rc read_leaf(struct store_run *run, struct clv_buf *leaves, struct clv_err *err)
{
	uint8_t leaf[LEAF_LEN], hash[STORE_HASH_LEN] = { 0 };
	int64_t kind = store_read_int(run), row = store_read_int(run);

	store_read_blob(run, hash, sizeof hash);
	CLV_TRY(store_row_check(run, err));
	put_leaf(leaf, kind, row, hash);
	return clv_buf_add(leaves, leaf, sizeof leaf, err);
}

clv_rc store_bucket_hash(struct store *store, int64_t tree, unsigned bucket,
			 uint8_t ret_hash[STORE_HASH_LEN], struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LEAF_LIST);
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf leaves = { 0 };
	bool found;

	store_bind_int(&run, ":tree", tree);
	store_bind_int(&run, ":bucket", bucket);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			return hash_leaves(&leaves, ret_hash, err);
		CLV_TRY(read_leaf(&run, &leaves, err));
	}
}

static clv_rc read_node(struct store *store, int64_t tree, unsigned level, unsigned number,
			uint8_t children[STORE_FANOUT][STORE_HASH_LEN], struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_NODE_GET);
	bool found;

	store_bind_int(&run, ":tree", tree);
	store_bind_int(&run, ":level", level);
	store_bind_int(&run, ":number", number);
	CLV_TRY(store_step(&run, &found, err));
	if (found)
		store_read_blob(&run, children[0], sizeof zeros);
	else
		memset(children, 0, sizeof zeros);
	return store_row_check(&run, err);
}

static clv_rc write_node(struct store *store, int64_t tree, unsigned level, unsigned number,
			 const uint8_t children[STORE_FANOUT][STORE_HASH_LEN], struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_NODE_PUT);

	store_bind_int(&run, ":tree", tree);
	store_bind_int(&run, ":level", level);
	store_bind_int(&run, ":number", number);
	store_bind_blob(&run, ":children", children[0], sizeof zeros);
	return store_step_done(&run, err);
}

clv_rc store_path_read(struct store *store, int64_t tree, unsigned bucket,
		       const uint8_t root[STORE_HASH_LEN], struct store_path *ret_path,
		       bool *ret_fits, struct clv_err *err)
{
	uint8_t hash[STORE_HASH_LEN];
	bool fits = true;

	CLV_TRY(store_bucket_hash(store, tree, bucket, hash, err));
	for (unsigned level = STORE_LEVELS; level-- > 0;) {
		uint8_t(*children)[STORE_HASH_LEN] = ret_path->children[level];

		CLV_TRY(read_node(store, tree, level, node_of(bucket, level), children, err));
		fits = fits && clv_same(children[child_of(bucket, level)], hash, sizeof hash);
		CLV_TRY(hash_node(level, children, hash, err));
	}
	*ret_fits = fits && clv_same(hash, root, sizeof hash);
	return CLV_OK;
}

clv_rc store_path_write(struct store *store, int64_t tree, unsigned bucket, struct store_path *path,
			uint8_t ret_root[STORE_HASH_LEN], struct clv_err *err)
{
	uint8_t hash[STORE_HASH_LEN];

	CLV_TRY(store_bucket_hash(store, tree, bucket, hash, err));
	for (unsigned level = STORE_LEVELS; level-- > 0;) {
		uint8_t(*children)[STORE_HASH_LEN] = path->children[level];

		memcpy(children[child_of(bucket, level)], hash, sizeof hash);
		CLV_TRY(write_node(store, tree, level, node_of(bucket, level), children, err));
		CLV_TRY(hash_node(level, children, hash, err));
	}
	memcpy(ret_root, hash, sizeof hash);
	return CLV_OK;
}

static struct store_run leaf_run(struct store *store, enum store_sql sql,
				 const struct store_sealed *sealed)
{
	struct store_run run = store_run_begin(store, sql);

	store_bind_int(&run, ":tree", sealed->tree);
	store_bind_int(&run, ":bucket", sealed->bucket);
	store_bind_int(&run, ":kind", sealed->kind);
	store_bind_int(&run, ":row", sealed->row);
	return run;
}

clv_rc store_leaf_get(struct store *store, const struct store_sealed *sealed, bool *ret_found,
		      uint8_t ret_hash[STORE_HASH_LEN], struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = leaf_run(store, STORE_SQL_LEAF_GET, sealed);

	CLV_TRY(store_step(&run, ret_found, err));
	if (!*ret_found)
		return CLV_OK;
	store_read_blob(&run, ret_hash, STORE_HASH_LEN);
	return store_row_check(&run, err);
}

clv_rc store_leaf_put(struct store *store, const struct store_sealed *sealed, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = leaf_run(store, STORE_SQL_LEAF_PUT, sealed);
	uint8_t hash[STORE_HASH_LEN];

	CLV_TRY(store_leaf_hash(sealed->row, (struct clv_bytes){ sealed->bytes, sealed->len }, hash,
				err));
	store_bind_blob(&run, ":hash", hash, sizeof hash);
	return store_step_done(&run, err);
}

clv_rc store_leaf_delete(struct store *store, const struct store_sealed *sealed,
			 struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = leaf_run(store, STORE_SQL_LEAF_DELETE, sealed);

	return store_step_done(&run, err);
}

clv_rc store_common_tree(struct store *store, int64_t *ret_tree, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_COMMON_TREE);
	bool found;

	CLV_TRY(store_step(&run, &found, err));
	*ret_tree = found ? store_read_int(&run) : 0;
	return store_row_check(&run, err);
}

/* ---- all of a tree at once ---- */

typedef uint8_t store_hash_bytes[STORE_HASH_LEN];

/* The hashes of all buckets, into room for STORE_BUCKETS. */
static clv_rc all_buckets(struct store *store, int64_t tree, store_hash_bytes *hashes,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_LEAF_LIST_ALL);
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf leaves = { 0 };
	int64_t bucket, at = 0;
	bool found;

	store_bind_int(&run, ":tree", tree);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		bucket = found ? store_read_int(&run) : STORE_BUCKETS;
		if (bucket < at || bucket > STORE_BUCKETS)
			return store_fail(store->path, NULL, SQLITE_CORRUPT, "reading leaves", err);
		if (bucket != at) {
			CLV_TRY(hash_leaves(&leaves, hashes[at], err));
			leaves.len = 0;
			at = bucket;
		}
		if (!found)
			return CLV_OK;
		CLV_TRY(read_leaf(&run, &leaves, err));
	}
}

/* One level: in `hashes` the children's make way for those of the nodes above them. */
static clv_rc write_level(struct store *store, int64_t tree, unsigned level,
			  store_hash_bytes *hashes, struct clv_err *err)
{
	const unsigned n = 1u << 4 * level;

	for (unsigned i = 0; i < n; i++) {
		store_hash_bytes *children = hashes + (size_t) i * STORE_FANOUT;
		store_hash_bytes hash;

		if (!clv_same(children, zeros, sizeof zeros))
			CLV_TRY(write_node(store, tree, level, i,
					   (const uint8_t(*)[STORE_HASH_LEN]) children, err));
		CLV_TRY(hash_node(level, (const uint8_t(*)[STORE_HASH_LEN]) children, hash, err));
		memcpy(hashes[i], hash, sizeof hash);
	}
	return CLV_OK;
}

static clv_rc clear_nodes(struct store *store, int64_t tree, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_NODE_CLEAR);

	store_bind_int(&run, ":tree", tree);
	return store_step_done(&run, err);
}

clv_rc store_nodes_rebuild(struct store *store, int64_t tree, uint8_t ret_root[STORE_HASH_LEN],
			   struct clv_err *err)
{
	store_hash_bytes *hashes = calloc(STORE_BUCKETS, sizeof *hashes);
	clv_rc rc;

	if (hashes == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the seal");
	rc = clear_nodes(store, tree, err);
	if (rc == CLV_OK)
		rc = all_buckets(store, tree, hashes, err);
	for (unsigned level = STORE_LEVELS; rc == CLV_OK && level-- > 0;)
		rc = write_level(store, tree, level, hashes, err);
	if (rc == CLV_OK)
		memcpy(ret_root, hashes[0], STORE_HASH_LEN);
	free(hashes);
	return rc;
}
