/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/policy_world.h"

#define BIND(role, members) "{\"role\":\"" role "\",\"members\":[" members "]}"
#define BIND_IF(role, members, condition)                                                          \
	"{\"role\":\"" role "\",\"members\":[" members "],\"condition\":{\"title\":\"t\","         \
	"\"expression\":\"" condition "\"}}"
#define POLICY(bindings) "{\"version\":3,\"etag\":\"ACAB\",\"bindings\":[" bindings "]}"
#define USER(name) "\"user:" name "\""
#define DECRYPTER "roles/cloudkms.cryptoKeyDecrypter"
#define ENCRYPTER "roles/cloudkms.cryptoKeyEncrypter"
#define POOL "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool"

static struct policy *world(void)
{
	static const char groups[] =
		"{\"groups\":[{\"name\":\"group:ops\",\"members\":[\"user:oda\",\"group:night\"]},"
		"{\"name\":\"group:night\",\"members\":[\"user:nil\",\"domain:night.example\"]}]}";
	const struct policy_document documents[] = {
		policy_text(POLICY_ROLE, DEMO "/roles/looker",
			    "{\"name\":\"" DEMO "/roles/looker\",\"includedPermissions\":"
			    "[\"cloudkms.cryptoKeys.get\"]}"),
		policy_text(POLICY_IAM, DEMO,
			    POLICY(BIND("roles/cloudkms.admin", USER("ada")) "," BIND(
				    DECRYPTER, "\"group:ops\"") "," BIND(DEMO "/roles/looker",
									 USER("lou")))),
		policy_text(POLICY_IAM, RING,
			    POLICY(BIND(ENCRYPTER, "\"allAuthenticatedUsers\"") "," BIND(
				    "roles/cloudkms.publicKeyViewer", "\"allUsers\""))),
		policy_text(POLICY_IAM, KEY,
			    POLICY(BIND(DECRYPTER, "\"serviceAccount:w@x\",\"domain:example.com\","
						   "\"principal:" POOL
						   "/subject/s\"") "," BIND("roles/"
									    "cloudkms."
									    "signer",
									    "\"principalSe"
									    "t:" POOL "/*\""))),
		policy_text(POLICY_IAM, JOB, POLICY(BIND("roles/cloudkms.importer", USER("imp")))),
		policy_text(POLICY_GROUPS, "groups", groups),
	};

	return policy_of("user:owner", documents, CLV_ARRAY_LEN(documents));
}

#define SIGN "cloudkms.cryptoKeyVersions.useToSign"
#define VIEW "cloudkms.cryptoKeyVersions.viewPublicKey"
#define OTHER_KEY RING "/cryptoKeys/orders2"
#define OTHER_RING DEMO "/locations/europe-west2/keyRings/london2"

