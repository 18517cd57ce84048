/* SPDX-License-Identifier: Apache-2.0 */
/* Constraints: read, asked, and told. What is inside what is in location.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/places.h"

#include "lib/base/banned.h"

#define RULE_PREFIX "constraint:"
#define KEY_LOCATION "in:key-location"
#define DAY (INT64_C(86400) * CLV_NS_PER_S)

enum shape { SHAPE_LIST, SHAPE_SWITCH };

static const struct {
	const char *rule; /* "constraint:NAME" */
	enum shape shape;
	bool of_keys;           /* may be set for one key */
	bool no_allow, no_deny; /* lists that have one side only */
} kinds[CONSTRAINT_COUNT] = {
	[CONSTRAINT_RESOURCE_LOCATIONS] = { .rule = RULE_PREFIX "gcp.resourceLocations" },
	[CONSTRAINT_PROTECTION_LEVELS] = { .rule = RULE_PREFIX "cloudkms.allowedProtectionLevels" },
	[CONSTRAINT_DESTROY_DURATION] = { .rule = RULE_PREFIX
					  "cloudkms.minimumDestroyScheduledDuration",
					  .no_deny = true },
	[CONSTRAINT_DISABLE_BEFORE_DESTROY] = { .rule = RULE_PREFIX "cloudkms.disableBeforeDestroy",
						.shape = SHAPE_SWITCH },
	[CONSTRAINT_NON_CMEK_SERVICES] = { .rule = RULE_PREFIX "gcp.restrictNonCmekServices",
					   .no_allow = true },
	[CONSTRAINT_KEY_PROJECTS] = { .rule = RULE_PREFIX "gcp.restrictCmekCryptoKeyProjects",
				      .no_deny = true },
	[CONSTRAINT_CALLER_LOCATIONS] = { .rule = RULE_PREFIX "claviger.callerLocations",
					  .of_keys = true },
	[CONSTRAINT_STORAGE_REGIONS] = { .rule = RULE_PREFIX "claviger.storageRegions",
					 .shape = SHAPE_SWITCH },
	[CONSTRAINT_ENDPOINT_REGION] = { .rule = RULE_PREFIX "claviger.endpointRegion",
					 .shape = SHAPE_SWITCH },
	[CONSTRAINT_DUTIES] = { .rule = RULE_PREFIX "claviger.separationOfDuties",
				.shape = SHAPE_SWITCH },
};

static const char *name_of(enum constraint_kind kind)
{
	return kinds[kind].rule + strlen(RULE_PREFIX);
}

/* ---- reading */

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for constraints");
}

/* "in:7d" */
static bool days_of(const char *value, int64_t *ret_ns)
{
	const size_t digits = strlen(value) > 3 ? strspn(value + 3, "0123456789") : 0;
	int64_t days = 0;

	if (strncmp(value, "in:", 3) != 0 || digits < 1 || digits > 3 ||
	    strcmp(value + 3 + digits, "d") != 0)
		return false;
	for (size_t i = 0; i < digits; i++)
		days = 10 * days + (value[3 + i] - '0');
	*ret_ns = days * DAY;
	return days >= 1 && days <= 120;
}

static clv_rc check_value(enum constraint_kind kind, const char *value, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];
	struct clv_name name;
	const char *want;
	int64_t ns;
	bool fine;

	switch (kind) {
	case CONSTRAINT_PROTECTION_LEVELS:
		want = "SOFTWARE or HSM, also with is: before it";
		fine = strcmp(value, "is:SOFTWARE") == 0 || strcmp(value, "is:HSM") == 0 ||
		       strcmp(value, "SOFTWARE") == 0 || strcmp(value, "HSM") == 0;
		break;
	case CONSTRAINT_DESTROY_DURATION:
		want = "a number of days from in:1d to in:120d";
		fine = days_of(value, &ns);
		break;
	case CONSTRAINT_KEY_PROJECTS:
		want = "a project as projects/P: folders and organizations are not known here";
		fine = clv_name_parse_kind(value, CLV_NAME_PROJECT, &name, err) == CLV_OK;
		break;
	default:
		want = "a text";
		fine = value[0] != '\0';
	}
	if (fine)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: %s is not %s", name_of(kind),
			clv_quote(value, quoted), want);
}

