# SPDX-License-Identifier: Apache-2.0
# Each target replays its seeds in `make check`; see tests/support/fuzz.h.
fuzz_programs += \
	tests/fuzz/clv1_fuzz \
	tests/fuzz/filter_fuzz \
	tests/fuzz/json_line_fuzz \
	tests/fuzz/labels_fuzz \
	tests/fuzz/name_fuzz \
	tests/fuzz/policy_condition_fuzz \
	tests/fuzz/policy_iam_fuzz \
	tests/fuzz/policy_places_fuzz \
	tests/fuzz/time_fuzz

tests_fuzz_clv1_fuzz_SOURCES = tests/fuzz/clv1_fuzz.c $(fuzz_support)
tests_fuzz_clv1_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_clv1_fuzz_LDADD = $(test_libs)
tests_fuzz_filter_fuzz_SOURCES = tests/fuzz/filter_fuzz.c $(fuzz_support)
tests_fuzz_filter_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_filter_fuzz_LDADD = tools/libkmscommon.la $(test_libs)
tests_fuzz_json_line_fuzz_SOURCES = tests/fuzz/json_line_fuzz.c $(fuzz_support)
tests_fuzz_json_line_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_json_line_fuzz_LDADD = tools/libkmsctl.la tools/libkmscommon.la $(test_libs)
tests_fuzz_labels_fuzz_SOURCES = tests/fuzz/labels_fuzz.c $(fuzz_support)
tests_fuzz_labels_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_labels_fuzz_LDADD = $(test_libs)
tests_fuzz_name_fuzz_SOURCES = tests/fuzz/name_fuzz.c $(fuzz_support)
tests_fuzz_name_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_name_fuzz_LDADD = $(test_libs)
tests_fuzz_policy_condition_fuzz_SOURCES = tests/fuzz/policy_condition_fuzz.c $(fuzz_support)
tests_fuzz_policy_condition_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_policy_condition_fuzz_LDADD = $(test_libs)
tests_fuzz_policy_iam_fuzz_SOURCES = tests/fuzz/policy_iam_fuzz.c $(fuzz_support)
tests_fuzz_policy_iam_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_policy_iam_fuzz_LDADD = $(test_libs)
tests_fuzz_policy_places_fuzz_SOURCES = tests/fuzz/policy_places_fuzz.c $(fuzz_support)
tests_fuzz_policy_places_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_policy_places_fuzz_LDADD = $(test_libs)
tests_fuzz_time_fuzz_SOURCES = tests/fuzz/time_fuzz.c $(fuzz_support)
tests_fuzz_time_fuzz_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_time_fuzz_LDADD = $(test_libs)
fuzz_support = tests/support/fuzz.h tests/support/fuzz_main.c

