/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: rows in, rows out. No policy, no token, no state rules. SQL stays in this room.
 *
 * A struct store is one connection; it belongs to one thread at a time. Reads see what was
 * committed when they begin. Every change is one transaction, takes a grant, and is durable when
 * it returns. Row versions: a change names the row version it was decided on and gives
 * CLV_E_ABORTED when the row has moved on.
 *
 * Errors that any call can give:
 *   CLV_E_UNAVAILABLE        the file cannot be read or written now
 *   CLV_E_RESOURCE_EXHAUSTED no space, no memory
 *   CLV_E_DATA_LOSS          the file is damaged
 *   CLV_E_DEADLINE_EXCEEDED  another writer did not finish in time
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <claviger/import.h>
#include <claviger/key.h>
#include <claviger/token.h>

#include "lib/base/auto.h"
#include "lib/base/grant.h"

#define STORE_BLOB_MAX 2560  /* bytes */
#define STORE_PUBLIC_MAX 800 /* bytes: a SubjectPublicKeyInfo */
#define STORE_CHECK_LEN 32   /* bytes */
#define STORE_ID_LEN 16      /* bytes of an object id or a version's unique id */

struct store;

struct store_home {
	uint8_t uuid[16];
	char project[CLV_ID_MAX];
	char owner[CLV_PRINCIPAL_MAX];
	int64_t create_time;
};

/* Makes the file `path` with the newest schema and this home row: whole, or not at all.
 * Errors: CLV_E_ALREADY_EXISTS; what is there stays as it is. */
CLV_MUST_USE clv_rc store_create(const char *path, const struct clv_grant *grant,
				 const struct store_home *home, struct clv_err *err);

/*
 * Opens a connection; the first one of an older schema brings it up to date after a copy was made
 * beside it. `wait_ms`: longest wait for another writer. Owned: end with store_close().
 * Errors: CLV_E_NOT_FOUND no such file; CLV_E_FAILED_PRECONDITION its schema is newer than ours.
 */
CLV_MUST_USE clv_rc store_open(const char *path, unsigned wait_ms, struct store **ret_store,
			       struct clv_err *err);
struct store *store_close(struct store *store);
CLV_DEFINE_AUTO(struct store, store_close);

int store_schema(void); /* the newest schema number this code knows */

CLV_MUST_USE clv_rc store_home_get(struct store *store, struct store_home *ret_home,
				   struct clv_err *err);

/* Is the home what was sealed, and what this connection found when it was opened? Errors:
 * CLV_E_DATA_LOSS. */
CLV_MUST_USE clv_rc store_home_check(struct store *store, struct clv_err *err);

/* A location, with the ids of its objects on its token. */
struct store_location {
	int64_t row;
	char id[CLV_ID_MAX];
	int64_t create_time;
	unsigned n_tokens;
};
CLV_MUST_USE clv_rc store_location_get(struct store *store, const char *id,
				       struct store_location *ret_location, struct clv_err *err);

/* The one that was added first, whose token seals what belongs to no location. n_tokens is not
 * filled in. */
CLV_MUST_USE clv_rc store_location_first(struct store *store, bool *ret_found,
					 struct store_location *ret_location, struct clv_err *err);

/* Lists come in order of id behind `after` ("" or NULL: from the first), at most `limit` rows into
 * `rows`, which the caller owns; *ret_n says how many. On failure *ret_n is untouched, `rows` is
 * not. Errors: CLV_E_NOT_FOUND the parent (location, key ring, key) of a list is not there. */
CLV_MUST_USE clv_rc store_location_list(struct store *store, const char *after, size_t limit,
					struct store_location *rows, size_t *ret_n,
					struct clv_err *err);

struct store_token {
	int64_t row;
	struct clv_token pub;
	uint8_t root_id[STORE_ID_LEN];
	uint8_t seal_id[STORE_ID_LEN];
	uint8_t log_id[STORE_ID_LEN];
	uint8_t anchor_id[2][STORE_ID_LEN];
};

