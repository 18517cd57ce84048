/* SPDX-License-Identifier: Apache-2.0 */
/* What a probe says of a token, and what it leaves there: nothing. */
#include <string.h>

#include "tests/support/token_world.h"

static struct clv_probe probe; /* large */

static void a_probe_leaves_nothing_on_the_token(void **state)
{
	struct world *w = *state;
	struct hsm_counts before, after;
	unsigned objects;

	assert_ok(w, hsm_ping(w->hsm, &w->err));
	objects = raw_count_objects(w);
	hsm_counts_get(w->hsm, &before);
	for (int full = 0; full <= 1; full++) {
		assert_ok(w, hsm_probe(w->hsm, full != 0, &probe, &w->err));
		assert_int_equal(raw_count_objects(w), objects);
		assert_int_equal(w->shim->operations(), 0);
	}
	hsm_counts_get(w->hsm, &after);
	assert_int_equal(after.sessions_out, 0);
	assert_in_range(after.sessions_open, 0, before.sessions_open);
	assert_int_equal(after.sessions_open, w->shim->sessions());
}

static void a_probe_with_one_session_leaves_nothing_and_harms_nothing(void **state)
{
	struct world *w = *state;
	unsigned objects = raw_count_objects(w);
	struct sealed sealed;

	world_seal(w, &w->version, "text", &sealed);
	assert_ok(w, hsm_probe(w->hsm, true, &probe, &w->err));
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
	hsm_key_evict(w->hsm, w->version.id);
	assert_int_equal(raw_count_objects(w), objects);
}

static void a_probe_that_fails_leaves_nothing(void **state)
{
	struct world *w = *state;
	unsigned objects = raw_count_objects(w);
	unsigned given = 1;

	for (unsigned nth = 1; given != 0; nth++) {
		world_calm(w);
		w->shim->reset();
		w->shim->fault(SHIM_ANY, nth, CKR_FUNCTION_FAILED, SHIM_ONCE);
		if (hsm_probe(w->hsm, false, &probe, &w->err) != CLV_OK)
			assert_non_null(strstr(w->err.text, "failure"));
		given = w->shim->faults_given();
		w->shim->heal();
		world_wait_healthy(w);
		hsm_key_evict(w->hsm, w->ring.id);
		assert_in_range(raw_count_objects(w), 0, objects);
	}
}

/* What SoftHSM 2.6.1 is known to do. */
static const struct {
	const char *name;
	enum clv_probe_result result;
	const char *note;
} known[] = {
	{ "0x210a CKM_AES_KEY_WRAP_PAD", CLV_PROBE_YES, "RFC 5649, used here" },
	{ "0x210b CKM_AES_KEY_WRAP_KWP", CLV_PROBE_NO, "lacks the mechanism" },
	{ "0x2109 CKM_AES_KEY_WRAP", CLV_PROBE_YES, "RFC 3394" },
	{ "0x80000171 vendor KWP", CLV_PROBE_NO, "" },
	{ "AES-256-GCM", CLV_PROBE_YES, "12-byte IV" },
	{ "unwrapped keys keep the attributes asked", CLV_PROBE_YES, "" },
	{ "can hold Claviger's key hierarchy", CLV_PROBE_YES, "" },
	{ "HMAC-SHA256", CLV_PROBE_YES, "" },
	{ "signing key for logs", CLV_PROBE_YES, "Ed25519" },
	{ "ECDSA P-256", CLV_PROBE_YES, "" },
	{ "RSA-2048 generation", CLV_PROBE_YES, "" },
	{ "RSA-OAEP SHA-1", CLV_PROBE_YES, "" },
	{ "RSA-OAEP SHA-256", CLV_PROBE_NO, "" },
	{ "AES_256_CTR, wrapped", CLV_PROBE_YES, "" },
	{ "EC_SIGN_P384_SHA384, wrapped", CLV_PROBE_YES, "" },
	{ "EC_SIGN_ED25519, wrapped", CLV_PROBE_NO, "needs residency TOKEN" },
	{ "EC_SIGN_ED25519, in the token", CLV_PROBE_YES, "" },
	{ "RSA_DECRYPT_OAEP_2048_SHA256, wrapped", CLV_PROBE_YES, "" },
	{ "RSA_OAEP_3072_SHA1_AES_256", CLV_PROBE_YES, "" },
	{ "RSA_OAEP_3072_SHA256_AES_256", CLV_PROBE_NO, "refused the arguments" },
	{ "search breaks creation", CLV_PROBE_DIFFERS, "one at a time" },
	{ "a kill during login destroys the token", CLV_PROBE_DIFFERS, "copies" },
	{ "PIN holder cannot read keys", CLV_PROBE_NO, "PIN" },
};

