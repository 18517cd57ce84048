/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, wrapping, unwrapping and ending keys. Whatever is made is read back and tried before
 * anybody hears of it. Not for using keys: see crypt.c.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "hsm/internal.h"

/* ---- session objects that go when the scope ends ---- */

void hsm_scrap_add(struct hsm_scrap *scrap, CK_OBJECT_HANDLE object)
{
	assert(scrap->n < CLV_ARRAY_LEN(scrap->object));
	scrap->object[scrap->n++] = object;
}

/* Sessions live long, so that an object which cannot be destroyed takes its session along. */
void hsm_session_destroy(struct hsm_session *session, CK_OBJECT_HANDLE object)
{
	CK_RV rv = CKR_OK;

	for (int i = 0; i < 2; i++) { /* a hiccup is worth another try */
		rv = hsm_C_DestroyObject(session->hsm->module, session->handle, object);
		if (rv == CKR_OK)
			return;
	}
	if (hsm_rv_class(rv) != HSM_CLASS_HANDLE)
		session->dead = session->dead || !session->hsm->pool.shared;
}

void hsm_scrap_destroy(struct hsm_scrap *scrap)
{
	while (scrap->n > 0)
		hsm_session_destroy(scrap->session, scrap->object[--scrap->n]);
}

/* ---- making ---- */

static clv_rc generate_unchecked(struct hsm_session *session, enum hsm_role role,
				 enum hsm_birth birth, const uint8_t *id, const char *label,
				 CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	CK_MECHANISM mech = { CKM_AES_KEY_GEN, NULL, 0 };
	struct hsm_template tpl;
	CK_RV rv;

	if (role == HSM_ROLE_SEAL)
		mech.mechanism = CKM_GENERIC_SECRET_KEY_GEN;
	hsm_template_secret(session->hsm, role, birth, id, label, &tpl);
	rv = hsm_C_GenerateKey(session->hsm->module, session->handle, &mech, tpl.a, tpl.n,
			       ret_object);
	return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, "C_GenerateKey", rv);
}

clv_rc hsm_generate(struct hsm_session *session, enum hsm_role role, enum hsm_birth birth,
		    const uint8_t *id, const char *label, CK_OBJECT_HANDLE *ret_object,
		    struct clv_err *err)
{
	CK_OBJECT_HANDLE object;
	clv_rc rc;

	CLV_TRY(generate_unchecked(session, role, birth, id, label, &object, err));
	rc = hsm_attributes_check(session, object, role, birth, CLV_E_UNIMPLEMENTED, err);
	if (rc != CLV_OK) {
		hsm_session_destroy(session, object);
		return rc;
	}
	*ret_object = object;
	return CLV_OK;
}

static clv_rc wrap(struct hsm_session *session, CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE key,
		   struct hsm_blob *ret_blob, struct clv_err *err)
{
	/* No parameter: the IV of RFC 3394 and 5649 is fixed, and a caller's own is a known
	 * weakness. */
	CK_MECHANISM mech = { session->hsm->caps.wrap_mech, NULL, 0 };
	CK_ULONG len = sizeof ret_blob->bytes;
	CK_RV rv = hsm_C_WrapKey(session->hsm->module, session->handle, &mech, parent, key,
				 ret_blob->bytes, &len);

	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_WrapKey", rv);
	ret_blob->len = len;
	return CLV_OK;
}

static CK_RV unwrap(struct hsm_session *session, enum hsm_role role, CK_OBJECT_HANDLE parent,
		    struct clv_bytes blob, CK_OBJECT_HANDLE *ret_object)
{
	CK_MECHANISM mech = { session->hsm->caps.wrap_mech, NULL, 0 };
	struct hsm_template tpl;

	hsm_template_secret(session->hsm, role, HSM_BORN_UNWRAPPED, NULL, NULL, &tpl);
	return hsm_C_UnwrapKey(session->hsm->module, session->handle, &mech, parent,
			       hsm_input(blob.data), blob.len, tpl.a, tpl.n, ret_object);
}

/* Can this key still wrap and unwrap at all? Tells a damaged blob from a sick token. */
static bool unwrap_canary(struct hsm_session *session, enum hsm_role role, CK_OBJECT_HANDLE parent)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE key, again;
	struct hsm_blob blob;
	struct clv_err ignored;

	if (hsm_generate(session, role, HSM_BORN_SESSION, NULL, NULL, &key, &ignored) != CLV_OK)
		return false;
	hsm_scrap_add(&scrap, key);
	if (wrap(session, parent, key, &blob, &ignored) != CLV_OK ||
	    unwrap(session, role, parent, (struct clv_bytes){ blob.bytes, blob.len }, &again) !=
		    CKR_OK)
		return false;
	hsm_scrap_add(&scrap, again);
	return true;
}

