# SPDX-License-Identifier: Apache-2.0
# libclaviger.la is what is installed; libclaviger-testable.la holds the same objects with every
# symbol in reach, for tests and benchmarks.
clavigerincludedir = $(includedir)/claviger
claviger_public_headers = \
	lib/claviger/asymmetric.h \
	lib/claviger/buf.h \
	lib/claviger/catalogue.h \
	lib/claviger/claviger.h \
	lib/claviger/crc32c.h \
	lib/claviger/crypt.h \
	lib/claviger/ctx.h \
	lib/claviger/dek.h \
	lib/claviger/err.h \
	lib/claviger/hash.h \
	lib/claviger/iam.h \
	lib/claviger/import.h \
	lib/claviger/key.h \
	lib/claviger/mac.h \
	lib/claviger/name.h \
	lib/claviger/policy.h \
	lib/claviger/raw.h \
	lib/claviger/secret.h \
	lib/claviger/status.h \
	lib/claviger/time.h \
	lib/claviger/token.h \
	lib/claviger/use.h
claviger_sources =
nodist_libclaviger_testable_la_SOURCES =
clavigerinclude_HEADERS = $(claviger_public_headers)
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = lib/claviger.pc

include lib/base/local.mk
include lib/model/local.mk
include lib/envelope/local.mk
include lib/policy/local.mk
include lib/store/local.mk
include lib/audit/local.mk
include lib/api/local.mk

noinst_LTLIBRARIES += libclaviger-testable.la
libclaviger_testable_la_SOURCES = $(claviger_sources)
libclaviger_testable_la_CPPFLAGS = $(AM_CPPFLAGS) -DCLV_SOFTHSM_MODULE='"$(TOKEN_MODULE)"'
libclaviger_testable_la_LIBADD = $(P11KIT_LIBS) $(LIBP11_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS) $(SQLITE_LIBS)

lib_LTLIBRARIES += libclaviger.la
libclaviger_la_SOURCES =
libclaviger_la_LIBADD = libclaviger-testable.la
libclaviger_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -Wl,--version-script=$(srcdir)/lib/libclaviger.map
EXTRA_libclaviger_la_DEPENDENCIES = $(srcdir)/lib/libclaviger.map

EXTRA_DIST += lib/libclaviger.map lib/libclaviger.pc.in lib/README.md