static clv_rc read_values(const json_t *object, const char *key, enum constraint_kind kind,
			  char ***list, size_t *n, struct clv_err *err)
{
	const json_t *array, *item;
	size_t i;

	CLV_TRY(policy_json_array(object, key, false, name_of(kind), &array, err));
	if (json_array_size(array) > 0) {
		char **more = reallocarray(*list, *n + json_array_size(array), sizeof **list);

		if (more == NULL)
			return no_memory(err);
		*list = more;
	}
	json_array_foreach(array, i, item)
	{
		const char *value = json_string_value(item);

		if (value == NULL)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: a value must be a string",
					name_of(kind));
		CLV_TRY(check_value(kind, value, err));
		(*list)[*n] = strdup(value);
		if ((*list)[*n] == NULL)
			return no_memory(err);
		(*n)++;
	}
	return CLV_OK;
}

static clv_rc read_switch(const json_t *rule, const char *key, enum constraint_kind kind,
			  bool *ret_on, struct clv_err *err)
{
	const json_t *value = json_object_get(rule, key);

	if (value != NULL && !json_is_boolean(value))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: \"%s\" must be true or false",
				name_of(kind), key);
	*ret_on = *ret_on || json_is_true(value);
	return CLV_OK;
}

static clv_rc read_list_rule(const json_t *rule, enum constraint_kind kind,
			     struct constraint *constraint, struct clv_err *err)
{
	static const char *const known[] = { "values", "allowAll", "denyAll", NULL };
	static const char *const sides[] = { "allowedValues", "deniedValues", NULL };
	const json_t *values = json_object_get(rule, "values");

	CLV_TRY(policy_json_known(rule, known, name_of(kind), err));
	CLV_TRY(read_switch(rule, "allowAll", kind, &constraint->allow_all, err));
	CLV_TRY(read_switch(rule, "denyAll", kind, &constraint->deny_all, err));
	if (values == NULL)
		return CLV_OK;
	CLV_TRY(policy_json_known(values, sides, name_of(kind), err));
	CLV_TRY(read_values(values, "allowedValues", kind, &constraint->allowed,
			    &constraint->n_allowed, err));
	CLV_TRY(read_values(values, "deniedValues", kind, &constraint->denied,
			    &constraint->n_denied, err));
	if (kinds[kind].no_allow && constraint->n_allowed > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s takes deniedValues only",
				name_of(kind));
	if (kinds[kind].no_deny && constraint->n_denied > 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s takes allowedValues only",
				name_of(kind));
	return CLV_OK;
}

static clv_rc read_rule(const json_t *rule, enum constraint_kind kind,
			struct constraint *constraint, struct clv_err *err)
{
	static const char *const known[] = { "enforce", NULL };

	if (kinds[kind].shape == SHAPE_LIST)
		return read_list_rule(rule, kind, constraint, err);
	CLV_TRY(policy_json_known(rule, known, name_of(kind), err));
	return read_switch(rule, "enforce", kind, &constraint->enforced, err);
}

static clv_rc read_spec(const json_t *json, enum constraint_kind kind,
			struct constraint *constraint, struct clv_err *err)
{
	static const char *const known[] = { "name", "spec", "etag", NULL };
	static const char *const in_spec[] = { "rules", NULL };
	const json_t *spec = json_object_get(json, "spec"), *rules, *rule;
	size_t i;

	CLV_TRY(policy_json_known(json, known, name_of(kind), err));
	CLV_TRY(policy_json_known(spec, in_spec, name_of(kind), err));
	CLV_TRY(policy_json_array(spec, "rules", true, name_of(kind), &rules, err));
	if (json_array_size(rules) == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s has no rule: delete the policy instead", name_of(kind));
	json_array_foreach(rules, i, rule) CLV_TRY(read_rule(rule, kind, constraint, err));
	constraint->set = true;
	return CLV_OK;
}

/* "PARENT/policies/NAME", taken apart. */
static clv_rc read_name(const char *text, size_t *ret_parent_len, enum constraint_kind *ret_kind,
			struct clv_err *err)
{
	const char *at = strstr(text, "/policies/");
	char parent[CLV_NAME_MAX], quoted[CLV_QUOTE_MAX];
	struct clv_name name;

