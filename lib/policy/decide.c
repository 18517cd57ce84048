/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bindings say to an ask. One look into a table for each of: a resource from the project
 * down, and a member that the caller is.
 */
#include <string.h>

#include "lib/policy/impl.h"

#include "lib/base/banned.h"

const struct iam_slot *iam_slot_of(const struct iam *iam, uint32_t resource, uint32_t member)
{
	uint32_t at = iam_pair_hash(resource, member);

	for (;; at++) {
		const struct iam_slot *slot = &iam->slot[at & (iam->n_slots - 1)];

		if (slot->n == 0 || (slot->resource == resource && slot->member == member))
			return slot;
	}
}

#define LEVELS 3 /* project; key ring; key or import job */

/* Numbers of the resources whose bindings count for `resource`, from the project down. What is
 * below a key counts as the key. */
static unsigned levels_of(const struct iam *iam, const char *resource, uint32_t level[LEVELS])
{
	unsigned parts = 0, n = 0;
	uint32_t number;

	for (const char *at = resource;; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		parts++;
		if (parts == 2 || parts == 6 || parts == 8) {
			number = policy_names_find(&iam->resources, resource,
						   (size_t) (at - resource));
			if (number != POLICY_NO_NAME)
				level[n++] = number;
		}
		if (*at == '\0' || parts == 8)
			return n;
	}
}

static struct condition_facts facts_of(const struct policy_ask *ask)
{
	static const char *const types[] = {
		[CLV_NAME_PROJECT] = "cloudresourcemanager.googleapis.com/Project",
		[CLV_NAME_LOCATION] = "cloudkms.googleapis.com/Location",
		[CLV_NAME_KEY_RING] = "cloudkms.googleapis.com/KeyRing",
		[CLV_NAME_KEY] = "cloudkms.googleapis.com/CryptoKey",
		[CLV_NAME_VERSION] = "cloudkms.googleapis.com/CryptoKeyVersion",
		[CLV_NAME_IMPORT_JOB] = "cloudkms.googleapis.com/ImportJob",
	};
	struct condition_facts facts = { .time = ask->time, .name = ask->resource };

	if (ask->name == NULL)
		return facts;
	facts.type = types[ask->name->kind];
	facts.service = ask->name->kind == CLV_NAME_PROJECT ? "cloudresourcemanager.googleapis.com"
							    : "cloudkms.googleapis.com";
	return facts;
}

static enum policy_truth condition_of(const struct iam_binding *binding,
				      const struct condition_facts *facts,
				      struct policy_window *window)
{
	if (binding->expression == NULL)
		return POLICY_TRUE;
	if (binding->condition == NULL)
		return POLICY_UNKNOWN;
	return condition_evaluate(binding->condition, facts, window);
}

/* A look for any of `wanted`. */
struct search {
	const struct iam *iam;
	const struct permission_set *wanted;
	struct condition_facts facts;
	struct policy_window *window;
	uint32_t best; /* number of the first binding that gives it; POLICY_NO_NAME: none yet */
};

/* The grants of one member on one resource, in the order of the document. */
static void search_slot(struct search *search, uint32_t resource, uint32_t member)
{
	const struct iam *iam = search->iam;
	const struct iam_slot *slot = iam_slot_of(iam, resource, member);

	for (uint32_t i = 0; i < slot->n; i++) {
		const struct iam_grant *grant = &iam->grant[slot->first + i];

		if (grant->binding >= search->best)
			return;
		if (permission_sets_meet(&iam->roles.role[grant->role].permissions,
					 search->wanted) &&
		    condition_of(&iam->binding[grant->binding], &search->facts, search->window) ==
			    POLICY_TRUE)
			search->best = grant->binding;
	}
}

static void search_resource(struct search *search, uint32_t resource, const struct caller *caller)
{
	const struct members *members = &search->iam->members;

	for (size_t i = 0; i < CALLER_SELVES; i++) {
		const struct member *self;

		if (caller->self[i] == POLICY_NO_NAME)
			continue;
		self = &members->member[caller->self[i]];
		search_slot(search, resource, caller->self[i]);
		for (uint32_t g = 0; g < self->n_groups; g++)
			search_slot(search, resource, members->group[self->first_group + g]);
	}
}

/* The first binding, from the project down, that gives any of `wanted`; NULL: none does. */
static const struct iam_binding *find_binding(const struct iam *iam, const struct policy_ask *ask,
					      const struct permission_set *wanted,
					      struct policy_window *window)
{
	struct search search = { .iam = iam,
				 .wanted = wanted,
				 .facts = facts_of(ask),
				 .window = window,
				 .best = POLICY_NO_NAME };
	const struct caller caller = members_caller(&iam->members, ask->principal);
	uint32_t level[LEVELS];
	unsigned n = ask->name != NULL ? levels_of(iam, ask->resource, level) : 0;

