/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include "lib/model/state.h"

/* Every pair: states from 0 (none) to one behind the last, all verbs. */
#define STATE_END (CLV_STATE_GENERATION_FAILED + 2)

static const struct {
	unsigned state;
	enum model_verb verb;
	enum model_effect effect;
	unsigned next;
} pairs[] = {
	{ 0, MODEL_VERB_ENABLE, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_DISABLE, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_DESTROY, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_RESTORE, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_EXPIRE, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_USE, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_GENERATED, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_IMPORTED, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED, 0 },
	{ 0, MODEL_VERB_REIMPORT, MODEL_REFUSED, 0 },
	{ CLV_STATE_ENABLED, MODEL_VERB_ENABLE, MODEL_NO_CHANGE, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_DISABLE, MODEL_CHANGES, CLV_STATE_DISABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_DESTROY, MODEL_CHANGES, CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_ENABLED, MODEL_VERB_RESTORE, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_EXPIRE, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_USE, MODEL_NO_CHANGE, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_GENERATED, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_IMPORTED, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_ENABLED, MODEL_VERB_REIMPORT, MODEL_REFUSED, CLV_STATE_ENABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_ENABLE, MODEL_CHANGES, CLV_STATE_ENABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_DISABLE, MODEL_NO_CHANGE, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_DESTROY, MODEL_CHANGES, CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DISABLED, MODEL_VERB_RESTORE, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_EXPIRE, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_USE, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_GENERATED, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_IMPORTED, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DISABLED, MODEL_VERB_REIMPORT, MODEL_REFUSED, CLV_STATE_DISABLED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_ENABLE, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_DISABLE, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_DESTROY, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_RESTORE, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_EXPIRE, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_USE, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_GENERATED, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_IMPORTED, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROYED, MODEL_VERB_REIMPORT, MODEL_CHANGES, CLV_STATE_ENABLED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_ENABLE, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_DISABLE, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_DESTROY, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_RESTORE, MODEL_CHANGES, CLV_STATE_DISABLED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_EXPIRE, MODEL_CHANGES, CLV_STATE_DESTROYED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_USE, MODEL_REFUSED, CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_GENERATED, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_DESTROY_SCHEDULED, MODEL_VERB_REIMPORT, MODEL_REFUSED,
	  CLV_STATE_DESTROY_SCHEDULED },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_ENABLE, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_DISABLE, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_DESTROY, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_RESTORE, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_EXPIRE, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_USE, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_GENERATED, MODEL_CHANGES, CLV_STATE_ENABLED },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_NOT_GENERATED, MODEL_CHANGES,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_GENERATION, MODEL_VERB_REIMPORT, MODEL_REFUSED,
	  CLV_STATE_PENDING_GENERATION },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_ENABLE, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_DISABLE, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_DESTROY, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_RESTORE, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_EXPIRE, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_USE, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_GENERATED, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED,
	  CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_IMPORTED, MODEL_CHANGES, CLV_STATE_ENABLED },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_NOT_IMPORTED, MODEL_CHANGES,
	  CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_PENDING_IMPORT, MODEL_VERB_REIMPORT, MODEL_REFUSED, CLV_STATE_PENDING_IMPORT },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_ENABLE, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_DISABLE, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_DESTROY, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_RESTORE, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_EXPIRE, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_USE, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_GENERATED, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED,
	  CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_IMPORTED, MODEL_REFUSED, CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_IMPORT_FAILED },
	{ CLV_STATE_IMPORT_FAILED, MODEL_VERB_REIMPORT, MODEL_CHANGES, CLV_STATE_ENABLED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_ENABLE, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_DISABLE, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_DESTROY, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_RESTORE, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_EXPIRE, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_USE, MODEL_REFUSED, CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_GENERATED, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ CLV_STATE_GENERATION_FAILED, MODEL_VERB_REIMPORT, MODEL_REFUSED,
	  CLV_STATE_GENERATION_FAILED },
	{ STATE_END - 1, MODEL_VERB_ENABLE, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_DISABLE, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_DESTROY, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_RESTORE, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_EXPIRE, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_USE, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_GENERATED, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_NOT_GENERATED, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_IMPORTED, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_NOT_IMPORTED, MODEL_REFUSED, STATE_END - 1 },
	{ STATE_END - 1, MODEL_VERB_REIMPORT, MODEL_REFUSED, STATE_END - 1 },
};

static void state_transition_is_decided_for_every_pair(void **state)
{
	(void) state;
	assert_int_equal(CLV_ARRAY_LEN(pairs), STATE_END * MODEL_VERB_COUNT);
	for (size_t i = 0; i < CLV_ARRAY_LEN(pairs); i++) {
		const struct model_transition got =
			model_state_transition(pairs[i].state, pairs[i].verb);

		assert_int_equal(pairs[i].state, i / MODEL_VERB_COUNT);
		assert_int_equal(pairs[i].verb, i % MODEL_VERB_COUNT);
		assert_int_equal(got.effect, pairs[i].effect);
		assert_int_equal(got.next, pairs[i].next);
	}
}

