/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call to the token fails in turn, with each of the codes a token can give, in each piece of
 * work. Whatever comes of it is documented, leaves nothing, and the next try works.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/token_world.h"

/* Sanitizers make all of it too slow: there, some of the codes have to do. */
#ifdef CLV_SANITIZED
#define EACH 4
#else
#define EACH 1
#endif

static const CK_RV codes[] = { CKR_GENERAL_ERROR,          CKR_DEVICE_ERROR,
			       CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED,
			       CKR_OBJECT_HANDLE_INVALID,  CKR_KEY_HANDLE_INVALID,
			       CKR_OPERATION_ACTIVE,       CKR_DEVICE_REMOVED,
			       CKR_TOKEN_NOT_PRESENT,      CKR_CRYPTOKI_NOT_INITIALIZED,
			       CKR_USER_NOT_LOGGED_IN,     CKR_SESSION_COUNT,
			       CKR_DEVICE_MEMORY,          CKR_HOST_MEMORY,
			       CKR_FUNCTION_FAILED,        CKR_MECHANISM_INVALID };

static struct sealed sealed;

static clv_rc run_encrypt(struct world *w)
{
	uint8_t iv[HSM_IV_MAX] = { 0 }, out[64];
	size_t iv_len = 0;
	clv_rc rc = hsm_encrypt(w->hsm, grant(), &w->version, bytes_of("aad"), bytes_of("text"), iv,
				&iv_len, out, &w->err);

	if (rc == CLV_OK) {
		memcpy(sealed.iv, iv, sizeof iv);
		sealed.iv_len = iv_len;
		memcpy(sealed.bytes, out, 20);
		sealed.len = 20;
	}
	return rc;
}

static clv_rc run_decrypt(struct world *w)
{
	return world_unseal(w, &w->version, &sealed, "text", &w->err);
}

static clv_rc run_random(struct world *w)
{
	static const uint8_t zeros[32];
	uint8_t bytes[32];
	clv_rc rc;

	memset(bytes, 0xee, sizeof bytes);
	rc = hsm_random(w->hsm, grant(), bytes, sizeof bytes, &w->err);
	if ((rc == CLV_OK) == (memcmp(bytes, zeros, sizeof bytes) == 0))
		fail_msg("%s, and the bytes do not fit that", clv_rc_name(rc));
	return rc;
}

static clv_rc run_generate(struct world *w)
{
	struct hsm_blob blob = { .len = 0 };
	clv_rc rc = hsm_key_generate(w->hsm, grant(), HSM_ROLE_VERSION, &w->ring, &blob, &w->err);

	if ((rc == CLV_OK) != (blob.len != 0))
		fail_msg("a blob of %zu bytes with %s", blob.len, clv_rc_name(rc));
	return rc;
}

static clv_rc run_create(struct world *w)
{
	uint8_t id[HSM_ID_LEN];
	clv_rc rc, undone;
	struct clv_err err;

	world_new_id(id);
	rc = hsm_key_create(w->hsm, grant(), HSM_ROLE_VERSION, id, "fault", &w->err);
	w->shim->heal();
	if (rc != CLV_OK)
		world_wait_healthy(w);
	undone = hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, id, &err);
	if (undone != CLV_OK)
		fail_msg("what a failed creation left is not destroyed: %s", err.text);
	return rc;
}

/* What a fault may turn into. Never "your data are bad" or "the key is gone": they are not. */
static bool documented(clv_rc rc, CK_RV code)
{
	switch (rc) {
	case CLV_OK:
	case CLV_E_UNAVAILABLE:
		return true;
	case CLV_E_RESOURCE_EXHAUSTED:
		return hsm_rv_class(code) == HSM_CLASS_LIMIT;
	case CLV_E_UNIMPLEMENTED:
		return hsm_rv_class(code) == HSM_CLASS_POLICY;
	default:
		return false;
	}
}

static void cool_down(struct world *w)
{
	world_calm(w);
	hsm_key_evict(w->hsm, w->version.id);
	hsm_key_evict(w->hsm, w->ring.id);
	hsm_key_evict(w->hsm, w->root.id);
}

static void check_code(struct world *w, clv_rc (*run)(struct world *w), CK_RV code, unsigned how)
{
	unsigned most;

	cool_down(w);
	most = w->shim->session_objects() + 2; /* the ring KEK, the version */
	for (unsigned nth = 1;; nth++) {
		clv_rc rc;

		assert_in_range(nth, 1, 200);
		cool_down(w);
		w->shim->reset();
		w->shim->fault(SHIM_ANY, nth, code, how);
		rc = run(w);
		w->shim->heal();
		if (!documented(rc, code))
			fail_msg("call %u failing with 0x%lx: %s: %s", nth, code, clv_rc_name(rc),
				 w->err.text);
		if (rc != CLV_OK) {
			world_wait_healthy(w);
			if ((rc = run(w)) != CLV_OK)
				fail_msg("after call %u failed with 0x%lx: %s", nth, code,
					 w->err.text);
		}
		if (w->shim->faults_given() == 0)
			return;
		/* A key that the token only says it forgot stays as long as the only session. */
		if (w->options.max_sessions != 1 || hsm_rv_class(code) != HSM_CLASS_HANDLE)
			assert_in_range(w->shim->session_objects(), 0, most);
	}
}

