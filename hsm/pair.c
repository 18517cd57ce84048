/* SPDX-License-Identifier: Apache-2.0 */
/* Making key pairs. The private half is read back before anybody hears of it. */
#include "hsm/internal.h"

static CK_RV generate(struct hsm_session *session, const struct hsm_kind *kind,
		      enum hsm_birth birth, const uint8_t *id, const char *label,
		      const struct hsm_curve *curve, CK_OBJECT_HANDLE *public,
		      CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM mech = { hsm_kind_generator(kind), NULL, 0 };
	struct hsm_template pub, priv;

	hsm_template_public(session->hsm, kind, birth, id, label, curve, &pub);
	hsm_template_key(session->hsm, kind, birth, id, label, &priv);
	return hsm_C_GenerateKeyPair(session->hsm->module, session->handle, &mech, pub.a, pub.n,
				     priv.a, priv.n, public, private);
}

/* Is it worth trying the curve's other spelling? A sick token is no reason. */
static bool unknown_spelling(CK_RV rv)
{
	enum hsm_class class = hsm_rv_class(rv);

	return class == HSM_CLASS_POLICY ||
	       (class == HSM_CLASS_AMBIGUOUS && rv != CKR_DEVICE_ERROR);
}

clv_rc hsm_generate_pair(struct hsm_session *session, const struct hsm_kind *kind,
			 enum hsm_birth birth, const uint8_t *id, const char *label,
			 CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private,
			 struct clv_err *err)
{
	CK_OBJECT_HANDLE public, private;
	const struct hsm_curve *curve;
	size_t spelling = 0;
	clv_rc rc;
	CK_RV rv;

	do {
		curve = hsm_curve_get(kind, spelling++);
		rv = generate(session, kind, birth, id, label, curve, &public, &private);
		rc = rv == CKR_OK ? CLV_OK
				  : hsm_making_fail(session, birth, "C_GenerateKeyPair", rv, err);
	} while (rv != CKR_OK && unknown_spelling(rv) && hsm_curve_get(kind, spelling) != NULL);
	CLV_TRY(rc);
	rc = hsm_attributes_check(session, private, kind, birth, CLV_E_UNIMPLEMENTED, err);
	if (rc != CLV_OK) {
		hsm_session_destroy(session, private);
		hsm_session_destroy(session, public);
		return rc;
	}
	*ret_public = public;
	*ret_private = private;
	return CLV_OK;
}
