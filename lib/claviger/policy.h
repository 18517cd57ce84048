/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other documents of the policy: custom roles, constraints, groups, the tree of locations, and
 * where components run; and questions about all of it. Documents are JSON; claviger-policy(5) has
 * their forms. Each has an etag, which is used as in iam.h.
 */
#ifndef CLAVIGER_POLICY_H
#define CLAVIGER_POLICY_H

#include <claviger/buf.h>
#include <claviger/ctx.h>

enum clv_document {
	CLV_DOCUMENT_ROLE = 2,       /* projects/P/roles/ID; roles/... are built in */
	CLV_DOCUMENT_CONSTRAINT = 3, /* projects/P/policies/C, or KEY/policies/C */
	CLV_DOCUMENT_GROUPS = 4,     /* one for the home: its name is "groups" ... */
	CLV_DOCUMENT_LOCATIONS = 5,  /* ... "locations" ... */
	CLV_DOCUMENT_COMPONENTS = 6, /* ... "components" */
};

/* What must be there for a document to be set. */
enum clv_document_mode {
	CLV_DOCUMENT_PUT,    /* whatever */
	CLV_DOCUMENT_CREATE, /* nothing, else CLV_E_ALREADY_EXISTS */
	CLV_DOCUMENT_UPDATE, /* one, else CLV_E_NOT_FOUND */
};

/* Which document; borrowed for the length of the call. */
struct clv_document_id {
	enum clv_document kind;
	const char *name; /* NULL for the kinds of which a home has one */
};

/*
 * Appends a document as JSON text with its etag. A home's groups, locations or components that were
 * never set read {"etag":"ACAB"}. Permission: claviger.roles.get or claviger.policies.get, on the
 * project or key that the name is of, else on the home's project.
 * Errors: CLV_E_INVALID_ARGUMENT; CLV_E_PERMISSION_DENIED; CLV_E_NOT_FOUND.
 */
CLV_MUST_USE clv_rc clv_document_get(struct clv_ctx *ctx, const struct clv_caller *who,
				     const struct clv_document_id *id, struct clv_buf *ret_text,
				     struct clv_err *err);

/*
 * Sets a document and appends it with its new etag. Permission: claviger.roles.create or .update,
 * claviger.policies.set. Audited. Errors: as clv_iam_set(), and what `mode` says.
 */
CLV_MUST_USE clv_rc clv_document_set(struct clv_ctx *ctx, const struct clv_caller *who,
				     const struct clv_document_id *id, enum clv_document_mode mode,
				     struct clv_bytes text, struct clv_buf *ret_text,
				     struct clv_err *err);

/*
 * Takes a document away. `etag` NULL: whatever is there. Permission: claviger.roles.delete,
 * claviger.policies.set. Audited. Errors: CLV_E_NOT_FOUND; CLV_E_ABORTED; CLV_E_PERMISSION_DENIED;
 * CLV_E_FAILED_PRECONDITION what is left would not hold together.
 */
CLV_MUST_USE clv_rc clv_document_remove(struct clv_ctx *ctx, const struct clv_caller *who,
					const struct clv_document_id *id, const char *etag,
					struct clv_err *err);

/*
 * Appends a JSON array of the documents of a kind in a project ("projects/P"), by name. Of roles
 * with `project` NULL those that are built in, without their permissions. Permission:
 * claviger.roles.list, claviger.policies.get.
 */
CLV_MUST_USE clv_rc clv_document_list(struct clv_ctx *ctx, const struct clv_caller *who,
				      enum clv_document kind, const char *project,
				      struct clv_buf *ret_array, struct clv_err *err);

/* A decision to be explained. Borrowed for the length of the call. */
struct clv_policy_question {
	const char *principal; /* who would ask */
	const char *place;     /* where from; NULL: as the registry of components says */
	const char *action;    /* "decrypt", "sign" ..., or a permission */
	const char *resource;  /* a full name; it need not exist */
	int64_t time;          /* ns since 1970; 0: now */
};

/*
 * Appends as JSON what the answer would be, by which rule, which bindings and constraints were
 * looked at with what result, and what would change the answer. Permission: claviger.policies.get
 * on the resource. Errors: CLV_E_INVALID_ARGUMENT; CLV_E_PERMISSION_DENIED.
 */
CLV_MUST_USE clv_rc clv_policy_explain(struct clv_ctx *ctx, const struct clv_caller *who,
				       const struct clv_policy_question *question,
				       struct clv_buf *ret_json, struct clv_err *err);

/* Appends a JSON array of what is risky in the policies as they are, each {"id","severity","where",
 * "text"}. Permission: claviger.policies.get on the home's project. */
CLV_MUST_USE clv_rc clv_policy_lint(struct clv_ctx *ctx, const struct clv_caller *who,
				    struct clv_buf *ret_json, struct clv_err *err);

/*
 * Decides each case of a document of expected decisions, and appends what came of it:
 * {"passed":N,"failed":N,"cases":[...]}. Permission: as clv_policy_lint().
 * Errors: CLV_E_INVALID_ARGUMENT the document, naming the case. That cases fail is no error.
 */
CLV_MUST_USE clv_rc clv_policy_test(struct clv_ctx *ctx, const struct clv_caller *who,
				    struct clv_bytes cases, struct clv_buf *ret_json,
				    struct clv_err *err);

#endif
