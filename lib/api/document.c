/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of the policy: read, set and taken away. What comes of a change is compiled before it
 * is stored, under the change lock, so that the catalogue never holds documents that do not go
 * together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/base/quote.h"
#include "lib/policy/text.h"

static char *text_free(char *text)
{
	free(text);
	return NULL;
}
CLV_DEFINE_AUTO(char, text_free);

static const struct {
	const char *what;   /* for people */
	const char *single; /* its name, where a home has one */
	const char *read, *list, *create, *update, *remove;
} kinds[POLICY_KIND_END] = {
	[POLICY_IAM] = { .what = "IAM policy" },
	[POLICY_ROLE] = { "Role", NULL, "claviger.roles.get", "claviger.roles.list",
			  "claviger.roles.create", "claviger.roles.update",
			  "claviger.roles.delete" },
	[POLICY_CONSTRAINT] = { "Policy", NULL, "claviger.policies.get", "claviger.policies.get",
				"claviger.policies.set", "claviger.policies.set",
				"claviger.policies.set" },
	[POLICY_GROUPS] = { "Document", "groups", "claviger.policies.get", "claviger.policies.get",
			    "claviger.policies.set", "claviger.policies.set",
			    "claviger.policies.set" },
	[POLICY_LOCATIONS] = { "Document", "locations", "claviger.policies.get",
			       "claviger.policies.get", "claviger.policies.set",
			       "claviger.policies.set", "claviger.policies.set" },
	[POLICY_COMPONENTS] = { "Document", "components", "claviger.policies.get",
				"claviger.policies.get", "claviger.policies.set",
				"claviger.policies.set", "claviger.policies.set" },
};

/* ---- a change, checked and stored */

static struct store_document *find(const struct store_documents *documents, int kind,
				   const char *name)
{
	for (size_t i = 0; i < documents->n; i++) {
		if (documents->rows[i].kind == kind && strcmp(documents->rows[i].name, name) == 0)
			return &documents->rows[i];
	}
	return NULL;
}

static clv_rc check_mode(const struct api_document_change *change,
			 const struct store_document *there, struct clv_err *err)
{
	const char *what = kinds[change->kind].what;

	if (there != NULL && change->mode == CLV_DOCUMENT_CREATE)
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "%s %s already exists.", what,
				change->name);
	if (there == NULL && (change->mode == CLV_DOCUMENT_UPDATE || change->text == NULL))
		return clv_fail(err, CLV_E_NOT_FOUND, "%s %s not found.", what, change->name);
	return CLV_OK;
}

/* Taking grants away ends use, and must go through on a full disk too. */
static bool lowers(const struct api_document_change *change, const struct store_document *there)
{
	return change->kind == POLICY_IAM && change->text != NULL && there != NULL &&
	       policy_text_only_removes(there->text, change->text);
}

/* All documents as they would be, as policy_compile() wants them. */
static clv_rc compile_result(struct clv_ctx *ctx, const struct api_document_change *change,
			     const struct store_documents *documents, bool alone,
			     struct clv_err *err)
{
	CLV_AUTO(policy_unref) struct policy *policy = NULL;
	struct policy_document *result = calloc(documents->n + 1, sizeof *result);
	size_t n = 0;
	clv_rc rc;