static void state_transition_refuses_a_verb_that_is_not_one(void **state)
{
	(void) state;
	assert_int_equal(model_state_transition(CLV_STATE_ENABLED, MODEL_VERB_COUNT).effect,
			 MODEL_REFUSED);
}

/* What is used stays as it is, and only what is enabled is used. */
static void state_use_never_changes_a_state(void **state)
{
	(void) state;
	for (unsigned s = 0; s < STATE_END; s++) {
		const struct model_transition got = model_state_transition(s, MODEL_VERB_USE);

		assert_int_equal(got.next, s);
		assert_int_equal(got.effect,
				 s == CLV_STATE_ENABLED ? MODEL_NO_CHANGE : MODEL_REFUSED);
	}
}

static void state_refuse_says_it_word_for_word_as_cloud_kms(void **state)
{
	static const char name[] =
		"projects/p1/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
	struct clv_err err;

	(void) state;
	check_refused(model_state_refuse(name, CLV_STATE_DISABLED, &err), &err,
		      CLV_E_FAILED_PRECONDITION, name);
	assert_string_equal(
		err.text, "projects/p1/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1 is "
			  "not enabled, current state is: DISABLED.");
}

static void state_refuse_verb_says_what_cannot_be_done_and_why(void **state)
{
	static const struct {
		enum model_verb verb;
		enum clv_state now;
		const char *text;
	} table[] = {
		{ MODEL_VERB_ENABLE, CLV_STATE_DESTROYED,
		  "v cannot be enabled, current state is: DESTROYED." },
		{ MODEL_VERB_DISABLE, CLV_STATE_DESTROY_SCHEDULED,
		  "v cannot be disabled, current state is: DESTROY_SCHEDULED." },
		{ MODEL_VERB_DESTROY, CLV_STATE_DESTROYED,
		  "v cannot be destroyed, current state is: DESTROYED." },
		{ MODEL_VERB_RESTORE, CLV_STATE_ENABLED,
		  "v cannot be restored, current state is: ENABLED." },
		{ MODEL_VERB_EXPIRE, CLV_STATE_DISABLED,
		  "v cannot be erased, current state is: DISABLED." },
		{ MODEL_VERB_USE, CLV_STATE_DISABLED,
		  "v cannot be used, current state is: DISABLED." },
		{ MODEL_VERB_REIMPORT, CLV_STATE_ENABLED,
		  "v cannot be imported again, current state is: ENABLED." },
		{ MODEL_VERB_GENERATED, CLV_STATE_DESTROYED,
		  "v cannot be generated, current state is: DESTROYED." },
		{ MODEL_VERB_NOT_IMPORTED, CLV_STATE_ENABLED,
		  "v cannot be given up, current state is: ENABLED." },
		{ MODEL_VERB_COUNT, CLV_STATE_ENABLED,
		  "v cannot be changed, current state is: ENABLED." },
	};
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		check_refused(model_state_refuse_verb("v", table[i].now, table[i].verb, &err), &err,
			      CLV_E_FAILED_PRECONDITION, "v");
		assert_string_equal(err.text, table[i].text);
	}
}

/* Only the same material, imported again, undoes a destruction; and nothing is destroyed without an
 * order that lies before. */
static void state_destroyed_comes_from_scheduled_alone_and_ends_by_import_alone(void **state)
{
	(void) state;
	for (unsigned verb = 0; verb < MODEL_VERB_COUNT; verb++) {
		assert_int_equal(model_state_transition(CLV_STATE_DESTROYED, verb).effect,
				 verb == MODEL_VERB_REIMPORT ? MODEL_CHANGES : MODEL_REFUSED);
		for (unsigned s = 0; s < STATE_END; s++) {
			if (s != CLV_STATE_DESTROYED && s != CLV_STATE_DESTROY_SCHEDULED)
				assert_int_not_equal(model_state_transition(s, verb).next,
						     CLV_STATE_DESTROYED);
		}
	}
}

/* What was never generated or imported can become usable, and nothing else can be done with it. */
static void state_pending_ends_in_enabled_or_failed(void **state)
{
	static const unsigned pending[] = { CLV_STATE_PENDING_GENERATION,
					    CLV_STATE_PENDING_IMPORT };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(pending); i++) {
		unsigned n = 0;

		for (unsigned verb = 0; verb < MODEL_VERB_COUNT; verb++)
			n += model_state_transition(pending[i], verb).effect != MODEL_REFUSED;
		assert_int_equal(n, 2);
	}
}