	if (at == NULL || (size_t) (at - text) >= sizeof parent)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is not the name of a constraint",
				clv_quote(text, quoted));
	snprintf(parent, sizeof parent, "%.*s", (int) (at - text), text);
	CLV_TRY(clv_name_parse(parent, &name, err));
	for (unsigned kind = 0; kind < CONSTRAINT_COUNT; kind++) {
		if (strcmp(name_of(kind), at + strlen("/policies/")) != 0)
			continue;
		if (name.kind != CLV_NAME_PROJECT &&
		    (name.kind != CLV_NAME_KEY || !kinds[kind].of_keys))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is set for a project%s",
					name_of(kind), kinds[kind].of_keys ? " or a key" : "");
		*ret_parent_len = (size_t) (at - text);
		*ret_kind = kind;
		return CLV_OK;
	}
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "there is no constraint %s",
			clv_quote(at + strlen("/policies/"), quoted));
}

static clv_rc set_of(struct places *places, const char *parent, size_t len,
		     struct constraints **ret_set, struct clv_err *err)
{
	uint32_t number;

	CLV_TRY(policy_names_add(&places->parents, parent, len, &number, err));
	if (number >= places->room) {
		const uint32_t room = places->room > 0 ? 2 * places->room : 8;
		struct constraints *more = reallocarray(places->set, room, sizeof *more);

		if (more == NULL)
			return no_memory(err);
		memset(more + places->room, 0, (room - places->room) * sizeof *more);
		places->set = more;
		places->room = room;
	}
	*ret_set = &places->set[number];
	return CLV_OK;
}

static clv_rc read_constraint(const struct policy_document *document, struct places *places,
			      struct clv_err *err)
{
	enum constraint_kind kind;
	struct constraints *set = NULL;
	const char *name;
	size_t len;
	json_t *json;
	clv_rc rc;

	CLV_TRY(read_name(document->name, &len, &kind, err));
	CLV_TRY(set_of(places, document->name, len, &set, err));
	CLV_TRY(policy_json_read(document, &json, err));
	rc = policy_json_string(json, "name", true, name_of(kind), &name, err);
	if (rc == CLV_OK && strcmp(name, document->name) != 0)
		rc = clv_fail(err, CLV_E_INVALID_ARGUMENT,
			      "the document of %.200s has another \"name\"", document->name);
	if (rc == CLV_OK)
		rc = read_spec(json, kind, &set->of[kind], err);
	json_decref(json);
	return rc;
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

struct places *places_free(struct places *places)
{
	if (places == NULL)
		return NULL;
	for (uint32_t i = 0; i < places->room; i++) {
		for (unsigned kind = 0; kind < CONSTRAINT_COUNT; kind++) {
			free_list(places->set[i].of[kind].allowed,
				  places->set[i].of[kind].n_allowed);
			free_list(places->set[i].of[kind].denied, places->set[i].of[kind].n_denied);
		}
	}
	free(places->set);
	policy_names_done(&places->parents);
	components_done(&places->components);
	locations_done(&places->locations);
	free(places);
	return NULL;
}

clv_rc places_compile(const struct policy_document *documents, size_t n, struct places **ret_places,
		      struct clv_err *err)
{
	CLV_AUTO(places_free) struct places *places = calloc(1, sizeof *places);

