/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Handles and CK_ types end here: nothing of this leaves hsm/.
 *
 * Locks, in the order they may be taken; none is held over a token call:
 *   struct hsm.attach   one thread connects the token again (this one is held over its calls)
 *   struct hsm_pool.lock
 *   struct hsm_cache.lock
 * Between processes: the login lock and the object lock (files in state_dir), see lock.c.
 */
#ifndef HSM_INTERNAL_H
#define HSM_INTERNAL_H

#include <limits.h>
#include <signal.h>

#include <openssl/evp.h>

#include "hsm/call.h"
#include "hsm/hsm.h"
#include "hsm/module.h"

#include <claviger/key.h>

#include "lib/base/deadline.h"

/* ---- kind.c: what a key is ---- */

/* How a key is used; fixes its mechanism and usage flags. */
enum hsm_scheme {
	HSM_SCHEME_NONE,
	HSM_SCHEME_WRAP,   /* wraps and unwraps other keys, by caps.wrap_mech */
	HSM_SCHEME_IMPORT, /* unwraps by RSA-OAEP an AES key, and that others' key material */
	HSM_SCHEME_IMPORT_DIRECT, /* unwraps others' key material by RSA-OAEP */
	HSM_SCHEME_TRANSPORT,     /* unwraps others' key material by RFC 5649 */
	HSM_SCHEME_GCM,
	HSM_SCHEME_CBC,
	HSM_SCHEME_CTR,
	HSM_SCHEME_HMAC,
	HSM_SCHEME_ECDSA,
	HSM_SCHEME_EDDSA,
	HSM_SCHEME_PKCS1, /* of a DigestInfo, or without a hash of the data themselves */
	HSM_SCHEME_PSS,
	HSM_SCHEME_OAEP,
};

/* Everything that templates, attribute checks and uses depend on. */
struct hsm_kind {
	enum hsm_role role;
	enum clv_algorithm algorithm; /* 0: not a version */
	const char *name;             /* static, for error texts */
	CK_OBJECT_CLASS class;        /* CKO_SECRET_KEY, or CKO_PRIVATE_KEY for a pair */
	CK_KEY_TYPE type;
	unsigned bits; /* of a secret key, an RSA modulus, a curve's field */
	enum hsm_scheme scheme;
	enum clv_hash hash;
};
#define HSM_VERSION_KINDS 40 /* at least as many as there are algorithms */

/* The row of a role, and for HSM_ROLE_VERSION of an algorithm (0: GOOGLE_SYMMETRIC_ENCRYPTION).
 * NULL: no such algorithm. Static. */
const struct hsm_kind *hsm_kind_get(enum hsm_role role, enum clv_algorithm algorithm);

/* The kind of a key. Errors: CLV_E_INVALID_ARGUMENT no such algorithm. */
CLV_MUST_USE clv_rc hsm_kind_of(const struct hsm_keyref *key, const struct hsm_kind **ret_kind,
				struct clv_err *err);

bool hsm_kind_uses(const struct hsm_kind *kind, CK_ATTRIBUTE_TYPE usage);
static inline bool hsm_kind_is_pair(const struct hsm_kind *kind)
{
	return kind->class == CKO_PRIVATE_KEY;
}

/* The one mechanism that a key is used by, and the one that makes it. 0: none. */
CK_MECHANISM_TYPE hsm_kind_mechanism(const struct hsm *hsm, const struct hsm_kind *kind);
CK_MECHANISM_TYPE hsm_kind_generator(const struct hsm_kind *kind);

/* What a kind is tried with: itself, but RSA with the shortest keys. *ret_index is the same for
 * all kinds that are tried alike. */
struct hsm_kind hsm_kind_trial(const struct hsm_kind *kind, size_t *ret_index);

struct hsm_hash_row {
	const char *name; /* OpenSSL's */
	size_t len;       /* bytes */
	CK_MECHANISM_TYPE mech;
	CK_RSA_PKCS_MGF_TYPE mgf;
	CK_MECHANISM_TYPE hmac;
	const uint8_t *digest_info; /* what stands before the digest; NULL: not needed */
	size_t digest_info_len;
};
const struct hsm_hash_row *hsm_hash_row(enum clv_hash hash);

struct hsm_curve {
	CK_KEY_TYPE type;
	unsigned bits;
	const uint8_t *params; /* CKA_EC_PARAMS */
	size_t params_len;
	int nid;          /* OpenSSL's */
	const char *name; /* OpenSSL's */
};
/* The curve of a kind; tokens differ in how they spell it. NULL: no more spellings. */
const struct hsm_curve *hsm_curve_get(const struct hsm_kind *kind, size_t spelling);

/* ---- rv.c ---- */

/* What a CK_RV says about who or what is broken. */
enum hsm_class {
	HSM_CLASS_OK,
	HSM_CLASS_DATA,      /* the caller's bytes */
	HSM_CLASS_AMBIGUOUS, /* bytes or token: ask a canary */
	HSM_CLASS_SESSION,   /* this session: replace it, try once more */
	HSM_CLASS_HANDLE,    /* this handle: look the key up again, try once more */
	HSM_CLASS_TOKEN,     /* the token or its module: connect again */
	HSM_CLASS_LIMIT,     /* full: wait or give up */
	HSM_CLASS_PIN,       /* stop; a person has to act */
	HSM_CLASS_POLICY,    /* the token does not do or allow it */
};
enum hsm_class hsm_rv_class(CK_RV rv);
const char *hsm_rv_text(CK_RV rv); /* static */

