# SPDX-License-Identifier: Apache-2.0
# kmsctl's parser, names, output and files, against the library with every symbol in reach.
if HAVE_CMOCKA
test_programs += \
	tests/unit/test_json_line \
	tests/unit/test_kms_base64 \
	tests/unit/test_kms_data \
	tests/unit/test_kms_file \
	tests/unit/test_kms_filter \
	tests/unit/test_kms_format \
	tests/unit/test_kms_names \
	tests/unit/test_kms_opt \
	tests/unit/test_kms_out \
	tests/unit/test_kms_pile \
	tests/unit/test_kms_spool \
	tests/unit/test_kms_progress \
	tests/unit/test_rewrap_state
kms_test_libs = tools/libkmsctl.la tools/libkmscommon.la $(test_libs)
kms_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_kms_data_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_data_LDADD = $(kms_test_libs)
tests_unit_test_kms_file_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_file_LDADD = $(kms_test_libs)
tests_unit_test_kms_filter_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_filter_LDADD = $(kms_test_libs)
tests_unit_test_kms_format_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_format_LDADD = $(kms_test_libs)
tests_unit_test_kms_names_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_names_LDADD = $(kms_test_libs)
tests_unit_test_kms_opt_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_opt_LDADD = $(kms_test_libs)
tests_unit_test_kms_out_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_out_LDADD = $(kms_test_libs)
tests_unit_test_kms_pile_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_pile_LDADD = $(kms_test_libs)
tests_unit_test_kms_spool_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_spool_LDADD = $(kms_test_libs)
tests_unit_test_json_line_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_json_line_LDADD = $(kms_test_libs)
tests_unit_test_kms_base64_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_base64_LDADD = $(kms_test_libs)
tests_unit_test_kms_progress_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_kms_progress_LDADD = $(kms_test_libs)
tests_unit_test_rewrap_state_CPPFLAGS = $(kms_test_cppflags)
tests_unit_test_rewrap_state_LDADD = $(kms_test_libs)
endif
