/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IAM policies: printed, replaced, and changed by one binding. A binding is added and removed by
 * reading, modifying and writing with the etag that was read; who was overtaken begins anew.
 */
#include <string.h>
#include <strings.h>

#include "tools/kmsctl/iam.h"

/* What a condition consists of, in the order in which it is written. */
static const char *const condition_fields[] = { "expression", "title", "description" };

/* ---- conditions */

/* Is a field's "name=" here? */
static const char *field_at(const char *text, const char **ret_value)
{
	for (size_t i = 0; i < KMS_ARRAY_LEN(condition_fields); i++) {
		size_t len = strlen(condition_fields[i]);

		if (strncmp(text, condition_fields[i], len) == 0 && text[len] == '=') {
			*ret_value = text + len + 1;
			return condition_fields[i];
		}
	}
	return NULL;
}

/* Where the value ends that begins here: at a separator with another field behind it. */
static size_t value_len(const char *value, const char *separator, size_t separator_len)
{
	const char *at = value, *behind, *unused;

	while ((at = strstr(at, separator)) != NULL) {
		behind = at + separator_len;
		if (field_at(behind, &unused) != NULL)
			return (size_t) (at - value);
		at = behind;
	}
	return strlen(value);
}

/* "expression=...,title=...", or with another separator in front: "^:^expression=...:title=...". */
static clv_rc read_fields(const struct kms_args *args, const char *text, json_t *condition,
			  struct clv_err *err)
{
	char separator[16] = ",";
	const char *field, *value;

	if (text[0] == '^' && strchr(text + 1, '^') != NULL) {
		size_t len = (size_t) (strchr(text + 1, '^') - text - 1);

		if (len == 0 || len >= sizeof separator)
			return kms_usage(args, err,
					 "the separator in --condition is 1 to %zu "
					 "characters long",
					 sizeof separator - 1);
		memcpy(separator, text + 1, len);
		separator[len] = '\0';
		text += len + 2;
	}
	while ((field = field_at(text, &value)) != NULL) {
		size_t len = value_len(value, separator, strlen(separator));

		if (json_object_get(condition, field) != NULL)
			return kms_usage(args, err, "--condition has two of %s", field);
		if (json_object_set_new(condition, field, json_stringn(value, len)) != 0)
			return kms_usage(args, err, "--condition: the %s is no UTF-8", field);
		if (value[len] == '\0')
			return CLV_OK;
		text = value + len + strlen(separator);
	}
	return kms_usage(args, err,
			 "--condition must look like expression=TEXT,title=TEXT, not `%.60s`",
			 text);
}

static clv_rc check_condition(const struct kms_args *args, const json_t *condition,
			      struct clv_err *err)
{
	for (size_t i = 0; i < 2; i++) {
		const char *text =
			json_string_value(json_object_get(condition, condition_fields[i]));

		if (text == NULL || text[0] == '\0')
			return kms_usage(args, err, "the condition has no %s", condition_fields[i]);
	}
	return CLV_OK;
}

/* What the line says of a condition. */
struct wanted {
	const char *member, *role;
	json_t *condition; /* owned; NULL: none, or it says nothing of one */
	bool said;         /* "None" says it too */
	bool all;
};

static void wanted_done(struct wanted *wanted)
{
	json_decref(wanted->condition);
}

