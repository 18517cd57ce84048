/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importing keys that others made. An import job is an RSA key of the location's token: whoever
 * brings a key wraps it for the job's public half, and the token unwraps it. The key is in the
 * clear where it comes from and in the token, and nowhere in between.
 *
 * `who`, audit entries and the errors of every call are as in key.h.
 */
#ifndef CLAVIGER_IMPORT_H
#define CLAVIGER_IMPORT_H

#include <claviger/buf.h>
#include <claviger/key.h>
#include <claviger/secret.h>
#include <claviger/token.h>

#define CLV_IMPORT_KEY_MAX 8192                            /* bytes of a key before wrapping */
#define CLV_IMPORT_WRAPPED_MAX 65536                       /* bytes of a wrapped key */
#define CLV_IMPORT_JOB_LIFE (3 * 24 * 3600 * CLV_NS_PER_S) /* from making a job to its end */

/*
 * How a key is wrapped, with Cloud KMS's proto numbers. ..._AES_256: OAEP around a fresh AES-256
 * key, then the key wrapped by that one (RFC 5649, AES-KWP); this carries keys of any kind. The
 * others: OAEP around the key itself, which is then a short one (no RSA key).
 */
#define CLV_IMPORT_METHOD_LIST(X)                                                                  \
	X(RSA_OAEP_3072_SHA1_AES_256, 1)                                                           \
	X(RSA_OAEP_4096_SHA1_AES_256, 2)                                                           \
	X(RSA_OAEP_3072_SHA256_AES_256, 3)                                                         \
	X(RSA_OAEP_4096_SHA256_AES_256, 4)                                                         \
	X(RSA_OAEP_3072_SHA256, 5)                                                                 \
	X(RSA_OAEP_4096_SHA256, 6)

#define CLV_IMPORT_ENUM_METHOD(name, number) CLV_IMPORT_##name = (number),
enum clv_import_method { CLV_IMPORT_METHOD_LIST(CLV_IMPORT_ENUM_METHOD) };
#undef CLV_IMPORT_ENUM_METHOD

/* Numbers are Cloud KMS's. A job is made whole, so that nobody sees PENDING_GENERATION. */
enum clv_import_state {
	CLV_IMPORT_PENDING_GENERATION = 1,
	CLV_IMPORT_ACTIVE = 2,
	CLV_IMPORT_EXPIRED = 3,
};

/* Cloud KMS's names, static; "UNKNOWN" for a number out of range. */
const char *clv_import_method_name(enum clv_import_method method);
const char *clv_import_state_name(enum clv_import_state state);

/* Plain data, no ownership. */
struct clv_import_job {
	char name[CLV_NAME_MAX];
	enum clv_import_method method;
	enum clv_protection protection; /* keys that are imported by it have the same */
	enum clv_import_state state;    /* by the clock: EXPIRED from expire_time on */
	int64_t create_time;            /* ns since 1970 */
	int64_t generate_time;          /* ns since 1970 */
	int64_t expire_time;            /* ns since 1970 */
	int64_t expire_event_time;      /* ns since 1970: its private half was erased; 0: not yet */
	char public_key_pem[CLV_PEM_MAX]; /* SubjectPublicKeyInfo; empty unless it is ACTIVE */
};

/* How an import job is to be made. */
struct clv_import_job_options {
	enum clv_import_method method;
	enum clv_protection protection;
};

/*
 * Makes an import job and its RSA key, in the token of its key ring's location.
 * Errors: CLV_E_NOT_FOUND no such key ring; CLV_E_ALREADY_EXISTS; CLV_E_UNIMPLEMENTED the token
 * cannot unwrap by this method: the text says what it lacks.
 */
CLV_MUST_USE clv_rc clv_import_job_create(struct clv_ctx *ctx, const struct clv_caller *who,
					  const char *name,
					  const struct clv_import_job_options *options,
					  struct clv_import_job *ret_job, struct clv_err *err);

/* Errors: CLV_E_NOT_FOUND. */
CLV_MUST_USE clv_rc clv_import_job_get(struct clv_ctx *ctx, const struct clv_caller *who,
				       const char *name, struct clv_import_job *ret_job,
				       struct clv_err *err);

/* One page of a key ring's import jobs: as clv_key_ring_list(). */
CLV_MUST_USE clv_rc clv_import_job_list(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *ring_name, const char *after, size_t limit,
					struct clv_import_job **ret_jobs, size_t *ret_n,
					struct clv_err *err);

/* What is imported. Borrowed for the length of the call. */
struct clv_import {
	const char *job;              /* full name of an import job of the key's own ring */
	enum clv_algorithm algorithm; /* fits the key's purpose; need not be its template's */
	struct clv_bytes wrapped;     /* 1 to CLV_IMPORT_WRAPPED_MAX bytes, by the job's method */
	uint64_t version;             /* to import again, by number; 0: it becomes a new one */
};

/*
 * Imports a key: unwrapped in the token, tried, and kept as a version of the key `key_name`. AES
 * and HMAC keys come as their bytes, private keys as PKCS#8 in DER. The version is ENABLED; it does
 * not become the primary. When this fails nothing is left of it.
 *
 * A version that was imported before and is DESTROYED (or IMPORT_FAILED) comes back with its number
 * when the same key is imported again; then what it encrypted can be decrypted once more.
 *
 * Two permissions are asked for, each with an audit entry: cloudkms.cryptoKeyVersions.create on the
 * key and cloudkms.importJobs.useToImport on the job.
 *
 * Errors: CLV_E_NOT_FOUND no such key, job or version; CLV_E_FAILED_PRECONDITION the job is not
 * ACTIVE, or the version to import again was generated or has its key still;
 * CLV_E_INVALID_ARGUMENT the algorithm does not fit, job and key are of different rings or
 * protection levels, the bytes do not unwrap to a key of that algorithm, or it is another key than
 * the version had; CLV_E_UNIMPLEMENTED keys of TOKEN residency; CLV_E_ABORTED the version changed
 * meanwhile.
 */
CLV_MUST_USE clv_rc clv_version_import(struct clv_ctx *ctx, const struct clv_caller *who,
				       const char *key_name, const struct clv_import *import,
				       struct clv_version *ret_version, struct clv_err *err);

/*
 * Wraps `key`, 1 to CLV_IMPORT_KEY_MAX bytes, for an import job with this public key: for those who
 * have a key in a file and no tool of their own. Needs no home and no token, and no policy is
 * asked. The result is appended to `ret_wrapped`, an initialised clv_buf of the caller's.
 *
 * Errors: CLV_E_INVALID_ARGUMENT not an RSA public key of the method's size, or `key` is too long
 * for the method.
 */
CLV_MUST_USE clv_rc clv_import_wrap(const char *public_key_pem, enum clv_import_method method,
				    const struct clv_secret *key, struct clv_buf *ret_wrapped,
				    struct clv_err *err);

#endif
