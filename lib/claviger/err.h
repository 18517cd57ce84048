/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLAVIGER_ERR_H
#define CLAVIGER_ERR_H

#include <claviger/status.h>

#define CLV_MUST_USE __attribute__((warn_unused_result))
#define CLV_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Whose numbering `native` uses. */
enum clv_domain { CLV_DOM_NONE, CLV_DOM_PKCS11, CLV_DOM_SQLITE, CLV_DOM_OPENSSL, CLV_DOM_ERRNO };

#define CLV_ERR_TEXT_MAX 512 /* bytes, with the final NUL: two resource names and a sentence */

/*
 * The story behind a failure, for a person to read. The caller declares it on its own stack;
 * nothing here allocates, so it still works when memory is what ran out. Meaningful only when
 * the call did not return CLV_OK. `text` never holds a PIN, key bytes or plaintext: it may be
 * logged, printed and sent over the wire. It may hold labels, numbers and names.
 */
struct clv_err {
	const char *op; /* static string, e.g. "C_WrapKey"; NULL if none */
	enum clv_domain domain;
	unsigned long native;        /* CK_RV, SQLite code, errno ...; 0 if none */
	char text[CLV_ERR_TEXT_MAX]; /* NUL-terminated, English, no trailing newline */
};

/* Fills *err and hands back rc, so that a failure is one line: `return clv_fail(...)`. */
CLV_MUST_USE clv_rc clv_fail(struct clv_err *err, clv_rc rc, const char *fmt, ...) CLV_PRINTF(3, 4);

/* The same, and keeps an errno value: its text is appended after ": ". */
CLV_MUST_USE clv_rc clv_fail_errno(struct clv_err *err, clv_rc rc, int errnum, const char *fmt, ...)
	CLV_PRINTF(4, 5);

/* The one macro that returns. It works because every fallible function returns clv_rc. */
#define CLV_TRY(call)                                                                              \
	do {                                                                                       \
		clv_rc clv_try_rc = (call);                                                        \
		if (clv_try_rc != CLV_OK)                                                          \
			return clv_try_rc;                                                         \
	} while (0)

#endif
