/* SPDX-License-Identifier: Apache-2.0 */
/* Searching the token by id. Linear in most tokens, so that it happens once a key and epoch. */
#include "hsm/internal.h"

CK_RV hsm_logged_in(struct hsm_session *session)
{
	CK_SESSION_INFO info = { 0 };
	CK_RV rv;

	if ((session->hsm->info.flags & CKF_LOGIN_REQUIRED) == 0)
		return CKR_OK;
	rv = hsm_C_GetSessionInfo(session->hsm->module, session->handle, &info);
	if (rv == CKR_OK && info.state != CKS_RW_USER_FUNCTIONS &&
	    info.state != CKS_RO_USER_FUNCTIONS)
		return CKR_USER_NOT_LOGGED_IN;
	return rv;
}

clv_rc hsm_find_all(struct hsm_session *session, CK_OBJECT_CLASS class,
		    const uint8_t id[HSM_ID_LEN], CK_OBJECT_HANDLE *objects, CK_ULONG max,
		    CK_ULONG *ret_n, struct clv_err *err)
{
	const struct hsm_module *module = session->hsm->module;
	struct hsm_template tpl = { 0 };
	CK_ULONG n = 0, more = 1;
	CK_RV rv, rv_final;

	hsm_template_ulong(&tpl, CKA_CLASS, class);
	hsm_template_bytes(&tpl, CKA_ID, id, HSM_ID_LEN);
	rv = hsm_C_FindObjectsInit(module, session->handle, tpl.a, tpl.n);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_FindObjectsInit", rv);
	while (rv == CKR_OK && n < max && more > 0) { /* some tokens hand out one at a time */
		more = 0;
		rv = hsm_C_FindObjects(module, session->handle, objects + n, max - n, &more);
		n += more;
	}
	rv_final = hsm_C_FindObjectsFinal(module, session->handle);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_FindObjects", rv);
	if (rv_final != CKR_OK)
		return hsm_session_fail(session, err, "C_FindObjectsFinal", rv_final);
	/* Who is not logged in sees no private object, and no error either. */
	if (n == 0 && (rv = hsm_logged_in(session)) != CKR_OK)
		return hsm_session_fail(session, err, "C_GetSessionInfo", rv);
	*ret_n = n;
	return CLV_OK;
}

clv_rc hsm_find(struct hsm_session *session, CK_OBJECT_CLASS class, const uint8_t id[HSM_ID_LEN],
		CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n;

	CLV_TRY(hsm_find_all(session, class, id, found, CLV_ARRAY_LEN(found), &n, err));
	if (n == 0)
		return clv_fail(err, CLV_E_NOT_FOUND, "the token has no object with this id");
	if (n > 1)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the token has two objects with one id; somebody copied a key");
	*ret_object = found[0];
	return CLV_OK;
}
