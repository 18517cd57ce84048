/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for every policy, tried on random ones. CLV_TEST_SEED=N repeats a run; the seed is
 * printed.
 */
#include <stdlib.h>

#include "tests/unit/policy_world.h"

#define WORLDS 300
#define ASKS 60
#define BINDINGS_MAX 12

static uint64_t state_of_chance;

static uint32_t chance(uint32_t n)
{
	state_of_chance = state_of_chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t) (state_of_chance >> 33) % n;
}

#define PICK(list) ((list)[chance(CLV_ARRAY_LEN(list))])

static const char *const principals[] = { "user:ada", "user:bob@example.com", "user:eve",
					  "serviceAccount:w", "" };
static const char *const members[] = { "user:ada",         "user:eve",
				       "serviceAccount:w", "group:ops",
				       "group:night",      "domain:example.com",
				       "allUsers",         "allAuthenticatedUsers" };
static const char *const roles[] = { "roles/cloudkms.admin",
				     "roles/cloudkms.cryptoKeyDecrypter",
				     "roles/cloudkms.cryptoOperator",
				     "roles/viewer",
				     "roles/owner",
				     "roles/none" };
static const char *const permissions[] = { ENCRYPT, DECRYPT, UPDATE, "cloudkms.cryptoKeys.get",
					   "cloudkms.keyRings.list" };
static const char *const resources[] = { DEMO, RING, KEY, JOB };
static const char *const asked[] = { DEMO, DEMO "/locations/europe-west2", RING, KEY, VERSION,
				     JOB,  RING "/cryptoKeys/other" };
static const char *const conditions[] = {
	NULL,
	NULL,
	"request.time < timestamp('1970-01-01T00:10:00Z')",
	"request.time >= timestamp('1970-01-01T00:20:00Z') && request.time < "
	"timestamp('1970-01-01T00:40:00Z')",
	"resource.name.startsWith('" KEY "')",
	"resource.type == 'cloudkms.googleapis.com/CryptoKey' || request.time > "
	"timestamp('1970-01-01T00:30:00Z')",
};
static const char *const wrong[] = { "true", "!(1 == 2)", "resource.name",
				     "1",    "!",         "!resource.name.matches('x')" };

struct binding {
	const char *resource, *role, *member, *condition;
};

struct policies {
	struct binding binding[BINDINGS_MAX];
	size_t n;
};

static struct binding random_binding(void)
{
	return (struct binding){ PICK(resources), PICK(roles), PICK(members), PICK(conditions) };
}

/* Compiles them, without the one numbered `skip`. */
static struct policy *compile(const struct policies *policies, size_t skip)
{
	static const char groups[] =
		"{\"groups\":[{\"name\":\"group:ops\",\"members\":[\"user:ada\",\"group:night\"]},"
		"{\"name\":\"group:night\",\"members\":[\"serviceAccount:w\"]}]}";
	struct policy_document documents[CLV_ARRAY_LEN(resources) + 1];
	char *texts[CLV_ARRAY_LEN(resources)];
	struct policy *policy;

	documents[CLV_ARRAY_LEN(resources)] = policy_text(POLICY_GROUPS, "groups", groups);
	for (size_t r = 0; r < CLV_ARRAY_LEN(resources); r++) {
		json_t *list = json_array();
		json_t *whole = json_pack("{s:i, s:o}", "version", 3, "bindings", list);

		for (size_t i = 0; i < policies->n; i++) {
			const struct binding *b = &policies->binding[i];
			json_t *one;

			if (i == skip || strcmp(b->resource, resources[r]) != 0)
				continue;
			one = json_pack("{s:s, s:[s]}", "role", b->role, "members", b->member);
			if (b->condition != NULL)
				json_object_set_new(one, "condition",
						    json_pack("{s:s}", "expression", b->condition));
			json_array_append_new(list, one);
		}
		texts[r] = json_dumps(whole, 0);
		documents[r] = policy_text(POLICY_IAM, resources[r], texts[r]);
		json_decref(whole);
	}
	policy = policy_of("", documents, CLV_ARRAY_LEN(documents));
	for (size_t r = 0; r < CLV_ARRAY_LEN(resources); r++)
		free(texts[r]);
	return policy;
}

static void for_each_world(void (*check)(const struct policies *policies))
{
	for (unsigned world = 0; world < WORLDS; world++) {
		struct policies policies = { .n = 1 + chance(BINDINGS_MAX - 1) };

		for (size_t i = 0; i < policies.n; i++)
			policies.binding[i] = random_binding();
		check(&policies);
	}
}