clv_rc hsm_unwrap(struct hsm_session *keeper, enum hsm_role role, CK_OBJECT_HANDLE parent,
		  struct clv_bytes blob, CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	CK_OBJECT_HANDLE object;
	CK_RV rv = unwrap(keeper, role, parent, blob, &object);
	enum hsm_class class = hsm_rv_class(rv);
	clv_rc rc;

	/* A hiccup must not be taken for a damaged blob: what fails twice on a healthy token is
	 * one. */
	if (class == HSM_CLASS_AMBIGUOUS && unwrap_canary(keeper, role, parent)) {
		rv = unwrap(keeper, role, parent, blob, &object);
		class = hsm_rv_class(rv);
		if (class == HSM_CLASS_AMBIGUOUS)
			class = HSM_CLASS_DATA;
	}
	if (class == HSM_CLASS_DATA)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"a wrapped key does not unwrap under its parent in this token: "
				"the catalogue was altered, or it belongs to another token");
	if (rv != CKR_OK)
		return hsm_session_fail(keeper, err, "C_UnwrapKey", rv);
	rc = hsm_attributes_check(keeper, object, role, HSM_BORN_UNWRAPPED, CLV_E_UNIMPLEMENTED,
				  err);
	if (rc != CLV_OK) {
		hsm_session_destroy(keeper, object);
		return rc;
	}
	*ret_object = object;
	return CLV_OK;
}

/* What one seals, the other opens. */
static clv_rc same_cipher_key(struct hsm_session *session, CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b,
			      struct clv_err *err)
{
	static const uint8_t words[32] = "do these two keys of ours agree";
	struct clv_bytes text = { words, sizeof words };
	uint8_t iv[HSM_IV_MAX], sealed[sizeof words + HSM_TAG_LEN], opened[sizeof sealed];
	size_t iv_len, len = 0;
	const char *op;
	CK_RV rv = hsm_gcm_seal(session, a, text, text, iv, &iv_len, sealed, &op);

	if (rv == CKR_OK)
		rv = hsm_gcm_open(session, b, text, (struct clv_bytes){ iv, iv_len },
				  (struct clv_bytes){ sealed, sizeof sealed }, opened, &len, &op);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	if (len != sizeof words || CRYPTO_memcmp(opened, words, sizeof words) != 0)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the token unwrapped another key than it wrapped");
	return CLV_OK;
}

/* Both wrap the same third key to the same bytes: wrapping is deterministic. */
static clv_rc same_wrap_key(struct hsm_session *session, CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE dummy;
	struct hsm_blob by_a, by_b;

	CLV_TRY(hsm_generate(session, HSM_ROLE_VERSION, HSM_BORN_SESSION, NULL, NULL, &dummy, err));
	hsm_scrap_add(&scrap, dummy);
	CLV_TRY(wrap(session, a, dummy, &by_a, err));
	CLV_TRY(wrap(session, b, dummy, &by_b, err));
	if (by_a.len != by_b.len || CRYPTO_memcmp(by_a.bytes, by_b.bytes, by_a.len) != 0)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the token unwrapped another key than it wrapped");
	return CLV_OK;
}

clv_rc hsm_generate_wrapped(struct hsm_session *session, enum hsm_role role,
			    CK_OBJECT_HANDLE parent, struct hsm_blob *ret_blob, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE original, again;
	struct hsm_blob blob;

	CLV_TRY(hsm_generate(session, role, HSM_BORN_SESSION, NULL, NULL, &original, err));
	hsm_scrap_add(&scrap, original);
	CLV_TRY(wrap(session, parent, original, &blob, err));
	CLV_TRY(hsm_unwrap(session, role, parent, (struct clv_bytes){ blob.bytes, blob.len },
			   &again, err));
	hsm_scrap_add(&scrap, again);
	if (role == HSM_ROLE_RING_KEK)
		CLV_TRY(same_wrap_key(session, original, again, err));
	else
		CLV_TRY(same_cipher_key(session, original, again, err));
	*ret_blob = blob;
	return CLV_OK;
}

/* ---- wrapped keys ---- */

