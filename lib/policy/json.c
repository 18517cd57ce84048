/* SPDX-License-Identifier: Apache-2.0 */
/* Reading documents. Not for what they mean. */
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/impl.h"

#include "lib/base/banned.h"

clv_rc policy_json_read(const struct policy_document *document, json_t **ret_json,
			struct clv_err *err)
{
	json_error_t why;
	json_t *json;
	char quoted[CLV_QUOTE_MAX], said[CLV_QUOTE_MAX];

	clv_quote(document->name, quoted);
	if (document->len > POLICY_DOCUMENT_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the policy document %s is larger than %d bytes", quoted,
				POLICY_DOCUMENT_MAX);
	json = json_loadb(document->text, document->len, JSON_REJECT_DUPLICATES, &why);
	if (json == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the policy document %s is no JSON: line %d, column %d: %s", quoted,
				why.line, why.column, clv_quote(why.text, said));
	if (!json_is_object(json)) {
		json_decref(json);
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the policy document %s must be one JSON object", quoted);
	}
	*ret_json = json;
	return CLV_OK;
}

static bool is_known(const char *key, const char *const known[])
{
	for (; *known != NULL; known++) {
		if (strcmp(key, *known) == 0)
			return true;
	}
	return false;
}

clv_rc policy_json_known(const json_t *object, const char *const known[], const char *where,
			 struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s must be a JSON object", where);
	/* jansson's iterators take no const object; this one is not changed. */
	json_object_foreach((json_t *) (uintptr_t) object, key, value)
	{
		if (!is_known(key, known))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"%s has a member %s, which is not known here", where,
					clv_quote(key, quoted));
	}
	return CLV_OK;
}

clv_rc policy_json_string(const json_t *object, const char *key, bool needed, const char *where,
			  const char **ret_text, struct clv_err *err)
{
	const json_t *value = json_object_get(object, key);

	if (value == NULL && !needed) {
		*ret_text = NULL;
		return CLV_OK;
	}
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: \"%s\" must be a string%s", where,
				key, value == NULL ? ", and is missing" : "");
	*ret_text = json_string_value(value);
	return CLV_OK;
}

clv_rc policy_json_array(const json_t *object, const char *key, bool needed, const char *where,
			 const json_t **ret_array, struct clv_err *err)
{
	const json_t *value = json_object_get(object, key);

	if (value != NULL ? !json_is_array(value) : needed)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: \"%s\" must be an array%s", where,
				key, value == NULL ? ", and is missing" : "");
	*ret_array = value;
	return CLV_OK;
}

clv_rc policy_index_read(json_t **ret_index, struct clv_err *err)
{
	const struct policy_document index = { .name = "policies/index.json",
					       .text = policy_index_files[0].text,
					       .len = strlen(policy_index_files[0].text) };

	if (policy_json_read(&index, ret_index, err) != CLV_OK)
		return clv_fail(err, CLV_E_INTERNAL, "the built-in index of policies is broken");
	return CLV_OK;
}

const char *policy_index_date(const json_t *index, const char *folder, const char *name)
{
	return json_string_value(json_object_get(json_object_get(index, folder), name));
}
