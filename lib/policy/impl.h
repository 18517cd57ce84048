/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Nothing outside lib/policy and its tests includes it.
 *
 * A struct policy is what its documents were compiled into: `iam` (who holds what: roles, groups,
 * bindings) and `places` (constraints, locations, components). Both are immutable.
 */
#ifndef POLICY_IMPL_H
#define POLICY_IMPL_H

#include <jansson.h>
#include <stdatomic.h>

#include "lib/policy/policy.h"

#define POLICY_PERMISSIONS_MAX 256

struct permission_set {
	uint64_t bits[POLICY_PERMISSIONS_MAX / 64];
};

struct iam;
struct places;

struct policy {
	_Atomic unsigned refs;
	char owner[CLV_PRINCIPAL_MAX];              /* of the home; empty: nobody */
	struct iam *iam;                            /* owned */
	struct places *places;                      /* owned */
	struct permission_set administering, using; /* what separation of duties keeps apart */
};

/* ---- files that were built in (build-aux/embed-json) */

struct policy_file {
	const char *name; /* "cloudkms.admin" of policies/roles/cloudkms.admin-20260801.json */
	const char *date; /* "20260801"; empty: a file without a date */
	const char *text;
};

/* policies/roles/, of all dates. */
extern const struct policy_file policy_role_files[];
extern const size_t policy_n_role_files;
/* policies/index.json, the only one. */
extern const struct policy_file policy_index_files[];
extern const size_t policy_n_index_files;

/* ---- reading documents (json.c) */

#define POLICY_DOCUMENT_MAX (1024 * 1024) /* bytes of a document */

/* Reads a document, which must be a JSON object without a member twice. On CLV_OK *ret_json is
 * owned; end it with json_decref(). Errors: CLV_E_INVALID_ARGUMENT, naming document and place. */
CLV_MUST_USE clv_rc policy_json_read(const struct policy_document *document, json_t **ret_json,
				     struct clv_err *err);

/* Refuses members of `object` that are not in `known`, a list that ends in NULL. `where` names the
 * object to people. */
CLV_MUST_USE clv_rc policy_json_known(const json_t *object, const char *const known[],
				      const char *where, struct clv_err *err);

/* A member that is a string without a NUL inside: borrowed. Absent: NULL, or an error if it is
 * `needed`. */
CLV_MUST_USE clv_rc policy_json_string(const json_t *object, const char *key, bool needed,
				       const char *where, const char **ret_text,
				       struct clv_err *err);

/* A member that is an array; absent: NULL, or an error if it is `needed`. */
CLV_MUST_USE clv_rc policy_json_array(const json_t *object, const char *key, bool needed,
				      const char *where, const json_t **ret_array,
				      struct clv_err *err);

/* Takes JSON, also on failure, and writes it as text. */
CLV_MUST_USE clv_rc policy_json_put(json_t *json, struct clv_buf *ret_text, struct clv_err *err);

/* The date of a built-in document that counts, from policies/index.json: folder "roles", name
 * "cloudkms.admin". NULL: the index does not name it. Errors: CLV_E_INTERNAL. */
CLV_MUST_USE clv_rc policy_index_read(json_t **ret_index, struct clv_err *err);
const char *policy_index_date(const json_t *index, const char *folder, const char *name);

/* ---- names and their numbers (names.c): a set of texts, each with a number from 0 on */

#define POLICY_NO_NAME UINT32_MAX

struct policy_slot {
	uint32_t hash;
	uint32_t number; /* + 1; 0: a free slot */
};

struct policy_names {
	char **texts; /* owned, by number */
	uint32_t n, room;
	struct policy_slot *slots; /* open addressing; n_slots is a power of two */
	uint32_t n_slots;
};

uint32_t policy_hash(const char *text, size_t len);

/* The number of `text`, new if it was not there. Errors: CLV_E_RESOURCE_EXHAUSTED. */
CLV_MUST_USE clv_rc policy_names_add(struct policy_names *names, const char *text, size_t len,
				     uint32_t *ret_number, struct clv_err *err);
