/* SPDX-License-Identifier: Apache-2.0 */
/* Why a decision is what it is, for people. The decision itself is policy_decide()'s. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <claviger/time.h>

#include "lib/policy/action.h"
#include "lib/policy/explain.h"
#include "lib/policy/places.h"

#include "lib/base/banned.h"

static json_t *json_free(json_t *json)
{
	json_decref(json);
	return NULL;
}
CLV_DEFINE_AUTO(json_t, json_free);

static clv_rc add_json(const json_t *json, struct clv_buf *out, struct clv_err *err)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	clv_rc rc;

	if (text == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for an explanation");
	rc = clv_buf_add(out, text, strlen(text), err);
	free(text);
	return rc;
}

/* ---- the decision */

static struct policy_verdict verdict_of(const struct policy *policy, const struct policy_ask *ask,
					const struct policy_facts *facts)
{
	struct policy_verdict verdict = policy_decide(policy, ask), late;

	if (verdict.refusal != POLICY_ALLOWED || facts == NULL)
		return verdict;
	late = policy_decide_facts(policy, ask, facts);
	return late.refusal != POLICY_ALLOWED ? late : verdict;
}

static const char *word_of(const struct policy_verdict *verdict)
{
	return verdict->refusal == POLICY_ALLOWED ? "allow" : "deny";
}

/* ---- what was looked at */

static void put(json_t *object, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, key, json_string(text));
}

static void look_binding(void *arg, const struct iam_look *look)
{
	static const char *const truths[] = {
		[POLICY_FALSE] = "false", [POLICY_TRUE] = "true", [POLICY_UNKNOWN] = "unknown"
	};
	json_t *list = arg, *item = json_object();
	const bool gives =
		look->member != NULL && look->role_holds && look->condition == POLICY_TRUE;

	put(item, "resource", look->resource);
	put(item, "role", look->role);
	put(item, "member", look->member != NULL ? look->member : "(others)");
	if (!look->role_known)
		put(item, "roleIs", "not known");
	else if (!look->role_holds)
		put(item, "roleIs", "without the permission");
	if (look->expression != NULL) {
		put(item, "condition", look->expression);
		put(item, "conditionIs", truths[look->condition]);
	}
	put(item, "gives", gives ? "yes" : "no");
	json_array_append_new(list, item);
}

static void look_constraint(void *arg, const char *parent, const char *constraint, bool refuses)
{
	json_array_append_new(arg, json_pack("{s:s,s:s,s:s}", "of", parent, "constraint",
					     constraint, "result", refuses ? "refuses" : "allows"));
}

/* ---- what would change the answer */

static void say(json_t *list, const char *fmt, ...) CLV_PRINTF(2, 3);
static void say(json_t *list, const char *fmt, ...)
{
	char text[768];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	json_array_append_new(list, json_string(text));
}

static const char *resource_of_binding(const struct clv_name *name, char text[CLV_NAME_MAX])
{
	const enum clv_name_kind kind = name->kind == CLV_NAME_VERSION    ? CLV_NAME_KEY
					: name->kind == CLV_NAME_LOCATION ? CLV_NAME_PROJECT
									  : name->kind;

	return clv_name_format(name, kind, text);
}

static bool is_basic(const char *role)
{
	return strcmp(role, "roles/owner") == 0 || strcmp(role, "roles/editor") == 0 ||
	       strcmp(role, "roles/viewer") == 0;
}

/* Roles that hold the permission and could be bound here; the basic ones hold too much to be an
 * advice. */
static void say_roles(const struct policy *policy, const struct policy_ask *ask, json_t *list)
{
	const struct roles *roles = &policy->iam->roles;
	const uint32_t permission =
		policy_names_find(&roles->permissions, ask->permission, strlen(ask->permission));
	char resource[CLV_NAME_MAX];

	resource_of_binding(ask->name, resource);
	for (uint32_t i = 0; i < roles->n; i++) {
		const struct role *role = &roles->role[i];

		if (permission_in(&role->permissions, permission) && !role->off &&
		    !is_basic(role->name) && role_is_of(role, resource))
			say(list, "give %.150s the role %.150s on %.300s, or above it",
			    ask->principal, role->name, resource);
	}
	if (permission == POLICY_NO_NAME)
		say(list, "nothing: no role holds %.150s", ask->permission);
}

static void say_changes(const struct policy *policy, const struct policy_ask *ask,
			const struct policy_verdict *verdict, json_t *list)
{
	char why[POLICY_WHY_MAX];

	if (verdict->refusal == POLICY_DENIED) {
		say_roles(policy, ask, list);
	} else if (verdict->refusal != POLICY_ALLOWED) {
		policy_why(policy, ask, verdict, why);
		say(list, "%s", why);
		say(list, "changing %s", verdict->rule);
	} else if (strncmp(verdict->rule, "binding:", strlen("binding:")) == 0) {
		say(list, "taking away %.500s", verdict->rule);
	}
}

