/* SPDX-License-Identifier: Apache-2.0 */
/* All nouns, in the order of `kmsctl help`, and the options that every command has. */
#include "tools/kmsctl/kmsctl.h"

static const struct kms_noun *const nouns[] = {
	&kms_noun_init,       &kms_noun_location,
	&kms_noun_keyring,    &kms_noun_key,
	&kms_noun_version,    &kms_noun_encrypt,
	&kms_noun_decrypt,    &kms_noun_dek,
	&kms_noun_status,     &kms_noun_maintain,
	&kms_noun_token,      &kms_noun_help,
	&kms_noun_completion, NULL,
};

static const struct kms_opt common[] = {
	{ "home", 0, "DIR", KMS_FILE, 0, "folder of the home" },
	{ "project", 0, "PROJECT", KMS_TEXT, 0, "project, if not the home's own" },
	{ "format", 0, "text|json", KMS_CHOICE, 0, "how to print the result" },
	{ "quiet", 'q', NULL, KMS_TEXT, 0, "ask nothing, print no confirmations" },
	{ "yes", 0, NULL, KMS_TEXT, 0, "the same as --quiet" },
	{ "allow-unlocked-memory", 0, NULL, KMS_TEXT, 0,
	  "go on where memory for secrets cannot be locked" },
	{ "help", 'h', NULL, KMS_TEXT, 0, "explain the command" },
	OPT_END,
};

const struct kms_tables kmsctl_tables = { "kmsctl", nouns, common };
