/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings: who has which role on what. Not for deciding: decide.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/impl.h"

#include "lib/base/banned.h"

/* ---- reading */

static clv_rc read_condition(const json_t *json, const char *where, struct binding_text *text,
			     struct clv_err *err)
{
	static const char *const known[] = { "title", "description", "expression", "location",
					     NULL };
	const char *rest;

	CLV_TRY(policy_json_known(json, known, where, err));
	CLV_TRY(policy_json_string(json, "expression", true, where, &text->expression, err));
	CLV_TRY(policy_json_string(json, "title", false, where, &text->title, err));
	CLV_TRY(policy_json_string(json, "description", false, where, &rest, err));
	return policy_json_string(json, "location", false, where, &rest, err);
}

clv_rc iam_read_binding(const json_t *json, const char *where, struct binding_text *ret_text,
			struct clv_err *err)
{
	static const char *const known[] = { "role", "members", "condition", NULL };
	const json_t *condition;
	struct binding_text text = { 0 };

	CLV_TRY(policy_json_known(json, known, where, err));
	CLV_TRY(policy_json_string(json, "role", true, where, &text.role, err));
	CLV_TRY(policy_json_array(json, "members", false, where, &text.members, err));
	condition = json_object_get(json, "condition");
	if (condition != NULL && !json_is_null(condition))
		CLV_TRY(read_condition(condition, where, &text, err));
	*ret_text = text;
	return CLV_OK;
}

/* What has policies: no versions, no locations. */
static bool has_policies(enum clv_name_kind kind)
{
	return kind == CLV_NAME_PROJECT || kind == CLV_NAME_KEY_RING || kind == CLV_NAME_KEY ||
	       kind == CLV_NAME_IMPORT_JOB;
}

clv_rc iam_read_policy(const struct policy_document *document, json_t **ret_json,
		       const json_t **ret_bindings, int64_t *ret_version, struct clv_err *err)
{
	static const char *const known[] = { "version", "etag", "bindings", NULL };
	char quoted[CLV_QUOTE_MAX], where[CLV_QUOTE_MAX + 32];
	struct clv_name name;
	const json_t *version;
	const char *etag;

	CLV_TRY(clv_name_parse(document->name, &name, err));
	clv_quote(document->name, quoted);
	if (!has_policies(name.kind))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s has no policy of its own: bind roles on its project, key ring, "
				"key or import job",
				quoted);
	snprintf(where, sizeof where, "the policy of %s", quoted);
	CLV_TRY(policy_json_read(document, ret_json, err));
	CLV_TRY(policy_json_known(*ret_json, known, where, err));
	CLV_TRY(policy_json_string(*ret_json, "etag", false, where, &etag, err));
	CLV_TRY(policy_json_array(*ret_json, "bindings", false, where, ret_bindings, err));
	version = json_object_get(*ret_json, "version");
	if (version != NULL && !json_is_integer(version))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: \"version\" must be 0, 1 or 3",
				where);
	*ret_version = json_integer_value(version);
	return CLV_OK;
}

static char *rule_of(const char *resource, const char *role)
{
	char rule[POLICY_RULE_MAX];

	snprintf(rule, sizeof rule, "binding:%s#%s", resource, role);
	return strdup(rule);
}

/* Room for `n` more of a list that has `used`. */
static bool more(void **list, uint32_t *room, uint32_t used, size_t n, size_t size)
{
	uint64_t wanted = (uint64_t) used + n;
	void *bigger;

	if (wanted <= *room)
		return true;
	wanted = wanted < 64 ? 64 : wanted * 2;
	if (wanted > UINT32_MAX / 2)
		return false;
	bigger = realloc(*list, (size_t) wanted * size);
	if (bigger == NULL)
		return false;
	*list = bigger;
	*room = (uint32_t) wanted;
	return true;
}

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
}

/* The members that are what they should be; what is not gives nothing. */
static clv_rc add_members(struct iam *iam, struct iam_binding *binding, const json_t *array,
			  struct clv_err *err)
{
	void *list = iam->binding_member;
	const json_t *value;
	uint32_t member;
	size_t i;

