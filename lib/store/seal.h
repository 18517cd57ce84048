/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the seal share: rows as bytes, the trees, and what a connection notes while it
 * changes rows. README.md tells how a row is found in its tree. Only impl.h includes this.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store/store.h"

#define STORE_HASH_LEN 32 /* bytes */
#define STORE_FANOUT 16
#define STORE_LEVELS 4      /* of nodes; below them are buckets */
#define STORE_BUCKETS 65536 /* STORE_FANOUT to the power of STORE_LEVELS */

/* Tables whose rows are sealed. The numbers are part of what is hashed. */
enum store_kind {
	STORE_KIND_HOME = 1,
	STORE_KIND_LOCATION,
	STORE_KIND_TOKEN,
	STORE_KIND_RING,
	STORE_KIND_KEY,
	STORE_KIND_VERSION,
	STORE_KIND_JOB,
	STORE_KIND_DOCUMENT,
	STORE_KIND_EPOCH,
	STORE_KIND_END
};

/* A row as it is sealed. */
struct store_sealed {
	enum store_kind kind;
	int64_t row, tree;
	unsigned bucket;
	uint8_t *bytes; /* owned: store_sealed_clear() */
	size_t len;
	char name[CLV_NAME_MAX]; /* for people */
};

/* What a connection knows and notes. */
struct store_seal {
	const struct store_sealer *sealer; /* borrowed; NULL: nobody to ask */
	bool unchecked;                    /* rows are read as they are */
	int64_t began;                     /* CLOCK_MONOTONIC ns: of this look or change */
	struct store_touch {
		enum store_kind kind;
		int64_t row;
	} * touched; /* owned: rows that this change has written */
	size_t n_touched;
	bool lost;                 /* there was no memory to note one */
	struct store_sealed *kept; /* owned: rows as they were before this change */
	size_t n_kept;
	struct store_head committing[4]; /* heads that this change writes */
	size_t n_committing;
	struct store_head accepted[8]; /* by tree: heads that were found to be right */
};

struct store;
struct store_run;

/* ---- seal_row.c: rows as bytes */

void store_sealed_clear(struct store_sealed *sealed);

/* Reads the row as it is now; *ret_found false: it is not there. */
CLV_MUST_USE clv_rc store_sealed_read(struct store *store, enum store_kind kind, int64_t row,
				      bool *ret_found, struct store_sealed *ret_sealed,
				      struct clv_err *err);

/* The bucket of a row whose two first columns are a number and a number, or a number and a text. */
CLV_MUST_USE clv_rc store_bucket_of(enum store_kind kind, int64_t first, int64_t second,
				    const char *text, unsigned *ret_bucket, struct clv_err *err);

/* Does the way from `before` to `now` only end use? */
bool store_sealed_lowers(const struct store_sealer *sealer, enum store_kind kind,
			 struct clv_bytes before, struct clv_bytes now);

CLV_MUST_USE clv_rc store_hash(uint8_t prefix, const void *bytes, size_t len,
			       uint8_t ret_hash[STORE_HASH_LEN], struct clv_err *err);
CLV_MUST_USE clv_rc store_leaf_hash(int64_t row, struct clv_bytes bytes,
				    uint8_t ret_hash[STORE_HASH_LEN], struct clv_err *err);

/* ---- seal_tree.c: leaves, buckets, nodes */

struct store_path {
	uint8_t children[STORE_LEVELS][STORE_FANOUT][STORE_HASH_LEN];
};

/* The hash over a bucket's leaves as they are now. */
CLV_MUST_USE clv_rc store_bucket_hash(struct store *store, int64_t tree, unsigned bucket,
				      uint8_t ret_hash[STORE_HASH_LEN], struct clv_err *err);

/* Reads the nodes above a bucket; *ret_fits: they and the bucket lead to `root`. */
CLV_MUST_USE clv_rc store_path_read(struct store *store, int64_t tree, unsigned bucket,
				    const uint8_t root[STORE_HASH_LEN], struct store_path *ret_path,
				    bool *ret_fits, struct clv_err *err);

/* Writes the nodes above a bucket anew after its leaves have changed. */
CLV_MUST_USE clv_rc store_path_write(struct store *store, int64_t tree, unsigned bucket,
				     struct store_path *path, uint8_t ret_root[STORE_HASH_LEN],
				     struct clv_err *err);

CLV_MUST_USE clv_rc store_leaf_get(struct store *store, const struct store_sealed *sealed,
				   bool *ret_found, uint8_t ret_hash[STORE_HASH_LEN],
				   struct clv_err *err);
CLV_MUST_USE clv_rc store_leaf_put(struct store *store, const struct store_sealed *sealed,
				   struct clv_err *err);
CLV_MUST_USE clv_rc store_leaf_delete(struct store *store, const struct store_sealed *sealed,
				      struct clv_err *err);

/* All nodes of a tree from its leaves. */
CLV_MUST_USE clv_rc store_nodes_rebuild(struct store *store, int64_t tree,
					uint8_t ret_root[STORE_HASH_LEN], struct clv_err *err);

/* The tree of what belongs to no location; 0: there is no location yet. */
CLV_MUST_USE clv_rc store_common_tree(struct store *store, int64_t *ret_tree, struct clv_err *err);

/* ---- seal.c: looking, changing */

void store_seal_init(struct store *store);
void store_seal_done(struct store *store);

/*
 * Several statements that must see one moment. Inside a change, or another look, it is part of
 * that. Declare it with CLV_AUTO_DONE(store_look_end) and start it zeroed.
 */
struct store_look {
	struct store *store; /* NULL: nothing to end */
};
CLV_MUST_USE clv_rc store_look_begin(struct store_look *look, struct store *store,
				     struct clv_err *err);
void store_look_end(struct store_look *look);

/* Inside a look: is the row in its tree as it is? Errors: CLV_E_DATA_LOSS, naming it. */
CLV_MUST_USE clv_rc store_seal_check(struct store *store, enum store_kind kind, int64_t row,
				     struct clv_err *err);

/* The same without the path from its bucket up, for who looks at the whole bucket besides. */
CLV_MUST_USE clv_rc store_seal_check_leaf(struct store *store, enum store_kind kind, int64_t row,
					  struct clv_err *err);

/* Inside a look: are all rows of a bucket there that were sealed? For what was not found. */
CLV_MUST_USE clv_rc store_seal_check_bucket(struct store *store, int64_t tree, unsigned bucket,
					    struct clv_err *err);

/* Inside a change, before a row is written that is there: keeps it as it is, after a check. */
CLV_MUST_USE clv_rc store_seal_keep(struct store *store, enum store_kind kind, int64_t row,
				    struct clv_err *err);

/* A change begins; is about to be committed; was; or was not. */
void store_seal_begin(struct store *store);
CLV_MUST_USE clv_rc store_seal_commit(struct store *store, struct clv_err *err);
void store_seal_committed(struct store *store);
void store_seal_forget(struct store *store);

#endif
