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

/* A shifter: each bit of the distance moves the block, or seems to. */
void hsm_oaep_align(uint8_t *block, size_t len, size_t want)
{
	size_t shift = want - len;

	for (unsigned bit = 0; (size_t) 1 << bit <= want; bit++) {
		uint8_t moves = (uint8_t) (0 - (shift >> bit & 1));
		size_t step = (size_t) 1 << bit;

		for (size_t i = want; i-- > 0;) {
			uint8_t moved = i >= step ? block[i - step] : 0;

			block[i] = (uint8_t) ((moved & moves) | (block[i] & (uint8_t) ~moves));
		}
	}
}

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
