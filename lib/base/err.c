/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes and their story. Not for printing: the tools do that, once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <claviger/claviger.h>

#include "config.h"
#include "lib/base/auto.h"

static const struct {
	int exit;
	int http;
	const char *name;
	const char *hint;
} status_table[] = {
#define STATUS_ROW(code, exit_, http_, name_, hint_) [code] = { exit_, http_, name_, hint_ },
	CLV_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static size_t status_index(clv_rc rc)
{
	return (unsigned) rc < CLV_ARRAY_LEN(status_table) ? (size_t) rc : CLV_E_INTERNAL;
}

const char *clv_rc_name(clv_rc rc)
{
	return status_table[status_index(rc)].name;
}

const char *clv_rc_hint(clv_rc rc)
{
	return status_table[status_index(rc)].hint;
}

int clv_rc_exit(clv_rc rc)
{
	return status_table[status_index(rc)].exit;
}

int clv_rc_http(clv_rc rc)
{
	return status_table[status_index(rc)].http;
}

const char *clv_version_text(void)
{
	return PACKAGE_VERSION;
}

clv_rc clv_fail(struct clv_err *err, clv_rc rc, const char *fmt, ...)
{
	va_list ap;

	err->op = NULL;
	err->domain = CLV_DOM_NONE;
	err->native = 0;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	return rc;
}

clv_rc clv_fail_errno(struct clv_err *err, clv_rc rc, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t used;
	char why[96];

	err->op = NULL;
	err->domain = CLV_DOM_ERRNO;
	err->native = (unsigned long) errnum;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s",
		 strerror_r(errnum, why, sizeof why));
	return rc;
}