	if (result == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	for (size_t i = 0; i < documents->n && !alone; i++) {
		const struct store_document *row = &documents->rows[i];

		if (row->kind != change->kind || strcmp(row->name, change->name) != 0)
			result[n++] = (struct policy_document){ (enum policy_kind) row->kind,
								row->name, row->text, row->len };
	}
	if (change->text != NULL)
		result[n++] =
			(struct policy_document){ (enum policy_kind) change->kind, change->name,
						  change->text, strlen(change->text) };
	rc = policy_compile(ctx->info.owner, result, n, &policy, err);
	free(result);
	return rc;
}

/* Where documents cannot be read that others have broken, each can be set anew by itself. */
static clv_rc check_result(struct api_worker *worker, const struct api_document_change *change,
			   const struct store_documents *documents, struct clv_err *err)
{
	const struct policy *now;
	bool readable;

	CLV_TRY(gate_policy(worker, change->grant, &now, &readable, err));
	if (change->text != NULL)
		CLV_TRY(policy_check_document(
			now,
			&(struct policy_document){ (enum policy_kind) change->kind, change->name,
						   change->text, strlen(change->text) },
			err));
	return compile_result(worker->ctx, change, documents, !readable, err);
}

static clv_rc store(struct api_worker *worker, const struct api_document_change *change,
		    int64_t expected, int64_t *ret_row_version, struct clv_err *err)
{
	struct store_document row = { .kind = change->kind, .update_time = clv_time_now() };

	if (change->text == NULL)
		return store_document_remove(worker->store, change->grant, change->kind,
					     change->name, expected, err);
	snprintf(row.name, sizeof row.name, "%s", change->name);
	snprintf(row.update_principal, sizeof row.update_principal, "%s",
		 gate_principal(change->grant));
	return store_document_put(worker->store, change->grant, &row, change->text, expected,
				  ret_row_version, err);
}

/* One that lowers nothing needs room for its entry before it is made. */
static clv_rc commit(struct api_worker *worker, const struct api_document_change *change,
		     bool *ret_lowers, int64_t *ret_row_version, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change lock = { 0 };
	CLV_AUTO_DONE(store_documents_clear) struct store_documents documents = { 0 };
	const struct store_document *there;

	CLV_TRY(api_change_begin(worker->ctx, &lock, err));
	CLV_TRY(store_document_list(worker->store, 0, &documents, err));
	there = find(&documents, change->kind, change->name);
	CLV_TRY(check_mode(change, there, err));
	if (change->etag == POLICY_ETAG_WRONG ||
	    (change->etag != POLICY_ETAG_NONE &&
	     change->etag != (there != NULL ? there->row_version : 0)))
		return clv_fail(err, CLV_E_ABORTED,
				"There were concurrent policy changes. Please retry the whole "
				"read-modify-write with exponential backoff.");
	*ret_lowers = lowers(change, there);
	if (!*ret_lowers)
		CLV_TRY(gate_raises(worker->ctx, change->grant, err));
	CLV_TRY(check_result(worker, change, &documents, err));
	return store(worker, change, there != NULL ? there->row_version : 0, ret_row_version, err);
}

clv_rc api_document_change(struct api_worker *worker, const struct api_document_change *change,
			   int64_t *ret_row_version, struct clv_err *err)
{
	CLV_AUTO_DONE(api_loan_end) struct api_loan loan = { 0 };
	bool lowering = false;
	clv_rc rc;

	api_seal_prepare(worker);
	rc = commit(worker, change, &lowering, ret_row_version, err);

	while (rc == CLV_E_RESOURCE_EXHAUSTED && lowering && api_loan_draw(worker->ctx, &loan)) {
		store_tidy(worker->store);
		rc = commit(worker, change, &lowering, ret_row_version, err);
	}
	return rc;
}

clv_rc api_document_text(struct api_worker *worker, int kind, const char *name,
			 struct clv_buf *ret_text, struct clv_err *err)
{
	CLV_AUTO_DONE(store_document_clear) struct store_document row = { 0 };
	clv_rc rc = store_document_get(worker->store, kind, name, &row, err);

	if (rc == CLV_E_NOT_FOUND && (kind == POLICY_IAM || kinds[kind].single != NULL))
		return policy_text_write(NULL, 0, ret_text, err);
	if (rc == CLV_E_NOT_FOUND)
		return clv_fail(err, CLV_E_NOT_FOUND, "%s %s not found.", kinds[kind].what, name);
	CLV_TRY(rc);
	return policy_text_write(row.text, row.row_version, ret_text, err);
}

/* ---- which document, and whose it is */

/* A document by its name, and the resource that its permissions are asked on. */
struct target {
	int kind;
	bool built_in; /* a role that is there without a document */
	char name[STORE_DOCUMENT_NAME_MAX], resource[CLV_NAME_MAX];
};

static clv_rc refuse_name(int kind, const char *name, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is not the name of a %s",
			clv_quote(name, quoted),
			kind == POLICY_ROLE ? "role: it must look like projects/P/roles/ID"
					    : "constraint: it must look like "
					      "projects/P/policies/CONSTRAINT, or have the full "
					      "name of a key in the place of projects/P");
}