/* Turns a CK_RV into an outcome and its story. `op` is static, the name of the function. */
CLV_MUST_USE clv_rc hsm_fail(struct clv_err *err, const char *op, CK_RV rv);

/* ---- uri.c ---- */

#define HSM_PATH_MAX 512
#define HSM_SOFTHSM_CONF "softhsm/softhsm2.conf" /* of a home, relative to it */

/* A PKCS#11 URI taken apart. Plain data. */
struct hsm_uri {
	char module_path[256];
	char pin_source[HSM_PATH_MAX]; /* absolute or relative to the working directory */
	char conf[256];                /* SoftHSM's configuration file; empty for others */
	bool ours;                     /* the SoftHSM of a home: its files are ours to look after */
	char serial[17], label[33];    /* trimmed; empty: any */
	CK_TOKEN_INFO match;           /* for p11-kit's comparison */
};

/* Errors: CLV_E_INVALID_ARGUMENT, naming the part. pin-value is refused. */
CLV_MUST_USE clv_rc hsm_uri_parse(const char *text, const char *base_dir, struct hsm_uri *ret_uri,
				  struct clv_err *err);
bool hsm_uri_matches(const struct hsm_uri *uri, const CK_TOKEN_INFO *info);

/* Which PIN a source holds at the moment, without saying it: changes when the file does. */
struct hsm_pin_mark {
	char text[96];
};

/* Reads the PIN; one final newline is not part of it. *ret_pin is owned by the caller.
 * Errors: CLV_E_UNAVAILABLE no such file; CLV_E_INVALID_ARGUMENT empty, too long, or readable by
 * others. */
CLV_MUST_USE clv_rc hsm_pin_read(const char *pin_source, struct clv_secret **ret_pin,
				 struct hsm_pin_mark *ret_mark, struct clv_err *err);

/* Copies a blank-padded PKCS#11 string, without the padding. `size` counts the final NUL. */
void hsm_trim(char *to, size_t size, const unsigned char *from, size_t from_len);

/* ---- lock.c: locks between processes, as files in state_dir ---- */

/* A file of ours cannot be written: CLV_E_RESOURCE_EXHAUSTED on a full disk, else
 * CLV_E_UNAVAILABLE. */
CLV_MUST_USE clv_rc hsm_fail_write(const char *path, int errnum, struct clv_err *err);

enum hsm_lock_kind {
	HSM_LOCK_LOGIN,  /* while a token is found and logged in to */
	HSM_LOCK_OBJECT, /* exclusive: token objects are made, changed or destroyed; shared:
			    searched */
};

/*
 * Takes a lock; *ret_fd is then given to hsm_unlock(). Without a state_dir there is nothing to
 * lock and *ret_fd is -1. Errors: CLV_E_DEADLINE_EXCEEDED, CLV_E_UNAVAILABLE.
 */
CLV_MUST_USE clv_rc hsm_lock(const char *state_dir, enum hsm_lock_kind kind, bool exclusive,
			     struct clv_deadline deadline, int *ret_fd, struct clv_err *err);
void hsm_unlock(int *fd); /* -1 is fine; for scope-bound use */

/* ---- token.c ---- */

/* Things known about makes of tokens that cannot be found by trying. Rows in quirk.c. */
enum hsm_quirk {
	HSM_QUIRK_SEARCH_LOCK = 1,   /* creating token objects fails while others search */
	HSM_QUIRK_FRAGILE_LOGIN = 2, /* a kill during login destroys the token's file */
	HSM_QUIRK_FRAGILE_WRITE =
		4, /* a kill during an attribute write destroys the object's file */
	HSM_QUIRK_NOT_VALIDATED = 8, /* known not to be a validated module */
};
unsigned hsm_quirks_of(const CK_TOKEN_INFO *info);

/* How the token does AES-GCM (design section 2). */
enum hsm_gcm_form {
	HSM_GCM_NONE,
	HSM_GCM_CALLER_IV,   /* takes our IV */
	HSM_GCM_WRITTEN_IV,  /* makes an IV and writes it back into the parameters */
	HSM_GCM_APPENDED_IV, /* makes an IV and appends it to the ciphertext */
};

/* What was found by trying when the token was first connected. */
struct hsm_caps {
	CK_MECHANISM_TYPE wrap_mech; /* 0: none works */
	const char *wrap_format;     /* static: "RFC 5649" ... */
	enum hsm_gcm_form gcm;
	size_t gcm_iv_len;         /* bytes; of the IV that the token makes or takes */
	bool keeps_attributes;     /* unwrap gives what the template asked */
	bool unwrap_template;      /* CKA_UNWRAP_TEMPLATE is known */
	bool allowed_mechanisms;   /* CKA_ALLOWED_MECHANISMS is known */
	bool copyable, modifiable; /* these attributes are known */
	char lacking[160];         /* why the hierarchy cannot live here; empty: it can */
};

