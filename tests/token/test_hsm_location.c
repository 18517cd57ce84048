/* SPDX-License-Identifier: Apache-2.0 */
/* The five objects of a location: made together or not at all, checked, discarded, and one seen. */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "tests/support/token_world.h"

static struct clv_probe probe; /* large */

static struct hsm_location_ids new_ids(void)
{
	struct hsm_location_ids ids;

	world_new_id(ids.root);
	world_new_id(ids.seal);
	world_new_id(ids.log);
	world_new_id(ids.anchor[0]);
	world_new_id(ids.anchor[1]);
	return ids;
}

static clv_rc create(struct world *w, const struct hsm_location_ids *ids)
{
	return hsm_location_create(w->hsm, grant(), "dc-milan", ids, &w->err);
}

static void check_label(struct world *w, CK_OBJECT_CLASS class, const uint8_t *id, const char *want)
{
	CK_SESSION_HANDLE session = raw_open(w);
	CK_OBJECT_HANDLE object = raw_find(w, session, class, id);
	char label[100] = "";
	CK_ATTRIBUTE got = { CKA_LABEL, label, sizeof label - 1 };

	assert_int_equal(w->real->C_GetAttributeValue(session, object, &got, 1), CKR_OK);
	assert_string_equal(label, want);
	raw_close(w, session);
}

static void creating_makes_five_labelled_things(void **state)
{
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();
	unsigned before = raw_count_token_objects(w);

	assert_ok(w, create(w, &ids));
	assert_int_equal(raw_count_token_objects(w), before + 6); /* the log key is a pair */
	check_label(w, CKO_SECRET_KEY, ids.root, "claviger dc-milan root");
	check_label(w, CKO_SECRET_KEY, ids.seal, "claviger dc-milan seal");
	check_label(w, CKO_PRIVATE_KEY, ids.log, "claviger dc-milan log");
	check_label(w, CKO_PUBLIC_KEY, ids.log, "claviger dc-milan log");
	check_label(w, CKO_SECRET_KEY, ids.anchor[0], "claviger dc-milan anchor a epoch 0");
	check_label(w, CKO_SECRET_KEY, ids.anchor[1], "claviger dc-milan anchor b epoch 0");
}

/* `step`: 1 for each call; each try writes and syncs a dozen files. */
static void check_failure_at_each_call(struct world *w, CK_RV rv, unsigned how, unsigned step)
{
	unsigned before = raw_count_token_objects(w);

	for (unsigned nth = 1;; nth += step) {
		struct hsm_location_ids ids = new_ids();
		clv_rc rc;

		assert_in_range(nth, 1, 300);
		world_calm(w);
		w->shim->reset();
		w->shim->fault(SHIM_ANY, nth, rv, how);
		rc = create(w, &ids);
		w->shim->heal();
		if (rc == CLV_OK) { /* a failing C_DestroyObject of a trial key is no failure */
			assert_ok(w, hsm_location_discard(w->hsm, grant(), &ids, &w->err));
			if (w->shim->faults_given() == 0)
				return;
		}
		world_wait_healthy(w);
		if (raw_count_token_objects(w) != before)
			fail_msg("failure of call %u leaves %u objects (%s)", nth,
				 raw_count_token_objects(w) - before, w->err.text);
	}
}

static void a_failure_of_any_call_leaves_none_of_them(void **state)
{
	check_failure_at_each_call(*state, CKR_FUNCTION_FAILED, SHIM_ONCE, 1);
}

static void a_lost_answer_of_any_call_leaves_none_of_them(void **state)
{
	check_failure_at_each_call(*state, CKR_DEVICE_MEMORY, SHIM_AFTER, 4);
}

