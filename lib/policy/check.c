/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused only when a document is set. Not for what holds already. */
#include <stdio.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/impl.h"

#include "lib/base/banned.h"

#define MEMBERS_MAX 1500 /* of one policy, each binding's counted */
#define GROUPS_MAX 250   /* of these: groups */
#define TITLE_MAX 256

struct counts {
	unsigned members, groups;
};

static clv_rc check_role(const struct roles *roles, const char *role, const char *resource,
			 struct clv_err *err)
{
	const uint32_t number = policy_names_find(&roles->names, role, strlen(role));
	char quoted[CLV_QUOTE_MAX];

	if (number == POLICY_NO_NAME || !role_is_of(&roles->role[number], resource))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"Role %s is not supported for this resource.",
				clv_quote(role, quoted));
	return CLV_OK;
}

static clv_rc check_members(const json_t *array, const char *where, struct counts *counts,
			    struct clv_err *err)
{
	enum member_kind kind;
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		if (json_string_value(value) == NULL ||
		    strlen(json_string_value(value)) != json_string_length(value))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"%s: a member must be a string", where);
		CLV_TRY(member_check(json_string_value(value), &kind, err));
		counts->members++;
		counts->groups += kind == MEMBER_GROUP;
	}
	if (counts->members > MEMBERS_MAX || counts->groups > GROUPS_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a policy has at most %d members in all its bindings, %d of them "
				"groups: put more into groups",
				MEMBERS_MAX, GROUPS_MAX);
	return CLV_OK;
}

static clv_rc check_condition(const struct binding_text *text, int64_t version, const char *where,
			      struct clv_err *err)
{
	CLV_AUTO(condition_free) struct condition *condition = NULL;

	if (text->expression == NULL)
		return CLV_OK;
	if (version != 3)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s has a condition: the policy's \"version\" must be 3", where);
	if (text->title != NULL && strlen(text->title) > TITLE_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s: the condition's title is longer than %d bytes", where,
				TITLE_MAX);
	return condition_parse(text->expression, &condition, err);
}

static clv_rc check_bindings(const struct iam *iam, const char *resource, const json_t *bindings,
			     int64_t version, struct clv_err *err)
{
	struct counts counts = { 0 };
	struct binding_text text;
	char where[64];
	const json_t *value;
	size_t i;

	json_array_foreach(bindings, i, value)
	{
		snprintf(where, sizeof where, "binding %zu", i + 1);
		CLV_TRY(iam_read_binding(value, where, &text, err));
		CLV_TRY(check_role(&iam->roles, text.role, resource, err));
		CLV_TRY(check_members(text.members, where, &counts, err));
		CLV_TRY(check_condition(&text, version, where, err));
	}
	return CLV_OK;
}

clv_rc iam_check(const struct iam *iam, const struct policy_document *document, struct clv_err *err)
{
	json_t *json = NULL;
	const json_t *bindings = NULL;
	int64_t version = 0;
	clv_rc rc = iam_read_policy(document, &json, &bindings, &version, err);

	if (rc == CLV_OK && version != 0 && version != 1 && version != 3)
		rc = clv_fail(err, CLV_E_INVALID_ARGUMENT,
			      "the policy's \"version\" must be 0, 1 or 3");
	if (rc == CLV_OK)
		rc = check_bindings(iam, document->name, bindings, version, err);
	json_decref(json);
	return rc;
}

clv_rc groups_check(const struct policy_document *document, struct clv_err *err)
{
	struct members members = { 0 };
	clv_rc rc = members_read_groups(&members, document, 1, err);

	members_done(&members);
	return rc;
}

/* ---- separation of duties */

struct duties {
	const struct iam *iam;
	const struct policy_document *document;
	const json_t *bindings; /* of the document */
	const struct permission_set *administering, *using;
	uint32_t resource; /* the number of what the document is of; POLICY_NO_NAME: it had none */
};

static uint32_t number_of(const struct policy_names *names, const char *text)
{
	return policy_names_find(names, text, strlen(text));
}