/* Adds a location and the token that serves it, in one transaction; takes an intent (below) away
 * (NULL: none). Errors: CLV_E_ALREADY_EXISTS; CLV_E_ABORTED the intent is gone. */
CLV_MUST_USE clv_rc store_location_add(struct store *store, const struct clv_grant *grant,
				       const struct store_location *location,
				       const struct store_token *token, const char *intent,
				       struct clv_err *err);

/* Tokens of a location, or of all (NULL), in order of location and row. At most `limit`. */
CLV_MUST_USE clv_rc store_token_list(struct store *store, const char *location, size_t limit,
				     struct store_token *rows, size_t *ret_n, struct clv_err *err);

struct store_ring {
	int64_t row;
	char project[CLV_ID_MAX], location[CLV_ID_MAX], id[CLV_ID_MAX];
	int64_t create_time;
	uint8_t kek_id[STORE_ID_LEN];
	uint8_t root_id[STORE_ID_LEN]; /* the root that wraps the ring KEK */
	uint8_t kek_blob[STORE_BLOB_MAX];
	size_t kek_blob_len;
};
/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc store_ring_get(struct store *store, const struct clv_name *name,
				   struct store_ring *ret_ring, struct clv_err *err);
CLV_MUST_USE clv_rc store_ring_list(struct store *store, const struct clv_name *location,
				    const char *after, size_t limit, struct store_ring *rows,
				    size_t *ret_n, struct clv_err *err);
/* Errors: CLV_E_NOT_FOUND no such location; CLV_E_ALREADY_EXISTS. */
CLV_MUST_USE clv_rc store_ring_add(struct store *store, const struct clv_grant *grant,
				   const struct store_ring *ring, struct clv_err *err);

struct store_key {
	int64_t row;
	int64_t row_version;
	int64_t ring_row;
	struct clv_key pub; /* name, purpose ... primary and its state */
};
/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc store_key_get(struct store *store, const struct clv_name *name,
				  struct store_key *ret_key, struct clv_err *err);
CLV_MUST_USE clv_rc store_key_list(struct store *store, const struct clv_name *ring,
				   const char *after, size_t limit, struct store_key *rows,
				   size_t *ret_n, struct clv_err *err);

/* A version; `row` is never reused and serves as its number in the gate file. */
struct store_version {
	int64_t row;
	int64_t row_version;
	int64_t key_row;
	struct clv_version pub;
	bool token_enabled; /* TOKEN residency: what the flags in the token were last set to */
	uint8_t blob[STORE_BLOB_MAX]; /* WRAPPED residency */
	size_t blob_len;
	uint8_t public_key[STORE_PUBLIC_MAX]; /* SubjectPublicKeyInfo */
	size_t public_key_len;                /* bytes; 0: a secret key */
	uint8_t check_value[STORE_CHECK_LEN]; /* of an imported version: is it the same key? */
};

/* Adds a key and its first version, number 1, in one transaction (NULL: no version yet); it is the
 * primary where key->pub.primary is not 0. Takes an intent away (NULL: none). Names, rows and
 * numbers inside `key` and `first` are ignored. Errors: CLV_E_NOT_FOUND no such ring;
 * CLV_E_ALREADY_EXISTS; CLV_E_ABORTED the intent is gone: somebody took us for dead and undid what
 * it spoke of. */
CLV_MUST_USE clv_rc store_key_add(struct store *store, const struct clv_grant *grant,
				  const struct clv_name *name, const struct store_key *key,
				  const struct store_version *first, const char *intent,
				  struct clv_err *err);

/* Adds a key's next version; *ret_number is its number. Takes an intent away (NULL: none). Errors:
 * CLV_E_NOT_FOUND no such key; CLV_E_ABORTED the intent is gone. */
CLV_MUST_USE clv_rc store_version_add(struct store *store, const struct clv_grant *grant,
				      const struct clv_name *key_name,
				      const struct store_version *version, const char *intent,
				      uint64_t *ret_number, struct clv_err *err);