/* Taking away one binding, which is adding it seen from the other side. */
static void check_one_less(const struct policies *policies)
{
	const size_t gone = chance((uint32_t) policies->n);
	struct policy *all = compile(policies, SIZE_MAX), *less = compile(policies, gone);

	for (unsigned i = 0; i < ASKS; i++) {
		const char *who = PICK(principals), *what = PICK(permissions), *on = PICK(asked);
		int64_t when = TIME(chance(3600));
		struct policy_verdict with = policy_asked_at(all, who, what, on, when);
		struct policy_verdict without = policy_asked_at(less, who, what, on, when);

		if (without.refusal == POLICY_ALLOWED && with.refusal != POLICY_ALLOWED)
			fail_msg("%s %s %s at %lld is allowed only without %s %s on %s", who, what,
				 on, (long long) when, policies->binding[gone].member,
				 policies->binding[gone].role, policies->binding[gone].resource);
	}
	policy_unref(all);
	policy_unref(less);
}

static void removing_a_binding_never_allows_more_and_adding_one_never_denies_more(void **state)
{
	(void) state;
	for_each_world(check_one_less);
}

/* A binding with a condition that is not understood is as good as none. */
static void check_wrong_condition(const struct policies *policies)
{
	const size_t broken = chance((uint32_t) policies->n);
	struct policies changed = *policies;
	struct policy *with, *without = compile(policies, broken);

	changed.binding[broken].condition = PICK(wrong);
	with = compile(&changed, SIZE_MAX);
	for (unsigned i = 0; i < ASKS; i++) {
		const char *who = PICK(principals), *what = PICK(permissions), *on = PICK(asked);
		int64_t when = TIME(chance(3600));

		assert_int_equal(policy_asked_at(with, who, what, on, when).refusal,
				 policy_asked_at(without, who, what, on, when).refusal);
	}
	policy_unref(with);
	policy_unref(without);
}

static void a_condition_that_is_not_understood_never_allows(void **state)
{
	(void) state;
	for_each_world(check_wrong_condition);
}

static void check_window(const struct policies *policies)
{
	struct policy *policy = compile(policies, SIZE_MAX);

	for (unsigned i = 0; i < ASKS; i++) {
		const char *who = PICK(principals), *what = PICK(permissions), *on = PICK(asked);
		int64_t when = TIME(chance(3600));
		struct policy_verdict v = policy_asked_at(policy, who, what, on, when);
		int64_t later = TIME(chance(3600));
		struct policy_verdict then = policy_asked_at(policy, who, what, on, later);

		assert_true(v.from <= when && when < v.until);
		if (later >= v.from && later < v.until)
			assert_string_equal(then.rule, v.rule);
	}
	policy_unref(policy);
}

static void a_verdict_holds_in_its_window(void **state)
{
	(void) state;
	for_each_world(check_window);
}

struct first {
	const char *rule;
};

static void take_first(void *arg, const struct iam_look *look)
{
	struct first *first = arg;

	if (first->rule == NULL && look->member != NULL && look->role_holds &&
	    look->condition == POLICY_TRUE)
		first->rule = look->binding->rule;
}

/* The way of the table and the way of the walk. */
static void check_walk(const struct policies *policies)
{
	struct policy *policy = compile(policies, SIZE_MAX);

	for (unsigned i = 0; i < ASKS; i++) {
		struct policy_ask ask = { .principal = PICK(principals),
					  .permission = PICK(permissions),
					  .resource = PICK(asked),
					  .time = TIME(chance(3600)) };
		struct first first = { NULL };
		struct clv_name name;
		struct clv_err err;

		assert_int_equal(clv_name_parse(ask.resource, &name, &err), CLV_OK);
		ask.name = &name;
		iam_walk(policy->iam, &ask, take_first, &first);
		assert_string_equal(policy_decide(policy, &ask).rule,
				    first.rule != NULL ? first.rule : "default-deny");
	}
	policy_unref(policy);
}

static void a_decision_is_what_a_walk_over_all_bindings_finds(void **state)
{
	(void) state;
	for_each_world(check_walk);
}

static int seed(void **state)
{
	const char *given = getenv("CLV_TEST_SEED");

	(void) state;
	if (given != NULL)
		state_of_chance = strtoull(given, NULL, 10);
	else
		state_of_chance = (uint64_t) clv_time_now();
	print_message("CLV_TEST_SEED=%llu\n", (unsigned long long) state_of_chance);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			removing_a_binding_never_allows_more_and_adding_one_never_denies_more),
		cmocka_unit_test(a_condition_that_is_not_understood_never_allows),
		cmocka_unit_test(a_verdict_holds_in_its_window),
		cmocka_unit_test(a_decision_is_what_a_walk_over_all_bindings_finds),
	};
	return cmocka_run_group_tests_name("policy_properties", tests, seed, NULL);
}