	if (!more(&list, &iam->room_binding_members, iam->n_binding_members, json_array_size(array),
		  sizeof member))
		return no_memory(err);
	iam->binding_member = list;
	binding->first_member = iam->n_binding_members;
	json_array_foreach(array, i, value)
	{
		const char *text = json_string_value(value);

		if (text == NULL || member_kind_of(text) == MEMBER_INVALID)
			continue;
		CLV_TRY(members_add(&iam->members, text, &member, err));
		iam->members.member[member].bound = true;
		iam->binding_member[iam->n_binding_members++] = member;
	}
	binding->n_members = iam->n_binding_members - binding->first_member;
	return CLV_OK;
}

static clv_rc add_condition(struct iam_binding *binding, const struct binding_text *text,
			    struct clv_err *err)
{
	struct clv_err ignored;

	if (text->expression == NULL)
		return CLV_OK;
	binding->expression = strdup(text->expression);
	binding->title = strdup(text->title != NULL ? text->title : "");
	if (binding->expression == NULL || binding->title == NULL)
		return no_memory(err);
	/* Not understood is not known, and so never allows. */
	if (condition_parse(text->expression, &binding->condition, &ignored) ==
	    CLV_E_RESOURCE_EXHAUSTED)
		return no_memory(err);
	return CLV_OK;
}

static clv_rc add_binding(struct iam *iam, uint32_t resource, const struct binding_text *text,
			  struct clv_err *err)
{
	const char *resource_name = iam->resources.texts[resource];
	struct iam_binding *binding;
	void *list = iam->binding;

	if (!more(&list, &iam->room_bindings, iam->n_bindings, 1, sizeof *binding))
		return no_memory(err);
	iam->binding = list;
	binding = &iam->binding[iam->n_bindings++];
	*binding = (struct iam_binding){
		.resource = resource,
		.role = policy_names_find(&iam->roles.names, text->role, strlen(text->role)),
		.role_name = strdup(text->role),
		.rule = rule_of(resource_name, text->role),
	};
	if (binding->role_name == NULL || binding->rule == NULL)
		return no_memory(err);
	if (binding->role != POLICY_NO_NAME &&
	    !role_is_of(&iam->roles.role[binding->role], resource_name))
		binding->role = POLICY_NO_NAME;
	CLV_TRY(add_condition(binding, text, err));
	return add_members(iam, binding, text->members, err);
}

static clv_rc add_bindings(struct iam *iam, uint32_t resource, const json_t *bindings,
			   struct clv_err *err)
{
	struct iam_resource *at = &iam->resource[resource];
	struct binding_text text;
	char where[64];
	const json_t *value;
	size_t i;

	at->first_binding = iam->n_bindings;
	json_array_foreach(bindings, i, value)
	{
		snprintf(where, sizeof where, "binding %zu", i + 1);
		CLV_TRY(iam_read_binding(value, where, &text, err));
		CLV_TRY(add_binding(iam, resource, &text, err));
		at->n_bindings++;
	}
	return CLV_OK;
}

static clv_rc add_policy(struct iam *iam, const struct policy_document *document,
			 struct clv_err *err)
{
	const size_t len = strlen(document->name);
	void *list = iam->resource;
	json_t *json = NULL;
	const json_t *bindings = NULL;
	int64_t version;
	uint32_t number;
	clv_rc rc;

	if (policy_names_find(&iam->resources, document->name, len) != POLICY_NO_NAME)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%.352s has two policies",
				document->name);
	rc = iam_read_policy(document, &json, &bindings, &version, err);
	if (rc == CLV_OK &&
	    !more(&list, &iam->room_resources, iam->resources.n, 1, sizeof *iam->resource))
		rc = no_memory(err);
	iam->resource = list;
	if (rc == CLV_OK)
		rc = policy_names_add(&iam->resources, document->name, len, &number, err);
	if (rc == CLV_OK) {
		iam->resource[number] =
			(struct iam_resource){ .name = iam->resources.texts[number] };
		rc = add_bindings(iam, number, bindings, err);
	}
	json_decref(json);
	return rc;
}

