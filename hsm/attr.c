/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: what each key is made with and what must still be there when it is read back. The
 * protections are constants of this file; nothing can ask for less.
 */
#include <string.h>

#include "hsm/internal.h"

static const struct role_row {
	const char *name;
	CK_KEY_TYPE type;
	CK_ATTRIBUTE_TYPE usage[2]; /* 0: none */
	bool modifiable;            /* as a token object: its flags or label are written later */
} roles[] = {
	[HSM_ROLE_ROOT] = { "root KEK", CKK_AES, { CKA_WRAP, CKA_UNWRAP }, false },
	[HSM_ROLE_RING_KEK] = { "key-ring KEK", CKK_AES, { CKA_WRAP, CKA_UNWRAP }, false },
	[HSM_ROLE_VERSION] = { "key version", CKK_AES, { CKA_ENCRYPT, CKA_DECRYPT }, true },
	[HSM_ROLE_SEAL] = { "seal key", CKK_GENERIC_SECRET, { CKA_SIGN, CKA_VERIFY }, false },
	[HSM_ROLE_LOG] = { "log key", CKK_EC, { CKA_SIGN, 0 }, false },
	[HSM_ROLE_ANCHOR] = { "anchor", CKK_AES, { 0, 0 }, true },
	[HSM_ROLE_IMPORT] = { "import key", CKK_RSA, { CKA_UNWRAP, 0 }, false },
};

