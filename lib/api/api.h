/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the open home, its workers, its gate.
 *
 * Every verb goes the same way: find a worker, ask the gate, do the work, answer (which writes the
 * audit entry). The change lock of the home is held over a commit and its seal only, and intents
 * and notes of flags in a token do without it. Over token calls are held: the in-flight guard of a
 * version, its switch lock, and the lock that says an intent's process lives (all in inflight.h).
 */
#ifndef API_API_H
#define API_API_H

#include <pthread.h>
#include <stdatomic.h>

#include <claviger/claviger.h>

#include "hsm/hsm.h"
#include "lib/api/inflight.h"
#include "lib/audit/audit.h"
#include "lib/base/auto.h"
#include "lib/base/bytes.h"
#include "lib/base/deadline.h"
#include "lib/base/grant.h"
#include "lib/base/room.h"
#include "lib/base/thread.h"
#include "lib/policy/policy.h"
#include "lib/store/store.h"

#define API_PATH_MAX 512

/* Names of files in a home. */
#define API_FILE_CATALOGUE "catalogue.db"
#define API_FILE_GATE "gate"
#define API_FILE_CHANGE_LOCK "change.lock"
#define API_FILE_RESERVE "reserve"
#define API_DIR_AUDIT "audit"
#define API_DIR_RUN "run"

struct api_view;

/* Encryptions that a worker may still do with a version without asking others. */
struct api_share {
	int64_t row; /* of the version; 0: of none */
	uint64_t left;
};

/* What one thread needs for one call: a connection and a seat at the gate file. */
struct api_worker {
	struct clv_ctx *ctx;
	struct store *store;
	struct inflight_seat *seat;
	struct api_view *views[4];  /* use.c: last used; owned shares, or NULL */
	struct api_share shares[4]; /* counts.c: of versions last used */
	struct api_worker *next;    /* idle list */
};

struct api_judge;
struct api_policy;
struct api_token;
struct api_views;
struct api_counts;
struct api_seal;

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
	struct api_policy *policy;
	struct inflight *inflight;
	struct api_seal *seal; /* seal.c */
	bool opened;           /* all of the above is there */

	struct {
		struct api_worker *_Atomic worker;   /* idle; last used by a thread of this place */
		struct api_judge *_Atomic judges[2]; /* likewise */
		char apart[CLV_CACHE_LINE];
	} at_hand[CLV_THREAD_PLACES];
	pthread_mutex_t workers_lock;
	struct api_worker *idle_workers; /* the others */

	pthread_mutex_t tokens_lock; /* the list and its states, never held over a token call */
	pthread_cond_t token_opened;
	struct api_token *tokens;

	struct api_views *views;   /* use.c: what was read of versions in use */
	struct api_counts *counts; /* counts.c: what they may still do */
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

/* The full name of the home's own project. Returns `project`. */
const char *api_own_project(const struct clv_ctx *ctx, char project[CLV_NAME_MAX]);

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

/* ---- seal.c ---- */

CLV_MUST_USE clv_rc api_seal_new(struct clv_ctx *ctx, struct clv_err *err);
struct api_seal *api_seal_free(struct api_seal *seal);

/* How many tokens were opened so far: with each, more can be told of what the catalogue says. */
uint64_t api_seal_openings(const struct clv_ctx *ctx);

/* For store_seal_set(); lives as long as the context. */
const struct store_sealer *api_sealer(const struct clv_ctx *ctx);

/*
 * A location's token is opened: holds the catalogue's head against its anchors, finishes what a
 * crash left between them, and seals what could not be sealed before. Errors: CLV_E_DATA_LOSS the
 * catalogue is not the newest, or its head was not made by this token.
 */
CLV_MUST_USE clv_rc api_seal_open(struct api_worker *worker, const struct store_location *location,
				  const struct store_token *token, struct hsm *hsm,
				  struct clv_err *err);

