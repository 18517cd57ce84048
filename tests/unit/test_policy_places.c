/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places: what is inside what, what constraints refuse and what they never refuse, explanations,
 * and a page of decisions for people: a change of any shows as a difference to
 * tests/snapshots/policy/places.txt, and somebody has to want it.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "lib/policy/action.h"
#include "lib/policy/explain.h"
#include "lib/policy/places.h"
#include "tests/unit/policy_world.h"

#define OWNER "user:owner"
#define WORKER "serviceAccount:worker@example.com"
#define GLOBAL_KEY DEMO "/locations/global/keyRings/world/cryptoKeys/orders"
#define CONSTRAINT(name) DEMO "/policies/" name
#define SPEC(name, rules) "{\"name\":\"" name "\",\"spec\":{\"rules\":[" rules "]}}"
#define VALUES(list) "{\"values\":{\"allowedValues\":[" list "]}}"
#define DENIED(list) "{\"values\":{\"deniedValues\":[" list "]}}"

static struct policy_document constraint(const char *name, const char *text)
{
	return policy_text(POLICY_CONSTRAINT, name, text);
}
#define SET(name, rules) constraint(CONSTRAINT(name), SPEC(CONSTRAINT(name), rules))

static struct policy_verdict ask_from(const struct policy *policy, const char *principal,
				      const char *place, const char *permission,
				      const char *resource)
{
	struct policy_ask ask = { .principal = principal,
				  .place = place,
				  .permission = permission,
				  .resource = resource,
				  .time = TIME(1000) };
	struct clv_name name;
	struct clv_err err;

	assert_int_equal(clv_name_parse(resource, &name, &err), CLV_OK);
	ask.name = &name;
	return policy_decide(policy, &ask);
}

/* ---- locations */

static const char tree[] = "{\"locations\":[{\"id\":\"dc-milan\",\"in\":[\"europe\"]},"
			   "{\"id\":\"dc-milan-a\",\"in\":[\"dc-milan\"]},{\"id\":\"ship\"}],"
			   "\"groups\":[{\"name\":\"in:bank-locations\",\"locations\":"
			   "[\"dc-milan\",\"europe-west2\"]}]}";

static void place_is_inside_what_is_around_it(void **state)
{
	static const struct {
		const char *place, *other;
		bool inside;
	} table[] = {
		{ "europe-west2", "europe-west2", true },
		{ "europe-west2", "europe", true },
		{ "europe-west2-b", "europe-west2", true },
		{ "europe-west2-b", "europe", true },
		{ "europe", "europe-west2", false },
		{ "europe-west2", "europe-west1", false },
		{ "europe-west2", "us", false },
		{ "europe-west2", "global", false },
		{ "global", "global", true },
		{ "global", "europe", false },
		{ "dc-milan-a", "dc-milan", true },
		{ "dc-milan-a", "europe", true },
		{ "ship", "ship", true },
		{ "ship", "europe", false },
		{ "atlantis", "atlantis", true },
		{ "atlantis", "europe", false },
		{ "europe-west2", "atlantis", false },
		{ "europe-west2-z", "europe-west2", false },
		{ "europe-west20", "europe-west2", false },
		{ "europe-west10", "europe-west1", false },
		{ "atlantis-b", "atlantis", false },
	};
	const struct policy_document document = policy_text(POLICY_LOCATIONS, "locations", tree);
	struct policy *policy = policy_of(OWNER, &document, 1);

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (location_inside(&policy->places->locations, table[i].place, table[i].other) !=
		    table[i].inside)
			fail_msg("%s in %s", table[i].place, table[i].other);
	}
	policy_unref(policy);
}

