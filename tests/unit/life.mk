# SPDX-License-Identifier: Apache-2.0
# The life of versions on a SoftHSM home: what api.mk names is used here.
if HAVE_CMOCKA
test_programs += \
	tests/token/test_full_disk \
	tests/token/test_import \
	tests/token/test_life \
	tests/token/test_reserve \
	tests/token/test_token_away
tests_token_test_import_SOURCES = tests/token/test_import.c $(home_world)
tests_token_test_import_CPPFLAGS = $(home_cppflags)
tests_token_test_import_LDADD = $(test_libs)
tests_token_test_life_SOURCES = tests/token/test_life.c $(home_world)
tests_token_test_life_CPPFLAGS = $(home_cppflags)
tests_token_test_life_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=store_intent_add,--wrap=store_version_erase \
	-Wl,--wrap=hsm_key_destroy,--wrap=store_intent_remove
tests_token_test_life_LDADD = $(test_libs)
tests_token_test_token_away_SOURCES = tests/token/test_token_away.c $(home_world) \
	tests/support/shim.h tests/support/shim/functions.def
tests_token_test_token_away_CPPFLAGS = $(home_cppflags) \
	-DCLV_TEST_SHIM='"$(abs_top_builddir)/tests/support/.libs/libclvshim.so"'
tests_token_test_token_away_LDADD = $(test_libs)
tests_token_test_reserve_SOURCES = tests/token/test_reserve.c $(home_verbs) $(home_world)
tests_token_test_reserve_CPPFLAGS = $(home_cppflags)
tests_token_test_reserve_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=store_version_set_state,--wrap=audit_append
tests_token_test_reserve_LDADD = $(test_libs)
tests_token_test_full_disk_SOURCES = tests/token/test_full_disk.c $(home_verbs) $(home_world)
tests_token_test_full_disk_CPPFLAGS = $(home_cppflags)
tests_token_test_full_disk_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=store_version_set_state,--wrap=audit_append,--wrap=store_open
tests_token_test_full_disk_LDADD = $(test_libs)
endif
