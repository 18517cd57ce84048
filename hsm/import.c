/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importing. What comes is wrapped for the RSA key of an import job: by OAEP an AES key, and by
 * that (RFC 5649) the key material, or by OAEP the material itself. Every step is an unwrap inside
 * the token; the material is extractable for as long as it takes to wrap it under its ring KEK.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "hsm/internal.h"

#include "lib/base/bytes.h"

#define IMPORT_KEY(bits, scheme, hash)                                                             \
	{                                                                                          \
		HSM_ROLE_IMPORT, 0, "import key", CKO_PRIVATE_KEY, CKK_RSA, bits,                  \
			HSM_SCHEME_##scheme, CLV_HASH_##hash                                       \
	}
static const struct method {
	int number; /* of Cloud KMS's ImportMethod */
	const char *name;
	struct hsm_kind kind; /* of the job's key */
	size_t verdict;       /* tried alike */
} methods[] = {
	{ 1, "RSA_OAEP_3072_SHA1_AES_256", IMPORT_KEY(3072, IMPORT, SHA1), 0 },
	{ 2, "RSA_OAEP_4096_SHA1_AES_256", IMPORT_KEY(4096, IMPORT, SHA1), 0 },
	{ 3, "RSA_OAEP_3072_SHA256_AES_256", IMPORT_KEY(3072, IMPORT, SHA256), 1 },
	{ 4, "RSA_OAEP_4096_SHA256_AES_256", IMPORT_KEY(4096, IMPORT, SHA256), 1 },
	{ 5, "RSA_OAEP_3072_SHA256", IMPORT_KEY(3072, IMPORT_DIRECT, SHA256), 2 },
	{ 6, "RSA_OAEP_4096_SHA256", IMPORT_KEY(4096, IMPORT_DIRECT, SHA256), 2 },
};

/* The AES key between the job's key and the material. */
static const struct hsm_kind transport = {
	HSM_ROLE_IMPORT, 0,   "transport key",      CKO_SECRET_KEY,
	CKK_AES,         256, HSM_SCHEME_TRANSPORT, CLV_HASH_NONE
};

static clv_rc method_of(int number, const struct method **ret_method, struct clv_err *err)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(methods); i++) {
		if (methods[i].number == number) {
			*ret_method = &methods[i];
			return CLV_OK;
		}
	}
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"import method number %d is not one that is offered here", number);
}

/* ---- unwrapping ---- */

static clv_rc unwrap_as(struct hsm_scrap *scrap, CK_MECHANISM *mech, CK_OBJECT_HANDLE by,
			struct clv_bytes in, const struct hsm_kind *kind, enum hsm_birth birth,
			CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	struct hsm_session *session = scrap->session;
	struct hsm_template tpl;
	CK_RV rv;

	hsm_template_key(session->hsm, kind, birth, NULL, NULL, &tpl);
	rv = hsm_C_UnwrapKey(session->hsm->module, session->handle, mech, by, hsm_input(in.data),
			     in.len, tpl.a, tpl.n, ret_object);
	if (rv != CKR_OK)
		return hsm_making_fail(session, birth, "C_UnwrapKey", rv, err);
	hsm_scrap_add(scrap, *ret_object);
	return hsm_attributes_check(session, *ret_object, kind, birth, CLV_E_UNIMPLEMENTED, err);
}

/*
 * The AES key between has to be of 256 bits, as the method says. SoftHSM does not tell how long a
 * key is that it unwrapped, but its wrapping is eight bytes longer (RFC 5649). Therefore it is
 * extractable, for as long as the material under it is.
 */
static clv_rc check_transport(struct hsm_session *session, CK_OBJECT_HANDLE parent,
			      CK_OBJECT_HANDLE key, struct clv_err *err)
{
	struct hsm_blob blob;

	CLV_TRY(hsm_wrap(session, parent, key, &blob, err));
	if (blob.len == transport.bits / 8 + 8)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the AES key that the material is wrapped by must have %u bits: wrap it "
			"again",
			transport.bits);
}

/*
 * `job` is the handle of a key of the kind `job_kind`; its ciphertext comes first. `parent` tells
 * the length of what comes out of it; CK_INVALID_HANDLE: it is known.
 */
