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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/ctx.h>
#include <claviger/name.h>
#include <claviger/time.h>

#define CLV_PRINCIPAL_MAX 256 /* bytes, with the final NUL */
#define CLV_REASON_MAX 256    /* bytes, with the final NUL */
#define CLV_UID_LEN 16        /* bytes of a version's random unique id */
#define CLV_PAGE_MAX 1000     /* most items in one page */
#define CLV_LABELS_MAX 8193   /* bytes of all labels of a key, with the final NUL */

/*
 * Numbers of these enums are Cloud KMS's proto numbers: they go on the wire and into the store.
 * Where a number is missing, that thing is not offered.
 */
#define CLV_PURPOSE_LIST(X)                                                                        \
	X(ENCRYPT_DECRYPT, 1)                                                                      \
	X(ASYMMETRIC_SIGN, 5)                                                                      \
	X(ASYMMETRIC_DECRYPT, 6)                                                                   \
	X(RAW_ENCRYPT_DECRYPT, 7)                                                                  \
	X(MAC, 9)

#define CLV_ALGORITHM_LIST(X)                                                                      \
	X(GOOGLE_SYMMETRIC_ENCRYPTION, 1)                                                          \
	X(RSA_SIGN_PSS_2048_SHA256, 2)                                                             \
	X(RSA_SIGN_PSS_3072_SHA256, 3)                                                             \
	X(RSA_SIGN_PSS_4096_SHA256, 4)                                                             \
	X(RSA_SIGN_PKCS1_2048_SHA256, 5)                                                           \
	X(RSA_SIGN_PKCS1_3072_SHA256, 6)                                                           \
	X(RSA_SIGN_PKCS1_4096_SHA256, 7)                                                           \
	X(RSA_DECRYPT_OAEP_2048_SHA256, 8)                                                         \
	X(RSA_DECRYPT_OAEP_3072_SHA256, 9)                                                         \
	X(RSA_DECRYPT_OAEP_4096_SHA256, 10)                                                        \
	X(EC_SIGN_P256_SHA256, 12)                                                                 \
	X(EC_SIGN_P384_SHA384, 13)                                                                 \
	X(RSA_SIGN_PSS_4096_SHA512, 15)                                                            \
	X(RSA_SIGN_PKCS1_4096_SHA512, 16)                                                          \
	X(RSA_DECRYPT_OAEP_4096_SHA512, 17)                                                        \
	X(AES_256_GCM, 19)                                                                         \
	X(RSA_SIGN_RAW_PKCS1_2048, 28)                                                             \
	X(RSA_SIGN_RAW_PKCS1_3072, 29)                                                             \
	X(RSA_SIGN_RAW_PKCS1_4096, 30)                                                             \
	X(HMAC_SHA256, 32)                                                                         \
	X(HMAC_SHA1, 33)                                                                           \
	X(HMAC_SHA384, 34)                                                                         \
	X(HMAC_SHA512, 35)                                                                         \
	X(HMAC_SHA224, 36)                                                                         \
	X(RSA_DECRYPT_OAEP_2048_SHA1, 37)                                                          \
	X(RSA_DECRYPT_OAEP_3072_SHA1, 38)                                                          \
	X(RSA_DECRYPT_OAEP_4096_SHA1, 39)                                                          \
	X(EC_SIGN_ED25519, 40)                                                                     \
	X(AES_128_GCM, 41)                                                                         \
	X(AES_128_CBC, 42)                                                                         \
	X(AES_256_CBC, 43)                                                                         \
	X(AES_128_CTR, 44)                                                                         \
	X(AES_256_CTR, 45)

#define CLV_STATE_LIST(X)                                                                          \
	X(ENABLED, 1)                                                                              \
	X(DISABLED, 2)                                                                             \
	X(DESTROYED, 3)                                                                            \
	X(DESTROY_SCHEDULED, 4)                                                                    \
	X(PENDING_GENERATION, 5)                                                                   \
	X(PENDING_IMPORT, 6)                                                                       \
	X(IMPORT_FAILED, 7)                                                                        \
	X(GENERATION_FAILED, 8)

#define CLV_KEY_ENUM_PURPOSE(name, number) CLV_PURPOSE_##name = (number),
enum clv_purpose { CLV_PURPOSE_LIST(CLV_KEY_ENUM_PURPOSE) };
#undef CLV_KEY_ENUM_PURPOSE
#define CLV_KEY_ENUM_ALGORITHM(name, number) CLV_ALG_##name = (number),
enum clv_algorithm { CLV_ALGORITHM_LIST(CLV_KEY_ENUM_ALGORITHM) };
#undef CLV_KEY_ENUM_ALGORITHM
#define CLV_KEY_ENUM_STATE(name, number) CLV_STATE_##name = (number),
enum clv_state { CLV_STATE_LIST(CLV_KEY_ENUM_STATE) };
#undef CLV_KEY_ENUM_STATE
enum clv_protection { CLV_PROTECTION_SOFTWARE = 1, CLV_PROTECTION_HSM = 2 };