/* Whether a kind of key can live on the token, as far as it was tried. */
struct hsm_verdict {
	enum { HSM_UNTRIED, HSM_CAN, HSM_CANNOT } what;
	char why[96]; /* HSM_CANNOT: the reason */
};

struct hsm_session {
	CK_SESSION_HANDLE handle;
	uint64_t epoch;          /* of the token when it was opened */
	_Atomic uint64_t serial; /* new for each opening, 0: closed; tells a reopened keeper */
	_Atomic bool suspect; /* a keeper whose key was lost: opened anew before it is used again */
	bool dead;            /* must not go back to the pool */
	bool busy;
	unsigned char iv_pool[1024]; /* random bytes drawn from the token */
	size_t iv_left;              /* bytes of it not used yet */
	struct hsm *hsm;
	struct hsm_session *next; /* in the idle list */
};

#define HSM_KEEPERS_MAX 4

/* Threads that wait for the same: any session for work, or one keeper. */
struct hsm_queue {
	pthread_cond_t returned;
	unsigned waiting; /* on `returned` */
	unsigned waking;  /* of them woken and not yet back */
};

struct hsm_pool {
	pthread_mutex_t lock;
	struct hsm_queue work_queue, keeper_queue[HSM_KEEPERS_MAX];
	struct hsm_session *all;  /* n_all of them, keepers first */
	struct hsm_session *idle; /* open, not handed out */
	struct hsm_session *closed;
	unsigned n_all, n_out;
	unsigned n_idle; /* in that list */
	unsigned n_work,
		max_work; /* open sessions for work; ceiling, lowered when the token says so */
	uint64_t next_serial;
	struct hsm_session *keeper[HSM_KEEPERS_MAX];
	unsigned n_keepers;    /* the first ones of `all` */
	unsigned used_keepers; /* under the lock; fewer once the token has no session for all of
				  them */
	_Atomic bool shared;   /* there is one session only: the first keeper also does the work */
};

struct hsm_entry;
struct hsm_cache {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct hsm_entry **buckets;
	size_t n_buckets;
	struct hsm_entry *newest, *oldest; /* in order of last use */
	struct hsm_entry *buried;          /* handles to destroy when a session is at hand */
	_Atomic unsigned n_buried;
	unsigned n, max;
};

struct hsm {
	struct hsm_module *module;
	struct hsm_uri uri;
	char *state_dir; /* NULL: none */
	unsigned wait_ms, max_sessions;
	unsigned quirks;
	CK_TOKEN_INFO info; /* as of the start; what changes is asked for when needed */
	struct hsm_caps caps;
	bool caps_known;
	struct hsm_pool pool;
	struct hsm_cache cache;

	pthread_mutex_t attach; /* one thread connects */
	_Atomic CK_SLOT_ID slot;
	_Atomic uint64_t inits;     /* of the module when attached */
	_Atomic uint64_t doubted;   /* epoch in which a key that must be there was not seen */
	_Atomic bool want_rebuild;  /* connect with the module initialised anew */
	_Atomic uint64_t epoch;     /* grows with each attach; handles of an older one are dead */
	_Atomic unsigned in_flight; /* calls between hsm_enter() and hsm_leave() */
	struct hsm_pin_mark tried;  /* under attach: the PIN presented last ... */
	unsigned tries;             /* ... and how often without success */

	pthread_mutex_t breaker_lock;  /* for the four below, all in CLOCK_MONOTONIC ns */
	_Atomic int64_t breaker_until; /* no try before; 0: the breaker is closed */
	_Atomic int64_t attached_at;
	unsigned breaker_trips;     /* in a row */
	struct clv_err breaker_err; /* why */

	pthread_mutex_t verdict_lock; /* for the two below; never held over a token call */
	struct hsm_verdict verdicts[HSM_VERSION_KINDS][2]; /* by kind and residency */
	struct hsm_verdict import_verdicts[3];
	/* The token removes no OAEP padding of this hash, so that we do it: it refused. Whatever it
	 * refuses, the other one is tried next. */
	_Atomic bool oaep_is_raw[CLV_HASH_SHA512 + 1];

	_Atomic uint64_t lookups, unwraps, logins, rebuilds;
};

/*
 * Opens the breaker: calls fail at once until the token was connected again. `epoch` is the one in
 * which the failure was seen; of an older one it says nothing any more.
 */
void hsm_breaker_trip(struct hsm *hsm, uint64_t epoch, const struct clv_err *why);

/*
 * Begins a stretch of token calls: fails at once while the breaker is open, connects again when it
 * is time to. After CLV_OK comes exactly one hsm_leave().
 */
CLV_MUST_USE clv_rc hsm_enter(struct hsm *hsm, struct clv_err *err);
void hsm_leave(struct hsm *hsm);

/* Fails with CLV_E_UNIMPLEMENTED and the reason when the token cannot hold the hierarchy. */
CLV_MUST_USE clv_rc hsm_require_hierarchy(const struct hsm *hsm, struct clv_err *err);

/* ---- pool.c ---- */