	if (places == NULL)
		return no_memory(err);
	CLV_TRY(locations_compile(documents, n, &places->locations, err));
	CLV_TRY(components_compile(documents, n, &places->components, err));
	for (size_t i = 0; i < n; i++) {
		if (documents[i].kind == POLICY_CONSTRAINT)
			CLV_TRY(read_constraint(&documents[i], places, err));
	}
	*ret_places = CLV_TAKE(places);
	return CLV_OK;
}

/* ---- what is asked */

static bool ends_with(const char *text, const char *end)
{
	const size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_use_of_key(const char *permission)
{
	return strncmp(permission, "cloudkms.cryptoKeyVersions.useTo",
		       strlen("cloudkms.cryptoKeyVersions.useTo")) == 0;
}

/* Not what roles/cloudkms.admin has: to let services use a key is to administer it. */
bool places_uses_key(const char *permission)
{
	return is_use_of_key(permission) && !ends_with(permission, "ViaDelegation");
}

bool places_administers(const char *permission)
{
	static const char *const verbs[] = {
		"cloudkms.cryptoKeys.update",         "cloudkms.cryptoKeys.setIamPolicy",
		"cloudkms.cryptoKeyVersions.create",  "cloudkms.cryptoKeyVersions.update",
		"cloudkms.cryptoKeyVersions.destroy", "cloudkms.cryptoKeyVersions.restore",
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(verbs); i++) {
		if (strcmp(permission, verbs[i]) == 0)
			return true;
	}
	return false;
}

static bool is_use(const char *permission)
{
	return is_use_of_key(permission) ||
	       strcmp(permission, "cloudkms.cryptoKeyVersions.viewPublicKey") == 0 ||
	       strcmp(permission, "cloudkms.locations.generateRandomBytes") == 0;
}

/* What makes something that has a location. */
static bool is_making(const char *permission)
{
	return strncmp(permission, "cloudkms.", strlen("cloudkms.")) == 0 &&
	       (ends_with(permission, ".create") || ends_with(permission, ".useToImport"));
}

static const struct constraints *set_at(const struct places *places, const char *parent)
{
	const uint32_t number = policy_names_find(&places->parents, parent, strlen(parent));

	return number != POLICY_NO_NAME ? &places->set[number] : NULL;
}

static const struct constraint *at_project(const struct places *places, const char *project,
					   enum constraint_kind kind)
{
	char parent[sizeof "projects/" + CLV_ID_MAX];
	const struct constraints *set;

	snprintf(parent, sizeof parent, "projects/%s", project);
	set = set_at(places, parent);
	return set != NULL && set->of[kind].set ? &set->of[kind] : NULL;
}

const char *places_of_caller(const struct places *places, const struct policy_ask *ask)
{
	const struct component *component;

	if (ask->place != NULL)
		return ask->place;
	component = component_of(&places->components, ask->principal);
	return component != NULL ? component->place : NULL;
}

/* One ask, with what is known for it. */
struct look {
	const struct places *places;
	const struct policy_ask *ask;
	const struct policy_facts *facts; /* NULL: nothing is known yet */
	const struct places_duties *duties;
	const struct component *component; /* NULL: the caller is none */
	const char *place;                 /* NULL: not known */
	bool use, making;
};

static bool values_hold(const struct look *look, char *const *values, size_t n, const char *place)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(values[i], KEY_LOCATION) == 0) {
			if (strcmp(look->ask->name->location, LOCATION_GLOBAL) == 0 ||
			    location_inside(&look->places->locations, place,
					    look->ask->name->location))
				return true;
		} else if (location_value_holds(&look->places->locations, values[i], place)) {
			return true;
		}
	}
	return false;
}

/* Deny wins; a list that allows something allows nothing else. */
static bool refuses_place(const struct look *look, const struct constraint *constraint,
			  const char *place)
{
	if (constraint->deny_all ||
	    values_hold(look, constraint->denied, constraint->n_denied, place))
		return true;
	if (constraint->allow_all)
		return false;
	if (constraint->n_allowed == 0)
		return constraint->n_denied == 0;
	return !values_hold(look, constraint->allowed, constraint->n_allowed, place);
}

static bool text_in(const char *text, char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = values[i];

		if (strncmp(value, "is:", 3) == 0)
			value += 3;
		if (strcmp(value, text) == 0)
			return true;
	}
	return false;
}

static bool refuses_text(const struct constraint *constraint, const char *text)
{
	if (constraint->deny_all || text_in(text, constraint->denied, constraint->n_denied))
		return true;
	if (constraint->allow_all)
		return false;
	if (constraint->n_allowed == 0)
		return constraint->n_denied == 0;
	return !text_in(text, constraint->allowed, constraint->n_allowed);
}

static int64_t longest_delay(const struct constraint *constraint)
{
	int64_t longest = 0, ns;

	for (size_t i = 0; constraint != NULL && i < constraint->n_allowed; i++) {
		if (days_of(constraint->allowed[i], &ns) && ns > longest)
			longest = ns;
	}
	return longest;
}

static bool refuses_level(const struct look *look, const struct constraint *constraint)
{
	enum clv_protection level =
		look->facts != NULL ? look->facts->protection : look->ask->protection;

	return level != 0 && refuses_text(constraint, clv_protection_name(level));
}

static bool refuses_caller(const struct look *look, const struct constraint *constraint)
{
	return look->place == NULL || refuses_place(look, constraint, look->place);
}

static bool refuses_storage(const struct look *look)
{
	const struct component *component = look->component;

	for (size_t i = 0; component != NULL && i < component->n_storage_regions; i++) {
		if (!location_inside(&look->places->locations, component->storage_region[i],
				     look->ask->name->location))
			return true;
	}
	return false;
}