/* POLICY_NO_NAME: it is not there. */
uint32_t policy_names_find(const struct policy_names *names, const char *text, size_t len);
void policy_names_done(struct policy_names *names);

/* ---- permissions and roles (role.c) */

static inline bool permission_in(const struct permission_set *set, uint32_t permission)
{
	return permission < POLICY_PERMISSIONS_MAX &&
	       (set->bits[permission / 64] >> (permission % 64) & 1) != 0;
}

static inline void permission_set_add(struct permission_set *set, const struct permission_set *more)
{
	for (size_t i = 0; i < POLICY_PERMISSIONS_MAX / 64; i++)
		set->bits[i] |= more->bits[i];
}

static inline bool permission_sets_meet(const struct permission_set *a,
					const struct permission_set *b)
{
	uint64_t both = 0;

	for (size_t i = 0; i < POLICY_PERMISSIONS_MAX / 64; i++)
		both |= a->bits[i] & b->bits[i];
	return both != 0;
}

struct role {
	const char *name; /* "roles/cloudkms.admin" or "projects/P/roles/ID"; borrowed from names */
	char *title, *description, *stage; /* owned */
	bool custom;
	bool off; /* DISABLED or deleted: its bindings give nothing */
	struct permission_set permissions;
};

struct roles {
	struct policy_names names;       /* of roles; numbers are indices of `role` */
	struct policy_names permissions; /* all that there are: what roles/owner holds */
	struct role *role;               /* owned */
	uint32_t n, room;
};

/* The roles that are built in and the custom ones among the documents. */
CLV_MUST_USE clv_rc roles_compile(const struct policy_document *documents, size_t n,
				  struct roles *ret_roles, struct clv_err *err);
void roles_done(struct roles *roles);

/* Would a document of kind POLICY_ROLE be accepted? */
CLV_MUST_USE clv_rc role_check(const struct roles *roles, const struct policy_document *document,
			       struct clv_err *err);

/* May this role be bound on a resource of this project? A custom role only in its own. */
bool role_is_of(const struct role *role, const char *resource);

/* ---- conditions (condition.c) */

enum policy_truth { POLICY_FALSE, POLICY_TRUE, POLICY_UNKNOWN };

#define CONDITION_TEXT_MAX 4096 /* bytes of an expression, with the final NUL */
#define CONDITION_NODES_MAX 64  /* comparisons and operators of one */
#define CONDITION_DEPTH_MAX 16  /* parentheses and negations inside each other */

struct condition;

/* Errors: CLV_E_INVALID_ARGUMENT, naming the place and what may stand there;
 * CLV_E_RESOURCE_EXHAUSTED. On CLV_OK the caller owns *ret_condition. */
CLV_MUST_USE clv_rc condition_parse(const char *text, struct condition **ret_condition,
				    struct clv_err *err);
struct condition *condition_free(struct condition *condition);
CLV_DEFINE_AUTO(struct condition, condition_free);

/* A span of time, [from, until). */
struct policy_window {
	int64_t from, until;
};

/* What a condition is evaluated against. */
struct condition_facts {
	int64_t time;
	const char *name;    /* of the resource */
	const char *type;    /* e.g. "cloudkms.googleapis.com/CryptoKey"; NULL: not known */
	const char *service; /* e.g. "cloudkms.googleapis.com"; NULL: not known */
};

/* Narrows *window to the times around facts->time for which the answer is the same. */
enum policy_truth condition_evaluate(const struct condition *condition,
				     const struct condition_facts *facts,
				     struct policy_window *window);

/* ---- members and groups (member.c) */

enum member_kind {
	MEMBER_INVALID,
	MEMBER_USER,            /* user: */
	MEMBER_SERVICE_ACCOUNT, /* serviceAccount: */
	MEMBER_PRINCIPAL,       /* principal:// */
	MEMBER_GROUP,           /* group: */
	MEMBER_PRINCIPAL_SET,   /* principalSet:// */
	MEMBER_DOMAIN,          /* domain: */
	MEMBER_ALL_AUTHENTICATED,
	MEMBER_ALL,
	MEMBER_DELETED, /* deleted:...?uid=: nobody */
};

