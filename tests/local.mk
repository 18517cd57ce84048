# SPDX-License-Identifier: Apache-2.0
# One fragment for each kind of test and room. They append to the lists that Makefile.am begins:
# test_programs and test_scripts are what `make check` runs; fuzz_programs, bench_programs,
# soak_programs, soak_scripts and interop_scripts belong to the targets below.
include tests/unit/base.mk
include tests/unit/policy.mk
include tests/unit/store.mk
include tests/unit/hsm.mk
include tests/unit/api.mk
include tests/unit/life.mk
include tests/unit/tools.mk
include tests/token/local.mk
include tests/cli/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/lint/local.mk

check_PROGRAMS += $(test_programs)
EXTRA_PROGRAMS += $(fuzz_programs) $(bench_programs) $(soak_programs)
test_libs = libclaviger-testable.la $(CMOCKA_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS) $(SQLITE_LIBS)
test_scripts += tests/cli/story.sh tests/unit/run_test.sh
test_support = \
	tests/support/examples \
	tests/support/fuzz.sh \
	tests/support/lsan.supp \
	tests/support/kmsctl.sh \
	tests/support/tap.sh \
	tests/support/tsan.supp \
	tests/support/valgrind.supp
EXTRA_DIST += tests/run tests/README.md $(test_support) $(test_scripts) $(soak_scripts) \
	$(interop_scripts)

# ---- how tests are run
# Without frame pointers in libcrypto and in the module, only the slow unwinder comes back to us.
san_env = \
	ASAN_OPTIONS="fast_unwind_on_malloc=0:$$ASAN_OPTIONS" \
	LSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/support/lsan.supp:print_suppressions=0:$$LSAN_OPTIONS" \
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/support/tsan.supp:second_deadlock_stack=1:$$TSAN_OPTIONS" \
	UBSAN_OPTIONS="print_stacktrace=1:$$UBSAN_OPTIONS"
tool_env = NM="$(NM)" FUZZ_PROGRAMS="$(fuzz_programs)"
run_tests = $(san_env) $(tool_env) $(top_srcdir)/tests/run --srcdir "$(abs_top_srcdir)" \
	--builddir "$(abs_top_builddir)"
memcheck_run = $(LIBTOOL) --mode=execute valgrind --quiet --error-exitcode=99 --leak-check=full \
	--errors-for-leak-kinds=definite --keep-debuginfo=yes --num-callers=30 \
	--suppressions=$(abs_top_srcdir)/tests/support/valgrind.supp

# An empty list must not look like a success.
need = @if test -z "$(strip $(1))"; then echo "$@: nothing is in $(2), so there is nothing to run" >&2; exit 1; fi

# check-am has built check_PROGRAMS when it comes here; without arguments a fuzz target replays
# its seeds, whatever it was linked with.
check-local:
	@$(MAKE) $(AM_MAKEFLAGS) test-programs
	@$(run_tests) --label check $(test_programs) $(fuzz_programs) $(test_scripts)

# Everything that tests need, for the targets that are not `check`.
test-build: all
	@$(MAKE) $(AM_MAKEFLAGS) test-programs
test-programs: $(check_PROGRAMS) $(check_LTLIBRARIES) $(fuzz_programs)
	@:

lint: all
	@$(run_tests) --label lint $(lint_scripts) $(lint_slow_scripts)

soak: test-build
	$(call need,$(soak_scripts) $(soak_programs),soak_scripts or soak_programs)
	@$(MAKE) $(AM_MAKEFLAGS) all $(soak_programs)
	@$(run_tests) --label soak --comments --jobs 1 --timeout $${SOAK_TIMEOUT-3600} $(soak_programs) $(soak_scripts)