/* Makes a version of the key, by number, its primary. Errors: CLV_E_ABORTED the key's row is no
 * longer at key->row_version, or there is no such version. */
CLV_MUST_USE clv_rc store_key_set_primary(struct store *store, const struct clv_grant *grant,
					  const struct store_key *key, uint64_t number,
					  struct clv_err *err);

/* Writes what can be changed of a key: algorithm, rotation_period, next_rotation_time and labels of
 * key->pub. Errors: CLV_E_ABORTED the row is no longer at key->row_version. */
CLV_MUST_USE clv_rc store_key_update(struct store *store, const struct clv_grant *grant,
				     const struct store_key *key, struct clv_err *err);

/*
 * A rotation: store_version_add(), the new version made the primary, and key->pub's
 * next_rotation_time written, as one. Errors: as store_version_add(); CLV_E_ABORTED also when the
 * row is no longer at key->row_version.
 */
CLV_MUST_USE clv_rc store_key_rotate(struct store *store, const struct clv_grant *grant,
				     const struct store_key *key,
				     const struct store_version *version, const char *intent,
				     uint64_t *ret_number, struct clv_err *err);

/* Keys of all locations whose next_rotation_time has come at `now`, the oldest first, behind
 * (after_time, after_row): start with INT64_MIN, 0. */
CLV_MUST_USE clv_rc store_key_list_due(struct store *store, int64_t now, int64_t after_time,
				       int64_t after_row, size_t limit, struct store_key *rows,
				       size_t *ret_n, struct clv_err *err);

/* Keys of all locations and projects, by row behind `after_row`. */
CLV_MUST_USE clv_rc store_key_list_all(struct store *store, int64_t after_row, size_t limit,
				       struct store_key *rows, size_t *ret_n, struct clv_err *err);

/* By key name and number (name->kind CLV_NAME_VERSION), or by the uid a ciphertext carries. The
 * latter fills in pub.name from the catalogue, whatever key it belongs to. Errors: CLV_E_NOT_FOUND.
 */
CLV_MUST_USE clv_rc store_version_get(struct store *store, const struct clv_name *name,
				      struct store_version *ret_version, struct clv_err *err);
CLV_MUST_USE clv_rc store_version_by_uid(struct store *store, const uint8_t uid[CLV_UID_LEN],
					 struct store_version *ret_version, struct clv_err *err);
CLV_MUST_USE clv_rc store_version_list(struct store *store, const struct clv_name *key,
				       uint64_t after, size_t limit, struct store_version *rows,
				       size_t *ret_n, struct clv_err *err);

/* Writes version->pub.state, state_time, state_principal, state_reason and destroy_time.
 * Errors: CLV_E_ABORTED the row is no longer at version->row_version. */
CLV_MUST_USE clv_rc store_version_set_state(struct store *store, const struct clv_grant *grant,
					    const struct store_version *version,
					    struct clv_err *err);

/*
 * Writes a version's end: state DESTROYED with version->pub's state fields and destroy_event_time,
 * and its key material out of the file (overwritten, and out of the write-ahead log as far as other
 * readers let it). Errors: CLV_E_ABORTED as above.
 */
CLV_MUST_USE clv_rc store_version_erase(struct store *store, const struct clv_grant *grant,
					const struct store_version *version, struct clv_err *err);

/*
 * Brings an imported version back: version->pub's state fields, import_time and import_job, and
 * version->blob. Errors: CLV_E_ABORTED the row is no longer at version->row_version, or its check
 * value is another than version->check_value.
 */
CLV_MUST_USE clv_rc store_version_reimport(struct store *store, const struct clv_grant *grant,
					   const struct store_version *version,
					   struct clv_err *err);

/* Versions that are DESTROY_SCHEDULED and due at `now`, the oldest first, behind (after_time,
 * after_row): start with INT64_MIN, 0. */
CLV_MUST_USE clv_rc store_version_list_due(struct store *store, int64_t now, int64_t after_time,
					   int64_t after_row, size_t limit,
					   struct store_version *rows, size_t *ret_n,
					   struct clv_err *err);