static clv_rc unwrap_material(struct hsm_scrap *scrap, const struct hsm_kind *job_kind,
			      CK_OBJECT_HANDLE job, CK_OBJECT_HANDLE parent, size_t sealed_len,
			      struct clv_bytes wrapped, const struct hsm_kind *kind,
			      CK_OBJECT_HANDLE *ret_object, struct clv_err *err)
{
	const struct hsm_hash_row *hash = hsm_hash_row(job_kind->hash);
	CK_RSA_PKCS_OAEP_PARAMS params = { hash->mech, hash->mgf, CKZ_DATA_SPECIFIED, NULL, 0 };
	CK_MECHANISM oaep = { CKM_RSA_PKCS_OAEP, &params, sizeof params };
	CK_MECHANISM kwp = { scrap->session->hsm->caps.wrap_mech, NULL, 0 };
	struct clv_bytes sealed = { wrapped.data, sealed_len };
	struct clv_bytes rest = { wrapped.data + sealed_len, wrapped.len - sealed_len };
	CK_OBJECT_HANDLE key;

	if (job_kind->scheme == HSM_SCHEME_IMPORT_DIRECT)
		return unwrap_as(scrap, &oaep, job, sealed, kind, HSM_BORN_IMPORTED, ret_object,
				 err);
	CLV_TRY(unwrap_as(scrap, &oaep, job, sealed, &transport, HSM_BORN_IMPORTED, &key, err));
	if (parent != CK_INVALID_HANDLE)
		CLV_TRY(check_transport(scrap->session, parent, key, err));
	return unwrap_as(scrap, &kwp, key, rest, kind, HSM_BORN_IMPORTED, ret_object, err);
}

/* ---- trying, with known material that was wrapped by software ---- */

static const uint8_t known_key[32] = "a key that everybody may know..";
static const uint8_t known_text[32] = "what such a key has to encrypt.";

static bool evp_encrypt(const char *name, const uint8_t key[32], const uint8_t *iv,
			struct clv_bytes in, uint8_t *out, size_t *ret_len)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;
	bool good = false;

	if (cipher != NULL && ctx != NULL) {
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		good = EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
		       EVP_EncryptUpdate(ctx, out, &len, in.data, (int) in.len) == 1;
	}
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	*ret_len = (size_t) len;
	return good;
}

/* The known key for the public half, as a customer would wrap it. */
static bool wrap_known(const struct hsm_kind *job_kind, EVP_PKEY *public, uint8_t *out,
		       size_t *ret_sealed_len, size_t *ret_len)
{
	struct clv_bytes known = { known_key, sizeof known_key };
	uint8_t ephemeral[32];
	size_t rest = 0;
	bool good;

	if (job_kind->scheme == HSM_SCHEME_IMPORT_DIRECT) {
		good = hsm_public_seal(public, job_kind->hash, known, out, ret_sealed_len);
	} else {
		good = RAND_bytes(ephemeral, sizeof ephemeral) == 1 &&
		       hsm_public_seal(public, job_kind->hash,
				       (struct clv_bytes){ ephemeral, sizeof ephemeral }, out,
				       ret_sealed_len) &&
		       evp_encrypt("AES-256-WRAP-PAD", ephemeral, NULL, known,
				   out + *ret_sealed_len, &rest);
	}
	*ret_len = *ret_sealed_len + rest;
	return good;
}

clv_rc hsm_import_try(struct hsm_session *session, const struct hsm_kind *job_kind,
		      CK_OBJECT_HANDLE private, EVP_PKEY *public, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	const struct hsm_kind *kind = hsm_kind_get(HSM_ROLE_VERSION, CLV_ALG_AES_256_CTR);
	static const uint8_t iv[HSM_IV_MAX] = "a known counter";
	struct clv_bytes text = { known_text, sizeof known_text };
	uint8_t wrapped[HSM_SIGNATURE_MAX + 64], by_token[sizeof known_text];
	uint8_t by_software[sizeof known_text];
	size_t sealed_len = 0, len = 0;
	CK_OBJECT_HANDLE key;
	const char *op;
	CK_RV rv;

	if (!wrap_known(job_kind, public, wrapped, &sealed_len, &len))
		return clv_fail(err, CLV_E_INTERNAL, "OpenSSL cannot wrap for an import key");
	CLV_TRY(unwrap_material(&scrap, job_kind, private, CK_INVALID_HANDLE, sealed_len,
				(struct clv_bytes){ wrapped, len }, kind, &key, err));
	rv = hsm_cipher(session, kind, key, true, iv, text, by_token, &op);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, op, rv);
	if (!evp_encrypt("AES-256-CTR", known_key, iv, text, by_software, &len))
		return clv_fail(err, CLV_E_INTERNAL, "OpenSSL has no AES-CTR");
	if (!clv_same(by_token, by_software, sizeof by_token))
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"it unwraps something else than was wrapped");
	return CLV_OK;
}

