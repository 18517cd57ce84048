/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: the only place that turns "allow" into a grant, and that writes the audit entry. The
 * policy itself is in lib/policy; the facts it needs are gathered here.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/base/grant_impl.h"
#include "lib/policy/policy.h"

struct gate_case;

/* What the others see as a grant. */
struct gate_grant {
	struct clv_grant grant; /* first: the pointers are the same */
	struct gate_case *its_case;
};

/* One question to the policy, up to its answer: the grant, and what the audit entry will say
 * besides. Whatever of it is the caller's is borrowed, as in struct gate_question. */
struct gate_case {
	struct gate_grant grant;
	struct api_judge *judge; /* owned */
	struct policy_ask ask;
	const struct api_decision *decision; /* of the ask, borrowed from the judge; or NULL */
	struct clv_caller caller;            /* its actor is filled in */
	const char *rule; /* that counts by now; borrowed from the judge, or static */
	const char *reason;
	bool change, lowering, repair;
	char principal[CLV_PRINCIPAL_MAX];
};

static struct gate_case *case_of(const struct clv_grant *grant)
{
	return ((const struct gate_grant *) grant)->its_case;
}

static struct gate_case *case_free(struct gate_case *its)
{
	if (its != NULL)
		api_judge_release(its->judge);
	free(its);
	return NULL;
}
CLV_DEFINE_AUTO(struct gate_case, case_free);

/* The entry of a lowering change finds room on a full disk as well. */
static clv_rc append(struct clv_ctx *ctx, const struct gate_case *its,
		     const struct audit_entry *entry, struct clv_err *err)
{
	CLV_AUTO_DONE(api_loan_end) struct api_loan loan = { 0 };
	clv_rc rc = audit_append(ctx->audit, entry, its->change, err);

	while (rc == CLV_E_RESOURCE_EXHAUSTED && its->lowering && api_loan_draw(ctx, &loan))
		rc = audit_append(ctx->audit, entry, its->change, err);
	return rc;
}

static clv_rc write_entry(struct clv_ctx *ctx, const struct gate_case *its, clv_rc rc,
			  const char *version, const char *text, struct clv_err *err)
{
	const struct clv_grant *grant = &its->grant.grant;
	struct audit_entry entry = {
		.time = grant->time,
		.request = grant->request,
		.principal = grant->principal,
		.permission = grant->permission,
		.resource = grant->resource,
		.version = version,
		.rule = its->rule,
		.reason = its->reason,
		.actor = its->caller.actor,
		.place = its->caller.place,
		.job_id = its->caller.job_id,
		.component = its->caller.component,
		.outcome = rc,
		.error = rc == CLV_OK ? NULL : text,
	};

	return append(ctx, its, &entry, err);
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

/* ---- who asks ---- */

/* What a caller says of itself goes into the audit log, whose entries are short. */
static clv_rc check_label(const char *what, const char *text, struct clv_err *err)
{
	if (text == NULL || strlen(text) < CLV_CALLER_TEXT_MAX)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the caller's %s is too long: at most %d bytes", what,
			CLV_CALLER_TEXT_MAX - 1);
}

/* Who it says it is, or this process's own principal. */
static clv_rc read_caller(const struct clv_ctx *ctx, const struct clv_caller *who,
			  struct gate_case *its, struct clv_err *err)
{
	size_t len;

	its->caller = who != NULL ? *who : (struct clv_caller){ .principal = ctx->principal };
	len = its->caller.principal != NULL ? strlen(its->caller.principal) : CLV_PRINCIPAL_MAX;
	if (len >= sizeof its->principal)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the caller's principal is missing or too long");
	memcpy(its->principal, its->caller.principal, len + 1);
	CLV_TRY(check_label("actor", its->caller.actor, err));
	CLV_TRY(check_label("job id", its->caller.job_id, err));
	CLV_TRY(check_label("component", its->caller.component, err));
	if (its->caller.place != NULL)
		CLV_TRY(clv_id_check(CLV_NAME_LOCATION, its->caller.place, err));
	if (its->caller.actor == NULL && strcmp(its->principal, ctx->principal) != 0)
		its->caller.actor = ctx->principal;
	its->caller.principal = its->principal;
	return CLV_OK;
}

/* A place is given by who vouches for it: nobody says his own. */
static clv_rc check_actor(const struct clv_ctx *ctx, struct gate_case *its, struct clv_err *err)
{
	if ((its->caller.actor == NULL && its->caller.place == NULL) ||
	    strcmp(ctx->principal, ctx->info.owner) == 0)
		return CLV_OK;
	its->rule = "not-the-owner";
	return clv_fail(
		err, CLV_E_PERMISSION_DENIED,
		"%s may not act as another, or from a place it names: that is for the owner "
		"of the home, %s",
		ctx->principal, ctx->info.owner);
}

static clv_rc open_case(struct clv_ctx *ctx, const struct clv_caller *who,
			const struct gate_question *question, struct gate_case **ret_case,
			struct clv_err *err)
{
	CLV_AUTO(case_free) struct gate_case *its = malloc(sizeof *its);