/* How many these are. */
CLV_MUST_USE clv_rc store_version_count_due(struct store *store, int64_t now, uint64_t *ret_n,
					    struct clv_err *err);

/*
 * How many operations with a version were reserved so far: what processes may have done. Beside the
 * version's row, whose row version does not move.
 */
CLV_MUST_USE clv_rc store_count_get(struct store *store, int64_t version_row,
				    uint64_t *ret_reserved, struct clv_err *err);

/* Reserves up to ask.n more, as long as there are no more than ask.most in all; *ret_got says how
 * many, and is 0 when there are none left. */
struct store_count_ask {
	uint64_t n, most;
};
CLV_MUST_USE clv_rc store_count_reserve(struct store *store, const struct clv_grant *grant,
					int64_t version_row, struct store_count_ask ask,
					uint64_t *ret_got, struct clv_err *err);

/* Primary versions, of keys with a rotation period, with STORE_COUNT_HIGH or more reserved, by row
 * behind `after_row`. */
#define STORE_COUNT_HIGH (UINT64_C(1) << 31)
CLV_MUST_USE clv_rc store_version_list_worn(struct store *store, int64_t after_row, size_t limit,
					    struct store_version *rows, size_t *ret_n,
					    struct clv_err *err);

/* Notes that the flags in the token now are `enabled`. Does not move the row version: it records
 * what follows from a state, and decides nothing. Errors: CLV_E_NOT_FOUND no such row, WRAPPED,
 * or destroyed. */
CLV_MUST_USE clv_rc store_version_set_token_enabled(struct store *store,
						    const struct clv_grant *grant, int64_t row,
						    bool enabled, struct clv_err *err);

/* TOKEN-resident versions of a location whose flags in the token do not follow their state. */
CLV_MUST_USE clv_rc store_version_list_pending(struct store *store, const char *location,
					       size_t limit, struct store_version *rows,
					       size_t *ret_n, struct clv_err *err);

/* An import job; uid is the id of its RSA key. */
struct store_import_job {
	int64_t row;
	int64_t row_version;
	char name[CLV_NAME_MAX];
	enum clv_import_method method;
	enum clv_protection protection;
	enum clv_import_state state; /* ACTIVE until its private half was erased, then EXPIRED */
	int64_t create_time;
	int64_t expire_time;
	int64_t expire_event_time; /* 0: not erased */
	uint8_t uid[STORE_ID_LEN];
	uint8_t public_key[STORE_PUBLIC_MAX]; /* SubjectPublicKeyInfo; stays */
	size_t public_key_len;
	uint8_t blob[STORE_BLOB_MAX];
	size_t blob_len; /* bytes; 0: erased */
};

/* Adds an ACTIVE one under `name`; name, rows and state inside `job` are ignored. Errors:
 * CLV_E_NOT_FOUND no such ring; CLV_E_ALREADY_EXISTS. */
CLV_MUST_USE clv_rc store_import_job_add(struct store *store, const struct clv_grant *grant,
					 const struct clv_name *name,
					 const struct store_import_job *job, struct clv_err *err);
/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc store_import_job_get(struct store *store, const struct clv_name *name,
					 struct store_import_job *ret_job, struct clv_err *err);
CLV_MUST_USE clv_rc store_import_job_list(struct store *store, const struct clv_name *ring,
					  const char *after, size_t limit,
					  struct store_import_job *rows, size_t *ret_n,
					  struct clv_err *err);

/* ACTIVE ones whose time is over at `now`: as store_version_list_due(). */
CLV_MUST_USE clv_rc store_import_job_list_due(struct store *store, int64_t now, int64_t after_time,
					      int64_t after_row, size_t limit,
					      struct store_import_job *rows, size_t *ret_n,
					      struct clv_err *err);

/* Writes a job's end: EXPIRED, job->expire_event_time, and its private half out of the file as
 * store_version_erase() does. Errors: CLV_E_ABORTED it is no longer at job->row_version, or was
 * erased. */