static const struct usage_row {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
} usages[] = {
	{ CKA_ENCRYPT, "ENCRYPT" }, { CKA_DECRYPT, "DECRYPT" }, { CKA_WRAP, "WRAP" },
	{ CKA_UNWRAP, "UNWRAP" },   { CKA_SIGN, "SIGN" },       { CKA_VERIFY, "VERIFY" },
	{ CKA_DERIVE, "DERIVE" },
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

static bool role_uses(enum hsm_role role, CK_ATTRIBUTE_TYPE usage)
{
	return roles[role].usage[0] == usage || roles[role].usage[1] == usage;
}

static CK_MECHANISM_TYPE role_mechanism(const struct hsm *hsm, enum hsm_role role)
{
	switch (role) {
	case HSM_ROLE_ROOT:
	case HSM_ROLE_RING_KEK:
		return hsm->caps.wrap_mech;
	case HSM_ROLE_VERSION:
		return CKM_AES_GCM;
	case HSM_ROLE_SEAL:
		return CKM_SHA256_HMAC;
	case HSM_ROLE_LOG:
	case HSM_ROLE_ANCHOR:
	case HSM_ROLE_IMPORT:
		break;
	}
	return 0;
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
 * as an extractable session key for one re-wrap.
 */
static void add_unwrap_template(struct hsm_template *tpl, enum hsm_role role)
{
	static const CK_ATTRIBUTE_TYPE on[] = { CKA_SENSITIVE };
	static const CK_ATTRIBUTE_TYPE below_root[] = { CKA_ENCRYPT,   CKA_DECRYPT, CKA_SIGN,
							CKA_VERIFY,    CKA_DERIVE,  CKA_COPYABLE,
							CKA_MODIFIABLE };
	static const CK_ATTRIBUTE_TYPE below_ring[] = { CKA_EXTRACTABLE, CKA_WRAP, CKA_UNWRAP,
							CKA_COPYABLE, CKA_MODIFIABLE };

	if (role == HSM_ROLE_ROOT)
		add_nested(tpl, on, 1, below_root, CLV_ARRAY_LEN(below_root));
	else if (role == HSM_ROLE_RING_KEK)
		add_nested(tpl, on, 1, below_ring, CLV_ARRAY_LEN(below_ring));
}

static bool born_modifiable(enum hsm_role role, enum hsm_birth birth)
{
	return birth == HSM_BORN_TOKEN && roles[role].modifiable;
}

void hsm_template_secret(const struct hsm *hsm, enum hsm_role role, enum hsm_birth birth,
			 const uint8_t *id, const char *label, struct hsm_template *tpl)
{
	*tpl = (struct hsm_template){ 0 };
	if (id != NULL)
		hsm_template_bytes(tpl, CKA_ID, id, HSM_ID_LEN);
	if (label != NULL)
		hsm_template_bytes(tpl, CKA_LABEL, label, strlen(label));
	hsm_template_ulong(tpl, CKA_CLASS, CKO_SECRET_KEY);
	hsm_template_ulong(tpl, CKA_KEY_TYPE, roles[role].type);
	if (birth != HSM_BORN_UNWRAPPED) /* SoftHSM fails when it is told the length it can see */
		hsm_template_ulong(tpl, CKA_VALUE_LEN, 32);
	hsm_template_bool(tpl, CKA_TOKEN, birth == HSM_BORN_TOKEN);
	hsm_template_bool(tpl, CKA_PRIVATE, true);
	hsm_template_bool(tpl, CKA_SENSITIVE, true);
	hsm_template_bool(tpl, CKA_EXTRACTABLE, birth == HSM_BORN_SESSION);
	for (size_t i = 0; i < CLV_ARRAY_LEN(usages); i++)
		hsm_template_bool(tpl, usages[i].type, role_uses(role, usages[i].type));
	tpl->mech = role_mechanism(hsm, role);
	if (hsm->caps.allowed_mechanisms && tpl->mech != 0)
		hsm_template_bytes(tpl, CKA_ALLOWED_MECHANISMS, &tpl->mech, sizeof tpl->mech);
	if (hsm->caps.unwrap_template)
		add_unwrap_template(tpl, role);
	if (hsm->caps.copyable)
		hsm_template_bool(tpl, CKA_COPYABLE, false);
	if (hsm->caps.modifiable) /* last: SoftHSM applies a template in order */
		hsm_template_bool(tpl, CKA_MODIFIABLE, born_modifiable(role, birth));
}

struct expected {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	bool value;
};

static size_t expect(const struct hsm *hsm, enum hsm_role role, enum hsm_birth birth,
		     struct expected *list)
{
	size_t n = 0;

	list[n++] = (struct expected){ CKA_TOKEN, "TOKEN", birth == HSM_BORN_TOKEN };
	list[n++] = (struct expected){ CKA_PRIVATE, "PRIVATE", true };
	list[n++] = (struct expected){ CKA_SENSITIVE, "SENSITIVE", true };
	list[n++] = (struct expected){ CKA_EXTRACTABLE, "EXTRACTABLE", birth == HSM_BORN_SESSION };
	if (birth !=
	    HSM_BORN_UNWRAPPED) { /* an unwrapped key has been outside, so it cannot say these */
		list[n++] = (struct expected){ CKA_LOCAL, "LOCAL", true };
		list[n++] = (struct expected){ CKA_ALWAYS_SENSITIVE, "ALWAYS_SENSITIVE", true };
	}
	if (birth == HSM_BORN_TOKEN)
		list[n++] = (struct expected){ CKA_NEVER_EXTRACTABLE, "NEVER_EXTRACTABLE", true };
	for (size_t i = 0; i < CLV_ARRAY_LEN(usages); i++) {
		bool uses = role_uses(role, usages[i].type);

		if (uses && role == HSM_ROLE_VERSION && birth == HSM_BORN_TOKEN)
			continue; /* off while the version is disabled */
		list[n++] = (struct expected){ usages[i].type, usages[i].name, uses };
	}
	if (hsm->caps.copyable)
		list[n++] = (struct expected){ CKA_COPYABLE, "COPYABLE", false };
	if (hsm->caps.modifiable)
		list[n++] = (struct expected){ CKA_MODIFIABLE, "MODIFIABLE",
					       born_modifiable(role, birth) };
	return n;
}

clv_rc hsm_attributes_check(struct hsm_session *session, CK_OBJECT_HANDLE object,
			    enum hsm_role role, enum hsm_birth birth, clv_rc rc_weak,
			    struct clv_err *err)
{
	struct expected want[HSM_TEMPLATE_MAX];
	CK_ATTRIBUTE got[HSM_TEMPLATE_MAX + 2];
	CK_BBOOL value[HSM_TEMPLATE_MAX];
	CK_OBJECT_CLASS class = 0;
	CK_KEY_TYPE type = 0;
	size_t n = expect(session->hsm, role, birth, want);
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
	if (class != CKO_SECRET_KEY || type != roles[role].type)
		return clv_fail(err, rc_weak,
				"the %s in the token is of another kind (class %lu, type %lu)",
				roles[role].name, class, type);
	for (size_t i = 0; i < n; i++) {
		if (got[i].ulValueLen != sizeof value[i] ||
		    value[i] != (want[i].value ? CK_TRUE : CK_FALSE))
			return clv_fail(err, rc_weak,
					"the %s in the token is weaker than asked: %s is not %d",
					roles[role].name, want[i].name, want[i].value);
	}
	return CLV_OK;
}
