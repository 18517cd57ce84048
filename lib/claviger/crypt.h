/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypting and decrypting small things (DEKs, credentials) with a key version in the token. */
#ifndef CLAVIGER_CRYPT_H
#define CLAVIGER_CRYPT_H

#include <claviger/use.h>

#define CLV_PLAINTEXT_MAX 65536                      /* bytes */
#define CLV_AAD_MAX 65536                            /* bytes */
#define CLV_HSM_INPUT_MAX 8192                       /* bytes: of both, for protection level HSM */
#define CLV_CIPHERTEXT_MAX (CLV_PLAINTEXT_MAX + 256) /* bytes: CLV1 adds far less */

/*
 * Encrypts with a key's primary version, or with the version that `name` says. The result is CLV1
 * (claviger(7)), bound to the key's name and to `aad`: it opens under no
 * other key and no other location.
 *
 * `ret_ciphertext` must be an initialised clv_buf; the bytes are appended to it and it stays the
 * caller's to end. `ret_version`, when not NULL, gets the name of the version used.
 *
 * Errors: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION the version is not enabled, or the key has no
 * primary, or is not of purpose ENCRYPT_DECRYPT; CLV_E_INVALID_ARGUMENT too long; CLV_E_ABORTED the
 * primary changed meanwhile.
 */
CLV_MUST_USE clv_rc clv_encrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
				struct clv_bytes plaintext, struct clv_bytes aad,
				struct clv_buf *ret_ciphertext, char ret_version[CLV_NAME_MAX],
				struct clv_err *err);

/*
 * Decrypts what clv_encrypt() made under the key `name`; the ciphertext says which version.
 * On CLV_OK the caller owns *ret_plaintext. `ret_version` may be NULL.
 *
 * Errors: CLV_E_INVALID_ARGUMENT the ciphertext is damaged, the aad differs (not told apart), or it
 * belongs to another key; CLV_E_FAILED_PRECONDITION its version is not enabled.
 */
CLV_MUST_USE clv_rc clv_decrypt(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
				struct clv_bytes ciphertext, struct clv_bytes aad,
				struct clv_secret **ret_plaintext, char ret_version[CLV_NAME_MAX],
				struct clv_err *err);

/* As clv_encrypt() and clv_decrypt(), with inputs that may have checksums, and with more told of
 * the use. `ret_used` may be NULL. */
CLV_MUST_USE clv_rc clv_encrypt_checked(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, const struct clv_input *plaintext,
					const struct clv_input *aad, struct clv_buf *ret_ciphertext,
					struct clv_used *ret_used, struct clv_err *err);
CLV_MUST_USE clv_rc clv_decrypt_checked(struct clv_ctx *ctx, const struct clv_caller *who,
					const char *name, const struct clv_input *ciphertext,
					const struct clv_input *aad,
					struct clv_secret **ret_plaintext,
					struct clv_used *ret_used, struct clv_err *err);

#endif