/* Hash functions that algorithms are built on; numbers are our own. */
enum clv_hash {
	CLV_HASH_NONE,
	CLV_HASH_SHA1,
	CLV_HASH_SHA224,
	CLV_HASH_SHA256,
	CLV_HASH_SHA384,
	CLV_HASH_SHA512,
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

struct clv_version {
	char name[CLV_NAME_MAX];
	uint64_t number; /* from 1, never reused */
	enum clv_state state;
	enum clv_algorithm algorithm;
	enum clv_protection protection;
	enum clv_residency residency;
	uint8_t uid[CLV_UID_LEN];                /* names the version in ciphertexts */
	int64_t create_time;                     /* ns since 1970 */
	int64_t generate_time;                   /* ns since 1970; 0: it was imported */
	int64_t import_time;                     /* ns since 1970; 0: it was generated */
	char import_job[CLV_ID_MAX];             /* id of its import job; empty: it was generated */
	int64_t state_time;                      /* ns since 1970: when the present state began */
	char state_principal[CLV_PRINCIPAL_MAX]; /* who put it there */
	char state_reason[CLV_REASON_MAX];       /* why, may be empty */
	int64_t destroy_time;       /* ns since 1970: when it is due; 0: not scheduled */
	int64_t destroy_event_time; /* ns since 1970: when it was destroyed; 0: it was not */
};

struct clv_key {
	char name[CLV_NAME_MAX];
	enum clv_purpose purpose;
	enum clv_algorithm algorithm;
	enum clv_protection protection; /* as asked; the material is in the token in any case */
	enum clv_residency residency;
	int64_t create_time;                /* ns since 1970 */
	uint64_t primary;                   /* version number; 0: no primary */
	struct clv_version primary_version; /* it; meaningful when primary != 0 */
	int64_t destroy_delay;       /* ns from the order to destroy a version to its execution */
	int64_t rotation_period;     /* ns between automatic rotations; 0: none */
	int64_t next_rotation_time;  /* ns since 1970; 0: no rotation is due ever */
	bool import_only;            /* versions are imported, never generated */
	char labels[CLV_LABELS_MAX]; /* "key=value,key=value", sorted by key; may be empty */
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
	enum clv_algorithm algorithm; /* 0: what the purpose implies; ENCRYPT_DECRYPT alone does */
	enum clv_protection protection; /* 0: CLV_PROTECTION_SOFTWARE, as gcloud asks by default */
	enum clv_residency residency;   /* 0: WRAPPED if the token can wrap such keys, else TOKEN */
	int64_t destroy_delay;          /* ns, 24 hours to 120 days; 0: 30 days */
	int64_t rotation_period;        /* ns, 24 to 876,000 hours; 0: none. Needs a next time */
	int64_t next_rotation_time; /* ns since 1970, in the future; 0: none. Both are for keys of
				       purpose ENCRYPT_DECRYPT that are not import-only */
	const char *labels;         /* "key=value,key=value" in any order; NULL: none. Borrowed */
	bool import_only; /* versions are imported, never generated, so residency is WRAPPED;
			     needs the next one */
	bool skip_initial_version; /* the key has no version, and so no primary, at first */
};

#define CLV_DESTROY_DELAY_MIN (24 * 3600 * CLV_NS_PER_S)
#define CLV_DESTROY_DELAY_MAX (120 * 24 * 3600 * CLV_NS_PER_S)
#define CLV_DESTROY_DELAY_DEFAULT (30 * 24 * 3600 * CLV_NS_PER_S)
#define CLV_ROTATION_PERIOD_MIN (24 * 3600 * CLV_NS_PER_S)
#define CLV_ROTATION_PERIOD_MAX (INT64_C(876000) * 3600 * CLV_NS_PER_S)

/*
 * Makes a key with version 1, ENABLED; in a key of purpose ENCRYPT_DECRYPT it is the primary. The
 * key material is generated in the token, wrapped, unwrapped again and tried before anything is
 * stored.
 * Labels: at most 64; keys of 1 to 63 characters `[a-z][a-z0-9_-]*`, each once; values of 0 to 63
 * characters `[a-z0-9_-]*`.
 * Errors: CLV_E_INVALID_ARGUMENT, with the rule that is broken; CLV_E_NOT_FOUND no such key ring;
 * CLV_E_ALREADY_EXISTS; CLV_E_UNIMPLEMENTED the token cannot hold such keys in this way.
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

/* What of a key is to be changed. */
enum clv_key_field {
	CLV_KEY_LABELS = 1, /* all of them: replaced */
	CLV_KEY_ROTATION_PERIOD = 2,
	CLV_KEY_NEXT_ROTATION_TIME = 4,
	CLV_KEY_ALGORITHM = 8, /* of versions that are made from now on */
};

/* Plain data and borrowed texts. */
struct clv_key_changes {
	/* Members of enum clv_key_field: what is named here and 0, NULL or empty below is cleared,
	 * what is not named stays. */
	unsigned fields;
	const char *labels;
	int64_t rotation_period;
	int64_t next_rotation_time;
	enum clv_algorithm algorithm; /* cannot be cleared */
	/* Whatever `fields` says; after `labels`, in this order. NULL: none. */
	const char *update_labels; /* "key=value,...": added, or given another value */
	const char *remove_labels; /* "key,...": taken away where they are */
};

/*
 * Changes a key as one: all that is asked for, or nothing. Rules are those of clv_key_create().
 * Errors: CLV_E_INVALID_ARGUMENT, with the rule that is broken, also when nothing is to be changed;
 * CLV_E_NOT_FOUND.
 */
CLV_MUST_USE clv_rc clv_key_update(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *name, const struct clv_key_changes *changes,
				   struct clv_key *ret_key, struct clv_err *err);

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
 * are never used again. Errors: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION the key is import-only.
 */
CLV_MUST_USE clv_rc clv_version_create(struct clv_ctx *ctx, const struct clv_caller *who,
				       const char *key_name, struct clv_version *ret_version,
				       struct clv_err *err);

/*
 * Makes an ENABLED version the key's primary: what is encrypted from now on is encrypted with it.
 * Errors: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION it is not enabled, or the key's purpose is
 * another than ENCRYPT_DECRYPT: such keys have no primary.
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
	uint64_t destroyed;           /* versions whose key material is gone now */
	uint64_t rotated;             /* keys that have a new primary version now */
	uint64_t import_jobs_expired; /* import jobs whose private half is gone now */
	uint64_t left; /* what is due, and could not be done; 1 more when what was destroyed may
			  still stand in the log of the catalogue */
	char why[160]; /* the last reason for one that was left */
};

