/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: one line of canonical JSON (sorted members, no blanks) for each operation,
 * appended with a single write so that several processes can share the file. This room writes
 * what it is told; it decides nothing.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <claviger/err.h>

#include "lib/base/auto.h"

struct audit;

/* Borrowed for the length of the call. Strings may be NULL: the member is left out. */
struct audit_entry {
	int64_t time;           /* ns since 1970 */
	uint64_t request;       /* unique for the operation */
	const char *principal;  /* who */
	const char *permission; /* what was asked, e.g. "cloudkms.cryptoKeyVersions.useToEncrypt" */
	const char *resource;   /* on what: a full name */
	const char *version;    /* the version used, where there is one */
	const char *rule;       /* which rule decided */
	const char *reason;     /* the caller's, for changes */
	const char *actor;      /* who acted as `principal` */
	const char *place;      /* where the actor said that it runs */
	const char *job_id, *component; /* as the caller said */
	clv_rc outcome;
	const char *error; /* text of the failure; NULL when outcome is CLV_OK */
};

/* Opens the log for appending, makes it (mode 0600) when missing; `dir` must exist.
 * Errors: CLV_E_UNAVAILABLE. Owned: end with audit_close(). Threads may share it. */
CLV_MUST_USE clv_rc audit_open(const char *dir, struct audit **ret_audit, struct clv_err *err);
struct audit *audit_close(struct audit *audit);
CLV_DEFINE_AUTO(struct audit, audit_close);

/*
 * Appends one entry. With `durable` it is on disk when this returns.
 * Errors: CLV_E_RESOURCE_EXHAUSTED no space; CLV_E_UNAVAILABLE otherwise. A torn line is cut off
 * again where possible, so that the log stays readable.
 */
CLV_MUST_USE clv_rc audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
				 struct clv_err *err);

/*
 * Makes sure that there is room for an entry and more, before something is done that must not go
 * without one. Other writers may still be faster. Errors: CLV_E_RESOURCE_EXHAUSTED there is none.
 */
CLV_MUST_USE clv_rc audit_make_room(struct audit *audit, struct clv_err *err);

uint64_t audit_size(struct audit *audit); /* bytes in the log now; 0 when it cannot be told */

#endif
