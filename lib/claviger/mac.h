/* SPDX-License-Identifier: Apache-2.0 */
/* Message authentication codes, HMAC with the key in the token. `name` is that of a version. */
#ifndef CLAVIGER_MAC_H
#define CLAVIGER_MAC_H

#include <claviger/use.h>

#define CLV_MAC_DATA_MAX 65536 /* bytes */
#define CLV_MAC_MAX 64         /* bytes of the longest code */

/*
 * Appends the code of `data` to `ret_mac`, an initialised clv_buf: as many bytes as the algorithm's
 * hash has. `ret_used` may be NULL.
 * Errors: CLV_E_NOT_FOUND; CLV_E_FAILED_PRECONDITION the version is not enabled, or its key is not
 * of purpose MAC; CLV_E_INVALID_ARGUMENT a checksum or a length.
 */
CLV_MUST_USE clv_rc clv_mac_sign(struct clv_ctx *ctx, const struct clv_caller *who,
				 const char *name, const struct clv_input *data,
				 struct clv_buf *ret_mac, struct clv_used *ret_used,
				 struct clv_err *err);

/*
 * Is `mac` the code of `data`, in its whole length? A code that is not is no error: *ret_valid
 * tells. `ret_used` may be NULL; nothing comes out that could have a checksum. Errors: as
 * clv_mac_sign().
 */
CLV_MUST_USE clv_rc clv_mac_verify(struct clv_ctx *ctx, const struct clv_caller *who,
				   const char *name, const struct clv_input *data,
				   const struct clv_input *mac, bool *ret_valid,
				   struct clv_used *ret_used, struct clv_err *err);

#endif