EXTRA_DIST += \
	tests/fuzz/seeds/clv1/dek \
	tests/fuzz/seeds/clv1/empty \
	tests/fuzz/seeds/clv1/empty-plaintext \
	tests/fuzz/seeds/clv1/header-only \
	tests/fuzz/seeds/clv1/iv-16 \
	tests/fuzz/seeds/clv1/iv-leaves-no-tag \
	tests/fuzz/seeds/clv1/iv-length-lies \
	tests/fuzz/seeds/clv1/iv-too-long \
	tests/fuzz/seeds/clv1/iv-too-short \
	tests/fuzz/seeds/clv1/magic-only \
	tests/fuzz/seeds/clv1/magic-wrong \
	tests/fuzz/seeds/clv1/one-byte-short \
	tests/fuzz/seeds/filter/empty \
	tests/fuzz/seeds/filter/list \
	tests/fuzz/seeds/filter/mixed \
	tests/fuzz/seeds/filter/nested \
	tests/fuzz/seeds/filter/nested-open \
	tests/fuzz/seeds/filter/quote-open \
	tests/fuzz/seeds/filter/sort \
	tests/fuzz/seeds/filter/star \
	tests/fuzz/seeds/filter/tests \
	tests/fuzz/seeds/filter/value \
	tests/fuzz/seeds/filter/value-open \
	tests/fuzz/seeds/json_line/blanks \
	tests/fuzz/seeds/json_line/empty \
	tests/fuzz/seeds/json_line/escapes \
	tests/fuzz/seeds/json_line/list \
	tests/fuzz/seeds/json_line/loose-bits \
	tests/fuzz/seeds/json_line/nested \
	tests/fuzz/seeds/json_line/numbers \
	tests/fuzz/seeds/json_line/open \
	tests/fuzz/seeds/json_line/plain \
	tests/fuzz/seeds/json_line/twice \
	tests/fuzz/seeds/labels/empty \
	tests/fuzz/seeds/labels/keys-alone \
	tests/fuzz/seeds/labels/longest \
	tests/fuzz/seeds/labels/many \
	tests/fuzz/seeds/labels/newline \
	tests/fuzz/seeds/labels/no-value \
	tests/fuzz/seeds/labels/one \
	tests/fuzz/seeds/labels/prefixes \
	tests/fuzz/seeds/labels/several \
	tests/fuzz/seeds/labels/too-long \
	tests/fuzz/seeds/labels/too-many \
	tests/fuzz/seeds/labels/trailing-comma \
	tests/fuzz/seeds/labels/twice \
	tests/fuzz/seeds/labels/upper \
	tests/fuzz/seeds/name/control-characters \
	tests/fuzz/seeds/name/empty \
	tests/fuzz/seeds/name/id-63 \
	tests/fuzz/seeds/name/id-64 \
	tests/fuzz/seeds/name/import-job \
	tests/fuzz/seeds/name/import-job-goes-on \
	tests/fuzz/seeds/name/import-job-of-a-key \
	tests/fuzz/seeds/name/key \
	tests/fuzz/seeds/name/key-ring \
	tests/fuzz/seeds/name/location \
	tests/fuzz/seeds/name/long \
	tests/fuzz/seeds/name/no-id \
	tests/fuzz/seeds/name/not-ascii \
	tests/fuzz/seeds/name/nul-inside \
	tests/fuzz/seeds/name/project \
	tests/fuzz/seeds/name/project-ends-in-dash \
	tests/fuzz/seeds/name/slash-at-end \
	tests/fuzz/seeds/name/slashes \
	tests/fuzz/seeds/name/too-deep \
	tests/fuzz/seeds/name/version \
	tests/fuzz/seeds/name/version-largest \
	tests/fuzz/seeds/name/version-leading-zero \
	tests/fuzz/seeds/name/version-overflows \
	tests/fuzz/seeds/name/version-zero \
	tests/fuzz/seeds/policy_condition/cel \
	tests/fuzz/seeds/policy_condition/deep \
	tests/fuzz/seeds/policy_condition/empty \
	tests/fuzz/seeds/policy_condition/ends \
	tests/fuzz/seeds/policy_condition/escape-unknown \
	tests/fuzz/seeds/policy_condition/escapes \
	tests/fuzz/seeds/policy_condition/literal \
	tests/fuzz/seeds/policy_condition/many \
	tests/fuzz/seeds/policy_condition/most \
	tests/fuzz/seeds/policy_condition/name \
	tests/fuzz/seeds/policy_condition/not-ascii \
	tests/fuzz/seeds/policy_condition/not-not \
	tests/fuzz/seeds/policy_condition/open \
	tests/fuzz/seeds/policy_condition/span \
	tests/fuzz/seeds/policy_condition/starts \
	tests/fuzz/seeds/policy_condition/string-open \
	tests/fuzz/seeds/policy_condition/time \
	tests/fuzz/seeds/policy_condition/time-largest \
	tests/fuzz/seeds/policy_condition/time-smallest \
	tests/fuzz/seeds/policy_condition/type \
	tests/fuzz/seeds/policy_iam/groups \
	tests/fuzz/seeds/policy_iam/groups-circle \
	tests/fuzz/seeds/policy_iam/groups-self \
	tests/fuzz/seeds/policy_iam/groups-twice \
	tests/fuzz/seeds/policy_iam/iam \
	tests/fuzz/seeds/policy_iam/iam-empty \
	tests/fuzz/seeds/policy_iam/iam-nul \
	tests/fuzz/seeds/policy_iam/iam-twice \
	tests/fuzz/seeds/policy_iam/iam-wrong-condition \
	tests/fuzz/seeds/policy_iam/iam-wrong-members \
	tests/fuzz/seeds/policy_iam/iam-wrong-role \
	tests/fuzz/seeds/policy_iam/list \
	tests/fuzz/seeds/policy_iam/nested \
	tests/fuzz/seeds/policy_iam/no-json \
	tests/fuzz/seeds/policy_iam/role \
	tests/fuzz/seeds/policy_iam/role-stage \
	tests/fuzz/seeds/policy_iam/role-unknown \
	tests/fuzz/seeds/policy_places/callers \
	tests/fuzz/seeds/policy_places/components \
	tests/fuzz/seeds/policy_places/components-twice \
	tests/fuzz/seeds/policy_places/durations \
	tests/fuzz/seeds/policy_places/durations-wrong \
	tests/fuzz/seeds/policy_places/duties \
	tests/fuzz/seeds/policy_places/levels \
	tests/fuzz/seeds/policy_places/no-json \
	tests/fuzz/seeds/policy_places/no-rule \
	tests/fuzz/seeds/policy_places/other-name \
	tests/fuzz/seeds/policy_places/resource-deny-all \
	tests/fuzz/seeds/policy_places/resource-locations \
	tests/fuzz/seeds/policy_places/tree \
	tests/fuzz/seeds/policy_places/tree-circle \
	tests/fuzz/seeds/policy_places/tree-deep \
	tests/fuzz/seeds/time/before-first \
	tests/fuzz/seeds/time/behind-last \
	tests/fuzz/seeds/time/duration \
	tests/fuzz/seeds/time/duration-bare \
	tests/fuzz/seeds/time/duration-digits-overflow \
	tests/fuzz/seeds/time/duration-fraction \
	tests/fuzz/seeds/time/duration-largest \
	tests/fuzz/seeds/time/duration-overflows \
	tests/fuzz/seeds/time/duration-rising \
	tests/fuzz/seeds/time/duration-terms \
	tests/fuzz/seeds/time/duration-too-fine \
	tests/fuzz/seeds/time/empty \
	tests/fuzz/seeds/time/first \
	tests/fuzz/seeds/time/fraction-empty \
	tests/fuzz/seeds/time/fraction-too-fine \
	tests/fuzz/seeds/time/last \
	tests/fuzz/seeds/time/leap-day \
	tests/fuzz/seeds/time/leap-second \
	tests/fuzz/seeds/time/leap-second-at-noon \
	tests/fuzz/seeds/time/nanoseconds \
	tests/fuzz/seeds/time/no-leap-day \
	tests/fuzz/seeds/time/number-largest \
	tests/fuzz/seeds/time/number-smallest \
	tests/fuzz/seeds/time/offset \
	tests/fuzz/seeds/time/plain \
	tests/fuzz/seeds/time/small-letters \
	tests/fuzz/seeds/time/year-0 \
	tests/fuzz/seeds/time/year-9999