/* The forms of import keys that differ in what they ask of a token, by `verdict`. */
static const struct method *const forms[] = { &methods[0], &methods[2], &methods[4] };

static clv_rc try_form(struct hsm_session *session, const struct hsm_kind *kind,
		       CK_OBJECT_HANDLE private, EVP_PKEY *public, struct hsm_verdict *verdict,
		       struct clv_err *err)
{
	clv_rc rc = hsm_import_try(session, kind, private, public, err);

	if (rc != CLV_OK && !hsm_is_definite(rc, err))
		return rc;
	verdict->what = rc == CLV_OK ? HSM_CAN : HSM_CANNOT;
	if (rc != CLV_OK)
		snprintf(verdict->why, sizeof verdict->why, "%.90s", err->text);
	return CLV_OK;
}

/* All forms with one key pair: making it is what takes long, and they want the same one. */
static clv_rc try_forms(struct hsm_session *session, struct hsm_verdict *verdicts,
			struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = NULL;
	struct hsm_kind kind = forms[0]->kind;
	CK_OBJECT_HANDLE public, private;

	kind.bits = 2048;
	CLV_TRY(hsm_generate_pair(session, &kind, HSM_BORN_SESSION, NULL, NULL, &public, &private,
				  err));
	hsm_scrap_add(&scrap, private);
	hsm_scrap_add(&scrap, public);
	CLV_TRY(hsm_public_read(session, &kind, public, &key, err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(forms); i++)
		CLV_TRY(try_form(session, &forms[i]->kind, private, key, &verdicts[i], err));
	return CLV_OK;
}

static clv_rc try_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;

	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	return try_forms(session, work->arg, err);
}

/* `why` may be *err's own text. */
static clv_rc refuse(const struct method *method, const char *why, struct clv_err *err)
{
	char because[91];

	snprintf(because, sizeof because, "%.90s", why);
	return clv_fail(err, CLV_E_UNIMPLEMENTED, "this token cannot import by %s: %s",
			method->name, because);
}

static clv_rc check_method(struct hsm *hsm, const struct method *method, struct clv_err *err)
{
	struct hsm_verdict verdicts[CLV_ARRAY_LEN(forms)] = { 0 };
	struct hsm_work work = { .run = try_run, .arg = verdicts };
	const struct hsm_verdict *verdict = &verdicts[method->verdict];

	_Static_assert(sizeof verdicts == sizeof hsm->import_verdicts, "one for each form");
	if (method->kind.scheme == HSM_SCHEME_IMPORT &&
	    (hsm->caps.wrap_format == NULL || strcmp(hsm->caps.wrap_format, "RFC 5649") != 0))
		return refuse(method, "it does not unwrap by RFC 5649", err);
	pthread_mutex_lock(&hsm->verdict_lock);
	memcpy(verdicts, hsm->import_verdicts, sizeof verdicts);
	pthread_mutex_unlock(&hsm->verdict_lock);
	if (verdict->what == HSM_UNTRIED) {
		CLV_TRY(hsm_work_do(hsm, &work, err));
		pthread_mutex_lock(&hsm->verdict_lock);
		memcpy(hsm->import_verdicts, verdicts, sizeof verdicts);
		pthread_mutex_unlock(&hsm->verdict_lock);
	}
	return verdict->what == HSM_CAN ? CLV_OK : refuse(method, verdict->why, err);
}

clv_rc hsm_import_check(struct hsm *hsm, int method, struct clv_err *err)
{
	const struct method *row = NULL; /* the compiler does not see that it is set */

	CLV_TRY(method_of(method, &row, err));
	return check_method(hsm, row, err);
}

clv_rc hsm_import_key_generate(struct hsm *hsm, const struct clv_grant *grant, int method,
			       const struct hsm_keyref *parent, struct hsm_blob *ret_blob,
			       struct hsm_public *ret_public, struct clv_err *err)
{
	const struct method *row = NULL; /* the compiler does not see that it is set */

