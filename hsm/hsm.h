/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens, as the rest of the project sees them: no handle, no CK_ type, no mechanism number.
 * This is the one header of this room that lib/ may include.
 *
 * A key is described by a struct hsm_keyref: a token object by its id, a wrapped key by its id,
 * blob and parent. The room finds or unwraps it, keeps the handle for as long as it is good, and
 * finds or unwraps it again when the token lost it. All calls may be used from several threads.
 *
 * Errors that any call on a token can give:
 *   CLV_E_UNAVAILABLE         the token is away, refuses the PIN, or the breaker is open
 *   CLV_E_RESOURCE_EXHAUSTED  no session came free in time, or the token is full
 *   CLV_E_FAILED_PRECONDITION used in a child after fork()
 *   CLV_E_DATA_LOSS           a key is gone from the token, is there twice, or is weaker than made
 */
#ifndef HSM_HSM_H
#define HSM_HSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/buf.h>
#include <claviger/err.h>
#include <claviger/secret.h>
#include <claviger/token.h>

#include "lib/base/auto.h"
#include "lib/base/grant.h"

/* One token, logged in. */
struct hsm;

#define HSM_ID_LEN 16 /* bytes: CKA_ID of our objects, and the id of a wrapped key */
#define HSM_BLOB_MAX                                                                               \
	2560               /* bytes: the largest key we wrap (RSA-4096 in PKCS#8) and its wrapping \
			    */
#define HSM_IV_MAX 16      /* bytes */
#define HSM_TAG_LEN 16     /* bytes */
#define HSM_PUBLIC_MAX 800 /* bytes: the SubjectPublicKeyInfo of RSA-4096 has 550 */
#define HSM_SIGNATURE_MAX 512 /* bytes: RSA-4096 */
#define HSM_CHECK_LEN 32      /* bytes */
#define HSM_RANDOM_MIN 8      /* bytes: of fewer, zeros would not show that nothing was written */

struct hsm_options {
	const char *uri;      /* RFC 7512, with module-path and pin-source; borrowed for the call */
	const char *base_dir; /* what relative file names in the URI are relative to; NULL: "." */
	const char
		*state_dir; /* lock files, refused-PIN marks, protected copies; NULL: keep none */
	unsigned max_sessions; /* 0: 16; never above the token's own limit */
	unsigned max_keys;     /* unwrapped keys kept; 0: 4,096 */
	unsigned wait_ms;      /* longest wait for a session or a lock; 0: 10,000 */
};

/*
 * Loads the module that the URI names, finds the token by serial number or label, logs in with
 * the PIN from its pin-source, and tries what the token can do.
 * On CLV_OK the caller owns *ret_hsm and ends it with hsm_close().
 * Errors: CLV_E_INVALID_ARGUMENT the URI; CLV_E_NOT_FOUND no such token.
 */
CLV_MUST_USE clv_rc hsm_open(const struct hsm_options *options, struct hsm **ret_hsm,
			     struct clv_err *err);

/* Closes all sessions; the module is unloaded with its last token. NULL is fine; returns NULL. */
struct hsm *hsm_close(struct hsm *hsm);
CLV_DEFINE_AUTO(struct hsm, hsm_close);

/* Asks the token for a random number in an open session: does it answer, and are we logged in? */
CLV_MUST_USE clv_rc hsm_ping(struct hsm *hsm, struct clv_err *err);

/* Fills in what the token says of itself; n_rows stays 0. */
void hsm_describe(struct hsm *hsm, struct clv_probe *ret_probe);

