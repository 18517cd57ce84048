/* SPDX-License-Identifier: Apache-2.0 */
/* Actions, as people and kmsctl call them. */
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/action.h"

#include "lib/base/banned.h"

#define VERSIONS "cloudkms.cryptoKeyVersions."

/* Those that are the same on a key and on its versions. */
static const struct {
	const char *action, *permission;
} uses[] = {
	{ "encrypt", VERSIONS "useToEncrypt" },
	{ "raw-encrypt", VERSIONS "useToEncrypt" },
	{ "decrypt", VERSIONS "useToDecrypt" },
	{ "raw-decrypt", VERSIONS "useToDecrypt" },
	{ "asymmetric-decrypt", VERSIONS "useToDecrypt" },
	{ "sign", VERSIONS "useToSign" },
	{ "asymmetric-sign", VERSIONS "useToSign" },
	{ "mac-sign", VERSIONS "useToSign" },
	{ "verify", VERSIONS "useToVerify" },
	{ "mac-verify", VERSIONS "useToVerify" },
	{ "get-public-key", VERSIONS "viewPublicKey" },
	{ "enable", VERSIONS "update" },
	{ "disable", VERSIONS "update" },
	{ "destroy", VERSIONS "destroy" },
	{ "restore", VERSIONS "restore" },
	{ "import", VERSIONS "create" },
	{ "create-version", VERSIONS "create" },
	{ "rotate", VERSIONS "create" },
};

/* Those that go by the kind of thing. */
static const struct {
	const char *action;
	enum clv_name_kind kind;
	const char *permission;
} verbs[] = {
	{ "create", CLV_NAME_KEY_RING, "cloudkms.keyRings.create" },
	{ "get", CLV_NAME_KEY_RING, "cloudkms.keyRings.get" },
	{ "list", CLV_NAME_KEY_RING, "cloudkms.cryptoKeys.list" },
	{ "get-iam-policy", CLV_NAME_KEY_RING, "cloudkms.keyRings.getIamPolicy" },
	{ "set-iam-policy", CLV_NAME_KEY_RING, "cloudkms.keyRings.setIamPolicy" },
	{ "create", CLV_NAME_KEY, "cloudkms.cryptoKeys.create" },
	{ "get", CLV_NAME_KEY, "cloudkms.cryptoKeys.get" },
	{ "list", CLV_NAME_KEY, VERSIONS "list" },
	{ "update", CLV_NAME_KEY, "cloudkms.cryptoKeys.update" },
	{ "get-iam-policy", CLV_NAME_KEY, "cloudkms.cryptoKeys.getIamPolicy" },
	{ "set-iam-policy", CLV_NAME_KEY, "cloudkms.cryptoKeys.setIamPolicy" },
	{ "get", CLV_NAME_VERSION, VERSIONS "get" },
	{ "create", CLV_NAME_VERSION, VERSIONS "create" },
	{ "update", CLV_NAME_VERSION, VERSIONS "update" },
	{ "create", CLV_NAME_IMPORT_JOB, "cloudkms.importJobs.create" },
	{ "get", CLV_NAME_IMPORT_JOB, "cloudkms.importJobs.get" },
	{ "import", CLV_NAME_IMPORT_JOB, "cloudkms.importJobs.useToImport" },
	{ "get-iam-policy", CLV_NAME_IMPORT_JOB, "cloudkms.importJobs.getIamPolicy" },
	{ "set-iam-policy", CLV_NAME_IMPORT_JOB, "cloudkms.importJobs.setIamPolicy" },
	{ "get", CLV_NAME_LOCATION, "cloudkms.locations.get" },
	{ "list", CLV_NAME_LOCATION, "cloudkms.keyRings.list" },
	{ "create", CLV_NAME_LOCATION, "claviger.locations.create" },
	{ "generate-random-bytes", CLV_NAME_LOCATION, "cloudkms.locations.generateRandomBytes" },
	{ "list", CLV_NAME_PROJECT, "cloudkms.locations.list" },
	{ "get-iam-policy", CLV_NAME_PROJECT, "resourcemanager.projects.getIamPolicy" },
	{ "set-iam-policy", CLV_NAME_PROJECT, "resourcemanager.projects.setIamPolicy" },
	{ "maintain", CLV_NAME_PROJECT, "claviger.homes.maintain" },
};

clv_rc policy_action_permission(const char *action, enum clv_name_kind kind,
				const char **ret_permission, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	if (action != NULL && strchr(action, '.') != NULL) {
		*ret_permission = action;
		return CLV_OK;
	}
	for (size_t i = 0; action != NULL && i < CLV_ARRAY_LEN(verbs); i++) {
		if (verbs[i].kind == kind && strcmp(verbs[i].action, action) == 0) {
			*ret_permission = verbs[i].permission;
			return CLV_OK;
		}
	}
	for (size_t i = 0; action != NULL && i < CLV_ARRAY_LEN(uses); i++) {
		if ((kind == CLV_NAME_KEY || kind == CLV_NAME_VERSION) &&
		    strcmp(uses[i].action, action) == 0) {
			*ret_permission = uses[i].permission;
			return CLV_OK;
		}
	}
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"there is no action %s on such a thing: say encrypt, decrypt, sign, create "
			"..., or a permission",
			clv_quote(action, quoted));
}