CLV_MUST_USE clv_rc store_import_job_erase(struct store *store, const struct clv_grant *grant,
					   const struct store_import_job *job, struct clv_err *err);

/*
 * Intents: what is about to be made in a token, noted before it is made, so that a crash can be
 * undone. `id` is unique text of the caller's, `detail` is his to read again. The location need not
 * be there yet. Adding: CLV_E_ALREADY_EXISTS. Removing one that is gone is fine. The list comes in
 * the order in which they were added, of one location or of all (NULL).
 */
struct store_intent {
	char id[64];
	char location[CLV_ID_MAX];
	char detail[512];
	int64_t time;
};
CLV_MUST_USE clv_rc store_intent_add(struct store *store, const struct clv_grant *grant,
				     const struct store_intent *intent, struct clv_err *err);
CLV_MUST_USE clv_rc store_intent_remove(struct store *store, const struct clv_grant *grant,
					const char *id, struct clv_err *err);
CLV_MUST_USE clv_rc store_intent_list(struct store *store, const char *location, size_t limit,
				      struct store_intent *rows, size_t *ret_n,
				      struct clv_err *err);

/*
 * Policy documents: text under a kind (of enum policy_kind) and a name. Each change takes the next
 * policy epoch, and it becomes the row version of what is put. `expected` is the row version that a
 * change was decided on, 0 for "there is none yet"; STORE_WHATEVER takes what is there.
 */
#define STORE_DOCUMENT_MAX (4 << 20) /* bytes of text */
#define STORE_DOCUMENT_NAME_MAX 512  /* bytes, with the final NUL */
#define STORE_WHATEVER INT64_C(-1)

struct store_document {
	int64_t row;
	int64_t row_version;
	int kind;
	char name[STORE_DOCUMENT_NAME_MAX];
	char *text; /* owned: store_document_clear() */
	size_t len; /* bytes of it, without the final NUL */
	int64_t update_time;
	char update_principal[CLV_PRINCIPAL_MAX];
};
void store_document_clear(struct store_document *document);

/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc store_document_get(struct store *store, int kind, const char *name,
				       struct store_document *ret_document, struct clv_err *err);

/* All of a kind, or all there are (0), as they were at one moment, by kind and name. */
struct store_documents {
	struct store_document *rows; /* owned: store_documents_clear() */
	size_t n;
};
void store_documents_clear(struct store_documents *documents);
CLV_MUST_USE clv_rc store_document_list(struct store *store, int kind,
					struct store_documents *ret_documents, struct clv_err *err);

/* Writes `text`, and kind, name and update_* of `document`, whose own text is ignored. Errors:
 * CLV_E_ABORTED it is no longer at `expected`. */
CLV_MUST_USE clv_rc store_document_put(struct store *store, const struct clv_grant *grant,
				       const struct store_document *document, const char *text,
				       int64_t expected, int64_t *ret_row_version,
				       struct clv_err *err);
/* Errors: CLV_E_NOT_FOUND; CLV_E_ABORTED as above. */
CLV_MUST_USE clv_rc store_document_remove(struct store *store, const struct clv_grant *grant,
					  int kind, const char *name, int64_t expected,
					  struct clv_err *err);

/* Moves with every change of a document. */
CLV_MUST_USE clv_rc store_policy_epoch_get(struct store *store, int64_t *ret_epoch,
					   struct clv_err *err);

/* Moves what is in the write-ahead log to its place, as far as nobody is in the way, so that the
 * log's space serves again. */
void store_tidy(struct store *store);

/*
 * Cuts the write-ahead log off, so that nothing erased stands in it any more. Waits for readers as
 * for writers. Errors: CLV_E_DEADLINE_EXCEEDED one did not come to an end.
 */
CLV_MUST_USE clv_rc store_scrub(struct store *store, const struct clv_grant *grant,
				struct clv_err *err);

