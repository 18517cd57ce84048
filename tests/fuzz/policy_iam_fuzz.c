/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of roles, groups and bindings, by the first byte: none crashes, what may be set also
 * compiles, and a refusal says something. Somebody whom no document names is never given more than
 * everybody. */
#include <string.h>

#include "lib/policy/impl.h"
#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "policy_iam";

#define KEY "projects/demo/locations/global/keyRings/r/cryptoKeys/k"

static void look(void *arg, const struct iam_look *seen)
{
	FUZZ_CHECK(seen->role != NULL && seen->resource != NULL);
	if (seen->member != NULL && seen->role_holds && seen->condition == POLICY_TRUE)
		*(bool *) arg = true;
}

static void check_decisions(const struct policy *policy)
{
	static const char *const principals[] = { "user:ada", "user:eve@example.com",
						  "serviceAccount:w", "" };
	struct clv_name name;
	struct clv_err err;
	struct permission_set most;

	FUZZ_CHECK(clv_name_parse(KEY, &name, &err) == CLV_OK);
	for (size_t i = 0; i < sizeof principals / sizeof principals[0]; i++) {
		const struct policy_ask ask = {
			.principal = principals[i],
			.permission = "cloudkms.cryptoKeyVersions.useToDecrypt",
			.resource = KEY,
			.name = &name,
		};
		struct policy_verdict verdict = policy_decide(policy, &ask);
		bool allowed = false;

		iam_walk(policy->iam, &ask, look, &allowed);
		FUZZ_CHECK(allowed == (verdict.refusal == POLICY_ALLOWED));
		FUZZ_CHECK(verdict.from <= 0 && 0 < verdict.until);
		iam_most(policy->iam, principals[i], KEY, &most);
	}
}

/* Compiles it; whether that works. */
static bool check_compiled(const struct policy_document *document)
{
	struct policy *policy = NULL;
	struct clv_buf findings = { 0 };
	const char *const keys[] = { KEY };
	struct clv_err err;

	if (policy_compile("", document, 1, &policy, &err) != CLV_OK) {
		FUZZ_CHECK(policy == NULL && err.text[0] != '\0');
		return false;
	}
	check_decisions(policy);
	FUZZ_CHECK(policy_lint(policy, keys, 1, &findings, &err) == CLV_OK);
	clv_buf_done(&findings);
	policy_unref(policy);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		enum policy_kind kind;
		const char *name;
	} kinds[] = { { POLICY_IAM, KEY },
		      { POLICY_ROLE, "projects/demo/roles/mine" },
		      { POLICY_GROUPS, "groups" } };
	static struct policy *empty;
	struct policy_document document;
	struct clv_err err;
	char *text;

	if (size < 1)
		return 0;
	if (empty == NULL)
		FUZZ_CHECK(policy_compile("", NULL, 0, &empty, &err) == CLV_OK);
	text = malloc(size); /* of its own size, so that a sanitizer sees a read behind its end */
	FUZZ_CHECK(text != NULL);
	memcpy(text, data + 1, size - 1);
	document = (struct policy_document){ .kind = kinds[data[0] % 3].kind,
					     .name = kinds[data[0] % 3].name,
					     .text = text,
					     .len = size - 1 };
	if (policy_check_document(empty, &document, &err) == CLV_OK)
		FUZZ_CHECK(check_compiled(&document));
	else
		check_compiled(&document);
	free(text);
	return 0;
}