/* "PARENT/COLLECTION/ID": the parent is the resource. */
static clv_rc read_name(const char *name, const char *collection, struct target *target,
			struct clv_err *err)
{
	const char *at = name != NULL ? strstr(name, collection) : NULL;
	struct clv_name parsed;
	const char *id;

	if (at == NULL || strlen(name) >= sizeof target->name ||
	    (size_t) (at - name) >= sizeof target->resource)
		return refuse_name(target->kind, name, err);
	id = at + strlen(collection);
	if (*id == '\0' || strlen(id) > 100 ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") !=
		    strlen(id))
		return refuse_name(target->kind, name, err);
	snprintf(target->resource, sizeof target->resource, "%.*s", (int) (at - name), name);
	if (clv_name_parse(target->resource, &parsed, err) != CLV_OK ||
	    (parsed.kind != CLV_NAME_PROJECT &&
	     (parsed.kind != CLV_NAME_KEY || target->kind != POLICY_CONSTRAINT)))
		return refuse_name(target->kind, name, err);
	snprintf(target->name, sizeof target->name, "%s", name);
	return CLV_OK;
}

static clv_rc find_target(const struct clv_ctx *ctx, const struct clv_document_id *id,
			  struct target *target, struct clv_err *err)
{
	target->kind = (int) id->kind;
	if (target->kind <= POLICY_IAM || target->kind >= POLICY_KIND_END)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "there is no document of kind %d",
				target->kind);
	if (target->kind == POLICY_ROLE && id->name != NULL &&
	    strncmp(id->name, "roles/", strlen("roles/")) == 0 &&
	    strlen(id->name) < sizeof target->name) {
		target->built_in = true;
		snprintf(target->name, sizeof target->name, "%s", id->name);
		api_own_project(ctx, target->resource);
		return CLV_OK;
	}
	if (kinds[target->kind].single == NULL)
		return read_name(id->name, target->kind == POLICY_ROLE ? "/roles/" : "/policies/",
				 target, err);
	if (id->name != NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a home has one document of %s: it "
				"takes no name",
				kinds[target->kind].single);
	snprintf(target->name, sizeof target->name, "%s", kinds[target->kind].single);
	api_own_project(ctx, target->resource);
	return CLV_OK;
}

/* ---- the calls */

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			  const struct target *target, struct clv_buf *ret_text,
			  struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	const struct policy *policy;
	bool readable;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	if (!target->built_in)
		return api_document_text(worker, target->kind, target->name, ret_text, err);
	CLV_TRY(gate_policy(worker, grant, &policy, &readable, err));
	return policy_role_text(policy, target->name, ret_text, err);
}

clv_rc clv_document_get(struct clv_ctx *ctx, const struct clv_caller *who,
			const struct clv_document_id *id, struct clv_buf *ret_text,
			struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	struct gate_question question = { .repair = true };
	struct target target = { 0 };

	CLV_TRY(find_target(ctx, id, &target, err));
	question.permission = kinds[target.kind].read;
	question.resource = target.resource;
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, grant, &target, &text, err), NULL, err));
	return clv_buf_add(ret_text, text.data, text.len, err);
}

/* Sets it, or takes it away. */
static clv_rc change_granted(struct clv_ctx *ctx, const struct api_document_change *change,
			     struct clv_buf *ret_text, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	int64_t row_version = 0;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(api_document_change(worker, change, &row_version, err));
	if (change->text == NULL)
		return CLV_OK;
	return policy_text_write(change->text, row_version, ret_text, err);
}

