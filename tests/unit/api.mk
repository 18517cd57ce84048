# SPDX-License-Identifier: Apache-2.0
# Tests of lib/api: the in-flight guard alone, everything else on a SoftHSM token.
if HAVE_CMOCKA
check_PROGRAMS += tests/support/raw_objects
tests_support_raw_objects_CPPFLAGS = $(AM_CPPFLAGS) -DCLV_SOFTHSM_MODULE='"$(TOKEN_MODULE)"'

home_world = tests/support/home_world.c tests/support/home_world.h
home_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -DCLV_SOFTHSM_MODULE='"$(TOKEN_MODULE)"'
check_PROGRAMS += tests/support/edit_catalogue
tests_support_edit_catalogue_SOURCES = tests/support/edit_catalogue.c $(home_world)
tests_support_edit_catalogue_CPPFLAGS = $(home_cppflags)
tests_support_edit_catalogue_LDADD = $(test_libs)

home_kinds = tests/support/kinds.c tests/support/kinds.h
home_verbs = tests/support/verbs.c tests/support/verbs.h

test_programs += \
	tests/unit/test_inflight \
	tests/token/test_home \
	tests/token/test_gate \
	tests/token/test_iam \
	tests/token/test_residency \
	tests/token/test_audit_failure \
	tests/token/test_resources \
	tests/token/test_crypt \
	tests/token/test_api_kinds \
	tests/token/test_api_inputs \
	tests/token/test_dek \
	tests/token/test_switch \
	tests/token/test_history \
	tests/token/test_crash \
	tests/token/test_rotation \
	tests/token/test_counts \
	tests/token/test_intents \
	tests/token/test_seal \
	tests/token/test_stress

tests_unit_test_inflight_SOURCES = tests/unit/test_inflight.c $(home_world)
tests_unit_test_inflight_CPPFLAGS = $(home_cppflags)
tests_unit_test_inflight_LDADD = $(test_libs)
tests_token_test_home_SOURCES = tests/token/test_home.c $(home_verbs) $(home_world)
tests_token_test_home_CPPFLAGS = $(home_cppflags)
tests_token_test_home_LDADD = $(test_libs)
tests_token_test_gate_SOURCES = tests/token/test_gate.c $(home_verbs) $(home_world)
tests_token_test_gate_CPPFLAGS = $(home_cppflags)
tests_token_test_gate_LDADD = $(test_libs)
tests_token_test_iam_SOURCES = tests/token/test_iam.c $(home_world)
tests_token_test_iam_CPPFLAGS = $(home_cppflags)
tests_token_test_iam_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=inflight_enter,--wrap=api_change_begin_sealed
tests_token_test_iam_LDADD = $(test_libs)
tests_token_test_residency_SOURCES = tests/token/test_residency.c $(home_world)
tests_token_test_residency_CPPFLAGS = $(home_cppflags)
tests_token_test_residency_LDADD = $(test_libs)
tests_token_test_audit_failure_SOURCES = tests/token/test_audit_failure.c $(home_verbs) $(home_world)
tests_token_test_audit_failure_CPPFLAGS = $(home_cppflags)
tests_token_test_audit_failure_LDADD = $(test_libs)
tests_token_test_resources_SOURCES = tests/token/test_resources.c $(home_verbs) $(home_world)
tests_token_test_resources_CPPFLAGS = $(home_cppflags)
tests_token_test_resources_LDADD = $(test_libs)
tests_token_test_crypt_SOURCES = tests/token/test_crypt.c $(home_world)
tests_token_test_crypt_CPPFLAGS = $(home_cppflags)
tests_token_test_crypt_LDADD = $(test_libs)
tests_token_test_dek_SOURCES = tests/token/test_dek.c $(home_world)
tests_token_test_dek_CPPFLAGS = $(home_cppflags)
tests_token_test_dek_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=policy_decide,--wrap=hsm_encrypt
tests_token_test_dek_LDADD = $(test_libs)
tests_token_test_api_kinds_SOURCES = tests/token/test_api_kinds.c $(home_kinds) $(home_world)
tests_token_test_api_kinds_CPPFLAGS = $(home_cppflags)
tests_token_test_api_kinds_LDADD = $(test_libs)
tests_token_test_api_inputs_SOURCES = tests/token/test_api_inputs.c $(home_kinds) $(home_world)
tests_token_test_api_inputs_CPPFLAGS = $(home_cppflags)
tests_token_test_api_inputs_LDADD = $(test_libs)
tests_token_test_switch_SOURCES = tests/token/test_switch.c $(home_world)
tests_token_test_switch_CPPFLAGS = $(home_cppflags)
tests_token_test_switch_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=hsm_encrypt,--wrap=audit_append,--wrap=inflight_enter
tests_token_test_switch_LDADD = $(test_libs)
tests_token_test_history_SOURCES = tests/token/test_history.c $(home_world)
tests_token_test_history_CPPFLAGS = $(home_cppflags)
tests_token_test_history_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=inflight_unchanged
tests_token_test_history_LDADD = $(test_libs)
tests_token_test_rotation_SOURCES = tests/token/test_rotation.c $(home_world)
tests_token_test_rotation_CPPFLAGS = $(home_cppflags)
tests_token_test_rotation_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=store_intent_add,--wrap=store_key_rotate
tests_token_test_rotation_LDADD = $(test_libs)
tests_token_test_counts_SOURCES = tests/token/test_counts.c $(home_world)
tests_token_test_counts_CPPFLAGS = $(home_cppflags)
tests_token_test_counts_LDADD = $(test_libs)
tests_token_test_crash_SOURCES = tests/token/test_crash.c $(home_world)
tests_token_test_crash_CPPFLAGS = $(home_cppflags)
tests_token_test_crash_LDADD = $(test_libs)
tests_token_test_intents_SOURCES = tests/token/test_intents.c $(home_world)
tests_token_test_intents_CPPFLAGS = $(home_cppflags)
tests_token_test_intents_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=store_intent_add,--wrap=store_intent_list,--wrap=store_key_add \
	-Wl,--wrap=store_location_add,--wrap=hsm_version_create,--wrap=hsm_location_create
tests_token_test_intents_LDADD = $(test_libs)
tests_token_test_seal_SOURCES = tests/token/test_seal.c $(home_world)
tests_token_test_seal_CPPFLAGS = $(home_cppflags) \
	-DCLV_TEST_SHIM='"$(abs_top_builddir)/tests/support/.libs/libclvshim.so"'
tests_token_test_seal_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=hsm_seal_mac,--wrap=hsm_anchor_write
tests_token_test_seal_LDADD = $(test_libs)
tests_token_test_stress_SOURCES = tests/token/test_stress.c $(home_verbs) $(home_world)
tests_token_test_stress_CPPFLAGS = $(home_cppflags)
tests_token_test_stress_LDADD = $(test_libs)
endif

soak_scripts += tests/soak/api.sh