/* What a key is for; fixes its kind and every protecting attribute. */
enum hsm_role {
	HSM_ROLE_ROOT,     /* AES-256, wraps and unwraps ring KEKs; always a token object */
	HSM_ROLE_RING_KEK, /* AES-256, wraps and unwraps versions; always wrapped by a root */
	HSM_ROLE_VERSION, /* AES-256, encrypts and decrypts; wrapped by a ring KEK or a token object
			   */
	HSM_ROLE_SEAL,    /* HMAC-SHA256; token object */
	HSM_ROLE_LOG,     /* Ed25519 where the token has it, else EC P-256; token object */
	HSM_ROLE_ANCHOR,  /* carries an epoch and a head in its label; token object */
	HSM_ROLE_IMPORT,  /* RSA, unwraps what others wrapped; wrapped by a ring KEK */
};

struct hsm_keyref {
	enum hsm_role role;
	enum clv_algorithm algorithm;    /* HSM_ROLE_VERSION; 0: GOOGLE_SYMMETRIC_ENCRYPTION */
	uint8_t id[HSM_ID_LEN];          /* token object: its CKA_ID; wrapped key: a random id */
	const struct hsm_keyref *parent; /* what wraps it; NULL: it is a token object */
	const uint8_t *blob;             /* wrapped key: borrowed for the call */
	size_t blob_len;                 /* bytes */
};

struct hsm_blob {
	uint8_t bytes[HSM_BLOB_MAX];
	size_t len; /* bytes */
};

/* The token objects of a location, by id. */
struct hsm_location_ids {
	uint8_t root[HSM_ID_LEN];
	uint8_t seal[HSM_ID_LEN];
	uint8_t log[HSM_ID_LEN];
	uint8_t anchor[2][HSM_ID_LEN];
};

/*
 * Makes a location's root, seal key, log key and anchors as token objects with the ids given,
 * reads their attributes back and tries each. Labels are "claviger LOCATION root" and so on. What
 * was made is destroyed again when a later step fails.
 */
CLV_MUST_USE clv_rc hsm_location_create(struct hsm *hsm, const struct clv_grant *grant,
					const char *location, const struct hsm_location_ids *ids,
					struct clv_err *err);

/* Destroys those of these objects that exist: what an interrupted hsm_location_create() left. */
CLV_MUST_USE clv_rc hsm_location_discard(struct hsm *hsm, const struct clv_grant *grant,
					 const struct hsm_location_ids *ids, struct clv_err *err);

/* Finds each object, checks its attributes and appends a row (topic "object") for each. */
CLV_MUST_USE clv_rc hsm_location_check(struct hsm *hsm, const struct hsm_location_ids *ids,
				       struct clv_probe *probe, struct clv_err *err);

/* What the anchors of a location say: how far its catalogue had come. Epoch 0: nothing was sealed
 * yet. */
#define HSM_HEAD_LEN 32 /* bytes */
struct hsm_anchor {
	uint64_t epoch;
	uint8_t head[HSM_HEAD_LEN];
};

/* HMAC-SHA256 by the seal key with this id. */
CLV_MUST_USE clv_rc hsm_seal_mac(struct hsm *hsm, const struct clv_grant *grant,
				 const uint8_t id[HSM_ID_LEN], struct clv_bytes data,
				 uint8_t ret_mac[HSM_HEAD_LEN], struct clv_err *err);

/* The newer of both. Errors: CLV_E_DATA_LOSS neither can be read. */
CLV_MUST_USE clv_rc hsm_anchor_read(struct hsm *hsm, const uint8_t ids[2][HSM_ID_LEN],
				    struct hsm_anchor *ret_anchor, struct clv_err *err);

/* Writes the older of both, and makes it anew where it is gone. What is there already may be
 * written again. Errors: CLV_E_ABORTED one has this epoch with another head, or a later epoch;
 * CLV_E_UNAVAILABLE also: the token did not keep it. */
CLV_MUST_USE clv_rc hsm_anchor_write(struct hsm *hsm, const struct clv_grant *grant,
				     const char *location, const uint8_t ids[2][HSM_ID_LEN],
				     const struct hsm_anchor *anchor, struct clv_err *err);