enum member_kind member_kind_of(const char *text);
/* Errors: CLV_E_INVALID_ARGUMENT. */
CLV_MUST_USE clv_rc member_check(const char *text, enum member_kind *ret_kind, struct clv_err *err);

struct member {
	const char *text; /* borrowed from names */
	enum member_kind kind;
	bool bound;   /* a binding names it */
	bool defined; /* a group that the document of groups has */
	/* In members.group: all that it is in, at any depth, those that bindings name first. */
	uint32_t first_group, n_groups, n_all_groups; /* n_groups: of these that are named */
};

struct members {
	struct policy_names names; /* numbers are indices of `member` */
	struct member *member;     /* owned */
	uint32_t room;
	uint32_t *group; /* owned: numbers of groups and sets */
	uint32_t n_group, room_group;
	uint32_t all, all_authenticated; /* POLICY_NO_NAME: no binding names them */
};

CLV_MUST_USE clv_rc members_add(struct members *members, const char *text, uint32_t *ret_number,
				struct clv_err *err);
/* Reads the documents of kind POLICY_GROUPS; once all bindings are read. */
CLV_MUST_USE clv_rc members_read_groups(struct members *members,
					const struct policy_document *documents, size_t n,
					struct clv_err *err);
void members_done(struct members *members);

/* Which members a caller is: itself, its domain or pool, everybody who is known, everybody; and the
 * groups that these are in. Some may be POLICY_NO_NAME. */
#define CALLER_SELVES 4
struct caller {
	uint32_t self[CALLER_SELVES];
};

struct caller members_caller(const struct members *members, const char *principal);
bool caller_is(const struct members *members, const struct caller *caller, uint32_t member);
/* The same for a member of any kind: a group is itself, the groups it is in, and everybody. */
struct caller members_selves(const struct members *members, const char *member);

/* ---- bindings (iam.c) */

struct iam_binding {
	uint32_t resource, role;          /* role POLICY_NO_NAME: there is none of that name */
	uint32_t first_member, n_members; /* in iam.binding_member */
	char *role_name;                  /* owned, as all texts here */
	char *rule;                       /* "binding:RESOURCE#ROLE" */
	struct condition *condition;      /* owned; NULL: none, or one that we do not know */
	char *expression, *title;         /* NULL: no condition */
};

/* What has a policy. Its bindings follow each other, as in the document. */
struct iam_resource {
	const char *name;
	uint32_t first_binding, n_bindings;
};

/* A binding as it concerns one of its members. */
struct iam_grant {
	uint32_t resource, member, binding, role;
};

/* Where the grants of (resource, member) are. */
struct iam_slot {
	uint32_t resource, member;
	uint32_t first, n; /* n is 0: a free slot */
};

/* Arrays are owned. Room is how many fit. */
struct iam {
	struct roles roles;
	struct members members;
	struct policy_names resources; /* numbers are indices of `resource` */
	struct iam_resource *resource;
	struct iam_binding *binding;
	uint32_t *binding_member; /* numbers of members */
	struct iam_grant *grant;  /* by resource, member and binding */
	struct iam_slot *slot;    /* open addressing; n_slots is a power of two */
	uint32_t n_bindings, n_binding_members, n_grants, n_slots;
	uint32_t room_resources, room_bindings, room_binding_members;
};

static inline uint32_t iam_pair_hash(uint32_t resource, uint32_t member)
{
	uint64_t z = ((uint64_t) resource << 32 | member) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t) (z >> 32);
}

/* Takes documents of kinds IAM, ROLE and GROUPS, leaves the others alone. */
CLV_MUST_USE clv_rc iam_compile(const struct policy_document *documents, size_t n,
				struct iam **ret_iam, struct clv_err *err);
