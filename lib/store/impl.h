/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the connection, its statements, and how to run one. Only
 * lib/store and its tests include this; sqlite3.h goes no further.
 */
#ifndef STORE_IMPL_H
#define STORE_IMPL_H

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store/seal.h"
#include "lib/store/store.h"

#define STORE_APPLICATION_ID 0x434c5647 /* "CLVG": what file(1) and we know a catalogue by */

/* One schema step, from lib/store/schema/NNNN_name.sql by build-aux/embed-sql. */
struct store_step {
	int number;
	const char *name;
	const char *sql;
};
extern const struct store_step store_steps[];
extern const size_t store_n_steps;

/* Each statement this room runs; its text is in statement.c. */
enum store_sql {
	STORE_SQL_BEGIN,
	STORE_SQL_COMMIT,
	STORE_SQL_ROLLBACK,
	STORE_SQL_HOME_GET,
	STORE_SQL_FIND_LOCATION,
	STORE_SQL_FIND_RING,
	STORE_SQL_FIND_KEY,
	STORE_SQL_LOCATION_GET,
	STORE_SQL_LOCATION_LIST,
	STORE_SQL_LOCATION_INSERT,
	STORE_SQL_TOKEN_LIST,
	STORE_SQL_TOKEN_LIST_ALL,
	STORE_SQL_TOKEN_INSERT,
	STORE_SQL_RING_GET,
	STORE_SQL_RING_LIST,
	STORE_SQL_RING_INSERT,
	STORE_SQL_KEY_GET,
	STORE_SQL_KEY_LIST,
	STORE_SQL_KEY_INSERT,
	STORE_SQL_KEY_SET_PRIMARY,
	STORE_SQL_KEY_UPDATE,
	STORE_SQL_KEY_ROTATE,
	STORE_SQL_KEY_LIST_DUE,
	STORE_SQL_KEY_LIST_ALL,
	STORE_SQL_VERSION_GET,
	STORE_SQL_VERSION_BY_UID,
	STORE_SQL_VERSION_LIST,
	STORE_SQL_VERSION_LIST_PENDING,
	STORE_SQL_VERSION_LIST_DUE,
	STORE_SQL_VERSION_COUNT_DUE,
	STORE_SQL_VERSION_LIST_WORN,
	STORE_SQL_VERSION_NEXT,
	STORE_SQL_VERSION_INSERT,
	STORE_SQL_VERSION_SET_STATE,
	STORE_SQL_VERSION_ERASE,
	STORE_SQL_VERSION_SET_TOKEN_ENABLED,
	STORE_SQL_VERSION_REIMPORT,
	STORE_SQL_IMPORT_JOB_GET,
	STORE_SQL_IMPORT_JOB_LIST,
	STORE_SQL_IMPORT_JOB_LIST_DUE,
	STORE_SQL_IMPORT_JOB_INSERT,
	STORE_SQL_IMPORT_JOB_ERASE,
	STORE_SQL_COUNT_GET,
	STORE_SQL_COUNT_SET,
	STORE_SQL_INTENT_LIST,
	STORE_SQL_INTENT_LIST_ALL,
	STORE_SQL_INTENT_INSERT,
	STORE_SQL_INTENT_DELETE,
	STORE_SQL_DOCUMENT_GET,
	STORE_SQL_DOCUMENT_LIST,
	STORE_SQL_DOCUMENT_ROW_VERSION,
	STORE_SQL_DOCUMENT_PUT,
	STORE_SQL_DOCUMENT_DELETE,
	STORE_SQL_EPOCH_GET,
	STORE_SQL_EPOCH_NEXT,
	STORE_SQL_COUNTS,
	STORE_SQL_LOOK_BEGIN,
	STORE_SQL_SEAL_HOME, /* in the order of enum store_kind */
	STORE_SQL_SEAL_LOCATION,
	STORE_SQL_SEAL_TOKEN,
	STORE_SQL_SEAL_RING,
	STORE_SQL_SEAL_KEY,
	STORE_SQL_SEAL_VERSION,
	STORE_SQL_SEAL_JOB,
	STORE_SQL_SEAL_DOCUMENT,
	STORE_SQL_SEAL_EPOCH,
	STORE_SQL_ROWS_HOME, /* in the order of enum store_kind */
	STORE_SQL_ROWS_LOCATION,
	STORE_SQL_ROWS_TOKEN,
	STORE_SQL_ROWS_RING,
	STORE_SQL_ROWS_KEY,
	STORE_SQL_ROWS_VERSION,
	STORE_SQL_ROWS_JOB,
	STORE_SQL_ROWS_DOCUMENT,
	STORE_SQL_ROWS_EPOCH,
	STORE_SQL_COMMON_TREE,
	STORE_SQL_LEAF_ANY,
	STORE_SQL_LEAF_GET,
	STORE_SQL_LEAF_PUT,
	STORE_SQL_LEAF_DELETE,
	STORE_SQL_LEAF_LIST,
	STORE_SQL_LEAF_LIST_ALL,
	STORE_SQL_LEAF_CLEAR,
	STORE_SQL_NODE_GET,
	STORE_SQL_NODE_PUT,
	STORE_SQL_NODE_CLEAR,
	STORE_SQL_HEAD_GET,
	STORE_SQL_HEAD_PUT,
	STORE_SQL_UNSEALED_GET,
	STORE_SQL_UNSEALED_PUT,
	STORE_SQL_UNSEALED_LIST,
	STORE_SQL_UNSEALED_CLEAR,
	STORE_SQL_UNSEALED_COUNT,
	STORE_SQL_DISABLE_ALL,
	STORE_SQL_COUNT
};