static void value_holds_what_it_names(void **state)
{
	static const struct {
		const char *value, *place;
		bool holds;
	} table[] = {
		{ "europe-west2", "europe-west2", true },
		{ "europe-west2", "europe-west2-a", true },
		{ "europe", "europe-west2", true },
		{ "is:europe", "europe-west2", false },
		{ "is:europe", "europe", true },
		{ "in:europe-west2-locations", "europe-west2-c", true },
		{ "in:europe-west2-locations", "europe", false },
		{ "in:europe-locations", "europe-west9", true },
		{ "in:eu-locations", "europe-west9", true },
		{ "in:eu-locations", "europe-west2", false },
		{ "in:us-locations", "us-east1", true },
		{ "in:bank-locations", "dc-milan-a", true },
		{ "in:bank-locations", "europe-west1", false },
		{ "in:nowhere-locations", "europe-west1", false },
		{ "atlantis", "atlantis", true },
		{ "in:atlantis-locations", "atlantis", false },
		{ "in:global-locations", "global", true },
		{ "in:europe-locations", "global", false },
	};
	const struct policy_document document = policy_text(POLICY_LOCATIONS, "locations", tree);
	struct policy *policy = policy_of(OWNER, &document, 1);

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (location_value_holds(&policy->places->locations, table[i].value,
					 table[i].place) != table[i].holds)
			fail_msg("%s of %s", table[i].place, table[i].value);
	}
	policy_unref(policy);
}

/* ---- what is refused when it is set */

static void documents_that_say_nothing_sensible_are_refused(void **state)
{
	static const struct {
		enum policy_kind kind;
		const char *name, *text, *part;
	} table[] = {
		{ POLICY_LOCATIONS, "locations", "{\"locations\":[{\"id\":\"x\",\"in\":[\"x\"]}]}",
		  "inside itself" },
		{ POLICY_LOCATIONS, "locations",
		  "{\"locations\":[{\"id\":\"x\",\"in\":[\"y\"]},{\"id\":\"y\",\"in\":[\"x\"]}]}",
		  "inside itself" },
		{ POLICY_LOCATIONS, "locations", "{\"locations\":[{\"id\":\"Big\"}]}",
		  "location id" },
		{ POLICY_LOCATIONS, "locations", "{\"locations\":[{\"in\":[]}]}", "\"id\"" },
		{ POLICY_LOCATIONS, "locations", "{\"places\":[]}", "places" },
		{ POLICY_LOCATIONS, "locations", "{\"groups\":[{\"name\":\"x\",\"locations\":[]}]}",
		  "begins with in:" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.other"),
		  SPEC(CONSTRAINT("gcp.other"), "{\"enforce\":true}"), "no constraint" },
		{ POLICY_CONSTRAINT, KEY "/policies/gcp.resourceLocations",
		  SPEC(KEY "/policies/gcp.resourceLocations", VALUES("\"global\"")),
		  "is set for a project" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.resourceLocations"),
		  SPEC(CONSTRAINT("gcp.resourceLocations"), "{\"enforce\":true}"), "enforce" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.resourceLocations"),
		  SPEC(CONSTRAINT("gcp.resourceLocations"), ""), "no rule" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.resourceLocations"),
		  SPEC(CONSTRAINT("claviger.callerLocations"), VALUES("\"global\"")),
		  "another \"name\"" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.resourceLocations"),
		  SPEC(CONSTRAINT("gcp.resourceLocations"), VALUES("7")), "must be a string" },
		{ POLICY_CONSTRAINT, CONSTRAINT("cloudkms.disableBeforeDestroy"),
		  SPEC(CONSTRAINT("cloudkms.disableBeforeDestroy"), VALUES("\"x\"")), "values" },
		{ POLICY_CONSTRAINT, CONSTRAINT("cloudkms.allowedProtectionLevels"),
		  SPEC(CONSTRAINT("cloudkms.allowedProtectionLevels"), VALUES("\"is:GOLD\"")),
		  "SOFTWARE or HSM" },
		{ POLICY_CONSTRAINT, CONSTRAINT("cloudkms.minimumDestroyScheduledDuration"),
		  SPEC(CONSTRAINT("cloudkms.minimumDestroyScheduledDuration"),
		       VALUES("\"in:7xd\"")),
		  "in:1d" },
		{ POLICY_CONSTRAINT, CONSTRAINT("cloudkms.minimumDestroyScheduledDuration"),
		  SPEC(CONSTRAINT("cloudkms.minimumDestroyScheduledDuration"),
		       VALUES("\"in:121d\"")),
		  "in:120d" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.restrictNonCmekServices"),
		  SPEC(CONSTRAINT("gcp.restrictNonCmekServices"), VALUES("\"a\"")),
		  "deniedValues only" },
		{ POLICY_CONSTRAINT, CONSTRAINT("gcp.restrictCmekCryptoKeyProjects"),
		  SPEC(CONSTRAINT("gcp.restrictCmekCryptoKeyProjects"), DENIED("\"projects/x1\"")),
		  "allowedValues only" },
		{ POLICY_COMPONENTS, "components",
		  "{\"components\":[{\"principal\":\"allUsers\",\"component\":\"c\",\"project\":"
		  "\"demo\"}]}",
		  "not one principal" },
		{ POLICY_COMPONENTS, "components",
		  "{\"components\":[{\"principal\":\"user:a\",\"component\":\"c\",\"project\":"
		  "\"demo\"},{\"principal\":\"user:a\",\"component\":\"d\",\"project\":\"demo\"}]}",
		  "two components" },
		{ POLICY_COMPONENTS, "components",
		  "{\"components\":[{\"principal\":\"user:a\",\"component\":\"c\",\"project\":"
		  "\"demo\",\"key\":\"x\"}]}",
		  "resource name" },
	};

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const struct policy_document document =
			policy_text(table[i].kind, table[i].name, table[i].text);
		struct policy *policy = NULL;
		struct clv_err err = { 0 };
		clv_rc rc = policy_compile(OWNER, &document, 1, &policy, &err);

		if (rc != CLV_E_INVALID_ARGUMENT || strstr(err.text, table[i].part) == NULL)
			fail_msg("%s: %s: %s", table[i].text, clv_rc_name(rc), err.text);
		assert_null(policy);
	}
}