/*
 * Removes the copies that upgrades have put beside the file: they hold what was there then, also
 * what is erased now. There is no way back to an older schema afterwards.
 * Errors: CLV_E_UNAVAILABLE one cannot be removed.
 */
CLV_MUST_USE clv_rc store_copies_remove(struct store *store, const struct clv_grant *grant,
					struct clv_err *err);

/* ---- the seal: rows that nobody else can change unnoticed ---- */

#define STORE_HEAD_HASH_LEN 32

/* What the seal key of a location's token vouches for: all sealed rows of the location, and those
 * of no location where it is the first one. */
struct store_head {
	int64_t tree; /* row of the location */
	uint64_t epoch;
	uint8_t root[STORE_HEAD_HASH_LEN], previous[STORE_HEAD_HASH_LEN], mac[STORE_HEAD_HASH_LEN];
};

/* Who makes and checks heads. All are called by the thread that uses the store, inside its
 * transaction but for `sealed`. */
struct store_sealer {
	void *arg;
	/* Is this the head of the tree (NULL: there is none)? `began`: when the look at the
	 * catalogue began, CLOCK_MONOTONIC ns. *ret_sure: it need not be asked again. Errors:
	 * CLV_E_DATA_LOSS. */
	clv_rc (*accept)(void *arg, int64_t tree, const struct store_head *head, int64_t began,
			 bool *ret_sure, struct clv_err *err);
	/* Fills in epoch, previous and mac of the head that follows `before`; NULL: that follows
	 * what the token's anchors say. Errors: CLV_E_UNAVAILABLE. */
	clv_rc (*seal)(void *arg, const struct store_head *before, struct store_head *head,
		       struct clv_err *err);
	/* This head was committed. */
	void (*sealed)(void *arg, const struct store_head *head);
	/* Does the change of a document only take grants away? NULL: none does. */
	bool (*only_removes)(int kind, const char *before, const char *now);
};

/* Borrowed until the store is closed, or another is set. Without one sealed rows cannot change. */
void store_seal_set(struct store *store, const struct store_sealer *sealer);

/* Reads rows as they are from now on, or not any more: for a restoration. */
void store_seal_unchecked(struct store *store, bool unchecked);

CLV_MUST_USE clv_rc store_head_get(struct store *store, int64_t tree, bool *ret_found,
				   struct store_head *ret_head, struct clv_err *err);

/* Seals all rows of a tree as they are. */
CLV_MUST_USE clv_rc store_seal_tree(struct store *store, const struct clv_grant *grant,
				    int64_t tree, struct clv_err *err);

/* The same after it disabled every version of the location that was enabled. */
struct store_restoration {
	int64_t time;
	const char *principal, *reason;
};
CLV_MUST_USE clv_rc store_seal_restore(struct store *store, const struct clv_grant *grant,
				       int64_t tree, const struct store_restoration *how,
				       uint64_t *ret_disabled, struct clv_err *err);

/* Seals what was lowered while no token was there; how many such rows there are. */
CLV_MUST_USE clv_rc store_seal_fold(struct store *store, const struct clv_grant *grant,
				    int64_t tree, struct clv_err *err);
CLV_MUST_USE clv_rc store_unsealed_count(struct store *store, int64_t tree, uint64_t *ret_n,
					 struct clv_err *err);

/* Looks at every sealed row and every leaf. Errors: CLV_E_DATA_LOSS, naming the first row that is
 * not what was sealed. */
struct store_seal_report {
	uint64_t rows, trees;
};
CLV_MUST_USE clv_rc store_seal_verify(struct store *store, struct store_seal_report *ret_report,
				      struct clv_err *err);

/* What a location has. Not sealed. Errors: CLV_E_NOT_FOUND. */
struct store_counts {
	uint64_t key_rings, keys, versions_enabled, versions_disabled, versions_scheduled,
		versions_destroyed, token_pending;
};
CLV_MUST_USE clv_rc store_counts_get(struct store *store, const char *location,
				     struct store_counts *ret_counts, struct clv_err *err);

#endif