/* What api_seal_open() or api_seal_restore() was given is about to be closed again. */
void api_seal_close(struct clv_ctx *ctx, const struct store_location *location,
		    const struct store_token *token);

/* api_change_begin() for what does not only end use: opens the token of the location first, or of
 * the home's first one (NULL), which seals what belongs to no location. */
CLV_MUST_USE clv_rc api_change_begin_sealed(struct api_worker *worker, const char *location,
					    struct api_change *ret_change, struct clv_err *err);

/* The same, for a change of what belongs to no location, where it shows later whether it only ends
 * use: opens the token if that can be had. */
void api_seal_prepare(struct api_worker *worker);

/* After a change that only ended use: seals it if the token can be had. */
void api_seal_follow(struct api_worker *worker, const char *location);

/* Before a change is answered: have the anchors followed? Errors: CLV_E_UNAVAILABLE. */
CLV_MUST_USE clv_rc api_seal_settle(struct clv_ctx *ctx, struct clv_err *err);

/* Seals a location as it is, with its enabled versions disabled; `how` NULL: only says what would
 * be rolled back. api_seal_close() follows. */
CLV_MUST_USE clv_rc api_seal_restore(struct api_worker *worker,
				     const struct store_location *location,
				     const struct store_token *token, struct hsm *hsm,
				     const struct clv_grant *grant,
				     const struct store_restoration *how,
				     struct clv_restoration *ret_restoration, struct clv_err *err);

/* ---- reserve.c ---- */

#define API_RESERVE_BYTES (4 << 20) /* when full */

/* What the reserve of a home holds, in bytes. */
uint64_t api_reserve_held(const char *home);

/* Makes it, or fills it up, as far as there is room. What goes wrong shows in what it holds. */
void api_reserve_fill(const char *home);

/* What is drawn from the reserve; start it zeroed. No other loan of the home is given until it
 * ends, in the thread that drew: not to be held over a wait for those inside, or a call into a
 * token. */
struct api_loan {
	struct clv_room room; /* on offer to this thread while held */
	int fd;
	bool held;
};

/*
 * The first call puts the reserve on offer: what this thread writes to the catalogue and the log
 * finds room at the moment that it needs some. Each further call frees a step on the file system,
 * for what cannot ask. False: there is nothing left.
 */
bool api_loan_draw(const struct clv_ctx *ctx, struct api_loan *loan);
void api_loan_end(struct api_loan *loan); /* for scope-bound use; fills what was not used */

/* ---- policy.c ---- */

/* The home's documents, compiled. */
CLV_MUST_USE clv_rc api_policy_new(struct clv_ctx *ctx, struct store *store,
				   struct api_policy **ret_policy, struct clv_err *err);
struct api_policy *api_policy_free(struct api_policy *policy);

/* Documents that are not the home's yet, as policy_compile(). */
CLV_MUST_USE clv_rc api_policy_compile(const struct clv_ctx *ctx,
				       const struct store_documents *documents,
				       struct policy **ret_policy, struct clv_err *err);

/*
 * One who decides by what the documents say now, and remembers. The caller's alone until it is
 * released: no lock is taken as long as nothing in the home has changed.
 * Errors: those of reading the catalogue.
 */
CLV_MUST_USE clv_rc api_judge_acquire(struct clv_ctx *ctx, struct api_judge **ret_judge,
				      struct clv_err *err);
struct api_judge *api_judge_release(struct api_judge *judge);
CLV_DEFINE_AUTO(struct api_judge, api_judge_release);
void api_judges_done(struct clv_ctx *ctx); /* all that are at hand */

/* False: documents may have changed since. Then it can be told to read them anew. */
bool api_judge_is_current(const struct api_judge *judge);
CLV_MUST_USE clv_rc api_judge_refresh(struct api_judge *judge, struct store *store,
				      struct clv_err *err);

