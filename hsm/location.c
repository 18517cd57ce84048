/* SPDX-License-Identifier: Apache-2.0 */
/* The token objects of a location: root, seal key, log key, two anchors. Made together, or not. */
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "hsm/internal.h"

/* DER: the OID of Ed25519 (RFC 8410) and of P-256, and the curve name that PKCS#11 2.40 drafts
 * used. */
static const uint8_t oid_ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
static const uint8_t oid_p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t name_ed25519[] = "\x13\x0c"
				      "edwards25519";

static const struct curve_row {
	CK_MECHANISM_TYPE generate, sign;
	CK_KEY_TYPE type;
	const uint8_t *params;
	size_t params_len;
	size_t message_len; /* what is signed: a message, or a digest of this length */
	const char *name;
} curves[] = {
	{ CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, CKK_EC_EDWARDS, oid_ed25519, sizeof oid_ed25519,
	  40, "Ed25519" },
	{ CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, CKK_EC_EDWARDS, name_ed25519,
	  sizeof name_ed25519 - 1, 40, "Ed25519" },
	{ CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKK_EC, oid_p256, sizeof oid_p256, 32, "EC P-256" },
};

static CK_RV generate_pair(struct hsm_session *session, const struct curve_row *curve, bool token,
			   const uint8_t *id, const char *label, CK_OBJECT_HANDLE *public,
			   CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM mech = { curve->generate, NULL, 0 };
	struct hsm_template pub = { 0 }, priv = { 0 };
	const struct hsm *hsm = session->hsm;

	hsm_template_bytes(&pub, CKA_ID, id, HSM_ID_LEN);
	hsm_template_bytes(&pub, CKA_LABEL, label, strlen(label));
	hsm_template_bool(&pub, CKA_TOKEN, token);
	hsm_template_bool(&pub, CKA_PRIVATE, false);
	hsm_template_bool(&pub, CKA_VERIFY, true);
	hsm_template_bytes(&pub, CKA_EC_PARAMS, curve->params, curve->params_len);
	hsm_template_bytes(&priv, CKA_ID, id, HSM_ID_LEN);
	hsm_template_bytes(&priv, CKA_LABEL, label, strlen(label));
	hsm_template_bool(&priv, CKA_TOKEN, token);
	hsm_template_bool(&priv, CKA_PRIVATE, true);
	hsm_template_bool(&priv, CKA_SENSITIVE, true);
	hsm_template_bool(&priv, CKA_EXTRACTABLE, false);
	hsm_template_bool(&priv, CKA_SIGN, true);
	hsm_template_bool(&priv, CKA_DECRYPT, false);
	hsm_template_bool(&priv, CKA_UNWRAP, false);
	hsm_template_bool(&priv, CKA_DERIVE, false);
	if (hsm->caps.copyable)
		hsm_template_bool(&priv, CKA_COPYABLE, false);
	if (hsm->caps.modifiable)
		hsm_template_bool(&priv, CKA_MODIFIABLE, false);
	return hsm_C_GenerateKeyPair(hsm->module, session->handle, &mech, pub.a, pub.n, priv.a,
				     priv.n, public, private);
}

static CK_RV try_pair(struct hsm_session *session, const struct curve_row *curve,
		      CK_OBJECT_HANDLE public, CK_OBJECT_HANDLE private)
{
	static uint8_t message[] = "a log key signs what nobody may change later....";
	const struct hsm_module *module = session->hsm->module;
	CK_MECHANISM mech = { curve->sign, NULL, 0 };
	uint8_t signature[128];
	CK_ULONG len = sizeof signature;
	CK_RV rv = hsm_C_SignInit(module, session->handle, &mech, private);

	if (rv == CKR_OK)
		rv = hsm_C_Sign(module, session->handle, message, curve->message_len, signature,
				&len);
	if (rv == CKR_OK)
		rv = hsm_C_VerifyInit(module, session->handle, &mech, public);
	if (rv == CKR_OK)
		rv = hsm_C_Verify(module, session->handle, message, curve->message_len, signature,
				  len);
	return rv;
}

clv_rc hsm_log_key_check(struct hsm_session *session, CK_OBJECT_HANDLE private, struct clv_err *err)
{
	CK_BBOOL sensitive = 2, extractable = 2, always = 2, never = 2, local = 2;
	CK_ATTRIBUTE got[] = { { CKA_SENSITIVE, &sensitive, 1 },
			       { CKA_EXTRACTABLE, &extractable, 1 },
			       { CKA_ALWAYS_SENSITIVE, &always, 1 },
			       { CKA_NEVER_EXTRACTABLE, &never, 1 },
			       { CKA_LOCAL, &local, 1 } };
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, private, got,
					   CLV_ARRAY_LEN(got));

	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	if (sensitive != 1 || extractable != 0 || always != 1 || never != 1 || local != 1)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"the log key in the token is weaker than asked");
	return CLV_OK;
}

