/* SPDX-License-Identifier: Apache-2.0 */
/* What each return value of a token becomes. */
#include <stdio.h>
#include <string.h>

#include "tests/support/token_world.h"

static const struct {
	CK_RV rv;
	enum hsm_class class;
	clv_rc rc;
} rows[] = {
	{ CKR_ENCRYPTED_DATA_INVALID, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT },
	{ CKR_ENCRYPTED_DATA_LEN_RANGE, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT },
	{ CKR_WRAPPED_KEY_INVALID, HSM_CLASS_DATA, CLV_E_DATA_LOSS },
	{ CKR_WRAPPED_KEY_LEN_RANGE, HSM_CLASS_DATA, CLV_E_DATA_LOSS },
	{ CKR_SIGNATURE_INVALID, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT },
	{ CKR_SIGNATURE_LEN_RANGE, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT },
	{ CKR_DATA_INVALID, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT },
	{ CKR_DATA_LEN_RANGE, HSM_CLASS_DATA, CLV_E_INVALID_ARGUMENT },
	{ CKR_GENERAL_ERROR, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE },
	{ CKR_FUNCTION_FAILED, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE },
	{ CKR_DEVICE_ERROR, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE },
	{ CKR_SESSION_HANDLE_INVALID, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE },
	{ CKR_SESSION_CLOSED, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE },
	{ CKR_OPERATION_ACTIVE, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE },
	{ CKR_OPERATION_NOT_INITIALIZED, HSM_CLASS_SESSION, CLV_E_UNAVAILABLE },
	{ CKR_OBJECT_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE },
	{ CKR_KEY_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE },
	{ CKR_WRAPPING_KEY_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE },
	{ CKR_UNWRAPPING_KEY_HANDLE_INVALID, HSM_CLASS_HANDLE, CLV_E_UNAVAILABLE },
	{ CKR_DEVICE_REMOVED, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE },
	{ CKR_TOKEN_NOT_PRESENT, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE },
	{ CKR_TOKEN_NOT_RECOGNIZED, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE },
	{ CKR_SLOT_ID_INVALID, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE },
	{ CKR_CRYPTOKI_NOT_INITIALIZED, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE },
	{ CKR_USER_NOT_LOGGED_IN, HSM_CLASS_TOKEN, CLV_E_UNAVAILABLE },
	{ CKR_SESSION_COUNT, HSM_CLASS_LIMIT, CLV_E_RESOURCE_EXHAUSTED },
	{ CKR_DEVICE_MEMORY, HSM_CLASS_LIMIT, CLV_E_RESOURCE_EXHAUSTED },
	{ CKR_HOST_MEMORY, HSM_CLASS_LIMIT, CLV_E_RESOURCE_EXHAUSTED },
	{ CKR_PIN_INCORRECT, HSM_CLASS_PIN, CLV_E_UNAVAILABLE },
	{ CKR_PIN_INVALID, HSM_CLASS_PIN, CLV_E_UNAVAILABLE },
	{ CKR_PIN_LEN_RANGE, HSM_CLASS_PIN, CLV_E_UNAVAILABLE },
	{ CKR_PIN_EXPIRED, HSM_CLASS_PIN, CLV_E_UNAVAILABLE },
	{ CKR_PIN_LOCKED, HSM_CLASS_PIN, CLV_E_UNAVAILABLE },
	{ CKR_USER_PIN_NOT_INITIALIZED, HSM_CLASS_PIN, CLV_E_UNAVAILABLE },
	{ CKR_MECHANISM_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_MECHANISM_PARAM_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_FUNCTION_NOT_SUPPORTED, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_KEY_FUNCTION_NOT_PERMITTED, HSM_CLASS_POLICY, CLV_E_FAILED_PRECONDITION },
	{ CKR_KEY_UNEXTRACTABLE, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED },
	{ CKR_KEY_NOT_WRAPPABLE, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED },
	{ CKR_ATTRIBUTE_SENSITIVE, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED },
	{ CKR_ATTRIBUTE_READ_ONLY, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED },
	{ CKR_ACTION_PROHIBITED, HSM_CLASS_POLICY, CLV_E_PERMISSION_DENIED },
	{ CKR_ATTRIBUTE_TYPE_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_ATTRIBUTE_VALUE_INVALID, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_TEMPLATE_INCOMPLETE, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_TEMPLATE_INCONSISTENT, HSM_CLASS_POLICY, CLV_E_UNIMPLEMENTED },
	{ CKR_TOKEN_WRITE_PROTECTED, HSM_CLASS_POLICY, CLV_E_FAILED_PRECONDITION },
	/* not in the table */
	{ CKR_VENDOR_DEFINED | 1, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE },
	{ 0x12345678, HSM_CLASS_AMBIGUOUS, CLV_E_UNAVAILABLE },
};

static void each_code_has_its_class_and_outcome(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		struct clv_err err;
		clv_rc rc = hsm_fail(&err, "C_Something", rows[i].rv);

		if (rc != rows[i].rc || hsm_rv_class(rows[i].rv) != rows[i].class)
			fail_msg("0x%lx: %s, class %u", rows[i].rv, clv_rc_name(rc),
				 hsm_rv_class(rows[i].rv));
	}
}

static void each_story_names_the_call_the_number_and_a_cause(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(rows); i++) {
		struct clv_err err;
		char number[32];

		assert_int_equal(hsm_fail(&err, "C_Something", rows[i].rv), rows[i].rc);
		snprintf(number, sizeof number, "(0x%08lx)", rows[i].rv);
		assert_string_equal(err.op, "C_Something");
		assert_int_equal(err.domain, CLV_DOM_PKCS11);
		assert_int_equal(err.native, rows[i].rv);
		assert_non_null(strstr(err.text, "C_Something: "));
		assert_non_null(strstr(err.text, number));
		assert_non_null(strstr(err.text, hsm_rv_text(rows[i].rv)));
		assert_true(strlen(hsm_rv_text(rows[i].rv)) > 5);
	}
}

static void ok_is_ok_and_no_failure_becomes_ok(void **state)
{
	struct clv_err err;

	(void) state;
	assert_int_equal(hsm_rv_class(CKR_OK), HSM_CLASS_OK);
	for (CK_RV rv = 1; rv < 0x300; rv++) {
		assert_int_not_equal(hsm_fail(&err, "C_Something", rv), CLV_OK);
		assert_int_not_equal(hsm_rv_class(rv), HSM_CLASS_OK);
		assert_int_not_equal(hsm_rv_text(rv)[0], '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_has_its_class_and_outcome),
		cmocka_unit_test(each_story_names_the_call_the_number_and_a_cause),
		cmocka_unit_test(ok_is_ok_and_no_failure_becomes_ok),
	};

	return TOKEN_MAIN("hsm: return values", tests);
}
