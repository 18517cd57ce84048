/* SPDX-License-Identifier: Apache-2.0 */
/* Members of bindings, and the groups they are in. Not for what they may do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/impl.h"

#include "lib/base/banned.h"

#define NESTING_MAX 16      /* groups inside each other */
#define VISITS_MAX 4000000u /* steps to find out who is in which group */

static const struct {
	const char *prefix;
	enum member_kind kind;
	bool whole; /* nothing follows */
} kinds[] = {
	{ "user:", MEMBER_USER, false },
	{ "serviceAccount:", MEMBER_SERVICE_ACCOUNT, false },
	{ "principal://", MEMBER_PRINCIPAL, false },
	{ "group:", MEMBER_GROUP, false },
	{ "principalSet://", MEMBER_PRINCIPAL_SET, false },
	{ "domain:", MEMBER_DOMAIN, false },
	{ "deleted:", MEMBER_DELETED, false },
	{ "allAuthenticatedUsers", MEMBER_ALL_AUTHENTICATED, true },
	{ "allUsers", MEMBER_ALL, true },
};

/* What follows "deleted:", e.g. "user:ada@example.com?uid=123". */
static bool is_deleted(const char *text)
{
	const char *uid = strstr(text, "?uid=");

	return uid != NULL && uid[5] != '\0' && uid[5 + strspn(uid + 5, "0123456789")] == '\0' &&
	       (strncmp(text, "user:", 5) == 0 || strncmp(text, "group:", 6) == 0 ||
		strncmp(text, "serviceAccount:", 15) == 0);
}

static bool is_domain(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == '\0' &&
	       text[0] != '.' && text[0] != '-';
}

/* Printable, without blanks and without what would need escapes. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	}
	return true;
}

enum member_kind member_kind_of(const char *text)
{
	if (strlen(text) >= CLV_PRINCIPAL_MAX || !is_plain(text))
		return MEMBER_INVALID;
	for (size_t i = 0; i < CLV_ARRAY_LEN(kinds); i++) {
		const size_t len = strlen(kinds[i].prefix);
		const char *rest = text + len;

		if (strncmp(text, kinds[i].prefix, len) != 0 || kinds[i].whole != (*rest == '\0'))
			continue;
		if ((kinds[i].kind == MEMBER_DOMAIN && !is_domain(rest)) ||
		    (kinds[i].kind == MEMBER_DELETED && !is_deleted(rest)))
			return MEMBER_INVALID;
		return kinds[i].kind;
	}
	return MEMBER_INVALID;
}

clv_rc member_check(const char *text, enum member_kind *ret_kind, struct clv_err *err)
{
	const enum member_kind kind = member_kind_of(text);
	char quoted[CLV_QUOTE_MAX];

	if (kind == MEMBER_INVALID)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s is no member: it must be user:NAME, serviceAccount:NAME, "
				"group:NAME, domain:NAME in small letters, principal://..., "
				"principalSet://..., allAuthenticatedUsers or allUsers",
				clv_quote(text, quoted));
	*ret_kind = kind;
	return CLV_OK;
}

static bool grow(struct members *members)
{
	uint32_t room = members->room == 0 ? 64 : members->room * 2;
	struct member *member;

	if (members->names.n < members->room)
		return true;
	member = realloc(members->member, room * sizeof *member);
	if (member == NULL)
		return false;
	members->member = member;
	members->room = room;
	return true;
}

clv_rc members_add(struct members *members, const char *text, uint32_t *ret_number,
		   struct clv_err *err)
{
	const uint32_t before = members->names.n;

	if (!grow(members))
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	CLV_TRY(policy_names_add(&members->names, text, strlen(text), ret_number, err));
	if (members->names.n > before)
		members->member[before] = (struct member){ .text = members->names.texts[before],
							   .kind = member_kind_of(text) };
	return CLV_OK;
}

static uint32_t find(const struct members *members, const char *text)
{
	return policy_names_find(&members->names, text, strlen(text));
}

void members_done(struct members *members)
{
	free(members->member);
	free(members->group);
	policy_names_done(&members->names);
	*members = (struct members){ 0 };
}

/* ---- groups */

/* `member` is in `group`, as the document says it. */
struct edge {
	uint32_t member, group;
};

struct edges {
	struct edge *edge; /* owned */
	size_t n, room;
};

static void edges_done(struct edges *edges)
{
	free(edges->edge);
}