/* Static text, for preparing and for the test that explains each of them. */
const char *store_sql_text(enum store_sql sql);

struct store {
	sqlite3 *db;
	char *path;             /* owned; for error texts */
	struct store_home home; /* never changes once made */
	struct store_seal seal;
	sqlite3_stmt *statements[STORE_SQL_COUNT];
};

/* Turns an SQLite result into an outcome and its story; never CLV_OK. */
CLV_MUST_USE clv_rc store_fail(const char *path, sqlite3 *db, int code, const char *op,
			       struct clv_err *err);

/* The same where the SQL is ours and only reads: what SQLite calls an error is the file's fault. */
CLV_MUST_USE clv_rc store_fail_reading(struct store *store, int code, const char *op,
				       struct clv_err *err);

/* store_open() with other steps in place of `store_steps`: for tests of upgrades. */
CLV_MUST_USE clv_rc store_open_steps(const char *path, unsigned wait_ms,
				     const struct store_step *steps, size_t n_steps,
				     struct store **ret_store, struct clv_err *err);

/* A connection that has not looked at the file, nor prepared anything. End with store_close(). */
CLV_MUST_USE clv_rc store_connect(const char *path, unsigned wait_ms, struct store **ret_store,
				  struct clv_err *err);

/* The name of SQLite's way to files that asks for room on a full disk; NULL: the usual one. */
const char *store_vfs(void);

/* SQL without parameters and results; a statement that gives one number. */
CLV_MUST_USE clv_rc store_exec(struct store *store, const char *sql, struct clv_err *err);
CLV_MUST_USE clv_rc store_pragma_get(struct store *store, const char *sql, int64_t *ret_value,
				     struct clv_err *err);

/* Files: makes an empty one from a template ending in XXXXXX; unlinks one and SQLite's beside it.
 */
CLV_MUST_USE clv_rc store_make_file(char *template_path, struct clv_err *err);
CLV_MUST_USE clv_rc store_sync_folder(const char *path, struct clv_err *err);
void store_unlink(const char *path);

/* Applies the steps behind number `from`, inside a transaction of the caller's. */
CLV_MUST_USE clv_rc store_apply_steps(struct store *store, int from, const struct store_step *steps,
				      size_t n_steps, struct clv_err *err);

/* Brings an older catalogue to the last of `steps`, after a copy "PATH.schema-N". */
CLV_MUST_USE clv_rc store_upgrade(struct store *store, const struct store_step *steps,
				  size_t n_steps, struct clv_err *err);

CLV_MUST_USE clv_rc store_prepare_all(struct store *store, struct clv_err *err);
void store_finalize_all(struct store *store);

/*
 * One run of a statement: begin, bind by name, step until `found` is false, read each row's
 * columns in their order. Binding and reading note what goes wrong and go on; store_step() and
 * store_row_check() report it. Declare it with CLV_AUTO_DONE(store_run_done), in a function of its
 * own when it is part of a change: a statement that still runs would hold up the commit.
 */
struct store_run {
	struct store *store;
	sqlite3_stmt *stmt;
	int code;     /* first SQLite failure of a bind */
	int column;   /* next one to read */
	bool damaged; /* a column of this row cannot be what we wrote */
};

struct store_run store_run_begin(struct store *store, enum store_sql sql);
void store_run_done(struct store_run *run);
void store_run_end(struct store_run *run); /* for a statement prepared for this run alone */

/* Borrowed until the run is done. What is not bound is NULL. */
void store_bind_text(struct store_run *run, const char *parameter, const char *text);
void store_bind_blob(struct store_run *run, const char *parameter, const void *bytes, size_t len);
void store_bind_int(struct store_run *run, const char *parameter, int64_t value);
void store_bind_int_unless_0(struct store_run *run, const char *parameter, int64_t value);
void store_bind_limit(struct store_run *run, size_t limit); /* parameter ":limit" */

/* The next row, if any. */
CLV_MUST_USE clv_rc store_step(struct store_run *run, bool *ret_found, struct clv_err *err);

