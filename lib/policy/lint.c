/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that are allowed and risky. Not for refusing: people decide what they do about it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/policy/places.h"

#include "lib/base/banned.h"

static const char *const severities[] = { "HIGH", "MEDIUM", "LOW" };

void policy_finding(json_t *findings, enum policy_severity severity, const char *id,
		    const char *where, const char *fmt, ...)
{
	char text[POLICY_FINDING_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_array_append_new(findings,
			      json_pack("{s:s, s:s, s:s, s:s}", "id", id, "severity",
					severities[severity], "where", where, "text", text));
}

/* To administer a key, and to have what it protects. */
static const char *const administers[] = { "cloudkms.cryptoKeys.setIamPolicy",
					   "cloudkms.cryptoKeys.update",
					   "cloudkms.cryptoKeyVersions.create",
					   "cloudkms.cryptoKeyVersions.update",
					   "cloudkms.cryptoKeyVersions.destroy",
					   "cloudkms.cryptoKeyVersions.restore",
					   "cloudkms.keyRings.setIamPolicy",
					   "resourcemanager.projects.setIamPolicy",
					   NULL };
static const char *const decrypts[] = { "cloudkms.cryptoKeyVersions.useToDecrypt", NULL };
static const char *const switches[] = { "cloudkms.cryptoKeyVersions.update", NULL };

static struct permission_set set_of(const struct iam *iam, const char *const names[])
{
	struct permission_set set = { { 0 } };

	for (; *names != NULL; names++) {
		uint32_t number =
			policy_names_find(&iam->roles.permissions, *names, strlen(*names));

		if (number < POLICY_PERMISSIONS_MAX)
			set.bits[number / 64] |= UINT64_C(1) << (number % 64);
	}
	return set;
}

struct lint {
	const struct policy *policy;
	const struct iam *iam;
	json_t *findings;
	struct permission_set administers, decrypts, switches;
};

/* ---- single bindings */

static void lint_member(struct lint *lint, const struct iam_binding *binding, const char *where,
			const struct member *member)
{
	const char *role = binding->role_name;

	if (member->kind == MEMBER_ALL || member->kind == MEMBER_ALL_AUTHENTICATED)
		policy_finding(lint->findings, SEVERITY_HIGH, "grant-to-everybody", where,
			       "%s has %s here: name those who need it", member->text, role);
	if (member->kind == MEMBER_SERVICE_ACCOUNT &&
	    (strcmp(role, "roles/owner") == 0 || strcmp(role, "roles/editor") == 0))
		policy_finding(lint->findings, SEVERITY_HIGH, "basic-role-of-a-service", where,
			       "%s has %s here: give it the roles/cloudkms.* roles that it needs",
			       member->text, role);
	if (member->kind == MEMBER_DELETED)
		policy_finding(lint->findings, SEVERITY_LOW, "member-deleted", where,
			       "%s has %s here, and is gone: remove it", member->text, role);
	if (member->kind == MEMBER_GROUP && !member->defined)
		policy_finding(
			lint->findings, SEVERITY_LOW, "group-without-members", where,
			"%s has %s here, and the document of groups does not know it: nobody "
			"is in it",
			member->text, role);
}

static void lint_binding(struct lint *lint, const struct iam_binding *binding)
{
	const struct iam *iam = lint->iam;
	const char *where = iam->resource[binding->resource].name;

	if (binding->role == POLICY_NO_NAME)
		policy_finding(lint->findings, SEVERITY_LOW, "role-unknown", where,
			       "there is no role %s: its bindings give nothing",
			       binding->role_name);
	else if (iam->roles.role[binding->role].off)
		policy_finding(lint->findings, SEVERITY_LOW, "role-off", where,
			       "the role %s is disabled or deleted: its bindings give nothing",
			       binding->role_name);
	if (binding->expression != NULL && binding->condition == NULL)
		policy_finding(lint->findings, SEVERITY_MEDIUM, "condition-unknown", where,
			       "the condition of a binding of %s is not understood, so it gives "
			       "nothing: %s",
			       binding->role_name, binding->expression);
	if (binding->role == POLICY_NO_NAME)
		return;
	for (uint32_t m = 0; m < binding->n_members; m++)
		lint_member(lint, binding, where,
			    &iam->members.member[iam->binding_member[binding->first_member + m]]);
}

/* ---- who administers and decrypts */

/* The resource whose bindings come down to this one: a project's is none. */
static bool above(const char *resource, char ret_above[CLV_NAME_MAX])
{
	unsigned parts = 1;
	size_t keep = 0;

	for (size_t i = 0; resource[i] != '\0'; i++) {
		if (resource[i] != '/')
			continue;
		if (parts == 2 || parts == 6)
			keep = i;
		parts++;
	}
	snprintf(ret_above, CLV_NAME_MAX, "%.*s", (int) keep, resource);
	return keep > 0;
}

static bool is_both(const struct lint *lint, const char *member, const char *resource)
{
	struct permission_set most;

	iam_most(lint->iam, member, resource, &most);
	return permission_sets_meet(&most, &lint->administers) &&
	       permission_sets_meet(&most, &lint->decrypts);
}

/* Said once, at the highest resource that it holds for. */
static void lint_duties(struct lint *lint, const char *resource, const char *member)
{
	char parent[CLV_NAME_MAX];

	if (!is_both(lint, member, resource) ||
	    (above(resource, parent) && is_both(lint, member, parent)))
		return;
	policy_finding(lint->findings, SEVERITY_HIGH, "admin-can-decrypt", resource,
		       "%s can both administer keys and decrypt with them: give the two to "
		       "different people",
		       member);
}

/* Is the member named by a binding of the resource, or in a group that is? */
static bool concerns(const struct iam *iam, uint32_t resource, uint32_t number)
{
	const struct member *member = &iam->members.member[number];

	if (member->kind == MEMBER_DELETED || member->kind == MEMBER_INVALID)
		return false;
	if (iam_slot_of(iam, resource, number)->n > 0)
		return true;
	for (uint32_t g = 0; g < member->n_groups; g++) {
		if (iam_slot_of(iam, resource, iam->members.group[member->first_group + g])->n > 0)
			return true;
	}
	return false;
}

/* ---- keys */

static bool is_switched_by_somebody(const struct lint *lint, const char *key)
{
	struct permission_set most;
	const struct iam *iam = lint->iam;

	for (uint32_t m = 0; m < iam->members.names.n; m++) {
		if (!iam->members.member[m].bound)
			continue;
		iam_most(iam, iam->members.member[m].text, key, &most);
		if (permission_sets_meet(&most, &lint->switches))
			return true;
	}
	return false;
}

static void lint_key(struct lint *lint, const char *key)
{
	const char *owner = lint->policy->owner;

	if (is_switched_by_somebody(lint, key))
		return;
	if (owner[0] == '\0')
		policy_finding(lint->findings, SEVERITY_HIGH, "key-without-admin", key,
			       "nobody can disable or destroy versions of this key: bind "
			       "roles/cloudkms.admin");
	else
		policy_finding(lint->findings, SEVERITY_MEDIUM, "key-without-admin", key,
			       "no binding lets anybody disable or destroy versions of this key, "
			       "only %s can, who owns the home: bind roles/cloudkms.admin",
			       owner);
}

/* ---- all of it */

static void lint_iam(struct lint *lint, const char *const *keys, size_t n)
{
	const struct iam *iam = lint->iam;

	for (uint32_t b = 0; b < iam->n_bindings; b++)
		lint_binding(lint, &iam->binding[b]);
	for (uint32_t r = 0; r < iam->resources.n; r++) {
		for (uint32_t m = 0; m < iam->members.names.n; m++) {
			if (concerns(iam, r, m))
				lint_duties(lint, iam->resource[r].name,
					    iam->members.member[m].text);
		}
	}
	for (size_t i = 0; i < n; i++)
		lint_key(lint, keys[i]);
}

/* The gravest first, otherwise as they were found. Takes `findings`. */
static json_t *sorted(json_t *findings)
{
	json_t *result = json_array(), *finding;
	size_t i;

	for (size_t s = 0; s < CLV_ARRAY_LEN(severities); s++) {
		json_array_foreach(findings, i, finding)
		{
			const char *severity =
				json_string_value(json_object_get(finding, "severity"));

			if (severity != NULL && strcmp(severity, severities[s]) == 0)
				json_array_append(result, finding);
		}
	}
	json_decref(findings);
	return result;
}

clv_rc policy_lint(const struct policy *policy, const char *const *keys, size_t n,
		   struct clv_buf *ret_json, struct clv_err *err)
{
	struct lint lint = { .policy = policy,
			     .iam = policy->iam,
			     .findings = json_array(),
			     .administers = set_of(policy->iam, administers),
			     .decrypts = set_of(policy->iam, decrypts),
			     .switches = set_of(policy->iam, switches) };

	lint_iam(&lint, keys, n);
	places_lint(policy->places, lint.findings);
	return policy_json_put(sorted(lint.findings), ret_json, err);
}