/* The log key's public half as a PEM SubjectPublicKeyInfo. */
CLV_MUST_USE clv_rc hsm_log_public_key(struct hsm *hsm, const uint8_t id[HSM_ID_LEN],
				       char ret_pem[CLV_PEM_MAX], struct clv_err *err);

/*
 * Generates a key inside the token, wraps it under `parent`, unwraps it again, tries that the two
 * are the same key, and hands out the blob. Nothing stays in the token. `role` is
 * HSM_ROLE_RING_KEK or HSM_ROLE_VERSION.
 */
CLV_MUST_USE clv_rc hsm_key_generate(struct hsm *hsm, const struct clv_grant *grant,
				     enum hsm_role role, const struct hsm_keyref *parent,
				     struct hsm_blob *ret_blob, struct clv_err *err);

/*
 * Generates a version as a token object with CKA_ID `id`, reads its attributes back, tries it. The
 * caller has noted `id` somewhere durable before, so that hsm_key_destroy() can undo a crash.
 */
CLV_MUST_USE clv_rc hsm_key_create(struct hsm *hsm, const struct clv_grant *grant,
				   enum hsm_role role, const uint8_t id[HSM_ID_LEN],
				   const char *label, struct clv_err *err);

/* Destroys the token objects with this id and role, of a pair both halves. It is no error when
 * there is none. */
CLV_MUST_USE clv_rc hsm_key_destroy(struct hsm *hsm, const struct clv_grant *grant,
				    enum hsm_role role, const uint8_t id[HSM_ID_LEN],
				    struct clv_err *err);

/* Sets the usage flags of a TOKEN-resident version in the token: true lets it do what its algorithm
 * is for. `algorithm` 0: GOOGLE_SYMMETRIC_ENCRYPTION. */
CLV_MUST_USE clv_rc hsm_key_set_enabled(struct hsm *hsm, const struct clv_grant *grant,
					enum clv_algorithm algorithm, const uint8_t id[HSM_ID_LEN],
					bool enabled, struct clv_err *err);

/* Forgets a cached key and destroys its session object at once, or when its last user is done. */
void hsm_key_evict(struct hsm *hsm, const uint8_t id[HSM_ID_LEN]);

/*
 * AES-GCM in the token with a fresh random IV from the token. `ret_ciphertext` has room for
 * plaintext.len + HSM_TAG_LEN bytes (ciphertext, then tag); `ret_iv` gets *ret_iv_len bytes.
 */
CLV_MUST_USE clv_rc hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
				const struct hsm_keyref *key, struct clv_bytes aad,
				struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
				size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err);

/*
 * The reverse. `ret_plaintext` has room for ciphertext.len bytes (tokens ask for it), gets
 * ciphertext.len - HSM_TAG_LEN, and is wiped when the call fails. Errors: CLV_E_INVALID_ARGUMENT
 * the tag does not fit (a canary with the same key told bad data from a sick token).
 */
CLV_MUST_USE clv_rc hsm_decrypt(struct hsm *hsm, const struct clv_grant *grant,
				const struct hsm_keyref *key, struct clv_bytes aad,
				struct clv_bytes iv, struct clv_bytes ciphertext,
				uint8_t *ret_plaintext, struct clv_err *err);

/* ---- versions of every algorithm ---- */

/* The public half of a key pair. */
struct hsm_public {
	uint8_t der[HSM_PUBLIC_MAX]; /* SubjectPublicKeyInfo (RFC 5280) */
	size_t len;                  /* bytes; 0: a secret key has none */
};

/*
 * Can this token hold keys of this algorithm in this way? Found by trying, once for each connection
 * and kind of key; RSA is tried with 2048 bits, which takes a tenth of a second. Errors:
 * CLV_E_UNIMPLEMENTED, saying what the token lacks, and whether the other residency would do.
 */
CLV_MUST_USE clv_rc hsm_algorithm_check(struct hsm *hsm, enum clv_algorithm algorithm,
					enum clv_residency residency, struct clv_err *err);

