# SPDX-License-Identifier: Apache-2.0
claviger_sources += \
	lib/api/api.h \
	lib/api/asymmetric.c \
	lib/api/call.c \
	lib/api/catalogue.c \
	lib/api/counts.c \
	lib/api/crypt.c \
	lib/api/ctx.c \
	lib/api/dek.c \
	lib/api/document.c \
	lib/api/explain.c \
	lib/api/gate.c \
	lib/api/iam.c \
	lib/api/import.c \
	lib/api/import_job.c \
	lib/api/inflight.c \
	lib/api/inflight.h \
	lib/api/intent.c \
	lib/api/key.c \
	lib/api/location.c \
	lib/api/mac.c \
	lib/api/maintain.c \
	lib/api/make.c \
	lib/api/policy.c \
	lib/api/raw.c \
	lib/api/reserve.c \
	lib/api/ring.c \
	lib/api/rotate.c \
	lib/api/seal.c \
	lib/api/tokens.c \
	lib/api/use.c \
	lib/api/version.c

EXTRA_DIST += lib/api/README.md
