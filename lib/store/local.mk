# SPDX-License-Identifier: Apache-2.0
# The schema steps in the order of their numbers; build-aux/embed-sql makes C of them.
store_steps = lib/store/schema/0001_first.sql lib/store/schema/0002_life.sql \
	lib/store/schema/0003_kinds.sql lib/store/schema/0004_documents.sql \
	lib/store/schema/0005_seal.sql

claviger_sources += \
	lib/store/change.c \
	lib/store/count.c \
	lib/store/document.c \
	lib/store/impl.h \
	lib/store/import_job.c \
	lib/store/intent.c \
	lib/store/key.c \
	lib/store/location.c \
	lib/store/open.c \
	lib/store/ring.c \
	lib/store/seal.c \
	lib/store/seal.h \
	lib/store/seal_row.c \
	lib/store/seal_tree.c \
	lib/store/statement.c \
	lib/store/store.h \
	lib/store/upgrade.c \
	lib/store/version.c \
	lib/store/vfs.c
nodist_libclaviger_testable_la_SOURCES += lib/store/steps.c

lib/store/steps.c: $(store_steps) lib/store/local.mk build-aux/embed-sql
	$(AM_V_GEN)$(MKDIR_P) lib/store && \
	(cd $(srcdir) && $(SHELL) build-aux/embed-sql $(store_steps)) >$@.tmp && mv $@.tmp $@

BUILT_SOURCES += lib/store/steps.c
CLEANFILES += lib/store/steps.c lib/store/steps.c.tmp
EXTRA_DIST += build-aux/embed-sql lib/store/README.md $(store_steps)