/* Runs a statement that gives no rows to its end. */
CLV_MUST_USE clv_rc store_step_done(struct store_run *run, struct clv_err *err);

int64_t store_read_int(struct store_run *run);
uint64_t store_read_count(struct store_run *run);
int64_t store_read_int_or(struct store_run *run, int64_t none); /* `none` for NULL */
int store_read_enum(struct store_run *run, int max);            /* 1 to max */
enum clv_algorithm store_read_algorithm(struct store_run *run); /* one that lib/model knows */
bool store_read_null(struct store_run *run); /* true: it was NULL and is passed over */
void store_read_text(struct store_run *run, char *buf, size_t size);
/* Less than `size` bytes, to be freed; NULL: no memory, or the row is damaged. */
char *store_read_text_new(struct store_run *run, size_t size, size_t *ret_len);
void store_read_blob(struct store_run *run, uint8_t *buf, size_t len); /* exactly len bytes */
size_t store_read_blob_upto(struct store_run *run, uint8_t *buf, size_t size); /* 0 for NULL */

/* CLV_E_DATA_LOSS when a column of the row was damaged. */
CLV_MUST_USE clv_rc store_row_check(struct store_run *run, struct clv_err *err);

/*
 * A change: one transaction, rolled back at the end of its scope unless it was committed. Declare
 * it with CLV_AUTO_DONE(store_change_end) and start it zeroed.
 */
struct store_change {
	struct store *store; /* NULL: nothing to roll back */
};

CLV_MUST_USE clv_rc store_change_begin(struct store_change *change, struct store *store,
				       const struct clv_grant *grant, struct clv_err *err);
CLV_MUST_USE clv_rc store_change_commit(struct store_change *change, struct clv_err *err);
void store_change_end(struct store_change *change);

/* After a commit that erased key material: takes the old pages out of the write-ahead log as well.
 */
void store_truncate_log(struct store *store);

/* Takes an intent away inside a change (NULL: none). CLV_E_ABORTED when it is no longer there. */
CLV_MUST_USE clv_rc store_intent_take(struct store *store, const char *id, struct clv_err *err);

/* How far down a name leads, and the rows on the way. */
struct store_place {
	enum clv_name_kind depth;       /* the deepest part that is there; CLV_NAME_PROJECT: none */
	int64_t rows[CLV_NAME_VERSION]; /* by kind, from CLV_NAME_LOCATION to `depth` */
};

/* Follows `name` down to `kind` (at most CLV_NAME_KEY) or to the first part that is missing. */
CLV_MUST_USE clv_rc store_find(struct store *store, const struct clv_name *name,
			       enum clv_name_kind kind, struct store_place *ret_place,
			       struct clv_err *err);

/* The same; CLV_E_NOT_FOUND, naming the topmost part that is missing, unless it leads to `kind`. */
CLV_MUST_USE clv_rc store_require(struct store *store, const struct clv_name *name,
				  enum clv_name_kind kind, struct store_place *ret_place,
				  struct clv_err *err);

/* The parent must be there (CLV_E_NOT_FOUND) and the thing itself not (CLV_E_ALREADY_EXISTS). */
CLV_MUST_USE clv_rc store_require_new(struct store *store, const struct clv_name *name,
				      enum clv_name_kind kind, struct store_place *ret_place,
				      struct clv_err *err);

/* A lookup of `kind` gave nothing: CLV_E_NOT_FOUND as store_require(), or naming the thing itself.
 */
CLV_MUST_USE clv_rc store_absent(struct store *store, const struct clv_name *name,
				 enum clv_name_kind kind, struct clv_err *err);

/* "KeyRing projects/... not found." and its siblings, for the part of `name` down to `kind`. */
CLV_MUST_USE clv_rc store_not_found(const struct clv_name *name, enum clv_name_kind kind,
				    struct clv_err *err);

/* The name of a location of this home. */
struct clv_name store_location_name(const struct store *store, const char *id);

/* The parts of a key's name as columns, and as :location, :project, :ring and :key. */
void store_read_key_name(struct store_run *run, struct clv_name *name);
void store_bind_key_name(struct store_run *run, const struct clv_name *name);

/* What there is of a version for others to see, as the columns VERSION_PUBLIC; not its name. */
void store_read_version(struct store_run *run, struct clv_version *version);

/* The number that the next version of a key gets. */
CLV_MUST_USE clv_rc store_version_next(struct store *store, int64_t key_row, uint64_t *ret_number,
				       struct clv_err *err);

/* Adds version `number` of the key that `key` leads to, inside a change. */
CLV_MUST_USE clv_rc store_version_insert(struct store *store, const struct store_place *key,
					 uint64_t number, const struct store_version *version,
					 struct clv_err *err);

#endif