/* ---- properties */

static const char *const permissions[] = {
	ENCRYPT,
	DECRYPT,
	UPDATE,
	"cloudkms.cryptoKeyVersions.destroy",
	"cloudkms.cryptoKeyVersions.create",
	"cloudkms.cryptoKeyVersions.viewPublicKey",
	"cloudkms.cryptoKeys.create",
	"cloudkms.cryptoKeys.get",
	"cloudkms.cryptoKeys.setIamPolicy",
};
static const char *const resources[] = { KEY, VERSION, GLOBAL_KEY, RING, DEMO };
static const char *const places[] = { NULL, "europe-west2-b", "europe-west1-b", "global",
				      "atlantis" };
static const char *const people[] = { OWNER, WORKER, "user:eve" };

static const struct policy_document *all_constraints(size_t *ret_n)
{
	static struct policy_document list[16];
	size_t n = 0;

	list[n++] = SET("gcp.resourceLocations", DENIED("\"global\""));
	list[n++] = SET("gcp.resourceLocations", "{\"denyAll\":true}");
	list[n++] = SET("gcp.resourceLocations", VALUES("\"in:eu-locations\""));
	list[n++] = SET("cloudkms.allowedProtectionLevels", VALUES("\"is:HSM\""));
	list[n++] = SET("cloudkms.disableBeforeDestroy", "{\"enforce\":true}");
	list[n++] = SET("claviger.callerLocations", VALUES("\"in:key-location\""));
	list[n++] = SET("claviger.callerLocations", DENIED("\"europe-west1\""));
	list[n++] = SET("claviger.storageRegions", "{\"enforce\":true}");
	list[n++] = SET("claviger.endpointRegion", "{\"enforce\":true}");
	list[n++] = SET("claviger.separationOfDuties", "{\"enforce\":true}");
	*ret_n = n;
	return list;
}

