# SPDX-License-Identifier: Apache-2.0
# The life of versions on a SoftHSM home: what api.mk names is used here.
if HAVE_CMOCKA
test_programs += tests/token/test_life tests/token/test_import
tests_token_test_import_SOURCES = tests/token/test_import.c $(home_world)
tests_token_test_import_CPPFLAGS = $(home_cppflags)
tests_token_test_import_LDADD = $(test_libs)
tests_token_test_life_SOURCES = tests/token/test_life.c $(home_world)
tests_token_test_life_CPPFLAGS = $(home_cppflags)
tests_token_test_life_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=store_intent_add,--wrap=store_version_erase \
	-Wl,--wrap=hsm_key_destroy,--wrap=store_intent_remove
tests_token_test_life_LDADD = $(test_libs)
endif
