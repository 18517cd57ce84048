/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, wrapping, unwrapping and ending keys. Whatever is made is read back and tried before
 * anybody hears of it. Not for using keys: see crypt.c.
 */
#include <stdio.h>
#include <string.h>

#include "hsm/internal.h"

/* ---- session objects that go when the scope ends ---- */

void hsm_scrap_add(struct hsm_scrap *scrap, CK_OBJECT_HANDLE object)
{
	assert(scrap->n < CLV_ARRAY_LEN(scrap->object));
	scrap->object[scrap->n++] = object;
}

/* The only session cannot be given up: it holds all keys. */
void hsm_session_spoil(struct hsm_session *session)
{
	session->dead = session->dead || !session->hsm->pool.shared;
}

clv_rc hsm_making_fail(struct hsm_session *session, enum hsm_birth birth, const char *op, CK_RV rv,
		       struct clv_err *err)
{
	clv_rc rc = hsm_session_fail(session, err, op, rv);

	if (birth == HSM_BORN_SESSION || birth == HSM_BORN_IMPORTED)
		hsm_session_spoil(session);
	return rc;
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
		hsm_session_spoil(session);
}

void hsm_scrap_destroy(struct hsm_scrap *scrap)
{
	while (scrap->n > 0)
		hsm_session_destroy(scrap->session, scrap->object[--scrap->n]);
}

/* ---- making ---- */

static clv_rc generate_unchecked(struct hsm_session *session, const struct hsm_kind *kind,
				 enum hsm_birth birth, const uint8_t *id, const char *label,
				 CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	CK_MECHANISM mech = { hsm_kind_generator(kind), NULL, 0 };
	struct hsm_template tpl;
	CK_RV rv;

	hsm_template_key(session->hsm, kind, birth, id, label, &tpl);
	rv = hsm_C_GenerateKey(session->hsm->module, session->handle, &mech, tpl.a, tpl.n,
			       ret_object);
	return rv == CKR_OK ? CLV_OK : hsm_making_fail(session, birth, "C_GenerateKey", rv, err);
}

clv_rc hsm_generate(struct hsm_session *session, const struct hsm_kind *kind, enum hsm_birth birth,
		    const uint8_t *id, const char *label, CK_OBJECT_HANDLE *ret_object,
		    struct clv_err *err)
{
	CK_OBJECT_HANDLE object;
	clv_rc rc;

	CLV_TRY(generate_unchecked(session, kind, birth, id, label, &object, err));
	rc = hsm_attributes_check(session, object, kind, birth, CLV_E_UNIMPLEMENTED, err);
	if (rc != CLV_OK) {
		hsm_session_destroy(session, object);
		return rc;
	}
	*ret_object = object;
	return CLV_OK;
}

clv_rc hsm_wrap(struct hsm_session *session, CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE key,
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

static CK_RV unwrap(struct hsm_session *session, const struct hsm_kind *kind,
		    CK_OBJECT_HANDLE parent, struct clv_bytes blob, CK_OBJECT_HANDLE *ret_object)
{
	CK_MECHANISM mech = { session->hsm->caps.wrap_mech, NULL, 0 };
	struct hsm_template tpl;

	hsm_template_key(session->hsm, kind, HSM_BORN_UNWRAPPED, NULL, NULL, &tpl);
	return hsm_C_UnwrapKey(session->hsm->module, session->handle, &mech, parent,
			       hsm_input(blob.data), blob.len, tpl.a, tpl.n, ret_object);
}

/* Can this key still wrap and unwrap at all? Tells a damaged blob from a sick token. A root wraps
 * ring KEKs, a ring KEK the simplest of versions. */
static bool unwrap_canary(struct hsm_session *session, const struct hsm_kind *of,
			  CK_OBJECT_HANDLE parent)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	const struct hsm_kind *kind = hsm_kind_get(
		of->role == HSM_ROLE_RING_KEK ? HSM_ROLE_RING_KEK : HSM_ROLE_VERSION, 0);
	CK_OBJECT_HANDLE key, again;
	struct hsm_blob blob;
	struct clv_err ignored;

	if (hsm_generate(session, kind, HSM_BORN_SESSION, NULL, NULL, &key, &ignored) != CLV_OK)
		return false;
	hsm_scrap_add(&scrap, key);
	if (hsm_wrap(session, parent, key, &blob, &ignored) != CLV_OK ||
	    unwrap(session, kind, parent, (struct clv_bytes){ blob.bytes, blob.len }, &again) !=
		    CKR_OK)
		return false;
	hsm_scrap_add(&scrap, again);
	return true;
}

