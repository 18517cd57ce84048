/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions. Pure: no clock, no catalogue, no token; all that may count is in the documents that a
 * policy was compiled from and in the ask. A compiled policy never changes; threads share it.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/buf.h>
#include <claviger/key.h>
#include <claviger/name.h>

#include "lib/base/auto.h"

/* What a document says, and so how it is read. The numbers are stored; never change them. */
enum policy_kind {
	POLICY_IAM = 1,        /* bindings of the resource that is its name */
	POLICY_ROLE = 2,       /* a custom role; its name is projects/P/roles/ID */
	POLICY_CONSTRAINT = 3, /* projects/P/policies/CONSTRAINT */
	POLICY_GROUPS = 4,     /* members of groups; its name is "groups" */
	POLICY_LOCATIONS = 5,  /* the tree of locations; its name is "locations" */
	POLICY_COMPONENTS = 6, /* where principals run; its name is "components" */
	POLICY_KIND_END
};

/* One document, borrowed for the length of the call. */
struct policy_document {
	enum policy_kind kind;
	const char *name;
	const char *text; /* JSON */
	size_t len;       /* bytes */
};

struct policy;

/*
 * Compiles documents, on top of those that are built in (roles, locations). `owner` is the
 * principal that made the home ("": nobody). On CLV_OK *ret_policy is shared; end it with
 * policy_unref(). Errors: CLV_E_INVALID_ARGUMENT, naming document and place.
 */
CLV_MUST_USE clv_rc policy_compile(const char *owner, const struct policy_document *documents,
				   size_t n, struct policy **ret_policy, struct clv_err *err);
struct policy *policy_ref(struct policy *policy);
struct policy *policy_unref(struct policy *policy); /* NULL is fine; returns NULL */
CLV_DEFINE_AUTO(struct policy, policy_unref);

/*
 * Would this document be accepted beside the others? What policy_compile() refuses, and what is
 * refused only when it is set: roles and members that are not known, conditions beyond what we
 * evaluate, changes that a constraint forbids. `policy` is what holds now. Errors:
 * CLV_E_INVALID_ARGUMENT; CLV_E_FAILED_PRECONDITION a constraint, by name.
 */
CLV_MUST_USE clv_rc policy_check_document(const struct policy *policy,
					  const struct policy_document *document,
					  struct clv_err *err);

/* What is asked. Strings are borrowed; those marked so may be NULL. */
struct policy_ask {
	const char *principal;  /* authenticated: "user:ada" */
	const char *place;      /* location that it runs in; NULL: the registry says, or nobody */
	const char *permission; /* e.g. "cloudkms.cryptoKeyVersions.useToEncrypt" */
	const char *resource;   /* full resource name */
	const struct clv_name *name; /* the same, taken apart; NULL: it is not such a name */
	int64_t time;                /* ns since 1970 */
	/* What is to be made or changed, as far as it is known; 0: it is not, or does not apply. */
	enum clv_protection protection;
	int64_t destroy_delay; /* ns; of a key to be made */
};

enum policy_refusal {
	POLICY_ALLOWED,
	POLICY_DENIED,              /* no binding gives the permission: PERMISSION_DENIED */
	POLICY_PLACE,               /* a constraint on callers, at use: PERMISSION_DENIED */
	POLICY_CONSTRAINT_VIOLATED, /* a constraint on what is made: FAILED_PRECONDITION */
};

#define POLICY_RULE_MAX 528 /* bytes, with the final NUL */
#define POLICY_WHY_MAX 480  /* bytes, with the final NUL: fits an error text */

struct policy_verdict {
	enum policy_refusal refusal;
	/* What decided: "home-owner", "default-deny", "binding:RESOURCE#ROLE", "constraint:NAME";
	 * borrowed from the policy, or static. */
	const char *rule;
	/* It is the same for every time in [from, until), ns since 1970. */
	int64_t from, until;
};

/* Deny wins, silence denies. Cannot fail. */
struct policy_verdict policy_decide(const struct policy *policy, const struct policy_ask *ask);

/* One sentence for people: why a constraint refuses, with what is allowed. For verdicts of
 * POLICY_PLACE and POLICY_CONSTRAINT_VIOLATED. */
void policy_why(const struct policy *policy, const struct policy_ask *ask,
		const struct policy_verdict *verdict, char ret_why[POLICY_WHY_MAX]);

/*
 * What becomes known only once the key was looked at: its protection level at a use, its version's
 * state before a destroy. Only constraints count here. Cannot fail.
 */
struct policy_facts {
	enum clv_protection protection; /* 0: not known */
	enum clv_state state;           /* 0: not known */
};
struct policy_verdict policy_decide_facts(const struct policy *policy, const struct policy_ask *ask,
					  const struct policy_facts *facts);

/* The shortest delay between the order to destroy and its execution that a project asks for, ns;
 * 0: it asks for none. */
int64_t policy_destroy_delay_min(const struct policy *policy, const char *project);

/* Does `principal` hold `permission` on the resource, whatever constraints say? For
 * testIamPermissions. */
bool policy_holds(const struct policy *policy, const struct policy_ask *ask);

/* Is there such a permission? Those that there are, roles/owner has. */
bool policy_permission_known(const struct policy *policy, const char *permission);

/*
 * Roles, for people, as JSON text: {"name":...,"title":...,"description":...,"stage":...,
 * "includedPermissions":[...]}. Of a list: an array by name of the predefined ones (`project` NULL)
 * or of a project's own. The caller ends *ret_json with clv_buf_done().
 * Errors: CLV_E_NOT_FOUND no such role; CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc policy_role_text(const struct policy *policy, const char *name,
				     struct clv_buf *ret_json, struct clv_err *err);
CLV_MUST_USE clv_rc policy_role_list(const struct policy *policy, const char *project,
				     struct clv_buf *ret_json, struct clv_err *err);

/*
 * Policies that are allowed and risky: {"id":...,"severity":"HIGH"|"MEDIUM"|"LOW","where":...,
 * "text":...} in a JSON array, the gravest first. `keys` are the full names of the keys that there
 * are, borrowed; without them what is only seen with them is left out. The caller ends *ret_json
 * with clv_buf_done(). Errors: CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc policy_lint(const struct policy *policy, const char *const *keys, size_t n,
				struct clv_buf *ret_json, struct clv_err *err);

#endif
