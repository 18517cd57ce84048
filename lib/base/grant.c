/* SPDX-License-Identifier: Apache-2.0 */
/* The grants that nobody has to ask for. All others are made by lib/api/gate.c. */
#include "lib/base/grant_impl.h"

const struct clv_grant *clv_grant_system(enum clv_system_reason reason)
{
	static const struct clv_grant grants[] = {
#define SYSTEM_ROW(id, text) [id] = { .reason = text, .principal = "system", .rule = "system" },
		CLV_SYSTEM_REASONS(SYSTEM_ROW)
#undef SYSTEM_ROW
	};

	assert(reason < CLV_SYSTEM_COUNT);
	return &grants[reason];
}
