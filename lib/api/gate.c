/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: the only place that turns "allow" into a grant, and that writes the audit entry. The
 * policy itself is in lib/policy; the facts it needs are gathered here.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/base/grant_impl.h"
#include "lib/policy/policy.h"

/* A grant, and what the audit entry will say besides. */
struct gate_grant {
	struct clv_grant grant; /* first: the pointers are the same */
	const char *reason;
	bool change, lowering;
	char principal[CLV_PRINCIPAL_MAX];
};

static const struct gate_grant *own(const struct clv_grant *grant)
{
	return (const struct gate_grant *) grant;
}

/* The entry of a lowering change finds room on a full disk as well. */
static clv_rc append(struct clv_ctx *ctx, const struct gate_grant *grant,
		     const struct audit_entry *entry, struct clv_err *err)
{
	CLV_AUTO_DONE(api_loan_end) struct api_loan loan = { 0 };
	clv_rc rc = audit_append(ctx->audit, entry, grant->change, err);

	while (rc == CLV_E_RESOURCE_EXHAUSTED && grant->lowering && api_loan_draw(ctx, &loan))
		rc = audit_append(ctx->audit, entry, grant->change, err);
	return rc;
}

static clv_rc write_entry(struct clv_ctx *ctx, const struct gate_grant *grant, clv_rc rc,
			  const char *version, const char *text, struct clv_err *err)
{
	struct audit_entry entry = {
		.time = grant->grant.time,
		.request = grant->grant.request,
		.principal = grant->grant.principal,
		.permission = grant->grant.permission,
		.resource = grant->grant.resource,
		.version = version,
		.rule = grant->grant.rule,
		.reason = grant->reason,
		.outcome = rc,
		.error = rc == CLV_OK ? NULL : text,
	};

	return append(ctx, grant, &entry, err);
}

/*
 * A number that this process gives only once, spread like random ones so that those of other
 * processes hardly meet it: the steps and the mixing of SplitMix64, which maps no two numbers to
 * one, from a random start. It ties an answer to its entry and is no secret.
 */
static uint64_t next_request(struct clv_ctx *ctx)
{
	uint64_t z = atomic_fetch_add_explicit(&ctx->requests, UINT64_C(0x9e3779b97f4a7c15),
					       memory_order_relaxed);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static clv_rc new_grant(struct clv_ctx *ctx, const struct clv_caller *who,
			const struct gate_question *question, struct gate_grant **ret_grant,
			struct clv_err *err)
{
	const char *principal = who != NULL ? who->principal : ctx->principal;
	size_t len = principal != NULL ? strlen(principal) : CLV_PRINCIPAL_MAX;
	struct gate_grant *grant;

	if (len >= CLV_PRINCIPAL_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the caller's principal is missing or too long");
	grant = malloc(sizeof *grant);
	if (grant == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a decision");
	*grant = (struct gate_grant){ .grant = { .principal = grant->principal,
						 .permission = question->permission,
						 .resource = question->resource,
						 .time = clv_time_now(),
						 .request = next_request(ctx) },
				      .reason = question->reason,
				      .change = question->change,
				      .lowering = question->lowering };
	memcpy(grant->principal, principal, len + 1);
	*ret_grant = grant;
	return CLV_OK;
}

/*
 * What is allowed. A change that is not a lowering one is turned away while nothing is done yet
 * when there would be no room for its entry.
 */
static clv_rc allow(struct clv_ctx *ctx, struct gate_grant *grant, struct clv_grant **ret_grant,
		    struct clv_err *err)
{
	clv_rc rc = CLV_OK;

	if (grant->change && !grant->lowering)
		rc = audit_make_room(ctx->audit, err);
	if (rc != CLV_OK) {
		free(grant);
		return rc;
	}
	*ret_grant = &grant->grant;
	return CLV_OK;
}

clv_rc gate_ask(struct clv_ctx *ctx, const struct clv_caller *who,
		const struct gate_question *question, struct clv_grant **ret_grant,
		struct clv_err *err)
{
	struct gate_grant *grant = NULL;
	struct policy_verdict verdict;
	struct clv_err audit_err;
	clv_rc rc;

	CLV_TRY(new_grant(ctx, who, question, &grant, err));
	verdict =
		policy_decide(ctx->policy, &(struct policy_ask){ .principal = grant->principal,
								 .permission = question->permission,
								 .resource = question->resource,
								 .time = grant->grant.time });
	grant->grant.rule = verdict.rule;
	if (verdict.refusal == POLICY_ALLOWED)
		return allow(ctx, grant, ret_grant, err);
	rc = clv_fail(err, CLV_E_PERMISSION_DENIED,
		      "Permission '%s' denied on resource '%s' (or it may not exist).",
		      question->permission, question->resource);
	if (write_entry(ctx, grant, rc, NULL, err->text, &audit_err) != CLV_OK) {
		/* Denied stays denied; that the log is broken shows at the next thing allowed. */
	}
	free(grant);
	return rc;
}

clv_rc gate_answer(struct clv_ctx *ctx, const struct clv_grant *grant, clv_rc rc,
		   const char *version, struct clv_err *err)
{
	struct clv_err audit_err;
	clv_rc audit_rc;

	if (rc == CLV_OK && own(grant)->change)
		rc = api_seal_settle(ctx, err);
	audit_rc = write_entry(ctx, own(grant), rc, version, err->text, &audit_err);

	if (audit_rc == CLV_OK || rc != CLV_OK)
		return rc;
	return clv_fail(err, audit_rc, "%s, but its audit entry cannot be written: %.300s",
			own(grant)->change ? "the change was made" : "the operation was done",
			audit_err.text);
}

clv_rc gate_note(struct clv_ctx *ctx, const struct clv_grant *grant, const char *resource,
		 const char *what, struct clv_err *err)
{
	struct audit_entry entry = {
		.time = clv_time_now(),
		.principal = grant->principal,
		.permission = "claviger.system.recover",
		.resource = resource,
		.rule = grant->rule,
		.reason = what,
	};

	CLV_TRY(clv_random(&entry.request, sizeof entry.request, err));
	return audit_append(ctx->audit, &entry, true, err);
}

const char *gate_principal(const struct clv_grant *grant)
{
	return grant->principal;
}

struct clv_grant *gate_close(struct clv_grant *grant)
{
	free(grant);
	return NULL;
}