static void a_hiccup_at_the_pair_does_not_change_its_kind(void **state)
{
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();
	char pem[CLV_PEM_MAX];

	w->shim->fault(SHIM_C_GenerateKeyPair, 1, CKR_DEVICE_ERROR, SHIM_ONCE);
	w->shim->fault(SHIM_C_GenerateKeyPair, 2, CKR_DEVICE_ERROR, SHIM_ONCE);
	if (create(w, &ids) != CLV_OK)
		return;
	assert_ok(w, hsm_log_public_key(w->hsm, ids.log, pem, &w->err));
	if (strlen(pem) > 130)
		fail_msg("a token that has Ed25519 got an EC P-256 key");
}

static void discarding_removes_what_is_there(void **state)
{
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids(), none = new_ids();
	unsigned before = raw_count_token_objects(w);

	assert_ok(w, create(w, &ids));
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_SEAL, ids.seal, &w->err));
	assert_ok(w, hsm_location_discard(w->hsm, grant(), &none, &w->err));
	assert_int_equal(raw_count_token_objects(w), before + 5);
	assert_ok(w, hsm_location_discard(w->hsm, grant(), &ids, &w->err));
	assert_int_equal(raw_count_token_objects(w), before);
	assert_ok(w, hsm_location_discard(w->hsm, grant(), &ids, &w->err));
}

static void a_check_finds_all_and_reports_a_missing_one(void **state)
{
	static const char *const names[] = { "root KEK", "seal key", "log key", "anchor a",
					     "anchor b" };
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();

	assert_ok(w, create(w, &ids));
	probe.n_rows = 0;
	assert_ok(w, hsm_location_check(w->hsm, &ids, &probe, &w->err));
	assert_int_equal(probe.n_rows, 5);
	for (size_t i = 0; i < CLV_ARRAY_LEN(names); i++)
		assert_int_equal(probe_row(&probe, names[i])->result, CLV_PROBE_YES);
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_LOG, ids.log, &w->err));
	probe.n_rows = 0;
	assert_ok(w, hsm_location_check(w->hsm, &ids, &probe, &w->err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(names); i++)
		assert_int_equal(probe_row(&probe, names[i])->result,
				 strcmp(names[i], "log key") == 0 ? CLV_PROBE_NO : CLV_PROBE_YES);
}

static void a_check_on_a_lost_token_fails_instead_of_reporting_missing_keys(void **state)
{
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();

	assert_ok(w, create(w, &ids));
	world_calm(w);
	w->shim->gone(CKR_DEVICE_REMOVED, false);
	probe.n_rows = 0;
	assert_rc(hsm_location_check(w->hsm, &ids, &probe, &w->err), CLV_E_UNAVAILABLE);
	w->shim->back();
	world_wait_healthy(w);
}

/* ---- the log key, verified by OpenSSL ---- */

static size_t sign_raw(struct world *w, const uint8_t *id, CK_MECHANISM_TYPE type, uint8_t *data,
		       size_t len, uint8_t signature[128])
{
	CK_SESSION_HANDLE session = raw_open(w);
	CK_OBJECT_HANDLE key = raw_find(w, session, CKO_PRIVATE_KEY, id);
	CK_MECHANISM mech = { type, NULL, 0 };
	CK_ULONG signature_len = 128;

	assert_int_equal(w->real->C_SignInit(session, &mech, key), CKR_OK);
	assert_int_equal(w->real->C_Sign(session, data, len, signature, &signature_len), CKR_OK);
	raw_close(w, session);
	return signature_len;
}

static EVP_PKEY *read_pem(struct world *w, const uint8_t *id)
{
	char pem[CLV_PEM_MAX];
	EVP_PKEY *key;
	BIO *bio;

	assert_ok(w, hsm_log_public_key(w->hsm, id, pem, &w->err));
	bio = BIO_new_mem_buf(pem, -1);
	key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(key);
	return key;
}

static int verify(EVP_PKEY *key, const EVP_MD *md, const uint8_t *signature, size_t signature_len,
		  const uint8_t *data, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int good;

	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, md, NULL, key), 1);
	good = EVP_DigestVerify(ctx, signature, signature_len, data, len);
	EVP_MD_CTX_free(ctx);
	return good;
}