	if (its == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a decision");
	*its = (struct gate_case){ .reason = question->reason,
				   .change = question->change,
				   .lowering = question->lowering,
				   .repair = question->repair };
	CLV_TRY(read_caller(ctx, who, its, err));
	its->grant = (struct gate_grant){ .grant = { .principal = its->principal,
						     .permission = question->permission,
						     .resource = question->resource,
						     .time = clv_time_now(),
						     .request = next_request(ctx) },
					  .its_case = its };
	its->ask = (struct policy_ask){ .principal = its->principal,
					.place = its->caller.place,
					.permission = question->permission,
					.resource = question->resource,
					.time = its->grant.grant.time,
					.protection = question->protection,
					.destroy_delay = question->destroy_delay };
	*ret_case = CLV_TAKE(its);
	return CLV_OK;
}

/* ---- what the policy says ---- */

/* The ask with its name taken apart: not done before it is needed. `name` outlives what is given.
 */
static struct policy_ask with_name(const struct policy_ask *asked, struct clv_name *name)
{
	struct policy_ask ask = *asked;
	struct clv_err ignored;

	if (clv_name_parse(ask.resource, name, &ignored) == CLV_OK)
		ask.name = name;
	return ask;
}

static clv_rc refuse(const struct gate_case *its, const struct policy_ask *asked,
		     const struct policy_verdict *verdict, struct clv_err *err)
{
	char why[POLICY_WHY_MAX];
	struct clv_name name;
	const struct policy_ask ask = with_name(asked, &name);

	if (verdict->refusal == POLICY_DENIED)
		return clv_fail(err, CLV_E_PERMISSION_DENIED,
				"Permission '%s' denied on resource '%s' (or it may not exist).",
				ask.permission, ask.resource);
	policy_why(api_judge_policy(its->judge), &ask, verdict, why);
	return clv_fail(err,
			verdict->refusal == POLICY_PLACE ? CLV_E_PERMISSION_DENIED
							 : CLV_E_FAILED_PRECONDITION,
			"%s", why);
}

static clv_rc follow(struct gate_case *its, const struct policy_ask *ask,
		     const struct policy_verdict *verdict, struct clv_err *err)
{
	if (verdict->refusal == POLICY_ALLOWED)
		return CLV_OK;
	its->rule = verdict->rule;
	return refuse(its, ask, verdict, err);
}

/* With documents that cannot be read, only the owner can set them anew, and switch things off. */
static clv_rc judge_without_documents(const struct clv_ctx *ctx, struct gate_case *its,
				      struct clv_err *err)
{
	clv_rc rc = api_judge_check(its->judge, err);

	if (rc == CLV_OK || ((its->repair || its->lowering) && ctx->info.owner[0] != '\0' &&
			     strcmp(its->principal, ctx->info.owner) == 0))
		return CLV_OK;
	its->rule = "unreadable-policy";
	return rc;
}

static clv_rc judge(struct clv_ctx *ctx, struct gate_case *its, struct clv_err *err)
{
	CLV_TRY(judge_without_documents(ctx, its, err));
	its->decision = api_judge_decide(its->judge, &its->ask);
	CLV_TRY(follow(its, &its->ask, &its->decision->verdict, err));
	its->rule = its->decision->verdict.rule;
	its->grant.grant.rule = its->rule;
	return CLV_OK;
}

static clv_rc ask(struct clv_ctx *ctx, struct gate_case *its, struct clv_err *err)
{
	CLV_TRY(check_actor(ctx, its, err));
	CLV_TRY(api_judge_acquire(ctx, &its->judge, err));
	return judge(ctx, its, err);
}

clv_rc gate_ask(struct clv_ctx *ctx, const struct clv_caller *who,
		const struct gate_question *question, struct clv_grant **ret_grant,
		struct clv_err *err)
{
	CLV_AUTO(case_free) struct gate_case *its = NULL;
	struct clv_err audit_err;
	clv_rc rc;

	CLV_TRY(open_case(ctx, who, question, &its, err));
	rc = ask(ctx, its, err);
	if (rc != CLV_OK) {
		its->lowering = false; /* what is kept for a full disk is not for refusals */
		if (write_entry(ctx, its, rc, NULL, err->text, &audit_err) != CLV_OK) {
			/* Refused stays refused; that the log is broken shows at the next thing
			 * allowed. */
		}
		return rc;
	}
	/* A change that is not a lowering one is turned away while nothing is done yet when there
	 * would be no room for its entry. */
	if (its->change && !its->lowering)
		CLV_TRY(audit_make_room(ctx->audit, err));
	*ret_grant = &CLV_TAKE(its)->grant.grant;
	return CLV_OK;
}

/* ---- what is known later ---- */

/* Whoever was allowed before may not be any more. */
static clv_rc ask_again(struct api_worker *worker, struct gate_case *its, struct clv_err *err)
{
	if (api_judge_is_current(its->judge))
		return CLV_OK;
	CLV_TRY(api_judge_refresh(its->judge, worker->store, err));
	return judge(worker->ctx, its, err);
}

/* What is remembered with the decision, where that will do. */
static struct policy_verdict verdict_with(struct gate_case *its, const struct policy_facts *facts)
{
	const unsigned at = (unsigned) (facts->protection - API_PROTECTION_FIRST);
	struct clv_name name;
	struct policy_ask ask;

