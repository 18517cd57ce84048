/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key rings, keys and versions: what callers see of them, and the calls that make, list and
 * switch them. `name` arguments are full resource names. `who` is the authenticated caller,
 * NULL for the user this process runs as. All calls may be used from several threads.
 *
 * Every call with well-formed arguments is decided by the policy and leaves an audit entry before
 * it answers. Errors that any of them can give:
 *   CLV_E_INVALID_ARGUMENT    a malformed name or id
 *   CLV_E_PERMISSION_DENIED   the policy says no (asked before existence is looked at)
 *   CLV_E_UNAVAILABLE         catalogue, audit log or token cannot be reached
 *   CLV_E_DEADLINE_EXCEEDED   something of the home or token did not come free in time
 */
#ifndef CLAVIGER_KEY_H
#define CLAVIGER_KEY_H

#include <stddef.h>
#include <stdint.h>

#include <claviger/ctx.h>
#include <claviger/name.h>
#include <claviger/time.h>

#define CLV_PRINCIPAL_MAX 256 /* bytes, with the final NUL */
#define CLV_REASON_MAX 256    /* bytes, with the final NUL */
#define CLV_UID_LEN 16        /* bytes of a version's random unique id */
#define CLV_PAGE_MAX 1000     /* most items in one page */

/* Numbers of these enums are Cloud KMS's proto numbers: they go on the wire and into the store. */
enum clv_purpose { CLV_PURPOSE_ENCRYPT_DECRYPT = 1 };
enum clv_algorithm { CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION = 1 };
enum clv_protection { CLV_PROTECTION_SOFTWARE = 1, CLV_PROTECTION_HSM = 2 };
enum clv_state {
	CLV_STATE_ENABLED = 1,
	CLV_STATE_DISABLED = 2,
	CLV_STATE_DESTROYED = 3,
	CLV_STATE_DESTROY_SCHEDULED = 4,
};

/* Where the key material lives: wrapped in the catalogue, or as an object of its own in the token.
 */
enum clv_residency { CLV_RESIDENCY_WRAPPED = 1, CLV_RESIDENCY_TOKEN = 2 };

/* Cloud KMS's names ("ENCRYPT_DECRYPT", "ENABLED" ...), static; "UNKNOWN" for a number out of
 * range. */
const char *clv_purpose_name(enum clv_purpose purpose);
const char *clv_algorithm_name(enum clv_algorithm algorithm);
const char *clv_protection_name(enum clv_protection protection);
const char *clv_state_name(enum clv_state state);

/* The state's name in NIST SP 800-57 part 1 revision 5, section 7: "active", "suspended" ... */
const char *clv_state_nist_name(enum clv_state state);
const char *clv_residency_name(enum clv_residency residency);

/* Plain data, no ownership. */
struct clv_key_ring {
	char name[CLV_NAME_MAX];
	int64_t create_time; /* ns since 1970 */
};

struct clv_key {
	char name[CLV_NAME_MAX];
	enum clv_purpose purpose;
	enum clv_algorithm algorithm;
	enum clv_protection protection; /* as asked; the material is in the token in any case */
	enum clv_residency residency;
	int64_t create_time;          /* ns since 1970 */
	uint64_t primary;             /* version number; 0: no primary */
	enum clv_state primary_state; /* meaningful when primary != 0 */
	int64_t destroy_delay;        /* ns from the order to destroy a version to its execution */
};

struct clv_version {
	char name[CLV_NAME_MAX];
	uint64_t number; /* from 1, never reused */
	enum clv_state state;
	enum clv_algorithm algorithm;
	enum clv_protection protection;
	enum clv_residency residency;
	uint8_t uid[CLV_UID_LEN];                /* names the version in ciphertexts */
	int64_t create_time;                     /* ns since 1970 */
	int64_t generate_time;                   /* ns since 1970 */
	int64_t state_time;                      /* ns since 1970: when the present state began */
	char state_principal[CLV_PRINCIPAL_MAX]; /* who put it there */
	char state_reason[CLV_REASON_MAX];       /* why, may be empty */
	int64_t destroy_time;       /* ns since 1970: when it is due; 0: not scheduled */
	int64_t destroy_event_time; /* ns since 1970: when it was destroyed; 0: it was not */
};

/*
 * Makes an empty key ring and its ring KEK in the location's token.
 * Errors: CLV_E_NOT_FOUND no such location; CLV_E_ALREADY_EXISTS.
 */
CLV_MUST_USE clv_rc clv_key_ring_create(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, struct clv_key_ring *ret_ring,
					struct clv_err *err);

/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc clv_key_ring_get(struct clv_ctx *ctx, const struct clv_caller *who,
				     const char *name, struct clv_key_ring *ret_ring,
				     struct clv_err *err);

/*
 * One page of a location's key rings, in order of their ids, starting behind the id `after`
 * (NULL: from the first). At most `limit` items, 1 <= limit <= CLV_PAGE_MAX; *ret_n < limit means
 * that there are no more. *ret_rings is owned by the caller, who ends it with clv_page_free(); it
 * is NULL when *ret_n is 0.
 */
CLV_MUST_USE clv_rc clv_key_ring_list(struct clv_ctx *ctx, const struct clv_caller *who,
				      const char *location_name, const char *after, size_t limit,
				      struct clv_key_ring **ret_rings, size_t *ret_n,
				      struct clv_err *err);

/* How a key is to be made. */
struct clv_key_options {
	enum clv_purpose purpose;
	enum clv_protection protection; /* 0: CLV_PROTECTION_SOFTWARE, as gcloud asks by default */
	enum clv_residency residency;   /* 0: CLV_RESIDENCY_WRAPPED */
	int64_t destroy_delay;          /* ns, 24 hours to 120 days; 0: 30 days */
};

