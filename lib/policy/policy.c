/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions. Not for carrying them out: lib/api/gate.c turns "allow" into a grant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/policy/places.h"

#include "lib/base/banned.h"

/* The permissions that a predicate picks. */
static struct permission_set picked(const struct policy_names *permissions,
				    bool (*pick)(const char *permission))
{
	struct permission_set set = { { 0 } };

	for (uint32_t i = 0; i < permissions->n; i++) {
		if (pick(permissions->texts[i]))
			set.bits[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return set;
}

clv_rc policy_compile(const char *owner, const struct policy_document *documents, size_t n,
		      struct policy **ret_policy, struct clv_err *err)
{
	CLV_AUTO(policy_unref) struct policy *policy = calloc(1, sizeof *policy);

	if (policy == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	atomic_store(&policy->refs, 1);
	snprintf(policy->owner, sizeof policy->owner, "%s", owner);
	CLV_TRY(iam_compile(documents, n, &policy->iam, err));
	CLV_TRY(places_compile(documents, n, &policy->places, err));
	policy->administering = picked(&policy->iam->roles.permissions, places_administers);
	policy->using = picked(&policy->iam->roles.permissions, places_uses_key);
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
		places_free(policy->places);
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

/* ---- separation of duties: who administers a key? */

struct duties {
	const struct policy *policy;
	struct policy_window *window; /* narrowed to when the answer is the same */
};

static bool administers(const void *arg, const struct policy_ask *ask)
{
	const struct duties *duties = arg;

	return is_owner(duties->policy, ask->principal) ||
	       iam_holds_any(duties->policy->iam, ask, &duties->policy->administering,
			     duties->window);
}

/* What constraints say to what was given; both must hold for the answer to stay. */
static struct policy_verdict constrained(const struct policy *policy, const struct policy_ask *ask,
					 const struct policy_verdict *gift)
{
	struct policy_window window = { INT64_MIN, INT64_MAX };
	const struct duties duties = { policy, &window };
	const struct places_duties places_duties = { administers, &duties };
	struct policy_verdict verdict = places_decide(policy->places, ask, &places_duties);

	if (verdict.refusal == POLICY_ALLOWED)
		verdict.rule = gift->rule;
	verdict.from = window.from > gift->from ? window.from : gift->from;
	verdict.until = window.until < gift->until ? window.until : gift->until;
	return verdict;
}

struct policy_verdict policy_decide(const struct policy *policy, const struct policy_ask *ask)
{
	const struct policy_verdict gift = given(policy, ask);

	return gift.refusal == POLICY_ALLOWED ? constrained(policy, ask, &gift) : gift;
}

struct policy_verdict policy_decide_facts(const struct policy *policy, const struct policy_ask *ask,
					  const struct policy_facts *facts)
{
	return places_decide_facts(policy->places, ask, facts);
}

void policy_why(const struct policy *policy, const struct policy_ask *ask,
		const struct policy_verdict *verdict, char ret_why[POLICY_WHY_MAX])
{
	places_why(policy->places, ask, verdict, ret_why);
}

int64_t policy_destroy_delay_min(const struct policy *policy, const char *project)
{
	return places_destroy_delay_min(policy->places, project);
}

void policy_walk_places(const struct policy *policy, const struct policy_ask *ask,
			const struct policy_facts *facts, places_look_fn *look, void *arg)
{
	struct policy_window window = { INT64_MIN, INT64_MAX };
	const struct duties duties = { policy, &window };
	const struct places_duties places_duties = { administers, &duties };

	places_walk(policy->places, ask, facts, &places_duties, look, arg);
}

bool policy_holds(const struct policy *policy, const struct policy_ask *ask)
{
	return given(policy, ask).refusal == POLICY_ALLOWED;
}

/* Nobody is to both administer and use the keys that the document is about. */
static clv_rc check_duties(const struct policy *policy, const struct policy_document *document,
			   struct clv_err *err)
{
	if (!places_separates_duties(policy->places, document->name))
		return CLV_OK;
	return iam_check_duties(policy->iam, document, &policy->administering, &policy->using, err);
}

clv_rc policy_check_document(const struct policy *policy, const struct policy_document *document,
			     struct clv_err *err)
{
	CLV_TRY(places_check_document(policy->places, document, err));
	switch (document->kind) {
	case POLICY_IAM:
		CLV_TRY(iam_check(policy->iam, document, err));
		return check_duties(policy, document, err);
	case POLICY_ROLE:
		return role_check(&policy->iam->roles, document, err);
	case POLICY_GROUPS:
		return groups_check(document, err);
	case POLICY_CONSTRAINT:
	case POLICY_LOCATIONS:
	case POLICY_COMPONENTS:
		return CLV_OK;
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
