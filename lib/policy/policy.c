/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions. Not for carrying them out: lib/api/gate.c turns "allow" into a grant. */
#include <string.h>

#include "lib/policy/policy.h"

#include "lib/base/banned.h"

struct policy_verdict policy_eval(const struct policy_ask *ask)
{
	/* A home without an owner has no owner: it must not match a caller without a name. */
	if (ask->home_owner[0] != '\0' && strcmp(ask->principal, ask->home_owner) == 0)
		return (struct policy_verdict){ .allow = true, .rule = "home-owner" };
	return (struct policy_verdict){ .allow = false, .rule = "default-deny" };
}
