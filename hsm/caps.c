/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token can do, found by trying with session objects when it is first connected. Mechanism
 * lists are not believed: one number has two formats, and some entries do not work.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "hsm/internal.h"

/* Known answers: key-encryption key 00..1f, key a0..bf, computed with two other implementations. */
static const uint8_t kat_kek[32] = { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
				     0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
				     0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
				     0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f };
static const uint8_t kat_key[32] = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
				     0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
				     0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7,
				     0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf };
static const uint8_t kat_rfc3394[40] = {
	0xd2, 0x9f, 0xa3, 0x48, 0xb5, 0x06, 0xfb, 0x7c, 0x8d, 0xf0, 0xad, 0x97, 0xbd, 0x22,
	0xb9, 0x4a, 0x3e, 0xc5, 0xa9, 0xcc, 0x74, 0x78, 0x7f, 0xb2, 0x6e, 0xb5, 0x8f, 0xfc,
	0x9d, 0x91, 0x38, 0x79, 0x01, 0xc8, 0x2b, 0x43, 0x70, 0x38, 0x68, 0x91
};
static const uint8_t kat_rfc5649[40] = {
	0x38, 0xe2, 0x80, 0x15, 0x5c, 0xcf, 0x3f, 0x09, 0x39, 0x7e, 0x0b, 0x9f, 0x61, 0x0a,
	0x43, 0xc9, 0x11, 0x83, 0x33, 0x4b, 0xc5, 0xeb, 0x52, 0x0a, 0x01, 0xff, 0x13, 0x77,
	0xbf, 0x9f, 0x95, 0xf3, 0xe2, 0x0c, 0xb0, 0x9f, 0x4f, 0x3d, 0x59, 0xcd
};
/* AES-256-GCM: key 00..1f, IV 00..0b, AAD "claviger", text a0..af; then the tag. */
static const uint8_t kat_gcm[32] = { 0xe7, 0xa3, 0x74, 0xb8, 0x61, 0x40, 0x64, 0xbc,
				     0x25, 0xe8, 0x3d, 0x20, 0x1d, 0x44, 0xd6, 0xc2,
				     0x11, 0x6f, 0x09, 0xfc, 0x1e, 0xfe, 0xe4, 0xcc,
				     0x1e, 0xde, 0x4c, 0x00, 0xa6, 0xf4, 0x49, 0xcf };

/* The vendor numbers are those of Luna's KW and KWP. */
const struct hsm_wrap_candidate hsm_wrap_candidates[] = {
	{ CKM_AES_KEY_WRAP_PAD, "0x210a CKM_AES_KEY_WRAP_PAD" },
	{ HSM_CKM_AES_KEY_WRAP_KWP, "0x210b CKM_AES_KEY_WRAP_KWP" },
	{ CKM_AES_KEY_WRAP, "0x2109 CKM_AES_KEY_WRAP" },
	{ 0x80000171UL, "0x80000171 vendor KWP" },
	{ 0x80000170UL, "0x80000170 vendor KW" },
};
const size_t hsm_n_wrap_candidates = CLV_ARRAY_LEN(hsm_wrap_candidates);

static const char rfc5649[] = "RFC 5649", rfc3394[] = "RFC 3394",
		  padded[] = "PKCS#7 padding and KW";

CK_RV hsm_import_aes(struct hsm_session *session, const uint8_t *bytes, size_t len,
		     const CK_ATTRIBUTE_TYPE *usages, size_t n_usages, bool extractable,
		     CK_OBJECT_HANDLE *ret_object)
{
	struct hsm_template tpl = { 0 };

	hsm_template_ulong(&tpl, CKA_CLASS, CKO_SECRET_KEY);
	hsm_template_ulong(&tpl, CKA_KEY_TYPE, CKK_AES);
	hsm_template_bool(&tpl, CKA_TOKEN, false);
	hsm_template_bool(&tpl, CKA_PRIVATE, true);
	hsm_template_bool(&tpl, CKA_SENSITIVE, true);
	hsm_template_bool(&tpl, CKA_EXTRACTABLE, extractable);
	for (size_t i = 0; i < n_usages; i++)
		hsm_template_bool(&tpl, usages[i], true);
	hsm_template_bytes(&tpl, CKA_VALUE, bytes, len);
	return hsm_C_CreateObject(session->hsm->module, session->handle, tpl.a, tpl.n, ret_object);
}

static const char *wrap_format_of(const uint8_t *out, size_t len)
{
	if (len == sizeof kat_rfc5649 && CRYPTO_memcmp(out, kat_rfc5649, len) == 0)
		return rfc5649;
	if (len == sizeof kat_rfc3394 && CRYPTO_memcmp(out, kat_rfc3394, len) == 0)
		return rfc3394;
	return len == sizeof kat_rfc3394 + 8 ? padded : "unknown form";
}

