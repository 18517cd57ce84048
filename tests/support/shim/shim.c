/* SPDX-License-Identifier: Apache-2.0 */
/* The function list of the shim, and the functions that note what is open. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/shim/impl.h"

static struct {
	pthread_once_t once;
	const char *path;
	CK_FUNCTION_LIST *list;
} real = { .once = PTHREAD_ONCE_INIT, .path = CLV_TEST_TOKEN_MODULE };

static void load_real(void)
{
	CK_RV (*get_list)(CK_FUNCTION_LIST * *list);
	void *dl = dlopen(real.path, RTLD_NOW | RTLD_LOCAL);

	if (dl != NULL) {
		*(void **) &get_list = dlsym(dl, "C_GetFunctionList");
		if (get_list != NULL && get_list(&real.list) == CKR_OK)
			return;
	}
	fprintf(stderr, "shim: %s cannot be loaded\n", real.path);
	abort();
}

CK_FUNCTION_LIST *shim_real(void)
{
	pthread_once(&real.once, load_real);
	return real.list;
}

void shim_set_real(const char *path)
{
	real.path = path;
}

CK_RV own_C_Initialize(void *init)
{
	CK_RV rv = shim_real()->C_Initialize(init);

	if (rv == CKR_OK)
		shim_initialised();
	return rv;
}

CK_RV own_C_Finalize(void *reserved)
{
	CK_RV rv = shim_real()->C_Finalize(reserved);

	if (rv == CKR_OK)
		shim_closed_all();
	return rv;
}

CK_RV own_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	CK_RV rv = shim_real()->C_GetTokenInfo(slot, info);

	if (rv == CKR_OK)
		shim_tell_info(info);
	return rv;
}

CK_RV own_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
			CK_SESSION_HANDLE *session)
{
	CK_RV rv = shim_may_open();

	if (rv != CKR_OK)
		return rv;
	rv = shim_real()->C_OpenSession(slot, flags, app, notify, session);
	if (rv == CKR_OK)
		shim_opened(*session);
	return rv;
}

CK_RV own_C_CloseSession(CK_SESSION_HANDLE session)
{
	/* Before, because the number may be given to another thread's session at once. */
	shim_closed(session);
	return shim_real()->C_CloseSession(session);
}

CK_RV own_C_CloseAllSessions(CK_SLOT_ID slot)
{
	shim_closed_all();
	return shim_real()->C_CloseAllSessions(slot);
}

CK_RV own_C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *tpl, CK_ULONG n,
			 CK_OBJECT_HANDLE *obj)
{
	CK_RV rv = shim_real()->C_CreateObject(session, tpl, n, obj);

	if (rv == CKR_OK)
		shim_made(SHIM_C_CreateObject, session, *obj);
	return rv;
}

CK_RV own_C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE from, CK_ATTRIBUTE *tpl,
		       CK_ULONG n, CK_OBJECT_HANDLE *obj)
{
	CK_RV rv = shim_real()->C_CopyObject(session, from, tpl, n, obj);

	if (rv == CKR_OK)
		shim_made(SHIM_C_CopyObject, session, *obj);
	return rv;
}

CK_RV own_C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_ATTRIBUTE *tpl,
			CK_ULONG n, CK_OBJECT_HANDLE *obj)
{
	CK_RV rv = shim_real()->C_GenerateKey(session, mech, tpl, n, obj);

	if (rv == CKR_OK)
		shim_made(SHIM_C_GenerateKey, session, *obj);
	return rv;
}

CK_RV own_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_ATTRIBUTE *pub,
			    CK_ULONG n_pub, CK_ATTRIBUTE *priv, CK_ULONG n_priv,
			    CK_OBJECT_HANDLE *pub_obj, CK_OBJECT_HANDLE *priv_obj)
{
	CK_RV rv = shim_real()->C_GenerateKeyPair(session, mech, pub, n_pub, priv, n_priv, pub_obj,
						  priv_obj);

	if (rv == CKR_OK) {
		shim_made(SHIM_C_GenerateKeyPair, session, *pub_obj);
		shim_made(SHIM_C_GenerateKeyPair, session, *priv_obj);
	}
	return rv;
}

CK_RV own_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_OBJECT_HANDLE kek,
		      CK_BYTE *in, CK_ULONG in_len, CK_ATTRIBUTE *tpl, CK_ULONG n,
		      CK_OBJECT_HANDLE *obj)
{
	CK_RV rv = shim_real()->C_UnwrapKey(session, mech, kek, in, in_len, tpl, n, obj);

	if (rv == CKR_OK)
		shim_made(SHIM_C_UnwrapKey, session, *obj);
	return rv;
}

CK_RV own_C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_OBJECT_HANDLE base,
		      CK_ATTRIBUTE *tpl, CK_ULONG n, CK_OBJECT_HANDLE *obj)
{
	CK_RV rv = shim_real()->C_DeriveKey(session, mech, base, tpl, n, obj);

	if (rv == CKR_OK)
		shim_made(SHIM_C_DeriveKey, session, *obj);
	return rv;
}

CK_RV own_C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE obj)
{
	CK_RV rv = shim_real()->C_DestroyObject(session, obj);

	if (rv == CKR_OK)
		shim_destroyed(obj);
	return rv;
}

CK_RV own_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE obj, CK_ATTRIBUTE *tpl,
			      CK_ULONG n)
{
	CK_RV rv = shim_real()->C_GetAttributeValue(session, obj, tpl, n);

	shim_tell_attributes(obj, tpl, n);
	return rv;
}

static _Atomic bool random_is_mute;

void shim_mute_random(bool mute)
{
	random_is_mute = mute;
}

CK_RV own_C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	return random_is_mute ? CKR_OK : shim_real()->C_GenerateRandom(session, out, len);
}

#define SHIM_CALL(name, does_it, session, mech, params, args)                                      \
	static CK_RV shim_##name params                                                            \
	{                                                                                          \
		const struct shim_call call = shim_begin(SHIM_##name, session, mech);              \
                                                                                                   \
		return shim_end(&call, call.refused == CKR_OK ? does_it args : call.refused);      \
	}
#define SHIM_PLAIN(name, session, mech, params, args)                                              \
	SHIM_CALL(name, shim_real()->name, session, mech, params, args)
#define SHIM_OWN(name, session, mech, params, args)                                                \
	SHIM_CALL(name, own_##name, session, mech, params, args)
#include "tests/support/shim/functions.def"
#undef SHIM_PLAIN
#undef SHIM_OWN

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
	static CK_FUNCTION_LIST functions = {
		.version = { 2, 40 },
		.C_GetFunctionList = C_GetFunctionList,
#define SHIM_PLAIN(name, session, mech, params, args) .name = shim_##name,
#define SHIM_OWN SHIM_PLAIN
#include "tests/support/shim/functions.def"
#undef SHIM_PLAIN
#undef SHIM_OWN
	};

	*list = &functions;
	return CKR_OK;
}
