/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of components: where principals run, and what they are to a pipeline. */
#include <stdlib.h>
#include <string.h>

#include "lib/policy/places.h"

#include "lib/base/banned.h"

static clv_rc copy(const json_t *value, const char *key, bool needed, const char *where,
		   char **ret_text, struct clv_err *err)
{
	const char *text;

	CLV_TRY(policy_json_string(value, key, needed, where, &text, err));
	if (text == NULL)
		return CLV_OK;
	*ret_text = strdup(text);
	return *ret_text != NULL
		       ? CLV_OK
		       : clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for components");
}

static clv_rc check_location(const char *id, struct clv_err *err)
{
	return id != NULL ? clv_id_check(CLV_NAME_LOCATION, id, err) : CLV_OK;
}

static clv_rc read_regions(const json_t *value, struct component *component, struct clv_err *err)
{
	const json_t *list, *item;
	size_t i;

	CLV_TRY(policy_json_array(value, "storageRegions", false, component->component, &list,
				  err));
	component->storage_region = calloc(json_array_size(list) + 1, sizeof(char *));
	if (component->storage_region == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for components");
	json_array_foreach(list, i, item)
	{
		char *region;

		CLV_TRY(clv_id_check(CLV_NAME_LOCATION, json_string_value(item), err));
		region = strdup(json_string_value(item));
		if (region == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for components");
		component->storage_region[component->n_storage_regions++] = region;
	}
	return CLV_OK;
}

static clv_rc check(const struct component *component, struct clv_err *err)
{
	struct clv_name name;

	CLV_TRY(clv_id_check(CLV_NAME_PROJECT, component->project, err));
	CLV_TRY(check_location(component->place, err));
	CLV_TRY(check_location(component->endpoint_region, err));
	return component->key != NULL
		       ? clv_name_parse_kind(component->key, CLV_NAME_KEY, &name, err)
		       : CLV_OK;
}

static clv_rc read_component(const json_t *value, struct component *component, struct clv_err *err)
{
	static const char *const known[] = { "principal",      "component",      "project",
					     "service",        "place",          "key",
					     "endpointRegion", "storageRegions", NULL };
	enum member_kind kind;

	CLV_TRY(policy_json_known(value, known, "a component", err));
	CLV_TRY(copy(value, "principal", true, "a component", &component->principal, err));
	CLV_TRY(member_check(component->principal, &kind, err));
	if (kind != MEMBER_USER && kind != MEMBER_SERVICE_ACCOUNT && kind != MEMBER_PRINCIPAL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%.150s is not one principal: a component runs as one",
				component->principal);
	CLV_TRY(copy(value, "component", true, component->principal, &component->component, err));
	CLV_TRY(copy(value, "project", true, component->component, &component->project, err));
	CLV_TRY(copy(value, "service", false, component->component, &component->service, err));
	CLV_TRY(copy(value, "place", false, component->component, &component->place, err));
	CLV_TRY(copy(value, "endpointRegion", false, component->component,
		     &component->endpoint_region, err));
	CLV_TRY(copy(value, "key", false, component->component, &component->key, err));
	CLV_TRY(read_regions(value, component, err));
	return check(component, err);
}

/* A principal runs in one place: that of its one component. */
static clv_rc read_list(const json_t *list, struct components *components, struct clv_err *err)
{
	const json_t *value;
	uint32_t number;
	size_t i;

	components->component = calloc(json_array_size(list) + 1, sizeof *components->component);
	if (components->component == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for components");
	json_array_foreach(list, i, value)
	{
		struct component *component = &components->component[components->n++];

		CLV_TRY(read_component(value, component, err));
		CLV_TRY(policy_names_add(&components->principals, component->principal,
					 strlen(component->principal), &number, err));
		if (number != components->n - 1)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"%.150s is the principal of two components",
					component->principal);
	}
	return CLV_OK;
}

static clv_rc read_document(const struct policy_document *document, struct components *components,
			    struct clv_err *err)
{
	static const char *const known[] = { "components", "etag", NULL };
	const json_t *list = NULL;
	json_t *json;
	clv_rc rc;

	CLV_TRY(policy_json_read(document, &json, err));
	rc = policy_json_known(json, known, "the document of components", err);
	if (rc == CLV_OK)
		rc = policy_json_array(json, "components", true, "components", &list, err);
	if (rc == CLV_OK)
		rc = read_list(list, components, err);
	json_decref(json);
	return rc;
}

clv_rc components_compile(const struct policy_document *documents, size_t n,
			  struct components *ret_components, struct clv_err *err)
{
	struct components components = { 0 };
	clv_rc rc = CLV_OK;

	for (size_t i = 0; rc == CLV_OK && i < n; i++) {
		if (documents[i].kind != POLICY_COMPONENTS)
			continue;
		components_done(&components); /* a home has one */
		rc = read_document(&documents[i], &components, err);
	}
	if (rc == CLV_OK)
		*ret_components = components;
	else
		components_done(&components);
	return rc;
}

static void component_done(struct component *component)
{
	for (size_t i = 0; i < component->n_storage_regions; i++)
		free(component->storage_region[i]);
	free(component->storage_region);
	free(component->principal);
	free(component->component);
	free(component->project);
	free(component->service);
	free(component->place);
	free(component->endpoint_region);
	free(component->key);
}

void components_done(struct components *components)
{
	for (size_t i = 0; i < components->n; i++)
		component_done(&components->component[i]);
	free(components->component);
	policy_names_done(&components->principals);
	*components = (struct components){ 0 };
}

const struct component *component_of(const struct components *components, const char *principal)
{
	const uint32_t number =
		policy_names_find(&components->principals, principal, strlen(principal));

	return number != POLICY_NO_NAME ? &components->component[number] : NULL;
}
