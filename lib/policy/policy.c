/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions. Not for carrying them out: lib/api/gate.c turns "allow" into a grant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/policy/impl.h"

#include "lib/base/banned.h"

clv_rc policy_compile(const char *owner, const struct policy_document *documents, size_t n,
		      struct policy **ret_policy, struct clv_err *err)
{
	CLV_AUTO(policy_unref) struct policy *policy = calloc(1, sizeof *policy);

	if (policy == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	atomic_store(&policy->refs, 1);
	snprintf(policy->owner, sizeof policy->owner, "%s", owner);
	CLV_TRY(iam_compile(documents, n, &policy->iam, err));
	*ret_policy = CLV_TAKE(policy);
	return CLV_OK;
}

struct policy *policy_ref(struct policy *policy)
{
	atomic_fetch_add(&policy->refs, 1);
	return policy;
}

struct policy *policy_unref(struct policy *policy)
{
	if (policy != NULL && atomic_fetch_sub(&policy->refs, 1) == 1) {
		iam_free(policy->iam);
		free(policy);
	}
	return NULL;
}

/* A home without an owner has no owner: it must not match a caller without a name. */
static bool is_owner(const struct policy *policy, const char *principal)
{
	return policy->owner[0] != '\0' && strcmp(principal, policy->owner) == 0;
}

/* What the home's owner or a binding gives, whatever constraints say. */
static struct policy_verdict given(const struct policy *policy, const struct policy_ask *ask)
{
	if (is_owner(policy, ask->principal))
		return (struct policy_verdict){ POLICY_ALLOWED, "home-owner", INT64_MIN,
						INT64_MAX };
	return iam_decide(policy->iam, ask);
}

struct policy_verdict policy_decide(const struct policy *policy, const struct policy_ask *ask)
{
	return given(policy, ask);
}

bool policy_holds(const struct policy *policy, const struct policy_ask *ask)
{
	return given(policy, ask).refusal == POLICY_ALLOWED;
}

clv_rc policy_check_document(const struct policy *policy, const struct policy_document *document,
			     struct clv_err *err)
{
	switch (document->kind) {
	case POLICY_IAM:
		return iam_check(policy->iam, document, err);
	case POLICY_ROLE:
		return role_check(&policy->iam->roles, document, err);
	case POLICY_GROUPS:
		return groups_check(document, err);
	default:
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "there are no documents of kind %d",
				(int) document->kind);
	}
}

bool policy_permission_known(const struct policy *policy, const char *permission)
{
	return policy_names_find(&policy->iam->roles.permissions, permission, strlen(permission)) !=
	       POLICY_NO_NAME;
}

/* ---- roles, for people */

static json_t *permissions_json(const struct roles *roles, const struct role *role)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < roles->permissions.n; i++) {
		if (permission_in(&role->permissions, i))
			json_array_append_new(array, json_string(roles->permissions.texts[i]));
	}
	return array;
}

static json_t *role_json(const struct roles *roles, const struct role *role)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", role->name, "title", role->title,
			 "description", role->description, "stage", role->stage,
			 "includedPermissions", permissions_json(roles, role));
}

clv_rc policy_json_put(json_t *json, struct clv_buf *ret_text, struct clv_err *err)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	struct clv_buf buf = { 0 };
	clv_rc rc;

	json_decref(json);
	if (text == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for JSON");
	rc = clv_buf_add(&buf, text, strlen(text), err);
	free(text);
	if (rc == CLV_OK)
		*ret_text = buf;
	return rc;
}

clv_rc policy_role_text(const struct policy *policy, const char *name, struct clv_buf *ret_json,
			struct clv_err *err)
{
	const struct roles *roles = &policy->iam->roles;
	const uint32_t number = policy_names_find(&roles->names, name, strlen(name));

	if (number == POLICY_NO_NAME)
		return clv_fail(err, CLV_E_NOT_FOUND, "there is no role %.150s", name);
	return policy_json_put(role_json(roles, &roles->role[number]), ret_json, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct role *const *) a)->name,
		      (*(const struct role *const *) b)->name);
}

clv_rc policy_role_list(const struct policy *policy, const char *project, struct clv_buf *ret_json,
			struct clv_err *err)
{
	const struct roles *roles = &policy->iam->roles;
	const struct role **sorted = calloc((size_t) roles->n + 1, sizeof *sorted);
	char resource[CLV_NAME_MAX];
	json_t *array = json_array();
	uint32_t n = 0;

	if (sorted == NULL) {
		json_decref(array);
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for roles");
	}
	snprintf(resource, sizeof resource, "projects/%s", project != NULL ? project : "");
	for (uint32_t i = 0; i < roles->n; i++) {
		const struct role *role = &roles->role[i];

		if (role->custom == (project != NULL) && role_is_of(role, resource))
			sorted[n++] = role;
	}
	qsort(sorted, n, sizeof sorted[0], by_name);
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(array, role_json(roles, sorted[i]));
	free(sorted);
	return policy_json_put(array, ret_json, err);
}