/*
 * Is this the blob of a secret key of the right length? Not all tokens tell the length of what they
 * unwrapped, but the known formats do.
 */
static bool blob_fits(const struct hsm_caps *caps, const struct hsm_kind *kind, size_t len)
{
	size_t padded = (kind->bits / 8 + 7) / 8 * 8;

	if (hsm_kind_is_pair(kind) || (strcmp(caps->wrap_format, "RFC 5649") != 0 &&
				       strcmp(caps->wrap_format, "RFC 3394") != 0))
		return true;
	return len == padded + 8;
}

clv_rc hsm_unwrap(struct hsm_session *keeper, const struct hsm_kind *kind, CK_OBJECT_HANDLE parent,
		  struct clv_bytes blob, CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	CK_OBJECT_HANDLE object;
	enum hsm_class class;
	clv_rc rc;
	CK_RV rv;

	if (!blob_fits(&keeper->hsm->caps, kind, blob.len))
		return clv_fail(err, CLV_E_DATA_LOSS,
				"a wrapped key has %zu bytes, not those of a %s: the catalogue was "
				"altered",
				blob.len, kind->name);
	rv = unwrap(keeper, kind, parent, blob, &object);
	class = hsm_rv_class(rv);

	/* A hiccup must not be taken for a damaged blob: what fails twice on a healthy token is
	 * one. */
	if (class == HSM_CLASS_AMBIGUOUS && unwrap_canary(keeper, kind, parent)) {
		rv = unwrap(keeper, kind, parent, blob, &object);
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
	rc = hsm_attributes_check(keeper, object, kind, HSM_BORN_UNWRAPPED, CLV_E_UNIMPLEMENTED,
				  err);
	if (rc == CLV_OK && kind->role == HSM_ROLE_VERSION)
		rc = hsm_kind_check(keeper, kind, object, err);
	if (rc != CLV_OK) {
		hsm_session_destroy(keeper, object);
		return rc;
	}
	*ret_object = object;
	return CLV_OK;
}

clv_rc hsm_wrap_checked(struct hsm_session *session, const struct hsm_kind *kind,
			CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE original, EVP_PKEY *public,
			struct hsm_blob *ret_blob, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE again;
	struct hsm_blob blob;

	CLV_TRY(hsm_wrap(session, parent, original, &blob, err));
	CLV_TRY(hsm_unwrap(session, kind, parent, (struct clv_bytes){ blob.bytes, blob.len },
			   &again, err));
	hsm_scrap_add(&scrap, again);
	if (hsm_kind_is_pair(kind))
		CLV_TRY(hsm_same_pair(session, kind, again, public, err));
	else
		CLV_TRY(hsm_same_secret(session, kind, original, again, err));
	*ret_blob = blob;
	return CLV_OK;
}

/* A pair as session objects of a scrap, and its public half. */
static clv_rc generate_pair(struct hsm_scrap *scrap, const struct hsm_kind *kind,
			    CK_OBJECT_HANDLE *ret_private, EVP_PKEY **ret_public,
			    struct clv_err *err)
{
	CK_OBJECT_HANDLE public;

	CLV_TRY(hsm_generate_pair(scrap->session, kind, HSM_BORN_SESSION, NULL, NULL, &public,
				  ret_private, err));
	hsm_scrap_add(scrap, *ret_private);
	hsm_scrap_add(scrap, public);
	return hsm_public_read(scrap->session, kind, public, ret_public, err);
}

clv_rc hsm_generate_wrapped(struct hsm_session *session, const struct hsm_kind *kind,
			    CK_OBJECT_HANDLE parent, struct hsm_blob *ret_blob,
			    struct hsm_public *ret_public, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = NULL;
	struct hsm_public public = { .len = 0 };
	CK_OBJECT_HANDLE original;

	if (hsm_kind_is_pair(kind)) {
		CLV_TRY(generate_pair(&scrap, kind, &original, &key, err));
		CLV_TRY(hsm_public_der(key, &public, err));
	} else {
		CLV_TRY(hsm_generate(session, kind, HSM_BORN_SESSION, NULL, NULL, &original, err));
		hsm_scrap_add(&scrap, original);
	}
	CLV_TRY(hsm_wrap_checked(session, kind, parent, original, key, ret_blob, err));
	if (ret_public != NULL)
		*ret_public = public;
	return CLV_OK;
}

/* ---- wrapped keys ---- */

struct generate_args {
	const struct hsm_kind *kind;
	const struct hsm_keyref *parent;
	struct hsm_blob *ret_blob;
	struct hsm_public *ret_public;
};

static clv_rc generate_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin parent = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	const struct generate_args *args = work->arg;
	clv_rc rc;

	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_key_pin(hsm, args->parent, &parent, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	rc = hsm_generate_wrapped(session, args->kind, parent.handle, args->ret_blob,
				  args->ret_public, err);
	return hsm_pin_judge(&parent, rc, err);
}

clv_rc hsm_generate_below(struct hsm *hsm, const struct hsm_kind *kind,
			  const struct hsm_keyref *parent, struct hsm_blob *ret_blob,
			  struct hsm_public *ret_public, struct clv_err *err)
{
	struct generate_args args = { kind, parent, ret_blob, ret_public };
	struct hsm_work work = { .run = generate_run, .arg = &args };

	return hsm_work_do(hsm, &work, err);
}

clv_rc hsm_key_generate(struct hsm *hsm, const struct clv_grant *grant, enum hsm_role role,
			const struct hsm_keyref *parent, struct hsm_blob *ret_blob,
			struct clv_err *err)
{
	clv_grant_assert(grant);
	assert(role == HSM_ROLE_RING_KEK || role == HSM_ROLE_VERSION);
	return hsm_generate_below(hsm, hsm_kind_get(role, 0), parent, ret_blob, NULL, err);
}

/* ---- token objects ---- */

/* Tries a secret key that is a token object in the way it will be used. */
static clv_rc try_secret(struct hsm_session *session, const struct hsm_kind *kind,
			 CK_OBJECT_HANDLE key, struct clv_err *err)
{
	struct hsm_blob blob;

	switch (kind->scheme) {
	case HSM_SCHEME_WRAP:
		return hsm_generate_wrapped(session, hsm_kind_get(HSM_ROLE_RING_KEK, 0), key, &blob,
					    NULL, err);
	case HSM_SCHEME_NONE:
		return CLV_OK; /* an anchor's use is its label: location.c tries it */
	default:
		return hsm_same_secret(session, kind, key, key, err);
	}
}

static clv_rc create_secret(struct hsm_session *session, const struct hsm_kind *kind,
			    const uint8_t *id, const char *label, struct clv_err *err)
{
	CK_OBJECT_HANDLE object;
	clv_rc rc;

	CLV_TRY(hsm_softhsm_make_begin(session->hsm, err));
	rc = hsm_generate(session, kind, HSM_BORN_TOKEN, id, label, &object, err);
	hsm_softhsm_make_end(session->hsm);
	CLV_TRY(rc);
	rc = try_secret(session, kind, object, err);
	if (rc != CLV_OK)
		hsm_session_destroy(session, object);
	return rc;
}

static clv_rc try_pair(struct hsm_session *session, const struct hsm_kind *kind,
		       CK_OBJECT_HANDLE public, CK_OBJECT_HANDLE private,
		       struct hsm_public *ret_public, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = NULL;

	CLV_TRY(hsm_public_read(session, kind, public, &key, err));
	CLV_TRY(hsm_same_pair(session, kind, private, key, err));
	return hsm_public_der(key, ret_public, err);
}

static clv_rc create_pair(struct hsm_session *session, const struct hsm_kind *kind,
			  const uint8_t *id, const char *label, struct hsm_public *ret_public,
			  struct clv_err *err)
{
	CK_OBJECT_HANDLE public, private;
	clv_rc rc;

	CLV_TRY(hsm_softhsm_make_begin(session->hsm, err));
	rc = hsm_generate_pair(session, kind, HSM_BORN_TOKEN, id, label, &public, &private, err);
	hsm_softhsm_make_end(session->hsm);
	CLV_TRY(rc);
	rc = try_pair(session, kind, public, private, ret_public, err);
	if (rc != CLV_OK) {
		hsm_session_destroy(session, private);
		hsm_session_destroy(session, public);
	}
	return rc;
}

clv_rc hsm_create_locked(struct hsm_session *session, const struct hsm_kind *kind,
			 const uint8_t *id, const char *label, struct hsm_public *ret_public,
			 struct clv_err *err)
{
	struct hsm_public public = { .len = 0 };
	CK_OBJECT_HANDLE object;
	CK_ULONG there;

	/*
	 * SoftHSM takes in what other processes made when it searches; a creation makes it believe
	 * that it has, and what they made in between stays unseen. So it searches first.
	 */
	CLV_TRY(hsm_find_all(session, kind->class, id, &object, 1, &there, err));
	CLV_TRY(hsm_kind_is_pair(kind) ? create_pair(session, kind, id, label, &public, err)
				       : create_secret(session, kind, id, label, err));
	if (ret_public != NULL)
		*ret_public = public;
	return CLV_OK;
}

static clv_rc destroy_class(struct hsm_session *session, CK_OBJECT_CLASS class, const uint8_t *id,
			    struct clv_err *err)
{
	CK_OBJECT_HANDLE object[4];
	CK_ULONG found;
	CK_RV rv;

	do { /* a kill can have left several half-made ones */
		CLV_TRY(hsm_find_all(session, class, id, object, CLV_ARRAY_LEN(object), &found,
				     err));
		for (CK_ULONG i = 0; i < found; i++) {
			rv = hsm_C_DestroyObject(session->hsm->module, session->handle, object[i]);
			if (rv != CKR_OK)
				return hsm_session_fail(session, err, "C_DestroyObject", rv);
		}
	} while (found == CLV_ARRAY_LEN(object));
	return CLV_OK;
}

/* Who undoes what a crash left does not know what kind of version it was to be. */
clv_rc hsm_destroy_locked(struct hsm_session *session, enum hsm_role role, const uint8_t *id,
			  struct clv_err *err)
{
	bool pair = role == HSM_ROLE_LOG || role == HSM_ROLE_VERSION;
	bool secret = role != HSM_ROLE_LOG;

	if (pair)
		CLV_TRY(destroy_class(session, CKO_PRIVATE_KEY, id, err));
	if (pair)
		CLV_TRY(destroy_class(session, CKO_PUBLIC_KEY, id, err));
	return secret ? destroy_class(session, CKO_SECRET_KEY, id, err) : CLV_OK;
}

/* Everything that makes, changes or ends a token object: alone, and not to be interrupted. */
clv_rc hsm_act_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct hsm_act *args = work->arg;

	hsm_signals_block(&guard);
	CLV_TRY(hsm_lock_objects(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	return args->act(session, args, err);
}

clv_rc hsm_act_create(struct hsm_session *session, const struct hsm_act *args, struct clv_err *err)
{
	CLV_TRY(hsm_require_hierarchy(session->hsm, err));
	return hsm_create_locked(session, args->kind, args->id, args->label, args->ret_public, err);
}

static clv_rc act_destroy(struct hsm_session *session, const struct hsm_act *args,
			  struct clv_err *err)
{
	return hsm_destroy_locked(session, args->kind->role, args->id, err);
}

/* Are all the usage flags of a template what it asks for? */
static clv_rc check_flags(struct hsm_session *session, CK_OBJECT_HANDLE object,
			  const struct hsm_template *tpl, struct clv_err *err)
{
	CK_BBOOL value[2] = { 2, 2 };
	CK_ATTRIBUTE got[2];
	CK_RV rv;

	assert(tpl->n <= CLV_ARRAY_LEN(got));
	for (CK_ULONG i = 0; i < tpl->n; i++)
		got[i] = (CK_ATTRIBUTE){ tpl->a[i].type, &value[i], sizeof value[i] };
	rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, got, tpl->n);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	for (CK_ULONG i = 0; i < tpl->n; i++) {
		if (value[i] != *(const CK_BBOOL *) tpl->a[i].pValue)
			return clv_fail(err, CLV_E_UNAVAILABLE,
					"the token took the key's usage flags but did not change "
					"them");
	}
	return CLV_OK;
}

static clv_rc act_set_enabled(struct hsm_session *session, const struct hsm_act *args,
			      struct clv_err *err)
{
	struct hsm_template tpl;
	CK_OBJECT_HANDLE object;
	CK_RV rv;

	hsm_template_usages(args->kind, args->enabled, &tpl);
	CLV_TRY(hsm_find(session, args->kind->class, args->id, &object, err));
	CLV_TRY(hsm_softhsm_write_begin(session->hsm, err));
	rv = hsm_C_SetAttributeValue(session->hsm->module, session->handle, object, tpl.a, tpl.n);
	hsm_softhsm_write_end(session->hsm);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_SetAttributeValue", rv);
	return check_flags(session, object, &tpl, err);
}

clv_rc hsm_key_create(struct hsm *hsm, const struct clv_grant *grant, enum hsm_role role,
		      const uint8_t id[HSM_ID_LEN], const char *label, struct clv_err *err)
{
	struct hsm_act args = {
		.kind = hsm_kind_get(role, 0), .id = id, .label = label, .act = hsm_act_create
	};
	struct hsm_work work = { .run = hsm_act_run, .arg = &args };

	clv_grant_assert(grant);
	assert(role == HSM_ROLE_VERSION);
	return hsm_work_once(hsm, &work, err); /* twice could make two */
}

clv_rc hsm_key_destroy(struct hsm *hsm, const struct clv_grant *grant, enum hsm_role role,
		       const uint8_t id[HSM_ID_LEN], struct clv_err *err)
{
	struct hsm_act args = { .kind = hsm_kind_get(role, 0), .id = id, .act = act_destroy };
	struct hsm_work work = { .run = hsm_act_run, .arg = &args };

	clv_grant_assert(grant);
	hsm_key_evict(hsm, id);
	return hsm_work_do(hsm, &work, err);
}

clv_rc hsm_key_set_enabled(struct hsm *hsm, const struct clv_grant *grant,
			   enum clv_algorithm algorithm, const uint8_t id[HSM_ID_LEN], bool enabled,
			   struct clv_err *err)
{
	struct hsm_act args = { .kind = hsm_kind_get(HSM_ROLE_VERSION, algorithm),
				.id = id,
				.enabled = enabled,
				.act = act_set_enabled };
	struct hsm_work work = { .run = hsm_act_run, .arg = &args };
	clv_rc rc;

	clv_grant_assert(grant);
	if (args.kind == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"algorithm number %d is not one that is offered here",
				(int) algorithm);
	rc = hsm_work_do(hsm, &work, err);
	if (rc == CLV_E_NOT_FOUND)
		return clv_fail(err, CLV_E_DATA_LOSS, "the key is gone from the token");
	return rc;
}
