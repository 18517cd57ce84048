/* SPDX-License-Identifier: Apache-2.0 */
/* What each import method is made of. Pure; how a token unwraps is for hsm. */
#ifndef MODEL_IMPORT_H
#define MODEL_IMPORT_H

#include <stdbool.h>

#include <claviger/import.h>

struct model_import_method {
	enum clv_import_method method;
	unsigned bits;      /* of the RSA modulus */
	enum clv_hash hash; /* of OAEP, and of its MGF1 */
	bool aes;           /* an AES-256 key comes first, and the key itself wrapped by that one */
};

/* The row of a method; NULL: not one that is known. Static. */
const struct model_import_method *model_import_method_get(enum clv_import_method method);

/* What a job's state is at `now`, whatever was done about it. */
enum clv_import_state model_import_state(enum clv_import_state stored, int64_t expire_time,
					 int64_t now);

#endif
