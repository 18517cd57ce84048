/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of outcomes. Every exit status, HTTP status and wire name in
 * this project is read from it. Names and codes are those of google.rpc.Code,
 * which callers of Cloud KMS know already.
 */
#ifndef CLAVIGER_STATUS_H
#define CLAVIGER_STATUS_H

/* Names and numbers are API: append, never renumber. */
/*        code                       exit HTTP  wire name              what the caller should do */
#define CLV_STATUS_LIST(X)                                                                         \
	X(CLV_OK, 0, 200, "OK", "carry on")                                                        \
	X(CLV_E_INTERNAL, 1, 500, "INTERNAL", "report a bug")                                      \
	X(CLV_E_INVALID_ARGUMENT, 2, 400, "INVALID_ARGUMENT", "fix the request")                   \
	X(CLV_E_PERMISSION_DENIED, 3, 403, "PERMISSION_DENIED", "ask the policy owner")            \
	X(CLV_E_NOT_FOUND, 4, 404, "NOT_FOUND", "check the name")                                  \
	X(CLV_E_ALREADY_EXISTS, 5, 409, "ALREADY_EXISTS", "use the one that is there")             \
	X(CLV_E_UNAUTHENTICATED, 6, 401, "UNAUTHENTICATED", "log in again")                        \
	X(CLV_E_UNAVAILABLE, 7, 503, "UNAVAILABLE", "token or store away: retry")                  \
	X(CLV_E_RESOURCE_EXHAUSTED, 8, 429, "RESOURCE_EXHAUSTED", "slow down, then retry")         \
	X(CLV_E_FAILED_PRECONDITION, 9, 400, "FAILED_PRECONDITION", "revoked or wrong state")      \
	X(CLV_E_ABORTED, 10, 409, "ABORTED", "reread, then retry")                                 \
	X(CLV_E_DEADLINE_EXCEEDED, 11, 504, "DEADLINE_EXCEEDED", "retry after a pause")            \
	X(CLV_E_DATA_LOSS, 12, 400, "DATA_LOSS", "stop: data was altered (not 5xx)")               \
	X(CLV_E_UNIMPLEMENTED, 13, 400, "UNIMPLEMENTED", "not offered here (5xx is retried)")

#define CLV_STATUS_ENUM(code, exit_, http_, name_, hint_) code,
typedef enum clv_rc { CLV_STATUS_LIST(CLV_STATUS_ENUM) CLV_RC_COUNT } clv_rc;
#undef CLV_STATUS_ENUM

/* Static strings; never NULL, also for a value that is not in the list (that reads "INTERNAL"). */
const char *clv_rc_name(clv_rc rc);
const char *clv_rc_hint(clv_rc rc);
int clv_rc_exit(clv_rc rc); /* process exit status, 0..125 */
int clv_rc_http(clv_rc rc); /* HTTP status code */

#endif
