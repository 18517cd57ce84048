/* SPDX-License-Identifier: Apache-2.0 */
/* CLV1 taken apart and put together. Not for encrypting: the token does that. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/evp.h>

#include <claviger/crypt.h>

#include "lib/base/auto.h"
#include "lib/base/thread.h"
#include "lib/envelope/clv1.h"

#include "lib/base/banned.h"

#define UID_AT 1
#define IV_LEN_AT (UID_AT + CLV_UID_LEN)
#define IV_AT (IV_LEN_AT + 1)

static const char aad_label[] = "claviger/1"; /* without its NUL */

/* Word for word what Cloud KMS says; the same for every kind of damage, so that none is told apart.
 */
static clv_rc damaged(struct clv_err *err)
{
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"Decryption failed: the ciphertext is invalid.");
}

clv_rc clv1_parse(struct clv_bytes bytes, struct clv1 *ret_parts, struct clv_err *err)
{
	size_t iv_len;

	if (bytes.len < IV_AT || bytes.data[0] != CLV1_MAGIC)
		return damaged(err);
	iv_len = bytes.data[IV_LEN_AT];
	if (iv_len < CLV1_IV_MIN || iv_len > CLV1_IV_MAX ||
	    bytes.len - IV_AT < iv_len + CLV1_TAG_LEN)
		return damaged(err);

	memcpy(ret_parts->uid, bytes.data + UID_AT, CLV_UID_LEN);
	ret_parts->iv = (struct clv_bytes){ .data = bytes.data + IV_AT, .len = iv_len };
	ret_parts->sealed = (struct clv_bytes){ .data = bytes.data + IV_AT + iv_len,
						.len = bytes.len - IV_AT - iv_len };
	return CLV_OK;
}

clv_rc clv1_add_header(struct clv_buf *buf, const uint8_t uid[CLV_UID_LEN], struct clv_bytes iv,
		       struct clv_err *err)
{
	uint8_t header[IV_AT + CLV1_IV_MAX] = { CLV1_MAGIC };

	assert(iv.len >= CLV1_IV_MIN && iv.len <= CLV1_IV_MAX);
	memcpy(header + UID_AT, uid, CLV_UID_LEN);
	header[IV_LEN_AT] = (uint8_t) iv.len;
	memcpy(header + IV_AT, iv.data, iv.len);
	return clv_buf_add(buf, header, IV_AT + iv.len, err);
}

static struct {
	pthread_once_t once;
	EVP_MD *sha256; /* kept to the end of the process: to fetch it costs more than to hash */
	struct {
		EVP_MD_CTX *_Atomic ctx; /* likewise: to make one costs a third of a short hash */
		char apart[CLV_CACHE_LINE];
	} spare[CLV_THREAD_PLACES];
} gl = { .once = PTHREAD_ONCE_INIT };

static void fetch_sha256(void)
{
	gl.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* The one that this thread left, if no other has it. */
static EVP_MD_CTX *ctx_acquire(void)
{
	EVP_MD_CTX *ctx = atomic_exchange(&gl.spare[clv_thread_place()].ctx, NULL);

	return ctx != NULL ? ctx : EVP_MD_CTX_new();
}

static EVP_MD_CTX *ctx_release(EVP_MD_CTX *ctx)
{
	EVP_MD_CTX_free(atomic_exchange(&gl.spare[clv_thread_place()].ctx, ctx));
	return NULL;
}
CLV_DEFINE_AUTO(EVP_MD_CTX, ctx_release);

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* The length in front keeps a name's end from being read as the beginning of the AAD. */
static uint8_t *put_len(uint8_t *at, size_t len)
{
	const uint8_t be[4] = { (uint8_t) (len >> 24), (uint8_t) (len >> 16), (uint8_t) (len >> 8),
				(uint8_t) len };

	return put(at, be, sizeof be);
}

clv_rc clv1_aad(const uint8_t uid[CLV_UID_LEN], const char *key_name, struct clv_bytes caller_aad,
		uint8_t ret_aad[CLV1_AAD_LEN], struct clv_err *err)
{
	static const uint8_t magic = CLV1_MAGIC;
	CLV_AUTO(ctx_release) EVP_MD_CTX *ctx = ctx_acquire();
	uint8_t head[sizeof aad_label + 1 + CLV_UID_LEN + 4 + CLV_NAME_MAX + 4], *at = head;
	const size_t name_len = strlen(key_name);
	uint8_t aad[CLV1_AAD_LEN];

	assert(caller_aad.len <= CLV_AAD_MAX && name_len < CLV_NAME_MAX);
	at = put(at, aad_label, sizeof aad_label - 1);
	at = put(at, &magic, sizeof magic);
	at = put(at, uid, CLV_UID_LEN);
	at = put(put_len(at, name_len), key_name, name_len);
	at = put_len(at, caller_aad.len);
	pthread_once(&gl.once, fetch_sha256);
	if (ctx == NULL || gl.sha256 == NULL || EVP_DigestInit_ex(ctx, gl.sha256, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, head, (size_t) (at - head)) != 1 ||
	    EVP_DigestUpdate(ctx, caller_aad.data, caller_aad.len) != 1 ||
	    EVP_DigestFinal_ex(ctx, aad, NULL) != 1)
		return clv_fail(err, CLV_E_INTERNAL, "OpenSSL could not make a SHA-256");
	memcpy(ret_aad, aad, sizeof aad);
	return CLV_OK;
}