static json_t *explanation(const struct policy *policy, const struct policy_ask *ask,
			   const struct policy_facts *facts)
{
	const struct policy_verdict verdict = verdict_of(policy, ask, facts);
	const char *place = places_of_caller(policy->places, ask);
	json_t *json = json_object(), *bindings = json_array(), *constraints = json_array(),
	       *changes = json_array();
	char why[POLICY_WHY_MAX];

	put(json, "decision", word_of(&verdict));
	put(json, "rule", verdict.rule);
	if (verdict.refusal == POLICY_PLACE || verdict.refusal == POLICY_CONSTRAINT_VIOLATED) {
		policy_why(policy, ask, &verdict, why);
		put(json, "why", why);
	}
	put(json, "principal", ask->principal);
	put(json, "place", place != NULL ? place : "not known");
	put(json, "permission", ask->permission);
	put(json, "resource", ask->resource);
	iam_walk(policy->iam, ask, look_binding, bindings);
	policy_walk_places(policy, ask, facts, look_constraint, constraints);
	say_changes(policy, ask, &verdict, changes);
	json_object_set_new(json, "bindings", bindings);
	json_object_set_new(json, "constraints", constraints);
	json_object_set_new(json, "wouldChange", changes);
	return json;
}

clv_rc policy_explain(const struct policy *policy, const struct policy_ask *ask,
		      const struct policy_facts *facts, struct clv_buf *out, struct clv_err *err)
{
	CLV_AUTO(json_free) json_t *json = explanation(policy, ask, facts);

	return add_json(json, out, err);
}

/* ---- expected decisions */

/* One case, borrowed from the JSON. */
struct expected {
	struct policy_ask ask;
	struct clv_name name;
	const char *expect, *rule;
};

static clv_rc read_time(const char *text, const char *where, int64_t *ret_time, struct clv_err *err)
{
	struct clv_err why;

	if (text == NULL || clv_time_parse(text, ret_time, &why) == CLV_OK)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: %.200s", where, why.text);
}

static clv_rc read_case(const json_t *value, const char *where, int64_t now,
			struct expected *expected, struct clv_err *err)
{
	static const char *const known[] = { "as",   "from",   "action", "resource",
					     "time", "expect", "rule",   NULL };
	const char *action, *time;

	*expected = (struct expected){ .ask = { .time = now } };
	CLV_TRY(policy_json_known(value, known, where, err));
	CLV_TRY(policy_json_string(value, "as", true, where, &expected->ask.principal, err));
	CLV_TRY(policy_json_string(value, "from", false, where, &expected->ask.place, err));
	CLV_TRY(policy_json_string(value, "action", true, where, &action, err));
	CLV_TRY(policy_json_string(value, "resource", true, where, &expected->ask.resource, err));
	CLV_TRY(policy_json_string(value, "time", false, where, &time, err));
	CLV_TRY(policy_json_string(value, "expect", true, where, &expected->expect, err));
	CLV_TRY(policy_json_string(value, "rule", false, where, &expected->rule, err));
	CLV_TRY(read_time(time, where, &expected->ask.time, err));
	CLV_TRY(clv_name_parse(expected->ask.resource, &expected->name, err));
	expected->ask.name = &expected->name;
	if (strcmp(expected->expect, "allow") != 0 && strcmp(expected->expect, "deny") != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s: \"expect\" must be allow or deny",
				where);
	return policy_action_permission(action, expected->name.kind, &expected->ask.permission,
					err);
}

static bool is_as_expected(const struct expected *expected, const struct policy_verdict *verdict)
{
	return strcmp(expected->expect, word_of(verdict)) == 0 &&
	       (expected->rule == NULL || strcmp(expected->rule, verdict->rule) == 0);
}

static clv_rc run_cases(const struct policy *policy, const json_t *list, int64_t now,
			json_t *result, struct clv_err *err)
{
	json_t *cases = json_object_get(result, "cases");
	int passed = 0, failed = 0;
	struct expected expected;
	struct policy_verdict verdict;
	char where[32];

	for (size_t i = 0; i < json_array_size(list); i++) {
		bool fine;

		snprintf(where, sizeof where, "case %zu", i + 1);
		CLV_TRY(read_case(json_array_get(list, i), where, now, &expected, err));
		verdict = verdict_of(policy, &expected.ask, NULL);
		fine = is_as_expected(&expected, &verdict);
		passed += fine;
		failed += !fine;
		json_array_append_new(cases, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "result",
						       fine ? "ok" : "NOT OK", "as",
						       expected.ask.principal, "resource",
						       expected.ask.resource, "expected",
						       expected.expect, "decided",
						       word_of(&verdict), "rule", verdict.rule));
	}
	json_object_set_new(result, "passed", json_integer(passed));
	json_object_set_new(result, "failed", json_integer(failed));
	return CLV_OK;
}

clv_rc policy_test(const struct policy *policy, struct clv_bytes cases, int64_t now,
		   struct clv_buf *out, struct clv_err *err)
{
	static const char *const known[] = { "cases", NULL };
	const struct policy_document document = { .name = "of cases",
						  .text = (const char *) cases.data,
						  .len = cases.len };
	CLV_AUTO(json_free) json_t *json = NULL;
	CLV_AUTO(json_free)
	json_t *result = json_pack("{s:i,s:i,s:[]}", "passed", 0, "failed", 0, "cases");
	const json_t *list;

	if (result == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for cases");
	CLV_TRY(policy_json_read(&document, &json, err));
	CLV_TRY(policy_json_known(json, known, "the document of cases", err));
	CLV_TRY(policy_json_array(json, "cases", true, "the document of cases", &list, err));
	CLV_TRY(run_cases(policy, list, now, result, err));
	return add_json(result, out, err);
}
