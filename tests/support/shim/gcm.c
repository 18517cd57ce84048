/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM of tokens that choose the IV themselves: written back into the parameters, or appended to
 * the ciphertext and expected there again. Done with the real module's AES-GCM and an IV of ours.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/shim/impl.h"

#define IV_MAX 16
#define SLOTS 256

static _Atomic int form = SHIM_GCM_REAL;
static _Atomic unsigned own_iv_len = 12;

/* What an Init said, until the call that ends it; by session. A session has one owner. */
static struct pending {
	_Atomic CK_SESSION_HANDLE session; /* 0: free */
	unsigned char iv[IV_MAX];
	unsigned iv_len;
	CK_OBJECT_HANDLE key;
	CK_GCM_PARAMS params; /* of a decryption: `aad` is a copy */
	unsigned char *aad;
} pending[SLOTS];

void shim_gcm_set(enum shim_gcm new_form, unsigned iv_len)
{
	atomic_store(&form, new_form);
	atomic_store(&own_iv_len, iv_len != 0 ? iv_len : 12);
}

static struct pending *pending_of(CK_SESSION_HANDLE session)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (atomic_load(&pending[i].session) == session)
			return &pending[i];
	}
	return NULL;
}

static struct pending *pending_new(CK_SESSION_HANDLE session)
{
	struct pending *p = pending_of(session);

	for (size_t i = 0; p == NULL && i < SLOTS; i++) {
		CK_SESSION_HANDLE none = 0;

		if (atomic_compare_exchange_strong(&pending[i].session, &none, session))
			p = &pending[i];
	}
	if (p == NULL)
		abort(); /* more sessions than any test opens */
	return p;
}

static void pending_end(struct pending *p)
{
	free(p->aad);
	p->aad = NULL;
	atomic_store(&p->session, 0);
}

static bool chooses_iv(const CK_MECHANISM *mech)
{
	return atomic_load(&form) != SHIM_GCM_REAL && mech->mechanism == CKM_AES_GCM;
}

CK_RV own_C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
	CK_FUNCTION_LIST *real = shim_real();
	CK_GCM_PARAMS own, *params = mech->pParameter;
	CK_MECHANISM with_own = { CKM_AES_GCM, &own, sizeof own };
	struct pending *p;
	CK_RV rv;

	if (!chooses_iv(mech))
		return real->C_EncryptInit(session, mech, key);
	p = pending_new(session);
	p->iv_len = atomic_load(&own_iv_len);
	real->C_GenerateRandom(session, p->iv, p->iv_len);
	own = *params;
	own.pIv = p->iv;
	own.ulIvLen = p->iv_len;
	own.ulIvBits = p->iv_len * 8;
	rv = real->C_EncryptInit(session, &with_own, key);
	if (rv != CKR_OK || atomic_load(&form) == SHIM_GCM_WRITTEN) {
		if (rv == CKR_OK)
			memcpy(params->pIv, p->iv, p->iv_len);
		pending_end(p);
	}
	return rv;
}

CK_RV own_C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out,
		    CK_ULONG *out_len)
{
	struct pending *p = pending_of(session);
	CK_ULONG room = *out_len;
	CK_RV rv;

	if (p == NULL)
		return shim_real()->C_Encrypt(session, in, in_len, out, out_len);
	if (out == NULL || room < in_len + 16 + p->iv_len) {
		*out_len = in_len + 16 + p->iv_len;
		return out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	*out_len = room - p->iv_len;
	rv = shim_real()->C_Encrypt(session, in, in_len, out, out_len);
	if (rv == CKR_OK) {
		memcpy(out + *out_len, p->iv, p->iv_len);
		*out_len += p->iv_len;
	}
	pending_end(p);
	return rv;
}

/* The IV is known only when the ciphertext comes, so the real Init waits until then. */
CK_RV own_C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mech, CK_OBJECT_HANDLE key)
{
	CK_BBOOL may = CK_FALSE;
	CK_ATTRIBUTE decrypts = { CKA_DECRYPT, &may, sizeof may };
	const CK_GCM_PARAMS *params = mech->pParameter;
	struct pending *p;
	CK_RV rv;

	if (!chooses_iv(mech) || atomic_load(&form) == SHIM_GCM_WRITTEN)
		return shim_real()->C_DecryptInit(session, mech, key);
	rv = shim_real()->C_GetAttributeValue(session, key, &decrypts, 1);
	if (rv != CKR_OK)
		return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
	if (!may)
		return CKR_KEY_FUNCTION_NOT_PERMITTED;
	p = pending_new(session);
	p->key = key;
	p->params = *params;
	p->iv_len = atomic_load(&own_iv_len);
	p->aad = malloc(params->ulAADLen + 1);
	if (p->aad == NULL)
		abort();
	memcpy(p->aad, params->pAAD, params->ulAADLen);
	return CKR_OK;
}

CK_RV own_C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out,
		    CK_ULONG *out_len)
{
	struct pending *p = pending_of(session);
	CK_MECHANISM mech = { CKM_AES_GCM, NULL, sizeof(CK_GCM_PARAMS) };
	CK_RV rv = CKR_ENCRYPTED_DATA_LEN_RANGE;

	if (p == NULL)
		return shim_real()->C_Decrypt(session, in, in_len, out, out_len);
	if (in_len >= p->iv_len + 16) {
		in_len -= p->iv_len;
		p->params.pAAD = p->aad;
		p->params.pIv = in + in_len;
		p->params.ulIvLen = p->iv_len;
		p->params.ulIvBits = p->iv_len * 8;
		mech.pParameter = &p->params;
		rv = shim_real()->C_DecryptInit(session, &mech, p->key);
		if (rv == CKR_OK)
			rv = shim_real()->C_Decrypt(session, in, in_len, out, out_len);
	}
	pending_end(p);
	return rv;
}
