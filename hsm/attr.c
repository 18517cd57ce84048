/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: what each key is made with and what must still be there when it is read back. The
 * protections are constants of this file; nothing can ask for less.
 */
#include <string.h>

#include "hsm/internal.h"

#include "lib/base/bytes.h"

/* Usage flags: which keys have them, and what flag the public half of a pair has for them. */
static const struct usage_row {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	bool of_private;
	CK_ATTRIBUTE_TYPE of_public; /* 0: none */
} usages[] = {
	{ CKA_ENCRYPT, "ENCRYPT", false, 0 },   { CKA_DECRYPT, "DECRYPT", true, CKA_ENCRYPT },
	{ CKA_WRAP, "WRAP", false, 0 },         { CKA_UNWRAP, "UNWRAP", true, CKA_WRAP },
	{ CKA_SIGN, "SIGN", true, CKA_VERIFY }, { CKA_VERIFY, "VERIFY", false, 0 },
	{ CKA_DERIVE, "DERIVE", true, 0 },
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static CK_ATTRIBUTE *add(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type)
{
	assert(tpl->n < HSM_TEMPLATE_MAX);
	tpl->a[tpl->n].type = type;
	return &tpl->a[tpl->n++];
}

void hsm_template_bool(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type, bool value)
{
	CK_ATTRIBUTE *a = add(tpl, type);

	a->pValue = value ? &yes : &no;
	a->ulValueLen = sizeof yes;
}

void hsm_template_ulong(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
	CK_ATTRIBUTE *a = add(tpl, type);

	assert(tpl->n_scalar < CLV_ARRAY_LEN(tpl->scalar));
	tpl->scalar[tpl->n_scalar] = value;
	a->pValue = &tpl->scalar[tpl->n_scalar++];
	a->ulValueLen = sizeof value;
}

void hsm_template_bytes(struct hsm_template *tpl, CK_ATTRIBUTE_TYPE type, const void *bytes,
			size_t len)
{
	CK_ATTRIBUTE *a = add(tpl, type);

	a->pValue = hsm_input(bytes);
	a->ulValueLen = len;
}

static void add_nested(struct hsm_template *tpl, const CK_ATTRIBUTE_TYPE *on, size_t n_on,
		       const CK_ATTRIBUTE_TYPE *off, size_t n_off)
{
	CK_ULONG n = 0;

	for (size_t i = 0; i < n_on; i++)
		tpl->nested[n++] = (CK_ATTRIBUTE){ on[i], &yes, sizeof yes };
	for (size_t i = 0; i < n_off; i++)
		tpl->nested[n++] = (CK_ATTRIBUTE){ off[i], &no, sizeof no };
	assert(n <= CLV_ARRAY_LEN(tpl->nested));
	hsm_template_bytes(tpl, CKA_UNWRAP_TEMPLATE, tpl->nested, n * sizeof *tpl->nested);
}

/*
 * What the token shall insist on when something is unwrapped with this key: a second net below our
 * own templates, which repeat it. A root does not name EXTRACTABLE: its rotation unwraps a ring KEK
 * as an extractable session key for one re-wrap. Below a ring KEK only what secret and private
 * keys both have can be named.
 */
static void add_unwrap_template(struct hsm_template *tpl, enum hsm_role role)
{
	static const CK_ATTRIBUTE_TYPE on[] = { CKA_SENSITIVE };
	static const CK_ATTRIBUTE_TYPE below_root[] = { CKA_ENCRYPT,   CKA_DECRYPT, CKA_SIGN,
							CKA_VERIFY,    CKA_DERIVE,  CKA_COPYABLE,
							CKA_MODIFIABLE };
	static const CK_ATTRIBUTE_TYPE below_ring[] = { CKA_EXTRACTABLE, CKA_DERIVE, CKA_COPYABLE,
							CKA_MODIFIABLE };

	if (role == HSM_ROLE_ROOT)
		add_nested(tpl, on, 1, below_root, CLV_ARRAY_LEN(below_root));
	else if (role == HSM_ROLE_RING_KEK)
		add_nested(tpl, on, 1, below_ring, CLV_ARRAY_LEN(below_ring));
}

/* Flags of a version in the token are written later, and the labels of anchors. */
static bool born_modifiable(const struct hsm_kind *kind, enum hsm_birth birth)
{
	return birth == HSM_BORN_TOKEN &&
	       (kind->role == HSM_ROLE_VERSION || kind->role == HSM_ROLE_ANCHOR);
}

static bool born_extractable(enum hsm_birth birth)
{
	return birth == HSM_BORN_SESSION || birth == HSM_BORN_IMPORTED;
}

static bool born_here(enum hsm_birth birth)
{
	return birth == HSM_BORN_TOKEN || birth == HSM_BORN_SESSION;
}

static bool has_flag(const struct hsm_kind *kind, const struct usage_row *usage)
{
	return !hsm_kind_is_pair(kind) || usage->of_private;
}

static void add_identity(struct hsm_template *tpl, const uint8_t *id, const char *label)
{
	*tpl = (struct hsm_template){ 0 };
	if (id != NULL)
		hsm_template_bytes(tpl, CKA_ID, id, HSM_ID_LEN);
	if (label != NULL)
		hsm_template_bytes(tpl, CKA_LABEL, label, strlen(label));
}

/* An imported AES key is also to tell which key it is, before it is wrapped as what it will be. */
static void add_mechanisms(struct hsm_template *tpl, const struct hsm *hsm,
			   const struct hsm_kind *kind, enum hsm_birth birth)
{
	size_t n = 1;

	tpl->mech[0] = hsm_kind_mechanism(hsm, kind);
	if (birth == HSM_BORN_IMPORTED && kind->type == CKK_AES && kind->role == HSM_ROLE_VERSION)
		tpl->mech[n++] = CKM_AES_ECB;
	if (tpl->mech[0] != 0)
		hsm_template_bytes(tpl, CKA_ALLOWED_MECHANISMS, tpl->mech, n * sizeof *tpl->mech);
}

void hsm_template_key(const struct hsm *hsm, const struct hsm_kind *kind, enum hsm_birth birth,
		      const uint8_t *id, const char *label, struct hsm_template *tpl)
{
	add_identity(tpl, id, label);
	hsm_template_ulong(tpl, CKA_CLASS, kind->class);
	hsm_template_ulong(tpl, CKA_KEY_TYPE, kind->type);
	/* SoftHSM fails when it is told the length that it can see. */
	if (!hsm_kind_is_pair(kind) && born_here(birth))
		hsm_template_ulong(tpl, CKA_VALUE_LEN, kind->bits / 8);
	hsm_template_bool(tpl, CKA_TOKEN, birth == HSM_BORN_TOKEN);
	hsm_template_bool(tpl, CKA_PRIVATE, true);
	hsm_template_bool(tpl, CKA_SENSITIVE, true);
	hsm_template_bool(tpl, CKA_EXTRACTABLE, born_extractable(birth));
	for (size_t i = 0; i < CLV_ARRAY_LEN(usages); i++) {
		if (has_flag(kind, &usages[i]))
			hsm_template_bool(tpl, usages[i].type, hsm_kind_uses(kind, usages[i].type));
	}
	if (hsm->caps.allowed_mechanisms)
		add_mechanisms(tpl, hsm, kind, birth);
	if (hsm->caps.unwrap_template)
		add_unwrap_template(tpl, kind->role);
	if (hsm->caps.copyable)
		hsm_template_bool(tpl, CKA_COPYABLE, false);
	if (hsm->caps.modifiable) /* last: SoftHSM applies a template in order */
		hsm_template_bool(tpl, CKA_MODIFIABLE, born_modifiable(kind, birth));
}

void hsm_template_public(const struct hsm *hsm, const struct hsm_kind *kind, enum hsm_birth birth,
			 const uint8_t *id, const char *label, const struct hsm_curve *curve,
			 struct hsm_template *tpl)
{
	static const uint8_t exponent[] = { 1, 0, 1 };

	add_identity(tpl, id, label);
	hsm_template_bool(tpl, CKA_TOKEN, birth == HSM_BORN_TOKEN);
	hsm_template_bool(tpl, CKA_PRIVATE, false);
	for (size_t i = 0; i < CLV_ARRAY_LEN(usages); i++) {
		if (usages[i].of_public != 0)
			hsm_template_bool(tpl, usages[i].of_public,
					  hsm_kind_uses(kind, usages[i].type));
	}
	if (curve != NULL) {
		hsm_template_bytes(tpl, CKA_EC_PARAMS, curve->params, curve->params_len);
	} else {
		hsm_template_ulong(tpl, CKA_MODULUS_BITS, kind->bits);
		hsm_template_bytes(tpl, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
	}
	if (hsm->caps.modifiable)
		hsm_template_bool(tpl, CKA_MODIFIABLE, false);
}

void hsm_template_usages(const struct hsm_kind *kind, bool enabled, struct hsm_template *tpl)
{
	*tpl = (struct hsm_template){ 0 };
	for (size_t i = 0; i < CLV_ARRAY_LEN(usages); i++) {
		if (hsm_kind_uses(kind, usages[i].type))
			hsm_template_bool(tpl, usages[i].type, enabled);
	}
}

struct expected {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	bool value;
};

static size_t expect(const struct hsm *hsm, const struct hsm_kind *kind, enum hsm_birth birth,
		     struct expected *list)
{
	size_t n = 0;

	list[n++] = (struct expected){ CKA_TOKEN, "TOKEN", birth == HSM_BORN_TOKEN };
	list[n++] = (struct expected){ CKA_PRIVATE, "PRIVATE", true };
	list[n++] = (struct expected){ CKA_SENSITIVE, "SENSITIVE", true };
	list[n++] = (struct expected){ CKA_EXTRACTABLE, "EXTRACTABLE", born_extractable(birth) };
	if (born_here(birth)) { /* an unwrapped key has been outside, so it cannot say these */
		list[n++] = (struct expected){ CKA_LOCAL, "LOCAL", true };
		list[n++] = (struct expected){ CKA_ALWAYS_SENSITIVE, "ALWAYS_SENSITIVE", true };
	}
	if (birth == HSM_BORN_TOKEN)
		list[n++] = (struct expected){ CKA_NEVER_EXTRACTABLE, "NEVER_EXTRACTABLE", true };
	for (size_t i = 0; i < CLV_ARRAY_LEN(usages); i++) {
		bool uses = hsm_kind_uses(kind, usages[i].type);

		if (!has_flag(kind, &usages[i]))
			continue;
		if (uses && kind->role == HSM_ROLE_VERSION && birth == HSM_BORN_TOKEN)
			continue; /* off while the version is disabled */
		list[n++] = (struct expected){ usages[i].type, usages[i].name, uses };
	}
	if (hsm->caps.copyable)
		list[n++] = (struct expected){ CKA_COPYABLE, "COPYABLE", false };
	if (hsm->caps.modifiable)
		list[n++] = (struct expected){ CKA_MODIFIABLE, "MODIFIABLE",
					       born_modifiable(kind, birth) };
	return n;
}

clv_rc hsm_attributes_check(struct hsm_session *session, CK_OBJECT_HANDLE object,
			    const struct hsm_kind *kind, enum hsm_birth birth, clv_rc rc_weak,
			    struct clv_err *err)
{
	struct expected want[HSM_TEMPLATE_MAX];
	CK_ATTRIBUTE got[HSM_TEMPLATE_MAX + 2];
	CK_BBOOL value[HSM_TEMPLATE_MAX];
	CK_OBJECT_CLASS class = 0;
	CK_KEY_TYPE type = 0;
	size_t n = expect(session->hsm, kind, birth, want);
	CK_RV rv;

	for (size_t i = 0; i < n; i++) {
		value[i] = 2; /* neither true nor false */
		got[i] = (CK_ATTRIBUTE){ want[i].type, &value[i], sizeof value[i] };
	}
	got[n] = (CK_ATTRIBUTE){ CKA_CLASS, &class, sizeof class };
	got[n + 1] = (CK_ATTRIBUTE){ CKA_KEY_TYPE, &type, sizeof type };
	rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, got, n + 2);
	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	if (class != kind->class || type != kind->type)
		return clv_fail(err, rc_weak,
				"the %s in the token is of another kind (class %lu, type %lu)",
				kind->name, class, type);
	for (size_t i = 0; i < n; i++) {
		if (got[i].ulValueLen != sizeof value[i] ||
		    value[i] != (want[i].value ? CK_TRUE : CK_FALSE))
			return clv_fail(err, rc_weak,
					"the %s in the token is weaker than asked: %s is not %d",
					kind->name, want[i].name, want[i].value);
	}
	return CLV_OK;
}

/* ---- is it of its kind? ---- */

#define RSA_MAX 513 /* bytes: a modulus of 4096 bits, with a leading zero */

static unsigned bits_of(const uint8_t *number, size_t len)
{
	unsigned bits;

	while (len > 0 && *number == 0) {
		number++;
		len--;
	}
	if (len == 0)
		return 0;
	bits = (unsigned) len * 8;
	for (unsigned top = *number; top < 0x80; top <<= 1)
		bits--;
	return bits;
}

static bool is_curve_of(const struct hsm_kind *kind, const uint8_t *params, size_t len)
{
	const struct hsm_curve *curve;

	for (size_t i = 0; (curve = hsm_curve_get(kind, i)) != NULL; i++) {
		if (curve->params_len == len && clv_same(curve->params, params, len))
			return true;
	}
	return false;
}

/* What in a value as read back does not fit a kind. NULL: nothing. */
static const char *misfit_of(const struct hsm_kind *kind, const CK_ATTRIBUTE *got)
{
	static const char length[] = "its length is another one";
	CK_ULONG len = 0;

	switch (got->type) {
	case CKA_MODULUS:
		return bits_of(got->pValue, got->ulValueLen) == kind->bits ? NULL : length;
	case CKA_EC_PARAMS:
		return is_curve_of(kind, got->pValue, got->ulValueLen) ? NULL
								       : "its curve is another one";
	default:
		if (got->ulValueLen == sizeof len)
			memcpy(&len, got->pValue, sizeof len);
		/* Some tokens do not know the length of what they unwrapped. */
		return len == 0 || len == kind->bits / 8 ? NULL : length;
	}
}

clv_rc hsm_kind_misfit(struct hsm_session *session, const struct hsm_kind *kind,
		       CK_OBJECT_HANDLE object, const char **ret_misfit, struct clv_err *err)
{
	uint8_t value[RSA_MAX];
	CK_ATTRIBUTE got = { CKA_VALUE_LEN, value, sizeof value };
	CK_RV rv;

	if (hsm_kind_is_pair(kind))
		got.type = kind->type == CKK_RSA ? CKA_MODULUS : CKA_EC_PARAMS;
	rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, &got, 1);
	if (rv == CKR_BUFFER_TOO_SMALL) {
		*ret_misfit = "it is too large";
		return CLV_OK;
	}
	if (rv != CKR_OK && (got.type != CKA_VALUE_LEN || rv != CKR_ATTRIBUTE_TYPE_INVALID))
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	*ret_misfit = rv == CKR_OK ? misfit_of(kind, &got) : NULL;
	return CLV_OK;
}

clv_rc hsm_kind_check(struct hsm_session *session, const struct hsm_kind *kind,
		      CK_OBJECT_HANDLE object, struct clv_err *err)
{
	const char *misfit;

	CLV_TRY(hsm_kind_misfit(session, kind, object, &misfit, err));
	if (misfit == NULL)
		return CLV_OK;
	return clv_fail(err, CLV_E_DATA_LOSS,
			"the %s in the token is no key of %s: %s; the catalogue was altered",
			kind->name, clv_algorithm_name(kind->algorithm), misfit);
}
