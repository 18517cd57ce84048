/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions. Not for carrying them out: lib/api/gate.c turns "allow" into a grant. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/policy/policy.h"

#include "lib/base/banned.h"

struct policy {
	_Atomic unsigned refs;
	char owner[CLV_PRINCIPAL_MAX];
};

clv_rc policy_compile(const char *owner, const struct policy_document *documents, size_t n,
		      struct policy **ret_policy, struct clv_err *err)
{
	struct policy *policy;

	if (n > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "no documents are known: %s",
				documents[0].name);
	policy = calloc(1, sizeof *policy);
	if (policy == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	atomic_store(&policy->refs, 1);
	snprintf(policy->owner, sizeof policy->owner, "%s", owner);
	*ret_policy = policy;
	return CLV_OK;
}

struct policy *policy_ref(struct policy *policy)
{
	atomic_fetch_add(&policy->refs, 1);
	return policy;
}

struct policy *policy_unref(struct policy *policy)
{
	if (policy != NULL && atomic_fetch_sub(&policy->refs, 1) == 1)
		free(policy);
	return NULL;
}

struct policy_verdict policy_decide(const struct policy *policy, const struct policy_ask *ask)
{
	struct policy_verdict verdict = { POLICY_DENIED, "default-deny", INT64_MIN, INT64_MAX };

	/* A home without an owner has no owner: it must not match a caller without a name. */
	if (policy->owner[0] != '\0' && strcmp(ask->principal, policy->owner) == 0) {
		verdict.refusal = POLICY_ALLOWED;
		verdict.rule = "home-owner";
	}
	return verdict;
}
