/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of keys. */
#ifndef BASE_PEM_H
#define BASE_PEM_H

#include <claviger/buf.h>

/* Appends a SubjectPublicKeyInfo as PEM: "-----BEGIN PUBLIC KEY-----" ..., as OpenSSL writes it.
 * Errors: CLV_E_RESOURCE_EXHAUSTED. */
CLV_MUST_USE clv_rc clv_pem_public(struct clv_bytes der, struct clv_buf *buf, struct clv_err *err);

#endif