static const char bindings[] =
	"{\"bindings\":[{\"role\":\"roles/"
	"cloudkms.cryptoKeyEncrypterDecrypter\",\"members\":[\"" WORKER
	"\"]},{\"role\":\"roles/cloudkms.admin\",\"members\":[\"" WORKER "\"]}]}";
static const char component[] =
	"{\"components\":[{\"principal\":\"" WORKER "\",\"component\":\"worker\",\"project\":"
	"\"demo\",\"place\":\"europe-west2-b\",\"endpointRegion\":\"europe-west1\","
	"\"storageRegions\":[\"europe-west2\",\"us-east1\"]}]}";

typedef void every(void *arg, const char *who, const char *place, const char *permission,
		   const char *resource);
static void for_all(every *each, void *arg)
{
	for (size_t a = 0; a < CLV_ARRAY_LEN(people); a++)
		for (size_t b = 0; b < CLV_ARRAY_LEN(places); b++)
			for (size_t c = 0; c < CLV_ARRAY_LEN(permissions); c++)
				for (size_t d = 0; d < CLV_ARRAY_LEN(resources); d++)
					each(arg, people[a], places[b], permissions[c],
					     resources[d]);
}

struct both {
	const struct policy *without, *with;
	size_t allowed, refused;
};

static void never_more(void *arg, const char *who, const char *place, const char *permission,
		       const char *resource)
{
	struct both *both = arg;
	bool before =
		ask_from(both->without, who, place, permission, resource).refusal == POLICY_ALLOWED;
	bool after =
		ask_from(both->with, who, place, permission, resource).refusal == POLICY_ALLOWED;

	if (after && !before)
		fail_msg("%s from %s: %s on %s", who, place, permission, resource);
	/* What ends use, and what only looks, no constraint refuses. */
	if (before && !after &&
	    (strcmp(permission, UPDATE) == 0 ||
	     strcmp(permission, "cloudkms.cryptoKeys.get") == 0 ||
	     strcmp(permission, "cloudkms.cryptoKeys.setIamPolicy") == 0))
		fail_msg("%s is refused to %s", permission, who);
	both->allowed += after;
	both->refused += before && !after;
}

static void constraint_never_allows_more_and_never_refuses_what_lowers(void **state)
{
	struct policy_document documents[3] = {
		policy_text(POLICY_IAM, DEMO, bindings),
		policy_text(POLICY_COMPONENTS, "components", component),
	};
	struct policy *without = policy_of(OWNER, documents, 2);
	size_t n, useful = 0;
	const struct policy_document *list = all_constraints(&n);

	(void) state;
	for (size_t i = 0; i < n; i++) {
		struct both both = { .without = without };
		struct policy *with;

		documents[2] = list[i];
		with = policy_of(OWNER, documents, 3);
		both.with = with;
		for_all(never_more, &both);
		assert_true(both.allowed > 0);
		useful += both.refused > 0;
		policy_unref(with);
	}
	assert_int_equal(useful, n - 2); /* levels and states are known later */
	policy_unref(without);
}

/* ---- facts that are known later */

static enum policy_refusal with_facts(const struct policy *policy, const char *permission,
				      enum clv_protection protection, enum clv_state state)
{
	struct policy_ask ask = { .principal = OWNER,
				  .permission = permission,
				  .resource = VERSION,
				  .time = TIME(1000) };
	const struct policy_facts facts = { protection, state };
	struct clv_name name;
	struct clv_err err;

	assert_int_equal(clv_name_parse(VERSION, &name, &err), CLV_OK);
	ask.name = &name;
	assert_int_equal(policy_decide(policy, &ask).refusal, POLICY_ALLOWED);
	return policy_decide_facts(policy, &ask, &facts).refusal;
}