struct generate_args {
	enum hsm_role role;
	const struct hsm_keyref *parent;
	struct hsm_blob *ret_blob;
};

static clv_rc generate_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin parent = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct generate_args *args = work->arg;
	clv_rc rc;

	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_key_pin(hsm, args->parent, &parent, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	rc = hsm_generate_wrapped(session, args->role, parent.handle, args->ret_blob, err);
	return hsm_pin_judge(&parent, rc, err);
}

/* Session objects only: a second try leaves nothing behind, so it is safe. */
clv_rc hsm_key_generate(struct hsm *hsm, const struct clv_grant *grant, enum hsm_role role,
			const struct hsm_keyref *parent, struct hsm_blob *ret_blob,
			struct clv_err *err)
{
	struct generate_args args = { role, parent, ret_blob };
	struct hsm_work work = { .run = generate_run, .arg = &args };

	clv_grant_assert(grant);
	assert(role == HSM_ROLE_RING_KEK || role == HSM_ROLE_VERSION);
	return hsm_work_do(hsm, &work, err);
}

/* ---- token objects ---- */

/* Tries a key that is a token object in the way it will be used. */
static clv_rc try_token_key(struct hsm_session *session, enum hsm_role role, CK_OBJECT_HANDLE key,
			    struct clv_err *err)
{
	static uint8_t words[] = "is this key of any use?";
	CK_MECHANISM mech = { CKM_SHA256_HMAC, NULL, 0 };
	const struct hsm_module *module = session->hsm->module;
	struct hsm_blob blob;
	uint8_t mac[32];
	CK_ULONG len = sizeof mac;
	CK_RV rv;

	switch (role) {
	case HSM_ROLE_ROOT:
		return hsm_generate_wrapped(session, HSM_ROLE_RING_KEK, key, &blob, err);
	case HSM_ROLE_VERSION:
		return same_cipher_key(session, key, key, err);
	case HSM_ROLE_SEAL:
		rv = hsm_C_SignInit(module, session->handle, &mech, key);
		if (rv == CKR_OK)
			rv = hsm_C_Sign(module, session->handle, words, sizeof words, mac, &len);
		if (rv == CKR_OK)
			rv = hsm_C_VerifyInit(module, session->handle, &mech, key);
		if (rv == CKR_OK)
			rv = hsm_C_Verify(module, session->handle, words, sizeof words, mac, len);
		return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, "HMAC-SHA256", rv);
	default:
		return CLV_OK; /* an anchor's use is its label: location.c tries it */
	}
}

clv_rc hsm_create_locked(struct hsm_session *session, enum hsm_role role, const uint8_t *id,
			 const char *label, struct clv_err *err)
{
	CK_OBJECT_HANDLE object;
	CK_ULONG there;
	clv_rc rc;

	/*
	 * SoftHSM takes in what other processes made when it searches; a creation makes it believe
	 * that it has, and what they made in between stays unseen. So it searches first.
	 */
	CLV_TRY(hsm_find_all(session, CKO_SECRET_KEY, id, &object, 1, &there, err));
	CLV_TRY(hsm_softhsm_make_begin(session->hsm, err));
	rc = hsm_generate(session, role, HSM_BORN_TOKEN, id, label, &object, err);
	hsm_softhsm_make_end(session->hsm);
	CLV_TRY(rc);
	rc = try_token_key(session, role, object, err);
	if (rc != CLV_OK)
		hsm_session_destroy(session, object);
	return rc;
}

clv_rc hsm_destroy_locked(struct hsm_session *session, enum hsm_role role, const uint8_t *id,
			  struct clv_err *err)
{
	static const CK_OBJECT_CLASS secret[] = { CKO_SECRET_KEY },
				     pair[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };
	const CK_OBJECT_CLASS *class = role == HSM_ROLE_LOG ? pair : secret;
	size_t n = role == HSM_ROLE_LOG ? 2 : 1;

	for (size_t i = 0; i < n; i++) {
		CK_OBJECT_HANDLE object[4];
		CK_ULONG found;
		CK_RV rv;

		do { /* a kill can have left several half-made ones */
			CLV_TRY(hsm_find_all(session, class[i], id, object, CLV_ARRAY_LEN(object),
					     &found, err));
			for (CK_ULONG j = 0; j < found; j++) {
				rv = hsm_C_DestroyObject(session->hsm->module, session->handle,
							 object[j]);
				if (rv != CKR_OK)
					return hsm_session_fail(session, err, "C_DestroyObject",
								rv);
			}
		} while (found == CLV_ARRAY_LEN(object));
	}
	return CLV_OK;
}

