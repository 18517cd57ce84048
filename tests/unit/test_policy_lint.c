/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/policy_world.h"

#define BIND(role, members) "{\"role\":\"" role "\",\"members\":[" members "]}"
#define POLICY(bindings) "{\"version\":3,\"bindings\":[" bindings "]}"
#define ADMIN "roles/cloudkms.admin"
#define DECRYPTER "roles/cloudkms.cryptoKeyDecrypter"

/* A policy of the project, one of the key, and "id where" of what is found, in this order. */
static const struct {
	const char *project, *key, *found;
} cases[] = {
	{ POLICY(BIND(ADMIN, "\"user:ada\"")), POLICY(BIND(DECRYPTER, "\"user:eve\"")), "" },
	{ POLICY(BIND(ADMIN, "\"user:ada\"") "," BIND(DECRYPTER, "\"user:ada\"")), POLICY(""),
	  "admin-can-decrypt " DEMO "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\"")), POLICY(BIND(DECRYPTER, "\"user:ada\"")),
	  "admin-can-decrypt " KEY "\n" },
	/* by way of groups: ada is in ops and devs */
	{ POLICY(BIND(ADMIN, "\"group:ops\"")), POLICY(BIND(DECRYPTER, "\"group:devs\"")),
	  "admin-can-decrypt " KEY "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\",\"allUsers\"")), POLICY(""),
	  "grant-to-everybody " DEMO "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\"")),
	  POLICY(BIND("roles/cloudkms.verifier", "\"allAuthenticatedUsers\"")),
	  "grant-to-everybody " KEY "\n" },
	{ POLICY(BIND("roles/editor", "\"serviceAccount:s\"")), POLICY(""),
	  "basic-role-of-a-service " DEMO "\n" },
	{ POLICY(""), POLICY(BIND(DECRYPTER, "\"user:eve\"")), "key-without-admin " KEY "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\"") "," BIND("roles/none", "\"user:ada\"")), POLICY(""),
	  "role-unknown " DEMO "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\",\"group:ghosts\"")), POLICY(""),
	  "group-without-members " DEMO "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\",\"deleted:user:x?uid=1\"")), POLICY(""),
	  "member-deleted " DEMO "\n" },
	{ POLICY(BIND(ADMIN, "\"user:ada\"")),
	  POLICY("{\"role\":\"" DECRYPTER "\",\"members\":[\"user:eve\"],\"condition\":"
		 "{\"expression\":\"true\"}}"),
	  "condition-unknown " KEY "\n" },
	/* the gravest first */
	{ POLICY(BIND(ADMIN, "\"user:ada\",\"group:ghosts\"")),
	  POLICY(BIND(DECRYPTER, "\"user:ada\"")),
	  "admin-can-decrypt " KEY "\ngroup-without-members " DEMO "\n" },
};

static void found_in(const struct policy *policy, char *text, size_t size)
{
	const char *const keys[] = { KEY };
	struct clv_buf buf = { 0 };
	struct clv_err err;
	json_t *findings, *finding;
	size_t i, used = 0;

	text[0] = '\0';
	assert_int_equal(policy_lint(policy, keys, 1, &buf, &err), CLV_OK);
	findings = json_loadb((const char *) buf.data, buf.len, 0, NULL);
	assert_true(json_is_array(findings));
	json_array_foreach(findings, i, finding)
	{
		used += (size_t) snprintf(text + used, size - used, "%s %s\n",
					  json_string_value(json_object_get(finding, "id")),
					  json_string_value(json_object_get(finding, "where")));
		assert_true(json_is_string(json_object_get(finding, "text")));
	}
	json_decref(findings);
	clv_buf_done(&buf);
}

static void lint_finds_what_is_risky_and_nothing_else(void **state)
{
	static const char groups[] =
		"{\"groups\":[{\"name\":\"group:ops\",\"members\":[\"user:ada\"]},"
		"{\"name\":\"group:devs\",\"members\":[\"user:ada\",\"user:eve\"]}]}";
	char found[2000];

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		const struct policy_document documents[] = {
			policy_text(POLICY_GROUPS, "groups", groups),
			policy_text(POLICY_IAM, DEMO, cases[i].project),
			policy_text(POLICY_IAM, KEY, cases[i].key),
		};
		struct policy *policy = policy_of("user:owner", documents, 3);

		found_in(policy, found, sizeof found);
		policy_unref(policy);
		if (strcmp(found, cases[i].found) != 0)
			fail_msg("%s %s:\n%s", cases[i].project, cases[i].key, found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lint_finds_what_is_risky_and_nothing_else),
	};
	return cmocka_run_group_tests_name("policy_lint", tests, NULL, NULL);
}