/* Where place and endpoint share a region its key will do; else the work goes through the whole
 * world, and so must the key. */
static bool refuses_endpoint(const struct look *look)
{
	const struct component *component = look->component;
	const struct locations *locations = &look->places->locations;
	const char *key = look->ask->name->location;

	if (component == NULL || component->endpoint_region == NULL || look->place == NULL ||
	    strcmp(key, LOCATION_GLOBAL) == 0)
		return false;
	return !location_inside(locations, look->place, component->endpoint_region) ||
	       !location_inside(locations, look->place, key);
}

static bool refuses_key_project(const struct look *look)
{
	const struct component *component = look->component;
	const struct constraint *constraint;
	char project[sizeof "projects/" + CLV_ID_MAX];

	if (component == NULL || strcmp(component->project, look->ask->name->project) == 0)
		return false;
	constraint = at_project(look->places, component->project, CONSTRAINT_KEY_PROJECTS);
	snprintf(project, sizeof project, "projects/%s", look->ask->name->project);
	return constraint != NULL && refuses_text(constraint, project);
}

/* What is known before the key is looked at. */
static bool refuses_early(const struct look *look, enum constraint_kind kind,
			  const struct constraint *constraint)
{
	const struct policy_ask *ask = look->ask;

	switch (kind) {
	case CONSTRAINT_RESOURCE_LOCATIONS:
		return (look->use || look->making) && ask->name->kind != CLV_NAME_PROJECT &&
		       refuses_place(look, constraint, ask->name->location);
	case CONSTRAINT_PROTECTION_LEVELS:
		return look->making && refuses_level(look, constraint);
	case CONSTRAINT_DESTROY_DURATION:
		return ask->destroy_delay != 0 && ask->destroy_delay < longest_delay(constraint);
	case CONSTRAINT_CALLER_LOCATIONS:
		return look->use && refuses_caller(look, constraint);
	case CONSTRAINT_STORAGE_REGIONS:
		return look->use && constraint->enforced && refuses_storage(look);
	case CONSTRAINT_ENDPOINT_REGION:
		return look->use && constraint->enforced && refuses_endpoint(look);
	case CONSTRAINT_DUTIES:
		return constraint->enforced && places_uses_key(ask->permission) &&
		       look->duties != NULL && look->duties->administers(look->duties->arg, ask);
	default:
		return false;
	}
}

static bool refuses_late(const struct look *look, enum constraint_kind kind,
			 const struct constraint *constraint)
{
	if (kind == CONSTRAINT_PROTECTION_LEVELS)
		return (look->use || look->making) && refuses_level(look, constraint);
	return kind == CONSTRAINT_DISABLE_BEFORE_DESTROY && constraint->enforced &&
	       strcmp(look->ask->permission, "cloudkms.cryptoKeyVersions.destroy") == 0 &&
	       look->facts->state == CLV_STATE_ENABLED;
}

static bool refuses(const struct look *look, enum constraint_kind kind,
		    const struct constraint *constraint)
{
	return look->facts != NULL ? refuses_late(look, kind, constraint)
				   : refuses_early(look, kind, constraint);
}

static struct policy_verdict verdict_of(const struct look *look, enum constraint_kind kind)
{
	return (struct policy_verdict){ look->use ? POLICY_PLACE : POLICY_CONSTRAINT_VIOLATED,
					kinds[kind].rule, INT64_MIN, INT64_MAX };
}

static const struct policy_verdict allowed = { POLICY_ALLOWED, "", INT64_MIN, INT64_MAX };

static struct look look_at(const struct places *places, const struct policy_ask *ask,
			   const struct policy_facts *facts, const struct places_duties *duties)
{
	return (struct look){ .places = places,
			      .ask = ask,
			      .facts = facts,
			      .duties = duties,
			      .component = component_of(&places->components, ask->principal),
			      .place = places_of_caller(places, ask),
			      .use = is_use(ask->permission),
			      .making = is_making(ask->permission) };
}

/* The project's constraints, then those of the key. */
static const struct constraints *sets_of(const struct look *look, unsigned nth,
					 char parent[CLV_NAME_MAX])
{
	const struct clv_name *name = look->ask->name;

	if (nth == 0)
		return set_at(look->places, clv_name_format(name, CLV_NAME_PROJECT, parent));
	if (name->kind != CLV_NAME_KEY && name->kind != CLV_NAME_VERSION)
		return NULL;
	return set_at(look->places, clv_name_format(name, CLV_NAME_KEY, parent));
}

