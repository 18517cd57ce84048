/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of every kind for the tests of lib/api, and OpenSSL as the other side. */
#ifndef TESTS_SUPPORT_KINDS_H
#define TESTS_SUPPORT_KINDS_H

#include "tests/support/home_world.h"

#define KIND_TEXT "Dear customer, your code is 4711." /* not a multiple of 16 bytes */

/* Its key is called like the algorithm. Borrowed, until the next call but three. */
const char *kind_key(enum clv_algorithm algorithm);
const char *kind_version(enum clv_algorithm algorithm); /* number 1 of it */

/* Makes that key, in w->ctx. Residency 0: whatever the library chooses. */
clv_rc kind_make(struct home_world *w, enum clv_algorithm algorithm, enum clv_residency residency);

struct clv_bytes kind_bytes(const char *text);
/* The same, as an input without a checksum. */
struct clv_input kind_input(const char *text);
/* An input with the right checksum, and the same with another. */
struct clv_input kind_checked(struct clv_bytes bytes);
struct clv_input kind_spoilt(struct clv_input input);

/* OpenSSL's word on a signature of `data` by the public key `der`. */
bool kind_verifies(enum clv_algorithm algorithm, struct clv_bytes der, struct clv_bytes data,
		   struct clv_bytes signature);

/* Encrypts to the public key `der` by OAEP; ends the test on failure. */
void kind_encrypt(enum clv_algorithm algorithm, struct clv_bytes der, const char *text,
		  struct clv_buf *ret_ciphertext);

/* Each call that uses a version, with good inputs, as a row. What it hands out is thrown away. */
struct kind_verb {
	const char *operation;        /* Cloud KMS's name, as in refusals */
	bool by_key;                  /* it takes the name of a key */
	enum clv_algorithm algorithm; /* a key that it works with */
	clv_rc (*call)(struct home_world *w, const struct clv_caller *who, const char *name);
};
extern const struct kind_verb kind_verbs[];
extern const size_t n_kind_verbs;

/* The name that a verb takes for a key of this algorithm: of the key, or of its version 1. */
const char *kind_name_for(const struct kind_verb *verb, enum clv_algorithm algorithm);

/* What the verbs that open something open: made by the verb's own key, which must be there. */
void kind_prepare(struct home_world *w, const struct kind_verb *verb);
void kind_done(void);

#endif