	clv_grant_assert(grant);
	CLV_TRY(method_of(method, &row, err));
	CLV_TRY(check_method(hsm, row, err)); /* a short key is refused faster than a long one */
	return hsm_generate_below(hsm, &row->kind, parent, ret_blob, ret_public, err);
}

/* ---- what was imported ---- */

static clv_rc no_key_of(const struct hsm_kind *kind, const char *why, struct clv_err *err)
{
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the imported material is no key of %s: %s",
			clv_algorithm_name(kind->algorithm), why);
}

/*
 * By its wrapping an AES key of 25 to 31 bytes is as long as one of 32, but it does not encrypt.
 * That the token does so with such keys as it makes was tried before.
 */
static clv_rc check_encrypts(struct hsm_session *session, const struct hsm_kind *kind,
			     CK_OBJECT_HANDLE key, const char *length, struct clv_err *err)
{
	struct clv_err why;
	clv_rc rc = hsm_same_secret(session, kind, key, key, &why);

	if (rc == CLV_OK)
		return rc;
	if (hsm_is_definite(rc, &why))
		return no_key_of(kind, length, err);
	*err = why;
	return rc;
}

/*
 * Tokens that do not tell an unwrapped key's length tell it by that of its wrapping: it is that of
 * a key that was made here. HMAC keys may differ by what HMAC pads with zeros anyway, up to a
 * multiple of eight bytes.
 */
static clv_rc check_length(struct hsm_session *session, const struct hsm_kind *kind,
			   CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE key, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	struct hsm_blob blob, like;
	CK_OBJECT_HANDLE made;
	char why[64];

	CLV_TRY(hsm_generate(session, kind, HSM_BORN_SESSION, NULL, NULL, &made, err));
	hsm_scrap_add(&scrap, made);
	CLV_TRY(hsm_wrap(session, parent, made, &like, err));
	CLV_TRY(hsm_wrap(session, parent, key, &blob, err));
	snprintf(why, sizeof why, "it must have %u bytes", kind->bits / 8);
	if (blob.len != like.len)
		return no_key_of(kind, why, err);
	return kind->type == CKK_AES ? check_encrypts(session, kind, key, why, err) : CLV_OK;
}

static clv_rc check_exponent(const struct hsm_kind *kind, EVP_PKEY *public, struct clv_err *err)
{
	BIGNUM *e = NULL;
	bool usual = EVP_PKEY_get_bn_param(public, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
		     BN_is_word(e, 65537) == 1;

	BN_free(e);
	return usual ? CLV_OK : no_key_of(kind, "its public exponent must be 65537", err);
}

static clv_rc public_of(struct hsm_session *session, const struct hsm_kind *kind,
			CK_OBJECT_HANDLE key, EVP_PKEY **ret_public, struct clv_err *err)
{
	const char *misfit;
	struct clv_err why;
	clv_rc rc;

	CLV_TRY(hsm_kind_misfit(session, kind, key, &misfit, err));
	if (misfit != NULL)
		return no_key_of(kind, misfit, err);
	if (kind->type == CKK_RSA) {
		CLV_TRY(hsm_public_read(session, kind, key, ret_public, err));
		CLV_TRY(check_exponent(kind, *ret_public, err));
	} else {
		CLV_TRY(hsm_public_recover(session, kind, key, ret_public, err));
	}
	rc = hsm_same_pair(session, kind, key, *ret_public, &why);
	if (rc == CLV_E_DATA_LOSS)
		return no_key_of(kind, "its parts do not belong together", err);
	if (rc != CLV_OK)
		*err = why;
	return rc;
}

/* ---- which key is it? ---- */

/* What only this key makes of a fixed text. AES: two blocks that nothing else encrypts. */
static clv_rc mark_secret(struct hsm_session *session, const struct hsm_kind *kind,
			  CK_OBJECT_HANDLE key, uint8_t out[HSM_SIGNATURE_MAX], size_t *ret_len,
			  struct clv_err *err)
{
	static const uint8_t text[32] = "claviger: which key is this? [1]";
	CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
	CK_ULONG len = HSM_SIGNATURE_MAX;
	const char *op = "C_EncryptInit";
	CK_RV rv;

	if (kind->type != CKK_AES) {
		rv = hsm_sign_with(session, kind, key, (struct clv_bytes){ text, sizeof text }, out,
				   ret_len, &op);
		return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, op, rv);
	}
	rv = hsm_C_EncryptInit(session->hsm->module, session->handle, &ecb, key);
	if (rv == CKR_OK) {
		op = "C_Encrypt";
		rv = hsm_C_Encrypt(session->hsm->module, session->handle, hsm_input(text),
				   sizeof text, out, &len);
	}
	if (rv == CKR_OK && len != sizeof text)
		rv = CKR_GENERAL_ERROR;
	*ret_len = len;
	return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, op, rv);
}

