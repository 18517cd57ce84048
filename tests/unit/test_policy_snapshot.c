/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the built-in roles give, and what a small policy comes to, as text for people. A change of
 * either shows as a difference to tests/snapshots/policy/roles.txt, and somebody has to want it.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "tests/unit/policy_world.h"

static char page[100000];
static size_t used;

static void say(const char *fmt, ...) CLV_PRINTF(1, 2);
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	used += (size_t) vsnprintf(page + used, sizeof page - used, fmt, ap);
	va_end(ap);
	assert_true(used < sizeof page);
}

static void end_line(void)
{
	while (page[used - 1] == ' ')
		used--;
	say("\n");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* All names, sorted; to be freed. */
static const char **sorted(const struct policy_names *names)
{
	const char **texts = calloc(names->n, sizeof *texts);

	assert_non_null(texts);
	for (uint32_t i = 0; i < names->n; i++)
		texts[i] = names->texts[i];
	qsort(texts, names->n, sizeof *texts, by_text);
	return texts;
}

static const struct role *role_named(const struct roles *roles, const char *name)
{
	return &roles->role[policy_names_find(&roles->names, name, strlen(name))];
}

/* A to Z, then a to z. */
static char letter(uint32_t number)
{
	assert_true(number < 52);
	return (char) ((number < 26 ? 'A' : 'a' - 26) + (int) number);
}

static void say_roles(const struct roles *roles)
{
	const char **names = sorted(&roles->names), **permissions = sorted(&roles->permissions);

	say("THE ROLES THAT ARE BUILT IN\n\n");
	for (uint32_t r = 0; r < roles->n; r++)
		say(" %c  %-58s %s\n", letter(r), names[r],
		    role_named(roles, names[r])->description);
	say("\n\nWHAT EACH ROLE MAY DO (x: yes)\n\n%58s", "");
	for (uint32_t r = 0; r < roles->n; r++)
		say(" %c", letter(r));
	say("\n");
	for (uint32_t p = 0; p < roles->permissions.n; p++) {
		uint32_t number = policy_names_find(&roles->permissions, permissions[p],
						    strlen(permissions[p]));

		say(" %-57s", permissions[p]);
		for (uint32_t r = 0; r < roles->n; r++)
			say(" %c", permission_in(&role_named(roles, names[r])->permissions, number)
					   ? 'x'
					   : '.');
		say("\n");
	}
	free(names);
	free(permissions);
}

static const struct {
	const char *where, *role, *member, *condition, *words;
} grants[] = {
	{ DEMO, "roles/cloudkms.admin", "user:ada", NULL, "in the project demo" },
	{ DEMO, "roles/viewer", "user:vic", NULL, "in the project demo" },
	{ DEMO, "roles/claviger.auditor", "group:audit", NULL, "in the project demo" },
	{ RING, "roles/cloudkms.cryptoOperator", "group:ops", NULL, "in the key ring london" },
	{ KEY, "roles/cloudkms.cryptoKeyEncrypterDecrypter", "serviceAccount:worker", NULL,
	  "with the key orders" },
	{ KEY, "roles/cloudkms.cryptoKeyDecrypter", "user:eve",
	  "request.time < timestamp('2027-01-01T00:00:00Z')", "with the key orders, until 2027" },
	{ JOB, "roles/cloudkms.importer", "user:imp", NULL, "with the import job" },
};
#define GROUPS_TEXT                                                                                \
	"{\"groups\":[{\"name\":\"group:ops\",\"members\":[\"user:oda\"]},"                        \
	"{\"name\":\"group:audit\",\"members\":[\"user:aud\"]}]}"

/* Grants of one place follow each other. */
static struct policy *compile_grants(void)
{
	struct policy_document documents[CLV_ARRAY_LEN(grants) + 1];
	static char texts[CLV_ARRAY_LEN(grants)][2000];
	size_t n = 0, len = 0;

	for (size_t i = 0; i < CLV_ARRAY_LEN(grants); i++) {
		const bool first = i == 0 || strcmp(grants[i].where, grants[i - 1].where) != 0;
		const char *condition = grants[i].condition;

		if (first)
			len = (size_t) snprintf(texts[n++], sizeof texts[0], "{\"bindings\":[");
		len += (size_t) snprintf(
			texts[n - 1] + len - (first ? 0 : 2), sizeof texts[0] - len,
			"%s{\"role\":\"%s\",\"members\":[\"%s\"]%s%s%s}]}", first ? "" : ",",
			grants[i].role, grants[i].member,
			condition != NULL ? ",\"condition\":{\"expression\":\"" : "",
			condition != NULL ? condition : "", condition != NULL ? "\"}" : "");
		len -= first ? 0 : 2;
		documents[n - 1] = policy_text(POLICY_IAM, grants[i].where, texts[n - 1]);
	}
	documents[n++] = policy_text(POLICY_GROUPS, "groups", GROUPS_TEXT);
	return policy_of("user:owner", documents, n);
}

static const char *const people[] = { "user:owner", "user:ada", "user:vic", "user:aud",
				      "user:oda",   "user:eve", "user:imp", "serviceAccount:worker",
				      "user:nobody" };

static const struct {
	const char *words, *permission, *resource;
} deeds[] = {
	{ "encrypt with the key orders", ENCRYPT, KEY },
	{ "decrypt with the key orders", DECRYPT, KEY },
	{ "decrypt with another key of the ring", DECRYPT, RING "/cryptoKeys/other" },
	{ "decrypt with a key of another ring", DECRYPT,
	  DEMO "/locations/global/keyRings/r/cryptoKeys/k" },
	{ "disable version 1 of the key orders", UPDATE, VERSION },
	{ "destroy version 1 of the key orders", "cloudkms.cryptoKeyVersions.destroy", VERSION },
	{ "make a key in the ring", "cloudkms.cryptoKeys.create", RING },
	{ "make a key ring", "cloudkms.keyRings.create", DEMO "/locations/global" },
	{ "read the key orders", "cloudkms.cryptoKeys.get", KEY },
	{ "read who may use the key orders", "cloudkms.cryptoKeys.getIamPolicy", KEY },
	{ "say who may use the key orders", "cloudkms.cryptoKeys.setIamPolicy", KEY },
	{ "say who may what in the project", "resourcemanager.projects.setIamPolicy", DEMO },
	{ "use the import job", "cloudkms.importJobs.useToImport", JOB },
	{ "import into the key orders", "cloudkms.cryptoKeyVersions.create", KEY },
	{ "read the audit log", "claviger.audit.read", DEMO },
	{ "change a constraint", "claviger.policies.set", DEMO },
	{ "use another project's key", DECRYPT,
	  "projects/other/locations/global/keyRings/r/cryptoKeys/k" },
};

static void say_matrix(const struct policy *policy, const char *when, int64_t time)
{
	say("\n\nWHO MAY DO WHAT, %s\n\n%41s", when, "");
	for (size_t p = 0; p < CLV_ARRAY_LEN(people); p++)
		say(" %-6.6s", strchr(people[p], ':') + 1);
	end_line();
	for (size_t d = 0; d < CLV_ARRAY_LEN(deeds); d++) {
		say(" %-40s", deeds[d].words);
		for (size_t p = 0; p < CLV_ARRAY_LEN(people); p++)
			say(" %-6s", policy_asked_at(policy, people[p], deeds[d].permission,
						     deeds[d].resource, time)
							     .refusal == POLICY_ALLOWED
					     ? "yes"
					     : "-");
		end_line();
	}
}

static void say_decisions(void)
{
	struct policy *policy = compile_grants();

	say("\n\nA SMALL POLICY\n\n user:owner made the home.\n");
	for (size_t i = 0; i < CLV_ARRAY_LEN(grants); i++)
		say(" %s has %s %s.\n", grants[i].member, grants[i].role, grants[i].words);
	say(" user:oda is in group:ops, user:aud is in group:audit.\n");
	say_matrix(policy, "LAST SECOND OF 2026", NEW_YEAR_2027 - CLV_NS_PER_S);
	say_matrix(policy, "FIRST SECOND OF 2027", NEW_YEAR_2027);
	policy_unref(policy);
}

static void roles_and_decisions_are_those_of_the_snapshot(void **state)
{
	static char wanted[sizeof page];
	FILE *file = fopen(CLV_TEST_SRCDIR "/tests/snapshots/policy/roles.txt", "r");
	struct policy *policy = policy_of("", NULL, 0);
	const char *copy = getenv("CLV_SNAPSHOT_COPY");

	(void) state;
	say_roles(&policy->iam->roles);
	policy_unref(policy);
	say_decisions();
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
	fail_msg("roles or decisions are not those of tests/snapshots/policy/roles.txt: run this "
		 "with CLV_SNAPSHOT_COPY=FILE, and read the difference");
}

/* Every file is the one that counts or an older one, and roles/owner has what the others have. */
static void built_in_roles_are_whole(void **state)
{
	struct policy *policy = policy_of("", NULL, 0);
	const struct roles *roles = &policy->iam->roles;
	json_t *index = NULL;
	struct clv_err err;

	(void) state;
	assert_int_equal(policy_index_read(&index, &err), CLV_OK);
	assert_int_equal(roles->n, json_object_size(json_object_get(index, "roles")));
	for (size_t i = 0; i < policy_n_role_files; i++) {
		const char *date = policy_index_date(index, "roles", policy_role_files[i].name);

		assert_non_null(date);
		assert_true(strcmp(policy_role_files[i].date, date) <= 0);
	}
	for (uint32_t r = 0; r < roles->n; r++)
		assert_string_not_equal(roles->role[r].description, "");
	json_decref(index);
	policy_unref(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_and_decisions_are_those_of_the_snapshot),
		cmocka_unit_test(built_in_roles_are_whole),
	};
	return cmocka_run_group_tests_name("policy_snapshot", tests, NULL, NULL);
}