CK_RV hsm_wrap_try(struct hsm_session *session, CK_MECHANISM_TYPE mech_type,
		   const char **ret_format)
{
	static const CK_ATTRIBUTE_TYPE wraps[] = { CKA_WRAP, CKA_UNWRAP };
	static const CK_ATTRIBUTE_TYPE encrypts[] = { CKA_ENCRYPT, CKA_DECRYPT };
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_MECHANISM mech = { mech_type, NULL, 0 };
	CK_OBJECT_HANDLE kek, key;
	uint8_t out[128];
	CK_ULONG len = sizeof out;
	CK_RV rv;

	*ret_format = NULL;
	rv = hsm_import_aes(session, kat_kek, sizeof kat_kek, wraps, 2, false, &kek);
	if (rv != CKR_OK)
		return rv;
	hsm_scrap_add(&scrap, kek);
	rv = hsm_import_aes(session, kat_key, sizeof kat_key, encrypts, 2, true, &key);
	if (rv != CKR_OK)
		return rv;
	hsm_scrap_add(&scrap, key);
	rv = hsm_C_WrapKey(session->hsm->module, session->handle, &mech, kek, key, out, &len);
	if (rv == CKR_OK)
		*ret_format = wrap_format_of(out, len);
	return rv;
}

/*
 * Does this result tell what the token can do? A hiccup does not, and must not be remembered as "it
 * cannot": we would make keys that are protected less, or not see how it does GCM.
 */
static bool tells(CK_RV rv)
{
	enum hsm_class class = hsm_rv_class(rv);

	return class == HSM_CLASS_OK || class == HSM_CLASS_DATA || class == HSM_CLASS_POLICY;
}

/* RFC 5649 takes keys of any length, so it is preferred; then whatever else works. */
static clv_rc choose_wrap(struct hsm_session *session, struct hsm_caps *caps, struct clv_err *err)
{
	for (size_t i = 0; i < hsm_n_wrap_candidates; i++) {
		const char *format;
		CK_RV rv = hsm_wrap_try(session, hsm_wrap_candidates[i].mech, &format);

		if (!tells(rv))
			return hsm_session_fail(session, err, "C_WrapKey", rv);
		if (rv != CKR_OK)
			continue;
		if (caps->wrap_mech == 0 || format == rfc5649) {
			caps->wrap_mech = hsm_wrap_candidates[i].mech;
			caps->wrap_format = format;
		}
		if (format == rfc5649)
			break;
	}
	return CLV_OK;
}

static enum hsm_gcm_form gcm_form_of(const uint8_t *out, size_t len, const uint8_t *iv,
				     size_t iv_len)
{
	if (len == sizeof kat_gcm && CRYPTO_memcmp(out, kat_gcm, len) == 0)
		return HSM_GCM_CALLER_IV;
	if (len == sizeof kat_gcm && CRYPTO_memcmp(iv, kat_kek, iv_len) != 0)
		return HSM_GCM_WRITTEN_IV;
	if (len >= sizeof kat_gcm + iv_len && len <= sizeof kat_gcm + HSM_IV_MAX)
		return HSM_GCM_APPENDED_IV;
	return HSM_GCM_NONE;
}

/* Which of the three ways the token has with IVs; see design section 2. */
CK_RV hsm_gcm_try(struct hsm_session *session, enum hsm_gcm_form *ret_form, size_t *ret_iv_len)
{
	static const CK_ATTRIBUTE_TYPE encrypts[] = { CKA_ENCRYPT, CKA_DECRYPT };
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	const struct hsm_module *module = session->hsm->module;
	uint8_t iv[12], aad[] = { 'c', 'l', 'a', 'v', 'i', 'g', 'e', 'r' }, text[16], out[64];
	CK_GCM_PARAMS params = { iv, sizeof iv, sizeof iv * 8, aad, sizeof aad, 128 };
	CK_MECHANISM mech = { CKM_AES_GCM, &params, sizeof params };
	CK_ULONG len = sizeof out;
	CK_OBJECT_HANDLE key;
	CK_RV rv;

	memcpy(iv, kat_kek, sizeof iv);
	memcpy(text, kat_key, sizeof text);
	*ret_form = HSM_GCM_NONE;
	*ret_iv_len = sizeof iv;
	rv = hsm_import_aes(session, kat_kek, sizeof kat_kek, encrypts, 2, false, &key);
	if (rv != CKR_OK)
		return rv;
	hsm_scrap_add(&scrap, key);
	rv = hsm_C_EncryptInit(module, session->handle, &mech, key);
	if (rv != CKR_OK)
		return rv;
	rv = hsm_C_Encrypt(module, session->handle, text, sizeof text, out, &len);
	if (rv != CKR_OK) {
		session->dead =
			!session->hsm->pool.shared; /* an operation may be left open in it */
		return rv;
	}
	*ret_form = gcm_form_of(out, len, iv, sizeof iv);
	if (*ret_form == HSM_GCM_APPENDED_IV)
		*ret_iv_len = len - sizeof kat_gcm;
	return CKR_OK;
}