static void state_nist_names_are_those_of_sp_800_57(void **state)
{
	(void) state;
	assert_string_equal(clv_state_nist_name(CLV_STATE_ENABLED), "active");
	assert_string_equal(clv_state_nist_name(CLV_STATE_DISABLED), "suspended");
	assert_string_equal(clv_state_nist_name(CLV_STATE_DESTROY_SCHEDULED), "deactivated");
	assert_string_equal(clv_state_nist_name(CLV_STATE_DESTROYED), "destroyed");
	assert_string_equal(clv_state_nist_name(CLV_STATE_PENDING_GENERATION), "pre-activation");
	assert_string_equal(clv_state_nist_name(CLV_STATE_PENDING_IMPORT), "pre-activation");
	assert_string_equal(clv_state_nist_name(CLV_STATE_IMPORT_FAILED), "destroyed");
	assert_string_equal(clv_state_nist_name(CLV_STATE_GENERATION_FAILED), "destroyed");
	assert_string_equal(clv_state_nist_name(0), "UNKNOWN");
	assert_string_equal(clv_state_nist_name(STATE_END), "UNKNOWN");
}

/* Written out here a second time, from Cloud KMS's protos: the header's lists are what is tested.
 */
static void names_and_numbers_are_those_of_cloud_kms(void **state)
{
	static const struct {
		unsigned number;
		const char *name;
	} purposes[] = { { 1, "ENCRYPT_DECRYPT" },
			 { 5, "ASYMMETRIC_SIGN" },
			 { 6, "ASYMMETRIC_DECRYPT" },
			 { 7, "RAW_ENCRYPT_DECRYPT" },
			 { 9, "MAC" } },
	  states[] = {
		  { 1, "ENABLED" },           { 2, "DISABLED" },           { 3, "DESTROYED" },
		  { 4, "DESTROY_SCHEDULED" }, { 5, "PENDING_GENERATION" }, { 6, "PENDING_IMPORT" },
		  { 7, "IMPORT_FAILED" },     { 8, "GENERATION_FAILED" }
	  };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(purposes); i++)
		assert_string_equal(clv_purpose_name(purposes[i].number), purposes[i].name);
	for (size_t i = 0; i < CLV_ARRAY_LEN(states); i++)
		assert_string_equal(clv_state_name(states[i].number), states[i].name);
	assert_string_equal(clv_protection_name(1), "SOFTWARE");
	assert_string_equal(clv_protection_name(2), "HSM");
	assert_string_equal(clv_residency_name(CLV_RESIDENCY_WRAPPED), "WRAPPED");
	assert_string_equal(clv_residency_name(CLV_RESIDENCY_TOKEN), "TOKEN");
}

/* Also the holes between numbers: what is not offered has no name. */
static void names_of_what_is_not_offered_are_unknown(void **state)
{
	static const unsigned purposes[] = { 2, 3, 4, 8, 10, 11 };
	static const unsigned algorithms[] = { 11, 14, 18, 20, 27, 31 };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(purposes); i++)
		assert_string_equal(clv_purpose_name(purposes[i]), "UNKNOWN");
	for (size_t i = 0; i < CLV_ARRAY_LEN(algorithms); i++)
		assert_string_equal(clv_algorithm_name(algorithms[i]), "UNKNOWN");
	assert_string_equal(clv_state_name(STATE_END - 1), "UNKNOWN");
}

static void names_of_numbers_out_of_range_are_unknown(void **state)
{
	static const unsigned strange[] = { 0, 46, 1000, UINT32_MAX }; /* 45: the last algorithm */

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(strange); i++) {
		assert_string_equal(clv_purpose_name(strange[i]), "UNKNOWN");
		assert_string_equal(clv_algorithm_name(strange[i]), "UNKNOWN");
		assert_string_equal(clv_protection_name(strange[i]), "UNKNOWN");
		assert_string_equal(clv_state_name(strange[i]), "UNKNOWN");
		assert_string_equal(clv_residency_name(strange[i]), "UNKNOWN");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_transition_is_decided_for_every_pair),
		cmocka_unit_test(state_transition_refuses_a_verb_that_is_not_one),
		cmocka_unit_test(state_use_never_changes_a_state),
		cmocka_unit_test(state_refuse_says_it_word_for_word_as_cloud_kms),
		cmocka_unit_test(state_refuse_verb_says_what_cannot_be_done_and_why),
		cmocka_unit_test(
			state_destroyed_comes_from_scheduled_alone_and_ends_by_import_alone),
		cmocka_unit_test(state_pending_ends_in_enabled_or_failed),
		cmocka_unit_test(state_nist_names_are_those_of_sp_800_57),
		cmocka_unit_test(names_and_numbers_are_those_of_cloud_kms),
		cmocka_unit_test(names_of_what_is_not_offered_are_unknown),
		cmocka_unit_test(names_of_numbers_out_of_range_are_unknown),
	};
	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