static const struct {
	const char *principal, *permission, *resource;
	const char *rule; /* NULL: denied */
} asks[] = {
	/* union down the tree; a version is asked as its key */
	{ "user:ada", UPDATE, DEMO, "binding:" DEMO "#roles/cloudkms.admin" },
	{ "user:ada", UPDATE, VERSION, "binding:" DEMO "#roles/cloudkms.admin" },
	{ "user:ada", UPDATE, "projects/demo2", NULL },
	{ "user:ada", UPDATE, "projects/dem", NULL },
	{ "user:ada", DECRYPT, KEY, NULL }, /* who administers does not use */
	{ "user:ada", "cloudkms.locations.get", DEMO "/locations/global",
	  "binding:" DEMO "#roles/cloudkms.admin" },
	{ "user:Ada", UPDATE, DEMO, NULL },
	{ "user:adam", UPDATE, DEMO, NULL },
	{ "serviceAccount:ada", UPDATE, DEMO, NULL },
	/* groups in groups, and a domain in one */
	{ "user:oda", DECRYPT, KEY, "binding:" DEMO "#" DECRYPTER },
	{ "user:nil", DECRYPT, KEY, "binding:" DEMO "#" DECRYPTER },
	{ "user:x@night.example", DECRYPT, KEY, "binding:" DEMO "#" DECRYPTER },
	{ "user:x@Night.Example", DECRYPT, KEY, "binding:" DEMO "#" DECRYPTER },
	{ "user:x@more.night.example", DECRYPT, KEY, NULL },
	{ "group:ops", DECRYPT, KEY, NULL }, /* a group cannot call */
	/* everybody */
	{ "user:anybody", ENCRYPT, KEY, "binding:" RING "#" ENCRYPTER },
	{ "principal://x/y", ENCRYPT, RING, "binding:" RING "#" ENCRYPTER },
	{ "", ENCRYPT, KEY, NULL },
	{ "allAuthenticatedUsers", ENCRYPT, KEY, NULL },
	{ "", VIEW, KEY, "binding:" RING "#roles/cloudkms.publicKeyViewer" },
	{ "user:anybody", VIEW, VERSION, "binding:" RING "#roles/cloudkms.publicKeyViewer" },
	{ "user:anybody", ENCRYPT, OTHER_RING, NULL },
	{ "user:anybody", ENCRYPT, DEMO, NULL }, /* never up */
	/* one key */
	{ "serviceAccount:w@x", DECRYPT, VERSION, "binding:" KEY "#" DECRYPTER },
	{ "serviceAccount:w@x", DECRYPT, OTHER_KEY, NULL },
	{ "serviceAccount:w@x", DECRYPT, RING, NULL },
	{ "user:any@example.com", DECRYPT, KEY, "binding:" KEY "#" DECRYPTER },
	{ "serviceAccount:any@example.com", DECRYPT, KEY, NULL },
	{ "user:any@notexample.com", DECRYPT, KEY, NULL },
	{ "domain:example.com", DECRYPT, KEY, NULL },
	{ "principal:" POOL "/subject/s", DECRYPT, KEY, "binding:" KEY "#" DECRYPTER },
	{ "principal:" POOL "/subject/t", DECRYPT, KEY, NULL },
	{ "principal:" POOL "/subject/t", SIGN, KEY, "binding:" KEY "#roles/cloudkms.signer" },
	{ "principal:" POOL "2/subject/t", SIGN, KEY, NULL },
	{ "principal:" POOL, SIGN, KEY, NULL },
	/* custom roles, import jobs, what there is not */
	{ "user:lou", "cloudkms.cryptoKeys.get", KEY, "binding:" DEMO "#" DEMO "/roles/looker" },
	{ "user:lou", "cloudkms.cryptoKeys.list", KEY, NULL },
	{ "user:imp", "cloudkms.importJobs.useToImport", JOB,
	  "binding:" JOB "#roles/cloudkms.importer" },
	{ "user:imp", "cloudkms.importJobs.useToImport", RING "/importJobs/job2", NULL },
	{ "user:owner", "no.such.permission", "anything", "home-owner" },
	{ "user:ada", "no.such.permission", DEMO, NULL },
	{ "user:ada", UPDATE, "anything", NULL },
	{ "user:ada", UPDATE, DEMO "/", NULL },
};

static void bindings_give_what_they_say_and_nothing_else(void **state)
{
	struct policy *policy = world();

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(asks); i++) {
		struct policy_verdict verdict = policy_asked_at(
			policy, asks[i].principal, asks[i].permission, asks[i].resource, 0);
		const char *rule = asks[i].rule != NULL ? asks[i].rule : "default-deny";

		if ((verdict.refusal == POLICY_ALLOWED) != (asks[i].rule != NULL) ||
		    strcmp(verdict.rule, rule) != 0)
			fail_msg("%s %s %s: %s", asks[i].principal, asks[i].permission,
				 asks[i].resource, verdict.rule);
		assert_true(verdict.from == INT64_MIN && verdict.until == INT64_MAX);
	}
	policy_unref(policy);
}