/* Does the token take this attribute when it makes a key? */
static clv_rc knows(struct hsm_session *session, CK_ATTRIBUTE_TYPE type, const void *value,
		    size_t len, bool *ret_knows, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_MECHANISM mech = { CKM_AES_KEY_GEN, NULL, 0 };
	struct hsm_template tpl = { 0 };
	CK_OBJECT_HANDLE key;
	CK_RV rv;

	hsm_template_ulong(&tpl, CKA_CLASS, CKO_SECRET_KEY);
	hsm_template_ulong(&tpl, CKA_KEY_TYPE, CKK_AES);
	hsm_template_ulong(&tpl, CKA_VALUE_LEN, 32);
	hsm_template_bool(&tpl, CKA_TOKEN, false);
	hsm_template_bool(&tpl, CKA_WRAP, true);
	hsm_template_bool(&tpl, CKA_UNWRAP, true);
	hsm_template_bytes(&tpl, type, value, len);
	rv = hsm_C_GenerateKey(session->hsm->module, session->handle, &mech, tpl.a, tpl.n, &key);
	if (rv == CKR_OK)
		hsm_scrap_add(&scrap, key);
	if (!tells(rv))
		return hsm_session_fail(session, err, "C_GenerateKey", rv);
	*ret_knows = rv == CKR_OK;
	return CLV_OK;
}

static clv_rc find_attributes(struct hsm_session *session, struct hsm_caps *caps,
			      struct clv_err *err)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE nested = { CKA_SENSITIVE, &yes, sizeof yes };
	CK_MECHANISM_TYPE mech = CKM_AES_KEY_WRAP;

	CLV_TRY(knows(session, CKA_ALLOWED_MECHANISMS, &mech, sizeof mech,
		      &caps->allowed_mechanisms, err));
	CLV_TRY(knows(session, CKA_UNWRAP_TEMPLATE, &nested, sizeof nested, &caps->unwrap_template,
		      err));
	CLV_TRY(knows(session, CKA_COPYABLE, &no, sizeof no, &caps->copyable, err));
	return knows(session, CKA_MODIFIABLE, &no, sizeof no, &caps->modifiable, err);
}

/* The whole way of a ring KEK and of a version below it, once, with session keys. */
static clv_rc try_hierarchy(struct hsm_session *session, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE kek;
	struct hsm_blob blob;

	CLV_TRY(hsm_generate(session, hsm_kind_get(HSM_ROLE_RING_KEK, 0), HSM_BORN_SESSION, NULL,
			     NULL, &kek, err));
	hsm_scrap_add(&scrap, kek);
	CLV_TRY(hsm_generate_wrapped(session, hsm_kind_get(HSM_ROLE_VERSION, 0), kek, &blob, NULL,
				     err));
	return CLV_OK;
}

clv_rc hsm_caps_find(struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct hsm_caps *caps = &hsm->caps;
	struct clv_err why;
	CK_RV rv;

	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	*caps = (struct hsm_caps){ 0 };
	CLV_TRY(find_attributes(session, caps, err));
	CLV_TRY(choose_wrap(session, caps, err));
	rv = hsm_gcm_try(session, &caps->gcm, &caps->gcm_iv_len);
	if (!tells(rv))
		return hsm_session_fail(session, err, "C_Encrypt", rv);
	if (caps->wrap_mech == 0) {
		snprintf(caps->lacking, sizeof caps->lacking, "it wraps no key by AES inside");
	} else if (caps->gcm == HSM_GCM_NONE) {
		snprintf(caps->lacking, sizeof caps->lacking, "it has no AES-GCM of a known form");
	} else if (try_hierarchy(session, &why) != CLV_OK) {
		if (why.domain == CLV_DOM_PKCS11 && !tells(why.native)) {
			*err = why;
			return CLV_E_UNAVAILABLE;
		}
		snprintf(caps->lacking, sizeof caps->lacking, "%.150s", why.text);
	} else {
		caps->keeps_attributes = true;
	}
	return CLV_OK;
}
