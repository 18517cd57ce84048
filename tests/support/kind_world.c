/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "tests/support/kind_world.h"

void version_generate(struct world *w, enum clv_algorithm algorithm, struct version *ret_version)
{
	assert_ok(w, hsm_version_generate(w->hsm, grant(), algorithm, &w->ring, &ret_version->blob,
					  &ret_version->public, &w->err));
	ret_version->key = (struct hsm_keyref){ .role = HSM_ROLE_VERSION,
						.algorithm = algorithm,
						.parent = &w->ring,
						.blob = ret_version->blob.bytes,
						.blob_len = ret_version->blob.len };
	world_new_id(ret_version->key.id);
}

void version_create(struct world *w, enum clv_algorithm algorithm, struct version *ret_version)
{
	ret_version->key = (struct hsm_keyref){ .role = HSM_ROLE_VERSION, .algorithm = algorithm };
	world_new_id(ret_version->key.id);
	assert_ok(w, hsm_version_create(w->hsm, grant(), algorithm, ret_version->key.id,
					"claviger test version", &ret_version->public, &w->err));
}

EVP_PKEY *version_pkey(const struct version *version)
{
	const unsigned char *at = version->public.der;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long) version->public.len);

	assert_non_null(key);
	assert_ptr_equal(at, version->public.der + version->public.len);
	return key;
}

bool evp_verifies(const struct version *version, const char *digest, int padding,
		  struct clv_bytes in, struct clv_bytes signature)
{
	EVP_PKEY *key = version_pkey(version);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	EVP_MD_CTX *md_ctx = EVP_MD_CTX_new();
	bool good = true;

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
		good = EVP_DigestVerifyInit(md_ctx, NULL, NULL, NULL, key) == 1 &&
		       EVP_DigestVerify(md_ctx, signature.data, signature.len, in.data, in.len) ==
			       1;
	} else {
		good = EVP_PKEY_verify_init(ctx) == 1;
		if (good && padding != 0)
			good = EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1;
		if (good && digest != NULL)
			good = EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(digest)) ==
			       1;
		if (good && padding == RSA_PKCS1_PSS_PADDING)
			good = EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
		good = good &&
		       EVP_PKEY_verify(ctx, signature.data, signature.len, in.data, in.len) == 1;
	}
	EVP_MD_CTX_free(md_ctx);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return good;
}

void evp_oaep(EVP_PKEY *key, const char *digest, struct clv_bytes in, uint8_t *out, size_t *ret_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	const EVP_MD *md = EVP_get_digestbyname(digest);

	*ret_len = (size_t) EVP_PKEY_get_size(key);
	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md), 1);
	assert_int_equal(EVP_PKEY_encrypt(ctx, out, ret_len, in.data, in.len), 1);
	EVP_PKEY_CTX_free(ctx);
}

void fill(uint8_t *bytes, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t) (first + 7 * i);
}
