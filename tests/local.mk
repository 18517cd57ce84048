# SPDX-License-Identifier: Apache-2.0
# One fragment for each kind of test and room; test_programs and test_scripts are what
# tests/run runs in `make check`.
include tests/unit/base.mk
include tests/unit/store.mk
include tests/unit/hsm.mk
include tests/unit/api.mk
include tests/unit/tools.mk
include tests/cli/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk

check_PROGRAMS += $(test_programs)
test_libs = libclaviger-testable.la $(CMOCKA_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS) $(SQLITE_LIBS)
