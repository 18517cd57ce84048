/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IAM policies: who holds which role on a project, a key ring, a key or an import job, and so on
 * what lies below it. Policies are JSON as Cloud KMS has it:
 *   {"version":3,"bindings":[{"role":"...","members":["..."],"condition":{...}}],"etag":"..."}
 * Versions have none: what holds for their key holds for them. claviger-policy(5) has the rest.
 */
#ifndef CLAVIGER_IAM_H
#define CLAVIGER_IAM_H

#include <claviger/buf.h>
#include <claviger/ctx.h>

/*
 * Appends the policy of `resource`, a full name, as JSON text. What was never set reads
 * {"etag":"ACAB"}. Permission: cloudkms.{keyRings,cryptoKeys,importJobs}.getIamPolicy or
 * resourcemanager.projects.getIamPolicy.
 * Errors: CLV_E_INVALID_ARGUMENT no name of such a thing; CLV_E_PERMISSION_DENIED;
 * CLV_E_NOT_FOUND.
 */
CLV_MUST_USE clv_rc clv_iam_get(struct clv_ctx *ctx, const struct clv_caller *who,
				const char *resource, struct clv_buf *ret_policy,
				struct clv_err *err);

/*
 * Puts `policy` in the place of what is there, and appends it with its new etag. An etag in
 * `policy` must be that of what is there; without one it is overwritten. Taking members away needs
 * neither token nor free space. Permission: ...setIamPolicy. Audited.
 * Errors: CLV_E_INVALID_ARGUMENT a role, member or condition that is not known, naming it;
 * CLV_E_FAILED_PRECONDITION a constraint forbids it; CLV_E_PERMISSION_DENIED; CLV_E_NOT_FOUND;
 * CLV_E_ABORTED somebody else was faster: read, modify and write again.
 */
CLV_MUST_USE clv_rc clv_iam_set(struct clv_ctx *ctx, const struct clv_caller *who,
				const char *resource, struct clv_bytes policy,
				struct clv_buf *ret_policy, struct clv_err *err);

#define CLV_IAM_TEST_MAX 100 /* permissions in one call */

/*
 * Which of `permissions` the caller holds on `resource`; constraints are not asked. Says nothing
 * about whether it exists. ret_held has `n` places. Needs no permission.
 * Errors: CLV_E_INVALID_ARGUMENT a permission that is not known, or too many.
 */
CLV_MUST_USE clv_rc clv_iam_test(struct clv_ctx *ctx, const struct clv_caller *who,
				 const char *resource, const char *const *permissions, size_t n,
				 bool *ret_held, struct clv_err *err);

#endif