static void levels_and_states_count_once_they_are_known(void **state)
{
	static const char destroy[] = "cloudkms.cryptoKeyVersions.destroy";
	const struct policy_document documents[] = {
		SET("cloudkms.allowedProtectionLevels", VALUES("\"HSM\"")),
		SET("cloudkms.disableBeforeDestroy", "{\"enforce\":true}"),
	};
	struct policy *policy = policy_of(OWNER, documents, CLV_ARRAY_LEN(documents));

	(void) state;
	assert_int_equal(with_facts(policy, ENCRYPT, CLV_PROTECTION_SOFTWARE, CLV_STATE_ENABLED),
			 POLICY_PLACE);
	assert_int_equal(with_facts(policy, ENCRYPT, CLV_PROTECTION_HSM, CLV_STATE_ENABLED),
			 POLICY_ALLOWED);
	assert_int_equal(with_facts(policy, UPDATE, CLV_PROTECTION_SOFTWARE, CLV_STATE_ENABLED),
			 POLICY_ALLOWED);
	assert_int_equal(with_facts(policy, destroy, CLV_PROTECTION_SOFTWARE, CLV_STATE_ENABLED),
			 POLICY_CONSTRAINT_VIOLATED);
	assert_int_equal(with_facts(policy, destroy, CLV_PROTECTION_SOFTWARE, CLV_STATE_DISABLED),
			 POLICY_ALLOWED);
	policy_unref(policy);
}

static void longest_delay_counts(void **state)
{
	const struct policy_document document = SET("cloudkms.minimumDestroyScheduledDuration",
						    VALUES("\"in:7d\"") "," VALUES("\"in:30d\""));
	struct policy *policy = policy_of(OWNER, &document, 1);

	(void) state;
	assert_int_equal(policy_destroy_delay_min(policy, "demo"), TIME(30 * 86400));
	assert_int_equal(policy_destroy_delay_min(policy, "other"), 0);
	policy_unref(policy);
}

/* ---- explanations */

static json_t *explained(const struct policy *policy, const char *who, const char *place,
			 const char *action, const char *resource)
{
	struct policy_ask ask = {
		.principal = who, .place = place, .resource = resource, .time = TIME(1000)
	};
	struct clv_buf out = { 0 };
	struct clv_name name;
	struct clv_err err;
	json_t *json;

	assert_int_equal(clv_name_parse(resource, &name, &err), CLV_OK);
	ask.name = &name;
	assert_int_equal(policy_action_permission(action, name.kind, &ask.permission, &err),
			 CLV_OK);
	assert_int_equal(policy_explain(policy, &ask, NULL, &out, &err), CLV_OK);
	json = json_loadb((const char *) out.data, out.len, 0, NULL);
	assert_non_null(json);
	clv_buf_done(&out);
	return json;
}

static const char *member_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void explanation_names_rule_path_and_what_would_change_it(void **state)
{
	const struct policy_document documents[] = {
		policy_text(POLICY_IAM, DEMO, bindings),
		SET("claviger.callerLocations", VALUES("\"in:key-location\"")),
	};
	struct policy *policy = policy_of(OWNER, documents, CLV_ARRAY_LEN(documents));
	json_t *json = explained(policy, "user:eve", "europe-west2-b", "decrypt", KEY);
	char *text;

	(void) state;
	assert_string_equal(member_of(json, "decision"), "deny");
	assert_string_equal(member_of(json, "rule"), "default-deny");
	text = json_dumps(json_object_get(json, "wouldChange"), 0);
	assert_non_null(strstr(text, "give user:eve the role roles/cloudkms.cryptoKeyDecrypter on "
				     "" KEY));
	free(text);
	json_decref(json);

	json = explained(policy, WORKER, "us-east1-a", "decrypt", VERSION);
	assert_string_equal(member_of(json, "decision"), "deny");
	assert_string_equal(member_of(json, "rule"), "constraint:claviger.callerLocations");
	assert_non_null(strstr(member_of(json, "why"), "in:key-location"));
	assert_string_equal(
		member_of(json_array_get(json_object_get(json, "constraints"), 0), "result"),
		"refuses");
	assert_int_equal(json_array_size(json_object_get(json, "bindings")), 2);
	json_decref(json);

	json = explained(policy, WORKER, "europe-west2-a", "decrypt", VERSION);
	assert_string_equal(member_of(json, "decision"), "allow");
	assert_string_equal(member_of(json, "rule"),
			    "binding:" DEMO "#roles/cloudkms.cryptoKeyEncrypterDecrypter");
	json_decref(json);
	policy_unref(policy);
}

