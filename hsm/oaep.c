/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAEP padding, for tokens that have raw RSA only. OpenSSL's own function takes a time that does
 * not depend on the block; it is deprecated for applications that could let OpenSSL decrypt, which
 * is what we cannot: the key is in the token.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "hsm/internal.h"

int hsm_oaep_unpad(enum clv_hash hash, const uint8_t *block, size_t len, uint8_t *out)
{
	EVP_MD *md = EVP_MD_fetch(NULL, hsm_hash_row(hash)->name, NULL);
	int opened = -1;

	ERR_set_mark();
	if (md != NULL)
		opened = RSA_padding_check_PKCS1_OAEP_mgf1(out, (int) len, block, (int) len,
							   (int) len, NULL, 0, md, md);
	ERR_pop_to_mark(); /* nobody is to read there why */
	EVP_MD_free(md);
	return opened;
}