/*
 * Does what is due: destroys versions whose time has come, erases the private halves of import jobs
 * that have expired, and gives keys a new primary version whose rotation time has come, or whose
 * primary has done 2^31 encryptions where they have a rotation period. A key that was due several
 * times over is rotated once; its next time is then in the future. Each is done exactly once,
 * however many processes call this at the same time. Copies of the catalogue from before an upgrade
 * are removed with the first that is destroyed, as they still hold it. What cannot be done now (a
 * token is away, somebody reads the log of the catalogue) is left for the next call and counted.
 * Errors: only what keeps it from looking.
 */
CLV_MUST_USE clv_rc clv_maintain(struct clv_ctx *ctx, const struct clv_caller *who,
				 struct clv_maintain_report *ret_report, struct clv_err *err);

/*
 * The same for what was due at `as_of` (ns since 1970; a time that is yet to come counts as now),
 * so that nothing is destroyed that came due after somebody looked with clv_maintain_due().
 */
CLV_MUST_USE clv_rc clv_maintain_as_of(struct clv_ctx *ctx, const struct clv_caller *who,
				       int64_t as_of, struct clv_maintain_report *ret_report,
				       struct clv_err *err);

/* What of clv_maintain() cannot be undone. Plain data. */
struct clv_maintain_due {
	int64_t as_of;     /* ns since 1970: when it was looked at */
	uint64_t versions; /* that are due for destruction: their key material would go for good */
};

/*
 * What clv_maintain() would destroy now; nothing is changed. *ret_versions are the first `limit` of
 * them, the longest due first, and otherwise as in clv_key_ring_list(). Needs no token. Asks for
 * the permission of clv_maintain(): who may not do it has nothing to look at.
 */
CLV_MUST_USE clv_rc clv_maintain_due(struct clv_ctx *ctx, const struct clv_caller *who,
				     size_t limit, struct clv_maintain_due *ret_due,
				     struct clv_version **ret_versions, size_t *ret_n,
				     struct clv_err *err);

/* Ends a page of any of the lists above. NULL is fine. Returns NULL. */
void *clv_page_free(void *page);

#endif
