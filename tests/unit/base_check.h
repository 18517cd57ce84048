/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests of lib/base, lib/model, lib/envelope and lib/policy share. */
#ifndef TESTS_UNIT_BASE_CHECK_H
#define TESTS_UNIT_BASE_CHECK_H

/* cmocka.h wants these in front of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <claviger/err.h>

#include "lib/base/auto.h"

/* The call failed with this code, and its story holds `words`. */
static inline void check_refused(clv_rc rc, const struct clv_err *err, clv_rc expected,
				 const char *words)
{
	assert_string_equal(clv_rc_name(rc), clv_rc_name(expected));
	if (strstr(err->text, words) == NULL)
		fail_msg("the text \"%s\" does not hold \"%s\"", err->text, words);
}

/* The call worked; otherwise says why not. */
#define check_ok(call)                                                                             \
	do {                                                                                       \
		clv_rc check_rc = (call);                                                          \
		if (check_rc != CLV_OK)                                                            \
			fail_msg("%s: %s: %s", #call, clv_rc_name(check_rc), err.text);            \
	} while (0)

#endif
