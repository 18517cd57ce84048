/* SPDX-License-Identifier: Apache-2.0 */
/* What the environment says. Not for options: those win, and are looked at by whoever asks here. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/common/env.h"

static const char *const names[] = {
	[KMS_ENV_HOME] = "CLAVIGER_HOME",          [KMS_ENV_PROJECT] = "CLAVIGER_PROJECT",
	[KMS_ENV_XDG_DATA_HOME] = "XDG_DATA_HOME", [KMS_ENV_USER_HOME] = "HOME",
	[KMS_ENV_NO_COLOR] = "NO_COLOR",           [KMS_ENV_TERM] = "TERM",
};

const char *kms_env(enum kms_env which)
{
	const char *value = getenv(names[which]);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static clv_rc join(char ret_home[KMS_PATH_MAX], const char *base, const char *rest,
		   struct clv_err *err)
{
	char path[KMS_PATH_MAX];
	int n = snprintf(path, sizeof path, "%s%s", base, rest);

	if (n < 0 || (size_t) n >= sizeof path)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the path of the home is too long");
	snprintf(ret_home, KMS_PATH_MAX, "%s", path);
	return CLV_OK;
}

clv_rc kms_home_dir(const char *asked, char ret_home[KMS_PATH_MAX], bool *ret_default,
		    struct clv_err *err)
{
	const char *data = kms_env(KMS_ENV_XDG_DATA_HOME);
	const char *user = kms_env(KMS_ENV_USER_HOME);

	if (asked == NULL)
		asked = kms_env(KMS_ENV_HOME);
	*ret_default = asked == NULL;
	if (asked != NULL && asked[0] == '\0')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "--home is empty");
	if (asked != NULL)
		return join(ret_home, asked, "", err);
	/* A relative XDG_DATA_HOME is to be ignored, says the XDG base directory specification. */
	if (data != NULL && data[0] == '/')
		return join(ret_home, data, "/claviger", err);
	if (user != NULL)
		return join(ret_home, user, "/.local/share/claviger", err);
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"no home: give --home, or set CLAVIGER_HOME or HOME");
}
