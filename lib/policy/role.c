/* SPDX-License-Identifier: Apache-2.0 */
/* Roles: names for sets of permissions. Not for who has them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/impl.h"

#include "lib/base/banned.h"

#define TITLE_MAX 100       /* bytes */
#define DESCRIPTION_MAX 300 /* bytes */
#define ID_MIN 3
#define ID_MAX 64
#define WHERE_MAX (CLV_QUOTE_MAX + 16)

/* How a role document is read. */
enum reading {
	READ_EVERYTHING, /* roles/owner: what it lists are the permissions that there are */
	READ_BUILT_IN,
	READ_STORED, /* a custom role: what is not known any more gives nothing */
	READ_STRICT, /* a custom role that is about to be stored */
};

static const char *const stages[] = { "ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP" };

static clv_rc copy_text(const char *text, size_t max, const char *what, const char *where,
			char **ret_copy, struct clv_err *err)
{
	char *copy;

	if (text == NULL)
		text = "";
	if (strlen(text) > max)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: \"%s\" is longer than %zu bytes",
				where, what, max);
	copy = strdup(text);
	if (copy == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a role");
	*ret_copy = copy;
	return CLV_OK;
}

static clv_rc check_stage(const char *stage, const char *where, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	for (size_t i = 0; i < CLV_ARRAY_LEN(stages); i++) {
		if (strcmp(stage, stages[i]) == 0)
			return CLV_OK;
	}
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"%s: %s is no stage: ALPHA, BETA, GA, DEPRECATED, DISABLED, EAP", where,
			clv_quote(stage, quoted));
}

/* Adds a permission to the set. */
static clv_rc take_permission(struct roles *roles, const json_t *value, enum reading reading,
			      const char *where, struct permission_set *set, struct clv_err *err)
{
	const char *text = json_string_value(value);
	char quoted[CLV_QUOTE_MAX];
	uint32_t number;

	if (text == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: a permission must be a string",
				where);
	if (reading == READ_EVERYTHING)
		CLV_TRY(policy_names_add(&roles->permissions, text, strlen(text), &number, err));
	else
		number = policy_names_find(&roles->permissions, text, strlen(text));
	if (number >= POLICY_PERMISSIONS_MAX) {
		if (reading == READ_STORED)
			return CLV_OK;
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s: %s is not a permission that there is here: "
				"policies/roles/owner lists them",
				where, clv_quote(text, quoted));
	}
	set->bits[number / 64] |= UINT64_C(1) << (number % 64);
	return CLV_OK;
}

static clv_rc take_permissions(struct roles *roles, const json_t *json, enum reading reading,
			       const char *where, struct permission_set *ret_set,
			       struct clv_err *err)
{
	struct permission_set set = { { 0 } };
	const json_t *array, *value;
	size_t i;

	CLV_TRY(policy_json_array(json, "includedPermissions", reading != READ_STORED, where,
				  &array, err));
	json_array_foreach(array, i, value)
		CLV_TRY(take_permission(roles, value, reading, where, &set, err));
	*ret_set = set;
	return CLV_OK;
}

static void role_done(struct role *role)
{
	free(role->title);
	free(role->description);
	free(role->stage);
	*role = (struct role){ 0 };
}

/* The texts of a role, and whether it is in force. */
static clv_rc take_texts(const json_t *json, const char *where, struct role *role,
			 struct clv_err *err)
{
	const char *title, *description, *stage, *etag;
	const json_t *deleted = json_object_get(json, "deleted");

	CLV_TRY(policy_json_string(json, "title", false, where, &title, err));
	CLV_TRY(policy_json_string(json, "description", false, where, &description, err));
	CLV_TRY(policy_json_string(json, "stage", false, where, &stage, err));
	CLV_TRY(policy_json_string(json, "etag", false, where, &etag, err));
	if (deleted != NULL && !json_is_boolean(deleted))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s: \"deleted\" must be true or false", where);
	stage = stage != NULL ? stage : "GA";
	CLV_TRY(check_stage(stage, where, err));
	CLV_TRY(copy_text(title, TITLE_MAX, "title", where, &role->title, err));
	CLV_TRY(copy_text(description, DESCRIPTION_MAX, "description", where, &role->description,
			  err));
	CLV_TRY(copy_text(stage, TITLE_MAX, "stage", where, &role->stage, err));
	role->off = strcmp(stage, "DISABLED") == 0 || json_is_true(deleted);
	return CLV_OK;
}

/* What is in the document; *role is to be ended with role_done() in any case. */
static clv_rc role_read(struct roles *roles, const json_t *json, const char *name,
			enum reading reading, struct role *role, struct clv_err *err)
{
	static const char *const known[] = { "name", "title",   "description",         "stage",
					     "etag", "deleted", "includedPermissions", NULL };
	char quoted[CLV_QUOTE_MAX], where[WHERE_MAX];
	const char *own_name;

	snprintf(where, sizeof where, "the role %s", clv_quote(name, quoted));
	CLV_TRY(policy_json_known(json, known, where, err));
	CLV_TRY(policy_json_string(json, "name", reading != READ_STORED, where, &own_name, err));
	if (own_name != NULL && strcmp(own_name, name) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s: its \"name\" says another: it must be the same", where);
	CLV_TRY(take_texts(json, where, role, err));
	return take_permissions(roles, json, reading, where, &role->permissions, err);
}