	for (unsigned i = 0; i < n && search.best == POLICY_NO_NAME; i++)
		search_resource(&search, level[i], &caller);
	return search.best != POLICY_NO_NAME ? &iam->binding[search.best] : NULL;
}

struct policy_verdict iam_decide(const struct iam *iam, const struct policy_ask *ask)
{
	struct policy_verdict verdict = { POLICY_DENIED, "default-deny", INT64_MIN, INT64_MAX };
	struct policy_window window = { INT64_MIN, INT64_MAX };
	const uint32_t permission = policy_names_find(&iam->roles.permissions, ask->permission,
						      strlen(ask->permission));
	struct permission_set wanted = { { 0 } };
	const struct iam_binding *binding;

	if (permission >= POLICY_PERMISSIONS_MAX)
		return verdict;
	wanted.bits[permission / 64] = UINT64_C(1) << (permission % 64);
	binding = find_binding(iam, ask, &wanted, &window);
	verdict.from = window.from;
	verdict.until = window.until;
	if (binding != NULL) {
		verdict.refusal = POLICY_ALLOWED;
		verdict.rule = binding->rule;
	}
	return verdict;
}

bool iam_holds_any(const struct iam *iam, const struct policy_ask *ask,
		   const struct permission_set *permissions, struct policy_window *window)
{
	return find_binding(iam, ask, permissions, window) != NULL;
}

/* ---- explaining */

static void look_at(const struct iam *iam, const struct policy_ask *ask,
		    const struct caller *caller, const struct iam_binding *binding,
		    struct iam_look *look)
{
	const uint32_t permission = policy_names_find(&iam->roles.permissions, ask->permission,
						      strlen(ask->permission));
	const struct condition_facts facts = facts_of(ask);
	struct policy_window window = { INT64_MIN, INT64_MAX };

	*look = (struct iam_look){
		.binding = binding,
		.resource = iam->resource[binding->resource].name,
		.role = binding->role_name,
		.role_known = binding->role != POLICY_NO_NAME,
		.condition = condition_of(binding, &facts, &window),
		.expression = binding->expression,
	};
	look->window = window;
	if (look->role_known && !iam->roles.role[binding->role].off)
		look->role_holds =
			permission_in(&iam->roles.role[binding->role].permissions, permission);
	for (uint32_t m = 0; m < binding->n_members && look->member == NULL; m++) {
		const uint32_t member = iam->binding_member[binding->first_member + m];

		if (caller_is(&iam->members, caller, member))
			look->member = iam->members.member[member].text;
	}
}

void iam_walk(const struct iam *iam, const struct policy_ask *ask, iam_look_fn *look, void *arg)
{
	const struct caller caller = members_caller(&iam->members, ask->principal);
	uint32_t level[LEVELS];
	unsigned n = ask->name != NULL ? levels_of(iam, ask->resource, level) : 0;

	for (unsigned i = 0; i < n; i++) {
		const struct iam_resource *resource = &iam->resource[level[i]];

		for (uint32_t b = 0; b < resource->n_bindings; b++) {
			struct iam_look seen;

			look_at(iam, ask, &caller, &iam->binding[resource->first_binding + b],
				&seen);
			look(arg, &seen);
		}
	}
}

/* ---- what somebody could ever hold */

static void add_slot(const struct iam *iam, uint32_t resource, uint32_t member,
		     struct permission_set *set)
{
	const struct iam_slot *slot = iam_slot_of(iam, resource, member);

	for (uint32_t i = 0; i < slot->n; i++)
		permission_set_add(set,
				   &iam->roles.role[iam->grant[slot->first + i].role].permissions);
}

void iam_most(const struct iam *iam, const char *member, const char *resource,
	      struct permission_set *ret_permissions)
{
	iam_most_without(iam, member, resource, POLICY_NO_NAME, ret_permissions);
}

void iam_most_without(const struct iam *iam, const char *member, const char *resource,
		      uint32_t without, struct permission_set *ret_permissions)
{
	const struct caller caller = members_selves(&iam->members, member);
	struct permission_set set = { { 0 } };
	uint32_t level[LEVELS];
	unsigned n = levels_of(iam, resource, level);

	for (unsigned i = 0; i < n; i++) {
		for (size_t s = 0; s < CALLER_SELVES && level[i] != without; s++) {
			const struct member *self;

			if (caller.self[s] == POLICY_NO_NAME)
				continue;
			self = &iam->members.member[caller.self[s]];
			add_slot(iam, level[i], caller.self[s], &set);
			for (uint32_t g = 0; g < self->n_groups; g++)
				add_slot(iam, level[i], iam->members.group[self->first_group + g],
					 &set);
		}
	}
	*ret_permissions = set;
}
