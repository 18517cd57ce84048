# SPDX-License-Identifier: Apache-2.0
# The room of tokens against SoftHSM: one program for a subject, most of them through the shim.
if HAVE_CMOCKA
check_LTLIBRARIES += tests/support/libclvshim.la
tests_support_libclvshim_la_SOURCES = \
	tests/support/shim.h \
	tests/support/shim/functions.def \
	tests/support/shim/gcm.c \
	tests/support/shim/impl.h \
	tests/support/shim/shim.c \
	tests/support/shim/state.c
tests_support_libclvshim_la_CPPFLAGS = $(AM_CPPFLAGS) -DCLV_TEST_TOKEN_MODULE='"$(TOKEN_MODULE)"'
# "-rpath" makes libtool build a file that can be loaded, though it is not installed.
tests_support_libclvshim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere \
	-export-symbols-regex '^(C_GetFunctionList|shim_ops)$$'

token_world = tests/support/token_world.c tests/support/token_world.h tests/support/shim.h \
	tests/support/shim/functions.def
kind_world = tests/support/kind_world.c tests/support/kind_world.h $(token_world)
token_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -DCLV_TEST_TOKEN_MODULE='"$(TOKEN_MODULE)"' \
	-DCLV_TEST_SHIM='"$(abs_top_builddir)/tests/support/.libs/libclvshim.so"'

token_programs = \
	tests/token/test_hsm_uri \
	tests/token/test_hsm_module \
	tests/token/test_hsm_rv \
	tests/token/test_hsm_pool \
	tests/token/test_hsm_cache \
	tests/token/test_hsm_key \
	tests/token/test_hsm_crypt \
	tests/token/test_hsm_kinds \
	tests/token/test_hsm_sign \
	tests/token/test_hsm_decrypt \
	tests/token/test_hsm_import \
	tests/token/test_hsm_faults \
	tests/token/test_hsm_breaker \
	tests/token/test_hsm_login \
	tests/token/test_hsm_writes \
	tests/token/test_attack \
	tests/token/test_hsm_probe \
	tests/token/test_hsm_location \
	tests/token/test_hsm_anchor \
	tests/token/test_hsm_stress
test_programs += $(token_programs)

tests_token_test_hsm_uri_SOURCES = tests/token/test_hsm_uri.c $(token_world)
tests_token_test_hsm_uri_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_uri_LDADD = $(test_libs)

tests_token_test_hsm_anchor_SOURCES = tests/token/test_hsm_anchor.c $(token_world)
tests_token_test_hsm_anchor_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_anchor_LDADD = $(test_libs)

tests_token_test_hsm_module_SOURCES = tests/token/test_hsm_module.c $(token_world)
tests_token_test_hsm_module_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_module_LDADD = $(test_libs)

tests_token_test_hsm_rv_SOURCES = tests/token/test_hsm_rv.c $(token_world)
tests_token_test_hsm_rv_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_rv_LDADD = $(test_libs)

tests_token_test_hsm_pool_SOURCES = tests/token/test_hsm_pool.c $(token_world)
tests_token_test_hsm_pool_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_pool_LDADD = $(test_libs)

tests_token_test_hsm_cache_SOURCES = tests/token/test_hsm_cache.c $(token_world)
tests_token_test_hsm_cache_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_cache_LDADD = $(test_libs)

tests_token_test_hsm_key_SOURCES = tests/token/test_hsm_key.c $(token_world)
tests_token_test_hsm_key_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_key_LDADD = $(test_libs)

tests_token_test_hsm_crypt_SOURCES = tests/token/test_hsm_crypt.c $(token_world)
tests_token_test_hsm_crypt_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_crypt_LDADD = $(test_libs)

tests_token_test_hsm_kinds_SOURCES = tests/token/test_hsm_kinds.c $(kind_world)
tests_token_test_hsm_kinds_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_kinds_LDADD = $(test_libs)

tests_token_test_hsm_sign_SOURCES = tests/token/test_hsm_sign.c $(kind_world)
tests_token_test_hsm_sign_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_sign_LDADD = $(test_libs)

tests_token_test_hsm_decrypt_SOURCES = tests/token/test_hsm_decrypt.c $(kind_world)
tests_token_test_hsm_decrypt_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_decrypt_LDADD = $(test_libs)

tests_token_test_hsm_import_SOURCES = tests/token/test_hsm_import.c $(kind_world)
tests_token_test_hsm_import_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_import_LDADD = $(test_libs)

tests_token_test_hsm_faults_SOURCES = tests/token/test_hsm_faults.c $(token_world)
tests_token_test_hsm_faults_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_faults_LDADD = $(test_libs)

tests_token_test_hsm_breaker_SOURCES = tests/token/test_hsm_breaker.c $(token_world)
tests_token_test_hsm_breaker_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_breaker_LDADD = $(test_libs)

tests_token_test_hsm_login_SOURCES = tests/token/test_hsm_login.c $(token_world)
tests_token_test_hsm_login_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_login_LDADD = $(test_libs)

tests_token_test_hsm_writes_SOURCES = tests/token/test_hsm_writes.c $(token_world)
tests_token_test_hsm_writes_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_writes_LDADD = $(test_libs)

tests_token_test_attack_SOURCES = tests/token/test_attack.c $(token_world)
tests_token_test_attack_CPPFLAGS = $(token_cppflags)
tests_token_test_attack_LDADD = $(test_libs)

tests_token_test_hsm_probe_SOURCES = tests/token/test_hsm_probe.c $(token_world)
tests_token_test_hsm_probe_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_probe_LDADD = $(test_libs)

tests_token_test_hsm_location_SOURCES = tests/token/test_hsm_location.c $(token_world)
tests_token_test_hsm_location_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_location_LDADD = $(test_libs)

tests_token_test_hsm_stress_SOURCES = tests/token/test_hsm_stress.c $(token_world)
tests_token_test_hsm_stress_CPPFLAGS = $(token_cppflags)
tests_token_test_hsm_stress_LDADD = $(test_libs)
endif
