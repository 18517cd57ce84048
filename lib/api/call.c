/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One use of a version that is named, from the question to the end: what the calls of keys that
 * are not of purpose ENCRYPT_DECRYPT have in common. Those have crypt.c.
 */
#include <string.h>

#include "lib/api/api.h"

clv_rc api_check_crc32c(const char *field, const struct clv_input *input, struct clv_err *err)
{
	if (!input->has_crc32c ||
	    clv_crc32c(0, input->bytes.data, input->bytes.len) == input->crc32c)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"The checksum in field %s_crc32c did not match the data in field %s.",
			field, field);
}

clv_rc api_check_input(const struct api_field *field, const struct clv_input *input,
		       struct clv_err *err)
{
	CLV_TRY(api_check_length(field->what, input->bytes.len, field->most, err));
	return api_check_crc32c(field->name, input, err);
}

clv_rc api_call_ask(struct api_call *call, struct clv_ctx *ctx, const struct clv_caller *who,
		    const char *permission, const char *name, struct clv_err *err)
{
	const struct gate_question question = { .permission = permission, .resource = name };

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_VERSION, &call->name, err));
	call->ctx = ctx;
	return gate_ask(ctx, who, &question, &call->grant, err);
}

clv_rc api_call_enter(struct api_call *call, const struct api_operation *operation,
		      struct clv_err *err)
{
	CLV_TRY(api_worker_acquire(call->ctx, &call->worker, err));
	return api_use_for(call->worker, call->grant, operation, &call->name, &call->use, err);
}

clv_rc api_call_answer(struct api_call *call, clv_rc rc, struct clv_err *err)
{
	return gate_answer(call->ctx, call->grant, rc, api_use_version_inside(&call->use), err);
}

void api_call_end(struct api_call *call)
{
	api_use_end(&call->use);
	call->grant = gate_close(call->grant);
	call->worker = api_worker_release(call->worker);
}