static bool grow(struct roles *roles)
{
	uint32_t room = roles->room == 0 ? 64 : roles->room * 2;
	struct role *role;

	if (roles->n < roles->room)
		return true;
	role = realloc(roles->role, room * sizeof *role);
	if (role == NULL)
		return false;
	roles->role = role;
	roles->room = room;
	return true;
}

/* Reads one and adds it. */
static clv_rc roles_add(struct roles *roles, const struct policy_document *document,
			enum reading reading, struct clv_err *err)
{
	struct role role = { .custom = reading >= READ_STORED };
	json_t *json = NULL;
	uint32_t number;
	clv_rc rc;

	if (policy_names_find(&roles->names, document->name, strlen(document->name)) !=
	    POLICY_NO_NAME)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the role \"%.150s\" is there twice",
				document->name);
	CLV_TRY(policy_json_read(document, &json, err));
	rc = role_read(roles, json, document->name, reading, &role, err);
	json_decref(json);
	if (rc == CLV_OK && !grow(roles))
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a role");
	if (rc == CLV_OK)
		rc = policy_names_add(&roles->names, document->name, strlen(document->name),
				      &number, err);
	if (rc != CLV_OK) {
		role_done(&role);
		return rc;
	}
	role.name = roles->names.texts[number];
	roles->role[number] = role;
	roles->n = number + 1;
	return CLV_OK;
}

static clv_rc add_built_in(struct roles *roles, const struct policy_file *file, bool everything,
			   struct clv_err *err)
{
	char name[CLV_QUOTE_MAX + 8];
	const struct policy_document document = {
		.kind = POLICY_ROLE, .name = name, .text = file->text, .len = strlen(file->text)
	};
	struct clv_err why;

	snprintf(name, sizeof name, "roles/%s", file->name);
	if (roles_add(roles, &document, everything ? READ_EVERYTHING : READ_BUILT_IN, &why) !=
	    CLV_OK)
		return clv_fail(err, CLV_E_INTERNAL, "a built-in role is broken: %.400s", why.text);
	return CLV_OK;
}

/* roles/owner comes first, since it says which permissions there are. */
static clv_rc add_all_built_in(struct roles *roles, const json_t *index, struct clv_err *err)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < policy_n_role_files; i++) {
			const struct policy_file *file = &policy_role_files[i];
			const char *date = policy_index_date(index, "roles", file->name);
			const bool everything = strcmp(file->name, "owner") == 0;

			if (date != NULL && strcmp(date, file->date) == 0 &&
			    everything == (pass == 0))
				CLV_TRY(add_built_in(roles, file, everything, err));
		}
	}
	return CLV_OK;
}

clv_rc roles_compile(const struct policy_document *documents, size_t n, struct roles *ret_roles,
		     struct clv_err *err)
{
	struct roles roles = { 0 };
	json_t *index = NULL;
	clv_rc rc;

	CLV_TRY(policy_index_read(&index, err));
	rc = add_all_built_in(&roles, index, err);
	json_decref(index);
	for (size_t i = 0; rc == CLV_OK && i < n; i++) {
		if (documents[i].kind == POLICY_ROLE)
			rc = roles_add(&roles, &documents[i], READ_STORED, err);
	}
	if (rc != CLV_OK) {
		roles_done(&roles);
		return rc;
	}
	*ret_roles = roles;
	return CLV_OK;
}

void roles_done(struct roles *roles)
{
	for (uint32_t i = 0; i < roles->n; i++)
		role_done(&roles->role[i]);
	free(roles->role);
	policy_names_done(&roles->names);
	policy_names_done(&roles->permissions);
	*roles = (struct roles){ 0 };
}

/* "projects/P/roles/ID" */
static clv_rc check_name(const char *name, struct clv_err *err)
{
	static const char before[] = "projects/", between[] = "/roles/";
	const char *project = name + strlen(before), *id = NULL;
	char quoted[CLV_QUOTE_MAX], copy[CLV_ID_MAX] = "";
	size_t len = 0, id_len = 0;

	if (strncmp(name, before, strlen(before)) == 0 && (id = strchr(project, '/')) != NULL &&
	    strncmp(id, between, strlen(between)) == 0) {
		len = (size_t) (id - project);
		id += strlen(between);
		id_len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.");
	}
	if (len == 0 || len >= sizeof copy || id[id_len] != '\0' || id_len < ID_MIN ||
	    id_len > ID_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s is not the name of a custom role: it must be "
				"projects/P/roles/ID with an ID of [a-zA-Z0-9_.]{3,64}",
				clv_quote(name, quoted));
	memcpy(copy, project, len);
	return clv_id_check(CLV_NAME_PROJECT, copy, err);
}

clv_rc role_check(const struct roles *roles, const struct policy_document *document,
		  struct clv_err *err)
{
	struct role role = { 0 };
	struct roles known = { .permissions = roles->permissions }; /* only looked up in */
	json_t *json = NULL;
	clv_rc rc;

	CLV_TRY(check_name(document->name, err));
	CLV_TRY(policy_json_read(document, &json, err));
	rc = role_read(&known, json, document->name, READ_STRICT, &role, err);
	json_decref(json);
	role_done(&role);
	return rc;
}

bool role_is_of(const struct role *role, const char *resource)
{
	static const char before[] = "projects/";
	const size_t len = strlen(before) + strcspn(role->name + strlen(before), "/");

	return !role->custom || (strncmp(role->name, resource, len) == 0 &&
				 (resource[len] == '/' || resource[len] == '\0'));
}