static struct policy_verdict decide(const struct look *look)
{
	char parent[CLV_NAME_MAX];

	if (look->ask->name == NULL || (look->places->parents.n == 0 && look->component == NULL))
		return allowed;
	for (unsigned nth = 0; nth < 2; nth++) {
		const struct constraints *set = sets_of(look, nth, parent);

		for (unsigned kind = 0; set != NULL && kind < CONSTRAINT_COUNT; kind++) {
			if (set->of[kind].set && refuses(look, kind, &set->of[kind]))
				return verdict_of(look, kind);
		}
	}
	if (look->facts == NULL && look->use && refuses_key_project(look))
		return verdict_of(look, CONSTRAINT_KEY_PROJECTS);
	return allowed;
}

struct policy_verdict places_decide(const struct places *places, const struct policy_ask *ask,
				    const struct places_duties *duties)
{
	const struct look look = look_at(places, ask, NULL, duties);

	return decide(&look);
}

struct policy_verdict places_decide_facts(const struct places *places, const struct policy_ask *ask,
					  const struct policy_facts *facts)
{
	const struct look look = look_at(places, ask, facts, NULL);

	return decide(&look);
}

void places_walk(const struct places *places, const struct policy_ask *ask,
		 const struct policy_facts *facts, const struct places_duties *duties,
		 places_look_fn *each, void *arg)
{
	struct look look = look_at(places, ask, NULL, duties);
	char parent[CLV_NAME_MAX];

	if (ask->name == NULL)
		return;
	for (unsigned nth = 0; nth < 2; nth++) {
		const struct constraints *set = sets_of(&look, nth, parent);

		for (unsigned kind = 0; set != NULL && kind < CONSTRAINT_COUNT; kind++) {
			const struct constraint *constraint = &set->of[kind];
			bool no;

			if (!constraint->set)
				continue;
			look.facts = NULL;
			no = refuses_early(&look, kind, constraint);
			look.facts = facts;
			no = no || (facts != NULL && refuses_late(&look, kind, constraint));
			each(arg, parent, name_of(kind), no);
		}
	}
	look.facts = NULL;
	if (look.use && refuses_key_project(&look))
		each(arg, look.component->project, name_of(CONSTRAINT_KEY_PROJECTS), true);
}

/* ---- telling */

static enum constraint_kind kind_of_rule(const char *rule)
{
	unsigned kind = 0;

	while (kind < CONSTRAINT_COUNT - 1 && strcmp(kinds[kind].rule, rule) != 0)
		kind++;
	return kind;
}

/* The constraint that refused: the key's own, or the project's. */
static const struct constraint *that_refused(const struct look *look, enum constraint_kind kind)
{
	char parent[CLV_NAME_MAX];

	for (unsigned nth = 2; nth > 0; nth--) {
		const struct constraints *set = sets_of(look, nth - 1, parent);

		if (set != NULL && set->of[kind].set)
			return &set->of[kind];
	}
	return look->component != NULL ? at_project(look->places, look->component->project, kind)
				       : NULL;
}

static void add_list(char *text, size_t size, const char *what, char *const *values, size_t n)
{
	size_t used = strlen(text);

	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t) snprintf(text + used, size - used, "%s%.80s", i == 0 ? what : ", ",
					  values[i]);
}

void places_why(const struct places *places, const struct policy_ask *ask,
		const struct policy_verdict *verdict, char ret_why[POLICY_WHY_MAX])
{
	const struct look look = look_at(places, ask, NULL, NULL);
	const enum constraint_kind kind = kind_of_rule(verdict->rule);
	const struct constraint *constraint = that_refused(&look, kind);

	if (look.use)
		snprintf(ret_why, POLICY_WHY_MAX,
			 "Constraint constraints/%s forbids %.100s to use %.200s from %s.",
			 name_of(kind), ask->principal, ask->resource,
			 look.place != NULL ? look.place : "a place that is not known");
	else
		snprintf(ret_why, POLICY_WHY_MAX,
			 "Constraint constraints/%s violated for [orgpolicy:projects/%s] "
			 "attempting %s on %.200s in [%s].",
			 name_of(kind), ask->name != NULL ? ask->name->project : "",
			 ask->permission, ask->resource,
			 ask->name != NULL ? ask->name->location : "");
	if (constraint == NULL)
		return;
	add_list(ret_why, POLICY_WHY_MAX, " Allowed: ", constraint->allowed, constraint->n_allowed);
	add_list(ret_why, POLICY_WHY_MAX, " Denied: ", constraint->denied, constraint->n_denied);
}