/* Does this refusal mean that the token lacks the curve? Codes for unknown curves are not in our
 * table; a sick token is no reason to make a weaker key. */
static bool lacks_curve(CK_RV rv)
{
	enum hsm_class class = hsm_rv_class(rv);

	return class == HSM_CLASS_POLICY ||
	       (class == HSM_CLASS_AMBIGUOUS && rv != CKR_DEVICE_ERROR);
}

/* Ed25519 where the token has it, else P-256. */
clv_rc hsm_create_log_key(struct hsm_session *session, bool token, const uint8_t *id,
			  const char *label, bool allow_ed25519, const char **ret_name,
			  struct clv_err *err)
{
	CK_RV rv = CKR_MECHANISM_INVALID;

	for (size_t i = 0; i < CLV_ARRAY_LEN(curves); i++) {
		CK_OBJECT_HANDLE public, private;
		clv_rc rc;

		if (curves[i].type == CKK_EC_EDWARDS && !allow_ed25519)
			continue;
		rv = generate_pair(session, &curves[i], token, id, label, &public, &private);
		if (rv != CKR_OK && !lacks_curve(rv))
			break;
		if (rv != CKR_OK)
			continue;
		rv = try_pair(session, &curves[i], public, private);
		rc = rv == CKR_OK ? hsm_log_key_check(session, private, err)
				  : hsm_session_fail(session, err, "C_Sign", rv);
		if (rc == CLV_OK && token) {
			*ret_name = curves[i].name;
			return CLV_OK;
		}
		hsm_session_destroy(session, public);
		hsm_session_destroy(session, private);
		if (rc == CLV_OK) {
			*ret_name = curves[i].name;
			return CLV_OK;
		}
	}
	if (rv == CKR_OK)
		return CLV_E_UNIMPLEMENTED; /* hsm_log_key_check() has said why */
	return hsm_session_fail(session, err, "C_GenerateKeyPair", rv);
}

/* An anchor is of use when its label can be written and read again. */
static clv_rc try_anchor(struct hsm_session *session, const uint8_t *id, const char *label,
			 struct clv_err *err)
{
	const struct hsm_module *module = session->hsm->module;
	struct hsm_template tpl = { 0 };
	char got[256] = "", written[256];
	CK_ATTRIBUTE back = { CKA_LABEL, got, sizeof got - 1 };
	CK_OBJECT_HANDLE object;
	CK_RV rv;

	snprintf(written, sizeof written, "%.50s epoch 0", label);
	hsm_template_bytes(&tpl, CKA_LABEL, written, strlen(written));
	CLV_TRY(hsm_find(session, CKO_SECRET_KEY, id, &object, err));
	CLV_TRY(hsm_softhsm_write_begin(session->hsm, err));
	rv = hsm_C_SetAttributeValue(module, session->handle, object, tpl.a, tpl.n);
	hsm_softhsm_write_end(session->hsm);
	if (rv == CKR_OK)
		rv = hsm_C_GetAttributeValue(module, session->handle, object, &back, 1);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_SetAttributeValue", rv);
	if (strcmp(got, written) != 0)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"the token does not keep a changed label");
	return CLV_OK;
}

struct location_args {
	const char *location;
	const struct hsm_location_ids *ids;
};

static const struct hsm_kind *kind(enum hsm_role role)
{
	return hsm_kind_get(role, 0);
}

static clv_rc create_all(struct hsm_session *session, const struct location_args *args,
			 struct clv_err *err)
{
	const struct hsm_location_ids *ids = args->ids;
	char label[96];
	const char *curve;
	clv_rc rc;

#define LABEL(what) (snprintf(label, sizeof label, "claviger %s " what, args->location), label)
	CLV_TRY(hsm_create_locked(session, kind(HSM_ROLE_ROOT), ids->root, LABEL("root"), NULL,
				  err));
	CLV_TRY(hsm_create_locked(session, kind(HSM_ROLE_SEAL), ids->seal, LABEL("seal"), NULL,
				  err));
	CLV_TRY(hsm_softhsm_make_begin(session->hsm, err));
	rc = hsm_create_log_key(session, true, ids->log, LABEL("log"), true, &curve, err);
	hsm_softhsm_make_end(session->hsm);
	CLV_TRY(rc);
	CLV_TRY(hsm_create_locked(session, kind(HSM_ROLE_ANCHOR), ids->anchor[0], LABEL("anchor a"),
				  NULL, err));
	CLV_TRY(try_anchor(session, ids->anchor[0], label, err));
	CLV_TRY(hsm_create_locked(session, kind(HSM_ROLE_ANCHOR), ids->anchor[1], LABEL("anchor b"),
				  NULL, err));
	return try_anchor(session, ids->anchor[1], label, err);
#undef LABEL
}