static void softhsm_is_what_it_is_known_to_be(void **state)
{
	struct world *w = *state;

	assert_ok(w, hsm_probe(w->hsm, true, &probe, &w->err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(known); i++) {
		const struct clv_probe_row *row = probe_row(&probe, known[i].name);

		if (row->result != known[i].result || strstr(row->note, known[i].note) == NULL)
			fail_msg("%s: %s, %s", row->name, clv_probe_result_name(row->result),
				 row->note);
	}
	assert_string_equal(probe.validation_note, "not a validated module");
	assert_false(probe.validated_module);
	assert_string_equal(probe.manufacturer, "SoftHSM project");
	assert_string_equal(probe.label, "claviger test");
	assert_int_equal(probe.max_sessions, 0);
}

static void hidden_mechanisms_show_in_the_probe(void **state)
{
	struct world *w = *state;
	const struct clv_probe_row *row;

	w->shim->hide(CKM_AES_KEY_WRAP_PAD);
	w->shim->hide(CKM_EC_EDWARDS_KEY_PAIR_GEN);
	world_close(w);
	world_open(w);
	assert_ok(w, hsm_probe(w->hsm, true, &probe, &w->err));
	row = probe_row(&probe, "0x2109 CKM_AES_KEY_WRAP");
	assert_string_equal(row->note, "RFC 3394, used here");
	assert_string_equal(probe_row(&probe, "signing key for logs")->note, "EC P-256");
}

static void a_token_that_cannot_wrap_is_refused_with_the_reason(void **state)
{
	static const CK_MECHANISM_TYPE mechs[] = { CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP };
	struct world *w = *state;
	struct hsm_blob blob;

	for (size_t i = 0; i < CLV_ARRAY_LEN(mechs); i++)
		w->shim->hide(mechs[i]);
	world_close(w);
	world_open(w);
	assert_ok(w, hsm_probe(w->hsm, true, &probe, &w->err));
	assert_int_equal(probe_row(&probe, "can hold Claviger's key hierarchy")->result,
			 CLV_PROBE_NO);
	assert_refused(
		w, hsm_key_generate(w->hsm, grant(), HSM_ROLE_RING_KEK, &w->root, &blob, &w->err),
		CLV_E_UNIMPLEMENTED, "it wraps no key");
}

static void a_token_without_gcm_is_refused_with_the_reason(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob;

	w->shim->hide(CKM_AES_GCM);
	world_close(w);
	world_open(w);
	assert_refused(
		w, hsm_key_generate(w->hsm, grant(), HSM_ROLE_VERSION, &w->ring, &blob, &w->err),
		CLV_E_UNIMPLEMENTED, "no AES-GCM");
	assert_rc(hsm_encrypt(w->hsm, grant(), &w->version, bytes_of("a"), bytes_of("t"),
			      blob.bytes, &blob.len, blob.bytes + 64, &w->err),
		  CLV_E_UNIMPLEMENTED);
}

int main(void)
{
	static const struct world_options one_session = { .max_sessions = 1 };
	const struct CMUnitTest tests[] = {
		token_test(a_probe_leaves_nothing_on_the_token),
		token_test_with(a_probe_with_one_session_leaves_nothing_and_harms_nothing,
				&one_session),
		token_test(a_probe_that_fails_leaves_nothing),
		token_test(softhsm_is_what_it_is_known_to_be),
		token_test(hidden_mechanisms_show_in_the_probe),
		token_test(a_token_that_cannot_wrap_is_refused_with_the_reason),
		token_test(a_token_without_gcm_is_refused_with_the_reason),
	};

	return TOKEN_MAIN("hsm: probe", tests);
}
