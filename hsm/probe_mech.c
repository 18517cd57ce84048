/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mechanisms that key kinds of this project rest on, each tried with session keys made for it.
 * A signature or MAC is verified, a ciphertext decrypted and compared: listed is not enough.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "hsm/internal.h"

static uint8_t text[64] = "sixty-four bytes that every mechanism of this table gets to see";

/* Signs and verifies. */
static CK_RV try_sign(struct hsm_session *session, CK_MECHANISM *mech, CK_OBJECT_HANDLE sign_key,
		      CK_OBJECT_HANDLE verify_key, CK_ULONG len)
{
	const struct hsm_module *module = session->hsm->module;
	uint8_t signature[512];
	CK_ULONG signature_len = sizeof signature;
	CK_RV rv = hsm_C_SignInit(module, session->handle, mech, sign_key);

	if (rv == CKR_OK)
		rv = hsm_C_Sign(module, session->handle, text, len, signature, &signature_len);
	if (rv == CKR_OK)
		rv = hsm_C_VerifyInit(module, session->handle, mech, verify_key);
	if (rv == CKR_OK)
		rv = hsm_C_Verify(module, session->handle, text, len, signature, signature_len);
	return rv;
}

/* Encrypts and decrypts. */
static CK_RV try_cipher(struct hsm_session *session, CK_MECHANISM *mech,
			CK_OBJECT_HANDLE encrypt_key, CK_OBJECT_HANDLE decrypt_key, CK_ULONG len)
{
	const struct hsm_module *module = session->hsm->module;
	uint8_t sealed[512], opened[512];
	CK_ULONG sealed_len = sizeof sealed, opened_len = sizeof opened;
	CK_RV rv = hsm_C_EncryptInit(module, session->handle, mech, encrypt_key);

	if (rv == CKR_OK)
		rv = hsm_C_Encrypt(module, session->handle, text, len, sealed, &sealed_len);
	if (rv == CKR_OK)
		rv = hsm_C_DecryptInit(module, session->handle, mech, decrypt_key);
	if (rv == CKR_OK)
		rv = hsm_C_Decrypt(module, session->handle, sealed, sealed_len, opened,
				   &opened_len);
	if (rv == CKR_OK && (opened_len != len || CRYPTO_memcmp(opened, text, len) != 0))
		rv = CKR_GENERAL_ERROR;
	return rv;
}

/* ---- secret keys ---- */

static CK_RV make_secret(struct hsm_session *session, struct hsm_scrap *scrap,
			 CK_MECHANISM_TYPE generate, CK_ULONG len, bool signs,
			 CK_OBJECT_HANDLE *ret_key)
{
	CK_MECHANISM mech = { generate, NULL, 0 };
	struct hsm_template tpl = { 0 };
	CK_RV rv;

	hsm_template_bool(&tpl, CKA_TOKEN, false);
	hsm_template_bool(&tpl, CKA_PRIVATE, true);
	hsm_template_bool(&tpl, CKA_SENSITIVE, true);
	hsm_template_bool(&tpl, CKA_EXTRACTABLE, false);
	hsm_template_ulong(&tpl, CKA_VALUE_LEN, len);
	hsm_template_bool(&tpl, signs ? CKA_SIGN : CKA_ENCRYPT, true);
	hsm_template_bool(&tpl, signs ? CKA_VERIFY : CKA_DECRYPT, true);
	rv = hsm_C_GenerateKey(session->hsm->module, session->handle, &mech, tpl.a, tpl.n, ret_key);
	if (rv == CKR_OK)
		hsm_scrap_add(scrap, *ret_key);
	return rv;
}