struct object_args {
	enum hsm_role role;
	const uint8_t *id;
	const char *label; /* create */
	bool enabled;      /* set_enabled */
	clv_rc (*act)(struct hsm_session *session, const struct object_args *args,
		      struct clv_err *err);
};

/* Everything that makes, changes or ends a token object: alone, and not to be interrupted. */
static clv_rc object_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct object_args *args = work->arg;

	hsm_signals_block(&guard);
	CLV_TRY(hsm_lock_objects(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	return args->act(session, args, err);
}

static clv_rc act_create(struct hsm_session *session, const struct object_args *args,
			 struct clv_err *err)
{
	CLV_TRY(hsm_require_hierarchy(session->hsm, err));
	return hsm_create_locked(session, args->role, args->id, args->label, err);
}

static clv_rc act_destroy(struct hsm_session *session, const struct object_args *args,
			  struct clv_err *err)
{
	return hsm_destroy_locked(session, args->role, args->id, err);
}

static clv_rc read_flags(struct hsm_session *session, CK_OBJECT_HANDLE object, bool *ret_any,
			 bool *ret_all, struct clv_err *err)
{
	CK_BBOOL encrypt = 2, decrypt = 2;
	CK_ATTRIBUTE got[] = { { CKA_ENCRYPT, &encrypt, sizeof encrypt },
			       { CKA_DECRYPT, &decrypt, sizeof decrypt } };
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, got, 2);

	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	*ret_any = encrypt != CK_FALSE || decrypt != CK_FALSE;
	*ret_all = encrypt == CK_TRUE && decrypt == CK_TRUE;
	return CLV_OK;
}

static clv_rc act_set_enabled(struct hsm_session *session, const struct object_args *args,
			      struct clv_err *err)
{
	struct hsm_template tpl = { 0 };
	CK_OBJECT_HANDLE object;
	bool any = false, all = false;
	CK_RV rv;

	hsm_template_bool(&tpl, CKA_ENCRYPT, args->enabled);
	hsm_template_bool(&tpl, CKA_DECRYPT, args->enabled);
	CLV_TRY(hsm_find(session, CKO_SECRET_KEY, args->id, &object, err));
	CLV_TRY(hsm_softhsm_write_begin(session->hsm, err));
	rv = hsm_C_SetAttributeValue(session->hsm->module, session->handle, object, tpl.a, tpl.n);
	hsm_softhsm_write_end(session->hsm);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_SetAttributeValue", rv);
	CLV_TRY(read_flags(session, object, &any, &all, err));
	if (args->enabled ? !all : any)
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"the token took the key's usage flags but did not change them");
	return CLV_OK;
}

clv_rc hsm_key_create(struct hsm *hsm, const struct clv_grant *grant, enum hsm_role role,
		      const uint8_t id[HSM_ID_LEN], const char *label, struct clv_err *err)
{
	struct object_args args = { .role = role, .id = id, .label = label, .act = act_create };
	struct hsm_work work = { .run = object_run, .arg = &args };

	clv_grant_assert(grant);
	assert(role == HSM_ROLE_VERSION);
	return hsm_work_once(hsm, &work, err); /* twice could make two */
}

clv_rc hsm_key_destroy(struct hsm *hsm, const struct clv_grant *grant, enum hsm_role role,
		       const uint8_t id[HSM_ID_LEN], struct clv_err *err)
{
	struct object_args args = { .role = role, .id = id, .act = act_destroy };
	struct hsm_work work = { .run = object_run, .arg = &args };

	clv_grant_assert(grant);
	hsm_key_evict(hsm, id);
	return hsm_work_do(hsm, &work, err);
}

clv_rc hsm_key_set_enabled(struct hsm *hsm, const struct clv_grant *grant,
			   const uint8_t id[HSM_ID_LEN], bool enabled, struct clv_err *err)
{
	struct object_args args = {
		.role = HSM_ROLE_VERSION, .id = id, .enabled = enabled, .act = act_set_enabled
	};
	struct hsm_work work = { .run = object_run, .arg = &args };
	clv_rc rc;

	clv_grant_assert(grant);
	rc = hsm_work_do(hsm, &work, err);
	if (rc == CLV_E_NOT_FOUND)
		return clv_fail(err, CLV_E_DATA_LOSS, "the key is gone from the token");
	return rc;
}