/*
 * As hsm_key_generate() and hsm_key_create(), for a version of any algorithm, which also give the
 * public half. Making an RSA key takes seconds; hsm_version_create() keeps all other users of the
 * token's objects waiting meanwhile. Errors: CLV_E_UNIMPLEMENTED as hsm_algorithm_check().
 */
CLV_MUST_USE clv_rc hsm_version_generate(struct hsm *hsm, const struct clv_grant *grant,
					 enum clv_algorithm algorithm,
					 const struct hsm_keyref *parent, struct hsm_blob *ret_blob,
					 struct hsm_public *ret_public, struct clv_err *err);
CLV_MUST_USE clv_rc hsm_version_create(struct hsm *hsm, const struct clv_grant *grant,
				       enum clv_algorithm algorithm, const uint8_t id[HSM_ID_LEN],
				       const char *label, struct hsm_public *ret_public,
				       struct clv_err *err);

/*
 * AES by the algorithm of `key` (AES_128_GCM ... AES_256_CTR). GCM makes its own IV and takes an
 * AAD; CBC and CTR take an IV of 16 bytes or make one where `iv` is empty, and no AAD. `ret_out`
 * has room for plaintext.len + HSM_TAG_LEN bytes. Errors: CLV_E_INVALID_ARGUMENT.
 */
CLV_MUST_USE clv_rc hsm_raw_encrypt(struct hsm *hsm, const struct clv_grant *grant,
				    const struct hsm_keyref *key, struct clv_bytes iv,
				    struct clv_bytes aad, struct clv_bytes plaintext,
				    uint8_t ret_iv[HSM_IV_MAX], size_t *ret_iv_len,
				    uint8_t *ret_out, size_t *ret_len, struct clv_err *err);

/* The reverse; `ret_out` has room for ciphertext.len bytes and is wiped when the call fails. */
CLV_MUST_USE clv_rc hsm_raw_decrypt(struct hsm *hsm, const struct clv_grant *grant,
				    const struct hsm_keyref *key, struct clv_bytes iv,
				    struct clv_bytes aad, struct clv_bytes ciphertext,
				    uint8_t *ret_out, size_t *ret_len, struct clv_err *err);

/*
 * Signs by the algorithm of `key`. `input` is the digest where the algorithm has a hash, the data
 * themselves for EC_SIGN_ED25519 and RSA_SIGN_RAW_PKCS1_*. EC signatures come out as DER
 * (RFC 3279 section 2.2.3), Ed25519 as 64 bytes. Errors: CLV_E_INVALID_ARGUMENT the length.
 */
CLV_MUST_USE clv_rc hsm_sign(struct hsm *hsm, const struct clv_grant *grant,
			     const struct hsm_keyref *key, struct clv_bytes input,
			     uint8_t ret_signature[HSM_SIGNATURE_MAX], size_t *ret_len,
			     struct clv_err *err);

/* OAEP by the algorithm of `key`, empty label, MGF1 with the same hash. Errors:
 * CLV_E_INVALID_ARGUMENT the ciphertext is not one; nothing tells in which way. */
CLV_MUST_USE clv_rc hsm_asymmetric_decrypt(struct hsm *hsm, const struct clv_grant *grant,
					   const struct hsm_keyref *key,
					   struct clv_bytes ciphertext,
					   struct clv_secret **ret_plaintext, struct clv_err *err);

/* HMAC by the algorithm of `key`, in the token; *ret_valid says whether `mac` is the right one, of
 * the whole length. */
CLV_MUST_USE clv_rc hsm_mac(struct hsm *hsm, const struct clv_grant *grant,
			    const struct hsm_keyref *key, struct clv_bytes data,
			    uint8_t ret_mac[HSM_SIGNATURE_MAX], size_t *ret_len,
			    struct clv_err *err);
