/* SPDX-License-Identifier: Apache-2.0 */
/* Policies and asks in a line each. */
#ifndef TESTS_UNIT_POLICY_WORLD_H
#define TESTS_UNIT_POLICY_WORLD_H

#include <stdio.h>
#include <string.h>

#include "tests/unit/base_check.h"

#include "lib/policy/impl.h"

#define DEMO "projects/demo"
#define RING DEMO "/locations/europe-west2/keyRings/london"
#define KEY RING "/cryptoKeys/orders"
#define VERSION KEY "/cryptoKeyVersions/1"
#define JOB RING "/importJobs/job"
#define ENCRYPT "cloudkms.cryptoKeyVersions.useToEncrypt"
#define DECRYPT "cloudkms.cryptoKeyVersions.useToDecrypt"
#define UPDATE "cloudkms.cryptoKeyVersions.update"
#define TIME(seconds) ((int64_t) (seconds) *CLV_NS_PER_S)
#define NEW_YEAR_2027 TIME(1798761600)

static inline struct policy_document policy_text(enum policy_kind kind, const char *name,
						 const char *text)
{
	return (struct policy_document){ kind, name, text, strlen(text) };
}

/* One that must compile. */
static inline struct policy *policy_of(const char *owner, const struct policy_document *documents,
				       size_t n)
{
	struct policy *policy = NULL;
	struct clv_err err = { 0 };
	clv_rc rc = policy_compile(owner, documents, n, &policy, &err);

	if (rc != CLV_OK)
		print_error("%s\n", err.text);
	assert_int_equal(rc, CLV_OK);
	return policy;
}

static inline struct policy_verdict policy_asked_at(const struct policy *policy,
						    const char *principal, const char *permission,
						    const char *resource, int64_t time)
{
	struct policy_ask ask = {
		.principal = principal, .permission = permission, .resource = resource, .time = time
	};
	struct clv_name name;
	struct clv_err err;

	if (clv_name_parse(resource, &name, &err) == CLV_OK)
		ask.name = &name;
	return policy_decide(policy, &ask);
}

static inline bool policy_allows(const struct policy *policy, const char *principal,
				 const char *permission, const char *resource)
{
	return policy_asked_at(policy, principal, permission, resource, TIME(1000)).refusal ==
	       POLICY_ALLOWED;
}

#endif
