/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions. Pure: no clock, no catalogue, no token; all that may count is in the ask. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>

/* What is asked. Strings are borrowed and never NULL. */
struct policy_ask {
	const char *principal;  /* authenticated: "user:ada" */
	const char *permission; /* e.g. "cloudkms.cryptoKeyVersions.useToEncrypt" */
	const char *resource;   /* full resource name */
	const char *home_owner; /* principal that made the home */
};

struct policy_verdict {
	bool allow;
	const char *rule; /* static: the rule that decided */
};

/* The owner of a home may do everything, nobody else anything. Silence denies. Cannot fail. */
struct policy_verdict policy_eval(const struct policy_ask *ask);

#endif