#define CLV_DESTROY_DELAY_MIN (24 * 3600 * CLV_NS_PER_S)
#define CLV_DESTROY_DELAY_MAX (120 * 24 * 3600 * CLV_NS_PER_S)
#define CLV_DESTROY_DELAY_DEFAULT (30 * 24 * 3600 * CLV_NS_PER_S)

/*
 * Makes a key with version 1, ENABLED and primary. The key material is generated in the token,
 * wrapped, unwrapped again and tried before anything is stored.
 * Errors: CLV_E_NOT_FOUND no such key ring; CLV_E_ALREADY_EXISTS.
 */
CLV_MUST_USE clv_rc clv_key_create(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *name, const struct clv_key_options *options,
				   struct clv_key *ret_key, struct clv_err *err);

/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc clv_key_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
				struct clv_key *ret_key, struct clv_err *err);

/* One page of a key ring's keys: as clv_key_ring_list(). */
CLV_MUST_USE clv_rc clv_key_list(struct clv_ctx *ctx, const struct clv_caller *who,
				 const char *ring_name, const char *after, size_t limit,
				 struct clv_key **ret_keys, size_t *ret_n, struct clv_err *err);

/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc clv_version_get(struct clv_ctx *ctx, const struct clv_caller *who,
				    const char *name, struct clv_version *ret_version,
				    struct clv_err *err);

/* One page of a key's versions in numeric order, behind number `after` (0: from the first):
 * otherwise as clv_key_ring_list(). */
CLV_MUST_USE clv_rc clv_version_list(struct clv_ctx *ctx, const struct clv_caller *who,
				     const char *key_name, uint64_t after, size_t limit,
				     struct clv_version **ret_versions, size_t *ret_n,
				     struct clv_err *err);

/* What a change of state waited for. Plain data. */
struct clv_switch_report {
	struct clv_version version; /* as it is now */
	bool changed;               /* false: it was in that state before */
	int64_t waited_ns;          /* for uses that had begun before the change */
	unsigned holders;           /* processes that were inside when the wait began */
	bool token_pending; /* TOKEN residency: the token's own flags follow when it is back */
	char token_pending_why[160];
};

/*
 * Disables a version. Once this returns CLV_OK no operation with it can start or hand out a
 * result, in any process of the home. Needs no token. `reason` may be NULL.
 * Errors: CLV_E_NOT_FOUND; CLV_E_DEADLINE_EXCEEDED the version is disabled for all new uses, but a
 * process named in the text is still inside an earlier one (call again to wait on);
 * CLV_E_UNAVAILABLE nothing was changed.
 */
CLV_MUST_USE clv_rc clv_version_disable(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, const char *reason,
					struct clv_switch_report *ret_report, struct clv_err *err);

/* Enables a version again; running processes can use it at once. `reason` may be NULL.
 * Errors: CLV_E_NOT_FOUND; CLV_E_UNAVAILABLE a TOKEN-resident version needs its token for this. */
CLV_MUST_USE clv_rc clv_version_enable(struct clv_ctx *ctx, const struct clv_caller *who,
				       const char *name, const char *reason,
				       struct clv_switch_report *ret_report, struct clv_err *err);

/*
 * Makes the key's next version, ENABLED; it does not become the primary. Numbers grow by one and
 * are never used again. Errors: CLV_E_NOT_FOUND.
 */
CLV_MUST_USE clv_rc clv_version_create(struct clv_ctx *ctx, const struct clv_caller *who,
				       const char *key_name, struct clv_version *ret_version,
				       struct clv_err *err);

/*
 * Makes an ENABLED version the key's primary: what is encrypted from now on is encrypted with it.
 * Errors: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION it is not enabled.
 */
CLV_MUST_USE clv_rc clv_key_set_primary(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *key_name, uint64_t number,
					struct clv_key *ret_key, struct clv_err *err);

/*
 * Orders the end of a version: it is DESTROY_SCHEDULED at once, and unusable as after
 * clv_version_disable(); its key material goes when the key's delay is over and clv_maintain()
 * comes by. Needs no token. Errors: as clv_version_disable(); CLV_E_FAILED_PRECONDITION it is
 * neither enabled nor disabled.
 */
CLV_MUST_USE clv_rc clv_version_destroy(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, const char *reason,
					struct clv_switch_report *ret_report, struct clv_err *err);

/* Takes the order back: the version is DISABLED. Errors: CLV_E_NOT_FOUND;
 * CLV_E_FAILED_PRECONDITION it is not DESTROY_SCHEDULED. */
CLV_MUST_USE clv_rc clv_version_restore(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, const char *reason,
					struct clv_switch_report *ret_report, struct clv_err *err);

/* What clv_maintain() did. Plain data. */
struct clv_maintain_report {
	uint64_t destroyed; /* versions whose key material is gone now */
	uint64_t left;      /* versions that are due and could not be destroyed; 1 more when what
			       was destroyed may still stand in the log of the catalogue */
	char why[160];      /* the last reason for one that was left */
};

/*
 * Does what is due: destroys versions whose time has come. Each is done exactly once, however many
 * processes call this at the same time. Copies of the catalogue from before an upgrade are removed
 * with the first that is destroyed, as they still hold it. What cannot be done now (a token is
 * away, somebody reads the log of the catalogue) is left for the next call and counted. Errors:
 * only what keeps it from looking.
 */
CLV_MUST_USE clv_rc clv_maintain(struct clv_ctx *ctx, const struct clv_caller *who,
				 struct clv_maintain_report *ret_report, struct clv_err *err);

/* Ends a page of any of the lists above. NULL is fine. Returns NULL. */
void *clv_page_free(void *page);

#endif
