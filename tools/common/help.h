/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made from the tables: help and shell completion. */
#ifndef TOOLS_COMMON_HELP_H
#define TOOLS_COMMON_HELP_H

#include "tools/common/opt.h"

/*
 * Help for what the words name: nothing (an overview), a noun, or a noun and a verb. On CLV_OK
 * *ret_text is owned by the caller, who ends it with free().
 * Errors: CLV_E_INVALID_ARGUMENT no such command; CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc kms_help(const struct kms_tables *tables, const char *const *words, size_t n,
			     char **ret_text, struct clv_err *err);

/*
 * Every command, in the form that tests compare and lint reads: `kmsctl NOUN VERB [ARGS]` at
 * column 0, an indented line of description, then lines of two blanks and `--name`.
 */
CLV_MUST_USE clv_rc kms_help_all(const struct kms_tables *tables, char **ret_text,
				 struct clv_err *err);

/* A completion script for bash. */
CLV_MUST_USE clv_rc kms_completion_bash(const struct kms_tables *tables, char **ret_text,
					struct clv_err *err);

#endif