/* Errors: CLV_E_DATA_LOSS a document cannot be read, and the judge knows of no documents at all. */
CLV_MUST_USE clv_rc api_judge_check(const struct api_judge *judge, struct clv_err *err);
const struct policy *api_judge_policy(const struct api_judge *judge); /* borrowed from it */

#define API_PROTECTION_FIRST CLV_PROTECTION_SOFTWARE
#define API_PROTECTIONS 2 /* SOFTWARE, HSM */

/* A decision, and what it comes to once the key's protection level is known, if it is ENABLED. */
struct api_decision {
	struct policy_verdict verdict;
	struct policy_verdict with[API_PROTECTIONS];
};
/* Borrowed until the judge decides again or is released. ask->name need not be filled in. */
const struct api_decision *api_judge_decide(struct api_judge *judge, const struct policy_ask *ask);

/* Does the principal of `ask` hold another permission, whatever constraints say? */
bool api_judge_holds(const struct api_judge *judge, const struct policy_ask *ask,
		     const char *permission);

/* ---- gate.c ---- */

struct gate_question {
	const char *permission; /* static, e.g. "cloudkms.keyRings.create" */
	const char *resource;   /* full name; borrowed until the grant is closed */
	const char *reason; /* the caller's, for the audit entry; may be NULL; borrowed likewise */
	bool change;        /* something stored changes: its audit entry is made durable */
	bool lowering; /* a change that ends use, and so may use up what is kept for a full disk */
	bool repair;   /* of the policy: open to the owner when a document of it cannot be read */
	/* Of what is to be made: the policy may have a say in it. 0: it has none. */
	enum clv_protection protection;
	int64_t destroy_delay; /* ns */
};

/*
 * Asks the policy. On allow the caller owns *ret_grant; on deny the audit entry is written here.
 * `who` NULL is the process's own principal; another one, or a place, is for the home's owner only.
 * Errors: CLV_E_PERMISSION_DENIED, with Cloud KMS's text, whether the resource exists or not, or
 * naming the constraint on callers; CLV_E_FAILED_PRECONDITION naming the constraint on what is
 * made; CLV_E_DATA_LOSS the policy cannot be read; CLV_E_RESOURCE_EXHAUSTED there is no room for
 * the entry of a change that is not a lowering one.
 */
CLV_MUST_USE clv_rc gate_ask(struct clv_ctx *ctx, const struct clv_caller *who,
			     const struct gate_question *question, struct clv_grant **ret_grant,
			     struct clv_err *err);

/*
 * What the policy says once more is known of the key than its name. Asks anew, and all of it, when
 * the policy may have changed since gate_ask(): what was taken away in between is gone. A refusal's
 * rule is what gate_answer() writes. Errors: as gate_ask().
 */
CLV_MUST_USE clv_rc gate_check(struct api_worker *worker, const struct clv_grant *grant,
			       const struct policy_facts *facts, struct clv_err *err);

/* The same for what nothing more is known of: under the change lock, so that what waited for it is
 * not made after its author's grant was taken away. Errors: as gate_ask(). */
CLV_MUST_USE clv_rc gate_check_again(struct api_worker *worker, const struct clv_grant *grant,
				     struct clv_err *err);

/* Would a constraint refuse this, whoever asks for it? For what is made as part of something else
 * that was granted, such as a rotation. Errors: as gate_ask(). */
CLV_MUST_USE clv_rc gate_check_made(struct api_worker *worker, const struct clv_grant *grant,
				    const struct gate_question *question, struct clv_err *err);

/* The policy as it is now, borrowed until the grant is closed or asked about again; not `readable`:
 * it is one without documents. Errors: as gate_ask(): what was granted may not be any more. */
CLV_MUST_USE clv_rc gate_policy(struct api_worker *worker, const struct clv_grant *grant,
				const struct policy **ret_policy, bool *ret_readable,
				struct clv_err *err);

