# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/envelope/clv1.c \
	lib/envelope/clv1.h
EXTRA_DIST += lib/envelope/README.md