static void an_ed25519_log_key_verifies_elsewhere(void **state)
{
	static uint8_t message[] = "a checkpoint of the log";
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();
	uint8_t signature[128];
	EVP_PKEY *key;
	size_t len;

	assert_ok(w, create(w, &ids));
	key = read_pem(w, ids.log);
	assert_int_equal(EVP_PKEY_get_base_id(key), EVP_PKEY_ED25519);
	len = sign_raw(w, ids.log, CKM_EDDSA, message, sizeof message, signature);
	assert_int_equal(verify(key, NULL, signature, len, message, sizeof message), 1);
	message[0] ^= 1;
	assert_int_not_equal(verify(key, NULL, signature, len, message, sizeof message), 1);
	EVP_PKEY_free(key);
}

/* PKCS#11 has r and s side by side, OpenSSL wants them in DER. */
static int to_der(const uint8_t raw[64], uint8_t der[128])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	uint8_t *end = der;
	int len;

	ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
	len = i2d_ECDSA_SIG(sig, &end);
	ECDSA_SIG_free(sig);
	return len;
}

static void a_p256_log_key_verifies_elsewhere(void **state)
{
	static const uint8_t message[] = "a checkpoint of the log";
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();
	uint8_t digest[32], signature[128], der[128];
	EVP_PKEY *key;
	int len;

	w->shim->hide(CKM_EC_EDWARDS_KEY_PAIR_GEN);
	assert_ok(w, create(w, &ids));
	key = read_pem(w, ids.log);
	assert_int_equal(EVP_PKEY_get_base_id(key), EVP_PKEY_EC);
	SHA256(message, sizeof message, digest);
	assert_int_equal(sign_raw(w, ids.log, CKM_ECDSA, digest, sizeof digest, signature), 64);
	len = to_der(signature, der);
	assert_true(len > 0);
	assert_int_equal(verify(key, EVP_sha256(), der, (size_t) len, message, sizeof message), 1);
	EVP_PKEY_free(key);
	assert_ok(w, hsm_ping(w->hsm, &w->err)); /* libp11 has taken nothing from us */
}

static void the_token_works_on_after_libp11_and_a_rebuild(void **state)
{
	struct world *w = *state;
	struct hsm_location_ids ids = new_ids();
	struct sealed sealed;

	w->shim->hide(CKM_EC_EDWARDS_KEY_PAIR_GEN);
	assert_ok(w, create(w, &ids));
	EVP_PKEY_free(read_pem(w, ids.log));
	world_seal(w, &w->version, "text", &sealed);
	world_calm(w);
	w->shim->gone(CKR_DEVICE_REMOVED, true);
	assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
	w->shim->back();
	world_wait_healthy(w);
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
	EVP_PKEY_free(read_pem(w, ids.log));
}

static void a_log_key_that_is_not_there_is_said_to_be_so(void **state)
{
	struct world *w = *state;
	char pem[CLV_PEM_MAX] = "untouched";
	uint8_t id[HSM_ID_LEN];

	world_new_id(id);
	assert_rc(hsm_log_public_key(w->hsm, id, pem, &w->err), CLV_E_NOT_FOUND);
	assert_string_equal(pem, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		token_test(creating_makes_five_labelled_things),
		token_test(a_failure_of_any_call_leaves_none_of_them),
		token_test(a_lost_answer_of_any_call_leaves_none_of_them),
		token_test(a_hiccup_at_the_pair_does_not_change_its_kind),
		token_test(discarding_removes_what_is_there),
		token_test(a_check_finds_all_and_reports_a_missing_one),
		token_test(a_check_on_a_lost_token_fails_instead_of_reporting_missing_keys),
		token_test(an_ed25519_log_key_verifies_elsewhere),
		token_test(a_p256_log_key_verifies_elsewhere),
		token_test(the_token_works_on_after_libp11_and_a_rebuild),
		token_test(a_log_key_that_is_not_there_is_said_to_be_so),
	};

	return TOKEN_MAIN("hsm: locations", tests);
}