/* Is `member` one of those that the binding names, by itself or in a group? */
static bool names_member(const struct duties *duties, const struct caller *selves,
			 const char *member, const json_t *members)
{
	const json_t *value;
	size_t i;

	json_array_foreach(members, i, value)
	{
		const char *text = json_string_value(value);
		uint32_t number;

		if (text == NULL)
			continue;
		number = number_of(&duties->iam->members.names, text);
		if (strcmp(text, member) == 0 || member_kind_of(text) == MEMBER_ALL ||
		    member_kind_of(text) == MEMBER_ALL_AUTHENTICATED ||
		    (number != POLICY_NO_NAME && caller_is(&duties->iam->members, selves, number)))
			return true;
	}
	return false;
}

/* What the document itself gives to a member. */
static void add_new(const struct duties *duties, const char *member, struct permission_set *set)
{
	const struct roles *roles = &duties->iam->roles;
	const struct caller selves = members_selves(&duties->iam->members, member);
	const json_t *binding;
	size_t i;

	json_array_foreach(duties->bindings, i, binding)
	{
		const char *role = json_string_value(json_object_get(binding, "role"));
		const uint32_t number = number_of(&roles->names, role != NULL ? role : "");

		if (number != POLICY_NO_NAME && !roles->role[number].off &&
		    names_member(duties, &selves, member, json_object_get(binding, "members")))
			permission_set_add(set, &roles->role[number].permissions);
	}
}

static clv_rc check_at(const struct duties *duties, const char *member, const char *resource,
		       struct clv_err *err)
{
	struct permission_set most;

	iam_most_without(duties->iam, member, resource, duties->resource, &most);
	add_new(duties, member, &most);
	if (!permission_sets_meet(&most, duties->administering) ||
	    !permission_sets_meet(&most, duties->using))
		return CLV_OK;
	return clv_fail(err, CLV_E_FAILED_PRECONDITION,
			"Constraint constraints/claviger.separationOfDuties violated: %.150s would "
			"both administer keys of %.200s and use them.",
			member, resource);
}

/* At the document's resource, and at those below it that have policies. */
static clv_rc check_member_duties(const struct duties *duties, const char *member,
				  struct clv_err *err)
{
	const char *name = duties->document->name;
	const size_t len = strlen(name);
	struct permission_set gained = { { 0 } };

	add_new(duties, member, &gained);
	if (!permission_sets_meet(&gained, duties->administering) &&
	    !permission_sets_meet(&gained, duties->using))
		return CLV_OK; /* it gets nothing of the two here */
	CLV_TRY(check_at(duties, member, name, err));
	for (uint32_t r = 0; r < duties->iam->resources.n; r++) {
		const char *below = duties->iam->resource[r].name;

		if (strncmp(below, name, len) == 0 && below[len] == '/')
			CLV_TRY(check_at(duties, member, below, err));
	}
	return CLV_OK;
}

static clv_rc check_all_duties(const struct duties *duties, struct clv_err *err)
{
	const struct members *members = &duties->iam->members;
	const json_t *binding, *value;
	size_t i, m;

	json_array_foreach(duties->bindings, i, binding)
	{
		json_array_foreach(json_object_get(binding, "members"), m, value)
			CLV_TRY(check_member_duties(duties, json_string_value(value), err));
	}
	/* Those of groups, and those that only what is below names. */
	for (uint32_t n = 0; n < members->names.n; n++)
		CLV_TRY(check_member_duties(duties, members->member[n].text, err));
	return CLV_OK;
}

clv_rc iam_check_duties(const struct iam *iam, const struct policy_document *document,
			const struct permission_set *administering,
			const struct permission_set *using, struct clv_err *err)
{
	struct duties duties = { .iam = iam,
				 .document = document,
				 .administering = administering,
				 .using = using,
				 .resource = number_of(&iam->resources, document->name) };
	json_t *json = NULL;
	int64_t version = 0;
	clv_rc rc = iam_read_policy(document, &json, &duties.bindings, &version, err);

	if (rc == CLV_OK)
		rc = check_all_duties(&duties, err);
	json_decref(json);
	return rc;
}