int64_t places_destroy_delay_min(const struct places *places, const char *project)
{
	return longest_delay(at_project(places, project, CONSTRAINT_DESTROY_DURATION));
}

/* ---- setting */

/* Each component of a service that must not do without a key has one, of a project it may use. */
static clv_rc check_components(const struct places *now, const struct components *components,
			       struct clv_err *err)
{
	for (size_t i = 0; i < components->n; i++) {
		const struct component *component = &components->component[i];
		const struct constraint *services =
			at_project(now, component->project, CONSTRAINT_NON_CMEK_SERVICES);
		const struct constraint *projects =
			at_project(now, component->project, CONSTRAINT_KEY_PROJECTS);
		char project[sizeof "projects/" + CLV_ID_MAX];
		struct clv_name key;

		if (services != NULL && component->key == NULL && component->service != NULL &&
		    (services->deny_all ||
		     text_in(component->service, services->denied, services->n_denied)))
			return clv_fail(
				err, CLV_E_FAILED_PRECONDITION,
				"Constraint constraints/%s violated for "
				"[orgpolicy:projects/%s]: component %.100s of service %.100s "
				"has no key.",
				name_of(CONSTRAINT_NON_CMEK_SERVICES), component->project,
				component->component, component->service);
		if (projects == NULL || component->key == NULL)
			continue;
		CLV_TRY(clv_name_parse(component->key, &key, err));
		snprintf(project, sizeof project, "projects/%s", key.project);
		if (refuses_text(projects, project))
			return clv_fail(
				err, CLV_E_FAILED_PRECONDITION,
				"Constraint constraints/%s violated for "
				"[orgpolicy:projects/%s]: component %.100s has a key of %s.",
				name_of(CONSTRAINT_KEY_PROJECTS), component->project,
				component->component, project);
	}
	return CLV_OK;
}

clv_rc places_check_document(const struct places *places, const struct policy_document *document,
			     struct clv_err *err)
{
	CLV_AUTO(places_free) struct places *new = NULL;

	if (document->kind != POLICY_LOCATIONS && document->kind != POLICY_CONSTRAINT &&
	    document->kind != POLICY_COMPONENTS)
		return CLV_OK;
	CLV_TRY(places_compile(document, 1, &new, err));
	return check_components(places, &new->components, err);
}

bool places_separates_duties(const struct places *places, const char *resource)
{
	struct clv_name name;
	struct clv_err ignored;
	const struct constraint *constraint;

	if (clv_name_parse(resource, &name, &ignored) != CLV_OK)
		return false;
	constraint = at_project(places, name.project, CONSTRAINT_DUTIES);
	return constraint != NULL && constraint->enforced;
}

/* ---- lint */

static void lint_values(const struct places *places, const char *parent, enum constraint_kind kind,
			const struct constraint *constraint, json_t *findings)
{
	size_t known = 0;

	for (size_t i = 0; i < constraint->n_allowed; i++)
		known += strcmp(constraint->allowed[i], KEY_LOCATION) == 0 ||
			 location_value_known(&places->locations, constraint->allowed[i]);
	if (constraint->n_allowed > 0 && known == 0)
		policy_finding(findings, SEVERITY_HIGH, "location-never-matches", parent,
			       "%s allows only places that no document of locations names: "
			       "nothing can match it",
			       name_of(kind));
}

void places_lint(const struct places *places, json_t *findings)
{
	static const enum constraint_kind of_places[] = { CONSTRAINT_RESOURCE_LOCATIONS,
							  CONSTRAINT_CALLER_LOCATIONS };

	for (uint32_t i = 0; i < places->parents.n; i++) {
		for (size_t k = 0; k < CLV_ARRAY_LEN(of_places); k++) {
			const struct constraint *constraint = &places->set[i].of[of_places[k]];

			if (constraint->set)
				lint_values(places, places->parents.texts[i], of_places[k],
					    constraint, findings);
		}
	}
}