static void probe_aes(struct hsm_session *session, struct clv_probe *probe)
{
	static uint8_t iv[16];
	static CK_AES_CTR_PARAMS counter = { 128, { 0 } };
	static const struct {
		const char *name;
		CK_MECHANISM mech;
		CK_ULONG key_len;
		bool signs;
	} rows[] = {
		{ "AES-128-CBC", { CKM_AES_CBC, iv, sizeof iv }, 16, false },
		{ "AES-256-CBC", { CKM_AES_CBC, iv, sizeof iv }, 32, false },
		{ "AES-256-CTR", { CKM_AES_CTR, &counter, sizeof counter }, 32, false },
		{ "AES-256-CMAC", { CKM_AES_CMAC, NULL, 0 }, 32, true },
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
		CK_MECHANISM mech = rows[i].mech;
		CK_OBJECT_HANDLE key;
		CK_RV rv = make_secret(session, &scrap, CKM_AES_KEY_GEN, rows[i].key_len,
				       rows[i].signs, &key);

		if (rv == CKR_OK)
			rv = rows[i].signs ? try_sign(session, &mech, key, key, sizeof text)
					   : try_cipher(session, &mech, key, key, sizeof text);
		hsm_probe_rv(probe, "mechanism", rows[i].name, rv);
	}
}

static void probe_hmac(struct hsm_session *session, struct clv_probe *probe)
{
	static const struct {
		const char *name;
		CK_MECHANISM_TYPE mech;
		CK_ULONG key_len;
	} rows[] = {
		{ "HMAC-SHA1", CKM_SHA_1_HMAC, 20 },    { "HMAC-SHA224", CKM_SHA224_HMAC, 28 },
		{ "HMAC-SHA256", CKM_SHA256_HMAC, 32 }, { "HMAC-SHA384", CKM_SHA384_HMAC, 48 },
		{ "HMAC-SHA512", CKM_SHA512_HMAC, 64 },
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
		CK_MECHANISM mech = { rows[i].mech, NULL, 0 };
		CK_OBJECT_HANDLE key;
		CK_RV rv = make_secret(session, &scrap, CKM_GENERIC_SECRET_KEY_GEN, rows[i].key_len,
				       true, &key);

		if (rv == CKR_OK)
			rv = try_sign(session, &mech, key, key, sizeof text);
		hsm_probe_rv(probe, "mechanism", rows[i].name, rv);
	}
}

/* Is a key that may only do GCM refused for another mechanism? */
static void probe_allowed(struct hsm_session *session, struct clv_probe *probe)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	static uint8_t iv[16];
	CK_MECHANISM cbc = { CKM_AES_CBC, iv, sizeof iv };
	CK_OBJECT_HANDLE key;
	struct clv_err err;
	CK_RV rv;

	if (!session->hsm->caps.allowed_mechanisms ||
	    hsm_generate(session, hsm_kind_get(HSM_ROLE_VERSION, 0), HSM_BORN_SESSION, NULL, NULL,
			 &key, &err) != CLV_OK) {
		hsm_probe_row(probe, "protects", "CKA_ALLOWED_MECHANISMS", CLV_PROBE_UNTRIED,
			      "the token does not know it");
		return;
	}
	hsm_scrap_add(&scrap, key);
	rv = try_cipher(session, &cbc, key, key, 16);
	hsm_probe_row(probe, "protects", "CKA_ALLOWED_MECHANISMS",
		      rv == CKR_OK ? CLV_PROBE_NO : CLV_PROBE_YES, "%s",
		      rv == CKR_OK ? "taken, but not enforced" : "enforced");
}

/* Does a key marked so refuse a wrapping key that nobody vouched for? */
static void probe_trusted(struct hsm_session *session, struct clv_probe *probe)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	const struct hsm_module *module = session->hsm->module;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_MECHANISM wrap = { session->hsm->caps.wrap_mech, NULL, 0 };
	struct hsm_template tpl = { 0 };
	CK_OBJECT_HANDLE kek, key;
	uint8_t out[128];
	CK_ULONG len = sizeof out;
	struct clv_err err;
	CK_RV rv;

	hsm_template_ulong(&tpl, CKA_VALUE_LEN, 32);
	hsm_template_bool(&tpl, CKA_TOKEN, false);
	hsm_template_bool(&tpl, CKA_SENSITIVE, true);
	hsm_template_bool(&tpl, CKA_EXTRACTABLE, true);
	hsm_template_bool(&tpl, CKA_WRAP_WITH_TRUSTED, true);
	rv = hsm_C_GenerateKey(module, session->handle, &generate, tpl.a, tpl.n, &key);
	if (rv != CKR_OK) {
		hsm_probe_row(probe, "protects", "CKA_WRAP_WITH_TRUSTED", CLV_PROBE_NO,
			      "not known (0x%08lx)", rv);
		return;
	}
	hsm_scrap_add(&scrap, key);
	if (hsm_generate(session, hsm_kind_get(HSM_ROLE_RING_KEK, 0), HSM_BORN_SESSION, NULL, NULL,
			 &kek, &err) != CLV_OK)
		return;
	hsm_scrap_add(&scrap, kek);
	rv = hsm_C_WrapKey(module, session->handle, &wrap, kek, key, out, &len);
	hsm_probe_row(probe, "protects", "CKA_WRAP_WITH_TRUSTED",
		      rv == CKR_OK ? CLV_PROBE_NO : CLV_PROBE_YES, "%s",
		      rv == CKR_OK ? "taken, but not enforced" : "enforced");
}

