# SPDX-License-Identifier: Apache-2.0
# The rooms that need no token and no catalogue: base, model, envelope, policy.
if HAVE_CMOCKA
test_programs += \
	tests/unit/test_err \
	tests/unit/test_quote \
	tests/unit/test_buf \
	tests/unit/test_bytes \
	tests/unit/test_deadline \
	tests/unit/test_room \
	tests/unit/test_secret \
	tests/unit/test_thread \
	tests/unit/test_time \
	tests/unit/test_crc32c \
	tests/unit/test_hash \
	tests/unit/test_pem \
	tests/unit/test_name \
	tests/unit/test_state \
	tests/unit/test_algorithm \
	tests/unit/test_labels \
	tests/unit/test_rotation \
	tests/unit/test_clv1 \
	tests/unit/test_import \
	tests/unit/test_policy \
	tests/unit/test_policy_text \
	tests/unit/test_grant

tests_unit_test_err_SOURCES = tests/unit/test_err.c tests/unit/base_check.h
tests_unit_test_err_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_err_LDADD = $(test_libs)
tests_unit_test_quote_SOURCES = tests/unit/test_quote.c tests/unit/base_check.h
tests_unit_test_quote_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_quote_LDADD = $(test_libs)
tests_unit_test_bytes_SOURCES = tests/unit/test_bytes.c tests/unit/base_check.h
tests_unit_test_bytes_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bytes_LDADD = $(test_libs)
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c tests/unit/base_check.h
tests_unit_test_buf_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_buf_LDADD = $(test_libs)
tests_unit_test_deadline_SOURCES = tests/unit/test_deadline.c tests/unit/base_check.h
tests_unit_test_deadline_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_deadline_LDADD = $(test_libs)
tests_unit_test_room_SOURCES = tests/unit/test_room.c tests/unit/base_check.h
tests_unit_test_room_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_room_LDADD = $(test_libs)
tests_unit_test_secret_SOURCES = tests/unit/test_secret.c tests/unit/base_check.h
tests_unit_test_secret_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_secret_LDADD = $(test_libs)
tests_unit_test_thread_SOURCES = tests/unit/test_thread.c tests/unit/base_check.h
tests_unit_test_thread_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_thread_LDADD = $(test_libs)
tests_unit_test_time_SOURCES = tests/unit/test_time.c tests/unit/base_check.h
tests_unit_test_time_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_time_LDADD = $(test_libs)
tests_unit_test_crc32c_SOURCES = tests/unit/test_crc32c.c tests/unit/base_check.h
tests_unit_test_crc32c_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_crc32c_LDADD = $(test_libs)
tests_unit_test_name_SOURCES = tests/unit/test_name.c tests/unit/base_check.h
tests_unit_test_name_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_name_LDADD = $(test_libs)
tests_unit_test_state_SOURCES = tests/unit/test_state.c tests/unit/base_check.h
tests_unit_test_state_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_state_LDADD = $(test_libs)
tests_unit_test_algorithm_SOURCES = tests/unit/test_algorithm.c tests/unit/base_check.h
tests_unit_test_algorithm_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_algorithm_LDADD = $(test_libs)
tests_unit_test_labels_SOURCES = tests/unit/test_labels.c tests/unit/base_check.h
tests_unit_test_labels_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_labels_LDADD = $(test_libs)
tests_unit_test_rotation_SOURCES = tests/unit/test_rotation.c tests/unit/base_check.h
tests_unit_test_rotation_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_rotation_LDADD = $(test_libs)
tests_unit_test_clv1_SOURCES = tests/unit/test_clv1.c tests/unit/base_check.h
tests_unit_test_clv1_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_clv1_LDADD = $(test_libs)
tests_unit_test_import_SOURCES = tests/unit/test_import.c tests/unit/base_check.h
tests_unit_test_import_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_import_LDADD = $(test_libs)
tests_unit_test_policy_SOURCES = tests/unit/test_policy.c tests/unit/base_check.h
tests_unit_test_policy_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_policy_LDADD = $(test_libs)

tests_unit_test_policy_text_SOURCES = tests/unit/test_policy_text.c tests/unit/base_check.h
tests_unit_test_policy_text_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_policy_text_LDADD = $(test_libs)
tests_unit_test_grant_SOURCES = tests/unit/test_grant.c tests/unit/base_check.h
tests_unit_test_grant_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_grant_LDADD = $(test_libs)
tests_unit_test_hash_SOURCES = tests/unit/test_hash.c tests/unit/base_check.h
tests_unit_test_hash_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hash_LDADD = $(test_libs)
tests_unit_test_pem_SOURCES = tests/unit/test_pem.c tests/unit/base_check.h
tests_unit_test_pem_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_pem_LDADD = $(test_libs)
endif