static clv_rc discard_all(struct hsm_session *session, const struct hsm_location_ids *ids,
			  struct clv_err *err)
{
	CLV_TRY(hsm_destroy_locked(session, HSM_ROLE_ROOT, ids->root, err));
	CLV_TRY(hsm_destroy_locked(session, HSM_ROLE_SEAL, ids->seal, err));
	CLV_TRY(hsm_destroy_locked(session, HSM_ROLE_LOG, ids->log, err));
	CLV_TRY(hsm_destroy_locked(session, HSM_ROLE_ANCHOR, ids->anchor[0], err));
	return hsm_destroy_locked(session, HSM_ROLE_ANCHOR, ids->anchor[1], err);
}

static clv_rc create_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	const struct location_args *args = work->arg;
	struct clv_err ignored;
	clv_rc rc;

	hsm_signals_block(&guard);
	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_lock_objects(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	rc = create_all(session, args, err);
	if (rc == CLV_OK)
		return rc;
	/* A failed trial can leave an operation open, and with it SoftHSM refuses to search. */
	session->dead = !hsm->pool.shared;
	session = hsm_session_release(session);
	if (hsm_session_acquire(hsm, &session, &ignored) == CLV_OK)
		(void) discard_all(session, args->ids,
				   &ignored); /* else the caller's intent stays */
	return rc;
}

static clv_rc discard_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	const struct location_args *args = work->arg;

	hsm_signals_block(&guard);
	CLV_TRY(hsm_lock_objects(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	return discard_all(session, args->ids, err);
}

clv_rc hsm_location_create(struct hsm *hsm, const struct clv_grant *grant, const char *location,
			   const struct hsm_location_ids *ids, struct clv_err *err)
{
	struct location_args args = { location, ids };
	struct hsm_work work = { .run = create_run, .arg = &args };

	clv_grant_assert(grant);
	return hsm_work_once(hsm, &work, err);
}

clv_rc hsm_location_discard(struct hsm *hsm, const struct clv_grant *grant,
			    const struct hsm_location_ids *ids, struct clv_err *err)
{
	struct location_args args = { "", ids };
	struct hsm_work work = { .run = discard_run, .arg = &args };

	clv_grant_assert(grant);
	return hsm_work_do(hsm, &work, err);
}

/* ---- the public half of the log key ---- */

clv_rc hsm_public_pem(EVP_PKEY *key, char ret_pem[CLV_PEM_MAX], struct clv_err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	clv_rc rc = CLV_OK;
	char *text;
	long len;

	if (bio == NULL || PEM_write_bio_PUBKEY(bio, key) != 1 ||
	    (len = BIO_get_mem_data(bio, &text)) <= 0 || len >= CLV_PEM_MAX) {
		rc = clv_fail(err, CLV_E_INTERNAL, "a public key cannot be written as PEM");
	} else {
		memcpy(ret_pem, text, (size_t) len);
		ret_pem[len] = '\0';
	}
	BIO_free(bio);
	return rc;
}

/* CKA_EC_POINT of an Ed25519 key: 32 bytes, in an OCTET STRING or bare, as the token has it. */
static clv_rc ed25519_pem(struct hsm_session *session, CK_OBJECT_HANDLE public,
			  char ret_pem[CLV_PEM_MAX], struct clv_err *err)
{
	uint8_t point[80];
	CK_ATTRIBUTE got = { CKA_EC_POINT, point, sizeof point };
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, public, &got, 1);
	EVP_PKEY *key;
	clv_rc rc;

	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	if (got.ulValueLen < 32 || got.ulValueLen > 34)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"the token shows Ed25519 keys in an unknown form");
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point + got.ulValueLen - 32, 32);
	if (key == NULL)
		return clv_fail(err, CLV_E_INTERNAL,
				"OpenSSL refuses the token's Ed25519 public key");
	rc = hsm_public_pem(key, ret_pem, err);
	EVP_PKEY_free(key);
	return rc;
}

struct pem_args {
	const uint8_t *id;
	char *pem;
	bool is_ec;
};

static clv_rc pem_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct pem_args *args = work->arg;
	CK_KEY_TYPE type = 0;
	CK_ATTRIBUTE got = { CKA_KEY_TYPE, &type, sizeof type };
	CK_OBJECT_HANDLE public;
	CK_RV rv;

	CLV_TRY(hsm_lock_search(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	CLV_TRY(hsm_find(session, CKO_PUBLIC_KEY, args->id, &public, err));
	rv = hsm_C_GetAttributeValue(hsm->module, session->handle, public, &got, 1);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	args->is_ec = type == CKK_EC;
	return args->is_ec ? hsm_libp11_public_pem(hsm, args->id, args->pem, err)
			   : ed25519_pem(session, public, args->pem, err);
}

clv_rc hsm_log_public_key(struct hsm *hsm, const uint8_t id[HSM_ID_LEN], char ret_pem[CLV_PEM_MAX],
			  struct clv_err *err)
{
	struct pem_args args = { .id = id, .pem = ret_pem };
	struct hsm_work work = { .run = pem_run, .arg = &args };

	return hsm_work_do(hsm, &work, err);
}
