/* SPDX-License-Identifier: Apache-2.0 */
/* What people call what they do, and the permission that it needs. */
#ifndef POLICY_ACTION_H
#define POLICY_ACTION_H

#include "lib/policy/policy.h"

/*
 * The permission that an action needs on a resource of this kind: "decrypt", "create" ...; a full
 * permission is taken as it is. *ret_permission is static, or `action` itself.
 * Errors: CLV_E_INVALID_ARGUMENT there is no such action, or not on such a thing.
 */
CLV_MUST_USE clv_rc policy_action_permission(const char *action, enum clv_name_kind kind,
					     const char **ret_permission, struct clv_err *err);

#endif
