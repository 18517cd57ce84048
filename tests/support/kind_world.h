/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of every algorithm in a world with a token, and what software makes of their public
 * halves. */
#ifndef TESTS_SUPPORT_KIND_WORLD_H
#define TESTS_SUPPORT_KIND_WORLD_H

#include "tests/support/token_world.h"

/* A version with all that its keyref points to; must not be copied. */
struct version {
	struct hsm_keyref key;
	struct hsm_blob blob;
	struct hsm_public public;
};

/* Make a version below the world's ring KEK, and one in the token. End the test on failure. */
void version_generate(struct world *w, enum clv_algorithm algorithm, struct version *ret_version);
void version_create(struct world *w, enum clv_algorithm algorithm, struct version *ret_version);

/* The public half as an OpenSSL key, owned by the caller; ends the test when it is none. */
EVP_PKEY *version_pkey(const struct version *version);

/* Does OpenSSL, told by the algorithm's name alone how, take this for a signature? `digest` is
 * OpenSSL's name, NULL: none; `padding` is an RSA padding, 0: not RSA. */
bool evp_verifies(const struct version *version, const char *digest, int padding,
		  struct clv_bytes in, struct clv_bytes signature);

/* OAEP by OpenSSL. */
void evp_oaep(EVP_PKEY *key, const char *digest, struct clv_bytes in, uint8_t *out,
	      size_t *ret_len);

/* A digest's worth of bytes that differ from each other. */
void fill(uint8_t *bytes, size_t len, uint8_t first);

#endif