# Under valgrind a program runs twenty to fifty times slower. Of those with a token, these show what
# the others do as well; the rest is about time, kills and faults, and left to the sanitizers.
memcheck_token = tests/token/test_attack tests/token/test_crypt tests/token/test_hsm_cache \
	tests/token/test_hsm_crypt tests/token/test_hsm_key tests/token/test_hsm_location \
	tests/token/test_hsm_uri
memcheck_programs = $(filter-out tests/token/%,$(test_programs)) $(memcheck_token) $(fuzz_programs)

memcheck: test-build
	$(call need,$(test_programs),test_programs)
if SANITIZED
	@echo "memcheck: valgrind and sanitizers exclude each other; configure without them" >&2; exit 1
else
	@$(run_tests) --label memcheck --timeout $${TEST_TIMEOUT-900} --logs memcheck-logs \
		--wrap "$(memcheck_run)" $(memcheck_programs)
endif

# Each program prints its lines and writes what BENCH_JSON names.
bench: all
	$(call need,$(bench_programs),bench_programs)
	@$(MAKE) $(AM_MAKEFLAGS) $(bench_programs)
	@rm -f bench.json
	@for program in $(bench_programs); do \
		srcdir="$(abs_top_srcdir)" top_builddir="$(abs_top_builddir)" \
		BENCH_JSON="$(abs_top_builddir)/bench.json" ./$$program || exit 1; \
	done

fuzz: all
	$(call need,$(fuzz_programs),fuzz_programs)
if FUZZING
	@$(MAKE) $(AM_MAKEFLAGS) $(fuzz_programs)
	@FUZZ_SECONDS=$${FUZZ_SECONDS-60}; export FUZZ_SECONDS; \
	$(run_tests) --label fuzz --timeout $${FUZZ_TIMEOUT-86400} --logs fuzz-logs tests/support/fuzz.sh
else
	@echo "fuzz: configure with --enable-fuzzing CC=clang" >&2; exit 1
endif

interop: test-build
	$(call need,$(interop_scripts),interop_scripts)
	@$(run_tests) --label interop --timeout $${TEST_TIMEOUT-300} $(interop_scripts)

coverage:
if COVERAGE
	@find . -name '*.gcda' -exec rm -f {} +
	@$(MAKE) $(AM_MAKEFLAGS) all
	@lcov --quiet --capture --initial --directory . --output-file coverage.none
	@$(MAKE) $(AM_MAKEFLAGS) check
	@lcov --quiet --capture --directory . --output-file coverage.run
	@lcov --quiet --add-tracefile coverage.none --add-tracefile coverage.run --output-file coverage.all
	@root=`cd "$(srcdir)" && pwd -P` && \
	lcov --quiet --extract coverage.all "$$root/lib/*" "$$root/hsm/*" "$$root/tools/*" \
		--output-file coverage.info
	@lcov --list coverage.info
else
	@echo "coverage: configure with --enable-coverage" >&2; exit 1
endif

clean-local: clean-tests
clean-tests:
	-rm -rf test-logs memcheck-logs fuzz-logs fuzz-corpus
	-find . -name '*.gcda' -exec rm -f {} + ; find . -name '*.gcno' -exec rm -f {} +
CLEANFILES += $(fuzz_programs) $(bench_programs) $(soak_programs) bench.json \
	coverage.all coverage.info coverage.none coverage.run

# A tarball that lacks a tracked file is found when it is made.
dist-hook:
	@if test -e "$(srcdir)/.git" && command -v git >/dev/null; then \
		missing=`git -C "$(srcdir)" ls-files | while read -r file; do \
			test -e "$(distdir)/$$file" || echo "  $$file"; done`; \
		if test -n "$$missing"; then \
			echo "dist: tracked, but in no EXTRA_DIST:" >&2; echo "$$missing" >&2; exit 1; \
		fi; \
	fi

AM_DISTCHECK_CONFIGURE_FLAGS = --with-token-module="$(TOKEN_MODULE)"

.PHONY: bench clean-tests coverage fuzz interop lint memcheck soak test-build test-programs