static clv_rc edges_add(struct edges *edges, uint32_t member, uint32_t group, struct clv_err *err)
{
	if (edges->n == edges->room) {
		size_t room = edges->room == 0 ? 64 : edges->room * 2;
		struct edge *edge = realloc(edges->edge, room * sizeof *edge);

		if (edge == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for groups");
		edges->edge = edge;
		edges->room = room;
	}
	edges->edge[edges->n++] = (struct edge){ member, group };
	return CLV_OK;
}

/* "group:..." or a set of principals that is not a whole pool: those need no document. */
static bool is_group_name(const char *text)
{
	const enum member_kind kind = member_kind_of(text);
	const size_t len = strlen(text);

	return kind == MEMBER_GROUP ||
	       (kind == MEMBER_PRINCIPAL_SET && !(len > 2 && strcmp(text + len - 2, "/*") == 0));
}

static bool may_be_in_a_group(const char *text)
{
	const enum member_kind kind = member_kind_of(text);

	return kind >= MEMBER_USER && kind <= MEMBER_DOMAIN;
}

static clv_rc read_group_member(struct members *members, struct edges *edges, uint32_t group,
				const json_t *value, const char *where, struct clv_err *err)
{
	const char *text = json_string_value(value);
	char quoted[CLV_QUOTE_MAX];
	uint32_t member;

	if (text == NULL || !may_be_in_a_group(text))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s: %s cannot be in a group: it must be a string, and a user:, "
				"serviceAccount:, group:, domain:, principal:// or principalSet://",
				where, clv_quote(text, quoted));
	CLV_TRY(members_add(members, text, &member, err));
	return edges_add(edges, member, group, err);
}

static clv_rc read_group(struct members *members, struct edges *edges, const json_t *json,
			 struct clv_err *err)
{
	static const char *const known[] = { "name", "description", "members", NULL };
	const char *name, *description;
	char where[CLV_QUOTE_MAX + 16] = "a group", quoted[CLV_QUOTE_MAX];
	const json_t *array, *value;
	uint32_t group;
	size_t i;

	CLV_TRY(policy_json_known(json, known, where, err));
	CLV_TRY(policy_json_string(json, "name", true, where, &name, err));
	snprintf(where, sizeof where, "the group %s", clv_quote(name, quoted));
	if (!is_group_name(name))
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"%s: its name must be group:NAME or principalSet://..., and no pool",
			where);
	CLV_TRY(policy_json_string(json, "description", false, where, &description, err));
	CLV_TRY(policy_json_array(json, "members", true, where, &array, err));
	CLV_TRY(members_add(members, name, &group, err));
	if (members->member[group].defined)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is there twice", where);
	members->member[group].defined = true;
	json_array_foreach(array, i, value)
		CLV_TRY(read_group_member(members, edges, group, value, where, err));
	return CLV_OK;
}

static clv_rc read_groups(struct members *members, struct edges *edges,
			  const struct policy_document *document, struct clv_err *err)
{
	static const char *const known[] = { "groups", NULL };
	json_t *json = NULL;
	const json_t *array, *value;
	size_t i;
	clv_rc rc;

	CLV_TRY(policy_json_read(document, &json, err));
	rc = policy_json_known(json, known, "the document of groups", err);
	if (rc == CLV_OK)
		rc = policy_json_array(json, "groups", true, "the document of groups", &array, err);
	for (i = 0; rc == CLV_OK && i < json_array_size(array); i++) {
		value = json_array_get(array, i);
		rc = read_group(members, edges, value, err);
	}
	json_decref(json);
	return rc;
}

static int by_member(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->member != y->member)
		return x->member < y->member ? -1 : 1;
	return (x->group > y->group) - (x->group < y->group);
}

/* The way up from one member. */
struct climb {
	struct members *members;
	const struct edges *edges;
	uint32_t *first; /* of a member's edges; one more at the end */
	uint32_t *seen;  /* by which member, + 1 */
	uint32_t from;
	unsigned visits;
};

static clv_rc note_group(struct members *members, uint32_t group, struct clv_err *err)
{
	if (members->n_group == members->room_group) {
		uint32_t room = members->room_group == 0 ? 64 : members->room_group * 2;
		uint32_t *more = realloc(members->group, room * sizeof *more);

		if (more == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for groups");
		members->group = more;
		members->room_group = room;
	}
	members->group[members->n_group++] = group;
	return CLV_OK;
}

/* Notes all groups above `member`. A circle comes back to where it began. */
static clv_rc climb(struct climb *up, uint32_t member, unsigned depth, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	for (uint32_t i = up->first[member]; i < up->first[member + 1]; i++) {
		const uint32_t group = up->edges->edge[i].group;
		const char *text = up->members->member[group].text;

		if (group == up->from)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"the group %s is inside itself", clv_quote(text, quoted));
		if (depth == NESTING_MAX || ++up->visits > VISITS_MAX)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"the groups around %s are nested too deep: at most %d",
					clv_quote(text, quoted), NESTING_MAX);
		if (up->seen[group] == up->from + 1)
			continue;
		up->seen[group] = up->from + 1;
		CLV_TRY(note_group(up->members, group, err));
		CLV_TRY(climb(up, group, depth + 1, err));
	}
	return CLV_OK;
}

/* Puts the groups that bindings name in front; decisions look at these alone. */
static void bound_first(struct members *members, struct member *member)
{
	uint32_t *group = members->group, n = member->first_group;

	for (uint32_t g = n; g < members->n_group; g++) {
		const uint32_t number = group[g];

		if (members->member[number].bound) {
			group[g] = group[n];
			group[n++] = number;
		}
	}
	member->n_groups = n - member->first_group;
	member->n_all_groups = members->n_group - member->first_group;
}

