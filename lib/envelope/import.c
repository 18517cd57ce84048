/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys on their way to an import job, as Cloud KMS's clients wrap them. The AES-256 key of the
 * methods that have one is random, used once and wiped; it never serves us for anything else.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <claviger/import.h>

#include "lib/base/auto.h"
#include "lib/model/algorithm.h"
#include "lib/model/import.h"

#include "lib/base/banned.h"

#define AES_LEN 32  /* bytes of the key in between */
#define KWP_MORE 15 /* bytes that RFC 5649 adds, at most */

#define DEFINE_END(T, name)                                                                        \
	static T *name(T *p)                                                                       \
	{                                                                                          \
		T##_free(p);                                                                       \
		return NULL;                                                                       \
	}                                                                                          \
	CLV_DEFINE_AUTO(T, name)

DEFINE_END(BIO, bio_free);
DEFINE_END(EVP_PKEY, pkey_free);
DEFINE_END(EVP_PKEY_CTX, pkey_ctx_free);
DEFINE_END(EVP_CIPHER_CTX, cipher_ctx_free);

static clv_rc openssl_failed(struct clv_err *err, const char *op, const char *text)
{
	clv_rc rc = clv_fail(err, CLV_E_INTERNAL, "OpenSSL could not %s", text);

	err->op = op;
	err->domain = CLV_DOM_OPENSSL;
	err->native = ERR_peek_last_error();
	return rc;
}

/* ---- the public key ---- */

/* Whoever hands us an encrypted PEM is not asked for a password on the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void) buf, (void) size, (void) writing, (void) arg;
	return -1;
}

static clv_rc read_public(const char *pem, const struct model_import_method *method,
			  EVP_PKEY **ret_key, struct clv_err *err)
{
	CLV_AUTO(bio_free) BIO *bio = pem != NULL ? BIO_new_mem_buf(pem, -1) : NULL;
	CLV_AUTO(pkey_free)
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;

	if (key == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the import job's public key is not a PEM SubjectPublicKeyInfo");
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
	    EVP_PKEY_get_bits(key) != (int) method->bits)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s needs an RSA public key of %u bits: this one is %s of %d",
				clv_import_method_name(method->method), method->bits,
				EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
	*ret_key = CLV_TAKE(key);
	return CLV_OK;
}

/* ---- wrapping ---- */

static const EVP_MD *digest_of(enum clv_hash hash)
{
	return hash == CLV_HASH_SHA1 ? EVP_sha1() : EVP_sha256();
}

/* OAEP (RFC 8017, section 7.1) with an empty label, and MGF1 with the same hash. */
static clv_rc add_oaep(EVP_PKEY *public, const struct model_import_method *method,
		       struct clv_bytes bytes, struct clv_buf *buf, struct clv_err *err)
{
	CLV_AUTO(pkey_ctx_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(public, NULL);
	const EVP_MD *md = digest_of(method->hash);
	size_t len = method->bits / 8;

	CLV_TRY(clv_buf_reserve(buf, len, err));
	if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) <= 0 ||
	    EVP_PKEY_encrypt(ctx, buf->data + buf->len, &len, bytes.data, bytes.len) <= 0)
		return openssl_failed(err, "EVP_PKEY_encrypt", "encrypt for an import job");
	buf->len += len;
	return CLV_OK;
}

/* AES-KWP (RFC 5649) with its own initial value. */
static clv_rc add_kwp(const uint8_t aes[AES_LEN], struct clv_bytes bytes, struct clv_buf *buf,
		      struct clv_err *err)
{
	CLV_AUTO(cipher_ctx_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	CLV_AUTO(clv_secret_free) struct clv_secret *wrapped = NULL; /* begins as the plain key */
	int len = 0;

	CLV_TRY(clv_secret_new(bytes.len + KWP_MORE, &wrapped, err));
	if (ctx != NULL)
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_wrap_pad(), NULL, aes, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, clv_secret_mutable_bytes(wrapped), &len, bytes.data,
			      (int) bytes.len) != 1)
		return openssl_failed(err, "EVP_EncryptUpdate", "wrap a key");
	return clv_buf_add(buf, clv_secret_bytes(wrapped), (size_t) len, err);
}

static clv_rc wrap_by_aes(EVP_PKEY *public, const struct model_import_method *method,
			  struct clv_bytes bytes, struct clv_buf *buf, struct clv_err *err)
{
	CLV_AUTO(clv_secret_free) struct clv_secret *aes = NULL;
	struct clv_bytes view = { .len = AES_LEN };

	CLV_TRY(clv_secret_new(AES_LEN, &aes, err));
	if (RAND_priv_bytes(clv_secret_mutable_bytes(aes), AES_LEN) != 1)
		return openssl_failed(err, "RAND_priv_bytes", "make random bytes");
	view.data = clv_secret_bytes(aes);
	CLV_TRY(add_oaep(public, method, view, buf, err));
	return add_kwp(view.data, bytes, buf, err);
}

static clv_rc check_length(const struct model_import_method *method, size_t len,
			   struct clv_err *err)
{
	size_t most = method->bits / 8 - 2 * model_hash_len(method->hash) - 2;

	if (len == 0 || len > CLV_IMPORT_KEY_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a key to import has 1 to %d bytes, not %zu", CLV_IMPORT_KEY_MAX,
				len);
	if (!method->aes && len > most)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s carries keys of %zu bytes at most, and this one has %zu: use "
				"an import job whose method ends in AES_256",
				clv_import_method_name(method->method), most, len);
	return CLV_OK;
}

static clv_rc wrap(const char *public_key_pem, const struct model_import_method *method,
		   struct clv_bytes bytes, struct clv_buf *buf, struct clv_err *err)
{
	CLV_AUTO(pkey_free) EVP_PKEY *public = NULL;

	CLV_TRY(read_public(public_key_pem, method, &public, err));
	if (method->aes)
		return wrap_by_aes(public, method, bytes, buf, err);
	return add_oaep(public, method, bytes, buf, err);
}

clv_rc clv_import_wrap(const char *public_key_pem, enum clv_import_method method,
		       const struct clv_secret *key, struct clv_buf *ret_wrapped,
		       struct clv_err *err)
{
	const struct model_import_method *row = model_import_method_get(method);
	size_t before = ret_wrapped->len;
	struct clv_bytes bytes;
	clv_rc rc;

	if (row == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"import method number %d is not one that is known", (int) method);
	bytes = (struct clv_bytes){ clv_secret_bytes(key), clv_secret_len(key) };
	CLV_TRY(check_length(row, bytes.len, err));
	ERR_set_mark(); /* OpenSSL's queue is the caller's program's: it stays as it was */
	rc = wrap(public_key_pem, row, bytes, ret_wrapped, err);
	ERR_pop_to_mark();
	if (rc != CLV_OK)
		ret_wrapped->len = before;
	return rc;
}