static clv_rc read_wanted(const struct kms_args *args, struct wanted *wanted, struct clv_err *err)
{
	const char *text = kms_text(args, "condition");
	const char *file = kms_text(args, "condition-from-file");

	wanted->member = kms_text(args, "member");
	wanted->role = kms_text(args, "role");
	wanted->all = kms_given(args, "all");
	wanted->said = text != NULL || file != NULL;
	if ((text != NULL) + (file != NULL) + wanted->all > 1)
		return kms_usage(args, err,
				 "only one of --condition, --condition-from-file and --all can be "
				 "given");
	if (file != NULL)
		CLV_TRY(kms_read_json(file, "condition", &wanted->condition, err));
	if (text != NULL && strcasecmp(text, "none") != 0) {
		wanted->condition = json_object();
		if (wanted->condition == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a condition");
		CLV_TRY(read_fields(args, text, wanted->condition, err));
	}
	return wanted->condition != NULL ? check_condition(args, wanted->condition, err) : CLV_OK;
}

/* ---- bindings */

static bool same_text(const json_t *a, const json_t *b)
{
	const char *left = json_string_value(a), *right = json_string_value(b);

	return strcmp(left != NULL ? left : "", right != NULL ? right : "") == 0;
}

/* NULL: no condition. */
static bool same_condition(const json_t *a, const json_t *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	for (size_t i = 0; i < KMS_ARRAY_LEN(condition_fields); i++) {
		if (!same_text(json_object_get(a, condition_fields[i]),
			       json_object_get(b, condition_fields[i])))
			return false;
	}
	return true;
}

static bool is_wanted(const json_t *binding, const struct wanted *wanted)
{
	const char *role = json_string_value(json_object_get(binding, "role"));

	return role != NULL && strcmp(role, wanted->role) == 0 &&
	       (wanted->all ||
		same_condition(json_object_get(binding, "condition"), wanted->condition));
}

static bool has_conditions(const json_t *policy)
{
	const json_t *bindings = json_object_get(policy, "bindings");

	for (size_t i = 0; i < json_array_size(bindings); i++) {
		if (json_object_get(json_array_get(bindings, i), "condition") != NULL)
			return true;
	}
	return false;
}

/* The array under a name, made when it is not there; borrowed. NULL: no memory. */
static json_t *array_in(json_t *object, const char *name)
{
	json_t *array = json_object_get(object, name);

	if (array == NULL && json_object_set_new(object, name, json_array()) == 0)
		array = json_object_get(object, name);
	return array;
}

static size_t place_of(const json_t *members, const char *member)
{
	size_t i = 0;

	while (i < json_array_size(members) &&
	       strcmp(json_string_value(json_array_get(members, i)), member) != 0)
		i++;
	return i;
}

static json_t *new_binding(json_t *bindings, const struct wanted *wanted)
{
	json_t *binding = json_pack("{s:s,s:[]}", "role", wanted->role, "members");

	if (binding == NULL || json_array_append_new(bindings, binding) != 0)
		return NULL;
	if (wanted->condition != NULL &&
	    json_object_set(binding, "condition", wanted->condition) != 0)
		return NULL;
	return binding;
}

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
			"no memory for the policy, or a text is no UTF-8");
}

static clv_rc add(const struct kms_args *args, json_t *policy, const struct wanted *wanted,
		  struct clv_err *err)
{
	json_t *bindings = array_in(policy, "bindings"), *binding = NULL, *members;

	if (!wanted->said && has_conditions(policy))
		return kms_usage(args, err,
				 "the policy has conditions: say --condition=None for a binding "
				 "without one");
	for (size_t i = 0; binding == NULL && i < json_array_size(bindings); i++) {
		if (is_wanted(json_array_get(bindings, i), wanted))
			binding = json_array_get(bindings, i);
	}
	if (binding == NULL && bindings != NULL)
		binding = new_binding(bindings, wanted);
	members = binding != NULL ? array_in(binding, "members") : NULL;
	if (members == NULL)
		return no_memory(err);
	if (place_of(members, wanted->member) == json_array_size(members) &&
	    json_array_append_new(members, json_string(wanted->member)) != 0)
		return no_memory(err);
	if (json_object_set_new(policy, "version", json_integer(has_conditions(policy) ? 3 : 1)) !=
	    0)
		return no_memory(err);
	return CLV_OK;
}

/* A binding without members goes. */
static clv_rc take_away(const struct kms_args *args, json_t *policy, const struct wanted *wanted,
			struct clv_err *err)
{
	json_t *bindings = json_object_get(policy, "bindings");
	bool any = false;