struct iam *iam_free(struct iam *iam);
CLV_DEFINE_AUTO(struct iam, iam_free);

/* A binding as a document has it; borrowed from the JSON. */
struct binding_text {
	const char *role, *expression, *title; /* the last two NULL: no condition, no title */
	const json_t *members;                 /* NULL: none */
};

/* Reads the frame of a policy. *ret_json is owned, also on failure; the rest is borrowed from it.
 * Errors: CLV_E_INVALID_ARGUMENT. */
CLV_MUST_USE clv_rc iam_read_policy(const struct policy_document *document, json_t **ret_json,
				    const json_t **ret_bindings, int64_t *ret_version,
				    struct clv_err *err);
CLV_MUST_USE clv_rc iam_read_binding(const json_t *json, const char *where,
				     struct binding_text *ret_text, struct clv_err *err);

/* What is refused when a policy, or the document of groups, is set (check.c). */
CLV_MUST_USE clv_rc iam_check(const struct iam *iam, const struct policy_document *document,
			      struct clv_err *err);
/* Refuses a policy that, with what is above and below it, would give somebody of both sets.
 * Conditions are taken to hold. Errors: CLV_E_FAILED_PRECONDITION. */
CLV_MUST_USE clv_rc iam_check_duties(const struct iam *iam, const struct policy_document *document,
				     const struct permission_set *administering,
				     const struct permission_set *using, struct clv_err *err);
CLV_MUST_USE clv_rc groups_check(const struct policy_document *document, struct clv_err *err);

/* Does a binding give it? Rule and window as in policy.h; constraints and owner are not asked. */
struct policy_verdict iam_decide(const struct iam *iam, const struct policy_ask *ask);

/* Does a binding give the caller any of `permissions` on the resource of the ask? Narrows *window
 * as above. */
bool iam_holds_any(const struct iam *iam, const struct policy_ask *ask,
		   const struct permission_set *permissions, struct policy_window *window);

/*
 * What the bindings of a resource, and of those above it, give a member of any kind, whatever their
 * conditions say: the most it could ever hold there. `member` is as in a binding; what it holds as
 * a member of groups, of a domain and of everybody counts as well.
 */
void iam_most(const struct iam *iam, const char *member, const char *resource,
	      struct permission_set *ret_permissions);

/* The same without the bindings on the resource numbered `without`. */
void iam_most_without(const struct iam *iam, const char *member, const char *resource,
		      uint32_t without, struct permission_set *ret_permissions);

/* The grants of a member on a resource; `n` of it may be 0. Borrowed. */
const struct iam_slot *iam_slot_of(const struct iam *iam, uint32_t resource, uint32_t member);

/* One binding as it is looked at for an ask: what `explain` tells. All borrowed from the policy. */
struct iam_look {
	const struct iam_binding *binding;
	const char *resource; /* that it is on */
	const char *role;
	bool role_known;             /* false: no such role, so it gives nothing */
	bool role_holds;             /* the role has the permission */
	const char *member;          /* of the binding, that the caller is; NULL: it is none */
	enum policy_truth condition; /* POLICY_TRUE when there is none */
	const char *expression;      /* NULL: no condition */
	struct policy_window window; /* for which the condition is that */
};
typedef void iam_look_fn(void *arg, const struct iam_look *look);

/* Shows every binding of the resource and of those above it, from the project down, each list in
 * the order of its document. The first with member, role_holds and a true condition decides. */
void iam_walk(const struct iam *iam, const struct policy_ask *ask, iam_look_fn *look, void *arg);

/* ---- findings (lint.c) */

enum policy_severity { SEVERITY_HIGH, SEVERITY_MEDIUM, SEVERITY_LOW };

#define POLICY_FINDING_MAX 1024 /* bytes of a text, with the final NUL; what is longer is cut */

/* Adds one to the array `findings`. */
void policy_finding(json_t *findings, enum policy_severity severity, const char *id,
		    const char *where, const char *fmt, ...) CLV_PRINTF(5, 6);

#endif
