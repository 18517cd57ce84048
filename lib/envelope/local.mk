# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/envelope/clv1.c \
	lib/envelope/clv1.h \
	lib/envelope/import.c
EXTRA_DIST += lib/envelope/README.md