static clv_rc digest(struct clv_bytes in, uint8_t ret_check[HSM_CHECK_LEN], struct clv_err *err)
{
	static const char domain[] = "claviger key check";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(ctx, domain, sizeof domain) == 1 &&
		    EVP_DigestUpdate(ctx, in.data, in.len) == 1 &&
		    EVP_DigestFinal_ex(ctx, ret_check, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return good ? CLV_OK : clv_fail(err, CLV_E_INTERNAL, "OpenSSL has no SHA-256");
}

/*
 * The mark of a secret key under the ring KEK: without the token nobody can tell from it whether a
 * guessed key is the right one, nor whether keys of two rings are the same. Wrapping is
 * deterministic, so that the same key gives the same.
 */
static clv_rc digest_secret(struct hsm_session *session, CK_OBJECT_HANDLE parent,
			    struct clv_bytes mark, uint8_t ret_check[HSM_CHECK_LEN],
			    struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	uint8_t bytes[HSM_CHECK_LEN];
	CK_OBJECT_HANDLE object;
	struct hsm_blob blob;
	CK_RV rv;

	CLV_TRY(digest(mark, bytes, err));
	rv = hsm_import_aes(session, bytes, sizeof bytes, NULL, 0, true, &object);
	OPENSSL_cleanse(bytes, sizeof bytes);
	if (rv != CKR_OK)
		return hsm_making_fail(session, HSM_BORN_IMPORTED, "C_CreateObject", rv, err);
	hsm_scrap_add(&scrap, object);
	CLV_TRY(hsm_wrap(session, parent, object, &blob, err));
	return digest((struct clv_bytes){ blob.bytes, blob.len }, ret_check, err);
}

/* ---- the whole of it ---- */

struct import {
	const struct method *method;
	const struct hsm_keyref *job, *parent;
	const struct hsm_kind *kind;
	struct clv_bytes wrapped;
	struct hsm_blob blob;
	struct hsm_public public;
	uint8_t check[HSM_CHECK_LEN];
	bool doubted; /* it failed once, though the token is healthy */
	bool again;   /* the key was unwrapped anew for another mechanism */
};

static clv_rc import_pair(struct hsm_session *session, struct import *import,
			  CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE key, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *public = NULL;

	CLV_TRY(public_of(session, import->kind, key, &public, err));
	CLV_TRY(hsm_public_der(public, &import->public, err));
	CLV_TRY(digest((struct clv_bytes){ import->public.der, import->public.len }, import->check,
		       err));
	return hsm_wrap_checked(session, import->kind, parent, key, public, &import->blob, err);
}

static clv_rc import_secret(struct hsm_session *session, struct import *import,
			    CK_OBJECT_HANDLE parent, CK_OBJECT_HANDLE key, struct clv_err *err)
{
	uint8_t mark[HSM_SIGNATURE_MAX];
	size_t len;
	clv_rc rc;

	CLV_TRY(check_length(session, import->kind, parent, key, err));
	CLV_TRY(mark_secret(session, import->kind, key, mark, &len, err));
	rc = digest_secret(session, parent, (struct clv_bytes){ mark, len }, import->check, err);
	OPENSSL_cleanse(mark, sizeof mark);
	CLV_TRY(rc);
	import->public.len = 0;
	return hsm_wrap_checked(session, import->kind, parent, key, NULL, &import->blob, err);
}

static clv_rc import_steps(struct hsm_session *session, struct import *import, CK_OBJECT_HANDLE job,
			   CK_OBJECT_HANDLE parent, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	const struct hsm_kind *job_kind = &import->method->kind;
	CK_OBJECT_HANDLE key;

	CLV_TRY(unwrap_material(&scrap, job_kind, job, parent, job_kind->bits / 8, import->wrapped,
				import->kind, &key, err));
	return hsm_kind_is_pair(import->kind) ? import_pair(session, import, parent, key, err)
					      : import_secret(session, import, parent, key, err);
}

/* Does the job's key unwrap what is known to be good? */
static bool import_canary(struct hsm_session *session, const struct hsm_kind *job_kind,
			  CK_OBJECT_HANDLE job)
{
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *public = NULL;
	struct clv_err ignored;

	return hsm_public_read(session, job_kind, job, &public, &ignored) == CLV_OK &&
	       hsm_import_try(session, job_kind, job, public, &ignored) == CLV_OK;
}

/* What a failure means: the material gets a second chance where the token is healthy. */
static clv_rc judge(struct hsm_session *session, struct hsm_work *work, CK_OBJECT_HANDLE job,
		    clv_rc rc, struct clv_err *err)
{
	struct import *import = work->arg;
	enum hsm_class class;

	if (err->domain != CLV_DOM_PKCS11)
		return rc;
	if (hsm_oaep_refused(import->kind, err->op, err->native) && !import->again) {
		import->again = true; /* use.c has noted what will do */
		return hsm_fail(err, err->op, CKR_KEY_HANDLE_INVALID);
	}
	class = hsm_rv_class(err->native);
	if (class == HSM_CLASS_POLICY && hsm_is_definite(rc, err))
		return refuse(import->method, err->text, err);
	if (class == HSM_CLASS_AMBIGUOUS && import_canary(session, &import->method->kind, job)) {
		work->judged = true;
		if (!import->doubted) {
			import->doubted = true;
			return rc;
		}
		class = HSM_CLASS_DATA;
	}
	if (class != HSM_CLASS_DATA)
		return rc;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the material does not unwrap by %s as a key of %s", import->method->name,
			clv_algorithm_name(import->kind->algorithm));
}