CLV_MUST_USE clv_rc hsm_mac_verify(struct hsm *hsm, const struct clv_grant *grant,
				   const struct hsm_keyref *key, struct clv_bytes data,
				   struct clv_bytes mac, bool *ret_valid, struct clv_err *err);

/* ---- importing: material that others made, never in the clear outside the token ---- */

/* Can the token unwrap by this method, a number of Cloud KMS's ImportMethod? Found by trying.
 * Errors: CLV_E_UNIMPLEMENTED, with the reason. */
CLV_MUST_USE clv_rc hsm_import_check(struct hsm *hsm, int method, struct clv_err *err);

/* The RSA key of an import job, wrapped like a version by `parent` (HSM_ROLE_IMPORT). */
CLV_MUST_USE clv_rc hsm_import_key_generate(struct hsm *hsm, const struct clv_grant *grant,
					    int method, const struct hsm_keyref *parent,
					    struct hsm_blob *ret_blob,
					    struct hsm_public *ret_public, struct clv_err *err);

/*
 * Unwraps `wrapped`, which was made for the import job's key `job` by `method`, wraps it under
 * `parent` as a version of `algorithm`, unwraps that and tries it as it will be used. AES and HMAC
 * keys come as their bytes, private keys as PKCS#8. An EC key without its public point gets it from
 * the token; an RSA key must have the public exponent 65537; the length of an HMAC key can only be
 * checked to a multiple of 8 bytes. ret_check tells whether two imports under one parent
 * brought the same key, and without the token nothing else about it: for pairs it follows from the
 * public half, for secret keys the parent goes into it.
 * Errors: CLV_E_INVALID_ARGUMENT it does not unwrap, or is no key of that algorithm;
 * CLV_E_UNIMPLEMENTED the token cannot do this method, or hold such keys wrapped.
 */
CLV_MUST_USE clv_rc hsm_version_import(struct hsm *hsm, const struct clv_grant *grant, int method,
				       const struct hsm_keyref *job, enum clv_algorithm algorithm,
				       const struct hsm_keyref *parent, struct clv_bytes wrapped,
				       struct hsm_blob *ret_blob, struct hsm_public *ret_public,
				       uint8_t ret_check[HSM_CHECK_LEN], struct clv_err *err);

/*
 * Random bytes from the token's generator, HSM_RANDOM_MIN <= len <= CLV_SECRET_MAX. `ret_bytes` has
 * room for them and is wiped when the call fails. A generator that says it is done and has written
 * nothing is not believed.
 */
CLV_MUST_USE clv_rc hsm_random(struct hsm *hsm, const struct clv_grant *grant, uint8_t *ret_bytes,
			       size_t len, struct clv_err *err);

/*
 * Tries what a token can do, with session objects only, and fills in everything. `full` also tries
 * what takes long or is of interest to people only (OAEP, elliptic curves, protections).
 */
CLV_MUST_USE clv_rc hsm_probe(struct hsm *hsm, bool full, struct clv_probe *ret_probe,
			      struct clv_err *err);

/*
 * Initialises a new token in the SoftHSM folder of a home: configuration, PIN files of mode 0600
 * (`pin_name` is their base name), the token itself. Writes a URI for it that is relative to
 * `base_dir`, so that a home can be moved.
 */
CLV_MUST_USE clv_rc hsm_softhsm_create(const struct clv_grant *grant, const char *module,
				       const char *base_dir, const char *state_dir,
				       const char *label, const char *pin_name,
				       char ret_uri[CLV_URI_MAX], struct clv_err *err);

/* Counts for tests and reports: what this process holds on the token now, and has done. */
struct hsm_counts {
	unsigned sessions_open, sessions_out; /* all; handed out at this moment */
	unsigned keys_cached;
	uint64_t lookups, unwraps, logins, rebuilds; /* since hsm_open() */
};
void hsm_counts_get(struct hsm *hsm, struct hsm_counts *ret_counts);

#endif