static void a_binding_ends_when_its_condition_says(void **state)
{
	const struct policy_document document = policy_text(
		POLICY_IAM, KEY,
		POLICY(BIND_IF(
			DECRYPTER, USER("eve"),
			"request.time < timestamp('2027-01-01T00:00:00Z')") "," BIND_IF(DECRYPTER,
											USER("vic"),
											"resource."
											"name == "
											"'" VERSION
											"'")));
	struct policy *policy = policy_of("", &document, 1);
	struct policy_verdict before, after;

	(void) state;
	before = policy_asked_at(policy, "user:eve", DECRYPT, KEY, NEW_YEAR_2027 - 1);
	after = policy_asked_at(policy, "user:eve", DECRYPT, KEY, NEW_YEAR_2027);
	assert_int_equal(before.refusal, POLICY_ALLOWED);
	assert_true(before.from == INT64_MIN && before.until == NEW_YEAR_2027);
	assert_int_equal(after.refusal, POLICY_DENIED);
	assert_true(after.from == NEW_YEAR_2027 && after.until == INT64_MAX);
	assert_true(policy_allows(policy, "user:vic", DECRYPT, VERSION));
	assert_false(policy_allows(policy, "user:vic", DECRYPT, KEY));
	policy_unref(policy);
}

/* They cannot be set; if they are there all the same they give nothing. */
static void what_is_not_understood_gives_nothing(void **state)
{
	static const char *const texts[] = {
		POLICY(BIND_IF(DECRYPTER, USER("eve"), "true")),
		POLICY(BIND_IF(DECRYPTER, USER("eve"), "!false")),
		POLICY(BIND_IF(DECRYPTER, USER("eve"), "")),
		POLICY(BIND_IF(DECRYPTER, USER("eve"), "!resource.name.matches('x')")),
		POLICY(BIND("roles/cloudkms.god", USER("eve"))),
		POLICY(BIND("projects/other/roles/looker", USER("eve"))),
		POLICY(BIND(DEMO "/roles/off", USER("eve"))),
		POLICY(BIND(DECRYPTER, "\"eve\",\"\",\"user:\",7,null,\"user:ev e\"")),
		POLICY(BIND(DECRYPTER, "\"deleted:user:eve?uid=1\"")),
	};

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(texts); i++) {
		const struct policy_document documents[] = {
			policy_text(POLICY_ROLE, DEMO "/roles/off",
				    "{\"includedPermissions\":[\"" DECRYPT "\"],"
				    "\"stage\":\"DISABLED\"}"),
			policy_text(POLICY_ROLE, "projects/other/roles/looker",
				    "{\"includedPermissions\":[\"" DECRYPT "\"]}"),
			policy_text(POLICY_IAM, KEY, texts[i]),
		};
		struct policy *policy = policy_of("", documents, 3);

		if (policy_allows(policy, "user:eve", DECRYPT, KEY) ||
		    policy_allows(policy, "deleted:user:eve?uid=1", DECRYPT, KEY))
			fail_msg("%s", texts[i]);
		policy_unref(policy);
	}
}

static const struct {
	const char *name, *text;
	const char *says; /* NULL: accepted */
} settings[] = {
	{ KEY, "{}", NULL },
	{ KEY, POLICY(""), NULL },
	{ DEMO, POLICY(BIND(DECRYPTER, USER("eve"))), NULL },
	{ KEY, POLICY(BIND(DECRYPTER, "\"deleted:user:eve?uid=1\",\"group:nobody-knows\"")), NULL },
	{ KEY, POLICY(BIND(DEMO "/roles/looker", USER("eve"))), NULL },
	{ KEY, POLICY(BIND_IF(DECRYPTER, USER("eve"), "resource.type == 'x'")), NULL },
	{ VERSION, POLICY(""), "has no policy of its own" },
	{ DEMO "/locations/global", POLICY(""), "has no policy of its own" },
	{ "folders/f", POLICY(""), "projects" },
	{ KEY, "[]", "JSON object" },
	{ KEY, "{\"bindings\":[],\"bindings\":[]}", "no JSON" },
	{ KEY, "{\"auditConfigs\":[]}", "auditConfigs" },
	{ KEY, "{\"bindings\":{}}", "array" },
	{ KEY, "{\"version\":2}", "0, 1 or 3" },
	{ KEY, "{\"version\":\"3\"}", "0, 1 or 3" },
	{ KEY, "{\"etag\":3}", "etag" },
	{ KEY, POLICY("7"), "binding 1" },
	{ KEY, POLICY("{\"members\":[]}"), "role" },
	{ KEY, POLICY(BIND("roles/cloudkms.god", USER("eve"))),
	  "Role \"roles/cloudkms.god\" is not supported for this resource." },
	{ KEY, POLICY(BIND("projects/other/roles/looker", USER("eve"))), "not supported" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"eve\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"user:\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"allusers\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"allUsersX\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"domain:Example.com\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"deleted:user:eve\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "\"user:e ve\"")), "no member" },
	{ KEY, POLICY(BIND(DECRYPTER, "7")), "must be a string" },
	{ KEY, POLICY(BIND_IF(DECRYPTER, USER("eve"), "true")), "the condition" },
	{ KEY,
	  "{\"version\":1,\"bindings\":[" BIND_IF(DECRYPTER, USER("eve"),
						  "resource.type=='x'") "]}",
	  "must be 3" },
	{ KEY, POLICY("{\"role\":\"" DECRYPTER "\",\"condition\":{\"title\":\"no expression\"}}"),
	  "expression" },
};

