# SPDX-License-Identifier: Apache-2.0
# Tests of lib/store and lib/audit.
if HAVE_CMOCKA
store_world = tests/unit/store_world.c tests/unit/store_world.h
store_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -DCLV_TEST_SRCDIR='"$(abs_srcdir)"'

test_programs += \
	tests/unit/test_audit \
	tests/unit/test_store_change \
	tests/unit/test_store_document \
	tests/unit/test_store_import \
	tests/unit/test_store_life \
	tests/unit/test_store_open \
	tests/unit/test_store_rotate \
	tests/unit/test_store_rows \
	tests/unit/test_store_seal

tests_unit_test_audit_SOURCES = tests/unit/test_audit.c
tests_unit_test_audit_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_audit_LDADD = $(test_libs)

tests_unit_test_store_change_SOURCES = tests/unit/test_store_change.c $(store_world)
tests_unit_test_store_change_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_change_LDADD = $(test_libs)

tests_unit_test_store_document_SOURCES = tests/unit/test_store_document.c $(store_world)
tests_unit_test_store_document_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_document_LDADD = $(test_libs)

tests_unit_test_store_import_SOURCES = tests/unit/test_store_import.c $(store_world)
tests_unit_test_store_import_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_import_LDADD = $(test_libs)

tests_unit_test_store_life_SOURCES = tests/unit/test_store_life.c $(store_world)
tests_unit_test_store_life_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_life_LDADD = $(test_libs)

tests_unit_test_store_open_SOURCES = tests/unit/test_store_open.c $(store_world)
tests_unit_test_store_open_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_open_LDADD = $(test_libs)

tests_unit_test_store_rotate_SOURCES = tests/unit/test_store_rotate.c $(store_world)
tests_unit_test_store_rotate_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_rotate_LDADD = $(test_libs)

tests_unit_test_store_rows_SOURCES = tests/unit/test_store_rows.c $(store_world)
tests_unit_test_store_rows_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_rows_LDADD = $(test_libs)

tests_unit_test_store_seal_SOURCES = tests/unit/test_store_seal.c $(store_world)
tests_unit_test_store_seal_CPPFLAGS = $(store_cppflags)
tests_unit_test_store_seal_LDADD = $(test_libs)
endif

EXTRA_DIST += tests/fixtures/store/make tests/fixtures/store/v1.db tests/fixtures/store/v2.db \
	tests/fixtures/store/v3.db tests/fixtures/store/v4.db \
	tests/fixtures/store/v5.db