static clv_rc flatten(struct members *members, struct edges *edges, struct clv_err *err)
{
	const uint32_t n = members->names.n;
	struct climb up = { .members = members, .edges = edges };
	clv_rc rc = CLV_OK;

	up.first = calloc((size_t) n + 2, sizeof *up.first);
	up.seen = calloc((size_t) n + 1, sizeof *up.seen);
	if (up.first == NULL || up.seen == NULL)
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for groups");
	if (rc == CLV_OK && edges->n > 0) {
		qsort(edges->edge, edges->n, sizeof edges->edge[0], by_member);
		for (size_t i = 0; i < edges->n; i++)
			up.first[edges->edge[i].member + 1]++;
		for (uint32_t i = 0; i < n; i++)
			up.first[i + 1] += up.first[i];
	}
	for (uint32_t i = 0; rc == CLV_OK && i < n; i++) {
		up.from = i;
		members->member[i].first_group = members->n_group;
		rc = climb(&up, i, 0, err);
		bound_first(members, &members->member[i]);
	}
	free(up.first);
	free(up.seen);
	return rc;
}

clv_rc members_read_groups(struct members *members, const struct policy_document *documents,
			   size_t n, struct clv_err *err)
{
	CLV_AUTO_DONE(edges_done) struct edges edges = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (documents[i].kind == POLICY_GROUPS)
			CLV_TRY(read_groups(members, &edges, &documents[i], err));
	}
	members->all = find(members, "allUsers");
	members->all_authenticated = find(members, "allAuthenticatedUsers");
	return flatten(members, &edges, err);
}

/* ---- callers */

/* The domain of "user:ada@Example.com" is that of "domain:example.com". */
static uint32_t domain_of(const struct members *members, const char *principal)
{
	char text[CLV_PRINCIPAL_MAX + 8] = "domain:";
	const char *at = strrchr(principal, '@');
	size_t used = strlen(text);

	if (at == NULL)
		return POLICY_NO_NAME;
	for (at++; *at != '\0' && used < sizeof text - 1; at++)
		text[used++] = *at >= 'A' && *at <= 'Z' ? (char) (*at - 'A' + 'a') : *at;
	text[used] = '\0';
	return find(members, text);
}

/* principal://.../POOL/subject/SUBJECT is in principalSet://.../POOL/ and then a star. */
static uint32_t pool_of(const struct members *members, const char *principal)
{
	static const char *const before[] = { "/workloadIdentityPools/", "/workforcePools/" };
	char text[CLV_PRINCIPAL_MAX + 8];
	const char *path = strchr(principal, '/'), *pool = NULL, *end;

	for (size_t i = 0; i < CLV_ARRAY_LEN(before); i++) { /* the first counts */
		const char *found = strstr(principal, before[i]);

		if (found != NULL && (pool == NULL || found < pool))
			pool = found + strlen(before[i]);
	}
	end = pool != NULL ? strchr(pool, '/') : NULL;
	if (end == NULL || strncmp(end, "/subject/", strlen("/subject/")) != 0)
		return POLICY_NO_NAME;
	snprintf(text, sizeof text, "principalSet:%.*s/*", (int) (end - path), path);
	return find(members, text);
}

static const struct caller nobody = { .self = { POLICY_NO_NAME, POLICY_NO_NAME, POLICY_NO_NAME,
						POLICY_NO_NAME } };

struct caller members_caller(const struct members *members, const char *principal)
{
	struct caller caller = nobody;

	switch (member_kind_of(principal)) {
	case MEMBER_USER:
		caller.self[1] = domain_of(members, principal);
		break;
	case MEMBER_PRINCIPAL:
		caller.self[1] = pool_of(members, principal);
		break;
	case MEMBER_SERVICE_ACCOUNT:
		break;
	default: /* no name that can be authenticated */
		caller.self[0] = members->all;
		return caller;
	}
	caller.self[0] = find(members, principal);
	caller.self[2] = members->all_authenticated;
	caller.self[3] = members->all;
	return caller;
}

struct caller members_selves(const struct members *members, const char *member)
{
	struct caller caller = members_caller(members, member);

	switch (member_kind_of(member)) {
	case MEMBER_GROUP:
	case MEMBER_PRINCIPAL_SET:
	case MEMBER_DOMAIN:
		caller.self[0] = find(members, member);
		caller.self[2] = members->all_authenticated;
		caller.self[3] = members->all;
		break;
	case MEMBER_ALL_AUTHENTICATED:
		caller.self[2] = members->all_authenticated;
		break;
	case MEMBER_DELETED:
	case MEMBER_INVALID:
		return nobody;
	default:
		break;
	}
	return caller;
}

bool caller_is(const struct members *members, const struct caller *caller, uint32_t member)
{
	for (size_t i = 0; i < CALLER_SELVES; i++) {
		const struct member *self;

		if (caller->self[i] == POLICY_NO_NAME)
			continue;
		if (caller->self[i] == member)
			return true;
		self = &members->member[caller->self[i]];
		for (uint32_t g = 0; g < self->n_all_groups; g++) {
			if (members->group[self->first_group + g] == member)
				return true;
		}
	}
	return false;
}