static void what_cannot_hold_is_refused_when_it_is_set(void **state)
{
	struct policy *policy = world();

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(settings); i++) {
		const struct policy_document document =
			policy_text(POLICY_IAM, settings[i].name, settings[i].text);
		struct clv_err err = { 0 };
		clv_rc rc = policy_check_document(policy, &document, &err);

		if (rc != (settings[i].says == NULL ? CLV_OK : CLV_E_INVALID_ARGUMENT))
			fail_msg("%s: %d %s", settings[i].text, (int) rc, err.text);
		if (settings[i].says != NULL && strstr(err.text, settings[i].says) == NULL)
			fail_msg("%s: %s", settings[i].text, err.text);
	}
	policy_unref(policy);
}

static clv_rc check_members(const struct policy *policy, const char *kind, unsigned n)
{
	static char text[200000];
	struct policy_document document;
	struct clv_err err;
	size_t used = (size_t) snprintf(text, sizeof text,
					"{\"bindings\":[{\"role\":\"" DECRYPTER "\",\"members\":[");

	for (unsigned i = 0; i < n; i++)
		used += (size_t) snprintf(text + used, sizeof text - used, "%s\"%s:m%u\"",
					  i == 0 ? "" : ",", kind, i);
	snprintf(text + used, sizeof text - used, "]}]}");
	document = policy_text(POLICY_IAM, KEY, text);
	return policy_check_document(policy, &document, &err);
}

