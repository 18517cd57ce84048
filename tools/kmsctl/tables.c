/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the whole program: its nouns, and the options that every command has. */
#include "tools/kmsctl/kmsctl.h"

#define ADDRESS(noun) &kms_noun_##noun,
static const struct kms_noun *const nouns[] = { KMSCTL_NOUNS(ADDRESS) NULL };
#undef ADDRESS

static const struct kms_opt common[] = {
	{ "home", 0, "DIR", KMS_FILE, 0, "folder of the home" },
	{ "project", 0, "PROJECT", KMS_TEXT, 0, "project, if not the home's own" },
	{ "format", 0, "text|json|value(FIELD,...)|table(FIELD,...)", KMS_FORMAT, 0,
	  "how to print the result" },
	{ "quiet", 'q', NULL, KMS_TEXT, 0, "ask nothing, print no confirmations" },
	{ "yes", 0, NULL, KMS_TEXT, 0, "the same as --quiet" },
	{ "verbosity", 0, "debug|info|warning|error|critical|none", KMS_CHOICE, 0,
	  "from error on: no warnings" },
	{ "allow-unlocked-memory", 0, NULL, KMS_TEXT, 0,
	  "go on where memory for secrets cannot be locked" },
	{ "help", 'h', NULL, KMS_TEXT, 0, "explain the command" },
	OPT_END,
};

/* Of gcloud: certificates of Google's HSMs, its users and their rights, keys held elsewhere. */
static const char *const not_offered[] = {
	"--allowed-access-reasons",
	"--attestation-file",
	"--crypto-key-backend",
	"--ekm-connection-key-path",
	"--external-key-uri",
	"add-iam-policy-binding",
	"autokey-config",
	"ekm-config",
	"ekm-connections",
	"get-certificate-chain",
	"get-iam-policy",
	"key-handles",
	"remove-iam-policy-binding",
	"set-iam-policy",
	NULL,
};

const struct kms_tables kmsctl_tables = { "kmsctl", nouns, common, not_offered };