CLV_MUST_USE clv_rc hsm_pool_init(struct hsm *hsm, unsigned max_sessions, struct clv_err *err);
void hsm_pool_done(struct hsm *hsm);

/*
 * Ends all sessions that are not handed out, because their epoch is over. With `finalised` the
 * module has forgotten them already, and their numbers may be somebody else's by now.
 */
void hsm_pool_end_all(struct hsm *hsm, bool finalised);

/*
 * A session for work. Waits up to the token's wait_ms. Owned by this thread until
 * hsm_session_release(). Errors: CLV_E_RESOURCE_EXHAUSTED, CLV_E_UNAVAILABLE.
 */
CLV_MUST_USE clv_rc hsm_session_acquire(struct hsm *hsm, struct hsm_session **ret_session,
					struct clv_err *err);

/* A keeper: what is unwrapped in it lives as long as it does. Released like any other session. */
CLV_MUST_USE clv_rc hsm_keeper_acquire(struct hsm *hsm, const uint8_t id[HSM_ID_LEN],
				       struct hsm_session **ret_session, struct clv_err *err);

/* Gives a session back, closes it when dead or of an older epoch. NULL is fine; returns NULL. */
struct hsm_session *hsm_session_release(struct hsm_session *session);
CLV_DEFINE_AUTO(struct hsm_session, hsm_session_release);

/* Notes what `rv` did to the session, and says it in *err. */
CLV_MUST_USE clv_rc hsm_session_fail(struct hsm_session *session, struct clv_err *err,
				     const char *op, CK_RV rv);

/* ---- cache.c ---- */

/* A key that is ready to use: pinned, so that its handle stays good until hsm_key_unpin(). */
struct hsm_pin {
	struct hsm *hsm;
	struct hsm_entry *entry;
	CK_OBJECT_HANDLE handle;
};

clv_rc hsm_cache_init(struct hsm *hsm, unsigned max, struct clv_err *err) CLV_MUST_USE;
void hsm_cache_done(struct hsm *hsm);

/* Forgets all: the handles died with their epoch. */
void hsm_cache_clear(struct hsm *hsm);

/*
 * Finds or unwraps a key, once for each epoch, and pins it. No session may be held by the caller:
 * on a token with one session this needs it. Errors: CLV_E_DATA_LOSS gone, doubled or weakened.
 */
CLV_MUST_USE clv_rc hsm_key_pin(struct hsm *hsm, const struct hsm_keyref *key,
				struct hsm_pin *ret_pin, struct clv_err *err);
void hsm_key_unpin(struct hsm_pin *pin); /* an empty pin is fine */

/* A known text that a key sealed once, to be opened whenever the token is in doubt. No secret. */
struct hsm_song {
	uint8_t iv[HSM_IV_MAX];
	size_t iv_len; /* bytes; 0: there is none yet */
	uint8_t sealed[16 + HSM_TAG_LEN];
};
struct hsm_song hsm_key_song(const struct hsm_pin *pin);
/* Keeps it as long as the key is at hand; the first one stays. */
void hsm_key_song_keep(struct hsm_pin *pin, const struct hsm_song *song);

/* Was the handle good all the time that it was pinned? Ask after use, before the result counts. */
bool hsm_key_fresh(const struct hsm_pin *pin);

/* The key's handle turned out to be dead: forget it, so that the next pin looks again. */
void hsm_key_forget(struct hsm_pin *pin);

/* The key is wanted in another form: forget it, though its handle is good. */
void hsm_key_drop(struct hsm_pin *pin);

/*
 * What `rv` says of a pinned key. While another thread closes its keeper, SoftHSM answers that the
 * key may not be used: it is lost, not forbidden.
 */
CK_RV hsm_pin_rv(const struct hsm_pin *pin, CK_RV rv);

/* The same for a failed piece of work with a parent key, which is forgotten when it is lost. */
CLV_MUST_USE clv_rc hsm_pin_judge(struct hsm_pin *pin, clv_rc rc, struct clv_err *err);

/* Destroys what was evicted, with this session. Cheap when there is nothing. */
void hsm_cache_bury(struct hsm_session *session);

/* ---- find.c ---- */

/* The one token object with this CKA_ID and class; asks for two to see doubles.
 * Errors: CLV_E_NOT_FOUND none; CLV_E_DATA_LOSS several. */
CLV_MUST_USE clv_rc hsm_find(struct hsm_session *session, CK_OBJECT_CLASS class,
			     const uint8_t id[HSM_ID_LEN], CK_OBJECT_HANDLE *ret_object,
			     struct clv_err *err);

/* All token objects with this CKA_ID and class, at most `max`. */
CLV_MUST_USE clv_rc hsm_find_all(struct hsm_session *session, CK_OBJECT_CLASS class,
				 const uint8_t id[HSM_ID_LEN], CK_OBJECT_HANDLE *objects,
				 CK_ULONG max, CK_ULONG *ret_n, struct clv_err *err);

/* CKR_USER_NOT_LOGGED_IN when the user is not, on a token that asks for it. */
CK_RV hsm_logged_in(struct hsm_session *session);

/* ---- attr.c: templates, and what protects a key ---- */

#define HSM_TEMPLATE_MAX 24