/* What was asked as a lowering change turned out to be none: is there room for its entry? Errors:
 * CLV_E_RESOURCE_EXHAUSTED. */
CLV_MUST_USE clv_rc gate_raises(struct clv_ctx *ctx, const struct clv_grant *grant,
				struct clv_err *err);

/* Which of the permissions the caller holds on a resource, as clv_iam_test(): an entry, no grant.
 */
CLV_MUST_USE clv_rc gate_test(struct clv_ctx *ctx, const struct clv_caller *who,
			      const char *resource, const char *const *permissions, size_t n,
			      bool *ret_held, struct clv_err *err);

/* The shortest delay before a destruction that the policy asks for in a project, ns; 0: none. */
int64_t gate_destroy_delay_min(const struct clv_grant *grant, const char *project);

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

/* ---- document.c ---- */

/* What is to become of one document. */
struct api_document_change {
	const struct clv_grant *grant;
	int kind; /* enum policy_kind */
	const char *name;
	const char *text; /* as stored; NULL: it is to be taken away */
	int64_t etag;     /* of policy_etag_parse() */
	enum clv_document_mode mode;
};
/* Errors: CLV_E_ABORTED the etag is of another state; CLV_E_ALREADY_EXISTS, CLV_E_NOT_FOUND;
 * CLV_E_INVALID_ARGUMENT, CLV_E_FAILED_PRECONDITION the policy does not take it. */
CLV_MUST_USE clv_rc api_document_change(struct api_worker *worker,
					const struct api_document_change *change,
					int64_t *ret_row_version, struct clv_err *err);

/* Appends it with its etag. Errors: CLV_E_NOT_FOUND, but for kinds that are always there. */
CLV_MUST_USE clv_rc api_document_text(struct api_worker *worker, int kind, const char *name,
				      struct clv_buf *ret_text, struct clv_err *err);

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
 * Where key->residency is 0, says where versions of this new key are going to live: wrapped in the
 * catalogue if the token can wrap keys of its algorithm, else in the token.
 * Errors: CLV_E_NOT_FOUND no such key ring; CLV_E_UNIMPLEMENTED the token can do neither.
 */
CLV_MUST_USE clv_rc api_residency_choose(struct api_worker *worker, const struct clv_name *name,
					 struct clv_key *key, struct clv_err *err);

/*
 * Makes the key material of a version of `key`, and all of its row but its number. TOKEN residency
 * notes an intent first. After the row was stored, or was not, comes api_version_settle().
 */
CLV_MUST_USE clv_rc api_version_make(struct api_worker *worker, const struct clv_grant *grant,
				     const struct clv_name *name, const struct clv_key *key,
				     struct store_version *version, struct api_intent *intent,
				     struct clv_err *err);

/* What wraps the versions of a ring, and what that is wrapped by. Borrows from the ring; do not
 * copy it: the KEK points to the root. */
struct api_parents {
	struct hsm_keyref root, kek;
};
void api_parents_of(const struct store_ring *ring, struct api_parents *ret_parents);

/* Lets go of the intent; when `rc` is a failure, what was made goes again if the token lets it. */
void api_version_settle(struct api_worker *worker, struct api_intent *intent,
			const struct clv_name *name, clv_rc rc);

/* ---- maintain.c ---- */

/* One round of what is due. */
struct api_upkeep {
	const struct clv_caller *who;
	const struct clv_grant *grant;
	struct api_worker *worker;
	int64_t now;      /* one time for the whole round */
	bool copies_gone; /* of the catalogue, from before an upgrade */
	struct clv_maintain_report report;
};

/* An audit entry that names what was done; it is the order to maintain that was asked of the
 * policy. Returns `rc`, or as gate_ask() and gate_answer(). */
CLV_MUST_USE clv_rc api_upkeep_note(struct api_upkeep *up, const char *resource, const char *reason,
				    const char *version, clv_rc rc, struct clv_err *err);