	if (its->decision != NULL && facts->state == CLV_STATE_ENABLED && at < API_PROTECTIONS)
		return its->decision->with[at];
	ask = with_name(&its->ask, &name);
	return policy_decide_facts(api_judge_policy(its->judge), &ask, facts);
}

clv_rc gate_check(struct api_worker *worker, const struct clv_grant *grant,
		  const struct policy_facts *facts, struct clv_err *err)
{
	struct gate_case *its = case_of(grant);
	struct policy_verdict verdict;

	CLV_TRY(ask_again(worker, its, err));
	verdict = verdict_with(its, facts);
	return follow(its, &its->ask, &verdict, err);
}

clv_rc gate_check_again(struct api_worker *worker, const struct clv_grant *grant,
			struct clv_err *err)
{
	return ask_again(worker, case_of(grant), err);
}

/* As the owner, whom constraints hold for and nothing else. */
clv_rc gate_check_made(struct api_worker *worker, const struct clv_grant *grant,
		       const struct gate_question *question, struct clv_err *err)
{
	struct gate_case *its = case_of(grant);
	const struct policy_ask made = { .principal = worker->ctx->info.owner,
					 .permission = question->permission,
					 .resource = question->resource,
					 .time = its->ask.time,
					 .protection = question->protection,
					 .destroy_delay = question->destroy_delay };
	struct policy_verdict verdict;

	CLV_TRY(ask_again(worker, its, err));
	verdict = api_judge_decide(its->judge, &made)->verdict;
	its->decision = NULL; /* its place may have been taken */
	return follow(its, &made, &verdict, err);
}

clv_rc gate_policy(struct api_worker *worker, const struct clv_grant *grant,
		   const struct policy **ret_policy, bool *ret_readable, struct clv_err *err)
{
	struct gate_case *its = case_of(grant);
	struct clv_err ignored;

	CLV_TRY(ask_again(worker, its, err));
	*ret_policy = api_judge_policy(its->judge);
	*ret_readable = api_judge_check(its->judge, &ignored) == CLV_OK;
	return CLV_OK;
}

clv_rc gate_raises(struct clv_ctx *ctx, const struct clv_grant *grant, struct clv_err *err)
{
	case_of(grant)->lowering = false;
	return audit_make_room(ctx->audit, err);
}

int64_t gate_destroy_delay_min(const struct clv_grant *grant, const char *project)
{
	return policy_destroy_delay_min(api_judge_policy(case_of(grant)->judge), project);
}

/* ---- the answer ---- */

clv_rc gate_answer(struct clv_ctx *ctx, const struct clv_grant *grant, clv_rc rc,
		   const char *version, struct clv_err *err)
{
	struct clv_err audit_err;
	const struct gate_case *its = case_of(grant);
	clv_rc audit_rc;

	if (rc == CLV_OK && its->change)
		rc = api_seal_settle(ctx, err);
	audit_rc = write_entry(ctx, its, rc, version, err->text, &audit_err);

	if (audit_rc == CLV_OK || rc != CLV_OK)
		return rc;
	return clv_fail(err, audit_rc, "%s, but its audit entry cannot be written: %.300s",
			its->change ? "the change was made" : "the operation was done",
			audit_err.text);
}

/* ---- without a grant ---- */

static clv_rc test(struct clv_ctx *ctx, struct gate_case *its, const char *const *permissions,
		   size_t n, bool *ret_held, struct clv_err *err)
{
	CLV_TRY(check_actor(ctx, its, err));
	CLV_TRY(api_judge_acquire(ctx, &its->judge, err));
	CLV_TRY(api_judge_check(its->judge, err));
	for (size_t i = 0; i < n; i++) {
		if (!policy_permission_known(api_judge_policy(its->judge), permissions[i]))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"there is no permission %.100s", permissions[i]);
	}
	for (size_t i = 0; i < n; i++)
		ret_held[i] = api_judge_holds(its->judge, &its->ask, permissions[i]);
	return CLV_OK;
}

clv_rc gate_test(struct clv_ctx *ctx, const struct clv_caller *who, const char *resource,
		 const char *const *permissions, size_t n, bool *ret_held, struct clv_err *err)
{
	CLV_AUTO(case_free) struct gate_case *its = NULL;
	const struct gate_question question = { .permission = "claviger.permissions.test",
						.resource = resource };
	bool held[CLV_IAM_TEST_MAX];
	clv_rc rc;

	assert(n <= CLV_ARRAY_LEN(held));
	CLV_TRY(open_case(ctx, who, &question, &its, err));
	its->rule = "open-to-all";
	rc = test(ctx, its, permissions, n, held, err);
	CLV_TRY(gate_answer(ctx, &its->grant.grant, rc, NULL, err));
	memcpy(ret_held, held, n * sizeof *held);
	return CLV_OK;
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
	if (grant != NULL)
		case_free(case_of(grant));
	return NULL;
}
