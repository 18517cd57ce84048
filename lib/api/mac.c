/* SPDX-License-Identifier: Apache-2.0 */
/* Message authentication codes, made and compared in the token. */
#include <string.h>

#include "lib/api/api.h"

static const struct api_operation sign_operation = { "macSign", { CLV_PURPOSE_MAC, 0 }, false };
static const struct api_operation verify_operation = { "macVerify", { CLV_PURPOSE_MAC, 0 }, false };

static const struct api_field data_field = { "data", "data", CLV_MAC_DATA_MAX };
static const struct api_field mac_field = { "mac", "mac", CLV_MAC_MAX };

static clv_rc sign_granted(struct api_call *call, struct clv_bytes data,
			   uint8_t mac[HSM_SIGNATURE_MAX], size_t *ret_len, struct clv_err *err)
{
	CLV_TRY(api_call_enter(call, &sign_operation, err));
	return hsm_mac(call->use.hsm, call->grant, &call->use.version, data, mac, ret_len, err);
}

clv_rc clv_mac_sign(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		    const struct clv_input *data, struct clv_buf *ret_mac,
		    struct clv_used *ret_used, struct clv_err *err)
{
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	uint8_t mac[HSM_SIGNATURE_MAX];
	size_t len = 0;
	clv_rc rc;

	CLV_TRY(api_check_input(&data_field, data, err));
	CLV_TRY(clv_buf_reserve(ret_mac, sizeof mac, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.useToSign", name, err));
	rc = sign_granted(&call, data->bytes, mac, &len, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	CLV_TRY(clv_buf_add(ret_mac, mac, len, err)); /* there is room */
	api_use_tell(&call.use, (struct clv_bytes){ mac, len }, ret_used);
	return CLV_OK;
}

static clv_rc verify_granted(struct api_call *call, struct clv_bytes data, struct clv_bytes mac,
			     bool *ret_valid, struct clv_err *err)
{
	CLV_TRY(api_call_enter(call, &verify_operation, err));
	return hsm_mac_verify(call->use.hsm, call->grant, &call->use.version, data, mac, ret_valid,
			      err);
}

clv_rc clv_mac_verify(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		      const struct clv_input *data, const struct clv_input *mac, bool *ret_valid,
		      struct clv_used *ret_used, struct clv_err *err)
{
	CLV_AUTO_DONE(api_call_end) struct api_call call = { 0 };
	bool valid = false;
	clv_rc rc;

	CLV_TRY(api_check_input(&data_field, data, err));
	CLV_TRY(api_check_input(&mac_field, mac, err));
	CLV_TRY(api_call_ask(&call, ctx, who, "cloudkms.cryptoKeyVersions.useToVerify", name, err));
	rc = verify_granted(&call, data->bytes, mac->bytes, &valid, err);
	CLV_TRY(api_call_answer(&call, rc, err));
	*ret_valid = valid;
	api_use_tell(&call.use, (struct clv_bytes){ NULL, 0 }, ret_used);
	return CLV_OK;
}
