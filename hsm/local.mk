# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	hsm/anchor.c \
	hsm/attr.c \
	hsm/cache.c \
	hsm/call.def \
	hsm/call.h \
	hsm/caps.c \
	hsm/crypt.c \
	hsm/find.c \
	hsm/hsm.h \
	hsm/import.c \
	hsm/internal.h \
	hsm/key.c \
	hsm/kind.c \
	hsm/libp11_view.c \
	hsm/location.c \
	hsm/lock.c \
	hsm/module.c \
	hsm/module.h \
	hsm/oaep.c \
	hsm/operate.c \
	hsm/pair.c \
	hsm/pool.c \
	hsm/probe.c \
	hsm/probe_mech.c \
	hsm/public.c \
	hsm/quirk.c \
	hsm/recover.c \
	hsm/rv.c \
	hsm/softhsm.c \
	hsm/token.c \
	hsm/uri.c \
	hsm/use.c \
	hsm/version.c \
	hsm/work.c

EXTRA_DIST += hsm/README.md