static void a_policy_has_so_many_members_and_no_more(void **state)
{
	struct policy *policy = world();

	(void) state;
	assert_int_equal(check_members(policy, "user", 1500), CLV_OK);
	assert_int_equal(check_members(policy, "user", 1501), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(check_members(policy, "group", 250), CLV_OK);
	assert_int_equal(check_members(policy, "group", 251), CLV_E_INVALID_ARGUMENT);
	policy_unref(policy);
}

#define GROUP(name, members) "{\"name\":\"group:" name "\",\"members\":[" members "]}"

static const struct {
	const char *text, *says;
} group_documents[] = {
	{ "{\"groups\":[]}", NULL },
	{ "{\"groups\":[" GROUP("a", "\"group:b\"") "," GROUP("b", USER("x")) "]}", NULL },
	{ "{\"groups\":[" GROUP("a", "\"group:b\",\"group:c\"") "," GROUP("b", "\"group:d\"") "," //
	  GROUP("c", "\"group:d\"") "]}",
	  NULL },
	{ "{\"groups\":[{\"name\":\"principalSet:" POOL "/group/g\",\"members\":[]}]}", NULL },
	{ "{\"groups\":[{\"name\":\"principalSet:" POOL "/*\",\"members\":[]}]}", "no pool" },
	{ "{}", "groups" },
	{ "{\"groups\":[],\"more\":1}", "more" },
	{ "{\"groups\":[" GROUP("a", "\"group:a\"") "]}", "inside itself" },
	{ "{\"groups\":[" GROUP("a", "\"group:b\"") "," GROUP("b", "\"group:a\"") "]}",
	  "inside itself" },
	{ "{\"groups\":[" GROUP("x", "\"user:u\"") "," GROUP("a", "\"group:b\"") "," //
	  GROUP("b", "\"group:c\",\"group:x\"") "," GROUP("c", "\"group:a\"") "]}",
	  "inside itself" },
	{ "{\"groups\":[" GROUP("a", "") "," GROUP("a", "") "]}", "twice" },
	{ "{\"groups\":[" GROUP("a", "\"allUsers\"") "]}", "cannot be in a group" },
	{ "{\"groups\":[" GROUP("a", "\"ada\"") "]}", "cannot be in a group" },
	{ "{\"groups\":[" GROUP("a", "1") "]}", "cannot be in a group" },
	{ "{\"groups\":[{\"name\":\"user:a\",\"members\":[]}]}", "its name must be" },
	{ "{\"groups\":[{\"name\":\"group:a\"}]}", "members" },
};

static void groups_are_refused_in_a_circle(void **state)
{
	struct policy *policy = world();

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(group_documents); i++) {
		const struct policy_document document =
			policy_text(POLICY_GROUPS, "groups", group_documents[i].text);
		struct policy *compiled = NULL;
		struct clv_err err = { 0 };
		clv_rc rc = policy_check_document(policy, &document, &err);
		clv_rc wanted = group_documents[i].says == NULL ? CLV_OK : CLV_E_INVALID_ARGUMENT;

		if (rc != wanted ||
		    (rc != CLV_OK && strstr(err.text, group_documents[i].says) == NULL))
			fail_msg("%s: %d %s", group_documents[i].text, (int) rc, err.text);
		assert_int_equal(policy_compile("", &document, 1, &compiled, &err), wanted);
		policy_unref(compiled);
	}
	policy_unref(policy);
}

/* A chain of n groups, the user in the innermost. */
static clv_rc check_chain(unsigned n)
{
	static char text[10000];
	struct policy_document document;
	struct clv_err err;
	size_t used = (size_t) snprintf(text, sizeof text, "{\"groups\":[");

	for (unsigned i = 0; i < n; i++)
		used += (size_t) snprintf(text + used, sizeof text - used,
					  "{\"name\":\"group:g%u\",\"members\":[\"%s%u\"]},", i + 1,
					  i == 0 ? "user:u" : "group:g", i);
	snprintf(text + used - 1, sizeof text - used, "]}");
	document = policy_text(POLICY_GROUPS, "groups", text);
	return groups_check(&document, &err);
}

static void groups_nest_so_deep_and_no_deeper(void **state)
{
	(void) state;
	assert_int_equal(check_chain(16), CLV_OK);
	assert_int_equal(check_chain(17), CLV_E_INVALID_ARGUMENT);
}

#define ROLE(more) "{\"name\":\"" DEMO "/roles/mine\"," more "}"

static const struct {
	const char *name, *text, *says;
} role_documents[] = {
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[\"" DECRYPT "\"]"), NULL },
	{ DEMO "/roles/mine",
	  ROLE("\"title\":\"T\",\"description\":\"D\",\"stage\":\"BETA\",\"etag\":\"x\","
	       "\"deleted\":false,\"includedPermissions\":[]"),
	  NULL },
	{ DEMO "/roles/mine", "{\"includedPermissions\":[]}", "name" },
	{ DEMO "/roles/mine", "{\"name\":\"other\",\"includedPermissions\":[]}", "says another" },
	{ DEMO "/roles/mine", ROLE("\"stage\":\"GA\""), "includedPermissions" },
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[\"cloudkms.keys.get\"]"),
	  "not a permission" },
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[\"cloudkms.*\"]"),
	  "not a permission" },
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[7]"), "must be a string" },
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[],\"stage\":\"NEW\""), "stage" },
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[],\"x\":1"), "\"x\"" },
	{ DEMO "/roles/mine", ROLE("\"includedPermissions\":[],\"deleted\":1"), "deleted" },
	{ "roles/mine", "{}", "custom role" },
	{ DEMO "/roles/my", "{}", "custom role" },
	{ DEMO "/roles/my-role", "{}", "custom role" },
	{ "projects/Demo/roles/mine", "{}", "project" },
};

