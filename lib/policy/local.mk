# SPDX-License-Identifier: Apache-2.0
# The documents that are built in come from policies/local.mk; build-aux/embed-json makes C of them.
claviger_sources += \
	lib/policy/action.c \
	lib/policy/action.h \
	lib/policy/check.c \
	lib/policy/component.c \
	lib/policy/condition.c \
	lib/policy/constraint.c \
	lib/policy/constraint.h \
	lib/policy/decide.c \
	lib/policy/explain.c \
	lib/policy/explain.h \
	lib/policy/iam.c \
	lib/policy/impl.h \
	lib/policy/json.c \
	lib/policy/lint.c \
	lib/policy/location.c \
	lib/policy/member.c \
	lib/policy/names.c \
	lib/policy/places.h \
	lib/policy/policy.c \
	lib/policy/policy.h \
	lib/policy/role.c \
	lib/policy/text.c \
	lib/policy/text.h
nodist_libclaviger_testable_la_SOURCES += lib/policy/role_files.c lib/policy/index_files.c \
	lib/policy/location_files.c

embed_json = $(AM_V_GEN)$(MKDIR_P) lib/policy && embed() { \
	(cd $(srcdir) && $(SHELL) build-aux/embed-json "$$@") >$@.tmp && mv $@.tmp $@; } && embed

lib/policy/role_files.c: $(policy_roles) build-aux/embed-json
	$(embed_json) role $(policy_roles)
lib/policy/location_files.c: $(policy_locations) build-aux/embed-json
	$(embed_json) location $(policy_locations)
lib/policy/index_files.c: $(policy_index) build-aux/embed-json
	$(embed_json) index $(policy_index)

BUILT_SOURCES += lib/policy/role_files.c lib/policy/index_files.c lib/policy/location_files.c
CLEANFILES += lib/policy/role_files.c lib/policy/role_files.c.tmp \
	lib/policy/index_files.c lib/policy/index_files.c.tmp \
	lib/policy/location_files.c lib/policy/location_files.c.tmp
EXTRA_DIST += build-aux/embed-json lib/policy/README.md
