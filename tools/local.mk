# SPDX-License-Identifier: Apache-2.0
# Tools see installed headers and link the installed library, nothing private.
noinst_LTLIBRARIES += tools/libkmscommon.la
tools_libkmscommon_la_SOURCES = \
	tools/common/ask.c \
	tools/common/ask.h \
	tools/common/auto.h \
	tools/common/base64.c \
	tools/common/base64.h \
	tools/common/completion.c \
	tools/common/distance.c \
	tools/common/env.c \
	tools/common/env.h \
	tools/common/field.c \
	tools/common/field.h \
	tools/common/file.c \
	tools/common/file.h \
	tools/common/filter.c \
	tools/common/filter.h \
	tools/common/format.c \
	tools/common/format.h \
	tools/common/help.c \
	tools/common/help.h \
	tools/common/opt.c \
	tools/common/opt.h \
	tools/common/out.c \
	tools/common/out.h \
	tools/common/pile.c \
	tools/common/pile.h \
	tools/common/progress.c \
	tools/common/progress.h \
	tools/common/record.c \
	tools/common/sink.c \
	tools/common/spool.c \
	tools/common/spool.h \
	tools/common/table.c \
	tools/common/when.c \
	tools/common/when.h
tools_libkmscommon_la_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)

# Without main(), so that unit tests can have it too.
noinst_LTLIBRARIES += tools/libkmsctl.la
tools_libkmsctl_la_SOURCES = \
	tools/kmsctl/data.c \
	tools/kmsctl/document.c \
	tools/kmsctl/every.c \
	tools/kmsctl/iam.c \
	tools/kmsctl/iam.h \
	tools/kmsctl/import.c \
	tools/kmsctl/json_line.c \
	tools/kmsctl/json_line.h \
	tools/kmsctl/kmsctl.h \
	tools/kmsctl/names.c \
	tools/kmsctl/noun_asymmetric.c \
	tools/kmsctl/noun_crypt.c \
	tools/kmsctl/noun_dek.c \
	tools/kmsctl/noun_help.c \
	tools/kmsctl/noun_import_job.c \
	tools/kmsctl/noun_init.c \
	tools/kmsctl/noun_key.c \
	tools/kmsctl/noun_keyring.c \
	tools/kmsctl/noun_location.c \
	tools/kmsctl/noun_mac.c \
	tools/kmsctl/noun_catalogue.c \
	tools/kmsctl/noun_maintain.c \
	tools/kmsctl/noun_org_policy.c \
	tools/kmsctl/noun_policy.c \
	tools/kmsctl/noun_project.c \
	tools/kmsctl/noun_raw.c \
	tools/kmsctl/noun_role.c \
	tools/kmsctl/noun_status.c \
	tools/kmsctl/noun_token.c \
	tools/kmsctl/noun_version.c \
	tools/kmsctl/paging.c \
	tools/kmsctl/records.c \
	tools/kmsctl/rewrap.c \
	tools/kmsctl/rewrap.h \
	tools/kmsctl/rewrap_folder.c \
	tools/kmsctl/rewrap_lines.c \
	tools/kmsctl/rewrap_state.c \
	tools/kmsctl/tables.c

tools_libkmsctl_la_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)

bin_PROGRAMS += tools/kmsctl/kmsctl
tools_kmsctl_kmsctl_SOURCES = tools/kmsctl/main.c
tools_kmsctl_kmsctl_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
tools_kmsctl_kmsctl_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
tools_kmsctl_kmsctl_LDADD = tools/libkmsctl.la tools/libkmscommon.la libclaviger.la $(JANSSON_LIBS)

EXTRA_DIST += tools/README.md
