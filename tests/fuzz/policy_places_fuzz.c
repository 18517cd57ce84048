/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of locations, components and constraints, by the first byte: none crashes, what may be
 * set also compiles, and a constraint never gives what there was not before it. */
#include <stdlib.h>
#include <string.h>

#include "lib/policy/explain.h"
#include "lib/policy/places.h"
#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "policy_places";

#define KEY "projects/demo/locations/europe-west2/keyRings/r/cryptoKeys/k"
#define OWNER "user:owner"

static const struct {
	enum policy_kind kind;
	const char *name;
} kinds[] = {
	{ POLICY_LOCATIONS, "locations" },
	{ POLICY_COMPONENTS, "components" },
	{ POLICY_CONSTRAINT, "projects/demo/policies/gcp.resourceLocations" },
	{ POLICY_CONSTRAINT, "projects/demo/policies/cloudkms.allowedProtectionLevels" },
	{ POLICY_CONSTRAINT, "projects/demo/policies/cloudkms.minimumDestroyScheduledDuration" },
	{ POLICY_CONSTRAINT, "projects/demo/policies/claviger.separationOfDuties" },
	{ POLICY_CONSTRAINT, KEY "/policies/claviger.callerLocations" },
};

static void check_decisions(const struct policy *policy)
{
	static const char *const people[] = { OWNER, "user:eve", "" };
	static const char *const places[] = { NULL, "europe-west2-b", "x", "global" };
	struct clv_name name;
	struct clv_err err;

	FUZZ_CHECK(clv_name_parse(KEY, &name, &err) == CLV_OK);
	for (size_t i = 0; i < 12; i++) {
		const struct policy_ask ask = {
			.principal = people[i % 3],
			.place = places[i % 4],
			.permission = "cloudkms.cryptoKeyVersions.useToDecrypt",
			.resource = KEY,
			.name = &name,
		};
		const struct policy_facts facts = { CLV_PROTECTION_SOFTWARE, CLV_STATE_ENABLED };
		struct policy_verdict verdict = policy_decide(policy, &ask);
		struct clv_buf out = { 0 };
		char why[POLICY_WHY_MAX];

		FUZZ_CHECK(verdict.refusal != POLICY_ALLOWED || i % 3 == 0);
		if (verdict.refusal == POLICY_PLACE)
			policy_why(policy, &ask, &verdict, why);
		policy_decide_facts(policy, &ask, &facts);
		FUZZ_CHECK(policy_explain(policy, &ask, &facts, &out, &err) == CLV_OK);
		clv_buf_done(&out);
	}
	FUZZ_CHECK(policy_destroy_delay_min(policy, "demo") >= 0);
}

static bool check_compiled(const struct policy_document *document)
{
	struct policy *policy = NULL;
	struct clv_buf findings = { 0 };
	struct clv_err err;

	if (policy_compile(OWNER, document, 1, &policy, &err) != CLV_OK) {
		FUZZ_CHECK(policy == NULL && err.text[0] != '\0');
		return false;
	}
	check_decisions(policy);
	FUZZ_CHECK(policy_lint(policy, NULL, 0, &findings, &err) == CLV_OK);
	clv_buf_done(&findings);
	policy_unref(policy);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy *empty;
	struct policy_document document;
	struct clv_err err;
	char *text;

	if (size < 1)
		return 0;
	if (empty == NULL)
		FUZZ_CHECK(policy_compile(OWNER, NULL, 0, &empty, &err) == CLV_OK);
	text = malloc(size); /* of its own size, so that a sanitizer sees a read behind its end */
	FUZZ_CHECK(text != NULL);
	memcpy(text, data + 1, size - 1);
	document = (struct policy_document){
		.kind = kinds[data[0] % (sizeof kinds / sizeof kinds[0])].kind,
		.name = kinds[data[0] % (sizeof kinds / sizeof kinds[0])].name,
		.text = text,
		.len = size - 1
	};
	if (policy_check_document(empty, &document, &err) == CLV_OK)
		FUZZ_CHECK(check_compiled(&document));
	else
		check_compiled(&document);
	free(text);
	return 0;
}
