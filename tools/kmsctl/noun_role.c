/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl roles: what roles hold, and roles of one's own. As gcloud iam roles. */
#include <string.h>

#include "tools/kmsctl/iam.h"

#define ROLE_NAME_MAX 256

/* "roles/x" and full names as they are; an id is one of the project's. */
static clv_rc name_of(struct kms_run *run, char ret_name[ROLE_NAME_MAX], struct clv_err *err)
{
	const char *id = run->args->arg[0];
	const char *project = kms_project_asked(run->args);
	int n;

	if (project == NULL)
		project = clv_ctx_project(run->ctx);
	if (strchr(id, '/') != NULL)
		n = snprintf(ret_name, ROLE_NAME_MAX, "%s", id);
	else
		n = snprintf(ret_name, ROLE_NAME_MAX, "projects/%s/roles/%s", project, id);
	return n < ROLE_NAME_MAX ? CLV_OK
				 : kms_usage(run->args, err, "the name of the role is too long");
}

static clv_rc get(struct kms_run *run, const char *name, json_t **ret_role, struct clv_err *err)
{
	const struct clv_document_id id = { CLV_DOCUMENT_ROLE, name };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };

	CLV_TRY(clv_document_get(run->ctx, run->who, &id, &text, err));
	return kms_load_json(&text, ret_role, err);
}

static clv_rc put(struct kms_run *run, const char *name, enum clv_document_mode mode,
		  const json_t *role, json_t **ret_stored, struct clv_err *err)
{
	const struct clv_document_id id = { CLV_DOCUMENT_ROLE, name };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf stored = { 0 };
	KMS_AUTO(kms_free) void *owned = NULL;
	char *text = NULL;

	CLV_TRY(kms_dump_json(role, &text, err));
	owned = text;
	CLV_TRY(clv_document_set(run->ctx, run->who, &id, mode,
				 (struct clv_bytes){ (const uint8_t *) text, strlen(text) },
				 &stored, err));
	return kms_load_json(&stored, ret_stored, err);
}

static clv_rc role_describe(struct kms_run *run, struct clv_err *err)
{
	char name[ROLE_NAME_MAX];
	json_t *role;

	CLV_TRY(name_of(run, name, err));
	CLV_TRY(get(run, name, &role, err));
	return kms_out_record(run->out, role, err);
}

static const struct kms_column role_columns[] = {
	{ "NAME", "name", false },
	{ "TITLE", "title", false },
	{ "STAGE", "stage", false },
	{ 0 },
};

/* Without a project those that are built in, as gcloud has it. */
static clv_rc role_list(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	json_t *list;

	CLV_TRY(clv_document_list(run->ctx, run->who, CLV_DOCUMENT_ROLE,
				  kms_given(run->args, "project") ? run->full : NULL, &text, err));
	CLV_TRY(kms_load_json(&text, &list, err));
	return kms_out_list(run->out, list, role_columns, err);
}

/* ---- what the line says of a role */

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
			"no memory for the role, or a text is no UTF-8");
}

static size_t place_of(const json_t *list, const json_t *text)
{
	size_t i = 0;

	while (i < json_array_size(list) && !json_equal(json_array_get(list, i), text))
		i++;
	return i;
}

/* "a,b": each into the list, once, or out of it. */
static clv_rc apply_list(const char *text, bool adds, json_t *list, struct clv_err *err)
{
	for (size_t len; *text != '\0'; text += len + (text[len] == ',')) {
		json_t *one;
		size_t place;

		len = strcspn(text, ",");
		one = json_stringn(text, len);
		if (one == NULL)
			return no_memory(err);
		place = place_of(list, one);
		if (adds && len > 0 && place == json_array_size(list))
			json_array_append(list, one);
		else if (!adds && place < json_array_size(list))
			json_array_remove(list, place);
		json_decref(one);
	}
	return CLV_OK;
}

static clv_rc apply_permissions(const struct kms_args *args, json_t *role, struct clv_err *err)
{
	static const struct {
		const char *opt;
		bool anew, adds;
	} ways[] = {
		{ "permissions", true, true },
		{ "add-permissions", false, true },
		{ "remove-permissions", false, false },
	};

	for (size_t i = 0; i < KMS_ARRAY_LEN(ways); i++) {
		const char *text = kms_text(args, ways[i].opt);
		json_t *list = json_object_get(role, "includedPermissions");

		if (text == NULL)
			continue;
		if (list == NULL || ways[i].anew) {
			list = json_array();
			if (json_object_set_new(role, "includedPermissions", list) != 0)
				return no_memory(err);
		}
		CLV_TRY(apply_list(text, ways[i].adds, list, err));
	}
	return CLV_OK;
}

static clv_rc apply_options(const struct kms_args *args, json_t *role, struct clv_err *err)
{
	static const char *const fields[] = { "title", "description", "stage" };

	for (size_t i = 0; i < KMS_ARRAY_LEN(fields); i++) {
		const char *text = kms_text(args, fields[i]);

		if (text != NULL && json_object_set_new(role, fields[i], json_string(text)) != 0)
			return no_memory(err);
	}
	return apply_permissions(args, role, err);
}

