/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place where a CK_RV becomes one of our codes. Texts are for the person at the other
 * end; the class tells what this room does about it.
 */
#include <stdio.h>

#include "hsm/internal.h"

static const struct rv_row {
	CK_RV rv;
	enum hsm_class class;
	clv_rc rc;
	const char *text;
} rv_table[] = {
	/* the caller's data */
	{ CKR_ENCRYPTED_DATA_INVALID, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT,
	  "the data is invalid" },
	{ CKR_ENCRYPTED_DATA_LEN_RANGE, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT,
	  "the data is invalid" },
	{ CKR_WRAPPED_KEY_INVALID, HSM_CLASS_DATA, CLV_E_DATA_LOSS, "the wrapped key is damaged" },
	{ CKR_WRAPPED_KEY_LEN_RANGE, HSM_CLASS_DATA, CLV_E_DATA_LOSS,
	  "the wrapped key is damaged" },
	{ CKR_SIGNATURE_INVALID, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT, "the signature is wrong" },
	{ CKR_SIGNATURE_LEN_RANGE, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT,
	  "the signature is wrong" },
	{ CKR_DATA_INVALID, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT, "the data is invalid" },
	{ CKR_DATA_LEN_RANGE, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT,
	  "the data has a wrong length" },
	/* data or token: a canary decides */
	{ CKR_GENERAL_ERROR, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE,
	  "the token reported a failure" },
	{ CKR_FUNCTION_FAILED, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE,
	  "the token reported a failure" },
	{ CKR_DEVICE_ERROR, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE,
	  "the token reported a failure" },
	/* the session */
	{ CKR_SESSION_HANDLE_INVALID, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE,
	  "the token closed our session" },
	{ CKR_SESSION_CLOSED, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE,
	  "the token closed our session" },
	{ CKR_OPERATION_ACTIVE, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE,
	  "the session is out of step" },
	{ CKR_OPERATION_NOT_INITIALIZED, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE,
	  "the session is out of step" },
	/* the handle */
	{ CKR_OBJECT_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE,
	  "the token forgot the key" },
	{ CKR_KEY_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE, "the token forgot the key" },
	{ CKR_WRAPPING_KEY_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE,
	  "the token forgot the key" },
	{ CKR_UNWRAPPING_KEY_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE,
	  "the token forgot the key" },
	/* the token, or the way to it */
	{ CKR_DEVICE_REMOVED, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE, "the token is gone" },
	{ CKR_TOKEN_NOT_PRESENT, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE, "the token is gone" },
	{ CKR_TOKEN_NOT_RECOGNIZED, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE,
	  "the token is not recognised" },
	{ CKR_SLOT_ID_INVALID, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE, "the token's slot is gone" },
	{ CKR_CRYPTOKI_NOT_INITIALIZED, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE,
	  "the module lost its state" },
	{ CKR_USER_NOT_LOGGED_IN, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE, "the token logged us out" },
	/* limits */
	{ CKR_SESSION_COUNT, HSM_CLASS_LIMIT, CLV_E_RESOURCE_EXHAUSTED,
	  "the token has no session left" },
	{ CKR_DEVICE_MEMORY, HSM_CLASS_LIMIT, CLV_E_RESOURCE_EXHAUSTED, "the token is full" },
	{ CKR_HOST_MEMORY, HSM_CLASS_LIMIT, CLV_E_RESOURCE_EXHAUSTED,
	  "the token's library has no memory" },
	/* the PIN: never tried again by itself */
	{ CKR_PIN_INCORRECT, HSM_CLASS_PIN, CLV_E_UNAVAILABLE, "the token refused the PIN" },
	{ CKR_PIN_INVALID, HSM_CLASS_PIN, CLV_E_UNAVAILABLE, "the token refused the PIN" },
	{ CKR_PIN_LEN_RANGE, HSM_CLASS_PIN, CLV_E_UNAVAILABLE,
	  "the token refused the PIN's length" },
	{ CKR_PIN_EXPIRED, HSM_CLASS_PIN, CLV_E_UNAVAILABLE, "the PIN has expired" },
	{ CKR_PIN_LOCKED, HSM_CLASS_PIN, CLV_E_UNAVAILABLE, "the PIN is locked" },
	{ CKR_USER_PIN_NOT_INITIALIZED, HSM_CLASS_PIN, CLV_E_UNAVAILABLE,
	  "the token has no user PIN yet" },
	/* what this token does not do, or forbids */
	{ CKR_ARGUMENTS_BAD, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token refused the arguments" },
	{ CKR_MECHANISM_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token lacks the mechanism" },
	{ CKR_MECHANISM_PARAM_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token refused the parameters" },
	{ CKR_FUNCTION_NOT_SUPPORTED, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token lacks the function" },
	{ CKR_KEY_FUNCTION_NOT_PERMITTED, HSM_CLASS_POLICY, CLV_E_FAILED_PRECONDITION,
	  "the key may not be used for this" },
	{ CKR_KEY_UNEXTRACTABLE, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED,
	  "the token will not let this key out" },
	{ CKR_KEY_NOT_WRAPPABLE, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED,
	  "the token will not let this key out" },
	{ CKR_ATTRIBUTE_SENSITIVE, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED,
	  "the token will not let this value out" },
	{ CKR_ATTRIBUTE_READ_ONLY, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED,
	  "the attribute cannot be changed" },
	{ CKR_ACTION_PROHIBITED, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED,
	  "the token forbids it" },
	{ CKR_ATTRIBUTE_TYPE_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token does not know an attribute" },
	{ CKR_ATTRIBUTE_VALUE_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token refused an attribute's value" },
	{ CKR_TEMPLATE_INCOMPLETE, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token refused the key's attributes" },
	{ CKR_TEMPLATE_INCONSISTENT, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED,
	  "the token refused the key's attributes" },
	{ CKR_TOKEN_WRITE_PROTECTED, HSM_CLASS_POLICY, CLV_E_FAILED_PRECONDITION,
	  "the token is write-protected" },
};

static const struct rv_row *row_of(CK_RV rv)
{
	static const struct rv_row unknown = { 0, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE,
					       "the token reported a failure" };

	for (size_t i = 0; i < CLV_ARRAY_LEN(rv_table); i++) {
		if (rv_table[i].rv == rv)
			return &rv_table[i];
	}
	return &unknown;
}

enum hsm_class hsm_rv_class(CK_RV rv)
{
	return rv == CKR_OK ? HSM_CLASS_OK : row_of(rv)->class;
}

const char *hsm_rv_text(CK_RV rv)
{
	return row_of(rv)->text;
}

clv_rc hsm_fail(struct clv_err *err, const char *op, CK_RV rv)
{
	const struct rv_row *row = row_of(rv);
	clv_rc rc = clv_fail(err, row->rc, "%s: %s (0x%08lx)", op, row->text, rv);

	err->op = op;
	err->domain = CLV_DOM_PKCS11;
	err->native = rv;
	return rc;
}