/* In the entry's reason stands which document: its resource has many. */
static clv_rc ask_and_change(struct clv_ctx *ctx, const struct clv_caller *who,
			     const struct target *target, const char *permission,
			     struct api_document_change *change, struct clv_buf *ret_text,
			     struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	struct gate_question question = { .permission = permission,
					  .resource = target->resource,
					  .reason = target->name,
					  .change = true,
					  .repair = true };

	if (target->built_in)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s is built in: make a role of your own, projects/P/roles/ID",
				target->name);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	change->grant = grant;
	change->kind = target->kind;
	change->name = target->name;
	CLV_TRY(gate_answer(ctx, grant, change_granted(ctx, change, &text, err), NULL, err));
	return clv_buf_add(ret_text, text.data, text.len, err);
}

clv_rc clv_document_set(struct clv_ctx *ctx, const struct clv_caller *who,
			const struct clv_document_id *id, enum clv_document_mode mode,
			struct clv_bytes text, struct clv_buf *ret_text, struct clv_err *err)
{
	CLV_AUTO(text_free) char *stored = NULL;
	struct api_document_change change = { .mode = mode };
	struct target target = { 0 };

	CLV_TRY(find_target(ctx, id, &target, err));
	CLV_TRY(policy_text_read(text, &stored, &change.etag, err));
	change.text = stored;
	return ask_and_change(ctx, who, &target,
			      mode == CLV_DOCUMENT_CREATE ? kinds[target.kind].create
							  : kinds[target.kind].update,
			      &change, ret_text, err);
}

clv_rc clv_document_remove(struct clv_ctx *ctx, const struct clv_caller *who,
			   const struct clv_document_id *id, const char *etag, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf nothing = { 0 };
	struct api_document_change change = { .etag = policy_etag_parse(etag) };
	struct target target = { 0 };

	CLV_TRY(find_target(ctx, id, &target, err));
	return ask_and_change(ctx, who, &target, kinds[target.kind].remove, &change, &nothing, err);
}

/* ---- lists */

static bool is_of(const struct store_document *row, const char *parent)
{
	const size_t len = strlen(parent);

	return strncmp(row->name, parent, len) == 0 && row->name[len] == '/';
}

/* Constraints of a project's keys are listed with the project's. */
static clv_rc list_documents(struct api_worker *worker, int kind, const char *project,
			     struct clv_buf *out, struct clv_err *err)
{
	CLV_AUTO_DONE(store_documents_clear) struct store_documents documents = { 0 };
	const char *comma = "";

	CLV_TRY(store_document_list(worker->store, kind, &documents, err));
	CLV_TRY(clv_buf_add(out, "[", 1, err));
	for (size_t i = 0; i < documents.n; i++) {
		const struct store_document *row = &documents.rows[i];

		if (!is_of(row, project))
			continue;
		CLV_TRY(clv_buf_add(out, comma, strlen(comma), err));
		CLV_TRY(policy_text_write(row->text, row->row_version, out, err));
		comma = ",";
	}
	return clv_buf_add(out, "]", 1, err);
}

static clv_rc list_granted(struct clv_ctx *ctx, const struct clv_grant *grant, int kind,
			   const char *project, struct clv_buf *out, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	const struct policy *policy;
	bool readable;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	if (project != NULL)
		return list_documents(worker, kind, project, out, err);
	CLV_TRY(gate_policy(worker, grant, &policy, &readable, err));
	return policy_role_list(policy, NULL, out, err);
}

clv_rc clv_document_list(struct clv_ctx *ctx, const struct clv_caller *who, enum clv_document kind,
			 const char *project, struct clv_buf *ret_array, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf array = { 0 };
	struct gate_question question = { .repair = true };
	char home_project[CLV_NAME_MAX];
	struct clv_name parsed;

	if ((kind != CLV_DOCUMENT_ROLE && kind != CLV_DOCUMENT_CONSTRAINT) ||
	    (project == NULL && kind != CLV_DOCUMENT_ROLE))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"only roles and constraints of a project can be listed");
	if (project != NULL)
		CLV_TRY(clv_name_parse_kind(project, CLV_NAME_PROJECT, &parsed, err));
	question.permission = kinds[kind].list;
	question.resource = project != NULL ? project : api_own_project(ctx, home_project);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, list_granted(ctx, grant, (int) kind, project, &array, err),
			    NULL, err));
	return clv_buf_add(ret_array, array.data, array.len, err);
}
