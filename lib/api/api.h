/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the open home, its workers, its gate.
 *
 * Every verb goes the same way: find a worker, ask the gate, do the work, answer (which writes the
 * audit entry). The change lock of the home is held over a commit only, and intents and notes of
 * flags in a token do without it. Over token calls are held: the in-flight guard of a version, its
 * switch lock, and the lock that says an intent's process lives (all in inflight.h).
 */
#ifndef API_API_H
#define API_API_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdatomic.h>

#include <claviger/claviger.h>

#include "hsm/hsm.h"
#include "lib/api/inflight.h"
#include "lib/audit/audit.h"
#include "lib/base/auto.h"
#include "lib/base/bytes.h"
#include "lib/base/deadline.h"
#include "lib/base/grant.h"
#include "lib/base/thread.h"
#include "lib/store/store.h"

#define API_PATH_MAX 512

/* Names of files in a home. */
#define API_FILE_CATALOGUE "catalogue.db"
#define API_FILE_GATE "gate"
#define API_FILE_CHANGE_LOCK "change.lock"
#define API_DIR_AUDIT "audit"
#define API_DIR_RUN "run"

struct api_view;

/* What one thread needs for one call: a connection and a seat at the gate file. */
struct api_worker {
	struct clv_ctx *ctx;
	struct store *store;
	struct inflight_seat *seat;
	struct api_view *views[4]; /* use.c: last used; owned shares, or NULL */
	struct api_worker *next;   /* idle list */
};

struct api_token;
struct api_views;

struct clv_ctx {
	char home[API_PATH_MAX]; /* absolute */
	char run_dir[API_PATH_MAX];
	char principal[CLV_PRINCIPAL_MAX]; /* of this process */
	struct store_home info;
	unsigned deadline_ms, max_sessions;
	_Atomic unsigned forks; /* as of opening: after another the home must not be used */
	char apart[CLV_CACHE_LINE];
	_Atomic uint64_t requests; /* gate.c: what the next request number comes from */
	char apart_too[CLV_CACHE_LINE];
	struct audit *audit;
	struct inflight *inflight;

	struct {
		struct api_worker *_Atomic worker; /* idle; last used by a thread of this place */
		char apart[CLV_CACHE_LINE];
	} at_hand[CLV_THREAD_PLACES];
	pthread_mutex_t workers_lock;
	struct api_worker *idle_workers; /* the others */

	pthread_mutex_t tokens_lock; /* the list and its states, never held over a token call */
	pthread_cond_t token_opened;
	struct api_token *tokens;

	struct api_views *views; /* use.c: what was read of versions in use */
};

/* ---- ctx.c ---- */

/* A path in the home. Errors: CLV_E_INVALID_ARGUMENT too long. */
CLV_MUST_USE clv_rc api_path(const char *home, const char *name, char path[API_PATH_MAX],
			     struct clv_err *err);

/* Room for a page of a list: 1 <= n <= CLV_PAGE_MAX items, zeroed. Ended with clv_page_free(). */
CLV_MUST_USE clv_rc api_page_new(size_t n, size_t item, void **ret_page, struct clv_err *err);
CLV_DEFINE_AUTO(void, clv_page_free);

/* Owned by this call until api_worker_release(). */
CLV_MUST_USE clv_rc api_worker_acquire(struct clv_ctx *ctx, struct api_worker **ret_worker,
				       struct clv_err *err);
struct api_worker *api_worker_release(struct api_worker *worker);
CLV_DEFINE_AUTO(struct api_worker, api_worker_release);

/* "user:NAME" of the user this process runs as. */
void api_own_principal(char principal[CLV_PRINCIPAL_MAX]);

/*
 * The change lock of the home: one process and thread at a time commits. Uses of versions trust
 * nothing they remember from api_change_begin() on; api_change_end() makes them read anew.
 */
struct api_change {
	struct clv_ctx *ctx;
	int fd;
};
CLV_MUST_USE clv_rc api_change_begin(struct clv_ctx *ctx, struct api_change *ret_change,
				     struct clv_err *err);
void api_change_end(struct api_change *change); /* for scope-bound use; twice is fine */

/* ---- gate.c ---- */

struct gate_question {
	const char *permission; /* static, e.g. "cloudkms.keyRings.create" */
	const char *resource;   /* full name; borrowed until the grant is closed */
	const char *reason; /* the caller's, for the audit entry; may be NULL; borrowed likewise */
	bool change;        /* something stored changes: its audit entry is made durable */
};

/*
 * Asks the policy. On allow the caller owns *ret_grant; on deny the audit entry is written here.
 * Errors: CLV_E_PERMISSION_DENIED, with Cloud KMS's text, whether the resource exists or not.
 */
CLV_MUST_USE clv_rc gate_ask(struct clv_ctx *ctx, const struct clv_caller *who,
			     const struct gate_question *question, struct clv_grant **ret_grant,
			     struct clv_err *err);

/*
 * Writes the audit entry for what came of it and returns `rc`; a success that cannot be written
 * down becomes an error. `version` may be NULL. To be called exactly once for each grant, before
 * anything is handed out.
 */
CLV_MUST_USE clv_rc gate_answer(struct clv_ctx *ctx, const struct clv_grant *grant, clv_rc rc,
				const char *version, struct clv_err *err);

/* Writes a durable entry for something done under a system grant; `what` says what it was. */
CLV_MUST_USE clv_rc gate_note(struct clv_ctx *ctx, const struct clv_grant *grant,
			      const char *resource, const char *what, struct clv_err *err);