static void custom_roles_hold_permissions_that_there_are(void **state)
{
	struct policy *policy = world();

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(role_documents); i++) {
		const struct policy_document document =
			policy_text(POLICY_ROLE, role_documents[i].name, role_documents[i].text);
		struct clv_err err = { 0 };
		clv_rc rc = policy_check_document(policy, &document, &err);

		if (rc != (role_documents[i].says == NULL ? CLV_OK : CLV_E_INVALID_ARGUMENT) ||
		    (rc != CLV_OK && strstr(err.text, role_documents[i].says) == NULL))
			fail_msg("%s %s: %d %s", role_documents[i].name, role_documents[i].text,
				 (int) rc, err.text);
	}
	policy_unref(policy);
}

static void roles_are_told_as_json(void **state)
{
	struct policy *policy = world();
	struct clv_buf text = { 0 };
	struct clv_err err;
	json_t *json;

	(void) state;
	assert_int_equal(policy_role_text(policy, DEMO "/roles/looker", &text, &err), CLV_OK);
	json = json_loadb((const char *) text.data, text.len, 0, NULL);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json, "includedPermissions"), 0)),
		"cloudkms.cryptoKeys.get");
	json_decref(json);
	clv_buf_done(&text);
	assert_int_equal(policy_role_text(policy, "roles/none", &text, &err), CLV_E_NOT_FOUND);
	assert_int_equal(policy_role_list(policy, "demo", &text, &err), CLV_OK);
	json = json_loadb((const char *) text.data, text.len, 0, NULL);
	assert_int_equal(json_array_size(json), 1);
	json_decref(json);
	clv_buf_done(&text);
	assert_int_equal(policy_role_list(policy, NULL, &text, &err), CLV_OK);
	json = json_loadb((const char *) text.data, text.len, 0, NULL);
	assert_int_equal(json_array_size(json), policy_n_role_files);
	json_decref(json);
	clv_buf_done(&text);
	assert_true(policy_permission_known(policy, DECRYPT));
	assert_false(policy_permission_known(policy, "cloudkms.*"));
	policy_unref(policy);
}

#define ADMIN "roles/cloudkms.admin"

/* What holds on the project and the key, what is set on which, and whether that may be. */
static const struct {
	const char *project, *key, *name, *text;
	bool fine;
} duties[] = {
	{ POLICY(""), POLICY(""), KEY, POLICY(BIND(DECRYPTER, USER("a"))), true },
	{ POLICY(""), POLICY(""), KEY,
	  POLICY(BIND(DECRYPTER, USER("a")) "," BIND(ADMIN, USER("b"))), true },
	{ POLICY(""), POLICY(""), KEY,
	  POLICY(BIND(DECRYPTER, USER("a")) "," BIND(ADMIN, USER("a"))), false },
	{ POLICY(BIND(ADMIN, USER("a"))), POLICY(""), KEY, POLICY(BIND(DECRYPTER, USER("a"))),
	  false },
	{ POLICY(BIND(ADMIN, USER("a"))), POLICY(""), KEY, POLICY(BIND(DECRYPTER, USER("b"))),
	  true },
	/* the other way round: what is below counts */
	{ POLICY(""), POLICY(BIND(DECRYPTER, USER("a"))), DEMO, POLICY(BIND(ADMIN, USER("a"))),
	  false },
	{ POLICY(""), POLICY(BIND(DECRYPTER, USER("a"))), DEMO, POLICY(BIND(ADMIN, "\"group:g\"")),
	  false },
	{ POLICY(BIND(ADMIN, "\"group:g\"")), POLICY(""), KEY,
	  POLICY(BIND(DECRYPTER, "\"group:h\"")), false },
	/* what is replaced does not */
	{ POLICY(""), POLICY(BIND(ADMIN, USER("a"))), KEY, POLICY(BIND(DECRYPTER, USER("a"))),
	  true },
	{ POLICY(""), POLICY(BIND(DEMO "/roles/mine", USER("a"))), DEMO,
	  POLICY(BIND(ADMIN, USER("a"))), false },
	{ POLICY(""), POLICY(""), DEMO, POLICY(BIND("roles/owner", USER("a"))), false },
};