static void check_all_codes(struct world *w, clv_rc (*run)(struct world *w), unsigned how)
{
	unsigned before = raw_count_token_objects(w);

	assert_int_equal(run_encrypt(w), CLV_OK);
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes); i += EACH)
		check_code(w, run, codes[i], how);
	assert_int_equal(raw_count_token_objects(w), before);
}

static void any_failure_while_encrypting_is_lived_through(void **state)
{
	check_all_codes(*state, run_encrypt, SHIM_ONCE);
}

static void any_failure_while_decrypting_is_lived_through(void **state)
{
	check_all_codes(*state, run_decrypt, SHIM_ONCE);
}

static void any_failure_while_drawing_random_bytes_is_lived_through(void **state)
{
	check_all_codes(*state, run_random, SHIM_ONCE);
}

static void any_failure_while_generating_is_lived_through(void **state)
{
	check_all_codes(*state, run_generate, SHIM_ONCE);
}

static void any_failure_while_creating_is_lived_through(void **state)
{
	check_all_codes(*state, run_create, SHIM_ONCE);
}

static void any_failure_with_one_session_is_lived_through(void **state)
{
	check_all_codes(*state, run_encrypt, SHIM_ONCE);
	check_all_codes(*state, run_decrypt, SHIM_ONCE);
}

static void a_lasting_failure_ends_when_it_is_healed(void **state)
{
	static clv_rc (*const runs[])(struct world * w) = { run_encrypt, run_decrypt, run_random,
							    run_generate };
	struct world *w = *state;

	assert_int_equal(run_encrypt(w), CLV_OK);
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes) * CLV_ARRAY_LEN(runs); i++) {
		CK_RV code = codes[i / CLV_ARRAY_LEN(runs)];
		clv_rc rc;

		cool_down(w);
		w->shim->fault(SHIM_ANY, 1, code, SHIM_ALWAYS);
		rc = runs[i % CLV_ARRAY_LEN(runs)](w);
		w->shim->heal();
		if (rc == CLV_OK || !documented(rc, code))
			fail_msg("0x%lx: %s: %s", code, clv_rc_name(rc), w->err.text);
		world_wait_healthy(w);
		assert_ok(w, runs[i % CLV_ARRAY_LEN(runs)](w));
	}
}

/* The next user of the session would be told that he is out of step. */
static void a_failure_leaves_no_operation_begun(void **state)
{
	static const struct {
		enum shim_function function;
		clv_rc (*run)(struct world *w);
	} ends[] = {
		{ SHIM_C_Encrypt, run_encrypt },
		{ SHIM_C_Decrypt, run_decrypt },
		{ SHIM_C_FindObjects, run_create },
		{ SHIM_C_FindObjectsFinal, run_create },
	};
	struct world *w = *state;

	assert_ok(w, run_encrypt(w));
	for (size_t i = 0; i < CLV_ARRAY_LEN(codes) * CLV_ARRAY_LEN(ends); i++) {
		CK_RV code = codes[i / CLV_ARRAY_LEN(ends)];
		clv_rc rc;

		cool_down(w);
		w->shim->reset();
		w->shim->fault(ends[i % CLV_ARRAY_LEN(ends)].function, 1, code, SHIM_ONCE);
		rc = ends[i % CLV_ARRAY_LEN(ends)].run(w);
		assert_int_equal(w->shim->faults_given(), 1);
		w->shim->heal();
		if (!documented(rc, code))
			fail_msg("0x%lx: %s: %s", code, clv_rc_name(rc), w->err.text);
		if (w->shim->operations() != 0)
			fail_msg("call %zu failing with 0x%lx leaves an operation begun",
				 i % CLV_ARRAY_LEN(ends), code);
		world_wait_healthy(w);
	}
}

int main(void)
{
	static const struct world_options one_session = { .max_sessions = 1 };
	const struct CMUnitTest tests[] = {
		token_test(any_failure_while_encrypting_is_lived_through),
		token_test(any_failure_while_decrypting_is_lived_through),
		token_test(any_failure_while_drawing_random_bytes_is_lived_through),
		token_test(any_failure_while_generating_is_lived_through),
		token_test(any_failure_while_creating_is_lived_through),
		token_test_with(any_failure_with_one_session_is_lived_through, &one_session),
		token_test(a_lasting_failure_ends_when_it_is_healed),
		token_test(a_failure_leaves_no_operation_begun),
	};

	return TOKEN_MAIN("hsm: every call fails", tests);
}
