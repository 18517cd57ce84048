# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	hsm/attr.c \
	hsm/cache.c \
	hsm/call.def \
	hsm/call.h \
	hsm/caps.c \
	hsm/crypt.c \
	hsm/find.c \
	hsm/hsm.h \
	hsm/internal.h \
	hsm/key.c \
	hsm/libp11_view.c \
	hsm/location.c \
	hsm/lock.c \
	hsm/module.c \
	hsm/module.h \
	hsm/pool.c \
	hsm/probe.c \
	hsm/probe_mech.c \
	hsm/quirk.c \
	hsm/rv.c \
	hsm/softhsm.c \
	hsm/token.c \
	hsm/uri.c \
	hsm/work.c

EXTRA_DIST += hsm/README.md