static void actions_are_permissions_by_another_name(void **state)
{
	static const struct {
		const char *action;
		enum clv_name_kind kind;
		const char *permission; /* NULL: there is no such thing */
	} table[] = {
		{ "decrypt", CLV_NAME_KEY, DECRYPT },
		{ "encrypt", CLV_NAME_VERSION, ENCRYPT },
		{ "create", CLV_NAME_KEY_RING, "cloudkms.keyRings.create" },
		{ "create", CLV_NAME_KEY, "cloudkms.cryptoKeys.create" },
		{ "disable", CLV_NAME_VERSION, UPDATE },
		{ "set-iam-policy", CLV_NAME_PROJECT, "resourcemanager.projects.setIamPolicy" },
		{ "claviger.audit.read", CLV_NAME_PROJECT, "claviger.audit.read" },
		{ "decrypt", CLV_NAME_KEY_RING, NULL },
		{ "fly", CLV_NAME_KEY, NULL },
		{ NULL, CLV_NAME_KEY, NULL },
	};
	struct policy *policy = policy_of(OWNER, NULL, 0);

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		const char *permission = NULL;
		struct clv_err err;
		clv_rc rc =
			policy_action_permission(table[i].action, table[i].kind, &permission, &err);

		if (table[i].permission == NULL) {
			assert_int_equal(rc, CLV_E_INVALID_ARGUMENT);
			continue;
		}
		assert_int_equal(rc, CLV_OK);
		assert_string_equal(permission, table[i].permission);
		assert_true(policy_permission_known(policy, permission));
	}
	policy_unref(policy);
}

#define CASE(action, resource, expect)                                                             \
	"{\"cases\":[{\"as\":\"user:a\",\"action\":\"" action "\",\"resource\":\"" resource        \
	"\",\"expect\":\"" expect "\"}]}"

static void expected_decisions_are_compared(void **state)
{
	static const char cases[] =
		"{\"cases\":[{\"as\":\"" WORKER "\",\"action\":\"decrypt\",\"resource\":\"" KEY
		"\",\"expect\":\"allow\"},{\"as\":\"user:eve\",\"action\":\"decrypt\",\"resource\":"
		"\"" KEY "\",\"expect\":\"deny\",\"rule\":\"default-deny\"},{\"as\":\"user:eve\","
		"\"action\":\"decrypt\",\"resource\":\"" KEY "\",\"expect\":\"allow\"}]}";
	static const char *const wrong[] = {
		"{",
		"{\"cases\":1}",
		"{\"cases\":[{\"as\":\"user:a\"}]}",
		CASE("fly", KEY, "deny"),
		CASE("decrypt", KEY, "maybe"),
		CASE("decrypt", "x", "deny"),
	};
	const struct policy_document document = policy_text(POLICY_IAM, DEMO, bindings);
	struct policy *policy = policy_of(OWNER, &document, 1);
	struct clv_buf out = { 0 };
	struct clv_err err;

	(void) state;
	assert_int_equal(policy_test(policy,
				     (struct clv_bytes){ (const uint8_t *) cases, strlen(cases) },
				     TIME(1000), &out, &err),
			 CLV_OK);
	assert_int_equal(clv_buf_add(&out, "", 1, &err), CLV_OK);
	assert_non_null(strstr((const char *) out.data, "\"passed\":2,\"failed\":1"));
	for (size_t i = 0; i < CLV_ARRAY_LEN(wrong); i++)
		assert_int_equal(policy_test(policy,
					     (struct clv_bytes){ (const uint8_t *) wrong[i],
								 strlen(wrong[i]) },
					     TIME(1000), &out, &err),
				 CLV_E_INVALID_ARGUMENT);
	clv_buf_done(&out);
	policy_unref(policy);
}