/* ---- the table */

static int by_place(const void *a, const void *b)
{
	const struct iam_grant *x = a, *y = b;

	if (x->resource != y->resource)
		return x->resource < y->resource ? -1 : 1;
	if (x->member != y->member)
		return x->member < y->member ? -1 : 1;
	return (x->binding > y->binding) - (x->binding < y->binding);
}

/* A grant for each member of each binding whose role there is, in the order of by_place(). */
static bool list_grants(struct iam *iam)
{
	iam->grant = calloc((size_t) iam->n_binding_members + 1, sizeof *iam->grant);
	if (iam->grant == NULL)
		return false;
	for (uint32_t b = 0; b < iam->n_bindings; b++) {
		const struct iam_binding *binding = &iam->binding[b];

		if (binding->role == POLICY_NO_NAME || iam->roles.role[binding->role].off)
			continue;
		for (uint32_t m = 0; m < binding->n_members; m++) {
			iam->grant[iam->n_grants++] = (struct iam_grant){
				.resource = binding->resource,
				.member = iam->binding_member[binding->first_member + m],
				.binding = b,
				.role = binding->role,
			};
		}
	}
	qsort(iam->grant, iam->n_grants, sizeof iam->grant[0], by_place);
	return true;
}

static bool make_table(struct iam *iam)
{
	uint32_t n_slots = 16;

	while (n_slots < iam->n_grants * 2 + 1)
		n_slots *= 2;
	iam->slot = calloc(n_slots, sizeof *iam->slot);
	if (iam->slot == NULL)
		return false;
	iam->n_slots = n_slots;
	for (uint32_t i = 0; i < iam->n_grants; i++) {
		const struct iam_grant *grant = &iam->grant[i];
		uint32_t at = iam_pair_hash(grant->resource, grant->member);
		struct iam_slot *slot = &iam->slot[at & (n_slots - 1)];

		while (slot->n != 0 &&
		       (slot->resource != grant->resource || slot->member != grant->member))
			slot = &iam->slot[++at & (n_slots - 1)];
		if (slot->n == 0)
			*slot = (struct iam_slot){ grant->resource, grant->member, i, 0 };
		slot->n++;
	}
	return true;
}

static clv_rc compile(struct iam *iam, const struct policy_document *documents, size_t n,
		      struct clv_err *err)
{
	CLV_TRY(roles_compile(documents, n, &iam->roles, err));
	for (size_t i = 0; i < n; i++) {
		if (documents[i].kind == POLICY_IAM)
			CLV_TRY(add_policy(iam, &documents[i], err));
	}
	CLV_TRY(members_read_groups(&iam->members, documents, n, err));
	if (!list_grants(iam) || !make_table(iam))
		return no_memory(err);
	return CLV_OK;
}

clv_rc iam_compile(const struct policy_document *documents, size_t n, struct iam **ret_iam,
		   struct clv_err *err)
{
	CLV_AUTO(iam_free) struct iam *iam = calloc(1, sizeof *iam);

	if (iam == NULL)
		return no_memory(err);
	CLV_TRY(compile(iam, documents, n, err));
	*ret_iam = CLV_TAKE(iam);
	return CLV_OK;
}

struct iam *iam_free(struct iam *iam)
{
	if (iam == NULL)
		return NULL;
	for (uint32_t i = 0; i < iam->n_bindings; i++) {
		condition_free(iam->binding[i].condition);
		free(iam->binding[i].expression);
		free(iam->binding[i].title);
		free(iam->binding[i].role_name);
		free(iam->binding[i].rule);
	}
	free(iam->binding);
	free(iam->binding_member);
	free(iam->resource);
	free(iam->grant);
	free(iam->slot);
	policy_names_done(&iam->resources);
	members_done(&iam->members);
	roles_done(&iam->roles);
	free(iam);
	return NULL;
}