static clv_rc import_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin job = { 0 };
	CLV_AUTO_DONE(hsm_key_unpin) struct hsm_pin parent = { 0 };
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct import *import = work->arg;
	clv_rc rc;

	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_key_pin(hsm, import->parent, &parent, err));
	CLV_TRY(hsm_key_pin(hsm, import->job, &job, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	rc = import_steps(session, import, job.handle, parent.handle, err);
	if (rc == CLV_OK)
		return rc;
	rc = hsm_pin_judge(&job, rc, err);
	rc = hsm_pin_judge(&parent, rc, err);
	return judge(session, work, job.handle, rc, err);
}

static clv_rc check_wrapped(const struct import *import, struct clv_err *err)
{
	size_t sealed = import->method->kind.bits / 8, len = import->wrapped.len;
	bool direct = import->method->kind.scheme == HSM_SCHEME_IMPORT_DIRECT;

	if (direct && hsm_kind_is_pair(import->kind))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s carries symmetric keys only, not one of %s",
				import->method->name, clv_algorithm_name(import->kind->algorithm));
	if (direct ? len == sealed
		   : len >= sealed + 16 && len - sealed <= HSM_BLOB_MAX && (len - sealed) % 8 == 0)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"what was wrapped by %s has %zu bytes: that is not its form (%zu bytes%s)",
			import->method->name, len, sealed,
			direct ? "" : ", then a multiple of 8, at least 16");
}

clv_rc hsm_version_import(struct hsm *hsm, const struct clv_grant *grant, int method,
			  const struct hsm_keyref *job, enum clv_algorithm algorithm,
			  const struct hsm_keyref *parent, struct clv_bytes wrapped,
			  struct hsm_blob *ret_blob, struct hsm_public *ret_public,
			  uint8_t ret_check[HSM_CHECK_LEN], struct clv_err *err)
{
	const struct hsm_keyref key = { .role = HSM_ROLE_VERSION, .algorithm = algorithm };
	struct import import = { .job = job, .parent = parent, .wrapped = wrapped };
	struct hsm_work work = { .run = import_run, .arg = &import };

	clv_grant_assert(grant);
	assert(job->role == HSM_ROLE_IMPORT);
	CLV_TRY(method_of(method, &import.method, err));
	CLV_TRY(hsm_kind_of(&key, &import.kind, err));
	CLV_TRY(check_wrapped(&import, err));
	if (import.kind->type != CKK_RSA) /* of which every token that imports has keys */
		CLV_TRY(hsm_algorithm_check(hsm, algorithm, CLV_RESIDENCY_WRAPPED, err));
	CLV_TRY(hsm_work_do(hsm, &work, err));
	*ret_blob = import.blob;
	*ret_public = import.public;
	memcpy(ret_check, import.check, HSM_CHECK_LEN);
	return CLV_OK;
}