	if (!wanted->said && !wanted->all && has_conditions(policy))
		return kms_usage(args, err,
				 "the policy has conditions: say --condition=None for the binding "
				 "without one, or --all");
	for (size_t i = json_array_size(bindings); i > 0; i--) {
		json_t *binding = json_array_get(bindings, i - 1);
		json_t *members = json_object_get(binding, "members");
		size_t place = place_of(members, wanted->member);

		if (!is_wanted(binding, wanted) || place == json_array_size(members))
			continue;
		any = true;
		json_array_remove(members, place);
		if (json_array_size(members) == 0)
			json_array_remove(bindings, i - 1);
	}
	if (!any)
		return clv_fail(err, CLV_E_NOT_FOUND,
				"%.100s does not hold %.100s by a binding of this policy%s",
				wanted->member, wanted->role,
				wanted->condition != NULL ? " with this condition" : "");
	return CLV_OK;
}

/* ---- in and out */

static clv_rc read_policy(struct kms_run *run, json_t **ret_policy, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };

	CLV_TRY(clv_iam_get(run->ctx, run->who, run->full, &text, err));
	return kms_load_json(&text, ret_policy, err);
}

static clv_rc write_policy(struct kms_run *run, const json_t *policy, json_t **ret_stored,
			   struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf stored = { 0 };
	KMS_AUTO(kms_free) void *text = NULL;
	char *dumped = NULL;

	CLV_TRY(kms_dump_json(policy, &dumped, err));
	text = dumped;
	CLV_TRY(clv_iam_set(run->ctx, run->who, run->full,
			    (struct clv_bytes){ (const uint8_t *) dumped, strlen(dumped) }, &stored,
			    err));
	return kms_load_json(&stored, ret_stored, err);
}

static clv_rc tell_updated(struct kms_run *run, json_t *policy, struct clv_err *err)
{
	static const char *const kinds[] = {
		[CLV_NAME_PROJECT] = "project",
		[CLV_NAME_KEY_RING] = "key ring",
		[CLV_NAME_KEY] = "key",
		[CLV_NAME_IMPORT_JOB] = "import job",
	};
	const struct clv_name *name = &run->name;
	const char *const ids[] = {
		[CLV_NAME_PROJECT] = name->project,
		[CLV_NAME_KEY_RING] = name->key_ring,
		[CLV_NAME_KEY] = name->key,
		[CLV_NAME_IMPORT_JOB] = name->import_job,
	};

	kms_out_note(run->out, "Updated IAM policy for %s [%s].", kinds[name->kind],
		     ids[name->kind]);
	return kms_out_record(run->out, policy, err);
}

clv_rc kms_iam_get(struct kms_run *run, struct clv_err *err)
{
	json_t *policy;

	CLV_TRY(read_policy(run, &policy, err));
	return kms_out_record(run->out, policy, err);
}

clv_rc kms_iam_set(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *policy = NULL;
	json_t *stored;

	CLV_TRY(kms_read_json(run->args->arg[1], "policy", &policy, err));
	CLV_TRY(write_policy(run, policy, &stored, err));
	return tell_updated(run, stored, err);
}

static clv_rc modify_once(struct kms_run *run, const struct wanted *wanted, bool adds,
			  json_t **ret_stored, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *policy = NULL;

	CLV_TRY(read_policy(run, &policy, err));
	CLV_TRY((adds ? add : take_away)(run->args, policy, wanted, err));
	return write_policy(run, policy, ret_stored, err);
}

static clv_rc modify(struct kms_run *run, bool adds, struct clv_err *err)
{
	KMS_AUTO_DONE(wanted_done) struct wanted wanted = { 0 };
	unsigned tries = 0;
	json_t *stored;
	clv_rc rc;

	CLV_TRY(read_wanted(run->args, &wanted, err));
	do
		rc = modify_once(run, &wanted, adds, &stored, err);
	while (rc == CLV_E_ABORTED && kms_try_again(&tries));
	CLV_TRY(rc);
	return tell_updated(run, stored, err);
}

clv_rc kms_iam_add(struct kms_run *run, struct clv_err *err)
{
	return modify(run, true, err);
}

clv_rc kms_iam_remove(struct kms_run *run, struct clv_err *err)
{
	return modify(run, false, err);
}