/*
 * Copies of before an upgrade would keep the material of what is erased now. They go first: if this
 * process dies in between, nothing is erased that still lies somewhere. False: they did not go, and
 * the `n_due` things that are due are noted as left.
 */
bool api_upkeep_remove_copies(struct api_upkeep *up, size_t n_due);

/* `n` things have to wait for the next round; *err says why. */
void api_upkeep_left(struct api_upkeep *up, uint64_t n, const struct clv_err *err);

/* ---- import_job.c ---- */

/* Erases the private halves of import jobs whose time is over, each once. Errors: only what keeps
 * it from looking. */
CLV_MUST_USE clv_rc api_import_jobs_expire(struct api_upkeep *up, struct clv_err *err);

/* ---- rotate.c ---- */

/* Gives keys a new primary version that are due. Errors: only what keeps it from looking. */
CLV_MUST_USE clv_rc api_rotate_due(struct api_upkeep *up, struct clv_err *err);

/* ---- version.c ---- */

/* Makes the flags in the token of TOKEN-resident versions follow their states. */
CLV_MUST_USE clv_rc api_flags_recover(struct api_worker *worker, const char *location,
				      struct hsm *hsm, struct clv_err *err);

/* ---- use.c ---- */

/* Eight bytes at a time. Spreads, and protects against nothing: a clash only costs a second look.
 */
uint64_t api_mix(uint64_t hash, const void *bytes, size_t len);

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

/* What a version is used for. A key of another purpose is refused with CLV_E_FAILED_PRECONDITION.
 */
struct api_operation {
	const char *name; /* Cloud KMS's: "macSign" */
	enum clv_purpose purposes[2];
	bool without_token; /* what is in the catalogue will do: use.hsm stays NULL */
};

/* By version name, or by key name (its primary). Errors: CLV_E_NOT_FOUND;
 * CLV_E_FAILED_PRECONDITION. */
CLV_MUST_USE clv_rc api_use_for(struct api_worker *worker, const struct clv_grant *grant,
				const struct api_operation *operation, const struct clv_name *name,
				struct api_use *use, struct clv_err *err);

/* The same for encrypting with a key of purpose ENCRYPT_DECRYPT. */
CLV_MUST_USE clv_rc api_use_by_name(struct api_worker *worker, const struct clv_grant *grant,
				    const struct clv_name *name, struct api_use *use,
				    struct clv_err *err);

/* By the uid in a ciphertext, which must be of the key `name`, for decrypting. Errors: as above,
 * and CLV_E_INVALID_ARGUMENT the uid is of another key, or of none. */
CLV_MUST_USE clv_rc api_use_by_uid(struct api_worker *worker, const struct clv_grant *grant,
				   const struct clv_name *name, const uint8_t uid[CLV_UID_LEN],
				   struct api_use *use, struct clv_err *err);

/* For a ciphertext that names no version: never CLV_OK. Errors: CLV_E_NOT_FOUND no such key;
 * CLV_E_FAILED_PRECONDITION it does not decrypt; CLV_E_INVALID_ARGUMENT otherwise. */
CLV_MUST_USE clv_rc api_use_none(struct api_worker *worker, const struct clv_name *key_name,
				 struct clv_err *err);
const char *api_use_version(const struct api_use *use); /* full name of the version */
/* The same, for the audit entry; NULL: it did not come to that. */
const char *api_use_version_inside(const struct api_use *use);
const char *api_use_key(const struct api_use *use); /* full name of its key */
const uint8_t *api_use_uid(const struct api_use *use);
const struct store_version *api_use_row(const struct api_use *use); /* borrowed from the use */

/* Tells of a use that gave `out`. `ret_used` may be NULL. */
void api_use_tell(const struct api_use *use, struct clv_bytes out, struct clv_used *ret_used);
void api_use_end(struct api_use *use); /* for scope-bound use; twice is fine */

/* ---- call.c ---- */

