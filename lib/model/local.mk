# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/model/algorithm.c \
	lib/model/algorithm.h \
	lib/model/import.c \
	lib/model/import.h \
	lib/model/labels.c \
	lib/model/labels.h \
	lib/model/name.c \
	lib/model/rotation.c \
	lib/model/rotation.h \
	lib/model/state.c \
	lib/model/state.h
EXTRA_DIST += lib/model/README.md
