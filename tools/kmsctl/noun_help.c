/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl help and kmsctl completion: texts made from the tables. */
#include <string.h>

#include "tools/common/help.h"
#include "tools/kmsctl/kmsctl.h"

static clv_rc help(struct kms_run *run, struct clv_err *err)
{
	char *text = NULL;

	if (kms_given(run->args, "all"))
		CLV_TRY(kms_help_all(run->args->tables, &text, err));
	else
		CLV_TRY(kms_help(run->args->tables, run->args->arg, run->args->n_args, &text, err));
	kms_out_text(run->out, text);
	return CLV_OK;
}

static clv_rc completion_bash(struct kms_run *run, struct clv_err *err)
{
	char *text = NULL;

	CLV_TRY(kms_completion_bash(run->args->tables, &text, err));
	kms_out_text(run->out, text);
	return CLV_OK;
}

static const struct kms_opt help_opts[] = {
	{ "all", 0, NULL, KMS_TEXT, 0, "every command with its options" },
	OPT_END,
};

static const struct kms_verb help_verbs[] = {
	{ NULL, help, help_opts, "[COMMAND...]", KMS_NO_NAME, KMS_ALONE, "explain a command" },
	{ 0 },
};

static const struct kms_verb completion_verbs[] = {
	{ "bash", completion_bash, NULL, NULL, KMS_NO_NAME, KMS_ALONE,
	  "print a completion script for bash" },
	{ 0 },
};

const struct kms_noun kms_noun_help = { "help", NULL, "explain a command", help_verbs };
const struct kms_noun kms_noun_completion = { "completion", NULL, "shell completion",
					      completion_verbs };