/* A template that owns its scalar values. Bytes are borrowed. */
struct hsm_template {
	CK_ATTRIBUTE a[HSM_TEMPLATE_MAX];
	CK_ULONG n;
	CK_ULONG scalar[8];
	size_t n_scalar;
	CK_ATTRIBUTE nested[8];
	CK_MECHANISM_TYPE mech[2];
};
void hsm_template_bool(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type, bool value);
void hsm_template_ulong(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void hsm_template_bytes(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type, const void *bytes,
			size_t len);

/* PKCS#11 knows no const: for input that a module does not write to. */
static inline void *hsm_input(const void *bytes)
{
	return (void *) (uintptr_t) bytes;
}

/* How a key comes into being; decides which attributes can be asked for and expected. */
enum hsm_birth {
	HSM_BORN_TOKEN,     /* generated as a token object */
	HSM_BORN_SESSION,   /* generated as an extractable session key, to be wrapped */
	HSM_BORN_UNWRAPPED, /* unwrapped as a session key */
	HSM_BORN_IMPORTED   /* unwrapped as an extractable session key, to be wrapped again */
};

/*
 * Fills in every attribute of a secret or private key of this kind, as far as the token knows
 * them. `id` (HSM_ID_LEN bytes) and `label` are for token objects, NULL otherwise; both are
 * borrowed.
 */
void hsm_template_key(const struct hsm *hsm, const struct hsm_kind *kind, enum hsm_birth birth,
		      const uint8_t *id, const char *label, struct hsm_template *tpl);

/* The same for the public half of a pair. `curve` is borrowed; NULL for RSA. */
void hsm_template_public(const struct hsm *hsm, const struct hsm_kind *kind, enum hsm_birth birth,
			 const uint8_t *id, const char *label, const struct hsm_curve *curve,
			 struct hsm_template *tpl);

/* The usage flags of a kind, all set to `enabled`. */
void hsm_template_usages(const struct hsm_kind *kind, bool enabled, struct hsm_template *tpl);

/*
 * Reads back what protects a key. What is weaker than asked fails with `rc_weak` and a text that
 * names the attribute.
 */
CLV_MUST_USE clv_rc hsm_attributes_check(struct hsm_session *session, CK_OBJECT_HANDLE object,
					 const struct hsm_kind *kind, enum hsm_birth birth,
					 clv_rc rc_weak, struct clv_err *err);

/*
 * Reads back whether a key is of its kind's length or curve, as far as the token tells.
 * *ret_misfit is static and says what does not fit; NULL: it all does.
 */
CLV_MUST_USE clv_rc hsm_kind_misfit(struct hsm_session *session, const struct hsm_kind *kind,
				    CK_OBJECT_HANDLE object, const char **ret_misfit,
				    struct clv_err *err);

/* The same, failing with CLV_E_DATA_LOSS: the catalogue says something else than the token. */
CLV_MUST_USE clv_rc hsm_kind_check(struct hsm_session *session, const struct hsm_kind *kind,
				   CK_OBJECT_HANDLE object, struct clv_err *err);

/* ---- work.c: one piece of work on a token, tried once more where that helps ---- */

/* A piece of work: `run` pins and acquires what it needs, calls the token, gives everything back.
 */
struct hsm_work {
	clv_rc (*run)(struct hsm *hsm, struct hsm_work *work, struct clv_err *err);
	bool judged; /* run() sets it: a canary sang, so the failure is not the token's */
	void *arg;
};

/*
 * Enters, runs, leaves. When the session, a handle or the connection had died, does it again, a few
 * times: so `run` must be idempotent. Opens the breaker when the token is to blame.
 */
CLV_MUST_USE clv_rc hsm_work_do(struct hsm *hsm, struct hsm_work *work, struct clv_err *err);

/* The same, once: for what must not be done twice. */
CLV_MUST_USE clv_rc hsm_work_once(struct hsm *hsm, struct hsm_work *work, struct clv_err *err);

/* ---- crypt.c ---- */

/* One AES-GCM call each, on a session and handle at hand. `out` has room for in.len + a tag. */
CK_RV hsm_gcm_seal(struct hsm_session *session, CK_OBJECT_HANDLE key, struct clv_bytes aad,
		   struct clv_bytes in, uint8_t iv[HSM_IV_MAX], size_t *ret_iv_len, uint8_t *out,
		   const char **ret_op);
/* `out` has room for in.len bytes: tokens ask for it. */
CK_RV hsm_gcm_open(struct hsm_session *session, CK_OBJECT_HANDLE key, struct clv_bytes aad,
		   struct clv_bytes iv, struct clv_bytes in, uint8_t *out, size_t *ret_len,
		   const char **ret_op);

/*
 * Opens a known text with the key: tells bad data from a sick token. Each doubt opens anew: a
 * result remembered for a second would call good data bad on a token just gone sick. But the text
 * is sealed only once while the key is at hand: each seal draws a random IV of the key's 2^32, and
 * who sends damaged ciphertexts must not use them up.
 */
bool hsm_canary(struct hsm_session *session, struct hsm_pin *pin);

/* Random bytes of the token's, at most HSM_IV_MAX, drawn a thousand at a time. */
CK_RV hsm_draw(struct hsm_session *session, uint8_t *out, size_t len);

/* ---- use.c: one use of a key of each scheme, on a session and handle at hand ---- */

/* AES-CBC without padding and AES-CTR. `iv` has 16 bytes, `out` room for in.len. */
CK_RV hsm_cipher(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE key,
		 bool encrypt, const uint8_t iv[HSM_IV_MAX], struct clv_bytes in, uint8_t *out,
		 const char **ret_op);

/* HMACs and signatures in the form that hsm_sign() gives. */
CK_RV hsm_sign_with(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE key,
		    struct clv_bytes in, uint8_t out[HSM_SIGNATURE_MAX], size_t *ret_len,
		    const char **ret_op);

/*
 * RSA-OAEP; `out` is a secret of in.len bytes. Where the token refuses the hash this is noted, and
 * the next key of the kind is made for raw RSA: see
 * hsm_oaep_refused().
 */
CK_RV hsm_oaep_open(struct hsm_session *session, const struct hsm_kind *kind, CK_OBJECT_HANDLE key,
		    struct clv_bytes in, struct clv_secret *out, size_t *ret_len,
		    const char **ret_op);

/* Does `rv` of the call `op` say that the key was made for another mechanism than its kind is used
 * by now? Only what is said before the token has seen the data: they must not decide about it. */
bool hsm_oaep_refused(const struct hsm_kind *kind, const char *op, CK_RV rv);

/* Do two secret keys of a kind, or a private key and a public half, belong together? Tried. */
CLV_MUST_USE clv_rc hsm_same_secret(struct hsm_session *session, const struct hsm_kind *kind,
				    CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b, struct clv_err *err);
CLV_MUST_USE clv_rc hsm_same_pair(struct hsm_session *session, const struct hsm_kind *kind,
				  CK_OBJECT_HANDLE private, EVP_PKEY *public, struct clv_err *err);

/* ---- oaep.c ---- */

/*
 * Some tokens drop leading zeros of a number: puts the `len` bytes of a block to the end of `want`,
 * zeros before them, in a time that does not depend on `len`: how many zeros there are follows from
 * the plaintext. `len` <= `want`, which the block has room for.
 */
void hsm_oaep_align(uint8_t *block, size_t len, size_t want);

/* Removes the padding of RFC 8017 section 7.1.2 from a block in a time that does not depend on it.
 * Returns the length of what is in `out`, or -1. Both have `len` bytes. */
int hsm_oaep_unpad(enum clv_hash hash, const uint8_t *block, size_t len, uint8_t *out);

/* ---- public.c: public halves, in software ---- */

static inline void hsm_pkey_done(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

/* Reads the public half from a public object, or from an RSA private one. */
CLV_MUST_USE clv_rc hsm_public_read(struct hsm_session *session, const struct hsm_kind *kind,
				    CK_OBJECT_HANDLE object, EVP_PKEY **ret_key,
				    struct clv_err *err);
CLV_MUST_USE clv_rc hsm_public_der(EVP_PKEY *key, struct hsm_public *ret_public,
				   struct clv_err *err);

/* Is this a signature by hsm_sign()'s rules? */
bool hsm_public_verifies(const struct hsm_kind *kind, EVP_PKEY *key, struct clv_bytes in,
			 struct clv_bytes signature);

/* OAEP with an empty label. `out` has room for the modulus. False: it cannot be done. */
bool hsm_public_seal(EVP_PKEY *key, enum clv_hash hash, struct clv_bytes in, uint8_t *out,
		     size_t *ret_len);

/* A public key from its uncompressed point, owned by the caller. NULL: it is none. */
EVP_PKEY *hsm_public_ec(const struct hsm_curve *curve, struct clv_bytes point);

/* ---- recover.c ---- */

/* The public half of an EC private key that does not show it, from two signatures. */
CLV_MUST_USE clv_rc hsm_public_recover(struct hsm_session *session, const struct hsm_kind *kind,
				       CK_OBJECT_HANDLE private, EVP_PKEY **ret_key,
				       struct clv_err *err);

/* ---- pair.c ---- */

/* Generates a key pair and reads the private half's attributes back; what is weaker than asked is
 * destroyed again. */
CLV_MUST_USE clv_rc hsm_generate_pair(struct hsm_session *session, const struct hsm_kind *kind,
				      enum hsm_birth birth, const uint8_t *id, const char *label,
				      CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private,
				      struct clv_err *err);

/* ---- import.c ---- */

/* Wraps a known key in software for an import key, as its kind says, and unwraps it. */
CLV_MUST_USE clv_rc hsm_import_try(struct hsm_session *session, const struct hsm_kind *kind,
				   CK_OBJECT_HANDLE private, EVP_PKEY *public, struct clv_err *err);

/* ---- version.c ---- */

/* Forgets what was found of kinds of keys: this is another make of token. */
void hsm_verdicts_clear(struct hsm *hsm);

/* Does this failure say what the token can do? A hiccup does not, and is not remembered. */
bool hsm_is_definite(clv_rc rc, const struct clv_err *err);

/* ---- key.c, caps.c, softhsm.c, libp11_view.c ---- */

/* Session objects that go when the scope ends. */
struct hsm_scrap {
	struct hsm_session *session;
	CK_OBJECT_HANDLE object[16];
	size_t n;
};
void hsm_scrap_add(struct hsm_scrap *scrap, CK_OBJECT_HANDLE object);
void hsm_scrap_destroy(struct hsm_scrap *scrap); /* for scope-bound use */

/* The session does not go back to the pool, unless it is the only one: it is closed, and what was
 * left in it goes. */
void hsm_session_spoil(struct hsm_session *session);

/*
 * hsm_session_fail() for a call that makes a key. A token can have made it and say that it failed:
 * an extractable one must not stay in a session that lives on.
 */
CLV_MUST_USE clv_rc hsm_making_fail(struct hsm_session *session, enum hsm_birth birth,
				    const char *op, CK_RV rv, struct clv_err *err);

/* Destroys an object; when that fails, the session is not given back to the pool. */
void hsm_session_destroy(struct hsm_session *session, CK_OBJECT_HANDLE object);

/* Generates a secret key of this kind and birth and reads its attributes back; what is weaker than
 * asked is destroyed again. `id` and `label` are for token objects, NULL otherwise. */
CLV_MUST_USE clv_rc hsm_generate(struct hsm_session *session, const struct hsm_kind *kind,
				 enum hsm_birth birth, const uint8_t *id, const char *label,
				 CK_OBJECT_HANDLE *ret_object, struct clv_err *err);

/* Generates, wraps, unwraps, compares by use; leaves nothing but the blob. *ret_public is the
 * public half of a pair; NULL: of no interest. */
CLV_MUST_USE clv_rc hsm_generate_wrapped(struct hsm_session *session, const struct hsm_kind *kind,
					 CK_OBJECT_HANDLE parent, struct hsm_blob *ret_blob,
					 struct hsm_public *ret_public, struct clv_err *err);

/* Wraps `original`, unwraps that again and compares the two by use; `public` is that of a pair. */
CLV_MUST_USE clv_rc hsm_wrap_checked(struct hsm_session *session, const struct hsm_kind *kind,
				     CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE original,
				     EVP_PKEY *public, struct hsm_blob *ret_blob,
				     struct clv_err *err);

/* hsm_generate_wrapped() as a piece of work. Session objects only: a second try leaves nothing. */
CLV_MUST_USE clv_rc hsm_generate_below(struct hsm *hsm, const struct hsm_kind *kind,
				       const struct hsm_keyref *parent, struct hsm_blob *ret_blob,
				       struct hsm_public *ret_public, struct clv_err *err);

/* One C_WrapKey by the mechanism found. */
CLV_MUST_USE clv_rc hsm_wrap(struct hsm_session *session, CK_OBJECT_HANDLE parent,
			     CK_OBJECT_HANDLE key, struct hsm_blob *ret_blob, struct clv_err *err);

/* Unwraps `blob` as a session object of `keeper` and checks its attributes. */
CLV_MUST_USE clv_rc hsm_unwrap(struct hsm_session *keeper, const struct hsm_kind *kind,
			       CK_OBJECT_HANDLE parent, struct clv_bytes blob,
			       CK_OBJECT_HANDLE *ret_object, struct clv_err *err);

/* What makes, changes or ends token objects: `act` runs alone and is not interrupted. */
struct hsm_act {
	const struct hsm_kind *kind;
	const uint8_t *id;
	const char *label;             /* create */
	struct hsm_public *ret_public; /* create; NULL: of no interest */
	bool enabled;                  /* set_enabled */
	clv_rc (*act)(struct hsm_session *session, const struct hsm_act *args, struct clv_err *err);
};
CLV_MUST_USE clv_rc hsm_act_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err);
CLV_MUST_USE clv_rc hsm_act_create(struct hsm_session *session, const struct hsm_act *args,
				   struct clv_err *err);

/* Takes the exclusive object lock, and puts right what a kill under it left. */
CLV_MUST_USE clv_rc hsm_lock_objects(struct hsm *hsm, int *ret_fd, struct clv_err *err);

/* Takes the shared object lock, for a search; also after what a kill left was put right. */
CLV_MUST_USE clv_rc hsm_lock_search(struct hsm *hsm, int *ret_fd, struct clv_err *err);

/* Make and end token objects. The caller holds the exclusive object lock. */
CLV_MUST_USE clv_rc hsm_create_locked(struct hsm_session *session, const struct hsm_kind *kind,
				      const uint8_t *id, const char *label,
				      struct hsm_public *ret_public, struct clv_err *err);
CLV_MUST_USE clv_rc hsm_destroy_locked(struct hsm_session *session, enum hsm_role role,
				       const uint8_t *id, struct clv_err *err);

/* Fills in hsm->caps by trying. Only what cannot be tried at all is an error. */
CLV_MUST_USE clv_rc hsm_caps_find(struct hsm *hsm, struct clv_err *err);

/* Wrap mechanisms worth trying. */
struct hsm_wrap_candidate {
	CK_MECHANISM_TYPE mech;
	const char *name;
};
extern const struct hsm_wrap_candidate hsm_wrap_candidates[];
extern const size_t hsm_n_wrap_candidates;

/* Wraps a known key under a known key; *ret_format is static and names the form, NULL: did not
 * work. */
CK_RV hsm_wrap_try(struct hsm_session *session, CK_MECHANISM_TYPE mech, const char **ret_format);

/* Encrypts a known text with a known key; *ret_iv_len: bytes of the IV. *ret_form is HSM_GCM_NONE
 * also when the call failed. */
CK_RV hsm_gcm_try(struct hsm_session *session, enum hsm_gcm_form *ret_form, size_t *ret_iv_len);

/* A known AES key as a session object. */
CK_RV hsm_import_aes(struct hsm_session *session, const uint8_t *bytes, size_t len,
		     const CK_ATTRIBUTE_TYPE *usages, size_t n_usages, bool extractable,
		     CK_OBJECT_HANDLE *ret_object);

/* Blocks INT, TERM and HUP in this thread while something in a token changes. */
struct hsm_signal_guard {
	sigset_t before;
};
void hsm_signals_block(struct hsm_signal_guard *guard);
void hsm_signals_restore(struct hsm_signal_guard *guard); /* for scope-bound use */

/* Waits until object files that were written since then (seconds since 1970) are on the disk. */
CLV_MUST_USE clv_rc hsm_softhsm_sync(const struct hsm *hsm, time_t since, struct clv_err *err);

/*
 * SoftHSM's own files (softhsm.c). `conf` is the configuration file of a SoftHSM in a home, empty
 * for other tokens: then nothing is done.
 */
/* Puts back token files that a kill during login destroyed. Under the login lock. */
CLV_MUST_USE clv_rc hsm_softhsm_repair(const char *conf, const char *state_dir,
				       struct clv_err *err);
/* Keeps copies of the token files as they are now. Under the login lock. */
CLV_MUST_USE clv_rc hsm_softhsm_keep_tokens(const char *conf, const char *state_dir,
					    struct clv_err *err);
/* Keeps copies of the object files while one of them is written. Under the object lock. */
CLV_MUST_USE clv_rc hsm_softhsm_write_begin(const struct hsm *hsm, struct clv_err *err);
void hsm_softhsm_write_end(const struct hsm *hsm);
/* Did somebody die while a token object was written or made? */
bool hsm_softhsm_interrupted(const struct hsm *hsm);
/* Puts the copies back that such a kill left, and takes half-made files away. Object lock. */
CLV_MUST_USE clv_rc hsm_softhsm_undo(const struct hsm *hsm, struct clv_err *err);
/* Notes which object files there are while one more is made: hsm_lock_objects() takes away what a
 * kill between these two left half-made. Under the object lock. */
CLV_MUST_USE clv_rc hsm_softhsm_make_begin(const struct hsm *hsm, struct clv_err *err);
void hsm_softhsm_make_end(const struct hsm *hsm);

/*
 * Generates the log key pair, tries it and checks it: Ed25519 where the token has it and
 * `allow_ed25519` is set, else EC P-256. *ret_name is static. With `token` unset it is only a trial
 * with session objects. The caller holds the exclusive object lock for token objects.
 */
CLV_MUST_USE clv_rc hsm_create_log_key(struct hsm_session *session, bool token, const uint8_t *id,
				       const char *label, bool allow_ed25519, const char **ret_name,
				       struct clv_err *err);

/* Reads back what protects a log key's private half. Errors: CLV_E_UNIMPLEMENTED weaker than made.
 */
CLV_MUST_USE clv_rc hsm_log_key_check(struct hsm_session *session, CK_OBJECT_HANDLE private,
				      struct clv_err *err);

/* A public key as a PEM SubjectPublicKeyInfo (RFC 7468). */
CLV_MUST_USE clv_rc hsm_public_pem(EVP_PKEY *key, char ret_pem[CLV_PEM_MAX], struct clv_err *err);

/* ---- probe.c, probe_mech.c ---- */

/* Does the token say how many? openCryptoki says ~1, another way of CK_UNAVAILABLE_INFORMATION. */
static inline bool hsm_count_said(CK_ULONG count)
{
	return count <= LONG_MAX;
}

/* Appends a row; what does not fit is left out. */
void hsm_probe_row(struct clv_probe *probe, const char *topic, const char *name,
		   enum clv_probe_result result, const char *fmt, ...) CLV_PRINTF(5, 6);

/* A row for the result of a call: yes, or no and what it said. */
void hsm_probe_rv(struct clv_probe *probe, const char *topic, const char *name, CK_RV rv);

/* Tries the mechanisms that key kinds rest on, and what else the token enforces. */
void hsm_probe_mechanisms(struct hsm_session *session, struct clv_probe *probe);

/* ---- libp11_view.c ---- */

/* The EVP_PKEY view of an EC or RSA public key on the token, as PEM. */
CLV_MUST_USE clv_rc hsm_libp11_public_pem(struct hsm *hsm, const uint8_t id[HSM_ID_LEN],
					  char ret_pem[CLV_PEM_MAX], struct clv_err *err);
/* Ends libp11's view of a module, which finalises the module. False: there was none. */
bool hsm_libp11_unload(struct hsm_module *module);

#endif