/* ---- elliptic curves ---- */

static void probe_curves(struct hsm_session *session, struct clv_probe *probe)
{
	static const uint8_t p256[] = {
		0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07
	};
	static const uint8_t p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
	static const struct {
		const char *name;
		const uint8_t *oid;
		size_t oid_len;
		CK_ULONG digest_len;
	} rows[] = { { "ECDSA P-256", p256, sizeof p256, 32 },
		     { "ECDSA P-384", p384, sizeof p384, 48 } };

	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
		CK_MECHANISM generate = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
		CK_MECHANISM sign = { CKM_ECDSA, NULL, 0 };
		struct hsm_template pub = { 0 }, priv = { 0 };
		CK_OBJECT_HANDLE public, private;
		CK_RV rv;

		hsm_template_bool(&pub, CKA_TOKEN, false);
		hsm_template_bool(&pub, CKA_VERIFY, true);
		hsm_template_bytes(&pub, CKA_EC_PARAMS, rows[i].oid, rows[i].oid_len);
		hsm_template_bool(&priv, CKA_TOKEN, false);
		hsm_template_bool(&priv, CKA_PRIVATE, true);
		hsm_template_bool(&priv, CKA_SENSITIVE, true);
		hsm_template_bool(&priv, CKA_SIGN, true);
		rv = hsm_C_GenerateKeyPair(session->hsm->module, session->handle, &generate, pub.a,
					   pub.n, priv.a, priv.n, &public, &private);
		if (rv == CKR_OK) {
			hsm_scrap_add(&scrap, public);
			hsm_scrap_add(&scrap, private);
			rv = try_sign(session, &sign, private, public, rows[i].digest_len);
		}
		hsm_probe_rv(probe, "mechanism", rows[i].name, rv);
	}
}

/* ---- RSA ---- */

