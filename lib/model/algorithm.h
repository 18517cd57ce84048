/* SPDX-License-Identifier: Apache-2.0 */
/* What each algorithm is: its purpose, its key, its hash. Pure; how a token does it is for hsm. */
#ifndef MODEL_ALGORITHM_H
#define MODEL_ALGORITHM_H

#include <stdbool.h>

#include <claviger/key.h>

enum model_key_type {
	MODEL_KEY_AES,
	MODEL_KEY_HMAC,
	MODEL_KEY_EC,
	MODEL_KEY_ED25519,
	MODEL_KEY_RSA
};

struct model_algorithm {
	enum clv_algorithm algorithm;
	enum clv_purpose purpose;
	enum model_key_type key_type;
	unsigned bits; /* of the key: AES and HMAC key length, RSA modulus, EC field */
	/* What is signed or authenticated with, or what OAEP uses. CLV_HASH_NONE: data only. */
	enum clv_hash hash;
};

/* The row of an algorithm; NULL: not one that is offered. Static. */
const struct model_algorithm *model_algorithm_get(enum clv_algorithm algorithm);

/* Does a key of this purpose have a primary version, which is used where none is named? */
bool model_purpose_has_primary(enum clv_purpose purpose);

/* Has the key a public half? */
bool model_algorithm_is_asymmetric(enum clv_algorithm algorithm);

/*
 * Which algorithm a key of this purpose gets: `asked`, or where it is 0 the one that the purpose
 * implies. Errors: CLV_E_INVALID_ARGUMENT no such purpose, the purpose needs one said, or the
 * algorithm does not fit the purpose; the text names both.
 */
CLV_MUST_USE clv_rc model_algorithm_for(enum clv_purpose purpose, enum clv_algorithm asked,
					enum clv_algorithm *ret_algorithm, struct clv_err *err);

/* Bytes of a digest; 0 for CLV_HASH_NONE. */
size_t model_hash_len(enum clv_hash hash);

#endif