/* From --file, or from nothing; then what the options say. */
static clv_rc read_role(struct kms_run *run, const char *name, json_t **ret_role,
			struct clv_err *err)
{
	const char *file = kms_text(run->args, "file");
	KMS_AUTO(kms_json_free) json_t *role = NULL;

	if (file != NULL)
		CLV_TRY(kms_read_json(file, "role", &role, err));
	else
		role = json_object();
	if (role == NULL || json_object_set_new(role, "name", json_string(name)) != 0)
		return no_memory(err);
	CLV_TRY(apply_options(run->args, role, err));
	*ret_role = KMS_TAKE(role);
	return CLV_OK;
}

static clv_rc role_create(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *role = NULL;
	char name[ROLE_NAME_MAX];
	json_t *stored;

	CLV_TRY(name_of(run, name, err));
	CLV_TRY(read_role(run, name, &role, err));
	CLV_TRY(put(run, name, CLV_DOCUMENT_CREATE, role, &stored, err));
	kms_out_note(run->out, "Created role [%s].", name);
	return kms_out_record(run->out, stored, err);
}

/* With the options: of what is there. The file is all of the new one. */
static clv_rc update_once(struct kms_run *run, const char *name, json_t **ret_stored,
			  struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *role = NULL;
	json_t *now = NULL;

	if (kms_given(run->args, "file")) {
		CLV_TRY(read_role(run, name, &role, err));
	} else {
		CLV_TRY(get(run, name, &now, err));
		role = now;
		CLV_TRY(apply_options(run->args, role, err));
	}
	return put(run, name, CLV_DOCUMENT_UPDATE, role, ret_stored, err);
}

static clv_rc role_update(struct kms_run *run, struct clv_err *err)
{
	char name[ROLE_NAME_MAX];
	unsigned tries = 0;
	json_t *stored;
	clv_rc rc;

	CLV_TRY(name_of(run, name, err));
	do
		rc = update_once(run, name, &stored, err);
	while (rc == CLV_E_ABORTED && !kms_given(run->args, "file") && kms_try_again(&tries));
	CLV_TRY(rc);
	kms_out_note(run->out, "Updated role [%s].", name);
	return kms_out_record(run->out, stored, err);
}

static clv_rc role_delete(struct kms_run *run, struct clv_err *err)
{
	struct clv_document_id id = { CLV_DOCUMENT_ROLE, NULL };
	char name[ROLE_NAME_MAX];

	CLV_TRY(name_of(run, name, err));
	id.name = name;
	CLV_TRY(clv_document_remove(run->ctx, run->who, &id, NULL, err));
	kms_out_note(run->out, "Deleted role [%s].", name);
	return kms_out_made(run->out, json_object(), err);
}

#define OPT_ROLE                                                                                   \
	{ "title", 0, "TEXT", KMS_TEXT, 0, "a short name for people" },                            \
		{ "description", 0, "TEXT", KMS_TEXT, 0, "what it is for" },                       \
		{ "stage",    0, "ALPHA|BETA|GA|DEPRECATED|DISABLED|EAP",                          \
		  KMS_CHOICE, 0, "DISABLED: it gives nothing" },                                   \
		{ "permissions", 0, "PERMISSION,...", KMS_TEXT, 0, "what it holds" },              \
	{                                                                                          \
		"file", 0, "FILE", KMS_FILE, 0, "the role as JSON"                                 \
	}

static const struct kms_opt create_opts[] = {
	OPT_ROLE,
	OPT_END,
};

static const struct kms_opt update_opts[] = {
	OPT_ROLE,
	{ "add-permissions", 0, "PERMISSION,...", KMS_TEXT, 0, "more that it holds" },
	{ "remove-permissions", 0, "PERMISSION,...", KMS_TEXT, 0, "what it holds no more" },
	OPT_END,
};

static const struct kms_verb role_verbs[] = {
	{ "list", role_list, NULL, NULL, CLV_NAME_PROJECT, KMS_READS,
	  "list the roles that are built in, or with --project those of a project" },
	{ "describe", role_describe, NULL, "ROLE", KMS_NO_NAME, KMS_READS,
	  "print a role and what it holds" },
	{ "create", role_create, create_opts, "ROLE", KMS_NO_NAME, KMS_CHANGES,
	  "make a role of a project" },
	{ "update", role_update, update_opts, "ROLE", KMS_NO_NAME, KMS_CHANGES,
	  "change a role of a project" },
	{ "delete", role_delete, NULL, "ROLE", KMS_NO_NAME, KMS_CHANGES,
	  "take a role of a project away" },
	{ 0 },
};

static const char *const role_aliases[] = { "role", "iam roles", NULL };

const struct kms_noun kms_noun_role = { "roles", role_aliases, "what roles hold", role_verbs };