/* Errors: CLV_E_INVALID_ARGUMENT the checksum of `field` is not that of its bytes. */
CLV_MUST_USE clv_rc api_check_crc32c(const char *field, const struct clv_input *input,
				     struct clv_err *err);

/* A field of a request: Cloud KMS's name for it, ours in errors, its limit. */
struct api_field {
	const char *name, *what;
	size_t most; /* bytes */
};
/* Its length and its checksum. */
CLV_MUST_USE clv_rc api_check_input(const struct api_field *field, const struct clv_input *input,
				    struct clv_err *err);

/* One use of a version, from the question to the answer. Starts zeroed, ends with api_call_end(),
 * when the result was handed out: a disable waits for that. */
struct api_call {
	struct clv_ctx *ctx;
	struct clv_name name;
	struct clv_grant *grant;   /* owned */
	struct api_worker *worker; /* owned */
	struct api_use use;
};

/* Takes the name of a version, and asks the gate. */
CLV_MUST_USE clv_rc api_call_ask(struct api_call *call, struct clv_ctx *ctx,
				 const struct clv_caller *who, const char *permission,
				 const char *name, struct clv_err *err);
/* Finds a worker and goes inside. Errors: as api_use_for(). */
CLV_MUST_USE clv_rc api_call_enter(struct api_call *call, const struct api_operation *operation,
				   struct clv_err *err);
/* As gate_answer(). */
CLV_MUST_USE clv_rc api_call_answer(struct api_call *call, clv_rc rc, struct clv_err *err);
void api_call_end(struct api_call *call); /* for scope-bound use */

/* ---- crypt.c ---- */

struct clv_bytes api_view_of(const struct clv_secret *secret); /* borrowed from the secret */

/* What protection level HSM has less of. Errors: CLV_E_INVALID_ARGUMENT with limit and size. */
CLV_MUST_USE clv_rc api_check_together(const struct api_use *use, size_t plaintext_len,
				       size_t aad_len, struct clv_err *err);

/* Errors: CLV_E_INVALID_ARGUMENT, naming `what` and the limit. */
CLV_MUST_USE clv_rc api_check_length(const char *what, size_t len, size_t most,
				     struct clv_err *err);

/* The name of a key, or of one of its versions where that will do. */
CLV_MUST_USE clv_rc api_check_key_name(const char *text, bool version_too,
				       struct clv_name *ret_name, struct clv_err *err);

/* Appends the CLV1 of `plaintext` under the version in use. */
CLV_MUST_USE clv_rc api_seal(struct api_use *use, const struct clv_grant *grant,
			     struct clv_bytes plaintext, struct clv_bytes aad, struct clv_buf *out,
			     struct clv_err *err);

/* Goes inside the version that a CLV1 of the key `name` says, and opens it. The caller ends `use`,
 * and owns *ret_plaintext. */
CLV_MUST_USE clv_rc api_open(struct api_worker *worker, const struct clv_grant *grant,
			     const struct clv_name *name, struct clv_bytes ciphertext,
			     struct clv_bytes aad, struct api_use *use,
			     struct clv_secret **ret_plaintext, struct clv_err *err);

/* ---- counts.c ---- */

/*
 * How much of what it may do a version has left, for this process. Reserved in blocks, small ones
 * first, so that a process that does one operation does not use up thousands; the rest of a block
 * is lost with the process, and counts as used. Workers take shares of it, so that threads seldom
 * meet here.
 */
CLV_MUST_USE clv_rc api_counts_new(struct api_counts **ret_counts, struct clv_err *err);
struct api_counts *api_counts_free(struct api_counts *counts);

/*
 * Counts one operation that draws a random IV, before it is done. Errors:
 * CLV_E_FAILED_PRECONDITION the version has done all that is safe with random IVs.
 */
CLV_MUST_USE clv_rc api_count_use(struct api_use *use, const struct clv_grant *grant,
				  struct clv_err *err);

#endif
