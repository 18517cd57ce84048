/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the whole program: its nouns, and the options that every command has. */
#include "tools/kmsctl/kmsctl.h"

#define ADDRESS(noun) &kms_noun_##noun,
static const struct kms_noun *const nouns[] = { KMSCTL_NOUNS(ADDRESS) NULL };
#undef ADDRESS

static const struct kms_opt common[] = {
	{ "home", 0, "DIR", KMS_FILE, 0, "folder of the home" },
	{ "project", 0, "PROJECT", KMS_TEXT, 0, "project, if not the home's own" },
	{ "as", 0, "PRINCIPAL", KMS_TEXT, 0, "act as another; for the owner of the home" },
	{ "from", 0, "LOCATION", KMS_TEXT, 0, "act from a place; for the owner of the home" },
	{ "job-id", 0, "ID", KMS_TEXT, 0, "for the audit log: the job that this is part of" },
	{ "component", 0, "NAME", KMS_TEXT, 0, "for the audit log: the component that does it" },
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

/* Of gcloud: certificates of Google's HSMs, keys held elsewhere. */
static const char *const not_offered[] = {
	"--allowed-access-reasons",
	"--attestation-file",
	"--crypto-key-backend",
	"--ekm-connection-key-path",
	"--external-key-uri",
	"autokey-config",
	"ekm-config",
	"ekm-connections",
	"get-certificate-chain",
	"key-handles",
	NULL,
};

const struct kms_tables kmsctl_tables = { "kmsctl", nouns, common, not_offered };