static CK_RV make_rsa(struct hsm_session *session, struct hsm_scrap *scrap,
		      CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	static const uint8_t exponent[] = { 1, 0, 1 };
	CK_MECHANISM mech = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	struct hsm_template pub = { 0 }, priv = { 0 };
	CK_RV rv;

	hsm_template_bool(&pub, CKA_TOKEN, false);
	hsm_template_bool(&pub, CKA_ENCRYPT, true);
	hsm_template_bool(&pub, CKA_VERIFY, true);
	hsm_template_ulong(&pub, CKA_MODULUS_BITS, 2048);
	hsm_template_bytes(&pub, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
	hsm_template_bool(&priv, CKA_TOKEN, false);
	hsm_template_bool(&priv, CKA_PRIVATE, true);
	hsm_template_bool(&priv, CKA_SENSITIVE, true);
	hsm_template_bool(&priv, CKA_DECRYPT, true);
	hsm_template_bool(&priv, CKA_SIGN, true);
	rv = hsm_C_GenerateKeyPair(session->hsm->module, session->handle, &mech, pub.a, pub.n,
				   priv.a, priv.n, public, private);
	if (rv == CKR_OK) {
		hsm_scrap_add(scrap, *public);
		hsm_scrap_add(scrap, *private);
	}
	return rv;
}

static void probe_rsa(struct hsm_session *session, struct clv_probe *probe)
{
	static CK_RSA_PKCS_OAEP_PARAMS sha1 = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL,
						0 };
	static CK_RSA_PKCS_OAEP_PARAMS sha256 = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED,
						  NULL, 0 };
	static CK_RSA_PKCS_OAEP_PARAMS sha384 = { CKM_SHA384, CKG_MGF1_SHA384, CKZ_DATA_SPECIFIED,
						  NULL, 0 };
	static CK_RSA_PKCS_OAEP_PARAMS sha512 = { CKM_SHA512, CKG_MGF1_SHA512, CKZ_DATA_SPECIFIED,
						  NULL, 0 };
	static CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
	static const struct {
		const char *topic, *name;
		CK_MECHANISM mech;
		bool signs;
		CK_ULONG len;
	} rows[] = {
		{ "oaep", "RSA-OAEP SHA-1", { CKM_RSA_PKCS_OAEP, &sha1, sizeof sha1 }, false, 32 },
		{ "oaep",
		  "RSA-OAEP SHA-256",
		  { CKM_RSA_PKCS_OAEP, &sha256, sizeof sha256 },
		  false,
		  32 },
		{ "oaep",
		  "RSA-OAEP SHA-384",
		  { CKM_RSA_PKCS_OAEP, &sha384, sizeof sha384 },
		  false,
		  32 },
		{ "oaep",
		  "RSA-OAEP SHA-512",
		  { CKM_RSA_PKCS_OAEP, &sha512, sizeof sha512 },
		  false,
		  32 },
		{ "mechanism", "RSA-PKCS1 of a ready block", { CKM_RSA_PKCS, NULL, 0 }, true, 51 },
		{ "mechanism",
		  "RSA-PKCS1 SHA-256",
		  { CKM_SHA256_RSA_PKCS, NULL, 0 },
		  true,
		  sizeof text },
		{ "mechanism",
		  "RSA-PSS of a digest",
		  { CKM_RSA_PKCS_PSS, &pss, sizeof pss },
		  true,
		  32 },
	};
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE public, private;
	CK_RV rv = make_rsa(session, &scrap, &public, &private);

	hsm_probe_rv(probe, "keys", "RSA-2048 generation", rv);
	for (size_t i = 0; rv == CKR_OK && i < CLV_ARRAY_LEN(rows); i++) {
		CK_MECHANISM mech = rows[i].mech;

		hsm_probe_rv(probe, rows[i].topic, rows[i].name,
			     rows[i].signs
				     ? try_sign(session, &mech, private, public, rows[i].len)
				     : try_cipher(session, &mech, public, private, rows[i].len));
	}
}

/* ---- limits ---- */

static void add_limit(struct clv_probe *probe, const char *name, CK_ULONG value)
{
	if (value == CK_UNAVAILABLE_INFORMATION)
		hsm_probe_row(probe, "limits", name, CLV_PROBE_UNTRIED, "the token does not say");
	else if (value == CK_EFFECTIVELY_INFINITE)
		hsm_probe_row(probe, "limits", name, CLV_PROBE_YES, "none, says the token");
	else
		hsm_probe_row(probe, "limits", name, CLV_PROBE_YES, "%lu", value);
}

static void probe_limits(struct hsm *hsm, struct clv_probe *probe)
{
	CK_MECHANISM_TYPE list[512];
	CK_ULONG n = CLV_ARRAY_LEN(list);
	CK_TOKEN_INFO info;

	if (hsm_C_GetTokenInfo(hsm->module, atomic_load(&hsm->slot), &info) != CKR_OK)
		info = hsm->info;
	add_limit(probe, "sessions", info.ulMaxSessionCount);
	add_limit(probe, "read-write sessions", info.ulMaxRwSessionCount);
	add_limit(probe, "free private memory, bytes", info.ulFreePrivateMemory);
	if (hsm_C_GetMechanismList(hsm->module, atomic_load(&hsm->slot), list, &n) == CKR_OK)
		hsm_probe_row(probe, "limits", "mechanisms listed", CLV_PROBE_YES, "%lu", n);
}

void hsm_probe_mechanisms(struct hsm_session *session, struct clv_probe *probe)
{
	probe_allowed(session, probe);
	probe_trusted(session, probe);
	probe_aes(session, probe);
	probe_hmac(session, probe);
	probe_curves(session, probe);
	probe_rsa(session, probe);
	probe_limits(session->hsm, probe);
}
