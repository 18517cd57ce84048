/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No grant, no call. Every token operation and every stored change takes a grant and asserts
 * that it is there. Only the gate (lib/api/gate.c) turns "allow" into one, so that code which
 * forgot to ask does not compile. This guards against our own mistakes, not against an attacker
 * inside the process.
 */
#ifndef BASE_GRANT_H
#define BASE_GRANT_H

#include <assert.h>
#include <stddef.h>

struct clv_grant;

/* The closed list of things that happen without a caller asking for them. */
#define CLV_SYSTEM_REASONS(X)                                                                      \
	X(CLV_SYSTEM_PROBE, "probe")           /* finding out what a token can do */               \
	X(CLV_SYSTEM_CANARY, "canary")         /* is it the data or the token? */                  \
	X(CLV_SYSTEM_RECOVERY, "recovery")     /* finishing or undoing what a crash left */        \
	X(CLV_SYSTEM_HOME, "home")             /* making a home that has no owner yet */           \
	X(CLV_SYSTEM_SEAL, "seal")             /* sealing the catalogue's head, and the anchors */ \
	X(CLV_SYSTEM_CHECKPOINT, "checkpoint") /* signing the audit log's checkpoint */

#define CLV_SYSTEM_ENUM(id, text) id,
enum clv_system_reason { CLV_SYSTEM_REASONS(CLV_SYSTEM_ENUM) CLV_SYSTEM_COUNT };
#undef CLV_SYSTEM_ENUM

/* A grant for one of these reasons: static, never NULL. */
const struct clv_grant *clv_grant_system(enum clv_system_reason reason);

/* What the mechanism does with a grant: insist on one. */
static inline void clv_grant_assert(const struct clv_grant *grant)
{
	assert(grant != NULL);
	(void) grant;
}

#endif
