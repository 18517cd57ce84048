/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, by OpenSSL. Not for keys: what is keyed is done in the token. */
#include <stdlib.h>

#include <openssl/evp.h>

#include <claviger/hash.h>

#include "lib/base/auto.h"

#include "lib/base/banned.h"

struct clv_hashing {
	EVP_MD_CTX *md;
};

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
} hashes[] = {
	[CLV_HASH_SHA1] = { "sha1", EVP_sha1 },       [CLV_HASH_SHA224] = { "sha224", EVP_sha224 },
	[CLV_HASH_SHA256] = { "sha256", EVP_sha256 }, [CLV_HASH_SHA384] = { "sha384", EVP_sha384 },
	[CLV_HASH_SHA512] = { "sha512", EVP_sha512 },
};

static bool is_hash(enum clv_hash hash)
{
	return (unsigned) hash < CLV_ARRAY_LEN(hashes) && hashes[hash].md != NULL;
}

const char *clv_hash_name(enum clv_hash hash)
{
	return is_hash(hash) ? hashes[hash].name : "none";
}

static clv_rc hash_fail(struct clv_err *err)
{
	return clv_fail(err, CLV_E_INTERNAL, "OpenSSL could not make a digest");
}

struct clv_hashing *clv_hash_free(struct clv_hashing *hashing)
{
	if (hashing != NULL)
		EVP_MD_CTX_free(hashing->md);
	free(hashing);
	return NULL;
}
CLV_DEFINE_AUTO(struct clv_hashing, clv_hash_free);

clv_rc clv_hash_new(enum clv_hash hash, struct clv_hashing **ret_hashing, struct clv_err *err)
{
	CLV_AUTO(clv_hash_free) struct clv_hashing *hashing = NULL;

	if (!is_hash(hash))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "there is no hash number %d",
				(int) hash);
	hashing = calloc(1, sizeof *hashing);
	if (hashing == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a digest");
	hashing->md = EVP_MD_CTX_new();
	if (hashing->md == NULL || EVP_DigestInit_ex(hashing->md, hashes[hash].md(), NULL) != 1)
		return hash_fail(err);
	*ret_hashing = CLV_TAKE(hashing);
	return CLV_OK;
}

clv_rc clv_hash_add(struct clv_hashing *hashing, const void *bytes, size_t len, struct clv_err *err)
{
	return EVP_DigestUpdate(hashing->md, bytes, len) == 1 ? CLV_OK : hash_fail(err);
}

clv_rc clv_hash_end(struct clv_hashing *hashing, uint8_t ret_digest[CLV_HASH_MAX], size_t *ret_len,
		    struct clv_err *err)
{
	unsigned len;

	if (EVP_DigestFinal_ex(hashing->md, ret_digest, &len) != 1)
		return hash_fail(err);
	*ret_len = len;
	return CLV_OK;
}
