/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a version. Not for carrying a change out: lib/api/version.c does that. */
#include "lib/base/auto.h"
#include "lib/model/state.h"

#include "lib/base/banned.h"

/* What is not in the table is refused, so a new state or verb begins as a refusal. */
static const struct {
	enum clv_state state;
	enum model_verb verb;
	struct model_transition transition;
} transitions[] = {
	{ CLV_STATE_ENABLED, MODEL_VERB_ENABLE, { MODEL_NO_CHANGE, CLV_STATE_ENABLED } },
	{ CLV_STATE_ENABLED, MODEL_VERB_DISABLE, { MODEL_CHANGES, CLV_STATE_DISABLED } },
	{ CLV_STATE_ENABLED, MODEL_VERB_DESTROY, { MODEL_CHANGES, CLV_STATE_DESTROY_SCHEDULED } },
	{ CLV_STATE_ENABLED, MODEL_VERB_USE, { MODEL_NO_CHANGE, CLV_STATE_ENABLED } },
	{ CLV_STATE_DISABLED, MODEL_VERB_ENABLE, { MODEL_CHANGES, CLV_STATE_ENABLED } },
	{ CLV_STATE_DISABLED, MODEL_VERB_DISABLE, { MODEL_NO_CHANGE, CLV_STATE_DISABLED } },
	{ CLV_STATE_DISABLED, MODEL_VERB_DESTROY, { MODEL_CHANGES, CLV_STATE_DESTROY_SCHEDULED } },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_RESTORE, { MODEL_CHANGES, CLV_STATE_DISABLED } },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_EXPIRE, { MODEL_CHANGES, CLV_STATE_DESTROYED } },
	{ CLV_STATE_PENDING_GENERATION,
	  MODEL_VERB_GENERATED,
	  { MODEL_CHANGES, CLV_STATE_ENABLED } },
	{ CLV_STATE_PENDING_GENERATION,
	  MODEL_VERB_NOT_GENERATED,
	  { MODEL_CHANGES, CLV_STATE_GENERATION_FAILED } },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_IMPORTED, { MODEL_CHANGES, CLV_STATE_ENABLED } },
	{ CLV_STATE_PENDING_IMPORT,
	  MODEL_VERB_NOT_IMPORTED,
	  { MODEL_CHANGES, CLV_STATE_IMPORT_FAILED } },
	{ CLV_STATE_DESTROYED, MODEL_VERB_REIMPORT, { MODEL_CHANGES, CLV_STATE_ENABLED } },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_REIMPORT, { MODEL_CHANGES, CLV_STATE_ENABLED } },
};

struct model_transition model_state_transition(enum clv_state state, enum model_verb verb)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(transitions); i++) {
		if (transitions[i].state == state && transitions[i].verb == verb)
			return transitions[i].transition;
	}
	return (struct model_transition){ .effect = MODEL_REFUSED, .next = state };
}

clv_rc model_state_refuse(const char *version_name, enum clv_state state, struct clv_err *err)
{
	return clv_fail(err, CLV_E_FAILED_PRECONDITION, "%s is not enabled, current state is: %s.",
			version_name, clv_state_name(state));
}

clv_rc model_state_refuse_verb(const char *version_name, enum clv_state state, enum model_verb verb,
			       struct clv_err *err)
{
	static const char *const done[] = {
		[MODEL_VERB_ENABLE] = "enabled",          [MODEL_VERB_DISABLE] = "disabled",
		[MODEL_VERB_DESTROY] = "destroyed",       [MODEL_VERB_RESTORE] = "restored",
		[MODEL_VERB_EXPIRE] = "erased",           [MODEL_VERB_USE] = "used",
		[MODEL_VERB_GENERATED] = "generated",     [MODEL_VERB_NOT_GENERATED] = "given up",
		[MODEL_VERB_IMPORTED] = "imported",       [MODEL_VERB_NOT_IMPORTED] = "given up",
		[MODEL_VERB_REIMPORT] = "imported again",
	};

	return clv_fail(err, CLV_E_FAILED_PRECONDITION, "%s cannot be %s, current state is: %s.",
			version_name,
			(unsigned) verb < CLV_ARRAY_LEN(done) ? done[verb] : "changed",
			clv_state_name(state));
}

static const char *name_at(const char *const *names, size_t n, unsigned number)
{
	return number < n && names[number] != NULL ? names[number] : "UNKNOWN";
}

#define NAME_ROW(name, number) [number] = #name,

const char *clv_purpose_name(enum clv_purpose purpose)
{
	static const char *const names[] = { CLV_PURPOSE_LIST(NAME_ROW) };

	return name_at(names, CLV_ARRAY_LEN(names), purpose);
}

const char *clv_algorithm_name(enum clv_algorithm algorithm)
{
	static const char *const names[] = { CLV_ALGORITHM_LIST(NAME_ROW) };

	return name_at(names, CLV_ARRAY_LEN(names), algorithm);
}

const char *clv_protection_name(enum clv_protection protection)
{
	static const char *const names[] = {
		[CLV_PROTECTION_SOFTWARE] = "SOFTWARE",
		[CLV_PROTECTION_HSM] = "HSM",
	};

	return name_at(names, CLV_ARRAY_LEN(names), protection);
}

const char *clv_state_name(enum clv_state state)
{
	static const char *const names[] = { CLV_STATE_LIST(NAME_ROW) };

	return name_at(names, CLV_ARRAY_LEN(names), state);
}

const char *clv_state_nist_name(enum clv_state state)
{
	static const char *const names[] = {
		[CLV_STATE_ENABLED] = "active",
		[CLV_STATE_DISABLED] = "suspended",
		[CLV_STATE_DESTROYED] = "destroyed",
		[CLV_STATE_DESTROY_SCHEDULED] = "deactivated",
		[CLV_STATE_PENDING_GENERATION] = "pre-activation",
		[CLV_STATE_PENDING_IMPORT] = "pre-activation",
		[CLV_STATE_IMPORT_FAILED] = "destroyed",
		[CLV_STATE_GENERATION_FAILED] = "destroyed",
	};

	return name_at(names, CLV_ARRAY_LEN(names), state);
}

const char *clv_residency_name(enum clv_residency residency)
{
	static const char *const names[] = {
		[CLV_RESIDENCY_WRAPPED] = "WRAPPED",
		[CLV_RESIDENCY_TOKEN] = "TOKEN",
	};

	return name_at(names, CLV_ARRAY_LEN(names), residency);
}
