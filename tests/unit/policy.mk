# SPDX-License-Identifier: Apache-2.0
# Tests of lib/policy.
if HAVE_CMOCKA
policy_world = tests/unit/policy_world.h tests/unit/base_check.h
policy_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -DCLV_TEST_SRCDIR='"$(abs_srcdir)"'

test_programs += \
	tests/unit/test_policy_condition \
	tests/unit/test_policy_iam \
	tests/unit/test_policy_lint \
	tests/unit/test_policy_places \
	tests/unit/test_policy_properties \
	tests/unit/test_policy_snapshot

tests_unit_test_policy_condition_SOURCES = tests/unit/test_policy_condition.c $(policy_world)
tests_unit_test_policy_condition_CPPFLAGS = $(policy_cppflags)
tests_unit_test_policy_condition_LDADD = $(test_libs)
tests_unit_test_policy_iam_SOURCES = tests/unit/test_policy_iam.c $(policy_world)
tests_unit_test_policy_iam_CPPFLAGS = $(policy_cppflags)
tests_unit_test_policy_iam_LDADD = $(test_libs)
tests_unit_test_policy_lint_SOURCES = tests/unit/test_policy_lint.c $(policy_world)
tests_unit_test_policy_lint_CPPFLAGS = $(policy_cppflags)
tests_unit_test_policy_lint_LDADD = $(test_libs)
tests_unit_test_policy_places_SOURCES = tests/unit/test_policy_places.c $(policy_world)
tests_unit_test_policy_places_CPPFLAGS = $(policy_cppflags)
tests_unit_test_policy_places_LDADD = $(test_libs)
tests_unit_test_policy_properties_SOURCES = tests/unit/test_policy_properties.c $(policy_world)
tests_unit_test_policy_properties_CPPFLAGS = $(policy_cppflags)
tests_unit_test_policy_properties_LDADD = $(test_libs)
tests_unit_test_policy_snapshot_SOURCES = tests/unit/test_policy_snapshot.c $(policy_world)
tests_unit_test_policy_snapshot_CPPFLAGS = $(policy_cppflags)
tests_unit_test_policy_snapshot_LDADD = $(test_libs)
endif
EXTRA_DIST += tests/snapshots/policy/places.txt tests/snapshots/policy/roles.txt
