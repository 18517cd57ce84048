/* SPDX-License-Identifier: Apache-2.0 */
/* What a grant is. Only lib/base/grant.c and lib/api/gate.c include this; lint checks it. */
#ifndef BASE_GRANT_IMPL_H
#define BASE_GRANT_IMPL_H

#include <stdint.h>

#include "lib/base/grant.h"

struct clv_grant {
	const char *reason;     /* system grants: why; NULL for a caller's */
	const char *principal;  /* borrowed: who asked */
	const char *permission; /* static: what was asked, e.g. "cloudkms.keyRings.create" */
	const char *resource;   /* borrowed: on what */
	const char *rule;       /* static: the rule that allowed it */
	int64_t time;           /* ns since 1970: when it was allowed */
	uint64_t request;       /* ties the audit entry to the answer */
};

#endif
