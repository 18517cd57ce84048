/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_COMMON_ENV_H
#define TOOLS_COMMON_ENV_H

#include <stdbool.h>

#include <claviger/err.h>

#define KMS_PATH_MAX 4096 /* bytes, with the final NUL */

/* The variables this program looks at, all of them. Never a secret: those have no variable. */
enum kms_env {
	KMS_ENV_HOME,
	KMS_ENV_PROJECT,
	KMS_ENV_XDG_DATA_HOME,
	KMS_ENV_USER_HOME,
	KMS_ENV_NO_COLOR,
	KMS_ENV_TERM,
};

/* The value, borrowed; NULL when unset or empty. The only caller of getenv(). */
const char *kms_env(enum kms_env which);

/*
 * The folder of the home: `asked` (--home) when not NULL, else CLAVIGER_HOME, else the user's
 * data folder. *ret_default says that it was the last.
 * Errors: CLV_E_INVALID_ARGUMENT too long, or nothing says where.
 */
CLV_MUST_USE clv_rc kms_home_dir(const char *asked, char ret_home[KMS_PATH_MAX], bool *ret_default,
				 struct clv_err *err);

#endif