static void lint_finds_a_rule_that_can_never_match(void **state)
{
	const struct policy_document never = SET("gcp.resourceLocations", VALUES("\"atlantis\"")),
				     fine = SET("gcp.resourceLocations",
						VALUES("\"in:eu-locations\""));
	struct policy *policy = policy_of(OWNER, &never, 1);
	struct clv_buf out = { 0 };
	struct clv_err err;

	(void) state;
	assert_int_equal(policy_lint(policy, NULL, 0, &out, &err), CLV_OK);
	assert_non_null(memmem(out.data, out.len, "location-never-matches", 22));
	clv_buf_done(&out);
	policy_unref(policy);
	policy = policy_of(OWNER, &fine, 1);
	assert_int_equal(policy_lint(policy, NULL, 0, &out, &err), CLV_OK);
	assert_null(memmem(out.data, out.len, "location-never-matches", 22));
	clv_buf_done(&out);
	policy_unref(policy);
}

/* ---- the page for people */

static char page[16384];

static void say(const char *fmt, ...) CLV_PRINTF(1, 2);
static void say(const char *fmt, ...)
{
	size_t used = strlen(page);
	va_list args;

	va_start(args, fmt);
	vsnprintf(page + used, sizeof page - used, fmt, args);
	va_end(args);
}

/* No blanks at the ends of lines: what cannot be seen is no difference to read. */
static void end_line(void)
{
	size_t used = strlen(page);

	while (used > 0 && page[used - 1] == ' ')
		page[--used] = '\0';
	say("\n");
}

static const char *const key_places[] = { "europe-west2", "europe-west1", "global", "us-east1",
					  "dc-milan" };
static const char *const caller_places[] = { "europe-west2-b", "europe-west1-b", "us-east1-b",
					     "dc-milan",       "atlantis",       NULL };

static void say_matrix(const char *title, const struct policy_document *documents, size_t n,
		       const char *permission)
{
	struct policy *policy = policy_of(OWNER, documents, n);

	say("%s\n\n%-18s", title, " key in");
	for (size_t c = 0; c < CLV_ARRAY_LEN(caller_places); c++)
		say(" %-14s", caller_places[c] != NULL ? caller_places[c] : "(not known)");
	end_line();
	for (size_t k = 0; k < CLV_ARRAY_LEN(key_places); k++) {
		char key[CLV_NAME_MAX];

		snprintf(key, sizeof key, DEMO "/locations/%s/keyRings/r/cryptoKeys/k",
			 key_places[k]);
		say(" %-17s", key_places[k]);
		for (size_t c = 0; c < CLV_ARRAY_LEN(caller_places); c++) {
			const struct policy_verdict verdict =
				ask_from(policy, OWNER, caller_places[c], permission, key);

			say(" %-14s", verdict.refusal == POLICY_ALLOWED ? "yes" : "-");
		}
		end_line();
	}
	say("\n\n");
	policy_unref(policy);
}