static void duties_stay_apart_when_policies_are_set(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(duties); i++) {
		const struct policy_document documents[] = {
			policy_text(POLICY_IAM, DEMO, duties[i].project),
			policy_text(POLICY_IAM, KEY, duties[i].key),
			policy_text(POLICY_GROUPS, "groups",
				    "{\"groups\":[{\"name\":\"group:g\",\"members\":[\"user:a\"]},"
				    "{\"name\":\"group:h\",\"members\":[\"user:a\"]}]}"),
			policy_text(POLICY_ROLE, DEMO "/roles/mine",
				    "{\"includedPermissions\":[\"" DECRYPT "\"]}"),
			policy_text(POLICY_CONSTRAINT, DEMO "/policies/claviger.separationOfDuties",
				    "{\"name\":\"" DEMO "/policies/claviger.separationOfDuties\","
				    "\"spec\":{\"rules\":[{\"enforce\":true}]}}"),
		};
		const struct policy_document set =
			policy_text(POLICY_IAM, duties[i].name, duties[i].text);
		struct policy *policy = policy_of("", documents, CLV_ARRAY_LEN(documents));
		struct clv_err err = { 0 };
		clv_rc rc = policy_check_document(policy, &set, &err);

		policy_unref(policy);
		if (rc != (duties[i].fine ? CLV_OK : CLV_E_FAILED_PRECONDITION))
			fail_msg("%zu %s: %d %s", i, duties[i].text, (int) rc, err.text);
	}
}

struct walk {
	unsigned n, deciding;
	char members[512];
};

static void note(void *arg, const struct iam_look *look)
{
	struct walk *walk = arg;
	const size_t used = strlen(walk->members);

	walk->n++;
	walk->deciding +=
		look->member != NULL && look->role_holds && look->condition == POLICY_TRUE;
	if (look->member != NULL)
		snprintf(walk->members + used, sizeof walk->members - used, "%s#%s ", look->member,
			 look->role);
}

static void a_walk_shows_every_binding_that_counts(void **state)
{
	struct policy *policy = world();
	const struct policy_ask ask = { .principal = "user:nil",
					.permission = DECRYPT,
					.resource = VERSION,
					.name = &(struct clv_name){ .kind = CLV_NAME_VERSION } };
	struct walk walk = { 0 };

	(void) state;
	iam_walk(policy->iam, &ask, note, &walk);
	assert_int_equal(walk.n, 7); /* of project, key ring and key */
	assert_int_equal(walk.deciding, 1);
	assert_string_equal(walk.members, "group:ops#" DECRYPTER " allAuthenticatedUsers#" ENCRYPTER
					  " allUsers#roles/cloudkms.publicKeyViewer ");
	policy_unref(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bindings_give_what_they_say_and_nothing_else),
		cmocka_unit_test(a_binding_ends_when_its_condition_says),
		cmocka_unit_test(what_is_not_understood_gives_nothing),
		cmocka_unit_test(what_cannot_hold_is_refused_when_it_is_set),
		cmocka_unit_test(a_policy_has_so_many_members_and_no_more),
		cmocka_unit_test(groups_are_refused_in_a_circle),
		cmocka_unit_test(groups_nest_so_deep_and_no_deeper),
		cmocka_unit_test(custom_roles_hold_permissions_that_there_are),
		cmocka_unit_test(roles_are_told_as_json),
		cmocka_unit_test(duties_stay_apart_when_policies_are_set),
		cmocka_unit_test(a_walk_shows_every_binding_that_counts),
	};
	return cmocka_run_group_tests_name("policy_iam", tests, NULL, NULL);
}
