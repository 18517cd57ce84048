/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the shim share. */
#ifndef TESTS_SUPPORT_SHIM_IMPL_H
#define TESTS_SUPPORT_SHIM_IMPL_H

#include "tests/support/shim.h"

/* One call on its way through. */
struct shim_call {
	enum shim_function function;
	CK_SESSION_HANDLE session; /* 0: none */
	CK_RV refused;             /* what it gets instead of being forwarded; CKR_OK: go on */
	CK_RV instead;             /* what is reported after the work; CKR_OK: its own result */
};

/* state.c: counts, faults, and what is open */
struct shim_call shim_begin(enum shim_function function, CK_SESSION_HANDLE session,
			    const CK_MECHANISM *mech);
CK_RV shim_end(const struct shim_call *call, CK_RV rv);
CK_RV shim_may_open(void);
void shim_opened(CK_SESSION_HANDLE session);
void shim_closed(CK_SESSION_HANDLE session);
void shim_closed_all(void);
void shim_initialised(void);
void shim_made(enum shim_function maker, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
void shim_destroyed(CK_OBJECT_HANDLE object);
void shim_tell_info(CK_TOKEN_INFO *info);
void shim_tell_attributes(CK_OBJECT_HANDLE object, CK_ATTRIBUTE *tpl, CK_ULONG n);

/* gcm.c: tokens that choose the IV themselves */
void shim_gcm_set(enum shim_gcm form, unsigned iv_len);

/* shim.c */
CK_FUNCTION_LIST *shim_real(void);
void shim_set_real(const char *path);
void shim_mute_random(bool mute);

#define SHIM_PLAIN(name, session, mech, params, args)
#define SHIM_OWN(name, session, mech, params, args) CK_RV own_##name params;
#include "tests/support/shim/functions.def"
#undef SHIM_PLAIN
#undef SHIM_OWN

#endif