static void say_endpoints(void)
{
	static const char *const endpoints[] = { "europe-west2", "europe-west1", "europe" };
	const struct policy_document constraint_document =
		SET("claviger.endpointRegion", "{\"enforce\":true}");

	say("A WORKER IN europe-west2-b, BY ITS ENDPOINT: WHICH KEY MAY IT USE?\n\n%-18s",
	    " endpoint in");
	for (size_t k = 0; k < CLV_ARRAY_LEN(key_places); k++)
		say(" %-14s", key_places[k]);
	end_line();
	for (size_t e = 0; e < CLV_ARRAY_LEN(endpoints); e++) {
		char text[512];
		struct policy_document documents[2];
		struct policy *policy;

		snprintf(text, sizeof text,
			 "{\"components\":[{\"principal\":\"" OWNER "\",\"component\":\"w\","
			 "\"project\":\"demo\",\"place\":\"europe-west2-b\",\"endpointRegion\":"
			 "\"%s\"}]}",
			 endpoints[e]);
		documents[0] = constraint_document;
		documents[1] = policy_text(POLICY_COMPONENTS, "components", text);
		policy = policy_of(OWNER, documents, 2);
		say(" %-17s", endpoints[e]);
		for (size_t k = 0; k < CLV_ARRAY_LEN(key_places); k++) {
			char key[CLV_NAME_MAX];

			snprintf(key, sizeof key, DEMO "/locations/%s/keyRings/r/cryptoKeys/k",
				 key_places[k]);
			say(" %-14s",
			    ask_from(policy, OWNER, NULL, ENCRYPT, key).refusal == POLICY_ALLOWED
				    ? "yes"
				    : "-");
		}
		end_line();
		policy_unref(policy);
	}
}

static void decisions_are_those_of_the_snapshot(void **state)
{
	static char wanted[sizeof page];
	const char *copy = getenv("CLV_SNAPSHOT_COPY");
	const struct policy_document callers = SET("claviger.callerLocations",
						   VALUES("\"in:key-location\"")),
				     keys = SET("gcp.resourceLocations",
						VALUES("\"in:eu-locations\",\"europe-west2\"")),
				     not_us = SET("claviger.callerLocations", DENIED("\"us\""));
	FILE *file = fopen(CLV_TEST_SRCDIR "/tests/snapshots/policy/places.txt", "r");

	(void) state;
	say("MAY A CALLER USE A KEY, BY WHERE BOTH ARE?\n\n");
	say_matrix("CALLERS RUN WHERE THE KEY IS (claviger.callerLocations: in:key-location)",
		   &callers, 1, DECRYPT);
	say_matrix("CALLERS RUN ANYWHERE BUT IN us (claviger.callerLocations: not us)", &not_us, 1,
		   DECRYPT);
	say_matrix("KEYS ARE IN THE EU OR LONDON (gcp.resourceLocations), WHOEVER CALLS", &keys, 1,
		   DECRYPT);
	say_matrix("THE SAME, FOR MAKING A KEY", &keys, 1, "cloudkms.cryptoKeys.create");
	say_endpoints();
	if (file != NULL) {
		wanted[fread(wanted, 1, sizeof wanted - 1, file)] = '\0';
		fclose(file);
	}
	if (strcmp(page, wanted) == 0)
		return;
	file = copy != NULL ? fopen(copy, "w") : NULL;
	if (file != NULL) {
		fputs(page, file);
		fclose(file);
	}
	fail_msg("decisions are not those of tests/snapshots/policy/places.txt: run this with "
		 "CLV_SNAPSHOT_COPY=FILE, and read the difference");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place_is_inside_what_is_around_it),
		cmocka_unit_test(value_holds_what_it_names),
		cmocka_unit_test(documents_that_say_nothing_sensible_are_refused),
		cmocka_unit_test(constraint_never_allows_more_and_never_refuses_what_lowers),
		cmocka_unit_test(levels_and_states_count_once_they_are_known),
		cmocka_unit_test(longest_delay_counts),
		cmocka_unit_test(explanation_names_rule_path_and_what_would_change_it),
		cmocka_unit_test(actions_are_permissions_by_another_name),
		cmocka_unit_test(expected_decisions_are_compared),
		cmocka_unit_test(lint_finds_a_rule_that_can_never_match),
		cmocka_unit_test(decisions_are_those_of_the_snapshot),
	};

	return cmocka_run_group_tests_name("policy_places", tests, NULL, NULL);
}
