# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/base/auto.h \
	lib/base/buf.c \
	lib/base/deadline.c \
	lib/base/deadline.h \
	lib/base/err.c \
	lib/base/grant.c \
	lib/base/grant.h \
	lib/base/grant_impl.h
