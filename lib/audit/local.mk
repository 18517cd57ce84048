# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/audit/audit.c \
	lib/audit/audit.h
EXTRA_DIST += lib/audit/README.md
