# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/policy/policy.c \
	lib/policy/policy.h \
	lib/policy/text.c \
	lib/policy/text.h
EXTRA_DIST += lib/policy/README.md