const char *gate_principal(const struct clv_grant *grant); /* borrowed from the grant */
struct clv_grant *gate_close(struct clv_grant *grant);
CLV_DEFINE_AUTO(struct clv_grant, gate_close);

/* ---- tokens.c ---- */

/*
 * The token that serves a location, opened when first needed; borrowed until clv_ctx_free(). What a
 * crash left on it is put right first.
 * Errors: those of hsm_open(); CLV_E_NOT_FOUND no such location; remembered for a moment, so that a
 * dead token does not cost each caller a time-out.
 */
CLV_MUST_USE clv_rc api_token_get(struct api_worker *worker, const char *location,
				  struct hsm **ret_hsm, struct clv_err *err);

/* The same if it is open already, else NULL: for what must not wait for a token. */
struct hsm *api_token_peek(struct clv_ctx *ctx, const char *location);

/* Hands a freshly opened token over; taken also on failure. */
CLV_MUST_USE clv_rc api_token_put(struct clv_ctx *ctx, const char *location, struct hsm *hsm,
				  struct clv_err *err);
void api_tokens_done(struct clv_ctx *ctx);

/* Where the PIN file and other names in a token's URI are found. */
void api_hsm_options(const struct clv_ctx *ctx, const char *uri, struct hsm_options *options);

/* ---- intent.c ---- */

/* A note of what is about to be made in a token, alive as long as this process is. */
struct api_intent {
	struct api_worker *worker;
	struct store_intent row;
	bool noted;
};
enum api_intent_kind {
	API_INTENT_LOCATION, /* a location's objects are about to be made */
	API_INTENT_VERSION,  /* a TOKEN-resident version is about to be made */
	API_INTENT_ERASE,    /* a TOKEN-resident version is about to be destroyed */
};

/* Notes the ids (n * 16 bytes) of objects about to be made in the token with this serial number. */
CLV_MUST_USE clv_rc api_intent_begin(struct api_worker *worker, const struct clv_grant *grant,
				     enum api_intent_kind kind, const char *location,
				     const char *serial, const void *ids, size_t ids_len,
				     struct api_intent *intent, struct clv_err *err);

/* The work came to an end. Where it went well the catalogue took the note away with its commit;
 * otherwise the note is now anybody's to recover. */
void api_intent_end(struct api_intent *intent);

/* Undoes what dead processes left on this token. */
CLV_MUST_USE clv_rc api_intents_recover(struct api_worker *worker, const char *location,
					const char *serial, struct hsm *hsm, struct clv_err *err);

/*
 * Ends the erasures of token objects that dead processes began, on all tokens. *ret_left counts
 * those that cannot be ended now; *err is then the last reason, also with CLV_OK.
 */
CLV_MUST_USE clv_rc api_erasures_recover(struct api_worker *worker, uint64_t *ret_left,
					 struct clv_err *err);

/* ---- make.c ---- */

/*
 * Makes the key material of a version of `key`, and all of its row but its number. TOKEN residency
 * notes an intent first. After the row was stored, or was not, comes api_version_settle().
 */
CLV_MUST_USE clv_rc api_version_make(struct api_worker *worker, const struct clv_grant *grant,
				     const struct clv_name *name, const struct clv_key *key,
				     struct store_version *version, struct api_intent *intent,
				     struct clv_err *err);

/* Lets go of the intent; when `rc` is a failure, what was made goes again if the token lets it. */
void api_version_settle(struct api_worker *worker, struct api_intent *intent,
			const struct clv_name *name, clv_rc rc);

/* ---- version.c ---- */

/* Makes the flags in the token of TOKEN-resident versions follow their states. */
CLV_MUST_USE clv_rc api_flags_recover(struct api_worker *worker, const char *location,
				      struct hsm *hsm, struct clv_err *err);

/* ---- use.c ---- */

CLV_MUST_USE clv_rc api_views_new(struct api_views **ret_views, struct clv_err *err);
struct api_views *api_views_free(struct api_views *views);

/* Gives back a share of a view. NULL is fine; returns NULL. */
struct api_view *api_view_unref(struct api_view *view);
CLV_DEFINE_AUTO(struct api_view, api_view_unref);

/* A version in use: enabled, and kept so until api_use_end(). Plain data and borrowed parts. */
struct api_use {
	struct api_worker *worker;
	struct api_view *view; /* shared */
	bool inside;
	int64_t row;     /* of the version that it is inside of */
	struct hsm *hsm; /* borrowed */
	struct hsm_keyref root, ring, version;
};

/* By key name (its primary) or version name. Errors: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION. */
CLV_MUST_USE clv_rc api_use_by_name(struct api_worker *worker, const struct clv_name *name,
				    struct api_use *use, struct clv_err *err);

/* By the uid in a ciphertext, which must be of the key `name`. Errors: as above, and
 * CLV_E_INVALID_ARGUMENT the uid is of another key, or of none. */
CLV_MUST_USE clv_rc api_use_by_uid(struct api_worker *worker, const struct clv_name *name,
				   const uint8_t uid[CLV_UID_LEN], struct api_use *use,
				   struct clv_err *err);
const char *api_use_version(const struct api_use *use); /* full name of the version */
const char *api_use_key(const struct api_use *use);     /* full name of its key */
const uint8_t *api_use_uid(const struct api_use *use);
void api_use_end(struct api_use *use); /* for scope-bound use; twice is fine */

#endif
