/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A home and an open context on it. A home is a folder: catalogue, gate file, audit log, and for
 * the demo a SoftHSM token directory. Several processes may use one home at once.
 */
#ifndef CLAVIGER_CTX_H
#define CLAVIGER_CTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/err.h>

/* An open home. Shared by all threads of the process; do not use it in a child after fork(). */
struct clv_ctx;

#define CLV_CALLER_TEXT_MAX 256 /* bytes of what a caller says of itself, with the final NUL */

/* Who asks. Borrowed for the length of the call. Another than this process's own principal, and a
 * place, are taken from the owner of the home only, and written down with who acted. */
struct clv_caller {
	const char *principal; /* "user:ada", "serviceAccount:..."; authenticated by whoever fills
				  it in */
	const char *place;     /* location it runs in, from its identity; NULL: from the registry of
				  components, or not known */
	const char *actor;     /* who acts as `principal`; NULL: it does so itself */
	const char *job_id;    /* for the audit entry, as the caller says; NULL: none */
	const char *component; /* likewise */
};

/* How to make a home. Borrowed for the length of the call. */
struct clv_home_options {
	const char *home;    /* folder; made when missing, must be empty otherwise */
	const char *project; /* NULL: "demo" */
	bool allow_unlocked_memory;
};

/*
 * Makes an empty home, owned by the user this process runs as: a catalogue, a gate file and an
 * audit log, no location yet. Readable by its owner only.
 * Errors: CLV_E_ALREADY_EXISTS the folder is not empty; CLV_E_INVALID_ARGUMENT; CLV_E_UNAVAILABLE;
 * CLV_E_RESOURCE_EXHAUSTED no space, or memory cannot be locked.
 */
CLV_MUST_USE clv_rc clv_home_create(const struct clv_home_options *options, struct clv_err *err);

/* How to open a home. Borrowed for the length of the call. */
struct clv_ctx_options {
	const char *home;
	unsigned deadline_ms;  /* longest wait for a lock, a session or those inside; 0: 10,000 */
	unsigned max_sessions; /* PKCS#11 sessions for each token; 0: 16, never above the token's
				  limit */
	bool allow_unlocked_memory;
};

/*
 * Opens a home. Loads no PKCS#11 module: tokens are opened when first needed, so that what needs
 * no token works without one.
 * On CLV_OK the caller owns *ret_ctx and ends it with clv_ctx_free().
 * Errors: CLV_E_NOT_FOUND no home there; CLV_E_FAILED_PRECONDITION made by a newer Claviger;
 *         CLV_E_DATA_LOSS the catalogue is damaged; CLV_E_PERMISSION_DENIED another user's home;
 *         CLV_E_RESOURCE_EXHAUSTED memory cannot be locked; CLV_E_UNAVAILABLE.
 */
CLV_MUST_USE clv_rc clv_ctx_open(const struct clv_ctx_options *options, struct clv_ctx **ret_ctx,
				 struct clv_err *err);

/* Logs out of the tokens and closes everything. No call may be under way. NULL is fine; returns
 * NULL. */
struct clv_ctx *clv_ctx_free(struct clv_ctx *ctx);

/* The project of the home, borrowed until clv_ctx_free(). */
const char *clv_ctx_project(const struct clv_ctx *ctx);

/* Who this process is, "user:NAME": what a caller that is NULL stands for. Borrowed likewise. */
const char *clv_ctx_principal(const struct clv_ctx *ctx);

#endif
