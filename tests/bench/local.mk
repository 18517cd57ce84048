# SPDX-License-Identifier: Apache-2.0
# Ratios against the bare module; timings are no test. See tests/bench/README.md.
bench_programs += tests/bench/bench tests/bench/policy tests/bench/scale
tests_bench_bench_SOURCES = \
	tests/bench/bare.c \
	tests/bench/bare.h \
	tests/bench/bench.c \
	tests/bench/measure.c \
	tests/bench/measure.h
tests_bench_bench_CPPFLAGS = $(AM_CPPFLAGS) -DCLV_SOFTHSM_MODULE='"$(TOKEN_MODULE)"'
tests_bench_bench_LDADD = $(test_libs)
tests_bench_bench_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=audit_append
tests_bench_policy_SOURCES = \
	tests/bench/bare.c \
	tests/bench/bare.h \
	tests/bench/measure.c \
	tests/bench/measure.h \
	tests/bench/policy.c
tests_bench_policy_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_policy_LDADD = $(test_libs)
tests_bench_scale_SOURCES = \
	tests/bench/bare.c \
	tests/bench/bare.h \
	tests/bench/measure.c \
	tests/bench/measure.h \
	tests/bench/scale.c
tests_bench_scale_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_scale_LDADD = $(test_libs)
EXTRA_DIST += tests/bench/README.md
