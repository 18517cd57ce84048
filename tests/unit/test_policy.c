/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include "lib/policy/policy.h"

static const struct {
	const char *principal, *home_owner;
	bool allow;
} cases[] = {
	{ "user:ada", "user:ada", true },
	{ "serviceAccount:etl", "serviceAccount:etl", true },
	{ "user:eve", "user:ada", false },
	{ "user:ada2", "user:ada", false }, /* a longer name */
	{ "user:ad", "user:ada", false },   /* a shorter one */
	{ "user:Ada", "user:ada", false },  /* case counts */
	{ "serviceAccount:ada", "user:ada", false },
	{ "ada", "user:ada", false },
	{ "", "user:ada", false },
	{ "user:ada", "", false },
	{ "", "", false }, /* nobody does not own what nobody owns */
};

static const char *const permissions[] = {
	"cloudkms.cryptoKeyVersions.useToEncrypt",
	"cloudkms.cryptoKeyVersions.update",
	"cloudkms.keyRings.create",
	"no.such.permission",
	"",
};

static void policy_allows_the_home_owner_and_denies_all_others(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		for (size_t p = 0; p < CLV_ARRAY_LEN(permissions); p++) {
			const struct policy_ask ask = {
				.principal = cases[i].principal,
				.permission = permissions[p],
				.resource = "projects/demo/locations/global",
			};
			struct policy *policy = NULL;
			struct clv_err err = { 0 };
			struct policy_verdict verdict;

			assert_int_equal(
				policy_compile(cases[i].home_owner, NULL, 0, &policy, &err),
				CLV_OK);
			verdict = policy_decide(policy, &ask);
			assert_int_equal(verdict.refusal == POLICY_ALLOWED, cases[i].allow);
			assert_string_equal(verdict.rule,
					    cases[i].allow ? "home-owner" : "default-deny");
			policy_unref(policy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_allows_the_home_owner_and_denies_all_others),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
