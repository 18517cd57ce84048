# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/base/auto.h \
	lib/base/banned.h \
	lib/base/buf.c \
	lib/base/bytes.c \
	lib/base/bytes.h \
	lib/base/crc32c.c \
	lib/base/crc32c_impl.h \
	lib/base/deadline.c \
	lib/base/deadline.h \
	lib/base/err.c \
	lib/base/grant.c \
	lib/base/grant.h \
	lib/base/grant_impl.h \
	lib/base/hash.c \
	lib/base/pem.c \
	lib/base/pem.h \
	lib/base/quote.c \
	lib/base/quote.h \
	lib/base/room.c \
	lib/base/room.h \
	lib/base/secret.c \
	lib/base/thread.c \
	lib/base/thread.h \
	lib/base/time.c
EXTRA_DIST += lib/base/README.md
